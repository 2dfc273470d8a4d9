/* Patches of the simulated API by the rules of RFC 6902, RFC 7396 and Kubernetes, and who wrote what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "demo/kube_patch.h"
#include "demo/kube_path.h"
#include "remediations/kube_object.h"

static json_t *read_json(const char *text)
{
	char *copy = strdup(text);
	json_t *value;

	for (char *c = copy; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	value = json_loads(copy, 0, NULL);
	if (value == NULL)
		fail_msg("no JSON: %s", text);
	free(copy);
	return value;
}

struct patch_case {
	enum kube_patch_kind kind;
	const char *object, *patch, *wanted; /* wanted NULL: refused */
};

#define CONTAINERS(rest)                                                                           \
	"{'containers':[{'name':'a','image':'x'" rest "},{'name':'b','image':'y'}]}"

static const struct patch_case cases[] = {
	/* RFC 7396, appendix A */
	{PATCH_MERGE, "{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
	{PATCH_MERGE, "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
	{PATCH_MERGE, "{'a':'b'}", "{'a':null}", "{}"},
	{PATCH_MERGE, "{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
	{PATCH_MERGE, "{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
	{PATCH_MERGE, "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
	{PATCH_MERGE, "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
	{PATCH_MERGE, "{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
	{PATCH_MERGE, "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
	{PATCH_MERGE, "{}", "[1]", NULL},
	/* lists with keys */
	{PATCH_STRATEGIC, CONTAINERS(""), "{'containers':[{'name':'a','cpu':1}]}",
		CONTAINERS(",'cpu':1")},
	{PATCH_STRATEGIC, CONTAINERS(""), "{'containers':[{'name':'b','$patch':'delete'}]}",
		"{'containers':[{'name':'a','image':'x'}]}"},
	{PATCH_STRATEGIC, "{'containers':[]}", "{'containers':[{'name':'c','env':[{'name':'E'}]}]}",
		"{'containers':[{'name':'c','env':[{'name':'E'}]}]}"},
	{PATCH_STRATEGIC, "{'t':{'a':1,'b':2}}", "{'t':{'$patch':'replace','c':3}}",
		"{'t':{'c':3}}"},
	{PATCH_STRATEGIC, "{'args':['a','b']}", "{'args':['c']}", "{'args':['c']}"},
	{PATCH_MERGE, CONTAINERS(""), "{'containers':[{'name':'a','cpu':1}]}",
		"{'containers':[{'name':'a','cpu':1}]}"},
	/* RFC 6902, appendix A */
	{PATCH_JSON, "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]",
		"{'foo':'bar','baz':'qux'}"},
	{PATCH_JSON, "{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]",
		"{'foo':['bar','qux','baz']}"},
	{PATCH_JSON, "{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc']}]",
		"{'foo':['bar',['abc']]}"},
	{PATCH_JSON, "{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]",
		"{'foo':'bar'}"},
	{PATCH_JSON, "{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]",
		"{'foo':['bar','baz']}"},
	{PATCH_JSON, "{'baz':'qux'}", "[{'op':'replace','path':'/baz','value':'boo'}]",
		"{'baz':'boo'}"},
	{PATCH_JSON, "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]",
		"{'/':9,'~1':10}"},
	{PATCH_JSON, "{'a/b':1}", "[{'op':'replace','path':'/a~1b','value':2}]", "{'a/b':2}"},
	{PATCH_JSON, "{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", NULL},
	{PATCH_JSON, "{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", NULL},
	{PATCH_JSON, "{}", "[{'op':'replace','path':'/none','value':1}]", NULL},
	{PATCH_JSON, "{}", "[{'op':'remove','path':'/none'}]", NULL},
	{PATCH_JSON, "{'a':[1]}", "[{'op':'add','path':'/a/7','value':1}]", NULL},
	{PATCH_JSON, "{'a':1}", "[{'op':'move','from':'/a','path':'/b'}]", NULL},
	{PATCH_JSON, "{'a':1}", "{'a':2}", NULL},
	{PATCH_JSON, "{'a':1}", "[{'path':'/a','value':2}]", NULL},
};

static void patches_do_what_their_rules_say(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		json_t *object = read_json(cases[i].object), *patch = read_json(cases[i].patch);
		struct error error;
		enum status status = kube_patch_apply(object, patch, cases[i].kind, &error);
		json_t *wanted = cases[i].wanted != NULL ? read_json(cases[i].wanted) : json_null();

		if ((status == STATUS_OK) != (cases[i].wanted != NULL) ||
			(status == STATUS_OK && !json_equal(object, wanted)))
			fail_msg("case %zu: %s on %s", i, cases[i].patch, cases[i].object);
		json_decref(wanted);
		json_decref(object);
		json_decref(patch);
	}
}

static void a_patch_that_is_too_wide_is_refused(void **state)
{
	json_t *object = json_object(), *patch = json_object();
	struct error error;

	for (int i = 0; i <= KUBE_PATCH_WIDTH; i++) {
		char name[24];

		snprintf(name, sizeof(name), "m%d", i);
		json_object_set_new(patch, name, json_object());
	}
	assert_int_equal(kube_patch_apply(object, patch, PATCH_MERGE, &error), STATUS_BAD_INPUT);
	json_decref(object);
	json_decref(patch);
}

/* Whether the manager has the field: names end with NULL. */
static const json_t *fields_of(const json_t *object, const char *manager)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(kube_get(object, "metadata", "managedFields", NULL), i, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "manager")), manager) == 0)
			return json_object_get(entry, "fieldsV1");
	}
	return NULL;
}

static json_t *write_as(json_t *before, const char *manager, const char *patch_text)
{
	json_t *after = json_deep_copy(before), *patch = read_json(patch_text);
	struct kube_writer writer = {.manager = manager,
		.part = "",
		.version = "apps/v1",
		.time = "2026-01-02T03:04:05Z"};
	struct error error;

	assert_int_equal(kube_patch_apply(after, patch, PATCH_STRATEGIC, &error), STATUS_OK);
	kube_patch_own(before, after, &writer);
	json_decref(patch);
	json_decref(before);
	return after;
}

static void a_field_is_its_last_writers(void **state)
{
	static const char key[] = "k:{\"name\":\"a\"}";
	json_t *object =
		read_json("{'metadata':{'name':'x'},'spec':{'replicas':1,'containers':[{'name':'a',"
			  "'cpu':1,'image':'i'}]}}");

	object = write_as(object, "one", "{'spec':{'replicas':2,'paused':true}}");
	assert_non_null(kube_get(fields_of(object, "one"), "f:spec", "f:replicas", NULL));
	object = write_as(object, "two",
		"{'spec':{'replicas':3,'paused':true,'containers':[{'name':'a','cpu':2}]}}");
	assert_null(kube_get(fields_of(object, "one"), "f:spec", "f:replicas", NULL));
	/* What was written as it was stays whose it was. */
	assert_non_null(kube_get(fields_of(object, "one"), "f:spec", "f:paused", NULL));
	assert_null(kube_get(fields_of(object, "two"), "f:spec", "f:paused", NULL));
	assert_non_null(kube_get(fields_of(object, "two"), "f:spec", "f:replicas", NULL));
	assert_non_null(
		kube_get(fields_of(object, "two"), "f:spec", "f:containers", key, "f:cpu", NULL));
	assert_null(
		kube_get(fields_of(object, "two"), "f:spec", "f:containers", key, "f:image", NULL));
	object = write_as(object, "three", "{'spec':{'paused':null}}");
	assert_null(kube_get(fields_of(object, "one"), "f:spec", "f:paused", NULL));
	json_decref(object);
}

static void paths_lead_to_what_is_served(void **state)
{
	static const struct {
		const char *path, *kind, *space, *name, *part; /* kind NULL: nothing */
	} paths[] = {
		{"/api/v1/namespaces", "Namespace", "", "", ""},
		{"/api/v1/namespaces/shop", "Namespace", "", "shop", ""},
		{"/api/v1/pods", "Pod", "", "", ""},
		{"/api/v1/namespaces/shop/pods", "Pod", "shop", "", ""},
		{"/api/v1/namespaces/shop/pods/p/resize", "Pod", "shop", "p", "resize"},
		{"/api/v1/nodes/node-1", "Node", "", "node-1", ""},
		{"/apis/apps/v1/namespaces/shop/deployments/web/scale", "Deployment", "shop", "web",
			"scale"},
		{"/apis/apps/v1/namespaces/shop/deployments/web/status", NULL, "", "", ""},
		{"/apis/apps/v1/deployments/web", NULL, "", "", ""},
		{"/api/v1/namespaces/shop/nodes/n", NULL, "", "", ""},
		{"/api/v1/namespaces//pods", NULL, "", "", ""},
		{"/api/v1", NULL, "", "", ""},
		{"/apis/apps/v1/namespaces/shop/deployments/web/scale/more", NULL, "", "", ""},
		{"/apis/batch/v1/namespaces/shop/deployments/web", NULL, "", "", ""},
	};

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		struct kube_place place;
		bool found = kube_place_find(&place, paths[i].path);

		if (found != (paths[i].kind != NULL))
			fail_msg("%s", paths[i].path);
		if (!found)
			continue;
		assert_string_equal(place.resource->kind, paths[i].kind);
		assert_string_equal(place.space, paths[i].space);
		assert_string_equal(place.name, paths[i].name);
		assert_string_equal(place.part, paths[i].part);
		if (*place.name != '\0' && *place.part == '\0')
			assert_string_equal(place.key, paths[i].path);
	}
}

static void selectors_select(void **state)
{
	static const struct {
		const char *labels, *fields;
		bool fits;
	} selectors[] = {{NULL, NULL, true}, {"", "", true}, {"app=web", NULL, true},
		{"app==web", NULL, true}, {"app!=web", NULL, false},
		{"app=web,tier=x", NULL, false}, {"app", NULL, true}, {"tier", NULL, false},
		{"tier!=x", NULL, true}, {NULL, "metadata.name=p", true},
		{NULL, "spec.nodeName=n1", true}, {NULL, "spec.nodeName=n2", false},
		{"app=web", "spec.nodeName!=n1", false}, {NULL, "spec.other=1", false}};
	json_t *pod = read_json("{'metadata':{'name':'p','labels':{'app':'web'}},"
				"'spec':{'nodeName':'n1'}}");

	for (size_t i = 0; i < ARRAY_COUNT(selectors); i++) {
		const struct kube_selection selection = {selectors[i].labels, selectors[i].fields};

		if (kube_selected(&selection, pod) != selectors[i].fits)
			fail_msg("selector %zu", i);
	}
	json_decref(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(patches_do_what_their_rules_say),
		cmocka_unit_test(a_patch_that_is_too_wide_is_refused),
		cmocka_unit_test(a_field_is_its_last_writers),
		cmocka_unit_test(paths_lead_to_what_is_served), cmocka_unit_test(selectors_select)};

	return cmocka_run_group_tests_name("demo_kube_patch", tests, NULL, NULL);
}
