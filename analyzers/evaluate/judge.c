/*
 * Judging: fit, one pass over the fitted rows for the calibration of alarms (which leaves the rolling
 * state at their end again), then the rows to be judged, in order.
 */
#include <math.h>
#include <string.h>

#include "analyzers/detect/alarm.h"
#include "analyzers/evaluate/judge.h"
#include "base/mem.h"

/* Forests see all of a short past; beyond this the past that is fitted on slides. */
#define REFIT_ROWS_MAX 10000

struct judging {
	const struct entity *entity;
	const struct detector_class *class;
	struct detector *detector;
	struct judged *judged;
	struct alarm alarm;
	double *scores, *scratch; /* [rows]: of the rows fitted on */
};

void judged_fini(struct judged *judged)
{
	mem_free(judged->scores);
	mem_free(judged->alarms);
	mem_free(judged->labels);
	*judged = (struct judged){.scores = NULL};
}

static enum status make_room(const struct entity *entity, struct judged *judged,
	struct error *error)
{
	size_t count = entity_judged(entity);

	judged->scores = mem_zalloc(count + 1, sizeof(*judged->scores));
	judged->alarms = mem_zalloc(count + 1, 1);
	judged->labels = mem_zalloc(count + 1, 1);
	judged->count = count;
	if (judged->scores == NULL || judged->alarms == NULL || judged->labels == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count && entity->labels != NULL; i++)
		judged->labels[i] = entity->labels[entity_judged_row(entity, i)];
	return STATUS_OK;
}

static const double *row_at(const struct entity *entity, size_t row)
{
	return entity->values + row * entity->columns;
}

/* The detector's scores of what it was fitted on tell what is usual. Afterwards its rolling state stands
 * at the end of these rows again. */
static void calibrate(struct judging *judging, const struct detector_rows *rows)
{
	detector_score(judging->class, judging->detector, rows, judging->scores);
	alarm_fit(&judging->alarm, judging->scores, rows->count, judging->scratch);
}

static enum status fit(struct judging *judging, size_t begin, size_t end, struct error *error)
{
	const struct entity *entity = judging->entity;
	struct detector_rows rows = {row_at(entity, begin), end - begin, entity->columns};
	enum status status = judging->class->fit(judging->detector, &rows, error);

	if (status == STATUS_OK)
		calibrate(judging, &rows);
	else
		error_prefix(error, "%s: %s", entity->name, judging->class->name);
	return status;
}

static void judge_row(struct judging *judging, size_t place, size_t row)
{
	struct judged *judged = judging->judged;
	double score = judging->class->step(judging->detector, row_at(judging->entity, row), NULL);
	struct alarm_answer answer = alarm_step(&judging->alarm, score);

	judged->scores[place] = score;
	judged->alarms[place] = answer.active;
	judged->quarantined += answer.quarantine == ALARM_FLAGS_EVERYTHING ||
		answer.quarantine == ALARM_FLAGS_NOTHING;
}

static enum status judge_rows(struct judging *judging, size_t refit_rows, struct error *error)
{
	const struct entity *entity = judging->entity;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < judging->judged->count && status == STATUS_OK; i++) {
		size_t row = entity_judged_row(entity, i);

		/* A fit that is refused leaves the one before serving. */
		if (refit_rows > 0 && i > 0 && i % refit_rows == 0) {
			status = fit(judging, row > REFIT_ROWS_MAX ? row - REFIT_ROWS_MAX : 0, row,
				error);
			if (status == STATUS_BAD_INPUT)
				status = STATUS_OK;
		}
		judge_row(judging, i, row);
	}
	return status;
}

static enum status open_judging(struct judging *judging, const struct judge_options *options,
	struct error *error)
{
	static const struct alarm_config defaults = {.rows_min = 0};
	const struct entity *entity = judging->entity;
	struct detector_config config = {.rows_per_day = entity_rows_per_day(entity),
		.seed = options->seed,
		.shared = options->shared};

	alarm_init(&judging->alarm, &defaults);
	judging->scores = mem_alloc((entity->rows + 1) * sizeof(double));
	judging->scratch = mem_alloc((entity->rows + 1) * sizeof(double));
	if (judging->scores == NULL || judging->scratch == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	judging->detector = judging->class->open(&config, entity->columns, error);
	if (judging->detector == NULL)
		return error_prefix(error, "%s: %s", entity->name, judging->class->name);
	return make_room(entity, judging->judged, error);
}

enum status judge_entity(const struct entity *entity, const struct detector_class *class,
	const struct judge_options *options, struct judged *judged, struct error *error)
{
	struct judging judging = {.entity = entity, .class = class, .judged = judged};
	enum status status;

	*judged = (struct judged){.scores = NULL};
	status = open_judging(&judging, options, error);
	if (status == STATUS_OK) {
		status = fit(&judging, entity->fit_begin, entity->fit_end, error);
		/* With more rows it may be able to. */
		if (status == STATUS_BAD_INPUT && options->refit_rows > 0)
			status = STATUS_OK;
	}
	if (status == STATUS_OK)
		status = judge_rows(&judging, options->refit_rows, error);
	class->close(judging.detector);
	mem_free(judging.scores);
	mem_free(judging.scratch);
	if (status != STATUS_OK)
		judged_fini(judged);
	return status;
}
