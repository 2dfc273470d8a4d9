/* Slabs and cells: a hard end, cells that do not overlap, memory used again. */
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
#include "store/slab.h"

static void slabs_open(struct slabs *slabs, uint64_t bytes)
{
	struct error error;

	assert_int_equal(slabs_init(slabs, bytes, 4096, &error), STATUS_OK);
}

static void the_region_has_a_hard_end(void **state)
{
	struct slabs slabs;
	uint32_t taken = 0, last = 0, slab;

	slabs_open(&slabs, 65536 + 100);
	while ((slab = slabs_take(&slabs, 0)) != 0) {
		assert_true(slab > last);
		memset(slab_at(&slabs, slab), 1, 4096);
		last = slab;
		taken++;
	}
	assert_int_equal(taken, 15);
	assert_int_equal(slabs_bytes(&slabs), 15 * 4096);
	assert_int_equal(slabs_take(&slabs, 0), 0);
	slabs_fini(&slabs);
}

static void kept_slabs_are_for_others(void **state)
{
	struct slabs slabs;

	slabs_open(&slabs, 65536);
	for (int i = 0; i < 11; i++)
		assert_int_not_equal(slabs_take(&slabs, 4), 0);
	assert_int_equal(slabs_take(&slabs, 4), 0);
	assert_int_not_equal(slabs_take(&slabs, 3), 0);
	slabs_fini(&slabs);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct slabs slabs;
	struct error error;

	assert_int_equal(slabs_init(&slabs, 4096, 4096, &error), STATUS_LIMIT);
	assert_int_equal(slabs_init(&slabs, SLABS_BYTES_MAX + 1, 4096, &error), STATUS_LIMIT);
	mem_fail_after(1, false);
	assert_int_equal(slabs_init(&slabs, 65536, 4096, &error), STATUS_NO_MEMORY);
	assert_true(mem_fail_after(0, false));
}

/* Random taking and giving over all classes; each cell is filled with its own pattern. */
static void cells_never_overlap(void **state)
{
	enum { CELLS = 200 };
	static struct {
		uint32_t handle, size;
		unsigned char fill;
	} cells[CELLS];
	struct cell_classes classes;
	struct slabs slabs;
	struct random random;
	uint64_t peak = 0;

	slabs_open(&slabs, 16 << 20);
	cell_classes_init(&classes, &slabs);
	random_init(&random, 1);
	for (int round = 0; round < 20000; round++) {
		size_t i = random_below(&random, CELLS);
		unsigned char *bytes = slab_at(&slabs, cells[i].handle);

		if (cells[i].handle != 0) {
			for (uint32_t k = 0; k < cells[i].size; k++)
				assert_int_equal(bytes[k], cells[i].fill);
			classes_give(&classes, cells[i].handle, cells[i].size);
			cells[i].handle = 0;
			continue;
		}
		cells[i].size =
			1 + (uint32_t)random_below(&random, random_below(&random, 8) ? 300 : 4096);
		cells[i].fill = (unsigned char)round;
		cells[i].handle = classes_take(&classes, cells[i].size);
		assert_int_not_equal(cells[i].handle, 0);
		assert_true(classes_room(&classes, cells[i].size) >= cells[i].size);
		memset(slab_at(&slabs, cells[i].handle), cells[i].fill, cells[i].size);
		if (round == 10000)
			peak = slabs_bytes(&slabs);
	}
	/* What was given back is used again. */
	assert_true(slabs_bytes(&slabs) <= peak * 3 / 2);
	assert_int_equal(classes_take(&classes, 16385), 0);
	assert_int_equal(classes_room(&classes, 16385), 0);
	/* Larger than a slab. */
	assert_int_equal(classes_take(&classes, 5000), 0);
	slabs_fini(&slabs);
}

static void records_stay_where_they_are(void **state)
{
	struct segments segments;
	struct slabs slabs;
	uint64_t *first;

	slabs_open(&slabs, 1 << 20);
	assert_int_equal(segments_init(&segments, &slabs, 8, 10000), STATUS_OK);
	assert_true(segments_fixed_bytes(&segments) > 0);
	assert_true(segments_grow(&segments, 0));
	first = segment_at(&segments, 0);
	*first = 77;
	for (uint32_t i = 0; i < 10000; i++) {
		assert_true(segments_grow(&segments, i));
		if (i > 0)
			assert_int_equal(*(uint64_t *)segment_at(&segments, i), 0);
		*(uint64_t *)segment_at(&segments, i) = i;
	}
	assert_ptr_equal(first, segment_at(&segments, 0));
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(*(uint64_t *)segment_at(&segments, i), i);
	segments_fini(&segments);
	mem_fail_after(1, false);
	assert_int_equal(segments_init(&segments, &slabs, 8, 10000), STATUS_NO_MEMORY);
	assert_true(mem_fail_after(0, false));
	slabs_fini(&slabs);
}

static void growing_ends_with_the_region(void **state)
{
	struct segments segments;
	struct slabs slabs;
	uint32_t i = 0;

	slabs_open(&slabs, 16384);
	assert_int_equal(segments_init(&segments, &slabs, 64, 10000), STATUS_OK);
	while (segments_grow(&segments, i))
		i++;
	assert_int_equal(i, 3 * 64);
	segments_fini(&segments);
	slabs_fini(&slabs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_region_has_a_hard_end),
		cmocka_unit_test(kept_slabs_are_for_others),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(cells_never_overlap),
		cmocka_unit_test(records_stay_where_they_are),
		cmocka_unit_test(growing_ends_with_the_region),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
