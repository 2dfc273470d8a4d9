/* run-under: tsan */
/* What is no business of the API server: webhooks and silences, against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/actuator_web.h"
#include "remediations/ticket_service.h"
#include "remediations/web_text.h"
#include "tests/support/http_stub.h"
#include "tests/support/kube_fixture.h"

#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

struct scene {
	struct http_stub *stub;
	struct actuator actuator;
	struct clock_manual clock;
	char secret[128], url[128];
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct command_result result;
	unsigned finished;
};

static void finished(void *argument, const struct command_result *result)
{
	struct scene *scene = argument;

	pthread_mutex_lock(&scene->lock);
	scene->result = *result;
	scene->finished++;
	pthread_cond_broadcast(&scene->came);
	pthread_mutex_unlock(&scene->lock);
}

static _Atomic size_t fence_requests; /* the fence is open before so many came; 0: never */
static bool fenced;

static int64_t until_ns(void *argument)
{
	struct scene *scene = argument;
	int64_t now_ns = clock_mono_ns(clock_system());

	return now_ns +
		(http_stub_request_count(scene->stub) < fence_requests ? INT64_C(60000000000) : -1);
}

static int make(void **state)
{
	const char *folder = getenv("TMPDIR");
	struct scene *scene = calloc(1, sizeof(*scene));
	struct actuator_web_config config = {.clock = &scene->clock.clock};
	struct actuator_sink sink = {.argument = scene, .finished = finished};
	struct error error;
	FILE *file;
	int fd;

	pthread_mutex_init(&scene->lock, NULL);
	pthread_cond_init(&scene->came, NULL);
	clock_manual_init(&scene->clock, INT64_C(1700000000000));
	scene->stub = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(scene->stub);
	snprintf(scene->url, sizeof(scene->url), "http://127.0.0.1:%u/am",
		http_stub_port(scene->stub));
	snprintf(scene->secret, sizeof(scene->secret), "%s/secret.XXXXXX",
		folder ? folder : "/tmp");
	fd = mkstemp(scene->secret);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	fputs(SECRET "\n", file);
	fclose(file);
	config.alertmanager.url = scene->url;
	if (fenced)
		config.fence = (struct send_fence){until_ns, scene};
	assert_int_equal(actuator_web_open(&scene->actuator, &config, &sink, &error), STATUS_OK);
	*state = scene;
	return 0;
}

static int make_fenced(void **state)
{
	fenced = true;
	make(state);
	fenced = false;
	return 0;
}

static int take_down(void **state)
{
	struct scene *scene = *state;

	scene->actuator.vtable->close(scene->actuator.self);
	http_stub_close(scene->stub);
	unlink(scene->secret);
	pthread_cond_destroy(&scene->came);
	pthread_mutex_destroy(&scene->lock);
	free(scene);
	return 0;
}

static void send_command(struct scene *scene, const struct command *command,
	const struct stub_rule *rules, size_t count)
{
	unsigned before = scene->finished;

	http_stub_rules(scene->stub, rules, count);
	assert_int_equal(scene->actuator.vtable->send(scene->actuator.self, command), STATUS_OK);
	pthread_mutex_lock(&scene->lock);
	while (scene->finished == before)
		pthread_cond_wait(&scene->came, &scene->lock);
	pthread_mutex_unlock(&scene->lock);
}

#define SEND(scene, command, ...)                                                                  \
	do {                                                                                       \
		static const struct stub_rule rules[] = {__VA_ARGS__};                             \
		send_command(scene, &(command), rules, ARRAY_COUNT(rules));                        \
	} while (0)

static struct command make_command(const struct scene *scene, enum action_kind kind, char *payload,
	size_t size)
{
	struct command command = {.kind = kind, .action_id = "a-x-1", .payload = payload};

	command.target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	command.deadline_ms = clock_now_ms(&scene->clock.clock) + 30000;
	if (kind == ACTION_WEBHOOK)
		snprintf(payload, size,
			"{\"url\":\"http://127.0.0.1:%u/hook\",\"secret_file\":\"%s\","
			"\"body\":\"{\\\"a\\\":1}\"}",
			http_stub_port(scene->stub), scene->secret);
	else
		snprintf(payload, size,
			"{\"matchers\":[{\"name\":\"alertname\",\"value\":\"B\",\"isRegex\":false,"
			"\"isEqual\":true}],\"comment\":\"because\"}");
	return command;
}

