/*
 * What a series costs beside its samples, counted by the store itself: labels like those of a real
 * scrape, ten of about 255 bytes, of which the series of a pod differ in the name alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/layout.h"

#define SERIES 20000u
#define POD_SERIES 50u
#define LABELS 10u
#define START_MS INT64_C(1700000000000)
#define OVERHEAD_MAX 350u
/* An hour at 15 s of whole numbers that grow evenly but for a little. */
#define SAMPLES 240u
#define ALL_MAX 700u

static struct clock_manual manual;
static struct store *store;
static uint32_t ids[SERIES];

static int setup(void **state)
{
	const struct store_limits limits = {
		.memory_max = 256 << 20,
		.series_max = SERIES,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 600000,
	};

	clock_manual_init(&manual, START_MS);
	store = store_open(&limits, &manual.clock, NULL);
	return store == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	store_close(store);
	return 0;
}

static uint64_t held(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.bytes;
}

/* In blocks, which hold samples and nothing else. */
static uint64_t held_by_samples(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < store->shard_count; i++) {
		const struct cell_pool *blocks = &store->shards[i].memory.blocks;

		sum += (uint64_t)blocks->used * blocks->cell_size;
	}
	return sum;
}

/* Returns the bytes of names and values. */
static size_t intern(uint32_t series)
{
	static const char *const names[LABELS] = {"__name__", "cluster", "container", "endpoint",
		"image", "instance", "job", "namespace", "node", "pod"};
	uint32_t pod = series / POD_SERIES;
	char texts[LABELS][80];
	struct label pairs[LABELS];
	size_t size = 0;

	snprintf(texts[0], 80, "container_metric_of_some_kind_%u_total", series % POD_SERIES);
	snprintf(texts[1], 80, "production-eu-1");
	snprintf(texts[2], 80, "app-%u", pod % 300);
	snprintf(texts[3], 80, "https-metrics");
	snprintf(texts[4], 80, "registry.example.org/team/app-%u:v1.2.3", pod % 300);
	snprintf(texts[5], 80, "10.0.%u.7:10250", pod / 25);
	snprintf(texts[6], 80, "kubelet");
	snprintf(texts[7], 80, "namespace-%u", pod % 40);
	snprintf(texts[8], 80, "node-%u.eu-1.internal", pod / 25);
	snprintf(texts[9], 80, "app-%u-%08x-%05x", pod % 300, pod * 2654435761u, pod);
	for (uint32_t i = 0; i < LABELS; i++) {
		pairs[i] = (struct label){names[i], texts[i], (uint32_t)strlen(names[i]),
			(uint32_t)strlen(texts[i])};
		size += pairs[i].name_size + pairs[i].value_size;
	}
	assert_int_equal(store_intern(store, store_key_of(store, &series, sizeof(series)), pairs,
				 LABELS, &ids[series], NULL),
		STATUS_OK);
	return size;
}

static void append_hour(void)
{
	static struct store_sample batch[SERIES];
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	for (uint32_t round = 0; round < SAMPLES; round++) {
		for (uint32_t i = 0; i < SERIES; i++)
			batch[i] = (struct store_sample){ids[i], START_MS + round * INT64_C(15000),
				(double)(round * 100u + (round * 7919u + i) % 16u)};
		store_append(store, batch, SERIES, counts);
		clock_manual_advance(&manual, 15000);
	}
	assert_int_equal(counts[APPEND_STORED], (uint64_t)SERIES * SAMPLES);
}

static void a_series_costs_less_than_its_bound(void **state)
{
	uint64_t before = held(), beside, all;
	size_t text = 0;

	for (uint32_t i = 0; i < SERIES; i++)
		text += intern(i);
	append_hour();
	all = held() - before;
	beside = all - held_by_samples();
	print_message("%.0f bytes of text a series; held: %.1f, %.1f of it beside samples\n",
		(double)text / SERIES, (double)all / SERIES, (double)beside / SERIES);
	assert_in_range(text / SERIES, 200, 300);
	assert_in_range(beside / SERIES, 64, OVERHEAD_MAX);
	assert_in_range(all / SERIES, beside / SERIES, ALL_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_series_costs_less_than_its_bound, setup,
			teardown),
	};

	return cmocka_run_group_tests_name("store_memory", tests, NULL, NULL);
}
