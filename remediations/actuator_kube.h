/*
 * The actuator that looks at a Kubernetes cluster and changes it.
 *
 * Ownership: config's texts are copied.
 * Limits: a queue of queue_max questions and commands (STATUS_BUSY past that), `threads` of them
 *   under way, answers of the API server of at most 8 MiB, each call within timeout_ms.
 * Order: none between commands; the guard allows one at a time for a target.
 * Threads: observe and send from any thread; answers come on the actuator's threads. After close
 *   began what still waits is not sent: it is answered COMMAND_FAILED or STATUS_UNAVAILABLE.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTUATOR_KUBE_H
#define NIMBUSGUARD_REMEDIATIONS_ACTUATOR_KUBE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "remediations/actuator.h"

struct actuator_kube_config {
	const char *url;           /* NULL or "": the service account of the pod that we run in */
	const char *token_file;    /* NULL or "": none; with url only */
	const char *ca_file;       /* NULL or "": the system's; with url only */
	const char *kubeconfig;    /* NULL or "": none; in place of the three above */
	const char *context;       /* of it; NULL or "": its current-context */
	unsigned watch_kinds;      /* bits as in remediations/kube_watch.h; 0: nothing is watched */
	size_t watch_object_max;   /* 0: the default */
	unsigned threads;          /* 0: 2 */
	unsigned queue_max;        /* 0: 1024 */
	int64_t timeout_ms;        /* 0: 10,000 */
	const atomic_bool *paused; /* the kill switch, for what takes long; NULL: none */
	const struct clock *clock; /* of deadlines */
	int64_t (*fence)(void *argument); /* as kube_session_fence(); NULL: none */
	void *fence_argument;
};

/* STATUS_BAD_INPUT: the URL is no https:// one (http:// is for loopback only), a file cannot be
 * read or the kubeconfig has a fault; STATUS_NOT_FOUND: no url and not in a cluster; STATUS_NO_MEMORY. Asks nothing of the cluster
 * yet. */
enum status actuator_kube_open(struct actuator *actuator, const struct actuator_kube_config *config,
	const struct actuator_sink *sink, struct error *error) MUST_CHECK;

#endif
