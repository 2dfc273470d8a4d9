/*
 * What is told of the forecasts of one workload: GET /api/v1/predict with the state of each and, where one is
 * silent, the reason; and the answers to the remediation side. Read from the newest snapshot, and from the
 * tier how much there is to learn from.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/analyzer_state.h"
#include "analyzers/minutes.h"
#include "analyzers/reader_write.h"
#include "analyzers/snapshot.h"

#define MINUTE_MS 60000
#define REASON_MAX 200
/* A forecast of minutes that are longer past says nothing of now. */
#define FORESEEN_FROM_MS 300000
/* The quantile that a playbook compares: the place of .9 among demand_levels. */
#define PEAK_COMPARED 1

struct standing {
	const char *state;
	char reason[REASON_MAX]; /* empty: it serves */
};

/* Of one workload as it was seen. */
struct outlook_page {
	struct rollup *rollup; /* NULL: there is none */
	const struct snapshot *snapshot;
	const struct watched_workload *workload;
};

/* What there is to learn from, and why it has not been learnt from yet. */
static void stand_learning(const struct outlook_page *page, enum signal_role role, int64_t wanted,
	struct standing *standing)
{
	int64_t end = page->workload->row.row + 1, from = end - page->snapshot->forecast_rows;
	char key[ROLLUP_KEY_MAX];
	size_t there = 0;

	standing->state = "learning";
	if (page->rollup != NULL && page->workload->row.row != GRID_NEVER)
		there = rollup_read(page->rollup, key, minutes_key(&page->workload->key, role, key),
			from, end, &(struct rollup_columns){.mean = NULL});
	if ((int64_t)there < wanted)
		snprintf(standing->reason, REASON_MAX, "learning, %zu of %lld minutes", there,
			(long long)wanted);
	else
		snprintf(standing->reason, REASON_MAX,
			"learning, %zu minutes are there and wait for the training", there);
}

static void stand_signal(const struct outlook_page *page, enum signal_role role,
	struct standing *standing)
{
	const struct outlook_view *view = &page->workload->signals[role].outlook;

	*standing = (struct standing){.state = "serving"};
	if (!view->known) {
		stand_learning(page, role, page->snapshot->forecast_rows_min, standing);
	} else if (isnan(view->predictions[0].middle)) {
		standing->state = "stale";
		snprintf(standing->reason, REASON_MAX, "stale, no value for more than %d minutes",
			FORECAST_STALE_ROWS);
	} else if (view->skill[0] <= 0 && view->skill[1] <= 0) {
		standing->state = "worse_than_naive";
		snprintf(standing->reason, REASON_MAX,
			"switched off, worse than naive: no better than the last value over the last "
			"day");
	}
}

static void stand_peak(const struct outlook_page *page, struct standing *standing)
{
	*standing = (struct standing){.state = "serving"};
	switch (page->workload->peak.state) {
	case DEMAND_LEARNING:
	case DEMAND_NONE:
		stand_learning(page, page->workload->peak.role, DEMAND_ROWS_MIN, standing);
		break;
	case DEMAND_STALE:
		standing->state = "stale";
		snprintf(standing->reason, REASON_MAX, "stale, the last two minutes are missing");
		break;
	case DEMAND_WORSE:
		standing->state = "worse_than_naive";
		snprintf(standing->reason, REASON_MAX,
			"switched off, worse than naive: no better than fixed multiples of the "
			"present level over the last day");
		break;
	case DEMAND_SERVING:
		break;
	}
}

static void write_standing(struct buf *json, const struct standing *standing)
{
	write_text(json, "state", standing->state);
	if (standing->reason[0] != '\0')
		write_text(json, "reason", standing->reason);
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

static void write_peak(struct buf *json, const struct outlook_page *page)
{
	const struct demand_view *peak = &page->workload->peak;
	struct standing standing;

	stand_peak(page, &standing);
	buf_printf(json, ",\"peak\":{\"minutes\":%d", DEMAND_MINUTES);
	if (page->workload->row.row != GRID_NEVER)
		write_time(json, "until", (page->workload->row.row + DEMAND_MINUTES) * MINUTE_MS);
	write_standing(json, &standing);
	for (size_t i = 0; i < DEMAND_QUANTILES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "q%.0f", demand_levels[i] * 100);
		write_number(json, name, peak->quantiles[i]);
	}
	write_number(json, "skill", peak->skill);
	buf_add_char(json, '}');
}

static void write_signal(struct buf *json, const struct outlook_page *page, enum signal_role role)
{
	const struct watched_signal *signal = &page->workload->signals[role];
	struct standing standing;

	stand_signal(page, role, &standing);
	buf_printf(json, "{\"role\":\"%s\",\"unit\":\"%s\"", role_name(role), role_unit(role));
	write_number(json, "value", signal->features.rolling.value);
	write_standing(json, &standing);
	buf_add_text(json, ",\"forecasts\":[");
	for (int i = 0; i < OUTLOOK_HORIZONS && !isnan(signal->outlook.predictions[0].middle);
		i++) {
		buf_add_text(json, i > 0 ? "," : "");
		write_forecast(json, &signal->outlook, i, page->workload->row.row);
	}
	buf_add_char(json, ']');
	if (page->workload->peak.state != DEMAND_NONE && page->workload->peak.role == role)
		write_peak(json, page);
	buf_add_char(json, '}');
}

/* Every signal that is to be forecast, whether or not it is. */
static void write_outlook(struct buf *json, const struct outlook_page *page)
{
	const struct watched_workload *workload = page->workload;
	bool first = true;

	buf_add_char(json, '{');
	write_workload_key(json, &workload->key);
	write_closed_minute(json, &workload->row);
	if (page->snapshot->forecast_roles == 0)
		write_text(json, "reason",
			"nothing is to be forecast: analyze.forecaster is none, there is no 1-minute "
			"tier, or no signal has forecast: true");
	buf_add_text(json, ",\"signals\":[");
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct watched_signal *signal = &workload->signals[role];

		if ((page->snapshot->forecast_roles >> role & 1) == 0 ||
			(signal->series == STORE_NO_SERIES && !signal->outlook.known))
			continue;
		buf_add_text(json, first ? "" : ",");
		first = false;
		write_signal(json, page, (enum signal_role)role);
	}
	buf_add_text(json, "]}");
}

enum status analyzer_write_outlook(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);
	const struct outlook_page page = {analyzer_rollup(analyzer), snapshot, watched};

	if (watched != NULL)
		write_outlook(json, &page);
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

enum quality analyzer_peak(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int64_t now_ms, double *value, int64_t *newest_ms)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);
	enum quality quality = QUALITY_MISSING;

	*value = NAN;
	*newest_ms = 0;
	if (watched != NULL && watched->row.row != GRID_NEVER &&
		watched->peak.state != DEMAND_NONE && watched->peak.role == role) {
		int64_t end_ms = (watched->row.row + 1) * MINUTE_MS;

		*newest_ms = end_ms;
		if (watched->peak.state == DEMAND_STALE || end_ms > now_ms ||
			now_ms - end_ms > FORESEEN_FROM_MS)
			quality = QUALITY_STALE;
		else if (watched->peak.state != DEMAND_SERVING)
			quality = QUALITY_TOO_SHORT;
		else
			quality = QUALITY_GOOD;
		if (quality == QUALITY_GOOD)
			*value = watched->peak.quantiles[PEAK_COMPARED];
	}
	snapshot_release(snapshot);
	return quality;
}
