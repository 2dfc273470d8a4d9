/*
 * nimbusguard models train | evaluate | promote: models on the rows of a CSV or of a workload of a running
 * service (analyzers/models/trial.h).
 *
 * Threads: the command's own.
 */
#ifndef NIMBUSGUARD_DAEMON_MODELS_TRIAL_H
#define NIMBUSGUARD_DAEMON_MODELS_TRIAL_H

#include "daemon/command.h"

/* All flags that one of them takes. */
#define MODELS_TRIAL_FLAGS                                                                         \
	"path", "holdout", "seed", "hidden", "layers", "window", "epochs", "force", "reason", "from"

/* Exit statuses; what is wrong was said. */
int models_train(const struct command_line *line, const char *to) MUST_CHECK;
/* Beside: another model to be measured, too; NULL: none. */
int models_evaluate(const struct command_line *line, const char *model,
	const char *beside) MUST_CHECK;
int models_promote(const struct command_line *line, const char *from, const char *to) MUST_CHECK;

#endif
