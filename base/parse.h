/*
 * Small texts to values and back: durations, sizes, times, and the nearest known word.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_BASE_PARSE_H
#define NIMBUSGUARD_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Prometheus' durations: y w d h m s ms, in falling order, each once; "0" alone is allowed.
 * At most 292 years, so that the nanoseconds of every duration fit an int64_t. */
enum status parse_duration(const char *text, int64_t *ms) MUST_CHECK;
/* Writes e.g. 1h30m; size of at least 32 is always enough. */
void format_duration(int64_t ms, char *text, size_t size);
/* Bytes with B, KiB, MiB, GiB, KB, MB, GB or no suffix. */
enum status parse_size(const char *text, uint64_t *bytes) MUST_CHECK;
void format_size(uint64_t bytes, char *text, size_t size);
/* Decimal, the whole text. */
enum status parse_int(const char *text, int64_t *value) MUST_CHECK;
/* The whole text; NaN and Inf allowed, but not a number too large for a double. */
enum status parse_double(const char *text, double *value) MUST_CHECK;
/* "true" or "false" only. */
enum status parse_bool(const char *text, bool *value) MUST_CHECK;
/* RFC 3339 with any number of fraction digits and Z or an offset; years 1 to 9999. Milliseconds
 * since 1970, rounded down. A leap second (:60, only as the last second of a UTC day) is the last
 * millisecond before it. */
enum status parse_rfc3339(const char *text, int64_t *ms) MUST_CHECK;
/* 2026-01-02T03:04:05.678Z; size of at least 32. */
void format_rfc3339(int64_t ms, char *text, size_t size);
/* Unix seconds with a fraction, or RFC 3339, as Prometheus' query API takes them. */
enum status parse_time(const char *text, int64_t *ms) MUST_CHECK;

/* The word of words (NULL-terminated) nearest to text by edit distance, or NULL when none is near
 * (distance over a third of the length, at least 1). */
const char *nearest_word(const char *text, const char *const *words);

#endif
