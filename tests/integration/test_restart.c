/*
 * The real program is stopped, killed and started again on the same folder: what it had acknowledged
 * is there after a clean stop, value by value; after a kill all that the last snapshot held, and
 * nothing that was never sent. A file that is no good snapshot is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/servers.h"

#define PATH_SIZE (2 * SERVER_PATH_MAX)
#define SERIES 400

static const char *const often[] = {"--storage.snapshot-interval=1s", NULL};
static const char *const at_stop[] = {"--storage.snapshot-interval=1h", NULL};
static const char *const never[] = {"--storage.snapshot-interval=0s", NULL};

static struct servers servers;
static struct server *service;
static char file[PATH_SIZE];
static int64_t first_round_ms;

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	snprintf(file, sizeof(file), "%s/nimbusguard/snapshot", servers.folder);
	first_round_ms = clock_now_ms(clock_system()) - 3600000;
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* Rounds of the same load, each of which must be acknowledged. */
static void send_rounds(int first, int count)
{
	char url[256], rounds[64], first_round[64], start[64], series[64], log[PATH_SIZE];
	const char *argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "loadgen", url, rounds, first_round,
		start, series, NULL};
	time_t seconds = (time_t)(first_round_ms / 1000);
	struct tm calendar;
	char *told;
	int status;

	snprintf(url, sizeof(url), "--url=%s/api/v1/write", service->url);
	snprintf(rounds, sizeof(rounds), "--rounds=%d", count);
	snprintf(first_round, sizeof(first_round), "--first-round=%d", first);
	assert_non_null(gmtime_r(&seconds, &calendar));
	strftime(start, sizeof(start), "--start=%Y-%m-%dT%H:%M:%SZ", &calendar);
	snprintf(series, sizeof(series), "--series=%d", SERIES);
	snprintf(log, sizeof(log), "%s/loadgen", servers.folder);
	told = proc_output(log, argv, NULL, &status);
	if (status != 0)
		fail_msg("%s", told);
	free(told);
}

/* All samples: an object from labels to values. */
static json_t *everything(void)
{
	json_t *data = nimbusguard_get(service,
		"query?match[]=%7B__name__%3D~%22.%2B%22%7D&limit=100000&start=0&end=4000000000");
	json_t *all = json_object(), *one;
	size_t i;

	json_array_foreach(json_object_get(data, "result"), i, one)
	{
		char *labels = json_dumps(json_object_get(one, "metric"), JSON_SORT_KEYS);

		assert_null(json_object_get(all, labels));
		json_object_set(all, labels, json_object_get(one, "values"));
		free(labels);
	}
	json_decref(data);
	return all;
}

static double metric(const char *name)
{
	char *url = web_url(service->url, "/metrics", "");
	struct web_answer answer = web_call("GET", url, NULL, NULL);
	char line[256];
	const char *at;
	double value;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(answer.body, line);
	if (at == NULL)
		fail_msg("no %s", name);
	value = strtod(at + strlen(line), NULL);
	web_answer_fini(&answer);
	free(url);
	return value;
}

/* What GET /api/v1/status says of the snapshot. */
static void assert_snapshot_told(const char *state, int64_t loaded_series, int64_t load_failures)
{
	json_t *data = nimbusguard_get(service, "status");
	json_t *told = json_object_get(data, "snapshot");

	assert_string_equal(json_string_value(json_object_get(told, "state")), state);
	if (strcmp(state, "off") != 0) {
		assert_true(json_is_string(json_object_get(told, "taken")) ==
			(strcmp(state, "on") == 0));
		assert_int_equal(json_integer_value(json_object_get(told, "loaded_series")),
			loaded_series);
		assert_int_equal(json_integer_value(json_object_get(told, "load_failures")),
			load_failures);
	}
	json_decref(data);
}

static void forget(void)
{
	(void)unlink(file);
}

static void a_clean_stop_keeps_every_acknowledged_sample(void **state)
{
	json_t *before, *after;

	if (service == NULL)
		skip();
	forget();
	nimbusguard_start(&servers, service, at_stop);
	send_rounds(0, 40);
	before = everything();
	assert_int_equal(json_object_size(before), SERIES);
	server_end(service);
	nimbusguard_start(&servers, service, at_stop);
	after = everything();
	assert_true(json_equal(before, after));
	assert_true(metric("nimbusguard_snapshot_loaded_series") == SERIES);
	assert_true(server_said(service, "msg=\"snapshot loaded\""));
	assert_snapshot_told("on", SERIES, 0);
	/* The stream goes on into the same series, found by their raw labels. */
	send_rounds(40, 10);
	assert_true(metric("nimbusguard_store_series") == SERIES);
	assert_true(metric("nimbusguard_store_samples") == SERIES * 50);
	server_end(service);
	json_decref(before);
	json_decref(after);
}

