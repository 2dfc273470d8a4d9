/*
 * What came of it: verification on raw samples, the next step, and the ends of incidents.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/engine_state.h"

#define VERIFY_RETRY_MS 30000

/* Whether the field still has the value that was written; asked of the cluster before the signals. */
static bool must_read_back(const struct incident *incident, const struct action *action,
	const struct playbook *playbook)
{
	return !action->dry_run && !incident->looks &&
		(playbook->verify_by_cluster || action_kind_reads_back(action->plan.kind));
}

static void end_dry_run(struct engine *engine, struct incident *incident, struct action *action,
	const struct signal_test *test, const struct test_result *result)
{
	char seen[2 * GATE_TEXT_MAX], words[3 * GATE_TEXT_MAX];

	signal_test_write(test, result, seen, sizeof(seen));
	snprintf(words, sizeof(words),
		"Dry run, nothing was changed; at the time of verification %s.", seen);
	action->ended = true;
	/* What came without a change tells whether one was needed. */
	if (result->reading.quality == QUALITY_GOOD)
		engine_track(engine, incident, result->holds ? TRACK_UNNEEDED : TRACK_NEEDED,
			"dry_run");
	engine_set_state(engine, incident, action, STATE_WATCHED, "dry_run", "%s", words);
	engine_end(engine, incident, OUTCOME_DRY_RUN, "dry_run", action->sentence);
}

/* The change did not do what it was to do: it counts for the breaker, whatever came instead. */
static void not_effective(struct engine *engine, struct incident *incident, struct action *action,
	enum action_state state, const char *words)
{
	const char *word = action_state_name(state);

	ledger_mark_ineffective(&engine->ledger, action->id, engine->now_ms);
	if (state == STATE_REVERTED)
		ledger_mark_reverted(&engine->ledger, action->id, engine->now_ms);
	engine_set_state(engine, incident, action, state, word, "%s", words);
	engine_track(engine, incident, TRACK_FAILED, word);
	engine_record(engine, incident, NULL);
	engine_tell(engine, incident, action, NEWS_OUTCOME, word, action->sentence);
	if (state == STATE_WORSE)
		engine_roll_back(engine, incident, words);
	else if (state == STATE_REVERTED)
		/* With somebody who takes it back one does not fight. */
		engine_hand_over(engine, incident, word, words);
	else
		engine_next_step(engine, incident, word, words);
}

static void effective(struct engine *engine, struct incident *incident, struct action *action,
	const struct signal_test *test, const char *seen)
{
	char words[3 * GATE_TEXT_MAX], why[GATE_TEXT_MAX];

	engine_count_peers(engine, incident, action);
	if (!effect_self_healed(&action->effect, test, why, sizeof(why))) {
		snprintf(words, sizeof(words), "%.300s%s%s", seen, *why ? "; " : "", why);
		engine_set_state(engine, incident, action, STATE_CURED, "cured", "%s", words);
		engine_track(engine, incident, TRACK_CURED, "cured");
		engine_end(engine, incident, OUTCOME_CURED, "cured", words);
		return;
	}
	snprintf(words, sizeof(words), "%.300s, but %s", seen, why);
	engine_set_state(engine, incident, action, STATE_SELF_HEALED, "self_healed", "%s", words);
	engine_track(engine, incident, TRACK_HEALED, "self_healed");
	engine_end(engine, incident, OUTCOME_SELF_HEALED, "self_healed", words);
}

static void judge_effect(struct engine *engine, struct incident *incident, struct action *action,
	const struct playbook *playbook)
{
	int64_t overdue = engine->now_ms - action->done_ms - playbook->verify_after_ms;
	struct test_result result;
	char words[2 * GATE_TEXT_MAX];

	signal_test_run(&playbook->verify, &engine->config.signals, &action->target.workload,
		engine->now_ms, action->done_ms, &result);
	if (result.reading.quality == QUALITY_GOOD)
		action->effect.after = result.reading.value;
	if (action->dry_run) {
		end_dry_run(engine, incident, action, &playbook->verify, &result);
		return;
	}
	signal_test_write(&playbook->verify, &result, words, sizeof(words));
	if (result.reading.quality == QUALITY_GOOD && result.holds) {
		effective(engine, incident, action, &playbook->verify, words);
	} else if (result.reading.quality == QUALITY_GOOD) {
		not_effective(engine, incident, action,
			effect_worse(&action->effect, &playbook->verify, playbook->guard.worse_by)
				? STATE_WORSE
				: STATE_INEFFECTIVE,
			words);
	} else if (overdue < engine->config.times.verify_grace &&
		action->target.workload.kind != TARGET_NONE) {
		engine_wait(engine, incident, WAIT_VERIFY, engine->now_ms + VERIFY_RETRY_MS);
	} else {
		/* A node will have no signal later either. */
		engine_set_state(engine, incident, action, STATE_HANDED_OVER, "unverifiable", "%s",
			words);
		engine_hand_over(engine, incident, "unverifiable", words);
	}
}

