/*
 * The real program is killed and started again: detectors and forecasts go on with what they had learnt,
 * without learning anew; a file that is torn is refused by name, and that workload alone learns again.
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
#include <unistd.h>

#include "analyzers/learnt_file.h"
#include "analyzers/minutes.h"
#include "base/file.h"
#include "base/random.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define PAST 1860 /* minutes in the tier before the first start */
#define SENT 10   /* minutes of samples that are sent after each */
#define SIGNALS 3

static const char *const flags[] = {"--analyze.scan-interval=200ms",
	"--storage.rollup-retention=3d", "--storage.rollup-signals-max=100",
	"--storage.snapshot-interval=1h", NULL};
static const char *const names[SIGNALS] = {"nimbusguard:workload_cpu_cores:sum",
	"nimbusguard:workload_memory_bytes:sum", "nimbusguard:workload_requests:rate"};
static const enum signal_role roles[SIGNALS] = {ROLE_CPU, ROLE_MEMORY, ROLE_REQUEST_RATE};
static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

static struct servers servers;
static struct server *service;
static struct random dice;
static char storage[2 * SERVER_PATH_MAX];

static double value_of(int signal, int64_t minute)
{
	double load = 100 + 40 * sin((double)(minute % 1440) * 6.283185307 / 1440);

	return (signal == 1 ? 1e7 : 1) * load + 2 * random_normal(&dice);
}

/* As if the program had run for a day and a quarter. */
static void fill_tier(void)
{
	static struct rollup_minute minutes[PAST];
	const struct rollup_limits limits = {.retention_ms = INT64_C(3) * 86400000,
		.signals_max = 100};
	int64_t now = rollup_minute_of(clock_now_ms(clock_system()));
	char key[ROLLUP_KEY_MAX], path[2 * SERVER_PATH_MAX + 20];
	struct rollup *rollup;
	struct error error;

	assert_int_equal(file_make_folder(storage, &error), STATUS_OK);
	snprintf(path, sizeof(path), "%s/rollup.1m", storage);
	rollup = rollup_open(path, &limits, clock_system(), &error);
	assert_non_null(rollup);
	for (int k = 0; k < SIGNALS; k++) {
		for (int i = 0; i < PAST; i++) {
			double value = value_of(k, now - PAST + i);

			minutes[i] = (struct rollup_minute){value, value, value, value, 4, true};
		}
		assert_int_equal(rollup_write(rollup, key, minutes_key(&web, roles[k], key),
					 now - PAST, minutes, PAST - SENT, now, &error),
			STATUS_OK);
	}
	rollup_close(rollup);
}

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	random_init(&dice, 1);
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	snprintf(storage, sizeof(storage), "%s/nimbusguard", servers.folder);
	fill_tier();
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* Up to the present minute, so that those before it are complete. */
static void send_samples(void)
{
	static struct write_body request, series;
	int64_t now_ms = clock_now_ms(clock_system());
	int64_t first = rollup_minute_of(now_ms) - SENT;

	write_body_reset(&request);
	for (int k = 0; k < SIGNALS; k++) {
		write_body_reset(&series);
		write_body_label(&series, "__name__", names[k]);
		write_body_label(&series, "namespace", "shop");
		write_body_label(&series, "workload", "web");
		write_body_label(&series, "workload_kind", "Deployment");
		for (int64_t t_ms = first * 60000; t_ms <= now_ms; t_ms += 15000)
			write_body_sample(&series, t_ms, value_of(k, t_ms / 60000));
		write_body_series(&request, &series);
	}
	assert_int_equal(write_post_status(service->port.number, &request), 204);
}

/* 0 when the page does not have the line. */
static double metric(const char *name, const char *labels)
{
	char *url = web_url(service->url, "/metrics", ""), line[256];
	struct web_answer answer = web_call("GET", url, NULL, NULL);
	const char *at;
	double value;

	snprintf(line, sizeof(line), "\n%s{%s} ", name, labels);
	at = strstr(answer.body, line);
	value = at != NULL ? strtod(at + strlen(line), NULL) : 0;
	web_answer_fini(&answer);
	free(url);
	return value;
}

