/*
 * What replays say of one policy beside another: draws of days in pairs, and how they are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "analyzers/scaler/off_policy.h"

#define DAYS NIGHTLY_DAYS
#define OBJECTIVE .5

static struct nightly_day days[DAYS];

/* All policies alike: 1000 pods a slot, nothing violated. */
static int setup(void **state)
{
	(void)state;
	memset(days, 0, sizeof(days));
	for (size_t d = 0; d < DAYS; d++) {
		days[d].minutes = 1000;
		days[d].requests = 100000;
		days[d].slots = 4000;
		for (size_t p = 0; p < NIGHTLY_POLICIES; p++)
			days[d].outcomes[p].pod_slots = 1000;
	}
	return 0;
}

static void what_is_cheaper_each_day_is_better_in_every_draw(void **state)
{
	struct off_policy_estimate estimate;

	(void)state;
	for (size_t d = 0; d < DAYS; d++)
		days[d].outcomes[1].pod_slots = (float)(880 + 10 * d);
	off_policy_compare(days, DAYS, 1, 0, OBJECTIVE, &estimate);
	assert_int_equal(estimate.days, DAYS);
	assert_true(estimate.better == 1);
	/* Means of .88 to .94. */
	assert_true(fabs(estimate.price.mean + .09) < .002);
	assert_true(estimate.price.low < -.1 && estimate.price.high > -.08);
	off_policy_compare(days, DAYS, 0, 1, OBJECTIVE, &estimate);
	assert_true(estimate.better == 0);
	assert_true(estimate.price.low > 0);
}

/* The days differ far more than the two do on any day. */
static void days_are_drawn_in_pairs(void **state)
{
	struct off_policy_estimate estimate;

	(void)state;
	for (size_t d = 0; d < DAYS; d++) {
		days[d].outcomes[0].violated = (float)(10 * d);
		days[d].outcomes[1].violated = (float)(10 * d + 2);
		days[d].outcomes[1].bad = (float)(100 * d);
	}
	off_policy_compare(days, DAYS, 1, 0, OBJECTIVE, &estimate);
	assert_true(fabs(estimate.violated.mean - .2) < 1e-9);
	assert_true(fabs(estimate.violated.low - .2) < 1e-6);
	assert_true(fabs(estimate.violated.high - .2) < 1e-6);
	/* Where the days do differ in it the interval is wide, around the mean of .3. */
	assert_true(fabs(estimate.bad.mean - .3) < 1e-9);
	assert_true(estimate.bad.low < .25 && estimate.bad.high > .35);
}

/* One of three days breaks the objective: the policy is within it where that day is not drawn, (2/3)^3. */
static void one_bad_day_is_as_likely_as_it_is_drawn(void **state)
{
	struct off_policy_estimate estimate;

	(void)state;
	for (size_t d = 0; d < 3; d++)
		days[d].outcomes[1].pod_slots = 900;
	days[2].outcomes[1].violated = 100;
	off_policy_compare(days, 3, 1, 0, OBJECTIVE, &estimate);
	assert_true(fabs(estimate.better - 8. / 27) < .05);
	/* The whole of the objective counts, not the part of it that a choice keeps: .45 is within .5. */
	days[2].outcomes[1].violated = 4.5;
	off_policy_compare(days, 3, 1, 0, OBJECTIVE, &estimate);
	assert_true(estimate.better == 1);
}

static void one_day_tells_nothing(void **state)
{
	struct off_policy_estimate estimate;

	(void)state;
	for (size_t count = 0; count < 2; count++) {
		off_policy_compare(days, count, 1, 0, OBJECTIVE, &estimate);
		assert_int_equal(estimate.days, count);
		assert_true(isnan(estimate.better) && isnan(estimate.price.high) &&
			isnan(estimate.violated.low) && isnan(estimate.bad.mean));
	}
}

static void the_same_days_are_the_same_estimate(void **state)
{
	struct off_policy_estimate one, other;

	(void)state;
	for (size_t d = 0; d < DAYS; d++)
		days[d].outcomes[1].violated = (float)d;
	off_policy_compare(days, DAYS, 1, 0, OBJECTIVE, &one);
	off_policy_compare(days, DAYS, 1, 0, OBJECTIVE, &other);
	assert_memory_equal(&one, &other, sizeof(one));
}

static void trials_are_told_as_numbers_and_in_words(void **state)
{
	struct off_policy_trials trials = {.count = 2};
	json_error_t wrong;
	struct buf text;
	json_t *root, *second;

	(void)state;
	for (size_t d = 0; d < DAYS; d++)
		days[d].outcomes[1].pod_slots = 900;
	trials.trials[0] = (struct off_policy_trial){.arm = "dqn", .against = "setting"};
	trials.trials[1] =
		(struct off_policy_trial){.arm = "setting", .against = "hpa", .serves = true};
	off_policy_compare(days, 1, 1, 0, OBJECTIVE, &trials.trials[0].estimate);
	off_policy_compare(days, DAYS, 1, 0, OBJECTIVE, &trials.trials[1].estimate);
	buf_init(&text, 1 << 16);
	off_policy_write_json(&trials, &text);
	root = json_loadb(text.data, text.size, 0, &wrong);
	assert_int_equal(json_array_size(root), 2);
	/* What is not known is null. */
	assert_true(json_is_null(json_object_get(json_array_get(root, 0), "better")));
	second = json_array_get(root, 1);
	assert_string_equal(json_string_value(json_object_get(second, "arm")), "setting");
	assert_true(json_is_true(json_object_get(second, "serves")));
	assert_true(
		fabs(json_number_value(json_object_get(json_object_get(second, "price"), "high")) +
			.1) < 1e-6);
	json_decref(root);
	buf_reset(&text);
	off_policy_write_words(&trials.trials[0], &text);
	assert_string_equal(text.data,
		"dqn against setting: 1 days replayed, nothing is known yet");
	buf_reset(&text);
	off_policy_write_words(&trials.trials[1], &text);
	assert_non_null(strstr(text.data,
		"setting against hpa, 7 days replayed: price -10.0 % (90 %: -10.0 to -10.0)"));
	assert_non_null(strstr(text.data, "better in 100 % of 1000 draws, serves"));
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup(name, setup)
		CASE(what_is_cheaper_each_day_is_better_in_every_draw),
		CASE(days_are_drawn_in_pairs),
		CASE(one_bad_day_is_as_likely_as_it_is_drawn),
		CASE(one_day_tells_nothing),
		CASE(the_same_days_are_the_same_estimate),
		CASE(trials_are_told_as_numbers_and_in_words),
	};

	return cmocka_run_group_tests_name("off_policy", tests, NULL, NULL);
}
