/*
 * silence: alerts that the next step will make fire are silenced, for the target alone and never the
 * alert that triggered the playbook. It accompanies the steps after it: it is not watched for an
 * effect, the next step comes at once, and it is removed when the incident ends, at the latest at its
 * own end. Its inverse removes it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/actions/action_class.h"
#include "remediations/alertmanager.h"
#include "remediations/silence_scope.h"

/* step->payload: the names of alerts, a line each; an empty line; the labels, a line each. */

static bool next_line(const char **at, char *line, size_t size)
{
	size_t length = strcspn(*at, "\n");

	if (**at == '\0')
		return false;
	snprintf(line, size, "%.*s", (int)length, *at);
	*at += length + ((*at)[length] == '\n');
	return true;
}

struct scope_texts {
	struct silence_scope scope;
	char alerts[SILENCE_ALERTS_MAX][SILENCE_ALERT_NAME_MAX];
	char labels[SILENCE_LABELS_MAX][64];
};

static void read_scope(const char *payload, struct scope_texts *texts)
{
	struct silence_scope *scope = &texts->scope;
	char line[SILENCE_ALERT_NAME_MAX];
	bool labels = false;

	*scope = (struct silence_scope){.alert_count = 0};
	while (payload != NULL && next_line(&payload, line, sizeof(line))) {
		if (*line == '\0') {
			labels = true;
		} else if (!labels && scope->alert_count < SILENCE_ALERTS_MAX) {
			snprintf(texts->alerts[scope->alert_count], sizeof(texts->alerts[0]), "%s",
				line);
			scope->alerts[scope->alert_count] = texts->alerts[scope->alert_count];
			scope->alert_count++;
		} else if (labels && scope->label_count < SILENCE_LABELS_MAX) {
			snprintf(texts->labels[scope->label_count], sizeof(texts->labels[0]),
				"%.63s", line);
			scope->labels[scope->label_count] = texts->labels[scope->label_count];
			scope->label_count++;
		}
	}
}

/* ---- the step ---- */

static void read_alerts(const struct step_reading *reading, struct buf *payload)
{
	const struct yaml_node *list = yaml_get(reading->map, "alerts");

	if (list == NULL || list->kind != YAML_LIST || list->child_count == 0 ||
		list->child_count > SILENCE_ALERTS_MAX) {
		yaml_report(reading->at, list != NULL ? list : reading->map,
			"a silence step needs alerts: a list of 1 to %d names of alerts",
			SILENCE_ALERTS_MAX);
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *name = list->children[i];

		if (name->kind != YAML_SCALAR || !silence_alert_name_valid(name->text))
			yaml_report(reading->at, name, "this can be no name of an alert");
		else
			buf_printf(payload, "%s\n", name->text);
	}
}

static void read_labels(const struct step_reading *reading, struct buf *payload)
{
	const struct yaml_node *list = yaml_get(reading->map, "labels");
	const struct target_spec *target = &reading->playbook->target;
	bool named = false;

	if (list == NULL)
		return;
	if (list->kind != YAML_LIST || list->child_count == 0 ||
		list->child_count > SILENCE_LABELS_MAX) {
		yaml_report(reading->at, list, "labels: a list of 1 to %d names of labels",
			SILENCE_LABELS_MAX);
		return;
	}
	buf_add_char(payload, '\n');
	for (size_t i = 0; i < list->child_count; i++) {
		const struct yaml_node *label = list->children[i];
		bool names = false;

		if (label->kind != YAML_SCALAR || strlen(label->text) > 63 ||
			!silence_label_valid(target->any_workload ? TARGET_NONE : target->kind,
				label->text, &names))
			yaml_report(reading->at, label,
				"this label says nothing of the playbook's target");
		else
			buf_printf(payload, "%s\n", label->text);
		named = named || names;
	}
	if (!named)
		yaml_report(reading->at, list,
			"none of these labels names the target itself: the silence would be too "
			"wide");
}

