/* Label sets: building, order, Alertmanager's fingerprint, text forms, the rules for names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/labels.h"
#include "base/check.h"
#include "base/mem.h"

static struct label pair(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

#define BUILD(labels, ...)                                                                         \
	build(labels, (struct label[]){__VA_ARGS__},                                               \
		sizeof((struct label[]){__VA_ARGS__}) / sizeof(struct label))

static void build(struct labels *labels, const struct label *pairs, size_t count)
{
	struct error error;

	assert_int_equal(labels_init(labels, pairs, count, &error), STATUS_OK);
}

static void assert_written(const struct labels *labels, const char *expected)
{
	struct buf buf;

	buf_init(&buf, 65536);
	labels_write(&buf, labels);
	assert_true(buf_ok(&buf));
	assert_string_equal(buf.data, expected);
	buf_fini(&buf);
}

static void pairs_are_sorted_by_name(void **state)
{
	struct labels labels;

	BUILD(&labels, pair("zone", "a"), pair("alertname", "B"), pair("ab", "1"), pair("a", "2"));
	assert_int_equal(labels.count, 4);
	assert_string_equal(labels.pairs[0].name, "a");
	assert_string_equal(labels.pairs[1].name, "ab");
	assert_string_equal(labels.pairs[2].name, "alertname");
	assert_string_equal(labels.pairs[3].name, "zone");
	labels_fini(&labels);
}

static void more_pairs_than_the_stack_holds_are_sorted(void **state)
{
	enum { COUNT = 500 };
	struct label pairs[COUNT];
	char names[COUNT][8];
	struct labels labels;

	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "n%03d", (i * 7) % COUNT);
		pairs[i] = pair(names[i], "v");
	}
	build(&labels, pairs, COUNT);
	assert_int_equal(labels.count, COUNT);
	for (uint32_t i = 1; i < COUNT; i++)
		assert_true(strcmp(labels.pairs[i - 1].name, labels.pairs[i].name) < 0);
	labels_fini(&labels);
}

/* Bytes are compared unsigned: a name in another script stands behind ASCII. */
static void order_is_by_bytes(void **state)
{
	struct labels labels;

	BUILD(&labels, pair("\xC3\xA4", "1"), pair("z", "2"), pair("A", "3"));
	assert_string_equal(labels.pairs[0].name, "A");
	assert_string_equal(labels.pairs[2].name, "\xC3\xA4");
	labels_fini(&labels);
}

static void sizes_bound_names_and_values(void **state)
{
	const char bytes[] = {'j', 'o', 'b', 'a', 'p', 'i', 'x'};
	struct labels labels;

	BUILD(&labels, (struct label){bytes, bytes + 3, 3, 3});
	assert_string_equal(labels_get(&labels, "job"), "api");
	labels_fini(&labels);
}

static void empty_values_are_dropped(void **state)
{
	struct labels labels;

	BUILD(&labels, pair("b", ""), pair("a", "1"));
	assert_int_equal(labels.count, 1);
	assert_null(labels_get(&labels, "b"));
	assert_written(&labels, "{a=\"1\"}");
	labels_fini(&labels);
	BUILD(&labels, pair("b", ""));
	assert_int_equal(labels.count, 0);
	assert_null(labels.pairs);
	labels_fini(&labels);
}

static void repeated_name_is_refused(void **state)
{
	struct label pairs[] = {pair("a", "1"), pair("b", "2"), pair("a", "3")};
	struct labels labels;
	struct error error;

	assert_int_equal(labels_init(&labels, pairs, 3, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "\"a\""));
	assert_null(labels.pairs);
	/* Also when one of the two would be dropped for its empty value. */
	pairs[2] = pair("a", "");
	assert_int_equal(labels_init(&labels, pairs, 3, NULL), STATUS_BAD_INPUT);
}

static void empty_name_is_refused(void **state)
{
	struct label pairs[] = {pair("a", "1"), pair("", "2")};
	struct labels labels;
	struct error error;

	assert_int_equal(labels_init(&labels, pairs, 2, &error), STATUS_BAD_INPUT);
}

