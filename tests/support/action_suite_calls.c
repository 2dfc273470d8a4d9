/*
 * Calls and looks on the cluster that the suite is run against.
 */
#include "tests/support/action_suite_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "tests/support/servers.h"

struct action_suite suite_used;
struct scene *suite_scene;
char suite_ids[2][24];

void action_suite_use(const struct action_suite *used)
{
	suite_used = *used;
}

/* ---- calls ---- */

static enum status suite_call(enum kube_method method, const char *path, const char *type,
	const char *body, struct kube_answer *answer, struct error *error)
{
	const struct kube_request request = {.method = method,
		.path = path,
		.content_type = type,
		.body = body};

	return kube_session_call(suite_used.session, &request, answer, error);
}

int action_suite_code(enum kube_method method, const char *path, const char *type, const char *body)
{
	struct kube_answer answer;
	struct error error = {0};
	int code;

	(void)!suite_call(method, path, type, body, &answer, &error);
	code = answer.code;
	kube_answer_fini(&answer);
	return code;
}

json_t *suite_read(const char *path)
{
	struct error error;
	json_t *object;

	if (kube_read(suite_used.session, path, &object, &error) != STATUS_OK)
		fail_msg("GET %s: %s", path, error.text);
	return object;
}

bool suite_has(const char *path)
{
	struct error error;
	json_t *object;
	enum status status = kube_read(suite_used.session, path, &object, &error);

	json_decref(object);
	return status == STATUS_OK;
}

void suite_must(enum kube_method method, const char *path, const char *type, const char *body)
{
	struct kube_answer answer;
	struct error error = {0};

	if (suite_call(method, path, type, body, &answer, &error) != STATUS_OK)
		fail_msg("%s: %s", path, error.text);
	kube_answer_fini(&answer);
}

static json_t *suite_member(json_t *object, const char *const names[NAMES_MAX])
{
	for (size_t i = 0; i < NAMES_MAX && names[i] != NULL; i++)
		object = json_is_array(object) ? json_array_get(object, 0)
					       : json_object_get(object, names[i]);
	return object;
}

char *suite_value(const char *path, const char *const names[NAMES_MAX])
{
	json_t *object = suite_read(path), *value = suite_member(object, names);
	char *text = value == NULL || json_is_false(value)
		? strdup("null")
		: json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(object);
	assert_non_null(text);
	return text;
}

void suite_value_is(const char *path, const char *const names[NAMES_MAX], const char *wanted)
{
	char *text = suite_value(path, names);

	if (strcmp(text, wanted) != 0)
		fail_msg("%s: %s, wanted: %s", path, text, wanted);
	free(text);
}

/* ---- steps ---- */

static bool looked(enum target_kind kind, const char *name)
{
	return scene_try_look(suite_scene, kind, name);
}

void suite_await(bool (*is_so)(const void *argument), const void *argument, const char *what)
{
	for (int tries = 0; !is_so(argument); tries++) {
		if (tries > WAIT_S * 10)
			fail_msg("waited in vain: %s", what);
		clock_sleep_ms(100);
	}
}

void suite_plan(enum target_kind kind, const char *name, const char *step)
{
	scene_step(suite_scene, target_kind_name(kind), step);
	for (int i = 0; !looked(kind, name); i++) {
		if (i > WAIT_S * 10)
			fail_msg("%s: %s", name, suite_scene->observation.error.text);
		clock_sleep_ms(100);
	}
	if (*scene_plan(suite_scene) != '\0')
		fail_msg("%s: %s", suite_scene->plan.refusal.reason,
			suite_scene->plan.refusal.sentence);
}

void suite_done(bool already)
{
	if (suite_scene->result.outcome != COMMAND_DONE)
		fail_msg("%s", suite_scene->result.error.text);
	assert_int_equal(strstr(suite_scene->result.detail, "already so") != NULL, already);
}

static json_int_t web_number(const json_t *web, const char *part, const char *name)
{
	return json_integer_value(kube_get(web, part, name, NULL));
}

static bool is_settled(const void *argument)
{
	json_t *web = suite_read(WEB);
	json_int_t wanted = web_number(web, "spec", "replicas");
	bool settled = web_number(web, "status", "observedGeneration") >=
			web_number(web, "metadata", "generation") &&
		web_number(web, "status", "replicas") == wanted &&
		web_number(web, "status", "updatedReplicas") == wanted;

	(void)argument;
	json_decref(web);
	return settled;
}

void suite_settle(void)
{
	suite_await(is_settled, NULL, "the rollout of web");
}

void suite_pod(char name[OBJECT_NAME_MAX])
{
	json_t *list, *pod;
	size_t i;

	suite_settle();
	list = suite_read(PODS "?labelSelector=app%3Dweb");
	*name = '\0';
	json_array_foreach(json_object_get(list, "items"), i, pod) if (!kube_terminating(pod))
		snprintf(name, OBJECT_NAME_MAX, "%s",
			json_string_value(kube_get(pod, "metadata", "name", NULL)));
	json_decref(list);
	assert_string_not_equal(name, "");
}
