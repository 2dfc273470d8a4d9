/*
 * Running medians over several windows of the last measurements, by sorted windows.
 *
 * Limits: MEDIANS windows of at most MEDIAN_ROWS_MAX measurements; missing rows take no place.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_MEDIANS_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_MEDIANS_H

#include <stddef.h>

#define MEDIANS 6
#define MEDIAN_ROWS_MAX 241
#define MEDIAN_ROWS_ALL (3 + 7 + 15 + 31 + 81 + MEDIAN_ROWS_MAX)

/* The windows' lengths, ascending. */
extern const size_t median_rows[MEDIANS];

struct medians {
	double ring[MEDIAN_ROWS_MAX]; /* the last measurements */
	size_t at, count;
	double sorted[MEDIAN_ROWS_ALL]; /* one window behind the other */
};

/* All zero is an empty one. value: finite. */
void medians_add(struct medians *medians, double value);
/* middle: [MEDIANS], of what the windows hold so far; NaN while empty. */
void medians_take(const struct medians *medians, double *middle);

#endif
