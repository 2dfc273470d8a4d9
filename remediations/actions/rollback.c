/*
 * rollback: the revision of a workload before the present one, as kubectl rollout undo does it.
 *
 *   Deployment               the template of the ReplicaSet of that revision in place of the present
 *                            one, by a JSON patch; annotations of the ReplicaSet, but for those that
 *                            the Deployment's controller and the service itself keep on the Deployment
 *   StatefulSet, DaemonSet   the ControllerRevision's data, which is a strategic merge patch
 *
 * Just before it is written the newest revision must still be the one that was judged, and the
 * controller must have seen the present specification: what is rolled back is the rollout that was
 * seen, and never one that came since.
 *
 * The controllers number what is put back anew, one above the newest. So the inverse goes back to the
 * number that was the newest before, and a still newer number tells that somebody rolled out since.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"
#include "remediations/kube_revisions.h"
#include "remediations/words.h"

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct observation *observation = question->observation;

	snprintf(plan->words, sizeof(plan->words), "roll back to the revision before");
	if (!plan_observed(question)) {
		refusal_set(&plan->refusal, "revision_unknown",
			"Only the cluster tells which revisions there are.");
		return;
	}
	if (observation->previous_revision <= 0) {
		refusal_set(&plan->refusal, "no_revision",
			"There is no revision before the present one to go back to.");
		return;
	}
	if (observation->updates_on_delete) {
		refusal_set(&plan->refusal, "on_delete",
			"Its update strategy is OnDelete: a new template would change no pod.");
		return;
	}
	changes_set(&plan->changes, CHANGE_REVISION, observation->revision,
		observation->previous_revision);
	snprintf(plan->words, sizeof(plan->words), "roll back: revision %" PRId64 " -> %" PRId64,
		observation->revision, observation->previous_revision);
}

static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	const struct change *change = changes_find(&plan->changes, CHANGE_REVISION);
	int told = applied_by_key(plan, target, action_id, observation);
	int64_t revision;

	if (told == 1 && change && observation_value(observation, CHANGE_REVISION, &revision) &&
		revision > change->before + 1)
		return 0;
	return told;
}

static void describe(struct words *words, const struct command *command)
{
	const struct change *change = changes_find(&command->changes, CHANGE_REVISION);

	words_add(words, "roll back ");
	words_add_target(words, &command->target);
	if (change)
		words_add(words, " from revision %" PRId64 " to %" PRId64, change->before,
			change->after);
}

/* ---- on the cluster ---- */

static enum status check(const struct command *command, struct error *error)
{
	if (changes_after(&command->changes, CHANGE_REVISION, 0) <= 0)
		return error_set(error, STATUS_BAD_INPUT, "no revision to go back to");
	return STATUS_OK;
}

/* What stays on a Deployment whatever its ReplicaSet says. */
static bool stays(const char *name)
{
	static const char *const kept[] = {"kubectl.kubernetes.io/last-applied-configuration",
		"deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history",
		"deployment.kubernetes.io/desired-replicas",
		"deployment.kubernetes.io/max-replicas"};

	for (size_t i = 0; i < ARRAY_COUNT(kept); i++)
		if (strcmp(name, kept[i]) == 0)
			return true;
	return strncmp(name, "nimbusguard.io/", strlen("nimbusguard.io/")) == 0;
}

/* Copies the annotations whose name stays (or those whose does not). */
static void copy_annotations(json_t *to, const json_t *object, bool staying)
{
	json_t *annotations = kube_get(object, "metadata", "annotations", NULL), *value;
	const char *name;

	json_object_foreach(annotations, name, value)
	{
		if (stays(name) == staying)
			json_object_set(to, name, value);
	}
}

/* {"template":.., "annotations":..} of a Deployment as it shall be; NULL: out of memory. */
static json_t *deployment_of(const json_t *deployment, const json_t *replicaset)
{
	json_t *template = json_deep_copy(kube_get(replicaset, "spec", "template", NULL));
	json_t *annotations = json_object();

	json_object_del(kube_get(template, "metadata", "labels", NULL), "pod-template-hash");
	copy_annotations(annotations, replicaset, false);
	copy_annotations(annotations, deployment, true);
	return json_pack("{s:o,s:o}", "template", template, "annotations", annotations);
}

static bool is_present(const json_t *deployment, const json_t *prepared)
{
	return json_equal(kube_get(deployment, "spec", "template", NULL),
		json_object_get(prepared, "template"));
}

