/*
 * Exemplars: a value, its labels (a trace id most of all), and their encoding as a record.
 *
 * Ownership: a decoded exemplar points into the record's bytes.
 * Limits: EXEMPLAR_LABELS_MAX labels, EXEMPLAR_BYTES_MAX bytes encoded.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_STORE_EXEMPLAR_H
#define NIMBUSGUARD_STORE_EXEMPLAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/labels.h"

#define EXEMPLAR_LABELS_MAX 16
#define EXEMPLAR_BYTES_MAX 1024

struct exemplar {
	double value;
	uint32_t label_count;
	struct label labels[EXEMPLAR_LABELS_MAX]; /* in the sender's order; not NUL-terminated */
};

/* Bytes written into bytes[EXEMPLAR_BYTES_MAX]; 0 when it does not fit. */
size_t exemplar_encode(const struct exemplar *exemplar, uint8_t *bytes);
/* Of bytes that exemplar_encode() wrote. */
void exemplar_decode(struct exemplar *exemplar, const uint8_t *bytes, size_t size);

#endif
