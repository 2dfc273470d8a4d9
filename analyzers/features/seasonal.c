/*
 * A profile is built for an hour at a time: the tier keeps blocks of two hours, of which each day
 * costs one or two to decode, whatever of them is wanted.
 */
#include "analyzers/features/seasonal.h"

#include <math.h>

#include "analyzers/robust.h"

#define DAY_MINUTES 1440
#define WEEK_DAYS 7

const char *season_name(enum season season)
{
	return season == SEASON_DAY ? "day" : "week";
}

void seasonal_init(struct seasonal_profile *profile)
{
	profile->first = ROLLUP_NEVER;
	profile->days = profile->weeks = 0;
}

bool seasonal_covers(const struct seasonal_profile *profile, int64_t minute)
{
	return profile->first != ROLLUP_NEVER && minute >= profile->first &&
		minute < profile->first + SEASONAL_MINUTES;
}

/* The medians of one minute over every `every`th day. */
static void build_minute(struct seasonal_profile *profile, enum season season, int minute,
	const double *rows, double *sample)
{
	int every = season == SEASON_DAY ? 1 : WEEK_DAYS;
	size_t count = 0, days = 0;
	struct robust_scale scale = {NAN, NAN};

	for (int day = every; day <= SEASONAL_DAYS_MAX; day += every) {
		const double *row = rows + (day - 1) * SEASONAL_ROW + minute;
		size_t before = count;

		for (int i = 0; i <= 2 * SEASONAL_AROUND; i++)
			if (!isnan(row[i]))
				sample[count++] = row[i];
		days += count > before;
	}
	if (days >= SEASONAL_DAYS_MIN)
		scale = robust_scale(sample, sample + SEASONAL_SAMPLE, count);
	profile->expected[season][minute] = scale.median;
	profile->spread[season][minute] = scale.deviation;
}

void seasonal_build(struct seasonal_profile *profile, struct rollup *rollup, const char *key,
	size_t key_size, int64_t first, double *scratch)
{
	double *sample = scratch + SEASONAL_ROW * SEASONAL_DAYS_MAX;

	profile->first = first;
	profile->days = profile->weeks = 0;
	for (int day = 1; day <= SEASONAL_DAYS_MAX; day++) {
		double *row = scratch + (day - 1) * SEASONAL_ROW;
		int64_t from = first - (int64_t)day * DAY_MINUTES - SEASONAL_AROUND;
		bool there = rollup_read(rollup, key, key_size, from, from + SEASONAL_ROW,
				     &(struct rollup_columns){.mean = row}) > 0;

		profile->days = (uint8_t)(profile->days + there);
		profile->weeks = (uint8_t)(profile->weeks + (there && day % WEEK_DAYS == 0));
		for (int i = 0; !there && i < SEASONAL_ROW; i++)
			row[i] = NAN;
	}
	for (int minute = 0; minute < SEASONAL_MINUTES; minute++) {
		build_minute(profile, SEASON_DAY, minute, scratch, sample);
		build_minute(profile, SEASON_WEEK, minute, scratch, sample);
	}
}

void seasonal_read(const struct seasonal_profile *profile, enum season season, int64_t minute,
	double value, double floor, struct seasonal_residual *residual)
{
	struct robust_scale scale;

	*residual = (struct seasonal_residual){NAN, NAN, NAN};
	if (!seasonal_covers(profile, minute))
		return;
	scale.median = profile->expected[season][minute - profile->first];
	scale.deviation = profile->spread[season][minute - profile->first];
	if (isnan(scale.median))
		return;
	residual->expected = scale.median;
	if (!isfinite(value))
		return;
	residual->residual = value - scale.median;
	residual->score = robust_score(value, &scale, floor);
}
