/*
 * The life of the analyzer and the frame of a scan: series are bound, derived signals made, each
 * workload scanned (scan.c), the minutes kept.
 *
 * The scan's thread owns the roster. After each scan a copy is published; readers take a reference
 * to it under a leaf lock and read without one. Nothing is called with the lock held.
 */
#include "analyzers/analyzer.h"

#include <string.h>

#include "analyzers/analyzer_state.h"
#include "analyzers/learnt_file.h"
#include "analyzers/minutes.h"
#include "analyzers/models/general_file.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"

/* New and removed series are bound soon; that a series fell silent changes no generation, so all
 * are looked at anew once a minute. */
#define REBIND_NS INT64_C(1000000000)
#define REBIND_ALL_NS INT64_C(60000000000)
#define SWEEP_MINUTES 60
/* Measurements without which a forecaster is not fitted. */
#define FORECAST_ROWS_MIN 240
/* What is usual is looked up anew once an hour a signal: 30,000 signals are 125 a scan. */
#define PROFILES_A_SCAN 256
/* Files of what was learnt that nobody wrote for so long are of workloads that are gone. */
#define LEARNT_UNUSED_MS (INT64_C(7) * 86400000)

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
		.detector = "ensemble",
		.forecaster = "combined",
		.general_weights = lstm_weights_best(),
		.detector_probability = 1e-4,
		.learn_ms = INT64_C(7) * 86400000,
		.learn_min_ms = 86400000,
		.learn_again_ms = 86400000,
		.models_bytes_max = UINT64_C(2) << 30,
	};
}

enum status analyzer_check(const struct analyzer_config *config, struct diagnostics *diagnostics)
{
	struct signal_set set;
	enum status status =
		signal_set_load(&set, config->signal_paths, config->signal_path_count, diagnostics);

	signal_set_fini(&set);
	if (config->detector != NULL && config->detector[0] != '\0' &&
		detector_class_find(config->detector) == NULL) {
		diagnostics_add(diagnostics, false, "", 0, 0,
			"analyze.detector: there is no detector \"%.60s\"", config->detector);
		status = STATUS_BAD_INPUT;
	}
	if (config->forecaster != NULL && config->forecaster[0] != '\0' &&
		forecaster_class_find(config->forecaster) == NULL) {
		diagnostics_add(diagnostics, false, "", 0, 0,
			"analyze.forecaster: there is no forecaster \"%.60s\"", config->forecaster);
		status = STATUS_BAD_INPUT;
	}
	return status;
}

static void keep_config(struct analyzer *analyzer, const struct analyzer_config *config)
{
	analyzer->config = *config;
	analyzer->config.signal_paths = NULL;
	analyzer->config.signal_path_count = 0;
	analyzer->config.detector = analyzer->config.forecaster = NULL;
	analyzer->config.general_learnt = analyzer->config.learnt_folder = NULL;
	analyzer->config.general_models[0] = analyzer->config.general_models[1] = NULL;
}

#define MINUTE_MS 60000

static bool named(const char *name)
{
	return name != NULL && name[0] != '\0';
}

/* The first file that is good serves; without any, forecasts do without. */
static enum status open_general(struct analyzer *analyzer, const struct analyzer_config *config,
	struct error *error)
{
	for (size_t i = 0; i < ARRAY_COUNT(config->general_models); i++) {
		const char *path = config->general_models[i];
		struct model_info info;
		struct lstm_net *net;
		struct error why;
		enum status status;

		if (!named(path))
			continue;
		status = general_file_read(path, &net, &info, &why);
		if (status == STATUS_OK) {
			analyzer->shared = lstm_shared_open(config->general_weights, error);
			if (analyzer->shared == NULL) {
				lstm_net_release(net);
				return STATUS_NO_MEMORY;
			}
			lstm_shared_put(analyzer->shared, net);
			analyzer->general_trained_ms = info.trained_ms;
			LOG_INFO("a net for all workloads takes part in forecasts",
				LOG_TEXT("path", path),
				LOG_TEXT("weights",
					config->general_weights == LSTM_BF16 ? "bf16" : "fp32"));
			break;
		}
		if (status == STATUS_NO_MEMORY)
			return error_set(error, status, "%s", why.text);
		if (status != STATUS_NOT_FOUND)
			LOG_WARN("a net for all workloads is refused", LOG_ERROR_FIELD(&why));
	}
	return STATUS_OK;
}

