/*
 * A small net that gives quantiles of one number: two hidden layers of tanh and a linear layer with an
 * output a quantile, trained on the pinball loss (Koenker, Bassett, Econometrica 1978) by Adam with a
 * rate that falls along a cosine. For the maximum over a horizon, say: its upper quantiles.
 *
 * Inputs are standardised by the mean and deviation of what it was trained on, and bounded to
 * QUANTILE_NET_BOUND deviations. Quantiles come sorted, so that none crosses another.
 *
 * Ownership: init and fini on the caller's struct.
 * Limits: the constants below.
 * Threads: a net that is not being trained may be asked from many threads.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_QUANTILE_NET_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_QUANTILE_NET_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/kernels/kernels.h"
#include "base/error.h"

#define QUANTILE_NET_INPUTS_MAX 256
#define QUANTILE_NET_HIDDEN KERNEL_PANEL
#define QUANTILE_NET_OUTPUTS_MAX KERNEL_PANEL
#define QUANTILE_NET_BOUND 6

struct quantile_net {
	size_t inputs, outputs;
	float levels[QUANTILE_NET_OUTPUTS_MAX];
	const struct kernels *kernels;
	/* [inputs] means, [inputs] 1 / deviation, then W [inputs][32], b [32], W [32][32], b [32],
	 * W [32][32], b [32]. */
	float *block;
	size_t parameter_count; /* behind the means and deviations */
};

struct pack;

struct quantile_net_training {
	size_t epochs, batch;
	double rate;
	uint64_t seed;
};

/* levels: [outputs], ascending within (0, 1). */
enum status quantile_net_init(struct quantile_net *net, size_t inputs, const float *levels,
	size_t outputs, const struct kernels *kernels, struct error *error) MUST_CHECK;
void quantile_net_fini(struct quantile_net *net);
/* 16 epochs of batches of 512, rate 3e-3. */
void quantile_net_training_default(struct quantile_net_training *training);
/* From scratch. inputs: [count][inputs], finite; targets: [count], NaN: the row is left out. *loss:
 * the mean pinball loss of the last epoch. STATUS_BAD_INPUT: no row with a target, or bad numbers. */
enum status quantile_net_train(struct quantile_net *net, const float *inputs, const float *targets,
	size_t count, const struct quantile_net_training *training, double *loss,
	struct error *error) MUST_CHECK;
/* What was trained (analyzers/pack.h), from and to a net of the same shape. */
void quantile_net_pack(struct quantile_net *net, struct pack *pack);
/* inputs: [inputs], finite; quantiles: [outputs], ascending. */
void quantile_net_predict(const struct quantile_net *net, const float *inputs, float *quantiles);

#endif
