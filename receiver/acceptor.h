/*
 * Takes connections from the listening socket and hands them to the pool's threads.
 *
 * Threads that race for new connections deal them badly: one that wins often serves all of a few busy
 * senders while the others sleep. Handed over by one thread they are dealt out evenly.
 *
 * Room: when nearly all connections are in use, a newcomer's place is made by closing the one that
 * has been idle for longest (between requests, or slow with its headers), so that connections that
 * only sit there keep nobody out.
 *
 * Ownership: socket, pool and peers are borrowed until acceptor_stop().
 * Threads: one of its own.
 */
#ifndef NIMBUSGUARD_RECEIVER_ACCEPTOR_H
#define NIMBUSGUARD_RECEIVER_ACCEPTOR_H

#include "base/error.h"

struct acceptor;
struct peers;
struct pool;

/* listen_fd: listening and non-blocking. NULL: STATUS_NO_MEMORY; STATUS_IO, no descriptor or thread. */
struct acceptor *acceptor_start(int listen_fd, struct pool *pool, struct peers *peers,
	unsigned connection_max, struct error *error) MUST_CHECK;
/* Returns when no connection is handed over any more. NULL is allowed. */
void acceptor_stop(struct acceptor *acceptor);

#endif
