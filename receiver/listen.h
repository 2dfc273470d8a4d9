/*
 * Where to listen: the address as users write it, and the socket bound to it.
 * Threads: no shared state.
 */
#ifndef NIMBUSGUARD_RECEIVER_LISTEN_H
#define NIMBUSGUARD_RECEIVER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define LISTEN_HOST_MAX 256

/* host:port, [v6]:port or :port (host "": all addresses). STATUS_BAD_INPUT names the text. */
enum status listen_parse(const char *address, char host[LISTEN_HOST_MAX], uint16_t *port,
	struct error *error) MUST_CHECK;
/* Whether host is a literal loopback address or localhost; names are not asked for. */
bool listen_host_loopback(const char *host);

struct listener {
	int fd;
	uint16_t port; /* the one taken when 0 was asked for */
	bool loopback;
};

/* Bound and listening, non-blocking. STATUS_IO names the address and what is wrong with it. */
enum status listen_open(struct listener *listener, const char *address,
	struct error *error) MUST_CHECK;

#endif
