/*
 * A table of steps that change one value, and a few scenarios of another shape: pods, a Job, a state
 * that is another one by now, and calls that are refused.
 */
#include "tests/support/action_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/job_template.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "tests/support/action_suite_calls.h"

/* ---- steps that change a value ---- */

struct change_case {
	const char *claim;
	enum target_kind kind;
	const char *name, *step, *path;
	const char *names[NAMES_MAX]; /* to the value; "0" for the only one of a list */
	const char *wanted;           /* NULL: one more than before; "": any but before */
	bool key;                     /* the object carries the action's key */
	bool undone;
	void (*before)(void);
	void (*between)(void); /* what must have come to rest before the undo */
	void (*after)(void);
};

#define LIMITS "spec", "template", "spec", "containers", "0", "resources"

static void make_autoscaler(void)
{
	if (!suite_has(HPAS "/web"))
		suite_must(KUBE_POST, HPAS, JSON,
			"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"scaleTargetRef\":{"
			"\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"},"
			"\"minReplicas\":1,\"maxReplicas\":6}}");
}

static void remove_autoscaler(void)
{
	if (suite_has(HPAS "/web"))
		suite_must(KUBE_DELETE, HPAS "/web", JSON, DELETE_OPTIONS);
}

static void turn_revision(void)
{
	static unsigned turn;
	char body[128];

	snprintf(body, sizeof(body),
		"{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"suite\":\"%u\"}}}}}",
		++turn);
	suite_must(KUBE_PATCH, WEB "?fieldManager=somebody", MERGE, body);
}

static void make_revisions(void)
{
	remove_autoscaler();
	for (int i = 0; i < 2; i++) {
		turn_revision();
		suite_settle();
	}
}

static void set_cordons(const char *value)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"spec\":{\"unschedulable\":%s}}", value);
	suite_must(KUBE_PATCH, NODE, MERGE, body);
	suite_must(KUBE_PATCH, NODES "/node-2", MERGE, body);
}

/* A rollout whose new pods find no node does not end. */
static void stick_rollout(void)
{
	suite_settle();
	set_cordons("true");
	turn_revision();
}

static void free_rollout(void)
{
	set_cordons("null");
	suite_settle();
}

static const struct change_case changes[] = {
	{.claim = "replicas_are_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: scale, by: +1}",
		.path = WEB,
		.names = {"spec", "replicas"},
		.undone = true,
		.before = remove_autoscaler},
	{.claim = "a_memory_limit_is_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: adjust_resources, memory: 512MiB, in_place: never}",
		.path = WEB,
		.names = {LIMITS},
		.wanted = "",
		.key = true,
		.undone = true},
	{.claim = "a_cpu_limit_is_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: adjust_resources, cpu: 1500m, in_place: never}",
		.path = WEB,
		.names = {LIMITS},
		.wanted = "",
		.key = true,
		.undone = true},
	{.claim = "a_workload_is_restarted_once",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: restart_workload}",
		.path = WEB,
		.names = {"spec", "template", "metadata", "annotations",
			"kubectl.kubernetes.io/restartedAt"},
		.wanted = "",
		.key = true},
	{.claim = "an_autoscalers_maximum_is_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: adjust_autoscaler, max: +1}",
		.path = HPAS "/web",
		.names = {"spec", "maxReplicas"},
		.key = true,
		.undone = true,
		.before = make_autoscaler},
	{.claim = "an_autoscalers_minimum_is_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: adjust_autoscaler, min: +1}",
		.path = HPAS "/web",
		.names = {"spec", "minReplicas"},
		.key = true,
		.undone = true,
		.before = make_autoscaler},
	{.claim = "a_revision_is_rolled_back_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: rollback}",
		.path = WEB,
		.names = {"spec", "template", "metadata", "annotations", "suite"},
		.wanted = "",
		.key = true,
		.undone = true,
		.before = make_revisions,
		.between = suite_settle,
		.after = suite_settle},
	{.claim = "a_rollout_is_paused_and_goes_on",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: pause_rollout}",
		.path = WEB,
		.names = {"spec", "paused"},
		.wanted = "true",
		.key = true,
		.undone = true,
		.before = stick_rollout,
		.after = free_rollout},
	{.claim = "a_node_is_cordoned_and_uncordoned",
		.kind = TARGET_NODE,
		.name = "node-1",
		.step = "{action: cordon}",
		.path = NODE,
		.names = {"spec", "unschedulable"},
		.wanted = "true",
		.key = true,
		.undone = true},
};

