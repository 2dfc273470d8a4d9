/*
 * A growing byte buffer. Capacity doubles up to max + 1 (the terminating NUL); every write is whole
 * or not at all: the writers below that take several steps remember the size they began with and go
 * back to it when one of the steps fails.
 *
 * Invariants:
 *   1. size <= max, and size < capacity once data is there.
 *   2. data[size] == 0 once data is there.
 *   3. failed never goes back to false but by buf_reset() and buf_take().
 */
#include "base/buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define BUF_CAPACITY_MIN 64

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->data);
	buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
	buf->size = 0;
	buf->failed = false;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

/* Room for size more bytes and the NUL. */
static bool make_room(struct buf *buf, size_t size)
{
	size_t needed, capacity;
	char *data;

	if (buf->failed)
		return false;
	if (size > buf->max - buf->size) {
		buf->failed = true;
		return false;
	}
	needed = buf->size + size + 1;
	if (needed <= buf->capacity)
		return true;
	capacity = buf->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : buf->capacity;
	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	if (capacity > buf->max + 1)
		capacity = buf->max + 1;
	data = mem_resize(buf->data, capacity, 1);
	if (data == NULL) {
		buf->failed = true;
		return false;
	}
	data[buf->size] = '\0';
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

/* Takes back what was written since size, after a step of a longer write has failed. */
static void rewind_to(struct buf *buf, size_t size)
{
	buf->size = size;
	if (buf->data != NULL)
		buf->data[size] = '\0';
}

char *buf_take(struct buf *buf, size_t *size)
{
	char *data = NULL;

	if (make_room(buf, 0)) {
		data = buf->data;
		if (size != NULL)
			*size = buf->size;
		buf->data = NULL;
	} else if (size != NULL) {
		*size = 0;
	}
	buf_fini(buf);
	return data;
}

char *buf_reserve(struct buf *buf, size_t size)
{
	return make_room(buf, size) ? buf->data + buf->size : NULL;
}

void buf_add(struct buf *buf, const void *bytes, size_t size)
{
	if (!make_room(buf, size))
		return;
	if (size > 0)
		memcpy(buf->data + buf->size, bytes, size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
	va_list again;
	int length;

	/* Most lines fit what is there: one pass. The others are formatted again. */
	if (!make_room(buf, 0))
		return;
	va_copy(again, arguments);
	length = vsnprintf(buf->data + buf->size, buf->capacity - buf->size, format, arguments);
	if (length >= 0 && (size_t)length < buf->capacity - buf->size) {
		buf->size += (size_t)length;
	} else {
		rewind_to(buf, buf->size);
		if (length < 0)
			buf->failed = true;
		else if (make_room(buf, (size_t)length)) {
			vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
			buf->size += (size_t)length;
		}
	}
	va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	buf_vprintf(buf, format, arguments);
	va_end(arguments);
}

static void add_json_escape(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add_text(buf, "\\\"");
		break;
	case '\\':
		buf_add_text(buf, "\\\\");
		break;
	case '\n':
		buf_add_text(buf, "\\n");
		break;
	case '\r':
		buf_add_text(buf, "\\r");
		break;
	case '\t':
		buf_add_text(buf, "\\t");
		break;
	default:
		buf_printf(buf, "\\u%04x", c);
		break;
	}
}

void buf_add_json_string(struct buf *buf, const char *text, size_t length)
{
	size_t began = buf->size, plain = 0, i = 0;

	if (buf->failed)
		return;
	buf_add_char(buf, '"');
	while (i < length) {
		unsigned char c = (unsigned char)text[i];
		bool special = c < 0x20 || c >= 0x7f || c == '"' || c == '\\', escaped;
		size_t sequence;

		/* Nearly all there is. */
		if (!special) {
			i++;
			continue;
		}
		sequence = utf8_length(text + i, length - i);
		escaped = sequence == 1;

		if (sequence != 0 && !escaped) {
			i += sequence;
			continue;
		}
		/* What is plain is copied in one piece up to here. */
		buf_add(buf, text + plain, i - plain);
		if (escaped)
			add_json_escape(buf, c);
		else
			buf_add_text(buf, "\xef\xbf\xbd");
		plain = ++i;
	}
	if (length > plain)
		buf_add(buf, text + plain, length - plain);
	buf_add_char(buf, '"');
	if (buf->failed)
		rewind_to(buf, began);
}

void buf_add_json_number(struct buf *buf, double value)
{
	char text[32];

	if (!isfinite(value)) {
		buf_add_text(buf, "null");
		return;
	}
	/* Seventeen digits always read back; most numbers that people write need fewer. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_add_text(buf, text);
}

static const char *html_entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void buf_add_html(struct buf *buf, const char *text)
{
	size_t began = buf->size;
	const char *plain = text;

	if (buf->failed)
		return;
	for (; *text != '\0'; text++) {
		const char *entity = html_entity(*text);
		if (entity == NULL)
			continue;
		buf_add(buf, plain, (size_t)(text - plain));
		buf_add_text(buf, entity);
		plain = text + 1;
	}
	buf_add(buf, plain, (size_t)(text - plain));
	if (buf->failed)
		rewind_to(buf, began);
}