/* Of the workloads of the last scan, those signals that are forecast; evenly drawn beyond max. */
static size_t school_signals(void *argument, struct school_signal *signals, size_t max)
{
	struct analyzer *analyzer = argument;
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	uint32_t roles = 0;
	size_t count = 0, seen = 0, each;

	pthread_mutex_lock(&analyzer->publish_lock);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (analyzer->set.roles[role].bound && analyzer->set.roles[role].forecast)
			roles |= 1u << role;
	pthread_mutex_unlock(&analyzer->publish_lock);
	each = snapshot->roster.count * ROLE_COUNT / max + 1;
	for (size_t i = 0; i < snapshot->roster.count; i++)
		for (int role = 0; role < ROLE_COUNT && count < max; role++) {
			const struct watched_workload *workload = &snapshot->roster.workloads[i];

			if ((roles >> role & 1) == 0 ||
				workload->signals[role].series == STORE_NO_SERIES ||
				seen++ % each != 0)
				continue;
			signals[count++] = (struct school_signal){.workload = workload->key,
				.role = (enum signal_role)role};
		}
	snapshot_release(snapshot);
	return count;
}

static enum status open_school(struct analyzer *analyzer, const struct analyzer_config *config,
	struct error *error)
{
	struct school_config school;

	if (analyzer->shared == NULL || !named(config->general_learnt) ||
		config->general_again_ms == 0 || config->rollup == NULL)
		return STATUS_OK;
	school_config_default(&school);
	school.shared = analyzer->shared;
	school.rollup = config->rollup;
	school.clock = config->clock;
	school.path = config->general_learnt;
	school.again_rows = config->general_again_ms / MINUTE_MS;
	school.signals = school_signals;
	school.argument = analyzer;
	school.told = config->trained;
	school.told_argument = config->trained_argument;
	analyzer->school = school_open(&school, analyzer->general_trained_ms, error);
	return analyzer->school != NULL ? STATUS_OK : error->code;
}

/* Without the 1-minute tier there is nothing to learn from. */
static enum status open_watcher(struct analyzer *analyzer, const struct analyzer_config *config,
	struct error *error)
{
	struct watcher *watcher = &analyzer->watcher;

	watcher->rollup = config->rollup;
	watcher->refit_rows = config->learn_again_ms / MINUTE_MS;
	watcher->bytes_max = config->models_bytes_max;
	if ((!named(config->detector) && !named(config->forecaster)) || config->rollup == NULL)
		return STATUS_OK;
	if (named(config->detector))
		watcher->spec = (struct watch_spec){.class = detector_class_find(config->detector),
			.train_rows = config->learn_ms / MINUTE_MS,
			.train_rows_min = config->learn_min_ms / MINUTE_MS,
			.rows_min = (size_t)(1 + config->duration_min_ms / MINUTE_MS),
			.probability_max = config->detector_probability,
			.seed = 1};
	if (named(config->detector) && watcher->spec.class == NULL)
		return error_set(error, STATUS_BAD_INPUT, "there is no detector \"%.60s\"",
			config->detector);
	if (named(config->forecaster))
		watcher->outlook =
			(struct outlook_spec){.class = forecaster_class_find(config->forecaster),
				.train_rows = config->learn_ms / MINUTE_MS,
				.train_rows_min = FORECAST_ROWS_MIN};
	watcher->spec.shared = watcher->outlook.shared = analyzer->shared;
	if (named(config->forecaster) && watcher->outlook.class == NULL)
		return error_set(error, STATUS_BAD_INPUT, "there is no forecaster \"%.60s\"",
			config->forecaster);
	watcher->trainer = trainer_open(config->rollup, error);
	if (watcher->trainer == NULL)
		return error->code;
	trainer_tell(watcher->trainer, config->trained, config->trained_argument);
	if (named(config->learnt_folder)) {
		trainer_keep_in(watcher->trainer, config->learnt_folder);
		(void)learnt_file_sweep(config->learnt_folder,
			clock_now_ms(config->clock) - LEARNT_UNUSED_MS);
	}
	return STATUS_OK;
}

