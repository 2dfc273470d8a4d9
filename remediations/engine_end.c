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
static bool must_read_back(const struct incident *incident, const struct action *action)
{
	return !action->dry_run && action_kind_reads_back(action->plan.kind) && !incident->looks;
}

static void end_dry_run(struct engine *engine, struct incident *incident, struct action *action,
	const struct signal_test *test, const struct test_result *result)
{
	char seen[2 * GATE_TEXT_MAX], words[3 * GATE_TEXT_MAX];

	signal_test_write(test, result, seen, sizeof(seen));
	snprintf(words, sizeof(words),
		"Dry run, nothing was changed; at the time of verification %s.", seen);
	action->ended = true;
	engine_set_state(engine, incident, action, STATE_WATCHED, "dry_run", "%s", words);
	engine_end(engine, incident, OUTCOME_DRY_RUN, "dry_run", action->sentence);
}

static void not_effective(struct engine *engine, struct incident *incident, struct action *action,
	const char *reason, const char *words)
{
	ledger_mark_ineffective(&engine->ledger, action->id, engine->now_ms);
	engine_set_state(engine, incident, action, STATE_INEFFECTIVE, reason, "%s", words);
	engine_record(engine, incident, NULL);
	engine_tell(engine, incident, action, NEWS_OUTCOME, "ineffective", action->sentence);
	/* With somebody who takes it back one does not fight. */
	if (!strcmp(reason, "reverted"))
		engine_hand_over(engine, incident, reason, words);
	else
		engine_next_step(engine, incident, reason, words);
}

static void judge_effect(struct engine *engine, struct incident *incident, struct action *action,
	const struct playbook *playbook)
{
	int64_t overdue = engine->now_ms - action->done_ms - playbook->verify_after_ms;
	struct test_result result;
	char words[2 * GATE_TEXT_MAX];

	signal_test_run(&playbook->verify, &engine->config.signals, &action->target.workload,
		engine->now_ms, action->done_ms, &result);
	if (action->dry_run) {
		end_dry_run(engine, incident, action, &playbook->verify, &result);
		return;
	}
	signal_test_write(&playbook->verify, &result, words, sizeof(words));
	if (result.reading.quality == QUALITY_GOOD && result.holds) {
		engine_set_state(engine, incident, action, STATE_CURED, "cured", "%s", words);
		engine_end(engine, incident, OUTCOME_CURED, "cured", words);
	} else if (result.reading.quality == QUALITY_GOOD) {
		not_effective(engine, incident, action, "ineffective", words);
	} else if (overdue < engine->config.times.verify_grace) {
		engine_wait(engine, incident, WAIT_VERIFY, engine->now_ms + VERIFY_RETRY_MS);
	} else {
		engine_set_state(engine, incident, action, STATE_HANDED_OVER, "unverifiable", "%s",
			words);
		engine_hand_over(engine, incident, "unverifiable", words);
	}
}

void engine_verify(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	const struct playbook *playbook = engine_playbook(engine, incident);

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
	if (must_read_back(incident, action)) {
		/* Asked once: when the look gets no answer the signals alone decide. */
		incident->looks = 1;
		if (incident->observation)
			error_set(&incident->observation->error, STATUS_TIMEOUT,
				"not answered yet");
		engine_ask(engine, incident, WAIT_VERIFY);
		return;
	}
	incident->observe_asked = false;
	if (!action->dry_run && action_kind_reads_back(action->plan.kind) &&
		plan_applied(&action->plan, &action->target, action->id, incident->observation) ==
			0)
		not_effective(engine, incident, action, "reverted",
			"Somebody else changed the value since.");
	else
		judge_effect(engine, incident, action, playbook);
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
		(action && (*action->undo_of || action->plan.kind == ACTION_TICKET))) {
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
	bool done = false;

	for (size_t i = 0; i < incident->action_count; i++)
		done = done || incident->actions[i]->done_ms;
	if (done)
		engine_end(engine, incident, OUTCOME_HANDED_OVER, "resolved",
			"The alert ended while the next step was waiting.");
	else
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
	engine_tell(engine, incident, action, NEWS_OUTCOME, outcome_name(outcome),
		incident->sentence);
	engine_record(engine, incident, NULL);
}
