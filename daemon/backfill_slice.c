/*
 * One slice of a selector: the raw samples of `selector[range]` at a time, as they were scraped,
 * without steps and look-back. Each series gets the labels that the stream gives it, passes the rules
 * of ingest, and goes into its ring.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/backfill_state.h"

#define MALFORMED_MAX 3

static void fail(struct slice_outcome *outcome, enum slice_result result, const char *reason)
{
	outcome->result = result;
	outcome->reason = reason;
}

/* --- a series --- */

/* false: the stream would not keep it either. */
static enum status wanted(struct backfill_worker *worker, bool *kept, struct error *error)
{
	struct backfill *backfill = worker->backfill;
	struct matchers *matchers = &worker->job->matchers;
	uint64_t misses = atomic_load(&matchers->memory_misses);
	struct labels labels;
	bool dropped = false;
	enum status status = selector_scratch_labels(&worker->scratch, worker->sent.pairs,
		worker->sent.labels.count, &labels);

	*kept = status == STATUS_OK && matchers_test(matchers, &labels);
	if (status == STATUS_OK && !*kept && atomic_load(&matchers->memory_misses) != misses)
		status = STATUS_NO_MEMORY;
	if (status == STATUS_OK && *kept && backfill->keep.count > 0)
		status = selectors_match(&backfill->keep, &labels, kept);
	if (status == STATUS_OK && *kept)
		status = selectors_match(&backfill->drop, &labels, &dropped);
	*kept = *kept && !dropped;
	return status == STATUS_OK ? STATUS_OK
				   : error_set(error, status, "no memory to match labels");
}

static enum status labels_check(const struct backfill_worker *worker, struct error *error)
{
	const struct backfill_config *config = &worker->backfill->config;
	const struct labels *labels = &worker->sent.labels;

	if (labels->count > config->labels_max)
		return error_set(error, STATUS_LIMIT, "a series has %u labels, more than %u",
			labels->count, config->labels_max);
	for (uint32_t i = 0; i < labels->count; i++)
		if (labels->pairs[i].name_size > config->label_name_max ||
			labels->pairs[i].value_size > config->label_value_max)
			return error_set(error, STATUS_LIMIT, "label %.100s is too long",
				labels->pairs[i].name);
	return STATUS_OK;
}

static enum status intern(struct backfill_worker *worker, uint32_t *series, struct error *error)
{
	struct store *store = worker->backfill->store;
	struct store_key key;

	buf_reset(&worker->raw);
	sent_labels_write_raw(&worker->sent, &worker->raw);
	if (!buf_ok(&worker->raw))
		return error_set(error, STATUS_NO_MEMORY, "no memory for labels");
	key = store_key_of(store, worker->raw.data, worker->raw.size);
	return store_intern(store, key, worker->sent.pairs, worker->sent.labels.count, series,
		error);
}

/* Told once a slice at most: the log limits its call sites. */
static void refuse_series(struct backfill_worker *worker, const struct error *error)
{
	struct backfill *backfill = worker->backfill;

	metrics_inc(METRIC_BACKFILL_FAILURES, "series_refused");
	LOG_WARN("history of a series is left out", LOG_TEXT("selector", worker->job->text),
		LOG_ERROR_FIELD(error));
	(void)pthread_mutex_lock(&backfill->lock);
	backfill->refused++;
	snprintf(backfill->problem, sizeof(backfill->problem), "%s", error->text);
	(void)pthread_mutex_unlock(&backfill->lock);
}

static enum status take_series(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *error)
{
	struct backfill_worker *worker = argument;
	struct backfill *backfill = worker->backfill;
	const struct backfill_config *config = &backfill->config;
	uint64_t fills[FILL_RESULT_COUNT] = {0};
	uint32_t series;
	bool kept = false;
	enum status status;

