/*
 * Paths to objects, patches to changes; objects without a simulation behind them are the store's. A patch is judged whole (preconditions, fields that are not
 * simulated, quantities) before any of it is taken, so that dryRun=All is the same judgement.
 */
#include "demo/kube_api.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "demo/kube_objects.h"
#include "demo/kube_store.h"
#include "receiver/server.h"
#include "remediations/kube_object.h"
#include "remediations/quantity.h"

#define BODY_MAX (256 * 1024)
#define PARTS_MAX 10
#define PATH_MAX_BYTES 1024

struct kube_api {
	struct cluster *cluster;
	struct kube_store *store;
	struct access *access;
	struct server *server;
};

/* A path cut at its slashes: apis/apps/v1/namespaces/shop/deployments/web/scale */
struct kube_path {
	char text[PATH_MAX_BYTES];
	const char *parts[PARTS_MAX];
	size_t count;
};

static bool path_cut(struct kube_path *path, const char *text)
{
	char *rest;
	int size = snprintf(path->text, sizeof(path->text), "%s", text);

	path->count = 0;
	if (size < 0 || (size_t)size >= sizeof(path->text))
		return false;
	rest = path->text;
	while (rest != NULL && path->count < PARTS_MAX) {
		char *slash;

		while (*rest == '/')
			rest++;
		if (*rest == '\0')
			break;
		slash = strchr(rest, '/');
		if (slash != NULL)
			*slash = '\0';
		path->parts[path->count++] = rest;
		rest = slash != NULL ? slash + 1 : NULL;
	}
	return true;
}

static bool path_is(const struct kube_path *path, size_t index, const char *part)
{
	return index < path->count && strcmp(path->parts[index], part) == 0;
}

static int add_chunk(const char *bytes, size_t size, void *argument)
{
	buf_add(argument, bytes, size);
	return buf_ok(argument) ? 0 : -1;
}

/* Takes the reference of object. */
static void reply_json(struct request *request, int code, json_t *object)
{
	struct buf text;

	buf_init(&text, 4 * 1024 * 1024);
	if (object != NULL && json_dump_callback(object, add_chunk, &text, JSON_COMPACT) == 0)
		request_reply(request, code, "application/json", text.data, text.size);
	else
		request_reply_text(request, 500, "out of memory");
	json_decref(object);
	buf_fini(&text);
}

static void reply_status(struct request *request, int code, const char *reason, const char *message)
{
	reply_json(request, code, kube_status(code, reason, message));
}

static int pod_by_name(const struct sim_workload *workload, const char *name)
{
	for (int pod = 0; pod < workload->plant.wanted; pod++)
		if (strcmp(workload->pods[pod].name, name) == 0)
			return pod;
	return -1;
}

static json_t *list_pods(struct cluster *cluster, const char *selector)
{
	json_t *items = json_array();

	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		const struct sim_workload *workload = &cluster->workloads[i];
		char wanted[64];

		snprintf(wanted, sizeof(wanted), "app=%s", workload->name);
		if (selector != NULL && strcmp(selector, wanted) != 0)
			continue;
		for (int pod = 0; pod < workload->plant.wanted; pod++)
			json_array_append_new(items, kube_pod(cluster, workload, pod));
	}
	return kube_list("PodList", "v1", items, cluster->version);
}

static json_t *find_pod(struct cluster *cluster, const char *name)
{
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		int pod = pod_by_name(&cluster->workloads[i], name);

		if (pod >= 0)
			return kube_pod(cluster, &cluster->workloads[i], pod);
	}
	return NULL;
}

/* api/v1/namespaces/NS[/pods[/NAME]] */
static json_t *get_core(struct cluster *cluster, const struct kube_path *path, const char *selector)
{
	if (!path_is(path, 2, "namespaces") || !path_is(path, 3, CLUSTER_NAMESPACE))
		return NULL;
	if (path->count == 4)
		return kube_namespace(CLUSTER_NAMESPACE);
	if (!path_is(path, 4, "pods"))
		return NULL;
	return path->count == 5    ? list_pods(cluster, selector)
		: path->count == 6 ? find_pod(cluster, path->parts[5])
				   : NULL;
}

