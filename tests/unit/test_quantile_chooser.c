/*
 * The learner that chooses the quantile: states, rewards and updates by hand, and that it finds the better
 * action of a small game.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/scaler/nightly.h"
#include "analyzers/scaler/quantile_chooser.h"

static struct chooser chooser;

static void clear(void)
{
	memset(&chooser, 0, sizeof(chooser));
}

static void states_are_told_apart_and_within_bounds(void **state)
{
	static const float spreads[] = {1, 1.07f, 1.15f, 1.3f, 2}, reaches[] = {1, 1.05f, 1.5f};
	static bool seen[CHOOSER_STATES];

	(void)state;
	for (int s = 0; s < 5; s++)
		for (int r = 0; r < 3; r++)
			for (int context = 0; context < 3; context++)
				for (int eighth = 0; eighth < 8; eighth++) {
					struct chooser_view view = {.middle = 100,
						.high = 100 * spreads[s],
						.far = 100 * spreads[s] * reaches[r],
						.context = context,
						.slot = eighth * 720 + 719};
					int at = chooser_state(&view);

					assert_in_range(at, 0, CHOOSER_STATES - 1);
					assert_false(seen[at]);
					seen[at] = true;
				}
	/* Nothing at all is a state as well. */
	assert_in_range(chooser_state(&(struct chooser_view){.slot = 0}), 0, CHOOSER_STATES - 1);
}

static void rewards_are_what_the_rule_says(void **state)
{
	struct chooser_minute minute = {.pods = 12, .need = 9.3, .late = 0, .changes = 0};

	(void)state;
	assert_true(fabs(chooser_reward(&minute, .5) + .2) < 1e-9);
	minute.changes = 1;
	assert_true(fabs(chooser_reward(&minute, .5) + .5) < 1e-9);
	minute.late = .05;
	assert_true(fabs(chooser_reward(&minute, .5) + .9) < 1e-9);
	/* A narrower objective makes lateness dearer. */
	assert_true(chooser_reward(&minute, .1) < chooser_reward(&minute, .5));
}

static void an_update_is_q_learnings(void **state)
{
	(void)state;
	clear();
	/* The first step is 1: the value is the reward. */
	chooser_learn(&chooser, 5, 2, -1, 6);
	assert_true(fabs((double)chooser.values[5][2] + 1) < 1e-6);
	chooser_learn(&chooser, 6, 4, -2, 7);
	/* -1 + 2^-.6 (-.5 + .9 * -2 + 1): what follows is worth its best action. */
	chooser_learn(&chooser, 5, 2, -.5, 6);
	assert_true(fabs((double)chooser.values[5][2] - (-1 + pow(2, -.6) * -1.3)) < 1e-5);
}

static void what_was_never_seen_keeps_the_settings_own(void **state)
{
	(void)state;
	clear();
	assert_int_equal(chooser_best(&chooser, 9, 7), 7);
	chooser_learn(&chooser, 9, 3, -1, 10);
	assert_int_equal(chooser_best(&chooser, 9, 7), 4);
	chooser_learn(&chooser, 9, 8, -.5, 10);
	assert_int_equal(chooser_best(&chooser, 9, 7), 9);
}

static void the_better_action_is_found(void **state)
{
	struct random random;

	(void)state;
	clear();
	random_init(&random, 3);
	for (int i = 0; i < 20000; i++) {
		int action = (int)random_below(&random, CHOOSER_ACTIONS);

		chooser_learn(&chooser, 0, action,
			-.1 * abs(action - 4) + .5 * random_normal(&random), 0);
	}
	assert_int_equal(chooser_best(&chooser, 0, 1), 5);
}

static void an_advantage_has_its_interval(void **state)
{
	static struct nightly_day days[3];
	struct nightly_advantage advantage;

	(void)state;
	/* Per cent of the other's price: 90, 80, 85 by day, so ln -.105, -.223, -.163. */
	for (int d = 0; d < 3; d++) {
		static const float pods[] = {90, 80, 85};

		days[d].outcomes[0].pod_slots = pods[d];
		days[d].outcomes[1].pod_slots = 100;
	}
	nightly_advantage(days, 3, 0, 1, &advantage);
	assert_true(fabs(advantage.mean + .1637) < 1e-3);
	/* Deviation .0589, over root 3, times 2.920. */
	assert_true(fabs(advantage.high - advantage.mean - .0993) < 1e-3);
	assert_true(fabs(advantage.low + advantage.high - 2 * advantage.mean) < 1e-12);
	nightly_advantage(days, 1, 0, 1, &advantage);
	assert_true(isnan(advantage.high));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_are_told_apart_and_within_bounds),
		cmocka_unit_test(rewards_are_what_the_rule_says),
		cmocka_unit_test(an_update_is_q_learnings),
		cmocka_unit_test(what_was_never_seen_keeps_the_settings_own),
		cmocka_unit_test(the_better_action_is_found),
		cmocka_unit_test(an_advantage_has_its_interval),
	};

	return cmocka_run_group_tests_name("quantile_chooser", tests, NULL, NULL);
}
