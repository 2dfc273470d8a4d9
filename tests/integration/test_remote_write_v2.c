/*
 * Remote write 2.0 over HTTP into the real program: the Written headers with every answer, series of
 * both versions, and native histograms, exemplars and starts read back by the API.
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

#include "tests/support/http_client.h"
#include "tests/support/openapi.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

static struct servers servers;
static struct server *nimbusguard;
static struct write_body_v2 request;
static struct write_body series, part;
static int64_t now_ms;

static int setup(void **state)
{
	static const char *const flags[] = {"--enable-feature=ingest",
		"--ingest.histograms={__name__=~\"latency.*\",job=\"a\"}",
		"--ingest.exemplars=latency_seconds", "--ingest.drop=debug", NULL};

	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	nimbusguard_start(&servers, nimbusguard, flags);
	now_ms = clock_now_ms(clock_system());
	return 0;
}

static int teardown(void **state)
{
	if (nimbusguard != NULL)
		servers_close(&servers);
	return 0;
}

struct answer {
	int status;
	char samples[32], histograms[32],
		exemplars[32]; /* of the Written headers; "" when absent */
	char text[256];
};

static struct answer post(const char *type, const struct write_body *body)
{
	struct answer answer = {.status = 0};
	struct http_reply reply;

	if (nimbusguard == NULL)
		skip();
	reply = write_post(nimbusguard->port.number, type, body);
	answer.status = reply.status;
	(void)http_header(&reply, "X-Prometheus-Remote-Write-Samples-Written", answer.samples,
		sizeof(answer.samples));
	(void)http_header(&reply, "X-Prometheus-Remote-Write-Histograms-Written", answer.histograms,
		sizeof(answer.histograms));
	(void)http_header(&reply, "X-Prometheus-Remote-Write-Exemplars-Written", answer.exemplars,
		sizeof(answer.exemplars));
	snprintf(answer.text, sizeof(answer.text), "%s", reply.body != NULL ? reply.body : "");
	http_reply_fini(&reply);
	return answer;
}

static void assert_written(const struct answer *answer, const char *samples, const char *histograms,
	const char *exemplars)
{
	assert_string_equal(answer->samples, samples);
	assert_string_equal(answer->histograms, histograms);
	assert_string_equal(answer->exemplars, exemplars);
}

static void the_answer_to_2_0_tells_what_was_written(void **state)
{
	struct answer answer;

	write_body_v2_reset(&request);
	write_body_v2_simple(&request, "__name__=up,job=a", now_ms, 1);
	write_body_v2_simple(&request, "__name__=up,job=b", now_ms, 1);
	write_body_v2_simple(&request, "__name__=debug,job=b", now_ms, 1);
	for (int round = 0; round < 2; round++) {
		answer = post(WRITE_V2, &request.body);
		assert_int_equal(answer.status, 204);
		assert_written(&answer, "3", "0", "0");
	}
	write_body_v2_simple(&request, "__name__=up,job=b,job=c", now_ms, 1);
	write_body_v2_simple(&request, "__name__=up,job=b", now_ms - 1000, 1);
	answer = post(WRITE_V2, &request.body);
	assert_int_equal(answer.status, 400);
	assert_written(&answer, "3", "0", "0");
	assert_non_null(strstr(answer.text, "label \"job\" is there twice"));
	/* Nothing of it could be read. */
	request.body.size = 3;
	answer = post(WRITE_V2, &request.body);
	assert_int_equal(answer.status, 400);
	assert_written(&answer, "0", "0", "0");
}

static void the_answer_to_1_0_does_not(void **state)
{
	static struct write_body body;
	struct answer answer;

	write_body_reset(&body);
	write_body_simple(&body, "__name__=up,job=a", now_ms + 1, 1);
	answer = post(WRITE_V1, &body);
	assert_int_equal(answer.status, 204);
	assert_written(&answer, "", "", "");
	answer = post("application/x-protobuf;proto=io.prometheus.write.v9.Request", &body);
	assert_int_equal(answer.status, 415);
	assert_written(&answer, "", "", "");
}

