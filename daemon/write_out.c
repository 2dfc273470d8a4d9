/*
 * A round: the metrics are copied, each gets its labels, those to be sent are packed in requests of
 * BATCH_SAMPLES, and what was told before and was not seen is ended. A round for which memory ran out ends
 * nothing: what it did not see may well be there.
 *
 * What is no number is no sample: the series is as if it were not there.
 */
#include "daemon/write_out.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/backfill_labels.h"
#include "remote_write/encode.h"
#include "remote_write/told.h"
#include "store/store.h"

#define BATCH_SAMPLES 2000
#define BATCH_BYTES ((size_t)8 << 20)
#define MS_NS INT64_C(1000000)
/* As Prometheus backs off. */
#define WAIT_FIRST_MS 30
#define WAIT_MAX_MS 5000

struct write_out {
	struct write_out_config config;
	struct write_queue *queue;
	struct write_encoder *encoders[WRITE_PROTOCOLS];
	bool wanted[WRITE_PROTOCOLS]; /* of the batch at hand */
	size_t batch;                 /* samples in it */
	struct told *told;
	bool complete; /* nothing of the round is missing for lack of memory */
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock; /* guards stopping */
	pthread_cond_t changed;
	bool stopping;
};

/* ---- configuration ---- */

bool write_out_wanted(const struct config *config)
{
	return config_text(config, SETTING_WRITE_OUT_URL)[0] != '\0';
}

static const char *text_or_null(const struct config *config, enum setting_id id)
{
	const char *text = config_text(config, id);

	return *text != '\0' ? text : NULL;
}

/* name: or the beginning of names and a star. */
static enum status add_metrics(struct write_out_config *out, const char *name, struct error *error)
{
	size_t size = strlen(name), found = 0;
	bool prefix = size > 0 && name[size - 1] == '*';

	for (int id = 0; id < METRIC_COUNT; id++) {
		const struct metric_description *metric = metric_describe((enum metric_id)id);
		bool there = false;

		if (prefix ? strncmp(metric->name, name, size - 1) != 0
			   : strcmp(metric->name, name) != 0)
			continue;
		if (metric->type == METRIC_HISTOGRAM && !prefix)
			return error_set(error, STATUS_BAD_INPUT,
				"remote_write_out.metrics: %.100s is a histogram: counters and gauges "
				"can be written",
				name);
		found++;
		for (size_t i = 0; i < out->metric_count; i++)
			there = there || out->metrics[i] == (enum metric_id)id;
		if (!there && metric->type != METRIC_HISTOGRAM)
			out->metrics[out->metric_count++] = (enum metric_id)id;
	}
	return found > 0 ? STATUS_OK
			 : error_set(error, STATUS_BAD_INPUT,
				   "remote_write_out.metrics: there is no metric \"%.100s\"", name);
}

static enum status read_headers(const struct config *config, enum setting_id id, bool file,
	struct write_target *target, size_t *count, struct error *error)
{
	size_t given;
	const char *const *list = config_list(config, id, &given);

	for (size_t i = 0; i < given; i++) {
		if (*count == WRITE_HEADERS_MAX)
			return error_set(error, STATUS_BAD_INPUT,
				"remote_write_out: more than %d headers", WRITE_HEADERS_MAX);
		target->headers[(*count)++] = (struct write_header){list[i], file};
	}
	return STATUS_OK;
}

static enum status read_lists(const struct config *config, struct write_out_config *out,
	struct error *error)
{
	struct write_target *target = &out->queue.target;
	size_t count, headers = 0;
	const char *const *list = config_list(config, SETTING_WRITE_OUT_METRICS, &count);
	enum status status = STATUS_OK;

	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_metrics(out, list[i], error);
	if (status == STATUS_OK)
		status = read_headers(config, SETTING_WRITE_OUT_HEADERS, false, target, &headers,
			error);
	if (status == STATUS_OK)
		status = read_headers(config, SETTING_WRITE_OUT_HEADER_FILES, true, target,
			&headers, error);
	if (status != STATUS_OK)
		return status;
	list = config_list(config, SETTING_WRITE_OUT_EXTERNAL_LABELS, &count);
	status = external_labels_of_list(list, count, &out->external, error);
	if (status != STATUS_OK)
		error_prefix(error, "remote_write_out.external_labels");
	return status;
}

