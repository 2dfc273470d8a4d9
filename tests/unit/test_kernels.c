/*
 * Every version of the vector code that this processor has, against plain loops in double precision
 * and against each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/kernels/kernels.h"
#include "base/check.h"
#include "base/random.h"

static void fill(float *values, size_t count, uint64_t seed)
{
	struct random random;

	random_init(&random, seed);
	for (size_t i = 0; i < count; i++)
		values[i] = (float)random_normal(&random);
}

static void assert_near(const char *what, double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%s: %.9g is not %.9g within %g", what, found, expected, tolerance);
}

static void the_best_is_one_of_those_there(void **state)
{
	size_t count = 0;
	bool found = false;

	assert_string_equal(kernels_at(0)->name, "baseline");
	for (; kernels_at(count) != NULL; count++) {
		found = found || kernels_at(count) == kernels_best();
		assert_true(kernels_at(count)->rounds ==
			(strcmp(kernels_at(count)->name, "avx512bf16") == 0));
	}
	assert_true(found);
	print_message("versions here: %zu, the best is %s\n", count, kernels_best()->name);
}

static void dot_of_any_length(void **state)
{
	float a[200], b[200];

	fill(a, ARRAY_COUNT(a), 1);
	fill(b, ARRAY_COUNT(b), 2);
	for (size_t v = 0; kernels_at(v) != NULL; v++)
		for (size_t count = 0; count <= ARRAY_COUNT(a); count++) {
			double expected = 0;

			for (size_t i = 0; i < count; i++)
				expected += (double)a[i] * (double)b[i];
			assert_near(kernels_at(v)->name, (double)kernels_at(v)->dot(a, b, count),
				expected, 2e-5);
		}
}

#define ROWS_MAX 21
#define INNER_MAX 37
#define COLUMNS_MAX (3 * KERNEL_PANEL)

/* One product, plain and by the kernels, with the operands laid out in each of the ways there are. */
static void product_check(const struct kernels *kernels, size_t rows, size_t inner, size_t columns,
	bool transposed, bool packed, bool add)
{
	static float a[ROWS_MAX * INNER_MAX], b[INNER_MAX * COLUMNS_MAX], c[ROWS_MAX * COLUMNS_MAX],
		begin[ROWS_MAX * COLUMNS_MAX], panels[INNER_MAX * COLUMNS_MAX];
	struct kernel_product product = {.rows = rows,
		.inner = inner,
		.columns = columns,
		.a = a,
		.a_row = transposed ? 1 : inner,
		.a_column = transposed ? rows : 1,
		.b = packed ? panels : b,
		.b_row = packed ? KERNEL_PANEL : columns,
		.b_panel = packed ? inner * KERNEL_PANEL : KERNEL_PANEL,
		.c = c,
		.c_row = columns,
		.add = add};

	fill(a, rows * inner, 3);
	fill(b, inner * columns, 4);
	fill(c, rows * columns, 5);
	memcpy(begin, c, sizeof(c));
	kernels_pack(b, columns, inner, columns, panels);
	kernels->multiply(&product);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < columns; j++) {
			double expected = add ? (double)begin[i * columns + j] : 0;

			for (size_t k = 0; k < inner; k++)
				expected += (double)a[i * product.a_row + k * product.a_column] *
					(double)b[k * columns + j];
			assert_near(kernels->name, (double)c[i * columns + j], expected, 2e-5);
		}
}

static void products_of_any_shape(void **state)
{
	static const size_t inners[] = {1, 3, 4, 16, 37};

	for (size_t v = 0; kernels_at(v) != NULL; v++)
		for (size_t rows = 1; rows <= ROWS_MAX; rows++)
			for (size_t k = 0; k < ARRAY_COUNT(inners); k++)
				for (unsigned way = 0; way < 8; way++)
					product_check(kernels_at(v), rows, inners[k],
						rows % 2 == 0 ? KERNEL_PANEL : COLUMNS_MAX,
						(way & 1) != 0, (way & 2) != 0, (way & 4) != 0);
}

/* By its definition: of the two bfloat16 around a value the nearer one, of two as near the even one. */
static void rounding_is_to_the_nearest_of_two_the_even(void **state)
{
	static const struct {
		uint32_t bits;
		uint16_t rounded;
	} cases[] = {{0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80},
		{0x3f808001, 0x3f81}, {0x3f818000, 0x3f82}, {0x3f817fff, 0x3f81},
		{0xbf818000, 0xbf82}, {0x00000000, 0x0000}, {0x80000000, 0x8000},
		{0x7f7fffff, 0x7f80}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
		{0x7f800001, 0x7fc0}, {0x7fffffff, 0x7fff}, {0xffc00000, 0xffc0}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		float value;

		memcpy(&value, &cases[i].bits, sizeof(value));
		assert_int_equal(kernels_round(value), cases[i].rounded);
	}
}

static double rounded(float value)
{
	uint32_t bits = (uint32_t)kernels_round(value) << 16;
	float wide;

	memcpy(&wide, &bits, sizeof(wide));
	return (double)wide;
}

