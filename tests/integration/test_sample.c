/*
 * The sample workload and the load on it as programs: the load comes at its rate and is what the workload
 * counts, a stalled workload shows in the latencies, faults do what they say, orders come over HTTP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/visits.h"
#include "tests/support/servers.h"

#define PATIENCE_S 60

static struct servers servers;
static struct server *sample, *load;

static int setup(void **state)
{
	(void)state;
	servers_open(&servers);
	sample = server_add(&servers, "sample");
	load = server_add(&servers, "load");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	servers_close(&servers);
	return 0;
}

static long status_of(const char *method, const char *base, const char *path)
{
	char url[512];
	struct web_answer answer;
	long status;

	snprintf(url, sizeof(url), "%s%s", base, path);
	answer = web_call(method, url, NULL, NULL);
	status = answer.status;
	web_answer_fini(&answer);
	return status;
}

static void launch(struct server *server, const char *command, const char *flag)
{
	char listen[128];
	const char *const argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), command, listen, flag, NULL};

	snprintf(listen, sizeof(listen), "--listen=%s", server->address);
	proc_start(&server->proc, argv, NULL);
	AWAIT(&servers, status_of("GET", server->url, "/health") == 200, PATIENCE_S);
}

/* One load to its end: its report (json_decref) and its exit status. */
static json_t *send_load(int *status, const char *path, const char *first, const char *second,
	const char *third)
{
	char url[256], log[2 * SERVER_PATH_MAX], *said;
	const char *const argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "load", url, "--json", first,
		second, third, NULL};
	json_t *report;

	snprintf(url, sizeof(url), "--url=%s%s", sample->url, path);
	snprintf(log, sizeof(log), "%s/report", servers.folder);
	(void)remove(log);
	said = proc_output(log, argv, NULL, status);
	report = json_loads(said, 0, NULL);
	if (report == NULL)
		fail_msg("load: %d: %s", *status, said);
	free(said);
	return report;
}

