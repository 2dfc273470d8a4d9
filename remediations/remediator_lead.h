/*
 * Leading and standing by: the lease, and the thread that follows the leader's journal while another
 * replica leads and takes over when this one does. For remediator*.c only.
 *
 * Threads: open and close from one thread.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_LEAD_H
#define NIMBUSGUARD_REMEDIATIONS_REMEDIATOR_LEAD_H

#include "remediations/remediator.h"

struct leading;
struct control;
struct leader;
struct record;

/* Takes part in the election; the engine stands by until it is won. Before the actuators. */
enum status leading_open(struct leading **opened, struct remediator *remediator,
	const struct remediator_config *config, struct error *error) MUST_CHECK;
/* Begins to take over and to follow; the engine's thread runs. */
enum status leading_start(struct leading *leading, struct error *error) MUST_CHECK;
/* Ends the following; the lease stays ours. */
void leading_stop(struct leading *leading);
/* Gives the lease back. */
void leading_close(struct leading *leading);

struct leader *leading_leader(struct leading *leading);
/* On the engine's thread: a control of kind LEAD, STAND_BY or ADOPT. */
enum status leading_control(struct remediator *remediator, struct control *control, int64_t now_ms);
/* Why people's words are not taken while standing by. */
enum status leading_refuse(struct remediator *remediator, struct error *error);

#endif
