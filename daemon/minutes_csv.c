/*
 * Asking a running service for the minutes of a workload.
 *
 * The service is asked which signals the workload has, then for the minutes of each. A minute without
 * samples is an empty field, never a zero.
 */
#include "daemon/minutes_csv.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/client.h"
#include "daemon/command_values.h"

#define SIGNALS_MAX 64
#define URL_MAX 4096
#define MINUTE_MS INT64_C(60000)
#define DAYS_DEFAULT 14
#define MINUTES_MAX 200000

struct dataset_call {
	const char *url, *ca_file;
	char *token;
	char workload[URL_MAX / 2]; /* the query that names it */
	int64_t from, to;           /* minutes since 1970, [from, to) */
	bool started, ended;        /* which of them was asked for */
};

struct column {
	const char *role; /* borrowed from the list of signals */
	json_t *means;    /* of minutes [from, to) */
};

static int usage(const char *what)
{
	fprintf(stderr, "nimbusguard: %s\n", what);
	return EXIT_USAGE;
}

/* Adds "&name=value", what is no letter, digit, '-', '.' or '_' as %XX. */
static bool add_word(char *query, size_t size, const char *name, const char *value)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	size_t at = strlen(query);
	int got = snprintf(query + at, size - at, "&%s=", name);

	if (got < 0 || (size_t)got >= size - at)
		return false;
	for (at += (size_t)got; *value != '\0'; value++) {
		if (size - at < 4)
			return false;
		if (strchr(plain, *value) != NULL) {
			query[at++] = *value;
			query[at] = '\0';
		} else {
			at += (size_t)snprintf(query + at, size - at, "%%%02X",
				(unsigned)(unsigned char)*value);
		}
	}
	return true;
}

static json_t *fetch_minutes(const struct dataset_call *call, const char *role, bool *missing)
{
	char url[URL_MAX], query[URL_MAX / 2], from[32], to[32];

	query[0] = '\0';
	format_rfc3339(call->from * MINUTE_MS, from, sizeof(from));
	format_rfc3339((call->to - 1) * MINUTE_MS, to, sizeof(to));
	if (!add_word(query, sizeof(query), "role", role) ||
		!add_word(query, sizeof(query), "start", from) ||
		!add_word(query, sizeof(query), "end", to) ||
		snprintf(url, sizeof(url), "%s/api/v1/rollup?columns=mean%s%s", call->url,
			call->workload, query) >= (int)sizeof(url)) {
		usage("a name is too long");
		return NULL;
	}
	return client_data("GET", url, call->token, call->ca_file, missing);
}

/* Rows from the first minute that has anything to the last one. */
static void write_csv(const struct dataset_call *call, const struct column *columns, size_t count,
	struct buf *out)
{
	size_t minutes = (size_t)(call->to - call->from), first = minutes, last = 0;

	for (size_t i = 0; i < minutes; i++) {
		for (size_t c = 0; c < count; c++) {
			if (!json_is_number(json_array_get(columns[c].means, i)))
				continue;
			first = i < first ? i : first;
			last = i + 1;
		}
	}
	buf_add_text(out, "time");
	for (size_t c = 0; c < count; c++)
		buf_printf(out, ",%s", columns[c].role);
	buf_add_char(out, '\n');
	for (size_t i = first; i < last; i++) {
		char time[32];

		format_rfc3339((call->from + (int64_t)i) * MINUTE_MS, time, sizeof(time));
		buf_add_text(out, time);
		for (size_t c = 0; c < count; c++) {
			json_t *mean = json_array_get(columns[c].means, i);

			buf_add_char(out, ',');
			if (json_is_number(mean))
				buf_printf(out, "%.17g", json_number_value(mean));
		}
		buf_add_char(out, '\n');
	}
}

/* The minutes of each signal; *count columns, of which means are to be released. */
static int fetch_columns(const struct dataset_call *call, json_t *signals, struct column *columns,
	size_t *count)
{
	json_t *signal;
	size_t i;

	json_array_foreach(signals, i, signal)
	{
		const char *role = json_string_value(json_object_get(signal, "role"));
		bool missing = false;
		json_t *minutes, *means;

		if (role == NULL || *count == SIGNALS_MAX)
			continue;
		minutes = fetch_minutes(call, role, &missing);
		if (missing)
			continue;
		means = json_object_get(minutes, "mean");
		if (minutes != NULL && json_is_array(means))
			columns[(*count)++] = (struct column){role, json_incref(means)};
		json_decref(minutes);
		if (means == NULL)
			return EXIT_FAILED;
	}
	return EXIT_GOOD;
}

static bool times_good(const struct dataset_call *call)
{
	if (call->from >= 0 && call->to > call->from && call->to - call->from <= MINUTES_MAX)
		return true;
	fprintf(stderr, "nimbusguard: from --start to --end are 1 to %d minutes\n", MINUTES_MAX);
	return false;
}

