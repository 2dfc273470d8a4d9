/*
 * The Kubernetes actuator: a bounded queue and a few threads, each with a connection of its own that
 * stays open. Commands overtake questions, so that a storm of alerts to look into does not hold up
 * what was decided.
 *
 * A command of many calls does not hold a thread while it waits: it is put off and goes on when it is
 * due, on whichever thread is free.
 */
#include "remediations/actuator_kube.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "base/turns.h"
#include "remediations/kube_client.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_send.h"
#include "remediations/kube_watch.h"

#define THREADS_MAX 16

/* A question or a command on its way. */
struct job {
	struct job *next;
	bool is_command, is_begun;
	uint64_t ticket;
	struct target target; /* of a question */
	struct purpose purpose;
	struct command command;          /* of a command */
	char *payload;                   /* its own copy; NULL: none */
	struct sending sending;          /* of one that was begun */
	char told[SENDING_PROGRESS_MAX]; /* its progress as told last */
	int64_t due_ns;                  /* monotonic: when a begun one goes on */
};

struct job_list {
	struct job *first, **last;
};

struct actuator_kube {
	struct kube_client *client;
	struct kube_watch *watch; /* NULL: none */
	const struct clock *clock;
	kube_fence_fn *fence; /* NULL: none */
	void *fence_argument;
	struct actuator_sink sink;
	const atomic_bool *paused; /* NULL: never */
	unsigned queue_max;

	pthread_mutex_t lock;
	pthread_cond_t filled;
	/* under lock */
	struct job_list commands, questions;
	struct job *begun; /* in the order of due_ns; they count as waiting */
	unsigned waiting;
	bool ended;

	struct kube_session *sessions[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	unsigned session_count, thread_count;
	struct worker *workers;
};

/* One thread of the pool. */
struct worker {
	struct actuator_kube *kube;
	struct kube_look look;
};

static void list_init(struct job_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_add(struct job_list *list, struct job *job)
{
	*list->last = job;
	list->last = &job->next;
}

static struct job *list_take(struct job_list *list)
{
	struct job *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		list->last = &list->first;
	return job;
}

static void free_job(struct job *job)
{
	mem_free(job->payload);
	mem_free(job);
}

static enum status enqueue(struct actuator_kube *kube, struct job *job)
{
	enum status status = STATUS_OK;
	unsigned waiting;

	pthread_mutex_lock(&kube->lock);
	if (kube->ended) {
		status = STATUS_UNAVAILABLE;
	} else if (kube->waiting >= kube->queue_max) {
		status = STATUS_BUSY;
	} else {
		list_add(job->is_command ? &kube->commands : &kube->questions, job);
		kube->waiting++;
	}
	waiting = kube->waiting;
	pthread_mutex_unlock(&kube->lock);
	if (status != STATUS_OK) {
		free_job(job);
		return status;
	}
	/* Once the lock is free: who wakes at once would only wait for it. */
	pthread_cond_signal(&kube->filled);
	metrics_set(METRIC_QUEUE_LENGTH, waiting, "actuator");
	return STATUS_OK;
}

static enum status observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct job *job = mem_zalloc(1, sizeof(*job));

	if (job == NULL)
		return STATUS_NO_MEMORY;
	job->ticket = ticket;
	job->target = *target;
	job->purpose = *purpose;
	return enqueue(self, job);
}

/* A command that goes on later. It had its place in the queue, so that it is taken at its maximum,
 * too. */
static void put_off(struct actuator_kube *kube, struct job *job, int64_t again_ms)
{
	struct job **at = &kube->begun;

	job->is_begun = true;
	job->due_ns = clock_mono_ns(clock_system()) + again_ms * 1000000;
	pthread_mutex_lock(&kube->lock);
	while (*at != NULL && (*at)->due_ns <= job->due_ns)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	kube->waiting++;
	/* Who sleeps until the next one is due has to sleep anew. */
	pthread_cond_signal(&kube->filled);
	pthread_mutex_unlock(&kube->lock);
}

static enum status send_command(void *self, const struct command *command)
{
	struct job *job = mem_zalloc(1, sizeof(*job));

