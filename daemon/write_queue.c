/*
 * A list of bodies, oldest first. The thread takes the oldest out before it sends it, so that what makes
 * room is never what is under way.
 *
 * The end: whoever closes waits until the list is empty and nothing is under way, or for flush_ms; then the
 * call under way is ended and the thread with it.
 */
#include "daemon/write_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/credentials.h"
#include "remediations/ticket_http.h"
#include "remote_write/encode.h"

#define MS_NS INT64_C(1000000)
#define TOLD_GAP_NS (INT64_C(60) * 1000 * MS_NS)
#define WORDS_MAX 200 /* of what a server answers */
/* Of a request that is said again in 1.0, which repeats names that 2.0 has once. */
#define AGAIN_BYTES ((size_t)256 << 20)
/* Two of the protocol, the secret and the end. */
_Static_assert(WRITE_HEADERS_MAX + 4 <= TICKET_HTTP_HEADERS_MAX, "all headers find a place");

struct waiting {
	struct waiting *next;
	size_t size, samples;
	int64_t added_ns;
	size_t sizes[WRITE_PROTOCOLS]; /* of the forms, one behind the other; 0: not in this one */
	char body[];
};

struct write_queue {
	struct write_queue_config config;
	struct ticket_http *http;    /* the thread's, and: */
	struct write_encoder *again; /* of 1.0, for what waits in 2.0 alone; NULL: not needed yet */
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t changed;
	struct waiting *first, *last;
	size_t bytes, samples; /* that wait or are under way */
	bool under_way, ending;
	_Atomic unsigned wanted; /* bit 1 << protocol; one of them is settled */
	atomic_bool stop;
	int64_t told_ns; /* when a failure was last written to the log; 0: none since it last worked */
};

enum outcome { OUTCOME_SENT, OUTCOME_AGAIN, OUTCOME_REFUSED, OUTCOME_OTHER_FORM };

#define WRITTEN "X-Prometheus-Remote-Write-Samples-Written"

static const struct {
	const char *type, *version;
} protocols[WRITE_PROTOCOLS] = {
	[WRITE_1_0] = {"application/x-protobuf", "X-Prometheus-Remote-Write-Version: 0.1.0"},
	[WRITE_2_0] = {"application/x-protobuf;proto=io.prometheus.write.v2.Request",
		"X-Prometheus-Remote-Write-Version: 2.0.0"},
};

/* ---- checks ---- */

static size_t name_size(const struct write_header *header)
{
	return strcspn(header->text, "=");
}

/* What the protocol or the transport says itself. */
static bool header_reserved(const char *name, size_t size)
{
	static const char *const reserved[] = {"authorization", "host", "content-encoding",
		"content-length", "content-type", "user-agent", "connection", "keep-alive",
		"transfer-encoding", "www-authenticate", "accept-encoding", "expect",
		"x-prometheus-remote-write-version"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (strlen(reserved[i]) == size && strncasecmp(name, reserved[i], size) == 0)
			return true;
	return strncasecmp(name, "proxy-", 6) == 0;
}

static enum status check_headers(const struct write_target *target, struct error *error)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";

	for (size_t i = 0; i < WRITE_HEADERS_MAX && target->headers[i].text != NULL; i++) {
		const struct write_header *header = &target->headers[i];
		const char *setting =
			header->file ? "remote_write_out.header_files" : "remote_write_out.headers";
		size_t size = name_size(header);

		if (size == 0 || strspn(header->text, letters) != size ||
			header->text[size] == '\0' || header->text[size + 1] == '\0')
			return error_set(error, STATUS_BAD_INPUT, "%s: \"%.100s\" is no NAME=%s",
				setting, header->text, header->file ? "FILE" : "VALUE");
		if (header_reserved(header->text, size))
			return error_set(error, STATUS_BAD_INPUT,
				"%s: %.*s cannot be set; for credentials there are settings",
				setting, (int)size, header->text);
	}
	return STATUS_OK;
}

enum status write_target_check(const struct write_target *target, struct error *error)
{
	bool secret = target->token_file != NULL || target->password_file != NULL;

