/*
 * The symbols table of a remote-write 2.0 request: its texts, where they stand in the body, and a
 * keyed hash of each, from which the keys of series are made.
 *
 * Ownership: the table owns its arrays and keeps them between requests; texts point into the body.
 * Limits: symbol_max symbols; those past it are left out (`overflow`), so that a reference to one of
 *   them is out of range.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SYMBOLS_H
#define NIMBUSGUARD_REMOTE_WRITE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "remote_write/wire.h"
#include "store/store.h"

struct symbol {
	const char *text; /* not NUL-terminated */
	uint32_t size;
};

struct symbols {
	struct store_key *keys; /* [count], of the texts */
	struct symbol *texts;   /* [count] */
	uint32_t count, capacity, symbol_max;
	bool overflow;
	struct store_key *factors; /* [place_max], one per place in a list of references */
	uint32_t place_max;
};

/* place_max: references of a series at most. STATUS_NO_MEMORY. */
enum status symbols_init(struct symbols *symbols, const struct store *store, uint32_t symbol_max,
	uint32_t place_max, struct error *error) MUST_CHECK;
void symbols_fini(struct symbols *symbols);
/* Empty again. Gives back arrays that an unusually large request has left behind. */
void symbols_reset(struct symbols *symbols);

/* The text as the next symbol. STATUS_NO_MEMORY. */
enum status symbols_add(struct symbols *symbols, const struct store *store,
	const struct wire *text) MUST_CHECK;

/* The key of a series with these references, which must all be in range and at most place_max. It is
 * a sum over the places, so that references that are left out (skip, skip + 1; UINT32_MAX for none;
 * even) can be passed over and the key is that of the list without them. */
struct store_key symbols_key(const struct symbols *symbols, const uint32_t *references,
	uint32_t count, uint32_t skip);

#endif
