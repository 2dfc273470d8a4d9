/*
 * The highest recommendation of the last slots: what a number of pods may fall to at once.
 *
 * Limits: RECENT_SLOTS slots. Slots without a recommendation count for nothing.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_RECENT_H
#define NIMBUSGUARD_ANALYZERS_SCALER_RECENT_H

#include <stdint.h>
#include <string.h>

#define RECENT_SLOTS 128 /* a power of two: 32 minutes */

struct recent {
	int64_t slot;                  /* of the newest */
	uint16_t values[RECENT_SLOTS]; /* by slot; 0: none */
};

static inline void recent_add(struct recent *recent, int64_t slot, int value)
{
	int64_t passed = slot - recent->slot;

	if (passed < 0 || passed > RECENT_SLOTS)
		passed = RECENT_SLOTS;
	for (int64_t i = 0; i < passed; i++)
		recent->values[(uint64_t)(slot - i) % RECENT_SLOTS] = 0;
	recent->slot = slot;
	recent->values[(uint64_t)slot % RECENT_SLOTS] =
		(uint16_t)(value < UINT16_MAX ? value : UINT16_MAX);
}

/* Of the last `slots` slots, the newest included; 0: there is none. */
static inline int recent_highest(const struct recent *recent, int slots)
{
	int highest = 0;

	for (int i = 0; i < slots && i < RECENT_SLOTS; i++) {
		int value = recent->values[(uint64_t)(recent->slot - i) % RECENT_SLOTS];

		highest = value > highest ? value : highest;
	}
	return highest;
}

#endif
