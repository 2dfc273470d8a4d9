/*
 * The Authorization header: scheme, base64 (RFC 4648, padding required), user and password.
 */
#include "receiver/credentials.h"

#include <string.h>
#include <strings.h>

const char *scheme_skip(const char *authorization, const char *scheme)
{
	size_t length = strlen(scheme);

	if (strncasecmp(authorization, scheme, length) != 0 || authorization[length] != ' ')
		return NULL;
	authorization += length;
	while (*authorization == ' ')
		authorization++;
	return authorization;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes written to room (without a NUL), or -1. */
static int base64_decode(const char *text, size_t size, char *room, size_t room_size)
{
	size_t padding = 0, written = 0;
	unsigned bits = 0;

	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	if (!size || size % 4 || size / 4 * 3 - padding > room_size)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int value = i >= size - padding ? 0 : base64_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		if (i % 4 != 3)
			continue;
		for (int shift = 16; shift >= 0; shift -= 8)
			if (written < size / 4 * 3 - padding)
				room[written++] = (char)(bits >> shift & 0xFF);
		bits = 0;
	}
	return (int)written;
}

bool basic_decode(const char *encoded, struct basic_credentials *credentials)
{
	size_t size = strlen(encoded);
	char *colon;
	int length;

	while (size && encoded[size - 1] == ' ')
		size--;
	length = base64_decode(encoded, size, credentials->room, CREDENTIALS_MAX - 1);
	if (length < 0 || memchr(credentials->room, '\0', (size_t)length))
		return false;
	credentials->room[length] = '\0';
	colon = strchr(credentials->room, ':');
	if (!colon)
		return false;
	*colon = '\0';
	credentials->user = credentials->room;
	credentials->password = colon + 1;
	return true;
}
