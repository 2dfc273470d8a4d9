/* run-under: tsan */
/*
 * Rings of records beside the series: order, repeats, budgets, series that go, threads; and exemplars
 * as such records.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/exemplar.h"
#include "store/records.h"

#define NOW_MS INT64_C(1700000000000)

static struct clock_manual manual;
static struct store *store;
static struct records *records;
static struct records_limits limits;
static struct error error;

static int setup(void **state)
{
	const struct store_limits store_limits = {
		.memory_max = 8 << 20,
		.series_max = 1000,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	limits = (struct records_limits){.keep_max = 4, .bytes_max = 1 << 20};
	records = NULL;
	return 0;
}

static void open_records(void)
{
	records = records_open(store, "test", &limits, &error);
	assert_non_null(records);
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	records_close(records);
	store_close(store);
	return 0;
}

/* A series that wants its records. */
static uint32_t make_series(const char *name)
{
	const struct label pair = {"__name__", name, 8, (uint32_t)strlen(name)};
	uint32_t series;

	assert_int_equal(store_intern(store, store_key_of(store, name, strlen(name)), &pair, 1,
				 &series, &error),
		STATUS_OK);
	return series;
}

static uint32_t make_wanted(const char *name)
{
	uint32_t series = make_series(name);

	records_decide(records, series, true);
	assert_int_equal(records_decision(records, series), RECORDS_WANTED);
	return series;
}

static enum record_result add(uint32_t series, int64_t t_ms, const char *text)
{
	return records_add(records, series, t_ms, text, strlen(text));
}

/* All of a series as "t:text t:text". */
static const char *content(uint32_t series, int64_t from_ms, int64_t to_ms)
{
	static char text[4096];
	struct record record;
	struct buf copy;
	size_t at = 0, used = 0;

	buf_init(&copy, 1 << 20);
	assert_int_equal(records_copy(records, series, from_ms, to_ms, &copy), STATUS_OK);
	text[0] = '\0';
	while (record_next(&copy, &at, &record))
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d:%.*s",
			used > 0 ? " " : "", (int)(record.t_ms - NOW_MS), (int)record.size,
			(const char *)record.bytes);
	buf_fini(&copy);
	return text;
}

static void the_last_records_are_kept_in_order(void **state)
{
	uint32_t series;
	char text[16];

	open_records();
	series = make_wanted("one");
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "r%d", i);
		assert_int_equal(add(series, NOW_MS + i, text), RECORD_STORED);
	}
	assert_string_equal(content(series, INT64_MIN, INT64_MAX), "6:r6 7:r7 8:r8 9:r9");
	assert_string_equal(content(series, NOW_MS + 7, NOW_MS + 8), "7:r7 8:r8");
	assert_string_equal(content(series, NOW_MS + 10, INT64_MAX), "");
}

static void repeats_are_harmless_and_the_rest_is_told_apart(void **state)
{
	uint32_t series;

	open_records();
	series = make_wanted("one");
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_STORED);
	assert_int_equal(add(series, NOW_MS + 1, "b"), RECORD_STORED);
	assert_int_equal(add(series, NOW_MS + 1, "b"), RECORD_REPEATED);
	/* A batch that is sent again. */
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_REPEATED);
	assert_int_equal(add(series, NOW_MS + 1, "c"), RECORD_CONFLICT);
	assert_int_equal(add(series, NOW_MS, "c"), RECORD_LATE);
	assert_int_equal(add(series, NOW_MS - 1, "a"), RECORD_LATE);
	assert_int_equal(add(series, NOW_MS + 600001, "z"), RECORD_FUTURE);
	assert_int_equal(add(series, INT64_MAX, "z"), RECORD_FUTURE);
	assert_int_equal(add(series, INT64_MIN, "z"), RECORD_LATE);
	assert_int_equal(add(series, NOW_MS + 600000, "z"), RECORD_STORED);
	assert_string_equal(content(series, INT64_MIN, INT64_MAX), "0:a 1:b 600000:z");
}

