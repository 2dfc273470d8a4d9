/*
 * The fields of Histogram (specification sheet remote_write, section 2).
 */
#include "remote_write/shapes.h"

#include "base/check.h"

static const struct wire_field span_fields[] = {
	[1] = {WIRE_KIND_VARINT, NULL}, /* offset */
	[2] = {WIRE_KIND_VARINT, NULL}, /* length */
};

static const struct wire_shape span_shape = {span_fields, ARRAY_COUNT(span_fields)};

static const struct wire_field histogram_fields[] = {
	[HISTOGRAM_COUNT_INT] = {WIRE_KIND_VARINT, NULL},
	[HISTOGRAM_COUNT_FLOAT] = {WIRE_KIND_DOUBLE, NULL},
	[HISTOGRAM_SUM] = {WIRE_KIND_DOUBLE, NULL},
	[HISTOGRAM_SCHEMA] = {WIRE_KIND_VARINT, NULL},
	[HISTOGRAM_ZERO_THRESHOLD] = {WIRE_KIND_DOUBLE, NULL},
	[HISTOGRAM_ZERO_COUNT_INT] = {WIRE_KIND_VARINT, NULL},
	[HISTOGRAM_ZERO_COUNT_FLOAT] = {WIRE_KIND_DOUBLE, NULL},
	[HISTOGRAM_NEGATIVE_SPANS] = {WIRE_KIND_MESSAGE, &span_shape},
	[HISTOGRAM_NEGATIVE_DELTAS] = {WIRE_KIND_VARINTS, NULL},
	[HISTOGRAM_NEGATIVE_COUNTS] = {WIRE_KIND_DOUBLES, NULL},
	[HISTOGRAM_POSITIVE_SPANS] = {WIRE_KIND_MESSAGE, &span_shape},
	[HISTOGRAM_POSITIVE_DELTAS] = {WIRE_KIND_VARINTS, NULL},
	[HISTOGRAM_POSITIVE_COUNTS] = {WIRE_KIND_DOUBLES, NULL},
	[HISTOGRAM_RESET_HINT] = {WIRE_KIND_VARINT, NULL},
	[HISTOGRAM_TIMESTAMP] = {WIRE_KIND_VARINT, NULL},
	[HISTOGRAM_CUSTOM_VALUES] = {WIRE_KIND_DOUBLES, NULL},
	[HISTOGRAM_START_TIMESTAMP] = {WIRE_KIND_VARINT, NULL},
};

/* To 1.0 the last field is unknown, whatever its type. */
const struct wire_shape shape_histogram_v1 = {histogram_fields, HISTOGRAM_START_TIMESTAMP};
const struct wire_shape shape_histogram_v2 = {histogram_fields, ARRAY_COUNT(histogram_fields)};
