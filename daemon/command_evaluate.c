/*
 * evaluate: how good are the detectors and forecasters on public data sets, or on one's own recordings?
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/evaluate/evaluate.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/models/general_file.h"
#include "base/file.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "daemon/command_values.h"

#define OUTPUT_MAX ((size_t)1 << 28)

const char evaluate_flags[] =
	"usage: nimbusguard evaluate --dataset=KIND --path=FOLDER [flags]\n\n"
	"Fits the detectors and forecasters on a data set, measures them on the part that is kept for it\n"
	"and shows the figures beside reference figures of the usual libraries. Labels are read by the\n"
	"measures alone. Every entity found in the folder takes part. Figures: docs/evaluation.md.\n\n"
	"flags:\n"
	"  --dataset=KIND      smd, asd, jumpstarter, nezha, nab: detectors against labels;\n"
	"                      traces, bitbrains: forecasts; csv: one's own, either\n"
	"  --path=FOLDER       where its files are, plain or gzipped; of csv and traces a file, too\n"
	"  --entity=NAME       this one alone (default: all)\n"
	"  --detector=NAME     a detector, all or none (default: all where there are labels)\n"
	"  --forecaster=NAME   a forecaster, all or none (default: all where there are no labels)\n"
	"  --seeds=N           figures are means over so many seeds (default 1)\n"
	"  --seed=N            the first seed (default 1)\n"
	"  --horizons=N,N      of forecasts, in rows (default 5,15)\n"
	"  --part=PART         of forecasts: report (the default), or settings: the part on which\n"
	"                      settings may be chosen\n"
	"  --model=FILE        a net for all workloads that takes part in forecasts (default: none);\n"
	"                      the one that serves is rules/models/general.model\n"
	"  --weights=WEIGHTS   of that net: bf16 or fp32 (default: as analyze.general_weights)\n"
	"  --fit-part=PART     csv: the part of the rows that is fitted on (default 0.5)\n"
	"  --point-adjusted    show the point-adjusted F1, and that of a random score beside it\n"
	"  --report=FILE       write an HTML page with the tables and drawings\n"
	"  --scores=FOLDER     write every entity's scores as CSV\n"
	"  --format=FORMAT     text (the default) or json\n\n"
	"examples:\n"
	"  nimbusguard evaluate --dataset=smd --path=data/smd --seeds=5 --report=smd.html\n"
	"  nimbusguard evaluate --dataset=nab --path=data/nab --detector=ensemble --format=json\n"
	"  nimbusguard evaluate --dataset=traces --path=data/traces --forecaster=combined\n"
	"  nimbusguard evaluate --dataset=csv --path=mine.csv --detector=forest_roll\n";

static bool read_horizons(const struct command_line *line, struct evaluate_options *options)
{
	const char *text = command_flag(line, "horizons");
	int64_t near, far;

	if (text == NULL)
		return true;
	if (text_pair(text, ',', &near, &far) && near > 0 && far > 0) {
		options->horizons[0] = (size_t)near;
		options->horizons[1] = (size_t)far;
		return true;
	}
	usage_refused("--horizons is two numbers of rows, such as 5,15", NULL);
	return false;
}

static bool read_parts(const struct command_line *line, struct evaluate_options *options)
{
	const char *part = command_flag(line, "part"), *fit = command_flag(line, "fit-part");

	if (part != NULL && strcmp(part, "report") != 0 && strcmp(part, "settings") != 0) {
		usage_refused("--part is report or settings", NULL);
		return false;
	}
	options->settings_part = part != NULL && strcmp(part, "settings") == 0;
	if (fit != NULL &&
		(parse_double(fit, &options->dataset.fit_part) != STATUS_OK ||
			!(options->dataset.fit_part > 0 && options->dataset.fit_part < 1))) {
		usage_refused("--fit-part is a part of the rows, such as 0.5", NULL);
		return false;
	}
	return true;
}

static bool read_kind(const struct command_line *line, struct evaluate_options *options)
{
	const char *name = command_flag(line, "dataset"), *nearest;

	if (name == NULL) {
		usage_refused(
			"say which data set: --dataset=smd|asd|jumpstarter|nezha|nab|traces|bitbrains|"
			"csv",
			NULL);
		return false;
	}
	options->dataset.kind = dataset_kind_find(name);
	if (options->dataset.kind != NULL)
		return true;
	nearest = nearest_word(name, dataset_kind_names);
	fprintf(stderr, "nimbusguard: --dataset \"%s\" is not known%s%s\n", name,
		nearest != NULL ? ", did you mean " : ", see nimbusguard help evaluate",
		nearest != NULL ? nearest : "");
	return false;
}

static bool read_options(const struct command_line *line, struct evaluate_options *options)
{
	int64_t seeds = 1, seed = 1;

	evaluate_options_default(options);
	if (!read_kind(line, options) || !read_horizons(line, options) ||
		!read_parts(line, options) ||
		!flag_natural(line, "seeds", 1, EVALUATE_SEEDS_MAX, &seeds) ||
		!flag_natural(line, "seed", 0, INT32_MAX, &seed))
		return false;
	options->dataset.path = command_flag(line, "path");
	if (options->dataset.path == NULL) {
		usage_refused("say where the data set is: --path=FOLDER", NULL);
		return false;
	}
	options->dataset.entity = command_flag(line, "entity");
	options->detector = command_flag(line, "detector");
	options->forecaster = command_flag(line, "forecaster");
	options->seeds = (size_t)seeds;
	options->seed = (uint64_t)seed;
	options->point_adjusted = command_flag(line, "point-adjusted") != NULL;
	options->scores_folder = command_flag(line, "scores");
	return true;
}

/* One line of a terminal that is written over; nothing where no person watches. */
static void show_progress(void *user, const char *method, const char *entity)
{
	(void)user;
	fprintf(stderr, "\r\033[K%s: %.60s", method, entity);
}

