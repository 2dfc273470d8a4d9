/*
 * The last 60 rows in a ring. Means and deviations are taken anew from the ring at each row: that is
 * 72 values a column, under a tenth of what scoring the row costs, and nothing is carried along, so
 * that an outlier leaves no rounding behind when it leaves the window.
 */
#include "analyzers/detect/roll.h"

#include <math.h>

#include "analyzers/pack.h"
#include "base/mem.h"

#define ROUNDING 1e-12

struct roll {
	size_t columns;
	size_t seen, next; /* rows in the ring; the slot to write */
	double *ring;      /* [ROLL_LONG][columns] */
	double *count;     /* [columns] of the window being looked at */
};

struct roll *roll_open(size_t columns, struct error *error)
{
	struct roll *roll = mem_zalloc(1, sizeof(*roll));

	if (roll == NULL)
		goto no_memory;
	roll->columns = columns;
	roll->ring = mem_zalloc(ROLL_LONG * columns, sizeof(*roll->ring));
	roll->count = mem_zalloc(columns, sizeof(*roll->count));
	if (roll->ring == NULL || roll->count == NULL)
		goto no_memory;
	return roll;

no_memory:
	roll_close(roll);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for rolling features");
	return NULL;
}

void roll_close(struct roll *roll)
{
	if (roll == NULL)
		return;
	mem_free(roll->ring);
	mem_free(roll->count);
	mem_free(roll);
}

void roll_reset(struct roll *roll)
{
	roll->seen = roll->next = 0;
}

void roll_pack(struct roll *roll, struct pack *pack)
{
	pack_same(pack, roll->columns);
	pack_index(pack, &roll->seen, ROLL_LONG);
	pack_index(pack, &roll->next, ROLL_LONG - 1);
	pack_bytes(pack, roll->ring, ROLL_LONG * roll->columns * sizeof(*roll->ring));
}

size_t roll_size(const struct roll *roll)
{
	return sizeof(*roll) + (ROLL_LONG + 1) * roll->columns * sizeof(double);
}

/* The row of that age; 0 is the newest. */
static const double *row_at(const struct roll *roll, size_t age)
{
	return roll->ring + (roll->next + ROLL_LONG - 1 - age) % ROLL_LONG * roll->columns;
}

/* The mean of equal values may differ from them by its rounding, which is no deviation. */
static double rounded(double deviation, double mean)
{
	return deviation > ROUNDING * fabs(mean) ? deviation : 0;
}

/* mean, deviation: [columns]. */
static void look(struct roll *roll, size_t length, double *mean, double *deviation)
{
	size_t rows = roll->seen < length ? roll->seen : length, columns = roll->columns;
	double *count = roll->count;

	for (size_t i = 0; i < columns; i++)
		mean[i] = deviation[i] = count[i] = 0;
	for (size_t age = 0; age < rows; age++) {
		const double *row = row_at(roll, age);

		for (size_t i = 0; i < columns; i++) {
			mean[i] += isnan(row[i]) ? 0 : row[i];
			count[i] += isnan(row[i]) ? 0 : 1;
		}
	}
	for (size_t i = 0; i < columns; i++)
		mean[i] = 2 * count[i] >= (double)rows ? mean[i] / count[i] : NAN;
	for (size_t age = 0; age < rows; age++) {
		const double *row = row_at(roll, age);

		for (size_t i = 0; i < columns; i++) {
			double distance = isnan(row[i]) ? 0 : row[i] - mean[i];

			deviation[i] += distance * distance;
		}
	}
	for (size_t i = 0; i < columns; i++)
		deviation[i] =
			isnan(mean[i]) ? NAN : rounded(sqrt(deviation[i] / count[i]), mean[i]);
}

void roll_step(struct roll *roll, const double *row, double *features)
{
	size_t columns = roll->columns;
	double *slot = roll->ring + roll->next * columns;
	double *difference = features + 5 * columns;

	/* The slot to be written is not the row before, for the ring holds more than one. */
	for (size_t i = 0; i < columns; i++)
		difference[i] = roll->seen > 0 ? row[i] - row_at(roll, 0)[i] : 0;
	for (size_t i = 0; i < columns; i++)
		slot[i] = features[i] = row[i];
	roll->next = (roll->next + 1) % ROLL_LONG;
	roll->seen += roll->seen < ROLL_LONG;
	look(roll, ROLL_SHORT, features + columns, features + 2 * columns);
	look(roll, ROLL_LONG, features + 3 * columns, features + 4 * columns);
}
