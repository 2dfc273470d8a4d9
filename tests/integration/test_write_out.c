/*
 * Remote write out to a real Prometheus: each sample that counts as sent is there with its time and value,
 * a series that ended is nowhere after its end, and the program does it all.
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

#include "base/random.h"
#include "daemon/write_out.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define WORKLOADS 700
#define ROUNDS 12
#define STEP_MS 5000

static struct servers servers;
static struct server *prometheus;

static int setup(void **state)
{
	if (!servers_there(true, false))
		return 0;
	servers_open(&servers);
	prometheus = server_add(&servers, "prometheus");
	prometheus_start(&servers, prometheus, "global: {scrape_interval: 1h}\n");
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* What was written; NaN: the workload was not there. */
static double written[ROUNDS][WORKLOADS];

static void write_round(struct write_out *out, struct random *random, int round)
{
	metrics_clear(METRIC_CURRENT_REPLICAS);
	for (int i = 0; i < WORKLOADS; i++) {
		char name[32];

		written[round][i] = NAN;
		if (random_below(random, 4) == 0)
			continue;
		snprintf(name, sizeof(name), "w-%d \"\\\n\xc3\xa4", i);
		written[round][i] = random_normal(random) * exp(20 * random_normal(random));
		metrics_set(METRIC_CURRENT_REPLICAS, written[round][i], "shop", "Deployment", name);
	}
	write_out_round(out);
}

static size_t compare_workload(int i, int64_t first_ms)
{
	char query[256];
	json_t *result, *values;
	size_t found = 0, expected = 0;

	snprintf(query, sizeof(query),
		"nimbusguard_current_replicas{cluster=\"prod\",namespace=\"shop\","
		"workload=~\"w-%d .*\\n\xc3\xa4\"}[10m]",
		i);
	result = prometheus_query(prometheus, query, (double)(first_ms + ROUNDS * STEP_MS) / 1000);
	for (int round = 0; round < ROUNDS; round++)
		expected += isnan(written[round][i]) ? 0 : 1;
	if (expected == 0) {
		json_decref(result);
		return 0;
	}
	assert_int_equal(json_array_size(result), 1);
	values = json_object_get(json_array_get(result, 0), "values");
	assert_int_equal(json_array_size(values), expected);
	for (int round = 0; round < ROUNDS; round++) {
		json_t *pair;

		if (isnan(written[round][i]))
			continue;
		pair = json_array_get(values, found++);
		assert_true(llround(json_number_value(json_array_get(pair, 0)) * 1000) ==
			first_ms + round * STEP_MS);
		assert_true(strtod(json_string_value(json_array_get(pair, 1)), NULL) ==
			written[round][i]);
	}
	json_decref(result);
	return found;
}

/* How many series an instant query shows. */
static double count_at(int64_t t_ms)
{
	json_t *result = prometheus_query(prometheus, "count(nimbusguard_current_replicas)",
		(double)t_ms / 1000);
	double count = 0;

	if (json_array_size(result) > 0)
		count = strtod(json_string_value(
				       json_array_get(json_object_get(json_array_get(result, 0),
							      "value"),
					       1)),
			NULL);
	json_decref(result);
	return count;
}

