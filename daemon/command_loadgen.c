/*
 * loadgen: sends a remote-write load to a receiver and says what it took and whether all of it
 * arrived. The first Ctrl-C ends it with its report, the second at once.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "daemon/command_values.h"
#include "demo/loadgen.h"

#define URL_DEFAULT "http://127.0.0.1:9797/api/v1/write"
/* How far back a run of unknown length begins: it ends when its samples' time is now. */
#define BACK_MS INT64_C(86400000)

const char loadgen_flags[] =
	"usage: nimbusguard loadgen [flags]\n\n"
	"Sends a load of series like those of scraped pods by remote write, measures how it is\n"
	"taken, and compares the receiver's own counters with what was sent. Exit status 1 when\n"
	"something was lost or refused.\n\nflags:\n"
	"  --url=...           where to send (default " URL_DEFAULT ")\n"
	"  --token-file=...    file with a bearer token\n"
	"  --ca-file=...       certificate authority of the receiver\n"
	"  --series=N          series (default 10000)\n"
	"  --rounds=N          one sample of each series a round (default 60)\n"
	"  --duration=...      ends after this time of sending; without --rounds: goes on until then\n"
	"  --batch=N           series in a request (default 2000)\n"
	"  --connections=N     threads with a connection each (default 2)\n"
	"  --rate=N            samples a second (default: as fast as they are taken)\n"
	"  --churn=PERCENT     of the pods, replaced by new ones each round (default 0)\n"
	"  --shuffle           series in another order each round instead of scrape order\n"
	"  --labels=N          labels of a series (default 10)\n"
	"  --interval=...      time between two samples of a series (default 15s)\n"
	"  --start=...         time of round 0; default so that the last round is now, or with\n"
	"                      --duration alone a day ago\n"
	"  --first-round=N     goes on with a load of the same --seed and --start (default 0)\n"
	"  --seed=N            other seeds send other series (default 1)\n"
	"  --protocol=1.0|2.0  of remote write (default 1.0)\n"
	"  --body-memory=SIZE  for bodies made before they are sent (default 1GiB)\n"
	"  --json              the report as one line of JSON\n\nexamples:\n"
	"  nimbusguard loadgen --series=100000 --rounds=20\n"
	"  nimbusguard loadgen --rate=50000 --duration=10m --protocol=2.0\n";

static atomic_bool loadgen_stop;

/* Waits for Ctrl-C while the main thread works; the next one takes its default. SIGHUP is how the
 * main thread ends this one. */
static void *wait_signal(void *argument)
{
	const sigset_t *set = argument;
	struct sigaction action = {0};
	sigset_t ending, rest;
	int number;

	do {
		number = sigwaitinfo(set, NULL);
	} while (number < 0);
	if (number == SIGHUP)
		return NULL;
	atomic_store(&loadgen_stop, true);
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	action.sa_handler = SIG_DFL;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, &ending, NULL);
	sigemptyset(&rest);
	sigaddset(&rest, SIGHUP);
	while (sigwaitinfo(&rest, NULL) < 0)
		;
	return NULL;
}

/* Reads whole numbers; a message and false when the flag's value is none. */
static bool read_count(const struct command_line *line, const char *name, uint64_t max,
	uint64_t *value)
{
	const char *text = command_flag(line, name);
	int64_t number = 0;

	if (text == NULL)
		return true;
	if (parse_int(text, &number) != STATUS_OK || number < 0 || (uint64_t)number > max) {
		fprintf(stderr, "nimbusguard: --%s=%s is not a whole number from 0 to %llu\n", name,
			text, (unsigned long long)max);
		return false;
	}
	*value = (uint64_t)number;
	return true;
}

/* A plain number is seconds. */
static bool read_duration(const struct command_line *line, const char *name, int64_t *ms)
{
	const char *text = command_flag(line, name);
	double seconds;

	if (text == NULL)
		return true;
	if (parse_double(text, &seconds) == STATUS_OK && seconds > 0 && seconds < 1e9) {
		*ms = (int64_t)(seconds * 1000);
		return true;
	}
	if (parse_duration(text, ms) == STATUS_OK && *ms > 0)
		return true;
	fprintf(stderr, "nimbusguard: --%s=%s is no duration, such as 15s or 5m\n", name, text);
	return false;
}

