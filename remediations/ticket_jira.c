/*
 * Jira Cloud (basic auth with e-mail and API token) and Data Center (bearer token).
 *
 * An issue carries the incident's key as a label. It is searched by it before it is created, and its own
 * key is kept by the outbox, so that searching is needed only when an answer was lost or a crash came
 * between. Search lags behind creation by seconds, which is less than the pause before a repeat.
 *
 *   open     search by label -> found: told | not found: create
 *   comment  add a comment; at a repeat only when no comment with the event's id is there
 *   close    the transition of the configured name when the workflow offers it, then a comment
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/ticket_service.h"

#define BODY_MAX (256u << 10)
#define SUMMARY_RUNES 255
#define DESCRIPTION_RUNES 32767
#define COMMENT_RUNES 32000
#define ISSUE_KEY_MAX 64

struct jira {
	struct ticket_session *session;
	const struct ticket_task *task;
	struct ticket_result *result;
	char key[ISSUE_KEY_MAX];
};

static bool is_issue_key(const char *key)
{
	size_t size = key != NULL ? strspn(key,
					    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					    "0123456789_-")
				  : 0;

	return size > 0 && size < ISSUE_KEY_MAX && key[size] == '\0';
}

/* Authorization: Basic of user and token, or Bearer. */
static bool authorize(struct jira *jira)
{
	struct ticket_session *session = jira->session;
	char plain[2048];
	int size;

	if (session->service->user == NULL) {
		size = snprintf(session->authorization, sizeof(session->authorization),
			"Authorization: Bearer %s", session->secret);
		if (size > 0 && (size_t)size < sizeof(session->authorization))
			return true;
	} else {
		static const char start[] = "Authorization: Basic ";

		size = snprintf(plain, sizeof(plain), "%s:%s", session->service->user,
			session->secret);
		if (size > 0 && (size_t)size < sizeof(plain)) {
			memcpy(session->authorization, start, sizeof(start));
			EVP_EncodeBlock((unsigned char *)session->authorization + sizeof(start) - 1,
				(const unsigned char *)plain, size);
		}
		explicit_bzero(plain, sizeof(plain));
		if (size > 0 && (size_t)size < sizeof(plain))
			return true;
	}
	ticket_not_ready(jira->result, "%s is too long", session->service->secret_file);
	return false;
}

/* One call; *object is the answer's, NULL when it has none. */
static bool call_jira(struct jira *jira, const char *path, const struct buf *body, json_t **object)
{
	struct ticket_call call = {.headers = {jira->session->authorization, NULL}};
	struct ticket_answer answer;

	*object = NULL;
	ticket_session_url(jira->session, path);
	if (!ticket_session_call(jira->session, &call, body, &answer, jira->result))
		return false;
	if (answer.size > 0)
		*object = json_loadb(answer.body, answer.size, 0, NULL);
	return true;
}

/* An answer with a code of success and a body that nobody understands: asked again later. */
static bool not_understood(struct jira *jira, const char *what)
{
	ticket_not_ready(jira->result, "the answer to %s is not understood", what);
	return false;
}

/* Fills jira->key, or leaves it empty when there is no issue. False: the try is over. */
static bool search(struct jira *jira)
{
	const struct ticket_service *service = jira->session->service;
	json_t *object, *issues;
	const char *key;
	struct buf body;
	char jql[512];
	bool good;

	/* Project and key are of letters, digits and a few signs only: nothing to escape. */
	snprintf(jql, sizeof(jql), "project=\"%s\" and labels=\"%s\" order by created ASC",
		service->project, jira->task->event->key);
	buf_init(&body, BODY_MAX);
	buf_add_text(&body, "{\"jql\":");
	buf_add_json_string(&body, jql, strlen(jql));
	buf_add_text(&body, ",\"maxResults\":2,\"fields\":[\"status\"]}");
	good = call_jira(jira,
		service->user != NULL ? "/rest/api/3/search/jql" : "/rest/api/2/search", &body,
		&object);
	buf_fini(&body);
	if (!good)
		return false;
	issues = json_object_get(object, "issues");
	key = json_string_value(json_object_get(json_array_get(issues, 0), "key"));
	if (!json_is_array(issues) || (json_array_size(issues) > 0 && !is_issue_key(key)))
		good = not_understood(jira, "the search");
	else if (key != NULL)
		snprintf(jira->key, sizeof(jira->key), "%s", key);
	json_decref(object);
	return good;
}

static void write_issue(struct buf *json, const struct ticket_service *service,
	const struct ticket_event *event)
{
	const char *priority = service->priorities[event->severity];
	struct buf words;

	buf_init(&words, BODY_MAX);
	ticket_event_words(&words, event);
	buf_add_text(json, "{\"fields\":{\"project\":{\"key\":");
	buf_add_json_string(json, service->project, strlen(service->project));
	buf_add_text(json, "},\"issuetype\":{\"name\":");
	buf_add_json_string(json, service->issue_type, strlen(service->issue_type));
	buf_add_text(json, "},\"summary\":");
	ticket_add_json(json, event->title, SUMMARY_RUNES, BODY_MAX, true);
	buf_add_text(json, ",\"description\":");
	if (buf_ok(&words) && words.data != NULL)
		ticket_add_json(json, words.data, DESCRIPTION_RUNES, BODY_MAX, false);
	else
		json->failed = true;
	buf_printf(json, ",\"labels\":[\"nimbusguard\",\"%s\"", event->key);
	for (size_t i = 0; i < service->label_count; i++) {
		buf_add_char(json, ',');
		buf_add_json_string(json, service->labels[i], strlen(service->labels[i]));
	}
	buf_add_char(json, ']');
	if (priority != NULL) {
		buf_add_text(json, ",\"priority\":{\"name\":");
		buf_add_json_string(json, priority, strlen(priority));
		buf_add_char(json, '}');
	}
	buf_add_text(json, "}}");
	buf_fini(&words);
}

