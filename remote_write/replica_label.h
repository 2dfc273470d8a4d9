/*
 * The labels of HA pairs in a series of remote write 1.0, found in the bytes of its labels without
 * reading the others: what cluster, what replica, and the bytes without the latter.
 * Ownership: all of it points into the run.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_REPLICA_LABEL_H
#define NIMBUSGUARD_REMOTE_WRITE_REPLICA_LABEL_H

#include <stdbool.h>
#include <stdint.h>

#include "remote_write/election.h"
#include "remote_write/wire.h"

/* What the two labels are called. */
struct replica_names {
	struct election_name cluster, replica;
};

struct replica_label {
	struct election_name cluster, replica; /* values; size 0: there is none */
	struct wire label;                     /* the replica's label in the run, tag and all */
};

/* run: labels of a TimeSeries, one after the other. Up to the second of the two, each must be a name
 * and a value in this order and nothing else, as all senders write them; false for another form, and
 * then nothing can be said. */
bool replica_label_find(struct wire run, const struct replica_names *names,
	struct replica_label *found) MUST_CHECK;

#endif
