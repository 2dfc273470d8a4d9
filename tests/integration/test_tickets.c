/*
 * Tickets of a real service: told once whenever it is killed, closed when the alert ends, nothing in a dry
 * run, and no secret anywhere but in its file and at its service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_stub.h"
#include "tests/support/servers.h"

#define ROUTING_KEY "f0e1d2c3b4a5968778695a4b3c2d1e0f"
#define WHSEC "whsec_c2VjcmV0LW9mLXRoZS1pbnRlZ3JhdGlvbi10ZXN0"
#define TOKEN "jira-secret-of-the-integration-test"

static const char playbook[] = "playbook: page\n"
			       "runbook: https://example.org/runbook\n"
			       "trigger: {alert: []}\n"
			       "steps: [{action: ticket, title: '{{ event }} of {{ workload }}', "
			       "text: 'Look at {{ workload }}'}]\n";

static struct servers servers;
static struct server *service;
static struct http_stub *stub;
static char config_flag[SERVER_PATH_MAX], playbook_flag[SERVER_PATH_MAX];
static const char *flags[] = {"--guard.startup-grace=0s", "--mode=auto", "--no-dry-run",
	"--web.external-url=http://nimbus.example.org", config_flag, playbook_flag, NULL};
static const char *dry_flags[] = {"--guard.startup-grace=0s", "--mode=auto", "--dry-run",
	config_flag, playbook_flag, NULL};

static const struct stub_rule good[] = {{.start = "POST /v2/enqueue", .code = 202},
	{.start = "POST /hook", .code = 200},
	{.start = "POST /rest/api/2/search", .body = "{\"issues\":[]}"},
	{.start = "POST /rest/api/2/issue ", .code = 201, .body = "{\"key\":\"OPS-1\"}"},
	{.start = "POST /rest/api/2/issue/OPS-1/comment", .code = 201}};
static const struct stub_rule busy[] = {{.start = "POST", .code = 503}};
/* The request is read, and the answer does not come in time. */
static const struct stub_rule silent[] = {{.start = "POST", .delay_ms = 30000}};

#define RULES(rules) http_stub_rules(stub, rules, sizeof(rules) / sizeof(rules[0]))

static void write_files(void)
{
	char text[2048], secret[3][SERVER_PATH_MAX];

	snprintf(secret[0], SERVER_PATH_MAX, "%s",
		servers_write(&servers, "routing_key", ROUTING_KEY "\n"));
	snprintf(secret[1], SERVER_PATH_MAX, "%s", servers_write(&servers, "whsec", WHSEC "\n"));
	snprintf(secret[2], SERVER_PATH_MAX, "%s", servers_write(&servers, "token", TOKEN "\n"));
	snprintf(text, sizeof(text),
		"tickets:\n"
		"- {kind: pagerduty, name: pd, url: 'http://127.0.0.1:%u', routing_key_file: %s}\n"
		"- {kind: webhook, name: hook, url: 'http://127.0.0.1:%u/hook', secret_file: %s}\n"
		"- {kind: jira, name: tracker, url: 'http://127.0.0.1:%u', token_file: %s, "
		"project: OPS, issue_type: Task}\n",
		http_stub_port(stub), secret[0], http_stub_port(stub), secret[1],
		http_stub_port(stub), secret[2]);
	snprintf(config_flag, sizeof(config_flag), "--config.file=%s",
		servers_write(&servers, "tickets.yml", text));
	snprintf(playbook_flag, sizeof(playbook_flag), "--remediate.playbooks=%s",
		servers_write(&servers, "page.yaml", playbook));
}

/* Each test has a service with a state of its own. */
static void begin(const char *name, const char *const *with)
{
	service = server_add(&servers, name);
	nimbusguard_start(&servers, service, with);
}

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	stub = http_stub_open(good, 5, NULL, NULL);
	if (stub == NULL)
		return -1;
	write_files();
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] == '\0')
		return 0;
	servers_close(&servers);
	http_stub_close(stub);
	return 0;
}