static void clone_outlives_its_original(void **state)
{
	struct labels labels, copy, none = {0};

	BUILD(&labels, pair("a", "1"), pair("b", "22"));
	assert_int_equal(labels_clone(&copy, &labels), STATUS_OK);
	assert_true(labels_equal(&copy, &labels));
	labels_fini(&labels);
	assert_string_equal(labels_get(&copy, "b"), "22");
	labels_fini(&copy);
	assert_int_equal(labels_clone(&copy, &none), STATUS_OK);
	assert_int_equal(copy.count, 0);
}

static void get_finds_exact_names_only(void **state)
{
	struct labels labels, none = {0};

	BUILD(&labels, pair("aa", "1"), pair("b", "2"), pair("bb", "3"), pair("c", "4"));
	assert_string_equal(labels_get(&labels, "aa"), "1");
	assert_string_equal(labels_get(&labels, "b"), "2");
	assert_string_equal(labels_get(&labels, "c"), "4");
	assert_null(labels_get(&labels, "a"));
	assert_null(labels_get(&labels, "bbb"));
	assert_null(labels_get(&labels, ""));
	assert_null(labels_get(&none, "a"));
	assert_int_equal(labels_find(&labels, "bb")->value_size, 1);
	labels_fini(&labels);
}

static void compare_goes_by_name_then_value_then_count(void **state)
{
	struct labels sets[5];

	/* In rising order. */
	BUILD(&sets[0], pair("a", "1"));
	BUILD(&sets[1], pair("a", "1"), pair("b", "1"));
	BUILD(&sets[2], pair("a", "10"));
	BUILD(&sets[3], pair("a", "2"));
	BUILD(&sets[4], pair("b", "0"));
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 5; j++) {
			int order = labels_compare(&sets[i], &sets[j]);

			assert_int_equal(order, (i > j) - (i < j));
			assert_int_equal(labels_equal(&sets[i], &sets[j]), i == j);
		}
	}
	for (int i = 0; i < 5; i++)
		labels_fini(&sets[i]);
}

/* Recorded from a real Alertmanager. */
static void fingerprints_are_alertmanagers(void **state)
{
	struct labels labels, none = {0};

	BUILD(&labels, pair("alertname", "B"));
	assert_true(labels_fingerprint(&labels) == UINT64_C(0xd2c2efc389db2050));
	labels_fini(&labels);
	BUILD(&labels, pair("ns", "shop"), pair("alertname", "A"));
	assert_true(labels_fingerprint(&labels) == UINT64_C(0xbfb9483280284ab2));
	labels_fini(&labels);
	BUILD(&labels, pair("alertname", "Rem"), pair("ns", "shop"));
	assert_true(labels_fingerprint(&labels) == UINT64_C(0x321e0856f72e3537));
	labels_fini(&labels);
	assert_true(labels_fingerprint(&none) == UINT64_C(14695981039346656037));
}

static void fingerprint_keeps_name_and_value_apart(void **state)
{
	struct labels a, b;

	BUILD(&a, pair("ab", "c"));
	BUILD(&b, pair("a", "bc"));
	assert_true(labels_fingerprint(&a) != labels_fingerprint(&b));
	labels_fini(&a);
	labels_fini(&b);
}

static void written_form_is_prometheus(void **state)
{
	struct labels labels, none = {0};

	BUILD(&labels, pair("__name__", "up"), pair("job", "a\"b\\c\nd"));
	assert_written(&labels, "up{job=\"a\\\"b\\\\c\\nd\"}");
	labels_fini(&labels);
	BUILD(&labels, pair("__name__", "node:cpu"));
	assert_written(&labels, "node:cpu");
	labels_fini(&labels);
	BUILD(&labels, pair("__name__", "not a name"), pair("a.b", "1"));
	assert_written(&labels, "{__name__=\"not a name\",\"a.b\"=\"1\"}");
	labels_fini(&labels);
	assert_written(&none, "{}");
}

