/*
 * The guard's gates. guard_judge() asks each one in the order of GATE_TABLE through the array
 * `judges`; a gate writes what it saw (value), what it wanted (bound) and its verdict. A gate without
 * an entry in the array would refuse everything: the table and the array are checked against each
 * other when the first question comes.
 *
 * Gates about the object itself stand in guard_target.c.
 */
#include "remediations/guard.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/guard_gates.h"
#include "remediations/json_fields.h"

#define RETRY_MS 15000

static const struct {
	const char *code, *passed, *refused, *remedy;
	bool tickets;
} gates[GATE_COUNT] = {
#define X(gate, code, tickets, passed, refused, remedy)                                            \
	[gate] = {code, passed, refused, remedy, tickets},
	GATE_TABLE(X)
#undef X
};

static const char *const decision_names[DECISION_VERDICT_COUNT] = {
#define X(verdict, name) [verdict] = name,
	DECISION_TABLE(X)
#undef X
};

static const char *const verdict_names[] = {[GATE_PASS] = "pass",
	[GATE_REFUSE] = "refuse",
	[GATE_UNKNOWN] = "unknown",
	[GATE_APPROVAL] = "approval",
	[GATE_NOT_ASKED] = "not_asked"};

const char *gate_name(enum gate gate)
{
	CHECK((unsigned)gate < GATE_COUNT);
	return gates[gate].code;
}

const char *decision_name(enum decision_verdict verdict)
{
	CHECK((unsigned)verdict < DECISION_VERDICT_COUNT);
	return decision_names[verdict];
}

void gate_saw(struct gate_result *result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->value, sizeof(result->value), format, arguments);
	va_end(arguments);
}

void gate_wanted(struct gate_result *result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->bound, sizeof(result->bound), format, arguments);
	va_end(arguments);
}

void gate_refuse_for_now(struct gate_result *result, int64_t retry_ms)
{
	result->verdict = GATE_REFUSE;
	result->retry_ms = retry_ms;
}

void gate_refuse_for_good(struct gate_result *result)
{
	result->verdict = GATE_REFUSE;
	result->lasting = true;
}

/* ---- the service ---- */

static void judge_playbook(const struct guard_question *question, struct gate_result *result)
{
	if (!question->playbook || !question->playbook->enabled)
		gate_refuse_for_good(result);
	gate_saw(result, "%s", question->playbook ? question->playbook->name : "gone");
}

static void judge_permission(const struct guard_question *question, struct gate_result *result)
{
	if (!question->missing)
		return;
	gate_refuse_for_now(result, 0);
	gate_saw(result, "missing: %.*s", GATE_TEXT_MAX - 10, question->missing);
}

static void judge_firing(const struct guard_question *question, struct gate_result *result)
{
	if (question->undo)
		result->verdict = GATE_NOT_ASKED;
	else if (!question->firing)
		gate_refuse_for_good(result);
	gate_saw(result, "%s", question->firing ? "firing" : "resolved");
}

static void judge_kill_switch(const struct guard_question *question, struct gate_result *result)
{
	char since[32];

	gate_saw(result, "%s", question->kill_switch ? "on" : "off");
	if (!question->kill_switch)
		return;
	gate_refuse_for_now(result, 0);
	if (!question->kill_switch_by)
		return;
	format_rfc3339(question->kill_switch_since_ms, since, sizeof(since));
	gate_saw(result, "since %s by %.100s", since, question->kill_switch_by);
}

static void judge_mode(const struct guard_question *question, struct gate_result *result)
{
	gate_saw(result, "%s%s", mode_name(question->mode), question->dry_run ? ", dry run" : "");
	if (question->by_person) {
		gate_wanted(result, "a person's word, given");
		return;
	}
	if (question->mode == MODE_SUGGEST || question->mode == MODE_APPROVE) {
		result->verdict = GATE_APPROVAL;
		gate_wanted(result, "%s",
			question->mode == MODE_SUGGEST ? "mode approve or auto"
						       : "a person's word");
	} else if (question->mode == MODE_OBSERVE && !question->dry_run) {
		gate_refuse_for_good(result);
		gate_wanted(result, "dry run");
	}
}

