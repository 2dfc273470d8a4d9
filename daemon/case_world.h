/*
 * What a running test of playbooks consists of: the product's parts, time that the test passes, and
 * what was journaled. For case_run.c and case_check.c only.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CASE_WORLD_H
#define NIMBUSGUARD_DAEMON_CASE_WORLD_H

#include "base/clock.h"
#include "daemon/case.h"
#include "remediations/kube_observe.h"
#include "remediations/rules.h"
#include "store/store.h"

#define CASE_QUEUE_MAX 4096
#define CASE_RECORDS_MAX 100000

/* An answer on its way to the engine. */
enum answer_kind { ANSWER_JOURNALED, ANSWER_OBSERVED, ANSWER_FINISHED };

struct answer {
	enum answer_kind kind;
	uint64_t ticket;
	struct observation *observation; /* owned */
	struct command_result *result;   /* owned */
};

struct world {
	const struct case_file *file;
	const struct case_test *test;
	const struct case_options *options;
	struct case_result *result;
	struct diagnostics *diagnostics;
	struct clock_manual clock;
	struct config *config;
	struct rules *rules;
	struct store *store;
	uint32_t *series; /* ids of the test's series; STORE_NO_SERIES before their first sample */
	struct analyzer *analyzer;
	int64_t scan_ms; /* between two scans */
	struct engine *engine;
	struct case_cluster cluster;
	struct permissions
		permissions; /* of the file's playbooks: the cluster allows nothing else */
	struct kube_look look;
	struct actuator dry, real; /* as in the product: real is closed with dry */
	struct record *records;    /* the journal */
	size_t record_count;
	struct answer *answers; /* [CASE_QUEUE_MAX] ring */
	size_t answer_first, answer_count;
	struct event *findings; /* that the last scan told; owned */
	size_t finding_count;
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
