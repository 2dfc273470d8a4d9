/*
 * The accounts of the ten minutes that ended, for the journal: a record a window with a row for each
 * workload that was judged, those that serve first.
 */
#include <math.h>
#include <string.h>

#include "analyzers/scaler/scaler_parts.h"
#include "base/parse.h"

#define ROWS_MAX 50
#define BODY_MAX (256 * 1024)

static void add_figure(struct buf *json, const char *name, double value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_number(json, value);
}

static void write_row(struct buf *json, const struct follower *follower)
{
	const struct feedback_window *window = &follower->feedback.last;
	const char *state = follow_state_name(follower->view.state);
	char name[WORKLOAD_TEXT_MAX];

	workload_key_write(&follower->key, name, sizeof(name));
	buf_add_text(json, "{\"workload\":");
	buf_add_json_string(json, name, strlen(name));
	buf_printf(json, ",\"state\":\"%s\"", state);
	add_figure(json, "predicted", window->predicted);
	add_figure(json, "came", window->came);
	for (int party = 0; party < FEEDBACK_PARTIES; party++) {
		buf_printf(json,
			",\"%s\":{\"reward\":", feedback_party_name((enum feedback_party)party));
		buf_add_json_number(json, window->reward[party]);
		add_figure(json, "replicas", window->pods[party]);
		add_figure(json, "violated", window->late[party]);
		buf_add_char(json, '}');
	}
	buf_add_char(json, '}');
}

/* Rows of those that serve, or of the others, whose window ended with this slot. */
static size_t write_rows(struct buf *json, const struct scaler *scaler, int64_t end, bool serving,
	size_t count)
{
	for (size_t i = 0; i < scaler->count; i++) {
		const struct follower *follower = &scaler->entries[i]->follower;

		if (follower->feedback.windows == 0 || follower->feedback.last.end != end ||
			(follower->view.state == FOLLOW_SERVING) != serving)
			continue;
		if (count++ >= ROWS_MAX)
			continue;
		if (count > 1)
			buf_add_char(json, ',');
		write_row(json, follower);
	}
	return count;
}

void scaler_tell_windows(struct scaler *scaler)
{
	int64_t window = scaler->slot / FEEDBACK_WINDOW_SLOTS;
	int64_t end = window * FEEDBACK_WINDOW_SLOTS;
	char time[32];
	struct buf json;
	size_t count;
	bool first = scaler->window == 0;

	if (window == scaler->window || scaler->config.window_ended == NULL)
		return;
	scaler->window = window;
	/* What ended before the start was told then. */
	if (first)
		return;
	buf_init(&json, BODY_MAX);
	format_rfc3339(end * SCALER_SLOT_MS, time, sizeof(time));
	buf_printf(&json, "{\"until\":\"%s\",\"workloads\":[", time);
	count = write_rows(&json, scaler, end, true, 0);
	count = write_rows(&json, scaler, end, false, count);
	buf_printf(&json, "],\"unlisted\":%zu}", count > ROWS_MAX ? count - ROWS_MAX : 0);
	/* What cannot be written is in the metrics and the API all the same. */
	if (buf_ok(&json) && count > 0)
		scaler->config.window_ended(scaler->config.proposed_argument, time, json.data);
	buf_fini(&json);
}
