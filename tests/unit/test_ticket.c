/*
 * Tickets as values and each service against a local server that keeps every request: fields, limits,
 * signatures, what each answer means, and that secrets stay in their files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "remediations/ticket_service.h"
#include "tests/support/http_stub.h"

#define ROUTING_KEY "0123456789abcdef0123456789abcdef"
#define WHSEC "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
#define TOKEN "jira-token-of-the-test"
#define NOW_MS INT64_C(1700000000000)

struct place {
	char secret_path[300], url[64];
	struct http_stub *stub;
	struct ticket_service service;
	struct ticket_event event;
	struct ticket_task task;
	struct ticket_result result;
};

static void write_secret(struct place *place, const char *text)
{
	assert_int_equal(file_write_atomic(place->secret_path, text, strlen(text), 0600, NULL),
		STATUS_OK);
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	const char *base = getenv("TMPDIR");

	snprintf(place->secret_path, sizeof(place->secret_path), "%s/ticket-secret-%d",
		base ? base : "/tmp", (int)getpid());
	place->stub = http_stub_open(NULL, 0, NULL, NULL);
	snprintf(place->url, sizeof(place->url), "http://127.0.0.1:%u",
		http_stub_port(place->stub));
	place->service = (struct ticket_service){.name = "svc",
		.url = place->url,
		.secret_file = place->secret_path,
		.project = "OPS",
		.issue_type = "Bug"};
	place->event = (struct ticket_event){.operation = TICKET_OPEN,
		.severity = TICKET_CRITICAL,
		.key = "nimbusguard/prod/shop/web/i-1",
		.incident = "i-1",
		.action = "a-1-1",
		.name = "CrashLoop",
		.namespace_name = "shop",
		.workload = "web",
		.target = "shop/Deployment/web",
		.title = "web crashes",
		.text = "It restarts all the time.",
		.sentence = "scale had no effect",
		.playbook = "restart",
		.link = "https://ng.example.org/#i-1",
		.runbook = "https://example.org/runbook",
		.time_ms = NOW_MS,
		.starts_ms = NOW_MS};
	place->task = (struct ticket_task){.event = &place->event,
		.id = "i-1/svc/1",
		.external = "",
		.now_ms = NOW_MS};
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	http_stub_close(place->stub);
	unlink(place->secret_path);
	free(place);
	return 0;
}

static void use(struct place *place, enum ticket_kind kind)
{
	place->service.kind = kind;
	write_secret(place,
		kind == TICKET_PAGERDUTY      ? ROUTING_KEY "\n"
			: kind == TICKET_JIRA ? TOKEN "\n"
					      : WHSEC "\n");
}

static void tell(struct place *place)
{
	struct ticket_session session;

	assert_int_equal(ticket_session_open(&session, &place->service, NULL), STATUS_OK);
	ticket_session_tell(&session, &place->task, &place->result);
	assert_null(session.secret);
	ticket_session_close(&session);
	assert_null(strstr(place->result.error.text, ROUTING_KEY));
	assert_null(strstr(place->result.error.text, TOKEN));
	assert_null(strstr(place->result.error.text, WHSEC));
}

/* Tells it to a server that answers this way. */
static void tell_answered(struct place *place, int code, const char *body, const char *headers)
{
	struct stub_rule rule = {.start = "", .code = code, .body = body, .headers = headers};

	http_stub_rules(place->stub, &rule, 1);
	tell(place);
	http_stub_rules(place->stub, NULL, 0);
}

static json_t *body_of(struct place *place, size_t i)
{
	json_t *body = json_loads(http_stub_body(place->stub, i), 0, NULL);

	assert_non_null(body);
	return body;
}

static const char *text_of(json_t *object, const char *first, const char *second)
{
	json_t *value = json_object_get(object, first);

	if (second)
		value = json_object_get(value, second);
	return json_is_string(value) ? json_string_value(value) : "(none)";
}

/* ---- values ---- */

