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

static bool observed(const struct plan_question *question)
{
	return question->observation && !question->observation->error.code;
}

static bool read_signal(const struct plan_question *question, enum signal_role role, double *value)
{
	struct signal_reading reading = {.quality = QUALITY_MISSING, .value = NAN};
	const struct signal_source *signals = question->signals;

	if (question->target->workload.kind == TARGET_NONE || !signals || !signals->read)
		return false;
	signals->read(signals->self, &question->target->workload, role, SIGNAL_NEWEST,
		question->now_ms - SIGNAL_LOOK_MS, question->now_ms, &reading);
	*value = reading.value;
	return reading.quality == QUALITY_GOOD && isfinite(reading.value);
}

/* The value that an amount leads to from `before`, held between the bounds (0: none). */
static double amount_apply(const struct amount *amount, double before, double lowest,
	double highest)
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

static void format_amount(const struct amount *amount, const char *of, char *text, size_t size)
{
	snprintf(text, size, "%s %+g%s of a value that is not known without a cluster", of,
		amount->value, amount->kind == AMOUNT_PERCENT ? " %" : "");
}

static void plan_scale(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	double before = 0, after, highest = question->replicas_max;

	if (observed(question)) {
		before = question->observation->replicas;
	} else if (read_signal(question, ROLE_REPLICAS, &before) && before >= 0 && before < 1e6) {
		before = rint(before);
		plan->basis = PLAN_FROM_SIGNALS;
	} else {
		plan->basis = PLAN_FROM_LABELS;
		if (step->replicas.kind != AMOUNT_ABSOLUTE) {
			format_amount(&step->replicas, "replicas", plan->words,
				sizeof(plan->words));
			refusal_set(&plan->refusal, "replicas_unknown",
				"Neither the cluster nor a series tells how many replicas there are.");
			return;
		}
	}
	if (step->replicas_max && (highest <= 0 || step->replicas_max < highest))
		highest = step->replicas_max;
	after = amount_apply(&step->replicas, before, step->replicas_min ? step->replicas_min : 1,
		highest);
	plan->replicas_before = (int32_t)before;
	plan->replicas_after = (int32_t)after;
	plan->shrinks = after < before;
	snprintf(plan->words, sizeof(plan->words), "replicas %d -> %d", plan->replicas_before,
		plan->replicas_after);
	if (before <= 0 && plan->basis == PLAN_FROM_CLUSTER)
		refusal_set(&plan->refusal, "scaled_to_zero",
			"The workload stands at 0 replicas: somebody switched it off.");
	else if (plan->replicas_after == plan->replicas_before)
		refusal_set(&plan->refusal, "no_change",
			"The workload already has %d replicas, which is as far as this step may go.",
			plan->replicas_before);
}

/* One resource of adjust_resources; returns whether it changes. */
static bool plan_resource(struct plan *plan, const struct amount *amount, double before,
	int64_t lowest, int64_t highest, int64_t *stored_before, int64_t *stored_after)
{
	double after;

	if (amount->kind == AMOUNT_NONE)
		return false;
	after = amount_apply(amount, before, (double)lowest, (double)highest);
	*stored_before = (int64_t)before;
	*stored_after = (int64_t)after;
	plan->shrinks = plan->shrinks || after < before;
	return *stored_after != *stored_before;
}

/* Limits as they are; false when they are not known, and then the plan says so. */
static bool limits_before(struct plan *plan, const struct plan_question *question, double *memory,
	double *cpu)
{
	double use, share;

	if (observed(question)) {
		*memory = (double)question->observation->memory_limit_bytes;
		*cpu = (double)question->observation->cpu_limit_milli;
		return true;
	}
	plan->basis = PLAN_FROM_SIGNALS;
	if (question->step->cpu.kind != AMOUNT_NONE) {
		if (!read_signal(question, ROLE_CPU, &use) ||
			!read_signal(question, ROLE_CPU_UTILIZATION, &share) || share <= 0)
			return false;
		*cpu = rint(use / share * 1000);
	}
	if (question->step->memory.kind != AMOUNT_NONE) {
		if (!read_signal(question, ROLE_MEMORY, &use) ||
			!read_signal(question, ROLE_MEMORY_UTILIZATION, &share) || share <= 0)
			return false;
		*memory = rint(use / share);
	}
	return true;
}

