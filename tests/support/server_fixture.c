/*
 * The routes of the server under test.
 */
#include "tests/support/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"

static void serve_echo(struct request *request, void *argument)
{
	size_t size;
	const void *body = request_body(request, &size);

	request_add_header(request, "X-Method", request_method(request));
	request_add_header(request, "X-Path", request_path(request));
	request_add_header(request, "X-Rest", request_rest(request));
	request_reply(request, 200, "application/octet-stream", body, size);
}

static void add_value(const char *value, void *argument)
{
	buf_add_text(argument, value);
	buf_add_char(argument, ';');
}

static void serve_query(struct request *request, void *argument)
{
	const char *one = request_query(request, "one");
	struct buf text;

	buf_init(&text, 4096);
	buf_printf(&text, "one=%s many=", one ? one : "(none)");
	request_query_each(request, "many[]", add_value, &text);
	request_reply_text(request, 200, text.data);
	buf_fini(&text);
}

static void serve_page(struct request *request, void *argument)
{
	request_reply(request, 200, "text/html; charset=utf-8", "<p>", 3);
}

static void serve_block(struct request *request, void *argument)
{
	struct fixture *fixture = argument;

	atomic_fetch_add(&fixture->blocked, 1);
	while (!atomic_load(&fixture->gate_open))
		clock_sleep_ms(2);
	atomic_fetch_sub(&fixture->blocked, 1);
	atomic_fetch_add(&fixture->answered, 1);
	request_reply_text(request, 200, "done");
}

static void serve_suspend(struct request *request, void *argument)
{
	struct fixture *fixture = argument;
	int index = atomic_load(&fixture->suspended_count);

	request_suspend(request);
	fixture->suspended[index] = request;
	atomic_fetch_add(&fixture->suspended_count, 1);
}

static void serve_thread(struct request *request, void *argument)
{
	struct fixture *fixture = argument;

	atomic_fetch_add(&fixture->thread_seen[request_thread(request)], 1);
	request_reply_text(request, 200, "");
}

static void serve_nothing(struct request *request, void *argument)
{
	(void)request;
	(void)argument;
}

static void serve_data(struct request *request, void *argument)
{
	struct buf data;

	buf_init(&data, 100);
	buf_add_text(&data, "[1,2]");
	request_reply_data(request, &data);
	buf_fini(&data);
}

static void serve_error(struct request *request, void *argument)
{
	request_reply_error(request, STATUS_UNAVAILABLE, "not \"now\"");
}

static enum status check_media(struct request *request, struct error *error)
{
	const char *type = request_header(request, "content-type");

	if (type && !strcmp(type, "text/good"))
		return STATUS_OK;
	return error_set(error, STATUS_MEDIA_TYPE, "Content-Type must be text/good");
}

void fixture_start(struct fixture *fixture, const struct server_config *with)
{
	const struct route routes[] = {
		{"echo", "POST", "/echo", ROUTE_BODY, ACCESS_NONE, FIXTURE_BODY_MAX, NULL,
			serve_echo, fixture},
		{"head", "GET", "/echo", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_echo, fixture},
		{"media", "POST", "/media", ROUTE_BODY, ACCESS_NONE, FIXTURE_BODY_MAX, check_media,
			serve_echo, fixture},
		{"query", "GET", "/query", ROUTE_EXACT, ACCESS_READ, 0, NULL, serve_query, fixture},
		{"page", "GET", "/", ROUTE_EXACT, ACCESS_READ, 0, NULL, serve_page, fixture},
		{"under", "GET", "/api/v1/under/", ROUTE_PREFIX, ACCESS_READ, 0, NULL, serve_echo,
			fixture},
		{"exact", "POST", "/api/v1/under/exact", ROUTE_BODY, ACCESS_READ, 10, NULL,
			serve_echo, fixture},
		{"block", "POST", "/block", ROUTE_BODY, ACCESS_NONE, FIXTURE_BODY_MAX, NULL,
			serve_block, fixture},
		{"suspend", "POST", "/suspend", ROUTE_BODY, ACCESS_NONE, FIXTURE_BODY_MAX, NULL,
			serve_suspend, fixture},
		{"thread", "GET", "/thread", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_thread,
			fixture},
		{"nothing", "GET", "/nothing", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_nothing,
			fixture},
		{"data", "GET", "/api/v1/data", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_data,
			fixture},
		{"error", "GET", "/api/v1/error", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_error,
			fixture},
		{"change", "POST", "/change", ROUTE_CHANGES | ROUTE_PRIVILEGED, ACCESS_ADMIN, 0,
			NULL, serve_echo, fixture},
	};
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.route_prefix = "",
		.external_url = "https://nimbus.example.org:8443/x",
		.thread_count = 4,
		.connection_max = 100,
		.slot_count = 2,
		.idle_timeout_s = 120,
		.header_max = 8192};
	struct diagnostics diagnostics;
	struct error error = {0};

	memset(fixture, 0, sizeof(*fixture));
	if (with)
		config = *with;
	diagnostics_init(&diagnostics);
	fixture->access = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	assert_non_null(fixture->access);
	config.access = fixture->access;
	fixture->server = server_start(&config, routes, sizeof(routes) / sizeof(routes[0]), &error);
	if (!fixture->server)
		print_error("%s\n", error.text);
	assert_non_null(fixture->server);
	fixture->port = server_port(fixture->server);
}

void fixture_stop(struct fixture *fixture)
{
	server_stop(fixture->server, 120000);
	access_close(fixture->access);
}

void expect_status(struct http_reply reply, int status)
{
	if (reply.status != status)
		print_error("%s%s\n", reply.head ? reply.head : "(no answer)",
			reply.body ? reply.body : "");
	assert_int_equal(reply.status, status);
	http_reply_fini(&reply);
}

void fixture_wait(_Atomic int *counter, int value)
{
	for (int i = 0; i < 60000 && atomic_load(counter) != value; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(counter), value);
}

void fixture_wait_slots(int busy)
{
	for (int i = 0; i < 60000 && (int)metrics_get(METRIC_HTTP_SLOTS_BUSY) != busy; i++)
		clock_sleep_ms(1);
	assert_int_equal((int)metrics_get(METRIC_HTTP_SLOTS_BUSY), busy);
}

int fixture_call(struct fixture *fixture, const char *path)
{
	char text[256];
	int fd = http_connect(fixture->port);

	snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
		path);
	http_send_text(fd, text);
	return fd;
}
