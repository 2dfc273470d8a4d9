/*
 * What one scan does with one workload: each signal's window is judged and scored against its own
 * recent past, its complete minutes go into the grid, and episodes become findings.
 *
 * Score: robust z of the mean of the last minute against the history before it. The part of the
 * history that an open episode covers is what the score is still judged against, but slowly: the
 * median of an hour takes half an hour of trouble to move.
 */
#include <math.h>

#include "analyzers/analyzer_state.h"
#include "analyzers/robust.h"
#include "analyzers/window.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define RECENT_MS 60000
#define SKEW_MAX_MS 60000
#define COVERAGE_MIN 0.6
#define REPEAT_MS 60000
#define LOST_MS 600000
#define RELATIVE_FLOOR 1e-9

/* How sure the score is: full history and full coverage give 1. */
static double confidence_of(const struct window *window, const struct analyzer_config *config)
{
	double wanted = (double)(2 * config->history_min_ms);
	double length = wanted > 0 ? (double)window->span_ms / wanted : 1;

	return (length < 1 ? length : 1) * window->coverage;
}

/* The samples of the window stay in analyzer->points; returns their number. */
static size_t judge_signal(struct analyzer *analyzer, struct watched_workload *workload,
	enum signal_role role, int64_t now_ms)
{
	struct watched_signal *signal = &workload->signals[role];
	const struct signal_binding *binding = &analyzer->set.roles[role];
	const struct analyzer_config *config = &analyzer->config;
	struct window_spec spec = {now_ms, config->history_ms, config->history_min_ms, RECENT_MS,
		SKEW_MAX_MS, COVERAGE_MIN};
	struct judgement *judgement = &signal->last;
	struct window window;
	size_t count = 0;

	if (signal->series != STORE_NO_SERIES)
		count = feeds_read(workload->feeds, role, analyzer->store, signal->series,
			now_ms - config->history_ms, analyzer->points, ANALYZER_POINTS_MAX);
	window_build(&window, &spec, binding, analyzer->points, count, analyzer->values);
	if (count == 0 && signal->series != STORE_NO_SERIES)
		window.quality = QUALITY_STALE;
	if (signal->duplicate && window.quality == QUALITY_GOOD)
		window.quality = QUALITY_DUPLICATE;
	*judgement = (struct judgement){.quality = window.quality,
		.value = window.value,
		.newest = window.newest,
		.expected = NAN,
		.scale = NAN,
		.score = NAN,
		.newest_ms = window.newest_ms,
		.samples = (uint32_t)window.samples};
	if (window.history_count == 0)
		return count;
	struct robust_scale scale =
		robust_scale(window.history, analyzer->scratch, window.history_count);

	judgement->expected = scale.median;
	judgement->scale = scale.deviation;
	judgement->confidence = confidence_of(&window, config);
	/* A signal that nobody asked to watch is shown beside its median, but never scored. */
	if (window.quality == QUALITY_GOOD && binding->detect != DIRECTION_NONE) {
		double floor = binding->deviation_min / config->threshold;
		double relative = fabs(scale.median) * RELATIVE_FLOOR;

		judgement->score =
			robust_score(window.value, &scale, floor > relative ? floor : relative);
	}
	return count;
}

/* Where it is, as it is told: pods move. */
static void place_finding(struct analyzer *analyzer, struct event *event)
{
	struct workload_key workload;
	char node[OBJECT_NAME_MAX];

	if (event->firing &&
		workload_key_from_labels(&workload, &event->labels, NULL) == STATUS_OK &&
		analyzer_node_of_workload(analyzer, &workload, node))
		event->node = mem_strdup(node); /* NULL: not known */
}

static void tell(struct analyzer *analyzer, const struct watched_workload *workload,
	enum signal_role role, enum finding_change change, int64_t now_ms)
{
	const struct watched_signal *signal = &workload->signals[role];
	struct event event;
	struct error error;

