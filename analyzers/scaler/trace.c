/*
 * Readings into minutes, in this order: each reading by itself, their order, what is there twice, their
 * step, the unit, the minutes, what is odd in them, and how much is missing at last.
 */
#include "analyzers/scaler/trace.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define STEP_MIN_MS 1000
#define STEP_MAX_MS ((int64_t)15 * MINUTE_MS)
#define RATE_MAX 1e8
#define COUNTER_POINTS_MIN 100
/* A minute without a request where so many come otherwise has a chance of e^-30. */
#define ZERO_REQUESTS 30.0
#define SPIKE_FACTOR 100.0
#define SPIKE_MINUTES 2
#define AROUND 30

void trace_init(struct trace *trace, const char *name)
{
	*trace = (struct trace){.start_ms = -1};
	snprintf(trace->name, sizeof(trace->name), "%s", name);
}

void trace_fini(struct trace *trace)
{
	mem_free(trace->rates);
	trace->rates = NULL;
	trace->minutes = 0;
}

void trace_note(struct trace *trace, const char *format, ...)
{
	va_list arguments;

	if (trace->note_count == TRACE_NOTES_MAX) {
		trace->notes_left_out++;
		return;
	}
	va_start(arguments, format);
	(void)vsnprintf(trace->notes[trace->note_count++], TRACE_NOTE_SIZE, format, arguments);
	va_end(arguments);
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

enum status trace_quantile(const struct trace *trace, double q, double *rate, struct error *error)
{
	double *sorted = mem_alloc((trace->minutes + 1) * sizeof(*sorted));
	size_t count = 0;

	if (sorted == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < trace->minutes; i++)
		if (isfinite(trace->rates[i]))
			sorted[count++] = trace->rates[i];
	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	*rate = NAN;
	if (count > 0) {
		double at = q * (double)(count - 1);
		size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;

		*rate = sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
	}
	mem_free(sorted);
	return STATUS_OK;
}

/* ---- the readings ---- */

struct assembly {
	const struct trace_assembly *told;
	struct trace *trace;
	struct trace_point *points;
	size_t count;
	int64_t step_ms;
	size_t *lines; /* of the minutes; 0: none */
	struct error *error;
};

/* "file:12: " or "file: " before the words. */
static enum status refuse(const struct assembly *at, size_t line, const char *format, ...)
	PRINTF_LIKE(3, 4);

static enum status refuse(const struct assembly *at, size_t line, const char *format, ...)
{
	char words[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	if (line > 0)
		return error_set(at->error, STATUS_BAD_INPUT, "%s:%zu: %s", at->told->source, line,
			words);
	return error_set(at->error, STATUS_BAD_INPUT, "%s: %s", at->told->source, words);
}

static int compare_points(const void *left, const void *right)
{
	const struct trace_point *a = left, *b = right;

	if (a->t_ms != b->t_ms)
		return a->t_ms < b->t_ms ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static enum status put_in_order(struct assembly *at)
{
	size_t back = 0;

	for (size_t i = 0; i < at->count; i++) {
		const struct trace_point *point = &at->points[i];

		if (point->rate < 0)
			return refuse(at, point->line, "%g is below 0: that is no rate",
				point->rate);
		if (isinf(point->rate))
			return refuse(at, point->line, "infinity is no rate");
		if (i > 0 && point->t_ms < point[-1].t_ms && back++ == 0)
			trace_note(at->trace,
				"%s:%zu: the time goes back: the rows were put in order",
				at->told->source, point->line);
	}
	if (back > 0)
		qsort(at->points, at->count, sizeof(*at->points), compare_points);
	return STATUS_OK;
}

static bool same(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static enum status drop_twins(struct assembly *at)
{
	size_t kept = 0, dropped = 0, line = 0;

	for (size_t i = 0; i < at->count; i++) {
		struct trace_point *last = kept > 0 ? &at->points[kept - 1] : NULL;

		if (last == NULL || last->t_ms != at->points[i].t_ms) {
			at->points[kept++] = at->points[i];
			continue;
		}
		if (!isnan(last->rate) && !isnan(at->points[i].rate) &&
			!same(last->rate, at->points[i].rate))
			return refuse(at, at->points[i].line,
				"the time is that of line %zu, with another value (%g and %g): "
				"which one is right?",
				last->line, last->rate, at->points[i].rate);
		if (isnan(last->rate))
			last->rate = at->points[i].rate;
		line = dropped++ == 0 ? at->points[i].line : line;
	}
	if (dropped > 0)
		trace_note(at->trace,
			"%s:%zu: a time is there twice with one value: %zu such rows were left out",
			at->told->source, line, dropped);
	at->count = kept;
	return STATUS_OK;
}

static int compare_steps(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

static enum status find_step(struct assembly *at)
{
	int64_t *steps, widest = 0;
	size_t line = 0, count = at->count - 1;

	if (at->count < 2)
		return refuse(at, 0, "there are fewer than two readings");
	steps = mem_alloc(count * sizeof(*steps));
	if (steps == NULL)
		return error_set(at->error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		steps[i] = at->points[i + 1].t_ms - at->points[i].t_ms;
		if (steps[i] > widest) {
			widest = steps[i];
			line = at->points[i + 1].line;
		}
	}
	qsort(steps, count, sizeof(*steps), compare_steps);
	at->step_ms = steps[count / 2];
	mem_free(steps);
	if (at->step_ms < STEP_MIN_MS || at->step_ms > STEP_MAX_MS)
		return refuse(at, at->points[1].line,
			"the readings are %.3f s apart; 1 s to 15 min are allowed: is the unit of "
			"the time right?",
			(double)at->step_ms / 1000);
	if (at->points[at->count - 1].t_ms - at->points[0].t_ms >=
		(int64_t)TRACE_MINUTES_MAX * MINUTE_MS)
		return refuse(at, line, "the trace is longer than %zu days; here it jumps by %.1f",
			TRACE_MINUTES_MAX / 1440, (double)widest / (1440. * MINUTE_MS));
	return STATUS_OK;
}

static enum status check_unit(struct assembly *at)
{
	double before = -1, first = NAN;
	size_t rises = 0, known = 0;
	bool falls = false;

	for (size_t i = 0; i < at->count; i++) {
		struct trace_point *point = &at->points[i];

		if (at->told->counted)
			point->rate /= (double)at->step_ms / 1000;
		if (isnan(point->rate))
			continue;
		if (point->rate > RATE_MAX)
			return refuse(at, point->line,
				"%g requests a second cannot be: is the unit right?", point->rate);
		first = known++ == 0 ? point->rate : first;
		rises += point->rate > before;
		falls |= point->rate < before;
		before = point->rate;
	}
	if (!at->told->keep_odd && !falls && known >= COUNTER_POINTS_MIN && rises * 2 > known &&
		before > 2 * first + 1)
		return refuse(at, at->points[at->count - 1].line,
			"the values never fall: this is a counter, not a rate; take its rate(), or "
			"keep it with --keep-odd");
	return STATUS_OK;
}

/* ---- minutes ---- */

/* Readings a minute apart or closer: the mean of each minute. */
static void fill_means(struct assembly *at)
{
	struct trace *trace = at->trace;
	size_t i = 0;

	for (size_t minute = 0; minute < trace->minutes; minute++) {
		int64_t end = at->points[0].t_ms + (int64_t)(minute + 1) * MINUTE_MS;
		double sum = 0;
		size_t known = 0;

		for (; i < at->count && at->points[i].t_ms < end; i++) {
			at->lines[minute] = at->points[i].line;
			if (isnan(at->points[i].rate))
				continue;
			sum += at->points[i].rate;
			known++;
		}
		trace->rates[minute] = known > 0 ? sum / (double)known : (double)NAN;
	}
}

/* Readings farther apart: on the line between their middles, where the next one is not missing. */
static void fill_lines(struct assembly *at)
{
	struct trace *trace = at->trace;
	size_t i = 0;

	for (size_t minute = 0; minute < trace->minutes; minute++) {
		int64_t middle = at->points[0].t_ms + (int64_t)minute * MINUTE_MS + MINUTE_MS / 2 -
			at->step_ms / 2;
		const struct trace_point *left, *right;
		double part;

		while (i + 1 < at->count && at->points[i + 1].t_ms <= middle)
			i++;
		left = &at->points[i];
		right = i + 1 < at->count ? left + 1 : left;
		at->lines[minute] = left->line;
		trace->rates[minute] = NAN;
		if (middle - left->t_ms > at->step_ms)
			continue;
		part = right->t_ms - left->t_ms > at->step_ms * 3 / 2 || middle < left->t_ms ||
				right == left
			? 0
			: (double)(middle - left->t_ms) / (double)(right->t_ms - left->t_ms);
		trace->rates[minute] =
			part > 0 ? left->rate + part * (right->rate - left->rate) : left->rate;
	}
}

static enum status fill_minutes(struct assembly *at)
{
	struct trace *trace = at->trace;
	int64_t span = at->points[at->count - 1].t_ms - at->points[0].t_ms + at->step_ms;

	trace->minutes = (size_t)(span / MINUTE_MS);
	if (trace->minutes < TRACE_MINUTES_MIN)
		return refuse(at, 0, "the trace is %zu minutes long; an hour is the least",
			trace->minutes);
	trace->rates = mem_alloc(trace->minutes * sizeof(*trace->rates));
	at->lines = mem_zalloc(trace->minutes, sizeof(*at->lines));
	if (trace->rates == NULL || at->lines == NULL)
		return error_set(at->error, STATUS_NO_MEMORY, "out of memory");
	trace->start_ms = at->points[0].t_ms;
	if (at->step_ms <= MINUTE_MS) {
		fill_means(at);
		return STATUS_OK;
	}
	fill_lines(at);
	trace_note(trace,
		"%s: readings are %.0f s apart: what happens within them is not in the trace, and "
		"every autoscaler looks better for it",
		at->told->source, (double)at->step_ms / 1000);
	return STATUS_OK;
}

/* ---- what is odd ---- */

/* The mean of the five known minutes next to a place, to the left or right; NaN: none. */
static double mean_beside(const struct trace *trace, size_t from, bool left)
{
	double sum = 0;
	int known = 0;

	for (size_t i = from; i < trace->minutes && known < 5;) {
		if (isfinite(trace->rates[i])) {
			sum += trace->rates[i];
			known++;
		}
		if (left && i == 0)
			break;
		i = left ? i - 1 : i + 1;
	}
	return known > 0 ? sum / known : (double)NAN;
}

static double median_around(const struct trace *trace, size_t first, size_t end)
{
	double values[2 * AROUND] = {0};
	size_t count = 0, from = first > AROUND ? first - AROUND : 0;

	for (size_t i = from; i < end + AROUND && i < trace->minutes; i++)
		if ((i < first || i >= end) && isfinite(trace->rates[i]))
			values[count++] = trace->rates[i];
	qsort(values, count, sizeof(values[0]), compare_doubles);
	return count > 0 ? values[count / 2] : (double)NAN;
}

static void forget(struct trace *trace, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		trace->rates[i] = NAN;
}

static void look_at_zeros(struct assembly *at)
{
	struct trace *trace = at->trace;

	for (size_t i = 0; i < trace->minutes; i++) {
		size_t end = i;
		double before, after;

		while (end < trace->minutes && trace->rates[end] <= 0)
			end++;
		if (end == i)
			continue;
		before = i > 0 ? mean_beside(trace, i - 1, true) : (double)NAN;
		after = end < trace->minutes ? mean_beside(trace, end, false) : (double)NAN;
		if (60 * fmin(before, after) >= ZERO_REQUESTS) {
			trace_note(trace,
				"%s:%zu: %zu minutes of zeros amid %.3g requests a second: taken "
				"as missing",
				at->told->source, at->lines[i], end - i, fmin(before, after));
			forget(trace, i, end);
		}
		i = end;
	}
}

static void look_at_spikes(struct assembly *at)
{
	struct trace *trace = at->trace;

	for (size_t i = 0; i < trace->minutes; i++) {
		double usual;
		size_t end = i + 1;

		/* Cheap first: it must stand out of the minute before. */
		if (!isfinite(trace->rates[i]) ||
			(i > 0 && trace->rates[i] <= SPIKE_FACTOR / 10 * trace->rates[i - 1]))
			continue;
		while (end < trace->minutes && end - i < SPIKE_MINUTES + 1 &&
			trace->rates[end] > trace->rates[i] / 10)
			end++;
		usual = median_around(trace, i, end);
		if (end - i > SPIKE_MINUTES || !(usual > 0) ||
			trace->rates[i] <= SPIKE_FACTOR * usual)
			continue;
		trace_note(trace,
			"%s:%zu: %.4g requests a second for %zu min amid %.3g: taken as missing",
			at->told->source, at->lines[i], trace->rates[i], end - i, usual);
		forget(trace, i, end);
		i = end - 1;
	}
}

static enum status count_gaps(struct assembly *at)
{
	const struct trace *trace = at->trace;
	size_t missing = 0, gaps = 0, line = 0;

	for (size_t i = 0; i < trace->minutes; i++) {
		if (isfinite(trace->rates[i]))
			continue;
		missing++;
		if (i == 0 || isfinite(trace->rates[i - 1])) {
			if (gaps++ == 0)
				line = i > 0 ? at->lines[i - 1] : at->lines[i];
		}
	}
	if (missing == 0)
		return STATUS_OK;
	if (missing * 2 > trace->minutes)
		return refuse(at, line, "%zu of %zu minutes are missing: too much to go by",
			missing, trace->minutes);
	trace_note(at->trace,
		"%s:%zu: %zu gaps, %zu minutes in all, the first after this line: they are bridged "
		"and not judged",
		at->told->source, line, gaps, missing);
	return STATUS_OK;
}

enum status trace_assemble(struct trace *trace, const struct trace_assembly *assembly,
	struct trace_point *points, size_t count, struct error *error)
{
	struct assembly at = {.told = assembly,
		.trace = trace,
		.points = points,
		.count = count,
		.error = error};
	enum status status = put_in_order(&at);

	if (status == STATUS_OK)
		status = drop_twins(&at);
	if (status == STATUS_OK)
		status = find_step(&at);
	if (status == STATUS_OK)
		status = check_unit(&at);
	if (status == STATUS_OK)
		status = fill_minutes(&at);
	if (status == STATUS_OK) {
		CHECK(at.lines != NULL);
		if (!assembly->keep_odd) {
			look_at_zeros(&at);
			look_at_spikes(&at);
		}
		status = count_gaps(&at);
	}
	mem_free(at.lines);
	return status;
}
