/*
 * A real Prometheus with external labels, that of an HA replica among them, scrapes and remote-writes
 * to NimbusGuard, which then is killed and starts with nothing. Its rings are filled from Prometheus'
 * query API while the stream goes on: they hold each sample that Prometheus has, once, in the series
 * that the stream continues.
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

#define BEFORE_S 25
#define AWAY_S 4
#define AFTER_S 10

static struct servers servers;
static struct server *nimbusguard, *prometheus;
static struct raw_series series;
static double began_s;
static struct target_page *target;

/* Prometheus with these labels, sending everything. */
static void start_prometheus(const char *external)
{
	char job[256], global[512], *write, *config;

	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	snprintf(global, sizeof(global), "global:\n  external_labels: %s\n", external);
	write = text_cut(snippet_remote_write(nimbusguard),
		"  write_relabel_configs:", "  queue_config:");
	config = prometheus_config(nimbusguard, job, write, NULL);
	config = text_replace(config, "global:\n", global);
	prometheus_start(&servers, prometheus, config);
	free(write);
	free(config);
}

static int setup(void **state)
{
	static const char *const flags[] = {"--ingest.ha.enabled=true", NULL};

	if (!servers_there(true, false))
		return 0;
	servers_open(&servers);
	began_s = floor((double)clock_now_ms(clock_system()) / 1000);
	nimbusguard = server_add(&servers, "nimbusguard");
	prometheus = server_add(&servers, "prometheus");
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	nimbusguard_start(&servers, nimbusguard, flags);
	/* "kind" is a label that some series have themselves. */
	start_prometheus("{cluster: prod, __replica__: a, kind: 'of \"us\"'}");
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

/* Starts with an empty state folder; more flags than these two: up to NULL. */
static void start_empty(const char *name, const char *flag_1, const char *flag_2)
{
	char path[SERVER_PATH_MAX * 2], url[128];
	const char *flags[] = {path, url, "--ingest.ha.enabled=true",
		"--backfill.match={__name__!=\"\"}", "--log.level=debug", flag_1, flag_2, NULL};

	snprintf(path, sizeof(path), "--storage.path=%s/%s", servers.folder, name);
	snprintf(url, sizeof(url), "--backfill.url=%s", prometheus->url);
	nimbusguard_start(&servers, nimbusguard, flags);
}

static bool state_is(const char *name)
{
	char metric[96];

	snprintf(metric, sizeof(metric), "nimbusguard_backfill_state{state=\"%s\"}", name);
	return web_metric(nimbusguard->url, metric) == 1;
}

/* As the stream sends it: with the external labels that a series has not itself, without the replica's. */
static size_t compare_all(double to_s)
{
	json_t *external = json_pack("{s:s, s:s}", "cluster", "prod", "kind", "of \"us\"");
	size_t samples = rings_are_the_same(nimbusguard, prometheus, external, began_s, to_s);

	json_decref(external);
	return samples;
}

static void killed_and_filled_the_rings_hold_what_prometheus_has(void **state)
{
	double to_s, filled;

	if (nimbusguard == NULL)
		skip();
	clock_sleep_ms(BEFORE_S * 1000);
	server_kill(nimbusguard);
	clock_sleep_ms(AWAY_S * 1000);
	start_empty("second", NULL, NULL);
	AWAIT(&servers, state_is("done"), 60);
	filled = web_metric_sum(nimbusguard->url, "nimbusguard_backfill_series_total");
	assert_true(filled > 200);
	clock_sleep_ms(AFTER_S * 1000);
	to_s = floor((double)clock_now_ms(clock_system()) / 1000);
	assert_true(compare_all(to_s) > 5000);
	assert_true(web_metric_sum(nimbusguard->url, "nimbusguard_backfill_failures_total") == 0);
}

static void the_status_tells_what_was_filled(void **state)
{
	json_t *data, *backfill;

	if (nimbusguard == NULL)
		skip();
	data = nimbusguard_get(nimbusguard, "status");
	backfill = json_object_get(data, "backfill");
	assert_string_equal(json_string_value(json_object_get(backfill, "state")), "done");
	assert_true(json_integer_value(json_object_get(backfill, "samples")) > 3000);
	assert_true(json_number_value(json_object_get(backfill, "progress")) == 1);
	assert_string_equal(json_string_value(json_object_get(backfill, "error")), "");
	json_decref(data);
}

/* A start that has both: the snapshot of a clean stop, and from Prometheus what was acknowledged after it
 * and lost by a kill. Prometheus sends again only what was not acknowledged. */
static void snapshot_and_history_join_without_a_double_or_lost_sample(void **state)
{
	static const char *const loaded = "nimbusguard_snapshot_loaded_series";
	static const char *const filled = "nimbusguard_backfill_samples_total{result=\"stored\"}";
	static const char *const present = "nimbusguard_backfill_samples_total{result=\"present\"}";
	double to_s, snapshot_samples;

	if (nimbusguard == NULL)
		skip();
	server_kill(nimbusguard);
	start_empty("joined", "--storage.snapshot-interval=1h", NULL);
	AWAIT(&servers, state_is("done"), 60);
	server_end(nimbusguard);
	start_empty("joined", "--storage.snapshot-interval=1h", "--backfill.url=");
	assert_true(web_metric(nimbusguard->url, loaded) > 200);
	snapshot_samples = web_metric(nimbusguard->url, "nimbusguard_store_samples");
	assert_true(snapshot_samples > 3000);
	/* Acknowledged, and in no snapshot. */
	AWAIT(&servers,
		web_metric(nimbusguard->url, "nimbusguard_store_samples") > snapshot_samples + 1000,
		60);
	server_kill(nimbusguard);
	clock_sleep_ms(AWAY_S * 1000);
	start_empty("joined", "--storage.snapshot-interval=1h", NULL);
	assert_true(web_metric(nimbusguard->url, loaded) > 200);
	AWAIT(&servers, state_is("done"), 60);
	assert_true(web_metric(nimbusguard->url, filled) > 0);
	assert_true(web_metric(nimbusguard->url, present) > 0);
	to_s = floor((double)clock_now_ms(clock_system()) / 1000);
	assert_true(compare_all(to_s) > 5000);
}

/* A question that Prometheus refuses as too large, and answers too large for us, are made smaller. */
static void small_answers_bring_the_same_samples(void **state)
{
	double to_s;

	if (nimbusguard == NULL)
		skip();
	server_kill(nimbusguard);
	start_empty("third", "--backfill.answer-max=200KiB", "--backfill.concurrency=3");
	AWAIT(&servers, state_is("done"), 60);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_backfill_failures_total{reason=\"too_large\"}") > 0);
	to_s = floor((double)clock_now_ms(clock_system()) / 1000);
	assert_true(compare_all(to_s) > 5000);
}

