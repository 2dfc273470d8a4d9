/*
 * The elements of a snappy block, decoded fast.
 *
 * Ownership: both buffers are the caller's.
 * Limits: reads nothing outside [in, in + in_size), writes nothing outside
 *   [out, out + out_size + SNAPPY_SLOP), whatever the input is.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SNAPPY_DECODE_H
#define NIMBUSGUARD_REMOTE_WRITE_SNAPPY_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes behind the decoded ones that are overwritten with nothing in particular. */
#define SNAPPY_SLOP 80

typedef bool snappy_decode_fn(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

/* in: what follows the preamble. true: the elements are well-formed and make up exactly out_size
 * bytes, which are in `out`; false: they are not, and what is in `out` means nothing. Both answers
 * are libsnappy's for the same block (1.1.9), for every input. */
snappy_decode_fn snappy_decode;
/* The same in parts, so that what is there can be read while it is in the nearest cache. */
struct snappy_cursor {
	const uint8_t *in;
	uint8_t *out; /* all before it is as it will be */
};

/* What does not move. */
struct snappy_ends {
	const uint8_t *in_end;
	const uint8_t *out_begin;
	uint8_t *out_end;
};

struct snappy_stream {
	struct snappy_cursor cursor;
	struct snappy_ends ends;
	bool mixed; /* in which of two ways it is decoded; both give the same */
	bool done;
};

struct snappy_stream snappy_stream_of(const uint8_t *in, size_t in_size, uint8_t *out,
	size_t out_size);

/* On until `until` bytes or a little more are decoded, or all; not after `done`. false: the block is
 * malformed. true and `done`: it is decoded and well-formed as a whole, which before is not known. */
bool snappy_stream_more(struct snappy_stream *stream, size_t until);

/* The same without what the processor may have beyond its architecture: for tests. */
bool snappy_stream_more_plain(struct snappy_stream *stream, size_t until);

#endif
