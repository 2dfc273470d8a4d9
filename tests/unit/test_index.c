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
		cmocka_unit_test(failed_allocations_are_answers),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
