/*
 * The engine: events in, guarded actions out, and an end to every incident. It does no I/O and has
 * no threads: time is an argument, and journal, cluster and signals stand behind struct
 * engine_ports, so that one seed replays a run.
 *
 * Ownership: events, observations and results are copied; playbooks, matchers, freeze windows and
 *   ports are borrowed until the engine is closed or configured anew.
 * Limits: incident_max incidents, ended ones are forgotten first; when all are open new events are
 *   refused with the reason "incidents_full".
 * Order: acknowledgements of the journal must come in the order of submission. A port must not call
 *   back into the engine before it returned.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ENGINE_H
#define NIMBUSGUARD_REMEDIATIONS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"
#include "base/matcher.h"
#include "remediations/actuator.h"
#include "remediations/freeze.h"
#include "remediations/guard.h"
#include "remediations/incident.h"
#include "remediations/journal.h"
#include "remediations/mode_rules.h"
#include "remediations/playbook.h"
#include "remediations/track.h"

/* How long the engine waits for what, before it goes on without. All in milliseconds. */
struct engine_times {
	int64_t observe;        /* for an observation */
	int64_t send;           /* from WRITTEN to the command's deadline */
	int64_t send_margin;    /* after the deadline for the answer */
	int64_t journal;        /* for a commit */
	int64_t retry;          /* before the next try after a failure */
	int64_t wait_max;       /* in BLOCKED */
	int64_t approval_max;   /* in AWAITING_APPROVAL */
	int64_t approval_valid; /* that a yes is good for */
	int64_t verify_grace;   /* for a signal that cannot be read when verification is due */
};

void engine_times_default(struct engine_times *times);

/* Whether the cluster lets a playbook do its work. */
struct permission_source {
	void *self;
	/* True: it does not for a target of this kind, and text says what is missing. */
	bool (*lacks)(void *self, const char *playbook, enum target_kind kind, char *text,
		size_t size);
};

struct engine_config {
	struct playbooks *playbooks;
	struct matchers *opt_in; /* NULL: annotation only */
	struct freeze *freeze;   /* NULL: no windows */
	enum mode mode;
	const struct mode_rules *modes; /* NULL: none */
	bool dry_run;
	bool paused;
	struct guard_limits limits;
	struct signal_source signals;
	struct permission_source permissions; /* lacks NULL: nothing is known to be missing */
	struct forecast_source forecast;      /* expect NULL: the simple ones on the signals */
	struct engine_times times;
	unsigned incident_max; /* at open only */
};

/* X(news, what the fields mean) */
enum news_kind {
	NEWS_STATE,  /* incident, action (may be NULL), word: state, text: what happened */
	NEWS_JOINED, /* another event joined incident; word: its state, text: which event */
	NEWS_UNLISTED, /* one that joined is not remembered by itself: there are too many; text says so */
	NEWS_QUIET,    /* of several events of incident none fires any more; text says so */
	NEWS_DECISION, /* word: verdict */
	NEWS_REFUSAL,  /* word: reason code */
	NEWS_ACTION,   /* action ended: word: what became of it */
	NEWS_OUTCOME,  /* incident ended: word: outcome */
	NEWS_MODE,     /* word: demoted, lifted or promotion_proposed; track tells of whom */
	NEWS_OBSERVED  /* observation of incident's target */
};

struct news {
	enum news_kind kind;
	int64_t time_ms;
	const struct incident *incident; /* NULL for events that became none */
	const struct action *action;
	const struct observation *observation;
	const struct track *track;
	const char *playbook, *word, *text;
};

struct engine_ports {
	void *self;
	/* Journals records as one group; takes their texts when STATUS_OK, and engine_journaled() will
	 * be called with the ticket. */
	enum status (*journal)(void *self, uint64_t ticket, struct record *records, size_t count);
	/* Asks for an observation; engine_observed() with the ticket. */
	enum status (*observe)(void *self, uint64_t ticket, const struct target *target,
		const struct purpose *purpose);
	/* Carries out, or pretends to; engine_finished() with the command's action id. */
	enum status (*send)(void *self, const struct command *command, bool dry_run);
	/* Tells metrics and the live view; may be NULL. */
	void (*told)(void *self, const struct news *news);
};

struct engine;

/* NULL: out of memory. */
struct engine *engine_open(const struct engine_config *config, const struct engine_ports *ports,
	int64_t now_ms) MUST_CHECK;
void engine_close(struct engine *engine);
/* Other playbooks, mode, limits from now on. STATUS_NO_MEMORY: the old ones stay. */
enum status engine_configure(struct engine *engine, const struct engine_config *config) MUST_CHECK;

/* At start: every record of the journal in order, then engine_start(). A body that can't be read is
 * an error that names the record. */
enum status engine_replay(struct engine *engine, const struct record *record,
	struct error *error) MUST_CHECK;
void engine_start(struct engine *engine, int64_t now_ms);

/* The event is on its way into the journal: where it would open an incident whose target is looked at first,
 * that look begins now, and nothing else does. It is used when engine_event() comes with it within a second. */
void engine_look_ahead(struct engine *engine, const struct event *event, int64_t now_ms);
/* Whether that is worth while: not in a storm, or where nothing would be decided now. */
bool engine_looks_ahead(const struct engine *engine);
/* number: the event's record, 0 when it has none. */
void engine_event(struct engine *engine, const struct event *event, uint64_t number,
	int64_t now_ms);
