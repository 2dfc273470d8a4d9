/*
 * The tracker of one signal's episodes, and the event that tells of one. Transitions:
 *   quiet   -> pending   finding_update: score over threshold in a watched direction
 *   pending -> quiet     score back under the threshold before duration_min_ms, or bad data
 *   pending -> active    held for duration_min_ms                          (OPENED)
 *   active  -> active    every repeat_ms                                   (REPEATED)
 *   active  -> closing   score under threshold_close
 *   closing -> active    score over threshold_close again
 *   closing -> quiet     held under for duration_min_ms                    (RESOLVED)
 *   active, closing -> quiet   no judgement for lost_ms                    (LOST)
 */
#include "analyzers/findings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"

static bool over(double score, double threshold, bool up)
{
	return up ? score >= threshold : score <= -threshold;
}

static enum finding_change begin_episode(struct finding_tracker *tracker,
	const struct finding_spec *spec, enum signal_direction detect,
	const struct judgement *judgement, int64_t now_ms)
{
	bool high = (detect == DIRECTION_UP || detect == DIRECTION_BOTH) &&
		over(judgement->score, spec->threshold, true);
	bool low = (detect == DIRECTION_DOWN || detect == DIRECTION_BOTH) &&
		over(judgement->score, spec->threshold, false);

	if (!high && !low)
		return FINDING_NONE;
	tracker->state = FINDING_PENDING;
	tracker->up = high;
	tracker->since_ms = judgement->newest_ms < now_ms ? judgement->newest_ms : now_ms;
	tracker->worst = *judgement;
	return FINDING_NONE;
}

static enum finding_change update_active(struct finding_tracker *tracker,
	const struct finding_spec *spec, const struct judgement *judgement, int64_t now_ms)
{
	if (over(judgement->score, spec->threshold_close, tracker->up)) {
		tracker->state = FINDING_ACTIVE;
	} else if (tracker->state == FINDING_ACTIVE) {
		tracker->state = FINDING_CLOSING;
		tracker->closing_ms = now_ms;
	}
	if (tracker->state == FINDING_CLOSING &&
		now_ms - tracker->closing_ms >= spec->duration_min_ms) {
		tracker->state = FINDING_QUIET;
		return FINDING_RESOLVED;
	}
	if (now_ms - tracker->told_ms < spec->repeat_ms)
		return FINDING_NONE;
	tracker->told_ms = now_ms;
	return FINDING_REPEATED;
}

enum finding_change finding_update(struct finding_tracker *tracker, const struct finding_spec *spec,
	enum signal_direction detect, const struct judgement *judgement, int64_t now_ms)
{
	if (judgement->quality != QUALITY_GOOD || isnan(judgement->score)) {
		bool open = tracker->state == FINDING_ACTIVE || tracker->state == FINDING_CLOSING;

		if (tracker->state == FINDING_PENDING)
			tracker->state = FINDING_QUIET;
		if (!open || now_ms - tracker->judged_ms < spec->lost_ms)
			return FINDING_NONE;
		tracker->state = FINDING_QUIET;
		return FINDING_LOST;
	}
	tracker->judged_ms = now_ms;
	if (tracker->state == FINDING_QUIET)
		(void)begin_episode(tracker, spec, detect, judgement, now_ms);
	if (tracker->state == FINDING_QUIET)
		return FINDING_NONE;
	if (fabs(judgement->score) > fabs(tracker->worst.score))
		tracker->worst = *judgement;
	if (tracker->state != FINDING_PENDING)
		return update_active(tracker, spec, judgement, now_ms);
	if (!over(judgement->score, spec->threshold, tracker->up)) {
		tracker->state = FINDING_QUIET;
		return FINDING_NONE;
	}
	if (now_ms - tracker->since_ms < spec->duration_min_ms)
		return FINDING_NONE;
	tracker->state = FINDING_ACTIVE;
	tracker->told_ms = now_ms;
	return FINDING_OPENED;
}

void finding_amount(double value, enum signal_role role, char *text, size_t size)
{
	const char *unit = role_unit(role);

	if (strcmp(unit, "ratio") == 0)
		snprintf(text, size, "%.1f %%", value * 100);
	else if (strcmp(unit, "bytes") == 0)
		snprintf(text, size, "%.1f MiB", value / 1048576);
	else if (strcmp(unit, "seconds") == 0)
		snprintf(text, size, "%.3g s", value);
	else if (strcmp(unit, "per_second") == 0)
		snprintf(text, size, "%.4g/s", value);
	else if (strcmp(unit, "count") == 0)
		snprintf(text, size, "%.4g", value);
	else
		snprintf(text, size, "%.3g %s", value, unit);
}

