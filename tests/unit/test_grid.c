/*
 * The grid: what a cell holds and why it holds nothing, whatever order samples come in, and which
 * rows are closed when clocks do as they like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "analyzers/features/grid.h"
#include "base/check.h"
#include "base/random.h"

#define R0 INT64_C(28333320)
#define T0 (R0 * 60000)
#define ROWS 8
#define POINTS 400

static struct grid_spec spec;
static struct store_point scratch[GRID_SCRATCH(POINTS)];
static double values[ROWS];
static uint8_t verdicts[ROWS];

static int setup(void **state)
{
	grid_spec_default(&spec);
	return 0;
}

static double stale_marker(void)
{
	const uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static struct grid_column column_of(const struct store_point *points, size_t count)
{
	return (struct grid_column){.points = points,
		.count = count,
		.type = SIGNAL_GAUGE,
		.interval_ms = 15000,
		.stale_ms = 150000,
		.bound = true};
}

static void fold(const struct grid_column *column)
{
	grid_fold(&spec, column, R0, ROWS, T0 + ROWS * 60000, scratch, values, verdicts, 1);
}

static void gap(int row, enum quality verdict)
{
	assert_true(isnan(values[row]));
	assert_int_equal(verdicts[row], verdict);
}

static void value(int row, double wanted)
{
	if (values[row] != wanted)
		fail_msg("row %d: %.17g instead of %.17g", row, values[row], wanted);
	assert_int_equal(verdicts[row], QUALITY_GOOD);
}

static void a_gap_is_told_from_a_zero(void **state)
{
	const struct store_point points[] = {{T0 + 1000, 4}, {T0 + 31000, 8}, {T0 + 70000, 0},
		{T0 + 190000, 5}};
	const struct grid_column column = column_of(points, ARRAY_COUNT(points));

	fold(&column);
	value(0, 6);
	value(1, 0);
	gap(2, QUALITY_GAPS);
	value(3, 5);
	gap(4, QUALITY_GAPS);
}

static void each_cell_without_a_value_says_why(void **state)
{
	const struct store_point points[] = {{T0 + 1000, NAN}, {T0 + 2000, INFINITY},
		{T0 + 61000, 5}, {T0 + 61000, 6}, {T0 + 121000, 1e308}, {T0 + 122000, 1e308},
		{T0 + 181000, stale_marker()}, {T0 + 301000, 7}};
	struct grid_column column = column_of(points, ARRAY_COUNT(points));

	fold(&column);
	gap(0, QUALITY_NOT_A_NUMBER);
	gap(1, QUALITY_DUPLICATE);
	value(2, 1e308);
	gap(3, QUALITY_STALE);
	gap(4, QUALITY_STALE);
	value(5, 7);
	gap(6, QUALITY_GAPS);
	column.duplicate = true;
	fold(&column);
	gap(2, QUALITY_DUPLICATE);
	column.bound = false;
	fold(&column);
	gap(2, QUALITY_MISSING);
}

static void samples_of_the_future_are_left_out_and_said(void **state)
{
	const struct store_point points[] = {{T0 + 1000, 5}, {T0 + 3600000, 6}};
	const struct grid_column column = column_of(points, ARRAY_COUNT(points));

	grid_fold(&spec, &column, R0, 3, T0 + 150000, scratch, values, verdicts, 1);
	value(0, 5);
	gap(1, QUALITY_SKEW);
	gap(2, QUALITY_SKEW);
}

static void a_counter_gives_rates_and_a_reset_no_value(void **state)
{
	const struct store_point points[] = {{T0 - 30000, 100}, {T0, 160}, {T0 + 30000, 190},
		{T0 + 60000, 10}, {T0 + 90000, 40}, {T0 + 120000, 70}, {T0 + 420000, 1000},
		{T0 + 450000, 1030}};
	struct grid_column column = column_of(points, ARRAY_COUNT(points));

	column.type = SIGNAL_COUNTER;
	fold(&column);
	value(0, 1.5);
	gap(1, QUALITY_RESET);
	value(2, 1);
	gap(3, QUALITY_GAPS);
	/* Nothing is made over a silence longer than stale_ms. */
	value(7, 1);
	column.points = points + 6;
	column.count = 1;
	fold(&column);
	gap(7, QUALITY_GAPS);
}

