/* run-under: tsan */
/*
 * What is sent by remote write: in its order, with the headers of the protocol, again where the server asks
 * for it and never where it refuses; and what finds no room, is too old or is left at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "daemon/write_queue.h"
#include "remote_write/encode.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"

#define DEADLINE_MS 120000
#define LONG_MS INT64_C(3600000)
#define COUNT(rules) (sizeof(rules) / sizeof(*(rules)))

static struct http_stub *stub;
static char url[64], folder[FOLDER_PATH_MAX];

static struct write_queue_config config_of(unsigned port)
{
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/v1/write", port);
	return (struct write_queue_config){.target = {.url = url, .timeout_ms = LONG_MS},
		.bytes_max = 1 << 20,
		.age_max_ms = LONG_MS,
		.wait_first_ms = 1,
		.wait_max_ms = 20};
}

static struct write_queue_config config_make(const struct stub_rule *rules, size_t count)
{
	stub = http_stub_open(rules, count, NULL, NULL);
	assert_non_null(stub);
	return config_of(http_stub_port(stub));
}

static struct write_queue *queue_make(const struct write_queue_config *config)
{
	struct write_queue *queue;
	struct error error;

	metrics_reset();
	queue = write_queue_open(config, &error);
	if (queue == NULL)
		fail_msg("%s", error.text);
	return queue;
}

static void add(struct write_queue *queue, const char *body)
{
	const struct write_form forms[WRITE_PROTOCOLS] = {[WRITE_1_0] = {body, strlen(body)}};

	write_queue_add(queue, forms, 3);
}

static double samples(const char *result)
{
	return metrics_get(METRIC_WRITE_OUT_SAMPLES, result);
}

static double requests(const char *result)
{
	return metrics_get(METRIC_WRITE_OUT_REQUESTS, result);
}

#define WAIT(condition)                                                                            \
	do {                                                                                       \
		int64_t until_ns = clock_mono_ns(clock_system()) + DEADLINE_MS * INT64_C(1000000); \
		while (!(condition)) {                                                             \
			if (clock_mono_ns(clock_system()) > until_ns)                              \
				fail_msg("in vain: %s", #condition);                               \
			clock_sleep_ms(5);                                                         \
		}                                                                                  \
	} while (0)

static void requests_go_out_in_their_order_with_the_headers_of_the_protocol(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = "POST /api/v1/write ", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);

	add(queue, "first");
	add(queue, "second");
	WAIT(samples("sent") == 6);
	write_queue_close(queue, 0);
	assert_int_equal(http_stub_request_count(stub), 2);
	assert_string_equal(http_stub_body(stub, 0), "first");
	assert_string_equal(http_stub_body(stub, 1), "second");
	assert_non_null(strstr(http_stub_request(stub, 0), "\r\nContent-Encoding: snappy\r\n"));
	assert_non_null(
		strstr(http_stub_request(stub, 0), "\r\nContent-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(http_stub_request(stub, 0),
		"\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"));
	assert_non_null(strstr(http_stub_request(stub, 0), "\r\nUser-Agent: nimbusguard"));
	assert_null(strstr(http_stub_request(stub, 0), "Authorization"));
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE) == 0);
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE_BYTES) == 0);
	http_stub_close(stub);
}

#define COUNTED "X-Prometheus-Remote-Write-Samples-Written: 3\r\n"
#define IS_V2(i) (strstr(http_stub_request(stub, i), "-Version: 2.0.0\r\n") != NULL)

/* In the forms that are wanted now. */
static void add_wanted(struct write_queue *queue)
{
	const struct write_form forms[WRITE_PROTOCOLS] =
		{[WRITE_1_0] = {"one", write_queue_wants(queue, WRITE_1_0) ? 3 : 0},
			[WRITE_2_0] = {"second", write_queue_wants(queue, WRITE_2_0) ? 6 : 0}};

	write_queue_add(queue, forms, 3);
}

