/*
 * The HTTP front door: listens, bounds, authenticates, routes, and answers.
 *
 * A request's life: accepted -> headers seen (route found, method, role, origin and media type
 * checked, Content-Length against the route's body_max) -> slot taken (none free: 503 with
 * Retry-After, before the body is read) -> body copied once into the slot -> the route's function
 * -> response. A route's function may suspend the request and answer it later from another thread.
 *
 * On loopback without access control a GET of what has a role is answered 421 when its Host is a name
 * that is not ours (receiver/host_names.h).
 *
 * A refused request's body is read and thrown away (up to 64 MiB), so that the sender reads the
 * answer; a sender that waits for "100 Continue" gets the refusal before it sends the body.
 *
 * Ownership: a request belongs to the server; accessors return pointers valid until the answer.
 * Limits: struct server_config. Bodies take at most slot_count times the largest body_max (a slot
 *   grows with what arrives, not with what is claimed). Besides MHD's idle timeout, which starts
 *   anew with each byte, a connection is cut off when its headers take 2 x idle_timeout_s, its body
 *   comes in below 8 KiB/s after idle_timeout_s, or its answer takes 5 x idle_timeout_s.
 * Threads: route functions run on the pool's threads, several at once. On a suspended request any one
 *   thread may call request_body(), request_identity(), request_role(), request_add_header() and
 *   then request_reply*(), once; nothing else, and nothing after the reply.
 */
#ifndef NIMBUSGUARD_RECEIVER_SERVER_H
#define NIMBUSGUARD_RECEIVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "receiver/access.h"

struct request;
struct server;

typedef void route_fn(struct request *request, void *argument);

enum route_flag {
	ROUTE_EXACT = 0,
	ROUTE_PREFIX = 1,  /* path is a prefix; request_rest() gives what follows */
	ROUTE_CHANGES = 2, /* browsers' requests need the same origin */
	ROUTE_PRIVILEGED =
		4,     /* refused whenever access control is off and the listener is not loopback */
	ROUTE_BODY = 8 /* has a body and needs a slot */
};

struct route {
	const char *name;   /* metric label "handler" */
	const char *method; /* "GET" also serves HEAD */
	const char *path;   /* without the route prefix */
	unsigned flags;
	enum access_role role; /* least role that may call it; ACCESS_NONE: open to all */
	uint64_t body_max;     /* for ROUTE_BODY */
	/* Optional, before the body is read: anything but STATUS_OK is the answer. */
	enum status (*check_head)(struct request *request, struct error *error);
	route_fn *serve;
	void *argument;
};

struct server_config {
	const char *listen_address; /* host:port, [v6]:port or :port; port 0 takes a free one */
	const char *route_prefix;   /* "" or "/prefix" */
	const char *external_url;   /* its host is one that may be asked for; NULL or "": none */
	unsigned thread_count, connection_max;
	unsigned slot_count; /* bodies held at once */
	unsigned idle_timeout_s;
	uint32_t header_max;   /* bytes of request line and headers */
	struct access *access; /* borrowed; never NULL */
};

/* STATUS_IO with a message that names the address and, when it is taken, says so. */
struct server *server_start(const struct server_config *config, const struct route *routes,
	size_t route_count, struct error *error) MUST_CHECK;
unsigned server_port(const struct server *server);
/* True when every address listened on is loopback. */
bool server_loopback(const struct server *server);
/* The same of an address as configured, before anything is opened: a literal loopback address or
 * localhost. Other names are not looked up and count as not loopback. */
bool server_address_loopback(const char *listen_address);
/* Stops accepting; requests under way go on. */
void server_quiesce(struct server *server);
/* Waits for requests under way (at most drain_ms), then closes and frees. Suspended requests that
 * were not answered by then are answered 503; their owners' later reply, even after this returned, is
 * allowed, needed to free the request, and goes nowhere. */
void server_stop(struct server *server, int64_t drain_ms);

const char *request_method(const struct request *request);
const char *request_path(const struct request *request); /* without the route prefix */
const char *request_rest(const struct request *request);
/* NULL when absent; header names in any case. */
const char *request_header(const struct request *request, const char *name);
const char *request_query(const struct request *request, const char *name);
/* Calls visit for each value of a repeated parameter (match[]). */
void request_query_each(const struct request *request, const char *name,
	void (*visit)(const char *value, void *argument), void *argument);
/* The first parameter that is none of these names (up to a NULL), or NULL. */
const char *request_query_unknown(const struct request *request, const char *const *known);
const void *request_body(const struct request *request, size_t *size);
/* The body is needed no more: its slot is free for another request while this one waits. In the
 * route's function only, before request_suspend(). */
void request_release_body(struct request *request);
/* Who asked: user or token name, "" when access control is off. And with which role. */
const char *request_identity(const struct request *request);
enum access_role request_role(const struct request *request);
/* Index of the pool's thread that runs this request, 0..thread_count-1, for per-thread state;
 * stable for the time of the route's function. */
unsigned request_thread(const struct request *request);

/* Extra response header, before the reply; the first 16 are kept. */
void request_add_header(struct request *request, const char *name, const char *value);
/* Answers; body is copied. Exactly once per request. */
void request_reply(struct request *request, int http_status, const char *content_type,
	const void *body, size_t size);
void request_reply_text(struct request *request, int http_status, const char *text);
/* JSON API: {"status":"success","data":<data>} and {"status":"error","errorType":..,"error":..}. */
void request_reply_data(struct request *request, const struct buf *data);
void request_reply_error(struct request *request, enum status code, const char *text);
/* Answers 200 with pieces that come by and by. pull() writes at most `room` bytes and says how many: 0
 * when there are none yet, -1 at the end, REPLY_CUT when the answer can't go on: the connection is closed, so
 * that nobody takes what came for the whole. It is called on the server's threads, one at a time, and again
 * after each reply_stream_wake(). closed() is called once, when the answer has ended, whoever ended it;
 * the stream is gone then. server_quiesce() ends all streams but `whole` ones, which have an end of their own. Until it ends an answer counts as under
 * way, and is cut off after 5 x idle_timeout_s like any other. NULL: no memory, and answered so; closed()
 * is not called then. */
struct reply_stream;
#define REPLY_CUT (-2)
struct reply_source {
	ssize_t (*pull)(void *argument, char *bytes, size_t room);
	void (*closed)(void *argument);
	void *argument;
	bool whole;
};
struct reply_stream *request_reply_stream(struct request *request, const char *content_type,
	const struct reply_source *source) MUST_CHECK;
/* From any thread, until closed(). */
void reply_stream_wake(struct reply_stream *stream);
/* To be called before the request is handed to another thread. After this the route's function returns
 * and some thread calls a request_reply*(), maybe already. */
void request_suspend(struct request *request);

#endif
