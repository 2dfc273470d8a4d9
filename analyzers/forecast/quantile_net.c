/*
 * The small net of quantiles.
 *
 * A pass runs a batch through three matrix products and remembers the activations; the way back gives
 * the gradient of all weights as products of the same kind. Sums begin with the bias.
 */
#include "analyzers/forecast/quantile_net.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define LAYERS 3
#define WIDTH QUANTILE_NET_HIDDEN
#define BATCH_MAX 1024
#define PI 3.14159265358979323846

enum status quantile_net_init(struct quantile_net *net, size_t inputs, const float *levels,
	size_t outputs, const struct kernels *kernels, struct error *error)
{
	memset(net, 0, sizeof(*net));
	if (inputs < 1 || inputs > QUANTILE_NET_INPUTS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "inputs %zu: must be 1 to %d", inputs,
			QUANTILE_NET_INPUTS_MAX);
	if (outputs < 1 || outputs > QUANTILE_NET_OUTPUTS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "outputs %zu: must be 1 to %d", outputs,
			QUANTILE_NET_OUTPUTS_MAX);
	for (size_t j = 0; j < outputs; j++)
		if (!(levels[j] > (j == 0 ? 0 : levels[j - 1]) && levels[j] < 1))
			return error_set(error, STATUS_BAD_INPUT,
				"level %zu: levels must ascend between 0 and 1", j);
	net->inputs = inputs;
	net->outputs = outputs;
	net->kernels = kernels;
	memcpy(net->levels, levels, outputs * sizeof(*levels));
	net->parameter_count = (inputs + 1 + 2 * (WIDTH + 1)) * WIDTH;
	net->block = mem_zalloc(2 * inputs + net->parameter_count, sizeof(float));
	if (net->block == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a net");
	return STATUS_OK;
}

void quantile_net_fini(struct quantile_net *net)
{
	mem_free(net->block);
	memset(net, 0, sizeof(*net));
}

void quantile_net_training_default(struct quantile_net_training *training)
{
	*training =
		(struct quantile_net_training){.epochs = 16, .batch = 512, .rate = 3e-3, .seed = 1};
}

static size_t layer_inputs(const struct quantile_net *net, size_t layer)
{
	return layer == 0 ? net->inputs : WIDTH;
}

/* W [inputs of the layer][WIDTH] of a layer within a block of parameters (or of their gradient); b
 * stands behind it. */
static float *layer_of(const struct quantile_net *net, float *parameters, size_t layer)
{
	return layer == 0 ? parameters
			  : parameters + (net->inputs + 1 + (layer - 1) * (WIDTH + 1)) * WIDTH;
}

/* x: [rows][inputs], standardised; sums: LAYERS times [rows][WIDTH], tanh of them but for the last. */
static void forward(const struct quantile_net *net, const float *x, size_t rows, float *const *sums)
{
	float *parameters = net->block + 2 * net->inputs;

	for (size_t l = 0; l < LAYERS; l++) {
		size_t inner = layer_inputs(net, l);
		const float *weights = layer_of(net, parameters, l);
		struct kernel_product product = {.rows = rows,
			.inner = inner,
			.columns = WIDTH,
			.a = l == 0 ? x : sums[l - 1],
			.a_row = inner,
			.a_column = 1,
			.b = weights,
			.b_row = WIDTH,
			.c = sums[l],
			.c_row = WIDTH,
			.add = true};

		for (size_t i = 0; i < rows; i++)
			memcpy(sums[l] + i * WIDTH, weights + inner * WIDTH, WIDTH * sizeof(float));
		net->kernels->multiply(&product);
		if (l + 1 < LAYERS)
			net->kernels->tanh(sums[l], rows * WIDTH);
	}
}

/* The last sums become the loss' gradient by them; returns the summed loss. */
static double outputs_back(const struct quantile_net *net, const float *targets, size_t rows,
	float *outputs)
{
	float part = 1 / (float)(rows * net->outputs);
	double loss = 0;

	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < WIDTH; j++) {
			float *output = &outputs[i * WIDTH + j];
			float over = targets[i] - *output, level = net->levels[j];

			if (j >= net->outputs) {
				*output = 0;
				continue;
			}
			loss += (double)(over >= 0 ? level * over : (level - 1) * over);
			*output = over >= 0 ? -level * part : (1 - level) * part;
		}
	return loss;
}

