/*
 * What the running service tells MLflow, in a thread of its own: nobody who trains waits for it, and what
 * does not answer is tried again later and later, from a second to five minutes.
 *
 * Ownership: what is added is copied.
 * Limits: MLFLOW_QUEUE_MAX runs wait; a further one is dropped and counted (nimbusguard_mlflow_runs_total).
 *   What waits at the end is given up.
 * Threads: adding from any; open and close from one.
 */
#ifndef NIMBUSGUARD_DAEMON_MLFLOW_QUEUE_H
#define NIMBUSGUARD_DAEMON_MLFLOW_QUEUE_H

#include "daemon/mlflow.h"

#define MLFLOW_QUEUE_MAX 256
#define MLFLOW_QUEUE_PARAMS 8
#define MLFLOW_QUEUE_METRICS 8

struct mlflow_queue;

/* config: its texts are borrowed. wait_first_ms: before the second try of one; 0: a second. */
struct mlflow_queue *mlflow_queue_open(const struct mlflow_config *config, int64_t wait_first_ms,
	struct error *error) MUST_CHECK;
/* Ends the thread, within a call's end. NULL is allowed. */
void mlflow_queue_close(struct mlflow_queue *queue);
/* A run of at most MLFLOW_QUEUE_PARAMS parameters and MLFLOW_QUEUE_METRICS metrics; their keys are constants of
 * the program. With an artifact, a model file whose checksum is given, the run becomes a version with that
 * alias (a constant, too); where the file is another one by then, it goes without both. */
void mlflow_queue_add(struct mlflow_queue *queue, const struct mlflow_run *run, uint64_t checksum,
	const char *alias);

#endif
