/*
 * Linear probing in a table that is at most half full. The place follows from the upper bits of the
 * number times the golden ratio (Knuth, TAOCP volume 3, section 6.4), so that numbers in a row, which
 * handles and ids are, spread.
 */
#include "store/number_map.h"

#include <string.h>

#include "base/mem.h"

struct number_pair {
	uint32_t number, value_plus_one; /* 0: the place is free */
};

enum status number_map_init(struct number_map *map, uint64_t max)
{
	uint64_t size = 16;

	memset(map, 0, sizeof(*map));
	while (size < max * 2)
		size *= 2;
	map->places = mem_zalloc(size, sizeof(*map->places));
	if (map->places == NULL)
		return STATUS_NO_MEMORY;
	map->mask = size - 1;
	map->max = max;
	return STATUS_OK;
}

void number_map_fini(struct number_map *map)
{
	mem_free(map->places);
	memset(map, 0, sizeof(*map));
}

/* The place of the number, or the free one where it belongs. */
static struct number_pair *place_of(const struct number_map *map, uint32_t number)
{
	uint64_t at = (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

	while (map->places[at & map->mask].value_plus_one != 0 &&
		map->places[at & map->mask].number != number)
		at++;
	return &map->places[at & map->mask];
}

bool number_map_put(struct number_map *map, uint32_t number, uint32_t value)
{
	struct number_pair *place;

	if (map->count >= map->max)
		return false;
	place = place_of(map, number);
	if (place->value_plus_one != 0)
		return false;
	*place = (struct number_pair){number, value + 1};
	map->count++;
	return true;
}

bool number_map_get(const struct number_map *map, uint32_t number, uint32_t *value)
{
	const struct number_pair *place = place_of(map, number);

	if (place->value_plus_one == 0)
		return false;
	*value = place->value_plus_one - 1;
	return true;
}

void number_map_each(const struct number_map *map, void (*each)(void *argument, uint32_t value),
	void *argument)
{
	for (uint64_t i = 0; map->places != NULL && i <= map->mask; i++)
		if (map->places[i].value_plus_one != 0)
			each(argument, map->places[i].value_plus_one - 1);
}
