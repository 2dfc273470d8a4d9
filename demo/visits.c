/*
 * An arrival comes when the integral of the rate since the last one reaches a number drawn from the
 * exponential distribution of mean 1, which makes a Poisson process of any rate that changes with time
 * (Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes", 1979). The integral is a sum
 * over steps of 10 ms, in each of which the rate is that of the step's middle.
 */
#include "demo/visits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

#define STEP_NS INT64_C(10000000)
#define LINE_MAX_SIZE 128
#define LOW_SHARE 0.1
#define SPIKE_BEGIN 0.45
#define SPIKE_END 0.55
#define CROWD_BEGIN (1.0 / 3)
#define CROWD_RISE 0.02
#define CROWD_FALL (1.0 / 6)
#define TWO_PI 6.283185307179586

static const char *const names[] = {
#define X(pattern, name) [pattern] = (name),
	VISITS_PATTERN_TABLE(X)
#undef X
};

void visits_init(struct visits *visits)
{
	*visits = (struct visits){.pattern = VISITS_STEADY,
		.rate = (double)NAN,
		.low = (double)NAN,
		.seed = 1};
}

void visits_fini(struct visits *visits)
{
	mem_free(visits->points);
	visits->points = NULL;
	visits->point_count = 0;
}

const char *visits_pattern_name(enum visits_pattern pattern)
{
	return names[pattern];
}

