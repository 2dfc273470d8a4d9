/* What a series got since a reader looked: told as additions where it is one, else that all is to be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/fill.h"
#include "store/store.h"

#define T0 INT64_C(1700000000000)

enum { NEWS_MAX = 8 };

static struct clock_manual manual;
static struct store *store;
static struct store_cursor cursor;
static struct store_point news[NEWS_MAX];
static size_t count;
static int64_t oldest_ms;

static uint32_t intern(const char *name)
{
	const struct label label = {"__name__", name, 8, (uint32_t)strlen(name)};
	struct error error;
	uint32_t series;

	assert_int_equal(store_intern(store, store_key_of(store, name, strlen(name)), &label, 1,
				 &series, &error),
		STATUS_OK);
	return series;
}

static void append(uint32_t series, int64_t t_ms, double value)
{
	const struct store_sample sample = {series, t_ms, value};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, counts);
}

static enum store_news ask(uint32_t series)
{
	return store_news(store, series, &cursor, news, NEWS_MAX, &count, &oldest_ms);
}

static int open_store(void **state)
{
	const struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 100,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 86400000};
	struct error error;

	(void)state;
	clock_manual_init(&manual, T0);
	store = store_open(&limits, &manual.clock, &error);
	cursor = (struct store_cursor){.begun = false};
	return store == NULL;
}

static int close_store(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

static void new_samples_are_told_once_and_in_order(void **state)
{
	uint32_t series = intern("a");
	int64_t t_ms = T0;

	(void)state;
	assert_int_equal(ask(series), STORE_NEWS_GONE);
	append(series, t_ms, 1);
	assert_int_equal(ask(series), STORE_NEWS_ANEW);
	assert_int_equal(cursor.newest_ms, t_ms);
	/* Through many chunks: of full digits some fifty fit. */
	for (int i = 0; i < 1000; i++) {
		int added = i % NEWS_MAX;

		for (int k = 0; k < added; k++)
			append(series, t_ms += 15000, 1.0 / (i + k + 1));
		assert_int_equal(ask(series), STORE_NEWS_SINCE);
		assert_int_equal(count, added);
		for (int k = 0; k < added; k++) {
			assert_int_equal(news[k].t_ms, t_ms - (added - 1 - k) * 15000);
			assert_true(news[k].value == 1.0 / (i + k + 1));
		}
		assert_int_equal(cursor.newest_ms, t_ms);
	}
}

static void more_than_the_reader_has_room_for_is_read_anew(void **state)
{
	uint32_t series = intern("a");

	(void)state;
	append(series, T0, 1);
	(void)ask(series);
	for (int i = 1; i <= NEWS_MAX; i++)
		append(series, T0 + i, i);
	assert_int_equal(ask(series), STORE_NEWS_ANEW);
	assert_int_equal(cursor.newest_ms, T0 + NEWS_MAX);
	assert_int_equal(ask(series), STORE_NEWS_SINCE);
	assert_int_equal(count, 0);
}

static void older_samples_are_read_anew(void **state)
{
	const struct store_point older = {T0 - 5000, 7};
	uint64_t counts[FILL_RESULT_COUNT] = {0};
	uint32_t series = intern("a");

	(void)state;
	append(series, T0 - 10000, 1);
	append(series, T0, 2);
	(void)ask(series);
	/* A late sample of the stream changes nothing. */
	append(series, T0 - 1, 3);
	assert_int_equal(ask(series), STORE_NEWS_SINCE);
	assert_int_equal(count, 0);
	store_fill(store, series, &older, 1, FILL_ANYWHERE, counts);
	assert_int_equal(counts[FILL_STORED], 1);
	assert_int_equal(ask(series), STORE_NEWS_ANEW);
	/* One that was there already changes nothing. */
	store_fill(store, series, &older, 1, FILL_ANYWHERE, counts);
	assert_int_equal(ask(series), STORE_NEWS_SINCE);
	assert_int_equal(count, 0);
}

static void another_series_is_read_anew(void **state)
{
	uint32_t a = intern("a"), b = intern("b");

	(void)state;
	append(a, T0, 1);
	append(b, T0, 1);
	(void)ask(a);
	assert_int_equal(ask(b), STORE_NEWS_ANEW);
	assert_int_equal(ask(b), STORE_NEWS_SINCE);
	assert_int_equal(ask(99999), STORE_NEWS_GONE);
	assert_int_equal(ask(b), STORE_NEWS_ANEW);
}

static void a_series_that_went_and_came_back_is_read_anew(void **state)
{
	uint32_t series = intern("a");
	struct store_cursor before;

	(void)state;
	append(series, T0, 1);
	(void)ask(series);
	before = cursor;
	clock_manual_advance(&manual, 700000);
	assert_int_equal(store_sweep(store), 1);
	assert_int_equal(ask(series), STORE_NEWS_GONE);
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	(void)store_sweep(store);
	assert_int_equal(intern("a"), series);
	append(series, T0, 2);
	assert_int_equal(ask(series), STORE_NEWS_ANEW);
	/* Who did not look meanwhile is told, too. */
	cursor = before;
	assert_int_equal(ask(series), STORE_NEWS_ANEW);
}

/* A reader that keeps the hour hears which of it the ring has given up. */
static void the_oldest_that_is_left_is_told(void **state)
{
	uint32_t series = intern("a");
	struct store_point first;

	(void)state;
	append(series, T0, 1);
	(void)ask(series);
	for (int i = 1; i < 2000; i++) {
		append(series, T0 + i * 15000, 1.0 / i);
		assert_int_equal(ask(series), STORE_NEWS_SINCE);
	}
	assert_true(oldest_ms > T0);
	assert_int_equal(store_window(store, series, INT64_MIN, oldest_ms - 1, &first, 1), 0);
	assert_int_equal(store_window(store, series, INT64_MIN, oldest_ms, &first, 1), 1);
	assert_int_equal(first.t_ms, oldest_ms);
}

#define NEWS_TEST(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NEWS_TEST(new_samples_are_told_once_and_in_order),
		NEWS_TEST(more_than_the_reader_has_room_for_is_read_anew),
		NEWS_TEST(older_samples_are_read_anew),
		NEWS_TEST(another_series_is_read_anew),
		NEWS_TEST(a_series_that_went_and_came_back_is_read_anew),
		NEWS_TEST(the_oldest_that_is_left_is_told),
	};

	return cmocka_run_group_tests_name("store_news", tests, NULL, NULL);
}
