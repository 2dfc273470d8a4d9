/*
 * A container with the sizes that are recommended for it, and its three forms: JSON, a table for people,
 * and a manifest for kubectl.
 *
 * Ownership: a plain value of about 1.2 kB.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZED_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZED_H

#include <stddef.h>

#include "analyzers/rightsize/sizing.h"
#include "base/buf.h"
#include "base/workload.h"

#define CONTAINER_NAME_MAX 64

struct sized {
	struct workload_key workload;
	char container[CONTAINER_NAME_MAX];
	struct sizing_now now;
	struct sizing_advice advice;
};

/* For qsort(): by cluster, namespace, kind, name, container. */
int sized_compare(const void *left, const void *right);

/* One object. month is that of all replicas, where their number is known, else of one. */
void sized_write_json(const struct sized *sized, struct buf *json);
/* A paragraph with a table; says why where nothing is recommended. */
void sized_write_text(const struct sized *sized, struct buf *text);
/* Of containers in the order of sized_compare(): one document a workload with what is recommended by that
 * way, for `kubectl apply --server-side`. What nothing is recommended for stands in comments. */
void sized_write_manifest(const struct sized *sized, size_t count, enum sizing_way way,
	struct buf *yaml);
/* 250m, 512Mi; size of at least 32. value: whole millicores or MiB come out as such. */
void sized_quantity(enum sized_resource resource, double value, char *text, size_t size);

#endif
