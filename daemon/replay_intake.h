/*
 * A tape's samples into a store, by the way of a request of remote write: decoded, held against the
 * rules and limits of ingest, appended.
 *
 * Ownership: configuration, store and clock are borrowed and must outlive it.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_REPLAY_INTAKE_H
#define NIMBUSGUARD_DAEMON_REPLAY_INTAKE_H

#include <stdint.h>

#include "base/clock.h"
#include "daemon/config.h"
#include "daemon/tape.h"
#include "store/store.h"

struct replay_intake;

struct replay_intake_counts {
	uint64_t samples, samples_refused, bodies_refused;
};

struct replay_intake *replay_intake_open(const struct config *config, struct store *store,
	const struct clock *clock, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void replay_intake_close(struct replay_intake *intake);

/* A body as it was received. What became of it is added to counts. STATUS_NO_MEMORY. */
enum status replay_intake_body(struct replay_intake *intake, const struct recording_frame *frame,
	struct replay_intake_counts *counts) MUST_CHECK;
/* The samples of the tape from *next on that are not later than now, encoded into bodies as a sender
 * would; moves *next on. STATUS_NO_MEMORY. */
enum status replay_intake_samples(struct replay_intake *intake, const struct tape *tape,
	size_t *next, int64_t now_ms, struct replay_intake_counts *counts) MUST_CHECK;
/* Housekeeping, after store_sweep(). */
void replay_intake_sweep(struct replay_intake *intake);

#endif
