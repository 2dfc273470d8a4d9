/* What a feed hands out, against store_window() of the same moment, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "analyzers/feed.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/fill.h"

#define T0 INT64_C(1700000000000)
#define HOUR_MS INT64_C(3600000)
#define STEP_MS 15000

enum { POINTS_MAX = 20000, SEEDS = 40, ROUNDS = 400, SERIES = 3, CROWD = 60 };

static struct clock_manual manual;
static struct store *store;
static uint32_t series[SERIES];
static struct store_point expected[POINTS_MAX], found[POINTS_MAX];

static void open_store(uint64_t memory_max)
{
	const struct store_limits limits = {.memory_max = memory_max,
		.series_max = 100,
		.retention_ms = 2 * HOUR_MS,
		.interval_ms = STEP_MS,
		.ended_keep_ms = HOUR_MS / 2,
		.future_max_ms = HOUR_MS};
	struct error error;

	clock_manual_init(&manual, T0);
	store = store_open(&limits, &manual.clock, &error);
	if (store == NULL)
		fail_msg("%s", error.text);
}

static uint32_t intern_text(const char *name)
{
	size_t size = strlen(name);
	const struct label label = {"__name__", name, 8, (uint32_t)size};
	struct error error;
	uint32_t made;

	CHECK(store_intern(store, store_key_of(store, name, size), &label, 1, &made, &error) ==
		STATUS_OK);
	return made;
}

static void intern(size_t which)
{
	static const char *const names[SERIES] = {"a", "b", "c"};

	series[which] = intern_text(names[which]);
}

static void append_to(uint32_t id, int64_t t_ms, double value)
{
	const struct store_sample sample = {id, t_ms, value};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, counts);
}

static void append(size_t which, int64_t t_ms, double value)
{
	append_to(series[which], t_ms, value);
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void expect_same(struct feeds *feeds, enum signal_role role, uint32_t id, int64_t from_ms,
	uint64_t seed)
{
	size_t count = store_window(store, id, from_ms, INT64_MAX, expected, POINTS_MAX);
	size_t got = feeds_read(feeds, role, store, id, from_ms, found, POINTS_MAX);

	if (got != count)
		fail_msg("seed %llu: %zu samples, not %zu", (unsigned long long)seed, got, count);
	for (size_t i = 0; i < count; i++)
		if (found[i].t_ms != expected[i].t_ms ||
			bits_of(found[i].value) != bits_of(expected[i].value))
			fail_msg("seed %llu: sample %zu of %zu is %.17g at %lld, not %.17g at %lld",
				(unsigned long long)seed, i, count, found[i].value,
				(long long)found[i].t_ms, expected[i].value,
				(long long)expected[i].t_ms);
}

static double random_value(struct random *random)
{
	uint64_t kind = random_below(random, 30), bits = STORE_STALE_BITS;
	double value;

	if (kind > 1)
		return kind < 12 ? (double)random_below(random, 50) : random_normal(random);
	if (kind == 1)
		bits = random_u64(random);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Some samples of one series; mostly one, on time. */
static void random_stream(struct random *random, size_t which)
{
	size_t count = random_below(random, 8) == 0 ? (size_t)random_below(random, 150) : 1;
	uint64_t gap = random_below(random, 40);

	if (gap == 0)
		clock_manual_advance(&manual, (int64_t)random_below(random, 3 * HOUR_MS));
	for (size_t i = 0; i < count; i++) {
		int64_t jitter =
			random_below(random, 3) == 0 ? (int64_t)random_below(random, 9) : 0;

		clock_manual_advance(&manual, gap == 1 ? 200000 : STEP_MS);
		append(which, clock_now_ms(&manual.clock) - jitter, random_value(random));
	}
}

/* Older samples, as a backfill brings them. */
static void random_fill(struct random *random, size_t which)
{
	uint64_t counts[FILL_RESULT_COUNT] = {0};
	struct store_point points[40];
	size_t count = 1 + (size_t)random_below(random, 39);
	int64_t t_ms = clock_now_ms(&manual.clock) - (int64_t)random_below(random, HOUR_MS);

	for (size_t i = 0; i < count; i++)
		points[i] = (struct store_point){t_ms += 1 + (int64_t)random_below(random, STEP_MS),
			random_value(random)};
	store_fill(store, series[which], points, count, FILL_ANYWHERE, counts);
}

static void random_round(struct random *random)
{
	size_t which = (size_t)random_below(random, SERIES);

	switch (random_below(random, 30)) {
	case 0:
		random_fill(random, which);
		break;
	case 1:
		/* Who was silent for long goes, and comes back as a new series. */
		(void)store_sweep(store);
		clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
		(void)store_sweep(store);
		break;
	case 2:
		intern(which);
		break;
	default:
		random_stream(random, which);
	}
}

