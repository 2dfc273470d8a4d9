/*
 * The labels of a series seen for the first time: read, sorted and held against the rules of
 * remote write 1.0 or 2.0.
 *
 * Ownership: the struct owns its arrays; the pairs point into the request body, also those of the
 *   series before: series_labels_forget() before another body.
 * Limits: count_max labels, name_max and value_max bytes.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SERIES_LABELS_H
#define NIMBUSGUARD_REMOTE_WRITE_SERIES_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/labels.h"
#include "remote_write/decode_v1.h"
#include "remote_write/refusal.h"
#include "remote_write/symbols.h"

/* A label as it stands in the body. */
struct label_bytes {
	const uint8_t *at;
	size_t size;
	struct label pair;
};

struct series_labels {
	struct label *pairs; /* room for count_max; sorted by name after a good read */
	/* 1.0: the labels of the series read before, as far as they were good. The next new series
	 * mostly has the same ones but for one or two, and comparing their bytes in one go is cheaper
	 * than reading and checking them. */
	struct label_bytes *known; /* room for count_max */
	uint32_t known_count;
	uint32_t known_together; /* from this one on they stood side by side, and nothing between */
	uint32_t count, count_max, name_max, value_max;
	bool any_name; /* names are any UTF-8, as in 2.0; else the ASCII of 1.0 */
};

/* Takes the memory for count_max labels. STATUS_NO_MEMORY. */
enum status series_labels_init(struct series_labels *labels, uint32_t count_max, uint32_t name_max,
	uint32_t value_max, struct error *error) MUST_CHECK;
void series_labels_fini(struct series_labels *labels);
/* Nothing points into a body any more. */
void series_labels_forget(struct series_labels *labels);

/* Reads the labels of a series. REFUSAL_NONE: the pairs are a valid set, sorted, without empty
 * values. REFUSAL_PROTOBUF: rest->fault says what is malformed at rest->at. All else: *error (may
 * be NULL when nobody will read it) names series, label and reason. */
enum refusal series_labels_read(struct series_labels *labels, const struct series_view *view,
	struct wire *rest, struct error *error) MUST_CHECK;

/* The same for bytes of which it is not known yet what they are. true: they are labels and nothing
 * else, and those are a valid set. false: one of that is not so; nothing is said about it. */
bool series_labels_read_run(struct series_labels *labels, struct wire run) MUST_CHECK;

/* The same for a list of references, of which `count` are there and at most as many as count_max
 * allows are kept. REFUSAL_SYMBOL: half a label, or a symbol that is not there. */
enum refusal series_labels_of_references(struct series_labels *labels,
	const struct symbols *symbols, const uint32_t *references, uint32_t count,
	struct error *error) MUST_CHECK;

/* Puts "series <labels>" before the text of the error. */
void series_labels_name(const struct series_labels *labels, struct error *error);
/* Takes the pair at this index out of the set. */
void series_labels_remove(struct series_labels *labels, uint32_t index);

/* The series as people write it, for messages: name{label="value",...} with whatever is not
 * printable escaped, cut to the room. */
void series_labels_describe(const struct series_labels *labels, char *text, size_t size);

#endif
