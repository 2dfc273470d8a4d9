/*
 * One run: experiment (found or made, then known) -> run (found by our key or made) -> parameters, metrics
 * and tags in one batch -> artifact -> ended. A run that is found ended is done; one that is not is gone
 * on with: parameters and tags may be said twice, and metrics of the same time and step are the same.
 */
#include "daemon/mlflow.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "daemon/credentials.h"
#include "daemon/version.h"
#include "remediations/ticket_http.h"

#define API "/api/2.0"
#define TEXT_MAX 1024
#define BODY_MAX ((size_t)1 << 20)
#define KEY_TAG "nimbusguard.key"
/* What MLflow answers of itself is cut in messages. */
#define WORDS_MAX 200

struct mlflow {
	struct mlflow_config config;
	struct ticket_http *http;
	char *authorization;       /* the header; NULL: none */
	char experiment[TEXT_MAX]; /* its id, "": not known yet */
};

/* A run as the server has it. */
struct run_there {
	char id[TEXT_MAX], artifacts[TEXT_MAX];
	bool ended;
};

/* ---- life ---- */

struct mlflow *mlflow_open(const struct mlflow_config *config, const atomic_bool *stop,
	struct error *error)
{
	struct mlflow *mlflow;

	if (!credentials_url_good(config->url, config->token_file != NULL)) {
		error_set(error, STATUS_BAD_INPUT,
			"models.mlflow_url: \"%s\" is no https:// address (http:// is for this machine or "
			"without a token)",
			config->url);
		return NULL;
	}
	mlflow = mem_zalloc(1, sizeof(*mlflow));
	if (mlflow == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a client of MLflow");
		return NULL;
	}
	mlflow->config = *config;
	mlflow->http = ticket_http_open(config->ca_file, stop);
	if (mlflow->http == NULL)
		error_set(error, STATUS_NO_MEMORY, "no memory for a connection to MLflow");
	else if (credentials_header(config->user, config->token_file, &mlflow->authorization,
			 error) == STATUS_OK)
		return mlflow;
	mlflow_close(mlflow);
	return NULL;
}

void mlflow_close(struct mlflow *mlflow)
{
	if (mlflow == NULL)
		return;
	ticket_http_close(mlflow->http);
	mem_free(mlflow->authorization);
	mem_free(mlflow);
}

bool mlflow_transient(enum status status)
{
	return status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT ||
		status == STATUS_NO_MEMORY;
}

/* ---- calls ---- */

static enum status refuse(const struct mlflow *mlflow, const char *what, int code, json_t *answer,
	struct error *error)
{
	const char *word = json_string_value(json_object_get(answer, "error_code"));
	const char *message = json_string_value(json_object_get(answer, "message"));
	enum status status = STATUS_BAD_INPUT;

	if (code == 429 || code >= 500)
		status = STATUS_UNAVAILABLE;
	else if (code == 401 || code == 403)
		status = STATUS_FORBIDDEN;
	else if (code == 404 || (word != NULL && strcmp(word, "RESOURCE_DOES_NOT_EXIST") == 0))
		status = STATUS_NOT_FOUND;
	else if (word != NULL && strcmp(word, "RESOURCE_ALREADY_EXISTS") == 0)
		status = STATUS_CONFLICT;
	return error_set(error, status, "MLflow at %s: %s: %d %s %.*s", mlflow->config.url, what,
		code, word != NULL ? word : "", WORDS_MAX, message != NULL ? message : "");
}

/* path: behind the server's address. *answer (NULL: not wanted): json_decref. */
static enum status call(struct mlflow *mlflow, const char *method, const char *path,
	const struct ticket_call *with, json_t **answer, struct error *error)
{
	char url[4 * TEXT_MAX];
	struct ticket_call request = *with;
	struct ticket_answer got;
	json_t *json;
	enum status status;
	size_t length = strlen(mlflow->config.url);

	while (length > 0 && mlflow->config.url[length - 1] == '/')
		length--;
	if (snprintf(url, sizeof(url), "%.*s" API "%s", (int)length, mlflow->config.url, path) >=
		(int)sizeof(url))
		return error_set(error, STATUS_BAD_INPUT, "MLflow: an address is too long");
	request.method = method;
	request.url = url;
	/* What makes something is not repeated by libcurl, but by us, who look first. */
	request.fresh = strcmp(method, "GET") != 0;
	request.headers[0] = mlflow->authorization;
	status = ticket_http_call(mlflow->http, &request, &got, error);
	if (status != STATUS_OK) {
		error_prefix(error, "MLflow at %s", mlflow->config.url);
		return status;
	}
	json = json_loadb(got.body, got.size, 0, NULL);
	if (got.code / 100 != 2)
		status = refuse(mlflow, path, got.code, json, error);
	else if (answer != NULL && !json_is_object(json))
		status = error_set(error, STATUS_BAD_INPUT,
			"MLflow at %s: %s: the answer is no JSON object", mlflow->config.url, path);
	if (status == STATUS_OK && answer != NULL)
		*answer = json;
	else
		json_decref(json);
	return status;
}

