/*
 * The scaler of one workload: what it wants and why, slot by slot.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/scaler/follower.h"
#include "base/random.h"

#define POD 10.0 /* requests a second that one pod serves */

static const struct workload_key key = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

struct scene {
	struct follow_config config;
	struct follower follower;
	int64_t slot;
	double pods; /* that the workload has, all ready */
	bool obey;   /* the workload has what ours wants */
	bool serve;
};

static int scene_setup(void **state)
{
	static struct scene scene;

	memset(&scene, 0, sizeof(scene));
	follow_config_default(&scene.config);
	follower_init(&scene.follower, &key, ROLE_REQUEST_RATE);
	scene.pods = 10;
	scene.slot = 1000;
	*state = &scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	follower_fini(&scene->follower);
	return 0;
}

static struct follow_reading reading_at(const struct scene *scene, double rate)
{
	return (struct follow_reading){.rate = rate,
		.cpu = fmin(1, rate / (scene->pods * POD)) + CAPACITY_IDLE,
		.ready = scene->pods,
		.wanted = scene->pods,
		.error_ratio = NAN,
		.ahead_up = NAN,
		.ahead_down = NAN};
}

static int step(struct scene *scene, const struct follow_reading *reading)
{
	struct follower *follower = &scene->follower;

	follower_wish(follower, &scene->config, scene->slot++, reading);
	if (follower->view.wish > 0)
		follower_settle(follower, &scene->config, follower->view.wish);
	follower_judge(follower, &scene->config, scene->serve);
	if (scene->obey && follower->view.wanted > 0)
		scene->pods = follower->view.wanted;
	return follower->view.wanted;
}

static int run(struct scene *scene, double rate, int slots)
{
	int wanted = 0;

	for (int i = 0; i < slots; i++) {
		struct follow_reading reading = reading_at(scene, rate);

		wanted = step(scene, &reading);
	}
	return wanted;
}

static void before_it_knows_what_a_pod_serves_it_only_observes(void **state)
{
	struct scene *scene = *state;
	const struct follow_view *view = &scene->follower.view;

	assert_int_equal(run(scene, 60, CAPACITY_READINGS_MIN - 1), 0);
	assert_int_equal(view->state, FOLLOW_OBSERVING);
	assert_int_equal(view->reason, FOLLOW_NO_CAPACITY);
	assert_true(run(scene, 60, 1) > 0);
	assert_int_equal(view->state, FOLLOW_SHADOW);
	assert_true(fabs(scene->follower.capacity.rate - POD) < 0.01);
}

static void idle_pods_tell_nothing_of_what_they_serve(void **state)
{
	struct scene *scene = *state;

	/* 4 % of CPU beyond an idle one's. */
	assert_int_equal(run(scene, 4, 200), 0);
	assert_int_equal(scene->follower.view.state, FOLLOW_OBSERVING);
}

static void up_at_once_and_down_only_when_the_window_is_over(void **state)
{
	struct scene *scene = *state;
	const struct follow_view *view = &scene->follower.view;

	run(scene, 60, 100);
	assert_int_equal(view->wanted, 8);
	assert_int_equal(run(scene, 90, 1), 12);
	assert_int_equal(view->reason, FOLLOW_NEED);
	assert_int_equal(run(scene, 45, 30), 12);
	assert_int_equal(view->reason, FOLLOW_STABILIZED);
	/* The rate before counts for one more slot. */
	assert_int_equal(run(scene, 45, 10), 12);
	assert_int_equal(run(scene, 45, 2), 6);
}

static void nothing_holds_a_rise_back(void **state)
{
	struct scene *scene = *state;
	int before = run(scene, 60, 100);

	for (int i = 1; i < 12; i++) {
		int wanted = run(scene, 60 + 20 * i, 1);

		assert_true(wanted > before);
		before = wanted;
	}
}

