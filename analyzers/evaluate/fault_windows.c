/*
 * Faults against windows: see the header. Figures of a method are sums over faults, so that a pod counts
 * by how many faults it had.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/fault_windows.h"
#include "analyzers/evaluate/measures.h"
#include "base/mem.h"

#define FALSE_RATE .05
/* A window at the end of the rows, or with rows missing, counts from this many on. */
#define WINDOW_ROWS_MIN 3

static const struct figure figures[] = {
	{"fault_auc", "AUC", "faults that outrank a window without one", FIGURE_PART},
	{"fault_recall", "rec@5%", "faults found where 5 % of other windows alarm", FIGURE_PART},
	{"cpu_recall", "CPU", "the same of faults of the CPU alone", FIGURE_PART},
	{"faults", "faults", "faults in the judged rows", FIGURE_COUNT},
	{"windows", "windows", "windows without a fault", FIGURE_COUNT},
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

struct fault_sums {
	double auc;
	size_t faults, found, cpu, cpu_found, windows;
};

struct fault_windows {
	struct result_table *table;
	struct fault_sums all;
};

enum status fault_windows_open(struct fault_windows **opened, struct evaluation *evaluation)
{
	struct fault_windows *windows = mem_zalloc(1, sizeof(*windows));

	*opened = windows;
	if (windows == NULL)
		return error_set(evaluation->error, STATUS_NO_MEMORY, "out of memory");
	windows->table = results_table(evaluation->results, "detectors_faults",
		"injected faults, windows of six minutes", figures, FIGURES);
	return STATUS_OK;
}

void fault_windows_close(struct fault_windows *windows)
{
	mem_free(windows);
}

static double higher(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

void fault_windows_scores(const struct entity *entity, const struct judged *judged, double *faults,
	double *others, size_t *other_count)
{
	int64_t begun_ms = 0, before_ms = INT64_MIN;
	double highest = NAN;
	size_t rows = 0;

	*other_count = 0;
	for (size_t k = 0; k < entity->fault_count; k++)
		faults[k] = NAN;
	for (size_t i = 0; i <= judged->count; i++) {
		bool end = i == judged->count;
		int64_t at = end ? 0 : entity_time_ms(entity, entity_judged_row(entity, i));

		if (rows > 0 &&
			(end || judged->labels[i] || at >= begun_ms + FAULT_WINDOW_MS ||
				at < before_ms)) {
			if (rows >= WINDOW_ROWS_MIN)
				others[(*other_count)++] = highest;
			rows = 0;
		}
		if (end)
			break;
		before_ms = at;
		for (size_t k = 0; k < entity->fault_count; k++)
			if (at >= entity->faults[k].at_ms &&
				at < entity->faults[k].at_ms + FAULT_WINDOW_MS)
				faults[k] = higher(faults[k], judged->scores[i]);
		if (judged->labels[i])
			continue;
		if (rows == 0) {
			begun_ms = at;
			highest = NAN;
		}
		rows++;
		highest = higher(highest, judged->scores[i]);
	}
}

static void add_sums(struct fault_sums *sums, const struct entity *entity,
	const struct window_measures *measures, const uint8_t *found)
{
	sums->windows += measures->windows;
	if (isnan(measures->auc))
		return;
	sums->auc += measures->auc * (double)measures->faults;
	sums->faults += measures->faults;
	for (size_t k = 0; k < entity->fault_count; k++) {
		bool cpu = strncmp(entity->faults[k].kind, "cpu", 3) == 0;

		sums->found += found[k];
		sums->cpu += cpu;
		sums->cpu_found += cpu && found[k];
	}
}

enum status fault_windows_add(struct fault_windows *windows, const struct entity *entity,
	const struct judged *judged, struct error *error)
{
	double *faults = mem_zalloc(entity->fault_count + 1, sizeof(*faults));
	double *others = mem_zalloc(judged->count + 1, sizeof(*others));
	uint8_t *found = mem_zalloc(entity->fault_count + 1, 1);
	struct window_measures measures;
	enum status status = STATUS_OK;
	size_t other_count;

	if (faults == NULL || others == NULL || found == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	} else {
		fault_windows_scores(entity, judged, faults, others, &other_count);
		status = measure_windows(faults, entity->fault_count, others, other_count,
			FALSE_RATE, found, &measures, error);
		if (status == STATUS_OK)
			add_sums(&windows->all, entity, &measures, found);
	}
	mem_free(faults);
	mem_free(others);
	mem_free(found);
	return status;
}

static double part(size_t of, size_t all)
{
	return all > 0 ? (double)of / (double)all : NAN;
}

enum status fault_windows_finish(struct fault_windows *windows, const char *method,
	struct evaluation *evaluation)
{
	const struct fault_sums *all = &windows->all;
	double values[RESULT_FIGURES_MAX] = {all->faults > 0 ? all->auc / (double)all->faults : NAN,
		part(all->found, all->faults), part(all->cpu_found, all->cpu), (double)all->faults,
		(double)all->windows};
	enum status status = result_add(windows->table, RESULT_MEAN, method,
		"all faults, all seeds", values, evaluation->error);

	windows->all = (struct fault_sums){0};
	if (status != STATUS_OK)
		return status;
	return evaluation_add_references(evaluation, windows->table, method);
}
