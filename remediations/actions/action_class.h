/*
 * What makes an action: one class a kind, in a file of its own. Plans, commands, the guard, the
 * roles and the calls to the cluster ask the class; nothing else switches on the kind.
 *
 * To add an action:
 *   1. A line in ACTION_TABLE (remediations/actuator.h): its name in playbooks is its class's name.
 *   2. actions/<name>.c with `const struct action_class action_<name>`. What has values to write
 *      names them in CHANGE_FIELD_TABLE (remediations/change.h); the journal, the API, undo, the
 *      budgets and the hash that an approval is bound to then know them.
 *   3. Its keys: `keys` and `read_step`, with the readers of remediations/playbook_step.h, so that
 *      each error has its place. Its plan: `plan`, which refuses with a reason code what cannot or
 *      need not be done (a line in docs/playbooks.md), from question->observation alone; what an
 *      observation lacks is added to struct observation, kube_observe.c and observation_value().
 *   4. How it is carried out on the cluster: struct kube_action. One request with a precondition
 *      needs `write_body` and what tells it apart after a conflict; what takes many calls or waits
 *      gives `go_on` in its place. What is no business of the API server (a webhook, a silence)
 *      gives none; the remediator's port_send() must then know who carries it out.
 *      What must be known of the target for this action alone is read by `look`, for a struct purpose.
 *      One that goes on after a restart says `resumes`, and `applied` answers APPLIED_BEGUN. What is
 *      sent by the playbook's text (a template, a body) is made by `make_payload` just before it is
 *      sent, from step->payload, whose hash is options.content.
 *   5. Each call of kube_action, and each read that only this action makes, is a line of `needs`;
 *      the role that `nimbusguard rbac` writes is made of these lines.
 *   6. Tests: test_actuator_kube.c holds each class against the requests that it sends, test_playbook.c
 *      against its keys, test_plan.c against its plans; tests/e2e/test_kubernetes_client.c has it
 *      done by a real API server.
 *
 * Ownership: classes are constants.
 * Threads: plan, applied and read_step are pure; what is in kube_action runs on the session's thread.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTIONS_ACTION_CLASS_H
#define NIMBUSGUARD_REMEDIATIONS_ACTIONS_ACTION_CLASS_H

#include <jansson.h>

#include "remediations/kube_observe.h"
#include "remediations/kube_send.h"
#include "remediations/plan.h"
#include "remediations/playbook_step.h"
#include "remediations/words.h"

#define TARGET_BIT(kind) (1u << (unsigned)(kind))
#define TARGETS_WORKLOAD                                                                           \
	(TARGET_BIT(TARGET_DEPLOYMENT) | TARGET_BIT(TARGET_STATEFULSET) |                          \
		TARGET_BIT(TARGET_DAEMONSET))

/* Custom resources that playbooks name (base/custom_kind.h). */
#define TARGETS_CUSTOM (((1u << TARGET_CUSTOM_MAX) - 1) << TARGET_KIND_COUNT)

/* What the service must be allowed to for this action, beside looking at the target. */
struct action_need {
	/* resource with its subresource: deployments/scale. group NULL: of the playbook's custom
	 * resource, where resource is the subresource alone: "", "/scale". */
	const char *group, *resource, *verb;
	unsigned targets;   /* bits: for which kinds of target */
	const char *reason; /* "writes the replicas" */
	bool look;          /* also where a playbook only looks and suggests */
};

/* Reason of a need that nothing is disabled for: without it the action is done in another way. */
#define NEED_IN_PLACE "resizes pods in place; without it they are rolled out"

/* What keeps an action from being done twice. */
enum action_way {
	/* Absolute values, with the resourceVersion that was looked at as precondition: again it does
	 * no harm. Of objects whose annotations cannot be written in the same request. */
	ACTION_BY_VALUE,
	/* The action's key is written on the object as an annotation with the change. */
	ACTION_BY_KEY,
	/* The uid is the precondition: what is gone cannot be deleted again. */
	ACTION_BY_UID,
	/* It is looked up by the action's key before it is made: tickets, jobs, silences. */
	ACTION_BY_LOOKUP
};

/* How it is carried out by calls to an API server (kube_send.c drives it). Absent functions: nothing
 * to do, or true. */
