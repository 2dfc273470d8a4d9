/* Postings: what was added is read, what is filtered is gone, and its memory too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/postings.h"

#define NUMBERS_MAX 5000u

struct fixture {
	struct slabs slabs;
	struct cell_classes cells;
	struct posting posting;
};

static void fixture_open(struct fixture *fixture, uint64_t bytes)
{
	struct error error;

	memset(fixture, 0, sizeof(*fixture));
	assert_int_equal(slabs_init(&fixture->slabs, bytes, 4096, &error), STATUS_OK);
	cell_classes_init(&fixture->cells, &fixture->slabs);
}

static uint32_t cells_used(const struct fixture *fixture)
{
	uint32_t used = 0;

	for (size_t i = 0; i < CELL_CLASSES; i++)
		used += fixture->cells.pools[i].used;
	return used;
}

static bool add(struct fixture *fixture, uint32_t number)
{
	if (!posting_reserve(&fixture->posting, &fixture->cells, number))
		return false;
	posting_add(&fixture->posting, &fixture->cells, number);
	return true;
}

/* In one go as far as the room goes that was asked for; returns how many. */
static uint32_t add_many(struct fixture *fixture, const uint32_t *numbers, uint32_t count)
{
	uint32_t room = posting_room(&fixture->posting, &fixture->cells, numbers[0]), fit = 1;

	if (room == 0)
		return add(fixture, numbers[0]) ? 1 : 0;
	while (fit < count && room > posting_delta_size(numbers[fit], numbers[fit - 1])) {
		room -= posting_delta_size(numbers[fit], numbers[fit - 1]);
		fit++;
	}
	posting_add_many(&fixture->posting, &fixture->cells, numbers, fit);
	return fit;
}

static void expect(const struct fixture *fixture, const uint32_t *numbers, uint32_t count)
{
	struct posting_cursor cursor;
	uint32_t number;

	assert_int_equal(fixture->posting.count, count);
	posting_cursor_init(&cursor, &fixture->posting, &fixture->cells);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(posting_next(&cursor, &number));
		assert_int_equal(number, numbers[i]);
	}
	assert_false(posting_next(&cursor, &number));
}

static bool gone_in(void *argument, uint32_t number)
{
	return ((const bool *)argument)[number];
}

/* Random adding and filtering against an array. */
static void random_changes_match_a_model(void **state)
{
	static uint32_t numbers[NUMBERS_MAX];
	static bool gone[1 << 20], present[1 << 20];

	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct fixture fixture;
		struct random random;
		uint32_t count = 0;

		fixture_open(&fixture, 1 << 20);
		random_init(&random, seed);
		memset(present, 0, sizeof(present));
		for (int round = 0; round < 20; round++) {
			uint32_t adding = (uint32_t)random_below(&random, round % 5 == 0 ? 4 : 200);
			uint32_t kept = 0, added = count;

			for (uint32_t i = 0; i < adding; i++) {
				uint32_t number =
					(uint32_t)random_below(&random, seed % 2 ? 3000 : 1 << 20);

				if (present[number])
					continue;
				present[number] = true;
				numbers[count++] = number;
			}
			while (added < count) {
				uint32_t fit = add_many(&fixture, numbers + added,
					seed % 3 ? count - added : 1);

				assert_true(fit > 0);
				added += fit;
			}
			expect(&fixture, numbers, count);
			memset(gone, 0, sizeof(gone));
			for (uint32_t i = 0; i < count; i++) {
				gone[numbers[i]] = random_below(&random, 4) < (uint64_t)(round % 5);
				present[numbers[i]] = !gone[numbers[i]];
				if (!gone[numbers[i]])
					numbers[kept++] = numbers[i];
			}
			count = kept;
			posting_filter(&fixture.posting, &fixture.cells, gone_in, gone);
			expect(&fixture, numbers, count);
		}
		posting_free(&fixture.posting, &fixture.cells);
		assert_int_equal(cells_used(&fixture), 0);
		slabs_fini(&fixture.slabs);
	}
}

static void one_number_takes_no_cell(void **state)
{
	static bool gone[3];
	struct fixture fixture;

	fixture_open(&fixture, 65536);
	assert_true(add(&fixture, 2));
	assert_int_equal(cells_used(&fixture), 0);
	assert_true(add(&fixture, 1));
	assert_int_equal(cells_used(&fixture), 1);
	gone[2] = true;
	posting_filter(&fixture.posting, &fixture.cells, gone_in, gone);
	assert_int_equal(cells_used(&fixture), 0);
	expect(&fixture, (const uint32_t[]){1}, 1);
	slabs_fini(&fixture.slabs);
}

static void a_reservation_may_go_unused(void **state)
{
	static bool gone[8];
	struct fixture fixture;

	fixture_open(&fixture, 65536);
	assert_true(add(&fixture, 5));
	assert_true(posting_reserve(&fixture.posting, &fixture.cells, 6));
	expect(&fixture, (const uint32_t[]){5}, 1);
	assert_true(add(&fixture, 7));
	expect(&fixture, (const uint32_t[]){5, 7}, 2);
	posting_filter(&fixture.posting, &fixture.cells, gone_in, gone);
	expect(&fixture, (const uint32_t[]){5, 7}, 2);
	posting_free(&fixture.posting, &fixture.cells);
	assert_int_equal(cells_used(&fixture), 0);
	slabs_fini(&fixture.slabs);
}

static void consecutive_numbers_take_little(void **state)
{
	struct fixture fixture;

	fixture_open(&fixture, 1 << 20);
	for (uint32_t i = 0; i < 100000; i++)
		assert_true(add(&fixture, i));
	assert_true(slabs_bytes(&fixture.slabs) < 100000 * 13 / 10);
	slabs_fini(&fixture.slabs);
}

/* What was promised to fit needs no memory, and what one by one would take is not exceeded. */
static void numbers_in_one_go_take_no_more_than_one_by_one(void **state)
{
	static uint32_t numbers[20000];
	struct fixture single, many;

	fixture_open(&single, 1 << 20);
	fixture_open(&many, 1 << 20);
	for (uint32_t i = 0; i < 20000; i++) {
		numbers[i] = i + (i / 50 % 3) * 1000000;
		assert_true(add(&single, numbers[i]));
	}
	for (uint32_t at = 0; at < 20000;)
		at += add_many(&many, numbers + at, 64 < 20000 - at ? 64 : 20000 - at);
	expect(&many, numbers, 20000);
	assert_int_equal(cells_used(&many), cells_used(&single));
	slabs_fini(&many.slabs);
	slabs_fini(&single.slabs);
}

static void without_memory_nothing_changes(void **state)
{
	static uint32_t numbers[100000];
	struct fixture fixture;
	uint32_t count = 0;

	fixture_open(&fixture, 7 * 4096);
	while (add(&fixture, count * 1000)) {
		numbers[count] = count * 1000;
		count++;
	}
	assert_true(count > 100);
	expect(&fixture, numbers, count);
	slabs_fini(&fixture.slabs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_match_a_model),
		cmocka_unit_test(one_number_takes_no_cell),
		cmocka_unit_test(a_reservation_may_go_unused),
		cmocka_unit_test(consecutive_numbers_take_little),
		cmocka_unit_test(numbers_in_one_go_take_no_more_than_one_by_one),
		cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests_name("postings", tests, NULL, NULL);
}
