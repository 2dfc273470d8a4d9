/*
 * Median by quickselect with the median of three as pivot: linear on the average, no allocation.
 */
#include "analyzers/robust.h"

#include <math.h>
#include <stdbool.h>

#define CONSISTENCY 1.4826
#define SCORE_MAX 1e6

static double middle_of(double a, double b, double c)
{
	double least = a < b ? a : b, most = a < b ? b : a;

	return c < least ? least : c > most ? most : c;
}

/* Puts what is below the pivot (or, with `equal`, not above it) to the front of [low, high); returns
 * where the rest begins. Without a branch on the values, which would be guessed wrong half of the
 * time: a scan spends a third of its time here otherwise. */
static size_t partition(double *values, size_t low, size_t high, double pivot, bool equal)
{
	size_t rest = low;

	for (size_t i = low; i < high; i++) {
		double value = values[i];

		values[i] = values[rest];
		values[rest] = value;
		rest += (size_t)((value < pivot) | (equal & (value == pivot)));
	}
	return rest;
}

/* After this values[k] is what it would be were the array sorted, and none before it is larger. */
static double select_kth(double *values, size_t count, size_t k)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		double pivot =
			middle_of(values[low], values[low + (high - low) / 2], values[high - 1]);
		size_t rest = partition(values, low, high, pivot, false);

		if (k < rest) {
			high = rest;
			continue;
		}
		/* What equals the pivot is put apart, so that many equal values end it at once. The
		 * pivot is one of them, so that it goes on even with what is no number. */
		low = partition(values, rest, high, pivot, true);
		if (k < low || low == rest)
			return pivot;
	}
	return values[k];
}

double robust_median(double *values, size_t count)
{
	double upper, lower;

	if (count == 0)
		return NAN;
	upper = select_kth(values, count, count / 2);
	if (count % 2 == 1)
		return upper;
	lower = values[0];
	for (size_t i = 1; i < count / 2; i++)
		lower = values[i] > lower ? values[i] : lower;
	/* Halves first: 1e308 + 1e308 is infinite. */
	return lower / 2 + upper / 2;
}

struct robust_scale robust_scale(double *values, double *scratch, size_t count)
{
	struct robust_scale scale = {.median = robust_median(values, count)};

	for (size_t i = 0; i < count; i++)
		scratch[i] = fabs(values[i] - scale.median);
	scale.deviation = CONSISTENCY * robust_median(scratch, count);
	return scale;
}

double robust_score(double value, const struct robust_scale *scale, double floor)
{
	double divisor = scale->deviation > floor ? scale->deviation : floor;
	double distance = value - scale->median;
	double score;

	if (distance == 0)
		return 0;
	score = distance / divisor;
	if (isnan(score))
		return 0;
	return score > SCORE_MAX ? SCORE_MAX : score < -SCORE_MAX ? -SCORE_MAX : score;
}
