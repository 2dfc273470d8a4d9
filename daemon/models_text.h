/*
 * What is said of a model file, as text and as JSON: shared by the verbs of nimbusguard models.
 *
 * Threads: the command's own.
 */
#ifndef NIMBUSGUARD_DAEMON_MODELS_TEXT_H
#define NIMBUSGUARD_DAEMON_MODELS_TEXT_H

#include <stddef.h>

#include "analyzers/models/model_file.h"
#include "base/buf.h"
#include "base/error.h"

#define MODELS_TEXT_MAX ((size_t)16 << 20)

/* Says the error; the exit status. */
int models_refused(const struct error *error);
/* Shows the text and gives it back (buf_fini); the exit status, or that of a lack of memory. */
int models_print(struct buf *text, int status);

/* Shapes with a word between them, trailing zeros left out. */
void models_write_shapes(const struct model_info *info, const char *between, struct buf *text);
/* RFC 3339, "-" for 0. */
void models_write_time(int64_t ms, struct buf *text);
/* When a model was trained; the ones that are made anew bit by bit do not tell. */
void models_write_trained(int64_t ms, struct buf *text);
/* The fields of an object, without its braces. */
void models_write_json(const char *path, const struct model_info *info, size_t numbers,
	struct buf *json);
void models_write_text(const char *path, const struct model_info *info, size_t numbers,
	struct buf *text);

#endif
