/*
 * An observation climbs from the target to the workload at the top of its chain of owners (Pod ->
 * ReplicaSet -> Deployment, Pod -> Job -> CronJob, ...), comparing uids, as a name may have been
 * given anew; then it reads the namespace and asks who else writes the replicas.
 *
 * Whatever cannot be read is an error of the whole observation: a list of autoscalers that we may not
 * see is not an empty one.
 */
#include "remediations/kube_observe.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_custom.h"
#include "remediations/kube_list.h"
#include "remediations/kube_managers.h"
#include "remediations/kube_object.h"

#define CHAIN_MAX 4
#define KEDA_AGE_NS (300 * INT64_C(1000000000))

struct link {
	json_t *object;
	enum target_kind kind;
};

struct sight {
	struct kube_look *look;
	struct observation *observation;
	const struct purpose *purpose; /* NULL: none */
	struct link chain[CHAIN_MAX];  /* from the target up */
	size_t chain_size;
	enum kube_flag managed, paused, dry_run; /* of the namespace */
	struct error *error;                     /* observation->error */
};

enum status kube_read(struct kube_session *session, const char *path, json_t **object,
	struct error *error)
{
	struct kube_request request = {.method = KUBE_GET, .path = path};
	struct kube_answer answer;
	enum status status = kube_session_call(session, &request, &answer, error);

	*object = status == STATUS_OK ? json_incref(answer.object) : NULL;
	kube_answer_fini(&answer);
	return status;
}

static enum status read_object(struct sight *sight, enum target_kind kind,
	const char *namespace_name, const char *name, json_t **object)
{
	struct buf path;
	enum status status;

	*object = NULL;
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, kind, namespace_name, name, sight->error);
	if (status == STATUS_OK)
		status = kube_read(sight->look->session, path.data, object, sight->error);
	buf_fini(&path);
	return status;
}

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(kube_get(object, "metadata", "name", NULL));

	return name != NULL ? name : "";
}

/* --- the chain of owners --- */

static bool is_workload(enum target_kind kind)
{
	return kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET ||
		kind == TARGET_DAEMONSET || kind == TARGET_REPLICASET || kind == TARGET_JOB ||
		kind == TARGET_CRONJOB;
}

/* Of a custom resource as the target itself: what it owns and how is not ours to know. */
static bool is_custom(const struct sight *sight)
{
	return custom_kind_get(sight->chain[0].kind) != NULL;
}

static const struct link *top_of(const struct sight *sight)
{
	return &sight->chain[sight->chain_size - 1];
}

/* One step up. *more is false at the top, or below an owner that we know nothing of. */
static enum status climb(struct sight *sight, bool *more)
{
	const json_t *owner = kube_controller(top_of(sight)->object);
	const char *kind_name = json_string_value(json_object_get(owner, "kind"));
	const char *name = json_string_value(json_object_get(owner, "name"));
	const char *uid = json_string_value(json_object_get(owner, "uid"));
	enum target_kind kind =
		kube_kind(kind_name, json_string_value(json_object_get(owner, "apiVersion")));
	struct observation *observation = sight->observation;
	json_t *object;
	enum status status;

	*more = false;
	if (owner == NULL)
		return STATUS_OK;
	if (kind_name == NULL || name == NULL || uid == NULL)
		return error_set(sight->error, STATUS_IO, "an owner reference is not whole");
	if (!is_workload(kind) || sight->chain[0].kind == TARGET_REPLICASET) {
		/* An Argo Rollout or the like: it is not ours to know what it will do. Whatever is
		 * written into a ReplicaSet its Deployment takes back. */
		snprintf(observation->owner_of_replicas, sizeof(observation->owner_of_replicas),
			"%.30s/%.30s", kind_name, name);
		return STATUS_OK;
	}
	if (sight->chain_size == CHAIN_MAX)
		return error_set(sight->error, STATUS_LIMIT, "more than %d owners in a row",
			CHAIN_MAX);
	status = read_object(sight, kind, observation->target.namespace_name, name, &object);
	if (status != STATUS_OK)
		return error_prefix(sight->error, "its owner %s %.200s", kind_name, name);
	if (strcmp(kube_uid(object), uid) != 0) {
		json_decref(object);
		return error_set(sight->error, STATUS_CONFLICT,
			"its owner %s %.200s is another object by now", kind_name, name);
	}
	sight->chain[sight->chain_size++] = (struct link){object, kind};
	*more = true;
	return STATUS_OK;
}

