/*
 * A command of one request with a precondition, so that sending it twice does no more than sending it
 * once:
 *
 *   check -> prepare -> request -> done
 *               ^          | 409
 *               +- judge <-+
 *
 * 409 means that the object changed since it was looked at, often only its status. Then it is read
 * again: if it is as wanted, the command is done; if what the guard judged is as it was, it is sent
 * again with the new version, a few times; otherwise it failed.
 *
 * A command of many calls is asked to go on, again and again, until it is done or its time is over.
 *
 * A failure after a change may have reached the server leaves the outcome unknown, unless the server
 * itself refused it.
 */
#include "remediations/kube_send.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"

#define CONFLICTS_MAX 3
#define ENDING_MS 10000

static const struct action_class *class_of(const struct sending *sending)
{
	return action_class(sending->command->kind);
}

static const struct kube_action *calls_of(const struct command *command)
{
	const struct action_class *class = action_class(command->kind);

	return command->options.by_resize && class->kube_by_resize != NULL ? class->kube_by_resize
									   : class->kube;
}

static void add_text(struct buf *body, const char *text)
{
	buf_add_json_string(body, text, strlen(text));
}

void sending_add_metadata(struct buf *body, const struct sending *sending)
{
	sending_add_marked(body, sending, "");
}

void sending_add_marked(struct buf *body, const struct sending *sending, const char *annotations)
{
	const struct command *command = sending->command;

	buf_add_text(body, "\"metadata\":{\"resourceVersion\":");
	add_text(body, sending->object.resource_version);
	buf_add_text(body, ",\"uid\":");
	add_text(body, sending->object.uid);
	/* A subresource keeps no annotations. */
	if (class_of(sending)->way == ACTION_BY_KEY && sending->subresource == NULL) {
		buf_add_text(body, ",\"annotations\":{\"" ANNOTATION_ACTION "\":");
		add_text(body, command->action_id);
		buf_add_text(body, ",\"" ANNOTATION_REASON "\":");
		add_text(body, command->text);
		buf_add_text(body, annotations);
		buf_add_char(body, '}');
	}
	buf_add_char(body, '}');
}

void sending_add_query(struct buf *path, const struct sending *sending)
{
	buf_add_text(path, "?fieldManager=" FIELD_MANAGER);
	if (sending->command->server_dry_run)
		buf_add_text(path, "&dryRun=All");
}

void sending_add_delete_options(struct buf *body, const struct sending *sending, const char *uid)
{
	buf_add_text(body, "\"preconditions\":{\"uid\":");
	add_text(body, uid);
	buf_add_text(body, sending->command->server_dry_run ? "},\"dryRun\":[\"All\"]" : "}");
}

/* --- one call --- */

/* The command's deadline, which is by the clock on the wall, on the monotonic one. */
static int64_t deadline_ns(const struct sending *sending)
{
	int64_t left_ms = sending->command->deadline_ms - clock_now_ms(sending->clock);

	if (sending->command->deadline_ms == 0)
		return 0;
	if (sending->ending)
		left_ms = left_ms > 0 ? left_ms + ENDING_MS : ENDING_MS;
	if (left_ms > INT64_C(86400000))
		left_ms = INT64_C(86400000);
	return clock_mono_ns(clock_system()) + left_ms * 1000000;
}

static enum status call_budget(struct sending *sending, enum kube_method method, const char *path,
	const char *content_type, const char *body, json_t **object, bool *budget,
	struct error *error)
{
	struct kube_request request = {.method = method,
		.path = path,
		.content_type = content_type,
		.body = body,
		.deadline_ns = deadline_ns(sending)};
	struct kube_answer answer;
	enum status status = kube_session_call(sending->session, &request, &answer, error);

	/* A 4xx or a redirect is a refusal; what else went wrong may have gone wrong after the
	 * change. */
	if (method != KUBE_GET)
		sending->sent = answer.sent && !(answer.code >= 300 && answer.code < 500);
	if (object != NULL)
		*object = status == STATUS_OK ? json_incref(answer.object) : NULL;
	if (budget != NULL)
		*budget = answer.budget;
	kube_answer_fini(&answer);
	return status;
}

enum status sending_call(struct sending *sending, enum kube_method method, const char *path,
	const char *content_type, const char *body, json_t **object, struct error *error)
{
	return call_budget(sending, method, path, content_type, body, object, NULL, error);
}