	if (job == NULL)
		return STATUS_NO_MEMORY;
	job->is_command = true;
	job->command = *command;
	if (command->payload != NULL) {
		job->payload = mem_strdup(command->payload);
		job->command.payload = job->payload;
		if (job->payload == NULL) {
			free_job(job);
			return STATUS_NO_MEMORY;
		}
	}
	return enqueue(self, job);
}

/* Under the lock: what is to be worked on now. */
static struct job *next_job(struct actuator_kube *kube)
{
	struct job *job = kube->begun;

	if (job != NULL && (kube->ended || job->due_ns <= clock_mono_ns(clock_system()))) {
		kube->begun = job->next;
		return job;
	}
	job = list_take(&kube->commands);
	return job != NULL ? job : list_take(&kube->questions);
}

/* Under the lock: until there is something new, or the first command that was begun is due. */
static void await_job(struct actuator_kube *kube)
{
	struct timespec until;

	if (kube->begun == NULL) {
		pthread_cond_wait(&kube->filled, &kube->lock);
		return;
	}
	until.tv_sec = (time_t)(kube->begun->due_ns / 1000000000);
	until.tv_nsec = (long)(kube->begun->due_ns % 1000000000);
	pthread_cond_timedwait(&kube->filled, &kube->lock, &until);
}

/* NULL: the queue has ended and is empty. */
static struct job *take_job(struct actuator_kube *kube, bool *ended)
{
	struct job *job;
	unsigned waiting;

