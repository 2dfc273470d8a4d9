/*
 * The maximum to come: scheduled bursts are foreseen, quantiles keep what they promise, missing slots are
 * no zeros.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/forecast/peak.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define SLOTS 6000
#define DAY 1440
#define STEP_MS INT64_C(60000)
#define START_MS (INT64_C(1699833600000))

static struct peak_config small_config(void)
{
	struct peak_config config;

	peak_config_default(&config);
	config.slot_ms = STEP_MS;
	config.horizon = 5;
	return config;
}

/* A burst of four times the level in each hour from minute 20 to 24. */
static void bursts_fill(double *values, size_t count, double unit)
{
	struct random random;

	random_init(&random, 7);
	for (size_t i = 0; i < count; i++)
		values[i] = unit * (i % 60 >= 20 && i % 60 < 25 ? 400 : 100) *
			exp(.05 * random_normal(&random));
}

static struct peak *fitted(const struct peak_config *config, const double *values, size_t count)
{
	struct error error;
	struct peak *peak = peak_open(config, &error);

	assert_non_null(peak);
	assert_int_equal(peak_fit(peak, values, count, START_MS, &error), STATUS_OK);
	return peak;
}

static void step(struct peak *peak, const double *values, size_t i)
{
	peak_step(peak, values[i], START_MS + (int64_t)i * STEP_MS);
}

static void a_burst_by_the_clock_is_foreseen(void **state)
{
	static double values[SLOTS];
	struct peak_config config = small_config();
	double said[PEAK_LEVELS], before = 0, quiet = 0;
	struct peak *peak;

	bursts_fill(values, SLOTS, 1);
	peak = fitted(&config, values, 3 * DAY);
	for (size_t i = 3 * DAY; i < SLOTS; i++) {
		step(peak, values, i);
		peak_predict(peak, said);
		for (size_t j = 1; j < PEAK_LEVELS; j++)
			assert_true(said[j] >= said[j - 1]);
		/* The next five minutes are 18 to 22, or 41 to 45. */
		if (i % 60 == 17)
			before = fmax(before, fabs(said[4] / 400 - 1));
		if (i % 60 == 40)
			quiet = fmax(quiet, said[4]);
	}
	print_message("off by %.2f before bursts, %.0f when it is quiet\n", before, quiet);
	assert_true(before < .3);
	assert_true(quiet < 150);
	peak_close(peak);
}

static void quantiles_hold_their_share_after_a_change_too(void **state)
{
	static double values[20 * DAY];
	struct peak_config config = small_config();
	static double said[20 * DAY];
	double quantiles[PEAK_LEVELS], below = 0, total = 0;
	struct random random;
	struct peak *peak;
	size_t count = ARRAY_COUNT(values);

	random_init(&random, 9);
	/* Four times as rough as what was fitted. */
	for (size_t i = 0; i < count; i++)
		values[i] = 100 * exp((i < 3 * DAY ? .05 : .2) * random_normal(&random));
	peak = fitted(&config, values, 3 * DAY);
	for (size_t i = 3 * DAY; i < count; i++) {
		double high = 0;

		step(peak, values, i);
		peak_predict(peak, quantiles);
		said[i] = quantiles[4];
		if (i < 10 * DAY)
			continue;
		for (size_t k = 0; k < config.horizon; k++)
			high = fmax(high, values[i - k]);
		below += high <= said[i - config.horizon] ? 1 : 0;
		total++;
	}
	print_message("%.3f below the quantile .9\n", below / total);
	assert_true(fabs(below / total - .9) < .03);
	peak_close(peak);
}

