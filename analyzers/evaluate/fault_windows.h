/*
 * Injected faults of Nezha: the highest score in the six minutes behind each injection against that of
 * other windows of six minutes of the same pod, so that pods need no common scale of scores.
 *
 * Threads: as evaluate.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_FAULT_WINDOWS_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_FAULT_WINDOWS_H

#include "analyzers/evaluate/evaluation.h"
#include "analyzers/evaluate/judge.h"

struct fault_windows;

enum status fault_windows_open(struct fault_windows **opened,
	struct evaluation *evaluation) MUST_CHECK;
/* NULL is allowed. */
void fault_windows_close(struct fault_windows *windows);
/* One seed's scores of a pod. */
enum status fault_windows_add(struct fault_windows *windows, const struct entity *entity,
	const struct judged *judged, struct error *error) MUST_CHECK;
/* Adds the figures of a method over all faults, and the references; begins anew. */
enum status fault_windows_finish(struct fault_windows *windows, const char *method,
	struct evaluation *evaluation) MUST_CHECK;

/*
 * The highest scores of a pod's windows: of each fault (in order), and of windows without one, which
 * follow each other through all judged rows without a label. Arrays hold at least entity->fault_count
 * and judged->count values; NaN where nothing was judged.
 */
void fault_windows_scores(const struct entity *entity, const struct judged *judged, double *faults,
	double *others, size_t *other_count);

#endif
