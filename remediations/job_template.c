/*
 * A manifest is walked twice: as YAML for what is wrong with it, with an explicit stack, and as JSON when
 * it is filled. What the template must not say (name, namespace, selector) is set by the action.
 */
#include "remediations/job_template.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/kube_object.h"
#include "remediations/playbook.h"

#define DEPTH_MAX 34
#define VALUE_MAX 4096

/* ---- from YAML ---- */

struct walk {
	const struct yaml_reader *at;
	struct buf json;
	const struct yaml_node *nodes[DEPTH_MAX];
	size_t next[DEPTH_MAX];
	size_t depth;
};

/* Whether a scalar below the walk's top is spec.template.spec.containers[].env[].value: root, spec,
 * template, spec, the list of containers, one of them, the list env, one of it. */
static bool is_env_value(const struct walk *walk, const struct yaml_node *scalar)
{
	static const char *const path[] = {NULL, "spec", "template", "spec", "containers", NULL,
		"env", NULL};

	if (walk->depth != ARRAY_COUNT(path) || scalar->key == NULL ||
		strcmp(scalar->key, "value") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(path); i++) {
		const char *key = walk->nodes[i]->key;

		if (path[i] == NULL)
			continue;
		if (key == NULL)
			return false;
		if (strcmp(key, path[i]) != 0 && (i != 4 || strcmp(key, "initContainers") != 0))
			return false;
	}
	return true;
}

static bool is_number(const char *text)
{
	const char *at = text + (*text == '-');
	double value;

	return isdigit((unsigned char)*at) && (*at != '0' || !isdigit((unsigned char)at[1])) &&
		at[strlen(at) - 1] != '.' && strspn(at, "0123456789.eE+-") == strlen(at) &&
		parse_double(text, &value) == STATUS_OK;
}

static void add_scalar(struct walk *walk, const struct yaml_node *node)
{
	char message[128];

	if (strstr(node->text, "{{") != NULL) {
		if (!is_env_value(walk, node))
			yaml_report(walk->at, node,
				"{{ }} may stand in values of env only, where a label is data");
		else if (!template_check(node->text, message, sizeof(message)))
			yaml_report(walk->at, node, "%s", message);
	}
	if (!node->quoted &&
		(strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0 ||
			is_number(node->text)))
		buf_add_text(&walk->json, node->text);
	else
		buf_add_json_string(&walk->json, node->text, node->text_size);
}

static void push(struct walk *walk, const struct yaml_node *node)
{
	buf_add_char(&walk->json, node->kind == YAML_MAP ? '{' : '[');
	walk->nodes[walk->depth] = node;
	walk->next[walk->depth++] = 0;
}

/* One child of the container on top, or its end. */
static void step(struct walk *walk)
{
	const struct yaml_node *top = walk->nodes[walk->depth - 1], *child;
	size_t i = walk->next[walk->depth - 1]++;

	if (i == top->child_count) {
		buf_add_char(&walk->json, top->kind == YAML_MAP ? '}' : ']');
		walk->depth--;
		return;
	}
	child = top->children[i];
	if (i > 0)
		buf_add_char(&walk->json, ',');
	if (top->kind == YAML_MAP) {
		buf_add_json_string(&walk->json, child->key, strlen(child->key));
		buf_add_char(&walk->json, ':');
	}
	if (child->kind == YAML_SCALAR)
		add_scalar(walk, child);
	else if (child->kind == YAML_NULL)
		buf_add_text(&walk->json, "null");
	else if (walk->depth == DEPTH_MAX)
		yaml_report(walk->at, child, "it is nested too deep");
	else
		push(walk, child);
}

static bool is_text(const struct yaml_node *map, const char *key, const char *wanted)
{
	const struct yaml_node *node = yaml_get(map, key);

	return node != NULL && node->kind == YAML_SCALAR && strcmp(node->text, wanted) == 0;
}

/* Keys that the action sets itself. */
static void refuse_keys(const struct yaml_reader *at, const struct yaml_node *map,
	const char *const *keys, const char *why)
{
	for (; *keys != NULL; keys++)
		if (yaml_get(map, *keys) != NULL)
			yaml_report(at, yaml_get(map, *keys), "%s: %s", *keys, why);
}

