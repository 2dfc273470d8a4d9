/*
 * The Job that a step runs: read from YAML and checked, and later filled for one action.
 *
 * Labels of events are not to be trusted: {{ label }} may stand in values of environment variables
 * only, where it is data, and in no command, argument, image or name.
 *
 * Ownership: texts are the caller's (mem_free); objects too (json_decref).
 * Limits: JOB_TEMPLATE_MAX bytes as JSON, the times below.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOB_TEMPLATE_H
#define NIMBUSGUARD_REMEDIATIONS_JOB_TEMPLATE_H

#include <jansson.h>
#include <stdint.h>

#include "base/event.h"
#include "base/yaml.h"

#define JOB_TEMPLATE_MAX (64u << 10)
#define JOB_TIME_MAX_S 14400
#define JOB_TTL_MIN_S 300
#define JOB_TTL_MAX_S 604800

/* Reads a Job's manifest to JSON. NULL: something is wrong, which was reported at its place.
 * *time_s: its activeDeadlineSeconds. */
char *job_template_read(const struct yaml_reader *at, const struct yaml_node *manifest,
	int64_t *time_s) MUST_CHECK;

/* The same for text of another file, beside the playbook's file unless it is an absolute path. node is
 * where the playbook names it. */
char *job_template_read_file(const struct yaml_reader *at, const struct yaml_node *node,
	const char *path, int64_t *time_s) MUST_CHECK;

struct job_filling {
	const struct event *event;
	const char *target, *playbook, *reason; /* {{ target }} and so on */
	const char *namespace_name, *action_id;
};

/* The name of an action's Job; size of at least 64. */
void job_name(const char *action_id, char *name, size_t size);
/* The Job to create, as JSON; NULL: no memory. */
char *job_template_fill(const char *json, const struct job_filling *filling) MUST_CHECK;

#define JOB_LABEL_ACTION "nimbusguard.io/action"
#define JOB_LABEL_OWNER "app.kubernetes.io/managed-by"

/* What became of a Job. */
enum job_state { JOB_NOT_SEEN, JOB_ABSENT, JOB_FOREIGN, JOB_RUNS, JOB_COMPLETE, JOB_FAILED };

/* Of an object as the API gives it. words: why it failed, or how far it is; "" allowed. */
enum job_state job_judge(const json_t *job, const char *action_id, char *words, size_t size);

#endif
