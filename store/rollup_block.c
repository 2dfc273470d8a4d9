#include "store/rollup_block.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LEVELS 65535u
#define LEVELS_MAX 32767u /* of the column max, whose highest bit is taken */
#define PRESENT 0x8000u
#define EXPONENT_MIN (-1074)
#define COUNT_MAX 255u
/* From here on base + code * step could overflow on the way, or by rounding up. */
#define EXPONENT_HUGE 900

struct column {
	double base;
	int exponent;
	uint32_t levels;
};

uint32_t rollup_check(const void *bytes, size_t size, uint64_t seed)
{
	uint64_t hash = XXH3_64bits_withSeed(bytes, size, seed);
	uint32_t check = (uint32_t)(hash ^ hash >> 32);

	return check != 0 ? check : 1;
}

struct rollup_minute rollup_gap(void)
{
	return (struct rollup_minute){.mean = NAN, .max = NAN, .min = NAN, .last = NAN};
}

/* The smallest exponent with which the range fits; for a constant the smallest there is. */
static int exponent_of(double low, double high, uint32_t levels)
{
	double range = high - low;
	int shift = 0, exponent;
	double fraction;

	if (range > DBL_MAX / 4) {
		range = high / 4 - low / 4;
		shift = 2;
	}
	if (range <= 0)
		return EXPONENT_MIN;
	/* The quotient is 0 where the range is smaller than the steps that there are. */
	fraction = frexp(range / levels, &exponent);
	if (fraction == 0)
		return EXPONENT_MIN;
	if (fraction == 0.5)
		exponent--;
	if (exponent < EXPONENT_MIN)
		exponent = EXPONENT_MIN;
	/* The division was rounded. */
	if (ldexp(levels, exponent) < range)
		exponent++;
	return exponent + shift;
}

static struct column column_of(const double *values, size_t count, uint32_t levels)
{
	struct column column = {.levels = levels};
	double low, high;

	if (count == 0)
		return column;
	low = high = values[0];
	for (size_t i = 1; i < count; i++) {
		low = values[i] < low ? values[i] : low;
		high = values[i] > high ? values[i] : high;
	}
	column.base = low;
	column.exponent = exponent_of(low, high, levels);
	return column;
}

static uint16_t code_of(const struct column *column, double value)
{
	double code;

	if (column->exponent > EXPONENT_HUGE)
		code = ldexp(value / 4 - column->base / 4, 2 - column->exponent);
	else
		code = ldexp(value - column->base, -column->exponent);
	code = floor(code + 0.5);
	return (uint16_t)(code < column->levels ? code : column->levels);
}

static double huge_value(double base, int exponent, uint32_t code)
{
	double quarter = base / 4 + ldexp(code, exponent - 2);

	return quarter < DBL_MAX / 4 ? quarter * 4 : DBL_MAX;
}

/* What is in codes and not in minutes that are there is of no meaning. */
static void column_decode(double base, int exponent, const uint16_t *codes, uint16_t mask,
	double values[BLOCK_MINUTES])
{
	double step;

	if (exponent > EXPONENT_HUGE) {
		for (size_t i = 0; i < BLOCK_MINUTES; i++)
			values[i] = huge_value(base, exponent, codes[i] & mask);
		return;
	}
	step = ldexp(1, exponent);
	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		values[i] = base + (double)(codes[i] & mask) * step;
}

static void encode_recent(struct rollup_recent *recent, uint32_t number, uint64_t salt,
	const struct rollup_minute *minutes)
{
	double low[BLOCK_MINUTES], last[BLOCK_MINUTES];
	struct column lows, lasts;
	size_t present = 0;

	memset(recent, 0, sizeof(*recent));
	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		if (minutes[i].present) {
			low[present] = minutes[i].min;
			last[present++] = minutes[i].last;
		}
	lows = column_of(low, present, LEVELS);
	lasts = column_of(last, present, LEVELS);
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		if (!minutes[i].present)
			continue;
		recent->min[i] = code_of(&lows, minutes[i].min);
		recent->last[i] = code_of(&lasts, minutes[i].last);
		recent->count[i] =
			(uint8_t)(minutes[i].count < COUNT_MAX ? minutes[i].count : COUNT_MAX);
	}
	recent->min_base = lows.base;
	recent->min_exponent = (int16_t)lows.exponent;
	recent->last_base = lasts.base;
	recent->last_exponent = (int16_t)lasts.exponent;
	recent->number = number;
	recent->check = rollup_check(recent, sizeof(*recent), salt);
}

