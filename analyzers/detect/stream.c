/*
 * History is an array that is filled to twice its length and then moved down, so that the latest rows
 * always lie together, as a fit wants them.
 */
#include "analyzers/detect/stream.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/detect/calibration.h"
#include "base/mem.h"

#define FIRST_DEFAULT 256
#define REFIT_DEFAULT 288
#define HISTORY_DEFAULT 4032

struct stream {
	struct stream_config config;
	const struct detector_class *class;
	struct detector *detector;
	size_t columns;
	double *rows;   /* [2 * history_rows][columns] */
	double *scores; /* [history_rows] */
	size_t count;   /* rows there */
	size_t fresh;   /* rows since the last fit */
	bool fitted;
	struct calibration calibration;
};

static enum status check(struct stream_config *config, struct error *error)
{
	if (config->first_rows == 0)
		config->first_rows = FIRST_DEFAULT;
	if (config->refit_rows == 0)
		config->refit_rows = REFIT_DEFAULT;
	if (config->history_rows == 0)
		config->history_rows = HISTORY_DEFAULT;
	if (config->history_rows > STREAM_HISTORY_MAX ||
		config->first_rows > config->history_rows || config->first_rows < DETECTOR_ROWS_MIN)
		return error_set(error, STATUS_BAD_INPUT,
			"a first fit after %zu rows and %zu rows kept: %d to %d rows are possible, "
			"and no fewer kept than that",
			config->first_rows, config->history_rows, DETECTOR_ROWS_MIN,
			STREAM_HISTORY_MAX);
	return STATUS_OK;
}

struct stream *stream_open(const struct stream_config *config, size_t columns, struct error *error)
{
	const struct detector_class *class = detector_class_find(config->detector);
	struct stream_config own = *config;
	struct stream *stream;

	if (class == NULL) {
		(void)error_set(error, STATUS_NOT_FOUND, "no detector is named \"%s\"",
			config->detector);
		return NULL;
	}
	if (check(&own, error) != STATUS_OK)
		return NULL;
	stream = mem_zalloc(1, sizeof(*stream));
	if (stream == NULL)
		goto no_memory;
	stream->config = own;
	stream->class = class;
	stream->columns = columns;
	stream->detector = class->open(&own.settings, columns, error);
	if (stream->detector == NULL) {
		stream_close(stream);
		return NULL;
	}
	stream->rows = mem_zalloc(2 * own.history_rows * columns, sizeof(*stream->rows));
	stream->scores = mem_zalloc(own.history_rows, sizeof(*stream->scores));
	if (stream->rows == NULL || stream->scores == NULL)
		goto no_memory;
	return stream;

no_memory:
	stream_close(stream);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for a stream of %zu columns", columns);
	return NULL;
}

void stream_close(struct stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->class != NULL)
		stream->class->close(stream->detector);
	mem_free(stream->rows);
	mem_free(stream->scores);
	mem_free(stream);
}

size_t stream_size(const struct stream *stream)
{
	return sizeof(*stream) + stream->class->size(stream->detector) +
		stream->config.history_rows * (2 * stream->columns + 1) * sizeof(double);
}

/* Stepping through the rows once more leaves the rolling state where it is and gives their scores. */
static void refit(struct stream *stream, struct error *error)
{
	size_t history = stream->config.history_rows;
	size_t count = stream->count < history ? stream->count : history;
	const struct detector_rows rows = {stream->rows + (stream->count - count) * stream->columns,
		count, stream->columns};
	struct calibration calibration;

	if (stream->class->fit(stream->detector, &rows, error) != STATUS_OK)
		return;
	detector_score(stream->class, stream->detector, &rows, stream->scores);
	calibration_fit(&calibration, stream->scores, count);
	stream->calibration = calibration;
	stream->fitted = true;
}

static void keep(struct stream *stream, const double *row)
{
	size_t history = stream->config.history_rows, columns = stream->columns;

	if (stream->count == 2 * history) {
		memcpy(stream->rows, stream->rows + history * columns,
			history * columns * sizeof(*stream->rows));
		stream->count = history;
	}
	memcpy(stream->rows + stream->count * columns, row, columns * sizeof(*row));
	stream->count++;
	stream->fresh++;
}

double stream_step(struct stream *stream, const double *row, double *contributions,
	struct error *error)
{
	double score = stream->class->step(stream->detector, row, contributions);
	struct error own = {.code = STATUS_OK};

	if (stream->fitted)
		score = calibration_surprise(&stream->calibration, score);
	else
		score = NAN;
	keep(stream, row);
	if (stream->count >= stream->config.first_rows &&
		stream->fresh >=
			(stream->fitted ? stream->config.refit_rows : stream->config.first_rows)) {
		refit(stream, &own);
		stream->fresh = 0;
	}
	if (error != NULL)
		*error = own;
	return score;
}