static int64_t whole(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static double counted(const char *code)
{
	char name[128];
	double value;

	snprintf(name, sizeof(name),
		"http_requests_total{handler=\"work\",method=\"GET\",code=\"%s\"}", code);
	value = web_metric(sample->url, name);
	return isnan(value) ? 0 : value;
}

/* How many moments such a load has. */
static int64_t moments(enum visits_pattern pattern, double rate, int64_t duration_ms)
{
	struct visits visits;
	struct arrivals arrivals;
	struct error error;
	int64_t count = 0;

	visits_init(&visits);
	visits.pattern = pattern;
	visits.rate = rate;
	visits.duration_ms = duration_ms;
	assert_int_equal(visits_complete(&visits, &error), STATUS_OK);
	arrivals_init(&arrivals, &visits);
	while (arrivals_next(&arrivals) >= 0)
		count++;
	return count;
}

static void a_load_is_what_the_workload_counts(void **state)
{
	int64_t wanted = moments(VISITS_RAMP, 60, 3000);
	double before;
	json_t *report;
	int status;

	(void)state;
	launch(sample, "sample", "--cost=1ms");
	before = counted("200");
	report = send_load(&status, "/", "--pattern=ramp", "--rate=60", "--duration=3s");
	assert_int_equal(status, 0);
	assert_int_equal(whole(report, "sent"), wanted);
	assert_int_equal(whole(report, "good"), wanted);
	assert_int_equal(whole(json_object_get(report, "answers"), "200"), wanted);
	assert_true(counted("200") - before == (double)wanted);
	/* Each request costs the workload processor time. */
	assert_true(web_metric(sample->url, "process_cpu_seconds_total") >= 0.001 * (double)wanted);
	assert_true(web_metric(sample->url,
			    "http_request_duration_seconds_bucket{handler=\"work\",method=\"GET\","
			    "code=\"200\",le=\"+Inf\"}") == (double)wanted);
	json_decref(report);
	server_end(sample);
}

/* With one connection and answers of 300 ms, five requests a second queue behind each other: the last one
 * ends when all have had their time, and was due within the two seconds. */
static void a_stalled_target_is_in_the_latencies(void **state)
{
	int64_t wanted = moments(VISITS_STEADY, 10, 2000);
	json_t *report;
	int status;

	(void)state;
	launch(sample, "sample", "--cost=0");
	assert_int_equal(status_of("POST", sample->url,
				 "/events/trigger?kind=latency&ms=300&duration=1h"),
		200);
	report = send_load(&status, "/", "--rate=10", "--duration=2s", "--connections=1");
	assert_int_equal(status, 0);
	assert_int_equal(whole(report, "sent"), wanted);
	assert_true(wanted > 10);
	assert_true(json_number_value(json_object_get(json_object_get(report, "due_ms"), "max")) >=
		(double)wanted * 300 - 2000);
	assert_true(json_number_value(json_object_get(json_object_get(report, "sent_ms"), "p50")) >=
		300);
	assert_true(whole(report, "late") > 0);
	json_decref(report);
	server_end(sample);
}

static void errors_and_readiness_are_triggered_and_taken_back(void **state)
{
	json_t *report;
	int status;

	(void)state;
	launch(sample, "sample", "--cost=0");
	assert_int_equal(status_of("POST", sample->url, "/events/trigger?kind=errors&duration=1h"),
		200);
	report = send_load(&status, "/workload/cpu?ms=0", "--rate=50", "--duration=500ms", NULL);
	assert_int_equal(status, 1);
	assert_int_equal(whole(report, "good"), 0);
	assert_true(whole(json_object_get(report, "answers"), "500") == whole(report, "sent"));
	assert_true(counted("500") == (double)whole(report, "sent"));
	json_decref(report);
	assert_int_equal(status_of("GET", sample->url, "/ready"), 200);
	assert_int_equal(status_of("POST", sample->url, "/events/trigger?kind=unready&duration=1h"),
		200);
	assert_int_equal(status_of("GET", sample->url, "/ready"), 503);
	assert_int_equal(status_of("GET", sample->url, "/health"), 200);
	assert_int_equal(status_of("DELETE", sample->url, "/workload"), 200);
	assert_int_equal(status_of("GET", sample->url, "/ready"), 200);
	assert_int_equal(status_of("GET", sample->url, "/"), 200);
	server_end(sample);
}

static void a_crash_is_a_failure_and_a_leak_shows(void **state)
{
	(void)state;
	launch(sample, "sample", "--memory-max=20MiB");
	assert_int_equal(status_of("POST", sample->url, "/workload/memory?leak=10MiB&duration=1h"),
		200);
	AWAIT(&servers, web_metric(sample->url, "sample_held_bytes") > 15e6, PATIENCE_S);
	assert_true(web_metric(sample->url, "process_resident_memory_bytes") > 15e6);
	assert_int_equal(status_of("POST", sample->url, "/workload/cpu?millicores=100&duration=1h"),
		200);
	assert_true(web_metric(sample->url, "sample_burnt_millicores") == 100);
	assert_int_equal(status_of("POST", sample->url, "/events/trigger?kind=crash"), 200);
	assert_int_equal(proc_wait(&sample->proc, PATIENCE_S * 1000), 1);
}

static void bad_parameters_are_named(void **state)
{
	static const char *const cases[][2] = {
		{"/workload/cpu?duration=1s", "\"millicores\" is missing"},
		{"/workload/cpu?millicores=0&duration=1s", "\"0\" is not a whole number from 1"},
		{"/workload/cpu?millicores=9999&duration=1s", "from 1 to 2000"},
		{"/workload/cpu?millicores=10", "\"duration\" is missing"},
		{"/workload/cpu?millicores=10&duration=2h", "such as 30s, up to 1h"},
		{"/workload/memory?duration=1s", "either \"bytes\", to hold, or \"leak\""},
		{"/workload/memory?bytes=1GiB&duration=1s", "such as 64MiB, up to 256MiB"},
		{"/workload/memory?bytes=1MiB&leak=1MiB&duration=1s", "either"},
		{"/events/trigger", "errors, latency, unready, crash"},
		{"/events/trigger?kind=fire", "errors, latency, unready, crash"},
		{"/events/trigger?kind=errors&share=2&duration=1s", "not a number from 0 to 1"},
		{"/events/trigger?kind=latency&duration=1s", "\"ms\" is missing"},
		{"/events/trigger?kind=errors&shar=0.2&duration=1s", "no parameter \"shar\""},
		{"/events/trigger?kind=unready&ms=9&duration=1s", "no parameter \"ms\""},
		{"/workload/cpu?millicores=10&duration=1s&ms=1", "no parameter \"ms\""},
		{"/workload/memory?byte=1MiB&duration=1s", "no parameter \"byte\""},
	};

	(void)state;
	launch(sample, "sample", NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char url[256];
		struct web_answer answer;
		json_t *body;
		const char *said;

		snprintf(url, sizeof(url), "%s%s", sample->url, cases[i][0]);
		answer = web_call("POST", url, NULL, NULL);
		assert_int_equal(answer.status, 400);
		body = json_loads(answer.body, 0, NULL);
		said = json_string_value(json_object_get(body, "error"));
		if (said == NULL || strstr(said, cases[i][1]) == NULL)
			fail_msg("%s: %s", cases[i][0], answer.body);
		json_decref(body);
		web_answer_fini(&answer);
	}
	assert_int_equal(status_of("GET", sample->url, "/workload/cpu?ms=1001"), 400);
	server_end(sample);
}

/* ---- orders ---- */

static long order(const char *body, const char *word)
{
	char url[256];
	struct web_answer answer;
	long status;

	snprintf(url, sizeof(url), "%s/load/generate", load->url);
	answer = web_call("POST", url, NULL, body);
	status = answer.status;
	if (strstr(answer.body, word) == NULL)
		fail_msg("%s: %ld: %s", body, status, answer.body);
	web_answer_fini(&answer);
	return status;
}

static json_t *load_status(void)
{
	char url[256];
	json_t *answer, *now;

	snprintf(url, sizeof(url), "%s/load/status", load->url);
	answer = web_json(url, NULL);
	now = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return now;
}

static bool state_is(const char *wanted)
{
	json_t *now = load_status();
	bool is = strcmp(json_string_value(json_object_get(now, "state")), wanted) == 0;

	json_decref(now);
	return is;
}

static void metrics_are_clean(const struct server *server)
{
	char command[3 * SERVER_PATH_MAX], url[256], log[2 * SERVER_PATH_MAX], *output;
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};
	struct web_answer page;
	int status;

	if (!servers_there(true, false))
		return;
	snprintf(url, sizeof(url), "%s/metrics", server->url);
	page = web_call("GET", url, NULL, NULL);
	assert_int_equal(page.status, 200);
	snprintf(command, sizeof(command), "'%.500s/promtool' check metrics < '%s'",
		getenv("NIMBUSGUARD_TEST_SERVERS"), servers_write(&servers, "page", page.body));
	snprintf(log, sizeof(log), "%s/promtool.log", servers.folder);
	output = proc_output(log, argv, NULL, &status);
	if (status != 0 || output[0] != '\0')
		fail_msg("promtool: %d: %s", status, output);
	free(output);
	web_answer_fini(&page);
}

