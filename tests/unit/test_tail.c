/*
 * Pareto tails, the streaming threshold of extreme values, the tracked quantile: their rates on streams
 * whose distribution is known.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/calibration.h"
#include "analyzers/detect/pareto.h"
#include "analyzers/detect/tail.h"
#include "analyzers/detect/track.h"
#include "base/check.h"
#include "base/random.h"

#define TRAIN 4000
#define STREAM 100000

static double scores[TRAIN], scratch[TRAIN];
static struct random dice;
static struct tail tail;
static double recent[TAIL_DEPTH_MAX];

static double draw_pareto(double shape, double scale)
{
	double tail_part = 1 - random_unit(&dice);

	return shape > 0 ? scale / shape * (pow(tail_part, -shape) - 1) : -scale * log(tail_part);
}

static void the_fit_finds_shape_and_scale_of_a_large_sample(void **state)
{
	static const struct pareto known[] = {{0, 2}, {0.1, 1e-6}, {0.2, 3e9}, {0.4, 1}};

	for (size_t k = 0; k < ARRAY_COUNT(known); k++) {
		struct pareto found;

		random_init(&dice, k);
		for (size_t i = 0; i < TRAIN; i++)
			scores[i] = draw_pareto(known[k].shape, known[k].scale);
		found = pareto_fit(scores, TRAIN);
		assert_true(fabs(found.shape - known[k].shape) < 0.06);
		assert_true(fabs(found.scale / known[k].scale - 1) < 0.1);
	}
}

static void the_excess_of_a_probability_has_that_probability(void **state)
{
	static const struct pareto some[] = {{0, 2}, {0.3, 5}, {0.5, 1e-9}};

	for (size_t k = 0; k < ARRAY_COUNT(some); k++)
		for (double p = 1; p > 1e-12; p /= 10)
			assert_true(fabs(pareto_tail(&some[k], pareto_excess(&some[k], p)) / p -
					    1) < 1e-6);
}

static void excesses_of_nothing_have_no_tail(void **state)
{
	struct pareto none = pareto_fit(scores, 0);

	assert_true(none.scale == 0);
	assert_true(pareto_tail(&none, 0) == 1);
	assert_true(pareto_tail(&none, 1) > 0 && pareto_tail(&none, 1) < 1e-200);
	memset(scores, 0, sizeof(scores));
	none = pareto_fit(scores, 100);
	assert_true(none.scale == 0);
}

static void draw_train(uint64_t seed)
{
	random_init(&dice, seed);
	for (size_t i = 0; i < TRAIN; i++)
		scores[i] = random_normal(&dice);
}

static size_t count_alarms(struct tail_config config, double drift)
{
	size_t alarms = 0;

	draw_train(5);
	tail_init(&tail, &config);
	assert_true(tail_fit(&tail, scores, TRAIN, scratch));
	for (size_t i = 0; i < STREAM; i++) {
		double p = tail_step(&tail, random_normal(&dice) + drift * (double)i);

		assert_true(p > 0 && p <= 1);
		alarms += p <= config.probability;
	}
	return alarms;
}

static void a_threshold_means_its_false_alarm_rate(void **state)
{
	size_t alarms = count_alarms((struct tail_config){.probability = 1e-3}, 0);

	/* 100 are expected; the tail is estimated from 80 excesses at first. */
	assert_in_range(alarms, 40, 200);
}

static void a_moving_mean_follows_what_drifts(void **state)
{
	const struct tail_config config = {.probability = 1e-3, .depth = 200, .recent = recent};

	/* By 100 deviations over the stream. */
	assert_in_range(count_alarms(config, 1e-3), 30, 250);
	assert_true(tail_threshold(&tail) > 100 && tail_threshold(&tail) < 110);
}

static void higher_scores_are_less_probable(void **state)
{
	double before = 1;

	draw_train(6);
	tail_init(&tail, &(struct tail_config){.level = 0.95});
	assert_true(tail_fit(&tail, scores, TRAIN, scratch));
	for (double score = 1; score < 40; score += 0.5) {
		struct tail copy = tail;
		double p = tail_step(&copy, score);

		assert_true(p > 0 && p <= before);
		before = p;
	}
	assert_true(before <= 1e-3);
}

static void scores_that_are_no_numbers_teach_nothing(void **state)
{
	static struct tail before;

	draw_train(7);
	for (size_t i = 0; i < TRAIN; i += 3)
		scores[i] = i % 2 == 0 ? NAN : INFINITY;
	tail_init(&tail, &(struct tail_config){.depth = 20, .recent = recent});
	assert_true(isnan(tail_step(&tail, 1)));
	assert_true(tail_fit(&tail, scores, TRAIN, scratch));
	assert_true(isfinite(tail_threshold(&tail)));
	before = tail;
	assert_true(isnan(tail_step(&tail, NAN)));
	assert_true(isnan(tail_step(&tail, -INFINITY)));
	assert_memory_equal(&before, &tail, sizeof(tail));
	assert_false(tail_fit(&tail, scores, 100, scratch));
	assert_memory_equal(&before, &tail, sizeof(tail));
}

