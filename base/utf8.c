/*
 * UTF-8 by the table of well-formed sequences (Unicode 15, table 3-7): the lead byte gives the
 * length and the range of the second byte; all further ones are 80..BF.
 */
#include "base/utf8.h"

#include <stdbool.h>

static bool continues(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_length(const char *text, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char lead = bytes[0];

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	if (size < 2 || !continues(bytes[1]))
		return 0;
	if (lead < 0xe0)
		return 2;
	/* Overlong forms and surrogates. */
	if ((lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xed && bytes[1] > 0x9f))
		return 0;
	if (size < 3 || !continues(bytes[2]))
		return 0;
	if (lead < 0xf0)
		return 3;
	/* Overlong forms and what lies above U+10FFFF. */
	if ((lead == 0xf0 && bytes[1] < 0x90) || (lead == 0xf4 && bytes[1] > 0x8f))
		return 0;
	if (size < 4 || !continues(bytes[3]))
		return 0;
	return 4;
}
