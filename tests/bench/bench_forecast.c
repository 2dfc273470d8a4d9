/*
 * How well and how fast the forecasters forecast: mean absolute error relative to the last value's
 * (geometric mean over series), mean MASE, coverage of the 90 % intervals, and time a row, on the
 * public data of NIMBUSGUARD_DATA (skipped without it); and what a fit of a week of minutes costs.
 *
 * Each class is fitted on the first part of a series and stepped through the rest, of which each row
 * is forecast 5 and 15 rows ahead: traces by the days of the data's README, SMD's train and test with
 * a day's hole between them, Bitbrains the first 60 %, NAB's AWS series the first half. --tune stays
 * within what may be used for choosing settings: traces' second part and the last third of SMD's train.
 *
 * --rounding tells what the net alone loses by weights of bf16: the same rows, the MASE of its medians and
 * the mean pinball loss of its quantiles (in units of the MASE) with weights of fp32 and of bf16.
 *
 * Usage: bench_forecast [--tune] [--series] [--model=FILE [--rounding | --weights=fp32]] [CLASS...]
 *        (FILE: the net for all workloads)
 */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/models/general_file.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#define ROWS_MAX 60000u
#define SERIES_MAX 64u
#define HORIZONS 2u
#define START_MS INT64_C(1700000000000)

struct series {
	char name[64];
	double *values; /* [count], of which fitted are for the fit */
	size_t count, fitted, hole, season_rows;
};

struct outcome {
	double error[HORIZONS], naive[HORIZONS], scale, covered[HORIZONS], width[HORIZONS];
	double forecasts, seconds, fit_seconds;
};

/* Of one series, with weights of fp32 and of bf16. */
struct rounding {
	double mase[2][HORIZONS], pinball[2];
};

static bool tuning, each_series, rounding;
static enum lstm_weights weights = LSTM_BF16;
static struct lstm_shared *shared;

/* Column `column` of a compressed CSV file, NaN where it is no number; lines without one are not rows. */
static size_t column_read(const char *path, const char *separators, size_t column, double *values)
{
	gzFile file = gzopen(path, "rb");
	char line[4096];
	size_t count = 0;

	while (file != NULL && count < ROWS_MAX && gzgets(file, line, sizeof(line)) != NULL) {
		char *at = line, *end;
		double value;

		for (size_t i = 0; i < column && at != NULL; i++) {
			at = strpbrk(at, separators);
			if (at != NULL)
				at++;
		}
		if (at == NULL)
			continue;
		value = strtod(at, &end);
		if (end == at)
			continue;
		values[count++] = value;
	}
	if (file != NULL)
		(void)gzclose(file);
	return count;
}

static double *rows_new(void)
{
	double *rows = mem_zalloc(ROWS_MAX, sizeof(*rows));

	CHECK(rows != NULL);
	return rows;
}

static size_t traces_read(const char *folder, struct series *series)
{
	static const struct {
		const char *name;
		size_t fit, train;
	} traces[] = {{"nasa-jul", 12, 18}, {"clarknet", 6, 9}, {"wc98-may", 13, 19},
		{"mongo-02", 5, 7}, {"mongo-04", 5, 7}, {"ingress-04", 5, 7}};
	char path[512];

	for (size_t i = 0; i < ARRAY_COUNT(traces); i++) {
		struct series *one = &series[i];

		(void)snprintf(path, sizeof(path), "%s/traces/%s.csv.gz", folder, traces[i].name);
		(void)snprintf(one->name, sizeof(one->name), "%s", traces[i].name);
		one->values = rows_new();
		one->count = column_read(path, ",", 1, one->values);
		one->fitted = 1440 * (tuning ? traces[i].fit : traces[i].train);
		if (tuning && one->count > 1440 * traces[i].train)
			one->count = 1440 * traces[i].train;
		one->season_rows = 1440;
	}
	return ARRAY_COUNT(traces);
}

