/*
 * How a forest lies in memory, for the code that makes it and the code that walks it.
 *
 * Every tree is a full binary heap of depth 8: node 1 is the root, the children of i are 2i and
 * 2i + 1, slots 256 to 511 are the leaves. A node that is a leaf earlier sends every row left, so
 * that a walk is always 8 steps without a condition; its path length stands in the leftmost leaf
 * below it.
 *
 * Values are compared as 16-bit integers (detect/quantize.h), where inverse makes a unit an eighth of the
 * column's median deviation. Path lengths are 16-bit too, and sums of
 * them integers: the order of adding, and so the vector width, changes nothing. A forest has few
 * different ones (some hundred): a leaf holds in one byte which, and 0 where no row ends.
 *
 * A node is a number of 32 bits, threshold below and feature above. Up to FOREST_BLOCK_COLUMNS features its
 * highest byte is always 0 and is not kept: a walk reads four bytes and cuts off the next node's first.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_FOREST_PARTS_H
#define NIMBUSGUARD_ANALYZERS_DETECT_FOREST_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "analyzers/detect/forest.h"
#include "analyzers/detect/quantize.h"

#define FOREST_DEPTH 8
#define FOREST_SLOTS 256 /* of nodes, the first unused, and of leaves */
#define FOREST_PATH_UNIT 2048
/* Rows scored together. */
#define FOREST_BLOCK 64
#define FOREST_LANES 16
#define FOREST_BLOCK_COLUMNS 256

/* No value is greater. */
#define FOREST_NEVER 32767
#define FOREST_NODE(feature, threshold) ((uint32_t)(feature) << 16 | (uint16_t)(threshold))
#define FOREST_NODE_FEATURE(node) ((node) >> 16)
#define FOREST_NODE_THRESHOLD(node) ((int16_t)(uint16_t)(node))

/* Bytes of a node as it is kept: of forests of up to FOREST_BLOCK_COLUMNS columns, and of wider ones. */
#define FOREST_NARROW 3
#define FOREST_WIDE 4
/* Behind the last node: vector code reads 16 narrow ones as 64 bytes. */
#define FOREST_NODES_PAD 16

/* nodes: of `width` bytes each, the lowest first. */
static inline uint32_t forest_node_at(const uint8_t *nodes, size_t width, size_t at)
{
	uint32_t node;

	memcpy(&node, nodes + width * at, sizeof(node));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	node = __builtin_bswap32(node);
#endif
	return width == FOREST_NARROW ? node & 0xffffff : node;
}

#define FOREST_LENGTHS 256

struct forest_lengths {
	uint32_t of[FOREST_LENGTHS];   /* in 1/FOREST_PATH_UNIT */
	uint16_t rows[FOREST_LENGTHS]; /* of a leaf with that length; 0 of the first */
	size_t count; /* 1 to count are in use: 0 is of slots that no row ends in */
};

/* While a forest grows: which length the leaves of a depth and a number of rows have; 0: none yet. */
struct forest_codes {
	uint16_t code[FOREST_DEPTH + 1][FOREST_SAMPLE_MAX + 1];
};

struct forest {
	size_t trees, columns, sample;
	double exponent;          /* score = 2^(exponent * sum of path lengths) */
	double *center, *inverse; /* [columns]; inverse 0: the column never varied */
	size_t width;             /* FOREST_NARROW or FOREST_WIDE */
	uint8_t *nodes;           /* [trees][FOREST_SLOTS][width] */
	uint8_t *leaves;          /* [trees][FOREST_SLOTS] of lengths, + 3 bytes */
	struct forest_lengths lengths;
	float average[FOREST_SAMPLE_MAX + 1]; /* c(n) */
};

/* The nodes of one tree. nodes: [FOREST_SLOTS]. */
void forest_tree(const struct forest *forest, size_t tree, uint32_t *nodes);

/* Sums of path lengths over all trees for FOREST_BLOCK rows, of a narrow forest. values: [columns][FOREST_BLOCK] of
 * quantized values, 16-byte groups of which belong to columns. sums: [FOREST_BLOCK]. */
typedef void forest_walk_block(const struct forest *forest, const int32_t *values, uint32_t *sums);
struct forest_walk {
	const char *name;
	forest_walk_block *block; /* NULL where the compiler lacks it */
};

extern const struct forest_walk forest_walk_avx512;

/* That no node looks at what is none of the features, and each tree's leaves tell of `sample` rows, at
 * most FOREST_SAMPLE_MAX. nodes, leaves: [trees][FOREST_SLOTS]. */
bool forest_sound(const uint32_t *nodes, const uint8_t *leaves,
	const struct forest_lengths *lengths, size_t trees, size_t features, size_t sample);

/* What a leaf of that depth and that many rows is to hold, whose path is that long. Where there are more
 * different lengths than a byte tells apart, the nearest. */
uint8_t forest_leaf(struct forest_lengths *lengths, struct forest_codes *codes, unsigned depth,
	size_t rows, double path);

#endif