/* Three samples with that first value, as a request of one protocol. body: [4096]; returns its size. */
static size_t make_body(enum write_protocol protocol, double first, char *body)
{
	const struct label pairs[] = {{"__name__", "up", 8, 2}, {"job", "node", 3, 4}};
	struct write_encoder *encoder;
	struct labels labels;
	struct error error;
	const void *bytes;
	size_t size;

	encoder = protocol == WRITE_2_0 ? write_encoder_open_v2(4096, &error)
					: write_encoder_open(4096, &error);
	assert_non_null(encoder);
	write_encoder_reset(encoder);
	assert_int_equal(labels_init(&labels, pairs, COUNT(pairs), &error), STATUS_OK);
	assert_int_equal(write_encoder_add(encoder, &labels, (int64_t[]){1, 2, 3},
				 (double[]){first, first + 1, first + 2}, 3),
		STATUS_OK);
	assert_int_equal(write_encoder_finish(encoder, &bytes, &size, &error), STATUS_OK);
	assert_true(size <= 4096);
	memcpy(body, bytes, size);
	labels_fini(&labels);
	write_encoder_close(encoder);
	return size;
}

static void add_v2_alone(struct write_queue *queue, double first)
{
	char body[4096];
	const struct write_form forms[WRITE_PROTOCOLS] = {
		[WRITE_2_0] = {body, make_body(WRITE_2_0, first, body)}};

	write_queue_add(queue, forms, 3);
}

/* A receiver that counts what it has written. */
static void where_2_0_is_taken_it_is_written(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 503, .times = 1},
		{.start = "POST", .code = 204, .body = "", .headers = COUNTED, .times = 2},
		{.start = "POST", .code = 415, .times = 1},
		{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;

	(void)state;
	config.negotiation = WRITE_EITHER;
	queue = queue_make(&config);
	assert_true(write_queue_wants(queue, WRITE_1_0) && write_queue_wants(queue, WRITE_2_0));
	add_wanted(queue);
	WAIT(samples("sent") == 3);
	assert_true(!write_queue_wants(queue, WRITE_1_0) && write_queue_wants(queue, WRITE_2_0));
	add_wanted(queue);
	WAIT(samples("sent") == 6);
	for (size_t i = 0; i < 3; i++) {
		assert_true(IS_V2(i));
		assert_string_equal(http_stub_body(stub, i), "second");
		assert_non_null(strstr(http_stub_request(stub, i),
			"\r\nContent-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"
			"\r\n"));
	}
	/* Replaced by one that takes no 2.0, and what was added as 2.0 is none. */
	add_wanted(queue);
	WAIT(samples("refused") == 3);
	assert_true(write_queue_wants(queue, WRITE_1_0) && !write_queue_wants(queue, WRITE_2_0));
	add_wanted(queue);
	WAIT(samples("sent") == 9);
	assert_false(IS_V2(4));
	write_queue_close(queue, 0);
	http_stub_close(stub);
}

/* Settled on 2.0, away for a while, back as one of 1.0. */
static void what_waits_in_2_0_alone_is_said_again_in_1_0(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "POST", .code = 204, .body = "", .headers = COUNTED, .times = 1},
			{.start = "POST", .code = 503}};
	static const struct stub_rule older[] = {{.start = "POST", .code = 415, .times = 1},
		{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;
	size_t before;

	(void)state;
	config.negotiation = WRITE_EITHER;
	queue = queue_make(&config);
	add_v2_alone(queue, 1);
	WAIT(samples("sent") == 3);
	for (int i = 0; i < 3; i++)
		add_v2_alone(queue, 10 * (i + 1));
	WAIT(requests("retry") >= 1);
	http_stub_rules(stub, older, COUNT(older));
	WAIT(samples("sent") == 12);
	write_queue_close(queue, 0);
	assert_true(samples("refused") == 0);
	/* The last three, in their order and no byte otherwise than if they had waited in 1.0. */
	before = http_stub_request_count(stub) - 3;
	for (size_t i = 0; i < 3; i++) {
		char expected[4096], length[64];
		size_t size = make_body(WRITE_1_0, 10 * ((double)i + 1), expected);

		snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", size);
		assert_non_null(strstr(http_stub_request(stub, before + i), length));
		assert_false(IS_V2(before + i));
		assert_memory_equal(http_stub_body(stub, before + i), expected, size);
	}
	http_stub_close(stub);
}

static void where_it_is_not_the_same_samples_go_out_as_1_0(void **state)
{
	/* One of 1.0 that reads it as an empty request, one that cannot, one that says what is wrong. */
	static const struct stub_rule answers[][2] =
		{{{.start = "POST", .code = 204, .body = "", .times = 1},
			 {.start = "POST", .code = 204, .body = ""}},
			{{.start = "POST", .code = 400, .times = 1},
				{.start = "POST", .code = 204, .body = ""}},
			{{.start = "POST", .code = 415, .times = 1},
				{.start = "POST", .code = 204, .body = ""}}};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct write_queue_config config = config_make(answers[i], 2);
		struct write_queue *queue;

		config.negotiation = WRITE_EITHER;
		queue = queue_make(&config);
		add_wanted(queue);
		WAIT(samples("sent") == 3);
		assert_true(samples("refused") == 0);
		add_wanted(queue);
		WAIT(samples("sent") == 6);
		write_queue_close(queue, 0);
		assert_int_equal(http_stub_request_count(stub), 3);
		assert_true(IS_V2(0) && !IS_V2(1) && !IS_V2(2));
		assert_string_equal(http_stub_body(stub, 1), "one");
		http_stub_close(stub);
	}
}

