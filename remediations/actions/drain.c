/*
 * drain: a node is cordoned and its pods are evicted, through their disruption budgets.
 *
 *   look at the pods (one forbids it: nothing is done) -> cordon -> evict and look, again and again
 *     -> no pod is left: done
 *     -> its time is over, or the API server refuses: failed, and uncordoned if it was us
 *
 * Which pods go says drain_pods.h. Each eviction has the pod's uid as precondition, and what is left is
 * read from the cluster before each round, so that a restart in the middle goes on where it stopped:
 * the mark on the node tells that this action cordoned it. A service that ends leaves the node
 * cordoned for its next start. Its inverse uncordons the node; evicted pods do not come back by that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "remediations/actions/shapes.h"
#include "remediations/drain_pods.h"
#include "remediations/kube_list.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

#define TIME_DEFAULT_MS (15 * 60000)
#define TIME_MIN_MS 60000
#define TIME_MAX_MS (4 * 3600000)
#define LOOK_AGAIN_MS 1000
#define UNCORDON_TRIES 3
/* An API server that has just started says no to all until it has read its roles. */
#define STARTUP_NS INT64_C(30000000000)

/* Of one drain under way. */
struct draining {
	bool cordoned, ours; /* the node is cordoned; by this action */
	bool forbidden;      /* a pod forbids it */
	unsigned most;       /* pods that were left at most */
	int64_t evict_ns;    /* monotonic: budgets are asked again then */
	int64_t refused_ns; /* monotonic: since when the list of pods, which was given before, is not; 0 */
};

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	step->options.time_ms = TIME_DEFAULT_MS;
	yaml_read_duration(reading->at, reading->map, "deadline", false, TIME_MIN_MS, TIME_MAX_MS,
		&step->options.time_ms);
	yaml_read_bool(reading->at, reading->map, "delete_local_data", false,
		&step->options.local_data);
	yaml_read_bool(reading->at, reading->map, "delete_unowned", false, &step->options.unowned);
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct observation *seen = question->observation;
	bool cordoned = plan_observed(question) && seen->unschedulable;
	char text[120], budgets[110];

	changes_set(&plan->changes, CHANGE_UNSCHEDULABLE, cordoned, 1);
	snprintf(plan->words, sizeof(plan->words), "cordon the node and evict its pods");
	if (!plan_observed(question))
		return;
	if (!seen->drain_seen) {
		if (seen->found)
			refusal_set(&plan->refusal, "pods_unknown",
				"The cluster does not tell which pods run on the node.");
		return;
	}
	drain_write(&seen->drain, text, sizeof(text));
	drain_budgets_write(&seen->budgets, budgets, sizeof(budgets));
	snprintf(plan->words, sizeof(plan->words), "%s%s%s", cordoned ? "" : "cordon the node, ",
		text, budgets);
	if (*drain_word_reason(seen->drain.forbidden) != '\0') {
		char why[320];

		drain_write_refusal(&seen->drain, why, sizeof(why));
		refusal_set(&plan->refusal, drain_word_reason(seen->drain.forbidden), "%s", why);
	} else if (cordoned && drain_left(&seen->drain) == 0) {
		refusal_set(&plan->refusal, "no_change",
			"The node is cordoned, and no pod is left to be evicted.");
	} else if (*seen->budgets.twice != '\0') {
		refusal_set(&plan->refusal, "drain_two_budgets",
			"Pod %s is under more than one PodDisruptionBudget: the API server does not "
			"evict such a pod.",
			seen->budgets.twice);
	}
}

static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)target;
	if (changes_after(&plan->changes, CHANGE_UNSCHEDULABLE, 1) == 0)
		return !observation->unschedulable;
	if (!observation->drain_seen)
		return observation->unschedulable ? -1 : 0;
	if (observation->unschedulable && drain_left(&observation->drain) == 0)
		return 1;
	return observation->unschedulable && *action_id != '\0' &&
			strcmp(observation->cordoned_by, action_id) == 0
		? APPLIED_BEGUN
		: 0;
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words,
		changes_after(&command->changes, CHANGE_UNSCHEDULABLE, 1) ? "drain " : "uncordon ");
	words_add_target(words, &command->target);
}

/* ---- its pods ---- */

