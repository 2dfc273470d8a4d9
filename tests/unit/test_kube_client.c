/* run-under: tsan */
/* The Kubernetes client against a scripted server: errors, retries, tokens, limits, TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "remediations/kube_client.h"
#include "tests/support/http_stub.h"

struct fixture {
	char folder[256], token[300], url[64];
	struct http_stub *stub;
	struct kube_client *client;
	struct kube_session *session;
	struct kube_client_config config;
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *base = getenv("TMPDIR");

	snprintf(fixture->folder, sizeof(fixture->folder), "%s/kube-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->token, sizeof(fixture->token), "%s/token", fixture->folder);
	write_file(fixture->token, "secret-one\n");
	fixture->stub = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(fixture->stub);
	snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%u/",
		http_stub_port(fixture->stub));
	fixture->config = (struct kube_client_config){.url = fixture->url,
		.token_file = fixture->token,
		.timeout_ms = 60000,
		.backoff_ms = 1};
	*state = fixture;
	return 0;
}

static int remove_fixture(void **state)
{
	static const char *const names[] = {"token", "ca.pem", "key.pem"};
	struct fixture *fixture = *state;
	char path[400];

	kube_session_close(fixture->session);
	kube_client_close(fixture->client);
	http_stub_close(fixture->stub);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
		unlink(path);
	}
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void connect_client(struct fixture *fixture)
{
	struct error error = {0};

	if (kube_client_open(&fixture->client, &fixture->config, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	fixture->session = kube_session_open(fixture->client);
	assert_non_null(fixture->session);
}

struct outcome {
	enum status status;
	int code;
	bool sent, budget;
	unsigned attempts;
	struct error error;
	char name[64]; /* member "name" of the answer */
};

static struct outcome call(struct fixture *fixture, enum kube_method method, int64_t within_ms)
{
	struct kube_request request = {.method = method,
		.path = "/api/v1/x?y=z",
		.content_type = "application/merge-patch+json",
		.body = method == KUBE_GET ? NULL : "{\"a\":1}"};
	struct outcome outcome = {0};
	struct kube_answer answer;

	if (within_ms > 0)
		request.deadline_ns = clock_mono_ns(clock_system()) + within_ms * 1000000;
	if (fixture->session == NULL)
		connect_client(fixture);
	outcome.status = kube_session_call(fixture->session, &request, &answer, &outcome.error);
	outcome.code = answer.code;
	outcome.sent = answer.sent;
	outcome.budget = answer.budget;
	outcome.attempts = answer.attempts;
	assert_true((answer.object != NULL) == (outcome.status == STATUS_OK));
	if (answer.object != NULL && json_object_get(answer.object, "name") != NULL)
		snprintf(outcome.name, sizeof(outcome.name), "%s",
			json_string_value(json_object_get(answer.object, "name")));
	kube_answer_fini(&answer);
	return outcome;
}

static void use_rule(struct fixture *fixture, const struct stub_rule *rules, size_t count)
{
	http_stub_rules(fixture->stub, rules, count);
}

static void request_is_what_the_server_expects(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .body = "{\"name\":\"web\"}"}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 1);
	outcome = call(fixture, KUBE_GET, 0);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_string_equal(outcome.name, "web");
	call(fixture, KUBE_PATCH, 0);
	call(fixture, KUBE_DELETE, 0);
	call(fixture, KUBE_GET, 0);
	assert_int_equal(http_stub_connection_count(fixture->stub), 1);
	assert_non_null(
		strstr(http_stub_request(fixture->stub, 0), "GET /api/v1/x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(http_stub_request(fixture->stub, 0),
		"\r\nAuthorization: Bearer secret-one\r\n"));
	assert_non_null(
		strstr(http_stub_request(fixture->stub, 0), "\r\nAccept: application/json\r\n"));
	assert_null(strstr(http_stub_request(fixture->stub, 0), "Content-Type"));
	assert_non_null(strstr(http_stub_request(fixture->stub, 1), "PATCH /api/v1/x?y=z "));
	assert_non_null(strstr(http_stub_request(fixture->stub, 1),
		"\r\nContent-Type: application/merge-patch+json\r\n"));
	assert_string_equal(http_stub_body(fixture->stub, 1), "{\"a\":1}");
	assert_non_null(strstr(http_stub_request(fixture->stub, 2), "DELETE /api/v1/x"));
	assert_non_null(strstr(http_stub_request(fixture->stub, 3), "GET /api/v1/x"));
	assert_string_equal(http_stub_body(fixture->stub, 3), "");
}

