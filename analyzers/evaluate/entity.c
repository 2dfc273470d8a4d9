/*
 * Entities: rows in the order in which they are judged, and columns on an even grid.
 */
#include <math.h>
#include <stdlib.h>

#include "analyzers/evaluate/entity.h"
#include "base/check.h"
#include "base/mem.h"

#define DAY_MS 86400000

void entity_fini(struct entity *entity)
{
	for (size_t i = 0; entity->column_names != NULL && i < entity->columns; i++)
		mem_free(entity->column_names[i]);
	mem_free(entity->column_names);
	mem_free(entity->name);
	mem_free(entity->values);
	mem_free(entity->times_ms);
	mem_free(entity->labels);
	mem_free(entity->windows);
	mem_free(entity->faults);
	*entity = (struct entity){.name = NULL};
}

int64_t entity_time_ms(const struct entity *entity, size_t row)
{
	return entity->times_ms != NULL ? entity->times_ms[row] : (int64_t)row * entity->step_ms;
}

size_t entity_rows_per_day(const struct entity *entity)
{
	int64_t rows = (DAY_MS + entity->step_ms / 2) / entity->step_ms;

	return rows > 0 ? (size_t)rows : 1;
}

size_t entity_judged(const struct entity *entity)
{
	return entity->fit_is_all ? entity->rows
				  : entity->rows - (entity->fit_end - entity->fit_begin);
}

size_t entity_judged_row(const struct entity *entity, size_t place)
{
	CHECK(place < entity_judged(entity));
	return entity->fit_is_all ? place : (entity->fit_end + place) % entity->rows;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

enum status entity_set_step(struct entity *entity, int64_t fallback_ms, struct error *error)
{
	int64_t *steps;

	entity->step_ms = fallback_ms;
	if (entity->times_ms == NULL || entity->rows < 2)
		return STATUS_OK;
	steps = mem_alloc(entity->rows * sizeof(*steps));
	if (steps == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 1; i < entity->rows; i++)
		steps[i - 1] = entity->times_ms[i] - entity->times_ms[i - 1];
	qsort(steps, entity->rows - 1, sizeof(*steps), by_size);
	entity->step_ms = steps[(entity->rows - 1) / 2];
	if (entity->step_ms < 1)
		entity->step_ms = 1;
	mem_free(steps);
	return STATUS_OK;
}

/* Where a row stands on the grid; GRID_MAX when it is before the first row or too far behind it. */
static size_t grid_place(const struct entity *entity, size_t row)
{
	int64_t distance = entity_time_ms(entity, row) - entity_time_ms(entity, 0), place;

	if (distance < 0)
		return GRID_MAX;
	place = (distance + entity->step_ms / 2) / entity->step_ms;
	return place < (int64_t)GRID_MAX ? (size_t)place : GRID_MAX;
}

/* The point of the grid at which a range that ends before `row` ends. */
static size_t grid_bound(const struct entity *entity, size_t row, size_t count)
{
	size_t place = row < entity->rows ? grid_place(entity, row) : count;

	return place < count ? place : count;
}

enum status entity_grid(const struct entity *entity, size_t column, struct grid_series *series,
	struct error *error)
{
	size_t count = 0;

	*series = (struct grid_series){.start_ms = entity->rows > 0 ? entity_time_ms(entity, 0) : 0,
		.step_ms = entity->step_ms};
	for (size_t row = 0; row < entity->rows; row++) {
		size_t place = grid_place(entity, row);

		if (place == GRID_MAX && entity_time_ms(entity, row) > series->start_ms)
			return error_set(error, STATUS_TOO_LARGE,
				"%s: its times span more than %zu steps", entity->name, GRID_MAX);
		if (place < GRID_MAX && place >= count)
			count = place + 1;
	}
	series->values = mem_alloc((count + 1) * sizeof(double));
	if (series->values == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		series->values[i] = NAN;
	for (size_t row = 0; row < entity->rows; row++) {
		size_t place = grid_place(entity, row);

		if (place < count)
			series->values[place] = entity->values[row * entity->columns + column];
	}
	series->count = count;
	series->fit_end = grid_bound(entity, entity->fit_end, count);
	series->report_begin = grid_bound(entity, entity->report_begin, count);
	series->seam = entity->seam > 0 ? grid_bound(entity, entity->seam, count) : 0;
	return STATUS_OK;
}
