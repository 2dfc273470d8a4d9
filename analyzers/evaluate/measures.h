/*
 * Measures of anomaly scores against labels.
 *
 * A score that is NaN (not judged) counts as lower than any other: what was not judged was not found.
 * An event is a run of points that are labelled; an alarm episode is a run of points at which an alarm
 * stands. A measure that is undefined (no event, no point without one) is NaN, never 0.
 *
 * Sources: area under the ROC curve as the Mann-Whitney statistic, ties counting half (Hanley, McNeil,
 *   Radiology 1982); average precision as in scikit-learn's average_precision_score; composite F1 of
 *   Garg, Zhang, Samaran, Savitha, Foo, "An Evaluation of Anomaly Detection and Diagnosis in
 *   Multivariate Time Series", TNNLS 2021; point adjustment of Xu et al., WWW 2018, which a random score
 *   does well by (Kim et al., AAAI 2022): to be shown beside one only.
 * Limits: MEASURE_POINTS_MAX points.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_MEASURES_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_MEASURES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MEASURE_POINTS_MAX ((size_t)1 << 28)

struct point_measures {
	double roc_auc;
	double average_precision;
	double best_f1, best_f1_threshold; /* over all thresholds; alarm: score >= threshold */
	double best_composite, best_composite_threshold;
	double point_adjusted_f1; /* best over all thresholds */
	size_t points, labelled, events, unjudged;
};

/* scores, labels (0 or not): [count], in the order of time. STATUS_NO_MEMORY, STATUS_TOO_LARGE. */
enum status measure_points(const double *scores, const uint8_t *labels, size_t count,
	struct point_measures *measures, struct error *error) MUST_CHECK;

struct alarm_measures {
	double rate; /* points at which an alarm stands, of all */
	double point_precision, point_recall;
	double event_precision,
		event_recall; /* episodes that touch an event; events that were found */
	double delay_mean,
		delay_max; /* rows from an event's first point to its first alarm; of those found */
	size_t points, alarmed, episodes, episodes_right, events, events_found;
};

/* alarms, labels: [count]. */
void measure_alarms(const uint8_t *alarms, const uint8_t *labels, size_t count,
	struct alarm_measures *measures);

/*
 * Faults given by where they begin, against windows of the same length without one: the part of the
 * false windows that a fault's window outranks (ties half), and whether it is above the threshold that
 * `false_rate` of the false windows are above.
 */
struct window_measures {
	double auc, recall; /* means over the faults */
	size_t faults, faults_found, windows;
};

/* faults: [fault_count], windows: [window_count], each the highest score of its window. found (may be
 * NULL): [fault_count], set to 1 for the faults found. */
enum status measure_windows(const double *faults, size_t fault_count, const double *windows,
	size_t window_count, double false_rate, uint8_t *found, struct window_measures *measures,
	struct error *error) MUST_CHECK;

#endif
