/*
 * What others ask of the analyzer: values folded over raw samples, owners of pods, the lists of the
 * API and the gauges of the metrics page. Everything is read from the newest snapshot and the store; nothing waits for a scan.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/reader_write.h"
#include "analyzers/snapshot.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/parse.h"

#define FOLD_POINTS_MAX 20000
#define OWNERS_MAX 16
/* Samples of recording rules come each quarter of a minute to five minutes. */
#define NODE_KNOWN_MS (5 * 60000)
#define LIST_DEFAULT 1000

/* As remediations/signal_source.h numbers them; the daemon passes its enum through. */
enum fold { FOLD_NEWEST, FOLD_MEAN, FOLD_MIN, FOLD_MAX, FOLD_INCREASE };

static double fold_points(const struct store_point *points, size_t count, int fold, uint32_t *used,
	int64_t *newest_ms)
{
	double result = NAN, sum = 0, previous = NAN;

	*used = 0;
	for (size_t i = 0; i < count; i++) {
		double value = points[i].value;

		if (!isfinite(value))
			continue;
		(*used)++;
		*newest_ms = points[i].t_ms;
		switch ((enum fold)fold) {
		case FOLD_NEWEST:
			result = value;
			break;
		case FOLD_MEAN:
			sum += value;
			result = sum / *used;
			break;
		case FOLD_MIN:
			result = isnan(result) || value < result ? value : result;
			break;
		case FOLD_MAX:
			result = isnan(result) || value > result ? value : result;
			break;
		case FOLD_INCREASE:
			/* A fall is a reset: what came after it counts from zero. */
			if (!isnan(previous))
				sum += value >= previous ? value - previous : value;
			previous = value;
			result = *used > 1 ? sum : NAN;
			break;
		}
	}
	return result;
}

void analyzer_read(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int fold, int64_t from_ms, int64_t to_ms, enum quality *quality,
	double *value, int64_t *newest_ms, uint32_t *samples)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	const struct watched_workload *watched = roster_find(&snapshot->roster, workload);
	int64_t stale_ms = snapshot->stale_ms[role],
		now_ms = clock_now_ms(analyzer_clock(analyzer));
	uint32_t series = watched != NULL ? watched->signals[role].series : STORE_NO_SERIES;
	bool duplicate = watched != NULL && watched->signals[role].duplicate;
	struct store_point *points, newest;
	size_t count;

	snapshot_release(snapshot);
	*quality = QUALITY_MISSING;
	*value = NAN;
	*newest_ms = 0;
	*samples = 0;
	if (series == STORE_NO_SERIES)
		return;
	/* Not zeroed: mostly a few of them are used, and the engine waits for this. */
	points = mem_alloc(FOLD_POINTS_MAX * sizeof(*points));
	if (points == NULL)
		return;
	count = store_window(analyzer_store(analyzer), series, from_ms, to_ms, points,
		FOLD_POINTS_MAX);
	*value = fold_points(points, count, fold, samples, newest_ms);
	if (!store_newest(analyzer_store(analyzer), series, &newest))
		*quality = QUALITY_MISSING;
	else if (duplicate)
		*quality = QUALITY_DUPLICATE;
	else if (count == 0 || store_is_stale(points[count - 1].value) ||
		points[count - 1].t_ms < (to_ms < now_ms ? to_ms : now_ms) - stale_ms)
		*quality = QUALITY_STALE;
	else if (*samples == 0)
		*quality = QUALITY_NOT_A_NUMBER;
	else if (isnan(*value))
		*quality = QUALITY_TOO_SHORT;
	else
		*quality = QUALITY_GOOD;
	mem_free(points);
}

bool analyzer_knows(struct analyzer *analyzer, const struct workload_key *workload)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	bool known = roster_find(&snapshot->roster, workload) != NULL;

	snapshot_release(snapshot);
	return known;
}

unsigned analyzer_count_workloads(struct analyzer *analyzer, const char *cluster,
	const char *namespace_name)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	unsigned count = 0;

	for (size_t i = 0; i < snapshot->roster.count; i++) {
		const struct workload_key *key = &snapshot->roster.workloads[i].key;

		count += strcmp(key->namespace_name, namespace_name) == 0 &&
			strcmp(key->cluster, cluster) == 0;
	}
	snapshot_release(snapshot);
	return count;
}

/* All series of the pod must name the same workload; two different owners are no owner. */
static bool common_owner(struct store *store, const struct store_selection *selection,
	struct workload_key *workload)
{
	bool found = false;

