/*
 * From a step of a playbook to the guard's verdict: asking for the target's state, making the plan,
 * judging it, and waiting where the verdict is "not now" or "not without a person".
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/engine_state.h"

const struct playbook_step *engine_step_of(const struct playbook *playbook,
	const struct action *action)
{
	/* The ticket at the end has no step of its own. */
	if (!playbook || action->hand_over || action->step >= playbook->step_count)
		return NULL;
	return &playbook->steps[action->step];
}

bool engine_premature(const struct engine *engine, const struct guard_limits *limits)
{
	return engine->paused || freeze_until(engine->config.freeze, engine->now_ms, NULL) ||
		engine->now_ms < engine->started_ms + limits->startup_grace_ms ||
		engine->expected +
			storm_count(&engine->storm, engine->now_ms - limits->storm_window_ms) >
		limits->storm_alerts;
}

unsigned engine_looks_of(enum action_kind kind, const struct guard_limits *limits)
{
	unsigned looks = action_kind_looks(kind);

	if (action_kind_cordons(kind) && limits->nodes_percent < 100)
		looks |= LOOK_NODES;
	return looks;
}

static const struct guard_limits *limits_of(const struct engine *engine,
	const struct incident *incident)
{
	const struct playbook *playbook = engine_playbook(engine, incident);

	return playbook ? &playbook->guard : &engine->config.limits;
}

void engine_begin_step(struct engine *engine, struct incident *incident)
{
	struct playbook *playbook = engine_playbook(engine, incident);
	struct action *action;

	if (engine->standby) {
		engine_hold(engine, incident);
		return;
	}
	action = incident_add_action(incident);
	if (!action) {
		engine_end(engine, incident, OUTCOME_HANDED_OVER, "actions_full",
			"There is no room for one more action in this incident.");
		return;
	}
	action->target = incident->target;
	action->proposed_ms = engine->now_ms;
	action->hand_over = incident->handing_over;
	action->plan.kind = ACTION_TICKET;
	if (engine_step_of(playbook, action)) {
		action->plan.kind = engine_step_of(playbook, action)->action;
		action->plan.options = engine_step_of(playbook, action)->options;
	}
	incident->blocked_since_ms = engine->now_ms;
	incident->decided = 0;
	incident->resumed = false;
	engine_set_state(engine, incident, action, STATE_PROPOSED, "", "%s: %s by playbook %s.",
		event_name(&incident->event), action_kind_name(action->plan.kind),
		incident->playbook);
	incident->not_looked = false;
	if (action->plan.kind == ACTION_TICKET || *incident->target_refusal.reason) {
		engine_decide(engine, incident);
		return;
	}
	if (!engine_ahead_claim(engine, incident))
		engine_ask(engine, incident, WAIT_OBSERVATION);
	if (incident->not_looked)
		return;
	/* The event's checkpoint may move on only over an incident that is in the journal. */
	engine_record(engine, incident, NULL);
	engine_ahead_take(engine, incident);
}

void engine_ask(struct engine *engine, struct incident *incident, enum wait wait)
{
	uint64_t ticket = ++engine->ticket_last << SLOT_BITS | incident->slot;
	const struct action *action = incident_action(incident);
	struct target target = incident->target;
	struct purpose purpose = {.kind = ACTION_TICKET};
	enum status status;

	if (action) {
		purpose.kind = action->plan.kind;
		purpose.options = action->plan.options;
		memcpy(purpose.action_id, action->id, sizeof(purpose.action_id));
		purpose.begun = action->written_ms != 0;
	}
	incident->not_looked =
		wait == WAIT_OBSERVATION && engine_premature(engine, limits_of(engine, incident));
	if (incident->not_looked) {
		engine_decide(engine, incident);
		return;
	}
	incident->observe_asked = true;
	incident->observe_ticket = ticket;
	target.looks = action ? engine_looks_of(action->plan.kind, limits_of(engine, incident)) : 0;
	status = engine->ports.observe(engine->ports.self, ticket, &target, &purpose);
	if (status) {
		incident->observe_asked = false;
		/* The time-out of the wait asks again; a full queue of the actuator is no answer. */
		engine_wait(engine, incident, wait == WAIT_OBSERVATION ? WAIT_RETRY : wait,
			engine->now_ms + engine->config.times.retry);
		return;
	}
	engine_wait(engine, incident, wait, engine->now_ms + engine->config.times.observe);
}

