/*
 * What a silence covers: named alerts of one target, as narrow as the action that it accompanies, and
 * never the alert that triggered it.
 *
 * Ownership: matchers are the caller's; texts of a scope are borrowed.
 * Limits: SILENCE_ALERTS_MAX names, SILENCE_LABELS_MAX labels.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_SILENCE_SCOPE_H
#define NIMBUSGUARD_REMEDIATIONS_SILENCE_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/event.h"
#include "base/matcher.h"
#include "base/workload.h"

#define SILENCE_ALERTS_MAX 16
#define SILENCE_LABELS_MAX 8
#define SILENCE_ALERT_NAME_MAX 128

struct silence_scope {
	const char *alerts[SILENCE_ALERTS_MAX]; /* names of alerts; at least one */
	size_t alert_count;
	/* Labels of those alerts that name the target; none: cluster, namespace and the label of the
	 * target's kind. */
	const char *labels[SILENCE_LABELS_MAX];
	size_t label_count;
};

/* Whether it can be the name of an alert in a scope: a metric's name with '-' and '.', so that it has no
 * meaning in a pattern but that of the dot. */
bool silence_alert_name_valid(const char *name);
/* Whether this label tells something of a target of this kind (TARGET_NONE: of a workload whose kind
 * is not known yet); *names: it names the object itself, and not only what it lies in. */
bool silence_label_valid(enum target_kind kind, const char *label, bool *names);
/* The first alert of the scope that fits the trigger's matchers of alertname, NULL when none does: only
 * then is it sure beforehand that the trigger is not silenced. */
const char *silence_scope_hits(const struct silence_scope *scope, struct matchers *trigger);
/*
 * The matchers for a target, appended. STATUS_BAD_INPUT when the scope would be too wide: a label has
 * no value for this target, or none names the object; STATUS_NO_MEMORY.
 */
enum status silence_scope_matchers(const struct silence_scope *scope, const struct target *target,
	struct matchers *matchers, struct error *error) MUST_CHECK;

#endif
