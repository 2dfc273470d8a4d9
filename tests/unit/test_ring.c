/* Rings: order, retention, and what happens when memory is out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/ring.h"

enum { BLOCK = 64 };

struct fixture {
	struct slabs slabs;
	struct ring_memory memory;
};

static void fixture_open(struct fixture *fixture, uint64_t bytes, int64_t retention_ms)
{
	struct error error;

	memset(fixture, 0, sizeof(*fixture));
	assert_int_equal(slabs_init(&fixture->slabs, bytes, 4096, &error), STATUS_OK);
	cell_pool_init(&fixture->memory.blocks, &fixture->slabs, BLOCK);
	fixture->memory.retention_ms = retention_ms;
}

/* A value that takes about nine bytes, so that chunks fill soon. */
static uint64_t value_of(int64_t t_ms)
{
	struct random random;

	random_init(&random, (uint64_t)t_ms);
	return random_u64(&random);
}

/* Reads everything within the bounds, checks the values, returns the number and the first time. */
static uint32_t ring_read(struct fixture *fixture, const struct ring *ring, int64_t from_ms,
	int64_t to_ms, int64_t *first_ms)
{
	static struct ring_copy copy;
	uint32_t count = 0;
	int64_t resume_ms = from_ms;

	do {
		ring_copy_chunks(ring, &fixture->memory, resume_ms, to_ms, &copy);
		for (uint32_t i = 0; i < copy.chunk_count; i++) {
			const struct chunk *chunk =
				(const void *)(copy.bytes + i * copy.chunk_size);
			struct chunk_reader reader;

			chunk_reader_init(&reader, chunk, copy.chunk_size);
			while (chunk_next(&reader)) {
				if (reader.end.t_ms < from_ms || reader.end.t_ms > to_ms)
					continue;
				if (count++ == 0)
					*first_ms = reader.end.t_ms;
				assert_int_equal(reader.end.t_ms,
					*first_ms + (count - 1) * INT64_C(1000));
				assert_int_equal(reader.end.bits, value_of(reader.end.t_ms));
			}
		}
		resume_ms = copy.resume_ms;
	} while (copy.more);
	return count;
}

static void fill(struct fixture *fixture, struct ring *ring, int64_t from_ms, int64_t to_ms)
{
	for (int64_t t = from_ms; t <= to_ms; t += 1000)
		assert_int_equal(ring_append(ring, &fixture->memory, t, value_of(t)),
			APPEND_STORED);
}

static void late_and_repeated_samples_change_nothing(void **state)
{
	struct fixture fixture;
	struct ring ring = {0}, before;

	fixture_open(&fixture, 65536, 1000000);
	assert_true(ring_init(&ring, &fixture.memory));
	fill(&fixture, &ring, 1000, 50000);
	before = ring;
	assert_int_equal(ring_append(&ring, &fixture.memory, 49000, value_of(49000)), APPEND_LATE);
	assert_int_equal(ring_append(&ring, &fixture.memory, -5, 1), APPEND_LATE);
	assert_int_equal(ring_append(&ring, &fixture.memory, 50000, value_of(50000)),
		APPEND_REPEATED);
	assert_int_equal(ring_append(&ring, &fixture.memory, 50000, 1), APPEND_CONFLICT);
	assert_int_equal(ring_append(&ring, &fixture.memory, 50000, STORE_STALE_BITS),
		APPEND_CONFLICT);
	assert_memory_equal(&before, &ring, sizeof(ring));
	assert_int_equal(fixture.memory.samples, 50);
	slabs_fini(&fixture.slabs);
}

