/*
 * Hashes of 128 bits under a secret: XXH3 (Yann Collet, xxHash 0.8). The secret is drawn from the
 * kernel when the store opens, so that colliding labels cannot be prepared beforehand.
 *
 * Threads: a secret is read by any thread.
 */
#ifndef NIMBUSGUARD_STORE_HASH_H
#define NIMBUSGUARD_STORE_HASH_H

#include <stddef.h>

#include "store/store.h"

struct hash_secret {
	unsigned char bytes[192];
};

/* STATUS_IO when the kernel gives no random bytes. */
enum status hash_secret_init(struct hash_secret *secret) MUST_CHECK;
struct store_key hash_bytes(const struct hash_secret *secret, const void *bytes, size_t size);

#endif