/* Where the mode asks for one person, or the kind of action for two, whatever the mode is. */
static void judge_persons(const struct guard_question *question, struct gate_result *result)
{
	const struct action *action = question->action;
	char names[GATE_TEXT_MAX];

	if (!action || !action->approvals_needed ||
		(question->mode == MODE_SUGGEST && !question->by_person)) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	approvals_write(action, true, names, sizeof(names));
	gate_saw(result, "%s", *names ? names : "nobody yet");
	gate_wanted(result, "%s",
		action->approvals_needed > 1 ? "two different persons" : "a person");
	if (question->by_person)
		return;
	result->verdict = GATE_APPROVAL;
	if (!*action->void_reason)
		return;
	memcpy(result->reason, action->void_reason, sizeof(result->reason));
	gate_saw(result, "%.*s", GATE_TEXT_MAX - 1, action->void_sentence);
}

static void judge_freeze(const struct guard_question *question, struct gate_result *result)
{
	char until[32];

	if (question->now_ms >= question->frozen_until_ms)
		return;
	format_rfc3339(question->frozen_until_ms, until, sizeof(until));
	gate_saw(result, "%s%suntil %s", question->freeze_window ? question->freeze_window : "",
		question->freeze_window ? ", " : "", until);
	gate_refuse_for_now(result, question->frozen_until_ms);
}

static void format_least(int64_t ms, struct gate_result *result)
{
	char text[32];

	format_duration(ms, text, sizeof(text));
	gate_wanted(result, "at least %s", text);
}

static void judge_startup(const struct guard_question *question, struct gate_result *result)
{
	int64_t up = question->now_ms - question->started_ms;
	int64_t grace = question->limits->startup_grace_ms;

	format_duration(up > 0 ? up : 0, result->value, sizeof(result->value));
	format_least(grace, result);
	if (up < grace)
		gate_refuse_for_now(result, question->started_ms + grace);
}

static void judge_storm(const struct guard_question *question, struct gate_result *result)
{
	char window[32];

	format_duration(question->limits->storm_window_ms, window, sizeof(window));
	gate_saw(result, "%u alerts in %s", question->storm_alerts, window);
	gate_wanted(result, "at most %u", question->limits->storm_alerts);
	if (question->storm_alerts > question->limits->storm_alerts)
		gate_refuse_for_now(result,
			question->now_ms + question->limits->storm_window_ms / 4 + 1);
}

/* ---- the reason and the plan ---- */

static void judge_confidence(const struct guard_question *question, struct gate_result *result)
{
	double confidence = question->event->confidence;

	if (question->event->source == EVENT_ALERT) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "%.3g", confidence);
	gate_wanted(result, "at least %.3g", question->limits->confidence_min);
	/* NaN is no confidence. */
	if (!(confidence >= question->limits->confidence_min))
		gate_refuse_for_good(result);
}

static void judge_data(const struct guard_question *question, struct gate_result *result)
{
	const struct playbook *playbook = question->playbook;

	if (!playbook || !playbook->condition_count || question->undo) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "good");
	for (size_t i = 0; i < playbook->condition_count; i++) {
		enum quality quality = question->conditions[i].reading.quality;

		if (quality == QUALITY_GOOD)
			continue;
		gate_saw(result, "%s: %s", role_name(playbook->conditions[i].role),
			quality_words(quality));
		gate_wanted(result, "good");
		gate_refuse_for_now(result, 0);
		return;
	}
}

/* The proposal is younger than the playbook's `for`: no rule of Prometheus has waited for it. */
static bool is_young(const struct guard_question *question, struct gate_result *result)
{
	const struct event *event = question->event;
	int64_t hold = question->playbook->proposal_for_ms, age;
	char held[32], wanted[32];

	if (hold <= 0 || !event || event->source != EVENT_PROPOSAL)
		return false;
	age = question->now_ms - event->starts_ms;
	if (age >= hold)
		return false;
	format_duration(age > 0 ? age - age % 1000 : 0, held, sizeof(held));
	format_duration(hold, wanted, sizeof(wanted));
	gate_saw(result, "the proposal holds for %s", held);
	gate_wanted(result, "for %s", wanted);
	gate_refuse_for_now(result, event->starts_ms + hold);
	return true;
}

