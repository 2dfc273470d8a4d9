/*
 * Living through a tape (daemon/tape.h) in a sandbox of the product's own parts, and what would have
 * been planned on the way: each action with its time, playbook, target, change, verdict and reason.
 * Time is the tape's; nothing outside is asked or told, and the same tape gives the same plans.
 *
 * Ownership: struct replay_plans owns its rows.
 * Limits: REPLAY_PLANS_MAX actions and as many incidents.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_REPLAY_H
#define NIMBUSGUARD_DAEMON_REPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/matcher.h"
#include "daemon/bundle.h"
#include "daemon/tape.h"
#include "remediations/engine.h"

#define REPLAY_PLANS_MAX 200000
#define REPLAY_CONDITIONS_MAX 64

/* X(verdict, name) */
#define REPLAY_VERDICT_TABLE(X)                                                                    \
	X(REPLAY_NONE, "proposed")     /* the tape ended before it was decided */                  \
	X(REPLAY_ACT, "act")           /* it would have been done */                               \
	X(REPLAY_APPROVAL, "approval") /* a person would have been asked */                        \
	X(REPLAY_SUGGEST, "suggest")   /* it would have been shown */                              \
	X(REPLAY_REFUSED, "refused")   /* by the guard, for the reason */                          \
	X(REPLAY_FAILED, "failed")

enum replay_verdict {
#define X(verdict, name) verdict,
	REPLAY_VERDICT_TABLE(X)
#undef X
		REPLAY_VERDICT_COUNT
};

const char *replay_verdict_name(enum replay_verdict verdict);

struct replay_plan {
	int64_t time_ms; /* of the verdict */
	enum replay_verdict verdict;
	enum action_kind action;
	enum plan_basis basis;
	bool hand_over; /* the ticket at the end of an incident */
	bool applied;   /* the replay's cluster had it from then on */
	char id[ACTION_ID_MAX], playbook[PLAYBOOK_NAME_MAX], reason[REASON_MAX];
	char target[TARGET_TEXT_MAX], words[256], sentence[SENTENCE_MAX];
	char namespace_name[NAMESPACE_MAX];
	char event[128];
};

struct replay_incident {
	char id[INCIDENT_ID_MAX], playbook[PLAYBOOK_NAME_MAX], event[128];
	enum outcome outcome;
};

struct replay_counts {
	int64_t from_ms, to_ms;
	uint64_t samples, samples_refused, bodies_refused; /* of remote write */
	uint64_t alerts, resolved, repeated, alerts_refused, findings;
	uint64_t unanswered; /* events that no playbook fits */
};

struct replay_plans {
	struct replay_plan *plans;
	size_t plan_count, plan_room;
	struct replay_incident *incidents;
	size_t incident_count, incident_room;
	uint32_t *table; /* hash table of ids: index * 2 + (1 for an incident), + 1 */
	size_t table_size, table_used;
	struct replay_counts counts;
	bool full; /* memory is out, or there are too many: the rest is not in here */
};

void replay_plans_init(struct replay_plans *plans);
void replay_plans_fini(struct replay_plans *plans);
/* The engine's news. mode: of the playbook that answers, as it is in force. */
void replay_plans_take(struct replay_plans *plans, const struct news *news, enum mode mode);
/* What the action would have changed is in the replay's cluster from now on. */
void replay_plans_applied(struct replay_plans *plans, const char *action_id);
/* By time. */
void replay_plans_sort(struct replay_plans *plans);

/* ---- replay_condition.c: for --fail-if ---- */

/* actions{playbook="x"}>0: fails when it holds. */
struct replay_condition {
	const char *text; /* borrowed */
	unsigned metric;
	struct matchers matchers;
	int comparison;
	double bound;
	uint64_t value; /* when it was asked */
	bool holds;
};

/* The error names the column. STATUS_BAD_INPUT, STATUS_NO_MEMORY. text is borrowed. */
enum status replay_condition_read(struct replay_condition *condition, const char *text,
	struct error *error) MUST_CHECK;
void replay_condition_fini(struct replay_condition *condition);
/* Sets value and holds. */
void replay_condition_ask(struct replay_condition *condition, const struct replay_plans *plans);

/* ---- replay_write.c ---- */

struct replay_report {
	const struct replay_plans *plans;
	const struct replay_condition *conditions;
	size_t condition_count;
	bool has_cluster, approved;
	const char *mode;
	const char *alerts_from; /* "webhooks", "ALERTS" or "" */
};

void replay_write_text(struct buf *text, const struct replay_report *report);
void replay_write_json(struct buf *json, const struct replay_report *report);

/* ---- replay_run.c ---- */

struct replay_options {
	const struct config *config;
	struct bundle *bundle;
	json_t *const
		*objects; /* of the cluster; has_cluster false: plans from labels and series */
	size_t object_count;
	bool has_cluster;
	bool approve;     /* as if a person said yes at once */
	int64_t start_ms; /* alerts before it are not told; INT64_MIN: from the beginning of the tape */
};

/* STATUS_BAD_INPUT: settings, signals or playbooks (diagnostics), or an object; STATUS_LIMIT,
 * STATUS_NO_MEMORY. The tape is finished (tape_finish()). */
enum status replay_run(const struct tape *tape, const struct replay_options *options,
	struct replay_plans *plans, struct diagnostics *diagnostics,
	struct error *error) MUST_CHECK;

/* ---- replay_prometheus.c ---- */

struct replay_source {
	const struct config *config;
	struct bundle *bundle;
	const char *url;
	int64_t from_ms, to_ms;
	const char *const *match; /* further selectors */
	size_t match_count;
};

/* What the signals read, and ALERTS, in this range onto the tape. */
enum status replay_fetch(struct tape *tape, const struct replay_source *source,
	struct diagnostics *diagnostics, struct error *error) MUST_CHECK;

#endif