/* A terminal or a log must not be driven by label values. */
static void control_and_broken_bytes_are_escaped(void **state)
{
	struct labels labels;

	BUILD(&labels, pair("a", "\x1B[2J\t\x7F"), pair("b", "\xFF\xC3\xA4"));
	assert_written(&labels, "{a=\"\\x1b[2J\\t\\x7f\",b=\"\\xff\xC3\xA4\"}");
	labels_fini(&labels);
}

static void json_form_is_an_object(void **state)
{
	struct labels labels, none = {0};
	struct buf buf;

	BUILD(&labels, pair("b", "x\"y"), pair("a", "1"));
	buf_init(&buf, 1024);
	labels_write_json(&buf, &labels);
	assert_string_equal(buf.data, "{\"a\":\"1\",\"b\":\"x\\\"y\"}");
	buf_reset(&buf);
	labels_write_json(&buf, &none);
	assert_string_equal(buf.data, "{}");
	buf_fini(&buf);
	labels_fini(&labels);
}

static void a_nul_in_a_value_is_kept(void **state)
{
	struct labels labels;

	BUILD(&labels, (struct label){"a", "x\0y", 1, 3});
	assert_int_equal(labels.pairs[0].value_size, 3);
	assert_written(&labels, "{a=\"x\\x00y\"}");
	labels_fini(&labels);
}

static void names_follow_the_data_model(void **state)
{
	static const struct {
		const char *name;
		bool label, metric;
	} cases[] = {{"a", true, true}, {"_", true, true}, {"a9_Z", true, true},
		{"9a", false, false}, {"a:b", false, true}, {":", false, true}, {"", false, false},
		{"a-b", false, false}, {"a b", false, false}, {"\xC3\xA4", false, false},
		{"a.b", false, false}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		size_t size = strlen(cases[i].name);

		assert_int_equal(label_name_valid(cases[i].name, size), cases[i].label);
		assert_int_equal(metric_name_valid(cases[i].name, size), cases[i].metric);
	}
}

static void utf8_takes_only_well_formed_text(void **state)
{
	static const char *const good[] = {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80",
		"\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80",
		"\xF4\x8F\xBF\xBF", "a\xC3\xA4z"};
	static const char *const bad[] = {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2",
		"\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0", "\xED\xA0\x80", "\xED\xBF\xBF",
		"\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE",
		"\xFF", "ok\xE2\x82"};

	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("a\0b", 3));
}

static void memory_out_is_an_answer(void **state)
{
	struct label pairs[80];
	char names[80][8];
	bool reached = true;

	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		snprintf(names[i], sizeof(names[i]), "n%02zu", ARRAY_COUNT(pairs) - i);
		pairs[i] = pair(names[i], "v");
	}
	for (long n = 1; reached; n++) {
		struct labels labels, copy = {0};
		enum status status;

		mem_fail_after(n, true);
		status = labels_init(&labels, pairs, ARRAY_COUNT(pairs), NULL);
		if (!status)
			status = labels_clone(&copy, &labels);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		assert_int_equal(copy.count, reached ? 0 : 80);
		labels_fini(&labels);
		labels_fini(&copy);
		assert_true(n < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_sorted_by_name),
		cmocka_unit_test(more_pairs_than_the_stack_holds_are_sorted),
		cmocka_unit_test(order_is_by_bytes),
		cmocka_unit_test(sizes_bound_names_and_values),
		cmocka_unit_test(empty_values_are_dropped),
		cmocka_unit_test(repeated_name_is_refused),
		cmocka_unit_test(empty_name_is_refused),
		cmocka_unit_test(clone_outlives_its_original),
		cmocka_unit_test(get_finds_exact_names_only),
		cmocka_unit_test(compare_goes_by_name_then_value_then_count),
		cmocka_unit_test(fingerprints_are_alertmanagers),
		cmocka_unit_test(fingerprint_keeps_name_and_value_apart),
		cmocka_unit_test(written_form_is_prometheus),
		cmocka_unit_test(control_and_broken_bytes_are_escaped),
		cmocka_unit_test(json_form_is_an_object),
		cmocka_unit_test(a_nul_in_a_value_is_kept),
		cmocka_unit_test(names_follow_the_data_model),
		cmocka_unit_test(utf8_takes_only_well_formed_text),
		cmocka_unit_test(memory_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
