/*
 * A server with routes for every case, for the tests of the server.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_SERVER_FIXTURE_H
#define NIMBUSGUARD_TESTS_SUPPORT_SERVER_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "receiver/server.h"
#include "tests/support/http_client.h"

/* body_max of the routes. */
#define FIXTURE_BODY_MAX 100000

struct fixture {
	struct access *access;
	struct server *server;
	unsigned port;
	_Atomic bool gate_open; /* "block" waits for it */
	_Atomic int blocked, answered;
	struct request *suspended[8]; /* of "suspend", in order */
	_Atomic int suspended_count;
	_Atomic unsigned thread_seen[8];
};

/* with: NULL for the usual settings (127.0.0.1, 4 threads, 2 slots, 5 s); its access is set here.
 * Routes: POST and GET /echo, POST /media (Content-Type text/good), GET /query, /, /thread, /nothing,
 * /api/v1/data, /api/v1/error, /api/v1/under/ (prefix), POST /api/v1/under/exact (10 bytes), /block
 * (waits for gate_open), /suspend, /change (ROUTE_CHANGES and ROUTE_PRIVILEGED). */
void fixture_start(struct fixture *fixture, const struct server_config *with);
void fixture_stop(struct fixture *fixture);
/* Sends a POST with a body of two bytes; the socket. */
int fixture_call(struct fixture *fixture, const char *path);
/* Waits for the counter to get there, at most a minute. */
void fixture_wait(_Atomic int *counter, int value);
void fixture_wait_slots(int busy);
/* Takes the reply. */
void expect_status(struct http_reply reply, int status);

#endif
