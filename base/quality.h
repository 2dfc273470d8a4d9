/*
 * The verdict on a window of data, given before anybody looks at its values.
 * Anything but QUALITY_GOOD means: nothing is scaled down on it and nothing is called normal.
 */
#ifndef NIMBUSGUARD_BASE_QUALITY_H
#define NIMBUSGUARD_BASE_QUALITY_H

/* X(code, name in metrics, records and messages, plain words) */
#define QUALITY_TABLE(X)                                                                           \
	X(QUALITY_GOOD, "good", "enough recent samples")                                           \
	X(QUALITY_MISSING, "missing", "no series for this signal")                                 \
	X(QUALITY_STALE, "stale", "the newest sample is too old or the series has ended")          \
	X(QUALITY_TOO_SHORT, "too_short", "not enough history yet")                                \
	X(QUALITY_GAPS, "gaps", "too many samples are missing in the window")                      \
	X(QUALITY_RESET, "reset", "a counter was reset inside the window")                         \
	X(QUALITY_SKEW, "skew", "samples carry times from the future")                             \
	X(QUALITY_DUPLICATE, "duplicate", "several series claim the same signal")                  \
	X(QUALITY_NOT_A_NUMBER, "not_a_number", "values are NaN or infinite")

enum quality {
#define X(code, name, words) code,
	QUALITY_TABLE(X)
#undef X
		QUALITY_COUNT
};

const char *quality_name(enum quality quality);
const char *quality_words(enum quality quality);

#endif
