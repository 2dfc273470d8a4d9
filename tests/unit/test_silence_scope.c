/* What a silence covers: nothing beside the target, and never the alert that triggered it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/silence_scope.h"

static struct target make_target(enum target_kind kind, const char *name)
{
	struct target target = {.kind = kind};

	snprintf(target.name, sizeof(target.name), "%s", name);
	if (target_kind_namespaced(kind))
		snprintf(target.namespace_name, sizeof(target.namespace_name), "shop");
	if (kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET || kind == TARGET_DAEMONSET) {
		target.workload.kind = kind;
		snprintf(target.workload.name, sizeof(target.workload.name), "%s", name);
	}
	return target;
}

/* The matchers in PromQL's form, or the error's text. */
static const char *write_scope(const struct silence_scope *scope, const struct target *target)
{
	static char text[2048];
	struct matchers matchers;
	struct error error;
	struct buf buf;

	matchers_init(&matchers);
	buf_init(&buf, sizeof(text));
	if (silence_scope_matchers(scope, target, &matchers, &error) == STATUS_OK)
		matchers_write(&buf, &matchers);
	else
		buf_add_text(&buf, error.text);
	snprintf(text, sizeof(text), "%s", buf.data);
	buf_fini(&buf);
	matchers_fini(&matchers);
	return text;
}

static void usual_labels_name_the_target(void **state)
{
	static const struct silence_scope one = {.alerts = {"PodNotReady"}, .alert_count = 1};
	static const struct silence_scope two = {.alerts = {"PodNotReady", "Replicas.Missing"},
		.alert_count = 2};
	struct target web = make_target(TARGET_DEPLOYMENT, "web");
	struct target node = make_target(TARGET_NODE, "n1");

	(void)state;
	assert_string_equal(write_scope(&one, &web),
		"{alertname=\"PodNotReady\",namespace=\"shop\",deployment=\"web\"}");
	assert_string_equal(write_scope(&two, &node),
		"{alertname=~\"PodNotReady|Replicas\\\\.Missing\",node=\"n1\"}");
	snprintf(web.cluster, sizeof(web.cluster), "east");
	assert_string_equal(write_scope(&one, &web),
		"{alertname=\"PodNotReady\",cluster=\"east\",namespace=\"shop\",deployment=\"web\"}");
}

