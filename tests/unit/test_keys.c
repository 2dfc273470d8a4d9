/* run-under: tsan */
/* The key table: against a plain model, and read while it changes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "store/keys.h"

struct fixture {
	struct slabs slabs;
	struct key_table table;
};

static void fixture_open(struct fixture *fixture, uint64_t bytes, uint32_t key_max)
{
	struct error error;

	assert_int_equal(slabs_init(&fixture->slabs, bytes, 4096, &error), STATUS_OK);
	assert_int_equal(keys_init(&fixture->table, &fixture->slabs, key_max), STATUS_OK);
}

static void fixture_close(struct fixture *fixture)
{
	keys_fini(&fixture->table);
	slabs_fini(&fixture->slabs);
}

/* The key of a number, as uniform as a hash. */
static struct store_key key_of(uint64_t number)
{
	struct random random;
	struct store_key key;

	random_init(&random, number);
	key.low = random_u64(&random);
	key.high = random_u64(&random);
	return key;
}

static void what_went_in_is_found(void **state)
{
	struct fixture fixture;

	fixture_open(&fixture, 16 << 20, 100000);
	for (uint32_t i = 0; i < 100000; i++) {
		assert_int_equal(keys_find(&fixture.table, key_of(i)), KEYS_NONE);
		assert_true(keys_reserve(&fixture.table, key_of(i)));
		assert_true(keys_insert(&fixture.table, key_of(i), i));
	}
	for (uint32_t i = 0; i < 100000; i += 100) {
		struct store_key keys[100];
		uint32_t numbers[100];

		for (uint32_t k = 0; k < 100; k++) {
			keys[k] = key_of(i + k);
			assert_int_equal(keys_find(&fixture.table, keys[k]), i + k);
		}
		keys[50] = key_of(1000000 + i);
		keys_find_many(&fixture.table, keys, 100, numbers);
		for (uint32_t k = 0; k < 100; k++)
			assert_int_equal(numbers[k], k == 50 ? KEYS_NONE : i + k);
	}
	assert_int_equal(keys_find(&fixture.table, key_of(100000)), KEYS_NONE);
	/* Full: key_max. */
	assert_false(keys_reserve(&fixture.table, key_of(100000)));
	assert_false(keys_insert(&fixture.table, key_of(100000), 1));
	/* Two fifths full at least, as pages split. */
	assert_true(fixture.table.pages.used <= 100000 / 102 + 1);
	fixture_close(&fixture);
}

static void random_changes_match_a_model(void **state)
{
	enum { NUMBERS = 3000 };
	static bool present[NUMBERS];

	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct fixture fixture;
		struct random random;
		uint32_t count = 0;

		fixture_open(&fixture, 4 << 20, NUMBERS);
		random_init(&random, seed);
		memset(present, 0, sizeof(present));
		for (int round = 0; round < 30000; round++) {
			uint32_t i = (uint32_t)random_below(&random, NUMBERS);

			if (present[i]) {
				assert_true(keys_remove(&fixture.table, key_of(i)));
				count--;
			} else {
				assert_false(keys_remove(&fixture.table, key_of(i)));
				assert_true(keys_insert(&fixture.table, key_of(i), i));
				count++;
			}
			present[i] = !present[i];
			if (round % 3000 == 0) {
				for (uint32_t k = 0; k < NUMBERS; k++)
					assert_int_equal(keys_find(&fixture.table, key_of(k)),
						present[k] ? k : KEYS_NONE);
			}
		}
		assert_int_equal(fixture.table.count, count);
		fixture_close(&fixture);
	}
}

static void keys_alike_in_one_half_are_told_apart(void **state)
{
	struct fixture fixture;

	fixture_open(&fixture, 1 << 20, 1000);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(keys_insert(&fixture.table, (struct store_key){7, i}, i));
		assert_true(keys_insert(&fixture.table, (struct store_key){8 + i, 5}, 100 + i));
	}
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(keys_find(&fixture.table, (struct store_key){7, i}), i);
		assert_int_equal(keys_find(&fixture.table, (struct store_key){8 + i, 5}), 100 + i);
		assert_true(keys_remove(&fixture.table, (struct store_key){7, i}));
		assert_int_equal(keys_find(&fixture.table, (struct store_key){7, i}), KEYS_NONE);
	}
	assert_int_equal(fixture.table.count, 100);
	fixture_close(&fixture);
}

static bool is_odd(void *argument, uint32_t number)
{
	(*(uint32_t *)argument)++;
	return number % 2 == 1;
}

