/*
 * A native histogram from the wire, of either version of the protocol.
 * Limits: those of struct histogram.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_DECODE_HISTOGRAM_H
#define NIMBUSGUARD_REMOTE_WRITE_DECODE_HISTOGRAM_H

#include <stdint.h>

#include "base/error.h"
#include "remote_write/wire.h"
#include "store/histogram.h"

/* message: well-formed by its shape. Fills the histogram and checks it; *t_ms is its time.
 * STATUS_BAD_INPUT: it cannot be a histogram; STATUS_LIMIT: it is too large. */
enum status decode_histogram(struct wire message, struct histogram *histogram, int64_t *t_ms,
	struct error *error) MUST_CHECK;

#endif