static enum status open_sizer(struct analyzer *analyzer, const struct analyzer_config *config,
	struct error *error)
{
	const struct sizer_config sizer = {.store = analyzer->store,
		.rollup = config->rollup,
		.containers_max = config->containers_max,
		.prices = config->prices};

	if (config->containers_max == 0 || config->rollup == NULL)
		return STATUS_OK;
	analyzer->sizer = sizer_open(&sizer, error);
	return analyzer->sizer != NULL ? STATUS_OK : error->code;
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
	analyzer->scanned = config->scanned;
	analyzer->scanned_argument = config->scanned_argument;
	keep_config(analyzer, config);
	if (signal_set_load(&analyzer->set, config->signal_paths, config->signal_path_count,
		    &diagnostics) != STATUS_OK)
		error_set(error, STATUS_BAD_INPUT,
			"the signals have errors, see nimbusguard check");
	else if (roster_init(&analyzer->roster, config->workload_max) != STATUS_OK ||
		(analyzer->derive = derive_open(store, config->histograms, config->workload_max,
			 error)) == NULL ||
		sight_scratch_init(&analyzer->sight, ANALYZER_POINTS_MAX) != STATUS_OK ||
		(analyzer->points = mem_zalloc(ANALYZER_POINTS_MAX, sizeof(*analyzer->points))) ==
			NULL ||
		(analyzer->values = mem_zalloc(ANALYZER_POINTS_MAX, sizeof(double))) == NULL ||
		(analyzer->scratch = mem_zalloc(ANALYZER_POINTS_MAX, sizeof(double))) == NULL ||
		(analyzer->published = snapshot_make(&analyzer->roster, &analyzer->log, 0)) == NULL)
		error_set(error, STATUS_NO_MEMORY, "out of memory");
	else if (open_general(analyzer, config, error) == STATUS_OK &&
		open_watcher(analyzer, config, error) == STATUS_OK &&
		open_school(analyzer, config, error) == STATUS_OK &&
		open_sizer(analyzer, config, error) == STATUS_OK)
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
	if (analyzer->sizer != NULL)
		sizer_set_prices(analyzer->sizer, &config->prices);
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
	if (analyzer->school != NULL)
		school_stop(analyzer->school);
	if (analyzer->watcher.trainer != NULL)
		trainer_stop(analyzer->watcher.trainer);
}

