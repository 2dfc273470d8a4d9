#include "analyzers/rightsize/sizing.h"

#include <math.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define WEEK_MS (7 * INT64_C(86400000))
#define STALE_MINUTES 60
#define GIB 1073741824.0
#define MIB 1048576.0
#define CPU_MISSED 0.1
#define MEMORY_MISSED 0.05
/* A kill is remembered as long as the VPA keeps peaks. */
#define KILL_KEPT_MS (8 * INT64_C(86400000))
/* What comes this close to a CPU limit may have wanted more. */
#define HELD_BACK 0.95
#define HELD_BACK_MARGIN 1.15
#define MEMORY_LIMIT_ROOM 1.2
#define CPU_LIMIT_ROOM 1.1
#define CORES_LEAST 0.001
/* Of a millicore or a MiB: what days remember is rounded. */
#define NEARLY 1e-3

static const struct decay_scale minute_scales[SIZED_RESOURCES] = {
	{.first = 0.01, .growth = 1.05, .most = 1000, .half_life_ms = WEEK_MS, .epsilon = 1e-4},
	{.first = 1e7, .growth = 1.05, .most = 1e12, .half_life_ms = WEEK_MS, .epsilon = 1e-4}};

static const char *const way_names[SIZING_WAYS] = {"now", "vpa", "peak", "forecast"};

const char *sizing_way_name(enum sizing_way way)
{
	return way_names[way];
}

bool sizing_way_parse(const char *name, enum sizing_way *way)
{
	for (int i = SIZING_VPA; i < SIZING_WAYS; i++) {
		if (strcmp(name, way_names[i]) == 0) {
			*way = (enum sizing_way)i;
			return true;
		}
	}
	return false;
}

void sizing_init(struct sizing *sizing)
{
	*sizing = (struct sizing){.newest = INT64_MIN, .killed = NAN, .kill_need = NAN};
	vertical_init(&sizing->vertical);
	days_init(&sizing->days[SIZED_CPU], &minute_scales[SIZED_CPU]);
	days_init(&sizing->days[SIZED_MEMORY], &minute_scales[SIZED_MEMORY]);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++)
		decay_init(&sizing->minutes[resource], &minute_scales[resource]);
}

/* The series counts kills over a moving window, of which it makes fractions: a rise by a half or more is
 * one. What was before is not known after a gap; then a number above a half is one, too. */
static void see_kills(struct sizing *sizing, int64_t t_ms, const struct sizing_minute *values)
{
	double before = isnan(sizing->killed) ? 0 : sizing->killed;

	if (isnan(values->killed))
		return;
	sizing->killed = values->killed;
	if (values->killed - before < 0.5 ||
		!vertical_add_kill(&sizing->vertical, t_ms, values->request))
		return;
	sizing->kills++;
	sizing->kill_ms = t_ms;
	sizing->kill_need = sizing->vertical.kill_peak;
}

void sizing_add(struct sizing *sizing, int64_t minute, const struct sizing_minute *values)
{
	const double both[SIZED_RESOURCES] = {values->cpu, values->memory};
	int64_t t_ms = minute * MINUTE_MS;
	bool known = false;

	if (minute <= sizing->newest)
		return;
	vertical_add_cpu(&sizing->vertical, t_ms, values->cpu);
	vertical_add_memory(&sizing->vertical, t_ms, values->memory);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		if (!(both[resource] >= 0) || isinf(both[resource]))
			continue;
		known = true;
		days_add(&sizing->days[resource], minute, both[resource]);
		decay_add(&sizing->minutes[resource], both[resource], 1, t_ms);
	}
	see_kills(sizing, t_ms, values);
	if (known)
		sizing->newest = minute;
}

/* Up to what Kubernetes writes without fractions: millicores and MiB. */
static double rounded(enum sized_resource resource, double value)
{
	if (resource == SIZED_CPU)
		return fmax(CORES_LEAST, ceil(value * 1000 - NEARLY) / 1000);
	return fmax(MIB, ceil(value / MIB - NEARLY) * MIB);
}

/* A bucket tells no more than that a minute was within it; what no minute was above is known. */
static double part_over(const struct sizing *sizing, int resource, double request)
{
	if (isnan(request))
		return NAN;
	if (request * (1 + 1e-6) >= days_peak(&sizing->days[resource]))
		return 0;
	return decay_above(&sizing->minutes[resource], request);
}

void sizing_judge(const struct sizing *sizing, const struct sizing_prices *prices,
	struct sizing_choice *choice)
{
	for (int i = 0; i < SIZED_RESOURCES; i++)
		choice->over[i] = part_over(sizing, i, choice->request[i]);
	choice->kill_risk = isnan(choice->limit[SIZED_MEMORY])
		? NAN
		: days_above(&sizing->days[SIZED_MEMORY], choice->limit[SIZED_MEMORY]);
	choice->month = SIZING_HOURS_A_MONTH *
		(choice->request[SIZED_CPU] * prices->core_hour +
			choice->request[SIZED_MEMORY] / GIB * prices->gib_hour);
}