static bool read_numbers(const struct command_line *line, struct loadgen_config *config)
{
	uint64_t series = 10000, rounds = 60, first = 0, batch = 2000, connections = 2;
	uint64_t churn = 0, labels = 10, seed = 1, memory = UINT64_C(1) << 30;
	const char *rate = command_flag(line, "rate"), *body = command_flag(line, "body-memory");

	config->shape.interval_ms = 15000;
	if (command_flag(line, "rounds") == NULL && command_flag(line, "duration") != NULL)
		rounds = 0;
	if (!read_count(line, "series", UINT32_MAX, &series) ||
		!read_count(line, "rounds", 100000000, &rounds) ||
		!read_count(line, "first-round", 1000000000, &first) ||
		!read_count(line, "batch", UINT32_MAX, &batch) ||
		!read_count(line, "connections", UINT32_MAX, &connections) ||
		!read_count(line, "churn", UINT32_MAX, &churn) ||
		!read_count(line, "labels", UINT32_MAX, &labels) ||
		!read_count(line, "seed", UINT32_MAX, &seed) ||
		!read_duration(line, "interval", &config->shape.interval_ms) ||
		!read_duration(line, "duration", &config->duration_ms))
		return false;
	if (rate != NULL && parse_double(rate, &config->samples_per_second) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: --rate=%s is no number\n", rate);
		return false;
	}
	if (body != NULL && parse_size(body, &memory) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: --body-memory=%s is no size, such as 512MiB\n", body);
		return false;
	}
	config->shape.series_count = (uint32_t)series;
	config->shape.churn_percent = (uint32_t)churn;
	config->shape.label_count = (uint32_t)labels;
	config->shape.seed = seed;
	config->first_round = (uint32_t)first;
	config->round_count = (uint32_t)rounds;
	config->batch_series = (uint32_t)batch;
	config->connection_count = (uint32_t)connections;
	config->body_memory_max = memory;
	return true;
}

/* A receiver refuses what is ahead of the clock, so that the stream begins in the past. */
static bool read_start(const struct command_line *line, struct loadgen_config *config)
{
	const char *start = command_flag(line, "start");
	int64_t now_ms = clock_now_ms(clock_system()), back_ms = BACK_MS;
	uint64_t rounds = (uint64_t)config->first_round + config->round_count;

	if (start != NULL) {
		if (parse_time(start, &config->shape.start_ms) == STATUS_OK)
			return true;
		fprintf(stderr, "nimbusguard: --start=%s is neither Unix seconds nor RFC 3339\n",
			start);
		return false;
	}
	if (config->round_count > 0)
		back_ms = (int64_t)rounds * config->shape.interval_ms;
	else if (config->samples_per_second > 0 && config->shape.series_count > 0)
		back_ms = (int64_t)((ceil(config->samples_per_second * (double)config->duration_ms /
					     1000 / config->shape.series_count) +
					    config->first_round + 1) *
			(double)config->shape.interval_ms);
	config->shape.start_ms = now_ms - back_ms;
	return true;
}

static int read_flags(const struct command_line *line, struct loadgen_config *config)
{
	const char *url = command_flag(line, "url"), *protocol = command_flag(line, "protocol");
	struct error error;

	*config = (struct loadgen_config){.target = {.url = url != NULL ? url : URL_DEFAULT,
						  .ca_file = command_flag(line, "ca-file")},
		.shuffled = command_flag(line, "shuffle") != NULL};
	config->target.protocol_2 = protocol != NULL && strcmp(protocol, "2.0") == 0;
	if (protocol != NULL && !config->target.protocol_2 && strcmp(protocol, "1.0") != 0) {
		fprintf(stderr, "nimbusguard: --protocol is 1.0 or 2.0\n");
		return EXIT_USAGE;
	}
	if (!read_numbers(line, config) || !read_start(line, config))
		return EXIT_USAGE;
	if (loadgen_check(config, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_USAGE;
	}
	return EXIT_GOOD;
}

static int run(const struct loadgen_config *config, bool json)
{
	/* Static, because it holds two tables of latencies. */
	static struct loadgen_result result;
	struct error error;

	if (loadgen_run(config, &loadgen_stop, &result, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	if (json)
		loadgen_write_json(stdout, &result);
	else
		loadgen_write_report(stdout, &result);
	return loadgen_good(&result) ? EXIT_GOOD : EXIT_FAILED;
}

static int run_until_signal(struct loadgen_config *config, bool json)
{
	static sigset_t set;
	pthread_t waiter;
	int status;

	signals_block(&set);
	if (pthread_create(&waiter, NULL, wait_signal, &set) != 0) {
		fprintf(stderr, "nimbusguard: no thread for signals\n");
		return EXIT_FAILED;
	}
	config->progress = stderr;
	config->live = isatty(STDERR_FILENO) == 1;
	status = run(config, json);
	pthread_kill(waiter, SIGHUP);
	pthread_join(waiter, NULL);
	return status;
}

int command_loadgen(const struct command_line *line)
{
	static const char *const known[] = {"url", "token-file", "ca-file", "series", "rounds",
		"duration", "batch", "connections", "rate", "churn", "shuffle", "labels",
		"interval", "start", "first-round", "seed", "protocol", "body-memory", "json",
		NULL};
	struct loadgen_config config;
	char *token = NULL;
	int status;

	if (!command_flags_known(line, known) || !command_flags_only(line))
		return EXIT_USAGE;
	status = read_flags(line, &config);
	if (status != EXIT_GOOD)
		return status;
	if (!flag_token(line, &token))
		return EXIT_FAILED;
	config.target.token = token;
	status = run_until_signal(&config, command_flag(line, "json") != NULL);
	mem_free(token);
	return status;
}
