/*
 * The kernel gives no port away by itself on which any socket is bound, whatever its options.
 */
#include "tests/support/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void port_reserve(struct port *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	port->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (port->fd < 0 || setsockopt(port->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(port->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		getsockname(port->fd, (struct sockaddr *)&address, &size) != 0) {
		fprintf(stderr, "no free port: %s\n", strerror(errno));
		exit(1);
	}
	port->number = ntohs(address.sin_port);
}

void port_release(struct port *port)
{
	if (port->fd >= 0 && port->number != 0)
		close(port->fd);
	*port = (struct port){.fd = -1};
}