static void loads_are_ordered_over_http(void **state)
{
	char flag[160], body[256];
	json_t *now;

	(void)state;
	launch(sample, "sample", "--cost=0");
	snprintf(flag, sizeof(flag), "--url=%s/", sample->url);
	launch(load, "load", flag);
	assert_true(state_is("idle"));
	assert_int_equal(order("{\"rate\":10}", "duration is missing"), 400);
	assert_int_equal(order("{\"rate\":\"x\"}", "\\\"rate\\\": "), 400);
	assert_int_equal(order("{\"speed\":1}", "\\\"speed\\\": there is no such field"), 400);
	assert_int_equal(order("{\"pattern\":\"tide\"}", "is none of steady"), 400);
	assert_int_equal(order("{\"csv\":\"0,1\\nx\"}", "line 2"), 400);
	assert_int_equal(order("[]", "not a JSON object"), 400);
	snprintf(body, sizeof(body),
		"{\"target\":\"http://192.0.2.1:%u/\",\"rate\":1,\"duration\":1}",
		sample->port.number);
	assert_int_equal(order(body, "alone"), 403);
	snprintf(body, sizeof(body),
		"{\"target\":\"http://127.0.0.1:%u/\",\"rate\":1,\"duration\":1}",
		load->port.number);
	assert_int_equal(order(body, "alone"), 403);
	/* The same host and port with another path is allowed. */
	snprintf(body, sizeof(body),
		"{\"target\":\"%s/workload/cpu?ms=0\",\"rate\":20,\"duration\":\"1h\"}",
		sample->url);
	assert_int_equal(order(body, "\"running\""), 200);
	assert_int_equal(order("{\"rate\":1,\"duration\":1}", "a load is under way"), 409);
	AWAIT(&servers, counted("200") >= 5, PATIENCE_S);
	assert_true(web_metric(load->url, "load_under_way") == 1);
	assert_true(web_metric(load->url, "load_wanted_rate") == 20);
	assert_int_equal(status_of("POST", load->url, "/load/stop"), 200);
	AWAIT(&servers, state_is("stopped"), PATIENCE_S);
	assert_int_equal(order("{\"pattern\":\"recorded\",\"csv\":\"t,rate\\n0,40\\n0.5,0\\n1,0\"}",
				 "\"running\""),
		200);
	AWAIT(&servers, state_is("done"), PATIENCE_S);
	now = load_status();
	assert_true(whole(now, "sent") > 0);
	assert_int_equal(whole(now, "good"), whole(now, "sent"));
	json_decref(now);
	metrics_are_clean(load);
	metrics_are_clean(sample);
	server_end(load);
	server_end(sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_is_what_the_workload_counts),
		cmocka_unit_test(a_stalled_target_is_in_the_latencies),
		cmocka_unit_test(errors_and_readiness_are_triggered_and_taken_back),
		cmocka_unit_test(a_crash_is_a_failure_and_a_leak_shows),
		cmocka_unit_test(bad_parameters_are_named),
		cmocka_unit_test(loads_are_ordered_over_http),
	};

	return cmocka_run_group_tests_name("sample", tests, setup, teardown);
}
