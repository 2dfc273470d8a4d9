/*
 * One map from paths to objects. What a collection's path is, and what its objects are, stands in the
 * table. A patch is made on a copy, which takes the object's place when all of it was good.
 */
#include "demo/kube_store.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "demo/kube_objects.h"

#define PATH_SIZE 512
#define NODES 2
/* A real server forgets Events after an hour; here the oldest makes room. */
#define EVENTS_MAX 100

static const struct collection {
	const char *path, *version, *kind, *list;
	bool made; /* by clients, too */
	const char *namespace_name;
} collections[] = {
	{"/api/v1/nodes", "v1", "Node", "NodeList", false, NULL},
	{"/apis/autoscaling/v2/namespaces/" CLUSTER_NAMESPACE "/horizontalpodautoscalers",
		"autoscaling/v2", "HorizontalPodAutoscaler", "HorizontalPodAutoscalerList", true,
		CLUSTER_NAMESPACE},
	{"/apis/batch/v1/namespaces/" CLUSTER_NAMESPACE "/jobs", "batch/v1", "Job", "JobList", true,
		CLUSTER_NAMESPACE},
	{"/apis/events.k8s.io/v1/namespaces/" CLUSTER_NAMESPACE "/events", "events.k8s.io/v1",
		"Event", "EventList", true, CLUSTER_NAMESPACE},
	/* Those of nodes. */
	{"/apis/events.k8s.io/v1/namespaces/default/events", "events.k8s.io/v1", "Event",
		"EventList", true, "default"},
};

struct kube_store {
	struct cluster *cluster;
	json_t *objects; /* path -> object, in the order of their making */
	unsigned serial;
};

static int refuse(json_t **answer, int code, const char *reason, const char *message)
{
	*answer = kube_status(code, reason, message);
	return code;
}

/* The collection of a path, and what stands behind it: "" or "/name". */
static const struct collection *find_collection(const char *path, const char **rest)
{
	for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++) {
		size_t length = strlen(collections[i].path);

		*rest = path + length;
		if (strncmp(path, collections[i].path, length) == 0 &&
			(**rest == '\0' || (**rest == '/' && strchr(*rest + 1, '/') == NULL)))
			return &collections[i];
	}
	return NULL;
}

static void set_version(struct kube_store *store, json_t *metadata)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)++store->cluster->version);
	json_object_set_new(metadata, "resourceVersion", json_string(text));
}

/* ---- patches ---- */

struct merging {
	json_t *into, *fields; /* fields: of managedFields, "f:spec":{..} */
	const json_t *patch;
};

static json_t *member_map(json_t *map, const char *key)
{
	json_t *member = json_object_get(map, key);

	if (!json_is_object(member)) {
		member = json_object();
		if (json_object_set_new(map, key, member) != 0)
			return NULL;
	}
	return member;
}

/* A merge patch (RFC 7396) of maps; what it sets is added to fields. False: it is too deep, or memory
 * is out. */
static bool merge(json_t *into, const json_t *patch, json_t *fields)
{
	struct merging stack[KUBE_STORE_DEPTH] = {{into, fields, patch}};
	size_t depth = 1;

	while (depth > 0) {
		struct merging at = stack[--depth];
		const char *key;
		json_t *value;

		json_object_foreach((json_t *)at.patch, key, value)
		{
			char field[256];
			json_t *own, *owned;

			snprintf(field, sizeof(field), "f:%.250s", key);
			if (json_is_null(value)) {
				json_object_del(at.into, key);
				continue;
			}
			owned = member_map(at.fields, field);
			if (!json_is_object(value)) {
				json_object_set_new(at.into, key, json_deep_copy(value));
				continue;
			}
			own = member_map(at.into, key);
			if (own == NULL || owned == NULL || depth == KUBE_STORE_DEPTH)
				return false;
			stack[depth++] = (struct merging){own, owned, value};
		}
	}
	return true;
}

/* Who wrote what; the newest write of a manager takes the place of its former one. */
static void note_manager(const struct kube_store *store, json_t *metadata, const char *manager,
	const char *version, json_t *fields)
{
	json_t *list = json_object_get(metadata, "managedFields"), *entry;
	char now[32];
	size_t i;

	format_rfc3339(store->cluster->now_ms, now, sizeof(now));
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(metadata, "managedFields", list);
	}
	json_array_foreach(list, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "manager"));

		if (name != NULL && strcmp(name, manager) == 0) {
			json_array_remove(list, i);
			break;
		}
	}
	json_array_append_new(list,
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:O}", "manager", manager, "operation", "Update",
			"apiVersion", version, "time", now, "fieldsType", "FieldsV1", "fieldsV1",
			fields));
}

