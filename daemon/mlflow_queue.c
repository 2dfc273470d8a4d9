/*
 * A ring of copies. The thread works on the oldest without the lock; it alone takes it out, so that its
 * place stays.
 */
#include "daemon/mlflow_queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "analyzers/models/model_file.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"

#define WAIT_FIRST_MS 1000
#define WAIT_MAX_MS INT64_C(300000)
#define TOLD_GAP_NS (INT64_C(600) * 1000000000)
#define MS_NS INT64_C(1000000)
#define TEXT_SIZE 160

struct entry {
	struct mlflow_run run; /* its texts are those below */
	uint64_t checksum;     /* of the artifact */
	const char *alias;
	char key[TEXT_SIZE], name[2 * TEXT_SIZE], *artifact;
	struct mlflow_param params[MLFLOW_QUEUE_PARAMS];
	struct mlflow_metric metrics[MLFLOW_QUEUE_METRICS];
};

struct mlflow_queue {
	struct mlflow *mlflow;
	int64_t wait_first_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t changed;
	struct entry *ring[MLFLOW_QUEUE_MAX];
	size_t first, count;
	atomic_bool stop;
	int64_t told_ns; /* when a failure was last written to the log; 0: never */
};

static void entry_free(struct entry *entry)
{
	if (entry != NULL)
		mem_free(entry->artifact);
	mem_free(entry);
}

/* Failures of an hour are a few lines. */
static void tell(struct mlflow_queue *queue, const struct error *error)
{
	int64_t now_ns = clock_mono_ns(clock_system());

	if (atomic_load(&queue->stop) ||
		(queue->told_ns != 0 && now_ns - queue->told_ns < TOLD_GAP_NS))
		return;
	queue->told_ns = now_ns;
	LOG_WARN("MLflow is not told of a training", LOG_ERROR_FIELD(error));
}

/* Waits until there is an entry; NULL: the end. */
static struct entry *next(struct mlflow_queue *queue)
{
	struct entry *entry;

	pthread_mutex_lock(&queue->lock);
	while (queue->count == 0 && !atomic_load(&queue->stop))
		pthread_cond_wait(&queue->changed, &queue->lock);
	entry = atomic_load(&queue->stop) ? NULL : queue->ring[queue->first];
	pthread_mutex_unlock(&queue->lock);
	return entry;
}

static void pause_for(struct mlflow_queue *queue, int64_t wait_ms)
{
	int64_t until_ns = clock_mono_ns(clock_system()) + wait_ms * MS_NS;
	const struct timespec until = {(time_t)(until_ns / (1000 * MS_NS)),
		(long)(until_ns % (1000 * MS_NS))};

	pthread_mutex_lock(&queue->lock);
	while (!atomic_load(&queue->stop) &&
		pthread_cond_timedwait(&queue->changed, &queue->lock, &until) == 0)
		;
	pthread_mutex_unlock(&queue->lock);
}

static void take_out(struct mlflow_queue *queue)
{
	struct entry *entry;
	size_t count;

	pthread_mutex_lock(&queue->lock);
	entry = queue->ring[queue->first];
	queue->first = (queue->first + 1) % MLFLOW_QUEUE_MAX;
	count = --queue->count;
	pthread_mutex_unlock(&queue->lock);
	metrics_set(METRIC_MLFLOW_QUEUE, (double)count);
	entry_free(entry);
}

/* What was trained since then has taken the file's place and is a run of its own. */
static bool artifact_there(const struct entry *entry)
{
	struct model_info info;
	struct error error;
	float *numbers;
	size_t count;

	if (model_file_read(entry->artifact, &info, &numbers, &count, &error) != STATUS_OK)
		return false;
	mem_free(numbers);
	return info.checksum == entry->checksum;
}

static enum status tell_one(struct mlflow_queue *queue, const struct entry *entry,
	struct error *error)
{
	struct mlflow_run run = entry->run;

	if (entry->artifact == NULL || !artifact_there(entry))
		return mlflow_log(queue->mlflow, &run, error);
	run.artifact = entry->artifact;
	return mlflow_register(queue->mlflow, &run, entry->alias, error);
}