static void name_workload(struct sight *sight)
{
	struct target *target = &sight->observation->target;
	const struct link *top = top_of(sight);
	struct workload_key *key = &target->workload;

	*key = (struct workload_key){.kind = TARGET_NONE};
	if (!is_workload(top->kind) && custom_kind_get(top->kind) == NULL)
		return;
	key->kind = top->kind;
	snprintf(key->cluster, sizeof(key->cluster), "%s", target->cluster);
	snprintf(key->namespace_name, sizeof(key->namespace_name), "%s", target->namespace_name);
	snprintf(key->name, sizeof(key->name), "%s", name_of(top->object));
}

static enum status climb_all(struct sight *sight)
{
	bool more = true;

	while (more) {
		enum status status = climb(sight, &more);

		if (status != STATUS_OK)
			return status;
	}
	name_workload(sight);
	return STATUS_OK;
}

/* --- what people have written on it --- */

/* Any object of the chain that says true counts; the namespace speaks where none says anything. */
static bool any_says(struct sight *sight, const char *annotation, enum kube_flag of_namespace)
{
	bool said = false;

	for (size_t i = 0; i < sight->chain_size; i++) {
		enum kube_flag flag = kube_annotation_flag(sight->chain[i].object, annotation);

		if (flag == KUBE_FLAG_TRUE)
			return true;
		said |= flag != KUBE_FLAG_ABSENT;
	}
	return !said && of_namespace == KUBE_FLAG_TRUE;
}

/* The object nearest to the target that says anything decides. */
static bool nearest_says(struct sight *sight, const char *annotation, enum kube_flag of_namespace)
{
	for (size_t i = 0; i < sight->chain_size; i++) {
		enum kube_flag flag = kube_annotation_flag(sight->chain[i].object, annotation);

		if (flag != KUBE_FLAG_ABSENT)
			return flag == KUBE_FLAG_TRUE;
	}
	return of_namespace == KUBE_FLAG_TRUE;
}

static bool is_unclear(const json_t *object)
{
	return kube_annotation_flag(object, ANNOTATION_MANAGED) == KUBE_FLAG_UNCLEAR ||
		kube_annotation_flag(object, ANNOTATION_PAUSED) == KUBE_FLAG_UNCLEAR ||
		kube_annotation_flag(object, ANNOTATION_DRY_RUN) == KUBE_FLAG_UNCLEAR;
}

static enum status read_namespace(struct sight *sight, const char *name)
{
	struct kube_seen seen;
	json_t *object = NULL;
	struct buf path;
	enum status status;

	if (kube_watch_get(sight->look->watch, KUBE_WATCH_NAMESPACES, "", name, &seen) ==
		KUBE_WATCH_SEEN) {
		sight->managed = seen.managed;
		sight->paused = seen.paused;
		sight->dry_run = seen.dry_run;
		return STATUS_OK;
	}
	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/api/v1/namespaces");
	kube_path_add(&path, name);
	status = buf_ok(&path) ? kube_read(sight->look->session, path.data, &object, sight->error)
			       : error_set(sight->error, STATUS_NO_MEMORY, "no memory");
	buf_fini(&path);
	sight->managed = kube_annotation_flag(object, ANNOTATION_MANAGED);
	sight->paused = kube_annotation_flag(object, ANNOTATION_PAUSED);
	sight->dry_run = kube_annotation_flag(object, ANNOTATION_DRY_RUN);
	json_decref(object);
	return status == STATUS_OK ? status : error_prefix(sight->error, "the namespace %s", name);
}

static enum status read_annotations(struct sight *sight)
{
	struct observation *observation = sight->observation;

	if (target_kind_namespaced(observation->target.kind)) {
		enum status status = read_namespace(sight, observation->target.namespace_name);

		if (status != STATUS_OK)
			return status;
	}
	observation->managed = nearest_says(sight, ANNOTATION_MANAGED, sight->managed);
	observation->paused = any_says(sight, ANNOTATION_PAUSED, sight->paused);
	observation->dry_run = any_says(sight, ANNOTATION_DRY_RUN, sight->dry_run);
	observation->paused_unclear = sight->managed == KUBE_FLAG_UNCLEAR ||
		sight->paused == KUBE_FLAG_UNCLEAR || sight->dry_run == KUBE_FLAG_UNCLEAR;
	for (size_t i = 0; i < sight->chain_size; i++)
		observation->paused_unclear |= is_unclear(sight->chain[i].object);
	return STATUS_OK;
}

