/*
 * A list is read page by page into the store, marked with the number of its round; what was not in it
 * is swept away at its end. Then the events since the list's version are followed, line by line: a line
 * that a chunk tore apart waits in `body` for its rest. Each event and each bookmark moves the version
 * on, so that a broken connection goes on where it was.
 */
#include "remediations/kube_watch_stream.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define MS_NS INT64_C(1000000)
#define PAGE_SIZE 200
#define LIST_TIMEOUT_MS 60000L
#define WATCH_MIN_S 300 /* a stream is ended by the server after 300 to 600 s, by chance */
#define BACKOFF_FACTOR_MAX 30
#define QUICK_NS (10 * 1000 * MS_NS)

static int64_t now_ns(void)
{
	return clock_mono_ns(clock_system());
}

static bool watching(const struct watch_stream *stream)
{
	return stream->listed;
}

/* ---- events ---- */

static bool decide(struct watch_stream *stream, enum stream_next next, const char *reason)
{
	stream->decided = true;
	stream->next = next;
	stream->reason = reason;
	return false;
}

/* A sign of life, and where to go on from. */
static bool take_version(struct watch_stream *stream, const json_t *object)
{
	const char *version = kube_resource_version(object);

	if (*version == '\0' || strlen(version) >= sizeof(stream->version))
		return decide(stream, STREAM_RELIST, "bad_event");
	snprintf(stream->version, sizeof(stream->version), "%s", version);
	stream->signed_of_life = true;
	stream->failures = 0;
	pthread_mutex_lock(&stream->watch->lock);
	stream->settled = true;
	stream->sign_ns = now_ns();
	pthread_mutex_unlock(&stream->watch->lock);
	return true;
}

static bool put(struct watch_stream *stream, const json_t *object)
{
	enum status status;

	pthread_mutex_lock(&stream->watch->lock);
	status = kube_watch_store_put(stream->watch->store, stream->kind, object, stream->round);
	/* What is not whole any more is not held. */
	stream->held &= status == STATUS_OK;
	pthread_mutex_unlock(&stream->watch->lock);
	if (status == STATUS_OK)
		return true;
	if (status == STATUS_LIMIT)
		return decide(stream, STREAM_LATER, "full");
	return decide(stream, STREAM_RELIST,
		status == STATUS_NO_MEMORY ? "no_memory" : "bad_object");
}

static bool take_error(struct watch_stream *stream, const json_t *status)
{
	json_int_t code = json_integer_value(json_object_get(status, "code"));

	return decide(stream, code == 410 ? STREAM_RELIST : STREAM_AGAIN,
		code == 410 ? "gone" : "error_event");
}

static bool take_event(struct watch_stream *stream, const char *line, size_t size)
{
	json_t *event = json_loadb(line, size, 0, NULL);
	const char *type = json_string_value(json_object_get(event, "type"));
	const json_t *object = json_object_get(event, "object");
	bool good;

	if (type == NULL || !json_is_object(object))
		type = "";
	if (strcmp(type, "BOOKMARK") == 0) {
		good = take_version(stream, object);
	} else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
		good = put(stream, object) && take_version(stream, object);
	} else if (strcmp(type, "DELETED") == 0) {
		pthread_mutex_lock(&stream->watch->lock);
		kube_watch_store_remove(stream->watch->store, stream->kind, object);
		pthread_mutex_unlock(&stream->watch->lock);
		good = take_version(stream, object);
	} else if (strcmp(type, "ERROR") == 0) {
		good = take_error(stream, object);
	} else {
		good = decide(stream, STREAM_RELIST, "bad_event");
	}
	json_decref(event);
	return good;
}

/* Takes all whole lines; the rest waits. */
static bool take_lines(struct watch_stream *stream)
{
	struct buf *body = &stream->body;
	size_t used = 0;
	bool good = true;

	while (good && used < body->size) {
		const char *end = memchr(body->data + used, '\n', body->size - used);
		size_t size;

		if (end == NULL)
			break;
		size = (size_t)(end - (body->data + used));
		if (size > 0)
			good = take_event(stream, body->data + used, size);
		used += size + 1;
	}
	memmove(body->data, body->data + used, body->size - used);
	body->size -= used;
	return good;
}