static void with_a_reading_missing_it_is_never_lower_than_before(void **state)
{
	struct scene *scene = *state;
	const struct follow_view *view = &scene->follower.view;
	int before = run(scene, 60, 100);

	for (int i = 0; i < 15; i++) {
		struct follow_reading reading = reading_at(scene, 10);

		if (i % 3 == 0)
			reading.rate = NAN;
		if (i % 3 == 1)
			reading.cpu = NAN;
		if (i % 3 == 2)
			reading.ready = NAN;
		assert_true(step(scene, &reading) >= before);
		assert_int_equal(view->reason, FOLLOW_MISSING);
	}
	/* What can still be read may raise it: 8 pods' worth of requests, without their CPU. */
	struct follow_reading reading = reading_at(scene, 200);

	reading.cpu = NAN;
	assert_int_equal(step(scene, &reading), 27);
	assert_int_equal(view->reason, FOLLOW_NEED);
	/* The rate is not known, but all CPU is in use. */
	scene->pods = 40;
	reading = reading_at(scene, 400);
	reading.rate = NAN;
	assert_int_equal(step(scene, &reading), 49);
	assert_int_equal(view->reason, FOLLOW_GUARD);
}

static void slots_without_a_rate_are_in_no_account(void **state)
{
	struct scene *scene = *state;
	struct follow_reading nothing = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	double slots;

	run(scene, 60, 100);
	slots = scene->follower.feedback.total[FEEDBACK_OURS].slots;
	for (int i = 0; i < 15; i++)
		step(scene, &nothing);
	assert_true(scene->follower.feedback.total[FEEDBACK_OURS].slots == slots);
	assert_true(scene->follower.feedback.total[FEEDBACK_STATIC].slots == slots);
}

static void after_a_long_silence_it_says_nothing_until_all_is_read(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading = reading_at(scene, 60);

	run(scene, 60, 100);
	scene->slot += 1000;
	reading.cpu = NAN;
	assert_int_equal(step(scene, &reading), 0);
	assert_int_equal(scene->follower.view.reason, FOLLOW_MISSING);
	/* It begins with what the workload has. */
	scene->pods = 14;
	assert_int_equal(run(scene, 60, 1), 14);
}

static void it_is_never_below_an_hpa_at_85_per_cent(void **state)
{
	struct scene *scene = *state;
	struct random random;

	random_init(&random, 3);
	run(scene, 60, 100);
	for (int i = 0; i < 2000; i++) {
		struct follow_reading reading = reading_at(scene, 20 + 300 * random_unit(&random));

		/* Pods that use more than they did: the requests became dearer. */
		reading.cpu *= 1 + random_unit(&random);
		step(scene, &reading);
		assert_true(scene->follower.view.wanted >=
			fmin(50, ceil(reading.ready * reading.cpu / .85 - 1e-9)));
	}
}

static void a_forecast_raises_before_the_traffic_comes(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading = reading_at(scene, 60);

	run(scene, 60, 100);
	reading.ahead_up = 150;
	reading.ahead_down = 100;
	assert_int_equal(step(scene, &reading), 20);
	assert_int_equal(scene->follower.view.reason, FOLLOW_FORECAST);
	assert_true(scene->follower.view.parts.forecast == 150);
}

static void what_comes_again_within_the_window_is_not_sent_away(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading;

	run(scene, 90, 100);
	for (int i = 0; i < 60; i++) {
		reading = reading_at(scene, 30);
		reading.ahead_up = 30;
		reading.ahead_down = 90;
		assert_int_equal(step(scene, &reading), 12);
	}
}

/* The counterfactual is the HPA of hpa.h with the API's behaviour, step for step. */
static void the_hpa_beside_it_is_the_hpa(void **state)
{
	struct scene *scene = *state;
	struct random random;
	struct fleet fleet;
	struct policy hpa = {.name = ""};
	struct error error;
	double rate = 60;
	int wanted = 10;

	random_init(&random, 5);
	/* So low that the limit of `behavior` on a step up counts. */
	scene->config.hpa.target_percent = 20;
	run(scene, rate, CAPACITY_READINGS_MIN - 1);
	assert_int_equal(hpa_policy_open(&hpa, &scene->config.hpa, &error), STATUS_OK);
	hpa.begin(hpa.state, 10);
	fleet_init(&fleet, scene->slot - 1, 10);
	for (int i = 0; i < 3000; i++) {
		struct follow_reading reading = reading_at(scene, rate);
		struct policy_view view = {.slot = scene->slot};
		struct fleet_slot came;

		/* Within what the other pods serve, so that what one serves stays known to be as much. */
		rate = fmin(90, fmax(8, rate * exp(.5 * random_normal(&random))));
		step(scene, &reading);
		fleet_advance(&fleet, view.slot);
		fleet_want(&fleet, wanted, scene->config.start_slots);
		fleet_serve(&fleet, scene->follower.capacity.rate, reading.rate, &came);
		view.wanted = fleet.wanted;
		view.ready = fleet.ready;
		view.cpu = came.cpu;
		wanted = hpa.decide(hpa.state, &view);
		assert_int_equal(scene->follower.view.hpa, wanted);
	}
	policy_close(&hpa);
}