static void *work(void *argument)
{
	struct mlflow_queue *queue = argument;
	int64_t wait_ms = queue->wait_first_ms;
	struct entry *entry;

	thread_name("mlflow");
	while ((entry = next(queue)) != NULL) {
		struct error error;
		enum status status = tell_one(queue, entry, &error);

		if (status == STATUS_OK) {
			metrics_inc(METRIC_MLFLOW_RUNS, "told");
			wait_ms = queue->wait_first_ms;
			take_out(queue);
			continue;
		}
		tell(queue, &error);
		if (!mlflow_transient(status)) {
			metrics_inc(METRIC_MLFLOW_RUNS, "refused");
			take_out(queue);
			continue;
		}
		metrics_inc(METRIC_MLFLOW_RUNS, "retry");
		pause_for(queue, wait_ms);
		wait_ms = 2 * wait_ms < WAIT_MAX_MS ? 2 * wait_ms : WAIT_MAX_MS;
	}
	return NULL;
}

static void queue_free(struct mlflow_queue *queue)
{
	for (; queue->count > 0; queue->count--) {
		entry_free(queue->ring[queue->first]);
		queue->first = (queue->first + 1) % MLFLOW_QUEUE_MAX;
	}
	mlflow_close(queue->mlflow);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	mem_free(queue);
}

struct mlflow_queue *mlflow_queue_open(const struct mlflow_config *config, int64_t wait_first_ms,
	struct error *error)
{
	struct mlflow_queue *queue = mem_zalloc(1, sizeof(*queue));
	pthread_condattr_t attributes;

	if (queue == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for what MLflow is told");
		return NULL;
	}
	queue->wait_first_ms = wait_first_ms > 0 ? wait_first_ms : WAIT_FIRST_MS;
	atomic_init(&queue->stop, false);
	CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&queue->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	queue->mlflow = mlflow_open(config, &queue->stop, error);
	if (queue->mlflow == NULL) {
		queue_free(queue);
		return NULL;
	}
	if (pthread_create(&queue->thread, NULL, work, queue) != 0) {
		error_set(error, STATUS_NO_MEMORY, "no thread for MLflow");
		queue_free(queue);
		return NULL;
	}
	return queue;
}

void mlflow_queue_close(struct mlflow_queue *queue)
{
	if (queue == NULL)
		return;
	pthread_mutex_lock(&queue->lock);
	atomic_store(&queue->stop, true);
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	pthread_join(queue->thread, NULL);
	if (queue->count > 0)
		LOG_WARN("MLflow is not told of what still waited", LOG_UINT("runs", queue->count));
	queue_free(queue);
}

static struct entry *entry_make(const struct mlflow_run *run, uint64_t checksum, const char *alias)
{
	struct entry *entry = mem_zalloc(1, sizeof(*entry));

	CHECK(run->param_count <= MLFLOW_QUEUE_PARAMS && run->metric_count <= MLFLOW_QUEUE_METRICS);
	if (entry == NULL)
		return NULL;
	entry->run = *run;
	snprintf(entry->key, sizeof(entry->key), "%s", run->key);
	snprintf(entry->name, sizeof(entry->name), "%s", run->name);
	if (run->param_count > 0)
		memcpy(entry->params, run->params, run->param_count * sizeof(*run->params));
	if (run->metric_count > 0)
		memcpy(entry->metrics, run->metrics, run->metric_count * sizeof(*run->metrics));
	entry->run.key = entry->key;
	entry->run.name = entry->name;
	entry->run.params = entry->params;
	entry->run.metrics = entry->metrics;
	entry->run.artifact = NULL;
	entry->checksum = checksum;
	entry->alias = alias;
	if (run->artifact != NULL) {
		entry->artifact = mem_strdup(run->artifact);
		if (entry->artifact == NULL) {
			mem_free(entry);
			return NULL;
		}
	}
	return entry;
}

void mlflow_queue_add(struct mlflow_queue *queue, const struct mlflow_run *run, uint64_t checksum,
	const char *alias)
{
	struct entry *entry = entry_make(run, checksum, alias);
	bool room;

	pthread_mutex_lock(&queue->lock);
	room = entry != NULL && queue->count < MLFLOW_QUEUE_MAX;
	if (room) {
		queue->ring[(queue->first + queue->count++) % MLFLOW_QUEUE_MAX] = entry;
		pthread_cond_signal(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	if (room)
		return;
	entry_free(entry);
	metrics_inc(METRIC_MLFLOW_RUNS, "dropped");
}
