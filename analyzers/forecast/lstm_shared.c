/*
 * The net that serves all workloads, and the class of forecasters that step it.
 *
 * A forecaster looks at the generation with each row; when it moved, it lets its net go, holds the new
 * one and begins with a state of zero. One of another shape is left: there is no memory to be had in a
 * step, and forecasters opened later take it.
 */
#include "analyzers/forecast/lstm_shared.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include <xxhash.h>

#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/model.h"
#include "base/mem.h"

/* Rows of a fit that are stepped through the net itself: its state knows the series then. */
#define FIT_ROWS 720

struct lstm_shared {
	pthread_mutex_t lock; /* a leaf */
	struct lstm_net *net;
	enum lstm_weights weights;
	_Atomic unsigned generation;
};

struct lstm_shape lstm_net_shape(const struct forecaster_config *config)
{
	return (struct lstm_shape){.inputs = LSTM_SERIES_INPUTS(config->horizon_count,
					   config->lstm_beside),
		.hidden = config->lstm_hidden,
		.layers = config->lstm_layers,
		.outputs = LSTM_SERIES_QUANTILES * config->horizon_count};
}

static struct lstm_net *net_open(const struct lstm_shape *shape, struct error *error)
{
	struct lstm_net *net = mem_zalloc(1, sizeof(*net));

	if (net == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a net");
		return NULL;
	}
	atomic_init(&net->holders, 1);
	if (lstm_init(&net->lstm, shape, kernels_best(), error) != STATUS_OK) {
		mem_free(net);
		return NULL;
	}
	return net;
}

struct lstm_net *lstm_net_open(const struct forecaster_config *config, struct error *error)
{
	struct lstm_shape shape = lstm_net_shape(config);
	struct lstm_net *net = net_open(&shape, error);
	struct random random;

	if (net == NULL)
		return NULL;
	memcpy(net->horizons, config->horizons, sizeof(net->horizons));
	net->horizon_count = config->horizon_count;
	net->beside = config->lstm_beside;
	random_init(&random, config->seed);
	lstm_seed(&net->lstm, &random);
	return net;
}

struct lstm_net *lstm_net_copy(const struct lstm_net *net, struct error *error)
{
	struct lstm_net *copy = net_open(&net->lstm.shape, error);

	if (copy == NULL)
		return NULL;
	memcpy(copy->horizons, net->horizons, sizeof(copy->horizons));
	copy->horizon_count = net->horizon_count;
	copy->beside = net->beside;
	memcpy(copy->lstm.parameters, net->lstm.parameters,
		net->lstm.parameter_count * sizeof(float));
	lstm_prepare(&copy->lstm);
	return copy;
}

bool lstm_net_fits(const struct lstm_net *net, const struct forecaster_config *config)
{
	return net->horizon_count == config->horizon_count &&
		memcmp(net->horizons, config->horizons,
			config->horizon_count * sizeof(*net->horizons)) == 0;
}

uint64_t lstm_net_mark(const struct lstm_net *net)
{
	return XXH3_64bits(net->lstm.parameters, net->lstm.parameter_count * sizeof(float));
}

void lstm_net_release(struct lstm_net *net)
{
	if (net == NULL || atomic_fetch_sub(&net->holders, 1) > 1)
		return;
	lstm_fini(&net->lstm);
	mem_free(net);
}

struct lstm_shared *lstm_shared_open(enum lstm_weights weights, struct error *error)
{
	struct lstm_shared *shared = mem_zalloc(1, sizeof(*shared));

	if (shared == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a net that is shared");
		return NULL;
	}
	pthread_mutex_init(&shared->lock, NULL);
	atomic_init(&shared->generation, 0);
	shared->weights = weights;
	return shared;
}

void lstm_shared_close(struct lstm_shared *shared)
{
	if (shared == NULL)
		return;
	lstm_net_release(shared->net);
	pthread_mutex_destroy(&shared->lock);
	mem_free(shared);
}

enum lstm_weights lstm_shared_weights(const struct lstm_shared *shared)
{
	return shared->weights;
}

void lstm_shared_put(struct lstm_shared *shared, struct lstm_net *net)
{
	struct lstm_net *before;

	lstm_take_weights(&net->lstm, shared->weights);
	pthread_mutex_lock(&shared->lock);
	before = shared->net;
	shared->net = net;
	atomic_fetch_add(&shared->generation, 1);
	pthread_mutex_unlock(&shared->lock);
	lstm_net_release(before);
}

struct lstm_net *lstm_shared_hold(struct lstm_shared *shared)
{
	struct lstm_net *net;

	pthread_mutex_lock(&shared->lock);
	net = shared->net;
	if (net != NULL)
		atomic_fetch_add(&net->holders, 1);
	pthread_mutex_unlock(&shared->lock);
	return net;
}

unsigned lstm_shared_generation(const struct lstm_shared *shared)
{
	return atomic_load(&shared->generation);
}

/* ---- the class ---- */

