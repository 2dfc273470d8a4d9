/*
 * The action side as one thing: playbooks, engine thread, guard, journal, actuators. Events go in,
 * incidents with their reasons come out.
 *
 * Ownership: remediator_open takes nothing but copies; the signal source and clock are borrowed.
 * Limits: struct remediator_config; the event queue answers STATUS_BUSY when full.
 * Threads: all functions from any thread, except open and close.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_H
#define NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/yaml.h"
#include "remediations/signal_source.h"

struct ticket_service;

#define MODE_TABLE(X)                                                                              \
	X(MODE_OBSERVE, "observe") /* decide and record, nothing else */                           \
	X(MODE_SUGGEST, "suggest") /* and open a suggestion for people */                          \
	X(MODE_APPROVE, "approve") /* act after a person approved */                               \
	X(MODE_AUTO, "auto")       /* act when the guard clears */

enum mode {
#define X(mode, name) mode,
	MODE_TABLE(X)
#undef X
		MODE_COUNT
};

const char *mode_name(enum mode mode);
bool mode_parse(const char *name, enum mode *mode);

/* Budgets and times of the guard; playbooks may only be stricter. */
struct guard_limits {
	int64_t cooldown_ms;      /* between two actions on one target */
	int64_t startup_grace_ms; /* after start nothing is done for so long */
	int64_t window_ms;        /* of the budgets below */
	unsigned per_target, per_namespace, per_kind, per_cluster; /* actions in window_ms */
	/* At most this share of a workload's pods and of a namespace's workloads is changed in window_ms, and
	 * of a cluster's nodes cordoned by us at a time; 100: no bound. */
	unsigned pods_percent, workloads_percent, nodes_percent;
	unsigned concurrent; /* live actions at once */
	unsigned
		ineffective_max; /* breaker: ineffective outcomes of a playbook+target in window_ms */
	unsigned storm_alerts;   /* firing events in storm_window_ms above which nothing is done */
	int64_t storm_window_ms;
	double cumulative_change_max; /* factor on replicas or memory against the first seen, in window_ms */
	int32_t replicas_max;
	double confidence_min; /* of findings and proposals */
	int64_t hands_off_ms;  /* after somebody else wrote the field that would be written */
	double worse_by;       /* share by which a signal has to get worse to be rolled back */
	unsigned demote_after; /* failures of a playbook in a namespace in window_ms; 0: never */
	unsigned
		promote_outcomes; /* measured before a higher mode is proposed; 0: never proposed */
	double promote_precision; /* the least lower bound of its precision */
	uint32_t two_persons; /* bits 1 << enum action_kind: two persons have to approve these */
};

/* Adds what the words name to *kinds: "destructive", or an action. STATUS_BAD_INPUT names the word. */
enum status two_persons_parse(const char *const *words, size_t count, uint32_t *kinds,
	struct error *error) MUST_CHECK;

#define MODE_RULES_MAX 256

/* A line of `modes`: at most this mode for what fits. */
struct mode_rule {
	const char *playbook, *cluster, *namespace_name; /* anchored patterns; NULL: any */
	enum mode mode;
	const char *file; /* where it stands, for messages; may be NULL */
	int line, column;
};

/* Several replicas of which one acts. Texts may be NULL or "". */
struct leader_options {
	bool enabled;
	const char *namespace_name, *name, *identity;
	const char *url;                            /* of our API, as other replicas reach it */
	const char *peer_token_file, *peer_ca_file; /* to ask the leader with */
	int64_t duration_ms, renew_ms, retry_ms;
};

