/*
 * Playbooks: what is read, what is refused and where, which one answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "remediations/plan.h"
#include "remediations/playbook.h"

#define HEAD "playbook: p\ntrigger: {alert: ['alertname=\"A\"']}\n"
#define VERIFY "verify: {signal: saturation, is: below, value: 0.8}\n"
#define WORKLOAD "target: {kind: Workload}\n"

static struct guard_limits limits;

static int setup(void **state)
{
	(void)state;
	guard_limits_default(&limits);
	return 0;
}

/* What is said of a text; the caller frees it. */
static char *said_of(const char *text)
{
	struct playbooks *playbooks = playbooks_open(&limits);
	struct diagnostics diagnostics;
	struct buf buf;
	char *words;

	diagnostics_init(&diagnostics);
	(void)!playbooks_load_text(playbooks, "p.yaml", text, strlen(text), &diagnostics);
	buf_init(&buf, 1 << 20);
	buf_add_text(&buf, "");
	diagnostics_write(&diagnostics, &buf);
	words = buf_take(&buf, NULL);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
	return words;
}

static void says(const char *text, const char *part)
{
	char *words = said_of(text);

	if (!strstr(words ? words : "", part))
		fail_msg("of\n%swas said: %swanted: %s", text, words ? words : "(nothing)\n", part);
	mem_free(words);
}

static void never_says(const char *text, const char *part)
{
	char *words = said_of(text);

	if (words && strstr(words, part))
		fail_msg("of\n%swas said: %snot wanted: %s", text, words, part);
	mem_free(words);
}

static struct playbooks *load(const char *text)
{
	struct playbooks *playbooks = playbooks_open(&limits);
	struct diagnostics diagnostics;
	struct buf buf;

	diagnostics_init(&diagnostics);
	if (playbooks_load_text(playbooks, "p.yaml", text, strlen(text), &diagnostics)) {
		buf_init(&buf, 1 << 20);
		diagnostics_write(&diagnostics, &buf);
		fail_msg("%s", buf.data);
	}
	diagnostics_fini(&diagnostics);
	return playbooks;
}

static struct event make_event(enum event_source source, const char *name, const char *value)
{
	struct label pair = label_of(name, value);
	struct event event;

	event_init(&event);
	event.source = source;
	assert_int_equal(labels_init(&event.labels, &pair, 1, NULL), STATUS_OK);
	return event;
}

/* ---- tests ---- */

static void a_whole_playbook_is_read(void **state)
{
	struct playbooks *playbooks = load(
		"playbook: scale-out\n"
		"description: Adds replicas.\n"
		"runbook: https://example.org/r\n"
		"enabled: true\n"
		"priority: 7\n"
		"mode: approve\n"
		"hand_over: none\n"
		"trigger: {alert: ['alertname=\"A\"', severity=~\"x|y\"], range: 10m, for: 2m}\n"
		"target: {kind: Workload, labels: {name: app, kind: k, namespace: n}, container: c}\n"
		"conditions:\n"
		"- {signal: saturation, is: above, value: 0.8, over: 3m, fold: min}\n"
		"steps:\n"
		"- {action: scale, by: +50%, min: 2, max: 9}\n"
		"- {action: adjust_resources, memory: +256MiB, ceiling: 4GiB, cpu: -10%, cpu_floor: 100m}\n"
		"- {action: ticket, title: 'x {{ event }}', text: y}\n"
		"guard: {cooldown: 30m, replicas_max: 8, confidence_min: 0.9}\n"
		"verify: {signal: restarts, is: below, value: 1, over: 1m, group_interval: 1m}\n");
	const struct playbook *playbook = playbooks_at(playbooks, 0);

	assert_string_equal(playbook->name, "scale-out");
	assert_int_equal(playbook->priority, 7);
	assert_int_equal(playbook->mode, MODE_APPROVE);
	assert_false(playbook->hand_over);
	assert_int_equal(playbook->triggers[EVENT_ALERT].matchers.count, 2);
	assert_false(playbook->triggers[EVENT_FINDING].set);
	assert_true(playbook->target.any_workload);
	assert_string_equal(playbook->target.name_label, "app");
	assert_int_equal(playbook->conditions[0].fold, SIGNAL_MIN);
	assert_int_equal(playbook->conditions[0].over_ms, 180000);
	assert_int_equal(playbook->steps[0].changes[0].amount.kind, AMOUNT_PERCENT);
	assert_int_equal(playbook->steps[0].changes[0].highest, 9);
	assert_true(step_change_of(&playbook->steps[1], CHANGE_MEMORY_LIMIT)->amount.value ==
		256.0 * 1024 * 1024);
	assert_int_equal(step_change_of(&playbook->steps[1], CHANGE_MEMORY_LIMIT)->highest,
		INT64_C(4) << 30);
	assert_true(step_change_of(&playbook->steps[1], CHANGE_CPU_LIMIT)->amount.value == -10);
	assert_int_equal(step_change_of(&playbook->steps[1], CHANGE_CPU_LIMIT)->lowest, 100);
	assert_int_equal(playbook->guard.cooldown_ms, 30 * 60000);
	assert_int_equal(playbook->guard.replicas_max, 8);
	assert_int_equal(playbook->guard.per_target, limits.per_target);
	assert_int_equal(playbook->verify.fold, SIGNAL_MAX);
	playbooks_close(playbooks);
}