	for (size_t i = 0; i < selection->count; i++) {
		struct workload_key key;
		struct labels labels;
		bool valid;

		if (store_labels(store, selection->series[i], &labels) != STATUS_OK)
			continue;
		valid = workload_key_from_labels(&key, &labels, NULL) == STATUS_OK;
		labels_fini(&labels);
		if (!valid || (found && !workload_key_equal(&key, workload)))
			return false;
		*workload = key;
		found = true;
	}
	return found;
}

bool analyzer_owner_of_pod(struct analyzer *analyzer, const char *cluster,
	const char *namespace_name, const char *pod, struct workload_key *workload)
{
	struct store_selection selection = {0};
	struct matchers matchers;
	struct error error;
	bool found = false;

	if (analyzer_pod_owner_matchers(analyzer, &matchers) != STATUS_OK)
		return false;
	if (matchers_add(&matchers, MATCHER_EQUAL, "namespace", namespace_name, &error) ==
			STATUS_OK &&
		matchers_add(&matchers, MATCHER_EQUAL, "pod", pod, &error) == STATUS_OK &&
		(cluster == NULL || cluster[0] == '\0' ||
			matchers_add(&matchers, MATCHER_EQUAL, "cluster", cluster, &error) ==
				STATUS_OK) &&
		store_select(analyzer_store(analyzer), &matchers, OWNERS_MAX, &selection, &error) ==
			STATUS_OK)
		found = common_owner(analyzer_store(analyzer), &selection, workload);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return found;
}

/* The label of the series that have a sample of late; two different ones are none. */
static bool common_node(struct analyzer *analyzer, const struct store_selection *selection,
	char *node)
{
	struct store *store = analyzer_store(analyzer);
	int64_t from_ms = clock_now_ms(analyzer_clock(analyzer)) - NODE_KNOWN_MS;
	bool same = true;

	*node = '\0';
	for (size_t i = 0; same && i < selection->count; i++) {
		struct store_point newest;
		struct labels labels;
		const struct label *label;

		if (!store_newest(store, selection->series[i], &newest) || newest.t_ms < from_ms ||
			store_is_stale(newest.value) || !(newest.value > 0) ||
			store_labels(store, selection->series[i], &labels) != STATUS_OK)
			continue;
		label = labels_find(&labels, "node");
		same = label != NULL && label->value_size > 0 &&
			label->value_size < OBJECT_NAME_MAX &&
			(*node == '\0' || strcmp(node, label->value) == 0);
		if (same)
			memcpy(node, label->value, label->value_size + 1);
		labels_fini(&labels);
	}
	return same && *node != '\0';
}

bool analyzer_node_of_workload(struct analyzer *analyzer, const struct workload_key *workload,
	char *node)
{
	struct store_selection selection = {0};
	struct matchers matchers;
	struct error error;
	bool found = false;

	if (analyzer_workload_node_matchers(analyzer, &matchers) != STATUS_OK)
		return false;
	/* An empty cluster is matched too: a label that is not there. */
	if (matchers_add(&matchers, MATCHER_EQUAL, "workload", workload->name, &error) ==
			STATUS_OK &&
		matchers_add(&matchers, MATCHER_EQUAL, "namespace", workload->namespace_name,
			&error) == STATUS_OK &&
		matchers_add(&matchers, MATCHER_EQUAL, "workload_kind",
			target_kind_name(workload->kind), &error) == STATUS_OK &&
		matchers_add(&matchers, MATCHER_EQUAL, "cluster", workload->cluster, &error) ==
			STATUS_OK &&
		store_select(analyzer_store(analyzer), &matchers, OWNERS_MAX, &selection, &error) ==
			STATUS_OK)
		found = common_node(analyzer, &selection, node);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return found;
}

static bool signal_shown(const struct watched_signal *signal)
{
	return signal->series != STORE_NO_SERIES || signal->tracker.state != FINDING_QUIET;
}

static bool signal_active(const struct watched_signal *signal)
{
	return signal->tracker.state == FINDING_ACTIVE || signal->tracker.state == FINDING_CLOSING;
}

static void write_signal(struct buf *json, const struct watched_workload *workload,
	enum signal_role role)
{
	const struct watched_signal *signal = &workload->signals[role];
	const struct judgement *last = &signal->last;
	char newest[32];

	buf_add_char(json, '{');
	write_workload_key(json, &workload->key);
	buf_printf(json, ",\"role\":\"%s\",\"unit\":\"%s\",\"quality\":\"%s\"", role_name(role),
		role_unit(role), quality_name(last->quality));
	write_number(json, "value", last->value);
	write_number(json, "expected", last->expected);
	write_number(json, "deviation", last->scale);
	write_number(json, "score", last->score);
	write_number(json, "confidence", last->confidence);
	format_rfc3339(last->newest_ms, newest, sizeof(newest));
	if (last->newest_ms != 0)
		buf_printf(json, ",\"newest\":\"%s\"", newest);
	buf_printf(json, ",\"samples\":%u,\"finding\":%s}", (unsigned)last->samples,
		signal_active(signal) ? "true" : "false");
}