void engine_journaled(struct engine *engine, uint64_t ticket, enum status status, int64_t now_ms);
void engine_observed(struct engine *engine, uint64_t ticket, const struct observation *observation,
	int64_t now_ms);
void engine_finished(struct engine *engine, const struct command_result *result, int64_t now_ms);
void engine_tick(struct engine *engine, int64_t now_ms);
/* When engine_tick() is wanted next at the latest; INT64_MAX when nothing waits. */
int64_t engine_due(const struct engine *engine);

/*
 * Of several replicas one leads and acts; the others stand by: they hear the same events, open and end
 * incidents by them, and wait. engine_stand_by(): before engine_start() or at the loss of the lease,
 * at once. engine_lead(): from now on this one acts; open incidents go on as after a restart, and what
 * the cluster says was done by a former leader is not done again. words_known: the former leader was
 * asked last thing, or there was none: otherwise approvals that were given to it are void.
 */
void engine_stand_by(struct engine *engine, int64_t now_ms);
void engine_lead(struct engine *engine, bool words_known, int64_t now_ms);
bool engine_stands_by(const struct engine *engine);
/*
 * While standing by: what the leader's journal says of an incident, an action, or in a note,
 * oldest first. *news: it was not known so; then the record is to be journaled here, too.
 */
enum status engine_adopt(struct engine *engine, const struct record *record, bool *news,
	int64_t now_ms, struct error *error) MUST_CHECK;

/* How many events wait to be given to the engine: they count for the storm gate already. */
void engine_expect(struct engine *engine, unsigned events);
/* Before the end: no action is written any more, those under way get their answers. True when none is
 * left between WRITTEN and its answer. */
bool engine_drain(struct engine *engine);
/*
 * The kill switch: in force at once. Returns the ticket of its note in the journal, which is told to
 * engine_journaled(); 0 when the journal has no room: it is then written as soon as it has.
 *
 * Fails closed: only a note that says so switches it off over a restart, and never against
 * config.paused.
 */
uint64_t engine_pause(struct engine *engine, bool paused, const char *identity, int64_t now_ms);
bool engine_paused(const struct engine *engine);
/* Who set the kill switch to what it is ("" when nobody did), and since when. */
const char *engine_paused_by(const struct engine *engine, int64_t *since_ms);
/*
 * A person's yes or no to an action that waits for it. A yes is for the plan and the state of the
 * target as they were shown, for times.approval_valid, and only for as long as the alert fires; what
 * two persons have to approve needs two of different identity. STATUS_NOT_FOUND; STATUS_CONFLICT when
 * it does not wait, was shown otherwise, or has this person's yes; STATUS_FORBIDDEN in mode suggest.
 */
enum status engine_approve(struct engine *engine, const char *action_id,
	const struct person *person, bool approve, int64_t now_ms, struct error *error) MUST_CHECK;
/* Proposes the inverse of a done action, with the person's yes. */
enum status engine_undo(struct engine *engine, const char *action_id, const struct person *person,
	int64_t now_ms, struct error *error) MUST_CHECK;

/*
 * What an action that waits would send, as a dry run of the server: the command, with an id of its own,
 * and what it sends by its playbook (mem_free; NULL: nothing). The action stays as it is. STATUS_NOT_FOUND;
 * STATUS_CONFLICT when it does not wait, cannot be carried out, or was shown otherwise; STATUS_UNSUPPORTED
 * for what is no business of the API server.
 */
enum status engine_dry_run(struct engine *engine, const char *action_id,
	const struct person *person, struct command *command, char **payload, int64_t now_ms,
	struct error *error) MUST_CHECK;
/* Notes in the journal that a person asks the server so, and with an answer what it said; its ticket as of
 * engine_word_ticket(). answer: a JSON object, or NULL. */
uint64_t engine_note_dry_run(struct engine *engine, const struct command *command,
	const char *identity, const char *answer, int64_t now_ms);

/* Lifts a demotion. STATUS_NOT_FOUND when there is none. */
enum status engine_lift(struct engine *engine, const char *playbook, const char *cluster,
	const char *namespace_name, const char *identity, int64_t now_ms,
	struct error *error) MUST_CHECK;
/* The ticket of the record that holds the last word that was taken (approve, reject, undo, lift), as it
 * will be told to engine_journaled(); 0: the journal had no room, and it is written as soon as it has. */
uint64_t engine_word_ticket(const struct engine *engine);
/* An array of the track records with the mode in force and what is proposed. */
void engine_write_modes(const struct engine *engine, struct buf *json);

/* NULL when it is not in memory. These two only read: a port may ask them while it is called. */
struct incident *engine_incident_of_action(const struct engine *engine, const char *action_id);
/* The playbook that answers it, or NULL when that is gone. */
struct playbook *engine_playbook(const struct engine *engine, const struct incident *incident);
/* All incidents in memory, in no order; visit returns false to stop. */
void engine_visit(const struct engine *engine,
	bool (*visit)(void *argument, const struct incident *incident), void *argument);
size_t engine_open_count(const struct engine *engine);
const struct ledger *engine_ledger(const struct engine *engine);

#endif
