#include "analyzers/minutes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/measure.h"
#include "base/check.h"

#define WINDOW_MINUTES 120
/* How far back a series is looked through when nothing of it is known. */
#define REACH_MINUTES 1440
#define MINUTE_MS 60000

size_t minutes_key(const struct workload_key *workload, enum signal_role role, char *text)
{
	int size = snprintf(text, ROLLUP_KEY_MAX, "%s/%s/%s/%s/%s", workload->cluster,
		workload->namespace_name, target_kind_name(workload->kind), workload->name,
		role_name(role));

	CHECK(size > 0 && (unsigned)size < ROLLUP_KEY_MAX);
	return (size_t)size;
}

/* Of measurements, none of which is NaN. The mean of equal values is that value, and no mean lies
 * outside of what it is the mean of, whatever rounding does to the sum. */
static void close_minute(struct rollup_minute *minute, double sum, double scaled)
{
	double mean = isfinite(sum) ? sum / minute->count : scaled;

	mean = mean > minute->max ? minute->max : mean;
	minute->mean = mean < minute->min ? minute->min : mean;
	minute->present = true;
}

/* One minute's measurements as they come in. */
struct fold {
	struct rollup_minute *minute; /* NULL: none yet */
	double sum, small;            /* small: 2^-32 of the sum, for where that overflows */
};

#define SCALE 4294967296.0 /* 2^32, more than any count */

static void fold_end(struct fold *fold)
{
	if (fold->minute != NULL)
		close_minute(fold->minute, fold->sum, fold->small / fold->minute->count * SCALE);
	*fold = (struct fold){.minute = NULL};
}

static void fold_add(struct fold *fold, struct rollup_minute *minute, double value)
{
	if (fold->minute != minute) {
		fold_end(fold);
		fold->minute = minute;
		minute->count = 0;
		minute->max = minute->min = value;
	}
	minute->count++;
	minute->max = value > minute->max ? value : minute->max;
	minute->min = value < minute->min ? value : minute->min;
	minute->last = value;
	fold->sum += value;
	fold->small += value / SCALE;
}

void minutes_fold(const struct signal_binding *binding, const struct store_point *points,
	size_t point_count, int64_t first, struct rollup_minute *minutes, size_t count)
{
	struct measure_cursor cursor = {.started = false};
	struct fold fold = {.minute = NULL};

	for (size_t i = 0; i < count; i++)
		minutes[i] =
			(struct rollup_minute){.mean = NAN, .max = NAN, .min = NAN, .last = NAN};
	for (size_t i = 0; i < point_count; i++) {
		int64_t minute = rollup_minute_of(points[i].t_ms) - first;
		bool reset = false;
		double value;

		if (store_is_stale(points[i].value) ||
			points[i].t_ms - cursor.previous_ms > binding->stale_ms)
			cursor.started = false;
		if (!measure_point(&cursor, binding->type, &points[i], &value, &reset) ||
			minute < 0 || minute >= (int64_t)count)
			continue;
		fold_add(&fold, &minutes[minute], value);
	}
	fold_end(&fold);
}

/* The first minute that is not complete. */
static int64_t complete_end(const struct store_point *newest, int64_t now_ms)
{
	int64_t minute = rollup_minute_of(newest->t_ms);
	int64_t waited = rollup_minute_of(now_ms) - minute;
	bool whole = store_is_stale(newest->value) || waited > (int64_t)ROLLUP_LATE_MINUTES;

	return whole ? minute + 1 : minute;
}

static int64_t latest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

enum status minutes_feed_key(const struct minutes_source *source, const char *key, size_t key_size,
	const struct signal_binding *binding, uint32_t series, int64_t *fed, struct error *error)
{
	struct rollup_minute minutes[WINDOW_MINUTES];
	int64_t now = rollup_minute_of(source->now_ms), before, from, end;
	int64_t back_ms = binding->type == SIGNAL_COUNTER ? binding->stale_ms : 0;
	struct store_point newest;
	enum status status = STATUS_OK;

	if (!store_newest(source->store, series, &newest))
		return STATUS_OK;
	end = complete_end(&newest, source->now_ms);
	if (end > now + ROLLUP_AHEAD_MINUTES)
		end = now + ROLLUP_AHEAD_MINUTES;
	/* Looked at already; a clock that was set back gives that up. */
	if (*fed >= end && *fed <= now + ROLLUP_AHEAD_MINUTES)
		return STATUS_OK;
	before = rollup_newest(source->rollup, key, key_size) + 1;
	before = before > now + ROLLUP_AHEAD_MINUTES ? 0 : before;
	from = latest(latest(before, *fed) - (int64_t)ROLLUP_LATE_MINUTES, now - REACH_MINUTES);
	*fed = end;
	for (; from < end && status == STATUS_OK; from += WINDOW_MINUTES) {
		int64_t to = from + WINDOW_MINUTES < end ? from + WINDOW_MINUTES : end;
		size_t count = store_window(source->store, series, from * MINUTE_MS - back_ms,
			to * MINUTE_MS - 1, source->points, source->point_max);

		minutes_fold(binding, source->points, count, from, minutes, (size_t)(to - from));
		status = rollup_write(source->rollup, key, key_size, from, minutes,
			(size_t)(to - from), now, error);
	}
	return status;
}

enum status minutes_feed(const struct minutes_source *source, const struct workload_key *workload,
	enum signal_role role, const struct signal_binding *binding, uint32_t series, int64_t *fed,
	struct error *error)
{
	char key[ROLLUP_KEY_MAX];
	size_t key_size = minutes_key(workload, role, key);

	return minutes_feed_key(source, key, key_size, binding, series, fed, error);
}
