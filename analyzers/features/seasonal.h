/*
 * What is usual at this time of the day and of the week: the median of the same time over the days
 * that the 1-minute tier holds, and the residual of a value to it.
 *
 * For a minute m the sample of the day is the means of the minutes m - 1440 d + k, and that of the week
 * those of m - 10080 w + k, for all days d and weeks w held and |k| <= SEASONAL_AROUND; gaps do not
 * enter. Spread: 1.4826 * median |x - median| of the same sample.
 *
 * Ownership: plain values, about 2 KiB a signal.
 * Limits: SEASONAL_MINUTES minutes a profile, SEASONAL_DAYS_MAX days back.
 * Threads: as rollup_read(); a profile belongs to one thread.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FEATURES_SEASONAL_H
#define NIMBUSGUARD_ANALYZERS_FEATURES_SEASONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/rollup.h"

#define SEASONAL_MINUTES 60
#define SEASONAL_AROUND 2
#define SEASONAL_DAYS_MAX 28
/* With fewer days (or, for the week, weeks) that have a value nothing is called usual. */
#define SEASONAL_DAYS_MIN 2

enum season { SEASON_DAY, SEASON_WEEK, SEASON_COUNT };

/* "day", "week" */
const char *season_name(enum season season);

struct seasonal_profile {
	int64_t first;       /* minute of the first entry; ROLLUP_NEVER: nothing */
	uint8_t days, weeks; /* that had any minute */
	/* NaN: not known. */
	double expected[SEASON_COUNT][SEASONAL_MINUTES], spread[SEASON_COUNT][SEASONAL_MINUTES];
};

#define SEASONAL_ROW (SEASONAL_MINUTES + 2 * SEASONAL_AROUND)
#define SEASONAL_SAMPLE ((2 * SEASONAL_AROUND + 1) * SEASONAL_DAYS_MAX)
#define SEASONAL_SCRATCH (SEASONAL_ROW * SEASONAL_DAYS_MAX + 2 * SEASONAL_SAMPLE)

void seasonal_init(struct seasonal_profile *profile);
bool seasonal_covers(const struct seasonal_profile *profile, int64_t minute);

/* The profile of SEASONAL_MINUTES minutes from `first` on, of a signal of the tier. scratch:
 * [SEASONAL_SCRATCH]. */
void seasonal_build(struct seasonal_profile *profile, struct rollup *rollup, const char *key,
	size_t key_size, int64_t first, double *scratch);

struct seasonal_residual {
	double expected; /* NaN: not known, and so are all the others */
	double residual; /* value - expected */
	double score;    /* residual / max(spread, floor), bounded as robust_score() */
};

/* value: NaN: no residual. floor: least spread that counts, in the signal's unit. */
void seasonal_read(const struct seasonal_profile *profile, enum season season, int64_t minute,
	double value, double floor, struct seasonal_residual *residual);

#endif