static void records_of_one_time_are_no_conflict_where_they_are_allowed(void **state)
{
	uint32_t series;

	limits.same_time = true;
	open_records();
	series = make_wanted("one");
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_STORED);
	assert_int_equal(add(series, NOW_MS, "b"), RECORD_STORED);
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_REPEATED);
	assert_int_equal(add(series, NOW_MS, "b"), RECORD_REPEATED);
	assert_string_equal(content(series, INT64_MIN, INT64_MAX), "0:a 0:b");
}

static void a_series_that_was_not_decided_keeps_nothing(void **state)
{
	uint32_t series;

	open_records();
	series = make_series("one");
	assert_int_equal(records_decision(records, series), RECORDS_UNDECIDED);
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_NO_ROOM);
	records_decide(records, series, false);
	assert_int_equal(records_decision(records, series), RECORDS_UNWANTED);
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_NO_ROOM);
	assert_int_equal(add(12345, NOW_MS, "a"), RECORD_NO_ROOM);
	assert_int_equal(records_decision(records, UINT32_MAX), RECORDS_UNDECIDED);
	assert_string_equal(content(series, INT64_MIN, INT64_MAX), "");
	assert_string_equal(content(UINT32_MAX, INT64_MIN, INT64_MAX), "");
}

static void out_of_budget_a_series_gives_up_its_own_oldest(void **state)
{
	static char large[1024];
	struct records_stats stats;
	uint32_t first, second;

	memset(large, 'x', sizeof(large));
	limits.bytes_max = 4096;
	open_records();
	first = make_wanted("one");
	second = make_wanted("two");
	for (int i = 0; i < 8; i++)
		assert_int_equal(records_add(records, first, NOW_MS + i, large, 1000),
			RECORD_STORED);
	records_stats(records, &stats);
	assert_int_equal(stats.records, 3);
	assert_true(stats.bytes <= 4096);
	/* The other one has nothing to give up. */
	assert_int_equal(records_add(records, second, NOW_MS, large, 1000), RECORD_NO_ROOM);
	assert_int_equal(records_add(records, first, NOW_MS + 20, large, 0), RECORD_NO_ROOM);
	assert_int_equal(records_add(records, first, NOW_MS + 20, large, RECORD_SIZE_MAX + 1),
		RECORD_NO_ROOM);
	assert_true(metrics_get(METRIC_STORE_RECORDS, "test") == 0);
	{
		struct buf page;
		buf_init(&page, 1 << 20);
		metrics_write_page(&page);
		buf_fini(&page);
	}
	assert_true(metrics_get(METRIC_STORE_RECORDS, "test") == 3);
	assert_true(metrics_get(METRIC_STORE_RECORD_BYTES_LIMIT, "test") == 4096);
}

static void what_one_series_gives_back_others_use_whatever_their_sizes(void **state)
{
	static char large[RECORD_SIZE_MAX];
	struct records_stats stats;
	uint32_t first, second;

	/* Small records fill the budget; then all of them grow. */
	limits.bytes_max = 4 * 8192;
	open_records();
	first = make_wanted("one");
	second = make_wanted("two");
	for (int round = 0; round < 3; round++) {
		for (size_t size = 10; size < 8000; size += 100) {
			int64_t t_ms = NOW_MS + round * 10000 + (int64_t)size;
			memset(large, (char)('a' + size % 26), size);
			assert_int_equal(records_add(records, first, t_ms, large, size),
				RECORD_STORED);
			assert_int_equal(records_add(records, second, t_ms, large, size / 2),
				RECORD_STORED);
			records_stats(records, &stats);
			assert_true(stats.bytes <= limits.bytes_max);
		}
	}
}