static void judge_conditions(const struct guard_question *question, struct gate_result *result)
{
	const struct playbook *playbook = question->playbook;

	if (!playbook || question->undo ||
		(!is_young(question, result) && !playbook->condition_count)) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (result->verdict == GATE_REFUSE)
		return;
	for (size_t i = 0; i < playbook->condition_count; i++) {
		signal_test_write(&playbook->conditions[i], &question->conditions[i], result->value,
			sizeof(result->value));
		if (!question->conditions[i].holds) {
			gate_refuse_for_now(result, 0);
			return;
		}
	}
}

static void judge_plan(const struct guard_question *question, struct gate_result *result)
{
	const struct refusal *refusal = &question->plan->refusal;

	if (question->not_looked && question->plan->kind != ACTION_TICKET) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "%.*s", GATE_TEXT_MAX - 1, question->plan->words);
	if (!*refusal->reason)
		return;
	memcpy(result->reason, refusal->reason, sizeof(result->reason));
	gate_wanted(result, "%.*s", GATE_TEXT_MAX - 1, refusal->sentence);
	if (question->plan->basis == PLAN_FROM_LABELS)
		result->verdict = GATE_UNKNOWN;
	else
		gate_refuse_for_good(result);
}

static void judge_replicas_max(const struct guard_question *question, struct gate_result *result)
{
	const struct changes *changes = &question->plan->changes;
	bool any = false;
	int64_t most = 0;

	for (unsigned i = 0; i < changes->count; i++) {
		if (!change_field_replicas(changes->list[i].field))
			continue;
		any = true;
		if (changes->list[i].after > most)
			most = changes->list[i].after;
	}
	if (!any || question->undo) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "%" PRId64, most);
	gate_wanted(result, "at most %d", question->limits->replicas_max);
	if (most > question->limits->replicas_max)
		gate_refuse_for_good(result);
}

static void judge_cumulative(const struct guard_question *question, struct gate_result *result)
{
	int64_t since = question->now_ms - question->limits->window_ms;
	double first = ledger_first_before(question->ledger, question->entry, since);
	double after = question->entry->after, factor;

	if (question->entry->before <= 0 || after <= 0 || question->undo) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (first <= 0)
		first = question->entry->before;
	factor = after > first ? after / first : first / after;
	gate_saw(result, "factor %.3g", factor);
	gate_wanted(result, "at most %.3g", question->limits->cumulative_change_max);
	if (factor > question->limits->cumulative_change_max)
		gate_refuse_for_good(result);
}

/* ---- what was done before ---- */

static void judge_breaker(const struct guard_question *question, struct gate_result *result)
{
	unsigned count = ledger_ineffective(question->ledger, question->entry,
		question->now_ms - question->limits->window_ms);

	if (question->undo) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "%u without effect", count);
	gate_wanted(result, "fewer than %u", question->limits->ineffective_max);
	if (question->limits->ineffective_max && count >= question->limits->ineffective_max)
		gate_refuse_for_good(result);
}

static void judge_mutex(const struct guard_question *question, struct gate_result *result)
{
	gate_saw(result, "%u under way", question->live_on_target);
	gate_wanted(result, "none");
	if (question->live_on_target)
		gate_refuse_for_now(result, 0);
}

static void judge_cooldown(const struct guard_question *question, struct gate_result *result)
{
	int64_t last = ledger_last(question->ledger, question->entry);
	int64_t cooldown = question->limits->cooldown_ms, ago = question->now_ms - last;
	char before[32];

	if (question->undo) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	format_least(cooldown, result);
	gate_saw(result, "never");
	if (!last)
		return;
	format_duration(ago > 0 ? ago : 0, before, sizeof(before));
	gate_saw(result, "%s ago", before);
	if (ago < cooldown)
		gate_refuse_for_now(result, last + cooldown);
}

static void judge_budget(const struct guard_question *question, struct gate_result *result,
	enum ledger_scope scope, unsigned most)
{
	unsigned used = ledger_used(question->ledger, question->entry, scope,
		question->now_ms - question->limits->window_ms);
	char window[32];

