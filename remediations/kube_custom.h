/*
 * Custom resources as the server serves them: whether it has the kind, and the replicas by its scale
 * subresource, whose fields are the same for all kinds while those of the resource are its own.
 *
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_CUSTOM_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_CUSTOM_H

#include "remediations/kube_observe.h"

/* Looks the kind up in the discovery of its group and version, which is remembered for a while.
 * *scales: it has a scale subresource. STATUS_NOT_FOUND: no such kind is served; STATUS_BAD_INPUT: it
 * is served otherwise than the playbook says, or lives in no namespace. */
enum status kube_custom_find(struct kube_look *look, enum target_kind kind, bool *scales,
	struct error *error) MUST_CHECK;

/* The scale subresource of an object; *scale is the caller's (json_decref). */
enum status kube_scale_read(struct kube_session *session, enum target_kind kind,
	const char *namespace_name, const char *name, json_t **scale,
	struct error *error) MUST_CHECK;

/* Fills the observation's replicas of a target that was found: from its scale subresource, or
 * `no_scale` where it has none. */
enum status kube_custom_look(struct kube_look *look, struct observation *observation,
	struct error *error) MUST_CHECK;

#endif
