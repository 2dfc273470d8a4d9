/*
 * While another replica leads, its journal is asked about once a second for what it wrote about
 * incidents, actions and the kill switch since the last answer (GET /api/v1/handover), and this
 * replica's engine and journal take it over. So the page shows the same on each replica, and little is
 * missing when the leader is killed: what it did in its last second is found in the cluster
 * (engine_lead.c).
 *
 * When the lease becomes ours the former leader is asked once more. If it answers, its people's words
 * are known; if not, approvals are void.
 *
 * When the lease is lost the engine stands by. Until it hears so, nothing goes out all the same: each
 * connection asks leader_until_ns() right before it sends (kube_session_fence()).
 */
#include "remediations/remediator_lead.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/thread_name.h"
#include "remediations/leader.h"
#include "remediations/remediator_state.h"

#define STEP_MS 100
#define FOLLOW_MS 1000
#define ASK_MS 2000
#define HISTORY_MS (24 * 3600 * INT64_C(1000))
#define BATCH_RECORDS 1000
#define BATCH_BYTES (4u << 20)
#define BATCHES_MAX 100

struct leading {
	struct remediator *remediator;
	struct leader *leader;
	char *token_file, *ca_file; /* for other replicas; NULL */

	/* the thread's */
	char peer[LEASE_IDENTITY_MAX],
		peer_url[LEASE_URL_MAX]; /* whom we follow, or followed last */
	uint64_t peer_after;             /* number of its last record that we know */
	struct kube_client *client;
	struct kube_session *session; /* to peer_url */
	int64_t asked_ns;
	bool leads, told; /* told: that the peer can't be asked */

	pthread_t thread;
	bool thread_started;
	atomic_bool ended;
};

struct leader *leading_leader(struct leading *leading)
{
	return leading ? leading->leader : NULL;
}

/* ---- on the engine's thread ---- */

static void journal_adopted(struct remediator *remediator, const struct record *record)
{
	struct record copy = {.kind = record->kind,
		.time_ms = record->time_ms,
		.ended = record->ended};
	enum status status = STATUS_NO_MEMORY;

	copy.key = mem_strdup(record->key);
	copy.incident = mem_strdup(record->incident);
	copy.body = mem_strdup(record->body);
	if (copy.key && copy.incident && copy.body)
		status = journal_submit(remediator->journal, &copy, 1, NULL, NULL);
	if (status)
		record_fini(&copy);
}

static enum status adopt(struct remediator *remediator, struct control *control, int64_t now_ms)
{
	for (size_t i = 0; i < control->record_count; i++) {
		const struct record *record = &control->records[i];
		struct error error;
		bool news;
		enum status status =
			engine_adopt(remediator->engine, record, &news, now_ms, &error);

		/* Led by now; the rest is not for us any more. */
		if (status == STATUS_CONFLICT)
			return status;
		if (status) {
			LOG_WARN("what the leader tells can't be read", LOG_ERROR_FIELD(&error));
			continue;
		}
		if (!news)
			continue;
		remediator_show(remediator, record);
		journal_adopted(remediator, record);
	}
	remediator_note_pause(remediator);
	return STATUS_OK;
}

enum status leading_control(struct remediator *remediator, struct control *control, int64_t now_ms)
{
	if (control->kind == CONTROL_ADOPT)
		return adopt(remediator, control, now_ms);
	if (control->kind == CONTROL_LEAD) {
		engine_lead(remediator->engine, control->flag, now_ms);
		/* Of incidents that ended while nobody led. */
		remediator_end_silences(remediator);
	} else
		engine_stand_by(remediator->engine, now_ms);
	return STATUS_OK;
}

enum status leading_refuse(struct remediator *remediator, struct error *error)
{
	struct leader_state state;

	leader_look(remediator->leading->leader, &state);
	if (!*state.holder)
		return error_set(error, STATUS_UNAVAILABLE,
			"this replica stands by, and no leader is known at the moment");
	return error_set(error, STATUS_CONFLICT, "this replica stands by: %s leads%s%s",
		state.holder, *state.holder_url ? ", ask " : "", state.holder_url);
}

/* ---- what the leader tells ---- */

struct batch {
	struct record records[BATCH_RECORDS];
	size_t count;
	uint64_t last;
	bool more;
};

