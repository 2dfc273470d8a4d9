/*
 * What the store costs: creating series, looking up, appending in scrape order and shuffled, bytes a
 * sample and a series, reading windows, selecting, sweeping.
 *
 * Load: series of ten labels (about 255 bytes), values 30 % constant, 55 % integer counters, 10 %
 * gauges in pages and 5 % random walks, one hour of rounds of 15 s, batches of 2000 as a remote
 * write brings them. Times are CPU times of the one thread, medians over the rounds unless said
 * otherwise; making the samples is not counted. The decode line is the ring's own: copied, decoded
 * and written out as points of 16 bytes.
 *
 * Usage: bench_store [SERIES...]; without arguments 100,000, and 1,000,000 when BENCH_LARGE=1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/store.h"

#define BATCH 2000u
#define ROUNDS 240u
#define SHUFFLED_ROUNDS 24u
#define INTERVAL_MS INT64_C(15000)
#define START_MS INT64_C(1700000000000)
#define LABELS 10u
#define CREATE_BATCH 200u

struct bench {
	uint32_t count;
	struct clock_manual manual;
	struct store *store;
	struct random random;
	struct store_key *keys;       /* [count] */
	uint32_t *ids;                /* [count] */
	double *values, *rates;       /* [count] */
	struct store_sample *samples; /* [count] */
	uint32_t *order;              /* [count], shuffled */
	double resident_before;
};

