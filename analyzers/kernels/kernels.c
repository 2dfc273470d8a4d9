/*
 * The choice among the versions of the vector code, and packing of matrices.
 */
#include "analyzers/kernels/kernels.h"

#include <string.h>

#include "analyzers/kernels/tables.h"

#ifdef __x86_64__
#include <immintrin.h>
/* Flush to zero, denormals are zero. */
#define MODE_FLUSH 0x8040u
#endif

const struct kernels *kernels_at(size_t index)
{
	const struct kernels *found[4] = {&kernels_baseline};
	size_t count = 1;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		found[count++] = &kernels_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
		found[count++] = &kernels_avx512;
	if (found[count - 1] == &kernels_avx512 && __builtin_cpu_supports("avx512bf16"))
		found[count++] = &kernels_avx512bf16;
#endif
	return index < count ? found[index] : NULL;
}

const struct kernels *kernels_best(void)
{
	const struct kernels *best = &kernels_baseline;

	for (size_t i = 1; kernels_at(i) != NULL; i++)
		best = kernels_at(i);
	return best;
}

void kernels_pack(const float *b, size_t b_row, size_t inner, size_t columns, float *packed)
{
	for (size_t panel = 0; panel < columns; panel += KERNEL_PANEL)
		for (size_t k = 0; k < inner; k++, packed += KERNEL_PANEL)
			memcpy(packed, b + k * b_row + panel, KERNEL_PANEL * sizeof(*packed));
}

void kernels_pack_transposed(const float *b, size_t b_row, size_t inner, size_t columns,
	float *packed)
{
	for (size_t panel = 0; panel < columns; panel += KERNEL_PANEL)
		for (size_t k = 0; k < inner; k++, packed += KERNEL_PANEL)
			for (size_t j = 0; j < KERNEL_PANEL; j++)
				packed[j] = b[(panel + j) * b_row + k];
}

uint16_t kernels_round(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (value != value)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void kernels_pack_rounded(const float *b, size_t b_row, size_t inner, size_t columns,
	uint16_t *packed)
{
	for (size_t panel = 0; panel < columns; panel += KERNEL_PANEL)
		for (size_t k = 0; k < inner; k += 2)
			for (size_t j = panel; j < panel + KERNEL_PANEL; j++) {
				*packed++ = kernels_round(b[k * b_row + j]);
				*packed++ =
					k + 1 < inner ? kernels_round(b[(k + 1) * b_row + j]) : 0;
			}
}

unsigned kernels_flush_denormals(void)
{
#ifdef __x86_64__
	unsigned mode = _mm_getcsr();

	_mm_setcsr(mode | MODE_FLUSH);
	return mode;
#else
	return 0;
#endif
}

void kernels_mode_restore(unsigned mode)
{
#ifdef __x86_64__
	_mm_setcsr(mode);
#else
	(void)mode;
#endif
}
