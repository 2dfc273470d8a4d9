/* run-under: tsan */
/*
 * The seeing side as one: a store with a stream in it, a manual clock, scans; what is found, told,
 * read and shown, and what many threads at once may do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analyzer.h"
#include "analyzers/minutes.h"
#include "analyzers/snapshot.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"

#define T0 INT64_C(1700000000000)
#define STEP_MS 15000

static char folder[512];

static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

struct told {
	int opened, resolved;
	struct event last;
};

struct world {
	struct clock_manual clock;
	struct store *store;
	struct analyzer *analyzer;
	struct analyzer_config config;
	const char *paths[1];
	struct told told;
};

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/analyzer-XXXXXX", parent != NULL ? parent : "/tmp");
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/signals.yaml", folder);
	(void)unlink(path);
	return rmdir(folder);
}

static const char *write_signals(const char *text)
{
	static char path[600];
	struct error error;

	snprintf(path, sizeof(path), "%s/signals.yaml", folder);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &error), STATUS_OK);
	return path;
}

static const char signals[] =
	"signals:\n"
	"- {role: cpu, selector: cpu, detect: both, min_deviation: 0.1}\n"
	"- {role: replicas, selector: replicas}\n"
	"- {role: restarts, selector: restarts, detect: up, min_deviation: 1}\n"
	"pod_owner: owner\n"
	"workload_node: node_pods\n";

static void found(void *argument, const struct event *finding)
{
	struct told *told = argument;

	if (finding->firing && told->last.labels.count == 0)
		told->opened++;
	told->resolved += !finding->firing;
	event_fini(&told->last);
	assert_int_equal(event_clone(&told->last, finding), STATUS_OK);
	if (!finding->firing)
		event_fini(&told->last);
}

static void open_world(struct world *world, const char *text)
{
	struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 10000,
		.retention_ms = 3600000,
		.interval_ms = STEP_MS,
		.ended_keep_ms = 600000,
		.future_max_ms = 600000};
	struct error error;

	memset(world, 0, sizeof(*world));
	event_init(&world->told.last);
	clock_manual_init(&world->clock, T0);
	world->store = store_open(&limits, &world->clock.clock, &error);
	assert_non_null(world->store);
	world->paths[0] = write_signals(text);
	analyzer_config_default(&world->config);
	world->config.signal_paths = world->paths;
	world->config.signal_path_count = 1;
	world->config.clock = &world->clock.clock;
	world->config.found = found;
	world->config.found_argument = &world->told;
	world->analyzer = analyzer_open(&world->config, world->store, &error);
	assert_non_null(world->analyzer);
}

static void close_world(struct world *world)
{
	analyzer_close(world->analyzer);
	event_fini(&world->told.last);
	store_close(world->store);
	metrics_reset();
}

static int64_t now(const struct world *world)
{
	return clock_now_ms(&world->clock.clock);
}

/* where: a label's name and its value. */
static void sample_at(struct world *world, const char *metric, const char *name, const char *where,
	const char *workload, double value)
{
	struct label pairs[] = {{"__name__", metric, 8, (uint32_t)strlen(metric)},
		{"namespace", "shop", 9, 4}, {"workload_kind", "Deployment", 13, 10},
		{"workload", workload, 8, (uint32_t)strlen(workload)},
		{name, where, (uint32_t)strlen(name), (uint32_t)strlen(where)}};
	char raw[512];
	int size = snprintf(raw, sizeof(raw), "%s/%s/%s", metric, workload, where);
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store_sample one = {.t_ms = now(world), .value = value};
	struct error error;

	assert_int_equal(store_intern(world->store, store_key_of(world->store, raw, (size_t)size),
				 pairs, 5, &one.series, &error),
		STATUS_OK);
	store_append(world->store, &one, 1, counts);
	assert_int_equal(counts[APPEND_LATE] + counts[APPEND_CONFLICT] + counts[APPEND_FUTURE], 0);
}