static void pods_of_a_workload_are_not_those_of_a_longer_name(void **state)
{
	static const struct silence_scope scope = {.alerts = {"A"},
		.alert_count = 1,
		.labels = {"namespace", "pod"},
		.label_count = 2};
	static const struct {
		enum target_kind kind;
		const char *pod;
		bool fits;
	} table[] = {
		{TARGET_DEPLOYMENT, "web-5d4f-abcde", true},
		{TARGET_DEPLOYMENT, "web-admin-5d4f-abcde", false},
		{TARGET_DEPLOYMENT, "web-1", false},
		{TARGET_STATEFULSET, "web-12", true},
		{TARGET_STATEFULSET, "web-x-12", false},
		{TARGET_DAEMONSET, "web-ab3de", true},
		{TARGET_DAEMONSET, "web-ab3de-x", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct target target = make_target(table[i].kind, "web");
		struct label pairs[] = {{"alertname", "A", 9, 1}, {"namespace", "shop", 9, 4},
			{"pod", table[i].pod, 3, (uint32_t)strlen(table[i].pod)}};
		struct matchers matchers;
		struct labels labels;

		matchers_init(&matchers);
		assert_int_equal(labels_init(&labels, pairs, 3, NULL), STATUS_OK);
		assert_int_equal(silence_scope_matchers(&scope, &target, &matchers, NULL),
			STATUS_OK);
		if (matchers_test(&matchers, &labels) != table[i].fits)
			fail_msg("row %zu: %s", i, table[i].pod);
		labels_fini(&labels);
		matchers_fini(&matchers);
	}
}

static void too_wide_a_scope_is_refused(void **state)
{
	static const struct silence_scope wide = {.alerts = {"A"},
		.alert_count = 1,
		.labels = {"namespace"},
		.label_count = 1};
	static const struct silence_scope foreign = {.alerts = {"A"},
		.alert_count = 1,
		.labels = {"deployment", "team"},
		.label_count = 2};
	static const struct silence_scope clusters = {.alerts = {"A"},
		.alert_count = 1,
		.labels = {"cluster", "deployment"},
		.label_count = 2};
	static const struct silence_scope all = {.alert_count = 0};
	struct target web = make_target(TARGET_DEPLOYMENT, "web");
	struct target none = {.kind = TARGET_NONE};
	struct matchers matchers;

	(void)state;
	assert_non_null(strstr(write_scope(&wide, &web), "no label names the Deployment"));
	assert_non_null(strstr(write_scope(&foreign, &web), "team has no value"));
	assert_non_null(strstr(write_scope(&clusters, &web), "cluster has no value"));
	assert_non_null(strstr(write_scope(&all, &web), "no alert"));
	assert_non_null(strstr(write_scope(&wide, &none), "no target"));
	/* What was refused leaves nothing behind. */
	matchers_init(&matchers);
	assert_int_equal(silence_scope_matchers(&wide, &web, &matchers, NULL), STATUS_BAD_INPUT);
	assert_int_equal(matchers.count, 0);
	matchers_fini(&matchers);
}

static void trigger_is_found_out_beforehand(void **state)
{
	static const struct silence_scope scope = {.alerts = {"PodNotReady", "Slow"},
		.alert_count = 2};
	static const struct {
		const char *trigger, *hit;
	} table[] = {
		{"{alertname=\"Crash\"}", NULL},
		{"{alertname=\"Slow\"}", "Slow"},
		{"{alertname=\"Slow\",severity=\"page\"}", "Slow"},
		{"{alertname=~\"Pod.*\"}", "PodNotReady"},
		{"{alertname!=\"PodNotReady\",severity=\"page\"}", "Slow"},
		{"{alertname=~\"S.*|P.*\",alertname!=\"Slow\",alertname!=\"PodNotReady\"}", NULL},
		/* Any name may come with it. */
		{"{severity=\"page\"}", "PodNotReady"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct matchers trigger;
		const char *hit;

		matchers_init(&trigger);
		assert_int_equal(matchers_parse_selector(&trigger, table[i].trigger, NULL),
			STATUS_OK);
		hit = silence_scope_hits(&scope, &trigger);
		if (table[i].hit == NULL ? hit != NULL
					 : hit == NULL || strcmp(hit, table[i].hit) != 0)
			fail_msg("row %zu: %s", i, hit ? hit : "none");
		matchers_fini(&trigger);
	}
}

static void names_and_labels_are_bounded(void **state)
{
	char longest[SILENCE_ALERT_NAME_MAX + 1];
	bool names;

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[SILENCE_ALERT_NAME_MAX] = '\0';
	assert_false(silence_alert_name_valid(longest));
	longest[SILENCE_ALERT_NAME_MAX - 1] = '\0';
	assert_true(silence_alert_name_valid(longest));
	assert_true(silence_alert_name_valid("Kube-Pod.Not_Ready:1"));
	assert_false(silence_alert_name_valid(""));
	assert_false(silence_alert_name_valid("1a"));
	assert_false(silence_alert_name_valid("a|b"));
	assert_false(silence_alert_name_valid(".*"));
	assert_true(silence_label_valid(TARGET_POD, "exported_pod", &names) && names);
	assert_true(silence_label_valid(TARGET_POD, "namespace", &names) && !names);
	assert_true(silence_label_valid(TARGET_NONE, "workload", &names) && names);
	assert_false(silence_label_valid(TARGET_NODE, "namespace", &names));
	assert_false(silence_label_valid(TARGET_NODE, "pod", &names));
}

static void lost_memory_is_an_answer(void **state)
{
	static const struct silence_scope scope = {.alerts = {"A", "B"}, .alert_count = 2};
	struct target web = make_target(TARGET_DEPLOYMENT, "web");
	bool failed = true;

	(void)state;
	for (long n = 1; failed; n++) {
		struct matchers matchers;
		enum status status;

		matchers_init(&matchers);
		mem_fail_after(n, false);
		status = silence_scope_matchers(&scope, &web, &matchers, NULL);
		failed = mem_fail_after(0, false);
		assert_int_equal(matchers.count, status == STATUS_OK ? 3 : 0);
		matchers_fini(&matchers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_labels_name_the_target),
		cmocka_unit_test(pods_of_a_workload_are_not_those_of_a_longer_name),
		cmocka_unit_test(too_wide_a_scope_is_refused),
		cmocka_unit_test(trigger_is_found_out_beforehand),
		cmocka_unit_test(names_and_labels_are_bounded),
		cmocka_unit_test(lost_memory_is_an_answer),
	};

	return cmocka_run_group_tests_name("silence_scope", tests, NULL, NULL);
}
