/*
 * Differences and sums of native histograms: what counts as a reset, and how histograms of different
 * resolution, zero buckets and bounds are brought together.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/histogram.h"

static struct histogram a, b, c;
static struct error error;

/* A histogram whose buckets are given from index 0 on; the count is their sum and zero_count. */
struct given {
	int32_t schema;
	double zero_count, zero_threshold, sum;
	double positive[8], negative[8];
	double custom[4];
	double nan_count; /* observations that are no number */
};

static void make(struct histogram *histogram, const struct given *given)
{
	histogram_reset(histogram);
	assert_int_equal(histogram_set_schema(histogram, given->schema, &error), STATUS_OK);
	histogram->sum = given->sum;
	histogram->zero_count = given->zero_count;
	histogram->zero_threshold = given->zero_threshold;
	histogram->count = given->zero_count + given->nan_count;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(histogram_add(histogram, false, i, given->positive[i], &error),
			STATUS_OK);
		assert_int_equal(histogram_add(histogram, true, i, given->negative[i], &error),
			STATUS_OK);
		histogram->count += given->positive[i] + given->negative[i];
	}
	for (int i = 0; i < 4 && given->custom[i] != 0; i++)
		assert_int_equal(histogram_add_custom(histogram, given->custom[i], &error),
			STATUS_OK);
	assert_int_equal(histogram_check(histogram, &error), STATUS_OK);
}

static void an_increase_is_what_came_between(void **state)
{
	static const struct given earlier = {.zero_count = 1,
		.zero_threshold = 0.001,
		.sum = 10,
		.positive = {1, 2, 0, 1},
		.negative = {1}};
	static const struct given later = {.zero_count = 3,
		.zero_threshold = 0.001,
		.sum = 30,
		.positive = {1, 5, 2, 1},
		.negative = {2, 1}};

	make(&a, &later);
	make(&b, &earlier);
	assert_true(histogram_increase(&a, &b));
	assert_true(a.count == 9 && a.sum == 20 && a.zero_count == 2);
	assert_int_equal(a.positive.count, 2);
	assert_int_equal(a.positive.list[0].index, 1);
	assert_true(a.positive.list[0].count == 3 && a.positive.list[1].count == 2);
	assert_int_equal(a.negative.count, 2);
	assert_true(a.negative.list[0].count == 1 && a.negative.list[1].count == 1);
}

static void a_counter_that_began_anew_has_grown_by_all_it_has(void **state)
{
	static const struct given earlier = {.sum = 10, .positive = {1, 2, 1}};
	static const struct given later[] = {
		{.sum = 3, .positive = {1, 1}},        /* fewer */
		{.sum = 30, .positive = {1, 1, 9}},    /* fewer in one bucket */
		{.sum = 30, .positive = {5, 5}},       /* a bucket is gone */
		{.sum = 30, .positive = {9, 0, 9}},    /* one in the middle is gone */
		{.sum = 30, .positive = {2, 3, 4, 5}}, /* no reset that buckets would show */
	};

	for (size_t i = 0; i < 5; i++) {
		make(&a, &later[i]);
		make(&b, &earlier);
		c = a;
		if (i == 4)
			a.hint = HISTOGRAM_HINT_RESET;
		assert_true(histogram_increase(&a, &b));
		assert_true(a.count == c.count && a.sum == c.sum);
		assert_int_equal(a.positive.count, c.positive.count);
	}
	make(&a, &later[4]);
	make(&b, &earlier);
	a.start_ms = 2000;
	b.start_ms = 1000;
	assert_true(histogram_increase(&a, &b));
	assert_true(a.count == 14);
	make(&a, &later[4]);
	a.start_ms = b.start_ms;
	assert_true(histogram_increase(&a, &b));
	assert_true(a.count == 10);
}

static void an_increase_brings_schemas_and_zero_buckets_together(void **state)
{
	static const struct given fine = {.schema = 1,
		.sum = 2,
		.zero_threshold = 1e-10,
		.positive = {0, 1, 1, 1}};
	static const struct given coarse = {.schema = 0,
		.sum = 9,
		.zero_count = 1,
		.zero_threshold = 1e-10,
		.positive = {0, 3, 3}};
	static const struct given wide = {.schema = 0,
		.sum = 9,
		.zero_count = 5,
		.zero_threshold = 2,
		.positive = {0, 0, 4}};
	static const struct given narrow = {.schema = 0,
		.sum = 2,
		.zero_count = 1,
		.zero_threshold = 0.1,
		.positive = {1, 1, 1}};

	/* 1, 2 -> 1; 3 -> 2. */
	make(&a, &coarse);
	make(&b, &fine);
	assert_true(histogram_increase(&a, &b));
	assert_int_equal(a.schema, 0);
	assert_true(a.count == 4 && a.zero_count == 1);
	assert_int_equal(a.positive.count, 2);
	assert_true(a.positive.list[0].count == 1 && a.positive.list[1].count == 2);
	/* (1/2, 1] and (1, 2] have become part of the zero bucket. */
	make(&a, &wide);
	make(&b, &narrow);
	assert_true(histogram_increase(&a, &b));
	assert_true(a.zero_threshold == 2 && a.zero_count == 2);
	assert_true(a.count == 5 && a.positive.count == 1 && a.positive.list[0].count == 3);
}

