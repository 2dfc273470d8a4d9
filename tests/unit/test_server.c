/* run-under: tsan */
/*
 * The HTTP server against a real client: routing, limits, bodies, suspension. Starting and
 * stopping are in test_server_life.c, TLS and credentials in test_server_tls.c and test_access.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "receiver/server.h"
#include "tests/support/server_fixture.h"

static int setup(void **state)
{
	static struct fixture fixture;

	fixture_start(&fixture, NULL);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	return 0;
}

static void assert_header(const struct http_reply *reply, const char *name, const char *value)
{
	char found[256];

	assert_true(http_header(reply, name, found, sizeof(found)));
	assert_string_equal(found, value);
}

static void body_comes_back_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "POST", "/echo", "", "some\nbytes");

	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body_size, 10);
	assert_memory_equal(reply.body, "some\nbytes", 10);
	assert_header(&reply, "X-Method", "POST");
	assert_header(&reply, "X-Content-Type-Options", "nosniff");
	assert_header(&reply, "Cache-Control", "no-store");
	http_reply_fini(&reply);
}

static void empty_body_is_a_body(void **state)
{
	struct fixture *fixture = *state;

	expect_status(http_call(fixture->port, "POST", "/echo", "", ""), 200);
}

static void large_body_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	char *body = malloc(FIXTURE_BODY_MAX + 1);
	struct http_reply reply;

	for (size_t i = 0; i < FIXTURE_BODY_MAX; i++)
		body[i] = (char)('a' + i % 23);
	body[FIXTURE_BODY_MAX] = '\0';
	reply = http_call(fixture->port, "POST", "/echo", "", body);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body_size, FIXTURE_BODY_MAX);
	assert_memory_equal(reply.body, body, FIXTURE_BODY_MAX);
	http_reply_fini(&reply);
	free(body);
}

static void body_over_the_limit_is_413_and_the_connection_goes_on(void **state)
{
	struct fixture *fixture = *state;
	char *text = calloc(1, FIXTURE_BODY_MAX + 300);
	int fd = http_connect(fixture->port), length;

	length = snprintf(text, 200, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
		FIXTURE_BODY_MAX + 1);
	assert_true(http_send(fd, text, (size_t)length + FIXTURE_BODY_MAX + 1));
	expect_status(http_read(fd, 120000, false), 413);
	http_send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(http_read(fd, 120000, false), 200);
	close(fd);
	free(text);
}

static void huge_claim_is_refused_before_a_byte_is_read(void **state)
{
	struct fixture *fixture = *state;

	expect_status(
		http_ask(fixture->port,
			"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4294967296\r\n\r\n"),
		413);
	expect_status(http_ask(fixture->port,
			      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
			      "99999999999999999999999\r\n\r\n"),
		413);
}

static void missing_length_is_411(void **state)
{
	struct fixture *fixture = *state;

	expect_status(http_call(fixture->port, "POST", "/echo", "", NULL), 411);
}

static void chunked_body_is_taken_up_to_the_limit(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply;
	struct buf text;

	reply = http_ask(fixture->port,
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "abcde");
	http_reply_fini(&reply);

	buf_init(&text, 2 * FIXTURE_BODY_MAX);
	buf_add_text(&text,
		"POST /api/v1/under/exact HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 20; i++)
		buf_add_text(&text, "5\r\nabcde\r\n");
	buf_add_text(&text, "0\r\n\r\n");
	expect_status(http_ask(fixture->port, text.data), 413);
	buf_fini(&text);
}

static void two_ways_to_end_a_body_are_refused(void **state)
{
	struct fixture *fixture = *state;

	expect_status(http_ask(fixture->port,
			      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
			      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		400);
	expect_status(http_ask(fixture->port,
			      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
			      "Content-Length: 5\r\n\r\nabcde"),
		400);
	expect_status(http_ask(fixture->port,
			      "POST /echo HTTP/1.1\r\nHost: x\r\n"
			      "Transfer-Encoding: gzip\r\n\r\nabc"),
		400);
	expect_status(http_ask(fixture->port, "GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
		400);
}

static void body_to_a_route_without_one_is_ignored(void **state)
{
	struct fixture *fixture = *state;
	char *large = calloc(1, 70001);

	expect_status(http_call(fixture->port, "POST", "/change", "", "x=1"), 200);
	memset(large, 'x', 70000);
	expect_status(http_call(fixture->port, "POST", "/change", "", large), 413);
	free(large);
}

static void unknown_path_is_404(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "GET", "/api/v1/none", "", NULL);

	assert_int_equal(reply.status, 404);
	assert_string_equal(reply.body,
		"{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"not found\"}\n");
	http_reply_fini(&reply);
	reply = http_call(fixture->port, "GET", "/echo/", "", NULL);
	assert_int_equal(reply.status, 404);
	assert_string_equal(reply.body, "not found\n");
	http_reply_fini(&reply);
	expect_status(http_call(fixture->port, "GET", "/echo%00", "", NULL), 404);
}

static void wrong_method_is_405_with_the_right_ones(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "DELETE", "/echo", "", NULL);

	assert_int_equal(reply.status, 405);
	assert_header(&reply, "Allow", "POST, GET, HEAD");
	http_reply_fini(&reply);
	/* An exact path hides the prefix over it. */
	expect_status(http_call(fixture->port, "GET", "/api/v1/under/exact", "", NULL), 405);
}

