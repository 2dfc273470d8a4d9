/*
 * Trees are walked with a stack. Lists that Kubernetes patches by a key of their elements stand in the
 * table; all other lists are values that are replaced as a whole, and are owned as a whole too.
 */
#include "demo/kube_patch.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/kube_object.h"

/* The key of the elements of a list; NULL: it is a list of no keys. */
static const char *key_of_list(const char *list)
{
	static const struct {
		const char *list, *key;
	} table[] = {{"containers", "name"}, {"initContainers", "name"}, {"env", "name"},
		{"volumes", "name"}, {"ports", "containerPort"}, {"volumeMounts", "mountPath"},
		{"conditions", "type"}, {"ownerReferences", "uid"}};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		if (strcmp(table[i].list, list) == 0)
			return table[i].key;
	return NULL;
}

bool kube_patch_kind_of(const char *media_type, enum kube_patch_kind *kind)
{
	static const char *const types[] = {[PATCH_MERGE] = "application/merge-patch+json",
		[PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
		[PATCH_JSON] = "application/json-patch+json"};

	for (size_t i = 0; media_type != NULL && i < ARRAY_COUNT(types); i++) {
		if (strncmp(media_type, types[i], strlen(types[i])) != 0)
			continue;
		*kind = (enum kube_patch_kind)i;
		return true;
	}
	return false;
}

/* The element whose value of the key is the same; NULL: none. */
static json_t *element(const json_t *list, const char *key, const json_t *like, size_t *index)
{
	const json_t *wanted = json_object_get(like, key);
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		*index = i;
		if (wanted != NULL && json_equal(json_object_get(item, key), wanted))
			return item;
	}
	return NULL;
}

/* ---- merging ---- */

struct merging {
	json_t *into;
	const json_t *patch;
};

struct merge {
	struct merging stack[KUBE_PATCH_WIDTH];
	size_t depth;
	bool strategic, wide, failed;
};

static void push(struct merge *merge, json_t *into, const json_t *patch)
{
	if (merge->depth == KUBE_PATCH_WIDTH)
		merge->wide = true;
	else
		merge->stack[merge->depth++] = (struct merging){into, patch};
}

static bool has_directive(const json_t *value, const char *word)
{
	const char *text = json_string_value(json_object_get(value, "$patch"));

	return text != NULL && strcmp(text, word) == 0;
}

static void merge_elements(struct merge *merge, json_t *list, const char *key, const json_t *patch)
{
	const json_t *item;
	size_t i, index;

	json_array_foreach(patch, i, item)
	{
		json_t *own = element(list, key, item, &index);

		if (merge->strategic && has_directive(item, "delete")) {
			if (own != NULL)
				json_array_remove(list, index);
			continue;
		}
		if (own == NULL) {
			own = json_object();
			merge->failed |= json_array_append_new(list, own) != 0;
		}
		if (!merge->failed)
			push(merge, own, item);
	}
}

static void merge_member(struct merge *merge, json_t *into, const char *name, const json_t *value)
{
	const char *key = merge->strategic ? key_of_list(name) : NULL;
	json_t *own = json_object_get(into, name);

	if (merge->strategic && *name == '$')
		return;
	if (json_is_null(value)) {
		json_object_del(into, name);
	} else if (json_is_object(value)) {
		if (!json_is_object(own) || (merge->strategic && has_directive(value, "replace"))) {
			own = json_object();
			merge->failed |= json_object_set_new(into, name, own) != 0;
		}
		if (!merge->failed)
			push(merge, own, value);
	} else if (key != NULL && json_is_array(value)) {
		if (!json_is_array(own)) {
			own = json_array();
			merge->failed |= json_object_set_new(into, name, own) != 0;
		}
		if (!merge->failed)
			merge_elements(merge, own, key, value);
	} else {
		merge->failed |= json_object_set_new(into, name, json_deep_copy(value)) != 0;
	}
}

