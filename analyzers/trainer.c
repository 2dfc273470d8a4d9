/*
 * One ring of jobs: [taken, done) are ready, [done, asked) wait; the thread works on job `done`
 * without the lock, which guards the three counters alone.
 */
#include "analyzers/trainer.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "analyzers/learnt_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"

#define NICE 19

struct job {
	struct train_order order;
	struct trained trained;
};

struct trainer {
	struct rollup *rollup;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t changed;
	pthread_t thread;
	bool runs, stopping;
	char folder[LEARNT_PATH_MAX]; /* empty: nothing is kept */
	size_t keeping;               /* orders of KEEP_* that wait */
	training_told_fn *told;       /* NULL: nobody */
	void *told_argument;
	struct job jobs[TRAINER_QUEUE_MAX];
	size_t taken, done, asked;
};

struct trainer *trainer_open(struct rollup *rollup, struct error *error)
{
	struct trainer *trainer = mem_zalloc(1, sizeof(*trainer));

	if (trainer == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	trainer->rollup = rollup;
	pthread_mutex_init(&trainer->lock, NULL);
	pthread_cond_init(&trainer->changed, NULL);
	return trainer;
}

void trainer_stop(struct trainer *trainer)
{
	if (!trainer->runs)
		return;
	pthread_mutex_lock(&trainer->lock);
	trainer->stopping = true;
	pthread_cond_signal(&trainer->changed);
	pthread_mutex_unlock(&trainer->lock);
	pthread_join(trainer->thread, NULL);
	trainer->runs = false;
}

void trainer_close(struct trainer *trainer)
{
	if (trainer == NULL)
		return;
	trainer_stop(trainer);
	for (; trainer->asked > trainer->done; trainer->asked--)
		mem_free(trainer->jobs[(trainer->asked - 1) % TRAINER_QUEUE_MAX].order.kept);
	for (; trainer->taken < trainer->done; trainer->taken++) {
		struct job *job = &trainer->jobs[trainer->taken % TRAINER_QUEUE_MAX];

		watch_model_close(job->trained.model);
		outlook_close(job->trained.outlook);
		demand_close(job->trained.demand);
	}
	pthread_cond_destroy(&trainer->changed);
	pthread_mutex_destroy(&trainer->lock);
	mem_free(trainer);
}

static struct job *next_job(struct trainer *trainer)
{
	return trainer->done < trainer->asked ? &trainer->jobs[trainer->done % TRAINER_QUEUE_MAX]
					      : NULL;
}

void trainer_keep_in(struct trainer *trainer, const char *folder)
{
	snprintf(trainer->folder, sizeof(trainer->folder), "%.4000s", folder);
}

bool trainer_keeps(const struct trainer *trainer)
{
	return trainer->folder[0] != '\0';
}

void trainer_tell(struct trainer *trainer, training_told_fn *told, void *argument)
{
	trainer->told = told;
	trainer->told_argument = argument;
}

_Static_assert(TRAINING_HORIZONS == OUTLOOK_HORIZONS, "a skill each");
/* As which a demand's skill is told: 15 minutes. */
#define DEMAND_HORIZON 1

static void skill_mean(const struct outlook *outlook, double *skill)
{
	size_t counts[OUTLOOK_HORIZONS] = {0};

	for (int role = 0; outlook != NULL && role < ROLE_COUNT; role++) {
		struct outlook_view view;

		if (!outlook_read(outlook, (enum signal_role)role, &view))
			continue;
		for (size_t i = 0; i < OUTLOOK_HORIZONS; i++) {
			if (isnan(view.skill[i]))
				continue;
			skill[i] = (counts[i] == 0 ? 0 : skill[i]) + view.skill[i];
			counts[i]++;
		}
	}
	for (size_t i = 0; i < OUTLOOK_HORIZONS; i++)
		skill[i] = counts[i] > 0 ? skill[i] / (double)counts[i] : NAN;
}

static const char *method_of(const struct train_order *order)
{
	if (order->kind == TRAIN_DEMAND)
		return "quantile_net";
	return order->kind == TRAIN_WATCH ? order->watch.class->name
					  : forecaster_class_name(order->outlook.class);
}

static int64_t rows_of(const struct train_order *order)
{
	if (order->kind == TRAIN_DEMAND)
		return order->rows;
	return order->kind == TRAIN_WATCH ? order->watch.train_rows : order->outlook.train_rows;
}

static void tell(const struct trainer *trainer, const struct job *job, const char *kind,
	enum status status, int64_t started_ms)
{
	const struct train_order *order = &job->order;
	struct training_report report = {.kind = kind,
		.method = method_of(order),
		.workload = &order->workload,
		.status = status,
		.started_ms = started_ms,
		.ended_ms = clock_now_ms(clock_system()),
		.end_minute = order->end,
		.rows_max = rows_of(order)};

