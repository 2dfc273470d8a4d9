/*
 * Reading a chunk. The encoding is described in chunk_code.h.
 *
 * Past its end the stream reads as zero bits, which no escape begins with, so that reading a
 * damaged chunk ends, too.
 */
#include "store/chunk_code.h"

static uint64_t bits_peek_at_end(const struct chunk_reader *reader)
{
	uint32_t at = reader->end.position / 8u;
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 8 && at + i < reader->size; i++)
		bits |= (uint64_t)reader->chunk->bytes[at + i] << (8 * i);
	return bits >> reader->end.position % 8u;
}

/* The next 57 bits at least. */
static inline uint64_t bits_peek(const struct chunk_reader *reader)
{
	uint32_t at = reader->end.position / 8u;

	if (at + 8 > reader->size)
		return bits_peek_at_end(reader);
	return word_load(reader->chunk->bytes + at) >> reader->end.position % 8u;
}

static inline void bits_skip(struct chunk_reader *reader, uint32_t size)
{
	uint32_t position = reader->end.position + size;

	/* Stays at the end rather than run over the type. */
	reader->end.position = (uint16_t)(position < UINT16_MAX ? position : UINT16_MAX);
}

static inline uint64_t bits_get(struct chunk_reader *reader, uint32_t size)
{
	uint64_t low, high;

	if (size <= 57) {
		low = low_bits(bits_peek(reader), size);
		bits_skip(reader, size);
		return low;
	}
	low = low_bits(bits_peek(reader), 32);
	bits_skip(reader, 32);
	high = low_bits(bits_peek(reader), size - 32);
	bits_skip(reader, size - 32);
	return low | high << 32;
}

static void integer_start(struct chunk_reader *reader)
{
	struct chunk_end *end = &reader->end;
	uint32_t width = (uint32_t)bits_get(reader, 6);

	end->integer = zigzag_back(bits_get(reader, width));
	end->bits = integer_bits(end->integer, end->scale);
	if ((end->flags & FLAG_SETTLED) != 0) {
		uint32_t cut;

		width = (uint32_t)bits_get(reader, 6);
		cut = width > SLOPE_BITS ? width - SLOPE_BITS : 0;
		end->slope = zigzag_back(bits_get(reader, width - cut) << cut);
	}
}

void chunk_reader_init(struct chunk_reader *reader, const struct chunk *chunk, size_t size)
{
	struct chunk_end *end = &reader->end;
	uint32_t start = chunk->start;

	memset(reader, 0, sizeof(*reader));
	reader->chunk = chunk;
	reader->left = chunk_count(chunk);
	reader->size = (uint32_t)(size - CHUNK_HEADER);
	end->scale = (uint8_t)((start >> 1 & 15) < SCALES ? start >> 1 & 15 : 0);
	end->flags = (uint8_t)((start >> 5 & FLAGS_START) | ((start & 1) != 0 ? FLAG_FLOAT : 0));
	end->step_ms = start >> 13;
	if (end->step_ms == STEP_LONG)
		end->step_ms = (uint32_t)bits_get(reader, 32);
	end->t_ms = chunk_first_ms(chunk);
	if ((end->flags & FLAG_FLOAT) != 0) {
		end->lead = NO_WINDOW;
		end->bits = bits_get(reader, 64);
		return;
	}
	end->level = (uint16_t)((start >> 7 & 63) << 8);
	end->level = end->level < LEVEL_LIMIT ? end->level : LEVEL_LIMIT;
	integer_start(reader);
}

static uint64_t distance_read(struct chunk_reader *reader, uint32_t class)
{
	return bits_get(reader, time_sizes[class]);
}

/* The distance to the sample before. */
static uint64_t jitter_read(struct chunk_reader *reader)
{
	struct chunk_end *end = &reader->end;
	uint64_t bits = bits_peek(reader);
	uint64_t distance = (uint64_t)distance_expected(end);
	bool far = (bits & 7) == 7;

	if ((bits & 1) == 0) {
		bits_skip(reader, 1);
	} else if ((bits & 3) == 1) {
		distance += (uint64_t)zigzag_back(bits >> 2 & 31);
		bits_skip(reader, 7);
	} else if (!far) {
		distance += (uint64_t)zigzag_back(bits >> 3 & 1023);
		bits_skip(reader, 13);
	} else {
		bits_skip(reader, 5);
		distance = distance_read(reader, bits >> 3 & 3);
	}
	jitter_learn(end, far, distance);
	return distance;
}

