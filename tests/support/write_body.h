/*
 * Remote-write bodies for tests, written field by field so that a test can make what no sender
 * would, and snappy blocks of literals alone.
 *
 * Limits: WRITE_BODY_MAX bytes; writing more ends the test.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_WRITE_BODY_H
#define NIMBUSGUARD_TESTS_SUPPORT_WRITE_BODY_H

#include <stddef.h>
#include <stdint.h>

#define WRITE_BODY_MAX ((size_t)1 << 18)

struct write_body {
	size_t size;
	uint8_t bytes[WRITE_BODY_MAX];
};

void write_body_reset(struct write_body *body);
void write_body_bytes(struct write_body *body, const void *bytes, size_t size);
/* Pairs of hexadecimal digits; white space between them means nothing. */
void write_body_hex(struct write_body *body, const char *hex);
/* A length-delimited field. */
void write_body_field(struct write_body *body, uint32_t field, const void *bytes, size_t size);

/* Parts of a TimeSeries. */
void write_body_label(struct write_body *series, const char *name, const char *value);
void write_body_sample(struct write_body *series, int64_t t_ms, double value);

/* A whole TimeSeries as part of a request; labels are given as a=b,c=d. */
void write_body_series(struct write_body *request, const struct write_body *series);
void write_body_simple(struct write_body *request, const char *labels, int64_t t_ms, double value);

/*
 * The same for 2.0. Symbols are put where they are needed, before the series that uses them, each as
 * often as it is asked for; the numbers count on.
 */
struct write_body_v2 {
	struct write_body body;
	uint32_t symbol_count;
};

/* Empty but for the symbol "". */
void write_body_v2_reset(struct write_body_v2 *request);
uint32_t write_body_v2_symbol(struct write_body_v2 *request, const char *text);
/* Symbols for a=b,c=d and a series' labels_refs of them. */
void write_body_v2_labels(struct write_body_v2 *request, struct write_body *series,
	const char *labels);
/* A block of references in this field. */
void write_body_v2_references(struct write_body *message, uint32_t field,
	const uint32_t *references, size_t count);
/* start_ms 0: left out. */
void write_body_v2_sample(struct write_body *series, int64_t t_ms, double value, int64_t start_ms);
void write_body_v2_series(struct write_body_v2 *request, const struct write_body *series);
void write_body_v2_simple(struct write_body_v2 *request, const char *labels, int64_t t_ms,
	double value);

/* Numbers of a message. */
void write_body_number(struct write_body *message, uint32_t field, uint64_t value);
void write_body_double(struct write_body *message, uint32_t field, double value);

/* The snappy block of it, in literals alone. */
void write_body_snappy(const struct write_body *request, struct write_body *block);

#endif
