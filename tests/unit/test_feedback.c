/*
 * Accounts of the parties: rewards, predictions, savings, drift.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/scaler/feedback.h"

#define assert_near(a, b, by) assert_true(fabs((a) - (b)) <= (by))

struct scene {
	struct feedback feedback;
	struct feedback_slot slots[FEEDBACK_PARTIES];
	double need, rate, predicted;
};

static void scene_init(struct scene *scene)
{
	feedback_init(&scene->feedback);
	memset(scene->slots, 0, sizeof(scene->slots));
	for (int party = 0; party < FEEDBACK_PARTIES; party++)
		scene->slots[party].pods = 10;
	scene->need = 8;
	scene->rate = scene->predicted = 100;
}

static void run(struct scene *scene, int64_t from, int64_t to)
{
	for (int64_t slot = from; slot < to; slot++)
		feedback_add(&scene->feedback, slot, scene->need, scene->rate, scene->predicted,
			scene->slots);
}

static void reward_is_two_fifths_efficiency_two_fifths_sla_one_fifth_stability(void **state)
{
	struct scene scene;

	scene_init(&scene);
	scene.slots[FEEDBACK_HPA].pods = 8;
	scene.slots[FEEDBACK_STATIC].late = 0.06;
	run(&scene, 0, 41);
	assert_near(scene.feedback.last.reward[FEEDBACK_OURS], .4 * .8 + .4 + .2, 1e-9);
	assert_near(scene.feedback.last.reward[FEEDBACK_HPA], 1, 1e-9);
	assert_near(scene.feedback.last.reward[FEEDBACK_STATIC], .4 * .8 + .2, 1e-9);
	assert_near(scene.feedback.last.late[FEEDBACK_STATIC], 1, 1e-9);
	assert_int_equal(scene.feedback.last.end, 40);
}

static void pods_beyond_the_need_are_waste_and_fewer_no_gain(void **state)
{
	struct feedback_sums sums = {.slots = 1, .efficiency = 1};

	assert_near(feedback_reward(&sums), 1, 1e-9);
	sums.changes = 1000;
	assert_near(feedback_reward(&sums), .8, 1e-9);
	sums.slots = 0;
	assert_true(isnan(feedback_reward(&sums)));
}

static void a_window_of_a_few_slots_tells_nothing(void **state)
{
	struct scene scene;

	scene_init(&scene);
	run(&scene, 30, 41);
	assert_true(isnan(scene.feedback.last.reward[FEEDBACK_OURS]));
	assert_int_equal(scene.feedback.windows, 0);
	run(&scene, 41, 81);
	assert_int_equal(scene.feedback.windows, 1);
}

static void a_prediction_is_held_against_the_most_that_came(void **state)
{
	struct scene scene;

	scene_init(&scene);
	scene.predicted = 110;
	run(&scene, 0, 20);
	scene.predicted = 500; /* told within the window: it is not the one that is judged */
	scene.rate = 120;
	run(&scene, 20, 21);
	scene.rate = 100;
	run(&scene, 21, 41);
	assert_near(scene.feedback.last.predicted, 110, 0);
	assert_near(scene.feedback.last.came, 120, 0);
	assert_near(scene.feedback.error, log(120. / 110), 1e-9);
	assert_near(feedback_miss_share(&scene.feedback), 1, 0);
	run(&scene, 41, 81);
	assert_near(feedback_miss_share(&scene.feedback), .5, 0);
}

static void without_a_prediction_nothing_is_missed(void **state)
{
	struct scene scene;

	scene_init(&scene);
	scene.predicted = NAN;
	run(&scene, 0, 4000);
	assert_true(isnan(feedback_miss_share(&scene.feedback)));
	assert_true(isnan(scene.feedback.error));
}