static bool is_text(const json_t *map, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(map, name));

	return text != NULL && strcmp(text, wanted) == 0;
}

/* Whether the version and uid that the body names, if it does, are the object's. */
static bool is_meant(const json_t *object, const json_t *body)
{
	static const char *const names[] = {"resourceVersion", "uid"};
	const json_t *own = json_object_get(object, "metadata");
	const json_t *named = json_object_get(body, "metadata");

	for (size_t i = 0; i < 2; i++) {
		const char *name = json_string_value(json_object_get(named, names[i]));

		if (name != NULL && !is_text(own, names[i], name))
			return false;
	}
	return true;
}

static int patch(struct kube_store *store, const struct collection *collection,
	const struct kube_store_call *call, json_t *object, json_t **answer)
{
	json_t *copy, *fields, *metadata;
	bool good;

	if (!is_meant(object, call->body))
		return refuse(answer, 409, "Conflict",
			"the object has been modified; please apply your changes to the latest "
			"version");
	copy = json_deep_copy(object);
	fields = json_object();
	good = copy != NULL && fields != NULL && merge(copy, call->body, fields);
	metadata = json_object_get(copy, "metadata");
	if (good && !call->dry) {
		set_version(store, metadata);
		note_manager(store, metadata, call->manager != NULL ? call->manager : "unknown",
			collection->version, fields);
		json_object_set(store->objects, call->path, copy);
	}
	json_decref(fields);
	if (!good) {
		json_decref(copy);
		return refuse(answer, 400, "BadRequest", "the patch is too deep");
	}
	/* The caller writes it without the lock. */
	*answer = json_deep_copy(copy);
	json_decref(copy);
	return 200;
}

/* ---- the other calls ---- */

static json_t *list_of(const struct kube_store *store, const struct collection *collection)
{
	size_t length = strlen(collection->path);
	json_t *items = json_array(), *object;
	const char *path;

	json_object_foreach(store->objects, path, object)
	{
		if (strncmp(path, collection->path, length) == 0)
			json_array_append_new(items, json_deep_copy(object));
	}
	return kube_list(collection->list, collection->version, items, store->cluster->version);
}

/* What an API server fills in. */
static void complete(struct kube_store *store, const struct collection *collection, json_t *object)
{
	json_t *metadata = member_map(object, "metadata");
	char uid[40];

	snprintf(uid, sizeof(uid), "00000000-0000-4000-b000-%012x", ++store->serial);
	json_object_set_new(object, "apiVersion", json_string(collection->version));
	json_object_set_new(object, "kind", json_string(collection->kind));
	json_object_set_new(metadata, "uid", json_string(uid));
	if (collection->namespace_name != NULL)
		json_object_set_new(metadata, "namespace", json_string(collection->namespace_name));
	if (strcmp(collection->kind, "Job") == 0)
		json_object_set_new(object, "status",
			json_pack("{s:i,s:[{s:s,s:s}]}", "succeeded", 1, "conditions", "type",
				"Complete", "status", "True"));
	set_version(store, metadata);
}

/* What a server asks of an Event; NULL: it has all. */
static const char *event_lacks(const json_t *event)
{
	static const char *const names[] = {"eventTime", "reportingController", "reportingInstance",
		"action", "reason", "type"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = json_string_value(json_object_get(event, names[i]));

		if (text == NULL || *text == '\0')
			return names[i];
	}
	return NULL;
}

/* The oldest Events of the collection go, so that one more has a place. */
static void forget_events(struct kube_store *store, const struct collection *collection)
{
	size_t length = strlen(collection->path), count = 0;
	const char *path, *oldest = NULL;
	json_t *object;

	json_object_foreach(store->objects, path, object)
	{
		if (strncmp(path, collection->path, length) != 0)
			continue;
		if (count++ == 0)
			oldest = path;
	}
	if (count >= EVENTS_MAX)
		json_object_del(store->objects, oldest);
}

