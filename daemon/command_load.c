/*
 * load: requests to a service by a pattern over time, once and with a report, or as a service of its own
 * that takes orders over HTTP.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "demo/drive.h"
#include "demo/drive_service.h"
#include "demo/load_client.h"

#define RATES_MAX ((size_t)4 << 20)
#define WAIT_MS 200

const char load_flags[] =
	"usage: nimbusguard load [flags]\n\n"
	"Sends GET requests to a service at the moments of a Poisson process, whether or not the ones\n"
	"before were answered, and says how long each took from the moment at which it was due. Exit\n"
	"status 1 when a request was not answered 2xx or 3xx. With --listen it waits for orders over\n"
	"HTTP: POST /load/generate, POST /load/stop, GET /load/status.\n\nflags:\n"
	"  --url=...           the target (default http://127.0.0.1:8080/); with --listen, where orders\n"
	"                      go that name none, and the only host and port that they may name\n"
	"  --pattern=...       steady, ramp, spike, wave, flash_crowd or recorded (default steady)\n"
	"  --rate=N            requests a second, the highest of the pattern\n"
	"  --low=N             the rate beside it (default a tenth of it)\n"
	"  --duration=...      such as 5m; of recorded: as long as the file is\n"
	"  --period=...        of wave (default a quarter of the duration)\n"
	"  --rates=FILE        for recorded: lines seconds,rate\n"
	"  --seed=N            other moments (default 1)\n"
	"  --connections=N     requests under way at once (default 64)\n"
	"  --timeout=...       of a request (default 10s)\n"
	"  --token-file=...    file with a bearer token for the target\n"
	"  --ca-file=...       certificate authority of the target\n"
	"  --json              the report as one line of JSON\n"
	"  --listen=...        waits for orders there instead of sending\n\nexamples:\n"
	"  nimbusguard load --url=http://127.0.0.1:8080/ --rate=200 --duration=1m\n"
	"  nimbusguard load --pattern=flash_crowd --rate=500 --low=50 --duration=10m\n"
	"  nimbusguard load --listen=:8081 --url=http://sample:8080/\n";

static int refuse(const char *flag, const char *text, const char *wanted)
{
	fprintf(stderr, "nimbusguard: --%s=%s is not %s\n", flag, text, wanted);
	return EXIT_USAGE;
}

static int read_number(const struct command_line *line, const char *name, double *value)
{
	const char *text = command_flag(line, name);

	if (text != NULL && (parse_double(text, value) != STATUS_OK || !isfinite(*value)))
		return refuse(name, text, "a number");
	return EXIT_GOOD;
}

static int read_time(const struct command_line *line, const char *name, int64_t *ms)
{
	const char *text = command_flag(line, name);

	if (text != NULL && (parse_duration(text, ms) != STATUS_OK || *ms < 1))
		return refuse(name, text, "a duration such as 90s");
	return EXIT_GOOD;
}

static int read_natural(const struct command_line *line, const char *name, int64_t max,
	int64_t *value)
{
	const char *text = command_flag(line, name);

	if (text != NULL && (parse_int(text, value) != STATUS_OK || *value < 0 || *value > max))
		return refuse(name, text, "a whole number from 0 on, or it is too large");
	return EXIT_GOOD;
}

static int read_rates(const char *path, struct visits *visits)
{
	struct error error;
	struct buf text;
	enum status status;

	buf_init(&text, RATES_MAX);
	status = file_read(path, &text, &error);
	if (status == STATUS_OK)
		status = visits_read_csv(visits, text.data != NULL ? text.data : "", text.size,
			&error);
	buf_fini(&text);
	if (status == STATUS_OK)
		return EXIT_GOOD;
	fprintf(stderr, "nimbusguard: --rates=%s: %s\n", path, error.text);
	return EXIT_USAGE;
}

static int read_flags(const struct command_line *line, struct drive_config *config)
{
	struct visits *visits = &config->visits;
	const char *pattern = command_flag(line, "pattern"), *rates = command_flag(line, "rates");
	int64_t seed = 1, connections = 64;
	struct error error;
	int status;

	if (pattern != NULL &&
		visits_pattern_parse(pattern, &visits->pattern, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_USAGE;
	}
	status = read_number(line, "rate", &visits->rate);
	if (status == EXIT_GOOD)
		status = read_number(line, "low", &visits->low);
	if (status == EXIT_GOOD)
		status = read_time(line, "duration", &visits->duration_ms);
	if (status == EXIT_GOOD)
		status = read_time(line, "period", &visits->period_ms);
	if (status == EXIT_GOOD)
		status = read_time(line, "timeout", &config->timeout_ms);
	if (status == EXIT_GOOD)
		status = read_natural(line, "seed", INT64_MAX, &seed);
	if (status == EXIT_GOOD)
		status = read_natural(line, "connections", DRIVE_CONNECTIONS_MAX, &connections);
	if (status == EXIT_GOOD && rates != NULL)
		status = read_rates(rates, visits);
	visits->seed = (uint64_t)seed;
	config->connections = (uint32_t)connections;
	return status;
}

static int send_load(struct drive_config *config, const sigset_t *set, bool json)
{
	/* Static, because it holds two tables of latencies. */
	static struct drive_result result;
	const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000};
	struct error error;
	struct drive *drive;
	struct buf out;

	if (drive_check(config, &error) != STATUS_OK ||
		visits_complete(&config->visits, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_USAGE;
	}
	drive = drive_open(config, &error);
	if (drive == NULL) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	while (!drive_wait(drive, 0)) {
		int number = sigtimedwait(set, NULL, &wait);

		if (number == SIGINT || number == SIGTERM)
			drive_stop(drive);
	}
	drive_read(drive, &result);
	if (json) {
		buf_init(&out, 65536);
		drive_write_json(&out, config, &result);
		puts(buf_ok(&out) ? out.data : "{}");
		buf_fini(&out);
	} else {
		drive_write_report(stdout, config, &result);
	}
	drive_close(drive);
	return drive_good(&result) ? EXIT_GOOD : EXIT_FAILED;
}

