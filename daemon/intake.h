/*
 * What takes in the remote-write stream, opened from the settings: the rules, what is kept beside the
 * samples, and one receiver for each thread of the server.
 *
 * Ownership: the intake owns all of them; store, clock and configuration are borrowed and must outlive
 *   it.
 * Threads: opened and closed by one thread; each receiver belongs to one thread.
 */
#ifndef NIMBUSGUARD_DAEMON_INTAKE_H
#define NIMBUSGUARD_DAEMON_INTAKE_H

#include "base/clock.h"
#include "base/error.h"
#include "daemon/config.h"
#include "remote_write/ingest.h"
#include "store/records.h"
#include "store/start.h"
#include "store/store.h"

struct intake;

/* NULL: a setting is wrong (the text names it), or memory is out. */
struct intake *intake_open(const struct config *config, struct store *store,
	const struct clock *clock, struct error *error) MUST_CHECK;
void intake_close(struct intake *intake);

/* For the housekeeping, after store_sweep(). */
void intake_sweep(struct intake *intake);
struct records *intake_histograms(struct intake *intake);
struct records *intake_exemplars(struct intake *intake);
struct starts *intake_starts(struct intake *intake);

/* NULL: there is no such thread. */
struct ingest *intake_receiver(struct intake *intake, unsigned thread);

#endif