static bool has_header(struct scene *scene, size_t i, const char *line)
{
	char text[512];

	snprintf(text, sizeof(text), "\r\n%s\r\n", line);
	return strstr(http_stub_request(scene->stub, i), text) != NULL;
}

/* ---- webhooks ---- */

static void webhook_is_signed_and_carries_the_action_as_its_key(void **state)
{
	struct scene *scene = *state;
	char payload[1024], line[512], signatures[TICKET_SIGNATURES_MAX];
	struct command command = make_command(scene, ACTION_WEBHOOK, payload, sizeof(payload));

	SEND(scene, command, {.start = "POST /hook "});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.action_id, "a-x-1");
	assert_string_equal(scene->result.detail, "call a webhook for Deployment shop/web");
	assert_int_equal(http_stub_request_count(scene->stub), 1);
	assert_string_equal(http_stub_body(scene->stub, 0), "{\"a\":1}");
	assert_true(has_header(scene, 0, "webhook-id: a-x-1"));
	assert_true(has_header(scene, 0, "Idempotency-Key: a-x-1"));
	assert_true(has_header(scene, 0, "webhook-timestamp: 1700000000"));
	assert_int_equal(ticket_webhook_sign(SECRET, "a-x-1", 1700000000, "{\"a\":1}", 7,
				 signatures, NULL),
		STATUS_OK);
	snprintf(line, sizeof(line), "webhook-signature: %s", signatures);
	assert_true(has_header(scene, 0, line));
}

static void webhook_is_repeated_only_when_it_surely_was_not_received(void **state)
{
	static const struct {
		struct stub_rule rule;
		enum command_outcome outcome;
	} table[] = {
		{{.start = "POST", .code = 204}, COMMAND_DONE},
		{{.start = "POST", .code = 400}, COMMAND_FAILED},
		{{.start = "POST", .code = 410}, COMMAND_FAILED},
		{{.start = "POST", .code = 302, .headers = "Location: /other\r\n"}, COMMAND_FAILED},
		{{.start = "POST", .code = 500}, COMMAND_UNKNOWN},
		{{.start = "POST", .code = 503}, COMMAND_UNKNOWN},
		{{.start = "POST", .drop = true}, COMMAND_UNKNOWN},
	};
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_command(scene, ACTION_WEBHOOK, payload, sizeof(payload));

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		send_command(scene, &command, &table[i].rule, 1);
		if (scene->result.outcome != table[i].outcome)
			fail_msg("row %zu: %d, %s", i, (int)scene->result.outcome,
				scene->result.error.text);
		assert_int_equal(http_stub_request_count(scene->stub), i + 1);
	}
	/* 429 is a refusal: it is told again. */
	SEND(scene, command, {.start = "POST", .code = 429, .times = 1}, {.start = "POST"});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(scene->stub), ARRAY_COUNT(table) + 2);
	http_stub_rules(scene->stub, NULL, 0);
}

static void webhook_without_receiver_or_secret_surely_failed(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_command(scene, ACTION_WEBHOOK, payload, sizeof(payload));

	snprintf(payload, sizeof(payload),
		"{\"url\":\"http://127.0.0.1:1/\",\"secret_file\":\"%s\",\"body\":\"{}\"}",
		scene->secret);
	command.deadline_ms = clock_now_ms(&scene->clock.clock) + 400;
	SEND(scene, command, {.start = "POST"});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	snprintf(payload, sizeof(payload),
		"{\"url\":\"%s\",\"secret_file\":\"/no/such/file\",\"body\":\"{}\"}", scene->url);
	SEND(scene, command, {.start = "POST"});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(http_stub_request_count(scene->stub), 0);
	command.deadline_ms = 1;
	SEND(scene, command, {.start = "POST"});
	assert_non_null(strstr(scene->result.error.text, "its time had passed"));
}

