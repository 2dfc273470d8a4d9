/*
 * adjust_resources: limits and requests of one container.
 *
 *   of a workload   in place, pod by pod (resize_pods.c), or in the pod template, which rolls all
 *                   pods; only the latter stays
 *   of a pod        in place
 *
 * In place is through pods/resize, where the server has it (Kubernetes 1.33): nothing is restarted unless
 * the container asks for it, and the next pod has the template's values again. The plan's words tell which of
 * them it will be. A resize is the kubelet's to do: it is awaited, and taken back when the kubelet says that
 * it cannot be done or the time is over; of a workload that may be rolled out it is planned anew as a rollout
 * then, which the guard judges for itself.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/resize.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"
#include "remediations/kube_vertical.h"
#include "remediations/words.h"

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

/* Of a pod there is no other way. */
static void read_in_place(const struct step_reading *reading, struct playbook_step *step)
{
	static const char *const words[] = {
#define X(way, word) #word,
		IN_PLACE_TABLE(X)
#undef X
			NULL};
	int way = IN_PLACE_PREFER;

	if (reading->playbook->target.kind == TARGET_POD) {
		step->options.time_ms = RESIZE_WAIT_MS;
		if (yaml_get(reading->map, "in_place") != NULL)
			yaml_report(reading->at, yaml_get(reading->map, "in_place"),
				"in_place is for workloads: a pod is always resized in place");
		return;
	}
	yaml_read_choice(reading->at, reading->map, "in_place", false, words, &way);
	step->options.in_place = (enum in_place)way;
}

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
	read_in_place(reading, step);
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

/* Of the pods that are to be resized, which are alike; else of the target. */
static void seen_value(const struct plan *plan, const struct observation *observation,
	enum change_field field, int64_t *value)
{
	if (plan->options.by_resize)
		resize_pod_value(&observation->resize.pods[0], field, value);
	else
		observation_value(observation, field, value);
}

/* The value as it is; false, and the plan refused, when it is not known or none is set. */
static bool value_before(struct plan *plan, const struct plan_question *question,
	const struct step_change *change, int64_t *before)
{
	*before = 0;
	if (plan_observed(question)) {
		seen_value(plan, question->observation, change->field, before);
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

		seen_value(plan, observation, pairs[i][0], &request);
		seen_value(plan, observation, pairs[i][1], &limit);
		request = changes_after(&plan->changes, pairs[i][0], request);
		limit = changes_after(&plan->changes, pairs[i][1], limit);
		if (limit > 0 && request > limit)
			refusal_set(&plan->refusal, "request_above_limit",
				"The %s would be above the %s.", change_field_words(pairs[i][0]),
				change_field_words(pairs[i][1]));
	}
}

/* One plan has one value before. */
static bool pods_are_alike(const struct resize_view *view, const struct playbook_step *step)
{
	for (unsigned i = 0; i < step->change_count; i++) {
		int64_t first = 0, own = 0;

		if (step->changes[i].amount.kind == AMOUNT_NONE)
			continue;
		resize_pod_value(&view->pods[0], step->changes[i].field, &first);
		for (unsigned k = 1; k < view->count; k++) {
			resize_pod_value(&view->pods[k], step->changes[i].field, &own);
			if (own != first)
				return false;
		}
	}
	return true;
}

static bool any_pending(const struct resize_view *view)
{
	for (unsigned i = 0; i < view->count; i++)
		if (view->pods[i].pending)
			return true;
	return false;
}

/* Why the workload cannot be resized in place as it is; NULL: it can. */
static const char *resize_hindrance(const struct plan_question *question)
{
	const struct observation *seen = question->observation;
	const struct resize_view *view = &seen->resize;

	if (question->resize_failed)
		return "it was tried, and could not be done";
	if (!seen->resizes)
		return "the server cannot do it";
	if (!view->looked)
		return "its pods cannot be told";
	if (view->too_many)
		return "it has more pods than are resized one by one";
	if (seen->rolling_out)
		return "a rollout is under way";
	if (view->count == 0 || view->idle > 0)
		return view->count == 0 ? "no pod of it runs" : "not all of its pods run";
	if (any_pending(view))
		return "a resize is under way";
	return pods_are_alike(view, question->step) ? NULL : "its pods differ";
}

/* Whether a workload is resized or rolled out, before anything else of the plan. */
static void choose_way(struct plan *plan, const struct plan_question *question)
{
	enum in_place way = plan->options.in_place;
	const char *hindrance;

	plan->options.resize_failed = question->resize_failed;
	if (way == IN_PLACE_NEVER || !plan_observed(question))
		return;
	hindrance = resize_hindrance(question);
	if (hindrance != NULL) {
		if (way == IN_PLACE_REQUIRE)
			refusal_set(&plan->refusal, "no_resize",
				"It cannot be resized in place: %s.", hindrance);
		return;
	}
	plan->options.by_resize = true;
	plan->options.time_ms = RESIZE_ALL_MS;
	plan->pods.count = question->observation->resize.count;
	for (unsigned i = 0; i < plan->pods.count; i++)
		memcpy(plan->pods.uids[i], question->observation->resize.pods[i].uid,
			RESIZE_UID_MAX);
}

