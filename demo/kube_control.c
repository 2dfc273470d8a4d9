/*
 * A Deployment's template that is no ReplicaSet's is a new revision; one that is an older one's makes
 * that the newest, as the real controller does it. Pods are replaced one after the other by the
 * simulation (cluster_step()), while the Deployment is not paused; where its time stands still, at once.
 *
 * Each object is written as it should be now; the store takes what is the same for no change.
 */
#include "demo/kube_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "demo/kube_objects.h"
#include "remediations/kube_object.h"

#define REVISION "deployment.kubernetes.io/revision"
#define REVISIONS_MAX 10
#define BUDGETS_MAX 64

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(kube_get(object, "metadata", "name", NULL));

	return name != NULL ? name : "";
}

static const json_t *put(struct kube_store *store, const char *resource, json_t *object)
{
	const struct kube_resource *found = kube_resource_named(resource);
	char key[KUBE_KEY_MAX];

	if (object == NULL ||
		!kube_key_write(key, found, found->namespaced ? CLUSTER_NAMESPACE : "",
			name_of(object))) {
		json_decref(object);
		return NULL;
	}
	return kube_store_put(store, found, key, object, NULL);
}

static const json_t *get(const struct kube_store *store, const char *resource, const char *name)
{
	char key[KUBE_KEY_MAX];

	return kube_key_write(key, kube_resource_named(resource), CLUSTER_NAMESPACE, name)
		? kube_store_get(store, key)
		: NULL;
}

static void set_annotation(json_t *object, const char *name, json_t *value)
{
	json_t *annotations = kube_get(object, "metadata", "annotations", NULL);

	if (annotations == NULL) {
		annotations = json_object();
		json_object_set_new(json_object_get(object, "metadata"), "annotations",
			annotations);
	}
	json_object_set_new(annotations, name, value);
}

/* ---- revisions ---- */

static int64_t revision_of(const json_t *object)
{
	const char *text = kube_annotation(object, REVISION);
	int64_t number;

	return text != NULL && parse_int(text, &number) == STATUS_OK ? number : 0;
}

struct revisions {
	const char *owner;      /* uid */
	const json_t *template; /* of the Deployment */
	char same[254];         /* the ReplicaSet of this template; "" when none */
	char oldest[254];
	int64_t newest, first; /* numbers */
	size_t count;
};

static bool has_template(const json_t *replicaset, const json_t *template)
{
	json_t *own = json_deep_copy(kube_get(replicaset, "spec", "template", NULL));
	bool same;

	json_object_del(kube_get(own, "metadata", "labels", NULL), "pod-template-hash");
	same = json_equal(own, template);
	json_decref(own);
	return same;
}

static bool note_revision(const json_t *replicaset, void *argument)
{
	struct revisions *revisions = argument;
	const char *owner = json_string_value(json_object_get(kube_controller(replicaset), "uid"));
	int64_t number = revision_of(replicaset);

	if (owner == NULL || strcmp(owner, revisions->owner) != 0)
		return true;
	revisions->count++;
	if (number > revisions->newest)
		revisions->newest = number;
	if (*revisions->oldest == '\0' || number < revisions->first) {
		revisions->first = number;
		snprintf(revisions->oldest, sizeof(revisions->oldest), "%s", name_of(replicaset));
	}
	if (has_template(replicaset, revisions->template))
		snprintf(revisions->same, sizeof(revisions->same), "%s", name_of(replicaset));
	return true;
}

/* The name of a new ReplicaSet, by its template. */
static void name_replicaset(struct cluster *cluster, struct sim_workload *workload,
	const json_t *template)
{
	char *text = kube_dump(template, 65536);
	uint32_t hash = 2166136261; /* FNV-1a */

	for (const char *byte = text; byte != NULL && *byte != '\0'; byte++)
		hash = (hash ^ (unsigned char)*byte) * 16777619;
	mem_free(text);
	snprintf(workload->replicaset, sizeof(workload->replicaset), "%.30s-%08" PRIx32,
		workload->name, hash);
	cluster_make_uid(cluster, workload->replicaset_uid);
}

static void forget_oldest(struct kube_store *store, const struct revisions *revisions)
{
	char key[KUBE_KEY_MAX];

	if (revisions->count > REVISIONS_MAX &&
		kube_key_write(key, kube_resource_named("replicasets"), CLUSTER_NAMESPACE,
			revisions->oldest))
		kube_store_remove(store, key);
}

/* The ReplicaSet of the template, with the next number. */
static void turn_to(struct cluster *cluster, struct kube_store *store,
	struct sim_workload *workload, const json_t *deployment, const struct revisions *revisions)
{
	json_t *replicaset;

