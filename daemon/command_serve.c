/*
 * serve: opens the service, then waits for signals. SIGTERM and SIGINT drain and end; SIGHUP
 * reloads; a second SIGTERM or SIGINT ends at once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/command.h"
#include "daemon/review.h"
#include "daemon/version.h"

void signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

void signals_wait_end(const sigset_t *set)
{
	int number;

	do {
		number = sigwaitinfo(set, NULL);
	} while (number != SIGTERM && number != SIGINT);
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

static void reload(struct service *service)
{
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	/* What was wrong stands in the log; the old configuration stays. */
	if (service_reload(service, &diagnostics) != STATUS_OK)
		LOG_DEBUG("reload by signal refused");
	diagnostics_fini(&diagnostics);
}

/* While the service closes, the next signal to end takes its default: the process ends at once. */
static void restore_ending(const sigset_t *set)
{
	struct sigaction action = {0};

	action.sa_handler = SIG_DFL;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* Each connection is a descriptor, and the journal, the cluster and the listener need some, too. */
#define OTHER_DESCRIPTORS 256

static void raise_file_limit(const struct service *service)
{
	rlim_t needed = (rlim_t)config_int(service_config(service), SETTING_WEB_CONNECTIONS_MAX) +
		OTHER_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
		LOG_WARN("fewer open files are allowed than web.connections_max needs: raise the "
			 "limit (LimitNOFILE= of systemd) or lower the setting",
			LOG_UINT("needed", needed), LOG_UINT("allowed", limit.rlim_cur));
}

/* What runs, in a few lines: whoever looks after a start sees whether it is what was wanted. */
static void write_start(struct service *service)
{
	const struct config *config = service_config(service);
	const char *cluster = review_cluster(config);
	enum mode mode = service_mode(service);
	bool dry_run = config_bool(config, SETTING_DRY_RUN), acts;

	acts = !dry_run && (mode == MODE_APPROVE || mode == MODE_AUTO) && cluster != NULL &&
		service_remediator(service) != NULL;
	LOG_INFO("listening", LOG_TEXT("version", NIMBUSGUARD_VERSION),
		LOG_TEXT("revision", NIMBUSGUARD_REVISION),
		LOG_TEXT("address", config_text(config, SETTING_WEB_LISTEN_ADDRESS)),
		LOG_UINT("port", service_port(service)),
		LOG_BOOL("tls", access_has_tls(service_access(service))),
		LOG_BOOL("access_control", access_enabled(service_access(service))));
	LOG_INFO(acts ? "may change the cluster" : "changes nothing in any cluster",
		LOG_TEXT("mode", mode_name(mode)), LOG_BOOL("dry_run", dry_run),
		LOG_TEXT("cluster", cluster != NULL ? cluster : "none"),
		LOG_BOOL("paused", config_bool(config, SETTING_PAUSED)));
	LOG_INFO("runs", LOG_TEXT("features", config_text(config, SETTING_FEATURES)),
		LOG_TEXT("signals", service_signal_files(service)),
		LOG_TEXT("playbooks", service_playbook_files(service)),
		LOG_UINT("playbook_count",
			service_remediator(service) != NULL
				? remediator_playbook_count(service_remediator(service))
				: 0));
	LOG_INFO("limits", LOG_TEXT("memory", config_text(config, SETTING_STORAGE_MEMORY_MAX)),
		LOG_TEXT("series", config_text(config, SETTING_STORAGE_SERIES_MAX)),
		LOG_TEXT("retention", config_text(config, SETTING_STORAGE_RETENTION)),
		LOG_TEXT("replicas", config_text(config, SETTING_GUARD_REPLICAS_MAX)),
		LOG_TEXT("actions", config_text(config, SETTING_GUARD_PER_CLUSTER)),
		LOG_TEXT("actions_in", config_text(config, SETTING_GUARD_WINDOW)),
		LOG_TEXT("storage_path", config_text(config, SETTING_STORAGE_PATH)));
}

const char serve_flags[] =
	"usage: nimbusguard [serve] [flags]\n\n"
	"Runs the service until SIGTERM or SIGINT; SIGHUP reads the configuration again. Each flag is\n"
	"a setting, too: --storage.path is storage.path in the file of --config.file and\n"
	"NIMBUSGUARD_STORAGE_PATH in the environment.\n\nexamples:\n"
	"  nimbusguard serve --storage.path=/var/lib/nimbusguard\n"
	"  nimbusguard serve --config.file=/etc/nimbusguard/nimbusguard.yml\n"
	"  nimbusguard serve --mode=approve --no-dry-run --kubernetes.url=https://k8s:6443 \\\n"
	"      --kubernetes.token-file=token\n\nflags:\n";

int command_serve(const struct command_line *line)
{
	static const char *const known[] = {NULL};
	struct service_layers layers = {line->config_path, line->environment, line->settings,
		line->setting_count};
	struct diagnostics diagnostics;
	struct service *service;
	struct error error;
	sigset_t set;
	int number = 0;

	if (!command_flags_known(line, known) || line->word_count > 0) {
		if (line->word_count > 0)
			fprintf(stderr, "nimbusguard: serve takes no \"%s\"\n", line->words[0]);
		return EXIT_USAGE;
	}
	signals_block(&set);
	diagnostics_init(&diagnostics);
	service = service_open(&layers, clock_system(), &diagnostics, &error);
	write_diagnostics(&diagnostics);
	diagnostics_fini(&diagnostics);
	if (service == NULL) {
		LOG_ERROR("not started", LOG_ERROR_FIELD(&error));
		return EXIT_FAILED;
	}
	raise_file_limit(service);
	write_start(service);
	for (;;) {
		number = sigwaitinfo(&set, NULL);
		if (number == SIGHUP)
			reload(service);
		else if (number >= 0 || errno != EINTR)
			break;
	}
	LOG_INFO("stopping", LOG_INT("signal", number));
	restore_ending(&set);
	service_close(service);
	LOG_INFO("stopped");
	return EXIT_GOOD;
}
