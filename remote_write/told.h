/*
 * Which series a sender has told of, so that it can end those that are no more: a series that was told
 * and is not told again gets a staleness marker.
 *
 * Ownership: labels are copied.
 * Limits: series_max series; a further one is TOLD_FULL and is not to be sent, for nobody would end it.
 * Order: told_begin(), told_see() for each series, told_ended() until it answers false; and again.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_TOLD_H
#define NIMBUSGUARD_REMOTE_WRITE_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/labels.h"

#define TOLD_LABELS_MAX 64

enum told_answer {
	TOLD_SEND,   /* its sample is to be sent */
	TOLD_BEFORE, /* not: one of that time or a later one was sent; the series goes on */
	TOLD_FULL,   /* not: no room for one more series */
	TOLD_NO_MEMORY
};

struct told;

/* NULL: no memory. */
struct told *told_open(size_t series_max, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void told_close(struct told *told);
size_t told_count(const struct told *told);

/* Nothing is seen yet of this round. */
void told_begin(struct told *told);
/* labels: sorted, at most TOLD_LABELS_MAX. */
enum told_answer told_see(struct told *told, const struct labels *labels, int64_t t_ms) MUST_CHECK;
/* Takes out a series that was not seen since told_begin(). labels live until the next call of anything;
 * *last_ms: of its last sample. False: there is none. */
bool told_ended(struct told *told, struct labels *labels, int64_t *last_ms) MUST_CHECK;

#endif
