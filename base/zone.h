/*
 * Time zones by their IANA name, from the system's time zone database: the offset from UTC at an
 * instant, and the instant of a local time. The C library knows one zone for the whole process only;
 * settings may name several.
 *
 * Source: RFC 9636 (TZif, versions 2 to 4) and, for the time behind a file's last transition, the TZ
 *   string of POSIX.1-2024 in its footer. Files with leap seconds ("right/...") are refused.
 * Ownership: zone_close() gives back all. A NULL zone is UTC everywhere.
 * Limits: a file of 256 KiB, 4096 transitions.
 * Threads: read-only after open.
 */
#ifndef NIMBUSGUARD_BASE_ZONE_H
#define NIMBUSGUARD_BASE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct zone;

/* "Europe/Berlin"; *opened is NULL for "UTC". STATUS_BAD_INPUT when the database has no such zone or
 * there is no database, STATUS_NO_MEMORY. */
enum status zone_open(const char *name, struct zone **opened, struct error *error) MUST_CHECK;
/* The same from a file's bytes. */
enum status zone_read(const void *bytes, size_t size, struct zone **opened,
	struct error *error) MUST_CHECK;
void zone_close(struct zone *zone);

/* Seconds to add to UTC for local time, at this Unix time. */
int32_t zone_offset_s(const struct zone *zone, int64_t unix_s);
/* The Unix time at which clocks of the zone show local_s (seconds since 1970-01-01 00:00 as they
 * count them). What they show twice is the earlier or the later time; what they skip is the moment
 * at which they skip it. */
int64_t zone_instant_s(const struct zone *zone, int64_t local_s, bool later);

/* Days from 1970-01-01 to a date of the Gregorian calendar, and its year back. */
int64_t date_to_days(int64_t year, int month, int day);
int64_t days_to_year(int64_t days);

#endif
