/*
 * Normal and Poisson numbers at the speed of the simulator: the ziggurat, transformed rejection and, for
 * large means, an inverse that is as good as exact, on the stream of base/random.h.
 *
 * Threads: one at a time; the same seed gives the same numbers.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_DRAWS_H
#define NIMBUSGUARD_ANALYZERS_SCALER_DRAWS_H

#include <stdint.h>

#include "base/random.h"

#define DRAWS_BLOCKS 128

struct draws {
	struct random random;
	double edge[DRAWS_BLOCKS + 1]; /* right edges of the ziggurat's blocks, falling */
	double inner[DRAWS_BLOCKS];    /* the share of a block that lies wholly under the curve */
};

void draws_init(struct draws *draws, uint64_t seed);
/* N(0, 1). Source: Marsaglia, Tsang, "The ziggurat method", J. Stat. Softw. 5(8), 2000, in the form of
 * Doornik (2005) that takes the block and the place from different bits. */
double draws_normal(struct draws *draws);
/* Two of them with steps of 2^-24 of a block, which is enough for noise, at the price of one. */
void draws_normal_pair(struct draws *draws, float pair[2]);
/* Poisson(mean), a whole number; 0 for a mean that is not above 0. Source: below a mean of 30
 * random_poisson(), then Hoermann's PTRS (1993), from 256 on Giles, "Algorithm 955: approximation of the
 * inverse Poisson cumulative distribution function", ACM TOMS 42(1), 2016, eq. for Q_N2. */
double draws_poisson(struct draws *draws, double mean);
/* exp(sigma N - sigma^2 / 2): lognormal with mean 1. sigma: at most 0.1. */
double draws_lognormal(struct draws *draws, double sigma);

#endif