/* The gradient of a layer's weights and bias: a' d, and the sum of d; d: [rows][WIDTH]. */
static void weights_back(const struct quantile_net *net, const float *a, size_t inner,
	const float *d, size_t rows, float *gradient)
{
	static const float one = 1;
	struct kernel_product product = {.rows = inner,
		.inner = rows,
		.columns = WIDTH,
		.a = a,
		.a_row = 1,
		.a_column = inner,
		.b = d,
		.b_row = WIDTH,
		.c = gradient,
		.c_row = WIDTH};

	net->kernels->multiply(&product);
	product.rows = 1;
	product.a = &one;
	product.a_column = 0;
	product.c = gradient + inner * WIDTH;
	net->kernels->multiply(&product);
}

/* sums are as forward() left them and become gradients; returns the summed loss. */
static double backward(const struct quantile_net *net, const float *x, const float *targets,
	size_t rows, float *const *sums, float *spare, float *gradient)
{
	double loss = outputs_back(net, targets, rows, sums[LAYERS - 1]);
	float transposed[WIDTH * WIDTH];

	for (size_t l = LAYERS; l-- > 0;) {
		const float *a = l == 0 ? x : sums[l - 1];
		struct kernel_product below = {.rows = rows,
			.inner = WIDTH,
			.columns = WIDTH,
			.a = sums[l],
			.a_row = WIDTH,
			.a_column = 1,
			.b = transposed,
			.b_row = WIDTH,
			.c = spare,
			.c_row = WIDTH};

		weights_back(net, a, layer_inputs(net, l), sums[l], rows,
			layer_of(net, gradient, l));
		if (l == 0)
			break;
		kernels_pack_transposed(layer_of(net, net->block + 2 * net->inputs, l), WIDTH,
			WIDTH, WIDTH, transposed);
		net->kernels->multiply(&below);
		for (size_t i = 0; i < rows * WIDTH; i++)
			sums[l - 1][i] = spare[i] * (1 - sums[l - 1][i] * sums[l - 1][i]);
	}
	return loss;
}

static void standardise(const struct quantile_net *net, const float *inputs, float *x)
{
	for (size_t i = 0; i < net->inputs; i++)
		x[i] = fminf(fmaxf((inputs[i] - net->block[i]) * net->block[net->inputs + i],
				     -QUANTILE_NET_BOUND),
			QUANTILE_NET_BOUND);
}

static void standard_learn(struct quantile_net *net, const float *inputs, size_t count)
{
	for (size_t i = 0; i < net->inputs; i++) {
		double mean = 0, square = 0, deviation;

		for (size_t r = 0; r < count; r++)
			mean += ((double)inputs[r * net->inputs + i] - mean) / (double)(r + 1);
		for (size_t r = 0; r < count; r++) {
			double apart = (double)inputs[r * net->inputs + i] - mean;

			square += (apart * apart - square) / (double)(r + 1);
		}
		deviation = sqrt(square);
		net->block[i] = (float)mean;
		/* An input that never changed says nothing. */
		net->block[net->inputs + i] = deviation > 1e-12 ? (float)(1 / deviation) : 0;
	}
}

static void weights_seed(struct quantile_net *net, struct random *random)
{
	float *parameters = net->block + 2 * net->inputs;

	memset(parameters, 0, net->parameter_count * sizeof(float));
	for (size_t l = 0; l + 1 < LAYERS; l++) {
		size_t inner = layer_inputs(net, l);
		double bound = sqrt(3.0 / (double)inner);
		float *weights = layer_of(net, parameters, l);

		for (size_t i = 0; i < inner * WIDTH; i++)
			weights[i] = (float)((random_unit(random) * 2 - 1) * bound);
	}
}

struct trainer {
	float *x, *targets; /* [batch][inputs], [batch] */
	float *sums[LAYERS], *spare;
	float *gradient, *first, *second;
	size_t *order; /* [count], rows with a target, shuffled */
	size_t count;
};

static void trainer_fini(struct trainer *trainer)
{
	for (size_t l = 0; l < LAYERS; l++)
		mem_free(trainer->sums[l]);
	mem_free(trainer->x);
	mem_free(trainer->targets);
	mem_free(trainer->spare);
	mem_free(trainer->gradient);
	mem_free(trainer->first);
	mem_free(trainer->second);
	mem_free(trainer->order);
}

static bool trainer_init(struct trainer *trainer, const struct quantile_net *net, size_t batch,
	size_t count)
{
	bool all = true;

	memset(trainer, 0, sizeof(*trainer));
	for (size_t l = 0; l < LAYERS; l++) {
		trainer->sums[l] = mem_zalloc(batch * WIDTH, sizeof(float));
		all = all && trainer->sums[l] != NULL;
	}
	trainer->x = mem_zalloc(batch * net->inputs, sizeof(float));
	trainer->targets = mem_zalloc(batch, sizeof(float));
	trainer->spare = mem_zalloc(batch * WIDTH, sizeof(float));
	trainer->gradient = mem_zalloc(net->parameter_count, sizeof(float));
	trainer->first = mem_zalloc(net->parameter_count, sizeof(float));
	trainer->second = mem_zalloc(net->parameter_count, sizeof(float));
	trainer->order = mem_zalloc(count, sizeof(size_t));
	return all && trainer->x != NULL && trainer->targets != NULL && trainer->spare != NULL &&
		trainer->gradient != NULL && trainer->first != NULL && trainer->second != NULL &&
		trainer->order != NULL;
}

