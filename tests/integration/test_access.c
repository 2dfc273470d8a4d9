/*
 * Access control as users set it up: a real Prometheus and real Alertmanagers with the shipped
 * snippets' tls_config and authorization, with basic_auth and client certificates; wrong credentials;
 * what is refused to whom; and what a start without access control may do.
 *
 * `tokens` is a NimbusGuard with TLS and bearer tokens, `users` one with basic auth that demands
 * client certificates, `open` one on loopback without anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/support/certificates.h"
#include "tests/support/servers.h"

#define PATH_SIZE (2 * SERVER_PATH_MAX)

static struct servers servers;
static struct server *tokens, *users, *open_one, *prometheus, *managers[2];
static char ca[PATH_SIZE], certificate[PATH_SIZE], key[PATH_SIZE], client[PATH_SIZE],
	client_key[PATH_SIZE];

static void in_folder(char *path, const char *name)
{
	assert_true(snprintf(path, PATH_SIZE, "%s/%s", servers.folder, name) < PATH_SIZE);
}

static void make_certificates(void)
{
	struct certificate authority = certificate_make("test CA", CERTIFICATE_CA, NULL, 86400);
	struct certificate server =
		certificate_make("server", CERTIFICATE_SERVER, &authority, 86400);
	struct certificate of_client =
		certificate_make("client", CERTIFICATE_CLIENT, &authority, 86400);

	in_folder(ca, "ca.pem");
	in_folder(certificate, "server.pem");
	in_folder(key, "server.key");
	in_folder(client, "client.pem");
	in_folder(client_key, "client.key");
	certificate_write(&authority, ca, NULL);
	certificate_write(&server, certificate, key);
	certificate_write(&of_client, client, client_key);
	certificate_free(&authority);
	certificate_free(&server);
	certificate_free(&of_client);
}

/* A file of the tests' folder, filled in like printf; in a static buffer. */
static const char *write_text(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *write_text(const char *name, const char *format, ...)
{
	char text[8192];
	va_list arguments;

	va_start(arguments, format);
	assert_true(vsnprintf(text, sizeof(text), format, arguments) < (int)sizeof(text));
	va_end(arguments);
	return servers_write(&servers, name, text);
}

static void start_tokens(void)
{
	static const char *const roles[] = {"read", "ingest", "webhook", "approve", "admin"};
	char config[PATH_SIZE + 64], list[4096] = "";
	const char *const flags[] = {config, NULL};
	const char *web;

	for (size_t i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s.token", roles[i]);
		(void)write_text(name, "secret-of-%s\n", roles[i]);
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
			"  - {name: %s, file: %s/%s, role: %s}\n", roles[i], servers.folder, name,
			roles[i]);
	}
	web = write_text("web-tokens.yml", "tls_server_config:\n  cert_file: %s\n  key_file: %s\n",
		certificate, key);
	snprintf(config, sizeof(config), "--config.file=%s",
		write_text("tokens.yml", "web:\n  config:\n    file: %s\n  tokens:\n%s", web,
			list));
	server_use_tls(tokens);
	nimbusguard_start(&servers, tokens, flags);
}

static void start_users(void)
{
	char config[PATH_SIZE + 64], hashes[2][128];
	const char *const flags[] = {config, NULL};
	const char *web;

	snprintf(hashes[0], sizeof(hashes[0]), "%s",
		crypt("stream", "$2b$05$abcdefghijklmnopqrstuu"));
	snprintf(hashes[1], sizeof(hashes[1]), "%s",
		crypt("alerts", "$2b$05$abcdefghijklmnopqrstuu"));
	web = write_text("web-users.yml",
		"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
		"  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
		"basic_auth_users:\n  prom: %s\n  am: %s\n",
		hashes[0], hashes[1]);
	snprintf(config, sizeof(config), "--config.file=%s",
		write_text("users.yml",
			"web:\n  config:\n    file: %s\n  user_roles: {prom: ingest, am: webhook}\n",
			web));
	server_use_tls(users);
	nimbusguard_start(&servers, users, flags);
}

/* The commented lines of a snippet, with our paths. */
static char *use_tokens(char *snippet, const char *role)
{
	char path[PATH_SIZE];

	snippet = text_replace(snippet, "#   authorization", "authorization");
	snippet = text_replace(snippet, "#   tls_config", "tls_config");
	snprintf(path, sizeof(path), "%s/%s.token", servers.folder, role);
	snippet = text_replace(snippet, "/etc/prometheus/nimbusguard.token", path);
	return text_replace(snippet, "/etc/prometheus/nimbusguard-ca.pem", ca);
}

