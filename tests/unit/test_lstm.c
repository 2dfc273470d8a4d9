/*
 * The LSTM: the same numbers as PyTorch's for the same weights, its gradient against differences, the
 * stateful step against windows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/forecast/lstm.h"
#include "analyzers/forecast/lstm_tape.h"
#include "base/check.h"
#include "base/mem.h"
#include "tests/golden/lstm_golden.h"

#define ROWS 60
#define BATCH 2
#define INPUTS 6
#define HIDDEN 128
#define LAYERS 3
#define OUTPUTS 6

static const struct lstm_shape golden_shape = {INPUTS, HIDDEN, LAYERS, OUTPUTS};
static const float levels[OUTPUTS] = {.1f, .5f, .9f, .1f, .5f, .9f};

/* As in lstm_golden.py. */
static double noise(uint32_t tensor, uint32_t row, uint32_t column)
{
	uint32_t k = tensor * 4194304u + row * 2048u + column;

	k = k * 2654435761u + 12345u;
	k ^= k >> 15;
	k *= 2246822519u;
	return (double)(k >> 8) / 16777216.0 - .5;
}

/* ours [columns][rows of PyTorch's]. */
static void fill(float *ours, size_t width, uint32_t tensor, uint32_t rows, uint32_t columns,
	double scale)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t c = 0; c < columns; c++)
			ours[c * width + r] = (float)(noise(tensor, r, c) * scale);
}

static void golden_fill(struct lstm *lstm, float *inputs, float *targets)
{
	double scale = 2 / sqrt(HIDDEN);

	for (uint32_t l = 0; l < LAYERS; l++) {
		const struct lstm_layer *layer = &lstm->layers[l];

		fill(layer->input, 4 * HIDDEN, 8 * l, 4 * HIDDEN, (uint32_t)layer->inputs, scale);
		fill(layer->recurrent, 4 * HIDDEN, 8 * l + 1, 4 * HIDDEN, HIDDEN, scale);
		fill(layer->bias, 4 * HIDDEN, 8 * l + 2, 4 * HIDDEN, 1, scale);
	}
	fill(lstm->head, LSTM_HEAD, 100, OUTPUTS, HIDDEN, 4 * scale);
	fill(lstm->head_bias, LSTM_HEAD, 101, OUTPUTS, 1, scale);
	lstm_prepare(lstm);
	for (uint32_t t = 0; t < ROWS; t++)
		for (uint32_t b = 0; b < BATCH; b++) {
			for (uint32_t i = 0; i < INPUTS; i++)
				inputs[(t * BATCH + b) * INPUTS + i] =
					(float)(4 * noise(200 + i, t, b));
			for (uint32_t j = 0; j < OUTPUTS; j++)
				targets[(t * BATCH + b) * OUTPUTS + j] =
					(float)noise(300 + j, t, b);
		}
}

static void assert_near(const char *what, double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%s: %.9g is not %.9g within %g", what, found, expected, tolerance);
}

static void windows_answer_as_pytorch_does(void **state)
{
	static float inputs[ROWS * BATCH * INPUTS], targets[ROWS * BATCH * OUTPUTS];
	struct error error;

	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		struct lstm lstm;
		struct lstm_tape tape;

		assert_int_equal(lstm_init(&lstm, &golden_shape, kernels_at(v), &error), STATUS_OK);
		assert_int_equal(lstm_tape_init(&tape, &golden_shape, ROWS, BATCH, false, &error),
			STATUS_OK);
		golden_fill(&lstm, inputs, targets);
		lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
		for (size_t i = 0; i < (size_t)ROWS * BATCH; i++)
			for (size_t j = 0; j < OUTPUTS; j++)
				assert_near(kernels_at(v)->name,
					(double)tape.outputs[i * LSTM_HEAD + j],
					(double)golden_outputs[i * OUTPUTS + j], 1e-5);
		lstm_tape_fini(&tape);
		lstm_fini(&lstm);
	}
}

static void steps_with_carried_state_answer_as_pytorch_does(void **state)
{
	static float inputs[ROWS * BATCH * INPUTS], targets[ROWS * BATCH * OUTPUTS];
	struct error error;

	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		static float states[BATCH * LAYERS * 2 * HIDDEN];
		float outputs[BATCH * OUTPUTS];
		struct lstm lstm;

		memset(states, 0, sizeof(states));
		assert_int_equal(lstm_init(&lstm, &golden_shape, kernels_at(v), &error), STATUS_OK);
		golden_fill(&lstm, inputs, targets);
		for (size_t t = 0; t < ROWS; t++) {
			lstm_step(&lstm, BATCH, states, inputs + t * BATCH * INPUTS, outputs);
			for (size_t i = 0; i < ARRAY_COUNT(outputs); i++)
				assert_near(kernels_at(v)->name, (double)outputs[i],
					(double)golden_outputs[t * BATCH * OUTPUTS + i], 1e-5);
		}
		lstm_fini(&lstm);
	}
}