static void sample_of(struct world *world, const char *metric, const char *pod,
	const char *workload, double value)
{
	sample_at(world, metric, "pod", pod, workload, value);
}

static void sample(struct world *world, const char *metric, double value)
{
	sample_of(world, metric, "", "web", value);
}

static double noise = 0.01;

/* `steps` samples of cpu, one each 15 s, with a scan after each. */
static void stream(struct world *world, int steps, double value)
{
	for (int i = 0; i < steps; i++) {
		clock_manual_advance(&world->clock, STEP_MS);
		sample(world, "cpu", value + (i % 2 == 0 ? noise : -noise));
		analyzer_scan(world->analyzer);
	}
}

typedef enum status writer(struct world *world, struct buf *json);

static enum status write_signals_json(struct world *world, struct buf *json)
{
	return analyzer_write_signals(world->analyzer, json, NULL, 0);
}

static enum status write_workloads_json(struct world *world, struct buf *json)
{
	return analyzer_write_workloads(world->analyzer, json, 0);
}

static enum status write_active_json(struct world *world, struct buf *json)
{
	return analyzer_write_findings(world->analyzer, json, true, 0);
}

static enum status write_findings_json(struct world *world, struct buf *json)
{
	return analyzer_write_findings(world->analyzer, json, false, 0);
}

static bool shows(struct world *world, writer *write, const char *text)
{
	struct buf json;
	bool there;

	buf_init(&json, 1 << 20);
	assert_int_equal(write(world, &json), STATUS_OK);
	there = strstr(json.data, text) != NULL;
	buf_fini(&json);
	return there;
}

static void a_jump_becomes_a_finding_and_its_end_is_told(void **state)
{
	struct world world;

	open_world(&world, signals);
	stream(&world, 60, 1);
	assert_int_equal(world.told.opened, 0);
	assert_true(shows(&world, write_signals_json, "\"quality\":\"good\""));
	stream(&world, 9, 3);
	assert_int_equal(world.told.opened, 1);
	assert_string_equal(labels_get(&world.told.last.labels, "finding"), "cpu_high");
	assert_true(world.told.last.score > 6 && world.told.last.confidence > 0.7);
	assert_true(shows(&world, write_active_json, "\"cpu_high\""));
	assert_true(shows(&world, write_workloads_json, "\"findings\":1"));
	assert_true(metrics_get(METRIC_FINDINGS, "robust_zscore", "cpu") == 1);
	stream(&world, 14, 1);
	assert_int_equal(world.told.resolved, 1);
	assert_false(shows(&world, write_active_json, "\"cpu_high\""));
	assert_true(shows(&world, write_findings_json, "no longer unusually high"));
	/* The episode is shown once, by its end. */
	assert_false(shows(&world, write_findings_json, "is unusually high"));
	close_world(&world);
}

static void a_change_too_small_to_matter_is_none(void **state)
{
	struct world world;

	open_world(&world, signals);
	noise = 0.001;
	stream(&world, 60, 1);
	stream(&world, 20, 1.09); /* 60 deviations, but under min_deviation */
	noise = 0.01;
	assert_int_equal(world.told.opened, 0);
	close_world(&world);
}

static void without_enough_history_nothing_is_found(void **state)
{
	struct world world;

	open_world(&world, signals);
	stream(&world, 30, 1);
	stream(&world, 10, 30);
	assert_int_equal(world.told.opened, 0);
	assert_true(shows(&world, write_signals_json, "\"quality\":\"too_short\""));
	close_world(&world);
}

