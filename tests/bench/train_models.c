/*
 * Trains the net for all workloads on generated ones, measures it on others that it never saw, and
 * writes the model file and its card: `make train-models`.
 *
 * Usage: train_models MODEL CARD [name=number ...]
 *   hidden=64 layers=1 beside=3 workloads=80 days=4 tests=8 epochs=20 window=60 batch=64 threads=1
 *   seed=1 rate=.004 dropout=.05
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/lstm_series.h"
#include "analyzers/models/general_file.h"
#include "analyzers/models/generated.h"
#include "analyzers/models/lessons.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

#define START_MS INT64_C(1704067200000)
#define DAY_ROWS 1440
#define TEST_SEED UINT64_C(1000000)
#define CLASSES 6

enum {
	HIDDEN,
	LAYERS,
	BESIDE,
	WORKLOADS,
	DAYS,
	TESTS,
	EPOCHS,
	WINDOW,
	BATCH,
	THREADS,
	SEED,
	RATE,
	DROPOUT
};

static struct {
	const char *name;
	double value;
} options[] = {
	[HIDDEN] = {"hidden", 64},
	[LAYERS] = {"layers", 1},
	[BESIDE] = {"beside", FORECAST_BESIDE},
	[WORKLOADS] = {"workloads", 80},
	[DAYS] = {"days", 4},
	[TESTS] = {"tests", 8},
	[EPOCHS] = {"epochs", 20},
	[WINDOW] = {"window", 60},
	[BATCH] = {"batch", 64},
	[THREADS] = {"threads", 1},
	[SEED] = {"seed", 1},
	[RATE] = {"rate", 4e-3},
	[DROPOUT] = {"dropout", .05},
};

static const char *const signal_names[GENERATED_SIGNALS] = {"requests", "CPU", "memory", "latency",
	"other"};
static const char *const class_names[CLASSES] = {"seasonal_naive", "ewma", "ridge_ar",
	"lstm_general", "combined", "combined"};

static size_t option(int index)
{
	return (size_t)options[index].value;
}

static bool options_read(int count, char **words)
{
	for (int i = 0; i < count; i++) {
		size_t at = 0;

		for (; at < ARRAY_COUNT(options); at++) {
			size_t size = strlen(options[at].name);

			if (strncmp(words[i], options[at].name, size) != 0 || words[i][size] != '=')
				continue;
			options[at].value = strtod(words[i] + size + 1, NULL);
			break;
		}
		if (at == ARRAY_COUNT(options)) {
			fprintf(stderr, "train_models: %s is not known\n", words[i]);
			return false;
		}
	}
	return true;
}

/* One workload of the seed as lessons; each other one is seen without what is beside. */
static void workload_add(struct lessons *lessons, uint64_t seed)
{
	struct generated_spec spec = {.seed = seed,
		.rows = option(DAYS) * DAY_ROWS,
		.day_rows = DAY_ROWS};
	double *values = mem_zalloc(spec.rows * GENERATED_SIGNALS, sizeof(*values));
	double *beside = mem_zalloc(spec.rows * FORECAST_BESIDE, sizeof(*beside));
	struct error error;

	CHECK(values != NULL && beside != NULL);
	generated_workload(&spec, values);
	for (int signal = 0; signal < GENERATED_SIGNALS; signal++) {
		struct lesson lesson = {.values = values + (size_t)signal * spec.rows,
			.beside = beside,
			.count = spec.rows,
			.season_rows = DAY_ROWS,
			.start_ms = START_MS + (int64_t)(seed % 7) * 86400000,
			.step_ms = 60000};

		generated_beside(values, spec.rows, (enum generated_signal)signal, seed % 3 != 0,
			beside);
		CHECK(lessons_add(lessons, &lesson, &error) == STATUS_OK);
	}
	mem_free(values);
	mem_free(beside);
}

static double started_s;

static double now_s(void)
{
	return (double)clock_mono_ns(clock_system()) * 1e-9;
}

static bool show(void *caller, size_t epoch, double loss, double holdout)
{
	(void)caller;
	fprintf(stderr, "epoch %zu: loss %.5f, holdout %.5f, %.0f s\n", epoch, loss, holdout,
		now_s() - started_s);
	return true;
}

/* Mean absolute errors of a class and of the last value, at both horizons. */
struct errors {
	double own[2], naive[2];
};

static void measure(const char *class, const struct forecaster_config *config, const double *values,
	const double *beside, size_t rows, struct errors *errors)
{
	size_t fitted = rows / 2;
	struct prediction *said = mem_zalloc(rows * 2, sizeof(*said));
	struct forecaster *forecaster;
	struct error error;

	forecaster = forecaster_open(forecaster_class_find(class), config, &error);
	CHECK(said != NULL && forecaster != NULL);
	memset(errors, 0, sizeof(*errors));
	forecaster_beside(forecaster, beside, fitted);
	CHECK(forecaster_fit(forecaster, values, fitted, START_MS, &error) == STATUS_OK);
	for (size_t i = fitted; i < rows; i++) {
		forecaster_beside(forecaster, beside + i * FORECAST_BESIDE, 1);
		forecaster_step(forecaster, values[i], START_MS + (int64_t)i * config->step_ms);
		forecaster_predict(forecaster, said + i * 2);
		for (size_t k = 0; k < 2; k++) {
			size_t then = i - config->horizons[k];
			double last = values[then], middle = said[then * 2 + k].middle;

			if (then < fitted || i < config->horizons[k] || isnan(values[i]) ||
				isnan(last))
				continue;
			errors->own[k] += fabs(values[i] - (isnan(middle) ? last : middle));
			errors->naive[k] += fabs(values[i] - last);
		}
	}
	forecaster_close(forecaster);
	mem_free(said);
}

