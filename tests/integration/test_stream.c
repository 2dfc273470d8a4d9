/*
 * A real Prometheus scrapes NimbusGuard and a target with raw series for a minute, loads the rules,
 * and remote-writes all of it by the shipped snippet (without its filter): every sample that it says
 * it sent is in the rings, by time and value. Then the target goes away, and both end cleanly.
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

#include "tests/support/raw_series.h"
#include "tests/support/rings.h"
#include "tests/support/servers.h"
#include "tests/support/target.h"

#define STREAM_S 60

static struct servers servers;
static struct server *nimbusguard, *prometheus;
static struct raw_series series;
static double began_s;
static struct target_page *target;

static int setup(void **state)
{
	static const char *const flags[] = {"--log.level=debug", NULL};
	char job[256], *write, *config;

	if (!servers_there(true, false))
		return 0;
	servers_open(&servers);
	began_s = floor((double)clock_now_ms(clock_system()) / 1000);
	nimbusguard = server_add(&servers, "nimbusguard");
	prometheus = server_add(&servers, "prometheus");
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	nimbusguard_start(&servers, nimbusguard, flags);
	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	/* All series, not only those of workloads. */
	write = text_cut(snippet_remote_write(nimbusguard),
		"  write_relabel_configs:", "  queue_config:");
	config = prometheus_config(nimbusguard, job, write, NULL);
	prometheus_start(&servers, prometheus, config);
	free(write);
	free(config);
	return 0;
}

static int teardown(void **state)
{
	if (target != NULL)
		target_close(target);
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static double sent(void)
{
	return web_metric_sum(prometheus->url, "prometheus_remote_storage_samples_total");
}

static double stored(void)
{
	return web_metric(nimbusguard->url,
		       "nimbusguard_remote_write_samples_total{result=\"stored\"}") +
		web_metric(nimbusguard->url,
			"nimbusguard_remote_write_samples_total{result=\"stale_marker\"}");
}

/* At a moment when nothing is on its way. */
static bool all_have_arrived(void)
{
	double before = sent(), here = stored();

	return before > 0 && here == before && sent() == before;
}

static void all_that_was_sent_has_arrived_and_nothing_was_refused(void **state)
{
	static const char *const bad[] = {"samples_failed_total", "samples_retried_total",
		"samples_dropped_total", "exemplars_failed_total", "metadata_failed_total"};

	if (nimbusguard == NULL)
		skip();
	/* A minute of the stream. */
	clock_sleep_ms(STREAM_S * 1000);
	AWAIT(&servers, all_have_arrived(), 180);
	print_message("%.0f samples sent and stored\n", sent());
	assert_true(sent() > 5000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char name[128];
		double value;

		snprintf(name, sizeof(name), "prometheus_remote_storage_%s", bad[i]);
		value = web_metric_sum(prometheus->url, name);
		if (value > 0)
			fail_msg("%s is %.0f", name, value);
	}
	static const char *const refused[] = {"late", "conflict", "future", "repeated"};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char name[128];
		double value;

		snprintf(name, sizeof(name),
			"nimbusguard_remote_write_samples_total{result=\"%s\"}", refused[i]);
		value = web_metric(nimbusguard->url, name);
		if (value > 0)
			fail_msg("%s is %.0f", name, value);
	}
	assert_true(
		!(web_metric_sum(nimbusguard->url, "nimbusguard_remote_write_invalid_total") > 0));
}

static void every_sample_is_in_the_rings_by_time_and_value(void **state)
{
	if (nimbusguard == NULL)
		skip();
	assert_true(rings_are_the_same(nimbusguard, prometheus, NULL, began_s,
			    floor((double)clock_now_ms(clock_system()) / 1000)) > 5000);
}

/* What the newest sample of each series of a selector says; all of them must. */
static bool newest_are(const char *match, const char *text)
{
	json_t *data, *entry;
	char path[256], *escaped = web_url("", "", match);
	size_t i, count = 0, fit = 0;

	snprintf(path, sizeof(path), "query?match[]=%s", escaped);
	data = nimbusguard_get(nimbusguard, path);
	json_array_foreach(json_object_get(data, "result"), i, entry)
	{
		json_t *values = json_object_get(entry, "values");
		json_t *last = json_array_get(values, json_array_size(values) - 1);

		count++;
		fit += strcmp(json_string_value(json_array_get(last, 1)), text) == 0;
	}
	json_decref(data);
	free(escaped);
	return count > 0 && fit == count;
}

static void a_target_that_goes_away_ends_its_series(void **state)
{
	if (nimbusguard == NULL)
		skip();
	assert_true(newest_are("odd{kind=\"inf\"}", "+Inf"));
	target_close(target);
	target = NULL;
	AWAIT(&servers, newest_are("odd", "stale"), 30);
	AWAIT(&servers, newest_are("up{job=\"raw\"}", "0"), 30);
	AWAIT(&servers, all_have_arrived(), 180);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_remote_write_samples_total{result=\"stale_marker\"}") > 8);
}

static void both_end_cleanly_and_without_a_report(void **state)
{
	if (nimbusguard == NULL)
		skip();
	server_end(prometheus);
	server_end(nimbusguard);
	assert_true(server_said(nimbusguard, "msg=\"stopped\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_was_sent_has_arrived_and_nothing_was_refused),
		cmocka_unit_test(every_sample_is_in_the_rings_by_time_and_value),
		cmocka_unit_test(a_target_that_goes_away_ends_its_series),
		cmocka_unit_test(both_end_cleanly_and_without_a_report),
	};

	return cmocka_run_group_tests_name("stream", tests, setup, teardown);
}
