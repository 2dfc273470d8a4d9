/*
 * The score of the Numenta Anomaly Benchmark.
 *
 * The first alarm in a window of an anomaly earns more the earlier it comes, by a scaled sigmoid of its
 * place in the window; an alarm outside costs the more the farther it is behind the last window; a window
 * without an alarm costs a whole one. The first 15 % of a file, at most 750 points, are not scored. One
 * threshold serves all files: the one with the best score, as NAB optimises it. The sum over all files is
 * scaled so that a detector that never alarms has 0 and a perfect one 100.
 *
 * Source: Lavin, Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
 *   Benchmark", ICMLA 2015, and the rules of its published scorer (probation, FP weights .11 and .22, the
 *   first point of a window at -1, one behind a window's last point over its width less one).
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_NAB_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_NAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define NAB_PROFILES 3

struct nab_profile {
	const char *name;
	double found, false_alarm, missed; /* weights */
};

/* standard, reward_low_FP_rate, reward_low_FN_rate. */
extern const struct nab_profile nab_profiles[NAB_PROFILES];

/* Rows of a file, both ends inclusive. */
struct nab_window {
	size_t first, last;
};

struct nab_file {
	const double *scores; /* [count]; NaN: never an alarm */
	size_t count;
	const struct nab_window *windows; /* [window_count], in order, not overlapping */
	size_t window_count;
};

/* Points at the beginning that are not scored. */
size_t nab_probation(size_t count);

struct nab_result {
	double score; /* 0: no alarms, 100: perfect; may be negative. NaN without any window */
	double threshold;
	size_t alarms;
};

/*
 * The best score over all thresholds. quiet_rows: after an alarm, no further one for so many rows (0: each
 * point stands for itself, as NAB has it); with it, NAB_THRESHOLDS_MAX thresholds are tried.
 */
#define NAB_THRESHOLDS_MAX 1000
enum status nab_best(const struct nab_file *files, size_t count, const struct nab_profile *profile,
	size_t quiet_rows, struct nab_result *result, struct error *error) MUST_CHECK;

/* The score of the alarms at a given threshold (score >= threshold). */
enum status nab_at(const struct nab_file *files, size_t count, const struct nab_profile *profile,
	size_t quiet_rows, double threshold, struct nab_result *result,
	struct error *error) MUST_CHECK;

#endif
