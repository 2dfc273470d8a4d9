/* Older samples merged into rings, against a plain merge of two lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "store/fill.h"
#include "store/layout.h"

#define START_MS INT64_C(1700000000000)
#define STEP_MS INT64_C(15000)

enum { POINTS_MAX = 40000, SEEDS = 30, ROUNDS = 40 };

static struct clock_manual manual;
static struct store_point held[POINTS_MAX], merged[POINTS_MAX], read_back[POINTS_MAX];
static size_t held_count;
static uint64_t counts[FILL_RESULT_COUNT];

static const struct store_limits usual = {
	.memory_max = 16 << 20,
	.series_max = 1000,
	.retention_ms = INT64_C(1000) * 3600000,
	.interval_ms = STEP_MS,
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
	held_count = 0;
	memset(counts, 0, sizeof(counts));
	return store;
}

static uint32_t intern(struct store *store, const char *name)
{
	struct label label = {"__name__", name, 8, (uint32_t)strlen(name)};
	uint32_t series;

	CHECK(store_intern(store, store_key_of(store, name, strlen(name)), &label, 1, &series,
		      NULL) == STATUS_OK);
	return series;
}

static void append(struct store *store, uint32_t series, int64_t t_ms, double value)
{
	struct store_sample sample = {series, t_ms, value};
	uint64_t results[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, results);
	assert_int_equal(results[APPEND_STORED] + results[APPEND_STALE_MARKER], 1);
}

static double stale(void)
{
	uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static size_t read_all(struct store *store, uint32_t series)
{
	return store_window(store, series, INT64_MIN, INT64_MAX, read_back, POINTS_MAX);
}

static void expect_same(const struct store_point *expected, size_t count, size_t found,
	uint64_t seed)
{
	if (count != found)
		fail_msg("seed %llu: %zu samples, not %zu", (unsigned long long)seed, found, count);
	for (size_t i = 0; i < count; i++)
		if (expected[i].t_ms != read_back[i].t_ms ||
			memcmp(&expected[i].value, &read_back[i].value, sizeof(double)) != 0)
			fail_msg("seed %llu: sample %zu of %zu is %.17g at %lld, not %.17g at %lld",
				(unsigned long long)seed, i, count, read_back[i].value,
				(long long)read_back[i].t_ms, expected[i].value,
				(long long)expected[i].t_ms);
}

/* The plain merge: what is held wins. */
static void model_fill(const struct store_point *points, size_t count)
{
	size_t a = 0, b = 0, n = 0;

	while (a < held_count || b < count) {
		CHECK(n < POINTS_MAX);
		if (b == count || (a < held_count && held[a].t_ms <= points[b].t_ms)) {
			if (b < count && held[a].t_ms == points[b].t_ms)
				b++;
			merged[n++] = held[a++];
		} else {
			merged[n++] = points[b++];
		}
	}
	memcpy(held, merged, n * sizeof(*held));
	held_count = n;
}

static double random_value(struct random *random)
{
	uint64_t kind = random_below(random, 20), bits;
	double value;

	if (kind == 0)
		return stale();
	if (kind < 10)
		return (double)random_below(random, 50);
	if (kind < 18)
		return random_normal(random);
	bits = random_u64(random);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static size_t random_points(struct random *random, int64_t from_ms, struct store_point *points)
{
	size_t count = 1 + (size_t)random_below(random, random_below(random, 4) == 0 ? 3000 : 60);
	int64_t t_ms = from_ms;
	uint64_t kind = random_below(random, 4);

	for (size_t i = 0; i < count; i++) {
		points[i] = (struct store_point){t_ms,
			kind == 0 ? (double)(i / 100) : random_value(random)};
		t_ms += random_below(random, 30) == 0
			? 1 + (int64_t)random_below(random, 300 * STEP_MS)
			: STEP_MS - (kind == 1 ? (int64_t)random_below(random, 500) : 0);
	}
	return count;
}

static void any_order_of_fills_and_appends_gives_the_merged_samples(void **state)
{
	static struct store_point points[3001];
	(void)state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct store *store = open_with(&usual);
		struct random random;
		uint32_t series = intern(store, "filled");
		struct store_stats stats;

		random_init(&random, seed);
		for (uint32_t round = 0; round < ROUNDS && held_count < POINTS_MAX - 10000;
			round++) {
			int64_t newest_ms = held_count > 0 ? held[held_count - 1].t_ms
							   : START_MS - 9000 * STEP_MS;
			bool fill = random_below(&random, 3) != 0;
			int64_t from_ms = fill ? newest_ms - 5000 * STEP_MS +
					(int64_t)random_below(&random, 5100) * STEP_MS +
					(int64_t)random_below(&random, 3) - 1
					       : newest_ms + 1;
			size_t count = random_points(&random, from_ms, points);

			manual.now_ms = points[count - 1].t_ms > manual.now_ms
				? points[count - 1].t_ms
				: manual.now_ms;
			model_fill(points, count);
			if (fill)
				store_fill(store, series, points, count, FILL_ANYWHERE, counts);
			for (size_t i = 0; !fill && i < count; i++)
				append(store, series, points[i].t_ms, points[i].value);
			expect_same(held, held_count, read_all(store, series), seed);
		}
		store_stats(store, &stats);
		assert_int_equal(stats.samples, held_count);
		assert_int_equal(stats.overwritten, 0);
		assert_int_equal(counts[FILL_NO_ROOM] + counts[FILL_GONE] + counts[FILL_EXPIRED],
			0);
		store_close(store);
	}
}