#define STATUS_BODY "{\"kind\":\"Status\",\"reason\":\"Why\",\"message\":\"some words\"}"

static void refusals_are_told_apart(void **state)
{
	static const struct {
		int code;
		enum status status;
		unsigned reads; /* attempts of a GET */
	} table[] = {{400, STATUS_BAD_INPUT, 1}, {403, STATUS_FORBIDDEN, 1},
		{404, STATUS_NOT_FOUND, 1}, {405, STATUS_UNSUPPORTED, 1}, {409, STATUS_CONFLICT, 1},
		{410, STATUS_CONFLICT, 1}, {413, STATUS_TOO_LARGE, 1}, {415, STATUS_UNSUPPORTED, 1},
		{422, STATUS_BAD_INPUT, 1}, {302, STATUS_UNSUPPORTED, 1},
		{418, STATUS_BAD_INPUT, 1}, {429, STATUS_BUSY, KUBE_ATTEMPTS_MAX},
		{500, STATUS_UNAVAILABLE, KUBE_ATTEMPTS_MAX},
		{503, STATUS_UNAVAILABLE, KUBE_ATTEMPTS_MAX},
		{504, STATUS_TIMEOUT, KUBE_ATTEMPTS_MAX}};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct stub_rule rule = {.start = "", .code = table[i].code, .body = STATUS_BODY};
		struct outcome outcome;

		use_rule(fixture, &rule, 1);
		outcome = call(fixture, KUBE_GET, 0);
		assert_int_equal(outcome.status, table[i].status);
		assert_int_equal(outcome.code, table[i].code);
		assert_int_equal(outcome.attempts, table[i].reads);
		assert_non_null(strstr(outcome.error.text, "Why: some words"));
		/* A change is repeated only where the server surely did not begin it. */
		outcome = call(fixture, KUBE_PATCH, 0);
		assert_int_equal(outcome.status, table[i].status);
		assert_int_equal(outcome.attempts, table[i].code == 429 ? KUBE_ATTEMPTS_MAX : 1);
		assert_true(outcome.sent);
	}
	use_rule(fixture, NULL, 0);
}

static void busy_server_is_asked_again(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "",
			 .code = 429,
			 .type = "text/plain",
			 .body = "Too many requests, please try again later.",
			 .times = 2},
			{.start = "", .body = "{\"name\":\"done\"}"}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 2);
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_int_equal(outcome.attempts, 3);
}

static void retry_after_is_obeyed(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "", .code = 429, .headers = "Retry-After: 1\r\n", .times = 1},
			{.start = ""}};
	struct fixture *fixture = *state;
	int64_t began = clock_mono_ns(clock_system());
	struct outcome outcome;

	use_rule(fixture, rules, 2);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_OK);
	assert_true(clock_mono_ns(clock_system()) - began >= INT64_C(1000000000));
	/* No time for the wait: there is no second attempt. */
	use_rule(fixture, rules, 2);
	outcome = call(fixture, KUBE_GET, 500);
	assert_int_equal(outcome.status, STATUS_BUSY);
	assert_int_equal(outcome.attempts, 1);
}

static void wait_that_is_too_long_is_the_callers(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "", .code = 503, .headers = "Retry-After: 31\r\n", .times = 1},
			{.start = ""}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 2);
	outcome = call(fixture, KUBE_GET, 0);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_int_equal(outcome.attempts, 1);
}

/* Whether it was carried out the server does not say; who asked has to look. */
static void failed_change_is_not_repeated_blindly(void **state)
{
	static const int codes[] = {500, 502, 503, 504, 409, 410, 422};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
		const struct stub_rule rules[] = {{.start = "", .code = codes[i], .times = 1},
			{.start = ""}};

		use_rule(fixture, rules, 2);
		assert_int_equal(call(fixture, KUBE_PATCH, 0).attempts, 1);
		use_rule(fixture, rules, 2);
		assert_int_equal(call(fixture, KUBE_POST, 0).attempts, 1);
	}
}

