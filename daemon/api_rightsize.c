/*
 * GET /api/v1/rightsize: the requests and limits that are recommended for containers, as data, as text for
 * people (format=text), or as a manifest for kubectl (format=manifest).
 */
#include <string.h>

#include "analyzers/rightsize/sizer.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 100000

struct rightsize_query {
	struct workload_key workload;
	bool given, manifest, text;
	enum sizing_way way; /* of the manifest */
	size_t limit;
};

static enum status read_query(const struct request *request, struct rightsize_query *query,
	struct error *error)
{
	const char *format = request_query(request, "format"), *by = request_query(request, "by");
	enum status status = api_read_workload(request, &query->workload, &query->given, error);

	query->way = SIZING_OURS;
	query->manifest = format != NULL && strcmp(format, "manifest") == 0;
	if (status == STATUS_OK)
		status = api_read_limit(request, LIMIT_DEFAULT, LIMIT_MAX, &query->limit, error);
	query->text = format != NULL && strcmp(format, "text") == 0;
	if (status == STATUS_OK && format != NULL && !query->manifest && !query->text &&
		strcmp(format, "json") != 0)
		status = error_set(error, STATUS_BAD_INPUT,
			"format \"%.40s\" is none of json, text, manifest", format);
	if (status == STATUS_OK && by != NULL && !sizing_way_parse(by, &query->way))
		status = error_set(error, STATUS_BAD_INPUT,
			"by \"%.40s\" is none of vpa, peak, forecast", by);
	return status;
}

static void write_list(const struct sized *rows, size_t count, struct buf *json)
{
	buf_add_char(json, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(json, ',');
		sized_write_json(&rows[i], json);
	}
	buf_add_char(json, ']');
}

static void write_text(const struct sized *rows, size_t count, struct buf *text)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(text, '\n');
		sized_write_text(&rows[i], text);
	}
	if (count == 0)
		buf_add_text(text,
			"There are no containers in the stream (the rules nimbusguard:container_*).\n");
}

static enum status list(struct service *service, const struct rightsize_query *query,
	struct buf *text, struct error *error)
{
	struct analyzer *analyzer = service_analyzer(service);
	struct sizer *sizer = analyzer != NULL ? analyzer_sizer(analyzer) : NULL;
	struct sized *rows;
	size_t count;

	if (sizer == NULL)
		return error_set(error, STATUS_NOT_FOUND,
			"nothing is sized (analyze, storage.rollup_retention, "
			"rightsize.containers_max)");
	rows = sizer_list(sizer, query->given ? &query->workload : NULL, query->limit, &count);
	if (rows == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (query->manifest)
		sized_write_manifest(rows, count, query->way, text);
	else if (query->text)
		write_text(rows, count, text);
	else
		write_list(rows, count, text);
	mem_free(rows);
	return STATUS_OK;
}

void route_rightsize(struct request *request, void *argument)
{
	struct rightsize_query query = {.limit = 0};
	struct error error;
	struct buf text;
	enum status status = read_query(request, &query, &error);

	buf_init(&text, ANSWER_MAX);
	if (status == STATUS_OK)
		status = list(argument, &query, &text, &error);
	if (status == STATUS_OK && buf_ok(&text) && (query.manifest || query.text))
		request_reply(request, 200,
			query.text ? "text/plain; charset=utf-8"
				   : "application/yaml; charset=utf-8",
			text.data, text.size);
	else
		api_reply(request, &text, status, &error);
	buf_fini(&text);
}
