/*
 * What the LSTM costs: one stateful step with caches hot and cold (swept before each with a block larger
 * than they are), 64 of them, a window of 60 rows, 64 windows, training; on one thread, CPU time, the
 * minimum of at least nine runs, for each version of the vector code, with weights of fp32 and of bf16.
 * The same of PyTorch is printed by bench_lstm.py.
 *
 * Usage: bench_lstm [BATCH [INPUTS HIDDEN LAYERS]]   (windows of a training step, 64; 8 128 3)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/lstm.h"
#include "analyzers/forecast/lstm_tape.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

#define ROWS 60u
#define RUNS 9
#define BATCH_MAX 256u
#define SWEPT ((size_t)96 << 20)

static struct lstm_shape shape = {8, 128, 3, 6};
static const float levels[] = {.1f, .5f, .9f, .1f, .5f, .9f};

struct bench {
	struct lstm lstm;
	float *states, *inputs, *targets, *outputs;
	float *gradient, *first, *second;
	unsigned char *swept;
};

static float *floats(size_t count)
{
	float *block = mem_zalloc(count, sizeof(*block));

	CHECK(block != NULL);
	return block;
}

static double now_us(void)
{
	return (double)clock_thread_cpu_ns() * 1e-3;
}

static double step_us(struct bench *bench, size_t count, int rounds)
{
	double best = HUGE_VAL;

	for (int run = 0; run < RUNS * 3; run++) {
		double start = now_us();

		for (int i = 0; i < rounds; i++)
			lstm_step(&bench->lstm, count, bench->states, bench->inputs,
				bench->outputs);
		best = fmin(best, (now_us() - start) / rounds);
	}
	return best;
}

static double cold_step_us(struct bench *bench)
{
	double best = HUGE_VAL;

	for (int run = 0; run < RUNS * 3; run++) {
		double start;

		for (size_t i = 0; i < SWEPT; i += 64)
			bench->swept[i]++;
		start = now_us();
		lstm_step(&bench->lstm, 1, bench->states, bench->inputs, bench->outputs);
		best = fmin(best, now_us() - start);
	}
	return best;
}

/* Windows of ROWS rows, `chunk` side by side at a time. */
static double windows_us(struct bench *bench, size_t count, size_t chunk)
{
	double best = HUGE_VAL;
	struct lstm_tape tape;
	struct error error;

	CHECK(lstm_tape_init(&tape, &shape, ROWS, chunk, false, &error) == STATUS_OK);
	for (int run = 0; run < RUNS; run++) {
		double start = now_us();

		for (size_t i = 0; i < count; i += chunk) {
			lstm_tape_begin(&tape);
			lstm_tape_run(&tape, &bench->lstm, bench->inputs, 0, NULL);
		}
		best = fmin(best, now_us() - start);
	}
	lstm_tape_fini(&tape);
	return best;
}

static double training_us(struct bench *bench, size_t batch, size_t chunk)
{
	static const struct kernel_adam adam = {1e-4f, .9f, .999f, 1e-8f, 1};
	double best = HUGE_VAL;
	struct lstm_tape tape;
	struct random random;
	struct error error;

	random_init(&random, 1);
	CHECK(lstm_tape_init(&tape, &shape, ROWS, chunk, true, &error) == STATUS_OK);
	for (int run = 0; run < RUNS; run++) {
		double start = now_us();

		for (size_t i = 0; i < batch; i += chunk) {
			lstm_tape_begin(&tape);
			lstm_tape_run(&tape, &bench->lstm, bench->inputs, .2, &random);
			(void)lstm_tape_gradient(&tape, &bench->lstm, bench->inputs, bench->targets,
				levels, bench->gradient);
		}
		bench->lstm.kernels->adam(bench->lstm.parameters, bench->gradient, bench->first,
			bench->second, bench->lstm.parameter_count, &adam);
		lstm_prepare(&bench->lstm);
		best = fmin(best, now_us() - start);
	}
	lstm_tape_fini(&tape);
	return best;
}

static void bench_init(struct bench *bench, const struct kernels *kernels, struct random *random)
{
	struct error error;

	CHECK(lstm_init(&bench->lstm, &shape, kernels, &error) == STATUS_OK);
	lstm_seed(&bench->lstm, random);
	bench->states = floats(64 * lstm_state_size(&shape));
	bench->inputs = floats((size_t)BATCH_MAX * ROWS * shape.inputs);
	bench->targets = floats((size_t)BATCH_MAX * ROWS * shape.outputs);
	bench->outputs = floats(64 * shape.outputs);
	bench->gradient = floats(bench->lstm.parameter_count);
	bench->first = floats(bench->lstm.parameter_count);
	bench->second = floats(bench->lstm.parameter_count);
	bench->swept = mem_zalloc(SWEPT, 1);
	CHECK(bench->swept != NULL);
	for (size_t i = 0; i < (size_t)BATCH_MAX * ROWS * shape.inputs; i++)
		bench->inputs[i] = (float)random_normal(random);
}

static void bench_fini(struct bench *bench)
{
	lstm_fini(&bench->lstm);
	mem_free(bench->states);
	mem_free(bench->inputs);
	mem_free(bench->targets);
	mem_free(bench->outputs);
	mem_free(bench->gradient);
	mem_free(bench->first);
	mem_free(bench->second);
	mem_free(bench->swept);
}

static void bench_answers(struct bench *bench, enum lstm_weights weights)
{
	lstm_take_weights(&bench->lstm, weights);
	printf("%-10s %s: step %6.1f us, cold %6.1f us, 64 steps %6.0f us, window %6.0f us, 64 windows %6.0f us\n",
		bench->lstm.kernels->name, weights == LSTM_BF16 ? "bf16" : "fp32",
		step_us(bench, 1, 100), cold_step_us(bench), step_us(bench, 64, 5),
		windows_us(bench, 1, 1), windows_us(bench, 64, 16));
}

int main(int argc, char **argv)
{
	size_t batch = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
	unsigned mode = kernels_flush_denormals();
	struct random random;
	struct bench bench;

	if (argc > 4)
		shape = (struct lstm_shape){strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10),
			strtoul(argv[4], NULL, 10), 6};
	CHECK(batch >= 16 && batch <= BATCH_MAX && batch % 16 == 0);
	random_init(&random, 1);
	for (size_t v = 0; kernels_at(v) != NULL; v++) {
		bench_init(&bench, kernels_at(v), &random);
		bench_answers(&bench, LSTM_BF16);
		bench_answers(&bench, LSTM_FP32);
		for (size_t chunk = 16; chunk <= batch; chunk *= 2)
			printf("%-10s training, %zu windows a step, %zu at a time: %6.0f windows/s\n",
				kernels_at(v)->name, batch, chunk,
				(double)batch / training_us(&bench, batch, chunk) * 1e6);
		bench_fini(&bench);
	}
	kernels_mode_restore(mode);
	return 0;
}
