#include "analyzers/rightsize/vertical.h"

#include <math.h>

#define DAY_MS INT64_C(86400000)
#define SAMPLES_A_DAY 1440
#define CPU_WEIGHT 0.1
#define MEMORY_WEIGHT 1.0
/* A thousandth of the least weight of a sample. */
#define EPSILON (0.001 * CPU_WEIGHT)
#define MARGIN 1.15
#define KILL_BYTES 104857600.0
#define KILL_RATIO 1.2

static const double pod_least[SIZED_RESOURCES] = {0.025, 262144000.0};

const struct decay_scale vertical_cpu_scale = {.first = 0.01,
	.growth = 1.05,
	.most = 1000,
	.half_life_ms = DAY_MS,
	.epsilon = EPSILON};
const struct decay_scale vertical_memory_scale = {.first = 1e7,
	.growth = 1.05,
	.most = 1e12,
	.half_life_ms = DAY_MS,
	.epsilon = EPSILON};

void vertical_init(struct vertical *vertical)
{
	*vertical = (struct vertical){.samples = 0};
	decay_init(&vertical->cpu, &vertical_cpu_scale);
	decay_init(&vertical->memory, &vertical_memory_scale);
}

void vertical_add_cpu(struct vertical *vertical, int64_t t_ms, double cores)
{
	if (!(cores >= 0) || isinf(cores) || (vertical->cpu_started && t_ms <= vertical->last_ms))
		return;
	decay_add(&vertical->cpu, cores, CPU_WEIGHT, t_ms);
	if (!vertical->cpu_started)
		vertical->first_ms = t_ms;
	vertical->cpu_started = true;
	vertical->last_ms = t_ms;
	vertical->samples++;
}

/* A window has one peak in the histogram: a higher one takes the place of the one before. The window's end
 * is the time of its peak. */
static void add_peak(struct vertical *vertical, int64_t t_ms, double bytes, bool killed)
{
	double before = fmax(vertical->peak, vertical->kill_peak);

	if (!vertical->memory_started)
		vertical->window_end_ms = t_ms;
	vertical->memory_started = true;
	if (t_ms >= vertical->window_end_ms) {
		vertical->window_end_ms += ((t_ms - vertical->window_end_ms) / DAY_MS + 1) * DAY_MS;
		vertical->peak = vertical->kill_peak = 0;
	} else if (before != 0 && bytes > before) {
		decay_subtract(&vertical->memory, before, MEMORY_WEIGHT, vertical->window_end_ms);
	} else {
		return;
	}
	decay_add(&vertical->memory, bytes, MEMORY_WEIGHT, vertical->window_end_ms);
	*(killed ? &vertical->kill_peak : &vertical->peak) = bytes;
}

void vertical_add_memory(struct vertical *vertical, int64_t t_ms, double bytes)
{
	if (!(bytes >= 0) || isinf(bytes) ||
		(vertical->memory_started && t_ms < vertical->memory_ms))
		return;
	vertical->memory_ms = t_ms;
	add_peak(vertical, t_ms, bytes, false);
}

bool vertical_add_kill(struct vertical *vertical, int64_t t_ms, double request)
{
	double used = fmax(isnan(request) ? 0 : request, vertical->peak);

	if (vertical->memory_started && t_ms < vertical->window_end_ms - DAY_MS)
		return false;
	vertical->memory_ms = t_ms;
	add_peak(vertical, t_ms, fmax(used + KILL_BYTES, used * KILL_RATIO), true);
	return true;
}

static double confidence_of(const struct vertical *vertical)
{
	double days = (double)(vertical->last_ms - vertical->first_ms) / (double)DAY_MS;

	return fmin(days, (double)vertical->samples / SAMPLES_A_DAY);
}

void vertical_advise(const struct vertical *vertical, unsigned containers,
	struct vertical_advice *advice)
{
	const struct decay *decays[SIZED_RESOURCES] = {&vertical->cpu, &vertical->memory};
	double confidence = confidence_of(vertical);

	advice->confidence = confidence;
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		const struct decay *decay = decays[resource];
		double least = pod_least[resource] / (containers > 0 ? containers : 1);

		if (decay_empty(decay)) {
			advice->target[resource] = advice->lower[resource] =
				advice->upper[resource] = NAN;
			continue;
		}
		advice->target[resource] = fmax(decay_percentile(decay, 0.9) * MARGIN, least);
		advice->lower[resource] = fmax(decay_percentile(decay, 0.5) * MARGIN *
				pow(1 + 0.001 / confidence, -2),
			least);
		advice->upper[resource] =
			fmax(decay_percentile(decay, 0.95) * MARGIN * (1 + 1 / confidence), least);
	}
}