/* One epoch over the rows in a new order. */
static double epoch_run(struct quantile_net *net, struct trainer *trainer, const float *inputs,
	const float *targets, const struct quantile_net_training *by, size_t epoch,
	struct random *random)
{
	size_t batches = (trainer->count + by->batch - 1) / by->batch;
	double loss = 0;

	for (size_t i = trainer->count; i > 1; i--) {
		size_t other = random_below(random, i), kept = trainer->order[i - 1];

		trainer->order[i - 1] = trainer->order[other];
		trainer->order[other] = kept;
	}
	for (size_t b = 0; b < batches; b++) {
		size_t from = b * by->batch, rows = trainer->count - from;
		double steps = (double)(epoch * batches + b + 1);
		double share = steps / (double)(by->epochs * batches + 1);
		double second = sqrt(1 - pow(.999, steps));
		struct kernel_adam adam = {.decay_first = .9f,
			.decay_second = .999f,
			.epsilon = (float)(1e-8 * second),
			.scale = 1,
			.rate = (float)(by->rate * .5 * (1 + cos(PI * share)) * second /
				(1 - pow(.9, steps)))};

		if (rows > by->batch)
			rows = by->batch;
		for (size_t i = 0; i < rows; i++) {
			size_t row = trainer->order[from + i];

			standardise(net, inputs + row * net->inputs, trainer->x + i * net->inputs);
			trainer->targets[i] = targets[row];
		}
		forward(net, trainer->x, rows, trainer->sums);
		loss += backward(net, trainer->x, trainer->targets, rows, trainer->sums,
			trainer->spare, trainer->gradient);
		net->kernels->adam(net->block + 2 * net->inputs, trainer->gradient, trainer->first,
			trainer->second, net->parameter_count, &adam);
	}
	return loss / (double)(trainer->count * net->outputs);
}

enum status quantile_net_train(struct quantile_net *net, const float *inputs, const float *targets,
	size_t count, const struct quantile_net_training *training, double *loss,
	struct error *error)
{
	struct trainer trainer;
	struct random random;
	enum status status = STATUS_OK;
	unsigned mode;

	if (training->epochs < 1 || training->batch < 1 || training->batch > BATCH_MAX ||
		!(training->rate > 0))
		return error_set(error, STATUS_BAD_INPUT,
			"epochs and rate must be above 0, batch 1 to %d", BATCH_MAX);
	if (!trainer_init(&trainer, net, training->batch, count)) {
		status = error_set(error, STATUS_NO_MEMORY, "no memory for training");
		goto done;
	}
	for (size_t i = 0; i < count; i++)
		if (isfinite(targets[i]))
			trainer.order[trainer.count++] = i;
	if (trainer.count == 0) {
		status = error_set(error, STATUS_BAD_INPUT, "%zu rows, none with a target", count);
		goto done;
	}
	random_init(&random, training->seed);
	standard_learn(net, inputs, count);
	weights_seed(net, &random);
	mode = kernels_flush_denormals();
	for (size_t epoch = 0; epoch < training->epochs; epoch++)
		*loss = epoch_run(net, &trainer, inputs, targets, training, epoch, &random);
	kernels_mode_restore(mode);
done:
	trainer_fini(&trainer);
	return status;
}

void quantile_net_predict(const struct quantile_net *net, const float *inputs, float *quantiles)
{
	float x[QUANTILE_NET_INPUTS_MAX], sums[LAYERS][WIDTH];
	float *const pointers[LAYERS] = {sums[0], sums[1], sums[2]};

	standardise(net, inputs, x);
	forward(net, x, 1, pointers);
	/* Sorted by insertion: they hardly ever cross. */
	for (size_t j = 0; j < net->outputs; j++) {
		float value = sums[LAYERS - 1][j];
		size_t at = j;

		for (; at > 0 && quantiles[at - 1] > value; at--)
			quantiles[at] = quantiles[at - 1];
		quantiles[at] = value;
	}
}

void quantile_net_pack(struct quantile_net *net, struct pack *pack)
{
	pack_same(pack, net->inputs);
	pack_same(pack, net->outputs);
	pack_bytes(pack, net->block, (2 * net->inputs + net->parameter_count) * sizeof(float));
}
