/*
 * What the remediator's files share. For remediator*.c only; everybody else uses remediator.h.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_STATE_H
#define NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "remediations/actuator.h"
#include "remediations/actuator_web.h"
#include "remediations/audit_watch.h"
#include "remediations/board.h"
#include "remediations/engine.h"
#include "remediations/journal.h"
#include "remediations/kube_event.h"
#include "remediations/permission_watch.h"
#include "remediations/remediator.h"
#include "remediations/remediator_lead.h"
#include "remediations/rules.h"
#include "remediations/stages.h"
#include "remediations/tickets.h"

#define TICKET_MESSAGES_MAX 1024
#define AHEAD_MESSAGES_MAX 4

enum message_kind {
	MESSAGE_AHEAD, /* an event that is on its way into the journal */
	MESSAGE_EVENT,
	MESSAGE_JOURNALED,
	MESSAGE_OBSERVED,
	MESSAGE_FINISHED,
	MESSAGE_CONTROL,
	MESSAGE_TICKET
};

/* What the engine's thread is told. The pointers change hands with the message. */
struct message {
	enum message_kind kind;
	enum status status;
	uint64_t number;  /* record of the event, or ticket */
	int64_t since_ns; /* of an event: when it was submitted */
	union {
		struct event *event;
		struct observation *observation;
		struct command_result *result;
		struct control *control;
		char *incident; /* whose tickets changed */
	} with;
};

enum control_kind {
	CONTROL_DRAIN,
	CONTROL_PAUSE,
	CONTROL_APPROVE,
	CONTROL_UNDO,
	CONTROL_DRY_RUN,
	CONTROL_LIFT,
	CONTROL_MODES,
	CONTROL_LEAD,
	CONTROL_STAND_BY,
	CONTROL_ADOPT,
	CONTROL_CONFIGURE
};

/* A question from another thread, which waits on its own stack for the answer; or, with `done`, one
 * that belongs to whoever is told the answer by it. */
struct control {
	enum control_kind kind;
	bool flag;
	void (*done)(struct control *control); /* on the engine's thread; NULL: the asker waits */
	const char *id, *identity;
	const struct person *person;          /* of an approval or an undo */
	const char *cluster, *namespace_name; /* of a demotion that is lifted; id is the playbook */
	struct buf *json;                     /* for the modes, and the answer of a dry run */
	const struct engine_config *config;
	const struct record *records; /* ADOPT */
	size_t record_count;
	enum status status;
	struct error error;
	bool answered;
	bool refused;            /* standing by: the leader takes it */
	uint64_t ticket;         /* a person's word waits for the commit of its record */
	struct control *next;    /* in remediator.words or .dry_runs */
	struct command *command; /* of a dry run that the server is asked; owned */
};

struct remediator {
	const struct clock *clock;
	struct journal *journal;
	struct audit_watch *audit_watch;
	struct leading *leading;   /* NULL: no election */
	struct actuator dry, real; /* real: vtable NULL when there is no cluster; closed with dry */
	struct actuator web;       /* webhooks and silences; vtable NULL in a dry run */
	struct tickets *tickets;   /* NULL: no services, or a dry run */
	struct kube_events *kube_events;      /* NULL: no cluster, or a dry run */
	struct permission_watch *permissions; /* NULL: no cluster, or a dry run */
	struct engine *engine;
	struct engine_config config; /* what the engine has; changed by reload only */
	struct rules *rules;
	struct stages *stages;
	struct board *board;
	struct queue *queue;
	unsigned event_queue_max;
	atomic_uint events_waiting;
	atomic_uint ticket_messages; /* in the queue, at most TICKET_MESSAGES_MAX */
	atomic_uint ahead_messages;  /* in the queue, at most AHEAD_MESSAGES_MAX */
	atomic_bool looks_ahead;     /* what engine_looks_ahead() said after the last event */

	/* The engine's thread only. */
	struct control *words;    /* that wait for their commit */
	struct control *dry_runs; /* that wait for the API server */

	pthread_t thread;
	bool thread_started;
	atomic_bool running;

	pthread_mutex_t lock; /* of controls' answers, of watch and of kill_switch */
	pthread_cond_t answered;
	pthread_mutex_t reload_lock; /* one reload at a time */
	atomic_bool paused;          /* kill_switch.on, for actuators */
	struct kill_switch kill_switch;
	remediator_watch_fn *watch;
	void *watch_argument;
};

/* remediator_thread.c: the engine's thread and its ports */
struct engine_ports remediator_ports(struct remediator *remediator);
/* Counts the guard's decisions and refusals in the metrics. */
void remediator_count(const struct news *news);
struct actuator_sink remediator_sink(struct remediator *remediator);
/* At start: of incidents that ended while nobody could remove them. */
void remediator_end_silences(struct remediator *remediator);
void *remediator_run(void *argument);
/* Asks the engine's thread and waits for its answer. STATUS_BUSY, STATUS_UNAVAILABLE. */
enum status remediator_control(struct remediator *remediator, struct control *control);
/* Asks it and does not wait: control->done is called once, maybe before this returns. */
void remediator_ask(struct remediator *remediator, struct control *control);
/* Copies the engine's kill switch for other threads; on the engine's thread. */
void remediator_note_pause(struct remediator *remediator);
/* Answers a control: once, and then it is the asker's. */
void remediator_answer(struct remediator *remediator, struct control *control, enum status status);
void message_fini(struct message *message);
/* Puts an incident's, action's or event's record on the board. */
void remediator_show(struct remediator *remediator, const struct record *record);
/* The incident's tickets changed. */
void remediator_show_tickets(struct remediator *remediator, const char *id);
void remediator_collect(void *argument);
/* From the threads of journal and tickets. */
void remediator_ticket_finished(void *argument, const struct command_result *result);
void remediator_ticket_changed(void *argument, const char *incident);

/* remediator_dry_run.c: what the API server would say, on the engine's thread. Makes the command and notes
 * in the journal that it is asked; control->ticket is the note's. */
enum status remediator_begin_dry_run(struct remediator *remediator, struct control *control,
	int64_t now_ms) MUST_CHECK;
/* The note is in the journal: the server is asked, or the control answered. */
void remediator_ask_server(struct remediator *remediator, struct control *control);
/* The answer; false: it is none of a dry run. */
bool remediator_server_answered(struct remediator *remediator, const struct command_result *result,
	int64_t now_ms);
void remediator_end_dry_runs(struct remediator *remediator);

/* Tells config->known_finding; before the engine's thread runs. */
void remediator_tell_known(const struct remediator *remediator,
	const struct remediator_config *config);

#endif