static void head_is_get_without_the_body(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "HEAD", "/", "", NULL);

	assert_int_equal(reply.status, 200);
	assert_header(&reply, "Content-Length", "3");
	assert_int_equal(reply.body_size, 0);
	http_reply_fini(&reply);
}

static void html_is_served_under_a_policy(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "GET", "/", "", NULL);
	char policy[256];

	assert_true(http_header(&reply, "Content-Security-Policy", policy, sizeof(policy)));
	assert_non_null(strstr(policy, "default-src 'self'"));
	assert_null(strstr(policy, "script-src"));
	http_reply_fini(&reply);
}

static void prefix_route_gives_the_rest(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply =
		http_call(fixture->port, "GET", "/api/v1/under/a%20b/c", "", NULL);

	assert_int_equal(reply.status, 200);
	assert_header(&reply, "X-Rest", "a b/c");
	http_reply_fini(&reply);
}

static void query_parameters_are_decoded_and_repeated_ones_visited(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "GET",
		"/query?one=a%2Bb+c&many[]=1&x=2&many%5B%5D=%7Ba%3D%22b%22%7D", "", NULL);

	assert_string_equal(reply.body, "one=a+b c many=1;{a=\"b\"};\n");
	http_reply_fini(&reply);
}

static void head_check_refuses_before_the_body(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply;
	int fd = http_connect(fixture->port);

	/* Such a client sends its body only after "100 Continue". */
	http_send_text(fd,
		"POST /media HTTP/1.1\r\nHost: x\r\nContent-Type: text/bad\r\n"
		"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
	reply = http_read(fd, 120000, false);
	assert_int_equal(reply.status, 415);
	assert_string_equal(reply.body, "Content-Type must be text/good\n");
	http_reply_fini(&reply);
	close(fd);
	expect_status(http_call(fixture->port, "POST", "/media", "Content-Type: text/bad\r\n",
			      "abc"),
		415);
	expect_status(http_call(fixture->port, "POST", "/media", "Content-Type: text/good\r\n",
			      "abc"),
		200);
}

static void json_answers_have_the_known_shape(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply = http_call(fixture->port, "GET", "/api/v1/data", "", NULL);

	assert_string_equal(reply.body, "{\"status\":\"success\",\"data\":[1,2]}\n");
	http_reply_fini(&reply);
	reply = http_call(fixture->port, "GET", "/api/v1/error", "", NULL);
	assert_int_equal(reply.status, 503);
	assert_header(&reply, "Retry-After", "1");
	assert_string_equal(reply.body,
		"{\"status\":\"error\",\"errorType\":\"unavailable\","
		"\"error\":\"not \\\"now\\\"\"}\n");
	http_reply_fini(&reply);
}

static void route_without_an_answer_is_500(void **state)
{
	struct fixture *fixture = *state;

	expect_status(http_call(fixture->port, "GET", "/nothing", "", NULL), 500);
}

static void no_free_slot_is_503_before_the_body(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply;
	int one = fixture_call(fixture, "/suspend"), two, fd;

	fixture_wait(&fixture->suspended_count, 1);
	two = fixture_call(fixture, "/suspend");
	fixture_wait(&fixture->suspended_count, 2);
	fd = http_connect(fixture->port);
	http_send_text(fd,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n"
		"Expect: 100-continue\r\n\r\n");
	reply = http_read(fd, 120000, false);
	assert_int_equal(reply.status, 503);
	assert_header(&reply, "Retry-After", "1");
	http_reply_fini(&reply);
	close(fd);
	/* A sender that does not wait gets the same answer, not a reset. */
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 503);
	/* What needs no slot goes on. */
	expect_status(http_call(fixture->port, "GET", "/echo", "", NULL), 200);
	request_reply_text(fixture->suspended[0], 200, "");
	request_reply_text(fixture->suspended[1], 200, "");
	expect_status(http_read(one, 120000, false), 200);
	expect_status(http_read(two, 120000, false), 200);
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 200);
	close(one);
	close(two);
}