static void a_record_of_any_size_comes_back_whole(void **state)
{
	static char text[RECORD_SIZE_MAX];
	static const size_t sizes[] = {1, 107, 108, 109, 231, 232, 233, 356, 357, 5000,
		RECORD_SIZE_MAX};
	uint32_t series;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 100);
	limits.keep_max = 1;
	open_records();
	series = make_wanted("one");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct record record;
		struct buf copy;
		size_t at = 0;
		int64_t t_ms = NOW_MS + (int64_t)i;
		assert_int_equal(records_add(records, series, t_ms, text, sizes[i]), RECORD_STORED);
		/* The same again, the same but for the last byte, and one byte less. */
		assert_int_equal(records_add(records, series, t_ms, text, sizes[i]),
			RECORD_REPEATED);
		text[sizes[i] - 1] ^= 1;
		assert_int_equal(records_add(records, series, t_ms, text, sizes[i]),
			RECORD_CONFLICT);
		text[sizes[i] - 1] ^= 1;
		if (i > 0)
			assert_int_equal(records_add(records, series, t_ms, text, sizes[i] - 1),
				RECORD_CONFLICT);
		buf_init(&copy, 1 << 20);
		assert_int_equal(records_copy(records, series, INT64_MIN, INT64_MAX, &copy),
			STATUS_OK);
		assert_true(record_next(&copy, &at, &record));
		assert_int_equal(record.size, sizes[i]);
		assert_memory_equal(record.bytes, text, sizes[i]);
		assert_false(record_next(&copy, &at, &record));
		buf_fini(&copy);
	}
}

static void what_a_removed_series_had_is_not_the_next_ones(void **state)
{
	struct records_stats stats;
	uint32_t series[20];
	char name[16];

	open_records();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		series[i] = make_wanted(name);
		assert_int_equal(add(series[i], NOW_MS, "old"), RECORD_STORED);
	}
	clock_manual_advance(&manual, 601 * 1000);
	assert_int_equal(store_sweep(store), 20);
	for (int i = 0; i < 20; i++)
		assert_string_equal(content(series[i], INT64_MIN, INT64_MAX), "");
	/* The ids are given to others, who find nothing, swept or not. */
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	(void)store_sweep(store);
	for (int i = 0; i < 20; i++) {
		uint32_t again;
		snprintf(name, sizeof(name), "t%d", i);
		again = make_series(name);
		assert_int_equal(records_decision(records, again), RECORDS_UNDECIDED);
		assert_string_equal(content(again, INT64_MIN, INT64_MAX), "");
	}
	records_sweep(records);
	records_stats(records, &stats);
	assert_int_equal(stats.records, 0);
	assert_int_equal(stats.series, 0);
	assert_int_equal(stats.bytes, 0);
}

static void a_sweep_gives_back_what_removed_series_had(void **state)
{
	struct records_stats stats;
	uint32_t gone, stays;

	open_records();
	gone = make_wanted("gone");
	stays = make_wanted("stays");
	assert_int_equal(add(gone, NOW_MS, "a"), RECORD_STORED);
	assert_int_equal(add(stays, NOW_MS, "a"), RECORD_STORED);
	clock_manual_advance(&manual, 400 * 1000);
	/* Records alone let a series live on. */
	assert_int_equal(add(stays, NOW_MS + 1, "b"), RECORD_STORED);
	clock_manual_advance(&manual, 201 * 1000);
	assert_int_equal(store_sweep(store), 1);
	records_sweep(records);
	records_stats(records, &stats);
	assert_int_equal(stats.series, 1);
	assert_int_equal(stats.records, 2);
	assert_string_equal(content(stays, INT64_MIN, INT64_MAX), "0:a 1:b");
}

static void memory_that_runs_out_is_an_answer(void **state)
{
	uint32_t series;
	struct buf copy;

	for (long nth = 1;; nth++) {
		mem_fail_after(nth, false);
		records = records_open(store, "test", &limits, &error);
		if (!mem_fail_after(0, false))
			break;
		assert_null(records);
		assert_int_equal(error.code, STATUS_NO_MEMORY);
	}
	series = make_wanted("one");
	assert_int_equal(add(series, NOW_MS, "a"), RECORD_STORED);
	buf_init(&copy, 1 << 20);
	mem_fail_after(1, false);
	assert_int_equal(records_copy(records, series, INT64_MIN, INT64_MAX, &copy),
		STATUS_NO_MEMORY);
	mem_fail_after(0, false);
	buf_fini(&copy);
	/* A copy has its maximum. */
	buf_init(&copy, 8);
	assert_int_equal(records_copy(records, series, INT64_MIN, INT64_MAX, &copy),
		STATUS_NO_MEMORY);
	buf_fini(&copy);
}

