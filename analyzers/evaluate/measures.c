/*
 * Measures: the points are sorted once by falling score and walked group by group of equal scores; all
 * measures of points are read off on the way. An event enters the count of those found at its highest
 * point.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/evaluate/measures.h"
#include "base/mem.h"

struct point {
	double score;
	size_t weight; /* points that stand for this one: of an event, in the adjusted list */
	uint8_t label, event_first; /* event_first: the first time this event is seen */
};

static double comparable(double score)
{
	return isnan(score) ? -INFINITY : score;
}

static int by_falling_score(const void *a, const void *b)
{
	double x = ((const struct point *)a)->score, y = ((const struct point *)b)->score;

	return (x < y) - (x > y);
}

/* A point for each score; the first of the highest points of an event carries it. */
static size_t list_points(const double *scores, const uint8_t *labels, size_t count,
	struct point *points)
{
	size_t events = 0, best = 0;

	for (size_t i = 0; i < count; i++) {
		points[i] = (struct point){comparable(scores[i]), 1, labels[i] != 0, 0};
		if (labels[i] == 0)
			continue;
		if (i == 0 || labels[i - 1] == 0) {
			events++;
			best = i;
		} else if (points[i].score > points[best].score) {
			best = i;
		}
		if (i + 1 == count || labels[i + 1] == 0)
			points[best].event_first = 1;
	}
	return events;
}

static double harmonic(double a, double b)
{
	return a + b > 0 ? 2 * a * b / (a + b) : 0;
}

struct sweep {
	size_t positives, negatives, events;
	size_t true_points, false_points, events_found; /* so far */
	double area, precision_sum;
	double f1, f1_threshold, composite, composite_threshold;
};

static void sweep_group(struct sweep *sweep, const struct point *points, size_t first, size_t last)
{
	size_t right = 0, wrong = 0;
	double precision, f1, composite;

	for (size_t i = first; i < last; i++) {
		if (points[i].label)
			right += points[i].weight;
		else
			wrong += points[i].weight;
		sweep->events_found += points[i].event_first;
	}
	/* Pairs of a labelled point in this group and an unlabelled one below or in it. */
	sweep->area += (double)right *
		((double)(sweep->negatives - sweep->false_points - wrong) + .5 * (double)wrong);
	sweep->true_points += right;
	sweep->false_points += wrong;
	precision = (double)sweep->true_points / (double)(sweep->true_points + sweep->false_points);
	sweep->precision_sum += (double)right * precision;
	f1 = harmonic(precision, (double)sweep->true_points / (double)sweep->positives);
	composite = harmonic(precision, (double)sweep->events_found / (double)sweep->events);
	if (f1 > sweep->f1) {
		sweep->f1 = f1;
		sweep->f1_threshold = points[first].score;
	}
	if (composite > sweep->composite) {
		sweep->composite = composite;
		sweep->composite_threshold = points[first].score;
	}
}

static void sweep_points(struct sweep *sweep, struct point *points, size_t count)
{
	qsort(points, count, sizeof(*points), by_falling_score);
	for (size_t first = 0, last; first < count; first = last) {
		for (last = first + 1; last < count; last++)
			if (points[last].score < points[first].score)
				break;
		sweep_group(sweep, points, first, last);
	}
}

/* Each event as one point of its length and highest score. */
static double adjusted_f1(const double *scores, const uint8_t *labels, size_t count,
	struct sweep *sweep, struct point *points)
{
	size_t made = 0;

	for (size_t i = 0; i < count; i++) {
		double score = comparable(scores[i]);

		if (labels[i] != 0 && i > 0 && labels[i - 1] != 0) {
			points[made - 1].weight++;
			points[made - 1].score = fmax(points[made - 1].score, score);
		} else {
			points[made++] = (struct point){score, 1, labels[i] != 0, labels[i] != 0};
		}
	}
	sweep_points(sweep, points, made);
	return sweep->f1;
}

enum status measure_points(const double *scores, const uint8_t *labels, size_t count,
	struct point_measures *measures, struct error *error)
{
	struct sweep sweep = {0}, adjusted;
	struct point *points;

