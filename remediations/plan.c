/*
 * Plans. The value before the change comes from the cluster where it answered; otherwise from the
 * stream's series, which is marked in the plan's basis, so that the guard lets it pass in a dry run
 * only. Relative changes are rounded away from no change and then held between the bounds.
 */
#include "remediations/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"

#define SIGNAL_LOOK_MS (5 * 60000)

static const char *const basis_names[PLAN_BASIS_COUNT] = {
#define X(basis, name) [basis] = name,
	PLAN_BASIS_TABLE(X)
#undef X
};

const char *plan_basis_name(enum plan_basis basis)
{
	CHECK((unsigned)basis < PLAN_BASIS_COUNT);
	return basis_names[basis];
}

bool plan_observed(const struct plan_question *question)
{
	return question->observation && !question->observation->error.code;
}

bool plan_read_signal(const struct plan_question *question, enum signal_role role, double *value)
{
	struct signal_reading reading = {.quality = QUALITY_MISSING, .value = NAN};
	const struct signal_source *signals = question->signals;

	*value = NAN;
	if (question->target->workload.kind == TARGET_NONE || !signals || !signals->read)
		return false;
	signals->read(signals->self, &question->target->workload, role, SIGNAL_NEWEST,
		question->now_ms - SIGNAL_LOOK_MS, question->now_ms, &reading);
	*value = reading.value;
	return reading.quality == QUALITY_GOOD && isfinite(reading.value);
}

double amount_apply(const struct amount *amount, double before, double lowest, double highest)
{
	double after = amount->value;

	if (amount->kind == AMOUNT_DELTA)
		after = before + amount->value;
	else if (amount->kind == AMOUNT_PERCENT)
		after = amount->value > 0 ? ceil(before * (1 + amount->value / 100) - 1e-9)
					  : floor(before * (1 + amount->value / 100) + 1e-9);
	if (highest > 0 && after > highest)
		after = highest;
	if (lowest > 0 && after < lowest)
		after = lowest;
	/* A bound must never turn a raise into a cut or the other way round. */
	if (amount->kind != AMOUNT_ABSOLUTE && (after - before) * amount->value < 0)
		after = before;
	return after;
}

void plan_add_change(struct plan *plan, const struct step_change *change, int64_t before,
	int64_t highest)
{
	double after;

	if (change->highest && (highest <= 0 || change->highest < highest))
		highest = change->highest;
	after = amount_apply(&change->amount, (double)before, (double)change->lowest,
		(double)highest);
	changes_set(&plan->changes, change->field, before, (int64_t)after);
}

#define PROPOSED_MAX 1000000

bool plan_take_proposed(struct plan *plan, const struct plan_question *question,
	struct step_change *change, int64_t before)
{
	const struct event *event = question->event;
	const char *direction = labels_get(&event->labels, "proposal");
	const char *text = labels_get(&event->annotations, "replicas");
	bool in = direction && !strcmp(direction, "scale_in");
	int64_t replicas;

	if (change->amount.kind != AMOUNT_PROPOSED)
		return true;
	if (!text || parse_int(text, &replicas) != STATUS_OK || replicas < 1 ||
		replicas > PROPOSED_MAX) {
		refusal_set(&plan->refusal, "no_proposal",
			"The event says no number of replicas that could be set.");
		return false;
	}
	if (in && !question->playbook->condition_count) {
		refusal_set(&plan->refusal, "no_condition",
			"What makes a workload smaller needs a condition, and the playbook has none.");
		return false;
	}
	if (in ? replicas > before : replicas < before)
		replicas = before;
	change->amount = (struct amount){AMOUNT_ABSOLUTE, (double)replicas};
	return true;
}

void plan_refuse_unknown(struct plan *plan, const struct step_change *change, const char *reason,
	const char *sentence)
{
	snprintf(plan->words, sizeof(plan->words),
		"%s %+g%s of a value that is not known without a cluster",
		change_field_words(change->field), change->amount.value,
		change->amount.kind == AMOUNT_PERCENT ? " %" : "");
	refusal_set(&plan->refusal, reason, "%s", sentence);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	while (*text++);
	return hash;
}