/* A long outage must not become the usual. */
static void an_alarm_teaches_nothing(void **state)
{
	double threshold;
	uint64_t seen;

	draw_train(8);
	tail_init(&tail, &(struct tail_config){.depth = 20, .recent = recent});
	assert_true(tail_fit(&tail, scores, TRAIN, scratch));
	threshold = tail_threshold(&tail);
	seen = tail.seen;
	for (size_t i = 0; i < 1000; i++)
		assert_true(tail_step(&tail, threshold + 100 + random_unit(&dice)) <=
			tail.config.probability);
	assert_true(tail_threshold(&tail) == threshold);
	assert_int_equal(tail.seen, seen);
}

static void scores_all_alike_alarm_only_over_them(void **state)
{
	for (size_t i = 0; i < TRAIN; i++)
		scores[i] = 0.5;
	tail_init(&tail, &(struct tail_config){0});
	assert_true(tail_fit(&tail, scores, TRAIN, scratch));
	assert_true(tail_step(&tail, 0.5) == 1);
	assert_true(tail_step(&tail, 0.6) <= 1e-3);
	assert_true(tail_step(&tail, 1e308) <= 1e-3);
}

static void the_tracked_quantile_keeps_its_rate_after_a_shift(void **state)
{
	struct track track;
	size_t over[2] = {0};

	draw_train(8);
	track_init(&track, &(struct track_config){.rate = 0.01});
	assert_true(track_fit(&track, scores, TRAIN));
	for (size_t i = 0; i < 2 * STREAM; i++)
		over[i / STREAM] += track_step(&track, random_normal(&dice) + (i < STREAM ? 0 : 6));
	assert_in_range(over[0], STREAM / 150, STREAM / 80);
	assert_in_range(over[1], STREAM / 150, STREAM / 80);
}

static void a_quiet_stream_is_not_searched_for_alarms(void **state)
{
	struct track track;

	draw_train(9);
	track_init(&track, &(struct track_config){0});
	assert_true(track_fit(&track, scores, TRAIN));
	for (size_t i = 0; i < STREAM; i++)
		assert_false(track_step(&track, 0.3 * random_normal(&dice)));
	assert_true(track.threshold >= 2);
}

static void nothing_is_tracked_without_scores_that_differ(void **state)
{
	struct track track;

	track_init(&track, &(struct track_config){0});
	assert_false(track_step(&track, 1e9));
	for (size_t i = 0; i < TRAIN; i++)
		scores[i] = i < TRAIN / 2 ? 3 : NAN;
	assert_false(track_fit(&track, scores, TRAIN));
	assert_false(track_fit(&track, scores, 10));
	assert_false(track_step(&track, 1e9));
}

static void a_calibrated_score_is_its_tail_probability(void **state)
{
	struct calibration calibration;

	draw_train(10);
	calibration_fit(&calibration, scores, TRAIN);
	assert_false(calibration.flat);
	for (double score = -2; score < 3.3; score += 0.1) {
		double known = 0.5 * erfc(score / sqrt(2)),
		       found = calibration_tail(&calibration, score);

		assert_true(found > known / 2 - 0.02 && found < known * 2 + 0.02);
	}
	assert_true(fabs(calibration_tail(&calibration, 0) - 0.5) < 0.05);
	/* The upper tail is told apart where training never was. */
	assert_true(calibration_tail(&calibration, 6) < 1e-3);
	assert_true(calibration_tail(&calibration, 8) < calibration_tail(&calibration, 6));
	assert_true(calibration_surprise(&calibration, 1e300) > CALIBRATION_SURPRISE_SURE);
	assert_true(calibration_surprise(&calibration, 1e300) <= CALIBRATION_SURPRISE_MAX);
	assert_true(
		calibration_surprise(&calibration, 30) > calibration_surprise(&calibration, 20));
	assert_true(isnan(calibration_surprise(&calibration, NAN)));
}

static void a_flat_calibration_says_nothing(void **state)
{
	struct calibration calibration;

	for (size_t i = 0; i < TRAIN; i++)
		scores[i] = 0.25;
	calibration_fit(&calibration, scores, TRAIN);
	assert_true(calibration.flat && isnan(calibration_tail(&calibration, 1)));
	scores[3] = 0.75;
	calibration_fit(&calibration, scores, TRAIN);
	assert_false(calibration.flat);
	assert_true(calibration_tail(&calibration, 0.25) > 0.3);
	assert_true(calibration_tail(&calibration, 0.75) <= CALIBRATION_TAIL);
	calibration_fit(&calibration, scores, 20);
	assert_true(calibration.flat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fit_finds_shape_and_scale_of_a_large_sample),
		cmocka_unit_test(the_excess_of_a_probability_has_that_probability),
		cmocka_unit_test(excesses_of_nothing_have_no_tail),
		cmocka_unit_test(a_threshold_means_its_false_alarm_rate),
		cmocka_unit_test(a_moving_mean_follows_what_drifts),
		cmocka_unit_test(higher_scores_are_less_probable),
		cmocka_unit_test(scores_that_are_no_numbers_teach_nothing),
		cmocka_unit_test(an_alarm_teaches_nothing),
		cmocka_unit_test(scores_all_alike_alarm_only_over_them),
		cmocka_unit_test(the_tracked_quantile_keeps_its_rate_after_a_shift),
		cmocka_unit_test(a_quiet_stream_is_not_searched_for_alarms),
		cmocka_unit_test(nothing_is_tracked_without_scores_that_differ),
		cmocka_unit_test(a_calibrated_score_is_its_tail_probability),
		cmocka_unit_test(a_flat_calibration_says_nothing),
	};

	return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
