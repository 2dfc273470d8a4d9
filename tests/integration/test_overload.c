/*
 * The real program under senders that are too many, too slow or stuck: full slots are said so before
 * anything is decoded, and the others go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/load.h"
#include "tests/support/servers.h"

#define SLOTS 4
#define CONNECTIONS 3200
#define IDLE 3000
#define IDLE_TOO_MANY 3600
#define TRICKLES 150

static struct servers servers;
static struct server *nimbusguard;
static int sockets[IDLE_TOO_MANY];

static void allow_files(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int setup(void **state)
{
	char connections[64], slots[64];
	const char *flags[] = {connections, slots, NULL};

	if (!servers_there(false, false))
		return 0;
	snprintf(connections, sizeof(connections), "--web.connections-max=%d", CONNECTIONS);
	snprintf(slots, sizeof(slots), "--web.slots=%d", SLOTS);
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	/* The program is to raise this by itself. */
	allow_files(512);
	nimbusguard_start(&servers, nimbusguard, flags);
	allow_files(IDLE_TOO_MANY + 400);
	return 0;
}

static int teardown(void **state)
{
	if (nimbusguard != NULL)
		servers_close(&servers);
	return 0;
}

static void needs_the_program(void)
{
	if (nimbusguard == NULL)
		skip();
}

static double metric(const char *series)
{
	return web_metric(nimbusguard->url, series);
}

static void close_sockets(size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
}

#define WRITE_HEAD                                                                                 \
	"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"       \
	"Content-Encoding: snappy\r\n"

/* Sends the head of a write request and half of its body of ten bytes. */
static int half_body(void)
{
	int fd = http_connect(nimbusguard->port.number);

	assert_true(fd >= 0);
	assert_true(http_send_text(fd, WRITE_HEAD "Content-Length: 10\r\n\r\nabcde"));
	return fd;
}

static struct http_reply write_garbage(void)
{
	return http_ask(nimbusguard->port.number,
		WRITE_HEAD "Connection: close\r\nContent-Length: 7\r\n\r\ngarbage");
}

static bool slots_busy(int count)
{
	return metric("nimbusguard_http_slots_busy") == count;
}

static double send_load(uint64_t seed)
{
	return load_send(&servers, nimbusguard, seed);
}

static void the_limit_of_open_files_is_raised_for_the_connections_allowed(void **state)
{
	needs_the_program();
	/* It answers a moment before it has raised it. */
	AWAIT(&servers, metric("process_max_fds") > CONNECTIONS, 30);
}

static void full_slots_are_answered_503_with_retry_after_and_nothing_is_decoded(void **state)
{
	struct http_reply reply;
	double decoded, rejected;
	char after[16];
	bool full = false;

	needs_the_program();
	/* With a slot free the body is looked at, and is bad. */
	reply = write_garbage();
	assert_int_equal(reply.status, 400);
	http_reply_fini(&reply);
	decoded = web_metric_sum(nimbusguard->url, "nimbusguard_remote_write_requests_total");
	/* Stuck senders lose their slots after a second; on a slow machine that may be too soon. */
	for (int attempt = 0; attempt < 10 && !full; attempt++) {
		for (int i = 0; i < SLOTS; i++)
			sockets[i] = half_body();
		for (int i = 0; i < 100 && !slots_busy(SLOTS); i++)
			clock_sleep_ms(5);
		rejected = metric("nimbusguard_http_rejected_total{reason=\"busy\"}");
		reply = write_garbage();
		full = reply.status == 503;
		if (full) {
			assert_true(http_header(&reply, "Retry-After", after, sizeof(after)));
			assert_true(strtol(after, NULL, 10) >= 1);
			assert_true(metric("nimbusguard_http_rejected_total{reason=\"busy\"}") >=
				(rejected > 0 ? rejected : 0) + 1);
			assert_true(web_metric_sum(nimbusguard->url,
					    "nimbusguard_remote_write_requests_total") == decoded);
		} else {
			decoded += reply.status == 400;
		}
		http_reply_fini(&reply);
		close_sockets(SLOTS);
		AWAIT(&servers, slots_busy(0), 20);
	}
	assert_true(full);
	send_load(1);
}