	for (size_t i = 0; i < WRITE_HEADERS_MAX && target->headers[i].text != NULL; i++)
		secret = secret || target->headers[i].file;
	if (!credentials_url_good(target->url, secret))
		return error_set(error, STATUS_BAD_INPUT,
			"remote_write_out.url: \"%.200s\" is no https:// address (http:// is for this "
			"machine or without a secret)",
			target->url);
	if (target->token_file != NULL && target->user != NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"remote_write_out: either a token or a user, not both");
	if ((target->user != NULL) != (target->password_file != NULL))
		return error_set(error, STATUS_BAD_INPUT,
			"remote_write_out: a username needs a password_file, and a password a user");
	if ((target->cert_file != NULL) != (target->key_file != NULL))
		return error_set(error, STATUS_BAD_INPUT,
			"remote_write_out: a cert_file needs a key_file, and a key a certificate");
	return check_headers(target, error);
}

/* ---- one request ---- */

static const char *add_header(const struct write_header *header, char **owned, struct error *error)
{
	char *secret = NULL;
	const char *value = header->text + name_size(header) + 1;
	struct buf line;

	if (header->file && file_read_secret(value, &secret, error) != STATUS_OK)
		return NULL;
	if (secret != NULL)
		value = secret;
	buf_init(&line, 65536 + 256);
	buf_printf(&line, "%.*s: %s", (int)name_size(header), header->text, value);
	for (const char *at = value; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' && *at != '\t') {
			error_set(error, STATUS_BAD_INPUT,
				"header %.*s: a value is one line without control characters",
				(int)name_size(header), header->text);
			buf_reset(&line);
			break;
		}
	*owned = line.size > 0 ? buf_take(&line, NULL) : NULL;
	if (*owned == NULL && error->code == STATUS_OK)
		error_set(error, STATUS_NO_MEMORY, "no memory for a header");
	buf_fini(&line);
	mem_free(secret);
	return *owned;
}

/* owned: [WRITE_HEADERS_MAX + 1], what is to be freed. */
static enum status make_headers(const struct write_target *target, enum write_protocol protocol,
	const char **headers, char **owned, struct error *error)
{
	const char *file = target->token_file != NULL ? target->token_file : target->password_file;
	size_t count = 0;
	enum status status = credentials_header(target->user, file, &owned[0], error);

	headers[count++] = "Content-Encoding: snappy";
	headers[count++] = protocols[protocol].version;
	if (owned[0] != NULL)
		headers[count++] = owned[0];
	for (size_t i = 0;
		i < WRITE_HEADERS_MAX && target->headers[i].text != NULL && status == STATUS_OK;
		i++) {
		headers[count] = add_header(&target->headers[i], &owned[i + 1], error);
		status = headers[count++] != NULL ? STATUS_OK : error->code;
	}
	return status;
}

static enum outcome judge(const struct ticket_answer *answer, struct error *error)
{
	int words = (int)strcspn(answer->body, "\r\n");

	if (answer->code / 100 == 2)
		return OUTCOME_SENT;
	error_set(error, STATUS_UNAVAILABLE, "the server answers %d: %.*s", answer->code,
		words < WORDS_MAX ? words : WORDS_MAX, answer->body);
	return answer->code == 429 || answer->code / 100 == 5 ? OUTCOME_AGAIN : OUTCOME_REFUSED;
}

/* 2.0 where it is there and wanted. */
static enum write_protocol protocol_for(const struct write_queue *queue, const struct waiting *one)
{
	return one->sizes[WRITE_2_0] > 0 && write_queue_wants(queue, WRITE_2_0) ? WRITE_2_0
										: WRITE_1_0;
}

/* The body in that protocol, in which it waits or is said again now. */
static enum status form_for(struct write_queue *queue, const struct waiting *one,
	enum write_protocol protocol, struct write_form *form, struct error *error)
{
	enum status status;

	form->bytes = one->body + (protocol == WRITE_2_0 ? one->sizes[WRITE_1_0] : 0);
	form->size = one->sizes[protocol];
	if (form->size > 0 || protocol == WRITE_2_0)
		return STATUS_OK;
	if (queue->again == NULL)
		queue->again = write_encoder_open(AGAIN_BYTES, error);
	if (queue->again == NULL)
		return STATUS_NO_MEMORY;
	write_encoder_reset(queue->again);
	status = write_encoder_add_request_v2(queue->again, form->bytes, one->sizes[WRITE_2_0],
		AGAIN_BYTES, error);
	return status == STATUS_OK
		? write_encoder_finish(queue->again, &form->bytes, &form->size, error)
		: status;
}