/* The snippet of remote write, all series, as one more element of the list. */
static char *one_more(const struct server *to, const char *name, const char *access)
{
	char *text =
		text_cut(snippet_remote_write(to), "  write_relabel_configs:", "  queue_config:");
	char named[4352];

	text = text_replace(text, "http://", "https://");
	text = text_cut(text, "#", "- name:");
	snprintf(named, sizeof(named), "- name: %s\n%s", name, access);
	return text_replace(text, "- name: nimbusguard\n", named);
}

static void start_prometheus(void)
{
	char access[3][4096], *write, *scrape, *more[2], *config, *all = NULL;
	size_t size;
	FILE *file = open_memstream(&all, &size);

	write = text_cut(snippet_remote_write(tokens),
		"  write_relabel_configs:", "  queue_config:");
	write = use_tokens(text_replace(write, "http://", "https://"), "ingest");
	scrape = text_replace(snippet_scrape(tokens), "#   scheme", "scheme");
	scrape = use_tokens(scrape, "read");
	snprintf(access[0], sizeof(access[0]),
		"  authorization: {credentials: wrong}\n  tls_config: {ca_file: %s}\n", ca);
	snprintf(access[1], sizeof(access[1]),
		"  basic_auth: {username: prom, password: stream}\n"
		"  tls_config: {ca_file: %s, cert_file: %s, key_file: %s}\n",
		ca, client, client_key);
	more[0] = one_more(tokens, "wrong", access[0]);
	more[1] = one_more(users, "users", access[1]);
	fprintf(file, "%s%s%s", write, more[0], more[1]);
	fclose(file);
	config = prometheus_compose(scrape, "", all, NULL);
	prometheus_start(&servers, prometheus, config);
	free(write);
	free(scrape);
	free(more[0]);
	free(more[1]);
	free(all);
	free(config);
}

static void start_managers(void)
{
	char access[4096], path[PATH_SIZE];
	char *config = snippet_receiver(tokens);

	config = text_replace(config, "http://", "https://");
	config = text_replace(config, "group_wait: 5s", "group_wait: 1s");
	config = text_replace(config, "#   http_config", "http_config");
	config = text_replace(config, "#     authorization", "  authorization");
	config = text_replace(config, "#     tls_config", "  tls_config");
	snprintf(path, sizeof(path), "%s/webhook.token", servers.folder);
	config = text_replace(config, "/etc/alertmanager/nimbusguard.token", path);
	config = text_replace(config, "/etc/alertmanager/nimbusguard-ca.pem", ca);
	alertmanager_start(&servers, managers[0], config);
	config = text_replace(config, tokens->address, users->address);
	snprintf(access, sizeof(access),
		"      basic_auth: {username: am, password: alerts}\n"
		"      tls_config: {cert_file: %s, key_file: %s, ca_file: ",
		client, client_key);
	config = text_cut(config, "      authorization", "      tls_config");
	config = text_replace(config, "      tls_config: {ca_file: ", access);
	alertmanager_start(&servers, managers[1], config);
	free(config);
}

