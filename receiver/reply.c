/*
 * Answers: how they are built, and how one given on another thread finds back to its connection.
 */
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "receiver/pool.h"
#include "receiver/request.h"

#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define REPLY_MAX (256 * 1024 * 1024)

void request_add_header(struct request *request, const char *name, const char *value)
{
	struct request_header_pair *pair;

	if (request->header_count == REQUEST_HEADERS_MAX)
		return;
	pair = &request->headers[request->header_count];
	pair->name = mem_strdup(name);
	pair->value = mem_strdup(value);
	if (pair->name && pair->value) {
		request->header_count++;
		return;
	}
	/* The answer without one of its headers is better than none. */
	mem_free(pair->name);
	mem_free(pair->value);
	*pair = (struct request_header_pair){0};
}

static bool has_header(struct MHD_Response *response, const char *name)
{
	return MHD_get_response_header(response, name) != NULL;
}

static void set_default(struct MHD_Response *response, const char *name, const char *value)
{
	if (!has_header(response, name))
		MHD_add_response_header(response, name, value);
}

static void add_configured(const char *name, const char *value, void *response)
{
	set_default(response, name, value);
}

static void add_route_headers(struct request *request, struct MHD_Response *response)
{
	for (size_t i = 0; i < request->header_count; i++)
		MHD_add_response_header(response, request->headers[i].name,
			request->headers[i].value);
}

/* The route's headers win over the configured ones, and those over ours. */
static void add_headers(struct server *server, struct MHD_Response *response,
	const char *content_type)
{
	access_each_header(server->config.access, add_configured, response);
	if (content_type)
		set_default(response, "Content-Type", content_type);
	set_default(response, "X-Content-Type-Options", "nosniff");
	set_default(response, "Cache-Control", "no-store");
	if (content_type && !strncmp(content_type, "text/html", 9)) {
		set_default(response, "Content-Security-Policy",
			"default-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
			"form-action 'self'; frame-ancestors 'none'");
		set_default(response, "X-Frame-Options", "DENY");
		set_default(response, "Referrer-Policy", "same-origin");
	}
	if (atomic_load(&server->quiescing))
		set_default(response, "Connection", "close");
}

/* Builds the response into request->response; false when memory is out. route_headers: with those
 * that the route gave. */
static bool build(struct request *request, int http_status, const char *content_type,
	const void *body, size_t size, bool route_headers)
{
	struct MHD_Response *response;
	char *copy = mem_alloc(size);

	if (!copy)
		return false;
	if (size)
		memcpy(copy, body, size);
	response = MHD_create_response_from_buffer_with_free_callback(size, copy, mem_free);
	if (!response) {
		mem_free(copy);
		return false;
	}
	if (route_headers)
		add_route_headers(request, response);
	add_headers(request->server, response, content_type);
	request->http_status = http_status;
	request->response = response;
	return true;
}

/* Memory being out, the connection ends without an answer: request_handle() sees no response. */
static void build_or_give_up(struct request *request, int http_status, const char *content_type,
	const void *body, size_t size)
{
	if (!build(request, http_status, content_type, body, size, true) &&
		!build(request, 503, NULL, NULL, 0, true))
		LOG_ERROR("an answer is lost because memory is out", LOG_INT("code", http_status));
}

static void release_slot(struct request *request)
{
	if (request->slot_held)
		slot_release(request->server->slots, &request->slot);
	request->slot_held = false;
}

void request_release_body(struct request *request)
{
	CHECK(atomic_load(&request->state) == REQUEST_RUNNING);
	release_slot(request);
	request->body = NULL;
	request->body_size = 0;
}

/* On the owner's thread. After pool_resume() only the owner's reference keeps the request. */
static void resume(struct request *request, int http_status, const char *content_type,
	const void *body, size_t size)
{
	build_or_give_up(request, http_status, content_type, body, size);
	release_slot(request);
	pool_resume(request->server->pool, request->connection);
	atomic_store(&request->state, REQUEST_ANSWERED);
	request_unref(request);
}

void request_reply(struct request *request, int http_status, const char *content_type,
	const void *body, size_t size)
{
	int state = REQUEST_SUSPENDED;

	if (atomic_compare_exchange_strong(&request->state, &state, REQUEST_RESUMING)) {
		resume(request, http_status, content_type, body, size);
		return;
	}
	if (state == REQUEST_ABANDONED) {
		request_unref(request);
		return;
	}
	CHECK(state == REQUEST_RUNNING);
	build_or_give_up(request, http_status, content_type, body, size);
	release_slot(request);
	atomic_store(&request->state, REQUEST_ANSWERED);
}