static void the_static_number_is_the_most_of_a_week(void **state)
{
	struct scene *scene = *state;

	run(scene, 60, 50);
	assert_int_equal(scene->follower.view.fixed, 8);
	run(scene, 90, 1);
	assert_int_equal(scene->follower.view.fixed, 11);
	scene->slot += 6 * 5760;
	run(scene, 20, 30);
	assert_int_equal(scene->follower.view.fixed, 11);
	scene->slot += 2 * 5760;
	run(scene, 20, 30);
	assert_int_equal(scene->follower.view.fixed, 3);
}

static void on_a_hill_a_day_it_costs_less_than_a_static_number_and_is_seldom_late(void **state)
{
	struct scene *scene = *state;
	const struct feedback_sums *total = scene->follower.feedback.total;

	scene->obey = true;
	for (int i = 0; i < 3 * 5760; i++)
		run(scene, 150 - 100 * cos(2 * M_PI * i / 5760), 1);
	assert_true(total[FEEDBACK_OURS].slots > 17000);
	assert_true(total[FEEDBACK_OURS].pods < .85 * total[FEEDBACK_STATIC].pods);
	assert_true(total[FEEDBACK_OURS].pods < total[FEEDBACK_HPA].pods);
	assert_true(total[FEEDBACK_OURS].late <= .005 * total[FEEDBACK_OURS].slots);
	assert_true(feedback_saved(&scene->follower.feedback, FEEDBACK_STATIC).share > .2);
}

static void it_serves_only_after_its_time_in_shadow(void **state)
{
	struct scene *scene = *state;
	const struct follow_view *view = &scene->follower.view;

	scene->config.shadow_slots = 2000;
	scene->serve = true;
	run(scene, 60, 2000);
	assert_int_equal(view->state, FOLLOW_SHADOW);
	run(scene, 60, 200);
	assert_int_equal(view->state, FOLLOW_SERVING);
	scene->serve = false;
	run(scene, 60, 1);
	assert_int_equal(view->state, FOLLOW_SHADOW);
}

static void one_that_is_worse_than_the_hpa_never_serves(void **state)
{
	struct scene *scene = *state;

	scene->config.shadow_slots = 200;
	scene->config.load = .3; /* more than twice what is needed */
	scene->serve = true;
	run(scene, 60, 3000);
	assert_int_equal(scene->follower.view.state, FOLLOW_SHADOW);
}

static void drift_sends_it_back_to_shadow_for_a_day(void **state)
{
	struct scene *scene = *state;
	const struct follow_view *view = &scene->follower.view;

	scene->config.shadow_slots = 500;
	scene->serve = true;
	run(scene, 60, 800);
	assert_int_equal(view->state, FOLLOW_SERVING);
	/* What is forecast is half of what comes, for eight hours. */
	for (int i = 0; i < 2400 && view->state == FOLLOW_SERVING; i++) {
		struct follow_reading reading = reading_at(scene, 60);

		reading.ahead_up = reading.ahead_down = 30;
		step(scene, &reading);
	}
	assert_int_equal(view->state, FOLLOW_SHADOW);
	assert_true(view->drifted);
	assert_non_null(strstr(view->words, "forecast"));
	run(scene, 60, 5000);
	assert_int_equal(view->state, FOLLOW_SHADOW);
	run(scene, 60, 1500);
	assert_int_equal(view->state, FOLLOW_SERVING);
}

static void what_a_budget_leaves_is_what_it_wants(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading = reading_at(scene, 60);

	run(scene, 60, 100);
	reading = reading_at(scene, 90);
	follower_wish(&scene->follower, &scene->config, scene->slot++, &reading);
	assert_int_equal(scene->follower.view.wish, 12);
	follower_settle(&scene->follower, &scene->config, 10);
	assert_int_equal(scene->follower.view.wanted, 10);
	assert_int_equal(scene->follower.view.reason, FOLLOW_BUDGET);
	assert_int_equal(scene->follower.fleets[FEEDBACK_OURS].wanted, 10);
}

