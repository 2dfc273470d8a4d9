/*
 * Incidents and their actions: the engine's memory, their form in the journal and the API, and the
 * way back from there.
 *
 * Ownership: an incident owns its event, actions and observation.
 * Limits: ACTIONS_MAX actions an incident; texts as the fields say.
 * Threads: owned by the engine's thread.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_INCIDENT_H
#define NIMBUSGUARD_REMEDIATIONS_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/event.h"
#include "remediations/actuator.h"
#include "remediations/forecast.h"
#include "remediations/plan.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"

#define INCIDENT_ID_MAX 32
#define IDENTITY_MAX 128
#define ACTIONS_MAX 32
#define RECORD_BODY_MAX (4u << 20)

/* X(state, name). The diagram stands in engine.c; `ended` of an action says that it stays. */
#define ACTION_STATE_TABLE(X)                                                                      \
	X(STATE_PROPOSED, "proposed")                                                              \
	X(STATE_BLOCKED, "blocked")                                                                \
	X(STATE_AWAITING_APPROVAL, "awaiting_approval")                                            \
	X(STATE_CLEARED, "cleared")                                                                \
	X(STATE_WRITTEN, "written")                                                                \
	X(STATE_SENT, "sent")                                                                      \
	X(STATE_UNKNOWN, "unknown")                                                                \
	X(STATE_DONE, "done")                                                                      \
	X(STATE_FAILED, "failed")                                                                  \
	X(STATE_WATCHED, "watched")                                                                \
	X(STATE_CURED, "cured")                                                                    \
	X(STATE_SELF_HEALED, "self_healed")                                                        \
	X(STATE_INEFFECTIVE, "ineffective")                                                        \
	X(STATE_WORSE, "worse")                                                                    \
	X(STATE_REVERTED, "reverted")                                                              \
	X(STATE_ROLLED_BACK, "rolled_back")                                                        \
	X(STATE_HANDED_OVER, "handed_over")

enum action_state {
#define X(state, name) state,
	ACTION_STATE_TABLE(X)
#undef X
		ACTION_STATE_COUNT
};

const char *action_state_name(enum action_state state);
bool action_state_parse(const char *name, enum action_state *state);

/* X(outcome, name): how an incident ended */
#define OUTCOME_TABLE(X)                                                                           \
	X(OUTCOME_NONE, "none")               /* open */                                           \
	X(OUTCOME_CURED, "cured")             /* changed, and the signal is good on raw samples */ \
	X(OUTCOME_SELF_HEALED, "self_healed") /* good again, as it would have been without us */   \
	X(OUTCOME_DRY_RUN, "dry_run")         /* nothing was changed: a dry run */                 \
	X(OUTCOME_ROLLED_BACK, "rolled_back") /* the change was undone */                          \
	X(OUTCOME_HANDED_OVER, "handed_over") /* to people */                                      \
	X(OUTCOME_RESOLVED, "resolved")       /* the alert ended before anything was done */       \
	X(OUTCOME_SUGGESTED, "suggested")     /* mode suggest: shown until it expired */           \
	X(OUTCOME_REJECTED, "rejected")       /* a person said no */

enum outcome {
#define X(outcome, name) outcome,
	OUTCOME_TABLE(X)
#undef X
		OUTCOME_COUNT
};

const char *outcome_name(enum outcome outcome);

#define APPROVALS_MAX 2
#define ROLE_MAX 16

/* A person's yes: to this plan, on a target in this state, until then. */
struct approval {
	char by[IDENTITY_MAX], role[ROLE_MAX];
	int64_t given_ms, until_ms;
	uint64_t plan_hash,
		state_hash; /* plan_hash 0: an undo that was asked for before it was planned */
};

/* What the signal of the verification was, is, and would have been. NaN: not known. */
struct effect {
	double before, after;
	struct forecast forecast; /* made before the change, for the time of the verification */
	unsigned peers, peers_recovered; /* with the same alert, untreated */
	char reverted_by[64];            /* the manager that changed the field back; "" */
};

struct action {
	char id[ACTION_ID_MAX];
	char undo_of[ACTION_ID_MAX]; /* "" when it is no undo */
	unsigned number;             /* in its incident, from 1 */
	unsigned step;
	bool hand_over; /* the ticket at an incident's end */
	bool rollback;  /* an undo because it got worse */
	bool expiry;    /* an undo because the time of its floor is over */
	bool ended;
	bool dry_run;
	enum action_state state;
	char reason[REASON_MAX];
	char sentence[SENTENCE_MAX];
	struct plan plan;
	struct target target;
	struct effect effect;
	int64_t proposed_ms, written_ms, sent_ms, done_ms, ended_ms;
	char asked_by[IDENTITY_MAX]; /* the person who proposed it; "" when a playbook did */
	int64_t expires_ms;          /* until when it waits for people; 0: it does not */
	uint64_t approval_hash;      /* of plan and target as last shown; 0: not yet */
	uint64_t state_hash;         /* the target's part of it */
	struct approval approvals[APPROVALS_MAX];
	unsigned approval_count, approvals_needed;
	char void_reason
		[REASON_MAX]; /* why earlier ones are worth nothing; "" when there were none */
	char void_sentence[SENTENCE_MAX];
	char approved_by[IDENTITY_MAX]; /* who approved what was carried out: "ann, ben" */
	uint64_t approved_hash;         /* 0: not approved */

