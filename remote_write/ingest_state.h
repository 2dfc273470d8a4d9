/*
 * The inside of struct ingest, shared by ingest.c (the request as a whole), ingest_v1.c and
 * ingest_v2.c (the body by version of the protocol). Nobody else includes it.
 *
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_INGEST_STATE_H
#define NIMBUSGUARD_REMOTE_WRITE_INGEST_STATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "remote_write/decode_v1.h"
#include "remote_write/ingest.h"
#include "remote_write/media.h"
#include "remote_write/refusal.h"
#include "remote_write/series_labels.h"
#include "remote_write/snappy_body.h"
#include "remote_write/symbols.h"

/* Frames looked at in one step: their keys, samples and what is fetched for them fit in the first
 * cache. */
#define GROUP_MAX 64
/* Samples handed to the store at a time. */
#define BATCH_MAX 1024

struct ingest_cells {
	struct metric_cell *bytes, *decoded_bytes, *exemplars, *histograms, *metadata;
	struct metric_cell *outcomes[STATUS_COUNT], *results[APPEND_RESULT_COUNT];
	struct metric_cell *refusals[REFUSAL_COUNT], *versions[WRITE_VERSION_COUNT];
};

/* `plain`: the frame is labels and one sample, nothing that another step would have to look at. In
 * 1.0 that is a guess until the key is known. */
struct group {
	struct wire frames[GROUP_MAX];
	struct decoded_sample samples[GROUP_MAX];
	struct store_key keys[GROUP_MAX];
	uint32_t series[GROUP_MAX];
	bool plain[GROUP_MAX];
	bool metadata[GROUP_MAX]; /* 2.0 */
};

struct ingest {
	struct store *store;
	struct ingest_limits limits;
	struct snappy_body decoded;
	struct series_labels labels;
	struct buf canonical;   /* 1.0: labels that did not stand together, one after the other */
	struct symbols symbols; /* 2.0 */
	uint32_t *references;   /* 2.0: [reference_max], the labels of the series at hand */
	uint32_t reference_max; /* one more than labels_max labels have, to see half a label */
	struct ingest_counts *counts; /* of the request at hand */
	struct error first;           /* what was wrong first in it */
	size_t batch_count;
	struct ingest_cells cells;
	struct group group;
	struct store_sample batch[BATCH_MAX];
};

/* All of the decoded body. What is wrong with it goes to ingest->first. */
void ingest_body_v1(struct ingest *ingest);
void ingest_body_v2(struct ingest *ingest);

/* Where the text of the next fault goes: only the first is told. */
static inline struct error *first_error(struct ingest *ingest)
{
	return ingest->first.code == STATUS_OK ? &ingest->first : NULL;
}

static inline void count_refusal(struct ingest *ingest, enum refusal refusal)
{
	metric_cell_add(ingest->cells.refusals[refusal], 1);
}

/* The batch to the store. */
void ingest_flush(struct ingest *ingest);

static inline void add_sample(struct ingest *ingest, uint32_t series, int64_t t_ms, double value)
{
	if (ingest->batch_count == BATCH_MAX)
		ingest_flush(ingest);
	ingest->batch[ingest->batch_count++] = (struct store_sample){
		.series = series,
		.t_ms = t_ms,
		.value = value,
	};
}

/* Bytes that are no protobuf, at this place of the body. Returns STATUS_BAD_INPUT. */
enum status ingest_refuse_bytes(struct ingest *ingest, const uint8_t *at, const char *fault);
/* How many of the next `count` series may be taken under limits.series_max. */
size_t ingest_allowed(const struct ingest *ingest, size_t count);
/* Says that series_max was passed. */
void ingest_refuse_rest(struct ingest *ingest);
/* A series of valid labels (ingest->labels) that the store does not know by this key. *series stays
 * STORE_NO_SERIES when the store has no room; then it was counted as a refusal and told.
 * STATUS_NO_MEMORY ends the request. */
enum status ingest_intern(struct ingest *ingest, struct store_key key, uint32_t *series) MUST_CHECK;

#endif