struct kube_action {
	enum kube_method method;
	const char *content_type;
	const char *subresource; /* "/scale"; NULL: none */
	unsigned targets;        /* bits: kinds of object that the call exists for */
	/* What must be known of the target for this action alone, before and after it. */
	kube_look_fn *look;
	/* Is the command whole? The common things (uid, version, deadline) were checked. */
	enum status (*check)(const struct command *command, struct error *error);
	/* Reads what the body needs; asked again after a conflict. STATUS_OK with sending->already
	 * set: nothing is left to do. */
	enum status (*prepare)(struct sending *sending, struct error *error);
	/* The body, without the braces around it for a merge patch (see sending_add_metadata()). */
	void (*write_body)(struct buf *body, const struct sending *sending);
	/* After a conflict, of the object as it is now: is it as the command wants it; are the values
	 * that the guard judged still so? */
	bool (*is_wanted)(const struct sending *sending, const json_t *object);
	bool (*is_judged)(const struct sending *sending, const json_t *object);
	/*
	 * In place of one request: goes on with it as far as it can without waiting. STATUS_OK: done.
	 * STATUS_BUSY: call again after *again_ms; sending->state is the action's own between calls
	 * and sending->progress what it tells people. Anything else ends it. Calls that it makes by
	 * sending_call() end at the command's deadline, after which go_on is asked no more.
	 */
	enum status (*go_on)(struct sending *sending, int64_t *again_ms, struct error *error);
	/* After one request, for objects of these kinds (bits): whether what was asked for is done. As
	 * go_on; not asked after a server's dry run. */
	unsigned await_targets;
	enum status (*await)(struct sending *sending, int64_t *again_ms, struct error *error);
	/* Ends what was begun, however it ended: takes back what must not stay (a cordon, a resize
	 * that is not done), frees state. `status` is the command's and *error its words, to which it
	 * may add; when nothing is left of a change that failed, sending->sent is set to false: it is
	 * surely not done. Called also where nothing was sent. */
	void (*end)(struct sending *sending, enum status status, struct error *error);
};

struct action_class {
	const char *name;
	bool disruptive;  /* interrupts what runs */
	bool destructive; /* it restarts, removes or runs something: "destructive" in two_persons */
	bool is_told;     /* only people are told: no target is touched or looked at */

	/* What gates ask (guard_target.c). */
	bool writes_replicas;  /* an autoscaler would take it back */
	bool writes_resources; /* a VerticalPodAutoscaler would take it back */
	bool writes_manifest;  /* GitOps would take it back */
	bool cordons;          /* makes a node unschedulable */
	bool needs_pod_owner;  /* somebody must make the pod anew */
	bool while_paused;     /* may be done to a paused rollout */

	unsigned targets; /* bits: what a playbook's target may be; is_told: any */
	unsigned looks;   /* LOOK_...: what its observations tell beyond the usual */
	/* Keys of a step beside `action`, NULL-terminated; NULL: none. */
	const char *const *keys;
	void (*read_step)(const struct step_reading *reading, struct playbook_step *step);

	/* Fills plan->changes, words, and the refusal where there is one; the plan is zeroed but for
	 * its kind and basis. */
	void (*plan)(struct plan *plan, const struct plan_question *question);
	/* Whether the inverse is the same action with the values turned round. */
	bool inverse;
	/* A restart in the middle goes on with it, where plan_applied() says that it was begun. */
	bool resumes;
	/* The next step comes at once; it is not watched, and ends with the incident. */
	bool accompanies;
	/* One that failed is not tried again. */
	bool once;
	/* What a step with options.content sends (mem_free), made just before it is sent; NULL: no memory. */
	char *(*make_payload)(const struct plan_question *question, const char *action_id);
	/* One at a time in the whole cluster. */
	bool alone;
	/* See plan_applied(). observation is one of the target, without an error; whether it is the
	 * same object was checked unless gone_is_done. */
	int (*applied)(const struct plan *plan, const struct target *target, const char *action_id,
		const struct observation *observation);
	/* Whether `applied` reads values back, which somebody may have changed since. */
	bool reads_back;
	/* The target may be gone, or another of its name, when it is done. */
	bool gone_is_done;

	/* The command in words, as an infinitive. */
	void (*describe)(struct words *words, const struct command *command);

	enum action_way way;
	const struct kube_action *kube; /* NULL: no calls to an API server */
	/* In its place where command->options.by_resize; its `look` is that of `kube`. NULL: none. */
	const struct kube_action *kube_by_resize;
	const struct action_need *needs; /* to carry it out */
	size_t need_count;
	/* Whether a step with these options needs it; NULL: each does. */
	bool (*is_needed)(const struct action_need *need, const struct action_options *options);
};

const struct action_class *action_class(enum action_kind kind);

#define X(kind, name) extern const struct action_class action_##name;
ACTION_TABLE(X)
#undef X

#endif
