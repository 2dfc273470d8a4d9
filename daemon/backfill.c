/*
 * Who asks for what, and when again.
 *
 * A job is a selector; a worker takes the job that is furthest behind (the newest slice of it all),
 * asks for one slice and gives it back. A failure of Prometheus holds all workers for a while, which
 * doubles up to BACKOFF_MAX_MS; an answer ends it. The first worker is the thread that asked for the
 * external labels; without them nothing is filled, because a series under other labels than the
 * stream's would be another series.
 *
 *   WAITING -> RUNNING   prepare(): the labels are known (at once when they are configured: then the
 *                        first answer counts)
 *   RUNNING -> DONE      finish(): all jobs have ended
 *           -> PARTIAL   finish(): some failed, or series were refused
 *   WAITING, RUNNING -> FAILED   give_up(): no answer for give_up_ms
 */
#include "daemon/backfill.h"

#include <stdio.h>
#include <string.h>

#include "analyzers/signals.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/backfill_state.h"

#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define TELL_NS INT64_C(10000000000)
#define MS_NS INT64_C(1000000)
#define SERIES_SEEN_MAX (UINT32_C(1) << 27)

static int64_t mono_ns(void)
{
	return clock_mono_ns(clock_system());
}

const char *backfill_state_name(enum backfill_state state)
{
	static const char *const names[] = {
#define X(state, name) name,
		BACKFILL_STATE_TABLE(X)
#undef X
	};

	return names[state];
}

/* --- jobs --- */

static enum status add_job(struct backfill *backfill, const struct matchers *matchers,
	struct error *error)
{
	struct backfill_job *job = &backfill->jobs[backfill->job_count];
	struct buf text;
	enum status status = STATUS_OK;

	matchers_init(&job->matchers);
	backfill->job_count++;
	for (size_t i = 0; status == STATUS_OK && i < matchers->count; i++)
		status = matchers_add(&job->matchers, matchers->list[i].type,
			matchers->list[i].name, matchers->list[i].value, error);
	buf_init(&text, 65536);
	matchers_write(&text, matchers);
	job->text = buf_take(&text, NULL);
	buf_fini(&text);
	if (status == STATUS_OK && job->text == NULL)
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	return status;
}

static enum status add_signals(struct backfill *backfill, struct error *error)
{
	const struct backfill_list *files = &backfill->config.signal_files;
	const struct matchers *selectors[SIGNAL_SELECTORS_MAX];
	struct diagnostics diagnostics;
	struct signal_set set;
	enum status status;
	size_t count;

	if (files->count == 0)
		return STATUS_OK;
	diagnostics_init(&diagnostics);
	status = signal_set_load(&set, files->texts, files->count, &diagnostics);
	if (status != STATUS_OK)
		error_set(error, status, "the signals have errors, see nimbusguard check");
	diagnostics_fini(&diagnostics);
	count = signal_set_selectors(&set, selectors);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_job(backfill, selectors[i], error);
	signal_set_fini(&set);
	return status;
}

static enum status add_jobs(struct backfill *backfill, struct error *error)
{
	const struct backfill_list *match = &backfill->config.match;
	struct selectors further;
	enum status status =
		selectors_init(&further, "backfill.match", match->texts, match->count, error);

	if (status != STATUS_OK)
		return status;
	backfill->jobs = mem_zalloc(match->count + SIGNAL_SELECTORS_MAX, sizeof(*backfill->jobs));
	if (backfill->jobs == NULL)
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (status == STATUS_OK)
		status = add_signals(backfill, error);
	for (size_t i = 0; i < further.count && status == STATUS_OK; i++)
		status = add_job(backfill, &further.list[i], error);
	selectors_fini(&further);
	return status;
}

static enum status open_parts(struct backfill *backfill, struct error *error)
{
	const struct backfill_config *config = &backfill->config;
	enum status status = prometheus_target_check(&config->target, error);

