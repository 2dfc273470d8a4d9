/*
 * What became of a model file that serves: a line of JSON each time it was promoted, imported or rolled
 * back, beside it in <path>.history.
 *
 * Limits: MODEL_HISTORY_MAX bytes; past that the oldest lines go.
 * Threads: any; two writers of one path exclude each other by the caller.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_MODEL_HISTORY_H
#define NIMBUSGUARD_ANALYZERS_MODELS_MODEL_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define MODEL_HISTORY_MAX ((size_t)256 << 10)

struct model_change {
	int64_t at_ms;
	const char *what;   /* "promoted", "imported", "rolled back" */
	const char *from;   /* the file it came from; NULL: none */
	const char *reason; /* why it was forced; NULL: it was not */
	uint64_t checksum;  /* of the model that serves now */
	double figure,
		beaten; /* relative errors of it and of the best that it was measured against; NaN */
};

enum status model_history_add(const char *path, const struct model_change *change,
	struct error *error) MUST_CHECK;
/* Appends the lines, oldest first; none are well. The buffer's max should be above MODEL_HISTORY_MAX. */
enum status model_history_read(const char *path, struct buf *lines, struct error *error) MUST_CHECK;

#endif
