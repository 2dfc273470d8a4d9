/*
 * Running medians over several windows of the last measurements, by sorted windows.
 *
 * Limits: MEDIANS windows of at most MEDIAN_ROWS_MAX measurements; missing rows take no place.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_MEDIANS_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_MEDIANS_H

#include <stddef.h>

#include "base/error.h"

#define MEDIANS 6
#define MEDIAN_ROWS_MAX 241

/* The windows' lengths, ascending. */
extern const size_t median_rows[MEDIANS];

struct pack;

struct medians {
	size_t windows, ring_rows, at, count;
	double *ring;   /* [ring_rows] the last measurements */
	double *sorted; /* one window behind the other */
};

/* Of the first `windows` windows. */
enum status medians_init(struct medians *medians, size_t windows) MUST_CHECK;
void medians_fini(struct medians *medians);
void medians_pack(struct medians *medians, struct pack *pack);
/* value: finite. */
void medians_add(struct medians *medians, double value);
/* middle: [windows], of what the windows hold so far; NaN while empty. */
void medians_take(const struct medians *medians, double *middle);

#endif
