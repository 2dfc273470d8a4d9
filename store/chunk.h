/*
 * The samples of one chunk: a block of fixed size that is filled from the front and can be decoded
 * alone.
 *
 * Values are kept bit for bit, NaN payloads, infinities, denormals and -0.0 included. A sample on
 * time costs no bit for its timestamp; see chunk.c for the encoding.
 *
 * Limits: the block's size is the caller's, CHUNK_SIZE_MIN to CHUNK_SIZE_MAX, a multiple of 8; a
 *   sample takes one bit at least. Timestamps within CHUNK_TIME_LIMIT of 1970.
 * Order: timestamps ascend strictly; that is the caller's promise.
 * Threads: plain values; the caller locks.
 */
#ifndef NIMBUSGUARD_STORE_CHUNK_H
#define NIMBUSGUARD_STORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_SIZE_MIN 64u
#define CHUNK_SIZE_MAX 4096u
/* 4459 years: timestamps take 48 bits. */
#define CHUNK_TIME_LIMIT ((INT64_C(1) << 47) - 1)

struct chunk {
	uint64_t first_and_count; /* timestamp of the first sample, number of samples when sealed */
	uint32_t start;           /* what the encoder starts from; see chunk.c */
	uint32_t next;            /* for the owner's use */
	uint8_t bytes[];          /* the bit stream, lowest bits first */
};

#define CHUNK_HEADER offsetof(struct chunk, bytes)

/* The end of an open chunk: its newest sample, the state of the encoder, and the bits that do not
 * fill a word yet: so that most samples do not touch the chunk at all. All zero: no samples. */
struct chunk_end {
	int64_t t_ms;
	uint64_t bits;            /* of the newest value */
	int64_t integer;          /* newest value that was a multiple of the scale, in that unit */
	int64_t slope;            /* expected difference, in sixteenths */
	uint64_t pending;         /* bits from the last full word on */
	uint32_t step_ms;         /* expected distance of samples */
	uint16_t position, count; /* bits in all, samples */
	union {
		uint16_t level; /* integers: running mean of the bits of a residual, in 256ths */
		struct {
			uint8_t lead, trail; /* floats: window of significant bits */
		};
	};
	uint8_t scale;
	uint8_t off_time; /* samples of this chunk that were not on time; stops at 255 */
	uint8_t flags;
	int8_t late_ms; /* by how much the newest distance was longer than the step, when that is little */
	uint16_t owner; /* for the owner's use; not touched */
};

/* Starts a chunk with its first sample, which always fits. What *end holds of the chunk before helps
 * to start well. size: of the whole block. */
void chunk_begin(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits);
/* false when the sample does not fit; then nothing has changed. */
bool chunk_append(struct chunk_end *end, struct chunk *chunk, size_t size, int64_t t_ms,
	uint64_t bits);
/* Writes what is pending and the count, so that the chunk (or a copy of it) can be read. More may be
 * appended afterwards. */
void chunk_seal(const struct chunk_end *end, struct chunk *chunk);

/* Whether an end that was read from somewhere may be appended to in a block of this size without harm:
 * all fields within the bounds that chunk_append() keeps. */
bool chunk_end_valid(const struct chunk_end *end, size_t size);

static inline int64_t chunk_first_ms(const struct chunk *chunk)
{
	return (int64_t)chunk->first_and_count >> 16;
}

/* As of chunk_seal(). */
static inline uint32_t chunk_count(const struct chunk *chunk)
{
	return (uint32_t)(chunk->first_and_count & 0xffff);
}

struct chunk_reader {
	const struct chunk *chunk;
	uint32_t left, size;  /* samples to come, bytes of the stream */
	struct chunk_end end; /* after chunk_next(): the sample is end.t_ms, end.bits */
};

/* Reads the samples as of chunk_seal(). */
void chunk_reader_init(struct chunk_reader *reader, const struct chunk *chunk, size_t size);
/* The next sample; false after the last. A damaged chunk gives wrong samples, but no reads outside
 * of it. */
bool chunk_next(struct chunk_reader *reader);

#endif
