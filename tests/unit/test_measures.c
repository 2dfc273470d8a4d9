/*
 * Measures of anomaly scores and of forecasts against the definitions, counted out threshold by threshold
 * and pair by pair, and by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/evaluate/accuracy.h"
#include "analyzers/evaluate/measures.h"
#include "base/mem.h"
#include "base/random.h"

#define COUNT_MAX 60
#define CLOSE 1e-12
#define assert_near(a, b, distance) assert_true(fabs((a) - (b)) <= (distance))

static double rank_of(double score)
{
	return isnan(score) ? -INFINITY : score;
}

/* Pairs of a labelled and an unlabelled point. */
static double counted_auc(const double *scores, const uint8_t *labels, size_t count)
{
	double won = 0, pairs = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < count; k++) {
			double a = rank_of(scores[i]), b = rank_of(scores[k]);

			if (!labels[i] || labels[k])
				continue;
			pairs++;
			won += a > b ? 1 : a < b ? 0 : .5;
		}
	}
	return won / pairs;
}

struct at_threshold {
	double precision, recall, event_recall, adjusted_precision, adjusted_recall;
};

static size_t event_end(const uint8_t *labels, size_t count, size_t begin)
{
	while (begin < count && labels[begin])
		begin++;
	return begin;
}

/* Everything from its definition, at one threshold. */
static struct at_threshold count_at(const double *scores, const uint8_t *labels, size_t count,
	double threshold)
{
	size_t right = 0, wrong = 0, labelled = 0, events = 0, found = 0, adjusted = 0;
	struct at_threshold at;

	for (size_t i = 0; i < count; i++) {
		int alarm = rank_of(scores[i]) >= threshold;

		right += alarm && labels[i];
		wrong += alarm && !labels[i];
		labelled += labels[i] != 0;
	}
	for (size_t i = 0; i < count; i++) {
		size_t end = event_end(labels, count, i), hit = 0;

		if (end == i)
			continue;
		events++;
		for (size_t k = i; k < end; k++)
			hit |= rank_of(scores[k]) >= threshold;
		found += hit;
		adjusted += hit ? end - i : 0;
		i = end;
	}
	at.precision = (double)right / (double)(right + wrong);
	at.recall = (double)right / (double)labelled;
	at.event_recall = (double)found / (double)events;
	at.adjusted_precision = adjusted > 0 ? (double)adjusted / (double)(adjusted + wrong) : 0;
	at.adjusted_recall = (double)adjusted / (double)labelled;
	return at;
}