static void disruption_budget_is_not_a_busy_server(void **state)
{
	static const struct stub_rule rules[] = {{.start = "",
		.code = 429,
		.body = "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"m\",\"details\":"
			"{\"causes\":[{\"reason\":\"DisruptionBudget\"}]}}"}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 1);
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_BUSY);
	assert_true(outcome.budget);
	assert_int_equal(outcome.attempts, 1);
}

/* As a real API server answers a patch with the uid of an object that was made anew. */
static void foreign_uid_is_a_conflict(void **state)
{
	static const struct stub_rule rules[] = {{.start = "",
		.code = 422,
		.body = "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"m\",\"details\":"
			"{\"causes\":[{\"reason\":\"FieldValueInvalid\",\"field\":\"metadata.uid\"}]}}"}};
	struct fixture *fixture = *state;

	use_rule(fixture, rules, 1);
	assert_int_equal(call(fixture, KUBE_PATCH, 0).status, STATUS_CONFLICT);
}

static void refused_token_is_read_again_once(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .code = 401, .times = 1},
		{.start = ""}};
	static const struct stub_rule never[] = {{.start = "", .code = 401}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 2);
	connect_client(fixture);
	write_file(fixture->token, "secret-two");
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_OK);
	assert_non_null(strstr(http_stub_request(fixture->stub, 0), "Bearer secret-one\r\n"));
	assert_non_null(strstr(http_stub_request(fixture->stub, 1), "Bearer secret-two\r\n"));
	use_rule(fixture, never, 1);
	outcome = call(fixture, KUBE_GET, 0);
	assert_int_equal(outcome.status, STATUS_UNAUTHENTICATED);
	assert_int_equal(outcome.attempts, 2);
}

static void token_is_read_again_when_old_and_kept_when_unreadable(void **state)
{
	static const struct stub_rule rules[] = {{.start = ""}};
	struct fixture *fixture = *state;

	fixture->config.token_age_ms = 1;
	use_rule(fixture, rules, 1);
	connect_client(fixture);
	write_file(fixture->token, "secret-two");
	clock_sleep_ms(5);
	call(fixture, KUBE_GET, 0);
	assert_non_null(strstr(http_stub_request(fixture->stub, 0), "Bearer secret-two\r\n"));
	unlink(fixture->token);
	clock_sleep_ms(5);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_OK);
	assert_non_null(strstr(http_stub_request(fixture->stub, 1), "Bearer secret-two\r\n"));
	write_file(fixture->token, "evil\r\nX-Other: header");
	clock_sleep_ms(5);
	call(fixture, KUBE_GET, 0);
	assert_null(strstr(http_stub_request(fixture->stub, 2), "X-Other"));
}

static void lost_connection_of_a_change_is_not_repeated(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .drop = true}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, rules, 1);
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_true(outcome.sent);
	assert_int_equal(outcome.attempts, 1);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	outcome = call(fixture, KUBE_GET, 0);
	assert_int_equal(outcome.attempts, KUBE_ATTEMPTS_MAX);
}

static void late_answer_is_a_timeout(void **state)
{
	static const struct stub_rule rules[] = {{.start = ""}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	/* Enough for a busy machine to send it in. */
	fixture->config.timeout_ms = 10000;
	use_rule(fixture, rules, 1);
	http_stub_hold(fixture->stub, true);
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_TIMEOUT);
	assert_true(outcome.sent);
	assert_int_equal(outcome.attempts, 1);
	outcome = call(fixture, KUBE_GET, 150);
	assert_int_equal(outcome.status, STATUS_TIMEOUT);
	assert_true(outcome.attempts <= 2);
}

static void nobody_listening_means_nothing_sent(void **state)
{
	struct fixture *fixture = *state;
	struct outcome outcome;

	connect_client(fixture);
	http_stub_close(fixture->stub);
	fixture->stub = NULL;
	outcome = call(fixture, KUBE_PATCH, 0);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_false(outcome.sent);
	assert_int_equal(outcome.code, 0);
	assert_int_equal(outcome.attempts, KUBE_ATTEMPTS_MAX);
	outcome = call(fixture, KUBE_PATCH, -1);
	assert_false(outcome.sent);
}

