/*
 * Scoring. The baseline follows eight trees at a time for one row, and four rows at a time in bulk: a
 * walk is a chain of dependent loads, and several chains side by side hide each other's waiting. Vector
 * code for bulk is chosen once, by what the processor says of itself.
 */
#include "analyzers/detect/forest_parts.h"

#include <stdatomic.h>

#include "base/check.h"

#define CHAINS 8

static inline uint32_t step(const uint8_t *nodes, size_t width, const int32_t *values,
	size_t stride, uint32_t at)
{
	uint32_t node = forest_node_at(nodes, width, at);

	return 2 * at + (values[FOREST_NODE_FEATURE(node) * stride] > FOREST_NODE_THRESHOLD(node));
}

/* Compiled once for each width. */
static inline uint32_t walk_row(const struct forest *forest, size_t width, const int32_t *values)
{
	const uint8_t *nodes = forest->nodes;
	const size_t tree_size = FOREST_SLOTS * width;
	const uint8_t *leaves = forest->leaves;
	const uint32_t *lengths = forest->lengths.of;
	uint32_t sum = 0;
	size_t tree = 0;

	for (; tree + CHAINS <= forest->trees; tree += CHAINS) {
		uint32_t at[CHAINS] = {1, 1, 1, 1, 1, 1, 1, 1};

		/* The first five levels of the trees to come: the way through them is not known yet, but
		 * all of it lies in two lines. */
		for (size_t k = CHAINS; k < 2 * CHAINS && tree + k < forest->trees; k++) {
			__builtin_prefetch(nodes + k * tree_size);
			__builtin_prefetch(nodes + k * tree_size + 64);
		}
		for (int depth = 0; depth < FOREST_DEPTH; depth++)
#pragma GCC unroll 8
			for (size_t k = 0; k < CHAINS; k++)
				at[k] = step(nodes + k * tree_size, width, values, 1, at[k]);
		for (size_t k = 0; k < CHAINS; k++)
			sum += lengths[leaves[k * FOREST_SLOTS + at[k] - FOREST_SLOTS]];
		nodes += CHAINS * tree_size;
		leaves += CHAINS * FOREST_SLOTS;
	}
	for (; tree < forest->trees; tree++) {
		uint32_t at = 1;

		for (int depth = 0; depth < FOREST_DEPTH; depth++)
			at = step(nodes, width, values, 1, at);
		sum += lengths[leaves[at - FOREST_SLOTS]];
		nodes += tree_size;
		leaves += FOREST_SLOTS;
	}
	return sum;
}

static void walk_block(const struct forest *forest, const int32_t *values, uint32_t *sums)
{
	const uint32_t *lengths = forest->lengths.of;

	memset(sums, 0, FOREST_BLOCK * sizeof(*sums));
	for (size_t tree = 0; tree < forest->trees; tree++) {
		const uint8_t *nodes = forest->nodes + tree * FOREST_SLOTS * FOREST_NARROW;
		const uint8_t *leaves = forest->leaves + tree * FOREST_SLOTS;

		for (size_t row = 0; row < FOREST_BLOCK; row += 4) {
			uint32_t a = 1, b = 1, c = 1, d = 1;

			for (int depth = 0; depth < FOREST_DEPTH; depth++) {
				a = step(nodes, FOREST_NARROW, values + row, FOREST_BLOCK, a);
				b = step(nodes, FOREST_NARROW, values + row + 1, FOREST_BLOCK, b);
				c = step(nodes, FOREST_NARROW, values + row + 2, FOREST_BLOCK, c);
				d = step(nodes, FOREST_NARROW, values + row + 3, FOREST_BLOCK, d);
			}
			sums[row] += lengths[leaves[a - FOREST_SLOTS]];
			sums[row + 1] += lengths[leaves[b - FOREST_SLOTS]];
			sums[row + 2] += lengths[leaves[c - FOREST_SLOTS]];
			sums[row + 3] += lengths[leaves[d - FOREST_SLOTS]];
		}
	}
}

static const struct forest_walk baseline = {"baseline", walk_block};

static const struct forest_walk *_Atomic chosen;

static const struct forest_walk *const walks[] = {&forest_walk_avx512, &baseline};

static bool is_there(const struct forest_walk *walk)
{
#if defined(__x86_64__)
	if (walk == &forest_walk_avx512)
		return walk->block != NULL && __builtin_cpu_supports("avx512f") &&
			__builtin_cpu_supports("avx512bw");
#endif
	return walk->block != NULL;
}

