#include "analyzers/measure.h"

#include <math.h>

bool measure_point(struct measure_cursor *cursor, enum signal_type type,
	const struct store_point *point, double *value, bool *reset)
{
	double increase;
	bool started = cursor->started;
	int64_t elapsed_ms = point->t_ms - cursor->previous_ms;

	if (!isfinite(point->value))
		return false;
	if (type == SIGNAL_GAUGE) {
		*value = point->value;
		return true;
	}
	increase = point->value - cursor->previous;
	if (started && increase < 0) {
		increase = point->value;
		*reset = true;
	}
	cursor->previous = point->value;
	cursor->previous_ms = point->t_ms;
	cursor->started = true;
	*value = started && elapsed_ms > 0 ? increase * 1000 / (double)elapsed_ms : NAN;
	return started && elapsed_ms > 0 && isfinite(*value);
}
