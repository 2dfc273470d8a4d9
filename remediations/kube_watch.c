/*
 * The watch's thread drives all streams through one libcurl multi handle. It never waits for one of
 * them alone, except for a credential plugin.
 */
#include "remediations/kube_watch.h"

#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "remediations/kube_watch_stream.h"

#define MS_NS INT64_C(1000000)
#define POLL_MS 1000

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

static void fill_config(struct kube_watch_config *config)
{
	if (config->object_max == 0)
		config->object_max = 50000;
	config->fresh_ms = or_default(config->fresh_ms, 90000);
	config->settle_ms = or_default(config->settle_ms, 3000);
	config->silence_ms = or_default(config->silence_ms, 150000);
	config->backoff_ms = or_default(config->backoff_ms, 1000);
	config->later_ms = or_default(config->later_ms, 300000);
}

/* ---- the thread ---- */

static void end_finished(struct kube_watch *watch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(watch->multi, &left)) != NULL) {
		struct watch_stream *stream = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		/* The message is void once its handle is removed. */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &stream);
		stream_end(stream, code);
	}
}

/* Cuts what is silent, begins what is due. */
static void tend(struct kube_watch *watch)
{
	int64_t now_ns = clock_mono_ns(clock_system());

	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++) {
		struct watch_stream *stream = &watch->streams[kind];

		if (!stream->used)
			continue;
		if (stream_silent(stream, now_ns))
			stream_end(stream, CURLE_OPERATION_TIMEDOUT);
		if (!stream->active && stream->due_ns <= now_ns)
			stream_begin(stream);
	}
}

/* Milliseconds until the next stream is due. */
static int time_left_ms(const struct kube_watch *watch)
{
	int64_t now_ns = clock_mono_ns(clock_system()), wait_ms = POLL_MS;

	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++) {
		const struct watch_stream *stream = &watch->streams[kind];
		int64_t left_ms = (stream->due_ns - now_ns) / MS_NS + 1;

		if (stream->used && !stream->active && left_ms < wait_ms)
			wait_ms = left_ms > 0 ? left_ms : 0;
	}
	return (int)wait_ms;
}

static void *run(void *argument)
{
	struct kube_watch *watch = argument;
	sigset_t pipe;

	thread_name("kube watch");
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!atomic_load(&watch->stopped) && !kube_client_stopped(watch->client)) {
		int running;

		tend(watch);
		curl_multi_perform(watch->multi, &running);
		end_finished(watch);
		curl_multi_poll(watch->multi, NULL, 0, time_left_ms(watch), NULL);
	}
	return NULL;
}

/* ---- metrics ---- */

static void collect(void *argument)
{
	struct kube_watch *watch = argument;
	size_t bytes;

	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++) {
		const char *name = kube_watch_resource((enum kube_watch_kind)kind);
		struct kube_watch_state state;

		if (!watch->streams[kind].used)
			continue;
		state = kube_watch_state(watch, (enum kube_watch_kind)kind);
		metrics_set(METRIC_KUBE_WATCH_OBJECTS, (double)state.objects, name);
		metrics_set(METRIC_KUBE_WATCH_FRESH, state.sure, name);
		if (state.age_ms >= 0)
			metrics_set(METRIC_KUBE_WATCH_AGE, (double)state.age_ms / 1000, name);
	}
	pthread_mutex_lock(&watch->lock);
	bytes = kube_watch_store_bytes(watch->store);
	pthread_mutex_unlock(&watch->lock);
	metrics_set(METRIC_KUBE_WATCH_BYTES, (double)bytes);
}

/* ---- life ---- */

static bool open_parts(struct kube_watch *watch)
{
	uint64_t seed = 1;

	if (random_secret(&seed, sizeof(seed)) != STATUS_OK)
		seed = (uint64_t)clock_mono_ns(clock_system());
	random_init(&watch->random, seed);
	curl_setup_init();
	watch->multi = curl_multi_init();
	watch->store = kube_watch_store_open(watch->config.object_max);
	if (watch->multi == NULL || watch->store == NULL)
		return false;
	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++)
		if ((watch->config.kinds & KUBE_WATCH_BIT(kind)) != 0 &&
			!stream_open(&watch->streams[kind], watch, (enum kube_watch_kind)kind))
			return false;
	return true;
}

