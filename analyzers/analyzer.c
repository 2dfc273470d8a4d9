/*
 * The scan: for each workload and signal a window is copied out of the store, judged, scored
 * against its own recent past, and episodes become findings.
 *
 * The scan's thread owns the roster. After each scan a copy is published; readers take a reference
 * to it under a leaf lock and read without one. Nothing is called with the lock held.
 *
 * Score: robust z of the mean of the last minute against the history before it. The part of the
 * history that an open episode covers is what the score is still judged against, but slowly: the
 * median of an hour takes half an hour of trouble to move.
 */
#include "analyzers/analyzer.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "analyzers/derive.h"
#include "analyzers/minutes.h"
#include "analyzers/robust.h"
#include "analyzers/snapshot.h"
#include "analyzers/window.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define RECENT_MS 60000
#define SKEW_MAX_MS 60000
#define COVERAGE_MIN 0.6
#define REPEAT_MS 60000
#define LOST_MS 600000
/* New and removed series are bound soon; that a series fell silent changes no generation, so all
 * are looked at anew once a minute. */
#define REBIND_NS INT64_C(1000000000)
#define REBIND_ALL_NS INT64_C(60000000000)
#define POINTS_MAX 100000
#define RELATIVE_FLOOR 1e-9
#define SWEEP_MINUTES 60

struct analyzer {
	struct store *store;
	const struct clock *clock;
	struct rollup *rollup; /* may be NULL */
	bool (*history_comes)(void *argument);
	void *history_argument;
	int64_t swept_minute;
	pthread_mutex_t scan_lock;     /* one scan at a time; also guards config */
	struct analyzer_config config; /* paths are not kept */
	struct signal_set set;         /* written under both locks, read under either */
	struct derive *derive;
	struct roster roster;
	uint64_t generation;
	int64_t bound_ns; /* monotonic; 0: never */
	struct store_point *points;
	double *values, *scratch;
	struct findings_log log;
	pthread_mutex_t publish_lock; /* a leaf */
	struct snapshot *published;
	pthread_t thread;
	bool thread_runs, collected;
	atomic_bool stopping;
};

void analyzer_config_default(struct analyzer_config *config)
{
	*config = (struct analyzer_config){
		.workload_max = 5000,
		.scan_interval_ms = 15000,
		.threshold = 6,
		.threshold_close = 3,
		.duration_min_ms = 60000,
		.history_ms = 3600000,
		.history_min_ms = 600000,
	};
}

enum status analyzer_check(const struct analyzer_config *config, struct diagnostics *diagnostics)
{
	struct signal_set set;
	enum status status =
		signal_set_load(&set, config->signal_paths, config->signal_path_count, diagnostics);

	signal_set_fini(&set);
	return status;
}

static void keep_config(struct analyzer *analyzer, const struct analyzer_config *config)
{
	analyzer->config = *config;
	analyzer->config.signal_paths = NULL;
	analyzer->config.signal_path_count = 0;
}

struct analyzer *analyzer_open(const struct analyzer_config *config, struct store *store,
	struct error *error)
{
	struct analyzer *analyzer = mem_zalloc(1, sizeof(*analyzer));
	struct diagnostics diagnostics;