static double resident_mib(void)
{
	char line[128];
	FILE *file = fopen("/proc/self/statm", "r");
	const char *at;

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		return 0;
	(void)fclose(file);
	at = strchr(line, ' ');
	return at == NULL ? 0
			  : (double)strtoul(at, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* A label set as cAdvisor gives it: fifty series of a container, forty containers of a node. */
static size_t raw_labels(uint32_t n, struct label *labels, char *raw, size_t size)
{
	static const char *const names[LABELS] = {"__name__", "container", "id", "image",
		"instance", "job", "name", "namespace", "node", "pod"};
	uint32_t container = n / 50, node = container / 40;
	char values[LABELS][96];
	size_t at = 0;

	(void)snprintf(values[0], sizeof(values[0]), "container_metric_%02u_total", n % 50);
	(void)snprintf(values[1], sizeof(values[1]), "app-%u", container % 300);
	(void)snprintf(values[2], sizeof(values[2]), "/kubepods/burstable/pod%08x-4f1e/%08x",
		container * 2654435761u, container * 40503u);
	(void)snprintf(values[3], sizeof(values[3]), "registry.example.org/team/app-%u:v1.2.3",
		container % 300);
	(void)snprintf(values[4], sizeof(values[4]), "10.1.%u.%u:10250", node / 250, node % 250);
	(void)snprintf(values[5], sizeof(values[5]), "kubelet");
	(void)snprintf(values[6], sizeof(values[6]), "k8s_app_%08x", container * 40503u);
	(void)snprintf(values[7], sizeof(values[7]), "team-%u", container % 37);
	(void)snprintf(values[8], sizeof(values[8]), "node-%u", node);
	(void)snprintf(values[9], sizeof(values[9]), "app-%u-7d4b9c-%05x", container % 300,
		container);
	for (uint32_t i = 0; i < LABELS; i++) {
		labels[i].name = names[i];
		labels[i].name_size = (uint32_t)strlen(names[i]);
		labels[i].value = raw + at;
		labels[i].value_size = (uint32_t)strlen(values[i]);
		CHECK(at + labels[i].value_size + labels[i].name_size < size);
		memcpy(raw + at, values[i], labels[i].value_size);
		at += labels[i].value_size;
		memcpy(raw + at, names[i], labels[i].name_size);
		at += labels[i].name_size;
	}
	return at;
}

static double next_value(struct bench *bench, uint32_t i)
{
	double *value = &bench->values[i];
	uint32_t kind = i * 2654435761u >> 16 & 0xff; /* the same for a series at all times */

	if (kind < 77)
		return *value;
	if (kind < 218)
		return *value += (double)random_poisson(&bench->random, bench->rates[i]);
	if (kind < 243)
		return *value += 4096 * (double)((int64_t)random_below(&bench->random, 101) - 50);
	return *value += random_normal(&bench->random);
}

static void samples_make(struct bench *bench, uint32_t round)
{
	for (uint32_t i = 0; i < bench->count; i++)
		bench->samples[i] = (struct store_sample){bench->ids[i],
			START_MS + (int64_t)round * INTERVAL_MS, next_value(bench, i)};
}

static void bench_open(struct bench *bench, uint32_t count)
{
	struct store_limits limits = {
		.memory_max = (uint64_t)count * 1500 + (64 << 20),
		.series_max = count,
		.retention_ms = 3600000,
		.interval_ms = INTERVAL_MS,
		.ended_keep_ms = 3600000,
		.future_max_ms = 86400000,
	};
	struct error error;

	memset(bench, 0, sizeof(*bench));
	bench->count = count;
	clock_manual_init(&bench->manual, START_MS);
	random_init(&bench->random, 1);
	bench->store = store_open(&limits, &bench->manual.clock, &error);
	bench->keys = mem_zalloc(count, sizeof(*bench->keys));
	bench->ids = mem_zalloc(count, sizeof(*bench->ids));
	bench->values = mem_zalloc(count, sizeof(*bench->values));
	bench->rates = mem_zalloc(count, sizeof(*bench->rates));
	bench->samples = mem_zalloc(count, sizeof(*bench->samples));
	bench->order = mem_zalloc(count, sizeof(*bench->order));
	CHECK(bench->store != NULL && bench->keys && bench->ids && bench->values && bench->rates &&
		bench->samples && bench->order);
	/* Touched before, so that they don't count as the store's memory. */
	memset(bench->keys, 1, count * sizeof(*bench->keys));
	memset(bench->ids, 1, count * sizeof(*bench->ids));
	for (uint32_t i = 0; i < count; i++) {
		bench->order[i] = i;
		bench->values[i] = (double)random_below(&bench->random, 1000000) * 4096;
		bench->rates[i] = 1 +
			(double)random_below(&bench->random,
				1u << random_below(&bench->random, 16));
		memset(&bench->samples[i], 1, sizeof(bench->samples[i]));
	}
	for (uint32_t i = count; i > 1; i--) {
		uint32_t other = (uint32_t)random_below(&bench->random, i);
		uint32_t swap = bench->order[i - 1];

		bench->order[i - 1] = bench->order[other];
		bench->order[other] = swap;
	}
}

static void bench_create(struct bench *bench)
{
	static struct label labels[CREATE_BATCH][LABELS];
	static char raw[CREATE_BATCH][512];
	int64_t spent = 0;

	for (uint32_t first = 0; first < bench->count; first += CREATE_BATCH) {
		uint32_t count =
			bench->count - first < CREATE_BATCH ? bench->count - first : CREATE_BATCH;
		int64_t start;

		for (uint32_t i = 0; i < count; i++)
			bench->keys[first + i] = store_key_of(bench->store, raw[i],
				raw_labels(first + i, labels[i], raw[i], sizeof(raw[i])));
		start = clock_thread_cpu_ns();
		for (uint32_t i = 0; i < count; i++)
			CHECK(store_intern(bench->store, bench->keys[first + i], labels[i], LABELS,
				      &bench->ids[first + i], NULL) == STATUS_OK);
		spent += clock_thread_cpu_ns() - start;
	}
	printf("  create            %8.3f us a series\n", (double)spent / bench->count / 1000);
}

/* order: NULL for scrape order. */
static void bench_find(struct bench *bench, const uint32_t *order, const char *name)
{
	struct store_key *keys = mem_alloc(bench->count * sizeof(*keys));
	uint32_t *ids = mem_alloc(bench->count * sizeof(*ids));
	double many[9], single[9];

	CHECK(keys != NULL && ids != NULL);
	for (uint32_t i = 0; i < bench->count; i++)
		keys[i] = bench->keys[order == NULL ? i : order[i]];
	for (int round = 0; round < 9; round++) {
		int64_t start = clock_thread_cpu_ns();

		for (uint32_t i = 0; i < bench->count; i += BATCH)
			store_find_many(bench->store, keys + i,
				bench->count - i < BATCH ? bench->count - i : BATCH, ids + i);
		many[round] = (double)(clock_thread_cpu_ns() - start) / bench->count;
		start = clock_thread_cpu_ns();
		for (uint32_t i = 0; i < bench->count; i++)
			CHECK(store_find(bench->store, keys[i]) == ids[i]);
		single[round] = (double)(clock_thread_cpu_ns() - start) / bench->count;
	}
	printf("  find   %-10s %8.1f ns one by one, %.1f ns in batches\n", name, median(single, 9),
		median(many, 9));
	mem_free(keys);
	mem_free(ids);
}

static double append_round(struct bench *bench, const struct store_sample *samples)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	int64_t start = clock_thread_cpu_ns();

	for (uint32_t i = 0; i < bench->count; i += BATCH)
		store_append(bench->store, samples + i,
			bench->count - i < BATCH ? bench->count - i : BATCH, counts);
	CHECK(counts[APPEND_STORED] == bench->count);
	return (double)(clock_thread_cpu_ns() - start) / bench->count;
}

static void bench_append(struct bench *bench)
{
	static double rounds[ROUNDS];
	double first;
	struct store_stats stats;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		samples_make(bench, round);
		rounds[round] = append_round(bench, bench->samples);
	}
	first = rounds[0];
	store_stats(bench->store, &stats);
	printf("  append scrape     %8.1f ns a sample (first round %.1f)\n", median(rounds, ROUNDS),
		first);
	printf("  memory            %8.0f bytes held a series with %.0f samples, %.0f resident\n",
		(double)stats.bytes / bench->count, (double)stats.samples / bench->count,
		(resident_mib() - bench->resident_before) * 1048576 / bench->count);
}

