/*
 * run_job: a Job of the step's template is created in the target's namespace and awaited.
 *
 *   is there one of this action? -> no: create -> wait for its condition Complete or Failed
 *
 * Its name is made of the action's key, so that there is one whatever happens in between, and its
 * labels say whose it is; a restart of the service goes on waiting. The Job ends by itself at its
 * activeDeadlineSeconds and is removed ttlSecondsAfterFinished later. One that failed is not run
 * again: its own backoffLimit is for that. It has no inverse.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/actions/shapes.h"
#include "remediations/job_template.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

#define LOOK_AGAIN_MS 2000
#define MARGIN_MS 60000
#define NAMESPACED (TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD))

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *inside = yaml_get(reading->map, "template"),
			       *file = yaml_get(reading->map, "template_file");
	int64_t time_s = 0;
	const char *path;

	if ((inside != NULL) == (file != NULL)) {
		yaml_report(reading->at, file != NULL ? file : reading->map,
			"a run_job step has template (a Job's manifest) or template_file");
		return;
	}
	if (inside != NULL)
		step->payload = job_template_read(reading->at, inside, &time_s);
	else if (yaml_read_text(reading->at, reading->map, "template_file", true, &path))
		step->payload = job_template_read_file(reading->at, file, path, &time_s);
	step->options.time_ms = time_s * 1000 + MARGIN_MS;
	step->options.content = content_hash(step->payload);
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	snprintf(plan->words, sizeof(plan->words), "run a Job in namespace %.63s",
		question->target->namespace_name);
	/* The names stand in the JSON as they are, and {{ nowhere else. */
	plan_refuse_absent(plan, question->step->payload, question->event);
}

static char *make_payload(const struct plan_question *question, const char *action_id)
{
	char target[TARGET_TEXT_MAX];
	struct job_filling filling = {.event = question->event,
		.target = target,
		.playbook = question->playbook->name,
		.reason = question->reason,
		.namespace_name = question->target->namespace_name,
		.action_id = action_id};

	target_write(question->target, target, sizeof(target));
	return job_template_fill(question->step->payload, &filling);
}

static void describe(struct words *words, const struct command *command)
{
	char name[64];

	job_name(command->action_id, name, sizeof(name));
	words_add(words, "run Job %s/%s for ", command->target.namespace_name, name);
	words_add_target(words, &command->target);
}

static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	(void)plan, (void)target, (void)action_id;
	switch (observation->job) {
	case JOB_COMPLETE:
		return 1;
	case JOB_RUNS:
		return APPLIED_BEGUN;
	case JOB_ABSENT:
	case JOB_FAILED:
		return 0;
	case JOB_NOT_SEEN:
	case JOB_FOREIGN:
		break;
	}
	return -1;
}

/* ---- on the cluster ---- */

static enum status read_job(struct kube_session *session, const char *namespace_name,
	const char *action_id, enum job_state *state, char *words, size_t size, struct error *error)
{
	json_t *job = NULL;
	enum status status;
	struct buf path;
	char name[64];

	job_name(action_id, name, sizeof(name));
	buf_init(&path, KUBE_PATH_MAX);
	status = kube_object_path(&path, TARGET_JOB, namespace_name, name, error);
	if (status == STATUS_OK)
		status = kube_read(session, path.data, &job, error);
	buf_fini(&path);
	*state = JOB_NOT_SEEN;
	if (status == STATUS_OK)
		*state = job_judge(job, action_id, words, size);
	else if (status == STATUS_NOT_FOUND)
		*state = JOB_ABSENT;
	json_decref(job);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Before it has begun there is nothing to be seen. */
static enum status look(struct kube_session *session, const struct target *target,
	const struct purpose *purpose, struct observation *observation, struct error *error)
{
	char words[256];

	if (!purpose->begun || *purpose->action_id == '\0')
		return STATUS_OK;
	return read_job(session, target->namespace_name, purpose->action_id, &observation->job,
		words, sizeof(words), error);
}

static enum status check(const struct command *command, struct error *error)
{
	return command->payload != NULL
		? STATUS_OK
		: error_set(error, STATUS_BAD_INPUT, "the command has no Job");
}

static enum status create(struct sending *sending, struct error *error)
{
	enum status status;
	struct buf path;

	buf_init(&path, KUBE_PATH_MAX);
	buf_add_text(&path, "/apis/batch/v1/namespaces");
	kube_path_add(&path, sending->command->target.namespace_name);
	buf_add_text(&path, "/jobs");
	sending_add_query(&path, sending);
	status = buf_ok(&path) ? sending_call(sending, KUBE_POST, path.data, "application/json",
					 sending->command->payload, NULL, error)
			       : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
	buf_fini(&path);
	return status;
}

/* What is to be tried again: the next look finds out what came of it. */
static bool is_passing(enum status status)
{
	return status == STATUS_BUSY || status == STATUS_UNAVAILABLE || status == STATUS_TIMEOUT ||
		status == STATUS_IO || status == STATUS_CONFLICT;
}

static enum status wait_again(struct sending *sending, int64_t *again_ms, const char *words)
{
	snprintf(sending->progress, sizeof(sending->progress), "%.120s", words);
	*again_ms = LOOK_AGAIN_MS;
	return STATUS_BUSY;
}

static enum status go_on(struct sending *sending, int64_t *again_ms, struct error *error)
{
	const struct command *command = sending->command;
	enum job_state state;
	char words[256] = "";
	enum status status = read_job(sending->session, command->target.namespace_name,
		command->action_id, &state, words, sizeof(words), error);

	if (status != STATUS_OK)
		return is_passing(status) ? wait_again(sending, again_ms, error->text) : status;
	switch (state) {
	case JOB_COMPLETE:
		sending->sent = false;
		return STATUS_OK;
	case JOB_FAILED:
		sending->sent = false;
		return error_set(error, STATUS_IO, "the Job failed: %s", words);
	case JOB_FOREIGN:
		sending->sent = false;
		return error_set(error, STATUS_CONFLICT, "there is another Job of its name");
	case JOB_RUNS:
		sending->begun = true;
		return wait_again(sending, again_ms, words);
	case JOB_ABSENT:
	case JOB_NOT_SEEN:
		break;
	}
	if (sending->begun) {
		sending->sent = true;
		return error_set(error, STATUS_NOT_FOUND,
			"the Job was removed before its end was seen");
	}
	status = create(sending, error);
	if (status == STATUS_OK && command->server_dry_run)
		return STATUS_OK;
	if (status != STATUS_OK && !is_passing(status))
		return status;
	return wait_again(sending, again_ms,
		status == STATUS_OK ? "the Job was created" : error->text);
}

static const struct kube_action kube = {
	.targets = NAMESPACED,
	.look = look,
	.check = check,
	.go_on = go_on,
};

static const struct action_need needs[] = {
	{"batch", "jobs", "create", NAMESPACED, "creates a Job of the playbook's template", false},
	{"batch", "jobs", "get", NAMESPACED, "awaits the end of its Job", false},
};

static const char *const keys[] = {"template", "template_file", NULL};

const struct action_class action_run_job = {
	.name = "run_job",
	.destructive = true,
	.once = true,
	.targets = NAMESPACED,
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.make_payload = make_payload,
	.resumes = true,
	.applied = applied,
	.describe = describe,
	.way = ACTION_BY_LOOKUP,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
