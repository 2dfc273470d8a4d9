/*
 * How many requests a second are to come at which time, and the moments at which they come: a Poisson
 * process of that rate, drawn from a seed, because visitors do not wait for each other.
 *
 * Ownership: visits_fini() gives back the points of a recorded one.
 * Limits: VISITS_RATE_MAX a second, VISITS_DURATION_MAX_MS, VISITS_POINTS_MAX points.
 * Threads: visits are read by many; arrivals belong to one thread at a time.
 */
#ifndef NIMBUSGUARD_DEMO_VISITS_H
#define NIMBUSGUARD_DEMO_VISITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

#define VISITS_RATE_MAX 100000.0
#define VISITS_DURATION_MAX_MS INT64_C(86400000)
#define VISITS_DURATION_MIN_MS 100
#define VISITS_POINTS_MAX 100000

/*
 * rate is the highest one and low the one beside it (a tenth of rate unless it is given).
 *   steady       rate all the time
 *   ramp         from low to rate, in a straight line
 *   spike        low, but rate in the tenth of the time that begins at its 45 %
 *   wave         a sine from low over rate and back, once in each period (a quarter of the time)
 *   flash_crowd  low; after a third of the time up to rate within 2 % of it, then falling off to low
 *                exponentially, to 37 % within a sixth
 *   recorded     the points of a file; rate, when given, is what its highest is stretched to
 */
#define VISITS_PATTERN_TABLE(X)                                                                    \
	X(VISITS_STEADY, "steady")                                                                 \
	X(VISITS_RAMP, "ramp")                                                                     \
	X(VISITS_SPIKE, "spike")                                                                   \
	X(VISITS_WAVE, "wave")                                                                     \
	X(VISITS_FLASH_CROWD, "flash_crowd")                                                       \
	X(VISITS_RECORDED, "recorded")

enum visits_pattern {
#define X(pattern, name) pattern,
	VISITS_PATTERN_TABLE(X)
#undef X
		VISITS_PATTERN_COUNT
};

struct visits_point {
	double at_s, rate; /* from then until the next one; seconds since the first */
};

struct visits {
	enum visits_pattern pattern;
	double rate, low; /* low NaN: not given; rate NaN: not given, for recorded alone */
	int64_t duration_ms, period_ms; /* 0: not given */
	uint64_t seed;
	struct visits_point *points; /* of recorded */
	size_t point_count;
};

/* Steady, nothing given, seed 1. */
void visits_init(struct visits *visits);
void visits_fini(struct visits *visits);
const char *visits_pattern_name(enum visits_pattern pattern);
/* STATUS_BAD_INPUT names the patterns that there are. */
enum status visits_pattern_parse(const char *text, enum visits_pattern *pattern,
	struct error *error) MUST_CHECK;
/* Lines `seconds,rate` in the order of time (Unix seconds will do: they count from the first line),
 * maybe with a heading; blank lines and those that begin with # are passed over. STATUS_BAD_INPUT names
 * the line, STATUS_LIMIT, STATUS_NO_MEMORY. Takes the place of points that it had. */
enum status visits_read_csv(struct visits *visits, const char *text, size_t size,
	struct error *error) MUST_CHECK;
/* Fills in what was not given, and says what cannot be. STATUS_BAD_INPUT names the word of it. */
enum status visits_complete(struct visits *visits, struct error *error) MUST_CHECK;
/* Requests a second at this time since the beginning, of visits that are complete. */
double visits_rate(const struct visits *visits, double at_s);

struct arrivals {
	const struct visits *visits; /* borrowed, complete */
	struct random random;
	int64_t at_ns;
};

void arrivals_init(struct arrivals *arrivals, const struct visits *visits);
/* When the next request comes, in nanoseconds since the beginning; -1 when the time is over. */
int64_t arrivals_next(struct arrivals *arrivals);

#endif