static void settle(struct write_queue *queue, enum write_protocol protocol)
{
	unsigned bit = 1u << protocol;

	if (atomic_exchange(&queue->wanted, bit) != bit)
		LOG_INFO("remote write out: the receiver's protocol",
			LOG_TEXT("protocol", protocol == WRITE_2_0 ? "2.0" : "1.0"));
}

/* What an answer to a body of 2.0 says about the protocol, when the receiver may choose. */
static enum outcome negotiate(struct write_queue *queue, const struct ticket_answer *answer,
	enum outcome outcome)
{
	bool open = write_queue_wants(queue, WRITE_1_0);

	if (queue->config.negotiation != WRITE_EITHER)
		return outcome;
	if (outcome == OUTCOME_SENT && (answer->has_asked || !open)) {
		settle(queue, WRITE_2_0);
		return outcome;
	}
	if (outcome != OUTCOME_SENT && answer->code != 415 && !(open && answer->code == 400))
		return outcome;
	settle(queue, WRITE_1_0);
	return OUTCOME_OTHER_FORM;
}

/* *asked_ms: what the server asks to wait for, 0: nothing. */
static enum outcome try_once(struct write_queue *queue, const struct waiting *one,
	int64_t *asked_ms, struct error *error)
{
	char *owned[WRITE_HEADERS_MAX + 1] = {NULL};
	enum write_protocol protocol = protocol_for(queue, one);
	struct ticket_call call = {.method = "POST",
		.url = queue->config.target.url,
		.type = protocols[protocol].type,
		.asked = WRITTEN,
		.timeout_ms = queue->config.target.timeout_ms};
	struct ticket_answer answer;
	enum outcome outcome = OUTCOME_AGAIN;
	struct write_form form;
	enum status status;

	*asked_ms = 0;
	error_reset(error);
	status = form_for(queue, one, protocol, &form, error);
	if (status != STATUS_OK)
		return status == STATUS_NO_MEMORY ? OUTCOME_AGAIN : OUTCOME_REFUSED;
	call.body = form.bytes;
	call.body_size = form.size;
	/* A secret that cannot be read may be about to be replaced: as with a server that is away. */
	if (make_headers(&queue->config.target, protocol, call.headers, owned, error) ==
			STATUS_OK &&
		ticket_http_call(queue->http, &call, &answer, error) == STATUS_OK) {
		outcome = judge(&answer, error);
		if (protocol == WRITE_2_0)
			outcome = negotiate(queue, &answer, outcome);
		*asked_ms = answer.retry_after_ms;
	}
	for (size_t i = 0; i < WRITE_HEADERS_MAX + 1; i++)
		mem_free(owned[i]);
	return outcome;
}

/* ---- the thread ---- */

/* Failures of a minute are a line. */
static void tell(struct write_queue *queue, const struct error *error)
{
	int64_t now_ns = clock_mono_ns(clock_system());

	if (atomic_load(&queue->stop) ||
		(queue->told_ns != 0 && now_ns - queue->told_ns < TOLD_GAP_NS))
		return;
	queue->told_ns = now_ns;
	LOG_WARN("remote write out does not get through", LOG_ERROR_FIELD(error));
}

static void count_samples(const char *result, size_t samples)
{
	metrics_add(METRIC_WRITE_OUT_SAMPLES, (double)samples, result);
}

/* Under the lock. */
static void show_size(const struct write_queue *queue)
{
	metrics_set(METRIC_WRITE_OUT_QUEUE, (double)queue->samples);
	metrics_set(METRIC_WRITE_OUT_QUEUE_BYTES, (double)queue->bytes);
}

/* The oldest, out of the list; NULL: the end. */
static struct waiting *take_first(struct write_queue *queue)
{
	struct waiting *one;

