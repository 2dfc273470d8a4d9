/*
 * One playbook from its YAML document. Each reader below takes a node, stores what it understood
 * and reports what it did not, so that one run tells all that is wrong with a file.
 *
 * What is checked beyond form: a step that changes the cluster needs a way to verify it; a relative
 * raise needs its end; what makes a workload smaller needs a condition; guard values may only be
 * stricter than the service's; the wait before verification should cover the alert's look-back.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"
#include "remediations/playbook_step.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

#define PROPOSAL_FOR_MAX_MS (30 * 60000) /* a blocked incident is given up after an hour */

struct reading {
	struct yaml_reader at;
	struct playbook *playbook;
	const struct guard_limits *limits;
	int64_t range_ms, for_ms; /* of the rule behind the trigger */
	bool fits_everything;     /* a list of matchers is empty */
};

static const char *const role_words[] = {
#define X(role, name, unit) name,
	ROLE_TABLE(X)
#undef X
		NULL,
};

static const char *const mode_words[] = {
#define X(mode, name) name,
	MODE_TABLE(X)
#undef X
		NULL,
};

/* In the order of enum signal_fold. */
static const char *const fold_words[] = {"newest", "mean", "min", "max", "increase", "peak", NULL};
static const char *const side_words[] = {"below", "above", NULL};
static const char *const hand_over_words[] = {"none", "ticket", NULL};

static const char *const target_words[] = {"Pod", "Workload", "Deployment", "StatefulSet",
	"DaemonSet", "ReplicaSet", "Node", "None", NULL};

static void read_label_name(struct reading *reading, const struct yaml_node *map, const char *key,
	char **name)
{
	const char *value;

	if (!yaml_read_text(&reading->at, map, key, false, &value))
		return;
	if (!label_name_valid(value, strlen(value)))
		yaml_report(&reading->at, yaml_get(map, key), "%s: \"%.60s\" is no label name", key,
			value);
	else if (!*name)
		*name = playbook_copy_text(&reading->at, yaml_get(map, key), value);
}

static void read_name(struct reading *reading, const struct yaml_node *root)
{
	const char *name;
	size_t size;

	if (!yaml_read_text(&reading->at, root, "playbook", true, &name))
		return;
	size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
	if (!*name || name[size] || strlen(name) >= PLAYBOOK_NAME_MAX)
		yaml_report(&reading->at, yaml_get(root, "playbook"),
			"a playbook's name has 1 to %d lower-case letters, digits and dashes, not \"%.60s\"",
			PLAYBOOK_NAME_MAX - 1, name);
	else
		memcpy(reading->playbook->name, name, strlen(name) + 1);
}

/* ---- trigger ---- */

static void read_matchers(struct reading *reading, const struct yaml_node *list,
	enum event_source source)
{
	struct trigger *trigger = &reading->playbook->triggers[source];
	struct error error = {0};

	if (!list)
		return;
	if (list->kind != YAML_LIST) {
		yaml_report(&reading->at, list,
			"%s: a list of matchers is wanted, as in [alertname=\"X\", severity=~\"a|b\"]",
			list->key);
		return;
	}
	trigger->set = true;
	reading->fits_everything = reading->fits_everything || list->child_count == 0;
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *child = list->children[i];

		if (child->kind != YAML_SCALAR)
			yaml_report(&reading->at, child,
				"a matcher is a text like alertname=\"X\"");
		else if (trigger->matchers.count == MATCHERS_MAX)
			yaml_report(&reading->at, child, "more than %d matchers", MATCHERS_MAX);
		else if (matchers_parse_one(&trigger->matchers, child->text, &error))
			yaml_report(&reading->at, child, "%s", error.text);
	}
}

static void read_trigger(struct reading *reading, const struct yaml_node *root)
{
	static const char *const known[] = {"alert", "finding", "proposal", "range", "for", NULL};
	const struct yaml_node *map = yaml_get(root, "trigger");
	bool any = false;

	reading->range_ms = 5 * 60000;
	if (!map) {
		yaml_report(&reading->at, root, "the key \"trigger\" is missing");
		return;
	}
	if (!yaml_check_keys(&reading->at, map, known))
		return;
	for (unsigned i = 0; i <= EVENT_PROPOSAL; i++) {
		enum event_source source = (enum event_source)i;

		read_matchers(reading, yaml_get(map, event_source_name(source)), source);
		any = any || yaml_get(map, event_source_name(source));
	}
	if (!any)
		yaml_report(&reading->at, map, "a trigger has an alert, a finding or a proposal");
	yaml_read_duration(&reading->at, map, "range", false, 1000, 7 * DAY_MS, &reading->range_ms);
	yaml_read_duration(&reading->at, map, "for", false, 0, 7 * DAY_MS, &reading->for_ms);
	if (!reading->playbook->triggers[EVENT_PROPOSAL].set)
		return;
	reading->playbook->proposal_for_ms = reading->for_ms;
	if (reading->for_ms > PROPOSAL_FOR_MAX_MS)
		yaml_report(&reading->at, yaml_get(map, "for"),
			"for: a proposal is held back for 30m at most");
}

