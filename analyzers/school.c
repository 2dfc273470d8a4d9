/*
 * The school: when, on what, and whether the new net is better.
 */
#include "analyzers/school.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "analyzers/minutes.h"
#include "analyzers/models/general_file.h"
#include "analyzers/models/lessons.h"
#include "analyzers/outlook.h"
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"

#define NICE 19
#define MINUTE_MS 60000
#define DAY_ROWS 1440
#define PATH_SIZE 4352
/* Of the rows of each signal, what no net sees before its exam. */
#define EXAM_SHARE .15
#define RATE 1e-3
#define HORIZONS 2
/* It looks once a minute, and so often whether it is to end. */
#define LOOK_MS 60000
#define WAIT_MS 200
/* A school that was just opened lets the service come up first. */
#define FIRST_LOOK_ROWS 60

static const char *const outcomes[] = {"idle", "promoted", "kept", "failed", "ended"};

struct school {
	struct school_config config;
	char path[PATH_SIZE], checkpoint[PATH_SIZE + 16];
	struct school_signal *signals;
	size_t signal_count, rows; /* rows of each signal */
	double *values, *beside;   /* of one signal, [rows] and [rows][FORECAST_BESIDE] */
	int64_t learnt, examined;  /* minutes: last training or try; last exam */
	double passed; /* relative error of the net that serves at its exam; NaN: none yet */
	double best;   /* holdout loss of the training that runs */
	struct lstm_net *pupil; /* of the training that runs */
	pthread_t thread;
	bool runs;
	atomic_bool stopping;
	pthread_mutex_t mutex; /* of progress, which others read */
	struct school_progress progress;
};

void school_config_default(struct school_config *config)
{
	*config = (struct school_config){.clock = clock_system(),
		.again_rows = 7 * DAY_ROWS,
		.learn_rows = 7 * DAY_ROWS,
		.epochs_max = 10,
		.threads = 1,
		.seed = 1};
}

static int64_t minute_now(const struct school *school)
{
	return clock_now_ms(school->config.clock) / MINUTE_MS;
}

struct school *school_open(const struct school_config *config, int64_t trained_ms,
	struct error *error)
{
	struct school *school = mem_zalloc(1, sizeof(*school));

	if (school == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a school");
		return NULL;
	}
	if (pthread_mutex_init(&school->mutex, NULL) != 0) {
		mem_free(school);
		error_set(error, STATUS_NO_MEMORY, "no mutex for a school");
		return NULL;
	}
	school->config = *config;
	school->config.path = NULL;
	(void)snprintf(school->path, sizeof(school->path), "%s", config->path);
	(void)snprintf(school->checkpoint, sizeof(school->checkpoint), "%s.checkpoint",
		config->path);
	atomic_init(&school->stopping, false);
	school->passed = NAN;
	school->examined = minute_now(school);
	school->learnt = trained_ms > 0 ? trained_ms / MINUTE_MS
					: school->examined - config->again_rows + FIRST_LOOK_ROWS;
	return school;
}

/* ---- what is learnt from ---- */

static void rows_free(struct school *school)
{
	mem_free(school->signals);
	mem_free(school->values);
	mem_free(school->beside);
	school->signals = NULL;
	school->values = school->beside = NULL;
	school->signal_count = 0;
}

/* Minutes [end - rows, end) of a signal and of those beside it; returns how many are there. */
static size_t signal_read(struct school *school, const struct school_signal *signal, int64_t end)
{
	int64_t from = end - (int64_t)school->rows;
	char key[ROLLUP_KEY_MAX];

	for (size_t b = 0; b < FORECAST_BESIDE; b++) {
		enum signal_role role = outlook_beside_roles[b];
		bool known = role != signal->role &&
			rollup_read(school->config.rollup, key,
				minutes_key(&signal->workload, role, key), from, end,
				&(struct rollup_columns){.mean = school->values}) > 0;

		for (size_t i = 0; i < school->rows; i++)
			school->beside[i * FORECAST_BESIDE + b] = known ? school->values[i] : NAN;
	}
	return rollup_read(school->config.rollup, key,
		minutes_key(&signal->workload, signal->role, key), from, end,
		&(struct rollup_columns){.mean = school->values});
}

/* Signals with enough minutes, evenly drawn from all. STATUS_UNAVAILABLE: none has. */
static enum status signals_choose(struct school *school, int64_t end, struct error *error)
{
	size_t max = 16 * SCHOOL_SERIES_MAX, count, kept = 0;

