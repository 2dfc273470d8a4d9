/* run-under: tsan */
/*
 * What a round writes out: the metrics that were asked for with their times and labels, nothing that is no
 * number, an end for each series that is no more, and no end where it is only memory that ran out.
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

#include "base/mem.h"
#include "daemon/write_out.h"
#include "remote_write/snappy_body.h"
#include "remote_write_v1.pb-c.h"
#include "store/store.h"
#include "tests/support/http_stub.h"

#define DEADLINE_MS 120000
#define NOW_MS INT64_C(1767225600000)

static const struct stub_rule good[] = {{.start = "POST", .code = 204, .body = ""}};
static struct http_stub *stub;
static struct clock_manual clock;
static struct write_out *out;
static char url[64];
static size_t requests; /* that were read already */

static const struct clock *clock_used = &clock.clock;

static void open_with(const struct label *external, size_t count, size_t series_max)
{
	struct write_out_config config = {.queue = {.target = {.url = url,
							    .timeout_ms = DEADLINE_MS},
						  .bytes_max = 1 << 20,
						  .age_max_ms = DEADLINE_MS,
						  .wait_first_ms = 1,
						  .wait_max_ms = 1},
		.metrics = {METRIC_MLFLOW_QUEUE, METRIC_CURRENT_REPLICAS},
		.metric_count = 2,
		.interval_ms = 50,
		.flush_ms = DEADLINE_MS,
		.series_max = series_max,
		.clock = clock_used};
	struct error error;

	metrics_reset();
	requests = 0;
	stub = http_stub_open(good, 1, NULL, NULL);
	assert_non_null(stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/w", http_stub_port(stub));
	clock_manual_init(&clock, NOW_MS);
	assert_int_equal(labels_init(&config.external, external, count, &error), STATUS_OK);
	out = write_out_open(&config, &error);
	if (out == NULL)
		fail_msg("%s", error.text);
	write_out_config_fini(&config);
}

static void close_all(void)
{
	write_out_close(out);
	http_stub_close(stub);
}

/* The next request as text: a line for each series, `name{labels} value@ms behind NOW_MS`. */
static const char *next_request(void)
{
	static char text[1 << 20];
	int64_t until_ns = clock_mono_ns(clock_system()) + DEADLINE_MS * INT64_C(1000000);
	struct snappy_body decoded;
	Prometheus__WriteRequest *request;
	const char *raw, *length;
	struct error error;
	size_t at = 0;

	while (http_stub_request_count(stub) == requests) {
		if (clock_mono_ns(clock_system()) > until_ns)
			fail_msg("no request came");
		clock_sleep_ms(2);
	}
	raw = http_stub_request(stub, requests);
	length = strstr(raw, "Content-Length: ");
	assert_non_null(length);
	snappy_body_init(&decoded);
	assert_int_equal(snappy_body_decode(&decoded, http_stub_body(stub, requests),
				 strtoul(length + 16, NULL, 10), 1 << 20, &error),
		STATUS_OK);
	requests++;
	request = prometheus__write_request__unpack(NULL, decoded.size, decoded.bytes);
	assert_non_null(request);
	text[0] = '\0';
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const Prometheus__TimeSeries *series = request->timeseries[i];

		for (size_t k = 0; k < series->n_labels; k++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s=%.*s",
				k > 0 ? "," : "", (int)series->labels[k]->name.len,
				(const char *)series->labels[k]->name.data,
				(int)series->labels[k]->value.len,
				(const char *)series->labels[k]->value.data);
		assert_int_equal(series->n_samples, 1);
		if (store_is_stale(series->samples[0]->value))
			at += (size_t)snprintf(text + at, sizeof(text) - at, " end");
		else
			at += (size_t)snprintf(text + at, sizeof(text) - at, " %.17g",
				series->samples[0]->value);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "@%lld\n",
			(long long)(series->samples[0]->timestamp - NOW_MS));
		assert_true(at < sizeof(text));
	}
	prometheus__write_request__free_unpacked(request, NULL);
	snappy_body_fini(&decoded);
	return text;
}

static void set_replicas(const char *workload, double value)
{
	metrics_set(METRIC_CURRENT_REPLICAS, value, "shop", "Deployment", workload);
}

#define WEB                                                                                        \
	"__name__=nimbusguard_current_replicas,namespace=shop,workload=web,workload_kind=Deployment"
#define API                                                                                        \
	"__name__=nimbusguard_current_replicas,namespace=shop,workload=api,workload_kind=Deployment"
#define QUEUE "__name__=nimbusguard_mlflow_queue"

static void a_round_writes_each_metric_with_its_time_and_labels(void **state)
{
	open_with(NULL, 0, 100);
	set_replicas("web", 3);
	set_replicas("api", 0.1);
	metrics_set(METRIC_MODELS_BYTES, 5);
	write_out_round(out);
	assert_string_equal(next_request(),
		QUEUE " 0@0\n" WEB " 3@0\n" API " 0.10000000000000001@0\n");
	clock_manual_advance(&clock, 30000);
	set_replicas("web", 4);
	write_out_round(out);
	assert_string_equal(next_request(),
		QUEUE " 0@30000\n" WEB " 4@30000\n" API " 0.10000000000000001@30000\n");
	assert_true(metrics_get(METRIC_WRITE_OUT_SERIES) == 3);
	close_all();
}

