/*
 * A validator of as much JSON Schema as is needed. What does not fit is told with its place in the
 * body, such as /data/0/labels.
 */
#include "tests/support/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/servers.h"

#define PLACE_MAX 512
/* Member of an operation that an answer was checked of. */
#define CHECKED "x-checked"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

json_t *openapi_read(void)
{
	char *text = source_read("docs/openapi.json");
	json_error_t error;
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (document == NULL)
		fail_msg("docs/openapi.json:%d:%d: %s", error.line, error.column, error.text);
	free(text);
	assert_int_equal(strncmp(json_string_value(json_object_get(document, "openapi")), "3.1", 3),
		0);
	return document;
}

/* #/components/schemas/X */
static const json_t *resolve(const json_t *document, const json_t *schema)
{
	const char *reference = json_string_value(json_object_get(schema, "$ref"));
	const json_t *at = document;
	char name[128];

	if (reference == NULL)
		return schema;
	for (const char *part = reference + 1; *part == '/'; part += 1 + strlen(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(part + 1, "/"), part + 1);
		at = json_object_get(at, name);
	}
	if (at == NULL)
		fail_msg("%s leads nowhere", reference);
	return at;
}

static bool has_type(const char *type, const json_t *value)
{
	if (strcmp(type, "number") == 0)
		return json_is_number(value);
	if (strcmp(type, "integer") == 0)
		return json_is_integer(value);
	if (strcmp(type, "string") == 0)
		return json_is_string(value);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(value);
	if (strcmp(type, "null") == 0)
		return json_is_null(value);
	if (strcmp(type, "array") == 0)
		return json_is_array(value);
	assert_string_equal(type, "object");
	return json_is_object(value);
}

static bool type_fits(const json_t *type, const json_t *value)
{
	const json_t *one;
	bool fits = false;
	size_t i;

	if (json_is_string(type))
		return has_type(json_string_value(type), value);
	json_array_foreach(type, i, one)
	{
		fits = fits || has_type(json_string_value(one), value);
	}
	return fits;
}

static bool one_of(const json_t *list, const json_t *value)
{
	const json_t *one;
	bool found = false;
	size_t i;

	json_array_foreach(list, i, one)
	{
		found = found || json_equal(one, value);
	}
	return found;
}

static void no_fit(const char *place, const char *keyword, const json_t *schema,
	const json_t *value)
{
	char *wanted = json_dumps(json_object_get(schema, keyword), JSON_COMPACT | JSON_ENCODE_ANY);
	char *found = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	fail_msg("%s: not as \"%s\": %.200s says: %.500s", place, keyword, wanted, found);
}

static void check_value(const json_t *document, const json_t *schema, const json_t *value,
	const char *place);

static void check_object(const json_t *document, const json_t *schema, const json_t *value,
	const char *place)
{
	const json_t *properties = json_object_get(schema, "properties"), *name, *member;
	const json_t *others = json_object_get(schema, "additionalProperties");
	const char *key;
	char inside[PLACE_MAX];
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, name)
	{
		if (json_object_get(value, json_string_value(name)) == NULL)
			no_fit(place, "required", schema, value);
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		const json_t *one = json_object_get(properties, key);

		snprintf(inside, sizeof(inside), "%.400s/%.100s", place, key);
		if (one != NULL || json_is_object(others))
			check_value(document, one != NULL ? one : others, member, inside);
	}
}

static void check_array(const json_t *document, const json_t *schema, const json_t *value,
	const char *place)
{
	const json_t *items = json_object_get(schema, "items");
	const json_t *first = json_object_get(schema, "prefixItems");
	const json_t *least = json_object_get(schema, "minItems");
	const json_t *most = json_object_get(schema, "maxItems");
	size_t count = json_array_size(value);

	if (least != NULL && count < (size_t)json_integer_value(least))
		no_fit(place, "minItems", schema, value);
	if (most != NULL && count > (size_t)json_integer_value(most))
		no_fit(place, "maxItems", schema, value);
	for (size_t i = 0; i < count; i++) {
		const json_t *one = i < json_array_size(first) ? json_array_get(first, i) : items;
		char inside[PLACE_MAX];

		snprintf(inside, sizeof(inside), "%.400s/%zu", place, i);
		if (one != NULL)
			check_value(document, one, json_array_get(value, i), inside);
	}
}