	format_duration(question->limits->window_ms, window, sizeof(window));
	gate_saw(result, "%u in %s", used, window);
	gate_wanted(result, "fewer than %u", most);
	if (used >= most)
		gate_refuse_for_now(result, 0);
}

static void judge_budget_target(const struct guard_question *question, struct gate_result *result)
{
	/* Tickets about nothing in particular share no target. */
	if (question->target->kind == TARGET_NONE)
		result->verdict = GATE_NOT_ASKED;
	else
		judge_budget(question, result, LEDGER_TARGET, question->limits->per_target);
}

static void judge_budget_namespace(const struct guard_question *question,
	struct gate_result *result)
{
	judge_budget(question, result, LEDGER_NAMESPACE, question->limits->per_namespace);
}

static void judge_budget_kind(const struct guard_question *question, struct gate_result *result)
{
	judge_budget(question, result, LEDGER_KIND, question->limits->per_kind);
}

static void judge_budget_cluster(const struct guard_question *question, struct gate_result *result)
{
	judge_budget(question, result, LEDGER_CLUSTER, question->limits->per_cluster);
}

static void judge_concurrency(const struct guard_question *question, struct gate_result *result)
{
	gate_saw(result, "%u under way", question->live);
	gate_wanted(result, "fewer than %u", question->limits->concurrent);
	if (question->live >= question->limits->concurrent) {
		gate_refuse_for_now(result, 0);
	} else if (question->live_alike > 0 && action_kind_alone(question->plan->kind)) {
		gate_saw(result, "%u of its kind under way", question->live_alike);
		gate_wanted(result, "no other %s", action_kind_name(question->plan->kind));
		gate_refuse_for_now(result, 0);
	}
}

static void judge_records(const struct guard_question *question, struct gate_result *result)
{
	gate_saw(result, "%zu kept", question->ledger->count);
	gate_wanted(result, "fewer than %zu", question->ledger->entry_max);
	if (ledger_full(question->ledger))
		gate_refuse_for_now(result, 0);
}

static judge_fn *const judges[GATE_COUNT] = {
	[GATE_PLAYBOOK] = judge_playbook,
	[GATE_PERMISSION] = judge_permission,
	[GATE_FIRING] = judge_firing,
	[GATE_KILL_SWITCH] = judge_kill_switch,
	[GATE_MODE] = judge_mode,
	[GATE_PERSONS] = judge_persons,
	[GATE_FREEZE] = judge_freeze,
	[GATE_STARTUP] = judge_startup,
	[GATE_STORM] = judge_storm,
	[GATE_TARGET] = judge_target,
	[GATE_CLUSTER] = judge_cluster,
	[GATE_FOUND] = judge_found,
	[GATE_SAME] = judge_same,
	[GATE_TERMINATING] = judge_terminating,
	[GATE_MANAGED] = judge_managed,
	[GATE_PAUSED] = judge_paused,
	[GATE_PAUSED_UNCLEAR] = judge_paused_unclear,
	[GATE_ROLLOUT] = judge_rollout,
	[GATE_OWNED] = judge_owned,
	[GATE_REPLICAS_OWNER] = judge_replicas_owner,
	[GATE_RESOURCES_OWNER] = judge_resources_owner,
	[GATE_GIT_OWNER] = judge_git_owner,
	[GATE_WRITER] = judge_writer,
	[GATE_SEEN] = judge_seen,
	[GATE_CONFIDENCE] = judge_confidence,
	[GATE_DATA] = judge_data,
	[GATE_CONDITIONS] = judge_conditions,
	[GATE_PLAN] = judge_plan,
	[GATE_REPLICAS_MAX] = judge_replicas_max,
	[GATE_CUMULATIVE] = judge_cumulative,
	[GATE_BREAKER] = judge_breaker,
	[GATE_MUTEX] = judge_mutex,
	[GATE_COOLDOWN] = judge_cooldown,
	[GATE_BUDGET_TARGET] = judge_budget_target,
	[GATE_BUDGET_NAMESPACE] = judge_budget_namespace,
	[GATE_BUDGET_KIND] = judge_budget_kind,
	[GATE_BUDGET_CLUSTER] = judge_budget_cluster,
	[GATE_SHARE_PODS] = judge_share_pods,
	[GATE_SHARE_WORKLOADS] = judge_share_workloads,
	[GATE_SHARE_NODES] = judge_share_nodes,
	[GATE_CONCURRENCY] = judge_concurrency,
	[GATE_RECORDS] = judge_records,
};

