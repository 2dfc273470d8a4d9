/* Changes as values, words and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "remediations/change.h"

static const struct changes resources = {{{CHANGE_MEMORY_LIMIT, INT64_C(512) << 20,
						  INT64_C(640) << 20},
						 {CHANGE_CPU_LIMIT, 500, 400}},
	2};

static void values_are_found_by_field(void **state)
{
	struct changes changes = {.count = 0};

	assert_null(changes_find(&changes, CHANGE_REPLICAS));
	assert_int_equal(changes_after(&changes, CHANGE_REPLICAS, 7), 7);
	assert_false(changes_any(&changes));
	changes_set(&changes, CHANGE_REPLICAS, 3, 5);
	changes_set(&changes, CHANGE_PAUSED, 0, 1);
	changes_set(&changes, CHANGE_REPLICAS, 3, 4);
	assert_int_equal(changes.count, 2);
	assert_int_equal(changes_after(&changes, CHANGE_REPLICAS, 7), 4);
	assert_true(changes_any(&changes));
	assert_ptr_equal(changes_measured(&changes), &changes.list[0]);
	assert_false(changes_shrink(&changes));
	assert_true(changes_shrink(&resources));
}

static void flags_and_revisions_have_no_size(void **state)
{
	const struct changes changes = {{{CHANGE_PAUSED, 1, 0}, {CHANGE_REVISION, 7, 6}}, 2};

	assert_null(changes_measured(&changes));
	assert_false(changes_shrink(&changes));
}

static void the_inverse_of_the_inverse_is_the_same(void **state)
{
	struct changes inverse = changes_inverse(&resources), again;

	assert_int_equal(inverse.list[0].before, resources.list[0].after);
	assert_int_equal(inverse.list[1].after, resources.list[1].before);
	assert_true(changes_hash(&inverse, 1) != changes_hash(&resources, 1));
	again = changes_inverse(&inverse);
	assert_true(changes_hash(&again, 1) == changes_hash(&resources, 1));
}

static void words_name_each_field_and_are_cut(void **state)
{
	char text[100], small[10];

	changes_write(&resources, text, sizeof(text));
	assert_string_equal(text, "memory limit 512MiB -> 640MiB, cpu limit 500m -> 400m");
	changes_write(&resources, small, sizeof(small));
	assert_string_equal(small, "memory li");
	changes_write(&(struct changes){.count = 0}, text, sizeof(text));
	assert_string_equal(text, "");
	change_value_write(UNIT_MILLICORES, 2000, text, sizeof(text));
	assert_string_equal(text, "2");
	change_value_write(UNIT_FLAG, 1, text, sizeof(text));
	assert_string_equal(text, "true");
}

static enum status read_back(const char *text, struct changes *changes, struct error *error)
{
	struct json_span span;

	assert_int_equal(json_span_init(&span, text, strlen(text), 8, error), STATUS_OK);
	return changes_read_json(&span, changes, error);
}

static void what_is_written_is_read(void **state)
{
	struct changes changes;
	struct error error = {0};
	struct buf json;

	buf_init(&json, 4096);
	changes_write_json(&json, &resources);
	assert_string_equal(json.data,
		"[{\"field\":\"memory_limit\",\"unit\":\"bytes\",\"before\":536870912,"
		"\"after\":671088640},"
		"{\"field\":\"cpu_limit\",\"unit\":\"millicores\",\"before\":500,\"after\":400}]");
	assert_int_equal(read_back(json.data, &changes, &error), STATUS_OK);
	assert_true(changes_hash(&changes, 1) == changes_hash(&resources, 1));
	buf_fini(&json);
}

static void what_is_no_list_of_changes_is_refused(void **state)
{
	static const char *const wrong[] = {"{}", "[1]", "[{\"before\":1}]",
		"[{\"field\":\"colour\",\"before\":1,\"after\":2}]",
		"[{\"field\":\"replicas\",\"before\":-1,\"after\":2}]",
		"[{\"field\":\"replicas\",\"before\":1,\"after\":18446744073709551615}]",
		"[{\"field\":\"replicas\"},{\"field\":\"replicas\"}]",
		"[{\"field\":\"replicas\"},{\"field\":\"paused\"},{\"field\":\"revision\"},"
		"{\"field\":\"cpu_limit\"},{\"field\":\"cpu_request\"},{\"field\":\"memory_limit\"},"
		"{\"field\":\"memory_request\"}]"};
	struct changes changes;
	struct error error = {0};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (read_back(wrong[i], &changes, &error) != STATUS_BAD_INPUT)
			fail_msg("taken: %s", wrong[i]);
}

static void older_journals_have_a_key_for_each_value(void **state)
{
	static const char plan[] = "{\"action\":\"adjust_resources\",\"memory_bytes_before\":400,"
				   "\"memory_bytes_after\":500,\"cpu_milli_before\":null,"
				   "\"cpu_milli_after\":null}";
	static const char scale[] = "{\"replicas_before\":0,\"replicas_after\":3}";
	struct json_span span;
	struct changes changes;
	struct error error = {0};

	assert_int_equal(json_span_init(&span, plan, strlen(plan), 8, &error), STATUS_OK);
	assert_int_equal(changes_read_older(&span, &changes, &error), STATUS_OK);
	assert_int_equal(changes.count, 1);
	assert_int_equal(changes_after(&changes, CHANGE_MEMORY_LIMIT, 0), 500);
	assert_int_equal(json_span_init(&span, scale, strlen(scale), 8, &error), STATUS_OK);
	assert_int_equal(changes_read_older(&span, &changes, &error), STATUS_OK);
	assert_int_equal(changes.count, 1);
	assert_int_equal(changes_after(&changes, CHANGE_REPLICAS, 0), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_by_field),
		cmocka_unit_test(flags_and_revisions_have_no_size),
		cmocka_unit_test(the_inverse_of_the_inverse_is_the_same),
		cmocka_unit_test(words_name_each_field_and_are_cut),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_no_list_of_changes_is_refused),
		cmocka_unit_test(older_journals_have_a_key_for_each_value),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
