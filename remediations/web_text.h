/*
 * Texts of calls to others: addresses that may be called, and bodies of webhooks.
 *
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_WEB_TEXT_H
#define NIMBUSGUARD_REMEDIATIONS_WEB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "remediations/plan.h"

#define WEB_BODY_MAX (64u << 10)

/* https:// with a host, or http:// to this machine; no blanks and no user:password@. */
bool web_url_good(const char *url);
/* Whether it is JSON, with {{ label }} in strings only; the message is for a diagnostic. */
bool web_body_check(const char *body, char *message, size_t size);
/* The body with its labels, escaped as JSON wants it; body NULL: the usual one, see docs/playbooks.md.
 * mem_free; NULL: no memory, or longer than WEB_BODY_MAX. */
char *web_body_fill(const char *body, const struct plan_question *question,
	const char *action_id) MUST_CHECK;

#endif
