/*
 * A request's life, as MHD calls for it.
 *
 * request_handle() is called when the headers are there, then for each piece of the body, then once
 * more at its end, and again after a suspended request was resumed. The checks are a table of steps
 * done in order; the first that refuses ends them. A refusal is answered after the body was read and
 * thrown away, so that the sender reads the answer instead of a reset; at once, and the connection
 * closed, when the sender waits for "100 Continue", when the body is too large to be thrown away, or
 * when its length is not to be trusted.
 */
#include "receiver/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/parse.h"
#include "receiver/origin.h"

/* Bodies up to this size are read and thrown away for a refusal. */
#define DISCARD_MAX (UINT64_C(64) * 1024 * 1024)
/* What a request may carry to a route that wants no body, e.g. an empty form. */
#define STRAY_BODY_MAX 65536

static const char *header_of(struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct peer *request_peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* ---- checks ---- */

struct framing {
	unsigned lengths, codings, hosts;
	bool chunked;
};

static enum MHD_Result note_framing(void *argument, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	struct framing *framing = argument;

	(void)kind;
	if (!strcasecmp(name, "Content-Length"))
		framing->lengths++;
	else if (!strcasecmp(name, "Host"))
		framing->hosts++;
	else if (!strcasecmp(name, "Transfer-Encoding")) {
		framing->codings++;
		framing->chunked = value && !strcasecmp(value, "chunked");
	}
	return MHD_YES;
}

/* Two ways to say where the body ends are how requests are smuggled past a proxy. */
static bool check_framing(struct request *request, bool *hopeless)
{
	struct framing framing = {0};

	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, note_framing, &framing);
	if (framing.lengths + framing.codings > 1 || framing.hosts > 1 ||
		(framing.codings && !framing.chunked)) {
		*hopeless = true;
		request_refuse(request, 400, "bad_input",
			"Content-Length, Transfer-Encoding and Host may be given once, and only one of "
			"the first two; the only transfer coding taken is chunked");
		return false;
	}
	return true;
}

static bool method_fits(const struct route *route, const char *method)
{
	return !strcmp(route->method, method) ||
		(!strcmp(route->method, "GET") && !strcmp(method, "HEAD"));
}

static bool path_fits(const struct route *route, const char *path, size_t *length)
{
	*length = strlen(route->path);
	if (route->flags & ROUTE_PREFIX)
		return !strncmp(route->path, path, *length);
	return !strcmp(route->path, path);
}

/* Length of the longest route path that fits, so that an exact path or a longer prefix hides the
 * prefixes above it; 0 when none fits. */
static size_t best_length(const struct request *request)
{
	const struct server *server = request->server;
	size_t best = 0, length;

	for (size_t i = 0; i < server->route_count; i++)
		if (path_fits(&server->routes[i], request->path, &length) && length > best)
			best = length;
	return best;
}

static bool find_route(struct request *request)
{
	const struct server *server = request->server;
	size_t best = best_length(request), length;
	struct buf allowed;

	if (!best) {
		request_refuse(request, 404, status_label(STATUS_NOT_FOUND), "not found");
		return false;
	}
	buf_init(&allowed, 256);
	for (size_t i = 0; i < server->route_count && !request->route; i++) {
		const struct route *route = &server->routes[i];

		if (!path_fits(route, request->path, &length) || length != best)
			continue;
		if (method_fits(route, request->method))
			request->route = route;
		buf_printf(&allowed, "%s%s%s", allowed.size ? ", " : "", route->method,
			strcmp(route->method, "GET") ? "" : ", HEAD");
	}
	request->rest = request->path + best;
	if (!request->route) {
		request_add_header(request, "Allow", allowed.data ? allowed.data : "");
		request_refuse(request, 405, status_label(STATUS_METHOD), "method not allowed");
	}
	buf_fini(&allowed);
	return request->route != NULL;
}

