/* run-under: tsan */
/*
 * Answers without an end: pieces arrive as they are made, none is lost however they are woken, the owner is
 * told of the end once, and a server that ends ends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "receiver/server.h"
#include "tests/support/http_client.h"

#define WAIT_MS 120000

static struct server *server;
static struct access *allowed;
static _Atomic int made, told, closes; /* numbers that there are, that were told; ends */
static _Atomic bool over, cut;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reply_stream *stream; /* under lock */

static ssize_t pull(void *argument, char *bytes, size_t room)
{
	int number = atomic_load(&told);

	assert_ptr_equal(argument, &made);
	if (number < atomic_load(&made)) {
		atomic_store(&told, number + 1);
		return snprintf(bytes, room, "<%d>", number);
	}
	return atomic_load(&over) ? -1 : atomic_load(&cut) ? REPLY_CUT : 0;
}

static void closed(void *argument)
{
	assert_ptr_equal(argument, &made);
	pthread_mutex_lock(&lock);
	stream = NULL;
	pthread_mutex_unlock(&lock);
	atomic_fetch_add(&closes, 1);
}

static void serve(struct request *request, void *argument)
{
	const struct reply_source source = {.pull = pull,
		.closed = closed,
		.argument = &made,
		.whole = argument != NULL};

	pthread_mutex_lock(&lock);
	stream = request_reply_stream(request, "text/plain", &source);
	pthread_mutex_unlock(&lock);
}

static void wake(void)
{
	pthread_mutex_lock(&lock);
	if (stream != NULL)
		reply_stream_wake(stream);
	pthread_mutex_unlock(&lock);
}

static void wait_for(_Atomic int *counter, int value)
{
	for (int i = 0; atomic_load(counter) != value; i++) {
		assert_true(i < WAIT_MS);
		clock_sleep_ms(1);
	}
}

static int setup(void **state)
{
	const struct route routes[] = {{"stream", "GET", "/stream", 0, ACCESS_NONE, 0, NULL, serve,
					       NULL},
		{"whole", "GET", "/whole", 0, ACCESS_NONE, 0, NULL, serve, &made}};
	struct diagnostics diagnostics;
	struct error error;

	diagnostics_init(&diagnostics);
	allowed = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	const struct server_config config = {.listen_address = "127.0.0.1:0",
		.route_prefix = "",
		.thread_count = 2,
		.connection_max = 8,
		.slot_count = 1,
		.idle_timeout_s = 60,
		.header_max = 8192,
		.access = allowed};

	server = server_start(&config, routes, ARRAY_COUNT(routes), &error);
	assert_non_null(server);
	atomic_store(&made, 0);
	atomic_store(&told, 0);
	atomic_store(&closes, 0);
	atomic_store(&over, false);
	atomic_store(&cut, false);
	return 0;
}

static int teardown(void **state)
{
	if (server != NULL)
		server_stop(server, 1000);
	server = NULL;
	access_close(allowed);
	return 0;
}

/* The bytes of the answer's body up to this piece. */
static void read_until(int fd, const char *piece)
{
	char text[65536];
	size_t size = 0;
	ssize_t got;

	text[0] = '\0';
	while (strstr(text, piece) == NULL) {
		got = recv(fd, text + size, sizeof(text) - 1 - size, 0);
		assert_true(got > 0);
		size += (size_t)got;
		text[size] = '\0';
	}
}

static int ask_for(const char *path)
{
	int fd = http_connect(server_port(server));
	char text[128];

	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	assert_true(http_send_text(fd, text));
	return fd;
}

static int ask(void)
{
	return ask_for("/stream");
}

static void pieces_arrive_as_they_are_made(void **state)
{
	int fd = ask();
	char piece[16];

	/* The head comes before there is anything to tell. */
	read_until(fd, "\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		atomic_fetch_add(&made, 1);
		wake();
		snprintf(piece, sizeof(piece), "<%d>", i);
		read_until(fd, piece);
	}
	atomic_store(&over, true);
	wake();
	wait_for(&closes, 1);
	close(fd);
}

static void *make_many(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		atomic_fetch_add(&made, 1);
		wake();
	}
	return argument;
}

static void no_wake_is_lost(void **state)
{
	pthread_t maker;
	int fd = ask();

	read_until(fd, "\r\n\r\n");
	assert_int_equal(pthread_create(&maker, NULL, make_many, NULL), 0);
	read_until(fd, "<1999>");
	pthread_join(maker, NULL);
	close(fd);
}

static void one_who_went_is_noticed_at_the_next_piece(void **state)
{
	int fd = ask();

	read_until(fd, "\r\n\r\n");
	close(fd);
	for (int i = 0; atomic_load(&closes) == 0; i++) {
		assert_true(i < WAIT_MS);
		atomic_fetch_add(&made, 1);
		wake();
		clock_sleep_ms(1);
	}
	assert_int_equal(atomic_load(&closes), 1);
}

static void a_server_that_ends_ends_its_streams(void **state)
{
	int fd = ask();

	read_until(fd, "\r\n\r\n");
	server_stop(server, 60000);
	server = NULL;
	assert_int_equal(atomic_load(&closes), 1);
	assert_true(http_closed(fd, WAIT_MS));
	close(fd);
}

/* Without the last chunk of none, whose absence tells that something is missing. */
static void one_that_is_cut_is_not_taken_for_the_whole(void **state)
{
	int fd = ask();
	char text[4096] = "";
	size_t size = 0;
	ssize_t got;

	(void)state;
	read_until(fd, "\r\n\r\n");
	atomic_store(&made, 1);
	wake();
	read_until(fd, "<0>");
	atomic_store(&cut, true);
	wake();
	while ((got = recv(fd, text + size, sizeof(text) - 1 - size, 0)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	assert_null(strstr(text, "0\r\n\r\n"));
	wait_for(&closes, 1);
	close(fd);
}

static void *stop_server(void *argument)
{
	server_stop(server, 60000);
	return argument;
}

static void a_whole_one_comes_to_its_end_though_the_server_ends(void **state)
{
	int fd = ask_for("/whole");
	pthread_t stopper;

	(void)state;
	read_until(fd, "\r\n\r\n");
	server_quiesce(server);
	assert_int_equal(pthread_create(&stopper, NULL, stop_server, NULL), 0);
	atomic_store(&made, 3);
	wake();
	read_until(fd, "<2>");
	atomic_store(&over, true);
	wake();
	read_until(fd, "0\r\n\r\n");
	pthread_join(stopper, NULL);
	server = NULL;
	assert_int_equal(atomic_load(&closes), 1);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {T(pieces_arrive_as_they_are_made), T(no_wake_is_lost),
		T(one_who_went_is_noticed_at_the_next_piece),
		T(a_server_that_ends_ends_its_streams),
		T(one_that_is_cut_is_not_taken_for_the_whole),
		T(a_whole_one_comes_to_its_end_though_the_server_ends)};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
