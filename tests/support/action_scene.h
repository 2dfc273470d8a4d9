/*
 * One action from its playbook's text to the cluster and back, on a cluster in memory that allows only
 * what the roles for that playbook allow: look, plan, send, look again, undo.
 *
 * Usage: scene_open(), scene_add() the objects, scene_step() the step, then scene_look() and so on.
 * Ownership: the scene owns all of it (scene_close()).
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ACTION_SCENE_H
#define NIMBUSGUARD_TESTS_SUPPORT_ACTION_SCENE_H

#include "base/clock.h"
#include "daemon/case_cluster.h"
#include "remediations/guard_gates.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_send.h"
#include "remediations/permissions.h"
#include "remediations/plan.h"

#define SCENE_CALLS_MAX 64

struct scene_call {
	enum kube_method method;
	char *path, *content_type, *body; /* owned; body "" when there was none */
};

struct scene;
/* Called before each call is served; for what happens in between. */
typedef void scene_before_fn(struct scene *scene, const struct kube_request *request);

struct scene {
	struct case_cluster cluster;
	struct kube_session *session;
	struct kube_look look;
	struct clock_manual clock;
	struct playbooks *playbooks;
	struct permissions permissions;
	struct event event;
	struct target target;
	struct purpose purpose;
	struct observation observation;
	struct plan plan, done;
	struct command command;
	struct command_result result;
	int32_t replicas_max;
	bool resize_failed;           /* of the question that is planned on */
	struct signal_source signals; /* none unless set */
	scene_before_fn *before;
	struct scene_call calls[SCENE_CALLS_MAX];
	size_t call_count;
	struct kube_session *served; /* owned; the cluster in memory */
};

/* For cmocka's setup and teardown. */
int scene_setup(void **state);
int scene_teardown(void **state);

/* From now on a real API server is asked, by this session, which stays the caller's. */
void scene_attach(struct scene *scene, struct kube_session *session);

/* An object as JSON, in which ' stands for "; merged over the one of its kind and name. */
void scene_add(struct scene *scene, const char *manifest);
/* The object's member at the end of the names (NULL-terminated), borrowed. */
json_t *scene_get(struct scene *scene, const char *path, ...) __attribute__((sentinel));
/* A playbook with this step (a map in YAML's flow form) and a condition, for a target of this kind. */
void scene_step(struct scene *scene, const char *kind, const char *step);
/* What is said of such a playbook when it is read; without a condition when `bare`. Fails unless the
 * part is in it; part NULL: nothing must be said. */
void scene_says(const char *kind, const char *step, bool bare, const char *part);

/* Looks at shop/<kind>/<name>, as the step's action asks. */
void scene_look(struct scene *scene, enum target_kind kind, const char *name);
/* The same; false when it could not be looked at, and what is wrong in observation.error. */
bool scene_try_look(struct scene *scene, enum target_kind kind, const char *name);
/* Plans the step on what was seen; the refusal's reason. */
const char *scene_plan(struct scene *scene);
/* Sends the plan under the id and looks again. */
void scene_send(struct scene *scene, const char *id);
/* Looks again at what was sent under the id; scene_send() has done so. */
void scene_again(struct scene *scene, const char *id);
/* Plans the inverse of what was sent under `id`; the refusal's reason. */
const char *scene_undo(struct scene *scene, const char *id);
/* plan_applied() of the plan by what was seen last. */
int scene_applied(const struct scene *scene, const char *id);

/* What a gate of the guard says of the plan on what was seen, with nothing done before. */
struct gate_result scene_gate(const struct scene *scene, judge_fn *judge, bool undo);

/* The newest call that is no read; NULL: none. */
const struct scene_call *scene_change(const struct scene *scene);
size_t scene_changes(const struct scene *scene);

#endif