	if (status != STATUS_OK)
		return error_prefix(error, "backfill.url");
	if (config->external_given) {
		status = external_labels_of_list(config->external.texts, config->external.count,
			&backfill->external, error);
		if (status != STATUS_OK)
			return error_prefix(error, "backfill.external_labels");
	}
	status = selectors_init(&backfill->keep, "ingest.keep", config->keep.texts,
		config->keep.count, error);
	if (status == STATUS_OK)
		status = selectors_init(&backfill->drop, "ingest.drop", config->drop.texts,
			config->drop.count, error);
	return status == STATUS_OK ? add_jobs(backfill, error) : status;
}

struct backfill *backfill_open(const struct backfill_config *config, struct store *store,
	struct error *error)
{
	struct backfill *backfill = mem_zalloc(1, sizeof(*backfill));

	if (backfill == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	backfill->config = *config;
	backfill->store = store;
	backfill->state = BACKFILL_WAITING;
	(void)pthread_mutex_init(&backfill->lock, NULL);
	atomic_init(&backfill->stop, false);
	if (open_parts(backfill, error) != STATUS_OK) {
		backfill_close(backfill);
		return NULL;
	}
	return backfill;
}

void backfill_close(struct backfill *backfill)
{
	if (backfill == NULL)
		return;
	atomic_store(&backfill->stop, true);
	if (backfill->thread_runs)
		(void)pthread_join(backfill->thread, NULL);
	for (size_t i = 0; i < backfill->job_count; i++) {
		matchers_fini(&backfill->jobs[i].matchers);
		mem_free(backfill->jobs[i].text);
		mem_free(backfill->jobs[i].query);
	}
	mem_free(backfill->jobs);
	mem_free(backfill->seen);
	labels_fini(&backfill->external);
	selectors_fini(&backfill->keep);
	selectors_fini(&backfill->drop);
	(void)pthread_mutex_destroy(&backfill->lock);
	mem_free(backfill);
}

/* --- states; all under the lock --- */

static double progress_of(const struct backfill *backfill)
{
	double done = 0, range = (double)(backfill->to_ms - backfill->from_ms);

	if (backfill->job_count == 0 || range <= 0)
		return backfill->ended_ns != 0 && backfill->state != BACKFILL_FAILED ? 1 : 0;
	for (size_t i = 0; i < backfill->job_count; i++) {
		const struct backfill_job *job = &backfill->jobs[i];

		if (job->next_to_ms != 0)
			done += (double)(backfill->to_ms - job->next_to_ms) / range;
	}
	return done / (double)backfill->job_count;
}

static double seconds_of(const struct backfill *backfill)
{
	int64_t end_ns = backfill->ended_ns != 0 ? backfill->ended_ns : mono_ns();

	return backfill->started_ns != 0 ? (double)(end_ns - backfill->started_ns) / 1e9 : 0;
}

/* What is told of an end or on the way. */
struct tale {
	enum backfill_state state;
	uint64_t series, samples, failures, refused;
	double seconds, progress;
	char problem[ERROR_TEXT_MAX];
};

static void tale_take(const struct backfill *backfill, struct tale *tale)
{
	*tale = (struct tale){.state = backfill->state,
		.series = backfill->series,
		.samples = backfill->samples,
		.failures = backfill->failures,
		.refused = backfill->refused,
		.seconds = seconds_of(backfill),
		.progress = progress_of(backfill)};
	memcpy(tale->problem, backfill->problem, sizeof(tale->problem));
}

static void end(struct backfill *backfill, enum backfill_state state)
{
	backfill->state = state;
	backfill->ended_ns = mono_ns();
}

/* Holds everybody for a while; true when that was the last one. */
static bool back_off(struct backfill *backfill, int64_t *wait_ms)
{
	int64_t now_ns = mono_ns(), next_ms = backfill->backoff_ms * 2;

	*wait_ms = backfill->backoff_ms;
	if (backfill->retry_ns > now_ns) {
		/* Another worker's failure of the same time. */
		*wait_ms = (backfill->retry_ns - now_ns) / MS_NS;
	} else {
		backfill->retry_ns = now_ns + *wait_ms * MS_NS;
		backfill->backoff_ms = next_ms < BACKOFF_MAX_MS ? next_ms : BACKOFF_MAX_MS;
	}
	if (now_ns - backfill->good_ns < backfill->config.give_up_ms * MS_NS)
		return false;
	if (backfill->state == BACKFILL_FAILED)
		return false;
	end(backfill, BACKFILL_FAILED);
	return true;
}

static void answered(struct backfill *backfill)
{
	backfill->good_ns = mono_ns();
	backfill->backoff_ms = BACKOFF_MIN_MS;
	backfill->retry_ns = 0;
	if (backfill->state == BACKFILL_WAITING)
		backfill->state = BACKFILL_RUNNING;
	if (backfill->started_ns == 0)
		backfill->started_ns = backfill->good_ns;
}

/* --- failures --- */

/* job: NULL for the external labels. */
static void tell_failure(struct backfill *backfill, const struct backfill_job *job,
	const struct slice_outcome *outcome)
{
	bool smaller = outcome->result == SLICE_SMALLER, given_up = false;
	const char *selector = job != NULL ? job->text : "";
	int64_t wait_ms = 0;

	metrics_inc(METRIC_BACKFILL_FAILURES, outcome->reason);
	(void)pthread_mutex_lock(&backfill->lock);
	backfill->failures++;
	snprintf(backfill->problem, sizeof(backfill->problem), "%s", outcome->error.text);
	if (outcome->result == SLICE_LATER || outcome->result == SLICE_SMALLER_LATER)
		given_up = back_off(backfill, &wait_ms);
	(void)pthread_mutex_unlock(&backfill->lock);
	if (given_up)
		LOG_ERROR("history is given up, the rings fill from the stream alone",
			LOG_TEXT("reason", outcome->reason), LOG_ERROR_FIELD(&outcome->error));
	else if (outcome->result == SLICE_REFUSED)
		LOG_ERROR("history of a selector is given up", LOG_TEXT("selector", selector),
			LOG_TEXT("reason", outcome->reason), LOG_ERROR_FIELD(&outcome->error));
	else if (smaller)
		LOG_INFO("less history is asked for at a time", LOG_TEXT("selector", selector),
			LOG_TEXT("reason", outcome->reason), LOG_ERROR_FIELD(&outcome->error));
	else
		LOG_WARN("history is not to be had now, it is asked for again",
			LOG_TEXT("selector", selector), LOG_TEXT("reason", outcome->reason),
			LOG_ERROR_FIELD(&outcome->error), LOG_INT("retry_ms", wait_ms));
}

void backfill_count_series(struct backfill *backfill, uint32_t series)
{
	size_t word = series / 64, words;
	bool first = false;

	(void)pthread_mutex_lock(&backfill->lock);
	if (word >= backfill->seen_words && series < SERIES_SEEN_MAX) {
		words = (word + 1) * 2 + 1024;
		uint64_t *larger = mem_resize(backfill->seen, words, sizeof(*larger));

		if (larger != NULL) {
			memset(larger + backfill->seen_words, 0,
				(words - backfill->seen_words) * sizeof(*larger));
			backfill->seen = larger;
			backfill->seen_words = words;
		}
	}
	if (word < backfill->seen_words) {
		first = (backfill->seen[word] >> series % 64 & 1) == 0;
		backfill->seen[word] |= UINT64_C(1) << series % 64;
		backfill->series += first;
	}
	(void)pthread_mutex_unlock(&backfill->lock);
	if (first)
		metrics_inc(METRIC_BACKFILL_SERIES);
}

/* --- workers --- */

static void worker_close(struct backfill_worker *worker)
{
	if (worker == NULL)
		return;
	prometheus_client_close(worker->client);
	matrix_fini(&worker->matrix);
	selector_scratch_fini(&worker->scratch);
	buf_fini(&worker->raw);
	buf_fini(&worker->answer);
	mem_free(worker);
}

static struct backfill_worker *worker_open(struct backfill *backfill, struct error *error)
{
	struct backfill_worker *worker = mem_zalloc(1, sizeof(*worker));

