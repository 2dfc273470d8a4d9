/*
 * Snappy block format with its claims checked before memory is taken for them.
 *
 * Ownership: the struct owns its buffer until snappy_body_fini(); decoded bytes are valid until the
 *   next call on it.
 * Limits: the caller's decoded_max, and no more than the compressed bytes could ever expand to.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SNAPPY_BODY_H
#define NIMBUSGUARD_REMOTE_WRITE_SNAPPY_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "remote_write/snappy_decode.h"

struct snappy_body {
	uint8_t *bytes;
	size_t size; /* of what was decoded last */
	size_t capacity;
	struct snappy_stream stream;
};

/* Takes no memory. */
void snappy_body_init(struct snappy_body *body);
void snappy_body_fini(struct snappy_body *body);
/* Gives back a buffer that an unusually large request has left behind. */
void snappy_body_trim(struct snappy_body *body, size_t keep_max);

/* Decodes one block. STATUS_BAD_INPUT: not a snappy block, or one that claims what it cannot hold;
 * STATUS_LIMIT: it claims more than decoded_max; STATUS_NO_MEMORY. After an error size is 0. */
enum status snappy_body_decode(struct snappy_body *body, const void *compressed, size_t size,
	uint64_t decoded_max, struct error *error) MUST_CHECK;

/* The same in two steps and more. snappy_body_begin() checks the claim and decodes nothing; the
 * compressed bytes must stay. Each snappy_body_more() decodes until `until` bytes are there, or all;
 * what is there is snappy_body_ready() bytes from body->bytes on. Until snappy_body_done() nobody knows
 * that the block is one. After an error nothing more may be asked. */
enum status snappy_body_begin(struct snappy_body *body, const void *compressed, size_t size,
	uint64_t decoded_max, struct error *error) MUST_CHECK;
enum status snappy_body_more(struct snappy_body *body, size_t until,
	struct error *error) MUST_CHECK;

static inline size_t snappy_body_ready(const struct snappy_body *body)
{
	return (size_t)(body->stream.cursor.out - body->bytes);
}

static inline bool snappy_body_done(const struct snappy_body *body)
{
	return body->stream.done;
}

#endif
