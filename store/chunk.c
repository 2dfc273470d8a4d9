#include "store/chunk.h"

#include <string.h>

#define SAMPLE_SIZE 16u

static void sample_put(struct chunk_end *end, struct chunk *chunk, int64_t t_ms, uint64_t bits)
{
	memcpy(chunk->bytes + end->position, &t_ms, sizeof(t_ms));
	memcpy(chunk->bytes + end->position + sizeof(t_ms), &bits, sizeof(bits));
	end->position += SAMPLE_SIZE;
	end->count++;
	end->t_ms = t_ms;
	end->bits = bits;
}

void chunk_begin(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits)
{
	(void)size;
	end->position = end->count = 0;
	chunk->first_ms = t_ms;
	chunk->count = 0;
	sample_put(end, chunk, t_ms, bits);
}

bool chunk_append(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits)
{
	if (end->position + SAMPLE_SIZE > size - CHUNK_HEADER || end->count == CHUNK_SAMPLES_MAX)
		return false;
	sample_put(end, chunk, t_ms, bits);
	return true;
}

void chunk_seal(const struct chunk_end *end, struct chunk *chunk)
{
	chunk->count = (uint16_t)end->count;
}

void chunk_reader_init(struct chunk_reader *reader, const struct chunk *chunk, uint32_t count)
{
	memset(reader, 0, sizeof(*reader));
	reader->chunk = chunk;
	reader->left = count;
}

bool chunk_next(struct chunk_reader *reader)
{
	if (reader->left == 0)
		return false;
	memcpy(&reader->t_ms, reader->chunk->bytes + reader->position, sizeof(reader->t_ms));
	memcpy(&reader->bits, reader->chunk->bytes + reader->position + 8, sizeof(reader->bits));
	reader->position += SAMPLE_SIZE;
	reader->left--;
	return true;
}
