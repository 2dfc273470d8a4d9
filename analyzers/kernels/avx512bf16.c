/*
 * The vector code for AVX-512 with BF16: as for AVX-512, and two products of bfloat16 at a time.
 */
#include "analyzers/kernels/tables.h"

#ifdef __x86_64__
#include <immintrin.h>

#define KERNEL_TABLE kernels_avx512bf16
#define KERNEL_NAME "avx512bf16"
/* As in avx512.c. */
#define KERNEL_TARGET                                                                              \
	__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma"),           \
		no_sanitize_address))
#define KERNEL_WIDTH 16
#define KERNEL_ROWS(ROW) ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
#define KERNEL_ROW_COUNT 8
#define FMA(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define PAIRS(a, b, c) ((vec)_mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b)))

#include "analyzers/kernels/body.h"
#endif
