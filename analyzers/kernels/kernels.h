/*
 * Vector code of the neural nets, in one version for each kind of processor, chosen at run time:
 * "baseline" (128 bits, everywhere), "avx2" (with FMA), "avx512", "avx512bf16" (the same with an
 * instruction for products of bfloat16). All give the same numbers within rounding; FMA and the order
 * of sums differ.
 *
 * All matrices are row-major floats. The columns of a right-hand matrix come in panels of
 * KERNEL_PANEL columns: its width is a multiple of that.
 *
 * Threads: pure functions; the choice is made once.
 */
#ifndef NIMBUSGUARD_ANALYZERS_KERNELS_KERNELS_H
#define NIMBUSGUARD_ANALYZERS_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_PANEL 32

/* The operands of c = a b (+ c): element (i, k) of a at a[i * a_row + k * a_column] (so a transposed
 * one needs no copy), row k of panel p of b at b[p * b_panel + k * b_row]. */
struct kernel_product {
	size_t rows, inner, columns; /* columns: a multiple of KERNEL_PANEL */
	const float *a;
	size_t a_row, a_column;
	const float *b;
	size_t b_row, b_panel;
	float *c; /* [rows][columns], row i at c[i * c_row] */
	size_t c_row;
	bool add; /* to c */
};

struct kernel_adam {
	float rate; /* learning rate, with the bias correction of both moments */
	float decay_first, decay_second, epsilon;
	float scale; /* of the gradient (clipping) */
};

struct kernels {
	const char *name;
	float (*dot)(const float *a, const float *b, size_t count);
	void (*multiply)(const struct kernel_product *product);
	/* The same with b of kernels_pack_rounded() (that of the product counts for nothing) and a, of which
	 * a_column is 1, rounded to bfloat16 as b is; sums are floats. */
	void (*multiply_rounded)(const struct kernel_product *product, const uint16_t *b);
	bool rounds; /* by an instruction for it, faster than multiply() with any net */
	/* In place. Absolute error below 2e-7; exact limits at both infinities. */
	void (*sigmoid)(float *x, size_t count);
	void (*tanh)(float *x, size_t count);
	/* One LSTM cell a row. gates: [4][hidden], input, forget, candidate, output: sums in, activations
	 * out. cell_before, cell, output: [hidden]; cell may be cell_before. */
	void (*cell)(float *gates, const float *cell_before, float *cell, float *output,
		size_t hidden);
	/* Its gradient: d_output of the output; d_cell: [hidden] of the cell in, of cell_before out;
	 * d_gates: [4][hidden] of the sums, may be gates. */
	void (*cell_back)(const float *gates, const float *cell_before, const float *cell,
		const float *d_output, float *d_cell, float *d_gates, size_t hidden);
	/* Adam (Kingma, Ba, ICLR 2015, algorithm 1); first, second: its moments. */
	void (*adam)(float *parameters, const float *gradients, float *first, float *second,
		size_t count, const struct kernel_adam *adam);
};

/* The fastest that this processor has. */
const struct kernels *kernels_best(void);
/* The index-th that this processor has, the baseline first; NULL behind the last. */
const struct kernels *kernels_at(size_t index);

/* Copies b [inner][columns] (row k at b[k * b_row]) into panels of consecutive memory, for which
 * b_row is KERNEL_PANEL and b_panel inner * KERNEL_PANEL. */
void kernels_pack(const float *b, size_t b_row, size_t inner, size_t columns, float *packed);
/* The same of b transposed: element (k, j) is b[j * b_row + k]. */
void kernels_pack_transposed(const float *b, size_t b_row, size_t inner, size_t columns,
	float *packed);

/* The nearest bfloat16 (the upper half of a float), of two the even one; a NaN stays one. */
uint16_t kernels_round(float value);
/* Rounds b [inner][columns] into panels in which two rows are one of pairs: element (k, j) of a panel is
 * at [k / 2][j][k % 2], with zeros behind an odd last row. packed: [(inner + 1) / 2 * 2 * columns]. */
void kernels_pack_rounded(const float *b, size_t b_row, size_t inner, size_t columns,
	uint16_t *packed);

/* Denormal numbers, a hundred times as slow, are taken as zero by this thread from here on; the mode
 * before, for kernels_mode_restore(). */
unsigned kernels_flush_denormals(void);
void kernels_mode_restore(unsigned mode);

#endif
