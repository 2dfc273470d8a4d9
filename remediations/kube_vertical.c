/*
 * The list of the namespace is read whole, page by page, until one is found that owns the workload. Its
 * mode is spec.updatePolicy.updateMode: absent it is Auto, and every word but Off, ones that came after
 * this was written too, means that it sets something sometime.
 */
#include "remediations/kube_vertical.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "remediations/kube_list.h"
#include "remediations/kube_object.h"

#define GROUP_AGE_NS (300 * INT64_C(1000000000))

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* Whether the cluster has the API group. */
static enum status find_group(struct kube_look *look, struct error *error)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	json_t *group;
	enum status status;

	if (look->vertical_until_ns > now_ns)
		return STATUS_OK;
	status = kube_read(look->session, "/apis/" KUBE_VERTICAL_GROUP, &group, error);
	json_decref(group);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return error_prefix(error, "the API group " KUBE_VERTICAL_GROUP);
	error_reset(error);
	look->vertical = status == STATUS_OK;
	look->vertical_until_ns = now_ns + GROUP_AGE_NS;
	return STATUS_OK;
}

/* Whether it targets the workload at the top, or the owner above it that we do not know. */
static bool targets(const json_t *reference, const struct observation *observation)
{
	const struct workload_key *workload = &observation->target.workload;
	const char *kind = text_of(reference, "kind"), *name = text_of(reference, "name");
	char words[sizeof(observation->owner_of_replicas)];

	if (workload->kind != TARGET_NONE && strcmp(name, workload->name) == 0 &&
		kube_kind(kind, text_of(reference, "apiVersion")) == workload->kind)
		return true;
	snprintf(words, sizeof(words), "%.30s/%.30s", kind, name);
	return *name != '\0' && strcmp(words, observation->owner_of_replicas) == 0;
}

static enum status note_owner(void *argument, const json_t *list, bool *enough, struct error *error)
{
	struct observation *observation = argument;
	const json_t *item;
	size_t i;

	(void)error;
	json_array_foreach(json_object_get(list, "items"), i, item)
	{
		const char *mode = json_string_value(
			kube_get(item, "spec", "updatePolicy", "updateMode", NULL));

		if (mode == NULL)
			mode = "Auto";
		if (strcmp(mode, "Off") == 0 ||
			!targets(kube_get(item, "spec", "targetRef", NULL), observation))
			continue;
		snprintf(observation->owner_of_resources, sizeof(observation->owner_of_resources),
			"VerticalPodAutoscaler/%.40s, mode %.20s",
			text_of(json_object_get(item, "metadata"), "name"), mode);
		*enough = true;
		break;
	}
	return STATUS_OK;
}

enum status kube_vertical_look(struct kube_look *look, struct observation *observation,
	struct error *error)
{
	struct buf path;
	enum status status = find_group(look, error);

	if (status != STATUS_OK || !look->vertical)
		return status;
	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/apis/" KUBE_VERTICAL_GROUP "/v1/namespaces");
	kube_path_add(&path, observation->target.namespace_name);
	buf_add_text(&path, "/verticalpodautoscalers?limit=500");
	status = buf_ok(&path) ? kube_list_read(look->session, path.data, "verticalpodautoscalers",
					 note_owner, observation, error)
			       : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status;
}
