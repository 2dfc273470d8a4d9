/*
 * Native histograms: bounds, checks, merging, encoding, and quantiles against the values
 * that Prometheus 3 gives for the same histograms (recorded from its own tests of native histograms)
 * or that follow from the definition by hand.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/histogram.h"

static struct histogram a, b;
static struct error error;
static uint8_t bytes[HISTOGRAM_BYTES_MAX];

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

static void assert_near(double value, double wanted)
{
	if (isinf(wanted) || isnan(wanted) || wanted == 0) {
		assert_true(isnan(wanted) ? isnan(value)
					  : fabs(value - wanted) < 1e-15 || value == wanted);
		return;
	}
	if (!(fabs(value / wanted - 1) < 1e-12))
		fail_msg("%.17g is not %.17g", value, wanted);
}

static void quantiles_are_those_of_prometheus(void **state)
{
	static const struct given plain = {.positive = {1, 2, 1}, .sum = 5};
	static const struct given mirrored = {.negative = {1, 2, 1}, .sum = -5};
	static const struct given balanced = {.positive = {1, 2, 1}, .negative = {1, 2, 1}};
	static const struct given zero = {.zero_count = 1, .zero_threshold = 0.5, .sum = 0.25};
	static const struct given above = {.zero_count = 2,
		.zero_threshold = 0.001,
		.sum = 100,
		.positive = {2, 3, 0, 1, 4}};
	static const struct given below = {.zero_count = 2,
		.zero_threshold = 0.001,
		.sum = 100,
		.negative = {2, 3, 0, 1, 4}};
	static const struct given both = {.zero_count = 4,
		.zero_threshold = 0.001,
		.sum = 100,
		.positive = {2, 3, 0, 1, 4},
		.negative = {2, 3, 0, 1, 4}};
	static const struct given coarse = {.schema = -1, .positive = {0, 0, 5}};
	static const struct given fine = {.schema = 1, .positive = {0, 0, 5}};
	static const struct given fine_below = {.schema = 1, .negative = {0, 5}};
	static const struct given custom = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.sum = 5,
		.custom = {5, 10},
		.positive = {1, 2, 1}};
	static const struct {
		const struct given *given;
		double q, value;
	} cases[] = {
		{&plain, 0.5, 1.414213562373095},
		{&mirrored, 0.5, -1.414213562373095},
		{&balanced, 0.5, 0.5},
		{&zero, 0.5, 0},
		{&above, 1.001, INFINITY},
		{&above, 1, 16},
		{&above, 0.99, 15.67072476139083},
		{&above, 0.9, 12.99603834169977},
		{&above, 0.6, 4.594793419988138},
		{&above, 0.5, 1.5874010519681994},
		{&above, 0.1, 0.0006},
		{&above, 0.08333333333333333, 0.0005},
		{&above, 0.6320802083934297, 6},
		{&above, 0, 0},
		{&above, -1, -INFINITY},
		{&below, 1, 0},
		{&below, 0.99, -0.00006},
		{&below, 0.9, -0.0006},
		{&below, 0.5, -1.5874010519681996},
		{&below, 0.1, -12.996038341699768},
		{&below, 0.36791979160657035, -6},
		{&below, 0, -16},
		{&both, 1, 16},
		{&both, 0.99, 15.34822590920423},
		{&both, 0.9, 10.556063286183155},
		{&both, 0.7, 1.2030250360821164},
		{&both, 0.55, 0.0006},
		{&both, 0.5416666666666666, 0.0005},
		{&both, 0.45, -0.0006},
		{&both, 0.3, -1.2030250360821169},
		{&both, 0.1, -10.556063286183155},
		{&both, 0.01, -15.34822590920423},
		{&both, 0, -16},
		{&coarse, 0.5, 8},
		{&fine, 0.5, 1.6817928305074292},
		{&fine_below, 0.5, -1.1892071150027210},
		{&custom, 0.5, 7.5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double value;
		make(&a, cases[i].given);
		value = histogram_quantile(&a, cases[i].q);
		/* Those at zero are sums of shares of the zero bucket: not exact to the last bit. */
		if (fabs(cases[i].value) < 0.01)
			assert_true(fabs(value - cases[i].value) < 1e-12);
		else
			assert_near(value, cases[i].value);
	}
}