	if (*revisions->same != '\0') {
		replicaset = json_deep_copy(get(store, "replicasets", revisions->same));
		snprintf(workload->replicaset, sizeof(workload->replicaset), "%.47s",
			revisions->same);
		snprintf(workload->replicaset_uid, sizeof(workload->replicaset_uid), "%.39s",
			kube_uid(replicaset));
	} else {
		name_replicaset(cluster, workload, revisions->template);
		replicaset = kube_replicaset(workload, deployment);
		forget_oldest(store, revisions);
	}
	set_annotation(replicaset, REVISION, json_sprintf("%" PRId64, revisions->newest + 1));
	put(store, "replicasets", replicaset);
}

static void read_amounts(const json_t *container, double *memory_mib, double *cpu)
{
	struct error error;
	int64_t bytes = 0, milli = 0;

	if (kube_limits(container, &bytes, &milli, &error) != STATUS_OK)
		return;
	if (bytes > 0)
		*memory_mib = (double)bytes / 1048576;
	if (milli > 0 && cpu != NULL)
		*cpu = (double)milli / 1000;
}

/* What the simulation is to know of the newest template. */
static void read_template(struct sim_workload *workload, const json_t *deployment)
{
	const char *restarted = json_string_value(kube_get(deployment, "spec", "template",
		"metadata", "annotations", "kubectl.kubernetes.io/restartedAt", NULL));

	read_amounts(kube_container(deployment, TARGET_DEPLOYMENT, ""), &workload->memory_limit_mib,
		&workload->cpu_request_cores);
	snprintf(workload->restarted_at, sizeof(workload->restarted_at), "%s",
		restarted != NULL ? restarted : "");
}

static void follow_template(struct cluster *cluster, struct kube_store *store,
	struct sim_workload *workload, const json_t *deployment)
{
	struct revisions revisions = {.owner = kube_uid(deployment),
		.template = kube_get(deployment, "spec", "template", NULL)};
	const json_t *present = get(store, "replicasets", workload->replicaset);

	if (present != NULL && has_template(present, revisions.template))
		return;
	kube_store_each(store, kube_resource_named("replicasets"), CLUSTER_NAMESPACE, note_revision,
		&revisions);
	turn_to(cluster, store, workload, deployment, &revisions);
	read_template(workload, deployment);
	if (!cluster->moves)
		cluster_roll(cluster, workload);
}

/* ---- what became of it ---- */

static int count_pods(const struct sim_workload *workload, const char *replicaset, bool ready)
{
	int count = 0;

	for (int pod = 0; pod < workload->plant.wanted; pod++)
		count += (replicaset == NULL ||
				 strcmp(workload->pods[pod].replicaset, replicaset) == 0) &&
			(!ready || cluster_pod_ready(workload, pod));
	return count;
}

struct counting {
	struct kube_store *store;
	const struct sim_workload *workload;
	json_t *found; /* those of the workload, as copies */
};

static bool copy_owned(const json_t *object, void *argument)
{
	struct counting *counting = argument;
	const char *owner = json_string_value(json_object_get(kube_controller(object), "uid"));

	if (owner != NULL && strcmp(owner, counting->workload->uid) == 0)
		json_array_append_new(counting->found, json_deep_copy(object));
	return true;
}

static void count_replicasets(struct kube_store *store, const struct sim_workload *workload)
{
	struct counting counting = {store, workload, json_array()};
	json_t *replicaset;
	size_t i;

	kube_store_each(store, kube_resource_named("replicasets"), CLUSTER_NAMESPACE, copy_owned,
		&counting);
	json_array_foreach(counting.found, i, replicaset)
	{
		int pods = count_pods(workload, name_of(replicaset), false);
		int ready = count_pods(workload, name_of(replicaset), true);

		json_object_set_new(json_object_get(replicaset, "spec"), "replicas",
			json_integer(pods));
		json_object_set_new(replicaset, "status",
			json_pack("{s:i,s:i,s:i}", "replicas", pods, "readyReplicas", ready,
				"availableReplicas", ready));
		put(store, "replicasets", json_incref(replicaset));
	}
	json_decref(counting.found);
}

