/*
 * What a receiver keeps of the stream, shared by the threads that ingest: which series, of which
 * replica, and of which series native histograms and exemplars.
 *
 * Ownership: the rules own copies of what they are given, but for the clock, which must outlive them.
 *   They must outlive every struct ingest that uses them.
 * Limits: SELECTORS_MAX selectors in a list; dropped_max; cluster_max.
 * Threads: opening and closing by one thread; used by all.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_INGEST_RULES_H
#define NIMBUSGUARD_REMOTE_WRITE_INGEST_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

struct ingest;
struct ingest_rules;
struct records;
struct starts;

struct ingest_selector_list {
	const char *const *texts;
	size_t count;
};

struct ingest_rules_config {
	/* A new series is kept when one of `keep` matches it (or there is none) and none of `drop`. */
	struct ingest_selector_list keep, drop;
	uint32_t dropped_max; /* dropped series that are remembered */
	/* HA pairs: off when ha is false. The replica's label is removed before a series is identified;
	 * a series without one of the two labels is taken as it is. */
	bool ha;
	const char *cluster_label, *replica_label;
	int64_t failover_ms;
	uint32_t cluster_max;
	const struct clock *clock;
	/* Series that keep their native histograms and exemplars, and where; records NULL: none does.
	 * The records are borrowed and must outlive the rules. */
	struct ingest_selector_list histograms, exemplars;
	struct records *histogram_records, *exemplar_records;
	struct starts *starts; /* where start timestamps go; borrowed; NULL: nowhere */
};

/* NULL: STATUS_BAD_INPUT naming setting and selector, STATUS_LIMIT, STATUS_NO_MEMORY. */
struct ingest_rules *ingest_rules_open(const struct ingest_rules_config *config,
	struct error *error) MUST_CHECK;
void ingest_rules_close(struct ingest_rules *rules);

/* Before the first request; NULL: everything is kept. STATUS_NO_MEMORY. */
enum status ingest_use_rules(struct ingest *ingest, struct ingest_rules *rules,
	struct error *error) MUST_CHECK;

#endif