static enum write_negotiation negotiation_of(const struct config *config)
{
	const char *word = config_text(config, SETTING_WRITE_OUT_PROTOCOL);

	return strcmp(word, "1.0") == 0    ? WRITE_ONLY_1_0
		: strcmp(word, "2.0") == 0 ? WRITE_ONLY_2_0
					   : WRITE_EITHER;
}

enum status write_out_config_read(const struct config *config, const struct clock *clock,
	struct write_out_config *out, struct error *error)
{
	enum status status;

	*out = (struct write_out_config){
		.queue = {.target = {.url = config_text(config, SETTING_WRITE_OUT_URL),
				  .token_file = text_or_null(config, SETTING_WRITE_OUT_TOKEN_FILE),
				  .user = text_or_null(config, SETTING_WRITE_OUT_USERNAME),
				  .password_file =
					  text_or_null(config, SETTING_WRITE_OUT_PASSWORD_FILE),
				  .ca_file = text_or_null(config, SETTING_WRITE_OUT_CA_FILE),
				  .cert_file = text_or_null(config, SETTING_WRITE_OUT_CERT_FILE),
				  .key_file = text_or_null(config, SETTING_WRITE_OUT_KEY_FILE),
				  .timeout_ms = config_int(config, SETTING_WRITE_OUT_TIMEOUT)},
			.negotiation = negotiation_of(config),
			.bytes_max = (size_t)config_int(config, SETTING_WRITE_OUT_QUEUE_MAX),
			.age_max_ms = config_int(config, SETTING_WRITE_OUT_AGE_MAX),
			.wait_first_ms = WAIT_FIRST_MS,
			.wait_max_ms = WAIT_MAX_MS},
		.interval_ms = config_int(config, SETTING_WRITE_OUT_INTERVAL),
		.flush_ms = config_int(config, SETTING_WRITE_OUT_FLUSH),
		.series_max = (size_t)config_int(config, SETTING_WRITE_OUT_SERIES_MAX),
		.clock = clock};
	status = read_lists(config, out, error);
	return status == STATUS_OK ? write_target_check(&out->queue.target, error) : status;
}

void write_out_config_fini(struct write_out_config *config)
{
	labels_fini(&config->external);
}

/* ---- a round ---- */

static void lose(struct write_out *out, const char *reason, size_t samples)
{
	metrics_add(METRIC_WRITE_OUT_LEFT_OUT, (double)samples, reason);
	if (strcmp(reason, "memory") == 0)
		out->complete = false;
}

/* In the protocols that are wanted by now. */
static void begin_batch(struct write_out *out)
{
	for (int p = 0; p < WRITE_PROTOCOLS; p++) {
		out->wanted[p] = write_queue_wants(out->queue, (enum write_protocol)p);
		write_encoder_reset(out->encoders[p]);
	}
	out->batch = 0;
}

static void send_batch(struct write_out *out)
{
	struct write_form forms[WRITE_PROTOCOLS] = {{NULL, 0}, {NULL, 0}};
	enum status status = STATUS_OK;
	struct error error;

	for (int p = 0; p < WRITE_PROTOCOLS && out->batch > 0 && status == STATUS_OK; p++)
		if (out->wanted[p])
			status = write_encoder_finish(out->encoders[p], &forms[p].bytes,
				&forms[p].size, &error);
	if (out->batch > 0 && status == STATUS_OK)
		write_queue_add(out->queue, forms, out->batch);
	else if (out->batch > 0)
		metrics_add(METRIC_WRITE_OUT_SAMPLES, (double)out->batch, "dropped_memory");
	begin_batch(out);
}

