/*
 * Hashes of 128 bits under a secret: XXH3 (Yann Collet, xxHash 0.8). The secret is drawn from the
 * kernel when the store opens, so that colliding labels cannot be prepared beforehand.
 *
 * The program is compiled for any x86-64, whose vectors have 16 bytes; hash_avx2.c has the same
 * function for vectors of 32, and the processor is asked once, with the secret. Both give the same
 * values: 44 and 20 ns for the 300 bytes of labels that a series has (bench_ingest).
 *
 * Threads: a secret is read by any thread.
 */
#ifndef NIMBUSGUARD_STORE_HASH_H
#define NIMBUSGUARD_STORE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

#define HASH_SECRET_BYTES 192

typedef struct store_key hash_fn(const unsigned char *secret, const void *bytes, size_t size);

struct hash_secret {
	hash_fn *hash; /* the variant for this processor */
	unsigned char bytes[HASH_SECRET_BYTES];
};

/* STATUS_IO when the kernel gives no random bytes. */
enum status hash_secret_init(struct hash_secret *secret) MUST_CHECK;
/* A secret that was drawn before. */
void hash_secret_restore(struct hash_secret *secret, const unsigned char bytes[HASH_SECRET_BYTES]);

static inline struct store_key hash_bytes(const struct hash_secret *secret, const void *bytes,
	size_t size)
{
	return secret->hash(secret->bytes, bytes, size);
}

/* The variants. hash_avx2: only where the processor has AVX2 (hash_avx2_usable()). */
hash_fn hash_plain, hash_avx2;
bool hash_avx2_usable(void);

/* A checksum against damage, not against forgery: XXH3, 64 bits. */
uint64_t hash_checksum(const void *bytes, size_t size, uint64_t seed);

#endif