static void tell_deployment(struct kube_store *store, const struct sim_workload *workload)
{
	json_t *deployment = json_deep_copy(get(store, "deployments", workload->name));
	const json_t *replicaset = get(store, "replicasets", workload->replicaset);
	int ready = count_pods(workload, NULL, true);

	set_annotation(deployment, REVISION, json_sprintf("%" PRId64, revision_of(replicaset)));
	json_object_set_new(deployment, "status",
		json_pack("{s:O*,s:i,s:i,s:i,s:i}", "observedGeneration",
			kube_get(deployment, "metadata", "generation", NULL), "replicas",
			workload->plant.wanted, "readyReplicas", ready, "availableReplicas", ready,
			"updatedReplicas", count_pods(workload, workload->replicaset, false)));
	put(store, "deployments", deployment);
}

static void tell_pod(struct kube_store *store, struct sim_workload *workload, int index)
{
	struct sim_pod *pod = &workload->pods[index];
	const json_t *own = get(store, "pods", pod->name);
	json_t *object = own != NULL ? json_deep_copy(own)
				     : kube_pod(pod, get(store, "replicasets", pod->replicaset));
	json_t *spec = json_object_get(object, "spec");

	/* Resized, or as its template says. */
	read_amounts(kube_container(object, TARGET_POD, ""), &pod->memory_limit_mib, NULL);
	if (pod->node >= 0)
		json_object_set_new(spec, "nodeName", json_string(cluster_node_name(pod->node)));
	json_object_set_new(object, "status",
		kube_pod_status(pod, spec, cluster_pod_ready(workload, index)));
	put(store, "pods", object);
}

/* ---- pods that are gone, nodes that are closed ---- */

struct census {
	struct cluster *cluster;
	json_t *gone; /* names */
};

static bool note_gone(const json_t *object, void *argument)
{
	struct census *census = argument;

	if (!cluster_find_pod(census->cluster, name_of(object), NULL, NULL))
		json_array_append_new(census->gone, json_string(name_of(object)));
	return true;
}

static void remove_gone(struct cluster *cluster, struct kube_store *store)
{
	const struct kube_resource *pods = kube_resource_named("pods");
	struct census census = {cluster, json_array()};
	char key[KUBE_KEY_MAX];
	json_t *name;
	size_t i;

	kube_store_each(store, pods, CLUSTER_NAMESPACE, note_gone, &census);
	json_array_foreach(census.gone, i, name)
	{
		if (kube_key_write(key, pods, CLUSTER_NAMESPACE, json_string_value(name)))
			kube_store_remove(store, key);
	}
	json_decref(census.gone);
}

static bool note_node(const json_t *node, void *argument)
{
	struct cluster *cluster = argument;

	for (int i = 0; i < CLUSTER_NODES; i++)
		if (strcmp(cluster_node_name(i), name_of(node)) == 0)
			cluster->node_closed[i] =
				json_is_true(kube_get(node, "spec", "unschedulable", NULL));
	return true;
}

/* ---- budgets and Jobs ---- */

struct crowd {
	const json_t *budget;
	int pods, ready;
};

static bool count_crowd(const json_t *pod, void *argument)
{
	struct crowd *crowd = argument;
	const json_t *labels = kube_get(crowd->budget, "spec", "selector", "matchLabels", NULL);
	const char *ready = json_string_value(
		json_object_get(json_array_get(kube_get(pod, "status", "conditions", NULL), 0),
			"status"));

	if (!kube_matches(labels, pod))
		return true;
	crowd->pods++;
	crowd->ready += ready != NULL && strcmp(ready, "True") == 0;
	return true;
}

/* A number, or a share of the pods, rounded up as the real controller does. */
static int amount_of(const json_t *value, int pods)
{
	const char *text = json_string_value(value);
	int64_t percent;
	char digits[8];

	if (text == NULL)
		return kube_number(value, 0);
	snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(text, "%"), text);
	if (parse_int(digits, &percent) != STATUS_OK)
		return 0;
	return (int)((pods * percent + 99) / 100);
}

static json_t *counted_budget(const struct kube_store *store, const json_t *budget)
{
	struct crowd crowd = {.budget = budget};
	const json_t *least = kube_get(budget, "spec", "minAvailable", NULL);
	const json_t *most = kube_get(budget, "spec", "maxUnavailable", NULL);
	json_t *counted = json_deep_copy(budget);
	int desired, allowed;

	kube_store_each(store, kube_resource_named("pods"), CLUSTER_NAMESPACE, count_crowd, &crowd);
	desired = least != NULL ? amount_of(least, crowd.pods)
				: crowd.pods - amount_of(most, crowd.pods);
	allowed = crowd.ready > desired ? crowd.ready - desired : 0;
	json_object_set_new(counted, "status",
		json_pack("{s:i,s:i,s:i,s:i,s:O*}", "disruptionsAllowed", allowed, "currentHealthy",
			crowd.ready, "desiredHealthy", desired, "expectedPods", crowd.pods,
			"observedGeneration", kube_get(budget, "metadata", "generation", NULL)));
	return counted;
}

