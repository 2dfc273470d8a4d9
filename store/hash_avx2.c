/*
 * hash_plain() compiled for AVX2. The whole of this file's functions are, by pragma instead of by a
 * flag of the Makefile, so that nothing else can slip in; the intrinsics' header comes before, as it
 * has its own. On other processors the function is there and nobody is told to call it.
 */
#include "store/hash.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define XXH_VECTOR 2 /* XXH_AVX2, which has no name yet here */
#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(XXH_VECTOR == XXH_AVX2, "the variant that was asked for");

struct store_key hash_avx2(const unsigned char *secret, const void *bytes, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(bytes, size, secret, HASH_SECRET_BYTES);

	return (struct store_key){hash.low64, hash.high64};
}

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

bool hash_avx2_usable(void)
{
	return __builtin_cpu_supports("avx2");
}

#else

struct store_key hash_avx2(const unsigned char *secret, const void *bytes, size_t size)
{
	return hash_plain(secret, bytes, size);
}

bool hash_avx2_usable(void)
{
	return false;
}

#endif