static void errors_of_its_own_count_as_late(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading = reading_at(scene, 60);

	run(scene, 60, 100);
	reading.error_ratio = .2;
	for (int i = 0; i < 40; i++)
		step(scene, &reading);
	assert_true(scene->follower.feedback.total[FEEDBACK_ACTUAL].late >= 40);
	assert_true(scene->follower.feedback.total[FEEDBACK_OURS].late == 0);
}

/* An arm that wants one pod, whatever happens. */
static int decide_one(void *state, const struct policy_view *view)
{
	(*(int64_t *)state)++;
	(void)view;
	return 1;
}

static void no_arm_takes_away_what_is_in_use(void **state)
{
	struct scene *scene = *state;
	int64_t calls = 0;
	const struct follow_arm arm = {.name = "one",
		.policy = {.state = &calls, .decide = decide_one}};

	run(scene, 60, 100);
	follower_set_arm(&scene->follower, &arm);
	assert_int_equal(run(scene, 60, 1), 8);
	assert_int_equal(calls, 1);
	assert_int_equal(scene->follower.view.reason, FOLLOW_GUARD);
	assert_string_equal(scene->follower.view.arm, "one");
}

/* An arm that says nothing. */
static int decide_nothing(void *state, const struct policy_view *view)
{
	*(bool *)state = isnan(view->rate);
	return 0;
}

static void where_an_arm_says_nothing_the_rule_does(void **state)
{
	struct scene *scene = *state;
	struct follow_reading reading = reading_at(scene, 60);
	bool missing = false;
	const struct follow_arm arm = {.name = "silent",
		.policy = {.state = &missing, .decide = decide_nothing}};

	run(scene, 60, 100);
	follower_set_arm(&scene->follower, &arm);
	assert_int_equal(run(scene, 90, 1), 12);
	assert_string_equal(scene->follower.view.arm, "built-in");
	/* It is asked all the same when there is nothing to read. */
	reading.rate = NAN;
	step(scene, &reading);
	assert_true(missing);
}

static void what_a_replay_proved_serves_after_an_hour(void **state)
{
	struct scene *scene = *state;

	scene->serve = scene->follower.proven = true;
	run(scene, 60, 240);
	assert_int_equal(scene->follower.view.state, FOLLOW_SHADOW);
	run(scene, 60, 40);
	assert_int_equal(scene->follower.view.state, FOLLOW_SERVING);
}

static void confidence_is_what_forecasts_were_worth(void **state)
{
	struct scene *scene = *state;
	struct follower *follower = &scene->follower;

	run(scene, 60, 100);
	assert_true(follower_confidence(follower) > .9);
	follower->view.reason = FOLLOW_FORECAST;
	assert_true(follower_confidence(follower) == .5);
	follower->feedback.predicted_windows = 60;
	assert_true(follower_confidence(follower) > .95);
	follower->feedback.missed = UINT64_MAX;
	assert_true(follower_confidence(follower) < .05);
}

#define test(claim) cmocka_unit_test_setup_teardown(claim, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(before_it_knows_what_a_pod_serves_it_only_observes),
		test(idle_pods_tell_nothing_of_what_they_serve),
		test(up_at_once_and_down_only_when_the_window_is_over),
		test(nothing_holds_a_rise_back),
		test(with_a_reading_missing_it_is_never_lower_than_before),
		test(slots_without_a_rate_are_in_no_account),
		test(after_a_long_silence_it_says_nothing_until_all_is_read),
		test(it_is_never_below_an_hpa_at_85_per_cent),
		test(a_forecast_raises_before_the_traffic_comes),
		test(what_comes_again_within_the_window_is_not_sent_away),
		test(the_hpa_beside_it_is_the_hpa),
		test(the_static_number_is_the_most_of_a_week),
		test(on_a_hill_a_day_it_costs_less_than_a_static_number_and_is_seldom_late),
		test(it_serves_only_after_its_time_in_shadow),
		test(one_that_is_worse_than_the_hpa_never_serves),
		test(drift_sends_it_back_to_shadow_for_a_day),
		test(what_a_budget_leaves_is_what_it_wants),
		test(errors_of_its_own_count_as_late),
		test(no_arm_takes_away_what_is_in_use),
		test(where_an_arm_says_nothing_the_rule_does),
		test(what_a_replay_proved_serves_after_an_hour),
		test(confidence_is_what_forecasts_were_worth),
	};

	return cmocka_run_group_tests_name("follower", tests, NULL, NULL);
}