/* apis/GROUP/VERSION/namespaces/NS/RESOURCE[/NAME[/scale]] */
static json_t *get_group(struct cluster *cluster, const struct kube_path *path)
{
	if (!path_is(path, 3, "namespaces") || !path_is(path, 4, CLUSTER_NAMESPACE))
		return NULL;
	if (!path_is(path, 1, "apps") || path->count < 7)
		return NULL;
	if (path_is(path, 5, "replicasets")) {
		for (int i = 0; i < CLUSTER_WORKLOADS; i++)
			if (path->count == 7 && path_is(path, 6, cluster->workloads[i].replicaset))
				return kube_replicaset(&cluster->workloads[i]);
		return NULL;
	}
	if (!path_is(path, 5, "deployments"))
		return NULL;
	struct sim_workload *workload = cluster_find(cluster, path->parts[6]);

	if (workload == NULL)
		return NULL;
	if (path->count == 8 && path_is(path, 7, "scale"))
		return kube_scale(workload);
	return path->count == 7 ? kube_deployment(workload) : NULL;
}

/* Under the cluster's lock. */
static json_t *get_object(struct kube_api *api, const char *text, const char *selector)
{
	const struct kube_store_call call = {.method = "GET", .path = text};
	struct kube_path path;
	json_t *object = NULL;
	int code;

	if (!path_cut(&path, text))
		return NULL;
	object = path_is(&path, 0, "api") ? get_core(api->cluster, &path, selector)
					  : get_group(api->cluster, &path);
	if (object != NULL)
		return object;
	code = kube_store_serve(api->store, &call, &object);
	if (code != 200) {
		json_decref(object);
		object = NULL;
	}
	return object;
}

static void serve_get(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	json_t *object;

	pthread_mutex_lock(&api->cluster->lock);
	object = get_object(api, request_path(request), request_query(request, "labelSelector"));
	pthread_mutex_unlock(&api->cluster->lock);
	if (object != NULL)
		reply_json(request, 200, object);
	else
		reply_status(request, 404, "NotFound", "the simulated cluster has no such object");
}

/* What is there, but not for this method, and what is not. */
static void serve_none(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	json_t *object;

	pthread_mutex_lock(&api->cluster->lock);
	object = get_object(api, request_path(request), NULL);
	pthread_mutex_unlock(&api->cluster->lock);
	if (object != NULL)
		reply_status(request, 405, "MethodNotAllowed",
			"the simulated cluster does not serve this method here");
	else
		reply_status(request, 404, "NotFound", "the simulated cluster has no such object");
	json_decref(object);
}

static bool is_dry(const struct request *request)
{
	const char *dry = request_query(request, "dryRun");

	return dry != NULL && strcmp(dry, "All") == 0;
}

/* Whether the store answered. */
static bool serve_stored(struct kube_api *api, struct request *request, struct kube_store_call call)
{
	json_t *answer;
	int code;

	call.method = request_method(request);
	call.path = request_path(request);
	call.manager = request_query(request, "fieldManager");
	call.dry = call.dry || is_dry(request);
	pthread_mutex_lock(&api->cluster->lock);
	code = kube_store_serve(api->store, &call, &answer);
	pthread_mutex_unlock(&api->cluster->lock);
	if (code != 0)
		reply_json(request, code, answer);
	return code != 0;
}

/* What a patch asks for, judged before it is taken. */
struct change {
	bool scale, roll;
	int replicas;
	int64_t memory_bytes, cpu_milli; /* 0: not touched */
	const char *restarted_at, *action;
	const char *refusal, *reason; /* not NULL: the answer, with code */
	int code;
};

static void refuse(struct change *change, int code, const char *reason, const char *message)
{
	if (change->refusal != NULL)
		return;
	change->code = code;
	change->reason = reason;
	change->refusal = message;
}

static void judge_version(struct change *change, const struct sim_workload *workload, json_t *patch)
{
	json_t *metadata = json_object_get(patch, "metadata");
	const char *version = json_string_value(json_object_get(metadata, "resourceVersion"));
	const char *uid = json_string_value(json_object_get(metadata, "uid"));
	char current[24];

	snprintf(current, sizeof(current), "%llu", (unsigned long long)workload->resource_version);
	if (version != NULL && strcmp(version, current) != 0)
		refuse(change, 409, "Conflict",
			"the object has been modified; please apply your changes to the latest version");
	if (uid != NULL && strcmp(uid, workload->uid) != 0)
		refuse(change, 409, "Conflict", "Precondition failed: UID in precondition differs");
}

