/*
 * managedFields is a list of managers, each with the set of fields that it holds as a tree of keys:
 * "f:name" for a field, k:{"name":"app"} for an element of a list (Kubernetes: structured-merge-diff,
 * FieldsV1). A write by Update takes a field from whoever had it; appliers may share one of equal value.
 */
#include "remediations/kube_managers.h"

#include <stdio.h>
#include <string.h>

#include "base/custom_kind.h"
#include "base/parse.h"
#include "remediations/kube_object.h"

/* The set of fields of a pod's spec within an object's set; NULL: none of it. */
static const json_t *pod_spec(const json_t *fields, enum target_kind kind)
{
	if (kind == TARGET_POD)
		return kube_get(fields, "f:spec", NULL);
	if (kind == TARGET_CRONJOB)
		return kube_get(fields, "f:spec", "f:jobTemplate", "f:spec", "f:template", "f:spec",
			NULL);
	return kube_get(fields, "f:spec", "f:template", "f:spec", NULL);
}

static bool holds_limits(const json_t *fields, enum target_kind kind, const char *container)
{
	json_t *containers = kube_get(pod_spec(fields, kind), "f:containers", NULL), *element;
	char wanted[OBJECT_NAME_MAX + 32];
	const char *key;

	snprintf(wanted, sizeof(wanted), "k:{\"name\":\"%s\"}", container);
	json_object_foreach(containers, key, element)
	{
		if (*container != '\0' && strcmp(key, wanted) != 0)
			continue;
		if (kube_get(element, "f:resources", "f:limits", NULL) != NULL ||
			kube_get(element, "f:resources", "f:requests", NULL) != NULL)
			return true;
	}
	return false;
}

/*
 * The member of the spec that the scale of an object writes. Of a custom resource only its definition
 * tells, but who wrote through the scale subresource left its name; where nobody did it is `replicas`,
 * and where there is none of that name any member may be it: NULL.
 */
static const char *replicas_member(const json_t *object, enum target_kind kind)
{
	const json_t *list = kube_get(object, "metadata", "managedFields", NULL), *entry;
	const char *found = NULL;
	size_t i;

	if (custom_kind_get(kind) == NULL)
		return "f:replicas";
	json_array_foreach(list, i, entry)
	{
		const char *subresource = json_string_value(json_object_get(entry, "subresource"));
		json_t *spec = kube_get(entry, "fieldsV1", "f:spec", NULL);

		if (subresource != NULL && strcmp(subresource, "scale") == 0 &&
			json_object_size(spec) == 1)
			return json_object_iter_key(json_object_iter(spec));
		if (json_object_get(spec, "f:replicas") != NULL)
			found = "f:replicas";
	}
	return found;
}

static bool holds_replicas(const json_t *fields, const char *member)
{
	const json_t *spec = kube_get(fields, "f:spec", NULL);

	return member != NULL ? json_object_get(spec, member) != NULL : spec != NULL;
}

/* name: the container, or the member of the spec that the replicas are. */
static bool holds(const json_t *fields, enum target_kind kind, enum kube_written field,
	const char *name)
{
	switch (field) {
	case KUBE_WRITTEN_REPLICAS:
		return holds_replicas(fields, name);
	case KUBE_WRITTEN_UNSCHEDULABLE:
		return kube_get(fields, "f:spec", "f:unschedulable", NULL) != NULL;
	case KUBE_WRITTEN_PAUSED:
		return kube_get(fields, "f:spec", "f:paused", NULL) != NULL;
	case KUBE_WRITTEN_BOUNDS:
		return kube_get(fields, "f:spec", "f:minReplicas", NULL) != NULL ||
			kube_get(fields, "f:spec", "f:maxReplicas", NULL) != NULL ||
			kube_get(fields, "f:spec", "f:minReplicaCount", NULL) != NULL ||
			kube_get(fields, "f:spec", "f:maxReplicaCount", NULL) != NULL;
	case KUBE_WRITTEN_LIMITS:
		return holds_limits(fields, kind, name);
	}
	return false;
}

/* What people write by hand with; kubectl's apply and create set what a file or a pipeline says. */
static bool by_hand(const char *manager, bool applied)
{
	static const char *const pipelines[] = {"kubectl-client-side-apply", "kubectl-create",
		"kubectl-last-applied"};
	static const char *const tools[] = {"kubectl", "k9s", "Lens", "Mozilla", "dashboard", "oc"};

	for (size_t i = 0; i < sizeof(pipelines) / sizeof(pipelines[0]); i++)
		if (strcmp(manager, pipelines[i]) == 0)
			return false;
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		size_t size = strlen(tools[i]);

		if (strncmp(manager, tools[i], size) == 0 &&
			(manager[size] == '\0' || manager[size] == '-'))
			return !applied;
	}
	return false;
}

void kube_field_writer(const json_t *object, enum target_kind kind, enum kube_written field,
	const char *container, struct field_writer *writer)
{
	const json_t *list = kube_get(object, "metadata", "managedFields", NULL), *entry;
	const char *name =
		field == KUBE_WRITTEN_REPLICAS ? replicas_member(object, kind) : container;
	size_t i;

	*writer = (struct field_writer){.manager = "", .untold = json_array_size(list) == 0};
	json_array_foreach(list, i, entry)
	{
		const char *manager = json_string_value(json_object_get(entry, "manager"));
		const char *operation = json_string_value(json_object_get(entry, "operation"));
		const char *time = json_string_value(json_object_get(entry, "time"));
		int64_t time_ms = 0;

		if (manager == NULL ||
			!holds(json_object_get(entry, "fieldsV1"), kind, field, name))
			continue;
		if (time != NULL && parse_rfc3339(time, &time_ms) != STATUS_OK)
			time_ms = 0;
		if (*writer->manager != '\0' && time_ms < writer->time_ms)
			continue;
		/* One that is cut is still another than we. */
		snprintf(writer->manager, sizeof(writer->manager), "%.60s",
			*manager != '\0' ? manager : "(no name)");
		writer->time_ms = time_ms;
		writer->by_hand =
			by_hand(manager, operation != NULL && strcmp(operation, "Apply") == 0);
	}
}
