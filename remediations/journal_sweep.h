/*
 * Removal of what ended long ago, in steps of a few hundred rows.
 *
 * A record that goes leaves number, digest and hash behind (kind -1), so that the chain of hashes stays
 * whole; once all records before it are gone too, the row goes as well. The caller writes an audit
 * record of each step's removals in the same transaction.
 *
 * Threads: the writer's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_SWEEP_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_SWEEP_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum sweep_phase { SWEEP_RECORDS, SWEEP_EMPTIED, SWEEP_EVENTS };

/* Where a sweep stands; zeroed: at its beginning. */
struct journal_sweep {
	enum sweep_phase phase;
	int64_t cursor;              /* SWEEP_RECORDS: last number judged */
	int64_t fingerprint, starts; /* SWEEP_EVENTS: last key judged */
	int firing;
	bool begun; /* the key above is one */
};

#define SWEEP_STEP_ROWS 200

struct swept {
	uint64_t numbers[SWEEP_STEP_ROWS]; /* emptied, rising */
	size_t count;
	bool deleted; /* the journal begins with another row */
};

/* One step inside the caller's transaction. last_number: of the newest record, which always stays. */
enum status journal_sweep_step(struct journal_sweep *sweep, sqlite3 *connection, int64_t cutoff_ms,
	uint64_t last_number, struct swept *swept, bool *finished, struct error *error) MUST_CHECK;

#endif