static void judge_replicas(struct change *change, json_t *spec)
{
	json_t *replicas = json_object_get(spec, "replicas");

	if (replicas == NULL)
		return;
	if (!json_is_integer(replicas) || json_integer_value(replicas) < 0 ||
		json_integer_value(replicas) > PLANT_PODS_MAX) {
		refuse(change, 422, "Invalid", "spec.replicas: must be between 0 and 256");
		return;
	}
	change->scale = true;
	change->replicas = (int)json_integer_value(replicas);
}

static void judge_container(struct change *change, const struct sim_workload *workload,
	json_t *container)
{
	const char *name = json_string_value(json_object_get(container, "name"));
	json_t *resources = json_object_get(container, "resources");
	json_t *limits = json_object_get(resources, "limits");
	const char *memory = json_string_value(json_object_get(limits, "memory"));
	const char *cpu = json_string_value(json_object_get(limits, "cpu"));

	if (name == NULL || strcmp(name, workload->container) != 0) {
		refuse(change, 422, "Invalid", "spec.template.spec.containers: image is required");
		return;
	}
	/* They are as large as the limits here. */
	if (json_object_get(resources, "requests") != NULL)
		refuse(change, 422, "Invalid", "resources.requests: is not simulated");
	if (memory != NULL &&
		(quantity_parse(memory, &change->memory_bytes) != STATUS_OK ||
			change->memory_bytes <= 0))
		refuse(change, 422, "Invalid", "resources.limits.memory is no quantity");
	if (cpu != NULL &&
		(quantity_parse_milli(cpu, &change->cpu_milli) != STATUS_OK ||
			change->cpu_milli <= 0))
		refuse(change, 422, "Invalid", "resources.limits.cpu is no quantity");
	change->roll = change->roll || memory != NULL || cpu != NULL;
}

/* What would be taken and forgotten is refused. */
static void judge_spec(struct change *change, json_t *spec)
{
	const char *name;
	json_t *value;

	json_object_foreach(spec, name, value)
	{
		if (strcmp(name, "replicas") != 0 && strcmp(name, "template") != 0)
			refuse(change, 422, "Invalid", "spec: a field that is not simulated");
	}
}

static void judge_deployment(struct change *change, const struct sim_workload *workload,
	json_t *patch)
{
	json_t *spec = json_object_get(patch, "spec"),
	       *template = json_object_get(spec, "template");
	json_t *marks = json_object_get(json_object_get(template, "metadata"), "annotations");
	json_t *own = json_object_get(json_object_get(patch, "metadata"), "annotations");
	json_t *containers = json_object_get(json_object_get(template, "spec"), "containers");
	json_t *container;
	size_t i;

	judge_spec(change, spec);
	judge_replicas(change, spec);
	json_array_foreach(containers, i, container) judge_container(change, workload, container);
	change->action = json_string_value(json_object_get(own, "nimbusguard.io/action"));
	change->restarted_at =
		json_string_value(json_object_get(marks, "kubectl.kubernetes.io/restartedAt"));
	change->roll = change->roll || change->restarted_at != NULL;
}

static void take(struct cluster *cluster, struct sim_workload *workload,
	const struct change *change, const char *manager)
{
	if (change->memory_bytes > 0)
		workload->memory_limit_mib = (double)change->memory_bytes / 1048576;
	if (change->cpu_milli > 0)
		workload->cpu_request_cores = (double)change->cpu_milli / 1000;
	if (change->restarted_at != NULL)
		snprintf(workload->restarted_at, sizeof(workload->restarted_at), "%s",
			change->restarted_at);
	if (change->action != NULL)
		snprintf(workload->action, sizeof(workload->action), "%s", change->action);
	snprintf(workload->field_manager, sizeof(workload->field_manager), "%s",
		manager != NULL ? manager : "unknown");
	if (change->scale && change->replicas != workload->plant.wanted)
		cluster_scale(cluster, workload, change->replicas);
	if (change->roll)
		cluster_roll(cluster, workload);
	cluster_touch(cluster, workload);
}

static bool media_is_patch(const char *type)
{
	return type != NULL &&
		(strncmp(type, "application/merge-patch+json", 28) == 0 ||
			strncmp(type, "application/strategic-merge-patch+json", 38) == 0);
}

