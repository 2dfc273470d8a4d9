#include "store/hash.h"

#include "base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum status hash_secret_init(struct hash_secret *secret)
{
	return random_secret(secret->bytes, sizeof(secret->bytes));
}

struct store_key hash_bytes(const struct hash_secret *secret, const void *bytes, size_t size)
{
	XXH128_hash_t hash =
		XXH3_128bits_withSecret(bytes, size, secret->bytes, sizeof(secret->bytes));

	return (struct store_key){hash.low64, hash.high64};
}