/* Three samples so far apart; where they stand in the end. */
static uint32_t bits_of_three(struct fixture *fixture, int64_t apart_ms)
{
	static struct ring_copy copy;
	struct chunk_reader reader;
	struct ring ring = {0};

	assert_true(ring_init(&ring, &fixture->memory));
	for (int64_t i = 0; i < 3; i++)
		assert_int_equal(ring_append(&ring, &fixture->memory, 1000 + i * apart_ms, 0),
			APPEND_STORED);
	ring_copy_chunks(&ring, &fixture->memory, 0, INT64_MAX, &copy);
	chunk_reader_init(&reader, (const void *)copy.bytes, copy.chunk_size);
	for (int64_t i = 0; i < 3; i++) {
		assert_true(chunk_next(&reader));
		assert_int_equal(reader.end.t_ms, 1000 + i * apart_ms);
	}
	assert_false(chunk_next(&reader));
	return ring.end.position;
}

static void samples_that_come_as_expected_tell_no_time(void **state)
{
	struct fixture fixture;
	uint32_t told;

	fixture_open(&fixture, 65536, 1000000);
	told = bits_of_three(&fixture, 15000);
	fixture.memory.step_ms = 15000;
	/* What is left is the first value and a bit for each of the others. */
	assert_int_equal(bits_of_three(&fixture, 15000), 6 + 2);
	assert_true(told > 6 + 2 + 16);
	/* Another distance is told once more than else. */
	assert_true(bits_of_three(&fixture, 60000) < told + 48);
	assert_true(bits_of_three(&fixture, 1) < told + 48);
	slabs_fini(&fixture.slabs);
}

static void a_series_lives_on_after_its_stale_marker(void **state)
{
	struct fixture fixture;
	struct ring ring = {0};

	fixture_open(&fixture, 65536, 1000000);
	assert_true(ring_init(&ring, &fixture.memory));
	assert_int_equal(ring_append(&ring, &fixture.memory, 1000, 1), APPEND_STORED);
	assert_int_equal(ring_append(&ring, &fixture.memory, 2000, STORE_STALE_BITS),
		APPEND_STALE_MARKER);
	assert_int_equal(ring_append(&ring, &fixture.memory, 2000, STORE_STALE_BITS),
		APPEND_REPEATED);
	assert_int_equal(ring_append(&ring, &fixture.memory, 3000, 1), APPEND_STORED);
	slabs_fini(&fixture.slabs);
}

static void the_retention_is_kept_and_little_more(void **state)
{
	struct fixture fixture;
	struct ring ring = {0};
	int64_t first = 0;

	fixture_open(&fixture, 1 << 20, 100000);
	assert_true(ring_init(&ring, &fixture.memory));
	for (int64_t t = 0; t < 3000000; t += 1000) {
		uint32_t count;

		fill(&fixture, &ring, t, t);
		if (t % 7000 != 0)
			continue;
		count = ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first);
		assert_int_equal(count, fixture.memory.samples);
		assert_int_equal(first + (count - 1) * INT64_C(1000), t);
		/* A hundred and one at least, and less than two chunks of them more. */
		assert_in_range(count, t < 100000 ? t / 1000 + 1 : 101, 120);
	}
	assert_int_equal(fixture.memory.overwritten, 0);
	assert_in_range(fixture.memory.blocks.used, 15, 30);
	slabs_fini(&fixture.slabs);
}

static void windows_are_cut_at_both_ends(void **state)
{
	struct fixture fixture;
	struct ring ring = {0};
	int64_t first = 0;

	fixture_open(&fixture, 1 << 20, 100000000);
	assert_true(ring_init(&ring, &fixture.memory));
	assert_int_equal(ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first), 0);
	/* More chunks than one copy takes. */
	fill(&fixture, &ring, 0, 2000000);
	for (int64_t from = -1500; from < 2003000; from += 123500) {
		for (int64_t to = from; to < 2003000; to += 77500) {
			int64_t low = from < 0 ? 0 : (from + 999) / 1000;
			int64_t high = to > 2000000 ? 2000 : to < 0 ? -1 : to / 1000;
			int64_t expected = high < low ? 0 : high - low + 1;

			assert_int_equal(ring_read(&fixture, &ring, from, to, &first), expected);
			if (expected > 0)
				assert_int_equal(first, low * 1000);
		}
	}
	slabs_fini(&fixture.slabs);
}