static void who_does_not_lead_calls_nobody(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_command(scene, ACTION_WEBHOOK, payload, sizeof(payload));

	fence_requests = 0;
	SEND(scene, command, {.start = "POST /hook "});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(scene->result.error.code, STATUS_UNAVAILABLE);
	command = make_command(scene, ACTION_SILENCE, payload, sizeof(payload));
	SEND(scene, command, {.start = "", .body = "[]"});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(http_stub_request_count(scene->stub), 0);
}

static void lead_that_is_lost_between_tries_ends_them(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_command(scene, ACTION_WEBHOOK, payload, sizeof(payload));

	fence_requests = 1;
	SEND(scene, command, {.start = "POST /hook ", .code = 429, .times = 1},
		{.start = "POST /hook "});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(http_stub_request_count(scene->stub), 1);
	/* The look was the leader's, the change would not be. */
	fence_requests = 2;
	command = make_command(scene, ACTION_SILENCE, payload, sizeof(payload));
	changes_set(&command.changes, CHANGE_SILENCED, 0, 1);
	SEND(scene, command, {.start = "GET /am/api/v2/silences ", .body = "[]"},
		{.start = "POST /am/api/v2/silences ", .body = "{\"silenceID\":\"s\"}"});
	assert_int_equal(http_stub_request_count(scene->stub), 2);
}

static void body_escapes_its_labels(void **state)
{
	static struct label pairs[] = {{"alertname", "A", 9, 1}, {"pod", "x\",\"b\":\"y", 3, 9}};
	static const struct playbook playbook = {.name = "p"};
	struct event event = {.firing = true, .labels = {pairs, 2}};
	struct target target = kube_target(TARGET_POD, "shop", "web-1");
	struct plan_question question = {.playbook = &playbook,
		.event = &event,
		.target = &target,
		.now_ms = INT64_C(1700000000000),
		.reason = ""};
	char message[128], *text;

	(void)state;
	assert_true(web_body_check("{\"a\":\"{{ pod }}!\"}", message, sizeof(message)));
	text = web_body_fill("{\"a\":\"{{ pod }}!\"}", &question, "a-1");
	assert_string_equal(text, "{\"a\":\"x\\\",\\\"b\\\":\\\"y!\"}");
	mem_free(text);
	text = web_body_fill(NULL, &question, "a-1");
	assert_non_null(strstr(text, "\"action\":\"a-1\",\"playbook\":\"p\",\"event\":\"A\""));
	assert_non_null(strstr(text, "\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"web-1\""));
	mem_free(text);
	assert_false(web_body_check("{\"a\":{{ pod }}}", message, sizeof(message)));
	assert_false(web_body_check("{\"a\":\"{{ a b }}\"}", message, sizeof(message)));
	assert_false(web_body_check("no json", message, sizeof(message)));
}

static void lost_memory_makes_no_half_body(void **state)
{
	static struct label pairs[] = {{"alertname", "A", 9, 1}};
	static const struct playbook playbook = {.name = "p"};
	struct event event = {.firing = true, .labels = {pairs, 1}};
	struct target target = kube_target(TARGET_POD, "shop", "web-1");
	struct plan_question question = {.playbook = &playbook,
		.event = &event,
		.target = &target,
		.reason = ""};
	bool failed = true;

	(void)state;
	for (long n = 1; failed; n++) {
		char *text;

		mem_fail_after(n, true);
		text = web_body_fill("{\"a\":\"{{ alertname }}\"}", &question, "a-1");
		failed = mem_fail_after(0, false);
		if (failed)
			assert_null(text);
		else
			assert_string_equal(text, "{\"a\":\"A\"}");
		mem_free(text);
	}
}

