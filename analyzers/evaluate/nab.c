/*
 * The NAB score: each point's weight is independent of the threshold, so that lowering it point by point
 * over the sorted scores of all files gives the score at every threshold in one pass. With a quiet time
 * after alarms that is no longer so, and thresholds are tried one by one.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "analyzers/evaluate/nab.h"
#include "base/mem.h"

#define PROBATION_PART .15
#define PROBATION_ROWS_MAX 5000.

const struct nab_profile nab_profiles[NAB_PROFILES] = {
	{"standard", 1, .11, 1},
	{"low FP", 1, .22, 1},
	{"low FN", 1, .11, 2},
};

struct nab_point {
	double score, weight;
	size_t window; /* over all files; NO_WINDOW outside */
	size_t file, row;
};

#define NO_WINDOW SIZE_MAX

struct nab_points {
	struct nab_point *list; /* by file and row, without the points on probation */
	size_t count;
	double *best; /* [window_count]: what each window has earned so far */
	size_t window_count;
	const struct nab_profile *profile;
};

size_t nab_probation(size_t count)
{
	double rows = floor(PROBATION_PART * (double)count);

	return (size_t)fmin(rows, PROBATION_PART * PROBATION_ROWS_MAX);
}

static double scaled_sigmoid(double place)
{
	return place > 3 ? -1 : 2 / (1 + exp(5 * place)) - 1;
}

static double weight_inside(const struct nab_window *window, size_t row,
	const struct nab_profile *profile)
{
	double width = (double)(window->last - window->first + 1);
	double place = -(double)(window->last - row + 1) / width;

	return scaled_sigmoid(place) / scaled_sigmoid(-1) * profile->found;
}

static double weight_outside(const struct nab_window *before, size_t row,
	const struct nab_profile *profile)
{
	double behind, width;

	if (before == NULL)
		return -profile->false_alarm;
	behind = (double)(row - before->last);
	width = (double)(before->last - before->first);
	return (width > 0 ? scaled_sigmoid(behind / width) : -1) * profile->false_alarm;
}

static void add_file(struct nab_points *points, const struct nab_file *file, size_t index)
{
	size_t window = 0, first = nab_probation(file->count);

	for (size_t row = 0; row < file->count; row++) {
		struct nab_point point = {.file = index, .row = row, .window = NO_WINDOW};

		while (window < file->window_count && row > file->windows[window].last)
			window++;
		if (row < first)
			continue;
		point.score =
			isnan(file->scores[row]) ? -INFINITY : fmin(file->scores[row], DBL_MAX);
		if (window < file->window_count && row >= file->windows[window].first) {
			point.weight = weight_inside(&file->windows[window], row, points->profile);
			point.window = points->window_count + window;
		} else {
			point.weight =
				weight_outside(window > 0 ? &file->windows[window - 1] : NULL, row,
					points->profile);
		}
		points->list[points->count++] = point;
	}
	points->window_count += file->window_count;
}

