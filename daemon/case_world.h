/*
 * What a running test of playbooks consists of: the product's parts, time that the test passes, and
 * what was journaled. For case_run.c and case_check.c only.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CASE_WORLD_H
#define NIMBUSGUARD_DAEMON_CASE_WORLD_H

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
	bool failed; /* memory is out, or a limit was hit: told in diagnostics */
};

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
