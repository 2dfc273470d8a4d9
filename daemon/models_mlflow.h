/*
 * MLflow (daemon/mlflow.h) as configured, told of model files.
 */
#ifndef NIMBUSGUARD_DAEMON_MODELS_MLFLOW_H
#define NIMBUSGUARD_DAEMON_MODELS_MLFLOW_H

#include "analyzers/models/model_file.h"
#include "analyzers/training.h"
#include "daemon/command.h"
#include "daemon/mlflow.h"

#define MODELS_CHAMPION "champion"     /* alias of the version that was put in place last */
#define MODELS_CHALLENGER "challenger" /* and of the one that was trained last */

/* False: none is configured. Texts live as long as the configuration. */
bool mlflow_configured(const struct config *config, struct mlflow_config *mlflow);
/* A whole model file as a run (its key is the checksum) and a version with the alias. numbers: of the model;
 * start_ms: when training began, 0: not known. */
enum status mlflow_register_file(struct mlflow *mlflow, const char *path,
	const struct model_info *info, size_t numbers, int64_t start_ms, const char *alias,
	struct error *error) MUST_CHECK;
/* The same from a command: does nothing when no MLflow is configured, tries three times, and says a failure
 * on the standard error; what the command did stands whatever comes of it. */
void models_tell_mlflow(const struct command_line *line, const char *path,
	const struct model_info *info, size_t numbers, int64_t start_ms, const char *alias);

/* A training of the running service as a run for the queue (struct mlflow_queue, the argument); one for
 * which there was not enough history is none. From any thread. */
void mlflow_tell_training(void *queue, const struct training_report *report);

#endif
