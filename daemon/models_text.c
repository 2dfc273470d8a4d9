/*
 * What is said of a model file, as text and as JSON.
 */
#include "daemon/models_text.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/command.h"

int models_refused(const struct error *error)
{
	fprintf(stderr, "nimbusguard: %s\n", error->text);
	return EXIT_FAILED;
}

void models_write_shapes(const struct model_info *info, const char *between, struct buf *text)
{
	size_t count = MODEL_SHAPES;

	while (count > 0 && info->shapes[count - 1] == 0)
		count--;
	for (size_t i = 0; i < count; i++)
		buf_printf(text, "%s%u", i > 0 ? between : "", info->shapes[i]);
}

void models_write_time(int64_t ms, struct buf *text)
{
	char time[32] = "-";

	if (ms != 0)
		format_rfc3339(ms, time, sizeof(time));
	buf_add_text(text, time);
}

void models_write_trained(int64_t ms, struct buf *text)
{
	if (ms != 0)
		models_write_time(ms, text);
	else
		buf_add_text(text, "at no time that it tells");
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

void models_write_json(const char *path, const struct model_info *info, size_t numbers,
	struct buf *json)
{
	buf_add_text(json, "\"path\":");
	buf_add_json_string(json, path, strlen(path));
	add_json_text(json, "kind", info->kind);
	add_json_text(json, "made_by", info->made_by);
	buf_add_text(json, ",\"shapes\":[");
	models_write_shapes(info, ",", json);
	buf_printf(json, "],\"numbers\":%zu,\"checksum\":\"%016llx\"", numbers,
		(unsigned long long)info->checksum);
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
	buf_add_char(json, '}');
}

/* ---- as text ---- */

void models_write_text(const char *path, const struct model_info *info, size_t numbers,
	struct buf *text)
{
	buf_printf(text, "%s: whole, its checksum matches\n", path);
	buf_printf(text, "  kind       %s\n  made by    %s\n  shapes     ", info->kind,
		info->made_by);
	models_write_shapes(info, " x ", text);
	buf_printf(text, "\n  numbers    %zu\n  trained    ", numbers);
	models_write_trained(info->trained_ms, text);
	buf_add_text(text, "\n  data       ");
	models_write_time(info->data_from_ms, text);
	buf_add_text(text, " to ");
	models_write_time(info->data_to_ms, text);
	buf_printf(text, ", %llu rows\n  seed       %llu\n", (unsigned long long)info->data_rows,
		(unsigned long long)info->seed);
	buf_printf(text, "  checksum   %016llx\n", (unsigned long long)info->checksum);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		if (info->score_names[i][0] != '\0')
			buf_printf(text, "  %-24s %.6g\n", info->score_names[i], info->scores[i]);
}

int models_print(struct buf *text, int status)
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
