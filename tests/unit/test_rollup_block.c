/*
 * Blocks of the 1-minute tier against what went into them: the bound on the error over real data, over
 * drawn shapes and at the ends of what a double can be; what must come back exactly; what must not
 * pass as a block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/check.h"
#include "base/random.h"
#include "store/rollup_block.h"

#define SALT UINT64_C(0x1234567890abcdef)
#define NUMBER 236111u
#define ROWS_MAX 60000
#define COLUMNS_MAX 64

static struct rollup_minute in[BLOCK_MINUTES], out[BLOCK_MINUTES];
static struct rollup_block block;
static struct rollup_recent recent;

static void encode_decode(void)
{
	rollup_block_encode(&block, &recent, NUMBER, SALT, in);
	assert_true(rollup_block_valid(&block, NUMBER, SALT));
	assert_true(rollup_recent_valid(&recent, NUMBER, SALT));
	rollup_block_decode(&block, &recent, out);
}

static double field_of(const struct rollup_minute *minute, int field)
{
	const double values[] = {minute->mean, minute->max, minute->min, minute->last};

	return values[field];
}

/* What the header of the file promises: range / levels, beside the rounding of a double. */
static long double bound_of(int field)
{
	static const double levels[] = {65535, 32767, 65535, 65535};
	long double low = INFINITY, high = -INFINITY;

	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		if (!in[i].present)
			continue;
		low = fminl(low, field_of(&in[i], field));
		high = fmaxl(high, field_of(&in[i], field));
	}
	return (high - low) / levels[field] + 2 * DBL_EPSILON * fmaxl(fabsl(low), fabsl(high));
}

static void check_bounds(const char *what)
{
	long double bounds[4];

	encode_decode();
	for (int field = 0; field < 4; field++)
		bounds[field] = bound_of(field);
	bounds[2] = fmaxl(bounds[2], bounds[0]);
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		assert_int_equal(out[i].present, in[i].present);
		if (!in[i].present) {
			assert_true(isnan(out[i].mean) && isnan(out[i].max));
			assert_true(isnan(out[i].min) && isnan(out[i].last));
			assert_int_equal(out[i].count, 0);
			continue;
		}
		for (int field = 0; field < 4; field++) {
			long double wanted = field_of(&in[i], field);
			long double got = field_of(&out[i], field);

			if (!isfinite(field_of(&out[i], field)) ||
				fabsl(got - wanted) > bounds[field])
				fail_msg("%s: minute %zu, field %d: %.17Lg instead of %.17Lg, "
					 "bound %.3Lg",
					what, i, field, got, wanted, bounds[field]);
		}
		assert_true(out[i].min <= out[i].mean && out[i].mean <= out[i].max);
		assert_int_equal(out[i].count, in[i].count < 255 ? in[i].count : 255);
	}
}

/* A minute of `count` values. */
static struct rollup_minute minute_of(const double *values, size_t count)
{
	struct rollup_minute minute = {.present = true, .count = (uint32_t)count};
	double sum = 0;

	minute.min = minute.max = values[0];
	for (size_t i = 0; i < count; i++) {
		sum += values[i] / (double)count;
		minute.min = fmin(minute.min, values[i]);
		minute.max = fmax(minute.max, values[i]);
		minute.last = values[i];
	}
	minute.mean = fmax(minute.min, fmin(minute.max, sum));
	return minute;
}

static void assert_exact(void)
{
	encode_decode();
	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		for (int field = 0; field < 4; field++)
			assert_true(field_of(&in[i], field) == field_of(&out[i], field));
}

static void constants_come_back_exactly(void **state)
{
	static const double values[] = {0, -0.0, 0.1, -1e300, 1e300, 1e15 + 0.125, 5e-324, DBL_MAX,
		-DBL_MAX, 3.3333333333333335};

	for (size_t k = 0; k < ARRAY_COUNT(values); k++) {
		for (size_t i = 0; i < BLOCK_MINUTES; i++)
			in[i] = minute_of(&values[k], 1);
		assert_exact();
	}
}

