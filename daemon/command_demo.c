/*
 * demo: the simulated cluster of demo/ and the real service in one process, joined over loopback
 * HTTP as they would be in production. The service acts on the simulated cluster (mode auto, no dry
 * run) unless --dry-run is given; its journal lives in a temporary folder.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/scaler/scaler.h"
#include "base/log.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "daemon/service.h"
#include "demo/demo.h"
#include "receiver/access.h"

const char demo_flags[] =
	"usage: nimbusguard demo [flags]\n\n"
	"Runs the real service against a simulated cluster in the same process and shows what\n"
	"happens; nothing outside of it is touched. Ctrl-C ends it.\n\nflags:\n"
	"  --duration=...      ends by itself after so many seconds, or after 2m, 1h (default never)\n"
	"  --speed=N           simulated seconds in a second, 1 to 600 (default 60)\n"
	"  --seed=N            another seed, another cluster (default 1)\n"
	"  --no-color          no colors\n"
	"and each flag of serve, see nimbusguard help serve.\n\nexamples:\n"
	"  nimbusguard demo --duration=62\n"
	"  nimbusguard demo --dry-run --web.listen-address=127.0.0.1:9000\n";

static atomic_bool demo_stop;

/* Waits for Ctrl-C, or for the terminal to go, while the main thread runs the cluster. */
static void *wait_signal(void *argument)
{
	const sigset_t *set = argument;
	int number;

	do {
		number = sigwaitinfo(set, NULL);
	} while (number < 0 && errno == EINTR);
	atomic_store(&demo_stop, true);
	return NULL;
}

static void tell(void *argument, int64_t time_ms, const char *incident, const char *state,
	const char *text)
{
	demo_tell(argument, time_ms, incident, state, text);
}

static void tell_finding(void *argument, const struct event *finding)
{
	const char *summary = labels_get(&finding->annotations, "summary");
	char episode[64];

	snprintf(episode, sizeof(episode), "%016llx-%lld", (unsigned long long)finding->fingerprint,
		(long long)finding->starts_ms);
	demo_tell_finding(argument, finding->received_ms, episode, finding->firing,
		summary != NULL ? summary : "");
}

static int refuse(const char *flag, const char *text, const char *wanted)
{
	fprintf(stderr, "nimbusguard: --%s=%s is not %s\n", flag, text, wanted);
	return EXIT_USAGE;
}

static int read_flags(const struct command_line *line, struct demo_config *config)
{
	const char *duration = command_flag(line, "duration"), *speed = command_flag(line, "speed");
	const char *seed = command_flag(line, "seed");
	int64_t value = 0;

	*config = (struct demo_config){.speed = 60, .seed = 1, .output = STDOUT_FILENO};
	config->live = isatty(STDOUT_FILENO) == 1;
	config->color = config->live && command_flag(line, "no-color") == NULL &&
		getenv("NO_COLOR") == NULL;
	/* Plain numbers are seconds, as in `make run DURATION=60`. */
	if (duration != NULL && parse_int(duration, &value) == STATUS_OK && value >= 0 &&
		value < 1000000)
		config->duration_ms = value * 1000;
	else if (duration != NULL && parse_duration(duration, &config->duration_ms) != STATUS_OK)
		return refuse("duration", duration, "seconds or a duration such as 5m");
	if (speed != NULL &&
		(parse_double(speed, &config->speed) != STATUS_OK ||
			!(config->speed >= 1 && config->speed <= 600)))
		return refuse("speed", speed, "a number from 1 to 600");
	if (seed != NULL) {
		if (parse_int(seed, &value) != STATUS_OK || value < 0)
			return refuse("seed", seed, "a whole number");
		config->seed = (uint64_t)value;
	}
	return EXIT_GOOD;
}

/* Settings of the demo that the user did not give: the user's come later in the list, so they win. */
static size_t demo_settings(const struct command_line *line, const char *kube_url,
	const char *folder, struct config_flag *flags)
{
	const struct config_flag defaults[] = {
		{"mode", "auto"},
		{"no-dry-run", NULL},
		{"kubernetes.url", kube_url},
		{"storage.path", folder},
		{"analyze.scan-interval", "15s"},
		{"analyze.history-min", "10m"},
		{"analyze.duration-min", "30s"},
		{"guard.startup-grace", "1m"},
		{"guard.cooldown", "3m"},
		{"log.level", "error"},
		{"storage.memory-max", "64MiB"},
		{"storage.snapshot-interval", "0s"},
	};
	size_t count = sizeof(defaults) / sizeof(defaults[0]);

	memcpy(flags, defaults, sizeof(defaults));
	for (size_t i = 0; i < line->setting_count && count < FLAGS_MAX; i++)
		flags[count++] = line->settings[i];
	return count;
}

