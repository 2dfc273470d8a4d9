/*
 * The real program under ten thousand connections that are open and silent, as a fleet of senders that
 * keep theirs alive, or one that leaks them, would hold: all are held, requests go through beside
 * them, and each still works afterwards.
 *
 * A process may open as many files as RLIMIT_NOFILE lets it; the test raises its own as far as it may,
 * and says so when that is too little for all connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/load.h"
#include "tests/support/servers.h"

#define WANTED 10000
/* Beside the held ones: more than the sixteenth that the program keeps free for newcomers. */
#define ALLOWED (WANTED + WANTED / 8)
/* Descriptors of each process that are no held connections, the service's ALLOWED included. */
#define OTHERS (ALLOWED - WANTED + 400)
#define DEADLINE_S 120
#define ANSWER_MS 60000

static struct servers servers;
static struct server *nimbusguard;
static int sockets[WANTED];
static int held; /* how many the limit allows */

/* Returns the limit of open files that is reached; the program inherits it. */
static rlim_t raise_limit(rlim_t wanted)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < wanted) {
		/* Who has the privilege may raise the hard limit, too. */
		struct rlimit raised = {wanted, wanted};

		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			return wanted;
	}
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur;
}

static int setup(void **state)
{
	char connections[64];
	const char *flags[] = {connections, "--web.idle-timeout=1h", NULL};
	rlim_t files;

	if (!servers_there(false, false))
		return 0;
	files = raise_limit(WANTED + OTHERS);
	assert_true(files > OTHERS);
	held = files >= WANTED + OTHERS ? WANTED : (int)(files - OTHERS);
	if (held < WANTED)
		print_message(
			"the limit of open files allows %d connections, not %d: raise the hard "
			"limit (ulimit -Hn) to %d\n",
			held, WANTED, WANTED + OTHERS);
	snprintf(connections, sizeof(connections), "--web.connections-max=%d", ALLOWED);
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	nimbusguard_start(&servers, nimbusguard, flags);
	return 0;
}

/* With a reset, so that no port of the machine stays taken for a minute after it. */
static void close_socket(int fd)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void needs_the_program(void)
{
	if (nimbusguard == NULL)
		skip();
}

static double open_files(void)
{
	return web_metric(nimbusguard->url, "process_open_fds");
}

/* Ten thousand times, so in a few calls: an answer to HEAD ends with its headers. */
static void ask_on(int fd)
{
	static const char request[] = "HEAD /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char answer[2048] = "";
	size_t size = 0;

	assert_true(http_send_text(fd, request));
	while (strstr(answer, "\r\n\r\n") == NULL) {
		ssize_t got = poll(&wait, 1, ANSWER_MS) == 1
			? recv(fd, answer + size, sizeof(answer) - 1 - size, 0)
			: -1;

		assert_true(got > 0);
		size += (size_t)got;
		answer[size] = '\0';
	}
	assert_non_null(strstr(answer, " 200 OK\r\n"));
}

/* Every second one has been used once, as senders' are; the others never said a word. */
static void idle_connections_are_opened_by_the_thousands(void **state)
{
	needs_the_program();
	for (int i = 0; i < held; i++) {
		sockets[i] = http_connect(nimbusguard->port.number);
		assert_true(sockets[i] >= 0);
		if (i % 2 == 0)
			ask_on(sockets[i]);
	}
	AWAIT(&servers, open_files() >= held, DEADLINE_S);
	print_message("%d idle connections are open\n", held);
}

static void requests_go_through_beside_them(void **state)
{
	double took_s;

	needs_the_program();
	took_s = load_send(&servers, nimbusguard, 1);
	print_message("p99 beside %d idle connections: %.1f ms\n", held, took_s * 1000);
	assert_true(web_metric(nimbusguard->url,
			    "nimbusguard_remote_write_samples_total{result=\"stored\"}") >=
		LOAD_SAMPLES);
}

static void none_of_them_was_closed_for_it_and_each_answers(void **state)
{
	needs_the_program();
	for (int i = 0; i < held; i++)
		assert_false(http_closed(sockets[i], 0));
	assert_true(open_files() >= held);
	for (int i = 0; i < held; i++)
		ask_on(sockets[i]);
}

static void what_they_took_is_given_back_when_they_end(void **state)
{
	needs_the_program();
	for (int i = 0; i < held; i++)
		close_socket(sockets[i]);
	AWAIT(&servers, open_files() < 200, DEADLINE_S);
	(void)load_send(&servers, nimbusguard, 2);
	server_end(nimbusguard);
}

static int teardown(void **state)
{
	if (nimbusguard != NULL)
		servers_close(&servers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_connections_are_opened_by_the_thousands),
		cmocka_unit_test(requests_go_through_beside_them),
		cmocka_unit_test(none_of_them_was_closed_for_it_and_each_answers),
		cmocka_unit_test(what_they_took_is_given_back_when_they_end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("idle connections", tests, setup, teardown);
}
