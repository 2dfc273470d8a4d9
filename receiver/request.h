/*
 * The inside of the server, shared by server.c (start, stop, watch), request.c (a request's life),
 * reply.c (answers) and stream.c (answers without an end). Nobody outside of these includes it.
 *
 * States of a request:
 *   RUNNING   from the headers on; request_reply() -> ANSWERED, request_suspend() -> SUSPENDED
 *   SUSPENDED waits for its owner; request_reply() -> RESUMING, server_stop() -> ABANDONED
 *   RESUMING  the owner's thread hands the answer to MHD -> ANSWERED
 *   ANSWERED  the answer is on its way
 *   ABANDONED the server answered 503 in the owner's place; the owner's late answer is dropped
 *
 * References: one of MHD's, from the headers to the end of the answer (request_completed()); one of
 * the owner's, from request_suspend() to request_reply().
 */
#ifndef NIMBUSGUARD_RECEIVER_REQUEST_H
#define NIMBUSGUARD_RECEIVER_REQUEST_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "receiver/host_names.h"
#include "receiver/listen.h"
#include "receiver/peers.h"
#include "receiver/server.h"
#include "receiver/slots.h"
#include "receiver/tls.h"

#define REQUEST_HEADERS_MAX 16
#define REQUEST_IDENTITY_MAX 256

enum request_state {
	REQUEST_RUNNING,
	REQUEST_SUSPENDED,
	REQUEST_RESUMING,
	REQUEST_ANSWERED,
	REQUEST_ABANDONED
};

struct server {
	struct server_config config; /* its texts are not kept, but for: */
	char *prefix;                /* "" or /prefix */
	struct host_names *host_names;
	struct route *routes;
	size_t route_count;
	struct pool *pool;
	struct listener listener;
	struct acceptor *acceptor; /* stopped when quiescing */
	struct slots *slots;
	struct peers *peers;
	struct tls *tls; /* NULL: plain HTTP */
	uint64_t id;     /* tells servers of one process apart, for thread-local state */
	_Atomic unsigned next_thread;
	_Atomic bool quiescing, stopping;

	pthread_mutex_t lock; /* guards first, first_stream and their links, watch_ended */
	struct request *first;
	struct reply_stream *first_stream;
	bool watch_ended;
	pthread_cond_t watch_wake;
	pthread_t watch;
};

struct request_header_pair {
	char *name, *value;
};

struct request {
	struct request *next, *previous;
	struct server *server;
	struct MHD_Connection *connection;
	struct peer *peer;
	const struct route *route; /* NULL: none matched */
	const char *method, *path, *rest;
	_Atomic int state;
	_Atomic unsigned references;

	struct slot slot;
	bool slot_held;
	const char *body; /* what request_body() gives; stays valid when the slot is detached */
	size_t body_size;
	char *detached;    /* the slot's buffer, kept for the owner of an abandoned request */
	uint64_t received; /* body bytes, kept or not */
	bool suspended_once, served;

	char identity[REQUEST_IDENTITY_MAX];
	enum access_role role;
	unsigned thread;
	struct request_header_pair headers[REQUEST_HEADERS_MAX];
	size_t header_count;
	struct MHD_Response *response;
	int http_status;
};

/* MHD's callbacks, with the server as their argument. */
enum MHD_Result request_handle(void *argument, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **slot);
void request_completed(void *argument, struct MHD_Connection *connection, void **slot,
	enum MHD_RequestTerminationCode code);
struct peer *request_peer_of(struct MHD_Connection *connection);

/* Gives back one reference. */
void request_unref(struct request *request);
/* Answers 503 in the place of an owner that did not; false when the state is not SUSPENDED. */
bool request_abandon(struct request *request);
/* Gives request->response its headers and ends the route's part; the body's slot is free then. */
void request_finish_head(struct request *request, int http_status, const char *content_type);
/* Streams look whether the server is quiescing. */
void streams_wake_all(struct server *server);
/* A refusal before the route ran: metric HTTP_REJECTED, JSON under /api/, else plain text. */
void request_refuse(struct request *request, int http_status, const char *reason, const char *text);

#endif
