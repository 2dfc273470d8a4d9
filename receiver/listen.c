/*
 * The listening socket. An address without host takes one IPv6 socket for both families where the
 * kernel has IPv6, else an IPv4 one.
 */
#include "receiver/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"

#define LISTEN_BACKLOG 512

static enum status bad_address(const char *address, struct error *error)
{
	return error_set(error, STATUS_BAD_INPUT,
		"\"%s\" is no address to listen on: host:port, [IPv6]:port or :port is expected",
		address);
}

enum status listen_parse(const char *address, char host[LISTEN_HOST_MAX], uint16_t *port,
	struct error *error)
{
	const char *colon = strrchr(address, ':'), *first = address, *last = colon;
	int64_t number;

	if (!colon || parse_int(colon + 1, &number) || number < 0 || number > UINT16_MAX)
		return bad_address(address, error);
	if (*first == '[') {
		if (colon == first + 1 || colon[-1] != ']')
			return bad_address(address, error);
		first++;
		last--;
	} else if (memchr(first, ':', (size_t)(last - first))) {
		return bad_address(address, error); /* IPv6 without brackets is ambiguous */
	}
	if (last - first >= LISTEN_HOST_MAX || (*address == '[' && first == last))
		return bad_address(address, error);
	memcpy(host, first, (size_t)(last - first));
	host[last - first] = '\0';
	*port = (uint16_t)number;
	return STATUS_OK;
}

static bool v4_loopback(const struct in_addr *address)
{
	return ntohl(address->s_addr) >> 24 == 127;
}

static bool v6_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
		(IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

bool listen_host_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, host, &four) == 1)
		return v4_loopback(&four);
	if (inet_pton(AF_INET6, host, &six) == 1)
		return v6_loopback(&six);
	return !strcasecmp(host, "localhost");
}

static bool socket_loopback(const struct sockaddr_storage *bound)
{
	if (bound->ss_family == AF_INET)
		return v4_loopback(&((const struct sockaddr_in *)bound)->sin_addr);
	if (bound->ss_family == AF_INET6)
		return v6_loopback(&((const struct sockaddr_in6 *)bound)->sin6_addr);
	return false;
}

/* A bound and listening socket, or -1 with errno. */
static int open_socket(const struct addrinfo *info)
{
	int on = 1, off = 0, number, fd;

	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* A restart must not wait for the old connections' TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!bind(fd, info->ai_addr, info->ai_addrlen) && !listen(fd, LISTEN_BACKLOG))
		return fd;
	number = errno;
	close(fd);
	errno = number;
	return -1;
}

static enum status name_failure(const char *address, int number, struct error *error)
{
	if (number == EADDRINUSE)
		return error_set(error, STATUS_IO,
			"address %s is already in use (is another nimbusguard running?)", address);
	if (number == EACCES)
		return error_set(error, STATUS_IO,
			"no permission to listen on %s (ports below 1024 need privileges)",
			address);
	if (number == EADDRNOTAVAIL)
		return error_set(error, STATUS_IO, "%s is no address of this machine", address);
	return error_set_errno(error, STATUS_IO, number, "cannot listen on %s", address);
}

static enum status resolve(const char *address, const char *host, uint16_t port, int family,
	struct addrinfo **list, struct error *error)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	char service[8];
	int result;

	hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%u", port);
	result = getaddrinfo(*host ? host : NULL, service, &hints, list);
	if (result)
		return error_set(error, STATUS_IO, "cannot listen on %s: %s", address,
			gai_strerror(result));
	return STATUS_OK;
}

enum status listen_open(struct listener *listener, const char *address, struct error *error)
{
	struct sockaddr_storage bound;
	socklen_t bound_size = sizeof(bound);
	char host[LISTEN_HOST_MAX];
	struct addrinfo *list;
	enum status status;
	int number;

	*listener = (struct listener){.fd = -1};
	status = listen_parse(address, host, &listener->port, error);
	if (status)
		return status;
	status = resolve(address, host, listener->port, *host ? AF_UNSPEC : AF_INET6, &list, error);
	if (status)
		return status;
	listener->fd = open_socket(list);
	number = errno;
	freeaddrinfo(list);
	if (listener->fd < 0 && !*host && (number == EAFNOSUPPORT || number == EADDRNOTAVAIL)) {
		status = resolve(address, host, listener->port, AF_INET, &list, error);
		if (status)
			return status;
		listener->fd = open_socket(list);
		number = errno;
		freeaddrinfo(list);
	}
	if (listener->fd < 0)
		return name_failure(address, number, error);
	if (getsockname(listener->fd, (struct sockaddr *)&bound, &bound_size)) {
		status = name_failure(address, errno, error);
		close(listener->fd);
		return status;
	}
	listener->port =
		ntohs(bound.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&bound)->sin6_port
						  : ((const struct sockaddr_in *)&bound)->sin_port);
	listener->loopback = socket_loopback(&bound);
	return STATUS_OK;
}
