/*
 * What several classes of actions do alike.
 */
#include "remediations/actions/shapes.h"

#include <stdio.h>
#include <string.h>

#include "remediations/kube_managers.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

bool object_has(const json_t *object, const struct changes *changes, bool after,
	read_change_fn *read)
{
	for (unsigned i = 0; i < changes->count; i++) {
		const struct change *change = &changes->list[i];
		int64_t value;

		if (!read(object, change->field, &value) ||
			value != (after ? change->after : change->before))
			return false;
	}
	return changes->count > 0;
}

enum status prepare_container(struct sending *sending, struct error *error)
{
	const struct target *target = &sending->command->target;
	enum status status;
	json_t *object;
	const char *only;

	if (*sending->container != '\0')
		return STATUS_OK;
	snprintf(sending->container, sizeof(sending->container), "%s", target->container);
	if (*sending->container != '\0')
		return STATUS_OK;
	status = sending_read(sending, &object, error);
	if (status != STATUS_OK)
		return status;
	only = kube_only_container(object, target->kind);
	if (only == NULL || strlen(only) >= sizeof(sending->container))
		status = error_set(error, STATUS_BAD_INPUT,
			"it has several containers and the command names none");
	else
		snprintf(sending->container, sizeof(sending->container), "%s", only);
	json_decref(object);
	return status;
}

bool has_key(const struct sending *sending, const json_t *object)
{
	const char *key = kube_annotation(object, ANNOTATION_ACTION);

	return key != NULL && strcmp(key, sending->command->action_id) == 0;
}

void describe_restart(struct words *words, const struct command *command)
{
	words_add(words, "restart ");
	words_add_target(words, &command->target);
}

void write_flag_body(struct buf *body, const struct sending *sending, const char *name,
	enum change_field field)
{
	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_printf(body, ",\"spec\":{\"%s\":%s}}", name,
		changes_after(&sending->command->changes, field, 1) ? "true" : "false");
}

bool cordoned_by_us(const json_t *node, const char *action_id)
{
	const char *key = kube_annotation(node, ANNOTATION_CORDONED);
	struct field_writer writer = {.manager = ""};

	if (key == NULL || (action_id != NULL && strcmp(key, action_id) != 0))
		return false;
	kube_field_writer(node, TARGET_NODE, KUBE_WRITTEN_UNSCHEDULABLE, "", &writer);
	return *writer.manager == '\0' || strcmp(writer.manager, FIELD_MANAGER) == 0;
}

void write_cordon_body(struct buf *body, const struct sending *sending)
{
	const struct command *command = sending->command;
	bool cordon = changes_after(&command->changes, CHANGE_UNSCHEDULABLE, 1) != 0;
	char mark[ACTION_ID_MAX + 64];

	/* An id of ours is made of letters, digits and dashes. */
	if (cordon)
		snprintf(mark, sizeof(mark), ",\"" ANNOTATION_CORDONED "\":\"%s\"",
			command->action_id);
	else
		snprintf(mark, sizeof(mark), ",\"" ANNOTATION_CORDONED "\":null");
	buf_add_char(body, '{');
	sending_add_marked(body, sending, mark);
	buf_printf(body, ",\"spec\":{\"unschedulable\":%s}}", cordon ? "true" : "false");
}

bool is_cordon_wanted(const struct sending *sending, const json_t *node)
{
	return flag_is(node, "unschedulable",
		changes_find(&sending->command->changes, CHANGE_UNSCHEDULABLE), true);
}

bool flag_is(const json_t *object, const char *name, const struct change *change, bool after)
{
	bool value = json_is_true(kube_get(object, "spec", name, NULL));

	return change != NULL && value == ((after ? change->after : change->before) != 0);
}
