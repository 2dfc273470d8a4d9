/* The label index: equal sets are one, texts are shared and freed, and without memory nothing changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/index.h"

struct fixture {
	struct slabs slabs;
	struct hash_secret secret;
	struct index index;
};

static void fixture_open(struct fixture *fixture, uint64_t bytes)
{
	struct error error;

	memset(fixture, 0, sizeof(*fixture));
	assert_int_equal(slabs_init(&fixture->slabs, bytes, 4096, &error), STATUS_OK);
	assert_int_equal(hash_secret_init(&fixture->secret), STATUS_OK);
	assert_int_equal(index_init(&fixture->index, &fixture->slabs, &fixture->secret, 10000),
		STATUS_OK);
}

static void fixture_close(struct fixture *fixture)
{
	index_fini(&fixture->index);
	slabs_fini(&fixture->slabs);
}

/* {a="<a>",b="<b>"} */
static uint32_t labels_make(struct label *labels, char texts[2][16], uint32_t a, uint32_t b)
{
	(void)snprintf(texts[0], 16, "%u", a);
	(void)snprintf(texts[1], 16, "%u", b);
	labels[0] = (struct label){"a", texts[0], 1, (uint32_t)strlen(texts[0])};
	labels[1] = (struct label){"b", texts[1], 1, (uint32_t)strlen(texts[1])};
	return 2;
}

static uint32_t find(struct fixture *fixture, uint32_t a, uint32_t b, uint32_t *pairs)
{
	struct label labels[2];
	char texts[2][16];

	return index_find_set(&fixture->index, labels, labels_make(labels, texts, a, b), pairs);
}

static uint32_t add(struct fixture *fixture, uint32_t a, uint32_t b, uint32_t series)
{
	struct label labels[2];
	char texts[2][16];
	uint32_t pairs[2];

	assert_int_equal(find(fixture, a, b, pairs), KEYS_NONE);
	return index_add(&fixture->index, labels, labels_make(labels, texts, a, b), pairs, series);
}

static uint32_t cells_used(const struct fixture *fixture)
{
	uint32_t used = 0;

	for (size_t i = 0; i < CELL_CLASSES; i++)
		used += fixture->index.cells.pools[i].used;
	return used;
}

static bool gone_in(void *argument, uint32_t number)
{
	return ((const bool *)argument)[number];
}

