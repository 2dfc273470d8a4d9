/*
 * Everybody who reaches the server may ask it for everything: a NetworkPolicy keeps others away.
 */
#include "demo/front.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/parse.h"

#define THREADS 8
#define CONNECTIONS_MAX 4096
#define SLOTS 4
#define IDLE_S 60
#define HEADER_MAX 16384

struct front {
	struct access *access;
	struct server *server;
};

static enum status open_server(struct front *front, const char *listen_address,
	const struct route *routes, size_t route_count, struct error *error)
{
	struct diagnostics diagnostics;
	struct server_config config = {.listen_address = listen_address,
		.route_prefix = "",
		.thread_count = THREADS,
		.connection_max = CONNECTIONS_MAX,
		.slot_count = SLOTS,
		.idle_timeout_s = IDLE_S,
		.header_max = HEADER_MAX};

	diagnostics_init(&diagnostics);
	front->access = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	if (front->access == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the server");
	config.access = front->access;
	front->server = server_start(&config, routes, route_count, error);
	return front->server != NULL ? STATUS_OK : error->code;
}

struct front *front_open(const char *listen_address, const struct route *routes, size_t route_count,
	struct error *error)
{
	struct front *front = mem_zalloc(1, sizeof(*front));

	if (front == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the server");
		return NULL;
	}
	if (open_server(front, listen_address, routes, route_count, error) != STATUS_OK) {
		front_close(front, 0);
		return NULL;
	}
	return front;
}

unsigned front_port(const struct front *front)
{
	return server_port(front->server);
}

void front_close(struct front *front, int64_t drain_ms)
{
	if (front == NULL)
		return;
	if (front->server != NULL) {
		server_quiesce(front->server);
		server_stop(front->server, drain_ms);
	}
	access_close(front->access);
	mem_free(front);
}

void front_reply_metrics(struct request *request, const struct buf *page)
{
	if (buf_ok(page))
		request_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", page->data,
			page->size);
	else
		request_reply_error(request, STATUS_NO_MEMORY, "no memory for the page");
}

/* ---- parameters ---- */

enum status query_known(const struct request *request, const char *const *known,
	struct error *error)
{
	const char *unknown = request_query_unknown(request, known);

	if (unknown == NULL)
		return STATUS_OK;
	return error_set(error, STATUS_BAD_INPUT, "there is no parameter \"%.60s\" here", unknown);
}

/* The text of a parameter; NULL when it was not given, and then *status says whether that may be. */
static const char *query_text(const struct request *request, const char *name, bool needed,
	enum status *status, struct error *error)
{
	const char *text = request_query(request, name);

	*status = STATUS_OK;
	if (text == NULL && needed)
		*status = error_set(error, STATUS_BAD_INPUT, "parameter \"%s\" is missing", name);
	return text;
}

enum status query_natural(const struct request *request, const char *name, bool needed,
	uint64_t min, uint64_t max, uint64_t *value, struct error *error)
{
	enum status status;
	const char *text = query_text(request, name, needed, &status, error);
	int64_t number;

	if (text == NULL)
		return status;
	if (parse_int(text, &number) != STATUS_OK || number < 0 || (uint64_t)number < min ||
		(uint64_t)number > max)
		return error_set(error, STATUS_BAD_INPUT,
			"parameter \"%s\": \"%.60s\" is not a whole number from %llu to %llu", name,
			text, (unsigned long long)min, (unsigned long long)max);
	*value = (uint64_t)number;
	return STATUS_OK;
}

enum status query_size(const struct request *request, const char *name, bool needed, uint64_t max,
	uint64_t *value, struct error *error)
{
	enum status status;
	const char *text = query_text(request, name, needed, &status, error);
	uint64_t bytes;
	char most[32];

	if (text == NULL)
		return status;
	format_size(max, most, sizeof(most));
	if (parse_size(text, &bytes) != STATUS_OK || bytes < 1 || bytes > max)
		return error_set(error, STATUS_BAD_INPUT,
			"parameter \"%s\": \"%.60s\" is not a size such as 64MiB, up to %s", name,
			text, most);
	*value = bytes;
	return STATUS_OK;
}

enum status query_duration(const struct request *request, const char *name, bool needed,
	int64_t max_ms, int64_t *ms, struct error *error)
{
	enum status status;
	const char *text = query_text(request, name, needed, &status, error);
	int64_t duration;
	char most[32];

	if (text == NULL)
		return status;
	format_duration(max_ms, most, sizeof(most));
	if (parse_duration(text, &duration) != STATUS_OK || duration < 1 || duration > max_ms)
		return error_set(error, STATUS_BAD_INPUT,
			"parameter \"%s\": \"%.60s\" is not a duration such as 30s, up to %s", name,
			text, most);
	*ms = duration;
	return STATUS_OK;
}

enum status query_share(const struct request *request, const char *name, bool needed, double *value,
	struct error *error)
{
	enum status status;
	const char *text = query_text(request, name, needed, &status, error);
	double share;

	if (text == NULL)
		return status;
	if (parse_double(text, &share) != STATUS_OK || !(share >= 0 && share <= 1))
		return error_set(error, STATUS_BAD_INPUT,
			"parameter \"%s\": \"%.60s\" is not a number from 0 to 1", name, text);
	*value = share;
	return STATUS_OK;
}
