/*
 * What a run of the load generator says: limits of its settings, progress, report, verdict.
 */
#include "demo/loadgen.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"

#define BAR_CELLS 24

struct range {
	const char *flag;
	double value, min, max;
};

enum status loadgen_check(const struct loadgen_config *config, struct error *error)
{
	const struct range ranges[] = {
		{"series", config->shape.series_count, 1, LOADGEN_SERIES_MAX},
		{"labels", config->shape.label_count, LOAD_LABELS_MIN, LOAD_LABELS_MAX},
		{"churn", config->shape.churn_percent, 0, 100},
		{"interval", (double)config->shape.interval_ms, 1, 86400000},
		{"batch", config->batch_series, 1, LOADGEN_BATCH_MAX},
		{"connections", config->connection_count, 1, LOADGEN_CONNECTIONS_MAX},
		{"rate", config->samples_per_second, 0, 1e9},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (!(ranges[i].value >= ranges[i].min && ranges[i].value <= ranges[i].max))
			return error_set(error, STATUS_BAD_INPUT, "--%s is %.0f to %.0f%s",
				ranges[i].flag, ranges[i].min, ranges[i].max,
				strcmp(ranges[i].flag, "interval") == 0 ? " milliseconds" : "");
	if (strncmp(config->target.url, "http://", 7) != 0 &&
		strncmp(config->target.url, "https://", 8) != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"--url \"%.200s\" is no http:// or https:// address", config->target.url);
	if (config->round_count == 0 && config->duration_ms <= 0)
		return error_set(error, STATUS_BAD_INPUT, "give --rounds or --duration");
	return STATUS_OK;
}

/* 1234567 as 1,234,567. */
static const char *thousands(uint64_t number, char text[32])
{
	char *at = text + 31;
	int digits = 0;

	*at = '\0';
	do {
		if (digits > 0 && digits % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + number % 10);
		number /= 10;
		digits++;
	} while (number > 0);
	return at;
}

static double per_second(uint64_t count, int64_t spent_ns)
{
	return spent_ns > 0 ? (double)count * 1e9 / (double)spent_ns : 0;
}

void loadgen_write_progress(FILE *out, bool live, const struct loadgen_progress *progress)
{
	double share = fmin(1, fmax(0, progress->share));
	double seconds = (double)progress->spent_ns / 1e9;
	char number[32], bar[BAR_CELLS + 1];

	if (live) {
		int full = (int)(share * BAR_CELLS);

		for (int i = 0; i < BAR_CELLS; i++)
			bar[i] = i < full ? '#' : '.';
		bar[BAR_CELLS] = '\0';
		fprintf(out, "\r\033[K[%s] %3.0f %%  ", bar, share * 100);
	} else {
		fprintf(out, "%5.1f s  %3.0f %%  ", seconds, share * 100);
	}
	fprintf(out, "%s samples  %.0f/s", thousands(progress->samples, number),
		per_second(progress->samples, progress->spent_ns));
	if (progress->bad_answers > 0)
		fprintf(out, "  %" PRIu64 " refused", progress->bad_answers);
	if (!progress->sending)
		fprintf(out, "  making bodies");
	else if (share > 0.01)
		fprintf(out, "  %.0f s left", seconds / share - seconds);
	fprintf(out, "%s", live ? "" : "\n");
	fflush(out);
}

void loadgen_end_progress(FILE *out, bool live)
{
	if (live)
		fprintf(out, "\r\033[K");
	fflush(out);
}

/* ---- verdict ---- */

static uint64_t grown(double before, double after)
{
	return after > before ? (uint64_t)(after - before) : 0;
}

enum loadgen_verdict loadgen_verdict(const struct loadgen_result *result)
{
	const struct load_counters *before = &result->before, *after = &result->after;

