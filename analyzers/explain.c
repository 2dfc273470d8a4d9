/*
 * A signal is held against what is usual at this time of the day, where that is known, else against
 * the median of its window. One that is usual by itself can still carry a part of the score: then it
 * does not go together with the others, and that is said.
 */
#include "analyzers/explain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"

#define PART_MIN 0.1
/* Robust deviations within which a value is usual by itself. */
#define USUAL 2.0
#define TEXT_MAX 1024

void explain_expected(const struct watched_signal *signal, struct expectation *expectation)
{
	const struct seasonal_residual *day = &signal->features.seasonal[SEASON_DAY];
	double distance = signal->features.rolling.value - signal->last.expected;

	*expectation = (struct expectation){NAN, NAN, "unknown"};
	if (!isnan(day->expected)) {
		*expectation =
			(struct expectation){day->expected, day->score, "at this time of day"};
	} else if (!isnan(signal->last.expected)) {
		*expectation = (struct expectation){signal->last.expected,
			signal->last.scale > 0  ? distance / signal->last.scale
				: distance == 0 ? 0
						: copysign(INFINITY, distance),
			"lately"};
	}
}

static void explain_one(const struct watched_signal *signal, enum signal_role role, double part,
	struct buf *text)
{
	struct expectation expected;
	char value[64], usual[64];
	double now = signal->features.rolling.value;

	explain_expected(signal, &expected);
	finding_amount(now, role, value, sizeof(value));
	finding_amount(expected.value, role, usual, sizeof(usual));
	buf_printf(text, "%s ", role_name(role));
	if (isnan(now))
		buf_printf(text, "has no value (%s)", quality_words(signal->features.verdict));
	else if (isnan(expected.value))
		buf_printf(text, "is %s", value);
	else if (fabs(expected.score) < USUAL)
		buf_printf(text, "is %s, usual for itself but not beside the others", value);
	else
		buf_printf(text, "is %s, %s %s about %s", value,
			now > expected.value ? "above" : "below", expected.ground, usual);
	buf_printf(text, " (%.0f %% of the score)", part * 100);
}

void explain_signals(const struct watched_workload *workload, const double *contributions,
	struct buf *text)
{
	bool said[ROLE_COUNT] = {false};

	for (int i = 0; i < EXPLAIN_SIGNALS; i++) {
		int lead = -1;

		for (int role = 0; role < ROLE_COUNT; role++)
			if (!said[role] && contributions[role] > 0 &&
				(lead < 0 || contributions[role] > contributions[lead]))
				lead = role;
		if (lead < 0 || (i > 0 && contributions[lead] < PART_MIN))
			break;
		said[lead] = true;
		buf_add_text(text, i > 0 ? "; " : "");
		explain_one(&workload->signals[lead], (enum signal_role)lead, contributions[lead],
			text);
	}
	if (text->size == 0)
		buf_add_text(text, "no signal stands out by itself");
}

static void write_sentences(const struct watched_workload *workload, const char *detector,
	enum finding_change change, const char *joined, struct buf *summary,
	struct buf *description)
{
	const struct watch_state *state = &workload->watched;
	char name[WORKLOAD_TEXT_MAX], since[32], first[32], end[32];

	workload_key_write(&workload->key, name, sizeof(name));
	format_rfc3339(state->since_ms, since, sizeof(since));
	format_rfc3339(state->first * 60000, first, sizeof(first));
	format_rfc3339(state->end * 60000, end, sizeof(end));
	if (change == FINDING_LOST) {
		buf_printf(summary, "%s behaved unusually and can no longer be judged", name);
		buf_printf(description,
			"unusual since %s; its minutes can no longer be judged (%s): this ends the "
			"finding without saying that all is well",
			since, quality_words(workload->row.verdict));
		return;
	}
	if (change == FINDING_RESOLVED && joined != NULL) {
		buf_printf(summary, "%s still behaves unusually: it goes on as %s", name, joined);
	} else if (change == FINDING_RESOLVED) {
		buf_printf(summary, "%s no longer behaves unusually", name);
	} else {
		buf_printf(summary, "%s behaves unusually: ", name);
		struct buf signals;

		buf_init(&signals, TEXT_MAX);
		explain_signals(workload, state->answer.contributions, &signals);
		buf_add(summary, signals.data, signals.size);
		buf_fini(&signals);
	}
	buf_printf(description,
		"unusual since %s: the detector \"%s\", which learnt from %zu minutes between %s and %s, "
		"scores this minute %.3g (its threshold is %.3g, the worst of the episode %.3g); a "
		"usual minute scores as high with a probability of %.2g",
		since, detector, state->rows, first, end, state->answer.score,
		state->answer.threshold, state->worst.score, state->answer.probability);
}

static enum status write_annotations(const struct watched_workload *workload, const char *detector,
	enum finding_change change, const char *joined, struct event *event, struct error *error)
{
	const struct watched_signal *lead = &workload->signals[workload->watched.lead];
	struct expectation expected;
	struct buf summary, description, parts;
	char value[32], usual[64], since[32];
	enum status status = STATUS_NO_MEMORY;

	buf_init(&summary, 4 * TEXT_MAX);
	buf_init(&description, 4 * TEXT_MAX);
	buf_init(&parts, TEXT_MAX);
	write_sentences(workload, detector, change, joined, &summary, &description);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (workload->watched.worst.contributions[role] > 0)
			buf_printf(&parts, "%s%s %.2f", parts.size > 0 ? ", " : "",
				role_name((enum signal_role)role),
				workload->watched.worst.contributions[role]);
	buf_add_text(&parts, "");
	explain_expected(lead, &expected);
	snprintf(value, sizeof(value), "%.17g", lead->features.rolling.value);
	finding_amount(expected.value, workload->watched.lead, usual, sizeof(usual));
	format_rfc3339(workload->watched.since_ms, since, sizeof(since));
	if (buf_ok(&summary) && buf_ok(&description) && buf_ok(&parts)) {
		const struct label pairs[] = {label_of("value", value), label_of("expected", usual),
			label_of("since", since), label_of("summary", summary.data),
			label_of("description", description.data),
			label_of("contributions", parts.data != NULL ? parts.data : "")};

		status = labels_init(&event->annotations, pairs, ARRAY_COUNT(pairs), error);
	}
	buf_fini(&summary);
	buf_fini(&description);
	buf_fini(&parts);
	return status;
}

enum status explain_event(const struct watched_workload *workload, const char *detector,
	enum finding_change change, const char *joined, int64_t now_ms, struct event *event,
	struct error *error)
{
	const struct watch_state *state = &workload->watched;
	enum status status;

	event_init(event);
	status = finding_labels(&event->labels, &workload->key, workload->watched.lead,
		FINDING_WORKLOAD, detector, "both", error);
	if (status == STATUS_OK)
		status = write_annotations(workload, detector, change, joined, event, error);
	if (status != STATUS_OK) {
		event_fini(event);
		return error_set(error, status, "out of memory");
	}
	event->source = EVENT_FINDING;
	event->firing = change == FINDING_OPENED || change == FINDING_REPEATED;
	event->fingerprint = labels_fingerprint(&event->labels);
	event->starts_ms = state->since_ms;
	event->ends_ms = event->firing ? 0 : now_ms;
	event->received_ms = now_ms;
	event->score =
		isnan(state->answer.surprise) ? state->worst.surprise : state->answer.surprise;
	event->confidence = workload->row.bound > 0 && change != FINDING_LOST
		? (double)workload->row.good / (double)workload->row.bound
		: 0;
	return STATUS_OK;
}
