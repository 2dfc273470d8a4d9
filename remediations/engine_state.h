/*
 * What the engine's files share: its memory and the steps that cross from one file to another. For
 * engine*.c only; everybody else uses engine.h.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ENGINE_STATE_H
#define NIMBUSGUARD_REMEDIATIONS_ENGINE_STATE_H

#include "remediations/engine.h"
#include "remediations/seen.h"

#define SLOT_BITS 20
#define AHEAD_SLOT ((1u << SLOT_BITS) - 1) /* in the ticket of a look ahead */
#define TRIES_MAX 3
#define LOOKS_MAX 6
#define LEDGER_MAX 16384
#define AHEAD_MAX 4

/* An incident whose action may be changing the cluster or is being watched, and what the guard asks about
 * all of them, as of its action's newest state: thousands are looked through at each decision without
 * touching them. */
struct live {
	struct incident *incident;
	uint64_t object, owner, cluster; /* as struct ledger_entry has them */
	enum action_kind kind;
	bool watched, dry_run;
};

/* A look at a target for an event that is not in the journal yet: engine_ahead.c. */
struct look_ahead {
	uint64_t ticket; /* of the observation; 0: a free place */
	int64_t asked_ms;
	struct target target;
	enum action_kind kind;
	char incident[INCIDENT_ID_MAX];  /* that waits for it; "" none yet */
	struct observation *observation; /* NULL: not there yet */
};

struct engine {
	struct engine_config config;
	struct engine_ports ports;
	int64_t now_ms, started_ms;
	bool paused, draining;
	bool standby, elected; /* elected: one of several, so that others may have acted */
	int64_t lead_since_ms;
	char paused_by[IDENTITY_MAX]; /* who set the kill switch last; "" when nobody did */
	int64_t paused_since_ms;
	uint64_t pause_ticket; /* of its newest note; 0: it found no room */
	uint64_t word_ticket; /* of the record of the last word on an action; 0: it found no room */
	bool pause_noted;     /* the newest note is in the journal, or there is none to write */
	int64_t pause_note_ms; /* when it was written, to write it anew in time */

	struct incident **slots; /* [slot_max], NULL where free */
	uint32_t *free_slots;
	uint32_t *ended; /* slots of ended incidents, the oldest first; ring of slot_max */
	/* [slot_max], no later than the incident's due_ms: ten thousand that wait are looked through at
	 * each tick without touching them. */
	int64_t *dues;
	size_t slot_max, free_count, open_count, ended_first, ended_count;
	struct incident *
		*index; /* by fingerprint, chained by next_same; [index_size], a power of 2 */
	struct incident **ids; /* by id, chained by next_id; [index_size] */
	/* Events that joined incidents, by fingerprint, and incidents by target and by group: engine_join.c;
	 * [index_size]. */
	struct companion **companions;
	struct incident **places, **groups;
	size_t index_size;
	struct live *live; /* [slot_max], in no order */
	size_t live_count;

	struct look_ahead ahead[AHEAD_MAX];

	struct ledger ledger;
	struct tracks tracks;
	int64_t ledger_keep_ms;
	struct seen seen;
	struct storm_gauge storm;
	unsigned expected; /* events that are waiting outside */

	uint64_t ticket_last; /* sequence part of the last ticket */
	int64_t next_due_ms, next_flush_ms;
	int64_t next_floor_ms; /* when floors are looked through; 0: at the next tick */

	/* The checkpoint of events: moved over what is surely in the journal, see engine_settle(). */
	uint64_t events_done, events_noted, mark_number, mark_sequence;
	size_t outstanding, dirty_count;

	struct decision decision; /* of the step under way; too large for a stack frame of many */
	struct plan plan;
};

/* engine.c */
uint64_t engine_event_key(const struct event *event, const char *playbook,
	const struct target *target);
uint64_t engine_resolved_key(uint64_t fingerprint, int64_t starts_ms);

/* The id of the incident that the event has on all of several replicas; turn 0. */
void engine_event_id(const struct event *event, const char *playbook, const struct target *target,
	char id[INCIDENT_ID_MAX]);
bool engine_same_object(const struct target *a, const struct target *b);

/* The playbook by which the event would open an incident of its own, and its target. NULL: it would not, or
 * nobody knows the target. */
struct playbook *engine_would_open(struct engine *engine, const struct event *event,
	struct target *target);
/* The answer to the look that the incident waits for. */
void engine_take_look(struct engine *engine, struct incident *incident,
	const struct observation *observation);

