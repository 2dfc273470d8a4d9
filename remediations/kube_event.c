/*
 * What is told is copied into a note and queued; the thread makes an Event of it. A table remembers the
 * Event of each object and reason for SERIES_MS, so that a repeat changes its series instead of adding
 * one more.
 */
#include "remediations/kube_event.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/parse.h"
#include "base/queue.h"
#include "base/random.h"
#include "base/thread_name.h"
#include "remediations/kube_object.h"

#define MS_NS INT64_C(1000000)
#define CALL_MS 5000
#define NOTE_MAX 1024
#define WORD_MAX 128
#define SERIES_MAX 512
#define SERIES_MS (6 * 60 * INT64_C(1000))
#define FORBIDDEN_MS (5 * 60 * INT64_C(1000))

struct note {
	struct target target;
	int64_t time_ms;
	bool warning, repeats; /* repeats: a refusal, whose like may come again */
	char reason[WORD_MAX], action[WORD_MAX], text[NOTE_MAX];
	char incident[INCIDENT_ID_MAX];
};

/* An Event that may become a series. */
struct series {
	uint64_t key; /* 0: free */
	char name[OBJECT_NAME_MAX], namespace_name[NAMESPACE_MAX];
	char incident[INCIDENT_ID_MAX]; /* of the last repeat */
	int64_t last_ms;
	unsigned count;
};

struct kube_events {
	struct kube_client *client;
	struct kube_session *session;
	struct queue *queue; /* of struct note * */
	pthread_t thread;
	bool started;
	char instance[WORD_MAX];
	/* of the engine's thread */
	double tokens;
	int64_t tokens_ns;
	/* of our thread */
	kube_fence_fn *fence; /* NULL: none */
	void *fence_argument;
	struct random random;
	struct series series[SERIES_MAX];
	int64_t silent_until_ns; /* after a refusal of the server */
	_Atomic int64_t end_ns;  /* when draining ends; 0: it did not begin */
};

static void note_result(const char *result)
{
	metrics_inc(METRIC_KUBE_EVENTS, result);
}

/* ---- what is told ---- */

/* "rolled_back" -> "RolledBack" behind what stands there. */
static void add_camel(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);
	bool up = true;

	for (; *word != '\0' && used + 1 < size; word++) {
		if (*word == '_') {
			up = true;
			continue;
		}
		text[used++] = up ? (char)toupper((unsigned char)*word) : *word;
		up = false;
	}
	text[used] = '\0';
}

static bool state_told(enum action_state state, bool *warning)
{
	switch (state) {
	case STATE_SENT:
	case STATE_DONE:
	case STATE_CURED:
	case STATE_SELF_HEALED:
		*warning = false;
		return true;
	case STATE_FAILED:
	case STATE_UNKNOWN:
	case STATE_INEFFECTIVE:
	case STATE_WORSE:
	case STATE_REVERTED:
	case STATE_ROLLED_BACK:
		*warning = true;
		return true;
	default:
		return false;
	}
}

/* Refusals that say nothing of the object, or that everybody knows. */
static bool refusal_told(const struct news *news)
{
	static const char *const common[] = {"mode", "approval", "startup_grace", "not_firing",
		"kill_switch", "storm", "playbook_gone", "freeze"};
	const struct observation *seen = news->incident->observation;

	for (size_t i = 0; i < ARRAY_COUNT(common); i++)
		if (strcmp(news->word, common[i]) == 0)
			return false;
	return seen != NULL && seen->error.code == STATUS_OK && seen->found && seen->managed &&
		!seen->dry_run;
}

static bool fill_note(const struct news *news, struct note *note)
{
	const struct action *action = news->action;

	if (news->incident == NULL || (action != NULL && action->dry_run))
		return false;
	if (action != NULL && action->plan.kind == ACTION_TICKET)
		return false;
	if (news->kind == NEWS_REFUSAL && refusal_told(news)) {
		note->warning = note->repeats = true;
		note->target = news->incident->observation->target;
		snprintf(note->reason, sizeof(note->reason), "RemediationRefused");
		snprintf(note->text, sizeof(note->text), "%s: %.900s", news->word, news->text);
	} else if (news->kind == NEWS_STATE && action != NULL &&
		strcmp(news->word, action_state_name(action->state)) == 0 &&
		state_told(action->state, &note->warning)) {
		note->target = action->target;
		snprintf(note->reason, sizeof(note->reason), "Remediation");
		add_camel(note->reason, sizeof(note->reason), news->word);
		snprintf(note->text, sizeof(note->text), "%.900s", news->text);
	} else {
		return false;
	}
	if (action != NULL)
		add_camel(note->action, sizeof(note->action), action_kind_name(action->plan.kind));
	else
		snprintf(note->action, sizeof(note->action), "Remediate");
	/* Who reads it finds the whole story by the incident. */
	snprintf(note->text + strlen(note->text), sizeof(note->text) - strlen(note->text),
		" (incident %s, playbook %.60s)", news->incident->id, news->playbook);
	snprintf(note->incident, sizeof(note->incident), "%s", news->incident->id);
	note->time_ms = news->time_ms;
	return note->target.kind != TARGET_NONE && note->target.name[0] != '\0';
}

