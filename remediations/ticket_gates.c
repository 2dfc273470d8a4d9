/*
 * The decisions of an incident as a few lines.
 */
#include "remediations/ticket_gates.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/guard.h"
#include "remediations/json_fields.h"
#include "remediations/ticket.h"

#define DECISIONS_MAX 200
#define TEXT_MAX 65536

struct gates {
	const char *ticket_action;
	struct buf text;
	bool other; /* it is of another action than the ticket's */
};

static void text_of(const struct json_span *object, const char *name, struct buf *text)
{
	struct json_span value;
	char *copy = NULL;

	if (fields_find(object, name, &value) && value.kind == SPAN_STRING &&
		json_span_strdup(&value, &copy, NULL) == STATUS_OK && copy != NULL)
		buf_add_text(text, copy);
	mem_free(copy);
}

/* told: an array as of gates_write_told(). */
static void write_gates(const struct json_span *told, struct buf *text)
{
	struct json_span gate, verdict;
	struct json_walk walk;
	unsigned passed = 0;

	json_walk_init(&walk, told);
	while (json_walk_next(&walk, NULL, &gate)) {
		if (!fields_find(&gate, "verdict", &verdict))
			continue;
		if (json_span_is(&verdict, "pass")) {
			passed++;
			continue;
		}
		if (json_span_is(&verdict, "not_asked"))
			continue;
		text_of(&gate, "gate", text);
		buf_add_text(text, ": ");
		text_of(&gate, "text", text);
		buf_add_char(text, '\n');
	}
	buf_printf(text, "%u gates passed.\n", passed);
}

static bool visit(void *argument, const struct record *record)
{
	struct gates *gates = argument;
	struct json_span root, action, list, told;
	struct buf json;

	if (json_span_init(&root, record->body, strlen(record->body), 16, NULL) != STATUS_OK ||
		!fields_find(&root, "action", &action) || !fields_find(&root, "gates", &list))
		return true;
	gates->other = !json_span_is(&action, gates->ticket_action);
	/* Newest first: the first of another action ends the search. */
	if (!gates->other && gates->text.size > 0)
		return true;
	buf_reset(&gates->text);
	buf_init(&json, TEXT_MAX);
	gates_write_told(&json, &list);
	if (buf_ok(&json) && json_span_init(&told, json.data, json.size, 16, NULL) == STATUS_OK)
		write_gates(&told, &gates->text);
	buf_fini(&json);
	return !gates->other;
}

void ticket_gates_read(struct journal *journal, const char *incident, const char *ticket_action,
	char *text, size_t size)
{
	const struct journal_query query = {.kind = RECORD_DECISION,
		.incident = incident,
		.limit = DECISIONS_MAX,
		.newest_first = true};
	struct gates gates = {.ticket_action = ticket_action};
	struct error error;

	buf_init(&gates.text, TEXT_MAX);
	if (journal_read(journal, &query, visit, &gates, &error) != STATUS_OK ||
		!buf_ok(&gates.text) || gates.text.data == NULL)
		*text = '\0';
	else
		ticket_text_copy(text, size, gates.text.data);
	buf_fini(&gates.text);
}
