/*
 * NAB's score of a detector, three ways: a threshold over every point as NAB has it; the same with one
 * alarm an episode; and the alarms of the default setting, for which no threshold is chosen at all.
 */
#include <math.h>
#include <string.h>

#include "analyzers/evaluate/nab_files.h"
#include "base/mem.h"

static const struct figure figures[NAB_PROFILES] = {
	{"standard", "standard", "NAB score, standard profile", FIGURE_SCORE},
	{"low_fp", "low FP", "false alarms cost twice as much", FIGURE_SCORE},
	{"low_fn", "low FN", "misses cost twice as much", FIGURE_SCORE},
};

enum way { WAY_POINTS, WAY_EPISODES, WAY_ALARMS, WAYS };

static const char *const ways[WAYS] = {"every point", "one alarm an episode", "default alarms"};

struct scored_file {
	double *scores, *alarms;
	struct nab_window *windows;
	size_t count, window_count, seed;
};

struct nab_files {
	struct result_table *table;
	struct scored_file *list;
	size_t count;
};

enum status nab_files_open(struct nab_files **opened, struct evaluation *evaluation)
{
	struct nab_files *files = mem_zalloc(1, sizeof(*files));

	*opened = files;
	if (files == NULL)
		return error_set(evaluation->error, STATUS_NO_MEMORY, "out of memory");
	files->table =
		results_table(evaluation->results, "nab", "NAB score", figures, NAB_PROFILES);
	return STATUS_OK;
}

static void forget_files(struct nab_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		mem_free(files->list[i].scores);
		mem_free(files->list[i].alarms);
		mem_free(files->list[i].windows);
	}
	mem_free(files->list);
	files->list = NULL;
	files->count = 0;
}

void nab_files_close(struct nab_files *files)
{
	if (files == NULL)
		return;
	forget_files(files);
	mem_free(files);
}

struct result_table *nab_files_table(struct nab_files *files)
{
	return files->table;
}

/* Rows on probation have no scores: they come before the first that is judged. */
static void spread(const struct entity *entity, const struct judged *judged,
	struct scored_file *file)
{
	for (size_t row = 0; row < entity->rows; row++)
		file->scores[row] = file->alarms[row] = NAN;
	for (size_t i = 0; i < judged->count; i++) {
		size_t row = entity_judged_row(entity, i);

		file->scores[row] = judged->scores[i];
		/* The alarm is where an episode begins. */
		file->alarms[row] = judged->alarms[i] && (i == 0 || !judged->alarms[i - 1]) ? 1 : 0;
	}
	memcpy(file->windows, entity->windows, entity->window_count * sizeof(*file->windows));
}

enum status nab_files_add(struct nab_files *files, const struct entity *entity,
	const struct judged *judged, size_t seed, struct error *error)
{
	struct scored_file *list, *file;

	list = mem_resize(files->list, files->count + 1, sizeof(*list));
	if (list == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	files->list = list;
	file = &list[files->count++];
	*file = (struct scored_file){.count = entity->rows,
		.window_count = entity->window_count,
		.seed = seed,
		.scores = mem_alloc((entity->rows + 1) * sizeof(double)),
		.alarms = mem_alloc((entity->rows + 1) * sizeof(double)),
		.windows = mem_zalloc(entity->window_count + 1, sizeof(struct nab_window))};
	if (file->scores == NULL || file->alarms == NULL || file->windows == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	spread(entity, judged, file);
	return STATUS_OK;
}

/* The files of one seed; NULL: no memory. */
static struct nab_file *files_of_seed(const struct nab_files *files, size_t seed, bool alarms,
	size_t *count)
{
	struct nab_file *list = mem_zalloc(files->count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list != NULL && i < files->count; i++) {
		const struct scored_file *file = &files->list[i];

		if (file->seed == seed)
			list[(*count)++] = (struct nab_file){alarms ? file->alarms : file->scores,
				file->count, file->windows, file->window_count};
	}
	return list;
}

static enum status score_seed(const struct nab_files *files, size_t seed, enum way way,
	double *sums, size_t *seeds, struct error *error)
{
	enum status status = STATUS_OK;
	struct nab_file *list;
	size_t count;

	list = files_of_seed(files, seed, way == WAY_ALARMS, &count);
	if (list == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t p = 0; p < NAB_PROFILES && count > 0 && status == STATUS_OK; p++) {
		struct nab_result result;

		if (way == WAY_ALARMS)
			status = nab_at(list, count, &nab_profiles[p], 0, .5, &result, error);
		else
			status = nab_best(list, count, &nab_profiles[p],
				way == WAY_EPISODES ? EVALUATE_QUIET_ROWS : 0, &result, error);
		if (status == STATUS_OK)
			sums[p] += result.score;
	}
	*seeds += count > 0;
	mem_free(list);
	return status;
}

enum status nab_files_finish(struct nab_files *files, const char *method,
	struct evaluation *evaluation)
{
	enum status status = STATUS_OK;

	for (enum way way = 0; way < WAYS && status == STATUS_OK; way++) {
		double sums[RESULT_FIGURES_MAX] = {0};
		size_t seeds = 0;

		for (size_t seed = 0; seed < evaluation->options->seeds && status == STATUS_OK;
			seed++)
			status = score_seed(files, seed, way, sums, &seeds, evaluation->error);
		for (size_t p = 0; p < NAB_PROFILES; p++)
			sums[p] = seeds > 0 ? sums[p] / (double)seeds : NAN;
		if (status == STATUS_OK)
			status = result_add(files->table, RESULT_MEAN, method, ways[way], sums,
				evaluation->error);
	}
	forget_files(files);
	if (status != STATUS_OK)
		return status;
	return evaluation_add_references(evaluation, files->table, method);
}