	if (worker == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	worker->backfill = backfill;
	matrix_init(&worker->matrix);
	buf_init(&worker->raw, (size_t)64 << 20);
	buf_init(&worker->answer, backfill->config.target.answer_max);
	if (selector_scratch_init(&worker->scratch, SENT_LABELS_MAX) != STATUS_OK)
		error_set(error, STATUS_NO_MEMORY, "out of memory");
	else
		worker->client =
			prometheus_client_open(&backfill->config.target, &backfill->stop, error);
	if (worker->client == NULL) {
		worker_close(worker);
		return NULL;
	}
	return worker;
}

/* The job that is furthest behind, and its next slice. *wait: somebody else has the last ones, or
 * Prometheus is to be left alone for now. NULL without *wait: it is over. */
static struct backfill_job *job_take(struct backfill *backfill, int64_t *from_ms, int64_t *to_ms,
	bool *wait)
{
	struct backfill_job *best = NULL;
	bool busy = false;

	(void)pthread_mutex_lock(&backfill->lock);
	for (size_t i = 0; i < backfill->job_count; i++) {
		struct backfill_job *job = &backfill->jobs[i];

		busy = busy || job->busy;
		if (!job->ended && !job->busy &&
			(best == NULL || job->next_to_ms > best->next_to_ms))
			best = job;
	}
	*wait = false;
	if (atomic_load(&backfill->stop) || backfill->state == BACKFILL_FAILED) {
		best = NULL;
	} else if ((best == NULL && busy) || mono_ns() < backfill->retry_ns) {
		best = NULL;
		*wait = true;
	}
	if (best != NULL) {
		best->busy = true;
		*to_ms = best->next_to_ms;
		*from_ms = *to_ms - best->span_ms > backfill->from_ms ? *to_ms - best->span_ms
								      : backfill->from_ms;
	}
	(void)pthread_mutex_unlock(&backfill->lock);
	return best;
}

/* false: it cannot be made any smaller. */
static bool job_halve(struct backfill_job *job)
{
	job->span_ms /= 2;
	return job->span_ms >= SLICE_MIN_MS;
}

static void job_give(struct backfill *backfill, struct backfill_job *job, int64_t from_ms,
	const struct slice_outcome *outcome)
{
	(void)pthread_mutex_lock(&backfill->lock);
	job->busy = false;
	switch (outcome->result) {
	case SLICE_TAKEN:
		answered(backfill);
		job->next_to_ms = from_ms;
		job->ended = from_ms <= backfill->from_ms;
		if (outcome->answer_size < backfill->config.target.answer_max / 8)
			job->span_ms *= 2;
		break;
	case SLICE_SMALLER_LATER:
		/* A busy Prometheus is no reason to give a selector up. */
		(void)(job_halve(job) || (job->span_ms = SLICE_MIN_MS));
		break;
	case SLICE_SMALLER:
		answered(backfill);
		job->failed = job->ended = !job_halve(job);
		break;
	case SLICE_REFUSED:
		answered(backfill);
		job->failed = job->ended = true;
		break;
	case SLICE_LATER:
	case SLICE_STOPPED:
		break;
	}
	(void)pthread_mutex_unlock(&backfill->lock);
}

static void tell_progress(struct backfill *backfill)
{
	struct tale tale;
	bool due;

	(void)pthread_mutex_lock(&backfill->lock);
	due = backfill->state == BACKFILL_RUNNING && mono_ns() - backfill->told_ns > TELL_NS;
	if (due)
		backfill->told_ns = mono_ns();
	tale_take(backfill, &tale);
	(void)pthread_mutex_unlock(&backfill->lock);
	if (due)
		LOG_INFO("history is being fetched", LOG_DOUBLE("progress", tale.progress),
			LOG_UINT("series", tale.series), LOG_UINT("samples", tale.samples));
}

static void *work(void *argument)
{
	struct backfill_worker *worker = argument;
	struct backfill *backfill = worker->backfill;
	int64_t from_ms, to_ms;
	bool wait;

	for (;;) {
		struct slice_outcome outcome = {.result = SLICE_LATER};

		worker->job = job_take(backfill, &from_ms, &to_ms, &wait);
		if (worker->job == NULL && !wait)
			return NULL;
		if (worker->job == NULL) {
			clock_sleep_ms(20);
			continue;
		}
		backfill_slice(worker, from_ms, to_ms, &outcome);
		if (outcome.result != SLICE_TAKEN && outcome.result != SLICE_STOPPED)
			tell_failure(backfill, worker->job, &outcome);
		job_give(backfill, worker->job, from_ms, &outcome);
		tell_progress(backfill);
	}
}

/* --- the thread --- */

/* Waits as long as a failure wants; false: it is over. */
static bool wait_retry(struct backfill *backfill)
{
	bool failed, due = false;

	while (!due) {
		(void)pthread_mutex_lock(&backfill->lock);
		due = mono_ns() >= backfill->retry_ns;
		failed = backfill->state == BACKFILL_FAILED;
		(void)pthread_mutex_unlock(&backfill->lock);
		if (failed || atomic_load(&backfill->stop))
			return false;
		if (!due)
			clock_sleep_ms(20);
	}
	return true;
}

/* The external labels, and with them the questions. */
static bool prepare(struct backfill *backfill, struct backfill_worker *worker)
{
	struct slice_outcome outcome = {.result = SLICE_TAKEN};

	if (!backfill->config.external_given) {
		do {
			if (!wait_retry(backfill))
				return false;
			backfill_ask_labels(worker, &backfill->external, &outcome);
			if (outcome.result == SLICE_LATER ||
				outcome.result == SLICE_SMALLER_LATER ||
				outcome.result == SLICE_SMALLER) {
				outcome.result = SLICE_LATER;
				tell_failure(backfill, NULL, &outcome);
			}
		} while (outcome.result == SLICE_LATER);
		if (outcome.result == SLICE_STOPPED)
			return false;
		(void)pthread_mutex_lock(&backfill->lock);
		answered(backfill);
		(void)pthread_mutex_unlock(&backfill->lock);
	}
	for (size_t i = 0; i < backfill->job_count; i++) {
		struct backfill_job *job = &backfill->jobs[i];
		struct buf query;

		buf_init(&query, 65536);
		if (backfill_selector(&job->matchers, &backfill->external, &query,
			    &outcome.error) == STATUS_OK)
			job->query = buf_take(&query, NULL);
		buf_fini(&query);
		if (job->query == NULL) {
			outcome.result = SLICE_REFUSED;
			outcome.reason = "no_memory";
			tell_failure(backfill, job, &outcome);
			job->failed = job->ended = true;
		}
	}
	return true;
}

static void plan(struct backfill *backfill)
{
	(void)pthread_mutex_lock(&backfill->lock);
	backfill->to_ms = clock_now_ms(backfill->config.clock);
	backfill->from_ms = backfill->to_ms - backfill->config.range_ms;
	backfill->told_ns = mono_ns();
	for (size_t i = 0; i < backfill->job_count; i++) {
		backfill->jobs[i].next_to_ms = backfill->to_ms;
		backfill->jobs[i].span_ms = SLICE_FIRST_MS < backfill->config.range_ms
			? SLICE_FIRST_MS
			: backfill->config.range_ms;
	}
	(void)pthread_mutex_unlock(&backfill->lock);
	LOG_INFO("history begins to be fetched", LOG_UINT("selectors", backfill->job_count),
		LOG_DOUBLE("range_s", (double)backfill->config.range_ms / 1000));
}

static void finish(struct backfill *backfill)
{
	struct tale tale;
	size_t failed = 0;
	bool over;

	(void)pthread_mutex_lock(&backfill->lock);
	for (size_t i = 0; i < backfill->job_count; i++)
		failed += backfill->jobs[i].failed;
	over = backfill->state == BACKFILL_FAILED || atomic_load(&backfill->stop);
	if (!over)
		end(backfill, failed + backfill->refused > 0 ? BACKFILL_PARTIAL : BACKFILL_DONE);
	/* What was in the way once is over: nobody shall look for it. The failures stay counted. */
	if (!over && backfill->state == BACKFILL_DONE)
		backfill->problem[0] = '\0';
	tale_take(backfill, &tale);
	(void)pthread_mutex_unlock(&backfill->lock);
	if (over)
		return;
	if (tale.state == BACKFILL_DONE)
		LOG_INFO("history fetched", LOG_UINT("series", tale.series),
			LOG_UINT("samples", tale.samples), LOG_DOUBLE("seconds", tale.seconds));
	else
		LOG_WARN("history fetched in part", LOG_UINT("series", tale.series),
			LOG_UINT("samples", tale.samples), LOG_UINT("selectors_failed", failed),
			LOG_UINT("series_refused", tale.refused),
			LOG_DOUBLE("seconds", tale.seconds), LOG_TEXT("err", tale.problem));
}

/* Further workers, as many as there is memory for. */
static void work_together(struct backfill *backfill, struct backfill_worker *first)
{
	struct backfill_worker *others[BACKFILL_CONCURRENCY_MAX];
	size_t count = 0, wanted = backfill->config.concurrency;

	while (count + 1 < wanted && count < BACKFILL_CONCURRENCY_MAX &&
		count + 1 < backfill->job_count) {
		struct backfill_worker *worker = worker_open(backfill, NULL);

		if (worker == NULL)
			break;
		if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
			worker_close(worker);
			break;
		}
		others[count++] = worker;
	}
	(void)work(first);
	while (count > 0) {
		(void)pthread_join(others[--count]->thread, NULL);
		worker_close(others[count]);
	}
}

static void *run(void *argument)
{
	struct backfill *backfill = argument;
	struct slice_outcome outcome = {.result = SLICE_LATER, .reason = "no_memory"};
	struct backfill_worker *worker = NULL;

	while (worker == NULL && wait_retry(backfill)) {
		worker = worker_open(backfill, &outcome.error);
		if (worker == NULL)
			tell_failure(backfill, NULL, &outcome);
	}
	if (worker != NULL && prepare(backfill, worker)) {
		plan(backfill);
		work_together(backfill, worker);
		finish(backfill);
	}
	worker_close(worker);
	return NULL;
}

enum status backfill_start(struct backfill *backfill, struct error *error)
{
	backfill->good_ns = mono_ns();
	backfill->backoff_ms = BACKOFF_MIN_MS;
	backfill->thread_runs = pthread_create(&backfill->thread, NULL, run, backfill) == 0;
	if (!backfill->thread_runs)
		return error_set(error, STATUS_NO_MEMORY, "no thread to fetch history");
	return STATUS_OK;
}

/* --- reading --- */

enum backfill_state backfill_state(struct backfill *backfill)
{
	enum backfill_state state;