static void one_protocol_alone_is_not_negotiated(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 415, .times = 1},
		{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;

	(void)state;
	config.negotiation = WRITE_ONLY_2_0;
	queue = queue_make(&config);
	add_wanted(queue);
	add_wanted(queue);
	WAIT(samples("sent") == 3 && samples("refused") == 3);
	write_queue_close(queue, 0);
	assert_true(IS_V2(0) && IS_V2(1));
	http_stub_close(stub);
}

static void what_is_refused_is_dropped_and_holds_up_nothing(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST",
							 .code = 400,
							 .body = "out of order sample",
							 .times = 1},
		{.start = "POST", .code = 401, .times = 1},
		{.start = "POST", .code = 302, .headers = "Location: /elsewhere\r\n", .times = 1},
		{.start = "POST", .code = 200}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);

	for (int i = 0; i < 4; i++)
		add(queue, "body");
	WAIT(samples("sent") == 3);
	assert_true(samples("refused") == 9);
	assert_true(requests("refused") == 3);
	assert_true(requests("retry") == 0);
	write_queue_close(queue, 0);
	assert_int_equal(http_stub_request_count(stub), 4);
	http_stub_close(stub);
}

static void a_server_that_fails_or_is_slow_gets_the_same_again(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 500, .times = 2},
		{.start = "POST", .code = 503, .times = 1},
		{.start = "POST", .drop = true, .times = 1},
		{.start = "POST", .stream = true, .times = 1},
		{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;

	config.target.timeout_ms = 1000;
	queue = queue_make(&config);
	add(queue, "first");
	add(queue, "second");
	WAIT(samples("sent") == 6);
	/* Where a kept connection breaks libcurl repeats the request itself, which does no harm here. */
	assert_true(requests("retry") >= 4);
	assert_true(requests("sent") == 2);
	write_queue_close(queue, 0);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(http_stub_body(stub, i), "first");
	assert_string_equal(http_stub_body(stub, http_stub_request_count(stub) - 1), "second");
	http_stub_close(stub);
}

static void too_many_requests_are_tried_again_when_the_server_says(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "POST", .code = 429, .headers = "Retry-After: 2\r\n", .times = 1},
			{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);
	int64_t from_ns = clock_mono_ns(clock_system());

	add(queue, "body");
	WAIT(samples("sent") == 3);
	/* Not before it, however fast the machine. */
	assert_true(clock_mono_ns(clock_system()) - from_ns >= INT64_C(2000000000));
	assert_true(requests("retry") == 1);
	write_queue_close(queue, 0);
	http_stub_close(stub);
}

static void a_server_that_comes_up_gets_what_waited(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 503}};
	static const struct stub_rule good[] = {{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);

	for (int i = 0; i < 20; i++)
		add(queue, "body");
	WAIT(requests("retry") >= 3);
	assert_true(samples("sent") == 0);
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE) == 60);
	http_stub_rules(stub, good, COUNT(good));
	WAIT(samples("sent") == 60);
	write_queue_close(queue, 0);
	http_stub_close(stub);
}

