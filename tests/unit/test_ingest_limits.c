/*
 * What stands before decoding: media types, sizes, claims, and the number of series in a request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "remote_write/ingest.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)

static struct clock_manual manual;
static struct store *store;
static struct ingest *ingest;
static struct write_body request, block;
static struct ingest_counts counts;
static struct error error;

static int setup(void **state)
{
	const struct store_limits store_limits = {
		.memory_max = 64 << 20,
		.series_max = 1000,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct ingest_limits limits = {
		.body_max = 4096,
		.decoded_max = 8192,
		.labels_max = 16,
		.label_name_max = 32,
		.label_value_max = 64,
		.series_max = 100,
	};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	ingest = ingest_open(store, &limits, &error);
	assert_non_null(ingest);
	write_body_reset(&request);
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	ingest_close(ingest);
	store_close(store);
	return 0;
}

static enum status send_block(void)
{
	error_reset(&error);
	return ingest_request(ingest, NULL, NULL, block.bytes, block.size, &counts, &error);
}

static void assert_says(const char *part)
{
	if (strstr(error.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void the_media_type_alone_chooses_the_message(void **state)
{
	static const struct {
		const char *type, *encoding;
		enum status status;
	} cases[] = {
		{NULL, NULL, STATUS_OK},
		{"", "", STATUS_OK},
		{"application/x-protobuf", "snappy", STATUS_OK},
		{"APPLICATION/X-Protobuf", "SNAPPY", STATUS_OK},
		{" application/x-protobuf ", " snappy ", STATUS_OK},
		{"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", STATUS_OK},
		{"application/x-protobuf ; proto=prometheus.WriteRequest", "snappy", STATUS_OK},
		{"application/x-protobuf; Proto=\"prometheus.WriteRequest\"", "snappy", STATUS_OK},
		{"application/x-protobuf; charset=utf-8", "snappy", STATUS_OK},
		{"application/x-protobuf; a=\"b;proto=c\"", "snappy", STATUS_OK},
		{"application/x-protobuf;", "snappy", STATUS_OK},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy",
			STATUS_OK},
		{"application/x-protobuf; proto=\"IO.prometheus.write.v2.Request\"", "", STATUS_OK},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request", "gzip",
			STATUS_MEDIA_TYPE},
		{"application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy",
			STATUS_MEDIA_TYPE},
		{"application/x-protobuf;proto=prometheus.WriteRequest"
		 ";proto=io.prometheus.write.v2.Request",
			"snappy", STATUS_MEDIA_TYPE},
		{"application/x-protobuf;proto=other", "snappy", STATUS_MEDIA_TYPE},
		{"application/x-protobuf;proto=", "snappy", STATUS_MEDIA_TYPE},
		{"application/x-protobuf;a=b;proto=other", "snappy", STATUS_MEDIA_TYPE},
		{"application/x-protobuffer", "snappy", STATUS_MEDIA_TYPE},
		{"application/json", "snappy", STATUS_MEDIA_TYPE},
		{";proto=prometheus.WriteRequest", "snappy", STATUS_MEDIA_TYPE},
		{"application/x-protobuf", "gzip", STATUS_MEDIA_TYPE},
		{"application/x-protobuf", "identity", STATUS_MEDIA_TYPE},
		{"application/x-protobuf", "snappy, gzip", STATUS_MEDIA_TYPE},
	};

	/* An empty request is good in both versions. */
	write_body_snappy(&request, &block);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double before = metrics_get(METRIC_RW_REQUESTS, "unsupported_media_type");
		enum status status = ingest_check_media(cases[i].type, cases[i].encoding, &error);
		if (status != cases[i].status)
			fail_msg("%s: %s", cases[i].type, status_label(status));
		assert_int_equal(ingest_request(ingest, cases[i].type, cases[i].encoding,
					 block.bytes, block.size, &counts, &error),
			cases[i].status);
		assert_true(metrics_get(METRIC_RW_REQUESTS, "unsupported_media_type") ==
			before + (status == STATUS_OK ? 0 : 2));
	}
}

static void each_version_is_counted_and_2_0_alone_tells_what_was_written(void **state)
{
	static const char *const types[] = {NULL, "application/x-protobuf",
		"application/x-protobuf;proto=io.prometheus.write.v2.Request"};
	double v1 = metrics_get(METRIC_RW_VERSIONS, "1.0");
	double v2 = metrics_get(METRIC_RW_VERSIONS, "2.0");

	write_body_snappy(&request, &block);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ingest_request(ingest, types[i], "snappy", block.bytes, block.size,
					 &counts, &error),
			STATUS_OK);
		assert_int_equal(counts.tell_written, i == 2);
		/* On errors too. */
		assert_int_equal(ingest_request(ingest, types[i], "snappy", "x", 1, &counts,
					 &error),
			STATUS_BAD_INPUT);
		assert_int_equal(counts.tell_written, i == 2);
	}
	assert_true(metrics_get(METRIC_RW_VERSIONS, "1.0") == v1 + 4);
	assert_true(metrics_get(METRIC_RW_VERSIONS, "2.0") == v2 + 2);
}

