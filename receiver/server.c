/*
 * The server as a whole: it starts a pool of threads that serve, a thread that deals new connections
 * out to them, a watch thread that cuts off peers which are too slow, and stops in steps so that no
 * answer is lost.
 *
 * Stopping: server_quiesce() ends accepting. server_stop() waits for the requests under way,
 * answers the suspended ones 503, gives these answers a moment to go out, and closes.
 *
 * Limits: connections by connection_max, request line and headers by header_max, bodies by
 * slots, time by the watch and MHD's idle timeout.
 */
#include "receiver/server.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread_name.h"
#include "receiver/acceptor.h"
#include "receiver/pool.h"
#include "receiver/request.h"

#define WATCH_EVERY_MS 250
#define ANSWERS_OUT_MS 1000
/* What a connection's memory holds beside the headers: piece of the body, response headers. */
#define CONNECTION_MEMORY 32768

static void panic(void *argument, const char *file, unsigned line, const char *reason)
{
	(void)argument;
	LOG_ERROR("the HTTP library gave up", LOG_TEXT("reason", reason ? reason : ""));
	check_failed(file, (int)line, reason ? reason : "libmicrohttpd");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX in place. %00 stays as it is: a NUL would end the text before its end. */
static size_t unescape(void *argument, struct MHD_Connection *connection, char *text)
{
	char *to = text;

	(void)argument;
	(void)connection;
	for (const char *at = text; *at; at++) {
		int high = *at == '%' ? hex_digit(at[1]) : -1;
		int low = high >= 0 ? hex_digit(at[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high * 16 + low);
			at += 2;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* At the request line: the request's time begins. */
static void *request_line(void *argument, const char *uri, struct MHD_Connection *connection)
{
	struct peer *peer = request_peer_of(connection);
	int64_t now_ns = clock_mono_ns(clock_system());

	(void)argument;
	(void)uri;
	if (peer) {
		peer->request_ns = now_ns;
		peer_set_phase(peer, PEER_WAITING, now_ns);
	}
	return NULL;
}

static void connection_changed(void *argument, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *server = argument;
	struct peer *peer = *slot;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		CHECK(info != NULL);
		peer = peers_add(server->peers, info->connect_fd);
		if (peer)
			peer->tls = server->tls;
		*slot = peer;
		return;
	}
	if (!peer)
		return;
	tls_material_release(peer->material);
	peers_remove(server->peers, peer);
	*slot = NULL;
}

static void *watch(void *argument)
{
	struct server *server = argument;
	struct timespec until;
	bool ended = false;
	int64_t until_ns;
	size_t cut;

	thread_name("http watch");
	while (!ended) {
		until_ns = clock_mono_ns(clock_system()) + WATCH_EVERY_MS * INT64_C(1000000);
		until.tv_sec = (time_t)(until_ns / 1000000000);
		until.tv_nsec = (long)(until_ns % 1000000000);
		pthread_mutex_lock(&server->lock);
		if (!server->watch_ended)
			pthread_cond_timedwait(&server->watch_wake, &server->lock, &until);
		ended = server->watch_ended;
		pthread_mutex_unlock(&server->lock);
		cut = peers_cut(server->peers, clock_mono_ns(clock_system()),
			slots_full(server->slots));
		if (cut)
			LOG_WARN("connections cut off: too slow", LOG_UINT("count", cut));
	}
	return NULL;
}

static struct pool *start_pool(struct server *server, struct error *error)
{
	const struct server_config *config = &server->config;
	struct MHD_OptionItem options[16];
	size_t count = 0;

#define OPTION(name, number, pointer)                                                              \
	options[count++] = (struct MHD_OptionItem){name, (intptr_t)(number), pointer}
	OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, config->header_max + CONNECTION_MEMORY, NULL);
	OPTION(MHD_OPTION_CONNECTION_MEMORY_INCREMENT, 8192, NULL);
	OPTION(MHD_OPTION_CONNECTION_LIMIT, INT_MAX, NULL); /* the acceptor keeps ours */
	OPTION(MHD_OPTION_CONNECTION_TIMEOUT, config->idle_timeout_s, NULL);
	OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
	OPTION(MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, server);
	OPTION(MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_line, server);
	OPTION(MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)unescape, server);
	if (server->tls) {
		OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities(server->tls));
		OPTION(MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve);
	}
	OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
	return pool_start(&(struct pool_config){.worker_count = config->thread_count,
				  .flags = server->tls ? MHD_USE_TLS : 0,
				  .options = options,
				  .handle = request_handle,
				  .changed = connection_changed,
				  .argument = server,
				  .peers = server->peers},
		error);
}

static bool start_all(struct server *server, struct error *error)
{
	server->pool = start_pool(server, error);
	if (!server->pool)
		return false;
	server->acceptor = acceptor_start(server->listener.fd, server->pool, server->peers,
		server->config.connection_max, error);
	if (server->acceptor && !pthread_create(&server->watch, NULL, watch, server))
		return true;
	if (server->acceptor)
		error_set(error, STATUS_IO, "no thread to watch over connections");
	acceptor_stop(server->acceptor);
	pool_stop(server->pool);
	return false;
}

/* Signals are for the main thread: whatever is started here must not take them. */
static bool start_threads(struct server *server, struct error *error)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = start_all(server, error);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static char *prefix_of(const char *text)
{
	size_t size = text ? strlen(text) : 0;

	while (size && text[size - 1] == '/')
		size--;
	return mem_strndup(text ? text : "", size);
}

