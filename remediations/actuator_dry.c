/*
 * The dry run: it looks where there is something to look with, and says of each command what it
 * would have done. Answers to commands come before send() returns, on the caller's thread.
 */
#include <stdio.h>

#include "base/mem.h"
#include "remediations/actuator.h"

struct actuator_dry {
	struct actuator reader; /* vtable NULL: none */
	struct actuator_sink sink;
};

static enum status observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct actuator_dry *dry = self;
	struct observation observation = {.target = *target};

	if (dry->reader.vtable != NULL)
		return dry->reader.vtable->observe(dry->reader.self, ticket, target, purpose);
	error_set(&observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	dry->sink.observed(dry->sink.argument, ticket, &observation);
	return STATUS_OK;
}

static enum status send_command(void *self, const struct command *command)
{
	struct actuator_dry *dry = self;
	struct command_result result = {.outcome = COMMAND_DONE, .dry_run = true};
	char words[sizeof(result.detail) - sizeof("would ")];

	snprintf(result.action_id, sizeof(result.action_id), "%s", command->action_id);
	command_describe(command, words, sizeof(words));
	snprintf(result.detail, sizeof(result.detail), "would %s", words);
	dry->sink.finished(dry->sink.argument, &result);
	return STATUS_OK;
}

static void close_dry(void *self)
{
	struct actuator_dry *dry = self;

	if (dry->reader.vtable != NULL)
		dry->reader.vtable->close(dry->reader.self);
	mem_free(dry);
}

static const struct actuator_vtable vtable = {
	.observe = observe,
	.send = send_command,
	.close = close_dry,
};

enum status actuator_dry_open(struct actuator *actuator, struct actuator reader,
	const struct actuator_sink *sink, struct error *error)
{
	struct actuator_dry *dry = mem_zalloc(1, sizeof(*dry));

	*actuator = (struct actuator){0};
	if (dry == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the dry run");
	dry->reader = reader;
	dry->sink = *sink;
	*actuator = (struct actuator){.vtable = &vtable, .self = dry};
	return STATUS_OK;
}