static void what_no_quantile_can_be_told_of_is_nan(void **state)
{
	static const struct given plain = {.positive = {1, 2, 1}, .sum = 5};

	histogram_reset(&a);
	assert_true(isnan(histogram_quantile(&a, 0.5)));
	make(&a, &plain);
	assert_true(isnan(histogram_quantile(&a, NAN)));
	a.stale = true;
	assert_true(isnan(histogram_quantile(&a, 0.5)));
	assert_int_equal(histogram_range_count(&a), 0);
}

static void observations_that_are_no_number_lie_above_all_others(void **state)
{
	/* Three of four observations are in (1, 2]. */
	static const struct given given = {.positive = {0, 3}, .nan_count = 1, .sum = NAN};

	make(&a, &given);
	assert_near(histogram_quantile(&a, 0.375), sqrt(2));
	assert_near(histogram_quantile(&a, 0.75), 2);
	assert_near(histogram_quantile(&a, 0.625), exp2(2.5 / 3));
	assert_true(isnan(histogram_quantile(&a, 0.76)));
	assert_true(isnan(histogram_quantile(&a, 1)));
}

static void custom_buckets_without_an_end_say_their_bound(void **state)
{
	static const struct given outside = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {5, 10},
		.positive = {2, 0, 2}};
	static const struct given below = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {-3, 10},
		.positive = {2, 2}};

	make(&a, &outside);
	assert_near(histogram_quantile(&a, 0.25), 2.5); /* from 0 on */
	assert_near(histogram_quantile(&a, 0.9), 10);
	assert_near(histogram_quantile(&a, 1), 10);
	make(&a, &below);
	assert_near(histogram_quantile(&a, 0.25), -3);
	assert_near(histogram_quantile(&a, 0.75), 3.5);
}

static void bounds_of_buckets_are_powers_of_the_base(void **state)
{
	struct histogram_range range;

	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 3, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, -17, 1, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 8, 2, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 8192, 3, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, true, 9, 4, &error), STATUS_OK);
	a.zero_count = 5;
	a.zero_threshold = 0.25;
	assert_int_equal(histogram_range_count(&a), 5);
	range = histogram_range_at(&a, 0);
	assert_near(range.lower, -exp2(9.0 / 8));
	assert_true(range.upper == -2 && range.count == 4);
	assert_int_equal(range.bounds, HISTOGRAM_OPEN_RIGHT);
	range = histogram_range_at(&a, 1);
	assert_true(range.lower == -0.25 && range.upper == 0.25 && range.count == 5);
	assert_int_equal(range.bounds, HISTOGRAM_CLOSED);
	range = histogram_range_at(&a, 2);
	assert_near(range.lower, exp2(-18.0 / 8));
	assert_near(range.upper, exp2(-17.0 / 8));
	assert_int_equal(range.bounds, HISTOGRAM_OPEN_LEFT);
	range = histogram_range_at(&a, 3);
	assert_near(range.lower, exp2(7.0 / 8));
	assert_true(range.upper == 2);
	/* 2^1024 is no double. */
	range = histogram_range_at(&a, 4);
	assert_near(range.lower, ldexp(exp2(7.0 / 8), 1023));
	assert_true(range.upper == DBL_MAX);
	/* The smallest numbers are not lost. */
	histogram_reset(&a);
	assert_int_equal(histogram_add(&a, false, -1073, 1, &error), STATUS_OK);
	range = histogram_range_at(&a, 0);
	assert_true(range.lower == ldexp(1, -1074) && range.upper == ldexp(1, -1073));
}

static void custom_bounds_close_the_first_bucket(void **state)
{
	static const struct given given = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
		.custom = {5, 10},
		.positive = {1, 2, 1}};
	struct histogram_range range;

	make(&a, &given);
	range = histogram_range_at(&a, 0);
	assert_true(isinf(range.lower) && range.lower < 0 && range.upper == 5);
	assert_int_equal(range.bounds, HISTOGRAM_CLOSED);
	range = histogram_range_at(&a, 2);
	assert_true(range.lower == 10 && isinf(range.upper));
	assert_int_equal(range.bounds, HISTOGRAM_OPEN_LEFT);
}

