/*
 * models: list | show | rollback | import, on model files.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/models/model_file.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/command.h"

#define PATH_SIZE 4352
#define FILES_MAX 10000
#define OUTPUT_MAX ((size_t)16 << 20)

const char models_flags[] =
	"usage: nimbusguard models list FOLDER [--json]\n"
	"       nimbusguard models show FILE [--json]\n"
	"       nimbusguard models rollback FILE\n"
	"       nimbusguard models import FILE TO\n\n"
	"Files of trained models. list shows those of a folder, show what one was made from and how\n"
	"good it was; both read the whole file and verify its checksum. import verifies a file and puts\n"
	"it where another is to serve from; what was there is kept beside it, and rollback makes it\n"
	"serve again. Exit status 1 when a file is refused: cut off, foreign, damaged, or of a later\n"
	"format.\n\nflags:\n"
	"  --json              as JSON\n\nexamples:\n"
	"  nimbusguard models list /var/lib/nimbusguard/models\n"
	"  nimbusguard models show general.model --json\n"
	"  nimbusguard models import new.model /var/lib/nimbusguard/models/general.model\n"
	"  nimbusguard models rollback /var/lib/nimbusguard/models/general.model\n";

/* A file read and verified; its numbers are not kept. */
static enum status read_info(const char *path, struct model_info *info, size_t *numbers,
	struct error *error)
{
	float *values = NULL;
	enum status status = model_file_read(path, info, &values, numbers, error);

	mem_free(values);
	return status;
}

static int refused(const struct error *error)
{
	fprintf(stderr, "nimbusguard: %s\n", error->text);
	return EXIT_FAILED;
}

static void write_shapes(const struct model_info *info, const char *between, struct buf *text)
{
	size_t count = MODEL_SHAPES;

	while (count > 0 && info->shapes[count - 1] == 0)
		count--;
	for (size_t i = 0; i < count; i++)
		buf_printf(text, "%s%u", i > 0 ? between : "", info->shapes[i]);
}

static void write_time(int64_t ms, struct buf *text)
{
	char time[32] = "-";

	if (ms != 0)
		format_rfc3339(ms, time, sizeof(time));
	buf_add_text(text, time);
}

/* ---- as JSON ---- */

static void add_json_text(struct buf *json, const char *name, const char *value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, value, strlen(value));
}

static void add_json_time(struct buf *json, const char *name, int64_t ms)
{
	char time[32];

	format_rfc3339(ms, time, sizeof(time));
	if (ms != 0)
		add_json_text(json, name, time);
}

static void write_json(const char *path, const struct model_info *info, size_t numbers,
	struct buf *json)
{
	buf_add_text(json, "{\"path\":");
	buf_add_json_string(json, path, strlen(path));
	add_json_text(json, "kind", info->kind);
	add_json_text(json, "made_by", info->made_by);
	buf_add_text(json, ",\"shapes\":[");
	write_shapes(info, ",", json);
	buf_printf(json, "],\"numbers\":%zu", numbers);
	add_json_time(json, "trained", info->trained_ms);
	add_json_time(json, "data_from", info->data_from_ms);
	add_json_time(json, "data_to", info->data_to_ms);
	buf_printf(json, ",\"data_rows\":%llu,\"seed\":%llu,\"scores\":{",
		(unsigned long long)info->data_rows, (unsigned long long)info->seed);
	for (size_t i = 0, written = 0; i < MODEL_SCORES; i++) {
		if (info->score_names[i][0] == '\0')
			continue;
		buf_add_text(json, written++ > 0 ? "," : "");
		buf_add_json_string(json, info->score_names[i], strlen(info->score_names[i]));
		buf_add_char(json, ':');
		buf_add_json_number(json, info->scores[i]);
	}
	buf_add_text(json, "}}");
}

/* ---- as text ---- */

static void write_text(const char *path, const struct model_info *info, size_t numbers,
	struct buf *text)
{
	buf_printf(text, "%s: whole, its checksum matches\n", path);
	buf_printf(text, "  kind       %s\n  made by    %s\n  shapes     ", info->kind,
		info->made_by);
	write_shapes(info, " x ", text);
	buf_printf(text, "\n  numbers    %zu\n  trained    ", numbers);
	write_time(info->trained_ms, text);
	buf_add_text(text, "\n  data       ");
	write_time(info->data_from_ms, text);
	buf_add_text(text, " to ");
	write_time(info->data_to_ms, text);
	buf_printf(text, ", %llu rows\n  seed       %llu\n", (unsigned long long)info->data_rows,
		(unsigned long long)info->seed);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		if (info->score_names[i][0] != '\0')
			buf_printf(text, "  %-24s %.6g\n", info->score_names[i], info->scores[i]);
}

static int print(struct buf *text, int status)
{
	if (buf_ok(text)) {
		if (text->data != NULL)
			fputs(text->data, stdout);
	} else {
		fprintf(stderr, "nimbusguard: out of memory\n");
		status = EXIT_FAILED;
	}
	buf_fini(text);
	return status;
}

static int show(const char *path, bool json)
{
	struct model_info info;
	struct error error;
	struct buf text;
	size_t numbers;

	if (read_info(path, &info, &numbers, &error) != STATUS_OK)
		return refused(&error);
	buf_init(&text, OUTPUT_MAX);
	if (json)
		write_json(path, &info, numbers, &text);
	else
		write_text(path, &info, numbers, &text);
	buf_add_text(&text, json ? "\n" : "");
	return print(&text, EXIT_GOOD);
}

/* ---- a folder ---- */

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* One of a list; what is refused is a line, too, for that is what one looks for. */
static int list_one(const char *path, bool json, size_t *written, struct buf *text)
{
	struct model_info info;
	struct error error;
	size_t numbers;

	if (read_info(path, &info, &numbers, &error) != STATUS_OK)
		return refused(&error);
	if (json) {
		buf_add_text(text, (*written)++ > 0 ? ",\n" : "");
		write_json(path, &info, numbers, text);
		return EXIT_GOOD;
	}
	buf_printf(text, "%s  %s  ", path, info.kind);
	write_shapes(&info, "x", text);
	buf_add_text(text, "  trained ");
	write_time(info.trained_ms, text);
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
	buf_init(&text, OUTPUT_MAX);
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
	return print(&text, status);
}

/* ---- what changes files ---- */

static int import_file(const char *from, const char *to)
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
		return refused(&error);
	printf("%s is in place\n", to);
	return EXIT_GOOD;
}

static int rollback(const char *path)
{
	struct error error;

	if (model_file_rollback(path, &error) != STATUS_OK)
		return refused(&error);
	printf("%s is the one before\n", path);
	return EXIT_GOOD;
}

int command_models(const struct command_line *line)
{
	static const char *const known[] = {"json", NULL};
	const char *verb = line->word_count > 0 ? line->words[0] : "";
	bool json = command_flag(line, "json") != NULL;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (strcmp(verb, "list") == 0 && line->word_count == 2)
		return list(line->words[1], json);
	if (strcmp(verb, "show") == 0 && line->word_count == 2)
		return show(line->words[1], json);
	if (strcmp(verb, "rollback") == 0 && line->word_count == 2)
		return rollback(line->words[1]);
	if (strcmp(verb, "import") == 0 && line->word_count == 3)
		return import_file(line->words[1], line->words[2]);
	fprintf(stderr,
		"nimbusguard: models list FOLDER, show FILE, rollback FILE or import FILE TO, "
		"see nimbusguard help models\n");
	return EXIT_USAGE;
}
