/*
 * What one container should request and be limited to: by the Vertical Pod Autoscaler's rule
 * (vertical.h), by our forecast of the next day (days.h), as the peak of its history, and as it is now;
 * each with its money a month and its risk.
 *
 * Ours: the CPU request is tomorrow's 95 % minute, exceeded on a tenth of the days at most; the memory
 * request tomorrow's peak, likewise on a twentieth, and after a kill for lack of memory no less than the
 * VPA's rule makes of it. Limits are named where one is set now.
 *
 * Missing is not zero: a minute that is not known counts nowhere, and with less than DAYS_MIN full days
 * nothing is recommended.
 *
 * Ownership: a plain value of about 9.5 kB.
 * Order: minutes ascend.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZING_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/rightsize/days.h"
#include "analyzers/rightsize/vertical.h"

#define SIZING_HOURS_A_MONTH 730

struct sizing {
	struct vertical vertical;
	struct days days[SIZED_RESOURCES];
	struct decay minutes[SIZED_RESOURCES]; /* of all minutes, half-life a week */
	int64_t newest;                        /* minute; INT64_MIN: none yet */
	double killed;                         /* as the series told last, NaN: not known */
	unsigned kills;
	int64_t kill_ms;  /* of the last one */
	double kill_need; /* bytes, by the VPA's rule */
};

/* One minute of a container; NaN: not known. */
struct sizing_minute {
	double cpu;    /* cores, mean of the minute */
	double memory; /* bytes, the highest of the minute */
	double killed; /* kills for lack of memory within the last minutes, a number that rises and falls */
	double request; /* memory request then */
};

void sizing_init(struct sizing *sizing);
/* A minute that is not behind the newest one is left out. */
void sizing_add(struct sizing *sizing, int64_t minute, const struct sizing_minute *values);

/* As it is set now. NaN: none is set, or it is not known. */
struct sizing_now {
	double request[SIZED_RESOURCES], limit[SIZED_RESOURCES];
	double replicas;
	unsigned containers; /* of the pod, at least 1 */
};

struct sizing_prices {
	double core_hour, gib_hour;
};

enum sizing_way { SIZING_NOW, SIZING_VPA, SIZING_PEAK, SIZING_OURS, SIZING_WAYS };

const char *sizing_way_name(enum sizing_way way);
/* The ways that recommend something: not NOW. */
bool sizing_way_parse(const char *name, enum sizing_way *way);

/* cores and bytes; NaN: none. */
struct sizing_choice {
	double request[SIZED_RESOURCES], limit[SIZED_RESOURCES];
	double over
		[SIZED_RESOURCES]; /* part of the minutes above the request, newer ones counting more */
	double kill_risk;          /* part of the days whose peak is above the memory limit */
	double month; /* what the requests of one replica cost a month; NaN: none, or not known */
};

enum sizing_verdict { SIZING_TOO_SHORT, SIZING_STALE, SIZING_READY };

struct sizing_advice {
	enum sizing_verdict verdict;
	size_t days[SIZED_RESOURCES]; /* full ones */
	double confidence;            /* the VPA's */
	struct day_forecast forecasts[SIZED_RESOURCES];
	struct vertical_advice vertical;
	struct sizing_choice
		choices[SIZING_WAYS]; /* but for NOW all NaN unless the verdict is READY */
	unsigned kills;
};

/* minute: now; what ended more than an hour before is SIZING_STALE. */
void sizing_advise(const struct sizing *sizing, int64_t minute, const struct sizing_now *now,
	const struct sizing_prices *prices, struct sizing_advice *advice);
/* Likewise for a request that was chosen otherwise. */
void sizing_judge(const struct sizing *sizing, const struct sizing_prices *prices,
	struct sizing_choice *choice);

#endif
