/*
 * The guard: the one choke point before anything is done. Every gate is asked, each leaves its
 * value, its bound and its verdict in the decision, and one refusal is enough.
 *
 * It fails closed: what is not known refuses a real change. In a dry run the same gates are asked
 * with the same bounds; only what could not be known without a cluster lets the dry run pass, marked
 * "unknown", so that a plan can be shown before a cluster is configured.
 *
 * Ownership: the question borrows all it points to; the decision is a plain value.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_GUARD_H
#define NIMBUSGUARD_REMEDIATIONS_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/event.h"
#include "base/json_span.h"
#include "remediations/incident.h"
#include "remediations/ledger.h"
#include "remediations/plan.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"

/* X(gate, reason code, asked for tickets too, what holds when it passes, what is wrong when it refuses,
 *   what would have to change). The words are whole statements, so that no reader has to undo a
 *   negation; those of a pass begin in small letters. */
#define GATE_TABLE(X)                                                                                                    \
	X(GATE_PLAYBOOK, "playbook_gone", true, "the playbook is loaded and enabled",                                    \
		"The playbook is gone or disabled",                                                                      \
		"Load or enable it to have it answer new alerts.")                                                       \
	X(GATE_PERMISSION, "no_permission", false, "the cluster lets the playbook do its work",                          \
		"The cluster does not let the playbook do its work",                                                     \
		"Grant what is missing (nimbusguard rbac prints the roles); it is asked for every 5 minutes.")           \
	X(GATE_FIRING, "not_firing", false, "the alert is still firing",                                                 \
		"The alert no longer fires",                                                                             \
		"Nothing is changed for an alert that has ended; it has to fire again.")                                 \
	X(GATE_KILL_SWITCH, "kill_switch", false, "the kill switch is off",                                              \
		"The kill switch is on", "Post paused=false to /api/v1/pause to switch it off.")                         \
	X(GATE_MODE, "mode", false, "the mode lets it be done",                                                          \
		"Mode observe never changes anything", "Set mode approve or auto to act.")                               \
	X(GATE_PERSONS, "approval", false, "everybody who has to has approved just this",                                \
		"Not everybody who has to has approved it",                                                              \
		"Approve it with nimbusguard actions approve.")                                                          \
	X(GATE_FREEZE, "freeze", false, "no freeze window is open", "A freeze window is open",                           \
		"Wait for its end, or take it out of guard.freeze.")                                                     \
	X(GATE_STARTUP, "startup_grace", false, "the service has been up for the start-up grace",                        \
		"The service has just started", "Wait until guard.startup_grace is over.")                               \
	X(GATE_STORM, "storm", false, "there is no storm of alerts", "There is a storm of alerts",                       \
		"Wait until fewer fire, or raise guard.storm_alerts.")                                                   \
	X(GATE_TARGET, "target", false, "the labels name one target",                                                    \
		"The labels do not name one target",                                                                     \
		"Mend the alert's labels or the playbook's target.")                                                     \
	X(GATE_CLUSTER, "cluster_unavailable", false, "the cluster tells the target's state",                            \
		"The target's state is not known from the cluster",                                                      \
		"The cluster has to answer first.")                                                                      \
	X(GATE_FOUND, "target_gone", false, "the target exists", "The target does not exist",                            \
		"Only what exists can be changed.")                                                                      \
	X(GATE_SAME, "target_changed", false, "the target is the one seen first",                                        \
		"The target is another one than was seen first",                                                         \
		"A new alert has to name the new one.")                                                                  \
	X(GATE_TERMINATING, "terminating", false, "the target stays (it is not being deleted)",                          \
		"The target is being deleted", "Wait for its end or its successor.")                                     \
	X(GATE_MANAGED, "unmanaged", false, "the target is opted in",                                                    \
		"The target is not opted in",                                                                            \
		"Annotate it or its namespace with nimbusguard.io/managed: \"true\", or select it by remediate.opt_in.") \
	X(GATE_PAUSED, "paused", false, "the target's annotations do not pause it",                                      \
		"The target is paused by the annotation nimbusguard.io/paused",                                          \
		"Remove the annotation.")                                                                                \
	X(GATE_PAUSED_UNCLEAR, "paused_unclear", false, "the target's pause annotation is clear",                        \
		"The target's annotation nimbusguard.io/paused is neither true nor false",                               \
		"Set it to \"true\" or \"false\", or remove it.")                                                        \
	X(GATE_ROLLOUT, "rollout_paused", false, "the target's rollout runs (it is not paused)",                         \
		"The target's rollout is paused", "Resume the rollout.")                                                 \
	X(GATE_OWNED, "no_owner", false, "the pod has an owner that makes a new one",                                    \
		"The pod has no owner that would make a new one",                                                        \
		"Restart it by hand, or let a controller own it.")                                                       \
	X(GATE_REPLICAS_OWNER, "replicas_owned", false, "no autoscaler owns the replicas",                               \
		"An autoscaler owns the replicas", "Change the autoscaler's bounds instead.")                            \
	X(GATE_RESOURCES_OWNER, "resources_owned", false,                                                                \
		"no VerticalPodAutoscaler sets the requests and limits",                                                 \
		"A VerticalPodAutoscaler sets the requests and limits",                                                  \
		"Change its resourcePolicy, or set its updateMode to Off.")                                              \
	X(GATE_GIT_OWNER, "git_owned", false, "no GitOps controller owns the object",                                    \
		"A GitOps controller owns the object", "Change it in its repository.")                                   \
	X(GATE_WRITER, "field_owned", false, "nobody else has taken the field over",                                     \
		"Somebody else has taken the field over",                                                                \
		"Wait until guard.hands_off has passed since, or change it by hand.")                                    \
	X(GATE_SEEN, "not_in_stream", false, "the workload is in the stream of samples",                                 \
		"No samples of the workload were received",                                                              \
		"Send the nimbusguard:* series of the recording rules for it.")                                          \
	X(GATE_CONFIDENCE, "low_confidence", false, "the finding is confident enough",                                   \
		"The finding is not confident enough", "Lower guard.confidence_min to act on it.")                       \
	X(GATE_DATA, "data_quality", false, "the data behind the conditions is good",                                    \
		"The data behind a condition is not good",                                                               \
		"Recent, unbroken samples of this signal have to come in.")                                              \
	X(GATE_CONDITIONS, "condition", false, "the playbook's conditions hold",                                         \
		"A condition of the playbook does not hold",                                                             \
		"It has to hold while the alert fires.")                                                                 \
	X(GATE_PLAN, "plan", true, "the step leads to a change that can be made",                                        \
		"The step leads to no change that can be made",                                                          \
		"Change the playbook's step or the target.")                                                             \
	X(GATE_REPLICAS_MAX, "replicas_max", false,                                                                      \
		"the replicas stay within the guard's maximum",                                                          \
		"The plan asks for too many replicas", "Raise guard.replicas_max to let it pass.")                       \
	X(GATE_CUMULATIVE, "cumulative_change", false, "all changes together stay in their bound",                       \
		"All changes together would go too far",                                                                 \
		"Wait until guard.window has passed, or raise guard.cumulative_change_max.")                             \
	X(GATE_BREAKER, "breaker", false, "earlier tries on the target had an effect",                                   \
		"Earlier tries on the target had no effect",                                                             \
		"A person has to look; the count falls when guard.window has passed.")                                   \
	X(GATE_MUTEX, "target_busy", false, "the target is free of other actions",                                       \
		"Another action is under way on the target", "Wait for its end.")                                        \
	X(GATE_COOLDOWN, "cooldown", false, "the last action on the target is long enough ago",                          \
		"The last action on the target is too recent",                                                           \
		"Wait until guard.cooldown is over.")                                                                    \
	X(GATE_BUDGET_TARGET, "budget_target", true, "the target's budget has room",                                     \
		"The target's budget is used up",                                                                        \
		"Wait until older actions leave guard.window, or raise guard.per_target.")                               \
	X(GATE_BUDGET_NAMESPACE, "budget_namespace", true, "the namespace's budget has room",                            \
		"The namespace's budget is used up",                                                                     \
		"Wait until older actions leave guard.window, or raise guard.per_namespace.")                            \
	X(GATE_BUDGET_KIND, "budget_kind", true, "the budget of this kind of action has room",                           \
		"The budget of this kind of action is used up",                                                          \
		"Wait until older actions leave guard.window, or raise guard.per_kind.")                                 \
	X(GATE_BUDGET_CLUSTER, "budget_cluster", true, "the cluster's budget has room",                                  \
		"The cluster's budget is used up",                                                                       \
		"Wait until older actions leave guard.window, or raise guard.per_cluster.")                              \
	X(GATE_SHARE_PODS, "share_pods", false,                                                                          \
		"a small enough share of the workload's pods is changed",                                                \
		"Too large a share of the workload's pods would be changed",                                             \
		"Wait until older actions leave guard.window, or raise guard.pods_percent.")                             \
	X(GATE_SHARE_WORKLOADS, "share_workloads", false,                                                                \
		"a small enough share of the namespace's workloads is changed",                                          \
		"Too large a share of the namespace's workloads would be changed",                                       \
		"Wait until older actions leave guard.window, or raise guard.workloads_percent.")                        \
	X(GATE_SHARE_NODES, "share_nodes", false,                                                                        \
		"a small enough share of the cluster's nodes is cordoned by us",                                         \
		"Too large a share of the cluster's nodes would be cordoned by us",                                      \
		"Wait until nodes are uncordoned, or raise guard.nodes_percent.")                                        \
	X(GATE_CONCURRENCY, "concurrency", false, "few enough actions are under way",                                    \
		"Too many actions are under way",                                                                        \
		"Wait until one has ended, or raise guard.concurrent.")                                                  \
	X(GATE_RECORDS, "records_full", true, "there is room to remember one more action",                               \
		"There is no room to remember one more action",                                                          \
		"Wait until older records leave guard.window.")

