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
 * Limits: queue_max pending submissions of together JOURNAL_QUEUE_BYTES_MAX bytes: past that
 *   STATUS_BUSY; a body of at most JOURNAL_BODY_MAX bytes; records of ended incidents, and events,
 *   findings and notes of no incident, are removed when they are older than keep_ms.
 * Order: records are numbered in commit order, without gaps. What journal_submit() takes is committed in
 *   that order, and so are events; an event may be committed before a record that came earlier.
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
	const char *path; /* file; its folder must exist */
	const char *vfs;  /* SQLite VFS by name for tests, NULL for the default */
	unsigned queue_max;
	/* How long the first of a group waits for others at most. Submissions that come while a group
	 * is being synced form the next one anyway, so 0 is the fastest unless syncs are very slow. */
	unsigned group_delay_us;
	int64_t keep_ms; /* ended records older than this may be removed; 0: never */
	const struct clock *clock;
	bool unsafe_no_sync; /* tests: what is lost when nothing is synced */
};

#define JOURNAL_QUEUE_BYTES_MAX (256u << 20)
#define JOURNAL_BODY_MAX (32u << 20)

/* Opens or creates, checks schema version and integrity. A file that is foreign, newer, damaged or
 * in use by another process is refused by name, with what to do (STATUS_BAD_INPUT, STATUS_BUSY,
 * STATUS_IO, STATUS_NO_MEMORY). Starts the journal's threads. Beside `path` stand `path`-wal and
 * `path`-shm while it is open, and `path`-lock. */
struct journal *journal_open(const struct journal_config *config, struct error *error) MUST_CHECK;
/* Commits what is queued, then closes. No thread may be in any other function of the journal. */
void journal_close(struct journal *journal);
/* Whether the last commit succeeded (true before the first). From any thread. */
bool journal_healthy(struct journal *journal);

/* X(kind, name) */
#define RECORD_TABLE(X)                                                                            \
	X(RECORD_EVENT,                                                                            \
		"event") /* key: fingerprint (16 hex digits)/startsAt (ms)/firing or resolved */   \
	X(RECORD_INCIDENT, "incident") /* key: incident id; body: state, reason, links */          \
	X(RECORD_DECISION,                                                                         \
		"decision")        /* key: incident id; body: each gate with value and bound */    \
	X(RECORD_ACTION, "action") /* key: action id; body: state, plan, target, before/after */   \
	X(RECORD_FINDING, "finding")                                                               \
	X(RECORD_NOTE, "note")     /* start, kill switch, modes, scaler */                         \
	X(RECORD_TICKET, "ticket") /* key: id of what is told, see outbox.h; body: state, event */ \
	X(RECORD_AUDIT, "audit")   /* what the journal removed, see audit_notes.h */

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
	/* RECORD_INCIDENT: this is the incident's last state, and after keep_ms its records may go.
	 * Records of an incident that never gets one are kept for ever. */
	bool ended;
	/* Nobody waits for its commit: it may wait for company for a while (20 ms at most), so that many
	 * small ones share a sync and the pages that they change. Order among records is kept. */
	bool may_wait;
};

void record_fini(struct record *record);

/* Called once per submission after its commit (STATUS_OK) or failure (STATUS_IO, STATUS_NO_MEMORY:
 * nothing of its group was written). numbers[count]: the record's number, in the submission's
 * order; 0 for an event that was known and for a checkpoint note; all 0 on failure. */
typedef void journal_done_fn(void *argument, enum status status, const uint64_t *numbers,
	size_t count);

/* Persists the events of a message: each that is not already known by (fingerprint, startsAt,
 * status) becomes a RECORD_EVENT; numbers[i] is its record number or 0 for a repeat (whose
 * "last seen" is refreshed and, for an alert, METRIC_ALERTS_DUPLICATE counted). Clones what it
 * needs. STATUS_BUSY when the queue is full, STATUS_TOO_LARGE, STATUS_NO_MEMORY; then done is not
 * called. done may be NULL. */
enum status journal_submit_events(struct journal *journal, const struct event *events, size_t count,
	journal_done_fn *done, void *argument) MUST_CHECK;
/* Takes ownership of the records' texts when STATUS_OK. time_ms 0 becomes the time of the commit;
 * key and incident may be NULL for "". Errors as above.
 *
 * A RECORD_NOTE with key JOURNAL_EVENTS_DONE and body {"number":N} becomes no record: it moves the
 * engine's checkpoint up to N (never down; STATUS_BAD_INPUT for any other body). It causes no sync
 * of its own: alone in the queue it waits up to 100 ms for company. */
enum status journal_submit(struct journal *journal, struct record *records, size_t count,
	journal_done_fn *done, void *argument) MUST_CHECK;
#define JOURNAL_EVENTS_DONE "events_done"

/* Reading, from any thread (own connection). visit returns false to stop. */
typedef bool journal_visit_fn(void *argument, const struct record *record);

struct journal_query {
	int kind;              /* enum record_kind or -1 for all */
	const char *key;       /* NULL: any */
	const char *incident;  /* NULL: any */
	uint64_t after_number; /* records above this number */
	int64_t from_ms;       /* 0: any */
	size_t limit;          /* 0: all */
	bool newest_first;
};

/* The record that visit sees lives until it returns. visit may read the journal itself. A long
 * reading sees records that are committed meanwhile. STATUS_BUSY when JOURNAL_READERS_MAX readings
 * are under way. */
enum status journal_read(struct journal *journal, const struct journal_query *query,
	journal_visit_fn *visit, void *argument, struct error *error) MUST_CHECK;
#define JOURNAL_READERS_MAX 16
/* The events whose record number is above the engine's checkpoint, in order, for the start; and the
 * checkpoint itself, moved by the engine through its records ("events_done" note). */
enum status journal_pending_events(struct journal *journal, journal_visit_fn *visit, void *argument,
	struct error *error) MUST_CHECK;
enum status journal_checkpoint(struct journal *journal, uint64_t *number,
	struct error *error) MUST_CHECK;

/* Computes the chain of hashes over all records anew: each record's SHA-256 covers the one before it.
 * STATUS_CONFLICT when a record was changed, added or taken out from outside, with its number in
 * the error. Records removed for their age keep their digest, and an audit record says that they
 * were, so that the chain stays whole. report (may be NULL): audit_walk.h. */
struct audit_report;
enum status journal_check_chain(struct journal *journal, struct audit_report *report,
	struct error *error) MUST_CHECK;

#define JOURNAL_HEAD_SIZE 96
/* Number and hash of the newest record, "NUMBER:HASH", or "" when there is none: who keeps it
 * elsewhere can tell later that nothing up to there was changed. From any thread. */
void journal_head(struct journal *journal, char head[JOURNAL_HEAD_SIZE]);

#endif
