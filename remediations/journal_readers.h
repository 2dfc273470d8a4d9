/*
 * The connections that read the journal: each reading has one of its own, so that it sees a
 * committed state and never waits for the writer.
 *
 * Limits: JOURNAL_READERS_MAX at once; a few are kept open between readings.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_READERS_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_READERS_H

#include "base/error.h"
#include "remediations/journal.h"

struct journal_readers;

/* Keeps config's texts by pointer: they live longer than it. NULL: out of memory. */
struct journal_readers *journal_readers_open(const struct journal_config *config) MUST_CHECK;
/* No reading may be under way. */
void journal_readers_close(struct journal_readers *readers);

/* Of an open journal. */
struct journal_readers *journal_readers_of(struct journal *journal);

#endif
