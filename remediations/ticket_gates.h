/*
 * What the guard said of an incident, in short, for its ticket: read from the journal's decisions.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TICKET_GATES_H
#define NIMBUSGUARD_REMEDIATIONS_TICKET_GATES_H

#include <stddef.h>

#include "remediations/journal.h"

/* The last decision on another action than the ticket's, else on that one: how many gates passed, and
 * the sentence of each that did not, a line each. Empty when there is none. */
void ticket_gates_read(struct journal *journal, const char *incident, const char *ticket_action,
	char *text, size_t size);

#endif