static void signature_is_that_of_the_published_vector(void **state)
{
	char signatures[TICKET_SIGNATURES_MAX];
	struct error error;

	assert_int_equal(ticket_webhook_sign(WHSEC, "msg_1", 1700000000, "{\"a\":1}", 7, signatures,
				 &error),
		STATUS_OK);
	assert_string_equal(signatures, "v1,WUgAXU8H0NQ1/7M+TtMwKma2b74a3/TCgekiM3YUdN8=");
	assert_int_equal(ticket_webhook_sign(WHSEC "\n" WHSEC, "msg_1", 1700000000, "{\"a\":1}", 7,
				 signatures, &error),
		STATUS_OK);
	assert_string_equal(signatures,
		"v1,WUgAXU8H0NQ1/7M+TtMwKma2b74a3/TCgekiM3YUdN8= "
		"v1,WUgAXU8H0NQ1/7M+TtMwKma2b74a3/TCgekiM3YUdN8=");
}

static void secrets_of_another_form_sign_nothing(void **state)
{
	static const char *const bad[] = {"", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_",
		"whsec_MDEy", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY", "whsec_****",
		WHSEC " " WHSEC " " WHSEC " " WHSEC " " WHSEC};
	char signatures[TICKET_SIGNATURES_MAX];
	struct error error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ticket_webhook_sign(bad[i], "m", 1, "{}", 2, signatures, &error),
			STATUS_BAD_INPUT);
}

static char *cut(const char *text, size_t runes, size_t bytes, bool one_line)
{
	struct buf json;

	buf_init(&json, 1 << 20);
	ticket_add_json(&json, text, runes, bytes, one_line);
	assert_true(buf_ok(&json));
	return buf_take(&json, NULL);
}

static void assert_cut(const char *text, size_t runes, size_t bytes, const char *wanted)
{
	char *found = cut(text, runes, bytes, true);

	assert_string_equal(found, wanted);
	mem_free(found);
}

static void texts_are_cut_between_characters(void **state)
{
	char small[6];

	assert_cut("short", 10, 100, "\"short\"");
	assert_cut("0123456789", 10, 100, "\"0123456789\"");
	assert_cut("0123456789a", 10, 100, "\"0123456...\"");
	assert_cut("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 4, 100,
		"\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"");
	assert_cut("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 4, 100, "\"\xc3\xa4...\"");
	/* Seven bytes: two whole characters and the dots. */
	assert_cut("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 100, 7, "\"\xc3\xa4\xc3\xa4...\"");
	assert_cut("a\nb\tc", 100, 100, "\"a b c\"");
	assert_cut("a\xff"
		   "b",
		100, 100,
		"\"a\xef\xbf\xbd"
		"b\"");
	ticket_text_copy(small, sizeof(small), "abcd\xc3\xa4");
	assert_string_equal(small, "abcd");
	/* Somebody cut it before. */
	ticket_text_copy(small, sizeof(small), "ab\xe2\x82");
	assert_string_equal(small, "ab");
}

static void labels_of_severity_become_those_of_the_services(void **state)
{
	assert_int_equal(ticket_severity_of("critical"), TICKET_CRITICAL);
	assert_int_equal(ticket_severity_of("Page"), TICKET_CRITICAL);
	assert_int_equal(ticket_severity_of("error"), TICKET_ERROR);
	assert_int_equal(ticket_severity_of("info"), TICKET_INFO);
	assert_int_equal(ticket_severity_of("warning"), TICKET_WARNING);
	assert_int_equal(ticket_severity_of("whatever"), TICKET_WARNING);
	assert_int_equal(ticket_severity_of(NULL), TICKET_WARNING);
}

static void an_event_reads_back_as_it_was_written(void **state)
{
	struct place *place = *state;
	struct ticket_event read;
	struct json_span root;
	struct buf json;

	place->event.fingerprint = 42;
	buf_init(&json, 1 << 20);
	ticket_event_write(&json, &place->event);
	assert_int_equal(json_span_init(&root, json.data, json.size, 8, NULL), STATUS_OK);
	assert_int_equal(ticket_event_read(&root, &read, NULL), STATUS_OK);
	assert_memory_equal(&read, &place->event, sizeof(read));
	buf_fini(&json);
}

/* ---- PagerDuty ---- */

static void pagerduty_gets_a_trigger_with_the_incident_as_its_key(void **state)
{
	struct place *place = *state;
	json_t *body;

	use(place, TICKET_PAGERDUTY);
	memset(place->event.title, 'x', sizeof(place->event.title) - 1);
	tell_answered(place, 202, "{\"status\":\"success\"}", NULL);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	assert_non_null(strstr(http_stub_request(place->stub, 0), "POST /v2/enqueue HTTP/1.1"));
	body = body_of(place, 0);
	assert_string_equal(text_of(body, "routing_key", NULL), ROUTING_KEY);
	assert_string_equal(text_of(body, "event_action", NULL), "trigger");
	assert_string_equal(text_of(body, "dedup_key", NULL), "nimbusguard/prod/shop/web/i-1");
	assert_string_equal(text_of(body, "payload", "severity"), "critical");
	assert_string_equal(text_of(body, "payload", "source"), "shop/Deployment/web");
	assert_string_equal(text_of(body, "payload", "timestamp"), "2023-11-14T22:13:20.000Z");
	assert_true(strlen(text_of(body, "payload", "summary")) <= 1024);
	assert_string_equal(text_of(body, "client_url", NULL), "https://ng.example.org/#i-1");
	assert_int_equal(json_array_size(json_object_get(body, "links")), 2);
	assert_true(strlen(http_stub_body(place->stub, 0)) < 512000);
	json_decref(body);
}

static void pagerduty_resolves_by_key_and_comments_without_paging(void **state)
{
	struct place *place = *state;
	json_t *body;

	use(place, TICKET_PAGERDUTY);
	place->event.operation = TICKET_CLOSE;
	tell_answered(place, 202, NULL, NULL);
	body = body_of(place, 0);
	assert_string_equal(text_of(body, "event_action", NULL), "resolve");
	assert_string_equal(text_of(body, "dedup_key", NULL), "nimbusguard/prod/shop/web/i-1");
	json_decref(body);
	place->event.operation = TICKET_COMMENT;
	/* A long text of two-byte characters: the summary ends between two of them. */
	for (size_t i = 0; i + 3 < sizeof(place->event.text); i += 2)
		memcpy(place->event.text + i, "\xc3\xa4", 3);
	tell_answered(place, 202, NULL, NULL);
	assert_non_null(strstr(http_stub_request(place->stub, 1), "POST /v2/change/enqueue"));
	body = body_of(place, 1);
	assert_null(json_object_get(body, "event_action"));
	assert_in_range(strlen(text_of(body, "payload", "summary")), 1000, 1024);
	json_decref(body);
}

struct meaning {
	int code;
	enum ticket_verdict verdict;
};

static void expect_meanings(struct place *place, const struct meaning *meanings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		tell_answered(place, meanings[i].code, "{\"message\":\"because\"}", NULL);
		if (place->result.verdict != meanings[i].verdict)
			fail_msg("%d: %d", meanings[i].code, (int)place->result.verdict);
		assert_int_equal(place->result.code, meanings[i].code);
		if (meanings[i].verdict != TICKET_TOLD)
			assert_non_null(strstr(place->result.error.text, "because"));
	}
}