static void a_duplicate_is_not_judged_until_one_of_them_ends(void **state)
{
	struct world world;

	open_world(&world, signals);
	stream(&world, 60, 1);
	for (int i = 0; i < 12; i++) {
		clock_manual_advance(&world.clock, STEP_MS);
		sample(&world, "cpu", 5);
		sample_of(&world, "cpu", "other", "web", 1);
		analyzer_scan(world.analyzer);
	}
	assert_int_equal(world.told.opened, 0);
	assert_true(shows(&world, write_signals_json, "\"quality\":\"duplicate\""));
	/* The other one falls silent: no series is made or removed by that, yet it is seen. */
	stream(&world, 20, 5);
	assert_false(shows(&world, write_signals_json, "\"quality\":\"duplicate\""));
	assert_int_equal(world.told.opened, 1);
	close_world(&world);
}

static void a_lost_signal_ends_its_finding_without_saying_good(void **state)
{
	struct world world;

	open_world(&world, signals);
	stream(&world, 60, 1);
	stream(&world, 9, 3);
	assert_int_equal(world.told.opened, 1);
	for (int i = 0; i < 60; i++) {
		clock_manual_advance(&world.clock, STEP_MS);
		analyzer_scan(world.analyzer);
	}
	assert_int_equal(world.told.resolved, 1);
	assert_true(shows(&world, write_findings_json, "the signal was lost"));
	close_world(&world);
}

static void what_holds_is_listed_even_when_the_log_forgot_it(void **state)
{
	struct world world;
	char name[16];

	open_world(&world, signals);
	world.told.opened = 0;
	for (int i = 0; i < 70; i++) {
		clock_manual_advance(&world.clock, STEP_MS);
		for (int w = 0; w < 300; w++) {
			snprintf(name, sizeof(name), "w%d", w);
			sample_of(&world, "cpu", "", name, i < 60 ? 1 : 9);
		}
		analyzer_scan(world.analyzer);
	}
	assert_true(shows(&world, write_active_json, "\"w0\""));
	assert_true(shows(&world, write_active_json, "\"w299\""));
	metrics_reset();
	close_world(&world);
}

static enum quality read_value(struct world *world, enum signal_role role, int fold,
	int64_t length_ms, double *value, uint32_t *samples)
{
	enum quality quality;
	int64_t newest_ms;

	analyzer_read(world->analyzer, &web, role, fold, now(world) - length_ms, now(world),
		&quality, value, &newest_ms, samples);
	assert_true(quality != QUALITY_GOOD || newest_ms > 0);
	return quality;
}

/* As remediations/signal_source.h numbers them. */
enum { NEWEST, MEAN, MIN, MAX, INCREASE };

static void values_are_folded_over_the_raw_samples(void **state)
{
	static const double values[] = {4, 1, 7, 2, 6};
	static const double wanted[] = {6, 4, 1, 7, 1 + 6 + 2 + 4};
	struct world world;
	double value;
	uint32_t samples;

	open_world(&world, signals);
	for (size_t i = 0; i < 5; i++) {
		clock_manual_advance(&world.clock, STEP_MS);
		sample(&world, "restarts", values[i]);
	}
	analyzer_scan(world.analyzer);
	for (int fold = NEWEST; fold <= INCREASE; fold++) {
		assert_int_equal(read_value(&world, ROLE_RESTARTS, fold, 60000, &value, &samples),
			QUALITY_GOOD);
		assert_true(value == wanted[fold]);
		assert_int_equal(samples, 5);
	}
	/* One sample has no increase. */
	assert_int_equal(read_value(&world, ROLE_RESTARTS, INCREASE, 1000, &value, &samples),
		QUALITY_TOO_SHORT);
	assert_true(isnan(value));
	close_world(&world);
}