static void verification_waits_for_the_look_back_by_default(void **state)
{
	struct playbooks *playbooks =
		load("playbook: p\ntrigger: {alert: [a=b], range: 10m, for: 2m}\n" WORKLOAD
		     "steps: [{action: restart_workload}]\n" VERIFY);

	/* range 10m + for 2m + group interval 5m + scrape interval 15s */
	assert_int_equal(playbooks_at(playbooks, 0)->verify_after_ms, (10 + 2 + 5) * 60000 + 15000);
	playbooks_close(playbooks);
}

static void a_shorter_wait_is_warned_of_and_taken(void **state)
{
	const char *text =
		HEAD WORKLOAD "steps: [{action: restart_workload}]\n"
			      "verify: {signal: saturation, is: below, value: 0.8, after: 1m}\n";
	struct playbooks *playbooks = load(text);

	assert_int_equal(playbooks_at(playbooks, 0)->verify_after_ms, 60000);
	playbooks_close(playbooks);
	says(text, "p.yaml:5:60: warning: after: 1m is shorter than the look-back");
	says(text, "10m15s");
}

static void a_misspelt_key_is_named_with_its_place_and_a_suggestion(void **state)
{
	says("playbook: p\ntriger: {alert: [a=b]}\n",
		"p.yaml:2:1: error: unknown key \"triger\", did you mean \"trigger\"?");
	says(HEAD WORKLOAD "steps:\n- action: scale\n  bi: +2\n" VERIFY,
		"p.yaml:6:3: error: unknown key \"bi\", did you mean \"by\"?");
	says(HEAD WORKLOAD "steps: [{action: scael, by: +2}]\n" VERIFY, "p.yaml:4:18:");
	says(HEAD WORKLOAD "steps: [{action: scael, by: +2}]\n" VERIFY, "scale");
	says(HEAD WORKLOAD
		"steps: [{action: scale, by: +2}]\nverify: {signal: saturaton, is: below, value: 1}\n",
		"saturation");
}

