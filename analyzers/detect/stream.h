/*
 * A detector that learns as it goes: fitted as soon as there are rows enough, and fitted anew with every
 * so many rows on the latest ones.
 *
 * A row is scored before anything learns from it. The score is a surprise, in decades of tail probability
 * against the rows fitted on (detect/calibration.h), so that scores before and after a fit compare.
 *
 * Order: open, step ... step, close. Ownership: rows are copied.
 * Limits: history_rows rows are kept, at most STREAM_HISTORY_MAX; a fit happens inside a step.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_STREAM_H
#define NIMBUSGUARD_ANALYZERS_DETECT_STREAM_H

#include "analyzers/detect/detector.h"

#define STREAM_HISTORY_MAX 100000

/* All zeros but the detector: the defaults. */
struct stream_config {
	const char *detector; /* a name of the table */
	struct detector_config settings;
	size_t first_rows;   /* before the first fit; 0: 256 */
	size_t refit_rows;   /* between fits; 0: 288 */
	size_t history_rows; /* kept for fits; 0: 4032 */
};

struct stream;

/* NULL: STATUS_NOT_FOUND for an unknown detector, STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
struct stream *stream_open(const struct stream_config *config, size_t columns, struct error *error);
/* The surprise of the next row; NaN: not judged. contributions: as detector.h. A fit that fails leaves the
 * model before it serving; *error (may be NULL) says why, with STATUS_OK when nothing did. */
double stream_step(struct stream *stream, const double *row, double *contributions,
	struct error *error);
size_t stream_size(const struct stream *stream);
void stream_close(struct stream *stream);

#endif