static int create(struct kube_store *store, const struct collection *collection,
	const struct kube_store_call *call, json_t **answer)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(call->body, "metadata"), "name"));
	char path[PATH_SIZE];
	json_t *object;

	if (!collection->made)
		return refuse(answer, 405, "MethodNotAllowed", "nodes are not made here");
	if (name == NULL ||
		(size_t)snprintf(path, sizeof(path), "%s/%s", collection->path, name) >=
			sizeof(path))
		return refuse(answer, 422, "Invalid", "metadata.name: Required value");
	if (json_object_get(store->objects, path) != NULL)
		return refuse(answer, 409, "AlreadyExists", "there is one of this name");
	if (strcmp(collection->kind, "Event") == 0) {
		const char *lacks = event_lacks(call->body);
		char words[96];

		snprintf(words, sizeof(words), "%s: Required value", lacks != NULL ? lacks : "");
		if (lacks != NULL)
			return refuse(answer, 422, "Invalid", words);
		if (!call->dry)
			forget_events(store, collection);
	}
	if (json_object_size(store->objects) >= KUBE_STORE_MAX)
		return refuse(answer, 403, "Forbidden", "the simulated cluster is full");
	object = json_deep_copy(call->body);
	if (object == NULL)
		return 500;
	complete(store, collection, object);
	*answer = json_deep_copy(object);
	if (!call->dry)
		json_object_set(store->objects, path, object);
	json_decref(object);
	return 201;
}

static int end(struct kube_store *store, const struct collection *collection,
	const struct kube_store_call *call, const json_t *object, json_t **answer)
{
	if (!collection->made)
		return refuse(answer, 405, "MethodNotAllowed", "nodes are not deleted here");
	if (call->uid != NULL && !is_text(json_object_get(object, "metadata"), "uid", call->uid))
		return refuse(answer, 409, "Conflict",
			"Precondition failed: UID in precondition differs");
	*answer = kube_status(200, "", "");
	if (!call->dry)
		json_object_del(store->objects, call->path);
	return 200;
}

int kube_store_serve(struct kube_store *store, const struct kube_store_call *call, json_t **answer)
{
	const char *rest;
	const struct collection *collection = find_collection(call->path, &rest);
	json_t *object = json_object_get(store->objects, call->path);

	*answer = NULL;
	if (collection == NULL)
		return 0;
	if (*rest == '\0') {
		if (strcmp(call->method, "POST") == 0)
			return create(store, collection, call, answer);
		if (strcmp(call->method, "GET") != 0)
			return refuse(answer, 405, "MethodNotAllowed",
				"not with all objects at once");
		*answer = list_of(store, collection);
		return 200;
	}
	if (strcmp(call->method, "POST") == 0)
		return refuse(answer, 405, "MethodNotAllowed", "objects are made by their list");
	if (object == NULL)
		return refuse(answer, 404, "NotFound", "the simulated cluster has no such object");
	if (strcmp(call->method, "PATCH") == 0)
		return patch(store, collection, call, object, answer);
	if (strcmp(call->method, "DELETE") == 0)
		return end(store, collection, call, object, answer);
	*answer = json_deep_copy(object);
	return 200;
}

/* ---- life ---- */

static bool add_node(struct kube_store *store, int number)
{
	char name[16], path[PATH_SIZE];
	json_t *node;

	snprintf(name, sizeof(name), "node-%d", number);
	snprintf(path, sizeof(path), "%s/%s", collections[0].path, name);
	node = json_pack("{s:{s:s,s:{s:s},s:{s:s}},s:{},s:{s:[{s:s,s:s}]}}", "metadata", "name",
		name, "labels", "kubernetes.io/hostname", name, "annotations",
		"nimbusguard.io/managed", "true", "spec", "status", "conditions", "type", "Ready",
		"status", "True");
	if (node == NULL)
		return false;
	complete(store, &collections[0], node);
	return json_object_set_new(store->objects, path, node) == 0;
}

struct kube_store *kube_store_open(struct cluster *cluster)
{
	struct kube_store *store = mem_zalloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->cluster = cluster;
	store->objects = json_object();
	for (int i = 1; i <= NODES; i++)
		if (store->objects == NULL || !add_node(store, i)) {
			kube_store_close(store);
			return NULL;
		}
	return store;
}

void kube_store_close(struct kube_store *store)
{
	if (store == NULL)
		return;
	json_decref(store->objects);
	mem_free(store);
}
