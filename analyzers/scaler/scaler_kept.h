/*
 * What the scaler keeps over a restart, as files of what was learnt (analyzers/learnt_file.h): one of all
 * workloads ("scaler": what a pod serves, the accounts, the trial, in shadow or serving), and one of each
 * policy ("policy": its model, its corrections, the days that it replayed). Pods of the parties and windows
 * of recommendations are not kept: they begin where the workload is.
 *
 * Limits: as of learnt_file.h; what is older than SCALER_KEPT_AGE_SLOTS tells of another time: a policy is
 *   learned anew, a trial begins anew.
 * Threads: scaler_keep_policy() and scaler_restore_policy() any, not both for one workload; the rest the
 *   scan's.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_SCALER_KEPT_H
#define NIMBUSGUARD_ANALYZERS_SCALER_SCALER_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/scaler/quantile_policy.h"
#include "base/workload.h"

/* Ten minutes are what a SIGKILL may cost; an end in order costs nothing. */
#define SCALER_KEEP_SLOTS 40
#define SCALER_KEPT_AGE_SLOTS 5760

struct scaler;
struct scaler_entry;

/* Writes the file of all workloads; what goes wrong is logged and counted. */
void scaler_keep(struct scaler *scaler);
/* Reads it into a scaler without entries; what is refused is named in the log. */
void scaler_restore(struct scaler *scaler);
/* The first slot after the restart. */
void scaler_welcome(struct scaler_entry *entry, int64_t slot);

void scaler_keep_policy(const char *folder, const struct workload_key *workload,
	enum signal_role load_role, int64_t slot, const struct quantile_policy *policy);
/* false: there is none, it is too old at slot `now`, or it is refused, which the log says. */
bool scaler_restore_policy(const char *folder, const struct workload_key *workload,
	enum signal_role load_role, int64_t now, struct quantile_policy *policy);

#endif
