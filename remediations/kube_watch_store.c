/*
 * A hash table a kind. An entry is one block: its numbers, and its texts one behind the other, so that
 * a pod of 10 kB of JSON costs some 250 bytes.
 */
#include "remediations/kube_watch_store.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define BUCKETS_MIN 64

/* The texts of an entry, in their order. */
enum {
	TEXT_NAMESPACE,
	TEXT_NAME,
	TEXT_UID,
	TEXT_VERSION,
	TEXT_REFERENCE,
	TEXT_REFERENCE_UID,
	TEXT_FURTHER,
	TEXT_COUNT
};

static const size_t text_max[TEXT_COUNT] = {NAMESPACE_MAX, OBJECT_NAME_MAX, UID_MAX, UID_MAX,
	OBJECT_NAME_MAX, UID_MAX, OBJECT_NAME_MAX};

struct entry {
	struct entry *next;
	uint32_t hash, round, size; /* size: of the block */
	int32_t replicas, ready_replicas, restarts, disruptions_allowed;
	uint8_t managed, paused, dry_run, reference_kind;
	bool terminating, unschedulable, rolled_out;
	char texts[];
};

struct table {
	struct entry **buckets;
	size_t bucket_count, count;
};

struct kube_watch_store {
	struct table tables[KUBE_WATCH_KIND_COUNT];
	size_t object_max, count, bytes;
};

static const struct {
	const char *group, *version, *resource;
} rows[] = {
#define X(kind, group, version, resource) {group, version, resource},
	KUBE_WATCH_TABLE(X)
#undef X
};

const char *kube_watch_group(enum kube_watch_kind kind)
{
	return rows[kind].group;
}

const char *kube_watch_version(enum kube_watch_kind kind)
{
	return rows[kind].version;
}

const char *kube_watch_resource(enum kube_watch_kind kind)
{
	return rows[kind].resource;
}

/* FNV-1a. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	} while (*text++ != '\0');
	return hash;
}

static uint32_t hash_of(const char *namespace_name, const char *name)
{
	return hash_text(hash_text(2166136261u, namespace_name), name);
}

static const char *text_of(const struct entry *entry, int which)
{
	const char *text = entry->texts;

	for (int i = 0; i < which; i++)
		text += strlen(text) + 1;
	return text;
}

/* Where the entry hangs, or the end of its bucket. */
static struct entry **find(const struct table *table, const char *namespace_name, const char *name)
{
	uint32_t hash = hash_of(namespace_name, name);
	struct entry **at;

	if (table->bucket_count == 0)
		return NULL;
	at = &table->buckets[hash & (table->bucket_count - 1)];
	while (*at != NULL &&
		((*at)->hash != hash || strcmp((*at)->texts, namespace_name) != 0 ||
			strcmp(text_of(*at, TEXT_NAME), name) != 0))
		at = &(*at)->next;
	return at;
}

static bool grow(struct kube_watch_store *store, struct table *table)
{
	size_t count = table->bucket_count > 0 ? table->bucket_count * 2 : BUCKETS_MIN;
	struct entry **buckets;

	if (table->count < table->bucket_count)
		return true;
	buckets = mem_zalloc(count, sizeof(struct entry *));
	if (buckets == NULL)
		return table->bucket_count > 0;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct entry *entry = table->buckets[i], *next;

		for (; entry != NULL; entry = next) {
			next = entry->next;
			entry->next = buckets[entry->hash & (count - 1)];
			buckets[entry->hash & (count - 1)] = entry;
		}
	}
	mem_free(table->buckets);
	store->bytes += (count - table->bucket_count) * sizeof(struct entry *);
	table->buckets = buckets;
	table->bucket_count = count;
	return true;
}

static void drop(struct kube_watch_store *store, struct table *table, struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	table->count--;
	store->count--;
	store->bytes -= entry->size;
	mem_free(entry);
}

struct kube_watch_store *kube_watch_store_open(size_t object_max)
{
	struct kube_watch_store *store = mem_zalloc(1, sizeof(*store));

	if (store != NULL)
		store->object_max = object_max;
	return store;
}

void kube_watch_store_clear(struct kube_watch_store *store, enum kube_watch_kind kind)
{
	struct table *table = &store->tables[kind];

	for (size_t i = 0; i < table->bucket_count; i++)
		while (table->buckets[i] != NULL)
			drop(store, table, &table->buckets[i]);
	store->bytes -= table->bucket_count * sizeof(struct entry *);
	mem_free(table->buckets);
	*table = (struct table){0};
}

void kube_watch_store_close(struct kube_watch_store *store)
{
	if (store == NULL)
		return;
	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++)
		kube_watch_store_clear(store, (enum kube_watch_kind)kind);
	mem_free(store);
}

void kube_watch_store_sweep(struct kube_watch_store *store, enum kube_watch_kind kind,
	uint32_t round)
{
	struct table *table = &store->tables[kind];

	for (size_t i = 0; i < table->bucket_count; i++) {
		struct entry **at = &table->buckets[i];

		while (*at != NULL) {
			if ((*at)->round != round)
				drop(store, table, at);
			else
				at = &(*at)->next;
		}
	}
}