/* engine_ahead.c */
/* The incident waits from now on for a look that began before it was opened. False: there is none. */
bool engine_ahead_claim(struct engine *engine, struct incident *incident);
/* What was claimed is taken when it is there already. */
void engine_ahead_take(struct engine *engine, struct incident *incident);
/* An observation of such a look came: the incident that waits for it, or NULL. */
struct incident *engine_ahead_observed(struct engine *engine, uint64_t ticket,
	const struct observation *observation);
void engine_ahead_forget(struct engine *engine);

/* engine_join.c */
/* The incident is found by its target and its companions, or no longer. */
void engine_join_link(struct engine *engine, struct incident *incident);
void engine_join_unlink(struct engine *engine, struct incident *incident);
/* Of an open incident, that the event joined. NULL: none. */
struct companion *engine_find_companion(const struct engine *engine, const struct event *event,
	const struct target *target);
/* The incident that answers the event already: its plan is the same, or the event is a finding that
 * belongs to it. NULL: none. */
struct incident *engine_find_alike(const struct engine *engine, const struct event *event,
	const struct playbook *playbook, const struct target *target);
/* false: there is no memory for it, and nothing changed. */
bool engine_join(struct engine *engine, struct incident *incident, const struct event *event,
	const char *playbook) MUST_CHECK;
/* A newer firing of one that joined. */
void engine_join_again(struct engine *engine, struct companion *companion,
	const struct event *event);
/* First of the chain of companions that may have the fingerprint. */
struct companion *engine_companions(const struct engine *engine, uint64_t fingerprint);
/* Another open incident is about to do just what this one plans: this one's events join it, and it
 * ends. False: there is none. */
bool engine_join_plan(struct engine *engine, struct incident *incident);

/* engine_memory.c */
bool engine_allocate(struct engine *engine, unsigned incident_max) MUST_CHECK;
void engine_forget_all(struct engine *engine);
/* First of the chain of incidents that may have the fingerprint. */
struct incident *engine_index(const struct engine *engine, uint64_t fingerprint);
void engine_wait(struct engine *engine, struct incident *incident, enum wait wait, int64_t due_ms);
void engine_tell(struct engine *engine, const struct incident *incident,
	const struct action *action, enum news_kind kind, const char *word, const char *text);
/* Sets an action's state, keeps the set of live ones, tells. format is the sentence. */
void engine_set_state(struct engine *engine, struct incident *incident, struct action *action,
	enum action_state state, const char *reason, const char *format, ...) PRINTF_LIKE(6, 7);
/* Brings the list of live incidents in line with the incident's state and its action's. */
void engine_keep_live(struct engine *engine, struct incident *incident);
bool action_live(const struct action *action);
enum mode engine_mode_at(const struct engine *engine, const char *playbook_name,
	const char *cluster, const char *namespace_name);
/* In force for the incident: the strictest of the service's, the playbook's and its rules', and no
 * more than approve where the playbook was demoted. */
enum mode engine_mode(const struct engine *engine, const struct incident *incident);
struct incident *engine_find(const struct engine *engine, const char *id);
/* A slot for the incident, whose id is set; false when all are taken by open ones. */
bool engine_take_slot(struct engine *engine, struct incident *incident) MUST_CHECK;
/* The incident has ended or was opened again: whether its slot may be taken. */
void engine_mark_ended(struct engine *engine, const struct incident *incident);
void engine_mark_open(struct engine *engine, const struct incident *incident);

/* engine_journal.c */
/* Journals the incident and its last action, and the decision when given. */
enum status engine_record(struct engine *engine, struct incident *incident,
	const struct decision *decision);
/* A record of its own; takes body over. Its ticket, or 0 when the journal did not take it. */
uint64_t engine_note(struct engine *engine, enum record_kind kind, const char *key, char *body);
/* Writes the kill switch down when that failed before, or is long ago. */
void engine_keep_pause(struct engine *engine);
void engine_settle(struct engine *engine);
void engine_flush(struct engine *engine);

/* The incident goes on where its last record left it. */
void engine_resume(struct engine *engine, struct incident *incident);
void engine_set_dirty(struct engine *engine, struct incident *incident, bool dirty);

/* engine_lead.c */
/* The incident waits until this replica leads. */
void engine_hold(struct engine *engine, struct incident *incident);
/* Whether the target's state says that a former leader did this step; it is then watched. */
bool engine_done_before(struct engine *engine, struct incident *incident);

/* engine_decide.c */
/* NULL: it has none, as the ticket at the end. */
const struct playbook_step *engine_step_of(const struct playbook *playbook,
	const struct action *action);
void engine_begin_step(struct engine *engine, struct incident *incident);
/* Whether the guard will refuse whatever the cluster says: then it is left in peace. A storm of alerts must
 * not become a storm of questions to the API server. */
