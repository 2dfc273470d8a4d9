/* A Job of a template: what the template may say, how it is filled, and how its end is awaited at a
 * scripted API server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/job_template.h"
#include "remediations/kube_object.h"
#include "remediations/permissions.h"
#include "remediations/plan.h"
#include "tests/support/kube_fixture.h"

#define HEAD                                                                                       \
	"playbook: p\ntrigger:\n  alert: ['alertname=\"A\"']\ntarget:\n  kind: Workload\n"         \
	"verify: {signal: restarts, is: below, value: 1}\nsteps:\n- action: run_job\n"             \
	"  template:\n    apiVersion: batch/v1\n    kind: Job\n"
#define SPEC(more)                                                                                 \
	"    spec:\n      activeDeadlineSeconds: 120\n      ttlSecondsAfterFinished: 600\n" more   \
	"      backoffLimit: 0\n      template:\n        spec:\n          restartPolicy: Never\n"  \
	"          containers:\n          - name: clean\n            image: registry.local/clean:1\n"
#define ENV                                                                                        \
	"            env:\n            - {name: WHERE, value: '{{ namespace }}/{{ pod }}'}\n"      \
	"            - {name: N, value: \"7\"}\n"                                                  \
	"            - {name: Z, value: 0012}\n"

static struct playbooks *load(const char *yaml, char *errors, size_t size)
{
	struct guard_limits limits;
	struct diagnostics diagnostics;
	struct playbooks *playbooks;
	struct buf buf;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	buf_init(&buf, 65536);
	playbooks = playbooks_open(&limits);
	assert_non_null(playbooks);
	if (playbooks_load_text(playbooks, "p.yaml", yaml, strlen(yaml), &diagnostics))
		diagnostics_write(&diagnostics, &buf);
	snprintf(errors, size, "%s", buf.data ? buf.data : "");
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	return playbooks;
}

static void expect_error(const char *yaml, const char *part)
{
	char errors[4096];

	playbooks_close(load(yaml, errors, sizeof(errors)));
	if (part == NULL ? *errors != '\0' : strstr(errors, part) == NULL)
		fail_msg("wanted %s, got %s", part ? part : "nothing", errors);
}

static void template_is_checked_at_its_place(void **state)
{
	(void)state;
	expect_error(HEAD SPEC("") ENV, NULL);
	expect_error(HEAD "    metadata: {name: x}\n" SPEC(""), "p.yaml:12:");
	expect_error(HEAD "    metadata: {namespace: x}\n" SPEC(""), "the action names its Job");
	expect_error(HEAD SPEC("      suspend: true\n"), "suspend");
	expect_error(HEAD SPEC("      parallelism: '{{ n }}'\n"), "env only");
	expect_error(HEAD SPEC("") "            command: [sh, -c, 'rm {{ pod }}']\n", "env only");
	expect_error(HEAD SPEC("") "            args: ['{{ pod }}']\n", "p.yaml:22:");
	expect_error(HEAD SPEC("") "            env: [{name: '{{ a }}', value: x}]\n", "env only");
	expect_error(HEAD SPEC("") "            env: [{name: A, value: '{{ a b }}'}]\n", "{{");
	/* A member of that name in another place is no value of a variable. */
	expect_error(HEAD SPEC("") "            env: [{name: A, valueFrom: {value: '{{ a }}'}}]\n",
		"env only");
	expect_error(HEAD SPEC("") "            env: {value: '{{ a }}'}\n", "env only");
	expect_error(HEAD SPEC("") "            ports: [{value: '{{ a }}'}]\n", "env only");
	expect_error(HEAD "    spec: {template: {spec: {}}}\n", "activeDeadlineSeconds");
	expect_error(HEAD "    spec: {template: {spec: {}}}\n", "ttlSecondsAfterFinished");
	expect_error(HEAD "    spec: {template: {spec: {}}}\n", "restartPolicy");
	expect_error(HEAD "    spec: {template: {spec: {}}}\n", "containers");
	expect_error("playbook: p\ntrigger:\n  alert: ['alertname=\"A\"']\ntarget:\n  kind: Pod\n"
		     "verify: {signal: restarts, is: below, value: 1}\nsteps:\n- action: run_job\n",
		"template (a Job's manifest) or template_file");
	expect_error("playbook: p\ntrigger:\n  alert: ['alertname=\"A\"']\ntarget:\n  kind: Pod\n"
		     "verify: {signal: restarts, is: below, value: 1}\nsteps:\n"
		     "- {action: run_job, template_file: no-such-file.yaml}\n",
		"no-such-file.yaml");
}