static void whole_numbers_come_back_exactly_where_they_fit(void **state)
{
	static const double bases[] = {0, -16000, 1e6, 1e15, -9e15};
	struct random random;

	random_init(&random, 1);
	for (size_t k = 0; k < ARRAY_COUNT(bases); k++)
		for (int round = 0; round < 20; round++) {
			for (size_t i = 0; i < BLOCK_MINUTES; i++) {
				double value = bases[k] + (double)random_below(&random, 32768);

				in[i] = minute_of(&value, 1);
			}
			assert_exact();
		}
	/* Means of four whole numbers are quarters. */
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		double values[4];

		for (size_t k = 0; k < 4; k++)
			values[k] = (double)random_below(&random, 8192);
		in[i] = minute_of(values, 4);
	}
	assert_exact();
}

static void the_bound_holds_for_drawn_shapes_and_extremes(void **state)
{
	static const double scales[] = {5e-324, 1e-300, 1e-9, 1, 1e9, 1e15, 1e300, DBL_MAX / 8,
		DBL_MAX};
	struct random random;

	random_init(&random, 2);
	for (int round = 0; round < 2000; round++) {
		double scale = scales[random_below(&random, ARRAY_COUNT(scales))];
		double other = scales[random_below(&random, ARRAY_COUNT(scales))];
		double offset =
			(double)random_below(&random, 2) * (random_unit(&random) - 0.5) * other;
		uint64_t gaps = random_below(&random, 3), spikes = random_below(&random, 3);

		for (size_t i = 0; i < BLOCK_MINUTES; i++) {
			size_t count = 1 + random_below(&random, round % 50 == 0 ? 300 : 5);
			double values[300];

			for (size_t k = 0; k < count; k++) {
				double unit = random_unit(&random) * 2 - 1;
				bool spike = spikes > 0 && random_below(&random, 50) == 0;

				values[k] = unit * scale + (spike ? unit * other : 0) + offset;
				values[k] = fmax(-DBL_MAX, fmin(DBL_MAX, values[k]));
			}
			in[i] = minute_of(values, count);
			if (random_below(&random, 4) < gaps)
				in[i] = rollup_gap();
		}
		check_bounds("drawn");
	}
}

static void a_block_of_gaps_and_one_of_a_single_minute_are_that(void **state)
{
	double value = -7.25;

	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		in[i] = rollup_gap();
	check_bounds("gaps");
	in[77] = minute_of(&value, 1);
	check_bounds("one");
	assert_true(out[77].mean == value && out[77].max == value);
}

static void without_the_recent_part_only_mean_and_max_are_known(void **state)
{
	double value = 3;

	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		in[i] = minute_of(&value, 1);
	encode_decode();
	rollup_block_decode(&block, NULL, out);
	assert_true(out[5].present && out[5].mean == 3 && out[5].max == 3);
	assert_true(isnan(out[5].min) && isnan(out[5].last) && out[5].count == 0);
}

/* Each byte is covered: whichever is changed, the record is none. */
static void a_changed_byte_makes_no_block(void **state)
{
	struct rollup_open_minute open, changed_open;
	struct rollup_block changed;
	struct rollup_recent changed_recent;
	double value = 3;
	size_t passed = 0;

	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		in[i] = minute_of(&value, 1);
	encode_decode();
	for (size_t i = 0; i < sizeof(block); i++) {
		changed = block;
		((uint8_t *)&changed)[i] ^= 0x40;
		assert_false(rollup_block_valid(&changed, NUMBER, SALT));
	}
	for (size_t i = 0; i < sizeof(recent); i++) {
		changed_recent = recent;
		((uint8_t *)&changed_recent)[i] ^= 0x40;
		assert_false(rollup_recent_valid(&changed_recent, NUMBER, SALT));
	}
	rollup_open_encode(&open, 5, SALT, &in[0]);
	assert_true(rollup_open_valid(&open, SALT));
	for (size_t i = 0; i < sizeof(open); i++) {
		changed_open = open;
		((uint8_t *)&changed_open)[i] ^= 0x40;
		passed += rollup_open_valid(&changed_open, SALT);
	}
	/* 16 bits: one in 65536 may pass. */
	assert_true(passed <= 1);
	assert_false(rollup_block_valid(&block, NUMBER + 1, SALT));
	assert_false(rollup_block_valid(&block, NUMBER, SALT + 1));
	memset(&block, 0, sizeof(block));
	memset(&open, 0, sizeof(open));
	assert_false(rollup_block_valid(&block, 0, SALT));
	assert_false(rollup_open_valid(&open, SALT));
}