/* It is a link in a ticket, which a person's browser opens. */
static void a_runbook_is_a_link_that_opens_a_page(void **state)
{
	static const char *const bad[] = {"javascript:alert(1)", "JavaScript:alert(1)",
		"data:text/html,x", "ftp://example.org/r", "https:/example.org", "http:example.org",
		"java\\tscript:alert(1)", "a runbook", "\\\\example.org", "vbscript:x/y"};
	static const char *const good[] = {"https://example.org/r#a:b", "http://example.org/r",
		"runbooks.md#x", "/docs/a:b", "docs/a:b", "?page=a:b", "#a:b"};
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			HEAD WORKLOAD
			"runbook: \"%s\"\nsteps: [{action: restart_workload}]\n" VERIFY,
			bad[i]);
		says(text, "p.yaml:4:10: error: runbook is no link");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text),
			HEAD WORKLOAD "runbook: '%s'\nsteps: [{action: restart_workload}]\n" VERIFY,
			good[i]);
		playbooks_close(load(text));
	}
}

static void quantities_are_checked_with_their_place(void **state)
{
	static const char *const bad[] = {"2", "+0", "50%", "+1100%", "-95%", "+1.5", "+", "+x",
		"%", "+2 ", "--2", "+9999999"};
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			HEAD WORKLOAD "steps:\n- action: scale\n  by: '%s'\n" VERIFY, bad[i]);
		says(text, "p.yaml:6:7: error: by: ");
	}
	says(HEAD WORKLOAD
		"steps: [{action: adjust_resources, memory: +1TB, ceiling: 4GiB}]\n" VERIFY,
		"memory: \"+1TB\" is no amount");
	says(HEAD WORKLOAD
		"steps: [{action: adjust_resources, memory: +25%, ceiling: +4GiB}]\n" VERIFY,
		"ceiling: an absolute value is wanted");
	says(HEAD WORKLOAD "steps: [{action: scale, to: 0}]\n" VERIFY, "to");
	says(HEAD WORKLOAD "steps: [{action: scale, by: +1, to: 3}]\n" VERIFY, "not both");
	says(HEAD WORKLOAD "steps: [{action: scale, by: +1, min: 5, max: 3}]\n" VERIFY,
		"min is above max");
}

static void a_condition_may_ask_for_the_peak_to_come(void **state)
{
	struct playbooks *playbooks = load(HEAD WORKLOAD
		"conditions: [{signal: request_rate, is: above, value: 800, fold: peak}]\n"
		"steps: [{action: scale, by: +2}]\n" VERIFY);
	const struct signal_test *test = &playbooks_at(playbooks, 0)->conditions[0];
	const struct test_result result = {.reading = {.quality = QUALITY_GOOD, .value = 900},
		.holds = true};
	char text[256];

	(void)state;
	assert_int_equal(test->fold, SIGNAL_PEAK);
	signal_test_write(test, &result, text, sizeof(text));
	assert_string_equal(text,
		"peak to come of request_rate over the next 15m is 900, wanted above 800");
	playbooks_close(playbooks);
	says(HEAD WORKLOAD
		"conditions: [{signal: cpu, is: above, value: 8, fold: peak, over: 5m}]\n"
		"steps: [{action: scale, by: +2}]\n" VERIFY,
		"over: not with fold: peak");
	says(HEAD WORKLOAD "conditions: [{signal: memory, is: above, value: 8, fold: peak}]\n"
			   "steps: [{action: scale, by: +2}]\n" VERIFY,
		"not of memory");
	says(HEAD WORKLOAD "steps: [{action: scale, by: +2}]\n"
			   "verify: {signal: cpu, is: below, value: 8, fold: peak}\n",
		"does not tell whether a change helped");
}

static void a_raise_without_an_end_is_refused(void **state)
{
	says(HEAD WORKLOAD "steps: [{action: adjust_resources, memory: +25%}]\n" VERIFY,
		"memory: a raise needs its ceiling");
	says(HEAD WORKLOAD "steps: [{action: adjust_resources, cpu: +25%}]\n" VERIFY,
		"cpu: a raise needs its ceiling");
}

static void nothing_shrinks_without_a_condition(void **state)
{
	says(HEAD WORKLOAD "steps: [{action: scale, by: -1}]\n" VERIFY, "at least one condition");
	says(HEAD WORKLOAD
		"steps: [{action: adjust_resources, memory: -25%, floor: 64MiB}]\n" VERIFY,
		"at least one condition");
}

