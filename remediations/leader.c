/*
 * The thread tries, waits, and tries again. What others may know of it is kept beside: the time of the
 * last renewal as one atomic number, so that the question "may I still send this?" never waits.
 */
#include "remediations/leader.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/thread_name.h"

#define MS_NS INT64_C(1000000)

struct leader {
	struct lease lease; /* the thread's */
	struct random random;
	struct kube_client *client; /* NULL with a session of the tests */
	struct kube_session *session;
	char *namespace_name, *name, *url;
	char identity[LEASE_IDENTITY_MAX];
	_Atomic int64_t renewed_ns; /* 0: we don't lead */
	pthread_mutex_t lock;
	pthread_cond_t ending;
	/* under lock */
	struct leader_state state;
	bool ended;
	pthread_t thread;
	bool thread_started;
};

int64_t leader_until_ns(void *argument)
{
	struct leader *leader = argument;
	int64_t renewed_ns = atomic_load(&leader->renewed_ns);

	if (renewed_ns == 0)
		return 0;
	return lease_until_ns(&leader->lease.config, renewed_ns,
		clock_mono_ns(leader->lease.config.clock));
}

void leader_look(struct leader *leader, struct leader_state *state)
{
	pthread_mutex_lock(&leader->lock);
	*state = leader->state;
	pthread_mutex_unlock(&leader->lock);
	/* The thread may be waiting for the API server while the time for acting ends. */
	state->leads = state->leads && leader_until_ns(leader) != 0;
}

void leader_collect(struct leader *leader)
{
	struct leader_state state;
	int64_t left_ns = leader_until_ns(leader);

	leader_look(leader, &state);
	if (left_ns != 0)
		left_ns -= clock_mono_ns(leader->lease.config.clock);
	metrics_set(METRIC_LEADER, state.leads);
	metrics_set(METRIC_LEASE_SECONDS, left_ns > 0 ? (double)left_ns / 1e9 : 0);
	metrics_set(METRIC_LEASE_TRANSITIONS, (double)state.transitions);
	metrics_clear(METRIC_LEADER_INFO);
	if (*state.holder != '\0')
		metrics_set(METRIC_LEADER_INFO, 1, state.holder);
}

/* Tells what changed, in the log and for leader_look(). */
static void note(struct leader *leader, enum status status, const struct error *error)
{
	const struct lease *lease = &leader->lease;
	const char *holder = lease_holder(lease);
	struct leader_state *state = &leader->state;
	bool led, changed;

	atomic_store(&leader->renewed_ns, lease->leads ? lease->renewed_ns : 0);
	pthread_mutex_lock(&leader->lock);
	led = state->leads;
	changed = led != lease->leads || strcmp(state->holder, holder) != 0;
	state->leads = lease->leads;
	snprintf(state->holder, sizeof(state->holder), "%s", holder);
	snprintf(state->holder_url, sizeof(state->holder_url), "%s", lease_holder_url(lease));
	state->transitions = lease_transitions(lease);
	if (changed)
		state->since_ms = clock_now_ms(lease->config.clock);
	state->error = *error;
	pthread_mutex_unlock(&leader->lock);
	if (status != STATUS_OK && status != STATUS_BUSY) {
		metrics_inc(METRIC_LEASE_FAILURES, status_label(status));
		LOG_WARN("the lease could not be had or renewed", LOG_ERROR_FIELD(error));
	}
	if (!changed)
		return;
	if (lease->leads)
		LOG_INFO("this replica leads and acts", LOG_TEXT("identity", leader->identity));
	else if (led)
		LOG_WARN("this replica does not lead any more and stops acting",
			LOG_TEXT("identity", leader->identity), LOG_TEXT("leader", holder));
	else
		LOG_INFO("this replica stands by", LOG_TEXT("identity", leader->identity),
			LOG_TEXT("leader", *holder != '\0' ? holder : "nobody"));
}

/* False at the end. */
static bool wait_retry(struct leader *leader)
{
	int64_t retry_ms = leader->lease.config.retry_ms, wait_ms = retry_ms;
	struct timespec at;
	bool ended;

	/* Those who wait don't come all at once. */
	if (!leader->lease.leads)
		wait_ms += (int64_t)random_below(&leader->random, (uint64_t)retry_ms / 5 + 1);
	wait_ms = clock_mono_ns(clock_system()) / MS_NS + wait_ms;
	at = (struct timespec){.tv_sec = (time_t)(wait_ms / 1000),
		.tv_nsec = (long)(wait_ms % 1000 * MS_NS)};
	pthread_mutex_lock(&leader->lock);
	while (!leader->ended &&
		pthread_cond_timedwait(&leader->ending, &leader->lock, &at) != ETIMEDOUT)
		;
	ended = leader->ended;
	pthread_mutex_unlock(&leader->lock);
	return !ended;
}

