#include "analyzers/watcher.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define TELL_FULL_MINUTES 60
#define RETRY_MINUTES 60
/* How often states are written: what a restart has to step through again. */
#define KEEP_MINUTES 180
/* When a demand is fitted anew: a day after one that was of less than a week, else after a week. */
#define DEMAND_AGAIN_FIRST 1440
#define DEMAND_AGAIN 10080

static const char *const states[] = {"learning", "serving", "quarantined"};

/* One that was fitted takes the place of the one that serves only when it beats it, once it has stepped along
 * the minutes since; one out of a file goes on as it was. */
static void adopt_demand(struct watcher *watcher, struct watched_workload *workload,
	struct trained *trained)
{
	int64_t minute = sight_row(workload->sight)->row;
	struct demand *demand = trained->demand;
	struct error error;
	bool wins;

	if (workload->peak.state == DEMAND_NONE || workload->peak.role != demand_of(demand))
		return;
	if (demand_catch_up(demand, watcher->rollup, &trained->workload, minute + 1, &error) !=
		STATUS_OK)
		return;
	wins = trained->restored || demand_beats(demand, workload->demand);
	workload->demand_again =
		minute + (demand_rows(demand) < DEMAND_AGAIN ? DEMAND_AGAIN_FIRST : DEMAND_AGAIN);
	if (!trained->restored)
		metrics_inc(METRIC_PEAK_TRAININGS, wins ? "promoted" : "kept");
	if (wins) {
		demand_close(workload->demand);
		workload->demand = demand;
		trained->demand = NULL;
	} else if (workload->demand == NULL) {
		demand_read(demand, &workload->peak);
	}
}

/* What was learnt takes its place, where there still is one. */
static void adopt(struct watcher *watcher, struct roster *roster, struct trained *trained)
{
	struct watched_workload *workload = roster_find(roster, &trained->workload);
	bool placed = workload != NULL && workload->sight != NULL &&
		sight_row(workload->sight)->row != GRID_NEVER;

	if (trained->error.code != STATUS_OK && trained->error.code != STATUS_UNAVAILABLE)
		LOG_WARN("nothing could be learnt of a workload",
			LOG_TEXT("workload", trained->workload.name),
			LOG_ERROR_FIELD(&trained->error));
	if (placed && trained->model != NULL && workload->watch != NULL) {
		watch_adopt(workload->watch, trained->model, watcher->rollup, &trained->workload,
			sight_row(workload->sight)->row + 1);
		trained->model = NULL;
	}
	if (placed && trained->outlook != NULL) {
		outlook_close(workload->outlook);
		workload->outlook = trained->outlook;
		trained->outlook = NULL;
	}
	if (placed && trained->demand != NULL)
		adopt_demand(watcher, workload, trained);
	watch_model_close(trained->model);
	outlook_close(trained->outlook);
	demand_close(trained->demand);
}

void watcher_begin(struct watcher *watcher, struct roster *roster)
{
	struct trained trained;

	watcher->counting = 0;
	watcher->step_ns = watcher->forecast_ns = 0;
	for (int i = 0; i < 3; i++)
		watcher->states[i] = 0;
	while (watcher->trainer != NULL && trainer_take(watcher->trainer, &trained))
		adopt(watcher, roster, &trained);
}

/* The finding of a single signal that holds now; NULL: none. */
static const struct watched_signal *single_finding(const struct watched_workload *workload,
	enum signal_role *role)
{
	for (int i = 0; i < ROLE_COUNT; i++) {
		const struct watched_signal *signal = &workload->signals[i];

		if (signal->tracker.state == FINDING_ACTIVE ||
			signal->tracker.state == FINDING_CLOSING) {
			*role = (enum signal_role)i;
			return signal;
		}
	}
	return NULL;
}

/* What is told of what happened to the episode. */
static enum finding_change decide(struct watched_workload *workload, enum watch_change change,
	bool single)
{
	bool told = workload->watch_told;

	switch (change) {
	case WATCH_RAISED:
		workload->watch_told = !single;
		return single ? FINDING_NONE : FINDING_OPENED;
	case WATCH_GOES_ON:
		workload->watch_told = told && !single;
		return !told ? FINDING_NONE : single ? FINDING_RESOLVED : FINDING_REPEATED;
	case WATCH_ENDED:
		workload->watch_told = false;
		if (!told)
			return FINDING_NONE;
		return isnan(workload->watched.answer.probability) ? FINDING_LOST
								   : FINDING_RESOLVED;
	case WATCH_NONE:
		break;
	}
	return FINDING_NONE;
}