/* ---- the whole ---- */

bool decision_refuses(const struct decision *decision, enum gate gate)
{
	enum gate_verdict verdict = decision->gates[gate].verdict;

	return verdict == GATE_REFUSE || (verdict == GATE_UNKNOWN && !decision->dry_run);
}

static bool says_no(const struct decision *decision)
{
	for (unsigned i = 0; i < GATE_COUNT; i++)
		if (decision->gates[i].verdict == GATE_REFUSE)
			return true;
	return false;
}

bool decision_counts(const struct decision *decision, enum gate gate)
{
	if (decision->gates[gate].verdict == GATE_REFUSE)
		return true;
	return decision_refuses(decision, gate) && !says_no(decision) &&
		decision_reason(decision) == gate;
}

enum gate decision_reason(const struct decision *decision)
{
	enum gate first = GATE_COUNT;

	for (unsigned i = 0; i < GATE_COUNT; i++) {
		if (!decision_refuses(decision, (enum gate)i))
			continue;
		if (decision->gates[i].lasting)
			return (enum gate)i;
		if (first == GATE_COUNT)
			first = (enum gate)i;
	}
	return first;
}

static void sum_up(struct decision *decision)
{
	bool approval = false, wait = false, blocked = false;

	for (unsigned i = 0; i < GATE_COUNT; i++) {
		const struct gate_result *result = &decision->gates[i];

		approval = approval || result->verdict == GATE_APPROVAL;
		if (!decision_refuses(decision, (enum gate)i))
			continue;
		blocked = blocked || result->lasting;
		wait = true;
		if (result->retry_ms > decision->retry_ms)
			decision->retry_ms = result->retry_ms;
	}
	if (decision->retry_ms < decision->time_ms + RETRY_MS)
		decision->retry_ms = decision->time_ms + RETRY_MS;
	decision->verdict = blocked ? DECISION_BLOCKED
		: wait              ? DECISION_WAIT
		: approval          ? DECISION_APPROVAL
				    : DECISION_CLEARED;
}

void guard_judge(const struct guard_question *question, struct decision *decision)
{
	memset(decision, 0, sizeof(*decision));
	decision->time_ms = question->now_ms;
	decision->dry_run = question->dry_run;
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		struct gate_result *result = &decision->gates[i];

		CHECK(judges[i] != NULL);
		snprintf(result->reason, sizeof(result->reason), "%s", gates[i].code);
		if (question->plan->kind == ACTION_TICKET && !gates[i].tickets)
			result->verdict = GATE_NOT_ASKED;
		else
			judges[i](question, result);
	}
	/* What was not looked at must not pass for good. */
	if (question->not_looked && question->plan->kind != ACTION_TICKET &&
		decision_reason(decision) == GATE_COUNT)
		gate_refuse_for_now(&decision->gates[GATE_CLUSTER], 0);
	sum_up(decision);
}

/* What the gate saw and wanted, in brackets; nothing where it says nothing. */
static void write_measures(const struct gate_result *result, char *text, size_t size)
{
	bool value = *result->value, bound = *result->bound;

	*text = '\0';
	if (value || bound)
		snprintf(text, size, " (%s%s%s%s)", result->value, value && bound ? "; " : "",
			bound ? "wanted: " : "", result->bound);
}

/* "Refused words (value; wanted: bound). Remedy." Where the value or the bound is the reason in words
 * already, it follows behind a colon. */
static void write_refusal(enum gate gate, const struct gate_result *result, char *text, size_t size)
{
	const char *why = gate == GATE_PLAN ? result->bound
		: gate == GATE_TARGET       ? result->value
					    : "";
	size_t length = strlen(why);
	char measures[2 * GATE_TEXT_MAX + 32];

	write_measures(result, measures, sizeof(measures));
	if (length)
		snprintf(text, size, "%s: %s%s %s", gates[gate].refused, why,
			why[length - 1] == '.' ? "" : ".", gates[gate].remedy);
	else
		snprintf(text, size, "%s%s. %s", gates[gate].refused, measures, gates[gate].remedy);
}