bool engine_premature(const struct engine *engine, const struct guard_limits *limits);
/* What an observation of the target tells for an action of this kind. */
unsigned engine_looks_of(enum action_kind kind, const struct guard_limits *limits);
void engine_ask(struct engine *engine, struct incident *incident, enum wait wait);
void engine_decide(struct engine *engine, struct incident *incident);
void engine_expire(struct engine *engine, struct incident *incident);
struct ledger_entry engine_entry(const struct engine *engine, const struct incident *incident,
	const struct action *action);

/* The guard's verdict on the incident's action as things are now, in engine->decision. */
void engine_judge(struct engine *engine, struct incident *incident);

/* engine_approve.c */
/* How many persons the action needs by its kind and the mode; 0: none. */
unsigned engine_approvals_needed(const struct engine *engine, const struct incident *incident,
	const struct action *action);
/* Holds the approvals against the plan that was made just now, the target as it is, and the time:
 * what does not fit is void, with its reason in the action. */
void engine_check_approvals(struct engine *engine, struct incident *incident,
	struct action *action);
bool engine_approved(const struct action *action);
/* A new last action that is to undo this one, in an incident that is open again if it was not. NULL:
 * there is no room for it. */
struct action *engine_begin_undo(struct engine *engine, struct incident *incident,
	struct action *action);
/* The alert ended: what was approved and not sent is void, and the record says so. */
void engine_void_resolved(struct engine *engine, struct incident *incident);

/* engine_act.c */
void engine_write(struct engine *engine, struct incident *incident);
void engine_send(struct engine *engine, struct incident *incident);
void engine_unknown(struct engine *engine, struct incident *incident, const char *words);
void engine_look(struct engine *engine, struct incident *incident);
void engine_looked(struct engine *engine, struct incident *incident);
void engine_watch(struct engine *engine, struct incident *incident);
/* What accompanies the next step was done: that step comes. */
void engine_accompany(struct engine *engine, struct incident *incident);
void engine_retry_step(struct engine *engine, struct incident *incident);
/* What the action sends by its playbook (mem_free; NULL: nothing), which must still say what was planned.
 * False: *refusal says why not. */
bool engine_payload(const struct engine *engine, const struct incident *incident,
	const struct action *action, char **payload, struct refusal *refusal);
void engine_failed(struct engine *engine, struct incident *incident, const char *reason,
	const char *words);

/* engine_floor.c */
/* What is written now stands until then. */
void engine_floor_written(struct engine *engine, struct action *action);
/* Whether a floor of it may still be there, which has to fall back. */
bool engine_floor_stands(const struct engine *engine, const struct incident *incident);
/* Takes down those whose time is over. */
void engine_keep_floors(struct engine *engine);
/* It was taken down, or is no longer there; the incident ends as it had ended before. */
void engine_floor_fell(struct engine *engine, struct incident *incident, const struct action *floor,
	const char *reason, const char *words);

/* engine_effect.c */
/* Notes what the verification's signal is now, and what is expected of it without the change. */
void engine_foresee(const struct engine *engine, const struct incident *incident,
	struct action *action);
/* Enough similar cases got well without treatment that this one may have, too. */
void engine_count_peers(const struct engine *engine, const struct incident *incident,
	struct action *action);
/* Of a test that holds after the change: whether it would have without. words tells why. */
bool effect_self_healed(const struct effect *effect, const struct signal_test *test, char *words,
	size_t size);
/* Of a test that does not hold after the change. */
bool effect_worse(const struct effect *effect, const struct signal_test *test, double worse_by);

/* engine_track.c */
/* What the incident's answer turned out to be; demotes its playbook there if need be. Before the
 * record of the outcome, with which the track record is journaled. */
void engine_track(struct engine *engine, struct incident *incident, enum track_verdict verdict,
	const char *reason);
/* The record that is to be journaled with the incident, or NULL. */
struct track *engine_track_pending(const struct engine *engine, const struct incident *incident);
/* Writes down what the journal lacks, and what it would forget otherwise. */
void engine_keep_tracks(struct engine *engine);

/* engine_end.c */
/* The change made it worse: it is taken back where it can be. */
void engine_roll_back(struct engine *engine, struct incident *incident, const char *words);
void engine_rolled_back(struct engine *engine, struct incident *incident);
void engine_verify(struct engine *engine, struct incident *incident);
void engine_next_step(struct engine *engine, struct incident *incident, const char *reason,
	const char *words);
void engine_hand_over(struct engine *engine, struct incident *incident, const char *reason,
	const char *words);
/* The alert ended while the incident was waiting. */
void engine_end_resolved(struct engine *engine, struct incident *incident);
void engine_end(struct engine *engine, struct incident *incident, enum outcome outcome,
	const char *reason, const char *words);

#endif
