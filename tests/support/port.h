/*
 * A port of 127.0.0.1 for a server that must be told its port beforehand. The port stays bound, but
 * not listened on, until it is given back: nobody else is handed it, while a server that sets
 * SO_REUSEADDR, as all of ours do, may listen on it, and again after it was ended.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_PORT_H
#define NIMBUSGUARD_TESTS_SUPPORT_PORT_H

struct port {
	int fd; /* -1: none */
	unsigned number;
};

/* Ends the test when there is none. */
void port_reserve(struct port *port);
void port_release(struct port *port);

#endif