static void rounded_product_check(const struct kernels *kernels, size_t rows, size_t inner,
	size_t columns, bool add)
{
	static float a[ROWS_MAX * 1100], b[1100 * COLUMNS_MAX], c[ROWS_MAX * COLUMNS_MAX],
		begin[ROWS_MAX * COLUMNS_MAX];
	static uint16_t panels[1100 * COLUMNS_MAX];
	struct kernel_product product = {.rows = rows,
		.inner = inner,
		.columns = columns,
		.a = a,
		.a_row = inner + 3,
		.a_column = 1,
		.c = c,
		.c_row = columns,
		.add = add};
	double tolerance = 2e-6 * (double)inner + 1e-5;

	fill(a, rows * (inner + 3), 12);
	fill(b, inner * columns, 13);
	fill(c, rows * columns, 14);
	memcpy(begin, c, sizeof(c));
	/* What is behind an odd last row is zeros. */
	memset(panels, 0x7f, sizeof(panels));
	kernels_pack_rounded(b, columns, inner, columns, panels);
	if (inner % 2 != 0)
		assert_int_equal(panels[(inner - 1) * KERNEL_PANEL + 1], 0);
	kernels->multiply_rounded(&product, panels);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < columns; j++) {
			double expected = add ? (double)begin[i * columns + j] : 0;

			for (size_t k = 0; k < inner; k++)
				expected += rounded(a[i * product.a_row + k]) *
					rounded(b[k * columns + j]);
			assert_near(kernels->name, (double)c[i * columns + j], expected, tolerance);
		}
}

static void products_of_bfloat16_of_any_shape(void **state)
{
	static const size_t inners[] = {1, 2, 3, 8, 17, 37};

	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		for (size_t rows = 1; rows <= ROWS_MAX; rows++)
			for (size_t k = 0; k < ARRAY_COUNT(inners); k++)
				rounded_product_check(kernels_at(v), rows, inners[k],
					rows % 2 == 0 ? KERNEL_PANEL : COLUMNS_MAX, k % 2 != 0);
		/* More rows of b than are taken at a time. */
		rounded_product_check(kernels_at(v), 9, 1093, COLUMNS_MAX, true);
		rounded_product_check(kernels_at(v), 1, 1024, KERNEL_PANEL, false);
	}
}

/* Missing stays missing: a NaN among the factors is one in the sums, and in no other row's; of those whose
 * bits would round to an infinity or to zero, too. */
static void nan_is_not_rounded_away(void **state)
{
	static const uint32_t nans[] = {0x7fc00000, 0x7f800001, 0x7fffffff, 0xffffffff};
	float a[2 * 5] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, b[5 * KERNEL_PANEL], c[2 * KERNEL_PANEL];
	uint16_t panels[6 * KERNEL_PANEL];
	struct kernel_product product = {.rows = 2,
		.inner = 5,
		.columns = KERNEL_PANEL,
		.a = a,
		.a_row = 5,
		.a_column = 1,
		.c = c,
		.c_row = KERNEL_PANEL};

	fill(b, ARRAY_COUNT(b), 15);
	kernels_pack_rounded(b, KERNEL_PANEL, 5, KERNEL_PANEL, panels);
	for (size_t v = 0; kernels_at(v) != NULL; v++)
		for (size_t i = 0; i < ARRAY_COUNT(nans); i++) {
			memcpy(&a[1], &nans[i], sizeof(a[1]));
			kernels_at(v)->multiply_rounded(&product, panels);
			for (size_t j = 0; j < KERNEL_PANEL; j++) {
				assert_true(isnan(c[j]));
				assert_true(!isnan(c[(size_t)KERNEL_PANEL + j]));
			}
		}
}

static void transposed_packing_is_packing_of_the_transposed(void **state)
{
	float b[KERNEL_PANEL * 2 * 5], transposed[5 * KERNEL_PANEL * 2], one[KERNEL_PANEL * 2 * 5],
		other[KERNEL_PANEL * 2 * 5];

	fill(b, ARRAY_COUNT(b), 6);
	for (size_t j = 0; j < (size_t)KERNEL_PANEL * 2; j++)
		for (size_t k = 0; k < 5; k++)
			transposed[k * KERNEL_PANEL * 2 + j] = b[j * 5 + k];
	kernels_pack(transposed, (size_t)KERNEL_PANEL * 2, 5, (size_t)KERNEL_PANEL * 2, one);
	kernels_pack_transposed(b, 5, 5, (size_t)KERNEL_PANEL * 2, other);
	assert_memory_equal(one, other, sizeof(one));
}

