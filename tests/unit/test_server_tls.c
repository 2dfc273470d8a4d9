/* run-under: tsan */
/*
 * The server with TLS and credentials, against libcurl: certificates, client certificates, what
 * changes without a restart, and what each role may do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "receiver/server.h"
#include "tests/support/certificates.h"
#include "tests/support/folder.h"
#include "tests/support/http_client.h"

static char folder[FOLDER_PATH_MAX];
static struct certificate ca, server_cert, client_cert;
static struct access *access_control;
static struct server *server;

static const char *at(const char *name)
{
	static _Thread_local char paths[16][FOLDER_PATH_MAX + 64];
	static _Thread_local int next;
	char *path = paths[next++ % 16];

	folder_path(path, sizeof(paths[0]), folder, name);
	return path;
}

static void serve_identity(struct request *request, void *argument)
{
	char text[128];

	snprintf(text, sizeof(text), "%s as %s", request_identity(request),
		access_role_name(request_role(request)));
	request_reply_text(request, 200, text);
}

static const struct route routes[] = {
	{"open", "GET", "/open", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_identity, NULL},
	{"read", "GET", "/read", ROUTE_EXACT, ACCESS_READ, 0, NULL, serve_identity, NULL},
	{"ingest", "POST", "/ingest", ROUTE_BODY, ACCESS_INGEST, 100000, NULL, serve_identity,
		NULL},
	{"webhook", "POST", "/webhook", ROUTE_BODY, ACCESS_WEBHOOK, 1000, NULL, serve_identity,
		NULL},
	{"approve", "POST", "/approve", ROUTE_BODY | ROUTE_CHANGES, ACCESS_APPROVE, 1000, NULL,
		serve_identity, NULL},
	{"admin", "POST", "/admin", ROUTE_BODY | ROUTE_PRIVILEGED, ACCESS_ADMIN, 1000, NULL,
		serve_identity, NULL},
};

static unsigned idle_timeout_s;

static void start(const char *web_config, const struct access_token *tokens, size_t count)
{
	struct server_config config = {.listen_address = "127.0.0.1:0",
		.thread_count = 2,
		.connection_max = 50,
		.slot_count = 4,
		.idle_timeout_s = idle_timeout_s,
		.header_max = 8192};
	struct diagnostics diagnostics;
	struct error error = {0};
	struct buf text;

	if (web_config)
		folder_write(folder, "web.yml", web_config);
	diagnostics_init(&diagnostics);
	access_control =
		access_open(web_config ? at("web.yml") : NULL, tokens, count, &diagnostics);
	buf_init(&text, 65536);
	diagnostics_write(&diagnostics, &text);
	if (!access_control)
		print_error("%s", text.data);
	buf_fini(&text);
	diagnostics_fini(&diagnostics);
	assert_non_null(access_control);
	config.access = access_control;
	server = server_start(&config, routes, sizeof(routes) / sizeof(routes[0]), &error);
	if (!server)
		print_error("%s\n", error.text);
	assert_non_null(server);
}

static int setup(void **state)
{
	folder_make(folder);
	idle_timeout_s = 120;
	ca = certificate_make("test CA", CERTIFICATE_CA, NULL, 3600);
	server_cert = certificate_make("server", CERTIFICATE_SERVER, &ca, 3600);
	client_cert = certificate_make("client", CERTIFICATE_CLIENT, &ca, 3600);
	certificate_write(&ca, at("ca.pem"), NULL);
	certificate_write(&server_cert, at("c.pem"), at("k.pem"));
	certificate_write(&client_cert, at("client.pem"), at("client.key"));
	return 0;
}

static int teardown(void **state)
{
	server_stop(server, 2000);
	access_close(access_control);
	certificate_free(&ca);
	certificate_free(&server_cert);
	certificate_free(&client_cert);
	folder_remove(folder);
	return 0;
}

struct call {
	const char *method, *path, *header, *body;
	const char *client_cert, *client_key; /* files in the folder */
	const char *ca;                       /* "ca.pem" when NULL */
	long tls_max;                         /* CURL_SSLVERSION_MAX_... or 0 */
	CURLcode result;
	char answer[256];
	size_t answer_size;
};

