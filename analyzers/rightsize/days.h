/*
 * What each day of a container needed, and what tomorrow will: quantiles of the minutes of each UTC day,
 * for four weeks, and a forecast of tomorrow's with a margin that kept its promise so far.
 *
 * Five simple forecasters stand ready (the last day, the highest of three and of seven, the day a week
 * ago, a damped trend). Each is put back to every day of the past it could have spoken at; its margin is
 * the ratio of what came to what it said that was exceeded on no more than the allowed part of the days
 * (split conformal prediction). The one whose forecasts with their margins were the cheapest serves.
 *
 * Ownership: a plain value of about 1.9 kB.
 * Limits: DAYS_MAX days; a day with less than DAYS_MINUTES_MIN minutes is none.
 * Order: minutes ascend; those of a day before the newest are left out.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_DAYS_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_DAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/rightsize/vertical.h"

#define DAYS_MAX 28
#define DAYS_MINUTES_MIN 720
/* With fewer days nothing is forecast. */
#define DAYS_MIN 3

/* Of the minutes of a day, so many were at or below. */
enum day_level { DAY_MEDIAN, DAY_P95, DAY_P99, DAY_PEAK, DAY_LEVELS };

extern const double day_levels[DAY_LEVELS];

struct day_row {
	int64_t day; /* since 1970 */
	float levels[DAY_LEVELS];
};

/* Of one resource. */
struct days {
	const struct decay_scale *scale;
	struct day_row rows[DAYS_MAX]; /* oldest first */
	size_t count;
	int64_t today;
	float peak; /* of today */
	uint16_t minutes, buckets[DECAY_BUCKETS_MAX];
};

void days_init(struct days *days, const struct decay_scale *scale);
void days_add(struct days *days, int64_t minute, double value);

struct day_forecast {
	double value;   /* of the level tomorrow, with its margin */
	double margin;  /* a factor */
	size_t tried;   /* days of the past it was tried on; 0: the margin is a default */
	const char *by; /* the forecaster's name */
};

/* missed: the part of the days on which more may be needed, 0 to 1. False: fewer than DAYS_MIN days. */
bool days_forecast(const struct days *days, enum day_level level, double missed,
	struct day_forecast *forecast);
/* Of today so far; NaN: less than an hour of it is known. */
double days_today(const struct days *days, enum day_level level);
/* The highest peak of all days and today; NaN: no day yet. */
double days_peak(const struct days *days);
/* The part of the days whose peak was above a value; NaN: no day yet. */
double days_above(const struct days *days, double value);

#endif
