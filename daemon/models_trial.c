/*
 * Trials on the command line.
 *
 * Rows come from --path, a CSV as `nimbusguard dataset` writes it, or from a running service, which is
 * asked for the same. A contest is a candidate, the baselines, the forecasters that are shown beside, and
 * what serves; all are measured on the same holdout.
 */
#include "daemon/models_trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/evaluate/dataset.h"
#include "analyzers/evaluate/table.h"
#include "analyzers/models/lstm_file.h"
#include "analyzers/models/model_history.h"
#include "analyzers/models/trial.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/command_values.h"
#include "daemon/minutes_csv.h"
#include "daemon/models_mlflow.h"
#include "daemon/models_text.h"
#include "daemon/version.h"

#define CONTEST_MAX 8

struct contest {
	struct trial trial;
	/* The candidate, then the baselines, what is shown beside, and what serves. */
	struct trial_figures figures[CONTEST_MAX];
	size_t count;
	bool serving; /* the last one is what serves */
	bool better, seen;
	char why[256];
};

/* ---- rows ---- */

static bool read_count(const struct command_line *line, const char *name, int64_t least,
	int64_t most, size_t *value)
{
	int64_t number = (int64_t)*value;

	if (!flag_natural(line, name, least, most, &number))
		return false;
	*value = (size_t)number;
	return true;
}

/* The CSV's text and the name that messages give it. */
static int load_text(const struct command_line *line, struct buf *text, const char **name)
{
	struct error error;

	*name = command_flag(line, "path");
	if (*name == NULL) {
		*name = "the service's minutes";
		buf_init(text, MINUTES_CSV_MAX);
		return minutes_csv_fetch(line, NULL, text);
	}
	if (table_load(*name, text, &error) != STATUS_OK)
		return models_refused(&error);
	return EXIT_GOOD;
}

static bool has_rows(const struct command_line *line)
{
	return command_flag(line, "path") != NULL || command_flag(line, "workload") != NULL;
}

/* trial_fini() it when EXIT_GOOD. */
static int open_trial(const struct command_line *line, struct trial *trial)
{
	struct entity entity = {0};
	const char *name;
	struct error error;
	struct buf text;
	double holdout = TRIAL_HOLDOUT;
	enum status status;
	int exit_status;

	if (!flag_number(line, "holdout", .05, .5, &holdout))
		return EXIT_USAGE;
	if (!has_rows(line))
		return usage_refused("say which rows: --path=FILE.csv, or --namespace=NAME "
				     "--workload=NAME of a running service",
			NULL);
	exit_status = load_text(line, &text, &name);
	if (exit_status == EXIT_GOOD) {
		status = dataset_read_csv(name, text.data != NULL ? text.data : "", text.size,
			&entity, &error);
		if (status == STATUS_OK && trial_init(trial, &entity, holdout, &error) != STATUS_OK)
			status = error_prefix(&error, "%s", name);
		if (status != STATUS_OK)
			exit_status = models_refused(&error);
		entity_fini(&entity);
	}
	buf_fini(&text);
	return exit_status;
}

/* ---- contests ---- */

