#include "analyzers/rightsize/sizing_replay.h"

#include <math.h>

#include "base/mem.h"

#define MINUTES_A_DAY 1440
#define MINUTES_AN_HOUR 60
#define GIB 1073741824.0
#define SETTLED_MINUTES (12 * 60)
#define DIFFERENCE 0.1
#define RAISE 1.2

struct run {
	enum sizing_way way;
	struct sizing sizing;
	const struct sizing_prices *prices;
	double request[SIZED_RESOURCES]; /* NaN: nothing was recommended yet */
	int64_t changed;                 /* minute */
	double kills;
	bool killed; /* in the minute before */
	size_t known[SIZED_RESOURCES], over[SIZED_RESOURCES];
	struct sizing_outcome *outcome;
};

static bool outside(const struct run *run, const struct sizing_advice *advice)
{
	for (int i = 0; i < SIZED_RESOURCES; i++)
		if (run->request[i] < advice->vertical.lower[i] ||
			run->request[i] > advice->vertical.upper[i])
			return true;
	return false;
}

static bool differs(const struct run *run, const struct sizing_choice *choice)
{
	double difference = 0;

	for (int i = 0; i < SIZED_RESOURCES; i++)
		difference += fabs(choice->request[i] - run->request[i]) / run->request[i];
	return difference >= DIFFERENCE;
}

/* By more than a tenth of either. */
static bool more(const struct run *run, const struct sizing_choice *choice)
{
	return choice->request[SIZED_CPU] > run->request[SIZED_CPU] * (1 + DIFFERENCE) ||
		choice->request[SIZED_MEMORY] > run->request[SIZED_MEMORY] * (1 + DIFFERENCE);
}

/* Whether the way looks at all in this minute. */
static bool looks(const struct run *run, int64_t minute)
{
	if (run->killed || isnan(run->request[SIZED_CPU]))
		return true;
	switch (run->way) {
	case SIZING_VPA:
	case SIZING_OURS:
		return minute % MINUTES_AN_HOUR == 0;
	default:
		return false;
	}
}

static void decide(struct run *run, int64_t minute)
{
	struct sizing_now now = {.replicas = 1, .containers = 1};
	const struct sizing_choice *choice;
	struct sizing_advice advice;
	bool first = isnan(run->request[SIZED_CPU]);

	if (!looks(run, minute))
		return;
	if (run->way == SIZING_PEAK && !first) {
		run->request[SIZED_MEMORY] *= RAISE;
		run->outcome->changes++;
		return;
	}
	for (int i = 0; i < SIZED_RESOURCES; i++)
		now.request[i] = now.limit[i] = run->request[i];
	sizing_advise(&run->sizing, minute, &now, run->prices, &advice);
	choice = &advice.choices[run->way];
	/* Without an advice all stays as it is. */
	if (advice.verdict != SIZING_READY)
		return;
	if (!first && run->way == SIZING_VPA && !run->killed && !outside(run, &advice) &&
		(minute - run->changed < SETTLED_MINUTES || !differs(run, choice)))
		return;
	if (!first && run->way == SIZING_OURS && minute % MINUTES_A_DAY != 0 && !more(run, choice))
		return;
	if (!first && choice->request[SIZED_CPU] == run->request[SIZED_CPU] &&
		choice->request[SIZED_MEMORY] == run->request[SIZED_MEMORY])
		return;
	run->request[SIZED_CPU] = choice->request[SIZED_CPU];
	run->request[SIZED_MEMORY] = choice->request[SIZED_MEMORY];
	run->changed = minute;
	run->outcome->changes += !first;
}

static void judge(struct run *run, struct sizing_minute *seen)
{
	double *values[SIZED_RESOURCES] = {&seen->cpu, &seen->memory};

	run->killed = false;
	run->outcome->core_hours += run->request[SIZED_CPU] / MINUTES_AN_HOUR;
	run->outcome->gib_hours += run->request[SIZED_MEMORY] / GIB / MINUTES_AN_HOUR;
	for (int i = 0; i < SIZED_RESOURCES; i++) {
		if (isnan(*values[i]))
			continue;
		run->known[i]++;
		if (*values[i] <= run->request[i])
			continue;
		run->over[i]++;
		*values[i] = run->request[i];
		if (i == SIZED_MEMORY) {
			run->killed = true;
			run->kills++;
		}
	}
	seen->killed = run->kills;
	seen->request = run->request[SIZED_MEMORY];
}

