/*
 * A text for people, built piece by piece and cut at its size.
 *
 * Ownership: the text is the caller's.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_WORDS_H
#define NIMBUSGUARD_REMEDIATIONS_WORDS_H

#include <stddef.h>

#include "base/error.h"
#include "base/workload.h"

struct words {
	char *text;
	size_t size, used;
};

/* The text is "" at first; size is at least 1. */
void words_init(struct words *words, char *text, size_t size);
void words_add(struct words *words, const char *format, ...) PRINTF_LIKE(2, 3);
/* "Deployment shop/web", "Node n1". */
void words_add_target(struct words *words, const struct target *target);

#endif