static void passed_deadline_sends_nothing(void **state)
{
	static const struct stub_rule rules[] = {{.start = ""}};
	struct fixture *fixture = *state;
	struct kube_request request = {.method = KUBE_GET, .path = "/x", .deadline_ns = 1};
	struct kube_answer answer;

	use_rule(fixture, rules, 1);
	connect_client(fixture);
	assert_int_equal(kube_session_call(fixture->session, &request, &answer, NULL),
		STATUS_TIMEOUT);
	assert_false(answer.sent);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

/* --- the lead --- */

struct fence {
	struct fixture *fixture;
	unsigned asked;
	unsigned open_asks;     /* answered yes at most so often */
	unsigned open_requests; /* and only before so many requests came */
};

static int64_t until_ns(void *argument)
{
	struct fence *fence = argument;
	int64_t now_ns = clock_mono_ns(clock_system());
	bool open = fence->asked++ < fence->open_asks &&
		http_stub_request_count(fence->fixture->stub) < fence->open_requests;

	return open ? now_ns + INT64_C(60000000000) : now_ns - 1;
}

static void lead_that_is_lost_between_attempts_ends_them(void **state)
{
	static const struct stub_rule rules[] =
		{{.start = "", .code = 429, .headers = "Retry-After: 1\r\n", .times = 1},
			{.start = "", .body = "{\"name\":\"web\"}"}};
	struct fixture *fixture = *state;
	struct fence fence = {fixture, 0, 1000, 1};
	struct outcome outcome;

	connect_client(fixture);
	kube_session_fence(fixture->session, until_ns, &fence);
	use_rule(fixture, rules, ARRAY_COUNT(rules));
	outcome = call(fixture, KUBE_PATCH, 20000);
	/* The answer of the one attempt. */
	assert_int_equal(outcome.status, STATUS_BUSY);
	assert_int_equal(outcome.attempts, 1);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	/* It is the lead that keeps it from being made again. */
	kube_session_fence(fixture->session, NULL, NULL);
	assert_int_equal(call(fixture, KUBE_PATCH, 20000).status, STATUS_OK);
}

/* As of a thread that was stopped behind its first look at the lease. */
static void lead_that_is_lost_while_connecting_sends_nothing(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .body = "{\"name\":\"web\"}"}};
	struct fixture *fixture = *state;
	struct fence fence = {fixture, 0, 1, 1};
	struct outcome outcome;

	connect_client(fixture);
	kube_session_fence(fixture->session, until_ns, &fence);
	use_rule(fixture, rules, ARRAY_COUNT(rules));
	outcome = call(fixture, KUBE_PATCH, 20000);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_false(outcome.sent);
	assert_true(fence.asked > 1);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
	/* Reads go on. */
	assert_int_equal(call(fixture, KUBE_GET, 20000).status, STATUS_OK);
}

static void answers_are_bounded_and_checked(void **state)
{
	static const struct stub_rule large[] = {{.start = "", .pad = KUBE_ANSWER_MAX}};
	static const struct stub_rule fits[] = {{.start = "", .pad = KUBE_ANSWER_MAX - 2}};
	static const struct stub_rule text[] = {{.start = "", .body = "hello"}};
	static const struct stub_rule list[] = {{.start = "", .body = "[1]"}};
	static const struct stub_rule nothing[] = {{.start = "", .body = ""}};
	struct fixture *fixture = *state;
	struct outcome outcome;

	use_rule(fixture, fits, 1);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_OK);
	use_rule(fixture, large, 1);
	outcome = call(fixture, KUBE_GET, 0);
	assert_int_equal(outcome.status, STATUS_IO);
	assert_non_null(strstr(outcome.error.text, "larger than"));
	use_rule(fixture, text, 1);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_IO);
	use_rule(fixture, list, 1);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_IO);
	use_rule(fixture, nothing, 1);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_IO);
}

static void stopped_client_retries_nothing(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .code = 503}};
	struct fixture *fixture = *state;

	use_rule(fixture, rules, 1);
	connect_client(fixture);
	kube_client_stop(fixture->client);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_UNAVAILABLE);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

static void *stop_when_asked(void *argument)
{
	struct fixture *fixture = argument;

	while (http_stub_request_count(fixture->stub) == 0)
		clock_sleep_ms(1);
	kube_client_stop(fixture->client);
	return NULL;
}

