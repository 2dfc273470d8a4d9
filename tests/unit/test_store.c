/* The store's promises one by one: order, values, limits, removal, churn, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/layout.h"
#include "store/store.h"

#define START_MS INT64_C(1700000000000)
#define STEP_MS INT64_C(15000)

static struct clock_manual manual;

static const struct store_limits usual = {
	.memory_max = 4 << 20,
	.series_max = 1000,
	.retention_ms = 3600000,
	.interval_ms = 15000,
	.ended_keep_ms = 600000,
	.future_max_ms = 60000,
};

static struct store *open_with(const struct store_limits *limits)
{
	struct error error;
	struct store *store;

	clock_manual_init(&manual, START_MS);
	store = store_open(limits, &manual.clock, &error);
	if (store == NULL)
		fail_msg("%s", error.text);
	return store;
}

static struct label label(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* The series up{pod="pod-N",job="j"}. */
static enum status intern_pod(struct store *store, uint32_t n, uint32_t *series,
	struct error *error)
{
	char pod[32];
	struct label labels[3];

	(void)snprintf(pod, sizeof(pod), "pod-%u", n);
	labels[0] = label("__name__", "up");
	labels[1] = label("job", "j");
	labels[2] = label("pod", pod);
	return store_intern(store, store_key_of(store, pod, strlen(pod)), labels, 3, series, error);
}

static struct store_key key_of_pod(struct store *store, uint32_t n)
{
	char pod[32];

	(void)snprintf(pod, sizeof(pod), "pod-%u", n);
	return store_key_of(store, pod, strlen(pod));
}

