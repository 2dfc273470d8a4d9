/*
 * Series of many workloads, made ready for training once.
 */
#include "analyzers/models/lessons.h"

#include <string.h>

#include "analyzers/forecast/lstm_series.h"
#include "base/mem.h"

enum status lessons_init(struct lessons *lessons, const struct forecaster_config *config,
	struct error *error)
{
	memset(lessons, 0, sizeof(*lessons));
	lessons->config = *config;
	lessons->series = mem_zalloc(LESSONS_SERIES_MAX, sizeof(*lessons->series));
	if (lessons->series == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for lessons");
	return STATUS_OK;
}

void lessons_fini(struct lessons *lessons)
{
	for (size_t i = 0; i < lessons->count; i++) {
		mem_free((void *)lessons->series[i].inputs);
		mem_free((void *)lessons->series[i].targets);
	}
	mem_free(lessons->series);
	memset(lessons, 0, sizeof(*lessons));
}

enum status lessons_add(struct lessons *lessons, const struct lesson *lesson, struct error *error)
{
	struct forecaster_config config = lessons->config;
	struct lstm_shape shape = lstm_net_shape(&config);
	float *inputs, *targets;
	struct lstm_series series;
	enum status status;

	if (lessons->count == LESSONS_SERIES_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%d series are the most to learn from",
			LESSONS_SERIES_MAX);
	config.season_rows = lesson->season_rows;
	inputs = mem_zalloc(lesson->count * shape.inputs, sizeof(*inputs));
	targets = mem_zalloc(lesson->count * shape.outputs, sizeof(*targets));
	status = inputs != NULL && targets != NULL
		? lstm_series_init(&series, &config, error)
		: error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", lesson->count);
	if (status != STATUS_OK) {
		mem_free(inputs);
		mem_free(targets);
		return status;
	}
	lstm_series_rows(&series, lesson->values, lesson->beside, lesson->count, lesson->start_ms,
		lesson->step_ms, inputs, targets);
	lstm_series_fini(&series);
	lessons->series[lessons->count++] = (struct lstm_rows){inputs, targets, lesson->count};
	lessons->rows += lesson->count;
	return STATUS_OK;
}

enum status lessons_train(const struct lessons *lessons, struct lstm_net *net,
	const struct lstm_training *training, struct lstm_training_result *result,
	struct error *error)
{
	return lstm_train(&net->lstm, lessons->series, lessons->count, lstm_series_levels, training,
		result, error);
}
