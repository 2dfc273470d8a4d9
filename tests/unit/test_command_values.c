/*
 * Values of flags: taken when they are right, refused when they are not, and left as they were when the flag
 * is not given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/command_values.h"

static const struct command_line *line_of(const char *name, const char *value)
{
	static struct command_line line;

	line = (struct command_line){.own = {{name, value}}, .own_count = name != NULL ? 1 : 0};
	return &line;
}

static void a_flag_that_is_not_given_changes_nothing(void **state)
{
	int64_t natural = 7;
	double number = 1.5;

	assert_true(flag_natural(line_of("other", "1"), "seed", 8, 9, &natural));
	assert_true(flag_number(line_of(NULL, NULL), "seed", 8, 9, &number));
	assert_true(natural == 7 && number == 1.5);
}

static void numbers_are_taken_within_their_bounds(void **state)
{
	static const char *const bad[] = {"0", "6", "-2", "x", "2x", "", "1.5",
		"99999999999999999999"};
	int64_t natural = 0;

	assert_true(flag_natural(line_of("seed", "1"), "seed", 1, 5, &natural) && natural == 1);
	assert_true(flag_natural(line_of("seed", "5"), "seed", 1, 5, &natural) && natural == 5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(flag_natural(line_of("seed", bad[i]), "seed", 1, 5, &natural));
}

static void what_is_no_number_within_bounds_is_refused(void **state)
{
	static const char *const bad[] = {".04", ".51", "nan", "inf", "-inf", "x", ""};
	double number = 0;

	assert_true(flag_number(line_of("part", ".05"), "part", .05, .5, &number));
	assert_true(number == .05);
	assert_true(flag_number(line_of("part", "0.5"), "part", .05, .5, &number));
	assert_true(number == .5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(flag_number(line_of("part", bad[i]), "part", .05, .5, &number));
}

static void a_pair_is_two_numbers_and_a_sign(void **state)
{
	static const char *const bad[] = {"5", "5,", ",15", "5;15", "5,15,20", "a,b",
		"000000000000000000000000005,15"};
	int64_t first, second;

	assert_true(text_pair("5,15", ',', &first, &second) && first == 5 && second == 15);
	assert_true(text_pair("60-240", '-', &first, &second) && first == 60 && second == 240);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(text_pair(bad[i], ',', &first, &second));
}

static void a_refusal_is_a_matter_of_usage(void **state)
{
	assert_int_equal(usage_refused("say which rows", NULL), EXIT_USAGE);
	assert_int_equal(usage_refused("no such shape", "x"), EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flag_that_is_not_given_changes_nothing),
		cmocka_unit_test(numbers_are_taken_within_their_bounds),
		cmocka_unit_test(what_is_no_number_within_bounds_is_refused),
		cmocka_unit_test(a_pair_is_two_numbers_and_a_sign),
		cmocka_unit_test(a_refusal_is_a_matter_of_usage),
	};

	return cmocka_run_group_tests_name("command_values", tests, NULL, NULL);
}
