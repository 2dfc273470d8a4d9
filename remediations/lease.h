/*
 * The election by a Lease of coordination.k8s.io, one try at a time: client-go's rules
 * (tools/leaderelection). A record counts from the moment at which it was seen to change, by the local
 * monotonic clock; what the holder's clock says is never compared with ours.
 *
 *   no lease, or nobody holds it, or its record did not change for its duration -> take it
 *   it is ours -> renew it; each PUT carries the resourceVersion that was read
 *   renew_ms without a renewal, or another holder -> not leading
 *
 * Ownership: texts of the configuration are borrowed.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_LEASE_H
#define NIMBUSGUARD_REMEDIATIONS_LEASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "remediations/kube_client.h"

#define LEASE_IDENTITY_MAX 256
#define LEASE_URL_MAX 512
#define LEASE_ANNOTATION_URL "nimbusguard.io/url"

struct lease_config {
	const char *namespace_name, *name, *identity;
	const char *url; /* where others reach this replica's API; NULL: not told */
	int64_t duration_ms, renew_ms, retry_ms; /* duration > renew > 1.2 x retry; whole seconds */
	const struct clock *clock;
};

struct lease {
	struct lease_config config;
	json_t *object;  /* as it was read last, or NULL */
	json_t *record;  /* its spec when it was last seen to change; borrowed from seen */
	json_t *seen;    /* the object that it is of */
	int64_t seen_ns; /* monotonic */
	bool leads;
	int64_t renewed_ns; /* monotonic: right before the request of the last renewal */
};

/* STATUS_BAD_INPUT when the times don't fit. */
enum status lease_init(struct lease *lease, const struct lease_config *config,
	struct error *error) MUST_CHECK;
void lease_fini(struct lease *lease);

/* One try to take or renew it; lease->leads tells what came of it. STATUS_OK, or STATUS_BUSY when
 * another one holds it, or why the API server gave no answer. */
enum status lease_try(struct lease *lease, struct kube_session *session,
	struct error *error) MUST_CHECK;
/* Gives it back at a clean stop, so that another one need not wait for its end. */
enum status lease_release(struct lease *lease, struct kube_session *session,
	struct error *error) MUST_CHECK;

/* "" when nobody holds it or nothing was read yet. */
const char *lease_holder(const struct lease *lease);
const char *lease_holder_url(const struct lease *lease);
int64_t lease_transitions(const struct lease *lease);

/* Until when a holder that renewed then may change anything (monotonic, ns): the lease's end less a
 * twentieth for clocks that run apart and requests that the server still holds; 0 once renew_ms have
 * passed, for it may not begin anything any more. */
int64_t lease_until_ns(const struct lease_config *config, int64_t renewed_ns, int64_t now_ns);

#endif