/* A dry run is judged and keeps nothing. */
static void try_dry(const struct change_case *at, const char *before)
{
	struct command command;

	plan_command(&suite_scene->plan, &suite_scene->target, &command);
	snprintf(command.action_id, sizeof(command.action_id), "dry");
	command.server_dry_run = true;
	kube_send(suite_used.session, &suite_scene->clock.clock, &command, &suite_scene->result);
	suite_done(false);
	suite_value_is(at->path, at->names, before);
}

static void expect_changed(const struct change_case *at, const char *before)
{
	char *after = suite_value(at->path, at->names), one_more[32];

	snprintf(one_more, sizeof(one_more), "%ld", strtol(before, NULL, 10) + 1);
	if (at->wanted != NULL && *at->wanted == '\0')
		assert_string_not_equal(after, before);
	else
		assert_string_equal(after, at->wanted != NULL ? at->wanted : one_more);
	free(after);
}

static void expect_key(const struct change_case *at, const char *id)
{
	json_t *object = suite_read(at->path);

	assert_string_equal(kube_annotation(object, ANNOTATION_ACTION), id);
	json_decref(object);
}

static void change_undo(const struct change_case *at, const char *before)
{
	const char *reason;

	if (at->between != NULL) {
		at->between();
		scene_again(suite_scene, suite_ids[0]);
	}
	reason = scene_undo(suite_scene, suite_ids[0]);
	if (*reason != '\0')
		fail_msg("%s: %s", reason, suite_scene->plan.refusal.sentence);
	scene_send(suite_scene, suite_ids[1]);
	suite_done(false);
	suite_value_is(at->path, at->names, before);
}

static void change_is_made_and_undone(void **state)
{
	const struct change_case *at = *state;
	char *before;

	if (suite_used.session == NULL)
		skip();
	if (at->before != NULL)
		at->before();
	before = suite_value(at->path, at->names);
	suite_plan(at->kind, at->name, at->step);
	try_dry(at, before);
	scene_send(suite_scene, suite_ids[0]);
	suite_done(false);
	expect_changed(at, before);
	if (at->key)
		expect_key(at, suite_ids[0]);
	assert_int_equal(scene_applied(suite_scene, suite_ids[0]), 1);
	/* The same command, with the version of before it. */
	scene_send(suite_scene, suite_ids[0]);
	suite_done(true);
	expect_changed(at, before);
	if (at->undone)
		change_undo(at, before);
	if (at->after != NULL)
		at->after();
	free(before);
}

/* ---- other shapes ---- */

/* What somebody else did meanwhile is not written over. */
static void another_state_is_not_written_over(void **state)
{
	static const char *const replicas[NAMES_MAX] = {"spec", "replicas"};
	char *before, body[64], other[32];

	if (suite_used.session == NULL)
		skip();
	remove_autoscaler();
	before = suite_value(WEB, replicas);
	suite_plan(TARGET_DEPLOYMENT, "web", "{action: scale, by: +1}");
	snprintf(other, sizeof(other), "%ld", strtol(before, NULL, 10) + 2);
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%s}}", other);
	suite_must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	scene_send(suite_scene, suite_ids[0]);
	assert_int_equal(suite_scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(suite_scene->result.error.code, STATUS_CONFLICT);
	suite_value_is(WEB, replicas, other);
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%s}}", before);
	suite_must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	free(before);
}