static void note_connected(struct watch_stream *stream)
{
	pthread_mutex_lock(&stream->watch->lock);
	if (!stream->connected) {
		stream->connected = true;
		stream->settled = false;
		stream->connected_ns = stream->sign_ns = now_ns();
	}
	pthread_mutex_unlock(&stream->watch->lock);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *argument)
{
	struct watch_stream *stream = argument;
	long code = 0;

	stream->byte_ns = now_ns();
	buf_add(&stream->body, bytes, size * count);
	if (!buf_ok(&stream->body)) {
		decide(stream, STREAM_RELIST, "too_large");
		return 0;
	}
	if (curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &code) != CURLE_OK ||
		code != 200 || !watching(stream))
		return size * count;
	return take_lines(stream) ? size * count : 0;
}

/* The status line is the first word that the watch stands; bytes may be long in coming. */
static size_t take_header(char *bytes, size_t size, size_t count, void *argument)
{
	struct watch_stream *stream = argument;
	long code = 0;

	stream->byte_ns = now_ns();
	/* An empty line ends the head. */
	if (size * count == 2 && memcmp(bytes, "\r\n", 2) == 0 && watching(stream) &&
		curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &code) == CURLE_OK &&
		code == 200)
		note_connected(stream);
	return size * count;
}

static int watch_stop(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct watch_stream *stream = argument;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&stream->watch->stopped);
}

/* ---- life ---- */

bool stream_open(struct watch_stream *stream, struct kube_watch *watch, enum kube_watch_kind kind)
{
	const struct kube_peer *peer = kube_client_peer(watch->client);
	struct curl_setup setup = peer->setup;

	*stream = (struct watch_stream){.watch = watch, .kind = kind, .used = true};
	buf_init(&stream->body, KUBE_WATCH_BODY_MAX);
	setup.take = take_bytes;
	setup.watch = watch_stop;
	setup.argument = stream;
	stream->curl = curl_setup_open(&setup);
	if (stream->curl == NULL ||
		curl_easy_setopt(stream->curl, CURLOPT_HEADERFUNCTION, take_header) != CURLE_OK ||
		curl_easy_setopt(stream->curl, CURLOPT_HEADERDATA, stream) != CURLE_OK ||
		curl_easy_setopt(stream->curl, CURLOPT_PRIVATE, stream) != CURLE_OK)
		return false;
	return peer->connect_to == NULL ||
		(curl_setup_add(&stream->connect_to, peer->connect_to) &&
			curl_easy_setopt(stream->curl, CURLOPT_CONNECT_TO, stream->connect_to) ==
				CURLE_OK);
}

void stream_close(struct watch_stream *stream)
{
	if (!stream->used)
		return;
	if (stream->active)
		curl_multi_remove_handle(stream->watch->multi, stream->curl);
	if (stream->curl != NULL)
		curl_easy_cleanup(stream->curl);
	curl_slist_free_all(stream->headers);
	curl_slist_free_all(stream->connect_to);
	buf_fini(&stream->body);
	stream->used = false;
}

static bool make_url(struct watch_stream *stream, struct buf *url, long *timeout_ms)
{
	const char *group = kube_watch_group(stream->kind);

	buf_printf(url, "%s/%s%s/%s/%s", kube_client_peer(stream->watch->client)->url,
		*group != '\0' ? "apis/" : "api", group, kube_watch_version(stream->kind),
		kube_watch_resource(stream->kind));
	if (watching(stream)) {
		unsigned seconds = WATCH_MIN_S +
			(unsigned)random_below(&stream->watch->random, WATCH_MIN_S + 1);

		buf_printf(url,
			"?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
			seconds);
		kube_path_escape(url, stream->version);
		*timeout_ms = (long)seconds * 1000 + 30000;
	} else {
		buf_printf(url, "?limit=%d", PAGE_SIZE);
		if (stream->next_page[0] != '\0') {
			buf_add_text(url, "&continue=");
			kube_path_escape(url, stream->next_page);
		}
		*timeout_ms = LIST_TIMEOUT_MS;
	}
	return buf_ok(url);
}

static bool make_headers(struct watch_stream *stream, struct error *error)
{
	const char *host = kube_client_peer(stream->watch->client)->host_header;
	struct kube_credential credential;
	bool good;

	if (kube_client_credential(stream->watch->client, stream->refused ? stream->credential : 0,
		    &credential, error) != STATUS_OK)
		return false;
	stream->credential = credential.version;
	curl_slist_free_all(stream->headers);
	stream->headers = NULL;
	good = curl_setup_add(&stream->headers, "Accept: application/json") &&
		(host == NULL || curl_setup_add(&stream->headers, host)) &&
		(credential.header == NULL || curl_setup_add(&stream->headers, credential.header));
	if (good && credential.cert_pem != NULL && stream->certificate != credential.version) {
		stream->certificate = credential.version;
		good = curl_setup_certificate(stream->curl, credential.cert_pem,
			       credential.key_pem) == CURLE_OK;
	}
	kube_credential_fini(&credential);
	if (!good)
		error_set(error, STATUS_NO_MEMORY, "no memory for headers");
	return good;
}