static void batch_close(struct batch *batch)
{
	for (size_t i = 0; batch && i < batch->count; i++)
		record_fini(&batch->records[i]);
	mem_free(batch);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static bool read_record(const json_t *object, struct record *record)
{
	const char *kind = text_of(object, "kind");

	*record = (struct record){.kind = RECORD_KIND_COUNT};
	for (unsigned i = 0; i < RECORD_KIND_COUNT; i++)
		if (!strcmp(kind, record_kind_name((enum record_kind)i)))
			record->kind = (enum record_kind)i;
	record->number = (uint64_t)json_integer_value(json_object_get(object, "number"));
	record->time_ms = json_integer_value(json_object_get(object, "time_ms"));
	record->ended = json_is_true(json_object_get(object, "ended"));
	record->key = mem_strdup(text_of(object, "key"));
	record->incident = mem_strdup(text_of(object, "incident"));
	record->body = mem_strdup(text_of(object, "body"));
	if (record->kind < RECORD_KIND_COUNT && record->key && record->incident && record->body)
		return true;
	record_fini(record);
	return false;
}

/* Only the last word on each incident and action counts; they come in the order of their first. */
static enum status read_batch(const json_t *answer, struct batch *batch, struct error *error)
{
	const json_t *from = json_object_get(answer, "data"), *object;
	json_t *newest = json_object();
	const char *key;
	char name[ACTION_ID_MAX + 80];
	size_t i;

	if (!newest)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the leader's records");
	json_array_foreach(json_object_get(from, "records"), i, object)
	{
		snprintf(name, sizeof(name), "%.40s/%.100s", text_of(object, "kind"),
			text_of(object, "key"));
		json_object_set(newest, name, (json_t *)(uintptr_t)object);
	}
	json_object_foreach(newest, key, object)
	{
		if (batch->count < BATCH_RECORDS &&
			read_record(object, &batch->records[batch->count]))
			batch->count++;
	}
	json_decref(newest);
	batch->last = (uint64_t)json_integer_value(json_object_get(from, "last"));
	batch->more = json_is_true(json_object_get(from, "more"));
	return STATUS_OK;
}

static enum status ask_batch(struct leading *leading, struct batch *batch, struct error *error)
{
	struct kube_request request = {.method = KUBE_GET,
		.deadline_ns = clock_mono_ns(clock_system()) + ASK_MS * INT64_C(1000000)};
	struct kube_answer answer = {.object = NULL};
	enum status status;
	char path[80];

	snprintf(path, sizeof(path), "/api/v1/handover?after=%" PRIu64, leading->peer_after);
	request.path = path;
	status = kube_session_call(leading->session, &request, &answer, error);
	if (!status)
		status = read_batch(answer.object, batch, error);
	kube_answer_fini(&answer);
	return status;
}

static void hang_up(struct leading *leading)
{
	kube_session_close(leading->session);
	if (leading->client)
		kube_client_close(leading->client);
	leading->session = NULL;
	leading->client = NULL;
}

static enum status call_peer(struct leading *leading, struct error *error)
{
	struct kube_client_config config = {.url = leading->peer_url,
		.token_file = leading->token_file,
		.ca_file = leading->ca_file,
		.timeout_ms = ASK_MS};
	enum status status = STATUS_OK;

	if (leading->session)
		return STATUS_OK;
	if (!*leading->peer_url)
		return error_set(error, STATUS_NOT_FOUND,
			"the leader tells no address: set leader_election.url on each replica");
	if (!leading->client)
		status = kube_client_open(&leading->client, &config, error);
	if (status)
		return status;
	leading->session = kube_session_open(leading->client);
	return leading->session ? STATUS_OK
				: error_set(error, STATUS_NO_MEMORY, "no memory for a connection");
}

/* Takes over what the leader wrote since it was asked last. */
static enum status follow(struct leading *leading, struct error *error)
{
	enum status status = call_peer(leading, error);
	bool more = true;

	for (unsigned i = 0; !status && more && i < BATCHES_MAX && !atomic_load(&leading->ended);
		i++) {
		struct control control = {.kind = CONTROL_ADOPT};
		struct batch *batch = mem_zalloc(1, sizeof(*batch));

		if (!batch)
			return error_set(error, STATUS_NO_MEMORY, "no memory to follow the leader");
		status = ask_batch(leading, batch, error);
		control.records = batch->records;
		control.record_count = batch->count;
		if (!status && batch->count) {
			status = remediator_control(leading->remediator, &control);
			if (status)
				*error = control.error;
		}
		if (!status && batch->last > leading->peer_after)
			leading->peer_after = batch->last;
		more = batch->more;
		batch_close(batch);
	}
	return status;
}

static void tell_following(struct leading *leading, enum status status, const struct error *error)
{
	if (status && !leading->told)
		LOG_WARN("the leader can't be asked what it did", LOG_TEXT("leader", leading->peer),
			LOG_ERROR_FIELD(error));
	else if (!status && leading->told)
		LOG_INFO("the leader can be asked again", LOG_TEXT("leader", leading->peer));
	leading->told = status != STATUS_OK;
}

/* ---- the thread ---- */

static void stand_by(struct leading *leading, const struct leader_state *state)
{
	struct control control = {.kind = CONTROL_STAND_BY};
	int64_t now_ns = clock_mono_ns(clock_system());
	struct error error = {0};

	if (leading->leads) {
		leading->leads = false;
		(void)!remediator_control(leading->remediator, &control);
	}
	if (!*state->holder || !strcmp(state->holder, state->identity))
		return;
	if (strcmp(leading->peer, state->holder) != 0 ||
		strcmp(leading->peer_url, state->holder_url) != 0) {
		if (strcmp(leading->peer, state->holder) != 0)
			leading->peer_after = 0;
		snprintf(leading->peer, sizeof(leading->peer), "%s", state->holder);
		snprintf(leading->peer_url, sizeof(leading->peer_url), "%s", state->holder_url);
		leading->told = false;
		leading->asked_ns = 0;
		hang_up(leading);
	}
	if (leading->asked_ns && now_ns - leading->asked_ns < FOLLOW_MS * INT64_C(1000000))
		return;
	leading->asked_ns = now_ns;
	tell_following(leading, follow(leading, &error), &error);
}

static void take_over(struct leading *leading, const struct leader_state *state)
{
	struct control control = {.kind = CONTROL_LEAD};
	struct error error = {0};

	/* A lease that nobody had before us leaves no words to ask for. */
	control.flag = !*leading->peer && state->transitions == 0;
	if (*leading->peer) {
		control.flag = !follow(leading, &error);
		hang_up(leading);
	}
	leading->leads = !remediator_control(leading->remediator, &control);
	if (leading->leads)
		LOG_INFO("took the lead", LOG_TEXT("before", leading->peer),
			LOG_TEXT("approvals", control.flag ? "known" : "void"));
}

static void *run(void *argument)
{
	struct leading *leading = argument;
	sigset_t pipe;

	thread_name("leading");
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!atomic_load(&leading->ended)) {
		struct leader_state state;

		leader_look(leading->leader, &state);
		if (!state.leads)
			stand_by(leading, &state);
		else if (!leading->leads)
			take_over(leading, &state);
		clock_sleep_ms(STEP_MS);
	}
	return NULL;
}

