/*
 * The scene of an action: the product's own parts over a cluster in memory.
 */
#include "tests/support/action_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/kube_object.h"

#define NOW_MS INT64_C(1700000000000)

static int serve(void *argument, const struct kube_request *request, json_t **body)
{
	struct scene *scene = argument;
	struct scene_call *call = &scene->calls[scene->call_count++];

	assert_true(scene->call_count <= SCENE_CALLS_MAX);
	call->method = request->method;
	call->path = mem_strdup(request->path);
	call->content_type = mem_strdup(request->content_type ? request->content_type : "");
	call->body = mem_strdup(request->body ? request->body : "");
	if (scene->before)
		scene->before(scene, request);
	return case_cluster_serve(&scene->cluster, request, body);
}

void scene_attach(struct scene *scene, struct kube_session *session)
{
	scene->session = scene->look.session = session;
}

int scene_setup(void **state)
{
	struct scene *scene = mem_zalloc(1, sizeof(*scene));

	assert_non_null(scene);
	assert_int_equal(case_cluster_init(&scene->cluster), STATUS_OK);
	scene->served = kube_session_open_served(serve, scene);
	scene_attach(scene, scene->served);
	clock_manual_init(&scene->clock, NOW_MS);
	event_init(&scene->event);
	scene->event.firing = true;
	scene->replicas_max = 50;
	*state = scene;
	return 0;
}

static void forget_calls(struct scene *scene)
{
	for (size_t i = 0; i < scene->call_count; i++) {
		mem_free(scene->calls[i].path);
		mem_free(scene->calls[i].content_type);
		mem_free(scene->calls[i].body);
	}
	scene->call_count = 0;
}

int scene_teardown(void **state)
{
	struct scene *scene = *state;

	forget_calls(scene);
	event_fini(&scene->event);
	playbooks_close(scene->playbooks);
	kube_session_close(scene->served);
	case_cluster_fini(&scene->cluster);
	mem_free(scene);
	return 0;
}

