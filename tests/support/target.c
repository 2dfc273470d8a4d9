/*
 * One thread, one connection at a time, one request a connection.
 */
#include "tests/support/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"

struct target_page {
	int fd;
	unsigned port;
	atomic_bool stopping;
	pthread_t thread;
	target_write_fn *write;
	void *argument;
};

static void answer(struct target_page *target, int fd)
{
	char request[8192] = "", head[256];
	size_t size = 0;
	char *page;

	while (strstr(request, "\r\n\r\n") == NULL && size < sizeof(request) - 1) {
		ssize_t got = recv(fd, request + size, sizeof(request) - 1 - size, 0);

		if (got <= 0)
			return;
		size += (size_t)got;
		request[size] = '\0';
	}
	page = target->write(target->argument);
	snprintf(head, sizeof(head),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		strlen(page));
	if (http_send_text(fd, head))
		(void)http_send_text(fd, page);
	free(page);
}

static void *serve(void *argument)
{
	struct target_page *target = argument;

	while (!atomic_load(&target->stopping)) {
		struct pollfd wait = {.fd = target->fd, .events = POLLIN};
		struct timeval limit = {.tv_sec = 5};
		int fd;

		if (poll(&wait, 1, 50) <= 0)
			continue;
		fd = accept(target->fd, NULL, NULL);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		answer(target, fd);
		close(fd);
	}
	return NULL;
}

struct target_page *target_open(target_write_fn *write, void *argument)
{
	struct target_page *target = calloc(1, sizeof(*target));
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	target->write = write;
	target->argument = argument;
	atomic_init(&target->stopping, false);
	target->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (target->fd < 0 || bind(target->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(target->fd, 16) != 0 ||
		getsockname(target->fd, (struct sockaddr *)&address, &size) != 0 ||
		pthread_create(&target->thread, NULL, serve, target) != 0) {
		perror("target");
		exit(1);
	}
	target->port = ntohs(address.sin_port);
	return target;
}

unsigned target_port(const struct target_page *target)
{
	return target->port;
}

void target_close(struct target_page *target)
{
	atomic_store(&target->stopping, true);
	pthread_join(target->thread, NULL);
	close(target->fd);
	free(target);
}
