/*
 * Data sets: which entities a folder holds, and their rows.
 *
 * Kinds and their files (each may be gzipped, in folders of any name):
 *   smd, asd, jumpstarter   NAME_train.csv, NAME_test.csv, NAME_test_label.csv, or train_NAME.csv,
 *                test_NAME.csv, test_label_NAME.csv: rows of numbers without a header; labels 0 and 1, one
 *                a row of the test part. A row a minute (smd) or every five.
 *   nezha        POD_metric.csv with a header, a column Time and columns of numbers; *fault_list.json
 *                with inject_time, inject_pod, inject_type.
 *   nab          *.csv with timestamp,value; combined_windows.json in the folder, in labels/ or beside.
 *   traces       *.csv with minute,requests, minutes without a gap.
 *   bitbrains    *.csv separated by ; with "Timestamp [ms]" (it holds seconds), CPU usage [%], ...
 *   csv          the project's own: a header; `time`; any columns of numbers; where labels are known
 *                `label` (0 and 1). See docs/evaluation.md.
 * All files found are entities; nothing is known of their names or number.
 *
 * Ownership: dataset_close() gives back all; entities belong to the caller.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_DATASET_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_DATASET_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzers/evaluate/entity.h"
#include "base/error.h"

struct dataset;
struct dataset_kind;

/* NULL when there is no such kind; dataset_kind_names: NULL-terminated. */
const struct dataset_kind *dataset_kind_find(const char *name);
extern const char *const dataset_kind_names[];

const char *dataset_kind_name(const struct dataset_kind *kind);
/* Whether its entities have labels, windows or faults. A csv has them when its file has the column. */
bool dataset_kind_labelled(const struct dataset_kind *kind);
/* Whether its columns are forecast when nothing is asked for. */
bool dataset_kind_forecast(const struct dataset_kind *kind);

struct dataset_options {
	const struct dataset_kind *kind;
	const char *path;   /* a folder; for csv and traces a file, too */
	const char *entity; /* NULL: all; else those whose name is this or ends with / and this */
	double fit_part;    /* csv: the part of the rows that is fitted on; 0: a half */
};

/* STATUS_NOT_FOUND when the folder holds nothing of the kind; the error names the path. */
enum status dataset_open(const struct dataset_options *options, struct dataset **opened,
	struct error *error) MUST_CHECK;
void dataset_close(struct dataset *dataset);

size_t dataset_count(const struct dataset *dataset);
const char *dataset_entity_name(const struct dataset *dataset, size_t index);
/* Reads one. Nothing is left to free after an error; it names file:line:column. */
enum status dataset_load(struct dataset *dataset, size_t index, struct entity *entity,
	struct error *error) MUST_CHECK;

/* The project's own format from memory. entity_fini() it in any case. */
enum status dataset_read_csv(const char *path, const char *text, size_t size, struct entity *entity,
	struct error *error) MUST_CHECK;

/* Whether a column is one that is forecast in the sheets of this kind (of SMD and Bitbrains CPU and
 * memory; of others all). */
bool dataset_forecasts_column(const struct dataset *dataset, const struct entity *entity,
	size_t column);

#endif