enum gate {
#define X(gate, code, tickets, passed, refused, remedy) gate,
	GATE_TABLE(X)
#undef X
		GATE_COUNT
};

const char *gate_name(enum gate gate);

enum gate_verdict {
	GATE_PASS,
	GATE_REFUSE,
	GATE_UNKNOWN,  /* could not be told: refuses a real change, marks a dry run */
	GATE_APPROVAL, /* a person has to say yes */
	GATE_NOT_ASKED
};

#define GATE_TEXT_MAX 160
#define GATE_SENTENCE_MAX 640

struct gate_result {
	enum gate_verdict verdict;
	bool lasting;     /* a refusal that waiting does not change */
	int64_t retry_ms; /* when it may have passed; 0: not known */
	char reason[REASON_MAX];
	char value[GATE_TEXT_MAX], bound[GATE_TEXT_MAX];
};

/* X(verdict, name) */
#define DECISION_TABLE(X)                                                                          \
	X(DECISION_CLEARED, "cleared")   /* do it */                                               \
	X(DECISION_APPROVAL, "approval") /* do it when a person says yes */                        \
	X(DECISION_WAIT, "waiting")      /* not now, ask again */                                  \
	X(DECISION_BLOCKED, "blocked")   /* not this step */

enum decision_verdict {
#define X(verdict, name) verdict,
	DECISION_TABLE(X)
#undef X
		DECISION_VERDICT_COUNT
};