static void write_diagnostics(struct diagnostics *diagnostics)
{
	struct buf text;

	buf_init(&text, 1024 * 1024);
	diagnostics_write(diagnostics, &text);
	if (text.data != NULL)
		fputs(text.data, stderr);
	buf_fini(&text);
}

/* What the scaler would have done meanwhile, beside what was there and an HPA. */
static void write_scaler(const struct scaler_summary *scaler, double hpa_target)
{
	const double *pods = scaler->pod_hours, *late = scaler->late_hours;

	if (scaler->states[FOLLOW_SHADOW] + scaler->states[FOLLOW_SERVING] == 0)
		return;
	printf("  the scaler, in shadow %.1f pod-hours, %.1f min with late requests; an HPA at %.0f %% "
	       "%.1f, %.1f; as it was %.1f, %.1f\n",
		pods[FEEDBACK_OURS], late[FEEDBACK_OURS] * 60, hpa_target, pods[FEEDBACK_HPA],
		late[FEEDBACK_HPA] * 60, pods[FEEDBACK_ACTUAL], late[FEEDBACK_ACTUAL] * 60);
}

static int run(struct demo *demo, const struct command_line *line, const char *folder,
	const struct demo_config *config)
{
	static struct config_flag flags[FLAGS_MAX];
	struct service_layers layers = {line->config_path, line->environment, flags, 0};
	struct diagnostics diagnostics;
	struct scaler_summary scaler = {0};
	struct service *service;
	struct error error;
	double hpa;
	char url[128];
	enum status status;

	layers.flag_count = demo_settings(line, demo_kube_url(demo), folder, flags);
	diagnostics_init(&diagnostics);
	service = service_open(&layers, demo_clock(demo), &diagnostics, &error);
	write_diagnostics(&diagnostics);
	diagnostics_fini(&diagnostics);
	if (service == NULL) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", service_port(service));
	if (access_enabled(service_access(service))) {
		fprintf(stderr,
			"nimbusguard: the demo sends its samples and alerts without credentials: leave "
			"out web.config.file and web.tokens\n");
		service_close(service);
		return EXIT_USAGE;
	}
	service_watch_findings(service, tell_finding, demo);
	if (service_remediator(service) != NULL)
		remediator_watch(service_remediator(service), tell, demo);
	status = demo_run(demo, url, &demo_stop, &error);
	if (service_scaler(service) != NULL)
		scaler_summarize(service_scaler(service), &scaler);
	hpa = config_double(service_config(service), SETTING_SCALER_HPA_TARGET);
	service_close(service);
	demo_write_summary(demo);
	write_scaler(&scaler, hpa);
	if (status != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	/* Cut short by hand is no failure; a full run that did not show the main job is one. */
	return atomic_load(&demo_stop) || config->duration_ms < 60000 || demo_complete(demo)
		? EXIT_GOOD
		: EXIT_FAILED;
}

/* The state of a demo is of no use later. */
static void remove_folder(const char *folder)
{
	static const char *const files[] = {"journal.sqlite", "journal.sqlite-wal",
		"journal.sqlite-shm", "journal.sqlite-journal", "journal.sqlite-lock", "rollup.1m"};
	char path[512];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

int command_demo(const struct command_line *line)
{
	static const char *const known[] = {"duration", "speed", "seed", "no-color", NULL};
	struct demo_config config;
	struct demo *demo;
	struct error error;
	pthread_t waiter;
	static sigset_t set;
	char folder[256];
	int status;

	if (!command_flags_known(line, known) || !command_words_at_most(line, 0) ||
		read_flags(line, &config) != EXIT_GOOD)
		return EXIT_USAGE;
	snprintf(folder, sizeof(folder), "%.200s/nimbusguard-demo-XXXXXX",
		getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(folder) == NULL) {
		fprintf(stderr, "nimbusguard: no temporary folder %s: %s\n", folder,
			strerror(errno));
		return EXIT_FAILED;
	}
	signals_block(&set);
	/* Log lines would tear the live view; what goes wrong is told by the view and the summary. */
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	if (pthread_create(&waiter, NULL, wait_signal, &set) != 0) {
		fprintf(stderr, "nimbusguard: no thread for signals\n");
		remove_folder(folder);
		return EXIT_FAILED;
	}
	demo = demo_open(&config, &error);
	if (demo == NULL) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		status = EXIT_FAILED;
	} else {
		status = run(demo, line, folder, &config);
		demo_close(demo);
	}
	pthread_kill(waiter, SIGTERM);
	pthread_join(waiter, NULL);
	remove_folder(folder);
	return status;
}
