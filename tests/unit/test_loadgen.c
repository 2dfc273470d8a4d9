/* run-under: tsan */
/*
 * The load generator against the whole service in one process, and against servers that lose,
 * refuse, or are not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "demo/loadgen.h"
#include "remote_write/ingest.h"
#include "receiver/server.h"
#include "store/store.h"
#include "tests/support/http_stub.h"

static struct load_shape shape_of(uint32_t series)
{
	return (struct load_shape){.series_count = series,
		.label_count = 10,
		.seed = 7,
		.start_ms = 1700000000000,
		.interval_ms = 15000};
}

/* ---- the load ---- */

static void a_series_has_about_255_bytes_in_ten_sorted_labels(void **state)
{
	struct load_shape shape = shape_of(5000);
	static struct load_cursor cursor;
	size_t sum = 0;

	load_cursor_init(&cursor, &shape);
	for (uint32_t series = 0; series < 5000; series++) {
		const struct labels *labels = load_labels(&cursor, series, 0);

		assert_int_equal(labels->count, 10);
		for (uint32_t i = 0; i < labels->count; i++) {
			const struct label *pair = &labels->pairs[i];

			sum += pair->name_size + pair->value_size;
			assert_int_equal(pair->value_size, strlen(pair->value));
			assert_true(pair->value_size > 0);
			if (i > 0)
				assert_true(strcmp(labels->pairs[i - 1].name, pair->name) < 0);
		}
	}
	assert_in_range(sum / 5000, 245, 265);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t count_distinct(const struct load_shape *shape)
{
	uint64_t *prints = calloc(shape->series_count, sizeof(*prints));
	static struct load_cursor cursor;
	size_t count = 1;

	load_cursor_init(&cursor, shape);
	for (uint32_t series = 0; series < shape->series_count; series++)
		prints[series] = labels_fingerprint(load_labels(&cursor, series, 3));
	qsort(prints, shape->series_count, sizeof(*prints), compare_numbers);
	for (uint32_t i = 1; i < shape->series_count; i++)
		count += prints[i] != prints[i - 1];
	free(prints);
	return count;
}

static void every_series_is_another_one_with_few_labels_too(void **state)
{
	struct load_shape shape = shape_of(60000);

	for (shape.label_count = LOAD_LABELS_MIN; shape.label_count <= LOAD_LABELS_MAX;
		shape.label_count += 31)
		assert_int_equal(count_distinct(&shape), 60000);
}

static void churn_replaces_that_share_of_the_pods_each_round(void **state)
{
	struct load_shape shape = shape_of(100000);

	for (shape.churn_percent = 0; shape.churn_percent <= 100; shape.churn_percent += 10) {
		for (uint32_t round = 1; round < 4; round++) {
			size_t replaced = 0;

			for (uint32_t series = 0; series < 100000; series++)
				replaced += load_replaced(&shape, series, round);
			/* 2000 pods drawn at random: four deviations. */
			assert_in_range(replaced + 3000, shape.churn_percent * 1000 + 300,
				shape.churn_percent * 1000 + 5700);
		}
	}
}

static void replaced_series_have_other_labels_and_the_rest_the_same(void **state)
{
	struct load_shape shape = shape_of(5000);
	static struct load_cursor before, after;

	shape.churn_percent = 10;
	load_cursor_init(&before, &shape);
	load_cursor_init(&after, &shape);
	for (uint32_t series = 0; series < 5000; series++) {
		bool same = labels_equal(load_labels(&before, series, 4),
			load_labels(&after, series, 5));

		assert_int_equal(!same, load_replaced(&shape, series, 5));
	}
}

static void values_are_constants_counters_pages_and_walks_in_their_shares(void **state)
{
	struct load_shape shape = shape_of(20000);
	size_t constant = 0, counters = 0, pages = 0, walks = 0;

	for (uint32_t series = 0; series < 20000; series++) {
		double walk = 0, values[4];
		bool whole = true, page = true, grows = true, same = true;

		for (uint32_t round = 0; round < 4; round++) {
			values[round] = load_value(&shape, series, round, &walk);
			whole = whole && values[round] == floor(values[round]);
			page = page && fmod(values[round], 4096) == 0;
			if (round > 0) {
				grows = grows && values[round] > values[round - 1];
				same = same && values[round] == values[round - 1];
			}
		}
		constant += same;
		counters += !same && whole && grows && !page;
		pages += !same && page;
		walks += !whole;
	}
	assert_in_range(constant, 5700, 6300);
	assert_in_range(counters, 10650, 11350);
	assert_in_range(pages, 1800, 2200);
	assert_in_range(walks, 850, 1150);
}

static void times_of_a_series_rise_by_the_interval(void **state)
{
	struct load_shape shape = shape_of(5000);

	for (shape.interval_ms = 1; shape.interval_ms <= 15000; shape.interval_ms += 14999)
		for (uint32_t series = 0; series < 5000; series++) {
			int64_t first = load_time_ms(&shape, series, 0);

			assert_true(first >= shape.start_ms);
			assert_true(first < shape.start_ms + shape.interval_ms);
			assert_int_equal(load_time_ms(&shape, series, 9) - first,
				9 * shape.interval_ms);
		}
}

static void quantiles_are_at_most_three_percent_high(void **state)
{
	static struct latency latency, half;

	for (int64_t ns = 1; ns <= 200000; ns++)
		latency_add(ns % 2 ? &latency : &half, ns * 1000);
	latency_merge(&latency, &half);
	assert_int_equal(latency.count, 200000);
	assert_int_equal(latency_quantile_ns(&latency, 1), 200000000);
	for (double share = 0.001; share < 1; share += 0.0137) {
		double exact = ceil(share * 200000) * 1000;
		double here = (double)latency_quantile_ns(&latency, share);

		assert_true(here >= exact && here <= exact * 1.032);
	}
	latency_add(&half, -5);
	assert_int_equal(latency_quantile_ns(&half, 0), 0);
	latency_add(&half, INT64_MAX);
	assert_true(latency_quantile_ns(&half, 1) == INT64_MAX);
}

/* ---- a receiver: the server, ingest and store as the service wires them ---- */

#define THREADS 2

struct receiver {
	struct access *access;
	struct store *store;
	struct ingest *ingests[THREADS];
	struct server *server;
	char url[128];
	atomic_int lose; /* so many requests are answered 204 and dropped */
};

static struct receiver receiver;

static void serve_write(struct request *request, void *argument)
{
	struct ingest_counts counts;
	struct error error;
	size_t size;
	const void *body = request_body(request, &size);
	enum status status;
	char written[32];

	if (atomic_fetch_sub(&receiver.lose, 1) > 0) {
		request_reply(request, 204, NULL, NULL, 0);
		return;
	}
	status = ingest_request(receiver.ingests[request_thread(request)],
		request_header(request, "Content-Type"),
		request_header(request, "Content-Encoding"), body, size, &counts, &error);
	if (counts.tell_written) {
		snprintf(written, sizeof(written), "%llu",
			(unsigned long long)counts.samples_written);
		request_add_header(request, "X-Prometheus-Remote-Write-Samples-Written", written);
	}
	if (status == STATUS_OK)
		request_reply(request, 204, NULL, NULL, 0);
	else
		request_reply_text(request, status_http(error.code), error.text);
}

static void serve_page(struct request *request, void *argument)
{
	struct store_stats stats;
	struct buf page;

	store_stats(receiver.store, &stats);
	buf_init(&page, 1 << 20);
	metrics_set(METRIC_BUILD_INFO, 1, "0", "0");
	metrics_set(METRIC_STORE_SERIES, (double)stats.series);
	metrics_write_page(&page);
	request_reply(request, 200, "text/plain", page.data, page.size);
	buf_fini(&page);
}

static int receiver_open(void **state)
{
	static const struct route routes[] = {
		{"write", "POST", "/api/v1/write", ROUTE_BODY, ACCESS_INGEST, 32 << 20, NULL,
			serve_write, NULL},
		{"metrics", "GET", "/metrics", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_page, NULL},
	};
	const struct store_limits limits = {.memory_max = 64 << 20,
		.series_max = 100000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 3600000,
		.future_max_ms = 600000};
	const struct ingest_limits bounds = {.body_max = 32 << 20,
		.decoded_max = 32 << 20,
		.labels_max = 256,
		.label_name_max = 1024,
		.label_value_max = 65536,
		.symbols_max = 100000,
		.series_max = 100000};
	struct diagnostics diagnostics;
	struct error error;

	receiver = (struct receiver){.lose = 0};
	metrics_reset();
	diagnostics_init(&diagnostics);
	receiver.access = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	receiver.store = store_open(&limits, clock_system(), &error);
	for (int i = 0; i < THREADS; i++)
		receiver.ingests[i] = ingest_open(receiver.store, &bounds, &error);
	const struct server_config config = {.listen_address = "127.0.0.1:0",
		.route_prefix = "",
		.thread_count = THREADS,
		.connection_max = 100,
		.slot_count = 16,
		.idle_timeout_s = 60,
		.header_max = 32768,
		.access = receiver.access};
	receiver.server = server_start(&config, routes, 2, &error);
	if (receiver.server == NULL)
		return -1;
	snprintf(receiver.url, sizeof(receiver.url), "http://127.0.0.1:%u/api/v1/write",
		server_port(receiver.server));
	return 0;
}

static int receiver_close(void **state)
{
	server_stop(receiver.server, 1000);
	for (int i = 0; i < THREADS; i++)
		ingest_close(receiver.ingests[i]);
	store_close(receiver.store);
	access_close(receiver.access);
	return 0;
}

static struct loadgen_config config_of(uint32_t series, uint32_t rounds)
{
	struct loadgen_config config = {.target = {.url = receiver.url},
		.shape = shape_of(series),
		.round_count = rounds,
		.batch_series = 300,
		.connection_count = 3,
		.body_memory_max = 1 << 20};

	config.shape.start_ms = clock_now_ms(clock_system()) - 3600000;
	return config;
}

static struct loadgen_result run(const struct loadgen_config *config)
{
	static struct loadgen_result result;
	atomic_bool stop = false;
	struct error error = {.text = ""};

	assert_int_equal(loadgen_check(config, &error), STATUS_OK);
	if (loadgen_run(config, &stop, &result, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return result;
}

static char *report_of(const struct loadgen_result *result)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	loadgen_write_report(out, result);
	fclose(out);
	return text;
}

static void what_was_sent_is_in_the_store_to_the_last_value(void **state)
{
	struct loadgen_config config = config_of(5000, 9);
	static struct load_cursor cursor;
	struct loadgen_result result;

	config.shape.churn_percent = 20;
	result = run(&config);
	assert_true(loadgen_good(&result));
	assert_int_equal(loadgen_verdict(&result), LOADGEN_COMPLETE);
	assert_int_equal(result.samples_accepted, 5000 * 9);
	assert_int_equal(result.connections, 3);
	load_cursor_init(&cursor, &config.shape);
	for (uint32_t series = 0; series < 5000; series += 487) {
		const struct labels *labels = load_labels(&cursor, series, 8);
		struct store_point point;
		double walk = 0, value = 0;
		uint32_t id;

		assert_int_equal(store_intern(receiver.store, (struct store_key){series, series},
					 labels->pairs, labels->count, &id, NULL),
			STATUS_OK);
		for (uint32_t round = 0; round < 9; round++)
			value = load_value(&config.shape, series, round, &walk);
		assert_true(store_newest(receiver.store, id, &point));
		assert_int_equal(point.t_ms, load_time_ms(&config.shape, series, 8));
		assert_memory_equal(&point.value, &value, sizeof(value));
	}
}

static void shuffled_rounds_arrive_whole_and_in_order(void **state)
{
	struct loadgen_config config = config_of(2100, 12);
	struct loadgen_result result;
	struct store_stats stats;

	config.shuffled = true;
	config.body_memory_max = 1;
	result = run(&config);
	assert_true(loadgen_good(&result));
	/* A sample late or twice would not have been stored. */
	assert_int_equal(result.after.stored, 2100 * 12);
	assert_int_equal(result.series_made, 2100);
	store_stats(receiver.store, &stats);
	assert_int_equal(stats.series, 2100);
}

static void protocol_2_arrives_whole_and_the_headers_say_so(void **state)
{
	struct loadgen_config config = config_of(2000, 5);
	struct loadgen_result result;

	config.target.protocol_2 = true;
	config.shape.churn_percent = 10;
	result = run(&config);
	assert_true(loadgen_good(&result));
	assert_int_equal(result.after.stored, 10000);
	assert_true(result.written_told);
	assert_int_equal(result.samples_written, 10000);
}

static void headers_that_tell_of_less_than_was_sent_fail_the_run(void **state)
{
	static const struct stub_rule rules[] = {
		{"GET /metrics", 200,
			"\nnimbusguard_build_info{} 1\n"
			"nimbusguard_remote_write_samples_total{result=\"stored\"} 0\n",
			"text/plain", NULL, 1, false, false, 0, 0, false},
		{"GET /metrics", 200,
			"\nnimbusguard_build_info{} 1\n"
			"nimbusguard_remote_write_samples_total{result=\"stored\"} 4000\n"
			"nimbusguard_store_series_created_total 400\n",
			"text/plain", NULL, 0, false, false, 0, 0, false},
		{"POST /api/v1/write", 204, "", NULL,
			"x-prometheus-remote-write-samples-written: 399\r\n", 1, false, false, 0, 0,
			false},
		{"POST /api/v1/write", 204, "", NULL,
			"X-Prometheus-Remote-Write-Samples-Written: 400\r\n", 0, false, false, 0, 0,
			false},
	};
	struct http_stub *stub = http_stub_open(rules, 4, NULL, NULL);
	struct loadgen_config config = config_of(400, 10);
	struct loadgen_result result;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/write", http_stub_port(stub));
	config.target.url = url;
	config.target.protocol_2 = true;
	config.batch_series = 400;
	result = run(&config);
	http_stub_close(stub);
	assert_int_equal(result.samples_accepted, 4000);
	assert_int_equal(result.samples_written, 3999);
	assert_int_equal(loadgen_verdict(&result), LOADGEN_LOST);
}

static void samples_lost_behind_a_204_fail_the_run(void **state)
{
	struct loadgen_config config = config_of(3000, 4);
	struct loadgen_result result;
	char *report;

	atomic_store(&receiver.lose, 1);
	result = run(&config);
	assert_int_equal(result.samples_accepted, 12000);
	assert_int_equal(result.after.stored, 11700);
	assert_int_equal(loadgen_verdict(&result), LOADGEN_LOST);
	assert_false(loadgen_good(&result));
	report = report_of(&result);
	assert_non_null(
		strstr(report, "LOST        12,000 samples were accepted, 11,700 were stored"));
	free(report);
}

static void what_refused_requests_left_is_no_other_sender(void **state)
{
	struct loadgen_result result = {.connections = 1,
		.samples = 4000,
		.requests = 10,
		.samples_accepted = 2000,
		.before = {.receiver = LOAD_NIMBUSGUARD},
		.after = {.receiver = LOAD_NIMBUSGUARD, .stored = 2300}};
	char *report = report_of(&result);

	assert_non_null(strstr(report, "verified    2,300 samples stored"));
	assert_non_null(strstr(report, " 300 of them out of requests that were refused in part\n"));
	assert_null(strstr(report, "another sender"));
	free(report);
	result.after.stored = 4001;
	report = report_of(&result);
	assert_non_null(strstr(report, "another sender is at work"));
	assert_null(strstr(report, "refused in part"));
	free(report);
}

static void a_load_sent_twice_is_told_as_such(void **state)
{
	struct loadgen_config config = config_of(1000, 3);
	struct loadgen_result result = run(&config);
	char *report;

	assert_true(loadgen_good(&result));
	result = run(&config);
	assert_false(loadgen_good(&result));
	report = report_of(&result);
	assert_non_null(strstr(report, "another --seed sends other series"));
	free(report);
	/* Going on where the first one ended is no repetition. */
	config.first_round = 3;
	result = run(&config);
	assert_true(loadgen_good(&result));
}

static void a_rate_is_never_exceeded(void **state)
{
	struct loadgen_config config = config_of(600, 0);
	struct loadgen_result result;
	double rate;

	config.duration_ms = 1000;
	config.samples_per_second = 6000;
	config.shape.start_ms -= 3600000;
	result = run(&config);
	assert_true(loadgen_good(&result));
	/* A busy machine may make it slower, and never faster. */
	rate = (double)result.samples * 1e9 / (double)result.spent_ns;
	assert_true(rate < 6300);
	assert_int_equal(result.due.count, result.requests);
	assert_true(latency_quantile_ns(&result.due, 1) >= latency_quantile_ns(&result.latency, 0));
}

static void a_run_ends_when_its_samples_reach_the_present(void **state)
{
	struct loadgen_config config = config_of(600, 0);
	struct loadgen_result result;

	config.duration_ms = 60000;
	config.shape.start_ms = clock_now_ms(clock_system()) - 20 * 15000 - 1000;
	result = run(&config);
	assert_true(loadgen_good(&result));
	assert_int_equal(result.samples, 600 * 20);
	assert_true(result.spent_ns < INT64_C(60000000000));
}

static void *stop_soon(void *argument)
{
	clock_sleep_ms(300);
	atomic_store((atomic_bool *)argument, true);
	return NULL;
}

static void stopping_by_hand_ends_cleanly_and_still_verifies(void **state)
{
	struct loadgen_config config = config_of(600, 1000);
	static struct loadgen_result result;
	atomic_bool stop = false;
	struct error error;
	pthread_t thread;
	char *report;

	config.samples_per_second = 6000;
	pthread_create(&thread, NULL, stop_soon, &stop);
	assert_int_equal(loadgen_run(&config, &stop, &result, &error), STATUS_OK);
	pthread_join(thread, NULL);
	assert_true(result.stopped);
	assert_true(result.samples < 600 * 100);
	assert_true(loadgen_good(&result));
	assert_int_equal(loadgen_verdict(&result), LOADGEN_COMPLETE);
	report = report_of(&result);
	assert_non_null(strstr(report, "stopped     by hand"));
	free(report);
}

static void refused_requests_are_counted_by_status_with_the_first_reason(void **state)
{
	static const struct stub_rule rules[] = {
		{"GET /metrics", 404, "", NULL, NULL, 0, false, false, 0, 0, false},
		{"POST /write", 204, "", NULL, NULL, 2, false, false, 0, 0, false},
		{"POST /write", 400, "label name is empty", "text/plain", NULL, 3, false, false, 0,
			0, false},
		{"POST /write", 503, "later", "text/plain", NULL, 0, false, false, 0, 0, false},
	};
	struct http_stub *stub = http_stub_open(rules, 4, NULL, NULL);
	struct loadgen_config config = config_of(400, 10);
	struct loadgen_result result;
	char url[64], *report;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/write", http_stub_port(stub));
	config.target.url = url;
	config.connection_count = 1;
	config.batch_series = 400;
	result = run(&config);
	http_stub_close(stub);
	assert_int_equal(result.requests, 10);
	assert_int_equal(result.samples_accepted, 800);
	assert_int_equal(result.status_count, 3);
	assert_int_equal(result.statuses[1].http, 400);
	assert_int_equal(result.statuses[1].requests, 3);
	assert_int_equal(loadgen_verdict(&result), LOADGEN_UNVERIFIED);
	assert_false(loadgen_good(&result));
	report = report_of(&result);
	assert_non_null(strstr(report, "answers     204: 2, 400: 3, 503: 5\n"));
	assert_non_null(strstr(report, "refused     label name is empty\n"));
	free(report);
}

static void a_request_without_an_answer_ends_the_run_and_fails_it(void **state)
{
	static const struct stub_rule rules[] = {
		{"GET /metrics", 404, "", NULL, NULL, 0, false, false, 0, 0, false},
		{"POST /write", 204, "", NULL, NULL, 2, false, false, 0, 0, false},
		{"POST /write", 0, NULL, NULL, NULL, 0, true, false, 0, 0, false},
	};
	struct http_stub *stub = http_stub_open(rules, 3, NULL, NULL);
	struct loadgen_config config = config_of(400, 10);
	struct loadgen_result result;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/write", http_stub_port(stub));
	config.target.url = url;
	config.connection_count = 1;
	config.batch_series = 400;
	result = run(&config);
	http_stub_close(stub);
	assert_int_equal(result.requests, 3);
	assert_int_equal(result.samples_unknown, 400);
	assert_int_equal(result.failure.code, STATUS_UNAVAILABLE);
	assert_non_null(strstr(result.failure.text, url));
	assert_false(loadgen_good(&result));
}

static void an_unreachable_target_is_named_with_what_to_do(void **state)
{
	struct loadgen_config config = config_of(10, 1);
	static struct loadgen_result result;
	atomic_bool stop = false;
	struct error error;

	config.target.url = "http://127.0.0.1:1/api/v1/write";
	assert_int_equal(loadgen_run(&config, &stop, &result, &error), STATUS_UNAVAILABLE);
	assert_non_null(strstr(error.text, "127.0.0.1:1/metrics"));
	assert_non_null(strstr(error.text, "--url"));
}

static void numbers_out_of_range_are_named_by_their_flag(void **state)
{
	struct loadgen_config config = config_of(10, 1);
	struct error error;

	config.target.url = "http://x/";
	assert_int_equal(loadgen_check(&config, &error), STATUS_OK);
	config.batch_series = 0;
	assert_int_equal(loadgen_check(&config, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "--batch is 1 to 50000"));
	config.batch_series = 1;
	config.samples_per_second = NAN;
	assert_int_equal(loadgen_check(&config, &error), STATUS_BAD_INPUT);
	config.samples_per_second = 0;
	config.target.url = "127.0.0.1:9797";
	assert_int_equal(loadgen_check(&config, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "--url"));
}

static void allocation_failure_is_an_answer(void **state)
{
	struct loadgen_config config = config_of(600, 2);
	static struct loadgen_result result;
	atomic_bool stop = false;
	struct error error;
	enum status status;
	bool injected;

	for (long nth = 1; nth < 40; nth++) {
		config.shape.seed = (uint64_t)nth + 100;
		mem_fail_after(nth, false);
		status = loadgen_run(&config, &stop, &result, &error);
		injected = mem_fail_after(0, false);
		/* The receiver lives in this process and may be the one that was hit. */
		if (injected && status == STATUS_OK)
			assert_true(result.before.receiver == LOAD_UNKNOWN ||
				result.after.receiver == LOAD_UNKNOWN || !loadgen_good(&result) ||
				result.samples_accepted == 1200);
		else if (!injected)
			assert_int_equal(status, STATUS_OK);
	}
}

static void counters_of_a_prometheus_are_known(void **state)
{
	struct load_counters counters;

	load_counters_parse("# x\nprometheus_tsdb_head_series 12\n"
			    "prometheus_tsdb_head_series_created_total 13\n"
			    "prometheus_tsdb_head_samples_appended_total{type=\"float\"} 1e+06\n"
			    "prometheus_tsdb_head_samples_appended_total{type=\"histogram\"} 5",
		&counters);
	assert_int_equal(counters.receiver, LOAD_PROMETHEUS);
	assert_true(
		counters.stored == 1e6 && counters.series == 12 && counters.series_created == 13);
	load_counters_parse("", &counters);
	assert_int_equal(counters.receiver, LOAD_UNKNOWN);
}

#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, receiver_open, receiver_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_series_has_about_255_bytes_in_ten_sorted_labels),
		cmocka_unit_test(every_series_is_another_one_with_few_labels_too),
		cmocka_unit_test(churn_replaces_that_share_of_the_pods_each_round),
		cmocka_unit_test(replaced_series_have_other_labels_and_the_rest_the_same),
		cmocka_unit_test(values_are_constants_counters_pages_and_walks_in_their_shares),
		cmocka_unit_test(times_of_a_series_rise_by_the_interval),
		cmocka_unit_test(quantiles_are_at_most_three_percent_high),
		WITH_RECEIVER(what_was_sent_is_in_the_store_to_the_last_value),
		WITH_RECEIVER(shuffled_rounds_arrive_whole_and_in_order),
		WITH_RECEIVER(protocol_2_arrives_whole_and_the_headers_say_so),
		cmocka_unit_test(headers_that_tell_of_less_than_was_sent_fail_the_run),
		WITH_RECEIVER(samples_lost_behind_a_204_fail_the_run),
		WITH_RECEIVER(a_load_sent_twice_is_told_as_such),
		WITH_RECEIVER(a_rate_is_never_exceeded),
		WITH_RECEIVER(a_run_ends_when_its_samples_reach_the_present),
		WITH_RECEIVER(stopping_by_hand_ends_cleanly_and_still_verifies),
		cmocka_unit_test(what_refused_requests_left_is_no_other_sender),
		cmocka_unit_test(refused_requests_are_counted_by_status_with_the_first_reason),
		cmocka_unit_test(a_request_without_an_answer_ends_the_run_and_fails_it),
		cmocka_unit_test(an_unreachable_target_is_named_with_what_to_do),
		cmocka_unit_test(numbers_out_of_range_are_named_by_their_flag),
		WITH_RECEIVER(allocation_failure_is_an_answer),
		cmocka_unit_test(counters_of_a_prometheus_are_known),
	};

	return cmocka_run_group_tests_name("loadgen", tests, NULL, NULL);
}
