/*
 * One job in a place of its own: empty -> given -> under way -> done -> empty.
 */
#include "analyzers/scaler/tutor.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "analyzers/minutes.h"
#include "analyzers/scaler/scaler_kept.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define NICE 19
#define SLOTS_MAX ((size_t)TUTOR_DAYS_MAX * POLICY_SLOTS_PER_DAY)
/* A minute behind the last, so that the line has its end. */
#define MINUTES_MAX (SLOTS_MAX / POLICY_SLOTS_PER_MINUTE + 2)
#define SEED 1

struct tutor {
	struct rollup *rollup;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum { TUTOR_EMPTY, TUTOR_GIVEN, TUTOR_UNDER_WAY, TUTOR_DONE } state;
	struct tutor_job job;
	double *minutes; /* [MINUTES_MAX] */
	float *rates;    /* [SLOTS_MAX] */
	pthread_t thread;
	bool runs, stopping;
};

static const char *const kind_names[TUTOR_KINDS] = {
#define X(kind, name) [kind] = name,
	TUTOR_KIND_TABLE(X)
#undef X
};

const char *tutor_kind_name(enum tutor_kind kind)
{
	CHECK((unsigned)kind < TUTOR_KINDS);
	return kind_names[kind];
}

struct tutor *tutor_open(struct rollup *rollup, struct error *error)
{
	struct tutor *tutor = mem_zalloc(1, sizeof(*tutor));

	if (tutor == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&tutor->lock, NULL);
	pthread_cond_init(&tutor->changed, NULL);
	tutor->rollup = rollup;
	tutor->minutes = mem_zalloc(MINUTES_MAX, sizeof(*tutor->minutes));
	tutor->rates = mem_zalloc(SLOTS_MAX, sizeof(*tutor->rates));
	if (tutor->minutes == NULL || tutor->rates == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		tutor_close(tutor);
		return NULL;
	}
	return tutor;
}

void tutor_close(struct tutor *tutor)
{
	if (tutor == NULL)
		return;
	tutor_stop(tutor);
	CHECK(tutor->state == TUTOR_EMPTY);
	mem_free(tutor->minutes);
	mem_free(tutor->rates);
	pthread_cond_destroy(&tutor->changed);
	pthread_mutex_destroy(&tutor->lock);
	mem_free(tutor);
}

/* ---- history ---- */

size_t tutor_history(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role load_role, int64_t end, double *minutes, float *rates, size_t count)
{
	int64_t first = end - (int64_t)count, from = first / POLICY_SLOTS_PER_MINUTE - 1;
	size_t minute_count = count / POLICY_SLOTS_PER_MINUTE + 2, known = 0;
	const struct rollup_columns columns = {.mean = minutes};
	char key[ROLLUP_KEY_MAX];

	rollup_read(rollup, key, minutes_key(workload, load_role, key), from,
		from + (int64_t)minute_count, &columns);
	for (size_t i = 0; i < count; i++) {
		int64_t slot = first + (int64_t)i;
		size_t minute = (size_t)(slot / POLICY_SLOTS_PER_MINUTE - from);
		/* From the middle of the minute to that of the slot, in minutes. */
		double off =
			((double)(slot % POLICY_SLOTS_PER_MINUTE) + .5) / POLICY_SLOTS_PER_MINUTE -
			.5;
		size_t other = off < 0 ? minute - 1 : minute + 1;
		double here = minutes[minute];

		if (other < minute_count && isfinite(minutes[other]))
			here += fabs(off) * (minutes[other] - here);
		known += isfinite(here) ? 1 : 0;
		rates[i] = isfinite(here) ? (float)here : NAN;
	}
	return known;
}

/* The stretch from the first known slot on; 0: none is. */
static size_t read_history(struct tutor *tutor, const struct tutor_job *job, const float **rates,
	int64_t *first)
{
	size_t at = 0;

	(void)tutor_history(tutor->rollup, &job->workload, job->load_role, job->end, tutor->minutes,
		tutor->rates, SLOTS_MAX);
	while (at < SLOTS_MAX && isnan(tutor->rates[at]))
		at++;
	*rates = tutor->rates + at;
	*first = job->end - (int64_t)(SLOTS_MAX - at);
	return SLOTS_MAX - at;
}

/* ---- jobs ---- */

