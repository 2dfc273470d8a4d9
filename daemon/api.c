/*
 * The JSON API under /api/v1/: what is in the rings, what was seen, decided and done. Described in
 * docs/api.md and docs/openapi.json. Answers have the envelope of Prometheus' API.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "daemon/api.h"
#include "daemon/api_records.h"
#include "daemon/intake.h"
#include "daemon/routes.h"
#include "daemon/service.h"
#include "daemon/snapshots.h"
#include "daemon/version.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define SERIES_LIMIT 10000
#define POINTS_MAX 200000
#define QUERY_DEFAULT_MS 300000
#define QUANTILES_MAX 16

void api_reply(struct request *request, struct buf *json, enum status status,
	const struct error *error)
{
	if (status != STATUS_OK)
		request_reply_error(request, status, error->text);
	else if (!buf_ok(json))
		request_reply_error(request, STATUS_TOO_LARGE,
			"the answer is too large, give a limit");
	else
		request_reply_data(request, json);
}

enum status api_read_limit(const struct request *request, size_t fallback, size_t max,
	size_t *limit, struct error *error)
{
	const char *text = request_query(request, "limit");
	int64_t value;

	*limit = fallback;
	if (text == NULL)
		return STATUS_OK;
	if (parse_int(text, &value) != STATUS_OK || value < 1 || (uint64_t)value > max)
		return error_set(error, STATUS_BAD_INPUT,
			"limit \"%.40s\" is not between 1 and %zu", text, max);
	*limit = (size_t)value;
	return STATUS_OK;
}

struct selectors {
	struct store *store;
	size_t limit;
	bool adjustable; /* the limit, by the request */
	struct store_selection selection;
	bool any;
	enum status status;
	struct error *error;
};

/* Adds the series of one match[] to the union, which stays ascending and without repeats. */
static void add_selector(const char *text, void *argument)
{
	struct selectors *all = argument;
	struct store_selection one = {0};
	struct matchers matchers;
	uint32_t *merged;
	size_t count = 0, a = 0, b = 0;

	if (all->status != STATUS_OK)
		return;
	all->any = true;
	matchers_init(&matchers);
	all->status = matchers_parse_selector(&matchers, text, all->error);
	if (all->status == STATUS_OK)
		all->status = store_select(all->store, &matchers, all->limit, &one, all->error);
	matchers_fini(&matchers);
	if (all->status == STATUS_LIMIT)
		error_set(all->error, STATUS_LIMIT,
			all->adjustable
				? "more than %zu series match, narrow the selector or raise limit"
				: "more than %zu series match, narrow the selector",
			all->limit);
	if (all->status != STATUS_OK) {
		store_selection_fini(&one);
		return;
	}
	merged = mem_zalloc(one.count + all->selection.count + 1, sizeof(*merged));
	if (merged == NULL) {
		all->status = error_set(all->error, STATUS_NO_MEMORY, "out of memory");
		store_selection_fini(&one);
		return;
	}
	while (a < one.count || b < all->selection.count) {
		uint32_t next;

		if (b == all->selection.count ||
			(a < one.count && one.series[a] <= all->selection.series[b]))
			next = one.series[a++];
		else
			next = all->selection.series[b++];
		if (count == 0 || merged[count - 1] != next)
			merged[count++] = next;
	}
	store_selection_fini(&one);
	mem_free(all->selection.series);
	all->selection.series = merged;
	all->selection.count = count;
}

static enum status select_series(struct request *request, struct service *service, size_t limit,
	bool adjustable, struct store_selection *selection, struct error *error)
{
	struct selectors all = {.store = service_store(service),
		.limit = limit,
		.adjustable = adjustable,
		.error = error};

	request_query_each(request, "match[]", add_selector, &all);
	if (all.status == STATUS_OK && !all.any)
		all.status = error_set(error, STATUS_BAD_INPUT, "no match[] parameter provided");
	*selection = all.selection;
	return all.status;
}

