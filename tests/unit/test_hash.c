/*
 * Keyed hashes: every variant gives the values of libxxhash, at all sizes and alignments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/random.h"
#include "store/hash.h"

#define BYTES 5000

static void fill(unsigned char *bytes, size_t size, uint64_t seed)
{
	struct random random;

	random_init(&random, seed);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)random_below(&random, 256);
}

static void assert_reference(hash_fn *hash, const unsigned char *secret, const void *bytes,
	size_t size)
{
	XXH128_hash_t expected = XXH3_128bits_withSecret(bytes, size, secret, HASH_SECRET_BYTES);
	struct store_key key = hash(secret, bytes, size);

	assert_int_equal(key.low, expected.low64);
	assert_int_equal(key.high, expected.high64);
}

static void every_variant_gives_the_reference_values(void **state)
{
	unsigned char secret[HASH_SECRET_BYTES];
	unsigned char *all = malloc(BYTES);

	assert_non_null(all);
	fill(secret, sizeof(secret), 1);
	fill(all, BYTES, 2);
	for (size_t size = 0; size < BYTES; size += size < 700 ? 1 : 61) {
		/* A block of its own, so that a read beyond it is seen. */
		unsigned char *bytes = malloc(size + 1);

		assert_non_null(bytes);
		memcpy(bytes, all, size);
		assert_reference(hash_plain, secret, bytes, size);
		if (hash_avx2_usable())
			assert_reference(hash_avx2, secret, bytes, size);
		free(bytes);
	}
	for (size_t skip = 0; skip < 64; skip++)
		assert_reference(hash_avx2_usable() ? hash_avx2 : hash_plain, secret, all + skip,
			333);
	free(all);
}

static void a_secret_drawn_anew_gives_other_values(void **state)
{
	struct hash_secret a, b;
	struct store_key of_a, of_b;

	assert_int_equal(hash_secret_init(&a), STATUS_OK);
	assert_int_equal(hash_secret_init(&b), STATUS_OK);
	of_a = hash_bytes(&a, "labels", 6);
	of_b = hash_bytes(&b, "labels", 6);
	assert_true(of_a.low != of_b.low && of_a.high != of_b.high);
}

static void a_restored_secret_gives_the_same_values(void **state)
{
	struct hash_secret a, b;
	struct store_key of_a, of_b;

	assert_int_equal(hash_secret_init(&a), STATUS_OK);
	hash_secret_restore(&b, a.bytes);
	of_a = hash_bytes(&a, "labels", 6);
	of_b = hash_bytes(&b, "labels", 6);
	assert_true(of_a.low == of_b.low && of_a.high == of_b.high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_gives_the_reference_values),
		cmocka_unit_test(a_secret_drawn_anew_gives_other_values),
		cmocka_unit_test(a_restored_secret_gives_the_same_values),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
