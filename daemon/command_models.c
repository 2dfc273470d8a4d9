/*
 * models: list | show | train | evaluate | promote | rollback | import | export, on model files.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/models/model_file.h"
#include "analyzers/models/model_history.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/command.h"
#include "daemon/minutes_csv.h"
#include "daemon/models_mlflow.h"
#include "daemon/models_onnx.h"
#include "daemon/models_text.h"
#include "daemon/models_trial.h"

#define PATH_SIZE 4352
#define FILES_MAX 10000

const char models_flags[] =
	"usage: nimbusguard models list FOLDER [--json]\n"
	"       nimbusguard models show FILE [--json]\n"
	"       nimbusguard models train TO ROWS [flags]\n"
	"       nimbusguard models evaluate FILE [BESIDE] ROWS [--holdout=PART] [--json]\n"
	"       nimbusguard models promote FILE TO ROWS [--holdout=PART] [--json]\n"
	"       nimbusguard models promote FILE TO --force --reason=TEXT [ROWS]\n"
	"       nimbusguard models rollback FILE\n"
	"       nimbusguard models import FILE TO\n"
	"       nimbusguard models export FILE TO [--format=native|onnx]\n"
	"       nimbusguard models export FOLDER TO --format=onnx --namespace=NAME --workload=NAME\n\n"
	"Files of trained models. list shows those of a folder, show what one was made from, how good it\n"
	"was and what became of it; both read the whole file and verify its checksum. train makes a net\n"
	"from all columns of the rows but their last part, the holdout. evaluate measures a model on the\n"
	"holdout beside the baselines (and another model). promote puts it where it is to serve when it\n"
	"is better there than the baselines and than what serves, or by force, with the reason written\n"
	"into TO.history. import verifies a file and puts it in place without asking how good it is.\n"
	"What was in place is kept beside it, and rollback makes it serve again. Exit status 1 when a\n"
	"file is refused (cut off, foreign, damaged, of a later format) or a model is not promoted.\n"
	"export of a FOLDER, models/learnt of storage.path, writes the isolation forest that judges the\n"
	"workload (--kind and --cluster as below).\n\n"
	"ROWS are a CSV or what a running service has of a workload:\n"
	"  --path=FILE         CSV with a header and a column time, as nimbusguard dataset writes it\n"
	"  --namespace=NAME --workload=NAME [--kind=KIND] [--cluster=NAME] [--start=TIME] [--end=TIME]\n"
	"                      [--url=URL] [--token-file=FILE] [--ca-file=FILE], as of nimbusguard\n"
	"                      dataset\n\nflags:\n"
	"  --holdout=PART      last part of the rows, which nothing learns from (default 0.2)\n"
	"  --seed=N            of train: of first weights, of the order of windows, of dropout (default 1)\n"
	"  --from=FILE         of train: the net that learns on; without it a new one\n"
	"  --hidden=N, --layers=N  of train: cells of a layer (a multiple of 32, default 128), layers\n"
	"                      (default 3)\n"
	"  --window=N, --epochs=N  of train: rows of a window (default 60), epochs at most (default 20)\n"
	"  --force, --reason=TEXT  of promote: although it is not better, and why\n"
	"  --format=FORMAT     of export: native, verified and written anew (the default), or onnx\n"
	"  --json              as JSON\n\nexamples:\n"
	"  nimbusguard models list /var/lib/nimbusguard/models\n"
	"  nimbusguard models train web.model --namespace=shop --workload=web\n"
	"  nimbusguard models train web.model --path=web.csv --hidden=32 --layers=1\n"
	"  nimbusguard models train web.model --from=general.model --path=web.csv\n"
	"  nimbusguard models evaluate web.model general.model --path=web.csv\n"
	"  nimbusguard models promote web.model /var/lib/nimbusguard/models/web.model --path=web.csv\n"
	"  nimbusguard models rollback /var/lib/nimbusguard/models/web.model\n";

/* A file read and verified; its numbers are not kept. */
static enum status read_info(const char *path, struct model_info *info, size_t *numbers,
	struct error *error)
{
	float *values = NULL;
	enum status status = model_file_read(path, info, &values, numbers, error);

	mem_free(values);
	return status;
}

/* Lines of JSON as they are, or as one array. */
static void write_history(const char *path, bool json, struct buf *text)
{
	struct error error;
	struct buf lines;
	const char *at;

	buf_init(&lines, 2 * MODEL_HISTORY_MAX);
	if (model_history_read(path, &lines, &error) != STATUS_OK)
		fprintf(stderr, "nimbusguard: %s\n", error.text);
	at = lines.data != NULL ? lines.data : "";
	if (json)
		buf_add_text(text, ",\"history\":[");
	for (size_t i = 0; *at != '\0'; i++) {
		size_t length = strcspn(at, "\n");

		buf_add_text(text, !json ? "  history    " : i > 0 ? "," : "");
		buf_add(text, at, length);
		buf_add_text(text, json ? "" : "\n");
		at += length + (at[length] == '\n' ? 1 : 0);
	}
	if (json)
		buf_add_char(text, ']');
	buf_fini(&lines);
}

