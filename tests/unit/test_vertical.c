/*
 * The decaying histogram and the recommendation of the Vertical Pod Autoscaler, against figures worked out
 * by hand from its published rule, and against a reference that ages each sample by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "analyzers/rightsize/vertical.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (1440 * MINUTE_MS)
#define T0 (20000 * DAY_MS)
#define MEBI 1048576.0

static void assert_near(double value, double wanted, double part)
{
	if (!(fabs(value - wanted) <= fabs(wanted) * part))
		fail_msg("%.12g, not %.12g", value, wanted);
}

static void buckets_grow_by_a_twentieth(void **state)
{
	/* ln(1000 * 0.05 / 0.01 + 1) / ln 1.05 = 174.57, rounded up, and one. */
	assert_int_equal(decay_bucket_count(&vertical_cpu_scale), 176);
	assert_int_equal(decay_bucket_count(&vertical_memory_scale), 176);
	assert_near(decay_bucket_start(&vertical_cpu_scale, 0), 0, 0);
	assert_near(decay_bucket_start(&vertical_cpu_scale, 1), 0.01, 1e-12);
	assert_near(decay_bucket_start(&vertical_cpu_scale, 2), 0.0205, 1e-12);
	assert_near(decay_bucket_start(&vertical_memory_scale, 3), 31525000, 1e-12);
	assert_int_equal(decay_bucket(&vertical_cpu_scale, 0.0099), 0);
	assert_int_equal(decay_bucket(&vertical_cpu_scale, 0.011), 1);
	assert_int_equal(decay_bucket(&vertical_cpu_scale, 0.0206), 2);
	assert_int_equal(decay_bucket(&vertical_cpu_scale, 1e9), 175);
}

static void a_percentile_is_the_end_of_its_bucket(void **state)
{
	struct decay decay;

	decay_init(&decay, &vertical_cpu_scale);
	assert_true(decay_empty(&decay));
	assert_true(decay_percentile(&decay, 0.9) == 0);
	assert_true(isnan(decay_above(&decay, 1)));
	for (int i = 0; i < 10; i++)
		decay_add(&decay, i < 9 ? 0.005 : 0.015, 0.1, T0);
	assert_near(decay_percentile(&decay, 0.85), 0.01, 1e-12);
	assert_near(decay_percentile(&decay, 0.95), 0.0205, 1e-12);
	/* Half of the bucket of the tenth sample is above its middle. */
	assert_near(decay_above(&decay, 0.01525), 0.05, 1e-9);
	/* The last bucket has no end. */
	decay_add(&decay, 5000, 100, T0);
	assert_near(decay_percentile(&decay, 0.95), decay_bucket_start(&vertical_cpu_scale, 175),
		1e-12);
}

static void a_sample_counts_half_after_a_day(void **state)
{
	struct decay decay;

	decay_init(&decay, &vertical_cpu_scale);
	/* 2 of weight a day old are 1; together with 1.1 of today 0.015 is under the median. */
	decay_add(&decay, 0.015, 2, T0);
	decay_add(&decay, 0.5, 1.1, T0 + DAY_MS);
	assert_true(decay_percentile(&decay, 0.5) > 0.5);
	decay_add(&decay, 0.015, 0.2, T0 + DAY_MS);
	assert_near(decay_percentile(&decay, 0.5), 0.0205, 1e-12);
}

static void after_a_hundred_half_lives_the_weights_are_the_same(void **state)
{
	struct decay decay;

	decay_init(&decay, &vertical_cpu_scale);
	for (int day = 0; day < 250; day++)
		for (int i = 0; i < 4; i++)
			decay_add(&decay, i < 3 ? 0.015 : 0.5, 1, T0 + day * DAY_MS + i);
	/* 4 a day, halved each day, are 8; of them a quarter is above. */
	assert_near(decay_above(&decay, 0.1), 0.25, 1e-6);
	assert_true(decay.total < ldexp(8, 101));
	decay_add(&decay, 0.5, 1, T0 + 100000 * DAY_MS);
	assert_near(decay_above(&decay, 0.1), 1, 1e-12);
}

static void what_is_taken_back_was_never_there(void **state)
{
	struct decay decay;

	decay_init(&decay, &vertical_memory_scale);
	decay_add(&decay, 3e8, 1, T0);
	decay_add(&decay, 9e8, 1, T0);
	decay_subtract(&decay, 9e8, 1, T0);
	assert_true(decay_above(&decay, 5e8) == 0);
	decay_subtract(&decay, 3e8, 1, T0);
	assert_true(decay_empty(&decay));
}

/* Samples as the reference has them: CPU high in the first half of the day, memory that grows by 40 MB a
 * day; a kill at one minute. */
static void feed(struct vertical *vertical, int days, int kill_minute, double request)
{
	vertical_init(vertical);
	for (int i = 0; i < days * 1440; i++) {
		double cores = (i % 1440 < 720 ? 0.2 : 0.05) + 0.001 * (i % 37);
		double bytes = 300e6 + i / 1440 * 40e6 + 1e5 * (i % 211);

		vertical_add_cpu(vertical, T0 + i * MINUTE_MS, cores);
		vertical_add_memory(vertical, T0 + i * MINUTE_MS, bytes);
		if (i == kill_minute)
			assert_true(vertical_add_kill(vertical, T0 + i * MINUTE_MS, request));
	}
}

