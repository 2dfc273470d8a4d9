/*
 * SMD, ASD, JumpStarter: a file to train on, one to test on, and the test's labels. Both ways of naming
 * them are taken for each kind: NAME_train.csv and train_NAME.csv.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "analyzers/evaluate/table.h"
#include "base/mem.h"

#define MINUTE_MS 60000

/* The three files' names, made of the folder before them, the entity's name, and words. */
static enum status add_entity(struct dataset *dataset, const char *train, size_t folder_size,
	const char *name, size_t name_size, bool words_first, struct error *error)
{
	static const char *const words[] = {"train", "test", "test_label"};
	const char *files[3] = {train, NULL, NULL};
	char wanted[DATASET_PATH_MAX], full[DATASET_PATH_MAX];

	for (size_t i = 1; i < 3; i++) {
		snprintf(wanted, sizeof(wanted), "%.*s%s%s%.*s%s%s.csv", (int)folder_size, train,
			words_first ? words[i] : "", words_first ? "_" : "", (int)name_size, name,
			words_first ? "" : "_", words_first ? "" : words[i]);
		if (!file_list_has(&dataset->files, wanted, &files[i]))
			return error_set(error, STATUS_NOT_FOUND, "%s/%s: there is no %s beside it",
				dataset->folder, train, wanted);
	}
	snprintf(full, sizeof(full), "%.*s%.*s", (int)folder_size, train, (int)name_size, name);
	return dataset_add_entry(dataset, full, strlen(full), files, error);
}

static enum status find_pairs(struct dataset *dataset, struct error *error)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < dataset->files.count && status == STATUS_OK; i++) {
		const char *name = dataset->files.names[i], *base = file_list_base(name);
		size_t folder = (size_t)(base - name), stem = file_list_stem(base);

		if (stem > 6 && strncmp(base, "train_", 6) == 0)
			status = add_entity(dataset, name, folder, base + 6, stem - 6, true, error);
		else if (stem > 6 && strncmp(base + stem - 6, "_train", 6) == 0)
			status = add_entity(dataset, name, folder, base, stem - 6, false, error);
	}
	return status;
}

static enum status load_table(const struct dataset *dataset, const char *file,
	char path[DATASET_PATH_MAX], struct numbers *numbers, struct error *error)
{
	enum status status = dataset_path(dataset, file, path, error);

	return status == STATUS_OK ? table_load_numbers(path, numbers, error) : status;
}

/* Labels stand one to a line, so that the row is the line. */
static enum status take_labels(struct entity *entity, const struct numbers *labels,
	const char *path, struct error *error)
{
	size_t test_rows = entity->rows - entity->fit_end;

	if (labels->columns != 1)
		return error_set(error, STATUS_BAD_INPUT, "%s:1:1: %zu columns, not one of labels",
			path, labels->columns);
	if (labels->rows != test_rows)
		return error_set(error, STATUS_BAD_INPUT,
			"%s:%zu:1: %zu labels for %zu rows of the test part", path, labels->rows,
			labels->rows, test_rows);
	entity->labels = mem_zalloc(entity->rows, 1);
	if (entity->labels == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	for (size_t i = 0; i < test_rows; i++) {
		double label = labels->values[i];

		if (!(label >= 0 && label <= 0) && !(label >= 1 && label <= 1))
			return error_set(error, STATUS_BAD_INPUT, "%s:%zu:1: a label is 0 or 1",
				path, i + 1);
		entity->labels[entity->fit_end + i] = label > 0;
	}
	return STATUS_OK;
}

/* The test part behind the train part. */
static enum status join(struct entity *entity, struct numbers *train, const struct numbers *test,
	const char *path, struct error *error)
{
	double *values;

	if (test->columns != train->columns)
		return error_set(error, STATUS_BAD_INPUT,
			"%s:1:1: %zu columns, the train part has %zu", path, test->columns,
			train->columns);
	values = mem_resize(train->values, (train->rows + test->rows) * train->columns,
		sizeof(double));
	if (values == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	memcpy(values + train->rows * train->columns, test->values,
		test->rows * test->columns * sizeof(double));
	train->values = NULL;
	entity->values = values;
	entity->rows = train->rows + test->rows;
	entity->columns = train->columns;
	entity->fit_end = entity->seam = train->rows;
	entity->report_begin = train->rows;
	return STATUS_OK;
}

static enum status load_pair(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	struct numbers train = {.values = NULL}, test = {.values = NULL}, labels = {.values = NULL};
	char path[DATASET_PATH_MAX];
	enum status status;

	status = load_table(dataset, entry->files[0], path, &train, error);
	if (status == STATUS_OK)
		status = load_table(dataset, entry->files[1], path, &test, error);
	if (status == STATUS_OK)
		status = join(entity, &train, &test, path, error);
	if (status == STATUS_OK)
		status = load_table(dataset, entry->files[2], path, &labels, error);
	if (status == STATUS_OK)
		status = take_labels(entity, &labels, path, error);
	numbers_fini(&train);
	numbers_fini(&test);
	numbers_fini(&labels);
	return status;
}

const struct dataset_kind dataset_smd = {"smd", true, false, MINUTE_MS, find_pairs, load_pair};
const struct dataset_kind dataset_asd = {"asd", true, false, 5 * MINUTE_MS, find_pairs, load_pair};
const struct dataset_kind dataset_jumpstarter = {"jumpstarter", true, false, 5 * MINUTE_MS,
	find_pairs, load_pair};
