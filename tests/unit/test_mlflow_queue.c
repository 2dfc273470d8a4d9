/* run-under: tsan */
/*
 * What the service tells MLflow: trainings go out in their order, a server that fails is asked again and
 * delays nobody, and what finds no room is dropped and counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "daemon/models_mlflow.h"
#include "daemon/mlflow_queue.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"

#define DEADLINE_MS 120000
#define EXPERIMENT                                                                                  \
	{                                                                                           \
		.start = "GET ",                                                                    \
		.body = "{\"experiment\":{\"experiment_id\":\"7\",\"lifecycle_stage\":\"active\"}}" \
	}
#define GOOD                                                                                        \
	{.start = "POST /api/2.0/mlflow/runs/search ", .body = "{}"},                               \
		{.start = "POST /api/2.0/mlflow/runs/create ",                                      \
			.body = "{\"run\":{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":\"x\"}}}"}, \
		{.start = "POST /api/2.0/mlflow/runs/log-batch "},                                  \
	{                                                                                           \
		.start = "POST /api/2.0/mlflow/runs/update "                                        \
	}
#define COUNT(rules) (sizeof(rules) / sizeof(*(rules)))

static struct http_stub *stub;

static struct mlflow_queue *queue_make(const struct stub_rule *rules, size_t count)
{
	static char url[64];
	struct mlflow_config config = {.url = url, .experiment = "e", .model = "m"};
	struct mlflow_queue *queue;
	struct error error;

	stub = http_stub_open(rules, count, NULL, NULL);
	assert_non_null(stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(stub));
	metrics_reset();
	queue = mlflow_queue_open(&config, 10, &error);
	if (queue == NULL)
		fail_msg("%s", error.text);
	return queue;
}

static void wait_for(const char *result, double count)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + DEADLINE_MS * INT64_C(1000000);

	while (metrics_get(METRIC_MLFLOW_RUNS, result) < count) {
		if (clock_mono_ns(clock_system()) > until_ns)
			fail_msg("waited in vain for %s", result);
		clock_sleep_ms(5);
	}
}

static void add(struct mlflow_queue *queue, const char *name, enum status status)
{
	struct workload_key workload = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT};
	struct training_report report = {.kind = "forecast",
		.method = "combined",
		.workload = &workload,
		.status = status,
		.started_ms = 1000,
		.ended_ms = 3500,
		.end_minute = 29453760,
		.rows_max = 10080,
		.skill = {.25, .5}};

	snprintf(workload.name, sizeof(workload.name), "%s", name);
	mlflow_tell_training(queue, &report);
}

static void trainings_are_told_in_their_order(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT, GOOD};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));

	add(queue, "web", STATUS_OK);
	/* Without history there was no training. */
	add(queue, "young", STATUS_UNAVAILABLE);
	add(queue, "api", STATUS_NO_MEMORY);
	wait_for("told", 2);
	mlflow_queue_close(queue);
	assert_int_equal(http_stub_request_count(stub), 9);
	assert_non_null(strstr(http_stub_body(stub, 2), "\"run_name\":\"forecast shop/web\""));
	assert_non_null(strstr(http_stub_body(stub, 3),
		"{\"key\":\"data_to\",\"value\":\"2026-01-01T00:00:00.000Z\"}"));
	assert_non_null(strstr(http_stub_body(stub, 3), "{\"key\":\"seconds\",\"value\":2.5,"));
	assert_non_null(strstr(http_stub_body(stub, 3), "{\"key\":\"skill_15\",\"value\":0.5,"));
	assert_non_null(strstr(http_stub_body(stub, 4), "FINISHED"));
	assert_non_null(strstr(http_stub_body(stub, 6), "\"run_name\":\"forecast shop/api\""));
	assert_non_null(strstr(http_stub_body(stub, 8), "FAILED"));
	http_stub_close(stub);
}

static void a_server_that_fails_is_asked_again(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET", .code = 503, .times = 2},
		{.start = "POST", .drop = true, .times = 1}, EXPERIMENT, GOOD};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));

	add(queue, "web", STATUS_OK);
	wait_for("told", 1);
	assert_true(metrics_get(METRIC_MLFLOW_RUNS, "retry") == 3);
	mlflow_queue_close(queue);
	http_stub_close(stub);
}

static void what_is_refused_holds_up_nothing(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT,
		{.start = "POST /api/2.0/mlflow/runs/search ", .code = 400, .times = 1}, GOOD};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));

	add(queue, "web", STATUS_OK);
	add(queue, "api", STATUS_OK);
	wait_for("told", 1);
	assert_true(metrics_get(METRIC_MLFLOW_RUNS, "refused") == 1);
	mlflow_queue_close(queue);
	http_stub_close(stub);
}

static void what_finds_no_room_is_dropped(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET", .code = 503}};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));

	for (int i = 0; i < MLFLOW_QUEUE_MAX + 3; i++)
		add(queue, "web", STATUS_OK);
	assert_true(metrics_get(METRIC_MLFLOW_RUNS, "dropped") == 3);
	/* With all of them waiting it ends all the same. */
	mlflow_queue_close(queue);
	http_stub_close(stub);
}

