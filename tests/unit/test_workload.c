/*
 * Names of the cluster's things: tables, workload keys from labels, texts, hashes; and the words of
 * the data-quality verdicts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/quality.h"
#include "base/workload.h"

static void kinds_are_found_in_any_case(void **state)
{
	for (unsigned kind = 0; kind < TARGET_KIND_COUNT; kind++)
		assert_int_equal(target_kind_parse(target_kind_name(kind)), kind);
	assert_int_equal(target_kind_parse("deployment"), TARGET_DEPLOYMENT);
	assert_int_equal(target_kind_parse("STATEFULSET"), TARGET_STATEFULSET);
	assert_int_equal(target_kind_parse("Deploymen"), TARGET_NONE);
	assert_int_equal(target_kind_parse(""), TARGET_NONE);
	assert_true(target_kind_namespaced(TARGET_POD));
	assert_false(target_kind_namespaced(TARGET_NODE));
	assert_string_equal(target_kind_label(TARGET_JOB), "job_name");
}

static void roles_are_found_by_name(void **state)
{
	for (unsigned role = 0; role < ROLE_COUNT; role++)
		assert_int_equal(role_parse(role_name(role)), role);
	assert_int_equal(role_parse("cpus"), ROLE_COUNT);
	assert_string_equal(role_unit(ROLE_LATENCY), "seconds");
}

static void verdicts_have_names_and_words(void **state)
{
	for (unsigned quality = 0; quality < QUALITY_COUNT; quality++) {
		assert_true(strlen(quality_name(quality)) > 2);
		assert_true(strlen(quality_words(quality)) > 5);
	}
	assert_string_equal(quality_name(QUALITY_GOOD), "good");
}

static enum status key_of(struct workload_key *key, struct error *error, const char *cluster,
	const char *space, const char *kind, const char *name)
{
	const char *const names[] = {"cluster", "namespace", "workload_kind", "workload"};
	const char *const values[] = {cluster, space, kind, name};
	struct label pairs[4];
	struct labels labels;
	enum status status;
	size_t count = 0;

	for (int i = 0; i < 4; i++)
		if (values[i])
			pairs[count++] = (struct label){names[i], values[i],
				(uint32_t)strlen(names[i]), (uint32_t)strlen(values[i])};
	assert_int_equal(labels_init(&labels, pairs, count, NULL), STATUS_OK);
	status = workload_key_from_labels(key, &labels, error);
	labels_fini(&labels);
	return status;
}

static void keys_come_from_labels(void **state)
{
	struct workload_key key;
	char text[WORKLOAD_TEXT_MAX];

	assert_int_equal(key_of(&key, NULL, "eu", "shop", "deployment", "web"), STATUS_OK);
	workload_key_write(&key, text, sizeof(text));
	assert_string_equal(text, "eu:shop/Deployment/web");
	assert_int_equal(key_of(&key, NULL, NULL, "shop", "StatefulSet", "db"), STATUS_OK);
	workload_key_write(&key, text, sizeof(text));
	assert_string_equal(text, "shop/StatefulSet/db");
	assert_int_equal(key_of(&key, NULL, NULL, NULL, "Node", "n1"), STATUS_OK);
	workload_key_write(&key, text, sizeof(text));
	assert_string_equal(text, "Node/n1");
}

static void absent_labels_are_not_guessed(void **state)
{
	struct workload_key key;
	struct error error;

	/* There is no default namespace. */
	assert_int_equal(key_of(&key, &error, NULL, NULL, "Deployment", "web"), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "namespace"));
	assert_int_equal(key_of(&key, &error, NULL, "shop", NULL, "web"), STATUS_NOT_FOUND);
	assert_int_equal(key_of(&key, &error, NULL, "shop", "Deployment", NULL), STATUS_NOT_FOUND);
	assert_int_equal(key_of(&key, &error, NULL, "shop", "Deploy", "web"), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "Deploy"));
	assert_int_equal(key_of(&key, &error, NULL, "shop", "None", "web"), STATUS_BAD_INPUT);
}

static void names_too_long_are_refused_not_cut(void **state)
{
	char name[OBJECT_NAME_MAX + 1], space[NAMESPACE_MAX + 1], text[WORKLOAD_TEXT_MAX];
	struct workload_key key;
	struct error error;

	memset(name, 'n', sizeof(name));
	memset(space, 's', sizeof(space));
	name[OBJECT_NAME_MAX] = space[NAMESPACE_MAX] = '\0';
	assert_int_equal(key_of(&key, &error, NULL, "shop", "Pod", name), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "254 bytes"));
	assert_int_equal(key_of(&key, NULL, NULL, space, "Pod", "p"), STATUS_BAD_INPUT);
	assert_int_equal(key_of(&key, NULL, space, "shop", "Pod", "p"), STATUS_BAD_INPUT);
	name[OBJECT_NAME_MAX - 1] = space[NAMESPACE_MAX - 1] = '\0';
	assert_int_equal(key_of(&key, NULL, space, space, "HorizontalPodAutoscaler", name),
		STATUS_OK);
	workload_key_write(&key, text, sizeof(text));
	assert_true(strlen(text) < WORKLOAD_TEXT_MAX - 1); /* whole */
}

static void equal_keys_have_equal_hashes_and_others_differ(void **state)
{
	struct workload_key a, b, c;

	assert_int_equal(key_of(&a, NULL, NULL, "ab", "Pod", "c"), STATUS_OK);
	assert_int_equal(key_of(&b, NULL, NULL, "ab", "Pod", "c"), STATUS_OK);
	assert_true(workload_key_equal(&a, &b));
	assert_true(workload_key_hash(&a) == workload_key_hash(&b));
	assert_int_equal(key_of(&c, NULL, NULL, "a", "Pod", "bc"), STATUS_OK);
	assert_false(workload_key_equal(&a, &c));
	assert_true(workload_key_hash(&a) != workload_key_hash(&c));
	assert_int_equal(key_of(&c, NULL, "x", "ab", "Pod", "c"), STATUS_OK);
	assert_false(workload_key_equal(&a, &c));
	assert_true(workload_key_hash(&a) != workload_key_hash(&c));
	assert_int_equal(key_of(&c, NULL, NULL, "ab", "Job", "c"), STATUS_OK);
	assert_false(workload_key_equal(&a, &c));
	assert_true(workload_key_hash(&a) != workload_key_hash(&c));
}

static void targets_are_written_with_their_container(void **state)
{
	struct target target = {.kind = TARGET_POD, .namespace_name = "shop", .name = "web-1"};
	char text[TARGET_TEXT_MAX], small[8];

	target_write(&target, text, sizeof(text));
	assert_string_equal(text, "shop/Pod/web-1");
	snprintf(target.container, sizeof(target.container), "app");
	snprintf(target.cluster, sizeof(target.cluster), "eu");
	target_write(&target, text, sizeof(text));
	assert_string_equal(text, "eu:shop/Pod/web-1 container app");
	target_write(&target, small, sizeof(small));
	assert_string_equal(small, "eu:shop");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_found_in_any_case),
		cmocka_unit_test(roles_are_found_by_name),
		cmocka_unit_test(verdicts_have_names_and_words),
		cmocka_unit_test(keys_come_from_labels),
		cmocka_unit_test(absent_labels_are_not_guessed),
		cmocka_unit_test(names_too_long_are_refused_not_cut),
		cmocka_unit_test(equal_keys_have_equal_hashes_and_others_differ),
		cmocka_unit_test(targets_are_written_with_their_container),
	};

	return cmocka_run_group_tests_name("workload", tests, NULL, NULL);
}
