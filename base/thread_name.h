/*
 * Threads by name, so that top, perf and a debugger tell which one works.
 *
 * Threads: each for itself; a thread that it starts begins with its name.
 */
#ifndef NIMBUSGUARD_BASE_THREAD_NAME_H
#define NIMBUSGUARD_BASE_THREAD_NAME_H

#define THREAD_NAME_MAX 16 /* with its end; the kernel keeps no more */

/* Of the calling thread. That it fails is no matter. */
void thread_name(const char *name);

#endif