static enum status walk_pods(struct kube_session *session, const char *node, kube_page_fn *page,
	void *argument, struct error *error)
{
	struct buf path;
	enum status status;

	if (!kube_name_valid(node))
		return error_set(error, STATUS_BAD_INPUT, "\"%.100s\" can be no name of a Node",
			node);
	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3D");
	kube_path_escape(&path, node);
	status = buf_ok(&path) ? kube_list_read(session, path.data, "pods", page, argument, error)
			       : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status;
}

/* The name of our own pod, where we run in one. */
static const char *own_pod(void)
{
	static _Thread_local char name[256];

	if (gethostname(name, sizeof(name) - 1) != 0)
		*name = '\0';
	return name;
}

static struct drain_rules rules_of(const struct action_options *options)
{
	return (struct drain_rules){.local_data = options->local_data,
		.unowned = options->unowned,
		.own_pod = own_pod()};
}

struct counting {
	struct drain_view *view;
	struct drain_budgets *budgets;
	struct drain_rules rules;
	struct drain_crowd crowd;
};

static enum status count_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	const json_t *items = json_object_get(list, "items");
	struct counting *counting = argument;
	json_t *pod;
	size_t i;

	(void)enough;
	(void)error;
	drain_add(counting->view, list, &counting->rules);
	json_array_foreach(items, i, pod)
	{
		if (drain_judge(pod, &counting->rules) == DRAIN_EVICT)
			drain_crowd_add(&counting->crowd, pod);
	}
	return STATUS_OK;
}

static enum status budgets_page(void *argument, const json_t *list, bool *enough,
	struct error *error)
{
	struct counting *counting = argument;

	(void)enough;
	(void)error;
	drain_budgets_add(counting->budgets, &counting->crowd, list);
	return STATUS_OK;
}

