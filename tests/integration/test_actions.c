/*
 * What people are told of decisions, by a real service: `nimbusguard actions`, the kill switch in the
 * status, the metrics, the page and the log, over a crash too, and what the webhook could not use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/servers.h"

static struct servers servers;
static struct server *service;

static const char *const flags[] = {"--guard.startup-grace=0s",
	"--remediate.opt-in={namespace=\"shop\"}", "--web.external-url=http://nimbus.example.org",
	NULL};

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	nimbusguard_start(&servers, service, flags);
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static struct web_answer call(const char *method, const char *path, const char *body)
{
	char url[SERVER_PATH_MAX];

	snprintf(url, sizeof(url), "%s%s", service->url, path);
	return web_call(method, url, NULL, body);
}

static void expect(const char *method, const char *path, const char *body, long status,
	const char *text)
{
	struct web_answer answer = call(method, path, body);

	if (answer.status != status || strstr(answer.body, text) == NULL)
		fail_msg("%s %s: %ld instead of %ld with \"%s\": %.2000s", method, path,
			answer.status, status, text, answer.body);
	web_answer_fini(&answer);
}

static void send_alert(const char *name)
{
	char body[1024];

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{"
		"\"alertname\":\"%s\",\"namespace\":\"shop\",\"workload\":\"web\","
		"\"workload_kind\":\"Deployment\",\"container\":\"app\"},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\"}]}",
		name);
	expect("POST", "/api/v1/webhook", body, 200, "");
}

/* What the program says when run with these words and the service's address. */
static char *run(int wanted, const char *first, const char *second, const char *third)
{
	char url[160], log[SERVER_PATH_MAX + 16];
	const char *argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "actions", url, first, second, third,
		NULL};
	char *output;
	int status;

	snprintf(url, sizeof(url), "--url=%s", service->url);
	snprintf(log, sizeof(log), "%s/output", servers.folder);
	output = proc_output(log, argv, NULL, &status);
	if (status != wanted)
		fail_msg("%d instead of %d: %s", status, wanted, output);
	return output;
}

static char action_id[128];