void analyzer_close(struct analyzer *analyzer)
{
	if (analyzer == NULL)
		return;
	analyzer_stop(analyzer);
	school_close(analyzer->school);
	sizer_close(analyzer->sizer);
	if (analyzer->collected)
		metrics_remove_collector(analyzer_collect, analyzer);
	if (analyzer->published != NULL)
		snapshot_release(analyzer->published);
	findings_log_fini(&analyzer->log);
	trainer_close(analyzer->watcher.trainer);
	roster_fini(&analyzer->roster);
	lstm_shared_close(analyzer->shared);
	derive_close(analyzer->derive);
	signal_set_fini(&analyzer->set);
	sight_scratch_fini(&analyzer->sight);
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

static void publish(struct analyzer *analyzer, int64_t now_ms)
{
	struct snapshot *next = snapshot_make(&analyzer->roster, &analyzer->log, now_ms), *previous;

	if (next == NULL) {
		LOG_ERROR("memory is out, readers see the scan before");
		return;
	}
	for (int role = 0; role < ROLE_COUNT; role++)
		next->stale_ms[role] = analyzer->set.roles[role].stale_ms;
	if (analyzer->watcher.outlook.class != NULL)
		next->forecast_roles = analyzer->watcher.forecast_roles;
	next->forecast_rows = analyzer->watcher.outlook.train_rows;
	next->forecast_rows_min = analyzer->watcher.outlook.train_rows_min;
	pthread_mutex_lock(&analyzer->publish_lock);
	previous = analyzer->published;
	analyzer->published = next;
	pthread_mutex_unlock(&analyzer->publish_lock);
	snapshot_release(previous);
}

static bool minutes_wait(struct analyzer *analyzer)
{
	return analyzer->rollup == NULL ||
		(analyzer->history_comes != NULL &&
			analyzer->history_comes(analyzer->history_argument));
}

/* The complete minutes of all signals into the 1-minute tier. A signal that several series claim has no
 * value of its own: its minutes are gaps. */
static void feed_minutes(struct analyzer *analyzer, int64_t now_ms)
{
	const struct minutes_source source = {analyzer->store, analyzer->rollup, now_ms,
		analyzer->points, ANALYZER_POINTS_MAX};
	int64_t minute = rollup_minute_of(now_ms);
	struct error error = {.code = STATUS_OK};
	size_t refused = 0;

	if (minutes_wait(analyzer))
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
	analyzer->sight.profiles_left = PROFILES_A_SCAN;
	analyzer->sight_bytes = 0;
	analyzer->watcher.forecast_roles = 0;
	for (int role = 0; role < ROLE_COUNT; role++)
		if (analyzer->set.roles[role].bound && analyzer->set.roles[role].forecast)
			analyzer->watcher.forecast_roles |= 1u << role;
	watcher_begin(&analyzer->watcher, &analyzer->roster);
	for (size_t i = 0; i < analyzer->roster.count; i++)
		scan_workload(analyzer, &analyzer->roster.workloads[i], now_ms);
	watcher_end(&analyzer->watcher);
	metrics_set(METRIC_FEATURES_BYTES, (double)analyzer->sight_bytes);
	publish(analyzer, now_ms);
	/* Nobody else replaces what is published. */
	if (analyzer->scanned != NULL && analyzer->published->scanned_ms == now_ms)
		analyzer->scanned(analyzer->scanned_argument, analyzer->published);
	feed_minutes(analyzer, now_ms);
	if (analyzer->sizer != NULL && !minutes_wait(analyzer))
		sizer_step(analyzer->sizer, now_ms);
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

	thread_name("analyzer");
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

void analyzer_learn(struct analyzer *analyzer)
{
	while (analyzer->watcher.trainer != NULL && trainer_run(analyzer->watcher.trainer))
		continue;
}

enum status analyzer_start(struct analyzer *analyzer, struct error *error)
{
	if (analyzer->watcher.trainer != NULL &&
		trainer_start(analyzer->watcher.trainer, error) != STATUS_OK)
		return error->code;
	if (pthread_create(&analyzer->thread, NULL, run, analyzer) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for the scan");
	analyzer->thread_runs = true;
	if (analyzer->school != NULL)
		return school_start(analyzer->school, error);
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

struct rollup *analyzer_rollup(struct analyzer *analyzer)
{
	return analyzer->rollup;
}

struct store *analyzer_store(struct analyzer *analyzer)
{
	return analyzer->store;
}

const struct clock *analyzer_clock(struct analyzer *analyzer)
{
	return analyzer->clock;
}

bool analyzer_school(struct analyzer *analyzer, struct school_progress *progress)
{
	return analyzer->school != NULL && school_progress(analyzer->school, progress);
}

/* The matchers are copied as text, since a reload may replace the set while the caller selects. The
 * leaf lock is enough, so that nobody waits for a scan. */
static enum status copy_matchers(struct analyzer *analyzer, const struct matchers *bound,
	struct matchers *matchers)
{
	enum status status = STATUS_OK;

	matchers_init(matchers);
	pthread_mutex_lock(&analyzer->publish_lock);
	for (size_t i = 0; i < bound->count && status == STATUS_OK; i++)
		status = matchers_add(matchers, bound->list[i].type, bound->list[i].name,
			bound->list[i].value, NULL);
	if (status == STATUS_OK && matchers->count == 0)
		status = STATUS_NOT_FOUND;
	pthread_mutex_unlock(&analyzer->publish_lock);
	if (status != STATUS_OK)
		matchers_fini(matchers);
	return status;
}

enum status analyzer_pod_owner_matchers(struct analyzer *analyzer, struct matchers *matchers)
{
	return copy_matchers(analyzer, &analyzer->set.pod_owner, matchers);
}

enum status analyzer_workload_node_matchers(struct analyzer *analyzer, struct matchers *matchers)
{
	return copy_matchers(analyzer, &analyzer->set.workload_node, matchers);
}

struct sizer *analyzer_sizer(struct analyzer *analyzer)
{
	return analyzer->sizer;
}