static size_t smd_read(const char *folder, struct series *series)
{
	static const char *const machines[] = {"machine-1-7", "machine-2-2"};
	static const size_t columns[] = {0, 5};
	char path[512];

	for (size_t i = 0; i < 4; i++) {
		struct series *one = &series[i];
		size_t train;

		(void)snprintf(path, sizeof(path), "%s/smd/%s_train.csv.gz", folder,
			machines[i / 2]);
		(void)snprintf(one->name, sizeof(one->name), "%s %s", machines[i / 2],
			i % 2 == 0 ? "cpu" : "memory");
		one->values = rows_new();
		train = column_read(path, ",", columns[i % 2], one->values);
		one->season_rows = 1440;
		one->count = train;
		one->fitted = train * 2 / 3;
		if (tuning)
			continue;
		(void)snprintf(path, sizeof(path), "%s/smd/%s_test.csv.gz", folder,
			machines[i / 2]);
		one->count += column_read(path, ",", columns[i % 2], one->values + train);
		one->fitted = train;
		one->hole = 1440;
	}
	return 4;
}

static size_t bitbrains_read(const char *folder, struct series *series)
{
	static const char *const machines[] = {"2013-8-24", "2013-8-33"};
	static const size_t columns[] = {4, 6};
	char path[512];

	for (size_t i = 0; i < 4; i++) {
		struct series *one = &series[i];

		(void)snprintf(path, sizeof(path), "%s/bitbrains/%s.csv.gz", folder,
			machines[i / 2]);
		(void)snprintf(one->name, sizeof(one->name), "%s %s", machines[i / 2],
			i % 2 == 0 ? "cpu" : "memory");
		one->values = rows_new();
		one->count = column_read(path, ";", columns[i % 2], one->values);
		one->fitted = one->count * 6 / 10;
		one->season_rows = 288;
	}
	return 4;
}

