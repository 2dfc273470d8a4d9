/*
 * How samples are encoded: what writer and reader of a chunk share.
 *
 * Time: a sample is expected one step after the one before it and then costs nothing; any other
 * is announced by an escape. Scrapers keep a grid: after one that came a little late (or early) the next
 * is expected where it would have been without that. When more than one in JITTER_PART come off
 * time, a short code of the deviation stands before each value instead (flag JITTER).
 *
 * Values, integers (mode INTEGER): most series are counters or sizes: whole numbers, decimal
 * fractions or multiples of a page. They are kept as whole numbers in a unit (`scale`: 10^-9 to 1,
 * or 512, 1024, 4096). The difference to the last one is predicted by a running mean of the
 * differences (`slope`), and what is left, folded to a natural number, is written by a Golomb-Rice
 * code (R. F. Rice, JPL 79-22) whose parameter follows the running mean of the number's bits
 * (`level`): a few tenths of a bit over the entropy of a counter's noise, one bit for a constant.
 *
 * Values, floats (mode FLOAT): the exclusive or with the value before, as in Gorilla (Pelkonen et
 * al., VLDB 2015, section 4.1.2): 0 the same; 10 within the window of significant bits of the one
 * before; 11 a new window: 5 bits of leading zeros, 6 bits of length.
 *
 * Escapes: in mode INTEGER ESCAPE_ONES one bits, in mode FLOAT a window that cannot be; then 3 bits:
 *
 *   LITERAL  6 bits of length, then the residual
 *   TIME     1 bit adopt the step, 2 bits of size, the distance in ms; the value's code follows
 *   JITTER   from here on each sample has a time code before the value's: 0 on time, 10 and 5 bits
 *            or 110 and 10 bits the deviation folded, 111, 2 bits of size and the distance in ms;
 *            that code follows, then the value's
 *   RAW      64 bits that are no multiple of the unit (NaN, infinity, -0.0)
 *   STALE    the stale marker
 *   SCALE    4 bits: another unit; the value's code follows
 *   FLOAT    floats from here on, to the end of the chunk; the value's float code follows
 *
 * A float chunk is followed by one of integers when its last and the next value are such.
 *
 * The start of a chunk, in the header: bits of `start` from the lowest: mode 1, scale 4, flags 2,
 * level 6 (whole bits), step 19 (STEP_LONG: 32 bits in the stream). The stream begins with the first
 * value (integers: 6 bits of length, the number folded; floats: 64 bits), then, when SETTLED, the
 * slope (6 bits of length, the upper 12 bits of it folded).
 */
#ifndef NIMBUSGUARD_STORE_CHUNK_CODE_H
#define NIMBUSGUARD_STORE_CHUNK_CODE_H

#include <string.h>

#include "store/chunk.h"
#include "store/store.h"

enum escape {
	ESCAPE_LITERAL,
	ESCAPE_TIME,
	ESCAPE_JITTER,
	ESCAPE_RAW,
	ESCAPE_STALE,
	ESCAPE_SCALE,
	ESCAPE_FLOAT
};

#define ESCAPE_ONES 10u
#define ESCAPE_WINDOW 0x1fu /* 31 leading zeros and (length 0) 64 bits cannot be */
#define STEP_LONG 0x7ffffu
#define NO_WINDOW 255u
#define SLOPE_BITS 12u
#define LAG 3u          /* means follow with a weight of 2^-3 */
#define FLAG_JITTER 1u  /* each sample has a time code */
#define FLAG_SETTLED 2u /* slope and level come from a chunk before */
#define FLAGS_START 3u
#define FLAG_FAR 8u      /* with a time code: the newest sample was far off */
#define FLAG_FLOAT 16u   /* floats, not integers */
#define JITTER_NEAR 32u  /* folded deviations of 5 bits */
#define JITTER_FAR 1024u /* more than 10 bits */
#define FLAG_OFF_TIME 4u /* the newest sample was not on time */
#define JITTER_AFTER 4u  /* samples off time in a chunk, and more than one in JITTER_PART */
#define JITTER_PART 16u  /* an escape takes 30 bits */
#define LATE_MAX 127     /* ms; who is later is on no grid */

#define SCALES 13u
#define INTEGER_LIMIT 9007199254740992.0 /* 2^53 */

#define SCALE_MULTIPLES 10u             /* from here on the unit is larger than 1 */
#define SLOPE_LIMIT 288230376151711744. /* 2^58 */
#define WIDTH_MAX 47                    /* so that a code that is no escape has 57 bits at most */
#define LEVEL_LIMIT (WIDTH_MAX * 256)

extern const double scale_per_one[SCALES]; /* numbers per 1.0: 10^scale, 1/512 and so on */
extern const int16_t scale_levels[SCALES]; /* logarithms to base 2 of scale_per_one, in 256ths */
extern const uint8_t time_sizes[4];        /* bits of a distance, by class */

static inline double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* Without branches by scale, which in a scrape would be guessed wrong all the time: dividing by a
 * power of two is exact. */