static double f1(double precision, double recall)
{
	return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

/* Scores with ties and unjudged points; at least one point with and one without a label. */
static size_t random_points(struct random *random, double *scores, uint8_t *labels)
{
	size_t count = 4 + (size_t)random_below(random, COUNT_MAX - 4);
	uint64_t kinds = 1 + random_below(random, 40);

	for (size_t i = 0; i < count; i++) {
		scores[i] = (double)random_below(random, kinds) - 3;
		if (random_below(random, 12) == 0)
			scores[i] = NAN;
		labels[i] = i > 0 && random_below(random, 4) > 0 ? labels[i - 1]
								 : random_below(random, 2) == 1;
	}
	labels[random_below(random, count / 2)] = 1;
	labels[count / 2 + random_below(random, count / 2)] = 0;
	return count;
}

static void measures_are_those_counted_out_at_every_threshold(void **state)
{
	struct random random;

	random_init(&random, 11);
	for (int round = 0; round < 2000; round++) {
		double scores[COUNT_MAX], best = 0, composite = 0, adjusted = 0;
		uint8_t labels[COUNT_MAX];
		size_t count = random_points(&random, scores, labels);
		struct point_measures measures;

		assert_int_equal(measure_points(scores, labels, count, &measures, NULL), STATUS_OK);
		for (size_t i = 0; i < count; i++) {
			struct at_threshold at =
				count_at(scores, labels, count, rank_of(scores[i]));

			best = fmax(best, f1(at.precision, at.recall));
			composite = fmax(composite, f1(at.precision, at.event_recall));
			adjusted = fmax(adjusted, f1(at.adjusted_precision, at.adjusted_recall));
		}
		assert_near(measures.roc_auc, counted_auc(scores, labels, count), CLOSE);
		assert_near(measures.best_f1, best, CLOSE);
		assert_near(measures.best_composite, composite, CLOSE);
		assert_near(measures.point_adjusted_f1, adjusted, CLOSE);
		struct at_threshold at =
			count_at(scores, labels, count, measures.best_f1_threshold);
		assert_near(f1(at.precision, at.recall), best, CLOSE);
	}
}

/* sum of (R[n] - R[n-1]) P[n], thresholds from high to low. */
static double counted_precision(const double *scores, const uint8_t *labels, size_t count)
{
	double sum = 0, recall = 0, threshold = INFINITY;

	for (;;) {
		double next = -INFINITY;
		struct at_threshold at;
		int left = 0;

		for (size_t i = 0; i < count; i++) {
			if (rank_of(scores[i]) < threshold) {
				next = fmax(next, rank_of(scores[i]));
				left = 1;
			}
		}
		if (!left)
			return sum;
		threshold = next;
		at = count_at(scores, labels, count, threshold);
		sum += (at.recall - recall) * at.precision;
		recall = at.recall;
	}
}

static void average_precision_is_the_sum_over_distinct_thresholds(void **state)
{
	struct random random;

	random_init(&random, 12);
	for (int round = 0; round < 500; round++) {
		double scores[COUNT_MAX];
		uint8_t labels[COUNT_MAX];
		size_t count = random_points(&random, scores, labels);
		struct point_measures measures;

		assert_int_equal(measure_points(scores, labels, count, &measures, NULL), STATUS_OK);
		assert_near(measures.average_precision, counted_precision(scores, labels, count),
			CLOSE);
	}
}

/* The example of scikit-learn's documentation: labels 0 0 1 1, scores .1 .4 .35 .8. */
static void a_known_example_has_its_published_figures(void **state)
{
	static const double scores[] = {.1, .4, .35, .8};
	static const uint8_t labels[] = {0, 0, 1, 1};
	struct point_measures measures;

	assert_int_equal(measure_points(scores, labels, 4, &measures, NULL), STATUS_OK);
	assert_near(measures.roc_auc, .75, CLOSE);
	assert_near(measures.average_precision, .8333333333333333, CLOSE);
	assert_near(measures.best_f1, .8, CLOSE);
	assert_near(measures.best_f1_threshold, .35, CLOSE);
	assert_int_equal(measures.events, 1);
	/* At .8: precision 1, the only event found. */
	assert_near(measures.best_composite, 1, CLOSE);
	assert_near(measures.point_adjusted_f1, 1, CLOSE);
}

static void what_is_undefined_is_nan_and_not_zero(void **state)
{
	static const double scores[] = {1, 2, 3};
	static const uint8_t none[] = {0, 0, 0}, all[] = {1, 1, 1};
	struct point_measures measures;
	struct alarm_measures alarms;

	assert_int_equal(measure_points(scores, none, 3, &measures, NULL), STATUS_OK);
	assert_true(isnan(measures.roc_auc) && isnan(measures.best_f1) &&
		isnan(measures.average_precision) && isnan(measures.point_adjusted_f1));
	assert_int_equal(measure_points(scores, all, 3, &measures, NULL), STATUS_OK);
	assert_true(isnan(measures.roc_auc));
	assert_near(measures.best_f1, 1, CLOSE);
	assert_int_equal(measure_points(NULL, NULL, 0, &measures, NULL), STATUS_OK);
	assert_true(isnan(measures.roc_auc));
	measure_alarms(none, none, 3, &alarms);
	assert_true(isnan(alarms.event_recall) && isnan(alarms.event_precision) &&
		isnan(alarms.delay_mean) && isnan(alarms.point_precision));
	assert_near(alarms.rate, 0, CLOSE);
}

static void a_constant_score_is_worth_no_more_than_chance(void **state)
{
	static const double scores[] = {2, 2, 2, 2, 2, 2};
	static const uint8_t labels[] = {0, 1, 1, 0, 0, 0};
	struct point_measures measures;

	assert_int_equal(measure_points(scores, labels, 6, &measures, NULL), STATUS_OK);
	assert_near(measures.roc_auc, .5, CLOSE);
	assert_near(measures.average_precision, 1. / 3, CLOSE);
}

static void unjudged_points_count_as_not_found(void **state)
{
	static const double scores[] = {NAN, NAN, 1, 0};
	static const uint8_t labels[] = {1, 1, 0, 0};
	struct point_measures measures;

	assert_int_equal(measure_points(scores, labels, 4, &measures, NULL), STATUS_OK);
	assert_near(measures.roc_auc, 0, CLOSE);
	assert_int_equal(measures.unjudged, 2);
}

static void alarms_are_counted_by_hand(void **state)
{
	/* Two events; the first found after two rows, the second at once by an episode that began
	 * before it; one episode is wrong. */
	static const uint8_t labels[] = {0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0};
	static const uint8_t alarms[] = {0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0};
	struct alarm_measures measures;

	measure_alarms(alarms, labels, 12, &measures);
	assert_int_equal(measures.events, 2);
	assert_int_equal(measures.events_found, 2);
	assert_int_equal(measures.episodes, 3);
	assert_int_equal(measures.episodes_right, 2);
	assert_near(measures.event_precision, 2. / 3, CLOSE);
	assert_near(measures.delay_mean, 1, CLOSE);
	assert_near(measures.delay_max, 2, CLOSE);
	assert_near(measures.rate, 5. / 12, CLOSE);
	assert_near(measures.point_precision, 2. / 5, CLOSE);
	assert_near(measures.point_recall, 2. / 5, CLOSE);
}

static void faults_are_ranked_among_false_windows(void **state)
{
	static const double faults[] = {5, 2, NAN}, windows[] = {1, 2, 3, 4};
	struct window_measures measures;
	uint8_t found[3];

	assert_int_equal(measure_windows(faults, 3, windows, 4, .25, found, &measures, NULL),
		STATUS_OK);
	/* 5 outranks all, 2 one and a half of four, NaN none. */
	assert_near(measures.auc, (1 + 1.5 / 4 + 0) / 3, CLOSE);
	/* One false window may be above: the threshold is 3. */
	assert_int_equal(measures.faults_found, 1);
	assert_true(found[0] && !found[1] && !found[2]);
	assert_int_equal(measure_windows(faults, 0, windows, 4, .05, NULL, &measures, NULL),
		STATUS_OK);
	assert_true(isnan(measures.auc) && isnan(measures.recall));
}

static void at_most_the_allowed_part_of_false_windows_is_above_the_threshold(void **state)
{
	struct random random;

	random_init(&random, 13);
	for (int round = 0; round < 300; round++) {
		double windows[COUNT_MAX];
		size_t count = 1 + (size_t)random_below(&random, COUNT_MAX - 1), above = 0;
		struct window_measures measures;
		uint8_t found[COUNT_MAX];

		for (size_t i = 0; i < count; i++)
			windows[i] = (double)random_below(&random, 30);
		assert_int_equal(measure_windows(windows, count, windows, count, .1, found,
					 &measures, NULL),
			STATUS_OK);
		for (size_t i = 0; i < count; i++)
			above += found[i];
		assert_true((double)above <= .1 * (double)count);
		assert_near(measures.auc, .5, CLOSE);
	}
}

static void memory_that_is_out_is_an_answer(void **state)
{
	static const double scores[] = {1, 2};
	static const uint8_t labels[] = {0, 1};
	struct point_measures measures;
	struct window_measures windows;
	struct error error;

	mem_fail_after(1, false);
	assert_int_equal(measure_points(scores, labels, 2, &measures, &error), STATUS_NO_MEMORY);
	mem_fail_after(1, false);
	assert_int_equal(measure_windows(scores, 2, scores, 2, .05, NULL, &windows, &error),
		STATUS_NO_MEMORY);
	mem_fail_after(0, false);
}

/* ---- forecasts ---- */

static const struct accuracy_interval none = {NAN, NAN};

static void the_last_value_has_relative_error_one(void **state)
{
	static const double values[] = {1, 4, 2, 2, 7};
	struct accuracy_figures figures;
	struct accuracy accuracy;

	assert_near(accuracy_scale(values, 5), (3 + 2 + 0 + 5) / 4., CLOSE);
	accuracy_init(&accuracy, accuracy_scale(values, 5));
	for (size_t i = 1; i < 5; i++)
		accuracy_add(&accuracy, values[i - 1], values[i - 1], none, none, values[i]);
	accuracy_figures(&accuracy, &figures);
	assert_near(figures.relative, 1, CLOSE);
	assert_near(figures.mase, 1, CLOSE);
	assert_near(figures.naive_mase, 1, CLOSE);
	assert_true(isnan(figures.coverage80) && isnan(figures.width90));
}

static void errors_and_intervals_are_counted_by_hand(void **state)
{
	struct accuracy_interval narrow = {9, 11}, wide = {5, 15};
	struct accuracy_figures figures;
	struct accuracy accuracy;

	accuracy_init(&accuracy, 2);
	accuracy_add(&accuracy, 8, 10, narrow, wide, 11); /* error 1, naive 3, both hold */
	accuracy_add(&accuracy, 8, 10, narrow, wide, 14); /* error 4, naive 6, the wide one holds */
	accuracy_add(&accuracy, 8, NAN, none, none, 9);   /* counts as naive: 1 and 1 */
	accuracy_add(&accuracy, NAN, 10, narrow, wide, 9); /* nothing known before */
	accuracy_add(&accuracy, 8, 10, narrow, wide, NAN); /* nothing came */
	accuracy_figures(&accuracy, &figures);
	assert_int_equal(figures.points, 3);
	assert_int_equal(figures.not_predicted, 1);
	assert_near(figures.mae, 2, CLOSE);
	assert_near(figures.mase, 1, CLOSE);
	assert_near(figures.relative, .6, CLOSE);
	assert_near(figures.coverage80, .5, CLOSE);
	assert_near(figures.coverage90, 1, CLOSE);
	assert_near(figures.width80, 1, CLOSE);
	assert_near(figures.width90, 5, CLOSE);
}

static void a_series_that_never_changes_has_no_scale(void **state)
{
	static const double flat[] = {3, 3, 3}, gaps[] = {1, NAN, 5, 6};
	struct accuracy_figures figures;
	struct accuracy accuracy;

	assert_true(isnan(accuracy_scale(flat, 3)));
	assert_true(isnan(accuracy_scale(flat, 1)));
	assert_near(accuracy_scale(gaps, 4), 1, CLOSE);
	accuracy_init(&accuracy, NAN);
	accuracy_add(&accuracy, 3, 3, none, none, 3);
	accuracy_figures(&accuracy, &figures);
	assert_true(isnan(figures.mase));
	assert_near(figures.relative, 1, CLOSE);
	accuracy_add(&accuracy, 3, 4, none, none, 3);
	accuracy_figures(&accuracy, &figures);
	assert_true(isinf(figures.relative));
}

static void means_leave_out_what_is_not_known(void **state)
{
	static const double values[] = {2, NAN, 8};

	assert_near(geometric_mean(values, 3), 4, CLOSE);
	assert_near(mean_known(values, 3), 5, CLOSE);
	assert_true(isnan(mean_known(values + 1, 1)));
	assert_true(isnan(geometric_mean(values + 1, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_are_those_counted_out_at_every_threshold),
		cmocka_unit_test(average_precision_is_the_sum_over_distinct_thresholds),
		cmocka_unit_test(a_known_example_has_its_published_figures),
		cmocka_unit_test(what_is_undefined_is_nan_and_not_zero),
		cmocka_unit_test(a_constant_score_is_worth_no_more_than_chance),
		cmocka_unit_test(unjudged_points_count_as_not_found),
		cmocka_unit_test(alarms_are_counted_by_hand),
		cmocka_unit_test(faults_are_ranked_among_false_windows),
		cmocka_unit_test(at_most_the_allowed_part_of_false_windows_is_above_the_threshold),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
		cmocka_unit_test(the_last_value_has_relative_error_one),
		cmocka_unit_test(errors_and_intervals_are_counted_by_hand),
		cmocka_unit_test(a_series_that_never_changes_has_no_scale),
		cmocka_unit_test(means_leave_out_what_is_not_known),
	};

	return cmocka_run_group_tests_name("measures", tests, NULL, NULL);
}