static size_t keep_answer(char *bytes, size_t size, size_t count, void *argument)
{
	struct call *call = argument;
	size_t room = sizeof(call->answer) - 1 - call->answer_size;
	size_t kept = size * count < room ? size * count : room;

	memcpy(call->answer + call->answer_size, bytes, kept);
	call->answer_size += kept;
	return size * count;
}

/* The HTTP status, or 0 with call->result. */
static long ask_on(CURL *curl, struct call *call, bool tls)
{
	struct curl_slist *headers = NULL;
	char url[128];
	long status = 0;

	snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", tls ? "https" : "http",
		server_port(server), call->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	if (call->body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
	if (call->header)
		headers = curl_slist_append(headers, call->header);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_CAINFO, at(call->ca ? call->ca : "ca.pem"));
	if (call->client_cert) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, at(call->client_cert));
		curl_easy_setopt(curl, CURLOPT_SSLKEY, at(call->client_key));
	}
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, call->tls_max);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	call->result = curl_easy_perform(curl);
	if (call->result == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	return status;
}

static long ask(struct call *call, bool tls)
{
	CURL *curl = curl_easy_init();
	long status = ask_on(curl, call, tls);

	curl_easy_cleanup(curl);
	return status;
}

static long get(const char *path, const char *header)
{
	struct call call = {.method = "GET", .path = path, .header = header};

	return ask(&call, true);
}

#define TLS_FILES "cert_file: c.pem, key_file: k.pem"

static void https_is_served(void **state)
{
	struct call call = {.method = "GET", .path = "/read"};
	CURL *curl = curl_easy_init();
	long connects = 0;

	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	assert_int_equal(ask_on(curl, &call, true), 200);
	assert_string_equal(call.answer, " as admin\n");
	/* The connection is kept for the next request. */
	assert_int_equal(ask_on(curl, &call, true), 200);
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
	assert_int_equal(connects, 0);
	curl_easy_cleanup(curl);
}

static void large_bodies_go_over_tls(void **state)
{
	struct call call = {.method = "POST", .path = "/ingest"};
	char *body = malloc(100002);

	memset(body, 'b', 100001);
	body[100000] = '\0';
	call.body = body;
	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	assert_int_equal(ask(&call, true), 200);
	memset(body, 'b', 100001);
	body[100001] = '\0';
	assert_int_equal(ask(&call, true), 413);
	free(body);
}

static void plain_http_to_a_tls_port_gets_nothing(void **state)
{
	struct call call = {.method = "GET", .path = "/open"};

	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	assert_int_equal(ask(&call, false), 0);
	assert_int_equal(get("/open", NULL), 200);
}

static void handshake_that_never_ends_is_cut_off(void **state)
{
	int fd;

	idle_timeout_s = 5;
	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	fd = http_connect(server_port(server));
	http_send(fd, "\x16\x03\x01\x02\x00\x01", 6);
	assert_int_equal(get("/open", NULL), 200); /* nobody waits for it */
	assert_true(http_closed(fd, 120000));
	close(fd);
}

static void old_versions_are_refused(void **state)
{
	struct call call = {.method = "GET",
		.path = "/open",
		.tls_max = CURL_SSLVERSION_MAX_TLSv1_2};

	start("tls_server_config: {" TLS_FILES
	      ", min_version: TLS13, curve_preferences: [X25519]}\n",
		NULL, 0);
	assert_int_equal(ask(&call, true), 0);
	assert_int_equal(call.result, CURLE_SSL_CONNECT_ERROR);
	assert_int_equal(get("/open", NULL), 200);
}