	/* Not journaled: the submission that holds the newest state, and whether it was committed. */
	uint64_t last_ticket;
	bool settled;
};

#define COMPANION_TEXT_MAX 256
#define COMPANIONS_MAX 64

/* Another event that joined the incident, whose plan answers it, too. */
struct companion {
	uint64_t fingerprint;
	char name[128];                         /* of the alert or the finding */
	char text[COMPANION_TEXT_MAX];          /* what tells it from the incident's first event */
	int64_t starts_ms, joined_ms, ended_ms; /* ended_ms 0: it fires */
	/* By itself it would only have become a ticket: once the incident has ended otherwise than with
	 * one, it is heard anew. */
	bool symptom;

	/* Not journaled. */
	struct incident *incident;
	struct companion *next;      /* of the incident */
	struct companion *next_same; /* in the engine's index by fingerprint */
};

/* What an open incident waits for; not journaled, for it follows from the state. */
enum wait {
	WAIT_NOTHING,
	WAIT_OBSERVATION, /* before a decision */
	WAIT_RETRY,       /* until due_ms, then it is decided anew */
	WAIT_APPROVAL,
	WAIT_JOURNAL, /* for the commit of WRITTEN */
	WAIT_SEND,    /* the actuator was busy */
	WAIT_RESULT,
	WAIT_LOOK, /* UNKNOWN: an observation is under way or due */
	WAIT_VERIFY
};

struct incident {
	char id[INCIDENT_ID_MAX];
	bool open;
	enum outcome outcome;
	char reason[REASON_MAX];
	char sentence[SENTENCE_MAX];
	struct event event; /* the first one */
	char playbook[PLAYBOOK_NAME_MAX];
	struct target target;
	struct refusal target_refusal;
	bool firing;       /* the first event or one that joined */
	bool first_firing; /* the first one */
	int64_t starts_ms; /* of the newest firing of the first event */
	int64_t opened_ms, updated_ms, ended_ms;
	unsigned joined;              /* events after the first */
	struct companion *companions; /* the others among them, in the order in which they joined */
	unsigned companion_count;
	/* Of those that joined, how many were no more remembered one by one (COMPANIONS_MAX); a symptom
	 * among them counts each time that it is told. */
	unsigned unlisted;
	unsigned step;  /* the playbook's step that is tried */
	unsigned tries; /* of this step */
	bool handing_over;
	struct action *actions[ACTIONS_MAX];
	size_t action_count;

	/* Not journaled. */
	enum wait wait;
	int64_t due_ms, blocked_since_ms;
	uint64_t observe_ticket, journal_ticket, last_ticket;
	bool observe_asked; /* observe_ticket is awaited */
	bool not_looked;    /* the decision is made without asking the cluster */
	bool tracked;       /* its track record is journaled with its next record */
	bool dirty;         /* the last record did not get into the journal */
	bool settled;       /* the last record is in the journal */
	unsigned looks;
	bool resumed;                    /* its action was begun before and goes on */
	struct observation *observation; /* NULL until asked */
	uint64_t decided; /* hash of the last decision record, so that repeats are left out */
	uint32_t slot;
	uint32_t live_place;         /* in the engine's list of live ones, from 1; 0: it is none */
	struct incident *next_same;  /* in the engine's index by fingerprint */
	struct incident *next_id;    /* and by id */
	struct incident *next_place; /* and by target */
	struct incident *next_group; /* and by group, where the event has one */
};

/* Takes a copy of the event. NULL: out of memory. */
struct incident *incident_open(const struct event *event) MUST_CHECK;
void incident_close(struct incident *incident);
/* The last action, or NULL. */
struct action *incident_action(const struct incident *incident);
struct action *incident_find_action(const struct incident *incident, const char *id);
/* A new last action in PROPOSED with the next number; NULL when there are ACTIONS_MAX or memory is out. */
struct action *incident_add_action(struct incident *incident) MUST_CHECK;
/* A new last companion; NULL when there are COMPANIONS_MAX or memory is out. */
struct companion *incident_add_companion(struct incident *incident) MUST_CHECK;
/* Whether an event of it still fires. */
bool incident_fires(const struct incident *incident);
/* "LatencyHigh (pod web-2), cpu_high": those that joined; "" when none did. */
void companions_write(const struct incident *incident, char *text, size_t size);
/* Who has approved it: "ann, ben", or with their roles "ann (approve), ben (admin)". */
void approvals_write(const struct action *action, bool roles, char *text, size_t size);
/* The state shown for it: its last action's, or proposed, blocked or handed_over. */
const char *incident_state_name(const struct incident *incident);

/* Bodies of RECORD_INCIDENT and RECORD_ACTION, and what the API lists. */
void incident_write_json(struct buf *json, const struct incident *incident);
void action_write_json(struct buf *json, const struct action *action,
	const struct incident *incident);
/* From such a body. incident_read_json() gives an incident without actions. */
enum status incident_read_json(struct incident **incident, const char *text, size_t size,
	struct error *error) MUST_CHECK;
enum status action_read_json(struct action *action, const char *text, size_t size,
	struct error *error) MUST_CHECK;

#endif
