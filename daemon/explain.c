/*
 * The explanation is a JSON object, of which the sentences are made, so that both say the same.
 *
 * The owner of a pod is asked of the cluster here; the running service takes it from the stream's own
 * series, so that it can tell it without a call.
 */
#include "daemon/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/resolver.h"

#define CHAIN_MAX 5

const char *const explain_kinds[] = {"Pod", "Workload", "Node", "Deployment", "StatefulSet",
	"DaemonSet", "ReplicaSet", NULL};

/* ---- the resolver's steps ---- */

static void keep_step(void *argument, enum resolve_step step, const char *text)
{
	json_t *steps = argument, *known;
	size_t i;

	/* One label may be looked at more than once. */
	json_array_foreach(steps, i,
		known) if (strcmp(json_string_value(json_object_get(known, "text")), text) ==
		0) return;
	json_array_append_new(steps,
		json_pack("{s:s,s:s}", "step", resolve_step_name(step), "text", text));
}

/* A signal source's owner_of_pod; self: the session. */
static bool owner_by_cluster(void *self, const char *cluster, const char *namespace_name,
	const char *pod, struct workload_key *workload)
{
	struct kube_look look = {.session = self};
	struct target target = {.kind = TARGET_POD};
	struct observation observation;

	snprintf(target.cluster, sizeof(target.cluster), "%s", cluster);
	snprintf(target.namespace_name, sizeof(target.namespace_name), "%s", namespace_name);
	snprintf(target.name, sizeof(target.name), "%s", pod);
	kube_observe(&look, &target, NULL, &observation);
	*workload = observation.target.workload;
	return observation.error.code == STATUS_OK && observation.found &&
		workload->kind != TARGET_NONE;
}

static json_t *target_json(const struct target *target)
{
	json_t *json = json_pack("{s:s,s:s}", "kind", target_kind_name(target->kind), "name",
		target->name);
	char text[WORKLOAD_TEXT_MAX];

	if (json == NULL)
		return NULL;
	if (target->cluster[0] != '\0')
		json_object_set_new(json, "cluster", json_string(target->cluster));
	if (target->namespace_name[0] != '\0')
		json_object_set_new(json, "namespace", json_string(target->namespace_name));
	if (target->container[0] != '\0')
		json_object_set_new(json, "container", json_string(target->container));
	if (target->workload.kind != TARGET_NONE && target->workload.kind != target->kind) {
		workload_key_write(&target->workload, text, sizeof(text));
		json_object_set_new(json, "workload", json_string(text));
	}
	return json;
}

/* ---- the cluster ---- */

/* The owners from the target up, as far as they can be read, as "Kind/name". */
static json_t *owners_json(struct kube_session *session, const struct target *target)
{
	enum target_kind kind = target->kind;
	char name[OBJECT_NAME_MAX];
	json_t *owners = json_array();

	snprintf(name, sizeof(name), "%s", target->name);
	for (int i = 0; i < CHAIN_MAX && kind != TARGET_NONE; i++) {
		const json_t *owner;
		const char *kind_name, *owner_name;
		json_t *object = NULL;
		struct error error;
		struct buf path;
		enum status status;

		buf_init(&path, KUBE_PATH_MAX);
		status = kube_object_path(&path, kind, target->namespace_name, name, &error);
		if (status == STATUS_OK)
			status = kube_read(session, path.data, &object, &error);
		buf_fini(&path);
		owner = status == STATUS_OK ? kube_controller(object) : NULL;
		kind_name = json_string_value(json_object_get(owner, "kind"));
		owner_name = json_string_value(json_object_get(owner, "name"));
		kind = kube_kind(kind_name,
			json_string_value(json_object_get(owner, "apiVersion")));
		if (kind_name != NULL && owner_name != NULL) {
			json_array_append_new(owners, json_sprintf("%s/%s", kind_name, owner_name));
			snprintf(name, sizeof(name), "%s", owner_name);
		}
		json_decref(object);
	}
	return owners;
}