void request_finish_head(struct request *request, int http_status, const char *content_type)
{
	add_route_headers(request, request->response);
	add_headers(request->server, request->response, content_type);
	request->http_status = http_status;
	release_slot(request);
	atomic_store(&request->state, REQUEST_ANSWERED);
}

bool request_abandon(struct request *request)
{
	static const char text[] = "the service is shutting down, send it again\n";
	int state = REQUEST_SUSPENDED;

	if (!atomic_compare_exchange_strong(&request->state, &state, REQUEST_ABANDONED))
		return false;
	/* The owner may be adding headers or reading the body at this moment. */
	if (build(request, 503, TEXT_TYPE, text, sizeof(text) - 1, false))
		MHD_add_response_header(request->response, "Retry-After", "1");
	if (request->slot_held)
		request->detached = slot_detach(request->server->slots, &request->slot);
	request->slot_held = false;
	pool_resume(request->server->pool, request->connection);
	return true;
}

void request_suspend(struct request *request)
{
	CHECK(atomic_load(&request->state) == REQUEST_RUNNING);
	atomic_fetch_add(&request->references, 1);
	request->suspended_once = true;
	/* MHD first: a resume that overtakes the suspension would be lost. */
	MHD_suspend_connection(request->connection);
	atomic_store(&request->state, REQUEST_SUSPENDED);
	/* server_stop() sets stopping and then looks for suspended requests; either it sees this one
	 * or this thread sees stopping. */
	if (atomic_load(&request->server->stopping))
		request_abandon(request);
}

void request_reply_text(struct request *request, int http_status, const char *text)
{
	size_t size = strlen(text);
	struct buf line;

	if (!size || text[size - 1] == '\n') {
		request_reply(request, http_status, TEXT_TYPE, text, size);
		return;
	}
	buf_init(&line, size + 1);
	buf_add(&line, text, size);
	buf_add_char(&line, '\n');
	if (buf_ok(&line))
		request_reply(request, http_status, TEXT_TYPE, line.data, line.size);
	else
		request_reply(request, http_status, TEXT_TYPE, text, size);
	buf_fini(&line);
}

void request_reply_data(struct request *request, const struct buf *data)
{
	struct buf body;

	buf_init(&body, REPLY_MAX);
	buf_add_text(&body, "{\"status\":\"success\",\"data\":");
	if (data->size)
		buf_add(&body, data->data, data->size);
	else
		buf_add_text(&body, "null");
	buf_add_text(&body, "}\n");
	if (buf_ok(data) && buf_ok(&body))
		request_reply(request, 200, JSON_TYPE, body.data, body.size);
	else
		request_reply_error(request, STATUS_NO_MEMORY,
			"the answer is too large or memory is out");
	buf_fini(&body);
}

static void write_error(struct buf *body, const char *type, const char *text)
{
	buf_add_text(body, "{\"status\":\"error\",\"errorType\":");
	buf_add_json_string(body, type, strlen(type));
	buf_add_text(body, ",\"error\":");
	buf_add_json_string(body, text, strlen(text));
	buf_add_text(body, "}\n");
}

void request_reply_error(struct request *request, enum status code, const char *text)
{
	struct buf body;

	if (status_http(code) == 503)
		request_add_header(request, "Retry-After", "1");
	buf_init(&body, 16384);
	write_error(&body, status_label(code), text);
	request_reply(request, status_http(code), JSON_TYPE, body.data,
		buf_ok(&body) ? body.size : 0);
	buf_fini(&body);
}

void request_refuse(struct request *request, int http_status, const char *reason, const char *text)
{
	struct buf body;

	metrics_inc(METRIC_HTTP_REJECTED, reason);
	if (http_status == 503)
		request_add_header(request, "Retry-After", "1");
	if (http_status == 401) {
		request_add_header(request, "WWW-Authenticate",
			"Basic realm=\"nimbusguard\", charset=\"UTF-8\"");
		request_add_header(request, "WWW-Authenticate", "Bearer realm=\"nimbusguard\"");
	}
	if (strncmp(request->path, "/api/", 5) != 0) {
		request_reply_text(request, http_status, text);
		return;
	}
	buf_init(&body, 16384);
	write_error(&body, reason, text);
	request_reply(request, http_status, JSON_TYPE, body.data, buf_ok(&body) ? body.size : 0);
	buf_fini(&body);
}