static void check_trigger(const struct step_reading *reading, const struct playbook_step *step)
{
	const struct trigger *trigger = &reading->playbook->triggers[EVENT_ALERT];
	struct scope_texts texts;
	const char *hit;

	if (!trigger->set || step->payload == NULL)
		return;
	read_scope(step->payload, &texts);
	/* Testing a pattern counts its misses, and changes nothing else. */
	hit = silence_scope_hits(&texts.scope, (struct matchers *)(uintptr_t)&trigger->matchers);
	if (hit != NULL)
		yaml_report(reading->at, yaml_get(reading->map, "alerts"),
			"%s may be the alert that triggers this playbook, which is never silenced",
			hit);
}

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	struct buf payload;

	buf_init(&payload, 8192);
	read_alerts(reading, &payload);
	read_labels(reading, &payload);
	step->payload = buf_take(&payload, NULL);
	if (step->payload == NULL && yaml_get(reading->map, "alerts") != NULL)
		yaml_report(reading->at, reading->map, "no memory is left to read this");
	yaml_read_duration(reading->at, reading->map, "for", true, 60000, SILENCE_TIME_MAX_MS,
		&step->options.time_ms);
	step->options.content = content_hash(step->payload);
	check_trigger(reading, step);
}

/* ---- the plan ---- */

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	struct scope_texts texts;
	struct matchers matchers;
	struct error error;
	char time[32];
	struct buf text;

	changes_set(&plan->changes, CHANGE_SILENCED, 0, 1);
	read_scope(question->step->payload, &texts);
	matchers_init(&matchers);
	buf_init(&text, 4096);
	format_duration(plan->options.time_ms, time, sizeof(time));
	if (silence_scope_matchers(&texts.scope, question->target, &matchers, &error) !=
		STATUS_OK) {
		refusal_set(&plan->refusal, "silence_scope", "No narrow silence can be made: %s.",
			error.text);
	} else {
		matchers_write(&text, &matchers);
		snprintf(plan->words, sizeof(plan->words), "silence %.180s for %s at most",
			text.data != NULL ? text.data : "", time);
		if (question->event->source == EVENT_ALERT &&
			matchers_test(&matchers, &question->event->labels))
			refusal_set(&plan->refusal, "silences_trigger",
				"The silence would cover the alert that triggered it.");
	}
	buf_fini(&text);
	matchers_fini(&matchers);
}

static char *make_payload(const struct plan_question *question, const char *action_id)
{
	struct scope_texts texts;
	struct matchers matchers;
	char comment[512];
	struct buf json;
	char *text = NULL;

	read_scope(question->step->payload, &texts);
	matchers_init(&matchers);
	buf_init(&json, 32u << 10);
	if (silence_scope_matchers(&texts.scope, question->target, &matchers, NULL) == STATUS_OK &&
		!(question->event->source == EVENT_ALERT &&
			matchers_test(&matchers, &question->event->labels))) {
		snprintf(comment, sizeof(comment), "%s by playbook %s because of %.200s", action_id,
			question->playbook->name, event_name(question->event));
		buf_add_text(&json, "{\"matchers\":");
		silence_write_matchers(&json, &matchers);
		buf_add_text(&json, ",\"comment\":");
		buf_add_json_string(&json, comment, strlen(comment));
		buf_add_char(&json, '}');
		text = buf_take(&json, NULL);
	}
	buf_fini(&json);
	matchers_fini(&matchers);
	return text;
}

/* Who has to know looks for it in the Alertmanager, by its key. */
static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)plan, (void)target, (void)action_id, (void)observation;
	return 1;
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words,
		changes_after(&command->changes, CHANGE_SILENCED, 1) ? "silence alerts of "
								     : "end the silence of ");
	words_add_target(words, &command->target);
}

static const char *const keys[] = {"alerts", "labels", "for", NULL};

const struct action_class action_silence = {
	.name = "silence",
	.accompanies = true,
	.targets = TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD) | TARGET_BIT(TARGET_NODE),
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.make_payload = make_payload,
	.inverse = true,
	.applied = applied,
	.describe = describe,
	.way = ACTION_BY_LOOKUP,
};
