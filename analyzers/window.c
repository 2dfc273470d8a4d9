/*
 * The verdict, in the order in which it is given (the first that holds wins):
 *   missing       no sample at all in the window
 *   skew          the newest sample is further ahead of the clock than skew_max_ms
 *   stale         the series has ended, or its newest sample is older than stale_ms
 *   not_a_number  every recent value is NaN or infinite
 *   too_short     the history covers less than history_min_ms
 *   gaps          fewer samples than coverage_min of what the interval promises
 *   reset         a counter fell inside the recent part
 * A stale marker is never a measurement; NaN and infinite samples are left out.
 */
#include "analyzers/window.h"

#include <math.h>
#include <stdbool.h>

#include "analyzers/measure.h"

static enum quality judge(const struct window *window, const struct window_spec *spec,
	const struct signal_binding *binding, bool ended, bool reset)
{
	if (window->newest_ms > spec->now_ms + spec->skew_max_ms)
		return QUALITY_SKEW;
	if (ended || window->newest_ms < spec->now_ms - binding->stale_ms)
		return QUALITY_STALE;
	if (isnan(window->value))
		return QUALITY_NOT_A_NUMBER;
	if (window->span_ms < spec->history_min_ms)
		return QUALITY_TOO_SHORT;
	if (window->coverage < spec->coverage_min)
		return QUALITY_GAPS;
	if (reset)
		return QUALITY_RESET;
	return QUALITY_GOOD;
}

void window_build(struct window *window, const struct window_spec *spec,
	const struct signal_binding *binding, const struct store_point *points, size_t count,
	double *scratch)
{
	struct measure_cursor cursor = {.started = false};
	int64_t recent_from_ms, first_ms = 0;
	double sum = 0;
	size_t recent = 0;
	bool ended = false, reset_recent = false;

	*window = (struct window){.quality = QUALITY_MISSING,
		.value = NAN,
		.newest = NAN,
		.history = scratch};
	if (count == 0)
		return;
	window->newest_ms = points[count - 1].t_ms;
	ended = store_is_stale(points[count - 1].value);
	/* The recent part is counted back from the newest sample, so that the delay between the clock
	 * and the stream does not thin it out. */
	recent_from_ms = window->newest_ms - spec->recent_ms;
	for (size_t i = 0; i < count; i++) {
		bool is_recent = points[i].t_ms > recent_from_ms;
		bool reset = false;
		double value;

		if (!measure_point(&cursor, binding->type, &points[i], &value, &reset)) {
			reset_recent = reset_recent || (reset && is_recent);
			continue;
		}
		reset_recent = reset_recent || (reset && is_recent);
		if (window->samples++ == 0)
			first_ms = points[i].t_ms;
		window->newest = value;
		if (is_recent) {
			sum += value;
			recent++;
		} else {
			scratch[window->history_count++] = value;
			window->span_ms = points[i].t_ms - first_ms;
		}
	}
	if (recent > 0 && isfinite(sum))
		window->value = sum / (double)recent;
	if (window->history_count > 1) {
		double expected = (double)window->span_ms / (double)binding->interval_ms + 1;

		window->coverage = (double)window->history_count / expected;
		window->coverage = window->coverage > 1 ? 1 : window->coverage;
	}
	window->quality = judge(window, spec, binding, ended, reset_recent);
}