/* ---- target ---- */

/* "argoproj.io/v1alpha1 Rollout", and the resource that it is served as where that is another than its
 * plural. */
static void read_custom_kind(struct reading *reading, const struct yaml_node *map,
	const char *words)
{
	const char *resource = NULL;
	struct error error;

	yaml_read_text(&reading->at, map, "resource", false, &resource);
	if (custom_kind_define(words, resource, &reading->playbook->target.kind, &error))
		yaml_report(&reading->at, yaml_get(map, "kind"), "%s", error.text);
}

static void read_target_kind(struct reading *reading, const struct yaml_node *map)
{
	struct target_spec *spec = &reading->playbook->target;
	const struct yaml_node *node = yaml_get(map, "kind");
	int kind;

	if (node && node->kind == YAML_SCALAR && strchr(node->text, ' ')) {
		read_custom_kind(reading, map, node->text);
		return;
	}
	if (yaml_get(map, "resource"))
		yaml_report(&reading->at, yaml_get(map, "resource"),
			"resource: only of a custom resource, as in kind: argoproj.io/v1alpha1 "
			"Rollout");
	if (!yaml_read_choice(&reading->at, map, "kind", true, target_words, &kind))
		return;
	spec->none = !strcmp(target_words[kind], "None");
	spec->any_workload = !strcmp(target_words[kind], "Workload");
	if (!spec->none && !spec->any_workload)
		spec->kind = target_kind_parse(target_words[kind]);
}

static void read_target(struct reading *reading, const struct yaml_node *root)
{
	static const char *const known[] = {"kind", "resource", "labels", "container", NULL};
	static const char *const known_labels[] = {"cluster", "namespace", "name", "kind", NULL};
	const struct yaml_node *map = yaml_get(root, "target"), *labels;
	struct target_spec *spec = &reading->playbook->target;

	if (!map) {
		spec->none = true;
		return;
	}
	if (!yaml_check_keys(&reading->at, map, known))
		return;
	read_target_kind(reading, map);
	read_label_name(reading, map, "container", &spec->container_label);
	labels = yaml_get(map, "labels");
	if (!labels || !yaml_check_keys(&reading->at, labels, known_labels))
		return;
	read_label_name(reading, labels, "cluster", &spec->cluster_label);
	read_label_name(reading, labels, "namespace", &spec->namespace_label);
	read_label_name(reading, labels, "name", &spec->name_label);
	read_label_name(reading, labels, "kind", &spec->kind_label);
	if (spec->kind_label && !spec->any_workload)
		yaml_report(&reading->at, labels,
			"kind: a label names the kind only for kind Workload");
	if (spec->kind_label && !spec->name_label)
		yaml_report(&reading->at, labels, "a label for the kind needs one for the name");
}

/* ---- signals ---- */

/* Their series are increases over a range already: the greatest of them is what happened. */
static bool counts(enum signal_role role)
{
	return role == ROLE_RESTARTS || role == ROLE_OOM_KILLS;
}

/* The highest of the minutes to come is known of these signals alone, and of no other span. */
static void check_peak(struct reading *reading, const struct yaml_node *map,
	const struct signal_test *test)
{
	if (test->fold != SIGNAL_PEAK)
		return;
	if (yaml_get(map, "over"))
		yaml_report(&reading->at, yaml_get(map, "over"),
			"over: not with fold: peak, which is of the next 15 minutes");
	if (test->role != ROLE_REQUEST_RATE && test->role != ROLE_CPU)
		yaml_report(&reading->at, yaml_get(map, "fold"),
			"fold: peak is known of request_rate, or of cpu where there is none; not of %s",
			role_name(test->role));
}

static bool read_test(struct reading *reading, const struct yaml_node *map,
	struct signal_test *test)
{
	int role, side, fold;

