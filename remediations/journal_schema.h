/*
 * Opening a journal's file: whose it is, which schema it has, whether it is whole.
 *
 * Threads: the connection's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_SCHEMA_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Settings that every connection to the journal has. Touches the file: errors as below. */
enum status journal_connection_configure(sqlite3 *connection, const char *path, bool no_sync,
	struct error *error) MUST_CHECK;
/* Checks owner, version and integrity; creates the schema in a new file, brings an older one to the
 * newest schema. The error names `path` and says what to do. */
enum status journal_schema_check(sqlite3 *connection, const char *path, int64_t now_ms,
	struct error *error) MUST_CHECK;
/* For those that only read: whether it is a journal whose schema this program knows. */
enum status journal_schema_known(sqlite3 *connection, const char *path,
	struct error *error) MUST_CHECK;

#endif
