/*
 * A workload resized in place: each pod that the plan names, one after the other.
 *
 *   the pod is read -> as wanted: its kubelet's word is awaited -> done: the next one
 *                   -> as it was: the workload is looked at once more, the pod patched, and read again
 *                   -> anything else: somebody changed it, and the whole ends
 *                   -> gone, going, or another of its name: the next one; its successor has what the
 *                      template says
 *
 * The pods stand in the plan by their uids, so that the journal holds each of them before the first is
 * touched, and a restart in the middle, which finds some as wanted and some as they were, goes on. When a
 * kubelet says that it cannot, puts it off for RESIZE_WAIT_MS, or the time is over, what was resized is put
 * back: a workload is not left half one way and half the other.
 *
 * The template is left alone, for a new one would replace the very pods that were spared: the pods that
 * come later have what it says. Only where the update strategy is OnDelete a new template replaces nothing,
 * and there it is written when the pods are done.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/actions/resize.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_list.h"
#include "remediations/kube_managers.h"
#include "remediations/kube_object.h"
#include "remediations/kube_revisions.h"

#define OWNERS_MAX 8
#define WRITES_MAX 4 /* of one pod: beyond it somebody writes against us */

/* ---- the pods of a workload ---- */

typedef void pod_fn(void *argument, const json_t *pod);

struct listing {
	struct kube_session *session;
	const char *space;
	const json_t *workload;
	enum target_kind kind;
	pod_fn *pod;
	void *argument;
	/* ReplicaSets that were asked for already; what is more is asked for each time. */
	char owners[OWNERS_MAX][UID_MAX];
	bool ours[OWNERS_MAX];
	unsigned owner_count;
};

static bool is_owned_by(const json_t *object, const char *uid)
{
	const char *own = json_string_value(json_object_get(kube_controller(object), "uid"));

	return own != NULL && strcmp(own, uid) == 0;
}

static enum status read_object(struct kube_session *session, enum target_kind kind,
	const char *space, const char *name, json_t **object, struct error *error)
{
	struct buf path;
	enum status status;

	*object = NULL;
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, kind, space, name, error);
	if (status == STATUS_OK)
		status = kube_read(session, path.data, object, error);
	buf_fini(&path);
	return status;
}

/* Whether the ReplicaSet that the pod's owner reference names is the Deployment's. */
static enum status ask_owner(struct listing *listing, const json_t *owner, bool *ours,
	struct error *error)
{
	const char *uid = json_string_value(json_object_get(owner, "uid"));
	const char *name = json_string_value(json_object_get(owner, "name"));
	json_t *object;
	enum status status;

	for (unsigned i = 0; i < listing->owner_count; i++) {
		if (strcmp(listing->owners[i], uid) == 0) {
			*ours = listing->ours[i];
			return STATUS_OK;
		}
	}
	status = read_object(listing->session, TARGET_REPLICASET, listing->space, name, &object,
		error);
	*ours = status == STATUS_OK && strcmp(kube_uid(object), uid) == 0 &&
		is_owned_by(object, kube_uid(listing->workload));
	json_decref(object);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	error_reset(error);
	if (listing->owner_count < OWNERS_MAX && strlen(uid) < UID_MAX) {
		memcpy(listing->owners[listing->owner_count], uid, strlen(uid) + 1);
		listing->ours[listing->owner_count++] = *ours;
	}
	return STATUS_OK;
}

static enum status belongs(struct listing *listing, const json_t *pod, bool *ours,
	struct error *error)
{
	const json_t *owner = kube_controller(pod);
	const char *kind = json_string_value(json_object_get(owner, "kind"));
	const char *version = json_string_value(json_object_get(owner, "apiVersion"));

	*ours = is_owned_by(pod, kube_uid(listing->workload));
	if (listing->kind != TARGET_DEPLOYMENT || kube_kind(kind, version) != TARGET_REPLICASET ||
		json_string_value(json_object_get(owner, "uid")) == NULL ||
		json_string_value(json_object_get(owner, "name")) == NULL)
		return STATUS_OK;
	return ask_owner(listing, owner, ours, error);
}

static enum status list_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	struct listing *listing = argument;
	const json_t *pod;
	size_t i;

	(void)enough;
	json_array_foreach(json_object_get(list, "items"), i, pod)
	{
		const char *phase = json_string_value(kube_get(pod, "status", "phase", NULL));
		bool ours;
		enum status status = belongs(listing, pod, &ours, error);

		if (status != STATUS_OK)
			return status;
		if (ours && !kube_terminating(pod) &&
			(phase == NULL ||
				(strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)))
			listing->pod(listing->argument, pod);
	}
	return STATUS_OK;
}

