/*
 * Every detector of the table against what any of them must stand: rows that are not numbers, that
 * never change, that are missing; and that what is unusual scores higher than what is usual.
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
#include "base/mem.h"
#include "base/random.h"

#define COLUMNS 3
#define DAY 48
#define ROWS (6 * DAY)

static double train[ROWS * COLUMNS];
static struct detector_config config = {.rows_per_day = DAY, .seed = 7, .trees = 12};
static const struct detector_rows all_rows = {train, ROWS, COLUMNS};

/* A load with a daily shape, what follows it, and noise. */
static void draw_row(struct random *dice, size_t at, double *row)
{
	double load = 10 + 4 * sin(2 * M_PI * (double)at / DAY);

	row[0] = load + 0.3 * random_normal(dice);
	row[1] = 1e6 * row[0] + 1e5 * random_normal(dice);
	row[2] = 5e-3 + 1e-4 * random_normal(dice);
}

static void draw_train(struct random *dice)
{
	random_init(dice, 3);
	for (size_t i = 0; i < ROWS; i++)
		draw_row(dice, i, train + i * COLUMNS);
}

static struct detector *fitted(const struct detector_class *class)
{
	struct random dice;
	struct error error;
	struct detector *detector = class->open(&config, COLUMNS, &error);

	draw_train(&dice);
	assert_non_null(detector);
	assert_int_equal(class->fit(detector, &all_rows, &error), STATUS_OK);
	return detector;
}

static bool knows_nothing(const struct detector_class *class)
{
	return strcmp(class->name, "random") == 0;
}

/* Runs the claim for each class of the table, and for the one that is not in it. */
static void each(void (*claim)(const struct detector_class *class))
{
	size_t count = 0;

	for (const struct detector_class *class; (class = detector_class_at(count)) != NULL;
		count++)
		claim(class);
	assert_int_equal(count, 12);
	claim(detector_class_find("lstm_residual"));
}

static void claim_found(const struct detector_class *class)
{
	assert_ptr_equal(detector_class_find(class->name), class);
	assert_true(strlen(class->summary) > 10);
}

static void every_detector_is_found_by_its_name(void **state)
{
	each(claim_found);
	assert_null(detector_class_find("oracle"));
}

/* One row stands out after 30 usual ones; it scores higher than all of them. */
static void claim_outlier(const struct detector_class *class)
{
	struct detector *detector = fitted(class);
	struct random dice;
	double highest = -INFINITY, row[COLUMNS], parts[COLUMNS], score;

	random_init(&dice, 4);
	for (size_t i = 0; i < 30; i++) {
		draw_row(&dice, ROWS + i, row);
		score = class->step(detector, row, NULL);
		assert_true(isfinite(score));
		highest = fmax(highest, score);
	}
	draw_row(&dice, ROWS + 30, row);
	/* What principal components leave over is what breaks with how columns go together. */
	if (strcmp(class->name, "pca") == 0)
		row[1] *= 0.3;
	row[2] = 0.02;
	score = class->step(detector, row, parts);
	if (!knows_nothing(class))
		assert_true(score > highest);
	if (!knows_nothing(class) && strcmp(class->name, "pca") != 0) {
		assert_true(parts[2] > parts[0] && parts[2] > parts[1]);
		assert_true(fabs(parts[0] + parts[1] + parts[2] - 1) < 1e-9);
	}
	class->close(detector);
}

static void an_outlier_scores_highest_and_its_column_is_named(void **state)
{
	each(claim_outlier);
}