static void merging_puts_each_bucket_into_the_one_that_covers_it(void **state)
{
	/* (2^-1.5, 2^-1] .. at schema 1; indexes from -3 on. */
	static const double counts[] = {1, 2, 3, 4, 5, 6, 7, 8};

	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 1, &error), STATUS_OK);
	for (int i = 0; i < 8; i++)
		assert_int_equal(histogram_add(&a, false, i - 3, counts[i], &error), STATUS_OK);
	assert_true(histogram_merge(&a));
	assert_int_equal(a.schema, 0);
	/* -3, -2 -> -1; -1, 0 -> 0; 1, 2 -> 1; 3, 4 -> 2. */
	assert_int_equal(a.positive.count, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a.positive.list[i].index, i - 1);
		assert_true(a.positive.list[i].count == counts[i * 2] + counts[i * 2 + 1]);
	}
	while (histogram_merge(&a))
		;
	assert_int_equal(a.schema, HISTOGRAM_SCHEMA_MIN);
	assert_int_equal(a.positive.count, 2);
	assert_int_equal(a.positive.list[0].index, 0);
	assert_true(a.positive.list[0].count == 10 && a.positive.list[1].count == 26);
}

static void schemas_of_the_future_are_taken_as_the_finest(void **state)
{
	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 10, &error), STATUS_OK);
	assert_int_equal(a.schema, 8);
	/* Index 1025 of schema 10 is just above 2: index 257 of schema 8. */
	assert_int_equal(histogram_add(&a, false, 1024, 1, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 1025, 2, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 1028, 4, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 1029, 8, &error), STATUS_OK);
	assert_int_equal(a.positive.count, 3);
	assert_int_equal(a.positive.list[0].index, 256);
	assert_int_equal(a.positive.list[1].index, 257);
	assert_true(a.positive.list[1].count == 6);
	assert_int_equal(a.positive.list[2].index, 258);
	assert_int_equal(histogram_set_schema(&a, 53, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_set_schema(&a, -5, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_set_schema(&a, -54, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "schema -54"));
}

static void too_many_buckets_lose_resolution_and_no_observation(void **state)
{
	double total = 0;

	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 8, &error), STATUS_OK);
	for (int i = -3000; i < 3000; i++) {
		assert_int_equal(histogram_add(&a, i % 2 == 0, i, 1, &error), STATUS_OK);
		a.count++;
	}
	assert_true(a.schema < 8 && a.schema > 3);
	for (uint32_t i = 0; i < a.positive.count; i++)
		total += a.positive.list[i].count;
	assert_true(total == 3000);
	assert_true(a.positive.count > HISTOGRAM_BUCKETS_MAX / 2);
	assert_int_equal(histogram_check(&a, &error), STATUS_OK);
	assert_true(histogram_encode(&a, bytes) < HISTOGRAM_BYTES_MAX);
}

struct flaw {
	const char *says;
	double count, sum, zero_count, zero_threshold;
	int32_t schema;
	double custom[3];
	bool is_float;
};

