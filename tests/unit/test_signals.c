/*
 * rules/signals.yaml: what is bound by it, how later files replace earlier ones, and that every
 * mistake is named with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/signals.h"
#include "base/file.h"
#include "base/mem.h"

static char folder[512];

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/signals-XXXXXX", parent != NULL ? parent : "/tmp");
	return mkdtemp(folder) == NULL;
}

static const char *write_file(const char *name, const char *text)
{
	static char paths[2][600];
	static int next;
	char *path = paths[next++ % 2];
	struct error error;

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &error), STATUS_OK);
	return path;
}

static enum status load(struct signal_set *set, const char *text, char *told, size_t size)
{
	const char *path = write_file("a.yaml", text);
	struct diagnostics diagnostics;
	struct buf buf;
	enum status status;

	diagnostics_init(&diagnostics);
	buf_init(&buf, 65536);
	status = signal_set_load(set, &path, 1, &diagnostics);
	diagnostics_write(&diagnostics, &buf);
	/* The folder's name says nothing. */
	snprintf(told, size, "%s", buf.data != NULL ? buf.data + strlen(folder) + 1 : "");
	assert_true((status == STATUS_OK) == (diagnostics.errors == 0));
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	return status;
}

static void refused(const char *text, const char *wanted)
{
	struct signal_set set;
	char told[2048];

	assert_int_equal(load(&set, text, told, sizeof(told)), STATUS_BAD_INPUT);
	if (strstr(told, wanted) == NULL)
		fail_msg("\"%s\" was told instead of \"%s\"", told, wanted);
	signal_set_fini(&set);
}

static void a_binding_is_read_whole(void **state)
{
	struct signal_set set;
	char told[2048];

	assert_int_equal(
		load(&set,
			"signals:\n- role: cpu\n  selector: 'cores{a=\"b\"}'\n"
			"  type: counter\n  detect: down\n  min_deviation: 0.5\n  interval: 30s\n"
			"  stale_after: 5m\npod_owner: owner:info\n"
			"workload_node: node:pods{a=\"b\"}\n",
			told, sizeof(told)),
		STATUS_OK);
	const struct signal_binding *cpu = &set.roles[ROLE_CPU];

	assert_true(cpu->bound);
	assert_int_equal(cpu->type, SIGNAL_COUNTER);
	assert_int_equal(cpu->detect, DIRECTION_DOWN);
	assert_true(cpu->deviation_min == 0.5);
	assert_int_equal(cpu->interval_ms, 30000);
	assert_int_equal(cpu->stale_ms, 300000);
	assert_int_equal(cpu->matchers.count, 2);
	assert_int_equal(set.pod_owner.count, 1);
	assert_int_equal(set.workload_node.count, 2);
	for (int role = 0; role < ROLE_COUNT; role++)
		assert_true(role == ROLE_CPU || !set.roles[role].bound);
	signal_set_fini(&set);
}

static void what_is_left_out_has_its_default(void **state)
{
	struct signal_set set;
	char told[2048];

	assert_int_equal(load(&set,
				 "signals:\n- {role: latency, selector: l}\n"
				 "- {role: memory, selector: m, interval: 1m}\n",
				 told, sizeof(told)),
		STATUS_OK);
	assert_int_equal(set.roles[ROLE_LATENCY].type, SIGNAL_GAUGE);
	assert_int_equal(set.roles[ROLE_LATENCY].detect, DIRECTION_NONE);
	assert_int_equal(set.roles[ROLE_LATENCY].interval_ms, 15000);
	assert_int_equal(set.roles[ROLE_LATENCY].stale_ms, 150000);
	assert_int_equal(set.roles[ROLE_MEMORY].stale_ms, 240000);
	assert_int_equal(set.pod_owner.count, 0);
	assert_int_equal(set.workload_node.count, 0);
	signal_set_fini(&set);
}

