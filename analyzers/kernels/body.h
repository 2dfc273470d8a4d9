/*
 * The vector code itself, once for all widths: a file that includes it says for which (the macros
 * below, of which the defaults are the baseline) and gets a struct kernels named KERNEL_TABLE.
 *
 * The product's inner loop keeps a block of KERNEL_ROWS rows by two vectors in registers and takes
 * one row of b and a column of a at a time. A single row (the stateful step of a net, bound by how
 * fast its weights are read) runs four rows of b at a time, so that sums do not wait for each other.
 *
 * With b in bfloat16 a is rounded likewise, a few rows ahead. Where the processor has it (PAIRS) one
 * instruction takes a pair of rows of b; elsewhere the two are widened one after the other, which is
 * exact, so that all versions multiply the same numbers.
 */
#ifndef NIMBUSGUARD_ANALYZERS_KERNELS_BODY_H
#define NIMBUSGUARD_ANALYZERS_KERNELS_BODY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "analyzers/kernels/kernels.h"
#include "analyzers/kernels/tables.h"

#ifndef KERNEL_TABLE
#define KERNEL_TABLE kernels_baseline
#define KERNEL_NAME "baseline"
#define KERNEL_TARGET
#define KERNEL_WIDTH 4
#define KERNEL_ROWS(ROW) ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5)
#define KERNEL_ROW_COUNT 6
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

typedef float vec __attribute__((vector_size(KERNEL_WIDTH * 4)));
typedef int32_t ivec __attribute__((vector_size(KERNEL_WIDTH * 4)));
typedef uint32_t uvec __attribute__((vector_size(KERNEL_WIDTH * 4)));

#define INLINE KERNEL_TARGET __attribute__((always_inline)) static inline
#define BLOCK (2 * KERNEL_WIDTH)

INLINE vec load(const float *from)
{
	vec value;

	memcpy(&value, from, sizeof(value));
	return value;
}

INLINE void store(float *to, vec value)
{
	memcpy(to, &value, sizeof(value));
}

INLINE vec all(float value)
{
	return value - (vec){0};
}

INLINE float sum(vec value)
{
	float part[KERNEL_WIDTH], total = 0;

	memcpy(part, &value, sizeof(value));
	for (size_t i = 0; i < KERNEL_WIDTH; i++)
		total += part[i];
	return total;
}

