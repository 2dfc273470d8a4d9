/*
 * UTF-8, one sequence at a time.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_BASE_UTF8_H
#define NIMBUSGUARD_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed sequence that text (of size > 0 bytes) begins with: 1 to 4, or 0 when
 * there is none. RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t utf8_length(const char *text, size_t size);

#endif
