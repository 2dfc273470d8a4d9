/*
 * A body is a text of JSON. Labels may stand in its strings only and are escaped when they are filled
 * in, so that no label can change what the body says around it.
 */
#include "remediations/web_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/playbook.h"

#define VALUE_MAX 4096
#define URL_MAX 900

bool web_url_good(const char *url)
{
	static const char *const local[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
	bool good = strncmp(url, "https://", 8) == 0 && url[8] != '\0' && url[8] != '/';
	size_t host = good ? 8 : 7;

	for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
		size_t size = strlen(local[i]);

		good = good ||
			(strncmp(url, local[i], size) == 0 && strchr(":/", url[size]) != NULL);
	}
	for (const char *at = url; *at != '\0'; at++)
		good = good && (unsigned char)*at > ' ' && (unsigned char)*at < 0x7f;
	return good && strlen(url) <= URL_MAX &&
		strcspn(url + host, "@") >= strcspn(url + host, "/?#");
}

/* Whether the place lies within a string; text is JSON up to there. */
static bool in_string(const char *text, const char *place)
{
	bool inside = false;

	for (; text < place; text++) {
		if (inside && *text == '\\')
			text++;
		else if (*text == '"')
			inside = !inside;
	}
	return inside;
}

bool web_body_check(const char *body, char *message, size_t size)
{
	json_error_t error;
	json_t *root;

	if (strlen(body) > WEB_BODY_MAX / 2) {
		snprintf(message, size, "at most %u bytes are allowed", WEB_BODY_MAX / 2);
		return false;
	}
	root = json_loads(body, 0, &error);
	if (root == NULL) {
		snprintf(message, size, "line %d of it is no JSON: %.60s", error.line, error.text);
		return false;
	}
	json_decref(root);
	for (const char *at = body; (at = strstr(at, "{{")) != NULL; at += 2) {
		if (!in_string(body, at)) {
			snprintf(message, size, "{{ }} may stand in strings only");
			return false;
		}
	}
	return template_check(body, message, size);
}

static void add_escaped(struct buf *json, const char *text)
{
	struct buf quoted;

	buf_init(&quoted, 8 * VALUE_MAX);
	buf_add_json_string(&quoted, text, strlen(text));
	if (buf_ok(&quoted))
		buf_add(json, quoted.data + 1, quoted.size - 2);
	else
		json->failed = true;
	buf_fini(&quoted);
}

static void fill(struct buf *json, const char *body, const struct plan_question *question,
	const char *target)
{
	const char *brace;

	while ((brace = strstr(body, "{{")) != NULL) {
		const char *end = strstr(brace, "}}");
		char one[256], value[VALUE_MAX];

		if (end == NULL || end + 2 - brace >= (ptrdiff_t)sizeof(one))
			break;
		buf_add(json, body, (size_t)(brace - body));
		snprintf(one, sizeof(one), "%.*s", (int)(end + 2 - brace), brace);
		template_fill(one, question->event, target, question->playbook->name,
			question->reason, value, sizeof(value));
		add_escaped(json, value);
		body = end + 2;
	}
	buf_add_text(json, body);
}

static void add_member(struct buf *json, const char *key, const char *text)
{
	buf_printf(json, ",\"%s\":", key);
	buf_add_json_string(json, text, strlen(text));
}

static void write_usual(struct buf *json, const struct plan_question *question, const char *target,
	const char *action_id)
{
	char when[32];

	format_rfc3339(question->now_ms, when, sizeof(when));
	buf_printf(json, "{\"type\":\"action.requested\",\"timestamp\":\"%s\",\"data\":{", when);
	buf_printf(json, "\"action\":\"%s\"", action_id);
	add_member(json, "playbook", question->playbook->name);
	add_member(json, "event", event_name(question->event));
	add_member(json, "target", target);
	add_member(json, "kind", target_kind_name(question->target->kind));
	add_member(json, "namespace", question->target->namespace_name);
	add_member(json, "name", question->target->name);
	add_member(json, "reason", question->reason);
	buf_add_text(json, ",\"labels\":");
	labels_write_json(json, &question->event->labels);
	buf_add_text(json, "}}");
}

char *web_body_fill(const char *body, const struct plan_question *question, const char *action_id)
{
	char target[TARGET_TEXT_MAX];
	struct buf json;

	target_write(question->target, target, sizeof(target));
	buf_init(&json, WEB_BODY_MAX);
	if (body != NULL)
		fill(&json, body, question, target);
	else
		write_usual(&json, question, target, action_id);
	if (buf_ok(&json))
		return buf_take(&json, NULL);
	buf_fini(&json);
	return NULL;
}
