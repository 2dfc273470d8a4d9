/*
 * Merging older points into a ring: the chunks that they touch are decoded, merged with them,
 * written anew into fresh blocks, and these take the place of the old ones in the chain.
 *
 *     tail -> c1 -> [c2 -> c3] -> c4 -> head        the run [..]: from the last chunk that begins
 *                       |                           before the first point to the last one that
 *     tail -> c1 -> n1 -> n2 -> n3 -> c4 -> head    begins before the last point
 *
 * A run may be empty (all points are older than the tail) and may end with the open chunk, whose
 * state then is that of the writer. Blocks that are filled in parts would waste memory: so behind the
 * last point a few more chunks are read and packed.
 *
 * The old blocks are given back only when all was written, so that a lack of memory changes nothing.
 */
#include "store/fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "store/layout.h"

#define PIECE 1024u
#define DISTANCES 64u

const char *fill_result_name(enum fill_result result)
{
	static const char *const names[] = {
#define X(result, label) label,
		FILL_TABLE(X)
#undef X
	};

	return names[result];
}

/* Chunks that are not in the ring yet. */
struct writer {
	struct ring_memory *memory;
	struct chunk_end end;
	uint32_t first, last;
	bool failed;
};

struct merge {
	struct ring *ring;
	struct ring_memory *memory;
	struct writer writer;
	struct chunk_reader reader;
	const struct store_point *points;
	uint32_t count, at;
	bool pack;           /* read on behind the last point */
	int64_t hole_ms;     /* 0: points go anywhere */
	uint32_t before;     /* the chunk whose `next` is the run; of the tail that is the head */
	uint32_t run, rest;  /* first chunk of the run, first one behind it */
	uint32_t chunks;     /* of the run */
	uint32_t samples;    /* read so far */
	bool more;           /* the head is not in the run yet */
	bool have, have_old; /* a sample of the ring is at hand; there was one before it */
	bool blocked;        /* a run as long as allowed */
	int64_t old_ms;      /* of the sample before */
	uint64_t stored, present, covered;
};

static struct chunk *chunk_of(const struct ring_memory *memory, uint32_t handle)
{
	return slab_at(memory->blocks.slabs, handle);
}

static void writer_push(struct writer *writer, int64_t t_ms, uint64_t bits)
{
	size_t size = writer->memory->blocks.cell_size;
	uint32_t block;

	if (writer->last != 0 &&
		chunk_append(&writer->end, chunk_of(writer->memory, writer->last), size, t_ms,
			bits))
		return;
	block = cell_take(&writer->memory->blocks, writer->memory->keep);
	writer->failed = block == 0;
	if (writer->failed)
		return;
	chunk_of(writer->memory, block)->next = 0;
	if (writer->last != 0) {
		chunk_seal(&writer->end, chunk_of(writer->memory, writer->last));
		chunk_of(writer->memory, writer->last)->next = block;
	} else {
		writer->first = block;
	}
	writer->last = block;
	chunk_begin(&writer->end, chunk_of(writer->memory, block), size, t_ms, bits);
}

/* Gives back `count` chunks of a chain, UINT32_MAX: up to its end. */
static void chain_give(struct ring_memory *memory, uint32_t block, uint32_t count)
{
	while (count-- > 0 && block != 0) {
		uint32_t next = chunk_of(memory, block)->next;

		cell_give(&memory->blocks, block);
		block = next;
	}
}

/* Where the first point belongs. */
static void merge_find_run(struct merge *merge)
{
	const struct ring *ring = merge->ring;
	uint32_t handle = chunk_of(merge->memory, ring->head)->next;

	merge->before = ring->head;
	merge->run = handle;
	if (ring->end.count == 0) {
		/* An empty ring's only block is replaced. */
		merge->chunks = 1;
		merge->rest = handle;
		return;
	}
	chunk_seal(&ring->end, chunk_of(merge->memory, ring->head));
	while (handle != ring->head) {
		uint32_t next = chunk_of(merge->memory, handle)->next;

		if (chunk_first_ms(chunk_of(merge->memory, next)) > merge->points[0].t_ms)
			break;
		merge->before = handle;
		merge->run = handle = next;
	}
	merge->rest = merge->run;
	merge->more = true;
}

