/*
 * The journal: what was heard, decided, sent and what came of it, in SQLite with a sync before
 * anything is acknowledged or done. One writer thread commits in groups.
 *
 * Invariants:
 *  1. An event is acknowledged only after its record is committed and synced.
 *  2. An action is sent only after its WRITTEN record is committed and synced.
 *  3. Records are never changed; an incident's or action's state is its last record.
 *  4. Replaying the records in order gives the engine the state it had.
 *
 * Ownership: what is submitted is copied or taken as said at each function.
 * Limits: queue_max pending submissions: past that STATUS_BUSY; retention by age and count.
 * Order: records are numbered in commit order.
 * Threads: submit from any thread; completion functions run on the journal's thread and must be
 *   short (resume a request, push into a queue).
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"

struct journal;

struct journal_config {
	const char *path;      /* file; its folder must exist */
	const char *vfs;       /* SQLite VFS by name for tests, NULL for the default */
	unsigned queue_max;
	unsigned group_delay_us; /* how long the first of a group waits for others */
	int64_t keep_ms;         /* ended records older than this may be removed */
	const struct clock *clock;
};

/* Opens or creates, checks schema version and integrity. A foreign or newer file is refused by
 * name. Starts the writer thread. */
struct journal *journal_open(const struct journal_config *config, struct error *error) MUST_CHECK;
/* Commits what is queued, then closes. */
void journal_close(struct journal *journal);

/* X(kind, name) */
#define RECORD_TABLE(X)                                                                            \
	X(RECORD_EVENT, "event")       /* key: fingerprint/startsAt/status; body: the event */     \
	X(RECORD_INCIDENT, "incident") /* key: incident id; body: state, reason, links */          \
	X(RECORD_DECISION, "decision") /* key: incident id; body: each gate with value and bound */ \
	X(RECORD_ACTION, "action")     /* key: action id; body: state, plan, target, before/after */ \
	X(RECORD_FINDING, "finding")                                                               \
	X(RECORD_NOTE, "note")         /* start, stop, reload, mode changes */

enum record_kind {
#define X(kind, name) kind,
	RECORD_TABLE(X)
#undef X
	RECORD_KIND_COUNT
};

const char *record_kind_name(enum record_kind kind);

struct record {
	uint64_t number; /* given by the commit */
	int64_t time_ms;
	enum record_kind kind;
	char *key, *incident; /* incident: id that this belongs to, or "" */
	char *body;           /* JSON object */
};

void record_fini(struct record *record);

/* Called once per submission after its commit (STATUS_OK) or failure (STATUS_IO: nothing of it was
 * written). first_new: for events, bit i says whether event i was new (not a repeat). */
typedef void journal_done_fn(void *argument, enum status status, const uint64_t *numbers,
	size_t count);

/* Persists the events of a message: each that is not already known by (fingerprint, startsAt,
 * status) becomes a RECORD_EVENT; numbers[i] is its record number or 0 for a repeat (whose
 * "last seen" is refreshed). Clones what it needs. STATUS_BUSY when the queue is full. */
enum status journal_submit_events(struct journal *journal, const struct event *events, size_t count,
	journal_done_fn *done, void *argument) MUST_CHECK;
/* Takes ownership of the records' texts when STATUS_OK. */
enum status journal_submit(struct journal *journal, struct record *records, size_t count,
	journal_done_fn *done, void *argument) MUST_CHECK;

/* Reading, from any thread (own connection). visit returns false to stop. */
typedef bool journal_visit_fn(void *argument, const struct record *record);

struct journal_query {
	int kind;               /* enum record_kind or -1 for all */
	const char *key;        /* NULL: any */
	const char *incident;   /* NULL: any */
	uint64_t after_number;  /* records above this number */
	int64_t from_ms;        /* 0: any */
	size_t limit;           /* 0: all */
	bool newest_first;
};

enum status journal_read(struct journal *journal, const struct journal_query *query,
	journal_visit_fn *visit, void *argument, struct error *error) MUST_CHECK;
/* The events whose record number is above the engine's checkpoint, in order, for the start; and the
 * checkpoint itself, moved by the engine through its records ("events_done" note). */
enum status journal_pending_events(struct journal *journal, journal_visit_fn *visit,
	void *argument, struct error *error) MUST_CHECK;

#endif
