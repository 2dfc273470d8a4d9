/*
 * The snapshots of the service: one is loaded at start, one is written every
 * storage.snapshot_interval and one at a clean stop, to the file `snapshot` in storage.path.
 *
 * What cannot be loaded is put aside as `snapshot.refused` (one only, the newest) and the service
 * starts without it; what cannot be written is logged and counted, and the one before stays.
 *
 * Ownership: configuration, store and intake are borrowed; snapshots_close() before they are closed.
 * Threads: open, start and close from one thread; a thread of its own writes.
 */
#ifndef NIMBUSGUARD_DAEMON_SNAPSHOTS_H
#define NIMBUSGUARD_DAEMON_SNAPSHOTS_H

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/config.h"
#include "daemon/intake.h"
#include "store/store.h"

struct snapshots;

/* Whether the configuration wants them. */
bool snapshots_wanted(const struct config *config);
/* Loads into a store that nobody else uses yet. *spoiled: the store may hold a part of a file that
 * was refused: close it and the intake, open them anew, and load no more. */
void snapshots_load(const struct config *config, struct store *store, struct intake *intake,
	bool *spoiled);
/* Begins to write. NULL: STATUS_NO_MEMORY. */
struct snapshots *snapshots_open(const struct config *config, struct store *store,
	struct intake *intake, const struct clock *clock, struct error *error) MUST_CHECK;
/* {"state":"off"}, or state "none" (there is no file) or "on", taken, bytes, failures to write and to
 * load since the start. wanted: snapshots_wanted(). Any thread. */
void snapshots_write_json(bool wanted, struct buf *json);
/* Writes the last one; nobody may append any more. NULL is allowed. */
void snapshots_close(struct snapshots *snapshots);

#endif