/* By what the target is like now. */
static void judge_by_cluster(struct engine *engine, struct incident *incident,
	struct action *action, const struct playbook *playbook)
{
	int64_t overdue = engine->now_ms - action->done_ms - playbook->verify_after_ms;
	int applied =
		plan_applied(&action->plan, &action->target, action->id, incident->observation);
	const char *words = "The cluster says that it is as it was to be.";

	if (action->dry_run) {
		action->ended = true;
		engine_set_state(engine, incident, action, STATE_WATCHED, "dry_run",
			"Dry run, nothing was changed.");
		engine_end(engine, incident, OUTCOME_DRY_RUN, "dry_run", action->sentence);
	} else if (applied == 1) {
		engine_set_state(engine, incident, action, STATE_CURED, "cured", "%s", words);
		engine_end(engine, incident, OUTCOME_CURED, "cured", words);
	} else if (applied >= 0) {
		not_effective(engine, incident, action, STATE_INEFFECTIVE,
			"The cluster says that it is not as it was to be.");
	} else if (overdue < engine->config.times.verify_grace) {
		incident->looks = 0;
		engine_wait(engine, incident, WAIT_VERIFY, engine->now_ms + VERIFY_RETRY_MS);
	} else {
		words = "The cluster does not tell whether it is as it was to be.";
		engine_set_state(engine, incident, action, STATE_HANDED_OVER, "unverifiable", "%s",
			words);
		engine_hand_over(engine, incident, "unverifiable", words);
	}
}

static bool any_pod_left(const struct plan *plan, const struct observation *seen)
{
	for (unsigned i = 0; i < seen->resize.count; i++)
		if (resize_pods_have(&plan->pods, seen->resize.pods[i].uid))
			return true;
	return false;
}

/* Whether the field has another value than was written, on the same object. */
static bool was_reverted(const struct incident *incident, struct action *action, char *words,
	size_t size)
{
	const struct observation *seen = incident->observation;
	const struct field_writer *writer;

	if (action->dry_run || !action_kind_reads_back(action->plan.kind) ||
		plan_applied(&action->plan, &action->target, action->id, seen) != 0)
		return false;
	writer = observation_writer(seen, &action->plan);
	snprintf(words, size,
		"Somebody else changed the value since; the cluster does not tell who.");
	if (!seen->found || strcmp(seen->target.uid, action->target.uid) != 0)
		snprintf(words, size, "The object is gone, or another one has its name.");
	else if (action->plan.options.by_resize && !any_pod_left(&action->plan, seen))
		snprintf(words, size,
			"The pods that were resized are gone; others have what the template says.");
	else if (writer && *writer->manager && strcmp(writer->manager, FIELD_MANAGER) != 0) {
		memcpy(action->effect.reverted_by, writer->manager,
			sizeof(action->effect.reverted_by));
		snprintf(words, size, "Reverted by %s%s.", writer->manager,
			writer->by_hand ? ", a person's tool" : "");
	}
	return true;
}

void engine_verify(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	const struct playbook *playbook = engine_playbook(engine, incident);
	char words[GATE_TEXT_MAX];

	if (!playbook || !playbook->verified) {
		engine_set_state(engine, incident, action, STATE_HANDED_OVER, "playbook_gone",
			"The playbook that would verify it is gone.");
		engine_hand_over(engine, incident, "playbook_gone", action->sentence);
		return;
	}
	if (engine->now_ms < action->done_ms + playbook->verify_after_ms) {
		engine_wait(engine, incident, WAIT_VERIFY,
			action->done_ms + playbook->verify_after_ms);
		return;
	}
	if (must_read_back(incident, action, playbook)) {
		/* Asked once: when the look gets no answer the signals alone decide. */
		incident->looks = 1;
		if (incident->observation)
			error_set(&incident->observation->error, STATUS_TIMEOUT,
				"not answered yet");
		engine_ask(engine, incident, WAIT_VERIFY);
		return;
	}
	incident->observe_asked = false;
	if (was_reverted(incident, action, words, sizeof(words)))
		not_effective(engine, incident, action, STATE_REVERTED, words);
	else if (playbook->verify_by_cluster)
		judge_by_cluster(engine, incident, action, playbook);
	else
		judge_effect(engine, incident, action, playbook);
}