enum status sending_evict(struct sending *sending, const char *namespace_name, const char *pod,
	const char *uid, bool *budget, struct error *error)
{
	struct buf path, body;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	status = kube_object_path(&path, TARGET_POD, namespace_name, pod, error);
	buf_add_text(&path, "/eviction");
	buf_add_text(&body,
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{"
		"\"name\":");
	add_text(&body, pod);
	buf_add_text(&body, ",\"namespace\":");
	add_text(&body, namespace_name);
	buf_add_text(&body, "},\"deleteOptions\":{");
	sending_add_delete_options(&body, sending, uid);
	buf_add_text(&body, "}}");
	if (status == STATUS_OK && (!buf_ok(&body) || !buf_ok(&path)))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK)
		status = call_budget(sending, KUBE_POST, path.data, "application/json", body.data,
			NULL, budget, error);
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

static enum status write_path(struct buf *path, const struct sending *sending, struct error *error)
{
	const struct object_ref *object = &sending->object;
	enum status status = kube_object_path(path, object->kind,
		sending->command->target.namespace_name, object->name, error);

	if (status != STATUS_OK || sending->action->method == KUBE_DELETE)
		return status;
	if (sending->subresource != NULL)
		buf_add_text(path, sending->subresource);
	sending_add_query(path, sending);
	return buf_ok(path) ? STATUS_OK
			    : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
}

static enum status call(struct sending *sending, struct error *error)
{
	const struct kube_action *action = sending->action;
	struct buf path, body;
	enum status status;

	sending->sent = false;
	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	status = write_path(&path, sending, error);
	action->write_body(&body, sending);
	if (status == STATUS_OK && !buf_ok(&body))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK)
		status = sending_call(sending, action->method, path.data, sending->content_type,
			body.data, NULL, error);
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

enum status sending_read(struct sending *sending, json_t **object, struct error *error)
{
	struct buf path;
	enum status status;

	*object = NULL;
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, sending->object.kind,
		sending->command->target.namespace_name, sending->object.name, error);
	if (status == STATUS_OK)
		status = kube_read(sending->session, path.data, object, error);
	buf_fini(&path);
	return status;
}

/* --- after a conflict --- */

bool sending_is_judged(const struct sending *sending, const json_t *object)
{
	enum kube_flag managed = kube_annotation_flag(object, ANNOTATION_MANAGED);
	enum kube_flag paused = kube_annotation_flag(object, ANNOTATION_PAUSED);

	if (paused == KUBE_FLAG_TRUE || paused == KUBE_FLAG_UNCLEAR || managed == KUBE_FLAG_FALSE ||
		managed == KUBE_FLAG_UNCLEAR || kube_terminating(object))
		return false;
	if (!class_of(sending)->while_paused &&
		json_is_true(kube_get(object, "spec", "paused", NULL)))
		return false;
	return sending->action->is_judged == NULL || sending->action->is_judged(sending, object);
}

/* STATUS_OK: send again with the new version, or (`already`) nothing is left to do. */
static enum status judge_conflict(struct sending *sending, const json_t *object,
	struct error *error)
{
	const char *version = kube_resource_version(object);

	if (strcmp(kube_uid(object), sending->object.uid) != 0) {
		/* The pod that was to go is gone, and another one has its name. */
		sending->already = class_of(sending)->gone_is_done;
		return sending->already
			? STATUS_OK
			: error_set(error, STATUS_CONFLICT, "it is another object by now");
	}
	sending->already =
		sending->action->is_wanted != NULL && sending->action->is_wanted(sending, object);
	if (sending->already)
		return STATUS_OK;
	if (!sending_is_judged(sending, object) ||
		strlen(version) >= sizeof(sending->object.resource_version))
		return error_set(error, STATUS_CONFLICT, "it changed since it was looked at");
	snprintf(sending->object.resource_version, sizeof(sending->object.resource_version), "%s",
		version);
	return STATUS_OK;
}

static enum status resolve_conflict(struct sending *sending, struct error *error)
{
	struct error reading;
	json_t *object;
	enum status status = sending_read(sending, &object, &reading);