/* Asked for afterwards, contributions are those that a step gives; also of the gap that follows. */
static void claim_explained(const struct detector_class *class)
{
	struct detector *at_once = fitted(class), *later = fitted(class);
	double row[COLUMNS], parts[COLUMNS], others[COLUMNS];
	struct random dice;

	random_init(&dice, 6);
	for (size_t i = 0; i < 20; i++) {
		double a, b;

		draw_row(&dice, ROWS + i, row);
		row[2] = i == 10 ? 0.02 : i == 15 ? NAN : row[2];
		if (i == 19)
			row[0] = row[1] = row[2] = NAN;
		a = class->step(at_once, row, parts);
		b = class->step(later, row, NULL);
		class->explain(later, others);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_memory_equal(parts, others, sizeof(parts));
		/* And they are the row's: its wild column's, or nobody's. */
		if (i == 10 && !knows_nothing(class) && strcmp(class->name, "pca") != 0)
			assert_true(others[2] > others[0] && others[2] > others[1]);
		if (i == 19)
			assert_true(others[0] == 0 && others[1] == 0 && others[2] == 0);
	}
	class->close(at_once);
	class->close(later);
}

static void what_is_explained_later_is_what_is_explained_at_once(void **state)
{
	each(claim_explained);
}

static void claim_repeatable(const struct detector_class *class)
{
	struct detector *one = fitted(class), *other = fitted(class);
	struct random dice;
	double row[COLUMNS];

	random_init(&dice, 5);
	for (size_t i = 0; i < 20; i++) {
		double a, b;

		draw_row(&dice, ROWS + i, row);
		a = class->step(one, row, NULL);
		b = class->step(other, row, NULL);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	class->close(one);
	class->close(other);
}

static void the_same_seed_gives_the_same_scores(void **state)
{
	each(claim_repeatable);
}

/* Neither judged nor remembered as a zero. */
static void claim_missing(const struct detector_class *class)
{
	struct detector *detector = fitted(class);
	double row[COLUMNS] = {NAN, INFINITY, -1.5e300}, parts[COLUMNS];

	for (int i = 0; i < 70; i++) {
		double score = class->step(detector, row, parts);

		assert_true(knows_nothing(class) || isnan(score));
		assert_true(parts[0] == 0 && parts[1] == 0 && parts[2] == 0);
	}
	class->close(detector);
}

static void rows_without_numbers_are_not_judged(void **state)
{
	each(claim_missing);
}

/* A signal that disappears is no outlier: the others are judged as before. */
static void claim_gap(const struct detector_class *class)
{
	struct detector *with = fitted(class), *without = fitted(class);
	struct random dice;
	double row[COLUMNS], whole = 0, gap = 0;

	random_init(&dice, 6);
	for (size_t i = 0; i < 60; i++) {
		draw_row(&dice, ROWS + i, row);
		whole += class->step(with, row, NULL);
		row[2] = NAN;
		gap += class->step(without, row, NULL);
	}
	assert_true(knows_nothing(class) || (isfinite(gap) && gap < 1.3 * whole));
	class->close(with);
	class->close(without);
}

static void a_missing_column_makes_nothing_unusual(void **state)
{
	each(claim_gap);
}

/* Where nothing ever changed there is no scale: no score is infinite, and the constant itself is not
 * more unusual than a change. */
static void claim_constant(const struct detector_class *class)
{
	struct error error;
	struct detector *detector = class->open(&config, COLUMNS, &error);
	double row[COLUMNS] = {0.1, 7e9, 0}, same, other;

	for (size_t i = 0; i < ROWS; i++)
		memcpy(train + i * COLUMNS, row, sizeof(row));
	assert_int_equal(class->fit(detector, &all_rows, &error), STATUS_OK);
	same = class->step(detector, row, NULL);
	row[1] = 8e9;
	other = class->step(detector, row, NULL);
	assert_true(!isinf(same) && !isinf(other) && isnan(same) == isnan(other));
	assert_true(knows_nothing(class) || isnan(same) || other >= same);
	class->close(detector);
}

static void a_constant_past_divides_by_nothing(void **state)
{
	each(claim_constant);
}

static void claim_huge(const struct detector_class *class)
{
	struct error error;
	struct random dice;
	struct detector *detector = class->open(&config, COLUMNS, &error);

	draw_train(&dice);
	for (size_t i = 0; i < ROWS; i += 50)
		train[i * COLUMNS + i % COLUMNS] =
			(const double[]){1e308, -1e308, 9e99, 1e-310, -INFINITY}[i / 50 % 5];
	assert_int_equal(class->fit(detector, &all_rows, &error), STATUS_OK);
	for (size_t i = 0; i < ROWS; i++) {
		double score = class->step(detector, train + i * COLUMNS, NULL);

		assert_true(isnan(score) || isfinite(score));
	}
	class->close(detector);
}

static void huge_values_leave_every_score_finite(void **state)
{
	each(claim_huge);
}

static void claim_nothing(const struct detector_class *class)
{
	struct error error;
	struct detector *detector = class->open(&config, COLUMNS, &error);
	struct random dice;
	double row[COLUMNS] = {1, 2, 3};
	const struct detector_rows few = {train, 5, COLUMNS}, wide = {train, ROWS / 2, 2 * COLUMNS};

	assert_true(isnan(class->step(detector, row, NULL)));
	assert_int_equal(class->fit(detector, &few, &error), STATUS_BAD_INPUT);
	assert_int_equal(class->fit(detector, &wide, &error), STATUS_BAD_INPUT);
	for (size_t i = 0; i < ROWS * COLUMNS; i++)
		train[i] = NAN;
	if (!knows_nothing(class)) {
		assert_int_equal(class->fit(detector, &all_rows, &error), STATUS_BAD_INPUT);
		assert_true(isnan(class->step(detector, row, NULL)));
	}
	draw_train(&dice);
	assert_int_equal(class->fit(detector, &all_rows, &error), STATUS_OK);
	assert_true(isfinite(class->step(detector, row, NULL)));
	class->close(detector);
}

static void what_cannot_be_learnt_from_is_refused(void **state)
{
	each(claim_nothing);
}

static void claim_config(const struct detector_class *class)
{
	static const struct detector_config bad[] = {{.trees = 100000}, {.sample = 1},
		{.sample = 1000}, {.rows_per_day = 1000000}, {.contamination = 0.7},
		{.contamination = NAN}};
	struct error error;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_null(class->open(&bad[i], COLUMNS, &error));
		assert_int_equal(error.code, STATUS_BAD_INPUT);
	}
	assert_null(class->open(&config, 0, &error));
	assert_null(class->open(&config, DETECTOR_COLUMNS_MAX + 1, &error));
}

