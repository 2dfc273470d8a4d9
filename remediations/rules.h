/*
 * What a configuration of the remediator means to the engine: playbooks, opt-in and freeze windows,
 * read and checked as a whole, so that a reload takes all of them or none.
 *
 * Ownership: struct rules owns its parts; an engine that was configured with them borrows them.
 * Threads: one thread at a time; playbooks may be matched from any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_RULES_H
#define NIMBUSGUARD_REMEDIATIONS_RULES_H

#include "base/matcher.h"
#include "remediations/engine.h"
#include "remediations/mode_rules.h"
#include "remediations/remediator.h"

struct rules {
	struct playbooks *playbooks;
	struct matchers opt_in;
	bool opt_in_set;
	struct freeze *freeze;
	struct mode_rules *modes;
};

/* What is wrong is in diagnostics; STATUS_BAD_INPUT, STATUS_NO_MEMORY: *opened is NULL. */
enum status rules_open(const struct remediator_config *config, struct rules **opened,
	struct diagnostics *diagnostics) MUST_CHECK;
/* NULL is allowed. */
void rules_close(struct rules *rules);
/* The engine's configuration; it points into rules. */
void rules_engine_config(const struct remediator_config *config, struct rules *rules,
	struct engine_config *engine);

#endif