static void it_is_the_same_in_any_unit(void **state)
{
	static double values[SLOTS], scaled[SLOTS];
	struct peak_config config = small_config();
	double one[PEAK_LEVELS], other[PEAK_LEVELS];
	struct peak *a, *b;

	bursts_fill(values, SLOTS, 1);
	for (size_t i = 0; i < SLOTS; i++)
		scaled[i] = values[i] * 1048576;
	a = fitted(&config, values, 2 * DAY);
	b = fitted(&config, scaled, 2 * DAY);
	peak_predict(a, one);
	peak_predict(b, other);
	for (size_t j = 0; j < PEAK_LEVELS; j++)
		assert_true(fabs(other[j] / one[j] / 1048576 - 1) < 1e-3);
	peak_close(a);
	peak_close(b);
}

static void missing_slots_are_no_zeros_and_wild_ones_are_missing(void **state)
{
	static const double wild[] = {NAN, HUGE_VAL, -1, 1e308};
	static double values[SLOTS];
	struct peak_config config = small_config();
	double said[PEAK_LEVELS], after[PEAK_LEVELS];
	struct peak *peak;

	bursts_fill(values, SLOTS, 1);
	for (size_t i = 7; i < 2 * DAY; i += 50)
		values[i] = wild[i % 4];
	peak = fitted(&config, values, 2 * DAY);
	peak_predict(peak, said);
	assert_true(said[0] > 50);
	/* One is bridged, with two there is nothing to go by. */
	peak_step(peak, wild[0], START_MS + (int64_t)(2 * DAY) * STEP_MS);
	peak_predict(peak, after);
	assert_true(after[0] > 50);
	peak_step(peak, wild[1], START_MS + (int64_t)(2 * DAY + 1) * STEP_MS);
	peak_predict(peak, after);
	for (size_t j = 0; j < PEAK_LEVELS; j++)
		assert_true(isnan(after[j]));
	/* A week later it goes on; a clock that steps back changes nothing. */
	peak_step(peak, 100, START_MS + (int64_t)(9 * DAY) * STEP_MS);
	peak_predict(peak, said);
	assert_true(said[0] > 50 && said[PEAK_LEVELS - 1] < 5000);
	peak_step(peak, 7, START_MS);
	peak_predict(peak, after);
	assert_memory_equal(said, after, sizeof(said));
	peak_close(peak);
}

static void before_a_fit_and_with_too_little_nothing_is_said(void **state)
{
	static double values[SLOTS];
	struct peak_config config = small_config(), bad = small_config();
	double said[PEAK_LEVELS];
	struct error error;
	struct peak *peak = peak_open(&config, &error);

	assert_non_null(peak);
	bursts_fill(values, SLOTS, 1);
	assert_int_equal(peak_fit(peak, values, 300, START_MS, &error), STATUS_BAD_INPUT);
	peak_step(peak, 1, START_MS + DAY * STEP_MS);
	peak_predict(peak, said);
	assert_true(isnan(said[0]));
	peak_close(peak);
	bad.slot_ms = 7000;
	assert_null(peak_open(&bad, &error));
	assert_non_null(strstr(error.text, "slot_ms"));
	bad = config;
	bad.horizon = 0;
	assert_null(peak_open(&bad, &error));
	assert_non_null(strstr(error.text, "horizon"));
}

static void memory_that_fails_is_an_answer(void **state)
{
	static double values[SLOTS];
	struct peak_config config = small_config();
	bool injected = true;

	config.epochs = 1;
	bursts_fill(values, SLOTS, 1);
	for (long n = 1; injected; n++) {
		enum status status = STATUS_NO_MEMORY;
		struct error error;
		struct peak *peak;

		mem_fail_after(n, false);
		peak = peak_open(&config, &error);
		if (peak != NULL)
			status = peak_fit(peak, values, 700, START_MS, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		peak_close(peak);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_by_the_clock_is_foreseen),
		cmocka_unit_test(quantiles_hold_their_share_after_a_change_too),
		cmocka_unit_test(it_is_the_same_in_any_unit),
		cmocka_unit_test(missing_slots_are_no_zeros_and_wild_ones_are_missing),
		cmocka_unit_test(before_a_fit_and_with_too_little_nothing_is_said),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("peak", tests, NULL, NULL);
}
