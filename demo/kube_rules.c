/*
 * One function a kind. A message begins with the field, as a server's does.
 */
#include "demo/kube_rules.h"

#include <inttypes.h>
#include <string.h>

#include "analyzers/plant.h"
#include "base/check.h"
#include "remediations/kube_object.h"
#include "remediations/quantity.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static bool wrong(struct error *error, const char *words)
{
	error_set(error, STATUS_BAD_INPUT, "%s", words);
	return false;
}

/* ---- resources of containers ---- */

/* In thousandths, so that cores and bytes are the same; 0: there is none. */
static bool read_amount(const json_t *resources, const char *part, const char *name,
	int64_t *amount, struct error *error)
{
	const json_t *value = kube_get(resources, part, name, NULL);

	*amount = 0;
	if (value == NULL)
		return true;
	if (json_is_string(value) &&
		quantity_parse_milli(json_string_value(value), amount) == STATUS_OK && *amount >= 0)
		return true;
	error_set(error, STATUS_BAD_INPUT, "resources.%s.%s: is no quantity", part, name);
	return false;
}

static bool check_resources(const json_t *resources, struct error *error)
{
	static const char *const names[] = {"cpu", "memory"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		int64_t limit, request;

		if (!read_amount(resources, "limits", names[i], &limit, error) ||
			!read_amount(resources, "requests", names[i], &request, error))
			return false;
		if (limit > 0 && request > limit) {
			error_set(error, STATUS_BAD_INPUT,
				"resources.requests.%s: must be less than or equal to %s limit",
				names[i], names[i]);
			return false;
		}
	}
	return true;
}

static bool check_containers(const json_t *spec, struct error *error)
{
	const json_t *list = json_object_get(spec, "containers"), *container;
	size_t i;

	if (json_array_size(list) == 0)
		return wrong(error, "spec.template.spec.containers: Required value");
	json_array_foreach(list, i, container)
	{
		if (*text_of(container, "name") == '\0' || *text_of(container, "image") == '\0')
			return wrong(error, "containers: name and image are required");
		if (!check_resources(json_object_get(container, "resources"), error))
			return false;
	}
	return true;
}

/* ---- kinds ---- */

static bool check_deployment(const json_t *before, const json_t *after, struct error *error)
{
	const json_t *replicas = kube_get(after, "spec", "replicas", NULL);

	if (!json_is_integer(replicas) || json_integer_value(replicas) < 0 ||
		json_integer_value(replicas) > PLANT_PODS_MAX)
		return wrong(error, "spec.replicas: must be between 0 and 256");
	if (before != NULL &&
		!json_equal(kube_get(before, "spec", "selector", NULL),
			kube_get(after, "spec", "selector", NULL)))
		return wrong(error, "spec.selector: field is immutable");
	if (!kube_matches(kube_get(after, "spec", "selector", "matchLabels", NULL),
		    kube_get(after, "spec", "template", NULL)))
		return wrong(error, "spec.template.metadata.labels: selector does not match");
	return check_containers(kube_get(after, "spec", "template", "spec", NULL), error);
}

/* Guaranteed (2): limits and requests of all containers are there and the same; BestEffort (0): there
 * are none; else Burstable (1). */
static int class_of(const json_t *pod)
{
	static const char *const names[] = {"cpu", "memory"};
	const json_t *container;
	bool none = true, same = true;
	size_t i;

	json_array_foreach(kube_get(pod, "spec", "containers", NULL), i, container)
	{
		const json_t *resources = json_object_get(container, "resources");

		for (size_t k = 0; k < ARRAY_COUNT(names); k++) {
			struct error error;
			int64_t limit = 0, request = 0;

			(void)read_amount(resources, "limits", names[k], &limit, &error);
			(void)read_amount(resources, "requests", names[k], &request, &error);
			none = none && limit == 0 && request == 0;
			same = same && limit > 0 && limit == request;
		}
	}
	return none ? 0 : same ? 2 : 1;
}

/* Without what a resize may change. */
static json_t *frozen(const json_t *pod, bool resize)
{
	json_t *spec = json_deep_copy(json_object_get(pod, "spec")), *container;
	size_t i;

	json_array_foreach(json_object_get(spec, "containers"), i, container)
	{
		if (resize)
			json_object_del(container, "resources");
	}
	return spec;
}

static bool check_pod(const struct kube_place *place, const json_t *before, const json_t *after,
	struct error *error)
{
	bool resize = strcmp(place->part, "resize") == 0;
	json_t *was = frozen(before, resize), *is = frozen(after, resize);
	bool same = json_equal(was, is);

	json_decref(was);
	json_decref(is);
	if (!same)
		return wrong(error,
			resize ? "spec: only the resources of containers can be resized"
			       : "spec: pod updates may not change fields of a running pod");
	if (resize && class_of(before) != class_of(after))
		return wrong(error,
			"metadata: Pod QOS Class may not change as a result of resizing");
	return check_containers(json_object_get(after, "spec"), error);
}

static bool check_autoscaler(const json_t *object, struct error *error)
{
	int32_t most = kube_number(kube_get(object, "spec", "maxReplicas", NULL), 0);
	int32_t least = kube_number(kube_get(object, "spec", "minReplicas", NULL), 1);

	if (least < 1)
		return wrong(error, "spec.minReplicas: must be greater than or equal to 1");
	if (most < least)
		return wrong(error,
			"spec.maxReplicas: must be greater than or equal to `minReplicas`");
	return true;
}

/* One of the two, and no more. */
static bool check_budget(const json_t *object, struct error *error)
{
	const json_t *spec = json_object_get(object, "spec");

	if ((json_object_get(spec, "minAvailable") != NULL) ==
		(json_object_get(spec, "maxUnavailable") != NULL))
		return wrong(error, "spec: one of minAvailable and maxUnavailable is required");
	return true;
}

static bool check_event(const json_t *event, struct error *error)
{
	static const char *const names[] = {"eventTime", "reportingController", "reportingInstance",
		"action", "reason", "type"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (*text_of(event, names[i]) != '\0')
			continue;
		error_set(error, STATUS_BAD_INPUT, "%s: Required value", names[i]);
		return false;
	}
	return true;
}

bool kube_rules_hold(const struct kube_place *place, const json_t *before, const json_t *after,
	struct error *error)
{
	const char *kind = place->resource->kind;

	if (strcmp(kind, "Deployment") == 0)
		return check_deployment(before, after, error);
	if (strcmp(kind, "Pod") == 0)
		return check_pod(place, before, after, error);
	if (strcmp(kind, "HorizontalPodAutoscaler") == 0)
		return check_autoscaler(after, error);
	if (strcmp(kind, "PodDisruptionBudget") == 0)
		return check_budget(after, error);
	if (strcmp(kind, "Event") == 0 && before == NULL)
		return check_event(after, error);
	return true;
}
