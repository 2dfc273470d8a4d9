/*
 * What is created in the cluster of a test: a Job, which is complete at once, and an eviction, which ends
 * the pod, as there are no budgets here; and the pods of one node, for a drain.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
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
