/*
 * A remote-write body to samples in the store: limits first, then snappy, then protobuf decoded in
 * place, series found by the hash of their raw label bytes, and the answer by the policy of the
 * protocol (Prometheus Remote-Write 1.0 and 2.0, told apart by the Content-Type).
 *
 * Ownership: a struct ingest belongs to one worker thread and keeps its buffers between requests.
 * Limits: struct ingest_limits; each is checked before memory is taken for it.
 * Threads: one struct ingest per thread; the store behind them is shared.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_INGEST_H
#define NIMBUSGUARD_REMOTE_WRITE_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/records.h"
#include "store/store.h"

struct ingest_limits {
	uint64_t body_max;    /* compressed bytes; past it 413 */
	uint64_t decoded_max; /* bytes claimed by the snappy preamble; past it 400 */
	uint32_t labels_max;  /* labels of a series */
	uint32_t label_name_max, label_value_max; /* bytes */
	uint32_t series_max;                      /* time series in a request */
	uint32_t symbols_max; /* symbols in a 2.0 request; 0: INGEST_SYMBOLS_DEFAULT */
};

#define INGEST_SYMBOLS_DEFAULT 1000000

struct ingest;

struct ingest *ingest_open(struct store *store, const struct ingest_limits *limits,
	struct error *error) MUST_CHECK;
void ingest_close(struct ingest *ingest);

/* What one request brought; all counts are of this request alone. */
struct ingest_counts {
	uint64_t series;  /* TimeSeries read, the invalid ones too */
	uint64_t samples; /* handed to the store; results[] says what became of them */
	uint64_t results[APPEND_RESULT_COUNT];
	uint64_t exemplars, histograms, metadata; /* received with series that were not refused */
	/* Of these, those of series that keep them (ingest_rules.h), by what became of them; and those
	 * that were refused by themselves. */
	uint64_t histogram_results[RECORD_RESULT_COUNT], exemplar_results[RECORD_RESULT_COUNT];
	uint64_t histograms_refused, exemplars_refused;
	uint64_t invalid_series, decoded_bytes;
	/* Samples that the rules set aside (ingest_rules.h): of series to drop, of replicas that are not
	 * elected. They are not in `samples`. */
	uint64_t dropped, replica;
	/* Taken care of; the rest was refused or came too late. The answer to a 2.0 request tells these
	 * in its X-Prometheus-Remote-Write-*-Written headers, whatever its status; the answer to a 1.0
	 * request must not. */
	uint64_t samples_written, histograms_written, exemplars_written;
	bool tell_written;
};

/* STATUS_OK: answer 204. STATUS_BAD_INPUT or STATUS_LIMIT: 400 with error->text, the good part is
 * kept. STATUS_TOO_LARGE: 413. STATUS_MEDIA_TYPE: 415. STATUS_NO_MEMORY: 503; what was stored
 * before memory ran out stays, and resending the request is harmless.
 * content_type and content_encoding may be NULL (absent). Metrics are counted by the callee. */
enum status ingest_request(struct ingest *ingest, const char *content_type,
	const char *content_encoding, const void *body, size_t size, struct ingest_counts *counts,
	struct error *error) MUST_CHECK;

/* Whether type and encoding are acceptable, before the body is read. A refusal is counted in the
 * metrics as a request. */
enum status ingest_check_media(const char *content_type, const char *content_encoding,
	struct error *error) MUST_CHECK;

#endif