static void a_feed_gives_what_the_window_gives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct feeds *feeds = mem_zalloc(1, sizeof(*feeds));
		int64_t history_ms = HOUR_MS;
		struct random random;

		assert_non_null(feeds);
		random_init(&random, seed);
		/* With so little memory rings give up samples within the hour. */
		open_store(seed % 4 == 0 ? STORE_MEMORY_MIN : 16 << 20);
		for (size_t i = 0; i < SERIES; i++)
			intern(i);
		for (int round = 0; round < ROUNDS; round++) {
			uint64_t kind = random_below(&random, 60);

			random_round(&random);
			if (kind == 0)
				history_ms = 1 + (int64_t)random_below(&random, 2 * HOUR_MS);
			/* Now and then of a series that had another role. */
			for (size_t i = 0; i < SERIES; i++)
				expect_same(feeds, (enum signal_role)i,
					series[kind == 1 ? (i + 1) % SERIES : i],
					clock_now_ms(&manual.clock) - history_ms, seed);
		}
		feeds_close(feeds);
		store_close(store);
	}
}

/* So many that none has room for its part of an hour. */
static void what_memory_made_give_up_is_given_up(void **state)
{
	struct feeds *feeds = mem_zalloc(1, sizeof(*feeds));
	struct random random;
	struct store_stats stats;
	struct store_point oldest;
	uint32_t many[CROWD];

	(void)state;
	assert_non_null(feeds);
	random_init(&random, 1);
	open_store(STORE_MEMORY_MIN);
	for (size_t i = 0; i < CROWD; i++) {
		many[i] = intern_text((char[]){'x', (char)('0' + i), '\0'});
	}
	for (int i = 0; i < 2000; i++) {
		clock_manual_advance(&manual, 1000);
		for (size_t k = 0; k < CROWD; k++)
			append_to(many[k], clock_now_ms(&manual.clock), random_normal(&random));
		expect_same(feeds, ROLE_CPU, many[0], clock_now_ms(&manual.clock) - HOUR_MS / 2, 0);
		assert_non_null(feeds->of[ROLE_CPU]);
	}
	store_stats(store, &stats);
	assert_true(stats.overwritten > 0);
	/* Less than the half hour was left. */
	assert_int_equal(store_window(store, many[0], 0, clock_now_ms(&manual.clock) - HOUR_MS / 2,
				 &oldest, 1),
		0);
	feeds_close(feeds);
	store_close(store);
}

/* What is kept weighs what the header says, and a window too long for it is not kept. */
static void the_memory_of_a_feed_is_bounded(void **state)
{
	struct feeds *feeds = mem_zalloc(1, sizeof(*feeds));

	(void)state;
	assert_non_null(feeds);
	open_store(16 << 20);
	intern(0);
	for (int i = 0; i < 240; i++) {
		clock_manual_advance(&manual, STEP_MS);
		append(0, clock_now_ms(&manual.clock), i);
		expect_same(feeds, ROLE_CPU, series[0], T0, 0);
	}
	assert_true(feeds_bytes(feeds) > 240 * 10);
	assert_true(feeds_bytes(feeds) < 240 * 13);
	for (unsigned i = 240; i <= FEED_SAMPLES_MAX; i++) {
		clock_manual_advance(&manual, 1000);
		append(0, clock_now_ms(&manual.clock), i);
	}
	expect_same(feeds, ROLE_CPU, series[0], T0, 0);
	assert_null(feeds->of[ROLE_CPU]);
	/* Days of silence would take more room than the samples. */
	clock_manual_advance(&manual, 100 * 24 * HOUR_MS);
	append(0, clock_now_ms(&manual.clock), 1);
	expect_same(feeds, ROLE_CPU, series[0], T0, 0);
	assert_null(feeds->of[ROLE_CPU]);
	feeds_close(feeds);
	store_close(store);
}

static void without_memory_the_window_is_read_all_the_same(void **state)
{
	struct feeds *feeds = mem_zalloc(1, sizeof(*feeds));
	bool injected = true;

	(void)state;
	assert_non_null(feeds);
	open_store(16 << 20);
	intern(0);
	for (int i = 0; i < 100; i++) {
		clock_manual_advance(&manual, STEP_MS);
		append(0, clock_now_ms(&manual.clock), i);
		(void)mem_fail_after(1 + i % 2, false);
		expect_same(feeds, ROLE_CPU, series[0], T0, 0);
		expect_same(NULL, ROLE_CPU, series[0], T0, 0);
		injected = mem_fail_after(0, false);
		if (i == 0)
			assert_true(injected);
	}
	feeds_close(feeds);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_feed_gives_what_the_window_gives),
		cmocka_unit_test(what_memory_made_give_up_is_given_up),
		cmocka_unit_test(the_memory_of_a_feed_is_bounded),
		cmocka_unit_test(without_memory_the_window_is_read_all_the_same),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