	if (before->receiver == LOAD_UNKNOWN || after->receiver != before->receiver)
		return LOADGEN_UNVERIFIED;
	if (grown(before->stored, after->stored) < result->samples_accepted ||
		(result->written_told && result->samples_written < result->samples_accepted))
		return LOADGEN_LOST;
	/* Where series were before, ours may have been among them. */
	if (before->series < 1 &&
		grown(before->series_created, after->series_created) < result->series_made)
		return LOADGEN_LOST;
	return LOADGEN_COMPLETE;
}

bool loadgen_good(const struct loadgen_result *result)
{
	return loadgen_verdict(result) != LOADGEN_LOST && result->failure.code == STATUS_OK &&
		(result->stopped || result->samples_accepted == result->samples);
}

static void write_lost(FILE *out, const struct loadgen_result *result)
{
	const struct load_counters *before = &result->before, *after = &result->after;
	uint64_t older = grown(before->late, after->late) +
		grown(before->repeated, after->repeated) + grown(before->conflict, after->conflict);
	char a[32], b[32];

	fprintf(out, "LOST        %s samples were accepted, %s were stored",
		thousands(result->samples_accepted, a),
		thousands(grown(before->stored, after->stored), b));
	if (older > 0)
		fprintf(out,
			"; %s came late or were there already: an earlier run has sent these "
			"series up to a later time (another --seed sends other series)",
			thousands(older, a));
	if (after->future > before->future)
		fprintf(out, "; %s lay in the future",
			thousands(grown(before->future, after->future), a));
	fprintf(out, "\n            %s series should be new, %s were made\n",
		thousands(result->series_made, a),
		thousands(grown(before->series_created, after->series_created), b));
}

static void write_verdict(FILE *out, const struct loadgen_result *result)
{
	uint64_t stored = grown(result->before.stored, result->after.stored);
	char a[32], b[32], c[32];

	switch (loadgen_verdict(result)) {
	case LOADGEN_UNVERIFIED:
		fprintf(out, "unverified  the target shows no counters that are known here\n");
		return;
	case LOADGEN_LOST:
		write_lost(out, result);
		return;
	case LOADGEN_COMPLETE:
		break;
	}
	fprintf(out, "verified    %s samples stored, %s series new, %s in memory\n",
		thousands(stored, a),
		thousands(grown(result->before.series_created, result->after.series_created), b),
		thousands((uint64_t)result->after.series, c));
	if (stored > result->samples)
		fprintf(out,
			"            more than was sent from here: another sender is at work\n");
	else if (stored > result->samples_accepted + result->samples_unknown)
		fprintf(out, "            %s of them out of requests that were refused in part\n",
			thousands(stored - result->samples_accepted - result->samples_unknown, a));
}

void loadgen_write_report(FILE *out, const struct loadgen_result *result)
{
	char a[32], b[32];

	fprintf(out,
		"sent        %s samples in %s requests, %.1f MB (%.1f bytes a sample), over %u "
		"connection%s in %.2f s\n",
		thousands(result->samples, a), thousands(result->requests, b),
		(double)result->bytes / 1e6,
		result->samples > 0 ? (double)result->bytes / (double)result->samples : 0,
		result->connections, result->connections == 1 ? "" : "s",
		(double)result->spent_ns / 1e9);
	fprintf(out, "rate        %s samples/s, %.1f requests/s\n",
		thousands((uint64_t)per_second(result->samples, result->spent_ns), a),
		per_second(result->requests, result->spent_ns));
	if (result->latency.count > 0)
		latency_write(out, "latency", &result->latency);
	if (result->due.count > 0)
		latency_write(out, "when due", &result->due);
	fprintf(out, "answers     ");
	for (uint32_t i = 0; i < result->status_count; i++)
		fprintf(out, "%s%ld: %s", i > 0 ? ", " : "", result->statuses[i].http,
			thousands(result->statuses[i].requests, a));
	fprintf(out, "%s\n", result->status_count == 0 ? "none" : "");
	if (result->written_told)
		fprintf(out, "written     %s samples by the headers of the answers\n",
			thousands(result->samples_written, a));
	if (result->refusal[0] != '\0')
		fprintf(out, "refused     %s%s", result->refusal,
			result->refusal[strlen(result->refusal) - 1] == '\n' ? "" : "\n");
	if (result->failure.code != STATUS_OK)
		fprintf(out, "failed      %s\n", result->failure.text);
	if (result->samples_unknown > 0)
		fprintf(out, "unanswered  %s samples\n", thousands(result->samples_unknown, a));
	if (result->stopped)
		fprintf(out, "stopped     by hand\n");
	write_verdict(out, result);
}

void loadgen_write_json(FILE *out, const struct loadgen_result *result)
{
	static const char *const verdicts[] = {"unverified", "complete", "lost"};
	struct buf json;

	buf_init(&json, 65536);
	buf_printf(&json, "{\"good\":%s,\"verdict\":\"%s\",\"connections\":%u",
		loadgen_good(result) ? "true" : "false", verdicts[loadgen_verdict(result)],
		result->connections);
	buf_printf(&json, ",\"requests\":%" PRIu64 ",\"samples\":%" PRIu64 ",\"bytes\":%" PRIu64,
		result->requests, result->samples, result->bytes);
	buf_printf(&json, ",\"samples_accepted\":%" PRIu64 ",\"series_made\":%" PRIu64,
		result->samples_accepted, result->series_made);
	buf_printf(&json, ",\"stored\":%" PRIu64 ",\"series_created\":%" PRIu64 ",\"series\":%.0f",
		grown(result->before.stored, result->after.stored),
		grown(result->before.series_created, result->after.series_created),
		result->after.series);
	buf_printf(&json, ",\"seconds\":%.6f,\"samples_per_second\":%.1f",
		(double)result->spent_ns / 1e9, per_second(result->samples, result->spent_ns));
	buf_add_char(&json, ',');
	latency_write_json(&json, "latency_ms", &result->latency);
	buf_add_char(&json, ',');
	latency_write_json(&json, "due_ms", &result->due);
	buf_add_text(&json, ",\"answers\":{");
	for (uint32_t i = 0; i < result->status_count; i++)
		buf_printf(&json, "%s\"%ld\":%" PRIu64, i > 0 ? "," : "", result->statuses[i].http,
			result->statuses[i].requests);
	buf_add_text(&json, "},\"error\":");
	if (result->failure.code != STATUS_OK)
		buf_add_json_string(&json, result->failure.text, strlen(result->failure.text));
	else
		buf_add_text(&json, "null");
	buf_add_text(&json, "}\n");
	if (buf_ok(&json))
		fputs(json.data, out);
	buf_fini(&json);
}
