/* run-under: tsan */
/*
 * The server's own life: addresses, time limits on slow peers, draining, stopping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
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
#include "receiver/listen.h"
#include "receiver/origin.h"
#include "receiver/server.h"
#include "tests/support/server_fixture.h"

static void taken_port_is_named(void **state)
{
	struct fixture fixture;
	struct server_config config = {.listen_address = NULL,
		.thread_count = 1,
		.connection_max = 10,
		.slot_count = 1,
		.idle_timeout_s = 5,
		.header_max = 8192};
	char address[32];
	struct error error;

	fixture_start(&fixture, NULL);
	snprintf(address, sizeof(address), "127.0.0.1:%u", fixture.port);
	config.listen_address = address;
	config.access = fixture.access;
	assert_null(server_start(&config, NULL, 0, &error));
	assert_int_equal(error.code, STATUS_IO);
	assert_non_null(strstr(error.text, address));
	assert_non_null(strstr(error.text, "already in use"));
	config.listen_address = "nonsense";
	assert_null(server_start(&config, NULL, 0, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	fixture_stop(&fixture);
}

static void unusable_addresses_are_named(void **state)
{
	struct listener listener;
	struct error error;

	assert_int_equal(listen_open(&listener, "203.0.113.1:0", &error), STATUS_IO);
	assert_non_null(strstr(error.text, "203.0.113.1:0 is no address of this machine"));
	assert_int_equal(listen_open(&listener, "::1:80", &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "\"::1:80\""));
	assert_int_equal(listen_open(&listener, "256.1.1.1.1:0", &error), STATUS_IO);
	assert_int_equal(listen_open(&listener, "127.0.0.1:0", &error), STATUS_OK);
	assert_true(listener.loopback && listener.port != 0);
	close(listener.fd);
	if (!listen_open(&listener, "[::1]:0", &error)) {
		assert_true(listener.loopback && listener.port != 0);
		close(listener.fd);
	}
}

static void origins_are_compared_with_the_host_asked_for(void **state)
{
	assert_null(origin_refusal(NULL, NULL, NULL, true));
	assert_null(origin_refusal("http://[::1]:9797", NULL, "[::1]:9797", true));
	assert_null(origin_refusal("http://LOCALHOST:9797", "none", "localhost:9797", true));
	assert_null(origin_refusal("https://ng.example", "same-origin", "ng.example", false));
	assert_non_null(origin_refusal("https://ng.example", NULL, "ng.example", true));
	assert_non_null(origin_refusal("https://ng.example:1", NULL, "ng.example", false));
	assert_non_null(origin_refusal("https://ng.example", "same-site", "ng.example", false));
	assert_non_null(origin_refusal("https://ng.example", NULL, NULL, false));
	assert_non_null(origin_refusal(NULL, "none", NULL, true));
	assert_non_null(origin_refusal("http://localhost.evil.example", NULL,
		"localhost.evil.example", true));
	assert_non_null(origin_refusal("http://127.0.0.1.evil.example:80", NULL,
		"127.0.0.1.evil.example:80", true));
}

static void addresses_are_told_apart(void **state)
{
	assert_true(server_address_loopback("127.0.0.1:9797"));
	assert_true(server_address_loopback("127.8.9.10:1"));
	assert_true(server_address_loopback("[::1]:0"));
	assert_true(server_address_loopback("localhost:80"));
	assert_false(server_address_loopback(":9797"));
	assert_false(server_address_loopback("0.0.0.0:9797"));
	assert_false(server_address_loopback("[::]:9797"));
	assert_false(server_address_loopback("192.168.0.1:1"));
	assert_false(server_address_loopback("example.com:1"));
	assert_false(server_address_loopback("::1:1"));
	assert_false(server_address_loopback("127.0.0.1"));
	assert_false(server_address_loopback("127.0.0.1:65536"));
	assert_false(server_address_loopback("127.0.0.1:-1"));
	assert_false(server_address_loopback("[]:1"));
}

static void off_loopback_without_access_control_privileges_are_refused(void **state)
{
	struct server_config config = {.listen_address = ":0",
		.route_prefix = "/ng/",
		.thread_count = 1,
		.connection_max = 10,
		.slot_count = 1,
		.idle_timeout_s = 5,
		.header_max = 8192};
	struct fixture fixture;
	struct http_reply reply;

	fixture_start(&fixture, &config);
	assert_false(server_loopback(fixture.server));
	reply = http_call(fixture.port, "POST", "/ng/change", "", "");
	assert_int_equal(reply.status, 403);
	assert_non_null(strstr(reply.body, "access control is off"));
	http_reply_fini(&reply);
	/* All else is open, under its prefix only. */
	expect_status(http_call(fixture.port, "GET", "/ng/query", "", NULL), 200);
	expect_status(http_call(fixture.port, "GET", "/ng", "", NULL), 200);
	expect_status(http_call(fixture.port, "GET", "/ng/", "", NULL), 200);
	expect_status(http_call(fixture.port, "GET", "/query", "", NULL), 404);
	expect_status(http_call(fixture.port, "GET", "/ngquery", "", NULL), 404);
	fixture_stop(&fixture);
}