/* The next sample of the ring; false when there is none, or when the next chunk is not needed. */
static bool merge_read(struct merge *merge)
{
	const struct chunk *chunk = chunk_of(merge->memory, merge->rest);

	if (merge->reader.chunk != NULL && chunk_next(&merge->reader))
		return true;
	if (!merge->more)
		return false;
	if (merge->at < merge->count ? merge->points[merge->at].t_ms < chunk_first_ms(chunk)
				     : !merge->pack)
		return false;
	/* Two chunks at least, so that one point at least finds its place. */
	merge->blocked = merge->chunks >= FILL_CHUNKS_MAX ||
		(merge->chunks >= 2 && merge->samples >= FILL_SAMPLES_MAX);
	if (merge->blocked)
		return false;
	chunk_reader_init(&merge->reader, chunk, merge->memory->blocks.cell_size);
	merge->more = merge->rest != merge->ring->head;
	merge->rest = chunk->next;
	merge->chunks++;
	return chunk_next(&merge->reader);
}

static bool point_covered(const struct merge *merge)
{
	int64_t next_ms;

	if (merge->hole_ms == 0 || !merge->have_old || (!merge->have && !merge->more))
		return false;
	next_ms = merge->have ? merge->reader.end.t_ms
			      : chunk_first_ms(chunk_of(merge->memory, merge->rest));
	return next_ms - merge->old_ms <= merge->hole_ms;
}

static void merge_take_point(struct merge *merge)
{
	const struct store_point *point = &merge->points[merge->at];
	uint64_t bits;

	if (merge->have && merge->reader.end.t_ms == point->t_ms) {
		merge->present++;
	} else if (point_covered(merge)) {
		merge->covered++;
	} else {
		memcpy(&bits, &point->value, sizeof(bits));
		writer_push(&merge->writer, point->t_ms, bits);
		merge->stored++;
	}
	merge->at++;
}

static void merge_run(struct merge *merge)
{
	while (!merge->writer.failed) {
		bool point = merge->at < merge->count;

		if (!merge->have) {
			merge->have = merge_read(merge);
			if (!merge->have && (merge->blocked || !point))
				return;
		}
		if (point &&
			(!merge->have || merge->points[merge->at].t_ms <= merge->reader.end.t_ms)) {
			merge_take_point(merge);
			continue;
		}
		writer_push(&merge->writer, merge->reader.end.t_ms, merge->reader.end.bits);
		merge->old_ms = merge->reader.end.t_ms;
		merge->have_old = true;
		merge->samples++;
		merge->have = false;
	}
}

/* The written chunks take the place of the run. */
static void merge_link(struct merge *merge)
{
	struct ring_memory *memory = merge->memory;
	struct writer *writer = &merge->writer;
	struct ring *ring = merge->ring;
	bool from_tail = merge->before == ring->head;

	chunk_seal(&writer->end, chunk_of(memory, writer->last));
	if (merge->more) {
		chunk_of(memory, merge->before)->next = writer->first;
		chunk_of(memory, writer->last)->next = merge->rest;
		chain_give(memory, merge->run, merge->chunks);
		return;
	}
	/* The run ends with the head, whose next is the tail. */
	chunk_of(memory, writer->last)->next = from_tail ? writer->first : merge->rest;
	if (!from_tail)
		chunk_of(memory, merge->before)->next = writer->first;
	chain_give(memory, merge->run, merge->chunks);
	writer->end.owner = ring->end.owner;
	ring->end = writer->end;
	ring->head = writer->last;
}

