/*
 * Objects with the fields that a controller reads: identity, owners, replicas, resources, readiness,
 * restarts. jansson's pack format keeps each object readable.
 */
#include "demo/kube_objects.h"

#include <inttypes.h>
#include <string.h>

#include "remediations/kube_object.h"
#include "remediations/quantity.h"

json_t *kube_namespace(const char *name)
{
	return json_pack("{s:{s:s},s:{s:s}}", "metadata", "name", name, "status", "phase",
		"Active");
}

json_t *kube_node(const char *name)
{
	return json_pack("{s:{s:s,s:{s:s},s:{s:s}},s:{},s:{s:[{s:s,s:s}]}}", "metadata", "name",
		name, "labels", "kubernetes.io/hostname", name, "annotations",
		"nimbusguard.io/managed", "true", "spec", "status", "conditions", "type", "Ready",
		"status", "True");
}

/* Half of the limit is asked for, so that a limit can be moved without a change of the QoS class. */
static json_t *resources_of(const struct sim_workload *workload)
{
	int64_t milli = (int64_t)(workload->cpu_request_cores * 1000);
	int64_t bytes = (int64_t)workload->memory_limit_mib * 1048576;
	char cpu[2][32], memory[2][32];

	for (int i = 0; i < 2; i++) {
		quantity_write_milli(milli / (2 - i), cpu[i], sizeof(cpu[i]));
		quantity_write_bytes(bytes / (2 - i), memory[i], sizeof(memory[i]));
	}
	return json_pack("{s:{s:s,s:s},s:{s:s,s:s}}", "requests", "cpu", cpu[0], "memory",
		memory[0], "limits", "cpu", cpu[1], "memory", memory[1]);
}

json_t *kube_deployment(const struct sim_workload *workload)
{
	json_t *template = json_pack("{s:{s:{s:s}},s:{s:[{s:s,s:s,s:o}]}}", "metadata", "labels",
		"app", workload->name, "spec", "containers", "name", workload->container, "image",
		"example/service:1", "resources", resources_of(workload));

	return json_pack("{s:{s:s,s:s,s:s,s:{s:s},s:{s:s}},s:{s:i,s:{s:{s:s}},s:o}}", "metadata",
		"name", workload->name, "namespace", CLUSTER_NAMESPACE, "uid", workload->uid,
		"labels", "app", workload->name, "annotations", "nimbusguard.io/managed", "true",
		"spec", "replicas", workload->plant.wanted, "selector", "matchLabels", "app",
		workload->name, "template", template);
}

json_t *kube_scale(const json_t *deployment)
{
	json_t *metadata = json_object_get(deployment, "metadata");
	const char *app = json_string_value(
		kube_get(deployment, "spec", "selector", "matchLabels", "app", NULL));

	return json_pack("{s:s,s:s,s:{s:O,s:O,s:O,s:O},s:{s:O},s:{s:O*,s:o}}", "apiVersion",
		"autoscaling/v1", "kind", "Scale", "metadata", "name",
		json_object_get(metadata, "name"), "namespace",
		json_object_get(metadata, "namespace"), "uid", json_object_get(metadata, "uid"),
		"resourceVersion", json_object_get(metadata, "resourceVersion"), "spec", "replicas",
		kube_get(deployment, "spec", "replicas", NULL), "status", "replicas",
		kube_get(deployment, "status", "replicas", NULL), "selector",
		json_sprintf("app=%s", app != NULL ? app : ""));
}

static json_t *owned_by(const char *version, const char *kind, const json_t *owner)
{
	return json_pack("[{s:s,s:s,s:O,s:O,s:b,s:b}]", "apiVersion", version, "kind", kind, "name",
		kube_get(owner, "metadata", "name", NULL), "uid",
		kube_get(owner, "metadata", "uid", NULL), "controller", 1, "blockOwnerDeletion", 1);
}

