/*
 * Time: the system's clocks, and a manual clock for tests and the simulator. The manual clock is
 * two atomics; its monotonic time starts one hour in, so that "a moment before the start" is not
 * negative.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "base/check.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000
#define MANUAL_ORIGIN_NS (3600 * (int64_t)NS_PER_S)

static int64_t read_ns(clockid_t id)
{
	struct timespec now;

	CHECK(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t system_now_ms(const struct clock *clock)
{
	(void)clock;
	return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static int64_t system_mono_ns(const struct clock *clock)
{
	(void)clock;
	return read_ns(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
	static const struct clock system_clock = {
		.now_ms = system_now_ms,
		.mono_ns = system_mono_ns,
	};

	return &system_clock;
}

static const struct clock_manual *manual_of(const struct clock *clock)
{
	return (const struct clock_manual *)((const char *)clock -
		offsetof(struct clock_manual, clock));
}

static int64_t manual_now_ms(const struct clock *clock)
{
	return atomic_load(&manual_of(clock)->now_ms);
}

static int64_t manual_mono_ns(const struct clock *clock)
{
	return atomic_load(&manual_of(clock)->mono_ns);
}

void clock_manual_init(struct clock_manual *manual, int64_t now_ms)
{
	manual->clock.now_ms = manual_now_ms;
	manual->clock.mono_ns = manual_mono_ns;
	atomic_init(&manual->now_ms, now_ms);
	atomic_init(&manual->mono_ns, MANUAL_ORIGIN_NS);
}

void clock_manual_advance(struct clock_manual *manual, int64_t ms)
{
	atomic_fetch_add(&manual->now_ms, ms);
	atomic_fetch_add(&manual->mono_ns, ms * NS_PER_MS);
}

int64_t clock_thread_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_sleep_ns(int64_t ns)
{
	struct timespec span;

	if (ns <= 0)
		return;
	span.tv_sec = (time_t)(ns / NS_PER_S);
	span.tv_nsec = (long)(ns % NS_PER_S);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

void clock_sleep_ms(int64_t ms)
{
	clock_sleep_ns(ms * NS_PER_MS);
}