/* Each series and sample of `part` is in `whole`, those of a series from its first one on. */
static size_t count_within(json_t *part, json_t *whole)
{
	const char *labels;
	json_t *values, *value;
	size_t i, count = 0;

	json_object_foreach(part, labels, values)
	{
		json_t *sent = json_object_get(whole, labels);

		assert_non_null(sent);
		assert_true(json_array_size(values) <= json_array_size(sent));
		json_array_foreach(values, i, value)
			assert_true(json_equal(value, json_array_get(sent, i)));
		count += json_array_size(values);
	}
	return count;
}

static void a_kill_keeps_what_the_last_snapshot_held(void **state)
{
	json_t *first, *all, *after;
	double acknowledged_s;
	size_t kept;

	if (service == NULL)
		skip();
	forget();
	nimbusguard_start(&servers, service, often);
	send_rounds(0, 30);
	first = everything();
	acknowledged_s = (double)clock_now_ms(clock_system()) / 1000;
	AWAIT(&servers,
		metric("nimbusguard_snapshot_last_success_timestamp_seconds") > acknowledged_s, 60);
	send_rounds(30, 30);
	all = everything();
	server_kill(service);
	nimbusguard_start(&servers, service, often);
	after = everything();
	assert_int_equal(count_within(first, after), SERIES * 30);
	kept = count_within(after, all);
	print_message("%zu of %d samples after the kill\n", kept, SERIES * 60);
	/* What is lost is a hole, not zeros, and later samples come behind it. */
	send_rounds(70, 5);
	json_decref(after);
	after = everything();
	assert_true(metric("nimbusguard_store_samples") == (double)(kept + SERIES * 5));
	server_end(service);
	json_decref(first);
	json_decref(all);
	json_decref(after);
}

static off_t size_of(const char *path)
{
	struct stat about;

	return stat(path, &about) == 0 ? about.st_size : -1;
}

static void a_bad_file_is_refused_by_name_and_put_aside(void **state)
{
	char aside[PATH_SIZE + 16];
	off_t size;

	if (service == NULL)
		skip();
	snprintf(aside, sizeof(aside), "%s.refused", file);
	forget();
	nimbusguard_start(&servers, service, at_stop);
	send_rounds(0, 10);
	server_end(service);
	size = size_of(file);
	assert_true(size > 10000);
	assert_int_equal(truncate(file, size / 2), 0);
	nimbusguard_start(&servers, service, at_stop);
	assert_true(server_said(service, "msg=\"snapshot refused\""));
	assert_true(server_said(service, file));
	assert_true(server_said(service, "the file is torn"));
	assert_int_equal(size_of(aside), size / 2);
	assert_int_equal(size_of(file), -1);
	assert_true(metric("nimbusguard_snapshot_failures_total{operation=\"load\"}") == 1);
	assert_true(metric("nimbusguard_store_series") == 0);
	assert_snapshot_told("none", 0, 1);
	/* It works without it, and its next snapshot is a good one. */
	send_rounds(0, 10);
	server_end(service);
	nimbusguard_start(&servers, service, at_stop);
	assert_true(metric("nimbusguard_store_samples") == SERIES * 10);
	server_end(service);
	/* Another one takes the place of the one put aside. */
	assert_int_equal(truncate(file, 0), 0);
	nimbusguard_start(&servers, service, never);
	assert_snapshot_told("off", 0, 0);
	assert_int_equal(size_of(file), 0);
	server_end(service);
	nimbusguard_start(&servers, service, at_stop);
	assert_int_equal(size_of(aside), 0);
	assert_true(server_said(service, "it ends within its header"));
	server_end(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_stop_keeps_every_acknowledged_sample),
		cmocka_unit_test(a_kill_keeps_what_the_last_snapshot_held),
		cmocka_unit_test(a_bad_file_is_refused_by_name_and_put_aside),
	};

	return cmocka_run_group_tests_name("restart", tests, setup, teardown);
}
