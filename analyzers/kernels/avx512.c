/*
 * The vector code for AVX-512: 512 bits, and twice as many registers.
 */
#include "analyzers/kernels/tables.h"

#ifdef __x86_64__
#include <immintrin.h>

#define KERNEL_TABLE kernels_avx512
#define KERNEL_NAME "avx512"
/* GCC 12's AddressSanitizer lays variables of 64 bytes at 32 (its bug 110027); baseline and AVX2 are checked. */
#define KERNEL_TARGET                                                                              \
	__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"), no_sanitize_address))
#define KERNEL_WIDTH 16
#define KERNEL_ROWS(ROW) ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
#define KERNEL_ROW_COUNT 8
#define FMA(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))

#include "analyzers/kernels/body.h"
#endif