static void stopping_ends_waits_and_reads(void **state)
{
	static const struct stub_rule slow[] = {{.start = "GET"}};
	struct fixture *fixture = *state;
	pthread_t thread;

	use_rule(fixture, slow, 1);
	http_stub_hold(fixture->stub, true);
	connect_client(fixture);
	assert_int_equal(pthread_create(&thread, NULL, stop_when_asked, fixture), 0);
	assert_int_equal(call(fixture, KUBE_GET, 0).status, STATUS_UNAVAILABLE);
	pthread_join(thread, NULL);
}

static void assert_url(const char *url, enum status status, const char *words)
{
	struct kube_client_config config = {.url = url};
	struct error error = {0};
	struct kube_client *client;

	assert_int_equal(kube_client_open(&client, &config, &error), status);
	if (words != NULL && strstr(error.text, words) == NULL)
		fail_msg("%s: %s", url, error.text);
	kube_client_close(client);
}

static void plain_http_is_for_loopback_only(void **state)
{
	(void)state;
	assert_url("http://127.0.0.1:8001", STATUS_OK, NULL);
	assert_url("http://127.9.9.9", STATUS_OK, NULL);
	assert_url("http://localhost:8001/prefix", STATUS_OK, NULL);
	assert_url("http://[::1]:8001", STATUS_OK, NULL);
	assert_url("https://10.0.0.1:6443", STATUS_OK, NULL);
	assert_url("http://10.0.0.1:8080", STATUS_BAD_INPUT, "plain http://");
	assert_url("http://127.evil.example", STATUS_BAD_INPUT, "plain http://");
	assert_url("http://127.0.0.1.evil.example", STATUS_BAD_INPUT, "plain http://");
	assert_url("ftp://127.0.0.1", STATUS_BAD_INPUT, NULL);
	assert_url("file:///etc/passwd", STATUS_BAD_INPUT, NULL);
	assert_url("https://user:pass@10.0.0.1", STATUS_BAD_INPUT, "must not hold");
	assert_url("https://10.0.0.1/?a=b", STATUS_BAD_INPUT, "must not hold");
	assert_url("not a url", STATUS_BAD_INPUT, "is no URL");
	assert_url("", STATUS_BAD_INPUT, "is empty");
}

static void missing_files_are_named(void **state)
{
	struct kube_client_config config = {.url = "https://10.0.0.1",
		.token_file = "/nonexistent/token"};
	struct error error = {0};
	struct kube_client *client;

	(void)state;
	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "/nonexistent/token"));
	config.token_file = NULL;
	config.ca_file = "/nonexistent/ca.crt";
	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "/nonexistent/ca.crt"));
}

