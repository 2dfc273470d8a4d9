/*
 * What an observation tells beyond the usual, for actions that ask for it: the autoscaler's bounds,
 * the revisions.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#include "remediations/actions/shapes.h"
#include "remediations/floor.h"
#include "remediations/kube_list.h"
#include "remediations/kube_managers.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_revisions.h"
#include "remediations/kube_vertical.h"

#define RESIZE_AGE_NS (300 * INT64_C(1000000000))

/* The defaults are the API's own: HPA v2 and KEDA's ScaledObject. */
static void read_bounds(struct autoscaler_seen *seen, const json_t *spec)
{
	bool hpa = seen->object.kind == TARGET_HPA;

	seen->replicas_min =
		kube_number(json_object_get(spec, hpa ? "minReplicas" : "minReplicaCount"), hpa);
	seen->replicas_max =
		kube_number(json_object_get(spec, hpa ? "maxReplicas" : "maxReplicaCount"),
			hpa ? 1 : 100);
}

/* KEDA's own marks hold the replicas or one direction; any value but "false" is one. */
static bool is_paused(const json_t *object)
{
	static const char *const marks[] = {"autoscaling.keda.sh/paused",
		"autoscaling.keda.sh/paused-replicas", "autoscaling.keda.sh/paused-scale-in",
		"autoscaling.keda.sh/paused-scale-out"};
	enum kube_flag own = kube_annotation_flag(object, ANNOTATION_PAUSED);

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		enum kube_flag flag = kube_annotation_flag(object, marks[i]);

		if (flag != KUBE_FLAG_ABSENT && flag != KUBE_FLAG_FALSE)
			return true;
	}
	return own == KUBE_FLAG_TRUE || own == KUBE_FLAG_UNCLEAR;
}

static enum status read_autoscaler(struct kube_look *look, struct observation *observation,
	struct error *error)
{
	struct autoscaler_seen *seen = &observation->autoscaler;
	const char *key;
	json_t *object = NULL;
	struct buf path;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, seen->object.kind, observation->target.namespace_name,
		seen->object.name, error);
	if (status == STATUS_OK)
		status = kube_read(look->session, path.data, &object, error);
	buf_fini(&path);
	if (status != STATUS_OK)
		return error_prefix(error, "%s", observation->owner_of_replicas);
	if (strlen(kube_uid(object)) >= sizeof(seen->object.uid) ||
		strlen(kube_resource_version(object)) >= sizeof(seen->object.resource_version)) {
		json_decref(object);
		return error_set(error, STATUS_LIMIT, "%s: its uid or version is too long",
			observation->owner_of_replicas);
	}
	snprintf(seen->object.uid, sizeof(seen->object.uid), "%s", kube_uid(object));
	snprintf(seen->object.resource_version, sizeof(seen->object.resource_version), "%s",
		kube_resource_version(object));
	key = kube_annotation(object, ANNOTATION_ACTION);
	if (key != NULL && strlen(key) < sizeof(seen->action_key))
		memcpy(seen->action_key, key, strlen(key) + 1);
	read_bounds(seen, json_object_get(object, "spec"));
	seen->paused = is_paused(object);
	if (floor_read(object, &seen->floor) != FLOOR_MARKED ||
		seen->floor.floor != seen->replicas_min)
		seen->floor = (struct floor_mark){0};
	kube_git_owner(object, seen->object.kind, seen->git_owner, sizeof(seen->git_owner));
	kube_field_writer(object, seen->object.kind, KUBE_WRITTEN_BOUNDS, "", &seen->writer);
	seen->looked = true;
	json_decref(object);
	return STATUS_OK;
}

static enum status read_revisions(struct kube_look *look, const json_t *target,
	struct observation *observation, struct error *error)
{
	struct kube_revisions revisions;
	enum status status = kube_revisions_read(look->session, target, observation->target.kind, 0,
		&revisions, error);

	if (status != STATUS_OK)
		return status;
	observation->revision = revisions.newest;
	observation->previous_revision = revisions.previous;
	kube_revisions_fini(&revisions);
	return STATUS_OK;
}

/* Whether the server has the subresource: it came with Kubernetes 1.33. */
static enum status find_resize(struct kube_look *look, struct error *error)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	json_t *group, *resource;
	enum status status;
	size_t i;

	if (look->resize_until_ns > now_ns)
		return STATUS_OK;
	status = kube_read(look->session, "/api/v1", &group, error);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return error_prefix(error, "what the server has");
	look->resize = false;
	json_array_foreach(json_object_get(group, "resources"), i, resource)
	{
		const char *name = json_string_value(json_object_get(resource, "name"));

		look->resize |= name != NULL && strcmp(name, "pods/resize") == 0;
	}
	look->resize_until_ns = now_ns + RESIZE_AGE_NS;
	json_decref(group);
	return STATUS_OK;
}

static enum status count_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	struct observation *observation = argument;
	json_t *node;
	size_t i;

	(void)enough;
	(void)error;
	json_array_foreach(json_object_get(list, "items"), i, node)
	{
		observation->nodes++;
		observation->nodes_cordoned +=
			json_is_true(kube_get(node, "spec", "unschedulable", NULL)) &&
			cordoned_by_us(node, NULL);
	}
	return STATUS_OK;
}

/* All nodes, for the share of them that is cordoned by us. */
static enum status count_nodes(struct kube_look *look, struct observation *observation,
	struct error *error)
{
	return kube_list_read(look->session, "/api/v1/nodes?limit=100", "nodes", count_page,
		observation, error);
}

enum status kube_look_further(struct kube_look *look, const json_t *target, const json_t *top,
	struct observation *observation, struct error *error)
{
	unsigned looks = observation->target.looks;
	enum status status = STATUS_OK;

	(void)top;
	if ((looks & LOOK_AUTOSCALER) != 0 && observation->autoscaler.object.kind != TARGET_NONE)
		status = read_autoscaler(look, observation, error);
	if (status == STATUS_OK && (looks & LOOK_RESIZE) != 0 &&
		(TARGET_BIT(observation->target.kind) &
			(TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD))) != 0) {
		status = find_resize(look, error);
		observation->resizes = look->resize;
	}
	if (status == STATUS_OK && (looks & LOOK_REVISIONS) != 0)
		status = read_revisions(look, target, observation, error);
	if (status == STATUS_OK && (looks & LOOK_VERTICAL) != 0)
		status = kube_vertical_look(look, observation, error);
	if (status == STATUS_OK && (looks & LOOK_NODES) != 0)
		status = count_nodes(look, observation, error);
	return status;
}