enum status visits_pattern_parse(const char *text, enum visits_pattern *pattern,
	struct error *error)
{
	for (int i = 0; i < VISITS_PATTERN_COUNT; i++) {
		if (strcmp(text, names[i]) == 0) {
			*pattern = (enum visits_pattern)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_BAD_INPUT,
		"pattern \"%.60s\" is none of steady, ramp, spike, wave, flash_crowd, recorded",
		text);
}

/* ---- recorded ---- */

/* The two numbers of a line; false when it has not just these. */
static bool read_point(const char *line, struct visits_point *point)
{
	const char *comma = strchr(line, ',');
	char first[LINE_MAX_SIZE];

	if (comma == NULL)
		return false;
	snprintf(first, sizeof(first), "%.*s", (int)(comma - line), line);
	return parse_double(first, &point->at_s) == STATUS_OK &&
		parse_double(comma + 1, &point->rate) == STATUS_OK && isfinite(point->at_s) &&
		isfinite(point->rate);
}

static enum status add_point(struct visits *visits, size_t *room, struct visits_point point,
	size_t number, struct error *error)
{
	const struct visits_point *last =
		visits->point_count > 0 ? &visits->points[visits->point_count - 1] : NULL;

	if (point.rate < 0)
		return error_set(error, STATUS_BAD_INPUT, "line %zu: rate %g is below 0", number,
			point.rate);
	if (last != NULL && point.at_s <= last->at_s)
		return error_set(error, STATUS_BAD_INPUT,
			"line %zu: its time is not after that of the line before", number);
	if (visits->point_count == VISITS_POINTS_MAX)
		return error_set(error, STATUS_LIMIT, "line %zu: more than %d points", number,
			VISITS_POINTS_MAX);
	if (visits->point_count == *room) {
		size_t more = *room > 0 ? *room * 2 : 64;
		struct visits_point *grown =
			mem_resize(visits->points, more, sizeof(*visits->points));

		if (grown == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for the points");
		visits->points = grown;
		*room = more;
	}
	visits->points[visits->point_count++] = point;
	return STATUS_OK;
}

/* One line without its end; the first of all may be a heading. */
static enum status read_line(struct visits *visits, size_t *room, const char *bytes, size_t size,
	size_t number, struct error *error)
{
	char line[LINE_MAX_SIZE];
	struct visits_point point;

	while (size > 0 && strchr(" \t\r", bytes[size - 1]) != NULL && bytes[size - 1] != '\0')
		size--;
	if (size == 0 || bytes[0] == '#')
		return STATUS_OK;
	snprintf(line, sizeof(line), "%.*s", (int)(size < sizeof(line) ? size : sizeof(line) - 1),
		bytes);
	if (size < sizeof(line) && strlen(line) == size && read_point(line, &point))
		return add_point(visits, room, point, number, error);
	if (number == 1 && line[strcspn(line, "0123456789")] == '\0')
		return STATUS_OK;
	return error_set(error, STATUS_BAD_INPUT, "line %zu: not seconds,rate: \"%.60s\"", number,
		line);
}

enum status visits_read_csv(struct visits *visits, const char *text, size_t size,
	struct error *error)
{
	size_t room = 0, number = 0;
	enum status status = STATUS_OK;

	visits_fini(visits);
	for (size_t at = 0; at < size && status == STATUS_OK;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end != NULL ? (size_t)(end - text) - at : size - at;

		status = read_line(visits, &room, text + at, length, ++number, error);
		at += length + 1;
	}
	if (status == STATUS_OK && visits->point_count == 0)
		status = error_set(error, STATUS_BAD_INPUT, "no line of it is seconds,rate");
	if (status != STATUS_OK) {
		visits_fini(visits);
		return status;
	}
	for (size_t i = visits->point_count; i-- > 0;)
		visits->points[i].at_s -= visits->points[0].at_s;
	return STATUS_OK;
}

/* The highest rate becomes the one that was given; without one the points stay as they are. */
static void stretch(struct visits *visits)
{
	double highest = 0;

	for (size_t i = 0; i < visits->point_count; i++)
		highest = fmax(highest, visits->points[i].rate);
	if (isnan(visits->rate))
		visits->rate = highest;
	for (size_t i = 0; i < visits->point_count && highest > 0; i++)
		visits->points[i].rate *= visits->rate / highest;
}

/* ---- the rate ---- */

enum status visits_complete(struct visits *visits, struct error *error)
{
	if (visits->pattern == VISITS_RECORDED) {
		if (visits->point_count == 0)
			return error_set(error, STATUS_BAD_INPUT,
				"pattern recorded needs the rates that were recorded");
		if (visits->duration_ms == 0)
			visits->duration_ms =
				(int64_t)(fmin(visits->points[visits->point_count - 1].at_s,
						  (double)VISITS_DURATION_MAX_MS) *
					1000);
		stretch(visits);
	} else if (visits->point_count > 0) {
		return error_set(error, STATUS_BAD_INPUT,
			"rates that were recorded are for the pattern recorded, not for %s",
			visits_pattern_name(visits->pattern));
	} else if (isnan(visits->rate)) {
		return error_set(error, STATUS_BAD_INPUT, "rate is missing");
	}
	if (!(visits->rate > 0 && visits->rate <= VISITS_RATE_MAX))
		return error_set(error, STATUS_BAD_INPUT,
			"rate %g is not above 0 and at most %g a second", visits->rate,
			VISITS_RATE_MAX);
	if (visits->duration_ms == 0 && visits->pattern != VISITS_RECORDED)
		return error_set(error, STATUS_BAD_INPUT, "duration is missing");
	if (visits->duration_ms < VISITS_DURATION_MIN_MS ||
		visits->duration_ms > VISITS_DURATION_MAX_MS)
		return error_set(error, STATUS_BAD_INPUT,
			"duration is not from 100ms to 1d: %.3f s",
			(double)visits->duration_ms / 1000);
	if (isnan(visits->low))
		visits->low = LOW_SHARE * visits->rate;
	if (!(visits->low >= 0 && visits->low <= visits->rate))
		return error_set(error, STATUS_BAD_INPUT, "low %g is not from 0 to the rate, %g",
			visits->low, visits->rate);
	if (visits->period_ms == 0)
		visits->period_ms = visits->duration_ms / 4;
	if (visits->period_ms < 0)
		return error_set(error, STATUS_BAD_INPUT, "period is below 0");
	return STATUS_OK;
}

static double recorded_rate(const struct visits *visits, double at_s)
{
	size_t low = 0, high = visits->point_count;

	/* The last point that is not after it; the first is at 0. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (visits->points[middle].at_s <= at_s)
			low = middle;
		else
			high = middle;
	}
	return visits->points[low].rate;
}

/* How far above low it is, of what is between low and rate: 0 to 1. */
static double height(const struct visits *visits, double at_s)
{
	double share = at_s * 1000 / (double)visits->duration_ms;

	switch (visits->pattern) {
	case VISITS_RAMP:
		return share < 1 ? share : 1;
	case VISITS_SPIKE:
		return share >= SPIKE_BEGIN && share < SPIKE_END;
	case VISITS_WAVE:
		return (1 - cos(TWO_PI * at_s * 1000 / (double)visits->period_ms)) / 2;
	case VISITS_FLASH_CROWD:
		if (share < CROWD_BEGIN)
			return 0;
		if (share < CROWD_BEGIN + CROWD_RISE)
			return (share - CROWD_BEGIN) / CROWD_RISE;
		return exp(-(share - CROWD_BEGIN - CROWD_RISE) / CROWD_FALL);
	case VISITS_STEADY:
	case VISITS_RECORDED:
	case VISITS_PATTERN_COUNT:
		break;
	}
	return 1;
}

double visits_rate(const struct visits *visits, double at_s)
{
	if (visits->pattern == VISITS_RECORDED)
		return recorded_rate(visits, at_s);
	return visits->low + (visits->rate - visits->low) * height(visits, at_s);
}

/* ---- the moments ---- */

void arrivals_init(struct arrivals *arrivals, const struct visits *visits)
{
	arrivals->visits = visits;
	arrivals->at_ns = 0;
	random_init(&arrivals->random, visits->seed);
}

int64_t arrivals_next(struct arrivals *arrivals)
{
	const int64_t end_ns = arrivals->visits->duration_ms * 1000000;
	double left = -log1p(-random_unit(&arrivals->random));

	while (arrivals->at_ns < end_ns) {
		int64_t begin_ns = arrivals->at_ns / STEP_NS * STEP_NS;
		int64_t step_end_ns = begin_ns + STEP_NS < end_ns ? begin_ns + STEP_NS : end_ns;
		double rate = visits_rate(arrivals->visits, (double)(begin_ns + step_end_ns) / 2e9);
		double room = rate * (double)(step_end_ns - arrivals->at_ns) / 1e9;

		if (left < room) {
			arrivals->at_ns += (int64_t)(left / rate * 1e9);
			return arrivals->at_ns;
		}
		left -= room;
		arrivals->at_ns = step_end_ns;
	}
	return -1;
}