static void without_memory_the_oldest_chunk_goes(void **state)
{
	struct fixture fixture;
	struct ring ring = {0};
	int64_t first = 0;
	uint32_t count;

	/* Two slabs, 128 blocks. */
	fixture_open(&fixture, 3 * 4096, 100000000);
	assert_true(ring_init(&ring, &fixture.memory));
	fill(&fixture, &ring, 0, 2000000);
	count = ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first);
	assert_int_equal(fixture.memory.blocks.used, 128);
	assert_in_range(count, 127 * 4, 128 * 8);
	assert_int_equal(first, 2001000 - count * INT64_C(1000));
	assert_int_equal(fixture.memory.samples, count);
	assert_int_equal(fixture.memory.overwritten, 2001 - count);
	slabs_fini(&fixture.slabs);
}

static void with_one_block_and_no_memory_samples_are_still_taken(void **state)
{
	struct fixture fixture;
	struct ring ring = {0}, other = {0};
	int64_t first = 0;

	fixture_open(&fixture, 2 * 4096, 100000000);
	fixture.memory.keep = 1;
	assert_true(ring_init(&ring, &fixture.memory));
	for (int i = 0; i < 63; i++) {
		memset(&other, 0, sizeof(other));
		assert_true(ring_init(&other, &fixture.memory));
	}
	assert_false(ring_init(&other, &fixture.memory));
	fill(&fixture, &ring, 0, 100000);
	assert_in_range(ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first), 1, 8);
	assert_int_equal(ring.end.t_ms, 100000);
	assert_int_equal(((struct chunk *)slab_at(&fixture.slabs, ring.head))->next, ring.head);
	slabs_fini(&fixture.slabs);
}

static void kept_slabs_are_for_new_rings(void **state)
{
	struct fixture fixture;
	struct ring ring = {0}, other = {0};

	fixture_open(&fixture, 5 * 4096, 100000000);
	fixture.memory.keep = 2;
	assert_true(ring_init(&ring, &fixture.memory));
	fill(&fixture, &ring, 0, 2000000);
	assert_int_equal(fixture.memory.blocks.used, 128);
	assert_true(ring_init(&other, &fixture.memory));
	slabs_fini(&fixture.slabs);
}

static void clearing_keeps_one_block(void **state)
{
	struct fixture fixture;
	struct ring ring = {0};
	int64_t first = 0;
	uint16_t generation;

	fixture_open(&fixture, 1 << 20, 100000000);
	assert_true(ring_init(&ring, &fixture.memory));
	fill(&fixture, &ring, 0, 200000);
	generation = ring.end.owner;
	ring_clear(&ring, &fixture.memory);
	assert_int_not_equal(ring.end.owner, generation);
	assert_int_equal(fixture.memory.blocks.used, 1);
	assert_int_equal(fixture.memory.samples, 0);
	assert_int_equal(ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first), 0);
	/* Older samples than before are not late any more. */
	fill(&fixture, &ring, -5000, 5000);
	assert_int_equal(ring_read(&fixture, &ring, INT64_MIN, INT64_MAX, &first), 11);
	slabs_fini(&fixture.slabs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_and_repeated_samples_change_nothing),
		cmocka_unit_test(samples_that_come_as_expected_tell_no_time),
		cmocka_unit_test(a_series_lives_on_after_its_stale_marker),
		cmocka_unit_test(the_retention_is_kept_and_little_more),
		cmocka_unit_test(windows_are_cut_at_both_ends),
		cmocka_unit_test(without_memory_the_oldest_chunk_goes),
		cmocka_unit_test(with_one_block_and_no_memory_samples_are_still_taken),
		cmocka_unit_test(kept_slabs_are_for_new_rings),
		cmocka_unit_test(clearing_keeps_one_block),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