static uint32_t pod(struct store *store, uint32_t n)
{
	struct error error;
	uint32_t series;

	if (intern_pod(store, n, &series, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return series;
}

static enum append_result append(struct store *store, uint32_t series, int64_t t_ms, double value)
{
	struct store_sample sample = {series, t_ms, value};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	int result = -1;

	store_append(store, &sample, 1, counts);
	for (int i = 0; i < APPEND_RESULT_COUNT; i++) {
		if (counts[i] == 1 && result < 0)
			result = i;
		else
			assert_int_equal(counts[i], 0);
	}
	assert_true(result >= 0);
	return (enum append_result)result;
}

static double value_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static uint64_t bytes_of(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.bytes;
}

static void values_come_back_bit_for_bit(void **state)
{
	static const uint64_t bits[] = {0x7ff8000000000001, STORE_STALE_BITS, 0x7ff8dead0000beef,
		0xfff0000000000000, 0x7ff0000000000000, 0x8000000000000000, 1, 0x7fefffffffffffff,
		0x3ff0000000000000, 0x8000000000000001, 0};
	struct store *store = open_with(&usual);
	uint32_t series = pod(store, 1);
	struct store_point points[ARRAY_COUNT(bits)];

	for (size_t i = 0; i < ARRAY_COUNT(bits); i++)
		assert_int_equal(append(store, series, -100000 + (int64_t)i, value_of(bits[i])),
			i == 1 ? APPEND_STALE_MARKER : APPEND_STORED);
	assert_int_equal(store_window(store, series, INT64_MIN, INT64_MAX, points,
				 ARRAY_COUNT(points)),
		ARRAY_COUNT(bits));
	for (size_t i = 0; i < ARRAY_COUNT(bits); i++) {
		assert_int_equal(points[i].t_ms, -100000 + (int64_t)i);
		assert_int_equal(bits_of(points[i].value), bits[i]);
		assert_int_equal(store_is_stale(points[i].value), i == 1);
	}
	store_close(store);
}

static void late_repeated_and_future_samples_change_nothing(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t series = pod(store, 1);
	struct store_point points[4], newest;
	struct store_stats stats;

	assert_false(store_newest(store, series, &newest));
	assert_int_equal(append(store, series, START_MS, 1), APPEND_STORED);
	assert_int_equal(append(store, series, START_MS, 1), APPEND_REPEATED);
	assert_int_equal(append(store, series, START_MS, 2), APPEND_CONFLICT);
	assert_int_equal(append(store, series, START_MS - 1, 1), APPEND_LATE);
	assert_int_equal(append(store, series, START_MS + 60001, 1), APPEND_FUTURE);
	assert_int_equal(append(store, series, INT64_MAX, 1), APPEND_FUTURE);
	assert_int_equal(append(store, series, INT64_MIN, 1), APPEND_LATE);
	assert_int_equal(store_window(store, series, INT64_MIN, INT64_MAX, points, 4), 1);
	assert_int_equal(append(store, series, START_MS + 60000, 1), APPEND_STORED);
	assert_true(store_newest(store, series, &newest));
	assert_int_equal(newest.t_ms, START_MS + 60000);
	store_stats(store, &stats);
	assert_int_equal(stats.samples, 2);
	store_close(store);
}

static void samples_of_unknown_ids_count_as_late(void **state)
{
	struct store *store = open_with(&usual);
	struct store_point point;
	struct labels labels;

	(void)pod(store, 1);
	assert_int_equal(append(store, STORE_NO_SERIES, START_MS, 1), APPEND_LATE);
	assert_int_equal(append(store, 5, START_MS, 1), APPEND_LATE);
	assert_int_equal(store_window(store, 5, INT64_MIN, INT64_MAX, &point, 1), 0);
	assert_false(store_newest(store, STORE_NO_SERIES, &point));
	assert_int_equal(store_labels(store, 5, &labels), STATUS_NOT_FOUND);
	assert_int_equal(store_labels(store, STORE_NO_SERIES, &labels), STATUS_NOT_FOUND);
	store_close(store);
}

static void a_window_gives_the_newest_when_there_are_more(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t series = pod(store, 1);
	struct store_point points[100];

	for (int i = 0; i < 1000; i++)
		assert_int_equal(append(store, series, START_MS + i, i), APPEND_STORED);
	for (size_t max = 1; max <= 100; max += 9) {
		assert_int_equal(store_window(store, series, START_MS, START_MS + 777, points, max),
			max);
		for (size_t i = 0; i < max; i++)
			assert_true(points[i].value == (double)(778 - max + i));
	}
	assert_int_equal(store_window(store, series, START_MS, START_MS + 777, points, 0), 0);
	assert_int_equal(store_window(store, series, START_MS + 5, START_MS + 4, points, 100), 0);
	assert_int_equal(store_window(store, series, START_MS + 5, START_MS + 5, points, 100), 1);
	store_close(store);
}

static void another_encoding_is_an_alias(void **state)
{
	struct store *store = open_with(&usual);
	struct label turned[4] = {label("pod", "pod-1"), label("__name__", "up"),
		label("empty", ""), label("job", "j")};
	uint32_t first = pod(store, 1), second;
	struct store_stats stats;

	for (uint32_t i = 0; i < 20; i++) {
		struct store_key key = store_key_of(store, &i, sizeof(i));

		assert_int_equal(store_find(store, key), STORE_NO_SERIES);
		assert_int_equal(store_intern(store, key, turned, 4, &second, NULL), STATUS_OK);
		assert_int_equal(second, first);
		/* A few are remembered; the others work all the same. */
		assert_int_equal(store_find(store, key), i < 7 ? first : STORE_NO_SERIES);
	}
	store_stats(store, &stats);
	assert_int_equal(stats.series, 1);
	store_close(store);
}

static void encodings_are_remembered_again_after_a_removal(void **state)
{
	struct store *store = open_with(&usual);
	struct label labels[1] = {label("a", "1")};
	uint32_t series;

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			struct store_key key = store_key_of(store, &i, sizeof(i));

			assert_int_equal(store_find(store, key), STORE_NO_SERIES);
			assert_int_equal(store_intern(store, key, labels, 1, &series, NULL),
				STATUS_OK);
			assert_int_equal(store_find(store, key), series);
		}
		clock_manual_advance(&manual, 601000);
		assert_int_equal(store_sweep(store), 1);
	}
	store_close(store);
}