static void a_rarely_sampled_gauge_holds_its_value_and_no_longer(void **state)
{
	const struct store_point points[] = {{T0 + 59000, 5}, {T0 + 121000, 7}};
	struct grid_column column = column_of(points, ARRAY_COUNT(points));

	column.interval_ms = 60000;
	fold(&column);
	value(0, 5);
	value(1, 5);
	value(2, 7);
	gap(3, QUALITY_GAPS);
	column.type = SIGNAL_COUNTER;
	fold(&column);
	gap(1, QUALITY_GAPS);
}

static void a_gauge_that_is_sampled_often_holds_nothing_over_a_row(void **state)
{
	const struct store_point points[] = {{T0 + 59999, 5}, {T0 + 121000, 7}};
	struct grid_column column = column_of(points, ARRAY_COUNT(points));

	for (column.interval_ms = 5000; column.interval_ms <= 40000; column.interval_ms += 5000) {
		fold(&column);
		value(0, 5);
		gap(1, QUALITY_GAPS);
		value(2, 7);
	}
	column.interval_ms = 41000;
	fold(&column);
	value(1, 5);
}

static void shuffled_and_repeated_samples_change_nothing(void **state)
{
	struct store_point points[POINTS];
	double kept[ROWS];
	uint8_t kept_verdicts[ROWS];
	struct random random;

	random_init(&random, 7);
	for (int type = 0; type < 2; type++) {
		struct grid_column column;

		for (size_t i = 0; i < POINTS / 2; i++)
			points[i] = (struct store_point){T0 - 60000 + (int64_t)i * 2500,
				random_below(&random, 20) == 0 ? NAN : random_normal(&random)};
		column = column_of(points, POINTS / 2);
		column.type = (enum signal_type)type;
		fold(&column);
		memcpy(kept, values, sizeof(kept));
		memcpy(kept_verdicts, verdicts, sizeof(kept_verdicts));
		memcpy(points + POINTS / 2, points, sizeof(points) / 2);
		for (int round = 0; round < 20; round++) {
			for (size_t i = POINTS - 1; i > 0; i--) {
				size_t k = random_below(&random, i + 1);
				struct store_point other = points[i];

				points[i] = points[k];
				points[k] = other;
			}
			column.count = POINTS;
			fold(&column);
			assert_memory_equal(values, kept, sizeof(kept));
			assert_memory_equal(verdicts, kept_verdicts, sizeof(kept_verdicts));
		}
	}
}

static void the_mean_of_a_row_lies_within_its_samples(void **state)
{
	static const double hard[] = {DBL_MAX, -DBL_MAX, 0.1, 1e-310, 3};
	struct store_point points[6];
	struct random random;

	random_init(&random, 11);
	for (int round = 0; round < 500; round++) {
		struct grid_column column = column_of(points, 6);
		double least = INFINITY, most = -INFINITY;

		for (size_t i = 0; i < 6; i++) {
			double one = hard[random_below(&random, ARRAY_COUNT(hard))];

			points[i] = (struct store_point){T0 + (int64_t)i, one};
			least = one < least ? one : least;
			most = one > most ? one : most;
		}
		fold(&column);
		assert_true(values[0] >= least && values[0] <= most);
	}
}

static void a_sum_that_overflows_still_has_its_mean(void **state)
{
	const struct store_point points[] = {{T0, DBL_MAX}, {T0 + 1, DBL_MAX}, {T0 + 2, 0},
		{T0 + 3, DBL_MAX}, {T0 + 60000, -DBL_MAX}, {T0 + 60001, -DBL_MAX},
		{T0 + 60002, DBL_MAX / 2}};
	struct grid_column column = column_of(points, ARRAY_COUNT(points));

	fold(&column);
	assert_true(fabs(values[0] / DBL_MAX - 0.75) < 1e-9);
	assert_true(fabs(values[1] / DBL_MAX + 0.5) < 1e-9);
}

static void a_row_tells_all_its_reasons_and_the_first_one_as_verdict(void **state)
{
	const uint8_t of_columns[] = {QUALITY_GOOD, QUALITY_RESET, QUALITY_GAPS, QUALITY_MISSING};
	const bool bound[] = {true, true, true, false}, none[] = {false, false, false, false};
	struct grid_row row;

	grid_judge(of_columns, bound, 4, R0, &row);
	assert_int_equal(row.row, R0);
	assert_int_equal(row.verdict, QUALITY_RESET);
	assert_int_equal(row.good, 1);
	assert_int_equal(row.bound, 3);
	assert_int_equal(row.reasons, 1 << QUALITY_GOOD | 1 << QUALITY_RESET | 1 << QUALITY_GAPS);
	grid_judge(of_columns, bound, 1, R0, &row);
	assert_int_equal(row.verdict, QUALITY_GOOD);
	grid_judge(of_columns, none, 4, R0, &row);
	assert_int_equal(row.verdict, QUALITY_MISSING);
	assert_int_equal(row.reasons, 0);
}