INLINE vec choose(ivec mask, vec yes, vec no)
{
	return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* exp(x), x clamped to +-87: 2^n times a polynomial of the rest (Cephes' expf). */
INLINE vec exponential(vec x)
{
	const vec round = all(12582912.0f);
	vec n, rest, result;

	x = choose(x > all(87.0f), all(87.0f), x);
	x = choose(x < all(-87.0f), all(-87.0f), x);
	n = FMA(x, all(1.44269504088896341f), round) - round;
	rest = FMA(n, all(-0.693359375f), x);
	rest = FMA(n, all(2.12194440e-4f), rest);
	result = FMA(all(1.9875691500e-4f), rest, all(1.3981999507e-3f));
	result = FMA(result, rest, all(8.3334519073e-3f));
	result = FMA(result, rest, all(4.1665795894e-2f));
	result = FMA(result, rest, all(1.6666665459e-1f));
	result = FMA(result, rest, all(5.0000001201e-1f));
	result = FMA(result, rest * rest, rest + all(1.0f));
	return result * (vec)((__builtin_convertvector(n, ivec) + 127) << 23);
}

INLINE vec sigmoid_of(vec x)
{
	return all(1.0f) / (all(1.0f) + exponential(-x));
}

INLINE vec tanh_of(vec x)
{
	return all(2.0f) * sigmoid_of(x + x) - all(1.0f);
}

/* A vector of the last few elements, zeros behind them. */
INLINE vec load_some(const float *from, size_t count)
{
	float part[KERNEL_WIDTH] = {0};

	memcpy(part, from, count * sizeof(float));
	return load(part);
}

INLINE void store_some(float *to, vec value, size_t count)
{
	float part[KERNEL_WIDTH];

	store(part, value);
	memcpy(to, part, count * sizeof(float));
}

KERNEL_TARGET static float kernel_dot(const float *a, const float *b, size_t count)
{
	vec first = all(0), second = all(0), third = all(0), fourth = all(0);
	size_t i = 0;

	for (; i + 4 * KERNEL_WIDTH <= count; i += 4 * KERNEL_WIDTH) {
		first = FMA(load(a + i), load(b + i), first);
		second = FMA(load(a + i + KERNEL_WIDTH), load(b + i + KERNEL_WIDTH), second);
		third = FMA(load(a + i + 2 * KERNEL_WIDTH), load(b + i + 2 * KERNEL_WIDTH), third);
		fourth =
			FMA(load(a + i + 3 * KERNEL_WIDTH), load(b + i + 3 * KERNEL_WIDTH), fourth);
	}
	for (; i + KERNEL_WIDTH <= count; i += KERNEL_WIDTH)
		first = FMA(load(a + i), load(b + i), first);
	if (i < count)
		second = FMA(load_some(a + i, count - i), load_some(b + i, count - i), second);
	return sum((first + second) + (third + fourth));
}

/* KERNEL_ROW_COUNT rows of a, BLOCK columns of one panel. */
INLINE void block_multiply(const struct kernel_product *by, const float *a, const float *b,
	float *c)
{
	size_t a_row = by->a_row, a_column = by->a_column, b_row = by->b_row, c_row = by->c_row;
	bool add = by->add;
#define ROW(i)                                                                                     \
	vec left##i = add ? load(c + (i)*c_row) : all(0);                                          \
	vec right##i = add ? load(c + (i)*c_row + KERNEL_WIDTH) : all(0);
	KERNEL_ROWS(ROW)
#undef ROW

	for (size_t k = by->inner; k > 0; k--, a += a_column, b += b_row) {
		vec left = load(b), right = load(b + KERNEL_WIDTH);
#define ROW(i)                                                                                     \
	{                                                                                          \
		vec factor = all(a[(i)*a_row]);                                                    \
		left##i = FMA(factor, left, left##i);                                              \
		right##i = FMA(factor, right, right##i);                                           \
	}
		KERNEL_ROWS(ROW)
#undef ROW
	}
#define ROW(i)                                                                                     \
	store(c + (i)*c_row, left##i);                                                             \
	store(c + (i)*c_row + KERNEL_WIDTH, right##i);
	KERNEL_ROWS(ROW)
#undef ROW
}

/* One row of a, BLOCK columns. */
INLINE void row_multiply(const struct kernel_product *by, const float *a, const float *b, float *c)
{
	size_t a_column = by->a_column, b_row = by->b_row, k = 0;
	vec left0 = by->add ? load(c) : all(0), left1 = all(0), left2 = all(0), left3 = all(0);
	vec right0 = by->add ? load(c + KERNEL_WIDTH) : all(0), right1 = all(0), right2 = all(0),
	    right3 = all(0);

	for (; k + 4 <= by->inner; k += 4, a += 4 * a_column, b += 4 * b_row) {
		vec a0 = all(a[0]), a1 = all(a[a_column]), a2 = all(a[2 * a_column]),
		    a3 = all(a[3 * a_column]);

		left0 = FMA(a0, load(b), left0);
		right0 = FMA(a0, load(b + KERNEL_WIDTH), right0);
		left1 = FMA(a1, load(b + b_row), left1);
		right1 = FMA(a1, load(b + b_row + KERNEL_WIDTH), right1);
		left2 = FMA(a2, load(b + 2 * b_row), left2);
		right2 = FMA(a2, load(b + 2 * b_row + KERNEL_WIDTH), right2);
		left3 = FMA(a3, load(b + 3 * b_row), left3);
		right3 = FMA(a3, load(b + 3 * b_row + KERNEL_WIDTH), right3);
	}
	for (; k < by->inner; k++, a += a_column, b += b_row) {
		left0 = FMA(all(a[0]), load(b), left0);
		right0 = FMA(all(a[0]), load(b + KERNEL_WIDTH), right0);
	}
	store(c, (left0 + left1) + (left2 + left3));
	store(c + KERNEL_WIDTH, (right0 + right1) + (right2 + right3));
}

KERNEL_TARGET static void kernel_multiply(const struct kernel_product *by)
{
	for (size_t column = 0; column < by->columns; column += BLOCK) {
		const float *b =
			by->b + column / KERNEL_PANEL * by->b_panel + column % KERNEL_PANEL;
		size_t i = 0;

		for (; i + KERNEL_ROW_COUNT <= by->rows; i += KERNEL_ROW_COUNT)
			block_multiply(by, by->a + i * by->a_row, b,
				by->c + i * by->c_row + column);
		for (; i < by->rows; i++)
			row_multiply(by, by->a + i * by->a_row, b, by->c + i * by->c_row + column);
	}
}

/* The nearest bfloat16, of two the even one, as a float; a NaN stays one. */
INLINE vec rounded(vec x)
{
	uvec bits = (uvec)x, nearest = bits + 0x7fff + ((bits >> 16) & 1);

	return (vec)((uvec)choose((bits & 0x7fffffff) <= 0x7f800000, (vec)nearest,
			     (vec)(bits | 0x400000)) &
		0xffff0000);
}

#ifdef PAIRS
typedef uint32_t factor; /* two of bfloat16 */
typedef uint16_t half __attribute__((vector_size(KERNEL_WIDTH * 2)));
#define FACTORS 1 /* for a pair of rows of b */
#else
typedef float factor; /* one, rounded */
#define FACTORS 2
#endif
#define ROUNDED_ROWS (2 * KERNEL_ROW_COUNT)
#define ROUNDED_INNER 512 /* of b, a multiple of the width */
#define ROUNDED_FACTORS (ROUNDED_INNER / 2 * FACTORS)

/* A row of a, zeros behind it as far as whole vectors go. */
INLINE void factors_take(const float *a, size_t count, factor *factors)
{
	for (size_t k = 0; k < count; k += KERNEL_WIDTH) {
		vec value = rounded(
			k + KERNEL_WIDTH <= count ? load(a + k) : load_some(a + k, count - k));
#ifdef PAIRS
		half narrow = __builtin_convertvector((uvec)value >> 16, half);

		memcpy(factors + k / 2, &narrow, sizeof(narrow));
#else
		store(factors + k, value);
#endif
	}
}

/* What the which-th factor of a pair is multiplied with. */
INLINE vec weights_load(const uint16_t *b, size_t which)
{
	uvec pair;

	memcpy(&pair, b, sizeof(pair));
#ifdef PAIRS
	(void)which;
	return (vec)pair;
#else
	return (vec)(which == 0 ? pair << 16 : pair & 0xffff0000);
#endif
}

INLINE vec factor_add(factor by, vec weights, vec to)
{
#ifdef PAIRS
	return PAIRS((vec)((uvec){0} + by), weights, to);
#else
	return FMA(all(by), weights, to);
#endif
}

#define PAIR_ROW (2 * KERNEL_PANEL)
#define RIGHT (2 * KERNEL_WIDTH) /* of the pairs of the second vector */

/* KERNEL_ROW_COUNT rows of factors, BLOCK columns of one panel of `pairs` pairs of rows. */
INLINE void rounded_block(const factor *factors, const uint16_t *b, size_t pairs, float *c,
	size_t c_row, bool add)
{
#define ROW(i)                                                                                     \
	vec left##i = add ? load(c + (i)*c_row) : all(0);                                          \
	vec right##i = add ? load(c + (i)*c_row + KERNEL_WIDTH) : all(0);
	KERNEL_ROWS(ROW)
#undef ROW

#define ROW(i)                                                                                     \
	left##i = factor_add(factors[(i)*ROUNDED_FACTORS], left, left##i);                         \
	right##i = factor_add(factors[(i)*ROUNDED_FACTORS], right, right##i);
	for (; pairs > 0; pairs--, b += PAIR_ROW) {
		vec left = weights_load(b, 0), right = weights_load(b + RIGHT, 0);

		KERNEL_ROWS(ROW)
		factors++;
#if FACTORS == 2
		left = weights_load(b, 1);
		right = weights_load(b + RIGHT, 1);
		KERNEL_ROWS(ROW)
		factors++;
#endif
	}
#undef ROW
#define ROW(i)                                                                                     \
	store(c + (i)*c_row, left##i);                                                             \
	store(c + (i)*c_row + KERNEL_WIDTH, right##i);
	KERNEL_ROWS(ROW)
#undef ROW
}

/* One row of factors, BLOCK columns. */
INLINE void rounded_row(const factor *factors, const uint16_t *b, size_t pairs, float *c, bool add)
{
	size_t count = pairs * FACTORS, k = 0;
	vec left0 = add ? load(c) : all(0), left1 = all(0), left2 = all(0), left3 = all(0);
	vec right0 = add ? load(c + KERNEL_WIDTH) : all(0), right1 = all(0), right2 = all(0),
	    right3 = all(0);

#define STEP(i)                                                                                    \
	{                                                                                          \
		const uint16_t *at = b + (i) / FACTORS * PAIR_ROW;                                 \
                                                                                                   \
		left##i = factor_add(factors[k + (i)], weights_load(at, (i) % FACTORS), left##i);  \
		right##i = factor_add(factors[k + (i)], weights_load(at + RIGHT, (i) % FACTORS),   \
			right##i);                                                                 \
	}
	for (; k + 4 <= count; k += 4, b += 4 / FACTORS * PAIR_ROW) {
		STEP(0) STEP(1) STEP(2) STEP(3)
	}
	for (; k < count; k += FACTORS, b += PAIR_ROW) {
		STEP(0)
#if FACTORS == 2
		STEP(1)
#endif
	}
#undef STEP
	store(c, (left0 + left1) + (left2 + left3));
	store(c + KERNEL_WIDTH, (right0 + right1) + (right2 + right3));
}

/* `rows` rows by at most ROUNDED_INNER rows of b. factors: room for so many. */
INLINE void rounded_part(const struct kernel_product *by, const float *a, const uint16_t *b,
	size_t rows, size_t inner, float *c, bool add, factor *factors)
{
	size_t pairs = (inner + 1) / 2, panel = (by->inner + 1) / 2 * PAIR_ROW;

	for (size_t i = 0; i < rows; i++)
		factors_take(a + i * by->a_row, inner, factors + i * ROUNDED_FACTORS);
	for (size_t column = 0; column < by->columns; column += BLOCK) {
		const uint16_t *at = b + column / KERNEL_PANEL * panel + column % KERNEL_PANEL * 2;
		size_t i = 0;

		for (; i + KERNEL_ROW_COUNT <= rows; i += KERNEL_ROW_COUNT)
			rounded_block(factors + i * ROUNDED_FACTORS, at, pairs,
				c + i * by->c_row + column, by->c_row, add);
		for (; i < rows; i++)
			rounded_row(factors + i * ROUNDED_FACTORS, at, pairs,
				c + i * by->c_row + column, add);
	}
}

INLINE void rounded_rows(const struct kernel_product *by, const uint16_t *b, size_t first,
	size_t rows, factor *factors)
{
	for (size_t k = 0; k < by->inner; k += ROUNDED_INNER)
		rounded_part(by, by->a + first * by->a_row + k, b + k / 2 * PAIR_ROW, rows,
			by->inner - k < ROUNDED_INNER ? by->inner - k : ROUNDED_INNER,
			by->c + first * by->c_row, by->add || k > 0, factors);
}

/* Apart, for its stack is large: with it a net's step of single rows took 5 us instead of 4. */
KERNEL_TARGET __attribute__((noinline)) static void rounded_many(const struct kernel_product *by,
	const uint16_t *b)
{
	_Alignas(64) factor factors[ROUNDED_ROWS * ROUNDED_FACTORS];

	for (size_t i = 0; i < by->rows; i += ROUNDED_ROWS)
		rounded_rows(by, b, i, by->rows - i < ROUNDED_ROWS ? by->rows - i : ROUNDED_ROWS,
			factors);
}

KERNEL_TARGET static void kernel_multiply_rounded(const struct kernel_product *by,
	const uint16_t *b)
{
	_Alignas(64) factor factors[ROUNDED_FACTORS];

	if (by->rows == 1)
		rounded_rows(by, b, 0, 1, factors);
	else
		rounded_many(by, b);
}

KERNEL_TARGET static void kernel_sigmoid(float *x, size_t count)
{
	size_t i = 0;

	for (; i + KERNEL_WIDTH <= count; i += KERNEL_WIDTH)
		store(x + i, sigmoid_of(load(x + i)));
	if (i < count)
		store_some(x + i, sigmoid_of(load_some(x + i, count - i)), count - i);
}

KERNEL_TARGET static void kernel_tanh(float *x, size_t count)
{
	size_t i = 0;

	for (; i + KERNEL_WIDTH <= count; i += KERNEL_WIDTH)
		store(x + i, tanh_of(load(x + i)));
	if (i < count)
		store_some(x + i, tanh_of(load_some(x + i, count - i)), count - i);
}

/* hidden is a multiple of the width: nets are checked for that. */
KERNEL_TARGET static void kernel_cell(float *gates, const float *cell_before, float *cell,
	float *output, size_t hidden)
{
	float *forget = gates + hidden, *candidate = forget + hidden, *out = candidate + hidden;

	for (size_t j = 0; j < hidden; j += KERNEL_WIDTH) {
		vec i = sigmoid_of(load(gates + j)), f = sigmoid_of(load(forget + j));
		vec g = tanh_of(load(candidate + j)), o = sigmoid_of(load(out + j));
		vec c = FMA(f, load(cell_before + j), i * g);

		store(gates + j, i);
		store(forget + j, f);
		store(candidate + j, g);
		store(out + j, o);
		store(cell + j, c);
		store(output + j, o * tanh_of(c));
	}
}

KERNEL_TARGET static void kernel_cell_back(const float *gates, const float *cell_before,
	const float *cell, const float *d_output, float *d_cell, float *d_gates, size_t hidden)
{
	const vec one = all(1.0f);

	for (size_t j = 0; j < hidden; j += KERNEL_WIDTH) {
		vec i = load(gates + j), f = load(gates + hidden + j);
		vec g = load(gates + 2 * hidden + j), o = load(gates + 3 * hidden + j);
		vec t = tanh_of(load(cell + j)), dh = load(d_output + j);
		vec dc = load(d_cell + j) + dh * o * (one - t * t);

		store(d_gates + j, dc * g * i * (one - i));
		store(d_gates + hidden + j, dc * load(cell_before + j) * f * (one - f));
		store(d_gates + 2 * hidden + j, dc * i * (one - g * g));
		store(d_gates + 3 * hidden + j, dh * t * o * (one - o));
		store(d_cell + j, dc * f);
	}
}

KERNEL_TARGET static void kernel_adam_step(float *parameters, const float *gradients, float *first,
	float *second, size_t count, const struct kernel_adam *adam)
{
	float keep_first = adam->decay_first, keep_second = adam->decay_second;

	for (size_t i = 0; i < count; i++) {
		float gradient = gradients[i] * adam->scale;

		first[i] = keep_first * first[i] + (1 - keep_first) * gradient;
		second[i] = keep_second * second[i] + (1 - keep_second) * gradient * gradient;
		parameters[i] -= adam->rate * first[i] / (sqrtf(second[i]) + adam->epsilon);
	}
}

const struct kernels KERNEL_TABLE = {
	.name = KERNEL_NAME,
	.dot = kernel_dot,
	.multiply = kernel_multiply,
	.multiply_rounded = kernel_multiply_rounded,
#ifdef PAIRS
	.rounds = true,
#endif
	.sigmoid = kernel_sigmoid,
	.tanh = kernel_tanh,
	.cell = kernel_cell,
	.cell_back = kernel_cell_back,
	.adam = kernel_adam_step,
};

#endif
