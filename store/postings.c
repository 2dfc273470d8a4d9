#include "store/postings.h"

#include <string.h>

#include "base/check.h"

#define CELL_SMALLEST 16u
#define CELL_LARGEST 256u
#define VARINT_MAX 5u

struct cell {
	uint32_t next;
	uint16_t room; /* bytes that fit */
	uint8_t bytes[];
};

#define CELL_HEADER offsetof(struct cell, bytes)

static struct cell *cell_at(const struct cell_classes *cells, uint32_t handle)
{
	return slab_at(cells->pools[0].slabs, handle);
}

static uint32_t zigzag(uint32_t number, uint32_t previous)
{
	uint32_t delta = number - previous;

	return delta << 1 ^ (0u - (delta >> 31));
}

static uint32_t varint_size(uint32_t value)
{
	return value < 1u << 7     ? 1
		: value < 1u << 14 ? 2
		: value < 1u << 21 ? 3
		: value < 1u << 28 ? 4
				   : 5;
}

static uint32_t bytes_needed(const struct posting *posting, uint32_t number)
{
	uint32_t size = varint_size(zigzag(number, posting->last_number));

	/* The single number moves from the struct into the stream. */
	return posting->count == 1 ? size + varint_size(zigzag(posting->last_number, 0)) : size;
}

bool posting_reserve(struct posting *posting, struct cell_classes *cells, uint32_t number)
{
	uint32_t size = CELL_SMALLEST;
	uint32_t needed, handle;
	struct cell *cell, *last;

	if (posting->count == 0)
		return true;
	/* Mostly there is room for any number. */
	if (posting->first != 0 && posting->count > 1) {
		last = cell_at(cells, posting->last);
		if (last->room - posting->used >= VARINT_MAX || last->next != 0)
			return true;
	}
	needed = bytes_needed(posting, number);
	if (posting->first != 0) {
		last = cell_at(cells, posting->last);
		if (last->room - posting->used >= needed || last->next != 0)
			return true;
		size = (uint32_t)(last->room + CELL_HEADER) * 2;
	}
	size = size > CELL_LARGEST ? CELL_LARGEST : size;
	handle = classes_take(cells, size);
	if (handle == 0)
		return false;
	cell = cell_at(cells, handle);
	cell->next = 0;
	cell->room = (uint16_t)(size - CELL_HEADER);
	if (posting->first == 0) {
		/* Not in use before posting_add(): count stays 1 and used 0. */
		posting->first = posting->last = handle;
		posting->used = 0;
	} else {
		cell_at(cells, posting->last)->next = handle;
	}
	return true;
}

static void byte_put(struct posting *posting, const struct cell_classes *cells, uint8_t byte)
{
	struct cell *last = cell_at(cells, posting->last);

	if (posting->used == last->room) {
		CHECK(last->next != 0);
		posting->last = last->next;
		posting->used = 0;
		last = cell_at(cells, posting->last);
	}
	last->bytes[posting->used++] = byte;
}

static void varint_put(struct posting *posting, const struct cell_classes *cells, uint32_t value)
{
	while (value >= 0x80) {
		byte_put(posting, cells, (uint8_t)(value | 0x80));
		value >>= 7;
	}
	byte_put(posting, cells, (uint8_t)value);
}

void posting_add(struct posting *posting, struct cell_classes *cells, uint32_t number)
{
	uint32_t code = zigzag(number, posting->last_number);

	if (posting->count == 1)
		varint_put(posting, cells, zigzag(posting->last_number, 0));
	if (posting->count > 0 && code < 0x80)
		byte_put(posting, cells, (uint8_t)code);
	else if (posting->count > 0)
		varint_put(posting, cells, code);
	posting->last_number = number;
	posting->count++;
}

uint32_t posting_delta_size(uint32_t number, uint32_t previous)
{
	return varint_size(zigzag(number, previous));
}

uint32_t posting_room(struct posting *posting, struct cell_classes *cells, uint32_t number)
{
	uint32_t first = posting_delta_size(number, posting->last_number);
	const struct cell *last;
	uint32_t room;

	if (posting->count < 2 || !posting_reserve(posting, cells, number))
		return 0;
	last = cell_at(cells, posting->last);
	room = last->room - posting->used;
	if (last->next != 0)
		room += cell_at(cells, last->next)->room;
	return room - first + 1;
}

/* Most numbers are one more than the one before them: a byte each, written in one go as far as the cell
 * goes. */
void posting_add_many(struct posting *posting, struct cell_classes *cells, const uint32_t *numbers,
	uint32_t count)
{
	for (uint32_t i = 0; i < count;) {
		struct cell *last = cell_at(cells, posting->last);
		uint32_t used = posting->used, number = posting->last_number, begun = i;

		while (i < count && posting->count > 1 && used < last->room &&
			zigzag(numbers[i], number) < 0x80) {
			last->bytes[used++] = (uint8_t)zigzag(numbers[i], number);
			number = numbers[i++];
		}
		posting->used = used;
		posting->last_number = number;
		posting->count += i - begun;
		if (i < count)
			posting_add(posting, cells, numbers[i++]);
	}
}

static void chain_free(struct cell_classes *cells, uint32_t handle)
{
	while (handle != 0) {
		struct cell *cell = cell_at(cells, handle);
		uint32_t next = cell->next;

		classes_give(cells, handle, cell->room + CELL_HEADER);
		handle = next;
	}
}

void posting_free(struct posting *posting, struct cell_classes *cells)
{
	chain_free(cells, posting->first);
	memset(posting, 0, sizeof(*posting));
}

void posting_filter(struct posting *posting, struct cell_classes *cells, posting_gone_fn *gone,
	void *argument)
{
	struct posting_cursor cursor;
	struct posting kept = {.first = posting->first, .last = posting->first};
	uint32_t number;

	posting_cursor_init(&cursor, posting, cells);
	/* The kept stream is never longer than what was read of the old one: a delta over a
	 * removed number takes no more bytes than the two deltas that it replaces. */
	while (posting_next(&cursor, &number)) {
		if (!gone(argument, number))
			posting_add(&kept, cells, number);
	}
	if (kept.count <= 1) {
		chain_free(cells, posting->first);
		kept.first = kept.last = kept.used = 0;
	} else {
		chain_free(cells, cell_at(cells, kept.last)->next);
		cell_at(cells, kept.last)->next = 0;
	}
	*posting = kept;
}

void posting_cursor_init(struct posting_cursor *cursor, const struct posting *posting,
	const struct cell_classes *cells)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->slabs = cells->pools[0].slabs;
	cursor->cell = posting->first;
	cursor->left = posting->count;
	if (posting->count == 1) {
		cursor->single = true;
		cursor->previous = posting->last_number;
	}
}

bool posting_next(struct posting_cursor *cursor, uint32_t *number)
{
	const struct cell *cell;
	uint32_t value = 0, shift = 0;
	uint8_t byte;

	if (cursor->left == 0)
		return false;
	cursor->left--;
	if (cursor->single) {
		*number = cursor->previous;
		return true;
	}
	cell = slab_at(cursor->slabs, cursor->cell);
	do {
		if (cursor->offset == cell->room) {
			cursor->cell = cell->next;
			cursor->offset = 0;
			cell = slab_at(cursor->slabs, cursor->cell);
		}
		byte = cell->bytes[cursor->offset++];
		value |= (uint32_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	cursor->previous += value >> 1 ^ (0u - (value & 1));
	*number = cursor->previous;
	return true;
}