	school->rows = (size_t)school->config.learn_rows;
	school->signals = mem_zalloc(max, sizeof(*school->signals));
	school->values = mem_zalloc(school->rows, sizeof(double));
	school->beside = mem_zalloc(school->rows * FORECAST_BESIDE, sizeof(double));
	if (school->signals == NULL || school->values == NULL || school->beside == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to learn from minutes");
	count = school->config.signals(school->config.argument, school->signals, max);
	count = count < max ? count : max;
	/* Those drawn, in a new order each time. */
	for (size_t i = 0; i < count && kept < SCHOOL_SERIES_MAX; i++) {
		struct school_signal drawn;
		struct random random;
		size_t at;

		random_init(&random, school->config.seed + (uint64_t)end + i);
		at = i + random_below(&random, count - i);
		drawn = school->signals[at];
		school->signals[at] = school->signals[i];
		if (signal_read(school, &drawn, end) >= SCHOOL_ROWS_MIN)
			school->signals[kept++] = drawn;
	}
	school->signal_count = kept;
	if (kept == 0)
		return error_set(error, STATUS_UNAVAILABLE, "no signal has minutes enough");
	if (school->rows * kept > SCHOOL_ROWS_MAX)
		school->rows = SCHOOL_ROWS_MAX / kept;
	return STATUS_OK;
}

static enum status lessons_fill(struct school *school, struct lessons *lessons, int64_t end,
	struct error *error)
{
	size_t taught = school->rows - (size_t)((double)school->rows * EXAM_SHARE);
	enum status status = STATUS_OK;

	for (size_t i = 0; i < school->signal_count && status == STATUS_OK; i++) {
		const struct lesson lesson = {.values = school->values,
			.beside = school->beside,
			.count = taught,
			.season_rows = DAY_ROWS,
			.start_ms = (end - (int64_t)school->rows) * MINUTE_MS,
			.step_ms = MINUTE_MS};

		(void)signal_read(school, &school->signals[i], end);
		status = lessons_add(lessons, &lesson, error);
	}
	return status;
}

/* ---- the exam ---- */

/* Adds to the sums log(error / last value's error) of a signal at each horizon, over its last rows. */
static enum status signal_examine(struct school *school, const char *class,
	struct lstm_shared *shared, int64_t end, size_t exam, double *sum, double *count,
	struct error *error)
{
	int64_t start_ms = (end - (int64_t)school->rows) * MINUTE_MS;
	struct prediction said[2 * 16], *now;
	double own[HORIZONS] = {0}, naive[HORIZONS] = {0};
	struct forecaster_config config;
	struct forecaster *forecaster;
	enum status status;

	forecaster_config_default(&config);
	CHECK(config.horizons[HORIZONS - 1] < 16);
	config.shared = shared;
	forecaster = forecaster_open(forecaster_class_find(class), &config, error);
	if (forecaster == NULL)
		return error->code;
	forecaster_beside(forecaster, school->beside, school->rows - exam);
	status = forecaster_fit(forecaster, school->values, school->rows - exam, start_ms, error);
	for (size_t i = school->rows - exam; i < school->rows && status == STATUS_OK; i++) {
		forecaster_beside(forecaster, school->beside + i * FORECAST_BESIDE, 1);
		forecaster_step(forecaster, school->values[i], start_ms + (int64_t)i * MINUTE_MS);
		now = said + i % 16 * HORIZONS;
		forecaster_predict(forecaster, now);
		for (size_t k = 0; k < HORIZONS; k++) {
			size_t then = i - config.horizons[k];
			double last = school->values[then],
			       middle = said[then % 16 * HORIZONS + k].middle;

			if (then < school->rows - exam || isnan(last + school->values[i]))
				continue;
			own[k] += fabs(school->values[i] - (isnan(middle) ? last : middle));
			naive[k] += fabs(school->values[i] - last);
		}
	}
	forecaster_close(forecaster);
	for (size_t k = 0; k < HORIZONS; k++) {
		if (!(own[k] > 0 && naive[k] > 0))
			continue;
		*sum += log(own[k] / naive[k]);
		*count += 1;
	}
	/* A signal without anything to fit has nothing to say. */
	return status == STATUS_BAD_INPUT ? STATUS_OK : status;
}

/* The error of a class relative to the last value's; NaN: nothing could be compared. */
static enum status examine(struct school *school, const char *class, struct lstm_shared *shared,
	int64_t end, size_t exam, double *relative, struct error *error)
{
	double sum = 0, count = 0;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < school->signal_count && status == STATUS_OK; i++) {
		(void)signal_read(school, &school->signals[i], end);
		status = signal_examine(school, class, shared, end, exam, &sum, &count, error);
	}
	*relative = count > 0 ? exp(sum / count) : NAN;
	return status;
}