static void exemplars_come_back_as_they_were(void **state)
{
	static const char blank[600];
	struct exemplar exemplar = {.value = 0.25,
		.label_count = 2,
		.labels = {{"trace_id", "abc", 8, 3}, {"x", "", 1, 0}}};
	uint8_t bytes[EXEMPLAR_BYTES_MAX];
	struct exemplar back;
	size_t size = exemplar_encode(&exemplar, bytes);

	assert_int_equal(size, 8 + 4 + 8 + 3 + 4 + 1);
	exemplar_decode(&back, bytes, size);
	assert_true(back.value == 0.25);
	assert_int_equal(back.label_count, 2);
	assert_int_equal(back.labels[0].name_size, 8);
	assert_memory_equal(back.labels[0].name, "trace_id", 8);
	assert_memory_equal(back.labels[0].value, "abc", 3);
	assert_int_equal(back.labels[1].value_size, 0);
	exemplar.label_count = 0;
	size = exemplar_encode(&exemplar, bytes);
	exemplar_decode(&back, bytes, size);
	assert_int_equal(back.label_count, 0);
	/* 8 + 2 * (4 + 1 + 503) = 1024. */
	exemplar.label_count = 2;
	exemplar.labels[0] = exemplar.labels[1] = (struct label){"x", blank, 1, 503};
	assert_int_equal(exemplar_encode(&exemplar, bytes), 1024);
	exemplar.labels[1].value_size++;
	assert_int_equal(exemplar_encode(&exemplar, bytes), 0);
	exemplar.labels[1].value_size = UINT32_MAX;
	assert_int_equal(exemplar_encode(&exemplar, bytes), 0);
}

#define THREADS 3
#define ROUNDS 3000

static void *write_and_read(void *argument)
{
	uint32_t series = *(uint32_t *)argument;
	struct buf copy;

	buf_init(&copy, 1 << 20);
	for (int i = 0; i < ROUNDS; i++) {
		struct record record;
		size_t at = 0;
		int64_t last = INT64_MIN;
		(void)records_add(records, series, NOW_MS + i, &i, sizeof(i));
		buf_reset(&copy);
		assert_int_equal(records_copy(records, series, INT64_MIN, INT64_MAX, &copy),
			STATUS_OK);
		while (record_next(&copy, &at, &record)) {
			int value;
			memcpy(&value, record.bytes, sizeof(value));
			assert_true(record.t_ms > last && record.t_ms == NOW_MS + value);
			last = record.t_ms;
		}
		if (i % 500 == 0)
			records_sweep(records);
	}
	buf_fini(&copy);
	return NULL;
}

static void threads_share_a_series(void **state)
{
	pthread_t threads[THREADS];
	struct records_stats stats;
	uint32_t series;

	open_records();
	series = make_wanted("one");
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, &series), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	records_stats(records, &stats);
	assert_int_equal(stats.records, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_records_are_kept_in_order),
		TEST(repeats_are_harmless_and_the_rest_is_told_apart),
		TEST(records_of_one_time_are_no_conflict_where_they_are_allowed),
		TEST(a_series_that_was_not_decided_keeps_nothing),
		TEST(out_of_budget_a_series_gives_up_its_own_oldest),
		TEST(what_one_series_gives_back_others_use_whatever_their_sizes),
		TEST(a_record_of_any_size_comes_back_whole),
		TEST(what_a_removed_series_had_is_not_the_next_ones),
		TEST(a_sweep_gives_back_what_removed_series_had),
		TEST(memory_that_runs_out_is_an_answer),
		TEST(exemplars_come_back_as_they_were),
		TEST(threads_share_a_series),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