static enum status post(struct mlflow *mlflow, const char *path, struct buf *body, json_t **answer,
	struct error *error)
{
	struct ticket_call with = {.body = body->data, .body_size = body->size};
	enum status status;

	if (!buf_ok(body))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for a call to MLflow");
	else
		status = call(mlflow, "POST", path, &with, answer, error);
	buf_fini(body);
	return status;
}

static enum status get(struct mlflow *mlflow, const char *path, json_t **answer,
	struct error *error)
{
	return call(mlflow, "GET", path, &(struct ticket_call){.body = NULL}, answer, error);
}

static void add_text(struct buf *body, const char *before, const char *text)
{
	buf_add_text(body, before);
	buf_add_json_string(body, text, strlen(text));
}

/* Letters, digits and what is safe as they are, all else as %XX. */
static void add_escaped(struct buf *url, const char *text, bool slashes)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			strchr("-._", c) != NULL || (slashes && c == '/'))
			buf_add_char(url, (char)c);
		else
			buf_printf(url, "%%%02X", c);
	}
}

/* Takes a text out of an object; an empty one or none is the server's fault. */
static enum status text_take(const json_t *object, const char *name, char *text,
	struct error *error)
{
	const char *value = json_string_value(json_object_get(object, name));

	if (value == NULL || *value == '\0' || strlen(value) >= TEXT_MAX)
		return error_set(error, STATUS_BAD_INPUT, "MLflow: the answer has no %s", name);
	snprintf(text, TEXT_MAX, "%s", value);
	return STATUS_OK;
}

/* ---- experiment ---- */

static enum status experiment_find(struct mlflow *mlflow, struct error *error)
{
	struct buf path;
	json_t *answer = NULL, *experiment;
	const char *stage;
	enum status status;

	buf_init(&path, 2 * TEXT_MAX);
	buf_add_text(&path, "/mlflow/experiments/get-by-name?experiment_name=");
	add_escaped(&path, mlflow->config.experiment, false);
	status = buf_ok(&path)
		? get(mlflow, path.data, &answer, error)
		: error_set(error, STATUS_BAD_INPUT, "models.mlflow_experiment is too long");
	buf_fini(&path);
	if (status != STATUS_OK)
		return status;
	experiment = json_object_get(answer, "experiment");
	stage = json_string_value(json_object_get(experiment, "lifecycle_stage"));
	if (stage != NULL && strcmp(stage, "deleted") == 0)
		status = error_set(error, STATUS_BAD_INPUT,
			"MLflow: the experiment %s is deleted there: restore it or name another",
			mlflow->config.experiment);
	else
		status = text_take(experiment, "experiment_id", mlflow->experiment, error);
	json_decref(answer);
	return status;
}

static enum status experiment_know(struct mlflow *mlflow, struct error *error)
{
	enum status status;
	struct buf body;

	if (mlflow->experiment[0] != '\0')
		return STATUS_OK;
	status = experiment_find(mlflow, error);
	if (status != STATUS_NOT_FOUND)
		return status;
	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"name\":", mlflow->config.experiment);
	buf_add_char(&body, '}');
	status = post(mlflow, "/mlflow/experiments/create", &body, NULL, error);
	/* Somebody else may have made it meanwhile. */
	return status == STATUS_OK || status == STATUS_CONFLICT ? experiment_find(mlflow, error)
								: status;
}

/* ---- runs ---- */

static enum status run_take(const json_t *run, struct run_there *there, struct error *error)
{
	const json_t *info = json_object_get(run, "info");
	const char *state = json_string_value(json_object_get(info, "status"));
	enum status status = text_take(info, "run_id", there->id, error);

	there->ended = state != NULL && strcmp(state, "RUNNING") != 0;
	return status == STATUS_OK ? text_take(info, "artifact_uri", there->artifacts, error)
				   : status;
}

/* STATUS_NOT_FOUND: there is none. */
static enum status run_find(struct mlflow *mlflow, const struct mlflow_run *run,
	struct run_there *there, struct error *error)
{
	char filter[TEXT_MAX];
	json_t *answer = NULL, *found;
	struct buf body;
	enum status status;