json_t *kube_replicaset(const struct sim_workload *workload, const json_t *deployment)
{
	json_t *template = json_deep_copy(kube_get(deployment, "spec", "template", NULL));
	json_t *labels = kube_get(template, "metadata", "labels", NULL);
	const char *hash = workload->replicaset + strlen(workload->name) + 1;

	json_object_set_new(labels, "pod-template-hash", json_string(hash));
	return json_pack("{s:{s:s,s:s,s:s,s:O,s:{},s:o},s:{s:i,s:O,s:o}}", "metadata", "name",
		workload->replicaset, "namespace", CLUSTER_NAMESPACE, "uid",
		workload->replicaset_uid, "labels", labels, "annotations", "ownerReferences",
		owned_by("apps/v1", "Deployment", deployment), "spec", "replicas",
		workload->plant.wanted, "selector", kube_get(deployment, "spec", "selector", NULL),
		"template", template);
}

json_t *kube_pod(const struct sim_pod *pod, const json_t *replicaset)
{
	json_t *template = kube_get(replicaset, "spec", "template", NULL);
	json_t *annotations = kube_get(template, "metadata", "annotations", NULL);
	json_t *spec = json_deep_copy(json_object_get(template, "spec"));

	if (pod->node >= 0)
		json_object_set_new(spec, "nodeName", json_string(cluster_node_name(pod->node)));
	return json_pack("{s:{s:s,s:s,s:s,s:o,s:o*,s:o},s:o}", "metadata", "name", pod->name,
		"namespace", CLUSTER_NAMESPACE, "uid", pod->uid, "labels",
		json_deep_copy(kube_get(template, "metadata", "labels", NULL)), "annotations",
		json_deep_copy(annotations), "ownerReferences",
		owned_by("apps/v1", "ReplicaSet", replicaset), "spec", spec);
}

static json_t *container_status(const struct sim_pod *pod, const json_t *container, bool ready)
{
	json_t *current, *last = json_object();

	if (pod->crash_looping)
		current = json_pack("{s:{s:s,s:s}}", "waiting", "reason", "CrashLoopBackOff",
			"message", "back-off restarting failed container");
	else
		current = json_pack("{s:{}}", "running");
	if (pod->restarts > 0 && last != NULL)
		json_object_set_new(last, "terminated",
			json_pack("{s:s,s:i}", "reason", pod->oom_killed ? "OOMKilled" : "Error",
				"exitCode", pod->oom_killed ? 137 : 1));
	/* A resize is done as soon as it is asked for. */
	return json_pack("{s:O,s:b,s:i,s:o,s:o,s:O*}", "name", json_object_get(container, "name"),
		"ready", ready, "restartCount", pod->restarts, "state", current, "lastState", last,
		"resources", json_object_get(container, "resources"));
}

json_t *kube_pod_status(const struct sim_pod *pod, const json_t *spec, bool ready)
{
	const json_t *container = json_array_get(json_object_get(spec, "containers"), 0);

	if (pod->node < 0)
		return json_pack("{s:s,s:[{s:s,s:s,s:s}]}", "phase", "Pending", "conditions",
			"type", "PodScheduled", "status", "False", "reason", "Unschedulable");
	return json_pack("{s:s,s:[{s:s,s:s}],s:[o]}", "phase", "Running", "conditions", "type",
		"Ready", "status", ready ? "True" : "False", "containerStatuses",
		container_status(pod, container, ready));
}

json_t *kube_list(const char *kind, const char *api_version, json_t *items, uint64_t version)
{
	return json_pack("{s:s,s:s,s:{s:o},s:o}", "apiVersion", api_version, "kind", kind,
		"metadata", "resourceVersion", json_sprintf("%" PRIu64, version), "items", items);
}

json_t *kube_status(int code, const char *reason, const char *message)
{
	return json_pack("{s:s,s:s,s:{},s:s,s:s,s:s,s:i}", "kind", "Status", "apiVersion", "v1",
		"metadata", "status", code < 300 ? "Success" : "Failure", "message", message,
		"reason", reason, "code", code);
}