enum status kube_watch_open(struct kube_watch **opened, struct kube_client *client,
	const struct kube_watch_config *config, struct error *error)
{
	struct kube_watch *watch = mem_zalloc(1, sizeof(*watch));

	*opened = NULL;
	if (watch == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the watches");
	watch->client = client;
	watch->config = *config;
	fill_config(&watch->config);
	CHECK(pthread_mutex_init(&watch->lock, NULL) == 0);
	if (!open_parts(watch) || pthread_create(&watch->thread, NULL, run, watch) != 0) {
		kube_watch_close(watch);
		return error_set(error, STATUS_NO_MEMORY, "no memory for the watches");
	}
	watch->started = true;
	metrics_add_collector(collect, watch);
	*opened = watch;
	return STATUS_OK;
}

void kube_watch_close(struct kube_watch *watch)
{
	if (watch == NULL)
		return;
	atomic_store(&watch->stopped, true);
	if (watch->started) {
		metrics_remove_collector(collect, watch);
		curl_multi_wakeup(watch->multi);
		pthread_join(watch->thread, NULL);
	}
	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++)
		stream_close(&watch->streams[kind]);
	if (watch->multi != NULL)
		curl_multi_cleanup(watch->multi);
	kube_watch_store_close(watch->store);
	pthread_mutex_destroy(&watch->lock);
	mem_free(watch);
}

/* ---- questions ---- */

/* Under lock. */
static bool is_sure(const struct kube_watch *watch, const struct watch_stream *stream,
	int64_t now_ns)
{
	const struct kube_watch_config *config = &watch->config;

	return stream->held && stream->connected &&
		(stream->settled || now_ns - stream->connected_ns >= config->settle_ms * MS_NS) &&
		now_ns - stream->sign_ns <= config->fresh_ms * MS_NS;
}

static void count_answer(enum kube_watch_kind kind, enum kube_watch_word word)
{
	metrics_inc(METRIC_KUBE_LOOKS, kube_watch_resource(kind),
		word == KUBE_WATCH_UNSURE ? "read" : "watch");
}

enum kube_watch_word kube_watch_get(struct kube_watch *watch, enum kube_watch_kind kind,
	const char *namespace_name, const char *name, struct kube_seen *seen)
{
	enum kube_watch_word word = KUBE_WATCH_UNSURE;

	if (watch == NULL || !watch->streams[kind].used)
		return word;
	pthread_mutex_lock(&watch->lock);
	if (is_sure(watch, &watch->streams[kind], clock_mono_ns(clock_system())))
		word = kube_watch_store_get(watch->store, kind, namespace_name, name, seen)
			? KUBE_WATCH_SEEN
			: KUBE_WATCH_NONE;
	pthread_mutex_unlock(&watch->lock);
	count_answer(kind, word);
	return word;
}

enum kube_watch_word kube_watch_find(struct kube_watch *watch, enum kube_watch_kind kind,
	const char *namespace_name, enum target_kind reference_kind, const char *reference_name,
	struct kube_seen *seen)
{
	enum kube_watch_word word = KUBE_WATCH_UNSURE;

	if (watch == NULL || !watch->streams[kind].used)
		return word;
	pthread_mutex_lock(&watch->lock);
	if (is_sure(watch, &watch->streams[kind], clock_mono_ns(clock_system())))
		word = kube_watch_store_find(watch->store, kind, namespace_name, reference_kind,
			       reference_name, seen)
			? KUBE_WATCH_SEEN
			: KUBE_WATCH_NONE;
	pthread_mutex_unlock(&watch->lock);
	count_answer(kind, word);
	return word;
}

struct kube_watch_state kube_watch_state(struct kube_watch *watch, enum kube_watch_kind kind)
{
	struct kube_watch_state state = {.age_ms = -1};
	int64_t now_ns = clock_mono_ns(clock_system());
	const struct watch_stream *stream;

	if (watch == NULL || !watch->streams[kind].used)
		return state;
	stream = &watch->streams[kind];
	pthread_mutex_lock(&watch->lock);
	state.sure = is_sure(watch, stream, now_ns);
	state.objects = kube_watch_store_count(watch->store, kind);
	if (stream->sign_ns != 0)
		state.age_ms = (now_ns - stream->sign_ns) / MS_NS;
	state.lists = stream->lists;
	pthread_mutex_unlock(&watch->lock);
	return state;
}