/* Four in (0.5, 1], (1, 2], (2, 4] and an exemplar of one of them, beside nothing else. */
static void put_latency(int64_t t_ms, uint64_t count)
{
	uint32_t references[2];

	write_body_reset(&series);
	write_body_v2_labels(&request, &series, "__name__=latency_seconds,job=a");
	write_body_reset(&part);
	write_body_number(&part, 1, 4 * count);
	write_body_double(&part, 3, 5);
	write_body_hex(&part, "5a02 1003");
	write_body_hex(&part, count == 1 ? "6203 02 02 01" : "6203 04 04 03");
	write_body_number(&part, 15, (uint64_t)t_ms);
	write_body_number(&part, 17, (uint64_t)(now_ms - 60000));
	write_body_field(&series, 3, part.bytes, part.size);
	write_body_reset(&part);
	references[0] = write_body_v2_symbol(&request, "trace_id");
	references[1] = write_body_v2_symbol(&request, "4bf92f35\"");
	write_body_v2_references(&part, 1, references, 2);
	write_body_double(&part, 2, 1.5);
	write_body_number(&part, 3, (uint64_t)t_ms);
	write_body_field(&series, 4, part.bytes, part.size);
	write_body_v2_series(&request, &series);
}

static json_t *query(const char *selector, const char *flags)
{
	char *url = web_url(nimbusguard->url, "/api/v1/query?match[]=", selector);
	char *whole = malloc(strlen(url) + strlen(flags) + 1);
	json_t *answer, *result;

	assert_non_null(whole);
	memcpy(whole, url, strlen(url));
	memcpy(whole + strlen(url), flags, strlen(flags) + 1);
	answer = web_json(whole, NULL);
	result = json_incref(json_object_get(json_object_get(answer, "data"), "result"));
	json_decref(answer);
	free(whole);
	free(url);
	return result;
}

static void histograms_and_exemplars_are_read_back_bucket_by_bucket(void **state)
{
	static const char *const bounds[][2] = {{"0.5", "1"}, {"1", "2"}, {"2", "4"}};
	struct answer answer;
	json_t *result, *entry, *list, *point, *buckets;

	write_body_v2_reset(&request);
	put_latency(now_ms, 1);
	put_latency(now_ms + 1, 2);
	answer = post(WRITE_V2, &request.body);
	assert_int_equal(answer.status, 204);
	assert_written(&answer, "0", "2", "2");
	/* There are no samples of it. */
	result = query("latency_seconds", "");
	assert_int_equal(json_array_size(result), 0);
	json_decref(result);
	result = query("latency_seconds", "&histograms=true&exemplars=true");
	assert_int_equal(json_array_size(result), 1);
	entry = json_array_get(result, 0);
	assert_int_equal(json_array_size(json_object_get(entry, "values")), 0);
	list = json_object_get(entry, "histograms");
	assert_int_equal(json_array_size(list), 2);
	point = json_array_get(json_array_get(list, 1), 1);
	assert_string_equal(json_string_value(json_object_get(point, "count")), "8");
	assert_string_equal(json_string_value(json_object_get(point, "sum")), "5");
	buckets = json_object_get(point, "buckets");
	assert_int_equal(json_array_size(buckets), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *bucket = json_array_get(buckets, i);
		assert_int_equal(json_integer_value(json_array_get(bucket, 0)), 0);
		assert_string_equal(json_string_value(json_array_get(bucket, 1)), bounds[i][0]);
		assert_string_equal(json_string_value(json_array_get(bucket, 2)), bounds[i][1]);
		assert_string_equal(json_string_value(json_array_get(bucket, 3)),
			i == 1 ? "4" : "2");
	}
	list = json_object_get(entry, "exemplars");
	assert_int_equal(json_array_size(list), 2);
	point = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(point, "value")), "1.5");
	assert_string_equal(json_string_value(
				    json_object_get(json_object_get(point, "labels"), "trace_id")),
		"4bf92f35\"");
	assert_true(
		json_number_value(json_object_get(point, "timestamp")) * 1000 > (double)now_ms - 1);
	json_decref(result);
}