/* What an approval is bound to: the change, the object by its UID, and the values it starts from. */
static uint64_t plan_hash(const struct plan *plan, const struct target *target)
{
	struct action_options options = plan->options;
	char text[TARGET_TEXT_MAX] = "";
	uint64_t hash = UINT64_C(14695981039346656037);

	target_write(target, text, sizeof(text));
	hash = hash_text(hash, text);
	hash = hash_text(hash, target->uid);
	hash = hash_text(hash, action_kind_name(plan->kind));
	if (plan->object.kind != TARGET_NONE)
		hash = hash_text(hash_text(hash, plan->object.name), plan->object.uid);
	/* Which way it is done is part of what is approved; what else it might have been is not. */
	if (plan->options.by_resize)
		hash = hash_text(hash, "in place");
	if (plan->options.floor_hold_ms || plan->options.floor_end) {
		char words[64];

		snprintf(words, sizeof(words), "floor %" PRId64 " %" PRId64 " %d",
			plan->options.floor_hold_ms, plan->options.floor_before,
			plan->options.floor_end);
		hash = hash_text(hash, words);
	}
	options.floor_hold_ms = options.floor_until_ms = options.floor_before = 0;
	options.floor_end = false;
	options.in_place = IN_PLACE_NEVER;
	options.by_resize = options.resize_failed = false;
	if (action_options_any(&options)) {
		char words[96];

		snprintf(words, sizeof(words), "%d%d%d%d %" PRIx64, options.evict,
			options.local_data, options.unowned, options.foreign, options.content);
		hash = hash_text(hash, words);
	}
	return changes_hash(&plan->changes, hash);
}

static void plan_text(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	char target[TARGET_TEXT_MAX];

	snprintf(target, sizeof(target), "no target");
	if (question->target->kind != TARGET_NONE)
		target_write(question->target, target, sizeof(target));
	if (plan->kind == ACTION_TICKET) {
		const char *title = step && step->title ? step->title
							: "{{ event }}: {{ playbook }} hands over";
		const char *text = step && step->text ? step->text : "{{ target }}: {{ reason }}";

		template_fill(title, question->event, target, question->playbook->name,
			question->reason, plan->title, sizeof(plan->title));
		template_fill(text, question->event, target, question->playbook->name,
			question->reason, plan->text, sizeof(plan->text));
		snprintf(plan->words, sizeof(plan->words), "ticket \"%.200s\"", plan->title);
		return;
	}
	template_fill("{{ playbook }} because of {{ event }}", question->event, target,
		question->playbook->name, question->reason, plan->text, sizeof(plan->text));
}

void plan_make(struct plan *plan, const struct plan_question *question)
{
	enum action_kind kind = question->step ? question->step->action : ACTION_TICKET;
	const struct action_class *class = action_class(kind);

	memset(plan, 0, sizeof(*plan));
	plan->kind = kind;
	plan->basis = plan_observed(question) ? PLAN_FROM_CLUSTER : PLAN_FROM_LABELS;
	if (question->step)
		plan->options = question->step->options;
	if (class->plan)
		class->plan(plan, question);
	plan->shrinks = changes_shrink(&plan->changes);
	plan_text(plan, question);
	plan->hash = plan_hash(plan, question->target);
}

/* A floor falls back to what was there without it, also where it took the place of another one. Which
 * one is there its end tells. False: it is another one by now. */
static bool invert_floor(struct plan *plan, const struct plan *done, bool seen,
	const struct observation *observation)
{
	const struct action_options *options = &done->options;
	const struct change *least = changes_find(&done->changes, CHANGE_REPLICAS_MIN);

	if (!options->floor_hold_ms || !least)
		return true;
	changes_set(&plan->changes, CHANGE_REPLICAS_MIN, least->after, options->floor_before);
	plan->options.floor_hold_ms = plan->options.floor_until_ms = 0;
	plan->options.floor_end = true;
	return !seen || !observation->autoscaler.floor.until_ms ||
		observation->autoscaler.floor.until_ms == options->floor_until_ms;
}

/* The version of what is written is the one that was looked at now. */
static void renew_object(struct plan *plan, const struct observation *observation)
{
	const struct object_ref *seen = &observation->autoscaler.object;

	if (plan->object.kind != TARGET_NONE && seen->kind == plan->object.kind &&
		strcmp(seen->uid, plan->object.uid) == 0)
		plan->object = *seen;
}

/* What is numbered anew with each write has another number by now. */
static void renew_numbers(struct plan *plan, const struct observation *observation)
{
	for (unsigned i = 0; observation && i < plan->changes.count; i++) {
		struct change *change = &plan->changes.list[i];

		if (change_field_unit(change->field) == UNIT_NUMBER)
			observation_value(observation, change->field, &change->before);
	}
}

char *plan_payload(const struct plan_question *question, const char *action_id)
{
	return action_class(question->step->action)->make_payload(question, action_id);
}

