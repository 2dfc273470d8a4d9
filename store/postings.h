/*
 * The numbers of the series that carry one label pair: a stream of varint deltas in a chain of
 * cells that grow from 16 to 256 bytes, about 1.3 bytes a series; a single number needs no cell.
 *
 * Order: numbers stand in the order in which they were added, not necessarily ascending (numbers
 *   are used again); none stands twice.
 * Threads: under the lock of the index.
 */
#ifndef NIMBUSGUARD_STORE_POSTINGS_H
#define NIMBUSGUARD_STORE_POSTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/slab.h"

struct posting {
	uint32_t first, last; /* cells of the chain */
	uint32_t count, last_number;
	uint32_t used; /* bytes written in `last` */
};

/* Takes the memory that adding `number` needs, so that posting_add() cannot fail. */
bool posting_reserve(struct posting *posting, struct cell_classes *cells, uint32_t number);
void posting_add(struct posting *posting, struct cell_classes *cells, uint32_t number);
/* The same for several numbers to come, the first of which is `number`: how many bytes their deltas may
 * take, those of posting_delta_size() for each after the first; 0: memory is out, or the posting is so
 * short that it is not worth the trouble. */
uint32_t posting_room(struct posting *posting, struct cell_classes *cells, uint32_t number);
uint32_t posting_delta_size(uint32_t number, uint32_t previous);
/* Adds numbers for which posting_room() was enough. */
void posting_add_many(struct posting *posting, struct cell_classes *cells, const uint32_t *numbers,
	uint32_t count);
void posting_free(struct posting *posting, struct cell_classes *cells);

/* Removes the numbers for which gone() holds, in place and without taking memory. */
typedef bool posting_gone_fn(void *argument, uint32_t number);
void posting_filter(struct posting *posting, struct cell_classes *cells, posting_gone_fn *gone,
	void *argument);

struct posting_cursor {
	const struct slabs *slabs;
	uint32_t cell, offset, left, previous;
	bool single;
};

void posting_cursor_init(struct posting_cursor *cursor, const struct posting *posting,
	const struct cell_classes *cells);
bool posting_next(struct posting_cursor *cursor, uint32_t *number);

#endif
