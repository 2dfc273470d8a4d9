/* The labels of a series as sent, from those shown; selectors; external labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/backfill_labels.h"

static void expect_labels(const struct labels *labels, const char *text)
{
	struct buf buf;

	buf_init(&buf, 65536);
	labels_write(&buf, labels);
	assert_string_equal(buf.data, text);
	buf_fini(&buf);
}

static struct labels external_of(const char *a, const char *b)
{
	const char *list[] = {a, b};
	struct labels labels;

	assert_int_equal(external_labels_of_list(list, b != NULL ? 2 : 1, &labels, NULL),
		STATUS_OK);
	return labels;
}

static void external_labels_are_added_where_the_series_has_none(void **state)
{
	struct labels external = external_of("cluster=prod", "zone=a");
	const struct label pairs[] = {label_of("zone", "own"), label_of("__name__", "up"),
		label_of("empty", "")};
	struct sent_labels sent;
	(void)state;

	assert_int_equal(sent_labels_merge(&sent, pairs, 3, &external, NULL, NULL, NULL),
		STATUS_OK);
	expect_labels(&sent.labels, "up{cluster=\"prod\",zone=\"own\"}");
	labels_fini(&external);
}

static void the_replica_goes_only_together_with_a_cluster(void **state)
{
	struct labels both = external_of("__replica__=b", "cluster=prod");
	struct labels alone = external_of("__replica__=b", NULL);
	const struct label pairs[] = {label_of("__name__", "up")};
	struct sent_labels sent;
	(void)state;

	assert_int_equal(sent_labels_merge(&sent, pairs, 1, &both, "cluster", "__replica__", NULL),
		STATUS_OK);
	expect_labels(&sent.labels, "up{cluster=\"prod\"}");
	assert_int_equal(sent_labels_merge(&sent, pairs, 1, &alone, "cluster", "__replica__", NULL),
		STATUS_OK);
	expect_labels(&sent.labels, "up{__replica__=\"b\"}");
	assert_int_equal(sent_labels_merge(&sent, pairs, 1, &both, NULL, NULL, NULL), STATUS_OK);
	expect_labels(&sent.labels, "up{__replica__=\"b\",cluster=\"prod\"}");
	labels_fini(&both);
	labels_fini(&alone);
}

static void repeated_and_too_many_labels_are_refused(void **state)
{
	static char names[SENT_LABELS_MAX + 1][16];
	static struct label pairs[SENT_LABELS_MAX + 1];
	struct labels none = {0};
	struct sent_labels sent;
	struct error error;
	(void)state;

	for (int i = 0; i <= SENT_LABELS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		pairs[i] = label_of(names[i], "v");
	}
	assert_int_equal(sent_labels_merge(&sent, pairs, SENT_LABELS_MAX, &none, NULL, NULL,
				 &error),
		STATUS_OK);
	assert_int_equal(sent_labels_merge(&sent, pairs, SENT_LABELS_MAX + 1, &none, NULL, NULL,
				 &error),
		STATUS_LIMIT);
	pairs[1] = pairs[0];
	assert_int_equal(sent_labels_merge(&sent, pairs, 2, &none, NULL, NULL, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "n0"));
}

/* The specification's bytes: TimeSeries with the label __name__="up". */
static void raw_labels_are_those_of_remote_write(void **state)
{
	static const unsigned char expected[] = {0x0a, 0x0e, 0x0a, 0x08, '_', '_', 'n', 'a', 'm',
		'e', '_', '_', 0x12, 0x02, 'u', 'p'};
	struct label pairs[2] = {label_of("__name__", "up")};
	struct labels none = {0};
	struct sent_labels sent;
	char value[201];
	struct buf raw;
	(void)state;

	buf_init(&raw, 4096);
	assert_int_equal(sent_labels_merge(&sent, pairs, 1, &none, NULL, NULL, NULL), STATUS_OK);
	sent_labels_write_raw(&sent, &raw);
	assert_int_equal(raw.size, sizeof(expected));
	assert_memory_equal(raw.data, expected, sizeof(expected));
	/* Lengths of two bytes: 200 = c8 01, 206 = ce 01. */
	memset(value, 'x', 200);
	value[200] = '\0';
	pairs[0] = label_of("a", value);
	buf_reset(&raw);
	assert_int_equal(sent_labels_merge(&sent, pairs, 1, &none, NULL, NULL, NULL), STATUS_OK);
	sent_labels_write_raw(&sent, &raw);
	assert_memory_equal(raw.data, "\x0a\xce\x01\x0a\x01\x61\x12\xc8\x01xx", 11);
	assert_int_equal(raw.size, 3 + 206);
	buf_fini(&raw);
}

static void expect_selector(const char *selector, const struct labels *external,
	const char *expected)
{
	struct matchers matchers;
	struct buf text;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, NULL), STATUS_OK);
	buf_init(&text, 4096);
	assert_int_equal(backfill_selector(&matchers, external, &text, NULL), STATUS_OK);
	assert_string_equal(text.data, expected);
	buf_fini(&text);
	matchers_fini(&matchers);
}