static void choose_none(struct sizing_choice *choice)
{
	*choice = (struct sizing_choice){.request = {NAN, NAN},
		.limit = {NAN, NAN},
		.over = {NAN, NAN},
		.kill_risk = NAN,
		.month = NAN};
}

/* Requests by a rule; limits move with them as the VPA does it, in their present proportion. */
static void choose(struct sizing_choice *choice, const struct sizing_now *now,
	const double request[SIZED_RESOURCES])
{
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		double part = now->limit[resource] / now->request[resource];

		choice->request[resource] =
			rounded((enum sized_resource)resource, request[resource]);
		if (!isnan(part) && now->request[resource] > 0)
			choice->limit[resource] = rounded((enum sized_resource)resource,
				choice->request[resource] * part);
	}
}

/* The forecast, but no less than today has needed so far; and where a limit held back what could be seen,
 * the VPA's margin above that. */
static double needed(const struct days *days, enum day_level level, double forecast, double limit)
{
	double today = days_today(days, level), peak = days_today(days, DAY_PEAK);

	if (!isnan(limit) && peak >= HELD_BACK * limit)
		today *= HELD_BACK_MARGIN;
	return fmax(forecast, today);
}

static void choose_ours(struct sizing_choice *choice, const struct sizing *sizing, int64_t minute,
	const struct sizing_now *now, struct sizing_advice *advice)
{
	struct day_forecast peak;
	double request[SIZED_RESOURCES], room;

	if (!days_forecast(&sizing->days[SIZED_CPU], DAY_P95, CPU_MISSED,
		    &advice->forecasts[SIZED_CPU]) ||
		!days_forecast(&sizing->days[SIZED_MEMORY], DAY_PEAK, MEMORY_MISSED,
			&advice->forecasts[SIZED_MEMORY]) ||
		!days_forecast(&sizing->days[SIZED_CPU], DAY_PEAK, MEMORY_MISSED, &peak))
		return;
	request[SIZED_CPU] = needed(&sizing->days[SIZED_CPU], DAY_P95,
		advice->forecasts[SIZED_CPU].value, now->limit[SIZED_CPU]);
	request[SIZED_MEMORY] = needed(&sizing->days[SIZED_MEMORY], DAY_PEAK,
		advice->forecasts[SIZED_MEMORY].value, NAN);
	if (!isnan(sizing->kill_need) && minute * MINUTE_MS - sizing->kill_ms < KILL_KEPT_MS)
		request[SIZED_MEMORY] = fmax(request[SIZED_MEMORY], sizing->kill_need);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++)
		choice->request[resource] =
			rounded((enum sized_resource)resource, request[resource]);
	room = fmax(choice->request[SIZED_MEMORY], days_peak(&sizing->days[SIZED_MEMORY]));
	if (!isnan(now->limit[SIZED_MEMORY]))
		choice->limit[SIZED_MEMORY] = rounded(SIZED_MEMORY, room * MEMORY_LIMIT_ROOM);
	if (!isnan(now->limit[SIZED_CPU]))
		choice->limit[SIZED_CPU] = rounded(SIZED_CPU,
			fmax(choice->request[SIZED_CPU], peak.value) * CPU_LIMIT_ROOM);
}

void sizing_advise(const struct sizing *sizing, int64_t minute, const struct sizing_now *now,
	const struct sizing_prices *prices, struct sizing_advice *advice)
{
	struct sizing_choice *choices = advice->choices;
	double peak[SIZED_RESOURCES];

	*advice = (struct sizing_advice){.verdict = SIZING_READY, .kills = sizing->kills};
	vertical_advise(&sizing->vertical, now->containers, &advice->vertical);
	advice->confidence = advice->vertical.confidence;
	for (int way = 0; way < SIZING_WAYS; way++)
		choose_none(&choices[way]);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		choices[SIZING_NOW].request[resource] = now->request[resource];
		choices[SIZING_NOW].limit[resource] = now->limit[resource];
		advice->days[resource] = sizing->days[resource].count;
		peak[resource] = days_peak(&sizing->days[resource]);
		if (sizing->days[resource].count < DAYS_MIN)
			advice->verdict = SIZING_TOO_SHORT;
	}
	if (advice->verdict == SIZING_READY && minute - sizing->newest > STALE_MINUTES)
		advice->verdict = SIZING_STALE;
	if (advice->verdict == SIZING_READY) {
		choose(&choices[SIZING_VPA], now, advice->vertical.target);
		choose(&choices[SIZING_PEAK], now, peak);
		choose_ours(&choices[SIZING_OURS], sizing, minute, now, advice);
	}
	for (int way = 0; way < SIZING_WAYS; way++)
		sizing_judge(sizing, prices, &choices[way]);
}
