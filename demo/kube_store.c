/*
 * One map from paths to objects, and a ring of what became of them. A change is made on a copy, which is
 * judged as a whole (kube_rules.h) and then takes the object's place; so a dry run is the same judgement.
 *
 * Each change takes the next number of the cluster as the object's version, and stands under it in the
 * ring; a watch goes on from a number.
 */
#include "demo/kube_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "demo/kube_objects.h"
#include "demo/kube_rules.h"
#include "remediations/kube_object.h"

/* A real server forgets Events after an hour; here the oldest makes room. */
#define EVENTS_MAX 100
#define LINE_MAX_BYTES (256 * 1024)

struct happening {
	uint64_t version;
	const struct kube_resource *resource;
	const char *type;
	json_t *object; /* as it was then, or last */
};

struct kube_store {
	struct cluster *cluster;
	json_t *objects; /* path -> object, in the order of their making */
	struct happening ring[KUBE_STORE_EVENTS];
	uint64_t
		happened; /* of all time; the newest is in slot (happened - 1) % KUBE_STORE_EVENTS */
	uint64_t forgotten; /* the version of the newest that the ring lost */
	unsigned serial;
};

int kube_refuse(json_t **answer, int code, const char *reason, const char *message)
{
	*answer = kube_status(code, reason, message);
	return code;
}

static int refuse_none(json_t **answer)
{
	return kube_refuse(answer, 404, "NotFound", "the simulated cluster has no such object");
}

const json_t *kube_store_get(const struct kube_store *store, const char *key)
{
	return json_object_get(store->objects, key);
}

static const char *metadata_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(kube_get(object, "metadata", name, NULL));

	return text != NULL ? text : "";
}

/* Whether an object of this path is one of the resource's. */
static bool is_of(const struct kube_resource *resource, const char *space, const char *key,
	const json_t *object)
{
	const char *name = metadata_text(object, "name"), *own = metadata_text(object, "namespace");
	char wanted[KUBE_KEY_MAX];

	return (*space == '\0' || strcmp(space, own) == 0) &&
		kube_key_write(wanted, resource, own, name) && strcmp(wanted, key) == 0;
}

void kube_store_each(const struct kube_store *store, const struct kube_resource *resource,
	const char *space, bool (*visit)(const json_t *object, void *argument), void *argument)
{
	const char *key;
	json_t *object;

	json_object_foreach(store->objects, key, object)
	{
		if (is_of(resource, space, key, object) && !visit(object, argument))
			return;
	}
}

/* ---- changes ---- */

static void note(struct kube_store *store, const struct kube_resource *resource, const char *type,
	json_t *object)
{
	struct happening *slot = &store->ring[store->happened++ % KUBE_STORE_EVENTS];

	if (slot->object != NULL)
		store->forgotten = slot->version;
	json_decref(slot->object);
	*slot = (struct happening){store->cluster->version, resource, type, json_incref(object)};
}

static json_t *set_version(struct kube_store *store, json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ++store->cluster->version);
	json_object_set_new(metadata, "resourceVersion", json_string(text));
	return object;
}

/* What an API server fills in when an object is made. */
static void complete(struct kube_store *store, const struct kube_resource *resource, json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	char text[40];

	if (json_object_get(metadata, "uid") == NULL) {
		snprintf(text, sizeof(text), "00000000-0000-4000-b000-%012x", ++store->serial);
		json_object_set_new(metadata, "uid", json_string(text));
	}
	if (json_object_get(metadata, "managedFields") == NULL)
		json_object_set_new(metadata, "managedFields",
			json_pack("[{s:s,s:s,s:{}}]", "manager", "demo", "operation", "Update",
				"fieldsV1"));
	if (json_object_get(metadata, "creationTimestamp") == NULL) {
		format_rfc3339(store->cluster->now_ms, text, sizeof(text));
		json_object_set_new(metadata, "creationTimestamp", json_string(text));
	}
	json_object_set_new(object, "apiVersion", json_string(kube_resource_version_of(resource)));
	json_object_set_new(object, "kind", json_string(resource->kind));
	if (json_object_get(object, "spec") != NULL)
		json_object_set_new(metadata, "generation", json_integer(1));
}