static void sets_are_found_and_share_their_texts(void **state)
{
	struct fixture fixture;
	uint32_t pairs[2];

	fixture_open(&fixture, 1 << 20);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_not_equal(add(&fixture, i % 10, i, i), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(find(&fixture, i % 10, i, pairs), i);
	assert_int_equal(find(&fixture, 11, 0, pairs), KEYS_NONE);
	assert_int_equal(pairs[0], 0);
	assert_int_not_equal(pairs[1], 0);
	/* Both pairs are known, but not together. */
	assert_int_equal(find(&fixture, 3, 0, pairs), KEYS_NONE);
	assert_int_not_equal(pairs[0], 0);
	assert_int_equal(fixture.index.names.count, 2);
	assert_int_equal(fixture.index.pairs.count, 1010);
	fixture_close(&fixture);
}

static void removed_sets_leave_nothing_behind(void **state)
{
	static bool gone[1000];
	static uint32_t sets[1000];
	struct fixture fixture;
	uint32_t pairs[2];

	fixture_open(&fixture, 1 << 20);
	for (uint32_t i = 0; i < 1000; i++)
		sets[i] = add(&fixture, i % 10, i, i);
	for (int half = 0; half < 2; half++) {
		for (uint32_t i = (uint32_t)half; i < 1000; i += 2) {
			index_remove(&fixture.index, sets[i]);
			gone[i] = true;
		}
		while (index_clean_one(&fixture.index, gone_in, gone))
			;
		for (uint32_t i = 0; i < 1000; i++)
			assert_int_equal(find(&fixture, i % 10, i, pairs), gone[i] ? KEYS_NONE : i);
	}
	assert_int_equal(cells_used(&fixture), 0);
	assert_int_equal(fixture.index.names.count, 0);
	assert_int_equal(fixture.index.pairs.count, 0);
	assert_int_equal(fixture.index.sets.count, 0);
	fixture_close(&fixture);
}

/* Between index_remove() and index_clean_one() the pairs may be used again, or nearly so. */
static void a_pair_that_waits_for_cleaning_is_used_again(void **state)
{
	static bool gone[100000];
	static char text[3000];
	struct label labels[2] = {{"a", "1", 1, 1}, {"b", text, 1, sizeof(text)}};
	struct fixture fixture;
	uint32_t first, again, pairs[2], count = 2;

	fixture_open(&fixture, 60 * 4096);
	first = add(&fixture, 1, 1, 0);
	assert_int_not_equal(first, 0);
	index_remove(&fixture.index, first);
	gone[0] = true;
	again = add(&fixture, 1, 2, 1);
	assert_int_not_equal(again, 0);
	while (index_clean_one(&fixture.index, gone_in, gone))
		;
	assert_int_equal(find(&fixture, 1, 2, pairs), 1);
	assert_int_equal(index_pair_at(&fixture.index, pairs[0])->posting.count, 1);
	/* Nearly: there is no memory for the other label's text. The pair stays until it is cleaned. */
	while (add(&fixture, 100 + count, 1000000 + count, count) != 0)
		count++;
	index_remove(&fixture.index, again);
	gone[1] = true;
	memset(text, 'x', sizeof(text));
	assert_int_equal(index_find_set(&fixture.index, labels, 2, pairs), KEYS_NONE);
	assert_int_not_equal(pairs[0], 0);
	assert_int_equal(index_add(&fixture.index, labels, 2, pairs, count), 0);
	while (index_clean_one(&fixture.index, gone_in, gone))
		;
	assert_int_equal(index_find_set(&fixture.index, labels, 2, pairs), KEYS_NONE);
	assert_int_equal(pairs[0], 0);
	fixture_close(&fixture);
}

static void without_memory_nothing_changes(void **state)
{
	struct fixture fixture;
	uint32_t count = 0, used, pairs[2];

	fixture_open(&fixture, 30 * 4096);
	while (add(&fixture, count / 3, count, count) != 0)
		count++;
	assert_true(count > 100);
	used = cells_used(&fixture);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(add(&fixture, 5000 + i, 100000 + i, 99999), 0);
	assert_int_equal(cells_used(&fixture), used);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(find(&fixture, i / 3, i, pairs), i);
	fixture_close(&fixture);
}

/* Sets of two to four labels of few values, so that a pair stands in one place and then in another. */
#define RUN_LABELS 5
#define RUN_SERIES 1500

struct run_set {
	struct label labels[RUN_LABELS];
	uint32_t count, values;
};

static void run_set_make(struct run_set *set, struct random *random)
{
	static const char *const values[] = {"u", "v", "w", "x", "y", "z"};

	for (uint32_t i = 0; i < RUN_LABELS; i++) {
		/* The first one changes mostly, as metrics' names do. */
		if (i > 0 && random_below(random, 6) > 0)
			continue;
		set->values &= ~(7u << 3 * i);
		set->values |= (uint32_t)random_below(random, 7) << 3 * i;
	}
	set->count = 0;
	for (uint32_t i = 0; i < RUN_LABELS; i++) {
		uint32_t value = set->values >> 3 * i & 7;

		if (value < 6)
			set->labels[set->count++] =
				(struct label){&"abcde"[i], values[value], 1, 1};
	}
}

/* As intern.c does it. Returns the handle, 0 when the set is there. */
static uint32_t run_add(struct index *index, const struct run_set *set, uint32_t series)
{
	uint32_t pairs[RUN_LABELS], handle = 0;
	struct store_key key;

	if (set->count == 0)
		return 0;
	if (!index_find_pairs(index, set->labels, set->count, NULL, 0, pairs))
		return index_add(index, set->labels, set->count, pairs, series);
	key = index_set_key(index, pairs, set->count);
	if (keys_find(&index->sets, key) != KEYS_NONE)
		return 0;
	handle = index_add_known(index, set->labels, set->count, pairs, key, series);
	return handle != 0 ? handle : index_add(index, set->labels, set->count, pairs, series);
}

static void assert_told(const struct fixture *fixture, uint32_t handle, uint32_t series)
{
	const struct index_set *set = index_set_at(&fixture->index, handle);

	for (uint32_t i = 0; i < set->count; i++) {
		const struct index_pair *pair = index_pair_at(&fixture->index, set->pairs[i]);
		struct posting_cursor cursor;
		uint32_t number, times = 0;

		posting_cursor_init(&cursor, &pair->posting, &fixture->index.cells);
		while (posting_next(&cursor, &number))
			times += number == series;
		assert_int_equal(times, 1);
		assert_int_equal(pair->references, pair->posting.count);
	}
}

static void each_pair_is_told_of_all_series_of_a_run_once(void **state)
{
	static uint32_t handles[RUN_SERIES];
	static bool gone[RUN_SERIES];

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct run_set set = {.values = 0};
		struct fixture fixture;
		struct random random;

		fixture_open(&fixture, 1 << 20);
		random_init(&random, seed);
		for (uint32_t series = 0; series < RUN_SERIES; series++) {
			run_set_make(&set, &random);
			handles[series] = run_add(&fixture.index, &set, series);
			gone[series] = true;
			if (random_below(&random, 40) == 0)
				index_settle(&fixture.index);
		}
		index_settle(&fixture.index);
		for (uint32_t series = 0; series < RUN_SERIES; series++) {
			if (handles[series] != 0)
				assert_told(&fixture, handles[series], series);
		}
		for (uint32_t series = 0; series < RUN_SERIES; series++) {
			if (handles[series] != 0)
				index_remove(&fixture.index, handles[series]);
		}
		while (index_clean_one(&fixture.index, gone_in, gone))
			;
		assert_int_equal(cells_used(&fixture), 0);
		fixture_close(&fixture);
	}
}

