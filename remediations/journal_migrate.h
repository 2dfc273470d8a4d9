/*
 * From schema 2 to 3: the chain of hashes by its new rule.
 *
 * Threads: the connection's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_MIGRATE_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_MIGRATE_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"

struct audit_report;

/* Inside the caller's transaction: gives each record its new hash and adds an audit record that says
 * what the old chain was. found: of the walk over the old chain, why: what was wrong with it, "" when
 * nothing was. A journal without records is left as it is. */
enum status journal_migrate_chain(sqlite3 *connection, const struct audit_report *found,
	const char *why, int64_t now_ms, struct error *error) MUST_CHECK;

#endif