/* Whether there is any difference but in what the server counts. */
static bool is_same(const json_t *before, const json_t *after)
{
	static const char *const counted[] = {"resourceVersion", "managedFields"};
	json_t *own = json_deep_copy(after);
	bool same;

	for (size_t i = 0; i < ARRAY_COUNT(counted); i++)
		json_object_set(json_object_get(own, "metadata"), counted[i],
			kube_get(before, "metadata", counted[i], NULL));
	if (kube_get(before, "metadata", "managedFields", NULL) == NULL)
		json_object_del(json_object_get(own, "metadata"), "managedFields");
	same = json_equal(before, own);
	json_decref(own);
	return same;
}

static void count_generation(const json_t *before, json_t *after)
{
	json_t *metadata = json_object_get(after, "metadata");
	json_int_t generation =
		json_integer_value(kube_get(before, "metadata", "generation", NULL));

	if (json_object_get(after, "spec") == NULL)
		return;
	if (!json_equal(json_object_get(before, "spec"), json_object_get(after, "spec")))
		generation++;
	json_object_set_new(metadata, "generation", json_integer(generation));
}

const json_t *kube_store_put(struct kube_store *store, const struct kube_resource *resource,
	const char *key, json_t *object, const struct kube_writer *writer)
{
	json_t *before = json_object_get(store->objects, key);

	if (object == NULL)
		return NULL;
	if (before == NULL && json_object_size(store->objects) >= KUBE_STORE_MAX) {
		json_decref(object);
		return NULL;
	}
	if (before != NULL && is_same(before, object)) {
		json_decref(object);
		return before;
	}
	if (before == NULL)
		complete(store, resource, object);
	else
		count_generation(before, object);
	if (writer != NULL)
		kube_patch_own(before, object, writer);
	note(store, resource, before == NULL ? "ADDED" : "MODIFIED", set_version(store, object));
	return json_object_set_new(store->objects, key, object) == 0 ? object : NULL;
}

void kube_store_remove(struct kube_store *store, const char *key)
{
	json_t *object = json_deep_copy(json_object_get(store->objects, key));
	struct kube_place place;

	if (object != NULL && kube_place_find(&place, key))
		note(store, place.resource, "DELETED", set_version(store, object));
	json_decref(object);
	json_object_del(store->objects, key);
}

/* ---- clients' calls ---- */

int kube_store_list(const struct kube_store *store, const struct kube_place *place,
	const struct kube_selection *selection, json_t **answer)
{
	json_t *items = json_array(), *object;
	const char *key;
	char kind[64];

	json_object_foreach(store->objects, key, object)
	{
		if (is_of(place->resource, place->space, key, object) &&
			kube_selected(selection, object))
			json_array_append_new(items, json_deep_copy(object));
	}
	snprintf(kind, sizeof(kind), "%sList", place->resource->kind);
	*answer = kube_list(kind, kube_resource_version_of(place->resource), items,
		store->cluster->version);
	return 200;
}

static struct kube_writer writer_of(const struct kube_store *store,
	const struct kube_store_call *call, char time[32])
{
	format_rfc3339(store->cluster->now_ms, time, 32);
	return (struct kube_writer){.manager = call->manager != NULL ? call->manager : "unknown",
		.part = call->place->part,
		.version = kube_resource_version_of(call->place->resource),
		.time = time};
}

/* Takes the object; answers it as it is then, or would be. */
static int keep(struct kube_store *store, const struct kube_store_call *call, const char *key,
	json_t *object, json_t **answer)
{
	char time[32];
	struct kube_writer writer = writer_of(store, call, time);
	const json_t *kept;

	if (call->dry) {
		*answer = object;
		return 200;
	}
	kept = kube_store_put(store, call->place->resource, key, object, &writer);
	/* The caller writes it without the lock. */
	*answer = json_deep_copy(kept);
	return kept != NULL ? 200 : kube_refuse(answer, 403, "Forbidden", "the cluster is full");
}

