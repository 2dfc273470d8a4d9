/*
 * The run goes in phases. In each, every connection has a thread of its own that first makes the
 * bodies of some rounds, as many as fit the memory for it; when all are made, the clock starts and
 * they are sent. So the making of bodies, which costs more than the receiver may, is not in the
 * figures; with several phases the receiver rests while the next bodies are made.
 *
 * With a rate, a request is due when the samples before it on its connection have had their time.
 * Its latency is counted from when it was sent and also from when it was due, because a receiver
 * that stalls delays the requests that queue behind.
 */
#include "demo/loadgen.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "remote_write/encode.h"

#define POLL_NS (20 * INT64_C(1000000))
#define PROGRESS_LIVE_NS INT64_C(200000000)
#define PROGRESS_LINE_NS INT64_C(5000000000)
/* What a body may take before compression: far above what LOADGEN_BATCH_MAX series need. */
#define BODY_MAX ((size_t)256 << 20)
/* Bytes of a sample in a body, for the first guess of what fits the memory. */
#define SAMPLE_BYTES_GUESS 50
#define SAMPLE_BYTES_GUESS_SHUFFLED 120

struct load_body {
	char *bytes;
	size_t size;
	uint32_t samples, made; /* samples in it; of them of new series */
};

struct run;

struct connection {
	struct run *run;
	pthread_t thread;
	bool started;
	uint32_t first, count;    /* its series */
	uint32_t *sequence;       /* [count] series in the order of sending */
	double *walks;            /* [count] */
	struct load_body *bodies; /* [body_capacity] of the phase, round by round */
	size_t body_capacity, body_count;
	struct write_encoder *encoder;
	struct load_client *client;
	struct load_cursor cursor;
	struct loadgen_result result; /* its part */
	enum status status;           /* of making bodies */
	int64_t ended_ns;
};

struct run {
	const struct loadgen_config *config;
	const atomic_bool *stop;
	struct connection *connections;
	uint32_t connection_count;
	uint32_t round, phase_rounds; /* the phase at hand */
	int64_t phase_ns, spent_ns;   /* when it began; sending in the phases before */
	atomic_uint working;
	atomic_bool failed;
	_Atomic uint64_t samples, bad_answers;
	int64_t shown_ns;
};

/* ---- making bodies ---- */

static void shuffle(struct connection *connection, uint32_t round)
{
	struct random random;

	random_init(&random,
		connection->run->config->shape.seed ^ ((uint64_t)round << 32 | connection->first));
	for (uint32_t i = connection->count - 1; i > 0; i--) {
		uint32_t k = (uint32_t)random_below(&random, (uint64_t)i + 1);
		uint32_t moving = connection->sequence[i];

		connection->sequence[i] = connection->sequence[k];
		connection->sequence[k] = moving;
	}
}

static enum status make_body(struct connection *connection, uint32_t at, uint32_t round,
	struct load_body *body)
{
	const struct loadgen_config *config = connection->run->config;
	const struct load_shape *shape = &config->shape;
	uint32_t left = connection->count - at;
	enum status status = STATUS_OK;
	const void *bytes;

	body->samples = left < config->batch_series ? left : config->batch_series;
	body->made = 0;
	write_encoder_reset(connection->encoder);
	for (uint32_t i = 0; i < body->samples && status == STATUS_OK; i++) {
		uint32_t series = connection->sequence[at + i];
		int64_t t_ms = load_time_ms(shape, series, round);
		double value = load_value(shape, series, round,
			&connection->walks[series - connection->first]);

		status = write_encoder_add(connection->encoder,
			load_labels(&connection->cursor, series, round), &t_ms, &value, 1);
		body->made += round == config->first_round || load_replaced(shape, series, round);
	}
	if (status == STATUS_OK)
		status = write_encoder_finish(connection->encoder, &bytes, &body->size, NULL);
	if (status != STATUS_OK)
		return status;
	body->bytes = mem_alloc(body->size);
	if (body->bytes == NULL)
		return STATUS_NO_MEMORY;
	memcpy(body->bytes, bytes, body->size);
	return STATUS_OK;
}

static void free_bodies(struct connection *connection)
{
	for (size_t i = 0; i < connection->body_count; i++)
		mem_free(connection->bodies[i].bytes);
	connection->body_count = 0;
}

static uint32_t bodies_a_round(const struct connection *connection)
{
	uint32_t batch = connection->run->config->batch_series;

	return connection->count / batch + (connection->count % batch > 0);
}