static enum status run_merge(json_t *object, const json_t *patch, bool strategic,
	struct error *error)
{
	struct merge merge = {.strategic = strategic};

	if (!json_is_object(patch))
		return error_set(error, STATUS_BAD_INPUT, "the patch is no JSON object");
	push(&merge, object, patch);
	while (merge.depth > 0 && !merge.failed && !merge.wide) {
		struct merging at = merge.stack[--merge.depth];
		const char *name;
		json_t *value;

		json_object_foreach((json_t *)(uintptr_t)at.patch, name, value)
			merge_member(&merge, at.into, name, value);
	}
	if (merge.wide)
		return error_set(error, STATUS_BAD_INPUT, "the patch is too wide");
	return merge.failed ? error_set(error, STATUS_NO_MEMORY, "no memory for a patch")
			    : STATUS_OK;
}

/* ---- JSON patches ---- */

/* One name of a pointer, without its escapes; the rest behind it. NULL: it is too long, or no pointer. */
static const char *next_name(const char *pointer, char name[256])
{
	size_t size = 0;

	if (*pointer++ != '/')
		return NULL;
	while (*pointer != '\0' && *pointer != '/') {
		char byte = *pointer++;

		if (byte == '~' && (*pointer == '0' || *pointer == '1'))
			byte = *pointer++ == '0' ? '~' : '/';
		if (size == 255)
			return NULL;
		name[size++] = byte;
	}
	name[size] = '\0';
	return pointer;
}

static json_t *child_of(json_t *at, const char *name)
{
	int64_t index;

	if (json_is_object(at))
		return json_object_get(at, name);
	if (!json_is_array(at) || parse_int(name, &index) != STATUS_OK || index < 0)
		return NULL;
	return json_array_get(at, (size_t)index);
}

/* The value that holds the last name of a pointer; NULL: there is none. */
static json_t *holder_of(json_t *at, const char *pointer, char name[256])
{
	pointer = next_name(pointer, name);
	while (at != NULL && pointer != NULL && *pointer != '\0') {
		at = child_of(at, name);
		pointer = next_name(pointer, name);
	}
	return pointer != NULL && (json_is_object(at) || json_is_array(at)) ? at : NULL;
}

static bool put(json_t *holder, const char *name, const json_t *value, bool insert)
{
	json_t *copy = json_deep_copy(value);
	int64_t index;

	if (json_is_object(holder))
		return json_object_set_new(holder, name, copy) == 0;
	if (insert && strcmp(name, "-") == 0)
		return json_array_append_new(holder, copy) == 0;
	if (parse_int(name, &index) != STATUS_OK || index < 0) {
		json_decref(copy);
		return false;
	}
	return (insert ? json_array_insert_new(holder, (size_t)index, copy)
		       : json_array_set_new(holder, (size_t)index, copy)) == 0;
}

static bool take_away(json_t *holder, const char *name)
{
	int64_t index;

	if (json_is_object(holder))
		return json_object_del(holder, name) == 0;
	return parse_int(name, &index) == STATUS_OK && index >= 0 &&
		json_array_remove(holder, (size_t)index) == 0;
}

static enum status run_operation(json_t *object, const json_t *operation, struct error *error)
{
	const char *word = json_string_value(json_object_get(operation, "op"));
	const char *pointer = json_string_value(json_object_get(operation, "path"));
	const json_t *value = json_object_get(operation, "value");
	json_t *holder;
	char name[256];
	bool good;