/* ---- what is kept ---- */

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static bool condition_true(const json_t *object, const char *type)
{
	const json_t *conditions = kube_get(object, "status", "conditions", NULL), *condition;
	size_t i;

	json_array_foreach(conditions, i, condition)
	{
		if (strcmp(text_at(condition, "type"), type) == 0)
			return strcmp(text_at(condition, "status"), "True") == 0;
	}
	return false;
}

static void read_workload(struct entry *entry, const json_t *object, bool daemon)
{
	const json_t *status = json_object_get(object, "status");
	const json_t *generation = kube_get(object, "metadata", "generation", NULL);
	const json_t *observed = json_object_get(status, "observedGeneration");

	entry->replicas = daemon ? kube_number(json_object_get(status, "desiredNumberScheduled"), 0)
				 : kube_number(kube_get(object, "spec", "replicas", NULL), 1);
	entry->ready_replicas =
		kube_number(json_object_get(status, daemon ? "numberReady" : "readyReplicas"), 0);
	entry->rolled_out = json_is_integer(generation) && json_is_integer(observed) &&
		json_integer_value(observed) >= json_integer_value(generation);
}

static void read_pod(struct entry *entry, const json_t *object)
{
	const json_t *states = kube_get(object, "status", "containerStatuses", NULL), *state;
	size_t i;

	entry->replicas = 1;
	entry->ready_replicas = condition_true(object, "Ready");
	json_array_foreach(states, i, state)
	{
		int32_t count = kube_number(json_object_get(state, "restartCount"), 0);

		entry->restarts = count > entry->restarts ? count : entry->restarts;
	}
}

static void read_numbers(struct entry *entry, enum kube_watch_kind kind, const json_t *object)
{
	switch (kind) {
	case KUBE_WATCH_PODS:
		read_pod(entry, object);
		break;
	case KUBE_WATCH_NODES:
		entry->ready_replicas = condition_true(object, "Ready");
		entry->unschedulable =
			json_is_true(kube_get(object, "spec", "unschedulable", NULL));
		break;
	case KUBE_WATCH_DEPLOYMENTS:
	case KUBE_WATCH_STATEFULSETS:
	case KUBE_WATCH_REPLICASETS:
	case KUBE_WATCH_DAEMONSETS:
		read_workload(entry, object, kind == KUBE_WATCH_DAEMONSETS);
		break;
	case KUBE_WATCH_AUTOSCALERS:
		entry->replicas =
			kube_number(kube_get(object, "status", "currentReplicas", NULL), 0);
		break;
	case KUBE_WATCH_BUDGETS:
		entry->disruptions_allowed =
			kube_number(kube_get(object, "status", "disruptionsAllowed", NULL), 0);
		break;
	case KUBE_WATCH_NAMESPACES:
	case KUBE_WATCH_SCALED_OBJECTS:
	case KUBE_WATCH_KIND_COUNT:
		break;
	}
}

/* What it scales or who owns it. */
static const json_t *reference_of(enum kube_watch_kind kind, const json_t *object,
	enum target_kind *reference_kind)
{
	bool scaler = kind == KUBE_WATCH_AUTOSCALERS || kind == KUBE_WATCH_SCALED_OBJECTS;
	const json_t *reference =
		scaler ? kube_get(object, "spec", "scaleTargetRef", NULL) : kube_controller(object);
	const char *name = json_string_value(json_object_get(reference, "kind"));
	const char *version = json_string_value(json_object_get(reference, "apiVersion"));

	/* A ScaledObject may leave both out, and then means a Deployment. */
	if (scaler && name == NULL)
		name = "Deployment";
	if (scaler && version == NULL)
		version = "apps/v1";
	*reference_kind = reference != NULL ? kube_kind(name, version) : TARGET_NONE;
	return reference;
}

static const char *further_of(enum kube_watch_kind kind, const json_t *object)
{
	const json_t *controller = kube_controller(object);
	const char *scaled = kube_label(object, "scaledobject.keda.sh/name");

	if (kind == KUBE_WATCH_PODS)
		return text_at(json_object_get(object, "spec"), "nodeName");
	if (kind != KUBE_WATCH_AUTOSCALERS)
		return "";
	if (strcmp(text_at(controller, "kind"), "ScaledObject") == 0)
		return text_at(controller, "name");
	return scaled != NULL ? scaled : "";
}

/* STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
static enum status make_entry(enum kube_watch_kind kind, const json_t *object, struct entry **made)
{
	const json_t *metadata = json_object_get(object, "metadata");
	enum target_kind reference_kind;
	const json_t *reference = reference_of(kind, object, &reference_kind);
	const char *texts[TEXT_COUNT] = {text_at(metadata, "namespace"), text_at(metadata, "name"),
		kube_uid(object), kube_resource_version(object), text_at(reference, "name"),
		text_at(reference, "uid"), further_of(kind, object)};
	size_t size = sizeof(struct entry);
	struct entry *entry;
	char *at;

	for (int i = 0; i < TEXT_COUNT; i++) {
		size_t length = strlen(texts[i]);

		if (length >= text_max[i] || (length == 0 && i >= TEXT_NAME && i <= TEXT_VERSION))
			return STATUS_BAD_INPUT;
		size += length + 1;
	}
	entry = mem_zalloc(1, size);
	if (entry == NULL)
		return STATUS_NO_MEMORY;
	at = entry->texts;
	for (int i = 0; i < TEXT_COUNT; i++) {
		size_t length = strlen(texts[i]) + 1;

		memcpy(at, texts[i], length);
		at += length;
	}
	entry->size = (uint32_t)size;
	entry->hash = hash_of(texts[TEXT_NAMESPACE], texts[TEXT_NAME]);
	entry->reference_kind = (uint8_t)reference_kind;
	entry->managed = (uint8_t)kube_annotation_flag(object, ANNOTATION_MANAGED);
	entry->paused = (uint8_t)kube_annotation_flag(object, ANNOTATION_PAUSED);
	entry->dry_run = (uint8_t)kube_annotation_flag(object, ANNOTATION_DRY_RUN);
	entry->terminating = kube_terminating(object);
	read_numbers(entry, kind, object);
	*made = entry;
	return STATUS_OK;
}

enum status kube_watch_store_put(struct kube_watch_store *store, enum kube_watch_kind kind,
	const json_t *object, uint32_t round)
{
	struct table *table = &store->tables[kind];
	struct entry *entry, **at;
	enum status status = make_entry(kind, object, &entry);

	if (status != STATUS_OK)
		return status;
	entry->round = round;
	at = find(table, entry->texts, text_of(entry, TEXT_NAME));
	if (at != NULL && *at != NULL)
		drop(store, table, at);
	if (store->count >= store->object_max)
		status = STATUS_LIMIT;
	else if (!grow(store, table))
		status = STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		mem_free(entry);
		return status;
	}
	at = &table->buckets[entry->hash & (table->bucket_count - 1)];
	entry->next = *at;
	*at = entry;
	table->count++;
	store->count++;
	store->bytes += entry->size;
	return STATUS_OK;
}

void kube_watch_store_remove(struct kube_watch_store *store, enum kube_watch_kind kind,
	const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	struct table *table = &store->tables[kind];
	struct entry **at = find(table, text_at(metadata, "namespace"), text_at(metadata, "name"));

	if (at != NULL && *at != NULL)
		drop(store, table, at);
}

/* ---- looking ---- */

static void copy(struct kube_seen *seen, const struct entry *entry)
{
	*seen = (struct kube_seen){.managed = (enum kube_flag)entry->managed,
		.paused = (enum kube_flag)entry->paused,
		.dry_run = (enum kube_flag)entry->dry_run,
		.terminating = entry->terminating,
		.reference_kind = (enum target_kind)entry->reference_kind,
		.replicas = entry->replicas,
		.ready_replicas = entry->ready_replicas,
		.restarts = entry->restarts,
		.disruptions_allowed = entry->disruptions_allowed,
		.unschedulable = entry->unschedulable,
		.rolled_out = entry->rolled_out};
	char *const texts[TEXT_COUNT] = {seen->namespace_name, seen->name, seen->uid,
		seen->resource_version, seen->reference_name, seen->reference_uid, seen->further};
	const char *at = entry->texts;

	/* Each was measured when it came in. */
	for (int i = 0; i < TEXT_COUNT; i++) {
		size_t length = strlen(at) + 1;

		memcpy(texts[i], at, length);
		at += length;
	}
}

bool kube_watch_store_get(const struct kube_watch_store *store, enum kube_watch_kind kind,
	const char *namespace_name, const char *name, struct kube_seen *seen)
{
	struct entry **at = find(&store->tables[kind], namespace_name, name);

	if (at == NULL || *at == NULL)
		return false;
	copy(seen, *at);
	return true;
}

bool kube_watch_store_find(const struct kube_watch_store *store, enum kube_watch_kind kind,
	const char *namespace_name, enum target_kind reference_kind, const char *reference_name,
	struct kube_seen *seen)
{
	const struct table *table = &store->tables[kind];

	for (size_t i = 0; i < table->bucket_count; i++) {
		for (const struct entry *entry = table->buckets[i]; entry != NULL;
			entry = entry->next) {
			if (entry->reference_kind != (uint8_t)reference_kind ||
				strcmp(entry->texts, namespace_name) != 0 ||
				strcmp(text_of(entry, TEXT_REFERENCE), reference_name) != 0)
				continue;
			copy(seen, entry);
			return true;
		}
	}
	return false;
}

size_t kube_watch_store_count(const struct kube_watch_store *store, enum kube_watch_kind kind)
{
	return store->tables[kind].count;
}

size_t kube_watch_store_bytes(const struct kube_watch_store *store)
{
	return store->bytes;
}