static struct plan_question question_of(struct playbooks *playbooks, const struct target *target)
{
	static struct label pairs[] = {{"alertname", "A", 9, 1}, {"namespace", "shop", 9, 4},
		{"pod", "w\"1", 3, 3}};
	static struct event event = {.firing = true, .labels = {pairs, 3}};
	struct playbook *playbook = playbooks_at(playbooks, 0);

	return (struct plan_question){.playbook = playbook,
		.step = &playbook->steps[0],
		.event = &event,
		.target = target,
		.replicas_max = 10,
		.reason = ""};
}

static void job_is_named_marked_and_filled(void **state)
{
	char errors[2048];
	struct playbooks *playbooks = load(HEAD SPEC("") ENV, errors, sizeof(errors));
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	struct plan_question question = question_of(playbooks, &target);
	const json_t *container;
	struct plan plan;
	char *text;
	json_t *job;

	(void)state;
	plan_make(&plan, &question);
	assert_string_equal(plan.words, "run a Job in namespace shop");
	assert_int_equal(plan.options.time_ms, 180000);
	assert_true(plan.options.content != 0);
	text = plan_payload(&question, "a-x-1");
	assert_non_null(text);
	job = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(kube_get(job, "metadata", "name", NULL)), "ng-a-x-1");
	assert_string_equal(json_string_value(kube_get(job, "metadata", "namespace", NULL)),
		"shop");
	assert_string_equal(kube_label(job, JOB_LABEL_ACTION), "a-x-1");
	assert_string_equal(kube_label(job, JOB_LABEL_OWNER), "nimbusguard");
	assert_true(json_is_integer(kube_get(job, "spec", "backoffLimit", NULL)));
	container =
		json_array_get(kube_get(job, "spec", "template", "spec", "containers", NULL), 0);
	/* A quote in a label stays a letter. */
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(container, "env"), 0), "value")),
		"shop/w\"1");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(container, "env"), 1), "value")),
		"7");
	/* Zeros in front are part of what was written, and no number of JSON. */
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(container, "env"), 2), "value")),
		"0012");
	json_decref(job);
	/* Without the label that env names there is nothing to run. */
	struct label fewer[] = {{"alertname", "A", 9, 1}, {"namespace", "shop", 9, 4}};
	struct event without = {.firing = true, .labels = {fewer, 2}};
	question.event = &without;
	plan_make(&plan, &question);
	assert_string_equal(plan.refusal.reason, "label_missing");
	assert_non_null(strstr(plan.refusal.sentence, "the label \"pod\""));
	mem_free(text);
	playbooks_close(playbooks);
}

#define JOB "/apis/batch/v1/namespaces/shop/jobs/ng-act-1 "
#define RUNNING                                                                                    \
	"{\"metadata\":{\"name\":\"ng-act-1\",\"labels\":{\"nimbusguard.io/action\":\"act-1\"}},"  \
	"\"status\":{\"active\":1}}"
#define ENDED(type)                                                                                \
	"{\"metadata\":{\"name\":\"ng-act-1\",\"labels\":{\"nimbusguard.io/action\":\"act-1\"}},"  \
	"\"status\":{\"conditions\":[{\"type\":\"" type "\",\"status\":\"True\",\"reason\":"       \
	"\"BackoffLimitExceeded\",\"message\":\"it crashed\"}]}}"

static struct command make_command(void)
{
	struct command command = {.kind = ACTION_RUN_JOB,
		.action_id = "act-1",
		.payload = "{\"kind\":\"Job\"}"};

