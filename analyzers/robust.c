/*
 * Median by quickselect with the median of three as pivot: linear on the average, no allocation.
 */
#include "analyzers/robust.h"

#include <math.h>

#define CONSISTENCY 1.4826
#define SCORE_MAX 1e6

static void swap(double *a, double *b)
{
	double value = *a;

	*a = *b;
	*b = value;
}

/* After this values[k] is what it would be were the array sorted, and none before it is larger. */
static double select_kth(double *values, size_t count, size_t k)
{
	size_t low = 0, high = count - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2, i = low, j = high;

		if (values[middle] < values[low])
			swap(&values[middle], &values[low]);
		if (values[high] < values[low])
			swap(&values[high], &values[low]);
		if (values[high] < values[middle])
			swap(&values[high], &values[middle]);
		double pivot = values[middle];

		for (;;) {
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap(&values[i], &values[j]);
			i++;
			j--;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
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
