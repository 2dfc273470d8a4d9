/*
 * The demo's story: an alert is told before its answer, steps that only go on are passed over, and
 * tickets are not counted as changes.
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

#include "demo/story.h"

static struct view view;
static struct story story;
static FILE *output;

static int setup(void **state)
{
	output = tmpfile();
	if (output == NULL)
		return -1;
	view_init(&view, fileno(output), false, false);
	story_init(&story, &view);
	return 0;
}

static int teardown(void **state)
{
	story_fini(&story);
	view_fini(&view);
	return fclose(output);
}

/* All lines so far. */
static const char *told(void)
{
	static char text[16384];
	ssize_t size;

	view_draw(&view, "");
	size = pread(fileno(output), text, sizeof(text) - 1, 0);
	assert_true(size >= 0);
	text[size] = '\0';
	return text;
}

static void an_alert_is_told_before_its_answer(void **state)
{
	struct sim_alert alert = {.firing = true,
		.name = "Saturated",
		.workload = "web",
		.summary = "102 %",
		.starts_ms = 60000};

	story_alerts_begin(&story);
	story_step(&story, 60500, "i-1", "proposed", "Saturated: scale by playbook p.");
	assert_string_equal(told(), "");
	story_alerts_end(&story, 60000, &alert, 1);
	story_step(&story, 61000, "i-1", "cleared", "Cleared: replicas 3 -> 5.");
	assert_string_equal(told(),
		"  1:00  alert     FIRING Saturated: 102 %\n"
		"  1:00  playbook  Saturated: scale by playbook p.\n"
		"  1:01  guard     Cleared: replicas 3 -> 5.\n");
}

static void the_end_of_an_alert_is_told_without_its_old_value(void **state)
{
	struct sim_alert alert = {.name = "Saturated",
		.workload = "web",
		.summary = "102 %",
		.starts_ms = 60000,
		.ends_ms = 225000};

	story_alerts_begin(&story);
	story_alerts_end(&story, 225000, &alert, 1);
	assert_string_equal(told(),
		"  3:45  alert     RESOLVED Saturated of shop/web after 2:45\n");
	assert_int_equal(story_tally(&story).alerts, 0);
}

static void what_helped_is_told_with_what_was_done(void **state)
{
	story_step(&story, 0, "i-1", "written", "replicas 3 -> 5.");
	story_step(&story, 0, "i-1", "sent", "Sent: replicas 3 -> 5.");
	story_step(&story, 0, "i-1", "done", "Done: scale Deployment shop/web 3 -> 5 replicas.");
	story_step(&story, 0, "i-1", "done", "Done: scale Deployment shop/web 3 -> 5 replicas.");
	story_step(&story, 0, "i-1", "watched", "Watched until then.");
	story_step(&story, 0, "i-2", "done", "Done: restart Pod shop/a.");
	story_step(&story, 90000, "i-1", "cured", "saturation is 0.8");
	story_step(&story, 90000, "i-2", "ineffective", "restarts is 2");
	assert_string_equal(told(),
		"  0:00  action    Done: scale Deployment shop/web 3 -> 5 replicas.\n"
		"  0:00  action    Done: restart Pod shop/a.\n"
		"  1:30  verified  Helped: scale Deployment shop/web 3 -> 5 replicas; saturation is "
		"0.8\n"
		"  1:30  verified  Did not help: restart Pod shop/a; restarts is 2\n");
	assert_int_equal(story_tally(&story).changes, 2);
	assert_int_equal(story_tally(&story).cured, 1);
	assert_int_equal(story_tally(&story).ineffective, 1);
}

static void a_ticket_and_a_dry_run_change_nothing(void **state)
{
	story_step(&story, 0, "i-1", "cleared", "Cleared: ticket \"a\".");
	story_step(&story, 0, "i-1", "done", "Done: ticket \"a\".");
	story_step(&story, 0, "i-1", "handed_over", "ticket \"a\"");
	story_step(&story, 0, "i-2", "done", "Dry run: scale Deployment shop/web 3 -> 5 replicas.");
	story_step(&story, 0, "i-3", "blocked", "No other action is under way: no");
	assert_string_equal(told(),
		"  0:00  action    Done: ticket \"a\".\n"
		"  0:00  action    Dry run: scale Deployment shop/web 3 -> 5 replicas.\n"
		"  0:00  guard     Refused. No other action is under way: no\n");
	assert_int_equal(story_tally(&story).changes, 0);
	assert_int_equal(story_tally(&story).tickets, 1);
	assert_int_equal(story_tally(&story).dry, 1);
	assert_int_equal(story_tally(&story).refused, 1);
}

static void findings_of_one_workload_are_told_once_in_a_while(void **state)
{
	story_finding(&story, 0, "a", "cpu of shop/Deployment/web is high");
	story_finding(&story, 1000, "b", "latency of shop/Deployment/web is high");
	story_finding(&story, 1000, "c", "cpu of shop/Deployment/cart is high");
	story_finding(&story, 1000, "c", "cpu of shop/Deployment/cart is high");
	story_finding(&story, 180000, "d", "memory of shop/Deployment/web is high");
	assert_string_equal(told(),
		"  0:00  finding   cpu of shop/Deployment/web is high\n"
		"  0:01  finding   cpu of shop/Deployment/cart is high\n"
		"  3:00  finding   memory of shop/Deployment/web is high\n");
	assert_int_equal(story_tally(&story).findings, 4);
}

static void more_steps_than_can_be_held_back_are_told_at_once(void **state)
{
	char incident[16];

	story_alerts_begin(&story);
	for (int i = 0; i < STORY_HELD + 2; i++) {
		snprintf(incident, sizeof(incident), "i-%d", i);
		story_step(&story, 0, incident, "proposed", incident);
	}
	assert_string_equal(told(), "  0:00  playbook  i-32\n  0:00  playbook  i-33\n");
	story_alerts_end(&story, 0, NULL, 0);
	assert_int_equal(view.line_count, STORY_HELD + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_alert_is_told_before_its_answer, setup,
			teardown),
		cmocka_unit_test_setup_teardown(the_end_of_an_alert_is_told_without_its_old_value,
			setup, teardown),
		cmocka_unit_test_setup_teardown(what_helped_is_told_with_what_was_done, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_ticket_and_a_dry_run_change_nothing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(findings_of_one_workload_are_told_once_in_a_while,
			setup, teardown),
		cmocka_unit_test_setup_teardown(more_steps_than_can_be_held_back_are_told_at_once,
			setup, teardown),
	};

	return cmocka_run_group_tests_name("story", tests, NULL, NULL);
}