static void readings_without_good_data_say_so(void **state)
{
	struct world world;
	double value;
	uint32_t samples;

	open_world(&world, signals);
	assert_int_equal(read_value(&world, ROLE_CPU, NEWEST, 60000, &value, &samples),
		QUALITY_MISSING);
	sample(&world, "cpu", 1);
	analyzer_scan(world.analyzer);
	assert_int_equal(read_value(&world, ROLE_CPU, NEWEST, 60000, &value, &samples),
		QUALITY_GOOD);
	assert_int_equal(read_value(&world, ROLE_MEMORY, NEWEST, 60000, &value, &samples),
		QUALITY_MISSING);
	clock_manual_advance(&world.clock, 100000);
	assert_int_equal(read_value(&world, ROLE_CPU, NEWEST, 60000, &value, &samples),
		QUALITY_STALE);
	assert_true(isnan(value));
	/* A window that reaches far back does not make an old sample a new one. */
	clock_manual_advance(&world.clock, 60000);
	assert_int_equal(read_value(&world, ROLE_CPU, NEWEST, 600000, &value, &samples),
		QUALITY_STALE);
	sample(&world, "cpu", (double)NAN);
	assert_int_equal(read_value(&world, ROLE_CPU, NEWEST, 10000, &value, &samples),
		QUALITY_NOT_A_NUMBER);
	uint64_t bits = STORE_STALE_BITS;
	double marker;

	memcpy(&marker, &bits, sizeof(marker));
	clock_manual_advance(&world.clock, 1000);
	sample(&world, "cpu", marker);
	assert_int_equal(read_value(&world, ROLE_CPU, MEAN, 600000, &value, &samples),
		QUALITY_STALE);
	close_world(&world);
}

static void pods_have_the_owner_that_all_series_name(void **state)
{
	struct world world;
	struct workload_key key;

	open_world(&world, signals);
	sample_of(&world, "owner", "web-1", "web", 1);
	sample_of(&world, "owner", "cart-1", "cart", 1);
	assert_true(analyzer_owner_of_pod(world.analyzer, "", "shop", "web-1", &key));
	assert_true(workload_key_equal(&key, &web));
	assert_false(analyzer_owner_of_pod(world.analyzer, "", "shop", "web-2", &key));
	assert_false(analyzer_owner_of_pod(world.analyzer, "", "other", "web-1", &key));
	assert_false(analyzer_owner_of_pod(world.analyzer, "east", "shop", "web-1", &key));
	/* Two owners are none. */
	sample_of(&world, "owner", "web-1", "cart", 1);
	assert_false(analyzer_owner_of_pod(world.analyzer, "", "shop", "web-1", &key));
	close_world(&world);
}

static void workloads_are_known_once_they_were_seen(void **state)
{
	struct world world;

	open_world(&world, signals);
	assert_false(analyzer_knows(world.analyzer, &web));
	sample(&world, "replicas", 3);
	analyzer_scan(world.analyzer);
	assert_true(analyzer_knows(world.analyzer, &web));
	assert_true(shows(&world, write_workloads_json, "\"replicas\":3"));
	close_world(&world);
}

static bool page_shows(const char *text)
{
	struct buf page;
	bool there;

	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	there = strstr(page.data, text) != NULL;
	buf_fini(&page);
	return there;
}

static void the_page_shows_what_the_last_scan_saw(void **state)
{
	struct world world;

	open_world(&world, signals);
	sample(&world, "replicas", 3);
	stream(&world, 60, 1);
	sample(&world, "replicas", 4);
	analyzer_scan(world.analyzer);
	assert_true(page_shows("nimbusguard_current_replicas{namespace=\"shop\","
			       "workload_kind=\"Deployment\",workload=\"web\"} 4\n"));
	assert_true(page_shows("nimbusguard_signals{role=\"cpu\"} 1\n"));
	assert_true(page_shows("nimbusguard_signal_quality{verdict=\"good\"} 1\n"));
	assert_true(page_shows("nimbusguard_workloads 1\n"));
	assert_true(page_shows("nimbusguard_anomaly_score{namespace=\"shop\""));
	assert_true(page_shows(
		"nimbusguard_findings_total{detector=\"robust_zscore\",role=\"cpu\"} 0\n"));
	/* What was last seen long ago is not shown as if it were so now. */
	clock_manual_advance(&world.clock, 300000);
	analyzer_scan(world.analyzer);
	assert_false(page_shows("nimbusguard_current_replicas{"));
	assert_false(page_shows("nimbusguard_anomaly_score{"));
	close_world(&world);
}