/* When it does not fit into one form the other may have it already: in the batch that is sent then, where it
 * is a sample more than is counted, and once more in the next, which is the same sample. */
static enum status encode(struct write_out *out, const struct labels *labels, int64_t t_ms,
	double value)
{
	enum status status = STATUS_OK;

	for (int p = 0; p < WRITE_PROTOCOLS && status == STATUS_OK; p++)
		if (out->wanted[p])
			status = write_encoder_add(out->encoders[p], labels, &t_ms, &value, 1);
	return status;
}

static void add_sample(struct write_out *out, const struct labels *labels, int64_t t_ms,
	double value)
{
	enum status status = encode(out, labels, t_ms, value);

	if (status == STATUS_LIMIT && out->batch > 0) {
		send_batch(out);
		status = encode(out, labels, t_ms, value);
	}
	if (status != STATUS_OK) {
		lose(out, status == STATUS_LIMIT ? "labels" : "memory", 1);
		return;
	}
	if (++out->batch == BATCH_SAMPLES)
		send_batch(out);
}

/* Name, labels and external labels. STATUS_LIMIT: more than one can tell of. */
static enum status make_labels(const struct write_out *out, const struct metric_sample *sample,
	struct labels *labels)
{
	const struct metric_description *metric = metric_describe(sample->id);
	struct label pairs[TOLD_LABELS_MAX];
	size_t count = 0, own;

	pairs[count++] = label_of(LABEL_METRIC_NAME, metric->name);
	for (const char *name = metric->labels; *name != '\0'; count++) {
		size_t size = strcspn(name, ",");

		pairs[count] = label_of("", sample->values[count - 1]);
		pairs[count].name = name;
		pairs[count].name_size = (uint32_t)size;
		name += size + (name[size] == ',' ? 1 : 0);
	}
	own = count;
	for (uint32_t i = 0; i < out->config.external.count; i++) {
		const struct label *label = &out->config.external.pairs[i];
		bool there = false;

		for (size_t k = 0; k < own; k++)
			there = there ||
				(pairs[k].name_size == label->name_size &&
					pairs[k].value_size > 0 &&
					memcmp(pairs[k].name, label->name, label->name_size) == 0);
		if (there)
			continue;
		if (count == TOLD_LABELS_MAX)
			return STATUS_LIMIT;
		pairs[count++] = *label;
	}
	return labels_init(labels, pairs, count, NULL);
}

static void tell_sample(struct write_out *out, const struct metric_sample *sample, int64_t now_ms)
{
	struct labels labels;
	enum status status;

	if (!isfinite(sample->value))
		return;
	status = make_labels(out, sample, &labels);
	if (status != STATUS_OK) {
		lose(out, status == STATUS_NO_MEMORY ? "memory" : "labels", 1);
		return;
	}
	switch (told_see(out->told, &labels, now_ms)) {
	case TOLD_SEND:
		add_sample(out, &labels, now_ms, sample->value);
		break;
	case TOLD_BEFORE:
		break;
	case TOLD_FULL:
		lose(out, "limit", 1);
		break;
	case TOLD_NO_MEMORY:
		lose(out, "memory", 1);
		break;
	}
	labels_fini(&labels);
}