static bool take_token(struct kube_events *events)
{
	int64_t now_ns = clock_mono_ns(clock_system());

	events->tokens += (double)(now_ns - events->tokens_ns) / 1e9 * KUBE_EVENT_RATE;
	events->tokens_ns = now_ns;
	if (events->tokens > KUBE_EVENT_BURST)
		events->tokens = KUBE_EVENT_BURST;
	if (events->tokens < 1)
		return false;
	events->tokens -= 1;
	return true;
}

void kube_events_told(struct kube_events *events, const struct news *news)
{
	struct note *note;

	/* Most of the news is none of ours. */
	if (events == NULL || (news->kind != NEWS_STATE && news->kind != NEWS_REFUSAL))
		return;
	note = mem_zalloc(1, sizeof(*note));
	if (note == NULL)
		return note_result("dropped");
	if (fill_note(news, note)) {
		if (take_token(events) && queue_push(events->queue, &note) == STATUS_OK)
			return;
		note_result("dropped");
	}
	mem_free(note);
}

/* ---- writing ---- */

static uint64_t hash_add(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	} while (*text++ != '\0');
	return hash;
}

/* The object and what is said of it; for a refusal up to its code, which ends with a colon. */
static uint64_t key_of(const struct note *note)
{
	char code[WORD_MAX];
	uint64_t hash = UINT64_C(14695981039346656037) + (uint64_t)note->target.kind;

	snprintf(code, sizeof(code), "%.*s", (int)strcspn(note->text, ":"), note->text);
	hash = hash_add(hash, note->target.namespace_name);
	hash = hash_add(hash, note->target.name);
	hash = hash_add(hash, note->target.uid);
	hash = hash_add(hash, code);
	return hash != 0 ? hash : 1;
}

static struct series *find_series(struct kube_events *events, uint64_t key, int64_t now_ms)
{
	for (size_t i = 0; i < SERIES_MAX; i++)
		if (events->series[i].key == key && now_ms - events->series[i].last_ms < SERIES_MS)
			return &events->series[i];
	return NULL;
}

/* The oldest one's place. */
static struct series *new_series(struct kube_events *events)
{
	struct series *oldest = &events->series[0];

	for (size_t i = 0; i < SERIES_MAX; i++)
		if (events->series[i].last_ms < oldest->last_ms)
			oldest = &events->series[i];
	return oldest;
}

static void write_micro(int64_t time_ms, char text[40])
{
	char milli[32];

	/* 2026-01-02T03:04:05.678Z -> ...678000Z, the only form that a MicroTime is read in. */
	format_rfc3339(time_ms, milli, sizeof(milli));
	snprintf(text, 40, "%.*s000Z", (int)strcspn(milli, "Z"), milli);
}

static json_t *make_event(struct kube_events *events, const struct note *note, const char *name,
	const char *namespace_name)
{
	const struct target *target = &note->target;
	char time[40];
	json_t *regarding =
		json_pack("{s:s,s:s,s:s,s:s*,s:s*}", "apiVersion", kube_group_version(target->kind),
			"kind", target_kind_name(target->kind), "name", target->name, "namespace",
			target_kind_namespaced(target->kind) ? target->namespace_name : NULL, "uid",
			target->uid[0] != '\0' ? target->uid : NULL);

	write_micro(note->time_ms, time);
	return json_pack("{s:s,s:s,s:{s:s,s:s},s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s}", "apiVersion",
		"events.k8s.io/v1", "kind", "Event", "metadata", "name", name, "namespace",
		namespace_name, "eventTime", time, "reportingController",
		"nimbusguard.io/controller", "reportingInstance", events->instance, "action",
		note->action, "reason", note->reason, "regarding", regarding, "note", note->text,
		"type", note->warning ? "Warning" : "Normal");
}

/* Sends; STATUS_OK or why not. Takes the body over. */
static enum status send_body(struct kube_events *events, enum kube_method method, const char *path,
	json_t *object, struct error *error)
{
	char body[8192];
	size_t size = object != NULL ? json_dumpb(object, body, sizeof(body) - 1, JSON_COMPACT) : 0;
	struct kube_request request = {.method = method,
		.path = path,
		.body = body,
		.content_type =
			method == KUBE_PATCH ? "application/merge-patch+json" : "application/json",
		.deadline_ns = clock_mono_ns(clock_system()) + CALL_MS * MS_NS};
	struct kube_answer answer;
	enum status status;

	json_decref(object);
	if (size == 0 || size >= sizeof(body))
		return error_set(error, STATUS_NO_MEMORY, "no memory for an Event");
	body[size] = '\0';
	status = kube_session_call(events->session, &request, &answer, error);
	kube_answer_fini(&answer);
	return status;
}

static enum status create(struct kube_events *events, const struct note *note,
	const struct series *series, struct error *error)
{
	char path[256];

	snprintf(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%s/events",
		series->namespace_name);
	return send_body(events, KUBE_POST, path,
		make_event(events, note, series->name, series->namespace_name), error);
}

static enum status repeat(struct kube_events *events, const struct note *note,
	struct series *series, struct error *error)
{
	char path[768], time[40];

