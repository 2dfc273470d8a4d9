/*
 * Who of several replicas acts: a thread with a connection of its own that takes and renews a lease.
 *
 * Ownership: texts of the configuration are copied; clock and session are borrowed.
 * Threads: leader_until_ns() and leader_look() from any; open, release and close from one.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_LEADER_H
#define NIMBUSGUARD_REMEDIATIONS_LEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "remediations/kube_client.h"
#include "remediations/lease.h"

/* Where a pod finds the name of its namespace. */
#define LEADER_NAMESPACE_FILE "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

struct leader_config {
	struct kube_client_config kube; /* in_cluster: only what is set beside the address */
	bool in_cluster;                /* address and files are those of our pod */
	const char *namespace_name;     /* NULL or "": the pod's */
	const char *name, *identity;    /* identity: a name to which something random is added */
	const char *url;                /* of our API, as others reach it; NULL or "": not told */
	int64_t duration_ms, renew_ms, retry_ms;
	const struct clock *clock;
	struct kube_session *session; /* tests: in place of a connection; NULL */
};

struct leader;

struct leader_state {
	bool leads;
	char identity[LEASE_IDENTITY_MAX]; /* ours */
	char holder[LEASE_IDENTITY_MAX];   /* "": nobody, or not known */
	char holder_url[LEASE_URL_MAX];
	int64_t transitions;
	int64_t since_ms;   /* when `leads` or the holder changed last, by the clock on the wall */
	struct error error; /* of the last try; STATUS_OK */
};

/* Asks nothing yet but starts to. STATUS_BAD_INPUT, STATUS_NOT_FOUND: no cluster, STATUS_NO_MEMORY. */
enum status leader_open(struct leader **opened, const struct leader_config *config,
	struct error *error) MUST_CHECK;
/* Ends the thread, and gives the lease back when we hold it: nothing may be sent any more. */
void leader_close(struct leader *leader);

void leader_look(struct leader *leader, struct leader_state *state);
/* Until when a change may be on its way (monotonic, ns); 0: we don't lead. A kube_fence_fn. */
int64_t leader_until_ns(void *argument);
void leader_collect(struct leader *leader);

#endif
