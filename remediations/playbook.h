/*
 * Playbooks: which event is answered by which steps on which target, under which conditions, and
 * how it is seen afterwards that it helped. Read from YAML (docs/playbooks.md).
 *
 * Ownership: struct playbooks owns its playbooks and all their texts; a playbook is never changed
 *   after it was read.
 * Limits: the maxima below; a file of at most 4 MiB (base/yaml.h).
 * Order: playbooks_match() asks by falling priority, then by name.
 * Threads: a set is read by one thread and may then be matched from any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_PLAYBOOK_H
#define NIMBUSGUARD_REMEDIATIONS_PLAYBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"
#include "base/matcher.h"
#include "base/workload.h"
#include "base/yaml.h"
#include "remediations/actuator.h"
#include "remediations/remediator.h"
#include "remediations/signal_source.h"

#define PLAYBOOKS_MAX 256
#define PLAYBOOK_NAME_MAX 64
#define PLAYBOOK_STEPS_MAX 8
#define PLAYBOOK_CONDITIONS_MAX 8

/* "+2", "+50%", "5", "+25%", "4GiB", "500m"; "proposed": as the proposal's annotation replicas says */
enum amount_kind { AMOUNT_NONE, AMOUNT_ABSOLUTE, AMOUNT_DELTA, AMOUNT_PERCENT, AMOUNT_PROPOSED };

#define PROPOSED_WORD "proposed"

struct amount {
	enum amount_kind kind;
	double value; /* percent as 25 for +25%; negative for less */
};

/* A question to a signal: folded over the last over_ms, is it above or below value? */
struct signal_test {
	enum signal_role role;
	enum signal_fold fold;
	bool above;
	double value;
	int64_t over_ms;
};

/* One value that a step changes, and the bounds that the playbook sets it. */
struct step_change {
	enum change_field field;
	struct amount amount;
	int64_t lowest, highest; /* 0: no bound of the playbook */
};

struct playbook_step {
	enum action_kind action;
	struct step_change changes[CHANGES_MAX];
	unsigned change_count;
	struct action_options options;
	char *payload;      /* what options.content is of, as its action reads it; NULL: nothing */
	char *title, *text; /* ticket: templates with {{ label }} */
};

/* NULL when the step does not change the field. */
const struct step_change *step_change_of(const struct playbook_step *step, enum change_field field);

/* Where a target is named. Label names are NULL for the usual ones. */
struct target_spec {
	bool none;             /* no target is needed: tickets */
	bool any_workload;     /* Workload: Deployment, StatefulSet or DaemonSet */
	enum target_kind kind; /* when neither of the above */
	char *cluster_label, *namespace_label, *name_label, *kind_label, *container_label;
};

struct trigger {
	bool set;
	struct matchers matchers;
};

struct playbook {
	char name[PLAYBOOK_NAME_MAX];
	char *description, *runbook, *file;
	bool enabled;
	int priority;   /* higher is asked first */
	enum mode mode; /* at most this one, whatever the service's mode is */
	struct trigger triggers[EVENT_PROPOSAL + 1]; /* by enum event_source */
	/* The trigger's `for`: a proposal, which no rule has held back, is answered when it has held so long. */
	int64_t proposal_for_ms;
	struct target_spec target;
	struct signal_test conditions[PLAYBOOK_CONDITIONS_MAX];
	size_t condition_count;
	struct playbook_step steps[PLAYBOOK_STEPS_MAX];
	size_t step_count;
	bool verified; /* whether `verify` is given; always when a step changes the cluster */
	bool verify_by_cluster; /* by looking at the target again, and by no signal */
	struct signal_test verify;
	int64_t verify_after_ms;   /* from the change to the first look at the signal */
	bool hand_over;            /* open a ticket when nothing helped */
	struct guard_limits guard; /* the service's, with this playbook's stricter ones */
};

struct playbooks;

/* An empty set for playbooks that are held against `limits`. */
struct playbooks *playbooks_open(const struct guard_limits *limits) MUST_CHECK;
void playbooks_close(struct playbooks *playbooks);
/* Reads a file, or each *.yaml and *.yml (but not *_test.yaml, *_test.yml) of a folder by name.
 * What is wrong is in diagnostics; the status is STATUS_BAD_INPUT when there was an error,
 * STATUS_NO_MEMORY. What was read before stays. */
enum status playbooks_load(struct playbooks *playbooks, const char *path,
	struct diagnostics *diagnostics) MUST_CHECK;
/* The same for a text; `name` stands in messages. */
enum status playbooks_load_text(struct playbooks *playbooks, const char *name, const char *text,
	size_t size, struct diagnostics *diagnostics) MUST_CHECK;

size_t playbooks_count(const struct playbooks *playbooks);
/* By rank: 0 is asked first. */
struct playbook *playbooks_at(const struct playbooks *playbooks, size_t rank);
/* NULL when there is none of this name. */
struct playbook *playbooks_find(const struct playbooks *playbooks, const char *name);
/* The first enabled playbook one of whose triggers fits the event, or NULL. */
struct playbook *playbooks_match(const struct playbooks *playbooks, const struct event *event);

/* For playbook.c: reads one document into a zeroed playbook; false when an error was reported. */
bool playbook_read(struct playbook *playbook, const struct yaml_document *document,
	const struct guard_limits *limits, struct diagnostics *diagnostics) MUST_CHECK;
void playbook_fini(struct playbook *playbook);

/* What people call it: its alertname, the finding's or the proposal's name, or what it is. */
const char *event_name(const struct event *event);

/* Fills {{ label }} of a template: labels of the event, then {{ event }}, {{ target }},
 * {{ playbook }} and {{ reason }}; a label that the event lacks becomes "(no label x)". Never longer than size. */
void template_fill(const char *template_text, const struct event *event, const char *target,
	const char *playbook, const char *reason, char *text, size_t size);
/* The first name of a template that template_fill() would write "(no label x)" for, or "". */
void template_find_absent(const char *template_text, const struct event *event, char *name,
	size_t size);
/* Whether each {{ has its }} with one name between; the message is for a diagnostic. */
bool template_check(const char *template_text, char *message, size_t size);

#endif
