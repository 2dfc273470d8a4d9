/*
 * One kind's list and stream of events. Only for kube_watch.c and kube_watch_stream.c.
 *
 * States of a stream, with what leads on:
 *   waiting   -> listing or watching when due (stream_begin)
 *   listing   -> listing (next page), watching (the last page), waiting (a failure)
 *   watching  -> watching (the server ended the stream; from the last version), waiting (a failure);
 *                listing next when the version is gone (410) or an event could not be read
 *
 * Threads: the watch's, but for what the lock covers.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_STREAM_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_STREAM_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/random.h"
#include "remediations/curl_setup.h"
#include "remediations/kube_session.h"
#include "remediations/kube_watch.h"

/* What follows the end of a transfer. */
enum stream_next {
	STREAM_GO_ON,  /* at once */
	STREAM_AGAIN,  /* after a pause, from where it was */
	STREAM_RELIST, /* after a pause, from the list */
	STREAM_LATER   /* from the list, after later_ms */
};

struct watch_stream {
	struct kube_watch *watch;
	enum kube_watch_kind kind;
	bool used; /* one of the kinds that are wanted */
	CURL *curl;
	struct curl_slist *headers, *connect_to;
	uint64_t certificate, credential; /* versions, as in kube_session.c */
	bool refused;                     /* the credential was, and is to be renewed */
	bool active;                      /* a transfer is under way */
	bool listed;                      /* the list is whole: watch from version */
	char version[UID_MAX], next_page[1024];
	uint32_t round;
	struct buf body; /* a page, a torn line, or a refusal */
	bool decided;    /* an event said what is next */
	enum stream_next next;
	const char *reason;  /* of a failure, for metric and log */
	bool signed_of_life; /* in this transfer */
	unsigned failures;
	int64_t due_ns, began_ns, byte_ns;

	/* under the watch's lock */
	bool held;      /* the store's objects of this kind are a whole list */
	bool connected; /* and follow the changes */
	bool settled;   /* by an event or bookmark of this connection */
	int64_t connected_ns, sign_ns;
	uint64_t lists;
};

struct kube_watch {
	struct kube_client *client;
	struct kube_watch_config config;
	CURLM *multi;
	struct random random;
	pthread_t thread;
	bool started;
	atomic_bool stopped;
	struct watch_stream streams[KUBE_WATCH_KIND_COUNT];

	pthread_mutex_t lock;
	struct kube_watch_store *store; /* under lock */
};

bool stream_open(struct watch_stream *stream, struct kube_watch *watch,
	enum kube_watch_kind kind) MUST_CHECK;
void stream_close(struct watch_stream *stream);
/* Begins the next transfer, or says when it will be tried again. */
void stream_begin(struct watch_stream *stream);
/* Of a transfer that ended. */
void stream_end(struct watch_stream *stream, CURLcode result);
/* A transfer without a byte for too long. */
bool stream_silent(const struct watch_stream *stream, int64_t now_ns);

#endif
