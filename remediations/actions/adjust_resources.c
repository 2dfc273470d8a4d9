/*
 * adjust_resources: limits and requests of one container.
 *
 *   of a workload   in the pod template, which rolls all pods; the change stays
 *   of a pod        in place, through pods/resize, where the server has it (Kubernetes 1.33); nothing
 *                   is restarted unless the container asks for it, and the next pod has the
 *                   template's values again
 *
 * The plan's words tell which of them it will be. A resize is the kubelet's to do: it is awaited, and
 * taken back when the kubelet says that it cannot be done or the time is over.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"
#include "remediations/kube_vertical.h"
#include "remediations/words.h"

#define RESIZE_WAIT_MS (2 * 60000)
#define RESIZE_LOOK_MS 1000
#define LIMIT_MAX 0x1p53 /* of a series: the whole numbers that a double tells apart */

/* The keys of each value: how much, and its bounds. */
static const struct value_keys {
	enum change_field field;
	const char *key, *ceiling, *floor;
	const char *set; /* what has to be set already, for words */
} values[] = {
	{CHANGE_MEMORY_LIMIT, "memory", "ceiling", "floor", "memory limit"},
	{CHANGE_CPU_LIMIT, "cpu", "cpu_ceiling", "cpu_floor", "CPU limit"},
	{CHANGE_MEMORY_REQUEST, "memory_request", "memory_request_ceiling", "memory_request_floor",
		"memory request"},
	{CHANGE_CPU_REQUEST, "cpu_request", "cpu_request_ceiling", "cpu_request_floor",
		"CPU request"},
};

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map;
	bool any = false;

	for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
		struct step_change *change = step_add_change(step, values[i].field);
		enum change_unit unit = change_field_unit(values[i].field);
		bool there = yaml_get(map, values[i].key) != NULL;

		step_read_amount(reading, values[i].key, unit, true, &change->amount);
		step_read_quantity(reading, values[i].ceiling, unit, &change->highest);
		step_read_quantity(reading, values[i].floor, unit, &change->lowest);
		step_check_bounds(reading, values[i].key, change);
		any = any || there;
		if (i > 0 && !there &&
			(yaml_get(map, values[i].ceiling) || yaml_get(map, values[i].floor)))
			yaml_report(reading->at, map,
				"%s and %s are bounds of %s, which is not there", values[i].ceiling,
				values[i].floor, values[i].key);
	}
	if (reading->playbook->target.kind == TARGET_POD)
		step->options.time_ms = RESIZE_WAIT_MS;
	if (!any)
		yaml_report(reading->at, map, "an adjust_resources step needs memory or cpu");
	if (!yaml_get(map, "memory") && (yaml_get(map, "ceiling") || yaml_get(map, "floor")))
		yaml_report(reading->at, map,
			"ceiling and floor are memory's; cpu has cpu_ceiling and cpu_floor");
}

/* ---- the plan ---- */

static const struct value_keys *keys_of(enum change_field field)
{
	for (size_t i = 0; i < ARRAY_COUNT(values); i++)
		if (values[i].field == field)
			return &values[i];
	return NULL;
}

/* A container's limit by the series of it, which tells none where containers differ; there is none of
 * requests. */
static bool limit_by_signals(const struct plan_question *question, enum change_field field,
	int64_t *before)
{
	bool memory = field == CHANGE_MEMORY_LIMIT;
	double limit;

	if (!memory && field != CHANGE_CPU_LIMIT)
		return false;
	if (!plan_read_signal(question, memory ? ROLE_MEMORY_LIMIT : ROLE_CPU_LIMIT, &limit))
		return false;
	limit = rint(memory ? limit : limit * 1000);
	if (limit < 1 || limit > LIMIT_MAX)
		return false;
	*before = (int64_t)limit;
	return true;
}

