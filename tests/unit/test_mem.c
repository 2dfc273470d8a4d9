/* run-under: tsan */
/*
 * The heap's door: sizes, overflow, and faults that fall exactly where they were armed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

static int disarm(void **state)
{
	mem_fail_after(0, false);
	return 0;
}

static void size_zero_is_a_block(void **state)
{
	void *blocks[] = {mem_alloc(0), mem_zalloc(0, 8), mem_resize(NULL, 0, 8),
		mem_alloc_aligned(64, 0)};

	for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
		assert_non_null(blocks[i]);
		mem_free(blocks[i]);
	}
	mem_free(NULL);
}

static void zalloc_is_zeroed(void **state)
{
	unsigned char *block = mem_zalloc(100, 3);

	assert_non_null(block);
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(block[i], 0);
	mem_free(block);
}

static void sizes_that_overflow_are_refused(void **state)
{
	void *old = mem_alloc(8);

	assert_null(mem_zalloc(SIZE_MAX / 2, 3));
	assert_null(mem_zalloc(SIZE_MAX / 8, 8));
	assert_null(mem_resize(old, SIZE_MAX / 2, 3));
	assert_null(mem_resize(old, SIZE_MAX / 8, 8));
	assert_null(mem_alloc(SIZE_MAX));
	assert_null(mem_alloc_aligned(16, SIZE_MAX));
	memset(old, 1, 8); /* still valid */
	mem_free(old);
}

static void resize_keeps_the_content(void **state)
{
	char *block = mem_alloc(4);

	assert_non_null(block);
	memcpy(block, "abc", 4);
	block = mem_resize(block, 1000, 2);
	assert_non_null(block);
	assert_string_equal(block, "abc");
	mem_free(block);
}

static void aligned_is_aligned(void **state)
{
	for (size_t aligned = sizeof(void *); aligned <= 4096; aligned *= 2) {
		void *block = mem_alloc_aligned(aligned, 100);
		assert_non_null(block);
		assert_int_equal((uintptr_t)block % aligned, 0);
		mem_free(block);
	}
}

static void strndup_stops_at_the_end_of_text(void **state)
{
	char *whole = mem_strdup("abc"), *part = mem_strndup("abcdef", 3),
	     *most = mem_strndup("abc", 100);

	assert_string_equal(whole, "abc");
	assert_string_equal(part, "abc");
	assert_string_equal(most, "abc");
	mem_free(whole);
	mem_free(part);
	mem_free(most);
}

static void each_function_can_be_made_to_fail(void **state)
{
	mem_fail_after(1, true);
	assert_null(mem_alloc(1));
	assert_null(mem_zalloc(1, 1));
	assert_null(mem_resize(NULL, 1, 1));
	assert_null(mem_alloc_aligned(16, 1));
	assert_null(mem_strdup("a"));
	assert_null(mem_strndup("a", 1));
	assert_true(mem_fail_after(0, false));
}

static void the_nth_fails_and_no_other(void **state)
{
	for (long nth = 1; nth <= 5; nth++) {
		mem_fail_after(nth, false);
		for (long i = 1; i <= 6; i++) {
			void *block = mem_alloc(1);
			if (i == nth)
				assert_null(block);
			else
				assert_non_null(block);
			mem_free(block);
		}
		assert_true(mem_fail_after(0, false));
	}
}

static void a_sticky_fault_stays(void **state)
{
	mem_fail_after(2, true);
	void *block = mem_alloc(1);
	assert_non_null(block);
	mem_free(block);
	for (int i = 0; i < 3; i++)
		assert_null(mem_alloc(1));
	assert_true(mem_fail_after(0, false));
	block = mem_alloc(1);
	assert_non_null(block);
	mem_free(block);
}

static void a_fault_not_reached_is_told(void **state)
{
	mem_fail_after(3, false);
	void *block = mem_alloc(1);
	mem_free(block);
	assert_false(mem_fail_after(5, false)); /* arming again answers for the fault before */
	assert_false(mem_fail_after(0, false));
}

#define THREADS 4
#define ALLOCATIONS 2000

static atomic_long failures;

static void *allocate_often(void *argument)
{
	for (int i = 0; i < ALLOCATIONS; i++) {
		void *block = mem_alloc(16);
		if (block == NULL)
			atomic_fetch_add(&failures, 1);
		mem_free(block);
	}
	return NULL;
}

static void threads_draw_one_fault_once(void **state)
{
	pthread_t threads[THREADS];

	atomic_store(&failures, 0);
	mem_fail_after(THREADS * ALLOCATIONS / 2, false);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_often, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 1);
	assert_true(mem_fail_after(0, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_zero_is_a_block),
		cmocka_unit_test(zalloc_is_zeroed),
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(resize_keeps_the_content),
		cmocka_unit_test(aligned_is_aligned),
		cmocka_unit_test(strndup_stops_at_the_end_of_text),
		cmocka_unit_test_teardown(each_function_can_be_made_to_fail, disarm),
		cmocka_unit_test_teardown(the_nth_fails_and_no_other, disarm),
		cmocka_unit_test_teardown(a_sticky_fault_stays, disarm),
		cmocka_unit_test_teardown(a_fault_not_reached_is_told, disarm),
		cmocka_unit_test_teardown(threads_draw_one_fault_once, disarm),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
