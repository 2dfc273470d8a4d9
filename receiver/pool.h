/*
 * The threads that serve connections: each runs a daemon of MHD's of its own, with connections that
 * are dealt out to it and stay with it.
 *
 * MHD has such a pool, too, but waits in a way that can lose time: it fetches events by 128, and when
 * just so many were there it waits for the next one, or for a timeout, before it serves any of them
 * (MHD_epoll() of 0.9.75). Ten thousand senders that close at once, or 128 that ask at once, meet that.
 * Here the waiting is done outside, and MHD only ever fetches what is there.
 *
 * Ownership: the configuration's texts and peers are borrowed until pool_stop().
 * Limits: none on connections: who hands them over keeps it.
 * Threads: pool_add() on one thread at a time, pool_resume() on any; MHD's callbacks on the pool's threads.
 */
#ifndef NIMBUSGUARD_RECEIVER_POOL_H
#define NIMBUSGUARD_RECEIVER_POOL_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

struct peers;
struct pool;

struct pool_config {
	unsigned worker_count;                /* 0: 1 */
	unsigned flags;                       /* MHD_USE_TLS, or 0 */
	const struct MHD_OptionItem *options; /* with their end */
	MHD_AccessHandlerCallback handle;
	MHD_NotifyConnectionCallback changed; /* a connection came or went */
	void *argument;                       /* of both */
	struct peers *peers;                  /* where failed connections are retracted */
};

/* NULL: STATUS_IO, no thread, memory or descriptor; STATUS_NO_MEMORY. */
struct pool *pool_start(const struct pool_config *config, struct error *error) MUST_CHECK;
/* Hands a connection that was announced to the worker with the fewest. The descriptor, which must be
 * non-blocking, is the pool's from now on, also when it fails. */
void pool_add(struct pool *pool, int fd, const struct sockaddr_storage *address, socklen_t size);
/* A suspended connection goes on. To be called instead of MHD_resume_connection(): it also wakes the
 * worker, where MHD alone may take a wake for one that it has seen. On any thread. */
void pool_resume(struct pool *pool, struct MHD_Connection *connection);
/* Closes all connections; nothing may be suspended. NULL is allowed. */
void pool_stop(struct pool *pool);

#endif