/* Pins what the cluster said of the target: the UID once, the version always. */
static void pin_target(struct incident *incident, struct action *action)
{
	const struct observation *observation = incident->observation;
	struct target *target = &incident->target;

	if (observation && !observation->error.code && observation->found) {
		if (!*target->uid)
			memcpy(target->uid, observation->target.uid, sizeof(target->uid));
		memcpy(target->resource_version, observation->target.resource_version,
			sizeof(target->resource_version));
		if (target->workload.kind == TARGET_NONE)
			target->workload = observation->target.workload;
		if (target->workload.kind != TARGET_NONE && !*target->workload.cluster)
			memcpy(target->workload.cluster, target->cluster, sizeof(target->cluster));
	}
	action->target = *target;
}

struct ledger_entry engine_entry(const struct engine *engine, const struct incident *incident,
	const struct action *action)
{
	struct ledger_entry entry = {.time_ms = engine->now_ms,
		.kind = action->plan.kind,
		.dry_run = action->dry_run};
	const struct change *measured = changes_measured(&action->plan.changes);

	ledger_key(&entry, &action->target);
	memcpy(entry.action_id, action->id, sizeof(entry.action_id));
	/* Only its equality counts; the event's own key mixes names in the same way. */
	entry.playbook = engine_event_key(&(struct event){.fingerprint = 0}, incident->playbook,
		&(struct target){.kind = TARGET_NONE});
	if (measured) {
		entry.before = (double)measured->before;
		entry.after = (double)measured->after;
	}
	return entry;
}

struct live_counts {
	unsigned on_target; /* changing it, or being watched there */
	unsigned under_way; /* being watched is no load on the cluster; the budgets hold the rate */
	unsigned alike;     /* of them of the action's own kind in its cluster */
	unsigned
		cordons; /* of them such as are about to cordon a node there, and may not be seen so yet */
};

/* What others do. */
static struct live_counts count_live(const struct engine *engine, const struct incident *own,
	const struct ledger_entry *entry)
{
	struct live_counts counts = {0};

	for (size_t i = 0; i < engine->live_count; i++) {
		const struct live *live = &engine->live[i];

		if (live->incident == own)
			continue;
		counts.on_target += live->object == entry->object || live->owner == entry->owner;
		if (live->watched)
			continue;
		counts.under_way++;
		if (live->cluster != entry->cluster)
			continue;
		counts.alike += live->kind == entry->kind;
		counts.cordons += !live->dry_run && action_kind_cordons(live->kind);
	}
	return counts;
}

/* Matchers of the opt-in selector see the target as labels. */
static int opted_in(const struct engine *engine, const struct target *target)
{
	const struct workload_key *key = &target->workload;
	struct label pairs[4];
	struct labels labels = {pairs, 0};

	if (!engine->config.opt_in)
		return -1;
	if (*key->cluster)
		pairs[labels.count++] =
			(struct label){"cluster", key->cluster, 7, (uint32_t)strlen(key->cluster)};
	pairs[labels.count++] = (struct label){"namespace", target->namespace_name, 9,
		(uint32_t)strlen(target->namespace_name)};
	if (key->kind != TARGET_NONE) {
		const char *kind = target_kind_name(key->kind);

		pairs[labels.count++] =
			(struct label){"workload", key->name, 8, (uint32_t)strlen(key->name)};
		pairs[labels.count++] =
			(struct label){"workload_kind", kind, 13, (uint32_t)strlen(kind)};
	}
	return matchers_test(engine->config.opt_in, &labels);
}

static int in_stream(const struct engine *engine, const struct target *target)
{
	const struct signal_source *signals = &engine->config.signals;

	if (!signals->knows || target->workload.kind == TARGET_NONE)
		return -1;
	return signals->knows(signals->self, &target->workload);
}