static void *make_bodies(void *argument)
{
	struct connection *connection = argument;
	struct run *run = connection->run;
	const struct loadgen_config *config = run->config;
	size_t needed = (size_t)bodies_a_round(connection) * run->phase_rounds;

	connection->status = STATUS_OK;
	if (needed > connection->body_capacity) {
		struct load_body *more = mem_resize(connection->bodies, needed, sizeof(*more));

		if (more == NULL) {
			connection->status = STATUS_NO_MEMORY;
		} else {
			connection->bodies = more;
			connection->body_capacity = needed;
		}
	}
	for (uint32_t k = 0; k < run->phase_rounds && connection->status == STATUS_OK; k++) {
		if (config->shuffled)
			shuffle(connection, run->round + k);
		for (uint32_t at = 0; at < connection->count && connection->status == STATUS_OK &&
			!atomic_load(run->stop);
			at += config->batch_series) {
			connection->status = make_body(connection, at, run->round + k,
				&connection->bodies[connection->body_count]);
			connection->body_count += connection->status == STATUS_OK;
		}
	}
	atomic_fetch_sub(&run->working, 1);
	return NULL;
}

/* ---- sending ---- */

static void count_status(struct loadgen_result *result, long http, uint64_t requests)
{
	uint32_t i = 0;

	while (i < result->status_count && result->statuses[i].http != http)
		i++;
	if (i == LOADGEN_STATUSES_MAX) /* the last place takes all that found none */
		i--;
	else if (i == result->status_count)
		result->statuses[result->status_count++].http = http;
	result->statuses[i].requests += requests;
}

static enum status send_body(struct connection *connection, const struct load_body *body,
	int64_t due_ns)
{
	struct run *run = connection->run;
	struct loadgen_result *result = &connection->result;
	int64_t sent_ns = clock_mono_ns(clock_system()), answered_ns;
	struct load_answer answer;
	enum status status;

	result->requests++;
	result->samples += body->samples;
	result->bytes += body->size;
	status = load_client_post(connection->client, body->bytes, body->size, &answer,
		&result->failure);
	if (status != STATUS_OK) {
		result->samples_unknown += body->samples;
		return status;
	}
	answered_ns = clock_mono_ns(clock_system());
	latency_add(&result->latency, answered_ns - sent_ns);
	if (due_ns > 0)
		latency_add(&result->due, answered_ns - (due_ns < sent_ns ? due_ns : sent_ns));
	count_status(result, answer.http, 1);
	if (answer.samples_written >= 0) {
		result->written_told = true;
		result->samples_written += (uint64_t)answer.samples_written;
	}
	if (answer.http / 100 == 2) {
		result->samples_accepted += body->samples;
		result->series_made += body->made;
	} else {
		atomic_fetch_add(&run->bad_answers, 1);
		if (result->refusal[0] == '\0')
			memcpy(result->refusal, answer.text, sizeof(answer.text));
	}
	atomic_fetch_add(&run->samples, body->samples);
	return STATUS_OK;
}

/* False when the run is to end before this request. */
static bool wait_due(const struct run *run, int64_t due_ns)
{
	for (;;) {
		int64_t now_ns = clock_mono_ns(clock_system()), left_ns = due_ns - now_ns;
		int64_t duration_ms = run->config->duration_ms;

		if (atomic_load(run->stop) || atomic_load(&run->failed))
			return false;
		if (duration_ms > 0 &&
			run->spent_ns + (now_ns - run->phase_ns) >= duration_ms * 1000000)
			return false;
		if (left_ns <= 0)
			return true;
		clock_sleep_ns(left_ns < POLL_NS ? left_ns : POLL_NS);
	}
}

static void *send_bodies(void *argument)
{
	struct connection *connection = argument;
	struct run *run = connection->run;
	const struct loadgen_config *config = run->config;
	/* Each connection has the share of the rate that it has of the series. */
	double rate = config->samples_per_second * connection->count / config->shape.series_count;
	double before = 0;

	for (size_t i = 0; i < connection->body_count; i++) {
		const struct load_body *body = &connection->bodies[i];
		int64_t due_ns = rate > 0 ? run->phase_ns + (int64_t)(before / rate * 1e9) : 0;

		if (!wait_due(run, due_ns))
			break;
		if (send_body(connection, body, due_ns) != STATUS_OK) {
			if (!atomic_load(run->stop))
				atomic_store(&run->failed, true);
			break;
		}
		before += body->samples;
	}
	connection->ended_ns = clock_mono_ns(clock_system());
	/* The last request has its time like all others, so that the rate is what was asked for. */
	if (rate > 0 && connection->body_count > 0 && !atomic_load(&run->failed))
		(void)wait_due(run, run->phase_ns + (int64_t)(before / rate * 1e9));
	if (rate > 0)
		connection->ended_ns = clock_mono_ns(clock_system());
	atomic_fetch_sub(&run->working, 1);
	return NULL;
}

