/*
 * Somebody else who writes the same Deployment all the time, on a thread of its own, by the API server of
 * an end-to-end test.
 *
 * Usage: kube_writer_start(), which returns when the first write is done; kube_writer_stop().
 * Threads: one, beside its own.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_WRITER_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/kube_cluster.h"

#define KUBE_WRITER_BODY_MAX 256

struct kube_writer {
	const char *path;    /* of the object; borrowed */
	const char *manager; /* under whose name it writes */
	/* The body of the n-th patch, of KUBE_WRITER_BODY_MAX bytes. */
	void (*write_body)(unsigned n, char *body);
	/* its own */
	char url[SERVER_PATH_MAX], ca_file[SERVER_PATH_MAX], token_file[SERVER_PATH_MAX];
	pthread_t thread;
	atomic_bool stop;
	atomic_uint written;
};

void kube_writer_start(struct kube_writer *writer, struct kube_cluster *cluster);
void kube_writer_stop(struct kube_writer *writer);

/* How often the API server answered 409 to a patch of a Deployment since it started: of those who patch
 * them only the service names a version. */
double kube_writer_conflicts(struct kube_cluster *cluster);

#endif
