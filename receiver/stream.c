/*
 * Answers without an end in sight. MHD asks for the next piece whenever the connection can take one; when
 * there is none the connection is suspended until reply_stream_wake(). A wake that comes while MHD asks
 * is kept, so that none is lost between "nothing yet" and the suspension.
 *
 * A stream is the server's from request_reply_stream() until MHD has done with the response, which is when
 * its owner is told (closed).
 */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "receiver/pool.h"
#include "receiver/request.h"

#define PIECE_SIZE 16384

struct reply_stream {
	struct reply_stream *next, *previous; /* under the server's lock */
	struct server *server;
	struct MHD_Connection *connection;
	struct reply_source source;
	pthread_mutex_t lock;
	bool suspended, woken; /* under lock */
};

/* True: the connection waits; false: somebody woke it meanwhile, ask again. */
static bool wait_for_more(struct reply_stream *stream)
{
	bool waits;

	pthread_mutex_lock(&stream->lock);
	waits = !stream->woken;
	stream->woken = false;
	if (waits) {
		stream->suspended = true;
		MHD_suspend_connection(stream->connection);
	}
	pthread_mutex_unlock(&stream->lock);
	return waits;
}

static ssize_t read_piece(void *argument, uint64_t position, char *bytes, size_t room)
{
	struct reply_stream *stream = argument;

	(void)position;
	for (;;) {
		ssize_t size;

		if (atomic_load(&stream->server->quiescing) && !stream->source.whole)
			return MHD_CONTENT_READER_END_OF_STREAM;
		size = stream->source.pull(stream->source.argument, bytes, room);
		CHECK(size <= (ssize_t)room);
		if (size == REPLY_CUT)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (size < 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (size > 0 || wait_for_more(stream))
			return size;
	}
}

static void end_stream(void *argument)
{
	struct reply_stream *stream = argument;
	struct server *server = stream->server;

	pthread_mutex_lock(&server->lock);
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		server->first_stream = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	pthread_mutex_unlock(&server->lock);
	stream->source.closed(stream->source.argument);
	pthread_mutex_destroy(&stream->lock);
	mem_free(stream);
}

void reply_stream_wake(struct reply_stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	if (stream->suspended)
		pool_resume(stream->server->pool, stream->connection);
	else
		stream->woken = true;
	stream->suspended = false;
	pthread_mutex_unlock(&stream->lock);
}

void streams_wake_all(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	for (struct reply_stream *stream = server->first_stream; stream; stream = stream->next)
		reply_stream_wake(stream);
	pthread_mutex_unlock(&server->lock);
}

static void enlist(struct server *server, struct reply_stream *stream)
{
	pthread_mutex_lock(&server->lock);
	stream->next = server->first_stream;
	if (stream->next)
		stream->next->previous = stream;
	server->first_stream = stream;
	pthread_mutex_unlock(&server->lock);
}

struct reply_stream *request_reply_stream(struct request *request, const char *content_type,
	const struct reply_source *source)
{
	struct reply_stream *stream = mem_zalloc(1, sizeof(*stream));

	CHECK(atomic_load(&request->state) == REQUEST_RUNNING);
	if (!stream)
		goto fail;
	*stream = (struct reply_stream){.server = request->server,
		.connection = request->connection,
		.source = *source};
	pthread_mutex_init(&stream->lock, NULL);
	request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_SIZE,
		read_piece, stream, end_stream);
	if (!request->response) {
		pthread_mutex_destroy(&stream->lock);
		goto fail;
	}
	enlist(request->server, stream);
	request_finish_head(request, 200, content_type);
	return stream;
fail:
	mem_free(stream);
	request_reply_error(request, STATUS_NO_MEMORY, "no memory for the answer");
	return NULL;
}
