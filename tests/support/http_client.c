/*
 * The test client: blocking sockets with a deadline by poll().
 */
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX (8 * 1024 * 1024)

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int http_connect(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((unsigned short)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

bool http_send(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

bool http_send_text(int fd, const char *text)
{
	return http_send(fd, text, strlen(text));
}

/* Bytes read, 0 at the end, -1 when the time is over or the connection broke. */
static ssize_t read_until(int fd, char *to, size_t size, long deadline_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	long left = deadline_ms - now_ms();

	if (left < 0 || poll(&wait, 1, (int)left) <= 0)
		return -1;
	return recv(fd, to, size, 0);
}

bool http_header(const struct http_reply *reply, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	const char *line = reply->head, *end;

	while (line && (line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, length) != 0 || line[length] != ':')
			continue;
		line += length + 1;
		line += strspn(line, " ");
		end = strstr(line, "\r\n");
		snprintf(value, size, "%.*s", (int)(end ? end - line : (long)strlen(line)), line);
		return true;
	}
	return false;
}

struct http_reply http_read(int fd, int timeout_ms, bool head_only)
{
	struct http_reply reply = {0};
	long deadline_ms = now_ms() + timeout_ms;
	size_t wanted = 0, size = 0;
	char *end = NULL, text[32], *all = calloc(1, REPLY_MAX);

	while (size < REPLY_MAX - 1) {
		ssize_t got;

		if (!end && (end = strstr(all, "\r\n\r\n")) != NULL) {
			reply.head = strndup(all, (size_t)(end + 2 - all));
			reply.status = (int)strtol(all + 9, NULL, 10);
			if (http_header(&reply, "Content-Length", text, sizeof(text)) && !head_only)
				wanted = (size_t)strtoull(text, NULL, 10);
			wanted += (size_t)(end + 4 - all);
		}
		if (end && size >= wanted)
			break;
		got = read_until(fd, all + size, end ? wanted - size : 1, deadline_ms);
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	if (end) {
		reply.body_size = size - (size_t)(end + 4 - all);
		reply.body = calloc(1, reply.body_size + 1);
		memcpy(reply.body, end + 4, reply.body_size);
	}
	free(all);
	return reply;
}

void http_reply_fini(struct http_reply *reply)
{
	free(reply->head);
	free(reply->body);
	*reply = (struct http_reply){0};
}

struct http_reply http_ask(unsigned port, const char *text)
{
	struct http_reply reply = {0};
	int fd = http_connect(port);

	if (fd < 0)
		return reply;
	http_send_text(fd, text);
	reply = http_read(fd, 120000, !strncmp(text, "HEAD", 4));
	close(fd);
	return reply;
}

struct http_reply http_call(unsigned port, const char *method, const char *path,
	const char *headers, const char *body)
{
	struct http_reply reply;
	char length[64] = "", *text;
	size_t size;

	if (body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	size = strlen(method) + strlen(path) + strlen(headers) + (body ? strlen(body) : 0) + 256;
	text = malloc(size);
	snprintf(text, size, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s\r\n%s", method, path,
		port, headers, length, body ? body : "");
	reply = http_ask(port, text);
	free(text);
	return reply;
}

bool http_closed(int fd, int timeout_ms)
{
	long deadline_ms = now_ms() + timeout_ms;
	char byte[256];

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		long left = deadline_ms - now_ms();

		if (left < 0 || poll(&wait, 1, (int)left) <= 0)
			return false;
		if (recv(fd, byte, sizeof(byte), 0) <= 0)
			return true;
	}
}
