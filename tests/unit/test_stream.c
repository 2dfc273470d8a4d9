/*
 * A detector that learns as it goes: when it begins to judge, that it learns anew, and that a failed fit
 * costs nothing but itself.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzers/detect/stream.h"
#include "base/mem.h"
#include "base/random.h"

static const struct stream_config config = {.detector = "forest",
	.settings = {.seed = 3, .trees = 20},
	.first_rows = 100,
	.refit_rows = 50,
	.history_rows = 200};

static double step(struct stream *stream, double value)
{
	struct error error;
	double score = stream_step(stream, &value, NULL, &error);

	assert_int_equal(error.code, STATUS_OK);
	return score;
}

static void judging_begins_with_the_first_fit(void **state)
{
	struct error error;
	struct stream *stream = stream_open(&config, 1, &error);
	struct random dice;

	random_init(&dice, 1);
	for (size_t i = 0; i < 100; i++)
		assert_true(isnan(step(stream, random_normal(&dice))));
	for (size_t i = 0; i < 100; i++)
		assert_true(step(stream, random_normal(&dice)) < 4);
	assert_true(step(stream, 9) > 1.5);
	assert_true(stream_size(stream) < 100000);
	stream_close(stream);
}

static void what_lasts_becomes_usual(void **state)
{
	struct error error;
	struct stream *stream = stream_open(&config, 1, &error);
	struct random dice;
	double before = 0, after = 0;

	random_init(&dice, 2);
	for (size_t i = 0; i < 1000; i++) {
		double score = step(stream, random_normal(&dice) + (i < 500 ? 0 : 20));

		if (i >= 500 && i < 530)
			before += score;
		if (i >= 900 && i < 930)
			after += score;
	}
	assert_true(before > 30 * 1.5);
	assert_true(after < before / 2);
	stream_close(stream);
}

static void a_fit_that_fails_says_so_and_leaves_the_old_one(void **state)
{
	struct error error;
	struct stream *stream = stream_open(&config, 1, &error);
	double value = 0;
	struct random dice;

	random_init(&dice, 3);
	for (size_t i = 0; i < 149; i++)
		(void)step(stream, random_normal(&dice));
	mem_fail_after(1, true);
	(void)stream_step(stream, &value, NULL, &error);
	assert_true(mem_fail_after(0, false));
	assert_int_equal(error.code, STATUS_NO_MEMORY);
	assert_true(isfinite(step(stream, 0)));
	stream_close(stream);
}

static void rows_without_numbers_are_not_judged(void **state)
{
	struct error error;
	struct stream *stream = stream_open(&config, 1, &error);
	double nothing = NAN;
	struct random dice;

	/* Nothing can be learnt from nothing, which is told. */
	for (size_t i = 0; i < 99; i++)
		assert_true(isnan(stream_step(stream, &nothing, NULL, &error)));
	assert_true(isnan(stream_step(stream, &nothing, NULL, &error)));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	random_init(&dice, 4);
	for (size_t i = 0; i < 300; i++)
		(void)step(stream, random_normal(&dice));
	assert_true(isnan(step(stream, NAN)));
	assert_true(isnan(step(stream, 1e308)));
	stream_close(stream);
}

static void impossible_settings_are_refused(void **state)
{
	struct stream_config bad = config;
	struct error error;

	bad.detector = "oracle";
	assert_null(stream_open(&bad, 1, &error));
	assert_int_equal(error.code, STATUS_NOT_FOUND);
	bad = config;
	bad.history_rows = 99;
	assert_null(stream_open(&bad, 1, &error));
	bad.history_rows = STREAM_HISTORY_MAX + 1;
	assert_null(stream_open(&bad, 1, &error));
	assert_null(stream_open(&config, 0, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
}

static void each_failed_allocation_is_an_answer(void **state)
{
	struct error error;
	bool reached = true;

	for (long n = 1; reached; n++) {
		struct stream *stream;

		mem_fail_after(n, false);
		stream = stream_open(&config, 2, &error);
		reached = mem_fail_after(0, false);
		assert_true(reached == (stream == NULL));
		if (reached)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		stream_close(stream);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judging_begins_with_the_first_fit),
		cmocka_unit_test(what_lasts_becomes_usual),
		cmocka_unit_test(a_fit_that_fails_says_so_and_leaves_the_old_one),
		cmocka_unit_test(rows_without_numbers_are_not_judged),
		cmocka_unit_test(impossible_settings_are_refused),
		cmocka_unit_test(each_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
