/*
 * sched_setattr() of the calling thread, whose policy and nice value are read before and written back as
 * they are: the call sets all of them at once. The C library has no function for it.
 *
 * Source: sched_setattr(2); Documentation/scheduler/sched-eevdf.rst of Linux.
 */
#include "base/turns.h"

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_NS 100000 /* the shortest that the kernel takes */

/* struct sched_attr of the kernel as of its first version, which every later one takes. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

void turns_shorten(void)
{
	struct attributes attributes;

	memset(&attributes, 0, sizeof(attributes));
	if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 ||
		attributes.policy != SCHED_OTHER)
		return;
	attributes.size = sizeof(attributes);
	attributes.runtime_ns = TURN_NS;
	(void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