static void a_change_needs_verification_and_a_target(void **state)
{
	says(HEAD WORKLOAD "steps: [{action: restart_workload}]\n",
		"the key \"verify\" is missing");
	says(HEAD "steps: [{action: restart_workload}]\n" VERIFY, "needs a target with a kind");
	says(HEAD "target: {kind: Pod}\nsteps: [{action: scale, by: +1}]\n" VERIFY,
		"scale can't be done to the kind of target");
	says(HEAD "target: {kind: Node}\nsteps: [{action: restart_pod}]\n" VERIFY,
		"restart_pod can't be done");
}

static void only_tickets_may_answer_everything(void **state)
{
	struct playbooks *playbooks =
		load("playbook: all\ntrigger: {alert: []}\nsteps: [{action: ticket, title: x}]\n");

	playbooks_close(playbooks);
	says("playbook: all\ntrigger: {alert: []}\n" WORKLOAD
	     "steps: [{action: restart_workload}]\n" VERIFY,
		"only tickets may follow it");
}

static void guard_values_may_only_be_stricter(void **state)
{
	static const char *const loose[] = {"cooldown: 1m", "startup_grace: 1s", "per_target: 99",
		"per_namespace: 99", "per_kind: 99", "per_cluster: 99", "concurrent: 99",
		"ineffective_max: 9", "storm_alerts: 999", "cumulative_change_max: 9",
		"replicas_max: 999", "confidence_min: 0.1"};
	char text[512], part[96];

	for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		snprintf(text, sizeof(text),
			HEAD "steps: [{action: ticket, title: x}]\nguard: {%s}\n", loose[i]);
		snprintf(part, sizeof(part), "error: guard.%.*s is less strict",
			(int)strcspn(loose[i], ":"), loose[i]);
		says(text, part);
	}
	says(HEAD "steps: [{action: ticket, title: x}]\nguard: {cooldwn: 1h}\n",
		"did you mean \"cooldown\"");
}

static void bad_matchers_and_templates_are_refused(void **state)
{
	says("playbook: p\ntrigger: {alert: ['a=~\"(\"']}\nsteps: [{action: ticket, title: x}]\n",
		"p.yaml:2:19: error:");
	never_says("playbook: p\ntrigger: {alert: ['a=~\"(\"']}\n" WORKLOAD
		   "steps: [{action: restart_workload}]\n",
		"fits everything");
	says("playbook: p\ntrigger: {alert: 'a=b'}\nsteps: [{action: ticket, title: x}]\n",
		"a list of matchers is wanted");
	says(HEAD "steps: [{action: ticket, title: 'x {{ a b }}'}]\n", "should be {{ label }}");
	says(HEAD "steps: [{action: ticket, title: 'x {{ a'}]\n", "should be {{ label }}");
	says("playbook: P!\n", "a playbook's name has");
	says("- a\n", "a playbook is a map");
	says("playbook: p\ntrigger: {}\nsteps: [{action: ticket, title: x}]\n",
		"an alert, a finding or a proposal");
	says(HEAD "steps: []\n", "at least one step");
}

