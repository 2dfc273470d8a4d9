/*
 * The training loop.
 *
 * A lane is a place in a series. Each step takes one window of every lane; a lane whose next window
 * would reach into the holdout begins anew, with a state of zero, at a random place of a series drawn
 * by length. The holdout is stepped through row by row with the state that the rows before it leave,
 * as in service.
 */
#include "analyzers/forecast/lstm_train.h"

#include <math.h>
#include <string.h>

#include "analyzers/forecast/lstm_crew.h"
#include "base/check.h"
#include "base/mem.h"

#define WARM_ROWS 120
#define EPOCH_STEPS_MIN 30
#define PI 3.14159265358979323846

struct trainer {
	struct lstm *lstm;
	const struct lstm_rows *series;
	size_t series_count, rows; /* rows that may be trained on, of all series */
	const float *levels;
	const struct lstm_training *by;
	struct random random;
	struct lstm_crew *crew;
	size_t *lane_series, *lane_at; /* [batch] */
	float *gradient, *first, *second, *best;
	float *state;
	size_t steps;
};

void lstm_training_default(struct lstm_training *training)
{
	*training = (struct lstm_training){.window = 60,
		.batch = 16,
		.epochs_max = 20,
		.patience = 3,
		.holdout = .15,
		.rate = 2e-3,
		.clip = 1,
		.dropout = .2,
		.rate_end = 1,
		.share = 16,
		.threads = 1,
		.seed = 1};
}

static enum status training_check(const struct lstm_training *by, struct error *error)
{
	if (by->epochs_max < 1 || by->patience < 1)
		return error_set(error, STATUS_BAD_INPUT,
			"epochs_max and patience must be above 0");
	if (!(by->holdout > 0 && by->holdout < .5))
		return error_set(error, STATUS_BAD_INPUT, "holdout must be above 0 and below .5");
	if (!(by->rate > 0 && by->rate < 1) || !(by->clip > 0))
		return error_set(error, STATUS_BAD_INPUT, "rate and clip must be above 0");
	if (!(by->rate_end > 0 && by->rate_end <= 1))
		return error_set(error, STATUS_BAD_INPUT, "rate_end must be above 0 and at most 1");
	if (!(by->dropout >= 0 && by->dropout < .9))
		return error_set(error, STATUS_BAD_INPUT, "dropout must be 0 to .9");
	return STATUS_OK;
}

/* Rows of a series that may be trained on; 0 when it is too short for a window. */
static size_t trained_rows(const struct trainer *trainer, size_t series)
{
	size_t count = trainer->series[series].count;
	size_t rows = count - (size_t)((double)count * trainer->by->holdout);

	return rows >= trainer->by->window && rows < count ? rows : 0;
}

static void trainer_fini(struct trainer *trainer)
{
	lstm_crew_close(trainer->crew);
	mem_free(trainer->lane_series);
	mem_free(trainer->lane_at);
	mem_free(trainer->gradient);
	mem_free(trainer->first);
	mem_free(trainer->second);
	mem_free(trainer->best);
	mem_free(trainer->state);
}

static enum status trainer_init(struct trainer *trainer, struct error *error)
{
	const struct lstm_training *by = trainer->by;
	const struct lstm_crew_config crew = {.window = by->window,
		.batch = by->batch,
		.share = by->batch < by->share ? by->batch : by->share,
		.threads = by->threads,
		.dropout = by->dropout,
		.seed = by->seed};
	size_t parameters = trainer->lstm->parameter_count;