static void patch_workload(struct kube_api *api, struct request *request, json_t *patch)
{
	struct cluster *cluster = api->cluster;
	struct change change = {.refusal = NULL};
	struct sim_workload *workload = NULL;
	struct kube_path path;
	json_t *object = NULL;

	pthread_mutex_lock(&cluster->lock);
	if (path_cut(&path, request_path(request)) && path_is(&path, 1, "apps") &&
		path_is(&path, 4, CLUSTER_NAMESPACE) && path_is(&path, 5, "deployments") &&
		(path.count == 7 || (path.count == 8 && path_is(&path, 7, "scale"))))
		workload = cluster_find(cluster, path.parts[6]);
	if (workload != NULL) {
		bool scale = path.count == 8;

		judge_version(&change, workload, patch);
		if (scale)
			judge_replicas(&change, json_object_get(patch, "spec"));
		else
			judge_deployment(&change, workload, patch);
		if (change.refusal == NULL && !is_dry(request))
			take(cluster, workload, &change, request_query(request, "fieldManager"));
		object = scale ? kube_scale(workload) : kube_deployment(workload);
	}
	pthread_mutex_unlock(&cluster->lock);
	if (workload == NULL) {
		serve_none(request, api);
	} else if (change.refusal == NULL) {
		reply_json(request, 200, object);
	} else {
		json_decref(object);
		reply_status(request, change.code, change.reason, change.refusal);
	}
}

static void serve_patch(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	size_t size;
	const void *body = request_body(request, &size);
	json_t *patch;

	if (!media_is_patch(request_header(request, "Content-Type"))) {
		reply_status(request, 415, "UnsupportedMediaType",
			"merge and strategic merge patches only");
		return;
	}
	patch = json_loadb(body, size, 0, NULL);
	if (!json_is_object(patch))
		reply_status(request, 400, "BadRequest", "the patch is no JSON object");
	else if (!serve_stored(api, request, (struct kube_store_call){.body = patch}))
		patch_workload(api, request, patch);
	json_decref(patch);
}

/* Whether the precondition of a DELETE's options holds; no options, no precondition. */
static bool uid_holds(const void *body, size_t size, const char *uid)
{
	json_t *options = size > 0 ? json_loadb(body, size, 0, NULL) : NULL;
	const char *wanted = json_string_value(
		json_object_get(json_object_get(options, "preconditions"), "uid"));
	bool holds = wanted == NULL || strcmp(wanted, uid) == 0;

	json_decref(options);
	return holds;
}

static bool dry_in_options(const void *body, size_t size)
{
	json_t *options = size > 0 ? json_loadb(body, size, 0, NULL) : NULL;
	bool dry = json_array_size(json_object_get(options, "dryRun")) > 0;

	json_decref(options);
	return dry;
}

/* Ends the pod of api/v1/namespaces/NS/pods/NAME, by DELETE or (parts 7) by its eviction, with the options
 * of either. */
static void end_pod(struct kube_api *api, struct request *request, size_t parts, const void *body,
	size_t size)
{
	struct cluster *cluster = api->cluster;
	struct kube_path path;
	json_t *object = NULL;
	bool dry = is_dry(request) || dry_in_options(body, size);
	int code = 404;

	pthread_mutex_lock(&cluster->lock);
	if (path_cut(&path, request_path(request)) && path.count == parts &&
		path_is(&path, 3, CLUSTER_NAMESPACE) && path_is(&path, 4, "pods") &&
		(parts == 6 || path_is(&path, 6, "eviction"))) {
		for (int i = 0; i < CLUSTER_WORKLOADS && code == 404; i++) {
			struct sim_workload *workload = &cluster->workloads[i];
			int pod = pod_by_name(workload, path.parts[5]);

			if (pod < 0)
				continue;
			code = uid_holds(body, size, workload->pods[pod].uid) ? 200 : 409;
			object = kube_pod(cluster, workload, pod);
			if (code == 200 && !dry)
				cluster_delete_pod(cluster, workload, pod);
		}
	}
	pthread_mutex_unlock(&cluster->lock);
	if (code == 200) {
		reply_json(request, parts == 6 ? 200 : 201, object);
		return;
	}
	json_decref(object);
	if (code == 409)
		reply_status(request, 409, "Conflict",
			"Precondition failed: UID in precondition differs");
	else
		reply_status(request, 404, "NotFound", "the simulated cluster has no such object");
}

