/*
 * A threshold that follows the stream so that a given part of the scores lies over it.
 *
 * Each score over the threshold raises it by step * (1 - rate), each other one lowers it by
 * step * rate (Robbins, Monro, "A Stochastic Approximation Method", 1951): where neither wins, `rate`
 * of the scores are over it. It never falls below a quantile of training, so that a quiet stream is
 * not searched for its least quiet moments, and a lasting shift raises it until alarms are rare
 * again instead of alarming for ever.
 *
 * Ownership: a plain value. Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_TRACK_H
#define NIMBUSGUARD_ANALYZERS_DETECT_TRACK_H

#include <stdbool.h>
#include <stddef.h>

#define TRACK_SCORES_MIN 50

struct track_config {
	double rate;  /* of scores over the threshold in the long run; 0: 0.01 */
	double start; /* the quantile of training it starts from; 0: 0.995 */
	double floor; /* the quantile of training it never falls below; 0: 0.99 */
	double step;  /* in distances between the 90th and 99th percentile of training; 0: 0.1 */
};

struct track {
	struct track_config config;
	double threshold, least, step; /* threshold NaN: not fitted */
};

/* Values out of their range are cut to it. */
void track_init(struct track *track, const struct track_config *config);
/* scores: [count], their order is changed. False, and nothing is changed, when fewer than
 * TRACK_SCORES_MIN are finite or all are the same. */
bool track_fit(struct track *track, double *scores, size_t count);
/* Whether the score lies over the threshold, which then moves. A score that is not finite does not
 * and moves nothing. */
bool track_step(struct track *track, double score);

#endif