static int take_orders(const struct drive_service_config *config, const sigset_t *set)
{
	struct error error;
	struct drive_service *service = drive_service_open(config, &error);

	if (service == NULL) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	LOG_INFO("load generator is listening",
		LOG_INT("port", (int64_t)drive_service_port(service)));
	signals_wait_end(set);
	drive_service_close(service);
	return EXIT_GOOD;
}

static int run(const struct command_line *line, struct drive_config *config)
{
	struct drive_service_config service = {.listen_address = command_flag(line, "listen"),
		.url = command_flag(line, "url"),
		.token = config->token,
		.ca_file = config->ca_file};
	static sigset_t set;
	struct error error;
	int status = read_flags(line, config);

	if (status != EXIT_GOOD)
		return status;
	signals_block(&set);
	if (load_client_library_init(&error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	if (service.listen_address != NULL)
		return take_orders(&service, &set);
	return send_load(config, &set, command_flag(line, "json") != NULL);
}

int command_load(const struct command_line *line)
{
	static const char *const known[] = {"url", "pattern", "rate", "low", "duration", "period",
		"rates", "seed", "connections", "timeout", "token-file", "ca-file", "json",
		"listen", NULL};
	const char *token_file = command_flag(line, "token-file"), *url = command_flag(line, "url");
	struct drive_config config = {.url = url != NULL ? url : "http://127.0.0.1:8080/",
		.ca_file = command_flag(line, "ca-file"),
		.timeout_ms = 10000};
	struct error error;
	char *token = NULL;
	int status;

	if (!command_flags_known(line, known) || !command_flags_only(line))
		return EXIT_USAGE;
	if (token_file != NULL && file_read_secret(token_file, &token, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	config.token = token;
	visits_init(&config.visits);
	status = run(line, &config);
	visits_fini(&config.visits);
	mem_free(token);
	return status;
}
