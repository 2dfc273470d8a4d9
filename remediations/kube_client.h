/*
 * Calls to a Kubernetes API server: JSON over HTTP with a bearer token or a client certificate, TLS
 * verified, answers bounded, errors told apart, retries only where they are safe.
 *
 * Ownership: the client holds address and token for all its sessions; a session is one connection.
 * Limits: answers of KUBE_ANSWER_MAX bytes, texts of requests as the caller makes them; each attempt
 *   ends after timeout_ms, all attempts of a call at its deadline.
 * Threads: a client may be shared; a session belongs to one thread, which must have SIGPIPE blocked
 *   (or the process ignores it). kube_client_stop() from any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_CLIENT_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define KUBE_ANSWER_MAX (8u << 20)
#define KUBE_PATH_MAX 4096

struct kube_client_config {
	const char *url;        /* https://host:port[/prefix]; http:// for loopback only */
	const char *token_file; /* NULL: none */
	const char *ca_file;    /* NULL: the system's authorities */
	const char
		*kubeconfig;  /* a file that says all of the above, which are then NULL; or NULL */
	const char *context;  /* of it; NULL: its current-context */
	int64_t timeout_ms;   /* of one attempt; 0: 10,000 */
	int64_t token_age_ms; /* the token's file is read again after this; 0: 60,000 */
	int64_t backoff_ms;   /* before the first retry, doubled for each further one; 0: 100 */
};

struct kube_client;
struct kube_session;

/* STATUS_BAD_INPUT for a URL that cannot be used or a kubeconfig with a fault (with its place), what
 * file_read_secret() gives for the token, STATUS_NOT_FOUND for the CA file, STATUS_NO_MEMORY. Connects
 * to nothing yet and runs no plugin. The kubeconfig is read now; the files that it names are read
 * again as they change. */
enum status kube_client_open(struct kube_client **opened, const struct kube_client_config *config,
	struct error *error) MUST_CHECK;
/* STATUS_BAD_INPUT for an address that kube_client_open() would refuse, STATUS_NO_MEMORY. */
enum status kube_url_check(const char *url, struct error *error) MUST_CHECK;
/* No session may be open. */
void kube_client_close(struct kube_client *client);
/* From now on nothing is retried, reads under way end with STATUS_UNAVAILABLE; a change under way is
 * awaited. */
void kube_client_stop(struct kube_client *client);

/* The namespace that the kubeconfig's context names, else that of the pod that we run in, else
 * "default". */
const char *kube_client_namespace(const struct kube_client *client);

/* The address and files of the pod's service account. STATUS_NOT_FOUND: we do not run in a cluster.
 * url: of at least 512 bytes, to which config->url will point. */
enum status kube_config_in_cluster(struct kube_client_config *config, char *url, size_t size,
	struct error *error) MUST_CHECK;

struct kube_session *kube_session_open(struct kube_client *client) MUST_CHECK; /* NULL: no memory */
void kube_session_close(struct kube_session *session);

struct kube_request;
/*
 * A session whose calls are answered by `serve` on the caller's thread and never leave the process:
 * a cluster in memory. serve returns the HTTP code, 0 as if no server were there, and gives the body
 * in *body (the session's from then on; NULL: none). Nothing is retried.
 */
typedef int kube_serve_fn(void *argument, const struct kube_request *request, json_t **body);
struct kube_session *kube_session_open_served(kube_serve_fn *serve,
	void *argument) MUST_CHECK; /* NULL: no memory */

/*
 * Until when (monotonic, ns) this session may change anything. Asked before each attempt of a change
 * and once more when its first byte is about to go out; an attempt ends before that time. Past it
 * the answer is STATUS_UNAVAILABLE, and nothing was sent. Reads are not touched by it. Called on
 * the session's thread.
 */
typedef int64_t kube_fence_fn(void *argument);
void kube_session_fence(struct kube_session *session, kube_fence_fn *fence, void *argument);

enum kube_method { KUBE_GET, KUBE_PATCH, KUBE_DELETE, KUBE_POST, KUBE_PUT };

struct kube_request {
	enum kube_method method;
	const char *path;         /* from kube_path_add(), with its query */
	const char *content_type; /* of body */
	const char *body;         /* NULL: none */
	int64_t deadline_ns;      /* monotonic; no attempt begins after it; 0: none */
};

/*
 * The answer of a call.
 *
 * STATUS_OK          2xx
 * STATUS_BAD_INPUT   400, 422: the server does not take what we sent
 * STATUS_UNAUTHENTICATED, STATUS_FORBIDDEN, STATUS_NOT_FOUND, STATUS_CONFLICT, STATUS_TOO_LARGE
 *                    401, 403, 404, 409 (and 410, and 422 for a uid), 413
 * STATUS_UNSUPPORTED 405, 406, 415, and 3xx, which is not followed
 * STATUS_BUSY        429
 * STATUS_UNAVAILABLE no connection, or one that broke; 500, 502, 503
 * STATUS_TIMEOUT     no answer in time; 504
 * STATUS_IO          an answer that is no JSON object, or is larger than KUBE_ANSWER_MAX
 * STATUS_NO_MEMORY
 *
 * The error's text holds the server's own message.
 */
struct kube_answer {
	json_t *object; /* the body of a 2xx; NULL otherwise. Freed by kube_answer_fini() */
	int code;       /* 0: none came */
	bool sent;      /* the server may have seen the request */
	bool budget;    /* 429 of an eviction, not of a busy server */
	unsigned attempts;
};

/* Retried: reads on STATUS_BUSY, STATUS_UNAVAILABLE and STATUS_TIMEOUT; changes on STATUS_BUSY
 * (but for `budget`) and when nothing was sent; all once on STATUS_UNAUTHENTICATED, with the token
 * read again. At most KUBE_ATTEMPTS_MAX attempts, Retry-After obeyed with a little
 * chance on top; where it is longer than 30 s or goes past the deadline the answer is given back. */
#define KUBE_ATTEMPTS_MAX 4
enum status kube_session_call(struct kube_session *session, const struct kube_request *request,
	struct kube_answer *answer, struct error *error) MUST_CHECK;
void kube_answer_fini(struct kube_answer *answer);

/* Appends "/" and the segment, escaped; the second without the slash, for values of a query. */
void kube_path_add(struct buf *path, const char *segment);
void kube_path_escape(struct buf *path, const char *text);
/* A name that an object or namespace can have (RFC 1123 subdomain): anything else from a label is
 * refused before it gets into a path. */
bool kube_name_valid(const char *name);

#endif