	if (finding_event(&signal->tracker, &workload->key, role, &signal->last, change, now_ms,
		    &event, &error) != STATUS_OK) {
		LOG_ERROR("finding not told", LOG_ERROR_FIELD(&error));
		return;
	}
	place_finding(analyzer, &event);
	if (change == FINDING_OPENED) {
		metrics_inc(METRIC_FINDINGS, DETECTOR_ROBUST_Z, role_name(role));
		LOG_INFO("finding", LOG_TEXT("summary", labels_get(&event.annotations, "summary")),
			LOG_DOUBLE("score", event.score));
	}
	if (change != FINDING_REPEATED)
		findings_log_add(&analyzer->log, &event);
	if (analyzer->config.found != NULL)
		analyzer->config.found(analyzer->config.found_argument, &event);
	event_fini(&event);
}

/* A signal that nobody asked to watch is no column; one that was watched stays one, so that it is told
 * when it goes. */
static uint32_t wanted_roles(const struct analyzer *analyzer,
	const struct watched_workload *workload)
{
	uint32_t roles = workload->sight != NULL ? sight_roles(workload->sight) : 0;

	for (int role = 0; role < ROLE_COUNT; role++)
		if (analyzer->set.roles[role].bound &&
			analyzer->set.roles[role].detect != DIRECTION_NONE &&
			workload->signals[role].series != STORE_NO_SERIES)
			roles |= 1u << role;
	return roles;
}

/* How far the columns that go on have come. */
static int64_t reached(struct analyzer *analyzer, const struct watched_workload *workload,
	int64_t now_ms)
{
	int64_t reached_ms = INT64_MAX;

	for (size_t i = 0; i < sight_column_count(workload->sight); i++) {
		enum signal_role role = sight_column_role(workload->sight, i);
		const struct watched_signal *signal = &workload->signals[role];
		struct store_point newest;

		if (signal->series == STORE_NO_SERIES || signal->duplicate ||
			!store_newest(analyzer->store, signal->series, &newest) ||
			store_is_stale(newest.value) ||
			newest.t_ms <= now_ms - analyzer->set.roles[role].stale_ms)
			continue;
		reached_ms = newest.t_ms < reached_ms ? newest.t_ms : reached_ms;
	}
	return reached_ms;
}

/* Whether minutes of the workload are complete: then the scan's scratch awaits its columns. */
static bool begin_minutes(struct analyzer *analyzer, struct watched_workload *workload,
	int64_t now_ms)
{
	uint32_t roles = wanted_roles(analyzer, workload);

	if (roles == 0)
		return false;
	if (workload->sight == NULL || roles != sight_roles(workload->sight)) {
		struct sight *sight = sight_open(roles, workload->sight);

		/* Without memory there are no features; findings go on. */
		if (sight == NULL)
			return false;
		workload->sight = sight;
	}
	return sight_due(workload->sight, &analyzer->sight.grid, now_ms) &&
		sight_begin(workload->sight, &analyzer->sight, now_ms,
			reached(analyzer, workload, now_ms));
}

/* count: of analyzer->points, the window of the signal. Of it only what the rows need is folded. */
static void fold_signal(struct analyzer *analyzer, const struct watched_workload *workload,
	enum signal_role role, size_t count, int64_t now_ms)
{
	const struct signal_binding *binding = &analyzer->set.roles[role];
	const struct watched_signal *signal = &workload->signals[role];
	int64_t from_ms =
		analyzer->sight.span.first * analyzer->sight.grid.step_ms - binding->stale_ms;
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (analyzer->points[middle].t_ms < from_ms)
			low = middle + 1;
		else
			high = middle;
	}
	const struct grid_column column = {.points = analyzer->points + low,
		.count = count - low,
		.type = binding->type,
		.interval_ms = binding->interval_ms,
		.stale_ms = binding->stale_ms,
		.bound = signal->series != STORE_NO_SERIES,
		.duplicate = signal->duplicate};

	sight_fold(workload->sight, &analyzer->sight, role, &column, now_ms);
}

