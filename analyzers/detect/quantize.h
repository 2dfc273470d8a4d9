/*
 * Values as integers of 16 bits that keep their order.
 *
 * z = (value - center) * inverse; its integer is the float 1 + |z| seen as an integer, cut to 10 bits of
 * mantissa and 5 of exponent, with z's sign: it grows with z everywhere, resolves a 1,024th of a unit
 * around the center and reaches 2^32 units.
 *
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_QUANTIZE_H
#define NIMBUSGUARD_ANALYZERS_DETECT_QUANTIZE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* z cut to what an integer of 16 bits holds; 0, the center, for NaN. */
static inline float quantize_place(double value, double center, double inverse)
{
	double z = (value - center) * inverse;

	z = z > 4e9 ? 4e9 : z;
	z = z < -4e9 ? -4e9 : z;
	return isnan(z) ? 0 : (float)z;
}

static inline int16_t quantize(float z)
{
	float magnitude = 1 + fabsf(z);
	uint32_t bits;
	int32_t level;

	memcpy(&bits, &magnitude, sizeof(bits));
	level = (int32_t)((bits - UINT32_C(0x3f800000)) >> 13);
	return (int16_t)(z < 0 ? -level : level);
}

/* The middle of what has this integer; 0 for 0. */
static inline float quantize_back(int16_t level)
{
	uint32_t size = (uint32_t)(level < 0 ? -level : level), bits;
	float magnitude;

	bits = (size << 13) + UINT32_C(0x3f800000) + (UINT32_C(1) << 12);
	memcpy(&magnitude, &bits, sizeof(magnitude));
	if (size == 0)
		return 0;
	return level < 0 ? 1 - magnitude : magnitude - 1;
}

#endif