	if (trainer->told == NULL)
		return;
	skill_mean(job->trained.outlook, report.skill);
	if (job->trained.demand != NULL) {
		struct demand_view view;

		demand_read(job->trained.demand, &view);
		report.skill[DEMAND_HORIZON] = view.skill;
	}
	trainer->told(trainer->told_argument, &report);
}

static const char *const kinds[] = {"detect", "forecast", "peak", "detect", "forecast", "peak"};

/* Before what was learnt is handed over: its state is nobody else's yet. */
static void keep(const struct trainer *trainer, const struct workload_key *workload,
	const char *kind, const void *bytes, size_t size)
{
	struct error error = {.code = STATUS_OK};
	enum status status = STATUS_NO_MEMORY;

	if (bytes != NULL)
		status = learnt_file_write(trainer->folder, kind, workload, bytes, size, &error);
	metrics_inc(METRIC_MODELS_KEPT, kind, status_label(status));
	if (status != STATUS_OK && bytes != NULL)
		LOG_WARN("what was learnt of a workload is not kept",
			LOG_TEXT("workload", workload->name), LOG_ERROR_FIELD(&error));
}

static void keep_trained(const struct trainer *trainer, struct trained *trained)
{
	void *bytes = NULL;
	size_t size = 0;

	/* A demand may yet have to give way to the one that serves, whose file stays until then. */
	if (!trainer_keeps(trainer) || trained->demand != NULL)
		return;
	bytes = trained->model != NULL ? watch_model_write(trained->model, &size)
				       : outlook_write(trained->outlook, &size);
	keep(trainer, &trained->workload, kinds[trained->kind], bytes, size);
	mem_free(bytes);
}

static enum status read_back(const struct trainer *trainer, const struct train_order *order,
	const void *body, size_t size, struct trained *trained, struct error *error)
{
	if (order->kind == TRAIN_WATCH)
		return watch_restore(&order->watch, trainer->rollup, &order->workload, order->roles,
			order->end, body, size, &trained->model, error);
	if (order->kind == TRAIN_DEMAND)
		return demand_restore(trainer->rollup, &order->workload, order->role, order->end,
			body, size, &trained->demand, error);
	return outlook_restore(&order->outlook, trainer->rollup, &order->workload, order->roles,
		order->end, body, size, &trained->outlook, error);
}

/* What a file tells; false: it is to be learnt anew. */
static bool restore(struct trainer *trainer, const struct train_order *order,
	struct trained *trained)
{
	const char *kind = kinds[order->kind];
	const void *body;
	struct error error;
	struct buf bytes;
	enum status status;
	size_t size;

