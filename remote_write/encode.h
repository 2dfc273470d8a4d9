/*
 * The sender's side of remote write 1.0 and 2.0: series and samples to a snappy body, for the
 * simulated cluster, the load generator and tests.
 *
 * Ownership: the writer owns its buffers; the finished body is valid until the next reset.
 * Limits: body_max bytes before compression (and never over 2 GiB). Out of memory ends the request:
 *   what is added later and the finish answer STATUS_NO_MEMORY until the next reset.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_ENCODE_H
#define NIMBUSGUARD_REMOTE_WRITE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/labels.h"

struct write_encoder;

struct write_encoder *write_encoder_open(size_t body_max, struct error *error) MUST_CHECK;
/* The same for 2.0; all other functions know which one it is. */
struct write_encoder *write_encoder_open_v2(size_t body_max, struct error *error) MUST_CHECK;
void write_encoder_close(struct write_encoder *encoder);
/* The Content-Type that belongs to the bodies. */
const char *write_encoder_content_type(const struct write_encoder *encoder);
/* Begins a new request. */
void write_encoder_reset(struct write_encoder *encoder);

/* One TimeSeries with these samples (labels sorted, with __name__). STATUS_LIMIT: it does not fit
 * and the request is as before, so that the caller can finish it; STATUS_NO_MEMORY. */
enum status write_encoder_add(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, size_t count) MUST_CHECK;
/* The same with a start timestamp for each sample (2.0; start_ms NULL or 0: unknown). */
enum status write_encoder_add_started(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, const int64_t *start_ms,
	size_t count) MUST_CHECK;
/* Metadata of a family (type numbers of the protocol). 1.0 only: in 2.0 it belongs to a series, and
 * the answer is STATUS_UNSUPPORTED. */
enum status write_encoder_add_metadata(struct write_encoder *encoder, int type, const char *family,
	const char *help) MUST_CHECK;
/* All samples of a finished request of 2.0, to a request of 1.0. decoded_max: bytes that it may hold.
 * STATUS_BAD_INPUT: it is none; STATUS_UNSUPPORTED: it has histograms or exemplars; STATUS_LIMIT: they do not all
 * fit, or it holds more; STATUS_NO_MEMORY. After an error the request is to be reset. */
enum status write_encoder_add_request_v2(struct write_encoder *encoder, const void *body,
	size_t size, uint64_t decoded_max, struct error *error) MUST_CHECK;
/* The snappy block, valid until the next call. STATUS_NO_MEMORY. */
enum status write_encoder_finish(struct write_encoder *encoder, const void **body, size_t *size,
	struct error *error) MUST_CHECK;

#endif
