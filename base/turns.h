/*
 * A thread that wakes often, works for a moment and sleeps again asks the kernel for short turns.
 *
 * Where more threads want to run than there are processors, one that wakes waits for the turns of others to
 * end, some milliseconds each, and from a webhook to the change some ten threads wake in a row. Since Linux 6.12 a
 * thread may say that its turns are to be short: it then runs sooner when it wakes, and no more than before in
 * the whole. No privilege is needed, and neither its nice value nor its share of the processors changes. Older
 * kernels take the wish and do nothing.
 *
 * What it brings stands in docs/performance.md. Not for threads that also work for long, as those that serve
 * HTTP and take the stream.
 *
 * Threads: each for itself; a thread that it starts has short turns, too.
 */
#ifndef NIMBUSGUARD_BASE_TURNS_H
#define NIMBUSGUARD_BASE_TURNS_H

/* Of the calling thread. That it fails is no matter. A thread under another policy (real-time, batch, idle)
 * is left as it is. */
void turns_shorten(void);

#endif