static void the_bundled_file_binds_every_role_but_none_twice(void **state)
{
	const char *source = getenv("NIMBUSGUARD_SOURCE");
	char path[600];
	const char *paths[] = {path};
	struct diagnostics diagnostics;
	struct signal_set set;

	snprintf(path, sizeof(path), "%s/rules/signals.yaml", source != NULL ? source : ".");
	diagnostics_init(&diagnostics);
	assert_int_equal(signal_set_load(&set, paths, 1, &diagnostics), STATUS_OK);
	assert_int_equal(diagnostics.warnings, 0);
	for (int role = 0; role < ROLE_COUNT; role++)
		assert_true(set.roles[role].bound);
	assert_int_equal(set.pod_owner.count, 1);
	assert_int_equal(set.workload_node.count, 1);
	signal_set_fini(&set);
	diagnostics_fini(&diagnostics);
}

static void a_later_file_replaces_a_role_wholly(void **state)
{
	const char *paths[2];
	struct diagnostics diagnostics;
	struct signal_set set;

	paths[0] = write_file("a.yaml",
		"signals:\n- {role: cpu, selector: a, detect: up, "
		"min_deviation: 3, stale_after: 9m}\n- {role: memory, selector: m}\npod_owner: a\n");
	paths[1] = write_file("b.yaml", "signals:\n- {role: cpu, selector: '{b=\"1\",c=\"2\"}'}\n");
	diagnostics_init(&diagnostics);
	assert_int_equal(signal_set_load(&set, paths, 2, &diagnostics), STATUS_OK);
	assert_int_equal(set.roles[ROLE_CPU].matchers.count, 2);
	assert_int_equal(set.roles[ROLE_CPU].detect, DIRECTION_NONE);
	assert_true(set.roles[ROLE_CPU].deviation_min == 0);
	assert_int_equal(set.roles[ROLE_CPU].stale_ms, 150000);
	assert_true(set.roles[ROLE_MEMORY].bound);
	assert_int_equal(set.pod_owner.count, 1);
	signal_set_fini(&set);
	diagnostics_fini(&diagnostics);
}

static void mistakes_are_named_with_their_place(void **state)
{
	refused("signals:\n- role: cpu\n  selctor: a\n", "a.yaml:3:3: error: ");
	refused("signals:\n- role: cpu\n  selctor: a\n", "did you mean \"selector\"?");
	refused("signals:\n- role: cpux\n  selector: a\n", "a.yaml:2:9: error: ");
	refused("signals:\n- role: cpu\n", "selector");
	refused("signals:\n- selector: a\n", "role");
	refused("signals:\n- role: cpu\n  selector: 'a{'\n", "a.yaml:3:13: error: ");
	refused("signals:\n- role: cpu\n  selector: '{a=~\"(\"}'\n", "a.yaml:3:13: error: ");
	refused("signals:\n- role: cpu\n  selector: '{a=\"\"}'\n", "a.yaml:3:13: error: ");
	refused("signals:\n- {role: cpu, selector: a}\n- {role: cpu, selector: b}\n",
		"a.yaml:3:3: error: role \"cpu\" is bound twice in this file");
	refused("signals:\n- {role: cpu, selector: a, type: histogram}\n", "a.yaml:2:34: error: ");
	refused("signals:\n- {role: cpu, selector: a, detect: sideways}\n", "sideways");
	refused("signals:\n- {role: cpu, selector: a, min_deviation: -1}\n", "min_deviation");
	refused("signals:\n- {role: cpu, selector: a, interval: 10}\n", "interval");
	refused("signals:\n- {role: cpu, selector: a, interval: 1m, stale_after: 90s}\n",
		"stale_after is less than two intervals");
	refused("signals: cpu\n", "signals is no list");
	refused("pod_owner: a\n", "signals is no list");
	refused("signals:\n- cpu\n", "a.yaml:2:3: error: ");
	refused("- role: cpu\n", "a.yaml:1:1: error: ");
	refused("signals: []\nowner: a\n", "unknown key");
	refused("signals: []\npod_owner: 'a{'\n", "a.yaml:2:12: error: ");
	refused("signals: [\n", "a.yaml:");
}