static void the_recommendation_is_that_of_the_published_rule(void **state)
{
	static const struct {
		int days, kill;
		double request, confidence, cpu[3], memory[3];
	} cases[] = {
		{1, -1, 0, 0.9993055556, {0.272061155, 0.0934459818, 0.544311373},
			{380258472.183, 379498567.574, 760781196.258}},
		{3, -1, 0, 2.9993055556, {0.272061155, 0.0935706919, 0.362769204},
			{476450463.861, 476132915.495, 635304056.813}},
		{7, -1, 0, 6.9993055556, {0.272061155, 0.093606348, 0.310930891},
			{671629701.845, 671437829.726, 767586321.615}},
		{3, 3000, 500e6, 2.9993055556, {0.272061155, 0.0935706919, 0.362769204},
			{716711186.938, 716233507.759, 955670230.51}},
		{3, 3000, 2e9, 2.9993055556, {0.272061155, 0.0935706919, 0.362769204},
			{2823238195.71, 2821356542.22, 3764535487.17}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vertical vertical;
		struct vertical_advice advice;

		feed(&vertical, cases[i].days, cases[i].kill, cases[i].request);
		vertical_advise(&vertical, 1, &advice);
		assert_near(advice.confidence, cases[i].confidence, 1e-9);
		assert_near(advice.target[SIZED_CPU], cases[i].cpu[0], 1e-8);
		assert_near(advice.lower[SIZED_CPU], cases[i].cpu[1], 1e-8);
		assert_near(advice.upper[SIZED_CPU], cases[i].cpu[2], 1e-8);
		assert_near(advice.target[SIZED_MEMORY], cases[i].memory[0], 1e-10);
		assert_near(advice.lower[SIZED_MEMORY], cases[i].memory[1], 1e-10);
		assert_near(advice.upper[SIZED_MEMORY], cases[i].memory[2], 1e-10);
	}
}

static void a_pod_gets_no_less_than_its_least_share(void **state)
{
	struct vertical vertical;
	struct vertical_advice advice;

	vertical_init(&vertical);
	vertical_advise(&vertical, 1, &advice);
	assert_true(isnan(advice.target[SIZED_CPU]) && isnan(advice.target[SIZED_MEMORY]));
	vertical_add_cpu(&vertical, T0, 0.001);
	vertical_add_memory(&vertical, T0, 1e6);
	vertical_advise(&vertical, 1, &advice);
	assert_near(advice.target[SIZED_CPU], 0.025, 1e-12);
	assert_near(advice.target[SIZED_MEMORY], 250 * MEBI, 1e-12);
	assert_true(isinf(advice.upper[SIZED_CPU]));
	vertical_advise(&vertical, 5, &advice);
	assert_near(advice.target[SIZED_CPU], 0.0115, 1e-12);
	assert_near(advice.target[SIZED_MEMORY], 50 * MEBI, 1e-12);
}

static void a_kill_asks_for_more_than_was_there(void **state)
{
	struct vertical vertical;

	vertical_init(&vertical);
	vertical_add_memory(&vertical, T0, 200 * MEBI);
	assert_true(vertical_add_kill(&vertical, T0 + MINUTE_MS, 256 * MEBI));
	/* 100 MiB are more than a fifth of 256. */
	assert_near(vertical.kill_peak, 356 * MEBI, 1e-12);
	/* The next one starts from the usage, not from what the last one made of it. */
	assert_true(vertical_add_kill(&vertical, T0 + 2 * MINUTE_MS, NAN));
	assert_near(vertical.kill_peak, 356 * MEBI, 1e-12);
	assert_true(vertical_add_kill(&vertical, T0 + 3 * MINUTE_MS, 1000 * MEBI));
	assert_near(vertical.kill_peak, 1200 * MEBI, 1e-12);
	assert_false(vertical_add_kill(&vertical, T0 - DAY_MS, 1e12));
}

static void what_is_no_measurement_changes_nothing(void **state)
{
	struct vertical vertical;
	struct vertical_advice before, after;

	feed(&vertical, 1, -1, 0);
	vertical_advise(&vertical, 1, &before);
	vertical_add_cpu(&vertical, T0 + DAY_MS, NAN);
	vertical_add_cpu(&vertical, T0 + DAY_MS, -1);
	vertical_add_cpu(&vertical, T0 + DAY_MS, INFINITY);
	vertical_add_cpu(&vertical, T0, 100);
	vertical_add_memory(&vertical, T0 + DAY_MS, NAN);
	vertical_add_memory(&vertical, T0, 1e11);
	vertical_advise(&vertical, 1, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_grow_by_a_twentieth),
		cmocka_unit_test(a_percentile_is_the_end_of_its_bucket),
		cmocka_unit_test(a_sample_counts_half_after_a_day),
		cmocka_unit_test(after_a_hundred_half_lives_the_weights_are_the_same),
		cmocka_unit_test(what_is_taken_back_was_never_there),
		cmocka_unit_test(the_recommendation_is_that_of_the_published_rule),
		cmocka_unit_test(a_pod_gets_no_less_than_its_least_share),
		cmocka_unit_test(a_kill_asks_for_more_than_was_there),
		cmocka_unit_test(what_is_no_measurement_changes_nothing),
	};

	return cmocka_run_group_tests_name("vertical", tests, NULL, NULL);
}
