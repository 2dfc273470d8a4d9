/*
 * Modes by playbook and namespace: the list `modes` of the configuration. Of the rules that fit the
 * strictest counts, together with the service's mode and the playbook's own, so that no rule makes
 * anything laxer.
 *
 * Ownership: mode_rules_open() copies; mode_rules_close() gives back.
 * Limits: MODE_RULES_MAX rules.
 * Threads: read-only after open.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_MODE_RULES_H
#define NIMBUSGUARD_REMEDIATIONS_MODE_RULES_H

#include "base/error.h"
#include "base/yaml.h"
#include "remediations/remediator.h"

struct playbooks;
struct mode_rules;

/* Compiles them; a pattern that is none, and a playbook that is none of `playbooks` (NULL: not
 * checked), is an error with the rule's place. NULL with *status: STATUS_BAD_INPUT,
 * STATUS_NO_MEMORY. */
struct mode_rules *mode_rules_open(const struct mode_rule *rules, size_t count,
	const struct playbooks *playbooks, struct diagnostics *diagnostics,
	enum status *status) MUST_CHECK;
void mode_rules_close(struct mode_rules *rules); /* NULL allowed */
/* The strictest of `mode` and the rules that fit. rules NULL: none. */
enum mode mode_rules_apply(const struct mode_rules *rules, const char *playbook,
	const char *cluster, const char *namespace_name, enum mode mode);

#endif