/* ---- opening ---- */

static enum status open_leader(struct leading *leading, const struct remediator_config *config,
	struct error *error)
{
	const struct leader_options *options = &config->leader;
	char host[128] = "";
	struct leader_config leader = {.kube = {.url = config->kube_url,
					       .token_file = config->kube_token_file,
					       .ca_file = config->kube_ca_file,
					       .kubeconfig = config->kube_config,
					       .context = config->kube_context},
		.in_cluster = !config->kube_url && !config->kube_config,
		.namespace_name = options->namespace_name,
		.name = options->name,
		.identity = options->identity,
		.url = options->url,
		.duration_ms = options->duration_ms,
		.renew_ms = options->renew_ms,
		.retry_ms = options->retry_ms,
		.clock = clock_system()};

	if (!leader.identity || !*leader.identity) {
		if (gethostname(host, sizeof(host) - 1) || !*host)
			snprintf(host, sizeof(host), "nimbusguard");
		leader.identity = host;
	}
	return leader_open(&leading->leader, &leader, error);
}

enum status leading_open(struct leading **opened, struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	const struct leader_options *options = &config->leader;
	struct leading *leading = mem_zalloc(1, sizeof(*leading));
	enum status status;

	*opened = NULL;
	if (!leading)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the leader election");
	leading->remediator = remediator;
	leading->token_file =
		options->peer_token_file ? mem_strdup(options->peer_token_file) : NULL;
	leading->ca_file = options->peer_ca_file ? mem_strdup(options->peer_ca_file) : NULL;
	if ((options->peer_token_file && !leading->token_file) ||
		(options->peer_ca_file && !leading->ca_file))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the leader election");
	else
		status = open_leader(leading, config, error);
	if (status) {
		leading_close(leading);
		return error_prefix(error, "leader election");
	}
	*opened = leading;
	return STATUS_OK;
}