static void half_sent_bodies_hold_slots_only_until_the_limit(void **state)
{
	struct fixture *fixture = *state;
	int one = http_connect(fixture->port), two = http_connect(fixture->port);
	static const char text[] =
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";

	http_send_text(one, text);
	http_send_text(two, text);
	fixture_wait_slots(2);
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 503);
	close(one);
	close(two);
	fixture_wait_slots(0);
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 200);
}

struct answerer {
	struct request *request;
	pthread_t thread;
};

static void *answer_later(void *argument)
{
	size_t size;

	clock_sleep_ms(20);
	request_add_header(argument, "X-Late", "yes");
	assert_memory_equal(request_body(argument, &size), "hi", 2);
	request_reply_text(argument, 200, "late");
	return NULL;
}

static void suspended_request_is_answered_from_another_thread(void **state)
{
	struct fixture *fixture = *state;
	int fd = fixture_call(fixture, "/suspend");

	for (int i = 0; i < 5; i++) {
		struct http_reply reply;
		pthread_t thread;

		fixture_wait(&fixture->suspended_count, i + 1);
		assert_int_equal(pthread_create(&thread, NULL, answer_later, fixture->suspended[i]),
			0);
		reply = http_read(fd, 120000, false);
		assert_int_equal(reply.status, 200);
		assert_string_equal(reply.body, "late\n");
		assert_header(&reply, "X-Late", "yes");
		http_reply_fini(&reply);
		pthread_join(thread, NULL);
		/* The connection is kept. */
		http_send_text(fd,
			"POST /suspend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	}
	fixture_wait(&fixture->suspended_count, 6);
	request_reply_text(fixture->suspended[5], 204, "");
	expect_status(http_read(fd, 120000, false), 204);
	close(fd);
}

static void client_that_left_while_suspended_does_no_harm(void **state)
{
	struct fixture *fixture = *state;
	int fd = fixture_call(fixture, "/suspend");

	fixture_wait(&fixture->suspended_count, 1);
	close(fd);
	request_reply_text(fixture->suspended[0], 200, "nobody");
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 200);
}

static void thread_numbers_are_below_the_thread_count(void **state)
{
	struct fixture *fixture = *state;
	unsigned seen = 0;

	for (int i = 0; i < 100; i++)
		expect_status(http_call(fixture->port, "GET", "/thread", "", NULL), 200);
	for (unsigned i = 0; i < 4; i++)
		seen += atomic_load(&fixture->thread_seen[i]);
	assert_int_equal(seen, 100);
}

static void slow_clients_do_not_hold_the_others(void **state)
{
	struct fixture *fixture = *state;
	int slow[40];
	int64_t begun_ns;

	for (int i = 0; i < 40; i++) {
		slow[i] = http_connect(fixture->port);
		http_send_text(slow[i],
			i % 2 ? "GET /ec" : "GET /echo HTTP/1.1\r\nHost: x\r\nX-A: b");
	}
	begun_ns = clock_mono_ns(clock_system());
	for (int i = 0; i < 20; i++)
		expect_status(http_call(fixture->port, "GET", "/echo", "", NULL), 200);
	assert_true(clock_mono_ns(clock_system()) - begun_ns < 4900000000);
	for (int i = 0; i < 40; i++)
		close(slow[i]);
}

static void large_headers_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char *headers = malloc(100000);
	struct http_reply reply;

	memcpy(headers, "X-Large: ", 9);
	memset(headers + 9, 'x', 90000);
	memcpy(headers + 90009, "\r\n", 3);
	reply = http_call(fixture->port, "GET", "/echo", headers, NULL);
	assert_true(reply.status == 431 || reply.status == 0);
	http_reply_fini(&reply);
	free(headers);
}