static bool check_access(struct request *request)
{
	struct access *access = request->server->config.access;
	enum status status;

	if (request->route->role == ACCESS_NONE)
		return true; /* and nothing is hashed for a probe */
	status = access_check(access, header_of(request, "Authorization"),
		request->peer && request->peer->client_verified, &request->role, request->identity,
		sizeof(request->identity));
	if (access_role_allows(status ? ACCESS_NONE : request->role, request->route->role))
		return true;
	if (status == STATUS_BUSY)
		request_refuse(request, 503, status_label(status),
			"too many passwords are being checked, try again");
	else if (status)
		request_refuse(request, 401, status_label(STATUS_UNAUTHENTICATED),
			"credentials are missing or wrong");
	else
		request_refuse(request, 403, status_label(STATUS_FORBIDDEN),
			"the role of these credentials does not allow this");
	return false;
}

static bool check_privilege(struct request *request)
{
	if (!(request->route->flags & ROUTE_PRIVILEGED) ||
		access_enabled(request->server->config.access) ||
		request->server->listener.loopback)
		return true;
	request_refuse(request, 403, status_label(STATUS_FORBIDDEN),
		"refused because access control is off and the service listens beyond loopback: "
		"set --web.config.file or web.tokens");
	return false;
}

/* Changes have the check of the origin; what is open to all tells nothing. */
static bool check_host(struct request *request)
{
	struct server *server = request->server;

	if (strcmp(request->route->method, "GET") != 0 || request->route->role == ACCESS_NONE ||
		!server->listener.loopback || access_enabled(server->config.access) ||
		host_names_allow(server->host_names, header_of(request, "Host")))
		return true;
	request_refuse(request, 421, "host",
		"the Host header is no name of this service: without access control ask for localhost, "
		"an IP address, the machine's host name or the host of web.external_url");
	return false;
}

static bool check_origin(struct request *request)
{
	const char *why;
	bool local_only = !access_enabled(request->server->config.access);

	if (!(request->route->flags & ROUTE_CHANGES))
		return true;
	why = origin_refusal(header_of(request, "Origin"), header_of(request, "Sec-Fetch-Site"),
		header_of(request, "Host"), local_only);
	if (!why)
		return true;
	request_refuse(request, 403, "origin", why);
	return false;
}

static bool check_route_head(struct request *request)
{
	struct error error = {0};
	enum status status;

	if (!request->route->check_head)
		return true;
	status = request->route->check_head(request, &error);
	if (!status)
		return true;
	request_refuse(request, status_http(status), status_label(status),
		*error.text ? error.text : status_label(status));
	return false;
}

static uint64_t claimed_size(struct request *request, bool *chunked)
{
	const char *text = header_of(request, "Content-Length");
	int64_t size = 0;

	*chunked = header_of(request, "Transfer-Encoding") != NULL;
	/* MHD has checked the digits; what does not fit is over any limit of ours. */
	if (text && parse_int(text, &size))
		return UINT64_MAX;
	return (uint64_t)size;
}

static void refuse_size(struct request *request, uint64_t size_max)
{
	char text[96];

	snprintf(text, sizeof(text), "the body is larger than %llu bytes",
		(unsigned long long)size_max);
	request_refuse(request, 413, status_label(STATUS_TOO_LARGE), text);
}

static uint64_t body_max(const struct request *request)
{
	return request->route->flags & ROUTE_BODY ? request->route->body_max : STRAY_BODY_MAX;
}

static bool check_length(struct request *request)
{
	bool chunked, body = request->route->flags & ROUTE_BODY;
	uint64_t size = claimed_size(request, &chunked);

	if (body && !chunked && !header_of(request, "Content-Length")) {
		request_refuse(request, 411, "length_required", "Content-Length is required");
		return false;
	}
	if (size > body_max(request)) {
		refuse_size(request, body_max(request));
		return false;
	}
	return true;
}

static bool take_slot(struct request *request)
{
	if (!(request->route->flags & ROUTE_BODY))
		return true;
	if (slot_take(request->server->slots, &request->slot)) {
		request_refuse(request, 503, status_label(STATUS_BUSY),
			"as many requests as may be are under way, try again");
		return false;
	}
	request->slot_held = true;
	return true;
}

