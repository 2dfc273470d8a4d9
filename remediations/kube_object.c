/*
 * Reading of objects. jansson's getters take NULL, so that a chain of them needs one test at its
 * end; what is of another type than expected reads as absent.
 */
#include "remediations/kube_object.h"

#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "remediations/kube_client.h"
#include "remediations/quantity.h"

struct kind_row {
	enum target_kind kind;
	const char *group_version; /* "v1" for the core group */
	const char *resource;
};

static const struct kind_row kinds[] = {
	{TARGET_DEPLOYMENT, "apps/v1", "deployments"},
	{TARGET_STATEFULSET, "apps/v1", "statefulsets"},
	{TARGET_DAEMONSET, "apps/v1", "daemonsets"},
	{TARGET_REPLICASET, "apps/v1", "replicasets"},
	{TARGET_POD, "v1", "pods"},
	{TARGET_NODE, "v1", "nodes"},
	{TARGET_JOB, "batch/v1", "jobs"},
	{TARGET_CRONJOB, "batch/v1", "cronjobs"},
	{TARGET_HPA, "autoscaling/v2", "horizontalpodautoscalers"},
	{TARGET_PVC, "v1", "persistentvolumeclaims"},
	{TARGET_SCALED_OBJECT, "keda.sh/v1alpha1", "scaledobjects"},
};

/* False for what is no object of the cluster. */
static bool find_kind(enum target_kind kind, struct kind_row *row)
{
	const struct custom_kind *custom = custom_kind_get(kind);

	if (custom != NULL) {
		*row = (struct kind_row){kind, custom->api_version, custom->resource};
		return true;
	}
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		if (kinds[i].kind != kind)
			continue;
		*row = kinds[i];
		return true;
	}
	return false;
}

const char *kube_group_version(enum target_kind kind)
{
	struct kind_row row;

	return find_kind(kind, &row) ? row.group_version : "";
}

enum status kube_object_path(struct buf *path, enum target_kind kind, const char *namespace_name,
	const char *name, struct error *error)
{
	struct kind_row row;

	if (!find_kind(kind, &row))
		return error_set(error, STATUS_UNSUPPORTED, "%s is no object of the cluster",
			target_kind_name(kind));
	if (!kube_name_valid(name))
		return error_set(error, STATUS_BAD_INPUT, "\"%.100s\" can be no name of a %s", name,
			target_kind_name(kind));
	buf_printf(path, "%s%s", strchr(row.group_version, '/') != NULL ? "/apis/" : "/api/",
		row.group_version);
	if (target_kind_namespaced(kind)) {
		if (!kube_name_valid(namespace_name) || strchr(namespace_name, '.') != NULL)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%.100s\" can be no name of a namespace", namespace_name);
		buf_add_text(path, "/namespaces");
		kube_path_add(path, namespace_name);
	}
	kube_path_add(path, row.resource);
	kube_path_add(path, name);
	return buf_ok(path) ? STATUS_OK
			    : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
}

json_t *kube_get(const json_t *object, ...)
{
	json_t *value = NULL;
	const char *name;
	va_list names;

	va_start(names, object);
	while ((name = va_arg(names, const char *)) != NULL) {
		value = json_object_get(object, name);
		object = value;
	}
	va_end(names);
	return value;
}

static const char *metadata_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(kube_get(object, "metadata", name, NULL));

	return text != NULL ? text : "";
}

const char *kube_uid(const json_t *object)
{
	return metadata_text(object, "uid");
}

const char *kube_resource_version(const json_t *object)
{
	return metadata_text(object, "resourceVersion");
}

bool kube_terminating(const json_t *object)
{
	return *metadata_text(object, "deletionTimestamp") != '\0';
}

const char *kube_annotation(const json_t *object, const char *name)
{
	return json_string_value(kube_get(object, "metadata", "annotations", name, NULL));
}

const char *kube_label(const json_t *object, const char *name)
{
	return json_string_value(kube_get(object, "metadata", "labels", name, NULL));
}

const json_t *kube_controller(const json_t *object)
{
	const json_t *owners = kube_get(object, "metadata", "ownerReferences", NULL);
	const json_t *owner;
	size_t i;

	json_array_foreach(owners, i, owner)
	{
		if (json_is_true(json_object_get(owner, "controller")))
			return owner;
	}
	return NULL;
}

enum kube_flag kube_annotation_flag(const json_t *object, const char *name)
{
	const char *value = kube_annotation(object, name);

	if (value == NULL)
		return kube_get(object, "metadata", "annotations", name, NULL) == NULL
			? KUBE_FLAG_ABSENT
			: KUBE_FLAG_UNCLEAR;
	if (strcmp(value, "true") == 0)
		return KUBE_FLAG_TRUE;
	return strcmp(value, "false") == 0 ? KUBE_FLAG_FALSE : KUBE_FLAG_UNCLEAR;
}