static void a_reload_takes_new_signals_or_keeps_the_old(void **state)
{
	struct world world;
	struct diagnostics diagnostics;

	open_world(&world, signals);
	sample(&world, "cpu", 1);
	sample(&world, "other", 1);
	analyzer_scan(world.analyzer);
	diagnostics_init(&diagnostics);
	(void)write_signals("signals:\n- {role: cpu, selector: '{'}\n");
	assert_int_equal(analyzer_check(&world.config, &diagnostics), STATUS_BAD_INPUT);
	assert_int_equal(analyzer_reload(world.analyzer, &world.config, &diagnostics),
		STATUS_BAD_INPUT);
	diagnostics_fini(&diagnostics);
	analyzer_scan(world.analyzer);
	assert_true(shows(&world, write_signals_json, "\"role\":\"cpu\""));
	diagnostics_init(&diagnostics);
	(void)write_signals("signals:\n- {role: latency, selector: other}\n");
	assert_int_equal(analyzer_reload(world.analyzer, &world.config, &diagnostics), STATUS_OK);
	analyzer_scan(world.analyzer);
	assert_true(shows(&world, write_signals_json, "\"role\":\"latency\""));
	assert_false(shows(&world, write_signals_json, "\"role\":\"cpu\""));
	diagnostics_fini(&diagnostics);
	close_world(&world);
}

static bool history_comes(void *argument)
{
	return *(bool *)argument;
}

/* The mean of a minute of shop/Deployment/web's cpu; NaN: a gap. */
static double minute_mean(struct rollup *rollup, int64_t minute)
{
	char key[ROLLUP_KEY_MAX];
	double mean;
	const struct rollup_columns columns = {.mean = &mean};

	(void)rollup_read(rollup, key, minutes_key(&web, ROLE_CPU, key), minute, minute + 1,
		&columns);
	return mean;
}

static void a_workload_is_on_the_node_that_all_series_name(void **state)
{
	struct workload_key other = web;
	struct world world;
	char node[OBJECT_NAME_MAX];

	open_world(&world, signals);
	assert_false(analyzer_node_of_workload(world.analyzer, &web, node));
	sample_at(&world, "node_pods", "node", "worker-1", "web", 2);
	sample_at(&world, "node_pods", "node", "worker-2", "cart", 2);
	assert_true(analyzer_node_of_workload(world.analyzer, &web, node));
	assert_string_equal(node, "worker-1");
	snprintf(other.cluster, sizeof(other.cluster), "east");
	assert_false(analyzer_node_of_workload(world.analyzer, &other, node));
	/* It moved: as long as the older one may hold, it is not known where it is. */
	clock_manual_advance(&world.clock, 240000);
	sample_at(&world, "node_pods", "node", "worker-2", "web", 2);
	assert_false(analyzer_node_of_workload(world.analyzer, &web, node));
	clock_manual_advance(&world.clock, 61000);
	assert_true(analyzer_node_of_workload(world.analyzer, &web, node));
	assert_string_equal(node, "worker-2");
	/* Nothing was heard of late. */
	clock_manual_advance(&world.clock, 240000);
	assert_false(analyzer_node_of_workload(world.analyzer, &web, node));
	close_world(&world);
}

static void a_finding_names_the_node_of_its_workload(void **state)
{
	struct world world;

	open_world(&world, signals);
	stream(&world, 60, 1);
	sample_at(&world, "node_pods", "node", "worker-1", "web", 2);
	stream(&world, 12, 9);
	assert_int_equal(world.told.opened, 1);
	assert_non_null(world.told.last.node);
	assert_string_equal(world.told.last.node, "worker-1");
	close_world(&world);
}