	if (analyzer == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	diagnostics_init(&diagnostics);
	pthread_mutex_init(&analyzer->scan_lock, NULL);
	pthread_mutex_init(&analyzer->publish_lock, NULL);
	atomic_init(&analyzer->stopping, false);
	findings_log_init(&analyzer->log);
	analyzer->store = store;
	analyzer->clock = config->clock;
	analyzer->rollup = config->rollup;
	analyzer->history_comes = config->history_comes;
	analyzer->history_argument = config->history_argument;
	keep_config(analyzer, config);
	if (signal_set_load(&analyzer->set, config->signal_paths, config->signal_path_count,
		    &diagnostics) != STATUS_OK)
		error_set(error, STATUS_BAD_INPUT,
			"the signals have errors, see nimbusguard check");
	else if (roster_init(&analyzer->roster, config->workload_max) != STATUS_OK ||
		(analyzer->derive = derive_open(store, config->histograms, config->workload_max,
			 error)) == NULL ||
		(analyzer->points = mem_zalloc(POINTS_MAX, sizeof(*analyzer->points))) == NULL ||
		(analyzer->values = mem_zalloc(POINTS_MAX, sizeof(double))) == NULL ||
		(analyzer->scratch = mem_zalloc(POINTS_MAX, sizeof(double))) == NULL ||
		(analyzer->published = snapshot_make(&analyzer->roster, &analyzer->log, 0)) == NULL)
		error_set(error, STATUS_NO_MEMORY, "out of memory");
	else
		error_reset(error);
	diagnostics_fini(&diagnostics);
	if (error->code != STATUS_OK) {
		analyzer_close(analyzer);
		return NULL;
	}
	/* Known from the start on, so that their first increase is seen. */
	for (int role = 0; role < ROLE_COUNT; role++)
		if (analyzer->set.roles[role].detect != DIRECTION_NONE)
			(void)metrics_cell(METRIC_FINDINGS, DETECTOR_ROBUST_Z,
				role_name((enum signal_role)role));
	metrics_add_collector(analyzer_collect, analyzer);
	analyzer->collected = true;
	return analyzer;
}

enum status analyzer_reload(struct analyzer *analyzer, const struct analyzer_config *config,
	struct diagnostics *diagnostics)
{
	struct signal_set set;
	enum status status =
		signal_set_load(&set, config->signal_paths, config->signal_path_count, diagnostics);

	if (status != STATUS_OK) {
		signal_set_fini(&set);
		return status;
	}
	pthread_mutex_lock(&analyzer->scan_lock);
	struct signal_set replaced = analyzer->set;

