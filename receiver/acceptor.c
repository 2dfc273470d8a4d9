/*
 * The thread waits for the listening socket and for the end of a pipe that acceptor_stop() closes.
 * When descriptors are out, the connection waits in the kernel's queue until one is free again.
 *
 * The limit on connections is kept here and MHD is given none: in MHD 0.9.75 a thread that finds its
 * own limit reached by a connection handed to it returns with its lock held, and hangs for good.
 */
#define _GNU_SOURCE /* accept4(); NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): by the manual */
#include "receiver/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "receiver/peers.h"
#include "receiver/pool.h"

/* One part of so many is kept free for newcomers. */
#define RESERVE_PART 16
#define RETRY_MS 50

struct acceptor {
	int listen_fd;
	int end_read, end_write; /* a pipe, closed at one end to wake the thread at the other */
	struct pool *pool;
	struct peers *peers;
	unsigned connection_max;
	pthread_t thread;
};

static void make_room(struct acceptor *acceptor)
{
	unsigned reserve = acceptor->connection_max / RESERVE_PART + 1;

	if (peers_count(acceptor->peers) + reserve > acceptor->connection_max &&
		peers_cut_idlest(acceptor->peers))
		LOG_WARN("nearly all connections are in use: the one idle for longest was closed "
			 "(web.connections_max)");
}

static bool out_of_descriptors(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

/* Returns 0, or the errno of why there is nothing to accept. */
static int accept_one(struct acceptor *acceptor)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd;

	fd = accept4(acceptor->listen_fd, (struct sockaddr *)&address, &size,
		SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno;
	make_room(acceptor);
	if (peers_count(acceptor->peers) >= acceptor->connection_max) {
		close(fd);
		metrics_inc(METRIC_HTTP_REJECTED, "connections");
		return 0;
	}
	peers_announce(acceptor->peers);
	pool_add(acceptor->pool, fd, &address, size);
	return 0;
}

static void *accept_all(void *argument)
{
	struct acceptor *acceptor = argument;
	struct pollfd waits[2] = {{.fd = acceptor->end_read, .events = POLLIN},
		{.fd = acceptor->listen_fd, .events = POLLIN}};

	thread_name("http accept");
	for (;;) {
		int number;

		if (poll(waits, 2, -1) < 0 && errno != EINTR)
			break;
		if (waits[0].revents)
			break;
		if (!waits[1].revents)
			continue;
		number = accept_one(acceptor);
		if (!out_of_descriptors(number))
			continue;
		LOG_WARN("no descriptor or memory for a new connection: raise the limit of open "
			 "files or lower web.connections_max");
		(void)peers_cut_idlest(acceptor->peers);
		if (poll(waits, 1, RETRY_MS) > 0)
			break;
	}
	return NULL;
}

struct acceptor *acceptor_start(int listen_fd, struct pool *pool, struct peers *peers,
	unsigned connection_max, struct error *error)
{
	struct acceptor *acceptor = mem_zalloc(1, sizeof(*acceptor));
	int ends[2], number;

	if (!acceptor) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	if (pipe2(ends, O_CLOEXEC)) {
		error_set_errno(error, STATUS_IO, errno, "cannot accept connections");
		mem_free(acceptor);
		return NULL;
	}
	*acceptor = (struct acceptor){.listen_fd = listen_fd,
		.end_read = ends[0],
		.end_write = ends[1],
		.pool = pool,
		.peers = peers,
		.connection_max = connection_max};
	number = pthread_create(&acceptor->thread, NULL, accept_all, acceptor);
	if (number) {
		error_set_errno(error, STATUS_IO, number, "no thread to accept connections");
		close(ends[0]);
		close(ends[1]);
		mem_free(acceptor);
		return NULL;
	}
	return acceptor;
}

void acceptor_stop(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	close(acceptor->end_write);
	pthread_join(acceptor->thread, NULL);
	close(acceptor->end_read);
	mem_free(acceptor);
}