static void learn(struct tutor *tutor, struct tutor_job *job)
{
	const float *rates;
	int64_t first;
	size_t count = read_history(tutor, job, &rates, &first);

	job->policy = quantile_policy_open(&job->config, &job->error);
	if (job->policy != NULL && job->folder != NULL)
		job->restored = scaler_restore_policy(job->folder, &job->workload, job->load_role,
			job->end, job->policy);
	if (job->restored) {
		quantile_policy_recall(job->policy, rates, count, first);
		return;
	}
	if (job->policy != NULL &&
		quantile_policy_learn(job->policy, rates, count, first, &job->error) != STATUS_OK) {
		quantile_policy_close(job->policy);
		job->policy = NULL;
	}
}

static void carry_out(struct tutor *tutor, struct tutor_job *job)
{
	int64_t start_ns = clock_mono_ns(clock_system());
	const float *rates;
	int64_t first;
	size_t count;

	job->error.code = STATUS_OK;
	if (job->kind == TUTOR_LEARN) {
		learn(tutor, job);
	} else if (job->kind == TUTOR_NIGHT) {
		quantile_night_run(job->night);
	} else {
		count = read_history(tutor, job, &rates, &first);
		job->lesson = quantile_lesson_make(rates, count, first, SEED, &job->error);
	}
	metrics_inc(METRIC_SCALER_LESSONS, tutor_kind_name(job->kind),
		status_label(job->error.code));
	metrics_observe(METRIC_SCALER_LESSON_SECONDS,
		(double)(clock_mono_ns(clock_system()) - start_ns) / 1e9,
		tutor_kind_name(job->kind));
}

bool tutor_run(struct tutor *tutor)
{
	struct tutor_job job;
	bool given;

	pthread_mutex_lock(&tutor->lock);
	given = tutor->state == TUTOR_GIVEN;
	if (given)
		tutor->state = TUTOR_UNDER_WAY;
	job = tutor->job;
	pthread_mutex_unlock(&tutor->lock);
	if (!given)
		return false;
	carry_out(tutor, &job);
	pthread_mutex_lock(&tutor->lock);
	tutor->job = job;
	tutor->state = TUTOR_DONE;
	pthread_mutex_unlock(&tutor->lock);
	return true;
}

static void *run(void *argument)
{
	struct tutor *tutor = argument;
	bool stopping = false;

	if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE) != 0)
		LOG_WARN("the scaler's learning runs at the priority of all else");
	while (!stopping) {
		pthread_mutex_lock(&tutor->lock);
		while (!tutor->stopping && tutor->state != TUTOR_GIVEN)
			pthread_cond_wait(&tutor->changed, &tutor->lock);
		stopping = tutor->stopping;
		pthread_mutex_unlock(&tutor->lock);
		if (!stopping)
			(void)tutor_run(tutor);
	}
	return NULL;
}

enum status tutor_start(struct tutor *tutor, struct error *error)
{
	if (pthread_create(&tutor->thread, NULL, run, tutor) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for the scaler's learning");
	tutor->runs = true;
	return STATUS_OK;
}

void tutor_stop(struct tutor *tutor)
{
	pthread_mutex_lock(&tutor->lock);
	tutor->stopping = true;
	pthread_cond_signal(&tutor->changed);
	pthread_mutex_unlock(&tutor->lock);
	if (tutor->runs)
		pthread_join(tutor->thread, NULL);
	tutor->runs = false;
}

bool tutor_idle(struct tutor *tutor)
{
	bool idle;

	pthread_mutex_lock(&tutor->lock);
	idle = tutor->state == TUTOR_EMPTY && !tutor->stopping;
	pthread_mutex_unlock(&tutor->lock);
	return idle;
}

void tutor_give(struct tutor *tutor, const struct tutor_job *job)
{
	pthread_mutex_lock(&tutor->lock);
	CHECK(tutor->state == TUTOR_EMPTY);
	tutor->job = *job;
	tutor->state = TUTOR_GIVEN;
	pthread_cond_signal(&tutor->changed);
	pthread_mutex_unlock(&tutor->lock);
}

bool tutor_take(struct tutor *tutor, struct tutor_job *job)
{
	bool taken;

	pthread_mutex_lock(&tutor->lock);
	taken = tutor->state == TUTOR_DONE || (tutor->state == TUTOR_GIVEN && tutor->stopping);
	if (taken) {
		if (tutor->state == TUTOR_GIVEN)
			error_set(&tutor->job.error, STATUS_UNAVAILABLE, "the service ends");
		*job = tutor->job;
		tutor->state = TUTOR_EMPTY;
	}
	pthread_mutex_unlock(&tutor->lock);
	return taken;
}
