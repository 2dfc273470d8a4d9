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
	AWAIT(&servers, all_have_arrived(), 60);
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

/* The text of a label set, its names sorted: the same at both sides. */
static char *key_of(const json_t *labels)
{
	return json_dumps(labels, JSON_SORT_KEYS | JSON_COMPACT);
}

/* Milliseconds and the bits of the value, which must be the same to the last. */
struct point {
	int64_t t_ms;
	double value;
};

static struct point point_of(const json_t *pair)
{
	const char *text = json_string_value(json_array_get(pair, 1));

	assert_non_null(text);
	assert_string_not_equal(text, "stale");
	return (struct point){llround(json_number_value(json_array_get(pair, 0)) * 1000),
		strtod(text, NULL)};
}

/* The sender leaves out what equals the default, so that a negative zero arrives as a zero. */
static bool same(struct point a, struct point b)
{
	if (a.t_ms != b.t_ms)
		return false;
	return memcmp(&a.value, &b.value, sizeof(double)) == 0 || (a.value == 0 && b.value == 0) ||
		(isnan(a.value) && isnan(b.value));
}

/* Without stale markers, which Prometheus does not show. */
static size_t drop_stale(json_t *values)
{
	size_t i = 0;

	while (i < json_array_size(values)) {
		const char *text = json_string_value(json_array_get(json_array_get(values, i), 1));

		if (strcmp(text, "stale") == 0)
			json_array_remove(values, i);
		else
			i++;
	}
	return json_array_size(values);
}

/* Our series by their label sets, without stale markers. */
static json_t *read_rings(const char *match, double from_s, double to_s)
{
	json_t *index = json_object(), *data, *entry;
	char path[512], *escaped = web_url("", "", match);
	size_t i;

	snprintf(path, sizeof(path), "query?limit=200000&match[]=%s&start=%.3f&end=%.3f", escaped,
		from_s, to_s);
	data = nimbusguard_get(nimbusguard, path);
	json_array_foreach(json_object_get(data, "result"), i, entry)
	{
		char *key = key_of(json_object_get(entry, "metric"));

		assert_null(json_object_get(index, key));
		if (drop_stale(json_object_get(entry, "values")) > 0)
			json_object_set(index, key, json_object_get(entry, "values"));
		free(key);
	}
	json_decref(data);
	free(escaped);
	return index;
}

static void compare_series(const char *key, const json_t *theirs, const json_t *ours)
{
	if (ours == NULL)
		fail_msg("%s is not in the rings", key);
	if (json_array_size(ours) != json_array_size(theirs))
		fail_msg("%s: %zu samples were sent, %zu are here", key, json_array_size(theirs),
			json_array_size(ours));
	for (size_t i = 0; i < json_array_size(theirs); i++) {
		struct point a = point_of(json_array_get(theirs, i));
		struct point b = point_of(json_array_get(ours, i));

		if (!same(a, b))
			fail_msg("%s: sent %.17g at %lld, here %.17g at %lld", key, a.value,
				(long long)a.t_ms, b.value, (long long)b.t_ms);
	}
}

static void every_sample_is_in_the_rings_by_time_and_value(void **state)
{
	double to_s, samples = 0;
	char range[64];
	json_t *theirs, *ours, *entry;
	size_t i;

	if (nimbusguard == NULL)
		skip();
	/* All that is older than now has arrived once a moment came when nothing was on its way. */
	to_s = floor((double)clock_now_ms(clock_system()) / 1000);
	AWAIT(&servers,
		(double)clock_now_ms(clock_system()) > to_s * 1000 + 2000 && all_have_arrived(),
		60);
	snprintf(range, sizeof(range), "{__name__!=\"\"}[%.0fs]", to_s - began_s);
	theirs = prometheus_query(prometheus, range, to_s);
	ours = read_rings("{__name__!=\"\"}", began_s, to_s);
	assert_true(json_array_size(theirs) > 200);
	json_array_foreach(theirs, i, entry)
	{
		char *key = key_of(json_object_get(entry, "metric"));

		compare_series(key, json_object_get(entry, "values"), json_object_get(ours, key));
		samples += (double)json_array_size(json_object_get(entry, "values"));
		json_object_del(ours, key);
		free(key);
	}
	print_message("%.0f samples of %zu series are the same in both\n", samples,
		json_array_size(theirs));
	assert_true(samples > 5000);
	if (json_object_size(ours) > 0)
		fail_msg("only here: %s", json_object_iter_key(json_object_iter(ours)));
	json_decref(theirs);
	json_decref(ours);
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
	AWAIT(&servers, all_have_arrived(), 60);
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
