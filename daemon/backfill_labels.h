/*
 * The labels of a series as Prometheus sends it, from those by which it shows the series.
 *
 * What goes out by remote write carries global.external_labels where the series has no label of that
 * name; the query API shows series without them. And the replica's label of an HA pair is removed
 * where it comes in.
 *
 * Ownership: struct sent_labels owns the merged texts; struct external_labels owns its copies.
 * Limits: SENT_LABELS_MAX labels of a series.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_DAEMON_BACKFILL_LABELS_H
#define NIMBUSGUARD_DAEMON_BACKFILL_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/labels.h"
#include "base/matcher.h"

#define SENT_LABELS_MAX 320

/* Of a configuration of Prometheus, its global.external_labels. *relabelled: it rewrites labels of
 * what it sends (write_relabel_configs with actions other than keep and drop), which is not known
 * here. STATUS_BAD_INPUT with place and reason, STATUS_NO_MEMORY. */
enum status external_labels_of_config(const char *yaml, struct labels *labels, bool *relabelled,
	struct error *error) MUST_CHECK;
/* Of a list of name=value. */
enum status external_labels_of_list(const char *const *list, size_t count, struct labels *labels,
	struct error *error) MUST_CHECK;

/* The labels under which a series comes in. replica: the name of the label that is removed when
 * `cluster` is there too; NULL: none is. `sent` points into pairs, external and nothing else.
 * STATUS_LIMIT: too many. pairs: names and values NUL-terminated. */
struct sent_labels {
	struct label pairs[SENT_LABELS_MAX]; /* sorted by name */
	struct labels labels;                /* the same */
};

enum status sent_labels_merge(struct sent_labels *sent, const struct label *pairs, size_t count,
	const struct labels *external, const char *cluster, const char *replica,
	struct error *error) MUST_CHECK;

/* The bytes of these labels in a remote-write 1.0 request, by which the store knows a series. */
void sent_labels_write_raw(const struct sent_labels *sent, struct buf *raw);

/* The selector by which Prometheus finds what these matchers select among the series as sent:
 * without the matchers that external labels fulfil. What it finds may be more than that. */
enum status backfill_selector(const struct matchers *matchers, const struct labels *external,
	struct buf *text, struct error *error) MUST_CHECK;

#endif
