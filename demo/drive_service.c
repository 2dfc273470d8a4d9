/*
 * The routes take turns with a load and with each other: who has the turn may open, read and close the
 * load at hand. The turn is a flag with a condition, so that no lock is held over any of it. The load that
 * ended last stays to be read until the next one begins.
 */
#include "demo/drive_service.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/json_span.h"
#include "base/mem.h"
#include "base/metrics_process.h"
#include "base/parse.h"
#include "demo/front.h"
#include "demo/usage.h"

#define BODY_MAX ((uint64_t)4 << 20)
#define PAGE_MAX ((size_t)1 << 20)
#define CONNECTIONS 64
#define TIMEOUT_MS 10000
#define DRAIN_MS 2000

/* A load with all that it borrows. */
struct order {
	struct drive_config config;
	char *url;
	struct drive *drive; /* NULL until it began */
};

struct drive_service {
	const struct drive_service_config *config;
	struct usage *usage; /* of the requests that are sent */
	struct front *front;
	pthread_mutex_t lock;
	pthread_cond_t free;
	bool taken;
	struct order *order; /* of who has the turn; NULL: none yet */
};

static void turn_begin(struct drive_service *service)
{
	pthread_mutex_lock(&service->lock);
	while (service->taken)
		pthread_cond_wait(&service->free, &service->lock);
	service->taken = true;
	pthread_mutex_unlock(&service->lock);
}

static void turn_end(struct drive_service *service)
{
	pthread_mutex_lock(&service->lock);
	service->taken = false;
	pthread_cond_signal(&service->free);
	pthread_mutex_unlock(&service->lock);
}

static void order_close(struct order *order)
{
	if (order == NULL)
		return;
	drive_close(order->drive);
	visits_fini(&order->config.visits);
	mem_free(order->url);
	mem_free(order);
}

static void tell(void *argument, int code, int64_t from_due_ns)
{
	struct drive_service *service = argument;

	usage_observe(service->usage, "target", "GET", code, (double)from_due_ns / 1e9);
}

/* ---- what is ordered ---- */

/* Text such as "90s", or a number of seconds. */
static enum status read_time(const struct json_span *value, int64_t *ms, struct error *error)
{
	enum status status;
	double seconds;
	char *text;

	if (value->kind == SPAN_NUMBER) {
		status = json_span_double(value, &seconds, error);
		if (status == STATUS_OK && !(seconds > 0 && seconds <= 86400))
			status =
				error_set(error, STATUS_BAD_INPUT, "not above 0 and at most 86400");
		if (status == STATUS_OK)
			*ms = (int64_t)(seconds * 1000);
		return status;
	}
	status = json_span_strdup(value, &text, error);
	if (status != STATUS_OK)
		return status;
	if (text == NULL || parse_duration(text, ms) != STATUS_OK || *ms < 1)
		status = error_set(error, STATUS_BAD_INPUT, "not a duration such as \"90s\"");
	mem_free(text);
	return status;
}

static enum status read_pattern(const struct json_span *value, struct order *order,
	struct error *error)
{
	char *text;
	enum status status = json_span_strdup(value, &text, error);

	if (status != STATUS_OK)
		return status;
	status = visits_pattern_parse(text != NULL ? text : "", &order->config.visits.pattern,
		error);
	mem_free(text);
	return status;
}

static enum status read_csv(const struct json_span *value, struct order *order, struct error *error)
{
	char *text;
	enum status status = json_span_strdup(value, &text, error);

	if (status != STATUS_OK)
		return status;
	if (text == NULL)
		return error_set(error, STATUS_BAD_INPUT, "null, and no text");
	status = visits_read_csv(&order->config.visits, text, strlen(text), error);
	mem_free(text);
	return status;
}

static enum status read_number(const struct json_span *key, const struct json_span *value,
	struct order *order, struct error *error)
{
	struct visits *visits = &order->config.visits;
	uint64_t natural = 0;
	enum status status;

	if (json_span_is(key, "rate"))
		return json_span_double(value, &visits->rate, error);
	if (json_span_is(key, "low"))
		return json_span_double(value, &visits->low, error);
	if (json_span_is(key, "seed"))
		return json_span_natural(value, &visits->seed, error);
	if (!json_span_is(key, "connections"))
		return error_set(error, STATUS_BAD_INPUT, "there is no such field");
	status = json_span_natural(value, &natural, error);
	order->config.connections = natural < UINT32_MAX ? (uint32_t)natural : UINT32_MAX;
	return status;
}

