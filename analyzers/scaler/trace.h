/*
 * Traffic by the minute: read from CSV, generated, or put together by the caller.
 *
 * What is odd in a trace is named with its line and either taken as missing, which is never zero, or
 * refused; the notes tell all of it.
 *
 * Ownership: trace_fini() gives back all.
 * Limits: TRACE_MINUTES_MAX minutes, TRACE_NOTES_MAX notes (further ones are counted).
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_TRACE_H
#define NIMBUSGUARD_ANALYZERS_SCALER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TRACE_MINUTES_MAX ((size_t)400 * 1440)
#define TRACE_MINUTES_MIN 60
#define TRACE_NAME_MAX 128
#define TRACE_NOTES_MAX 16
#define TRACE_NOTE_SIZE 256

/* What happens to the cluster during the trace; see load.h. */
enum trace_disturbance {
	TRACE_UNDISTURBED,
	TRACE_CAPACITY_LOSS,   /* from the middle on, pods serve 25 % less */
	TRACE_METRICS_MISSING, /* three times a day for ten minutes */
	TRACE_PODS_LOST        /* three times a day a third of the ready pods */
};

struct trace {
	char name[TRACE_NAME_MAX];
	double *rates; /* requests a second, mean of the minute; NaN: not known. [minutes] */
	size_t minutes;
	int64_t start_ms; /* of the first minute, since 1970; -1: not known */
	enum trace_disturbance disturbance;
	char notes[TRACE_NOTES_MAX][TRACE_NOTE_SIZE];
	size_t note_count, notes_left_out;
};

void trace_init(struct trace *trace, const char *name);
void trace_fini(struct trace *trace);
void trace_note(struct trace *trace, const char *format, ...) PRINTF_LIKE(2, 3);

/* The quantile, 0 to 1, of the known rates; NaN when none is. STATUS_NO_MEMORY. */
enum status trace_quantile(const struct trace *trace, double q, double *rate,
	struct error *error) MUST_CHECK;

enum trace_unit {
	TRACE_UNIT_HEADER, /* as the name of the column says */
	TRACE_UNIT_PER_SECOND,
	TRACE_UNIT_PER_MINUTE,
	TRACE_UNIT_COUNT /* requests since the row before */
};

struct trace_csv_options {
	enum trace_unit unit;
	bool keep_odd; /* zeros and spikes are as they are */
};

/*
 * A table with a header: a column of times (time, timestamp: as table_time() reads them; minute, second:
 * counted from any beginning) and one of traffic (rate, rps, requests_per_second; rpm,
 * requests_per_minute; requests, count, value: requests since the row before). Rows of 1 s to 15 min;
 * plain or gzipped. STATUS_BAD_INPUT with "file:line:column: " for what cannot be used. The trace must
 * have been initialised; after an error it is fit for trace_fini() alone.
 */
enum status trace_read_csv(struct trace *trace, const char *path,
	const struct trace_csv_options *options, struct error *error) MUST_CHECK;

/* One reading; line: of the file, 0 where there is none. */
struct trace_point {
	int64_t t_ms;
	double rate; /* requests a second; NaN: missing */
	size_t line;
};
struct trace_assembly {
	const char *source; /* for messages */
	bool counted;       /* rates are requests since the point before */
	bool keep_odd;
};
/*
 * Readings of any order and distance into minutes. Sorts, drops what is there twice, finds the step,
 * takes lone spikes and holes of zeros as missing (unless keep_odd), and refuses contradictions, negative
 * rates, counters and what cannot be a rate. Changes the points.
 */
enum status trace_assemble(struct trace *trace, const struct trace_assembly *assembly,
	struct trace_point *points, size_t count, struct error *error) MUST_CHECK;

/* Names of the generated shapes, NULL-terminated. */
extern const char *const trace_shapes[];
/* Rates of `peak` requests a second at most but for what a shape adds on purpose; deterministic by seed.
 * STATUS_BAD_INPUT: no such shape. */
enum status trace_generate(struct trace *trace, const char *shape, size_t days, double peak,
	uint64_t seed, struct error *error) MUST_CHECK;

#endif