static void where_there_is_no_room_the_oldest_that_wait_are_dropped(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 503}};
	static const struct stub_rule good[] = {{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;

	config.bytes_max = 25;
	queue = queue_make(&config);
	add(queue, "0123456789");
	WAIT(requests("retry") >= 1);
	add(queue, "old");
	add(queue, "new 56789");
	assert_true(samples("dropped_full") == 0);
	/* Room for one of ten beside what is under way. */
	add(queue, "newest6789");
	assert_true(samples("dropped_full") == 6);
	/* Larger than all of it. */
	add(queue, "01234567890123456789012345");
	assert_true(samples("dropped_full") == 12);
	add(queue, "last");
	http_stub_rules(stub, good, COUNT(good));
	WAIT(samples("sent") == 6);
	write_queue_close(queue, 0);
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE) == 0);
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE_BYTES) == 0);
	assert_string_equal(http_stub_body(stub, http_stub_request_count(stub) - 2), "0123456789");
	assert_string_equal(http_stub_body(stub, http_stub_request_count(stub) - 1), "last");
	http_stub_close(stub);
}

static void what_is_too_old_is_dropped(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 503}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;

	config.age_max_ms = 100;
	queue = queue_make(&config);
	add(queue, "body");
	add(queue, "body");
	WAIT(samples("dropped_old") == 6);
	assert_true(metrics_get(METRIC_WRITE_OUT_QUEUE) == 0);
	write_queue_close(queue, 0);
	http_stub_close(stub);
}

static void the_end_waits_for_what_can_be_sent(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "POST", .code = 503, .times = 1, .headers = "Retry-After: 3600\r\n"},
			{.start = "POST", .code = 204, .body = "", .delay_ms = 50}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);

	for (int i = 0; i < 5; i++)
		add(queue, "body");
	WAIT(requests("retry") == 1);
	/* What the server asked for is put aside: there is no later. */
	write_queue_close(queue, DEADLINE_MS);
	assert_true(samples("sent") == 15);
	assert_true(samples("dropped_end") == 0);
	http_stub_close(stub);
}

static void the_end_does_not_wait_for_ever(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .stream = true}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue = queue_make(&config);

	add(queue, "body");
	add(queue, "body");
	WAIT(http_stub_request_count(stub) == 1);
	write_queue_close(queue, 100);
	assert_true(samples("dropped_end") == 6);
	assert_true(samples("sent") == 0);
	http_stub_close(stub);
}

static void secrets_are_read_anew_for_each_request(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;
	char password[FOLDER_PATH_MAX], key[FOLDER_PATH_MAX], line[FOLDER_PATH_MAX + 16];

	folder_path(password, sizeof(password), folder, "password");
	folder_path(key, sizeof(key), folder, "key");
	snprintf(line, sizeof(line), "X-Api-Key=%s", key);
	config.target.user = "me";
	config.target.password_file = password;
	config.target.headers[0] = (struct write_header){"X-Scope-OrgID=shop=1", false};
	config.target.headers[1] = (struct write_header){line, true};
	folder_write(folder, "password", "one\n");
	queue = queue_make(&config);
	/* As with a server that is away: the key is not there yet. */
	add(queue, "first");
	WAIT(requests("retry") >= 1);
	assert_int_equal(http_stub_request_count(stub), 0);
	folder_write(folder, "key", "k1\n");
	WAIT(samples("sent") == 3);
	folder_write(folder, "password", "two");
	add(queue, "second");
	WAIT(samples("sent") == 6);
	write_queue_close(queue, 0);
	assert_non_null(
		strstr(http_stub_request(stub, 0), "\r\nAuthorization: Basic bWU6b25l\r\n"));
	assert_non_null(strstr(http_stub_request(stub, 0), "\r\nX-Scope-OrgID: shop=1\r\n"));
	assert_non_null(strstr(http_stub_request(stub, 0), "\r\nX-Api-Key: k1\r\n"));
	assert_non_null(
		strstr(http_stub_request(stub, 1), "\r\nAuthorization: Basic bWU6dHdv\r\n"));
	http_stub_close(stub);
}