	if (backfill == NULL)
		return BACKFILL_OFF;
	(void)pthread_mutex_lock(&backfill->lock);
	state = backfill->state;
	(void)pthread_mutex_unlock(&backfill->lock);
	return state;
}

void backfill_write_json(struct backfill *backfill, struct buf *json)
{
	struct tale tale = {.state = BACKFILL_OFF};

	if (backfill != NULL) {
		(void)pthread_mutex_lock(&backfill->lock);
		tale_take(backfill, &tale);
		(void)pthread_mutex_unlock(&backfill->lock);
	}
	buf_printf(json, "{\"state\":\"%s\"", backfill_state_name(tale.state));
	if (backfill != NULL) {
		buf_printf(json, ",\"series\":%llu,\"samples\":%llu,\"failures\":%llu,",
			(unsigned long long)tale.series, (unsigned long long)tale.samples,
			(unsigned long long)(tale.failures + tale.refused));
		buf_add_text(json, "\"progress\":");
		buf_add_json_number(json, tale.progress);
		buf_add_text(json, ",\"seconds\":");
		buf_add_json_number(json, tale.seconds);
		buf_add_text(json, ",\"error\":");
		buf_add_json_string(json, tale.problem, strlen(tale.problem));
	}
	buf_add_char(json, '}');
}

void backfill_collect(struct backfill *backfill)
{
	struct tale tale = {.state = BACKFILL_OFF};

	if (backfill != NULL) {
		(void)pthread_mutex_lock(&backfill->lock);
		tale_take(backfill, &tale);
		(void)pthread_mutex_unlock(&backfill->lock);
		metrics_set(METRIC_BACKFILL_PROGRESS, tale.progress);
		metrics_set(METRIC_BACKFILL_DURATION, tale.seconds);
	}
	for (int state = 0; state < BACKFILL_STATE_COUNT; state++)
		metrics_set(METRIC_BACKFILL_STATE, state == (int)tale.state,
			backfill_state_name((enum backfill_state)state));
}