static void check_containers(const struct yaml_reader *at, const struct yaml_node *spec)
{
	const struct yaml_node *list = yaml_get(spec, "containers");
	const char *text;

	if (list == NULL || list->kind != YAML_LIST || list->child_count == 0) {
		yaml_report(at, list != NULL ? list : spec, "a Job needs a list of containers");
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		if (list->children[i]->kind != YAML_MAP) {
			yaml_report(at, list->children[i], "a container is a map");
			continue;
		}
		yaml_read_text(at, list->children[i], "name", true, &text);
		yaml_read_text(at, list->children[i], "image", true, &text);
	}
}

static void check_manifest(const struct yaml_reader *at, const struct yaml_node *manifest,
	int64_t *time_s)
{
	static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
	static const char *const named[] = {"name", "generateName", "namespace", "ownerReferences",
		"finalizers", NULL};
	static const char *const selected[] = {"selector", "manualSelector", "suspend", NULL};
	const struct yaml_node *spec = yaml_get(manifest, "spec");
	const struct yaml_node *pod = yaml_get(yaml_get(spec, "template"), "spec");
	int64_t ttl_s;

	yaml_check_keys(at, manifest, known);
	if (!is_text(manifest, "apiVersion", "batch/v1") || !is_text(manifest, "kind", "Job"))
		yaml_report(at, manifest, "a template begins with apiVersion: batch/v1, kind: Job");
	refuse_keys(at, yaml_get(manifest, "metadata"), named,
		"the action names its Job, in the target's namespace");
	refuse_keys(at, spec, selected, "a Job of an action has none");
	if (spec == NULL || spec->kind != YAML_MAP || pod == NULL || pod->kind != YAML_MAP) {
		yaml_report(at, spec != NULL ? spec : manifest,
			"a Job needs spec.template.spec with its containers");
		return;
	}
	yaml_read_int(at, spec, "activeDeadlineSeconds", true, 1, JOB_TIME_MAX_S, time_s);
	yaml_read_int(at, spec, "ttlSecondsAfterFinished", true, JOB_TTL_MIN_S, JOB_TTL_MAX_S,
		&ttl_s);
	if (!is_text(pod, "restartPolicy", "Never") && !is_text(pod, "restartPolicy", "OnFailure"))
		yaml_report(at,
			yaml_get(pod, "restartPolicy") ? yaml_get(pod, "restartPolicy") : pod,
			"restartPolicy of a Job is Never or OnFailure");
	check_containers(at, pod);
}

char *job_template_read(const struct yaml_reader *at, const struct yaml_node *manifest,
	int64_t *time_s)
{
	size_t errors = at->diagnostics->errors;
	struct walk walk = {.at = at};
	char *text;

	if (manifest->kind != YAML_MAP) {
		yaml_report(at, manifest, "a Job's manifest is a map");
		return NULL;
	}
	check_manifest(at, manifest, time_s);
	buf_init(&walk.json, JOB_TEMPLATE_MAX);
	push(&walk, manifest);
	while (walk.depth > 0)
		step(&walk);
	text = buf_take(&walk.json, NULL);
	if (text == NULL)
		yaml_report(at, manifest, "a template has at most %u bytes", JOB_TEMPLATE_MAX);
	if (at->diagnostics->errors == errors)
		return text;
	mem_free(text);
	return NULL;
}

char *job_template_read_file(const struct yaml_reader *at, const struct yaml_node *node,
	const char *path, int64_t *time_s)
{
	const char *slash = strrchr(at->file, '/');
	struct yaml_document *document;
	struct yaml_reader other;
	char full[4096], *text;
	int size = snprintf(full, sizeof(full), "%.*s%s",
		*path == '/' || slash == NULL ? 0 : (int)(slash - at->file) + 1, at->file, path);

	if (size < 0 || (size_t)size >= sizeof(full)) {
		yaml_report(at, node, "the path is too long");
		return NULL;
	}
	document = yaml_open_file(full, at->diagnostics);
	if (document == NULL)
		return NULL;
	other = (struct yaml_reader){yaml_file(document), at->diagnostics};
	text = job_template_read(&other, yaml_root(document), time_s);
	yaml_close(document);
	return text;
}

/* ---- filled ---- */