static void sets_that_differ_in_a_name_only_are_different_series(void **state)
{
	struct store *store = open_with(&usual);
	struct label labels[3][2] = {{label("aa", "1"), label("x", "2")},
		{label("ab", "1"), label("x", "2")}, {label("aa", "1"), label("y", "2")}};
	uint32_t ids[3];

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(store_intern(store, key_of_pod(store, i), labels[i], 2, &ids[i],
					 NULL),
			STATUS_OK);
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(ids[i], ids[k]);
	}
	store_close(store);
}

/* More shards than one, ids in no order, several samples of a series in one batch. */
static void shuffled_batches_keep_the_order_of_each_series(void **state)
{
	enum { SERIES = 6000, TIMES = 3 };
	static struct store_sample samples[SERIES * TIMES + 500];
	struct store_limits limits = usual;
	struct store_point points[TIMES * 2];
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store *store;
	struct random random;
	size_t count = 0;

	limits.memory_max = 64 << 20;
	limits.series_max = SERIES;
	store = open_with(&limits);
	assert_true(store->shard_count > 4);
	random_init(&random, 1);
	for (uint32_t i = 0; i < SERIES; i++)
		(void)pod(store, i);
	for (int t = 0; t < TIMES; t++) {
		for (uint32_t i = 0; i < SERIES; i++) {
			uint32_t series = (i * 1009 + (uint32_t)t) % SERIES;

			samples[count++] =
				(struct store_sample){series, START_MS + t, series + t * 0.25};
			if (count % 40 == 0)
				samples[count++] = (struct store_sample){1000000 + i, START_MS, 1};
		}
	}
	store_append(store, samples, count, counts);
	assert_int_equal(counts[APPEND_STORED], SERIES * TIMES);
	assert_int_equal(counts[APPEND_LATE], count - SERIES * TIMES);
	for (uint32_t i = 0; i < SERIES; i++) {
		assert_int_equal(store_window(store, i, INT64_MIN, INT64_MAX, points, TIMES * 2),
			TIMES);
		for (int t = 0; t < TIMES; t++) {
			assert_int_equal(points[t].t_ms, START_MS + t);
			assert_true(points[t].value == i + t * 0.25);
		}
	}
	store_close(store);
}

static void many_keys_are_found_at_once(void **state)
{
	static struct store_key keys[1500];
	static uint32_t found[1500];
	struct store *store = open_with(&usual);

	/* In the order of arrival. */
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(pod(store, i), i);
	for (uint32_t i = 0; i < 1500; i++)
		keys[i] = key_of_pod(store, i * 7 % 1500);
	store_find_many(store, keys, 1500, found);
	for (uint32_t i = 0; i < 1500; i++) {
		assert_int_equal(found[i], store_find(store, keys[i]));
		assert_int_equal(found[i] != STORE_NO_SERIES, i * 7 % 1500 < 1000);
	}
	store_close(store);
}

