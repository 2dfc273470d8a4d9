/*
 * Looking at a target before it is touched: the object, its owners, what owns its replicas, and what
 * people have written on it.
 *
 * The target and its owners are always read, for what is seen of them becomes the precondition of a
 * change. The namespace and the autoscalers come from the watches where these are sure
 * (remediations/kube_watch.h), else they are read too.
 *
 * Threads: a struct kube_look belongs to one thread.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_OBSERVE_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_OBSERVE_H

#include <stdint.h>

#include "base/custom_kind.h"
#include "remediations/actuator.h"
#include "remediations/kube_client.h"
#include "remediations/kube_watch.h"

/* What discovery said of a custom resource. */
struct custom_found {
	int64_t until_ns; /* monotonic; 0: not asked yet */
	bool scales;      /* it has a scale subresource */
};

/* What a thread looks with. What the server has is remembered for a while. */
struct kube_look {
	struct kube_session *session;
	struct kube_watch *watch; /* NULL: all is read */
	int64_t keda_until_ns;    /* monotonic; 0: not asked yet */
	bool keda;                /* the cluster serves ScaledObjects */
	int64_t resize_until_ns;
	bool resize; /* it resizes pods in place */
	int64_t vertical_until_ns;
	bool vertical; /* it has VerticalPodAutoscalers */
	struct custom_found customs[TARGET_CUSTOM_MAX];
};

/* What kube_observe() looks at for some actions only, of a target that is there; NULL: nothing. Fills
 * the observation's fields for it. */
typedef enum status kube_look_fn(struct kube_session *session, const struct target *target,
	const struct purpose *purpose, struct observation *observation, struct error *error);

/* Fills *observation; what could not be told stands in observation->error, and then nothing in it is
 * to be relied on. An object that is not there is no error: found is false. purpose NULL: only the
 * target matters. */
void kube_observe(struct kube_look *look, const struct target *target,
	const struct purpose *purpose, struct observation *observation);

/* Which GitOps controller an object is marked by: "argocd:app", "flux:name", or "". */
void kube_git_owner(const json_t *object, enum target_kind kind, char *text, size_t room);

/* What target.looks asks for, once the rest of the observation is filled (kube_look.c). target and top
 * of its chain of owners: as they were read. */
enum status kube_look_further(struct kube_look *look, const json_t *target, const json_t *top,
	struct observation *observation, struct error *error) MUST_CHECK;

/* Gets an object; *object is the caller's (json_decref). */
enum status kube_read(struct kube_session *session, const char *path, json_t **object,
	struct error *error) MUST_CHECK;

#endif
