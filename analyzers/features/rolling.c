/*
 * Each window keeps the sum and the sum of squares of its entries' distances from a centre near
 * them, so that offsets cancel before they are squared; the centre is always the newest entry at the
 * time when it was chosen, and no entry of a window of n lies further than sqrt(n) deviations from
 * the mean of it.
 *
 * What is taken out again leaves rounding behind: at most about `changes` times the precision of a
 * double times `peak`, the largest sum of squares since the sums were made. As soon as that could
 * show (CHANGES_MAX, against the sum of squares about the mean), the window is summed anew from its
 * entries, of which there are 60 at most, about a new centre. With noise that happens every few
 * hundred rows, on a steady slope every 25, and at once when an outlier leaves: constant time a row
 * in any case. Distances whose squares would overflow or vanish (1e308 does) make a window wild: it
 * is then computed from its entries, scaled by a power of two, until they have left.
 */
#include "analyzers/features/rolling.h"

#include <math.h>

#define MINUTE_MS 60000.0
#define RATE_WINDOW ROLLING_5M
#define DIFFERENCES ROLLING_WINDOWS
#define DIFFERENCES_MS 1800000
/* changes * peak / (sum of squares about the mean) beyond which sums are made anew: leaves 1e-10. */
#define CHANGES_MAX 7e3
/* Distances beyond these have squares that a double does not hold well. */
#define DISTANCE_MAX 1e140
#define DISTANCE_MIN 1e-140

struct window_length {
	const char *name;
	int32_t ms, samples;
};

static const struct window_length lengths[ROLLING_LANES] = {
#define X(window, name, ms, samples) {name, ms, samples},
	ROLLING_TABLE(X)
#undef X
		{"differences", DIFFERENCES_MS, 0}};

const char *rolling_window_name(enum rolling_window window)
{
	return lengths[window].name;
}

void rolling_init(struct rolling *rolling, int64_t step_ms)
{
	step_ms = step_ms < ROLLING_STEP_MIN_MS ? ROLLING_STEP_MIN_MS : step_ms;
	step_ms = step_ms > ROLLING_STEP_MAX_MS ? ROLLING_STEP_MAX_MS : step_ms;
	*rolling = (struct rolling){.next = 1, .step_ms = (int32_t)step_ms};
	for (int lane = 0; lane < ROLLING_LANES; lane++)
		rolling->sums[lane].first = 1;
}

static double value_at(const struct rolling *rolling, uint32_t entry)
{
	return rolling->values[entry % ROLLING_ENTRIES];
}

/* To the row before; NaN where that is a gap or no longer kept, and when it is too large for a
 * double. */
static double difference_at(const struct rolling *rolling, uint32_t entry)
{
	uint32_t before = entry - 1;
	double difference;

	if (before == 0 || rolling->next - before > ROLLING_ENTRIES ||
		rolling->rows[entry % ROLLING_ENTRIES] - rolling->rows[before % ROLLING_ENTRIES] !=
			1)
		return NAN;
	difference = value_at(rolling, entry) - value_at(rolling, before);
	return isfinite(difference) ? difference : NAN;
}

static double entry_at(const struct rolling *rolling, int lane, uint32_t entry)
{
	return lane == DIFFERENCES ? difference_at(rolling, entry) : value_at(rolling, entry);
}

static double *center_of(struct rolling *rolling, int lane)
{
	return &rolling->centers[lane == DIFFERENCES];
}

static void sums_add(struct rolling_sums *sums, double distance)
{
	double size = fabs(distance);

	sums->sum += distance;
	sums->squares += distance * distance;
	sums->peak = sums->squares > sums->peak ? sums->squares : sums->peak;
	sums->wild = sums->wild || size > DISTANCE_MAX || (size < DISTANCE_MIN && size > 0);
	sums->count++;
	sums->changes++;
}

static void sums_remove(struct rolling_sums *sums, double distance)
{
	sums->sum -= distance;
	sums->squares -= distance * distance;
	sums->count--;
	sums->changes++;
}

/* Whether rounding may show in what the sums say. */
static bool sums_worn(const struct rolling_sums *sums)
{
	double mean, about_mean;

	if (sums->wild || sums->changes == UINT16_MAX)
		return true;
	if (sums->count == 0)
		return sums->peak > 0;
	mean = sums->sum / sums->count;
	about_mean = sums->squares - sums->sum * mean;
	return !((double)sums->changes * sums->peak <= CHANGES_MAX * about_mean);
}

static void sums_rebuild(const struct rolling *rolling, int lane, double center,
	struct rolling_sums *sums)
{
	*sums = (struct rolling_sums){.first = sums->first};
	for (uint32_t entry = sums->first; entry != rolling->next; entry++) {
		double value = entry_at(rolling, lane, entry);

		if (!isnan(value))
			sums_add(sums, value - center);
	}
	sums->changes = 0;
}

/* The newest entry of a lane, which every window of it holds that holds any. */
static double newest_at(const struct rolling *rolling, int lane)
{
	for (uint32_t entry = rolling->next - 1;
		entry > 0 && rolling->next - entry < ROLLING_ENTRIES; entry--) {
		double value = entry_at(rolling, lane, entry);

		if (!isnan(value))
			return value;
	}
	return 0;
}

static bool same_lane(int a, int b)
{
	return (a == DIFFERENCES) == (b == DIFFERENCES);
}

