/*
 * The 1-minute tier of the real program: remote-write requests in, minutes out over HTTP; what is
 * there after a kill and a restart without any sample in memory; what is told of a file that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/openapi.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define MINUTES 40
#define STEP_MS 15000

static struct servers servers;
static struct server *service;
static int64_t first_minute; /* since 1970 */

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	first_minute = clock_now_ms(clock_system()) / 60000 - MINUTES - 1;
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static void start(void)
{
	static const char *const flags[] = {"--analyze.scan-interval=200ms", NULL};

	nimbusguard_start(&servers, service, flags);
}

/* Values of minute k: 10 k, 10 k + 1, + 2, + 3; minutes 10 to 14 are missing. */
static bool minute_sent(int k)
{
	return k < 10 || k >= 15;
}

static void send_series(const char *name, const char *workload)
{
	static struct write_body request, series;

	write_body_reset(&request);
	write_body_reset(&series);
	write_body_label(&series, "__name__", name);
	write_body_label(&series, "namespace", "shop");
	write_body_label(&series, "workload", workload);
	write_body_label(&series, "workload_kind", "Deployment");
	for (int k = 0; k < MINUTES; k++)
		for (int i = 0; i < 4 && minute_sent(k); i++)
			write_body_sample(&series, (first_minute + k) * 60000 + i * STEP_MS,
				10 * k + i);
	write_body_series(&request, &series);
	assert_int_equal(write_post_status(service->port.number, &request), 204);
}

static struct web_answer ask(const char *role, const char *more)
{
	char url[1024];

	snprintf(url, sizeof(url),
		"%s/api/v1/rollup?namespace=shop&kind=Deployment&workload=web&role=%s"
		"&start=%lld&end=%lld%s",
		service->url, role, (long long)first_minute * 60,
		(long long)(first_minute + MINUTES - 1) * 60, more);
	return web_call("GET", url, NULL, NULL);
}

static bool all_but_the_last_there(void)
{
	struct web_answer answer = ask("cpu", "");
	json_t *root = json_loads(answer.body, 0, NULL);
	json_t *means = json_object_get(json_object_get(root, "data"), "mean");
	bool there = json_is_number(json_array_get(means, MINUTES - 2));

	json_decref(root);
	web_answer_fini(&answer);
	return there;
}

/* The last minute may not be complete yet. */
static void check_minutes(void)
{
	struct web_answer answer = ask("cpu", "&columns=mean,max,min,last,count");
	json_t *document = openapi_read(), *root, *data;

	assert_int_equal(answer.status, 200);
	openapi_check(document, "get", "/api/v1/rollup", &answer);
	root = json_loads(answer.body, 0, NULL);
	data = json_object_get(root, "data");
	for (int k = 0; k < MINUTES - 1; k++) {
		static const char *const names[] = {"mean", "max", "min", "last", "count"};
		const double wanted[] = {10 * k + 1.5, 10 * k + 3, 10 * k, 10 * k + 3, 4};

		for (size_t i = 0; i < 5; i++) {
			json_t *column = json_object_get(data, names[i]);
			json_t *value = json_array_get(column, (size_t)k);

			assert_int_equal(json_array_size(column), MINUTES);
			if (minute_sent(k))
				assert_true(json_number_value(value) == wanted[i]);
			else
				assert_true(json_is_null(value));
		}
	}
	json_decref(root);
	json_decref(document);
	web_answer_fini(&answer);
}

static void samples_become_minutes(void **state)
{
	if (service == NULL)
		skip();
	start();
	send_series("nimbusguard:workload_cpu_cores:sum", "web");
	AWAIT(&servers, all_but_the_last_there(), 60);
	check_minutes();
	assert_true(web_metric(service->url, "nimbusguard_rollup_signals") == 1);
	assert_true(web_metric(service->url, "nimbusguard_rollup_written_total") >= 34);
	assert_true(web_metric(service->url, "nimbusguard_rollup_gaps_total") == 5);
	assert_true(web_metric(service->url, "nimbusguard_rollup_bytes{kind=\"disk\"}") > 1e6);
	assert_true(web_metric(service->url, "nimbusguard_rollup_bytes{kind=\"resident\"}") > 0);
	assert_true(
		web_metric(service->url, "nimbusguard_operator_health{component=\"rollup\"}") == 1);
}

static void a_kill_and_a_restart_take_no_minute_away(void **state)
{
	if (service == NULL)
		skip();
	server_kill(service);
	start();
	check_minutes();
	server_end(service);
	start();
	check_minutes();
}

static void what_cannot_be_asked_is_told(void **state)
{
	static const struct {
		const char *role, *more, *told;
		long status;
	} cases[] = {
		{"memory", "", "no minutes of this signal", 404},
		{"cpus", "", "\\\"cpus\\\" is unknown", 400},
		{"cpu", "&columns=mean,median", "mean,median", 400},
		{"cpu", "&columns=", "each is one of", 400},
	};
	json_t *document;

	if (service == NULL)
		skip();
	document = openapi_read();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct web_answer answer = ask(cases[i].role, cases[i].more);

		assert_int_equal(answer.status, cases[i].status);
		if (strstr(answer.body, cases[i].told) == NULL)
			fail_msg("\"%s\" is not said in: %s", cases[i].told, answer.body);
		openapi_check(document, "get", "/api/v1/rollup", &answer);
		web_answer_fini(&answer);
	}
	json_decref(document);
	server_end(service);
}

static void a_foreign_file_is_kept_aside_and_the_service_runs(void **state)
{
	char name[SERVER_PATH_MAX + 64];
	struct web_answer answer;

	if (service == NULL)
		skip();
	snprintf(name, sizeof(name), "%s/rollup.1m", service->name);
	(void)servers_write(&servers, name, "something else");
	start();
	assert_true(server_said(service, "it is no file of the 1-minute tier"));
	answer = ask("cpu", "");
	assert_int_equal(answer.status, 404);
	web_answer_fini(&answer);
	send_series("nimbusguard:workload_cpu_cores:sum", "web");
	AWAIT(&servers, all_but_the_last_there(), 60);
	check_minutes();
	server_end(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_become_minutes),
		cmocka_unit_test(a_kill_and_a_restart_take_no_minute_away),
		cmocka_unit_test(what_cannot_be_asked_is_told),
		cmocka_unit_test(a_foreign_file_is_kept_aside_and_the_service_runs),
	};

	return cmocka_run_group_tests_name("rollup_http", tests, setup, teardown);
}