void scene_add(struct scene *scene, const char *manifest)
{
	char *text = mem_strdup(manifest);
	struct error error;
	json_t *object;

	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	object = json_loads(text, 0, NULL);
	if (object == NULL)
		fail_msg("no JSON: %s", text);
	if (case_cluster_apply(&scene->cluster, object, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	json_decref(object);
	mem_free(text);
}

json_t *scene_get(struct scene *scene, const char *path, ...)
{
	json_t *value = json_object_get(scene->cluster.objects, path);
	const char *name;
	va_list names;

	va_start(names, path);
	while ((name = va_arg(names, const char *)) != NULL)
		value = json_is_array(value)
			? json_array_get(value, (size_t)strtoull(name, NULL, 10))
			: json_object_get(value, name);
	va_end(names);
	return value;
}

/* ---- the playbook ---- */

static struct playbooks *read_playbook(const char *kind, const char *step, bool bare, char **said)
{
	struct guard_limits limits;
	struct playbooks *playbooks;
	struct diagnostics diagnostics;
	struct buf words;
	char text[2048];

	snprintf(text, sizeof(text),
		"playbook: p\ntrigger: {alert: ['alertname=\"A\"']}\ntarget: {kind: %s}\n"
		"%ssteps:\n- %s\n"
		"verify: {signal: saturation, is: below, value: 0.8}\n",
		kind, bare ? "" : "conditions: [{signal: saturation, is: below, value: 2}]\n",
		step);
	guard_limits_default(&limits);
	playbooks = playbooks_open(&limits);
	diagnostics_init(&diagnostics);
	(void)!playbooks_load_text(playbooks, "p.yaml", text, strlen(text), &diagnostics);
	buf_init(&words, 1 << 16);
	buf_add_text(&words, "");
	diagnostics_write(&diagnostics, &words);
	*said = buf_take(&words, NULL);
	diagnostics_fini(&diagnostics);
	return playbooks;
}

void scene_step(struct scene *scene, const char *kind, const char *step)
{
	char *said;

	playbooks_close(scene->playbooks);
	scene->playbooks = read_playbook(kind, step, false, &said);
	if (playbooks_count(scene->playbooks) != 1)
		fail_msg("%s", said ? said : "no playbook");
	mem_free(said);
	permissions_of(&scene->permissions, scene->playbooks);
	scene->cluster.permissions = &scene->permissions;
}

void scene_says(const char *kind, const char *step, bool bare, const char *part)
{
	char *said;
	struct playbooks *playbooks = read_playbook(kind, step, bare, &said);

	if (said == NULL)
		fail_msg("no memory for what is said of %s", step);
	else if (part ? !strstr(said, part) : *said != '\0')
		fail_msg("of %s was said: %s\nwanted: %s", step, said, part ? part : "(nothing)");
	mem_free(said);
	playbooks_close(playbooks);
}

/* ---- its way ---- */

static const struct playbook *playbook_of(const struct scene *scene)
{
	return playbooks_at(scene->playbooks, 0);
}

bool scene_try_look(struct scene *scene, enum target_kind kind, const char *name)
{
	struct target *target = &scene->target;

	*target = (struct target){.kind = kind};
	if (target_kind_namespaced(kind))
		snprintf(target->namespace_name, sizeof(target->namespace_name), "shop");
	snprintf(target->name, sizeof(target->name), "%s", name);
	target->looks = action_kind_looks(playbook_of(scene)->steps[0].action);
	scene->purpose = (struct purpose){.kind = playbook_of(scene)->steps[0].action,
		.options = playbook_of(scene)->steps[0].options};
	kube_observe(&scene->look, target, &scene->purpose, &scene->observation);
	*target = scene->observation.target;
	return scene->observation.error.code == STATUS_OK && scene->observation.found;
}

void scene_look(struct scene *scene, enum target_kind kind, const char *name)
{
	if (!scene_try_look(scene, kind, name))
		fail_msg("%s", scene->observation.error.text);
}

const char *scene_plan(struct scene *scene)
{
	struct plan_question question = {.playbook = playbook_of(scene),
		.step = &playbook_of(scene)->steps[0],
		.event = &scene->event,
		.target = &scene->target,
		.observation = &scene->observation,
		.signals = &scene->signals,
		.replicas_max = scene->replicas_max,
		.now_ms = NOW_MS,
		.reason = "",
		.resize_failed = scene->resize_failed};

	plan_make(&scene->plan, &question);
	return scene->plan.refusal.reason;
}

void scene_again(struct scene *scene, const char *id)
{
	struct target target = scene->target;

	target.uid[0] = target.resource_version[0] = '\0';
	snprintf(scene->purpose.action_id, sizeof(scene->purpose.action_id), "%s", id);
	kube_observe(&scene->look, &target, &scene->purpose, &scene->observation);
}

void scene_send(struct scene *scene, const char *id)
{
	plan_command(&scene->plan, &scene->target, &scene->command);
	snprintf(scene->command.action_id, sizeof(scene->command.action_id), "%s", id);
	kube_send(scene->session, &scene->clock.clock, &scene->command, &scene->result);
	scene_again(scene, id);
	if (scene->result.outcome == COMMAND_DONE)
		scene->done = scene->plan;
}

const char *scene_undo(struct scene *scene, const char *id)
{
	snprintf(scene->target.resource_version, sizeof(scene->target.resource_version), "%s",
		scene->observation.target.resource_version);
	plan_invert(&scene->plan, &scene->done, id, &scene->target, &scene->observation);
	return scene->plan.refusal.reason;
}

int scene_applied(const struct scene *scene, const char *id)
{
	return plan_applied(&scene->plan, &scene->target, id, &scene->observation);
}

struct gate_result scene_gate(const struct scene *scene, judge_fn *judge, bool undo)
{
	struct ledger ledger;
	struct ledger_entry entry = {.kind = scene->plan.kind};
	const struct guard_question question = {.now_ms = clock_now_ms(clock_system()),
		.limits = &playbook_of(scene)->guard,
		.undo = undo,
		.target = &scene->target,
		.observation = &scene->observation,
		.plan = &scene->plan,
		.ledger = &ledger,
		.entry = &entry};
	struct gate_result result = {.verdict = GATE_PASS};

	ledger_init(&ledger, 16);
	judge(&question, &result);
	ledger_fini(&ledger);
	return result;
}

const struct scene_call *scene_change(const struct scene *scene)
{
	for (size_t i = scene->call_count; i > 0; i--)
		if (scene->calls[i - 1].method != KUBE_GET)
			return &scene->calls[i - 1];
	return NULL;
}

size_t scene_changes(const struct scene *scene)
{
	size_t count = 0;

	for (size_t i = 0; i < scene->call_count; i++)
		count += scene->calls[i].method != KUBE_GET;
	return count;
}