static void send_alert(const char *workload, bool firing)
{
	char body[1024], url[SERVER_PATH_MAX];
	struct web_answer answer;

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"alerts\":[{\"status\":\"%s\",\"labels\":{"
		"\"alertname\":\"Down\",\"namespace\":\"shop\",\"workload\":\"%s\","
		"\"workload_kind\":\"Deployment\",\"severity\":\"critical\"},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\"%s}]}",
		firing ? "firing" : "resolved", workload,
		firing ? "" : ",\"endsAt\":\"2026-01-02T04:04:05Z\"");
	snprintf(url, sizeof(url), "%s/api/v1/webhook", service->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

/* How many requests whose line begins so hold the text. */
static size_t count_requests(const char *start, const char *text)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(stub); i++) {
		const char *request = http_stub_request(stub, i);

		count += strncmp(request, start, strlen(start)) == 0 &&
			strstr(request, text) != NULL;
	}
	return count;
}

/* All texts of the API that speak of tickets, in one (free). */
static char *api_text(void)
{
	json_t *status = nimbusguard_get(service, "status"),
	       *incidents = nimbusguard_get(service, "incidents"), *both = json_array();
	char *text;

	json_array_append_new(both, status);
	json_array_append_new(both, incidents);
	text = json_dumps(both, JSON_COMPACT);
	json_decref(both);
	return text;
}

static bool api_says(const char *part)
{
	char *text = api_text();
	bool says = strstr(text, part) != NULL;

	free(text);
	return says;
}

static bool bytes_hold(const char *bytes, size_t size, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i + length <= size; i++)
		if (memcmp(bytes + i, text, length) == 0)
			return true;
	return false;
}

static void no_file_has(const char *path, const char *secret)
{
	FILE *file = fopen(path, "rb");
	char *bytes;
	size_t size;

	if (file == NULL)
		return;
	bytes = malloc(64u << 20);
	size = fread(bytes, 1, 64u << 20, file);
	fclose(file);
	if (bytes_hold(bytes, size, secret))
		fail_msg("%s holds the secret", path);
	free(bytes);
}

static void no_secret_anywhere(void)
{
	static const char *const secrets[] = {ROUTING_KEY, WHSEC, TOKEN};
	static const char *const files[] = {"journal.sqlite", "journal.sqlite-wal"};
	char path[SERVER_PATH_MAX * 2], *api = api_text();

	for (size_t i = 0; i < 3; i++) {
		assert_null(strstr(api, secrets[i]));
		no_file_has(service->proc.log_path, secrets[i]);
		for (size_t j = 0; j < 2; j++) {
			snprintf(path, sizeof(path), "%s/%s/%s", servers.folder, service->name,
				files[j]);
			no_file_has(path, secrets[i]);
		}
	}
	free(api);
}

/* ---- tests ---- */

static void a_ticket_is_opened_at_each_service_and_closed_with_its_alert(void **state)
{
	if (stub == NULL)
		skip();
	RULES(good);
	begin("life", flags);
	send_alert("one", true);
	AWAIT(&servers, api_says("\"key\":\"OPS-1\""), 60);
	AWAIT(&servers, count_requests("POST /v2/enqueue", "shop/one/i-") == 1, 60);
	AWAIT(&servers, count_requests("POST /hook", "Look at one") == 1, 60);
	assert_int_equal(count_requests("POST /v2/enqueue", "https://example.org/runbook"), 1);
	assert_int_equal(count_requests("POST /v2/enqueue", "http://nimbus.example.org/#i-"), 1);
	assert_int_equal(count_requests("POST /v2/enqueue", "gates passed"), 1);
	/* A repeat of the alert is no second ticket. */
	send_alert("one", true);
	send_alert("one", false);
	AWAIT(&servers, count_requests("POST /v2/enqueue", "\"event_action\":\"resolve\"") == 1,
		60);
	AWAIT(&servers, count_requests("POST /hook", "incident.resolved") == 1, 60);
	AWAIT(&servers,
		count_requests("POST /rest/api/2/issue/OPS-1/comment", "The alert ended") == 1, 60);
	AWAIT(&servers, !api_says("\"state\":\"open\""), 60);
	assert_int_equal(count_requests("POST /v2/enqueue", "trigger"), 1);
	assert_true(api_says("\"state\":\"closed\""));
	assert_true(web_metric(service->url,
			    "nimbusguard_tickets_total{service=\"pd\",operation=\"open\","
			    "result=\"told\"}") == 1);
	no_secret_anywhere();
	server_end(service);
}

