/*
 * Walks with AVX2: eight trees of one row, or eight rows of one tree, a register, by gathers.
 */
#include "analyzers/detect/forest_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CODE __attribute__((target("avx2")))
#define LANES 8

/* 2 at + (value > threshold); a comparison that holds is -1. */
CODE static inline __m256i descend(__m256i at, __m256i node, __m256i value)
{
	__m256i threshold = _mm256_srai_epi32(_mm256_slli_epi32(node, 16), 16);

	return _mm256_sub_epi32(_mm256_add_epi32(at, at), _mm256_cmpgt_epi32(value, threshold));
}

CODE static inline __m256i leaf_paths(const uint16_t *leaves, __m256i index)
{
	__m256i leaf = _mm256_i32gather_epi32((const int *)(const void *)leaves,
		_mm256_sub_epi32(index, _mm256_set1_epi32(FOREST_SLOTS)), 2);

	return _mm256_and_si256(leaf, _mm256_set1_epi32(0xffff));
}

CODE static void walk_block(const struct forest *forest, const int32_t *values, uint32_t *sums)
{
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i total[FOREST_BLOCK / LANES];

	for (size_t k = 0; k < FOREST_BLOCK / LANES; k++)
		total[k] = _mm256_setzero_si256();
	for (size_t tree = 0; tree < forest->trees; tree++) {
		const int *nodes = (const int *)(forest->nodes + tree * FOREST_SLOTS);
		const uint16_t *leaves = forest->leaves + tree * FOREST_SLOTS;

#pragma GCC unroll 4
		for (size_t k = 0; k < FOREST_BLOCK / LANES; k++) {
			__m256i at = _mm256_set1_epi32(1);

#pragma GCC unroll 8
			for (int depth = 0; depth < FOREST_DEPTH; depth++) {
				__m256i node = _mm256_i32gather_epi32(nodes, at, 4);
				__m256i index = _mm256_add_epi32(
					_mm256_slli_epi32(_mm256_srli_epi32(node, 16), 6), lane);

				at = descend(at, node,
					_mm256_i32gather_epi32(values + LANES * k, index, 4));
			}
			total[k] = _mm256_add_epi32(total[k], leaf_paths(leaves, at));
		}
	}
	for (size_t k = 0; k < FOREST_BLOCK / LANES; k++)
		_mm256_storeu_si256((__m256i *)(void *)(sums + LANES * k), total[k]);
}

CODE static uint32_t walk_row(const struct forest *forest, const int32_t *values)
{
	const __m256i root = _mm256_setr_epi32(0, 256, 512, 768, 1024, 1280, 1536, 1792);
	__m256i total = _mm256_setzero_si256();
	uint32_t sums[LANES], sum = 0;
	size_t tree = 0;

	for (; tree + LANES <= forest->trees; tree += LANES) {
		const int *nodes = (const int *)(forest->nodes + tree * FOREST_SLOTS);
		__m256i at = _mm256_set1_epi32(1);

#pragma GCC unroll 8
		for (int depth = 0; depth < FOREST_DEPTH; depth++) {
			__m256i node = _mm256_i32gather_epi32(nodes, _mm256_add_epi32(root, at), 4);

			at = descend(at, node,
				_mm256_i32gather_epi32(values, _mm256_srli_epi32(node, 16), 4));
		}
		total = _mm256_add_epi32(total,
			leaf_paths(forest->leaves + tree * FOREST_SLOTS,
				_mm256_add_epi32(root, at)));
	}
	_mm256_storeu_si256((__m256i *)(void *)sums, total);
	for (size_t k = 0; k < LANES; k++)
		sum += sums[k];
	return sum + forest_walk_rest(forest, values, tree);
}

const struct forest_walk forest_walk_avx2 = {"avx2", walk_block, walk_row};
#else
const struct forest_walk forest_walk_avx2 = {"avx2", NULL, NULL};
#endif