static void savings_are_hours_against_the_other_with_an_interval(void **state)
{
	struct scene scene;
	struct feedback_saved saved;

	scene_init(&scene);
	run(&scene, 0, 2 * FEEDBACK_BLOCK_SLOTS + 1);
	assert_true(isnan(feedback_saved(&scene.feedback, FEEDBACK_HPA).share));
	scene_init(&scene);
	for (int64_t hour = 0; hour < 24; hour++) {
		scene.slots[FEEDBACK_HPA].pods = hour % 2 == 0 ? 12 : 14;
		run(&scene, hour * FEEDBACK_BLOCK_SLOTS, (hour + 1) * FEEDBACK_BLOCK_SLOTS);
	}
	run(&scene, 24 * FEEDBACK_BLOCK_SLOTS, 24 * FEEDBACK_BLOCK_SLOTS + 1);
	saved = feedback_saved(&scene.feedback, FEEDBACK_HPA);
	assert_near(saved.blocks, 24, 0);
	assert_near(saved.hours, 24 * 3, 1e-9);
	assert_near(saved.share, 3. / 13, 1e-9);
	/* 1.96 sqrt(s^2 / n), s^2 = 24 / 23: neighbours that differ widen nothing. */
	assert_near(saved.high - saved.share, 1.96 * sqrt(24. / 23 / 24) / 13, 1e-6);
	assert_near(saved.share - saved.low, saved.high - saved.share, 1e-12);
	assert_near(feedback_saved(&scene.feedback, FEEDBACK_ACTUAL).share, 0, 1e-12);
}

static void hours_that_are_alike_widen_the_interval(void **state)
{
	struct scene scene, mixed;

	scene_init(&scene);
	scene_init(&mixed);
	for (int64_t hour = 0; hour < 25; hour++) {
		int64_t from = hour * FEEDBACK_BLOCK_SLOTS;

		scene.slots[FEEDBACK_HPA].pods = hour < 12 ? 12 : 14;
		mixed.slots[FEEDBACK_HPA].pods = hour % 2 == 0 ? 12 : 14;
		run(&scene, from, from + FEEDBACK_BLOCK_SLOTS);
		run(&mixed, from, from + FEEDBACK_BLOCK_SLOTS);
	}
	struct feedback_saved alike = feedback_saved(&scene.feedback, FEEDBACK_HPA);
	struct feedback_saved other = feedback_saved(&mixed.feedback, FEEDBACK_HPA);

	assert_true(alike.high - alike.low > 2 * (other.high - other.low));
}

static void drift_is_misses_or_a_lost_lead_for_hours(void **state)
{
	struct scene scene;
	char words[160] = "";

	scene_init(&scene);
	run(&scene, 0, 60 * FEEDBACK_WINDOW_SLOTS);
	assert_false(feedback_drifts(&scene.feedback, words, sizeof(words)));
	scene.predicted = 90;
	run(&scene, 60 * FEEDBACK_WINDOW_SLOTS, 90 * FEEDBACK_WINDOW_SLOTS);
	assert_true(feedback_drifts(&scene.feedback, words, sizeof(words)));
	assert_non_null(strstr(words, "forecast"));

	scene_init(&scene);
	scene.slots[FEEDBACK_OURS].pods = 16;
	run(&scene, 0, 20 * FEEDBACK_WINDOW_SLOTS);
	assert_false(feedback_drifts(&scene.feedback, words, sizeof(words)));
	run(&scene, 20 * FEEDBACK_WINDOW_SLOTS, 60 * FEEDBACK_WINDOW_SLOTS);
	assert_true(feedback_drifts(&scene.feedback, words, sizeof(words)));
	assert_non_null(strstr(words, "HPA"));
	feedback_begin_trial(&scene.feedback);
	assert_false(feedback_drifts(&scene.feedback, words, sizeof(words)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			reward_is_two_fifths_efficiency_two_fifths_sla_one_fifth_stability),
		cmocka_unit_test(pods_beyond_the_need_are_waste_and_fewer_no_gain),
		cmocka_unit_test(a_window_of_a_few_slots_tells_nothing),
		cmocka_unit_test(a_prediction_is_held_against_the_most_that_came),
		cmocka_unit_test(without_a_prediction_nothing_is_missed),
		cmocka_unit_test(savings_are_hours_against_the_other_with_an_interval),
		cmocka_unit_test(hours_that_are_alike_widen_the_interval),
		cmocka_unit_test(drift_is_misses_or_a_lost_lead_for_hours),
	};

	return cmocka_run_group_tests_name("feedback", tests, NULL, NULL);
}