/* Up to which minute the service has samples of it: its clock need not be ours, as the demo's is not. */
static void end_at_newest(struct dataset_call *call, json_t *signals)
{
	int64_t newest_ms = 0, at_ms, newest, minutes = call->to - call->from;
	json_t *signal;
	size_t i;

	json_array_foreach(signals, i, signal)
	{
		const char *text = json_string_value(json_object_get(signal, "newest"));

		if (text != NULL && parse_time(text, &at_ms) == STATUS_OK && at_ms > newest_ms)
			newest_ms = at_ms;
	}
	newest = newest_ms / MINUTE_MS;
	if (newest < minutes)
		return;
	call->to = newest;
	call->from = call->started ? call->from : newest - minutes;
}

static int export_workload(struct dataset_call *call, struct buf *csv)
{
	struct column columns[SIGNALS_MAX];
	char url[URL_MAX];
	json_t *signals;
	size_t count = 0;
	int status;

	/* What names the workload begins with '&'. */
	if (snprintf(url, sizeof(url), "%s/api/v1/signals?%s", call->url, call->workload + 1) >=
		(int)sizeof(url))
		return usage("a name is too long");
	signals = client_data("GET", url, call->token, call->ca_file, NULL);
	if (signals == NULL)
		return EXIT_FAILED;
	if (!call->ended)
		end_at_newest(call, signals);
	status = times_good(call) ? fetch_columns(call, signals, columns, &count) : EXIT_USAGE;
	if (status == EXIT_GOOD && count == 0) {
		fprintf(stderr, "nimbusguard: the service has no minutes of such a workload\n");
		status = EXIT_FAILED;
	}
	if (status == EXIT_GOOD)
		write_csv(call, columns, count, csv);
	for (size_t c = 0; c < count; c++)
		json_decref(columns[c].means);
	json_decref(signals);
	return status;
}

/* ---- the command line ---- */

static bool read_times(const struct command_line *line, const struct minutes_range *range,
	struct dataset_call *call)
{
	const char *start = command_flag(line, "start"), *end = command_flag(line, "end");
	int64_t to_ms = range != NULL ? range->to_ms : clock_now_ms(clock_system()), from_ms;

	if (end != NULL && parse_time(end, &to_ms) != STATUS_OK) {
		usage("--end is RFC 3339 or seconds since 1970");
		return false;
	}
	from_ms = range != NULL ? range->from_ms : to_ms - DAYS_DEFAULT * 1440 * MINUTE_MS;
	if (start != NULL && parse_time(start, &from_ms) != STATUS_OK) {
		usage("--start is RFC 3339 or seconds since 1970");
		return false;
	}
	call->started = start != NULL || range != NULL;
	call->ended = end != NULL || range != NULL;
	call->from = from_ms / MINUTE_MS;
	call->to = to_ms / MINUTE_MS;
	/* Without an end it is the service's newest sample, which is not known yet. */
	return !call->ended || times_good(call);
}

static bool read_workload(const struct command_line *line, struct dataset_call *call)
{
	const char *kind = command_flag(line, "kind"), *cluster = command_flag(line, "cluster");
	const char *namespace_name = command_flag(line, "namespace");
	const char *name = command_flag(line, "workload");

	call->workload[0] = '\0';
	if (namespace_name == NULL || name == NULL) {
		usage("say which workload: --namespace=NAME --workload=NAME");
		return false;
	}
	if (add_word(call->workload, sizeof(call->workload), "namespace", namespace_name) &&
		add_word(call->workload, sizeof(call->workload), "workload", name) &&
		add_word(call->workload, sizeof(call->workload), "kind",
			kind != NULL ? kind : "Deployment") &&
		(cluster == NULL ||
			add_word(call->workload, sizeof(call->workload), "cluster", cluster)))
		return true;
	usage("a name is too long");
	return false;
}

int minutes_csv_fetch(const struct command_line *line, const struct minutes_range *range,
	struct buf *csv)
{
	struct dataset_call call = {.url = command_flag(line, "url"),
		.ca_file = command_flag(line, "ca-file")};
	int status;

	if (!read_workload(line, &call) || !read_times(line, range, &call))
		return EXIT_USAGE;
	if (call.url == NULL)
		call.url = getenv("NIMBUSGUARD_URL");
	if (call.url == NULL)
		call.url = "http://127.0.0.1:9797";
	if (!flag_token(line, &call.token))
		return EXIT_FAILED;
	status = export_workload(&call, csv);
	mem_free(call.token);
	if (status == EXIT_GOOD && !buf_ok(csv)) {
		fprintf(stderr, "nimbusguard: no memory for the minutes\n");
		status = EXIT_FAILED;
	}
	return status;
}
