/*
 * Walks with AVX-512, sixteen rows a register.
 *
 * The 255 nodes of a tree lie in 16 registers, spread from three bytes to four as they are loaded. A level's nodes are picked by permutation: one register
 * holds levels 0 to 3 and another level 4; levels 5, 6 and 7 take 2, 4 and 8. Only the rows' values and
 * the leaves are gathered: a gather costs several times what a permutation does. With AVX2, whose
 * registers hold half a level 4, nodes would have to be gathered too, which was measured at nearly twice
 * the baseline's time; so was one row on sixteen trees at once.
 */
#include "analyzers/detect/forest_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Without optimisation these are macros, and the casts in them ours. */
#pragma GCC diagnostic ignored "-Wsign-conversion"

#define CODE __attribute__((target("avx512f,avx512bw")))

/* 16 narrow nodes: each 16 bytes of the register get the 12 of four, and each four the 3 of one. */
CODE static inline __m512i load_nodes(const uint8_t *nodes)
{
	const __m512i fours = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
	const __m512i threes = _mm512_broadcast_i32x4(
		_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));

	return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(fours, _mm512_loadu_si512(nodes)),
		threes);
}

/* The nodes of the level of 64 that the low 6 bits of `at` name, of four registers. */
CODE static inline __m512i pick64(const __m512i *tables, __m512i at)
{
	__m512i low = _mm512_permutex2var_epi32(tables[0], at, tables[1]);
	__m512i high = _mm512_permutex2var_epi32(tables[2], at, tables[3]);

	return _mm512_mask_blend_epi32(_mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), low,
		high);
}

CODE static inline __m512i pick(const __m512i *tables, int depth, __m512i at)
{
	if (depth < 4)
		return _mm512_permutexvar_epi32(at, tables[0]);
	if (depth == 4)
		return _mm512_permutexvar_epi32(at, tables[1]);
	if (depth == 5)
		return _mm512_permutex2var_epi32(tables[2], at, tables[3]);
	if (depth == 6)
		return pick64(tables + 4, at);
	return _mm512_mask_blend_epi32(_mm512_test_epi32_mask(at, _mm512_set1_epi32(64)),
		pick64(tables + 8, at), pick64(tables + 12, at));
}

/* 2 at + (value > threshold) */
CODE static inline __m512i descend(__m512i at, __m512i node, __m512i value)
{
	__m512i threshold = _mm512_srai_epi32(_mm512_slli_epi32(node, 16), 16);
	__mmask16 right = _mm512_cmpgt_epi32_mask(value, threshold);
	__m512i next = _mm512_add_epi32(at, at);

	return _mm512_mask_add_epi32(next, right, next, _mm512_set1_epi32(1));
}

CODE static void walk_block(const struct forest *forest, const int32_t *values, uint32_t *sums)
{
	const __m512i lane =
		_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i total[FOREST_BLOCK / FOREST_LANES];

	for (size_t k = 0; k < FOREST_BLOCK / FOREST_LANES; k++)
		total[k] = _mm512_setzero_si512();
	for (size_t tree = 0; tree < forest->trees; tree++) {
		const uint8_t *nodes = forest->nodes + tree * FOREST_SLOTS * FOREST_NARROW;
		const uint8_t *leaves = forest->leaves + tree * FOREST_SLOTS;
		__m512i tables[16];

		for (size_t k = 0; k < 16; k++)
			tables[k] = load_nodes(nodes + 16 * FOREST_NARROW * k);
#pragma GCC unroll 4
		for (size_t k = 0; k < FOREST_BLOCK / FOREST_LANES; k++) {
			__m512i at = _mm512_set1_epi32(1), leaf;

#pragma GCC unroll 8
			for (int depth = 0; depth < FOREST_DEPTH; depth++) {
				__m512i node = pick(tables, depth, at);
				__m512i index = _mm512_add_epi32(
					_mm512_slli_epi32(_mm512_srli_epi32(node, 16), 6), lane);

				at = descend(at, node,
					_mm512_i32gather_epi32(index, values + FOREST_LANES * k,
						4));
			}
			leaf = _mm512_i32gather_epi32(_mm512_sub_epi32(at,
							      _mm512_set1_epi32(FOREST_SLOTS)),
				leaves, 1);
			leaf = _mm512_and_si512(leaf, _mm512_set1_epi32(0xff));
			total[k] = _mm512_add_epi32(total[k],
				_mm512_i32gather_epi32(leaf, forest->lengths.of, 4));
		}
	}
	for (size_t k = 0; k < FOREST_BLOCK / FOREST_LANES; k++)
		_mm512_storeu_si512(sums + FOREST_LANES * k, total[k]);
}

const struct forest_walk forest_walk_avx512 = {"avx512", walk_block};
#else
const struct forest_walk forest_walk_avx512 = {"avx512", NULL};
#endif