static void bench_append_shuffled(struct bench *bench)
{
	static double rounds[SHUFFLED_ROUNDS];
	struct store_sample *shuffled = mem_alloc(bench->count * sizeof(*shuffled));

	CHECK(shuffled != NULL);
	for (uint32_t round = 0; round < SHUFFLED_ROUNDS; round++) {
		samples_make(bench, ROUNDS + round);
		for (uint32_t i = 0; i < bench->count; i++)
			shuffled[i] = bench->samples[bench->order[i]];
		rounds[round] = append_round(bench, shuffled);
	}
	printf("  append shuffled   %8.1f ns a sample\n", median(rounds, SHUFFLED_ROUNDS));
	mem_free(shuffled);
}

static void bench_window(struct bench *bench)
{
	static struct store_point points[1024];
	int64_t start = clock_thread_cpu_ns(), spent;
	uint64_t read = 0;

	for (uint32_t i = 0; i < bench->count; i++)
		read += store_window(bench->store, bench->ids[i], INT64_MIN, INT64_MAX, points,
			1024);
	spent = clock_thread_cpu_ns() - start;
	printf("  window            %8.0f MB/s of 16-byte samples, %.1f ns a sample, %.1f samples each\n",
		(double)read * 16e3 / (double)spent, (double)spent / (double)read,
		(double)read / bench->count);
	start = clock_thread_cpu_ns();
	for (uint32_t i = 0; i < bench->count; i++)
		CHECK(store_window(bench->store, bench->ids[i],
			      START_MS + (ROUNDS - 10) * INTERVAL_MS, INT64_MAX, points, 1024) > 0);
	spent = clock_thread_cpu_ns() - start;
	printf("  window, recent    %8.0f ns a window\n", (double)spent / bench->count);
}

static void bench_select(struct bench *bench, const char *selector)
{
	struct store_selection selection;
	struct matchers matchers;
	int64_t start;

	matchers_init(&matchers);
	CHECK(matchers_parse_selector(&matchers, selector, NULL) == STATUS_OK);
	start = clock_thread_cpu_ns();
	CHECK(store_select(bench->store, &matchers, SIZE_MAX, &selection, NULL) == STATUS_OK);
	printf("  select            %8.2f ms for %zu series: %s\n",
		(double)(clock_thread_cpu_ns() - start) / 1e6, selection.count, selector);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
}

static void bench_sweep(struct bench *bench)
{
	static const char *const steps[] = {"nothing to do", "all ended", "all freed"};

	for (int step = 0; step < 3; step++) {
		int64_t start = clock_thread_cpu_ns();
		size_t swept = store_sweep(bench->store);

		printf("  sweep             %8.2f ms, %s (%zu)\n",
			(double)(clock_thread_cpu_ns() - start) / 1e6, steps[step], swept);
		clock_manual_advance(&bench->manual, step == 0 ? 3700000 : STORE_REUSE_MS + 1000);
	}
}

static void bench_run(uint32_t count)
{
	struct bench bench;

	printf("%u series\n", count);
	bench_open(&bench, count);
	bench.resident_before = resident_mib();
	bench_create(&bench);
	bench_find(&bench, NULL, "scrape");
	bench_find(&bench, bench.order, "shuffled");
	bench_append(&bench);
	bench_append_shuffled(&bench);
	bench_window(&bench);
	bench_select(&bench, "container_metric_07_total");
	bench_select(&bench, "container_metric_07_total{pod=~\"app-1.*\",namespace!=\"team-3\"}");
	bench_select(&bench, "{pod=~\"app-1-.*\"}");
	bench_sweep(&bench);
	store_close(bench.store);
	mem_free(bench.keys);
	mem_free(bench.ids);
	mem_free(bench.values);
	mem_free(bench.rates);
	mem_free(bench.samples);
	mem_free(bench.order);
}

int main(int argument_count, char **arguments)
{
	const char *large = getenv("BENCH_LARGE");

	for (int i = 1; i < argument_count; i++)
		bench_run((uint32_t)strtoul(arguments[i], NULL, 10));
	if (argument_count == 1) {
		bench_run(100000);
		if (large != NULL && strcmp(large, "1") == 0)
			bench_run(1000000);
	}
	return 0;
}