static inline uint64_t integer_bits(int64_t integer, uint32_t scale)
{
	return bits_of((double)integer / scale_per_one[scale]);
}

/* Whether the value is exactly a whole number of units: what the reader will compute from the
 * number must be the same bits. */
static inline bool integer_of(uint64_t bits, uint32_t scale, int64_t *integer)
{
	double number = double_of(bits) * scale_per_one[scale];

	if (!(__builtin_fabs(number) < INTEGER_LIMIT))
		return false;
	/* To the nearest; the product may be off by a little. */
	*integer = (int64_t)(number + __builtin_copysign(0.5, number));
	return integer_bits(*integer, scale) == bits;
}

static inline uint64_t zigzag(int64_t number)
{
	return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}

static inline int64_t zigzag_back(uint64_t code)
{
	return (int64_t)(code >> 1) ^ -(int64_t)(code & 1);
}

static inline uint32_t bit_width(uint64_t value)
{
	/* Without a branch for 0; the highest bit is not used. */
	return 63 - (uint32_t)__builtin_clzll(value << 1 | 1);
}

static inline uint64_t low_bits(uint64_t value, uint32_t size)
{
	return size < 64 ? value & ((UINT64_C(1) << size) - 1) : value;
}

/* Eight bytes of the stream. */
static inline uint64_t word_load(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline void word_store(uint8_t *bytes, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	memcpy(bytes, &word, sizeof(word));
}

/* The Rice parameter: for geometric residuals the best is log2(mean) - 0.53, and the mean of the
 * widths is log2(mean) - 0.33. */
static inline uint32_t rice_bits(uint32_t level)
{
	return (level + 77) >> 8;
}

/* When the next sample is expected. */
static inline int64_t distance_expected(const struct chunk_end *end)
{
	return (int64_t)end->step_ms - end->late_ms;
}

/* After each sample but a chunk's first, by writer and reader alike. Two running off time after the same
 * distance: that is the new step. */
static inline void late_learn(struct chunk_end *end, bool on_time, uint64_t distance)
{
	int64_t late = (int64_t)(distance - end->step_ms);
	uint32_t off_time = end->flags & FLAG_OFF_TIME;

	end->flags = (uint8_t)(end->flags & ~FLAG_OFF_TIME);
	if (!on_time && off_time != 0 && late != 0 && late == end->late_ms &&
		distance <= UINT32_MAX) {
		end->step_ms = (uint32_t)distance;
		on_time = true;
	}
	if (on_time) {
		end->late_ms = 0;
		return;
	}
	end->flags |= FLAG_OFF_TIME;
	end->late_ms = (int8_t)(late <= LATE_MAX && late >= -LATE_MAX ? late : 0);
}

/* After each time code: two samples running that are far off make a new step. */
static inline void jitter_learn(struct chunk_end *end, bool far, uint64_t distance)
{
	if (far && (end->flags & FLAG_FAR) != 0 && distance <= UINT32_MAX)
		end->step_ms = (uint32_t)distance;
	end->flags = (uint8_t)(far ? end->flags | FLAG_FAR : end->flags & ~FLAG_FAR);
}

/* After each coded residual, by writer and reader alike. A jump counts no more than eight times the
 * usual, so that one reset of a counter does not spoil the prediction, and several do move it. */
static inline void residual_learn(struct chunk_end *end, int64_t residual)
{
	uint32_t lag = (end->flags & FLAG_SETTLED) != 0 || end->count > LAG ? LAG : end->count - 1u;
	int32_t width = (int32_t)bit_width(zigzag(residual));
	int32_t most = (end->level >> 8) + 4;
	int64_t bound;

	if (width > most && lag > 0) {
		bound = (INT64_C(1) << (most < 56 ? most : 56)) / 2;
		residual = residual < 0 ? -bound : bound;
		width = most;
	}
	width = width < WIDTH_MAX ? width : WIDTH_MAX;
	/* Unsigned: a damaged chunk may overflow, and must be read without harm. */
	residual = (int64_t)((uint64_t)residual << 4) >> lag;
	end->slope = (int64_t)((uint64_t)end->slope + (uint64_t)residual);
	end->level = (uint16_t)(end->level + ((width * 256 - end->level) >> lag));
}

/* The last number and what is known of its differences in another unit, by the same steps in writer
 * and reader. false when the number is no multiple of it. */
static inline bool scale_change(struct chunk_end *end, uint32_t scale)
{
	double slope = (double)end->slope * (scale_per_one[scale] / scale_per_one[end->scale]);
	int32_t level = end->level + scale_levels[scale] - scale_levels[end->scale];

	if (!integer_of(integer_bits(end->integer, end->scale), scale, &end->integer))
		return false;
	if (__builtin_fabs(slope) > SLOPE_LIMIT)
		slope = __builtin_copysign(SLOPE_LIMIT, slope);
	if (level < 0)
		level = 0;
	end->slope = (int64_t)slope;
	end->level = (uint16_t)(level < LEVEL_LIMIT ? level : LEVEL_LIMIT);
	end->scale = (uint8_t)scale;
	return true;
}

#endif