enum status leading_start(struct leading *leading, struct error *error)
{
	int number = pthread_create(&leading->thread, NULL, run, leading);

	if (number)
		return error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
	leading->thread_started = true;
	return STATUS_OK;
}

void leading_stop(struct leading *leading)
{
	if (!leading || !leading->thread_started)
		return;
	atomic_store(&leading->ended, true);
	pthread_join(leading->thread, NULL);
	leading->thread_started = false;
}

void leading_close(struct leading *leading)
{
	if (!leading)
		return;
	leading_stop(leading);
	hang_up(leading);
	leader_close(leading->leader);
	mem_free(leading->token_file);
	mem_free(leading->ca_file);
	mem_free(leading);
}

/* ---- for the API ---- */

struct handover {
	struct buf *json;
	uint64_t last;
	size_t count, begin;
	bool more;
};

static bool write_record(void *argument, const struct record *record)
{
	struct handover *handover = argument;
	struct buf *json = handover->json;

	if (handover->count == BATCH_RECORDS || json->size - handover->begin > BATCH_BYTES) {
		handover->more = true;
		return false;
	}
	handover->last = record->number;
	/* Of notes those that the engine replays: the kill switch and the track records. */
	if (record->kind != RECORD_INCIDENT && record->kind != RECORD_ACTION &&
		(record->kind != RECORD_NOTE ||
			(strcmp(record->key, "paused") != 0 &&
				strncmp(record->key, TRACK_KEY, strlen(TRACK_KEY)) != 0)))
		return true;
	buf_printf(json, "%s{\"number\":%" PRIu64 ",\"time_ms\":%" PRId64 ",\"kind\":\"%s\"",
		handover->count++ ? "," : "", record->number, record->time_ms,
		record_kind_name(record->kind));
	buf_printf(json, ",\"ended\":%s,\"key\":", record->ended ? "true" : "false");
	buf_add_json_string(json, record->key, strlen(record->key));
	buf_add_text(json, ",\"incident\":");
	buf_add_json_string(json, record->incident, strlen(record->incident));
	buf_add_text(json, ",\"body\":");
	buf_add_json_string(json, record->body, strlen(record->body));
	buf_add_char(json, '}');
	return buf_ok(json);
}

enum status remediator_write_handover(struct remediator *remediator, uint64_t after,
	struct buf *json, struct error *error)
{
	struct handover handover = {.json = json, .last = after, .begin = json->size};
	struct journal_query query = {.kind = -1, .after_number = after};
	enum status status;

	/* Who asks for the first time need not hear of what is long over. */
	if (!after)
		query.from_ms = clock_now_ms(remediator->clock) - HISTORY_MS;
	buf_add_text(json, "{\"records\":[");
	status = journal_read(remediator->journal, &query, write_record, &handover, error);
	buf_printf(json, "],\"last\":%" PRIu64 ",\"more\":%s}", handover.last,
		handover.more ? "true" : "false");
	return status;
}

bool remediator_leader(struct remediator *remediator, struct leader_view *view)
{
	struct leader_state state;

	*view = (struct leader_view){.leads = true};
	if (!remediator->leading)
		return false;
	leader_look(remediator->leading->leader, &state);
	view->leads = state.leads;
	view->since_ms = state.since_ms;
	snprintf(view->identity, sizeof(view->identity), "%s", state.identity);
	snprintf(view->holder, sizeof(view->holder), "%s", state.holder);
	snprintf(view->holder_url, sizeof(view->holder_url), "%s", state.holder_url);
	return true;
}
