/*
 * The conditions of --fail-if: METRIC[{matchers}] OPERATOR NUMBER. A metric counts rows of the replay;
 * its matchers see a row as labels, the metric's name as __name__ among them, so that the text up to
 * the closing brace is an ordinary selector.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/replay.h"

enum metric { ACTIONS, TICKETS, REFUSALS, APPROVALS, SUGGESTIONS, INCIDENTS, UNANSWERED };

static const char *const metrics[] = {"actions", "tickets", "refusals", "approvals", "suggestions",
	"incidents", "unanswered", NULL};
static const char *const operators[] = {">=", "<=", "==", "!=", ">", "<", NULL};
static const char *const known_labels[] = {"__name__", "playbook", "action", "target", "namespace",
	"reason", "verdict", "event", "outcome", NULL};

static int column_of(const char *text, const char *place)
{
	int column = 1;

	for (; text < place; text++)
		column += ((unsigned char)*text & 0xC0) != 0x80;
	return column;
}

static enum status fail_at(const char *text, const char *place, struct error *error,
	const char *what)
{
	return error_set(error, STATUS_BAD_INPUT, "column %d: %s", column_of(text, place), what);
}

static size_t blanks(const char *text)
{
	return strspn(text, " \t");
}

/* Where the selector ends: behind its brace, or behind the name. */
static const char *end_of_selector(const char *name, size_t name_size)
{
	const char *at = name + name_size + blanks(name + name_size);
	bool quoted = false;

	if (*at != '{')
		return name + name_size;
	for (; *at != '\0'; at++) {
		if (quoted && *at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (*at == '}' && !quoted)
			return at + 1;
	}
	return at;
}

static enum status check_labels(const struct replay_condition *condition, const char *text,
	const char *braces, struct error *error)
{
	for (size_t i = 0; i < condition->matchers.count; i++) {
		const char *name = condition->matchers.list[i].name, *nearest, *place;
		size_t k = 0;
		char words[200];

		while (known_labels[k] != NULL && strcmp(known_labels[k], name) != 0)
			k++;
		if (known_labels[k] != NULL)
			continue;
		nearest = nearest_word(name, known_labels);
		snprintf(words, sizeof(words),
			"there is no label \"%.60s\"%s%s%s; there are playbook, action, target, "
			"namespace, reason, verdict, event and outcome",
			name, nearest != NULL ? ", did you mean " : "",
			nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
		place = strstr(braces, name);
		return fail_at(text, place != NULL ? place : braces, error, words);
	}
	return STATUS_OK;
}

static enum status read_selector(struct replay_condition *condition, const char *text,
	const char *name, size_t name_size, const char *end, struct error *error)
{
	char word[32] = "", words[200], *selector;
	const char *nearest;
	enum status status;

	if (name_size == 0 || name_size >= sizeof(word))
		return fail_at(text, name, error,
			"a count is expected: actions, tickets, refusals, approvals, suggestions, "
			"incidents or unanswered");
	memcpy(word, name, name_size);
	word[name_size] = '\0';
	while (metrics[condition->metric] != NULL && strcmp(metrics[condition->metric], word) != 0)
		condition->metric++;
	if (metrics[condition->metric] == NULL) {
		nearest = nearest_word(word, metrics);
		snprintf(words, sizeof(words),
			"\"%s\" is not counted%s%s%s; there are actions, tickets, refusals, "
			"approvals, suggestions, incidents and unanswered",
			word, nearest != NULL ? ", did you mean " : "",
			nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
		return fail_at(text, name, error, words);
	}
	selector = mem_strndup(text, (size_t)(end - text));
	if (selector == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	status = matchers_parse_selector(&condition->matchers, selector, error);
	mem_free(selector);
	if (status == STATUS_OK)
		status = check_labels(condition, text, name + name_size, error);
	if (status == STATUS_OK && condition->metric == UNANSWERED && condition->matchers.count > 1)
		status = fail_at(text, name + name_size, error, "unanswered events have no labels");
	return status;
}

enum status replay_condition_read(struct replay_condition *condition, const char *text,
	struct error *error)
{
	const char *name = text + blanks(text), *end, *at;
	size_t name_size = strspn(name, "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	int64_t bound;
	char number[32];
	size_t size;

	*condition = (struct replay_condition){.text = text};
	matchers_init(&condition->matchers);
	end = end_of_selector(name, name_size);
	if (read_selector(condition, text, name, name_size, end, error) != STATUS_OK)
		return error->code;
	at = end + blanks(end);
	while (operators[condition->comparison] != NULL &&
		strncmp(at, operators[condition->comparison],
			strlen(operators[condition->comparison])) != 0)
		condition->comparison++;
	if (operators[condition->comparison] == NULL)
		return fail_at(text, at, error, "one of > >= < <= == != is expected");
	at += strlen(operators[condition->comparison]);
	at += blanks(at);
	size = strcspn(at, " \t");
	snprintf(number, sizeof(number), "%.*s", size < sizeof(number) ? (int)size : 31, at);
	if (size == 0 || size >= sizeof(number) || parse_int(number, &bound) != STATUS_OK ||
		bound < 0)
		return fail_at(text, at, error, "a whole number is expected");
	if (at[size + blanks(at + size)] != '\0')
		return fail_at(text, at + size + blanks(at + size), error,
			"nothing is expected behind the number");
	condition->bound = (double)bound;
	return STATUS_OK;
}

void replay_condition_fini(struct replay_condition *condition)
{
	matchers_fini(&condition->matchers);
}

/* ---- asking ---- */

struct row {
	struct label pairs[9];
	struct labels labels;
};

static void add_label(struct row *row, const char *name, const char *value)
{
	if (value[0] != '\0')
		row->pairs[row->labels.count++] = label_of(name, value);
}

/* By name, as sorted. */
static void plan_labels(struct row *row, const struct replay_plan *plan, const char *metric)
{
	row->labels = (struct labels){row->pairs, 0};
	add_label(row, "__name__", metric);
	add_label(row, "action", action_kind_name(plan->action));
	add_label(row, "event", plan->event);
	add_label(row, "namespace", plan->namespace_name);
	add_label(row, "playbook", plan->playbook);
	add_label(row, "reason", plan->reason);
	add_label(row, "target", plan->target);
	add_label(row, "verdict", replay_verdict_name(plan->verdict));
}

static bool plan_counts(const struct replay_plan *plan, unsigned metric)
{
	switch (metric) {
	case ACTIONS:
		return plan->verdict == REPLAY_ACT && plan->action != ACTION_TICKET;
	case TICKETS:
		return plan->verdict == REPLAY_ACT && plan->action == ACTION_TICKET;
	case REFUSALS:
		return plan->verdict == REPLAY_REFUSED;
	case APPROVALS:
		return plan->verdict == REPLAY_APPROVAL;
	case SUGGESTIONS:
		return plan->verdict == REPLAY_SUGGEST;
	default:
		return false;
	}
}

static uint64_t count_incidents(struct replay_condition *condition,
	const struct replay_plans *plans)
{
	uint64_t count = 0;

	for (size_t i = 0; i < plans->incident_count; i++) {
		struct row row = {.labels = {row.pairs, 0}};

		add_label(&row, "__name__", metrics[condition->metric]);
		add_label(&row, "event", plans->incidents[i].event);
		add_label(&row, "outcome", outcome_name(plans->incidents[i].outcome));
		add_label(&row, "playbook", plans->incidents[i].playbook);
		count += matchers_test(&condition->matchers, &row.labels);
	}
	return count;
}

static bool compare(uint64_t value, int comparison, double bound)
{
	double number = (double)value;

	switch (comparison) {
	case 0:
		return number >= bound;
	case 1:
		return number <= bound;
	case 2:
		return !(number < bound) && !(number > bound);
	case 3:
		return number < bound || number > bound;
	case 4:
		return number > bound;
	default:
		return number < bound;
	}
}

void replay_condition_ask(struct replay_condition *condition, const struct replay_plans *plans)
{
	condition->value = 0;
	if (condition->metric == UNANSWERED)
		condition->value = plans->counts.unanswered;
	else if (condition->metric == INCIDENTS)
		condition->value = count_incidents(condition, plans);
	for (size_t i = 0; i < plans->plan_count; i++) {
		struct row row;

		if (!plan_counts(&plans->plans[i], condition->metric))
			continue;
		plan_labels(&row, &plans->plans[i], metrics[condition->metric]);
		condition->value += matchers_test(&condition->matchers, &row.labels);
	}
	condition->holds = compare(condition->value, condition->comparison, condition->bound);
}
