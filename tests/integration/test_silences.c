/*
 * Silences at Debian's Alertmanager: a silence covers the alerts of its target and no other, above all
 * not the one that triggered it; it is made once, has an end, and is removed by its key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/actuator_web.h"
#include "remediations/kube_object.h"
#include "remediations/plan.h"
#include "remediations/playbook.h"
#include "tests/support/alertmanager_api.h"
#include "tests/support/kube_fixture.h"
#include "tests/support/servers.h"

#define WAIT_S 60

static const char playbook_text[] =
	"playbook: quiet\ntrigger:\n  alert: ['alertname=\"Crash\"']\ntarget:\n  kind: Deployment\n"
	"steps:\n- {action: silence, alerts: [PodNotReady, Replicas.Missing], labels: [namespace, pod], "
	"for: 10m}\n- {action: restart_workload}\n"
	"verify: {signal: restarts, is: below, value: 1}\n";

static struct servers servers;
static struct server *manager;
static struct actuator actuator;
static struct playbooks *playbooks;
static bool opened;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static struct command_result result;
static unsigned finished_count;

static void finished(void *argument, const struct command_result *answer)
{
	(void)argument;
	pthread_mutex_lock(&lock);
	result = *answer;
	finished_count++;
	pthread_cond_broadcast(&came);
	pthread_mutex_unlock(&lock);
}

static void load_playbook(void)
{
	struct guard_limits limits;
	struct diagnostics diagnostics;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	playbooks = playbooks_open(&limits);
	assert_non_null(playbooks);
	assert_int_equal(playbooks_load_text(playbooks, "quiet.yaml", playbook_text,
				 strlen(playbook_text), &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
}

static int setup(void **state)
{
	struct actuator_web_config config = {.clock = clock_system()};
	struct actuator_sink sink = {.finished = finished};
	char *text;

	(void)state;
	if (!servers_there(false, true))
		return 0;
	servers_open(&servers);
	opened = true;
	manager = server_add(&servers, "alertmanager");
	text = malloc(256);
	snprintf(text, 256, "route: {receiver: none}\nreceivers:\n- name: none\n");
	alertmanager_start(&servers, manager, text);
	free(text);
	config.alertmanager.url = manager->url;
	assert_int_equal(actuator_web_open(&actuator, &config, &sink, NULL), STATUS_OK);
	load_playbook();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!opened)
		return 0;
	actuator.vtable->close(actuator.self);
	playbooks_close(playbooks);
	servers_close(&servers);
	return 0;
}

/* "active", "suppressed" or "unprocessed", of the alert with this pod; "" when there is none. */
static const char *state_of(const char *alert, const char *pod)
{
	static char text[32];
	char url[256];
	json_t *list, *one;
	size_t i;

	*text = '\0';
	snprintf(url, sizeof(url), "%s/api/v2/alerts", manager->url);
	list = web_json(url, NULL);
	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(kube_get(one, "labels", "alertname", NULL));
		const char *own = json_string_value(kube_get(one, "labels", "pod", NULL));

		if (name != NULL && own != NULL && strcmp(name, alert) == 0 &&
			strcmp(own, pod) == 0)
			snprintf(text, sizeof(text), "%s",
				json_string_value(kube_get(one, "status", "state", NULL)));
	}
	json_decref(list);
	return text;
}

static bool is(const char *alert, const char *pod, const char *state)
{
	return strcmp(state_of(alert, pod), state) == 0;
}

/* Silences that are not expired; *comment of the last one. */
static size_t silences(char *comment, size_t size)
{
	char url[256];
	json_t *list, *one;
	size_t i, count = 0;

	snprintf(url, sizeof(url), "%s/api/v2/silences", manager->url);
	list = web_json(url, NULL);
	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(kube_get(one, "status", "state", NULL));

		if (strcmp(text, "expired") == 0)
			continue;
		count++;
		snprintf(comment, size, "%s", json_string_value(json_object_get(one, "comment")));
	}
	json_decref(list);
	return count;
}

static struct plan_question question_of(const struct event *event, const struct target *target)
{
	struct playbook *playbook = playbooks_at(playbooks, 0);

	return (struct plan_question){.playbook = playbook,
		.step = &playbook->steps[0],
		.event = event,
		.target = target,
		.replicas_max = 10,
		.reason = ""};
}