/* Prometheus: FloatHistogram.DetectReset. */
static void a_form_that_only_a_reset_brings_is_one(void **state)
{
	static const struct given coarse = {.sum = 9, .positive = {1, 1}};
	static const struct given finer = {.schema = 1, .sum = 30, .positive = {9, 9, 9, 9}};
	static const struct given wide = {.sum = 9, .zero_threshold = 0.5, .positive = {0, 1}};
	static const struct given narrower = {.sum = 30,
		.zero_threshold = 0.25,
		.positive = {0, 9}};
	static const struct given inside = {.sum = 30,
		.zero_threshold = 1.5,
		.positive = {0, 0, 9}};
	static const struct {
		const struct given *earlier, *later;
		double count;
	} cases[] = {
		{&coarse, &finer, 36}, {&wide, &narrower, 9},
		{&wide, &inside, 9}, /* 1.5 is inside of (1, 2], which has an observation */
	};

	for (size_t i = 0; i < 3; i++) {
		make(&a, cases[i].later);
		make(&b, cases[i].earlier);
		c = a;
		assert_true(histogram_increase(&a, &b));
		assert_true(a.count == cases[i].count);
		assert_int_equal(a.schema, c.schema);
		assert_true(a.zero_threshold == c.zero_threshold);
	}
}

static void a_zero_bucket_that_stays_keeps_the_buckets_it_reaches_into(void **state)
{
	/* 0.75 lies inside of (1/2, 1]: what is above it is counted there rightly. */
	static const struct given earlier = {.zero_count = 1,
		.zero_threshold = 0.75,
		.sum = 2,
		.positive = {1}};
	static const struct given later = {.zero_count = 2,
		.zero_threshold = 0.75,
		.sum = 9,
		.positive = {4, 1}};

	make(&a, &later);
	make(&b, &earlier);
	assert_true(histogram_increase(&a, &b));
	assert_true(a.zero_count == 1 && a.zero_threshold == 0.75);
	assert_int_equal(a.positive.count, 2);
	assert_true(a.positive.list[0].count == 3 && a.positive.list[1].count == 1);
}

static void a_bound_written_with_another_last_bit_is_the_same(void **state)
{
	static const struct given earlier = {.schema = 3,
		.sum = 2,
		.zero_threshold = 0,
		.positive = {2, 2, 2}};
	static const struct given later = {.schema = 3,
		.sum = 9,
		.zero_count = 5,
		.zero_threshold = 1,
		.positive = {0, 3, 3}};

	for (int i = -1; i <= 1; i++) {
		make(&a, &later);
		a.zero_threshold = nextafter(histogram_bound(3, 0), i < 0 ? 0 : 2);
		if (i == 0)
			a.zero_threshold = histogram_bound(3, 0);
		make(&b, &earlier);
		assert_true(histogram_increase(&a, &b));
		assert_true(a.zero_count == 3 && a.count == 5);
		assert_int_equal(a.positive.count, 2);
	}
}

static void no_increase_is_told_of_markers_gauges_and_foreign_bounds(void **state)
{
	static const struct given plain = {.positive = {1}};
	static const struct given custom = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {5},
		.positive = {1}};
	static const struct given other = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {6},
		.positive = {3}};

	for (int i = 0; i < 5; i++) {
		make(&a, i == 4 ? &custom : &plain);
		make(&b, &plain);
		a.stale = i == 0;
		b.stale = i == 1;
		a.hint = i == 2 ? HISTOGRAM_HINT_GAUGE : HISTOGRAM_HINT_UNKNOWN;
		b.hint = i == 3 ? HISTOGRAM_HINT_GAUGE : HISTOGRAM_HINT_UNKNOWN;
		assert_false(histogram_increase(&a, &b));
	}
	make(&a, &other);
	make(&b, &custom);
	assert_true(histogram_increase(&a, &b));
	assert_true(a.count == 3);
}

