/*
 * sample: the sample workload of demo/sample.h until SIGTERM, Ctrl-C, or a crash that was asked for.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "demo/sample.h"

#define DRAIN_MS 5000

const char sample_flags[] =
	"usage: nimbusguard sample [flags]\n\n"
	"A workload to try things on, as a pod beside others: it answers GET / at some cost of\n"
	"processor time, and is told over HTTP to burn, hold or leak, to fail, to be slow, not to be\n"
	"ready, or to crash (exit status 1). Whoever reaches it may tell it so.\n\nflags:\n"
	"  --listen=...        where (default 127.0.0.1:8080)\n"
	"  --cost=...          processor time of a request, up to 1s (default 5ms)\n"
	"  --millicores-max=N  that may be burnt in the background (default 2000)\n"
	"  --memory-max=SIZE   that may be held or leaked (default 256MiB)\n"
	"  --seed=N            of which requests fail (default 1)\n\nexamples:\n"
	"  nimbusguard sample --listen=:8080 --memory-max=64MiB\n"
	"  curl -X POST '127.0.0.1:8080/workload/cpu?millicores=500&duration=2m'\n"
	"  curl -X POST '127.0.0.1:8080/events/trigger?kind=errors&share=0.2&duration=5m'\n";

static atomic_bool sample_crashed;

/* The signal wakes the main thread, which ends the program. */
static void crash(void *argument)
{
	const pthread_t *main_thread = argument;

	atomic_store(&sample_crashed, true);
	pthread_kill(*main_thread, SIGTERM);
}

static int refuse(const char *flag, const char *text, const char *wanted)
{
	fprintf(stderr, "nimbusguard: --%s=%s is not %s\n", flag, text, wanted);
	return EXIT_USAGE;
}

static int read_flags(const struct command_line *line, struct sample_config *config)
{
	const char *listen = command_flag(line, "listen"), *cost = command_flag(line, "cost");
	const char *millicores = command_flag(line, "millicores-max");
	const char *memory = command_flag(line, "memory-max"), *seed = command_flag(line, "seed");
	int64_t number;

	if (listen != NULL)
		config->listen_address = listen;
	if (cost != NULL &&
		(parse_duration(cost, &config->cost_ms) != STATUS_OK ||
			config->cost_ms > SAMPLE_COST_MAX_MS))
		return refuse("cost", cost, "a duration up to 1s, such as 5ms");
	if (millicores != NULL) {
		if (parse_int(millicores, &number) != STATUS_OK || number < 1 ||
			number > STRAIN_MILLICORES_MAX)
			return refuse("millicores-max", millicores,
				"a whole number from 1 to 64000");
		config->limits.millicores = (uint32_t)number;
	}
	if (memory != NULL &&
		(parse_size(memory, &config->limits.bytes) != STATUS_OK ||
			config->limits.bytes < 1))
		return refuse("memory-max", memory, "a size such as 64MiB");
	if (seed != NULL) {
		if (parse_int(seed, &number) != STATUS_OK || number < 0)
			return refuse("seed", seed, "a whole number");
		config->seed = (uint64_t)number;
	}
	return EXIT_GOOD;
}

int command_sample(const struct command_line *line)
{
	static const char *const known[] = {"listen", "cost", "millicores-max", "memory-max",
		"seed", NULL};
	pthread_t main_thread = pthread_self();
	struct sample_config config = {.listen_address = "127.0.0.1:8080",
		.limits = {.millicores = 2000, .bytes = (uint64_t)256 << 20},
		.cost_ms = 5,
		.seed = 1,
		.crash = crash,
		.argument = &main_thread};
	struct sample *sample;
	struct error error;
	static sigset_t set;
	int status;

	if (!command_flags_known(line, known) || !command_flags_only(line))
		return EXIT_USAGE;
	status = read_flags(line, &config);
	if (status != EXIT_GOOD)
		return status;
	signals_block(&set);
	sample = sample_open(&config, &error);
	if (sample == NULL) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	LOG_INFO("sample workload is listening", LOG_INT("port", (int64_t)sample_port(sample)));
	signals_wait_end(&set);
	if (atomic_load(&sample_crashed)) {
		LOG_ERROR("crashing, as asked for");
		sample_close(sample, 0);
		return EXIT_FAILED;
	}
	sample_close(sample, DRAIN_MS);
	return EXIT_GOOD;
}