static void the_first_by_priority_and_name_answers(void **state)
{
	struct playbooks *playbooks = playbooks_open(&limits);
	struct diagnostics diagnostics;
	struct event event = make_event(EVENT_ALERT, "a", "b"), other;
	static const char *const texts[] = {
		"playbook: c\ntrigger: {alert: [a=b]}\nsteps: [{action: ticket, title: x}]\n",
		"playbook: a\npriority: -1\ntrigger: {alert: [a=b]}\nsteps: [{action: ticket, title: x}]\n",
		"playbook: b\ntrigger: {alert: [a=b]}\nsteps: [{action: ticket, title: x}]\n",
		"playbook: off\npriority: 9\nenabled: false\ntrigger: {alert: [a=b]}\nsteps: [{action: ticket, title: x}]\n",
		"playbook: f\npriority: 5\ntrigger: {finding: [a=b]}\nsteps: [{action: ticket, title: x}]\n"};

	diagnostics_init(&diagnostics);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(playbooks_load_text(playbooks, "p", texts[i], strlen(texts[i]),
					 &diagnostics),
			STATUS_OK);
	assert_string_equal(playbooks_match(playbooks, &event)->name, "b");
	event.source = EVENT_FINDING;
	assert_string_equal(playbooks_match(playbooks, &event)->name, "f");
	other = make_event(EVENT_ALERT, "a", "c");
	assert_null(playbooks_match(playbooks, &other));
	/* The same name twice. */
	assert_int_equal(playbooks_load_text(playbooks, "q", texts[0], strlen(texts[0]),
				 &diagnostics),
		STATUS_BAD_INPUT);
	event_fini(&event);
	event_fini(&other);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
}

static void a_folder_is_read_without_its_tests(void **state)
{
	const char *base = getenv("TMPDIR");
	char folder[256], path[320];
	static const char *const names[] = {"a.yaml", "b.yml", "a_test.yaml", "c.txt", ".d.yaml"};
	struct playbooks *playbooks = playbooks_open(&limits);
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	snprintf(folder, sizeof(folder), "%s/playbooks-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < 5; i++) {
		char text[128];
		int size = snprintf(text, sizeof(text),
			"playbook: p%zu\ntrigger: {alert: [a=b]}\n"
			"steps: [{action: ticket, title: x}]\n",
			i);

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		assert_int_equal(file_write_atomic(path, text, (size_t)size, 0600, NULL),
			STATUS_OK);
	}
	assert_int_equal(playbooks_load(playbooks, folder, &diagnostics), STATUS_OK);
	assert_int_equal(playbooks_count(playbooks), 2);
	assert_int_equal(playbooks_load(playbooks, "/nowhere/at/all", &diagnostics),
		STATUS_BAD_INPUT);
	assert_int_not_equal(diagnostics.errors, 0);
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
}

static void the_bundled_playbooks_are_good_and_answer_their_alerts(void **state)
{
	const char *source = getenv("NIMBUSGUARD_SOURCE");
	static const struct {
		enum event_source source;
		const char *label, *value, *playbook;
	} cases[] = {
		{EVENT_ALERT, "alertname", "NimbusGuardPodCrashLooping",
			"restart-crash-looping-pod"},
		{EVENT_ALERT, "alertname", "KubePodCrashLooping", "restart-crash-looping-pod"},
		{EVENT_ALERT, "alertname", "NimbusGuardContainerOOMKilled", "raise-memory-on-oom"},
		{EVENT_ALERT, "alertname", "NimbusGuardWorkloadSaturated",
			"scale-out-on-saturation"},
		{EVENT_FINDING, "finding", "saturation_high", "scale-out-on-saturation"},
		{EVENT_ALERT, "alertname", "NimbusGuardWorkloadErrorRateHigh",
			"ticket-on-everything-else"},
	};
	struct playbooks *playbooks = playbooks_open(&limits);
	struct diagnostics diagnostics;
	char path[512];

	diagnostics_init(&diagnostics);
	snprintf(path, sizeof(path), "%s/rules/playbooks", source ? source : ".");
	assert_int_equal(playbooks_load(playbooks, path, &diagnostics), STATUS_OK);
	assert_int_equal(diagnostics.warnings, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event = make_event(cases[i].source, cases[i].label, cases[i].value);
		struct playbook *playbook = playbooks_match(playbooks, &event);

		assert_non_null(playbook);
		assert_string_equal(playbook->name, cases[i].playbook);
		event_fini(&event);
	}
	struct event watchdog = make_event(EVENT_ALERT, "alertname", "Watchdog");
	assert_null(playbooks_match(playbooks, &watchdog));
	event_fini(&watchdog);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
}