static double part(size_t some, size_t all)
{
	return all > 0 ? (double)some / (double)all : NAN;
}

/* One way from the first minute to the last. Returns the minutes that were judged. */
static size_t run_way(struct run *run, const struct sizing_trace *trace, size_t history)
{
	struct sizing_outcome *outcome = run->outcome;
	size_t judged = 0;

	for (size_t i = 0; i < trace->count; i++) {
		int64_t minute = trace->first + (int64_t)i;
		struct sizing_minute seen = {.cpu = trace->cpu[i],
			.memory = trace->memory[i],
			.killed = trace->killed[i],
			.request = NAN};

		if (i >= history * MINUTES_A_DAY) {
			decide(run, minute);
			if (!isnan(run->request[SIZED_CPU])) {
				judge(run, &seen);
				judged++;
			}
		}
		sizing_add(&run->sizing, minute, &seen);
	}
	outcome->money = outcome->core_hours * run->prices->core_hour +
		outcome->gib_hours * run->prices->gib_hour;
	outcome->throttled = part(run->over[SIZED_CPU], run->known[SIZED_CPU]);
	outcome->killed = part(run->over[SIZED_MEMORY], run->known[SIZED_MEMORY]);
	return judged;
}

enum status sizing_replay(const struct sizing_trace *trace, size_t history,
	const struct sizing_prices *prices, struct sizing_replay *replay, struct error *error)
{
	struct run *run = mem_alloc(sizeof(*run));

	if (run == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	*replay = (struct sizing_replay){.judged = 0};
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++) {
		*run = (struct run){.way = (enum sizing_way)way,
			.prices = prices,
			.request = {NAN, NAN},
			.outcome = &replay->outcomes[way]};
		sizing_init(&run->sizing);
		replay->judged = run_way(run, trace, history);
	}
	mem_free(run);
	if (replay->judged == 0)
		return error_set(error, STATUS_UNAVAILABLE,
			"nothing is left to judge after %zu days of history", history);
	return STATUS_OK;
}

static const char *const words[SIZING_WAYS] = {"", "VPA's rule", "peak", "forecast"};

static void add_share(struct buf *text, double share)
{
	if (isnan(share))
		buf_printf(text, " %12s", "-");
	else
		buf_printf(text, " %10.3f %%", share * 100);
}

void sizing_replay_write_text(const struct sizing_replay *replay, struct buf *text)
{
	buf_printf(text,
		"Followed for the last %.1f days, with limits at the requests:\n"
		"  %-10s %12s %12s %12s %12s %12s %9s\n",
		(double)replay->judged / MINUTES_A_DAY, "", "core-hours", "GiB-hours", "money",
		"throttled", "out of mem.", "changes");
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++) {
		const struct sizing_outcome *outcome = &replay->outcomes[way];

		buf_printf(text, "  %-10s %12.2f %12.2f %12.2f", words[way], outcome->core_hours,
			outcome->gib_hours, outcome->money);
		add_share(text, outcome->throttled);
		add_share(text, outcome->killed);
		buf_printf(text, " %9zu\n", outcome->changes);
	}
}

void sizing_trace_learn(const struct sizing_trace *trace, struct sizing *sizing)
{
	sizing_init(sizing);
	for (size_t i = 0; i < trace->count; i++) {
		const struct sizing_minute minute = {trace->cpu[i], trace->memory[i],
			trace->killed[i], NAN};

		sizing_add(sizing, trace->first + (int64_t)i, &minute);
	}
}

void sizing_replay_write_json(const struct sizing_replay *replay, struct buf *json)
{
	buf_printf(json, "{\"judged_minutes\":%zu", replay->judged);
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++) {
		const struct sizing_outcome *outcome = &replay->outcomes[way];

		buf_printf(json, ",\"%s\":{\"core_hours\":", sizing_way_name((enum sizing_way)way));
		buf_add_json_number(json, outcome->core_hours);
		buf_add_text(json, ",\"gib_hours\":");
		buf_add_json_number(json, outcome->gib_hours);
		buf_add_text(json, ",\"money\":");
		buf_add_json_number(json, outcome->money);
		buf_add_text(json, ",\"throttled\":");
		buf_add_json_number(json, outcome->throttled);
		buf_add_text(json, ",\"out_of_memory\":");
		buf_add_json_number(json, outcome->killed);
		buf_printf(json, ",\"changes\":%zu}", outcome->changes);
	}
	buf_add_char(json, '}');
}