static void only_safe_addresses_are_called(void **state)
{
	(void)state;
	assert_true(web_url_good("https://example.org/a?b=c"));
	assert_true(web_url_good("http://127.0.0.1:9093"));
	assert_true(web_url_good("http://localhost/x"));
	assert_false(web_url_good("http://example.org/"));
	assert_false(web_url_good("http://127.0.0.1.example.org/"));
	assert_false(web_url_good("https://user:word@example.org/"));
	assert_false(web_url_good("https://"));
	assert_false(web_url_good("file:///etc/passwd"));
	assert_false(web_url_good("https://a b/"));
}

/* ---- silences ---- */

#define FOUND(id, key, state)                                                                      \
	"[{\"id\":\"" id "\",\"createdBy\":\"nimbusguard\",\"comment\":\"[" key "] x\","           \
	"\"status\":{\"state\":\"" state "\"}}]"
#define KEY "i-x/0000000000000007"

static struct command make_silence(const struct scene *scene, char *payload, size_t size)
{
	struct command command = make_command(scene, ACTION_SILENCE, payload, size);

	changes_set(&command.changes, CHANGE_SILENCED, 0, 1);
	command.options.time_ms = 600000;
	command.options.content = 7;
	return command;
}

static void silence_is_created_with_an_end_and_its_key(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_silence(scene, payload, sizeof(payload));

	SEND(scene, command, {.start = "GET /am/api/v2/silences ", .body = "[]"},
		{.start = "POST /am/api/v2/silences ", .body = "{\"silenceID\":\"id-1\"}"});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_non_null(strstr(scene->result.detail, "id-1 until 2023-11-14T22:23:20"));
	assert_string_equal(http_stub_body(scene->stub, 1),
		"{\"matchers\":[{\"name\":\"alertname\",\"value\":\"B\",\"isRegex\":false,"
		"\"isEqual\":true}],\"startsAt\":\"2023-11-14T22:13:20.000Z\","
		"\"endsAt\":\"2023-11-14T22:23:20.000Z\",\"createdBy\":\"nimbusguard\","
		"\"comment\":\"[" KEY "] because\"}");
}

static void silence_is_looked_for_before_it_is_made(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_silence(scene, payload, sizeof(payload));

	SEND(scene, command, {.start = "GET", .body = FOUND("id-2", KEY, "active")});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_non_null(strstr(scene->result.detail, "already so: id-2"));
	assert_int_equal(http_stub_request_count(scene->stub), 1);
	/* The next try of the same incident has the same key. */
	snprintf(command.action_id, sizeof(command.action_id), "a-x-2");
	SEND(scene, command, {.start = "GET", .body = FOUND("id-2", KEY, "pending")});
	assert_non_null(strstr(scene->result.detail, "already so"));
	/* An expired one, and one of another incident, are none. */
	SEND(scene, command, {.start = "GET", .body = FOUND("id-2", KEY, "expired")},
		{.start = "POST", .body = "{\"silenceID\":\"id-3\"}"});
	assert_non_null(strstr(scene->result.detail, "id-3 until"));
	SEND(scene, command,
		{.start = "GET", .body = FOUND("id-2", "i-x-1/0000000000000007", "active")},
		{.start = "POST", .body = "{\"silenceID\":\"id-4\"}"});
	assert_non_null(strstr(scene->result.detail, "id-4 until"));
}

static void lost_answer_is_found_out(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_silence(scene, payload, sizeof(payload));

	SEND(scene, command, {.start = "GET", .body = "[]", .times = 1},
		{.start = "POST", .drop = true},
		{.start = "GET", .body = FOUND("id-5", KEY, "active")});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_non_null(strstr(scene->result.detail, "id-5"));
	assert_int_equal(http_stub_request_count(scene->stub), 3);
	SEND(scene, command, {.start = "GET", .body = "[]"},
		{.start = "POST", .code = 400, .body = "\"bad matcher\""});
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(scene->result.error.text, "bad matcher"));
}

static void silence_is_removed_by_its_key(void **state)
{
	struct scene *scene = *state;
	char payload[1024];
	struct command command = make_silence(scene, payload, sizeof(payload));

	changes_set(&command.changes, CHANGE_SILENCED, 1, 0);
	command.payload = NULL;
	SEND(scene, command, {.start = "GET", .body = FOUND("id-6", KEY, "active")},
		{.start = "DELETE /am/api/v2/silence/id-6 "});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail, "end the silence of Deployment shop/web: id-6");
	SEND(scene, command, {.start = "GET", .body = "[]"});
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(scene->stub), 3);
}