/* Those that are neither finished nor going. */
static enum status list_pods(struct listing *listing, struct error *error)
{
	struct buf path;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/api/v1/namespaces");
	kube_path_add(&path, listing->space);
	buf_add_text(&path, "/pods?limit=100");
	kube_selector_add(&path, listing->workload);
	status = buf_ok(&path)
		? kube_list_read(listing->session, path.data, "its pods", list_page, listing, error)
		: error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status;
}

/* ---- looking ---- */

struct looking {
	struct observation *observation;
	const char *container;
};

static void see_pod(void *argument, const json_t *pod)
{
	const struct looking *looking = argument;
	struct resize_view *view = &looking->observation->resize;
	struct field_writer *writer = &looking->observation->resize_writer, own;
	const char *phase = json_string_value(kube_get(pod, "status", "phase", NULL));
	const json_t *container = kube_container(pod, TARGET_POD, looking->container);
	struct resize_pod *seen = &view->pods[view->count];

	if (phase == NULL || strcmp(phase, "Running") != 0 || container == NULL) {
		view->idle++;
		return;
	}
	if (view->count == RESIZE_PODS_MAX || strlen(kube_uid(pod)) >= RESIZE_UID_MAX) {
		view->too_many = true;
		return;
	}
	view->count++;
	memcpy(seen->uid, kube_uid(pod), strlen(kube_uid(pod)) + 1);
	/* What is no quantity stays 0, and is told like what is not set. */
	(void)resize_value(container, CHANGE_MEMORY_LIMIT, &seen->memory_limit_bytes);
	(void)resize_value(container, CHANGE_CPU_LIMIT, &seen->cpu_limit_milli);
	(void)resize_value(container, CHANGE_MEMORY_REQUEST, &seen->memory_request_bytes);
	(void)resize_value(container, CHANGE_CPU_REQUEST, &seen->cpu_request_milli);
	seen->pending = resize_is_pending(pod);
	/* What a person set on one of the pods is as much theirs as what stands in the template; that the
	 * pod was made with it says nothing. */
	kube_field_writer(pod, TARGET_POD, KUBE_WRITTEN_LIMITS, looking->container, &own);
	own.untold = own.untold || writer->untold;
	if (own.by_hand ? !writer->by_hand || own.time_ms > writer->time_ms
			: !writer->by_hand && strcmp(own.manager, FIELD_MANAGER) == 0)
		*writer = own;
	writer->untold = own.untold;
}

static const char *container_of(const struct target *target, const json_t *workload)
{
	return *target->container != '\0' ? target->container
					  : kube_only_container(workload, target->kind);
}

enum status resize_look(struct kube_session *session, const struct target *target,
	const struct purpose *purpose, struct observation *observation, struct error *error)
{
	struct looking looking = {.observation = observation};
	struct listing listing = {.session = session,
		.space = target->namespace_name,
		.kind = target->kind,
		.pod = see_pod,
		.argument = &looking};
	json_t *workload;
	enum status status;

	if (purpose->options.in_place == IN_PLACE_NEVER || !observation->resizes ||
		(TARGET_BIT(target->kind) & TARGETS_WORKLOAD) == 0)
		return STATUS_OK;
	status = read_object(session, target->kind, target->namespace_name, target->name, &workload,
		error);
	looking.container = container_of(target, workload);
	listing.workload = workload;
	if (observation->limits_writer.by_hand)
		observation->resize_writer = observation->limits_writer;
	if (status == STATUS_OK && looking.container != NULL) {
		status = list_pods(&listing, error);
		observation->resize.looked = status == STATUS_OK;
	}
	json_decref(workload);
	/* Who may not see the pods can still roll them out. */
	if (status == STATUS_FORBIDDEN && purpose->options.in_place == IN_PLACE_PREFER) {
		error_reset(error);
		return STATUS_OK;
	}
	return status;
}

int resize_applied(const struct plan *plan, const struct observation *observation)
{
	const struct resize_view *view = &observation->resize;
	unsigned wanted = 0, before = 0, pending = 0;

	if (!view->looked)
		return -1;
	for (unsigned i = 0; i < view->count; i++) {
		const struct resize_pod *pod = &view->pods[i];

		if (!resize_pods_have(&plan->pods, pod->uid))
			continue;
		if (resize_pod_has(pod, &plan->changes, true)) {
			wanted++;
			pending += pod->pending;
		} else if (resize_pod_has(pod, &plan->changes, false)) {
			before++;
		} else {
			return 0;
		}
	}
	/* Pods that are gone took it with them. */
	if (wanted == 0)
		return 0;
	return before == 0 && pending == 0 ? 1 : APPLIED_BEGUN;
}