/* ---- how far it is ---- */

static void progress_begin(struct school *school)
{
	pthread_mutex_lock(&school->mutex);
	school->progress = (struct school_progress){.under_way = true,
		.epochs_max = school->config.epochs_max,
		.loss = NAN,
		.holdout_loss = NAN,
		.since_ms = clock_now_ms(school->config.clock)};
	pthread_mutex_unlock(&school->mutex);
}

static void progress_note(struct school *school, size_t epoch, double loss, double holdout)
{
	pthread_mutex_lock(&school->mutex);
	school->progress.epoch = epoch;
	school->progress.loss = loss;
	school->progress.holdout_loss = holdout;
	pthread_mutex_unlock(&school->mutex);
}

static void progress_end(struct school *school, enum school_outcome outcome)
{
	pthread_mutex_lock(&school->mutex);
	school->progress.under_way = false;
	school->progress.ended_ms = clock_now_ms(school->config.clock);
	school->progress.outcome = outcomes[outcome];
	pthread_mutex_unlock(&school->mutex);
}

bool school_progress(struct school *school, struct school_progress *progress)
{
	pthread_mutex_lock(&school->mutex);
	*progress = school->progress;
	pthread_mutex_unlock(&school->mutex);
	return progress->under_way || progress->outcome != NULL;
}

/* ---- training ---- */

static bool epoch_told(void *caller, size_t epoch, double loss, double holdout)
{
	struct school *school = caller;
	struct model_info info;
	struct error error;

	metrics_set(METRIC_LSTM_EPOCH, (double)epoch);
	metrics_set(METRIC_LSTM_HOLDOUT_LOSS, holdout);
	progress_note(school, epoch, loss, holdout);
	LOG_INFO("the net for all workloads is in training", LOG_UINT("epoch", epoch),
		LOG_DOUBLE("loss", loss), LOG_DOUBLE("holdout_loss", holdout));
	if (!(holdout < school->best))
		return !atomic_load(&school->stopping);
	school->best = holdout;
	memset(&info, 0, sizeof(info));
	info.trained_ms = clock_now_ms(school->config.clock);
	(void)snprintf(info.made_by, sizeof(info.made_by), "school, epoch %zu", epoch);
	if (general_file_write(school->checkpoint, school->pupil, &info, &error) != STATUS_OK)
		LOG_WARN("a checkpoint could not be written", LOG_ERROR_FIELD(&error));
	return !atomic_load(&school->stopping);
}

/* The net to be trained: a checkpoint of the last day, else a copy of the one that serves. */
static struct lstm_net *pupil_open(struct school *school, const struct lstm_net *serving,
	struct error *error)
{
	struct model_info info;
	struct lstm_net *net;
	struct error why;

	if (general_file_read(school->checkpoint, &net, &info, &why) == STATUS_OK) {
		int64_t age_ms = clock_now_ms(school->config.clock) - info.trained_ms;

		if (age_ms >= 0 && age_ms < (int64_t)DAY_ROWS * MINUTE_MS &&
			memcmp(&net->lstm.shape, &serving->lstm.shape, sizeof(net->lstm.shape)) ==
				0) {
			LOG_INFO("training goes on from its checkpoint");
			return net;
		}
		lstm_net_release(net);
	}
	return lstm_net_copy(serving, error);
}

static void checkpoint_remove(const struct school *school)
{
	char previous[sizeof(school->checkpoint) + 16];

	(void)snprintf(previous, sizeof(previous), "%s.previous", school->checkpoint);
	(void)unlink(school->checkpoint);
	(void)unlink(previous);
}

/* Where the file and its checkpoint are to be. */
static enum status folder_make(const struct school *school, struct error *error)
{
	char folder[PATH_SIZE], *slash;

	(void)snprintf(folder, sizeof(folder), "%s", school->path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return STATUS_OK;
	*slash = '\0';
	return file_make_folder(folder, error);
}

static enum status train(struct school *school, const struct lstm_net *serving, int64_t end,
	struct error *error)
{
	struct lstm_training_result result;
	struct forecaster_config config;
	struct lstm_training training;
	struct lessons lessons;
	enum status status;