	trainer->crew = lstm_crew_open(&trainer->lstm->shape, &crew, error);
	if (trainer->crew == NULL)
		return error->code;
	trainer->lane_series = mem_zalloc(by->batch, sizeof(size_t));
	trainer->lane_at = mem_zalloc(by->batch, sizeof(size_t));
	trainer->gradient = mem_zalloc(parameters, sizeof(float));
	trainer->first = mem_zalloc(parameters, sizeof(float));
	trainer->second = mem_zalloc(parameters, sizeof(float));
	trainer->best = mem_zalloc(parameters, sizeof(float));
	trainer->state = mem_zalloc(lstm_state_size(&trainer->lstm->shape), sizeof(float));
	if (trainer->lane_series == NULL || trainer->lane_at == NULL || trainer->gradient == NULL ||
		trainer->first == NULL || trainer->second == NULL || trainer->best == NULL ||
		trainer->state == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for training");
	return STATUS_OK;
}

/* A random place of a series drawn by the rows it has. */
static void lane_place(struct trainer *trainer, size_t lane)
{
	uint64_t drawn = random_below(&trainer->random, trainer->rows);
	size_t series = 0;

	while (drawn >= trained_rows(trainer, series))
		drawn -= trained_rows(trainer, series++);
	trainer->lane_series[lane] = series;
	trainer->lane_at[lane] = random_below(&trainer->random,
		trained_rows(trainer, series) - trainer->by->window + 1);
}

/* The next window of each lane to where the crew wants it. */
static void lanes_gather(struct trainer *trainer)
{
	const struct lstm_shape *shape = &trainer->lstm->shape;
	size_t batch = trainer->by->batch, window = trainer->by->window;

	for (size_t i = 0; i < batch; i++) {
		const struct lstm_rows *rows;
		struct lstm_lane lane;

		lstm_crew_lane(trainer->crew, i, &lane);
		*lane.restart = trainer->steps == 0 ||
			trainer->lane_at[i] + window >
				trained_rows(trainer, trainer->lane_series[i]);
		if (*lane.restart)
			lane_place(trainer, i);
		rows = &trainer->series[trainer->lane_series[i]];
		for (size_t t = 0; t < window; t++) {
			memcpy(lane.inputs + t * lane.inputs_stride,
				rows->inputs + (trainer->lane_at[i] + t) * shape->inputs,
				shape->inputs * sizeof(float));
			memcpy(lane.targets + t * lane.targets_stride,
				rows->targets + (trainer->lane_at[i] + t) * shape->outputs,
				shape->outputs * sizeof(float));
		}
		trainer->lane_at[i] += window;
	}
}

static double norm(const struct kernels *kernels, const float *x, size_t count)
{
	double sum = 0;

	/* By pieces, so that single precision is enough. */
	for (size_t i = 0; i < count; i += 4096) {
		size_t piece = count - i < 4096 ? count - i : 4096;

		sum += (double)kernels->dot(x + i, x + i, piece);
	}
	return sqrt(sum);
}

/* progress: share of the longest training that is done. */
static double step(struct trainer *trainer, double progress)
{
	struct lstm *lstm = trainer->lstm;
	struct kernel_adam adam = {.decay_first = .9f, .decay_second = .999f, .scale = 1};
	double end = trainer->by->rate_end, loss, length, first, second, steps;

	lanes_gather(trainer);
	loss = lstm_crew_gradient(trainer->crew, lstm, trainer->levels, trainer->gradient);
	length = norm(lstm->kernels, trainer->gradient, lstm->parameter_count);
	trainer->steps++;
	/* A step without an end is left out: the parameters stay good. */
	if (!isfinite(length))
		return loss;
	if (length > trainer->by->clip)
		adam.scale = (float)(trainer->by->clip / length);
	steps = (double)trainer->steps;
	first = 1 - pow((double)adam.decay_first, steps);
	second = sqrt(1 - pow((double)adam.decay_second, steps));
	adam.rate = (float)(trainer->by->rate * second / first *
		(end + (1 - end) * .5 * (1 + cos(PI * progress))));
	adam.epsilon = (float)(1e-8 * second);
	lstm->kernels->adam(lstm->parameters, trainer->gradient, trainer->first, trainer->second,
		lstm->parameter_count, &adam);
	lstm_prepare(lstm);
	return loss;
}

/* The mean pinball loss over all holdouts, stepped through as in service. */
static double holdout_loss(struct trainer *trainer)
{
	const struct lstm_shape *shape = &trainer->lstm->shape;
	float outputs[LSTM_HEAD];
	double sum = 0, count = 0;

	for (size_t s = 0; s < trainer->series_count; s++) {
		const struct lstm_rows *rows = &trainer->series[s];
		size_t split = trained_rows(trainer, s);
		size_t from = split > WARM_ROWS ? split - WARM_ROWS : 0;

		memset(trainer->state, 0, lstm_state_size(shape) * sizeof(float));
		for (size_t t = from; split > 0 && t < rows->count; t++) {
			lstm_step(trainer->lstm, 1, trainer->state,
				rows->inputs + t * shape->inputs, outputs);
			for (size_t j = 0; j < shape->outputs && t >= split; j++) {
				double over = (double)rows->targets[t * shape->outputs + j] -
					(double)outputs[j];
				double level = (double)trainer->levels[j];

				if (isnan(over))
					continue;
				sum += over >= 0 ? level * over : (level - 1) * over;
				count++;
			}
		}
	}
	return count > 0 ? sum / count : NAN;
}

static bool is_stopped(const struct trainer *trainer)
{
	return trainer->by->stopping != NULL && atomic_load(trainer->by->stopping);
}

/* Epochs until patience, the maximum or the caller ends them. */
static void epochs_run(struct trainer *trainer, struct lstm_training_result *result)
{
	size_t size = trainer->lstm->parameter_count * sizeof(float), since = 0;
	size_t steps = trainer->rows / (trainer->by->window * trainer->by->batch) + 1;
	bool go_on = true;

	if (steps < EPOCH_STEPS_MIN)
		steps = EPOCH_STEPS_MIN;
	memcpy(trainer->best, trainer->lstm->parameters, size);
	result->first_holdout = result->best_holdout = holdout_loss(trainer);
	while (go_on && result->epochs < trainer->by->epochs_max && since < trainer->by->patience) {
		double loss = 0, holdout;

		for (size_t i = 0; i < steps && !is_stopped(trainer); i++)
			loss += step(trainer,
					((double)result->epochs + (double)i / (double)steps) /
						(double)trainer->by->epochs_max) /
				(double)steps;
		if (is_stopped(trainer))
			break;
		holdout = holdout_loss(trainer);
		result->epochs++;
		since++;
		if (holdout < result->best_holdout) {
			result->best_holdout = holdout;
			memcpy(trainer->best, trainer->lstm->parameters, size);
			since = 0;
		}
		if (trainer->by->progress != NULL)
			go_on = trainer->by->progress(trainer->by->caller, result->epochs, loss,
				holdout);
	}
	result->steps = trainer->steps;
	memcpy(trainer->lstm->parameters, trainer->best, size);
	lstm_prepare(trainer->lstm);
}

enum status lstm_train(struct lstm *lstm, const struct lstm_rows *series, size_t series_count,
	const float *levels, const struct lstm_training *training,
	struct lstm_training_result *result, struct error *error)
{
	struct trainer trainer = {.lstm = lstm,
		.series = series,
		.series_count = series_count,
		.levels = levels,
		.by = training};
	enum status status = training_check(training, error);
	unsigned mode;

	memset(result, 0, sizeof(*result));
	if (status != STATUS_OK)
		return status;
	status = trainer_init(&trainer, error);
	if (status != STATUS_OK)
		goto done;
	for (size_t s = 0; s < series_count; s++)
		trainer.rows += trained_rows(&trainer, s);
	if (trainer.rows == 0) {
		status = error_set(error, STATUS_BAD_INPUT,
			"no series is long enough for a window of %zu rows and a holdout",
			training->window);
		goto done;
	}
	random_init(&trainer.random, training->seed);
	mode = kernels_flush_denormals();
	epochs_run(&trainer, result);
	kernels_mode_restore(mode);
done:
	trainer_fini(&trainer);
	return status;
}