static void labels_shared_with_the_set_before_are_not_looked_up_again(void **state)
{
	struct label first[2] = {{"a", "1", 1, 1}, {"b", "2", 1, 1}};
	struct label second[2] = {{"a", "3", 1, 1}, first[1]};
	struct fixture fixture;
	uint32_t pairs[2];

	fixture_open(&fixture, 1 << 20);
	assert_int_not_equal(add(&fixture, 1, 2, 0), 0);
	assert_int_not_equal(add(&fixture, 3, 4, 1), 0);
	assert_true(index_find_pairs(&fixture.index, first, 2, NULL, 0, pairs));
	assert_true(index_find_pairs(&fixture.index, second, 2, first, 1, pairs));
	assert_int_equal(pairs[1], fixture.index.last[1]);
	/* What was asked before is not what the caller had before: each is looked up. */
	assert_true(index_find_pairs(&fixture.index, (struct label[2]){second[0], {"b", "4", 1, 1}},
		2, NULL, 0, pairs));
	assert_true(index_find_pairs(&fixture.index, second, 2, first, 1, pairs));
	assert_string_equal(index_pair_at(&fixture.index, pairs[1])->text, "2");
	fixture_close(&fixture);
}

static void failed_allocations_are_answers(void **state)
{
	struct fixture fixture;
	struct index index;
	bool injected = true;

	fixture_open(&fixture, 1 << 20);
	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		status = index_init(&index, &fixture.slabs, &fixture.secret, 100);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		if (status == STATUS_OK)
			index_fini(&index);
	}
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_found_and_share_their_texts),
		cmocka_unit_test(removed_sets_leave_nothing_behind),
		cmocka_unit_test(a_pair_that_waits_for_cleaning_is_used_again),
		cmocka_unit_test(without_memory_nothing_changes),
		cmocka_unit_test(each_pair_is_told_of_all_series_of_a_run_once),
		cmocka_unit_test(labels_shared_with_the_set_before_are_not_looked_up_again),
		cmocka_unit_test(failed_allocations_are_answers),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
