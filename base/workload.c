/*
 * Names of the cluster's things as plain values: tables to words and back, workload keys from
 * labels, their hash and their text.
 */
#include "base/workload.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/custom_kind.h"

static const struct {
	const char *name, *label;
	bool namespaced;
} kinds[TARGET_KIND_COUNT] = {
#define X(kind, name, label, namespaced) [kind] = {name, label, namespaced},
	TARGET_KIND_TABLE(X)
#undef X
};

static const struct {
	const char *name, *unit;
} roles[ROLE_COUNT] = {
#define X(role, name, unit) [role] = {name, unit},
	ROLE_TABLE(X)
#undef X
};

/* The row of a custom resource; NULL for a kind of the table. */
static const struct custom_kind *custom(enum target_kind kind)
{
	const struct custom_kind *row = custom_kind_get(kind);

	CHECK(row != NULL || (unsigned)kind < TARGET_KIND_COUNT);
	return row;
}

const char *target_kind_name(enum target_kind kind)
{
	const struct custom_kind *row = custom(kind);

	return row != NULL ? row->name : kinds[kind].name;
}

const char *target_kind_label(enum target_kind kind)
{
	const struct custom_kind *row = custom(kind);

	return row != NULL ? row->label : kinds[kind].label;
}

bool target_kind_namespaced(enum target_kind kind)
{
	return custom(kind) != NULL || kinds[kind].namespaced;
}

enum target_kind target_kind_parse(const char *name)
{
	unsigned count = TARGET_KIND_COUNT + custom_kind_count();

	for (unsigned kind = 0; kind < count; kind++)
		if (!strcasecmp(name, target_kind_name((enum target_kind)kind)))
			return (enum target_kind)kind;
	return TARGET_NONE;
}

const char *role_name(enum signal_role role)
{
	CHECK((unsigned)role < ROLE_COUNT);
	return roles[role].name;
}

const char *role_unit(enum signal_role role)
{
	CHECK((unsigned)role < ROLE_COUNT);
	return roles[role].unit;
}

enum signal_role role_parse(const char *name)
{
	unsigned role = 0;

	while (role < ROLE_COUNT && strcmp(name, roles[role].name) != 0)
		role++;
	return (enum signal_role)role;
}

/* Copies a label's value whole or not at all: a cut name would name something else. */
static enum status take_label(char *to, size_t size, const struct labels *labels, const char *name,
	bool required, struct error *error)
{
	const char *value = labels_get(labels, name);
	size_t length = value ? strlen(value) : 0;

	if (!value && required)
		return error_set(error, STATUS_NOT_FOUND, "label \"%s\" is absent", name);
	if (length >= size)
		return error_set(error, STATUS_BAD_INPUT,
			"label \"%s\" is %zu bytes long, at most %zu are allowed", name, length,
			size - 1);
	if (length)
		memcpy(to, value, length);
	to[length] = '\0';
	return STATUS_OK;
}

enum status workload_key_from_labels(struct workload_key *key, const struct labels *labels,
	struct error *error)
{
	char kind[KIND_MAX];
	enum status status;

	memset(key, 0, sizeof(*key));
	status = take_label(kind, sizeof(kind), labels, "workload_kind", true, error);
	if (status)
		return status;
	key->kind = target_kind_parse(kind);
	if (key->kind == TARGET_NONE)
		return error_set(error, STATUS_BAD_INPUT,
			"label \"workload_kind\" is \"%s\", which is no known kind", kind);
	status = take_label(key->cluster, sizeof(key->cluster), labels, "cluster", false, error);
	if (status)
		return status;
	/* A node lives in no namespace; all others need one, there is no default. */
	status = take_label(key->namespace_name, sizeof(key->namespace_name), labels, "namespace",
		target_kind_namespaced(key->kind), error);
	if (status)
		return status;
	return take_label(key->name, sizeof(key->name), labels, "workload", true, error);
}

bool workload_key_equal(const struct workload_key *a, const struct workload_key *b)
{
	return a->kind == b->kind && !strcmp(a->name, b->name) &&
		!strcmp(a->namespace_name, b->namespace_name) && !strcmp(a->cluster, b->cluster);
}

/* FNV-1a 64 with the NUL as separator, so that no two fields run together. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	while (*text++);
	return hash;
}

uint64_t workload_key_hash(const struct workload_key *key)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	hash = hash_text(hash, key->cluster);
	hash = hash_text(hash, key->namespace_name);
	hash = hash_text(hash, key->name);
	return (hash ^ (unsigned)key->kind) * UINT64_C(1099511628211);
}

/* Returns the length of the text as snprintf() does. */
static size_t object_write(char *text, size_t size, const char *cluster, const char *namespace_name,
	enum target_kind kind, const char *name)
{
	int length = snprintf(text, size, "%s%s%s%s%s/%s", cluster, *cluster ? ":" : "",
		namespace_name, *namespace_name ? "/" : "", target_kind_name(kind), name);

	return length > 0 ? (size_t)length : 0;
}

void workload_key_write(const struct workload_key *key, char *text, size_t size)
{
	object_write(text, size, key->cluster, key->namespace_name, key->kind, key->name);
}

void target_write(const struct target *target, char *text, size_t size)
{
	size_t length = object_write(text, size, target->cluster, target->namespace_name,
		target->kind, target->name);

	if (*target->container && length < size)
		snprintf(text + length, size - length, " container %s", target->container);
}