static void *run(void *argument)
{
	struct leader *leader = argument;
	sigset_t pipe;

	thread_name("lease");
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	do {
		struct error error = {0};
		enum status status = lease_try(&leader->lease, leader->session, &error);

		note(leader, status, &error);
	} while (wait_retry(leader));
	return NULL;
}

/* --- opening --- */

static enum status find_namespace(struct leader *leader, const struct leader_config *config,
	struct error *error)
{
	if (config->namespace_name != NULL && *config->namespace_name != '\0') {
		leader->namespace_name = mem_strdup(config->namespace_name);
	} else {
		struct buf text;

		buf_init(&text, 256);
		if (file_read(LEADER_NAMESPACE_FILE, &text, NULL) != STATUS_OK) {
			buf_fini(&text);
			return error_set(error, STATUS_BAD_INPUT,
				"leader_election.namespace is not set, and outside of a pod there "
				"is none to take");
		}
		while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
			text.size--;
		leader->namespace_name = mem_strndup(text.data, text.size);
		buf_fini(&text);
	}
	return leader->namespace_name != NULL
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "no memory for the leader election");
}

static enum status open_session(struct leader *leader, const struct leader_config *config,
	struct error *error)
{
	struct kube_client_config kube = config->kube;
	enum status status = STATUS_OK;
	char url[512];

	if (config->session != NULL) {
		leader->session = config->session;
		return STATUS_OK;
	}
	if (config->in_cluster)
		status = kube_config_in_cluster(&kube, url, sizeof(url), error);
	/* Two attempts within the renew deadline, so that one lost packet is no lost lease. */
	kube.timeout_ms = config->renew_ms / 2;
	if (status == STATUS_OK)
		status = kube_client_open(&leader->client, &kube, error);
	if (status != STATUS_OK)
		return status;
	leader->session = kube_session_open(leader->client);
	return leader->session != NULL
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
}

static enum status open_parts(struct leader *leader, const struct leader_config *config,
	struct error *error)
{
	struct lease_config lease = {.duration_ms = config->duration_ms,
		.renew_ms = config->renew_ms,
		.retry_ms = config->retry_ms,
		.clock = config->clock};
	uint64_t tail = 0;
	enum status status = random_secret(&tail, sizeof(tail));

	if (status != STATUS_OK)
		return error_set(error, status, "no randomness for an identity");
	random_init(&leader->random, tail);
	snprintf(leader->identity, sizeof(leader->identity), "%.200s_%08" PRIx32, config->identity,
		(uint32_t)(tail >> 32));
	memcpy(leader->state.identity, leader->identity, sizeof(leader->identity));
	leader->name = mem_strdup(config->name);
	leader->url = mem_strdup(config->url != NULL ? config->url : "");
	if (leader->name == NULL || leader->url == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the leader election");
	status = find_namespace(leader, config, error);
	if (status != STATUS_OK)
		return status;
	lease.namespace_name = leader->namespace_name;
	lease.name = leader->name;
	lease.identity = leader->identity;
	lease.url = leader->url;
	status = lease_init(&leader->lease, &lease, error);
	return status == STATUS_OK ? open_session(leader, config, error) : status;
}

enum status leader_open(struct leader **opened, const struct leader_config *config,
	struct error *error)
{
	struct leader *leader = mem_zalloc(1, sizeof(*leader));
	pthread_condattr_t attributes;
	enum status status;
	int number;

	*opened = NULL;
	if (leader == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the leader election");
	CHECK(pthread_mutex_init(&leader->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&leader->ending, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	status = open_parts(leader, config, error);
	if (status == STATUS_OK) {
		number = pthread_create(&leader->thread, NULL, run, leader);
		leader->thread_started = number == 0;
		if (number != 0)
			status = error_set_errno(error, STATUS_NO_MEMORY, number,
				"cannot start a thread");
	}
	if (status != STATUS_OK) {
		leader_close(leader);
		return status;
	}
	*opened = leader;
	return STATUS_OK;
}

void leader_close(struct leader *leader)
{
	struct error error;

	if (leader == NULL)
		return;
	pthread_mutex_lock(&leader->lock);
	leader->ended = true;
	pthread_cond_signal(&leader->ending);
	pthread_mutex_unlock(&leader->lock);
	if (leader->thread_started) {
		pthread_join(leader->thread, NULL);
		atomic_store(&leader->renewed_ns, 0);
		if (lease_release(&leader->lease, leader->session, &error) != STATUS_OK)
			LOG_WARN("the lease could not be given back; another replica waits for its "
				 "end",
				LOG_ERROR_FIELD(&error));
	}
	if (leader->client != NULL) {
		kube_session_close(leader->session);
		kube_client_close(leader->client);
	}
	lease_fini(&leader->lease);
	mem_free(leader->namespace_name);
	mem_free(leader->name);
	mem_free(leader->url);
	pthread_cond_destroy(&leader->ending);
	pthread_mutex_destroy(&leader->lock);
	mem_free(leader);
}