enum target_kind kube_kind(const char *kind, const char *api_version)
{
	const char *slash = api_version != NULL ? strchr(api_version, '/') : NULL;
	size_t group_size = slash != NULL ? (size_t)(slash - api_version) : 0;
	unsigned customs = custom_kind_count();

	if (kind == NULL || api_version == NULL)
		return TARGET_NONE;
	for (unsigned i = 0; i < customs; i++) {
		const struct custom_kind *row =
			custom_kind_get((enum target_kind)(TARGET_KIND_COUNT + i));

		if (strcmp(kind, row->name) == 0 && strlen(row->group) == group_size &&
			strncmp(api_version, row->group, group_size) == 0)
			return (enum target_kind)(TARGET_KIND_COUNT + i);
	}
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		const char *own = kinds[i].group_version, *own_slash = strchr(own, '/');
		size_t own_size = own_slash != NULL ? (size_t)(own_slash - own) : 0;

		if (strcmp(kind, target_kind_name(kinds[i].kind)) == 0 && group_size == own_size &&
			strncmp(api_version, own, own_size) == 0)
			return kinds[i].kind;
	}
	return TARGET_NONE;
}

int32_t kube_number(const json_t *value, int32_t fallback)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < INT32_MIN || number > INT32_MAX)
		return fallback;
	return (int32_t)number;
}

static const json_t *containers_of(const json_t *object, enum target_kind kind)
{
	const json_t *spec = json_object_get(object, "spec");

	if (kind == TARGET_CRONJOB)
		spec = kube_get(spec, "jobTemplate", "spec", NULL);
	if (kind != TARGET_POD)
		spec = kube_get(spec, "template", "spec", NULL);
	return json_object_get(spec, "containers");
}

const json_t *kube_container(const json_t *object, enum target_kind kind, const char *name)
{
	const json_t *containers = containers_of(object, kind);
	const json_t *container;
	size_t i;

	json_array_foreach(containers, i, container)
	{
		const char *found = json_string_value(json_object_get(container, "name"));

		if (*name == '\0' || (found != NULL && strcmp(found, name) == 0))
			return container;
	}
	return NULL;
}

const char *kube_only_container(const json_t *object, enum target_kind kind)
{
	const json_t *containers = containers_of(object, kind);

	if (json_array_size(containers) != 1)
		return NULL;
	return json_string_value(json_object_get(json_array_get(containers, 0), "name"));
}

/* A quantity is a text, but whole numbers may come as such. */
static enum status read_quantity(const json_t *value, bool milli, int64_t *result,
	struct error *error)
{
	const char *text = json_string_value(value);
	enum status status;

	*result = 0;
	if (value == NULL || json_is_null(value))
		return STATUS_OK;
	if (json_is_integer(value) && json_integer_value(value) < INT64_MAX / 1000 &&
		json_integer_value(value) >= 0) {
		*result = json_integer_value(value) * (milli ? 1000 : 1);
		return STATUS_OK;
	}
	status = text == NULL ? STATUS_BAD_INPUT
		: milli       ? quantity_parse_milli(text, result)
			      : quantity_parse(text, result);
	if (status != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "\"%.64s\" is no quantity",
			text != NULL ? text : "");
	return STATUS_OK;
}

static enum status read_resources(const json_t *resources, int64_t *memory_bytes,
	int64_t *cpu_milli, struct error *error)
{
	enum status status;

	*cpu_milli = 0;
	status = read_quantity(json_object_get(resources, "memory"), false, memory_bytes, error);
	if (status == STATUS_OK)
		status = read_quantity(json_object_get(resources, "cpu"), true, cpu_milli, error);
	return status;
}

enum status kube_limits(const json_t *container, int64_t *memory_bytes, int64_t *cpu_milli,
	struct error *error)
{
	return read_resources(kube_get(container, "resources", "limits", NULL), memory_bytes,
		cpu_milli, error);
}

enum status kube_requests(const json_t *container, int64_t *memory_bytes, int64_t *cpu_milli,
	struct error *error)
{
	return read_resources(kube_get(container, "resources", "requests", NULL), memory_bytes,
		cpu_milli, error);
}

static int add_piece(const char *bytes, size_t size, void *argument)
{
	buf_add(argument, bytes, size);
	return buf_ok(argument) ? 0 : -1;
}

char *kube_dump(const json_t *value, size_t max)
{
	struct buf text;

	buf_init(&text, max);
	if (value != NULL && json_dump_callback(value, add_piece, &text, JSON_COMPACT) == 0)
		return buf_take(&text, NULL);
	buf_fini(&text);
	return NULL;
}
