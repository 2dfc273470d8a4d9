/*
 * MLflow by its REST API: a run for each training (parameters, metrics, tags, the model file as artifact),
 * and a version of the registered model for each model that is put in place, with an alias that moves.
 *
 * Everything is looked up before it is made, by a key of ours, so that doing it again after a failure makes
 * nothing twice. Redirects and proxies are not followed, TLS is verified always (remediations/ticket_http.h).
 *
 * Ownership: texts are borrowed for the life of the client; those of a run for the call.
 * Limits: 100 parameters and 1,000 metrics a run (MLflow's own), values of 250 bytes, a model file of
 *   MLFLOW_ARTIFACT_MAX bytes.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_DAEMON_MLFLOW_H
#define NIMBUSGUARD_DAEMON_MLFLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MLFLOW_ARTIFACT_MAX ((size_t)128 << 20)
#define MLFLOW_VALUE_MAX 250

struct mlflow_config {
	const char *url; /* https:// or, without a token or to this machine, http:// */
	const char *user, *token_file,
		*ca_file;               /* NULL: none; with a user the token is its password */
	const char *experiment, *model; /* names there */
};

struct mlflow_param {
	const char *key;
	char value[MLFLOW_VALUE_MAX + 1];
};

struct mlflow_metric {
	const char *key;
	double value; /* what is no number is left out */
};

struct mlflow_run {
	const char *key, *name; /* key: the same for the same training */
	int64_t start_ms, end_ms;
	bool failed;
	const struct mlflow_param *params;
	size_t param_count;
	const struct mlflow_metric *metrics;
	size_t metric_count;
	const char *artifact; /* path of the model file; NULL: none */
};

struct mlflow;

/* STATUS_BAD_INPUT: the URL; a token file that cannot be read. stop (may be NULL): a call ends soon after
 * it is true. Nothing is called yet. */
struct mlflow *mlflow_open(const struct mlflow_config *config, const atomic_bool *stop,
	struct error *error) MUST_CHECK;
/* NULL is allowed. */
void mlflow_close(struct mlflow *mlflow);

/* Worth trying again: the network, 429, 5xx. */
bool mlflow_transient(enum status status);
/* STATUS_UNAVAILABLE, STATUS_TIMEOUT: try again; STATUS_FORBIDDEN, STATUS_BAD_INPUT with the server's words,
 * STATUS_NO_MEMORY and those of reading the artifact. */
enum status mlflow_log(struct mlflow *mlflow, const struct mlflow_run *run,
	struct error *error) MUST_CHECK;
/* The same, then the run's model becomes a version of the registered model, unless it is one, and the alias
 * is moved to it. */
enum status mlflow_register(struct mlflow *mlflow, const struct mlflow_run *run, const char *alias,
	struct error *error) MUST_CHECK;

#endif