static void pagerduty_answers_mean_what_the_service_says(void **state)
{
	static const struct meaning meanings[] = {{202, TICKET_TOLD}, {400, TICKET_REFUSED},
		{403, TICKET_REFUSED}, {302, TICKET_REFUSED}, {429, TICKET_LATER},
		{500, TICKET_LATER}, {502, TICKET_LATER}, {503, TICKET_LATER}};
	struct stub_rule drop = {.start = "", .drop = true};
	struct place *place = *state;

	use(place, TICKET_PAGERDUTY);
	expect_meanings(place, meanings, sizeof(meanings) / sizeof(meanings[0]));
	tell_answered(place, 429, NULL, NULL);
	assert_true(place->result.wait_ms >= 60000);
	tell_answered(place, 503, NULL, "Retry-After: 77\r\n");
	assert_int_equal(place->result.wait_ms, 77000);
	assert_true(place->result.pause);
	http_stub_rules(place->stub, &drop, 1);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_LATER);
	assert_int_equal(place->result.code, 0);
}

static void a_key_of_another_size_is_not_sent(void **state)
{
	struct place *place = *state;

	use(place, TICKET_PAGERDUTY);
	write_secret(place, "short\n");
	tell_answered(place, 202, NULL, NULL);
	assert_int_equal(place->result.verdict, TICKET_LATER);
	assert_non_null(strstr(place->result.error.text, "32 characters"));
	assert_int_equal(http_stub_request_count(place->stub), 0);
	/* Mended without a restart. */
	write_secret(place, ROUTING_KEY);
	tell_answered(place, 202, NULL, NULL);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	unlink(place->secret_path);
	tell_answered(place, 202, NULL, NULL);
	assert_int_equal(place->result.verdict, TICKET_LATER);
}