static int show(const char *path, bool json)
{
	struct model_info info;
	struct error error;
	struct buf text;
	size_t numbers;

	if (read_info(path, &info, &numbers, &error) != STATUS_OK)
		return models_refused(&error);
	buf_init(&text, MODELS_TEXT_MAX);
	buf_add_text(&text, json ? "{" : "");
	if (json)
		models_write_json(path, &info, numbers, &text);
	else
		models_write_text(path, &info, numbers, &text);
	write_history(path, json, &text);
	buf_add_text(&text, json ? "}\n" : "");
	return models_print(&text, EXIT_GOOD);
}

/* ---- a folder ---- */

static int is_file(const struct dirent *entry)
{
	static const char history[] = ".history";
	size_t length = strlen(entry->d_name), end = sizeof(history) - 1;

	return entry->d_name[0] != '.' &&
		(length < end || strcmp(entry->d_name + length - end, history) != 0);
}

/* One of a list; what is refused is a line, too, for that is what one looks for. */
static int list_one(const char *path, bool json, size_t *written, struct buf *text)
{
	struct model_info info;
	struct error error;
	size_t numbers;

	if (read_info(path, &info, &numbers, &error) != STATUS_OK)
		return models_refused(&error);
	if (json) {
		buf_add_text(text, (*written)++ > 0 ? ",\n{" : "{");
		models_write_json(path, &info, numbers, text);
		buf_add_char(text, '}');
		return EXIT_GOOD;
	}
	buf_printf(text, "%s  %s  ", path, info.kind);
	models_write_shapes(&info, "x", text);
	buf_add_text(text, "  trained ");
	models_write_trained(info.trained_ms, text);
	if (info.score_names[0][0] != '\0')
		buf_printf(text, "  %s %.6g", info.score_names[0], info.scores[0]);
	buf_add_char(text, '\n');
	(*written)++;
	return EXIT_GOOD;
}

static int list(const char *folder, bool json)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_file, alphasort), status = EXIT_GOOD;
	size_t written = 0;
	struct buf text;

	if (count < 0) {
		fprintf(stderr, "nimbusguard: %s: %s\n", folder, strerror(errno));
		return EXIT_FAILED;
	}
	buf_init(&text, MODELS_TEXT_MAX);
	buf_add_text(&text, json ? "[" : "");
	for (int i = 0; i < count; i++) {
		char path[PATH_SIZE];
		struct stat info;

		if (i < FILES_MAX &&
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) <
				(int)sizeof(path) &&
			stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
			list_one(path, json, &written, &text) != EXIT_GOOD)
			status = EXIT_FAILED;
		free(entries[i]);
	}
	free(entries);
	buf_add_text(&text, json ? "]\n" : written == 0 ? "no models\n" : "");
	return models_print(&text, status);
}

/* ---- what changes files ---- */

/* *info: what serves now. */
static int note(const char *to, const char *what, const char *from, const struct model_info *info)
{
	struct model_change change = {.at_ms = clock_now_ms(clock_system()),
		.what = what,
		.from = from,
		.checksum = info->checksum,
		.figure = NAN,
		.beaten = NAN};
	struct error error;

	if (model_history_add(to, &change, &error) != STATUS_OK)
		return models_refused(&error);
	return EXIT_GOOD;
}

static int import_file(const struct command_line *line, const char *from, const char *to)
{
	struct model_info info;
	float *values = NULL;
	struct error error;
	size_t count;
	enum status status = model_file_read(from, &info, &values, &count, &error);

	if (status == STATUS_OK)
		status = model_file_write(to, &info, values, count, &error);
	mem_free(values);
	if (status != STATUS_OK)
		return models_refused(&error);
	printf("%s is in place\n", to);
	models_tell_mlflow(line, to, &info, count, 0, MODELS_CHAMPION);
	return note(to, "imported", from, &info);
}

static int rollback(const struct command_line *line, const char *path)
{
	struct model_info info;
	struct error error;
	size_t numbers;

	if (model_file_rollback(path, &error) != STATUS_OK ||
		read_info(path, &info, &numbers, &error) != STATUS_OK)
		return models_refused(&error);
	printf("%s is the one before\n", path);
	models_tell_mlflow(line, path, &info, numbers, 0, MODELS_CHAMPION);
	return note(path, "rolled back", NULL, &info);
}

static bool format_known(const char *format)
{
	if (format == NULL || strcmp(format, "native") == 0 || strcmp(format, "onnx") == 0)
		return true;
	fprintf(stderr, "nimbusguard: --format is native or onnx\n");
	return false;
}

/* A name is one that fits where names are kept. */
static bool name_take(const char *flag, const char *value, char *name, size_t size)
{
	if (strlen(value) < size) {
		memcpy(name, value, strlen(value) + 1);
		return true;
	}
	fprintf(stderr, "nimbusguard: --%s is longer than %zu characters\n", flag, size - 1);
	return false;
}