/* ---- the run ---- */

static void show_progress(struct run *run, bool sending)
{
	const struct loadgen_config *config = run->config;
	int64_t now_ns = clock_mono_ns(clock_system());
	struct loadgen_progress progress = {.samples = atomic_load(&run->samples),
		.bad_answers = atomic_load(&run->bad_answers),
		.spent_ns = run->spent_ns + (sending ? now_ns - run->phase_ns : 0),
		.sending = sending};
	double all = (double)config->shape.series_count * config->round_count;

	if (config->progress == NULL ||
		now_ns - run->shown_ns < (config->live ? PROGRESS_LIVE_NS : PROGRESS_LINE_NS))
		return;
	run->shown_ns = now_ns;
	if (config->round_count > 0)
		progress.share = (double)progress.samples / all;
	if (config->duration_ms > 0)
		progress.share = fmax(progress.share,
			(double)progress.spent_ns / ((double)config->duration_ms * 1e6));
	loadgen_write_progress(config->progress, config->live, &progress);
}

/* Lets all connections work at the same time; returns when all are done. */
static enum status work(struct run *run, void *(*task)(void *), bool sending, struct error *error)
{
	enum status status = STATUS_OK;

	atomic_store(&run->working, run->connection_count);
	for (uint32_t i = 0; i < run->connection_count; i++) {
		struct connection *connection = &run->connections[i];

		connection->started =
			pthread_create(&connection->thread, NULL, task, connection) == 0;
		if (!connection->started) {
			atomic_store(&run->failed, true);
			atomic_fetch_sub(&run->working, 1);
			status = error_set(error, STATUS_NO_MEMORY, "no thread for connection %u",
				i + 1);
		}
	}
	while (atomic_load(&run->working) > 0) {
		show_progress(run, sending);
		clock_sleep_ns(POLL_NS);
	}
	for (uint32_t i = 0; i < run->connection_count; i++) {
		struct connection *connection = &run->connections[i];

		if (connection->started)
			pthread_join(connection->thread, NULL);
		if (connection->started && status == STATUS_OK && connection->status != STATUS_OK)
			status = error_set(error, connection->status,
				"the bodies could not be made: %s",
				status_label(connection->status));
	}
	return status;
}

/* Until the time of the samples meets the clock: a receiver refuses what is ahead of it. */
static uint32_t rounds_until_now(const struct load_shape *shape, uint32_t round)
{
	int64_t rounds = (clock_now_ms(clock_system()) - shape->start_ms) / shape->interval_ms;

	return rounds > round ? (uint32_t)(rounds - round) : 0;
}

static uint32_t phase_rounds(const struct run *run)
{
	const struct loadgen_config *config = run->config;
	double sample = (config->shuffled ? SAMPLE_BYTES_GUESS_SHUFFLED : SAMPLE_BYTES_GUESS) *
		fmax(1, config->shape.label_count / 10.0);
	double fit = (double)config->body_memory_max / (sample * config->shape.series_count);
	uint32_t left, rounds;

	if (config->round_count > 0)
		left = config->first_round + config->round_count - run->round;
	else
		left = rounds_until_now(&config->shape, run->round);
	rounds = fit < 1 ? 1 : fit > 10000 ? 10000 : (uint32_t)fit;
	/* More would only be thrown away when the time is over. */
	if (config->duration_ms > 0 && config->samples_per_second > 0) {
		double wanted = config->samples_per_second *
			((double)config->duration_ms * 1e6 - (double)run->spent_ns) / 1e9 /
			config->shape.series_count;

		if (wanted < rounds)
			rounds = (uint32_t)fmax(1, ceil(wanted));
	}
	return rounds < left ? rounds : left;
}

static bool run_over(const struct run *run)
{
	return atomic_load(run->stop) || atomic_load(&run->failed) ||
		(run->config->duration_ms > 0 &&
			run->spent_ns >= run->config->duration_ms * 1000000);
}

static enum status run_phases(struct run *run, struct error *error)
{
	enum status status = STATUS_OK;

	while (!run_over(run) && status == STATUS_OK) {
		int64_t ended_ns;

		run->phase_rounds = phase_rounds(run);
		if (run->phase_rounds == 0)
			break;
		status = work(run, make_bodies, false, error);
		if (status == STATUS_OK && !atomic_load(run->stop)) {
			run->phase_ns = ended_ns = clock_mono_ns(clock_system());
			status = work(run, send_bodies, true, error);
			for (uint32_t i = 0; i < run->connection_count; i++)
				if (run->connections[i].ended_ns > ended_ns)
					ended_ns = run->connections[i].ended_ns;
			run->spent_ns += ended_ns - run->phase_ns;
		}
		for (uint32_t i = 0; i < run->connection_count; i++)
			free_bodies(&run->connections[i]);
		run->round += run->phase_rounds;
	}
	return status;
}