/* The order that server.h promises. */
static bool check_head(struct request *request)
{
	static bool (*const steps[])(struct request *) = {find_route, check_access, check_privilege,
		check_host, check_origin, check_route_head, check_length, take_slot};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i](request))
			return false;
	return true;
}

/* ---- life ---- */

static struct request *request_open(struct server *server, struct MHD_Connection *connection,
	const char *url, const char *method)
{
	struct request *request = mem_zalloc(1, sizeof(*request));
	size_t prefix = strlen(server->prefix);

	if (!request)
		return NULL;
	request->server = server;
	request->connection = connection;
	request->peer = request_peer_of(connection);
	request->method = method;
	request->path = "";
	if (!strncmp(url, server->prefix, prefix))
		request->path = !url[prefix] && prefix ? "/" : url + prefix;
	request->rest = "";
	atomic_init(&request->state, REQUEST_RUNNING);
	atomic_init(&request->references, 1);
	pthread_mutex_lock(&server->lock);
	request->next = server->first;
	if (request->next)
		request->next->previous = request;
	server->first = request;
	pthread_mutex_unlock(&server->lock);
	return request;
}

void request_unref(struct request *request)
{
	if (atomic_fetch_sub(&request->references, 1) != 1)
		return;
	for (size_t i = 0; i < request->header_count; i++) {
		mem_free(request->headers[i].name);
		mem_free(request->headers[i].value);
	}
	if (request->response)
		MHD_destroy_response(request->response);
	mem_free(request->detached);
	mem_free(request);
}

static void set_phase(struct request *request, enum peer_phase phase)
{
	if (request->peer)
		peer_set_phase(request->peer, phase, clock_mono_ns(clock_system()));
}

static void observe(const struct request *request)
{
	const char *name = request->route ? request->route->name : "none";
	char code[16];

	snprintf(code, sizeof(code), "%d", request->http_status);
	metrics_inc(METRIC_HTTP_REQUESTS, name, code);
	if (request->peer)
		metrics_observe(METRIC_HTTP_DURATION,
			(double)(clock_mono_ns(clock_system()) - request->peer->request_ns) / 1e9,
			name);
}

static enum MHD_Result queue_response(struct request *request)
{
	if (!request->response)
		return MHD_NO;
	set_phase(request, PEER_REPLYING);
	observe(request);
	return MHD_queue_response(request->connection, (unsigned)request->http_status,
		request->response);
}

static bool refused(struct request *request)
{
	return !request->served && atomic_load(&request->state) == REQUEST_ANSWERED;
}

static enum MHD_Result begin(struct request *request)
{
	const char *expect = header_of(request, "Expect");
	bool hopeless = false, chunked;
	uint64_t size = claimed_size(request, &chunked);

	if (atomic_load(&request->server->stopping)) {
		hopeless = true;
		request_refuse(request, 503, status_label(STATUS_UNAVAILABLE),
			"the service is shutting down");
	} else if (check_framing(request, &hopeless)) {
		check_head(request);
	}
	if (size || chunked)
		set_phase(request, PEER_BODY);
	if (refused(request) && !request->response)
		return MHD_NO; /* no memory even for that */
	if (request->response &&
		(hopeless || size > DISCARD_MAX ||
			((size || chunked) && expect && !strcasecmp(expect, "100-continue"))))
		return queue_response(request);
	return MHD_YES;
}

/* A piece of the body: kept, or counted and thrown away when the request is already refused. */
static enum MHD_Result take_body(struct request *request, const char *bytes, size_t size)
{
	enum status status;

	request->received += size;
	if (request->peer)
		atomic_fetch_add(&request->peer->body_bytes, size);
	if (request->received > DISCARD_MAX)
		return MHD_NO;
	if (refused(request))
		return MHD_YES;
	if (!request->slot_held) {
		if (request->received > STRAY_BODY_MAX)
			refuse_size(request, STRAY_BODY_MAX);
		return MHD_YES;
	}
	status = slot_add(&request->slot, bytes, size, request->route->body_max);
	if (status == STATUS_TOO_LARGE)
		refuse_size(request, request->route->body_max);
	else if (status)
		request_refuse(request, 503, status_label(status), "out of memory");
	return MHD_YES;
}