static void environment_tells_of_the_cluster(void **state)
{
	struct kube_client_config config = {0};
	char url[512];

	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(kube_config_in_cluster(&config, url, sizeof(url), NULL), STATUS_NOT_FOUND);
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(kube_config_in_cluster(&config, url, sizeof(url), NULL), STATUS_OK);
	assert_string_equal(config.url, "https://[fd00::1]:443");
	assert_string_equal(config.ca_file, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	assert_int_equal(kube_config_in_cluster(&config, url, sizeof(url), NULL), STATUS_OK);
	assert_string_equal(config.url, "https://10.96.0.1:443");
	assert_int_equal(kube_config_in_cluster(&config, url, 10, NULL), STATUS_BAD_INPUT);
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void names_that_no_object_has_are_refused(void **state)
{
	static const char *const good[] = {"a", "web-1", "node.example.com", "9-lives"};
	static const char *const bad[] = {"", ".", "..", "a/b", "A", "a..b", "-a", "a-", "a.-b",
		"a-.b", "a b", "a\nb", "a%2fb", "..%2f", "\xc3\xa9"};
	struct buf path;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_true(kube_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(kube_name_valid(bad[i]));
	buf_init(&path, 100);
	kube_path_add(&path, "a/b?c#d%\xff");
	assert_string_equal(path.data, "/a%2Fb%3Fc%23d%25%FF");
	buf_fini(&path);
}

/* --- TLS --- */

static void set_extension(X509 *certificate, int id, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* A certificate that signs itself, for the given subjectAltName. */
static void make_certificate(const char *folder, const char *names)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	char path[400];
	FILE *file;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"stub", -1, -1,
		0);
	X509_set_issuer_name(certificate, name);
	set_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	set_extension(certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	snprintf(path, sizeof(path), "%s/ca.pem", folder);
	file = fopen(path, "w");
	PEM_write_X509(file, certificate);
	fclose(file);
	snprintf(path, sizeof(path), "%s/key.pem", folder);
	file = fopen(path, "w");
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* Calls a server whose certificate is for `names`; trusted: its authority is the one configured. */
static struct outcome call_tls(struct fixture *fixture, const char *names, bool trusted)
{
	static const struct stub_rule rules[] = {{.start = ""}};
	static char certificate[400], key[400];
	struct outcome outcome;

	make_certificate(fixture->folder, names);
	snprintf(certificate, sizeof(certificate), "%s/ca.pem", fixture->folder);
	snprintf(key, sizeof(key), "%s/key.pem", fixture->folder);
	http_stub_close(fixture->stub);
	fixture->stub = http_stub_open(rules, 1, certificate, key);
	assert_non_null(fixture->stub);
	snprintf(fixture->url, sizeof(fixture->url), "https://127.0.0.1:%u",
		http_stub_port(fixture->stub));
	fixture->config.ca_file = trusted ? certificate : NULL;
	outcome = call(fixture, KUBE_PATCH, 0);
	kube_session_close(fixture->session);
	kube_client_close(fixture->client);
	fixture->session = NULL;
	fixture->client = NULL;
	return outcome;
}

static void only_a_trusted_certificate_for_the_host_is_taken(void **state)
{
	struct fixture *fixture = *state;
	struct outcome outcome = call_tls(fixture, "IP:127.0.0.1", true);

	assert_int_equal(outcome.status, STATUS_OK);
	outcome = call_tls(fixture, "IP:127.0.0.1", false);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_non_null(strstr(outcome.error.text, "cannot be trusted"));
	assert_false(outcome.sent);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
	outcome = call_tls(fixture, "DNS:elsewhere.example", true);
	assert_int_equal(outcome.status, STATUS_UNAVAILABLE);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	static const struct stub_rule rules[] = {{.start = ""}};
	struct fixture *fixture = *state;
	struct kube_request request = {.method = KUBE_GET, .path = "/x"};
	bool reached = true;

	use_rule(fixture, rules, 1);
	for (long nth = 1; reached; nth++) {
		struct kube_session *session = NULL;
		struct kube_answer answer = {0};
		struct kube_client *client;
		enum status status;

		mem_fail_after(nth, false);
		status = kube_client_open(&client, &fixture->config, NULL);
		if (status == STATUS_OK) {
			session = kube_session_open(client);
			if (session != NULL)
				status = kube_session_call(session, &request, &answer, NULL);
		}
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
		assert_true(!reached || status == STATUS_NO_MEMORY || session == NULL);
		kube_answer_fini(&answer);
		kube_session_close(session);
		kube_client_close(client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)
		T(request_is_what_the_server_expects),
		T(refusals_are_told_apart),
		T(busy_server_is_asked_again),
		T(wait_that_is_too_long_is_the_callers),
		T(failed_change_is_not_repeated_blindly),
		T(retry_after_is_obeyed),
		T(disruption_budget_is_not_a_busy_server),
		T(foreign_uid_is_a_conflict),
		T(refused_token_is_read_again_once),
		T(token_is_read_again_when_old_and_kept_when_unreadable),
		T(lost_connection_of_a_change_is_not_repeated),
		T(late_answer_is_a_timeout),
		T(nobody_listening_means_nothing_sent),
		T(passed_deadline_sends_nothing),
		T(lead_that_is_lost_between_attempts_ends_them),
		T(lead_that_is_lost_while_connecting_sends_nothing),
		T(answers_are_bounded_and_checked),
		T(stopped_client_retries_nothing),
		T(stopping_ends_waits_and_reads),
		cmocka_unit_test(plain_http_is_for_loopback_only),
		cmocka_unit_test(missing_files_are_named),
		cmocka_unit_test(environment_tells_of_the_cluster),
		cmocka_unit_test(names_that_no_object_has_are_refused),
		T(only_a_trusted_certificate_for_the_host_is_taken),
		T(every_failed_allocation_is_an_answer),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return cmocka_run_group_tests_name("kube_client", tests, NULL, NULL);
}