static enum status take_revision(struct sending *sending, const json_t *object,
	const struct kube_revisions *revisions, struct error *error)
{
	const struct change *change = changes_find(&sending->command->changes, CHANGE_REVISION);
	const json_t *seen = kube_get(object, "status", "observedGeneration", NULL);
	bool deployment = sending->object.kind == TARGET_DEPLOYMENT;

	if (revisions->newest != change->before ||
		json_integer_value(kube_get(object, "metadata", "generation", NULL)) >
			json_integer_value(seen))
		return error_set(error, STATUS_CONFLICT,
			"another revision came since it was looked at, or is coming");
	if (revisions->wanted == NULL)
		return error_set(error, STATUS_NOT_FOUND, "revision %" PRId64 " is gone",
			change->after);
	sending->prepared = deployment ? deployment_of(object, revisions->wanted)
				       : json_deep_copy(json_object_get(revisions->wanted, "data"));
	if (!json_is_object(sending->prepared))
		return error_set(error, STATUS_IO, "revision %" PRId64 " cannot be read",
			change->after);
	if (deployment && !json_is_object(json_object_get(sending->prepared, "template")))
		return error_set(error, STATUS_IO, "revision %" PRId64 " has no template",
			change->after);
	sending->already = deployment && is_present(object, sending->prepared);
	sending->content_type = deployment ? JSON_PATCH : STRATEGIC_PATCH;
	return STATUS_OK;
}

static enum status prepare(struct sending *sending, struct error *error)
{
	int64_t wanted = changes_after(&sending->command->changes, CHANGE_REVISION, 0);
	struct kube_revisions revisions;
	json_t *object;
	enum status status = sending_read(sending, &object, error);

	json_decref(sending->prepared);
	sending->prepared = NULL;
	if (status != STATUS_OK)
		return status;
	/* Sent anew after it was done: the numbers have moved on by itself. */
	sending->already = has_key(sending, object);
	if (!sending->already)
		status = kube_revisions_read(sending->session, object, sending->object.kind, wanted,
			&revisions, error);
	if (status == STATUS_OK && !sending->already) {
		status = take_revision(sending, object, &revisions, error);
		kube_revisions_fini(&revisions);
	}
	json_decref(object);
	return status;
}

static int add_chunk(const char *bytes, size_t size, void *body)
{
	buf_add(body, bytes, size);
	return 0;
}

/* A replaced resourceVersion and uid are preconditions as in a merge patch: 409 when they differ. */
static json_t *deployment_patch(const struct sending *sending)
{
	json_t *annotations = json_copy(json_object_get(sending->prepared, "annotations"));

	json_object_set_new(annotations, ANNOTATION_ACTION,
		json_string(sending->command->action_id));
	json_object_set_new(annotations, ANNOTATION_REASON, json_string(sending->command->text));
	return json_pack("[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:O},{s:s,s:s,s:o}]", "op",
		"replace", "path", "/metadata/resourceVersion", "value",
		sending->object.resource_version, "op", "replace", "path", "/metadata/uid", "value",
		sending->object.uid, "op", "replace", "path", "/spec/template", "value",
		json_object_get(sending->prepared, "template"), "op", "add", "path",
		"/metadata/annotations", "value", annotations);
}

static json_t *revision_patch(const struct sending *sending)
{
	json_t *patch = json_copy(sending->prepared);
	json_t *metadata = json_pack("{s:s,s:s,s:{s:s,s:s}}", "resourceVersion",
		sending->object.resource_version, "uid", sending->object.uid, "annotations",
		ANNOTATION_ACTION, sending->command->action_id, ANNOTATION_REASON,
		sending->command->text);

	if (patch != NULL && json_object_set_new(patch, "metadata", metadata) == 0)
		return patch;
	json_decref(patch);
	return NULL;
}

static void write_body(struct buf *body, const struct sending *sending)
{
	json_t *patch = sending->object.kind == TARGET_DEPLOYMENT ? deployment_patch(sending)
								  : revision_patch(sending);

	/* Without a patch the body is empty, which the server refuses. */
	if (patch != NULL)
		json_dump_callback(patch, add_chunk, body, JSON_COMPACT);
	buf_add_text(body, "");
	json_decref(patch);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = JSON_PATCH,
	.targets = TARGETS_WORKLOAD,
	.check = check,
	.prepare = prepare,
	.write_body = write_body,
	.is_wanted = has_key,
};

static const struct action_need needs[] = {
	{"apps", "replicasets", "list", TARGET_BIT(TARGET_DEPLOYMENT), "finds the revisions", true},
	{"apps", "controllerrevisions", "list",
		TARGET_BIT(TARGET_STATEFULSET) | TARGET_BIT(TARGET_DAEMONSET),
		"finds the revisions", true},
	NEED_WORKLOADS("patch", "writes the pod template", false),
};

const struct action_class action_rollback = {
	.name = "rollback",
	.disruptive = true,
	.destructive = true,
	.writes_manifest = true,
	.targets = TARGETS_WORKLOAD,
	.looks = LOOK_REVISIONS,
	.plan = make_plan,
	.inverse = true,
	.applied = applied,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