static void send_plan(const struct plan *plan, const struct target *target, const char *id,
	const char *payload)
{
	unsigned before = finished_count;
	struct command command;

	plan_command(plan, target, &command);
	snprintf(command.action_id, sizeof(command.action_id), "%s", id);
	command.deadline_ms = clock_now_ms(clock_system()) + 30000;
	command.payload = payload;
	assert_int_equal(actuator.vtable->send(actuator.self, &command), STATUS_OK);
	pthread_mutex_lock(&lock);
	while (finished_count == before)
		pthread_cond_wait(&came, &lock);
	pthread_mutex_unlock(&lock);
	if (result.outcome != COMMAND_DONE)
		fail_msg("%s", result.error.text);
}

static void silence_is_narrow_made_once_and_removed(void **state)
{
	static struct label pairs[] = {{"alertname", "Crash", 9, 5}, {"namespace", "shop", 9, 4},
		{"pod", "web-5d4f-abcde", 3, 14}};
	struct event event = {.firing = true, .labels = {pairs, 3}};
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	struct plan_question question = question_of(&event, &target);
	struct plan plan;
	char comment[512], *payload;

	(void)state;
	if (!opened)
		skip();
	alertmanager_fire(manager, "'alertname':'Crash','namespace':'shop','pod':'web-5d4f-abcde'");
	alertmanager_fire(manager,
		"'alertname':'PodNotReady','namespace':'shop','pod':'web-5d4f-abcde'");
	alertmanager_fire(manager,
		"'alertname':'Replicas.Missing','namespace':'shop','pod':'web-5d4f-fghij'");
	alertmanager_fire(manager,
		"'alertname':'ReplicasXMissing','namespace':'shop','pod':'web-5d4f-fghij'");
	alertmanager_fire(manager,
		"'alertname':'PodNotReady','namespace':'shop','pod':'web-admin-5d4f-abcde'");
	alertmanager_fire(manager,
		"'alertname':'PodNotReady','namespace':'bank','pod':'web-5d4f-zzzzz'");
	plan_make(&plan, &question);
	assert_string_equal(plan.refusal.reason, "");
	payload = plan_payload(&question, "a-x1-1");
	assert_non_null(payload);
	send_plan(&plan, &target, "a-x1-1", payload);
	assert_non_null(strstr(result.detail, " until "));
	AWAIT(&servers, is("PodNotReady", "web-5d4f-abcde", "suppressed"), WAIT_S);
	AWAIT(&servers, is("Replicas.Missing", "web-5d4f-fghij", "suppressed"), WAIT_S);
	/* The trigger, what is named alike, and what belongs to others stay loud. */
	assert_string_equal(state_of("Crash", "web-5d4f-abcde"), "active");
	assert_string_equal(state_of("ReplicasXMissing", "web-5d4f-fghij"), "active");
	assert_string_equal(state_of("PodNotReady", "web-admin-5d4f-abcde"), "active");
	assert_string_equal(state_of("PodNotReady", "web-5d4f-zzzzz"), "active");
	assert_int_equal(silences(comment, sizeof(comment)), 1);
	assert_int_equal(strncmp(comment, "[i-x1/", 6), 0);
	/* Another try of the same incident finds it. */
	send_plan(&plan, &target, "a-x1-2", payload);
	assert_non_null(strstr(result.detail, "already so"));
	assert_int_equal(silences(comment, sizeof(comment)), 1);
	plan.changes = changes_inverse(&plan.changes);
	send_plan(&plan, &target, "a-x1-1", NULL);
	assert_int_equal(silences(comment, sizeof(comment)), 0);
	AWAIT(&servers, is("PodNotReady", "web-5d4f-abcde", "active"), WAIT_S);
	send_plan(&plan, &target, "a-x1-1", NULL);
	assert_non_null(strstr(result.detail, "already so"));
	mem_free(payload);
}

static void trigger_is_never_covered(void **state)
{
	static struct label pairs[] = {{"alertname", "PodNotReady", 9, 11},
		{"namespace", "shop", 9, 4}, {"pod", "web-5d4f-abcde", 3, 14}};
	struct event event = {.firing = true, .labels = {pairs, 3}};
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	struct plan_question question = question_of(&event, &target);
	struct plan plan;

	(void)state;
	if (!opened)
		skip();
	plan_make(&plan, &question);
	assert_string_equal(plan.refusal.reason, "silences_trigger");
	assert_null(plan_payload(&question, "a-x2-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_is_narrow_made_once_and_removed),
		cmocka_unit_test(trigger_is_never_covered),
	};

	return cmocka_run_group_tests_name("silences", tests, setup, teardown);
}
