/*
 * What the table of actions says of a kind, and commands in words. The names: action.c.
 */
#include "remediations/actuator.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/check.h"
#include "remediations/quantity.h"

static const bool kind_disruptive[] = {
#define X(kind, name, disruptive, inverse) disruptive,
	ACTION_TABLE(X)
#undef X
};

static const bool kind_has_inverse[] = {
#define X(kind, name, disruptive, inverse) inverse,
	ACTION_TABLE(X)
#undef X
};

bool action_kind_disruptive(enum action_kind kind)
{
	CHECK((unsigned)kind < ACTION_KIND_COUNT);
	return kind_disruptive[kind];
}

bool action_kind_has_inverse(enum action_kind kind)
{
	CHECK((unsigned)kind < ACTION_KIND_COUNT);
	return kind_has_inverse[kind];
}

/* A text that is cut at its size, as snprintf() does, piece by piece. */
struct words {
	char *text;
	size_t size, used;
};

static void add_words(struct words *words, const char *format, ...) PRINTF_LIKE(2, 3);
static void add_words(struct words *words, const char *format, ...)
{
	va_list arguments;
	int length;

	if (words->used + 1 >= words->size)
		return;
	va_start(arguments, format);
	length = vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
	va_end(arguments);
	if (length > 0)
		words->used += (size_t)length;
}

/* "Deployment shop/web", "Node n1". */
static void add_target(struct words *words, const struct target *target)
{
	add_words(words, "%s ", target_kind_name(target->kind));
	if (target_kind_namespaced(target->kind))
		add_words(words, "%s/", target->namespace_name);
	add_words(words, "%s", target->name);
}

static void add_resources(struct words *words, const struct command *command)
{
	const char *comma = " ";
	char before[32], after[32];

	if (command->memory_bytes_after != 0) {
		quantity_write_bytes(command->memory_bytes_before, before, sizeof(before));
		quantity_write_bytes(command->memory_bytes_after, after, sizeof(after));
		add_words(words, "%smemory %s -> %s", comma, before, after);
		comma = ", ";
	}
	if (command->cpu_milli_after != 0) {
		quantity_write_milli(command->cpu_milli_before, before, sizeof(before));
		quantity_write_milli(command->cpu_milli_after, after, sizeof(after));
		add_words(words, "%scpu %s -> %s", comma, before, after);
	}
}

void command_describe(const struct command *command, char *text, size_t size)
{
	struct words words = {.text = text, .size = size};

	CHECK(size > 0);
	*text = '\0';
	switch (command->kind) {
	case ACTION_SCALE:
		add_words(&words, "scale ");
		add_target(&words, &command->target);
		add_words(&words, " %" PRId32 " -> %" PRId32 " replicas", command->replicas_before,
			command->replicas_after);
		break;
	case ACTION_RESTART_POD:
	case ACTION_RESTART_WORKLOAD:
		add_words(&words, "restart ");
		add_target(&words, &command->target);
		break;
	case ACTION_ADJUST_RESOURCES:
		add_words(&words, "set limits of ");
		add_target(&words, &command->target);
		if (command->target.container[0] != '\0')
			add_words(&words, " container %s", command->target.container);
		add_words(&words, ":");
		add_resources(&words, command);
		break;
	case ACTION_CORDON:
		add_words(&words, command->uncordon ? "uncordon " : "cordon ");
		add_target(&words, &command->target);
		break;
	case ACTION_TICKET:
		add_words(&words, "open ticket \"%s\"", command->title);
		break;
	case ACTION_KIND_COUNT:
		break;
	}
}
