/*
 * What the guard's files share: the gates about the target and how a gate answers. For guard*.c only.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_GUARD_GATES_H
#define NIMBUSGUARD_REMEDIATIONS_GUARD_GATES_H

#include "remediations/guard.h"

typedef void judge_fn(const struct guard_question *question, struct gate_result *result);

/* What the gate saw and what it wanted, for people. */
void gate_saw(struct gate_result *result, const char *format, ...) PRINTF_LIKE(2, 3);
void gate_wanted(struct gate_result *result, const char *format, ...) PRINTF_LIKE(2, 3);
/* retry_ms 0: not known when it may have passed. */
void gate_refuse_for_now(struct gate_result *result, int64_t retry_ms);
void gate_refuse_for_good(struct gate_result *result);

/* guard_target.c */
judge_fn judge_target, judge_cluster, judge_found, judge_same, judge_terminating, judge_managed,
	judge_paused, judge_paused_unclear, judge_rollout, judge_owned, judge_replicas_owner,
	judge_resources_owner, judge_git_owner, judge_writer, judge_seen;

/* guard_share.c */
judge_fn judge_share_pods, judge_share_workloads, judge_share_nodes;

#endif