static bool start_transfer(struct watch_stream *stream, struct error *error)
{
	CURL *curl = stream->curl;
	long timeout_ms = LIST_TIMEOUT_MS;
	struct buf url;
	bool good;

	if (!make_headers(stream, error))
		return false;
	buf_init(&url, KUBE_PATH_MAX);
	good = make_url(stream, &url, &timeout_ms) &&
		curl_easy_setopt(curl, CURLOPT_URL, url.data) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, stream->headers) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, LIST_TIMEOUT_MS / 4) ==
			CURLE_OK &&
		curl_multi_add_handle(stream->watch->multi, curl) == CURLM_OK;
	buf_fini(&url);
	if (!good)
		error_set(error, STATUS_NO_MEMORY, "no memory for a watch");
	return good;
}

/* Doubled for each failure in a row, with chance so that many clients do not come back at once, and
 * not shorter than the server asks for. */
static int64_t pause_ms(struct watch_stream *stream)
{
	int64_t base_ms = stream->watch->config.backoff_ms, wait_ms = base_ms;
	curl_off_t asked_s = 0;

	for (unsigned i = 1; i < stream->failures && wait_ms < base_ms * BACKOFF_FACTOR_MAX; i++)
		wait_ms *= 2;
	if (wait_ms > base_ms * BACKOFF_FACTOR_MAX)
		wait_ms = base_ms * BACKOFF_FACTOR_MAX;
	if (curl_easy_getinfo(stream->curl, CURLINFO_RETRY_AFTER, &asked_s) == CURLE_OK &&
		asked_s > 0 && asked_s * 1000 > wait_ms)
		wait_ms = asked_s * 1000 < stream->watch->config.later_ms
			? asked_s * 1000
			: stream->watch->config.later_ms;
	return wait_ms + (int64_t)random_below(&stream->watch->random, (uint64_t)wait_ms + 1);
}

/* Nothing more is known of the kind. */
static void forget(struct watch_stream *stream)
{
	stream->listed = false;
	stream->next_page[0] = '\0';
	pthread_mutex_lock(&stream->watch->lock);
	stream->held = false;
	kube_watch_store_clear(stream->watch->store, stream->kind);
	pthread_mutex_unlock(&stream->watch->lock);
}

/* The way on; `text`: what was wrong, for people. */
static void go_on(struct watch_stream *stream, enum stream_next next, const char *text)
{
	const char *kind = kube_watch_resource(stream->kind);
	int64_t wait_ms = 0;

	if (next != STREAM_GO_ON) {
		stream->failures++;
		metrics_inc(METRIC_KUBE_WATCH_FAILURES, kind, stream->reason);
		wait_ms = next == STREAM_LATER ? stream->watch->config.later_ms : pause_ms(stream);
		/* An API that is not installed is none that is missed. */
		if (strcmp(stream->reason, "absent") != 0 && !atomic_load(&stream->watch->stopped))
			LOG_WARN_OF(kind,
				"watch interrupted: what it would tell is read until it is back",
				LOG_TEXT("kind", kind), LOG_TEXT("reason", stream->reason),
				LOG_TEXT("err", text), LOG_INT("wait_ms", wait_ms));
	}
	if (next == STREAM_LATER) {
		forget(stream);
	} else if (next == STREAM_RELIST) {
		stream->listed = false;
		stream->next_page[0] = '\0';
	}
	stream->due_ns = now_ns() + wait_ms * MS_NS;
}

void stream_begin(struct watch_stream *stream)
{
	struct error error = {0};

	buf_reset(&stream->body);
	/* A page is as large as it is, a line is bounded more tightly. */
	stream->body.max = watching(stream) ? KUBE_WATCH_LINE_MAX : KUBE_WATCH_BODY_MAX;
	stream->decided = false;
	stream->signed_of_life = false;
	if (!watching(stream) && stream->next_page[0] == '\0')
		stream->round++;
	if (!start_transfer(stream, &error)) {
		stream->reason = "not_sent";
		go_on(stream, STREAM_AGAIN, error.text);
		return;
	}
	stream->active = true;
	stream->began_ns = stream->byte_ns = now_ns();
}

/* ---- the end of a transfer ---- */