static void a_sweep_sees_every_key_once(void **state)
{
	struct fixture fixture;
	uint64_t cursor = 0;
	uint32_t seen = 0;

	fixture_open(&fixture, 4 << 20, 20000);
	for (uint32_t i = 0; i < 20000; i++)
		assert_true(keys_insert(&fixture.table, key_of(i), i));
	while (keys_sweep_page(&fixture.table, &cursor, is_odd, &seen))
		;
	assert_int_equal(seen, 20000);
	assert_int_equal(fixture.table.count, 10000);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(keys_find(&fixture.table, key_of(i)), i % 2 ? KEYS_NONE : i);
	fixture_close(&fixture);
}

static void a_full_region_refuses_and_keeps_what_is_there(void **state)
{
	struct fixture fixture;
	uint32_t count = 0;

	fixture_open(&fixture, 5 * 4096, 100000);
	while (keys_insert(&fixture.table, key_of(count), count))
		count++;
	assert_true(count >= 4 * 102);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(keys_find(&fixture.table, key_of(i)), i);
	assert_false(keys_reserve(&fixture.table, key_of(count)));
	fixture_close(&fixture);
}

static void no_memory_is_an_answer(void **state)
{
	struct slabs slabs;
	struct key_table table;
	struct error error;

	assert_int_equal(slabs_init(&slabs, 8192, 4096, &error), STATUS_OK);
	mem_fail_after(1, false);
	assert_int_equal(keys_init(&table, &slabs, 100), STATUS_NO_MEMORY);
	assert_true(mem_fail_after(0, false));
	(void)slabs_take(&slabs, 0);
	assert_int_equal(keys_init(&table, &slabs, 100), STATUS_NO_MEMORY);
	slabs_fini(&slabs);
}

enum { STABLE = 2000, WAVES = 60, WAVE = 400 };

struct reader {
	struct fixture *fixture;
	_Atomic bool *stop;
	uint64_t wrong, missed, found;
};

/* Keys that are always there may be missed for a moment, but never mistaken for another. */
static void *reader_run(void *argument)
{
	struct reader *reader = argument;
	bool last = false;

	/* Once more when all is quiet. */
	while (!last) {
		last = *reader->stop;
		for (uint32_t i = 0; i < STABLE; i++) {
			struct store_key keys[2] = {key_of(i), key_of(i + 1)};
			uint32_t numbers[2];

			keys_find_many(&reader->fixture->table, keys, 2, numbers);
			reader->wrong += numbers[1] != i + 1 && numbers[1] != KEYS_NONE;
			numbers[1] = keys_find(&reader->fixture->table, keys[0]);
			for (uint32_t k = 0; k < 2; k++) {
				reader->found += numbers[k] == i;
				reader->missed += numbers[k] == KEYS_NONE;
				reader->wrong += numbers[k] != i && numbers[k] != KEYS_NONE;
			}
		}
		for (uint32_t i = STABLE; i < STABLE + WAVE; i++) {
			uint32_t number = keys_find(&reader->fixture->table, key_of(i));

			reader->wrong += number != i && number != KEYS_NONE;
		}
	}
	return NULL;
}

static bool is_wave(void *argument, uint32_t number)
{
	return number >= STABLE;
}

static void reading_while_it_changes_is_safe(void **state)
{
	struct fixture fixture;
	_Atomic bool stop = false;
	struct reader readers[2] = {{&fixture, &stop, 0, 0, 0}, {&fixture, &stop, 0, 0, 0}};
	pthread_t threads[2];

	fixture_open(&fixture, 4 << 20, 100000);
	for (uint32_t i = 0; i < STABLE; i++)
		assert_true(keys_insert(&fixture.table, key_of(i), i));
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &readers[i]), 0);
	for (uint32_t wave = 0; wave < WAVES; wave++) {
		uint64_t cursor = 0;

		for (uint32_t i = STABLE; i < STABLE + WAVE * (1 + wave % 3); i++)
			assert_true(keys_insert(&fixture.table, key_of(i), i));
		for (uint32_t i = STABLE; i < STABLE + 20; i++)
			assert_true(keys_remove(&fixture.table, key_of(i)));
		while (keys_sweep_page(&fixture.table, &cursor, is_wave, NULL))
			;
	}
	stop = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].wrong, 0);
		assert_true(readers[i].found >= 2 * STABLE);
	}
	assert_int_equal(fixture.table.count, STABLE);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_went_in_is_found),
		cmocka_unit_test(random_changes_match_a_model),
		cmocka_unit_test(keys_alike_in_one_half_are_told_apart),
		cmocka_unit_test(a_sweep_sees_every_key_once),
		cmocka_unit_test(a_full_region_refuses_and_keeps_what_is_there),
		cmocka_unit_test(no_memory_is_an_answer),
		cmocka_unit_test(reading_while_it_changes_is_safe),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
