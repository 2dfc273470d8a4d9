/*
 * A table from 32-bit numbers to 32-bit numbers, of a size that is known beforehand.
 *
 * Ownership: the table owns its memory until number_map_fini(); all zero is an empty table.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_STORE_NUMBER_MAP_H
#define NIMBUSGUARD_STORE_NUMBER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct number_map {
	struct number_pair *places;
	uint64_t mask, count, max;
};

/* For at most `max` numbers. STATUS_NO_MEMORY. */
enum status number_map_init(struct number_map *map, uint64_t max) MUST_CHECK;
void number_map_fini(struct number_map *map);
/* value: not 0xffffffff. false when the number is there already or the table is full. */
bool number_map_put(struct number_map *map, uint32_t number, uint32_t value);
bool number_map_get(const struct number_map *map, uint32_t number, uint32_t *value);
/* Calls each() with all values. */
void number_map_each(const struct number_map *map, void (*each)(void *argument, uint32_t value),
	void *argument);

#endif