static size_t length_of(const char *path)
{
	json_t *list = nimbusguard_get(service, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

static void times_are_words_and_what_is_not_known_is_null(void **state)
{
	json_t *list, *action;

	if (service == NULL)
		skip();
	send_alert("NimbusGuardContainerOOMKilled");
	AWAIT(&servers,
		length_of("actions?state=ended") + length_of("actions?state=watched") > 0 ||
			length_of("actions") > 0,
		30);
	list = nimbusguard_get(service, "actions");
	action = json_array_get(list, json_array_size(list) - 1);
	snprintf(action_id, sizeof(action_id), "%s",
		json_string_value(json_object_get(action, "id")));
	assert_int_equal(strlen(json_string_value(json_object_get(action, "proposed_at"))),
		strlen("2026-01-02T03:04:05.678Z"));
	assert_null(json_object_get(action, "proposed_ms"));
	assert_true(json_is_null(json_object_get(action, "sent_at")) ||
		json_is_string(json_object_get(action, "sent_at")));
	assert_true(json_is_null(json_object_get(action, "approved_by")));
	json_decref(list);
}

static void unknown_states_are_refused_with_the_known_ones(void **state)
{
	char *said;

	if (service == NULL)
		skip();
	expect("GET", "/api/v1/actions?state=blokced", NULL, 400, "did you mean \\\"blocked\\\"?");
	expect("GET", "/api/v1/incidents?state=dryrun", NULL, 400, "did you mean \\\"dry_run\\\"?");
	expect("GET", "/api/v1/actions?state=open", NULL, 200, "success");
	said = run(1, "list", "blokced", NULL);
	assert_non_null(strstr(said, "is none of open, ended, proposed"));
	free(said);
}

static void why_shows_every_gate_and_show_the_record(void **state)
{
	char *said;

	if (service == NULL)
		skip();
	said = run(0, "list", NULL, NULL);
	assert_non_null(strstr(said, action_id));
	free(said);
	said = run(0, "list", "all", NULL);
	assert_non_null(strstr(said, action_id));
	free(said);
	said = run(0, "why", action_id, NULL);
	if (strstr(said, "pass      kill_switch") == NULL ||
		strstr(said, "The kill switch is off (off).") == NULL ||
		strstr(said, "budget_cluster") == NULL || strstr(said, "records_full") == NULL ||
		strstr(said, "  decision on ") == NULL)
		fail_msg("%s", said);
	free(said);
	/* There is no cluster that could be asked. */
	said = run(1, "dry-run", action_id, NULL);
	assert_non_null(strstr(said, "no cluster is configured that could be asked"));
	free(said);
	said = run(0, "show", action_id, NULL);
	if (strstr(said, "\nstate: ") == NULL || strstr(said, "\nproposed_at: 2") == NULL ||
		strstr(said, "\nplan.action: adjust_resources\n") == NULL ||
		strstr(said, "\ntarget.namespace: shop\n") == NULL ||
		strstr(said, "kill_switch") != NULL)
		fail_msg("%s", said);
	free(said);
}

static void a_bad_alert_is_named_in_the_log(void **state)
{
	if (service == NULL)
		skip();
	expect("POST", "/api/v1/webhook",
		"{\"version\":\"4\",\"alerts\":[{\"status\":\"burning\","
		"\"fingerprint\":\"00000000000000ab\"}]}",
		200, "");
	assert_true(server_said(service,
		"invalid=1 kept=0 first_index=0 first_fingerprint=00000000000000ab "
		"first_reason=status"));
}

static long status_of_host(const char *header, const char *path)
{
	const struct web_access access = {.header = header};
	char url[SERVER_PATH_MAX];

	snprintf(url, sizeof(url), "%s%s", service->url, path);
	return web_status(url, &access);
}

static void a_name_that_is_not_ours_reads_nothing(void **state)
{
	if (service == NULL)
		skip();
	assert_int_equal(status_of_host("Host: evil.example", "/"), 421);
	assert_int_equal(status_of_host("Host: evil.example:9797", "/api/v1/actions"), 421);
	assert_int_equal(status_of_host("Host: evil.example", "/metrics"), 421);
	assert_int_equal(status_of_host("Host: evil.example", "/-/healthy"), 200);
	assert_int_equal(status_of_host("Host: localhost", "/api/v1/status"), 200);
	assert_int_equal(status_of_host("Host: nimbus.example.org", "/api/v1/status"), 200);
}

static void told_as(bool on)
{
	json_t *status = nimbusguard_get(service, "status");
	json_t *kill_switch = json_object_get(status, "kill_switch");
	struct web_answer page = call("GET", "/", NULL);

	assert_int_equal(json_is_true(json_object_get(kill_switch, "on")), on);
	if (on)
		assert_string_equal(json_string_value(json_object_get(kill_switch, "by")), "local");
	assert_int_equal(strstr(page.body, "Kill switch on: nothing is changed") != NULL, on);
	assert_int_equal((int)web_metric(service->url, "nimbusguard_kill_switch"), on);
	web_answer_fini(&page);
	json_decref(status);
}

static const char *const approving[] = {"--guard.startup-grace=0s", "--mode=approve",
	"--remediate.opt-in={namespace=\"shop\"}", NULL};

/* A word is answered with what became of it; one that is bound to another plan is refused. */
static void an_approval_is_answered_briefly_and_binds_by_hash(void **state)
{
	struct server *first = service;
	char hash[64], wanted[320];
	json_t *list, *action;
	char *said;

	if (service == NULL)
		skip();
	service = server_add(&servers, "approving");
	nimbusguard_start(&servers, service, approving);
	send_alert("NimbusGuardContainerOOMKilled");
	AWAIT(&servers, length_of("actions?state=awaiting_approval") > 0, 60);
	list = nimbusguard_get(service, "actions?state=awaiting_approval");
	action = json_array_get(list, 0);
	snprintf(action_id, sizeof(action_id), "%s",
		json_string_value(json_object_get(action, "id")));
	snprintf(hash, sizeof(hash), "--hash=%s",
		json_string_value(json_object_get(action, "approval_hash")));
	json_decref(list);
	free(run(2, "reject", action_id, hash));
	free(run(2, "list", "open", "ended"));
	said = run(1, "approve", action_id, "--hash=0000000000000001");
	assert_non_null(strstr(said, "is another one by now than was shown"));
	free(said);
	said = run(0, "approve", action_id, hash);
	snprintf(wanted, sizeof(wanted), "The approval of %s is taken. Action %s: ", action_id,
		action_id);
	if (strstr(said, wanted) != said || strstr(said, "kill_switch") != NULL)
		fail_msg("%s", said);
	free(said);
	server_end(service);
	service = first;
}

/* What was answered 200 is on the disk: a crash right after it must not switch it off. */
static void the_kill_switch_is_told_everywhere_and_outlives_a_crash(void **state)
{
	json_t *before, *after;

	if (service == NULL)
		skip();
	told_as(false);
	expect("POST", "/api/v1/pause?paused=true", "", 200, "\"paused\":true");
	before = nimbusguard_get(service, "status");
	server_kill(service);
	nimbusguard_start(&servers, service, flags);
	told_as(true);
	after = nimbusguard_get(service, "status");
	assert_true(json_equal(json_object_get(before, "kill_switch"),
		json_object_get(after, "kill_switch")));
	json_decref(before);
	json_decref(after);
	assert_true(server_said(service, "msg=\"kill switch on: nothing is changed until"));
	expect("POST", "/api/v1/pause?paused=false", "", 200, "\"paused\":false");
	told_as(false);
	server_end(service);
	nimbusguard_start(&servers, service, flags);
	told_as(false);
	server_end(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_words_and_what_is_not_known_is_null),
		cmocka_unit_test(unknown_states_are_refused_with_the_known_ones),
		cmocka_unit_test(why_shows_every_gate_and_show_the_record),
		cmocka_unit_test(an_approval_is_answered_briefly_and_binds_by_hash),
		cmocka_unit_test(a_bad_alert_is_named_in_the_log),
		cmocka_unit_test(a_name_that_is_not_ours_reads_nothing),
		cmocka_unit_test(the_kill_switch_is_told_everywhere_and_outlives_a_crash),
	};

	return cmocka_run_group_tests_name("actions", tests, setup, teardown);
}