bool forest_code_choose(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(walks); i++)
		if ((name == NULL || strcmp(name, walks[i]->name) == 0) && is_there(walks[i])) {
			atomic_store(&chosen, walks[i]);
			return true;
		}
	return false;
}

static const struct forest_walk *forest_walk(void)
{
	const struct forest_walk *walk = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (walk == NULL) {
		/* Two threads may both come here: they choose the same. */
		CHECK(forest_code_choose(NULL));
		walk = atomic_load(&chosen);
	}
	return walk;
}

const char *forest_code(void)
{
	return forest_walk()->name;
}

double forest_row(const struct forest *forest, const double *row)
{
	int32_t values[FOREST_COLUMNS_MAX];
	uint32_t sum;

	for (size_t f = 0; f < forest->columns; f++)
		values[f] = quantize(quantize_place(row[f], forest->center[f], forest->inverse[f]));
	sum = forest->width == FOREST_NARROW ? walk_row(forest, FOREST_NARROW, values)
					     : walk_row(forest, FOREST_WIDE, values);
	return exp2(forest->exponent * sum);
}

/* Rows past the end repeat the last one. */
static void quantize_block(const struct forest *forest, const double *rows, size_t count,
	int32_t *values)
{
	size_t columns = forest->columns;

	for (size_t i = 0; i < FOREST_BLOCK; i++) {
		const double *row = rows + (i < count ? i : count - 1) * columns;

		for (size_t f = 0; f < columns; f++)
			values[f * FOREST_BLOCK + i] = quantize(
				quantize_place(row[f], forest->center[f], forest->inverse[f]));
	}
}

void forest_rows(const struct forest *forest, const double *rows, size_t count, double *scores)
{
	const struct forest_walk *walk = forest_walk();
	int32_t values[FOREST_BLOCK_COLUMNS * FOREST_BLOCK];
	uint32_t sums[FOREST_BLOCK];

	if (forest->columns > FOREST_BLOCK_COLUMNS) {
		for (size_t i = 0; i < count; i++)
			scores[i] = forest_row(forest, rows + i * forest->columns);
		return;
	}
	for (size_t done = 0; done < count; done += FOREST_BLOCK) {
		size_t n = count - done < FOREST_BLOCK ? count - done : FOREST_BLOCK;

		quantize_block(forest, rows + done * forest->columns, n, values);
		walk->block(forest, values, sums);
		for (size_t i = 0; i < n; i++)
			scores[done + i] = exp2(forest->exponent * sums[i]);
	}
}

static bool is_leaf(const uint32_t *nodes, size_t node)
{
	return node >= FOREST_SLOTS || FOREST_NODE_THRESHOLD(nodes[node]) == FOREST_NEVER;
}

/* How many rows of the tree's sample ended in the leaves before each slot: that a row is explained is
 * rare, and counts that were kept would be a seventh of the forest. sums: [FOREST_SLOTS + 1]. */
static void sum_rows(const struct forest *forest, size_t tree, uint16_t *sums)
{
	const uint8_t *leaves = forest->leaves + tree * FOREST_SLOTS;
	uint16_t sum = 0;

	for (size_t slot = 0; slot < FOREST_SLOTS; slot++) {
		sums[slot] = sum;
		sum = (uint16_t)(sum + forest->lengths.rows[leaves[slot]]);
	}
	sums[FOREST_SLOTS] = sum;
}

/* c of the rows that reached a node of that depth. */
static double average_of(const struct forest *forest, const uint16_t *sums, size_t node,
	unsigned depth)
{
	unsigned below = FOREST_DEPTH - depth;
	size_t first = (node << below) - FOREST_SLOTS, end = first + ((size_t)1 << below);

	return (double)forest->average[sums[end] - sums[first]];
}

void forest_gains(const struct forest *forest, const double *row, double *gains)
{
	double share = 1 / (double)forest->trees;

	for (size_t tree = 0; tree < forest->trees; tree++) {
		uint32_t nodes[FOREST_SLOTS];
		uint16_t sums[FOREST_SLOTS + 1];
		unsigned depth = 0;
		size_t at = 1;

		forest_tree(forest, tree, nodes);
		sum_rows(forest, tree, sums);
		while (!is_leaf(nodes, at)) {
			size_t f = FOREST_NODE_FEATURE(nodes[at]);
			float z = quantize_place(row[f], forest->center[f], forest->inverse[f]);
			double before = average_of(forest, sums, at, depth++);

			at = 2 * at + (quantize(z) > FOREST_NODE_THRESHOLD(nodes[at]));
			gains[f] += share * (before - 1 - average_of(forest, sums, at, depth));
		}
	}
}