enum status finding_labels(struct labels *labels, const struct workload_key *workload,
	enum signal_role role, const char *finding, const char *detector, const char *direction,
	struct error *error)
{
	const struct label pairs[] = {label_of("finding", finding), label_of("detector", detector),
		label_of("role", role_name(role)), label_of("direction", direction),
		/* Empty where there is none: an empty label is an absent one. */
		label_of("cluster", workload->cluster),
		label_of("namespace", workload->namespace_name),
		label_of("workload_kind", target_kind_name(workload->kind)),
		label_of("workload", workload->name)};

	return labels_init(labels, pairs, ARRAY_COUNT(pairs), error);
}

static enum status build_annotations(const struct finding_tracker *tracker,
	const struct workload_key *workload, enum signal_role role, const struct judgement *now,
	enum finding_change change, struct event *event, struct error *error)
{
	char name[WORKLOAD_TEXT_MAX], value[64], expected[64], raw[64], since[32];
	char summary[WORKLOAD_TEXT_MAX + 256], description[WORKLOAD_TEXT_MAX + 512];
	const struct judgement *seen = change == FINDING_LOST ? &tracker->worst : now;
	const char *role_text = role_name(role);

	workload_key_write(workload, name, sizeof(name));
	finding_amount(seen->value, role, value, sizeof(value));
	finding_amount(seen->expected, role, expected, sizeof(expected));
	snprintf(raw, sizeof(raw), "%.17g", seen->value);
	format_rfc3339(tracker->since_ms, since, sizeof(since));
	if (change == FINDING_RESOLVED)
		snprintf(summary, sizeof(summary),
			"%s of %s is no longer unusually %s: %s, expected about %s", role_text,
			name, tracker->up ? "high" : "low", value, expected);
	else
		snprintf(summary, sizeof(summary),
			"%s of %s %s unusually %s: %s, expected about %s", role_text, name,
			change == FINDING_LOST ? "was" : "is", tracker->up ? "high" : "low", value,
			expected);
	if (change == FINDING_LOST)
		snprintf(description, sizeof(description),
			"the signal was lost (%s): this ends the finding without saying that all is well",
			quality_words(now->quality));
	else if (change == FINDING_RESOLVED)
		snprintf(description, sizeof(description),
			"%s of %s was %s its usual range since %s and is back: %s against a median of %s, "
			"%.1f robust deviations away (worst %.1f), judged on %u samples",
			role_text, name, tracker->up ? "above" : "below", since, value, expected,
			fabs(seen->score), fabs(tracker->worst.score), (unsigned)seen->samples);
	else
		snprintf(description, sizeof(description),
			"%s of %s has been %s its usual range since %s: %s against a median of %s, "
			"%.1f robust deviations away (worst %.1f), judged on %u samples",
			role_text, name, tracker->up ? "above" : "below", since, value, expected,
			fabs(seen->score), fabs(tracker->worst.score), (unsigned)seen->samples);
	const struct label pairs[] = {label_of("summary", summary),
		label_of("description", description), label_of("value", raw),
		label_of("expected", expected), label_of("since", since)};

	return labels_init(&event->annotations, pairs, ARRAY_COUNT(pairs), error);
}

enum status finding_event(const struct finding_tracker *tracker,
	const struct workload_key *workload, enum signal_role role, const struct judgement *now,
	enum finding_change change, int64_t now_ms, struct event *event, struct error *error)
{
	char finding[64];
	enum status status;

	event_init(event);
	snprintf(finding, sizeof(finding), "%s_%s", role_name(role), tracker->up ? "high" : "low");
	status = finding_labels(&event->labels, workload, role, finding, DETECTOR_ROBUST_Z,
		tracker->up ? "up" : "down", error);
	if (status == STATUS_OK)
		status = build_annotations(tracker, workload, role, now, change, event, error);
	if (status != STATUS_OK) {
		event_fini(event);
		return status;
	}
	event->source = EVENT_FINDING;
	event->firing = change == FINDING_OPENED || change == FINDING_REPEATED;
	event->fingerprint = labels_fingerprint(&event->labels);
	event->starts_ms = tracker->since_ms;
	event->ends_ms = event->firing ? 0 : now_ms;
	event->received_ms = now_ms;
	event->score = change == FINDING_LOST ? tracker->worst.score : now->score;
	event->confidence = change == FINDING_LOST ? 0 : now->confidence;
	return STATUS_OK;
}