static enum status measure_others(struct contest *contest, struct error *error)
{
	for (size_t i = 0; trial_baselines[i] != NULL; i++) {
		const struct forecaster_class *class = forecaster_class_find(trial_baselines[i]);
		enum status status;

		if (class == NULL)
			continue;
		status = trial_measure_class(&contest->trial, class,
			&contest->figures[contest->count++], error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* lstm_fini() it when STATUS_OK. Of files of another kind it is said what can be done with them. */
static enum status net_read(const char *path, struct lstm *lstm, struct model_info *info,
	struct error *error)
{
	enum status status;

	memset(info, 0, sizeof(*info));
	status = lstm_file_read(path, kernels_best(), lstm, info, error);
	if (status == STATUS_OK || info->kind[0] == '\0' || strcmp(info->kind, "lstm") == 0)
		return status;
	return error_set(error, STATUS_UNSUPPORTED,
		"%s: of kind %s: only nets (lstm) learn from rows and are measured on them; list, show, "
		"import, export, rollback and promote --force take every kind",
		path, info->kind);
}

/* A net in a file joins. */
static enum status measure_file(struct contest *contest, const char *path, struct model_info *info,
	struct error *error)
{
	struct lstm lstm;
	enum status status = net_read(path, &lstm, info, error);

	if (status != STATUS_OK)
		return status;
	status = trial_measure_net(&contest->trial, path, &lstm,
		&contest->figures[contest->count++], error);
	lstm_fini(&lstm);
	return status;
}

/* The best of what a candidate has to beat; NULL before anything was measured. */
static const struct trial_figures *best_other(const struct contest *contest)
{
	const struct trial_figures *best = NULL;

	for (size_t i = 1; i < contest->count; i++) {
		bool counts = i <= TRIAL_BASELINES || (contest->serving && i + 1 == contest->count);

		if (counts && (best == NULL || contest->figures[i].figure < best->figure))
			best = &contest->figures[i];
	}
	return best;
}

static void judge(struct contest *contest, const struct model_info *info)
{
	contest->better = trial_better(&contest->figures[0], &contest->figures[1], TRIAL_BASELINES,
		contest->why, sizeof(contest->why));
	if (contest->better && contest->serving)
		contest->better =
			trial_better(&contest->figures[0], &contest->figures[contest->count - 1], 1,
				contest->why, sizeof(contest->why));
	contest->seen = trial_seen(&contest->trial, info);
	if (contest->seen) {
		contest->better = false;
		snprintf(contest->why, sizeof(contest->why),
			"it has learnt from rows of this holdout");
	}
}

/* ---- what is said ---- */

static const char *role_of(const struct contest *contest, size_t i)
{
	if (i == 0)
		return "candidate";
	if (contest->serving && i + 1 == contest->count)
		return "serving";
	return i <= TRIAL_BASELINES ? "baseline" : "shown";
}

static void write_figures_json(const struct contest *contest, struct buf *json)
{
	char from[32], to[32];

	format_rfc3339(contest->trial.split_ms, from, sizeof(from));
	format_rfc3339(contest->trial.to_ms, to, sizeof(to));
	buf_printf(json,
		"\"holdout\":{\"from\":\"%s\",\"to\":\"%s\",\"columns\":%zu},\"figures\":[", from,
		to, contest->trial.column_count);
	for (size_t i = 0; i < contest->count; i++) {
		const struct trial_figures *of = &contest->figures[i];

		buf_add_text(json, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_add_json_string(json, of->name, strlen(of->name));
		buf_printf(json, ",\"role\":\"%s\",\"relative_error\":", role_of(contest, i));
		buf_add_json_number(json, of->figure);
		for (size_t k = 0; k < TRIAL_HORIZONS; k++) {
			buf_printf(json,
				",\"relative_error_%zu\":", contest->trial.config.horizons[k]);
			buf_add_json_number(json, of->relative[k]);
			buf_printf(json, ",\"mase_%zu\":", contest->trial.config.horizons[k]);
			buf_add_json_number(json, of->mase[k]);
			buf_printf(json, ",\"coverage80_%zu\":", contest->trial.config.horizons[k]);
			buf_add_json_number(json, of->coverage80[k]);
		}
		buf_printf(json, ",\"points\":%zu,\"not_predicted\":%zu}", of->points,
			of->not_predicted);
	}
	buf_printf(json, "],\"better\":%s", contest->better ? "true" : "false");
	if (contest->why[0] != '\0') {
		buf_add_text(json, ",\"why\":");
		buf_add_json_string(json, contest->why, strlen(contest->why));
	}
}

static void write_number(struct buf *text, double number)
{
	if (isnan(number))
		buf_printf(text, "%9s", "-");
	else
		buf_printf(text, "%9.4f", number);
}

static void write_figures_text(const struct contest *contest, struct buf *text)
{
	const size_t *ahead = contest->trial.config.horizons;

	buf_add_text(text, "holdout ");
	models_write_time(contest->trial.split_ms, text);
	buf_add_text(text, " to ");
	models_write_time(contest->trial.to_ms, text);
	buf_printf(text, ", columns: %zu; error: relative to that of the last value\n",
		contest->trial.column_count);
	buf_printf(text, "%-30s%9s%6s %2zu%6s %2zu%6s %2zu%6s %2zu%9s\n", "", "error", "error",
		ahead[0], "error", ahead[1], "MASE", ahead[0], "MASE", ahead[1], "in 80 %");
	for (size_t i = 0; i < contest->count; i++) {
		const struct trial_figures *of = &contest->figures[i];
		size_t length = strlen(of->name);

		/* The end of a path says more than its begin. */
		buf_printf(text, "%-30s", length > 29 ? of->name + length - 29 : of->name);
		write_number(text, of->figure);
		for (size_t k = 0; k < TRIAL_HORIZONS; k++)
			write_number(text, of->relative[k]);
		for (size_t k = 0; k < TRIAL_HORIZONS; k++)
			write_number(text, of->mase[k]);
		write_number(text, (of->coverage80[0] + of->coverage80[1]) / 2);
		buf_printf(text, "  %s\n", role_of(contest, i));
	}
	if (contest->better)
		buf_add_text(text, "better than the baselines");
	else
		buf_printf(text, "not better: %s", contest->why);
	buf_add_text(text, contest->better && contest->serving ? " and than what serves\n" : "\n");
}

/* Of the model and, with a contest, of how it did. */
static int say(const struct command_line *line, const char *path, const struct model_info *info,
	size_t numbers, const struct contest *contest, const char *done, int status)
{
	struct buf text;

	buf_init(&text, MODELS_TEXT_MAX);
	if (command_flag(line, "json") != NULL) {
		buf_add_text(&text, "{\"model\":{");
		models_write_json(path, info, numbers, &text);
		buf_add_char(&text, '}');
		if (contest != NULL) {
			buf_add_char(&text, ',');
			write_figures_json(contest, &text);
		}
		if (done != NULL)
			buf_printf(&text, ",\"%s\":%s", done,
				status == EXIT_GOOD ? "true" : "false");
		buf_add_text(&text, "}\n");
	} else {
		if (contest != NULL)
			write_figures_text(contest, &text);
		if (done != NULL && status == EXIT_GOOD)
			buf_printf(&text, "%s: %s\n", path, done);
	}
	return models_print(&text, status);
}

/* ---- train ---- */

static bool show_epoch(void *caller, size_t epoch, double train_loss, double holdout_loss)
{
	(void)caller;
	fprintf(stderr, "\r\033[Kepoch %zu: loss %.4f, of rows not trained on %.4f", epoch,
		train_loss, holdout_loss);
	return true;
}

static bool read_training(const struct command_line *line, struct trial *trial,
	struct lstm_training *training)
{
	size_t seed = 1;

	lstm_training_default(training);
	if (command_flag(line, "from") != NULL &&
		(command_flag(line, "hidden") != NULL || command_flag(line, "layers") != NULL)) {
		usage_refused(
			"--from and --hidden or --layers do not go together: the file has its shape",
			NULL);
		return false;
	}
	if (!read_count(line, "hidden", LSTM_HIDDEN_STEP, LSTM_HIDDEN_MAX,
		    &trial->config.lstm_hidden) ||
		!read_count(line, "layers", 1, LSTM_LAYERS_MAX, &trial->config.lstm_layers) ||
		!read_count(line, "window", 2, 512, &training->window) ||
		!read_count(line, "epochs", 1, 1000, &training->epochs_max) ||
		!read_count(line, "seed", 0, INT32_MAX, &seed))
		return false;
	training->seed = seed;
	if (isatty(STDERR_FILENO))
		training->progress = show_epoch;
	return true;
}

static enum status train_and_write(struct contest *contest, const struct lstm_training *training,
	const char *to, struct model_info *info, size_t *numbers, struct error *error)
{
	struct lstm_training_result result;
	struct lstm lstm;
	enum status status = trial_train(&contest->trial, training, &lstm, &result, info, error);

	if (training->progress != NULL)
		fputs("\r\033[K", stderr);
	if (status != STATUS_OK)
		return status;
	*numbers = lstm.parameter_count;
	status = trial_measure_net(&contest->trial, to, &lstm, &contest->figures[contest->count++],
		error);
	if (status == STATUS_OK)
		status = measure_others(contest, error);
	if (status == STATUS_OK) {
		judge(contest, info);
		snprintf(info->made_by, sizeof(info->made_by), "nimbusguard %s, models train",
			NIMBUSGUARD_VERSION);
		info->trained_ms = clock_now_ms(clock_system());
		trial_scores(&contest->figures[0], best_other(contest)->figure, info);
		status = lstm_file_write(to, &lstm, info, error);
	}
	lstm_fini(&lstm);
	return status;
}

/* What was written is read again: the checksum is its name. */
static void tell_trained(const struct command_line *line, const char *path, int64_t started_ms)
{
	struct model_info info;
	struct error error;
	float *numbers;
	size_t count;

	if (model_file_read(path, &info, &numbers, &count, &error) != STATUS_OK)
		return;
	mem_free(numbers);
	models_tell_mlflow(line, path, &info, count, started_ms, MODELS_CHALLENGER);
}

/* With the rows there; exit status. */
static int train_here(const struct command_line *line, struct contest *contest, const char *to)
{
	int64_t started_ms = clock_now_ms(clock_system());
	const char *from = command_flag(line, "from");
	struct lstm_training training;
	struct model_info info = {.seed = 0}, start_info;
	struct lstm start = {0};
	struct error error;
	size_t numbers = 0;
	enum status status = STATUS_OK;
	int exit_status;

	if (!read_training(line, &contest->trial, &training))
		return EXIT_USAGE;
	if (from != NULL) {
		status = net_read(from, &start, &start_info, &error);
		if (status != STATUS_OK)
			return models_refused(&error);
		status = trial_start_from(&contest->trial, from, &start, &start_info, &error);
	}
	if (status == STATUS_OK)
		status = train_and_write(contest, &training, to, &info, &numbers, &error);
	if (from != NULL)
		lstm_fini(&start);
	if (status != STATUS_OK)
		return models_refused(&error);
	exit_status = say(line, to, &info, numbers, contest, "written", EXIT_GOOD);
	tell_trained(line, to, started_ms);
	return exit_status;
}

int models_train(const struct command_line *line, const char *to)
{
	struct contest contest = {.count = 0};
	int status = open_trial(line, &contest.trial);

	if (status != EXIT_GOOD)
		return status;
	status = train_here(line, &contest, to);
	trial_fini(&contest.trial);
	return status;
}

/* ---- evaluate and promote ---- */

/* Measures all; beside: what serves, or another, NULL: none. */
static enum status hold_contest(struct contest *contest, const char *model, const char *beside,
	struct model_info *info, struct error *error)
{
	struct model_info other;
	enum status status = measure_file(contest, model, info, error);

	if (status == STATUS_OK)
		status = measure_others(contest, error);
	if (status == STATUS_OK && beside != NULL) {
		contest->serving = true;
		status = measure_file(contest, beside, &other, error);
	}
	if (status == STATUS_OK)
		judge(contest, info);
	return status;
}

static size_t numbers_of(const struct model_info *info)
{
	struct lstm_shape shape = {info->shapes[0], info->shapes[1], info->shapes[2],
		info->shapes[3]};

	return lstm_parameter_count(&shape);
}

int models_evaluate(const struct command_line *line, const char *model, const char *beside)
{
	struct contest contest = {.count = 0};
	struct model_info info;
	struct error error;
	int status = open_trial(line, &contest.trial);

	if (status != EXIT_GOOD)
		return status;
	if (hold_contest(&contest, model, beside, &info, &error) != STATUS_OK)
		status = models_refused(&error);
	else
		status = say(line, model, &info, numbers_of(&info), &contest, NULL, EXIT_GOOD);
	trial_fini(&contest.trial);
	return status;
}

/* Puts the candidate where it is to serve and notes it; contest NULL: nothing was measured. */
static enum status put_in_place(const char *from, const char *to, const struct contest *contest,
	const char *reason, struct model_info *info, size_t *count, struct error *error)
{
	const struct trial_figures *beaten = contest != NULL ? best_other(contest) : NULL;
	struct model_change change = {.at_ms = clock_now_ms(clock_system()),
		.what = "promoted",
		.from = from,
		.reason = reason,
		.figure = contest != NULL ? contest->figures[0].figure : NAN,
		.beaten = beaten != NULL ? beaten->figure : NAN};
	float *numbers;
	enum status status = model_file_read(from, info, &numbers, count, error);

	if (status != STATUS_OK)
		return status;
	change.checksum = info->checksum;
	status = model_file_write(to, info, numbers, *count, error);
	mem_free(numbers);
	return status == STATUS_OK ? model_history_add(to, &change, error) : status;
}

/* What serves now: whether there is anything that a candidate can be measured against. A file that is no
 * good serves nobody, which is told. */
static bool serves(const char *path)
{
	struct model_info info;
	struct error error;
	struct lstm lstm;
	enum status status = net_read(path, &lstm, &info, &error);

	if (status == STATUS_OK) {
		lstm_fini(&lstm);
		return true;
	}
	if (status != STATUS_NOT_FOUND)
		fprintf(stderr, "nimbusguard: what is in place is no good and is left aside: %s\n",
			error.text);
	return false;
}

/* After the contest; reason: of a promotion by force, NULL: only what is better is put in place. */
static int promote_judged(const struct command_line *line, const struct contest *contest,
	const char *from, const char *to, const char *reason, const struct model_info *judged)
{
	struct model_info info;
	struct error error;
	size_t count = 0;
	int status;

	if (!contest->better && reason == NULL) {
		status = say(line, from, judged, numbers_of(judged), contest, "promoted",
			EXIT_FAILED);
		fprintf(stderr,
			"nimbusguard: %s is not promoted; --force --reason=TEXT does it all the "
			"same\n",
			from);
		return status;
	}
	if (put_in_place(from, to, contest, contest->better ? NULL : reason, &info, &count,
		    &error) != STATUS_OK)
		return models_refused(&error);
	status = say(line, to, &info, count, contest, "promoted", EXIT_GOOD);
	models_tell_mlflow(line, to, &info, count, 0, MODELS_CHAMPION);
	return status;
}

static int promote_measured(const struct command_line *line, const char *from, const char *to,
	const char *reason)
{
	struct contest contest = {.count = 0};
	struct model_info info;
	struct error error;
	int status = open_trial(line, &contest.trial);

	if (status != EXIT_GOOD)
		return status;
	if (hold_contest(&contest, from, serves(to) ? to : NULL, &info, &error) == STATUS_OK)
		status = promote_judged(line, &contest, from, to, reason, &info);
	else
		status = models_refused(&error);
	trial_fini(&contest.trial);
	return status;
}

int models_promote(const struct command_line *line, const char *from, const char *to)
{
	const char *reason = command_flag(line, "reason");
	bool force = command_flag(line, "force") != NULL;
	struct model_info info;
	struct error error;
	size_t count = 0;

	if (force != (reason != NULL && *reason != '\0'))
		return usage_refused("--force and --reason=TEXT go together", NULL);
	if (has_rows(line) || !force)
		return promote_measured(line, from, to, force ? reason : NULL);
	if (put_in_place(from, to, NULL, reason, &info, &count, &error) != STATUS_OK)
		return models_refused(&error);
	models_tell_mlflow(line, to, &info, count, 0, MODELS_CHAMPION);
	return say(line, to, &info, count, NULL, "promoted", EXIT_GOOD);
}
