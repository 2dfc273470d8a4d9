/*
 * The discovery of a group's version is one list of resources (APIResourceList), subresources among
 * them by the name "rollouts/scale". Every authenticated user may read it.
 */
#include "remediations/kube_custom.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "remediations/kube_object.h"

#define FOUND_AGE_NS (60 * INT64_C(1000000000))

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* What the list says of the kind. */
static enum status search(const json_t *list, const struct custom_kind *custom, bool *scales,
	struct error *error)
{
	const json_t *resources = json_object_get(list, "resources"), *resource, *own = NULL;
	size_t i;

	*scales = false;
	json_array_foreach(resources, i, resource)
	{
		const char *name = text_of(resource, "name");

		*scales |= strcmp(name, custom->scale) == 0;
		if (strchr(name, '/') == NULL &&
			strcmp(text_of(resource, "kind"), custom->name) == 0)
			own = resource;
	}
	if (own == NULL)
		return error_set(error, STATUS_NOT_FOUND, "the server serves no %s", custom->words);
	if (strcmp(text_of(own, "name"), custom->resource) != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"the server serves %s as %.60s, not as %s: set target.resource",
			custom->words, text_of(own, "name"), custom->resource);
	if (!json_is_true(json_object_get(own, "namespaced")))
		return error_set(error, STATUS_BAD_INPUT, "a %s lives in no namespace",
			custom->words);
	return STATUS_OK;
}

enum status kube_custom_find(struct kube_look *look, enum target_kind kind, bool *scales,
	struct error *error)
{
	const struct custom_kind *custom = custom_kind_get(kind);
	struct custom_found *found = &look->customs[(unsigned)kind - TARGET_KIND_COUNT];
	int64_t now_ns = clock_mono_ns(clock_system());
	char path[API_VERSION_MAX + 8];
	enum status status;
	json_t *list;

	*scales = found->scales;
	if (found->until_ns > now_ns)
		return STATUS_OK;
	snprintf(path, sizeof(path), "/apis/%s", custom->api_version);
	status = kube_read(look->session, path, &list, error);
	if (status == STATUS_NOT_FOUND)
		return error_set(error, status, "the server serves no %s", custom->words);
	if (status != STATUS_OK)
		return error_prefix(error, "the API %s", custom->api_version);
	status = search(list, custom, scales, error);
	json_decref(list);
	found->scales = *scales;
	found->until_ns = status == STATUS_OK ? now_ns + FOUND_AGE_NS : 0;
	return status;
}

enum status kube_scale_read(struct kube_session *session, enum target_kind kind,
	const char *namespace_name, const char *name, json_t **scale, struct error *error)
{
	struct buf path;
	enum status status;

	*scale = NULL;
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, kind, namespace_name, name, error);
	buf_add_text(&path, "/scale");
	if (status == STATUS_OK && !buf_ok(&path))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	if (status == STATUS_OK)
		status = kube_read(session, path.data, scale, error);
	buf_fini(&path);
	return status;
}

enum status kube_custom_look(struct kube_look *look, struct observation *observation,
	struct error *error)
{
	const struct target *target = &observation->target;
	const json_t *replicas;
	json_t *scale;
	bool scales;
	enum status status = kube_custom_find(look, target->kind, &scales, error);

	if (status != STATUS_OK)
		return status;
	observation->no_scale = !scales;
	if (!scales)
		return STATUS_OK;
	status = kube_scale_read(look->session, target->kind, target->namespace_name, target->name,
		&scale, error);
	if (status != STATUS_OK)
		return error_prefix(error, "its scale");
	replicas = kube_get(scale, "spec", "replicas", NULL);
	/* The default of a field that is not sent is 0: somebody switched it off. */
	observation->replicas = kube_number(replicas, 0);
	observation->ready_replicas = kube_number(kube_get(scale, "status", "replicas", NULL), 0);
	json_decref(scale);
	return STATUS_OK;
}
