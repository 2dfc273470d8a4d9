/*
 * What people say: put to the engine's thread, which answers once their word is in the journal. Either
 * the caller waits, or it is told later (remediator_say()), so that no thread of the server waits for a
 * disk.
 */
#include "remediations/remediator_state.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static void tell_pause(const struct control *control, enum status status)
{
	const struct error *error = &control->error;

	if (!status)
		LOG_WARN(control->flag ? "kill switch on: nothing is changed" : "kill switch off",
			LOG_TEXT("by", control->identity));
	else if (control->refused)
		LOG_INFO("standing by, a word on the kill switch was left to the leader",
			LOG_BOOL("on", control->flag), LOG_TEXT("by", control->identity));
	else
		LOG_ERROR("the kill switch was not noted down", LOG_BOOL("on", control->flag),
			LOG_TEXT("by", control->identity), LOG_ERROR_FIELD(error));
}

/* ---- told later ---- */

struct saying {
	struct control control; /* the first member */
	struct person person;
	remediator_answer_fn *answer;
	void *argument;
	char *texts[5]; /* copies: id, cluster, namespace, identity, role */
};

static void saying_close(struct saying *saying)
{
	for (size_t i = 0; i < 5; i++)
		mem_free(saying->texts[i]);
	mem_free(saying);
}

static void said(struct control *control)
{
	struct saying *saying = (struct saying *)(void *)control;

	if (control->kind == CONTROL_PAUSE)
		tell_pause(control, control->status);
	saying->answer(saying->argument, control->status, &control->error);
	saying_close(saying);
}

static bool copy_texts(struct saying *saying, const struct person_word *word)
{
	const char *const texts[] = {word->id, word->cluster, word->namespace_name,
		word->person.identity, word->person.role};

	for (size_t i = 0; i < 5; i++) {
		saying->texts[i] = mem_strdup(texts[i] ? texts[i] : "");
		if (!saying->texts[i])
			return false;
	}
	return true;
}

void remediator_say(struct remediator *remediator, const struct person_word *word,
	remediator_answer_fn *answer, void *argument)
{
	static const enum control_kind kinds[] = {[WORD_APPROVE] = CONTROL_APPROVE,
		[WORD_REJECT] = CONTROL_APPROVE,
		[WORD_UNDO] = CONTROL_UNDO,
		[WORD_LIFT] = CONTROL_LIFT,
		[WORD_PAUSE] = CONTROL_PAUSE,
		[WORD_RESUME] = CONTROL_PAUSE,
		[WORD_DRY_RUN] = CONTROL_DRY_RUN};
	struct saying *saying = mem_zalloc(1, sizeof(*saying));
	struct error error;

	if (!saying || !copy_texts(saying, word)) {
		if (saying)
			saying_close(saying);
		error_set(&error, STATUS_NO_MEMORY, "no memory to take a word");
		answer(argument, STATUS_NO_MEMORY, &error);
		return;
	}
	saying->answer = answer;
	saying->argument = argument;
	saying->person = (struct person){saying->texts[3], saying->texts[4], word->person.seen};
	error_reset(&saying->control.error);
	saying->control.done = said;
	saying->control.kind = kinds[word->kind];
	saying->control.flag = word->kind == WORD_APPROVE || word->kind == WORD_PAUSE;
	saying->control.id = saying->texts[0];
	saying->control.cluster = saying->texts[1];
	saying->control.namespace_name = saying->texts[2];
	saying->control.identity = saying->texts[3];
	saying->control.person = &saying->person;
	saying->control.json = word->json;
	remediator_ask(remediator, &saying->control);
}

/* ---- waited for ---- */

static enum status ask(struct remediator *remediator, struct control *control, struct error *error)
{
	enum status status = remediator_control(remediator, control);

	if (status)
		error_set(error, status, "%s", control->error.text);
	return status;
}

enum status remediator_pause(struct remediator *remediator, bool paused, const char *identity,
	struct error *error)
{
	struct control control = {.kind = CONTROL_PAUSE, .flag = paused, .identity = identity};
	enum status status = ask(remediator, &control, error);

	tell_pause(&control, status);
	return status;
}

enum status remediator_approve(struct remediator *remediator, const char *action_id,
	const struct person *person, bool approve, struct error *error)
{
	struct control control = {.kind = CONTROL_APPROVE,
		.flag = approve,
		.id = action_id,
		.person = person};

	return ask(remediator, &control, error);
}

enum status remediator_undo(struct remediator *remediator, const char *action_id,
	const struct person *person, struct error *error)
{
	struct control control = {.kind = CONTROL_UNDO, .id = action_id, .person = person};

	return ask(remediator, &control, error);
}

enum status remediator_lift(struct remediator *remediator, const char *playbook,
	const char *cluster, const char *namespace_name, const char *identity, struct error *error)
{
	struct control control = {.kind = CONTROL_LIFT,
		.id = playbook,
		.cluster = cluster,
		.namespace_name = namespace_name,
		.identity = identity};

	return ask(remediator, &control, error);
}

enum status remediator_write_modes(struct remediator *remediator, struct buf *json,
	struct error *error)
{
	struct control control = {.kind = CONTROL_MODES, .json = json};

	return ask(remediator, &control, error);
}
