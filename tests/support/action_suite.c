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
#include "tests/support/action_scene.h"
#include "tests/support/servers.h"

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"
#define PODS "/api/v1/namespaces/shop/pods"
#define HPAS "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
#define JOBS "/apis/batch/v1/namespaces/shop/jobs"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/shop/events"
#define NODE "/api/v1/nodes/node-1"
#define JSON "application/json"
#define MERGE "application/merge-patch+json"
#define DELETE_OPTIONS "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"}"
#define WAIT_S 120
#define NAMES_MAX 6

static struct action_suite suite;
static struct scene *scene;

void action_suite_use(const struct action_suite *used)
{
	suite = *used;
}

/* ---- calls ---- */

static enum status call(enum kube_method method, const char *path, const char *type,
	const char *body, struct kube_answer *answer, struct error *error)
{
	const struct kube_request request = {.method = method,
		.path = path,
		.content_type = type,
		.body = body};

	return kube_session_call(suite.session, &request, answer, error);
}

int action_suite_code(enum kube_method method, const char *path, const char *type, const char *body)
{
	struct kube_answer answer;
	struct error error = {0};
	int code;

	(void)!call(method, path, type, body, &answer, &error);
	code = answer.code;
	kube_answer_fini(&answer);
	return code;
}

static json_t *read_object(const char *path)
{
	struct error error;
	json_t *object;

	if (kube_read(suite.session, path, &object, &error) != STATUS_OK)
		fail_msg("GET %s: %s", path, error.text);
	return object;
}

static bool is_there(const char *path)
{
	struct error error;
	json_t *object;
	enum status status = kube_read(suite.session, path, &object, &error);

	json_decref(object);
	return status == STATUS_OK;
}

static void must(enum kube_method method, const char *path, const char *type, const char *body)
{
	struct kube_answer answer;
	struct error error = {0};

	if (call(method, path, type, body, &answer, &error) != STATUS_OK)
		fail_msg("%s: %s", path, error.text);
	kube_answer_fini(&answer);
}

static json_t *member(json_t *object, const char *const names[NAMES_MAX])
{
	for (size_t i = 0; i < NAMES_MAX && names[i] != NULL; i++)
		object = json_is_array(object) ? json_array_get(object, 0)
					       : json_object_get(object, names[i]);
	return object;
}

/* As JSON (free); "null" for what is absent, or false, which a server leaves out. */
static char *value_at(const char *path, const char *const names[NAMES_MAX])
{
	json_t *object = read_object(path), *value = member(object, names);
	char *text = value == NULL || json_is_false(value)
		? strdup("null")
		: json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(object);
	assert_non_null(text);
	return text;
}

static void value_is(const char *path, const char *const names[NAMES_MAX], const char *wanted)
{
	char *text = value_at(path, names);

	if (strcmp(text, wanted) != 0)
		fail_msg("%s: %s, wanted: %s", path, text, wanted);
	free(text);
}

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
};

#define LIMITS "spec", "template", "spec", "containers", "0", "resources"

static void make_autoscaler(void)
{
	if (!is_there(HPAS "/web"))
		must(KUBE_POST, HPAS, JSON,
			"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"scaleTargetRef\":{"
			"\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"},"
			"\"minReplicas\":1,\"maxReplicas\":6}}");
}