/* Four in (0.5, 1], (1, 2], (2, 4] came between the two histograms: 1, 2 and 1. */
static void quantiles_of_a_window_are_told(void **state)
{
	json_t *document = openapi_read(), *result, *observed, *list;
	struct web_answer answer;
	char *url;

	result = query("latency_seconds", "&quantile=0.5&quantile=1&quantile=0.625");
	assert_int_equal(json_array_size(result), 1);
	assert_null(json_object_get(json_array_get(result, 0), "histograms"));
	observed = json_object_get(json_array_get(result, 0), "observed");
	assert_string_equal(json_string_value(json_object_get(observed, "count")), "4");
	assert_string_equal(json_string_value(json_object_get(observed, "sum")), "0");
	assert_int_equal(json_array_size(json_object_get(observed, "buckets")), 3);
	list = json_object_get(observed, "quantiles");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_array_get(json_array_get(list, 0), 0)), "0.5");
	assert_true(
		fabs(strtod(json_string_value(json_array_get(json_array_get(list, 0), 1)), NULL) -
			sqrt(2)) < 1e-12);
	assert_string_equal(json_string_value(json_array_get(json_array_get(list, 1), 1)), "4");
	json_decref(result);
	/* A series without two histograms: what is not known is null. */
	result = query("up{job=\"a\"}", "&quantile=0.5");
	assert_int_equal(json_array_size(result), 1);
	assert_true(json_is_null(json_object_get(json_array_get(result, 0), "observed")));
	json_decref(result);
	url = web_url(nimbusguard->url,
		"/api/v1/query?quantile=0.5&histograms=true&exemplars=true&match[]=",
		"{job=\"a\"}");
	answer = web_call("GET", url, NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body, "\"observed\":{\"count\":\"4\""));
	openapi_check(document, "get", "/api/v1/query", &answer);
	web_answer_fini(&answer);
	free(url);
	json_decref(document);
}

static void assert_refused(const char *flags, const char *says)
{
	char url[1024];
	struct web_answer answer;

	snprintf(url, sizeof(url), "%s/api/v1/query?match[]=up%s", nimbusguard->url, flags);
	answer = web_call("GET", url, NULL, NULL);
	assert_int_equal(answer.status, 400);
	if (strstr(answer.body, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", answer.body, says);
	web_answer_fini(&answer);
}

static void bad_quantiles_are_refused(void **state)
{
	static const char *const bad[][2] = {{"&quantile=2", "quantile \\\"2\\\""},
		{"&quantile=x", "quantile \\\"x\\\""}, {"&quantile=nan", "quantile \\\"nan\\\""},
		{"&quantile=0&quantile=-1", "quantile \\\"-1\\\""}};
	char many[400] = "";

	for (size_t i = 0; i < 4; i++)
		assert_refused(bad[i][0], bad[i][1]);
	for (int i = 0; i < 17; i++)
		memcpy(many + i * 11, "&quantile=0", 12);
	assert_refused(many, "more than 16 quantiles");
}

static void a_start_is_told_with_its_series(void **state)
{
	json_t *result;

	write_body_v2_reset(&request);
	write_body_reset(&series);
	write_body_v2_labels(&request, &series, "__name__=requests_total,job=a");
	write_body_v2_sample(&series, now_ms, 1, now_ms - 5000);
	write_body_v2_series(&request, &series);
	assert_int_equal(post(WRITE_V2, &request.body).status, 204);
	result = query("requests_total", "&histograms=true");
	assert_int_equal(json_array_size(result), 1);
	assert_true(json_number_value(json_object_get(json_array_get(result, 0), "start")) * 1000 <
		(double)now_ms - 4998);
	assert_int_equal(json_array_size(json_object_get(json_array_get(result, 0), "histograms")),
		0);
	json_decref(result);
	result = query("up{job=\"a\"}", "");
	assert_null(json_object_get(json_array_get(result, 0), "start"));
	json_decref(result);
}

static void what_was_dropped_is_counted_and_not_there(void **state)
{
	json_t *result = query("debug", "");

	assert_int_equal(json_array_size(result), 0);
	json_decref(result);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_remote_write_samples_total{result=\"dropped\"}") == 3);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_remote_write_histograms_total{result=\"stored\"}") == 2);
	assert_true(
		web_metric(nimbusguard->url, "nimbusguard_store_records{kind=\"exemplar\"}") == 2);
	server_end(nimbusguard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_to_2_0_tells_what_was_written),
		cmocka_unit_test(the_answer_to_1_0_does_not),
		cmocka_unit_test(histograms_and_exemplars_are_read_back_bucket_by_bucket),
		cmocka_unit_test(quantiles_of_a_window_are_told),
		cmocka_unit_test(bad_quantiles_are_refused),
		cmocka_unit_test(a_start_is_told_with_its_series),
		cmocka_unit_test(what_was_dropped_is_counted_and_not_there),
	};

	return cmocka_run_group_tests_name("remote_write_v2", tests, setup, teardown);
}
