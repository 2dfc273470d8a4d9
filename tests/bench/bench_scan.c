/*
 * One scan of workloads with 6 signals each, sampled every 15 s for an hour and a quarter: the usual
 * scan, and that in which a minute of all of them is complete. Before each the caches are swept with a
 * block larger than they are. Then the same with a detector for each workload and a combined forecaster
 * for two signals of each, as rules/signals.yaml has it, with the net of rules/models (from the root of
 * the repository), learnt from minutes of their own, so that no two
 * forests are the same memory. Prints the CPU time of the scanning thread, the least and the median of
 * REPEATS, the memory a workload as it is counted, and what the process grew by.
 *
 * usage: bench_scan [workloads [detector [fp32]]], the last of the net's weights; 5000 workloads with BENCH_LARGE in the environment, else
 * 1000; $TMPDIR or /tmp takes 90 kB a workload. "" for the detector: only the first part. Learning takes
 * about a quarter of a second of CPU a workload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analyzer.h"
#include "analyzers/minutes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"

#define T0 INT64_C(1700000000000)
#define STEP_MS 15000
#define STEPS 300 /* before what is measured */
#define SIGNALS 6
#define FORECASTS 2
#define REPEATS 9
#define SWEPT ((size_t)96 << 20)
/* What the distance from yesterday can be learnt from: a day, a quarter and the hour of the rings. */
#define PAST 1860

static const char *const metrics[SIGNALS] = {"cpu", "memory", "rate", "errors", "latency",
	"saturation"};
static const char signals[] =
	"signals:\n"
	"- {role: cpu, selector: cpu, detect: both, min_deviation: 0.1, forecast: true}\n"
	"- {role: memory, selector: memory, detect: up}\n"
	"- {role: request_rate, selector: rate, detect: both, forecast: true}\n"
	"- {role: error_rate, selector: errors, detect: up}\n"
	"- {role: latency, selector: latency, detect: up}\n"
	"- {role: saturation, selector: saturation, detect: up}\n";

static const enum signal_role roles[SIGNALS] = {ROLE_CPU, ROLE_MEMORY, ROLE_REQUEST_RATE,
	ROLE_ERROR_RATE, ROLE_LATENCY, ROLE_SATURATION};

static struct clock_manual manual;
static struct random dice;
static struct store *store;
static struct store_sample *samples;
static size_t series_count;
static unsigned char *swept;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_scan: %s\n", what);
	exit(1);
}

static void make_series(size_t workloads)
{
	struct error error;

	samples = calloc(workloads * SIGNALS, sizeof(*samples));
	check(samples != NULL, "out of memory");
	for (size_t i = 0; i < workloads; i++) {
		for (int k = 0; k < SIGNALS; k++) {
			char name[32], raw[64];
			int size = snprintf(raw, sizeof(raw), "%s/%zu", metrics[k], i);

			snprintf(name, sizeof(name), "workload-%zu", i);
			const struct label pairs[] = {{"__name__", metrics[k], 8,
							      (uint32_t)strlen(metrics[k])},
				{"namespace", "shop", 9, 4},
				{"workload_kind", "Deployment", 13, 10},
				{"workload", name, 8, (uint32_t)strlen(name)}};

			check(store_intern(store, store_key_of(store, raw, (size_t)size), pairs, 4,
				      &samples[series_count].series, &error) == STATUS_OK,
				error.text);
			series_count++;
		}
	}
}

static void stream(void)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	clock_manual_advance(&manual, STEP_MS);
	for (size_t i = 0; i < series_count; i++) {
		samples[i].t_ms = clock_now_ms(&manual.clock);
		samples[i].value = 1 + 0.1 * (double)(i % SIGNALS) + 0.05 * random_normal(&dice);
	}
	store_append(store, samples, series_count, counts);
}