void route_series(struct request *request, void *argument)
{
	struct service *service = argument;
	struct store_selection selection = {0};
	struct error error;
	struct buf json;
	size_t limit, written = 0;
	enum status status = api_read_limit(request, SERIES_LIMIT, 1000000, &limit, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK)
		status = select_series(request, service, limit, true, &selection, &error);
	buf_add_char(&json, '[');
	for (size_t i = 0; status == STATUS_OK && i < selection.count; i++) {
		struct labels labels;

		if (store_labels(service_store(service), selection.series[i], &labels) != STATUS_OK)
			continue;
		if (written++ > 0)
			buf_add_char(&json, ',');
		labels_write_json(&json, &labels);
		labels_fini(&labels);
	}
	buf_add_char(&json, ']');
	api_reply(request, &json, status, &error);
	store_selection_fini(&selection);
	buf_fini(&json);
}

enum status api_read_range(const struct request *request, int64_t now_ms, int64_t default_ms,
	int64_t *from_ms, int64_t *to_ms, struct error *error)
{
	const char *start = request_query(request, "start"), *end = request_query(request, "end");

	*to_ms = now_ms;
	if (end != NULL && parse_time(end, to_ms) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "end \"%.60s\" is no time", end);
	*from_ms = *to_ms - default_ms;
	if (start != NULL && parse_time(start, from_ms) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "start \"%.60s\" is no time", start);
	if (*from_ms > *to_ms)
		return error_set(error, STATUS_BAD_INPUT, "end is before start");
	return STATUS_OK;
}

/* Values are strings as in Prometheus' API; stale markers say "stale", so that nobody takes one
 * for a measurement. */
static void write_value(struct buf *json, double value)
{
	if (store_is_stale(value))
		buf_add_text(json, "\"stale\"");
	else
		api_write_number(json, value);
}

/* What a query asks for, and the room for one series of it. */
struct series_query {
	struct service *service;
	int64_t from_ms, to_ms;
	size_t limit;
	bool histograms, exemplars;
	double quantiles[QUANTILES_MAX];
	size_t quantile_count;
	enum status quantile_status;
	struct error *error;
	struct store_point *points; /* [limit] */
	struct buf histogram_copy, exemplar_copy;
};

static enum status read_flag(const struct request *request, const char *name, bool *flag,
	struct error *error)
{
	const char *text = request_query(request, name);

	*flag = false;
	if (text != NULL && parse_bool(text, flag) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "%s is neither true nor false", name);
	return STATUS_OK;
}

static void add_quantile(const char *text, void *argument)
{
	struct series_query *query = argument;
	double q;

	if (query->quantile_status != STATUS_OK)
		return;
	if (parse_double(text, &q) != STATUS_OK || !(q >= 0 && q <= 1))
		query->quantile_status = error_set(query->error, STATUS_BAD_INPUT,
			"quantile \"%.40s\" is not between 0 and 1", text);
	else if (query->quantile_count == QUANTILES_MAX)
		query->quantile_status = error_set(query->error, STATUS_LIMIT,
			"more than %d quantiles", QUANTILES_MAX);
	else
		query->quantiles[query->quantile_count++] = q;
}

static enum status read_quantiles(struct series_query *query, const struct request *request,
	struct error *error)
{
	query->error = error;
	query->quantile_status = STATUS_OK;
	request_query_each(request, "quantile", add_quantile, query);
	return query->quantile_status;
}

static enum status series_query_init(struct series_query *query, const struct request *request,
	struct error *error)
{
	enum status status = api_read_limit(request, 11000, POINTS_MAX, &query->limit, error);