static void tell_change(struct watcher *watcher, struct watched_workload *workload,
	enum watch_change change, int64_t now_ms, watcher_tell_fn *tell, void *argument)
{
	enum signal_role role = ROLE_CPU;
	const struct watched_signal *single = single_finding(workload, &role);
	enum finding_change told = decide(workload, change, single != NULL);
	bool joined = told == FINDING_RESOLVED && change == WATCH_GOES_ON;
	char name[64] = "";
	struct event event;
	struct error error;

	if (told == FINDING_NONE)
		return;
	if (joined && single != NULL)
		snprintf(name, sizeof(name), "%s_%s", role_name(role),
			single->tracker.up ? "high" : "low");
	if (explain_event(workload, watcher->spec.class->name, told, joined ? name : NULL, now_ms,
		    &event, &error) != STATUS_OK) {
		LOG_ERROR("finding not told", LOG_ERROR_FIELD(&error));
		return;
	}
	tell(argument, &event, told);
	event_fini(&event);
}

/* Whether there is memory for one more. */
static bool has_room(struct watcher *watcher, int64_t minute)
{
	if (watcher->bytes < watcher->bytes_max)
		return true;
	if (minute - watcher->told_full >= TELL_FULL_MINUTES || minute < watcher->told_full) {
		LOG_WARN("no memory left for the models of more workloads",
			LOG_UINT("bytes", watcher->bytes));
		watcher->told_full = minute;
	}
	return false;
}

static void learn(struct watcher *watcher, struct watched_workload *workload, uint32_t roles,
	int64_t minute)
{
	const struct train_order order = {.kind = TRAIN_WATCH,
		.workload = workload->key,
		.roles = roles,
		.end = minute + 1,
		.watch = watcher->spec,
		.restore = watch_state(workload->watch)->tried == ROLLUP_NEVER};

	if (watch_wants_model(workload->watch, roles, minute, watcher->refit_rows) &&
		(!has_room(watcher, minute) || trainer_ask(watcher->trainer, &order)))
		watch_tried(workload->watch, minute);
}

/* Forecasters learn on by themselves: they are fitted once, and anew when a signal came. */
static void learn_outlook(struct watcher *watcher, struct watched_workload *workload,
	uint32_t roles, int64_t minute)
{
	const struct train_order order = {.kind = TRAIN_OUTLOOK,
		.workload = workload->key,
		.roles = roles,
		.end = minute + 1,
		.outlook = watcher->outlook,
		.restore = workload->outlook_tried == ROLLUP_NEVER};
	int64_t since = minute - workload->outlook_tried;

	if ((workload->outlook != NULL && workload->outlook_roles == roles) || roles == 0)
		return;
	if (workload->outlook_tried != ROLLUP_NEVER && since >= 0 && since < RETRY_MINUTES)
		return;
	if (has_room(watcher, minute) && !trainer_ask(watcher->trainer, &order))
		return;
	workload->outlook_tried = minute;
	workload->outlook_roles = roles;
}

/* The signals beside one, in a row of the span. values: [FORECAST_BESIDE]. */
static void beside_of(const struct sight *sight, const struct sight_scratch *scratch, size_t row,
	enum signal_role role, double *values)
{
	for (size_t b = 0; b < FORECAST_BESIDE; b++)
		values[b] = NAN;
	for (size_t k = 0; k < sight_column_count(sight); k++)
		for (size_t b = 0; b < FORECAST_BESIDE; b++)
			if (outlook_beside_roles[b] == sight_column_role(sight, k) &&
				outlook_beside_roles[b] != role)
				values[b] = scratch->values[row][k];
}

