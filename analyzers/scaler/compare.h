/*
 * Policies side by side on one trace: each on the same draws, with the spread over seeds; and advice for
 * the HPA, the cheapest target and stabilization window that keep the asked objective.
 *
 * Ownership: comparison_fini() gives back all; what the options name is borrowed until the end.
 * Limits: COMPARE_POLICIES_MAX policies, COMPARE_SEEDS_MAX seeds.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_COMPARE_H
#define NIMBUSGUARD_ANALYZERS_SCALER_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/off_policy.h"
#include "analyzers/scaler/simulate.h"
#include "analyzers/scaler/trace.h"
#include "base/buf.h"
#include "base/error.h"

#define COMPARE_POLICIES_MAX 32
#define COMPARE_SEEDS_MAX 100
#define COMPARE_TARGETS 27 /* .25 to .90 by .025 */
#define COMPARE_WINDOWS 5  /* 2, 5, 10, 20, 30 minutes */

enum compare_figure {
	COMPARE_VIOLATED, /* per cent of minutes */
	COMPARE_BAD,      /* per cent of requests, late or dropped */
	COMPARE_COST,     /* pod-hours / the oracle's */
	COMPARE_POD_HOURS,
	COMPARE_EVENTS,    /* a day */
	COMPARE_REVERSALS, /* a day */
	COMPARE_MONEY,     /* pod-hours times the price */
	COMPARE_FIGURES
};

struct compare_spread {
	double mean, deviation, low, high;
};

struct compare_row {
	char policy[POLICY_NAME_MAX];
	struct compare_spread figures[COMPARE_FIGURES];
	struct policy_training training; /* no points: it was not trained */
	struct off_policy_trials trials; /* at the end of the first seed; none: it has no arms */
	struct trail trail; /* of the first seed, [minutes]; NULLs when it was not asked for */
};

struct compare_advice {
	bool asked, found; /* a setting within the objective was found */
	double target_percent;
	int window_s;
	/* Means over the seeds at that setting; when none was found, at the one with the least violations. */
	double violated, bad, cost, pod_hours;
};

struct compare_options {
	const struct trace *trace;
	struct plant_config plant;
	double scale;        /* factor on the trace's rates */
	size_t first_minute; /* what is before is history; 0: all is judged */
	const char *policies[COMPARE_POLICIES_MAX];
	size_t policy_count;
	size_t seeds;
	uint64_t seed;
	double price;     /* of a pod-hour */
	double objective; /* per cent of violated minutes and of bad requests at most */
	bool advice, trails, hpa_whole_percent;
	/* Part done, 0 to 1, and what is going on; NULL: nobody watches. */
	void (*progress)(void *user, double part, const char *what);
	void *progress_user;
};

/* 1 seed (1), price 0, objective 0.5 %, the plant's defaults, HPA percentages whole. */
void compare_options_default(struct compare_options *options);

struct comparison {
	const struct compare_options *options;
	struct compare_row rows[COMPARE_POLICIES_MAX];
	size_t row_count;
	struct compare_advice advice;
	double judged_minutes, oracle_pod_hours;
	double slots; /* that were simulated */
};

/* STATUS_BAD_INPUT: a policy that is none, nothing to judge; STATUS_NO_MEMORY. Nothing is left to free
 * after an error. */
enum status compare(const struct compare_options *options, struct comparison *comparison,
	struct error *error) MUST_CHECK;
void comparison_fini(struct comparison *comparison);

/* One plain sentence or two about the advice. */
void comparison_write_advice(const struct comparison *comparison, struct buf *text);
/* Name, unit and meaning of a figure. */
const char *compare_figure_key(enum compare_figure figure);
const char *compare_figure_heading(enum compare_figure figure);
const char *compare_figure_meaning(enum compare_figure figure);

void comparison_write_text(const struct comparison *comparison, struct buf *text);
void comparison_write_json(const struct comparison *comparison, struct buf *text);
/* One page that needs nothing from elsewhere. */
void comparison_write_html(const struct comparison *comparison, struct buf *text);

#endif
