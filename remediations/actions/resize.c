/*
 * The part of a container's resources that is written, and what the kubelet says of it: by the
 * conditions PodResizePending and PodResizeInProgress, and by what it runs the container with.
 *
 * Source: KEP-1287, in-place update of pod resources.
 */
#include "remediations/actions/resize.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"

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

void resize_add_container(struct buf *body, const struct sending *sending, bool back)
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

bool resize_value(const json_t *container, enum change_field field, int64_t *value)
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

/* ---- what the kubelet makes of it ---- */

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

bool resize_is_pending(const json_t *pod)
{
	return condition(pod, "PodResizePending") != NULL ||
		condition(pod, "PodResizeInProgress") != NULL;
}

enum status resize_judge(struct sending *sending, const json_t *pod, const char *uid,
	struct error *error)
{
	const json_t *pending = condition(pod, "PodResizePending");
	const json_t *running = condition(pod, "PodResizeInProgress");
	const json_t *state = container_state(pod, sending->container);
	const char *message;

	if (strcmp(kube_uid(pod), uid) != 0 || kube_terminating(pod))
		return error_set(error, STATUS_CONFLICT, "the pod is gone, or going");
	message =
		json_string_value(json_object_get(pending != NULL ? pending : running, "message"));
	if (pending != NULL && strcmp(reason_of(pending), "Infeasible") == 0)
		return error_set(error, STATUS_BAD_INPUT, "the resize cannot be done: %.200s",
			message != NULL ? message : "infeasible");
	if (pending == NULL && running == NULL && state != NULL &&
		object_has(state, &sending->command->changes, true, resize_value))
		return STATUS_OK;
	/* The kubelet tries again by itself: it may lack what it knows of a container that has just started. */
	if (running != NULL && strcmp(reason_of(running), "Error") == 0)
		snprintf(sending->progress, sizeof(sending->progress),
			"the resize fails, yet: %.100s", message != NULL ? message : "");
	else
		snprintf(sending->progress, sizeof(sending->progress), "the resize is %s",
			pending != NULL ? "deferred" : "under way");
	return STATUS_BUSY;
}

enum status resize_send(struct sending *sending, struct buf *path, struct buf *body,
	enum status status, struct error *error)
{
	if (status == STATUS_OK && (!buf_ok(path) || !buf_ok(body)))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK)
		status = sending_call(sending, KUBE_PATCH, path->data, STRATEGIC_PATCH, body->data,
			NULL, error);
	buf_fini(path);
	buf_fini(body);
	return status;
}

enum status resize_patch(struct sending *sending, const char *pod, const char *uid,
	const char *version, bool back, struct error *error)
{
	struct buf path, body;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	status = kube_object_path(&path, TARGET_POD, sending->command->target.namespace_name, pod,
		error);
	buf_add_text(&path, "/resize");
	sending_add_query(&path, sending);
	buf_add_text(&body, "{\"metadata\":{\"uid\":");
	buf_add_json_string(&body, uid, strlen(uid));
	if (*version != '\0') {
		buf_add_text(&body, ",\"resourceVersion\":");
		buf_add_json_string(&body, version, strlen(version));
	}
	buf_add_text(&body, "},\"spec\":{");
	resize_add_container(&body, sending, back);
	buf_add_text(&body, "}}");
	return resize_send(sending, &path, &body, status, error);
}