	pthread_mutex_lock(&queue->lock);
	while (queue->first == NULL && !queue->ending && !atomic_load(&queue->stop))
		pthread_cond_wait(&queue->changed, &queue->lock);
	one = atomic_load(&queue->stop) ? NULL : queue->first;
	if (one != NULL) {
		queue->first = one->next;
		queue->under_way = true;
	}
	pthread_mutex_unlock(&queue->lock);
	return one;
}

static void forget(struct write_queue *queue, struct waiting *one, const char *result)
{
	count_samples(result, one->samples);
	pthread_mutex_lock(&queue->lock);
	queue->bytes -= one->size;
	queue->samples -= one->samples;
	queue->under_way = false;
	show_size(queue);
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	mem_free(one);
}

static struct timespec time_in(int64_t wait_ms)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + wait_ms * MS_NS;

	return (struct timespec){(time_t)(until_ns / (1000 * MS_NS)),
		(long)(until_ns % (1000 * MS_NS))};
}

/* Shorter when the end begins: then all is tried at once. */
static void pause_for(struct write_queue *queue, int64_t wait_ms)
{
	const struct timespec until = time_in(wait_ms);
	bool ending;

	pthread_mutex_lock(&queue->lock);
	ending = queue->ending;
	while (!atomic_load(&queue->stop) && queue->ending == ending &&
		pthread_cond_timedwait(&queue->changed, &queue->lock, &until) == 0)
		;
	pthread_mutex_unlock(&queue->lock);
}

static bool too_old(const struct write_queue *queue, const struct waiting *one)
{
	return clock_mono_ns(clock_system()) - one->added_ns >= queue->config.age_max_ms * MS_NS;
}

/* What became of it, as the metric calls it. */
static const char *send_one(struct write_queue *queue, const struct waiting *one)
{
	int64_t wait_ms = queue->config.wait_first_ms, asked_ms;

	while (!atomic_load(&queue->stop)) {
		struct error error;
		enum outcome outcome;

		if (too_old(queue, one))
			return "dropped_old";
		outcome = try_once(queue, one, &asked_ms, &error);
		if (outcome == OUTCOME_SENT) {
			metrics_inc(METRIC_WRITE_OUT_REQUESTS, "sent");
			if (queue->told_ns != 0)
				LOG_INFO("remote write out gets through again");
			queue->told_ns = 0;
			return "sent";
		}
		if (outcome == OUTCOME_OTHER_FORM)
			continue;
		tell(queue, &error);
		if (outcome == OUTCOME_REFUSED) {
			metrics_inc(METRIC_WRITE_OUT_REQUESTS, "refused");
			return "refused";
		}
		metrics_inc(METRIC_WRITE_OUT_REQUESTS, "retry");
		pause_for(queue, asked_ms > wait_ms ? asked_ms : wait_ms);
		wait_ms = 2 * wait_ms < queue->config.wait_max_ms ? 2 * wait_ms
								  : queue->config.wait_max_ms;
	}
	return "dropped_end";
}

static void *work(void *argument)
{
	struct write_queue *queue = argument;
	struct waiting *one;

	while ((one = take_first(queue)) != NULL)
		forget(queue, one, send_one(queue, one));
	return NULL;
}

/* ---- life ---- */

static void queue_free(struct write_queue *queue)
{
	while (queue->first != NULL) {
		struct waiting *one = queue->first;

		queue->first = one->next;
		mem_free(one);
	}
	ticket_http_close(queue->http);
	write_encoder_close(queue->again);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	mem_free(queue);
}

static enum status open_http(struct write_queue *queue, struct error *error)
{
	const struct write_target *target = &queue->config.target;

	queue->http = ticket_http_open(target->ca_file, &queue->stop);
	if (queue->http == NULL ||
		(target->cert_file != NULL &&
			ticket_http_certificate(queue->http, target->cert_file, target->key_file) !=
				STATUS_OK))
		return error_set(error, STATUS_NO_MEMORY,
			"no memory for a connection of remote write");
	return STATUS_OK;
}

