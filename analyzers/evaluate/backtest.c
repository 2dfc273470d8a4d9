/*
 * Backtests: at each row what was forecast before is compared with what came, then the row is stepped and
 * the next forecasts are made. Forecasts wait in a ring as long as the longest horizon.
 */
#include <math.h>
#include <string.h>

#include "analyzers/evaluate/backtest.h"
#include "base/check.h"
#include "base/mem.h"

#define WAIT_MAX FORECAST_HORIZON_ROWS_MAX
#define DAY_MS 86400000

/* A forecast that waits for what comes. */
struct waiting {
	double last;
	struct prediction predictions[BACKTEST_HORIZONS];
};

struct backtest {
	const struct grid_series *series;
	const struct backtest_options *options;
	struct forecaster *forecaster;
	struct accuracy *accuracy;
	struct plot *plot;
	size_t fit_end, begin, end; /* rows [begin, end) are measured */
	struct waiting ring[WAIT_MAX + 1];
};

static bool across_seam(const struct backtest *backtest, size_t from, size_t to)
{
	size_t seam = backtest->series->seam;

	return seam > 0 && from < seam && to >= seam;
}

static void draw(struct backtest *backtest, size_t row, const struct prediction *prediction)
{
	struct plot *plot = backtest->plot;
	size_t first = backtest->end > PLOT_COLUMNS / 2 ? backtest->end - PLOT_COLUMNS / 2 : 0;
	size_t at;

	if (plot == NULL || row < first)
		return;
	at = row - first;
	plot->forecast = true;
	plot->count = at + 1;
	plot->value[at] = (float)backtest->series->values[row];
	plot->low[at] = (float)prediction->low;
	plot->middle[at] = (float)prediction->middle;
	plot->high[at] = (float)prediction->high;
}

static void compare(struct backtest *backtest, size_t row)
{
	double actual = backtest->series->values[row];

	for (size_t h = 0; h < BACKTEST_HORIZONS; h++) {
		size_t ahead = backtest->options->horizons[h];
		const struct waiting *waiting = &backtest->ring[(row - ahead) % (WAIT_MAX + 1)];
		const struct prediction *prediction = &waiting->predictions[h];
		struct accuracy_interval middle = {prediction->q10, prediction->q90},
					 wide = {prediction->low, prediction->high};

		if (row - backtest->begin < ahead || across_seam(backtest, row - ahead, row))
			continue;
		accuracy_add(&backtest->accuracy[h], waiting->last, prediction->middle, middle,
			wide, actual);
		if (h + 1 == BACKTEST_HORIZONS)
			draw(backtest, row, prediction);
	}
}

static void step(struct backtest *backtest, size_t row)
{
	const struct grid_series *series = backtest->series;
	struct waiting *waiting = &backtest->ring[row % (WAIT_MAX + 1)];

	forecaster_step(backtest->forecaster, series->values[row],
		series->start_ms + (int64_t)row * series->step_ms);
	if (row < backtest->begin)
		return;
	waiting->last = series->values[row];
	forecaster_predict(backtest->forecaster, waiting->predictions);
}

static void part_rows(struct backtest *backtest)
{
	const struct grid_series *series = backtest->series;
	size_t day = (size_t)(DAY_MS / series->step_ms), known;

	backtest->fit_end = series->fit_end;
	backtest->begin = series->report_begin;
	backtest->end = series->count;
	if (series->seam > 0)
		backtest->begin =
			series->seam + day < series->count ? series->seam + day : series->count;
	if (!backtest->options->settings_part)
		return;
	/* Where a data set has no part of its own for settings, it is the last third of what is
	 * fitted otherwise. */
	known = series->seam > 0 ? series->seam : series->report_begin;
	if (backtest->fit_end >= known)
		backtest->fit_end = known * 2 / 3;
	backtest->begin = backtest->fit_end;
	backtest->end = known;
}

static enum status open_forecaster(struct backtest *backtest, const struct forecaster_class *class,
	struct error *error)
{
	const struct grid_series *series = backtest->series;
	struct forecaster_config config;
	size_t day = (size_t)(DAY_MS / series->step_ms);

	forecaster_config_default(&config);
	config.step_ms = series->step_ms;
	config.seed = backtest->options->seed;
	config.shared = backtest->options->shared;
	config.horizon_count = BACKTEST_HORIZONS;
	memcpy(config.horizons, backtest->options->horizons, sizeof(backtest->options->horizons));
	config.season_rows = day >= 2 && day <= FORECAST_SEASON_ROWS_MAX ? day : 0;
	backtest->forecaster = forecaster_open(class, &config, error);
	if (backtest->forecaster == NULL)
		return error->code;
	return forecaster_fit(backtest->forecaster, series->values, backtest->fit_end,
		series->start_ms, error);
}

enum status backtest_series(const struct grid_series *series, const char *name,
	const struct forecaster_class *class, const struct backtest_options *options,
	struct accuracy *accuracy, struct plot *plot, struct error *error)
{
	struct backtest *backtest = mem_zalloc(1, sizeof(*backtest));
	enum status status;

	CHECK(options->horizons[BACKTEST_HORIZONS - 1] <= WAIT_MAX);
	if (backtest == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	*backtest = (struct backtest){.series = series,
		.options = options,
		.accuracy = accuracy,
		.plot = plot};
	part_rows(backtest);
	for (size_t h = 0; h < BACKTEST_HORIZONS; h++)
		accuracy_init(&accuracy[h], accuracy_scale(series->values, backtest->fit_end));
	status = open_forecaster(backtest, class, error);
	if (status != STATUS_OK)
		error_prefix(error, "%s: %s", name, forecaster_class_name(class));
	for (size_t row = backtest->fit_end; row < backtest->end && status == STATUS_OK; row++) {
		if (row >= backtest->begin)
			compare(backtest, row);
		step(backtest, row);
	}
	forecaster_close(backtest->forecaster);
	mem_free(backtest);
	return status;
}
