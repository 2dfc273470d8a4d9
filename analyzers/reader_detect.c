/*
 * What is told of the watch over one workload: GET /api/v1/detect. Read from the newest snapshot.
 */
#include <math.h>
#include <string.h>

#include "analyzers/explain.h"
#include "analyzers/reader_write.h"
#include "analyzers/snapshot.h"

#define TEXT_MAX 4096
#define MINUTE_MS 60000

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
	write_workload_key(json, &workload->key);
	write_closed_minute(json, &workload->row);
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