static double stale_marker(void)
{
	uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Series that were told of and were not seen in this round. */
static void end_series(struct write_out *out, int64_t now_ms)
{
	struct labels labels;
	int64_t last_ms;

	while (told_ended(out->told, &labels, &last_ms))
		add_sample(out, &labels, now_ms > last_ms ? now_ms : last_ms + 1, stale_marker());
}

void write_out_round(struct write_out *out)
{
	struct metric_samples samples;
	int64_t now_ms;

	told_begin(out->told);
	out->complete = true;
	if (metrics_take(out->config.metrics, out->config.metric_count, &samples) != STATUS_OK)
		lose(out, "memory", 1);
	now_ms = clock_now_ms(out->config.clock);
	for (size_t i = 0; i < samples.count; i++)
		tell_sample(out, &samples.list[i], now_ms);
	metric_samples_fini(&samples);
	if (out->complete)
		end_series(out, now_ms);
	send_batch(out);
	metrics_set(METRIC_WRITE_OUT_SERIES, (double)told_count(out->told));
}

/* ---- life ---- */

struct write_out *write_out_open(struct write_out_config *config, struct error *error)
{
	static const char *const reasons[] = {"limit", "memory", "labels"};
	struct write_out *out = mem_zalloc(1, sizeof(*out));
	pthread_condattr_t attributes;

	if (out == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for remote write out");
		return NULL;
	}
	CHECK(pthread_mutex_init(&out->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&out->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		metrics_add(METRIC_WRITE_OUT_LEFT_OUT, 0, reasons[i]);
	out->config = *config;
	out->config.external = (struct labels){0};
	out->encoders[WRITE_1_0] = write_encoder_open(BATCH_BYTES, error);
	if (out->encoders[WRITE_1_0] != NULL)
		out->encoders[WRITE_2_0] = write_encoder_open_v2(BATCH_BYTES, error);
	if (out->encoders[WRITE_2_0] != NULL)
		out->told = told_open(config->series_max, error);
	out->queue = out->told != NULL ? write_queue_open(&config->queue, error) : NULL;
	if (out->queue == NULL) {
		write_out_close(out);
		return NULL;
	}
	out->config.external = config->external;
	config->external = (struct labels){0};
	begin_batch(out);
	return out;
}

/* False: the end. */
static bool wait_until(struct write_out *out, int64_t until_ns)
{
	const struct timespec until = {(time_t)(until_ns / (1000 * MS_NS)),
		(long)(until_ns % (1000 * MS_NS))};
	bool goes_on;

	pthread_mutex_lock(&out->lock);
	while (!out->stopping && pthread_cond_timedwait(&out->changed, &out->lock, &until) == 0)
		;
	goes_on = !out->stopping;
	pthread_mutex_unlock(&out->lock);
	return goes_on;
}

static void *work(void *argument)
{
	struct write_out *out = argument;
	int64_t interval_ns = out->config.interval_ms * MS_NS;
	int64_t next_ns = clock_mono_ns(clock_system()) + interval_ns;

	while (wait_until(out, next_ns)) {
		int64_t now_ns;

		write_out_round(out);
		now_ns = clock_mono_ns(clock_system());
		/* Rounds that were missed are not made up for. */
		next_ns += interval_ns;
		if (next_ns < now_ns)
			next_ns = now_ns + interval_ns;
	}
	return NULL;
}

enum status write_out_start(struct write_out *out, struct error *error)
{
	if (pthread_create(&out->thread, NULL, work, out) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for remote write out");
	out->runs = true;
	return STATUS_OK;
}

void write_out_close(struct write_out *out)
{
	if (out == NULL)
		return;
	pthread_mutex_lock(&out->lock);
	out->stopping = true;
	pthread_cond_signal(&out->changed);
	pthread_mutex_unlock(&out->lock);
	if (out->runs)
		pthread_join(out->thread, NULL);
	if (out->queue != NULL) {
		told_begin(out->told);
		end_series(out, clock_now_ms(out->config.clock));
		send_batch(out);
	}
	write_queue_close(out->queue, out->config.flush_ms);
	told_close(out->told);
	for (int p = 0; p < WRITE_PROTOCOLS; p++)
		write_encoder_close(out->encoders[p]);
	write_out_config_fini(&out->config);
	pthread_cond_destroy(&out->changed);
	pthread_mutex_destroy(&out->lock);
	mem_free(out);
}
