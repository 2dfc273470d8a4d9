/*
 * A plan, and what was sent for it, held against what a check expects of them: the changes with their
 * values before and after, by the names of the change's fields; words, options, and parts of what goes
 * out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/case_world.h"
#include "remediations/job_template.h"
#include "remediations/quantity.h"

#define MATCHER_TEXT_MAX 512

const char *const case_words_keys[CASE_WORDS_COUNT] = {
#define X(id, key) [id] = key,
	CASE_WORDS_TABLE(X)
#undef X
};

const char *const case_flag_keys[CASE_FLAG_COUNT] = {
#define X(id, key) [id] = key,
	CASE_FLAG_TABLE(X)
#undef X
};

/* Limits are what people mean without a further word. */
const char *case_field_key(enum change_field field)
{
	return field == CHANGE_MEMORY_LIMIT ? "memory"
		: field == CHANGE_CPU_LIMIT ? "cpu"
					    : change_field_name(field);
}

/* ---- changes ---- */

static void write_value(int64_t value, enum change_unit unit, char *text, size_t size)
{
	if (unit == UNIT_BYTES)
		quantity_write_bytes(value, text, size);
	else if (unit == UNIT_MILLICORES)
		quantity_write_milli(value, text, size);
	else if (unit == UNIT_FLAG)
		snprintf(text, size, "%s", value != 0 ? "true" : "false");
	else
		snprintf(text, size, "%" PRId64, value);
}

static void write_change(int64_t from, int64_t to, enum change_unit unit, char *text, size_t size)
{
	char a[64], b[64];

	write_value(from, unit, a, sizeof(a));
	write_value(to, unit, b, sizeof(b));
	snprintf(text, size, "%s -> %s", a, b);
}

static void expect_change(struct checking *at, const struct plan *plan, enum change_field field)
{
	const struct case_step *step = &at->check->fields[field];
	const struct change *change = changes_find(&plan->changes, field);
	enum change_unit unit = change_field_unit(field);
	char expected[160], came[160] = "";

	if (!step->set ||
		(change != NULL && change->before == step->from && change->after == step->to))
		return;
	write_change(step->from, step->to, unit, expected, sizeof(expected));
	if (change != NULL)
		write_change(change->before, change->after, unit, came, sizeof(came));
	checking_differ(at, case_field_key(field), expected, came);
}

/* ---- words and options ---- */

/* What was sent by the action; "" when nothing was, or nothing that has a text. */
static const char *sent_by(const struct checking *at)
{
	const char *text = json_string_value(
		json_object_get(at->world->sent, at->action != NULL ? at->action->id : ""));

	return text != NULL ? text : "";
}

static void write_words(const struct checking *at, const struct plan *plan, enum case_words words,
	char *text, size_t size)
{
	text[0] = '\0';
	switch (words) {
	case WORDS_PLAN:
		snprintf(text, size, "%s", plan->words);
		break;
	case WORDS_OBJECT:
		if (plan->object.kind != TARGET_NONE)
			snprintf(text, size, "%s/%s", target_kind_name(plan->object.kind),
				plan->object.name);
		break;
	case WORDS_BY:
		if (at->action != NULL && plan->kind == ACTION_RESTART_POD)
			snprintf(text, size, "%s", plan->options.evict ? "evict" : "delete");
		break;
	case WORDS_JOB:
		if (at->action != NULL && plan->kind == ACTION_RUN_JOB)
			job_name(at->action->id, text, size);
		break;
	case WORDS_PAYLOAD:
		snprintf(text, size, "%s", sent_by(at));
		break;
	case WORDS_TITLE:
		snprintf(text, size, "%s", plan->title);
		break;
	case WORDS_TEXT:
		snprintf(text, size, "%s", plan->text);
		break;
	case CASE_WORDS_COUNT:
		break;
	}
}

/* A text that is long is asked for a part of it. */
static void expect_words(struct checking *at, const struct plan *plan, enum case_words words,
	const char *key)
{
	bool part = words == WORDS_PLAN || words == WORDS_PAYLOAD || words == WORDS_TEXT;
	const char *expected = at->check->words[words];
	char came[8192];

	if (expected == NULL)
		return;
	write_words(at, plan, words, came, sizeof(came));
	if (part ? strstr(came, expected) == NULL : strcmp(came, expected) != 0)
		checking_differ(at, key, expected, came);
}