static void check_value(const json_t *document, const json_t *schema, const json_t *value,
	const char *place)
{
	static const char *const known[] = {"$ref", "type", "const", "enum", "required",
		"properties", "additionalProperties", "items", "prefixItems", "minItems",
		"maxItems", "description", "format", "default", "minimum", "maximum", NULL};
	const json_t *keyword, *wanted;
	const char *key;

	schema = resolve(document, schema);
	json_object_foreach((json_t *)(uintptr_t)schema, key, keyword)
	{
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], key) != 0)
			i++;
		if (known[i] == NULL)
			fail_msg("the keyword \"%s\" is not known here", key);
	}
	wanted = json_object_get(schema, "type");
	if (wanted != NULL && !type_fits(wanted, value))
		no_fit(place, "type", schema, value);
	wanted = json_object_get(schema, "const");
	if (wanted != NULL && !json_equal(wanted, value))
		no_fit(place, "const", schema, value);
	wanted = json_object_get(schema, "enum");
	if (wanted != NULL && !one_of(wanted, value))
		no_fit(place, "enum", schema, value);
	if (json_is_object(value))
		check_object(document, schema, value, place);
	else if (json_is_array(value))
		check_array(document, schema, value, place);
}

void openapi_check(json_t *document, const char *method, const char *path,
	const struct web_answer *answer)
{
	const json_t *response, *content, *media;
	json_t *operation;
	char status[16], type[128];
	json_error_t error;
	json_t *body;

	operation =
		json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
	if (operation == NULL)
		fail_msg("%s %s is not described", method, path);
	snprintf(status, sizeof(status), "%ld", answer->status);
	json_object_set_new(operation, CHECKED, json_true());
	response = json_object_get(json_object_get(operation, "responses"), status);
	if (response == NULL)
		fail_msg("%s %s: %s is not described: %.200s", method, path, status, answer->body);
	content = json_object_get(resolve(document, response), "content");
	if (content == NULL) {
		assert_int_equal(answer->size, 0);
		return;
	}
	snprintf(type, sizeof(type), "%.*s", (int)strcspn(answer->type, ";"), answer->type);
	media = json_object_get(content, type);
	if (media == NULL)
		fail_msg("%s %s: %s with Content-Type \"%s\" is not described", method, path,
			status, type);
	if (strcmp(type, "application/json") != 0)
		return;
	body = json_loadb(answer->body, answer->size, JSON_REJECT_DUPLICATES, &error);
	if (body == NULL)
		fail_msg("%s %s: %s at byte %d", method, path, error.text, error.position);
	check_value(document, json_object_get(media, "schema"), body, "");
	json_decref(body);
}

void openapi_all_checked(json_t *document)
{
	const char *path, *method;
	json_t *operations, *operation;

	json_object_foreach(json_object_get(document, "paths"), path, operations)
	{
		json_object_foreach(operations, method, operation)
		{
			if (json_object_get(operation, CHECKED) == NULL)
				fail_msg("%s %s is described, and no answer of it was checked",
					method, path);
		}
	}
}

/* Whether the route is the described path, or its beginning up to what is in braces. */
static bool is_route_of(const char *route, const char *path)
{
	size_t length = strlen(route);

	if (strcmp(route, path) == 0)
		return true;
	return length > 1 && route[length - 1] == '/' && strncmp(route, path, length) == 0 &&
		path[length] == '{';
}

/* The described path and method of a route, marked; the test ends when there is none. */
static void check_route(json_t *document, const char *method, const char *route)
{
	const char *path;
	json_t *operations;

	json_object_foreach(json_object_get(document, "paths"), path, operations)
	{
		json_t *operation = json_object_get(operations, method);

		if (operation == NULL || !is_route_of(route, path))
			continue;
		json_object_set_new(operation, CHECKED, json_true());
		return;
	}
	fail_msg("%s %s is a route, and not described", method, route);
}

/* Of the table only the texts are read: a method where there is one, and the path behind it. */
void openapi_check_routes(json_t *document)
{
	char *source = source_read("daemon/routes.c"), *at, *end, text[128];
	const char *method = "get";

	at = strstr(source, "const struct route table[] = {");
	assert_non_null(at);
	end = strstr(at, "\n\t};");
	assert_non_null(end);
	*end = '\0';
	while ((at = strchr(at, '"')) != NULL) {
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + 1, "\""), at + 1);
		at += strlen(text) + 2;
		if (strcmp(text, "POST") == 0)
			method = "post";
		else if (strcmp(text, "GET") != 0 && text[0] != '/' && strspn(text, UPPER) > 2)
			fail_msg("the method %s is not known here", text);
		if (text[0] != '/')
			continue;
		check_route(document, method, text);
		method = "get";
	}
	free(source);
	openapi_all_checked(document);
}
