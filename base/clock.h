/*
 * The one door to time. Code that must be replayable takes a struct clock; tests and the simulator
 * own theirs.
 *
 * Threads: the system clock may be read from any thread; a manual clock is atomic.
 */
#ifndef NIMBUSGUARD_BASE_CLOCK_H
#define NIMBUSGUARD_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*now_ms)(const struct clock *clock);  /* since 1970, UTC */
	int64_t (*mono_ns)(const struct clock *clock); /* monotonic, any origin */
};

const struct clock *clock_system(void);

struct clock_manual {
	struct clock clock; /* pass &manual.clock */
	_Atomic int64_t now_ms, mono_ns;
};

void clock_manual_init(struct clock_manual *manual, int64_t now_ms);
void clock_manual_advance(struct clock_manual *manual, int64_t ms);

static inline int64_t clock_now_ms(const struct clock *clock)
{
	return clock->now_ms(clock);
}
static inline int64_t clock_mono_ns(const struct clock *clock)
{
	return clock->mono_ns(clock);
}

/* CPU time of the calling thread, for measurements. */
int64_t clock_thread_cpu_ns(void);
/* Sleeps on the monotonic clock; returns early on a signal. */
void clock_sleep_ms(int64_t ms);

/* The same in nanoseconds. */
void clock_sleep_ns(int64_t ns);

#endif
