/* run-under: tsan */
/* kubeconfig files: what is taken, what is refused and where it stands; client certificates, names for
 * TLS, proxies and credential plugins against a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/kube_client.h"
#include "remediations/kube_config.h"
#include "remediations/kube_config_exec.h"
#include "tests/support/certificates.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"

static char folder[FOLDER_PATH_MAX];

static const char *in_folder(const char *name)
{
	static char paths[8][1024];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, 1024, "%s/%s", folder, name);
	return path;
}

static const char *write_file(const char *name, const char *text)
{
	const char *path = in_folder(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static const char *write_script(const char *name, const char *text)
{
	const char *path = write_file(name, text);

	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

/* ---- the file ---- */

#define HEAD                                                                                       \
	"apiVersion: v1\nkind: Config\ncurrent-context: main\n"                                    \
	"contexts:\n- name: main\n  context: {cluster: one, user: me, namespace: shop}\n"          \
	"- name: other\n  context: {cluster: two, user: me}\n"                                     \
	"- name: lost\n  context: {cluster: nowhere, user: me}\n"

static void context_binds_cluster_and_user(void **state)
{
	const char *path = write_file("config",
		HEAD
		"clusters:\n"
		"- name: one\n  cluster: {server: 'https://a:6443', certificate-authority: pki/ca.pem}\n"
		"- name: two\n  cluster: {server: 'https://b', tls-server-name: api.b,\n"
		"    proxy-url: 'http://proxy:3128', certificate-authority: /etc/ca.pem}\n"
		"users:\n- name: me\n  user: {token: t, tokenFile: tok, client-certificate: c.pem,"
		" client-key: /k.pem}\n");
	struct kube_config *config;
	struct error error;

	(void)state;
	assert_int_equal(kube_config_open(&config, path, NULL, &error), STATUS_OK);
	assert_string_equal(config->context, "main");
	assert_string_equal(config->server, "https://a:6443");
	assert_string_equal(config->namespace_name, "shop");
	assert_string_equal(config->ca_file, in_folder("pki/ca.pem"));
	/* The file wins over the token, as kubectl has it. */
	assert_null(config->token);
	assert_string_equal(config->token_file, in_folder("tok"));
	assert_string_equal(config->cert_file, in_folder("c.pem"));
	assert_string_equal(config->key_file, "/k.pem");
	assert_null(config->exec);
	kube_config_close(config);
	assert_int_equal(kube_config_open(&config, path, "other", &error), STATUS_OK);
	assert_string_equal(config->server, "https://b");
	assert_string_equal(config->tls_server_name, "api.b");
	assert_string_equal(config->proxy_url, "http://proxy:3128");
	assert_null(config->namespace_name);
	kube_config_close(config);
}

static void json_and_inline_data_are_taken(void **state)
{
	const char *path = write_file("config",
		"{\"current-context\":\"m\",\"contexts\":[{\"name\":\"m\",\"context\":{\"cluster\":"
		"\"c\",\"user\":\"u\"}}],\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":"
		"\"https://a\",\"certificate-authority\":\"unused\",\"certificate-authority-data\":"
		"\"LS0tLS1CRUdJTiBYLS0tLS0K\"}}],\"users\":[{\"name\":\"u\",\"user\":{\"token\":"
		"\"abc\"}}]}");
	struct kube_config *config;
	struct error error;

	(void)state;
	assert_int_equal(kube_config_open(&config, path, "", &error), STATUS_OK);
	assert_string_equal(config->ca_pem, "-----BEGIN X-----\n");
	assert_null(config->ca_file);
	assert_string_equal(config->token, "abc");
	kube_config_close(config);
}

