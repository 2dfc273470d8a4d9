#include "store/hash.h"

#include <string.h>

#include "base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum status hash_secret_init(struct hash_secret *secret)
{
	unsigned char bytes[HASH_SECRET_BYTES];

	if (random_secret(bytes, sizeof(bytes)) != STATUS_OK)
		return STATUS_IO;
	hash_secret_restore(secret, bytes);
	return STATUS_OK;
}

void hash_secret_restore(struct hash_secret *secret, const unsigned char bytes[HASH_SECRET_BYTES])
{
	memcpy(secret->bytes, bytes, HASH_SECRET_BYTES);
	secret->hash = hash_avx2_usable() ? hash_avx2 : hash_plain;
}

struct store_key hash_plain(const unsigned char *secret, const void *bytes, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(bytes, size, secret, HASH_SECRET_BYTES);

	return (struct store_key){hash.low64, hash.high64};
}

uint64_t hash_checksum(const void *bytes, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, size, seed);
}