struct remediator_config {
	const char *journal_path;
	const char *journal_vfs;   /* tests; NULL */
	int64_t journal_keep_ms;   /* ended records are kept for so long; 0: 30 days */
	int64_t journal_verify_ms; /* between verifications of its chain; 0: never */
	const char *const
		*playbook_paths; /* files or folders (*.yaml, *.yml, without *_test.yaml) */
	size_t playbook_path_count;
	enum mode mode;
	const struct mode_rule *modes;
	size_t mode_count;
	bool dry_run;
	bool paused; /* kill switch at start */
	struct guard_limits guard;
	const char *const *freeze; /* windows as in remediations/freeze.h */
	size_t freeze_count;
	int64_t approval_wait_ms;  /* for people, then it is handed over; 0: an hour */
	int64_t approval_valid_ms; /* of a yes; 0: a quarter of an hour */
	unsigned event_queue_max, incident_max;
	const char *kube_url; /* API server base URL; NULL: none, observations are unavailable */
	const char *kube_token_file, *kube_ca_file; /* may be NULL */
	bool kube_watch; /* watch what the playbooks look at, where it may be watched */
	const char *const *kube_namespaces; /* in which we have roles; none: all */
	size_t kube_namespace_count;
	bool kube_events;                       /* Events on objects, but in a dry run */
	unsigned kube_watch_objects;            /* at most; 0: the default */
	const char *kube_config, *kube_context; /* a kubeconfig in place of these; may be NULL */
	struct leader_options leader;
	const struct clock *clock;
	struct signal_source signals;
	const struct ticket_service *tickets; /* borrowed until close; of the opening only */
	size_t ticket_count;
	const char *alertmanager_url; /* for silences; NULL: none */
	const char *alertmanager_token_file, *alertmanager_user, *alertmanager_ca_file; /* NULL */
	const char *external_url; /* for links in tickets; NULL: none */
	int64_t ticket_gap_ms;    /* tests: before the first repeat; 0: as usual */
	const char *
		opt_in_selector; /* label matchers of workloads managed without annotation; NULL: annotation only */
	/* Called while it opens, with each finding that an incident of the journal has, by itself or as one
	 * that joined, the oldest incident first; the event is of use during the call only. May be NULL. */
	void (*known_finding)(void *argument, const struct event *finding);
	void *known_argument;
};

struct remediator;

/* Defaults as documented in docs/configuration.md. */
void guard_limits_default(struct guard_limits *limits);

/* Only checks playbooks; what is wrong is in diagnostics. STATUS_BAD_INPUT when there were errors. */
enum status remediator_check(const struct remediator_config *config,
	struct diagnostics *diagnostics) MUST_CHECK;
struct remediator *remediator_open(const struct remediator_config *config,
	struct error *error) MUST_CHECK;
/* New playbooks, mode, limits; the old ones stay in force when STATUS_BAD_INPUT. */
enum status remediator_reload(struct remediator *remediator, const struct remediator_config *config,
	struct diagnostics *diagnostics) MUST_CHECK;
/* Ends the engine's thread and the actuators; journals what is queued. */
void remediator_close(struct remediator *remediator);

/* Persists, then gives to the engine what was new; done is called from the journal's thread. */
typedef void remediator_done_fn(void *argument, enum status status, size_t new_count);
enum status remediator_submit(struct remediator *remediator, const struct event *events,
	size_t count, remediator_done_fn *done, void *argument) MUST_CHECK;

/* A note in the journal of another part of the service, beside the engine's: key and JSON object are copied. Nobody
 * waits for it, and one that finds no room is logged and gone. */
void remediator_note(struct remediator *remediator, const char *key, const char *json);

/* Playbooks in force, those that are not enabled among them. */
size_t remediator_playbook_count(struct remediator *remediator);

/*
 * The kill switch: in force when this returns, whatever it returns. STATUS_OK when it is in the
 * journal too and so outlives a crash; else the error says that it may not, and the engine keeps
 * trying to write it.
 */
enum status remediator_pause(struct remediator *remediator, bool paused, const char *identity,
	struct error *error) MUST_CHECK;

#define KILL_SWITCH_BY_MAX 128

struct kill_switch {
	bool on;
	int64_t since_ms;            /* 0: it was never on */
	char by[KILL_SWITCH_BY_MAX]; /* who set it so; "" as long as nobody did */
};

void remediator_kill_switch(struct remediator *remediator, struct kill_switch *state);

/* Who says a word on an action, as the API's credentials tell. */
struct person {
	const char *identity, *role;
	uint64_t seen; /* approval_hash of the action as it was shown to them; 0: not told */
};

#define LEADER_NAME_MAX 256
#define LEADER_URL_MAX 512

struct leader_view {
	bool leads;                                              /* this replica acts */
	char identity[LEADER_NAME_MAX], holder[LEADER_NAME_MAX]; /* holder: "": nobody is known */
	char holder_url[LEADER_URL_MAX];
	int64_t since_ms; /* 0: nothing was heard yet */
};

