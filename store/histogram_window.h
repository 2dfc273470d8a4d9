/*
 * What a series of native histograms observed within a window of time: the reading from which
 * quantiles over time are made, as histogram_quantile(q, rate(series[window])) of Prometheus.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_STORE_HISTOGRAM_WINDOW_H
#define NIMBUSGUARD_STORE_HISTOGRAM_WINDOW_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/histogram.h"
#include "store/records.h"

/* *observed := of counters the increases from each histogram to the next one, where a counter that
 * began anew has grown by all that it has; of gauges the last histogram. Markers are passed over.
 * copy: of records_copy(), one series. STATUS_NOT_FOUND: nothing is known, because there is no
 * histogram, or of counters only one, or some are of another kind than the last (counters and gauges,
 * exponential and custom bounds); *observed then means nothing. STATUS_NO_MEMORY. */
enum status histogram_window(const struct buf *copy, struct histogram *observed,
	struct error *error) MUST_CHECK;

/* The same of what is kept of a series with from_ms <= t <= to_ms. */
enum status histogram_observed(struct records *histograms, uint32_t series, int64_t from_ms,
	int64_t to_ms, struct histogram *observed, struct error *error) MUST_CHECK;

/* value := the quantile q of what the series observed within the window, NaN without observations.
 * Statuses as above; STATUS_NOT_FOUND is no zero. */
enum status histogram_window_quantile(struct records *histograms, uint32_t series, int64_t from_ms,
	int64_t to_ms, double q, double *value, struct error *error) MUST_CHECK;

#endif