static enum status look(struct kube_session *session, const struct target *target,
	const struct purpose *purpose, struct observation *observation, struct error *error)
{
	struct counting *counting = mem_zalloc(1, sizeof(*counting));
	enum status status;

	if (counting == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the pods of a node");
	counting->view = &observation->drain;
	counting->budgets = &observation->budgets;
	counting->rules = rules_of(&purpose->options);
	status = walk_pods(session, target->name, count_page, counting, error);
	/* What holds up a drain that has begun is told by its evictions. */
	if (status == STATUS_OK && !purpose->begun) {
		status = kube_list_read(session, "/apis/policy/v1/poddisruptionbudgets?limit=500",
			"poddisruptionbudgets", budgets_page, counting, error);
		/* A server without this API has no budgets. */
		if (status == STATUS_NOT_FOUND)
			status = STATUS_OK;
	}
	drain_crowd_fini(&counting->crowd);
	mem_free(counting);
	observation->drain_seen = status == STATUS_OK;
	return status;
}

/* ---- the node ---- */

/* What is to be tried again, and not given up. */
static bool is_passing(enum status status)
{
	return status == STATUS_BUSY || status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT ||
		status == STATUS_IO || status == STATUS_CONFLICT;
}

static enum status read_node(struct sending *sending, json_t **node, struct error *error)
{
	enum status status = sending_read(sending, node, error);

	if (status != STATUS_OK)
		return status;
	if (strcmp(kube_uid(*node), sending->object.uid) == 0 &&
		strlen(kube_resource_version(*node)) < sizeof(sending->object.resource_version)) {
		snprintf(sending->object.resource_version, sizeof(sending->object.resource_version),
			"%s", kube_resource_version(*node));
		return STATUS_OK;
	}
	json_decref(*node);
	*node = NULL;
	return error_set(error, STATUS_NOT_FOUND, "it is another node by now");
}

/* Writes as the command says, or with `back` the other way round. */
static enum status patch_node(struct sending *sending, bool back, struct error *error)
{
	struct command turned = *sending->command;
	struct sending writing = *sending;
	struct buf path, body;
	enum status status;

	if (back)
		changes_set(&turned.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	writing.command = &turned;
	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	status = kube_object_path(&path, TARGET_NODE, "", sending->object.name, error);
	sending_add_query(&path, sending);
	write_cordon_body(&body, &writing);
	if (status == STATUS_OK && (!buf_ok(&path) || !buf_ok(&body)))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK)
		status = sending_call(sending, KUBE_PATCH, path.data, MERGE_PATCH, body.data, NULL,
			error);
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

static enum status cordon(struct sending *sending, struct draining *draining, struct error *error)
{
	json_t *node;
	enum status status = read_node(sending, &node, error);

	if (status != STATUS_OK)
		return status;
	draining->cordoned = json_is_true(kube_get(node, "spec", "unschedulable", NULL));
	draining->ours = draining->cordoned && cordoned_by_us(node, sending->command->action_id);
	json_decref(node);
	if (draining->cordoned)
		return STATUS_OK;
	status = patch_node(sending, false, error);
	draining->cordoned = draining->ours = status == STATUS_OK;
	return status;
}

/* ---- rounds ---- */

struct round {
	struct sending *sending;
	struct drain_view view;
	struct drain_rules rules;
	unsigned asked, blocked;
	bool evict;
};

static enum status evict(struct round *round, const json_t *pod, struct error *error)
{
	const char *namespace_name =
		json_string_value(kube_get(pod, "metadata", "namespace", NULL));
	const char *name = json_string_value(kube_get(pod, "metadata", "name", NULL));
	bool budget = false;
	enum status status =
		sending_evict(round->sending, namespace_name, name, kube_uid(pod), &budget, error);

	round->asked++;
	round->blocked += status == STATUS_BUSY && budget;
	/* Gone, or another one of its name: the next round sees what there is. Two budgets for one pod
	 * are an error of people that the server tells with 500, which is asked again until the end. */
	if (status == STATUS_OK || status == STATUS_NOT_FOUND || is_passing(status))
		return STATUS_OK;
	return error_prefix(error, "pod %.63s/%.200s", namespace_name, name);
}

static enum status round_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	const json_t *items = json_object_get(list, "items"), *pod;
	struct round *round = argument;
	size_t i;

	(void)enough;
	drain_add(&round->view, list, &round->rules);
	if (round->view.forbidden != DRAIN_EVICT) {
		char why[320];

		drain_write_refusal(&round->view, why, sizeof(why));
		return error_set(error, STATUS_CONFLICT, "%s", why);
	}
	if (!round->evict)
		return STATUS_OK;
	json_array_foreach(items, i, pod)
	{
		enum status status = STATUS_OK;

		if (drain_judge(pod, &round->rules) == DRAIN_EVICT)
			status = evict(round, pod, error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static void tell_progress(struct sending *sending, const struct draining *draining,
	const struct round *round)
{
	unsigned left = drain_left(&round->view);
	struct words words;

	words_init(&words, sending->progress, sizeof(sending->progress));
	words_add(&words, "%u of %u pods are gone", draining->most - left, draining->most);
	if (round->blocked > 0)
		words_add(&words, ", %u wait for their disruption budget", round->blocked);
}

/* Whether the no may be one of a server that starts: the list was given to this drain before. */
static bool may_be_starting(struct draining *draining, const struct round *round,
	enum status status)
{
	int64_t now_ns = clock_mono_ns(clock_system());

	if (status != STATUS_FORBIDDEN || !draining->cordoned || round->asked > 0) {
		draining->refused_ns = 0;
		return false;
	}
	if (draining->refused_ns == 0)
		draining->refused_ns = now_ns;
	return now_ns - draining->refused_ns < STARTUP_NS;
}

/* One look at the pods, with evictions when budgets may be asked. *left: what must still go. */
static enum status go_round(struct sending *sending, struct draining *draining, bool evict_them,
	unsigned *left, struct error *error)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	struct round round = {.sending = sending,
		.rules = rules_of(&sending->command->options),
		.evict = evict_them && now_ns >= draining->evict_ns};
	enum status status =
		walk_pods(sending->session, sending->object.name, round_page, &round, error);

	draining->forbidden = round.view.forbidden != DRAIN_EVICT;
	if (may_be_starting(draining, &round, status))
		return STATUS_BUSY; /* with the words of the no */
	if (status != STATUS_OK)
		return status;
	*left = drain_left(&round.view);
	if (*left > draining->most)
		draining->most = *left;
	if (round.blocked > 0)
		draining->evict_ns = now_ns + EVICTION_AGAIN_MS * INT64_C(1000000);
	if (evict_them && (round.evict || *left == 0))
		tell_progress(sending, draining, &round);
	return STATUS_OK;
}

static enum status begin(struct sending *sending, struct draining *draining, struct error *error)
{
	unsigned left = 0;
	enum status status = go_round(sending, draining, false, &left, error);

	return status == STATUS_OK ? cordon(sending, draining, error) : status;
}

static enum status go_on(struct sending *sending, int64_t *again_ms, struct error *error)
{
	struct draining *draining = sending->state;
	unsigned left = 1;
	enum status status;

	if (changes_after(&sending->command->changes, CHANGE_UNSCHEDULABLE, 1) == 0)
		return patch_node(sending, false, error);
	if (draining == NULL)
		draining = sending->state = mem_zalloc(1, sizeof(*draining));
	if (draining == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a drain");
	status = draining->cordoned ? STATUS_OK : begin(sending, draining, error);
	if (status == STATUS_OK)
		status = go_round(sending, draining, true, &left, error);
	if (status == STATUS_OK && (left == 0 || sending->command->server_dry_run))
		return STATUS_OK;
	if (status != STATUS_OK && (draining->forbidden || !is_passing(status)))
		return status;
	if (status != STATUS_OK)
		snprintf(sending->progress, sizeof(sending->progress), "%.120s", error->text);
	*again_ms = LOOK_AGAIN_MS;
	return STATUS_BUSY;
}

/* The node as it was, if this action cordoned it. */
static enum status uncordon(struct sending *sending, bool *was_ours, struct error *error)
{
	enum status status = STATUS_CONFLICT;

	*was_ours = false;
	for (int i = 0; i < UNCORDON_TRIES && status == STATUS_CONFLICT; i++) {
		json_t *node;

		status = read_node(sending, &node, error);
		if (status != STATUS_OK)
			return status;
		*was_ours = json_is_true(kube_get(node, "spec", "unschedulable", NULL)) &&
			cordoned_by_us(node, sending->command->action_id);
		json_decref(node);
		if (!*was_ours)
			return STATUS_OK;
		status = patch_node(sending, true, error);
	}
	return status;
}

static void end(struct sending *sending, enum status status, struct error *error)
{
	bool cordons = changes_after(&sending->command->changes, CHANGE_UNSCHEDULABLE, 1) != 0;
	struct draining *draining = sending->state;
	struct error why;
	bool ours;

	sending->state = NULL;
	if (status == STATUS_UNAVAILABLE) {
		/* The service ends: the next start finds the mark and goes on. */
		sending->sent = draining != NULL && draining->ours;
	} else if (cordons && status != STATUS_OK) {
		char told[ERROR_TEXT_MAX];

		snprintf(told, sizeof(told), "%.380s", error->text);
		status = uncordon(sending, &ours, &why);
		/* Which pods have gone the cluster tells; what is left of the drain is known. */
		sending->sent = false;
		if (status != STATUS_OK)
			error_set(error, error->code,
				"%s; the node stays cordoned, for it could not be uncordoned",
				told);
		else if (ours)
			error_set(error, error->code, "%s; the node was uncordoned", told);
	}
	mem_free(draining);
}

static const struct kube_action kube = {
	.targets = TARGET_BIT(TARGET_NODE),
	.look = look,
	.go_on = go_on,
	.end = end,
};

static const struct action_need needs[] = {
	{"", "nodes", "patch", TARGET_BIT(TARGET_NODE), "writes whether pods may be scheduled",
		false},
	{"", "pods/eviction", "create", TARGET_BIT(TARGET_NODE),
		"evicts the pod, with its uid as precondition", false},
	{"", "pods", "list", TARGET_BIT(TARGET_NODE), "the pods of the node", true},
	{"policy", "poddisruptionbudgets", "list", TARGET_BIT(TARGET_NODE),
		"which budgets would hold it up", true},
};

static const char *const keys[] = {"deadline", "delete_local_data", "delete_unowned", NULL};

const struct action_class action_drain = {
	.name = "drain",
	.cordons = true,
	.disruptive = true,
	.destructive = true,
	.targets = TARGET_BIT(TARGET_NODE),
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.inverse = true,
	.resumes = true,
	.alone = true,
	.applied = applied,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
