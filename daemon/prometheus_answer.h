/*
 * Reading the answers of Prometheus' HTTP API: samples of a range selector, errors, the
 * configuration.
 *
 * Ownership: struct matrix owns scratch that is kept between answers; what is handed out points into
 *   the scratch and is valid during the call.
 * Limits: those of the answer's text: a text of n bytes takes less than 2 n of scratch. Labels of a
 *   series: MATRIX_LABELS_MAX.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_DAEMON_PROMETHEUS_ANSWER_H
#define NIMBUSGUARD_DAEMON_PROMETHEUS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/labels.h"
#include "store/store.h"

#define MATRIX_LABELS_MAX 256

struct matrix {
	struct store_point *points;
	size_t point_max;
	char *text; /* decoded names and values */
	size_t text_max;
	struct label pairs[MATRIX_LABELS_MAX];
};

void matrix_init(struct matrix *matrix);
void matrix_fini(struct matrix *matrix);

/* One series: pairs as in the answer, NUL-terminated; points in its order. Anything but STATUS_OK
 * ends the reading with it. */
typedef enum status matrix_series_fn(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *error);

struct matrix_counts {
	uint64_t series, samples;
	uint64_t bad_series;  /* whose labels cannot be used */
	uint64_t bad_samples; /* that are no pair of a time and a value */
	uint64_t histograms;  /* native histograms, passed over */
	char warning[256];    /* the first warning of the answer, or "" */
};

/* The answer to a query for raw samples. NaN gets the bits that Prometheus uses. STATUS_BAD_INPUT: it
 * is not a matrix (or no JSON), before any series was handed out; STATUS_NO_MEMORY. */
enum status matrix_read(struct matrix *matrix, const char *text, size_t size,
	matrix_series_fn *take, void *argument, struct matrix_counts *counts,
	struct error *error) MUST_CHECK;

struct prometheus_failure {
	char type[32];     /* errorType, or "" */
	char message[256]; /* error, or how the body begins */
};

/* What an answer says that is not 2xx. */
void prometheus_failure_read(const char *text, size_t size, struct prometheus_failure *failure);

/* The YAML text of GET /api/v1/status/config (mem_free). STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
enum status prometheus_config_read(const char *text, size_t size, char **yaml,
	struct error *error) MUST_CHECK;

#endif