struct forecast_model {
	struct lstm_shared *shared;
	unsigned generation; /* of the net that is held */
	struct lstm_net *net;
	struct lstm_series series;
	const double *beside; /* of the rows to come, see model.h */
	size_t horizon_count;
	int64_t step_ms;
	size_t warm; /* rows that the net has seen */
	size_t room; /* floats of the state */
	float *state;
	float outputs[LSTM_HEAD];
};

static void general_close(struct forecast_model *model)
{
	lstm_net_release(model->net);
	lstm_series_fini(&model->series);
	mem_free(model->state);
	mem_free(model);
}

static struct forecast_model *general_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecaster_config own = *config;
	struct forecast_model *model;

	if (config->shared == NULL) {
		error_set(error, STATUS_BAD_INPUT, "lstm_general needs a net for all workloads");
		return NULL;
	}
	model = mem_zalloc(1, sizeof(*model));
	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	model->shared = config->shared;
	model->generation = lstm_shared_generation(config->shared);
	model->net = lstm_shared_hold(config->shared);
	model->horizon_count = config->horizon_count;
	model->step_ms = config->step_ms;
	if (model->net == NULL || !lstm_net_fits(model->net, config)) {
		error_set(error, STATUS_BAD_INPUT,
			"the net for all workloads does not forecast these horizons");
		goto failed;
	}
	own.lstm_beside = model->net->beside;
	model->room = lstm_state_size(&model->net->lstm.shape);
	model->state = mem_zalloc(model->room, sizeof(float));
	if (model->state == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a state");
		goto failed;
	}
	if (lstm_series_init(&model->series, &own, error) != STATUS_OK)
		goto failed;
	return model;
failed:
	general_close(model);
	return NULL;
}

static bool same_shape(const struct lstm_net *a, const struct lstm_net *b)
{
	return memcmp(&a->lstm.shape, &b->lstm.shape, sizeof(a->lstm.shape)) == 0 &&
		a->beside == b->beside && a->horizon_count == b->horizon_count &&
		memcmp(a->horizons, b->horizons, a->horizon_count * sizeof(*a->horizons)) == 0;
}

/* Another net serves: it is taken where it is of the same shape, else the one held stays. */
static void net_follow(struct forecast_model *model)
{
	unsigned generation = lstm_shared_generation(model->shared);
	struct lstm_net *net;

	if (generation == model->generation)
		return;
	model->generation = generation;
	net = lstm_shared_hold(model->shared);
	if (net == NULL || !same_shape(net, model->net)) {
		lstm_net_release(net);
		return;
	}
	lstm_net_release(model->net);
	model->net = net;
	model->warm = 0;
	memset(model->state, 0, model->room * sizeof(float));
}

/* through: whether the net steps, too, and not only what it sees of the series. */
static void row_take(struct forecast_model *model, double value, const double *beside,
	int64_t at_ms, bool through)
{
	float inputs[LSTM_SERIES_INPUTS_MAX];
	unsigned mode;

	lstm_series_step(&model->series, value, beside, at_ms, inputs);
	if (!through)
		return;
	mode = kernels_flush_denormals();
	lstm_step(&model->net->lstm, 1, model->state, inputs, model->outputs);
	kernels_mode_restore(mode);
	model->warm++;
}

static void general_beside(struct forecast_model *model, const double *values)
{
	model->beside = values;
}

static void general_step(struct forecast_model *model, double value, int64_t at_ms)
{
	net_follow(model);
	row_take(model, value, model->beside, at_ms, true);
	model->beside = NULL;
}

static enum status general_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	if (model->series.history != NULL)
		history_reset(model->series.history);
	for (size_t i = 0; i < count; i++)
		row_take(model, values[i],
			model->beside != NULL ? model->beside + i * FORECAST_BESIDE : NULL,
			at_ms + (int64_t)i * model->step_ms, i + FIT_ROWS >= count);
	model->beside = NULL;
	return STATUS_OK;
}

static void general_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->warm >= LSTM_WARM_ROWS && model->series.unit > 0
			? lstm_series_value(&model->series,
				  model->outputs[k * LSTM_SERIES_QUANTILES + 1])
			: NAN;
}

/* A state is of one net: with another the series goes on, and the net begins anew. */
static void general_pack(struct forecast_model *model, struct pack *pack)
{
	uint64_t net = lstm_net_mark(model->net), mark = net;

	pack_value(pack, &mark);
	lstm_series_pack(&model->series, pack);
	pack_value(pack, &model->warm);
	pack_same(pack, model->room);
	pack_bytes(pack, model->state, model->room * sizeof(*model->state));
	pack_value(pack, &model->outputs);
	if (!pack_reads(pack) || mark == net)
		return;
	model->warm = 0;
	memset(model->state, 0, model->room * sizeof(*model->state));
}

const struct forecaster_class forecast_lstm_general = {
	.name = "lstm_general",
	.summary = "the LSTM for all workloads, its state carried on",
	.open = general_open,
	.fit = general_fit,
	.step = general_step,
	.predict = general_predict,
	.close = general_close,
	.pack = general_pack,
	.beside = general_beside,
};