static void follow_outlook(struct watcher *watcher, struct watched_workload *workload,
	const struct sight_scratch *scratch)
{
	uint32_t roles = sight_roles(workload->sight) & watcher->forecast_roles;
	int64_t started_ns = clock_mono_ns(clock_system());

	for (size_t k = 0; k < sight_column_count(workload->sight); k++) {
		enum signal_role role = sight_column_role(workload->sight, k);
		struct outlook_view *view = &workload->signals[role].outlook;

		if (workload->outlook == NULL || (roles >> role & 1) == 0) {
			outlook_none(view);
			continue;
		}
		for (size_t i = 0; i < scratch->span.rows; i++) {
			double beside[FORECAST_BESIDE];

			beside_of(workload->sight, scratch, i, role, beside);
			outlook_beside(workload->outlook, role, beside);
			outlook_step(workload->outlook, role, scratch->span.first + (int64_t)i,
				scratch->values[i][k]);
		}
		(void)outlook_read(workload->outlook, role, view);
	}
	watcher->forecast_ns += clock_mono_ns(clock_system()) - started_ns;
	learn_outlook(watcher, workload, roles, sight_row(workload->sight)->row);
}

static void learn_demand(struct watcher *watcher, struct watched_workload *workload,
	enum signal_role role, int64_t minute)
{
	const struct train_order order = {.kind = TRAIN_DEMAND,
		.workload = workload->key,
		.role = role,
		.rows = watcher->outlook.train_rows,
		.end = minute + 1,
		.restore = workload->demand_again == ROLLUP_NEVER};

	/* A clock that was set back by more than a training is apart does not wait for it to come round. */
	if (minute < workload->demand_again && workload->demand_again - minute <= DEMAND_AGAIN)
		return;
	if (has_room(watcher, minute) && !trainer_ask(watcher->trainer, &order))
		return;
	workload->demand_again = minute + RETRY_MINUTES;
}

/* Its role is that of the minute before: another one begins anew. */
static void demand_begin(struct watched_workload *workload, uint32_t roles)
{
	enum signal_role role = workload->peak.role;
	bool any = demand_role(roles, &role);

	if (any && workload->peak.state != DEMAND_NONE && workload->peak.role == role)
		return;
	demand_close(workload->demand);
	workload->demand = NULL;
	demand_none(&workload->peak);
	if (!any)
		return;
	workload->demand_again = ROLLUP_NEVER;
	workload->peak.role = role;
	workload->peak.state = DEMAND_LEARNING;
}

static void follow_demand(struct watcher *watcher, struct watched_workload *workload,
	const struct sight_scratch *scratch)
{
	const struct sight *sight = workload->sight;
	int64_t started_ns = clock_mono_ns(clock_system());
	struct demand *demand;

	demand_begin(workload, sight_roles(sight) & watcher->forecast_roles);
	if (workload->peak.state == DEMAND_NONE)
		return;
	demand = workload->demand;
	for (size_t k = 0; demand != NULL && k < sight_column_count(sight); k++)
		for (size_t i = 0;
			sight_column_role(sight, k) == demand_of(demand) && i < scratch->span.rows;
			i++)
			demand_step(demand, scratch->span.first + (int64_t)i,
				scratch->values[i][k]);
	if (demand != NULL)
		demand_read(demand, &workload->peak);
	watcher->forecast_ns += clock_mono_ns(clock_system()) - started_ns;
	learn_demand(watcher, workload, workload->peak.role, sight_row(sight)->row);
}

static void warn_quarantine(const struct watched_workload *workload, enum alarm_quarantine before)
{
	const struct watch_state *state = &workload->watched;

	if (!state->fitted || state->quarantine == before || state->quarantine == ALARM_SERVING)
		return;
	LOG_WARN("a detector is in quarantine and raises no findings",
		LOG_TEXT("namespace", workload->key.namespace_name),
		LOG_TEXT("workload", workload->key.name),
		LOG_TEXT("reason", alarm_reason(state->quarantine)));
}

