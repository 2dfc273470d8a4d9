/*
 * An event: an alert, a finding or a proposal, as the remediation engine sees it; and the batch of
 * alerts of one webhook message.
 *
 * Ownership: an event owns its labels, annotations and texts; event_fini() gives them back.
 * Limits: labels and annotations at most EVENT_LABELS_MAX pairs, names 1 KiB, values 64 KiB.
 * Threads: plain values; one owner at a time.
 */
#ifndef NIMBUSGUARD_BASE_EVENT_H
#define NIMBUSGUARD_BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json_span.h"
#include "base/labels.h"

#define EVENT_LABELS_MAX 256
#define EVENT_LABEL_NAME_MAX 1024
#define EVENT_LABEL_VALUE_MAX 65536

enum event_source { EVENT_ALERT, EVENT_FINDING, EVENT_PROPOSAL };

struct event {
	enum event_source source;
	bool firing;          /* false: resolved */
	bool truncated;       /* came in a message with truncatedAlerts > 0 */
	uint64_t fingerprint; /* identity over time: labels_fingerprint(&labels) */
	int64_t starts_ms, ends_ms, received_ms; /* ends_ms 0: still firing */
	struct labels labels, annotations;
	char *receiver;      /* unescaped name of the Alertmanager receiver; NULL for others */
	char *generator_url; /* may be NULL */
	char *node; /* of findings: that all pods of the workload run on; NULL: unknown, several */
	double score, confidence; /* findings and proposals; NaN for alerts */
	uint64_t group;           /* findings of one trouble have the same; 0: none is known */
	/* A finding carries its explanation in annotations: summary, description, value, expected, since. */
};

const char *event_source_name(enum event_source source);
void event_init(struct event *event);
void event_fini(struct event *event);
enum status event_clone(struct event *copy, const struct event *event) MUST_CHECK;
/* The JSON object as labels, null as none. STATUS_BAD_INPUT for a value that is no string, a repeated
 * or empty name, and text that is not UTF-8 or holds a NUL; STATUS_LIMIT past the limits above. */
enum status event_read_labels(struct labels *labels, const struct json_span *object,
	struct error *error) MUST_CHECK;
/* Labels, annotations, times and the rest as one JSON object, as stored in the journal and shown
 * by the API; event_read_json() takes it back and ignores fields it does not know. */
void event_write_json(struct buf *buf, const struct event *event);
enum status event_read_json(struct event *event, const char *text, size_t size,
	struct error *error) MUST_CHECK;

/* The first alert of a message that could not be used: where it stood and why. */
struct event_invalid {
	size_t index;         /* in the message, from 0 */
	char fingerprint[17]; /* as the sender gave it; "" when it gave none that is one */
	const char *reason;   /* the metric's word, static */
	char text[256];       /* more of it; "" when there is no more to say */
};

/* The alerts of one webhook message, in its order. */
struct event_batch {
	struct event *events;
	size_t count;
	uint64_t truncated_count, invalid_count, own_count;
	struct event_invalid first_invalid; /* when invalid_count > 0 */
};

void event_batch_fini(struct event_batch *batch);

#endif
