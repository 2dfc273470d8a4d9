/*
 * A threshold that means a rate: scores in, the probability that a usual score is as high out.
 *
 * Source: Siffer, Fouque, Termier, Largouet, "Anomaly Detection in Streams with Extreme Value
 * Theory", KDD 2017: SPOT (algorithm 2) for scores whose level stays, DSPOT (algorithm 3) on their
 * distance from a moving mean. Excesses over a high quantile are modelled as generalised Pareto and
 * learnt on in the stream, except those that are alarms themselves.
 *
 * Order: tail_init, tail_fit, tail_step ... Ownership: a plain value of about 2 kB; nothing to release.
 * Bad input: a score that is not finite changes nothing and answers NaN.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_TAIL_H
#define NIMBUSGUARD_ANALYZERS_DETECT_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/detect/pareto.h"

#define TAIL_EXCESSES_MAX 512
#define TAIL_DEPTH_MAX 512
#define TAIL_SCORES_MIN 100

struct pack;

struct tail_config {
	double level;       /* of the quantile over which excesses are kept; 0: 0.98 */
	double probability; /* of an alarm on a usual score; 0: 1e-3 */
	size_t depth;       /* scores of DSPOT's moving mean, up to TAIL_DEPTH_MAX; 0: SPOT */
	double *recent;     /* [depth], borrowed for as long as the tail is used; NULL: SPOT */
};

struct tail {
	struct tail_config config;
	bool fitted;
	double quantile; /* the score (or distance) over which excesses count */
	struct pareto pareto;
	uint64_t seen; /* scores learnt from, alarms left out */
	uint64_t over; /* excesses among them */
	float excesses[TAIL_EXCESSES_MAX];
	size_t excess_count, excess_next, excess_fresh;
	double recent_sum; /* of config.recent */
	size_t recent_count, recent_next;
	double threshold; /* for config.probability; of score or distance */
};

/* Values out of their range are cut to it. */
void tail_init(struct tail *tail, const struct tail_config *config);
/* scores: [count] of training, oldest first. False, and nothing is changed, when fewer than
 * TAIL_SCORES_MIN of them are finite; scratch: [count]. */
bool tail_fit(struct tail *tail, const double *scores, size_t count, double *scratch);
/* The probability that a usual score is at least this one, in (0, 1]; then learns from it. NaN when
 * not fitted. Under the quantile it is only known to be over 1 - level, and 1 is answered. */
double tail_step(struct tail *tail, double score);
/* Without a moving mean; read into one of the same configuration. */
void tail_pack(struct tail *tail, struct pack *pack);
/* The score at or over which the probability is at most config.probability; NaN when not fitted. */
double tail_threshold(const struct tail *tail);

#endif