/* The value as it is; false, and the plan refused, when it is not known or none is set. */
static bool value_before(struct plan *plan, const struct plan_question *question,
	const struct step_change *change, int64_t *before)
{
	*before = 0;
	if (plan_observed(question)) {
		observation_value(question->observation, change->field, before);
	} else if (limit_by_signals(question, change->field, before)) {
		plan->basis = PLAN_FROM_SIGNALS;
	} else {
		plan->basis = PLAN_FROM_LABELS;
		plan_refuse_unknown(plan, change, "limit_unknown",
			"Neither the cluster nor a series tells what the limit is now.");
		return false;
	}
	if (*before > 0)
		return true;
	refusal_set(&plan->refusal, "no_limit_set",
		"The container has no %s that could be adjusted.", keys_of(change->field)->set);
	return false;
}

/* A request above its limit is none that a server takes. */
static void check_requests(struct plan *plan, const struct observation *observation)
{
	static const enum change_field pairs[][2] = {{CHANGE_MEMORY_REQUEST, CHANGE_MEMORY_LIMIT},
		{CHANGE_CPU_REQUEST, CHANGE_CPU_LIMIT}};

	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		int64_t request = 0, limit = 0;

		observation_value(observation, pairs[i][0], &request);
		observation_value(observation, pairs[i][1], &limit);
		request = changes_after(&plan->changes, pairs[i][0], request);
		limit = changes_after(&plan->changes, pairs[i][1], limit);
		if (limit > 0 && request > limit)
			refusal_set(&plan->refusal, "request_above_limit",
				"The %s would be above the %s.", change_field_words(pairs[i][0]),
				change_field_words(pairs[i][1]));
	}
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	bool pod = question->target->kind == TARGET_POD;
	int64_t before[CHANGES_MAX];
	size_t used;

	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE &&
			!value_before(plan, question, &step->changes[i], &before[i]))
			return;
	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE)
			plan_add_change(plan, &step->changes[i], before[i], 0);
	changes_write(&plan->changes, plan->words, sizeof(plan->words));
	used = strlen(plan->words);
	snprintf(plan->words + used, sizeof(plan->words) - used, "%s",
		pod ? ", in place" : ", by a rollout");
	if (!changes_any(&plan->changes))
		refusal_set(&plan->refusal, "no_change",
			"The limits already are as far as this step may go.");
	else if (pod && plan_observed(question) && !question->observation->resizes)
		refusal_set(&plan->refusal, "no_resize",
			"The server cannot resize a pod in place; name its workload as target to "
			"change it by a rollout.");
	else if (plan_observed(question))
		check_requests(plan, question->observation);
}

static void describe(struct words *words, const struct command *command)
{
	bool requests = false;
	const char *comma = " ";

	for (unsigned i = 0; i < command->changes.count; i++)
		requests = requests || command->changes.list[i].field == CHANGE_MEMORY_REQUEST ||
			command->changes.list[i].field == CHANGE_CPU_REQUEST;
	words_add(words, "set %s of ", requests ? "resources" : "limits");
	words_add_target(words, &command->target);
	if (*command->target.container)
		words_add(words, " container %s", command->target.container);
	words_add(words, ":");
	for (unsigned i = 0; i < command->changes.count; i++) {
		const struct change *change = &command->changes.list[i];
		enum change_unit unit = change_field_unit(change->field);
		char before[32], after[32];

		change_value_write(unit, change->before, before, sizeof(before));
		change_value_write(unit, change->after, after, sizeof(after));
		words_add(words, "%s%s %s -> %s", comma,
			requests                     ? change_field_words(change->field)
				: unit == UNIT_BYTES ? "memory"
						     : "cpu",
			before, after);
		comma = ", ";
	}
	if (command->target.kind == TARGET_POD)
		words_add(words, ", in place");
}

/* ---- on the cluster ---- */

static enum status check(const struct command *command, struct error *error)
{
	for (unsigned i = 0; i < command->changes.count; i++)
		if (command->changes.list[i].after <= 0)
			return error_set(error, STATUS_BAD_INPUT, "no limit to set");
	return command->changes.count ? STATUS_OK
				      : error_set(error, STATUS_BAD_INPUT, "no limit to set");
}

/* "limits":{"memory":"768Mi","cpu":"1500m"}, and the comma behind what stands before; back: the values
 * before the change. */
static const char *add_values(struct buf *body, const struct changes *changes, const char *name,
	enum change_field memory, enum change_field cpu, bool back, const char *comma)
{
	const enum change_field fields[] = {memory, cpu};
	const char *inner = "";