/* ---- carrying it out ---- */

/* Of one resize under way. */
struct resizing {
	unsigned at, done, gone;
	unsigned writes;  /* of the pod at hand */
	int64_t since_ms; /* it is at hand */
	/* "" for one that is gone; in the order of command->pods */
	char names[RESIZE_PODS_MAX][OBJECT_NAME_MAX];
};

struct naming {
	const struct resize_pods *pods;
	struct resizing *resizing;
};

static void name_pod(void *argument, const json_t *pod)
{
	const struct naming *naming = argument;
	const char *name = json_string_value(kube_get(pod, "metadata", "name", NULL));

	for (unsigned i = 0; i < naming->pods->count; i++)
		if (name != NULL && strlen(name) < OBJECT_NAME_MAX &&
			strcmp(naming->pods->uids[i], kube_uid(pod)) == 0)
			memcpy(naming->resizing->names[i], name, strlen(name) + 1);
}

static bool is_passing(enum status status)
{
	return status == STATUS_BUSY || status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT ||
		status == STATUS_IO;
}

/* The workload as it is, if it is the same and still may be changed. */
static enum status read_workload(struct sending *sending, json_t **workload, struct error *error)
{
	enum status status = sending_read(sending, workload, error);

	if (status != STATUS_OK)
		return status;
	if (strcmp(kube_uid(*workload), sending->object.uid) == 0 &&
		sending_is_judged(sending, *workload) &&
		strlen(kube_resource_version(*workload)) < sizeof(sending->object.resource_version))
		return STATUS_OK;
	json_decref(*workload);
	*workload = NULL;
	return error_set(error, STATUS_CONFLICT, "the workload changed since it was looked at");
}

static enum status name_pods(struct sending *sending, struct resizing *resizing,
	const json_t *workload, struct error *error)
{
	struct naming naming = {&sending->command->pods, resizing};
	struct listing listing = {.session = sending->session,
		.space = sending->command->target.namespace_name,
		.workload = workload,
		.kind = sending->object.kind,
		.pod = name_pod,
		.argument = &naming};

	return list_pods(&listing, error);
}

static enum status begin(struct sending *sending, struct resizing *resizing, struct error *error)
{
	json_t *workload = NULL;
	enum status status = prepare_container(sending, error);

	if (status == STATUS_OK)
		status = read_workload(sending, &workload, error);
	if (status == STATUS_OK)
		status = name_pods(sending, resizing, workload, error);
	json_decref(workload);
	resizing->since_ms = clock_now_ms(sending->clock);
	return status;
}

static bool has(const struct sending *sending, const json_t *object, enum target_kind kind,
	bool after)
{
	const json_t *container = kube_container(object, kind, sending->container);

	return container != NULL &&
		object_has(container, &sending->command->changes, after, resize_value);
}

/* It was asked of the pod: whether the kubelet has done it. */
static enum status await_pod(struct sending *sending, const struct resizing *resizing,
	const json_t *pod, struct error *error)
{
	const char *uid = sending->command->pods.uids[resizing->at];
	enum status status;

	if (sending->command->server_dry_run)
		return STATUS_OK;
	status = resize_judge(sending, pod, uid, error);
	if (status == STATUS_BUSY &&
		clock_now_ms(sending->clock) - resizing->since_ms > RESIZE_WAIT_MS)
		return error_set(error, STATUS_BAD_INPUT,
			"its kubelet has put it off for too long: %s", sending->progress);
	return status;
}

/* STATUS_BUSY: the pod is to be read again. */
static enum status write_pod(struct sending *sending, struct resizing *resizing, const json_t *pod,
	struct error *error)
{
	const char *name = resizing->names[resizing->at];
	json_t *workload;
	enum status status;

	if (++resizing->writes > WRITES_MAX)
		return error_set(error, STATUS_CONFLICT, "it does not stay as it is written");
	status = read_workload(sending, &workload, error);
	if (status != STATUS_OK)
		return status;
	json_decref(workload);
	status = resize_patch(sending, name, kube_uid(pod), kube_resource_version(pod), false,
		error);
	if (status == STATUS_OK && sending->command->server_dry_run)
		return STATUS_OK;
	/* Its heartbeat changed it, or it is gone: the next look tells. */
	return status == STATUS_OK || status == STATUS_CONFLICT || status == STATUS_NOT_FOUND
		? STATUS_BUSY
		: status;
}

