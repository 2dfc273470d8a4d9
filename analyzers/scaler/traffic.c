/*
 * Slots lie in one straight piece of memory that moves down once a day, so that windows are plain loops. A
 * missing slot has its sign bit set: its magnitude is what stands in.
 */
#include "analyzers/scaler/traffic.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define RATE_MAX 1e30
#define RATIO_MAX 3
#define FLOOR_PART .01
#define BURST 1.6
#define SLOW_WEIGHT .02
#define BURST_MEAN_KEPT .99
#define BURST_MAX_KEPT .995
#define FIVE_MINUTES ((size_t)5 * POLICY_SLOTS_PER_MINUTE)
#define HOUR_SLOTS ((int64_t)60 * POLICY_SLOTS_PER_MINUTE)
#define UNREST_SLOTS 40
#define TWO_PI 6.283185307179586

enum status traffic_init(struct traffic *traffic, struct error *error)
{
	*traffic = (struct traffic){.slots = mem_alloc(TRAFFIC_SLOTS * sizeof(float))};
	if (traffic->slots == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for nine days of traffic");
	return STATUS_OK;
}

void traffic_fini(struct traffic *traffic)
{
	mem_free(traffic->slots);
	*traffic = (struct traffic){0};
}

void traffic_reset(struct traffic *traffic)
{
	traffic->count = 0;
}

void traffic_memory_init(struct traffic_memory *memory)
{
	*memory = (struct traffic_memory){.slow = NAN};
}

static void append(struct traffic *traffic, float value)
{
	if (traffic->count == TRAFFIC_SLOTS) {
		size_t gone = traffic->count - TRAFFIC_KEPT;

		memmove(traffic->slots, traffic->slots + gone, TRAFFIC_KEPT * sizeof(float));
		traffic->first += (int64_t)gone;
		traffic->count = TRAFFIC_KEPT;
	}
	traffic->slots[traffic->count++] = value;
}

bool traffic_add(struct traffic *traffic, int64_t slot, double rate)
{
	bool known = rate >= 0 && rate <= RATE_MAX;
	int64_t next = traffic->first + (int64_t)traffic->count;
	float last = 0;

	if (traffic->count > 0 && slot < next)
		return false;
	if (traffic->count > 0 && slot - next >= (int64_t)TRAFFIC_KEPT)
		traffic->count = 0;
	if (traffic->count == 0) {
		/* Nothing stands in for what is missing at the beginning. */
		if (!known)
			return false;
		traffic->first = next = slot;
	} else {
		last = fabsf(traffic->slots[traffic->count - 1]);
	}
	for (; next < slot; next++)
		append(traffic, -last);
	append(traffic, known ? (float)rate : -last);
	return true;
}

bool traffic_known(const struct traffic *traffic, size_t at)
{
	return !signbit(traffic->slots[at]);
}

double traffic_rate(const struct traffic *traffic, size_t at)
{
	return (double)fabsf(traffic->slots[at]);
}

double traffic_level(const struct traffic *traffic, size_t at)
{
	size_t before = at > 0 ? at - 1 : at;

	if (traffic_known(traffic, at) && traffic_known(traffic, before))
		return .5 * (traffic_rate(traffic, at) + traffic_rate(traffic, before));
	if (traffic_known(traffic, at))
		return traffic_rate(traffic, at);
	return traffic_known(traffic, before) ? traffic_rate(traffic, before) : (double)NAN;
}

static float maximum(const float *slots, size_t count)
{
	float high = 0;

	for (size_t i = 0; i < count; i++) {
		float value = fabsf(slots[i]);

		high = value > high ? value : high;
	}
	return high;
}

static float minimum(const float *slots, size_t count)
{
	float low = fabsf(slots[0]);

	for (size_t i = 1; i < count; i++) {
		float value = fabsf(slots[i]);

		low = value < low ? value : low;
	}
	return low;
}

/* Four sums, so that additions need not wait for each other. */
static float mean(const float *slots, size_t count)
{
	float sums[4] = {0};
	size_t i = 0;

	for (; i + 4 <= count; i += 4)
		for (size_t k = 0; k < 4; k++)
			sums[k] += fabsf(slots[i + k]);
	for (; i < count; i++)
		sums[0] += fabsf(slots[i]);
	return (sums[0] + sums[1] + sums[2] + sums[3]) / (float)count;
}

double traffic_maximum(const struct traffic *traffic, size_t from, size_t count)
{
	return (double)maximum(traffic->slots + from, count);
}

static size_t minute_of_hour(int64_t slot)
{
	return (size_t)((slot % HOUR_SLOTS + HOUR_SLOTS) % HOUR_SLOTS) / POLICY_SLOTS_PER_MINUTE;
}

void traffic_memory_step(struct traffic_memory *memory, const struct traffic *traffic, size_t at)
{
	double level = traffic_level(traffic, at), size;
	size_t minute = minute_of_hour(traffic->first + (int64_t)at);

	memory->since++;
	if (isnan(level))
		return;
	size = memory->slow > 0 ? level / memory->slow : 1;
	if (size > BURST)
		memory->since = 0;
	size = size > BURST ? log(size) : 0;
	memory->burst_mean[minute] += (1 - BURST_MEAN_KEPT) * (size - memory->burst_mean[minute]);
	memory->burst_max[minute] = fmax(memory->burst_max[minute] * BURST_MAX_KEPT, size);
	memory->slow =
		isnan(memory->slow) ? level : memory->slow + SLOW_WEIGHT * (level - memory->slow);
}

/* ---- the row ---- */

/* A hundredth of the usual level, so that a lone request at night is no thousandfold. */
static double floor_of(const struct traffic_memory *memory)
{
	return fmax(FLOOR_PART * memory->slow, 1e-12);
}

double traffic_ratio(const struct traffic_memory *memory, double level, double rate)
{
	double floor = floor_of(memory);

	return fmin(fmax(log((rate + floor) / (level + floor)), -RATIO_MAX), RATIO_MAX);
}

double traffic_unratio(const struct traffic_memory *memory, double level, double ratio)
{
	double floor = floor_of(memory);

	return fmax((level + floor) * exp(ratio) - floor, 0);
}

struct scale {
	float floor, inverse; /* of the present level */
};

static float scaled(const struct scale *scale, float rate)
{
	return fminf(fmaxf(logf((rate + scale->floor) * scale->inverse), -RATIO_MAX), RATIO_MAX);
}

/* What followed within the horizon, the level, the maximum around, the slope, `days` days ago. Returns
 * where the first of the four stands. */
static float *days_ago(const struct traffic *traffic, size_t at, size_t days,
	const struct scale *scale, float *row)
{
	size_t back = days * POLICY_SLOTS_PER_DAY + FIVE_MINUTES;
	const float *then;
	float before, after;

	memset(row, 0, 4 * sizeof(*row));
	if (at < back)
		return row + 4;
	then = traffic->slots + at + FIVE_MINUTES - back;
	before = scaled(scale, mean(then + 1 - FIVE_MINUTES, FIVE_MINUTES));
	after = scaled(scale, mean(then + 1, FIVE_MINUTES));
	row[1] = before;
	row[2] = scaled(scale, maximum(then - FIVE_MINUTES, 2 * FIVE_MINUTES + 1));
	row[3] = after - before;
	return row + 4;
}

static float *calendar(int64_t slot, float *row)
{
	float day = (float)(TWO_PI * (double)(slot % POLICY_SLOTS_PER_DAY) / POLICY_SLOTS_PER_DAY);
	float hour = (float)(TWO_PI * (double)(slot % HOUR_SLOTS) / (double)HOUR_SLOTS);

	for (int i = 1; i <= 3; i++) {
		*row++ = sinf(day * (float)i);
		*row++ = cosf(day * (float)i);
	}
	for (int i = 1; i <= 2; i++) {
		*row++ = sinf(hour * (float)i);
		*row++ = cosf(hour * (float)i);
	}
	return row;
}

/* A window that reaches behind the beginning is cut. */
static size_t window(size_t at, size_t count)
{
	return at + 1 < count ? at + 1 : count;
}

/* All but what depends on the horizon; returns where the days ago stand. */
static float *common_row(const struct traffic *traffic, const struct traffic_memory *memory,
	size_t at, const struct scale *scale, float *row)
{
	static const size_t lags[] = {1, 2, 4, 6, 10, 16, 24, 40, 80, 160, 240};
	static const size_t means[] = {8, 40, 120};
	const float *slots = traffic->slots;
	size_t late = window(at, 40), minute = minute_of_hour(traffic->first + (int64_t)at);
	float *days;

	for (size_t i = 0; i < ARRAY_COUNT(lags); i++)
		*row++ = at > lags[i] ? scaled(scale, mean(slots + at - lags[i] - 1, 2)) : 0;
	for (size_t i = 0; i < ARRAY_COUNT(means); i++) {
		size_t count = window(at, means[i]);

		*row++ = scaled(scale, mean(slots + at + 1 - count, count));
	}
	*row++ = scaled(scale, maximum(slots + at + 1 - late, late));
	*row++ = scaled(scale, minimum(slots + at + 1 - late, late));
	*row++ = scaled(scale, fabsf(slots[at]));
	days = row;
	row = days_ago(traffic, at, 1, scale, row);
	row = days_ago(traffic, at, 7, scale, row);
	row = calendar(traffic->first + (int64_t)at, row);
	row += 2;
	*row++ = (float)log(1 + memory->since / 20);
	for (size_t i = 0; i < 30; i++)
		*row++ = i == minute % 30 ? 1 : 0;
	return days;
}

/* Largest of the minutes of the hour that the next `horizon` slots lie in. */
static float bursts(const double *sizes, int64_t slot, size_t horizon)
{
	double most = 0;

	for (size_t ahead = 1; ahead < horizon + POLICY_SLOTS_PER_MINUTE;
		ahead += POLICY_SLOTS_PER_MINUTE) {
		size_t reach = ahead < horizon ? ahead : horizon;

		most = fmax(most, sizes[minute_of_hour(slot + (int64_t)reach)]);
	}
	return (float)fmin(most, RATIO_MAX);
}

static void horizon_row(const struct traffic *traffic, const struct traffic_memory *memory,
	size_t at, size_t horizon, const struct scale *scale, float *days)
{
	int64_t slot = traffic->first + (int64_t)at;
	float *sizes = days + 8 + 10;

	for (size_t i = 0; i < 2; i++) {
		size_t back = (i == 0 ? 1 : 7) * (size_t)POLICY_SLOTS_PER_DAY;

		if (at >= back + FIVE_MINUTES)
			days[4 * i] =
				scaled(scale, maximum(traffic->slots + at - back + 1, horizon));
	}
	sizes[0] = bursts(memory->burst_mean, slot, horizon);
	sizes[1] = bursts(memory->burst_max, slot, horizon);
}

void traffic_features(const struct traffic *traffic, const struct traffic_memory *memory, size_t at,
	const size_t *horizons, size_t horizon_count, float (*rows)[TRAFFIC_FEATURES])
{
	double floor = floor_of(memory);
	struct scale scale = {(float)floor, (float)(1 / (traffic_level(traffic, at) + floor))};
	size_t days = (size_t)(common_row(traffic, memory, at, &scale, rows[0]) - rows[0]);

	CHECK(days + 8 + 10 + 3 + 30 == TRAFFIC_FEATURES);
	for (size_t h = 1; h < horizon_count; h++)
		memcpy(rows[h], rows[0], sizeof(rows[0]));
	for (size_t h = 0; h < horizon_count; h++)
		horizon_row(traffic, memory, at, horizons[h], &scale, rows[h] + days);
}

double traffic_unrest(const struct traffic *traffic, size_t at)
{
	size_t count = window(at, UNREST_SLOTS);
	const float *slots = traffic->slots + at + 1 - count;
	double level = (double)mean(slots, count), square = 0;

	for (size_t i = 0; i < count; i++) {
		double apart = (double)fabsf(slots[i]) - level;

		square += apart * apart;
	}
	return level > 0 ? sqrt(square / (double)count) / level : 0;
}