static void remove_autoscaler(void)
{
	if (is_there(HPAS "/web"))
		must(KUBE_DELETE, HPAS "/web", JSON, DELETE_OPTIONS);
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
		.step = "{action: adjust_resources, memory: 512MiB}",
		.path = WEB,
		.names = {LIMITS},
		.wanted = "",
		.key = true,
		.undone = true},
	{.claim = "a_cpu_limit_is_written_and_put_back",
		.kind = TARGET_DEPLOYMENT,
		.name = "web",
		.step = "{action: adjust_resources, cpu: 1500m}",
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

static bool looked(enum target_kind kind, const char *name)
{
	return scene_try_look(scene, kind, name);
}

static void plan_step(enum target_kind kind, const char *name, const char *step)
{
	scene_step(scene, target_kind_name(kind), step);
	for (int i = 0; !looked(kind, name); i++) {
		if (i > WAIT_S * 10)
			fail_msg("%s: %s", name, scene->observation.error.text);
		clock_sleep_ms(100);
	}
	if (*scene_plan(scene) != '\0')
		fail_msg("%s: %s", scene->plan.refusal.reason, scene->plan.refusal.sentence);
}

static void expect_done(bool already)
{
	if (scene->result.outcome != COMMAND_DONE)
		fail_msg("%s", scene->result.error.text);
	assert_int_equal(strstr(scene->result.detail, "already so") != NULL, already);
}

/* A dry run is judged and keeps nothing. */
static void try_dry(const struct change_case *at, const char *before)
{
	struct command command;

	plan_command(&scene->plan, &scene->target, &command);
	snprintf(command.action_id, sizeof(command.action_id), "dry");
	command.server_dry_run = true;
	kube_send(suite.session, &scene->clock.clock, &command, &scene->result);
	expect_done(false);
	value_is(at->path, at->names, before);
}

static void expect_changed(const struct change_case *at, const char *before)
{
	char *after = value_at(at->path, at->names), one_more[32];

	snprintf(one_more, sizeof(one_more), "%ld", strtol(before, NULL, 10) + 1);
	if (at->wanted != NULL && *at->wanted == '\0')
		assert_string_not_equal(after, before);
	else
		assert_string_equal(after, at->wanted != NULL ? at->wanted : one_more);
	free(after);
}

static void expect_key(const struct change_case *at, const char *id)
{
	json_t *object = read_object(at->path);

	assert_string_equal(kube_annotation(object, ANNOTATION_ACTION), id);
	json_decref(object);
}

static void change_undo(const struct change_case *at, const char *before)
{
	const char *reason = scene_undo(scene, "s-1");

	if (*reason != '\0')
		fail_msg("%s: %s", reason, scene->plan.refusal.sentence);
	scene_send(scene, "s-2");
	expect_done(false);
	value_is(at->path, at->names, before);
}

static void change_is_made_and_undone(void **state)
{
	const struct change_case *at = *state;
	char *before;

	if (suite.session == NULL)
		skip();
	if (at->before != NULL)
		at->before();
	before = value_at(at->path, at->names);
	plan_step(at->kind, at->name, at->step);
	try_dry(at, before);
	scene_send(scene, "s-1");
	expect_done(false);
	expect_changed(at, before);
	if (at->key)
		expect_key(at, "s-1");
	assert_int_equal(scene_applied(scene, "s-1"), 1);
	/* The same command, with the version of before it. */
	scene_send(scene, "s-1");
	expect_done(true);
	expect_changed(at, before);
	if (at->undone)
		change_undo(at, before);
	free(before);
}

/* ---- other shapes ---- */

/* What somebody else did meanwhile is not written over. */
static void another_state_is_not_written_over(void **state)
{
	static const char *const replicas[NAMES_MAX] = {"spec", "replicas"};
	char *before, body[64], other[32];

	if (suite.session == NULL)
		skip();
	remove_autoscaler();
	before = value_at(WEB, replicas);
	plan_step(TARGET_DEPLOYMENT, "web", "{action: scale, by: +1}");
	snprintf(other, sizeof(other), "%ld", strtol(before, NULL, 10) + 2);
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%s}}", other);
	must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	scene_send(scene, "s-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(scene->result.error.code, STATUS_CONFLICT);
	value_is(WEB, replicas, other);
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%s}}", before);
	must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	free(before);
}

static json_int_t web_number(const json_t *web, const char *part, const char *name)
{
	return json_integer_value(kube_get(web, part, name, NULL));
}

/* Whether the controller has seen web as it is and takes no more pods away. */
static bool web_is_settled(void)
{
	json_t *web = read_object(WEB);
	json_int_t wanted = web_number(web, "spec", "replicas");
	bool settled = web_number(web, "status", "observedGeneration") >=
			web_number(web, "metadata", "generation") &&
		web_number(web, "status", "replicas") == wanted &&
		web_number(web, "status", "updatedReplicas") == wanted;

	json_decref(web);
	return settled;
}

/* One of web's pods that is not on its way out, once the changes before are carried out. */
static void find_pod(char name[OBJECT_NAME_MAX])
{
	json_t *list, *pod;
	size_t i;

	for (int tries = 0; !web_is_settled(); tries++) {
		assert_true(tries < WAIT_S * 10);
		clock_sleep_ms(100);
	}
	list = read_object(PODS "?labelSelector=app%3Dweb");
	*name = '\0';
	json_array_foreach(json_object_get(list, "items"), i, pod) if (!kube_terminating(pod))
		snprintf(name, OBJECT_NAME_MAX, "%s",
			json_string_value(kube_get(pod, "metadata", "name", NULL)));
	json_decref(list);
	assert_string_not_equal(name, "");
}