static void impossible_settings_are_refused(void **state)
{
	each(claim_config);
}

/* Each allocation fails in turn; a model that was there goes on serving. */
static void claim_sweep(const struct detector_class *class)
{
	struct detector *old = fitted(class);
	struct error error;
	double row[COLUMNS] = {10, 1e7, 5e-3};
	bool reached = true;

	for (long n = 1; reached; n++) {
		struct detector *detector;
		enum status status = STATUS_NO_MEMORY;

		mem_fail_after(n, false);
		detector = class->open(&config, COLUMNS, &error);
		if (detector == NULL)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		else
			status = class->fit(detector, &all_rows, &error);
		reached = mem_fail_after(0, false);
		if (reached && status != STATUS_OK)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		assert_true(reached || status == STATUS_OK);
		class->close(detector);

		mem_fail_after(n, false);
		(void)class->fit(old, &all_rows, NULL);
		reached = mem_fail_after(0, false) || reached;
		assert_true(isfinite(class->step(old, row, NULL)));
	}
	class->close(old);
}

static void a_failed_allocation_leaves_the_old_model(void **state)
{
	each(claim_sweep);
}

/* What a day of whole numbers of 64 bits would say. values: [ROWS + DAY][COLUMNS]. */
static void seasonal_reference(const double *values, double *scores)
{
	double mean[COLUMNS] = {0}, square[COLUMNS] = {0};
	size_t count = ROWS - DAY;

	for (size_t i = DAY * COLUMNS; i < ROWS * COLUMNS; i++)
		mean[i % COLUMNS] += (values[i] - values[i - DAY * COLUMNS]) / (double)count;
	for (size_t i = DAY * COLUMNS; i < ROWS * COLUMNS; i++) {
		double distance = values[i] - values[i - DAY * COLUMNS] - mean[i % COLUMNS];

		square[i % COLUMNS] += distance * distance / (double)count;
	}
	for (size_t row = 0; row < DAY; row++) {
		scores[row] = 0;
		for (size_t c = 0; c < COLUMNS; c++) {
			size_t i = (ROWS + row) * COLUMNS + c;
			double residual = values[i] - values[i - DAY * COLUMNS] - mean[c];

			scores[row] += fmin(fabs(residual) / sqrt(square[c]), 20) / COLUMNS;
		}
	}
}

