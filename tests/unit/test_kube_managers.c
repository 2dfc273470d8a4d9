/*
 * Who wrote a field: managedFields as a real API server writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remediations/kube_managers.h"

static const char deployment[] =
	"{\"metadata\": {\"managedFields\": ["
	"{\"manager\": \"kubectl-client-side-apply\", \"operation\": \"Update\","
	" \"time\": \"2026-01-01T00:00:00Z\", \"fieldsType\": \"FieldsV1\", \"fieldsV1\": {\"f:spec\":"
	" {\"f:paused\": {}, \"f:template\": {\"f:spec\": {\"f:containers\":"
	" {\"k:{\\\"name\\\":\\\"app\\\"}\": {\".\": {}, \"f:image\": {}, \"f:resources\": {\".\": {},"
	" \"f:limits\": {\".\": {}, \"f:memory\": {}}}}}}}}}},"
	"{\"manager\": \"kube-controller-manager\", \"operation\": \"Update\", \"subresource\": \"status\","
	" \"time\": \"2026-01-01T00:00:05Z\", \"fieldsV1\": {\"f:status\": {\"f:replicas\": {}}}},"
	"{\"manager\": \"nimbusguard\", \"operation\": \"Update\", \"subresource\": \"scale\","
	" \"time\": \"2026-01-01T00:01:00Z\", \"fieldsV1\": {\"f:spec\": {\"f:replicas\": {}}}},"
	"{\"manager\": \"kubectl-set\", \"operation\": \"Update\", \"time\": \"2026-01-01T00:02:00Z\","
	" \"fieldsV1\": {\"f:spec\": {\"f:template\": {\"f:spec\": {\"f:containers\":"
	" {\"k:{\\\"name\\\":\\\"side\\\"}\": {\"f:resources\": {\"f:limits\": {\"f:cpu\": {}}}}}}}}}}"
	"]}}";

static struct field_writer writer(const char *text, enum target_kind kind, enum kube_written field,
	const char *container)
{
	struct field_writer found;
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	kube_field_writer(object, kind, field, container, &found);
	json_decref(object);
	return found;
}

static void the_manager_of_the_field_is_told_and_no_other(void **state)
{
	struct field_writer found =
		writer(deployment, TARGET_DEPLOYMENT, KUBE_WRITTEN_REPLICAS, "");

	(void)state;
	assert_string_equal(found.manager, FIELD_MANAGER);
	assert_false(found.by_hand);
	assert_int_equal(found.time_ms, INT64_C(1767225660000));
	found = writer(deployment, TARGET_DEPLOYMENT, KUBE_WRITTEN_LIMITS, "app");
	assert_string_equal(found.manager, "kubectl-client-side-apply");
	assert_false(found.by_hand);
	found = writer(deployment, TARGET_DEPLOYMENT, KUBE_WRITTEN_LIMITS, "side");
	assert_string_equal(found.manager, "kubectl-set");
	assert_true(found.by_hand);
	/* Without a container any of them. */
	found = writer(deployment, TARGET_DEPLOYMENT, KUBE_WRITTEN_LIMITS, "");
	assert_string_equal(found.manager, "kubectl-set");
	found = writer(deployment, TARGET_NODE, KUBE_WRITTEN_UNSCHEDULABLE, "");
	assert_string_equal(found.manager, "");
}

static void an_applier_is_no_hand(void **state)
{
	static const char text[] =
		"{\"metadata\": {\"managedFields\": [{\"manager\": \"kubectl\", \"operation\": \"%s\","
		" \"fieldsV1\": {\"f:spec\": {\"f:unschedulable\": {}}}}]}}";
	char object[512];

	(void)state;
	snprintf(object, sizeof(object), text, "Apply");
	assert_false(writer(object, TARGET_NODE, KUBE_WRITTEN_UNSCHEDULABLE, "").by_hand);
	snprintf(object, sizeof(object), text, "Update");
	assert_true(writer(object, TARGET_NODE, KUBE_WRITTEN_UNSCHEDULABLE, "").by_hand);
	assert_int_equal(writer(object, TARGET_NODE, KUBE_WRITTEN_UNSCHEDULABLE, "").time_ms, 0);
}

static void of_several_the_newest_is_told(void **state)
{
	static const char text[] =
		"{\"metadata\": {\"managedFields\": ["
		"{\"manager\": \"new\", \"time\": \"2026-01-02T00:00:00Z\", \"operation\": \"Apply\","
		" \"fieldsV1\": {\"f:spec\": {\"f:replicas\": {}}}},"
		"{\"manager\": \"old\", \"time\": \"2026-01-01T00:00:00Z\", \"operation\": \"Apply\","
		" \"fieldsV1\": {\"f:spec\": {\"f:replicas\": {}}}}]}}";

	(void)state;
	assert_string_equal(writer(text, TARGET_DEPLOYMENT, KUBE_WRITTEN_REPLICAS, "").manager,
		"new");
}

static void odd_entries_do_no_harm(void **state)
{
	static const char *const texts[] = {"{}", "[]", "{\"metadata\": {\"managedFields\": {}}}",
		"{\"metadata\": {\"managedFields\": [1, null, {}, {\"manager\": 3},"
		" {\"manager\": \"x\", \"fieldsV1\": []},"
		" {\"manager\": \"x\", \"fieldsV1\": {\"f:spec\": {\"f:template\": []}}}]}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (int field = KUBE_WRITTEN_REPLICAS; field <= KUBE_WRITTEN_UNSCHEDULABLE;
			field++)
			assert_string_equal(writer(texts[i], TARGET_DEPLOYMENT,
						    (enum kube_written)field, "app")
						    .manager,
				"");
	/* Nobody wrote this field, and of that object nobody tells. */
	assert_false(writer(texts[3], TARGET_DEPLOYMENT, KUBE_WRITTEN_REPLICAS, "").untold);
	for (size_t i = 0; i < 3; i++)
		assert_true(writer(texts[i], TARGET_DEPLOYMENT, KUBE_WRITTEN_REPLICAS, "").untold);
	assert_true(writer("{\"metadata\": {\"managedFields\": []}}", TARGET_DEPLOYMENT,
		KUBE_WRITTEN_REPLICAS, "")
			    .untold);
	/* Somebody without a name is still somebody else. */
	assert_string_not_equal(
		writer("{\"metadata\": {\"managedFields\": [{\"manager\": \"\", \"fieldsV1\":"
		       " {\"f:spec\": {\"f:replicas\": {}}}}]}}",
			TARGET_DEPLOYMENT, KUBE_WRITTEN_REPLICAS, "")
			.manager,
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_of_the_field_is_told_and_no_other),
		cmocka_unit_test(an_applier_is_no_hand),
		cmocka_unit_test(of_several_the_newest_is_told),
		cmocka_unit_test(odd_entries_do_no_harm),
	};

	return cmocka_run_group_tests_name("kube_managers", tests, NULL, NULL);
}