/* The oldest Events of the namespace go, so that one more has a place. */
static void forget_events(struct kube_store *store, const struct kube_place *place)
{
	const char *key, *oldest = NULL;
	size_t count = 0;
	json_t *object;

	json_object_foreach(store->objects, key, object)
	{
		if (is_of(place->resource, place->space, key, object) && count++ == 0)
			oldest = key;
	}
	if (count >= EVENTS_MAX)
		json_object_del(store->objects, oldest);
}

int kube_store_create(struct kube_store *store, const struct kube_store_call *call, json_t **answer)
{
	const struct kube_place *place = call->place;
	const char *name = metadata_text(call->body, "name");
	char key[KUBE_KEY_MAX];
	struct error error;
	json_t *object;
	int code;

	*answer = NULL;
	if ((place->resource->verbs & VERB_CREATE) == 0)
		return kube_refuse(answer, 405, "MethodNotAllowed", "it is not made by clients");
	if (*name == '\0' || !kube_key_write(key, place->resource, place->space, name))
		return kube_refuse(answer, 422, "Invalid", "metadata.name: Required value");
	if (json_object_get(store->objects, key) != NULL)
		return kube_refuse(answer, 409, "AlreadyExists", "there is one of this name");
	object = json_deep_copy(call->body);
	if (object == NULL)
		return 500;
	if (*place->space != '\0')
		json_object_set_new(json_object_get(object, "metadata"), "namespace",
			json_string(place->space));
	if (!kube_rules_hold(place, NULL, object, &error)) {
		json_decref(object);
		return kube_refuse(answer, 422, "Invalid", error.text);
	}
	if (strcmp(place->resource->kind, "Event") == 0 && !call->dry)
		forget_events(store, place);
	code = keep(store, call, key, object, answer);
	return code == 200 ? 201 : code;
}

/* The object as it was, where a change may not touch it. */
static void put_back(const json_t *before, json_t *after)
{
	static const char *const kept[] = {"creationTimestamp", "generation", "managedFields"};
	json_t *metadata = json_object_get(after, "metadata");

	for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
		json_t *own = kube_get(before, "metadata", kept[i], NULL);

		if (own != NULL)
			json_object_set_new(metadata, kept[i], json_deep_copy(own));
	}
	if (json_object_get(before, "status") != NULL)
		json_object_set_new(after, "status",
			json_deep_copy(json_object_get(before, "status")));
}

/* Judges an object that shall take the place of what is there; takes it. */
static int judge(struct kube_store *store, const struct kube_store_call *call, const json_t *before,
	json_t *after, json_t **answer)
{
	struct error error;
	int code = 0;

	if (strcmp(kube_uid(before), kube_uid(after)) != 0)
		code = kube_refuse(answer, 409, "Conflict",
			"Precondition failed: UID in precondition differs");
	else if (strcmp(kube_resource_version(before), kube_resource_version(after)) != 0)
		code = kube_refuse(answer, 409, "Conflict",
			"the object has been modified; please apply your changes to the latest "
			"version");
	else if (strcmp(metadata_text(before, "name"), metadata_text(after, "name")) != 0)
		code = kube_refuse(answer, 400, "BadRequest", "the name of an object stays");
	if (code == 0) {
		put_back(before, after);
		if (!kube_rules_hold(call->place, before, after, &error))
			code = kube_refuse(answer, 422, "Invalid", error.text);
	}
	if (code == 0)
		return keep(store, call, call->place->key, after, answer);
	json_decref(after);
	return code;
}

int kube_store_patch(struct kube_store *store, const struct kube_store_call *call, json_t **answer)
{
	json_t *before = json_object_get(store->objects, call->place->key), *after;
	struct error error = {0};
	enum status status;

	*answer = NULL;
	if (before == NULL)
		return refuse_none(answer);
	if ((call->place->resource->verbs & VERB_PATCH) == 0)
		return kube_refuse(answer, 405, "MethodNotAllowed", "it is not changed by clients");
	after = json_deep_copy(before);
	if (after == NULL)
		return 500;
	status = kube_patch_apply(after, call->body, call->patch, &error);
	if (status == STATUS_OK && json_is_object(json_object_get(after, "metadata")))
		return judge(store, call, before, after, answer);
	json_decref(after);
	if (status == STATUS_CONFLICT)
		return kube_refuse(answer, 422, "Invalid", error.text);
	return kube_refuse(answer, 400, "BadRequest",
		status == STATUS_OK ? "the patch takes the metadata away" : error.text);
}

