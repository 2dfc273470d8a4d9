/*
 * nimbusguard simulate as a program: its output and refusals, and the traffic of a workload fetched from a
 * real Prometheus that was given two days of history, with a hole, by promtool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/support/servers.h"

#define MINUTES 2880
#define HOLE_FIRST 1000
#define HOLE_END 1030

static struct servers servers;
static struct server *prometheus;
static int64_t start_s;
static bool fetched_from; /* Prometheus is there */
static const char *command = "simulate";

/* The output of the command with these arguments; errors are in it, too. */
static char *simulate(const char *const *more, int wanted)
{
	const char *argv[24] = {getenv("NIMBUSGUARD_TEST_BIN"), command};
	char log[SERVER_PATH_MAX + 32], *output;
	size_t count = 2;
	int status;

	for (; *more != NULL; more++)
		argv[count++] = *more;
	snprintf(log, sizeof(log), "%.400s/simulate.log", servers.folder);
	(void)remove(log);
	output = proc_output(log, argv, NULL, &status);
	if (status != wanted)
		fail_msg("exit status %d: %s", status, output);
	return output;
}

static json_t *simulate_json(const char *const *more)
{
	char *output = simulate(more, 0);
	json_error_t error;
	json_t *report = json_loads(output, 0, &error);

	if (report == NULL)
		fail_msg("no JSON: %s", output);
	free(output);
	return report;
}