/* Whole batches for each connection, as even as they go. */
static enum status open_connections(struct run *run, struct error *error)
{
	const struct loadgen_config *config = run->config;
	uint32_t series_count = config->shape.series_count, batch = config->batch_series;
	uint64_t batches = series_count / batch + (series_count % batch > 0);

	run->connection_count =
		config->connection_count < batches ? config->connection_count : (uint32_t)batches;
	run->connections = mem_zalloc(run->connection_count, sizeof(*run->connections));
	if (run->connections == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for connections");
	for (uint32_t i = 0; i < run->connection_count; i++) {
		struct connection *connection = &run->connections[i];
		uint64_t end = batches * (i + 1) / run->connection_count * batch;

		connection->run = run;
		connection->first = (uint32_t)(batches * i / run->connection_count * batch);
		connection->count =
			(uint32_t)(end < series_count ? end : series_count) - connection->first;
		connection->sequence = mem_zalloc(connection->count, sizeof(*connection->sequence));
		connection->walks = mem_zalloc(connection->count, sizeof(*connection->walks));
		connection->encoder = config->target.protocol_2
			? write_encoder_open_v2(BODY_MAX, error)
			: write_encoder_open(BODY_MAX, error);
		connection->client = load_client_open(&config->target, run->stop, error);
		if (connection->sequence == NULL || connection->walks == NULL ||
			connection->encoder == NULL || connection->client == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for connections");
		for (uint32_t k = 0; k < connection->count; k++)
			connection->sequence[k] = connection->first + k;
		load_cursor_init(&connection->cursor, &config->shape);
	}
	return STATUS_OK;
}

static void close_connections(struct run *run)
{
	for (uint32_t i = 0; run->connections != NULL && i < run->connection_count; i++) {
		struct connection *connection = &run->connections[i];

		free_bodies(connection);
		mem_free(connection->bodies);
		mem_free(connection->walks);
		mem_free(connection->sequence);
		write_encoder_close(connection->encoder);
		load_client_close(connection->client);
	}
	mem_free(run->connections);
}

static void sum_up(const struct run *run, struct loadgen_result *result)
{
	result->connections = run->connection_count;
	result->spent_ns = run->spent_ns;
	result->rounds_begun = run->round - run->config->first_round;
	result->stopped = atomic_load(run->stop);
	for (uint32_t i = 0; i < run->connection_count; i++) {
		const struct loadgen_result *part = &run->connections[i].result;

		result->requests += part->requests;
		result->samples += part->samples;
		result->bytes += part->bytes;
		result->samples_accepted += part->samples_accepted;
		result->samples_unknown += part->samples_unknown;
		result->samples_written += part->samples_written;
		result->written_told = result->written_told || part->written_told;
		result->series_made += part->series_made;
		latency_merge(&result->latency, &part->latency);
		latency_merge(&result->due, &part->due);
		for (uint32_t k = 0; k < part->status_count; k++)
			count_status(result, part->statuses[k].http, part->statuses[k].requests);
		if (result->refusal[0] == '\0')
			memcpy(result->refusal, part->refusal, sizeof(part->refusal));
		if (result->failure.code == STATUS_OK && !result->stopped)
			result->failure = part->failure;
	}
}

enum status loadgen_run(const struct loadgen_config *config, const atomic_bool *stop,
	struct loadgen_result *result, struct error *error)
{
	struct run run = {.config = config, .stop = stop, .round = config->first_round};
	struct error page_error;
	enum status status;

	memset(result, 0, sizeof(*result));
	run.shown_ns = clock_mono_ns(clock_system());
	status = load_client_library_init(error);
	if (status == STATUS_OK)
		status = load_counters_read(&config->target, &result->before, error);
	if (status == STATUS_OK)
		status = open_connections(&run, error);
	if (status == STATUS_OK)
		status = run_phases(&run, error);
	if (config->progress != NULL)
		loadgen_end_progress(config->progress, config->live);
	/* A receiver that is gone by now shows in the answers; its counters are then unknown. */
	if (status == STATUS_OK) {
		sum_up(&run, result);
		if (load_counters_read(&config->target, &result->after, &page_error) != STATUS_OK &&
			result->failure.code == STATUS_OK)
			result->failure = page_error;
	}
	close_connections(&run);
	return status;
}