/* A page whose own name points at 127.0.0.1 must not read what a browser's machine may read. */
static void a_foreign_host_is_told_nothing(void **state)
{
	struct fixture *fixture = *state;
	char request[256], machine[128] = "", port_host[160];
	const char *const allowed[] = {"localhost", "localhost:9797", "LOCALHOST.", "127.0.0.1",
		"127.0.0.1:9797", "[::1]:9797", "10.1.2.3", machine, port_host,
		"nimbus.example.org", "nimbus.example.org:8443"};
	const char *const refused[] = {"evil.example", "evil.example:9797",
		"localhost.evil.example", "127.0.0.1.evil.example", "[evil]",
		"nimbus.example.org.evil.example", ":9797"};

	assert_int_equal(gethostname(machine, sizeof(machine) - 1), 0);
	snprintf(port_host, sizeof(port_host), "%s:9797", machine);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		snprintf(request, sizeof(request), "GET /query HTTP/1.1\r\nHost: %s\r\n\r\n",
			allowed[i]);
		expect_status(http_ask(fixture->port, request), 200);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(request, sizeof(request), "GET /query HTTP/1.1\r\nHost: %s\r\n\r\n",
			refused[i]);
		expect_status(http_ask(fixture->port, request), 421);
	}
	/* No browser comes without a Host. */
	expect_status(http_ask(fixture->port, "GET /query HTTP/1.0\r\n\r\n"), 200);
}

static void changing_request_needs_the_same_origin(void **state)
{
	struct fixture *fixture = *state;
	char origin[128];

	expect_status(http_call(fixture->port, "POST", "/change", "", ""), 200);
	snprintf(origin, sizeof(origin), "Origin: http://127.0.0.1:%u\r\n", fixture->port);
	expect_status(http_call(fixture->port, "POST", "/change", origin, ""), 200);
	expect_status(http_call(fixture->port, "POST", "/change", "Sec-Fetch-Site: same-origin\r\n",
			      ""),
		200);
	expect_status(http_call(fixture->port, "POST", "/change", "Origin: http://evil.example\r\n",
			      ""),
		403);
	expect_status(http_call(fixture->port, "POST", "/change", "Origin: null\r\n", ""), 403);
	expect_status(http_call(fixture->port, "POST", "/change", "Sec-Fetch-Site: cross-site\r\n",
			      ""),
		403);
	/* A name of a foreign page that now points here. */
	expect_status(http_ask(fixture->port,
			      "POST /change HTTP/1.1\r\nHost: evil.example\r\n"
			      "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n"),
		403);
	/* Reading and routes for programs do not ask. */
	expect_status(http_call(fixture->port, "POST", "/echo", "Origin: http://evil.example\r\n",
			      "a"),
		200);
}