static void what_cannot_be_is_refused_with_words(void **state)
{
	static const struct flaw flaws[] = {
		{"3 observations are in the buckets, the count is 2", .count = 2},
		{"3 observations are in the buckets, the count is 4", .count = 4},
		{"3 observations are in the buckets, the count is 2", .count = 2, .sum = NAN},
		{"cannot be", .count = -1, .is_float = true},
		{"cannot be", .count = NAN, .is_float = true},
		{"cannot be", .count = INFINITY, .is_float = true},
		{"zero count -1", .count = 3, .zero_count = -1, .is_float = true},
		{"zero threshold -1", .count = 3, .zero_threshold = -1},
		{"zero threshold nan", .count = 3, .zero_threshold = NAN},
		{"custom bounds in a histogram of schema 0", .count = 3, .custom = {1}},
		{"no zero bucket", .count = 4, .zero_count = 1, .schema = HISTOGRAM_SCHEMA_CUSTOM,
			.custom = {1, 2, 3}},
		{"custom bound 2 is 1", .count = 3, .schema = HISTOGRAM_SCHEMA_CUSTOM,
			.custom = {1, 1, 3}},
		{"custom bound 3 is inf", .count = 3, .schema = HISTOGRAM_SCHEMA_CUSTOM,
			.custom = {1, 2, INFINITY}},
		{"custom bound 1 is nan", .count = 3, .schema = HISTOGRAM_SCHEMA_CUSTOM,
			.custom = {NAN, 2, 3}},
		{"bucket 2 is beyond the 1 custom bounds", .count = 3,
			.schema = HISTOGRAM_SCHEMA_CUSTOM, .custom = {5}},
	};

	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		const struct flaw *flaw = &flaws[i];
		histogram_reset(&a);
		assert_int_equal(histogram_set_schema(&a, flaw->schema, &error), STATUS_OK);
		for (int k = 0; k < 3; k++)
			assert_int_equal(histogram_add(&a, false, k, 1, &error), STATUS_OK);
		for (int k = 0; k < 3 && flaw->custom[k] != 0; k++)
			assert_int_equal(histogram_add_custom(&a, flaw->custom[k], &error),
				STATUS_OK);
		a.count = flaw->count;
		a.sum = flaw->sum;
		a.zero_count = flaw->zero_count;
		a.zero_threshold = flaw->zero_threshold;
		a.is_float = flaw->is_float;
		assert_int_equal(histogram_check(&a, &error), STATUS_BAD_INPUT);
		if (strstr(error.text, flaw->says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", error.text, flaw->says);
		/* A marker is a marker, whatever else is in it. */
		a.stale = true;
		assert_int_equal(histogram_check(&a, &error), STATUS_OK);
	}
}

static void counts_that_no_double_has_are_no_flaw(void **state)
{
	/* 2^53 + 1 is no double; the sum of the buckets is rounded another way than the count. */
	histogram_reset(&a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(histogram_add(&a, false, i, 9007199254740993.0, &error),
			STATUS_OK);
	a.count = 27021597764222980.0;
	assert_int_equal(histogram_check(&a, &error), STATUS_OK);
	a.count *= 1.001;
	assert_int_equal(histogram_check(&a, &error), STATUS_BAD_INPUT);
	a.count /= 1.002;
	assert_int_equal(histogram_check(&a, &error), STATUS_BAD_INPUT);
}

static void buckets_that_cannot_be_are_refused(void **state)
{
	histogram_reset(&a);
	assert_int_equal(histogram_add(&a, false, 0, -1, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, 0, NAN, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, 0, INFINITY, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, 1030, 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, -1080, 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, INT64_MAX, 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, INT64_MIN, 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(histogram_add(&a, false, 5, 1, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, 4, 1, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "not in order"));
	assert_int_equal(histogram_set_schema(&a, HISTOGRAM_SCHEMA_CUSTOM, &error), STATUS_OK);
	assert_int_equal(histogram_add(&a, false, -1, 1, &error), STATUS_BAD_INPUT);
	histogram_reset(&a);
	for (int i = 0; i < HISTOGRAM_CUSTOM_MAX; i++)
		assert_int_equal(histogram_add_custom(&a, i, &error), STATUS_OK);
	assert_int_equal(histogram_add_custom(&a, 1e9, &error), STATUS_LIMIT);
}

static bool same_side(const struct histogram_side *x, const struct histogram_side *y)
{
	if (x->count != y->count)
		return false;
	for (uint32_t i = 0; i < x->count; i++)
		if (x->list[i].index != y->list[i].index || x->list[i].count != y->list[i].count)
			return false;
	return true;
}

static void assert_same(const struct histogram *x, const struct histogram *y)
{
	assert_int_equal(x->schema, y->schema);
	assert_int_equal(x->hint, y->hint);
	assert_int_equal(x->is_float, y->is_float);
	assert_int_equal(x->stale, y->stale);
	assert_memory_equal(&x->sum, &y->sum, sizeof(double));
	if (x->stale)
		return;
	assert_true(x->start_ms == y->start_ms);
	assert_true(x->count == y->count && x->zero_count == y->zero_count);
	assert_true(x->zero_threshold == y->zero_threshold);
	assert_true(same_side(&x->positive, &y->positive));
	assert_true(same_side(&x->negative, &y->negative));
	assert_int_equal(x->custom_count, y->custom_count);
	assert_memory_equal(x->custom, y->custom, x->custom_count * sizeof(double));
}

static void fill(struct random *random, struct histogram *histogram)
{
	bool custom = random_below(random, 4) == 0, raw = random_below(random, 4) == 0;
	int64_t index = custom ? 0 : (int64_t)random_below(random, 100) - 100;
	uint64_t buckets = random_below(random, custom ? 40 : 300);

	histogram_reset(histogram);
	assert_int_equal(histogram_set_schema(histogram, custom ? HISTOGRAM_SCHEMA_CUSTOM : 2,
				 &error),
		STATUS_OK);
	for (uint64_t i = 0; i < buckets; i++) {
		double count = raw
			? random_unit(random) * 100
			: (double)random_below(random, UINT64_C(1) << random_below(random, 53));
		index += (int64_t)random_below(random, 3) + 1;
		assert_int_equal(histogram_add(histogram, !custom && i % 3 == 0,
					 custom ? (int64_t)i : index, count, &error),
			STATUS_OK);
		if (custom)
			assert_int_equal(histogram_add_custom(histogram, (double)i * 1.5, &error),
				STATUS_OK);
	}
	histogram->count = raw ? 1e15 / 7 : (double)random_below(random, UINT64_C(1) << 53);
	histogram->sum = random_normal(random) * 1e6;
	histogram->is_float = raw;
	histogram->hint = (enum histogram_hint)random_below(random, 4);
	histogram->start_ms = random_below(random, 2) ? 0 : (int64_t)random_u64(random);
	if (!custom && random_below(random, 2)) {
		histogram->zero_threshold = 2.938735877055719e-39;
		histogram->zero_count = (double)random_below(random, 1000);
	}
}

static void what_is_encoded_is_what_is_decoded(void **state)
{
	static const uint64_t stale_bits = UINT64_C(0x7ff0000000000002);
	struct random random;

	random_init(&random, 7);
	for (int i = 0; i < 3000; i++) {
		size_t size;
		fill(&random, &a);
		if (i % 100 == 0) {
			a.stale = true;
			memcpy(&a.sum, &stale_bits, sizeof(a.sum));
		}
		memset(bytes, 0xee, sizeof(bytes));
		size = histogram_encode(&a, bytes);
		assert_true(size <= HISTOGRAM_BYTES_MAX);
		memset(&b, 0xee, sizeof(b));
		histogram_decode(&b, bytes, size);
		assert_same(&b, &a);
	}
}

static void the_largest_histogram_fits_the_promise(void **state)
{
	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 8, &error), STATUS_OK);
	for (int i = 0; i < HISTOGRAM_BUCKETS_MAX; i++) {
		assert_int_equal(histogram_add(&a, false, i * 500 - 130000, 0.1, &error),
			STATUS_OK);
		assert_int_equal(histogram_add(&a, true, i * 500 - 130000, 0.1, &error), STATUS_OK);
	}
	assert_int_equal(a.schema, 8);
	assert_true(histogram_encode(&a, bytes) < HISTOGRAM_BYTES_MAX);
}

static void a_usual_histogram_takes_few_bytes(void **state)
{
	struct random random;
	size_t size;

	random_init(&random, 3);
	histogram_reset(&a);
	assert_int_equal(histogram_set_schema(&a, 3, &error), STATUS_OK);
	for (int i = 0; i < 160; i++) {
		double count =
			1 + (double)random_poisson(&random, 1000 * exp(-pow((i - 80) / 30.0, 2)));
		assert_int_equal(histogram_add(&a, false, i - 100, count, &error), STATUS_OK);
		a.count += count;
	}
	size = histogram_encode(&a, bytes);
	assert_true(size < 160 * 3 + 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_those_of_prometheus),
		cmocka_unit_test(what_no_quantile_can_be_told_of_is_nan),
		cmocka_unit_test(observations_that_are_no_number_lie_above_all_others),
		cmocka_unit_test(custom_buckets_without_an_end_say_their_bound),
		cmocka_unit_test(bounds_of_buckets_are_powers_of_the_base),
		cmocka_unit_test(custom_bounds_close_the_first_bucket),
		cmocka_unit_test(merging_puts_each_bucket_into_the_one_that_covers_it),
		cmocka_unit_test(schemas_of_the_future_are_taken_as_the_finest),
		cmocka_unit_test(too_many_buckets_lose_resolution_and_no_observation),
		cmocka_unit_test(what_cannot_be_is_refused_with_words),
		cmocka_unit_test(counts_that_no_double_has_are_no_flaw),
		cmocka_unit_test(buckets_that_cannot_be_are_refused),
		cmocka_unit_test(what_is_encoded_is_what_is_decoded),
		cmocka_unit_test(the_largest_histogram_fits_the_promise),
		cmocka_unit_test(a_usual_histogram_takes_few_bytes),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
