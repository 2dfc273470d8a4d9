/*
 * Each kind of action is one request with a precondition, so that sending it twice does no more than
 * sending it once:
 *
 *   scale             PATCH .../scale, merge: replicas, resourceVersion and uid
 *   restart_pod       DELETE with the uid
 *   restart_workload  PATCH, merge: kubectl's restartedAt on the pod template; the action's key
 *   adjust_resources  PATCH, strategic merge: limits of one container; the action's key
 *   cordon            PATCH, merge: unschedulable; the action's key
 *   ticket            nothing of the cluster
 *
 * 409 means that the object changed since it was looked at, often only its status. Then it is read
 * again: if it is as wanted, the command is done; if what the guard judged is as it was, it is sent
 * again with the new version, a few times; otherwise it failed.
 *
 * A failure after the request may have reached the server leaves the outcome unknown, unless the
 * server itself refused it.
 */
#include "remediations/kube_send.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/parse.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/quantity.h"

#define CONFLICTS_MAX 3
#define BODY_MAX 8192
#define MERGE_PATCH "application/merge-patch+json"
#define STRATEGIC_PATCH "application/strategic-merge-patch+json"
#define FIELD_MANAGER "nimbusguard"

struct sending {
	struct kube_session *session;
	const struct clock *clock;
	const struct command *command;
	char container[OBJECT_NAME_MAX];
	char resource_version[UID_MAX]; /* precondition of the next attempt */
	char restarted_at[32];
	bool already; /* the cluster was as wanted before we sent anything that took effect */
};

/* --- bodies --- */

static void add_text(struct buf *body, const char *text)
{
	buf_add_json_string(body, text, strlen(text));
}

/* "metadata":{...} with the preconditions, and the key for what has annotations of its own. */
static void add_metadata(struct buf *body, const struct sending *sending, bool annotated)
{
	const struct command *command = sending->command;

	buf_add_text(body, "\"metadata\":{\"resourceVersion\":");
	add_text(body, sending->resource_version);
	buf_add_text(body, ",\"uid\":");
	add_text(body, command->target.uid);
	if (annotated) {
		buf_add_text(body, ",\"annotations\":{\"" ANNOTATION_ACTION "\":");
		add_text(body, command->action_id);
		buf_add_text(body, ",\"" ANNOTATION_REASON "\":");
		add_text(body, command->text);
		buf_add_char(body, '}');
	}
	buf_add_char(body, '}');
}

static void add_limits(struct buf *body, const struct command *command)
{
	const char *comma = "";
	char text[32];

	if (command->memory_bytes_after != 0) {
		quantity_write_bytes(command->memory_bytes_after, text, sizeof(text));
		buf_printf(body, "\"memory\":\"%s\"", text);
		comma = ",";
	}
	if (command->cpu_milli_after != 0) {
		quantity_write_milli(command->cpu_milli_after, text, sizeof(text));
		buf_printf(body, "%s\"cpu\":\"%s\"", comma, text);
	}
}