/* A new centre for all windows that share it. */
static void recenter(struct rolling *rolling, int lane)
{
	double *center = center_of(rolling, lane);

	*center = newest_at(rolling, lane);
	for (int i = 0; i < ROLLING_LANES; i++)
		if (same_lane(i, lane))
			sums_rebuild(rolling, i, *center, &rolling->sums[i]);
}

static bool has_left(const struct rolling *rolling, int lane, uint32_t entry)
{
	const struct window_length *length = &lengths[lane];

	if (length->samples > 0)
		return rolling->next - entry > (uint32_t)length->samples;
	return (int64_t)(rolling->row - rolling->rows[entry % ROLLING_ENTRIES]) *
		rolling->step_ms >=
		length->ms;
}

/* added: the row brought an entry, which is the last to leave. */
static void window_follow(struct rolling *rolling, int lane, bool added)
{
	struct rolling_sums *sums = &rolling->sums[lane];
	double center = *center_of(rolling, lane), value;

	for (; sums->first != rolling->next && has_left(rolling, lane, sums->first);
		sums->first++) {
		value = entry_at(rolling, lane, sums->first);
		if (!isnan(value))
			sums_remove(sums, value - center);
	}
	value = added ? entry_at(rolling, lane, rolling->next - 1) : NAN;
	if (!isnan(value))
		sums_add(sums, value - center);
}

void rolling_push(struct rolling *rolling, double value)
{
	bool added = isfinite(value);

	rolling->row++;
	if (added) {
		rolling->values[rolling->next % ROLLING_ENTRIES] = value;
		rolling->rows[rolling->next % ROLLING_ENTRIES] = rolling->row;
		rolling->next++;
	}
	for (int lane = 0; lane < ROLLING_LANES; lane++)
		window_follow(rolling, lane, added);
	for (int lane = 0; lane < ROLLING_LANES; lane++)
		if (sums_worn(&rolling->sums[lane]))
			recenter(rolling, lane);
}

void rolling_skip(struct rolling *rolling, int64_t rows)
{
	/* More gaps than the longest window of time has rows change nothing but the age. */
	int64_t pushed = rows < (int64_t)ROLLING_ENTRIES ? rows : (int64_t)ROLLING_ENTRIES;

	for (int64_t i = 0; i < pushed; i++)
		rolling_push(rolling, NAN);
}

/* Mean and deviation from the entries themselves, scaled so that nothing overflows or vanishes. */
static void compute_wild(const struct rolling *rolling, int lane, double *mean, double *deviation)
{
	const struct rolling_sums *sums = &rolling->sums[lane];
	double largest = 0, sum = 0, squares = 0;
	int exponent;

	for (uint32_t entry = sums->first; entry != rolling->next; entry++) {
		double value = entry_at(rolling, lane, entry);

		largest = !isnan(value) && fabs(value) > largest ? fabs(value) : largest;
	}
	(void)frexp(largest, &exponent);
	for (uint32_t entry = sums->first; entry != rolling->next; entry++) {
		double value = entry_at(rolling, lane, entry);

		sum += isnan(value) ? 0 : ldexp(value, -exponent);
	}
	sum /= sums->count;
	for (uint32_t entry = sums->first; entry != rolling->next; entry++) {
		double value = entry_at(rolling, lane, entry);
		double distance = isnan(value) ? 0 : ldexp(value, -exponent) - sum;

		squares += distance * distance;
	}
	*mean = ldexp(sum, exponent);
	*deviation = ldexp(sqrt(squares / sums->count), exponent);
}

static void compute(const struct rolling *rolling, int lane, double *mean, double *deviation)
{
	const struct rolling_sums *sums = &rolling->sums[lane];
	double distance, variance;

	*mean = *deviation = NAN;
	if (sums->count == 0)
		return;
	if (sums->wild) {
		compute_wild(rolling, lane, mean, deviation);
	} else {
		distance = sums->sum / sums->count;
		variance = sums->squares / sums->count - distance * distance;
		*mean = rolling->centers[lane == DIFFERENCES] + distance;
		*deviation = variance > 0 ? sqrt(variance) : 0;
	}
	if (sums->count < 2)
		*deviation = NAN;
}

static double rate_of_change(const struct rolling *rolling)
{
	uint32_t oldest = rolling->sums[RATE_WINDOW].first, newest = rolling->next - 1;
	double minutes, rate;

	if (rolling->sums[RATE_WINDOW].count < 2)
		return NAN;
	minutes = (rolling->rows[newest % ROLLING_ENTRIES] -
			  rolling->rows[oldest % ROLLING_ENTRIES]) *
		(rolling->step_ms / MINUTE_MS);
	/* Divided first, since the difference of the two may be too large. */
	rate = value_at(rolling, newest) / minutes - value_at(rolling, oldest) / minutes;
	return isfinite(rate) ? rate : NAN;
}

void rolling_read(const struct rolling *rolling, struct rolling_features *features)
{
	uint32_t newest = rolling->next - 1;
	bool gap = newest == 0 || rolling->rows[newest % ROLLING_ENTRIES] != rolling->row;
	double mean;

	features->value = gap ? NAN : value_at(rolling, newest);
	features->difference = gap ? NAN : difference_at(rolling, newest);
	features->rate = rate_of_change(rolling);
	compute(rolling, DIFFERENCES, &mean, &features->volatility);
	for (int i = 0; i < ROLLING_WINDOWS; i++) {
		compute(rolling, i, &features->mean[i], &features->deviation[i]);
		features->counts[i] = rolling->sums[i].count;
	}
}
