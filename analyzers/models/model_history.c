/*
 * The history is read whole, cut at the front when it is long, and written anew in one step.
 */
#include "analyzers/models/model_history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"

#define PATH_SIZE 4352

static enum status history_path(const char *path, char *history, struct error *error)
{
	int size = snprintf(history, PATH_SIZE, "%s.history", path);

	if (size < 0 || size >= PATH_SIZE)
		return error_set(error, STATUS_BAD_INPUT, "the path is too long");
	return STATUS_OK;
}

static void text_field(struct buf *line, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buf_printf(line, ",\"%s\":", name);
	buf_add_json_string(line, text, strlen(text));
}

static void number_field(struct buf *line, const char *name, double number)
{
	if (isnan(number))
		return;
	buf_printf(line, ",\"%s\":", name);
	buf_add_json_number(line, number);
}

static void line_add(struct buf *lines, const struct model_change *change)
{
	char time[32];

	format_rfc3339(change->at_ms, time, sizeof(time));
	buf_printf(lines, "{\"time\":\"%s\"", time);
	text_field(lines, "change", change->what);
	text_field(lines, "from", change->from);
	buf_printf(lines, ",\"checksum\":\"%016llx\"", (unsigned long long)change->checksum);
	number_field(lines, "relative_error", change->figure);
	number_field(lines, "beaten", change->beaten);
	text_field(lines, "forced", change->reason);
	buf_add_text(lines, "}\n");
}

enum status model_history_read(const char *path, struct buf *lines, struct error *error)
{
	char history[PATH_SIZE];
	enum status status = history_path(path, history, error);

	if (status == STATUS_OK)
		status = file_read(history, lines, error);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status model_history_add(const char *path, const struct model_change *change,
	struct error *error)
{
	char history[PATH_SIZE];
	const char *from, *end;
	struct buf lines;
	enum status status = history_path(path, history, error);

	if (status != STATUS_OK)
		return status;
	buf_init(&lines, 2 * MODEL_HISTORY_MAX);
	status = model_history_read(path, &lines, error);
	line_add(&lines, change);
	if (status == STATUS_OK && !buf_ok(&lines))
		status = error_set(error, STATUS_NO_MEMORY, "%s: no memory for it", history);
	if (status == STATUS_OK) {
		from = lines.data;
		end = lines.data + lines.size;
		/* From the first whole line on that leaves little enough. */
		while ((size_t)(end - from) > MODEL_HISTORY_MAX) {
			const char *newline = memchr(from, '\n', (size_t)(end - from));

			from = newline != NULL ? newline + 1 : end;
		}
		status = file_write_atomic(history, from, (size_t)(end - from), 0600, error);
	}
	buf_fini(&lines);
	return status;
}