	if (!order->restore || !trainer_keeps(trainer))
		return false;
	buf_init(&bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(trainer->folder, kind, &order->workload, &bytes, &body, &size,
		&error);
	if (status == STATUS_OK)
		status = read_back(trainer, order, body, size, trained, &error);
	buf_fini(&bytes);
	trained->restored = status == STATUS_OK;
	metrics_inc(METRIC_MODELS_RESTORED, kind, status_label(status));
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		LOG_WARN("what was learnt of a workload before is refused, it is learnt anew",
			LOG_TEXT("workload", order->workload.name), LOG_ERROR_FIELD(&error));
	return status == STATUS_OK;
}

static void learn(struct trainer *trainer, struct job *job)
{
	int64_t started_ms = clock_now_ms(clock_system());
	int64_t started_ns = clock_mono_ns(clock_system());
	const struct train_order *order = &job->order;
	struct trained *trained = &job->trained;
	enum status status;

	if (order->kind == TRAIN_WATCH)
		status = watch_train(&order->watch, trainer->rollup, &order->workload, order->roles,
			order->end, &trained->model, &trained->error);
	else if (order->kind == TRAIN_DEMAND)
		status = demand_train(trainer->rollup, &order->workload, order->role, order->rows,
			order->end, &trained->demand, &trained->error);
	else
		status = outlook_train(&order->outlook, trainer->rollup, &order->workload,
			order->roles, order->end, &trained->outlook, &trained->error);
	metrics_inc(METRIC_MODEL_FITS, kinds[order->kind], status_label(status));
	if (status == STATUS_OK) {
		metrics_observe(METRIC_TRAINING_SECONDS,
			(double)(clock_mono_ns(clock_system()) - started_ns) / 1e9,
			kinds[order->kind]);
		keep_trained(trainer, trained);
	}
	tell(trainer, job, kinds[order->kind], status, started_ms);
}

static void work(struct trainer *trainer, struct job *job)
{
	struct train_order *order = &job->order;

	job->trained = (struct trained){.kind = order->kind, .workload = order->workload};
	if (order->kept != NULL)
		keep(trainer, &order->workload, kinds[order->kind], order->kept, order->kept_size);
	else if (!restore(trainer, order, &job->trained))
		learn(trainer, job);
	pthread_mutex_lock(&trainer->lock);
	trainer->keeping -= order->kept != NULL ? 1 : 0;
	mem_free(order->kept);
	order->kept = NULL;
	trainer->done++;
	pthread_mutex_unlock(&trainer->lock);
}

bool trainer_run(struct trainer *trainer)
{
	struct job *job;

	pthread_mutex_lock(&trainer->lock);
	job = next_job(trainer);
	pthread_mutex_unlock(&trainer->lock);
	if (job == NULL)
		return false;
	work(trainer, job);
	return true;
}

static void *run(void *argument)
{
	struct trainer *trainer = argument;

	thread_name("trainer");
	/* Of this thread alone, as Linux has it. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	for (;;) {
		struct job *job;

		pthread_mutex_lock(&trainer->lock);
		while (!trainer->stopping && next_job(trainer) == NULL)
			pthread_cond_wait(&trainer->changed, &trainer->lock);
		job = trainer->stopping ? NULL : next_job(trainer);
		pthread_mutex_unlock(&trainer->lock);
		if (job == NULL)
			return NULL;
		work(trainer, job);
	}
}

enum status trainer_start(struct trainer *trainer, struct error *error)
{
	trainer->stopping = false;
	if (pthread_create(&trainer->thread, NULL, run, trainer) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for training");
	trainer->runs = true;
	return STATUS_OK;
}

bool trainer_ask(struct trainer *trainer, const struct train_order *order)
{
	bool room;

	pthread_mutex_lock(&trainer->lock);
	room = trainer->asked - trainer->taken < TRAINER_QUEUE_MAX &&
		(order->kept == NULL || trainer->keeping < TRAINER_KEEP_MAX);
	if (room) {
		trainer->keeping += order->kept != NULL ? 1 : 0;
		trainer->jobs[trainer->asked % TRAINER_QUEUE_MAX] = (struct job){.order = *order};
		trainer->asked++;
		pthread_cond_signal(&trainer->changed);
	}
	pthread_mutex_unlock(&trainer->lock);
	return room;
}

bool trainer_take(struct trainer *trainer, struct trained *trained)
{
	bool ready;

	pthread_mutex_lock(&trainer->lock);
	ready = trainer->taken < trainer->done;
	if (ready) {
		struct job *job = &trainer->jobs[trainer->taken % TRAINER_QUEUE_MAX];

		*trained = job->trained;
		job->trained.model = NULL;
		job->trained.outlook = NULL;
		job->trained.demand = NULL;
		trainer->taken++;
	}
	pthread_mutex_unlock(&trainer->lock);
	return ready;
}