	snprintf(filter, sizeof(filter), "tags.`" KEY_TAG "` = '%s'", run->key);
	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"experiment_ids\":[", mlflow->experiment);
	add_text(&body, "],\"max_results\":1,\"filter\":", filter);
	buf_add_char(&body, '}');
	status = post(mlflow, "/mlflow/runs/search", &body, &answer, error);
	if (status != STATUS_OK)
		return status;
	found = json_array_get(json_object_get(answer, "runs"), 0);
	status = found != NULL ? run_take(found, there, error) : STATUS_NOT_FOUND;
	json_decref(answer);
	return status;
}

static enum status run_make(struct mlflow *mlflow, const struct mlflow_run *run,
	struct run_there *there, struct error *error)
{
	json_t *answer = NULL;
	struct buf body;
	enum status status;

	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"experiment_id\":", mlflow->experiment);
	add_text(&body, ",\"run_name\":", run->name);
	buf_printf(&body, ",\"start_time\":%lld,\"tags\":[", (long long)run->start_ms);
	add_text(&body, "{\"key\":\"" KEY_TAG "\",\"value\":", run->key);
	add_text(&body, "},{\"key\":\"mlflow.user\",\"value\":", "nimbusguard");
	add_text(&body,
		"},{\"key\":\"mlflow.source.name\",\"value\":", "nimbusguard " NIMBUSGUARD_VERSION);
	buf_add_text(&body, "}]}");
	status = post(mlflow, "/mlflow/runs/create", &body, &answer, error);
	if (status == STATUS_OK)
		status = run_take(json_object_get(answer, "run"), there, error);
	json_decref(answer);
	return status;
}

static enum status batch_send(struct mlflow *mlflow, const struct mlflow_run *run,
	const struct run_there *there, struct error *error)
{
	struct buf body;
	bool first = true;

	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"run_id\":", there->id);
	buf_add_text(&body, ",\"params\":[");
	for (size_t i = 0; i < run->param_count; i++) {
		add_text(&body, i > 0 ? ",{\"key\":" : "{\"key\":", run->params[i].key);
		add_text(&body, ",\"value\":", run->params[i].value);
		buf_add_char(&body, '}');
	}
	buf_add_text(&body, "],\"metrics\":[");
	for (size_t i = 0; i < run->metric_count; i++) {
		if (!isfinite(run->metrics[i].value))
			continue;
		add_text(&body, first ? "{\"key\":" : ",{\"key\":", run->metrics[i].key);
		buf_add_text(&body, ",\"value\":");
		buf_add_json_number(&body, run->metrics[i].value);
		buf_printf(&body, ",\"timestamp\":%lld,\"step\":0}", (long long)run->end_ms);
		first = false;
	}
	buf_add_text(&body, "]}");
	return post(mlflow, "/mlflow/runs/log-batch", &body, NULL, error);
}

/* Only artifacts that the server itself takes: others would need a store's own credentials. */
static enum status artifact_send(struct mlflow *mlflow, const struct mlflow_run *run,
	const struct run_there *there, struct error *error)
{
	static const char scheme[] = "mlflow-artifacts:/";
	const char *name = strrchr(run->artifact, '/');
	struct ticket_call with = {.type = "application/octet-stream"};
	struct buf path, bytes;
	enum status status;

	if (strncmp(there->artifacts, scheme, sizeof(scheme) - 1) != 0)
		return error_set(error, STATUS_UNSUPPORTED,
			"MLflow keeps artifacts at %.80s, not behind itself (mlflow server "
			"--serve-artifacts): the model file is not sent",
			there->artifacts);
	buf_init(&path, 4 * TEXT_MAX);
	buf_init(&bytes, MLFLOW_ARTIFACT_MAX);
	buf_add_text(&path, "/mlflow-artifacts/artifacts/");
	add_escaped(&path, there->artifacts + sizeof(scheme) - 1, true);
	buf_add_text(&path, "/model/");
	add_escaped(&path, name != NULL ? name + 1 : run->artifact, false);
	status = buf_ok(&path) ? file_read(run->artifact, &bytes, error)
			       : error_set(error, STATUS_BAD_INPUT, "MLflow: a path is too long");
	if (status == STATUS_OK) {
		with.body = bytes.data != NULL ? bytes.data : "";
		with.body_size = bytes.size;
		status = call(mlflow, "PUT", path.data, &with, NULL, error);
	}
	buf_fini(&path);
	buf_fini(&bytes);
	return status;
}

