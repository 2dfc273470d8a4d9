/*
 * What the answers about workloads have in common: fields of JSON, each but the first of an object with the
 * comma before it.
 *
 * Threads: plain functions on the caller's buffer.
 */
#ifndef NIMBUSGUARD_ANALYZERS_READER_WRITE_H
#define NIMBUSGUARD_ANALYZERS_READER_WRITE_H

#include <stdint.h>

#include "analyzers/features/grid.h"
#include "base/buf.h"
#include "base/workload.h"

/* ,"name":value; null for what is not finite. */
void write_number(struct buf *json, const char *name, double value);
void write_text(struct buf *json, const char *name, const char *text);
/* As RFC 3339. */
void write_time(struct buf *json, const char *name, int64_t t_ms);
/* The first fields of an object: cluster, namespace, kind, workload. */
void write_workload_key(struct buf *json, const struct workload_key *key);
/* minute, quality and reasons of a closed minute; nothing before the first. */
void write_closed_minute(struct buf *json, const struct grid_row *row);

#endif