static void a_body_over_the_limit_is_413_and_a_decoded_one_400(void **state)
{
	while (request.size <= 4096)
		write_body_simple(&request, "__name__=up,job=abcdefghijklmnop", NOW_MS, 1);
	write_body_snappy(&request, &block);
	assert_int_equal(send_block(), STATUS_TOO_LARGE);
	assert_int_equal(status_http(STATUS_TOO_LARGE), 413);
	assert_says("the limit is 4096");
	assert_int_equal(counts.series, 0);

	write_body_reset(&block);
	write_body_hex(&block, "81 40 00 78"); /* claims 8193 bytes */
	assert_int_equal(send_block(), STATUS_LIMIT);
	assert_int_equal(status_http(STATUS_LIMIT), 400);
	assert_says("8193");
	assert_true(metrics_get(METRIC_RW_INVALID, "decoded_size") == 1);
	assert_true(metrics_get(METRIC_RW_INVALID, "body_size") == 1);
}

static void six_bytes_that_claim_4_gib_cost_nothing(void **state)
{
	write_body_reset(&block);
	write_body_hex(&block, "ff ff ff ff 0f 00");
	mem_fail_after(1, true);
	assert_int_equal(send_block(), STATUS_LIMIT);
	assert_false(mem_fail_after(0, false));
	assert_says("4294967295");
	assert_int_equal(counts.decoded_bytes, 0);
}

static void malformed_snappy_is_400_and_nothing_is_kept(void **state)
{
	write_body_simple(&request, "__name__=up", NOW_MS, 1);
	write_body_snappy(&request, &block);
	block.size--;
	assert_int_equal(send_block(), STATUS_BAD_INPUT);
	assert_says("snappy");
	assert_int_equal(counts.samples, 0);
	block.size = 0;
	assert_int_equal(send_block(), STATUS_BAD_INPUT);
	assert_says("empty");
}

static void an_empty_request_is_taken(void **state)
{
	write_body_reset(&block);
	write_body_hex(&block, "00");
	assert_int_equal(send_block(), STATUS_OK);
	assert_int_equal(counts.series, 0);
}

static void series_past_the_limit_are_refused_and_those_before_are_kept(void **state)
{
	char name[32];

	for (int i = 0; i < 101; i++) {
		if (i == 100) {
			write_body_snappy(&request, &block);
			assert_int_equal(send_block(), STATUS_OK);
		}
		snprintf(name, sizeof(name), "__name__=s%d", i);
		write_body_simple(&request, name, NOW_MS, 1);
	}
	write_body_snappy(&request, &block);
	assert_int_equal(send_block(), STATUS_LIMIT);
	assert_says("more than 100 time series");
	assert_int_equal(counts.series, 100);
	assert_int_equal(counts.results[APPEND_REPEATED], 100);
	assert_true(metrics_get(METRIC_RW_INVALID, "series_count") == 1);
}

static void random_blocks_are_answered(void **state)
{
	/* Every prefix of a good block, and each of its bytes changed. */
	size_t whole;

	write_body_simple(&request, "__name__=up,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=up,job=b", NOW_MS, 1);
	write_body_snappy(&request, &block);
	whole = block.size;
	for (size_t i = 0; i < whole; i++) {
		uint8_t byte = block.bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			enum status status;
			block.bytes[i] = (uint8_t)(byte ^ 1 << bit);
			status = send_block();
			assert_true(status == STATUS_OK || status == STATUS_BAD_INPUT ||
				status == STATUS_LIMIT);
			assert_true(status == STATUS_OK || error.text[0] != '\0');
		}
		block.bytes[i] = byte;
		block.size = i;
		assert_int_equal(send_block(), STATUS_BAD_INPUT);
		block.size = whole;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_media_type_alone_chooses_the_message),
		TEST(each_version_is_counted_and_2_0_alone_tells_what_was_written),
		TEST(a_body_over_the_limit_is_413_and_a_decoded_one_400),
		TEST(six_bytes_that_claim_4_gib_cost_nothing),
		TEST(malformed_snappy_is_400_and_nothing_is_kept),
		TEST(an_empty_request_is_taken),
		TEST(series_past_the_limit_are_refused_and_those_before_are_kept),
		TEST(random_blocks_are_answered),
	};

	return cmocka_run_group_tests_name("ingest_limits", tests, NULL, NULL);
}
