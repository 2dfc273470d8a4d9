/*
 * Walking the chain of a journal from its first record to its last.
 *
 * A break is the first place where the records don't say what they said when they were written:
 * the error's code is STATUS_CONFLICT and report.broken the number. What can't be told from the file
 * alone: records that were cut off at the end together with all that speaks of them, and a chain
 * that somebody computed anew to its end. Both show when a hash that was noted elsewhere is looked for
 * (audit_head).
 *
 * Threads: the connection's. All is read in one transaction.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_WALK_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_WALK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "remediations/audit_chain.h"

/* Called for each row that fits, before the next is read; false stops the walk. before: the hash that
 * it follows. */
typedef bool audit_visit_fn(void *argument, const struct chain_row *row,
	const unsigned char before[JOURNAL_HASH_SIZE]);

/* head and visit may be NULL. */
enum status audit_walk(sqlite3 *connection, const struct audit_head *head, audit_visit_fn *visit,
	void *argument, struct audit_report *report, struct error *error) MUST_CHECK;

#endif
