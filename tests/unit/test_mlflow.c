/*
 * MLflow's client against a server that answers by a list: what is asked in which order, what is done only
 * once, and which failures are worth another try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/mlflow.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"

#define EXPERIMENT                                                                                  \
	{                                                                                           \
		.start = "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=a%20b ",      \
		.body = "{\"experiment\":{\"experiment_id\":\"7\",\"lifecycle_stage\":\"active\"}}" \
	}
#define RUN                                                                                        \
	"{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":\"mlflow-artifacts:/7/r1/artifacts\","      \
	"\"status\":\"RUNNING\"}}"
#define NO_RUN                                                                                     \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/runs/search ", .body = "{}"                         \
	}
#define NEW_RUN                                                                                    \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/runs/create ", .body = "{\"run\":" RUN "}"          \
	}
#define BATCH                                                                                      \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/runs/log-batch "                                    \
	}
#define ARTIFACT                                                                                    \
	{                                                                                           \
		.start =                                                                            \
			"PUT /api/2.0/mlflow-artifacts/artifacts/7/r1/artifacts/model/a%2Bb.model " \
	}
#define END                                                                                        \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/runs/update "                                       \
	}
#define COUNT(rules) (sizeof(rules) / sizeof(*(rules)))

static const struct mlflow_param params[] = {{"kind", "ls\"tm"}, {"seed", "1"}};
static const struct mlflow_metric metrics[] = {{"none", NAN}, {"error", .5}, {"loss", 2}};

static struct mlflow_run run = {.key = "k1",
	.name = "a run",
	.start_ms = 1000,
	.end_ms = 2000,
	.params = params,
	.param_count = 2,
	.metrics = metrics,
	.metric_count = 3};

static struct mlflow *client(struct http_stub *stub, const char *token_file, const char *user)
{
	static char url[64];
	struct mlflow_config config = {.url = url,
		.user = user,
		.token_file = token_file,
		.experiment = "a b",
		.model = "forecast"};
	struct mlflow *mlflow;
	struct error error;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_stub_port(stub));
	mlflow = mlflow_open(&config, NULL, &error);
	if (mlflow == NULL)
		fail_msg("%s", error.text);
	return mlflow;
}

static void a_run_is_told_step_by_step(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT, NO_RUN, NEW_RUN, BATCH, ARTIFACT, END};
	struct http_stub *stub = http_stub_open(rules, COUNT(rules), NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct mlflow_run whole = run;
	struct error error;

	folder_make(folder);
	folder_write(folder, "a+b.model", "numbers");
	folder_path(path, sizeof(path), folder, "a+b.model");
	whole.artifact = path;
	assert_int_equal(mlflow_log(mlflow, &whole, &error), STATUS_OK);
	assert_int_equal(http_stub_request_count(stub), 6);
	assert_string_equal(http_stub_body(stub, 1),
		"{\"experiment_ids\":[\"7\"],\"max_results\":1,"
		"\"filter\":\"tags.`nimbusguard.key` = 'k1'\"}");
	assert_non_null(strstr(http_stub_body(stub, 2), "\"start_time\":1000"));
	assert_string_equal(http_stub_body(stub, 3),
		"{\"run_id\":\"r1\",\"params\":[{\"key\":\"kind\",\"value\":\"ls\\\"tm\"},"
		"{\"key\":\"seed\",\"value\":\"1\"}],\"metrics\":["
		"{\"key\":\"error\",\"value\":0.5,\"timestamp\":2000,\"step\":0},"
		"{\"key\":\"loss\",\"value\":2,\"timestamp\":2000,\"step\":0}]}");
	assert_string_equal(http_stub_body(stub, 4), "numbers");
	assert_non_null(
		strstr(http_stub_request(stub, 4), "Content-Type: application/octet-stream"));
	assert_string_equal(http_stub_body(stub, 5),
		"{\"run_id\":\"r1\",\"status\":\"FINISHED\",\"end_time\":2000}");
	/* The experiment is known from now on. */
	assert_int_equal(mlflow_log(mlflow, &run, &error), STATUS_OK);
	assert_int_equal(http_stub_request_count(stub), 10);
	mlflow_close(mlflow);
	http_stub_close(stub);
	folder_remove(folder);
}

static void what_is_there_is_not_made_again(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT,
		{.start = "POST /api/2.0/mlflow/runs/search ",
			.body = "{\"runs\":[{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":"
				"\"mlflow-artifacts:/7/r1/artifacts\",\"status\":\"FINISHED\"}}]}"},
		{.start = "GET /api/2.0/mlflow/model-versions/search?filter=run_id%20%3D%20%27r1%27 ",
			.body = "{\"model_versions\":[{\"name\":\"other\",\"version\":\"9\"},"
				"{\"name\":\"forecast\",\"version\":\"4\"}]}"},
		{.start = "POST /api/2.0/mlflow/registered-models/alias "}};
	struct http_stub *stub = http_stub_open(rules, COUNT(rules), NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	struct error error;

	assert_int_equal(mlflow_register(mlflow, &run, "champion", &error), STATUS_OK);
	assert_int_equal(http_stub_request_count(stub), 4);
	assert_string_equal(http_stub_body(stub, 3),
		"{\"name\":\"forecast\",\"alias\":\"champion\",\"version\":\"4\"}");
	mlflow_close(mlflow);
	http_stub_close(stub);
}

