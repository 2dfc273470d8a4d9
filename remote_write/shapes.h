/*
 * Shapes of messages that both versions of the protocol share, nearly or wholly.
 * Threads: constants.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SHAPES_H
#define NIMBUSGUARD_REMOTE_WRITE_SHAPES_H

#include "remote_write/wire.h"

/* Field numbers of Histogram. */
enum histogram_field {
	HISTOGRAM_COUNT_INT = 1,
	HISTOGRAM_COUNT_FLOAT = 2,
	HISTOGRAM_SUM = 3,
	HISTOGRAM_SCHEMA = 4,
	HISTOGRAM_ZERO_THRESHOLD = 5,
	HISTOGRAM_ZERO_COUNT_INT = 6,
	HISTOGRAM_ZERO_COUNT_FLOAT = 7,
	HISTOGRAM_NEGATIVE_SPANS = 8,
	HISTOGRAM_NEGATIVE_DELTAS = 9,
	HISTOGRAM_NEGATIVE_COUNTS = 10,
	HISTOGRAM_POSITIVE_SPANS = 11,
	HISTOGRAM_POSITIVE_DELTAS = 12,
	HISTOGRAM_POSITIVE_COUNTS = 13,
	HISTOGRAM_RESET_HINT = 14,
	HISTOGRAM_TIMESTAMP = 15,
	HISTOGRAM_CUSTOM_VALUES = 16,
	HISTOGRAM_START_TIMESTAMP = 17, /* 2.0 only */
};

extern const struct wire_shape shape_histogram_v1, shape_histogram_v2;

#endif