/* ---- which rows are closed ---- */

static struct grid_cursor cursor;

static struct grid_span advance(int64_t now_ms, int64_t newest_ms)
{
	struct grid_span span;

	grid_advance(&spec, &cursor, now_ms, newest_ms, &span);
	return span;
}

static void a_row_is_closed_once_when_all_have_gone_on_or_it_waited(void **state)
{
	struct grid_span span;

	cursor.next = GRID_NEVER;
	span = advance(T0, T0);
	assert_int_equal(span.step, GRID_STARTED);
	assert_int_equal(span.rows, spec.rows_max);
	assert_int_equal(span.first + (int64_t)span.rows, R0);
	assert_int_equal(advance(T0 + 59000, T0 + 45000).rows, 0);
	span = advance(T0 + 61000, T0 + 60000);
	assert_int_equal(span.step, GRID_GOES_ON);
	assert_int_equal(span.first, R0);
	assert_int_equal(span.rows, 1);
	assert_int_equal(advance(T0 + 62000, T0 + 60000).rows, 0);
	/* One column lags: the row waits for late_ms and no longer. */
	assert_int_equal(advance(T0 + 125000, T0 + 60000).rows, 0);
	assert_int_equal(advance(T0 + 120000 + spec.late_ms, T0 + 60000).rows, 1);
	/* None goes on. */
	span = advance(T0 + 300000, INT64_MAX);
	assert_int_equal(span.first, R0 + 2);
	assert_int_equal(span.rows, 3);
}

static void a_clock_that_jumps_ahead_is_bounded_and_told(void **state)
{
	struct grid_span span;

	cursor.next = R0;
	span = advance(T0 + INT64_C(86400000) * 365, T0);
	assert_int_equal(span.step, GRID_JUMPED);
	assert_int_equal(span.rows, spec.rows_max);
	assert_true(span.skipped > 500000);
	assert_int_equal(span.first, R0 + span.skipped);
	assert_int_equal(advance(T0 + INT64_C(86400000) * 365, T0).rows, 0);
}

static void a_clock_that_is_set_back_starts_anew(void **state)
{
	struct grid_span span;

	cursor.next = R0;
	/* Less than a row: waited out. */
	assert_int_equal(advance(T0 - 50000, T0 - 60000).rows, 0);
	assert_int_equal(cursor.next, R0);
	span = advance(T0 - 7200000, T0);
	assert_int_equal(span.step, GRID_STARTED);
	assert_int_equal(span.first + (int64_t)span.rows, R0 - 120);
	assert_int_equal(advance(T0 - 7200000 + 60000, T0).first, R0 - 120);
	/* And before 1970. */
	cursor.next = GRID_NEVER;
	span = advance(-30000, -30000);
	assert_int_equal(span.first + (int64_t)span.rows, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_is_told_from_a_zero),
		cmocka_unit_test(each_cell_without_a_value_says_why),
		cmocka_unit_test(samples_of_the_future_are_left_out_and_said),
		cmocka_unit_test(a_counter_gives_rates_and_a_reset_no_value),
		cmocka_unit_test(a_rarely_sampled_gauge_holds_its_value_and_no_longer),
		cmocka_unit_test(a_gauge_that_is_sampled_often_holds_nothing_over_a_row),
		cmocka_unit_test(a_sum_that_overflows_still_has_its_mean),
		cmocka_unit_test(shuffled_and_repeated_samples_change_nothing),
		cmocka_unit_test(the_mean_of_a_row_lies_within_its_samples),
		cmocka_unit_test(a_row_tells_all_its_reasons_and_the_first_one_as_verdict),
		cmocka_unit_test(a_row_is_closed_once_when_all_have_gone_on_or_it_waited),
		cmocka_unit_test(a_clock_that_jumps_ahead_is_bounded_and_told),
		cmocka_unit_test(a_clock_that_is_set_back_starts_anew),
	};

	return cmocka_run_group_tests_name("grid", tests, setup, NULL);
}
