/*
 * How many slots a second the simulation makes on one core: the draws, and the loop with each policy, over
 * 28 days of a ramp. CPU time, the best of five.
 */
#include <math.h>
#include <stdio.h>

#include "analyzers/scaler/policies.h"
#include "analyzers/scaler/simulate.h"
#include "base/check.h"
#include "base/clock.h"

#define DAYS 28
#define REPEATS 5

static double seconds_since(int64_t start_ns)
{
	return (double)(clock_thread_cpu_ns() - start_ns) * 1e-9;
}

static void tell(const char *what, double slots, double seconds)
{
	printf("%-24s %6.1f M slots/s, 28 days in %5.1f ms\n", what, slots / seconds / 1e6,
		seconds * 1e3);
}

int main(void)
{
	static const char *const names[] = {"static:20", "hpa:60", "hpa:60:30m", "oracle"};
	struct plant_config plant;
	struct simulate_options options = {.plant = &plant, .seed = 1};
	struct trace trace;
	struct error error;
	struct load load;
	struct draw draw;
	double best = INFINITY;

	plant_config_default(&plant);
	trace_init(&trace, "ramp");
	CHECK(trace_generate(&trace, "ramp", DAYS, load_pods_rate(&plant, 25), 1, &error) ==
		STATUS_OK);
	CHECK(load_init(&load, &trace, 1, &error) == STATUS_OK);
	for (int i = 0; i < REPEATS; i++) {
		int64_t start_ns = clock_thread_cpu_ns();

		CHECK(draw_make(&draw, &load, &plant, 1, &error) == STATUS_OK);
		best = fmin(best, seconds_since(start_ns));
		if (i + 1 < REPEATS)
			draw_fini(&draw);
	}
	tell("draws of a seed", (double)load.slots, best);
	for (size_t p = 0; p < ARRAY_COUNT(names); p++) {
		struct policy_scene scene = {.load = &load,
			.draw = &draw,
			.plant = &plant,
			.hpa_whole_percent = true};
		struct run_outcome outcome;
		struct policy policy;

		CHECK(policy_open(&policy, names[p], &scene, &error) == STATUS_OK);
		best = INFINITY;
		for (int i = 0; i < REPEATS; i++) {
			int64_t start_ns = clock_thread_cpu_ns();

			simulate(&options, &load, &draw, &policy, &outcome);
			best = fmin(best, seconds_since(start_ns));
		}
		tell(names[p], (double)load.slots, best);
		policy_close(&policy);
	}
	draw_fini(&draw);
	load_fini(&load);
	trace_fini(&trace);
	return 0;
}
