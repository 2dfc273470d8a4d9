/*
 * The net of quantiles: it finds quantiles that depend on the input, keeps them sorted, is the same by
 * seed, and refuses what it cannot learn from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/forecast/quantile_net.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define ROWS 6000
#define INPUTS 3

static const float levels[] = {.1f, .5f, .9f, .99f};
static float inputs[ROWS * INPUTS], targets[ROWS];

/* y = sin(2 x0) + (1 + x1) * exponential noise; x2 is constant. */
static void fill(void)
{
	struct random random;

	random_init(&random, 5);
	for (size_t i = 0; i < ROWS; i++) {
		double x0 = random_unit(&random) * 4 - 2, x1 = random_unit(&random);

		inputs[i * INPUTS] = (float)(x0 * 1000);
		inputs[i * INPUTS + 1] = (float)x1;
		inputs[i * INPUTS + 2] = 7;
		targets[i] = (float)(sin(2 * x0) - (1 + x1) * log(1 - random_unit(&random)));
	}
}

static struct quantile_net *opened(struct quantile_net *net)
{
	struct error error;

	assert_int_equal(quantile_net_init(net, INPUTS, levels, ARRAY_COUNT(levels), kernels_best(),
				 &error),
		STATUS_OK);
	return net;
}

static void quantiles_follow_the_inputs(void **state)
{
	struct quantile_net_training training;
	struct quantile_net net, other;
	struct error error;
	double loss, again;

	fill();
	quantile_net_training_default(&training);
	training.epochs = 60;
	training.batch = 128;
	assert_int_equal(quantile_net_train(opened(&net), inputs, targets, ROWS, &training, &loss,
				 &error),
		STATUS_OK);
	assert_int_equal(quantile_net_train(opened(&other), inputs, targets, ROWS, &training,
				 &again, &error),
		STATUS_OK);
	assert_true(loss == again);
	for (double x0 = -1.5; x0 <= 1.5; x0 += .5)
		for (double x1 = .1; x1 < 1; x1 += .4) {
			const float input[INPUTS] = {(float)(x0 * 1000), (float)x1, 7};
			float found[ARRAY_COUNT(levels)];

			quantile_net_predict(&net, input, found);
			for (size_t j = 0; j < 3; j++) {
				double expected =
					sin(2 * x0) - (1 + x1) * log(1 - (double)levels[j]);

				if (fabs((double)found[j] - expected) >
					.15 + .15 * expected * (j == 2))
					fail_msg("%g %g: quantile %g is %g, not %g", x0, x1,
						(double)levels[j], (double)found[j], expected);
			}
		}
	quantile_net_fini(&net);
	quantile_net_fini(&other);
}

static void quantiles_are_sorted_far_from_what_was_seen(void **state)
{
	struct quantile_net_training training;
	struct quantile_net net;
	struct random random;
	struct error error;
	double loss;

	fill();
	quantile_net_training_default(&training);
	training.epochs = 2;
	assert_int_equal(quantile_net_train(opened(&net), inputs, targets, 1000, &training, &loss,
				 &error),
		STATUS_OK);
	random_init(&random, 6);
	for (int i = 0; i < 500; i++) {
		float input[INPUTS], found[ARRAY_COUNT(levels)];

		for (size_t k = 0; k < INPUTS; k++)
			input[k] = (float)(random_normal(&random) * 1e6);
		quantile_net_predict(&net, input, found);
		for (size_t j = 1; j < ARRAY_COUNT(levels); j++)
			assert_true(isfinite(found[j]) && found[j] >= found[j - 1]);
	}
	quantile_net_fini(&net);
}

static void bad_numbers_are_refused(void **state)
{
	static const float crossing[] = {.5f, .1f};
	struct quantile_net_training training;
	struct quantile_net net;
	struct error error;
	double loss;

	assert_int_equal(quantile_net_init(&net, 0, levels, 4, kernels_best(), &error),
		STATUS_BAD_INPUT);
	assert_int_equal(quantile_net_init(&net, 3, levels, 0, kernels_best(), &error),
		STATUS_BAD_INPUT);
	assert_int_equal(quantile_net_init(&net, 3, crossing, 2, kernels_best(), &error),
		STATUS_BAD_INPUT);
	for (size_t i = 0; i < 10; i++)
		targets[i] = NAN;
	quantile_net_training_default(&training);
	assert_int_equal(quantile_net_train(opened(&net), inputs, targets, 10, &training, &loss,
				 &error),
		STATUS_BAD_INPUT);
	training.batch = 0;
	assert_int_equal(quantile_net_train(&net, inputs, targets, 10, &training, &loss, &error),
		STATUS_BAD_INPUT);
	quantile_net_fini(&net);
}

static void memory_that_fails_is_an_answer(void **state)
{
	struct quantile_net_training training;
	bool injected = true;
	double loss;

	fill();
	quantile_net_training_default(&training);
	training.epochs = 1;
	for (long n = 1; injected; n++) {
		struct quantile_net net;
		struct error error;
		enum status status;

		mem_fail_after(n, false);
		status = quantile_net_init(&net, INPUTS, levels, 4, kernels_best(), &error);
		if (status == STATUS_OK)
			status = quantile_net_train(&net, inputs, targets, 50, &training, &loss,
				&error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		quantile_net_fini(&net);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_follow_the_inputs),
		cmocka_unit_test(quantiles_are_sorted_far_from_what_was_seen),
		cmocka_unit_test(bad_numbers_are_refused),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("quantile_net", tests, NULL, NULL);
}