static void write_body(struct buf *body, const struct sending *sending)
{
	const struct command *command = sending->command;

	buf_add_char(body, '{');
	switch (command->kind) {
	case ACTION_SCALE:
		add_metadata(body, sending, false);
		buf_printf(body, ",\"spec\":{\"replicas\":%" PRId32 "}", command->replicas_after);
		break;
	case ACTION_RESTART_POD:
		buf_add_text(body,
			"\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
			"\"preconditions\":{\"uid\":");
		add_text(body, command->target.uid);
		buf_add_text(body, command->server_dry_run ? "},\"dryRun\":[\"All\"]" : "}");
		break;
	case ACTION_RESTART_WORKLOAD:
		add_metadata(body, sending, true);
		buf_printf(body,
			",\"spec\":{\"template\":{\"metadata\":{\"annotations\":{"
			"\"kubectl.kubernetes.io/restartedAt\":\"%s\"}}}}",
			sending->restarted_at);
		break;
	case ACTION_ADJUST_RESOURCES:
		add_metadata(body, sending, true);
		buf_add_text(body, ",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":");
		add_text(body, sending->container);
		buf_add_text(body, ",\"resources\":{\"limits\":{");
		add_limits(body, command);
		buf_add_text(body, "}}}]}}}");
		break;
	case ACTION_CORDON:
		add_metadata(body, sending, true);
		buf_printf(body, ",\"spec\":{\"unschedulable\":%s}",
			command->uncordon ? "false" : "true");
		break;
	case ACTION_TICKET:
	case ACTION_KIND_COUNT:
		break;
	}
	buf_add_char(body, '}');
}

/* --- one request --- */

static enum status write_path(struct buf *path, const struct sending *sending, struct error *error)
{
	const struct command *command = sending->command;
	const struct target *target = &command->target;
	enum status status =
		kube_object_path(path, target->kind, target->namespace_name, target->name, error);

	if (status != STATUS_OK || command->kind == ACTION_RESTART_POD)
		return status;
	if (command->kind == ACTION_SCALE)
		buf_add_text(path, "/scale");
	buf_add_text(path, "?fieldManager=" FIELD_MANAGER);
	if (command->server_dry_run)
		buf_add_text(path, "&dryRun=All");
	return buf_ok(path) ? STATUS_OK
			    : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
}

/* The command's deadline, which is by the clock on the wall, on the monotonic one. */
static int64_t deadline_ns(const struct sending *sending)
{
	int64_t left_ms = sending->command->deadline_ms - clock_now_ms(sending->clock);

	if (sending->command->deadline_ms == 0)
		return 0;
	if (left_ms > INT64_C(86400000))
		left_ms = INT64_C(86400000);
	return clock_mono_ns(clock_system()) + left_ms * 1000000;
}

/* *sent: the server may have seen it and has not refused it. */
static enum status call(struct sending *sending, bool *sent, struct error *error)
{
	const struct command *command = sending->command;
	struct kube_request request = {.method = command->kind == ACTION_RESTART_POD ? KUBE_DELETE
										     : KUBE_PATCH,
		.content_type = command->kind == ACTION_RESTART_POD ? "application/json"
			: command->kind == ACTION_ADJUST_RESOURCES  ? STRATEGIC_PATCH
								    : MERGE_PATCH,
		.deadline_ns = deadline_ns(sending)};
	struct kube_answer answer;
	struct buf path, body;
	enum status status;

	*sent = false;
	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, BODY_MAX);
	status = write_path(&path, sending, error);
	write_body(&body, sending);
	if (status == STATUS_OK && !buf_ok(&body))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK) {
		request.path = path.data;
		request.body = body.data;
		status = kube_session_call(sending->session, &request, &answer, error);
		/* A 4xx or a redirect is a refusal; what else went wrong may have gone wrong after
		 * the change. */
		*sent = answer.sent && !(answer.code >= 300 && answer.code < 500);
		kube_answer_fini(&answer);
	}
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

/* --- after a conflict --- */

static bool limits_are(const struct sending *sending, const json_t *object, int64_t memory,
	int64_t cpu)
{
	const struct command *command = sending->command;
	const json_t *container = kube_container(object, command->target.kind, sending->container);
	int64_t memory_now, cpu_now;

	return container != NULL &&
		kube_limits(container, &memory_now, &cpu_now, NULL) == STATUS_OK &&
		(command->memory_bytes_after == 0 || memory_now == memory) &&
		(command->cpu_milli_after == 0 || cpu_now == cpu);
}

static bool is_as_wanted(const struct sending *sending, const json_t *object)
{
	const struct command *command = sending->command;
	const char *key = kube_annotation(object, ANNOTATION_ACTION);

	switch (command->kind) {
	case ACTION_SCALE:
		return kube_number(kube_get(object, "spec", "replicas", NULL), 1) ==
			command->replicas_after;
	case ACTION_RESTART_WORKLOAD:
		return key != NULL && strcmp(key, command->action_id) == 0;
	case ACTION_ADJUST_RESOURCES:
		return limits_are(sending, object, command->memory_bytes_after,
			command->cpu_milli_after);
	case ACTION_CORDON:
		return json_is_true(kube_get(object, "spec", "unschedulable", NULL)) !=
			command->uncordon;
	case ACTION_RESTART_POD:
	case ACTION_TICKET:
	case ACTION_KIND_COUNT:
		break;
	}
	return false;
}

