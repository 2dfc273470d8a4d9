/*
 * Reference figures: what the usual libraries reach on public data sets, cited beside our own. They were
 * measured once with scikit-learn 1.2.1, PyTorch 1.13.1, statsmodels 0.13.5 and isotree 0.6.1; NAB's are
 * of its published leaderboard. The sets they were taken on are larger than what one may have at hand:
 * a row says how many entities it is the mean of.
 *
 * Threads: constants.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_REFERENCES_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_REFERENCES_H

#include <stddef.h>

#define REFERENCE_VALUES 4

struct reference {
	const char *dataset, *table; /* table: detectors, nab, forecasts */
	const char *method;          /* ours that it stands beside */
	const char *of;              /* what was measured */
	/* detectors: ROC, PR, F1, composite F1; of Nezha the faults' AUC and recall. nab: standard, low FP,
	 * low FN. forecasts: MASE and relative error 5 rows ahead, then 15. NaN: not known. */
	double values[REFERENCE_VALUES];
};

/* NULL behind the last. */
const struct reference *reference_at(size_t index);

#endif