static void without_prometheus_the_service_runs_and_fills_when_it_comes(void **state)
{
	if (nimbusguard == NULL)
		skip();
	server_end(prometheus);
	server_kill(nimbusguard);
	start_empty("fourth", NULL, NULL);
	AWAIT(&servers,
		web_metric(nimbusguard->url,
			"nimbusguard_backfill_failures_total{reason=\"unreachable\"}") >= 2,
		30);
	assert_true(state_is("waiting"));
	assert_true(server_said(nimbusguard, "history is not to be had now"));
	start_prometheus("{cluster: prod, __replica__: a, kind: 'of \"us\"'}");
	AWAIT(&servers, state_is("done"), 60);
	assert_true(web_metric_sum(nimbusguard->url, "nimbusguard_backfill_series_total") > 200);
}

static void given_up_the_service_still_runs(void **state)
{
	if (nimbusguard == NULL)
		skip();
	server_end(prometheus);
	server_end(nimbusguard);
	start_empty("fifth", "--backfill.give-up=1s", NULL);
	AWAIT(&servers, state_is("failed"), 30);
	assert_true(server_said(nimbusguard, "history is given up"));
	assert_int_equal(web_status(nimbusguard->url, NULL), 200);
	server_end(nimbusguard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_and_filled_the_rings_hold_what_prometheus_has),
		cmocka_unit_test(the_status_tells_what_was_filled),
		cmocka_unit_test(snapshot_and_history_join_without_a_double_or_lost_sample),
		cmocka_unit_test(small_answers_bring_the_same_samples),
		cmocka_unit_test(without_prometheus_the_service_runs_and_fills_when_it_comes),
		cmocka_unit_test(given_up_the_service_still_runs),
	};

	return cmocka_run_group_tests_name("backfill", tests, setup, teardown);
}
