/*
 * What a load found, for people and as JSON.
 */
#include <inttypes.h>
#include <string.h>

#include "demo/drive.h"

bool drive_good(const struct drive_result *result)
{
	return result->sent > 0 && result->good == result->sent && result->unsent == 0 &&
		!result->stopped;
}

static double per_second(uint64_t count, int64_t ns)
{
	return ns > 0 ? (double)count * 1e9 / (double)ns : 0;
}

void drive_write_report(FILE *out, const struct drive_config *config,
	const struct drive_result *result)
{
	const struct visits *visits = &config->visits;

	fprintf(out, "load        %s up to %g/s for %.3g s, seed %" PRIu64 ", to %s\n",
		visits_pattern_name(visits->pattern), visits->rate,
		(double)visits->duration_ms / 1000, visits->seed, config->url);
	fprintf(out, "sent        %" PRIu64 " requests in %.2f s, %.1f/s%s\n", result->sent,
		(double)result->spent_ns / 1e9, per_second(result->sent, result->spent_ns),
		result->stopped ? ", stopped by hand" : "");
	for (uint32_t i = 0; i < result->code_count; i++)
		fprintf(out, "answered    %d: %" PRIu64 "\n", result->codes[i].code,
			result->codes[i].requests);
	if (result->failed > 0)
		fprintf(out, "no answer   %" PRIu64 ", the first: %s\n", result->failed,
			result->failure);
	if (result->late > 0)
		fprintf(out,
			"late        %" PRIu64
			" began more than 10 ms after they were due, as all %u "
			"connections were taken or the machine was busy\n",
			result->late, config->connections);
	if (result->unsent > 0)
		fprintf(out, "unsent      %" PRIu64 " were due and never sent\n", result->unsent);
	latency_write(out, "from due", &result->due);
	latency_write(out, "from sent", &result->sent_on);
}

void drive_write_json(struct buf *out, const struct drive_config *config,
	const struct drive_result *result)
{
	const struct visits *visits = &config->visits;

	buf_printf(out, "{\"state\":\"%s\",\"pattern\":\"%s\",\"target\":",
		!result->over             ? "running"
			: result->stopped ? "stopped"
					  : "done",
		visits_pattern_name(visits->pattern));
	buf_add_json_string(out, config->url, strlen(config->url));
	buf_printf(out, ",\"rate\":%.9g,\"rate_now\":%.9g,\"duration_s\":%.3f,\"seed\":%" PRIu64,
		visits->rate, result->rate_now, (double)visits->duration_ms / 1000, visits->seed);
	buf_printf(out,
		",\"seconds\":%.3f,\"sent\":%" PRIu64 ",\"good\":%" PRIu64 ",\"failed\":%" PRIu64
		",\"late\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"requests_per_second\":%.3f,",
		(double)result->spent_ns / 1e9, result->sent, result->good, result->failed,
		result->late, result->unsent, per_second(result->sent, result->spent_ns));
	latency_write_json(out, "due_ms", &result->due);
	buf_add_char(out, ',');
	latency_write_json(out, "sent_ms", &result->sent_on);
	buf_add_text(out, ",\"answers\":{");
	for (uint32_t i = 0; i < result->code_count; i++)
		buf_printf(out, "%s\"%d\":%" PRIu64, i > 0 ? "," : "", result->codes[i].code,
			result->codes[i].requests);
	buf_add_text(out, "},\"error\":");
	if (result->failed > 0)
		buf_add_json_string(out, result->failure, strlen(result->failure));
	else
		buf_add_text(out, "null");
	buf_add_char(out, '}');
}
