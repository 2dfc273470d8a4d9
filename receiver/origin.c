/*
 * The same-origin check: the authority of Origin must be the authority asked for.
 */
#include "receiver/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Whether an authority (host, host:port, [v6]:port) names an IP address or localhost. */
static bool authority_local(const char *authority)
{
	char host[INET6_ADDRSTRLEN + 2];
	struct in6_addr six;
	struct in_addr four;
	const char *end;
	size_t size;

	if (*authority == '[') {
		authority++;
		end = strchr(authority, ']');
	} else {
		end = strchr(authority, ':');
	}
	size = end ? (size_t)(end - authority) : strlen(authority);
	if (size >= sizeof(host))
		return false;
	memcpy(host, authority, size);
	host[size] = '\0';
	return !strcasecmp(host, "localhost") || inet_pton(AF_INET, host, &four) == 1 ||
		inet_pton(AF_INET6, host, &six) == 1;
}

const char *origin_refusal(const char *origin, const char *fetch_site, const char *host,
	bool local_only)
{
	const char *authority;

	if (!origin && !fetch_site)
		return NULL; /* no browser */
	if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
		return "the request comes from another site (Sec-Fetch-Site)";
	if (origin) {
		authority = strstr(origin, "://");
		if (!authority || !host || strcasecmp(authority + 3, host) != 0)
			return "the request comes from another origin (Origin)";
	}
	if (local_only && (!host || !authority_local(host)))
		return "without access control, browsers must use localhost or an IP address";
	return NULL;
}