static void what_is_no_number_is_no_sample_and_ends_what_was(void **state)
{
	open_with(NULL, 0, 100);
	set_replicas("web", NAN);
	set_replicas("api", INFINITY);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@0\n");
	clock_manual_advance(&clock, 1000);
	set_replicas("web", 2);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@1000\n" WEB " 2@1000\n");
	clock_manual_advance(&clock, 1000);
	set_replicas("web", NAN);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@2000\n" WEB " end@2000\n");
	close_all();
}

static void a_series_that_is_gone_is_ended_once_and_may_come_again(void **state)
{
	open_with(NULL, 0, 100);
	set_replicas("web", 3);
	set_replicas("api", 4);
	write_out_round(out);
	(void)next_request();
	clock_manual_advance(&clock, 1000);
	metrics_clear(METRIC_CURRENT_REPLICAS);
	set_replicas("api", 4);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@1000\n" API " 4@1000\n" WEB " end@1000\n");
	clock_manual_advance(&clock, 1000);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@2000\n" API " 4@2000\n");
	clock_manual_advance(&clock, 1000);
	set_replicas("web", 5);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@3000\n" API " 4@3000\n" WEB " 5@3000\n");
	close_all();
}

static void the_end_of_the_service_ends_all_series(void **state)
{
	open_with(NULL, 0, 100);
	set_replicas("web", 3);
	write_out_round(out);
	(void)next_request();
	/* In the same millisecond: an end is always later than what it ends. */
	write_out_close(out);
	assert_int_equal(http_stub_request_count(stub), 2);
	assert_non_null(strstr(next_request(), WEB " end@1\n"));
	assert_true(metrics_get(METRIC_WRITE_OUT_SAMPLES, "sent") == 4);
	http_stub_close(stub);
}

static void external_labels_are_on_each_series_that_has_none_of_that_name(void **state)
{
	const struct label external[] = {label_of("cluster", "prod"),
		label_of("namespace", "ours")};

	open_with(external, 2, 100);
	set_replicas("web", 3);
	write_out_round(out);
	assert_string_equal(next_request(),
		"__name__=nimbusguard_mlflow_queue,cluster=prod,namespace=ours 0@0\n"
		"__name__=nimbusguard_current_replicas,cluster=prod,namespace=shop,workload=web,"
		"workload_kind=Deployment 3@0\n");
	close_all();
}

static void a_clock_that_steps_back_writes_nothing_until_it_is_past(void **state)
{
	open_with(NULL, 0, 100);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@0\n");
	clock_manual_advance(&clock, -5000);
	set_replicas("web", 1);
	write_out_round(out);
	assert_string_equal(next_request(), WEB " 1@-5000\n");
	clock_manual_advance(&clock, 6000);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@1000\n" WEB " 1@1000\n");
	close_all();
}

static void series_beyond_the_limit_are_counted_and_not_sent(void **state)
{
	open_with(NULL, 0, 2);
	set_replicas("web", 3);
	set_replicas("api", 4);
	write_out_round(out);
	assert_string_equal(next_request(), QUEUE " 0@0\n" WEB " 3@0\n");
	assert_true(metrics_get(METRIC_WRITE_OUT_LEFT_OUT, "limit") == 1);
	close_all();
}

/* Each allocation of a round fails in turn, while all series are there: none may be ended. */
static void a_round_without_memory_ends_nothing(void **state)
{
	bool injected = true;

	open_with(NULL, 0, 100);
	set_replicas("web", 3);
	set_replicas("api", 4);
	write_out_round(out);
	(void)next_request();
	for (long n = 1; injected; n++) {
		clock_manual_advance(&clock, 1000);
		mem_fail_after(n, false);
		write_out_round(out);
		injected = mem_fail_after(0, false);
	}
	clock_manual_advance(&clock, 1000);
	metrics_set(METRIC_MLFLOW_QUEUE, 77);
	write_out_round(out);
	for (;;) {
		const char *text = next_request();

		assert_null(strstr(text, " end@"));
		if (strstr(text, QUEUE " 77@") != NULL)
			break;
	}
	close_all();
}

static void rounds_of_many_series_go_in_several_requests(void **state)
{
	size_t lines = 0;

	open_with(NULL, 0, 10000);
	for (int i = 0; i < 4500; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w-%d", i);
		set_replicas(name, i);
	}
	write_out_round(out);
	for (int i = 0; i < 3; i++)
		for (const char *at = next_request(); *at != '\0'; at++)
			lines += *at == '\n';
	assert_int_equal(lines, 4501);
	close_all();
}

static void once_started_it_writes_at_its_interval_until_the_end(void **state)
{
	struct error error;

	clock_used = clock_system();
	open_with(NULL, 0, 100);
	clock_used = &clock.clock;
	assert_int_equal(write_out_start(out, &error), STATUS_OK);
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(next_request(), QUEUE " 0@"));
	write_out_close(out);
	assert_true(metrics_get(METRIC_WRITE_OUT_SAMPLES, "dropped_end") == 0);
	http_stub_close(stub);
}

