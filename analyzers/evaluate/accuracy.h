/*
 * Measures of forecasts: error against the last value, scaled error, and what intervals held.
 *
 * Sources: MASE of Hyndman, Koehler, "Another look at measures of forecast accuracy", IJF 2006, scaled by
 *   the mean absolute difference of neighbours in the part that was fitted.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_ACCURACY_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_ACCURACY_H

#include <stddef.h>

/* One series at one horizon. */
struct accuracy {
	double scale; /* mean |y[t] - y[t-1]| of the fitted part; NaN: not known */
	size_t points, not_predicted;
	double error_sum, naive_sum;
	size_t intervals80, held80, intervals90, held90;
	double width80_sum, width90_sum;
};

struct accuracy_figures {
	double mae, mase, relative; /* relative: MAE over that of the last value */
	double naive_mase;
	double coverage80, coverage90;
	double width80, width90; /* mean, in units of the scale */
	size_t points, not_predicted;
};

/* Low and high of an interval; NaN: none. */
struct accuracy_interval {
	double low, high;
};

/* values: [count], NaN: missing; pairs with a missing one are left out. NaN when there is no pair or
 * nothing ever changes. */
double accuracy_scale(const double *values, size_t count);

void accuracy_init(struct accuracy *accuracy, double scale);
/*
 * One forecast and what came. last: the value known when it was made, the naive forecast. A point whose
 * actual or last value is missing is not counted; a forecast that is NaN counts as the naive one, as that
 * would be served, and in not_predicted.
 */
void accuracy_add(struct accuracy *accuracy, double last, double forecast,
	struct accuracy_interval interval80, struct accuracy_interval interval90, double actual);
/* Undefined figures are NaN. When naive is never wrong, relative is 1 for a forecast that is never wrong
 * either and infinite otherwise. */
void accuracy_figures(const struct accuracy *accuracy, struct accuracy_figures *figures);

/* Geometric mean of those of values[0..count) that are positive and finite; NaN when none is. */
double geometric_mean(const double *values, size_t count);
/* Mean of those that are not NaN; NaN when none is. */
double mean_known(const double *values, size_t count);

#endif