static enum status make_points(struct nab_points *points, const struct nab_file *files,
	size_t count, const struct nab_profile *profile, struct error *error)
{
	size_t rows = 0, windows = 0;

	for (size_t i = 0; i < count; i++) {
		rows += files[i].count;
		windows += files[i].window_count;
	}
	*points = (struct nab_points){.profile = profile};
	points->list = mem_zalloc(rows + 1, sizeof(*points->list));
	points->best = mem_zalloc(windows + 1, sizeof(*points->best));
	if (points->list == NULL || points->best == NULL) {
		mem_free(points->list);
		mem_free(points->best);
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		add_file(points, &files[i], i);
	return STATUS_OK;
}

static void free_points(struct nab_points *points)
{
	mem_free(points->list);
	mem_free(points->best);
}

/* What is added to the sum when this point is an alarm. */
static double raise_alarm(struct nab_points *points, const struct nab_point *point)
{
	double gain, *best;

	if (point->window == NO_WINDOW)
		return point->weight;
	best = &points->best[point->window];
	gain = point->weight > *best ? point->weight - *best : 0;
	*best += gain;
	return gain;
}

static double no_alarms(struct nab_points *points)
{
	for (size_t i = 0; i < points->window_count; i++)
		points->best[i] = -points->profile->missed;
	return -points->profile->missed * (double)points->window_count;
}

static double scale(const struct nab_points *points, double sum)
{
	double windows = (double)points->window_count;
	double none = -points->profile->missed * windows,
	       perfect = points->profile->found * windows;

	return windows > 0 ? 100 * (sum - none) / (perfect - none) : NAN;
}

static int by_falling_score(const void *a, const void *b)
{
	const struct nab_point *x = a, *y = b;

	return (x->score < y->score) - (x->score > y->score);
}

/* All thresholds in one pass. */
static void sweep(struct nab_points *points, struct nab_result *result)
{
	double sum = no_alarms(points), best = sum;

	qsort(points->list, points->count, sizeof(*points->list), by_falling_score);
	*result = (struct nab_result){.threshold = INFINITY};
	for (size_t i = 0; i < points->count; i++) {
		const struct nab_point *point = &points->list[i];

		if (isinf(point->score) && point->score < 0)
			break;
		sum += raise_alarm(points, point);
		if (i + 1 < points->count && points->list[i + 1].score >= point->score)
			continue;
		if (sum > best) {
			best = sum;
			result->threshold = point->score;
			result->alarms = i + 1;
		}
	}
	result->score = scale(points, best);
}

/* The list is still in the order of time. */
static void score_at(struct nab_points *points, double threshold, size_t quiet_rows,
	struct nab_result *result)
{
	const struct nab_point *last = NULL;
	double sum = no_alarms(points);

	*result = (struct nab_result){.threshold = threshold};
	for (size_t i = 0; i < points->count; i++) {
		const struct nab_point *point = &points->list[i];

		if (point->score < threshold || (isinf(point->score) && point->score < 0))
			continue;
		if (last != NULL && last->file == point->file &&
			point->row - last->row <= quiet_rows && quiet_rows > 0)
			continue;
		last = point;
		sum += raise_alarm(points, point);
		result->alarms++;
	}
	result->score = scale(points, sum);
}

static int by_falling(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/*
 * Distinct scores as thresholds: all of the highest, then ever sparser ones, so that few alarms, where
 * each counts, are tried most finely.
 */
static size_t pick_thresholds(const struct nab_points *points, double *sorted)
{
	size_t distinct = 0, picked = 0;

	for (size_t i = 0; i < points->count; i++)
		sorted[i] = points->list[i].score;
	qsort(sorted, points->count, sizeof(*sorted), by_falling);
	for (size_t i = 0; i < points->count; i++)
		if (i == 0 || sorted[i] < sorted[i - 1])
			sorted[distinct++] = sorted[i];
	if (distinct <= NAB_THRESHOLDS_MAX)
		return distinct;
	for (size_t i = 0; i < NAB_THRESHOLDS_MAX; i++) {
		double place = pow((double)distinct, (double)i / (NAB_THRESHOLDS_MAX - 1));
		size_t at = (size_t)place - 1 > i ? (size_t)place - 1 : i;

		sorted[picked++] = sorted[at < distinct ? at : distinct - 1];
	}
	return picked;
}

static enum status try_thresholds(struct nab_points *points, size_t quiet_rows,
	struct nab_result *result, struct error *error)
{
	double *thresholds = mem_zalloc(points->count + 1, sizeof(*thresholds));
	size_t count;

	if (thresholds == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	count = pick_thresholds(points, thresholds);
	score_at(points, INFINITY, quiet_rows, result);
	for (size_t i = 0; i < count; i++) {
		struct nab_result one;

		score_at(points, thresholds[i], quiet_rows, &one);
		if (one.score > result->score)
			*result = one;
	}
	mem_free(thresholds);
	return STATUS_OK;
}

enum status nab_best(const struct nab_file *files, size_t count, const struct nab_profile *profile,
	size_t quiet_rows, struct nab_result *result, struct error *error)
{
	struct nab_points points;
	enum status status = make_points(&points, files, count, profile, error);

	if (status != STATUS_OK)
		return status;
	if (quiet_rows == 0)
		sweep(&points, result);
	else
		status = try_thresholds(&points, quiet_rows, result, error);
	free_points(&points);
	return status;
}

enum status nab_at(const struct nab_file *files, size_t count, const struct nab_profile *profile,
	size_t quiet_rows, double threshold, struct nab_result *result, struct error *error)
{
	struct nab_points points;
	enum status status = make_points(&points, files, count, profile, error);

	if (status != STATUS_OK)
		return status;
	score_at(&points, threshold, quiet_rows, result);
	free_points(&points);
	return STATUS_OK;
}
