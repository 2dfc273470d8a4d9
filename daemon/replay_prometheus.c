/*
 * The history of a Prometheus for a replay: raw samples of `selector[range]`, as they were scraped, of
 * all that the signals read and of the series ALERTS. A slice of time that is too much for either side
 * is halved. Series get the external labels of backfill.external_labels, which the stream has and the
 * query API does not tell.
 */
#include <stdio.h>
#include <string.h>

#include "analyzers/signals.h"
#include "base/check.h"
#include "base/mem.h"
#include "daemon/backfill_labels.h"
#include "daemon/prometheus_answer.h"
#include "daemon/prometheus_client.h"
#include "daemon/replay.h"

#define SLICE_FIRST_MS INT64_C(3600000)
#define SLICE_MIN_MS INT64_C(1000)
#define SELECTOR_MAX (64 * 1024)

struct fetching {
	struct tape *tape;
	const struct replay_source *source;
	struct prometheus_client *client;
	struct matrix matrix;
	struct sent_labels sent;
	struct labels external;
	int64_t timeout_ms;
};

static enum status take_series(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *error)
{
	struct fetching *at = argument;
	uint32_t series = 0;
	enum status status =
		sent_labels_merge(&at->sent, pairs, pair_count, &at->external, NULL, NULL, error);

	if (status == STATUS_OK)
		status = tape_add_series(at->tape, &at->sent.labels, &series, error);
	for (size_t i = 0; i < point_count && status == STATUS_OK; i++)
		status = tape_add_sample(at->tape, series, points[i].t_ms, points[i].value, error);
	return status;
}

/* *smaller: less is to be asked for. */
static enum status ask(struct fetching *at, const char *selector, int64_t from_ms, int64_t to_ms,
	bool *smaller, struct error *error)
{
	char time[40], timeout[40];
	struct prometheus_failure failure;
	struct matrix_counts counts = {0};
	struct buf query, answer;
	enum status status;
	long http = 0;

	buf_init(&query, SELECTOR_MAX + 64);
	buf_init(&answer, (size_t)config_int(at->source->config, SETTING_BACKFILL_ANSWER_MAX));
	buf_printf(&query, "%s[%lldms]", selector, (long long)(to_ms - from_ms));
	snprintf(time, sizeof(time), "%lld.%03d", (long long)(to_ms / 1000), (int)(to_ms % 1000));
	snprintf(timeout, sizeof(timeout), "%lldms", (long long)at->timeout_ms);
	const struct prometheus_parameter parameters[] = {{"query", query.data}, {"time", time},
		{"timeout", timeout}, {NULL, NULL}};

	*smaller = false;
	status = buf_ok(&query) ? prometheus_client_ask(at->client, "/api/v1/query", parameters,
					  &http, &answer, error)
				: error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (status == STATUS_TOO_LARGE || status == STATUS_TIMEOUT) {
		*smaller = true;
	} else if (status == STATUS_OK && http != 200) {
		prometheus_failure_read(answer.data, answer.size, &failure);
		*smaller = strstr(failure.message, "too many samples") != NULL || http == 504;
		status = error_set(error, STATUS_UNAVAILABLE, "%.150s: HTTP %ld %s: %.200s",
			at->source->url, http, failure.type, failure.message);
	} else if (status == STATUS_OK) {
		status = matrix_read(&at->matrix, answer.data, answer.size, take_series, at,
			&counts, error);
	}
	buf_fini(&answer);
	buf_fini(&query);
	return status;
}

static enum status fetch_selector(struct fetching *at, const char *selector, struct error *error)
{
	int64_t from_ms = at->source->from_ms, slice_ms = SLICE_FIRST_MS;
	enum status status = STATUS_OK;

	/* A range is open at its beginning: the first sample shall be in it. */
	from_ms--;
	while (from_ms < at->source->to_ms) {
		int64_t to_ms = at->source->to_ms - from_ms < slice_ms ? at->source->to_ms
								       : from_ms + slice_ms;
		bool smaller;

		status = ask(at, selector, from_ms, to_ms, &smaller, error);
		if (status != STATUS_OK && (!smaller || slice_ms / 2 < SLICE_MIN_MS))
			return error_prefix(error, "%.200s", selector);
		if (status != STATUS_OK) {
			slice_ms /= 2;
			continue;
		}
		from_ms = to_ms;
	}
	return STATUS_OK;
}

static enum status fetch_matchers(struct fetching *at, const struct matchers *matchers,
	struct error *error)
{
	enum status status;
	struct buf text;

	buf_init(&text, SELECTOR_MAX);
	/* Without what the external labels fulfil, which the query API does not know. */
	status = backfill_selector(matchers, &at->external, &text, error);
	if (status == STATUS_OK)
		status = fetch_selector(at, text.data, error);
	buf_fini(&text);
	return status;
}

static enum status fetch_signals(struct fetching *at, struct diagnostics *diagnostics,
	struct error *error)
{
	const struct matchers *selectors[SIGNAL_SELECTORS_MAX];
	struct analyzer_config analyzer;
	struct signal_set set;
	enum status status;
	size_t count;

	service_analyzer_config(at->source->config, at->source->bundle, clock_system(), &analyzer);
	status = signal_set_load(&set, analyzer.signal_paths, analyzer.signal_path_count,
		diagnostics);
	if (status != STATUS_OK)
		error_set(error, status, "the signals have errors");
	count = signal_set_selectors(&set, selectors);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = fetch_matchers(at, selectors[i], error);
	signal_set_fini(&set);
	return status;
}

static enum status fetch_match(struct fetching *at, const char *text, struct error *error)
{
	struct matchers matchers;
	enum status status;

	matchers_init(&matchers);
	status = matchers_parse_selector(&matchers, text, error);
	if (status != STATUS_OK)
		error_prefix(error, "%.200s", text);
	else
		status = fetch_matchers(at, &matchers, error);
	matchers_fini(&matchers);
	return status;
}

static enum status fetch_all(struct fetching *at, struct diagnostics *diagnostics,
	struct error *error)
{
	enum status status = fetch_signals(at, diagnostics, error);

	for (size_t i = 0; i < at->source->match_count && status == STATUS_OK; i++)
		status = fetch_match(at, at->source->match[i], error);
	return status == STATUS_OK ? fetch_match(at, "ALERTS{alertstate=\"firing\"}", error)
				   : status;
}

enum status replay_fetch(struct tape *tape, const struct replay_source *source,
	struct diagnostics *diagnostics, struct error *error)
{
	struct fetching *at = mem_zalloc(1, sizeof(*at));
	struct backfill_config config;
	atomic_bool stop;
	enum status status;

	if (at == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	atomic_init(&stop, false);
	service_backfill_config(source->config, source->bundle, clock_system(), &config);
	config.target.url = source->url;
	*at = (struct fetching){.tape = tape,
		.source = source,
		.timeout_ms = config.target.timeout_ms};
	matrix_init(&at->matrix);
	status = prometheus_target_check(&config.target, error);
	if (status == STATUS_OK)
		status = external_labels_of_list(config.external.texts, config.external.count,
			&at->external, error);
	if (status == STATUS_OK) {
		at->client = prometheus_client_open(&config.target, &stop, error);
		status = at->client != NULL ? STATUS_OK : error->code;
	}
	if (status == STATUS_OK)
		status = fetch_all(at, diagnostics, error);
	if (at->client != NULL)
		prometheus_client_close(at->client);
	labels_fini(&at->external);
	matrix_fini(&at->matrix);
	mem_free(at);
	return status;
}