	if (word == NULL || pointer == NULL)
		return error_set(error, STATUS_BAD_INPUT, "an operation has no op or no path");
	holder = holder_of(object, pointer, name);
	if (holder == NULL)
		return error_set(error, STATUS_CONFLICT, "there is no %.200s", pointer);
	if (strcmp(word, "test") == 0) {
		if (json_equal(child_of(holder, name), value))
			return STATUS_OK;
		return error_set(error, STATUS_CONFLICT, "the test of %.200s fails", pointer);
	}
	if (strcmp(word, "remove") == 0)
		good = take_away(holder, name);
	else if (strcmp(word, "add") == 0)
		good = value != NULL && put(holder, name, value, true);
	else if (strcmp(word, "replace") == 0)
		good = value != NULL && child_of(holder, name) != NULL &&
			put(holder, name, value, false);
	else
		return error_set(error, STATUS_BAD_INPUT, "the operation %.40s is not served",
			word);
	return good ? STATUS_OK
		    : error_set(error, STATUS_CONFLICT, "%.20s of %.200s is not possible", word,
			      pointer);
}

static enum status run_operations(json_t *object, const json_t *patch, struct error *error)
{
	const json_t *operation;
	size_t i;

	if (!json_is_array(patch))
		return error_set(error, STATUS_BAD_INPUT, "a JSON patch is a list");
	json_array_foreach(patch, i, operation)
	{
		enum status status = run_operation(object, operation, error);

		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

enum status kube_patch_apply(json_t *object, const json_t *patch, enum kube_patch_kind kind,
	struct error *error)
{
	return kind == PATCH_JSON ? run_operations(object, patch, error)
				  : run_merge(object, patch, kind == PATCH_STRATEGIC, error);
}

/* ---- who wrote what ---- */

struct pair {
	const json_t *before, *after;
	json_t *path; /* names as fieldsV1 has them; owned */
	const char *list_key;
};

struct walk {
	struct pair stack[KUBE_PATCH_WIDTH * 4];
	size_t depth;
	json_t *others, *mine; /* fieldsV1: a list of the others', and the writer's */
};

/* Takes "path" itself, not a reference of the caller's. */
static void visit(struct walk *walk, const json_t *before, const json_t *after, json_t *path,
	const char *list_key)
{
	if (walk->depth < ARRAY_COUNT(walk->stack))
		walk->stack[walk->depth++] = (struct pair){before, after, path, list_key};
	else
		json_decref(path);
}

static json_t *step(const json_t *path, const char *name)
{
	json_t *longer = json_copy((json_t *)(uintptr_t)path);

	json_array_append_new(longer, json_string(name));
	return longer;
}

static void forget_path(json_t *fields, const json_t *path)
{
	size_t size = json_array_size(path);

	for (size_t i = 0; i + 1 < size; i++)
		fields = json_object_get(fields, json_string_value(json_array_get(path, i)));
	json_object_del(fields, json_string_value(json_array_get(path, size - 1)));
}

static void own_path(json_t *fields, const json_t *path)
{
	size_t i;
	json_t *name;

	json_array_foreach(path, i, name)
	{
		json_t *below = json_object_get(fields, json_string_value(name));

		if (below == NULL) {
			below = json_object();
			json_object_set_new(fields, json_string_value(name), below);
		}
		fields = below;
	}
}

/* A value that is another one by now, or gone. */
static void note_leaf(struct walk *walk, const struct pair *pair)
{
	json_t *fields;
	size_t i;

	json_array_foreach(walk->others, i, fields) forget_path(fields, pair->path);
	if (pair->after != NULL)
		own_path(walk->mine, pair->path);
	else
		forget_path(walk->mine, pair->path);
}

static void visit_maps(struct walk *walk, const struct pair *pair)
{
	const char *name;
	json_t *value;
	char field[300];

	json_object_foreach((json_t *)(uintptr_t)pair->after, name, value)
	{
		snprintf(field, sizeof(field), "f:%s", name);
		visit(walk, json_object_get(pair->before, name), value, step(pair->path, field),
			key_of_list(name));
	}
	json_object_foreach((json_t *)(uintptr_t)pair->before, name, value)
	{
		snprintf(field, sizeof(field), "f:%s", name);
		if (json_object_get(pair->after, name) == NULL)
			visit(walk, value, NULL, step(pair->path, field), key_of_list(name));
	}
}

static void visit_element(struct walk *walk, const struct pair *pair, const json_t *item,
	const json_t *before, const json_t *after)
{
	json_t *key = json_pack("{s:O}", pair->list_key,
		json_object_get((json_t *)(uintptr_t)item, pair->list_key));
	char *text = kube_dump(key, 256);
	char field[300];

	if (text != NULL) {
		snprintf(field, sizeof(field), "k:%s", text);
		visit(walk, before, after, step(pair->path, field), NULL);
	}
	json_decref(key);
	mem_free(text);
}

static void visit_lists(struct walk *walk, const struct pair *pair)
{
	const json_t *item;
	size_t i, at;

	json_array_foreach(pair->after, i, item)
	{
		visit_element(walk, pair, item, element(pair->before, pair->list_key, item, &at),
			item);
	}
	json_array_foreach(pair->before, i, item)
	{
		if (element(pair->after, pair->list_key, item, &at) == NULL)
			visit_element(walk, pair, item, item, NULL);
	}
}

static void run_walk(struct walk *walk)
{
	while (walk->depth > 0) {
		struct pair pair = walk->stack[--walk->depth];

		if (pair.before != NULL && pair.after != NULL &&
			json_equal(pair.before, pair.after))
			; /* nobody wrote anything */
		else if (json_is_object(pair.after) &&
			(pair.before == NULL || json_is_object(pair.before)))
			visit_maps(walk, &pair);
		else if (pair.list_key != NULL && json_is_array(pair.after) &&
			(pair.before == NULL || json_is_array(pair.before)))
			visit_lists(walk, &pair);
		else
			note_leaf(walk, &pair);
		json_decref(pair.path);
	}
}

static bool is_text(const json_t *map, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(map, name));

	return strcmp(text != NULL ? text : "", wanted) == 0;
}

/* The writer's entry, made when there is none, with the time of now. */
static json_t *entry_of(json_t *list, const struct kube_writer *writer)
{
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (!is_text(entry, "manager", writer->manager) ||
			!is_text(entry, "subresource", writer->part))
			continue;
		json_object_set_new(entry, "time", json_string(writer->time));
		return entry;
	}
	entry = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{}}", "manager", writer->manager, "operation",
		"Update", "apiVersion", writer->version, "time", writer->time, "fieldsType",
		"FieldsV1", "fieldsV1");
	if (*writer->part != '\0')
		json_object_set_new(entry, "subresource", json_string(writer->part));
	json_array_append_new(list, entry);
	return entry;
}