	pthread_mutex_lock(&kube->lock);
	while ((job = next_job(kube)) == NULL && !kube->ended)
		await_job(kube);
	if (job != NULL)
		kube->waiting--;
	*ended = kube->ended;
	waiting = kube->waiting;
	pthread_mutex_unlock(&kube->lock);
	metrics_set(METRIC_QUEUE_LENGTH, waiting, "actuator");
	return job;
}

static void answer_question(struct worker *worker, const struct job *job, bool ended)
{
	const struct actuator_sink *sink = &worker->kube->sink;
	struct observation observation = {.target = job->target};

	if (ended)
		error_set(&observation.error, STATUS_UNAVAILABLE, "the service is ending");
	else
		kube_observe(&worker->look, &job->target, &job->purpose, &observation);
	sink->observed(sink->argument, job->ticket, &observation);
}

/* How far it is, where that is news. */
static void tell_progress(struct worker *worker, struct job *job, struct command_result *result)
{
	const struct actuator_sink *sink = &worker->kube->sink;

	if (strcmp(job->told, job->sending.progress) == 0 ||
		strcmp(job->sending.progress, SENDING_BEGUN) == 0)
		return;
	memcpy(job->told, job->sending.progress, sizeof(job->told));
	result->outcome = COMMAND_UNDER_WAY;
	snprintf(result->detail, sizeof(result->detail), "%s", job->told);
	error_reset(&result->error);
	sink->finished(sink->argument, result);
}

/* False: it is not over, and in the queue again. */
static bool answer_command(struct worker *worker, struct job *job, bool ended)
{
	const struct actuator_kube *kube = worker->kube;
	const struct actuator_sink *sink = &kube->sink;
	struct command_result result;
	int64_t again_ms;

	if (!job->is_begun)
		kube_send_begin(&job->sending, worker->look.session, worker->kube->clock,
			&job->command);
	/* Another thread may go on with it than began it. */
	job->sending.session = worker->look.session;
	if (ended) {
		kube_send_stop(&job->sending, "the service is ending", &result);
	} else if (job->is_begun && kube->paused != NULL && atomic_load(kube->paused)) {
		kube_send_stop(&job->sending, "the kill switch is on", &result);
	} else if (!kube_send_go_on(&job->sending, &again_ms, &result)) {
		tell_progress(worker, job, &result);
		put_off(worker->kube, job, again_ms);
		return false;
	}
	sink->finished(sink->argument, &result);
	return true;
}

static void *run_worker(void *argument)
{
	struct worker *worker = argument;
	struct job *job;
	sigset_t pipe;
	bool ended;

	thread_name("actuator");
	/* A TLS connection that the server closed must be an error of a write, not our end. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	turns_shorten();
	while ((job = take_job(worker->kube, &ended)) != NULL) {
		bool over = true;

		if (job->is_command)
			over = answer_command(worker, job, ended);
		else
			answer_question(worker, job, ended);
		if (over)
			free_job(job);
	}
	return NULL;
}

static void close_kube(void *self)
{
	struct actuator_kube *kube = self;

	pthread_mutex_lock(&kube->lock);
	kube->ended = true;
	pthread_cond_broadcast(&kube->filled);
	pthread_mutex_unlock(&kube->lock);
	if (kube->client != NULL)
		kube_client_stop(kube->client);
	for (unsigned i = 0; i < kube->thread_count; i++)
		pthread_join(kube->threads[i], NULL);
	for (unsigned i = 0; i < kube->session_count; i++)
		kube_session_close(kube->sessions[i]);
	kube_watch_close(kube->watch);
	kube_client_close(kube->client);
	pthread_cond_destroy(&kube->filled);
	pthread_mutex_destroy(&kube->lock);
	mem_free(kube->workers);
	mem_free(kube);
}

static const struct actuator_vtable vtable = {
	.observe = observe,
	.send = send_command,
	.close = close_kube,
};

static enum status open_client(struct actuator_kube *kube,
	const struct actuator_kube_config *config, struct error *error)
{
	struct kube_client_config client = {.url = config->url,
		.token_file = config->token_file,
		.ca_file = config->ca_file,
		.kubeconfig = config->kubeconfig,
		.context = config->context,
		.timeout_ms = config->timeout_ms};
	char url[512];

	if ((config->url == NULL || *config->url == '\0') &&
		(config->kubeconfig == NULL || *config->kubeconfig == '\0')) {
		enum status status = kube_config_in_cluster(&client, url, sizeof(url), error);

		if (status != STATUS_OK)
			return status;
	}
	return kube_client_open(&kube->client, &client, error);
}

static enum status open_watch(struct actuator_kube *kube, const struct actuator_kube_config *config,
	struct error *error)
{
	const struct kube_watch_config watch = {.kinds = config->watch_kinds,
		.object_max = config->watch_object_max};

	return kube_watch_open(&kube->watch, kube->client, &watch, error);
}

static enum status start_workers(struct actuator_kube *kube, unsigned count, struct error *error)
{
	kube->workers = mem_zalloc(count, sizeof(*kube->workers));
	if (kube->workers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the actuator's threads");
	for (unsigned i = 0; i < count; i++) {
		struct worker *worker = &kube->workers[i];
		int number;

		worker->kube = kube;
		worker->look.watch = kube->watch;
		worker->look.session = kube_session_open(kube->client);
		if (worker->look.session == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
		kube->sessions[kube->session_count++] = worker->look.session;
		if (kube->fence != NULL)
			kube_session_fence(worker->look.session, kube->fence, kube->fence_argument);
		number = pthread_create(&kube->threads[i], NULL, run_worker, worker);
		if (number != 0)
			return error_set_errno(error, STATUS_NO_MEMORY, number,
				"cannot start a thread");
		kube->thread_count++;
	}
	return STATUS_OK;
}

static void init_lock(struct actuator_kube *kube)
{
	pthread_condattr_t attributes;

	CHECK(pthread_mutex_init(&kube->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&kube->filled, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
}

enum status actuator_kube_open(struct actuator *actuator, const struct actuator_kube_config *config,
	const struct actuator_sink *sink, struct error *error)
{
	unsigned threads = config->threads > 0 ? config->threads : 2;
	struct actuator_kube *kube = mem_zalloc(1, sizeof(*kube));
	enum status status;

	CHECK(config->clock != NULL);
	*actuator = (struct actuator){0};
	if (kube == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the actuator");
	kube->clock = config->clock;
	kube->fence = config->fence;
	kube->fence_argument = config->fence_argument;
	kube->sink = *sink;
	kube->paused = config->paused;
	kube->queue_max = config->queue_max > 0 ? config->queue_max : 1024;
	list_init(&kube->commands);
	list_init(&kube->questions);
	init_lock(kube);
	status = open_client(kube, config, error);
	if (status == STATUS_OK && config->watch_kinds != 0)
		status = open_watch(kube, config, error);
	if (status == STATUS_OK)
		status = start_workers(kube, threads < THREADS_MAX ? threads : THREADS_MAX, error);
	if (status != STATUS_OK) {
		close_kube(kube);
		return status;
	}
	metrics_set(METRIC_QUEUE_LIMIT, kube->queue_max, "actuator");
	*actuator = (struct actuator){.vtable = &vtable, .self = kube};
	return STATUS_OK;
}
