/*
 * Intervals around a point forecast that keep their coverage whatever the series does: adaptive
 * conformal inference (Gibbs, Candes, "Adaptive Conformal Inference Under Distribution Shift",
 * NeurIPS 2021, eq. 2), for each end on its own.
 *
 * The last CONFORMAL_WINDOW residuals (outcome - forecast) are kept sorted. An end is the quantile of
 * them at a level that moves: up by rate * tau after each outcome and down by rate when the outcome
 * lay below that end. So the share of outcomes below it goes to tau in the long run, for any series.
 * A level beyond what the window holds asks for more than was ever seen; it is answered by the
 * extreme and at most the window's range beyond it, which caps the width at three ranges.
 *
 * Limits: 4 KiB a horizon; nothing is taken after init.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_CONFORMAL_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_CONFORMAL_H

#include <stddef.h>

#define CONFORMAL_WINDOW 400
/* With fewer outcomes no interval is given. */
#define CONFORMAL_OUTCOMES_MIN 20
#define CONFORMAL_RATE .015

/* Ends, ascending: the interval's lower end, the quantiles .1 and .9, the upper end. */
enum conformal_end {
	CONFORMAL_LOW,
	CONFORMAL_Q10,
	CONFORMAL_Q90,
	CONFORMAL_HIGH,
	CONFORMAL_ENDS,
};

struct pack;

struct conformal {
	float sorted[CONFORMAL_WINDOW], ring[CONFORMAL_WINDOW];
	size_t count, at;
	double level[CONFORMAL_ENDS], target[CONFORMAL_ENDS];
};

/* coverage: of [low, high], .8 to .99. */
void conformal_init(struct conformal *conformal, double coverage);
/* residual: outcome - forecast, finite. offsets: [CONFORMAL_ENDS] as they were given with that
 * forecast (NaN: none was given, the levels stay). */
void conformal_add(struct conformal *conformal, double residual, const double *offsets);
/* Residuals and levels, from and to one of the same coverage. */
void conformal_pack(struct conformal *conformal, struct pack *pack);
/* offsets: [CONFORMAL_ENDS], to be added to the forecast, ascending, the lower two at most 0 and the
 * upper two at least 0. All NaN with too few outcomes. */
void conformal_offsets(const struct conformal *conformal, double *offsets);

#endif