static void templates_are_filled_and_cut_on_characters(void **state)
{
	struct event event = make_event(EVENT_ALERT, "alertname", "\xc3\xa4\xc3\xa4");
	char text[64], small[4];

	template_fill("{{ event }} at {{target}}: {{ none }}.", &event, "T", "P", "R", text,
		sizeof(text));
	assert_string_equal(text, "\xc3\xa4\xc3\xa4 at T: (no label none).");
	template_fill("{{alertname}}", &event, "T", "P", "R", small, sizeof(small));
	assert_string_equal(small, "\xc3\xa4");
	template_find_absent("{{ event }}{{ alertname }}{{ target }} {{none}} {{ b }}", &event,
		text, sizeof(text));
	assert_string_equal(text, "none");
	template_find_absent("{{ reason }} {{alertname}} {{", &event, text, sizeof(text));
	assert_string_equal(text, "");
	event_fini(&event);
}

static void running_out_of_memory_is_an_answer(void **state)
{
	const char *text = HEAD WORKLOAD
		"description: d\nrunbook: r\n"
		"steps: [{action: scale, by: +2}, {action: ticket, title: t, text: u}]\n" VERIFY;
	bool reached = true;

	for (long nth = 1; reached && nth < 1000; nth++) {
		struct playbooks *playbooks;
		struct diagnostics diagnostics;
		enum status status = STATUS_NO_MEMORY;

		diagnostics_init(&diagnostics);
		mem_fail_after(nth, false);
		playbooks = playbooks_open(&limits);
		if (playbooks)
			status = playbooks_load_text(playbooks, "p", text, strlen(text),
				&diagnostics);
		reached = mem_fail_after(0, false);
		if (!reached)
			assert_int_equal(status, STATUS_OK);
		diagnostics_fini(&diagnostics);
		playbooks_close(playbooks);
	}
	assert_false(reached);
}

static void a_maximum_above_the_guard_is_warned_of(void **state)
{
	static const char above[] =
		HEAD WORKLOAD VERIFY "steps:\n- {action: scale, by: +1, max: 51}\n";
	static const char even[] =
		HEAD WORKLOAD VERIFY "steps:\n- {action: scale, by: +1, max: 50}\n";
	char *words;

	(void)state;
	limits.replicas_max = 50;
	says(above,
		"p.yaml:6:32: warning: max 51 is above guard.replicas_max, which is 50: the guard "
		"stops at that; raise guard.replicas_max, or lower max\n");
	words = said_of(even);
	assert_string_equal(words, "");
	mem_free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_playbook_is_read),
		cmocka_unit_test(verification_waits_for_the_look_back_by_default),
		cmocka_unit_test(a_shorter_wait_is_warned_of_and_taken),
		cmocka_unit_test(a_misspelt_key_is_named_with_its_place_and_a_suggestion),
		cmocka_unit_test(quantities_are_checked_with_their_place),
		cmocka_unit_test(a_runbook_is_a_link_that_opens_a_page),
		cmocka_unit_test(a_condition_may_ask_for_the_peak_to_come),
		cmocka_unit_test(a_raise_without_an_end_is_refused),
		cmocka_unit_test(a_maximum_above_the_guard_is_warned_of),
		cmocka_unit_test(nothing_shrinks_without_a_condition),
		cmocka_unit_test(a_change_needs_verification_and_a_target),
		cmocka_unit_test(only_tickets_may_answer_everything),
		cmocka_unit_test(guard_values_may_only_be_stricter),
		cmocka_unit_test(bad_matchers_and_templates_are_refused),
		cmocka_unit_test(the_first_by_priority_and_name_answers),
		cmocka_unit_test(a_folder_is_read_without_its_tests),
		cmocka_unit_test(the_bundled_playbooks_are_good_and_answer_their_alerts),
		cmocka_unit_test(templates_are_filled_and_cut_on_characters),
		cmocka_unit_test(running_out_of_memory_is_an_answer),
	};

	return cmocka_run_group_tests_name("playbook", tests, setup, NULL);
}
