/*
 * What a scaler keeps over a restart (analyzers/scaler/scaler_kept.h), written as if a service had followed
 * workloads for hours: one that starts on it serves them at once, where it would otherwise be in shadow for
 * an hour at least.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_SCALER_SERVED_H
#define NIMBUSGUARD_TESTS_SUPPORT_SCALER_SERVED_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/write_body.h"

#define SERVED_POD_RATE 10.0 /* what a pod of each serves a second */
#define SERVED_MAX 4

struct served_workload {
	const char *namespace_name, *name; /* of a Deployment */
	double rate;
	int pods;
};

/* folder: storage.path of the service, made if need be. Up to the slot before now. */
void scaler_served_write(const char *storage, const struct served_workload *list, size_t count);
/* A sample of each of their series now. */
void scaler_served_feed(struct write_body *request, const struct served_workload *list,
	size_t count);

#endif
