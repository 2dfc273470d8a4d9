/*
 * Tickets, one an incident and service: opened by the step `ticket` and by hand_over, commented when
 * something becomes of the incident's actions afterwards, closed when it is cured or its alert resolved.
 *
 * Each service has a thread of its own, the sole owner of its credentials and connection; a service that
 * hangs delays no other. What is to be told stands in the journal before it is tried (outbox.h). In a dry
 * run there is no struct tickets: nothing is told.
 *
 * Ownership: services and texts of the configuration are borrowed.
 * Limits: those of the outbox.
 * Threads: open, replay, start, stop and close from one; the others from any. finished and changed are
 *   called from the journal's and the services' threads and must be short.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TICKETS_H
#define NIMBUSGUARD_REMEDIATIONS_TICKETS_H

#include "base/clock.h"
#include "remediations/engine.h"
#include "remediations/outbox.h"
#include "remediations/ticket_http.h"

struct tickets_config {
	struct outbox_config outbox;
	const char *external_url; /* of this service; "" or NULL: none */
	const struct clock *clock;
	struct journal *journal;
	struct send_fence fence; /* past it everything is held, and told when it is open again */
	void *argument;
	/* A ticket's opening is in the journal, or surely not. */
	void (*finished)(void *argument, const struct command_result *result);
	/* An incident's tickets changed. */
	void (*changed)(void *argument, const char *incident);
};

struct tickets;

struct tickets *tickets_open(const struct tickets_config *config, struct error *error) MUST_CHECK;
/* The journal's records in order; those of other kinds are left alone. */
enum status tickets_replay(struct tickets *tickets, const struct record *record,
	struct error *error) MUST_CHECK;
/* Begins to tell; closes first what ended without a word of it in the journal. */
enum status tickets_start(struct tickets *tickets, struct error *error) MUST_CHECK;
/* Ends the threads; a try under way is given up and repeated by the next start. */
void tickets_stop(struct tickets *tickets);
/* After the journal is closed. */
void tickets_close(struct tickets *tickets);

/* Opens the incident's ticket at each service; finished() with the action's id follows. STATUS_BUSY: the
 * journal is full just now; STATUS_LIMIT: the outbox is full; STATUS_NO_MEMORY. */
enum status tickets_send(struct tickets *tickets, const struct incident *incident,
	const struct action *action, const char *runbook) MUST_CHECK;
/* What the engine tells: becomes a comment or the end where the incident has a ticket. */
void tickets_told(struct tickets *tickets, const struct news *news);
/* The end of an alert. */
void tickets_resolved(struct tickets *tickets, const struct event *event);

/* [{"service","kind","state","key","url",..}] of an incident. */
void tickets_write_incident(struct tickets *tickets, const char *incident, struct buf *json);
bool tickets_has(struct tickets *tickets, const char *incident);
/* [{"service","kind","queued","oldest_seconds","dead",..}]: an element each service. */
void tickets_write_status(struct tickets *tickets, struct buf *json);
/* Sets the gauges. */
void tickets_collect(struct tickets *tickets);

#endif
