/*
 * GET /api/v1/rollup: the minutes of one signal out of the 1-minute tier, a list for each column that
 * was asked for, all of one length; a gap is null.
 */
#include <math.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define MINUTES_MAX 200000
#define DEFAULT_MS 3600000
#define MINUTE_MS 60000

enum column { COLUMN_MEAN, COLUMN_MAX, COLUMN_MIN, COLUMN_LAST, COLUMN_COUNT, COLUMNS };

static const char *const column_names[COLUMNS] = {"mean", "max", "min", "last", "count"};

struct rollup_query {
	struct workload_key workload;
	enum signal_role role;
	bool wanted[COLUMNS];
	int64_t from, to; /* minutes, to exclusive */
	double *values;   /* [4][to - from] */
	uint32_t *counts; /* [to - from] */
};

/* columns=mean,max,... */
static enum status read_columns(const struct request *request, bool wanted[COLUMNS],
	struct error *error)
{
	const char *text = request_query(request, "columns");

	if (text == NULL) {
		wanted[COLUMN_MEAN] = wanted[COLUMN_MAX] = true;
		return STATUS_OK;
	}
	for (const char *at = text; at != NULL;) {
		const char *comma = strchr(at, ',');
		size_t size = comma != NULL ? (size_t)(comma - at) : strlen(at);
		int column = 0;

		while (column < COLUMNS &&
			(strlen(column_names[column]) != size ||
				strncmp(column_names[column], at, size) != 0))
			column++;
		if (column == COLUMNS)
			return error_set(error, STATUS_BAD_INPUT,
				"columns \"%.60s\": each is one of mean, max, min, last, count",
				text);
		wanted[column] = true;
		at = comma != NULL ? comma + 1 : NULL;
	}
	return STATUS_OK;
}

/* Minutes that begin within [start, end]. */
static enum status read_minutes(struct rollup_query *query, const struct request *request,
	int64_t now_ms, struct error *error)
{
	int64_t from_ms, to_ms;
	enum status status = api_read_range(request, now_ms, DEFAULT_MS, &from_ms, &to_ms, error);

	if (status != STATUS_OK)
		return status;
	query->from = rollup_minute_of(from_ms + MINUTE_MS - 1);
	query->to = rollup_minute_of(to_ms) + 1;
	if (query->to < query->from)
		query->to = query->from;
	if (query->to - query->from > MINUTES_MAX)
		return error_set(error, STATUS_LIMIT,
			"start to end are more than %d minutes, ask for less", MINUTES_MAX);
	return STATUS_OK;
}

static enum status read_query(struct rollup_query *query, const struct request *request,
	int64_t now_ms, struct error *error)
{
	const char *role = request_query(request, "role");
	size_t count;
	bool given;
	enum status status = api_read_workload(request, &query->workload, &given, error);

	if (status == STATUS_OK && (!given || role == NULL))
		return error_set(error, STATUS_BAD_INPUT,
			"namespace, kind, workload and role name the signal, all are needed");
	if (status != STATUS_OK)
		return status;
	query->role = role_parse(role);
	if (query->role == ROLE_COUNT)
		return error_set(error, STATUS_BAD_INPUT, "role \"%.60s\" is unknown", role);
	status = read_columns(request, query->wanted, error);
	if (status == STATUS_OK)
		status = read_minutes(query, request, now_ms, error);
	if (status != STATUS_OK)
		return status;
	count = (size_t)(query->to - query->from);
	query->values = mem_zalloc(4 * count + 1, sizeof(*query->values));
	query->counts = mem_zalloc(count + 1, sizeof(*query->counts));
	return query->values != NULL && query->counts != NULL
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "out of memory");
}

static void rollup_query_fini(struct rollup_query *query)
{
	mem_free(query->values);
	mem_free(query->counts);
}

static void write_head(const struct rollup_query *query, int64_t newest, struct buf *json)
{
	const struct workload_key *workload = &query->workload;
	char time[32];

	buf_add_text(json, "{\"cluster\":");
	buf_add_json_string(json, workload->cluster, strlen(workload->cluster));
	buf_add_text(json, ",\"namespace\":");
	buf_add_json_string(json, workload->namespace_name, strlen(workload->namespace_name));
	buf_printf(json, ",\"kind\":\"%s\",\"workload\":", target_kind_name(workload->kind));
	buf_add_json_string(json, workload->name, strlen(workload->name));
	format_rfc3339(query->from * MINUTE_MS, time, sizeof(time));
	buf_printf(json, ",\"role\":\"%s\",\"unit\":\"%s\",\"start\":\"%s\"",
		role_name(query->role), role_unit(query->role), time);
	format_rfc3339(newest * MINUTE_MS, time, sizeof(time));
	buf_printf(json, ",\"step_seconds\":60,\"newest\":\"%s\"", time);
}

static void write_column(const struct rollup_query *query, enum column column, struct buf *json)
{
	size_t count = (size_t)(query->to - query->from);

	buf_printf(json, ",\"%s\":[", column_names[column]);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(json, ',');
		if (column != COLUMN_COUNT)
			buf_add_json_number(json, query->values[column * count + i]);
		else if (query->counts[i] > 0)
			buf_printf(json, "%u", (unsigned)query->counts[i]);
		else
			buf_add_text(json, "null");
	}
	buf_add_char(json, ']');
}

static enum status answer(struct rollup *rollup, struct rollup_query *query, struct buf *json,
	struct error *error)
{
	size_t count = (size_t)(query->to - query->from);
	const struct rollup_columns columns = {.mean = query->values,
		.max = query->values + count,
		.min = query->values + 2 * count,
		.last = query->values + 3 * count,
		.count = query->counts};
	char key[ROLLUP_KEY_MAX];
	size_t key_size = minutes_key(&query->workload, query->role, key);
	int64_t newest = rollup_newest(rollup, key, key_size);

	if (newest == ROLLUP_NEVER)
		return error_set(error, STATUS_NOT_FOUND, "there are no minutes of this signal%s",
			query->workload.cluster[0] == '\0'
				? " (no cluster was named: where series have one, it is needed)"
				: "");
	(void)rollup_read(rollup, key, key_size, query->from, query->to, &columns);
	write_head(query, newest, json);
	for (int column = 0; column < COLUMNS; column++)
		if (query->wanted[column])
			write_column(query, (enum column)column, json);
	buf_add_char(json, '}');
	return STATUS_OK;
}

void route_rollup(struct request *request, void *argument)
{
	struct service *service = argument;
	struct rollup *rollup = service_rollup(service);
	struct rollup_query query = {.from = 0};
	struct error error;
	struct buf json;
	enum status status;

	buf_init(&json, ANSWER_MAX);
	if (rollup == NULL)
		status = error_set(&error, STATUS_NOT_FOUND,
			"the 1-minute tier is not kept (analyze, storage.rollup_retention)");
	else
		status = read_query(&query, request, clock_now_ms(service_clock(service)), &error);
	if (status == STATUS_OK)
		status = answer(rollup, &query, &json, &error);
	api_reply(request, &json, status, &error);
	rollup_query_fini(&query);
	buf_fini(&json);
}
