/*
 * What the kinds of data sets share: the interface of a kind, and the open data set it works on.
 *
 * Threads: as dataset.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_DATASET_KINDS_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_DATASET_KINDS_H

#include "analyzers/evaluate/dataset.h"
#include "analyzers/evaluate/file_list.h"
#include "base/buf.h"

#define DATASET_PATH_MAX 4096

/* An entity not yet read. */
struct dataset_entry {
	char *name;
	char *files[3]; /* relative to the folder; meaning by kind */
};

/* A fault of a list, or a window of NAB. */
struct dataset_mark {
	char *entity; /* pod, or file as combined_windows.json names it */
	int64_t first_ms, last_ms;
	char kind[48];
};

struct dataset {
	struct dataset_options options;
	char *folder;
	struct file_list files;
	struct dataset_entry *entries;
	size_t entry_count;
	struct dataset_mark *marks;
	size_t mark_count;
};

struct dataset_kind {
	const char *name;
	bool labelled, forecast;
	int64_t step_ms;
	/* Finds the entries among dataset->files. */
	enum status (*find)(struct dataset *dataset, struct error *error);
	/* Reads one. What it leaves in *entity after an error is freed by the caller. */
	enum status (*load)(struct dataset *dataset, const struct dataset_entry *entry,
		struct entity *entity, struct error *error);
};

extern const struct dataset_kind dataset_smd, dataset_asd, dataset_jumpstarter, dataset_nezha,
	dataset_nab, dataset_traces, dataset_bitbrains, dataset_csv;

/* Adds an entry of these files (NULL: none), named by the first name_size bytes of name. */
enum status dataset_add_entry(struct dataset *dataset, const char *name, size_t name_size,
	const char *const files[3], struct error *error) MUST_CHECK;
/* Adds each CSV file but those that pass() refuses (NULL: none), named by its path without .csv. */
enum status dataset_add_files(struct dataset *dataset, bool (*pass)(const char *base),
	struct error *error) MUST_CHECK;
/* mark->entity is copied. */
enum status dataset_add_mark(struct dataset *dataset, const struct dataset_mark *mark,
	struct error *error) MUST_CHECK;
/* The path of a file of the folder. */
enum status dataset_path(const struct dataset *dataset, const char *file,
	char path[DATASET_PATH_MAX], struct error *error) MUST_CHECK;

/* A table with a header: a column of times and columns of numbers. */
struct headed_format {
	char separator;
	const char *const *time_names; /* the first that the header has; compared without case */
	bool minutes;                  /* the times are natural numbers of minutes */
	bool rising;                   /* each time must be after the one before */
	const char *label_name;        /* NULL: no labels; a file without it has none */
	const char *const *skip;       /* columns to pass over, NULL-terminated */
};
/* Fills values, column_names, times_ms, labels and step_ms. */
enum status dataset_parse_headed(const char *path, const char *text, size_t size,
	const struct headed_format *format, struct entity *entity, struct error *error) MUST_CHECK;
enum status dataset_read_headed(struct dataset *dataset, const char *file,
	const struct headed_format *format, struct entity *entity, struct error *error) MUST_CHECK;

/* Puts "path:line:column: " of a byte of a text before an error's words. */
enum status dataset_refuse_at(const char *path, const struct buf *bytes, const char *at,
	struct error *error);

/* Sets fit_end and report_begin to the parts of traces: of whole days .45 and two thirds, rounded. */
void dataset_set_parts(struct entity *entity);

#endif