static void tell_watch(void *argument, struct event *event, enum finding_change change)
{
	struct analyzer *analyzer = argument;

	place_finding(analyzer, event);
	if (change == FINDING_OPENED) {
		metrics_inc(METRIC_FINDINGS, labels_get(&event->labels, "detector"),
			labels_get(&event->labels, "role"));
		LOG_INFO("finding", LOG_TEXT("summary", labels_get(&event->annotations, "summary")),
			LOG_DOUBLE("score", event->score));
	}
	if (change != FINDING_REPEATED)
		findings_log_add(&analyzer->log, event);
	if (analyzer->config.found != NULL)
		analyzer->config.found(analyzer->config.found_argument, event);
}

/* What is usual for a signal is known before its minute is judged. */
static void end_minutes(struct analyzer *analyzer, struct watched_workload *workload,
	int64_t now_ms)
{
	sight_end(workload->sight, &analyzer->sight);
	sight_refresh_seasons(workload->sight, &analyzer->sight, analyzer->rollup, &workload->key);
	workload->row = *sight_row(workload->sight);
	for (int role = 0; role < ROLE_COUNT; role++)
		(void)sight_read(workload->sight, (enum signal_role)role,
			analyzer->set.roles[role].deviation_min / analyzer->config.threshold,
			&workload->signals[role].features);
	metrics_inc(METRIC_ROWS, quality_name(workload->row.verdict));
	watcher_follow(&analyzer->watcher, workload, &analyzer->sight, now_ms, tell_watch,
		analyzer);
}

static void not_judged(struct judgement *judgement)
{
	*judgement = (struct judgement){.quality = QUALITY_MISSING,
		.value = NAN,
		.newest = NAN,
		.expected = NAN,
		.scale = NAN,
		.score = NAN};
}

void scan_workload(struct analyzer *analyzer, struct watched_workload *workload, int64_t now_ms)
{
	const struct analyzer_config *config = &analyzer->config;
	const struct finding_spec spec = {config->threshold, config->threshold_close,
		config->duration_min_ms, REPEAT_MS, LOST_MS};
	bool minutes = begin_minutes(analyzer, workload, now_ms);

	/* Without memory each scan reads all that it judges. */
	if (workload->feeds == NULL)
		workload->feeds = mem_zalloc(1, sizeof(*workload->feeds));
	for (int role = 0; role < ROLE_COUNT; role++) {
		struct watched_signal *signal = &workload->signals[role];
		const struct signal_binding *binding = &analyzer->set.roles[role];
		bool open = signal->tracker.state != FINDING_QUIET;
		enum finding_change change;
		size_t count = 0;

		if (!binding->bound || (signal->series == STORE_NO_SERIES && !open))
			not_judged(&signal->last);
		else
			count = judge_signal(analyzer, workload, (enum signal_role)role, now_ms);
		if (minutes)
			fold_signal(analyzer, workload, (enum signal_role)role, count, now_ms);
		if (!binding->bound || (signal->series == STORE_NO_SERIES && !open))
			continue;
		change = finding_update(&signal->tracker, &spec, binding->detect, &signal->last,
			now_ms);
		if (change != FINDING_NONE)
			tell(analyzer, workload, (enum signal_role)role, change, now_ms);
	}
	if (minutes)
		end_minutes(analyzer, workload, now_ms);
	if (workload->sight != NULL) {
		/* Between minutes too: what one scan may not look up, the next ones do. */
		sight_refresh_seasons(workload->sight, &analyzer->sight, analyzer->rollup,
			&workload->key);
		analyzer->sight_bytes += sight_bytes(workload->sight);
	}
	analyzer->sight_bytes += feeds_bytes(workload->feeds);
	watcher_count(&analyzer->watcher, workload);
}