	if (!changes_find(changes, memory) && !changes_find(changes, cpu))
		return comma;
	buf_printf(body, "%s\"%s\":{", comma, name);
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		const struct change *change = changes_find(changes, fields[i]);
		char value[32];

		if (!change)
			continue;
		change_value_write(change_field_unit(fields[i]),
			back ? change->before : change->after, value, sizeof(value));
		buf_printf(body, "%s\"%s\":\"%s\"", inner, i == 0 ? "memory" : "cpu", value);
		inner = ",";
	}
	buf_add_char(body, '}');
	return ",";
}

/* "containers":[...] of a pod's spec. */
static void add_container(struct buf *body, const struct sending *sending, bool back)
{
	const struct changes *changes = &sending->command->changes;
	const char *comma;

	buf_add_text(body, "\"containers\":[{\"name\":");
	buf_add_json_string(body, sending->container, strlen(sending->container));
	buf_add_text(body, ",\"resources\":{");
	comma = add_values(body, changes, "limits", CHANGE_MEMORY_LIMIT, CHANGE_CPU_LIMIT, back,
		"");
	add_values(body, changes, "requests", CHANGE_MEMORY_REQUEST, CHANGE_CPU_REQUEST, back,
		comma);
	buf_add_text(body, "}}]");
}

static void write_body(struct buf *body, const struct sending *sending)
{
	bool pod = sending->object.kind == TARGET_POD;

	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_add_text(body, pod ? ",\"spec\":{" : ",\"spec\":{\"template\":{\"spec\":{");
	add_container(body, sending, false);
	buf_add_text(body, pod ? "}}" : "}}}}");
}

static bool value_of(const json_t *container, enum change_field field, int64_t *value)
{
	bool limit = field == CHANGE_MEMORY_LIMIT || field == CHANGE_CPU_LIMIT;
	bool memory = field == CHANGE_MEMORY_LIMIT || field == CHANGE_MEMORY_REQUEST;
	int64_t memory_bytes, cpu_milli;
	struct error error;

	if ((limit ? kube_limits(container, &memory_bytes, &cpu_milli, &error)
		   : kube_requests(container, &memory_bytes, &cpu_milli, &error)) != STATUS_OK)
		return false;
	*value = memory ? memory_bytes : cpu_milli;
	return true;
}

static bool values_are(const struct sending *sending, const json_t *object, bool after)
{
	const json_t *container = kube_container(object, sending->object.kind, sending->container);

	return container != NULL &&
		object_has(container, &sending->command->changes, after, value_of);
}

static bool is_wanted(const struct sending *sending, const json_t *object)
{
	return values_are(sending, object, true);
}

static bool is_judged(const struct sending *sending, const json_t *object)
{
	return values_are(sending, object, false);
}

static enum status prepare(struct sending *sending, struct error *error)
{
	if (sending->object.kind == TARGET_POD)
		sending->subresource = "/resize";
	return prepare_container(sending, error);
}

/* ---- in place: what the kubelet makes of it ---- */

/* What the kubelet runs the container with; NULL: it does not tell. */
static const json_t *container_state(const json_t *pod, const char *name)
{
	const json_t *states = kube_get(pod, "status", "containerStatuses", NULL), *state;
	size_t i;

	json_array_foreach(states, i, state)
	{
		const char *own = json_string_value(json_object_get(state, "name"));

		if (own != NULL && strcmp(own, name) == 0)
			return state;
	}
	return NULL;
}

static const json_t *condition(const json_t *pod, const char *type)
{
	const json_t *list = kube_get(pod, "status", "conditions", NULL), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *own = json_string_value(json_object_get(item, "type"));
		const char *status = json_string_value(json_object_get(item, "status"));

		if (own != NULL && strcmp(own, type) == 0 && status != NULL &&
			strcmp(status, "True") == 0)
			return item;
	}
	return NULL;
}

static const char *reason_of(const json_t *item)
{
	const char *reason = json_string_value(json_object_get(item, "reason"));

	return reason != NULL ? reason : "";
}

/* STATUS_OK: done. STATUS_BUSY: not yet. Else: it will not be done. */
static enum status judge_resize(struct sending *sending, const json_t *pod, struct error *error)
{
	const json_t *pending = condition(pod, "PodResizePending");
	const json_t *running = condition(pod, "PodResizeInProgress");
	const json_t *state = container_state(pod, sending->container);
	const char *message;