static double restored(const char *kind, const char *outcome)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "kind=\"%s\",outcome=\"%s\"", kind, outcome);
	return metric("nimbusguard_models_restored_total", labels);
}

static double learnt(const char *kind)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "kind=\"%s\",outcome=\"ok\"", kind);
	return metric("nimbusguard_model_fits_total", labels);
}

/* Samples go on coming until that holds: without new minutes nothing is asked for. */
#define STREAM_UNTIL(condition)                                                                    \
	do {                                                                                       \
		send_samples();                                                                    \
		AWAIT(&servers, (send_samples(), clock_sleep_ms(1000), (condition)), 400);         \
	} while (0)

/* NULL while the workload is not watched. */
static json_t *ask(const char *route)
{
	char path[128], url[256];

	snprintf(path, sizeof(path), "%s?namespace=shop&kind=Deployment&workload=web", route);
	snprintf(url, sizeof(url), "%s/api/v1/%s", service->url, path);
	return web_status(url, NULL) == 200 ? nimbusguard_get(service, path) : NULL;
}

/* Of the detector: what it learnt from, and whether it has judged a minute. */
static bool detector_serves(char *since, size_t size)
{
	json_t *data = ask("detect");
	json_t *from = json_object_get(data, "learnt_until");
	bool serves = json_is_number(json_object_get(data, "score"));

	if (from != NULL) {
		char *text = json_dumps(from, JSON_ENCODE_ANY);

		snprintf(since, size, "%s", text);
		free(text);
	}
	json_decref(data);
	return serves;
}

static bool forecast_serves(void)
{
	json_t *data = ask("predict"), *signal;
	size_t i, serving = 0;

	/* Those that still learn are listed too. */
	json_array_foreach(json_object_get(data, "signals"), i, signal)
	{
		serving += json_array_size(json_object_get(signal, "forecasts")) == 2 ? 1 : 0;
	}
	json_decref(data);
	return serving == 2;
}

static void after_a_kill_scores_and_forecasts_go_on_with_the_models_of_before(void **state)
{
	char before[64] = "", after[64] = "", path[LEARNT_PATH_MAX], folder[2200];

	if (service == NULL)
		skip();
	nimbusguard_start(&servers, service, flags);
	STREAM_UNTIL(detector_serves(before, sizeof(before)) && forecast_serves());
	assert_true(learnt("detect") == 1 && learnt("forecast") == 1);
	assert_true(restored("detect", "not_found") == 1);
	server_kill(service);
	nimbusguard_start(&servers, service, flags);
	STREAM_UNTIL(detector_serves(after, sizeof(after)) && forecast_serves());
	assert_true(restored("detect", "ok") == 1 && restored("forecast", "ok") == 1);
	assert_true(learnt("detect") == 0 && learnt("forecast") == 0);
	assert_string_equal(before, after);
	assert_true(strlen(before) > 5);
	server_kill(service);
	/* Torn in the middle. */
	snprintf(folder, sizeof(folder), "%s/models/learnt", storage);
	learnt_file_path(folder, "detect", &web, path);
	assert_true(file_stamp(path) != 0);
	assert_int_equal(truncate(path, 5000), 0);
	nimbusguard_start(&servers, service, flags);
	STREAM_UNTIL(detector_serves(after, sizeof(after)) && forecast_serves());
	assert_true(restored("detect", "bad_input") == 1 && restored("forecast", "ok") == 1);
	assert_true(learnt("detect") == 1 && learnt("forecast") == 0);
	assert_true(server_said(service, "it is cut off"));
	assert_true(server_said(service, path));
	server_end(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_kill_scores_and_forecasts_go_on_with_the_models_of_before),
	};

	return cmocka_run_group_tests_name("learnt", tests, setup, teardown);
}
