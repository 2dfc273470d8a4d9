/*
 * nimbusguard dataset against answers of the service: the minutes of all signals become one table in
 * which gaps are empty, and the table is a data set again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/evaluate/dataset.h"
#include "analyzers/models/model_file.h"
#include "base/error.h"
#include "tests/support/http_stub.h"
#include "tests/support/proc.h"

#define SIGNALS "GET /api/v1/signals?namespace=shop&workload=web&kind=Deployment&cluster=a%2Fb HTTP"
#define ROLLUP                                                                                     \
	"GET /api/v1/rollup?columns=mean&namespace=shop&workload=web&kind=Deployment&"             \
	"cluster=a%2Fb&role="
#define LIST "{\"data\":[{\"role\":\"cpu\"},{\"role\":\"memory\"},{\"role\":\"errors\"}]}"

/* What the command says (free). */
static char *export_to(const struct stub_rule *rules, size_t count, const char *end, int *status)
{
	const char *parent = getenv("TMPDIR"), *program = getenv("NIMBUSGUARD_TEST_BIN");
	struct http_stub *stub = http_stub_open(rules, count, NULL, NULL);
	char url[64], log[512], *said;

	assert_non_null(stub);
	assert_non_null(program);
	snprintf(url, sizeof(url), "--url=http://127.0.0.1:%u", http_stub_port(stub));
	snprintf(log, sizeof(log), "%s/dataset.log", parent != NULL ? parent : "/tmp");
	const char *const argv[] = {program, "dataset", "--namespace=shop", "--workload=web",
		"--cluster=a/b", "--start=2026-01-02T00:00:00Z", url, end, NULL};

	(void)remove(log);
	said = proc_output(log, argv, NULL, status);
	http_stub_close(stub);
	return said;
}

static void minutes_of_all_signals_become_one_table(void **state)
{
	static const struct stub_rule rules[] = {{.start = SIGNALS, .body = LIST},
		{.start = ROLLUP "cpu&start=2026-01-02T00%3A00%3A00.000Z&"
				 "end=2026-01-02T00%3A04%3A00.000Z",
			.body = "{\"data\":{\"mean\":[null,0.5,null,0.25,null]}}"},
		{.start = ROLLUP "memory", .body = "{\"data\":{\"mean\":[null,null,1e9,3,null]}}"},
		{.start = ROLLUP "errors", .code = 404, .body = "{\"error\":\"no minutes\"}"}};
	struct entity entity;
	struct error error;
	int status;
	char *said = export_to(rules, 4, "--end=2026-01-02T00:05:00Z", &status);

	assert_int_equal(status, 0);
	assert_string_equal(said,
		"time,cpu,memory\n"
		"2026-01-02T00:01:00.000Z,0.5,\n"
		"2026-01-02T00:02:00.000Z,,1000000000\n"
		"2026-01-02T00:03:00.000Z,0.25,3\n");
	assert_int_equal(dataset_read_csv("web.csv", said, strlen(said), &entity, &error),
		STATUS_OK);
	assert_int_equal(entity.rows, 3);
	assert_true(isnan(entity.values[1]) && entity.values[3] == 1e9);
	entity_fini(&entity);
	free(said);
}

/* Whose clock need not be ours: it is the service's newest sample that counts. */
static void without_an_end_the_newest_sample_is_it(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = SIGNALS,
			.body = "{\"data\":[{\"role\":\"cpu\",\"newest\":\"2026-01-02T00:03:10.000Z\"},"
				"{\"role\":\"memory\",\"newest\":\"2026-01-02T00:02:59.000Z\"}]}"},
		{.start = ROLLUP "cpu&start=2026-01-02T00%3A00%3A00.000Z&"
				 "end=2026-01-02T00%3A02%3A00.000Z",
			.body = "{\"data\":{\"mean\":[1,2,3]}}"},
		{.start = ROLLUP "memory", .code = 404, .body = "{\"error\":\"no minutes\"}"}};
	int status;
	char *said = export_to(rules, 3, NULL, &status);

	(void)state;
	assert_int_equal(status, 0);
	assert_string_equal(said,
		"time,cpu\n2026-01-02T00:00:00.000Z,1\n2026-01-02T00:01:00.000Z,2\n"
		"2026-01-02T00:02:00.000Z,3\n");
	free(said);
}

static void what_the_service_refuses_is_told(void **state)
{
	static const struct stub_rule refused[] = {
		{.start = SIGNALS, .code = 403, .body = "{\"error\":\"not for you\"}"}};
	static const struct stub_rule empty[] = {{.start = SIGNALS, .body = "{\"data\":[]}"}};
	static const struct stub_rule broken[] = {{.start = SIGNALS, .body = LIST},
		{.start = ROLLUP, .code = 500, .body = "{\"error\":\"disk\"}"}};
	int status;
	char *said = export_to(refused, 1, "--end=2026-01-02T00:05:00Z", &status);

	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "not for you"));
	free(said);
	said = export_to(empty, 1, "--end=2026-01-02T00:05:00Z", &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "no minutes of such a workload"));
	free(said);
	said = export_to(broken, 2, "--end=2026-01-02T00:05:00Z", &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "disk"));
	free(said);
	said = export_to(empty, 1, "--end=2026-01-01T00:00:00Z", &status);
	assert_int_equal(status, 2);
	free(said);
}

static void what_a_model_saw_is_exported(void **state)
{
	static const struct stub_rule rules[] = {{.start = SIGNALS, .body = LIST},
		{.start = ROLLUP "cpu&start=2026-01-02T00%3A00%3A00.000Z&"
				 "end=2026-01-02T00%3A02%3A00.000Z",
			.body = "{\"data\":{\"mean\":[1,2,3]}}"},
		{.start = ROLLUP, .code = 404, .body = "{\"error\":\"no minutes\"}"}};
	struct model_info info = {.kind = "lstm",
		.data_from_ms = INT64_C(1767312000000),
		.data_to_ms = INT64_C(1767312120000)};
	const char *parent = getenv("TMPDIR");
	const float number = 1;
	struct error error;
	char path[512], flag[600], *said;
	int status;

	snprintf(path, sizeof(path), "%s/saw.model", parent != NULL ? parent : "/tmp");
	snprintf(flag, sizeof(flag), "--model=%s", path);
	assert_int_equal(model_file_export(path, &info, &number, 1, &error), STATUS_OK);
	said = export_to(rules, 3, flag, &status);
	assert_int_equal(status, 0);
	assert_string_equal(said,
		"time,cpu\n"
		"2026-01-02T00:00:00.000Z,1\n"
		"2026-01-02T00:01:00.000Z,2\n"
		"2026-01-02T00:02:00.000Z,3\n");
	free(said);
	info.data_to_ms = info.data_from_ms;
	assert_int_equal(model_file_export(path, &info, &number, 1, &error), STATUS_OK);
	said = export_to(rules, 3, flag, &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "saw.model: it does not say"));
	free(said);
	(void)remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minutes_of_all_signals_become_one_table),
		cmocka_unit_test(without_an_end_the_newest_sample_is_it),
		cmocka_unit_test(what_the_service_refuses_is_told),
		cmocka_unit_test(what_a_model_saw_is_exported),
	};

	return cmocka_run_group_tests_name("dataset_export", tests, NULL, NULL);
}