/* The numbers of a table: rows of the same number of columns; what is no number is NaN. */
static size_t read_table(const char *path, double (*table)[COLUMNS_MAX], size_t *columns)
{
	gzFile file = gzopen(path, "rb");
	char line[8192];
	size_t rows = 0;

	*columns = 0;
	if (file == NULL)
		return 0;
	while (rows < ROWS_MAX && gzgets(file, line, sizeof(line)) != NULL) {
		size_t column = 0;

		for (char *at = line; at != NULL && column < COLUMNS_MAX; column++) {
			char *next = strpbrk(at, ",;"), *end;
			double value = strtod(at, &end);

			table[rows][column] = end != at ? value : NAN;
			at = next != NULL ? next + 1 : NULL;
		}
		*columns = column > *columns ? column : *columns;
		rows++;
	}
	gzclose(file);
	return rows;
}

/* Four rows make a minute. */
static size_t check_table(const char *name, double (*table)[COLUMNS_MAX], size_t rows,
	size_t columns)
{
	size_t blocks = 0;

	for (size_t column = 0; column < columns; column++)
		for (size_t row = 0; row + 4 * BLOCK_MINUTES <= rows; row += 4 * BLOCK_MINUTES) {
			for (size_t i = 0; i < BLOCK_MINUTES; i++) {
				double values[4];
				size_t count = 0;

				for (size_t k = 0; k < 4; k++) {
					double value = table[row + 4 * i + k][column];

					if (isfinite(value))
						values[count++] = value;
				}
				in[i] = count > 0 ? minute_of(values, count) : rollup_gap();
			}
			check_bounds(name);
			blocks++;
		}
	return blocks;
}

static void the_bound_holds_for_real_series(void **state)
{
	static const char *const names[] = {"bitbrains/2013-8-24", "bitbrains/2013-8-33",
		"smd/machine-1-7_test", "smd/machine-2-2_train", "asd/omi-1_test",
		"traces/nasa-jul", "traces/mongo-02", "nezha/adservice-5f6585d649-fnmft_metric",
		"nezha/frontend-579b9bff58-t2dbm_metric"};
	const char *folder = getenv("NIMBUSGUARD_DATA");
	double(*table)[COLUMNS_MAX];
	size_t blocks = 0;

	if (folder == NULL) {
		print_message("NIMBUSGUARD_DATA is not set: real series are left out\n");
		skip();
	}
	table = calloc(ROWS_MAX, sizeof(*table));
	assert_non_null(table);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		char path[4096];
		size_t columns, rows;

		snprintf(path, sizeof(path), "%s/%s.csv.gz", folder, names[i]);
		rows = read_table(path, table, &columns);
		blocks += check_table(names[i], table, rows, columns);
	}
	free(table);
	print_message("%zu blocks of real series\n", blocks);
	assert_true(blocks > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_come_back_exactly),
		cmocka_unit_test(whole_numbers_come_back_exactly_where_they_fit),
		cmocka_unit_test(the_bound_holds_for_drawn_shapes_and_extremes),
		cmocka_unit_test(a_block_of_gaps_and_one_of_a_single_minute_are_that),
		cmocka_unit_test(without_the_recent_part_only_mean_and_max_are_known),
		cmocka_unit_test(a_changed_byte_makes_no_block),
		cmocka_unit_test(the_bound_holds_for_real_series),
	};

	return cmocka_run_group_tests_name("rollup_block", tests, NULL, NULL);
}