static void senders_stuck_half_way_lose_their_slots_when_others_wait(void **state)
{
	struct http_reply reply;
	int64_t began_ns = clock_mono_ns(clock_system());
	int status = 503;

	needs_the_program();
	for (int i = 0; i < SLOTS; i++)
		sockets[i] = half_body();
	AWAIT(&servers, slots_busy(SLOTS) || clock_mono_ns(clock_system()) - began_ns > 900000000,
		20);
	while (status == 503 && clock_mono_ns(clock_system()) - began_ns < INT64_C(120000000000)) {
		clock_sleep_ms(100);
		reply = write_garbage();
		status = reply.status;
		http_reply_fini(&reply);
	}
	assert_int_equal(status, 400);
	for (int i = 0; i < SLOTS; i++)
		assert_true(http_closed(sockets[i], 120000));
	close_sockets(SLOTS);
	assert_true(slots_busy(0));
}

static void a_slow_sender_is_waited_for_while_there_is_room(void **state)
{
	struct http_reply reply;
	int fd;

	needs_the_program();
	fd = half_body();
	for (int i = 0; i < 5; i++) {
		clock_sleep_ms(500);
		assert_true(http_send_text(fd, "x"));
	}
	reply = http_read(fd, 120000, false);
	assert_int_equal(reply.status, 400);
	http_reply_fini(&reply);
	close(fd);
}

static void thousands_of_idle_connections_hold_nobody_up(void **state)
{
	double took_s;

	needs_the_program();
	for (int i = 0; i < IDLE; i++) {
		sockets[i] = http_connect(nimbusguard->port.number);
		assert_true(sockets[i] >= 0);
	}
	AWAIT(&servers, metric("process_open_fds") > IDLE, 30);
	took_s = send_load(2);
	print_message("p99 beside %d idle connections: %.1f ms\n", IDLE, took_s * 1000);
	assert_true(took_s < 20);
	close_sockets(IDLE);
	AWAIT(&servers, metric("process_open_fds") < 200, 30);
}

static void more_connections_than_allowed_push_out_the_idle_ones(void **state)
{
	size_t closed = 0;

	needs_the_program();
	for (int i = 0; i < IDLE_TOO_MANY; i++) {
		sockets[i] = http_connect(nimbusguard->port.number);
		assert_true(sockets[i] >= 0);
	}
	/* New ones find a place, again and again. */
	send_load(3);
	for (int i = 0; i < 20; i++)
		assert_int_equal(metric("nimbusguard_http_slots"), SLOTS);
	for (int i = 0; i < IDLE_TOO_MANY; i++)
		closed += http_closed(sockets[i], 0);
	assert_true(closed >= IDLE_TOO_MANY - CONNECTIONS);
	assert_true(closed < IDLE_TOO_MANY);
	close_sockets(IDLE_TOO_MANY);
	AWAIT(&servers, metric("process_open_fds") < 200, 30);
}

/* Each sends its headers a byte at a time and never comes to their end. */
static void *trickle(void *argument)
{
	static const char head[] = WRITE_HEAD "X-Padding: ";
	atomic_bool *stop = argument;

	for (size_t at = 0; !atomic_load(stop); at++) {
		char byte = at < sizeof(head) - 1 ? head[at] : 'x';

		for (int i = 0; i < TRICKLES; i++)
			(void)http_send(sockets[i], &byte, 1);
		clock_sleep_ms(20);
	}
	return NULL;
}

static void headers_sent_byte_by_byte_hold_nobody_up(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;
	double took_s;

	needs_the_program();
	for (int i = 0; i < TRICKLES; i++) {
		sockets[i] = http_connect(nimbusguard->port.number);
		assert_true(sockets[i] >= 0);
	}
	assert_int_equal(pthread_create(&thread, NULL, trickle, &stop), 0);
	took_s = send_load(4);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	print_message("p99 beside %d trickles: %.1f ms\n", TRICKLES, took_s * 1000);
	assert_true(took_s < 20);
	close_sockets(TRICKLES);
}

static void it_ends_cleanly_with_stuck_senders_still_there(void **state)
{
	needs_the_program();
	sockets[0] = half_body();
	for (int i = 1; i < 100; i++)
		sockets[i] = http_connect(nimbusguard->port.number);
	server_end(nimbusguard);
	close_sockets(100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_of_open_files_is_raised_for_the_connections_allowed),
		cmocka_unit_test(
			full_slots_are_answered_503_with_retry_after_and_nothing_is_decoded),
		cmocka_unit_test(senders_stuck_half_way_lose_their_slots_when_others_wait),
		cmocka_unit_test(a_slow_sender_is_waited_for_while_there_is_room),
		cmocka_unit_test(thousands_of_idle_connections_hold_nobody_up),
		cmocka_unit_test(more_connections_than_allowed_push_out_the_idle_ones),
		cmocka_unit_test(headers_sent_byte_by_byte_hold_nobody_up),
		cmocka_unit_test(it_ends_cleanly_with_stuck_senders_still_there),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("overload", tests, setup, teardown);
}
