/*
 * Detectors of what was not expected, held against their definitions counted out over the whole past
 * of each row: regression on the past, and bands.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/detector.h"
#include "analyzers/forecast/lstm_shared.h"
#include "base/check.h"
#include "base/random.h"

#define COLUMNS 2
#define ROWS 400
#define SPLIT 300
#define STEPS 120
#define ALL (ROWS + STEPS)
#define RATES 7
#define FEATURES (RATES + 2)

static const double rates[RATES] = {.6, .35, .2, .1, .05, .025, .012};
static struct detector_config config = {.seed = 1};
static double rows[ALL * COLUMNS];
static struct error error;

/* What wanders and comes back, with holes. */
static void draw(uint64_t seed, double scale)
{
	double place[COLUMNS] = {0};
	struct random dice;

	random_init(&dice, seed);
	for (size_t i = 0; i < ALL * COLUMNS; i++) {
		double *at = &place[i % COLUMNS];

		*at = .9 * *at + random_normal(&dice);
		rows[i] = random_below(&dice, 20) == 0 ? NAN : scale * (5 + *at);
	}
}

static struct detector *fitted(const char *name)
{
	const struct detector_class *class = detector_class_find(name);
	struct detector *detector = class->open(&config, COLUMNS, &error);

	assert_non_null(detector);
	assert_int_equal(class->fit(detector, &(struct detector_rows){rows, ROWS, COLUMNS}, &error),
		STATUS_OK);
	return detector;
}

/* ---- regression ---- */

/* Of rows [from, to) of a column: its mean and deviation. */
static void moments(const double *values, size_t from, size_t to, double *mean, double *deviation)
{
	double sum = 0, squares = 0, count = 0;

	for (size_t i = from; i < to; i++) {
		sum += isnan(values[i]) ? 0 : values[i];
		count += isnan(values[i]) ? 0 : 1;
	}
	*mean = sum / count;
	for (size_t i = from; i < to; i++)
		squares += isnan(values[i]) ? 0 : (values[i] - *mean) * (values[i] - *mean);
	*deviation = sqrt(squares / count);
}

/* x of row `at` by sums over all values up to it. */
static void features(const double *z, size_t at, double x[FEATURES])
{
	x[0] = 1;
	x[1] = z[at];
	for (size_t k = 0; k < RATES; k++) {
		double kept = 1, level = 0, first = 0;

		for (size_t i = at + 1; i-- > 0;) {
			if (isnan(z[i]))
				continue;
			level += rates[k] * kept * z[i];
			kept *= 1 - rates[k];
			first = z[i];
		}
		x[2 + k] = level + kept * first - z[at];
	}
}

/* a: [FEATURES][FEATURES + 1], the last column the right-hand side and then the answer. */
static void eliminate(double a[FEATURES][FEATURES + 1])
{
	for (size_t i = 0; i < FEATURES; i++) {
		for (size_t r = 0; r < FEATURES; r++) {
			double part = a[r][i] / a[i][i];

			for (size_t c = 0; r != i && c <= FEATURES; c++)
				a[r][c] -= part * a[i][c];
		}
	}
	for (size_t i = 0; i < FEATURES; i++)
		a[i][FEATURES] /= a[i][i];
}

/* said[i + 1]: of row i + 1 by theta of the first SPLIT rows. */
static void forecasts(const double *z, double *said)
{
	double a[FEATURES][FEATURES + 1] = {{0}}, trace = 0, x[FEATURES];

	for (size_t row = 0; row + 1 < SPLIT; row++) {
		if (isnan(z[row]) || isnan(z[row + 1]))
			continue;
		features(z, row, x);
		for (size_t i = 0; i < FEATURES; i++) {
			for (size_t j = 0; j < FEATURES; j++)
				a[i][j] += x[i] * x[j];
			a[i][FEATURES] += x[i] * (z[row + 1] - z[row]);
		}
	}
	for (size_t i = 0; i < FEATURES; i++)
		trace += a[i][i];
	for (size_t i = 0; i < FEATURES; i++)
		a[i][i] += 1e-3 * trace / FEATURES;
	eliminate(a);
	for (size_t row = SPLIT - 1; row + 1 < ALL; row++) {
		said[row + 1] = NAN;
		if (isnan(z[row]))
			continue;
		features(z, row, x);
		said[row + 1] = z[row];
		for (size_t i = 0; i < FEATURES; i++)
			said[row + 1] += a[i][FEATURES] * x[i];
	}
}

