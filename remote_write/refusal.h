/*
 * Why a series or a request of remote write was refused: the reasons of
 * nimbusguard_remote_write_invalid_total.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_REFUSAL_H
#define NIMBUSGUARD_REMOTE_WRITE_REFUSAL_H

/* X(reason, metric label); first those of a request, then those of a series. */
#define REFUSAL_TABLE(X)                                                                           \
	X(REFUSAL_MEDIA_TYPE, "media_type")                                                        \
	X(REFUSAL_BODY_SIZE, "body_size")                                                          \
	X(REFUSAL_SNAPPY, "snappy")                                                                \
	X(REFUSAL_DECODED_SIZE, "decoded_size")                                                    \
	X(REFUSAL_PROTOBUF, "protobuf")                                                            \
	X(REFUSAL_SERIES_COUNT, "series_count")                                                    \
	X(REFUSAL_SYMBOL, "symbol")                                                                \
	X(REFUSAL_NOTHING, "empty_series")                                                         \
	X(REFUSAL_NO_LABELS, "no_labels")                                                          \
	X(REFUSAL_LABEL_COUNT, "label_count")                                                      \
	X(REFUSAL_EMPTY_NAME, "empty_label_name")                                                  \
	X(REFUSAL_LABEL_NAME, "label_name")                                                        \
	X(REFUSAL_METRIC_NAME, "metric_name")                                                      \
	X(REFUSAL_REPEATED_NAME, "repeated_label_name")                                            \
	X(REFUSAL_VALUE_UTF8, "label_value_utf8")                                                  \
	X(REFUSAL_LABEL_SIZE, "label_size")                                                        \
	X(REFUSAL_HISTOGRAM, "histogram")                                                          \
	X(REFUSAL_EXEMPLAR, "exemplar")                                                            \
	X(REFUSAL_REPLICA_LIMIT, "replica_limit")                                                  \
	X(REFUSAL_STORE_LIMIT, "store_limit")

enum refusal {
	REFUSAL_NONE,
#define X(reason, label) reason,
	REFUSAL_TABLE(X)
#undef X
		REFUSAL_COUNT
};

/* The metric label; "" for REFUSAL_NONE. */
const char *refusal_label(enum refusal refusal);

#endif
