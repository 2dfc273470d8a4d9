/*
 * The net that chooses the quantile: its gradient, what it learns, and its memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/scaler/deep_chooser.h"

static struct deep_chooser chooser, other;

static struct chooser_view view_of(int context, int64_t slot)
{
	return (struct chooser_view){.middle = 10,
		.high = 12,
		.far = 13,
		.context = context,
		.slot = slot};
}

static double loss_of(const struct deep_chooser *net, const struct deep_experience *experiences,
	const float *targets, size_t count)
{
	memcpy(&other, net, sizeof(other));
	return deep_chooser_fit(&other, experiences, targets, count);
}

static void the_gradient_is_that_of_the_loss(void **state)
{
	struct deep_experience experiences[6];
	float targets[6];
	struct random random;
	double slope, moved;

	(void)state;
	random_init(&random, 5);
	deep_chooser_init(&chooser, 2);
	for (size_t i = 0; i < 6; i++) {
		for (size_t f = 0; f < DEEP_INPUTS; f++)
			experiences[i].state[f] = (float)random_normal(&random);
		experiences[i].action = (uint8_t)i;
		/* Some within, some beyond where the loss turns straight. */
		targets[i] = (float)(3 * random_normal(&random));
	}
	memcpy(&other, &chooser, sizeof(other));
	(void)deep_chooser_fit(&other, experiences, targets, 6);
	for (size_t w = 0; w < DEEP_WEIGHTS; w += 7) {
		static struct deep_chooser near;
		static float first[DEEP_WEIGHTS];
		const float by = 1e-2f;

		if (w == 0)
			memcpy(first, other.first, sizeof(first));
		memcpy(&near, &chooser, sizeof(near));
		near.weights[w] += by;
		slope = loss_of(&near, experiences, targets, 6);
		near.weights[w] -= 2 * by;
		slope = (slope - loss_of(&near, experiences, targets, 6)) / (2 * (double)by);
		/* The first moment is a tenth of the first gradient. */
		moved = 10 * (double)first[w];
		assert_true(fabs(moved - slope) < 2e-2 + .05 * fabs(slope));
	}
}

static void before_a_day_of_minutes_the_settings_own_is_chosen(void **state)
{
	struct chooser_view now = view_of(0, 0), next = view_of(1, 4);

	(void)state;
	deep_chooser_init(&chooser, 1);
	for (int i = 0; i < DEEP_MINUTES_MIN - 1; i++)
		deep_chooser_learn(&chooser, &now, 3, -.5, &next);
	assert_int_equal(deep_chooser_best(&chooser, &now, 6), 6);
	/* All but action 0 cost: no doubt which it is. */
	for (int i = 0; i < 8000; i++) {
		int action = i % CHOOSER_ACTIONS;

		deep_chooser_learn(&chooser, &now, action, action == 0 ? 0 : -2, &now);
	}
	assert_int_equal(deep_chooser_best(&chooser, &now, 6), 1);
}

static void what_is_best_depends_on_what_is_seen(void **state)
{
	struct random random;

	(void)state;
	deep_chooser_init(&chooser, 3);
	random_init(&random, 4);
	for (int i = 0; i < 8000; i++) {
		int context = (int)random_below(&random, 3);
		int action = (int)random_below(&random, CHOOSER_ACTIONS);
		struct chooser_view now = view_of(context, 100);
		struct chooser_view next = view_of((int)random_below(&random, 3), 104);

		/* Calm: few pods; unrest: many. */
		deep_chooser_learn(&chooser, &now, action,
			-.5 * abs(action - 3 * context) + .1 * random_normal(&random), &next);
	}
	for (int context = 0; context < 3; context++) {
		struct chooser_view now = view_of(context, 100);

		assert_in_range(deep_chooser_best(&chooser, &now, 9) - 1,
			context > 0 ? 3 * context - 1 : 0, 3 * context + 1);
	}
}

static void what_follows_counts_by_the_discount(void **state)
{
	struct chooser_view now = view_of(1, 100);
	float values[CHOOSER_ACTIONS];
	double expected = -1;

	(void)state;
	deep_chooser_init(&chooser, 7);
	/* The same reward whatever is done: each copy of the net adds one more step of the sum. */
	for (int i = 0; i < 4 * 6 * DEEP_COPIED; i++)
		deep_chooser_learn(&chooser, &now, i % CHOOSER_ACTIONS, -.3, &now);
	deep_chooser_values(&chooser, &now, values);
	expected = -.3 * (1 - pow(.9, 6)) / .1;
	for (int a = 0; a < CHOOSER_ACTIONS; a++)
		assert_true(fabs((double)values[a] - expected) < .5);
}