/* Threads are numbered as they first serve; MHD's pool of a server never changes. */
static unsigned thread_index(struct server *server)
{
	static _Thread_local uint64_t server_id;
	static _Thread_local unsigned index;

	if (server_id != server->id) {
		server_id = server->id;
		index = atomic_fetch_add(&server->next_thread, 1);
	}
	return index;
}

static enum MHD_Result run_route(struct request *request)
{
	request->served = true;
	request->thread = thread_index(request->server);
	request->body = request->slot.bytes;
	request->body_size = request->slot.size;
	set_phase(request, PEER_SERVING);
	request->route->serve(request, request->route->argument);
	if (request->suspended_once)
		return MHD_YES;
	if (atomic_load(&request->state) == REQUEST_RUNNING) {
		LOG_ERROR("a route gave no answer", LOG_TEXT("handler", request->route->name));
		request_reply_error(request, STATUS_BUG, "the route gave no answer");
	}
	return queue_response(request);
}

enum MHD_Result request_handle(void *argument, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **slot)
{
	struct request *request = *slot;
	size_t size = *upload_size;

	(void)version;
	if (!request) {
		*slot = request = request_open(argument, connection, url, method);
		return request ? begin(request) : MHD_NO;
	}
	if (size) {
		*upload_size = 0;
		return take_body(request, upload, size);
	}
	if (request->served || refused(request))
		return queue_response(request);
	return run_route(request);
}

void request_completed(void *argument, struct MHD_Connection *connection, void **slot,
	enum MHD_RequestTerminationCode code)
{
	struct request *request = *slot;
	struct server *server = argument;

	(void)connection;
	(void)code;
	if (!request)
		return;
	*slot = NULL;
	set_phase(request, PEER_WAITING);
	request->peer = NULL;
	if (request->slot_held)
		slot_release(server->slots, &request->slot);
	request->slot_held = false;
	pthread_mutex_lock(&server->lock);
	if (request->previous)
		request->previous->next = request->next;
	else
		server->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	pthread_mutex_unlock(&server->lock);
	request_unref(request);
}

/* ---- accessors ---- */

const char *request_method(const struct request *request)
{
	return request->method;
}

const char *request_path(const struct request *request)
{
	return request->path;
}

const char *request_rest(const struct request *request)
{
	return request->rest;
}

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_query(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct query_visit {
	const char *name;
	void (*visit)(const char *value, void *argument);
	void *argument;
};

static enum MHD_Result visit_value(void *argument, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	const struct query_visit *query = argument;

	(void)kind;
	if (!strcmp(name, query->name) && value)
		query->visit(value, query->argument);
	return MHD_YES;
}

void request_query_each(const struct request *request, const char *name,
	void (*visit)(const char *value, void *argument), void *argument)
{
	struct query_visit query = {name, visit, argument};

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, visit_value, &query);
}

struct query_names {
	const char *const *known;
	const char *unknown;
};

static enum MHD_Result visit_name(void *argument, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	struct query_names *names = argument;

	(void)kind;
	(void)value;
	for (const char *const *known = names->known; *known; known++)
		if (!strcmp(name, *known))
			return MHD_YES;
	names->unknown = name;
	return MHD_NO;
}

const char *request_query_unknown(const struct request *request, const char *const *known)
{
	struct query_names names = {known, NULL};

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, visit_name, &names);
	return names.unknown;
}

const void *request_body(const struct request *request, size_t *size)
{
	*size = request->body_size;
	return request->body ? request->body : "";
}

const char *request_identity(const struct request *request)
{
	return request->identity;
}

enum access_role request_role(const struct request *request)
{
	return request->role;
}

unsigned request_thread(const struct request *request)
{
	return request->thread;
}