static bool copy_all(const json_t *object, void *found)
{
	json_array_append_new(found, json_deep_copy(object));
	return json_array_size(found) < BUDGETS_MAX;
}

static void count_budgets(struct kube_store *store)
{
	json_t *found = json_array(), *budget;
	size_t i;

	kube_store_each(store, kube_resource_named("poddisruptionbudgets"), CLUSTER_NAMESPACE,
		copy_all, found);
	json_array_foreach(found, i, budget)
		put(store, "poddisruptionbudgets", counted_budget(store, budget));
	json_decref(found);
}

int kube_control_evicts(const struct kube_store *store, const json_t *pod, json_t **answer)
{
	json_t *found = json_array(), *budget;
	int matching = 0, allowed = 0, code = 0;
	size_t i;

	kube_store_each(store, kube_resource_named("poddisruptionbudgets"), CLUSTER_NAMESPACE,
		copy_all, found);
	json_array_foreach(found, i, budget)
	{
		if (!kube_matches(kube_get(budget, "spec", "selector", "matchLabels", NULL), pod))
			continue;
		matching++;
		allowed = kube_number(kube_get(budget, "status", "disruptionsAllowed", NULL), 0);
	}
	json_decref(found);
	if (matching > 1)
		return kube_refuse(answer, 500, "InternalError",
			"This pod has more than one PodDisruptionBudget, which the eviction "
			"subresource does not support.");
	if (matching == 1 && allowed <= 0) {
		code = kube_refuse(answer, 429, "TooManyRequests",
			"Cannot evict pod as it would violate the pod's disruption budget.");
		json_object_set_new(*answer, "details",
			json_pack("{s:[{s:s,s:s}]}", "causes", "reason", "DisruptionBudget",
				"message", "The disruption budget allows no disruption now."));
	}
	return code;
}

static void end_jobs(struct kube_store *store)
{
	json_t *found = json_array(), *job;
	size_t i;

	kube_store_each(store, kube_resource_named("jobs"), CLUSTER_NAMESPACE, copy_all, found);
	json_array_foreach(found, i, job)
	{
		json_object_set_new(job, "status",
			json_pack("{s:i,s:[{s:s,s:s}]}", "succeeded", 1, "conditions", "type",
				"Complete", "status", "True"));
		put(store, "jobs", json_incref(job));
	}
	json_decref(found);
}

/* ---- all of it ---- */

static void sync_workload(struct cluster *cluster, struct kube_store *store,
	struct sim_workload *workload)
{
	const json_t *deployment = get(store, "deployments", workload->name);
	int replicas;

	if (deployment == NULL)
		return;
	workload->paused = json_is_true(kube_get(deployment, "spec", "paused", NULL));
	replicas = kube_number(kube_get(deployment, "spec", "replicas", NULL), 1);
	if (!workload->paused)
		follow_template(cluster, store, workload, deployment);
	if (replicas != workload->plant.wanted)
		cluster_scale(cluster, workload, replicas);
	count_replicasets(store, workload);
	for (int pod = 0; pod < workload->plant.wanted; pod++)
		tell_pod(store, workload, pod);
	tell_deployment(store, workload);
}

void kube_control_sync(struct cluster *cluster, struct kube_store *store)
{
	kube_store_each(store, kube_resource_named("nodes"), "", note_node, cluster);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		sync_workload(cluster, store, &cluster->workloads[i]);
	remove_gone(cluster, store);
	count_budgets(store);
	end_jobs(store);
}

bool kube_control_begin(struct cluster *cluster, struct kube_store *store)
{
	static const char *const namespaces[] = {"default", CLUSTER_NAMESPACE};
	bool good = true;

	for (size_t i = 0; i < ARRAY_COUNT(namespaces); i++)
		good = put(store, "namespaces", kube_namespace(namespaces[i])) != NULL && good;
	for (int i = 0; i < CLUSTER_NODES; i++)
		good = put(store, "nodes", kube_node(cluster_node_name(i))) != NULL && good;
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		struct sim_workload *workload = &cluster->workloads[i];
		const json_t *deployment = put(store, "deployments", kube_deployment(workload));
		json_t *replicaset =
			deployment != NULL ? kube_replicaset(workload, deployment) : NULL;

		if (replicaset != NULL)
			set_annotation(replicaset, REVISION, json_string("1"));
		good = put(store, "replicasets", replicaset) != NULL && good;
	}
	kube_control_sync(cluster, store);
	return good;
}