/* What the percentage is of; asked where there is one only. */
static unsigned count_workloads(const struct engine *engine, const struct target *target,
	const struct guard_limits *limits)
{
	const struct signal_source *signals = &engine->config.signals;

	if (limits->workloads_percent >= 100 || !signals->count_workloads)
		return 0;
	return signals->count_workloads(signals->self, target->workload.cluster,
		target->namespace_name);
}

/* Whether an earlier try of the same step was a resize in place, which could not be done. */
static bool resize_failed(const struct incident *incident, const struct action *action)
{
	for (size_t i = 0; i < incident->action_count; i++) {
		const struct action *other = incident->actions[i];

		if (other != action && other->step == action->step && !*other->undo_of &&
			other->plan.options.by_resize && other->state == STATE_FAILED &&
			other->sent_ms)
			return true;
	}
	return false;
}

static void make_plan(struct engine *engine, struct incident *incident, struct action *action,
	const struct playbook *playbook, const struct guard_limits *limits)
{
	static const struct playbook gone = {.name = "(gone)"};
	const struct action *undone = NULL;
	const struct plan_question question = {.playbook = playbook ? playbook : &gone,
		.step = engine_step_of(playbook, action),
		.event = &incident->event,
		.target = &incident->target,
		.observation = incident->observation,
		.signals = &engine->config.signals,
		.replicas_max = limits->replicas_max,
		.now_ms = engine->now_ms,
		.reason = incident->sentence,
		.resize_failed = resize_failed(incident, action)};

	if (*action->undo_of)
		undone = incident_find_action(incident, action->undo_of);
	if (undone)
		plan_invert(&action->plan, &undone->plan, undone->id, &incident->target,
			incident->observation);
	else
		plan_make(&action->plan, &question);
}

void engine_judge(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	struct playbook *playbook = engine_playbook(engine, incident);
	const struct guard_limits *limits = playbook ? &playbook->guard : &engine->config.limits;
	struct test_result conditions[PLAYBOOK_CONDITIONS_MAX];
	struct ledger_entry entry;
	struct live_counts others;
	char missing[GATE_TEXT_MAX];
	struct guard_question question = {.now_ms = engine->now_ms,
		.started_ms = engine->started_ms,
		.playbook = playbook,
		.limits = limits,
		.mode = engine_mode(engine, incident),
		.dry_run = action->dry_run,
		.kill_switch = engine->paused,
		.kill_switch_by = *engine->paused_by ? engine->paused_by : NULL,
		.kill_switch_since_ms = engine->paused_since_ms,
		.undo = *action->undo_of != '\0',
		.event = &incident->event,
		.firing = incident->firing,
		.target = &incident->target,
		.target_refusal = &incident->target_refusal,
		.observation = incident->observation,
		.not_looked = incident->not_looked,
		.plan = &action->plan,
		.conditions = conditions,
		.ledger = &engine->ledger,
		.entry = &entry};

	make_plan(engine, incident, action, playbook, limits);
	ledger_expire(&engine->ledger, engine->now_ms, engine->ledger_keep_ms);
	entry = engine_entry(engine, incident, action);
	for (size_t i = 0; playbook && i < playbook->condition_count; i++)
		signal_test_run(&playbook->conditions[i], &engine->config.signals,
			&incident->target.workload, engine->now_ms, 0, &conditions[i]);
	question.frozen_until_ms =
		freeze_until(engine->config.freeze, engine->now_ms, &question.freeze_window);
	if (playbook && engine->config.permissions.lacks &&
		engine->config.permissions.lacks(engine->config.permissions.self, playbook->name,
			incident->target.kind, missing, sizeof(missing)))
		question.missing = missing;
	engine_check_approvals(engine, incident, action);
	question.by_person = engine_approved(action);
	question.action = action;
	question.storm_alerts = engine->expected +
		storm_count(&engine->storm, engine->now_ms - limits->storm_window_ms);
	others = count_live(engine, incident, &entry);
	question.live_on_target = others.on_target;
	question.live = others.under_way;
	question.live_alike = others.alike;
	question.live_nodes = others.cordons;
	question.selected = opted_in(engine, &incident->target);
	question.seen = in_stream(engine, &incident->target);
	question.workloads = count_workloads(engine, &incident->target, limits);
	guard_judge(&question, &engine->decision);
}

