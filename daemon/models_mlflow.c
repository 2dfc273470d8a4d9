/*
 * From a model's header to a run's parameters and metrics.
 */
#include "daemon/models_mlflow.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/mlflow_queue.h"

#define TRIES 3
#define PARAMS_MAX 16

static const char *text_or_null(const struct config *config, enum setting_id id)
{
	const char *text = config_text(config, id);

	return *text != '\0' ? text : NULL;
}

bool mlflow_configured(const struct config *config, struct mlflow_config *mlflow)
{
	*mlflow = (struct mlflow_config){.url = text_or_null(config, SETTING_MODELS_MLFLOW_URL),
		.user = text_or_null(config, SETTING_MODELS_MLFLOW_USER),
		.token_file = text_or_null(config, SETTING_MODELS_MLFLOW_TOKEN_FILE),
		.ca_file = text_or_null(config, SETTING_MODELS_MLFLOW_CA_FILE),
		.experiment = config_text(config, SETTING_MODELS_MLFLOW_EXPERIMENT),
		.model = config_text(config, SETTING_MODELS_MLFLOW_MODEL)};
	return mlflow->url != NULL;
}

static char *param_add(struct mlflow_param *params, size_t *count, const char *key)
{
	params[*count].key = key;
	return params[(*count)++].value;
}

static void shapes_write(const struct model_info *info, char *text)
{
	size_t count = MODEL_SHAPES, at = 0;

	while (count > 0 && info->shapes[count - 1] == 0)
		count--;
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, MLFLOW_VALUE_MAX + 1 - at, "%s%u",
			i > 0 ? "x" : "", info->shapes[i]);
}

static size_t params_fill(const struct model_info *info, size_t numbers, const char *key,
	struct mlflow_param params[PARAMS_MAX])
{
	const size_t size = MLFLOW_VALUE_MAX + 1;
	size_t count = 0;

	snprintf(param_add(params, &count, "kind"), size, "%s", info->kind);
	snprintf(param_add(params, &count, "made_by"), size, "%s", info->made_by);
	shapes_write(info, param_add(params, &count, "shapes"));
	snprintf(param_add(params, &count, "numbers"), size, "%zu", numbers);
	snprintf(param_add(params, &count, "seed"), size, "%llu", (unsigned long long)info->seed);
	snprintf(param_add(params, &count, "data_rows"), size, "%llu",
		(unsigned long long)info->data_rows);
	format_rfc3339(info->data_from_ms, param_add(params, &count, "data_from"), size);
	format_rfc3339(info->data_to_ms, param_add(params, &count, "data_to"), size);
	snprintf(param_add(params, &count, "checksum"), size, "%s", key);
	return count;
}

enum status mlflow_register_file(struct mlflow *mlflow, const char *path,
	const struct model_info *info, size_t numbers, int64_t start_ms, const char *alias,
	struct error *error)
{
	struct mlflow_param params[PARAMS_MAX];
	struct mlflow_metric metrics[MODEL_SCORES];
	char key[17], name[2 * MODEL_TEXT];
	int64_t end_ms = info->trained_ms > 0 ? info->trained_ms : clock_now_ms(clock_system());
	struct mlflow_run run = {.key = key,
		.name = name,
		.start_ms = start_ms > 0 ? start_ms : end_ms,
		.end_ms = end_ms,
		.params = params,
		.metrics = metrics,
		.artifact = path};

	snprintf(key, sizeof(key), "%016llx", (unsigned long long)info->checksum);
	snprintf(name, sizeof(name), "%s %s", info->kind, key);
	run.param_count = params_fill(info, numbers, key, params);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		if (info->score_names[i][0] != '\0')
			metrics[run.metric_count++] =
				(struct mlflow_metric){info->score_names[i], info->scores[i]};
	return mlflow_register(mlflow, &run, alias, error);
}

static enum status tell(const struct config *config, const char *path,
	const struct model_info *info, size_t numbers, int64_t start_ms, const char *alias,
	struct error *error)
{
	struct mlflow_config settings;
	struct mlflow *mlflow;
	enum status status;

	if (!mlflow_configured(config, &settings))
		return STATUS_OK;
	mlflow = mlflow_open(&settings, NULL, error);
	if (mlflow == NULL)
		return error->code;
	for (int try = 1;; try++) {
		status = mlflow_register_file(mlflow, path, info, numbers, start_ms, alias, error);
		if (try == TRIES || !mlflow_transient(status))
			break;
		clock_sleep_ms(500 * try);
	}
	mlflow_close(mlflow);
	return status;
}

void models_tell_mlflow(const struct command_line *line, const char *path,
	const struct model_info *info, size_t numbers, int64_t start_ms, const char *alias)
{
	struct diagnostics diagnostics;
	struct config *config;
	struct error error;

	diagnostics_init(&diagnostics);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config == NULL)
		fprintf(stderr,
			"nimbusguard: the configuration has errors, see nimbusguard check: MLflow is "
			"not told\n");
	else if (tell(config, path, info, numbers, start_ms, alias, &error) != STATUS_OK)
		fprintf(stderr, "nimbusguard: MLflow is not told: %s\n", error.text);
	config_close(config);
	diagnostics_fini(&diagnostics);
}