/* One look at the pod at hand, and what follows from it. STATUS_NOT_FOUND: it is gone. */
static enum status step_pod(struct sending *sending, struct resizing *resizing, bool *written,
	struct error *error)
{
	const char *uid = sending->command->pods.uids[resizing->at];
	const char *name = resizing->names[resizing->at];
	json_t *pod = NULL;
	enum status status = *name == '\0'
		? error_set(error, STATUS_NOT_FOUND, "it is gone")
		: read_object(sending->session, TARGET_POD, sending->command->target.namespace_name,
			  name, &pod, error);

	*written = false;
	if (status != STATUS_OK)
		return status;
	if (strcmp(kube_uid(pod), uid) != 0 || kube_terminating(pod)) {
		status = error_set(error, STATUS_NOT_FOUND, "it is gone");
	} else if (has(sending, pod, TARGET_POD, true)) {
		status = await_pod(sending, resizing, pod, error);
	} else if (has(sending, pod, TARGET_POD, false)) {
		status = write_pod(sending, resizing, pod, error);
		*written = status == STATUS_BUSY;
	} else {
		status = error_set(error, STATUS_CONFLICT, "it changed since it was looked at");
	}
	json_decref(pod);
	return status;
}

static void tell(struct sending *sending, const struct resizing *resizing, const char *of_pod)
{
	char gone[32] = "";

	if (resizing->gone > 0)
		snprintf(gone, sizeof(gone), ", %u gone", resizing->gone);
	snprintf(sending->progress, sizeof(sending->progress), "%u of %u pods are resized%s%s%.60s",
		resizing->done, sending->command->pods.count, gone, *of_pod != '\0' ? "; " : "",
		of_pod);
}

/* STATUS_OK: this one is through. */
static enum status go_on_pod(struct sending *sending, struct resizing *resizing,
	struct error *error)
{
	char of_pod[64] = "";
	bool written = true;
	enum status status = STATUS_BUSY;

	/* What was just written is looked at before anybody waits. */
	for (int i = 0; i < 2 && status == STATUS_BUSY && written; i++)
		status = step_pod(sending, resizing, &written, error);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
		resizing->done += status == STATUS_OK;
		resizing->gone += status == STATUS_NOT_FOUND;
		resizing->at++;
		resizing->writes = 0;
		resizing->since_ms = clock_now_ms(sending->clock);
		error_reset(error);
		status = STATUS_OK;
	} else if (status == STATUS_BUSY) {
		snprintf(of_pod, sizeof(of_pod), "%.60s", written ? "" : sending->progress);
	} else if (is_passing(status)) {
		status = STATUS_BUSY;
	} else {
		return error_prefix(error, "pod %.100s", resizing->names[resizing->at]);
	}
	tell(sending, resizing, of_pod);
	return status;
}

/* Where a new template replaces no pod, those that come later are to have it as well. */
static enum status bring_template(struct sending *sending, struct error *error)
{
	const char *strategy;
	struct buf path, body;
	json_t *workload;
	enum status status = read_workload(sending, &workload, error);

	/* The pods are done; a template that somebody has in hand is left to them. */
	if (status == STATUS_CONFLICT)
		return STATUS_OK;
	if (status != STATUS_OK)
		return status;
	strategy = json_string_value(kube_get(workload, "spec", "updateStrategy", "type", NULL));
	if (strategy == NULL || strcmp(strategy, "OnDelete") != 0 ||
		!has(sending, workload, sending->object.kind, false)) {
		json_decref(workload);
		return STATUS_OK;
	}
	snprintf(sending->object.resource_version, sizeof(sending->object.resource_version), "%s",
		kube_resource_version(workload));
	json_decref(workload);
	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	status = kube_object_path(&path, sending->object.kind,
		sending->command->target.namespace_name, sending->object.name, error);
	sending_add_query(&path, sending);
	buf_add_char(&body, '{');
	sending_add_metadata(&body, sending);
	buf_add_text(&body, ",\"spec\":{\"template\":{\"spec\":{");
	resize_add_container(&body, sending, false);
	buf_add_text(&body, "}}}}");
	return resize_send(sending, &path, &body, status, error);
}

