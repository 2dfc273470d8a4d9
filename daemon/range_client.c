#include "daemon/range_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/bundle.h"
#include "daemon/prometheus_client.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)
#define RANGE_DEFAULT_MS (14 * DAY_MS)

struct range_client {
	struct config *config;
	struct bundle bundle;
	struct backfill_config backfill;
	struct diagnostics diagnostics;
	struct prometheus_client *client;
	struct matrix matrix;
	atomic_bool stop;
	int64_t from_ms, to_ms;
};

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "nimbusguard: %s%s%s\n", what, value != NULL ? ": " : "",
		value != NULL ? value : "");
	return EXIT_USAGE;
}

/* ---- the target ---- */

static bool name_usable(const char *name, size_t length)
{
	return length > 0 && length < OBJECT_NAME_MAX &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= length;
}

/* The pods' names by the kind of their owner; a dot of the name is a dot. */
static bool pods_pattern(char *pods, const char *kind, size_t kind_length, const char *name)
{
	static const struct {
		const char *kind, *tail;
	} kinds[] = {{"Deployment", "-[a-z0-9]+-[a-z0-9]{5}"}, {"StatefulSet", "-[0-9]+"},
		{"DaemonSet", "-[a-z0-9]{5}"}};

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct buf text;
		bool fits;

		if (strlen(kinds[i].kind) != kind_length ||
			strncmp(kinds[i].kind, kind, kind_length) != 0)
			continue;
		buf_init(&text, RANGE_PODS_MAX - 1);
		for (const char *c = name; *c != '\0'; c++)
			buf_printf(&text, *c == '.' ? "[%c]" : "%c", *c);
		buf_add_text(&text, kinds[i].tail);
		fits = buf_ok(&text);
		if (fits)
			memcpy(pods, text.data, text.size + 1);
		buf_fini(&text);
		return fits;
	}
	return false;
}

bool range_target_read(const char *text, struct workload_key *workload, char *pods)
{
	static const char words[] =
		"--target is NAMESPACE/KIND/NAME, KIND one of Deployment, StatefulSet, DaemonSet";
	const char *kind = text != NULL ? strchr(text, '/') : NULL;
	const char *name = kind != NULL ? strchr(kind + 1, '/') : NULL;
	char kind_name[KIND_MAX];

	if (name == NULL || !name_usable(text, (size_t)(kind - text)) ||
		kind - text >= NAMESPACE_MAX || name - kind > (long)sizeof(kind_name) ||
		!name_usable(name + 1, strlen(name + 1)) ||
		!pods_pattern(pods, kind + 1, (size_t)(name - kind) - 1, name + 1)) {
		(void)usage(words, text);
		return false;
	}
	memset(workload, 0, sizeof(*workload));
	memcpy(workload->namespace_name, text, (size_t)(kind - text));
	snprintf(kind_name, sizeof(kind_name), "%.*s", (int)(name - kind) - 1, kind + 1);
	workload->kind = target_kind_parse(kind_name);
	memcpy(workload->name, name + 1, strlen(name + 1) + 1);
	return true;
}

/* ---- the client ---- */

static int read_times(struct range_client *at, const struct command_line *line, int64_t days_max)
{
	const char *start = command_flag(line, "start"), *end = command_flag(line, "end");

	at->to_ms = clock_now_ms(clock_system());
	if (end != NULL && parse_time(end, &at->to_ms) != STATUS_OK)
		return usage("--end is no time as in RFC 3339 or seconds since 1970", end);
	at->from_ms = at->to_ms - RANGE_DEFAULT_MS;
	if (start != NULL && parse_time(start, &at->from_ms) != STATUS_OK)
		return usage("--start is no time as in RFC 3339 or seconds since 1970", start);
	/* On whole minutes, so that the same question has the same answer. */
	at->from_ms -= at->from_ms % MINUTE_MS;
	at->to_ms -= at->to_ms % MINUTE_MS;
	if (at->from_ms >= 0 && at->to_ms - at->from_ms >= HOUR_MS &&
		at->to_ms - at->from_ms <= days_max * DAY_MS)
		return EXIT_GOOD;
	fprintf(stderr,
		"nimbusguard: --start must be at least an hour and at most %lld days before --end\n",
		(long long)days_max);
	return EXIT_USAGE;
}

