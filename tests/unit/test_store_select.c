/* Selecting: every kind of matcher, bounds, and postings after removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "store/layout.h"
#include "store/store.h"

#define START_MS INT64_C(1700000000000)

static struct clock_manual manual;

static struct store *open_store(void)
{
	static const struct store_limits limits = {
		.memory_max = 64 << 20,
		.series_max = 20000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 60000,
	};
	struct store *store;

	clock_manual_init(&manual, START_MS);
	store = store_open(&limits, &manual.clock, NULL);
	assert_non_null(store);
	return store;
}

static void add(struct store *store, const char *const *texts, uint32_t pair_count)
{
	struct label pairs[8];
	char raw[40000];
	size_t size = 0;
	uint32_t series;

	for (uint32_t i = 0; i < pair_count; i++) {
		pairs[i] = (struct label){texts[2 * i], texts[2 * i + 1],
			(uint32_t)strlen(texts[2 * i]), (uint32_t)strlen(texts[2 * i + 1])};
		size += (size_t)snprintf(raw + size, sizeof(raw) - size, "%s=%s,", texts[2 * i],
			texts[2 * i + 1]);
	}
	assert_int_equal(store_intern(store, store_key_of(store, raw, size), pairs, pair_count,
				 &series, NULL),
		STATUS_OK);
}

static size_t count_of(struct store *store, const char *selector)
{
	struct store_selection selection;
	struct matchers matchers;
	struct error error;
	size_t count;

	matchers_init(&matchers);
	if (matchers_parse_selector(&matchers, selector, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	assert_int_equal(store_select(store, &matchers, SIZE_MAX, &selection, &error), STATUS_OK);
	count = selection.count;
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return count;
}

static void each_kind_of_matcher_selects(void **state)
{
	struct store *store = open_store();

	add(store, (const char *const[]){"__name__", "up", "job", "a", "pod", "a-1"}, 3);
	add(store, (const char *const[]){"__name__", "up", "job", "a", "pod", "a-2"}, 3);
	add(store, (const char *const[]){"__name__", "up", "job", "b"}, 2);
	add(store, (const char *const[]){"__name__", "down", "job", "b", "pod", "b-1"}, 3);
	assert_int_equal(count_of(store, "up"), 3);
	assert_int_equal(count_of(store, "up{job=\"a\"}"), 2);
	assert_int_equal(count_of(store, "up{job!=\"a\"}"), 1);
	assert_int_equal(count_of(store, "up{pod=\"\"}"), 1);
	assert_int_equal(count_of(store, "up{pod!=\"\"}"), 2);
	assert_int_equal(count_of(store, "up{pod=~\"a-.\"}"), 2);
	assert_int_equal(count_of(store, "up{pod=~\"a\"}"), 0);
	assert_int_equal(count_of(store, "up{pod=~\"a-1|\"}"), 2);
	assert_int_equal(count_of(store, "up{pod!~\"a-1\"}"), 2);
	assert_int_equal(count_of(store, "up{pod!~\".+\"}"), 1);
	assert_int_equal(count_of(store, "{job=\"b\"}"), 2);
	assert_int_equal(count_of(store, "{job=~\".+\"}"), 4);
	assert_int_equal(count_of(store, "{__name__=~\"up|down\",pod=~\".-1\"}"), 2);
	assert_int_equal(count_of(store, "{job=\"c\"}"), 0);
	assert_int_equal(count_of(store, "up{nothing=\"\"}"), 3);
	assert_int_equal(count_of(store, "up{nothing!=\"\"}"), 0);
	/* A name and a value that exist, but not as a pair. */
	assert_int_equal(count_of(store, "up{pod=\"a\"}"), 0);
	store_close(store);
}

static void fill(struct store *store, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		char number[16], tenth[16];

		(void)snprintf(number, sizeof(number), "%u", i);
		(void)snprintf(tenth, sizeof(tenth), "t%u", i % 10);
		add(store, (const char *const[]){"__name__", "m", "n", number, "tenth", tenth}, 3);
	}
}