static enum status run_end(struct mlflow *mlflow, const struct mlflow_run *run,
	const struct run_there *there, struct error *error)
{
	struct buf body;

	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"run_id\":", there->id);
	buf_printf(&body, ",\"status\":\"%s\",\"end_time\":%lld}",
		run->failed ? "FAILED" : "FINISHED", (long long)run->end_ms);
	return post(mlflow, "/mlflow/runs/update", &body, NULL, error);
}

static enum status run_log(struct mlflow *mlflow, const struct mlflow_run *run,
	struct run_there *there, struct error *error)
{
	enum status status = experiment_know(mlflow, error);

	if (status == STATUS_OK)
		status = run_find(mlflow, run, there, error);
	if (status == STATUS_OK && there->ended)
		return STATUS_OK;
	if (status == STATUS_NOT_FOUND)
		status = run_make(mlflow, run, there, error);
	if (status == STATUS_OK)
		status = batch_send(mlflow, run, there, error);
	if (status == STATUS_OK && run->artifact != NULL)
		status = artifact_send(mlflow, run, there, error);
	return status == STATUS_OK ? run_end(mlflow, run, there, error) : status;
}

enum status mlflow_log(struct mlflow *mlflow, const struct mlflow_run *run, struct error *error)
{
	struct run_there there;

	return run_log(mlflow, run, &there, error);
}

/* ---- registry ---- */

/* The version that was made of the run; STATUS_NOT_FOUND: none. */
static enum status version_find(struct mlflow *mlflow, const struct run_there *there, char *version,
	struct error *error)
{
	json_t *answer = NULL, *one;
	char filter[2 * TEXT_MAX];
	struct buf path;
	enum status status;
	size_t i;

	snprintf(filter, sizeof(filter), "run_id = '%s'", there->id);
	buf_init(&path, 4 * TEXT_MAX);
	buf_add_text(&path, "/mlflow/model-versions/search?filter=");
	add_escaped(&path, filter, false);
	status = buf_ok(&path) ? get(mlflow, path.data, &answer, error)
			       : error_set(error, STATUS_NO_MEMORY, "no memory for a call");
	buf_fini(&path);
	if (status != STATUS_OK)
		return status;
	status = STATUS_NOT_FOUND;
	json_array_foreach(json_object_get(answer, "model_versions"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name == NULL || strcmp(name, mlflow->config.model) != 0)
			continue;
		status = text_take(one, "version", version, error);
		break;
	}
	json_decref(answer);
	return status;
}

static enum status version_make(struct mlflow *mlflow, const struct mlflow_run *run,
	const struct run_there *there, char *version, struct error *error)
{
	char source[TEXT_MAX + 8];
	json_t *answer = NULL;
	struct buf body;
	enum status status;

	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"name\":", mlflow->config.model);
	buf_add_char(&body, '}');
	status = post(mlflow, "/mlflow/registered-models/create", &body, NULL, error);
	if (status != STATUS_OK && status != STATUS_CONFLICT)
		return status;
	snprintf(source, sizeof(source), "%s/model", there->artifacts);
	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"name\":", mlflow->config.model);
	add_text(&body, ",\"source\":", source);
	add_text(&body, ",\"run_id\":", there->id);
	add_text(&body, ",\"tags\":[{\"key\":\"" KEY_TAG "\",\"value\":", run->key);
	buf_add_text(&body, "}]}");
	status = post(mlflow, "/mlflow/model-versions/create", &body, &answer, error);
	if (status == STATUS_OK)
		status = text_take(json_object_get(answer, "model_version"), "version", version,
			error);
	json_decref(answer);
	return status;
}

enum status mlflow_register(struct mlflow *mlflow, const struct mlflow_run *run, const char *alias,
	struct error *error)
{
	struct run_there there;
	char version[TEXT_MAX];
	struct buf body;
	enum status status = run_log(mlflow, run, &there, error);

	if (status == STATUS_OK)
		status = version_find(mlflow, &there, version, error);
	if (status == STATUS_NOT_FOUND)
		status = version_make(mlflow, run, &there, version, error);
	if (status != STATUS_OK)
		return status;
	buf_init(&body, BODY_MAX);
	add_text(&body, "{\"name\":", mlflow->config.model);
	add_text(&body, ",\"alias\":", alias);
	add_text(&body, ",\"version\":", version);
	buf_add_char(&body, '}');
	return post(mlflow, "/mlflow/registered-models/alias", &body, NULL, error);
}
