/*
 * Pairs of Prometheus servers that scrape the same targets (HA pairs): of each cluster the samples of
 * one replica are taken, and those of the others when that one has been silent for a while.
 *
 * Ownership: the election owns its copies of names.
 * Limits: cluster_max clusters and ELECTION_REPLICAS replicas for each on average; names of
 *   ELECTION_TEXT_MAX bytes. A full table gives the place of whoever was silent for longer than
 *   ELECTION_FORGET_MS, else it answers STATUS_LIMIT.
 * Threads: all functions but opening and closing from any thread.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_ELECTION_H
#define NIMBUSGUARD_REMOTE_WRITE_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define ELECTION_TEXT_MAX 256
#define ELECTION_REPLICAS 8
#define ELECTION_FORGET_MS INT64_C(3600000)
#define ELECTION_NOBODY UINT32_MAX

struct election;

/* A name as it stands in a request; not NUL-terminated. */
struct election_name {
	const char *text;
	uint32_t size;
};

/* failover_ms: for so long the elected replica must be silent. NULL: out of memory. */
struct election *election_open(uint32_t cluster_max, int64_t failover_ms,
	struct error *error) MUST_CHECK;
void election_close(struct election *election);

/* The number of a replica of a cluster, made when new; the first replica of a cluster is elected.
 * now_ms: of a monotonic clock. STATUS_LIMIT with a text; STATUS_NO_MEMORY. */
enum status election_find(struct election *election, struct election_name cluster,
	struct election_name replica, int64_t now_ms, uint32_t *number,
	struct error *error) MUST_CHECK;

/* Whether the samples of this replica are to be taken now: it is the elected one, or it becomes that
 * because the elected one has been silent. A number from election_find() within this request. */
bool election_take(struct election *election, uint32_t number, int64_t now_ms);

#endif