/* What rounding the weights, and what they are multiplied with, to 8 bits may change of answers that lie
 * within +-1: each version of the vector code against PyTorch's numbers, steps and windows against each
 * other, and all versions against the baseline. */
#define ROUNDED_ERROR_MAX 5e-4
#define ROUNDED_ERROR_MEAN 1e-4
#define ROUNDED_PATHS 1e-4

static void rounded_weights_answer_nearly_as_pytorch_does(void **state)
{
	static float inputs[ROWS * BATCH * INPUTS], targets[ROWS * BATCH * OUTPUTS];
	static float first[ROWS * BATCH * OUTPUTS], states[BATCH * LAYERS * 2 * HIDDEN];
	struct error error;

	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		const char *name = kernels_at(v)->name;
		float outputs[BATCH * OUTPUTS];
		double sum = 0, most = 0;
		struct lstm lstm;
		struct lstm_tape tape;

		memset(states, 0, sizeof(states));
		assert_int_equal(lstm_init(&lstm, &golden_shape, kernels_at(v), &error), STATUS_OK);
		assert_int_equal(lstm_tape_init(&tape, &golden_shape, ROWS, BATCH, false, &error),
			STATUS_OK);
		golden_fill(&lstm, inputs, targets);
		lstm_take_weights(&lstm, LSTM_BF16);
		lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
		for (size_t t = 0; t < ROWS; t++) {
			lstm_step(&lstm, BATCH, states, inputs + t * BATCH * INPUTS, outputs);
			for (size_t i = 0; i < ARRAY_COUNT(outputs); i++) {
				size_t at = t * BATCH * OUTPUTS + i;
				double found = (double)outputs[i];
				double off = fabs(found - (double)golden_outputs[at]);

				sum += off;
				most = fmax(most, off);
				if (v == 0)
					first[at] = outputs[i];
				assert_near(name, found, (double)first[at], ROUNDED_PATHS);
				assert_near(name, found,
					(double)tape.outputs[(t * BATCH + i / OUTPUTS) * LSTM_HEAD +
						i % OUTPUTS],
					ROUNDED_PATHS);
			}
		}
		sum /= ROWS * BATCH * OUTPUTS;
		print_message("%s: off PyTorch by %.2g, at most %.2g\n", name, sum, most);
		assert_true(most < ROUNDED_ERROR_MAX && sum < ROUNDED_ERROR_MEAN);
		/* That it is rounded at all: floats are within 1e-5. */
		assert_true(most > 5e-5);
		lstm_take_weights(&lstm, LSTM_FP32);
		lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
		assert_near(name, (double)tape.outputs[0], (double)golden_outputs[0], 1e-5);
		lstm_tape_fini(&tape);
		lstm_fini(&lstm);
	}
}

/* An odd number of inputs, and more series than are stepped at a time: each answers as if alone. */
static void rounded_steps_of_many_are_those_of_each(void **state)
{
	static const struct lstm_shape shape = {7, 64, 2, 3};
	static float together[37 * 256], alone[37 * 256], inputs[37 * 7];
	struct error error;

	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		float outputs[37 * 3], one[3];
		struct random random;
		struct lstm lstm;

		random_init(&random, 3);
		memset(together, 0, sizeof(together));
		memset(alone, 0, sizeof(alone));
		assert_int_equal(lstm_init(&lstm, &shape, kernels_at(v), &error), STATUS_OK);
		assert_int_equal(lstm_state_size(&shape), 256);
		lstm_seed(&lstm, &random);
		for (size_t i = 0; i < shape.hidden; i++)
			for (size_t j = 0; j < shape.outputs; j++)
				lstm.head[i * LSTM_HEAD + j] = (float)random_normal(&random) * .2f;
		lstm_take_weights(&lstm, LSTM_BF16);
		for (size_t t = 0; t < 20; t++) {
			for (size_t i = 0; i < ARRAY_COUNT(inputs); i++)
				inputs[i] = (float)random_normal(&random);
			lstm_step(&lstm, 37, together, inputs, outputs);
			for (size_t s = 0; s < 37; s++) {
				lstm_step(&lstm, 1, alone + s * 256, inputs + s * 7, one);
				for (size_t j = 0; j < 3; j++)
					assert_near(kernels_at(v)->name, (double)outputs[s * 3 + j],
						(double)one[j], ROUNDED_PATHS);
			}
		}
		lstm_fini(&lstm);
	}
}