static int setup(void **state)
{
	static const char *const flags[] = {NULL};

	if (!servers_there(true, true))
		return 0;
	servers_open(&servers);
	tokens = server_add(&servers, "tokens");
	users = server_add(&servers, "users");
	open_one = server_add(&servers, "open");
	prometheus = server_add(&servers, "prometheus");
	managers[0] = server_add(&servers, "alertmanager-tokens");
	managers[1] = server_add(&servers, "alertmanager-users");
	make_certificates();
	start_tokens();
	start_users();
	nimbusguard_start(&servers, open_one, flags);
	start_prometheus();
	start_managers();
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static struct web_access by_token(const char *role)
{
	static char texts[8][64];
	static unsigned next;
	char *text = texts[next++ % 8];

	snprintf(text, sizeof(texts[0]), "secret-of-%s", role);
	return (struct web_access){.token = text, .ca = ca};
}

static double counter(const struct server *server, const struct web_access *access,
	const char *series)
{
	char url[128], start[256];
	struct web_answer answer;
	const char *line;
	double value = 0;

	snprintf(url, sizeof(url), "%s/metrics", server->url);
	answer = web_call("GET", url, access, NULL);
	assert_int_equal(answer.status, 200);
	snprintf(start, sizeof(start), "\n%s ", series);
	line = strstr(answer.body, start);
	if (line != NULL)
		value = strtod(line + strlen(start), NULL);
	web_answer_fini(&answer);
	return value;
}

static double stored(const struct server *server, const struct web_access *access)
{
	return counter(server, access, "nimbusguard_remote_write_samples_total{result=\"stored\"}");
}

static struct web_access user(void)
{
	return (struct web_access){.user = "prom",
		.password = "stream",
		.ca = ca,
		.certificate = client,
		.key = client_key};
}

static void a_real_prometheus_is_let_in_by_token_and_by_user(void **state)
{
	struct web_access reader = by_token("read"), prom = user();
	json_t *up;

	if (tokens == NULL)
		skip();
	AWAIT(&servers, stored(tokens, &reader) > 100, 60);
	AWAIT(&servers, stored(users, &prom) > 100, 60);
	up = prometheus_query(prometheus, "up{job=\"nimbusguard\"} == 1", 0);
	assert_int_equal(json_array_size(up), 1);
	json_decref(up);
}

static void a_real_prometheus_with_wrong_credentials_is_refused(void **state)
{
	struct web_access reader = by_token("read");
	char name[256];

	if (tokens == NULL)
		skip();
	AWAIT(&servers,
		counter(tokens, &reader,
			"nimbusguard_http_requests_total{handler=\"write\",code=\"401\"}") > 0,
		60);
	snprintf(name, sizeof(name),
		"prometheus_remote_storage_samples_failed_total{remote_name=\"wrong\","
		"url=\"https://%s/api/v1/write\"}",
		tokens->address);
	AWAIT(&servers, web_metric(prometheus->url, name) > 0, 60);
}

static void post_alert(const struct server *manager)
{
	static const char alert[] = "[{\"labels\":{\"alertname\":\"Odd\",\"namespace\":\"shop\","
				    "\"deployment\":\"web\"},\"startsAt\":\"2026-01-02T03:04:05Z\","
				    "\"endsAt\":\"2036-01-02T03:04:05Z\"}]";
	char url[128];
	struct web_answer answer;

	snprintf(url, sizeof(url), "%s/api/v2/alerts", manager->url);
	answer = web_call("POST", url, NULL, alert);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

static void real_alertmanagers_are_let_in_by_token_and_by_user(void **state)
{
	static const char received[] = "nimbusguard_alerts_received_total{status=\"firing\"}";
	struct web_access reader = by_token("read"), prom = user();

	if (tokens == NULL)
		skip();
	post_alert(managers[0]);
	post_alert(managers[1]);
	AWAIT(&servers, counter(tokens, &reader, received) >= 1, 60);
	AWAIT(&servers, counter(users, &prom, received) >= 1, 60);
	for (int i = 0; i < 2; i++)
		assert_true(
			web_metric(managers[i]->url,
				"alertmanager_notifications_failed_total{integration=\"webhook\"}") ==
			0);
}

static long call(const struct server *server, const char *method, const char *path,
	const struct web_access *access)
{
	char url[256];
	struct web_answer answer;
	long status;

	snprintf(url, sizeof(url), "%s%s", server->url, path);
	answer = web_call(method, url, access, strcmp(method, "POST") == 0 ? "{}" : NULL);
	status = answer.status;
	web_answer_fini(&answer);
	return status;
}

static void each_role_may_do_what_it_names(void **state)
{
	/* 4xx other than 401 and 403: let in, and the body or the id is refused. */
	static const struct {
		const char *method, *path;
		long read, ingest, webhook, approve, admin;
	} cases[] = {
		{"GET", "/metrics", 200, 200, 200, 200, 200},
		{"GET", "/api/v1/status", 200, 200, 200, 200, 200},
		{"POST", "/api/v1/write", 403, 415, 403, 403, 415},
		{"POST", "/api/v1/webhook", 403, 403, 400, 403, 400},
		{"POST", "/api/v1/actions/a-none/approve", 403, 403, 403, 404, 404},
		{"POST", "/-/reload", 403, 403, 403, 403, 200},
		{"POST", "/api/v1/pause?paused=false", 403, 403, 403, 403, 200},
	};

	if (tokens == NULL)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const long wanted[] = {cases[i].read, cases[i].ingest, cases[i].webhook,
			cases[i].approve, cases[i].admin};
		static const char *const roles[] = {"read", "ingest", "webhook", "approve",
			"admin"};

		for (size_t r = 0; r < 5; r++) {
			struct web_access access = by_token(roles[r]);
			long got = call(tokens, cases[i].method, cases[i].path, &access);

			if (got != wanted[r])
				fail_msg("%s %s as %s: %ld instead of %ld", cases[i].method,
					cases[i].path, roles[r], got, wanted[r]);
		}
	}
}

static void nobody_else_is_let_in(void **state)
{
	struct web_access nobody = {.ca = ca}, wrong = {.token = "secret-of-nobody", .ca = ca};
	struct web_access password = user(), bare = user(), stranger = user();

	if (tokens == NULL)
		skip();
	assert_int_equal(call(tokens, "GET", "/metrics", &nobody), 401);
	assert_int_equal(call(tokens, "GET", "/metrics", &wrong), 401);
	assert_int_equal(call(tokens, "POST", "/api/v1/write", &nobody), 401);
	assert_int_equal(call(tokens, "GET", "/-/healthy", &nobody), 200);
	password.password = "alerts";
	assert_int_equal(call(users, "GET", "/metrics", &password), 401);
	stranger.user = "eve";
	assert_int_equal(call(users, "GET", "/metrics", &stranger), 401);
	/* Without the certificate not even the greeting is answered. */
	bare.certificate = NULL;
	assert_int_equal(call(users, "GET", "/-/healthy", &bare), 0);
	/* A user's role holds. */
	stranger = user();
	assert_int_equal(call(users, "POST", "/api/v1/webhook", &stranger), 403);
	assert_int_equal(call(users, "POST", "/-/reload", &stranger), 403);
}

static void a_changed_token_is_taken_without_a_restart(void **state)
{
	struct web_access old = by_token("admin"), new = {.token = "another-secret", .ca = ca};

	if (tokens == NULL)
		skip();
	assert_int_equal(call(tokens, "GET", "/metrics", &new), 401);
	(void)write_text("admin.token", "another-secret\n");
	AWAIT(&servers, call(tokens, "GET", "/metrics", &new) == 200, 10);
	assert_int_equal(call(tokens, "GET", "/metrics", &old), 401);
}

static void a_browser_from_elsewhere_changes_nothing(void **state)
{
	static const char *const foreign[] = {"Origin: http://evil.example", "Origin: null",
		"Sec-Fetch-Site: cross-site"};
	char own[128];
	struct web_access same = {.header = own};

	if (tokens == NULL)
		skip();
	for (size_t i = 0; i < 3; i++) {
		struct web_access access = {.header = foreign[i]};

		assert_int_equal(call(open_one, "POST", "/-/reload", &access), 403);
		assert_int_equal(call(open_one, "POST", "/api/v1/pause?paused=true", &access), 403);
		assert_int_equal(call(open_one, "POST", "/api/v1/actions/a/approve", &access), 403);
	}
	snprintf(own, sizeof(own), "Origin: %s", open_one->url);
	assert_int_equal(call(open_one, "POST", "/-/reload", &same), 200);
	assert_int_equal(call(open_one, "POST", "/-/reload", NULL), 200);
}

/* Starts beside the others, on all addresses. */
static void off_loopback_a_start_needs_access_control(void **state)
{
	struct server *wide;
	char address[64];
	const char *bare[] = {address, NULL},
		   *allowed[] = {address, "--web.allow-unauthenticated", NULL};

	if (tokens == NULL)
		skip();
	wide = server_add(&servers, "wide");
	snprintf(address, sizeof(address), "--web.listen-address=0.0.0.0:%u", wide->port.number);
	nimbusguard_launch(&servers, wide, bare);
	assert_int_equal(proc_wait(&wide->proc, 30000), 1);
	assert_true(server_said(wide, "is not loopback and there is no access control"));
	assert_true(server_said(wide, "--web.allow-unauthenticated"));
	nimbusguard_launch(&servers, wide, allowed);
	AWAIT(&servers, call(wide, "GET", "/-/ready", NULL) == 200, 30);
	/* Even then nothing is approved or changed by whoever comes. */
	assert_int_equal(call(wide, "GET", "/metrics", NULL), 200);
	assert_int_equal(call(wide, "GET", "/api/v1/incidents", NULL), 200);
	assert_int_equal(call(wide, "POST", "/-/reload", NULL), 403);
	assert_int_equal(call(wide, "POST", "/api/v1/pause?paused=true", NULL), 403);
	assert_int_equal(call(wide, "POST", "/api/v1/actions/a/approve", NULL), 403);
	assert_int_equal(call(wide, "POST", "/api/v1/actions/a/reject", NULL), 403);
	assert_int_equal(call(wide, "POST", "/api/v1/actions/a/undo", NULL), 403);
	server_end(wide);
}

static void all_end_cleanly(void **state)
{
	if (tokens == NULL)
		skip();
	server_end(prometheus);
	server_end(managers[0]);
	server_end(managers[1]);
	server_end(tokens);
	server_end(users);
	server_end(open_one);
	/* No secret was written down. */
	assert_false(server_said(tokens, "secret-of-"));
	assert_false(server_said(users, "stream\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_prometheus_is_let_in_by_token_and_by_user),
		cmocka_unit_test(a_real_prometheus_with_wrong_credentials_is_refused),
		cmocka_unit_test(real_alertmanagers_are_let_in_by_token_and_by_user),
		cmocka_unit_test(each_role_may_do_what_it_names),
		cmocka_unit_test(nobody_else_is_let_in),
		cmocka_unit_test(a_changed_token_is_taken_without_a_restart),
		cmocka_unit_test(a_browser_from_elsewhere_changes_nothing),
		cmocka_unit_test(off_loopback_a_start_needs_access_control),
		cmocka_unit_test(all_end_cleanly),
	};

	return cmocka_run_group_tests_name("access", tests, setup, teardown);
}