static enum status go_on(struct sending *sending, int64_t *again_ms, struct error *error)
{
	struct resizing *resizing = sending->state;
	enum status status = STATUS_OK;

	*again_ms = RESIZE_LOOK_MS;
	if (resizing == NULL) {
		resizing = mem_zalloc(1, sizeof(*resizing));
		if (resizing == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for a resize");
		status = begin(sending, resizing, error);
		if (status != STATUS_OK) {
			mem_free(resizing);
			return is_passing(status) ? STATUS_BUSY : status;
		}
		sending->state = resizing;
	}
	if (resizing->at < sending->command->pods.count) {
		status = go_on_pod(sending, resizing, error);
		/* Between two pods others have their turn, and the kill switch. */
		if (status == STATUS_OK)
			*again_ms = 0;
		if (status != STATUS_OK || resizing->at < sending->command->pods.count)
			return status == STATUS_OK ? STATUS_BUSY : status;
	}
	if (resizing->done == 0)
		return error_set(error, STATUS_CONFLICT, "none of its pods is left");
	status = bring_template(sending, error);
	if (status == STATUS_CONFLICT || is_passing(status)) {
		*again_ms = RESIZE_LOOK_MS;
		return STATUS_BUSY;
	}
	return status;
}

/* What is as we wrote it becomes as it was. */
static void put_back(struct sending *sending, const struct resizing *resizing, unsigned *back,
	unsigned *left)
{
	for (unsigned i = 0; i < sending->command->pods.count; i++) {
		const char *uid = sending->command->pods.uids[i], *name = resizing->names[i];
		struct error error;
		json_t *pod = NULL;
		enum status status = STATUS_NOT_FOUND;

		if (*name != '\0')
			status = read_object(sending->session, TARGET_POD,
				sending->command->target.namespace_name, name, &pod, &error);
		if (status == STATUS_OK && strcmp(kube_uid(pod), uid) == 0 &&
			has(sending, pod, TARGET_POD, true)) {
			status = resize_patch(sending, name, uid, "", true, &error);
			*back += status == STATUS_OK;
		}
		*left += status != STATUS_OK && status != STATUS_NOT_FOUND;
		json_decref(pod);
	}
}

/* One that a restart found in the middle, and whose time is over: it is only put back. */
static struct resizing *find_begun(struct sending *sending)
{
	struct resizing *resizing = mem_zalloc(1, sizeof(*resizing));
	json_t *workload = NULL;
	struct error error;

	if (resizing != NULL &&
		(prepare_container(sending, &error) != STATUS_OK ||
			sending_read(sending, &workload, &error) != STATUS_OK ||
			name_pods(sending, resizing, workload, &error) != STATUS_OK)) {
		mem_free(resizing);
		resizing = NULL;
	}
	json_decref(workload);
	return resizing;
}

static void end(struct sending *sending, enum status status, struct error *error)
{
	struct resizing *resizing = sending->state;
	unsigned back = 0, left = 0;
	char told[ERROR_TEXT_MAX];

	sending->state = NULL;
	if (resizing == NULL && status == STATUS_TIMEOUT)
		resizing = find_begun(sending);
	if (resizing == NULL)
		return;
	if (status == STATUS_UNAVAILABLE) {
		/* The service ends, or is paused: the next look finds how far it is. */
		sending->sent = resizing->done > 0 || resizing->writes > 0;
	} else if (status != STATUS_OK && !sending->command->server_dry_run) {
		snprintf(told, sizeof(told), "%.380s", error->text);
		put_back(sending, resizing, &back, &left);
		/* Which pods have what the cluster tells; the resize as a whole is surely not done. */
		sending->sent = false;
		if (left > 0)
			error_set(error, error->code,
				"%s; %u of %u pods put back, of %u it is not known", told, back,
				sending->command->pods.count, left);
		else if (back > 0)
			error_set(error, error->code, "%s; %u of %u pods put back", told, back,
				sending->command->pods.count);
	}
	mem_free(resizing);
}

static enum status check(const struct command *command, struct error *error)
{
	for (unsigned i = 0; i < command->changes.count; i++)
		if (command->changes.list[i].after <= 0)
			return error_set(error, STATUS_BAD_INPUT, "no limit to set");
	return command->changes.count > 0 && command->pods.count > 0
		? STATUS_OK
		: error_set(error, STATUS_BAD_INPUT, "nothing to resize");
}

const struct kube_action resize_pods = {
	.targets = TARGETS_WORKLOAD,
	.check = check,
	.go_on = go_on,
	.end = end,
};
