/*
 * When the counter behind a series began to count, as far as the sender says so (remote write 2.0):
 * one time for each series, that of its newest sample.
 *
 * Ownership: the store must outlive them; the memory is its own.
 * Limits: 16 bytes a series, taken when the first start comes; without memory nothing is noted.
 * Threads: any, but for opening and closing. No lock is taken once the place of a series is there.
 */
#ifndef NIMBUSGUARD_STORE_START_H
#define NIMBUSGUARD_STORE_START_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

struct starts;

/* NULL: STATUS_NO_MEMORY. */
struct starts *starts_open(struct store *store, struct error *error) MUST_CHECK;
void starts_close(struct starts *starts);

/* The sample at t_ms counts from start_ms on. A start that is 0 or after the sample says nothing. */
void starts_note(struct starts *starts, uint32_t series, int64_t t_ms, int64_t start_ms);
/* The start that came with the newest sample of the series; false when it came with none. */
bool starts_get(struct starts *starts, uint32_t series, int64_t *start_ms);

#endif