/* Whether what the guard judged is still so, as far as the object itself tells. */
static bool is_as_judged(const struct sending *sending, const json_t *object)
{
	const struct command *command = sending->command;
	enum kube_flag managed = kube_annotation_flag(object, ANNOTATION_MANAGED);
	enum kube_flag paused = kube_annotation_flag(object, ANNOTATION_PAUSED);

	if (paused == KUBE_FLAG_TRUE || paused == KUBE_FLAG_UNCLEAR || managed == KUBE_FLAG_FALSE ||
		managed == KUBE_FLAG_UNCLEAR || kube_terminating(object) ||
		json_is_true(kube_get(object, "spec", "paused", NULL)))
		return false;
	if (command->kind == ACTION_SCALE)
		return kube_number(kube_get(object, "spec", "replicas", NULL), 1) ==
			command->replicas_before;
	if (command->kind == ACTION_ADJUST_RESOURCES)
		return limits_are(sending, object, command->memory_bytes_before,
			command->cpu_milli_before);
	return true;
}

static enum status read_again(struct sending *sending, json_t **object, struct error *error)
{
	const struct target *target = &sending->command->target;
	struct buf path;
	enum status status;

	*object = NULL;
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, target->kind, target->namespace_name, target->name, error);
	if (status == STATUS_OK)
		status = kube_read(sending->session, path.data, object, error);
	buf_fini(&path);
	return status;
}

/* STATUS_OK: send again with the new version, or (`already`) nothing is left to do. */
static enum status judge_conflict(struct sending *sending, const json_t *object,
	struct error *error)
{
	const char *version = kube_resource_version(object);

	if (strcmp(kube_uid(object), sending->command->target.uid) != 0) {
		/* The pod that was to go is gone, and another one has its name. */
		sending->already = sending->command->kind == ACTION_RESTART_POD;
		return sending->already
			? STATUS_OK
			: error_set(error, STATUS_CONFLICT, "it is another object by now");
	}
	sending->already = is_as_wanted(sending, object);
	if (sending->already)
		return STATUS_OK;
	if (!is_as_judged(sending, object) || strlen(version) >= sizeof(sending->resource_version))
		return error_set(error, STATUS_CONFLICT, "it changed since it was looked at");
	snprintf(sending->resource_version, sizeof(sending->resource_version), "%s", version);
	return STATUS_OK;
}

static enum status resolve_conflict(struct sending *sending, struct error *error)
{
	struct error reading;
	json_t *object;
	enum status status = read_again(sending, &object, &reading);

	if (status == STATUS_NOT_FOUND && sending->command->kind == ACTION_RESTART_POD) {
		sending->already = true;
		return STATUS_OK;
	}
	if (status != STATUS_OK)
		return error_set(error, STATUS_CONFLICT,
			"it changed, and cannot be looked at again: %.300s", reading.text);
	status = judge_conflict(sending, object, error);
	json_decref(object);
	return status;
}

/* --- a command --- */

/* Whether the kind of action fits the kind of object. */
static bool fits(enum action_kind action, enum target_kind kind)
{
	switch (action) {
	case ACTION_SCALE:
		return kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET ||
			kind == TARGET_REPLICASET;
	case ACTION_RESTART_POD:
		return kind == TARGET_POD;
	case ACTION_RESTART_WORKLOAD:
	case ACTION_ADJUST_RESOURCES:
		return kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET ||
			kind == TARGET_DAEMONSET;
	case ACTION_CORDON:
		return kind == TARGET_NODE;
	case ACTION_TICKET:
	case ACTION_KIND_COUNT:
		break;
	}
	return false;
}

static enum status check_command(const struct sending *sending, struct error *error)
{
	const struct command *command = sending->command;
	const struct target *target = &command->target;

