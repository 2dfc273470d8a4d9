/*
 * A bump allocator with a maximum, reset at the end of each request instead of freed piecemeal.
 *
 * Ownership: the arena owns all that it hands out; arena_reset() ends the life of all of it.
 * Limits: never holds more than `max` bytes; past that arena_alloc() returns NULL.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_BASE_ARENA_H
#define NIMBUSGUARD_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

struct arena_block;

struct arena {
	struct arena_block *first, *current;
	size_t used, held, max;
};

/* Takes no memory until the first arena_alloc(). */
void arena_init(struct arena *arena, size_t max);
void arena_fini(struct arena *arena);
/* Keeps the first block (at most keep_max bytes of it) for the next request. */
void arena_reset(struct arena *arena);

/* Aligned to 16 bytes. NULL when over the maximum or out of memory. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
void *arena_zalloc(struct arena *arena, size_t count, size_t size) MUST_CHECK;
char *arena_strndup(struct arena *arena, const char *text, size_t length) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

#endif