/* strange: [ALL] residuals, which become magnitudes in deviations; 0: there is none. */
static void standardise(double *strange)
{
	double mean, deviation;

	moments(strange, SPLIT, ROWS, &mean, &deviation);
	for (size_t i = SPLIT; i < ALL; i++)
		strange[i] = isnan(strange[i]) ? 0 : fabs((strange[i] - mean) / deviation);
}

static void regression_magnitudes(size_t column, double *strange)
{
	double z[ALL], said[ALL], mean, deviation;

	for (size_t i = 0; i < ALL; i++)
		z[i] = rows[i * COLUMNS + column];
	moments(z, 0, SPLIT, &mean, &deviation);
	for (size_t i = 0; i < ALL; i++)
		z[i] = (z[i] - mean) / deviation;
	forecasts(z, said);
	said[SPLIT] = NAN;
	for (size_t i = SPLIT; i < ALL; i++)
		strange[i] = z[i] - said[i];
	standardise(strange);
}

/* The scores are the magnitudes' means over columns, faded over twelve rows. */
static void claim_scores(const char *name, double strange[COLUMNS][ALL])
{
	const struct detector_class *class = detector_class_find(name);
	struct detector *detector = fitted(name);
	size_t judged = 0;

	for (size_t row = ROWS; row < ALL; row++) {
		double expected = 0, weight = 1.0 / 12,
		       score = class->step(detector, rows + row * COLUMNS, NULL);

		/* A row without a forecast of any column does not count. */
		for (size_t back = row; back >= ROWS; back--) {
			if (strange[0][back] == 0 && strange[1][back] == 0)
				continue;
			expected += weight * (strange[0][back] + strange[1][back]) / COLUMNS;
			weight *= 11.0 / 12;
		}
		if (isnan(score))
			continue;
		assert_true(fabs(score - expected) < 1e-9);
		judged++;
	}
	assert_true(judged > STEPS * 9 / 10);
	class->close(detector);
}

static void a_row_is_judged_as_all_of_its_past_says(void **state)
{
	double strange[COLUMNS][ALL];

	for (uint64_t seed = 1; seed <= 8; seed++) {
		draw(seed, seed % 2 == 0 ? 1e-6 : 1e12);
		for (size_t c = 0; c < COLUMNS; c++)
			regression_magnitudes(c, strange[c]);
		claim_scores("forecast_residual", strange);
	}
}

/* A value that is usual in itself, but not from where the row before stood. */
static void what_follows_from_the_past_is_expected_and_what_does_not_is_told(void **state)
{
	const struct detector_class *class = detector_class_find("forecast_residual");
	struct detector *detector;
	double parts[COLUMNS], usual = 0, shifted;
	struct random dice;

	random_init(&dice, 4);
	for (size_t i = 0; i < ALL; i++) {
		rows[i * COLUMNS] = 50 + 40 * sin((double)i / 30) + random_normal(&dice);
		rows[i * COLUMNS + 1] = 3 + .01 * random_normal(&dice);
	}
	detector = fitted("forecast_residual");
	for (size_t i = ROWS; i < ALL - 1; i++)
		usual = class->step(detector, rows + i * COLUMNS, NULL);
	rows[(ALL - 1) * COLUMNS] += rows[(ALL - 1) * COLUMNS] > 50 ? -30 : 30;
	shifted = class->step(detector, rows + (ALL - 1) * COLUMNS, parts);
	assert_true(shifted > usual + .5);
	assert_true(parts[0] > parts[1]);
	class->close(detector);
}

/* ---- the net ---- */

static void open_net(void)
{
	struct forecaster_config shape;
	struct lstm_net *net;

	forecaster_config_default(&shape);
	shape.lstm_hidden = 32;
	shape.lstm_layers = 2;
	net = lstm_net_open(&shape, &error);
	config.shared = lstm_shared_open(LSTM_FP32, &error);
	assert_non_null(net);
	assert_non_null(config.shared);
	lstm_shared_put(config.shared, net);
}

/* What the forecaster of that net says of each row five rows before, all of them at one hour. */
static void net_magnitudes(size_t column, double *strange)
{
	const int64_t week_ms = 604800000;
	struct prediction said[2];
	struct forecaster_config own;
	struct forecaster *forecaster;

	forecaster_config_default(&own);
	own.shared = config.shared;
	own.season_rows = 0;
	own.step_ms = week_ms;
	forecaster = forecaster_open(forecaster_class_find("lstm_general"), &own, &error);
	assert_non_null(forecaster);
	for (size_t i = 0; i < ALL; i++)
		strange[i] = NAN;
	for (size_t i = 0; i + 5 < ALL; i++) {
		double value = rows[i * COLUMNS + column];

		forecaster_step(forecaster, value, (int64_t)i * week_ms);
		forecaster_predict(forecaster, said);
		if (i >= SPLIT && !isnan(value))
			strange[i + 5] = rows[(i + 5) * COLUMNS + column] - said[0].middle;
	}
	forecaster_close(forecaster);
	standardise(strange);
}

