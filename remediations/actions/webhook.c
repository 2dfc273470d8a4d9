/*
 * webhook: a receiver of the user's is told, signed, and does what it does. What that is we do not
 * know: it counts as disruptive, the cluster tells nothing of it, and it has no inverse.
 *
 * The address and the secret come from files or the playbook, the body from a template whose labels
 * are filled into JSON strings. The action's id is webhook-id and Idempotency-Key, so that a receiver
 * can tell a repeat.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"
#include "remediations/kube_object.h"
#include "remediations/web_text.h"

#define PATH_SIZE_MAX 1000
#define TIME_MIN_MS 1000
#define TIME_MAX_MS 600000

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, key, json_string(text));
}

/* A path or address of the step as a member of what is sent. */
static void read_member(const struct step_reading *reading, const char *key, json_t *payload)
{
	const char *text;

	if (!yaml_read_text(reading->at, reading->map, key, false, &text))
		return;
	if (strlen(text) > PATH_SIZE_MAX || *text == '\0')
		yaml_report(reading->at, yaml_get(reading->map, key), "%s has 1 to %d bytes", key,
			PATH_SIZE_MAX);
	else
		set_text(payload, key, text);
}

static void check_address(const struct step_reading *reading, const json_t *payload)
{
	const char *url = json_string_value(json_object_get(payload, "url"));
	const struct yaml_node *place = yaml_get(reading->map, "url");

	if ((place != NULL) == (yaml_get(reading->map, "url_file") != NULL))
		yaml_report(reading->at, place != NULL ? place : reading->map,
			"a webhook step has url or url_file");
	else if (url != NULL && !web_url_good(url))
		yaml_report(reading->at, place,
			"url is no https:// one (http:// is for loopback only)");
	if (yaml_get(reading->map, "secret_file") == NULL)
		yaml_report(reading->at, reading->map,
			"the key \"secret_file\" is missing: webhooks are signed");
}

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	static const char *const members[] = {"url", "url_file", "secret_file", "ca_file", NULL};
	const struct yaml_node *body = yaml_get(reading->map, "body");
	json_t *payload = json_object();
	char message[128];

	for (size_t i = 0; members[i] != NULL; i++)
		read_member(reading, members[i], payload);
	check_address(reading, payload);
	if (body != NULL) {
		if (body->kind != YAML_SCALAR ||
			!web_body_check(body->text, message, sizeof(message)))
			yaml_report(reading->at, body, "body: %s",
				body->kind != YAML_SCALAR ? "a text of JSON is wanted" : message);
		else
			set_text(payload, "body", body->text);
	}
	step->options.time_ms = 30000;
	yaml_read_duration(reading->at, reading->map, "deadline", false, TIME_MIN_MS, TIME_MAX_MS,
		&step->options.time_ms);
	step->payload = kube_dump(payload, 4 * WEB_BODY_MAX);
	json_decref(payload);
	if (step->payload == NULL)
		yaml_report(reading->at, reading->map, "no memory is left to read this");
	step->options.content = content_hash(step->payload);
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	json_t *payload = json_loads(question->step->payload, 0, NULL);
	const char *body = json_string_value(json_object_get(payload, "body"));

	snprintf(plan->words, sizeof(plan->words), "call the playbook's webhook");
	if (body != NULL)
		plan_refuse_absent(plan, body, question->event);
	json_decref(payload);
}

static char *make_payload(const struct plan_question *question, const char *action_id)
{
	json_t *payload = json_loads(question->step->payload, 0, NULL);
	char *body = web_body_fill(json_string_value(json_object_get(payload, "body")), question,
		action_id);
	char *text = NULL;

	if (payload != NULL && body != NULL &&
		json_object_set_new(payload, "body", json_string(body)) == 0)
		text = kube_dump(payload, 4 * WEB_BODY_MAX);
	mem_free(body);
	json_decref(payload);
	return text;
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words, "call a webhook for ");
	words_add_target(words, &command->target);
}

static const char *const keys[] = {"url", "url_file", "secret_file", "ca_file", "body", "deadline",
	NULL};

const struct action_class action_webhook = {
	.name = "webhook",
	.disruptive = true,
	.destructive = true,
	.once = true,
	.targets = TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD) | TARGET_BIT(TARGET_NODE),
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.make_payload = make_payload,
	.applied = applied_untold,
	.describe = describe,
	.way = ACTION_BY_LOOKUP,
};
