/*
 * An HPA that KEDA made carries copies of its ScaledObject's annotations, and its bounds are KEDA's to
 * write: it is passed over, and the ScaledObject is looked at.
 */
#include "remediations/floor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/parse.h"
#include "remediations/kube_list.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_send.h"

#define CALL_MS 30000
#define BODY_MAX 4096

static const char *const fate_names[FLOOR_FATE_COUNT] = {
#define X(fate, name) [fate] = name,
	FLOOR_FATE_TABLE(X)
#undef X
};

const char *floor_fate_name(enum floor_fate fate)
{
	CHECK((unsigned)fate < FLOOR_FATE_COUNT);
	return fate_names[fate];
}

/* ---- the marks ---- */

static bool read_bound(const json_t *object, const char *name, int32_t *bound)
{
	const char *text = kube_annotation(object, name);
	int64_t value;

	if (text == NULL || parse_int(text, &value) != STATUS_OK || value < 0 || value > INT32_MAX)
		return false;
	*bound = (int32_t)value;
	return true;
}

enum floor_marked floor_read(const json_t *object, struct floor_mark *mark)
{
	const char *until = kube_annotation(object, ANNOTATION_FLOOR_UNTIL);

	*mark = (struct floor_mark){0};
	if (until == NULL)
		return FLOOR_NONE;
	if (parse_rfc3339(until, &mark->until_ms) == STATUS_OK && mark->until_ms > 0 &&
		read_bound(object, ANNOTATION_FLOOR, &mark->floor) &&
		read_bound(object, ANNOTATION_FLOOR_BEFORE, &mark->before))
		return FLOOR_MARKED;
	*mark = (struct floor_mark){0};
	return FLOOR_UNCLEAR;
}

void floor_write(const struct floor_mark *mark, char *text, size_t size)
{
	char until[32];

	if (mark == NULL) {
		snprintf(text, size,
			",\"" ANNOTATION_FLOOR_UNTIL "\":null,\"" ANNOTATION_FLOOR
			"\":null,\"" ANNOTATION_FLOOR_BEFORE "\":null");
		return;
	}
	format_rfc3339(mark->until_ms, until, sizeof(until));
	snprintf(text, size,
		",\"" ANNOTATION_FLOOR_UNTIL "\":\"%s\",\"" ANNOTATION_FLOOR "\":\"%" PRId32
		"\",\"" ANNOTATION_FLOOR_BEFORE "\":\"%" PRId32 "\"",
		until, mark->floor, mark->before);
}

/* ---- those that are over ---- */

struct walk {
	struct kube_session *session;
	const struct floors_question *question;
	floor_seen_fn *seen;
	void *argument;
	enum target_kind kind;
	/* What the namespace that was asked for last says; lists come sorted by namespace. */
	char namespace_name[NAMESPACE_MAX];
	enum kube_flag namespace_paused;
};

static const char *bound_name(enum target_kind kind)
{
	return kind == TARGET_HPA ? "minReplicas" : "minReplicaCount";
}

static bool is_kedas(const json_t *item)
{
	const char *kind = json_string_value(json_object_get(kube_controller(item), "kind"));

	return kube_label(item, "scaledobject.keda.sh/name") != NULL ||
		(kind != NULL && strcmp(kind, "ScaledObject") == 0);
}

/* As for any other change: a namespace that can't be read may be paused. */
static enum status read_namespace(struct walk *walk, const char *name, struct error *error)
{
	json_t *object = NULL;
	enum status status;
	struct buf path;

	if (strcmp(walk->namespace_name, name) == 0)
		return STATUS_OK;
	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/api/v1/namespaces");
	kube_path_add(&path, name);
	status = buf_ok(&path) ? kube_read(walk->session, path.data, &object, error)
			       : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	if (status != STATUS_OK)
		return error_prefix(error, "the namespace %s", name);
	walk->namespace_paused = kube_annotation_flag(object, ANNOTATION_PAUSED);
	snprintf(walk->namespace_name, sizeof(walk->namespace_name), "%s", name);
	json_decref(object);
	return STATUS_OK;
}

static bool may_be_paused(enum kube_flag flag)
{
	return flag == KUBE_FLAG_TRUE || flag == KUBE_FLAG_UNCLEAR;
}

static enum floor_fate judge(const struct walk *walk, const json_t *item,
	const struct floor_seen *seen)
{
	if (seen->fate == FLOOR_MARK_BAD)
		return FLOOR_MARK_BAD;
	if (walk->question->now_ms < seen->mark.until_ms + walk->question->grace_ms)
		return FLOOR_STANDS;
	if (may_be_paused(kube_annotation_flag(item, ANNOTATION_PAUSED)))
		return FLOOR_PAUSED;
	return seen->bound == seen->mark.floor ? FLOOR_OVER : FLOOR_CHANGED;
}

