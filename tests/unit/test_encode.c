/*
 * The sender's side against our decoder and protobuf-c's, and its answers when room or memory ends.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote_write/decode_v1.h"
#include "remote_write/encode.h"
#include "remote_write/snappy_body.h"
#include "remote_write_v1.pb-c.h"

static struct write_encoder *encoder;
static struct snappy_body decoded;
static struct labels labels;
static struct error error;

static const struct label pairs[] = {
	{"__name__", "up", 8, 2},
	{"instance", "10.0.0.1:9100", 8, 13},
	{"job", "node", 3, 4},
};

static int setup(void **state)
{
	encoder = write_encoder_open(4096, &error);
	assert_non_null(encoder);
	snappy_body_init(&decoded);
	assert_int_equal(labels_init(&labels, pairs, 3, &error), STATUS_OK);
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	write_encoder_close(encoder);
	snappy_body_fini(&decoded);
	labels_fini(&labels);
	return 0;
}

static Prometheus__WriteRequest *finish(void)
{
	Prometheus__WriteRequest *request;
	const void *body;
	size_t size;

	assert_int_equal(write_encoder_finish(encoder, &body, &size, &error), STATUS_OK);
	assert_int_equal(snappy_body_decode(&decoded, body, size, 1 << 20, &error), STATUS_OK);
	request = prometheus__write_request__unpack(NULL, decoded.size, decoded.bytes);
	assert_non_null(request);
	return request;
}

static void what_is_encoded_is_what_protobuf_c_reads(void **state)
{
	static const int64_t times[] = {1700000000000, 0, -1, INT64_MIN, INT64_MAX};
	static const double values[] = {1.5, 0, -0.0, 1e300, INFINITY};
	Prometheus__WriteRequest *request;

	for (int round = 0; round < 2; round++) {
		write_encoder_reset(encoder);
		assert_int_equal(write_encoder_add(encoder, &labels, times, values, 5), STATUS_OK);
		assert_int_equal(write_encoder_add(encoder, &labels, times, values, 0), STATUS_OK);
		assert_int_equal(write_encoder_add_metadata(encoder, 1, "up", "Whether it is up."),
			STATUS_OK);
		assert_int_equal(write_encoder_add_metadata(encoder, 0, "x", ""), STATUS_OK);
		request = finish();
		assert_int_equal(request->n_timeseries, 2);
		assert_int_equal(request->timeseries[0]->n_labels, 3);
		for (size_t i = 0; i < 3; i++) {
			const Prometheus__Label *label = request->timeseries[0]->labels[i];
			assert_int_equal(label->name.len, pairs[i].name_size);
			assert_memory_equal(label->name.data, pairs[i].name, pairs[i].name_size);
			assert_int_equal(label->value.len, pairs[i].value_size);
			assert_memory_equal(label->value.data, pairs[i].value, pairs[i].value_size);
		}
		assert_int_equal(request->timeseries[0]->n_samples, 5);
		for (size_t i = 0; i < 5; i++) {
			const Prometheus__Sample *sample = request->timeseries[0]->samples[i];
			assert_true(sample->timestamp == times[i]);
			assert_memory_equal(&sample->value, &values[i], sizeof(double));
		}
		assert_int_equal(request->timeseries[1]->n_samples, 0);
		assert_int_equal(request->n_metadata, 2);
		assert_int_equal(request->metadata[0]->type, 1);
		assert_memory_equal(request->metadata[0]->help.data, "Whether it is up.", 17);
		assert_int_equal(request->metadata[1]->metric_family_name.len, 1);
		prometheus__write_request__free_unpacked(request, NULL);
	}
}

static void the_receiver_finds_the_sample_by_its_tail(void **state)
{
	static const int64_t t_ms = 1700000000000;
	static const double values[] = {42, 0};

	for (size_t i = 0; i < 2; i++) {
		struct decoded_sample sample = {0, 0};
		struct decode_v1 decode;
		struct wire frame;
		const void *body;
		size_t size;

		write_encoder_reset(encoder);
		assert_int_equal(write_encoder_add(encoder, &labels, &t_ms, &values[i], 1),
			STATUS_OK);
		assert_int_equal(write_encoder_finish(encoder, &body, &size, &error), STATUS_OK);
		assert_int_equal(snappy_body_decode(&decoded, body, size, 4096, &error), STATUS_OK);
		decode = decode_v1_of(decoded.bytes, decoded.size);
		assert_int_equal(decode_v1_frames(&decode, &frame, 1), 1);
		/* 3 labels: 6 bytes of tags and lengths each, and their texts. */
		assert_int_equal(series_tail(&frame, &sample), 3 * 6 + 10 + 21 + 7);
		assert_true(sample.t_ms == t_ms && sample.value == values[i]);
	}
}

static void a_series_that_does_not_fit_leaves_the_request_as_it_was(void **state)
{
	static const int64_t t_ms = 1700000000000;
	static const double value = 1;
	Prometheus__WriteRequest *request;
	size_t count = 0;
	char big[4096];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	while (write_encoder_add(encoder, &labels, &t_ms, &value, 1) == STATUS_OK)
		count++;
	assert_int_equal(count, 4096 / 76);
	assert_int_equal(write_encoder_add_metadata(encoder, 1, "up", big), STATUS_LIMIT);
	request = finish();
	assert_int_equal(request->n_timeseries, count);
	assert_int_equal(request->n_metadata, 0);
	prometheus__write_request__free_unpacked(request, NULL);
}

