/*
 * What a store is made of, for the files of this room alone.
 *
 * Three kinds of locks, all leaves, never two at a time:
 *   index_lock   keys (writing), index, slots[], keys of follows[], the lists of free ids
 *   shard.lock   the rings of the shard's ids and their blocks
 *   none         keys (reading), follows (reading, successors), ring.life, counters: atomics
 *
 * An id is a place in rings[] and slots[]. Runs of SHARD_RUN consecutive ids share a shard, so that
 * a batch in scrape order takes few locks and walks memory in order.
 */
#ifndef NIMBUSGUARD_STORE_LAYOUT_H
#define NIMBUSGUARD_STORE_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/follow.h"
#include "store/hash.h"
#include "store/index.h"
#include "store/keys.h"
#include "store/ring.h"
#include "store/slab.h"
#include "store/store.h"

#define SHARD_RUN_SHIFT 8
#define SHARD_RUN (1u << SHARD_RUN_SHIFT)
#define SHARDS_MAX 64u
#define TICK_SHIFT 26 /* a tick is 2^26 ns, 67 ms; ages up to a year fit the 30 bits of a ring */

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct ring_memory memory;
};

/* What the index knows of an id. */
struct slot {
	uint32_t set; /* handle of the label set; 0 when the id is free */
	union {
		uint32_t key_count; /* raw encodings in `keys` */
		uint32_t next_free;
	};
};

#define NO_ID UINT32_MAX

struct store {
	struct store_limits limits;
	const struct clock *clock;
	struct hash_secret secret;
	struct slabs slabs;
	size_t fixed_bytes; /* beside the slabs */

	struct shard *shards; /* [shard_count], a power of two */
	uint32_t shard_count;
	struct segments rings;   /* struct ring */
	struct segments slots;   /* struct slot */
	struct segments follows; /* struct follow */
	uint32_t id_max;
	_Atomic uint32_t id_end; /* ids that exist: [0, id_end) */

	pthread_mutex_t index_lock;
	struct key_table keys;
	struct index index;
	uint32_t ready; /* list of free ids whose ring has a block */
	uint32_t bare;  /* list of free ids without */

	atomic_flag sweeping;
	uint64_t *gone; /* bit set of ids, for the sweeper */

	_Atomic uint32_t live;
	_Atomic uint64_t generation, created, removed;
	/* What the counters of metrics.h know. */
	_Atomic uint64_t created_told, removed_told, overwritten_told;
};

static inline struct ring *ring_of(const struct store *store, uint32_t id)
{
	return segment_at(&store->rings, id);
}

static inline struct slot *slot_of(const struct store *store, uint32_t id)
{
	return segment_at(&store->slots, id);
}

static inline struct follow *follow_of(const struct store *store, uint32_t id)
{
	return segment_at(&store->follows, id);
}

static inline uint32_t shard_index(const struct store *store, uint32_t id)
{
	return (id >> SHARD_RUN_SHIFT) & (store->shard_count - 1);
}

static inline struct shard *shard_of(const struct store *store, uint32_t id)
{
	return &store->shards[shard_index(store, id)];
}

static inline bool id_exists(const struct store *store, uint32_t id)
{
	return id < atomic_load_explicit(&store->id_end, memory_order_acquire);
}

static inline enum ring_state ring_state_of(struct ring *ring)
{
	return life_state(atomic_load_explicit(&ring->life, memory_order_acquire));
}

static inline uint32_t store_tick(const struct store *store)
{
	return (uint32_t)(clock_mono_ns(store->clock) >> TICK_SHIFT);
}

/* ENDED -> LIVE, as of `tick`; nothing when it lives. Under the lock of the index or of the shard; false when the id is free. */
bool series_revive(struct store *store, struct ring *ring, uint32_t tick);

/* Between the two no series is removed and no id changes its owner: store_sweep() does nothing.
 * Waits for one under way. */
void removal_pause(struct store *store);
void removal_resume(struct store *store);

/* For a snapshot being loaded, before anyone else knows the store: makes the series of these pairs,
 * `age` ticks after its last sample. STATUS_LIMIT: there is no room; STATUS_CONFLICT: it is there. */
enum status series_restore(struct store *store, uint32_t *pairs, uint32_t count, uint32_t age,
	uint32_t *series) MUST_CHECK;
/* A further raw encoding of it; false when there is no room or the key is taken. */
bool key_restore(struct store *store, struct store_key key, uint32_t series);

#endif