void plan_invert(struct plan *plan, const struct plan *done, const char *done_id,
	const struct target *target, const struct observation *observation)
{
	bool seen = observation && !observation->error.code, same;
	size_t used;

	*plan = *done;
	plan->refusal = (struct refusal){.reason = ""};
	plan->changes = changes_inverse(&done->changes);
	same = invert_floor(plan, done, seen, observation);
	plan->shrinks = changes_shrink(&plan->changes);
	renew_numbers(plan, seen ? observation : NULL);
	if (action_class(plan->kind)->inverse) {
		changes_write(&plan->changes, plan->words, sizeof(plan->words));
		used = strlen(plan->words);
		snprintf(plan->words + used, sizeof(plan->words) - used, " (undo)");
	} else {
		refusal_set(&plan->refusal, "no_inverse", "%s has no inverse.",
			action_kind_name(plan->kind));
	}
	/* Only what we wrote and nobody changed since is put back. */
	if (!*plan->refusal.reason && seen &&
		(!same || plan_applied(done, target, done_id, observation) != 1))
		refusal_set(&plan->refusal, "changed_since",
			"The value is no longer the one that was written: somebody else changed it.");
	if (seen)
		renew_object(plan, observation);
	plan->basis = seen ? PLAN_FROM_CLUSTER : PLAN_FROM_LABELS;
	plan->hash = plan_hash(plan, target);
}

/* ---- what was done ---- */

/* Another object has the name by now. */
static bool is_another(const struct target *target, const struct observation *observation)
{
	return observation->found && *target->uid && *observation->target.uid &&
		strcmp(target->uid, observation->target.uid) != 0;
}

int applied_by_values(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	bool told = true;

	(void)target;
	(void)action_id;
	for (unsigned i = 0; i < plan->changes.count; i++) {
		const struct change *change = &plan->changes.list[i];
		int64_t value;

		if (!observation_value(observation, change->field, &value))
			told = false;
		else if (value != change->after)
			return 0;
	}
	return told && plan->changes.count ? 1 : -1;
}

int applied_by_key(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)plan;
	(void)target;
	return *action_id ? strcmp(observation->action_key, action_id) == 0 : -1;
}

int applied_by_end(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)plan;
	(void)action_id;
	/* A pod of the same name with another UID is its successor. */
	if (!observation->found || observation->terminating)
		return 1;
	if (!*target->uid || !*observation->target.uid)
		return -1;
	return is_another(target, observation);
}

int applied_untold(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)plan;
	(void)target;
	(void)action_id;
	(void)observation;
	return -1;
}

int plan_applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	const struct action_class *class = action_class(plan->kind);

	if (!observation || observation->error.code)
		return -1;
	if (!class->is_told && !class->gone_is_done &&
		(!observation->found || is_another(target, observation)))
		return 0;
	return class->applied(plan, target, action_id, observation);
}

void plan_command(const struct plan *plan, const struct target *target, struct command *command)
{
	memset(command, 0, sizeof(*command));
	command->kind = plan->kind;
	command->target = *target;
	command->object = plan->object;
	command->changes = plan->changes;
	command->options = plan->options;
	command->pods = plan->pods;
	memcpy(command->title, plan->title, sizeof(command->title));
	memcpy(command->text, plan->text, sizeof(command->text));
}

/* ---- tests of signals ---- */

void signal_test_run(const struct signal_test *test, const struct signal_source *signals,
	const struct workload_key *workload, int64_t now_ms, int64_t not_before_ms,
	struct test_result *result)
{
	int64_t from = now_ms - test->over_ms;

	*result = (struct test_result){.reading = {.quality = QUALITY_MISSING, .value = NAN}};
	if (workload->kind == TARGET_NONE || !signals || !signals->read)
		return;
	if (from < not_before_ms)
		from = not_before_ms;
	signals->read(signals->self, workload, test->role, test->fold, from, now_ms,
		&result->reading);
	if (result->reading.quality == QUALITY_GOOD && !isfinite(result->reading.value))
		result->reading.quality = QUALITY_NOT_A_NUMBER;
	result->holds = result->reading.quality == QUALITY_GOOD &&
		(test->above ? result->reading.value > test->value
			     : result->reading.value < test->value);
}

void signal_test_write(const struct signal_test *test, const struct test_result *result, char *text,
	size_t size)
{
	static const char *const folds[] = {"newest", "mean", "least", "greatest", "increase of",
		"peak to come of"};
	char over[32], value[48];

	if (test->fold == SIGNAL_PEAK)
		snprintf(over, sizeof(over), "the next 15m");
	else
		format_duration(test->over_ms, over, sizeof(over));
	if (result->reading.quality == QUALITY_GOOD)
		snprintf(value, sizeof(value), "%.4g", result->reading.value);
	else
		snprintf(value, sizeof(value), "unknown (%s)",
			quality_name(result->reading.quality));
	snprintf(text, size, "%s %s over %s is %s, wanted %s %.4g", folds[test->fold],
		role_name(test->role), over, value, test->above ? "above" : "below", test->value);
}

void plan_refuse_absent(struct plan *plan, const char *template_text, const struct event *event)
{
	char name[128];

	template_find_absent(template_text, event, name, sizeof(name));
	if (name[0] != '\0')
		refusal_set(&plan->refusal, "label_missing",
			"The step's template names the label \"%s\", which the event lacks.", name);
}