static void write_body(struct buf *body, const json_t *item, const struct floor_seen *seen)
{
	const char *version = kube_resource_version(item), *uid = kube_uid(item);
	char marks[FLOOR_MARKS_MAX];

	floor_write(NULL, marks, sizeof(marks));
	buf_add_text(body, "{\"metadata\":{\"resourceVersion\":");
	buf_add_json_string(body, version, strlen(version));
	buf_add_text(body, ",\"uid\":");
	buf_add_json_string(body, uid, strlen(uid));
	/* The first of the marks has a comma before it. */
	buf_printf(body, ",\"annotations\":{%s}}", marks + 1);
	if (seen->fate == FLOOR_OVER)
		buf_printf(body, ",\"spec\":{\"%s\":%" PRId32 "}", bound_name(seen->kind),
			seen->mark.before);
	buf_add_char(body, '}');
}

static enum status take_down(const struct walk *walk, const json_t *item,
	const struct floor_seen *seen, struct error *error)
{
	struct kube_request request = {.method = KUBE_PATCH,
		.content_type = MERGE_PATCH,
		.deadline_ns = clock_mono_ns(clock_system()) + CALL_MS * INT64_C(1000000)};
	struct kube_answer answer = {.object = NULL};
	struct buf path, body;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, BODY_MAX);
	status = kube_object_path(&path, seen->kind, seen->namespace_name, seen->name, error);
	/* The writer's name is that of the service: the next floor is not held for somebody else's bound. */
	buf_add_text(&path, "?fieldManager=" FIELD_MANAGER);
	write_body(&body, item, seen);
	if (status == STATUS_OK && (!buf_ok(&path) || !buf_ok(&body)))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK) {
		request.path = path.data;
		request.body = body.data;
		status = kube_session_call(walk->session, &request, &answer, error);
		kube_answer_fini(&answer);
	}
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

static bool is_to_go(enum floor_fate fate)
{
	return fate == FLOOR_OVER || fate == FLOOR_CHANGED;
}

static void look_at(struct walk *walk, const json_t *item)
{
	struct floor_seen seen = {.kind = walk->kind, .fate = FLOOR_STANDS, .words = ""};
	enum floor_marked marked = floor_read(item, &seen.mark);
	struct error error;

	if (marked == FLOOR_NONE || (walk->kind == TARGET_HPA && is_kedas(item)))
		return;
	seen.namespace_name = json_string_value(kube_get(item, "metadata", "namespace", NULL));
	seen.name = json_string_value(kube_get(item, "metadata", "name", NULL));
	if (seen.namespace_name == NULL || seen.name == NULL)
		return;
	seen.bound = kube_number(kube_get(item, "spec", bound_name(walk->kind), NULL),
		walk->kind == TARGET_HPA);
	if (marked == FLOOR_UNCLEAR)
		seen.fate = FLOOR_MARK_BAD;
	seen.fate = judge(walk, item, &seen);
	if (is_to_go(seen.fate)) {
		if (read_namespace(walk, seen.namespace_name, &error) != STATUS_OK) {
			seen.fate = FLOOR_FAILED;
			seen.words = error.text;
		} else if (may_be_paused(walk->namespace_paused)) {
			seen.fate = FLOOR_PAUSED;
		}
	}
	if (walk->question->apply && is_to_go(seen.fate)) {
		if (take_down(walk, item, &seen, &error) != STATUS_OK) {
			seen.fate = FLOOR_FAILED;
			seen.words = error.text;
		} else if (seen.fate == FLOOR_OVER) {
			seen.fate = FLOOR_EXPIRED;
		}
	}
	walk->seen(walk->argument, &seen);
}

static enum status look_page(void *argument, const json_t *list, bool *enough, struct error *error)
{
	struct walk *walk = argument;
	const json_t *item;
	size_t i;

	(void)error;
	(void)enough;
	json_array_foreach(json_object_get(list, "items"), i, item)
	{
		look_at(walk, item);
	}
	return STATUS_OK;
}

static enum status look_through(struct walk *walk, const char *plural, struct error *error)
{
	struct buf path;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_printf(&path, "/apis/%s", kube_group_version(walk->kind));
	if (walk->question->namespace_name != NULL) {
		buf_add_text(&path, "/namespaces");
		kube_path_add(&path, walk->question->namespace_name);
	}
	buf_printf(&path, "/%s?limit=500", plural);
	status = buf_ok(&path)
		? kube_list_read(walk->session, path.data, plural, look_page, walk, error)
		: error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status;
}

enum status floors_expire(struct kube_session *session, const struct floors_question *question,
	floor_seen_fn *seen, void *argument, struct error *error)
{
	struct walk walk = {session, question, seen, argument, .kind = TARGET_HPA};
	enum status status = look_through(&walk, "horizontalpodautoscalers", error);

	if (status != STATUS_OK)
		return status;
	walk.kind = TARGET_SCALED_OBJECT;
	status = look_through(&walk, "scaledobjects", error);
	/* A cluster without KEDA. */
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
