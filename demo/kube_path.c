/*
 * A path is cut at its slashes behind the root of a resource: [/namespaces/NS]/RESOURCE[/NAME[/PART]].
 */
#include "demo/kube_path.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"

#define CORE "/api/v1"
#define APPS "/apis/apps/v1"
#define ALL (VERB_CREATE | VERB_PATCH | VERB_DELETE)
#define PARTS_MAX 6

/* What no simulated controller makes is there as an empty list: nothing is known is no answer. */
static const struct kube_resource resources[] = {
	{CORE, "namespaces", "Namespace", false, 0, {NULL, NULL}},
	{CORE, "nodes", "Node", false, VERB_PATCH, {NULL, NULL}},
	{CORE, "pods", "Pod", true, VERB_PATCH | VERB_DELETE, {"eviction", "resize"}},
	{APPS, "deployments", "Deployment", true, VERB_PATCH, {"scale", NULL}},
	{APPS, "replicasets", "ReplicaSet", true, 0, {NULL, NULL}},
	{APPS, "statefulsets", "StatefulSet", true, 0, {NULL, NULL}},
	{APPS, "daemonsets", "DaemonSet", true, 0, {NULL, NULL}},
	{APPS, "controllerrevisions", "ControllerRevision", true, 0, {NULL, NULL}},
	{"/apis/autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, ALL,
		{NULL, NULL}},
	{"/apis/batch/v1", "jobs", "Job", true, ALL, {NULL, NULL}},
	{"/apis/batch/v1", "cronjobs", "CronJob", true, 0, {NULL, NULL}},
	{"/apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", true, ALL, {NULL, NULL}},
	{"/apis/coordination.k8s.io/v1", "leases", "Lease", true, ALL | VERB_REPLACE, {NULL, NULL}},
	{"/apis/events.k8s.io/v1", "events", "Event", true, ALL, {NULL, NULL}},
};

const struct kube_resource *kube_resource_at(size_t index)
{
	return index < ARRAY_COUNT(resources) ? &resources[index] : NULL;
}

const struct kube_resource *kube_resource_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(resources); i++)
		if (strcmp(resources[i].name, name) == 0)
			return &resources[i];
	return NULL;
}

const char *kube_resource_version_of(const struct kube_resource *resource)
{
	return resource->root + (strncmp(resource->root, "/apis/", 6) == 0 ? 6 : 5);
}

bool kube_key_write(char key[KUBE_KEY_MAX], const struct kube_resource *resource, const char *space,
	const char *name)
{
	int size = *space != '\0'
		? snprintf(key, KUBE_KEY_MAX, "%s/namespaces/%s/%s/%s", resource->root, space,
			  resource->name, name)
		: snprintf(key, KUBE_KEY_MAX, "%s/%s/%s", resource->root, resource->name, name);

	return size > 0 && size < KUBE_KEY_MAX;
}

/* ---- paths ---- */

struct cut {
	char text[KUBE_KEY_MAX];
	const char *parts[PARTS_MAX];
	size_t count;
};

/* False: there are too many parts, or an empty one. */
static bool cut_path(struct cut *cut, const char *path)
{
	int size = snprintf(cut->text, sizeof(cut->text), "%s", path);
	char *rest = cut->text;

	cut->count = 0;
	if (size < 0 || (size_t)size >= sizeof(cut->text))
		return false;
	while (rest != NULL) {
		char *slash = strchr(rest, '/');

		if (slash != NULL)
			*slash = '\0';
		if (*rest == '\0' || cut->count == PARTS_MAX)
			return false;
		cut->parts[cut->count++] = rest;
		rest = slash != NULL ? slash + 1 : NULL;
	}
	return true;
}

static bool is_part(const struct kube_resource *resource, const char *part)
{
	for (size_t i = 0; i < ARRAY_COUNT(resource->parts); i++)
		if (resource->parts[i] != NULL && strcmp(resource->parts[i], part) == 0)
			return true;
	return false;
}

