#include "analyzers/reader_write.h"

#include <string.h>

#include "base/parse.h"
#include "base/quality.h"

#define MINUTE_MS 60000

void write_number(struct buf *json, const char *name, double value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_number(json, value);
}

void write_time(struct buf *json, const char *name, int64_t t_ms)
{
	char text[32];

	format_rfc3339(t_ms, text, sizeof(text));
	buf_printf(json, ",\"%s\":\"%s\"", name, text);
}

void write_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

void write_workload_key(struct buf *json, const struct workload_key *key)
{
	buf_add_text(json, "\"cluster\":");
	buf_add_json_string(json, key->cluster, strlen(key->cluster));
	write_text(json, "namespace", key->namespace_name);
	write_text(json, "kind", target_kind_name(key->kind));
	write_text(json, "workload", key->name);
}

/* The minute's verdict with all its reasons. */
void write_closed_minute(struct buf *json, const struct grid_row *row)
{
	bool first = true;

	if (row->row == GRID_NEVER)
		return;
	write_time(json, "minute", row->row * MINUTE_MS);
	write_text(json, "quality", quality_name(row->verdict));
	buf_add_text(json, ",\"reasons\":[");
	for (int code = 0; code < QUALITY_COUNT; code++) {
		if (code == QUALITY_GOOD || (row->reasons >> code & 1) == 0)
			continue;
		buf_printf(json, "%s\"%s\"", first ? "" : ",", quality_name((enum quality)code));
		first = false;
	}
	buf_add_char(json, ']');
}
