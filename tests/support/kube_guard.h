/*
 * The service at work on the real Kubernetes of an end-to-end test, in auto mode: alerts that are sent to
 * it, samples that tell that workloads are there, and what it says of its actions.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_GUARD_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_GUARD_H

#include "tests/support/kube_cluster.h"

#define KUBE_GUARD_FLAGS_MAX 24

struct kube_guard_workload {
	const char *namespace_name, *name; /* of a Deployment */
};

struct kube_guard {
	struct servers servers; /* with the folder for playbooks and the like */
	struct server *server;
	struct kube_cluster *cluster;
	const struct kube_guard_workload *workloads; /* what is in the stream; borrowed */
	size_t workload_count;
	double saturation; /* of each */
};

/* The folder, and the server that does not run yet. */
void kube_guard_open(struct kube_guard *guard, struct kube_cluster *cluster,
	const struct kube_guard_workload *workloads, size_t count);
void kube_guard_close(struct kube_guard *guard);
/* Starts it by that token, with further flags (NULL-terminated); returns when it knows all workloads. */
void kube_guard_start(struct kube_guard *guard, const char *token_path, const char *const *flags);

/* A sample of each series of each workload. */
void kube_guard_feed(struct kube_guard *guard);
/* A firing alert to a service. Labels are members of an object, in which ' stands for ". */
void kube_guard_send(const struct server *server, const char *alert, const char *labels);
void kube_guard_alert(struct kube_guard *guard, const char *alert, const char *namespace_name,
	const char *workload);

/* The newest action on a target that is no ticket; NULL when there is none (json_decref). */
json_t *kube_guard_action(struct kube_guard *guard, const char *namespace_name, const char *name);
/* Whether it has this text in a field (NULL: any); samples are fed meanwhile. */
bool kube_guard_has(struct kube_guard *guard, const char *namespace_name, const char *name,
	const char *field, const char *wanted);
/* Waits until the newest one was done; the test fails when it is not. */
void kube_guard_await_done(struct kube_guard *guard, const char *namespace_name, const char *name);

#endif