/* ---- settings ---- */

static enum status read_with(const struct config_flag *flags, size_t count,
	struct write_out_config *read, struct config **config, struct error *error)
{
	static char *const no_environment[] = {NULL};
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	*config = config_load(NULL, no_environment, flags, count, &diagnostics);
	diagnostics_fini(&diagnostics);
	assert_non_null(*config);
	return write_out_config_read(*config, clock_system(), read, error);
}

static void the_usual_settings_write_scores_forecasts_and_wanted_replicas(void **state)
{
	static const struct config_flag flags[] = {
		{"remote-write-out.url", "http://127.0.0.1:9090/api/v1/write"}};
	struct write_out_config read;
	struct config *config;
	struct error error;

	assert_int_equal(read_with(flags, 1, &read, &config, &error), STATUS_OK);
	assert_true(write_out_wanted(config));
	assert_int_equal(read.metrics[0], METRIC_ANOMALY_SCORE);
	assert_int_equal(read.metrics[1], METRIC_WORKLOAD_SCORE);
	assert_int_equal(read.metrics[2], METRIC_FORECAST);
	assert_int_equal(read.metrics[3], METRIC_FORECAST_SKILL);
	assert_int_equal(read.metrics[4], METRIC_FORECAST_PEAK);
	assert_int_equal(read.metrics[5], METRIC_SCALER_WANTED);
	assert_int_equal(read.interval_ms, 30000);
	write_out_config_fini(&read);
	config_close(config);
}

static void a_star_stands_for_all_that_begin_so_without_histograms(void **state)
{
	static const struct config_flag flags[] =
		{{"remote-write-out.metrics", "nimbusguard_mlflow_*,nimbusguard_mlflow_queue"},
			{"remote-write-out.url", "http://127.0.0.1:9090/api/v1/write"}};
	struct write_out_config read;
	struct config *config;
	struct error error;

	assert_int_equal(read_with(flags, 2, &read, &config, &error), STATUS_OK);
	assert_int_equal(read.metric_count, 2);
	assert_int_equal(read.metrics[0], METRIC_MLFLOW_RUNS);
	assert_int_equal(read.metrics[1], METRIC_MLFLOW_QUEUE);
	write_out_config_fini(&read);
	config_close(config);
}

static void settings_that_cannot_be_are_refused_by_name(void **state)
{
	static const struct {
		const char *name, *value, *words;
	} cases[] = {
		{"remote-write-out.metrics", "nimbusguard_nonsense",
			"remote_write_out.metrics: there is no metric \"nimbusguard_nonsense\""},
		{"remote-write-out.metrics", "nimbusguard_nonsense_*", "there is no metric"},
		{"remote-write-out.metrics", "nimbusguard_training_duration_seconds",
			"is a histogram"},
		{"remote-write-out.external-labels", "a-b=c",
			"remote_write_out.external_labels: \"a-b=c\" is no name=value"},
		{"remote-write-out.headers", "A=1,B=1,C=1,D=1,E=1,F=1,G=1,H=1,I=1",
			"more than 8 headers"},
		{"remote-write-out.headers", "Host=x", "Host cannot be set"},
		{"remote-write-out.username", "me", "password_file"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct config_flag flags[] = {{cases[i].name, cases[i].value},
			{"remote-write-out.url", "https://example.com/w"}};
		struct write_out_config read;
		struct config *config;
		struct error error;

		assert_int_not_equal(read_with(flags, 2, &read, &config, &error), STATUS_OK);
		if (strstr(error.text, cases[i].words) == NULL)
			fail_msg("%s: not \"%s\"", error.text, cases[i].words);
		write_out_config_fini(&read);
		config_close(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_writes_each_metric_with_its_time_and_labels),
		cmocka_unit_test(what_is_no_number_is_no_sample_and_ends_what_was),
		cmocka_unit_test(a_series_that_is_gone_is_ended_once_and_may_come_again),
		cmocka_unit_test(the_end_of_the_service_ends_all_series),
		cmocka_unit_test(external_labels_are_on_each_series_that_has_none_of_that_name),
		cmocka_unit_test(a_clock_that_steps_back_writes_nothing_until_it_is_past),
		cmocka_unit_test(series_beyond_the_limit_are_counted_and_not_sent),
		cmocka_unit_test(a_round_without_memory_ends_nothing),
		cmocka_unit_test(rounds_of_many_series_go_in_several_requests),
		cmocka_unit_test(once_started_it_writes_at_its_interval_until_the_end),
		cmocka_unit_test(the_usual_settings_write_scores_forecasts_and_wanted_replicas),
		cmocka_unit_test(a_star_stands_for_all_that_begin_so_without_histograms),
		cmocka_unit_test(settings_that_cannot_be_are_refused_by_name),
	};

	return cmocka_run_group_tests_name("write_out", tests, NULL, NULL);
}
