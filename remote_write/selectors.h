/*
 * A list of selectors, any of which may match: what ingest.keep and the like hold.
 *
 * Ownership: the list owns its matchers.
 * Limits: SELECTORS_MAX selectors.
 * Threads: opening and closing by one thread; testing from any, each with its own scratch.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SELECTORS_H
#define NIMBUSGUARD_REMOTE_WRITE_SELECTORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/labels.h"
#include "base/matcher.h"

#define SELECTORS_MAX 64

struct selectors {
	struct matchers *list;
	size_t count;
};

/* name: the setting, for messages. STATUS_BAD_INPUT: a text is no selector; STATUS_LIMIT;
 * STATUS_NO_MEMORY. After an error there is nothing to give back. */
enum status selectors_init(struct selectors *selectors, const char *name, const char *const *texts,
	size_t count, struct error *error) MUST_CHECK;
void selectors_fini(struct selectors *selectors);

/* A set of labels whose values end with NUL, as matchers want them. The copy is in the scratch. */
struct selector_scratch {
	struct buf text;
	struct label *pairs; /* [pair_max] */
	uint32_t pair_max;
};

enum status selector_scratch_init(struct selector_scratch *scratch, uint32_t pair_max) MUST_CHECK;
void selector_scratch_fini(struct selector_scratch *scratch);
/* count: at most pair_max. STATUS_NO_MEMORY. */
enum status selector_scratch_labels(struct selector_scratch *scratch, const struct label *pairs,
	uint32_t count, struct labels *labels) MUST_CHECK;

/* Whether one of them matches. STATUS_NO_MEMORY: memory was out, nothing is decided. */
enum status selectors_match(struct selectors *selectors, const struct labels *labels,
	bool *matches) MUST_CHECK;

#endif