	if (atomic_load(&backfill->stop))
		return error_set(error, STATUS_UNAVAILABLE, "stopped");
	status = sent_labels_merge(&worker->sent, pairs, pair_count, &backfill->external,
		config->cluster_label, config->replica_label, error);
	if (status == STATUS_OK)
		status = labels_check(worker, error);
	if (status == STATUS_OK)
		status = wanted(worker, &kept, error);
	if (status == STATUS_OK && kept)
		status = intern(worker, &series, error);
	if (status == STATUS_LIMIT || status == STATUS_BAD_INPUT) {
		refuse_series(worker, error);
		return STATUS_OK;
	}
	if (status != STATUS_OK || !kept)
		return status;
	store_fill(backfill->store, series, points, point_count,
		config->replica_label != NULL ? FILL_HOLES : FILL_ANYWHERE, fills);
	for (int result = 0; result < FILL_RESULT_COUNT; result++)
		worker->fills[result] += fills[result];
	if (fills[FILL_STORED] > 0)
		backfill_count_series(backfill, series);
	return STATUS_OK;
}

/* --- questions --- */

/* What an HTTP status other than 200 means. */
static void judge_failure(struct backfill_worker *worker, long http, const char *path,
	struct slice_outcome *outcome)
{
	const char *url = worker->backfill->config.target.url;
	struct prometheus_failure failure;

	prometheus_failure_read(worker->answer.data, worker->answer.size, &failure);
	error_set(&outcome->error, STATUS_UNAVAILABLE, "%.150s%s: HTTP %ld %s: %.200s", url, path,
		http, failure.type, failure.message);
	if (strstr(failure.message, "too many samples") != NULL)
		fail(outcome, SLICE_SMALLER, "too_many_samples");
	else if (http == 401 || http == 403)
		fail(outcome, SLICE_LATER, "denied");
	else if (http == 400 || http == 422)
		fail(outcome, SLICE_REFUSED, "rejected");
	else if (http < 500 && http != 429)
		fail(outcome, SLICE_LATER, "no_api");
	else if (strcmp(failure.type, "timeout") == 0 || http == 504)
		fail(outcome, SLICE_SMALLER_LATER, "timeout");
	else
		fail(outcome, SLICE_LATER, "server_error");
}

/* false: there is no answer to be read, the outcome says why. */
static bool ask(struct backfill_worker *worker, const char *path,
	const struct prometheus_parameter *parameters, struct slice_outcome *outcome)
{
	long http;
	enum status status = prometheus_client_ask(worker->client, path, parameters, &http,
		&worker->answer, &outcome->error);

	outcome->answer_size = worker->answer.size;
	if (atomic_load(&worker->backfill->stop))
		fail(outcome, SLICE_STOPPED, NULL);
	else if (status == STATUS_TOO_LARGE)
		fail(outcome, SLICE_SMALLER, "too_large");
	else if (status == STATUS_TIMEOUT)
		fail(outcome, SLICE_SMALLER_LATER, "timeout");
	else if (status == STATUS_NO_MEMORY)
		fail(outcome, SLICE_LATER, "no_memory");
	else if (status == STATUS_UNAVAILABLE)
		fail(outcome, SLICE_LATER, "unreachable");
	else if (status != STATUS_OK)
		fail(outcome, SLICE_LATER, "credentials");
	else if (http != 200)
		judge_failure(worker, http, path, outcome);
	else
		return true;
	return false;
}

/* A torn answer may be whole the next time; one that is always wrong is not waited for. */
static void judge_answer(struct backfill_worker *worker, enum status status,
	struct slice_outcome *outcome)
{
	struct backfill_job *job = worker->job;

	if (atomic_load(&worker->backfill->stop)) {
		fail(outcome, SLICE_STOPPED, NULL);
	} else if (status == STATUS_OK) {
		outcome->result = SLICE_TAKEN;
		job->malformed = 0;
	} else if (status == STATUS_NO_MEMORY) {
		fail(outcome, SLICE_LATER, "no_memory");
	} else {
		error_prefix(&outcome->error, "%.150s/api/v1/query",
			worker->backfill->config.target.url);
		fail(outcome, ++job->malformed < MALFORMED_MAX ? SLICE_LATER : SLICE_REFUSED,
			"malformed");
	}
}

