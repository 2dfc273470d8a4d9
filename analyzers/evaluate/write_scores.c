/*
 * Scores as CSV, so that others can measure them by themselves.
 */
#include <math.h>
#include <stdio.h>

#include "analyzers/evaluate/evaluation.h"
#include "analyzers/evaluate/judge.h"
#include "base/file.h"

#define SCORES_SIZE_MAX ((size_t)1 << 30)

/* Folders in an entity's name become part of the file's. */
static enum status name_file(struct evaluation *evaluation, const char *detector,
	const char *entity, char path[4096])
{
	int size = snprintf(path, 4096, "%s/%s_", evaluation->options->scores_folder, detector);

	if (size < 0 || size >= 4000)
		return error_set(evaluation->error, STATUS_BAD_INPUT,
			"the folder's name is too long");
	for (const char *c = entity; *c != '\0' && size < 4080; c++)
		path[size++] = *c == '/' ? '_' : *c;
	snprintf(path + size, 4096 - (size_t)size, ".csv");
	return STATUS_OK;
}

enum status evaluation_write_scores(struct evaluation *evaluation, const struct entity *entity,
	const struct judged *judged, const char *detector)
{
	enum status status;
	char path[4096];
	struct buf text;

	status = name_file(evaluation, detector, entity->name, path);
	if (status != STATUS_OK)
		return status;
	buf_init(&text, SCORES_SIZE_MAX);
	buf_add_text(&text, "row,time,score,label,alarm\n");
	for (size_t i = 0; i < judged->count; i++) {
		size_t row = entity_judged_row(entity, i);

		buf_printf(&text, "%zu,%.3f,", row, (double)entity_time_ms(entity, row) / 1000);
		if (!isnan(judged->scores[i]))
			buf_printf(&text, "%.17g", judged->scores[i]);
		buf_printf(&text, ",%d,%d\n", judged->labels[i], judged->alarms[i]);
	}
	if (buf_ok(&text))
		status = file_write_atomic(path, text.data, text.size, 0644, evaluation->error);
	else
		status = error_set(evaluation->error, STATUS_NO_MEMORY, "%s: out of memory", path);
	buf_fini(&text);
	return status;
}
