/*
 * Whether a request that changes something may come from the page it comes from: a browser sends
 * Origin and Sec-Fetch-Site, which a foreign page cannot forge; other clients send neither.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_RECEIVER_ORIGIN_H
#define NIMBUSGUARD_RECEIVER_ORIGIN_H

#include <stdbool.h>

/* Headers as received, NULL when absent. local_only: without access control on loopback a foreign
 * page could point its own name at this address (DNS rebinding), so a browser must then have asked
 * for localhost or an IP address. NULL when allowed, else the reason. */
const char *origin_refusal(const char *origin, const char *fetch_site, const char *host,
	bool local_only);

#endif
