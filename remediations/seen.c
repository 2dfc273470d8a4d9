/*
 * A set-associative table of hashes: no chains, no growth, and forgetting is built in. The journal
 * remembers events for much longer; this is the engine's own short memory.
 */
#include "remediations/seen.h"

#include "base/check.h"
#include "base/mem.h"

#define WAYS 8

struct seen_entry {
	uint64_t hash; /* 0: free */
	int64_t time_ms;
};

enum status seen_init(struct seen *seen, size_t entry_max)
{
	size_t buckets = 1;

	while (buckets * WAYS < entry_max && buckets < SIZE_MAX / 4 / WAYS)
		buckets *= 2;
	seen->entries = mem_zalloc(buckets * WAYS, sizeof(*seen->entries));
	seen->bucket_count = seen->entries ? buckets : 0;
	return seen->entries ? STATUS_OK : STATUS_NO_MEMORY;
}

void seen_fini(struct seen *seen)
{
	mem_free(seen->entries);
	*seen = (struct seen){.entries = NULL};
}

static struct seen_entry *bucket_of(const struct seen *seen, uint64_t hash)
{
	return seen->entries + (hash & (seen->bucket_count - 1)) * WAYS;
}

bool seen_has(const struct seen *seen, uint64_t hash)
{
	const struct seen_entry *bucket = bucket_of(seen, hash | 1);

	for (size_t i = 0; i < WAYS; i++)
		if (bucket[i].hash == (hash | 1))
			return true;
	return false;
}

void seen_put(struct seen *seen, uint64_t hash, int64_t time_ms)
{
	struct seen_entry *bucket = bucket_of(seen, hash | 1), *place = bucket;

	/* The lowest bit is given away so that no hash is 0. */
	hash |= 1;
	for (size_t i = 0; i < WAYS; i++) {
		if (bucket[i].hash == hash) {
			place = &bucket[i];
			break;
		}
		if (place->hash && (!bucket[i].hash || bucket[i].time_ms < place->time_ms))
			place = &bucket[i];
	}
	*place = (struct seen_entry){hash, time_ms};
}

enum status storm_init(struct storm_gauge *gauge, size_t most)
{
	*gauge = (struct storm_gauge){.max = most ? most : 1};
	gauge->times = mem_zalloc(gauge->max, sizeof(*gauge->times));
	return gauge->times ? STATUS_OK : STATUS_NO_MEMORY;
}

void storm_fini(struct storm_gauge *gauge)
{
	mem_free(gauge->times);
	*gauge = (struct storm_gauge){.times = NULL};
}

void storm_add(struct storm_gauge *gauge, int64_t time_ms)
{
	gauge->times[gauge->next] = time_ms;
	gauge->next = (gauge->next + 1) % gauge->max;
	if (gauge->count < gauge->max)
		gauge->count++;
}

unsigned storm_count(const struct storm_gauge *gauge, int64_t since_ms)
{
	size_t at = gauge->next;
	unsigned count = 0;

	/* From the newest backwards, up to the first that is too old. */
	while (count < gauge->count) {
		at = (at + gauge->max - 1) % gauge->max;
		if (gauge->times[at] < since_ms)
			break;
		count++;
	}
	return count;
}