/* A call that a busy machine makes too slowly is cut off itself, and made again. */
static void expect_answered(unsigned port)
{
	int status = 0;

	for (int i = 0; i < 60 && status == 0; i++) {
		struct http_reply reply = http_call(port, "POST", "/echo", "", "abc");

		status = reply.status;
		http_reply_fini(&reply);
	}
	assert_int_equal(status, 200);
}

static void idle_connections_are_closed(void **state)
{
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.thread_count = 2,
		.connection_max = 10,
		.slot_count = 1,
		.idle_timeout_s = 1,
		.header_max = 8192};
	struct fixture fixture;
	int idle, half;

	fixture_start(&fixture, &config);
	idle = http_connect(fixture.port);
	half = http_connect(fixture.port);
	http_send_text(half, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
	assert_true(http_closed(idle, 120000));
	assert_true(http_closed(half, 120000));
	close(idle);
	close(half);
	fixture_wait_slots(0);
	expect_answered(fixture.port);
	fixture_stop(&fixture);
}

static unsigned open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* With a reset: what is lost is lost for good, no second event follows. */
static void close_with_reset(int fd)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(fd);
}

/* Opens count connections that the only thread has all served once, and ends them all while it is
 * busy: all are seen to have ended by the time that nothing is left to do. */
static void end_at_once(struct fixture *fixture, int *connections, unsigned count)
{
	static const char request[] = "GET /query HTTP/1.1\r\nHost: localhost\r\n\r\n";
	unsigned before = open_files();
	struct http_reply reply;
	int busy;

	for (unsigned i = 0; i < count; i++) {
		connections[i] = http_connect(fixture->port);
		assert_true(http_send_text(connections[i], request));
		expect_status(http_read(connections[i], 60000, false), 200);
	}
	atomic_store(&fixture->gate_open, false);
	atomic_store(&fixture->blocked, 0);
	busy = fixture_call(fixture, "/block");
	fixture_wait(&fixture->blocked, 1);
	for (unsigned i = 0; i < count; i++)
		close_with_reset(connections[i]);
	atomic_store(&fixture->gate_open, true);
	reply = http_read(busy, 60000, false);
	assert_int_equal(reply.status, 200);
	http_reply_fini(&reply);
	/* Both ends of the busy one stay, for its end would be an event more. */
	for (int i = 0; i < 30000 && open_files() > before + 2; i++)
		clock_sleep_ms(1);
	assert_int_equal(open_files(), before + 2);
	close_with_reset(busy);
	for (int i = 0; i < 30000 && open_files() > before; i++)
		clock_sleep_ms(1);
}

/* The library fetches events by 128: whole batches must not wait for a further event. */
static void connections_that_end_at_once_are_all_given_back(void **state)
{
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.thread_count = 1,
		.connection_max = 400,
		.slot_count = 1,
		.idle_timeout_s = 3600,
		.header_max = 8192};
	int connections[258];
	struct fixture fixture;

	fixture_start(&fixture, &config);
	for (unsigned count = 125; count <= 129; count++)
		end_at_once(&fixture, connections, count);
	for (unsigned count = 254; count <= 258; count++)
		end_at_once(&fixture, connections, count);
	fixture_stop(&fixture);
}

/* Sends a byte now and then, so that the connection is never idle. */
static bool trickle_ends(unsigned port, const char *head, const char *drop)
{
	int fd = http_connect(port);
	bool ended = false;

	http_send_text(fd, head);
	for (int i = 0; i < 600 && !ended; i++) {
		http_send_text(fd, drop);
		ended = http_closed(fd, 200);
	}
	close(fd);
	return ended;
}

