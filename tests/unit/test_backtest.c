/*
 * Backtests: what is measured, on which rows, and what is held against it; and the windows of injected
 * faults, by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/evaluate/backtest.h"
#include "analyzers/evaluate/fault_windows.h"
#include "analyzers/evaluate/judge.h"
#include "base/mem.h"
#include "base/random.h"

#define COUNT 5000
#define CLOSE 1e-9

static double walk[COUNT];

static struct grid_series make_series(void)
{
	struct random random;
	double at = 100;

	random_init(&random, 7);
	for (size_t i = 0; i < COUNT; i++)
		walk[i] = at += random_normal(&random);
	return (struct grid_series){.values = walk,
		.count = COUNT,
		.step_ms = 60000,
		.fit_end = 2000,
		.report_begin = 4000};
}

static void run(const struct grid_series *series, const char *name, bool settings,
	struct accuracy *accuracy, struct plot *plot)
{
	struct backtest_options options = {.seed = 1,
		.horizons = {5, 15},
		.settings_part = settings};
	struct error error;

	assert_int_equal(backtest_series(series, "s", forecaster_class_find(name), &options,
				 accuracy, plot, &error),
		STATUS_OK);
}

/* The last value's error, counted out. */
static double naive_error(size_t begin, size_t end, size_t ahead)
{
	double sum = 0;

	for (size_t i = begin + ahead; i < end; i++)
		sum += fabs(walk[i] - walk[i - ahead]);
	return sum / (double)(end - begin - ahead);
}

static void the_reported_part_alone_is_measured(void **state)
{
	struct grid_series series = make_series();
	struct accuracy accuracy[BACKTEST_HORIZONS];
	struct accuracy_figures figures;

	run(&series, "naive", false, accuracy, NULL);
	for (size_t h = 0; h < BACKTEST_HORIZONS; h++) {
		size_t ahead = h == 0 ? 5 : 15;

		accuracy_figures(&accuracy[h], &figures);
		assert_int_equal(figures.points, 1000 - ahead);
		assert_true(fabs(figures.mae - naive_error(4000, 5000, ahead)) < CLOSE);
		assert_true(fabs(figures.relative - 1) < CLOSE);
		assert_true(fabs(accuracy[h].scale - accuracy_scale(walk, 2000)) < CLOSE);
	}
}

static void the_part_for_settings_ends_where_the_reported_one_begins(void **state)
{
	struct grid_series series = make_series();
	struct accuracy accuracy[BACKTEST_HORIZONS], changed[BACKTEST_HORIZONS];

	run(&series, "naive", true, accuracy, NULL);
	assert_int_equal(accuracy[0].points, 1995);
	/* Whatever is reported on changes nothing. */
	for (size_t i = 4000; i < COUNT; i++)
		walk[i] = 1e6;
	run(&series, "naive", true, changed, NULL);
	assert_memory_equal(accuracy, changed, sizeof(accuracy));
}

static void nothing_is_forecast_across_a_seam(void **state)
{
	struct grid_series series = make_series();
	struct accuracy accuracy[BACKTEST_HORIZONS];

	series.fit_end = series.report_begin = series.seam = 2000;
	for (size_t i = 0; i < 2000; i++)
		walk[i] += 1e6;
	run(&series, "naive", false, accuracy, NULL);
	/* A day behind the seam passes first. */
	assert_int_equal(accuracy[0].points, COUNT - 2000 - 1440 - 5);
	assert_true(accuracy[1].error_sum / (double)accuracy[1].points < 100);
	/* Its settings are chosen on the last third in front of it. */
	run(&series, "naive", true, accuracy, NULL);
	assert_int_equal(accuracy[0].points, 2000 - 1333 - 5);
}

static void a_gap_is_not_measured(void **state)
{
	struct grid_series series = make_series();
	struct accuracy accuracy[BACKTEST_HORIZONS];

	for (size_t i = 4500; i < 4510; i++)
		walk[i] = NAN;
	run(&series, "naive", false, accuracy, NULL);
	/* Ten did not come, and from ten nothing was known: five of each at once. */
	assert_int_equal(accuracy[0].points, 995 - 15);
}

static void what_is_drawn_is_the_end_of_what_is_measured(void **state)
{
	static struct plot plot;
	struct grid_series series = make_series();
	struct accuracy accuracy[BACKTEST_HORIZONS];

	run(&series, "naive", false, accuracy, &plot);
	assert_true(plot.forecast);
	assert_int_equal(plot.count, PLOT_COLUMNS / 2);
	assert_true(fabs((double)plot.value[plot.count - 1] - walk[COUNT - 1]) < 1e-3);
	assert_true(fabs((double)plot.middle[plot.count - 1] - walk[COUNT - 1 - 15]) < 1e-3);
}

/* ---- faults ---- */

