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
#include "remediations/ledger.h"
#include "remediations/plan.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"

/* X(gate, reason code, asked for tickets too, its question in plain words) */
#define GATE_TABLE(X)                                                                              \
	X(GATE_PLAYBOOK, "playbook_gone", true, "the playbook is loaded and enabled")              \
	X(GATE_FIRING, "not_firing", false, "the alert is still firing")                           \
	X(GATE_KILL_SWITCH, "kill_switch", false, "nobody has paused all changes")                 \
	X(GATE_MODE, "mode", false, "the mode lets it be done")                                    \
	X(GATE_FREEZE, "freeze", false, "no freeze window is open")                                \
	X(GATE_STARTUP, "startup_grace", false, "the service has been up for the start-up grace")  \
	X(GATE_STORM, "storm", false, "there is no storm of alerts")                               \
	X(GATE_TARGET, "target", false, "the labels name one target")                              \
	X(GATE_CLUSTER, "cluster_unavailable", false, "the cluster told the target's state")       \
	X(GATE_FOUND, "target_gone", false, "the target exists")                                   \
	X(GATE_SAME, "target_changed", false, "the target is the one seen first")                  \
	X(GATE_TERMINATING, "terminating", false, "the target is not being deleted")               \
	X(GATE_MANAGED, "unmanaged", false, "the target was opted in")                             \
	X(GATE_PAUSED, "paused", false, "the target is not paused")                                \
	X(GATE_PAUSED_UNCLEAR, "paused_unclear", false, "its pause annotation is true or false")   \
	X(GATE_ROLLOUT, "rollout_paused", false, "its rollout is not paused")                      \
	X(GATE_OWNED, "no_owner", false, "the pod has an owner that makes a new one")              \
	X(GATE_REPLICAS_OWNER, "replicas_owned", false, "no autoscaler owns the replicas")         \
	X(GATE_GIT_OWNER, "git_owned", false, "no GitOps controller owns the object")              \
	X(GATE_SEEN, "not_in_stream", false, "the workload is in the stream of samples")           \
	X(GATE_CONFIDENCE, "low_confidence", false, "the finding is confident enough")             \
	X(GATE_DATA, "data_quality", false, "the data behind the conditions is good")              \
	X(GATE_CONDITIONS, "condition", false, "the playbook's conditions hold")                   \
	X(GATE_PLAN, "plan", true, "the step leads to a change that can be made")                  \
	X(GATE_REPLICAS_MAX, "replicas_max", false, "the replicas stay below the guard's maximum") \
	X(GATE_CUMULATIVE, "cumulative_change", false, "all changes together stay in their bound") \
	X(GATE_BREAKER, "breaker", false, "earlier tries on the target were not without effect")   \
	X(GATE_MUTEX, "target_busy", false, "no other action is under way on the target")          \
	X(GATE_COOLDOWN, "cooldown", false, "the last action on the target is long enough ago")    \
	X(GATE_BUDGET_TARGET, "budget_target", true, "the target's budget is not used up")         \
	X(GATE_BUDGET_NAMESPACE, "budget_namespace", true,                                         \
		"the namespace's budget is not used up")                                           \
	X(GATE_BUDGET_KIND, "budget_kind", true,                                                   \
		"the budget of this kind of action is not used up")                                \
	X(GATE_BUDGET_CLUSTER, "budget_cluster", true, "the cluster's budget is not used up")      \
	X(GATE_CONCURRENCY, "concurrency", false, "few enough actions are under way")              \
	X(GATE_RECORDS, "records_full", true, "there is room to remember one more action")

enum gate {
#define X(gate, code, tickets, words) gate,
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
	int64_t now_ms, started_ms, frozen_until_ms;
	const struct playbook *playbook; /* NULL: it is gone */
	const struct guard_limits *limits;
	enum mode mode;
	bool dry_run, kill_switch;
	bool by_person; /* a person asked for just this, or approved it */
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
	int selected; /* by the opt-in selector: 1, 0, or -1 when none is configured */
	int seen;     /* in the stream: 1, 0, or -1 when it cannot be told */
};

void guard_judge(const struct guard_question *question, struct decision *decision);

/* Whether the gate refuses in this decision. */
bool decision_refuses(const struct decision *decision, enum gate gate);
/* The first refusing gate, lasting ones first; GATE_COUNT when none refuses. */
enum gate decision_reason(const struct decision *decision);
/* "The last action on the target is long enough ago: no (3m, wanted 5m)". */
void gate_sentence(const struct decision *decision, enum gate gate, char *text, size_t size);
/* An array of each gate with its verdict, value and bound (where there is one), for the record. */
void decision_write_gates(struct buf *json, const struct decision *decision);
/* Such an array with the sentence of each gate as "text". */
void gates_write_told(struct buf *json, const struct json_span *list);

#endif