	command.target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	snprintf(command.target.uid, sizeof(command.target.uid), "u1");
	snprintf(command.target.resource_version, sizeof(command.target.resource_version), "70");
	return command;
}

#define SEND(fixture, command, ...)                                                                \
	do {                                                                                       \
		static const struct stub_rule rules[] = {__VA_ARGS__};                             \
		kube_fixture_send(fixture, &(command), rules, ARRAY_COUNT(rules));                 \
	} while (0)

static size_t posts(struct kube_fixture *fixture)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++)
		count += strncmp(http_stub_request(fixture->stub, i), "POST", 4) == 0;
	return count;
}

static void job_is_created_once_and_awaited(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command();

	SEND(fixture, command, {.start = "GET " JOB, .code = 404, .times = 1},
		{.start = "GET " JOB, .body = RUNNING, .times = 1},
		{.start = "GET " JOB, .body = ENDED("Complete")}, {.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_string_equal(fixture->result.detail,
		"run Job shop/ng-act-1 for Deployment shop/web");
	assert_int_equal(posts(fixture), 1);
	assert_string_equal(http_stub_body(fixture->stub, 1), "{\"kind\":\"Job\"}");
	assert_int_equal(
		strncmp(http_stub_request(fixture->stub, 1),
			"POST /apis/batch/v1/namespaces/shop/jobs?fieldManager=nimbusguard ", 66),
		0);
}

static void job_that_is_there_is_not_made_again(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command();

	SEND(fixture, command, {.start = "GET " JOB, .body = ENDED("Complete")});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(posts(fixture), 0);
	/* A lost answer to its creation is found out by looking. libcurl asks again by itself when a
	 * kept connection breaks, which the name makes harmless. */
	SEND(fixture, command, {.start = "GET " JOB, .code = 404, .times = 1},
		{.start = "GET " JOB, .body = ENDED("Complete")}, {.start = "POST", .drop = true});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_true(posts(fixture) > 0);
}

static void failed_job_is_a_failure_with_its_reason(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command();

	SEND(fixture, command, {.start = "GET " JOB, .body = ENDED("Failed")});
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(fixture->result.error.text, "BackoffLimitExceeded: it crashed"));
	SEND(fixture, command, {.start = "GET " JOB, .body = "{\"metadata\":{\"name\":\"x\"}}"});
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	assert_int_equal(fixture->result.error.code, STATUS_CONFLICT);
	SEND(fixture, command, {.start = "GET " JOB, .code = 404}, {.start = "POST", .code = 403});
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	assert_int_equal(fixture->result.error.code, STATUS_FORBIDDEN);
	/* Removed before anybody saw its end. */
	SEND(fixture, command, {.start = "GET " JOB, .body = RUNNING, .times = 1},
		{.start = "GET " JOB, .code = 404});
	assert_int_equal(fixture->result.outcome, COMMAND_UNKNOWN);
	assert_int_equal(posts(fixture), 1);
}

static void its_state_says_what_was_done(void **state)
{
	static const struct {
		enum job_state job;
		int applied;
	} table[] = {{JOB_COMPLETE, 1}, {JOB_RUNS, APPLIED_BEGUN}, {JOB_ABSENT, 0}, {JOB_FAILED, 0},
		{JOB_FOREIGN, -1}, {JOB_NOT_SEEN, -1}};
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	struct plan plan = {.kind = ACTION_RUN_JOB};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct observation seen = {.found = true, .job = table[i].job};

		assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), table[i].applied);
	}
}

#define WITH_SERVER(test)                                                                          \
	cmocka_unit_test_setup_teardown(test, kube_fixture_make, kube_fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template_is_checked_at_its_place),
		cmocka_unit_test(job_is_named_marked_and_filled),
		WITH_SERVER(job_is_created_once_and_awaited),
		WITH_SERVER(job_that_is_there_is_not_made_again),
		WITH_SERVER(failed_job_is_a_failure_with_its_reason),
		cmocka_unit_test(its_state_says_what_was_done),
	};

	return cmocka_run_group_tests_name("action_job", tests, NULL, NULL);
}