static void what_is_missing_is_made(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "GET /api/2.0/mlflow/experiments/get-by-name",
			 .code = 404,
			 .body = "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}",
			 .times = 1},
			{.start = "POST /api/2.0/mlflow/experiments/create ",
				.code = 400,
				.body = "{\"error_code\":\"RESOURCE_ALREADY_EXISTS\"}"},
			EXPERIMENT, NO_RUN, NEW_RUN, BATCH, END,
			{.start = "GET /api/2.0/mlflow/model-versions/search", .body = "{}"},
			{.start = "POST /api/2.0/mlflow/registered-models/create ",
				.code = 400,
				.body = "{\"error_code\":\"RESOURCE_ALREADY_EXISTS\"}"},
			{.start = "POST /api/2.0/mlflow/model-versions/create ",
				.body = "{\"model_version\":{\"version\":\"1\"}}"},
			{.start = "POST /api/2.0/mlflow/registered-models/alias "}};
	struct http_stub *stub = http_stub_open(rules, COUNT(rules), NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	struct error error;

	assert_int_equal(mlflow_register(mlflow, &run, "challenger", &error), STATUS_OK);
	assert_int_equal(http_stub_request_count(stub), 11);
	assert_string_equal(http_stub_body(stub, 9),
		"{\"name\":\"forecast\",\"source\":\"mlflow-artifacts:/7/r1/artifacts/model\","
		"\"run_id\":\"r1\",\"tags\":[{\"key\":\"nimbusguard.key\",\"value\":\"k1\"}]}");
	mlflow_close(mlflow);
	http_stub_close(stub);
}

/* What comes of an answer to the first call. */
static enum status after(const struct stub_rule *rule, struct error *error)
{
	struct http_stub *stub = http_stub_open(rule, 1, NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	enum status status = mlflow_log(mlflow, &run, error);

	mlflow_close(mlflow);
	http_stub_close(stub);
	return status;
}

static void only_what_may_pass_is_tried_again(void **state)
{
	struct error error;

	assert_true(mlflow_transient(after(&(struct stub_rule){"GET", .code = 500}, &error)));
	assert_true(mlflow_transient(after(&(struct stub_rule){"GET", .code = 429}, &error)));
	assert_true(mlflow_transient(after(&(struct stub_rule){"GET", .drop = true}, &error)));
	assert_int_equal(after(&(struct stub_rule){"GET", .code = 400,
				       .body = "{\"error_code\":\"INVALID\",\"message\":\"bad\"}"},
				 &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "400 INVALID bad"));
	assert_int_equal(after(&(struct stub_rule){"GET", .code = 403}, &error), STATUS_FORBIDDEN);
	assert_int_equal(after(&(struct stub_rule){"GET", .body = "<html>"}, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(after(&(struct stub_rule){"GET",
				       .body = "{\"experiment\":{\"experiment_id\":\"7\","
					       "\"lifecycle_stage\":\"deleted\"}}"},
				 &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "is deleted there"));
}

static void a_model_that_the_server_does_not_take_is_told(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT, NO_RUN,
		{.start = "POST /api/2.0/mlflow/runs/create ",
			.body = "{\"run\":{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":"
				"\"s3://bucket/r1\"}}}"},
		BATCH};
	struct http_stub *stub = http_stub_open(rules, COUNT(rules), NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	struct mlflow_run whole = run;
	struct error error;

	whole.artifact = "a.model";
	assert_int_equal(mlflow_log(mlflow, &whole, &error), STATUS_UNSUPPORTED);
	assert_non_null(strstr(error.text, "s3://bucket"));
	mlflow_close(mlflow);
	http_stub_close(stub);
}

static void a_token_goes_nowhere_in_plain(void **state)
{
	static const struct stub_rule rules[] = {{"GET", .code = 500}};
	struct http_stub *stub = http_stub_open(rules, 1, NULL, NULL);
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct mlflow_config config = {.url = "http://mlflow.example:5000",
		.experiment = "e",
		.model = "m"};
	struct mlflow *mlflow;
	struct error error;

	folder_make(folder);
	folder_write(folder, "token", "secret\n");
	folder_path(path, sizeof(path), folder, "token");
	mlflow = mlflow_open(&config, NULL, &error);
	assert_non_null(mlflow);
	mlflow_close(mlflow);
	config.token_file = path;
	assert_null(mlflow_open(&config, NULL, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	config.url = "ftp://mlflow.example";
	config.token_file = NULL;
	assert_null(mlflow_open(&config, NULL, &error));
	mlflow = client(stub, path, NULL);
	assert_true(mlflow_transient(mlflow_log(mlflow, &run, &error)));
	mlflow_close(mlflow);
	assert_non_null(strstr(http_stub_request(stub, 0), "Authorization: Bearer secret\r\n"));
	mlflow = client(stub, path, "me");
	assert_true(mlflow_transient(mlflow_log(mlflow, &run, &error)));
	mlflow_close(mlflow);
	assert_non_null(
		strstr(http_stub_request(stub, 1), "Authorization: Basic bWU6c2VjcmV0\r\n"));
	http_stub_close(stub);
	folder_remove(folder);
}

static void without_memory_it_says_so(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT, NO_RUN, NEW_RUN, BATCH, END};
	struct http_stub *stub = http_stub_open(rules, COUNT(rules), NULL, NULL);
	struct mlflow *mlflow = client(stub, NULL, NULL);
	bool injected = true;

	for (long n = 1; injected; n++) {
		struct error error;
		enum status status;

		mem_fail_after(n, false);
		status = mlflow_log(mlflow, &run, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status == STATUS_OK, !injected);
	}
	mlflow_close(mlflow);
	http_stub_close(stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_told_step_by_step),
		cmocka_unit_test(what_is_there_is_not_made_again),
		cmocka_unit_test(what_is_missing_is_made),
		cmocka_unit_test(only_what_may_pass_is_tried_again),
		cmocka_unit_test(a_model_that_the_server_does_not_take_is_told),
		cmocka_unit_test(a_token_goes_nowhere_in_plain),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests_name("mlflow", tests, NULL, NULL);
}