static void selectors_ask_without_what_external_labels_fulfil(void **state)
{
	struct labels external = external_of("cluster=prod", "zone=a");
	(void)state;

	expect_selector("nimbusguard:workload_cpu_cores:sum", &external,
		"nimbusguard:workload_cpu_cores:sum");
	expect_selector("up{cluster=\"prod\",job=~\"a|b\"}", &external, "up{job=~\"a|b\"}");
	expect_selector("up{cluster=~\"p.*\"}", &external, "up");
	/* Only a series with a label of its own can be meant. */
	expect_selector("up{cluster=\"test\"}", &external, "up{cluster=\"test\"}");
	expect_selector("{cluster=\"prod\"}", &external, "{__name__!=\"\"}");
	expect_selector("{cluster=\"prod\",job=~\".*\"}", &external,
		"{job=~\".*\",__name__!=\"\"}");
	labels_fini(&external);
}

static const char config[] = "global:\n"
			     "  scrape_interval: 15s\n"
			     "  external_labels:\n"
			     "    cluster: prod\n"
			     "    number: \"12\"\n"
			     "    quoted: 'it''s'\n"
			     "rule_files:\n"
			     "- /etc/a.yml\n"
			     "scrape_configs:\n"
			     "- job_name: global\n"
			     "  external_labels: [no, yes]\n"
			     "remote_write:\n"
			     "- url: http://x\n"
			     "  write_relabel_configs:\n"
			     "  - source_labels: [__name__]\n"
			     "    regex: a\n"
			     "    action: %s\n";

static void external_labels_of(const char *action, bool relabelled)
{
	char text[1024];
	struct labels labels;
	struct error error;
	bool found;

	snprintf(text, sizeof(text), config, action);
	if (external_labels_of_config(text, &labels, &found, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	expect_labels(&labels, "{cluster=\"prod\",number=\"12\",quoted=\"it's\"}");
	assert_int_equal(found, relabelled);
	labels_fini(&labels);
}

static void a_configuration_gives_its_external_labels_and_whether_it_relabels(void **state)
{
	(void)state;
	external_labels_of("keep", false);
	external_labels_of("drop", false);
	external_labels_of("replace", true);
	external_labels_of("labeldrop", true);
}

static void a_configuration_without_labels_has_none_and_a_wrong_one_is_refused(void **state)
{
	static const char *const none[] = {"", "global:\n  scrape_interval: 1s\n",
		"global:\n  external_labels: {}\n", "scrape_configs: []\n"};
	static const char *const wrong[] = {"global:\n  external_labels: [a]\n",
		"global:\n  external_labels: {a: {b: c}}\n", "global: {a: [\n", "global: &x {}\n"};
	struct labels labels;
	struct error error;
	bool relabelled;
	(void)state;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(external_labels_of_config(none[i], &labels, &relabelled, &error),
			STATUS_OK);
		assert_int_equal(labels.count, 0);
		assert_false(relabelled);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(external_labels_of_config(wrong[i], &labels, &relabelled, &error),
			STATUS_BAD_INPUT);
		assert_true(strlen(error.text) > 10);
	}
}

static void a_list_is_name_and_value_or_refused(void **state)
{
	static const char *const wrong[] = {"cluster", "=x", "9a=x", "a b=c"};
	struct labels labels = external_of("a=b=c", "empty=");
	struct error error;
	(void)state;

	expect_labels(&labels, "{a=\"b=c\"}");
	labels_fini(&labels);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(external_labels_of_list(&wrong[i], 1, &labels, &error),
			STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, wrong[i]));
	}
}

static void each_failed_allocation_is_an_answer(void **state)
{
	struct labels external = external_of("cluster=prod", NULL);
	long n = 0;
	bool again = true;
	(void)state;

	while (again) {
		struct matchers matchers;
		struct labels labels;
		struct buf text;
		char yaml[1024];
		bool relabelled;

		snprintf(yaml, sizeof(yaml), config, "keep");
		matchers_init(&matchers);
		assert_int_equal(matchers_parse_selector(&matchers,
					 "up{cluster=\"prod\",a=~\"b|c\"}", NULL),
			STATUS_OK);
		buf_init(&text, 4096);
		mem_fail_after(++n, false);
		if (external_labels_of_config(yaml, &labels, &relabelled, NULL) == STATUS_OK)
			labels_fini(&labels);
		if (backfill_selector(&matchers, &external, &text, NULL) == STATUS_OK)
			assert_string_equal(text.data, "up{a=~\"b|c\"}");
		again = mem_fail_after(0, false);
		buf_fini(&text);
		matchers_fini(&matchers);
	}
	assert_true(n > 10);
	labels_fini(&external);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(external_labels_are_added_where_the_series_has_none),
		cmocka_unit_test(the_replica_goes_only_together_with_a_cluster),
		cmocka_unit_test(repeated_and_too_many_labels_are_refused),
		cmocka_unit_test(raw_labels_are_those_of_remote_write),
		cmocka_unit_test(selectors_ask_without_what_external_labels_fulfil),
		cmocka_unit_test(a_configuration_gives_its_external_labels_and_whether_it_relabels),
		cmocka_unit_test(
			a_configuration_without_labels_has_none_and_a_wrong_one_is_refused),
		cmocka_unit_test(a_list_is_name_and_value_or_refused),
		cmocka_unit_test(each_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("backfill_labels", tests, NULL, NULL);
}
