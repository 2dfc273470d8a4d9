/*
 * Kubernetes quantities: 500m, 1.5Gi, 2e3.
 *
 * Source: specs of k8s.io/apimachinery api/resource (grammar, suffixes, rounding).
 * Limits: texts up to QUANTITY_TEXT_MAX - 1 bytes.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_QUANTITY_H
#define NIMBUSGUARD_REMEDIATIONS_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define QUANTITY_TEXT_MAX 64

/* The value in whole units (bytes, cores), or in thousandths of one. What is finer is rounded away
 * from zero; what is beyond an int64_t becomes the nearest one. STATUS_BAD_INPUT leaves it as it was. */
enum status quantity_parse(const char *text, int64_t *whole) MUST_CHECK;
enum status quantity_parse_milli(const char *text, int64_t *milli) MUST_CHECK;

/* Canonical: the greatest suffix that loses nothing. 1610612736 -> 1536Mi; 1500 -> 1500m, 2000 -> 2.
 * size of at least 32 is always enough. */
void quantity_write_bytes(int64_t bytes, char *text, size_t size);
void quantity_write_milli(int64_t milli, char *text, size_t size);

#endif