	write_micro(note->time_ms, time);
	snprintf(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%s/events/%s",
		series->namespace_name, series->name);
	return send_body(events, KUBE_PATCH, path,
		json_pack("{s:{s:i,s:s}}", "series", "count", (int)series->count,
			"lastObservedTime", time),
		error);
}

static void fill_series(struct kube_events *events, const struct note *note, uint64_t key,
	struct series *series)
{
	const struct target *target = &note->target;

	*series = (struct series){.key = key, .count = 1, .last_ms = note->time_ms};
	snprintf(series->name, sizeof(series->name), "%.200s.%016" PRIx64, target->name,
		random_u64(&events->random));
	snprintf(series->namespace_name, sizeof(series->namespace_name), "%s",
		target_kind_namespaced(target->kind) ? target->namespace_name : "default");
	snprintf(series->incident, sizeof(series->incident), "%s", note->incident);
}

static enum status write_note(struct kube_events *events, const struct note *note,
	struct error *error)
{
	uint64_t key = key_of(note);
	struct series *known = note->repeats ? find_series(events, key, note->time_ms) : NULL;
	struct series made;
	enum status status;

	if (known != NULL) {
		/* Once an incident and reason. */
		if (strcmp(known->incident, note->incident) == 0)
			return STATUS_OK;
		known->count++;
		known->last_ms = note->time_ms;
		snprintf(known->incident, sizeof(known->incident), "%s", note->incident);
		status = repeat(events, note, known, error);
		/* Events end after an hour or so: then it is a new one. */
		if (status != STATUS_NOT_FOUND)
			return status;
		known->key = 0;
	}
	fill_series(events, note, key, &made);
	status = create(events, note, &made, error);
	if (status == STATUS_OK && note->repeats)
		*new_series(events) = made;
	return status;
}

static void take_note(struct kube_events *events, const struct note *note)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	int64_t end_ns = atomic_load(&events->end_ns);
	struct error error = {0};
	enum status status;

	if (now_ns < events->silent_until_ns || (end_ns != 0 && now_ns > end_ns) ||
		(events->fence != NULL && events->fence(events->fence_argument) <= now_ns))
		return note_result("dropped");
	status = write_note(events, note, &error);
	note_result(status == STATUS_OK ? "written" : "failed");
	if (status == STATUS_OK)
		return;
	if (status == STATUS_FORBIDDEN)
		events->silent_until_ns = now_ns + FORBIDDEN_MS * MS_NS;
	/* A cluster without this API misses nothing by it. */
	LOG_AT(status == STATUS_NOT_FOUND ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
		"no Event was written", LOG_TEXT("object", note->target.name),
		LOG_TEXT("reason", note->reason), LOG_ERROR_FIELD(&error));
}

static void *run(void *argument)
{
	struct kube_events *events = argument;
	struct note *note;
	sigset_t pipe;

	thread_name("kube events");
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (queue_pop(events->queue, &note, -1) == STATUS_OK) {
		take_note(events, note);
		mem_free(note);
	}
	return NULL;
}

/* ---- life ---- */

enum status kube_events_open(struct kube_events **opened, struct kube_client *client,
	struct error *error)
{
	struct kube_events *events = mem_zalloc(1, sizeof(*events));
	uint64_t seed = 1;

	*opened = NULL;
	if (events == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for Events");
	if (random_secret(&seed, sizeof(seed)) != STATUS_OK)
		seed = (uint64_t)clock_mono_ns(clock_system());
	random_init(&events->random, seed);
	events->tokens = KUBE_EVENT_BURST;
	events->tokens_ns = clock_mono_ns(clock_system());
	/* In a pod its name. */
	if (gethostname(events->instance, sizeof(events->instance) - 1) != 0 ||
		events->instance[0] == '\0')
		snprintf(events->instance, sizeof(events->instance), "nimbusguard");
	events->session = kube_session_open(client);
	events->queue = queue_open(sizeof(struct note *), KUBE_EVENT_QUEUE_MAX);
	if (events->session == NULL || events->queue == NULL ||
		pthread_create(&events->thread, NULL, run, events) != 0) {
		kube_events_close(events);
		return error_set(error, STATUS_NO_MEMORY, "no memory for Events");
	}
	events->started = true;
	events->client = client;
	*opened = events;
	return STATUS_OK;
}

void kube_events_fence(struct kube_events *events, kube_fence_fn *fence, void *argument)
{
	/* The thread looks at them when the first note was queued. */
	events->fence = fence;
	events->fence_argument = argument;
	kube_session_fence(events->session, fence, argument);
}

void kube_events_close(struct kube_events *events)
{
	if (events == NULL)
		return;
	atomic_store(&events->end_ns, clock_mono_ns(clock_system()) + KUBE_EVENT_DRAIN_MS * MS_NS);
	if (events->queue != NULL)
		queue_end(events->queue);
	if (events->started)
		pthread_join(events->thread, NULL);
	if (events->queue != NULL)
		queue_close(events->queue);
	kube_session_close(events->session);
	kube_client_close(events->client);
	mem_free(events);
}