static void windows_are_of_six_minutes_and_without_a_fault(void **state)
{
	/* A row a minute. The fault at minute 8.5 labels minutes 9 to 14. */
	static struct fault fault = {.at_ms = 510000, .kind = "cpu"};
	int64_t times[24];
	double scores[24], faults[2], others[25];
	uint8_t labels[24] = {0};
	struct entity entity = {.rows = 24,
		.times_ms = times,
		.faults = &fault,
		.fault_count = 1,
		.fit_begin = 24,
		.fit_end = 24};
	struct judged judged = {.scores = scores, .labels = labels, .count = 24};
	size_t count;

	for (size_t i = 0; i < 24; i++) {
		times[i] = (int64_t)i * 60000;
		scores[i] = (double)i;
		labels[i] = i >= 9 && i < 15;
	}
	fault_windows_scores(&entity, &judged, faults, others, &count);
	assert_true(faults[0] == 14);
	/* 0-5, 6-8, 15-20, 21-23. */
	assert_int_equal(count, 4);
	assert_true(others[0] == 5 && others[1] == 8 && others[2] == 20 && others[3] == 23);
	/* Two rows are no window; what was not judged is not high. */
	times[7] = times[6] + 1000;
	labels[8] = labels[7] = 1;
	scores[20] = NAN;
	fault_windows_scores(&entity, &judged, faults, others, &count);
	assert_int_equal(count, 3);
	assert_true(others[1] == 19);
}

static void rows_are_judged_from_behind_the_fit_round_to_its_beginning(void **state)
{
	struct entity entity = {.rows = 10, .fit_begin = 4, .fit_end = 7};

	assert_int_equal(entity_judged(&entity), 7);
	assert_int_equal(entity_judged_row(&entity, 0), 7);
	assert_int_equal(entity_judged_row(&entity, 2), 9);
	assert_int_equal(entity_judged_row(&entity, 3), 0);
	assert_int_equal(entity_judged_row(&entity, 6), 3);
}

/* ---- judging ---- */

static void alarms_are_calibrated_on_the_fitted_rows_and_labels_change_nothing(void **state)
{
	static double values[COUNT];
	static uint8_t labels[COUNT];
	struct judge_options options = {.seed = 1};
	struct entity entity = {.name = NULL,
		.values = values,
		.rows = COUNT,
		.columns = 1,
		.step_ms = 60000,
		.fit_end = 3000,
		.labels = labels};
	struct judged judged, again;
	struct random random;
	struct error error;
	size_t alarms = 0;

	random_init(&random, 5);
	for (size_t i = 0; i < COUNT; i++)
		values[i] = random_normal(&random) + (i >= 4000 && i < 4020 ? 12 : 0);
	assert_int_equal(judge_entity(&entity, detector_class_find("mean_z"), &options, &judged,
				 &error),
		STATUS_OK);
	assert_int_equal(judged.count, 2000);
	assert_true(judged.scores[1000] > judged.scores[999]);
	assert_int_equal(judged.alarms[1001], 1);
	for (size_t i = 0; i < 900; i++)
		alarms += judged.alarms[i];
	assert_true(alarms < 90);
	memset(labels, 1, sizeof(labels));
	assert_int_equal(judge_entity(&entity, detector_class_find("mean_z"), &options, &again,
				 &error),
		STATUS_OK);
	assert_memory_equal(judged.scores, again.scores, 2000 * sizeof(double));
	assert_memory_equal(judged.alarms, again.alarms, 2000);
	judged_fini(&judged);
	judged_fini(&again);
}

/* Refitted, a score knows nothing of rows behind it. */
static void refitting_reads_no_row_that_is_still_to_come(void **state)
{
	static double values[COUNT];
	struct judge_options options = {.seed = 1, .refit_rows = 288};
	struct entity entity = {.values = values,
		.rows = 2000,
		.columns = 1,
		.step_ms = 300000,
		.fit_end = 300};
	struct judged judged, again;
	struct random random;
	struct error error;

	random_init(&random, 6);
	for (size_t i = 0; i < 2000; i++)
		values[i] = random_normal(&random);
	assert_int_equal(judge_entity(&entity, detector_class_find("forest"), &options, &judged,
				 &error),
		STATUS_OK);
	for (size_t i = 1500; i < 2000; i++)
		values[i] += 50;
	assert_int_equal(judge_entity(&entity, detector_class_find("forest"), &options, &again,
				 &error),
		STATUS_OK);
	assert_memory_equal(judged.scores, again.scores, 1200 * sizeof(double));
	assert_true(again.scores[1200] > judged.scores[1200]);
	judged_fini(&judged);
	judged_fini(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reported_part_alone_is_measured),
		cmocka_unit_test(the_part_for_settings_ends_where_the_reported_one_begins),
		cmocka_unit_test(nothing_is_forecast_across_a_seam),
		cmocka_unit_test(a_gap_is_not_measured),
		cmocka_unit_test(what_is_drawn_is_the_end_of_what_is_measured),
		cmocka_unit_test(windows_are_of_six_minutes_and_without_a_fault),
		cmocka_unit_test(rows_are_judged_from_behind_the_fit_round_to_its_beginning),
		cmocka_unit_test(
			alarms_are_calibrated_on_the_fitted_rows_and_labels_change_nothing),
		cmocka_unit_test(refitting_reads_no_row_that_is_still_to_come),
	};

	return cmocka_run_group_tests_name("backtest", tests, NULL, NULL);
}