static void labels_come_back_sorted(void **state)
{
	struct store *store = open_with(&usual);
	struct label pairs[] = {label("zone", "a"), label("a", "1"), label("ab", ""),
		label("aa", "x\"y"), label("__name__", "m"), label("A", "2")};
	static const char *const names[] = {"A", "__name__", "a", "aa", "zone"};
	struct labels labels;
	uint32_t series;

	assert_int_equal(store_intern(store, key_of_pod(store, 1), pairs, 6, &series, NULL),
		STATUS_OK);
	assert_int_equal(store_labels(store, series, &labels), STATUS_OK);
	assert_int_equal(labels.count, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_string_equal(labels.pairs[i].name, names[i]);
	assert_string_equal(labels_get(&labels, "aa"), "x\"y");
	labels_fini(&labels);
	store_close(store);
}

static void bad_labels_are_refused_with_a_reason(void **state)
{
	static char long_text[STORE_TEXT_MAX * 2];
	struct store *store = open_with(&usual);
	struct label twice[] = {label("b", "1"), label("a", "1"), label("b", "2")};
	struct label nameless[] = {label("a", "1"), label("", "1")};
	struct label empty[] = {label("a", "")};
	struct label huge[] = {label("a", "1"), label("b", long_text)};
	static struct label many[STORE_LABELS_MAX + 1];
	static char names[STORE_LABELS_MAX + 1][8];
	struct store_key key = key_of_pod(store, 1);
	struct store_stats stats;
	struct error error;
	uint32_t series;

	assert_int_equal(store_intern(store, key, twice, 3, &series, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "label b stands twice"));
	assert_int_equal(series, STORE_NO_SERIES);
	assert_int_equal(store_intern(store, key, nameless, 2, &series, &error), STATUS_BAD_INPUT);
	assert_int_equal(store_intern(store, key, empty, 1, &series, &error), STATUS_BAD_INPUT);
	assert_int_equal(store_intern(store, key, NULL, 0, &series, &error), STATUS_BAD_INPUT);
	for (size_t i = 0; i <= STORE_LABELS_MAX; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "l%zu", i);
		many[i] = label(names[i], "v");
	}
	assert_int_equal(store_intern(store, key, many, STORE_LABELS_MAX + 1, &series, &error),
		STATUS_BAD_INPUT);
	memset(long_text, 'x', sizeof(long_text) - 1);
	huge[1] = label("b", long_text);
	assert_int_equal(store_intern(store, key, huge, 2, &series, &error), STATUS_LIMIT);
	assert_int_equal(store_find(store, key), STORE_NO_SERIES);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 0);
	assert_int_equal(store_intern(store, key, many, STORE_LABELS_MAX, &series, &error),
		STATUS_OK);
	store_close(store);
}

