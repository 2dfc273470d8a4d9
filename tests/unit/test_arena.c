/*
 * The arena: aligned, bounded, reset instead of freed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

static void takes_no_memory_before_it_is_used(void **state)
{
	struct arena arena;

	arena_init(&arena, 1000);
	assert_int_equal(arena.held, 0);
	arena_reset(&arena);
	arena_fini(&arena);
}

static void blocks_are_aligned_and_apart(void **state)
{
	struct arena arena;
	char *blocks[500];

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < 500; i++) {
		blocks[i] = arena_alloc(&arena, i);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		memset(blocks[i], (int)(i & 0xff), i);
	}
	for (size_t i = 1; i < 500; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_equal((unsigned char)blocks[i][j], i & 0xff);
	}
	arena_fini(&arena);
}

static void never_holds_more_than_its_maximum(void **state)
{
	for (size_t max = 0; max < 40000; max += 997) {
		struct arena arena;
		size_t given = 0;

		arena_init(&arena, max);
		while (arena_alloc(&arena, 100) != NULL) {
			given += 112;
			assert_true(arena.held <= max);
			assert_int_equal(arena.used, given);
		}
		/* The last block is as large as the maximum allows: little is lost. */
		assert_true(given + 112 * 8 + 200 >= max);
		arena_fini(&arena);
	}
}

static void over_the_maximum_is_null_and_harms_nothing(void **state)
{
	struct arena arena;
	char *text;

	arena_init(&arena, 10000);
	text = arena_strndup(&arena, "kept", 4);
	assert_non_null(text);
	assert_null(arena_alloc(&arena, 10000));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_null(arena_zalloc(&arena, SIZE_MAX / 2, 4));
	assert_string_equal(text, "kept");
	assert_non_null(arena_alloc(&arena, 100));
	arena_fini(&arena);
	arena_init(&arena, SIZE_MAX);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 20));
	arena_fini(&arena);
}

static void a_block_larger_than_the_step_has_room(void **state)
{
	struct arena arena;
	char *block;

	arena_init(&arena, 8 << 20);
	block = arena_alloc(&arena, 3 << 20);
	assert_non_null(block);
	memset(block, 1, 3 << 20);
	arena_fini(&arena);
}

static void reset_keeps_the_first_block_only(void **state)
{
	struct arena arena;
	void *first, *again;

	arena_init(&arena, 1 << 20);
	first = arena_alloc(&arena, 10);
	size_t held = arena.held;
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&arena, 1000));
	assert_true(arena.held > held);
	arena_reset(&arena);
	assert_int_equal(arena.held, held);
	assert_int_equal(arena.used, 0);
	again = arena_alloc(&arena, 10);
	assert_ptr_equal(first, again);
	arena_fini(&arena);
	assert_int_equal(arena.held, 0);
}

static void reset_does_not_keep_a_large_block(void **state)
{
	struct arena arena;

	arena_init(&arena, 8 << 20);
	assert_non_null(arena_alloc(&arena, 4 << 20));
	arena_reset(&arena);
	assert_int_equal(arena.held, 0);
	assert_non_null(arena_alloc(&arena, 4 << 20));
	arena_fini(&arena);
}

static void zalloc_is_zero_after_a_reset_too(void **state)
{
	struct arena arena;
	unsigned char *bytes;

	arena_init(&arena, 10000);
	bytes = arena_alloc(&arena, 64);
	assert_non_null(bytes);
	memset(bytes, 0xff, 64);
	arena_reset(&arena);
	bytes = arena_zalloc(&arena, 16, 4);
	assert_non_null(bytes);
	for (int i = 0; i < 64; i++)
		assert_int_equal(bytes[i], 0);
	arena_fini(&arena);
}

static void texts_are_copied_and_formatted(void **state)
{
	struct arena arena;
	char *text;

	arena_init(&arena, 100000);
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&arena, "ab", 30), "ab");
	assert_string_equal(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
	text = arena_printf(&arena, "%09000d", 1);
	assert_int_equal(strlen(text), 9000);
	assert_null(arena_printf(&arena, "%0100000d", 1));
	assert_string_equal(arena_strndup(&arena, text, 9000), text);
	arena_fini(&arena);
}

static void failed_allocation_is_null_and_the_arena_goes_on(void **state)
{
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct arena arena;

		arena_init(&arena, 1 << 20);
		mem_fail_after(nth, false);
		for (int i = 0; i < 50; i++) {
			char *block = arena_alloc(&arena, 2000);
			if (block != NULL)
				memset(block, i, 2000);
		}
		reached = mem_fail_after(0, false);
		assert_non_null(arena_printf(&arena, "%d", 1));
		arena_reset(&arena);
		assert_non_null(arena_alloc(&arena, 1));
		arena_fini(&arena);
		assert_true(nth < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_no_memory_before_it_is_used),
		cmocka_unit_test(blocks_are_aligned_and_apart),
		cmocka_unit_test(never_holds_more_than_its_maximum),
		cmocka_unit_test(over_the_maximum_is_null_and_harms_nothing),
		cmocka_unit_test(a_block_larger_than_the_step_has_room),
		cmocka_unit_test(reset_keeps_the_first_block_only),
		cmocka_unit_test(reset_does_not_keep_a_large_block),
		cmocka_unit_test(zalloc_is_zero_after_a_reset_too),
		cmocka_unit_test(texts_are_copied_and_formatted),
		cmocka_unit_test(failed_allocation_is_null_and_the_arena_goes_on),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
