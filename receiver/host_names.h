/*
 * The names under which this service may be asked for when anybody on the machine may read from it:
 * on loopback without access control. A page on the web can point its own name at 127.0.0.1 (DNS
 * rebinding) and then reads what the browser's machine may read; it cannot make the browser say
 * another name than its own.
 *
 * Allowed are IP addresses, localhost, this machine's host name (short and full), the host of
 * web.external_url and the one listened on.
 *
 * Ownership: host_names_close() gives back all.
 * Threads: any, after open. The full name is looked up once, by the first request that asks for a name
 *   which could be it.
 */
#ifndef NIMBUSGUARD_RECEIVER_HOST_NAMES_H
#define NIMBUSGUARD_RECEIVER_HOST_NAMES_H

#include <stdbool.h>

#include "base/error.h"

struct host_names;

/* external_url: a URL or ""; listen_address as in receiver/listen.h. NULL: out of memory. */
struct host_names *host_names_open(const char *external_url, const char *listen_address) MUST_CHECK;
void host_names_close(struct host_names *names);
/* The Host header as received; NULL, which no browser sends, is allowed. */
bool host_names_allow(struct host_names *names, const char *host);

#endif
