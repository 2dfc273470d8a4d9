/*
 * Four characters of six bits give three bytes.
 */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_decode(const char *text, size_t size, struct buf *buf)
{
	uint32_t bits = 0;
	unsigned count = 0, padding = 0;

	for (size_t i = 0; i < size; i++) {
		const char *found;

		if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
			continue;
		if (text[i] == '=') {
			padding++;
			continue;
		}
		found = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
		if (found == NULL || padding > 0)
			return false;
		bits = bits << 6 | (uint32_t)(found - alphabet);
		count++;
		if (count % 4 != 0)
			continue;
		buf_add_char(buf, (char)(bits >> 16 & 0xFF));
		buf_add_char(buf, (char)(bits >> 8 & 0xFF));
		buf_add_char(buf, (char)(bits & 0xFF));
		bits = 0;
	}
	switch (count % 4) {
	case 0:
		return padding == 0;
	case 2:
		buf_add_char(buf, (char)(bits >> 4 & 0xFF));
		return padding == 2;
	case 3:
		buf_add_char(buf, (char)(bits >> 10 & 0xFF));
		buf_add_char(buf, (char)(bits >> 2 & 0xFF));
		return padding == 1;
	default:
		return false;
	}
}

void base64_encode(const void *bytes, size_t size, struct buf *buf)
{
	const unsigned char *in = bytes;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			(left > 2 ? in[i + 2] : 0);

		buf_add_char(buf, alphabet[bits >> 18]);
		buf_add_char(buf, alphabet[bits >> 12 & 63]);
		buf_add_char(buf, left > 1 ? alphabet[bits >> 6 & 63] : '=');
		buf_add_char(buf, left > 2 ? alphabet[bits & 63] : '=');
	}
}