	*test = (struct signal_test){.over_ms = 5 * 60000};
	if (!yaml_read_choice(&reading->at, map, "signal", true, role_words, &role) ||
		!yaml_read_choice(&reading->at, map, "is", true, side_words, &side) ||
		!yaml_read_double(&reading->at, map, "value", true, -1e15, 1e15, &test->value))
		return false;
	test->role = (enum signal_role)role;
	test->above = side == 1;
	test->fold = counts(test->role) ? SIGNAL_MAX : SIGNAL_MEAN;
	yaml_read_duration(&reading->at, map, "over", false, 1000, DAY_MS, &test->over_ms);
	if (yaml_read_choice(&reading->at, map, "fold", false, fold_words, &fold))
		test->fold = (enum signal_fold)fold;
	check_peak(reading, map, test);
	return true;
}

static void read_conditions(struct reading *reading, const struct yaml_node *root)
{
	static const char *const known[] = {"signal", "is", "value", "over", "fold", NULL};
	const struct yaml_node *list = yaml_get(root, "conditions");
	struct playbook *playbook = reading->playbook;

	if (!list)
		return;
	if (list->kind != YAML_LIST) {
		yaml_report(&reading->at, list, "conditions: a list is wanted");
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		if (!yaml_check_keys(&reading->at, list->children[i], known))
			continue;
		if (playbook->condition_count == PLAYBOOK_CONDITIONS_MAX) {
			yaml_report(&reading->at, list->children[i], "more than %d conditions",
				PLAYBOOK_CONDITIONS_MAX);
			return;
		}
		if (read_test(reading, list->children[i],
			    &playbook->conditions[playbook->condition_count]))
			playbook->condition_count++;
	}
}

/* What was done is looked for on its target, for what has no signals: a node. */
static void read_verify_by_cluster(struct reading *reading, const struct yaml_node *map)
{
	static const char *const known[] = {"by", "after", NULL};
	struct playbook *playbook = reading->playbook;

	if (!yaml_check_keys(&reading->at, map, known))
		return;
	playbook->verify_after_ms = 30000;
	yaml_read_duration(&reading->at, map, "after", false, 1000, 7 * DAY_MS,
		&playbook->verify_after_ms);
	playbook->verified = playbook->verify_by_cluster = true;
	for (size_t i = 0; i < playbook->step_count; i++) {
		const struct action_class *class = action_class(playbook->steps[i].action);

		if (!class->is_told && class->applied == applied_untold)
			yaml_report(&reading->at, yaml_get(map, "by"),
				"the cluster does not tell what came of %s: verify it by a signal",
				class->name);
	}
}

static void read_verify(struct reading *reading, const struct yaml_node *root)
{
	static const char *const known[] = {"by", "signal", "is", "value", "over", "fold", "after",
		"group_interval", "scrape_interval", NULL};
	static const char *const ways[] = {"signal", "cluster", NULL};
	const struct yaml_node *map = yaml_get(root, "verify");
	int way = 0;
	struct playbook *playbook = reading->playbook;
	int64_t group_ms = 5 * 60000, scrape_ms = 15000, look_back;
	char needed[32], given[32];

	if (!map || !yaml_check_keys(&reading->at, map, known))
		return;
	if (yaml_read_choice(&reading->at, map, "by", false, ways, &way) && way == 1) {
		read_verify_by_cluster(reading, map);
		return;
	}
	playbook->verified = read_test(reading, map, &playbook->verify);
	if (playbook->verified && playbook->verify.fold == SIGNAL_PEAK)
		yaml_report(&reading->at, yaml_get(map, "fold"),
			"fold: peak is of what is to come, and does not tell whether a change helped");
	yaml_read_duration(&reading->at, map, "group_interval", false, 0, DAY_MS, &group_ms);
	yaml_read_duration(&reading->at, map, "scrape_interval", false, 0, 3600000, &scrape_ms);
	look_back = reading->range_ms + reading->for_ms + group_ms + scrape_ms;
	playbook->verify_after_ms = look_back;
	if (!yaml_read_duration(&reading->at, map, "after", false, 1000, 7 * DAY_MS,
		    &playbook->verify_after_ms) ||
		playbook->verify_after_ms >= look_back)
		return;
	format_duration(look_back, needed, sizeof(needed));
	format_duration(playbook->verify_after_ms, given, sizeof(given));
	yaml_warn(&reading->at, yaml_get(map, "after"),
		"after: %s is shorter than the look-back of the alert (range + for + group interval + "
		"scrape interval = %s): the alert may still fire because of the past",
		given, needed);
}

/* ---- steps ---- */