static int write_out(const struct results *results, bool json, const char *report)
{
	int status = EXIT_GOOD;
	struct error error;
	struct buf text;

	buf_init(&text, OUTPUT_MAX);
	if (json)
		results_write_json(results, &text);
	else
		results_write_text(results, &text);
	if (buf_ok(&text) && text.data != NULL)
		fputs(text.data, stdout);
	else
		status = EXIT_FAILED;
	buf_reset(&text);
	if (report != NULL && status == EXIT_GOOD) {
		results_write_html(results, &text);
		if (!buf_ok(&text)) {
			status = EXIT_FAILED;
		} else if (file_write_atomic(report, text.data, text.size, 0644, &error) !=
			STATUS_OK) {
			fprintf(stderr, "nimbusguard: %s\n", error.text);
			status = EXIT_FAILED;
		}
	}
	if (!buf_ok(&text))
		fprintf(stderr, "nimbusguard: out of memory\n");
	buf_fini(&text);
	return status;
}

static enum status make_folders(const struct evaluate_options *options, struct error *error)
{
	return options->scores_folder != NULL ? file_make_folder(options->scores_folder, error)
					      : STATUS_OK;
}

/* The net for all workloads, when one is asked for. */
static enum status open_model(const struct command_line *line, struct evaluate_options *options,
	struct results *results, struct error *error)
{
	const char *path = command_flag(line, "model"), *word = command_flag(line, "weights");
	enum lstm_weights weights = word == NULL ? lstm_weights_best()
		: strcmp(word, "bf16") == 0      ? LSTM_BF16
						 : LSTM_FP32;
	struct model_info info;
	struct lstm_net *net;
	enum status status;

	if (path == NULL)
		return STATUS_OK;
	status = general_file_read(path, &net, &info, error);
	if (status != STATUS_OK)
		return status;
	options->shared = lstm_shared_open(weights, error);
	if (options->shared == NULL) {
		lstm_net_release(net);
		return STATUS_NO_MEMORY;
	}
	lstm_shared_put(options->shared, net);
	results_note(results, "with the net for all workloads in %s, weights of %s", path,
		weights == LSTM_BF16 ? "bf16" : "fp32");
	return STATUS_OK;
}

int command_evaluate(const struct command_line *line)
{
	static const char *const known[] = {"dataset", "path", "entity", "detector", "forecaster",
		"seeds", "seed", "horizons", "part", "fit-part", "point-adjusted", "report",
		"scores", "format", "model", "weights", NULL};
	const char *format = command_flag(line, "format");
	const char *weights = command_flag(line, "weights");
	struct evaluate_options options;
	struct results results;
	struct error error;
	enum status done;
	int status = EXIT_FAILED;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (line->word_count > 0)
		return usage_refused("evaluate takes flags only, see nimbusguard help evaluate",
			NULL);
	if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return usage_refused("--format is text or json", NULL);
	if (weights != NULL && strcmp(weights, "fp32") != 0 && strcmp(weights, "bf16") != 0)
		return usage_refused("--weights is bf16 or fp32", NULL);
	if (!read_options(line, &options))
		return EXIT_USAGE;
	if (isatty(STDERR_FILENO))
		options.progress = show_progress;
	results_init(&results, command_flag(line, "dataset"));
	done = make_folders(&options, &error);
	if (done == STATUS_OK)
		done = open_model(line, &options, &results, &error);
	if (done == STATUS_OK)
		done = evaluate(&options, &results, &error);
	if (options.progress != NULL)
		fputs("\r\033[K", stderr);
	if (done == STATUS_OK)
		status = write_out(&results, format != NULL && strcmp(format, "json") == 0,
			command_flag(line, "report"));
	else
		fprintf(stderr, "nimbusguard: %s\n", error.text);
	results_fini(&results);
	lstm_shared_close(options.shared);
	return status;
}