static bool create(struct jira *jira)
{
	json_t *object;
	const char *key;
	struct buf body;
	bool good;

	buf_init(&body, BODY_MAX);
	write_issue(&body, jira->session->service, jira->task->event);
	good = call_jira(jira, "/rest/api/2/issue", &body, &object);
	buf_fini(&body);
	if (!good)
		return false;
	key = json_string_value(json_object_get(object, "key"));
	if (is_issue_key(key))
		snprintf(jira->key, sizeof(jira->key), "%s", key);
	else
		good = not_understood(jira, "the creation");
	json_decref(object);
	return good;
}

/* Whether a comment with the event's id is there already; *there is false when that is not known. */
static bool find_comment(struct jira *jira, bool *there)
{
	char path[256], mark[TICKET_ID_MAX + 3];
	json_t *object, *list, *comment;
	size_t i;

	*there = false;
	snprintf(mark, sizeof(mark), "[%s]", jira->task->id);
	snprintf(path, sizeof(path), "/rest/api/2/issue/%s/comment?orderBy=-created&maxResults=50",
		jira->key);
	if (!call_jira(jira, path, NULL, &object))
		return false;
	list = json_object_get(object, "comments");
	json_array_foreach(list, i, comment)
	{
		const char *text = json_string_value(json_object_get(comment, "body"));

		*there = *there || (text != NULL && strstr(text, mark) != NULL);
	}
	json_decref(object);
	return true;
}

static bool comment_on(struct jira *jira)
{
	struct buf words, body;
	json_t *object = NULL;
	char path[256];
	bool there = false, good;

	if (jira->task->again && (!find_comment(jira, &there) || there))
		return there;
	buf_init(&words, BODY_MAX);
	ticket_event_words(&words, jira->task->event);
	/* In front, where no cut can reach it. */
	buf_init(&body, BODY_MAX);
	buf_add_text(&body, "{\"body\":");
	if (buf_ok(&words)) {
		struct buf marked;

		buf_init(&marked, BODY_MAX);
		buf_printf(&marked, "[%s] %s", jira->task->id,
			words.data != NULL ? words.data : "");
		if (buf_ok(&marked))
			ticket_add_json(&body, marked.data, COMMENT_RUNES, BODY_MAX, false);
		else
			body.failed = true;
		buf_fini(&marked);
	} else {
		body.failed = true;
	}
	buf_add_char(&body, '}');
	snprintf(path, sizeof(path), "/rest/api/2/issue/%s/comment", jira->key);
	good = call_jira(jira, path, &body, &object);
	json_decref(object);
	buf_fini(&words);
	buf_fini(&body);
	return good;
}

/* The id of the transition of the configured name, as the workflow offers it now; "" when it does not. */
static bool find_transition(struct jira *jira, char *id, size_t size)
{
	json_t *object, *transition, *list;
	char path[256];
	size_t i;

	id[0] = '\0';
	snprintf(path, sizeof(path), "/rest/api/2/issue/%s/transitions", jira->key);
	if (!call_jira(jira, path, NULL, &object))
		return false;
	list = json_object_get(object, "transitions");
	json_array_foreach(list, i, transition)
	{
		const char *name = json_string_value(json_object_get(transition, "name"));
		const char *found = json_string_value(json_object_get(transition, "id"));

		if (id[0] == '\0' && name != NULL && found != NULL &&
			strcmp(name, jira->session->service->close_transition) == 0)
			snprintf(id, size, "%s", found);
	}
	json_decref(object);
	return true;
}

static bool close_issue(struct jira *jira)
{
	char path[256], id[32];
	json_t *object = NULL;
	struct buf body;
	bool good = true;

	if (jira->session->service->close_transition != NULL) {
		if (!find_transition(jira, id, sizeof(id)))
			return false;
		/* Not offered: a person, or a try before this one, was faster. */
		if (id[0] != '\0') {
			buf_init(&body, BODY_MAX);
			buf_add_text(&body, "{\"transition\":{\"id\":");
			buf_add_json_string(&body, id, strlen(id));
			buf_add_text(&body, "}}");
			snprintf(path, sizeof(path), "/rest/api/2/issue/%s/transitions", jira->key);
			good = call_jira(jira, path, &body, &object);
			json_decref(object);
			buf_fini(&body);
		}
	}
	return good && comment_on(jira);
}

void ticket_jira_tell(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result)
{
	struct jira jira = {.session = session, .task = task, .result = result};
	bool good = authorize(&jira);

	if (good && is_issue_key(task->external))
		snprintf(jira.key, sizeof(jira.key), "%s", task->external);
	else if (good)
		good = search(&jira);
	if (good && task->event->operation == TICKET_OPEN && jira.key[0] == '\0') {
		good = create(&jira);
	} else if (good && jira.key[0] == '\0') {
		result->verdict = TICKET_REFUSED;
		error_set(&result->error, STATUS_NOT_FOUND, "there is no issue for this incident");
		good = false;
	} else if (good && task->event->operation == TICKET_COMMENT) {
		good = comment_on(&jira);
	} else if (good && task->event->operation == TICKET_CLOSE) {
		good = close_issue(&jira);
	}
	if (jira.key[0] != '\0') {
		snprintf(result->external, sizeof(result->external), "%s", jira.key);
		ticket_session_url(session, "/browse/");
		snprintf(result->url, sizeof(result->url), "%.*s%s",
			(int)(sizeof(result->url) - ISSUE_KEY_MAX - 1), session->url, jira.key);
	}
	if (good) {
		result->verdict = TICKET_TOLD;
		error_reset(&result->error);
	}
}