	if (!fits(command->kind, target->kind))
		return error_set(error, STATUS_BAD_INPUT, "%s does not fit a %s",
			action_kind_name(command->kind), target_kind_name(target->kind));
	if (*target->uid == '\0' ||
		(*target->resource_version == '\0' && command->kind != ACTION_RESTART_POD))
		return error_set(error, STATUS_BAD_INPUT,
			"nobody has looked at it: its uid and version are not known");
	if (command->kind == ACTION_SCALE && command->replicas_after < 0)
		return error_set(error, STATUS_BAD_INPUT, "replicas must not be negative");
	if (command->kind == ACTION_ADJUST_RESOURCES &&
		(command->memory_bytes_after < 0 || command->cpu_milli_after < 0 ||
			(command->memory_bytes_after == 0 && command->cpu_milli_after == 0)))
		return error_set(error, STATUS_BAD_INPUT, "no limit to set");
	if (command->deadline_ms != 0 && clock_now_ms(sending->clock) > command->deadline_ms)
		return error_set(error, STATUS_TIMEOUT, "its time had passed: not sent");
	return STATUS_OK;
}

/* A patch of containers goes by name: without one the workload must have just one container. */
static enum status name_container(struct sending *sending, struct error *error)
{
	const struct target *target = &sending->command->target;
	enum status status;
	json_t *object;
	const char *only;

	snprintf(sending->container, sizeof(sending->container), "%s", target->container);
	if (sending->command->kind != ACTION_ADJUST_RESOURCES || *target->container != '\0')
		return STATUS_OK;
	status = read_again(sending, &object, error);
	if (status != STATUS_OK)
		return status;
	only = kube_only_container(object, target->kind);
	if (only == NULL || strlen(only) >= sizeof(sending->container))
		status = error_set(error, STATUS_BAD_INPUT,
			"it has several containers and the command names none");
	else
		snprintf(sending->container, sizeof(sending->container), "%s", only);
	json_decref(object);
	return status;
}

static enum status carry_out(struct sending *sending, bool *sent, struct error *error)
{
	enum status status;

	for (int conflicts = 0;; conflicts++) {
		status = call(sending, sent, error);
		if (status == STATUS_NOT_FOUND && sending->command->kind == ACTION_RESTART_POD) {
			sending->already = true;
			return STATUS_OK;
		}
		if (status != STATUS_CONFLICT || conflicts == CONFLICTS_MAX)
			return status;
		status = resolve_conflict(sending, error);
		if (status != STATUS_OK || sending->already)
			return status;
		/* A delete's precondition is the uid alone: the same one again would fail again. */
		if (sending->command->kind == ACTION_RESTART_POD)
			return error_set(error, STATUS_CONFLICT, "the pod could not be deleted");
	}
}

static void open_ticket(const struct command *command, struct command_result *result)
{
	LOG_INFO("ticket", LOG_TEXT("action", command->action_id),
		LOG_TEXT("title", command->title), LOG_TEXT("text", command->text));
	result->outcome = COMMAND_DONE;
}

void kube_send(struct kube_session *session, const struct clock *clock,
	const struct command *command, struct command_result *result)
{
	struct sending sending = {.session = session, .clock = clock, .command = command};
	bool sent = false;
	enum status status;

	*result = (struct command_result){.outcome = COMMAND_FAILED,
		.dry_run = command->server_dry_run};
	snprintf(result->action_id, sizeof(result->action_id), "%s", command->action_id);
	command_describe(command, result->detail, sizeof(result->detail));
	if (command->kind == ACTION_TICKET) {
		open_ticket(command, result);
		return;
	}
	snprintf(sending.resource_version, sizeof(sending.resource_version), "%s",
		command->target.resource_version);
	format_rfc3339(clock_now_ms(clock), sending.restarted_at, sizeof(sending.restarted_at));
	status = check_command(&sending, &result->error);
	if (status == STATUS_OK)
		status = name_container(&sending, &result->error);
	if (status == STATUS_OK)
		status = carry_out(&sending, &sent, &result->error);
	if (status == STATUS_OK) {
		error_reset(&result->error);
		result->outcome = COMMAND_DONE;
		if (sending.already)
			snprintf(result->detail + strlen(result->detail),
				sizeof(result->detail) - strlen(result->detail), " (already so)");
	} else if (sent) {
		result->outcome = COMMAND_UNKNOWN;
	}
}
