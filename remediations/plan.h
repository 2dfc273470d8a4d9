/*
 * From a playbook's step and what is known of the target to one command with absolute values; and
 * the readings of signals that playbooks ask for.
 *
 * Ownership: plain values.
 * Threads: pure, but for what the signal source asks.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_PLAN_H
#define NIMBUSGUARD_REMEDIATIONS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "remediations/actuator.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"
#include "remediations/signal_source.h"

/* X(basis, name): what the values before the change come from */
#define PLAN_BASIS_TABLE(X)                                                                        \
	X(PLAN_FROM_CLUSTER, "cluster") /* the API server was asked */                             \
	X(PLAN_FROM_SIGNALS, "signals") /* series say it; good for a dry run only */               \
	X(PLAN_FROM_LABELS, "labels")   /* only the target is known; good for a dry run only */

enum plan_basis {
#define X(basis, name) basis,
	PLAN_BASIS_TABLE(X)
#undef X
		PLAN_BASIS_COUNT
};

const char *plan_basis_name(enum plan_basis basis);

struct plan {
	enum action_kind kind;
	enum plan_basis basis;
	struct refusal refusal; /* reason "": the plan can be carried out */
	struct changes changes; /* empty for what has no value */
	struct action_options options;
	struct resize_pods pods;  /* of options.by_resize */
	struct object_ref object; /* what is written, where that is not the target */
	bool shrinks;
	uint64_t hash;   /* of the plan and the state of the target that it was made for */
	char words[256]; /* for people: "replicas 3 -> 5" */
	char title[256], text[ACTION_TEXT_MAX];
};

/* What a plan is made from. */
struct plan_question {
	const struct playbook *playbook;
	const struct playbook_step *step;
	const struct event *event;
	const struct target *target;
	const struct observation
		*observation; /* NULL, or error.code set, when the cluster gave none */
	const struct signal_source *signals;
	int32_t replicas_max; /* the guard's */
	int64_t now_ms;
	const char *reason; /* for {{ reason }}; "" when none */
	bool resize_failed; /* it was sent as a resize in place before, which could not be done */
};

/* By the class of the step's action; docs/playbooks.md lists the reason codes of refusals. Without a
 * step: the ticket at an incident's end. */
void plan_make(struct plan *plan, const struct plan_question *question);
/* The inverse of a done plan, for the target as it is now; refused when the value is no longer ours.
 * done_id: the action's, by which what has no value is told. */
void plan_invert(struct plan *plan, const struct plan *done, const char *done_id,
	const struct target *target, const struct observation *observation);
#define APPLIED_BEGUN 2
/* Whether the target already is as the plan wants it: 1 yes, 0 surely not, -1 cannot be told;
 * APPLIED_BEGUN: this very action has begun with it and may go on where it stopped. A
 * restart of a workload is told by the action's key on it; action_id "": not to be told. */
int plan_applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation);
/* The command, without its id and deadline. */
void plan_command(const struct plan *plan, const struct target *target, struct command *command);

/* What a step with options.content sends (mem_free); NULL: no memory. */
char *plan_payload(const struct plan_question *question, const char *action_id) MUST_CHECK;

/* ---- for the classes of actions ---- */

/* Whether the cluster answered. */
bool plan_observed(const struct plan_question *question);
/* The newest good value of the target's workload; false when there is none. */
bool plan_read_signal(const struct plan_question *question, enum signal_role role, double *value);
/* The value that an amount leads to from `before`, held between the bounds (0: none), which never
 * turn a raise into a cut or the other way round. */
double amount_apply(const struct amount *amount, double before, double lowest, double highest);
/* Adds what the step's change makes of the value, as words and refusals of the plan do not need it. */
void plan_add_change(struct plan *plan, const struct step_change *change, int64_t before,
	int64_t highest);
/* Where the amount is what the proposal says, makes it that number: of a scale_out never below `before`, of
 * a scale_in never above it and only with a condition. False: the plan is refused. */
bool plan_take_proposed(struct plan *plan, const struct plan_question *question,
	struct step_change *change, int64_t before);
/* Words and refusal of a relative change whose value before is not known. */
void plan_refuse_unknown(struct plan *plan, const struct step_change *change, const char *reason,
	const char *sentence);

/* plan_applied() of classes: by the values, by the action's key on the target, by the target's end,
 * and for what nothing tells. */
int applied_by_values(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation);
int applied_by_key(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation);
int applied_by_end(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation);
int applied_untold(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation);

/* ---- tests of signals ---- */

/* A test of a signal and what it read. holds is meaningful only for QUALITY_GOOD. */
struct test_result {
	struct signal_reading reading;
	bool holds;
};

/* Folds [max(now - over, not_before), now]. A workload of kind TARGET_NONE has no series. */
void signal_test_run(const struct signal_test *test, const struct signal_source *signals,
	const struct workload_key *workload, int64_t now_ms, int64_t not_before_ms,
	struct test_result *result);
/* "mean saturation over 5m is 0.93, wanted above 0.8" */
void signal_test_write(const struct signal_test *test, const struct test_result *result, char *text,
	size_t size);

/* For steps that send a text of the playbook to a machine: refuses the plan (label_missing) when the
 * event lacks a label that the text names. A gap would be taken there for what it says. */
void plan_refuse_absent(struct plan *plan, const char *template_text, const struct event *event);

#endif