static void a_sum_has_the_observations_of_both(void **state)
{
	static const struct given fine = {.schema = 1,
		.sum = 2,
		.zero_count = 1,
		.positive = {0, 1, 1, 1},
		.negative = {1}};
	static const struct given coarse = {.sum = 9, .positive = {1, 3, 0, 3}};
	static const double wanted[] = {1, 5, 1, 3};

	make(&a, &fine);
	make(&b, &coarse);
	assert_true(histogram_plus(&a, &b));
	assert_int_equal(a.schema, 0);
	assert_true(a.count == 12 && a.sum == 11 && a.zero_count == 1);
	assert_int_equal(a.positive.count, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a.positive.list[i].index, i);
		assert_true(a.positive.list[i].count == wanted[i]);
	}
	assert_int_equal(a.negative.count, 1);
	assert_int_equal(histogram_check(&a, &error), STATUS_OK);
}

static void a_sum_widens_zero_buckets_until_they_agree(void **state)
{
	/* 1.5 lies inside of (1, 2] of the other; at 2 both have a bound. */
	static const struct given wide = {.zero_count = 5,
		.zero_threshold = 1.5,
		.sum = 9,
		.positive = {0, 1, 4}};
	static const struct given narrow = {.zero_threshold = 0.1,
		.sum = 2,
		.positive = {1, 1, 1},
		.negative = {0, 1}};

	for (int i = 0; i < 2; i++) {
		make(i == 0 ? &a : &b, &wide);
		make(i == 0 ? &b : &a, &narrow);
		assert_true(histogram_plus(&a, &b));
		assert_true(a.zero_threshold == 2 && a.zero_count == 9 && a.count == 14);
		assert_int_equal(a.positive.count, 1);
		assert_true(a.positive.list[0].index == 2 && a.positive.list[0].count == 5);
		assert_int_equal(a.negative.count, 0);
	}
}

static void a_sum_of_custom_bounds_keeps_those_of_both(void **state)
{
	static const struct given some = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {1, 2, 5},
		.positive = {1, 2, 4, 8}};
	static const struct given others = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {2, 3, 5, 7},
		.positive = {16, 32, 64, 128, 256}};
	static const struct given apart = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {4},
		.positive = {1, 1}};

	make(&a, &some);
	make(&b, &others);
	assert_true(histogram_plus(&a, &b));
	assert_int_equal(a.custom_count, 2);
	assert_true(a.custom[0] == 2 && a.custom[1] == 5);
	assert_int_equal(a.positive.count, 3);
	assert_true(a.positive.list[0].count == 3 + 16);
	assert_true(a.positive.list[1].count == 4 + 32 + 64);
	assert_true(a.positive.list[2].count == 8 + 128 + 256);
	assert_int_equal(histogram_check(&a, &error), STATUS_OK);
	make(&b, &apart);
	assert_true(histogram_plus(&a, &b));
	assert_int_equal(a.custom_count, 0);
	assert_int_equal(a.positive.count, 1);
	assert_true(a.positive.list[0].index == 0 && a.positive.list[0].count == 513);
	make(&b, &(struct given){.positive = {1}});
	assert_false(histogram_plus(&a, &b));
}

static void a_sum_of_many_buckets_loses_resolution_and_no_observation(void **state)
{
	double count = 0;

	for (int k = 0; k < 2; k++) {
		struct histogram *histogram = k == 0 ? &a : &b;
		histogram_reset(histogram);
		assert_int_equal(histogram_set_schema(histogram, 8, &error), STATUS_OK);
		for (int i = 0; i < HISTOGRAM_BUCKETS_MAX; i++)
			assert_int_equal(histogram_add(histogram, true, i * 2 + k + 1, 1 + i % 3,
						 &error),
				STATUS_OK);
		histogram->count = 0;
		for (int i = 0; i < HISTOGRAM_BUCKETS_MAX; i++)
			histogram->count += 1 + i % 3;
		count += histogram->count;
	}
	assert_true(histogram_plus(&a, &b));
	assert_int_equal(a.schema, 7);
	assert_true(a.count == count);
	assert_int_equal(histogram_check(&a, &error), STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_increase_is_what_came_between),
		cmocka_unit_test(a_counter_that_began_anew_has_grown_by_all_it_has),
		cmocka_unit_test(an_increase_brings_schemas_and_zero_buckets_together),
		cmocka_unit_test(a_form_that_only_a_reset_brings_is_one),
		cmocka_unit_test(a_zero_bucket_that_stays_keeps_the_buckets_it_reaches_into),
		cmocka_unit_test(a_bound_written_with_another_last_bit_is_the_same),
		cmocka_unit_test(no_increase_is_told_of_markers_gauges_and_foreign_bounds),
		cmocka_unit_test(a_sum_has_the_observations_of_both),
		cmocka_unit_test(a_sum_widens_zero_buckets_until_they_agree),
		cmocka_unit_test(a_sum_of_custom_bounds_keeps_those_of_both),
		cmocka_unit_test(a_sum_of_many_buckets_loses_resolution_and_no_observation),
	};

	return cmocka_run_group_tests_name("histogram_increase", tests, NULL, NULL);
}