static void a_secret_that_the_service_echoes_is_masked(void **state)
{
	struct place *place = *state;

	use(place, TICKET_PAGERDUTY);
	tell_answered(place, 400, "bad key " ROUTING_KEY "!", NULL);
	assert_non_null(strstr(place->result.error.text, "bad key ***!"));
}

/* ---- webhook ---- */

static void header_of(const char *request, const char *name, char *value, size_t size)
{
	const char *at = strstr(request, name);

	assert_non_null(at);
	at += strlen(name);
	snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void a_webhook_is_signed_over_what_is_sent(void **state)
{
	struct place *place = *state;
	char id[200], time[64], signature[200], wanted[TICKET_SIGNATURES_MAX];
	const char *request, *sent;
	struct error error;
	json_t *body;

	use(place, TICKET_WEBHOOK);
	tell_answered(place, 200, NULL, NULL);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	request = http_stub_request(place->stub, 0);
	sent = http_stub_body(place->stub, 0);
	header_of(request, "webhook-id: ", id, sizeof(id));
	header_of(request, "webhook-timestamp: ", time, sizeof(time));
	header_of(request, "webhook-signature: ", signature, sizeof(signature));
	assert_string_equal(id, "i-1/svc/1");
	assert_string_equal(time, "1700000000");
	assert_int_equal(ticket_webhook_sign(WHSEC, id, 1700000000, sent, strlen(sent), wanted,
				 &error),
		STATUS_OK);
	assert_string_equal(signature, wanted);
	body = body_of(place, 0);
	assert_string_equal(text_of(body, "type", NULL), "incident.opened");
	assert_string_equal(text_of(body, "timestamp", NULL), "2023-11-14T22:13:20.000Z");
	assert_string_equal(text_of(body, "data", "key"), "nimbusguard/prod/shop/web/i-1");
	assert_string_equal(text_of(body, "data", "runbook"), "https://example.org/runbook");
	json_decref(body);
	/* The next try: another time, the same id and body. */
	place->task.now_ms += 60000;
	tell_answered(place, 200, NULL, NULL);
	header_of(http_stub_request(place->stub, 1), "webhook-id: ", id, sizeof(id));
	header_of(http_stub_request(place->stub, 1), "webhook-timestamp: ", time, sizeof(time));
	assert_string_equal(id, "i-1/svc/1");
	assert_string_equal(time, "1700000060");
	assert_string_equal(http_stub_body(place->stub, 1), http_stub_body(place->stub, 0));
}

static void a_webhook_is_tried_again_after_all_but_success_and_410(void **state)
{
	static const struct meaning meanings[] = {{200, TICKET_TOLD}, {204, TICKET_TOLD},
		{400, TICKET_LATER}, {404, TICKET_LATER}, {410, TICKET_REFUSED},
		{429, TICKET_LATER}, {502, TICKET_LATER}, {504, TICKET_LATER}};
	struct place *place = *state;
	size_t before;

	use(place, TICKET_WEBHOOK);
	expect_meanings(place, meanings, sizeof(meanings) / sizeof(meanings[0]));
	tell_answered(place, 410, NULL, NULL);
	assert_true(place->result.gone);
	/* Redirects are not followed. */
	before = http_stub_request_count(place->stub);
	tell_answered(place, 302, NULL, "Location: /elsewhere\r\n");
	assert_int_equal(place->result.verdict, TICKET_LATER);
	assert_int_equal(http_stub_request_count(place->stub), before + 1);
}

/* ---- Jira ---- */

#define NO_ISSUE                                                                                   \
	{                                                                                          \
		.start = "POST /rest/api/2/search", .body = "{\"issues\":[]}"                      \
	}
#define ONE_ISSUE                                                                                  \
	{                                                                                          \
		.start = "POST /rest/api/2/search",                                                \
		.body = "{\"issues\":[{\"id\":\"1\",\"key\":\"OPS-7\"}]}"                          \
	}

static void jira_creates_one_issue_after_it_searched(void **state)
{
	static const struct stub_rule rules[] = {NO_ISSUE,
		{.start = "POST /rest/api/2/issue ",
			.code = 201,
			.body = "{\"id\":\"10\",\"key\":\"OPS-8\",\"self\":\"x\"}"}};
	struct place *place = *state;
	json_t *body, *fields;

	use(place, TICKET_JIRA);
	place->service.priorities[TICKET_CRITICAL] = "Highest";
	place->service.labels[place->service.label_count++] = "oncall";
	snprintf(place->event.title, sizeof(place->event.title), "two\nlines");
	http_stub_rules(place->stub, rules, 2);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	assert_string_equal(place->result.external, "OPS-8");
	assert_non_null(strstr(place->result.url, "/browse/OPS-8"));
	assert_non_null(strstr(http_stub_request(place->stub, 0), "Authorization: Bearer " TOKEN));
	body = body_of(place, 0);
	assert_non_null(strstr(text_of(body, "jql", NULL),
		"project=\"OPS\" and labels=\"nimbusguard/prod/shop/web/i-1\""));
	json_decref(body);
	body = body_of(place, 1);
	fields = json_object_get(body, "fields");
	assert_string_equal(text_of(fields, "project", "key"), "OPS");
	assert_string_equal(text_of(fields, "issuetype", "name"), "Bug");
	assert_string_equal(text_of(fields, "summary", NULL), "two lines");
	assert_string_equal(text_of(fields, "priority", "name"), "Highest");
	assert_non_null(strstr(text_of(fields, "description", NULL), "scale had no effect"));
	assert_string_equal(json_string_value(json_array_get(json_object_get(fields, "labels"), 1)),
		"nimbusguard/prod/shop/web/i-1");
	assert_int_equal(json_array_size(json_object_get(fields, "labels")), 3);
	json_decref(body);
}

static void jira_takes_the_issue_that_is_there(void **state)
{
	static const struct stub_rule rules[] = {ONE_ISSUE};
	struct place *place = *state;

	use(place, TICKET_JIRA);
	http_stub_rules(place->stub, rules, 1);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	assert_string_equal(place->result.external, "OPS-7");
	assert_int_equal(http_stub_request_count(place->stub), 1);
}

static void jira_cloud_is_asked_with_a_user_and_its_own_search(void **state)
{
	static const struct stub_rule rules[] = {{.start = "POST /rest/api/3/search/jql",
		.body = "{\"issues\":[{\"key\":\"OPS-9\"}]}"}};
	struct place *place = *state;

	use(place, TICKET_JIRA);
	place->service.user = "me@example.org";
	http_stub_rules(place->stub, rules, 1);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	/* base64 of "me@example.org:jira-token-of-the-test" */
	assert_non_null(strstr(http_stub_request(place->stub, 0),
		"Authorization: Basic "
		"bWVAZXhhbXBsZS5vcmc6amlyYS10b2tlbi1vZi10aGUtdGVzdA=="));
}

static void jira_closes_by_the_name_of_a_transition_and_comments_once(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = "GET /rest/api/2/issue/OPS-7/transitions",
			.body = "{\"transitions\":[{\"id\":\"11\",\"name\":\"To Do\"},"
				"{\"id\":\"31\",\"name\":\"Done\"}]}"},
		{.start = "POST /rest/api/2/issue/OPS-7/transitions", .code = 204, .body = ""},
		{.start = "POST /rest/api/2/issue/OPS-7/comment", .code = 201},
		{.start = "GET /rest/api/2/issue/OPS-7/comment",
			.body = "{\"comments\":[{\"body\":\"[i-1/svc/1] It is over.\"}]}"}};
	struct place *place = *state;
	json_t *body;

	use(place, TICKET_JIRA);
	place->service.close_transition = "Done";
	place->event.operation = TICKET_CLOSE;
	place->task.external = "OPS-7";
	http_stub_rules(place->stub, rules, 4);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	assert_int_equal(http_stub_request_count(place->stub), 3);
	body = body_of(place, 1);
	assert_string_equal(text_of(json_object_get(body, "transition"), "id", NULL), "31");
	json_decref(body);
	body = body_of(place, 2);
	assert_non_null(strstr(text_of(body, "body", NULL), "[i-1/svc/1]"));
	json_decref(body);
	/* At a repeat the comment is found and not made twice. */
	place->event.operation = TICKET_COMMENT;
	place->task.again = true;
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_TOLD);
	assert_int_equal(http_stub_request_count(place->stub), 4);
	assert_int_equal(strncmp(http_stub_request(place->stub, 3), "GET ", 4), 0);
	/* Without a transition only the comment says that it is over. */
	place->service.close_transition = NULL;
	place->event.operation = TICKET_CLOSE;
	place->task.again = false;
	tell(place);
	assert_int_equal(http_stub_request_count(place->stub), 5);
}