static void what_is_there_wins_and_a_second_fill_changes_nothing(void **state)
{
	const struct store_point points[] = {{START_MS - 30000, 1}, {START_MS - 15000, 2},
		{START_MS, 3}};
	struct store *store = open_with(&usual);
	uint32_t series = intern(store, "a");
	(void)state;

	append(store, series, START_MS - 15000, stale());
	append(store, series, START_MS, 30);
	store_fill(store, series, points, 3, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_STORED], 1);
	assert_int_equal(counts[FILL_PRESENT], 2);
	store_fill(store, series, points, 3, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_STORED], 1);
	assert_int_equal(counts[FILL_PRESENT], 5);
	assert_int_equal(read_all(store, series), 3);
	assert_true(read_back[0].value == 1);
	assert_true(store_is_stale(read_back[1].value));
	assert_true(read_back[2].value == 30);
	store_close(store);
}

static void expired_future_and_disordered_points_are_left_out(void **state)
{
	struct store_limits limits = usual;
	const struct store_point points[] = {{START_MS - 3600001, 1}, {START_MS - 3600000, 2},
		{START_MS - 15000, 3}, {START_MS - 15000, 4}, {START_MS - 20000, 5}, {START_MS, 6},
		{START_MS + 60001, 7}};
	struct store *store;
	uint32_t series;
	(void)state;

	limits.retention_ms = 3600000;
	store = open_with(&limits);
	series = intern(store, "a");
	store_fill(store, series, points, 7, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_STORED], 3);
	assert_int_equal(counts[FILL_EXPIRED], 1);
	assert_int_equal(counts[FILL_DISORDER], 2);
	assert_int_equal(counts[FILL_FUTURE], 1);
	assert_int_equal(read_all(store, series), 3);
	store_fill(store, 999, points, 7, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_GONE], 7);
	store_close(store);
}

/* Another replica scrapes at other times: its samples stand where ours are missing, not between. */
static void holes_alone_are_filled_when_asked(void **state)
{
	struct store *store = open_with(&usual);
	uint32_t series = intern(store, "a");
	struct store_point points[400];
	size_t found;
	(void)state;

	for (int i = 100; i < 200; i++)
		append(store, series, START_MS + (i - 400) * STEP_MS, i);
	/* Ten samples are missing here. */
	for (int i = 210; i < 300; i++)
		append(store, series, START_MS + (i - 400) * STEP_MS, i);
	for (int i = 0; i < 400; i++)
		points[i] = (struct store_point){START_MS + (i - 400) * STEP_MS + 7000, 1000 + i};
	store_fill(store, series, points, 400, FILL_HOLES, counts);
	/* 100 before, 11 in the hole, 101 behind. */
	assert_int_equal(counts[FILL_STORED], 212);
	assert_int_equal(counts[FILL_COVERED], 400 - 212);
	found = read_all(store, series);
	assert_int_equal(found, 190 + 212);
	for (size_t i = 1; i < found; i++)
		assert_true(read_back[i].t_ms > read_back[i - 1].t_ms);
	store_close(store);
}