	if (strcmp(kube_uid(pod), sending->object.uid) != 0 || kube_terminating(pod))
		return error_set(error, STATUS_CONFLICT, "the pod is gone, or going");
	message =
		json_string_value(json_object_get(pending != NULL ? pending : running, "message"));
	if (pending != NULL && strcmp(reason_of(pending), "Infeasible") == 0)
		return error_set(error, STATUS_BAD_INPUT, "the resize cannot be done: %.200s",
			message != NULL ? message : "infeasible");
	if (running != NULL && strcmp(reason_of(running), "Error") == 0)
		return error_set(error, STATUS_BAD_INPUT, "the resize failed: %.200s",
			message != NULL ? message : "");
	if (pending == NULL && running == NULL && state != NULL &&
		object_has(state, &sending->command->changes, true, value_of))
		return STATUS_OK;
	snprintf(sending->progress, sizeof(sending->progress), "the resize is %s",
		pending != NULL ? "deferred" : "under way");
	return STATUS_BUSY;
}

static enum status await_resize(struct sending *sending, int64_t *again_ms, struct error *error)
{
	json_t *pod;
	enum status status = sending_read(sending, &pod, error);

	/* A look that failed says nothing of the resize; what it is asked again for ends in time. */
	if (status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT || status == STATUS_BUSY)
		status = STATUS_BUSY;
	else if (status == STATUS_OK)
		status = judge_resize(sending, pod, error);
	json_decref(pod);
	*again_ms = RESIZE_LOOK_MS;
	return status;
}

/* What the kubelet will not do must not stay in the specification until it can. */
static void take_back(struct sending *sending, enum status status, struct error *error)
{
	struct error failed;
	struct buf path, body;

	(void)error;
	if (status == STATUS_OK || !sending->waits)
		return;
	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	buf_add_text(&body, "{\"metadata\":{\"uid\":");
	buf_add_json_string(&body, sending->object.uid, strlen(sending->object.uid));
	buf_add_text(&body, "},\"spec\":{");
	add_container(&body, sending, true);
	buf_add_text(&body, "}}");
	if (kube_object_path(&path, TARGET_POD, sending->command->target.namespace_name,
		    sending->object.name, &failed) == STATUS_OK) {
		buf_add_text(&path, sending->subresource);
		sending_add_query(&path, sending);
		/* It is as it was: the change is surely not done. */
		if (buf_ok(&path) && buf_ok(&body) &&
			sending_call(sending, KUBE_PATCH, path.data, STRATEGIC_PATCH, body.data,
				NULL, &failed) == STATUS_OK)
			sending->sent = false;
	}
	buf_fini(&path);
	buf_fini(&body);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = STRATEGIC_PATCH,
	.targets = TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD),
	.check = check,
	.prepare = prepare,
	.write_body = write_body,
	.is_wanted = is_wanted,
	.is_judged = is_judged,
	.await_targets = TARGET_BIT(TARGET_POD),
	.await = await_resize,
	.end = take_back,
};

static const struct action_need needs[] = {
	{"", "pods/resize", "patch", TARGET_BIT(TARGET_POD), "resizes the pod in place", false},
	NEED_WORKLOADS("patch", "writes the pod template", false),
	{KUBE_VERTICAL_GROUP, "verticalpodautoscalers", "list",
		TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD),
		"whether a VerticalPodAutoscaler sets them, where it is installed", true},
};

static const char *const keys[] = {"memory", "ceiling", "floor", "cpu", "cpu_ceiling", "cpu_floor",
	"memory_request", "memory_request_ceiling", "memory_request_floor", "cpu_request",
	"cpu_request_ceiling", "cpu_request_floor", NULL};

const struct action_class action_adjust_resources = {
	.name = "adjust_resources",
	.disruptive = true,
	.destructive = true,
	.writes_resources = true,
	.writes_manifest = true,
	.targets = TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD),
	.looks = LOOK_RESIZE | LOOK_VERTICAL,
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.inverse = true,
	.applied = applied_by_values,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
