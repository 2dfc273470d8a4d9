/*
 * Each connection has a thread, which reads a request, answers it and reads the next.
 */
#include "tests/support/bench_api.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

int bench_connect(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int listen_on(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(fd, 64) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

void bench_send(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		at += sent;
		size -= (size_t)sent;
	}
}

/* The size of a head and of the body that it announces; 0: the head is not whole. */
static size_t message_size(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *line = text;
	size_t size = end != NULL ? (size_t)(end - text) + 4 : 0;

	while (end != NULL && (line = strstr(line, "\r\n")) < end) {
		line += 2;
		if (strncasecmp(line, "content-length:", 15) == 0)
			return size + strtoul(line + 15, NULL, 10);
	}
	return size;
}

bool bench_receive(int fd, char text[BENCH_REQUEST_MAX], int64_t *first_ns)
{
	size_t size = 0, wanted = 0;

	*first_ns = 0;
	while (wanted == 0 || size < wanted) {
		ssize_t got = recv(fd, text + size, BENCH_REQUEST_MAX - 1 - size, 0);

		if (got <= 0)
			return false;
		if (*first_ns == 0)
			*first_ns = clock_mono_ns(clock_system());
		size += (size_t)got;
		text[size] = '\0';
		if (wanted == 0)
			wanted = message_size(text);
	}
	return true;
}

/* ---- the API server ---- */

static _Atomic int64_t changed_ns[BENCH_WORKLOADS];

void bench_answer(int fd, int code, const char *body)
{
	static const char head[] = "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
				   "Content-Length: %zu\r\n\r\n%s";
	char text[4096];

	snprintf(text, sizeof(text), head, code, strlen(body), body);
	bench_send(fd, text, strlen(text));
}

/* The number of the workload w-<number> in a request line, or -1. */
static int number_of(const char *request)
{
	const char *at = strstr(request, "/deployments/w-");

	return at != NULL && at < strchr(request, '\r') ? (int)strtol(at + 15, NULL, 10) : -1;
}

static bool is_watch(const char *request, const char *line_end)
{
	const char *at = strstr(request, "watch=");

	return at != NULL && at < line_end;
}

static void serve(int fd, const char *request, int64_t first_ns)
{
	const char *line_end = strchr(request, '\r');
	int number = number_of(request);
	char body[2048];

	/* A body in chunks, which kubectl sends, is no request. */
	if (strstr(request, " HTTP/1.1\r\n") == NULL)
		return;
	if (is_watch(request, line_end)) {
		static const char bookmark[] =
			"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"2\"}}}\n";

		/* The thread then waits for the next request, and the stream stays as it is. */
		snprintf(body, sizeof(body),
			"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
			"Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n",
			strlen(bookmark), bookmark);
		bench_send(fd, body, strlen(body));
	} else if (strncmp(request, "GET /api/v1/namespaces?", 23) == 0) {
		bench_answer(fd, 200,
			"{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":"
			"[{\"metadata\":{\"name\":\"shop\",\"uid\":\"n\",\"resourceVersion\":\"1\"}}]"
			"}");
	} else if (number >= 0 && strncmp(request, "GET ", 4) != 0) {
		bench_api_note_change(number, first_ns);
		snprintf(body, sizeof(body),
			"{\"kind\":\"Scale\",\"metadata\":{\"name\":\"w-%d\",\"namespace\":\"shop\","
			"\"uid\":\"u-%d\",\"resourceVersion\":\"2\"},\"spec\":{\"replicas\":3}}",
			number, number);
		bench_answer(fd, 200, body);
	} else if (number >= 0) {
		snprintf(body, sizeof(body),
			"{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":"
			"\"w-%d\",\"namespace\":\"shop\",\"uid\":\"u-%d\",\"resourceVersion\":\"1\","
			"\"managedFields\":[{\"manager\":\"kubectl-create\",\"operation\":\"Update\","
			"\"apiVersion\":\"apps/v1\",\"fieldsType\":\"FieldsV1\","
			"\"fieldsV1\":{\"f:spec\":{\"f:template\":{}}}}]},"
			"\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
			"\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\"}]}}},"
			"\"status\":{\"replicas\":2,\"readyReplicas\":2}}",
			number, number);
		bench_answer(fd, 200, body);
	} else if (strncmp(request, "GET /api/v1/namespaces/shop ", 28) == 0) {
		bench_answer(fd, 200,
			"{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\",\"uid\":\"n\","
			"\"resourceVersion\":\"1\"}}");
	} else if (memchr(request, '?', (size_t)(line_end - request)) != NULL ||
		strncmp(line_end - 23, "autoscalers HTTP/1.1", 20) == 0 ||
		strstr(request, "horizontalpodautoscalers") != NULL) {
		bench_answer(fd, 200,
			"{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}");
	} else {
		bench_answer(fd, 404,
			"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\","
			"\"code\":404}");
	}
}

static void *serve_connection(void *argument)
{
	int fd = *(int *)argument;
	char *request = malloc(BENCH_REQUEST_MAX);
	int64_t first_ns;

	free(argument);
	CHECK(request != NULL);
	while (bench_receive(fd, request, &first_ns))
		serve(fd, request, first_ns);
	free(request);
	close(fd);
	return NULL;
}

struct listener {
	int fd;
	void *(*serve)(void *connection);
};

static void *accept_all(void *argument)
{
	struct listener *listener = argument;

	for (;;) {
		int *fd = malloc(sizeof(*fd)), one = 1;
		pthread_t thread;

		CHECK(fd != NULL);
		*fd = accept(listener->fd, NULL, NULL);
		CHECK(*fd >= 0);
		(void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		CHECK(pthread_create(&thread, NULL, listener->serve, fd) == 0);
		pthread_detach(thread);
	}
	return NULL;
}

unsigned bench_listen(void *(*serve_one)(void *))
{
	/* Its thread's, which never ends. */
	struct listener *listener = malloc(sizeof(*listener));
	pthread_t thread;
	unsigned port;

	CHECK(listener != NULL);
	listener->fd = listen_on(&port);
	listener->serve = serve_one;
	CHECK(pthread_create(&thread, NULL, accept_all, listener) == 0);
	pthread_detach(thread);
	return port;
}

unsigned bench_api_start(void)
{
	return bench_listen(serve_connection);
}

int64_t bench_api_changed_ns(int workload)
{
	return atomic_load(&changed_ns[workload]);
}

void bench_api_note_change(int workload, int64_t first_ns)
{
	int64_t none = 0;

	CHECK(workload >= 0 && workload < BENCH_WORKLOADS);
	atomic_compare_exchange_strong(&changed_ns[workload], &none, first_ns);
}

void bench_api_forget(void)
{
	for (int i = 0; i < BENCH_WORKLOADS; i++)
		atomic_store(&changed_ns[i], 0);
}