/* The mark of Argo CD names the object it was written for, as objects are copied with their
 * annotations: <app>:<group>/<kind>:<namespace>/<name>. */
static bool argocd_app(const json_t *object, enum target_kind own, const char *tracking,
	size_t *size)
{
	const char *colon = strchr(tracking, ':');
	const char *slash = colon != NULL ? strchr(colon, '/') : NULL;
	const char *kind = target_kind_name(own), *name = strrchr(tracking, '/');

	if (slash == NULL || strncmp(slash + 1, kind, strlen(kind)) != 0 ||
		slash[1 + strlen(kind)] != ':' || strcmp(name + 1, name_of(object)) != 0)
		return false;
	*size = (size_t)(colon - tracking);
	return true;
}

/* A key that is too long is none of ours. */
static void read_action_key(struct sight *sight)
{
	const char *key = kube_annotation(sight->chain[0].object, ANNOTATION_ACTION);
	char *text = sight->observation->action_key;

	if (key != NULL && strlen(key) < sizeof(sight->observation->action_key))
		memcpy(text, key, strlen(key) + 1);
}

void kube_git_owner(const json_t *object, enum target_kind kind, char *text, size_t room)
{
	const char *argo = kube_annotation(object, "argocd.argoproj.io/tracking-id");
	const char *flux = kube_label(object, "kustomize.toolkit.fluxcd.io/name");
	size_t size;

	if (flux == NULL)
		flux = kube_label(object, "helm.toolkit.fluxcd.io/name");
	if (argo != NULL && argocd_app(object, kind, argo, &size))
		snprintf(text, room, "argocd:%.*s", size < 50 ? (int)size : 50, argo);
	else if (flux != NULL)
		snprintf(text, room, "flux:%.50s", flux);
	else
		snprintf(text, room, "%s", "");
}

/* A mark that somebody left behind who uncordoned the node by hand means nothing. */
static void read_cordon(struct sight *sight)
{
	const char *key = kube_annotation(sight->chain[0].object, ANNOTATION_CORDONED);
	struct observation *observation = sight->observation;

	if (key != NULL && strlen(key) < sizeof(observation->cordoned_by) &&
		cordoned_by_us(sight->chain[0].object, NULL))
		memcpy(observation->cordoned_by, key, strlen(key) + 1);
}

static void read_git_owner(struct sight *sight)
{
	char *text = sight->observation->git_owner;

	for (size_t i = 0; i < sight->chain_size && *text == '\0'; i++)
		kube_git_owner(sight->chain[i].object, sight->chain[i].kind, text,
			sizeof(sight->observation->git_owner));
}

/* --- who owns the replicas --- */

static bool refers_to(const json_t *reference, const struct link *top, const char *fallback_kind)
{
	const char *kind = json_string_value(json_object_get(reference, "kind"));
	const char *version = json_string_value(json_object_get(reference, "apiVersion"));
	const char *name = json_string_value(json_object_get(reference, "name"));

	if (name == NULL || strcmp(name, name_of(top->object)) != 0)
		return false;
	return kube_kind(kind != NULL ? kind : fallback_kind,
		       version != NULL ? version : "apps/v1") == top->kind;
}

/* The owner in words, which may be cut, and by its name. */
static void name_scaler(struct sight *sight, enum target_kind kind, const char *name)
{
	struct observation *observation = sight->observation;
	struct object_ref *object = &observation->autoscaler.object;

	snprintf(observation->owner_of_replicas, sizeof(observation->owner_of_replicas),
		"%.24s/%.38s", target_kind_name(kind), name);
	if (strlen(name) >= sizeof(object->name))
		return;
	object->kind = kind;
	memcpy(object->name, name, strlen(name) + 1);
}

static void note_autoscaler(struct sight *sight, const json_t *item)
{
	const json_t *controller = kube_controller(item);
	const char *kind = json_string_value(json_object_get(controller, "kind"));
	const char *name = json_string_value(json_object_get(controller, "name"));
	const char *scaled = kube_label(item, "scaledobject.keda.sh/name");

	if (kind != NULL && name != NULL && strcmp(kind, "ScaledObject") == 0)
		name_scaler(sight, TARGET_SCALED_OBJECT, name);
	else if (scaled != NULL)
		name_scaler(sight, TARGET_SCALED_OBJECT, scaled);
	else
		name_scaler(sight, TARGET_HPA, name_of(item));
}

