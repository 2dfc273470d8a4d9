/*
 * What the replays of the last days let serve: the best setting, the user's HPA, a learner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/scaler/quantile_parts.h"
#include "base/buf.h"

#define DAYS NIGHTLY_DAYS

static struct quantile_policy *policy;
static struct quantile_standing standing;

static void open_policy(bool forced, enum quantile_choice arm)
{
	struct quantile_policy_config config;
	struct error error;

	quantile_policy_config_default(&config);
	config.plant.service_rate = 50;
	config.forced = forced;
	config.arm = arm;
	quantile_policy_close(policy);
	policy = quantile_policy_open(&config, &error);
	assert_non_null(policy);
	/* The first setting costs 1000, all else more; nothing is violated. */
	policy->day_count = DAYS;
	for (size_t d = 0; d < DAYS; d++) {
		struct nightly_day *day = &policy->days[d];

		*day = (struct nightly_day){.minutes = 1000, .requests = 1e5, .slots = 4000};
		for (size_t p = 0; p < NIGHTLY_POLICIES; p++)
			day->outcomes[p].pod_slots = p == 0 ? 1000 : 1200;
	}
}

static int setup(void **state)
{
	(void)state;
	open_policy(false, QUANTILE_SETTING);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	quantile_policy_close(policy);
	policy = NULL;
	return 0;
}

static void judge(void)
{
	quantile_policy_judge(policy);
	quantile_policy_standing(policy, &standing);
}

/* Of all days; the last one may be another. */
static void learner_takes(size_t learner, float pods, float last)
{
	for (size_t d = 0; d < DAYS; d++)
		policy->days[d].outcomes[learner].pod_slots = d + 1 < DAYS ? pods : last;
}

static const struct off_policy_trial *trial_of(const char *arm, const char *against)
{
	for (size_t i = 0; i < standing.trials.count; i++) {
		const struct off_policy_trial *trial = &standing.trials.trials[i];

		if (strcmp(trial->arm, arm) == 0 && strcmp(trial->against, against) == 0)
			return trial;
	}
	fail_msg("no trial of %s against %s", arm, against);
	return NULL;
}

static void a_learner_serves_when_it_is_surely_cheaper(void **state)
{
	(void)state;
	judge();
	assert_int_equal(standing.arm, QUANTILE_SETTING);
	assert_true(standing.promoted);
	assert_true(trial_of("setting", "hpa")->serves);
	assert_true(trial_of("dqn", "setting")->estimate.better == 0);
	learner_takes(NIGHTLY_DQN, 950, 940);
	judge();
	assert_int_equal(standing.arm, QUANTILE_DQN);
	assert_true(standing.promoted);
	assert_true(trial_of("dqn", "setting")->serves);
	assert_true(trial_of("dqn", "setting")->estimate.price.high < 0);
	assert_true(trial_of("dqn", "hpa")->serves);
	assert_false(trial_of("table", "setting")->serves);
	/* The cheaper of two. */
	learner_takes(NIGHTLY_TABLE, 900, 890);
	judge();
	assert_int_equal(standing.arm, QUANTILE_TABLE);
}

static void a_learner_that_may_as_well_be_dearer_does_not_serve(void **state)
{
	(void)state;
	/* Cheaper on the whole, by one day alone. */
	learner_takes(NIGHTLY_DQN, 1001, 600);
	judge();
	assert_int_equal(standing.arm, QUANTILE_SETTING);
	assert_true(trial_of("dqn", "setting")->estimate.price.mean < 0);
	assert_true(trial_of("dqn", "setting")->estimate.price.high > 0);
	assert_false(trial_of("dqn", "setting")->serves);
	/* Cheaper on both of two days, by very little on one: in every draw, and still by chance. */
	policy->day_count = 2;
	learner_takes(NIGHTLY_DQN, 999, 999);
	policy->days[1].outcomes[NIGHTLY_DQN].pod_slots = 900;
	judge();
	assert_true(trial_of("dqn", "setting")->estimate.better == 1);
	assert_int_equal(standing.arm, QUANTILE_SETTING);
}

static void a_learner_beyond_the_objective_does_not_serve(void **state)
{
	(void)state;
	learner_takes(NIGHTLY_DQN, 900, 890);
	/* The settings are, too, and farther: the HPA is dear and safe. */
	for (size_t d = 0; d < DAYS; d++) {
		for (size_t p = 0; p < NIGHTLY_POLICIES; p++)
			policy->days[d].outcomes[p].violated = p == NIGHTLY_DQN ? 6 : 7;
		policy->days[d].outcomes[NIGHTLY_HPA].violated = 0;
	}
	judge();
	assert_true(trial_of("dqn", "setting")->estimate.better == 1);
	assert_int_equal(standing.arm, QUANTILE_SETTING);
}