	if (status == STATUS_NOT_FOUND && class_of(sending)->gone_is_done) {
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

static enum status check_command(const struct sending *sending, struct error *error)
{
	const struct command *command = sending->command;
	const struct target *target = &command->target;
	const struct kube_action *action = sending->action;

	if (action == NULL || (action->targets & TARGET_BIT(target->kind)) == 0)
		return error_set(error, STATUS_BAD_INPUT, "%s does not fit a %s",
			action_kind_name(command->kind), target_kind_name(target->kind));
	if (*sending->object.uid == '\0' ||
		(*sending->object.resource_version == '\0' &&
			class_of(sending)->way != ACTION_BY_UID))
		return error_set(error, STATUS_BAD_INPUT,
			"nobody has looked at it: its uid and version are not known");
	if (action->check != NULL) {
		enum status status = action->check(command, error);

		if (status != STATUS_OK)
			return status;
	}
	if (command->deadline_ms != 0 && clock_now_ms(sending->clock) > command->deadline_ms)
		return error_set(error, STATUS_TIMEOUT, "its time had passed: not sent");
	return STATUS_OK;
}

static enum status carry_out(struct sending *sending, struct error *error)
{
	const struct action_class *class = class_of(sending);
	enum status status;

	for (int conflicts = 0;; conflicts++) {
		if (sending->action->prepare != NULL) {
			status = sending->action->prepare(sending, error);
			if (status != STATUS_OK || sending->already)
				return status;
		}
		status = call(sending, error);
		if (status == STATUS_NOT_FOUND && class->gone_is_done) {
			sending->already = true;
			return STATUS_OK;
		}
		if (status != STATUS_CONFLICT || conflicts == CONFLICTS_MAX)
			return status;
		status = resolve_conflict(sending, error);
		if (status != STATUS_OK || sending->already)
			return status;
		/* A delete's precondition is the uid alone: the same one again would fail again. */
		if (class->way == ACTION_BY_UID)
			return error_set(error, STATUS_CONFLICT, "the pod could not be deleted");
	}
}

void kube_send_begin(struct sending *sending, struct kube_session *session,
	const struct clock *clock, const struct command *command)
{
	const struct target *target = &command->target;

	*sending = (struct sending){.session = session,
		.clock = clock,
		.command = command,
		.action = calls_of(command),
		.object = command->object};
	if (sending->action != NULL) {
		sending->content_type = sending->action->content_type;
		sending->subresource = sending->action->subresource;
	}
	if (command->object.kind == TARGET_NONE) {
		sending->object.kind = target->kind;
		memcpy(sending->object.name, target->name, sizeof(target->name));
		memcpy(sending->object.uid, target->uid, sizeof(target->uid));
		memcpy(sending->object.resource_version, target->resource_version,
			sizeof(target->resource_version));
	}
	format_rfc3339(clock_now_ms(clock), sending->now, sizeof(sending->now));
}

static void finish(struct sending *sending, enum status status, struct command_result *result)
{
	size_t used = strlen(result->detail), room = sizeof(result->detail) - used;

	sending->ending = true;
	if (sending->action != NULL && sending->action->end != NULL)
		sending->action->end(sending, status, &result->error);
	json_decref(sending->prepared);
	sending->prepared = NULL;
	if (status == STATUS_OK) {
		error_reset(&result->error);
		result->outcome = COMMAND_DONE;
		if (sending->already)
			snprintf(result->detail + used, room, " (already so)");
	} else if (sending->sent) {
		result->outcome = COMMAND_UNKNOWN;
	}
}

/* Many calls, or the wait for what comes of one. */
static enum status go_on(struct sending *sending, int64_t *again_ms, struct error *error)
{
	enum status status;

	sending->waits = true;
	status =
		(sending->action->go_on != NULL ? sending->action->go_on
						: sending->action->await)(sending, again_ms, error);
	if (status == STATUS_BUSY && sending->command->deadline_ms != 0 &&
		clock_now_ms(sending->clock) + *again_ms > sending->command->deadline_ms)
		return error_set(error, STATUS_TIMEOUT, "its time is over: %s", sending->progress);
	return status;
}

static bool is_awaited(const struct sending *sending)
{
	return sending->action->await != NULL && !sending->command->server_dry_run &&
		(sending->action->await_targets & TARGET_BIT(sending->object.kind)) != 0;
}

static void begin_result(const struct command *command, struct command_result *result)
{
	*result = (struct command_result){.outcome = COMMAND_FAILED,
		.dry_run = command->server_dry_run};
	snprintf(result->action_id, sizeof(result->action_id), "%s", command->action_id);
	command_describe(command, result->detail, sizeof(result->detail));
}

void kube_send_stop(struct sending *sending, const char *why, struct command_result *result)
{
	begin_result(sending->command, result);
	finish(sending,
		error_set(&result->error, STATUS_UNAVAILABLE, "%s: %s", why,
			*sending->progress ? sending->progress : "not sent"),
		result);
}

bool kube_send_go_on(struct sending *sending, int64_t *again_ms, struct command_result *result)
{
	const struct command *command = sending->command;
	enum status status = STATUS_OK;
	bool begun = *sending->progress != '\0';

	*again_ms = 0;
	begin_result(command, result);
	if (command->kind == ACTION_TICKET) {
		LOG_INFO("ticket", LOG_TEXT("action", command->action_id),
			LOG_TEXT("title", command->title), LOG_TEXT("text", command->text));
		finish(sending, STATUS_OK, result);
		return true;
	}
	if (!begun) {
		status = check_command(sending, &result->error);
		if (status == STATUS_OK && sending->action->go_on == NULL)
			status = carry_out(sending, &result->error);
		snprintf(sending->progress, sizeof(sending->progress), SENDING_BEGUN);
	}
	if (status == STATUS_OK && (sending->action->go_on != NULL || is_awaited(sending))) {
		status = go_on(sending, again_ms, &result->error);
		if (status == STATUS_BUSY)
			return false;
	}
	finish(sending, status, result);
	return true;
}

void kube_send(struct kube_session *session, const struct clock *clock,
	const struct command *command, struct command_result *result)
{
	struct sending sending;
	int64_t again_ms;

	kube_send_begin(&sending, session, clock, command);
	while (!kube_send_go_on(&sending, &again_ms, result))
		clock_sleep_ms(again_ms);
}