static json_t *cluster_json(struct kube_session *session, const struct target *target)
{
	struct kube_look look = {.session = session};
	struct observation seen;
	json_t *json;

	kube_observe(&look, target, NULL, &seen);
	if (seen.error.code != STATUS_OK)
		return json_pack("{s:s}", "error", seen.error.text);
	if (!seen.found)
		return json_pack("{s:b}", "exists", 0);
	json = json_pack("{s:b,s:s,s:b,s:b,s:b,s:b,s:b,s:s,s:s,s:o}", "exists", 1, "uid",
		seen.target.uid, "managed", seen.managed, "paused", seen.paused, "unclear",
		seen.paused_unclear, "dry_run", seen.dry_run, "terminating", seen.terminating,
		"replicas_owner", seen.owner_of_replicas, "git_owner", seen.git_owner, "owners",
		owners_json(session, target));
	if (json != NULL && seen.target.workload.kind != TARGET_NONE &&
		seen.target.workload.kind != TARGET_JOB &&
		seen.target.workload.kind != TARGET_CRONJOB) {
		json_object_set_new(json, "replicas", json_integer(seen.replicas));
		json_object_set_new(json, "ready_replicas", json_integer(seen.ready_replicas));
	}
	return json;
}

/* ---- answers ---- */

static void answer(const struct explain_question *question, const struct target_spec *spec,
	const char *kind, json_t *answers)
{
	const struct signal_source signals = {.self = question->session,
		.owner_of_pod = owner_by_cluster};
	json_t *steps = json_array(), *json;
	const struct resolve_listener listener = {steps, keep_step};
	struct refusal refusal;
	struct target target;
	bool resolved = target_explain(spec, &question->event->labels,
		question->session != NULL ? &signals : NULL, &listener, &target, &refusal);

	json = json_pack("{s:s,s:b,s:o}", "kind", kind, "resolved", resolved, "steps", steps);
	if (json == NULL || json_array_append_new(answers, json) != 0)
		return;
	if (!resolved)
		json_object_set_new(json, "refusal",
			json_pack("{s:s,s:s}", "reason", refusal.reason, "text", refusal.sentence));
	else
		json_object_set_new(json, "target", target_json(&target));
	if (resolved && question->session != NULL)
		json_object_set_new(json, "cluster", cluster_json(question->session, &target));
}

static void answer_kind(const struct explain_question *question, const char *kind, json_t *answers)
{
	const char *word = strchr(kind, ' ');
	struct target_spec spec = {.any_workload = strcmp(kind, "Workload") == 0,
		.kind = target_kind_parse(word != NULL ? word + 1 : kind)};

	answer(question, &spec, kind, answers);
}

json_t *explain(const struct explain_question *question)
{
	/* Labels without a name are no alert, which only what answers all would fit. */
	const struct playbook *playbook = question->playbooks != NULL &&
			labels_get(&question->event->labels, "alertname") != NULL
		? playbooks_match(question->playbooks, question->event)
		: NULL;
	json_t *answers = json_array(), *labels = json_object(), *json;

	for (uint32_t i = 0; labels != NULL && i < question->event->labels.count; i++)
		json_object_set_new(labels, question->event->labels.pairs[i].name,
			json_string(question->event->labels.pairs[i].value));
	json = json_pack("{s:o,s:o}", "labels", labels, "answers", answers);
	if (json == NULL)
		return NULL;
	if (playbook != NULL)
		json_object_set_new(json, "playbook", json_string(playbook->name));
	if (question->kind != NULL)
		answer_kind(question, question->kind, answers);
	else if (playbook != NULL && !playbook->target.none)
		answer(question, &playbook->target,
			playbook->target.any_workload ? "Workload"
						      : target_kind_name(playbook->target.kind),
			answers);
	else
		/* The first three are what a target can be named as. */
		for (size_t i = 0; i < 3; i++)
			answer_kind(question, explain_kinds[i], answers);
	return json;
}