int kube_store_replace(struct kube_store *store, const struct kube_store_call *call,
	json_t **answer)
{
	json_t *before = json_object_get(store->objects, call->place->key), *after;

	*answer = NULL;
	if (before == NULL)
		return refuse_none(answer);
	if ((call->place->resource->verbs & VERB_REPLACE) == 0)
		return kube_refuse(answer, 405, "MethodNotAllowed",
			"it is not replaced as a whole here");
	after = json_deep_copy(call->body);
	if (after == NULL)
		return 500;
	/* A replacement may leave the uid out. */
	if (*kube_uid(after) == '\0')
		json_object_set(json_object_get(after, "metadata"), "uid",
			kube_get(before, "metadata", "uid", NULL));
	return judge(store, call, before, after, answer);
}

int kube_store_delete(struct kube_store *store, const struct kube_store_call *call, json_t **answer)
{
	const json_t *object = json_object_get(store->objects, call->place->key);

	*answer = NULL;
	if (object == NULL)
		return refuse_none(answer);
	if ((call->place->resource->verbs & VERB_DELETE) == 0)
		return kube_refuse(answer, 405, "MethodNotAllowed", "it is not deleted by clients");
	if (call->uid != NULL && strcmp(kube_uid(object), call->uid) != 0)
		return kube_refuse(answer, 409, "Conflict",
			"Precondition failed: UID in precondition differs");
	*answer = kube_status(200, "", "");
	if (!call->dry)
		kube_store_remove(store, call->place->key);
	return 200;
}

/* ---- what happened ---- */

static void write_line(struct buf *lines, const char *type, const json_t *object)
{
	char *text = kube_dump(object, LINE_MAX_BYTES);

	if (text != NULL)
		buf_printf(lines, "{\"type\":\"%s\",\"object\":%s}\n", type, text);
	mem_free(text);
}

bool kube_store_events(const struct kube_store *store, const struct kube_place *place,
	uint64_t *version, struct buf *lines)
{
	uint64_t first =
		store->happened > KUBE_STORE_EVENTS ? store->happened - KUBE_STORE_EVENTS : 0;

	if (*version < store->forgotten)
		return false;
	for (uint64_t i = first; i < store->happened; i++) {
		const struct happening *at = &store->ring[i % KUBE_STORE_EVENTS];
		const char *space = metadata_text(at->object, "namespace");

		if (at->version <= *version || at->resource != place->resource ||
			(*place->space != '\0' && strcmp(place->space, space) != 0) ||
			(*place->name != '\0' &&
				strcmp(place->name, metadata_text(at->object, "name")) != 0))
			continue;
		write_line(lines, at->type, at->object);
	}
	*version = store->cluster->version;
	return true;
}

void kube_store_bookmark(const struct kube_store *store, const struct kube_place *place,
	uint64_t *version, struct buf *lines)
{
	json_t *object = json_pack("{s:s,s:s,s:{s:o}}", "apiVersion",
		kube_resource_version_of(place->resource), "kind", place->resource->kind,
		"metadata", "resourceVersion", json_sprintf("%" PRIu64, store->cluster->version));

	*version = store->cluster->version;
	write_line(lines, "BOOKMARK", object);
	json_decref(object);
}

/* ---- life ---- */

struct kube_store *kube_store_open(struct cluster *cluster)
{
	struct kube_store *store = mem_zalloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->cluster = cluster;
	store->objects = json_object();
	if (store->objects != NULL)
		return store;
	mem_free(store);
	return NULL;
}

void kube_store_close(struct kube_store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < KUBE_STORE_EVENTS; i++)
		json_decref(store->ring[i].object);
	json_decref(store->objects);
	mem_free(store);
}