static void what_was_committed_is_told_after_a_kill(void **state)
{
	if (stub == NULL)
		skip();
	RULES(busy);
	begin("committed", flags);
	send_alert("two", true);
	/* Each has tried, so the record is in the journal. */
	AWAIT(&servers, count_requests("POST /v2/enqueue", "shop/two/i-") >= 1, 60);
	AWAIT(&servers, count_requests("POST /hook", "Look at two") >= 1, 60);
	server_kill(service);
	RULES(good);
	nimbusguard_start(&servers, service, flags);
	AWAIT(&servers, api_says("\"kind\":\"pagerduty\",\"state\":\"open\""), 60);
	AWAIT(&servers, api_says("\"kind\":\"webhook\",\"state\":\"open\""), 60);
	AWAIT(&servers, api_says("\"kind\":\"jira\",\"state\":\"open\""), 60);
	assert_false(api_says("\"state\":\"dead\""));
	no_secret_anywhere();
	server_end(service);
}

/* The id of the last webhook that holds the text. */
static void last_id(const char *text, char id[128])
{
	id[0] = '\0';
	for (size_t i = 0; i < http_stub_request_count(stub); i++) {
		const char *request = http_stub_request(stub, i);
		const char *at = strstr(request, "webhook-id: ");

		if (at != NULL && strstr(request, text) != NULL)
			(void)sscanf(at, "webhook-id: %127[^\r\n]", id);
	}
}

static void what_was_told_without_a_note_is_told_again_under_the_same_key(void **state)
{
	char before[128], after[128];

	if (stub == NULL)
		skip();
	RULES(silent);
	begin("noted", flags);
	send_alert("three", true);
	AWAIT(&servers, count_requests("POST /v2/enqueue", "shop/three/i-") == 1, 60);
	AWAIT(&servers, count_requests("POST /hook", "Look at three") == 1, 60);
	server_kill(service);
	last_id("Look at three", before);
	RULES(good);
	nimbusguard_start(&servers, service, flags);
	AWAIT(&servers, count_requests("POST /v2/enqueue", "shop/three/i-") == 2, 60);
	AWAIT(&servers, count_requests("POST /hook", "Look at three") == 2, 60);
	AWAIT(&servers, api_says("\"kind\":\"jira\",\"state\":\"open\""), 60);
	last_id("Look at three", after);
	assert_string_not_equal(before, "");
	assert_string_equal(before, after);
	/* Noted now: another crash tells nothing more. */
	AWAIT(&servers, api_says("\"kind\":\"webhook\",\"state\":\"open\""), 60);
	AWAIT(&servers, api_says("\"kind\":\"pagerduty\",\"state\":\"open\""), 60);
	server_end(service);
	nimbusguard_start(&servers, service, flags);
	assert_true(api_says("\"key\":\"OPS-1\""));
	send_alert("three", false);
	AWAIT(&servers, api_says("\"kind\":\"webhook\",\"state\":\"closed\""), 60);
	assert_int_equal(count_requests("POST /hook", "Look at three"), 2);
	no_secret_anywhere();
	server_end(service);
}

static void a_dry_run_tells_nobody(void **state)
{
	size_t before;

	if (stub == NULL)
		skip();
	RULES(good);
	before = http_stub_request_count(stub);
	begin("dry", dry_flags);
	send_alert("four", true);
	AWAIT(&servers, api_says("\"outcome\":\"dry_run\""), 60);
	send_alert("four", false);
	assert_true(server_said(service, "would open ticket"));
	server_end(service);
	assert_int_equal(http_stub_request_count(stub), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_opened_at_each_service_and_closed_with_its_alert),
		cmocka_unit_test(what_was_committed_is_told_after_a_kill),
		cmocka_unit_test(what_was_told_without_a_note_is_told_again_under_the_same_key),
		cmocka_unit_test(a_dry_run_tells_nobody),
	};

	return cmocka_run_group_tests_name("tickets", tests, setup, teardown);
}