static int order_distances(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* The usual distance of the points, which are of the same series: the median of the newest, the lower
 * one of two. 0: they are too few to tell. */
static int64_t usual_distance(const struct store_point *points, size_t count)
{
	int64_t distances[DISTANCES];
	size_t known = 0;

	for (size_t i = count; i > 1 && known < DISTANCES; i--)
		if (points[i - 1].t_ms > points[i - 2].t_ms)
			distances[known++] = points[i - 1].t_ms - points[i - 2].t_ms;
	if (known < 2)
		return 0;
	qsort(distances, known, sizeof(*distances), order_distances);
	return distances[(known - 1) / 2];
}

/* The ring's own step says less: of few samples it may be the hole itself. */
static int64_t hole_of(const struct ring *ring, int64_t usual_ms, int64_t interval_ms)
{
	int64_t step_ms = ring->end.count > 1 ? ring->end.step_ms : 0;

	if (usual_ms == 0 || (step_ms > 0 && step_ms < usual_ms))
		usual_ms = step_ms;
	return (usual_ms > 0 ? usual_ms : interval_ms) * 3 / 2;
}

/* Merges points from the front; returns how many were settled, one at least. */
static uint32_t ring_fill(struct merge *merge, uint64_t counts[FILL_RESULT_COUNT])
{
	merge->writer.memory = merge->memory;
	merge_find_run(merge);
	merge_run(merge);
	if (merge->writer.failed) {
		chain_give(merge->memory, merge->writer.first, UINT32_MAX);
		counts[FILL_NO_ROOM] += merge->count;
		return merge->count;
	}
	if (merge->stored > 0) {
		merge_link(merge);
		merge->memory->samples += merge->stored;
		merge->memory->fills++;
	} else {
		chain_give(merge->memory, merge->writer.first, UINT32_MAX);
	}
	counts[FILL_STORED] += merge->stored;
	counts[FILL_PRESENT] += merge->present;
	counts[FILL_COVERED] += merge->covered;
	CHECK(merge->at > 0);
	return merge->at;
}

struct fill {
	struct store *store;
	struct shard *shard;
	struct ring *ring;
	enum fill_mode mode;
	int64_t oldest_ms, newest_ms; /* bounds of what is taken */
	int64_t usual_ms;             /* distance of the points; 0: unknown */
	uint64_t *counts;
};

/* false: the series is gone. */
static bool piece_fill(struct fill *fill, const struct store_point *points, uint32_t *count,
	bool last)
{
	struct merge merge = {.ring = fill->ring,
		.memory = &fill->shard->memory,
		.points = points,
		.count = *count,
		.pack = last};
	bool live;

	(void)pthread_mutex_lock(&fill->shard->lock);
	live = ring_state_of(fill->ring) == RING_LIVE;
	if (live && fill->mode == FILL_HOLES)
		merge.hole_ms =
			hole_of(fill->ring, fill->usual_ms, fill->store->limits.interval_ms);
	if (live)
		*count = ring_fill(&merge, fill->counts);
	(void)pthread_mutex_unlock(&fill->shard->lock);
	return live;
}

/* Why a point is not taken, or FILL_STORED. */
static enum fill_result point_check(const struct fill *fill, int64_t t_ms, int64_t previous_ms)
{
	if (t_ms > fill->newest_ms)
		return FILL_FUTURE;
	if (t_ms < fill->oldest_ms)
		return FILL_EXPIRED;
	return t_ms <= previous_ms ? FILL_DISORDER : FILL_STORED;
}

/* The retention counts from the newest sample, as it does when samples are appended. */
static void fill_bounds(struct fill *fill, uint32_t series, const struct store_point *points,
	size_t count)
{
	const struct store_limits *limits = &fill->store->limits;
	int64_t now_ms = clock_now_ms(fill->store->clock), newest_ms = INT64_MIN;
	struct store_point newest;

	fill->newest_ms = now_ms > CHUNK_TIME_LIMIT - limits->future_max_ms
		? CHUNK_TIME_LIMIT
		: now_ms + limits->future_max_ms;
	if (store_newest(fill->store, series, &newest))
		newest_ms = newest.t_ms;
	for (size_t i = 0; i < count; i++)
		if (points[i].t_ms > newest_ms && points[i].t_ms <= fill->newest_ms)
			newest_ms = points[i].t_ms;
	fill->oldest_ms = -CHUNK_TIME_LIMIT;
	if (newest_ms > fill->oldest_ms + limits->retention_ms)
		fill->oldest_ms = newest_ms - limits->retention_ms;
}

void store_fill(struct store *store, uint32_t series, const struct store_point *points,
	size_t count, enum fill_mode mode, uint64_t counts[FILL_RESULT_COUNT])
{
	struct fill fill = {.store = store, .mode = mode, .counts = counts};
	struct store_point piece[PIECE];
	int64_t previous_ms = INT64_MIN;
	uint32_t held = 0, settled;
	size_t next = 0;
	bool live = id_exists(store, series);

	if (live) {
		fill.shard = shard_of(store, series);
		fill.ring = ring_of(store, series);
		fill_bounds(&fill, series, points, count);
		fill.usual_ms = usual_distance(points, count);
	}
	while (live && (next < count || held > 0)) {
		for (; next < count && held < PIECE; next++) {
			enum fill_result check = point_check(&fill, points[next].t_ms, previous_ms);

			if (check == FILL_STORED) {
				piece[held++] = points[next];
				previous_ms = points[next].t_ms;
			} else {
				counts[check]++;
			}
		}
		settled = held;
		if (held > 0)
			live = piece_fill(&fill, piece, &settled, next == count);
		if (!live)
			break;
		held -= settled;
		memmove(piece, piece + settled, held * sizeof(*piece));
	}
	if (!live)
		counts[FILL_GONE] += held + (count - next);
}