static void a_quantile_and_a_ratio_are_read_whole(void **state)
{
	const struct matchers *selectors[SIGNAL_SELECTORS_MAX];
	struct signal_set set, other;
	char told[2048];

	assert_int_equal(load(&set,
				 "signals:\n"
				 "- {role: latency, type: quantile, selector: b, quantile: 0.99}\n"
				 "- {role: error_rate, type: ratio, numerator: e, denominator: r, "
				 "window: 2m, detect: up}\n"
				 "- {role: saturation, type: ratio, numerator: u, denominator: s, "
				 "of: gauges}\npod_owner: o\nworkload_node: n\n",
				 told, sizeof(told)),
		STATUS_OK);
	const struct signal_binding *latency = &set.roles[ROLE_LATENCY];
	const struct signal_binding *errors = &set.roles[ROLE_ERROR_RATE];

	assert_int_equal(latency->derivation, DERIVE_QUANTILE);
	assert_int_equal(latency->type, SIGNAL_GAUGE);
	assert_true(latency->quantile == 0.99);
	assert_int_equal(latency->window_ms, 300000);
	assert_int_equal(latency->matchers.count, 3);
	assert_int_equal(errors->derivation, DERIVE_RATIO);
	assert_true(errors->counters && !set.roles[ROLE_SATURATION].counters);
	assert_int_equal(errors->window_ms, 120000);
	assert_int_equal(errors->detect, DIRECTION_UP);
	assert_string_equal(errors->parts[1].list[0].value, "r");
	assert_int_equal(signal_set_selectors(&set, selectors), 7);
	assert_ptr_equal(selectors[5], &set.pod_owner);
	assert_ptr_equal(selectors[6], &set.workload_node);
	assert_int_equal(load(&other,
				 "signals:\n"
				 "- {role: latency, type: quantile, selector: b, quantile: 0.9}\n",
				 told, sizeof(told)),
		STATUS_OK);
	assert_string_not_equal(other.roles[ROLE_LATENCY].definition, latency->definition);
	signal_set_fini(&other);
	signal_set_fini(&set);
}

static void mistakes_of_quantiles_and_ratios_are_named_with_their_place(void **state)
{
	refused("signals:\n- {role: latency, type: quantile, selector: b}\n", "quantile");
	refused("signals:\n- {role: latency, type: quantile, quantile: 0.9}\n", "selector");
	refused("signals:\n- role: latency\n  type: quantile\n  selector: b\n  quantile: 1.5\n",
		"a.yaml:5:13: error: ");
	refused("signals:\n- role: latency\n  type: quantile\n  selector: b\n  quantil: 0.5\n",
		"did you mean \"quantile\"?");
	refused("signals:\n- {role: cpu, type: ratio, numerator: a}\n", "denominator");
	refused("signals:\n- {role: cpu, type: ratio, denominator: a}\n", "numerator");
	refused("signals:\n- {role: cpu, type: ratio, numerator: 'a{', denominator: a}\n",
		"a.yaml:2:39: error: ");
	refused("signals:\n- {role: cpu, type: ratio, numerator: a, denominatr: a}\n",
		"did you mean \"denominator\"?");
	refused("signals:\n- {role: cpu, type: ratio, numerator: a, denominator: b, of: c}\n",
		"a.yaml:2:62: error: ");
	refused("signals:\n- {role: cpu, type: gauge, selector: a, quantile: 0.5}\n",
		"a.yaml:2:51: error: quantile is not for type gauge");
	refused("signals:\n- {role: cpu, type: ratio, selector: a, numerator: a, denominator: b}\n",
		"selector is not for type ratio");
	refused("signals:\n- {role: cpu, type: quantil, selector: a}\n", "a.yaml:2:21: error: ");
	refused("signals:\n- {role: cpu, type: quantile, selector: a, quantile: 0.5, window: 20s}\n",
		"window is less than two intervals");
	refused("signals:\n- {role: cpu, type: ratio, numerator: a, denominator: b, of: gauges, "
		"window: 5m}\n",
		"a ratio of gauges has no window");
}

