/*
 * What is still to be told to ticket services, and what is known of the tickets there: the memory of
 * tickets.c, rebuilt at start from the journal's records of kind ticket.
 *
 * Each thing to be told is an entry with two records under the same key, its id: "queued" with the whole
 * event, committed before the first try, and one that says how it ended (told, dead, skipped; unsure is an
 * opening that may have been told and whose end is told instead). An entry without the second is told
 * again after a restart; the ticket's key makes that harmless.
 *
 *   UNWRITTEN -> WRITTEN   outbox_written()   its first record is committed
 *   WRITTEN   -> SENDING   outbox_take()      it is due, its service not resting, its ticket's next
 *   SENDING   -> WRITTEN   outbox_done()      to be tried again
 *             -> free      outbox_done()      told; refused, or too old: dead; or not needed: skipped
 *
 * Invariants: of one ticket the entry with the lowest number is told first, and no second before that
 *   ended. There is one ticket an incident and service. A ticket whose end came before it was told of is
 *   never told.
 * Ownership: events are copied into records, which are the caller's.
 * Limits: ticket_max tickets: of those without entries the oldest that has ended is forgotten for a new
 *   one, else the oldest that is open; 2 * ticket_max entries, of which each open ticket has one for its
 *   end; OUTBOX_COMMENTS_MAX comments a ticket, and none when three quarters are taken. Past that
 *   STATUS_LIMIT.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_OUTBOX_H
#define NIMBUSGUARD_REMEDIATIONS_OUTBOX_H

#include "base/random.h"
#include "remediations/journal.h"
#include "remediations/ticket_service.h"

#define OUTBOX_TICKETS_MAX 4096
#define OUTBOX_COMMENTS_MAX 20
#define OUTBOX_NONE SIZE_MAX

struct outbox_config {
	const struct ticket_service *services; /* borrowed */
	size_t service_count;
	size_t ticket_max;                /* 0: OUTBOX_TICKETS_MAX */
	int64_t gap_first_ms, gap_max_ms; /* between tries; 0: 5 s, 1 h */
	int64_t pause_max_ms;             /* of a service that does not answer; 0: 5 min */
	int64_t give_up_ms;               /* 0: 3 days */
};

struct outbox;

struct outbox *outbox_open(const struct outbox_config *config, uint64_t seed) MUST_CHECK;
void outbox_close(struct outbox *outbox);

/*
 * A new entry, UNWRITTEN, and its first record (the caller's; record_fini()). times: now_ms of the wall
 * clock, mono_ms of the monotonic one. STATUS_CONFLICT: there is nothing to do, for the ticket is there
 * already, or its end is on its way; STATUS_NOT_FOUND: no ticket to comment on or to close;
 * STATUS_LIMIT; STATUS_NO_MEMORY.
 */
enum status outbox_put(struct outbox *outbox, const struct ticket_event *event, size_t service,
	int64_t now_ms, int64_t mono_ms, size_t *slot, struct record *record) MUST_CHECK;
/* Committed. */
void outbox_written(struct outbox *outbox, size_t slot);
/* Not committed: gone as if it had never been. */
void outbox_drop(struct outbox *outbox, size_t slot);

/* The entry to be told now, or OUTBOX_NONE with *wait_ms until one is due at the soonest. skip: it is not
 * needed any more, and only outbox_done() is to be called, with TICKET_REFUSED. */
size_t outbox_take(struct outbox *outbox, size_t service, int64_t mono_ms, int64_t *wait_ms,
	bool *skip);

struct outbox_item {
	char id[TICKET_ID_MAX],
		opening_id[TICKET_ID_MAX]; /* opening_id: of the ticket's first entry */
	char incident[INCIDENT_ID_MAX], external[TICKET_EXTERNAL_MAX];
	char key[TICKET_KEY_MAX]; /* as the opening said it */
	enum ticket_operation operation;
	bool again;
};

void outbox_item(const struct outbox *outbox, size_t slot, struct outbox_item *item);

/* What came of the try. True when the entry ended: its word ("told", "dead", "skipped", "unsure") and
 * its second record are given (record.body NULL: out of memory). */
bool outbox_done(struct outbox *outbox, size_t slot, const struct ticket_result *result,
	int64_t now_ms, int64_t mono_ms, const char **word, struct record *record);

/* At start: the records of kind ticket in their order. Of services that are no longer there: false. */
enum status outbox_replay(struct outbox *outbox, const struct record *record, bool *known,
	struct error *error) MUST_CHECK;

/* The open tickets that the end of an alert closes, one after the other: *at is 0 at first. number: of the
 * end's record, for only what was opened before it is closed by it; UINT64_MAX for now. Fills what a
 * closing event needs to know. False when there is none left. */
bool outbox_next_open(const struct outbox *outbox, uint64_t fingerprint, int64_t starts_ms,
	uint64_t number, size_t *at, size_t *service, struct ticket_event *event);
/* Whether the incident has tickets. */
bool outbox_has(const struct outbox *outbox, const char *incident);
/* [{"service","kind","state","key","url","error"}]: the incident's tickets. */
void outbox_write_incident(const struct outbox *outbox, const char *incident, struct buf *json);

struct outbox_state {
	size_t queued;
	int64_t oldest_ms; /* age of the oldest that waits; 0: none */
	int64_t pause_ms;  /* for so long the service is left alone */
	uint64_t dead;     /* since start, and those that the journal tells of */
	bool gone;         /* it wants no more */
	const char *error; /* of the last try that failed since the last that did not; "" */
};

void outbox_state(const struct outbox *outbox, size_t service, int64_t now_ms, int64_t mono_ms,
	struct outbox_state *state);

#endif