static void read_steps(struct reading *reading, const struct yaml_node *root)
{
	const struct yaml_node *list = yaml_get(root, "steps");
	struct playbook *playbook = reading->playbook;
	struct step_reading step = {.at = &reading->at,
		.playbook = playbook,
		.limits = reading->limits};

	if (!list || list->kind != YAML_LIST || !list->child_count) {
		yaml_report(&reading->at, list ? list : root,
			"steps: a list of at least one step is wanted");
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		if (playbook->step_count == PLAYBOOK_STEPS_MAX) {
			yaml_report(&reading->at, list->children[i], "more than %d steps",
				PLAYBOOK_STEPS_MAX);
			return;
		}
		step.map = list->children[i];
		playbook_read_step(&step, &playbook->steps[playbook->step_count++]);
	}
}

/* ---- guard ---- */

static void refuse_looser(struct reading *reading, const struct yaml_node *map, const char *key)
{
	yaml_report(&reading->at, yaml_get(map, key),
		"guard.%s is less strict than the service's own; a playbook may only be stricter",
		key);
}

static void stricter_duration(struct reading *reading, const struct yaml_node *map, const char *key,
	int64_t *limit)
{
	int64_t value;

	if (!yaml_read_duration(&reading->at, map, key, false, 0, 7 * DAY_MS, &value))
		return;
	if (value < *limit)
		refuse_looser(reading, map, key);
	else
		*limit = value;
}

static void stricter_count(struct reading *reading, const struct yaml_node *map, const char *key,
	unsigned *limit)
{
	int64_t value;

	if (!yaml_read_int(&reading->at, map, key, false, 0, 1000000, &value))
		return;
	if (value > *limit)
		refuse_looser(reading, map, key);
	else
		*limit = (unsigned)value;
}

static void stricter_double(struct reading *reading, const struct yaml_node *map, const char *key,
	bool larger, double min, double max, double *limit)
{
	double value;

	if (!yaml_read_double(&reading->at, map, key, false, min, max, &value))
		return;
	if (larger ? value < *limit : value > *limit)
		refuse_looser(reading, map, key);
	else
		*limit = value;
}

static void read_guard(struct reading *reading, const struct yaml_node *root)
{
	static const char *const known[] = {"cooldown", "startup_grace", "per_target",
		"per_namespace", "per_kind", "per_cluster", "pods_percent", "workloads_percent",
		"nodes_percent", "concurrent", "ineffective_max", "storm_alerts",
		"cumulative_change_max", "replicas_max", "confidence_min", NULL};
	const struct yaml_node *map = yaml_get(root, "guard");
	struct guard_limits *guard = &reading->playbook->guard;
	unsigned replicas_max = (unsigned)reading->limits->replicas_max;

	*guard = *reading->limits;
	if (!map || !yaml_check_keys(&reading->at, map, known))
		return;
	stricter_duration(reading, map, "cooldown", &guard->cooldown_ms);
	stricter_duration(reading, map, "startup_grace", &guard->startup_grace_ms);
	stricter_count(reading, map, "per_target", &guard->per_target);
	stricter_count(reading, map, "per_namespace", &guard->per_namespace);
	stricter_count(reading, map, "per_kind", &guard->per_kind);
	stricter_count(reading, map, "per_cluster", &guard->per_cluster);
	stricter_count(reading, map, "pods_percent", &guard->pods_percent);
	stricter_count(reading, map, "workloads_percent", &guard->workloads_percent);
	stricter_count(reading, map, "nodes_percent", &guard->nodes_percent);
	stricter_count(reading, map, "concurrent", &guard->concurrent);
	stricter_count(reading, map, "ineffective_max", &guard->ineffective_max);
	stricter_count(reading, map, "storm_alerts", &guard->storm_alerts);
	stricter_count(reading, map, "replicas_max", &replicas_max);
	guard->replicas_max = (int32_t)replicas_max;
	stricter_double(reading, map, "cumulative_change_max", false, 1, 1000,
		&guard->cumulative_change_max);
	stricter_double(reading, map, "confidence_min", true, 0, 1, &guard->confidence_min);
}

/* ---- the whole ---- */

/* Only a proposal says a number. */
static void check_proposed(struct reading *reading, const struct yaml_node *root,
	const struct playbook_step *step)
{
	const struct trigger *triggers = reading->playbook->triggers;
	bool proposed = false;

	for (unsigned i = 0; i < step->change_count; i++)
		proposed = proposed || step->changes[i].amount.kind == AMOUNT_PROPOSED;
	if (proposed && (triggers[EVENT_ALERT].set || triggers[EVENT_FINDING].set))
		yaml_report(&reading->at, yaml_get(root, "trigger"),
			"a step takes what is " PROPOSED_WORD
			": the trigger may be nothing but a proposal");
}