static void every_mistake_of_a_file_is_told_at_once(void **state)
{
	struct signal_set set;
	char told[2048];

	assert_int_equal(load(&set,
				 "signals:\n- {role: cpux, selector: a}\n- {role: cpu}\n"
				 "- {role: memory, selector: '{'}\nx: 1\n",
				 told, sizeof(told)),
		STATUS_BAD_INPUT);
	signal_set_fini(&set);
	assert_non_null(strstr(told, "a.yaml:2:"));
	assert_non_null(strstr(told, "a.yaml:3:"));
	assert_non_null(strstr(told, "a.yaml:4:"));
	assert_non_null(strstr(told, "a.yaml:5:"));
}

static void a_missing_file_is_told(void **state)
{
	const char *path = "/nonexistent/signals.yaml";
	struct diagnostics diagnostics;
	struct signal_set set;

	diagnostics_init(&diagnostics);
	assert_int_equal(signal_set_load(&set, &path, 1, &diagnostics), STATUS_BAD_INPUT);
	assert_int_equal(diagnostics.errors, 1);
	assert_non_null(strstr(diagnostics.list[0].file, path));
	signal_set_fini(&set);
	diagnostics_fini(&diagnostics);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	const char *path = write_file("a.yaml",
		"signals:\n- {role: cpu, selector: '{a=~\"b.*\"}'}\n"
		"- {role: memory, selector: m}\npod_owner: o\nworkload_node: n\n");
	bool reached;
	long nth = 0;

	do {
		struct diagnostics diagnostics;
		struct signal_set set;
		enum status status;

		diagnostics_init(&diagnostics);
		(void)mem_fail_after(++nth, false);
		status = signal_set_load(&set, &path, 1, &diagnostics);
		reached = mem_fail_after(0, false);
		/* Nothing that is missing for want of memory may pass for a good set. */
		assert_true(status == STATUS_BAD_INPUT ||
			(set.roles[ROLE_CPU].matchers.count == 1 &&
				set.roles[ROLE_MEMORY].matchers.count == 1 &&
				set.pod_owner.count == 1 && set.workload_node.count == 1));
		assert_true(reached || status == STATUS_OK);
		signal_set_fini(&set);
		diagnostics_fini(&diagnostics);
	} while (reached);
	assert_true(nth > 10);
}

static int remove_folder(void **state)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/a.yaml", folder);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/b.yaml", folder);
	(void)unlink(path);
	return rmdir(folder);
}

static void a_set_that_binds_nothing_is_warned_of(void **state)
{
	struct signal_set set;
	char told[2048];

	assert_int_equal(load(&set, "signals: []\n", told, sizeof(told)), STATUS_OK);
	assert_non_null(strstr(told, "a.yaml: warning: binds no signal"));
	signal_set_fini(&set);
	assert_int_equal(load(&set, "signals:\n- {role: cpu, selector: a}\n", told, sizeof(told)),
		STATUS_OK);
	assert_string_equal(told, "");
	signal_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_binding_is_read_whole),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(the_bundled_file_binds_every_role_but_none_twice),
		cmocka_unit_test(a_later_file_replaces_a_role_wholly),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(a_quantile_and_a_ratio_are_read_whole),
		cmocka_unit_test(mistakes_of_quantiles_and_ratios_are_named_with_their_place),
		cmocka_unit_test(every_mistake_of_a_file_is_told_at_once),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(a_set_that_binds_nothing_is_warned_of),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("signals", tests, make_folder, remove_folder);
}