	if (status == STATUS_OK)
		status = api_read_range(request, clock_now_ms(service_clock(query->service)),
			QUERY_DEFAULT_MS, &query->from_ms, &query->to_ms, error);
	if (status == STATUS_OK)
		status = read_flag(request, "histograms", &query->histograms, error);
	if (status == STATUS_OK)
		status = read_flag(request, "exemplars", &query->exemplars, error);
	if (status == STATUS_OK)
		status = read_quantiles(query, request, error);
	buf_init(&query->histogram_copy, ANSWER_MAX);
	buf_init(&query->exemplar_copy, ANSWER_MAX);
	if (status != STATUS_OK)
		return status;
	query->points = mem_zalloc(query->limit, sizeof(*query->points));
	return query->points != NULL ? STATUS_OK
				     : error_set(error, STATUS_NO_MEMORY, "out of memory");
}

static void series_query_fini(struct series_query *query)
{
	mem_free(query->points);
	buf_fini(&query->histogram_copy);
	buf_fini(&query->exemplar_copy);
}

static void write_values(struct buf *json, const struct store_point *points, size_t count)
{
	buf_add_text(json, ",\"values\":[");
	for (size_t i = 0; i < count; i++) {
		buf_add_text(json, i > 0 ? ",[" : "[");
		api_write_time(json, points[i].t_ms);
		buf_add_char(json, ',');
		write_value(json, points[i].value);
		buf_add_char(json, ']');
	}
	buf_add_char(json, ']');
}

/* The entry of one series, behind a comma when it is not the first; nothing when nothing of it lies
 * within the times. */
static enum status write_series(struct series_query *query, uint32_t series, bool first,
	struct buf *json)
{
	struct intake *intake = service_intake(query->service);
	struct store *store = service_store(query->service);
	size_t count = store_window(store, series, query->from_ms, query->to_ms, query->points,
		query->limit);
	int64_t start_ms;
	struct labels labels;

	buf_reset(&query->histogram_copy);
	buf_reset(&query->exemplar_copy);
	if (((query->histograms || query->quantile_count > 0) &&
		    records_copy(intake_histograms(intake), series, query->from_ms, query->to_ms,
			    &query->histogram_copy) != STATUS_OK) ||
		(query->exemplars &&
			records_copy(intake_exemplars(intake), series, query->from_ms, query->to_ms,
				&query->exemplar_copy) != STATUS_OK))
		return STATUS_NO_MEMORY;
	if ((count == 0 && query->histogram_copy.size == 0 && query->exemplar_copy.size == 0) ||
		store_labels(store, series, &labels) != STATUS_OK)
		return STATUS_OK;
	buf_add_text(json, first ? "{\"metric\":" : ",{\"metric\":");
	labels_write_json(json, &labels);
	labels_fini(&labels);
	write_values(json, query->points, count);
	if (query->histograms) {
		buf_add_text(json, ",\"histograms\":");
		api_write_histograms(json, &query->histogram_copy);
	}
	if (query->quantile_count > 0) {
		buf_add_text(json, ",\"observed\":");
		api_write_observed(json, &query->histogram_copy, query->quantiles,
			query->quantile_count);
	}
	if (query->exemplars) {
		buf_add_text(json, ",\"exemplars\":");
		api_write_exemplars(json, &query->exemplar_copy);
	}
	if (starts_get(intake_starts(intake), series, &start_ms)) {
		buf_add_text(json, ",\"start\":");
		api_write_time(json, start_ms);
	}
	buf_add_char(json, '}');
	return STATUS_OK;
}

void route_query(struct request *request, void *argument)
{
	struct series_query query = {.service = argument};
	struct store_selection selection = {0};
	struct error error;
	struct buf json;
	size_t start;
	enum status status = series_query_init(&query, request, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK)
		status = select_series(request, argument, SERIES_LIMIT, false, &selection, &error);
	buf_add_text(&json, "{\"resultType\":\"matrix\",\"result\":[");
	start = json.size;
	for (size_t i = 0; status == STATUS_OK && i < selection.count; i++) {
		status = write_series(&query, selection.series[i], json.size == start, &json);
		if (status != STATUS_OK)
			error_set(&error, status, "out of memory");
	}
	buf_add_text(&json, "]}");
	api_reply(request, &json, status, &error);
	series_query_fini(&query);
	store_selection_fini(&selection);
	buf_fini(&json);
}