const char *decision_name(enum decision_verdict verdict);

struct decision {
	int64_t time_ms;
	enum decision_verdict verdict;
	bool dry_run;
	int64_t retry_ms; /* DECISION_WAIT: not before */
	struct gate_result gates[GATE_COUNT];
};

struct guard_question {
	int64_t now_ms, started_ms;
	int64_t frozen_until_ms;         /* 0: no freeze window is open */
	const char *freeze_window;       /* the open one, as it was written; may be NULL */
	const struct playbook *playbook; /* NULL: it is gone */
	const char *missing; /* what the cluster does not let it do; NULL: nothing is known */
	const struct guard_limits *limits;
	enum mode mode;
	bool dry_run, kill_switch;
	const char *kill_switch_by; /* who set it; NULL: not known */
	int64_t kill_switch_since_ms;
	bool by_person; /* as many persons as it needs asked for just this, or approved it */
	const struct action *action; /* its approvals; NULL: it has none and needs none */
	bool undo;
	unsigned storm_alerts; /* firing events in the storm window */
	const struct event *event;
	bool firing;
	const struct target *target;
	const struct refusal *target_refusal;  /* reason "" when the target was resolved */
	const struct observation *observation; /* NULL or error.code: none */
	bool not_looked; /* the cluster was not asked, because another gate refuses anyway */
	const struct plan *plan;
	const struct test_result *conditions; /* [playbook->condition_count] */
	const struct ledger *ledger;
	const struct ledger_entry *entry; /* this action's, as it would be added */
	unsigned live_on_target, live;
	unsigned live_alike; /* of the plan's kind, in the target's cluster */
	unsigned workloads;  /* of the target's namespace, by the stream; 0: not known */
	unsigned
		live_nodes; /* nodes that other actions under way are about to cordon, not yet seen so */
	int selected;       /* by the opt-in selector: 1, 0, or -1 when none is configured */
	int seen;           /* in the stream: 1, 0, or -1 when it cannot be told */
};

void guard_judge(const struct guard_question *question, struct decision *decision);

/* Who wrote last what the plan writes; NULL where it writes no field of the target's. */
const struct field_writer *observation_writer(const struct observation *observation,
	const struct plan *plan);

/* Whether the gate refuses in this decision. */
bool decision_refuses(const struct decision *decision, enum gate gate);
/* Whether the gate is to be counted as a refusal: it said no, or no gate did and it is the first that
 * could not tell. What follows from one missing answer is one refusal. */
bool decision_counts(const struct decision *decision, enum gate gate);
/* The first refusing gate, lasting ones first; GATE_COUNT when none refuses. */
enum gate decision_reason(const struct decision *decision);
/* "The last action on the target is too recent (3m; wanted: at least 5m). Wait until guard.cooldown is
 * over." GATE_SENTENCE_MAX is always enough. */
void gate_sentence(const struct decision *decision, enum gate gate, char *text, size_t size);
/* An array of each gate with its verdict, value and bound (where there is one), for the record. */
void decision_write_gates(struct buf *json, const struct decision *decision);
/* Such an array with the sentence of each gate as "text". */
void gates_write_told(struct buf *json, const struct json_span *list);

#endif
