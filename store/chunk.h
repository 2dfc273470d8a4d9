/*
 * The samples of one chunk: a block of fixed size that is filled from the front and can be decoded
 * alone.
 *
 * Values are kept bit for bit, NaN payloads, infinities, denormals and -0.0 included.
 * Limits: CHUNK_SAMPLES_MAX samples a chunk; the block's size is the caller's.
 * Order: timestamps ascend strictly; that is the caller's promise.
 * Threads: plain values; the caller locks.
 */
#ifndef NIMBUSGUARD_STORE_CHUNK_H
#define NIMBUSGUARD_STORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_SAMPLES_MAX 65535u

struct chunk {
	int64_t first_ms;
	uint32_t next;  /* for the owner's use */
	uint16_t count; /* written by chunk_seal() */
	uint16_t spare;
	uint8_t bytes[];
};

#define CHUNK_HEADER offsetof(struct chunk, bytes)

/* The end of an open chunk: its newest sample and the state of the encoder. */
struct chunk_end {
	int64_t t_ms;
	uint64_t bits; /* of the newest value */
	uint32_t position, count;
};

/* Starts a chunk with its first sample, which always fits. size: of the whole block, 64 at least. */
void chunk_begin(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits);
/* false when the sample does not fit; then nothing has changed. */
bool chunk_append(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits);
void chunk_seal(const struct chunk_end *end, struct chunk *chunk);

struct chunk_reader {
	const struct chunk *chunk;
	int64_t t_ms;
	uint64_t bits;
	uint32_t position, left;
};

/* count: of a sealed chunk chunk->count, of an open one end.count. */
void chunk_reader_init(struct chunk_reader *reader, const struct chunk *chunk, uint32_t count);
/* The next sample is in reader->t_ms and reader->bits; false after the last. */
bool chunk_next(struct chunk_reader *reader);

#endif