static int connect_with(struct range_client *at, const struct command_line *line, const char *url)
{
	struct error error;
	struct buf words;

	at->config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &at->diagnostics);
	if (at->config == NULL) {
		buf_init(&words, 1 << 20);
		diagnostics_write(&at->diagnostics, &words);
		fprintf(stderr, "%s", words.data != NULL ? words.data : "");
		buf_fini(&words);
		return EXIT_FAILED;
	}
	bundle_find(&at->bundle);
	service_backfill_config(at->config, &at->bundle, clock_system(), &at->backfill);
	at->backfill.target.url = url;
	if (prometheus_target_check(&at->backfill.target, &error) == STATUS_OK)
		at->client = prometheus_client_open(&at->backfill.target, &at->stop, &error);
	if (at->client != NULL)
		return EXIT_GOOD;
	fprintf(stderr, "nimbusguard: %s\n", error.text);
	return EXIT_FAILED;
}

struct range_client *range_client_open(const struct command_line *line, const char *url,
	int64_t days_max, int *result)
{
	struct range_client *at = mem_zalloc(1, sizeof(*at));

	*result = EXIT_FAILED;
	if (at == NULL)
		return NULL;
	atomic_init(&at->stop, false);
	matrix_init(&at->matrix);
	diagnostics_init(&at->diagnostics);
	*result = read_times(at, line, days_max);
	if (*result == EXIT_GOOD)
		*result = connect_with(at, line, url);
	if (*result == EXIT_GOOD)
		return at;
	range_client_close(at);
	return NULL;
}

void range_client_close(struct range_client *client)
{
	if (client->client != NULL)
		prometheus_client_close(client->client);
	config_close(client->config);
	diagnostics_fini(&client->diagnostics);
	matrix_fini(&client->matrix);
	mem_free(client);
}

int64_t range_client_start_ms(const struct range_client *client)
{
	return client->from_ms;
}

int64_t range_client_end_ms(const struct range_client *client)
{
	return client->to_ms;
}

const char *range_client_url(const struct range_client *client)
{
	return client->backfill.target.url;
}

const struct config *range_client_config(const struct range_client *client)
{
	return client->config;
}

/* ---- questions ---- */

struct question {
	const char *expression;
	int64_t from_ms, to_ms, step_ms;
	matrix_series_fn *take;
	void *argument;
};

static enum status ask(struct range_client *at, const struct question *question,
	struct error *error)
{
	char start[32], end[32], step[32];
	const struct prometheus_parameter parameters[] = {{"query", question->expression},
		{"start", start}, {"end", end}, {"step", step}, {NULL, NULL}};
	struct prometheus_failure failure;
	struct matrix_counts counts = {0};
	struct buf answer;
	enum status status;
	long http = 0;

	snprintf(start, sizeof(start), "%lld", (long long)(question->from_ms / 1000));
	snprintf(end, sizeof(end), "%lld", (long long)(question->to_ms / 1000));
	snprintf(step, sizeof(step), "%lld", (long long)(question->step_ms / 1000));
	buf_init(&answer, at->backfill.target.answer_max);
	status = prometheus_client_ask(at->client, "/api/v1/query_range", parameters, &http,
		&answer, error);
	if (status == STATUS_OK && http != 200) {
		prometheus_failure_read(answer.data, answer.size, &failure);
		status = error_set(error, STATUS_UNAVAILABLE, "%.150s: HTTP %ld %s: %.200s",
			at->backfill.target.url, http, failure.type, failure.message);
	} else if (status == STATUS_OK) {
		status = matrix_read(&at->matrix, answer.data, answer.size, question->take,
			question->argument, &counts, error);
	}
	buf_fini(&answer);
	return status;
}

enum status range_client_ask(struct range_client *client, const char *expression, int64_t step_ms,
	matrix_series_fn *take, void *argument, struct error *error)
{
	struct question question = {.expression = expression,
		.step_ms = step_ms,
		.take = take,
		.argument = argument};
	int64_t slice_ms = step_ms / MINUTE_MS * DAY_MS, from_ms = client->from_ms;
	enum status status = STATUS_OK;

	for (; status == STATUS_OK && from_ms < client->to_ms; from_ms += slice_ms) {
		int64_t end_ms = from_ms + slice_ms;

		/* Both ends of a range query are in its answer. */
		question.from_ms = from_ms;
		question.to_ms = (end_ms < client->to_ms ? end_ms : client->to_ms) - step_ms;
		status = ask(client, &question, error);
	}
	return status;
}