/* What a decision says, without its changing values. */
static uint64_t decision_hash(const struct decision *decision)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ decision->verdict;

	for (unsigned i = 0; i < GATE_COUNT; i++) {
		hash = (hash ^ decision->gates[i].verdict) * UINT64_C(1099511628211);
		for (const char *at = decision->gates[i].reason; *at; at++)
			hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
	}
	return hash | 1;
}

/* Counts and tells a decision once for as long as it stays the same. */
static bool tell_decision(struct engine *engine, struct incident *incident,
	const struct action *action)
{
	const struct decision *decision = &engine->decision;
	uint64_t hash = decision_hash(decision);
	char text[GATE_SENTENCE_MAX];

	if (hash == incident->decided)
		return false;
	incident->decided = hash;
	engine_tell(engine, incident, action, NEWS_DECISION, decision_name(decision->verdict),
		action->plan.words);
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		if (!decision_counts(decision, (enum gate)i))
			continue;
		gate_sentence(decision, (enum gate)i, text, sizeof(text));
		engine_tell(engine, incident, action, NEWS_REFUSAL, decision->gates[i].reason,
			text);
	}
	return true;
}

static void block(struct engine *engine, struct incident *incident, struct action *action,
	bool news)
{
	const struct decision *decision = &engine->decision;
	enum gate gate = decision_reason(decision);
	int64_t most = incident->blocked_since_ms + engine->config.times.wait_max;
	char text[GATE_SENTENCE_MAX];

	CHECK(gate != GATE_COUNT);
	gate_sentence(decision, gate, text, sizeof(text));
	action->ended = decision->verdict == DECISION_BLOCKED;
	if (action->ended) {
		engine_set_state(engine, incident, action, STATE_BLOCKED,
			decision->gates[gate].reason, "%s", text);
		engine_record(engine, incident, decision);
		/* Somebody else set the bound since, or another floor took its place. */
		if (action->expiry && !strcmp(action->reason, "changed_since")) {
			engine_floor_fell(engine, incident,
				incident_find_action(incident, action->undo_of), "floor_gone",
				text);
			return;
		}
		engine_next_step(engine, incident, action->reason, action->sentence);
		return;
	}
	if (news || action->state != STATE_BLOCKED) {
		engine_set_state(engine, incident, action, STATE_BLOCKED,
			decision->gates[gate].reason, "%s", text);
		engine_record(engine, incident, decision);
	}
	engine_wait(engine, incident, WAIT_RETRY,
		decision->retry_ms < most ? decision->retry_ms : most);
}

static void await_approval(struct engine *engine, struct incident *incident, struct action *action)
{
	bool shown = engine_mode(engine, incident) == MODE_SUGGEST;
	char until[32];

	if (action->state != STATE_AWAITING_APPROVAL)
		incident->blocked_since_ms = engine->now_ms;
	action->expires_ms = incident->blocked_since_ms + engine->config.times.approval_max;
	format_rfc3339(action->expires_ms, until, sizeof(until));
	engine_set_state(engine, incident, action, STATE_AWAITING_APPROVAL,
		*action->void_reason ? action->void_reason : "mode", "%s%s%s: %s. It %s until %s.",
		action->void_sentence, *action->void_sentence ? " " : "",
		shown ? "Suggested" : "Planned", action->plan.words,
		shown                                  ? "can be read, and not approved,"
			: action->approvals_needed > 1 ? "waits for two persons' approval"
						       : "waits for a person's approval",
		until);
	engine_record(engine, incident, &engine->decision);
	engine_wait(engine, incident, WAIT_APPROVAL, action->expires_ms);
}

