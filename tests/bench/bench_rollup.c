/*
 * The 1-minute tier with 14 days of 1,000, 5,000 and 30,000 signals: bytes on disk and in memory, the
 * cost of a minute written (all signals minute by minute, two hours long, so that each closes a
 * block), out of rings too, and of reading all 14 days of one signal.
 *
 * usage: bench_rollup [signals...]; the folder is $TMPDIR or /tmp and takes 3 GB for 30,000.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzers/minutes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"

#define MINUTES 20160
#define M0 INT64_C(28333320)
#define BATCH 120
#define LIVE 120
#define READS 200
#define RING_SERIES 2000
#define POINTS_MAX 100000

static char folder[256], path[300];
static struct random dice;
static double mean[MINUTES], max[MINUTES];

/* Of this thread's CPU, so that what else runs counts less. */
static int64_t now_ns(void)
{
	return clock_thread_cpu_ns();
}

static size_t key_of(uint32_t signal, char *key)
{
	return (size_t)snprintf(key, ROLLUP_KEY_MAX, "prod/namespace-%u/Deployment/workload-%u/cpu",
		(unsigned)signal % 97, (unsigned)signal);
}

static struct rollup_minute draw(void)
{
	double value = 4 + random_unit(&dice);

	return (struct rollup_minute){.mean = value,
		.max = value * 1.25,
		.min = value * 0.75,
		.last = value,
		.count = 4,
		.present = true};
}

static struct rollup *open_tier(uint32_t signals)
{
	const struct rollup_limits limits = {.retention_ms = INT64_C(14) * 24 * 3600000,
		.signals_max = signals};
	struct error error;
	struct rollup *rollup = rollup_open(path, &limits, clock_system(), &error);

	if (rollup == NULL) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	return rollup;
}