/* ratios: [CLASSES][GENERATED_SIGNALS][2], geometric means of error relative to the last value's. */
static void test(struct lstm_shared *shared, double (*ratios)[GENERATED_SIGNALS][2])
{
	struct generated_spec spec = {.rows = option(DAYS) * DAY_ROWS, .day_rows = DAY_ROWS};
	double *values = mem_zalloc(spec.rows * GENERATED_SIGNALS, sizeof(*values));
	double *beside = mem_zalloc(spec.rows * FORECAST_BESIDE, sizeof(*beside));
	size_t counts[GENERATED_SIGNALS] = {0};
	struct forecaster_config config;

	CHECK(values != NULL && beside != NULL);
	memset(ratios, 0, CLASSES * sizeof(*ratios));
	forecaster_config_default(&config);
	for (size_t w = 0; w < option(TESTS); w++) {
		spec.seed = TEST_SEED + w;
		generated_workload(&spec, values);
		for (size_t s = 0; s < GENERATED_SIGNALS; s++) {
			struct errors errors[CLASSES];
			bool counted = true;

			generated_beside(values, spec.rows, (enum generated_signal)s, true, beside);
			for (size_t c = 0; c < CLASSES; c++) {
				config.shared = c == 4 ? NULL : shared;
				measure(class_names[c], &config, values + s * spec.rows, beside,
					spec.rows, &errors[c]);
				counted = counted && errors[c].naive[0] > 0 && errors[c].own[0] > 0;
			}
			for (size_t c = 0; c < CLASSES && counted; c++)
				for (size_t k = 0; k < 2; k++)
					ratios[c][s][k] +=
						log(errors[c].own[k] / errors[c].naive[k]);
			counts[s] += counted ? 1 : 0;
		}
	}
	for (size_t c = 0; c < CLASSES; c++)
		for (size_t s = 0; s < GENERATED_SIGNALS; s++)
			for (size_t k = 0; k < 2; k++)
				ratios[c][s][k] = exp(ratios[c][s][k] / (double)counts[s]);
	mem_free(values);
	mem_free(beside);
}

static double mean_ratio(double (*ratios)[2], size_t horizon)
{
	double sum = 0;

	for (size_t s = 0; s < GENERATED_SIGNALS; s++)
		sum += log(ratios[s][horizon]);
	return exp(sum / GENERATED_SIGNALS);
}

static void card_table(FILE *card, double (*ratios)[GENERATED_SIGNALS][2])
{
	fprintf(card, "| forecaster |");
	for (size_t s = 0; s < GENERATED_SIGNALS; s++)
		fprintf(card, " %s |", signal_names[s]);
	fprintf(card, " all |\n|---|");
	for (size_t s = 0; s <= GENERATED_SIGNALS; s++)
		fprintf(card, "---|");
	for (size_t c = 0; c < CLASSES; c++) {
		fprintf(card, "\n| `%s`%s |", class_names[c],
			c == 4           ? " without this net"
				: c == 5 ? " with it"
					 : "");
		for (size_t s = 0; s < GENERATED_SIGNALS; s++)
			fprintf(card, " %.3f / %.3f |", ratios[c][s][0], ratios[c][s][1]);
		fprintf(card, " %.3f / %.3f |", mean_ratio(ratios[c], 0), mean_ratio(ratios[c], 1));
	}
	fprintf(card, "\n");
}

