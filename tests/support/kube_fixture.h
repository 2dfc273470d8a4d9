/*
 * What the tests of the Kubernetes actuator share: an actuator that talks to a scripted server, and
 * its answers.
 *
 * Threads: one test thread; answers come from the actuator's.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_FIXTURE_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_FIXTURE_H

#include <pthread.h>

#include "base/clock.h"
#include "remediations/actuator_kube.h"
#include "tests/support/http_stub.h"

struct kube_fixture {
	struct http_stub *stub;
	struct actuator actuator;  /* two threads, a queue of 8 */
	struct clock_manual clock; /* 2023-11-14T22:13:20Z */
	atomic_bool paused;
	struct purpose purpose; /* of questions: scale, unless a test sets it */

	pthread_mutex_t lock;
	pthread_cond_t came;
	struct command_result result; /* the last one, and how many there were */
	struct observation observation;
	uint64_t ticket;
	char progress[256];                /* that was told last */
	unsigned finished, observed, done; /* done: results with COMMAND_DONE */
};

/* An actuator of this configuration, whose clock is set here, and no stub: for a real API server.
 * *fixture is zero. */
void kube_fixture_open(struct kube_fixture *fixture, struct actuator_kube_config config);
void kube_fixture_close(struct kube_fixture *fixture);

/* For cmocka's setup and teardown. */
int kube_fixture_make(void **state);
int kube_fixture_make_hasty(
	void **state); /* gives up an attempt after 400 ms, else after a minute */
int kube_fixture_remove(void **state);

/* Waits until so many answers came. */
void kube_fixture_await(struct kube_fixture *fixture, unsigned finished, unsigned observed);
/* Sets the rules (when there are any), submits, waits for the answer. */
void kube_fixture_send(struct kube_fixture *fixture, const struct command *command,
	const struct stub_rule *rules, size_t count);
void kube_fixture_observe(struct kube_fixture *fixture, const struct target *target,
	const struct stub_rule *rules, size_t count);

struct target kube_target(enum target_kind kind, const char *namespace_name, const char *name);

#endif