/* A floor that falls back before it is verified would be taken for somebody's no. */
static void check_floor(struct reading *reading, const struct yaml_node *root, size_t step)
{
	const struct playbook *playbook = reading->playbook;
	int64_t hold_ms = playbook->steps[step].options.floor_hold_ms;
	const struct yaml_node *list = yaml_get(root, "steps");
	char after[32];

	if (hold_ms == 0 || !playbook->verified || hold_ms > playbook->verify_after_ms)
		return;
	format_duration(playbook->verify_after_ms, after, sizeof(after));
	yaml_report(&reading->at, yaml_get(list->children[step], "for"),
		"for: the floor would fall back before it is verified, %s after it is set", after);
}

static void check_whole(struct reading *reading, const struct yaml_node *root)
{
	const struct playbook *playbook = reading->playbook;
	const struct yaml_node *trigger = yaml_get(root, "trigger");
	bool changes = false;

	for (size_t i = 0; i < playbook->step_count; i++)
		changes = changes || !action_class(playbook->steps[i].action)->is_told;
	if (changes && reading->fits_everything)
		yaml_report(&reading->at, trigger,
			"a trigger without matchers fits everything; only tickets may follow it");
	if (playbook->step_count &&
		action_kind_accompanies(playbook->steps[playbook->step_count - 1].action))
		yaml_report(&reading->at, yaml_get(root, "steps"),
			"%s accompanies the step after it, and there is none",
			action_kind_name(playbook->steps[playbook->step_count - 1].action));
	for (size_t i = 0; i < playbook->step_count; i++) {
		check_proposed(reading, root, &playbook->steps[i]);
		check_floor(reading, root, i);
	}
	if (changes && playbook->target.none)
		yaml_report(&reading->at, root,
			"a step that changes something needs a target with a kind");
	if (changes && !yaml_get(root, "verify"))
		yaml_report(&reading->at, root,
			"the key \"verify\" is missing: how is it seen that a change helped?");
}

/* It becomes a link in tickets: a page of the web, or a place beside the playbooks; no scheme that a
 * browser would run. */
static bool runbook_is_good(const char *runbook)
{
	size_t scheme = strcspn(runbook, ":/?#");

	for (const char *at = runbook; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '\\')
			return false;
	return runbook[scheme] != ':' || strncmp(runbook, "https://", 8) == 0 ||
		strncmp(runbook, "http://", 7) == 0;
}

bool playbook_read(struct playbook *playbook, const struct yaml_document *document,
	const struct guard_limits *limits, struct diagnostics *diagnostics)
{
	static const char *const known[] = {"playbook", "description", "runbook", "trigger",
		"target", "conditions", "steps", "mode", "guard", "verify", "hand_over", "priority",
		"enabled", NULL};
	struct reading reading = {.at = {yaml_file(document), diagnostics},
		.playbook = playbook,
		.limits = limits};
	const struct yaml_node *root = yaml_root(document);
	size_t errors = diagnostics->errors;
	int64_t priority = 0;
	int mode = MODE_AUTO, hand_over = 1;

	playbook->enabled = true;
	if (root->kind != YAML_MAP) {
		yaml_report(&reading.at, root,
			"a playbook is a map that begins with \"playbook: name\"");
		return false;
	}
	yaml_check_keys(&reading.at, root, known);
	playbook->file = playbook_copy_text(&reading.at, root, yaml_file(document));
	read_name(&reading, root);
	playbook_read_text(&reading.at, root, "description", false, 1000, &playbook->description);
	playbook_read_text(&reading.at, root, "runbook", false, 1000, &playbook->runbook);
	if (playbook->runbook != NULL && !runbook_is_good(playbook->runbook))
		yaml_report(&reading.at, yaml_get(root, "runbook"),
			"runbook is no link: an http:// or https:// address, or a relative one, "
			"without blanks");
	read_trigger(&reading, root);
	read_target(&reading, root);
	read_conditions(&reading, root);
	read_steps(&reading, root);
	read_guard(&reading, root);
	read_verify(&reading, root);
	yaml_read_choice(&reading.at, root, "mode", false, mode_words, &mode);
	yaml_read_choice(&reading.at, root, "hand_over", false, hand_over_words, &hand_over);
	yaml_read_int(&reading.at, root, "priority", false, -1000, 1000, &priority);
	yaml_read_bool(&reading.at, root, "enabled", false, &playbook->enabled);
	playbook->mode = (enum mode)mode;
	playbook->hand_over = hand_over == 1;
	playbook->priority = (int)priority;
	check_whole(&reading, root);
	return diagnostics->errors == errors;
}