static void highest_version_can_be_bounded(void **state)
{
	struct call call = {.method = "GET", .path = "/open", .tls_max = CURL_SSLVERSION_TLSv1_3};

	start("tls_server_config: {" TLS_FILES ", max_version: TLS12}\n", NULL, 0);
	assert_int_equal(ask(&call, true), 0);
	call.tls_max = CURL_SSLVERSION_TLSv1_2;
	assert_int_equal(ask(&call, true), 200);
}

static void changed_certificate_is_served_to_the_next_handshake(void **state)
{
	struct certificate other_ca = certificate_make("other CA", CERTIFICATE_CA, NULL, 3600);
	struct certificate other = certificate_make("other", CERTIFICATE_SERVER, &other_ca, 3600);
	struct call call = {.method = "GET", .path = "/open", .ca = "other-ca.pem"};
	CURL *kept = curl_easy_init();
	struct call before = {.method = "GET", .path = "/open"};

	certificate_write(&other_ca, at("other-ca.pem"), NULL);
	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	assert_int_equal(ask_on(kept, &before, true), 200);
	assert_int_equal(ask(&call, true), 0);
	/* Between the two writes the pair does not match: the old one must go on serving. */
	certificate_write(&other, NULL, at("k.pem"));
	access_refresh(access_control);
	assert_int_equal(get("/open", NULL), 200);
	certificate_write(&other, at("c.pem"), NULL);
	access_refresh(access_control);
	assert_int_equal(ask(&call, true), 200);
	assert_int_equal(get("/open", NULL), 0);
	/* The connection from before goes on. */
	assert_int_equal(ask_on(kept, &before, true), 200);
	curl_easy_cleanup(kept);
	certificate_free(&other);
	certificate_free(&other_ca);
}

static void required_client_certificate_is_verified(void **state)
{
	struct certificate strange_ca = certificate_make("strange", CERTIFICATE_CA, NULL, 3600);
	struct certificate strange =
		certificate_make("client", CERTIFICATE_CLIENT, &strange_ca, 3600);
	struct certificate ended = certificate_make("client", CERTIFICATE_CLIENT, &ca, -3600);
	struct call call = {.method = "GET", .path = "/read"};

	certificate_write(&strange, at("strange.pem"), at("strange.key"));
	certificate_write(&ended, at("ended.pem"), at("ended.key"));
	start("tls_server_config: {" TLS_FILES ", client_ca_file: ca.pem, "
	      "client_auth_type: RequireAndVerifyClientCert}\n",
		NULL, 0);
	for (int i = 0; i < 2; i++) {
		call.tls_max = i ? CURL_SSLVERSION_MAX_TLSv1_2 : 0;
		call.client_cert = NULL;
		assert_int_equal(ask(&call, true), 0);
		call.client_cert = "strange.pem";
		call.client_key = "strange.key";
		assert_int_equal(ask(&call, true), 0);
		call.client_cert = "ended.pem";
		call.client_key = "ended.key";
		assert_int_equal(ask(&call, true), 0);
		/* A server's certificate is not for clients, although the CA is the right one. */
		call.client_cert = "c.pem";
		call.client_key = "k.pem";
		assert_int_equal(ask(&call, true), 0);
		call.client_cert = "client.pem";
		call.client_key = "client.key";
		call.answer_size = 0;
		memset(call.answer, 0, sizeof(call.answer));
		assert_int_equal(ask(&call, true), 200);
		assert_string_equal(call.answer, "client certificate as admin\n");
	}
	/* Not even the routes that are open to all. */
	assert_int_equal(get("/open", NULL), 0);
	certificate_free(&ended);
	certificate_free(&strange);
	certificate_free(&strange_ca);
}