void rollup_block_encode(struct rollup_block *block, struct rollup_recent *recent, uint32_t number,
	uint64_t salt, const struct rollup_minute *minutes)
{
	double mean[BLOCK_MINUTES], max[BLOCK_MINUTES];
	struct column means, maxima;
	uint32_t present = 0;

	memset(block, 0, sizeof(*block));
	for (size_t i = 0; i < BLOCK_MINUTES; i++)
		if (minutes[i].present) {
			mean[present] = minutes[i].mean;
			max[present++] = minutes[i].max;
		}
	means = column_of(mean, present, LEVELS);
	maxima = column_of(max, present, LEVELS_MAX);
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		if (!minutes[i].present)
			continue;
		block->mean[i] = code_of(&means, minutes[i].mean);
		block->max[i] = (uint16_t)(code_of(&maxima, minutes[i].max) | PRESENT);
	}
	block->mean_base = means.base;
	block->mean_exponent = (int16_t)means.exponent;
	block->max_base = maxima.base;
	block->max_exponent = (int16_t)maxima.exponent;
	block->number = number;
	block->present = present;
	block->check = rollup_check(block, sizeof(*block), salt);
	encode_recent(recent, number, salt, minutes);
}

/* The checksum is made with 0 in its own place. */
bool rollup_block_valid(const struct rollup_block *block, uint32_t number, uint64_t salt)
{
	struct rollup_block copy;

	if (block->number != number || block->check == 0)
		return false;
	copy = *block;
	copy.check = 0;
	return block->check == rollup_check(&copy, sizeof(copy), salt);
}

bool rollup_recent_valid(const struct rollup_recent *recent, uint32_t number, uint64_t salt)
{
	struct rollup_recent copy;

	if (recent->number != number || recent->check == 0)
		return false;
	copy = *recent;
	copy.check = 0;
	return recent->check == rollup_check(&copy, sizeof(copy), salt);
}

static void decode_recent(const struct rollup_recent *recent, struct rollup_minute *minutes)
{
	double min[BLOCK_MINUTES], last[BLOCK_MINUTES];

	column_decode(recent->min_base, recent->min_exponent, recent->min, 0xffff, min);
	column_decode(recent->last_base, recent->last_exponent, recent->last, 0xffff, last);
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		if (!minutes[i].present)
			continue;
		/* In order, at the precision of the coarser of the two. */
		minutes[i].min = min[i] < minutes[i].mean ? min[i] : minutes[i].mean;
		minutes[i].last = last[i];
		minutes[i].count = recent->count[i];
	}
}

void rollup_block_decode(const struct rollup_block *block, const struct rollup_recent *recent,
	struct rollup_minute *minutes)
{
	double mean[BLOCK_MINUTES], max[BLOCK_MINUTES];
	bool finer = block->mean_exponent <= block->max_exponent; /* the mean */

	column_decode(block->mean_base, block->mean_exponent, block->mean, 0xffff, mean);
	column_decode(block->max_base, block->max_exponent, block->max, LEVELS_MAX, max);
	for (size_t i = 0; i < BLOCK_MINUTES; i++) {
		bool present = (block->max[i] & PRESENT) != 0;

		minutes[i] = rollup_gap();
		minutes[i].present = present;
		if (!present)
			continue;
		/* Rounded each for itself: where that put the mean over the maximum, the finer column
		 * is believed, so that both stay within their own bound. */
		minutes[i].max = max[i] < mean[i] && finer ? mean[i] : max[i];
		minutes[i].mean = max[i] < mean[i] && !finer ? max[i] : mean[i];
	}
	if (recent != NULL)
		decode_recent(recent, minutes);
}

static uint16_t open_check(const struct rollup_open_minute *open, uint64_t salt)
{
	struct rollup_open_minute copy = *open;
	uint16_t check;

	copy.check = 0;
	check = (uint16_t)rollup_check(&copy, sizeof(copy), salt);
	return check != 0 ? check : 1;
}

void rollup_open_encode(struct rollup_open_minute *open, uint32_t minute, uint64_t salt,
	const struct rollup_minute *value)
{
	*open = (struct rollup_open_minute){.mean = value->mean,
		.max = value->max,
		.min = value->min,
		.last = value->last,
		.minute = minute,
		.count = (uint16_t)(value->count < UINT16_MAX ? value->count : UINT16_MAX)};
	open->check = open_check(open, salt);
}

bool rollup_open_valid(const struct rollup_open_minute *open, uint64_t salt)
{
	return open->check != 0 && open->check == open_check(open, salt);
}

void rollup_open_decode(const struct rollup_open_minute *open, struct rollup_minute *value)
{
	*value = (struct rollup_minute){.mean = open->mean,
		.max = open->max,
		.min = open->min,
		.last = open->last,
		.count = open->count,
		.present = true};
}