static void jira_makes_no_issue_for_what_is_over(void **state)
{
	static const struct stub_rule rules[] = {NO_ISSUE};
	struct place *place = *state;

	use(place, TICKET_JIRA);
	place->event.operation = TICKET_CLOSE;
	http_stub_rules(place->stub, rules, 1);
	tell(place);
	assert_int_equal(place->result.verdict, TICKET_REFUSED);
	assert_int_equal(place->result.error.code, STATUS_NOT_FOUND);
	assert_int_equal(http_stub_request_count(place->stub), 1);
}

static void jira_answers_mean_what_the_service_says(void **state)
{
	static const struct meaning meanings[] = {{400, TICKET_REFUSED}, {401, TICKET_REFUSED},
		{403, TICKET_REFUSED}, {404, TICKET_REFUSED}, {429, TICKET_LATER},
		{500, TICKET_LATER}, {503, TICKET_LATER}};
	struct place *place = *state;

	use(place, TICKET_JIRA);
	expect_meanings(place, meanings, sizeof(meanings) / sizeof(meanings[0]));
	tell_answered(place, 200, "<html>a proxy</html>", NULL);
	assert_int_equal(place->result.verdict, TICKET_LATER);
}

static void jira_summary_is_cut_at_255_characters(void **state)
{
	static const struct stub_rule rules[] = {NO_ISSUE,
		{.start = "POST /rest/api/2/issue ", .code = 201, .body = "{\"key\":\"OPS-8\"}"}};
	struct place *place = *state;
	char *long_text = cut("", 3, 3, true);
	json_t *body;
	const char *summary;

	mem_free(long_text);
	use(place, TICKET_JIRA);
	/* The title's own field is smaller than the limit for ASCII: 255 bytes. */
	memset(place->event.title, 'y', sizeof(place->event.title) - 1);
	http_stub_rules(place->stub, rules, 2);
	tell(place);
	body = body_of(place, 1);
	summary = text_of(json_object_get(body, "fields"), "summary", NULL);
	assert_int_equal(strlen(summary), 255);
	json_decref(body);
}