static void activations_are_exact_to_rounding_and_at_their_limits(void **state)
{
	float x[4001], sigmoid[4001], tanhs[4001];

	for (size_t i = 0; i < ARRAY_COUNT(x); i++)
		x[i] = ((float)i - 2000) * .02f;
	x[0] = -HUGE_VALF;
	x[4000] = HUGE_VALF;
	x[1] = -1e30f;
	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		memcpy(sigmoid, x, sizeof(x));
		memcpy(tanhs, x, sizeof(x));
		kernels_at(v)->sigmoid(sigmoid, ARRAY_COUNT(x));
		kernels_at(v)->tanh(tanhs, ARRAY_COUNT(x));
		for (size_t i = 0; i < ARRAY_COUNT(x); i++) {
			assert_near(kernels_at(v)->name, (double)sigmoid[i],
				1 / (1 + exp(-(double)x[i])), 2e-7);
			assert_near(kernels_at(v)->name, (double)tanhs[i], tanh((double)x[i]),
				3e-7);
		}
	}
}

#define HIDDEN 64

static void cell_and_its_gradient_follow_their_definition(void **state)
{
	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		const struct kernels *kernels = kernels_at(v);
		float sums[4 * HIDDEN], gates[4 * HIDDEN], before[HIDDEN], cell[HIDDEN],
			out[HIDDEN];
		float d_out[HIDDEN], d_cell[HIDDEN], d_begin[HIDDEN], d_gates[4 * HIDDEN];

		fill(sums, ARRAY_COUNT(sums), 7);
		fill(before, HIDDEN, 8);
		fill(d_out, HIDDEN, 9);
		fill(d_cell, HIDDEN, 10);
		memcpy(d_begin, d_cell, sizeof(d_cell));
		memcpy(gates, sums, sizeof(sums));
		kernels->cell(gates, before, cell, out, HIDDEN);
		kernels->cell_back(gates, before, cell, d_out, d_cell, d_gates, HIDDEN);
		for (size_t j = 0; j < HIDDEN; j++) {
			double i = 1 / (1 + exp(-(double)sums[j])), c0 = (double)before[j];
			double f = 1 / (1 + exp(-(double)sums[HIDDEN + j]));
			double g = tanh((double)sums[2 * HIDDEN + j]);
			double o = 1 / (1 + exp(-(double)sums[3 * HIDDEN + j]));
			double c = f * c0 + i * g, t = tanh(c), dh = (double)d_out[j];
			double dc = (double)d_begin[j] + dh * o * (1 - t * t);

			assert_near("cell", (double)cell[j], c, 1e-6);
			assert_near("output", (double)out[j], o * t, 1e-6);
			assert_near("d cell", (double)d_cell[j], dc * f, 3e-6);
			assert_near("d input", (double)d_gates[j], dc * g * i * (1 - i), 3e-6);
			assert_near("d forget", (double)d_gates[HIDDEN + j], dc * c0 * f * (1 - f),
				3e-6);
			assert_near("d candidate", (double)d_gates[2 * HIDDEN + j],
				dc * i * (1 - g * g), 3e-6);
			assert_near("d out", (double)d_gates[3 * HIDDEN + j], dh * t * o * (1 - o),
				3e-6);
		}
	}
}

static void adam_goes_the_way_of_its_paper(void **state)
{
	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		struct kernel_adam adam = {.rate = .01f,
			.decay_first = .9f,
			.decay_second = .999f,
			.epsilon = 1e-8f,
			.scale = .5f};
		float x[19] = {0}, first[19] = {0}, second[19] = {0}, gradient[19];

		fill(gradient, ARRAY_COUNT(gradient), 11);
		kernels_at(v)->adam(x, gradient, first, second, ARRAY_COUNT(x), &adam);
		for (size_t i = 0; i < ARRAY_COUNT(x); i++) {
			double g = (double)gradient[i] * .5;

			assert_near("first", (double)first[i], .1 * g, 1e-6);
			assert_near("second", (double)second[i], .001 * g * g, 1e-6);
			assert_near("step", (double)x[i],
				-.01 * .1 * g / (sqrt(.001 * g * g) + 1e-8), 1e-5);
		}
	}
}

static void denormals_are_flushed_and_the_mode_comes_back(void **state)
{
	volatile float tiny = 1e-38f, tenth = .1f;
	unsigned mode = kernels_flush_denormals();

#ifdef __x86_64__
	assert_true(tiny * tenth == 0);
#endif
	kernels_mode_restore(mode);
	assert_true(tiny * tenth > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_is_one_of_those_there),
		cmocka_unit_test(dot_of_any_length),
		cmocka_unit_test(products_of_any_shape),
		cmocka_unit_test(rounding_is_to_the_nearest_of_two_the_even),
		cmocka_unit_test(products_of_bfloat16_of_any_shape),
		cmocka_unit_test(nan_is_not_rounded_away),
		cmocka_unit_test(transposed_packing_is_packing_of_the_transposed),
		cmocka_unit_test(activations_are_exact_to_rounding_and_at_their_limits),
		cmocka_unit_test(cell_and_its_gradient_follow_their_definition),
		cmocka_unit_test(adam_goes_the_way_of_its_paper),
		cmocka_unit_test(denormals_are_flushed_and_the_mode_comes_back),
	};

	return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