static void trickle_is_cut_off(void **state)
{
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.thread_count = 2,
		.connection_max = 10,
		.slot_count = 1,
		.idle_timeout_s = 1,
		.header_max = 8192};
	struct fixture fixture;

	fixture_start(&fixture, &config);
	assert_true(trickle_ends(fixture.port, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Long: ", "y"));
	assert_true(trickle_ends(fixture.port,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "y"));
	fixture_wait_slots(0);
	expect_answered(fixture.port);
	fixture_stop(&fixture);
}

static void *read_answer(void *argument)
{
	int fd = *(int *)argument;
	struct http_reply reply = http_read(fd, 120000, false);
	char closing[16] = "";

	http_header(&reply, "Connection", closing, sizeof(closing));
	assert_string_equal(closing, "close");
	*(int *)argument = reply.status;
	http_reply_fini(&reply);
	return NULL;
}

static void *open_gate_later(void *argument)
{
	struct fixture *fixture = argument;

	clock_sleep_ms(200);
	atomic_store(&fixture->gate_open, true);
	return NULL;
}

static void requests_under_way_are_finished_before_the_end(void **state)
{
	struct fixture fixture;
	pthread_t gate, reader;
	int fd, result;

	fixture_start(&fixture, NULL);
	fd = fixture_call(&fixture, "/block");
	fixture_wait(&fixture.blocked, 1);
	server_quiesce(fixture.server);
	assert_int_equal(http_connect(fixture.port), -1); /* nobody is let in any more */
	result = fd;
	pthread_create(&reader, NULL, read_answer, &result);
	pthread_create(&gate, NULL, open_gate_later, &fixture);
	fixture_stop(&fixture);
	pthread_join(gate, NULL);
	pthread_join(reader, NULL);
	assert_int_equal(atomic_load(&fixture.answered), 1);
	assert_int_equal(result, 200);
	close(fd);
}

static void unanswered_requests_get_503_at_the_end(void **state)
{
	struct fixture fixture;
	pthread_t reader;
	int fd, result;
	size_t size;

	fixture_start(&fixture, NULL);
	fd = fixture_call(&fixture, "/suspend");
	fixture_wait(&fixture.suspended_count, 1);
	result = fd;
	pthread_create(&reader, NULL, read_answer, &result);
	server_stop(fixture.server, 50);
	access_close(fixture.access);
	pthread_join(reader, NULL);
	assert_int_equal(result, 503);
	close(fd);
	/* Its owner comes late: the body is still there, and the answer goes nowhere. */
	assert_memory_equal(request_body(fixture.suspended[0], &size), "hi", 2);
	request_add_header(fixture.suspended[0], "X-Late", "yes");
	request_reply_text(fixture.suspended[0], 200, "too late");
}

struct hammer {
	unsigned port;
	_Atomic int *stop;
	_Atomic int good;
};

static void *hammer_server(void *argument)
{
	struct hammer *hammer = argument;

	while (!atomic_load(hammer->stop)) {
		struct http_reply reply = http_call(hammer->port, "POST", "/echo", "", "abc");

		if (reply.status == 200 && !strcmp(reply.body, "abc"))
			atomic_fetch_add(&hammer->good, 1);
		if (reply.status == 0)
			clock_sleep_ms(1);
		http_reply_fini(&reply);
	}
	return NULL;
}

static void stop_under_load_answers_or_refuses_but_never_lies(void **state)
{
	struct hammer hammers[4];
	pthread_t threads[4];
	struct fixture fixture;
	_Atomic int end = 0;

	fixture_start(&fixture, NULL);
	for (int i = 0; i < 4; i++) {
		hammers[i] = (struct hammer){.port = fixture.port, .stop = &end};
		pthread_create(&threads[i], NULL, hammer_server, &hammers[i]);
	}
	for (int i = 0; i < 4; i++)
		while (atomic_load(&hammers[i].good) < 10)
			clock_sleep_ms(1);
	fixture_stop(&fixture);
	atomic_store(&end, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void server_that_cannot_start_leaves_nothing_behind(void **state)
{
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.thread_count = 2,
		.connection_max = 10,
		.slot_count = 1,
		.idle_timeout_s = 5,
		.header_max = 8192};
	struct diagnostics diagnostics;
	bool reached = true;

	diagnostics_init(&diagnostics);
	config.access = access_open(NULL, NULL, 0, &diagnostics);
	for (long nth = 1; reached; nth++) {
		struct server *server;
		struct error error = {0};

		mem_fail_after(nth, false);
		server = server_start(&config, NULL, 0, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(server == NULL, reached);
		if (server)
			server_stop(server, 100);
		else
			assert_int_equal(error.code, STATUS_NO_MEMORY);
	}
	access_close(config.access);
	diagnostics_fini(&diagnostics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_that_cannot_start_leaves_nothing_behind),
		cmocka_unit_test(taken_port_is_named),
		cmocka_unit_test(unusable_addresses_are_named),
		cmocka_unit_test(origins_are_compared_with_the_host_asked_for),
		cmocka_unit_test(addresses_are_told_apart),
		cmocka_unit_test(off_loopback_without_access_control_privileges_are_refused),
		cmocka_unit_test(idle_connections_are_closed),
		cmocka_unit_test(connections_that_end_at_once_are_all_given_back),
		cmocka_unit_test(trickle_is_cut_off),
		cmocka_unit_test(requests_under_way_are_finished_before_the_end),
		cmocka_unit_test(unanswered_requests_get_503_at_the_end),
		cmocka_unit_test(stop_under_load_answers_or_refuses_but_never_lies),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("server_life", tests, NULL, NULL);
}