static void yesterday_is_remembered_to_a_thirtieth_of_its_usual_distance(void **state)
{
	const struct detector_class *class = detector_class_find("seasonal");
	static double values[(ROWS + DAY) * COLUMNS];
	double expected[DAY], wild[COLUMNS] = {1e99, -1e99, 1e99};
	struct detector *detector;
	struct random dice;
	struct error error;

	random_init(&dice, 9);
	/* Swings a hundred times what a day differs from the next. */
	for (size_t i = 0; i < (ROWS + DAY) * COLUMNS; i++)
		values[i] = 1e6 + 100 * sin(2 * M_PI * (double)(i / COLUMNS) / DAY) +
			random_normal(&dice);
	seasonal_reference(values, expected);
	detector = class->open(&config, COLUMNS, &error);
	assert_int_equal(class->fit(detector, &(struct detector_rows){values, ROWS, COLUMNS},
				 &error),
		STATUS_OK);
	for (size_t row = 0; row < DAY; row++)
		assert_true(fabs(class->step(detector, values + (ROWS + row) * COLUMNS, NULL) -
				    expected[row]) < 1.0 / 30);
	/* What is far beyond all that was seen is remembered as that, and disturbs no other row. */
	assert_true(class->step(detector, wild, NULL) == 20);
	for (size_t row = 1; row < DAY; row++)
		assert_true(class->step(detector, values + (ROWS + row) * COLUMNS, NULL) < 0.5);
	class->close(detector);
}

/* A net that learnt nothing, for who asks one. */
static int open_net(void **state)
{
	struct forecaster_config shape;
	struct lstm_net *net;
	struct error why;

	forecaster_config_default(&shape);
	shape.lstm_hidden = 32;
	shape.lstm_layers = 1;
	net = lstm_net_open(&shape, &why);
	config.shared = lstm_shared_open(LSTM_FP32, &why);
	if (net == NULL || config.shared == NULL)
		return -1;
	lstm_shared_put(config.shared, net);
	return 0;
}

static int close_net(void **state)
{
	lstm_shared_close(config.shared);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_detector_is_found_by_its_name),
		cmocka_unit_test(an_outlier_scores_highest_and_its_column_is_named),
		cmocka_unit_test(what_is_explained_later_is_what_is_explained_at_once),
		cmocka_unit_test(the_same_seed_gives_the_same_scores),
		cmocka_unit_test(rows_without_numbers_are_not_judged),
		cmocka_unit_test(a_missing_column_makes_nothing_unusual),
		cmocka_unit_test(a_constant_past_divides_by_nothing),
		cmocka_unit_test(huge_values_leave_every_score_finite),
		cmocka_unit_test(what_cannot_be_learnt_from_is_refused),
		cmocka_unit_test(impossible_settings_are_refused),
		cmocka_unit_test(a_failed_allocation_leaves_the_old_model),
		cmocka_unit_test(yesterday_is_remembered_to_a_thirtieth_of_its_usual_distance),
	};

	return cmocka_run_group_tests_name("detector", tests, open_net, close_net);
}