	forecaster_config_default(&config);
	config.lstm_hidden = serving->lstm.shape.hidden;
	config.lstm_layers = serving->lstm.shape.layers;
	config.lstm_beside = serving->beside;
	status = folder_make(school, error);
	if (status == STATUS_OK)
		status = lessons_init(&lessons, &config, error);
	if (status != STATUS_OK)
		return status;
	status = lessons_fill(school, &lessons, end, error);
	if (status == STATUS_OK) {
		school->pupil = pupil_open(school, serving, error);
		status = school->pupil != NULL ? STATUS_OK : error->code;
	}
	lstm_training_default(&training);
	training.epochs_max = school->config.epochs_max;
	training.threads = school->config.threads;
	training.batch = 64;
	training.rate = RATE;
	training.rate_end = .1;
	training.dropout = .05;
	training.seed = school->config.seed + (uint64_t)end;
	training.progress = epoch_told;
	training.caller = school;
	training.stopping = &school->stopping;
	school->best = HUGE_VAL;
	if (status == STATUS_OK)
		status = lessons_train(&lessons, school->pupil, &training, &result, error);
	metrics_set(METRIC_LSTM_EPOCH, 0);
	lessons_fini(&lessons);
	return status;
}

static enum status promote(struct school *school, const double *relative, int64_t end,
	struct error *error)
{
	static const char *const names[] = {"mae_vs_naive", "serving_vs_naive",
		"yesterday_vs_naive"};
	struct model_info info;
	enum status status;

	memset(&info, 0, sizeof(info));
	(void)snprintf(info.made_by, sizeof(info.made_by), "nimbusguard, in service");
	info.trained_ms = clock_now_ms(school->config.clock);
	info.data_from_ms = (end - (int64_t)school->rows) * MINUTE_MS;
	info.data_to_ms = end * MINUTE_MS;
	info.data_rows = school->rows * school->signal_count;
	info.seed = school->config.seed + (uint64_t)end;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		(void)snprintf(info.score_names[i], MODEL_TEXT, "%s", names[i]);
		info.scores[i] = relative[i];
	}
	status = general_file_write(school->path, school->pupil, &info, error);
	if (status != STATUS_OK)
		return status;
	lstm_shared_put(school->config.shared, school->pupil);
	school->pupil = NULL;
	school->passed = relative[0];
	metrics_set(METRIC_LSTM_RELATIVE_ERROR, relative[0]);
	return STATUS_OK;
}

/* relative: of the new net, of the one that serves, of yesterday's value. */
static enum status exams(struct school *school, int64_t end, double *relative, struct error *error)
{
	size_t exam = (size_t)((double)school->rows * EXAM_SHARE);
	struct lstm_shared *own =
		lstm_shared_open(lstm_shared_weights(school->config.shared), error);
	struct lstm_net *copy;
	enum status status;

	if (own == NULL)
		return STATUS_NO_MEMORY;
	copy = lstm_net_copy(school->pupil, error);
	if (copy == NULL) {
		lstm_shared_close(own);
		return STATUS_NO_MEMORY;
	}
	lstm_shared_put(own, copy);
	status = examine(school, "lstm_general", own, end, exam, &relative[0], error);
	if (status == STATUS_OK)
		status = examine(school, "lstm_general", school->config.shared, end, exam,
			&relative[1], error);
	if (status == STATUS_OK)
		status = examine(school, "seasonal_naive", NULL, end, exam, &relative[2], error);
	lstm_shared_close(own);
	return status;
}

static void tell(const struct school *school, enum school_outcome outcome, enum status status,
	const double *relative, int64_t started_ms, int64_t end)
{
	struct training_report report = {.kind = "general",
		.method = "lstm_general",
		.status = status,
		.started_ms = started_ms,
		.ended_ms = clock_now_ms(school->config.clock),
		.end_minute = end,
		.rows_max = (int64_t)school->rows,
		.skill = {NAN, NAN},
		.outcome = outcomes[outcome],
		.file = outcome == SCHOOL_PROMOTED ? school->path : NULL,
		.signals = school->signal_count};

	memcpy(report.relative_error, relative, sizeof(report.relative_error));
	if (school->config.told != NULL)
		school->config.told(school->config.told_argument, &report);
}

static enum school_outcome learn(struct school *school, const struct lstm_net *serving, int64_t end)
{
	int64_t started_ms = clock_now_ms(school->config.clock);
	enum school_outcome outcome = SCHOOL_KEPT;
	double relative[3] = {NAN, NAN, NAN};
	struct error error;
	enum status status = train(school, serving, end, &error);