/* A file with a line of its own behind the value would put a header of its own into the request. */
static void a_secret_of_two_lines_is_not_sent(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST", .code = 204, .body = ""}};
	struct write_queue_config config = config_make(rules, COUNT(rules));
	struct write_queue *queue;
	char key[FOLDER_PATH_MAX], line[FOLDER_PATH_MAX + 16];

	folder_path(key, sizeof(key), folder, "key");
	snprintf(line, sizeof(line), "X-Api-Key=%s", key);
	config.target.headers[0] = (struct write_header){line, true};
	folder_write(folder, "key", "k1\r\nX-Evil: 1");
	queue = queue_make(&config);
	add(queue, "body");
	WAIT(requests("retry") >= 2);
	write_queue_close(queue, 0);
	assert_int_equal(http_stub_request_count(stub), 0);
	http_stub_close(stub);
}

static void a_target_that_cannot_be_right_is_refused_by_name(void **state)
{
	const struct {
		struct write_target target;
		const char *words;
	} cases[] = {
		{{.url = "127.0.0.1:9090"}, "remote_write_out.url: \"127.0.0.1:9090\""},
		{{.url = "http://me:secret@127.0.0.1/"}, "remote_write_out.url"},
		{{.url = "http://example.com/w", .token_file = "t"}, "without a secret"},
		{{.url = "http://example.com/w", .headers = {{"X-Key=f", true}}},
			"without a secret"},
		{{.url = "https://a/", .token_file = "t", .user = "u", .password_file = "p"},
			"either a token or a user"},
		{{.url = "https://a/", .user = "u"}, "password_file"},
		{{.url = "https://a/", .password_file = "p"}, "password_file"},
		{{.url = "https://a/", .cert_file = "c"}, "cert_file needs a key_file"},
		{{.url = "https://a/", .headers = {{"NoValue", false}}},
			"remote_write_out.headers: \"NoValue\" is no NAME=VALUE"},
		{{.url = "https://a/", .headers = {{"X Y=1", false}}}, "is no NAME=VALUE"},
		{{.url = "https://a/", .headers = {{"=1", false}}}, "is no NAME=VALUE"},
		{{.url = "https://a/", .headers = {{"X=", true}}},
			"remote_write_out.header_files: \"X=\" is no NAME=FILE"},
		{{.url = "https://a/", .headers = {{"host=b", false}}}, "host cannot be set"},
		{{.url = "https://a/", .headers = {{"Content-Encoding=zstd", false}}},
			"cannot be set"},
		{{.url = "https://a/", .headers = {{"Proxy-X=1", false}}}, "cannot be set"},
	};
	const struct write_target good[] = {{.url = "http://prometheus:9090/api/v1/write"},
		{.url = "https://a/w", .token_file = "t", .cert_file = "c", .key_file = "k"},
		{.url = "http://localhost/w", .headers = {{"Hostess=1", false}}}};
	struct error error;

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(write_target_check(&cases[i].target, &error), STATUS_BAD_INPUT);
		if (strstr(error.text, cases[i].words) == NULL)
			fail_msg("%s: not \"%s\"", error.text, cases[i].words);
	}
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(write_target_check(&good[i], &error), STATUS_OK);
}

static int setup(void **state)
{
	folder_make(folder);
	return 0;
}

static int teardown(void **state)
{
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_go_out_in_their_order_with_the_headers_of_the_protocol),
		cmocka_unit_test(where_2_0_is_taken_it_is_written),
		cmocka_unit_test(what_waits_in_2_0_alone_is_said_again_in_1_0),
		cmocka_unit_test(where_it_is_not_the_same_samples_go_out_as_1_0),
		cmocka_unit_test(one_protocol_alone_is_not_negotiated),
		cmocka_unit_test(what_is_refused_is_dropped_and_holds_up_nothing),
		cmocka_unit_test(a_server_that_fails_or_is_slow_gets_the_same_again),
		cmocka_unit_test(too_many_requests_are_tried_again_when_the_server_says),
		cmocka_unit_test(a_server_that_comes_up_gets_what_waited),
		cmocka_unit_test(where_there_is_no_room_the_oldest_that_wait_are_dropped),
		cmocka_unit_test(what_is_too_old_is_dropped),
		cmocka_unit_test(the_end_waits_for_what_can_be_sent),
		cmocka_unit_test(the_end_does_not_wait_for_ever),
		cmocka_unit_test(secrets_are_read_anew_for_each_request),
		cmocka_unit_test(a_secret_of_two_lines_is_not_sent),
		cmocka_unit_test(a_target_that_cannot_be_right_is_refused_by_name),
	};

	return cmocka_run_group_tests_name("write_queue", tests, setup, teardown);
}