struct write_queue *write_queue_open(const struct write_queue_config *config, struct error *error)
{
	static const char *const results[] = {"sent", "refused", "dropped_full", "dropped_old",
		"dropped_memory", "dropped_end"};
	static const unsigned wanted_first[] = {[WRITE_ONLY_1_0] = 1u << WRITE_1_0,
		[WRITE_ONLY_2_0] = 1u << WRITE_2_0,
		[WRITE_EITHER] = 1u << WRITE_1_0 | 1u << WRITE_2_0};
	struct write_queue *queue = mem_zalloc(1, sizeof(*queue));
	pthread_condattr_t attributes;

	if (queue == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a queue of remote write");
		return NULL;
	}
	queue->config = *config;
	atomic_init(&queue->stop, false);
	atomic_init(&queue->wanted, wanted_first[config->negotiation]);
	CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&queue->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		count_samples(results[i], 0);
	if (write_target_check(&config->target, error) != STATUS_OK ||
		open_http(queue, error) != STATUS_OK) {
		queue_free(queue);
		return NULL;
	}
	if (pthread_create(&queue->thread, NULL, work, queue) != 0) {
		error_set(error, STATUS_NO_MEMORY, "no thread for remote write");
		queue_free(queue);
		return NULL;
	}
	return queue;
}

void write_queue_close(struct write_queue *queue, int64_t flush_ms)
{
	const struct timespec until = time_in(flush_ms);
	size_t left = 0;

	if (queue == NULL)
		return;
	pthread_mutex_lock(&queue->lock);
	queue->ending = true;
	pthread_cond_broadcast(&queue->changed);
	while ((queue->first != NULL || queue->under_way) &&
		pthread_cond_timedwait(&queue->changed, &queue->lock, &until) == 0)
		;
	atomic_store(&queue->stop, true);
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	pthread_join(queue->thread, NULL);
	for (const struct waiting *one = queue->first; one != NULL; one = one->next)
		left += one->samples;
	count_samples("dropped_end", left);
	if (left > 0)
		LOG_WARN("remote write out ends with samples unsent", LOG_UINT("samples", left));
	queue_free(queue);
}

/* Under the lock: takes out the oldest until `size` more fit. The samples that are lost. */
static size_t make_room(struct write_queue *queue, size_t size, struct waiting **dropped)
{
	size_t samples = 0;

	while (queue->first != NULL && queue->bytes + size > queue->config.bytes_max) {
		struct waiting *one = queue->first;

		queue->first = one->next;
		queue->bytes -= one->size;
		queue->samples -= one->samples;
		samples += one->samples;
		one->next = *dropped;
		*dropped = one;
	}
	return samples;
}

bool write_queue_wants(const struct write_queue *queue, enum write_protocol protocol)
{
	return (atomic_load(&queue->wanted) >> protocol & 1) != 0;
}

void write_queue_add(struct write_queue *queue, const struct write_form forms[WRITE_PROTOCOLS],
	size_t samples)
{
	size_t size = forms[WRITE_1_0].size + forms[WRITE_2_0].size, at = 0, lost;
	struct waiting *one = mem_alloc(sizeof(*one) + size), *dropped = NULL;

	if (one == NULL) {
		count_samples("dropped_memory", samples);
		return;
	}
	*one = (struct waiting){.size = size,
		.samples = samples,
		.added_ns = clock_mono_ns(clock_system())};
	for (int p = 0; p < WRITE_PROTOCOLS; p++) {
		one->sizes[p] = forms[p].size;
		if (forms[p].size > 0)
			memcpy(one->body + at, forms[p].bytes, forms[p].size);
		at += forms[p].size;
	}
	pthread_mutex_lock(&queue->lock);
	lost = make_room(queue, size, &dropped);
	if (queue->bytes + size > queue->config.bytes_max) {
		lost += samples;
		one->next = dropped;
		dropped = one;
	} else {
		if (queue->first == NULL)
			queue->first = one;
		else
			queue->last->next = one;
		queue->last = one;
		queue->bytes += size;
		queue->samples += samples;
		pthread_cond_broadcast(&queue->changed);
	}
	show_size(queue);
	pthread_mutex_unlock(&queue->lock);
	if (lost > 0)
		count_samples("dropped_full", lost);
	while (dropped != NULL) {
		one = dropped;
		dropped = one->next;
		mem_free(one);
	}
}
