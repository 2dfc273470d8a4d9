/*
 * The running service's own eye on its journal: it verifies the chain now and then, and tells the
 * head where others can keep it.
 *
 * Threads: one of its own; open and close from one thread.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_WATCH_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_WATCH_H

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "remediations/journal.h"

struct audit_watch;

/* Borrows journal and clock until close. verify_ms: between two verifications, the first one right
 * away; 0: none. */
enum status audit_watch_open(struct audit_watch **opened, struct journal *journal,
	const struct clock *clock, int64_t verify_ms, struct error *error) MUST_CHECK;
/* Tells the head once more. */
void audit_watch_close(struct audit_watch *watch);

#endif
