/*
 * Samples are put in order of time first (most are), so that shuffled ones give the same rows. Of
 * several for one time one counts, and when they differ their row has no value. Then each cell is a fold over its
 * samples, with the sum kept twice: as it is, and scaled down for where that overflows.
 */
#include "analyzers/features/grid.h"

#include <math.h>
#include <string.h>

#include "analyzers/measure.h"
#include "base/check.h"

#define SCALE 4294967296.0 /* 2^32, more than any count */

void grid_spec_default(struct grid_spec *spec)
{
	*spec = (struct grid_spec){.step_ms = 60000,
		.late_ms = 90000,
		.ahead_ms = 60000,
		.rows_max = 60};
}

int64_t grid_row_of(const struct grid_spec *spec, int64_t t_ms)
{
	return t_ms / spec->step_ms - (t_ms % spec->step_ms < 0);
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* By time, and where that is the same by the bits of the value. */
static bool not_after(const struct store_point *a, const struct store_point *b)
{
	return a->t_ms < b->t_ms || (a->t_ms == b->t_ms && bits_of(a->value) <= bits_of(b->value));
}

static bool in_order(const struct store_point *points, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (!not_after(&points[i - 1], &points[i]))
			return false;
	return true;
}

/* Merges [low, middle) and [middle, high). */
static void merge(const struct store_point *from, struct store_point *to, size_t low, size_t middle,
	size_t high)
{
	size_t a = low, b = middle;

	for (size_t i = low; i < high; i++)
		to[i] = a < middle && (b == high || not_after(&from[a], &from[b])) ? from[a++]
										   : from[b++];
}

static const struct store_point *sorted(const struct store_point *points, size_t count,
	struct store_point *scratch)
{
	struct store_point *from = scratch, *to = scratch + count;

	if (in_order(points, count))
		return points;
	memcpy(from, points, count * sizeof(*points));
	for (size_t width = 1; width < count; width *= 2) {
		struct store_point *other = from;

		for (size_t low = 0; low < count; low += 2 * width) {
			size_t middle = low + width < count ? low + width : count;
			size_t high = low + 2 * width < count ? low + 2 * width : count;

			merge(from, to, low, middle, high);
		}
		from = to;
		to = other;
	}
	return from;
}

/* What is known of one cell. */
struct cell {
	double sum, small, min, max;
	uint32_t count, samples; /* measurements; samples that are no markers */
	bool reset, conflict, ahead, ended;
};

static void cell_add(struct cell *cell, double value)
{
	cell->min = cell->count == 0 || value < cell->min ? value : cell->min;
	cell->max = cell->count == 0 || value > cell->max ? value : cell->max;
	cell->sum += value;
	cell->small += value / SCALE;
	cell->count++;
}

/* No mean lies outside of what it is the mean of, whatever rounding does. */
static double cell_mean(const struct cell *cell)
{
	double mean =
		isfinite(cell->sum) ? cell->sum / cell->count : cell->small / cell->count * SCALE;

	mean = mean > cell->max ? cell->max : mean;
	return mean < cell->min ? cell->min : mean;
}

/* The walk over a column's samples. */
struct walk {
	const struct grid_spec *spec;
	const struct grid_column *column;
	const struct store_point *points;
	size_t at;
	int64_t now_ms;
	struct measure_cursor cursor;
	int64_t last_ms;   /* of the newest measurement */
	double last;       /* NaN: none */
	bool ended, ahead; /* a marker came last; there are samples from the future */
};

static void walk_point(struct walk *walk, struct cell *cell)
{
	const struct store_point *point = &walk->points[walk->at];
	double value;

	if (walk->at > 0 && point->t_ms == point[-1].t_ms) {
		cell->conflict =
			cell->conflict || bits_of(point->value) != bits_of(point[-1].value);
		return;
	}
	if (point->t_ms > walk->now_ms + walk->spec->ahead_ms)
		return;
	walk->ended = store_is_stale(point->value);
	if (walk->ended || point->t_ms - walk->cursor.previous_ms > walk->column->stale_ms)
		walk->cursor.started = false;
	cell->samples += !walk->ended;
	if (!measure_point(&walk->cursor, walk->column->type, point, &value, &cell->reset))
		return;
	walk->last = value;
	walk->last_ms = point->t_ms;
	cell_add(cell, value);
}

/* Whether a gauge that is sampled less often than there are rows still has its value. One whose interval is
 * at most two thirds of a row cannot: its last sample is a whole row and more before the end. */
static bool holds(const struct walk *walk, int64_t end_ms)
{
	const struct grid_column *column = walk->column;

	return column->type == SIGNAL_GAUGE && !walk->ended && !isnan(walk->last) &&
		end_ms - walk->last_ms <= column->interval_ms + column->interval_ms / 2;
}

static enum quality cell_verdict(const struct walk *walk, const struct cell *cell)
{
	if (cell->conflict)
		return QUALITY_DUPLICATE;
	if (cell->reset)
		return QUALITY_RESET;
	if (cell->count > 0)
		return QUALITY_GOOD;
	if (walk->ahead)
		return QUALITY_SKEW;
	/* The first sample of a counter measures nothing yet. */
	if (cell->samples > 0 && walk->column->type == SIGNAL_GAUGE)
		return QUALITY_NOT_A_NUMBER;
	return walk->ended ? QUALITY_STALE : QUALITY_GAPS;
}

static void fill(double *values, uint8_t *verdicts, size_t rows, size_t stride,
	enum quality verdict)
{
	for (size_t i = 0; i < rows; i++) {
		values[i * stride] = NAN;
		verdicts[i * stride] = (uint8_t)verdict;
	}
}

void grid_fold(const struct grid_spec *spec, const struct grid_column *column, int64_t first,
	size_t rows, int64_t now_ms, struct store_point *scratch, double *values, uint8_t *verdicts,
	size_t stride)
{
	struct walk walk = {.spec = spec, .column = column, .now_ms = now_ms, .last = NAN};
	struct cell before = {.count = 0};

	if (!column->bound || column->duplicate) {
		fill(values, verdicts, rows, stride,
			column->bound ? QUALITY_DUPLICATE : QUALITY_MISSING);
		return;
	}
	walk.points = sorted(column->points, column->count, scratch);
	walk.ahead =
		column->count > 0 && walk.points[column->count - 1].t_ms > now_ms + spec->ahead_ms;
	for (; walk.at < column->count && grid_row_of(spec, walk.points[walk.at].t_ms) < first;
		walk.at++)
		walk_point(&walk, &before);
	for (size_t i = 0; i < rows; i++) {
		int64_t row = first + (int64_t)i;
		struct cell cell = {.count = 0};
		enum quality verdict;

		for (; walk.at < column->count &&
			grid_row_of(spec, walk.points[walk.at].t_ms) <= row;
			walk.at++)
			walk_point(&walk, &cell);
		if (cell.samples == 0 && !cell.conflict && holds(&walk, (row + 1) * spec->step_ms))
			cell_add(&cell, walk.last);
		verdict = cell_verdict(&walk, &cell);
		values[i * stride] = verdict == QUALITY_GOOD ? cell_mean(&cell) : NAN;
		verdicts[i * stride] = (uint8_t)verdict;
	}
}

void grid_judge(const uint8_t *verdicts, const bool *bound, size_t columns, int64_t row,
	struct grid_row *result)
{
	CHECK(columns <= GRID_COLUMNS_MAX);
	*result = (struct grid_row){.row = row, .verdict = QUALITY_GOOD};
	for (size_t i = 0; i < columns; i++) {
		if (!bound[i])
			continue;
		result->bound++;
		result->good = (uint8_t)(result->good + (verdicts[i] == QUALITY_GOOD));
		result->reasons = (uint16_t)(result->reasons | 1u << verdicts[i]);
		if (result->verdict == QUALITY_GOOD)
			result->verdict = (enum quality)verdicts[i];
	}
	if (result->bound == 0)
		result->verdict = QUALITY_MISSING;
}

void grid_advance(const struct grid_spec *spec, struct grid_cursor *cursor, int64_t now_ms,
	int64_t newest_ms, struct grid_span *span)
{
	int64_t now_row = grid_row_of(spec, now_ms);
	int64_t waited = grid_row_of(spec, now_ms - spec->late_ms);
	int64_t end = newest_ms < now_ms ? grid_row_of(spec, newest_ms) : now_row;
	int64_t rows;

	end = end > waited ? end : waited;
	*span = (struct grid_span){.step = GRID_GOES_ON, .first = cursor->next};
	if (cursor->next == GRID_NEVER || cursor->next > now_row + 1) {
		*span = (struct grid_span){.step = GRID_STARTED,
			.first = end - (int64_t)spec->rows_max};
		cursor->next = span->first;
	}
	rows = end - cursor->next;
	if (rows > (int64_t)spec->rows_max) {
		span->skipped = rows - (int64_t)spec->rows_max;
		span->step = GRID_JUMPED;
		span->first = cursor->next + span->skipped;
		rows = (int64_t)spec->rows_max;
	}
	span->rows = rows > 0 ? (size_t)rows : 0;
	cursor->next = rows > 0 ? end : cursor->next;
}