static const json_t *below(const json_t *object, const char *part, const char *name)
{
	const json_t *at = json_object_get(object, part);

	return name != NULL ? json_object_get(at, name) : at;
}

void kube_patch_own(const json_t *before, json_t *after, const struct kube_writer *writer)
{
	static const char *const roots[][2] = {{"spec", NULL}, {"metadata", "annotations"},
		{"metadata", "labels"}};
	json_t *metadata = json_object_get(after, "metadata"), *list, *entry, *other;
	struct walk walk = {.others = json_array()};
	size_t i;

	list = json_object_get(metadata, "managedFields");
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(metadata, "managedFields", list);
	}
	entry = entry_of(list, writer);
	walk.mine = json_object_get(entry, "fieldsV1");
	json_array_foreach(list, i, other)
	{
		if (other != entry)
			json_array_append(walk.others, json_object_get(other, "fieldsV1"));
	}
	for (i = 0; i < ARRAY_COUNT(roots); i++) {
		char field[64];
		json_t *path = json_array();

		snprintf(field, sizeof(field), "f:%s", roots[i][0]);
		json_array_append_new(path, json_string(field));
		if (roots[i][1] != NULL) {
			snprintf(field, sizeof(field), "f:%s", roots[i][1]);
			json_array_append_new(path, json_string(field));
		}
		visit(&walk, below(before, roots[i][0], roots[i][1]),
			below(after, roots[i][0], roots[i][1]), path, NULL);
		run_walk(&walk);
	}
	json_decref(walk.others);
}