/* After a kill: a snapshot's samples, then what the stream sent again, as few as one; what lies between
 * was acknowledged, and only the history has it. The ring's own step is then the hole itself. */
static void a_hole_between_few_samples_is_filled_to_the_last_one(void **state)
{
	static struct store_point points[40];

	(void)state;
	for (int kept = 1; kept <= 12; kept++)
		for (int missing = 1; missing <= 12; missing++)
			for (int after = 1; after <= 12; after += 11) {
				struct store *store = open_with(&usual);
				uint32_t series = intern(store, "a");
				int count = kept + missing + after;

				memset(counts, 0, sizeof(counts));
				for (int i = 0; i < count; i++) {
					points[i] =
						(struct store_point){START_MS + (i - 40) * STEP_MS,
							i};
					if (i < kept || i >= kept + missing)
						append(store, series, points[i].t_ms, i);
				}
				store_fill(store, series, points, (size_t)count, FILL_HOLES,
					counts);
				assert_int_equal(counts[FILL_STORED], missing);
				assert_int_equal(counts[FILL_PRESENT], kept + after);
				assert_int_equal(read_all(store, series), count);
				store_close(store);
			}
}

/* History comes newest first, an hour at a time: blocks must not stay half empty. */
static void filling_backwards_takes_the_memory_of_appending(void **state)
{
	static struct store_point points[240];
	struct store_limits limits = usual;
	uint32_t used[2];
	(void)state;

	limits.retention_ms = 6 * 3600000;
	for (int backwards = 0; backwards < 2; backwards++) {
		struct store *store = open_with(&limits);
		struct shard *shard;
		uint32_t series = intern(store, "a");

		shard = shard_of(store, series);
		for (int hour = 5; hour >= 0; hour--) {
			int from = backwards ? hour * 240 : (5 - hour) * 240;

			for (int i = 0; i < 240; i++)
				points[i] =
					(struct store_point){START_MS - (1440 - from - i) * STEP_MS,
						(from + i) / 100};
			for (int i = 0; !backwards && i < 240; i++)
				append(store, series, points[i].t_ms, points[i].value);
			if (backwards)
				store_fill(store, series, points, 240, FILL_ANYWHERE, counts);
		}
		assert_int_equal(read_all(store, series), 1440);
		used[backwards] = shard->memory.blocks.used;
		store_close(store);
	}
	assert_in_range(used[1], 1, used[0] + 1);
}

static void without_memory_a_fill_changes_nothing(void **state)
{
	static struct store_point points[2000];
	struct store_limits limits = usual;
	struct random random;
	struct store_stats before, after;
	struct store *store;
	uint32_t series;
	size_t found;
	(void)state;

	limits.memory_max = STORE_MEMORY_MIN;
	store = open_with(&limits);
	random_init(&random, 7);
	series = intern(store, "a");
	append(store, series, START_MS, 1);
	for (int64_t i = 1;; i++) {
		append(store, series, START_MS + i, random_normal(&random));
		store_stats(store, &before);
		if (before.overwritten > 0)
			break;
	}
	found = read_all(store, series);
	memcpy(held, read_back, found * sizeof(*held));
	for (int i = 0; i < 2000; i++)
		points[i] = (struct store_point){START_MS - 100000 + i, random_normal(&random)};
	store_fill(store, series, points, 2000, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_NO_ROOM], 2000);
	expect_same(held, found, read_all(store, series), 0);
	store_stats(store, &after);
	assert_int_equal(after.samples, before.samples);
	append(store, series, START_MS + 60000, 1);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_fills_and_appends_gives_the_merged_samples),
		cmocka_unit_test(what_is_there_wins_and_a_second_fill_changes_nothing),
		cmocka_unit_test(expired_future_and_disordered_points_are_left_out),
		cmocka_unit_test(holes_alone_are_filled_when_asked),
		cmocka_unit_test(a_hole_between_few_samples_is_filled_to_the_last_one),
		cmocka_unit_test(filling_backwards_takes_the_memory_of_appending),
		cmocka_unit_test(without_memory_a_fill_changes_nothing),
	};

	return cmocka_run_group_tests_name("fill", tests, NULL, NULL);
}
