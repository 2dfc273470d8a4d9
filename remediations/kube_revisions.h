/*
 * The revisions that a workload has been through: ReplicaSets of a Deployment, ControllerRevisions of
 * a StatefulSet or a DaemonSet.
 *
 * Source: kubectl's rollback (kubernetes/kubectl pkg/polymorphichelpers/rollback.go, history.go).
 * Ownership: objects that are returned belong to the struct (kube_revisions_fini()).
 * Limits: lists of at most 40 pages of 100.
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_REVISIONS_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_REVISIONS_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/workload.h"
#include "remediations/kube_client.h"

struct kube_revisions {
	int64_t newest, previous; /* 0: there is none */
	json_t *wanted;           /* the object of the revision asked for; NULL: it is not there */
};

/* workload: the object as it was read. wanted: a revision whose object is kept; 0: none. Errors as
 * kube_session_call(); STATUS_UNSUPPORTED for a kind without revisions. */
enum status kube_revisions_read(struct kube_session *session, const json_t *workload,
	enum target_kind kind, int64_t wanted, struct kube_revisions *revisions,
	struct error *error) MUST_CHECK;
void kube_revisions_fini(struct kube_revisions *revisions);

/* Appends "&labelSelector=a%3Db,c%3Dd" of the workload's matchLabels, which may fit others' objects too;
 * nothing where it has none. */
void kube_selector_add(struct buf *path, const json_t *workload);

#endif
