/*
 * The end of a broken promise: the place and the promise on standard error, then abort(). Nothing
 * here takes memory or a lock, because the promise may have been broken while one was held.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *promise)
{
	char text[512];
	int length = snprintf(text, sizeof(text), "nimbusguard: broken promise at %s:%d: %s\n",
		file, line, promise);

	if (length > (int)sizeof(text) - 1) {
		length = (int)sizeof(text) - 1;
		text[length - 1] = '\n';
	}
	/* If even this write fails there is nobody left to tell. */
	if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
		abort();
	abort();
}