static void scans_fill_the_minutes_once_the_history_is_there(void **state)
{
	const struct rollup_limits limits = {.retention_ms = ROLLUP_RETENTION_MIN_MS,
		.signals_max = 1};
	const int64_t first = rollup_minute_of(T0) + 1;
	bool coming = true;
	char path[600];
	struct world world;
	struct error error;
	struct rollup *rollup;

	open_world(&world, signals);
	snprintf(path, sizeof(path), "%s/rollup.1m", folder);
	rollup = rollup_open(path, &limits, &world.clock.clock, &error);
	assert_non_null(rollup);
	analyzer_close(world.analyzer);
	world.config.rollup = rollup;
	world.config.history_comes = history_comes;
	world.config.history_argument = &coming;
	world.analyzer = analyzer_open(&world.config, world.store, &error);
	assert_non_null(world.analyzer);
	stream(&world, 40, 2);
	assert_true(isnan(minute_mean(rollup, first)));
	coming = false;
	stream(&world, 1, 2);
	for (int64_t minute = first; minute < first + 9; minute++)
		assert_true(fabs(minute_mean(rollup, minute) - 2) < 1e-9);
	/* No place for a second signal: told, counted, and the first goes on. */
	for (int i = 0; i < 12; i++) {
		sample(&world, "replicas", 3);
		stream(&world, 1, 2);
	}
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "full") >= 1);
	/* What two series claim is a gap. */
	for (int i = 0; i < 12; i++) {
		sample_of(&world, "cpu", "other", "web", 5);
		stream(&world, 1, 2);
	}
	assert_true(fabs(minute_mean(rollup, first + 10) - 2) <= noise + 1e-9);
	assert_true(isnan(minute_mean(rollup, rollup_minute_of(now(&world)) - 1)));
	analyzer_close(world.analyzer);
	world.analyzer = NULL;
	rollup_close(rollup);
	assert_int_equal(unlink(path), 0);
	close_world(&world);
}

static void bad_signals_open_nothing(void **state)
{
	struct world world;
	struct analyzer *analyzer;
	struct error error;

	open_world(&world, signals);
	(void)write_signals("signals: 1\n");
	analyzer = analyzer_open(&world.config, world.store, &error);
	assert_null(analyzer);
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	close_world(&world);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct world world;
	struct analyzer *analyzer;
	struct error error;
	bool reached;
	long nth = 0;

	open_world(&world, signals);
	sample(&world, "cpu", 1);
	do {
		(void)mem_fail_after(++nth, false);
		analyzer = analyzer_open(&world.config, world.store, &error);
		if (analyzer != NULL)
			analyzer_scan(analyzer);
		reached = mem_fail_after(0, false);
		assert_true(analyzer != NULL || (reached && error.code != STATUS_OK));
		analyzer_close(analyzer);
	} while (reached);
	assert_true(nth > 20);
	close_world(&world);
}

static void answers_that_do_not_fit_are_refused(void **state)
{
	struct world world;
	struct buf json;

	open_world(&world, signals);
	stream(&world, 60, 1);
	stream(&world, 9, 3);
	buf_init(&json, 20);
	assert_int_equal(analyzer_write_signals(world.analyzer, &json, &web, 0), STATUS_TOO_LARGE);
	buf_reset(&json);
	assert_int_equal(analyzer_write_workloads(world.analyzer, &json, 0), STATUS_TOO_LARGE);
	buf_reset(&json);
	assert_int_equal(analyzer_write_findings(world.analyzer, &json, true, 0), STATUS_TOO_LARGE);
	buf_reset(&json);
	assert_int_equal(analyzer_write_findings(world.analyzer, &json, false, 0),
		STATUS_TOO_LARGE);
	buf_fini(&json);
	close_world(&world);
}

static void *read_all(void *argument)
{
	struct world *world = argument;

	for (int i = 0; i < 200; i++) {
		struct workload_key key;
		double value;
		uint32_t samples;

		(void)shows(world, write_signals_json, "x");
		(void)shows(world, write_findings_json, "x");
		(void)read_value(world, ROLE_CPU, MEAN, 60000, &value, &samples);
		(void)analyzer_owner_of_pod(world->analyzer, "", "shop", "web-1", &key);
		(void)page_shows("x");
	}
	return NULL;
}