bool explain_resolved(const json_t *explanation)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(explanation, "answers"), i,
		one) if (json_is_true(json_object_get(one, "resolved"))) return true;
	return false;
}

/* ---- sentences ---- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static bool holds(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static void write_owners(struct buf *text, const json_t *cluster)
{
	const json_t *owners = json_object_get(cluster, "owners"), *owner;
	size_t i;

	if (json_array_size(owners) == 0)
		buf_add_text(text, "    owner: none\n");
	json_array_foreach(owners, i, owner)
		buf_printf(text, i == 0 ? "    owner: %s" : " -> %s", json_string_value(owner));
	if (json_array_size(owners) > 0)
		buf_add_char(text, '\n');
}

static void write_cluster(struct buf *text, const json_t *cluster)
{
	if (cluster == NULL)
		return;
	if (text_of(cluster, "error")[0] != '\0') {
		buf_printf(text, "  in the cluster: not known: %s\n", text_of(cluster, "error"));
		return;
	}
	if (!holds(cluster, "exists")) {
		buf_add_text(text, "  in the cluster: it does not exist\n");
		return;
	}
	buf_printf(text, "  in the cluster: it exists, uid %s%s\n", text_of(cluster, "uid"),
		holds(cluster, "terminating") ? ", being deleted" : "");
	write_owners(text, cluster);
	buf_printf(text, "    managed: %s, paused: %s%s%s\n",
		holds(cluster, "managed") ? "yes" : "no", holds(cluster, "paused") ? "yes" : "no",
		holds(cluster, "dry_run") ? ", dry run only" : "",
		holds(cluster, "unclear")
			? "; an annotation is neither true nor false: nothing is done"
			: "");
	if (json_object_get(cluster, "replicas") != NULL)
		buf_printf(text, "    replicas: %d, %d ready, owned by %s\n",
			(int)json_integer_value(json_object_get(cluster, "replicas")),
			(int)json_integer_value(json_object_get(cluster, "ready_replicas")),
			text_of(cluster, "replicas_owner")[0] != '\0'
				? text_of(cluster, "replicas_owner")
				: "nobody else");
	if (text_of(cluster, "git_owner")[0] != '\0')
		buf_printf(text, "    written by %s\n", text_of(cluster, "git_owner"));
}

static void write_answer(struct buf *text, const json_t *one)
{
	const json_t *target = json_object_get(one, "target"), *step;
	const json_t *refusal = json_object_get(one, "refusal");
	const char *space = text_of(target, "namespace");
	size_t i;

	if (target != NULL)
		buf_printf(text, "as %s: %s%s%s/%s%s%s\n", text_of(one, "kind"), space,
			space[0] != '\0' ? "/" : "", text_of(target, "kind"),
			text_of(target, "name"),
			text_of(target, "container")[0] != '\0' ? " container " : "",
			text_of(target, "container"));
	else
		buf_printf(text, "as %s: refused, %s: %s\n", text_of(one, "kind"),
			text_of(refusal, "reason"), text_of(refusal, "text"));
	json_array_foreach(json_object_get(one, "steps"), i, step)
		buf_printf(text, "  %s: %s\n", text_of(step, "step"), text_of(step, "text"));
	if (text_of(target, "workload")[0] != '\0')
		buf_printf(text, "  it belongs to %s\n", text_of(target, "workload"));
	write_cluster(text, json_object_get(one, "cluster"));
}

void explain_write(struct buf *text, const json_t *explanation)
{
	const char *playbook = text_of(explanation, "playbook");
	const json_t *one;
	size_t i;

	if (playbook[0] != '\0')
		buf_printf(text, "playbook %s answers it\n", playbook);
	json_array_foreach(json_object_get(explanation, "answers"), i, one) write_answer(text, one);
}