static void requests_are_counted_by_route_and_code(void **state)
{
	struct fixture *fixture = *state;
	double before = metrics_get(METRIC_HTTP_REQUESTS, "echo", "413");
	double refused = metrics_get(METRIC_HTTP_REJECTED, "too_large");

	huge_claim_is_refused_before_a_byte_is_read(state);
	assert_true(metrics_get(METRIC_HTTP_REQUESTS, "echo", "413") == before + 1);
	assert_true(metrics_get(METRIC_HTTP_REJECTED, "too_large") == refused + 1);
	before = metrics_get(METRIC_HTTP_REQUESTS, "none", "404");
	expect_status(http_call(fixture->port, "GET", "/x", "", NULL), 404);
	assert_true(metrics_get(METRIC_HTTP_REQUESTS, "none", "404") == before + 1);
}

static void allocation_failure_is_an_answer(void **state)
{
	struct fixture *fixture = *state;
	int refused = 0, fd;

	for (long nth = 1; nth < 12; nth++) {
		struct http_reply reply;

		mem_fail_after(nth, false);
		reply = http_call(fixture->port, "POST", "/echo", "", "abc");
		mem_fail_after(0, false);
		/* Whole, or refused, or no answer at all: never a part. */
		assert_true(reply.status == 0 || reply.status == 200 || reply.status == 503);
		if (reply.status == 200)
			assert_string_equal(reply.body, "abc");
		refused += reply.status != 200;
		http_reply_fini(&reply);
		fd = fixture_call(fixture, "/suspend");
		fixture_wait(&fixture->suspended_count, 1);
		atomic_store(&fixture->suspended_count, 0);
		mem_fail_after(nth, false);
		request_reply_text(fixture->suspended[0], 200, "x");
		reply = http_read(fd, 120000, false);
		mem_fail_after(0, false);
		assert_true(reply.status == 0 || reply.status == 200 || reply.status == 503);
		http_reply_fini(&reply);
		close(fd);
	}
	assert_true(refused > 0);
	expect_status(http_call(fixture->port, "POST", "/echo", "", "abc"), 200);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(body_comes_back_byte_by_byte),
		WITH(empty_body_is_a_body),
		WITH(large_body_arrives_whole),
		WITH(body_over_the_limit_is_413_and_the_connection_goes_on),
		WITH(huge_claim_is_refused_before_a_byte_is_read),
		WITH(missing_length_is_411),
		WITH(chunked_body_is_taken_up_to_the_limit),
		WITH(two_ways_to_end_a_body_are_refused),
		WITH(body_to_a_route_without_one_is_ignored),
		WITH(unknown_path_is_404),
		WITH(wrong_method_is_405_with_the_right_ones),
		WITH(head_is_get_without_the_body),
		WITH(html_is_served_under_a_policy),
		WITH(prefix_route_gives_the_rest),
		WITH(query_parameters_are_decoded_and_repeated_ones_visited),
		WITH(head_check_refuses_before_the_body),
		WITH(json_answers_have_the_known_shape),
		WITH(route_without_an_answer_is_500),
		WITH(no_free_slot_is_503_before_the_body),
		WITH(half_sent_bodies_hold_slots_only_until_the_limit),
		WITH(suspended_request_is_answered_from_another_thread),
		WITH(client_that_left_while_suspended_does_no_harm),
		WITH(thread_numbers_are_below_the_thread_count),
		WITH(slow_clients_do_not_hold_the_others),
		WITH(large_headers_are_refused),
		WITH(a_foreign_host_is_told_nothing),
		WITH(changing_request_needs_the_same_origin),
		WITH(requests_are_counted_by_route_and_code),
		WITH(allocation_failure_is_an_answer),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