static void limits_of_the_store_itself_are_checked(void **state)
{
	struct store_limits limits = usual;
	struct error error;

	limits.memory_max = STORE_MEMORY_MIN - 1;
	assert_null(store_open(&limits, &manual.clock, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	limits = usual;
	limits.series_max = 0;
	assert_null(store_open(&limits, &manual.clock, &error));
	limits = usual;
	limits.retention_ms = 0;
	assert_null(store_open(&limits, &manual.clock, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	limits = usual;
	limits.memory_max = UINT64_MAX;
	assert_null(store_open(&limits, &manual.clock, &error));
	limits = usual;
	limits.memory_max = STORE_MEMORY_MIN;
	limits.series_max = UINT32_MAX;
	store_close(open_with(&limits));
}

static void past_series_max_only_new_series_are_refused(void **state)
{
	struct store_limits limits = usual;
	struct store *store;
	struct error error;
	uint32_t series;

	limits.series_max = 10;
	store = open_with(&limits);
	for (uint32_t i = 0; i < 10; i++)
		(void)pod(store, i);
	assert_int_equal(intern_pod(store, 10, &series, &error), STATUS_LIMIT);
	assert_non_null(strstr(error.text, "10 series"));
	assert_int_equal(series, STORE_NO_SERIES);
	assert_int_equal(append(store, pod(store, 3), START_MS, 1), APPEND_STORED);
	store_close(store);
}

#define PAGES_MAX 4096

/* Which pages of the region are in memory. The heap may have used some of them before. */
static size_t resident_pages(const struct store *store, unsigned char resident[PAGES_MAX])
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = store->limits.memory_max / page;

	assert_true(pages <= PAGES_MAX);
	assert_int_equal(mincore(store->slabs.base, pages * page, resident), 0);
	return pages;
}

static uint64_t touched_bytes(const struct store *store, const unsigned char before[PAGES_MAX])
{
	unsigned char now[PAGES_MAX];
	size_t pages = resident_pages(store, now);
	uint64_t count = 0;

	for (size_t i = 0; i < pages; i++)
		count += (now[i] & 1) != 0 && (before[i] & 1) == 0;
	return count * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Random values, so that rings grow fast. */
static void memory_max_is_a_hard_end(void **state)
{
	static unsigned char resident[PAGES_MAX];
	struct store_limits limits = usual;
	struct store *store;
	struct random random;
	struct store_stats stats;
	struct error error;
	uint32_t count = 0, series;

	limits.memory_max = 2 << 20;
	limits.series_max = 100000;
	store = open_with(&limits);
	(void)resident_pages(store, resident);
	random_init(&random, 1);
	for (int64_t round = 0; round < 60; round++) {
		for (int i = 0; i < 200; i++) {
			if (intern_pod(store, count, &series, &error) == STATUS_OK)
				count++;
			else
				assert_int_equal(error.code, STATUS_LIMIT);
		}
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal(append(store, store_find(store, key_of_pod(store, i)),
						 START_MS - 1000000 + round * STEP_MS,
						 random_unit(&random)),
				APPEND_STORED);
		assert_true(bytes_of(store) <= limits.memory_max);
		assert_true(touched_bytes(store, resident) + store->fixed_bytes <=
			bytes_of(store) + store->slabs.slab_size);
	}
	store_stats(store, &stats);
	assert_int_equal(stats.series, count);
	assert_true(stats.overwritten > 0);
	assert_in_range(count, 3000, 8000);
	assert_int_equal(intern_pod(store, count, &series, &error), STATUS_LIMIT);
	/* All of them still read as a run without holes up to the newest. */
	for (uint32_t i = 0; i < count; i++) {
		struct store_point points[60];
		size_t n = store_window(store, i, INT64_MIN, INT64_MAX, points, 60);

		assert_in_range(n, 1, 60);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(points[k].t_ms,
				START_MS - 1000000 + (60 - (int64_t)n + (int64_t)k) * STEP_MS);
	}
	store_close(store);
}

static void series_without_samples_are_removed(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t gone = pod(store, 1), stays = pod(store, 2);
	uint64_t generation;
	struct store_point point;
	struct labels labels;
	struct store_stats stats;

	/* Timestamps far in the past are no reason to remove: a backlog is being sent. */
	assert_int_equal(append(store, gone, START_MS - 86400000, 1), APPEND_STORED);
	assert_int_equal(append(store, gone, START_MS - 86399000, value_of(STORE_STALE_BITS)),
		APPEND_STALE_MARKER);
	assert_int_equal(append(store, stays, START_MS - 86400000, 1), APPEND_STORED);
	clock_manual_advance(&manual, 400000);
	assert_int_equal(append(store, stays, START_MS - 86385000, 1), APPEND_STORED);
	assert_int_equal(store_sweep(store), 0);
	clock_manual_advance(&manual, 201000);
	generation = store_generation(store);
	assert_int_equal(store_sweep(store), 1);
	assert_int_not_equal(store_generation(store), generation);
	assert_int_equal(store_find(store, key_of_pod(store, 1)), STORE_NO_SERIES);
	assert_int_equal(store_find(store, key_of_pod(store, 2)), stays);
	assert_int_equal(store_window(store, gone, INT64_MIN, INT64_MAX, &point, 1), 0);
	assert_false(store_newest(store, gone, &point));
	assert_int_equal(store_labels(store, gone, &labels), STATUS_NOT_FOUND);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 1);
	assert_int_equal(stats.samples, 2);
	assert_int_equal(stats.removed, 1);
	assert_int_equal(store_sweep(store), 0);
	store_close(store);
}

static void a_sample_on_its_way_brings_a_removed_series_back(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t series = pod(store, 1);
	struct store_point points[2];
	struct labels labels;

	assert_int_equal(append(store, series, START_MS, 1), APPEND_STORED);
	clock_manual_advance(&manual, 601000);
	assert_int_equal(store_sweep(store), 1);
	/* A request that had found the id just before. */
	assert_int_equal(append(store, series, START_MS + STEP_MS, 2), APPEND_STORED);
	assert_int_equal(store_window(store, series, INT64_MIN, INT64_MAX, points, 2), 1);
	assert_int_equal(store_labels(store, series, &labels), STATUS_OK);
	labels_fini(&labels);
	assert_int_equal(store_find(store, key_of_pod(store, 1)), STORE_NO_SERIES);
	assert_int_equal(pod(store, 1), series);
	assert_int_equal(store_find(store, key_of_pod(store, 1)), series);
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	assert_int_equal(store_sweep(store), 0);
	assert_int_equal(store_window(store, series, INT64_MIN, INT64_MAX, points, 2), 1);
	store_close(store);
}

static void the_labels_of_a_removed_series_bring_it_back(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t series = pod(store, 1);
	struct store_point point;

	assert_int_equal(append(store, series, START_MS, 1), APPEND_STORED);
	clock_manual_advance(&manual, 601000);
	assert_int_equal(store_sweep(store), 1);
	assert_int_equal(pod(store, 1), series);
	assert_false(store_newest(store, series, &point));
	assert_int_equal(append(store, series, START_MS - 5, 1), APPEND_STORED);
	store_close(store);
}

static void ids_are_not_used_again_at_once(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t first = pod(store, 0);

	for (uint32_t i = 1; i < 16; i++)
		(void)pod(store, i);
	clock_manual_advance(&manual, 601000);
	assert_int_equal(store_sweep(store), 16);
	assert_int_equal(store_sweep(store), 0);
	for (uint32_t i = 100; i < 150; i++)
		assert_true(pod(store, i) >= 16);
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	assert_int_equal(store_sweep(store), 0);
	assert_int_equal(append(store, first, START_MS, 1), APPEND_LATE);
	for (uint32_t i = 200; i < 216; i++)
		assert_true(pod(store, i) < 16);
	assert_int_equal(append(store, first, START_MS, 1), APPEND_STORED);
	store_close(store);
}

/* A deployment is replaced every hour for six weeks. */
static void churn_does_not_grow_memory(void **state)
{
	struct store_limits limits = usual;
	struct store *store;
	uint64_t bytes_at_first = 0;
	uint32_t next = 0;

	limits.retention_ms = 7200000;
	store = open_with(&limits);
	for (int hour = 0; hour < 24 * 42; hour++) {
		uint32_t ids[40];

		for (uint32_t i = 0; i < 40; i++)
			ids[i] = pod(store, next++);
		for (int minute = 0; minute < 60; minute += 5) {
			for (uint32_t i = 0; i < 40; i++)
				assert_int_equal(append(store, ids[i], clock_now_ms(&manual.clock),
							 minute * 1.37),
					APPEND_STORED);
			clock_manual_advance(&manual, 300000);
			(void)store_sweep(store);
		}
		if (hour == 48)
			bytes_at_first = bytes_of(store);
	}
	assert_int_equal(bytes_of(store), bytes_at_first);
	assert_in_range(store->index.sets.count, 40, 80);
	assert_true(store->index.pairs.count <= 82);
	assert_int_equal(store->index.names.count, 3);
	assert_true(store->id_end <= 128);
	store_close(store);
}

static void memory_of_ended_series_serves_new_ones(void **state)
{
	struct store_limits limits = usual;
	struct store *store;
	struct error error;
	uint32_t first = 0, count, series;

	limits.memory_max = 1 << 20;
	limits.series_max = 100000;
	store = open_with(&limits);
	while (intern_pod(store, 100000 + first, &series, &error) == STATUS_OK)
		first++;
	for (int round = 1; round < 5; round++) {
		clock_manual_advance(&manual, 601000);
		assert_true(store_sweep(store) > 0);
		clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
		(void)store_sweep(store);
		for (count = 0; intern_pod(store, 100000 + (uint32_t)round * 100000 + count,
					&series, &error) == STATUS_OK;
			count++)
			;
		assert_in_range(count, first * 9 / 10, first * 11 / 10);
	}
	store_close(store);
}

static void the_metrics_page_tells_what_is_held(void **state)
{
	struct store *store;
	struct buf page;

	metrics_reset();
	store = open_with(&usual);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(append(store, pod(store, i), START_MS, 1), APPEND_STORED);
	clock_manual_advance(&manual, 601000);
	assert_int_equal(append(store, pod(store, 5), START_MS + 1, 1), APPEND_STORED);
	assert_int_equal(store_sweep(store), 19);
	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	assert_non_null(strstr(page.data, "nimbusguard_store_series 1\n"));
	assert_non_null(strstr(page.data, "nimbusguard_store_series_limit 1000\n"));
	assert_non_null(strstr(page.data, "nimbusguard_store_samples 2\n"));
	assert_non_null(strstr(page.data, "nimbusguard_store_series_created_total 20\n"));
	assert_non_null(
		strstr(page.data, "nimbusguard_store_series_removed_total{reason=\"ended\"} 19\n"));
	assert_non_null(strstr(page.data, "nimbusguard_store_memory_limit_bytes 4194304\n"));
	buf_fini(&page);
	store_close(store);
}

static void failed_allocations_are_answers(void **state)
{
	struct matchers matchers;
	struct store_selection selection;
	struct store *store = NULL;
	struct labels labels;
	struct error error;
	bool injected = true;

	clock_manual_init(&manual, START_MS);
	for (long n = 1; injected; n++) {
		store_close(store);
		mem_fail_after(n, false);
		store = store_open(&usual, &manual.clock, &error);
		injected = mem_fail_after(0, false);
		assert_true(injected == (store == NULL));
		if (store == NULL)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
	}
	assert_int_equal(mem_fail_after(1, true), false);
	/* Nothing on a sample's way allocates. */
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(append(store, pod(store, i), START_MS, i), APPEND_STORED);
	(void)mem_fail_after(0, false);
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "up{job=\"j\"}", &error), STATUS_OK);
	injected = true;
	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		status = store_select(store, &matchers, 100, &selection, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		assert_int_equal(selection.count, injected ? 0 : 100);
		store_selection_fini(&selection);
	}
	injected = true;
	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		status = store_labels(store, 3, &labels);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		labels_fini(&labels);
	}
	matchers_fini(&matchers);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_bit_for_bit),
		cmocka_unit_test(late_repeated_and_future_samples_change_nothing),
		cmocka_unit_test(samples_of_unknown_ids_count_as_late),
		cmocka_unit_test(a_window_gives_the_newest_when_there_are_more),
		cmocka_unit_test(another_encoding_is_an_alias),
		cmocka_unit_test(encodings_are_remembered_again_after_a_removal),
		cmocka_unit_test(sets_that_differ_in_a_name_only_are_different_series),
		cmocka_unit_test(shuffled_batches_keep_the_order_of_each_series),
		cmocka_unit_test(many_keys_are_found_at_once),
		cmocka_unit_test(labels_come_back_sorted),
		cmocka_unit_test(bad_labels_are_refused_with_a_reason),
		cmocka_unit_test(limits_of_the_store_itself_are_checked),
		cmocka_unit_test(past_series_max_only_new_series_are_refused),
		cmocka_unit_test(memory_max_is_a_hard_end),
		cmocka_unit_test(series_without_samples_are_removed),
		cmocka_unit_test(a_sample_on_its_way_brings_a_removed_series_back),
		cmocka_unit_test(the_labels_of_a_removed_series_bring_it_back),
		cmocka_unit_test(ids_are_not_used_again_at_once),
		cmocka_unit_test(churn_does_not_grow_memory),
		cmocka_unit_test(memory_of_ended_series_serves_new_ones),
		cmocka_unit_test(the_metrics_page_tells_what_is_held),
		cmocka_unit_test(failed_allocations_are_answers),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
