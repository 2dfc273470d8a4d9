/*
 * Whether a change had the effect that it was made for. Before and after alone do not tell: a load
 * that falls by itself would make every treatment a cure. So what is seen at the verification is held
 * against a forecast made before the change, and against others with the same alert that were left
 * alone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "remediations/engine_state.h"

#define PEERS_MIN 2

/* ---- before the change ---- */

void engine_foresee(const struct engine *engine, const struct incident *incident,
	struct action *action)
{
	const struct playbook *playbook = engine_playbook(engine, incident);
	struct forecast_source source = engine->config.forecast;
	struct forecast_question question;
	struct test_result now;

	if (!playbook || !playbook->verified || playbook->verify_by_cluster ||
		action->plan.kind == ACTION_TICKET || *action->undo_of)
		return;
	signal_test_run(&playbook->verify, &engine->config.signals, &action->target.workload,
		engine->now_ms, 0, &now);
	action->effect.before = now.reading.quality == QUALITY_GOOD ? now.reading.value : NAN;
	if (!source.expect)
		source = forecast_simple(&engine->config.signals);
	question = (struct forecast_question){.workload = &action->target.workload,
		.test = &playbook->verify,
		.at_ms = engine->now_ms + playbook->verify_after_ms,
		.known_ms = engine->now_ms};
	source.expect(source.self, &question, &action->effect.forecast);
}

/* ---- after it ---- */

static bool treated(const struct incident *incident)
{
	for (size_t i = 0; i < incident->action_count; i++) {
		const struct action *action = incident->actions[i];

		if (action->written_ms && !action->dry_run && action->plan.kind != ACTION_TICKET)
			return true;
	}
	return false;
}

/* Had the same trouble on something else while the action was at work, and nobody touched it. */
static bool is_peer(const struct incident *other, const struct incident *incident,
	const struct action *action)
{
	struct ledger_entry a = {.object = 0}, b = {.object = 0};

	if (other == incident || strcmp(other->playbook, incident->playbook) != 0 ||
		strcmp(event_name(&other->event), event_name(&incident->event)) != 0 ||
		other->opened_ms > action->done_ms || treated(other) ||
		(!other->firing && other->updated_ms < action->written_ms))
		return false;
	ledger_key(&a, &other->target);
	ledger_key(&b, &incident->target);
	return !ledger_same_target(&a, &b);
}

void engine_count_peers(const struct engine *engine, const struct incident *incident,
	struct action *action)
{
	action->effect.peers = action->effect.peers_recovered = 0;
	for (size_t i = 0; i < engine->slot_max; i++) {
		const struct incident *other = engine->slots[i];

		if (!other || !is_peer(other, incident, action))
			continue;
		action->effect.peers++;
		action->effect.peers_recovered += !other->firing;
	}
}

/* Whether the value would pass the test. */
static bool passes(const struct signal_test *test, double value)
{
	return test->above ? value > test->value : value < test->value;
}

bool effect_self_healed(const struct effect *effect, const struct signal_test *test, char *words,
	size_t size)
{
	const struct forecast *forecast = &effect->forecast;

	*words = '\0';
	if (effect->peers >= PEERS_MIN && effect->peers_recovered * 2 > effect->peers) {
		snprintf(words, size,
			"%u of %u others with the same alert recovered without treatment",
			effect->peers_recovered, effect->peers);
		return true;
	}
	if (forecast->method == FORECAST_NONE)
		return false;
	snprintf(words, size, "without a change %.4g to %.4g was to be expected (%s)",
		forecast->low, forecast->high, forecast_method_name(forecast->method));
	/* All of the interval passes, or what came lies within it. */
	return (passes(test, forecast->low) && passes(test, forecast->high)) ||
		(effect->after >= forecast->low && effect->after <= forecast->high);
}

bool effect_worse(const struct effect *effect, const struct signal_test *test, double worse_by)
{
	const struct forecast *forecast = &effect->forecast;
	double by = test->above ? effect->before - effect->after : effect->after - effect->before;
	double unit = fmax(fabs(effect->before), fabs(test->value));

	/* False for NaN. */
	if (!(by > worse_by * unit) || worse_by <= 0)
		return false;
	if (forecast->method == FORECAST_NONE)
		return true;
	/* It was to get that much worse anyway. */
	return test->above ? effect->after < forecast->low : effect->after > forecast->high;
}