static void nothing_serves_that_is_likely_worse_than_the_hpa(void **state)
{
	(void)state;
	/* Three days of seven beyond the objective, and on the whole within: the HPA is dearer, and safe. */
	for (size_t d = 0; d < 3; d++)
		for (size_t p = 0; p < NIGHTLY_SETTINGS; p++)
			policy->days[d].outcomes[p].violated = 8;
	judge();
	assert_true(standing.policy.kept);
	assert_true(trial_of("setting", "hpa")->estimate.better > OFF_POLICY_LIKELY);
	assert_true(standing.promoted);
	for (size_t d = 0; d < 3; d++)
		for (size_t p = 0; p < NIGHTLY_SETTINGS; p++)
			policy->days[d].outcomes[p].violated = 20;
	judge();
	assert_false(standing.promoted);
	assert_false(trial_of("setting", "hpa")->serves);
	/* Within the objective in every draw, and without the margin that is asked for. */
	for (size_t d = 0; d < DAYS; d++)
		for (size_t p = 0; p < NIGHTLY_SETTINGS; p++)
			policy->days[d].outcomes[p].violated = 4.5f;
	judge();
	assert_true(trial_of("setting", "hpa")->estimate.better == 1);
	assert_false(standing.promoted);
}

static void a_forced_arm_serves_whatever_its_replays_say(void **state)
{
	(void)state;
	open_policy(true, QUANTILE_DQN);
	learner_takes(NIGHTLY_DQN, 5000, 5000);
	judge();
	assert_int_equal(standing.arm, QUANTILE_DQN);
	assert_true(standing.promoted);
	/* What they say is told all the same. */
	assert_true(trial_of("dqn", "hpa")->estimate.better == 0);
}

static void a_little_dearer_and_much_safer_is_the_better_bargain(void **state)
{
	size_t setting = 7;
	struct control_setting wanted;

	(void)state;
	nightly_setting(setting, &wanted);
	for (size_t d = 0; d < DAYS; d++) {
		for (size_t p = 0; p < NIGHTLY_POLICIES; p++)
			policy->days[d].outcomes[p].violated = p == setting ? 0 : 3;
		/* 3 of 1000 minutes are worth 6 % of the pods. */
		policy->days[d].outcomes[setting].pod_slots = 1050;
	}
	judge();
	assert_memory_equal(&standing.setting, &wanted, sizeof(wanted));
	for (size_t d = 0; d < DAYS; d++)
		policy->days[d].outcomes[setting].pod_slots = 1070;
	judge();
	assert_memory_not_equal(&standing.setting, &wanted, sizeof(wanted));
}

static void the_net_is_kept_and_read_back(void **state)
{
	struct chooser_view view = {.middle = 10, .high = 11, .far = 12, .slot = 7};
	float before[CHOOSER_ACTIONS], after[CHOOSER_ACTIONS];
	struct error error;
	struct buf body;

	(void)state;
	policy->deep.minutes = 2000;
	policy->deep.weights[3] = .25f;
	deep_chooser_values(&policy->deep, &view, before);
	buf_init(&body, 4 << 20);
	assert_int_equal(quantile_policy_keep(policy, &body, &error), STATUS_OK);
	open_policy(false, QUANTILE_SETTING);
	deep_chooser_init(&policy->deep, 99);
	assert_int_equal(quantile_policy_restore(policy, body.data, body.size, &error), STATUS_OK);
	deep_chooser_values(&policy->deep, &view, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_true(policy->deep.minutes == 2000);
	buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(a_learner_serves_when_it_is_surely_cheaper),
		CASE(a_learner_that_may_as_well_be_dearer_does_not_serve),
		CASE(a_learner_beyond_the_objective_does_not_serve),
		CASE(nothing_serves_that_is_likely_worse_than_the_hpa),
		CASE(a_forced_arm_serves_whatever_its_replays_say),
		CASE(a_little_dearer_and_much_safer_is_the_better_bargain),
		CASE(the_net_is_kept_and_read_back),
	};

	return cmocka_run_group_tests_name("quantile_night", tests, NULL, NULL);
}
