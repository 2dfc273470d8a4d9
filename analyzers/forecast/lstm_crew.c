/*
 * Shares and the threads that take them.
 *
 * The caller is one of the threads: a round begins by its number, everybody takes the next share until
 * none is left, and the caller waits for the last one.
 */
#include "analyzers/forecast/lstm_crew.h"

#include <pthread.h>
#include <string.h>

#include "analyzers/forecast/lstm_tape.h"
#include "analyzers/forecast/lstm_train.h"
#include "base/mem.h"
#include "base/thread_name.h"

struct share {
	struct lstm_tape tape;
	struct random random;
	float *inputs, *targets; /* [window][share][...] */
	float *gradient;
	bool *restart; /* [share] */
	double loss;
};

struct lstm_crew {
	struct lstm_shape shape;
	struct lstm_crew_config config;
	struct share shares[LSTM_TRAIN_SHARES_MAX];
	size_t share_count, parameter_count;
	/* Of the round. */
	const struct lstm *lstm;
	const float *levels;
	pthread_mutex_t lock; /* a leaf: guards all below */
	pthread_cond_t begun, ended;
	pthread_t threads[LSTM_TRAIN_THREADS_MAX];
	size_t thread_count; /* besides the caller */
	unsigned round;
	size_t taken, done;
	bool stopping;
};

static void share_fini(struct share *share)
{
	lstm_tape_fini(&share->tape);
	mem_free(share->inputs);
	mem_free(share->targets);
	mem_free(share->gradient);
	mem_free(share->restart);
}

static enum status share_init(struct share *share, const struct lstm_crew *crew, size_t index,
	struct error *error)
{
	const struct lstm_crew_config *by = &crew->config;
	size_t wide = by->window * by->share;
	enum status status =
		lstm_tape_init(&share->tape, &crew->shape, by->window, by->share, true, error);

	if (status != STATUS_OK)
		return status;
	random_init(&share->random, by->seed + index);
	share->inputs = mem_zalloc(wide * crew->shape.inputs, sizeof(float));
	share->targets = mem_zalloc(wide * crew->shape.outputs, sizeof(float));
	share->gradient = mem_zalloc(crew->parameter_count, sizeof(float));
	share->restart = mem_zalloc(by->share, sizeof(bool));
	if (share->inputs == NULL || share->targets == NULL || share->gradient == NULL ||
		share->restart == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for training");
	return STATUS_OK;
}

static void share_work(const struct lstm_crew *crew, struct share *share)
{
	lstm_tape_carry(&share->tape, share->restart);
	lstm_tape_run(&share->tape, crew->lstm, share->inputs, crew->config.dropout,
		&share->random);
	share->loss = lstm_tape_gradient(&share->tape, crew->lstm, share->inputs, share->targets,
		crew->levels, share->gradient);
}

/* Takes shares until none is left. The lock is held on entry and on return. */
static void shares_take(struct lstm_crew *crew)
{
	while (crew->taken < crew->share_count) {
		struct share *share = &crew->shares[crew->taken++];

		pthread_mutex_unlock(&crew->lock);
		share_work(crew, share);
		pthread_mutex_lock(&crew->lock);
		crew->done++;
	}
	if (crew->done == crew->share_count)
		pthread_cond_signal(&crew->ended);
}

static void *run(void *argument)
{
	struct lstm_crew *crew = argument;
	unsigned round = 0;

	thread_name("lstm crew");
	(void)kernels_flush_denormals();
	pthread_mutex_lock(&crew->lock);
	for (;;) {
		while (!crew->stopping && crew->round == round)
			pthread_cond_wait(&crew->begun, &crew->lock);
		if (crew->stopping)
			break;
		round = crew->round;
		shares_take(crew);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static enum status config_check(const struct lstm_crew_config *by, struct error *error)
{
	if (by->threads < 1 || by->threads > LSTM_TRAIN_THREADS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "threads must be 1 to %d",
			LSTM_TRAIN_THREADS_MAX);
	if (by->share < 1 || by->batch < 1 || by->batch % by->share != 0 ||
		by->batch / by->share > LSTM_TRAIN_SHARES_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"batch %zu in shares of %zu: must be 1 to %d whole shares", by->batch,
			by->share, LSTM_TRAIN_SHARES_MAX);
	return STATUS_OK;
}

struct lstm_crew *lstm_crew_open(const struct lstm_shape *shape,
	const struct lstm_crew_config *config, struct error *error)
{
	struct lstm_crew *crew;

	if (config_check(config, error) != STATUS_OK)
		return NULL;
	crew = mem_zalloc(1, sizeof(*crew));
	if (crew == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for training");
		return NULL;
	}
	crew->shape = *shape;
	crew->config = *config;
	crew->share_count = config->batch / config->share;
	crew->parameter_count = lstm_parameter_count(shape);
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->begun, NULL);
	pthread_cond_init(&crew->ended, NULL);
	for (size_t i = 0; i < crew->share_count; i++)
		if (share_init(&crew->shares[i], crew, i, error) != STATUS_OK) {
			lstm_crew_close(crew);
			return NULL;
		}
	while (crew->thread_count + 1 < config->threads &&
		crew->thread_count + 1 < crew->share_count &&
		pthread_create(&crew->threads[crew->thread_count], NULL, run, crew) == 0)
		crew->thread_count++;
	return crew;
}

void lstm_crew_close(struct lstm_crew *crew)
{
	if (crew == NULL)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->stopping = true;
	pthread_cond_broadcast(&crew->begun);
	pthread_mutex_unlock(&crew->lock);
	for (size_t i = 0; i < crew->thread_count; i++)
		pthread_join(crew->threads[i], NULL);
	for (size_t i = 0; i < crew->share_count; i++)
		share_fini(&crew->shares[i]);
	pthread_cond_destroy(&crew->ended);
	pthread_cond_destroy(&crew->begun);
	pthread_mutex_destroy(&crew->lock);
	mem_free(crew);
}

void lstm_crew_lane(struct lstm_crew *crew, size_t lane, struct lstm_lane *place)
{
	struct share *share = &crew->shares[lane / crew->config.share];
	size_t at = lane % crew->config.share;

	*place = (struct lstm_lane){.inputs = share->inputs + at * crew->shape.inputs,
		.targets = share->targets + at * crew->shape.outputs,
		.inputs_stride = crew->config.share * crew->shape.inputs,
		.targets_stride = crew->config.share * crew->shape.outputs,
		.restart = &share->restart[at]};
}

double lstm_crew_gradient(struct lstm_crew *crew, const struct lstm *lstm, const float *levels,
	float *gradient)
{
	double loss = 0, count = 0;

	pthread_mutex_lock(&crew->lock);
	crew->lstm = lstm;
	crew->levels = levels;
	crew->taken = crew->done = 0;
	crew->round++;
	pthread_cond_broadcast(&crew->begun);
	shares_take(crew);
	while (crew->done < crew->share_count)
		pthread_cond_wait(&crew->ended, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
	for (size_t s = 0; s < crew->share_count; s++)
		count += (double)crew->shares[s].tape.target_count;
	memset(gradient, 0, crew->parameter_count * sizeof(*gradient));
	for (size_t s = 0; s < crew->share_count && count > 0; s++) {
		const struct share *share = &crew->shares[s];
		double part = (double)share->tape.target_count / count;
		float weight = (float)part;

		loss += part * share->loss;
		for (size_t i = 0; i < crew->parameter_count; i++)
			gradient[i] += weight * share->gradient[i];
	}
	return loss;
}
