/*
 * How minutes lie in the file of the 1-minute tier: open minutes as they are, and closed blocks of two
 * hours in 16 bits a value.
 *
 * A column of a block is base + code * 2^exponent, the base being its least value and the exponent
 * the smallest with which the largest value fits: whole numbers, constants and all that lie on such a
 * grid come back exactly; anything else within half a step:
 *
 *   mean, min, last   16 bits: range of the block / 65535
 *   max               15 bits: range of the block / 32767; the 16th says that the minute is no gap
 *
 * beside the rounding of a double. The range is that of the column in this block, so that a spike
 * costs precision for two hours at most. min <= mean <= max holds for what is decoded, too; for that
 * min is lowered to the mean where rounding put it above, by half a step of those columns at most.
 *
 * Each record carries a checksum over itself, seeded with the salt of its signal: what another signal
 * left in a place, what was torn, and zeros are all no minutes.
 *
 * Limits: a block is BLOCK_MINUTES long and begins at a multiple of that since 1970, UTC. Counts stop
 *   at 255 in a block, at 65535 in an open minute. Values are finite; that is the caller's promise.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_STORE_ROLLUP_BLOCK_H
#define NIMBUSGUARD_STORE_ROLLUP_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/rollup.h"

#define BLOCK_MINUTES 120u

struct rollup_block {
	double mean_base, max_base;
	int16_t mean_exponent, max_exponent;
	uint32_t number; /* minutes since 1970 / BLOCK_MINUTES */
	uint32_t present;
	uint32_t check;
	uint16_t mean[BLOCK_MINUTES];
	uint16_t max[BLOCK_MINUTES]; /* highest bit: the minute is there */
};

/* The other columns, for the last 24 hours. */
struct rollup_recent {
	double min_base, last_base;
	int16_t min_exponent, last_exponent;
	uint32_t number;
	uint32_t check, unused;
	uint16_t min[BLOCK_MINUTES], last[BLOCK_MINUTES];
	uint8_t count[BLOCK_MINUTES];
};

/* A minute of a block that is not closed yet. */
struct rollup_open_minute {
	double mean, max, min, last;
	uint32_t minute; /* since 1970 */
	uint16_t count, check;
};

_Static_assert(sizeof(struct rollup_block) == 512, "as in the file");
_Static_assert(sizeof(struct rollup_recent) == 632, "as in the file");
_Static_assert(sizeof(struct rollup_open_minute) == 40, "as in the file");

/* minutes: [BLOCK_MINUTES]; those with present == false are gaps. */
void rollup_block_encode(struct rollup_block *block, struct rollup_recent *recent, uint32_t number,
	uint64_t salt, const struct rollup_minute *minutes);
bool rollup_block_valid(const struct rollup_block *block, uint32_t number, uint64_t salt);
bool rollup_recent_valid(const struct rollup_recent *recent, uint32_t number, uint64_t salt);
/* Of a valid block; recent may be NULL: then min and last are NaN and counts 0. */
void rollup_block_decode(const struct rollup_block *block, const struct rollup_recent *recent,
	struct rollup_minute *minutes);

void rollup_open_encode(struct rollup_open_minute *open, uint32_t minute, uint64_t salt,
	const struct rollup_minute *value);
bool rollup_open_valid(const struct rollup_open_minute *open, uint64_t salt);
void rollup_open_decode(const struct rollup_open_minute *open, struct rollup_minute *value);

/* All fields as of a gap. */
struct rollup_minute rollup_gap(void);

/* Of any bytes, seeded; never 0. */
uint32_t rollup_check(const void *bytes, size_t size, uint64_t seed);

#endif