enum status api_read_workload(const struct request *request, struct workload_key *key, bool *given,
	struct error *error)
{
	const char *space = request_query(request, "namespace");
	const char *kind = request_query(request, "kind");
	const char *name = request_query(request, "workload");
	const char *cluster = request_query(request, "cluster");

	*given = space != NULL || kind != NULL || name != NULL;
	if (!*given)
		return STATUS_OK;
	if (space == NULL || kind == NULL || name == NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"namespace, kind and workload are needed together");
	*key = (struct workload_key){.kind = target_kind_parse(kind)};
	if (key->kind == TARGET_NONE)
		return error_set(error, STATUS_BAD_INPUT, "kind \"%.60s\" is unknown", kind);
	if (strlen(space) >= sizeof(key->namespace_name) || strlen(name) >= sizeof(key->name) ||
		(cluster != NULL && strlen(cluster) >= sizeof(key->cluster)))
		return error_set(error, STATUS_BAD_INPUT, "a name is too long");
	snprintf(key->namespace_name, sizeof(key->namespace_name), "%s", space);
	snprintf(key->name, sizeof(key->name), "%s", name);
	if (cluster != NULL)
		snprintf(key->cluster, sizeof(key->cluster), "%s", cluster);
	return STATUS_OK;
}

void route_signals(struct request *request, void *argument)
{
	struct analyzer *analyzer = service_analyzer(argument);
	struct workload_key key;
	struct error error;
	struct buf json;
	size_t limit;
	bool given = false;
	enum status status = api_read_limit(request, 1000, 100000, &limit, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK)
		status = api_read_workload(request, &key, &given, &error);
	if (status == STATUS_OK && analyzer == NULL)
		status = error_set(&error, STATUS_NOT_FOUND, "analyze is not enabled");
	if (status == STATUS_OK) {
		error_set(&error, STATUS_NO_MEMORY, "out of memory");
		status = analyzer_write_signals(analyzer, &json, given ? &key : NULL, limit);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

/* The lists differ only in their writer. */
typedef enum status list_fn(struct service *service, struct request *request, struct buf *json,
	size_t limit, struct error *error);

static void reply_list(struct request *request, struct service *service, list_fn *write)
{
	struct error error;
	struct buf json;
	size_t limit;
	enum status status = api_read_limit(request, 200, 100000, &limit, &error);

	buf_init(&json, ANSWER_MAX);
	if (status == STATUS_OK) {
		error_set(&error, STATUS_UNAVAILABLE, "the list could not be read");
		status = write(service, request, &json, limit, &error);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

static enum status no_analyzer(struct error *error)
{
	return error_set(error, STATUS_NOT_FOUND, "analyze is not enabled");
}

static enum status no_remediator(struct error *error)
{
	return error_set(error, STATUS_NOT_FOUND, "remediate is not enabled");
}

static enum status list_workloads(struct service *service, struct request *request,
	struct buf *json, size_t limit, struct error *error)
{
	(void)request;
	if (service_analyzer(service) == NULL)
		return no_analyzer(error);
	return analyzer_write_workloads(service_analyzer(service), json, limit);
}

static enum status list_findings(struct service *service, struct request *request, struct buf *json,
	size_t limit, struct error *error)
{
	const char *active = request_query(request, "active");
	bool only = false;

	if (service_analyzer(service) == NULL)
		return no_analyzer(error);
	if (active != NULL && parse_bool(active, &only) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "active is neither true nor false");
	return analyzer_write_findings(service_analyzer(service), json, only, limit);
}

static enum status list_alerts(struct service *service, struct request *request, struct buf *json,
	size_t limit, struct error *error)
{
	(void)request;
	if (service_remediator(service) == NULL)
		return no_remediator(error);
	return remediator_write_alerts(service_remediator(service), json, limit);
}

static enum status list_incidents(struct service *service, struct request *request,
	struct buf *json, size_t limit, struct error *error)
{
	const char *state = request_query(request, "state");

	if (service_remediator(service) == NULL)
		return no_remediator(error);
	if (state != NULL && state[0] != '\0' &&
		remediator_check_state(state, true, error) != STATUS_OK)
		return error->code;
	return remediator_write_incidents(service_remediator(service), json, state, limit);
}

static enum status list_actions(struct service *service, struct request *request, struct buf *json,
	size_t limit, struct error *error)
{
	const char *state = request_query(request, "state");

	if (service_remediator(service) == NULL)
		return no_remediator(error);
	if (state != NULL && state[0] != '\0' &&
		remediator_check_state(state, false, error) != STATUS_OK)
		return error->code;
	return remediator_write_actions(service_remediator(service), json, state, limit);
}

void route_workloads(struct request *request, void *argument)
{
	reply_list(request, argument, list_workloads);
}

void route_findings(struct request *request, void *argument)
{
	reply_list(request, argument, list_findings);
}

void route_alerts(struct request *request, void *argument)
{
	reply_list(request, argument, list_alerts);
}

void route_incidents(struct request *request, void *argument)
{
	reply_list(request, argument, list_incidents);
}

void route_actions(struct request *request, void *argument)
{
	reply_list(request, argument, list_actions);
}

void route_why(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	const char *id = request_rest(request);
	struct error error;
	struct buf json;
	enum status status;

	buf_init(&json, ANSWER_MAX);
	if (remediator == NULL) {
		status = no_remediator(&error);
	} else {
		status = remediator_write_why(remediator, id, &json);
		if (status != STATUS_OK)
			error_set(&error, status, "no incident or action \"%.80s\"", id);
	}
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

void route_modes(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	struct error error;
	struct buf json;
	enum status status;

	buf_init(&json, ANSWER_MAX);
	status = remediator == NULL ? no_remediator(&error)
				    : remediator_write_modes(remediator, &json, &error);
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

/* null where nothing is ever changed. */
static void write_kill_switch(struct buf *json, struct remediator *remediator)
{
	struct kill_switch state;
	char since[32];

	buf_add_text(json, "\"kill_switch\":");
	if (remediator == NULL) {
		buf_add_text(json, "null,");
		return;
	}
	remediator_kill_switch(remediator, &state);
	buf_printf(json, "{\"on\":%s,", state.on ? "true" : "false");
	if (state.since_ms == 0) {
		buf_add_text(json, "\"since\":null,\"by\":null},");
		return;
	}
	format_rfc3339(state.since_ms, since, sizeof(since));
	buf_printf(json, "\"since\":\"%s\",\"by\":", since);
	buf_add_json_string(json, state.by, strlen(state.by));
	buf_add_text(json, "},");
}

/* null where there is no election. */
static void write_leader(struct buf *json, struct remediator *remediator)
{
	struct leader_view view;
	char since[32];

	buf_add_text(json, "\"leader\":");
	if (remediator == NULL || !remediator_leader(remediator, &view)) {
		buf_add_text(json, "null,");
		return;
	}
	format_rfc3339(view.since_ms, since, sizeof(since));
	buf_printf(json,
		"{\"leads\":%s,\"state\":\"%s\",\"identity\":", view.leads ? "true" : "false",
		view.leads ? "leading" : "standby");
	buf_add_json_string(json, view.identity, strlen(view.identity));
	buf_add_text(json, ",\"holder\":");
	buf_add_json_string(json, view.holder, strlen(view.holder));
	buf_add_text(json, ",\"holder_url\":");
	buf_add_json_string(json, view.holder_url, strlen(view.holder_url));
	buf_printf(json, ",\"since\":%s%s%s},", view.since_ms != 0 ? "\"" : "",
		view.since_ms != 0 ? since : "null", view.since_ms != 0 ? "\"" : "");
}

/* GET /api/v1/handover?after=N: what another replica takes over. */
void route_handover(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	const char *text = request_query(request, "after");
	struct error error;
	struct buf json;
	enum status status = STATUS_OK;
	int64_t after = 0;

	buf_init(&json, ANSWER_MAX);
	if (remediator == NULL)
		status = no_remediator(&error);
	else if (text != NULL && (parse_int(text, &after) != STATUS_OK || after < 0))
		status = error_set(&error, STATUS_BAD_INPUT, "after \"%.40s\" is no number", text);
	else
		status = remediator_write_handover(remediator, (uint64_t)after, &json, &error);
	api_reply(request, &json, status, &error);
	buf_fini(&json);
}

/* Of the 1-minute tier; {"state":"off"} where it is not kept. */
static void write_tier(struct buf *json, struct rollup *rollup)
{
	struct rollup_stats stats;

	if (rollup == NULL) {
		buf_add_text(json, "{\"state\":\"off\"}");
		return;
	}
	rollup_stats(rollup, &stats);
	buf_printf(json, "{\"state\":\"on\",\"signals\":%u,\"signals_max\":%u,\"bytes\":%llu}",
		(unsigned)stats.signals, (unsigned)stats.signals_max,
		(unsigned long long)stats.disk_bytes);
}

void route_status(struct request *request, void *argument)
{
	struct service *service = argument;
	const struct config *config = service_config(service);
	struct store_stats stats;
	struct buf json;
	struct error error;
	char started[32];

	store_stats(service_store(service), &stats);
	format_rfc3339(service_started_ms(service), started, sizeof(started));
	buf_init(&json, 65536);
	buf_printf(&json, "{\"version\":\"%s\",\"revision\":\"%s\",\"started\":\"%s\",",
		NIMBUSGUARD_VERSION, NIMBUSGUARD_REVISION, started);
	buf_printf(&json, "\"mode\":\"%s\",\"dry_run\":%s,", mode_name(service_mode(service)),
		config_bool(config, SETTING_DRY_RUN) ? "true" : "false");
	write_kill_switch(&json, service_remediator(service));
	buf_add_text(&json, "\"playbooks_disabled\":");
	if (service_remediator(service) != NULL)
		remediator_write_disabled(service_remediator(service), &json);
	else
		buf_add_text(&json, "[]");
	buf_add_char(&json, ',');
	write_leader(&json, service_remediator(service));
	buf_add_text(&json, "\"tickets\":");
	if (service_remediator(service) == NULL ||
		remediator_write_tickets(service_remediator(service), &json) != STATUS_OK)
		buf_add_text(&json, "[]");
	buf_add_char(&json, ',');
	buf_printf(&json, "\"features\":{\"ingest\":%s,\"analyze\":%s,\"remediate\":%s},",
		service_feature(service, "ingest") ? "true" : "false",
		service_feature(service, "analyze") ? "true" : "false",
		service_feature(service, "remediate") ? "true" : "false");
	buf_printf(&json, "\"store\":{\"series\":%llu,\"samples\":%llu,\"bytes\":%llu},",
		(unsigned long long)stats.series, (unsigned long long)stats.samples,
		(unsigned long long)stats.bytes);
	buf_add_text(&json, "\"backfill\":");
	backfill_write_json(service_backfill(service), &json);
	buf_add_text(&json, ",\"snapshot\":");
	snapshots_write_json(snapshots_wanted(config), &json);
	buf_add_text(&json, ",\"rollup\":");
	write_tier(&json, service_rollup(service));
	buf_add_char(&json, '}');
	api_reply(request, &json, STATUS_OK, &error);
	buf_fini(&json);
}