/* ---- steps ---- */

static void expect(const char *steps, const char *part)
{
	struct guard_limits limits;
	struct diagnostics diagnostics;
	struct playbooks *playbooks;
	char yaml[2048];
	struct buf buf;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	buf_init(&buf, 65536);
	snprintf(yaml, sizeof(yaml),
		"playbook: p\ntrigger:\n  alert: ['alertname=~\"Slow|Late\"']\ntarget:\n"
		"  kind: Deployment\nsteps:\n%s- {action: restart_workload}\n"
		"verify: {signal: restarts, is: below, value: 1}\n",
		steps);
	playbooks = playbooks_open(&limits);
	if (playbooks_load_text(playbooks, "p.yaml", yaml, strlen(yaml), &diagnostics))
		diagnostics_write(&diagnostics, &buf);
	if (part == NULL ? buf.data != NULL : buf.data == NULL || strstr(buf.data, part) == NULL)
		fail_msg("wanted %s, got %s", part ? part : "nothing", buf.data ? buf.data : "");
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
}

static void keys_of_steps_are_checked_at_their_place(void **state)
{
	(void)state;
	expect("- {action: silence, alerts: [PodNotReady, Replicas], for: 30m}\n", NULL);
	expect("- {action: silence, alerts: [A], labels: [namespace, pod], for: 30m}\n", NULL);
	expect("- {action: silence, alerts: [A, Late], for: 30m}\n",
		"p.yaml:7:29: error: Late may be the alert that triggers this playbook");
	expect("- {action: silence, alerts: [A], labels: [namespace], for: 30m}\n", "too wide");
	expect("- {action: silence, alerts: [A], labels: [team], for: 30m}\n", "says nothing");
	expect("- {action: silence, alerts: ['.*'], for: 30m}\n", "can be no name");
	expect("- {action: silence, alerts: [A]}\n", "for");
	expect("- {action: silence, alerts: [A], for: 1d}\n", "for");
	expect("- {action: silence, for: 1h}\n", "alerts");
	expect("- {action: webhook, url: 'https://a.example/x', secret_file: /run/s}\n", NULL);
	expect("- {action: webhook, url_file: /run/u, secret_file: /run/s, body: '{\"a\":\"{{ "
	       "pod }}\"}'}\n",
		NULL);
	expect("- {action: webhook, url: 'http://a.example/x', secret_file: /run/s}\n", "https");
	expect("- {action: webhook, secret_file: /run/s}\n", "url or url_file");
	expect("- {action: webhook, url: 'https://a.example/x'}\n", "secret_file");
	expect("- {action: webhook, url: 'https://a.example/x', secret_file: /run/s, body: x}\n",
		"no JSON");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, make, take_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(webhook_is_signed_and_carries_the_action_as_its_key),
		WITH_SERVER(webhook_is_repeated_only_when_it_surely_was_not_received),
		WITH_SERVER(webhook_without_receiver_or_secret_surely_failed),
		cmocka_unit_test_setup_teardown(who_does_not_lead_calls_nobody, make_fenced,
			take_down),
		cmocka_unit_test_setup_teardown(lead_that_is_lost_between_tries_ends_them,
			make_fenced, take_down),
		cmocka_unit_test(body_escapes_its_labels),
		cmocka_unit_test(lost_memory_makes_no_half_body),
		cmocka_unit_test(only_safe_addresses_are_called),
		WITH_SERVER(silence_is_created_with_an_end_and_its_key),
		WITH_SERVER(silence_is_looked_for_before_it_is_made),
		WITH_SERVER(lost_answer_is_found_out),
		WITH_SERVER(silence_is_removed_by_its_key),
		cmocka_unit_test(keys_of_steps_are_checked_at_their_place),
	};

	return cmocka_run_group_tests_name("action_web", tests, NULL, NULL);
}
