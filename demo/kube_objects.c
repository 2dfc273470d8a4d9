/*
 * Objects with the fields that a controller reads: identity, owners, replicas, resources, readiness,
 * restarts. jansson's pack format keeps each object readable.
 */
#include "demo/kube_objects.h"

#include <stdio.h>

#include "remediations/quantity.h"

static void version_text(uint64_t version, char text[24])
{
	snprintf(text, 24, "%llu", (unsigned long long)version);
}

json_t *kube_namespace(const char *name)
{
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s},s:{s:s}}", "apiVersion", "v1", "kind",
		"Namespace", "metadata", "name", name, "uid",
		"00000000-0000-4000-a000-000000000001", "resourceVersion", "1", "status", "phase",
		"Active");
}

static json_t *template_of(const struct sim_workload *workload)
{
	char cpu[32], memory[32];
	json_t *annotations = json_object();

	quantity_write_milli((int64_t)(workload->cpu_request_cores * 1000), cpu, sizeof(cpu));
	quantity_write_bytes((int64_t)workload->memory_limit_mib * 1048576, memory, sizeof(memory));
	if (annotations != NULL && workload->restarted_at[0] != '\0')
		json_object_set_new(annotations, "kubectl.kubernetes.io/restartedAt",
			json_string(workload->restarted_at));
	return json_pack("{s:{s:{s:s},s:o},s:{s:[{s:s,s:s,s:{s:{s:s,s:s},s:{s:s,s:s}}}]}}",
		"metadata", "labels", "app", workload->name, "annotations", annotations, "spec",
		"containers", "name", workload->container, "image", "example/service:1",
		"resources", "requests", "cpu", cpu, "memory", memory, "limits", "cpu", cpu,
		"memory", memory);
}

json_t *kube_deployment(const struct sim_workload *workload)
{
	char version[24];
	int wanted = workload->plant.wanted, ready = plant_ready(&workload->plant);
	json_t *annotations = json_pack("{s:s}", "nimbusguard.io/managed", "true");

	version_text(workload->resource_version, version);
	if (annotations != NULL && workload->action[0] != '\0')
		json_object_set_new(annotations, "nimbusguard.io/action",
			json_string(workload->action));
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:I,s:o},s:{s:i,s:{s:{s:s}},s:o},"
			 "s:{s:I,s:i,s:i,s:i,s:i}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", workload->name,
		"namespace", CLUSTER_NAMESPACE, "uid", workload->uid, "resourceVersion", version,
		"generation", (json_int_t)workload->generation, "annotations", annotations, "spec",
		"replicas", wanted, "selector", "matchLabels", "app", workload->name, "template",
		template_of(workload), "status", "observedGeneration",
		(json_int_t)workload->generation, "replicas", wanted, "readyReplicas", ready,
		"availableReplicas", ready, "updatedReplicas", wanted);
}

json_t *kube_scale(const struct sim_workload *workload)
{
	char version[24], selector[64];

	version_text(workload->resource_version, version);
	snprintf(selector, sizeof(selector), "app=%s", workload->name);
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s},s:{s:i},s:{s:i,s:s}}", "apiVersion",
		"autoscaling/v1", "kind", "Scale", "metadata", "name", workload->name, "namespace",
		CLUSTER_NAMESPACE, "uid", workload->uid, "resourceVersion", version, "spec",
		"replicas", workload->plant.wanted, "status", "replicas", workload->plant.wanted,
		"selector", selector);
}

json_t *kube_replicaset(const struct sim_workload *workload)
{
	char version[24];

	version_text(workload->resource_version, version);
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:[{s:s,s:s,s:s,s:s,s:b}]},s:{s:i},s:{s:i}}",
		"apiVersion", "apps/v1", "kind", "ReplicaSet", "metadata", "name",
		workload->replicaset, "namespace", CLUSTER_NAMESPACE, "uid",
		workload->replicaset_uid, "resourceVersion", version, "ownerReferences",
		"apiVersion", "apps/v1", "kind", "Deployment", "name", workload->name, "uid",
		workload->uid, "controller", 1, "spec", "replicas", workload->plant.wanted,
		"status", "replicas", workload->plant.wanted);
}

static json_t *container_status(const struct sim_workload *workload, const struct sim_pod *state,
	bool ready)
{
	json_t *current, *last = json_object();

	if (state->crash_looping)
		current = json_pack("{s:{s:s,s:s}}", "waiting", "reason", "CrashLoopBackOff",
			"message", "back-off restarting failed container");
	else
		current = json_pack("{s:{}}", "running");
	if (state->restarts > 0 && last != NULL)
		json_object_set_new(last, "terminated",
			json_pack("{s:s,s:i}", "reason", state->oom_killed ? "OOMKilled" : "Error",
				"exitCode", state->oom_killed ? 137 : 1));
	return json_pack("{s:s,s:b,s:i,s:o,s:o}", "name", workload->container, "ready", ready,
		"restartCount", state->restarts, "state", current, "lastState", last);
}

json_t *kube_pod(const struct cluster *cluster, const struct sim_workload *workload, int pod)
{
	const struct sim_pod *state = &workload->pods[pod];
	bool ready = workload->plant.ready_at[pod] <= workload->plant.slot && !state->crash_looping;
	json_t *template = template_of(workload), *spec;
	char version[24];

	version_text(cluster->version, version);
	spec = json_incref(json_object_get(json_object_get(template, "spec"), "containers"));
	json_decref(template);
	return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:{s:s},s:[{s:s,s:s,s:s,s:s,s:b}]},"
			 "s:{s:s,s:o},s:{s:s,s:[{s:s,s:s}],s:[o]}}",
		"apiVersion", "v1", "kind", "Pod", "metadata", "name", state->name, "namespace",
		CLUSTER_NAMESPACE, "uid", state->uid, "resourceVersion", version, "labels", "app",
		workload->name, "ownerReferences", "apiVersion", "apps/v1", "kind", "ReplicaSet",
		"name", workload->replicaset, "uid", workload->replicaset_uid, "controller", 1,
		"spec", "nodeName", "node-1", "containers", spec, "status", "phase", "Running",
		"conditions", "type", "Ready", "status", ready ? "True" : "False",
		"containerStatuses", container_status(workload, state, ready));
}

json_t *kube_list(const char *kind, const char *api_version, json_t *items, uint64_t version)
{
	char text[24];

	version_text(version, text);
	return json_pack("{s:s,s:s,s:{s:s},s:o}", "apiVersion", api_version, "kind", kind,
		"metadata", "resourceVersion", text, "items", items);
}

json_t *kube_status(int code, const char *reason, const char *message)
{
	return json_pack("{s:s,s:s,s:{},s:s,s:s,s:s,s:i}", "kind", "Status", "apiVersion", "v1",
		"metadata", "status", code < 300 ? "Success" : "Failure", "message", message,
		"reason", reason, "code", code);
}