static void restart_pod(const char *step)
{
	char name[OBJECT_NAME_MAX], uid[UID_MAX], path[512];

	if (suite_used.session == NULL)
		skip();
	suite_pod(name);
	snprintf(path, sizeof(path), PODS "/%s", name);
	suite_plan(TARGET_POD, name, step);
	/* One of another uid is left alone. */
	memcpy(uid, suite_scene->target.uid, sizeof(uid));
	snprintf(suite_scene->target.uid, sizeof(suite_scene->target.uid), "another");
	scene_send(suite_scene, suite_ids[0]);
	suite_done(true);
	assert_true(suite_has(path));
	memcpy(suite_scene->target.uid, uid, sizeof(uid));
	scene_send(suite_scene, suite_ids[1]);
	suite_done(false);
	for (int i = 0; suite_has(path); i++) {
		assert_true(i < WAIT_S * 10);
		clock_sleep_ms(100);
	}
	scene_send(suite_scene, suite_ids[1]);
	suite_done(true);
}

static void a_pod_is_deleted_by_its_uid(void **state)
{
	restart_pod("{action: restart_pod}");
}

static void a_pod_is_evicted_by_its_uid(void **state)
{
	restart_pod("{action: restart_pod, by: evict}");
}

#define JOB                                                                                        \
	"{apiVersion: batch/v1, kind: Job, spec: {activeDeadlineSeconds: 120, "                    \
	"ttlSecondsAfterFinished: 600, backoffLimit: 0, template: {spec: {restartPolicy: Never, "  \
	"containers: [{name: clean, image: 'none'}]}}}}"

static void send_job(const char *id, const char *job)
{
	const struct plan_question question = {.playbook = playbooks_at(suite_scene->playbooks, 0),
		.step = &playbooks_at(suite_scene->playbooks, 0)->steps[0],
		.event = &suite_scene->event,
		.target = &suite_scene->target,
		.observation = &suite_scene->observation,
		.reason = ""};
	struct command command;
	struct sending sending;
	int64_t again_ms;
	char *payload;

	plan_command(&suite_scene->plan, &suite_scene->target, &command);
	snprintf(command.action_id, sizeof(command.action_id), "%s", id);
	payload = plan_payload(&question, id);
	assert_non_null(payload);
	command.payload = payload;
	kube_send_begin(&sending, suite_used.session, &suite_scene->clock.clock, &command);
	while (!kube_send_go_on(&sending, &again_ms, &suite_scene->result)) {
		if (suite_used.while_job_runs != NULL)
			suite_used.while_job_runs(job);
		clock_sleep_ms(again_ms < 200 ? again_ms : 200);
	}
	mem_free(payload);
	suite_done(false);
}

static void a_job_is_run_once(void **state)
{
	char name[64], path[256];
	json_t *job;

	if (suite_used.session == NULL)
		skip();
	job_name(suite_ids[0], name, sizeof(name));
	snprintf(path, sizeof(path), JOBS "/%s", name);
	suite_plan(TARGET_DEPLOYMENT, "web", "{action: run_job, template: " JOB "}");
	send_job(suite_ids[0], name);
	job = suite_read(path);
	assert_string_equal(kube_label(job, JOB_LABEL_OWNER), "nimbusguard");
	json_decref(job);
	/* It is found, and there is one. */
	send_job(suite_ids[0], name);
	job = suite_read(JOBS);
	assert_int_equal(json_array_size(json_object_get(job, "items")), 1);
	json_decref(job);
	snprintf(path, sizeof(path),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"template\":{"
		"\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{"
		"\"name\":\"a\",\"image\":\"b\"}]}}}}",
		name);
	assert_int_equal(action_suite_code(KUBE_POST, JOBS, JSON, path), 409);
}

#define EVENT(name, rest)                                                                          \
	"{\"metadata\":{\"name\":\"" name                                                          \
	"\"},\"reportingController\":\"nimbusguard.io/controller\","                               \
	"\"reportingInstance\":\"one\",\"action\":\"scale\",\"type\":\"Normal\",\"note\":\"n\","   \
	"\"regarding\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\","      \
	"\"namespace\":\"shop\"},\"eventTime\":\"2026-01-02T03:04:05.000000Z\"" rest "}"