/* rest: behind the root. */
static bool fits(struct kube_place *place, const struct kube_resource *resource, const char *rest)
{
	struct cut cut;
	size_t at = 0, left;

	if (*rest != '/' || !cut_path(&cut, rest + 1))
		return false;
	*place = (struct kube_place){.resource = resource};
	if (resource->namespaced && cut.count > 2 && strcmp(cut.parts[0], "namespaces") == 0) {
		if (strlen(cut.parts[1]) >= sizeof(place->space))
			return false;
		snprintf(place->space, sizeof(place->space), "%s", cut.parts[1]);
		at = 2;
	}
	left = cut.count - at;
	if (left == 0 || left > 3 || strcmp(cut.parts[at], resource->name) != 0)
		return false;
	/* An object of a namespace is not to be had without it. */
	if (left > 1 && resource->namespaced != (*place->space != '\0'))
		return false;
	if (left > 1 && strlen(cut.parts[at + 1]) >= sizeof(place->name))
		return false;
	if (left > 2 && !is_part(resource, cut.parts[at + 2]))
		return false;
	snprintf(place->name, sizeof(place->name), "%s", left > 1 ? cut.parts[at + 1] : "");
	snprintf(place->part, sizeof(place->part), "%s", left > 2 ? cut.parts[at + 2] : "");
	return *place->name == '\0' ||
		kube_key_write(place->key, resource, place->space, place->name);
}

bool kube_place_find(struct kube_place *place, const char *path)
{
	for (size_t i = 0; i < ARRAY_COUNT(resources); i++) {
		size_t size = strlen(resources[i].root);

		if (strncmp(path, resources[i].root, size) == 0 &&
			fits(place, &resources[i], path + size))
			return true;
	}
	return false;
}

/* ---- selectors ---- */

/* The value of a requirement's key, NULL: the object has none. */
typedef const char *value_fn(const json_t *object, const char *key);

static const char *field_of(const json_t *object, const char *key)
{
	static const char *const names[][2] = {{"metadata", "name"}, {"metadata", "namespace"},
		{"spec", "nodeName"}, {"status", "phase"}};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		char own[64];

		snprintf(own, sizeof(own), "%s.%s", names[i][0], names[i][1]);
		if (strcmp(own, key) == 0)
			return json_string_value(kube_get(object, names[i][0], names[i][1], NULL));
	}
	return NULL;
}

/* "a", "a=b", "a==b" or "a!=b". */
static bool holds(const char *words, size_t size, const json_t *object, value_fn *value_of)
{
	char text[320];
	char *sign, *wanted;
	const char *own;
	bool not ;

	snprintf(text, sizeof(text), "%.*s", (int)(size < 319 ? size : 319), words);
	sign = strpbrk(text, "!=");
	if (sign == NULL)
		return value_of(object, text) != NULL;
	not = *sign == '!';
	wanted = sign + 1 + (sign[1] == '=');
	*sign = '\0';
	own = value_of(object, text);
	return (own != NULL && strcmp(own, wanted) == 0) != not ;
}

static bool all_hold(const char *selector, const json_t *object, value_fn *value_of)
{
	while (selector != NULL && *selector != '\0') {
		size_t size = strcspn(selector, ",");

		if (!holds(selector, size, object, value_of))
			return false;
		selector += size + (selector[size] == ',');
	}
	return true;
}

bool kube_selected(const struct kube_selection *selection, const json_t *object)
{
	return all_hold(selection->labels, object, kube_label) &&
		all_hold(selection->fields, object, field_of);
}

bool kube_matches(const json_t *match_labels, const json_t *object)
{
	json_t *labels = (json_t *)match_labels, *value;
	const char *key;

	if (!json_is_object(match_labels))
		return false;
	json_object_foreach(labels, key, value)
	{
		const char *own = kube_label(object, key), *wanted = json_string_value(value);

		if (own == NULL || wanted == NULL || strcmp(own, wanted) != 0)
			return false;
	}
	return true;
}
