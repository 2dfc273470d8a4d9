/*
 * Base64 of RFC 4648, section 4: the alphabet with + and /, padded with =.
 *
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_BASE_BASE64_H
#define NIMBUSGUARD_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends the bytes that text stands for. White space is passed over, as long texts are wrapped in
 * files; false for anything else that is no base64, with what came before it appended. What does not
 * fit buf is told by buf_ok(). */
bool base64_decode(const char *text, size_t size, struct buf *buf);
/* Appends the text of the bytes, in one line. */
void base64_encode(const void *bytes, size_t size, struct buf *buf);

#endif