/* 16 elements of PyTorch's [rows][columns], evenly spread. */
static void gradient_check_picked(const char *what, const float *gradient, size_t width,
	size_t rows, size_t columns, const float *golden)
{
	size_t step = rows * columns / 16;

	for (size_t i = 0; i < 16; i++) {
		size_t at = i * (step > 0 ? step : 1), r = at / columns, c = at % columns;

		assert_near(what, (double)gradient[c * width + r], (double)golden[i],
			1e-7 + 1e-4 * fabs((double)golden[i]));
	}
}

static void gradients_are_those_of_pytorch(void **state)
{
	static float inputs[ROWS * BATCH * INPUTS], targets[ROWS * BATCH * OUTPUTS];
	struct lstm lstm;
	struct lstm_tape tape;
	struct error error;
	float *gradient;
	const float *golden = golden_gradients;

	assert_int_equal(lstm_init(&lstm, &golden_shape, kernels_best(), &error), STATUS_OK);
	assert_int_equal(lstm_tape_init(&tape, &golden_shape, ROWS, BATCH, true, &error),
		STATUS_OK);
	gradient = mem_zalloc(lstm.parameter_count, sizeof(*gradient));
	assert_non_null(gradient);
	golden_fill(&lstm, inputs, targets);
	lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
	assert_near("loss", lstm_tape_gradient(&tape, &lstm, inputs, targets, levels, gradient),
		golden_loss, 1e-6);
	for (size_t l = 0; l < LAYERS; l++, golden += 48) {
		const struct lstm_layer *layer = &lstm.layers[l];
		const float *own = gradient + (layer->input - lstm.parameters);

		gradient_check_picked("W", own, 4 * HIDDEN, 4 * HIDDEN, layer->inputs, golden);
		own += layer->inputs * 4 * HIDDEN;
		gradient_check_picked("U", own, 4 * HIDDEN, 4 * HIDDEN, HIDDEN, golden + 16);
		own += (size_t)HIDDEN * 4 * HIDDEN;
		gradient_check_picked("b", own, 4 * HIDDEN, 4 * HIDDEN, 1, golden + 32);
	}
	gradient_check_picked("head", gradient + (lstm.head - lstm.parameters), LSTM_HEAD, OUTPUTS,
		HIDDEN, golden);
	mem_free(gradient);
	lstm_tape_fini(&tape);
	lstm_fini(&lstm);
}

/* A smooth stand-in for the loss' kinks: targets far below all outputs, so that no difference
 * crosses one; some targets missing; a state carried in. */
static void gradient_is_that_of_differences(void **state)
{
	static const struct lstm_shape shape = {3, 32, 2, 2};
	static const float some_levels[] = {.2f, .7f};
	float inputs[7 * 3 * 3], targets[7 * 3 * 2];
	const bool restart[3] = {false, true, false};
	struct random random;
	struct lstm lstm;
	struct lstm_tape tape;
	struct error error;
	float *gradient;
	size_t count;

	random_init(&random, 1);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	assert_int_equal(lstm_tape_init(&tape, &shape, 7, 3, true, &error), STATUS_OK);
	gradient = mem_zalloc(lstm.parameter_count, sizeof(*gradient));
	assert_non_null(gradient);
	lstm_seed(&lstm, &random);
	for (size_t i = 0; i < shape.hidden; i++)
		for (size_t j = 0; j < shape.outputs; j++)
			lstm.head[i * LSTM_HEAD + j] = (float)random_normal(&random);
	for (size_t i = 0; i < ARRAY_COUNT(inputs); i++)
		inputs[i] = (float)random_normal(&random);
	for (size_t i = 0; i < ARRAY_COUNT(targets); i++)
		targets[i] = i % 5 == 0 ? NAN : (i % 2 == 0 ? 50 : -50);
	lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
	lstm_tape_carry(&tape, restart);
	lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
	(void)lstm_tape_gradient(&tape, &lstm, inputs, targets, some_levels, gradient);
	for (size_t tries = 0; tries < 300; tries++) {
		size_t at = tries < 20 ? lstm.parameter_count - 33 - tries * LSTM_HEAD
				       : random_below(&random, lstm.parameter_count);
		float kept = lstm.parameters[at];
		double up, down;

		lstm.parameters[at] = kept + .01f;
		lstm_prepare(&lstm);
		lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
		up = lstm_tape_loss(&tape, targets, some_levels, &count);
		lstm.parameters[at] = kept - .01f;
		lstm_prepare(&lstm);
		lstm_tape_run(&tape, &lstm, inputs, 0, NULL);
		down = lstm_tape_loss(&tape, targets, some_levels, &count);
		lstm.parameters[at] = kept;
		assert_near("gradient", (double)gradient[at], (up - down) / .02,
			4e-4 + .01 * fabs((double)gradient[at]));
	}
	assert_int_equal(count, ARRAY_COUNT(targets) - (ARRAY_COUNT(targets) + 4) / 5);
	mem_free(gradient);
	lstm_tape_fini(&tape);
	lstm_fini(&lstm);
}