	*measures = (struct point_measures){NAN, NAN, NAN, NAN, NAN, NAN, NAN, count, 0, 0, 0};
	if (count > MEASURE_POINTS_MAX)
		return error_set(error, STATUS_TOO_LARGE, "more than %zu points to measure",
			MEASURE_POINTS_MAX);
	points = mem_zalloc(count + 1, sizeof(*points));
	if (points == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	measures->events = list_points(scores, labels, count, points);
	for (size_t i = 0; i < count; i++) {
		measures->labelled += labels[i] != 0;
		measures->unjudged += isnan(scores[i]) ? 1 : 0;
	}
	sweep.events = measures->events;
	sweep.positives = measures->labelled;
	sweep.negatives = count - measures->labelled;
	adjusted = sweep;
	if (sweep.positives > 0) {
		sweep_points(&sweep, points, count);
		measures->average_precision = sweep.precision_sum / (double)sweep.positives;
		measures->best_f1 = sweep.f1;
		measures->best_f1_threshold = sweep.f1_threshold;
		measures->best_composite = sweep.composite;
		measures->best_composite_threshold = sweep.composite_threshold;
		measures->point_adjusted_f1 = adjusted_f1(scores, labels, count, &adjusted, points);
	}
	if (sweep.positives > 0 && sweep.negatives > 0)
		measures->roc_auc =
			sweep.area / ((double)sweep.positives * (double)sweep.negatives);
	mem_free(points);
	return STATUS_OK;
}

/* ---- alarms ---- */

static double part(size_t of, size_t all)
{
	return all > 0 ? (double)of / (double)all : NAN;
}

/* Episodes, and those that hold a labelled point. */
static void count_episodes(const uint8_t *alarms, const uint8_t *labels, size_t count,
	struct alarm_measures *measures)
{
	int right = 0;

	for (size_t i = 0; i < count; i++) {
		if (!alarms[i])
			continue;
		measures->alarmed++;
		right |= labels[i] != 0;
		if (i + 1 == count || !alarms[i + 1]) {
			measures->episodes++;
			measures->episodes_right += right != 0;
			right = 0;
		}
	}
}

/* Events, those with an alarm in them, and how long that took. */
static void count_events(const uint8_t *alarms, const uint8_t *labels, size_t count,
	struct alarm_measures *measures)
{
	size_t begin = 0, sum = 0, longest = 0;
	int found = 0;

	for (size_t i = 0; i < count; i++) {
		if (!labels[i])
			continue;
		if (i == 0 || !labels[i - 1]) {
			measures->events++;
			begin = i;
			found = 0;
		}
		if (!alarms[i] || found)
			continue;
		found = 1;
		measures->events_found++;
		sum += i - begin;
		longest = i - begin > longest ? i - begin : longest;
	}
	measures->delay_mean = part(sum, measures->events_found);
	measures->delay_max = measures->events_found > 0 ? (double)longest : NAN;
}

void measure_alarms(const uint8_t *alarms, const uint8_t *labels, size_t count,
	struct alarm_measures *measures)
{
	size_t right = 0, labelled = 0;

	*measures = (struct alarm_measures){.points = count};
	for (size_t i = 0; i < count; i++) {
		labelled += labels[i] != 0;
		right += labels[i] != 0 && alarms[i] != 0;
	}
	count_episodes(alarms, labels, count, measures);
	count_events(alarms, labels, count, measures);
	measures->rate = part(measures->alarmed, count);
	measures->point_precision = part(right, measures->alarmed);
	measures->point_recall = part(right, labelled);
	measures->event_precision = part(measures->episodes_right, measures->episodes);
	measures->event_recall = part(measures->events_found, measures->events);
}

/* ---- faults and windows ---- */

static int by_score(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double outranked(const double *sorted, size_t count, double score)
{
	size_t below = 0, equal = 0;

	for (size_t i = 0; i < count; i++) {
		below += sorted[i] < score;
		equal += sorted[i] <= score && sorted[i] >= score;
	}
	return ((double)below + .5 * (double)equal) / (double)count;
}

enum status measure_windows(const double *faults, size_t fault_count, const double *windows,
	size_t window_count, double false_rate, uint8_t *found, struct window_measures *measures,
	struct error *error)
{
	double *sorted, sum = 0, threshold;
	size_t allowed;

	*measures = (struct window_measures){NAN, NAN, fault_count, 0, window_count};
	if (fault_count == 0 || window_count == 0)
		return STATUS_OK;
	sorted = mem_alloc(window_count * sizeof(*sorted));
	if (sorted == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < window_count; i++)
		sorted[i] = comparable(windows[i]);
	qsort(sorted, window_count, sizeof(*sorted), by_score);
	/* At most `allowed` false windows are above the threshold. */
	allowed = (size_t)(false_rate * (double)window_count);
	threshold =
		sorted[window_count - 1 - (allowed < window_count ? allowed : window_count - 1)];
	for (size_t i = 0; i < fault_count; i++) {
		double score = comparable(faults[i]);

		sum += outranked(sorted, window_count, score);
		if (found != NULL)
			found[i] = score > threshold;
		measures->faults_found += score > threshold;
	}
	measures->auc = sum / (double)fault_count;
	measures->recall = part(measures->faults_found, fault_count);
	mem_free(sorted);
	return STATUS_OK;
}
