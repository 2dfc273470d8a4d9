/*
 * Time jumps from one thing that is due to the next: bodies and samples of the tape, scans, and what the
 * engine itself waits for. At one moment they come in the order of daemon/sandbox.h.
 *
 * Bodies of remote write go the way of a request (remote_write/ingest.h) at the time they came. Samples
 * of files and of a Prometheus are encoded into such bodies first, all of a second together, as a sender
 * would: so the rules of ingest and all limits hold for them as well.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/replay.h"
#include "daemon/replay_intake.h"
#include "daemon/sandbox.h"
#include "receiver/webhook.h"

#define BATCH_MS 1000
#define SWEEP_MS 30000
#define WAITING_MAX 4096

struct replaying {
	const struct tape *tape;
	const struct replay_options *options;
	struct replay_plans *plans;
	struct sandbox sandbox;
	struct replay_intake *intake;
	struct replay_intake_counts taken;
	size_t alerts_max;    /* of a message */
	size_t frame, sample; /* next on the tape */
	int64_t sweep_ms;
	struct event *events; /* of this moment; owned */
	size_t event_count, event_room;
	char (*waiting)[ACTION_ID_MAX]; /* actions that wait for a person */
	size_t waiting_count;
	struct error problem;
};

static void gave_up(void *argument, const char *words)
{
	struct replaying *at = argument;

	error_set(&at->problem, STATUS_LIMIT, "%s", words);
}

static void recorded(void *argument, struct record *record)
{
	(void)argument;
	record_fini(record);
}

static enum mode mode_of(const struct replaying *at, const struct incident *incident)
{
	const struct playbook *playbook =
		incident != NULL ? engine_playbook(at->sandbox.engine, incident) : NULL;
	enum mode mode = MODE_OBSERVE;

	CHECK(mode_parse(config_text(at->options->config, SETTING_MODE), &mode));
	return playbook != NULL && playbook->mode < mode ? playbook->mode : mode;
}

static void told(void *argument, const struct news *news)
{
	struct replaying *at = argument;

	replay_plans_take(at->plans, news, mode_of(at, news->incident));
	if (!at->options->approve || news->kind != NEWS_STATE || news->action == NULL ||
		news->action->state != STATE_AWAITING_APPROVAL || at->waiting_count == WAITING_MAX)
		return;
	snprintf(at->waiting[at->waiting_count++], ACTION_ID_MAX, "%s", news->action->id);
}

static void applied(void *argument, const struct command *command)
{
	struct replaying *at = argument;

	replay_plans_applied(at->plans, command->action_id);
}

/* ---- opening ---- */

static enum status apply_objects(struct replaying *at, struct error *error)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < at->options->object_count && status == STATUS_OK; i++)
		status = case_cluster_apply(&at->sandbox.cluster, at->options->objects[i], error);
	return status == STATUS_OK ? status : error_prefix(error, "object of the cluster");
}

static enum status open_parts(struct replaying *at, int64_t start_ms,
	struct diagnostics *diagnostics, struct error *error)
{
	const struct config *config = at->options->config;
	const struct sandbox_config sandbox = {.config = config,
		.bundle = at->options->bundle,
		.start_ms = start_ms,
		.store = {.memory_max = (uint64_t)config_int(config, SETTING_STORAGE_MEMORY_MAX),
			.series_max = (uint32_t)config_int(config, SETTING_STORAGE_SERIES_MAX),
			.retention_ms = config_int(config, SETTING_STORAGE_RETENTION),
			.interval_ms = config_int(config, SETTING_STORAGE_INTERVAL),
			.ended_keep_ms = config_int(config, SETTING_STORAGE_ENDED_KEEP),
			.future_max_ms = config_int(config, SETTING_INGEST_FUTURE_MAX)},
		.has_cluster = at->options->has_cluster,
		.dry_run = true,
		.applies = true,
		.argument = at,
		.told = told,
		.applied = applied,
		.recorded = recorded,
		.gave_up = gave_up};
	enum status status = sandbox_open(&at->sandbox, &sandbox, diagnostics, error);