void job_name(const char *action_id, char *name, size_t size)
{
	snprintf(name, size < 64 ? size : 64, "ng-%s", action_id);
}

static json_t *part(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (!json_is_object(value)) {
		json_object_set_new(object, name, json_object());
		value = json_object_get(object, name);
	}
	return value;
}

static bool mark(json_t *metadata, const char *action_id)
{
	json_t *labels = part(metadata, "labels");

	return json_object_set_new(labels, JOB_LABEL_OWNER, json_string("nimbusguard")) == 0 &&
		json_object_set_new(labels, JOB_LABEL_ACTION, json_string(action_id)) == 0;
}

static bool fill_container(json_t *container, const struct job_filling *filling)
{
	json_t *list = json_object_get(container, "env"), *variable;
	char value[VALUE_MAX];
	size_t i;

	json_array_foreach(list, i, variable)
	{
		const char *text = json_string_value(json_object_get(variable, "value"));

		if (text == NULL || strstr(text, "{{") == NULL)
			continue;
		template_fill(text, filling->event, filling->target, filling->playbook,
			filling->reason, value, sizeof(value));
		if (json_object_set_new(variable, "value", json_string(value)) != 0)
			return false;
	}
	return true;
}

static bool fill(json_t *job, const struct job_filling *filling)
{
	static const char *const lists[] = {"containers", "initContainers"};
	json_t *template_object = kube_get(job, "spec", "template", NULL), *container;
	json_t *metadata = part(job, "metadata");
	char name[64];
	size_t i;

	job_name(filling->action_id, name, sizeof(name));
	if (json_object_set_new(metadata, "name", json_string(name)) != 0 ||
		json_object_set_new(metadata, "namespace", json_string(filling->namespace_name)) !=
			0 ||
		!mark(metadata, filling->action_id) ||
		!mark(part(template_object, "metadata"), filling->action_id))
		return false;
	for (size_t list = 0; list < ARRAY_COUNT(lists); list++) {
		json_t *all = kube_get(template_object, "spec", lists[list], NULL);

		json_array_foreach(all, i, container)
		{
			if (!fill_container(container, filling))
				return false;
		}
	}
	return true;
}

static int add_piece(const char *bytes, size_t size, void *argument)
{
	buf_add(argument, bytes, size);
	return buf_ok(argument) ? 0 : -1;
}

char *job_template_fill(const char *json, const struct job_filling *filling)
{
	json_t *job = json_loads(json, 0, NULL);
	struct buf text;

	buf_init(&text, 4 * JOB_TEMPLATE_MAX);
	if (!json_is_object(job) || !fill(job, filling) ||
		json_dump_callback(job, add_piece, &text, JSON_COMPACT) != 0)
		text.failed = true;
	json_decref(job);
	if (buf_ok(&text))
		return buf_take(&text, NULL);
	buf_fini(&text);
	return NULL;
}

/* ---- its state ---- */

static const json_t *condition(const json_t *job, const char *type)
{
	const json_t *list = kube_get(job, "status", "conditions", NULL), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "type"));
		const char *status = json_string_value(json_object_get(one, "status"));

		if (name != NULL && status != NULL && strcmp(name, type) == 0 &&
			strcmp(status, "True") == 0)
			return one;
	}
	return NULL;
}

static const char *text_or(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && *text != '\0' ? text : otherwise;
}

enum job_state job_judge(const json_t *job, const char *action_id, char *words, size_t size)
{
	const char *label = kube_label(job, JOB_LABEL_ACTION);
	const json_t *failed = condition(job, "Failed");

	snprintf(words, size, "%s", "");
	if (label == NULL || strcmp(label, action_id) != 0)
		return JOB_FOREIGN;
	if (condition(job, "Complete") != NULL)
		return JOB_COMPLETE;
	if (failed != NULL) {
		snprintf(words, size, "%.40s: %.150s", text_or(failed, "reason", "failed"),
			text_or(failed, "message", "no reason is told"));
		return JOB_FAILED;
	}
	snprintf(words, size, "%d pods active, %d failed",
		(int)kube_number(kube_get(job, "status", "active", NULL), 0),
		(int)kube_number(kube_get(job, "status", "failed", NULL), 0));
	return JOB_RUNS;
}