static void a_state_carried_on_makes_two_windows_one(void **state)
{
	static const struct lstm_shape shape = {2, 32, 2, 1};
	float inputs[12 * 2 * 2];
	const bool restart[2] = {false, false};
	struct random random;
	struct lstm lstm;
	struct lstm_tape whole, half;
	struct error error;

	random_init(&random, 2);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	assert_int_equal(lstm_tape_init(&whole, &shape, 12, 2, false, &error), STATUS_OK);
	assert_int_equal(lstm_tape_init(&half, &shape, 6, 2, false, &error), STATUS_OK);
	lstm_seed(&lstm, &random);
	for (size_t i = 0; i < shape.hidden; i++)
		lstm.head[i * LSTM_HEAD] = (float)random_normal(&random);
	for (size_t i = 0; i < ARRAY_COUNT(inputs); i++)
		inputs[i] = (float)random_normal(&random);
	lstm_tape_run(&whole, &lstm, inputs, 0, NULL);
	lstm_tape_run(&half, &lstm, inputs, 0, NULL);
	lstm_tape_carry(&half, restart);
	lstm_tape_run(&half, &lstm, inputs + 24, 0, NULL);
	for (size_t i = 0; i < 12; i++)
		assert_near("output", (double)half.outputs[i * LSTM_HEAD],
			(double)whole.outputs[(12 + i) * LSTM_HEAD], 1e-6);
	lstm_tape_begin(&half);
	lstm_tape_run(&half, &lstm, inputs, 0, NULL);
	assert_near("output", (double)half.outputs[0], (double)whole.outputs[0], 1e-6);
	lstm_tape_fini(&whole);
	lstm_tape_fini(&half);
	lstm_fini(&lstm);
}

static void bad_shapes_are_refused_by_name(void **state)
{
	static const struct lstm_shape bad[] = {{0, 32, 1, 1}, {1, 33, 1, 1}, {1, 32, 9, 1},
		{1, 32, 1, 33}, {1, 1024, 1, 1}};
	static const char *const names[] = {"inputs", "hidden", "layers", "outputs", "hidden"};
	struct lstm lstm;
	struct lstm_tape tape;
	struct error error;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(lstm_init(&lstm, &bad[i], kernels_best(), &error),
			STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, names[i]));
	}
	assert_int_equal(lstm_tape_init(&tape, &golden_shape, 0, 1, false, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(lstm_tape_init(&tape, &golden_shape, 60, 100000, false, &error),
		STATUS_BAD_INPUT);
}

static void memory_that_fails_is_an_answer(void **state)
{
	bool injected = true;

	for (long n = 1; injected; n++) {
		struct lstm lstm;
		struct lstm_tape tape;
		struct error error;
		enum status status;

		mem_fail_after(n, false);
		status = lstm_init(&lstm, &golden_shape, kernels_best(), &error);
		if (status == STATUS_OK) {
			status = lstm_tape_init(&tape, &golden_shape, 4, 2, true, &error);
			if (status == STATUS_OK)
				lstm_tape_fini(&tape);
			lstm_fini(&lstm);
		}
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_answer_as_pytorch_does),
		cmocka_unit_test(steps_with_carried_state_answer_as_pytorch_does),
		cmocka_unit_test(rounded_weights_answer_nearly_as_pytorch_does),
		cmocka_unit_test(rounded_steps_of_many_are_those_of_each),
		cmocka_unit_test(gradients_are_those_of_pytorch),
		cmocka_unit_test(gradient_is_that_of_differences),
		cmocka_unit_test(a_state_carried_on_makes_two_windows_one),
		cmocka_unit_test(bad_shapes_are_refused_by_name),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("lstm", tests, NULL, NULL);
}
