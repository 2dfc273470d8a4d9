/*
 * What a running test of playbooks consists of: the product's parts, time that the test passes, and
 * what was journaled. For case_run.c, case_check.c and case_plan.c only.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CASE_WORLD_H
#define NIMBUSGUARD_DAEMON_CASE_WORLD_H

#include <jansson.h>

#include "daemon/case.h"
#include "daemon/sandbox.h"

#define CASE_RECORDS_MAX 100000

struct world {
	const struct case_file *file;
	const struct case_test *test;
	const struct case_options *options;
	struct case_result *result;
	struct diagnostics *diagnostics;
	struct config *config;
	struct sandbox sandbox;
	uint32_t *series; /* ids of the test's series; STORE_NO_SERIES before their first sample */
	struct record *records; /* the journal */
	size_t record_count;
	json_t *sent; /* id of an action -> what it sent, as text */
	bool failed;  /* memory is out, or a limit was hit: told in diagnostics */
};

/* A check under way. */
struct checking {
	struct world *world;
	const struct case_check *check;
	const struct incident *incident;
	const struct action *action; /* that the check is about; NULL: there is none */
	bool failed;
};

/* A difference under that key of `expect`. */
void checking_differ(struct checking *at, const char *key, const char *expected, const char *came);
/* Holds the action's plan, and what was sent for it, against what is expected of them. */
void checking_plan(struct checking *at);

/* Since the start of the test. */
int64_t world_elapsed_ms(const struct world *world);
void world_check(struct world *world, const struct case_check *check);
/* "FILE:LINE:COLUMN: FAIL name, at 5m: " into the result; counts it. */
void world_fail(struct world *world, const struct yaml_node *node, int64_t at_ms);
/* The newest incident of an alert's name (NULL: any); labels: a map of labels that it must have, or
 * NULL. *count: how many fit. */
const struct incident *world_incident(struct world *world, const char *alert,
	const struct yaml_node *labels, size_t *count);

#endif
