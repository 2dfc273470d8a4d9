/*
 * What actions do to a cluster by its API, said once and run against two: a real API server
 * (tests/e2e/test_kubernetes_suite.c) and the simulated one of demo/ (tests/integration/
 * test_demo_suite.c), so that the simulation stays honest.
 *
 * Each scenario plans a step on what is seen, sends it as a dry run, for real and once more, reads the
 * object back, and undoes it. The cluster has Deployment shop/web of at least two pods, one container `app`
 * with limits, and nodes node-1 and node-2, on which pods come to run; nothing is rolled out at the
 * beginning.
 *
 * Usage: action_suite_use() in the group's setup, and action_suite_fill() for its tests.
 * Ownership: what is used is borrowed.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ACTION_SUITE_H
#define NIMBUSGUARD_TESTS_SUPPORT_ACTION_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "remediations/kube_client.h"

#define ACTION_SUITE_TESTS_MAX 40

struct action_suite {
	struct kube_session *session; /* of somebody who may do all of it; NULL: all is skipped */
	struct kube_client *client;   /* the session's, for a watch */
	/* Called while a Job is waited for: something has to end its pods. May be NULL. */
	void (*while_job_runs)(const char *job);
};

void action_suite_use(const struct action_suite *suite);
/* Appends the tests; how many there are then. */
size_t action_suite_fill(struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX], size_t count);

/* The answer's code of a call with this body (NULL: none). */
int action_suite_code(enum kube_method method, const char *path, const char *type,
	const char *body);

#endif
