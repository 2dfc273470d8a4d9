/*
 * What is told of the watch over one workload and of its forecasts: GET /api/v1/detect and
 * /api/v1/predict. Read from the newest snapshot.
 */
#include <math.h>
#include <string.h>

#include "analyzers/explain.h"
#include "analyzers/snapshot.h"
#include "base/parse.h"

#define TEXT_MAX 4096
#define MINUTE_MS 60000
/* A forecast of minutes that are longer past says nothing of now. */
#define FORESEEN_FROM_MS 300000

static void write_number(struct buf *json, const char *name, double value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_number(json, value);
}

static void write_time(struct buf *json, const char *name, int64_t t_ms)
{
	char text[32];

	format_rfc3339(t_ms, text, sizeof(text));
	buf_printf(json, ",\"%s\":\"%s\"", name, text);
}

static void write_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

static void write_key(struct buf *json, const struct workload_key *key)
{
	buf_add_text(json, "\"cluster\":");
	buf_add_json_string(json, key->cluster, strlen(key->cluster));
	write_text(json, "namespace", key->namespace_name);
	write_text(json, "kind", target_kind_name(key->kind));
	write_text(json, "workload", key->name);
}

/* The minute's verdict with all its reasons. */
static void write_row(struct buf *json, const struct grid_row *row)
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

static void write_detector(struct buf *json, const struct watch_state *state)
{
	const char *reason = alarm_reason(state->quarantine);

	write_text(json, "state",
		!state->fitted                               ? "learning"
			: state->quarantine == ALARM_SERVING ? "serving"
							     : "quarantined");
	if (reason != NULL)
		write_text(json, "reason", reason);
	if (state->fitted) {
		write_time(json, "learnt_from", state->first * MINUTE_MS);
		write_time(json, "learnt_until", state->end * MINUTE_MS);
		buf_printf(json, ",\"learnt_minutes\":%zu,\"bytes\":%zu", state->rows,
			state->bytes);
	}
	write_number(json, "score", state->answer.score);
	write_number(json, "threshold", state->answer.threshold);
	write_number(json, "probability", state->answer.probability);
	write_number(json, "surprise", state->answer.surprise);
	buf_printf(json, ",\"unusual\":%s", state->active ? "true" : "false");
	if (state->active)
		write_time(json, "since", state->since_ms);
}

static void write_windows(struct buf *json, const char *name, const double *values)
{
	buf_printf(json, ",\"%s\":{", name);
	for (int i = 0; i < ROLLING_WINDOWS; i++) {
		buf_printf(json, "%s\"%s\":", i > 0 ? "," : "",
			rolling_window_name((enum rolling_window)i));
		buf_add_json_number(json, values[i]);
	}
	buf_add_char(json, '}');
}

static void write_signal(struct buf *json, const struct watched_signal *signal,
	enum signal_role role, double part)
{
	const struct sight_features *features = &signal->features;
	struct expectation expected;

	explain_expected(signal, &expected);
	buf_printf(json, "{\"role\":\"%s\",\"unit\":\"%s\",\"quality\":\"%s\"", role_name(role),
		role_unit(role), quality_name(features->verdict));
	write_number(json, "value", features->rolling.value);
	write_number(json, "expected", expected.value);
	write_text(json, "ground", expected.ground);
	write_number(json, "deviations", expected.score);
	write_number(json, "contribution", part);
	write_number(json, "difference", features->rolling.difference);
	write_number(json, "rate_per_minute", features->rolling.rate);
	write_number(json, "volatility", features->rolling.volatility);
	write_windows(json, "mean", features->rolling.mean);
	write_windows(json, "deviation", features->rolling.deviation);
	for (int i = 0; i < SEASON_COUNT; i++) {
		buf_printf(json, ",\"%s\":{\"expected\":", season_name((enum season)i));
		buf_add_json_number(json, features->seasonal[i].expected);
		write_number(json, "residual", features->seasonal[i].residual);
		write_number(json, "score", features->seasonal[i].score);
		buf_add_char(json, '}');
	}
	buf_add_char(json, '}');
}

static void write_workload(struct buf *json, const struct watched_workload *workload)
{
	const struct watch_state *state = &workload->watched;
	bool first = true;

	buf_add_char(json, '{');
	write_key(json, &workload->key);
	write_row(json, &workload->row);
	write_detector(json, state);
	if (!isnan(state->answer.score)) {
		struct buf text;

		buf_init(&text, TEXT_MAX);
		explain_signals(workload, state->answer.contributions, &text);
		if (buf_ok(&text))
			write_text(json, "explanation", text.data);
		buf_fini(&text);
	}
	buf_add_text(json, ",\"signals\":[");
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct watched_signal *signal = &workload->signals[role];

		if (signal->features.verdict == QUALITY_MISSING)
			continue;
		buf_add_text(json, first ? "" : ",");
		first = false;
		write_signal(json, signal, (enum signal_role)role,
			state->answer.contributions[role]);
	}
	buf_add_text(json, "]}");
}

enum status analyzer_write_detection(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);

	if (watched != NULL)
		write_workload(json, watched);
	snapshot_release(snapshot);
	if (watched == NULL)
		return STATUS_NOT_FOUND;
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

static void write_forecast(struct buf *json, const struct outlook_view *view, int horizon,
	int64_t minute)
{
	const struct prediction *prediction = &view->predictions[horizon];

	buf_printf(json, "{\"minutes\":%d", outlook_minutes[horizon]);
	write_time(json, "at", (minute + outlook_minutes[horizon]) * MINUTE_MS);
	write_number(json, "low", prediction->low);
	write_number(json, "q10", prediction->q10);
	write_number(json, "middle", prediction->middle);
	write_number(json, "q90", prediction->q90);
	write_number(json, "high", prediction->high);
	write_number(json, "skill", view->skill[horizon]);
	buf_add_char(json, '}');
}

static void write_outlook(struct buf *json, const struct watched_workload *workload)
{
	bool first = true;

	buf_add_char(json, '{');
	write_key(json, &workload->key);
	write_row(json, &workload->row);
	buf_add_text(json, ",\"signals\":[");
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct watched_signal *signal = &workload->signals[role];

		if (isnan(signal->outlook.predictions[0].middle))
			continue;
		buf_printf(json, "%s{\"role\":\"%s\",\"unit\":\"%s\"", first ? "" : ",",
			role_name((enum signal_role)role), role_unit((enum signal_role)role));
		first = false;
		write_number(json, "value", signal->features.rolling.value);
		buf_add_text(json, ",\"forecasts\":[");
		for (int i = 0; i < OUTLOOK_HORIZONS; i++) {
			buf_add_text(json, i > 0 ? "," : "");
			write_forecast(json, &signal->outlook, i, workload->row.row);
		}
		buf_add_text(json, "]}");
	}
	buf_add_text(json, "]}");
}

enum status analyzer_write_outlook(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);

	if (watched != NULL)
		write_outlook(json, watched);
	snapshot_release(snapshot);
	if (watched == NULL)
		return STATUS_NOT_FOUND;
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

bool analyzer_foresee(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int64_t known_ms, int64_t at_ms, struct prediction *prediction)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);
	bool foreseen = false;

	if (watched != NULL && watched->row.row != GRID_NEVER) {
		int64_t minute = watched->row.row, end_ms = (minute + 1) * MINUTE_MS;

		foreseen = end_ms <= known_ms && known_ms - end_ms <= FORESEEN_FROM_MS &&
			outlook_at(&watched->signals[role].outlook, at_ms / MINUTE_MS - 1 - minute,
				prediction);
	}
	snapshot_release(snapshot);
	return foreseen;
}