	if (atomic_load(&school->stopping))
		return SCHOOL_ENDED;
	if (status == STATUS_OK)
		status = exams(school, end, relative, &error);
	if (status == STATUS_OK) {
		LOG_INFO("exam of the net for all workloads, errors relative to the last value's",
			LOG_DOUBLE("new", relative[0]), LOG_DOUBLE("serving", relative[1]),
			LOG_DOUBLE("yesterday", relative[2]),
			LOG_UINT("signals", school->signal_count),
			LOG_UINT("minutes", school->rows));
		school->passed = relative[1];
		metrics_set(METRIC_LSTM_RELATIVE_ERROR, relative[1]);
		/* NaN is never better. */
		if (relative[0] < relative[1] && relative[0] < 1 &&
			(isnan(relative[2]) || relative[0] < relative[2])) {
			outcome = SCHOOL_PROMOTED;
			status = promote(school, relative, end, &error);
		}
	}
	if (status != STATUS_OK) {
		LOG_WARN("the net for all workloads could not be trained", LOG_ERROR_FIELD(&error));
		outcome = SCHOOL_FAILED;
	}
	checkpoint_remove(school);
	tell(school, outcome, status, relative, started_ms, end);
	return outcome;
}

/* ---- when ---- */

/* Once a day: whether the net that serves has become worse on the last day. */
static bool has_drifted(struct school *school, int64_t end)
{
	double relative = NAN;
	struct error error;

	school->examined = end;
	if (signals_choose(school, end, &error) == STATUS_OK &&
		examine(school, "lstm_general", school->config.shared, end,
			(size_t)(school->rows < DAY_ROWS * 2 ? school->rows / 2 : DAY_ROWS),
			&relative, &error) == STATUS_OK &&
		!isnan(relative))
		metrics_set(METRIC_LSTM_RELATIVE_ERROR, relative);
	rows_free(school);
	if (!(relative > school->passed * SCHOOL_DRIFT_FACTOR)) {
		school->passed = isnan(school->passed) ? relative : school->passed;
		return false;
	}
	LOG_INFO("the net for all workloads has drifted", LOG_DOUBLE("relative_error", relative),
		LOG_DOUBLE("at_its_exam", school->passed));
	return true;
}

enum school_outcome school_look(struct school *school)
{
	int64_t now = minute_now(school);
	enum school_outcome outcome = SCHOOL_IDLE;
	struct lstm_net *serving;
	struct error error;
	bool due;

	/* A clock that was put back begins anew. */
	if (now < school->learnt)
		school->learnt = now;
	if (now < school->examined)
		school->examined = now;
	due = now - school->learnt >= school->config.again_rows ||
		(now - school->examined >= DAY_ROWS && has_drifted(school, now));
	serving = due ? lstm_shared_hold(school->config.shared) : NULL;
	if (serving == NULL)
		return SCHOOL_IDLE;
	if (signals_choose(school, now, &error) == STATUS_OK) {
		progress_begin(school);
		outcome = learn(school, serving, now);
		progress_end(school, outcome);
	}
	/* With too little to learn from it looks again in a day. */
	if (outcome == SCHOOL_IDLE)
		school->learnt = now - school->config.again_rows + DAY_ROWS;
	else if (outcome != SCHOOL_ENDED)
		school->learnt = school->examined = now;
	if (outcome != SCHOOL_IDLE)
		metrics_inc(METRIC_LSTM_TRAININGS, outcomes[outcome]);
	rows_free(school);
	lstm_net_release(school->pupil);
	school->pupil = NULL;
	lstm_net_release(serving);
	return outcome;
}

/* ---- its thread ---- */

static void *run(void *argument)
{
	struct school *school = argument;

	thread_name("school");
	/* Of this thread alone, as Linux has it. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	while (!atomic_load(&school->stopping)) {
		(void)school_look(school);
		for (int waited = 0; waited < LOOK_MS && !atomic_load(&school->stopping);
			waited += WAIT_MS)
			clock_sleep_ms(WAIT_MS);
	}
	return NULL;
}

enum status school_start(struct school *school, struct error *error)
{
	atomic_store(&school->stopping, false);
	if (pthread_create(&school->thread, NULL, run, school) != 0)
		return error_set(error, STATUS_NO_MEMORY, "no thread for the school");
	school->runs = true;
	return STATUS_OK;
}

void school_stop(struct school *school)
{
	atomic_store(&school->stopping, true);
	if (school->runs)
		pthread_join(school->thread, NULL);
	school->runs = false;
}

void school_close(struct school *school)
{
	if (school == NULL)
		return;
	school_stop(school);
	pthread_mutex_destroy(&school->mutex);
	mem_free(school);
}
