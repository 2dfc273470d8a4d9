/*
 * A worker waits for three descriptors: the end of a pipe through which connections are handed to it, a
 * counter of resumed connections, and MHD's epoll set, which is readable while anything in it is. Each
 * turn takes what the pipe and the counter have and lets MHD run once without waiting. The pipe's end is
 * the end of the worker.
 *
 * The counter: MHD looks for resumed connections first and then clears its own signal for them, with
 * which one may go that came in between. The counter is cleared before MHD looks.
 */
#define _GNU_SOURCE /* pipe2(); NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): by the manual */
#include "receiver/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "receiver/peers.h"

struct worker {
	struct pool *pool;
	unsigned number;
	struct MHD_Daemon *daemon;
	int epoll_fd;
	int hand_read, hand_write; /* the pipe; read without waiting, written with */
	int wake_fd;               /* the counter */
	_Atomic unsigned connections;
	pthread_t thread;
};

struct pool {
	struct pool_config config;
	unsigned worker_count;
	struct worker workers[];
};

/* Through the pipe, whole: less than PIPE_BUF. */
struct handed {
	struct sockaddr_storage address;
	socklen_t size;
	int fd;
};

static void library_log(void *argument, const char *format, va_list values) PRINTF_LIKE(2, 0);
static void library_log(void *argument, const char *format, va_list values)
{
	char text[512];
	size_t size;

	(void)argument;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	vsnprintf(text, sizeof(text), format, values);
	size = strlen(text);
	if (size && text[size - 1] == '\n')
		text[size - 1] = '\0';
	LOG_DEBUG("http library", LOG_TEXT("said", text));
}

static void connection_changed(void *argument, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code)
{
	struct worker *worker = argument;
	const struct pool_config *config = &worker->pool->config;

	config->changed(config->argument, connection, slot, code);
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
		atomic_fetch_sub(&worker->connections, 1);
}

/* ---- the threads ---- */

static void refuse(struct worker *worker)
{
	atomic_fetch_sub(&worker->connections, 1);
	peers_retract(worker->pool->config.peers);
	metrics_inc(METRIC_HTTP_REJECTED, "connections");
}

/* Returns false at the pipe's end. */
static bool take_connections(struct worker *worker)
{
	struct handed handed;
	ssize_t got;

	while ((got = read(worker->hand_read, &handed, sizeof(handed))) == sizeof(handed))
		/* On failure MHD has closed the socket. */
		if (MHD_add_connection(worker->daemon, handed.fd,
			    (struct sockaddr *)&handed.address, handed.size) != MHD_YES)
			refuse(worker);
	return got != 0;
}

static int wait_ms(struct worker *worker)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (MHD_get_timeout(worker->daemon, &timeout_ms) != MHD_YES)
		return -1;
	return timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
}

static void *serve(void *argument)
{
	struct worker *worker = argument;
	char name[THREAD_NAME_MAX];

	snprintf(name, sizeof(name), "http %u", worker->number);
	thread_name(name);
	for (;;) {
		struct pollfd waits[] = {{.fd = worker->hand_read, .events = POLLIN},
			{.fd = worker->wake_fd, .events = POLLIN},
			{.fd = worker->epoll_fd, .events = POLLIN}};
		eventfd_t count;

		if (poll(waits, ARRAY_COUNT(waits), wait_ms(worker)) < 0 && errno != EINTR)
			break;
		if (waits[0].revents && !take_connections(worker))
			break;
		if (waits[1].revents)
			(void)eventfd_read(worker->wake_fd, &count);
		(void)MHD_run(worker->daemon);
	}
	return NULL;
}

/* ---- starting and stopping ---- */

static bool open_descriptors(struct worker *worker)
{
	int ends[2];

	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		return false;
	if (pipe2(ends, O_CLOEXEC) == 0) {
		worker->hand_read = ends[0];
		worker->hand_write = ends[1];
		if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
			return true;
		close(ends[0]);
		close(ends[1]);
	}
	close(worker->wake_fd);
	return false;
}

/* All but the end of the pipe that is written. */
static void close_worker(struct worker *worker)
{
	if (worker->daemon)
		MHD_stop_daemon(worker->daemon);
	close(worker->hand_read);
	close(worker->wake_fd);
}

static bool start_worker(struct pool *pool, unsigned number)
{
	struct worker *worker = &pool->workers[number];
	const struct pool_config *config = &pool->config;
	const union MHD_DaemonInfo *info;

	*worker = (struct worker){.pool = pool, .number = number};
	if (!open_descriptors(worker))
		return false;
	worker->daemon = MHD_start_daemon(config->flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
			MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, config->handle, config->argument, MHD_OPTION_EXTERNAL_LOGGER,
		library_log, NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, worker,
		MHD_OPTION_ARRAY, config->options, MHD_OPTION_END);
	if (worker->daemon) {
		info = MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
		CHECK(info != NULL);
		worker->epoll_fd = info->epoll_fd;
		if (pthread_create(&worker->thread, NULL, serve, worker) == 0)
			return true;
	}
	close(worker->hand_write);
	close_worker(worker);
	return false;
}

struct pool *pool_start(const struct pool_config *config, struct error *error)
{
	unsigned count = config->worker_count ? config->worker_count : 1;
	struct pool *pool = mem_zalloc(1, sizeof(*pool) + count * sizeof(pool->workers[0]));

	if (!pool) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	pool->config = *config;
	while (pool->worker_count < count && start_worker(pool, pool->worker_count))
		pool->worker_count++;
	pool->config.options = NULL; /* of the caller's, and read */
	if (pool->worker_count == count)
		return pool;
	pool_stop(pool);
	error_set(error, STATUS_IO,
		"cannot start the HTTP threads (out of memory or descriptors?)");
	return NULL;
}

void pool_add(struct pool *pool, int fd, const struct sockaddr_storage *address, socklen_t size)
{
	struct handed handed = {.address = *address, .size = size, .fd = fd};
	struct worker *worker = &pool->workers[0];
	ssize_t put;

	for (unsigned i = 1; i < pool->worker_count; i++)
		if (atomic_load(&pool->workers[i].connections) < atomic_load(&worker->connections))
			worker = &pool->workers[i];
	atomic_fetch_add(&worker->connections, 1);
	do
		put = write(worker->hand_write, &handed, sizeof(handed));
	while (put < 0 && errno == EINTR);
	if (put == sizeof(handed))
		return;
	close(fd);
	refuse(worker);
}

void pool_resume(struct pool *pool, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON);
	const struct MHD_Daemon *daemon;

	CHECK(info != NULL);
	/* Behind the resume the connection may be gone. */
	daemon = info->daemon;
	MHD_resume_connection(connection);
	for (unsigned i = 0; i < pool->worker_count; i++)
		if (pool->workers[i].daemon == daemon)
			(void)eventfd_write(pool->workers[i].wake_fd, 1);
}

void pool_stop(struct pool *pool)
{
	if (!pool)
		return;
	for (unsigned i = 0; i < pool->worker_count; i++)
		close(pool->workers[i].hand_write);
	for (unsigned i = 0; i < pool->worker_count; i++) {
		struct worker *worker = &pool->workers[i];

		pthread_join(worker->thread, NULL);
		close_worker(worker);
	}
	mem_free(pool);
}