static void an_empty_request_is_a_block_too(void **state)
{
	const void *body;
	size_t size;

	assert_int_equal(write_encoder_finish(encoder, &body, &size, &error), STATUS_OK);
	assert_int_equal(size, 1);
	assert_int_equal(*(const char *)body, 0);
}

/* A request of 2.0 with one series of three samples. body: [256]; returns its size. */
static size_t make_v2(uint8_t *body)
{
	struct write_encoder *newer = write_encoder_open_v2(4096, &error);
	const void *bytes;
	size_t size;

	assert_non_null(newer);
	write_encoder_reset(newer);
	assert_int_equal(write_encoder_add_started(newer, &labels, (int64_t[]){1, 2, 3},
				 (double[]){4, 5, NAN}, (int64_t[]){1, 1, 1}, 3),
		STATUS_OK);
	assert_int_equal(write_encoder_finish(newer, &bytes, &size, &error), STATUS_OK);
	assert_true(size <= 256);
	memcpy(body, bytes, size);
	write_encoder_close(newer);
	return size;
}

static void a_request_of_2_0_is_said_again_in_1_0(void **state)
{
	uint8_t body[256];
	size_t size = make_v2(body);
	Prometheus__WriteRequest *request;
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		enum status status;

		write_encoder_reset(encoder);
		mem_fail_after(nth, false);
		status = write_encoder_add_request_v2(encoder, body, size, 4096, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
	}
	request = finish();
	assert_int_equal(request->n_timeseries, 1);
	assert_int_equal(request->timeseries[0]->n_labels, 3);
	assert_int_equal(request->timeseries[0]->n_samples, 3);
	for (size_t i = 0; i < 3; i++) {
		const Prometheus__Label *label = request->timeseries[0]->labels[i];

		assert_int_equal(label->value.len, pairs[i].value_size);
		assert_memory_equal(label->value.data, pairs[i].value, label->value.len);
		assert_true(request->timeseries[0]->samples[i]->timestamp == (int64_t)i + 1);
	}
	assert_true(request->timeseries[0]->samples[1]->value == 5);
	assert_true(isnan(request->timeseries[0]->samples[2]->value));
	prometheus__write_request__free_unpacked(request, NULL);
}

static void what_is_no_request_of_2_0_is_refused(void **state)
{
	uint8_t body[256];
	size_t size = make_v2(body), plain;

	/* The end of a snappy block is known, so that none of its beginnings is one. */
	for (size_t cut = 0; cut < size; cut++) {
		write_encoder_reset(encoder);
		assert_int_equal(write_encoder_add_request_v2(encoder, body, cut, 4096, &error),
			STATUS_BAD_INPUT);
	}
	assert_int_equal(write_encoder_add_request_v2(encoder, body, size, 8, &error),
		STATUS_LIMIT);
	/* One of 1.0; and a series that refers to a symbol that there is not. */
	static const uint8_t bad[][8] = {{0x0a, 0x00}, {0x2a, 0x04, 0x0a, 0x02, 0x00, 0x07}};
	static const uint8_t sizes[] = {2, 6};

	for (size_t i = 0; i < 2; i++) {
		plain = 0;
		body[plain++] = sizes[i];
		body[plain++] = (uint8_t)((sizes[i] - 1) << 2);
		memcpy(body + plain, bad[i], sizes[i]);
		write_encoder_reset(encoder);
		assert_int_equal(write_encoder_add_request_v2(encoder, body, plain + sizes[i], 4096,
					 &error),
			STATUS_BAD_INPUT);
	}
}

static void memory_that_runs_out_is_an_answer(void **state)
{
	static const int64_t t_ms = 1;
	static const double value = 1;
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct write_encoder *other;
		const void *body;
		size_t size;

		mem_fail_after(nth, false);
		error_reset(&error);
		other = write_encoder_open(4096, &error);
		if (other == NULL) {
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		} else {
			enum status added = write_encoder_add(other, &labels, &t_ms, &value, 1);
			enum status finished = write_encoder_finish(other, &body, &size, &error);
			if (added != STATUS_OK)
				assert_int_equal(finished, STATUS_NO_MEMORY);
			assert_true(added == STATUS_OK || added == STATUS_NO_MEMORY);
			assert_true(finished == STATUS_OK || finished == STATUS_NO_MEMORY);
		}
		reached = mem_fail_after(0, false);
		if (other != NULL) {
			write_encoder_reset(other);
			assert_int_equal(write_encoder_add(other, &labels, &t_ms, &value, 1),
				STATUS_OK);
			assert_int_equal(write_encoder_finish(other, &body, &size, &error),
				STATUS_OK);
		}
		write_encoder_close(other);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_encoded_is_what_protobuf_c_reads),
		TEST(the_receiver_finds_the_sample_by_its_tail),
		TEST(a_series_that_does_not_fit_leaves_the_request_as_it_was),
		TEST(an_empty_request_is_a_block_too),
		TEST(a_request_of_2_0_is_said_again_in_1_0),
		TEST(what_is_no_request_of_2_0_is_refused),
		TEST(memory_that_runs_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