/* The scan's own thread, readers, a writer and reloads at once. */
static void readers_scans_and_reloads_do_not_meet(void **state)
{
	struct world world;
	pthread_t readers[2];
	struct error error;

	open_world(&world, signals);
	world.config.found = NULL;
	world.config.scan_interval_ms = 1000;
	for (int i = 0; i < 60; i++) {
		clock_manual_advance(&world.clock, STEP_MS);
		sample(&world, "cpu", 1);
	}
	sample_of(&world, "owner", "web-1", "web", 1);
	assert_int_equal(analyzer_start(world.analyzer, &error), STATUS_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, &world), 0);
	for (int i = 0; i < 40; i++) {
		struct diagnostics diagnostics;

		diagnostics_init(&diagnostics);
		clock_manual_advance(&world.clock, STEP_MS);
		sample(&world, "cpu", 3);
		assert_int_equal(analyzer_reload(world.analyzer, &world.config, &diagnostics),
			STATUS_OK);
		clock_sleep_ms(2);
		diagnostics_fini(&diagnostics);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	analyzer_stop(world.analyzer);
	assert_true(shows(&world, write_signals_json, "\"role\":\"cpu\""));
	close_world(&world);
}

static bool was_scanned(struct world *world)
{
	struct snapshot *snapshot = analyzer_snapshot(world->analyzer);
	bool scanned = snapshot->scanned_ms > 0;

	snapshot_release(snapshot);
	return scanned;
}

/* The wall clock goes back an hour; the scans go on. */
static void a_clock_that_is_set_back_stops_no_scan(void **state)
{
	struct world world;
	struct error error;

	open_world(&world, signals);
	assert_int_equal(analyzer_start(world.analyzer, &error), STATUS_OK);
	while (!was_scanned(&world))
		clock_sleep_ms(1);
	atomic_fetch_sub(&world.clock.now_ms, 3600000);
	sample(&world, "cpu", 1);
	for (int i = 0; i < 12000 && !analyzer_knows(world.analyzer, &web); i++) {
		atomic_fetch_add(&world.clock.mono_ns, INT64_C(20000000000));
		clock_sleep_ms(10);
	}
	assert_true(analyzer_knows(world.analyzer, &web));
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_becomes_a_finding_and_its_end_is_told),
		cmocka_unit_test(a_change_too_small_to_matter_is_none),
		cmocka_unit_test(without_enough_history_nothing_is_found),
		cmocka_unit_test(a_duplicate_is_not_judged_until_one_of_them_ends),
		cmocka_unit_test(a_lost_signal_ends_its_finding_without_saying_good),
		cmocka_unit_test(what_holds_is_listed_even_when_the_log_forgot_it),
		cmocka_unit_test(values_are_folded_over_the_raw_samples),
		cmocka_unit_test(readings_without_good_data_say_so),
		cmocka_unit_test(pods_have_the_owner_that_all_series_name),
		cmocka_unit_test(a_workload_is_on_the_node_that_all_series_name),
		cmocka_unit_test(a_finding_names_the_node_of_its_workload),
		cmocka_unit_test(workloads_are_known_once_they_were_seen),
		cmocka_unit_test(the_page_shows_what_the_last_scan_saw),
		cmocka_unit_test(a_reload_takes_new_signals_or_keeps_the_old),
		cmocka_unit_test(scans_fill_the_minutes_once_the_history_is_there),
		cmocka_unit_test(bad_signals_open_nothing),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
		cmocka_unit_test(answers_that_do_not_fit_are_refused),
		cmocka_unit_test(readers_scans_and_reloads_do_not_meet),
		cmocka_unit_test(a_clock_that_is_set_back_stops_no_scan),
	};

	return cmocka_run_group_tests_name("analyzer", tests, make_folder, remove_folder);
}