static void restart_pod(const char *step)
{
	char name[OBJECT_NAME_MAX], uid[UID_MAX], path[512];

	if (suite.session == NULL)
		skip();
	find_pod(name);
	snprintf(path, sizeof(path), PODS "/%s", name);
	plan_step(TARGET_POD, name, step);
	/* One of another uid is left alone. */
	memcpy(uid, scene->target.uid, sizeof(uid));
	snprintf(scene->target.uid, sizeof(scene->target.uid), "another");
	scene_send(scene, "s-1");
	expect_done(true);
	assert_true(is_there(path));
	memcpy(scene->target.uid, uid, sizeof(uid));
	scene_send(scene, "s-2");
	expect_done(false);
	for (int i = 0; is_there(path); i++) {
		assert_true(i < WAIT_S * 10);
		clock_sleep_ms(100);
	}
	scene_send(scene, "s-2");
	expect_done(true);
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
	const struct plan_question question = {.playbook = playbooks_at(scene->playbooks, 0),
		.step = &playbooks_at(scene->playbooks, 0)->steps[0],
		.event = &scene->event,
		.target = &scene->target,
		.observation = &scene->observation,
		.reason = ""};
	struct command command;
	struct sending sending;
	int64_t again_ms;
	char *payload;

	plan_command(&scene->plan, &scene->target, &command);
	snprintf(command.action_id, sizeof(command.action_id), "%s", id);
	payload = plan_payload(&question, id);
	assert_non_null(payload);
	command.payload = payload;
	kube_send_begin(&sending, suite.session, &scene->clock.clock, &command);
	while (!kube_send_go_on(&sending, &again_ms, &scene->result)) {
		if (suite.while_job_runs != NULL)
			suite.while_job_runs(job);
		clock_sleep_ms(again_ms < 200 ? again_ms : 200);
	}
	mem_free(payload);
	expect_done(false);
}

static void a_job_is_run_once(void **state)
{
	char name[64], path[256];
	json_t *job;

	if (suite.session == NULL)
		skip();
	job_name("s-1", name, sizeof(name));
	snprintf(path, sizeof(path), JOBS "/%s", name);
	plan_step(TARGET_DEPLOYMENT, "web", "{action: run_job, template: " JOB "}");
	send_job("s-1", name);
	job = read_object(path);
	assert_string_equal(kube_label(job, JOB_LABEL_OWNER), "nimbusguard");
	json_decref(job);
	/* It is found, and there is one. */
	send_job("s-1", name);
	job = read_object(JOBS);
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

	if (suite.session == NULL)
		skip();
	must(KUBE_POST, EVENTS, JSON, EVENT("web.suite", ",\"reason\":\"Scaled\""));
	value_is(EVENTS "/web.suite", count, "null");
	must(KUBE_PATCH, EVENTS "/web.suite", MERGE,
		"{\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:05:05.000000Z\"}}");
	value_is(EVENTS "/web.suite", count, "2");
	assert_int_equal(action_suite_code(KUBE_POST, EVENTS, JSON,
				 EVENT("web.suite", ",\"reason\":\"Scaled\"")),
		409);
	assert_int_equal(action_suite_code(KUBE_POST, EVENTS, JSON, EVENT("web.other", "")), 422);
	assert_false(is_there(EVENTS "/web.other"));
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

	if (suite.session == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
		int code = action_suite_code(calls[i].method, calls[i].path, calls[i].type,
			calls[i].body);

		if (code != calls[i].code)
			fail_msg("%s: %d, wanted: %d", calls[i].path, code, calls[i].code);
	}
}

/* ---- the tests ---- */

static int open_scene(void **state)
{
	void *made;

	scene_setup(&made);
	scene = made;
	if (suite.session != NULL)
		scene_attach(scene, suite.session);
	return 0;
}

static int close_scene(void **state)
{
	void *made = scene;

	return scene_teardown(&made);
}

size_t action_suite_fill(struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX], size_t count)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
	static const struct CMUnitTest others[] = {T(another_state_is_not_written_over),
		T(a_pod_is_deleted_by_its_uid), T(a_pod_is_evicted_by_its_uid),
		T(a_job_is_run_once), T(an_event_is_made_and_counted_on),
		T(bad_calls_are_refused_alike)};

	CHECK(count + ARRAY_COUNT(changes) + ARRAY_COUNT(others) <= ACTION_SUITE_TESTS_MAX);
	for (size_t i = 0; i < ARRAY_COUNT(changes); i++)
		tests[count++] = (struct CMUnitTest){.name = changes[i].claim,
			.test_func = change_is_made_and_undone,
			.setup_func = open_scene,
			.teardown_func = close_scene,
			.initial_state = (void *)(uintptr_t)&changes[i]};
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		tests[count++] = others[i];
	return count;
}