static uint64_t time_read(struct chunk_reader *reader)
{
	uint32_t head = (uint32_t)bits_get(reader, 3);
	uint64_t distance = distance_read(reader, head >> 1);

	if ((head & 1) != 0)
		reader->end.step_ms = (uint32_t)distance;
	return distance;
}

static void residual_read(struct chunk_reader *reader, uint64_t folded)
{
	struct chunk_end *end = &reader->end;
	int64_t residual = zigzag_back(folded);

	end->integer = (int64_t)((uint64_t)end->integer + (uint64_t)residual +
		(uint64_t)(end->slope >> 4));
	end->bits = integer_bits(end->integer, end->scale);
	residual_learn(end, residual);
}

/* A float's code; false when it is an escape, which has been skipped. */
static bool float_read(struct chunk_reader *reader)
{
	struct chunk_end *end = &reader->end;
	uint64_t bits = bits_peek(reader);
	uint32_t width;

	if ((bits & 1) == 0) {
		bits_skip(reader, 1);
		return true;
	}
	if ((bits & 2) != 0) {
		uint32_t lead = bits >> 2 & 31;

		width = bits >> 7 & 63;
		bits_skip(reader, 13);
		if (lead == ESCAPE_WINDOW && width == 0)
			return false;
		width = width == 0 ? 64 : width;
		end->lead = (uint8_t)lead;
		end->trail = (uint8_t)(width + lead <= 64 ? 64 - lead - width : 0);
	} else {
		bits_skip(reader, 2);
	}
	if (end->lead == NO_WINDOW)
		return true;
	end->bits ^= bits_get(reader, 64u - end->lead - end->trail) << end->trail;
	return true;
}

/* An integer's code; false when it is an escape, which has been skipped. */
static bool integer_read(struct chunk_reader *reader)
{
	uint64_t bits = bits_peek(reader);
	uint32_t ones = ~bits == 0 ? 64 : (uint32_t)__builtin_ctzll(~bits);
	uint32_t rice = rice_bits(reader->end.level);

	if (ones >= ESCAPE_ONES) {
		bits_skip(reader, ESCAPE_ONES);
		return false;
	}
	/* One look is enough: a code that is not an escape has at most 57 bits. */
	residual_read(reader, (uint64_t)ones << rice | low_bits(bits >> (ones + 1), rice));
	bits_skip(reader, ones + 1 + rice);
	return true;
}

/* Reads what follows an escape; true when that was the value. */
static bool escape_read(struct chunk_reader *reader, uint64_t *distance)
{
	struct chunk_end *end = &reader->end;
	uint32_t scale;

	switch ((enum escape)bits_get(reader, 3)) {
	case ESCAPE_LITERAL:
		residual_read(reader, bits_get(reader, (uint32_t)bits_get(reader, 6) + 1));
		return true;
	case ESCAPE_TIME:
		*distance = time_read(reader);
		return false;
	case ESCAPE_JITTER:
		end->flags |= FLAG_JITTER;
		*distance = jitter_read(reader);
		return false;
	case ESCAPE_RAW:
		end->bits = bits_get(reader, 64);
		return true;
	case ESCAPE_STALE:
		end->bits = STORE_STALE_BITS;
		return true;
	case ESCAPE_SCALE:
		scale = (uint32_t)bits_get(reader, 4);
		(void)scale_change(end, scale < SCALES ? scale : 0);
		return false;
	case ESCAPE_FLOAT:
		end->flags |= FLAG_FLOAT;
		end->lead = NO_WINDOW;
		end->trail = 0;
		return false;
	}
	return true;
}

bool chunk_next(struct chunk_reader *reader)
{
	struct chunk_end *end = &reader->end;
	uint64_t expected = (uint64_t)distance_expected(end), distance = expected;

	if (reader->left == 0)
		return false;
	reader->left--;
	if (end->count == 0) {
		end->count = 1;
		return true;
	}
	if ((end->flags & FLAG_JITTER) != 0)
		distance = jitter_read(reader);
	while (!((end->flags & FLAG_FLOAT) != 0 ? float_read(reader) : integer_read(reader))) {
		if (escape_read(reader, &distance))
			break;
	}
	late_learn(end, distance == expected, distance);
	end->t_ms = (int64_t)((uint64_t)end->t_ms + distance);
	end->count++;
	return true;
}
