/*
 * Freeze windows: times in which nothing is changed, as people write them.
 *
 *   22:00-06:00                                          every day
 *   Fri 16:00-Mon 06:00                                  every week
 *   2026-12-23 18:00-2027-01-04 06:00                    once
 *
 * Each may end with a zone of the system's database ("Fri 16:00-Mon 06:00 Europe/Berlin"); without
 * one its times are UTC. A window holds from its first minute until its end, which is outside. Where
 * clocks are put back a window that ends in the repeated hour ends the second time, and one that
 * begins in it begins the first time: in doubt nothing is changed.
 *
 * Ownership: freeze_close() gives back all; texts are copied.
 * Limits: FREEZE_MAX windows.
 * Threads: read-only after open.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_FREEZE_H
#define NIMBUSGUARD_REMEDIATIONS_FREEZE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FREEZE_MAX 64
#define FREEZE_TEXT_MAX 100

struct freeze;

/* STATUS_BAD_INPUT names the window, the column in it, and what was expected there. */
enum status freeze_open(const char *const *texts, size_t count, struct freeze **opened,
	struct error *error) MUST_CHECK;
/* Only reads them. */
enum status freeze_check(const char *const *texts, size_t count, struct error *error) MUST_CHECK;
void freeze_close(struct freeze *freeze);

/* When the windows that are open now have ended, milliseconds since 1970, windows that follow without
 * a gap included; 0 when none is open. *window is the text of the one that lasts longest now (may be
 * NULL). freeze NULL: no windows. */
int64_t freeze_until(const struct freeze *freeze, int64_t now_ms, const char **window);

#endif
