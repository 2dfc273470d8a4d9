/*
 * Kinds of custom resources: how they are named, that each keeps its number, and that they are kinds
 * like any other for labels, texts and the journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/custom_kind.h"
#include "base/mem.h"
#include "remediations/json_fields.h"
#include "remediations/kube_object.h"

static enum target_kind define(const char *words, const char *resource)
{
	enum target_kind kind;
	struct error error;

	if (custom_kind_define(words, resource, &kind, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return kind;
}

static void refused(const char *words, const char *resource, enum status status, const char *part)
{
	unsigned count = custom_kind_count();
	enum target_kind kind;
	struct error error;

	assert_int_equal(custom_kind_define(words, resource, &kind, &error), status);
	if (strstr(error.text, part) == NULL)
		fail_msg("%s: %s", words, error.text);
	assert_int_equal(custom_kind_count(), count);
}

static void a_kind_is_one_like_any_other(void **state)
{
	enum target_kind kind = define("argoproj.io/v1alpha1 Rollout", NULL);
	const struct custom_kind *row = custom_kind_get(kind);
	struct target target = {.kind = kind, .namespace_name = "shop", .name = "web"};
	char text[TARGET_TEXT_MAX];
	struct error error;
	struct buf path;

	assert_string_equal(row->group, "argoproj.io");
	assert_string_equal(row->resource, "rollouts");
	assert_string_equal(row->scale, "rollouts/scale");
	assert_int_equal(target_kind_parse("rollout"), kind);
	assert_string_equal(target_kind_label(kind), "rollout");
	assert_true(target_kind_namespaced(kind));
	assert_int_equal(kube_kind("Rollout", "argoproj.io/v1beta1"), kind);
	assert_int_equal(kube_kind("Rollout", "example.org/v1"), TARGET_NONE);
	target_write(&target, text, sizeof(text));
	assert_string_equal(text, "shop/Rollout/web");
	buf_init(&path, 1024);
	assert_int_equal(kube_object_path(&path, kind, "shop", "web", &error), STATUS_OK);
	assert_string_equal(path.data, "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web");
	buf_fini(&path);
	assert_int_equal(define("argoproj.io/v1alpha1 Rollout", NULL), kind);
	assert_int_equal(define("argoproj.io/v1alpha1 Rollout", "rollouts"), kind);
}

static void the_plural_is_kubernetes_guess_or_what_is_said(void **state)
{
	static const struct {
		const char *words, *given, *resource;
	} cases[] = {
		{"a.example/v1 Policy", NULL, "policies"},
		{"a.example/v1 Gateway", NULL, "gateways"},
		{"a.example/v1 Proxy", "proxys", "proxys"},
		{"a.example/v1 Mesh", NULL, "meshes"},
		{"a.example/v1 Redis", NULL, "redises"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(custom_kind_get(define(cases[i].words, cases[i].given))
					    ->resource,
			cases[i].resource);
}

static void what_is_no_kind_is_refused(void **state)
{
	static const char *const words[] = {"", "Rollout", "argoproj.io Rollout",
		"argoproj/v1 Rollout", "argoproj.io/ Rollout", "/v1 Rollout",
		"argoproj.io/v1 rollout", "argoproj.io/v1 ", "argoproj.io/v1  Rollout",
		"argoproj.io/v1 Rollout x", "argo_proj.io/v1 Rollout", "argoproj.io/v1/x Rollout"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		refused(words[i], NULL, STATUS_BAD_INPUT, "is no kind");
	refused("argoproj.io/v1 Thing", "../pods", STATUS_BAD_INPUT, "no name of a resource");
}

static void a_word_names_one_kind(void **state)
{
	define("argoproj.io/v1alpha1 Rollout", NULL);
	refused("other.example/v1 Rollout", NULL, STATUS_CONFLICT, "argoproj.io/v1alpha1 Rollout");
	refused("argoproj.io/v1beta1 Rollout", NULL, STATUS_CONFLICT, "already known");
	refused("argoproj.io/v1alpha1 Rollout", "rolls", STATUS_CONFLICT, "rollouts");
	refused("apps.example/v1 Deployment", NULL, STATUS_CONFLICT, "already known");
	refused("apps.example/v1 Workload", NULL, STATUS_CONFLICT, "already known");
	refused("apps.example/v1 None", NULL, STATUS_CONFLICT, "already known");
}

static const struct field fields[] = {FIELD_NAMED("kind", FIELD_KIND, struct target, kind)};

static enum target_kind read_back(const char *json)
{
	struct target target = {.kind = TARGET_POD};
	struct json_span span;
	struct error error;

	assert_int_equal(json_span_init(&span, json, strlen(json), 8, &error), STATUS_OK);
	if (fields_read(&span, fields, 1, &target, &error) != STATUS_OK)
		return TARGET_KIND_COUNT;
	return target.kind;
}

/* Of a playbook that is gone nothing but the journal is left. */
static void the_journal_names_it_whole(void **state)
{
	struct target target = {.kind = define("argoproj.io/v1alpha1 Rollout", NULL)};
	enum target_kind forgotten;
	struct buf json;

	buf_init(&json, 1024);
	fields_write(&json, fields, 1, &target);
	assert_string_equal(json.data, "\"kind\":\"argoproj.io/v1alpha1 Rollout\"");
	buf_fini(&json);
	assert_int_equal(read_back("{\"kind\":\"argoproj.io/v1alpha1 Rollout\"}"), target.kind);
	forgotten = read_back("{\"kind\":\"gone.example/v1 Forgotten\"}");
	assert_int_equal(forgotten, target_kind_parse("Forgotten"));
	assert_int_not_equal(forgotten, TARGET_NONE);
	assert_int_equal(read_back("{\"kind\":\"None\"}"), TARGET_NONE);
	assert_int_equal(read_back("{\"kind\":\"Node\"}"), TARGET_NODE);
	/* Another kind has its word by now: nothing can be done to it. */
	assert_int_equal(read_back("{\"kind\":\"other.example/v1 Rollout\"}"), TARGET_NONE);
	assert_int_equal(read_back("{\"kind\":\"Unheard\"}"), TARGET_KIND_COUNT);
	assert_int_equal(read_back("{\"kind\":\"not a kind\"}"), TARGET_KIND_COUNT);
}

static void a_full_table_takes_nothing_more(void **state)
{
	char words[64];

	for (unsigned i = custom_kind_count(); i < TARGET_CUSTOM_MAX; i++) {
		snprintf(words, sizeof(words), "full.example/v1 Kind%u", i);
		define(words, NULL);
	}
	refused("full.example/v1 Another", NULL, STATUS_LIMIT, "more than 16");
	/* What is there stays usable. */
	define("argoproj.io/v1alpha1 Rollout", NULL);
	assert_int_equal(read_back("{\"kind\":\"full.example/v1 Another\"}"), TARGET_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kind_is_one_like_any_other),
		cmocka_unit_test(the_plural_is_kubernetes_guess_or_what_is_said),
		cmocka_unit_test(what_is_no_kind_is_refused),
		cmocka_unit_test(a_word_names_one_kind),
		cmocka_unit_test(the_journal_names_it_whole),
		cmocka_unit_test(a_full_table_takes_nothing_more),
	};

	return cmocka_run_group_tests_name("custom_kind", tests, NULL, NULL);
}