static void note_scaled_object(struct sight *sight, const json_t *item)
{
	name_scaler(sight, TARGET_SCALED_OBJECT, name_of(item));
}

typedef void note_fn(struct sight *sight, const json_t *item);

struct search {
	struct sight *sight;
	note_fn *note;
};

/* Looks through one page for an object that scales the top of the chain. */
static enum status search_page(void *argument, const json_t *list, bool *enough,
	struct error *error)
{
	const struct search *search = argument;
	const json_t *item;
	size_t i;

	(void)error;
	json_array_foreach(json_object_get(list, "items"), i, item)
	{
		if (refers_to(kube_get(item, "spec", "scaleTargetRef", NULL), top_of(search->sight),
			    "Deployment")) {
			search->note(search->sight, item);
			break;
		}
	}
	*enough = *search->sight->observation->owner_of_replicas != '\0';
	return STATUS_OK;
}

/* Reads a list until one of its objects was noted. An API that the server does not have holds
 * nothing; one that we may not read might hold anything. */
static enum status search_list(struct sight *sight, const char *group_version, const char *resource,
	note_fn *note)
{
	struct search search = {sight, note};
	struct buf path;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_printf(&path, "/apis/%s/namespaces", group_version);
	kube_path_add(&path, sight->observation->target.namespace_name);
	buf_printf(&path, "/%s?limit=500", resource);
	status = buf_ok(&path) ? kube_list_read(sight->look->session, path.data, resource,
					 search_page, &search, sight->error)
			       : error_set(sight->error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Whether the cluster has KEDA, by its API group: where there is none, a server may answer a list
 * of ScaledObjects with "forbidden" as well as with "not found". */
static enum status find_keda(struct sight *sight)
{
	struct kube_look *look = sight->look;
	int64_t now_ns = clock_mono_ns(clock_system());
	json_t *group;
	enum status status;

	if (look->keda_until_ns > now_ns)
		return STATUS_OK;
	status = kube_read(look->session, "/apis/keda.sh", &group, sight->error);
	json_decref(group);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return error_prefix(sight->error, "the API group keda.sh");
	/* A cluster without KEDA is no error of this look. */
	error_reset(sight->error);
	look->keda = status == STATUS_OK;
	look->keda_until_ns = now_ns + KEDA_AGE_NS;
	return STATUS_OK;
}

/* What a watch of the kind says of the one that scales the top of the chain; false: it is not sure. */
static bool seen_scaler(struct sight *sight, enum kube_watch_kind kind)
{
	const struct observation *observation = sight->observation;
	struct kube_seen seen;
	enum kube_watch_word word;

	/* What refers to a custom resource may have been seen before its kind was known. */
	if (is_custom(sight))
		return false;
	word = kube_watch_find(sight->look->watch, kind, observation->target.namespace_name,
		top_of(sight)->kind, name_of(top_of(sight)->object), &seen);
	if (word == KUBE_WATCH_UNSURE)
		return false;
	if (word == KUBE_WATCH_NONE)
		return true;
	if (kind == KUBE_WATCH_SCALED_OBJECTS)
		name_scaler(sight, TARGET_SCALED_OBJECT, seen.name);
	else if (seen.further[0] != '\0')
		name_scaler(sight, TARGET_SCALED_OBJECT, seen.further);
	else
		name_scaler(sight, TARGET_HPA, seen.name);
	return true;
}

static enum status read_owner_of_replicas(struct sight *sight)
{
	const char *owner = sight->observation->owner_of_replicas;
	enum target_kind kind = top_of(sight)->kind;
	enum status status = STATUS_OK;

	if ((kind != TARGET_DEPLOYMENT && kind != TARGET_STATEFULSET && kind != TARGET_REPLICASET &&
		    !is_custom(sight)) ||
		*owner != '\0')
		return STATUS_OK;
	if (!seen_scaler(sight, KUBE_WATCH_AUTOSCALERS))
		status = search_list(sight, "autoscaling/v2", "horizontalpodautoscalers",
			note_autoscaler);
	if (status != STATUS_OK || *owner != '\0')
		return status;
	/* A paused ScaledObject has no autoscaler, but is still the owner. */
	if (seen_scaler(sight, KUBE_WATCH_SCALED_OBJECTS))
		return STATUS_OK;
	status = find_keda(sight);
	if (status == STATUS_OK && sight->look->keda)
		status =
			search_list(sight, "keda.sh/v1alpha1", "scaledobjects", note_scaled_object);
	return status;
}

/* --- numbers --- */

/* Whether the controller is not through with the newest template (kubectl's rollout status). */
static bool is_rolling(const struct link *link)
{
	const json_t *spec = json_object_get(link->object, "spec");
	const json_t *state = json_object_get(link->object, "status");
	int32_t wanted = kube_number(json_object_get(spec, "replicas"), 1), updated;

	if (json_integer_value(kube_get(link->object, "metadata", "generation", NULL)) >
		json_integer_value(json_object_get(state, "observedGeneration")))
		return true;
	if (link->kind == TARGET_DAEMONSET) {
		wanted = kube_number(json_object_get(state, "desiredNumberScheduled"), 0);
		return kube_number(json_object_get(state, "updatedNumberScheduled"), 0) < wanted ||
			kube_number(json_object_get(state, "numberAvailable"), 0) < wanted;
	}
	updated = kube_number(json_object_get(state, "updatedReplicas"), 0);
	if (link->kind != TARGET_DEPLOYMENT)
		return updated < wanted;
	return updated < wanted || kube_number(json_object_get(state, "replicas"), 0) > updated ||
		kube_number(json_object_get(state, "availableReplicas"), 0) < updated;
}

static void read_rollout(struct sight *sight)
{
	struct observation *observation = sight->observation;
	const struct link *own = &sight->chain[0];
	const char *strategy =
		json_string_value(kube_get(own->object, "spec", "updateStrategy", "type", NULL));

	if (own->kind != TARGET_DEPLOYMENT && own->kind != TARGET_STATEFULSET &&
		own->kind != TARGET_DAEMONSET)
		return;
	observation->rolling_out = is_rolling(own);
	observation->updates_on_delete = strategy != NULL && strcmp(strategy, "OnDelete") == 0;
}

static void read_replicas(struct sight *sight)
{
	struct observation *observation = sight->observation;
	const struct link *top = top_of(sight);
	const json_t *spec = json_object_get(top->object, "spec");
	const json_t *state = json_object_get(top->object, "status");

	if (top->kind == TARGET_DAEMONSET) {
		observation->replicas =
			kube_number(json_object_get(state, "desiredNumberScheduled"), 0);
		observation->ready_replicas = kube_number(json_object_get(state, "numberReady"), 0);
	} else if (is_workload(top->kind) && top->kind != TARGET_JOB &&
		top->kind != TARGET_CRONJOB) {
		observation->replicas = kube_number(json_object_get(spec, "replicas"), 1);
		observation->ready_replicas =
			kube_number(json_object_get(state, "readyReplicas"), 0);
	}
	observation->rollout_paused = json_is_true(json_object_get(spec, "paused"));
	observation->unschedulable =
		top->kind == TARGET_NODE && json_is_true(json_object_get(spec, "unschedulable"));
}

static enum status read_limits(struct sight *sight)
{
	struct observation *observation = sight->observation;
	const struct link *own = &sight->chain[0];
	const char *name = observation->target.container;
	const json_t *container = kube_container(own->object, own->kind, name);

	if (container == NULL && *name != '\0')
		return error_set(sight->error, STATUS_NOT_FOUND, "it has no container %s", name);
	if (kube_limits(container, &observation->memory_limit_bytes, &observation->cpu_limit_milli,
		    sight->error) != STATUS_OK)
		return sight->error->code;
	return kube_requests(container, &observation->memory_request_bytes,
		&observation->cpu_request_milli, sight->error);
}

/* Of the named container of a pod, or of that which was restarted most. */
static void read_restarts(struct sight *sight)
{
	struct observation *observation = sight->observation;
	const json_t *states =
		kube_get(sight->chain[0].object, "status", "containerStatuses", NULL);
	const char *wanted = observation->target.container;
	const json_t *state, *worst = NULL;
	const char *reason;
	size_t i;

	if (sight->chain[0].kind != TARGET_POD)
		return;
	json_array_foreach(states, i, state)
	{
		const char *name = json_string_value(json_object_get(state, "name"));
		int32_t count = kube_number(json_object_get(state, "restartCount"), 0);

		if (*wanted != '\0' && (name == NULL || strcmp(name, wanted) != 0))
			continue;
		if (worst == NULL || count > observation->restart_count) {
			worst = state;
			observation->restart_count = count;
		}
	}
	reason = json_string_value(kube_get(worst, "state", "waiting", "reason", NULL));
	if (reason == NULL)
		reason = json_string_value(
			kube_get(worst, "lastState", "terminated", "reason", NULL));
	snprintf(observation->restart_reason, sizeof(observation->restart_reason), "%.60s",
		reason != NULL ? reason : "");
}

static void read_writers(struct sight *sight)
{
	struct observation *observation = sight->observation;
	const struct link *own = &sight->chain[0], *top = top_of(sight);

	kube_field_writer(top->object, top->kind, KUBE_WRITTEN_REPLICAS, "",
		&observation->replicas_writer);
	kube_field_writer(own->object, own->kind, KUBE_WRITTEN_LIMITS,
		observation->target.container, &observation->limits_writer);
	kube_field_writer(own->object, own->kind, KUBE_WRITTEN_UNSCHEDULABLE, "",
		&observation->unschedulable_writer);
	kube_field_writer(own->object, own->kind, KUBE_WRITTEN_PAUSED, "",
		&observation->paused_writer);
}

/* --- all of it --- */

static enum status read_target(struct sight *sight)
{
	struct observation *observation = sight->observation;
	struct target *target = &observation->target;
	json_t *object;
	bool scales;
	enum status status;

	/* A kind that is not served is no object that is gone. */
	if (custom_kind_get(target->kind) != NULL &&
		kube_custom_find(sight->look, target->kind, &scales, sight->error) != STATUS_OK)
		return sight->error->code;
	status = read_object(sight, target->kind, target->namespace_name, target->name, &object);
	if (status == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (status != STATUS_OK)
		return status;
	sight->chain[sight->chain_size++] = (struct link){object, target->kind};
	if (strlen(kube_uid(object)) >= sizeof(target->uid) ||
		strlen(kube_resource_version(object)) >= sizeof(target->resource_version))
		return error_set(sight->error, STATUS_LIMIT, "its uid or version is too long");
	snprintf(target->uid, sizeof(target->uid), "%s", kube_uid(object));
	snprintf(target->resource_version, sizeof(target->resource_version), "%s",
		kube_resource_version(object));
	observation->found = true;
	return STATUS_OK;
}

/* What the action in question must know beside. */
static enum status look_for(struct sight *sight)
{
	const struct kube_action *kube =
		sight->purpose != NULL ? action_class(sight->purpose->kind)->kube : NULL;

	if (kube == NULL || kube->look == NULL)
		return STATUS_OK;
	return kube->look(sight->look->session, &sight->observation->target, sight->purpose,
		sight->observation, sight->error);
}

static enum status look_at(struct sight *sight)
{
	enum status status = read_target(sight);

	if (status != STATUS_OK || !sight->observation->found)
		return status;
	status = climb_all(sight);
	if (status == STATUS_OK)
		status = read_annotations(sight);
	if (status == STATUS_OK)
		status = read_owner_of_replicas(sight);
	if (status == STATUS_OK)
		status = is_custom(sight)
			? kube_custom_look(sight->look, sight->observation, sight->error)
			: read_limits(sight);
	if (status != STATUS_OK)
		return status;
	read_git_owner(sight);
	read_action_key(sight);
	read_cordon(sight);
	read_replicas(sight);
	read_rollout(sight);
	read_restarts(sight);
	read_writers(sight);
	for (size_t i = 0; i < sight->chain_size; i++)
		sight->observation->terminating |= kube_terminating(sight->chain[i].object);
	status = kube_look_further(sight->look, sight->chain[0].object, top_of(sight)->object,
		sight->observation, sight->error);
	return status == STATUS_OK ? look_for(sight) : status;
}

void kube_observe(struct kube_look *look, const struct target *target,
	const struct purpose *purpose, struct observation *observation)
{
	struct sight sight = {.look = look, .observation = observation, .purpose = purpose};
	char text[TARGET_TEXT_MAX];

	*observation = (struct observation){.target = *target};
	sight.error = &observation->error;
	if (look_at(&sight) != STATUS_OK) {
		target_write(target, text, sizeof(text));
		error_prefix(sight.error, "cannot look at %.300s", text);
	} else {
		/* What was not found and need not be has left its words. */
		error_reset(sight.error);
	}
	for (size_t i = 0; i < sight.chain_size; i++)
		json_decref(sight.chain[i].object);
}