static void put(struct rollup *rollup, uint32_t signal, int64_t minute,
	const struct rollup_minute *minutes, size_t count)
{
	char key[ROLLUP_KEY_MAX];
	struct error error;

	if (rollup_write(rollup, key, key_of(signal, key), minute, minutes, count, minute,
		    &error) != STATUS_OK) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

/* All minutes of the signals that are read; of the others one in each block, which is enough to
 * close it. */
static void fill(struct rollup *rollup, uint32_t signals)
{
	static struct rollup_minute minutes[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		minutes[i] = draw();
	for (uint32_t signal = 0; signal < signals; signal++)
		for (int64_t k = 0; k + BATCH <= MINUTES; k += BATCH)
			put(rollup, signal, M0 + k, minutes, signal < READS ? BATCH : 1);
}

/* ns per minute and signal. */
static double live(struct rollup *rollup, uint32_t signals, int64_t first)
{
	int64_t began = now_ns();

	for (int64_t k = 0; k < LIVE; k++)
		for (uint32_t signal = 0; signal < signals; signal++) {
			struct rollup_minute one = draw();

			put(rollup, signal, first + k, &one, 1);
		}
	return (double)(now_ns() - began) / LIVE / signals;
}

/* us for 14 days of a signal. */
static double read_all(struct rollup *rollup, uint32_t signals, int64_t newest)
{
	const struct rollup_columns columns = {.mean = mean, .max = max};
	char key[ROLLUP_KEY_MAX];
	int64_t began = now_ns();

	for (int i = 0; i < READS; i++) {
		uint32_t signal = (uint32_t)random_below(&dice, signals < READS ? signals : READS);

		CHECK(rollup_read(rollup, key, key_of(signal, key), newest - MINUTES, newest,
			      &columns) == MINUTES);
	}
	return (double)(now_ns() - began) / 1e3 / READS;
}

static void bench_signals(uint32_t signals)
{
	struct rollup *rollup = open_tier(signals);
	struct rollup_stats stats;
	int64_t began = now_ns(), open_ns;
	double write_ns, read_us, fill_s;

	fill(rollup, signals);
	fill_s = (double)(now_ns() - began) / 1e9;
	write_ns = live(rollup, signals, M0 + MINUTES);
	read_us = read_all(rollup, signals, M0 + MINUTES + LIVE);
	rollup_stats(rollup, &stats);
	rollup_close(rollup);
	began = now_ns();
	rollup = open_tier(signals);
	open_ns = now_ns() - began;
	rollup_close(rollup);
	(void)unlink(path);
	printf("%8u %9.1f MB %9.1f MB %9.0f %7.3f %9.0f ns %8.1f us %6.2f ns %8.1f ms   (filled in "
	       "%.1f s)\n",
		(unsigned)signals, (double)stats.disk_bytes / 1e6,
		(double)stats.resident_bytes / 1e6, (double)stats.disk_bytes / signals,
		(double)stats.disk_bytes / signals / MINUTES, write_ns, read_us,
		read_us * 1e3 / MINUTES, (double)open_ns / 1e6, fill_s);
	(void)fflush(stdout);
}

/* The stream's way: an hour of samples every 15 s in rings, fed minute by minute. */
static void bench_rings(void)
{
	const struct store_limits limits = {.memory_max = 64 << 20,
		.series_max = 10000,
		.retention_ms = 6 * 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 3600000,
		.future_max_ms = 600000};
	const struct signal_binding binding = {.bound = true,
		.type = SIGNAL_GAUGE,
		.interval_ms = 15000,
		.stale_ms = 300000};
	static int64_t fed[RING_SERIES];
	static struct store_point points[POINTS_MAX];
	uint64_t counts[APPEND_RESULT_COUNT];
	struct clock_manual manual;
	struct workload_key workload = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT};
	struct rollup *rollup = open_tier(RING_SERIES);
	struct store *store;
	struct error error;
	uint32_t series[RING_SERIES];
	int64_t spent = 0, minutes = 0;

	clock_manual_init(&manual, M0 * 60000);
	store = store_open(&limits, &manual.clock, &error);
	CHECK(store != NULL);
	for (uint32_t i = 0; i < RING_SERIES; i++) {
		char name[32];
		int size = snprintf(name, sizeof(name), "s%u", (unsigned)i);
		const struct label pairs[] = {{"__name__", name, 8, (uint32_t)size}};

		CHECK(store_intern(store, store_key_of(store, name, (size_t)size), pairs, 1,
			      &series[i], &error) == STATUS_OK);
	}
	for (int64_t k = 0; k < 60; k++) {
		for (uint32_t i = 0; i < RING_SERIES; i++)
			for (int64_t step = 0; step < 4; step++) {
				const struct store_sample one = {series[i],
					(M0 + k) * 60000 + step * 15000, random_unit(&dice)};

				store_append(store, &one, 1, counts);
			}
		clock_manual_advance(&manual, 60000);

		const struct minutes_source source = {store, rollup, clock_now_ms(&manual.clock),
			points, POINTS_MAX};
		int64_t began = now_ns();

		for (uint32_t i = 0; i < RING_SERIES; i++) {
			(void)snprintf(workload.name, sizeof(workload.name), "w%u", (unsigned)i);
			CHECK(minutes_feed(&source, &workload, ROLE_CPU, &binding, series[i],
				      &fed[i], &error) == STATUS_OK);
		}
		/* The first fed pass looks further back. */
		if (k > 1) {
			spent += now_ns() - began;
			minutes += RING_SERIES;
		}
	}
	printf("out of rings (%d signals, 15 s): %.0f ns a minute and signal\n", RING_SERIES,
		(double)spent / (double)minutes);
	store_close(store);
	rollup_close(rollup);
	(void)unlink(path);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 5000, 30000};
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/bench-rollup-XXXXXX",
		parent != NULL ? parent : "/tmp");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/rollup.1m", folder);
	random_init(&dice, 1);
	printf("14 days of a minute each\n%8s %12s %12s %9s %7s %12s %11s %9s %11s\n", "signals",
		"disk", "resident", "B/signal", "B/min", "write", "read 14 d", "a minute", "open");
	if (argc < 2)
		for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
			bench_signals(sizes[i]);
	for (int i = 1; i < argc; i++)
		bench_signals((uint32_t)strtoul(argv[i], NULL, 10));
	bench_rings();
	(void)rmdir(folder);
	return 0;
}
