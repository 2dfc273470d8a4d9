/*
 * ticket: people are told, by the services of the configuration (tickets.c). Nothing of the cluster
 * is looked at or touched.
 */
#include "remediations/actions/action_class.h"
#include "remediations/words.h"

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	step_read_template(reading, "title", true, 200, &step->title);
	step_read_template(reading, "text", false, ACTION_TEXT_MAX - 1, &step->text);
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words, "open ticket \"%s\"", command->title);
}

static const char *const keys[] = {"title", "text", NULL};

const struct action_class action_ticket = {
	.name = "ticket",
	.is_told = true,
	.keys = keys,
	.read_step = read_step,
	.applied = applied_untold,
	.describe = describe,
	.way = ACTION_BY_LOOKUP,
};