static void sweep_caches(void)
{
	for (size_t i = 0; i < SWEPT; i += 64)
		swept[i]++;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double scan_ms(struct analyzer *analyzer)
{
	int64_t started_ns;

	sweep_caches();
	started_ns = clock_thread_cpu_ns();
	analyzer_scan(analyzer);
	return (double)(clock_thread_cpu_ns() - started_ns) / 1e6;
}

static void report(const char *what, double *ms)
{
	qsort(ms, REPEATS, sizeof(*ms), compare);
	printf("%-44s %8.1f ms least, %8.1f ms median\n", what, ms[0], ms[REPEATS / 2]);
}

static void measure(struct analyzer *analyzer, size_t workloads)
{
	double usual[REPEATS], minute[REPEATS];
	size_t usual_count = 0, minute_count = 0;

	while (usual_count < REPEATS || minute_count < REPEATS) {
		double rows = metrics_get(METRIC_ROWS, "good"), ms;

		stream();
		ms = scan_ms(analyzer);
		if (metrics_get(METRIC_ROWS, "good") - rows >= (double)workloads) {
			if (minute_count < REPEATS)
				minute[minute_count++] = ms;
		} else if (usual_count < REPEATS) {
			usual[usual_count++] = ms;
		}
	}
	report("scan", usual);
	report("scan that completes a minute", minute);
	printf("features: %.1f kB a workload\n",
		metrics_get(METRIC_FEATURES_BYTES) / 1000 / (double)workloads);
}

/* The pages that the process has, without those of files (the tier is one). */
static double resident_kb(void)
{
	long pages = 0, shared = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	check(file != NULL && fscanf(file, "%*d %ld %ld", &pages, &shared) == 2, "no /proc");
	fclose(file);
	return (double)(pages - shared) * (double)sysconf(_SC_PAGESIZE) / 1000;
}

/* The minutes of each signal, up to the hour that the rings hold. */
static struct rollup *fill_tier(const char *path, size_t workloads)
{
	static struct rollup_minute minutes[PAST];
	const struct rollup_limits limits = {.retention_ms = ROLLUP_RETENTION_MIN_MS,
		.signals_max = (uint32_t)(workloads * SIGNALS)};
	int64_t now = rollup_minute_of(clock_now_ms(&manual.clock));
	char key[ROLLUP_KEY_MAX];
	struct error error;
	struct rollup *rollup = rollup_open(path, &limits, &manual.clock, &error);

	check(rollup != NULL, "no tier");
	for (size_t i = 0; i < workloads; i++) {
		struct workload_key workload = {.namespace_name = "shop",
			.kind = TARGET_DEPLOYMENT};

		snprintf(workload.name, sizeof(workload.name), "workload-%zu", i);
		for (int k = 0; k < SIGNALS; k++) {
			for (int m = 0; m < PAST; m++) {
				/* As the means of four samples are that are streamed afterwards. */
				double value = 1 + 0.1 * k + 0.025 * random_normal(&dice);

				minutes[m] =
					(struct rollup_minute){value, value, value, value, 4, true};
			}
			check(rollup_write(rollup, key, minutes_key(&workload, roles[k], key),
				      now - PAST, minutes, PAST - 60, now, &error) == STATUS_OK,
				"the tier is full");
		}
	}
	return rollup;
}

static void measure_detectors(struct analyzer_config *config, const char *path, size_t workloads,
	const char *detector)
{
	struct rollup *rollup = fill_tier(path, workloads);
	struct analyzer *analyzer;
	struct error error;
	int64_t started_ns;
	double before_kb;

	config->rollup = rollup;
	config->detector = detector;
	config->general_models[0] = "rules/models/general.model";
	config->learn_min_ms = 43200000;
	config->duration_min_ms = 60000;
	analyzer = analyzer_open(config, store, &error);
	check(analyzer != NULL, error.text);
	before_kb = resident_kb();
	started_ns = clock_thread_cpu_ns();
	/* 64 workloads may wait at a time. */
	while (metrics_get(METRIC_DETECTORS, "serving") +
				metrics_get(METRIC_DETECTORS, "quarantined") <
			(double)workloads ||
		metrics_get(METRIC_MODEL_FITS, "forecast", "ok") < (double)workloads) {
		stream();
		analyzer_scan(analyzer);
		analyzer_learn(analyzer);
	}
	printf("with %d forecasts and the detector \"%s\" for each workload (learning and the scans of it: %.1f ms a "
	       "workload)\n",
		FORECASTS, detector,
		(double)(clock_thread_cpu_ns() - started_ns) / 1e6 / (double)workloads);
	measure(analyzer, workloads);
	printf("detectors and forecasters: %.1f kB a workload\n",
		metrics_get(METRIC_MODELS_BYTES) / 1000 / (double)workloads);
	printf("resident, with features and all that the analyzer holds: %.1f kB a workload\n",
		(resident_kb() - before_kb) / (double)workloads);
	analyzer_close(analyzer);
	rollup_close(rollup);
}

int main(int argc, char **argv)
{
	size_t workloads = argc > 1             ? strtoul(argv[1], NULL, 10)
		: getenv("BENCH_LARGE") != NULL ? 5000
						: 1000;
	const struct store_limits limits = {.memory_max = UINT64_C(1) << 30,
		.series_max = 1 << 20,
		.retention_ms = 2 * 3600000,
		.interval_ms = STEP_MS,
		.ended_keep_ms = 3600000,
		.future_max_ms = 600000};
	const char *parent = getenv("TMPDIR");
	struct analyzer_config config;
	struct analyzer *analyzer;
	struct error error;
	char path[256], tier[300];
	const char *paths[] = {path};

	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	random_init(&dice, 1);
	clock_manual_init(&manual, T0);
	snprintf(path, sizeof(path), "%s/bench_scan-%ld.yaml", parent != NULL ? parent : "/tmp",
		(long)getpid());
	check(file_write_atomic(path, signals, strlen(signals), 0600, &error) == STATUS_OK,
		error.text);
	store = store_open(&limits, &manual.clock, &error);
	swept = calloc(SWEPT, 1);
	check(store != NULL && swept != NULL, "out of memory");
	make_series(workloads);
	for (int i = 0; i < STEPS; i++)
		stream();
	analyzer_config_default(&config);
	config.signal_paths = paths;
	config.signal_path_count = 1;
	config.workload_max = (unsigned)workloads;
	config.clock = &manual.clock;
	analyzer = analyzer_open(&config, store, &error);
	check(analyzer != NULL, error.text);
	printf("%zu workloads, %d signals each; CPU time of one core, caches cold\n", workloads,
		SIGNALS);
	printf("%-44s %8.1f ms\n", "first scan: binding, an hour of minutes", scan_ms(analyzer));
	measure(analyzer, workloads);
	analyzer_close(analyzer);
	if (argc < 3 || argv[2][0] != '\0') {
		if (argc > 3 && strcmp(argv[3], "fp32") == 0)
			config.general_weights = LSTM_FP32;
		snprintf(tier, sizeof(tier), "%s.rollup", path);
		measure_detectors(&config, tier, workloads, argc < 3 ? "ensemble" : argv[2]);
		(void)unlink(tier);
	}
	(void)unlink(path);
	store_close(store);
	free(samples);
	free(swept);
	return 0;
}
