/*
 * A stream keeps the number of the last change that it told, and the bytes of it that the connection has
 * not taken yet. It asks the store when it is woken; one that was asleep for longer than the store
 * remembers ends with the error 410, after which the client lists anew.
 */
#include "demo/kube_streams.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "demo/kube_objects.h"
#include "remediations/kube_object.h"

#define LINES_MAX (8 * 1024 * 1024)
#define BOOKMARK_NS (10 * INT64_C(1000000000))
#define TIME_DEFAULT_S 1800
#define TIME_MAX_S 240 /* before the server cuts off a long answer */
#define ERROR_410                                                                                  \
	"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":"    \
	"\"Failure\",\"reason\":\"Expired\",\"message\":\"too old resource version\","             \
	"\"code\":410}}\n"

struct kube_stream {
	struct kube_stream *next;
	struct kube_streams *streams;
	struct reply_stream *reply;
	struct kube_place place;
	uint64_t version;
	struct buf lines;
	size_t taken; /* of lines */
	bool bookmarks, gone;
	int64_t told_ns, end_ns;
};

struct kube_streams {
	struct cluster *cluster;
	const struct kube_store *store;
	pthread_mutex_t lock;
	struct kube_stream *first; /* under lock */
};

struct kube_streams *kube_streams_open(struct cluster *cluster, const struct kube_store *store)
{
	struct kube_streams *streams = mem_zalloc(1, sizeof(*streams));

	if (streams == NULL)
		return NULL;
	streams->cluster = cluster;
	streams->store = store;
	pthread_mutex_init(&streams->lock, NULL);
	return streams;
}

void kube_streams_close(struct kube_streams *streams)
{
	if (streams == NULL)
		return;
	pthread_mutex_destroy(&streams->lock);
	mem_free(streams);
}

/* ---- one stream ---- */

static void read_store(struct kube_stream *stream, int64_t now_ns)
{
	struct kube_streams *streams = stream->streams;

	pthread_mutex_lock(&streams->cluster->lock);
	if (!kube_store_events(streams->store, &stream->place, &stream->version, &stream->lines)) {
		buf_add_text(&stream->lines, ERROR_410);
		stream->gone = true;
	} else if (stream->lines.size == 0 && stream->bookmarks &&
		now_ns - stream->told_ns >= BOOKMARK_NS) {
		kube_store_bookmark(streams->store, &stream->place, &stream->version,
			&stream->lines);
	}
	pthread_mutex_unlock(&streams->cluster->lock);
	if (stream->lines.size > 0)
		stream->told_ns = now_ns;
}

static ssize_t pull(void *argument, char *bytes, size_t room)
{
	struct kube_stream *stream = argument;
	int64_t now_ns = clock_mono_ns(clock_system());
	size_t size;

	if (stream->taken == stream->lines.size) {
		if (stream->gone || now_ns >= stream->end_ns)
			return -1;
		buf_reset(&stream->lines);
		stream->taken = 0;
		read_store(stream, now_ns);
	}
	if (!buf_ok(&stream->lines))
		return -1;
	size = stream->lines.size - stream->taken;
	if (size > room)
		size = room;
	if (size > 0)
		memcpy(bytes, stream->lines.data + stream->taken, size);
	stream->taken += size;
	return (ssize_t)size;
}

static void closed(void *argument)
{
	struct kube_stream *stream = argument;
	struct kube_streams *streams = stream->streams;
	struct kube_stream **at = &streams->first;

	pthread_mutex_lock(&streams->lock);
	while (*at != NULL && *at != stream)
		at = &(*at)->next;
	if (*at != NULL)
		*at = stream->next;
	pthread_mutex_unlock(&streams->lock);
	buf_fini(&stream->lines);
	mem_free(stream);
}

/* ---- all of them ---- */

static int64_t number_of(const struct request *request, const char *name, int64_t fallback)
{
	const char *text = request_query(request, name);
	int64_t number;

	return text != NULL && parse_int(text, &number) == STATUS_OK && number > 0 ? number
										   : fallback;
}

/* From now on where the client does not say from when. */
static struct kube_stream *stream_of(struct kube_streams *streams, const struct request *request,
	const struct kube_place *place)
{
	struct kube_stream *stream = mem_zalloc(1, sizeof(*stream));
	const char *bookmarks = request_query(request, "allowWatchBookmarks");
	int64_t seconds = number_of(request, "timeoutSeconds", TIME_DEFAULT_S);

	if (stream == NULL)
		return NULL;
	stream->streams = streams;
	stream->place = *place;
	stream->bookmarks = bookmarks != NULL && strcmp(bookmarks, "true") == 0;
	buf_init(&stream->lines, LINES_MAX);
	stream->told_ns = clock_mono_ns(clock_system());
	stream->end_ns = stream->told_ns +
		(seconds < TIME_MAX_S ? seconds : TIME_MAX_S) * INT64_C(1000000000);
	pthread_mutex_lock(&streams->cluster->lock);
	stream->version =
		(uint64_t)number_of(request, "resourceVersion", (int64_t)streams->cluster->version);
	pthread_mutex_unlock(&streams->cluster->lock);
	return stream;
}

void kube_streams_serve(struct kube_streams *streams, struct request *request,
	const struct kube_place *place)
{
	struct kube_stream *stream = stream_of(streams, request, place);
	const struct reply_source source = {.pull = pull, .closed = closed, .argument = stream};

	if (stream == NULL) {
		request_reply_text(request, 500, "out of memory");
		return;
	}
	pthread_mutex_lock(&streams->lock);
	stream->reply = request_reply_stream(request, "application/json", &source);
	if (stream->reply != NULL) {
		stream->next = streams->first;
		streams->first = stream;
	}
	pthread_mutex_unlock(&streams->lock);
	if (stream->reply == NULL) {
		buf_fini(&stream->lines);
		mem_free(stream);
	}
}

void kube_streams_wake(struct kube_streams *streams)
{
	pthread_mutex_lock(&streams->lock);
	for (struct kube_stream *stream = streams->first; stream != NULL; stream = stream->next)
		reply_stream_wake(stream->reply);
	pthread_mutex_unlock(&streams->lock);
}
