/*
 * The table only grows: a row is filled under the lock and then counted, so that readers, who look at
 * counted rows alone, need none.
 */
#include "base/custom_kind.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static struct custom_kind rows[TARGET_CUSTOM_MAX];
static atomic_uint row_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

unsigned custom_kind_count(void)
{
	return atomic_load_explicit(&row_count, memory_order_acquire);
}

const struct custom_kind *custom_kind_get(enum target_kind kind)
{
	unsigned at = (unsigned)kind - TARGET_KIND_COUNT;

	return (unsigned)kind >= TARGET_KIND_COUNT && at < custom_kind_count() ? &rows[at] : NULL;
}

static bool made_of(const char *text, size_t size, const char *more)
{
	for (size_t i = 0; i < size; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
			    (text[i] != '\0' && strchr(more, text[i]) != NULL)))
			return false;
	return size > 0;
}

/* As Kubernetes makes a plural of a kind when nobody says another. */
static void write_plural(struct custom_kind *row)
{
	size_t size = strlen(row->label);
	char last = row->label[size - 1];

	if (last == 's' || last == 'x' ||
		(size > 1 && last == 'h' && strchr("cs", row->label[size - 2]) != NULL))
		snprintf(row->resource, sizeof(row->resource), "%ses", row->label);
	else if (last == 'y' && size > 1 && strchr("aeiou", row->label[size - 2]) == NULL)
		snprintf(row->resource, sizeof(row->resource), "%.*sies", (int)size - 1,
			row->label);
	else
		snprintf(row->resource, sizeof(row->resource), "%ss", row->label);
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static enum status read_words(struct custom_kind *row, const char *words, const char *resource,
	struct error *error)
{
	const char *space = strchr(words, ' '), *slash = strchr(words, '/'), *kind;
	size_t group_size = slash != NULL ? (size_t)(slash - words) : 0, version_size;

	if (space == NULL || slash == NULL || slash > space)
		goto no_words;
	kind = space + 1;
	version_size = (size_t)(space - slash - 1);
	if ((size_t)(space - words) >= sizeof(row->api_version) ||
		strlen(kind) >= sizeof(row->name) || *kind < 'A' || *kind > 'Z' ||
		!made_of(words, group_size, "-.") || memchr(words, '.', group_size) == NULL ||
		!made_of(slash + 1, version_size, ""))
		goto no_words;
	snprintf(row->name, sizeof(row->name), "%s", kind);
	snprintf(row->label, sizeof(row->label), "%s", kind);
	lower(row->label);
	if (!made_of(row->label, strlen(row->label), ""))
		goto no_words;
	snprintf(row->group, sizeof(row->group), "%.*s", (int)group_size, words);
	snprintf(row->api_version, sizeof(row->api_version), "%.*s", (int)(space - words), words);
	snprintf(row->words, sizeof(row->words), "%s %s", row->api_version, row->name);
	if (resource == NULL)
		write_plural(row);
	else if (strlen(resource) >= sizeof(row->resource) ||
		!made_of(resource, strlen(resource), "-"))
		return error_set(error, STATUS_BAD_INPUT, "\"%.60s\" is no name of a resource",
			resource);
	else
		snprintf(row->resource, sizeof(row->resource), "%s", resource);
	snprintf(row->scale, sizeof(row->scale), "%s/scale", row->resource);
	return STATUS_OK;
no_words:
	return error_set(error, STATUS_BAD_INPUT,
		"\"%.80s\" is no kind; a custom resource is named as in \"argoproj.io/v1alpha1 "
		"Rollout\"",
		words);
}

/* Under lock. */
static enum status add(const struct custom_kind *row, bool any_resource, enum target_kind *kind,
	struct error *error)
{
	enum target_kind known = target_kind_parse(row->name);
	const struct custom_kind *other = custom_kind_get(known);
	unsigned count = custom_kind_count();

	*kind = known;
	if (other != NULL && strcmp(other->words, row->words) == 0 &&
		(any_resource || strcmp(other->resource, row->resource) == 0))
		return STATUS_OK;
	if (known != TARGET_NONE || strcmp(row->label, "none") == 0 ||
		strcmp(row->label, "workload") == 0)
		return error_set(error, STATUS_CONFLICT,
			"the kind %s is already known%s%s%s%s; labels name a kind by its word, so "
			"that there is one of it until the next start",
			row->name, other != NULL ? " as " : "", other != NULL ? other->words : "",
			other != NULL ? ", resource " : "", other != NULL ? other->resource : "");
	if (count == TARGET_CUSTOM_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d kinds of custom resources",
			TARGET_CUSTOM_MAX);
	rows[count] = *row;
	atomic_store_explicit(&row_count, count + 1, memory_order_release);
	*kind = (enum target_kind)(TARGET_KIND_COUNT + count);
	return STATUS_OK;
}

enum status custom_kind_define(const char *words, const char *resource, enum target_kind *kind,
	struct error *error)
{
	struct custom_kind row;
	enum status status;

	*kind = TARGET_NONE;
	memset(&row, 0, sizeof(row));
	status = read_words(&row, words, resource, error);
	if (status != STATUS_OK)
		return status;
	CHECK(pthread_mutex_lock(&lock) == 0);
	status = add(&row, resource == NULL, kind, error);
	CHECK(pthread_mutex_unlock(&lock) == 0);
	return status;
}