static void card_write(const char *path, const struct lstm_net *net, const struct lessons *lessons,
	const struct lstm_training_result *result, double (*ratios)[GENERATED_SIGNALS][2])
{
	FILE *card = fopen(path, "w");

	CHECK(card != NULL);
	fprintf(card,
		"# The net for all workloads\n\n"
		"What `make train-models` writes, beside the model file; by hand it is not to be "
		"changed.\n\n"
		"| | |\n|---|---|\n"
		"| what it says | the quantiles .1 .5 .9 of a signal %zu and %zu rows ahead, as "
		"changes from its last value |\n"
		"| shape | LSTM, %zu inputs, %zu layers of %zu cells, %zu outputs; %zu numbers of 32 "
		"bits |\n"
		"| inputs | analyzers/forecast/lstm_series.h, layout %d; up to %zu signals beside: "
		"request rate, CPU, memory |\n"
		"| trained on | %zu series of %zu generated workloads (analyzers/models/generated.c), "
		"%zu days of minutes each, %zu rows; a third of the workloads without what is "
		"beside; no measured data |\n"
		"| recipe | windows of %zu rows, %zu at a time, Adam %g falling along a cosine to a "
		"twentieth, dropout %g, gradients clipped at 1, seed %zu |\n"
		"| stopped | the last 15 %% of each series held out; %zu epochs, pinball loss there "
		"%.4f before and %.4f after |\n"
		"| licence | that of the program |\n\n",
		net->horizons[0], net->horizons[1], net->lstm.shape.inputs, net->lstm.shape.layers,
		net->lstm.shape.hidden, net->lstm.shape.outputs, net->lstm.parameter_count,
		LSTM_SERIES_LAYOUT, net->beside, lessons->count, option(WORKLOADS), option(DAYS),
		lessons->rows, option(WINDOW), option(BATCH), options[RATE].value,
		options[DROPOUT].value, option(SEED), result->epochs, result->first_holdout,
		result->best_holdout);
	fprintf(card,
		"## Scores\n\n"
		"Mean absolute error %zu / %zu rows ahead relative to the last value's (geometric "
		"mean over series), on %zu generated workloads of other seeds: each forecaster is "
		"fitted on the first half and measured on the second. On measured data: "
		"docs/forecasts.md.\n\n",
		net->horizons[0], net->horizons[1], option(TESTS));
	card_table(card, ratios);
	CHECK(fclose(card) == 0);
}

static void model_write(const char *path, const struct lstm_net *net, const struct lessons *lessons,
	const struct lstm_training_result *result, double (*ratios)[GENERATED_SIGNALS][2])
{
	static const char *const names[] = {"mae_vs_naive_near", "mae_vs_naive_far",
		"holdout_pinball", "seasonal_naive_near", "ewma_near", "ridge_ar_near"};
	const double scores[] = {mean_ratio(ratios[3], 0), mean_ratio(ratios[3], 1),
		result->best_holdout, mean_ratio(ratios[0], 0), mean_ratio(ratios[1], 0),
		mean_ratio(ratios[2], 0)};
	struct model_info info;
	struct error error;

	memset(&info, 0, sizeof(info));
	(void)snprintf(info.made_by, sizeof(info.made_by), "make train-models");
	/* No time of day is in it: the same recipe gives the same bytes. */
	info.data_from_ms = START_MS;
	info.data_to_ms = START_MS + (int64_t)option(DAYS) * 86400000;
	info.data_rows = lessons->rows;
	info.seed = option(SEED);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		(void)snprintf(info.score_names[i], MODEL_TEXT, "%s", names[i]);
		info.scores[i] = scores[i];
	}
	if (general_file_write(path, net, &info, &error) != STATUS_OK) {
		fprintf(stderr, "train_models: %s\n", error.text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static double ratios[CLASSES][GENERATED_SIGNALS][2];
	struct lstm_training_result result;
	struct forecaster_config config;
	struct lstm_training training;
	struct lstm_shared *shared;
	struct lessons lessons;
	struct lstm_net *net;
	struct error error;

	if (argc < 3 || !options_read(argc - 3, argv + 3)) {
		fprintf(stderr, "usage: train_models MODEL CARD [name=number ...]\n");
		return 2;
	}
	started_s = now_s();
	forecaster_config_default(&config);
	config.lstm_hidden = option(HIDDEN);
	config.lstm_layers = option(LAYERS);
	config.lstm_beside = option(BESIDE);
	config.seed = option(SEED);
	CHECK(lessons_init(&lessons, &config, &error) == STATUS_OK);
	for (size_t i = 0; i < option(WORKLOADS); i++)
		workload_add(&lessons, option(SEED) * 1000 + i);
	net = lstm_net_open(&config, &error);
	CHECK(net != NULL);
	lstm_training_default(&training);
	training.window = option(WINDOW);
	training.batch = option(BATCH);
	training.threads = option(THREADS);
	training.epochs_max = option(EPOCHS);
	training.patience = training.epochs_max;
	training.rate = options[RATE].value;
	training.rate_end = .05;
	training.dropout = options[DROPOUT].value;
	training.seed = option(SEED);
	training.progress = show;
	if (lessons_train(&lessons, net, &training, &result, &error) != STATUS_OK) {
		fprintf(stderr, "train_models: %s\n", error.text);
		return 1;
	}
	shared = lstm_shared_open(LSTM_FP32, &error);
	CHECK(shared != NULL);
	lstm_shared_put(shared, lstm_net_copy(net, &error));
	test(shared, ratios);
	model_write(argv[1], net, &lessons, &result, ratios);
	card_write(argv[2], net, &lessons, &result, ratios);
	fprintf(stderr,
		"%.0f s; relative error %.3f / %.3f; combined %.3f / %.3f, with it %.3f / %.3f\n",
		now_s() - started_s, mean_ratio(ratios[3], 0), mean_ratio(ratios[3], 1),
		mean_ratio(ratios[4], 0), mean_ratio(ratios[4], 1), mean_ratio(ratios[5], 0),
		mean_ratio(ratios[5], 1));
	lstm_shared_close(shared);
	lstm_net_release(net);
	lessons_fini(&lessons);
	return 0;
}