static void each_fault_has_its_place_and_context(void **state)
{
	static const struct {
		const char *cluster, *user, *context, *words;
		int line;
	} faults[] = {
		{"server: 'https://a'\n    insecure-skip-tls-verify: true", "token: t", NULL,
			"insecure-skip-tls-verify is refused", 15},
		{"proxy-url: 'http://p'", "token: t", NULL, "its cluster has no server", 14},
		{"server: 'https://a'\n    proxy-url: ftp://p", "token: t", NULL, "proxy-url", 15},
		{"server: 'https://a'\n    certificate-authority-data: '!'", "token: t", NULL,
			"is no base64", 15},
		{"server: 'https://a'\n    certificate-authority-data: Zm9v", "token: t", NULL,
			"holds no PEM", 15},
		{"server: [a]", "token: t", NULL, "server is no text", 14},
		{"server: 'https://a'", "username: u\n    password: p", NULL, "username is refused",
			18},
		{"server: 'https://a'", "auth-provider: {name: gcp}", NULL,
			"auth-provider is refused", 18},
		{"server: 'https://a'", "as: root", NULL, "as is refused", 18},
		{"server: 'https://a'", "client-certificate: c.pem", NULL,
			"client-certificate and client-key", 18},
		{"server: 'https://a'", "token: \"a\\nb\"", NULL, "line break", 18},
		{"server: 'https://a'", "exec: {args: []}", NULL, "command is missing", 18},
		{"server: 'https://a'",
			"exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}",
			NULL, "apiVersion", 18},
		{"server: 'https://a'",
			"exec: {command: x, apiVersion: client.authentication.k8s.io/v1}", NULL,
			"interactiveMode is missing", 18},
		{"server: 'https://a'",
			"exec: {command: x, interactiveMode: Always, apiVersion: "
			"client.authentication.k8s.io/v1}",
			NULL, "has nobody to ask", 18},
		{"server: 'https://a'",
			"token: t\n    exec: {command: x, interactiveMode: Never, apiVersion: "
			"client.authentication.k8s.io/v1}",
			NULL, "exec and a token", 19},
		{"server: 'https://a'", "token: t", "lost", "no \"nowhere\" in clusters", 10},
		{"server: 'https://a'", "token: t", "absent", "no \"absent\" in contexts", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(faults); i++) {
		char text[2048], place[64], context[64];
		struct kube_config *config;
		struct error error = {0};
		const char *path;

		snprintf(text, sizeof(text),
			HEAD
			"clusters:\n- name: one\n  cluster:\n    %s\nusers:\n- name: me\n  user:\n    %s\n",
			faults[i].cluster, faults[i].user);
		path = write_file("config", text);
		assert_int_equal(kube_config_open(&config, path, faults[i].context, &error),
			STATUS_BAD_INPUT);
		assert_null(config);
		if (strstr(error.text, faults[i].words) == NULL)
			fail_msg("%zu: %s", i, error.text);
		snprintf(context, sizeof(context), "context \"%s\"",
			faults[i].context != NULL ? faults[i].context : "main");
		assert_non_null(strstr(error.text, context));
		snprintf(place, sizeof(place), "config:%d:", faults[i].line);
		if (faults[i].line > 0 && strstr(error.text, place) == NULL)
			fail_msg("%zu: not at line %d: %s", i, faults[i].line, error.text);
	}
}

static void faults_of_other_contexts_are_not_judged(void **state)
{
	const char *path = write_file("config",
		HEAD "clusters:\n- name: one\n  cluster: {server: 'https://a'}\n"
		     "- name: two\n  cluster: {insecure-skip-tls-verify: true}\n"
		     "users:\n- name: me\n  user: {token: t}\n- name: x\n  user: {password: p}\n");
	struct kube_config *config;
	struct error error;

	(void)state;
	assert_int_equal(kube_config_open(&config, path, NULL, &error), STATUS_OK);
	kube_config_close(config);
	assert_int_equal(kube_config_open(&config, in_folder("none"), NULL, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "none"));
	assert_int_equal(kube_config_open(&config, write_file("config", "contexts: []\n"), NULL,
				 &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "no current-context"));
	assert_int_equal(kube_config_open(&config, write_file("config", "- x\n"), NULL, &error),
		STATUS_BAD_INPUT);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	const char *path = write_file("config",
		HEAD
		"clusters:\n- name: one\n  cluster: {server: 'https://a', "
		"certificate-authority-data: LS0tLS1CRUdJTiBYLS0tLS0K}\n"
		"users:\n- name: me\n  user:\n    exec: {command: ./x, args: [a, b], env: [{name: N, "
		"value: v}],\n      interactiveMode: Never, apiVersion: client.authentication.k8s.io/v1}\n");
	bool reached = true;

	(void)state;
	for (long nth = 1; reached; nth++) {
		struct kube_config *config;
		struct error error;
		enum status status;

		mem_fail_after(nth, false);
		status = kube_config_open(&config, path, NULL, &error);
		reached = mem_fail_after(0, false);
		assert_true(reached ? config == NULL : config != NULL);
		assert_true((status == STATUS_OK) == !reached);
		kube_config_close(config);
	}
}

/* ---- calls ---- */

struct call {
	struct kube_client *client;
	struct kube_session *session;
	struct kube_answer answer;
	struct error error;
	enum status status;
};

static void open_call(struct call *call, const char *path)
{
	const struct kube_client_config config = {.kubeconfig = path,
		.timeout_ms = 5000,
		.backoff_ms = 1};

	*call = (struct call){0};
	if (kube_client_open(&call->client, &config, &call->error) != STATUS_OK)
		fail_msg("%s", call->error.text);
	call->session = kube_session_open(call->client);
	assert_non_null(call->session);
}

static enum status get(struct call *call)
{
	const struct kube_request request = {.method = KUBE_GET, .path = "/api"};

	kube_answer_fini(&call->answer);
	error_reset(&call->error);
	call->status = kube_session_call(call->session, &request, &call->answer, &call->error);
	return call->status;
}

static void close_call(struct call *call)
{
	kube_answer_fini(&call->answer);
	kube_session_close(call->session);
	kube_client_close(call->client);
}

/* A kubeconfig of one context; members of maps in YAML's flow style. */
static const char *config_of(const char *server, const char *cluster, const char *user)
{
	char text[8192];

	snprintf(text, sizeof(text),
		"current-context: m\ncontexts: [{name: m, context: {cluster: c, user: u}}]\n"
		"clusters: [{name: c, cluster: {server: '%s'%s}}]\nusers:\n- name: u\n  user: {%s}\n",
		server, cluster, user);
	return write_file("config", text);
}

static struct certificate authority;

static struct http_stub *open_tls(const struct stub_rule *rules, size_t count, bool mutual,
	char *url, size_t size)
{
	struct http_stub *stub = http_stub_open_mutual(rules, count, in_folder("server.pem"),
		in_folder("server.key"), mutual ? in_folder("ca.pem") : NULL);

	assert_non_null(stub);
	snprintf(url, size, "https://127.0.0.1:%u", http_stub_port(stub));
	return stub;
}

static void data_of(const char *name, struct buf *text)
{
	struct buf pem;

	buf_init(&pem, 65536);
	assert_int_equal(file_read(in_folder(name), &pem, NULL), STATUS_OK);
	base64_encode(pem.data, pem.size, text);
	buf_fini(&pem);
}

static void client_certificate_from_files_or_data_opens_the_door(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET /api "}};
	struct buf user, cluster;
	struct call call;
	char url[64];
	struct http_stub *stub = open_tls(rules, 1, true, url, sizeof(url));

	(void)state;
	open_call(&call,
		config_of(url, ", certificate-authority: ca.pem",
			"client-certificate: client.pem, client-key: client.key"));
	assert_int_equal(get(&call), STATUS_OK);
	close_call(&call);
	buf_init(&user, 65536);
	buf_init(&cluster, 65536);
	buf_add_text(&user, "client-certificate-data: ");
	data_of("client.pem", &user);
	buf_add_text(&user, ", client-key-data: ");
	data_of("client.key", &user);
	buf_add_text(&cluster, ", certificate-authority-data: ");
	data_of("ca.pem", &cluster);
	open_call(&call, config_of(url, cluster.data, user.data));
	assert_int_equal(get(&call), STATUS_OK);
	close_call(&call);
	buf_fini(&user);
	buf_fini(&cluster);
	/* Without one, and with one of somebody else, the server does not talk to us. */
	open_call(&call, config_of(url, ", certificate-authority: ca.pem", ""));
	assert_int_not_equal(get(&call), STATUS_OK);
	close_call(&call);
	open_call(&call,
		config_of(url, ", certificate-authority: ca.pem",
			"client-certificate: foreign.pem, client-key: foreign.key"));
	assert_int_not_equal(get(&call), STATUS_OK);
	close_call(&call);
	assert_int_equal(http_stub_request_count(stub), 2);
	http_stub_close(stub);
}

static void servers_name_for_tls_is_what_is_checked(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET /api "}};
	struct call call;
	char url[64], host[64];
	struct http_stub *stub = open_tls(rules, 1, false, url, sizeof(url));

	(void)state;
	open_call(&call,
		config_of(url, ", certificate-authority: ca.pem, tls-server-name: localhost", ""));
	assert_int_equal(get(&call), STATUS_OK);
	close_call(&call);
	snprintf(host, sizeof(host), "Host: 127.0.0.1:%u\r\n", http_stub_port(stub));
	assert_non_null(strstr(http_stub_request(stub, 0), host));
	open_call(&call,
		config_of(url, ", certificate-authority: ca.pem, tls-server-name: api.example",
			""));
	assert_int_equal(get(&call), STATUS_UNAVAILABLE);
	assert_non_null(strstr(call.error.text, "cannot be trusted"));
	close_call(&call);
	assert_int_equal(http_stub_request_count(stub), 1);
	http_stub_close(stub);
}

static void proxy_is_asked_for_the_servers_address(void **state)
{
	static const struct stub_rule rules[] = {{.start = "CONNECT", .code = 502}};
	struct http_stub *proxy = http_stub_open(rules, 1, NULL, NULL);
	struct call call;
	char cluster[128];

	(void)state;
	snprintf(cluster, sizeof(cluster), ", proxy-url: 'http://127.0.0.1:%u'",
		http_stub_port(proxy));
	open_call(&call, config_of("https://api.example:6443", cluster, ""));
	assert_int_equal(get(&call), STATUS_UNAVAILABLE);
	close_call(&call);
	assert_memory_equal(http_stub_request(proxy, 0), "CONNECT api.example:6443 ", 25);
	http_stub_close(proxy);
}

/* ---- plugins ---- */

#define V1 "client.authentication.k8s.io/v1"
#define PLUGIN "exec: {command: ./plugin, interactiveMode: Never, apiVersion: " V1 "}"

static struct http_stub *open_plain(const struct stub_rule *rules, size_t count, char *url,
	size_t size)
{
	struct http_stub *stub = http_stub_open(rules, count, NULL, NULL);

	assert_non_null(stub);
	snprintf(url, size, "http://127.0.0.1:%u", http_stub_port(stub));
	return stub;
}

/* A plugin that counts its runs in a file and gives token-<run>; more: further members of status. */
static void write_plugin(const char *more)
{
	char text[2048];

	write_file("runs", "");
	snprintf(text, sizeof(text),
		"#!/bin/sh\ncd '%s'\necho x >> runs\nn=$(wc -l < runs)\n"
		"printf '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":"
		"{\"token\":\"token-%%d\"%s}}' $n\n",
		folder, more);
	write_script("plugin", text);
}

static size_t runs(void)
{
	struct buf text;
	size_t size;

	buf_init(&text, 65536);
	assert_int_equal(file_read(in_folder("runs"), &text, NULL), STATUS_OK);
	size = text.size / 2;
	buf_fini(&text);
	return size;
}

static void plugin_is_run_once_and_again_when_its_token_is_refused(void **state)
{
	static const struct stub_rule good[] = {{.start = "GET /api "}};
	static const struct stub_rule refusing[] = {{.start = "GET /api ", .code = 401, .times = 1},
		{.start = "GET /api "}};
	struct call call;
	char url[64];
	struct http_stub *stub = open_plain(good, 1, url, sizeof(url));

	(void)state;
	write_plugin("");
	open_call(&call, config_of(url, "", PLUGIN));
	assert_int_equal(runs(), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(get(&call), STATUS_OK);
	assert_int_equal(runs(), 1);
	assert_non_null(strstr(http_stub_request(stub, 2), "Authorization: Bearer token-1\r\n"));
	/* A refusal right after a run is not the plugin's fault to mend: the same once more. */
	http_stub_rules(stub, refusing, 2);
	assert_int_equal(get(&call), STATUS_OK);
	assert_int_equal(runs(), 1);
	clock_sleep_ms(5100);
	http_stub_rules(stub, refusing, 2);
	assert_int_equal(get(&call), STATUS_OK);
	assert_int_equal(runs(), 2);
	assert_non_null(strstr(http_stub_request(stub, http_stub_request_count(stub) - 1),
		"Authorization: Bearer token-2\r\n"));
	close_call(&call);
	http_stub_close(stub);
}

static void credential_that_ended_is_asked_for_anew(void **state)
{
	static const struct stub_rule good[] = {{.start = "GET /api "}};
	char url[64], more[128], time[40];
	int64_t ends_ms = clock_now_ms(clock_system()) + 12000;
	struct http_stub *stub = open_plain(good, 1, url, sizeof(url));
	struct call call;

	(void)state;
	format_rfc3339(ends_ms, time, sizeof(time));
	snprintf(more, sizeof(more), ",\"expirationTimestamp\":\"%s\"", time);
	write_plugin(more);
	open_call(&call, config_of(url, "", PLUGIN));
	assert_int_equal(get(&call), STATUS_OK);
	assert_int_equal(runs(), 1);
	while (clock_now_ms(clock_system()) <= ends_ms)
		clock_sleep_ms(50);
	/* The time is fixed, so that what the plugin gives now has ended already. */
	assert_int_equal(get(&call), STATUS_UNAUTHENTICATED);
	assert_int_equal(runs(), 2);
	assert_non_null(strstr(call.error.text, "has ended already"));
	assert_non_null(strstr(call.error.text, "context \"m\""));
	/* A failure is remembered: the plugin is not run for each call. */
	assert_int_equal(get(&call), STATUS_UNAUTHENTICATED);
	assert_int_equal(runs(), 2);
	close_call(&call);
	http_stub_close(stub);
}

static void plugin_gives_a_certificate(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET /api "}};
	char url[64], text[4096];
	struct http_stub *stub = open_tls(rules, 1, true, url, sizeof(url));
	struct call call;

	(void)state;
	snprintf(text, sizeof(text),
		"#!/bin/sh\ncd '%s'\nlines() { awk '{ printf \"%%s\\\\n\", $0 }' $1; }\n"
		"printf '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":"
		"{\"clientCertificateData\":\"%%s\",\"clientKeyData\":\"%%s\"}}' "
		"\"$(lines client.pem)\" \"$(lines client.key)\"\n",
		folder);
	write_script("plugin", text);
	open_call(&call, config_of(url, ", certificate-authority: ca.pem", PLUGIN));
	if (get(&call) != STATUS_OK)
		fail_msg("%s", call.error.text);
	close_call(&call);
	http_stub_close(stub);
}

static enum status run_plugin(const char *script, const char *user, int64_t timeout_ms,
	struct kube_exec_answer *answer, struct error *error)
{
	struct kube_config *config;
	enum status status;

	if (script != NULL)
		write_script("plugin", script);
	assert_int_equal(kube_config_open(&config,
				 config_of("https://a", ", certificate-authority: ca.pem", user),
				 NULL, error),
		STATUS_OK);
	status = kube_exec_run(config, timeout_ms, NULL, NULL, answer, error);
	kube_config_close(config);
	return status;
}

static void plugin_gets_arguments_variables_and_the_cluster(void **state)
{
	struct kube_exec_answer answer;
	struct error error = {0};

	(void)state;
	setenv("NIMBUSGUARD_TEST_PLUGIN", "inherited", 1);
	setenv("OVERRIDDEN", "old", 1);
	if (run_plugin(
		    "#!/bin/sh\n"
		    "case $KUBERNETES_EXEC_INFO in *'\"interactive\":false'*'\"server\":\"https://a\"'*"
		    "certificate-authority-data*) info=told;; esac\n"
		    "printf '{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":"
		    "{\"token\":\"%s\"}}' \"$1|$2|$OVERRIDDEN|$NIMBUSGUARD_TEST_PLUGIN|$info|$(cat)|"
		    "$(ls /proc/self/fd | wc -l)\"\n",
		    "exec: {command: ./plugin, args: ['a b', '$(touch x)'], env: [{name: OVERRIDDEN, value: "
		    "new}], provideClusterInfo: true, interactiveMode: IfAvailable, apiVersion: " V1
		    "}",
		    10000, &answer, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	/* Descriptors: three of its own and that of the listing. */
	assert_string_equal(answer.token, "a b|$(touch x)|new|inherited|told||4");
	assert_int_equal(answer.expires_ms, 0);
	kube_exec_answer_fini(&answer);
}

static void bad_plugins_are_told_by_what_is_wrong(void **state)
{
	static const struct {
		const char *script, *words;
	} bad[] = {
		{"#!/bin/sh\necho 'no such user: bob' >&2\necho more >&2\nexit 3\n",
			"ended with status 3: no such user: bob (install it)"},
		{"#!/bin/sh\nkill -9 $$\n", "ended by signal 9"},
		{"#!/bin/sh\nsleep 600 & sleep 600\n", "did not end within 300 ms"},
		{"#!/bin/sh\nhead -c 2000000 /dev/zero\n", "writes more than"},
		{"#!/bin/sh\necho hello\n", "did not write an ExecCredential"},
		{"#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"v9\"}'\n",
			"it answers in v9"},
		{"#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}'\n",
			"neither token nor"},
		{"#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		 "\",\"status\":{\"clientKeyData\":\"x\"}}'\n",
			"one is missing"},
		{"#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		 "\",\"status\":{\"token\":\"x\",\"expirationTimestamp\":\"soon\"}}'\n",
			"is no time"},
		{"#!/no/such/shell\n", "cannot be started"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct kube_exec_answer answer;
		struct error error = {0};

		assert_int_equal(run_plugin(bad[i].script,
					 "exec: {command: ./plugin, installHint: install it, "
					 "interactiveMode: Never, apiVersion: " V1 "}",
					 i == 2 ? 300 : 20000, &answer, &error),
			STATUS_UNAUTHENTICATED);
		assert_null(answer.token);
		if (strstr(error.text, bad[i].words) == NULL ||
			strstr(error.text, "plugin") == NULL)
			fail_msg("%zu: %s", i, error.text);
	}
}

static void *get_many(void *argument)
{
	struct kube_client *client = argument;
	struct call call = {.client = client, .session = kube_session_open(client)};

	for (int i = 0; i < 5; i++)
		if (get(&call) != STATUS_OK)
			break;
	kube_answer_fini(&call.answer);
	kube_session_close(call.session);
	return call.status == STATUS_OK ? client : NULL;
}

static void many_threads_wait_for_one_run(void **state)
{
	static const struct stub_rule good[] = {{.start = "GET /api "}};
	pthread_t threads[6];
	struct call call;
	char url[64];
	struct http_stub *stub = open_plain(good, 1, url, sizeof(url));

	(void)state;
	write_plugin("");
	open_call(&call, config_of(url, "", PLUGIN));
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_many, call.client), 0);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
		void *good_end;

		pthread_join(threads[i], &good_end);
		assert_non_null(good_end);
	}
	assert_int_equal(runs(), 1);
	close_call(&call);
	http_stub_close(stub);
}

static void *stop_soon(void *client)
{
	while (runs() == 0)
		clock_sleep_ms(5);
	kube_client_stop(client);
	return NULL;
}

static void end_of_the_service_ends_the_plugin(void **state)
{
	pthread_t thread;
	struct call call;
	char text[600];

	(void)state;
	write_file("runs", "");
	snprintf(text, sizeof(text), "#!/bin/sh\necho x >> '%s'\nsleep 600\n", in_folder("runs"));
	write_script("plugin", text);
	open_call(&call, config_of("https://127.0.0.1:1", "", PLUGIN));
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, call.client), 0);
	assert_int_equal(get(&call), STATUS_UNAVAILABLE);
	pthread_join(thread, NULL);
	close_call(&call);
}