void engine_decide(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	bool news;

	CHECK(action && !action->ended);
	/* The annotation nimbusguard.io/dry-run on the object or its namespace makes this one a dry run. */
	action->dry_run = engine->config.dry_run || engine_mode(engine, incident) == MODE_OBSERVE ||
		(incident->observation && incident->observation->dry_run);
	pin_target(incident, action);
	engine_judge(engine, incident);
	if (engine->decision.verdict != DECISION_BLOCKED && engine_join_plan(engine, incident))
		return;
	news = tell_decision(engine, incident, action);
	switch (engine->decision.verdict) {
	case DECISION_CLEARED:
		if (action->approval_count) {
			approvals_write(action, false, action->approved_by,
				sizeof(action->approved_by));
			action->approved_hash = action->approval_hash;
		}
		action->expires_ms = 0;
		engine_set_state(engine, incident, action, STATE_CLEARED, "", "%s: %s.",
			action->dry_run ? "Cleared for a dry run" : "Cleared", action->plan.words);
		engine_write(engine, incident);
		break;
	case DECISION_APPROVAL:
		await_approval(engine, incident, action);
		break;
	default:
		block(engine, incident, action, news);
		break;
	}
}

/* The wait in BLOCKED, or for approval, has lasted too long. */
static void give_up(struct engine *engine, struct incident *incident, struct action *action)
{
	enum mode mode = engine_mode(engine, incident);
	char words[2 * SENTENCE_MAX];

	action->ended = true;
	if (action->state == STATE_AWAITING_APPROVAL)
		engine_track(engine, incident, TRACK_NEEDED, "waited");
	if (action->state == STATE_AWAITING_APPROVAL && mode == MODE_SUGGEST) {
		engine_set_state(engine, incident, action, STATE_BLOCKED, "suggested",
			"Suggested: %s.", action->plan.words);
		engine_end(engine, incident, OUTCOME_SUGGESTED, "suggested", action->sentence);
		return;
	}
	if (action->state == STATE_AWAITING_APPROVAL) {
		approvals_write(action, true, words, sizeof(words));
		engine_set_state(engine, incident, action, STATE_BLOCKED, "approval_expired",
			"%s%s: %s.",
			action->approval_count ? "No second person approved it in time, beside "
					       : "Nobody approved it in time",
			words, action->plan.words);
	} else {
		snprintf(words, sizeof(words), "Waited in vain: %s", action->sentence);
		engine_set_state(engine, incident, action, STATE_BLOCKED,
			*action->reason ? action->reason : "timeout", "%s", words);
	}
	engine_hand_over(engine, incident, action->reason, action->sentence);
}

/* Whoever waits for something that did not come goes on here: invariant 3 of engine.c. */
void engine_expire(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	int64_t waited = engine->now_ms - incident->blocked_since_ms;

	switch (incident->wait) {
	case WAIT_OBSERVATION:
		/* No answer is an answer: the guard refuses a real change. */
		incident->observe_asked = false;
		if (incident->observation)
			error_set(&incident->observation->error, STATUS_TIMEOUT,
				"the cluster did not answer in time");
		engine_decide(engine, incident);
		break;
	case WAIT_RETRY:
		if (action->ended)
			engine_begin_step(engine, incident);
		else if (waited >= engine->config.times.wait_max)
			give_up(engine, incident, action);
		else if (action->plan.kind == ACTION_TICKET || *incident->target_refusal.reason)
			engine_decide(engine, incident);
		else
			engine_ask(engine, incident, WAIT_OBSERVATION);
		break;
	case WAIT_APPROVAL:
		give_up(engine, incident, action);
		break;
	case WAIT_JOURNAL:
		engine_failed(engine, incident, "journal_silent",
			"The journal did not answer; nothing was sent.");
		break;
	case WAIT_SEND:
		engine_send(engine, incident);
		break;
	case WAIT_RESULT:
		engine_unknown(engine, incident, "No answer came before its time was over.");
		break;
	case WAIT_LOOK:
		engine_look(engine, incident);
		break;
	case WAIT_VERIFY:
		engine_verify(engine, incident);
		break;
	case WAIT_NOTHING:
		CHECK(incident->wait != WAIT_NOTHING);
	}
}