static void refused(int status, const char *words, const char *const *more)
{
	char *output = simulate(more, status);

	if (strstr(output, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, output);
	free(output);
}
#define REFUSED(status, words, ...) refused(status, words, (const char *const[]){__VA_ARGS__, NULL})

/* Two pods of a Deployment, 60 and 40 requests a second by day, a quarter by night, 10 ms of CPU each, half
 * a core requested: a pod serves 50 a second. The pods of another Deployment must not count. */
static void write_history(struct buf *text)
{
	double requests[2] = {0}, cpu[2] = {0};

	static const char *const pods[] = {"web-7d4b9c6f5-abcde", "web-7d4b9c6f5-fghij"};
	static const double rates[] = {60, 40};

	for (int kind = 0; kind < 3; kind++) {
		static const char *const types[] = {"http_requests counter",
			"container_cpu_usage_seconds counter",
			"kube_pod_container_resource_requests gauge"};

		buf_printf(text, "# TYPE %s\n", types[kind]);
		for (int pod = 0; pod < 2; pod++) {
			requests[pod] = cpu[pod] = 0;
			for (int i = 0; i < MINUTES; i++) {
				double part = i / 720 % 2 == 0 ? 1 : .25;
				long long t = (long long)start_s + i * 60;

				requests[pod] += 60 * rates[pod] * part;
				cpu[pod] += 60 * rates[pod] * part * .01;
				if (i >= HOLE_FIRST && i < HOLE_END)
					continue;
				if (kind == 0)
					buf_printf(text,
						"http_requests_total{namespace=\"shop\",pod=\"%s\"} "
						"%.3f %lld\n",
						pods[pod], requests[pod], t);
				else if (kind == 1)
					buf_printf(text,
						"container_cpu_usage_seconds_total{namespace="
						"\"shop\",pod=\"%s\",container=\"c\"} %.3f %lld\n",
						pods[pod], cpu[pod], t);
				else
					buf_printf(text,
						"kube_pod_container_resource_requests{resource="
						"\"cpu\",namespace=\"shop\",pod=\"%s\",container="
						"\"c\"} 0.5 %lld\n",
						pods[pod], t);
			}
		}
	}
	buf_add_text(text, "# EOF\n");
}

static void make_blocks(void)
{
	char program[SERVER_PATH_MAX + 16], folder[SERVER_PATH_MAX + 32], log[SERVER_PATH_MAX + 32];
	const char *argv[] = {program, "tsdb", "create-blocks-from", "openmetrics", NULL, folder,
		NULL};
	struct buf text;
	char *output;
	int status;

	buf_init(&text, 1 << 24);
	write_history(&text);
	argv[4] = servers_write(&servers, "history.om", text.data);
	snprintf(program, sizeof(program), "%.500s/promtool", getenv("NIMBUSGUARD_TEST_SERVERS"));
	snprintf(folder, sizeof(folder), "%.500s/prometheus", servers.folder);
	snprintf(log, sizeof(log), "%.500s/promtool.log", servers.folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	output = proc_output(log, argv, NULL, &status);
	if (status != 0)
		fail_msg("promtool: %s", output);
	free(output);
	buf_fini(&text);
}

static int setup(void **state)
{
	servers_open(&servers);
	fetched_from = servers_there(true, false);
	if (!fetched_from)
		return 0;
	start_s = (clock_now_ms(clock_system()) / 60000 - MINUTES - 240) * 60;
	prometheus = server_add(&servers, "prometheus");
	make_blocks();
	prometheus_start(&servers, prometheus, "global: {scrape_interval: 1m}\n");
	return 0;
}

static int teardown(void **state)
{
	servers_close(&servers);
	return 0;
}

static void the_traffic_of_a_workload_comes_from_prometheus(void **state)
{
	char from[160], start[64], end[64];
	const char *const arguments[] = {from, "--target=shop/Deployment/web", start, end,
		"--seeds=1", "--policy=hpa:60,oracle", "--no-advice", "--format=json", NULL};
	json_t *report, *notes;
	bool bridged = false;

	if (!fetched_from)
		skip();
	snprintf(from, sizeof(from), "--from-prometheus=%s", prometheus->url);
	snprintf(start, sizeof(start), "--start=%lld", (long long)start_s);
	snprintf(end, sizeof(end), "--end=%lld", (long long)start_s + MINUTES * 60);
	report = simulate_json(arguments);
	/* Half a core, 10 ms a request. */
	assert_true(fabs(json_number_value(json_object_get(report, "pod_rate")) - 50) < 1);
	assert_true(fabs(json_number_value(json_object_get(report, "traffic_scale")) - 1) < 1e-9);
	/* Without the hole, the first minutes that rate() needs, and the last ten. */
	assert_true(fabs(json_number_value(json_object_get(report, "judged_minutes")) -
			    (MINUTES - 30 - 10)) < 6);
	/* A day and a night: (100 + 25) / 2 requests a second, 42.5 a pod at most: 3 and 1 pods. */
	assert_true(
		fabs(json_number_value(json_object_get(report, "oracle_pod_hours")) - 47 * 2) < 3);
	notes = json_object_get(report, "notes");
	for (size_t i = 0; i < json_array_size(notes); i++)
		bridged |= strstr(json_string_value(json_array_get(notes, i)), "1 gaps") != NULL;
	assert_true(bridged);
	json_decref(report);
}

static void an_own_query_is_taken(void **state)
{
	char from[160], start[64], end[64];
	const char *const arguments[] = {from, "--target=shop/Deployment/web", start, end,
		"--seeds=1", "--policy=oracle", "--no-advice", "--format=json", "--pod-rate=10",
		"--query=rate(http_requests_total{namespace=\"shop\",pod=~\".*abcde\"}[5m])", NULL};
	json_t *report;

	if (!fetched_from)
		skip();
	snprintf(from, sizeof(from), "--from-prometheus=%s", prometheus->url);
	snprintf(start, sizeof(start), "--start=%lld", (long long)start_s);
	snprintf(end, sizeof(end), "--end=%lld", (long long)start_s + MINUTES * 60);
	report = simulate_json(arguments);
	assert_true(fabs(json_number_value(json_object_get(report, "pod_rate")) - 10) < 1e-9);
	json_decref(report);
}

static void what_prometheus_does_not_know_is_said(void **state)
{
	char from[160];

	if (!fetched_from)
		skip();
	snprintf(from, sizeof(from), "--from-prometheus=%s", prometheus->url);
	REFUSED(1, "under any well-known name", from, "--target=shop/Deployment/other");
	REFUSED(1, "HTTP 400", from, "--target=shop/Deployment/web", "--query=sum(");
	REFUSED(2, "--target is NAMESPACE/KIND/NAME", from, "--target=shop/web");
	REFUSED(2, "--target is NAMESPACE/KIND/NAME", from, "--target=sh\"op/Deployment/web");
	REFUSED(2, "--start must be", from, "--target=shop/Deployment/web", "--start=100",
		"--end=50");
}

static void the_containers_of_a_workload_are_sized_from_prometheus(void **state)
{
	char from[160], start[64], end[64];
	const char *const arguments[] = {from, "--target=shop/Deployment/web", start, end,
		"--format=json", NULL};
	json_t *report, *container, *now;

	if (!fetched_from)
		skip();
	command = "rightsize";
	snprintf(from, sizeof(from), "--from-prometheus=%s", prometheus->url);
	snprintf(start, sizeof(start), "--start=%lld", (long long)start_s);
	snprintf(end, sizeof(end), "--end=%lld", (long long)start_s + MINUTES * 60);
	report = simulate_json(arguments);
	assert_int_equal(json_array_size(report), 1);
	container = json_array_get(report, 0);
	assert_string_equal(json_string_value(json_object_get(container, "container")), "c");
	/* Two days and no memory: nothing is recommended. */
	assert_string_equal(json_string_value(json_object_get(container, "verdict")), "too_short");
	assert_true(json_integer_value(
			    json_object_get(json_object_get(container, "memory"), "days")) == 0);
	now = json_object_get(json_object_get(container, "choices"), "now");
	assert_true(fabs(json_number_value(json_object_get(now, "cpu_request")) - .5) < 1e-9);
	assert_true(json_is_null(json_object_get(now, "memory_request")));
	/* By day the busier pod uses .6 cores, more than it requests; by night .15. */
	assert_true(fabs(json_number_value(json_object_get(now, "cpu_over")) - .5) < .05);
	json_decref(report);
	REFUSED(1, "has no CPU usage of pods", from, "--target=shop/Deployment/other");
	command = "simulate";
}

/* Twelve days of a container, a row each quarter of an hour. */
static char *write_resources(void)
{
	struct buf text;
	char *path;

	buf_init(&text, 1 << 20);
	buf_add_text(&text, "time,cpu,memory_mib\n");
	for (int i = 0; i < 12 * 96; i++)
		buf_printf(&text, "%lld,%.3f,%d\n", 1767225600LL + i * 900LL, i % 96 < 48 ? .4 : .1,
			300 + i % 96);
	path = strdup(servers_write(&servers, "resources.csv", text.data));
	buf_fini(&text);
	return path;
}

static void a_recording_is_sized_and_each_way_held_against_it(void **state)
{
	char trace[SERVER_PATH_MAX + 32], *path = write_resources(), *output;
	const char *const as_text[] = {trace, NULL};
	const char *const as_manifest[] = {trace, "--target=shop/StatefulSet/db", "--name=server",
		"--format=manifest", "--by=peak", NULL};
	json_t *report, *replay;

	command = "rightsize";
	snprintf(trace, sizeof(trace), "--trace=%s", path);
	output = simulate(as_text, 0);
	assert_non_null(strstr(output, "Followed for the last 5.0 days"));
	assert_non_null(strstr(output, "  VPA's rule"));
	free(output);
	output = simulate(as_manifest, 0);
	assert_non_null(strstr(output, "kind: StatefulSet\nmetadata:\n  namespace: \"shop\"\n"));
	assert_non_null(strstr(output,
		"      - name: \"server\"\n        resources:\n          requests:\n"
		"            cpu: 400m\n            memory: 395Mi\n"));
	free(output);
	REFUSED(2, "--by is forecast, vpa or peak", trace, "--by=now");
	REFUSED(2, "--history is a duration of at least 4d", trace, "--history=1h");
	REFUSED(2, "one of --trace and --from-prometheus", trace, "--from-prometheus=http://x");
	REFUSED(2, "--format is text, json or manifest", trace, "--format=yaml");
	REFUSED(2, "--workload is no name: a&b", "--workload=a&b");
	command = "simulate";
	snprintf(trace, sizeof(trace), "--resources=%s", path);
	report = simulate_json((const char *const[]){"--shape=steady", "--days=1", "--no-advice",
		"--policy=oracle", "--format=json", trace, NULL});
	replay = json_object_get(report, "requests");
	assert_true(json_number_value(json_object_get(replay, "judged_minutes")) > 7000);
	assert_true(json_number_value(
			    json_object_get(json_object_get(replay, "vpa"), "core_hours")) > 0);
	json_decref(report);
	free(path);
}

static void wrong_words_are_refused(void **state)
{
	REFUSED(2, "say which traffic", "--policy=oracle");
	REFUSED(2, "say which traffic", "--shape=steady", "--trace=x.csv");
	REFUSED(2, "did you mean: steady", "--shape=stedy");
	REFUSED(2, "--days is a number", "--shape=steady", "--days=0");
	REFUSED(2, "--pods is MIN-MAX", "--shape=steady", "--pods=5");
	REFUSED(2, "--pods is MIN-MAX", "--shape=steady", "--pods=9-5");
	REFUSED(2, "--format is text or json", "--shape=steady", "--format=xml");
	REFUSED(2, "takes no flag --speed", "--shape=steady", "--speed=2");
	REFUSED(1, "did you mean oracle", "--shape=steady", "--policy=orcle");
	REFUSED(1, "nothing is left to judge", "--shape=steady", "--days=1", "--history=1d");
	REFUSED(1, "nowhere.csv", "--trace=/nowhere.csv");
	REFUSED(2, "--unit is rps", "--trace=/nowhere.csv", "--unit=hours");
}

static void one_seed_gives_one_output_and_a_page(void **state)
{
	char report[SERVER_PATH_MAX + 32];
	const char *const arguments[] = {"--shape=scheduled_bursts", "--days=1", "--price=0.1",
		report, NULL};
	char *first, *second;
	struct buf page;

	snprintf(report, sizeof(report), "--report=%.500s/page.html", servers.folder);
	first = simulate(arguments, 0);
	second = simulate(arguments, 0);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "The cheapest HPA within 0.5 %"));
	assert_non_null(strstr(first, "hpa:80"));
	buf_init(&page, 1 << 24);
	assert_int_equal(file_read(report + strlen("--report="), &page, NULL), STATUS_OK);
	assert_non_null(strstr(page.data, "</html>"));
	buf_fini(&page);
	free(first);
	free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_traffic_of_a_workload_comes_from_prometheus),
		cmocka_unit_test(an_own_query_is_taken),
		cmocka_unit_test(what_prometheus_does_not_know_is_said),
		cmocka_unit_test(the_containers_of_a_workload_are_sized_from_prometheus),
		cmocka_unit_test(a_recording_is_sized_and_each_way_held_against_it),
		cmocka_unit_test(wrong_words_are_refused),
		cmocka_unit_test(one_seed_gives_one_output_and_a_page),
	};

	return cmocka_run_group_tests_name("simulate_command", tests, setup, teardown);
}
