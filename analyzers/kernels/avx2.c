/*
 * The vector code for AVX2 with FMA: 256 bits.
 */
#include "analyzers/kernels/tables.h"

#ifdef __x86_64__
#include <immintrin.h>

#define KERNEL_TABLE kernels_avx2
#define KERNEL_NAME "avx2"
#define KERNEL_TARGET __attribute__((target("avx2,fma")))
#define KERNEL_WIDTH 8
#define KERNEL_ROWS(ROW) ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5)
#define KERNEL_ROW_COUNT 6
#define FMA(a, b, c) ((vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))

#include "analyzers/kernels/body.h"
#endif
