/*
 * How long each stage of an action takes, as METRIC_ACTION_STAGE_SECONDS: decide (from the event at the
 * engine to the guard's first verdict), approve (a person's word), act (from the verdict to the
 * cluster's answer, with the journal between) and verify. The stage before them, receive, is told by
 * stages_receive().
 *
 * Ownership: the table owns its marks.
 * Limits: one mark an incident that the engine holds, by its slot.
 * Threads: the engine's thread, but for stages_receive().
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_STAGES_H
#define NIMBUSGUARD_REMEDIATIONS_STAGES_H

#include <stdint.h>

#include "remediations/engine.h"

struct stages;

/* NULL: memory is out. */
struct stages *stages_open(unsigned incident_max) MUST_CHECK;
void stages_close(struct stages *stages);
/* An event came to the engine that was given to the remediator then, by clock_mono_ns(). */
void stages_receive(int64_t since_ns);
/* All news of the engine, as they happen. */
void stages_told(struct stages *stages, const struct news *news);

#endif