void engine_roll_back(struct engine *engine, struct incident *incident, const char *words)
{
	struct action *action = incident_action(incident), *undo = NULL;

	/* Of what a former leader did it is not known what stood there before. */
	if (action_kind_has_inverse(action->plan.kind) &&
		(action->plan.changes.count || !action_kind_reads_back(action->plan.kind)))
		undo = engine_begin_undo(engine, incident, action);
	if (!undo) {
		engine_hand_over(engine, incident, "worse", words);
		return;
	}
	undo->rollback = true;
	engine_set_state(engine, incident, undo, STATE_PROPOSED, "worse",
		"%s made it worse and is taken back.", action->id);
	engine_ask(engine, incident, WAIT_OBSERVATION);
	if (incident->open && incident_action(incident) == undo && undo->state == STATE_PROPOSED)
		engine_record(engine, incident, NULL);
}

void engine_rolled_back(struct engine *engine, struct incident *incident)
{
	const struct playbook *playbook = engine_playbook(engine, incident);

	if (playbook && playbook->hand_over)
		engine_hand_over(engine, incident, "worse",
			"The change made it worse and was rolled back.");
	else
		engine_end(engine, incident, OUTCOME_ROLLED_BACK, "worse",
			"The change made it worse and was rolled back.");
}

void engine_next_step(struct engine *engine, struct incident *incident, const char *reason,
	const char *words)
{
	const struct playbook *playbook = engine_playbook(engine, incident);
	const struct action *action = incident_action(incident);

	if (incident->handing_over || *action->undo_of || !incident->firing || !playbook ||
		incident->step + 1 >= playbook->step_count) {
		engine_hand_over(engine, incident, reason, words);
		return;
	}
	incident->step++;
	incident->tries = 0;
	/* The reason why the next step was needed goes into a ticket's text. */
	snprintf(incident->reason, sizeof(incident->reason), "%s", reason);
	snprintf(incident->sentence, sizeof(incident->sentence), "%s", words);
	engine_begin_step(engine, incident);
}

void engine_hand_over(struct engine *engine, struct incident *incident, const char *reason,
	const char *words)
{
	const struct playbook *playbook = engine_playbook(engine, incident);
	const struct action *action = incident_action(incident);
	struct refusal said;

	refusal_set(&said, reason, "%s", words);
	if (incident->handing_over || !playbook || !playbook->hand_over ||
		(action &&
			((*action->undo_of && !action->rollback) ||
				action->plan.kind == ACTION_TICKET))) {
		engine_end(engine, incident, OUTCOME_HANDED_OVER, said.reason, said.sentence);
		return;
	}
	incident->handing_over = true;
	incident->tries = 0;
	memcpy(incident->reason, said.reason, sizeof(incident->reason));
	memcpy(incident->sentence, said.sentence, sizeof(incident->sentence));
	engine_begin_step(engine, incident);
}

void engine_end_resolved(struct engine *engine, struct incident *incident)
{
	const struct action *action = incident_action(incident);
	bool done = false;

	for (size_t i = 0; i < incident->action_count; i++)
		done = done || incident->actions[i]->done_ms;
	if (done)
		engine_end(engine, incident, OUTCOME_HANDED_OVER, "resolved",
			"The alert ended while the next step was waiting.");
	else if (action && action->state == STATE_AWAITING_APPROVAL)
		engine_track(engine, incident, TRACK_UNNEEDED, "resolved");
	if (!done)
		engine_end(engine, incident, OUTCOME_RESOLVED, "resolved",
			"The alert ended before anything was done.");
}

void engine_end(struct engine *engine, struct incident *incident, enum outcome outcome,
	const char *reason, const char *words)
{
	struct action *action = incident_action(incident);
	struct refusal said;

	CHECK(incident->open);
	refusal_set(&said, reason, "%s", words);
	if (action && !action->ended) {
		action->ended = true;
		/* What is watched keeps its state: it was done, and the end does not change that. */
		engine_set_state(engine, incident, action,
			action->state == STATE_WATCHED || action->state == STATE_DONE
				? action->state
				: STATE_BLOCKED,
			said.reason, "%s", said.sentence);
	}
	incident->open = false;
	incident->outcome = outcome;
	memcpy(incident->reason, said.reason, sizeof(incident->reason));
	memcpy(incident->sentence, said.sentence, sizeof(incident->sentence));
	incident->ended_ms = incident->updated_ms = engine->now_ms;
	incident->wait = WAIT_NOTHING;
	incident->observe_asked = false;
	mem_free(incident->observation);
	incident->observation = NULL;
	engine->open_count--;
	engine_mark_ended(engine, incident);
	engine_keep_live(engine, incident);
	engine_tell(engine, incident, action, NEWS_STATE, incident_state_name(incident),
		incident->sentence);
	/* What came of it was counted before its floor fell back. */
	if (!action || !action->expiry)
		engine_tell(engine, incident, action, NEWS_OUTCOME, outcome_name(outcome),
			incident->sentence);
	engine_record(engine, incident, NULL);
}