static void client_certificate_may_be_optional(void **state)
{
	struct certificate strange_ca = certificate_make("strange", CERTIFICATE_CA, NULL, 3600);
	struct certificate strange =
		certificate_make("client", CERTIFICATE_CLIENT, &strange_ca, 3600);
	struct call call = {.method = "GET", .path = "/read"};

	certificate_write(&strange, at("strange.pem"), at("strange.key"));
	start("tls_server_config: {" TLS_FILES ", client_ca_file: ca.pem, "
	      "client_auth_type: VerifyClientCertIfGiven}\n",
		NULL, 0);
	assert_int_equal(ask(&call, true), 200);
	call.client_cert = "client.pem";
	call.client_key = "client.key";
	assert_int_equal(ask(&call, true), 200);
	call.client_cert = "strange.pem";
	call.client_key = "strange.key";
	assert_int_equal(ask(&call, true), 0);
	certificate_free(&strange);
	certificate_free(&strange_ca);
}

static void any_client_certificate_may_do(void **state)
{
	struct certificate self = certificate_make("self", CERTIFICATE_CLIENT, NULL, 3600);
	struct call call = {.method = "GET", .path = "/read"};

	certificate_write(&self, at("self.pem"), at("self.key"));
	start("tls_server_config: {" TLS_FILES ", client_auth_type: RequireAnyClientCert}\n", NULL,
		0);
	assert_int_equal(ask(&call, true), 0);
	call.client_cert = "self.pem";
	call.client_key = "self.key";
	assert_int_equal(ask(&call, true), 200);
	certificate_free(&self);
}

static long as(const char *method, const char *path, const char *header)
{
	struct call call = {.method = method,
		.path = path,
		.header = header,
		.body = strcmp(method, "POST") ? NULL : "x"};

	return ask(&call, false);
}

static void each_role_may_do_what_it_names(void **state)
{
	static const char *const names[] = {"read", "ingest", "webhook", "approve", "admin"};
	static const enum access_role roles[] = {ACCESS_READ, ACCESS_INGEST, ACCESS_WEBHOOK,
		ACCESS_APPROVE, ACCESS_ADMIN};
	static const int allowed[5][5] = {
		/* read ingest webhook approve admin */
		{200, 403, 403, 403, 403},
		{200, 200, 403, 403, 403},
		{200, 403, 200, 403, 403},
		{200, 403, 403, 200, 403},
		{200, 200, 200, 200, 200},
	};
	struct access_token tokens[5];
	char secret[64], path[64];

	for (int i = 0; i < 5; i++) {
		snprintf(secret, sizeof(secret), "secret-of-%s\n", names[i]);
		folder_write(folder, names[i], secret);
		tokens[i] = (struct access_token){names[i], at(names[i]), roles[i]};
	}
	start(NULL, tokens, 5);
	for (int i = 0; i < 5; i++) {
		snprintf(secret, sizeof(secret), "Authorization: Bearer secret-of-%s", names[i]);
		for (int j = 0; j < 5; j++) {
			snprintf(path, sizeof(path), "/%s", names[j]);
			assert_int_equal(as(j ? "POST" : "GET", path, secret), allowed[i][j]);
		}
		assert_int_equal(as("GET", "/open", secret), 200);
	}
	assert_int_equal(as("GET", "/open", NULL), 200);
	assert_int_equal(as("GET", "/read", NULL), 401);
	assert_int_equal(as("GET", "/read", "Authorization: Bearer secret-of-nobody"), 401);
	assert_int_equal(as("POST", "/ingest", "Authorization: Bearer secret-of-nobody"), 401);
}

static void unauthenticated_callers_are_told_how_to_come_in(void **state)
{
	struct access_token token = {"t", NULL, ACCESS_READ};
	struct http_reply reply;
	char value[128];

	folder_write(folder, "t", "some-secret");
	token.file = at("t");
	start(NULL, &token, 1);
	reply = http_call(server_port(server), "GET", "/read", "", NULL);
	assert_int_equal(reply.status, 401);
	assert_true(http_header(&reply, "WWW-Authenticate", value, sizeof(value)));
	assert_non_null(strstr(reply.head, "Bearer realm="));
	http_reply_fini(&reply);
}