/* A run of a training, of which all but the times stays the caller's. */
static struct mlflow_run run_of(const struct training_report *report, const char *key,
	const char *name, struct mlflow_param *params, const struct mlflow_metric *metrics,
	size_t metric_count)
{
	return (struct mlflow_run){.key = key,
		.name = name,
		.start_ms = report->started_ms,
		.end_ms = report->ended_ms,
		.failed = report->status != STATUS_OK,
		.params = params,
		.metrics = metrics,
		.metric_count = metric_count};
}

/* A promoted net is told of under the key that the commands give its file, so that it is one run. */
static void tell_general(struct mlflow_queue *queue, const struct training_report *report)
{
	const size_t size = MLFLOW_VALUE_MAX + 1;
	struct mlflow_param params[MLFLOW_QUEUE_PARAMS];
	struct model_info info = {.checksum = 0};
	char key[64], name[128];
	const struct mlflow_metric metrics[] = {
		{"seconds", (double)(report->ended_ms - report->started_ms) / 1000},
		{"relative_error", report->relative_error[0]},
		{"relative_error_serving", report->relative_error[1]},
		{"relative_error_yesterday", report->relative_error[2]},
	};
	struct mlflow_run run =
		run_of(report, key, name, params, metrics, sizeof(metrics) / sizeof(*metrics));
	float *numbers = NULL;
	struct error error;
	size_t count;

	snprintf(key, sizeof(key), "general-%lld", (long long)report->started_ms);
	snprintf(name, sizeof(name), "general %s", report->outcome);
	if (report->file != NULL &&
		model_file_read(report->file, &info, &numbers, &count, &error) == STATUS_OK) {
		run.artifact = report->file;
		snprintf(key, sizeof(key), "%016llx", (unsigned long long)info.checksum);
		snprintf(param_add(params, &run.param_count, "checksum"), size, "%s", key);
	}
	mem_free(numbers);
	snprintf(param_add(params, &run.param_count, "kind"), size, "%s", report->kind);
	snprintf(param_add(params, &run.param_count, "method"), size, "%s", report->method);
	snprintf(param_add(params, &run.param_count, "outcome"), size, "%s", report->outcome);
	snprintf(param_add(params, &run.param_count, "signals"), size, "%zu", report->signals);
	format_rfc3339(report->end_minute * 60000, param_add(params, &run.param_count, "data_to"),
		size);
	snprintf(param_add(params, &run.param_count, "rows_max"), size, "%lld",
		(long long)report->rows_max);
	mlflow_queue_add(queue, &run, info.checksum, MODELS_CHAMPION);
}

void mlflow_tell_training(void *queue, const struct training_report *report)
{
	const struct workload_key *workload = report->workload;
	struct mlflow_param params[MLFLOW_QUEUE_PARAMS];
	char key[64], name[128];
	const struct mlflow_metric metrics[] = {
		{"seconds", (double)(report->ended_ms - report->started_ms) / 1000},
		{"skill_5", report->skill[0]},
		{"skill_15", report->skill[1]},
	};
	struct mlflow_run run =
		run_of(report, key, name, params, metrics, sizeof(metrics) / sizeof(*metrics));
	const size_t size = MLFLOW_VALUE_MAX + 1;
	size_t count = 0;

	if (report->status == STATUS_UNAVAILABLE)
		return;
	if (workload == NULL) {
		tell_general(queue, report);
		return;
	}
	snprintf(name, sizeof(name), "%s %.40s/%.60s", report->kind, workload->namespace_name,
		workload->name);
	snprintf(param_add(params, &count, "kind"), size, "%s", report->kind);
	snprintf(param_add(params, &count, "method"), size, "%s", report->method);
	snprintf(param_add(params, &count, "cluster"), size, "%s", workload->cluster);
	snprintf(param_add(params, &count, "namespace"), size, "%s", workload->namespace_name);
	snprintf(param_add(params, &count, "workload"), size, "%.250s", workload->name);
	snprintf(param_add(params, &count, "workload_kind"), size, "%s",
		target_kind_name(workload->kind));
	format_rfc3339(report->end_minute * 60000, param_add(params, &count, "data_to"), size);
	snprintf(param_add(params, &count, "rows_max"), size, "%lld", (long long)report->rows_max);
	run.param_count = count;
	/* Of the workload, the kind and the time: a training is told once. */
	snprintf(key, sizeof(key), "%s-%016llx-%lld", report->kind,
		(unsigned long long)workload_key_hash(workload), (long long)report->started_ms);
	mlflow_queue_add(queue, &run, 0, NULL);
}
