/*
 * The plans of a replay for people and as data. Nothing in them depends on when or where it was run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/replay.h"

/* ---- text ---- */

/* Whether later plans of a replay with a cluster see what this one would have changed there. */
static const char *effect_of(const struct replay_plan *plan, bool has_cluster)
{
	if (!has_cluster || plan->verdict != REPLAY_ACT || plan->action == ACTION_TICKET ||
		action_kind_told_apart(plan->action))
		return "";
	return plan->applied ? " [applied to the replay's cluster]"
			     : " [the replay's cluster stays as it was]";
}

static void write_plan(struct buf *text, const struct replay_plan *plan, int playbook_width,
	bool has_cluster)
{
	char time[40];

	format_rfc3339(plan->time_ms, time, sizeof(time));
	buf_printf(text, "%s  %-8s  %-*s  %s%s%s%s%s%s\n", time, replay_verdict_name(plan->verdict),
		playbook_width, plan->playbook, plan->target, plan->target[0] != '\0' ? "  " : "",
		action_kind_name(plan->action), plan->words[0] != '\0' ? ": " : "", plan->words,
		effect_of(plan, has_cluster));
	if (plan->reason[0] != '\0' || plan->sentence[0] != '\0')
		buf_printf(text, "%26s%s%s%s\n", "", plan->reason,
			plan->reason[0] != '\0' && plan->sentence[0] != '\0' ? ": " : "",
			plan->sentence);
}

static size_t count_verdict(const struct replay_plans *plans, enum replay_verdict verdict,
	bool tickets)
{
	size_t count = 0;

	for (size_t i = 0; i < plans->plan_count; i++)
		count += plans->plans[i].verdict == verdict &&
			(verdict != REPLAY_ACT ||
				(plans->plans[i].action == ACTION_TICKET) == tickets);
	return count;
}

static void write_summary(struct buf *text, const struct replay_report *report)
{
	const struct replay_plans *plans = report->plans;
	const struct replay_counts *counts = &plans->counts;
	char from[40], to[40];

	format_rfc3339(counts->from_ms, from, sizeof(from));
	format_rfc3339(counts->to_ms, to, sizeof(to));
	buf_printf(text, "%s to %s, mode %s%s%s\n", from, to, report->mode,
		report->approved ? ", everything approved" : "",
		report->has_cluster ? ""
				    : ", without a cluster: plans are made from labels and series");
	buf_printf(text,
		"%" PRIu64 " samples, %" PRIu64 " alerts%s%s (%" PRIu64 " resolved, %" PRIu64
		" repeated), %" PRIu64 " findings\n",
		counts->samples, counts->alerts, report->alerts_from[0] != '\0' ? " from " : "",
		report->alerts_from, counts->resolved, counts->repeated, counts->findings);
	if (counts->samples_refused + counts->bodies_refused + counts->alerts_refused > 0)
		buf_printf(text,
			"refused on the way in: %" PRIu64 " samples, %" PRIu64 " bodies, %" PRIu64
			" alerts\n",
			counts->samples_refused, counts->bodies_refused, counts->alerts_refused);
	buf_printf(text,
		"%zu incidents: %zu actions, %zu tickets, %zu for approval, %zu suggested, %zu "
		"refused, %zu failed; %" PRIu64 " events that no playbook answers\n",
		plans->incident_count, count_verdict(plans, REPLAY_ACT, false),
		count_verdict(plans, REPLAY_ACT, true),
		count_verdict(plans, REPLAY_APPROVAL, false),
		count_verdict(plans, REPLAY_SUGGEST, false),
		count_verdict(plans, REPLAY_REFUSED, false),
		count_verdict(plans, REPLAY_FAILED, false), counts->unanswered);
}

void replay_write_text(struct buf *text, const struct replay_report *report)
{
	const struct replay_plans *plans = report->plans;
	int width = 0;

	for (size_t i = 0; i < plans->plan_count; i++)
		if ((int)strlen(plans->plans[i].playbook) > width)
			width = (int)strlen(plans->plans[i].playbook);
	for (size_t i = 0; i < plans->plan_count; i++)
		write_plan(text, &plans->plans[i], width, report->has_cluster);
	if (plans->plan_count > 0)
		buf_add_char(text, '\n');
	write_summary(text, report);
	for (size_t i = 0; i < report->condition_count; i++)
		buf_printf(text, "%s %s (%" PRIu64 ")\n",
			report->conditions[i].holds ? "FAIL" : "ok  ", report->conditions[i].text,
			report->conditions[i].value);
}

