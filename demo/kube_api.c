/*
 * Requests to calls of the store. After each change the controllers bring objects and simulation together;
 * then the watches are woken.
 */
#include "demo/kube_api.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "demo/kube_control.h"
#include "demo/kube_objects.h"
#include "demo/kube_store.h"
#include "demo/kube_streams.h"
#include "receiver/server.h"
#include "remediations/kube_object.h"

#define BODY_MAX (256 * 1024)
#define ANSWER_MAX (16 * 1024 * 1024)
#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

struct kube_api {
	struct cluster *cluster;
	struct kube_store *store;
	struct kube_streams *streams;
	struct access *access;
	struct server *server;
};

/* ---- answers ---- */

static int add_chunk(const char *bytes, size_t size, void *argument)
{
	buf_add(argument, bytes, size);
	return buf_ok(argument) ? 0 : -1;
}

/* Takes the reference of object. */
static void reply_json(struct request *request, int code, json_t *object)
{
	struct buf text;

	buf_init(&text, ANSWER_MAX);
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

static void reply_none(struct request *request)
{
	reply_status(request, 404, "NotFound", "the simulated cluster has no such object");
}

/* ---- reads ---- */

/* What a version of a group has, or that there is a group; NULL: there is none. */
static json_t *discover(const char *path)
{
	json_t *list = json_array();
	const struct kube_resource *resource;
	size_t size = strlen(path);

	for (size_t i = 0; (resource = kube_resource_at(i)) != NULL; i++) {
		if (strncmp(path, "/apis/", 6) == 0 && strncmp(resource->root, path, size) == 0 &&
			resource->root[size] == '/') {
			json_decref(list);
			return json_pack("{s:s,s:s}", "kind", "APIGroup", "apiVersion", "v1");
		}
		if (strcmp(resource->root, path) != 0)
			continue;
		json_array_append_new(list,
			json_pack("{s:s,s:s,s:b}", "name", resource->name, "kind", resource->kind,
				"namespaced", resource->namespaced));
		for (size_t k = 0; k < ARRAY_COUNT(resource->parts); k++)
			if (resource->parts[k] != NULL)
				json_array_append_new(list,
					json_pack("{s:o,s:b}", "name",
						json_sprintf("%s/%s", resource->name,
							resource->parts[k]),
						"namespaced", resource->namespaced));
	}
	if (json_array_size(list) > 0)
		return json_pack("{s:s,s:s,s:s,s:o}", "kind", "APIResourceList", "apiVersion", "v1",
			"groupVersion", path + (strncmp(path, "/apis/", 6) == 0 ? 6 : 5),
			"resources", list);
	json_decref(list);
	return NULL;
}

/* Under the cluster's lock. */
static json_t *read_place(struct kube_api *api, const struct kube_place *place,
	const struct kube_selection *selection)
{
	json_t *list;
	const json_t *object;

	if (*place->name == '\0') {
		(void)kube_store_list(api->store, place, selection, &list);
		return list;
	}
	object = kube_store_get(api->store, place->key);
	if (object == NULL || *place->part == '\0')
		return json_deep_copy(object);
	return strcmp(place->part, "scale") == 0 ? kube_scale(object) : NULL;
}

static void serve_get(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	const struct kube_selection selection = {.labels = request_query(request, "labelSelector"),
		.fields = request_query(request, "fieldSelector")};
	const char *watch = request_query(request, "watch");
	struct kube_place place;
	json_t *object;

	if (!kube_place_find(&place, request_path(request))) {
		object = discover(request_path(request));
	} else if (watch != NULL && (strcmp(watch, "1") == 0 || strcmp(watch, "true") == 0)) {
		kube_streams_serve(api->streams, request, &place);
		return;
	} else {
		pthread_mutex_lock(&api->cluster->lock);
		object = read_place(api, &place, &selection);
		pthread_mutex_unlock(&api->cluster->lock);
	}
	if (object != NULL)
		reply_json(request, 200, object);
	else
		reply_none(request);
}

/* ---- changes ---- */

static bool is_dry(const struct request *request, const json_t *options)
{
	const char *dry = request_query(request, "dryRun");

	return (dry != NULL && strcmp(dry, "All") == 0) ||
		json_array_size(json_object_get(options, "dryRun")) > 0;
}

static const char *uid_of(const json_t *options)
{
	return json_string_value(kube_get(options, "preconditions", "uid", NULL));
}

/* One pod less, and the next one in its place. */
static int end_pod(struct kube_api *api, const struct kube_place *place, const json_t *options,
	bool dry, json_t **answer)
{
	const json_t *pod = kube_store_get(api->store, place->key);
	const char *uid = uid_of(options);
	struct sim_workload *workload;
	int index, code;

	if (pod == NULL || !cluster_find_pod(api->cluster, place->name, &workload, &index))
		return kube_refuse(answer, 404, "NotFound",
			"the simulated cluster has no such object");
	if (uid != NULL && strcmp(uid, kube_uid(pod)) != 0)
		return kube_refuse(answer, 409, "Conflict",
			"Precondition failed: UID in precondition differs");
	code = *place->part != '\0' ? kube_control_evicts(api->store, pod, answer) : 0;
	if (code != 0)
		return code;
	*answer = *place->part != '\0' ? kube_status(201, "", "") : json_deep_copy(pod);
	if (!dry)
		cluster_delete_pod(api->cluster, workload, index);
	return *place->part != '\0' ? 201 : 200;
}

static int delete_object(struct kube_api *api, const struct kube_place *place,
	const struct request *request, const json_t *options, json_t **answer)
{
	const struct kube_store_call call = {.place = place,
		.dry = is_dry(request, options),
		.uid = uid_of(options)};

	if (*place->name == '\0' || *place->part != '\0')
		return kube_refuse(answer, 405, "MethodNotAllowed", "not with all objects at once");
	if (strcmp(place->resource->kind, "Pod") == 0)
		return end_pod(api, place, options, call.dry, answer);
	return kube_store_delete(api->store, &call, answer);
}

static int create_object(struct kube_api *api, const struct kube_place *place,
	const struct request *request, const json_t *body, json_t **answer)
{
	const struct kube_store_call call = {.place = place,
		.manager = request_query(request, "fieldManager"),
		.dry = is_dry(request, NULL),
		.body = body};
	const json_t *options = json_object_get(body, "deleteOptions");

	if (strcmp(place->part, "eviction") == 0)
		return end_pod(api, place, options, is_dry(request, options), answer);
	if (*place->name != '\0' || (place->resource->namespaced && *place->space == '\0'))
		return kube_refuse(answer, 405, "MethodNotAllowed",
			"objects are made by their list");
	return kube_store_create(api->store, &call, answer);
}

/* Of a scale only the number and the preconditions. */
static json_t *scale_patch(const json_t *body)
{
	return json_pack("{s:{s:O*,s:O*},s:{s:O*}}", "metadata", "resourceVersion",
		kube_get(body, "metadata", "resourceVersion", NULL), "uid",
		kube_get(body, "metadata", "uid", NULL), "spec", "replicas",
		kube_get(body, "spec", "replicas", NULL));
}

static int patch_object(struct kube_api *api, const struct kube_place *place,
	const struct request *request, const json_t *body, enum kube_patch_kind kind,
	json_t **answer)
{
	bool scale = strcmp(place->part, "scale") == 0;
	struct kube_store_call call = {.place = place,
		.manager = request_query(request, "fieldManager"),
		.dry = is_dry(request, NULL),
		.body = body,
		.patch = kind};
	json_t *narrow = scale && kind != PATCH_JSON ? scale_patch(body) : NULL, *deployment;
	int code;

	if (*place->name == '\0')
		return kube_refuse(answer, 405, "MethodNotAllowed", "not with all objects at once");
	if (narrow != NULL)
		call.body = narrow;
	code = kube_store_patch(api->store, &call, answer);
	json_decref(narrow);
	if (code == 200 && scale) {
		deployment = *answer;
		*answer = kube_scale(deployment);
		json_decref(deployment);
	}
	return code;
}

static int replace_object(struct kube_api *api, const struct kube_place *place,
	const struct request *request, const json_t *body, json_t **answer)
{
	const struct kube_store_call call = {.place = place,
		.manager = request_query(request, "fieldManager"),
		.dry = is_dry(request, NULL),
		.body = body};

	if (*place->name == '\0' || *place->part != '\0')
		return kube_refuse(answer, 405, "MethodNotAllowed", "not with all objects at once");
	return kube_store_replace(api->store, &call, answer);
}

/* Everybody may do everything here. */
static int review(const json_t *body, json_t **answer)
{
	*answer = json_pack("{s:s,s:s,s:O*,s:{s:b}}", "apiVersion", "authorization.k8s.io/v1",
		"kind", "SelfSubjectAccessReview", "spec", json_object_get(body, "spec"), "status",
		"allowed", 1);
	return 201;
}

static int change(struct kube_api *api, const struct request *request, const json_t *body,
	enum kube_patch_kind kind, json_t **answer)
{
	const char *method = request_method(request);
	struct kube_place place;

	if (strcmp(method, "POST") == 0 && strcmp(request_path(request), REVIEWS) == 0)
		return review(body, answer);
	if (!kube_place_find(&place, request_path(request)))
		return kube_refuse(answer, 404, "NotFound",
			"the simulated cluster has no such object");
	if (strcmp(method, "POST") == 0)
		return create_object(api, &place, request, body, answer);
	if (strcmp(method, "PATCH") == 0)
		return patch_object(api, &place, request, body, kind, answer);
	if (strcmp(method, "DELETE") == 0)
		return delete_object(api, &place, request, body, answer);
	return replace_object(api, &place, request, body, answer);
}

static void serve_change(struct request *request, void *argument)
{
	struct kube_api *api = argument;
	bool patches = strcmp(request_method(request), "PATCH") == 0;
	enum kube_patch_kind kind = PATCH_MERGE;
	json_t *body, *answer = NULL;
	const void *bytes;
	size_t size;
	int code;

	if (patches && !kube_patch_kind_of(request_header(request, "Content-Type"), &kind)) {
		reply_status(request, 415, "UnsupportedMediaType",
			"the body of the request was in an unknown format");
		return;
	}
	bytes = request_body(request, &size);
	body = size > 0 ? json_loadb(bytes, size, 0, NULL) : json_object();
	if (!json_is_object(body) && !(json_is_array(body) && kind == PATCH_JSON)) {
		json_decref(body);
		reply_status(request, 400, "BadRequest", "the body is no JSON object");
		return;
	}
	pthread_mutex_lock(&api->cluster->lock);
	code = change(api, request, body, kind, &answer);
	kube_control_sync(api->cluster, api->store);
	pthread_mutex_unlock(&api->cluster->lock);
	kube_streams_wake(api->streams);
	reply_json(request, code, answer);
	json_decref(body);
}

void kube_api_step(struct kube_api *api)
{
	pthread_mutex_lock(&api->cluster->lock);
	kube_control_sync(api->cluster, api->store);
	pthread_mutex_unlock(&api->cluster->lock);
	kube_streams_wake(api->streams);
}

/* ---- life ---- */

#define ROUTE(method, path, flags, serve)                                                          \
	{                                                                                          \
		"kube", method, path, ROUTE_PREFIX | (flags), ACCESS_NONE, BODY_MAX, NULL, serve,  \
			api                                                                        \
	}

static bool open_parts(struct kube_api *api)
{
	struct diagnostics diagnostics;
	bool begun = false;

	diagnostics_init(&diagnostics);
	api->access = access_open(NULL, NULL, 0, &diagnostics);
	diagnostics_fini(&diagnostics);
	api->store = kube_store_open(api->cluster);
	api->streams = kube_streams_open(api->cluster, api->store);
	if (api->access == NULL || api->store == NULL || api->streams == NULL)
		return false;
	pthread_mutex_lock(&api->cluster->lock);
	begun = kube_control_begin(api->cluster, api->store);
	pthread_mutex_unlock(&api->cluster->lock);
	return begun;
}

static bool start_server(struct kube_api *api, unsigned port, struct error *error)
{
	char address[32];
	const struct route routes[] = {
		ROUTE("GET", "/api/", 0, serve_get),
		ROUTE("GET", "/apis/", 0, serve_get),
		ROUTE("PATCH", "/api/", ROUTE_BODY, serve_change),
		ROUTE("PATCH", "/apis/", ROUTE_BODY, serve_change),
		ROUTE("DELETE", "/api/", ROUTE_BODY, serve_change),
		ROUTE("DELETE", "/apis/", ROUTE_BODY, serve_change),
		ROUTE("POST", "/api/", ROUTE_BODY, serve_change),
		ROUTE("POST", "/apis/", ROUTE_BODY, serve_change),
		ROUTE("PUT", "/api/", ROUTE_BODY, serve_change),
		ROUTE("PUT", "/apis/", ROUTE_BODY, serve_change),
	};
	const struct server_config config = {.listen_address = address,
		.route_prefix = "",
		.thread_count = 2,
		.connection_max = 64,
		.slot_count = 8,
		.idle_timeout_s = 60,
		.header_max = 16384,
		.access = api->access};

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	api->server = server_start(&config, routes, ARRAY_COUNT(routes), error);
	return api->server != NULL;
}

struct kube_api *kube_api_start(struct cluster *cluster, unsigned port, struct error *error)
{
	struct kube_api *api = mem_zalloc(1, sizeof(*api));

	if (api == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	api->cluster = cluster;
	if (!open_parts(api)) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		kube_api_stop(api);
		return NULL;
	}
	if (!start_server(api, port, error)) {
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
	kube_streams_close(api->streams);
	kube_store_close(api->store);
	mem_free(api);
}