static enum status read_field(const struct json_span *key, const struct json_span *value,
	struct order *order, struct error *error)
{
	if (json_span_is(key, "pattern"))
		return read_pattern(value, order, error);
	if (json_span_is(key, "csv"))
		return read_csv(value, order, error);
	if (json_span_is(key, "duration"))
		return read_time(value, &order->config.visits.duration_ms, error);
	if (json_span_is(key, "period"))
		return read_time(value, &order->config.visits.period_ms, error);
	if (json_span_is(key, "timeout"))
		return read_time(value, &order->config.timeout_ms, error);
	if (json_span_is(key, "target")) {
		mem_free(order->url);
		order->url = NULL;
		return json_span_strdup(value, &order->url, error);
	}
	return read_number(key, value, order, error);
}

static bool part_same(CURLU *a, CURLU *b, CURLUPart part)
{
	char *one = NULL, *other = NULL;
	bool same = curl_url_get(a, part, &one, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		curl_url_get(b, part, &other, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		strcasecmp(one, other) == 0;

	curl_free(one);
	curl_free(other);
	return same;
}

/* Whether two URLs have the same scheme, host and port. */
static bool same_origin(const char *first, const char *second)
{
	CURLU *a = curl_url(), *b = curl_url();
	bool same = a != NULL && b != NULL &&
		curl_url_set(a, CURLUPART_URL, first, 0) == CURLUE_OK &&
		curl_url_set(b, CURLUPART_URL, second, 0) == CURLUE_OK &&
		part_same(a, b, CURLUPART_SCHEME) && part_same(a, b, CURLUPART_HOST) &&
		part_same(a, b, CURLUPART_PORT);

	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

static enum status complete(const struct drive_service *service, struct order *order,
	struct error *error)
{
	const char *only = service->config->url;
	enum status status;

	if (order->url == NULL && only == NULL)
		return error_set(error, STATUS_BAD_INPUT, "target is missing");
	if (order->url == NULL) {
		order->url = mem_strdup(only);
		if (order->url == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for the target");
	}
	order->config.url = order->url;
	order->config.token = service->config->token;
	order->config.ca_file = service->config->ca_file;
	status = drive_check(&order->config, error);
	if (status == STATUS_OK && only != NULL && !same_origin(order->url, only))
		status = error_set(error, STATUS_FORBIDDEN,
			"target \"%.200s\": loads go to %.200s alone", order->url, only);
	return status == STATUS_OK ? visits_complete(&order->config.visits, error) : status;
}

static enum status read_order(const struct drive_service *service, const char *body, size_t size,
	struct order *order, struct error *error)
{
	struct json_span root, key, value;
	struct json_walk walk;
	enum status status = json_span_init(&root, body, size, 4, error);
	char name[64];

	if (status == STATUS_OK && root.kind != SPAN_OBJECT)
		status = error_set(error, STATUS_BAD_INPUT, "the body is not a JSON object");
	if (status != STATUS_OK)
		return status;
	json_walk_init(&walk, &root);
	while (json_walk_next(&walk, &key, &value)) {
		status = read_field(&key, &value, order, error);
		if (status != STATUS_OK) {
			snprintf(name, sizeof(name), "%.*s",
				(int)(key.size < sizeof(name) ? key.size : sizeof(name) - 1),
				key.text);
			return error_prefix(error, "%s", name);
		}
	}
	return complete(service, order, error);
}

/* ---- routes ---- */

static void reply_state(struct drive_service *service, struct request *request)
{
	/* On the heap, because it holds two tables of latencies. */
	struct drive_result *result = mem_zalloc(1, sizeof(*result));
	struct buf out;

	if (result == NULL) {
		request_reply_error(request, STATUS_NO_MEMORY, "no memory for the state");
		return;
	}
	buf_init(&out, PAGE_MAX);
	if (service->order == NULL) {
		buf_add_text(&out, "{\"state\":\"idle\"}");
	} else {
		drive_read(service->order->drive, result);
		drive_write_json(&out, &service->order->config, result);
	}
	request_reply_data(request, &out);
	buf_fini(&out);
	mem_free(result);
}

static bool under_way(const struct drive_service *service)
{
	return service->order != NULL && !drive_wait(service->order->drive, 0);
}

static void route_generate(struct request *request, void *argument)
{
	struct drive_service *service = argument;
	struct order *order = mem_zalloc(1, sizeof(*order));
	struct error error = {.code = STATUS_NO_MEMORY, .text = "no memory for a load"};
	enum status status = STATUS_NO_MEMORY;
	size_t size;
	const char *body = request_body(request, &size);

	turn_begin(service);
	if (order != NULL) {
		order->config = (struct drive_config){.connections = CONNECTIONS,
			.timeout_ms = TIMEOUT_MS,
			.tell = tell,
			.argument = service};
		visits_init(&order->config.visits);
		status = read_order(service, body, size, order, &error);
	}
	if (status == STATUS_OK && under_way(service))
		status = error_set(&error, STATUS_CONFLICT,
			"a load is under way: POST /load/stop ends it");
	if (status == STATUS_OK) {
		order->drive = drive_open(&order->config, &error);
		status = order->drive != NULL ? STATUS_OK : error.code;
	}
	if (status == STATUS_OK) {
		order_close(service->order);
		service->order = order;
		reply_state(service, request);
	} else {
		order_close(order);
		request_reply_error(request, status, error.text);
	}
	turn_end(service);
}

static void route_status(struct request *request, void *argument)
{
	struct drive_service *service = argument;

	turn_begin(service);
	reply_state(service, request);
	turn_end(service);
}

static void route_stop(struct request *request, void *argument)
{
	struct drive_service *service = argument;

	turn_begin(service);
	if (service->order != NULL) {
		drive_stop(service->order->drive);
		/* Requests under way are given up at once, so that this is short. */
		(void)drive_wait(service->order->drive, DRAIN_MS);
	}
	reply_state(service, request);
	turn_end(service);
}

static void route_health(struct request *request, void *argument)
{
	(void)argument;
	request_reply_text(request, 200, "alive\n");
}

static void write_load(struct drive_service *service, struct buf *out)
{
	struct drive_result *result = mem_zalloc(1, sizeof(*result));

	if (result == NULL) {
		out->failed = true;
		return;
	}
	result->over = true;
	turn_begin(service);
	if (service->order != NULL)
		drive_read(service->order->drive, result);
	turn_end(service);
	buf_printf(out,
		"# HELP load_under_way Whether a load is under way.\n# TYPE load_under_way gauge\n"
		"load_under_way %d\n# HELP load_wanted_rate Requests a second that are wanted now.\n"
		"# TYPE load_wanted_rate gauge\nload_wanted_rate %.9g\n"
		"# HELP load_late_requests Requests of this load that began late.\n"
		"# TYPE load_late_requests gauge\nload_late_requests %" PRIu64 "\n",
		!result->over, result->rate_now, result->late);
	mem_free(result);
}

static void route_metrics(struct request *request, void *argument)
{
	struct drive_service *service = argument;
	struct buf out;

	buf_init(&out, PAGE_MAX);
	usage_write(service->usage, &out);
	write_load(service, &out);
	usage_write_process(&out);
	front_reply_metrics(request, &out);
	buf_fini(&out);
}

/* ---- life ---- */

static enum status start(struct drive_service *service, struct error *error)
{
	const struct route routes[] = {
		{"generate", "POST", "/load/generate", ROUTE_CHANGES | ROUTE_BODY, ACCESS_NONE,
			BODY_MAX, NULL, route_generate, service},
		{"status", "GET", "/load/status", ROUTE_EXACT, ACCESS_NONE, 0, NULL, route_status,
			service},
		{"stop", "POST", "/load/stop", ROUTE_CHANGES, ACCESS_NONE, 0, NULL, route_stop,
			service},
		{"health", "GET", "/health", ROUTE_EXACT, ACCESS_NONE, 0, NULL, route_health,
			service},
		{"ready", "GET", "/ready", ROUTE_EXACT, ACCESS_NONE, 0, NULL, route_health,
			service},
		{"metrics", "GET", "/metrics", ROUTE_EXACT, ACCESS_NONE, 0, NULL, route_metrics,
			service},
	};

	service->usage = usage_open("load");
	if (service->usage == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the load's service");
	service->front = front_open(service->config->listen_address, routes,
		sizeof(routes) / sizeof(routes[0]), error);
	return service->front != NULL ? STATUS_OK : error->code;
}

struct drive_service *drive_service_open(const struct drive_service_config *config,
	struct error *error)
{
	struct drive_service *service = mem_zalloc(1, sizeof(*service));

	if (service == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the load's service");
		return NULL;
	}
	service->config = config;
	pthread_mutex_init(&service->lock, NULL);
	pthread_cond_init(&service->free, NULL);
	metrics_process_install();
	if (start(service, error) != STATUS_OK) {
		drive_service_close(service);
		return NULL;
	}
	return service;
}

unsigned drive_service_port(const struct drive_service *service)
{
	return front_port(service->front);
}

void drive_service_close(struct drive_service *service)
{
	if (service == NULL)
		return;
	front_close(service->front, DRAIN_MS);
	order_close(service->order);
	usage_close(service->usage);
	pthread_cond_destroy(&service->free);
	pthread_mutex_destroy(&service->lock);
	mem_free(service);
}