static void all_that_counts_as_sent_is_there_with_its_time_and_value(void **state)
{
	char url[128];
	struct label external = label_of("cluster", "prod");
	struct write_out_config config = {.queue = {.target = {.url = url, .timeout_ms = 60000},
						  .bytes_max = 1 << 24,
						  .age_max_ms = 600000,
						  .wait_first_ms = 30,
						  .wait_max_ms = 1000},
		.metrics = {METRIC_CURRENT_REPLICAS},
		.metric_count = 1,
		.flush_ms = 120000,
		.series_max = WORKLOADS};
	int64_t first_ms = clock_now_ms(clock_system()) - ROUNDS * STEP_MS;
	struct clock_manual clock;
	struct random random;
	struct write_out *out;
	struct error error;
	size_t samples = 0, ends = 0;

	if (prometheus == NULL)
		skip();
	snprintf(url, sizeof(url), "%s/api/v1/write", prometheus->url);
	metrics_reset();
	clock_manual_init(&clock, first_ms);
	config.clock = &clock.clock;
	assert_int_equal(labels_init(&config.external, &external, 1, &error), STATUS_OK);
	out = write_out_open(&config, &error);
	assert_non_null(out);
	random_init(&random, 3);
	for (int round = 0; round < ROUNDS; round++) {
		write_round(out, &random, round);
		clock_manual_advance(&clock, STEP_MS);
	}
	write_out_close(out);
	write_out_config_fini(&config);
	for (int i = 0; i < WORKLOADS; i++) {
		samples += compare_workload(i, first_ms);
		for (int round = 0; round < ROUNDS; round++)
			ends += (size_t)(!isnan(written[round][i]) &&
				(round + 1 == ROUNDS || isnan(written[round + 1][i])));
	}
	assert_true(metrics_get(METRIC_WRITE_OUT_SAMPLES, "sent") == (double)(samples + ends));
	assert_true(metrics_get(METRIC_WRITE_OUT_SAMPLES, "refused") == 0);
	for (int round = 0; round < ROUNDS; round++) {
		double there = 0;

		for (int i = 0; i < WORKLOADS; i++)
			there += isnan(written[round][i]) ? 0 : 1;
		assert_true(count_at(first_ms + round * STEP_MS) == there);
	}
	assert_true(count_at(first_ms + ROUNDS * STEP_MS) == 0);
}

static double value_of(const char *expression)
{
	json_t *result = prometheus_query(prometheus, expression, 0);
	double value = NAN;

	if (json_array_size(result) > 0)
		value = strtod(json_string_value(
				       json_array_get(json_object_get(json_array_get(result, 0),
							      "value"),
					       1)),
			NULL);
	json_decref(result);
	return value;
}

static void the_program_writes_what_it_sees_and_ends_it_with_itself(void **state)
{
	static const char *const replicas =
		"nimbusguard_current_replicas{instance=\"one\",namespace=\"shop\",workload=\"web\"}";
	struct server *nimbusguard;
	struct write_body request;
	char url[160];
	const char *flags[] = {url, "--remote-write-out.interval=200ms",
		"--remote-write-out.external-labels=instance=one", "--analyze.scan-interval=1s",
		"--remote-write-out.metrics=nimbusguard_current_replicas,nimbusguard_workloads",
		"--remote-write-out.flush=60s", NULL};
	double sent;

	if (prometheus == NULL)
		skip();
	nimbusguard = server_add(&servers, "nimbusguard");
	snprintf(url, sizeof(url), "--remote-write-out.url=%s/api/v1/write", prometheus->url);
	nimbusguard_start(&servers, nimbusguard, flags);
	write_body_reset(&request);
	write_body_simple(&request,
		"__name__=nimbusguard:workload_replicas:ready,namespace=shop,workload=web,"
		"workload_kind=Deployment",
		clock_now_ms(clock_system()), 3);
	assert_int_equal(write_post_status(nimbusguard->port.number, &request), 204);
	AWAIT(&servers, value_of(replicas) == 3, 60);
	sent = web_metric(nimbusguard->url,
		"nimbusguard_remote_write_out_samples_total{result=\"sent\"}");
	assert_true(value_of("sum(count_over_time({instance=\"one\"}[10m]))") >= sent);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_remote_write_out_samples_total{result=\"refused\"}") == 0);
	server_end(nimbusguard);
	AWAIT(&servers, isnan(value_of(replicas)), 30);
	assert_true(isnan(value_of("nimbusguard_workloads{instance=\"one\"}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_counts_as_sent_is_there_with_its_time_and_value),
		cmocka_unit_test(the_program_writes_what_it_sees_and_ends_it_with_itself),
	};

	return cmocka_run_group_tests_name("write_out", tests, setup, teardown);
}