/* Puts a page; *more: another one follows. */
static bool take_page(struct watch_stream *stream, bool *more)
{
	json_t *list = json_loadb(stream->body.data != NULL ? stream->body.data : "",
		stream->body.size, 0, NULL);
	const json_t *items = json_object_get(list, "items"), *item;
	const char *next = json_string_value(kube_get(list, "metadata", "continue", NULL));
	const char *version = kube_resource_version(list);
	bool good = json_is_array(items) && *version != '\0' &&
		strlen(version) < sizeof(stream->version) &&
		(next == NULL || strlen(next) < sizeof(stream->next_page));
	size_t i;

	if (!good)
		decide(stream, STREAM_RELIST, "bad_list");
	json_array_foreach(items, i, item)
	{
		good = good && put(stream, item);
	}
	if (good) {
		snprintf(stream->version, sizeof(stream->version), "%s", version);
		snprintf(stream->next_page, sizeof(stream->next_page), "%s",
			next != NULL ? next : "");
	}
	*more = stream->next_page[0] != '\0';
	json_decref(list);
	return good;
}

static void end_list(struct watch_stream *stream)
{
	struct kube_watch *watch = stream->watch;
	const char *kind = kube_watch_resource(stream->kind);
	size_t count;

	pthread_mutex_lock(&watch->lock);
	kube_watch_store_sweep(watch->store, stream->kind, stream->round);
	count = kube_watch_store_count(watch->store, stream->kind);
	stream->held = true;
	stream->lists++;
	pthread_mutex_unlock(&watch->lock);
	stream->listed = true;
	/* A page was larger than an event will be. */
	buf_fini(&stream->body);
	buf_init(&stream->body, KUBE_WATCH_LINE_MAX);
	metrics_inc(METRIC_KUBE_WATCH_LISTS, kind);
	LOG_DEBUG("listed, watching", LOG_TEXT("kind", kind), LOG_UINT("objects", count));
}

static enum stream_next judge_refusal(struct watch_stream *stream, long code)
{
	static const struct {
		long code;
		enum stream_next next;
		const char *reason;
	} table[] = {{401, STREAM_AGAIN, "unauthenticated"}, {403, STREAM_LATER, "forbidden"},
		{404, STREAM_LATER, "absent"}, {405, STREAM_LATER, "absent"},
		{410, STREAM_RELIST, "gone"}, {429, STREAM_AGAIN, "busy"}};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		if (table[i].code != code)
			continue;
		stream->reason = table[i].reason;
		return table[i].next;
	}
	stream->reason = "refused";
	return STREAM_AGAIN;
}

static enum stream_next judge(struct watch_stream *stream, CURLcode result, long code)
{
	bool more;

	if (stream->decided)
		return stream->next;
	if (code != 0 && code != 200)
		return judge_refusal(stream, code);
	if (code == 0 || (!watching(stream) && result != CURLE_OK)) {
		stream->reason = "unreachable";
		return STREAM_AGAIN;
	}
	if (watching(stream)) {
		/* Streams end: by the time that we asked for, or with the server. One that ends at
		 * once again and again is not gone on with at once. */
		if (stream->signed_of_life || now_ns() - stream->began_ns > QUICK_NS) {
			stream->failures = 0;
			return STREAM_GO_ON;
		}
		stream->reason = "short";
		return STREAM_AGAIN;
	}
	if (!take_page(stream, &more))
		return stream->next;
	if (!more)
		end_list(stream);
	return STREAM_GO_ON;
}

void stream_end(struct watch_stream *stream, CURLcode result)
{
	enum stream_next next;
	long code = 0;
	char text[200];

	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &code);
	curl_multi_remove_handle(stream->watch->multi, stream->curl);
	stream->active = false;
	pthread_mutex_lock(&stream->watch->lock);
	stream->connected = false;
	pthread_mutex_unlock(&stream->watch->lock);
	next = judge(stream, result, code);
	snprintf(text, sizeof(text), "%ld %s %.100s", code,
		result != CURLE_OK && !stream->decided ? curl_easy_strerror(result) : "",
		code != 200 && code != 0 && stream->body.data != NULL ? stream->body.data : "");
	/* Once at once with a renewed credential. */
	if (code == 401 && !stream->refused) {
		stream->refused = true;
		next = STREAM_GO_ON;
	} else {
		stream->refused = false;
	}
	go_on(stream, next, text);
}

bool stream_silent(const struct watch_stream *stream, int64_t at_ns)
{
	return stream->active && at_ns - stream->byte_ns > stream->watch->config.silence_ms * MS_NS;
}
