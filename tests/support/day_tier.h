/*
 * A 1-minute tier with days of two signals, cpu and latency, of shop/Deployment/web: for tests of what learns
 * from it. Values are 5 with a deviation of 1, the same in every run.
 *
 * Threads: that of the test.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_DAY_TIER_H
#define NIMBUSGUARD_TESTS_SUPPORT_DAY_TIER_H

#include "analyzers/outlook.h"
#include "analyzers/watch.h"
#include "base/clock.h"
#include "store/rollup.h"
#include "tests/support/folder.h"

#define DAY_TIER_DAY 1440
/* The minute before which its first day ends: a midnight. */
#define DAY_TIER_START (INT64_C(28333320) - INT64_C(28333320) % DAY_TIER_DAY)
#define DAY_TIER_DAYS_MAX 2
#define DAY_TIER_ROLES (1u << ROLE_CPU | 1u << ROLE_LATENCY)

extern const struct workload_key day_tier_web;

struct day_tier {
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
	struct clock_manual manual;
	struct rollup *rollup;
	struct watch_spec watch;     /* of pca_roll, which learns from a day */
	struct outlook_spec outlook; /* of all forecasters, from a day */
};

/* days: 1 to DAY_TIER_DAYS_MAX; the clock stands at the end of the last. One minute of each gap_every is
 * missing; 0: none. */
void day_tier_open(struct day_tier *tier, int days, int gap_every);
void day_tier_close(struct day_tier *tier);
/* A detector of that name learns the first day; its file (analyzers/learnt_file.h) is in the tier's
 * folder. */
void day_tier_learn(struct day_tier *tier, const char *detector);

#endif