/* False, and it leads, when there is no election. */
bool remediator_leader(struct remediator *remediator, struct leader_view *view);
/* What another replica takes over: the records of incidents, actions and the kill switch above a
 * number, {"records":[...],"last":N,"more":B}; 0: of the last day. */
enum status remediator_write_handover(struct remediator *remediator, uint64_t after,
	struct buf *json, struct error *error) MUST_CHECK;

/*
 * A person's word. Texts are copied.
 */
enum word_kind {
	WORD_APPROVE,
	WORD_REJECT,
	WORD_UNDO,
	WORD_LIFT,
	WORD_PAUSE,
	WORD_RESUME,
	WORD_DRY_RUN /* what the API server would say to an action that waits */
};

struct person_word {
	enum word_kind kind;
	const char *id; /* of the action; of WORD_LIFT the playbook; else NULL */
	struct person person;
	const char *cluster, *namespace_name; /* of WORD_LIFT */
	/* Of WORD_DRY_RUN, to live until it is answered: gets {"id","change","admitted","refused_by",
	 * "message"}; admitted is null where the server could not be asked. */
	struct buf *json;
};

/*
 * Says a word; `answer` is told once what became of it, on another thread or before this returns.
 * STATUS_OK: it is in the journal and outlives a crash. STATUS_UNAVAILABLE: it may be in force all the
 * same, as the error says. The functions below say one and wait.
 */
typedef void remediator_answer_fn(void *argument, enum status status, const struct error *error);
void remediator_say(struct remediator *remediator, const struct person_word *word,
	remediator_answer_fn *answer, void *argument);

/* People's words on a waiting action; the error says why not. */
enum status remediator_approve(struct remediator *remediator, const char *action_id,
	const struct person *person, bool approve, struct error *error) MUST_CHECK;
/* Proposes the inverse of a done action as a new action. */
enum status remediator_undo(struct remediator *remediator, const char *action_id,
	const struct person *person, struct error *error) MUST_CHECK;

/* JSON arrays or objects, newest first, for the API, the page and the commands. limit 0: 200. */
enum status remediator_write_alerts(struct remediator *remediator, struct buf *json, size_t limit);
/* Whether a list of incidents or actions can be asked for this state: a state's name, of incidents an
 * outcome's, "open" or "ended". STATUS_BAD_INPUT lists them and names the nearest. */
enum status remediator_check_state(const char *state, bool incidents,
	struct error *error) MUST_CHECK;
enum status remediator_write_incidents(struct remediator *remediator, struct buf *json,
	const char *state, size_t limit);
enum status remediator_write_actions(struct remediator *remediator, struct buf *json,
	const char *state, size_t limit);
/* One incident or action with its decision record: every gate with value and bound, in plain
 * sentences and as data. STATUS_NOT_FOUND. */
enum status remediator_write_why(struct remediator *remediator, const char *id, struct buf *json);

/* Lifts the demotion of a playbook in a namespace. STATUS_NOT_FOUND when there is none. */
enum status remediator_lift(struct remediator *remediator, const char *playbook,
	const char *cluster, const char *namespace_name, const char *identity,
	struct error *error) MUST_CHECK;
/* An array of the track records: what was measured, the mode in force, what is proposed. */
enum status remediator_write_modes(struct remediator *remediator, struct buf *json,
	struct error *error) MUST_CHECK;

/* Playbooks that the cluster does not let do their work: an array of {"playbook", "missing"}. */
void remediator_write_disabled(struct remediator *remediator, struct buf *json);
/* The same in words: "grow lacks patch deployments.apps; ..."; nothing when there are none. */
void remediator_tell_disabled(struct remediator *remediator, struct buf *text);

/* What is under way to the ticket services, an element each; empty without them and in a dry run. */
enum status remediator_write_tickets(struct remediator *remediator, struct buf *json);

/* A line for each step as it happens, for the live view; called from the engine's thread. */
typedef void remediator_watch_fn(void *argument, int64_t time_ms, const char *incident,
	const char *state, const char *text);
void remediator_watch(struct remediator *remediator, remediator_watch_fn *watch, void *argument);

/* Health for metrics and /-/ready: the engine's thread runs and the journal commits. */
bool remediator_healthy(struct remediator *remediator, const char **component);

#endif