/* ---- JSON ---- */

static void add_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

static void plan_json(struct buf *json, const struct replay_plan *plan)
{
	char time[40];

	format_rfc3339(plan->time_ms, time, sizeof(time));
	buf_printf(json, "{\"time\":\"%s\",\"verdict\":\"%s\"", time,
		replay_verdict_name(plan->verdict));
	add_text(json, "id", plan->id);
	add_text(json, "playbook", plan->playbook);
	add_text(json, "event", plan->event);
	add_text(json, "target", plan->target);
	add_text(json, "action", action_kind_name(plan->action));
	add_text(json, "words", plan->words);
	add_text(json, "reason", plan->reason);
	add_text(json, "sentence", plan->sentence);
	add_text(json, "basis", plan_basis_name(plan->basis));
	buf_printf(json, ",\"hand_over\":%s,\"applied\":%s}", plan->hand_over ? "true" : "false",
		plan->applied ? "true" : "false");
}

static void counts_json(struct buf *json, const struct replay_report *report)
{
	const struct replay_plans *plans = report->plans;
	const struct replay_counts *counts = &plans->counts;

	buf_printf(json,
		"{\"samples\":%" PRIu64 ",\"samples_refused\":%" PRIu64
		",\"bodies_refused\":%" PRIu64 ",\"alerts\":%" PRIu64
		",\"alerts_resolved\":%" PRIu64 ",\"alerts_repeated\":%" PRIu64
		",\"alerts_refused\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"unanswered\":%" PRIu64,
		counts->samples, counts->samples_refused, counts->bodies_refused, counts->alerts,
		counts->resolved, counts->repeated, counts->alerts_refused, counts->findings,
		counts->unanswered);
	buf_printf(json,
		",\"incidents\":%zu,\"actions\":%zu,\"tickets\":%zu,\"approvals\":%zu,"
		"\"suggestions\":%zu,\"refusals\":%zu,\"failures\":%zu}",
		plans->incident_count, count_verdict(plans, REPLAY_ACT, false),
		count_verdict(plans, REPLAY_ACT, true),
		count_verdict(plans, REPLAY_APPROVAL, false),
		count_verdict(plans, REPLAY_SUGGEST, false),
		count_verdict(plans, REPLAY_REFUSED, false),
		count_verdict(plans, REPLAY_FAILED, false));
}

void replay_write_json(struct buf *json, const struct replay_report *report)
{
	const struct replay_plans *plans = report->plans;
	char from[40], to[40];

	format_rfc3339(plans->counts.from_ms, from, sizeof(from));
	format_rfc3339(plans->counts.to_ms, to, sizeof(to));
	buf_printf(json,
		"{\"from\":\"%s\",\"to\":\"%s\",\"mode\":\"%s\",\"cluster\":%s,\"approved\":%s",
		from, to, report->mode, report->has_cluster ? "true" : "false",
		report->approved ? "true" : "false");
	add_text(json, "alerts_from", report->alerts_from);
	buf_add_text(json, ",\n\"counts\":");
	counts_json(json, report);
	buf_add_text(json, ",\n\"plans\":[");
	for (size_t i = 0; i < plans->plan_count; i++) {
		buf_add_text(json, i > 0 ? ",\n" : "\n");
		plan_json(json, &plans->plans[i]);
	}
	buf_add_text(json, "],\n\"conditions\":[");
	for (size_t i = 0; i < report->condition_count; i++) {
		buf_printf(json, "%s{\"value\":%" PRIu64 ",\"failed\":%s", i > 0 ? "," : "",
			report->conditions[i].value,
			report->conditions[i].holds ? "true" : "false");
		add_text(json, "expression", report->conditions[i].text);
		buf_add_char(json, '}');
	}
	buf_add_text(json, "]}\n");
}
