/*
 * Native histograms and exemplars of a series as JSON, in the forms of Prometheus' query API.
 * Threads: pure functions on what they are given.
 */
#ifndef NIMBUSGUARD_DAEMON_API_RECORDS_H
#define NIMBUSGUARD_DAEMON_API_RECORDS_H

#include <stdint.h>

#include "base/buf.h"

/* Unix seconds with milliseconds, as a number. */
void api_write_time(struct buf *json, int64_t t_ms);
/* A number as a string: "1.5", "NaN", "+Inf", "-Inf". */
void api_write_number(struct buf *json, double value);

/* Lists of what records_copy() copied: [[t, {"count", "sum", "buckets": [[bounds, lower, upper,
 * count]]}]], a marker being [t, "stale"]; [{"labels", "value", "timestamp"}]. Out of memory: the
 * buffer says so. */
void api_write_histograms(struct buf *json, const struct buf *copy);
/* What was observed between the first and the last histogram of the copy, and quantiles of it:
 * {"count", "sum", "buckets", "quantiles": [[q, value]]}; null when nothing is known. */
void api_write_observed(struct buf *json, const struct buf *copy, const double *quantiles,
	size_t quantile_count);
void api_write_exemplars(struct buf *json, const struct buf *copy);

#endif