static void a_new_day_does_not_follow_the_last_one(void **state)
{
	struct chooser_view views[4] = {view_of(0, 0), view_of(1, 4), view_of(2, 0), view_of(0, 4)};
	size_t ends = 0;

	(void)state;
	deep_chooser_init(&chooser, 1);
	deep_chooser_learn(&chooser, &views[0], 0, -1, &views[1]);
	deep_chooser_learn(&chooser, &views[2], 0, -1, &views[3]);
	deep_chooser_learn(&chooser, &views[3], 0, -1, &views[1]);
	for (size_t i = 0; i + 1 < chooser.memory_count; i++) {
		if (!chooser.memory[i].followed)
			ends++;
		/* Context 1 was only seen at ends, context 2 only at a beginning. */
		if (chooser.memory[i].followed)
			assert_true(chooser.memory[i].state[3] == 0);
		assert_true(!chooser.memory[i].followed || chooser.memory[i + 1].state[4] == 0);
	}
	assert_true(ends >= 1);
	/* Minutes that go on need one place each. */
	assert_int_equal(chooser.memory_count, 5);
}

static void the_memory_is_a_ring(void **state)
{
	(void)state;
	deep_chooser_init(&chooser, 1);
	for (int i = 0; i < DEEP_MEMORY + 400; i++) {
		struct chooser_view now = view_of(0, 4 * i), next = view_of(0, 4 * (i + 1));

		deep_chooser_learn(&chooser, &now, 0, i, &next);
	}
	assert_int_equal(chooser.memory_count, DEEP_MEMORY);
	for (size_t i = 0; i < DEEP_MEMORY; i++)
		assert_true(!chooser.memory[i].followed || chooser.memory[i].reward >= 400);
	for (size_t w = 0; w < DEEP_WEIGHTS; w++)
		assert_true(isfinite(chooser.weights[w]));
}

static void it_explores_less_the_more_it_saw(void **state)
{
	(void)state;
	deep_chooser_init(&chooser, 1);
	assert_true(deep_chooser_explored(&chooser) == 1);
	chooser.minutes = 1440;
	assert_true(fabs(deep_chooser_explored(&chooser) - .5) < 1e-9);
	chooser.minutes = 1e6;
	assert_true(deep_chooser_explored(&chooser) == CHOOSER_EXPLORED);
}

static void one_seed_is_one_net(void **state)
{
	struct chooser_view now = view_of(0, 0), next = view_of(1, 4);

	(void)state;
	deep_chooser_init(&chooser, 1);
	deep_chooser_init(&other, 1);
	for (int i = 0; i < 200; i++) {
		deep_chooser_learn(&chooser, &now, i % CHOOSER_ACTIONS, -i % 3, &next);
		deep_chooser_learn(&other, &now, i % CHOOSER_ACTIONS, -i % 3, &next);
	}
	assert_memory_equal(chooser.weights, other.weights, sizeof(chooser.weights));
	deep_chooser_init(&other, 2);
	assert_memory_not_equal(chooser.weights, other.weights, sizeof(chooser.weights));
	/* Read from a file it says the same, and remembers no minute. */
	memcpy(&other, &chooser, sizeof(other));
	deep_chooser_restored(&other, 9);
	assert_memory_equal(chooser.weights, other.copy, sizeof(other.copy));
	assert_int_equal(other.memory_count, 0);
	deep_chooser_learn(&other, &now, 0, 0, &next);
	assert_true(isfinite(other.weights[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gradient_is_that_of_the_loss),
		cmocka_unit_test(before_a_day_of_minutes_the_settings_own_is_chosen),
		cmocka_unit_test(what_is_best_depends_on_what_is_seen),
		cmocka_unit_test(what_follows_counts_by_the_discount),
		cmocka_unit_test(a_new_day_does_not_follow_the_last_one),
		cmocka_unit_test(the_memory_is_a_ring),
		cmocka_unit_test(it_explores_less_the_more_it_saw),
		cmocka_unit_test(one_seed_is_one_net),
	};

	return cmocka_run_group_tests_name("deep_chooser", tests, NULL, NULL);
}
