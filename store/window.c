/*
 * Reading samples: chunks are copied out under the shard's lock and decoded without it.
 */
#include <string.h>

#include "store/layout.h"

bool store_is_stale(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits == STORE_STALE_BITS;
}

/* The newest `max` of the points pushed, as a ring that is turned straight at the end. */
struct point_sink {
	struct store_point *points;
	size_t max, next, count;
};

static void sink_push(struct point_sink *sink, int64_t t_ms, uint64_t bits)
{
	struct store_point *point = &sink->points[sink->next];

	point->t_ms = t_ms;
	memcpy(&point->value, &bits, sizeof(bits));
	sink->next = sink->next + 1 == sink->max ? 0 : sink->next + 1;
	sink->count += sink->count < sink->max;
}

static void points_reverse(struct store_point *points, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct store_point point = points[i];

		points[i] = points[count - 1 - i];
		points[count - 1 - i] = point;
	}
}

static size_t sink_end(struct point_sink *sink)
{
	if (sink->count == sink->max && sink->next != 0) {
		points_reverse(sink->points, sink->next);
		points_reverse(sink->points + sink->next, sink->max - sink->next);
		points_reverse(sink->points, sink->max);
	}
	return sink->count;
}

static void chunks_decode(const struct ring_copy *copy, int64_t from_ms, int64_t to_ms,
	struct point_sink *sink)
{
	for (uint32_t i = 0; i < copy->chunk_count; i++) {
		const struct chunk *chunk =
			(const void *)(copy->bytes + (size_t)i * copy->chunk_size);
		struct chunk_reader reader;

		chunk_reader_init(&reader, chunk, copy->chunk_size);
		while (chunk_next(&reader) && reader.end.t_ms <= to_ms) {
			if (reader.end.t_ms >= from_ms)
				sink_push(sink, reader.end.t_ms, reader.end.bits);
		}
	}
}

size_t store_window(struct store *store, uint32_t series, int64_t from_ms, int64_t to_ms,
	struct store_point *points, size_t max)
{
	struct point_sink sink = {.points = points, .max = max};
	int64_t resume_ms = from_ms;
	uint16_t generation = 0;
	struct shard *shard;
	struct ring_copy copy;

	if (max == 0 || from_ms > to_ms || !id_exists(store, series))
		return 0;
	shard = shard_of(store, series);
	copy.more = false;
	do {
		struct ring *ring = ring_of(store, series);

		(void)pthread_mutex_lock(&shard->lock);
		/* Cleared while we decoded: what was copied before still is its window. */
		if (ring_state_of(ring) != RING_LIVE ||
			(copy.more && ring->end.owner != generation)) {
			(void)pthread_mutex_unlock(&shard->lock);
			break;
		}
		ring_copy_chunks(ring, &shard->memory, resume_ms, to_ms, &copy);
		(void)pthread_mutex_unlock(&shard->lock);
		generation = copy.generation;
		/* From where it was resumed: store_fill() may have moved the bounds of chunks since. */
		chunks_decode(&copy, resume_ms, to_ms, &sink);
		resume_ms = copy.resume_ms;
	} while (copy.more);
	return sink_end(&sink);
}

bool store_newest(struct store *store, uint32_t series, struct store_point *point)
{
	struct shard *shard;
	struct ring *ring;
	bool found;

	if (!id_exists(store, series))
		return false;
	shard = shard_of(store, series);
	ring = ring_of(store, series);
	(void)pthread_mutex_lock(&shard->lock);
	found = ring_state_of(ring) == RING_LIVE && ring->end.count > 0;
	if (found) {
		point->t_ms = ring->end.t_ms;
		memcpy(&point->value, &ring->end.bits, sizeof(point->value));
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return found;
}

/* The state of a ring after which whatever is appended is told apart: chunks begin later and later, and
 * within one the samples are counted. */
static struct store_cursor cursor_of(const struct ring *ring, const struct ring_memory *memory,
	uint32_t series)
{
	const struct chunk *head = slab_at(memory->blocks.slabs, ring->head);

	return (struct store_cursor){.newest_ms = ring->end.t_ms,
		.begun_ms = chunk_first_ms(head),
		.series = series,
		.fills = memory->fills,
		.count = ring->end.count,
		.cleared = ring->end.owner,
		.begun = true};
}

static bool cursor_goes_on(const struct store_cursor *from, const struct store_cursor *to)
{
	return from->begun && from->series == to->series && from->fills == to->fills &&
		from->cleared == to->cleared &&
		(from->begun_ms == to->begun_ms ? from->count <= to->count
						: from->begun_ms < to->begun_ms);
}

enum store_news store_news(struct store *store, uint32_t series, struct store_cursor *cursor,
	struct store_point *points, size_t max, size_t *count, int64_t *oldest_ms)
{
	struct store_cursor before = *cursor;
	struct store_point newest;
	struct shard *shard;
	struct ring *ring;
	bool found;

	*cursor = (struct store_cursor){.begun = false};
	*count = 0;
	if (!id_exists(store, series))
		return STORE_NEWS_GONE;
	shard = shard_of(store, series);
	ring = ring_of(store, series);
	(void)pthread_mutex_lock(&shard->lock);
	found = ring_state_of(ring) == RING_LIVE && ring->end.count > 0;
	if (found) {
		const struct slabs *slabs = shard->memory.blocks.slabs;
		const struct chunk *head = slab_at(slabs, ring->head);
		const struct chunk *tail = slab_at(slabs, head->next);

		*cursor = cursor_of(ring, &shard->memory, series);
		*oldest_ms = chunk_first_ms(tail);
		newest.t_ms = ring->end.t_ms;
		memcpy(&newest.value, &ring->end.bits, sizeof(newest.value));
	}
	(void)pthread_mutex_unlock(&shard->lock);
	if (!found)
		return STORE_NEWS_GONE;
	if (!cursor_goes_on(&before, cursor))
		return STORE_NEWS_ANEW;
	if (cursor->newest_ms == before.newest_ms)
		return STORE_NEWS_SINCE;
	/* Mostly there is one sample more, which the ring has at hand. */
	if (before.begun_ms == cursor->begun_ms && before.count + 1 == cursor->count) {
		points[0] = newest;
		*count = 1;
		return STORE_NEWS_SINCE;
	}
	*count = store_window(store, series, before.newest_ms + 1, cursor->newest_ms, points, max);
	return *count < max ? STORE_NEWS_SINCE : STORE_NEWS_ANEW;
}
