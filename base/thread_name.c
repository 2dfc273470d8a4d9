/*
 * prctl(2), as the C library's own function is for GNU sources only.
 */
#include "base/thread_name.h"

#include <string.h>
#include <sys/prctl.h>

#include "base/check.h"

void thread_name(const char *name)
{
	CHECK(strlen(name) < THREAD_NAME_MAX);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
}
