/*
 * Parts of adjust_resources: how a resize is asked for and what the kubelet says of it (resize.c), and
 * a workload resized in place, pod by pod (resize_pods.c).
 *
 * Threads: pure functions, but for what reads the cluster, which is the session's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTIONS_RESIZE_H
#define NIMBUSGUARD_REMEDIATIONS_ACTIONS_RESIZE_H

#include "remediations/actions/action_class.h"

#define RESIZE_WAIT_MS (2 * 60000) /* for one pod's kubelet */
#define RESIZE_LOOK_MS 1000
#define RESIZE_ALL_MS (10 * 60000) /* for all pods of a workload */

/* "containers":[...] of a pod's spec, with the values after the change, or with `back` those before. */
void resize_add_container(struct buf *body, const struct sending *sending, bool back);
/* A read_change_fn of a container, and of its status. */
bool resize_value(const json_t *container, enum change_field field, int64_t *value);
/* Whether the kubelet has something left to do or has refused it. */
bool resize_is_pending(const json_t *pod);
/* What has become of the resize of the pod of this uid. STATUS_OK: done. STATUS_BUSY: not yet, and
 * sending->progress tells how far. Else: it will not be done. */
enum status resize_judge(struct sending *sending, const json_t *pod, const char *uid,
	struct error *error) MUST_CHECK;
/* Sends a patch unless status says that it could not be made, and frees both buffers. */
enum status resize_send(struct sending *sending, struct buf *path, struct buf *body,
	enum status status, struct error *error) MUST_CHECK;
/* Writes the values into a pod of this uid; version "": in whatever state. Errors as sending_call(). */
enum status resize_patch(struct sending *sending, const char *pod, const char *uid,
	const char *version, bool back, struct error *error) MUST_CHECK;

/* ---- of a workload ---- */

/* Fills observation->resize for steps that may be done in place, where the server can. */
kube_look_fn resize_look;
/* As plan_applied(), of a plan by resize. */
int resize_applied(const struct plan *plan, const struct observation *observation);
extern const struct kube_action resize_pods;

#endif