static void basic_auth_works_over_tls_and_changes_with_the_file(void **state)
{
	static struct crypt_data work;
	char text[512];
	CURL *curl = curl_easy_init();
	struct call call = {.method = "GET", .path = "/read"};

	snprintf(text, sizeof(text),
		"tls_server_config: {" TLS_FILES "}\nhttp_server_config: {headers: "
		"{Strict-Transport-Security: max-age=9}}\nbasic_auth_users: {alice: %s}\n",
		crypt_r("sesame", "$2y$04$abcdefghijklmnopqrstuu", &work));
	start(text, NULL, 0);
	assert_int_equal(get("/read", NULL), 401);
	curl_easy_setopt(curl, CURLOPT_USERPWD, "alice:sesame");
	assert_int_equal(ask_on(curl, &call, true), 200);
	assert_string_equal(call.answer, "alice as read\n");
	snprintf(text, sizeof(text),
		"tls_server_config: {" TLS_FILES "}\nbasic_auth_users: {alice: %s}\n",
		crypt_r("changed", "$2y$04$abcdefghijklmnopqrstuu", &work));
	folder_write(folder, "web.yml", text);
	access_refresh(access_control);
	assert_int_equal(ask_on(curl, &call, true), 401);
	curl_easy_setopt(curl, CURLOPT_USERPWD, "alice:changed");
	assert_int_equal(ask_on(curl, &call, true), 200);
	curl_easy_cleanup(curl);
}

static void configured_headers_are_on_every_answer(void **state)
{
	struct http_reply reply;
	char value[64];

	start("http_server_config: {headers: {X-Frame-Options: sameorigin, "
	      "X-Content-Type-Options: nosniff}}\n",
		NULL, 0);
	reply = http_call(server_port(server), "GET", "/none", "", NULL);
	assert_int_equal(reply.status, 404);
	assert_true(http_header(&reply, "X-Frame-Options", value, sizeof(value)));
	assert_string_equal(value, "sameorigin");
	http_reply_fini(&reply);
}

struct caller {
	pthread_t thread;
	int good;
};

static void *call_often(void *argument)
{
	struct caller *caller = argument;

	for (int i = 0; i < 10; i++) {
		struct call call = {.method = "GET", .path = "/open"};

		caller->good += ask(&call, true) == 200;
	}
	return NULL;
}

static void certificates_change_while_many_connect(void **state)
{
	struct certificate next = certificate_make("next", CERTIFICATE_SERVER, &ca, 3600);
	struct caller callers[4] = {0};

	start("tls_server_config: {" TLS_FILES "}\n", NULL, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&callers[i].thread, NULL, call_often, &callers[i]);
	for (int i = 0; i < 10; i++) {
		certificate_write(i % 2 ? &server_cert : &next, at("c.pem"), at("k.pem"));
		access_refresh(access_control);
		clock_sleep_ms(5);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].good, 10);
	}
	certificate_free(&next);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(https_is_served),
		WITH(large_bodies_go_over_tls),
		WITH(plain_http_to_a_tls_port_gets_nothing),
		WITH(handshake_that_never_ends_is_cut_off),
		WITH(old_versions_are_refused),
		WITH(highest_version_can_be_bounded),
		WITH(changed_certificate_is_served_to_the_next_handshake),
		WITH(required_client_certificate_is_verified),
		WITH(client_certificate_may_be_optional),
		WITH(any_client_certificate_may_do),
		WITH(each_role_may_do_what_it_names),
		WITH(unauthenticated_callers_are_told_how_to_come_in),
		WITH(basic_auth_works_over_tls_and_changes_with_the_file),
		WITH(configured_headers_are_on_every_answer),
		WITH(certificates_change_while_many_connect),
	};

	curl_global_init(CURL_GLOBAL_ALL);
	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("server_tls", tests, NULL, NULL);
}
