/*
 * A table of buckets of eight tags, one cache line each. A tag is one word, so that a reader sees the
 * old one or the new one; of two writers at the same place one wins, and the other's series is
 * decided again when it comes back.
 */
#include "remote_write/dropped.h"

#include "base/mem.h"

struct dropped *dropped_open(uint32_t entries)
{
	struct dropped *dropped = mem_zalloc(1, sizeof(*dropped));
	uint64_t buckets = 1;

	if (dropped == NULL)
		return NULL;
	/* A third is left free, so that hardly any bucket is full before the set is. */
	while (buckets * DROPPED_WAYS < (uint64_t)entries + entries / 2)
		buckets *= 2;
	dropped->buckets = mem_alloc_aligned(64, (size_t)buckets * sizeof(*dropped->buckets));
	if (dropped->buckets == NULL) {
		mem_free(dropped);
		return NULL;
	}
	for (uint64_t i = 0; i < buckets; i++)
		for (int way = 0; way < DROPPED_WAYS; way++)
			atomic_init(&dropped->buckets[i].tags[way], 0);
	dropped->mask = buckets - 1;
	return dropped;
}

void dropped_close(struct dropped *dropped)
{
	if (dropped == NULL)
		return;
	mem_free(dropped->buckets);
	mem_free(dropped);
}

void dropped_add(struct dropped *dropped, struct store_key key)
{
	struct dropped_bucket *bucket = dropped_bucket_of(dropped, key);
	/* The one to go in a full bucket; the bits are not those of the bucket. */
	unsigned victim = (unsigned)(key.low >> 48) % DROPPED_WAYS;

	for (unsigned way = 0; way < DROPPED_WAYS; way++) {
		uint64_t tag = atomic_load_explicit(&bucket->tags[way], memory_order_relaxed);
		if (tag == dropped_tag(key))
			return;
		if (tag == 0) {
			victim = way;
			break;
		}
	}
	atomic_store_explicit(&bucket->tags[victim], dropped_tag(key), memory_order_relaxed);
}
