/*
 * The symbols of a 2.0 request from the sender's side: each text once, as the field it will be.
 *
 * Ownership: the table owns its arrays.
 * Limits: fields_max bytes of fields. Out of memory: STATUS_NO_MEMORY, and the table is as before.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_ENCODE_SYMBOLS_H
#define NIMBUSGUARD_REMOTE_WRITE_ENCODE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct encode_place;

struct encode_symbols {
	struct buf fields; /* of the request: the empty text first */
	uint32_t count;
	struct encode_place *places; /* [place_count], a power of two; open addressing */
	uint32_t place_count;
};

void encode_symbols_init(struct encode_symbols *symbols, size_t fields_max);
void encode_symbols_fini(struct encode_symbols *symbols);
void encode_symbols_reset(struct encode_symbols *symbols);

/* Bytes that the text takes when it is new, and those of the table before its first text. */
size_t encode_symbols_size(size_t text_size);
/* The number of the text, which becomes a symbol when it is none. */
enum status encode_symbols_number(struct encode_symbols *symbols, const char *text, size_t size,
	uint32_t *number) MUST_CHECK;

#endif