static void follow_watch(struct watcher *watcher, struct watched_workload *workload,
	const struct sight_scratch *scratch, int64_t now_ms, watcher_tell_fn *tell, void *argument)
{
	uint32_t roles = sight_roles(workload->sight);
	enum alarm_quarantine before = workload->watched.quarantine;
	int64_t started_ns;

	if (workload->watch == NULL)
		workload->watch = watch_open();
	if (workload->watch == NULL)
		return;
	started_ns = clock_mono_ns(clock_system());
	for (size_t i = 0; i < scratch->span.rows; i++) {
		enum watch_change change = watch_step(workload->watch,
			scratch->span.first + (int64_t)i, roles, scratch->values[i]);

		workload->watched = *watch_state(workload->watch);
		if (change != WATCH_NONE)
			tell_change(watcher, workload, change, now_ms, tell, argument);
	}
	watcher->step_ns += clock_mono_ns(clock_system()) - started_ns;
	warn_quarantine(workload, before);
	learn(watcher, workload, roles, sight_row(workload->sight)->row);
}

/* false: not now, the queue is full. */
static bool keep(struct watcher *watcher, const struct watched_workload *workload,
	enum train_kind kind, void *bytes, size_t size)
{
	const struct train_order order = {.kind = kind,
		.workload = workload->key,
		.kept = bytes,
		.kept_size = size};

	/* Nothing learnt yet, or no memory: the next time. */
	if (bytes == NULL)
		return true;
	if (trainer_ask(watcher->trainer, &order))
		return true;
	mem_free(bytes);
	return false;
}

/* Each workload's states once in KEEP_MINUTES, the workloads evenly over that time. */
static void keep_states(struct watcher *watcher, struct watched_workload *workload, int64_t minute)
{
	int64_t since = minute - workload->kept;
	size_t size = 0;
	void *bytes;

	if (!trainer_keeps(watcher->trainer))
		return;
	if (workload->kept == ROLLUP_NEVER)
		workload->kept =
			minute - (int64_t)(workload_key_hash(&workload->key) % KEEP_MINUTES);
	else if (since >= KEEP_MINUTES || since < 0) {
		bytes = workload->watch != NULL ? watch_write(workload->watch, &size) : NULL;
		if (!keep(watcher, workload, KEEP_WATCH, bytes, size))
			return;
		bytes = workload->outlook != NULL ? outlook_write(workload->outlook, &size) : NULL;
		if (!keep(watcher, workload, KEEP_OUTLOOK, bytes, size))
			return;
		bytes = workload->demand != NULL ? demand_write(workload->demand, &size) : NULL;
		if (keep(watcher, workload, KEEP_DEMAND, bytes, size))
			workload->kept = minute;
	}
}

void watcher_follow(struct watcher *watcher, struct watched_workload *workload,
	const struct sight_scratch *scratch, int64_t now_ms, watcher_tell_fn *tell, void *argument)
{
	if (watcher->trainer == NULL)
		return;
	if (watcher->outlook.class != NULL) {
		follow_outlook(watcher, workload, scratch);
		follow_demand(watcher, workload, scratch);
	}
	if (watcher->spec.class != NULL)
		follow_watch(watcher, workload, scratch, now_ms, tell, argument);
	keep_states(watcher, workload, sight_row(workload->sight)->row);
}

void watcher_count(struct watcher *watcher, const struct watched_workload *workload)
{
	const struct watch_state *state = &workload->watched;

	if (workload->outlook != NULL)
		watcher->counting += outlook_bytes(workload->outlook);
	if (workload->demand != NULL)
		watcher->counting += demand_bytes(workload->demand);
	if (workload->watch == NULL)
		return;
	watcher->counting += watch_bytes(workload->watch);
	watcher->states[!state->fitted ? 0 : state->quarantine == ALARM_SERVING ? 1 : 2]++;
}

void watcher_end(struct watcher *watcher)
{
	watcher->bytes = watcher->counting;
	metrics_set(METRIC_MODELS_BYTES, (double)watcher->bytes);
	if (watcher->forecast_ns > 0)
		metrics_observe(METRIC_INFERENCE_SECONDS, (double)watcher->forecast_ns / 1e9,
			"forecast");
	if (watcher->spec.class == NULL)
		return;
	for (int i = 0; i < 3; i++)
		metrics_set(METRIC_DETECTORS, (double)watcher->states[i], states[i]);
	if (watcher->step_ns > 0)
		metrics_observe(METRIC_INFERENCE_SECONDS, (double)watcher->step_ns / 1e9, "detect");
}
