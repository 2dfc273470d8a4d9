/*
 * What is replayed, in the order of time: bodies as they were received, samples of files and of a
 * Prometheus, and messages of Alertmanager.
 *
 * Ownership: the tape owns copies of all that is added.
 * Limits: TAPE_BYTES_MAX bytes of bodies, TAPE_SAMPLES_MAX samples, TAPE_SERIES_MAX series.
 * Order: what has the same time stays in the order in which it was added.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_TAPE_H
#define NIMBUSGUARD_DAEMON_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/labels.h"
#include "daemon/recording.h"

#define TAPE_BYTES_MAX ((uint64_t)4 << 30)
#define TAPE_SAMPLES_MAX ((size_t)50000000)
#define TAPE_SERIES_MAX ((size_t)2000000)

struct tape_sample {
	int64_t t_ms;
	double value;
	uint32_t series; /* index in series[] */
};

struct tape {
	struct recording_frame *frames; /* bodies are owned */
	size_t frame_count, frame_room;
	struct tape_sample *samples;
	size_t sample_count, sample_room;
	struct labels *series;
	size_t series_count, series_room;
	uint32_t *table; /* hash table of series, index + 1; 0: empty */
	size_t table_size;
	uint64_t bytes;          /* of bodies */
	size_t webhooks, writes; /* frames of these kinds */
	size_t alert_series;     /* whose alerts were made into messages */
};

void tape_init(struct tape *tape);
void tape_fini(struct tape *tape);

/* STATUS_LIMIT, STATUS_NO_MEMORY, for all that adds. */
enum status tape_add_frame(struct tape *tape, const struct recording_frame *frame,
	struct error *error) MUST_CHECK;
/* The index of this series, which is made when it is new. */
enum status tape_add_series(struct tape *tape, const struct labels *labels, uint32_t *series,
	struct error *error) MUST_CHECK;
enum status tape_add_sample(struct tape *tape, uint32_t series, int64_t t_ms, double value,
	struct error *error) MUST_CHECK;

/* Sorts. Where no message of Alertmanager is on the tape the series ALERTS{alertstate="firing"} stand
 * for them: an alert fires from the first sample of a run on and ends an interval behind its last. */
enum status tape_finish(struct tape *tape, struct error *error) MUST_CHECK;

/* Of the first and last thing on it; false when it is empty. */
bool tape_range(const struct tape *tape, int64_t *first_ms, int64_t *last_ms);

/*
 * Files (tape_read.c), known by how they begin: a recording, a snapshot of the store, messages of
 * Alertmanager as JSON lines, or samples as text (OpenMetrics, the exposition format with times, what
 * `promtool tsdb dump` writes). A folder: its recordings. The error names file, and line or byte.
 * *warning (may be NULL) gets what was passed over.
 */
enum status tape_read(struct tape *tape, const char *path, struct buf *warning,
	struct error *error) MUST_CHECK;
/* The text forms, for a text in memory; name stands in messages. */
enum status tape_read_text(struct tape *tape, const char *name, const char *text, size_t size,
	struct error *error) MUST_CHECK;
enum status tape_read_alerts(struct tape *tape, const char *name, const char *text, size_t size,
	struct error *error) MUST_CHECK;

#endif
