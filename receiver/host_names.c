/*
 * A Host header is cut to its host and compared with a few names that were found at the start.
 */
#include "receiver/host_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "receiver/listen.h"

#define NAME_MAX_SIZE 256 /* a DNS name has at most 253 bytes */

struct host_names {
	char external[NAME_MAX_SIZE], listened[NAME_MAX_SIZE];
	char machine[NAME_MAX_SIZE], short_name[NAME_MAX_SIZE]; /* "" when not known */
	pthread_mutex_t lock;
	bool asked;                    /* under the lock: full_name was looked up */
	char full_name[NAME_MAX_SIZE]; /* under the lock */
};

/* The host of an authority (host, host:port, [v6]:port), without a dot at its end; "" when it has
 * none or is too long. */
static void cut_host(const char *authority, size_t size, char host[NAME_MAX_SIZE])
{
	const char *end;

	host[0] = '\0';
	if (size > 0 && *authority == '[') {
		authority++;
		size--;
		end = memchr(authority, ']', size);
		if (end == NULL)
			return;
	} else {
		end = memchr(authority, ':', size);
	}
	if (end != NULL)
		size = (size_t)(end - authority);
	if (size > 0 && authority[size - 1] == '.')
		size--;
	if (size >= NAME_MAX_SIZE)
		return;
	memcpy(host, authority, size);
	host[size] = '\0';
}

static void cut_url(const char *url, char host[NAME_MAX_SIZE])
{
	const char *authority = strstr(url, "://"), *at;
	size_t size;

	authority = authority != NULL ? authority + 3 : url;
	size = strcspn(authority, "/?#");
	at = memchr(authority, '@', size);
	if (at != NULL) {
		size -= (size_t)(at + 1 - authority);
		authority = at + 1;
	}
	cut_host(authority, size, host);
}

struct host_names *host_names_open(const char *external_url, const char *listen_address)
{
	struct host_names *names = mem_zalloc(1, sizeof(*names));
	char host[LISTEN_HOST_MAX];
	uint16_t port;

	if (names == NULL)
		return NULL;
	CHECK(pthread_mutex_init(&names->lock, NULL) == 0);
	cut_url(external_url != NULL ? external_url : "", names->external);
	if (listen_parse(listen_address, host, &port, NULL) == STATUS_OK)
		snprintf(names->listened, sizeof(names->listened), "%s", host);
	if (gethostname(names->machine, sizeof(names->machine) - 1) != 0)
		names->machine[0] = '\0';
	snprintf(names->short_name, sizeof(names->short_name), "%.*s",
		(int)strcspn(names->machine, "."), names->machine);
	return names;
}

void host_names_close(struct host_names *names)
{
	if (names == NULL)
		return;
	pthread_mutex_destroy(&names->lock);
	mem_free(names);
}

static bool is_address(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1;
}

/* What the resolver (usually /etc/hosts) calls this machine in full. */
static void look_up(const char *machine, char full_name[NAME_MAX_SIZE])
{
	const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	if (getaddrinfo(machine, NULL, &hints, &list) != 0)
		return;
	if (list->ai_canonname != NULL)
		snprintf(full_name, NAME_MAX_SIZE, "%s", list->ai_canonname);
	freeaddrinfo(list);
}

/* Only a name that begins with the machine's is worth a question to the resolver, and one question
 * is enough: a foreign page must not make us ask again and again. */
static bool is_full_name(struct host_names *names, const char *host)
{
	size_t size = strlen(names->short_name);
	bool same;

	if (size == 0 || strncasecmp(host, names->short_name, size) != 0 || host[size] != '.')
		return false;
	pthread_mutex_lock(&names->lock);
	if (!names->asked)
		look_up(names->machine, names->full_name);
	names->asked = true;
	same = names->full_name[0] != '\0' && strcasecmp(host, names->full_name) == 0;
	pthread_mutex_unlock(&names->lock);
	return same;
}

bool host_names_allow(struct host_names *names, const char *host_header)
{
	char host[NAME_MAX_SIZE];

	if (host_header == NULL)
		return true;
	cut_host(host_header, strlen(host_header), host);
	if (host[0] == '\0')
		return false;
	return is_address(host) || strcasecmp(host, "localhost") == 0 ||
		strcasecmp(host, names->external) == 0 || strcasecmp(host, names->listened) == 0 ||
		strcasecmp(host, names->machine) == 0 || strcasecmp(host, names->short_name) == 0 ||
		is_full_name(names, host);
}