static void count_answer(struct backfill_worker *worker, const struct matrix_counts *counts)
{
	struct backfill *backfill = worker->backfill;

	for (int result = 0; result < FILL_RESULT_COUNT; result++)
		metrics_add(METRIC_BACKFILL_SAMPLES, (double)worker->fills[result],
			fill_result_name((enum fill_result)result));
	metrics_add(METRIC_BACKFILL_SAMPLES, (double)counts->histograms, "histogram");
	metrics_add(METRIC_BACKFILL_SAMPLES, (double)counts->bad_samples, "malformed");
	metrics_add(METRIC_BACKFILL_FAILURES, (double)counts->bad_series, "series_refused");
	if (counts->warning[0] != '\0')
		LOG_WARN("Prometheus warns of its answer", LOG_TEXT("selector", worker->job->text),
			LOG_TEXT("warning", counts->warning));
	(void)pthread_mutex_lock(&backfill->lock);
	backfill->samples += worker->fills[FILL_STORED];
	backfill->refused += counts->bad_series;
	(void)pthread_mutex_unlock(&backfill->lock);
}

void backfill_slice(struct backfill_worker *worker, int64_t from_ms, int64_t to_ms,
	struct slice_outcome *outcome)
{
	char time[40], timeout[40];
	struct matrix_counts counts = {0};
	struct buf query;

	buf_init(&query, 65536);
	buf_printf(&query, "%s[%lldms]", worker->job->query, (long long)(to_ms - from_ms));
	snprintf(time, sizeof(time), "%lld.%03d", (long long)(to_ms / 1000), (int)(to_ms % 1000));
	snprintf(timeout, sizeof(timeout), "%lldms",
		(long long)worker->backfill->config.target.timeout_ms);
	const struct prometheus_parameter parameters[] = {{"query", query.data}, {"time", time},
		{"timeout", timeout}, {NULL, NULL}};

	memset(worker->fills, 0, sizeof(worker->fills));
	error_reset(&outcome->error);
	if (!buf_ok(&query)) {
		error_set(&outcome->error, STATUS_NO_MEMORY, "no memory for a question");
		fail(outcome, SLICE_LATER, "no_memory");
	} else if (ask(worker, "/api/v1/query", parameters, outcome)) {
		enum status status = matrix_read(&worker->matrix, worker->answer.data,
			worker->answer.size, take_series, worker, &counts, &outcome->error);

		count_answer(worker, &counts);
		judge_answer(worker, status, outcome);
	}
	buf_fini(&query);
}

void backfill_ask_labels(struct backfill_worker *worker, struct labels *external,
	struct slice_outcome *outcome)
{
	char *yaml = NULL;
	bool relabelled = false;
	enum status status;

	error_reset(&outcome->error);
	if (!ask(worker, "/api/v1/status/config", NULL, outcome)) {
		if (outcome->result == SLICE_REFUSED)
			outcome->result = SLICE_LATER;
		return;
	}
	status = prometheus_config_read(worker->answer.data, worker->answer.size, &yaml,
		&outcome->error);
	if (status == STATUS_OK)
		status = external_labels_of_config(yaml, external, &relabelled, &outcome->error);
	mem_free(yaml);
	outcome->result = SLICE_TAKEN;
	if (status != STATUS_OK) {
		error_prefix(&outcome->error, "%.150s/api/v1/status/config",
			worker->backfill->config.target.url);
		fail(outcome, SLICE_LATER, status == STATUS_NO_MEMORY ? "no_memory" : "labels");
	} else if (relabelled) {
		LOG_WARN("Prometheus has write_relabel_configs that change labels; they are not "
			 "applied to history, which then is of other series than the stream");
	}
}
