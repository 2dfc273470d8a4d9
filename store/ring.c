#include "store/ring.h"

#include <string.h>

#include "base/check.h"

static struct chunk *chunk_at(const struct ring_memory *memory, uint32_t handle)
{
	return slab_at(memory->blocks.slabs, handle);
}

static uint32_t tail_of(const struct ring *ring, const struct ring_memory *memory)
{
	return chunk_at(memory, ring->head)->next;
}

bool ring_init(struct ring *ring, struct ring_memory *memory)
{
	uint32_t block = cell_take(&memory->blocks, 0);

	if (block == 0)
		return false;
	memset(&ring->end, 0, sizeof(ring->end));
	ring->head = block;
	chunk_at(memory, block)->next = block;
	return true;
}

/* Takes the oldest chunk, which is not the open one, out of the ring. */
static uint32_t tail_take(struct ring *ring, struct ring_memory *memory)
{
	uint32_t block = tail_of(ring, memory);
	struct chunk *chunk = chunk_at(memory, block);

	CHECK(block != ring->head);
	memory->samples -= chunk_count(chunk);
	chunk_at(memory, ring->head)->next = chunk->next;
	return block;
}

void ring_clear(struct ring *ring, struct ring_memory *memory)
{
	while (tail_of(ring, memory) != ring->head)
		cell_give(&memory->blocks, tail_take(ring, memory));
	memory->samples -= ring->end.count;
	ring->end = (struct chunk_end){.owner = (uint16_t)(ring->end.owner + 1)};
}

/* All samples of the oldest chunk are older than the first one of the next. */
static bool tail_expired(const struct ring *ring, const struct ring_memory *memory, int64_t t_ms)
{
	uint32_t tail = tail_of(ring, memory);

	return tail != ring->head &&
		t_ms - chunk_first_ms(chunk_at(memory, chunk_at(memory, tail)->next)) >
		memory->retention_ms;
}

/* The block for the next chunk. The head has been sealed and is still in the chain. */
static uint32_t block_for_next(struct ring *ring, struct ring_memory *memory, int64_t t_ms)
{
	uint32_t block = 0;

	while (tail_expired(ring, memory, t_ms)) {
		if (block != 0)
			cell_give(&memory->blocks, block);
		block = tail_take(ring, memory);
	}
	if (block == 0)
		block = cell_take(&memory->blocks, memory->keep);
	if (block != 0)
		return block;
	if (tail_of(ring, memory) == ring->head)
		return 0;
	memory->overwritten += chunk_count(chunk_at(memory, tail_of(ring, memory)));
	return tail_take(ring, memory);
}

/* Makes `block` the open one; 0: the open one is given up and starts anew, with `lost` samples. */
static void head_replace(struct ring *ring, struct ring_memory *memory, uint32_t block,
	uint32_t lost)
{
	struct chunk *head = chunk_at(memory, ring->head);

	if (block == 0) {
		memory->overwritten += lost;
		memory->samples -= lost;
		return;
	}
	chunk_at(memory, block)->next = head->next;
	head->next = block;
	ring->head = block;
}

void ring_begin_chunk(struct ring *ring, struct ring_memory *memory, int64_t t_ms, uint64_t bits)
{
	size_t size = memory->blocks.cell_size;
	struct chunk *head = chunk_at(memory, ring->head);

	if (ring->end.count > 0) {
		chunk_seal(&ring->end, head);
		head_replace(ring, memory, block_for_next(ring, memory, t_ms), ring->end.count);
	} else {
		/* The second sample of a series that comes as expected need not tell its time. */
		ring->end.step_ms = memory->step_ms;
	}
	chunk_begin(&ring->end, chunk_at(memory, ring->head), size, t_ms, bits);
}

uint32_t ring_chunk_count(const struct ring *ring, const struct ring_memory *memory)
{
	uint32_t count = 1;

	if (ring->end.count == 0)
		return 0;
	for (uint32_t at = tail_of(ring, memory); at != ring->head; at = chunk_at(memory, at)->next)
		count++;
	return count;
}

uint64_t ring_dump(const struct ring *ring, const struct ring_memory *memory, unsigned char *place)
{
	uint64_t samples = ring->end.count;

	for (uint32_t at = tail_of(ring, memory); at != ring->head;
		at = chunk_at(memory, at)->next) {
		memcpy(place, chunk_at(memory, at), memory->blocks.cell_size);
		place += memory->blocks.cell_size;
		samples += chunk_count(chunk_at(memory, at));
	}
	memcpy(place, chunk_at(memory, ring->head), ring_head_size(&ring->end));
	return samples;
}

bool ring_dump_valid(const struct chunk_end *end, const unsigned char *blocks, uint32_t count,
	size_t size)
{
	int64_t before_ms = INT64_MIN;

	if (count == 0 || !chunk_end_valid(end, size))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const struct chunk *chunk = (const void *)(blocks + i * size);

		if (chunk_first_ms(chunk) <= before_ms ||
			(i + 1 < count && chunk_count(chunk) == 0))
			return false;
		before_ms = chunk_first_ms(chunk);
	}
	return end->t_ms >= before_ms;
}

void ring_restore(struct ring *ring, struct ring_memory *memory, const struct chunk_end *end,
	const unsigned char *blocks, uint32_t count)
{
	uint16_t owner = ring->end.owner;
	size_t size = memory->blocks.cell_size;

	for (uint32_t i = 0; i < count; i++) {
		const struct chunk *from = (const void *)(blocks + i * size);
		bool open = i + 1 == count;
		struct chunk *to;
		uint32_t next;

		if (i > 0)
			head_replace(ring, memory,
				block_for_next(ring, memory, chunk_first_ms(from)),
				chunk_count(chunk_at(memory, ring->head)));
		to = chunk_at(memory, ring->head);
		next = to->next;
		memcpy(to, from, open ? ring_head_size(end) : size);
		to->next = next;
		memory->samples += open ? end->count : chunk_count(to);
	}
	ring->end = *end;
	ring->end.owner = owner;
}

void ring_copy_chunks(const struct ring *ring, const struct ring_memory *memory, int64_t from_ms,
	int64_t to_ms, struct ring_copy *copy)
{
	uint32_t handle = ring->head;

	copy->chunk_size = memory->blocks.cell_size;
	copy->chunk_count = 0;
	copy->more = false;
	copy->generation = ring->end.owner; /* the owner's field counts clearings */
	if (ring->end.count == 0 || ring->end.t_ms < from_ms)
		return;
	/* Who asks for the newest samples alone does not walk through the others. */
	if (chunk_first_ms(chunk_at(memory, handle)) > from_ms)
		handle = tail_of(ring, memory);
	for (;; handle = chunk_at(memory, handle)->next) {
		const struct chunk *chunk = chunk_at(memory, handle);
		bool open = handle == ring->head;
		struct chunk *place = (void *)(copy->bytes + copy->chunk_count * copy->chunk_size);

		if (chunk_first_ms(chunk) > to_ms)
			return;
		if (!open && chunk_first_ms(chunk_at(memory, chunk->next)) <= from_ms)
			continue;
		if ((copy->chunk_count + 1) * copy->chunk_size > RING_COPY_BYTES) {
			copy->more = true;
			copy->resume_ms = chunk_first_ms(chunk);
			return;
		}
		memcpy(place, chunk, copy->chunk_size);
		copy->chunk_count++;
		if (open) {
			chunk_seal(&ring->end, place);
			return;
		}
	}
}