	pthread_mutex_lock(&analyzer->publish_lock);
	analyzer->set = set;
	pthread_mutex_unlock(&analyzer->publish_lock);
	keep_config(analyzer, config);
	analyzer->bound_ns = 0;
	pthread_mutex_unlock(&analyzer->scan_lock);
	signal_set_fini(&replaced);
	return STATUS_OK;
}

void analyzer_stop(struct analyzer *analyzer)
{
	atomic_store(&analyzer->stopping, true);
	if (analyzer->thread_runs)
		pthread_join(analyzer->thread, NULL);
	analyzer->thread_runs = false;
}

void analyzer_close(struct analyzer *analyzer)
{
	if (analyzer == NULL)
		return;
	analyzer_stop(analyzer);
	if (analyzer->collected)
		metrics_remove_collector(analyzer_collect, analyzer);
	if (analyzer->published != NULL)
		snapshot_release(analyzer->published);
	findings_log_fini(&analyzer->log);
	roster_fini(&analyzer->roster);
	derive_close(analyzer->derive);
	signal_set_fini(&analyzer->set);
	mem_free(analyzer->points);
	mem_free(analyzer->values);
	mem_free(analyzer->scratch);
	pthread_mutex_destroy(&analyzer->scan_lock);
	pthread_mutex_destroy(&analyzer->publish_lock);
	mem_free(analyzer);
}

static void rebind(struct analyzer *analyzer)
{
	uint64_t generation = store_generation(analyzer->store);
	int64_t now_ns = clock_mono_ns(analyzer->clock), age_ns = now_ns - analyzer->bound_ns;
	bool changed = generation != analyzer->generation;

	if (analyzer->bound_ns != 0 && age_ns < (changed ? REBIND_NS : REBIND_ALL_NS))
		return;
	if (derive_bind(analyzer->derive, &analyzer->set) == STATUS_OK &&
		roster_bind(&analyzer->roster, &analyzer->set, analyzer->store) == STATUS_OK)
		analyzer->generation = generation;
	else
		LOG_ERROR("memory is out, some workloads are not watched");
	analyzer->bound_ns = now_ns != 0 ? now_ns : 1;
}

/* How sure the score is: full history and full coverage give 1. */
static double confidence_of(const struct window *window, const struct analyzer_config *config)
{
	double wanted = (double)(2 * config->history_min_ms);
	double length = wanted > 0 ? (double)window->span_ms / wanted : 1;

	return (length < 1 ? length : 1) * window->coverage;
}

static void judge_signal(struct analyzer *analyzer, struct watched_signal *signal,
	const struct signal_binding *binding, int64_t now_ms)
{
	const struct analyzer_config *config = &analyzer->config;
	struct window_spec spec = {now_ms, config->history_ms, config->history_min_ms, RECENT_MS,
		SKEW_MAX_MS, COVERAGE_MIN};
	struct judgement *judgement = &signal->last;
	struct window window;
	size_t count = 0;

	if (signal->series != STORE_NO_SERIES)
		count = store_window(analyzer->store, signal->series, now_ms - config->history_ms,
			INT64_MAX, analyzer->points, POINTS_MAX);
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
		return;
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

static void scan_workload(struct analyzer *analyzer, struct watched_workload *workload,
	int64_t now_ms)
{
	const struct analyzer_config *config = &analyzer->config;
	const struct finding_spec spec = {config->threshold, config->threshold_close,
		config->duration_min_ms, REPEAT_MS, LOST_MS};

	for (int role = 0; role < ROLE_COUNT; role++) {
		struct watched_signal *signal = &workload->signals[role];
		const struct signal_binding *binding = &analyzer->set.roles[role];
		bool open = signal->tracker.state != FINDING_QUIET;
		enum finding_change change;

		if (!binding->bound || (signal->series == STORE_NO_SERIES && !open)) {
			signal->last = (struct judgement){.quality = QUALITY_MISSING,
				.value = NAN,
				.newest = NAN,
				.expected = NAN,
				.scale = NAN,
				.score = NAN};
			continue;
		}
		judge_signal(analyzer, signal, binding, now_ms);
		change = finding_update(&signal->tracker, &spec, binding->detect, &signal->last,
			now_ms);
		if (change != FINDING_NONE)
			tell(analyzer, workload, (enum signal_role)role, change, now_ms);
	}
}

static void publish(struct analyzer *analyzer, int64_t now_ms)
{
	struct snapshot *next = snapshot_make(&analyzer->roster, &analyzer->log, now_ms), *previous;

	if (next == NULL) {
		LOG_ERROR("memory is out, readers see the scan before");
		return;
	}
	for (int role = 0; role < ROLE_COUNT; role++)
		next->stale_ms[role] = analyzer->set.roles[role].stale_ms;
	pthread_mutex_lock(&analyzer->publish_lock);
	previous = analyzer->published;
	analyzer->published = next;
	pthread_mutex_unlock(&analyzer->publish_lock);
	snapshot_release(previous);
}

/* The complete minutes of all signals into the 1-minute tier. A signal that several series claim has no
 * value of its own: its minutes are gaps. */
static void feed_minutes(struct analyzer *analyzer, int64_t now_ms)
{
	const struct minutes_source source = {analyzer->store, analyzer->rollup, now_ms,
		analyzer->points, POINTS_MAX};
	int64_t minute = rollup_minute_of(now_ms);
	struct error error = {.code = STATUS_OK};
	size_t refused = 0;

	if (analyzer->rollup == NULL ||
		(analyzer->history_comes != NULL &&
			analyzer->history_comes(analyzer->history_argument)))
		return;
	if (minute < analyzer->swept_minute || minute >= analyzer->swept_minute + SWEEP_MINUTES) {
		size_t freed = rollup_sweep(analyzer->rollup, minute);

		if (freed > 0)
			LOG_INFO("signals gone for longer than storage.rollup_retention",
				LOG_UINT("signals", freed));
		analyzer->swept_minute = minute;
	}
	for (size_t i = 0; i < analyzer->roster.count; i++) {
		struct watched_workload *workload = &analyzer->roster.workloads[i];

		for (int role = 0; role < ROLE_COUNT; role++) {
			struct watched_signal *signal = &workload->signals[role];

			if (signal->series == STORE_NO_SERIES || signal->duplicate)
				continue;
			refused += minutes_feed(&source, &workload->key, (enum signal_role)role,
					   &analyzer->set.roles[role], signal->series, &signal->fed,
					   &error) != STATUS_OK;
		}
	}
	if (refused > 0)
		LOG_WARN("minutes of signals were not kept", LOG_UINT("signals", refused),
			LOG_ERROR_FIELD(&error));
}

void analyzer_scan(struct analyzer *analyzer)
{
	int64_t started_ns = clock_mono_ns(clock_system()), now_ms;

	pthread_mutex_lock(&analyzer->scan_lock);
	now_ms = clock_now_ms(analyzer->clock);
	rebind(analyzer);
	(void)derive_step(analyzer->derive, &analyzer->set, now_ms, analyzer->config.history_ms);
	for (size_t i = 0; i < analyzer->roster.count; i++)
		scan_workload(analyzer, &analyzer->roster.workloads[i], now_ms);
	publish(analyzer, now_ms);
	feed_minutes(analyzer, now_ms);
	pthread_mutex_unlock(&analyzer->scan_lock);
	metrics_observe(METRIC_SCAN_SECONDS,
		(double)(clock_mono_ns(clock_system()) - started_ns) / 1e9);
}

static int64_t scan_interval(struct analyzer *analyzer)
{
	int64_t interval_ms;

	pthread_mutex_lock(&analyzer->scan_lock);
	interval_ms = analyzer->config.scan_interval_ms;
	pthread_mutex_unlock(&analyzer->scan_lock);
	return interval_ms;
}

/* Sleeps in short real steps, because the clock may run faster than real time. The pace is that of
 * the monotonic clock: a wall clock that is set back stops no scan. */
static void *run(void *argument)
{
	struct analyzer *analyzer = argument;
	int64_t next_ns = clock_mono_ns(analyzer->clock);

	while (!atomic_load(&analyzer->stopping)) {
		int64_t now_ns = clock_mono_ns(analyzer->clock);
		int64_t wait_ms = (next_ns - now_ns + 999999) / 1000000;

		if (wait_ms > 0) {
			clock_sleep_ms(wait_ms < 50 ? wait_ms : 50);
			continue;
		}
		analyzer_scan(analyzer);
		next_ns = now_ns + scan_interval(analyzer) * 1000000;
	}
	return NULL;
}

enum status analyzer_start(struct analyzer *analyzer, struct error *error)
{
	if (pthread_create(&analyzer->thread, NULL, run, analyzer) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for the scan");
	analyzer->thread_runs = true;
	return STATUS_OK;
}

struct snapshot *analyzer_snapshot(struct analyzer *analyzer)
{
	struct snapshot *snapshot;

	pthread_mutex_lock(&analyzer->publish_lock);
	snapshot = analyzer->published;
	snapshot_hold(snapshot);
	pthread_mutex_unlock(&analyzer->publish_lock);
	return snapshot;
}

struct store *analyzer_store(struct analyzer *analyzer)
{
	return analyzer->store;
}

const struct clock *analyzer_clock(struct analyzer *analyzer)
{
	return analyzer->clock;
}

/* The matchers are copied as text, since a reload may replace the set while the caller selects. The
 * leaf lock is enough, so that nobody waits for a scan. */
enum status analyzer_pod_owner_matchers(struct analyzer *analyzer, struct matchers *matchers)
{
	enum status status = STATUS_OK;

	matchers_init(matchers);
	pthread_mutex_lock(&analyzer->publish_lock);
	for (size_t i = 0; i < analyzer->set.pod_owner.count && status == STATUS_OK; i++) {
		const struct matcher *matcher = &analyzer->set.pod_owner.list[i];

		status = matchers_add(matchers, matcher->type, matcher->name, matcher->value, NULL);
	}
	if (status == STATUS_OK && matchers->count == 0)
		status = STATUS_NOT_FOUND;
	pthread_mutex_unlock(&analyzer->publish_lock);
	if (status != STATUS_OK)
		matchers_fini(matchers);
	return status;
}