enum status analyzer_write_signals(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload, size_t limit)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	size_t written = 0;

	limit = limit > 0 ? limit : LIST_DEFAULT;
	buf_add_char(json, '[');
	for (size_t i = 0; i < snapshot->roster.count && written < limit; i++) {
		const struct watched_workload *watched = &snapshot->roster.workloads[i];

		if (workload != NULL && !workload_key_equal(workload, &watched->key))
			continue;
		for (int role = 0; role < ROLE_COUNT && written < limit; role++) {
			if (!signal_shown(&watched->signals[role]))
				continue;
			if (written++ > 0)
				buf_add_char(json, ',');
			write_signal(json, watched, (enum signal_role)role);
		}
	}
	buf_add_char(json, ']');
	snapshot_release(snapshot);
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status analyzer_write_workloads(struct analyzer *analyzer, struct buf *json, size_t limit)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	size_t written = 0;

	limit = limit > 0 ? limit : LIST_DEFAULT;
	buf_add_char(json, '[');
	for (size_t i = 0; i < snapshot->roster.count && written < limit; i++) {
		const struct watched_workload *watched = &snapshot->roster.workloads[i];
		size_t signals = 0, findings = 0;

		for (int role = 0; role < ROLE_COUNT; role++) {
			signals += signal_shown(&watched->signals[role]);
			findings += signal_active(&watched->signals[role]);
		}
		buf_add_text(json, written++ > 0 ? ",{" : "{");
		write_workload_key(json, &watched->key);
		buf_printf(json, ",\"signals\":%zu,\"findings\":%zu", signals, findings);
		write_number(json, "replicas", watched->signals[ROLE_REPLICAS].last.newest);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
	snapshot_release(snapshot);
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

/* All that hold now, told anew from their trackers: the log may have forgotten an old one. */
static enum status write_active(const struct snapshot *snapshot, struct buf *json, size_t limit)
{
	enum status status = STATUS_OK;
	size_t written = 0;

	for (size_t i = 0; i < snapshot->roster.count; i++) {
		const struct watched_workload *watched = &snapshot->roster.workloads[i];

		for (int role = 0; role < ROLE_COUNT && status == STATUS_OK; role++) {
			const struct watched_signal *signal = &watched->signals[role];
			bool judged = signal->last.quality == QUALITY_GOOD;
			struct event event;

			if (!signal_active(signal) || written == limit)
				continue;
			status = finding_event(&signal->tracker, &watched->key,
				(enum signal_role)role,
				judged ? &signal->last : &signal->tracker.worst, FINDING_REPEATED,
				snapshot->scanned_ms, &event, NULL);
			if (status != STATUS_OK)
				continue;
			if (written++ > 0)
				buf_add_char(json, ',');
			event_write_json(json, &event);
			event_fini(&event);
		}
	}
	return status;
}

/* Newest first; of an episode the last entry is shown. */
static void write_log(const struct findings_log *log, struct buf *json, size_t limit)
{
	size_t written = 0;

	for (size_t i = log->count; i > 0 && written < limit; i--) {
		const struct event *event = &log->events[(log->first + i - 1) % FINDINGS_LOG_MAX];
		bool superseded = false;

		for (size_t k = i; k < log->count && !superseded; k++) {
			const struct event *later =
				&log->events[(log->first + k) % FINDINGS_LOG_MAX];

			superseded = later->fingerprint == event->fingerprint &&
				later->starts_ms == event->starts_ms;
		}
		if (superseded)
			continue;
		if (written++ > 0)
			buf_add_char(json, ',');
		event_write_json(json, event);
	}
}

enum status analyzer_write_findings(struct analyzer *analyzer, struct buf *json, bool active_only,
	size_t limit)
{
	struct snapshot *snapshot = analyzer_snapshot(analyzer);
	enum status status = STATUS_OK;

	limit = limit > 0 ? limit : LIST_DEFAULT;
	buf_add_char(json, '[');
	if (active_only)
		status = write_active(snapshot, json, limit);
	else
		write_log(&snapshot->log, json, limit);
	buf_add_char(json, ']');
	snapshot_release(snapshot);
	if (status != STATUS_OK)
		return status;
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

/* What was seen last, when it was seen lately. */
static void collect_replicas(const struct watched_workload *workload)
{
	const struct judgement *last = &workload->signals[ROLE_REPLICAS].last;

	if (last->quality != QUALITY_MISSING && last->quality != QUALITY_STALE &&
		!isnan(last->newest))
		metrics_set(METRIC_CURRENT_REPLICAS, last->newest, workload->key.namespace_name,
			target_kind_name(workload->key.kind), workload->key.name);
}

static void collect_forecast(const struct watched_workload *workload, enum signal_role role)
{
	const struct outlook_view *view = &workload->signals[role].outlook;
	const char *kind = target_kind_name(workload->key.kind);

	for (int i = 0; i < OUTLOOK_HORIZONS; i++) {
		const struct prediction *prediction = &view->predictions[i];
		const struct {
			const char *quantile;
			double value;
		} values[] = {{"0.1", prediction->q10}, {"0.5", prediction->middle},
			{"0.9", prediction->q90}};
		char horizon[16];

		snprintf(horizon, sizeof(horizon), "%dm", outlook_minutes[i]);
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++)
			if (!isnan(values[k].value))
				metrics_set(METRIC_FORECAST, values[k].value,
					workload->key.namespace_name, kind, workload->key.name,
					role_name(role), horizon, values[k].quantile);
		if (!isnan(view->skill[i]))
			metrics_set(METRIC_FORECAST_SKILL, view->skill[i],
				workload->key.namespace_name, kind, workload->key.name,
				role_name(role), horizon);
	}
}

static void collect_peak(const struct watched_workload *workload)
{
	const struct demand_view *peak = &workload->peak;
	const char *kind = target_kind_name(workload->key.kind), *role = role_name(peak->role);
	char horizon[16], quantile[16];

	snprintf(horizon, sizeof(horizon), "%dm", DEMAND_MINUTES);
	for (size_t i = 0; i < DEMAND_QUANTILES && peak->state == DEMAND_SERVING; i++) {
		snprintf(quantile, sizeof(quantile), "%g", demand_levels[i]);
		metrics_set(METRIC_FORECAST_PEAK, peak->quantiles[i], workload->key.namespace_name,
			kind, workload->key.name, role, horizon, quantile);
	}
	if (!isnan(peak->skill))
		metrics_set(METRIC_FORECAST_PEAK_SKILL, peak->skill, workload->key.namespace_name,
			kind, workload->key.name, role, horizon);
}

/* Label values of a workload are bounded by workload_max. */
void analyzer_collect(void *argument)
{
	struct snapshot *snapshot = analyzer_snapshot(argument);
	size_t bound[ROLE_COUNT] = {0}, verdicts[QUALITY_COUNT] = {0}, active = 0;

	metrics_clear(METRIC_ANOMALY_SCORE);
	metrics_clear(METRIC_WORKLOAD_SCORE);
	metrics_clear(METRIC_FORECAST);
	metrics_clear(METRIC_FORECAST_SKILL);
	metrics_clear(METRIC_FORECAST_PEAK);
	metrics_clear(METRIC_FORECAST_PEAK_SKILL);
	metrics_clear(METRIC_CURRENT_REPLICAS);
	for (size_t i = 0; i < snapshot->roster.count; i++) {
		const struct watched_workload *workload = &snapshot->roster.workloads[i];

		collect_replicas(workload);
		collect_peak(workload);
		if (!isnan(workload->watched.answer.surprise))
			metrics_set(METRIC_WORKLOAD_SCORE, workload->watched.answer.surprise,
				workload->key.namespace_name, target_kind_name(workload->key.kind),
				workload->key.name);
		active += workload->watch_told ? 1 : 0;
		for (int role = 0; role < ROLE_COUNT; role++) {
			const struct watched_signal *signal = &workload->signals[role];

			collect_forecast(workload, (enum signal_role)role);
			if (!signal_shown(signal))
				continue;
			bound[role] += signal->series != STORE_NO_SERIES;
			verdicts[signal->last.quality]++;
			active += signal_active(signal);
			if (!isnan(signal->last.score))
				metrics_set(METRIC_ANOMALY_SCORE, signal->last.score,
					workload->key.namespace_name,
					target_kind_name(workload->key.kind), workload->key.name,
					role_name((enum signal_role)role));
		}
	}
	for (int role = 0; role < ROLE_COUNT; role++)
		metrics_set(METRIC_SIGNALS, (double)bound[role], role_name((enum signal_role)role));
	for (int verdict = 0; verdict < QUALITY_COUNT; verdict++)
		metrics_set(METRIC_DATA_QUALITY, (double)verdicts[verdict],
			quality_name((enum quality)verdict));
	metrics_set(METRIC_WORKLOADS, (double)snapshot->roster.count);
	metrics_set(METRIC_FINDINGS_ACTIVE, (double)active);
	snapshot_release(snapshot);
}