static void resource_words(struct plan *plan)
{
	char before[32], after[32], memory[96] = "", cpu[96] = "";

	if (plan->memory_after) {
		format_size((uint64_t)plan->memory_before, before, sizeof(before));
		format_size((uint64_t)plan->memory_after, after, sizeof(after));
		snprintf(memory, sizeof(memory), "memory limit %s -> %s", before, after);
	}
	if (plan->cpu_after)
		snprintf(cpu, sizeof(cpu), "%scpu limit %" PRId64 "m -> %" PRId64 "m",
			plan->memory_after ? ", " : "", plan->cpu_before, plan->cpu_after);
	snprintf(plan->words, sizeof(plan->words), "%s%s", memory, cpu);
}

static void plan_adjust(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	bool with_memory = step->memory.kind != AMOUNT_NONE,
	     with_cpu = step->cpu.kind != AMOUNT_NONE;
	bool changes = false;
	double memory = 0, cpu = 0;

	if (!limits_before(plan, question, &memory, &cpu)) {
		plan->basis = PLAN_FROM_LABELS;
		format_amount(with_memory ? &step->memory : &step->cpu,
			with_memory ? "memory limit" : "cpu limit", plan->words,
			sizeof(plan->words));
		refusal_set(&plan->refusal, "limit_unknown",
			"Neither the cluster nor a series tells what the limit is now.");
		return;
	}
	if ((with_memory && memory <= 0) || (with_cpu && cpu <= 0)) {
		refusal_set(&plan->refusal, "no_limit_set",
			"The container has no %s limit that could be adjusted.",
			with_memory && memory <= 0 ? "memory" : "CPU");
		return;
	}
	if (plan_resource(plan, &step->memory, memory, step->memory_floor, step->memory_ceiling,
		    &plan->memory_before, &plan->memory_after))
		changes = true;
	if (plan_resource(plan, &step->cpu, cpu, step->cpu_floor, step->cpu_ceiling,
		    &plan->cpu_before, &plan->cpu_after))
		changes = true;
	resource_words(plan);
	if (!changes)
		refusal_set(&plan->refusal, "no_change",
			"The limits already are as far as this step may go.");
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	while (*text++);
	return hash;
}

static uint64_t hash_number(uint64_t hash, int64_t number)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
		hash = (hash ^ (((uint64_t)number >> shift) & 0xff)) * UINT64_C(1099511628211);
	return hash;
}

/* What an approval is bound to: the change, the object by its UID, and the values it starts from. */
static uint64_t plan_hash(const struct plan *plan, const struct target *target)
{
	char text[TARGET_TEXT_MAX] = "";
	uint64_t hash = UINT64_C(14695981039346656037);

	target_write(target, text, sizeof(text));
	hash = hash_text(hash, text);
	hash = hash_text(hash, target->uid);
	hash = hash_number(hash, plan->kind);
	hash = hash_number(hash, plan->replicas_before);
	hash = hash_number(hash, plan->replicas_after);
	hash = hash_number(hash, plan->memory_before);
	hash = hash_number(hash, plan->memory_after);
	hash = hash_number(hash, plan->cpu_before);
	return hash_number(hash, plan->cpu_after);
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

	memset(plan, 0, sizeof(*plan));
	plan->kind = kind;
	plan->basis = observed(question) ? PLAN_FROM_CLUSTER : PLAN_FROM_LABELS;
	if (kind == ACTION_SCALE)
		plan_scale(plan, question);
	else if (kind == ACTION_ADJUST_RESOURCES)
		plan_adjust(plan, question);
	else if (kind == ACTION_RESTART_POD)
		snprintf(plan->words, sizeof(plan->words),
			"delete the pod, its owner makes a new one");
	else if (kind == ACTION_RESTART_WORKLOAD)
		snprintf(plan->words, sizeof(plan->words), "restart all pods by a rollout");
	else if (kind == ACTION_CORDON)
		snprintf(plan->words, sizeof(plan->words), "no new pods on the node");
	plan_text(plan, question);
	plan->hash = plan_hash(plan, question->target);
}

