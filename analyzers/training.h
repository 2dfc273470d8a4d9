/*
 * What is told of each training in the background, for who keeps a record of them.
 */
#ifndef NIMBUSGUARD_ANALYZERS_TRAINING_H
#define NIMBUSGUARD_ANALYZERS_TRAINING_H

#include <stdint.h>

#include "base/error.h"
#include "base/workload.h"

#define TRAINING_HORIZONS 2 /* 5 and 15 minutes */

/* Whatever came of it. */
struct training_report {
	const char *kind,
		*method; /* "detect", "forecast", "peak" or "general"; the name of the class */
	const struct workload_key *workload; /* NULL: all of them (general) */
	enum status status;                  /* STATUS_UNAVAILABLE: there is not enough history */
	int64_t started_ms, ended_ms,
		end_minute;              /* end_minute: behind the last that was learnt from */
	int64_t rows_max;                /* minutes that were learnt from, at most */
	double skill[TRAINING_HORIZONS]; /* of forecasts, mean over the signals; NaN: not known */
	/* Of a net for all workloads; NULL, 0 and not read otherwise. */
	const char *outcome; /* promoted, kept, failed */
	const char *file;    /* that it is in and served from; NULL: it is not kept */
	size_t signals;      /* that it learnt from */
	/* Errors at its exam relative to the last value's, as geometric mean: of the new net, of the one that
	 * served, of yesterday's value; NaN: not known. */
	double relative_error[3];
};

/* Called from the thread that trains; must be short. */
typedef void training_told_fn(void *argument, const struct training_report *report);

#endif
