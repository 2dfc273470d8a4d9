/*
 * Quantiles of a workload's highest rate over the next 10 and 40 slots of 15 s: a small net, a ridge
 * regression with a histogram of its residuals for the first days, and the geometric mean of both.
 *
 * Target: Y = ln(max of the next H slots / l2), from the features of traffic.h. The ridge's quantiles are
 * those of its residuals of late: 160 bins on [-1.5, 2.5] in three contexts of unrest, half-life 3 days.
 * What is said corrects itself (adaptive conformal inference; Gibbs, Candes, NeurIPS 2021): when an outcome
 * is known, c_q += .0007 (miss - (1 - q)) within -.3 and 1.5, and the quantile is multiplied by exp(c_q).
 *
 *   foresight_fit() once a week on all history; foresight_step() each slot
 *
 * A model is what is fitted, a state what moves on with the slots: a night replays a day from the state at
 * its beginning (nightly.h), so a state is a plain value.
 *
 * Limits: FORESIGHT_ROWS_MAX rows to fit on (of longer histories every second slot, every third, ...).
 * Threads: a model that is not being fitted may be asked from many threads.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_FORESIGHT_H
#define NIMBUSGUARD_ANALYZERS_SCALER_FORESIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/forecast/quantile_net.h"
#include "analyzers/scaler/traffic.h"
#include "base/error.h"

#define FORESIGHT_LEVELS 10
#define FORESIGHT_HORIZONS 2
#define FORESIGHT_UP 0   /* 10 slots */
#define FORESIGHT_DOWN 1 /* 40 slots */
#define FORESIGHT_ROWS_MAX 40960
#define FORESIGHT_ROWS_MIN 500
#define FORESIGHT_BINS 160
#define FORESIGHT_CONTEXTS 3
#define FORESIGHT_RATE .0007
#define FORESIGHT_SHIFT_LOW (-.3)
#define FORESIGHT_SHIFT_HIGH 1.5
#define FORESIGHT_SAID 64 /* a power of two above TRAFFIC_HORIZON_MAX */

enum foresight_arm { FORESIGHT_RIDGE, FORESIGHT_NET, FORESIGHT_ENS, FORESIGHT_ARMS };

extern const char *const foresight_arms[FORESIGHT_ARMS];
extern const size_t foresight_horizons[FORESIGHT_HORIZONS];
/* .3 .5 .7 .8 .9 .95 .98 .99 .995 .999 */
extern const float foresight_levels[FORESIGHT_LEVELS];

struct foresight_ridge {
	double mean[TRAFFIC_FEATURES],
		inverse[TRAFFIC_FEATURES];    /* of the features; 1 / deviation */
	double weights[TRAFFIC_FEATURES + 1]; /* the constant last */
};

struct foresight_model {
	bool fitted; /* the ridge and the nets */
	struct quantile_net nets[FORESIGHT_HORIZONS];
	struct foresight_ridge ridges[FORESIGHT_HORIZONS];
	double unrest[FORESIGHT_CONTEXTS - 1]; /* bounds of the contexts */
};

/* What is said at a slot: rates; all 0 and known false: nothing. */
struct foresight {
	bool known;
	uint8_t context; /* of unrest */
	float rates[FORESIGHT_ARMS][FORESIGHT_HORIZONS][FORESIGHT_LEVELS];
};

struct foresight_said {
	int64_t slot;
	struct foresight foresight;
	float level, slow;               /* of that slot */
	float ridge[FORESIGHT_HORIZONS]; /* its mean, a log ratio */
};

struct foresight_state {
	struct traffic_memory memory;
	/* Weights of the residuals, the newest the heaviest, [horizon][context][bin]. */
	float residuals[FORESIGHT_HORIZONS][FORESIGHT_CONTEXTS][FORESIGHT_BINS];
	double weight; /* of the next residual */
	double shift[FORESIGHT_ARMS][FORESIGHT_HORIZONS][FORESIGHT_LEVELS];
	struct foresight_said said[FORESIGHT_SAID];
};

enum status foresight_model_init(struct foresight_model *model, struct error *error) MUST_CHECK;
void foresight_model_fini(struct foresight_model *model);
/* Residuals unknown, no shift. */
void foresight_state_init(struct foresight_state *state);

/*
 * From scratch. rates: [count] slots from `first` on, NaN: missing. The residuals of the fit go to the
 * state, which keeps all else. Takes seconds. STATUS_BAD_INPUT: fewer than FORESIGHT_ROWS_MIN slots with an
 * outcome; STATUS_NO_MEMORY. The model is as before after an error.
 */
enum status foresight_fit(struct foresight_model *model, struct foresight_state *state,
	const float *rates, size_t count, int64_t first, uint64_t seed,
	struct error *error) MUST_CHECK;

/* slots[at] of the traffic is taken into the state, what was said before is compared with it, and what
 * comes is said. For each slot in turn. */
void foresight_step(const struct foresight_model *model, struct foresight_state *state,
	const struct traffic *traffic, size_t at, struct foresight *foresight);

/* One step of the correction, for tests: the new shift of a level after an outcome. */
double foresight_shift(double shift, double level, bool missed);

#endif