void plan_invert(struct plan *plan, const struct plan *done, const struct target *target,
	const struct observation *observation)
{
	*plan = *done;
	plan->refusal = (struct refusal){.reason = ""};
	plan->replicas_before = done->replicas_after;
	plan->replicas_after = done->replicas_before;
	plan->memory_before = done->memory_after;
	plan->memory_after = done->memory_before;
	plan->cpu_before = done->cpu_after;
	plan->cpu_after = done->cpu_before;
	plan->shrinks = done->replicas_after > done->replicas_before ||
		done->memory_after > done->memory_before || done->cpu_after > done->cpu_before;
	if (plan->kind == ACTION_SCALE)
		snprintf(plan->words, sizeof(plan->words), "replicas %d -> %d (undo)",
			plan->replicas_before, plan->replicas_after);
	else if (plan->kind == ACTION_ADJUST_RESOURCES)
		resource_words(plan);
	else
		refusal_set(&plan->refusal, "no_inverse", "%s has no inverse.",
			action_kind_name(plan->kind));
	/* Only what we wrote and nobody changed since is put back. */
	if (!*plan->refusal.reason && observation && !observation->error.code &&
		plan_applied(done, target, "", observation) != 1)
		refusal_set(&plan->refusal, "changed_since",
			"The value is no longer the one that was written: somebody else changed it.");
	plan->basis =
		observation && !observation->error.code ? PLAN_FROM_CLUSTER : PLAN_FROM_LABELS;
	plan->hash = plan_hash(plan, target);
}

/* Another object has the name by now. */
static bool is_another(const struct target *target, const struct observation *observation)
{
	return observation->found && *target->uid && *observation->target.uid &&
		strcmp(target->uid, observation->target.uid) != 0;
}

static int pod_gone(const struct target *target, const struct observation *observation)
{
	/* A pod of the same name with another UID is its successor. */
	if (!observation->found || observation->terminating)
		return 1;
	if (!*target->uid || !*observation->target.uid)
		return -1;
	return is_another(target, observation);
}

int plan_applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	if (!observation || observation->error.code)
		return -1;
	if (plan->kind == ACTION_RESTART_POD)
		return pod_gone(target, observation);
	if (plan->kind != ACTION_TICKET && (!observation->found || is_another(target, observation)))
		return 0;
	switch (plan->kind) {
	case ACTION_SCALE:
		return observation->replicas == plan->replicas_after;
	case ACTION_ADJUST_RESOURCES:
		return (!plan->memory_after ||
			       observation->memory_limit_bytes == plan->memory_after) &&
			(!plan->cpu_after || observation->cpu_limit_milli == plan->cpu_after);
	case ACTION_RESTART_WORKLOAD:
		return *action_id ? strcmp(observation->action_key, action_id) == 0 : -1;
	case ACTION_CORDON:
		return observation->unschedulable;
	default:
		return -1;
	}
}

void plan_command(const struct plan *plan, const struct target *target, struct command *command)
{
	memset(command, 0, sizeof(*command));
	command->kind = plan->kind;
	command->target = *target;
	command->replicas_before = plan->replicas_before;
	command->replicas_after = plan->replicas_after;
	command->memory_bytes_before = plan->memory_before;
	command->memory_bytes_after = plan->memory_after;
	command->cpu_milli_before = plan->cpu_before;
	command->cpu_milli_after = plan->cpu_after;
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
	static const char *const folds[] = {"newest", "mean", "least", "greatest", "increase of"};
	char over[32], value[48];

	format_duration(test->over_ms, over, sizeof(over));
	if (result->reading.quality == QUALITY_GOOD)
		snprintf(value, sizeof(value), "%.4g", result->reading.value);
	else
		snprintf(value, sizeof(value), "unknown (%s)",
			quality_name(result->reading.quality));
	snprintf(text, size, "%s %s over %s is %s, wanted %s %.4g", folds[test->fold],
		role_name(test->role), over, value, test->above ? "above" : "below", test->value);
}
