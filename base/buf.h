/*
 * A growing byte buffer that is born with its maximum.
 *
 * Ownership: the buffer owns its bytes until buf_fini() or buf_take().
 * Limits: never longer than `max` bytes. A write that does not fit, or for which memory is out,
 *   leaves the content as it was and sets `failed`; later writes do nothing, so that a long
 *   sequence of writes is checked once at its end with buf_ok().
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_BASE_BUF_H
#define NIMBUSGUARD_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct buf {
	char *data; /* always NUL-terminated after the first write; NULL before */
	size_t size, capacity, max;
	bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);
/* Empty again, `failed` cleared, memory kept. */
void buf_reset(struct buf *buf);
static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}
/* Hands the NUL-terminated bytes to the caller (mem_free) and leaves the buffer empty; NULL when
 * failed. */
char *buf_take(struct buf *buf, size_t *size) MUST_CHECK;

void buf_add(struct buf *buf, const void *bytes, size_t size);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
/* Room for size bytes at the end, not yet counted in; NULL (and failed) when it does not fit. */
char *buf_reserve(struct buf *buf, size_t size);

/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD, control characters are escaped. */
void buf_add_json_string(struct buf *buf, const char *text, size_t length);
/* A JSON number with 17 significant digits at most (shortest that reads back); null for NaN and
 * infinities. */
void buf_add_json_number(struct buf *buf, double value);
/* Text for HTML: & < > " ' escaped. */
void buf_add_html(struct buf *buf, const char *text);

#endif