/* Told beforehand: what restarts, and what stays. */
static void add_way(struct plan *plan, const struct plan_question *question)
{
	struct words words;
	char changes[sizeof(plan->words)];

	memcpy(changes, plan->words, sizeof(changes));
	words_init(&words, plan->words, sizeof(plan->words));
	words_add(&words, "%s", changes);
	if (question->target->kind == TARGET_POD) {
		words_add(&words, ", in place");
		return;
	}
	if (!plan->options.by_resize) {
		words_add(&words, ", by a rollout%s",
			plan->options.resize_failed ? ", as it could not be done in place" : "");
		return;
	}
	words_add(&words, ", in place in %u pod%s%s", plan->pods.count,
		plan->pods.count == 1 ? "" : "s",
		question->observation->updates_on_delete ? " and in the template"
							 : ", until the next rollout");
	if (plan->options.in_place == IN_PLACE_PREFER)
		words_add(&words, "; else by a rollout");
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	bool pod = question->target->kind == TARGET_POD;
	int64_t before[CHANGES_MAX];

	choose_way(plan, question);
	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE &&
			!value_before(plan, question, &step->changes[i], &before[i]))
			return;
	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE)
			plan_add_change(plan, &step->changes[i], before[i], 0);
	changes_write(&plan->changes, plan->words, sizeof(plan->words));
	add_way(plan, question);
	if (*plan->refusal.reason)
		return;
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
	if (command->target.kind == TARGET_POD || command->options.by_resize)
		words_add(words, ", in place");
	if (command->options.by_resize)
		words_add(words, " in %u pod%s", command->pods.count,
			command->pods.count == 1 ? "" : "s");
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

static void write_body(struct buf *body, const struct sending *sending)
{
	bool pod = sending->object.kind == TARGET_POD;

	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_add_text(body, pod ? ",\"spec\":{" : ",\"spec\":{\"template\":{\"spec\":{");
	resize_add_container(body, sending, false);
	buf_add_text(body, pod ? "}}" : "}}}}");
}

static bool values_are(const struct sending *sending, const json_t *object, bool after)
{
	const json_t *container = kube_container(object, sending->object.kind, sending->container);

	return container != NULL &&
		object_has(container, &sending->command->changes, after, resize_value);
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

static enum status await_resize(struct sending *sending, int64_t *again_ms, struct error *error)
{
	json_t *pod;
	enum status status = sending_read(sending, &pod, error);

	/* A look that failed says nothing of the resize; what it is asked again for ends in time. */
	if (status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT || status == STATUS_BUSY)
		status = STATUS_BUSY;
	else if (status == STATUS_OK)
		status = resize_judge(sending, pod, sending->object.uid, error);
	json_decref(pod);
	*again_ms = RESIZE_LOOK_MS;
	return status;
}

/* What the kubelet will not do must not stay in the specification until it can. */
static void take_back(struct sending *sending, enum status status, struct error *error)
{
	struct error failed;

	(void)error;
	/* It is as it was then: the change is surely not done. */
	if (status != STATUS_OK && sending->waits &&
		resize_patch(sending, sending->object.name, sending->object.uid, "", true,
			&failed) == STATUS_OK)
		sending->sent = false;
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
	.look = resize_look,
	.await_targets = TARGET_BIT(TARGET_POD),
	.await = await_resize,
	.end = take_back,
};

static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	return plan->options.by_resize ? resize_applied(plan, observation)
				       : applied_by_values(plan, target, action_id, observation);
}

#define PODS_SEEN "which pods would be resized in place"

static const struct action_need needs[] = {
	{"", "pods/resize", "patch", TARGET_BIT(TARGET_POD), "resizes the pod in place", false},
	{"", "pods/resize", "patch", TARGETS_WORKLOAD, "resizes its pods in place", false},
	{"", "pods/resize", "patch", TARGETS_WORKLOAD, NEED_IN_PLACE, false},
	{"", "pods", "get", TARGETS_WORKLOAD, "what their kubelets say of the resize", false},
	{"", "pods", "get", TARGETS_WORKLOAD, NEED_IN_PLACE, false},
	{"", "pods", "list", TARGETS_WORKLOAD, PODS_SEEN, true},
	{"", "pods", "list", TARGETS_WORKLOAD, NEED_IN_PLACE, true},
	{"apps", "replicasets", "get", TARGET_BIT(TARGET_DEPLOYMENT), PODS_SEEN, true},
	{"apps", "replicasets", "get", TARGET_BIT(TARGET_DEPLOYMENT), NEED_IN_PLACE, true},
	NEED_WORKLOADS("patch", "writes the pod template", false),
	{KUBE_VERTICAL_GROUP, "verticalpodautoscalers", "list",
		TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD),
		"whether a VerticalPodAutoscaler sets them, where it is installed", true},
};

static bool is_needed(const struct action_need *need, const struct action_options *options)
{
	bool of_pods = strcmp(need->resource, "pods") == 0 ||
		strcmp(need->resource, "pods/resize") == 0 ||
		strcmp(need->resource, "replicasets") == 0;

	/* A Deployment that is never rolled out keeps its template; others' comes along (OnDelete). */
	if (strcmp(need->resource, "deployments") == 0)
		return options->in_place != IN_PLACE_REQUIRE;
	if (!of_pods || (need->targets & TARGET_BIT(TARGET_POD)) != 0)
		return true;
	if (options->in_place == IN_PLACE_NEVER)
		return false;
	return (strcmp(need->reason, NEED_IN_PLACE) == 0) == (options->in_place == IN_PLACE_PREFER);
}

static const char *const keys[] = {"memory", "ceiling", "floor", "cpu", "cpu_ceiling", "cpu_floor",
	"memory_request", "memory_request_ceiling", "memory_request_floor", "cpu_request",
	"cpu_request_ceiling", "cpu_request_floor", "in_place", NULL};

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
	.applied = applied,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.kube_by_resize = &resize_pods,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
	.is_needed = is_needed,
};