static void server_free(struct server *server)
{
	if (server->listener.fd >= 0)
		close(server->listener.fd);
	tls_close(server->tls);
	peers_close(server->peers);
	slots_close(server->slots);
	pthread_cond_destroy(&server->watch_wake);
	pthread_mutex_destroy(&server->lock);
	mem_free(server->prefix);
	host_names_close(server->host_names);
	mem_free(server->routes);
	mem_free(server);
}

static enum status take_parts(struct server *server, const struct route *routes, size_t route_count)
{
	int64_t idle_ms = (int64_t)server->config.idle_timeout_s * 1000;
	struct peer_limits limits = {.header_ms = 2 * idle_ms,
		.body_grace_ms = idle_ms,
		.reply_ms = 5 * idle_ms};

	server->slots = slots_open(server->config.slot_count);
	server->peers = peers_open(&limits);
	server->prefix = prefix_of(server->config.route_prefix);
	server->host_names =
		host_names_open(server->config.external_url, server->config.listen_address);
	server->routes = mem_alloc(sizeof(*routes) * route_count);
	if (!server->slots || !server->peers || !server->prefix || !server->host_names ||
		!server->routes)
		return STATUS_NO_MEMORY;
	if (route_count)
		memcpy(server->routes, routes, sizeof(*routes) * route_count);
	server->route_count = route_count;
	return STATUS_OK;
}

static struct server *server_alloc(const struct server_config *config)
{
	static _Atomic uint64_t last_id;
	struct server *server = mem_zalloc(1, sizeof(*server));
	pthread_condattr_t monotonic;

	if (!server)
		return NULL;
	server->config = *config;
	server->listener.fd = -1;
	server->id = atomic_fetch_add(&last_id, 1) + 1;
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&server->watch_wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return server;
}

struct server *server_start(const struct server_config *config, const struct route *routes,
	size_t route_count, struct error *error)
{
	struct server *server = server_alloc(config);
	enum status status;

	if (!server || take_parts(server, routes, route_count)) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		goto fail;
	}
	MHD_set_panic_func(panic, NULL);
	if (access_has_tls(config->access)) {
		server->tls = tls_open(config->access, error);
		if (!server->tls)
			goto fail;
	}
	status = listen_open(&server->listener, config->listen_address, error);
	if (status || !start_threads(server, error))
		goto fail;
	LOG_DEBUG("server open", LOG_TEXT("address", config->listen_address),
		LOG_INT("port", server->listener.port), LOG_BOOL("tls", server->tls != NULL));
	return server;
fail:
	if (server)
		server_free(server);
	return NULL;
}

unsigned server_port(const struct server *server)
{
	return server->listener.port;
}

bool server_loopback(const struct server *server)
{
	return server->listener.loopback;
}

bool server_address_loopback(const char *listen_address)
{
	char host[LISTEN_HOST_MAX];
	uint16_t port;

	return !listen_parse(listen_address, host, &port, NULL) && listen_host_loopback(host);
}

void server_quiesce(struct server *server)
{
	if (atomic_exchange(&server->quiescing, true))
		return;
	acceptor_stop(server->acceptor);
	/* Without this the kernel would still take connections. */
	shutdown(server->listener.fd, SHUT_RDWR);
	streams_wake_all(server);
}

static bool idle(struct server *server)
{
	bool none;

	pthread_mutex_lock(&server->lock);
	none = !server->first;
	pthread_mutex_unlock(&server->lock);
	return none;
}

static void wait_idle(struct server *server, int64_t timeout_ms)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + timeout_ms * 1000000;

	while (!idle(server) && clock_mono_ns(clock_system()) < until_ns)
		clock_sleep_ms(2);
}

/* A request in this state, with a reference of the caller's, or NULL. */
static struct request *find_in_state(struct server *server, enum request_state state)
{
	struct request *request;

	pthread_mutex_lock(&server->lock);
	request = server->first;
	while (request && atomic_load(&request->state) != (int)state)
		request = request->next;
	if (request)
		atomic_fetch_add(&request->references, 1);
	pthread_mutex_unlock(&server->lock);
	return request;
}

/* After this no request is suspended and no owner is between its answer and MHD. */
static void abandon_suspended(struct server *server)
{
	struct request *request;
	size_t count = 0;

	while ((request = find_in_state(server, REQUEST_SUSPENDED)) != NULL) {
		count += request_abandon(request);
		request_unref(request);
	}
	while ((request = find_in_state(server, REQUEST_RESUMING)) != NULL) {
		request_unref(request);
		clock_sleep_ms(1);
	}
	if (count)
		LOG_WARN("requests answered 503 at the end: they waited too long",
			LOG_UINT("count", count));
}

void server_stop(struct server *server, int64_t drain_ms)
{
	server_quiesce(server);
	wait_idle(server, drain_ms);
	atomic_store(&server->stopping, true);
	abandon_suspended(server);
	wait_idle(server, ANSWERS_OUT_MS);
	pthread_mutex_lock(&server->lock);
	server->watch_ended = true;
	pthread_cond_signal(&server->watch_wake);
	pthread_mutex_unlock(&server->lock);
	pthread_join(server->watch, NULL);
	pool_stop(server->pool);
	server_free(server);
}