#define REGISTRY                                                                                   \
	{.start = "PUT /api/2.0/mlflow-artifacts/artifacts/7/r1/artifacts/general.model "},        \
		{.start = "GET /api/2.0/mlflow/model-versions/search", .body = "{}"},              \
		{.start = "POST /api/2.0/mlflow/registered-models/create "},                       \
		{.start = "POST /api/2.0/mlflow/model-versions/create ",                           \
			.body = "{\"model_version\":{\"version\":\"3\"}}"},                        \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/registered-models/alias "                           \
	}
#define RUN                                                                                        \
	{.start = "POST /api/2.0/mlflow/runs/search ", .body = "{}"},                              \
		{.start = "POST /api/2.0/mlflow/runs/create ",                                     \
			.body = "{\"run\":{\"info\":{\"run_id\":\"r1\",\"artifact_uri\":"          \
				"\"mlflow-artifacts:/7/r1/artifacts\"}}}"},                        \
		{.start = "POST /api/2.0/mlflow/runs/log-batch "},                                 \
	{                                                                                          \
		.start = "POST /api/2.0/mlflow/runs/update "                                       \
	}

static void model_write(const char *path, uint64_t seed)
{
	struct model_info info = {.kind = "lstm", .seed = seed};
	const float numbers[] = {1, 2, 3};
	struct error error;

	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
}

static void add_general(struct mlflow_queue *queue, const char *outcome, const char *file)
{
	const struct training_report report = {.kind = "general",
		.method = "lstm_general",
		.status = STATUS_OK,
		.started_ms = 1000,
		.ended_ms = 3500,
		.end_minute = 29453760,
		.rows_max = 10080,
		.outcome = outcome,
		.file = file,
		.signals = 12,
		.relative_error = {.5, .75, NAN}};

	mlflow_tell_training(queue, &report);
}

static bool asked_for(const char *start)
{
	for (size_t i = 0; i < http_stub_request_count(stub); i++)
		if (strncmp(http_stub_request(stub, i), start, strlen(start)) == 0)
			return true;
	return false;
}

static void a_net_that_was_promoted_becomes_a_version_with_its_file(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "GET /api/2.0/mlflow/experiments",
			 .body = "{\"experiment\":{\"experiment_id\":\"7\"}}"},
			RUN, REGISTRY};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "general.model");
	model_write(path, 1);
	add_general(queue, "promoted", path);
	wait_for("told", 1);
	mlflow_queue_close(queue);
	assert_true(asked_for("PUT /api/2.0/mlflow-artifacts/"));
	assert_true(asked_for("POST /api/2.0/mlflow/model-versions/create"));
	assert_non_null(strstr(http_stub_body(stub, http_stub_request_count(stub) - 1),
		"\"alias\":\"champion\",\"version\":\"3\""));
	assert_non_null(
		strstr(http_stub_body(stub, 3), "{\"key\":\"relative_error\",\"value\":0.5,"));
	assert_non_null(
		strstr(http_stub_body(stub, 3), "{\"key\":\"outcome\",\"value\":\"promoted\"}"));
	assert_null(strstr(http_stub_body(stub, 3), "relative_error_yesterday"));
	http_stub_close(stub);
	folder_remove(folder);
}

static void what_is_not_promoted_is_a_run_alone(void **state)
{
	static const struct stub_rule rules[] = {EXPERIMENT, RUN};
	struct mlflow_queue *queue = queue_make(rules, COUNT(rules));

	add_general(queue, "kept", NULL);
	wait_for("told", 1);
	mlflow_queue_close(queue);
	assert_int_equal(http_stub_request_count(stub), 5);
	http_stub_close(stub);
}

/* The server was away; meanwhile the next training was promoted. */
static void a_file_that_was_replaced_is_not_taken_for_the_one_before(void **state)
{
	static const struct stub_rule away[] = {{.start = "GET", .code = 503}};
	static const struct stub_rule rules[] = {EXPERIMENT, RUN};
	struct mlflow_queue *queue = queue_make(away, COUNT(away));
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "general.model");
	model_write(path, 1);
	add_general(queue, "promoted", path);
	wait_for("retry", 1);
	model_write(path, 2);
	http_stub_rules(stub, rules, COUNT(rules));
	wait_for("told", 1);
	mlflow_queue_close(queue);
	assert_false(asked_for("PUT"));
	assert_false(asked_for("POST /api/2.0/mlflow/model-versions/create"));
	http_stub_close(stub);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trainings_are_told_in_their_order),
		cmocka_unit_test(a_server_that_fails_is_asked_again),
		cmocka_unit_test(what_is_refused_holds_up_nothing),
		cmocka_unit_test(what_finds_no_room_is_dropped),
		cmocka_unit_test(a_net_that_was_promoted_becomes_a_version_with_its_file),
		cmocka_unit_test(what_is_not_promoted_is_a_run_alone),
		cmocka_unit_test(a_file_that_was_replaced_is_not_taken_for_the_one_before),
	};

	return cmocka_run_group_tests_name("mlflow_queue", tests, NULL, NULL);
}