static void write_sentence(enum gate gate, const struct gate_result *result, char *text,
	size_t size)
{
	const char *passed = gates[gate].passed;
	char measures[2 * GATE_TEXT_MAX + 32];

	write_measures(result, measures, sizeof(measures));
	switch (result->verdict) {
	case GATE_REFUSE:
		write_refusal(gate, result, text, size);
		break;
	case GATE_PASS:
		snprintf(text, size, "%c%s%s.", passed[0] - ('a' - 'A'), passed + 1, measures);
		break;
	case GATE_UNKNOWN:
		snprintf(text, size,
			"It is not known whether %s%s. It has to be known before a real change.",
			passed, measures);
		break;
	case GATE_APPROVAL:
		/* A suggestion can't be approved; nobody shall look for the way to do it. */
		snprintf(text, size, "%s%s.",
			gate == GATE_MODE && strncmp(result->value, "suggest", 7) == 0
				? "It is a suggestion, shown and never carried out"
				: "A person has to approve it first",
			measures);
		break;
	case GATE_NOT_ASKED:
		snprintf(text, size, "Not asked: whether %s.", passed);
		break;
	}
}

void gate_sentence(const struct decision *decision, enum gate gate, char *text, size_t size)
{
	write_sentence(gate, &decision->gates[gate], text, size);
}

static void write_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

/* Without its closing brace. */
static void write_gate(struct buf *json, enum gate gate, const struct gate_result *result,
	bool refuses)
{
	buf_printf(json, "{\"gate\":\"%s\",\"verdict\":\"%s\"", gates[gate].code,
		verdict_names[result->verdict]);
	if (refuses)
		buf_add_text(json, ",\"refuses\":true");
	if (strcmp(result->reason, gates[gate].code) != 0)
		write_text(json, "reason", result->reason);
	if (*result->value)
		write_text(json, "value", result->value);
	if (*result->bound)
		write_text(json, "bound", result->bound);
}

void decision_write_gates(struct buf *json, const struct decision *decision)
{
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		buf_add_char(json, i ? ',' : '[');
		write_gate(json, (enum gate)i, &decision->gates[i],
			decision_refuses(decision, (enum gate)i));
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}

/* ---- told ---- */

static const char *gate_word(int value)
{
	return value < GATE_COUNT ? gates[value].code : NULL;
}

static const char *verdict_word(int value)
{
	return value < (int)ARRAY_COUNT(verdict_names) ? verdict_names[value] : NULL;
}

struct told_gate {
	int gate;
	bool refuses;
	struct gate_result result;
};

static const struct field told_fields[] = {
	FIELD_ENUM("gate", struct told_gate, gate, gate_word),
	FIELD_ENUM("verdict", struct told_gate, result.verdict, verdict_word),
	FIELD(FIELD_BOOL, struct told_gate, refuses),
	FIELD_NAMED("reason", FIELD_TEXT, struct told_gate, result.reason),
	FIELD_NAMED("value", FIELD_TEXT, struct told_gate, result.value),
	FIELD_NAMED("bound", FIELD_TEXT, struct told_gate, result.bound),
};

void gates_write_told(struct buf *json, const struct json_span *list)
{
	struct json_span value;
	struct json_walk walk;
	size_t count = 0;

	buf_add_char(json, '[');
	json_walk_init(&walk, list);
	while (json_walk_next(&walk, NULL, &value)) {
		struct told_gate told = {.gate = -1};
		char text[GATE_SENTENCE_MAX];

		/* A gate of another version of the program is left out. */
		if (fields_read(&value, told_fields, ARRAY_COUNT(told_fields), &told, NULL) ||
			told.gate < 0)
			continue;
		if (!*told.result.reason)
			snprintf(told.result.reason, REASON_MAX, "%s", gates[told.gate].code);
		buf_add_text(json, count++ ? "," : "");
		write_gate(json, (enum gate)told.gate, &told.result, told.refuses);
		write_sentence((enum gate)told.gate, &told.result, text, sizeof(text));
		write_text(json, "text", text);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}