static int by_name(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static size_t nab_read(const char *folder, struct series *series)
{
	char path[512];
	size_t count = 0;
	struct dirent *entry;
	DIR *files;

	(void)snprintf(path, sizeof(path), "%s/nab/realAWSCloudwatch", folder);
	files = opendir(path);
	while (files != NULL && count < SERIES_MAX && (entry = readdir(files)) != NULL) {
		struct series *one = &series[count];

		if (strstr(entry->d_name, ".csv.gz") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "%s/nab/realAWSCloudwatch/%.200s", folder,
			entry->d_name);
		(void)snprintf(one->name, sizeof(one->name), "%.*s",
			(int)(strlen(entry->d_name) - 7), entry->d_name);
		one->values = rows_new();
		one->count = column_read(path, ",", 1, one->values);
		one->fitted = one->count / 2;
		one->season_rows = 288;
		count++;
	}
	if (files != NULL)
		(void)closedir(files);
	qsort(series, count, sizeof(*series), by_name);
	return count;
}

/* Forecasts of the rows behind the fit, each held against its outcome. */
static void walk(struct forecaster *forecaster, const struct series *series,
	const struct forecaster_config *config, struct outcome *outcome)
{
	size_t rest = series->count - series->fitted;
	struct prediction *said = mem_zalloc(rest * HORIZONS, sizeof(*said));
	int64_t start_ns, at_ms = START_MS + (int64_t)series->hole * config->step_ms;

	CHECK(said != NULL);
	start_ns = clock_thread_cpu_ns();
	for (size_t i = 0; i < rest; i++) {
		forecaster_step(forecaster, series->values[series->fitted + i],
			at_ms + (int64_t)(series->fitted + i) * config->step_ms);
		forecaster_predict(forecaster, said + i * HORIZONS);
	}
	outcome->seconds += (double)(clock_thread_cpu_ns() - start_ns) * 1e-9;
	for (size_t i = 0; i + config->horizons[1] < rest; i++) {
		double last = series->values[series->fitted + i];

		for (size_t k = 0; k < HORIZONS; k++) {
			double value = series->values[series->fitted + i + config->horizons[k]];
			const struct prediction *p = &said[i * HORIZONS + k];
			double middle = isnan(p->middle) ? last : p->middle;

			outcome->error[k] += fabs(value - middle);
			outcome->naive[k] += fabs(value - last);
			outcome->covered[k] += value >= p->low && value <= p->high;
			outcome->width[k] += isnan(p->high) ? 0 : p->high - p->low;
		}
		outcome->forecasts++;
	}
	mem_free(said);
}

static void series_run(const struct forecaster_class *class, const struct series *series,
	struct outcome *outcome)
{
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct error error;
	int64_t start_ns;

	forecaster_config_default(&config);
	config.season_rows = series->season_rows;
	config.shared = shared;
	config.step_ms = series->season_rows == 288 ? 300000 : 60000;
	memset(outcome, 0, sizeof(*outcome));
	for (size_t i = 1; i < series->fitted; i++)
		outcome->scale += fabs(series->values[i] - series->values[i - 1]);
	outcome->scale /= (double)(series->fitted - 1);
	forecaster = forecaster_open(class, &config, &error);
	CHECK(forecaster != NULL);
	start_ns = clock_thread_cpu_ns();
	if (forecaster_fit(forecaster, series->values, series->fitted, START_MS, &error) !=
		STATUS_OK)
		printf("%s: %s\n", series->name, error.text);
	outcome->fit_seconds = (double)(clock_thread_cpu_ns() - start_ns) * 1e-9;
	walk(forecaster, series, &config, outcome);
	forecaster_close(forecaster);
}

static void set_run(const char *set, const struct forecaster_class *class,
	const struct series *series, size_t count)
{
	double mase[HORIZONS] = {0}, ratio[HORIZONS] = {0}, low = 1, high = 0, seconds = 0,
	       rows = 0, fit = 0;
	size_t counted = 0;

	for (size_t i = 0; i < count; i++) {
		struct outcome outcome;

		series_run(class, &series[i], &outcome);
		seconds += outcome.seconds;
		fit = fmax(fit, outcome.fit_seconds);
		rows += outcome.forecasts;
		/* A series on which the last value is always right has no relative error. */
		if (outcome.naive[0] <= 0 || outcome.scale <= 0)
			continue;
		counted++;
		for (size_t k = 0; k < HORIZONS; k++) {
			double covered = outcome.covered[k] / outcome.forecasts;

			mase[k] += outcome.error[k] / outcome.forecasts / outcome.scale;
			ratio[k] += log(outcome.error[k] / outcome.naive[k]);
			low = fmin(low, covered);
			high = fmax(high, covered);
		}
		if (each_series)
			printf("  %-10s %-28s %-26s %.3f / %.3f  coverage %.3f / %.3f  width/error %.2f\n",
				set, forecaster_class_name(class), series[i].name,
				outcome.error[0] / outcome.naive[0],
				outcome.error[1] / outcome.naive[1],
				outcome.covered[0] / outcome.forecasts,
				outcome.covered[1] / outcome.forecasts,
				outcome.width[0] / outcome.error[0]);
	}
	printf("%-10s %-28s MASE %6.3f / %6.3f  MAE/naive %.3f / %.3f  coverage %.3f..%.3f  %7.2f us/row  fit %.3f s\n",
		set, forecaster_class_name(class), mase[0] / (double)counted,
		mase[1] / (double)counted, exp(ratio[0] / (double)counted),
		exp(ratio[1] / (double)counted), low, high, seconds / rows * 1e6, fit);
	(void)fflush(stdout);
}

#define SAID (LSTM_SERIES_QUANTILES * HORIZONS)

/* The quantiles that the net says behind the fit: [rows][SAID]. */
static void net_walk(const struct lstm_net *net, const struct series *series,
	const struct forecaster_config *config, double *said)
{
	float *state = mem_zalloc(lstm_state_size(&net->lstm.shape), sizeof(*state));
	float inputs[LSTM_SERIES_INPUTS_MAX], outputs[LSTM_HEAD];
	struct lstm_series seen;
	struct error error;

	CHECK(state != NULL && net->lstm.shape.outputs == SAID);
	CHECK(lstm_series_init(&seen, config, &error) == STATUS_OK);
	for (size_t i = 0; i < series->count; i++) {
		size_t row = i + (i < series->fitted ? 0 : series->hole);

		lstm_series_step(&seen, series->values[i], NULL,
			START_MS + (int64_t)row * config->step_ms, inputs);
		lstm_step(&net->lstm, 1, state, inputs, outputs);
		for (size_t j = 0; j < SAID && i >= series->fitted; j++)
			said[(i - series->fitted) * SAID + j] =
				lstm_series_value(&seen, outputs[j]);
	}
	lstm_series_fini(&seen);
	mem_free(state);
}

static void rounding_run(const struct lstm_net *net, const struct series *series, double scale,
	struct rounding *found)
{
	size_t rest = series->count - series->fitted, counted = 0;
	double *said = mem_zalloc(rest * SAID, sizeof(*said));
	struct forecaster_config config;
	int which = net->lstm.weights == LSTM_BF16;

	CHECK(said != NULL);
	forecaster_config_default(&config);
	config.season_rows = series->season_rows;
	config.step_ms = series->season_rows == 288 ? 300000 : 60000;
	config.lstm_beside = net->beside;
	net_walk(net, series, &config, said);
	for (size_t i = 0; i + config.horizons[1] < rest; i++, counted++)
		for (size_t j = 0; j < SAID; j++) {
			size_t k = j / LSTM_SERIES_QUANTILES;
			double level = (double)lstm_series_levels[j];
			double over = series->values[series->fitted + i + config.horizons[k]] -
				said[i * SAID + j];

			over /= scale;
			found->pinball[which] += fmax(level * over, (level - 1) * over) / SAID;
			if (j % LSTM_SERIES_QUANTILES == 1)
				found->mase[which][k] += fabs(over);
		}
	found->pinball[which] /= (double)counted;
	for (size_t k = 0; k < HORIZONS; k++)
		found->mase[which][k] /= (double)counted;
	mem_free(said);
}

/* Means over the series of a set. */
static void set_rounding(const char *set, const struct series *series, size_t count)
{
	struct lstm_net *nets[2] = {lstm_shared_hold(shared), NULL};
	struct rounding sum = {0};
	double worst = 0;
	size_t counted = 0;
	struct error error;

	nets[1] = lstm_net_copy(nets[0], &error);
	CHECK(nets[1] != NULL && nets[0]->lstm.weights == LSTM_BF16);
	for (size_t i = 0; i < count; i++) {
		struct rounding one = {0};
		double scale = 0;

		for (size_t r = 1; r < series[i].fitted; r++)
			scale += fabs(series[i].values[r] - series[i].values[r - 1]);
		scale /= (double)(series[i].fitted - 1);
		if (scale <= 0)
			continue;
		rounding_run(nets[0], &series[i], scale, &one);
		rounding_run(nets[1], &series[i], scale, &one);
		worst = fmax(worst, one.pinball[1] / one.pinball[0] - 1);
		counted++;
		for (int w = 0; w < 2; w++) {
			sum.pinball[w] += one.pinball[w];
			sum.mase[w][0] += one.mase[w][0];
			sum.mase[w][1] += one.mase[w][1];
		}
	}
	printf("%-10s %2zu series: MASE fp32 %.4f / %.4f, bf16 %.4f / %.4f (%+.3f / %+.3f %%); pinball %.5f, %.5f (%+.3f %%, of one series at most %+.3f %%)\n",
		set, counted, sum.mase[0][0] / (double)counted, sum.mase[0][1] / (double)counted,
		sum.mase[1][0] / (double)counted, sum.mase[1][1] / (double)counted,
		(sum.mase[1][0] / sum.mase[0][0] - 1) * 100,
		(sum.mase[1][1] / sum.mase[0][1] - 1) * 100, sum.pinball[0] / (double)counted,
		sum.pinball[1] / (double)counted, (sum.pinball[1] / sum.pinball[0] - 1) * 100,
		worst * 100);
	(void)fflush(stdout);
	lstm_net_release(nets[0]);
	lstm_net_release(nets[1]);
}

/* A week of minutes with a day's season, as the speed bar asks. */
static void fit_speed(const char *name)
{
	static double values[10080];
	struct forecaster_config config;
	struct random random;
	double best = HUGE_VAL;

	random_init(&random, 1);
	for (size_t i = 0; i < ARRAY_COUNT(values); i++)
		values[i] = 100 + 30 * sin((double)i * 2 * 3.14159265358979 / 1440) +
			5 * random_normal(&random);
	forecaster_config_default(&config);
	for (int run = 0; run < 9; run++) {
		struct forecaster *forecaster;
		struct prediction predictions[HORIZONS];
		struct error error;
		int64_t start_ns = clock_mono_ns(clock_system());

		forecaster = forecaster_open(forecaster_class_find(name), &config, &error);
		CHECK(forecaster != NULL);
		CHECK(forecaster_fit(forecaster, values, ARRAY_COUNT(values), START_MS, &error) ==
			STATUS_OK);
		forecaster_predict(forecaster, predictions);
		best = fmin(best, (double)(clock_mono_ns(clock_system()) - start_ns) * 1e-6);
		forecaster_close(forecaster);
	}
	printf("fit + forecast of 10,080 rows, season 1,440: %-28s %8.2f ms\n", name, best);
}

/* The index-th class named (unknown names end the list), or of all listed when none is. */
static const struct forecaster_class *class_wanted(char *const *names, size_t index)
{
	if (names[0] == NULL)
		return forecaster_class_at(index);
	for (size_t i = 0; i < index; i++)
		if (names[i] == NULL)
			return NULL;
	return names[index] == NULL ? NULL : forecaster_class_find(names[index]);
}

static void model_read(const char *path)
{
	struct model_info info;
	struct lstm_net *net;
	struct error error;

	shared = lstm_shared_open(weights, &error);
	CHECK(shared != NULL);
	if (general_file_read(path, &net, &info, &error) != STATUS_OK) {
		fprintf(stderr, "bench_forecast: %s\n", error.text);
		exit(1);
	}
	lstm_shared_put(shared, net);
}

int main(int argc, char **argv)
{
	const struct forecaster_class *class;
	static struct series sets[4][SERIES_MAX];
	static const char *const names[] = {"traces", "SMD", "Bitbrains", "NAB AWS"};
	size_t counts[4] = {0};
	const char *folder = getenv("NIMBUSGUARD_DATA");
	const char *model = NULL;
	int first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		tuning = tuning || strcmp(argv[first], "--tune") == 0;
		each_series = each_series || strcmp(argv[first], "--series") == 0;
		rounding = rounding || strcmp(argv[first], "--rounding") == 0;
		if (strcmp(argv[first], "--weights=fp32") == 0)
			weights = LSTM_FP32;
		if (strncmp(argv[first], "--model=", 8) == 0)
			model = argv[first] + 8;
	}
	if (model != NULL)
		model_read(model);
	rounding = rounding && model != NULL && weights == LSTM_BF16;
	for (size_t c = 0; forecaster_class_at(c) != NULL && first == argc && !rounding; c++)
		fit_speed(forecaster_class_name(forecaster_class_at(c)));
	if (folder == NULL) {
		puts("bench_forecast: no NIMBUSGUARD_DATA, nothing forecast");
		return 0;
	}
	counts[0] = traces_read(folder, sets[0]);
	counts[1] = smd_read(folder, sets[1]);
	if (!tuning) {
		counts[2] = bitbrains_read(folder, sets[2]);
		counts[3] = nab_read(folder, sets[3]);
	}
	for (size_t set = 0; set < 4 && rounding; set++)
		for (size_t i = 0; i < (set == 0 ? counts[0] : counts[set] > 0); i++)
			set_rounding(set == 0 ? sets[0][i].name : names[set], &sets[set][i],
				set == 0 ? 1 : counts[set]);
	for (size_t set = 0; set < 4 && !rounding; set++)
		for (size_t c = 0; (class = class_wanted(argv + first, c)) != NULL; c++) {
			if (set == 0 && !each_series)
				for (size_t i = 0; i < counts[0]; i++)
					set_run(sets[0][i].name, class, &sets[0][i], 1);
			else if (counts[set] > 0)
				set_run(names[set], class, sets[set], counts[set]);
		}
	for (size_t set = 0; set < 4; set++)
		for (size_t i = 0; i < counts[set]; i++)
			mem_free(sets[set][i].values);
	lstm_shared_close(shared);
	return 0;
}
