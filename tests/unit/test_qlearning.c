/*
 * The specified Q-learning agent: its rewards, its cooldown and bounds, what it does without readings, that
 * training is deterministic and learns something, and its learning curve.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/scaler/qlearning.h"
#include "analyzers/scaler/simulate.h"
#include "base/mem.h"

#define DAYS 4

static struct plant_config plant;
static struct trace trace;
static struct load load;
static struct draw draw;
static struct error error;
static struct policy_scene scene;

static int setup(void **state)
{
	plant_config_default(&plant);
	trace_init(&trace, "diurnal");
	assert_int_equal(trace_generate(&trace, "diurnal", DAYS, load_pods_rate(&plant, 12), 3,
				 &error),
		STATUS_OK);
	assert_int_equal(load_init(&load, &trace, 1, &error), STATUS_OK);
	assert_int_equal(draw_make(&draw, &load, &plant, 4, &error), STATUS_OK);
	scene = (struct policy_scene){.load = &load,
		.draw = &draw,
		.plant = &plant,
		.first_slot = (DAYS - 1) * POLICY_SLOTS_PER_DAY};
	return 0;
}

static int teardown(void **state)
{
	draw_fini(&draw);
	load_fini(&load);
	trace_fini(&trace);
	return 0;
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-12;
}

static void the_classic_reward_is_ten_one_and_five(void **state)
{
	struct qlearning_config config;

	qlearning_config_default(&config);
	struct policy_view view = {.cpu = .6, .latency = .01};

	assert_true(near(qlearning_reward_classic(&config, &view), 10));
	view.cpu = .3;
	assert_true(near(qlearning_reward_classic(&config, &view), -1));
	view.cpu = .9;
	assert_true(near(qlearning_reward_classic(&config, &view), -5));
	view = (struct policy_view){.cpu = .3, .latency = .06};
	assert_true(near(qlearning_reward_classic(&config, &view), -5));
}

static void the_balanced_reward_weighs_forty_forty_twenty(void **state)
{
	struct qlearning_config config;

	qlearning_config_default(&config);
	assert_true(near(qlearning_reward_balanced(&config, 0, 1, 0), 1));
	assert_true(near(qlearning_reward_balanced(&config, 1, 1, 0), .6));
	assert_true(near(qlearning_reward_balanced(&config, 0, 0, 0), .6));
	assert_true(near(qlearning_reward_balanced(&config, 0, 1, 2), .9));
	assert_true(near(qlearning_reward_balanced(&config, 0, 1, 9), .8));
}

static void no_change_comes_within_the_cooldown_nor_beyond_ten_pods(void **state)
{
	struct policy policy = {0};
	struct policy_view view = {.wanted = 20, .ready = 20, .rate = 300, .cpu = .5};
	int64_t changed = INT32_MIN;
	int changes = 0;

	scene.first_slot = 0; /* it explores */
	assert_int_equal(policy_open(&policy, "qlearning", &scene, &error), STATUS_OK);
	policy.begin(policy.state, 20);
	for (int64_t slot = 0; slot < 4000; slot++) {
		int wanted;

		view.slot = slot;
		wanted = policy.decide(policy.state, &view);
		assert_true(wanted >= 1 && wanted <= 50);
		assert_true(wanted - view.wanted >= -10 && wanted - view.wanted <= 10);
		if (wanted == view.wanted)
			continue;
		assert_true(slot - changed >= 20);
		changed = slot;
		view.wanted = wanted;
		changes++;
	}
	assert_true(changes > 100);
	policy_close(&policy);
}

static void missing_readings_hold(void **state)
{
	struct policy policy = {0};
	struct policy_view view = {.wanted = 7,
		.ready = 7,
		.rate = (double)NAN,
		.cpu = (double)NAN};

	scene.first_slot = 0;
	assert_int_equal(policy_open(&policy, "qlearning", &scene, &error), STATUS_OK);
	policy.begin(policy.state, 7);
	for (view.slot = 0; view.slot < 500; view.slot++)
		assert_int_equal(policy.decide(policy.state, &view), 7);
	policy_close(&policy);
}

static void run(const char *name, struct run_outcome *outcome, struct policy_training *training)
{
	struct simulate_options options = {.plant = &plant,
		.first_slot = (DAYS - 1) * POLICY_SLOTS_PER_DAY,
		.seed = 2};
	struct policy policy;

	assert_int_equal(policy_open(&policy, name, &scene, &error), STATUS_OK);
	if (training != NULL)
		*training = *policy.training;
	simulate(&options, &load, &draw, &policy, outcome);
	policy_close(&policy);
}

static void training_is_deterministic_and_raises_the_reward(void **state)
{
	struct run_outcome one, two;
	struct policy_training training;
	double days = 0;

	run("qlearning:classic:30", &one, NULL);
	run("qlearning:classic:30", &two, NULL);
	assert_memory_equal(&one, &two, sizeof(one));
	run("qlearning:classic:160", &one, &training);
	assert_int_equal(training.count, POLICY_TRAINING_POINTS);
	for (size_t i = 0; i < training.count; i++)
		days += training.points[i].days;
	assert_true(near(days, 160));
	assert_true(training.points[31].reward > training.points[0].reward + 1);
	assert_true(near(training.points[31].epsilon, pow(.995, 159)));
	run("qlearning:classic:3", &two, &training);
	assert_int_equal(training.count, 3);
	assert_true(near(training.points[1].days, 1));
}

static void the_bounds_of_its_settings_are_checked(void **state)
{
	static const char *const wrong[] = {"qlearning:fast", "qlearning:classic:-1",
		"qlearning:classic:x", "qlearning:classic:100001"};
	struct qlearning_config config;
	struct policy policy;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(policy_open(&policy, wrong[i], &scene, &error), STATUS_BAD_INPUT);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		qlearning_config_default(&config);                                                 \
		change;                                                                            \
		assert_int_equal(qlearning_config_check(&config, &error), STATUS_BAD_INPUT);       \
	} while (0)
	REFUSED(config.learning_rate = 1.1);
	REFUSED(config.discount = (double)NAN);
	REFUSED(config.decision_s = 0);
	REFUSED(config.replicas_min = 0);
	REFUSED(config.bins_rate = 0);
	REFUSED(config.bins_cpu = QLEARNING_BINS_MAX + 1);
	REFUSED(config.rate_max = 0);
#undef REFUSED
}

static void every_failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct policy policy = {0};
		enum status status;

		mem_fail_after(nth, false);
		status = policy_open(&policy, "qlearning:classic:2", &scene, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		policy_close(&policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(the_classic_reward_is_ten_one_and_five),
		CASE(the_balanced_reward_weighs_forty_forty_twenty),
		CASE(no_change_comes_within_the_cooldown_nor_beyond_ten_pods),
		CASE(missing_readings_hold),
		CASE(training_is_deterministic_and_raises_the_reward),
		CASE(the_bounds_of_its_settings_are_checked),
		CASE(every_failed_allocation_is_an_answer),
#undef CASE
	};

	return cmocka_run_group_tests_name("qlearning", tests, NULL, NULL);
}
