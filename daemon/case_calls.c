/*
 * What is created in the cluster of a test: a Job, which is complete at once, and an eviction, which ends
 * the pod, as there are no budgets here; deletes; and what is read otherwise than object by object: the pods of one
 * node, for a drain, the scale of a custom resource and the discovery of its version.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "daemon/case_cluster.h"
#include "remediations/kube_object.h"

#define PATH_SIZE 1024
#define EVICTION "/eviction"

int case_cluster_pods(const struct case_cluster *cluster, const char *query, json_t **body)
{
	static const char selector[] = "fieldSelector=spec.nodeName%3D";
	const char *node = query != NULL ? strstr(query, selector) : NULL, *key;
	json_t *items = json_array(), *object;
	char name[256] = "";

	if (node != NULL) {
		node += strlen(selector);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(node, "&"), node);
	}
	json_object_foreach(cluster->objects, key, object)
	{
		const char *own = json_string_value(kube_get(object, "spec", "nodeName", NULL));

		if (strncmp(key, "/api/v1/namespaces/", 19) != 0 || strstr(key, "/pods/") == NULL)
			continue;
		if (*name == '\0' || (own != NULL && strcmp(own, name) == 0))
			json_array_append_new(items, json_deep_copy(object));
	}
	*body = json_pack("{s:s,s:{},s:o}", "kind", "PodList", "metadata", "items", items);
	return 200;
}

static json_t *scale_of(const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	json_t *replicas = kube_get(object, "spec", "replicas", NULL);
	json_t *runs = kube_get(object, "status", "replicas", NULL);

	return json_pack("{s:s,s:s,s:{s:O*,s:O*,s:O*,s:O*},s:{s:O*},s:{s:O*}}", "apiVersion",
		"autoscaling/v1", "kind", "Scale", "metadata", "name",
		json_object_get(metadata, "name"), "namespace",
		json_object_get(metadata, "namespace"), "uid", json_object_get(metadata, "uid"),
		"resourceVersion", json_object_get(metadata, "resourceVersion"), "spec", "replicas",
		replicas, "status", "replicas", runs);
}

bool case_cluster_custom(const struct case_cluster *cluster, const char *path, json_t **body)
{
	unsigned count = custom_kind_count();
	size_t size = strlen(path), end = strlen("/scale");
	char object_path[PATH_SIZE];
	json_t *resources;

	if (size > end && size < sizeof(object_path) && strcmp(path + size - end, "/scale") == 0) {
		const json_t *object;

		snprintf(object_path, sizeof(object_path), "%.*s", (int)(size - end), path);
		object = json_object_get(cluster->objects, object_path);
		*body = object != NULL ? scale_of(object) : NULL;
		return *body != NULL;
	}
	resources = json_array();
	for (unsigned i = 0; i < count; i++) {
		const struct custom_kind *kind =
			custom_kind_get((enum target_kind)(TARGET_KIND_COUNT + i));

		if (strcmp(path + strlen("/apis/"), kind->api_version) != 0)
			continue;
		json_array_append_new(resources,
			json_pack("{s:s,s:s,s:b}", "name", kind->resource, "kind", kind->name,
				"namespaced", 1));
		json_array_append_new(resources,
			json_pack("{s:s,s:s,s:b}", "name", kind->scale, "kind", "Scale",
				"namespaced", 1));
	}
	if (json_array_size(resources) == 0) {
		json_decref(resources);
		return false;
	}
	*body = json_pack("{s:s,s:o}", "kind", "APIResourceList", "resources", resources);
	return true;
}

static int evict(struct case_cluster *cluster, const char *path, const json_t *eviction, bool dry,
	json_t **body)
{
	const char *uid = json_string_value(
		kube_get(eviction, "deleteOptions", "preconditions", "uid", NULL));
	char pod_path[PATH_SIZE];
	json_t *pod;

	snprintf(pod_path, sizeof(pod_path), "%.*s", (int)(strlen(path) - strlen(EVICTION)), path);
	pod = json_object_get(cluster->objects, pod_path);
	if (pod == NULL)
		return case_cluster_refuse(body, 404, "NotFound",
			"the cluster of this test has no such pod");
	if (uid != NULL && strcmp(uid, kube_uid(pod)) != 0)
		return case_cluster_refuse(body, 409, "Conflict",
			"the uid in the precondition differs");
	dry = dry || json_array_size(kube_get(eviction, "deleteOptions", "dryRun", NULL)) > 0;
	if (!dry)
		json_object_del(cluster->objects, pod_path);
	*body = json_pack("{s:s,s:s}", "kind", "Status", "status", "Success");
	return 201;
}

int case_cluster_remove(struct case_cluster *cluster, const char *path, const char *text, bool dry,
	json_t **body)
{
	json_t *object = json_object_get(cluster->objects, path);
	json_t *options = json_loads(text != NULL ? text : "{}", 0, NULL);
	const char *uid = json_string_value(kube_get(options, "preconditions", "uid", NULL));
	int code = 200;

	dry = dry || json_array_size(json_object_get(options, "dryRun")) > 0;
	if (object == NULL) {
		code = case_cluster_refuse(body, 404, "NotFound",
			"the cluster of this test has no such object");
	} else if (uid != NULL && strcmp(uid, kube_uid(object)) != 0) {
		code = case_cluster_refuse(body, 409, "Conflict",
			"the uid in the precondition differs");
	} else {
		*body = json_deep_copy(object);
		if (!dry)
			json_object_del(cluster->objects, path);
	}
	json_decref(options);
	return code;
}

static int create_job(struct case_cluster *cluster, const char *path, const json_t *job, bool dry,
	json_t **body)
{
	const char *name = json_string_value(kube_get(job, "metadata", "name", NULL));
	struct error error;
	json_t *object;
	char full[PATH_SIZE];

	if (name == NULL)
		return case_cluster_refuse(body, 422, "Invalid", "a Job needs a name");
	snprintf(full, sizeof(full), "%s/%s", path, name);
	if (json_object_get(cluster->objects, full) != NULL)
		return case_cluster_refuse(body, 409, "AlreadyExists", "there is such a Job");
	*body = json_deep_copy(job);
	if (dry)
		return 201;
	object = json_deep_copy(job);
	json_object_set_new(object, "status",
		json_pack("{s:i,s:[{s:s,s:s}]}", "succeeded", 1, "conditions", "type", "Complete",
			"status", "True"));
	if (case_cluster_apply(cluster, object, &error) != STATUS_OK) {
		json_decref(object);
		json_decref(*body);
		return case_cluster_refuse(body, 500, "InternalError", error.text);
	}
	json_decref(object);
	return 201;
}

int case_cluster_post(struct case_cluster *cluster, const char *path, const char *text, bool dry,
	json_t **body)
{
	json_t *object = json_loads(text != NULL ? text : "", 0, NULL);
	size_t size = strlen(path), end = strlen(EVICTION);
	const char *kind = json_string_value(json_object_get(object, "kind"));
	int code;

	if (kind != NULL && strcmp(kind, "Eviction") == 0 && size > end && size < PATH_SIZE &&
		strcmp(path + size - end, EVICTION) == 0)
		code = evict(cluster, path, object, dry, body);
	else if (kind != NULL && strcmp(kind, "Job") == 0 &&
		strncmp(path, "/apis/batch/v1/namespaces/", 26) == 0)
		code = create_job(cluster, path, object, dry, body);
	else
		code = case_cluster_refuse(body, 405, "MethodNotAllowed", "not served");
	json_decref(object);
	return code;
}