static bool flag_of(const struct checking *at, const struct plan *plan, enum case_flag flag)
{
	switch (flag) {
	case FLAG_DRY_RUN:
		return at->action->dry_run;
	case FLAG_IN_PLACE:
		return plan->kind == ACTION_ADJUST_RESOURCES &&
			(at->action->target.kind == TARGET_POD || plan->options.by_resize);
	case FLAG_LOCAL_DATA:
		return plan->options.local_data;
	case FLAG_UNOWNED:
		return plan->options.unowned;
	case FLAG_FOREIGN:
		return plan->options.foreign;
	case CASE_FLAG_COUNT:
		break;
	}
	return false;
}

static void expect_flag(struct checking *at, const struct plan *plan, enum case_flag flag,
	const char *key)
{
	int expected = at->check->flags[flag];

	if (expected < 0)
		return;
	if (at->action == NULL)
		checking_differ(at, key, expected ? "true" : "false", "");
	else if (flag_of(at, plan, flag) != (expected == 1))
		checking_differ(at, key, expected ? "true" : "false", expected ? "false" : "true");
}

static void expect_time(struct checking *at, const struct plan *plan)
{
	char expected[32], came[32];

	if (at->check->time_ms < 0 || at->check->time_ms == plan->options.time_ms)
		return;
	format_duration(at->check->time_ms, expected, sizeof(expected));
	format_duration(plan->options.time_ms, came, sizeof(came));
	checking_differ(at, "time", expected, came);
}

/* ---- a silence's matchers ---- */

/* As in Alertmanager's routes: namespace="shop" */
static void write_matcher(const json_t *matcher, char text[MATCHER_TEXT_MAX])
{
	bool equal = json_is_true(json_object_get(matcher, "isEqual"));
	bool pattern = json_is_true(json_object_get(matcher, "isRegex"));
	const char *name = json_string_value(json_object_get(matcher, "name"));
	const char *value = json_string_value(json_object_get(matcher, "value"));

	snprintf(text, MATCHER_TEXT_MAX, "%s%s\"%s\"", name != NULL ? name : "",
		equal ? (pattern ? "=~" : "=") : (pattern ? "!~" : "!="),
		value != NULL ? value : "");
}

static bool is_expected(const struct yaml_node *list, const char *text)
{
	for (size_t i = 0; i < list->child_count; i++)
		if (strcmp(list->children[i]->text, text) == 0)
			return true;
	return false;
}

/* In any order; all of them, and no other. */
static void expect_matchers(struct checking *at)
{
	const struct yaml_node *list = at->check->matchers;
	json_t *silence, *matchers, *matcher;
	char expected[2048] = "", came[2048] = "", text[MATCHER_TEXT_MAX];
	size_t i, fit = 0, used = 0;

	if (list == NULL)
		return;
	silence = json_loads(sent_by(at), 0, NULL);
	matchers = json_object_get(silence, "matchers");
	json_array_foreach(matchers, i, matcher)
	{
		write_matcher(matcher, text);
		fit += is_expected(list, text);
		if (used < sizeof(came))
			used += (size_t)snprintf(came + used, sizeof(came) - used, "%s%s",
				used > 0 ? ", " : "", text);
	}
	if (fit != list->child_count || fit != json_array_size(matchers)) {
		for (i = 0, used = 0; i < list->child_count && used < sizeof(expected); i++)
			used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s",
				used > 0 ? ", " : "", list->children[i]->text);
		checking_differ(at, "matchers", expected, came);
	}
	json_decref(silence);
}

void checking_plan(struct checking *at)
{
	static const struct plan no_plan;
	const struct plan *plan = at->action != NULL ? &at->action->plan : &no_plan;

	for (int i = 0; i < CHANGE_FIELD_COUNT; i++)
		expect_change(at, plan, (enum change_field)i);
	for (int i = 0; i < CASE_WORDS_COUNT; i++)
		expect_words(at, plan, (enum case_words)i, case_words_keys[i]);
	for (int i = 0; i < CASE_FLAG_COUNT; i++)
		expect_flag(at, plan, (enum case_flag)i, case_flag_keys[i]);
	expect_time(at, plan);
	expect_matchers(at);
}