static int setup(void **state)
{
	struct certificate other = certificate_make("other", CERTIFICATE_CA, NULL, 86400), made;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	folder_make(folder);
	authority = certificate_make("authority", CERTIFICATE_CA, NULL, 86400);
	certificate_write(&authority, in_folder("ca.pem"), NULL);
	made = certificate_make("server", CERTIFICATE_SERVER, &authority, 86400);
	certificate_write(&made, in_folder("server.pem"), in_folder("server.key"));
	certificate_free(&made);
	made = certificate_make("client", CERTIFICATE_CLIENT, &authority, 86400);
	certificate_write(&made, in_folder("client.pem"), in_folder("client.key"));
	certificate_free(&made);
	made = certificate_make("client", CERTIFICATE_CLIENT, &other, 86400);
	certificate_write(&made, in_folder("foreign.pem"), in_folder("foreign.key"));
	certificate_free(&made);
	certificate_free(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	certificate_free(&authority);
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(context_binds_cluster_and_user),
		cmocka_unit_test(json_and_inline_data_are_taken),
		cmocka_unit_test(each_fault_has_its_place_and_context),
		cmocka_unit_test(faults_of_other_contexts_are_not_judged),
		cmocka_unit_test(every_failed_allocation_is_an_answer),
		cmocka_unit_test(client_certificate_from_files_or_data_opens_the_door),
		cmocka_unit_test(servers_name_for_tls_is_what_is_checked),
		cmocka_unit_test(proxy_is_asked_for_the_servers_address),
		cmocka_unit_test(plugin_is_run_once_and_again_when_its_token_is_refused),
		cmocka_unit_test(credential_that_ended_is_asked_for_anew),
		cmocka_unit_test(plugin_gives_a_certificate),
		cmocka_unit_test(plugin_gets_arguments_variables_and_the_cluster),
		cmocka_unit_test(bad_plugins_are_told_by_what_is_wrong),
		cmocka_unit_test(many_threads_wait_for_one_run),
		cmocka_unit_test(end_of_the_service_ends_the_plugin),
	};

	return cmocka_run_group_tests_name("kube_config", tests, setup, teardown);
}