static void many_series_are_selected_in_ascending_order(void **state)
{
	struct store *store = open_store();
	struct store_selection selection;
	struct matchers matchers;

	fill(store, 0, 10000);
	assert_int_equal(count_of(store, "m"), 10000);
	assert_int_equal(count_of(store, "m{tenth=\"t3\"}"), 1000);
	assert_int_equal(count_of(store, "m{n=~\"..5.\"}"), 900);
	assert_int_equal(count_of(store, "m{n=~\"..5.\",tenth!~\"t[0-8]\"}"), 90);
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "{tenth=~\"t[15]\"}", NULL), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 5000, &selection, NULL), STATUS_OK);
	assert_int_equal(selection.count, 2000);
	for (size_t i = 1; i < selection.count; i++)
		assert_true(selection.series[i - 1] < selection.series[i]);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	store_close(store);
}

static void more_than_max_is_told_and_cut(void **state)
{
	struct store *store = open_store();
	struct store_selection selection;
	struct matchers matchers;
	struct error error;

	fill(store, 0, 100);
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "m", NULL), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 99, &selection, &error), STATUS_LIMIT);
	assert_int_equal(selection.count, 99);
	assert_non_null(strstr(error.text, "more than 99 series"));
	store_selection_fini(&selection);
	assert_int_equal(store_select(store, &matchers, 100, &selection, &error), STATUS_OK);
	assert_int_equal(selection.count, 100);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	/* No matchers at all: everything. */
	matchers_init(&matchers);
	assert_int_equal(store_select(store, &matchers, 1000, &selection, &error), STATUS_OK);
	assert_int_equal(selection.count, 100);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	store_close(store);
}

/* As much text as a candidate can bring: every group of the sieve is full after one of them. */
static void long_values_meet_many_patterns(void **state)
{
	static char value[15000];
	struct store *store = open_store();
	struct store_selection selection;
	struct matchers matchers;
	struct error error;

	memset(value, 'x', sizeof(value) - 1);
	for (uint32_t i = 0; i < 20; i++) {
		value[0] = (char)('a' + i);
		add(store, (const char *const[]){"__name__", "m", "long", value}, 2);
	}
	matchers_init(&matchers);
	assert_int_equal(matchers_add(&matchers, MATCHER_EQUAL, "__name__", "m", &error),
		STATUS_OK);
	for (uint32_t i = 1; i < MATCHERS_MAX; i++)
		assert_int_equal(matchers_add(&matchers, i % 2 ? MATCHER_REGEX : MATCHER_NOT_REGEX,
					 "long", i % 2 ? "[a-j]x*" : "[c-f]x*", &error),
			STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 100, &selection, &error), STATUS_OK);
	assert_int_equal(selection.count, 6);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	store_close(store);
}

static void removed_series_are_not_selected(void **state)
{
	struct store *store = open_store();

	fill(store, 0, 3000);
	clock_manual_advance(&manual, 400000);
	fill(store, 3000, 3000);
	clock_manual_advance(&manual, 201000);
	assert_int_equal(store_sweep(store), 3000);
	assert_int_equal(count_of(store, "m"), 3000);
	assert_int_equal(count_of(store, "m{n=\"17\"}"), 0);
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	assert_int_equal(store_sweep(store), 0);
	assert_int_equal(count_of(store, "m"), 3000);
	assert_int_equal(count_of(store, "m{tenth=\"t3\"}"), 300);
	assert_int_equal(store->index.pairs.count, 3000 + 11);
	/* The ids of the first are used again. */
	fill(store, 6000, 2900);
	assert_true(store->id_end < 6100);
	assert_int_equal(count_of(store, "m{tenth=\"t3\"}"), 590);
	assert_int_equal(count_of(store, "{n=~\"6...\"}"), 1000);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_matcher_selects),
		cmocka_unit_test(many_series_are_selected_in_ascending_order),
		cmocka_unit_test(more_than_max_is_told_and_cut),
		cmocka_unit_test(long_values_meet_many_patterns),
		cmocka_unit_test(removed_series_are_not_selected),
	};

	return cmocka_run_group_tests_name("store_select", tests, NULL, NULL);
}