static bool workload_named(const struct command_line *line, struct workload_key *key)
{
	const char *name = command_flag(line, "workload");
	const char *namespace_name = command_flag(line, "namespace");
	const char *kind = command_flag(line, "kind"), *cluster = command_flag(line, "cluster");

	*key = (struct workload_key){.kind = target_kind_parse(kind != NULL ? kind : "Deployment")};
	if (namespace_name == NULL || name == NULL) {
		fprintf(stderr,
			"nimbusguard: say which workload: --namespace=NAME --workload=NAME\n");
		return false;
	}
	if (key->kind == TARGET_NONE) {
		fprintf(stderr, "nimbusguard: --kind \"%s\" is not known\n", kind);
		return false;
	}
	return name_take("workload", name, key->name, sizeof(key->name)) &&
		name_take("namespace", namespace_name, key->namespace_name,
			sizeof(key->namespace_name)) &&
		(cluster == NULL ||
			name_take("cluster", cluster, key->cluster, sizeof(key->cluster)));
}

static int export_forest(const struct command_line *line, const char *folder, const char *to)
{
	const char *format = command_flag(line, "format");
	struct workload_key workload;
	struct error error;

	if (!workload_named(line, &workload))
		return EXIT_USAGE;
	if (format == NULL || strcmp(format, "onnx") != 0) {
		fprintf(stderr,
			"nimbusguard: what was learnt of a workload is exported with "
			"--format=onnx alone\n");
		return EXIT_USAGE;
	}
	if (models_onnx_export_forest(folder, &workload, to, &error) != STATUS_OK)
		return models_refused(&error);
	printf("%s is written\n", to);
	return EXIT_GOOD;
}

static int export_file(const struct command_line *line, const char *from, const char *to)
{
	const char *format = command_flag(line, "format");
	struct model_info info;
	float *values = NULL;
	struct error error;
	size_t count;
	enum status status;

	if (!format_known(format))
		return EXIT_USAGE;
	if (command_flag(line, "workload") != NULL || command_flag(line, "namespace") != NULL)
		return export_forest(line, from, to);
	if (format != NULL && strcmp(format, "onnx") == 0) {
		status = models_onnx_export(from, to, &error);
	} else {
		status = model_file_read(from, &info, &values, &count, &error);
		if (status == STATUS_OK)
			status = model_file_export(to, &info, values, count, &error);
		mem_free(values);
	}
	if (status != STATUS_OK)
		return models_refused(&error);
	printf("%s is written\n", to);
	return EXIT_GOOD;
}

/* ---- the command line ---- */

static const struct {
	const char *verb, *words; /* words: what it takes behind it, for messages */
	size_t least, most;       /* so many words behind it */
} verbs[] = {
	{"list", "FOLDER", 1, 1},
	{"show", "FILE", 1, 1},
	{"train", "TO and rows", 1, 1},
	{"evaluate", "FILE, perhaps a second one, and rows", 1, 2},
	{"promote", "FILE TO and rows", 2, 2},
	{"rollback", "FILE", 1, 1},
	{"import", "FILE TO", 2, 2},
	{"export", "FILE TO", 2, 2},
};

static int refuse_words(const char *verb)
{
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
		if (strcmp(verb, verbs[i].verb) != 0)
			continue;
		fprintf(stderr, "nimbusguard: models %s takes %s, see nimbusguard help models\n",
			verb, verbs[i].words);
		return EXIT_USAGE;
	}
	fprintf(stderr, "nimbusguard: models");
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++)
		fprintf(stderr, "%s%s", i > 0 ? " | " : " ", verbs[i].verb);
	fprintf(stderr, ", see nimbusguard help models\n");
	return EXIT_USAGE;
}

static bool words_fit(const char *verb, size_t count)
{
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++)
		if (strcmp(verb, verbs[i].verb) == 0)
			return count >= verbs[i].least && count <= verbs[i].most;
	return false;
}

static int run_verb(const struct command_line *line, const char *verb, const char *first,
	const char *second)
{
	bool json = command_flag(line, "json") != NULL;

	if (strcmp(verb, "list") == 0)
		return list(first, json);
	if (strcmp(verb, "show") == 0)
		return show(first, json);
	if (strcmp(verb, "train") == 0)
		return models_train(line, first);
	if (strcmp(verb, "evaluate") == 0)
		return models_evaluate(line, first, second);
	if (strcmp(verb, "promote") == 0)
		return models_promote(line, first, second);
	if (strcmp(verb, "rollback") == 0)
		return rollback(line, first);
	if (strcmp(verb, "import") == 0)
		return import_file(line, first, second);
	return export_file(line, first, second);
}

int command_models(const struct command_line *line)
{
	static const char *const known[] = {"json", "format", MODELS_TRIAL_FLAGS, MINUTES_CSV_FLAGS,
		NULL};
	const char *verb = line->word_count > 0 ? line->words[0] : "";

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (!words_fit(verb, line->word_count - (line->word_count > 0 ? 1 : 0)))
		return refuse_words(verb);
	return run_verb(line, verb, line->words[1], line->word_count > 2 ? line->words[2] : NULL);
}