/* Whether the path is one pod's, or with an end behind it ("/eviction"), whatever the pod's name. */
static bool path_is_pod(const struct request *request, const char *end)
{
	struct kube_path path;

	return path_cut(&path, request_path(request)) && path_is(&path, 0, "api") &&
		path_is(&path, 2, "namespaces") && path_is(&path, 4, "pods") &&
		path.count == (end != NULL ? 7 : 6) && (end == NULL || path_is(&path, 6, end));
}

static void serve_delete(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	size_t size;
	const void *body = request_body(request, &size);
	json_t *options;
	struct kube_store_call call;

	if (path_is_pod(request, NULL)) {
		end_pod(api, request, 6, body, size);
		return;
	}
	options = size > 0 ? json_loadb(body, size, 0, NULL) : NULL;
	call = (struct kube_store_call){.dry = dry_in_options(body, size),
		.uid = json_string_value(
			json_object_get(json_object_get(options, "preconditions"), "uid"))};
	if (!serve_stored(api, request, call))
		serve_none(request, api);
	json_decref(options);
}

/* What the store has, and evictions; there are no disruption budgets here. */
static void serve_create(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	size_t size;
	const void *body = request_body(request, &size);
	json_t *object = json_loadb(body, size, 0, NULL);

	if (!json_is_object(object)) {
		reply_status(request, 400, "BadRequest", "the body is no JSON object");
	} else if (path_is_pod(request, "eviction")) {
		char *options = kube_dump(json_object_get(object, "deleteOptions"), BODY_MAX);

		end_pod(api, request, 7, options, options != NULL ? strlen(options) : 0);
		mem_free(options);
	} else if (!serve_stored(api, request, (struct kube_store_call){.body = object})) {
		serve_none(request, api);
	}
	json_decref(object);
}

#define ROUTE(method, path, flags, serve)                                                          \
	{                                                                                          \
		"kube", method, path, ROUTE_PREFIX | (flags), ACCESS_NONE, BODY_MAX, NULL, serve,  \
			api                                                                        \
	}

struct kube_api *kube_api_start(struct cluster *cluster, unsigned port, struct error *error)
{
	struct kube_api *api = mem_zalloc(1, sizeof(*api));
	struct diagnostics diagnostics;
	char address[32];

	if (api == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	const struct route routes[] = {
		ROUTE("GET", "/api/", 0, serve_get),
		ROUTE("GET", "/apis/", 0, serve_get),
		ROUTE("PATCH", "/api/", ROUTE_BODY, serve_patch),
		ROUTE("PATCH", "/apis/", ROUTE_BODY, serve_patch),
		ROUTE("DELETE", "/api/", ROUTE_BODY, serve_delete),
		ROUTE("DELETE", "/apis/", ROUTE_BODY, serve_delete),
		ROUTE("POST", "/api/", ROUTE_BODY, serve_create),
		ROUTE("POST", "/apis/", ROUTE_BODY, serve_create),
		ROUTE("PUT", "/api/", ROUTE_BODY, serve_none),
		ROUTE("PUT", "/apis/", ROUTE_BODY, serve_none),
	};

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	diagnostics_init(&diagnostics);
	api->cluster = cluster;
	pthread_mutex_lock(&cluster->lock);
	api->store = kube_store_open(cluster);
	pthread_mutex_unlock(&cluster->lock);
	api->access = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	if (api->store == NULL || api->access == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		kube_api_stop(api);
		return NULL;
	}
	const struct server_config config = {.listen_address = address,
		.route_prefix = "",
		.thread_count = 2,
		.connection_max = 64,
		.slot_count = 8,
		.idle_timeout_s = 60,
		.header_max = 16384,
		.access = api->access};

	api->server = server_start(&config, routes, sizeof(routes) / sizeof(routes[0]), error);
	if (api->server == NULL) {
		error_prefix(error, "simulated cluster");
		kube_api_stop(api);
		return NULL;
	}
	return api;
}

unsigned kube_api_port(const struct kube_api *api)
{
	return server_port(api->server);
}

void kube_api_stop(struct kube_api *api)
{
	if (api == NULL)
		return;
	if (api->server != NULL)
		server_stop(api->server, 1000);
	if (api->access != NULL)
		access_close(api->access);
	kube_store_close(api->store);
	mem_free(api);
}