/* As the service writes them: one, and what it counts on. */
static void an_event_is_made_and_counted_on(void **state)
{
	static const char *const count[NAMES_MAX] = {"series", "count"};

	if (suite_used.session == NULL)
		skip();
	suite_must(KUBE_POST, EVENTS, JSON, EVENT("web.suite", ",\"reason\":\"Scaled\""));
	suite_value_is(EVENTS "/web.suite", count, "null");
	suite_must(KUBE_PATCH, EVENTS "/web.suite", MERGE,
		"{\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:05:05.000000Z\"}}");
	suite_value_is(EVENTS "/web.suite", count, "2");
	assert_int_equal(action_suite_code(KUBE_POST, EVENTS, JSON,
				 EVENT("web.suite", ",\"reason\":\"Scaled\"")),
		409);
	assert_int_equal(action_suite_code(KUBE_POST, EVENTS, JSON, EVENT("web.other", "")), 422);
	assert_false(suite_has(EVENTS "/web.other"));
}

static void bad_calls_are_refused_alike(void **state)
{
	static const struct {
		enum kube_method method;
		const char *path, *type, *body;
		int code;
	} calls[] = {
		{KUBE_GET, WEB "-2", NULL, NULL, 404},
		{KUBE_GET, PODS "/none", NULL, NULL, 404},
		{KUBE_GET, "/api/v1/nodes/none", NULL, NULL, 404},
		{KUBE_GET, "/apis/none.example.org/v1/things", NULL, NULL, 404},
		{KUBE_PATCH, WEB "-2", MERGE, "{}", 404},
		{KUBE_PATCH, "/api/v1/nodes/none", MERGE, "{}", 404},
		{KUBE_DELETE, PODS "/none", JSON, DELETE_OPTIONS, 404},
		{KUBE_POST, PODS "/none/eviction", JSON,
			"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{"
			"\"name\":\"none\"}}",
			404},
		{KUBE_PUT, PODS, JSON, "{}", 405},
		{KUBE_PUT, "/api/v1/nodes", JSON, "{}", 405},
		{KUBE_PATCH, WEB, "text/plain", "{}", 415},
		{KUBE_PATCH, WEB, MERGE, "{", 400},
		{KUBE_PATCH, WEB "/scale", MERGE, "{\"spec\":{\"replicas\":-1}}", 422},
		{KUBE_PATCH, WEB, MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"}}", 409},
		{KUBE_PATCH, NODE, MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"}}", 409},
	};

	if (suite_used.session == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
		int code = action_suite_code(calls[i].method, calls[i].path, calls[i].type,
			calls[i].body);

		if (code != calls[i].code)
			fail_msg("%s: %d, wanted: %d", calls[i].path, code, calls[i].code);
	}
}

/* ---- the tests ---- */

int suite_open_scene(void **state)
{
	static unsigned serial;
	void *made;

	serial++;
	for (unsigned i = 0; i < ARRAY_COUNT(suite_ids); i++)
		snprintf(suite_ids[i], sizeof(suite_ids[i]), "s-%u-%u", serial, i + 1);
	scene_setup(&made);
	suite_scene = made;
	if (suite_used.session != NULL)
		scene_attach(suite_scene, suite_used.session);
	return 0;
}

int suite_close_scene(void **state)
{
	void *made = suite_scene;

	return scene_teardown(&made);
}

size_t action_suite_fill(struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX], size_t count)
{
#define T(name) cmocka_unit_test_setup_teardown(name, suite_open_scene, suite_close_scene)
	static const struct CMUnitTest others[] = {T(another_state_is_not_written_over),
		T(a_pod_is_deleted_by_its_uid), T(a_pod_is_evicted_by_its_uid),
		T(a_job_is_run_once), T(an_event_is_made_and_counted_on),
		T(bad_calls_are_refused_alike)};

	CHECK(count + ARRAY_COUNT(changes) + ARRAY_COUNT(others) <= ACTION_SUITE_TESTS_MAX);
	for (size_t i = 0; i < ARRAY_COUNT(changes); i++)
		tests[count++] = (struct CMUnitTest){.name = changes[i].claim,
			.test_func = change_is_made_and_undone,
			.setup_func = suite_open_scene,
			.teardown_func = suite_close_scene,
			.initial_state = (void *)(uintptr_t)&changes[i]};
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		tests[count++] = others[i];
	return action_suite_fill_more(tests, count);
}