static void a_row_is_held_against_what_the_net_said_of_it(void **state)
{
	double strange[COLUMNS][ALL];

	open_net();
	for (uint64_t seed = 1; seed <= 4; seed++) {
		draw(seed, seed % 2 == 0 ? 1e-6 : 1e12);
		for (size_t c = 0; c < COLUMNS; c++)
			net_magnitudes(c, strange[c]);
		claim_scores("lstm_residual", strange);
	}
	lstm_shared_close(config.shared);
	config.shared = NULL;
}

static void without_a_net_it_says_so_and_judges_nothing(void **state)
{
	const struct detector_class *class = detector_class_find("lstm_residual");
	struct detector *detector = class->open(&config, COLUMNS, &error);

	draw(1, 1);
	assert_non_null(detector);
	assert_int_equal(class->fit(detector, &(struct detector_rows){rows, ROWS, COLUMNS}, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "net for all workloads"));
	assert_true(isnan(class->step(detector, rows, NULL)));
	class->close(detector);
}

/* ---- bands ---- */

/* Of the values of a column before row `at`, counted out with the weights that each has by then. */
static bool band_of(size_t column, size_t at, double *mean, double *deviation)
{
	size_t seen = 0;

	*mean = *deviation = 0;
	for (size_t i = 0; i < at; i++) {
		double value = rows[i * COLUMNS + column], before = *mean;
		double weight = fmax(1.0 / (double)(seen + 1), 1.0 / 60), step = value - before;

		if (isnan(value))
			continue;
		if (++seen > 15 && fabs(step) > 3 * *deviation)
			step = step > 0 ? 3 * *deviation : -3 * *deviation;
		*mean = before + weight * step;
		*deviation = sqrt((1 - weight) * (*deviation * *deviation + weight * step * step));
	}
	return seen >= 15;
}

/* From the first minutes on: nothing was fitted. */
static void bands_judge_without_training(void **state)
{
	const struct detector_class *class = detector_class_find("ewma_bands");
	struct detector *detector = class->open(&config, COLUMNS, &error);
	size_t first = 0;

	draw(5, 1e3);
	for (size_t row = 0; row < ALL; row++) {
		double expected = 0, score = class->step(detector, rows + row * COLUMNS, NULL);
		size_t known = 0, there = 0;

		for (size_t c = 0; c < COLUMNS; c++) {
			double mean, deviation, value = rows[row * COLUMNS + c];
			bool knows = band_of(c, row, &mean, &deviation);

			known += knows ? 1 : 0;
			there += knows && !isnan(value) ? 1 : 0;
			if (knows && !isnan(value))
				expected += fmin(fabs(value - mean) / deviation, 20) / COLUMNS;
		}
		assert_true(isnan(score) == (there == 0 || 2 * there < known));
		assert_true(isnan(score) || fabs(score - expected) < 1e-9);
		first = first == 0 && !isnan(score) ? row : first;
	}
	assert_in_range(first, 15, 20);
	class->close(detector);
}

/* An hour far off: its rows are told to the end, for they widen their own band slowly. */
static void an_episode_does_not_hide_itself(void **state)
{
	const struct detector_class *class = detector_class_find("ewma_bands");
	struct detector *detector = class->open(&config, 1, &error);
	double wild = 100;

	for (size_t i = 0; i < 200; i++)
		(void)class->step(detector, &(double){10 + (double)(i % 3)}, NULL);
	for (size_t i = 0; i < 20; i++)
		assert_true(class->step(detector, &wild, NULL) == 20);
	class->close(detector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_judged_as_all_of_its_past_says),
		cmocka_unit_test(what_follows_from_the_past_is_expected_and_what_does_not_is_told),
		cmocka_unit_test(a_row_is_held_against_what_the_net_said_of_it),
		cmocka_unit_test(without_a_net_it_says_so_and_judges_nothing),
		cmocka_unit_test(bands_judge_without_training),
		cmocka_unit_test(an_episode_does_not_hide_itself),
	};

	return cmocka_run_group_tests_name("residual", tests, NULL, NULL);
}