static void no_memory_is_tried_again_and_nothing_is_lost(void **state)
{
	struct place *place = *state;
	struct stub_rule rule = {.start = "",
		.code = 200,
		.body = "{\"issues\":[{\"key\":\"A-1\"}]}"};

	http_stub_rules(place->stub, &rule, 1);
	for (int kind = 0; kind < TICKET_KIND_COUNT; kind++) {
		use(place, (enum ticket_kind)kind);
		for (long n = 1; n < 500; n++) {
			struct ticket_session session;
			bool injected;

			if (ticket_session_open(&session, &place->service, NULL) != STATUS_OK)
				fail();
			(void)mem_fail_after(n, false);
			ticket_session_tell(&session, &place->task, &place->result);
			injected = mem_fail_after(0, false);
			ticket_session_close(&session);
			if (place->result.verdict == TICKET_REFUSED)
				fail_msg("%ld: refused: %s", n, place->result.error.text);
			if (!injected)
				break;
		}
		assert_int_equal(place->result.verdict, TICKET_TOLD);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(signature_is_that_of_the_published_vector),
		T(secrets_of_another_form_sign_nothing),
		T(texts_are_cut_between_characters),
		T(labels_of_severity_become_those_of_the_services),
		T(an_event_reads_back_as_it_was_written),
		T(pagerduty_gets_a_trigger_with_the_incident_as_its_key),
		T(pagerduty_resolves_by_key_and_comments_without_paging),
		T(pagerduty_answers_mean_what_the_service_says),
		T(a_key_of_another_size_is_not_sent),
		T(a_secret_that_the_service_echoes_is_masked),
		T(a_webhook_is_signed_over_what_is_sent),
		T(a_webhook_is_tried_again_after_all_but_success_and_410),
		T(jira_creates_one_issue_after_it_searched),
		T(jira_takes_the_issue_that_is_there),
		T(jira_cloud_is_asked_with_a_user_and_its_own_search),
		T(jira_closes_by_the_name_of_a_transition_and_comments_once),
		T(jira_makes_no_issue_for_what_is_over),
		T(jira_answers_mean_what_the_service_says),
		T(jira_summary_is_cut_at_255_characters),
		T(no_memory_is_tried_again_and_nothing_is_lost),
	};

	return cmocka_run_group_tests_name("ticket", tests, NULL, NULL);
}