	if (status != STATUS_OK)
		return status;
	at->alerts_max = (size_t)config_int(config, SETTING_WEBHOOK_ALERTS_MAX);
	at->intake = replay_intake_open(config, at->sandbox.store, &at->sandbox.clock.clock, error);
	if (at->intake == NULL)
		return error->code;
	at->waiting = mem_zalloc(WAITING_MAX, sizeof(*at->waiting));
	if (at->waiting == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	return apply_objects(at, error);
}

static void close_parts(struct replaying *at)
{
	for (size_t i = 0; i < at->event_count; i++)
		event_fini(&at->events[i]);
	mem_free(at->events);
	mem_free(at->waiting);
	replay_intake_close(at->intake);
	sandbox_close(&at->sandbox);
}

static void check(struct replaying *at, enum status status)
{
	if (status != STATUS_OK)
		sandbox_give_up(&at->sandbox, "out of memory");
}

/* ---- alerts ---- */

static void keep_event(struct replaying *at, struct event *event)
{
	struct event *grown = at->events;
	size_t room = at->event_room > 0 ? at->event_room * 2 : 64;

	if (at->event_count == at->event_room) {
		grown = mem_resize(at->events, room, sizeof(*grown));
		if (grown == NULL) {
			sandbox_give_up(&at->sandbox, "out of memory");
			return;
		}
		at->events = grown;
		at->event_room = room;
	}
	grown[at->event_count++] = *event;
	event_init(event);
}

static void take_message(struct replaying *at, const struct recording_frame *frame)
{
	struct replay_counts *counts = &at->plans->counts;
	struct event_batch batch;
	struct error error;
	enum status status = webhook_parse(frame->body, frame->size, at->alerts_max,
		sandbox_now_ms(&at->sandbox), &batch, &error);

	if (status == STATUS_NO_MEMORY)
		sandbox_give_up(&at->sandbox, "out of memory");
	if (status != STATUS_OK) {
		counts->alerts_refused++;
		return;
	}
	counts->alerts_refused += batch.invalid_count + batch.truncated_count;
	for (size_t i = 0; i < batch.count && !at->sandbox.failed; i++) {
		if (batch.events[i].firing)
			counts->alerts++;
		else
			counts->resolved++;
		keep_event(at, &batch.events[i]);
	}
	event_batch_fini(&batch);
}

static void take_frames(struct replaying *at, int64_t now_ms)
{
	const struct tape *tape = at->tape;

	for (; at->frame < tape->frame_count && tape->frames[at->frame].time_ms <= now_ms;
		at->frame++) {
		const struct recording_frame *frame = &tape->frames[at->frame];

		if (frame->kind == RECORDING_WRITE_V1 || frame->kind == RECORDING_WRITE_V2)
			check(at, replay_intake_body(at->intake, frame, &at->taken));
		else if (frame->kind == RECORDING_WEBHOOK &&
			frame->time_ms >= at->options->start_ms)
			take_message(at, frame);
	}
}

static void give_events(struct replaying *at)
{
	struct replay_counts *counts = &at->plans->counts;

	for (size_t i = 0; i < at->sandbox.finding_count; i++)
		counts->findings += at->sandbox.findings[i].firing;
	counts->repeated += sandbox_give(&at->sandbox, at->events, at->event_count);
	for (size_t i = 0; i < at->event_count; i++)
		event_fini(&at->events[i]);
	at->event_count = 0;
}

/* ---- time ---- */

/* One person says yes to all that waits. What does not wait any more, or may not be approved, stays as it
 * is. */
static void approve_as(struct replaying *at, const char *identity)
{
	const struct person person = {.identity = identity, .role = ""};
	char(*ids)[ACTION_ID_MAX] = at->waiting;
	size_t count = at->waiting_count;
	struct error error;

	/* What comes to wait meanwhile is collected anew. */
	at->waiting = mem_zalloc(WAITING_MAX, sizeof(*at->waiting));
	at->waiting_count = 0;
	if (at->waiting == NULL) {
		at->waiting = ids;
		sandbox_give_up(&at->sandbox, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (engine_approve(at->sandbox.engine, ids[i], &person, true,
			    sandbox_now_ms(&at->sandbox), &error) != STATUS_OK)
			error_reset(&error);
	mem_free(ids);
	sandbox_settle(&at->sandbox);
}

/* Two persons, for what needs two. */
static void approve_all(struct replaying *at)
{
	static const char *const people[] = {"replay", "replay-again"};

	for (size_t i = 0; i < ARRAY_COUNT(people) && at->waiting_count > 0; i++)
		approve_as(at, people[i]);
	at->waiting_count = 0;
}

static void live_moment(struct replaying *at, int64_t start_ms)
{
	int64_t now_ms = sandbox_now_ms(&at->sandbox);

	check(at, replay_intake_samples(at->intake, at->tape, &at->sample, now_ms, &at->taken));
	take_frames(at, now_ms);
	if ((now_ms - start_ms) % at->sandbox.scan_ms == 0)
		sandbox_scan(&at->sandbox);
	if (now_ms >= at->sweep_ms) {
		store_sweep(at->sandbox.store);
		replay_intake_sweep(at->intake);
		at->sweep_ms = now_ms + SWEEP_MS;
	}
	give_events(at);
	sandbox_settle(&at->sandbox);
	approve_all(at);
}

static int64_t next_moment(const struct replaying *at, int64_t start_ms)
{
	const struct tape *tape = at->tape;
	int64_t now_ms = sandbox_now_ms(&at->sandbox);
	int64_t scan_ms = at->sandbox.scan_ms;
	int64_t next_ms = start_ms + ((now_ms - start_ms) / scan_ms + 1) * scan_ms;
	int64_t due_ms = engine_due(at->sandbox.engine);

	if (due_ms > now_ms && due_ms < next_ms)
		next_ms = due_ms;
	if (at->frame < tape->frame_count && tape->frames[at->frame].time_ms < next_ms)
		next_ms = tape->frames[at->frame].time_ms;
	if (at->sample < tape->sample_count) {
		int64_t batch_ms =
			(tape->samples[at->sample].t_ms + BATCH_MS - 1) / BATCH_MS * BATCH_MS;

		if (batch_ms < next_ms)
			next_ms = batch_ms;
	}
	/* What is due now already gets its turn a moment later. */
	return next_ms > now_ms ? next_ms : now_ms + 1;
}

enum status replay_run(const struct tape *tape, const struct replay_options *options,
	struct replay_plans *plans, struct diagnostics *diagnostics, struct error *error)
{
	struct replaying *at = mem_zalloc(1, sizeof(*at));
	int64_t first_ms, last_ms;
	enum status status;

	if (at == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	at->tape = tape;
	at->options = options;
	at->plans = plans;
	if (!tape_range(tape, &first_ms, &last_ms) || first_ms < 0) {
		mem_free(at);
		return error_set(error, STATUS_BAD_INPUT,
			"there is nothing to replay, or its times are before 1970");
	}
	plans->counts.from_ms = first_ms;
	plans->counts.to_ms = last_ms;
	first_ms = first_ms / BATCH_MS * BATCH_MS;
	status = open_parts(at, first_ms, diagnostics, error);
	while (status == STATUS_OK && !at->sandbox.failed) {
		live_moment(at, first_ms);
		if (sandbox_now_ms(&at->sandbox) >= last_ms)
			break;
		clock_manual_advance(&at->sandbox.clock,
			next_moment(at, first_ms) - sandbox_now_ms(&at->sandbox));
	}
	if (status == STATUS_OK && at->sandbox.failed) {
		*error = at->problem;
		status = error->code;
	}
	if (status == STATUS_OK && plans->full)
		status = error_set(error, STATUS_LIMIT,
			"more than %d plans or incidents, or memory is out", REPLAY_PLANS_MAX);
	plans->counts.samples = at->taken.samples;
	plans->counts.samples_refused = at->taken.samples_refused;
	plans->counts.bodies_refused = at->taken.bodies_refused;
	close_parts(at);
	replay_plans_sort(plans);
	mem_free(at);
	return status;
}
