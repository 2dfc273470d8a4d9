/*
 * nimbusguard: the command line, and the commands behind it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "daemon/version.h"

static const struct {
	const char *name, *help;
	int (*run)(const struct command_line *line);
	const char *flags; /* its usage text */
} commands[] = {
	{"serve", "run the service (the default)", command_serve, serve_flags},
	{"check", "check configuration, signals and playbooks, and show where each value is from",
		command_check, check_flags},
	{"test", "unit tests of playbooks: what is decided on these samples, alerts and objects",
		command_test, test_flags},
	{"replay", "what would have been done: recorded samples and alerts, and the plans for them",
		command_replay, replay_flags},
	{"demo", "run the service against a simulated cluster and show what happens", command_demo,
		demo_flags},
	{"actions", "list | show | why | approve | reject | undo, on a running service",
		command_actions, actions_flags},
	{"explain-target", "which object do these labels mean, and why", command_explain,
		explain_flags},
	{"rbac", "the roles that the enabled playbooks need, or what the cluster lacks of them",
		command_rbac, rbac_flags},
	{"floors", "list | expire: floors of autoscalers, and those whose time is over",
		command_floors, floors_flags},
	{"audit", "verify | export: whether the journal was changed, and its records as text",
		command_audit, audit_flags},
	{"evaluate", "detectors and forecasters on data sets, beside reference figures",
		command_evaluate, evaluate_flags},
	{"models", "list | show | train | evaluate | promote | rollback | import | export",
		command_models, models_flags},
	{"dataset", "what the models of a workload learn from, as CSV", command_dataset,
		dataset_flags},
	{"simulate", "autoscalers on one's own traffic: cost, late requests, advice for the HPA",
		command_simulate, simulate_flags},
	{"rightsize", "requests and limits for containers, what they cost and risk",
		command_rightsize, rightsize_flags},
	{"loadgen", "send a load by remote write, measure and verify", command_loadgen,
		loadgen_flags},
	{"sample", "a workload to try things on: burns, holds, leaks, fails when told to",
		command_sample, sample_flags},
	{"load", "requests to a service by a pattern over time, with the latency they see",
		command_load, load_flags},
};

/* All flags that are no settings. Those that stand alone take no value. */
static const struct {
	const char *name;
	bool bare;
} own_flags[] = {
	{"print", true},
	{"strict", true},
	{"help", true},
	{"version", true},
	{"json", true},
	{"no-color", true},
	{"shuffle", true},
	{"verbose", true},
	{"docs", false},
	{"kind", false},
	{"check", true},
	{"format", false},
	{"namespace", false},
	{"service-account", false},
	{"name", false},
	{"duration", false},
	{"speed", false},
	{"seed", false},
	{"url", false},
	{"token-file", false},
	{"ca-file", false},
	{"hash", false},
	{"series", false},
	{"rounds", false},
	{"batch", false},
	{"connections", false},
	{"rate", false},
	{"churn", false},
	{"labels", false},
	{"interval", false},
	{"start", false},
	{"first-round", false},
	{"protocol", false},
	{"body-memory", false},
	{"from-prometheus", false},
	{"end", false},
	{"warmup", false},
	{"match", false},
	{"cluster", false},
	{"approve", true},
	{"apply", true},
	{"dry-run", true},
	{"grace", false},
	{"fail-if", false},
	{"head", false},
	{"dataset", false},
	{"workload", false},
	{"path", false},
	{"entity", false},
	{"detector", false},
	{"forecaster", false},
	{"model", false},
	{"seeds", false},
	{"horizons", false},
	{"part", false},
	{"fit-part", false},
	{"weights", false},
	{"point-adjusted", true},
	{"report", false},
	{"scores", false},
	{"holdout", false},
	{"hidden", false},
	{"layers", false},
	{"window", false},
	{"epochs", false},
	{"force", true},
	{"reason", false},
	{"trace", false},
	{"unit", false},
	{"shape", false},
	{"days", false},
	{"target", false},
	{"query", false},
	{"pod-rate", false},
	{"peak-pods", false},
	{"pods", false},
	{"startup", false},
	{"policy", false},
	{"history", false},
	{"objective", false},
	{"price", false},
	{"keep-odd", true},
	{"no-advice", true},
	{"hpa-fractions", true},
	{"by", false},
	{"resources", false},
	{"from", false},
	{"to", false},
	{"listen", false},
	{"cost", false},
	{"millicores-max", false},
	{"memory-max", false},
	{"pattern", false},
	{"low", false},
	{"period", false},
	{"timeout", false},
	{"rates", false},
};

static void write_version(void)
{
	printf("nimbusguard, version %s (revision %s)\n", NIMBUSGUARD_VERSION,
		NIMBUSGUARD_REVISION);
}

static int refuse_command(const char *command)
{
	const char *names[ARRAY_COUNT(commands) + 3], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		names[count++] = commands[i].name;
	names[count++] = "help";
	names[count++] = "version";
	names[count] = NULL;
	nearest = nearest_word(command, names);
	if (nearest != NULL)
		fprintf(stderr, "nimbusguard: unknown command \"%s\", did you mean %s?\n", command,
			nearest);
	else
		fprintf(stderr, "nimbusguard: unknown command \"%s\", see nimbusguard help\n",
			command);
	return EXIT_USAGE;
}

static void write_settings(FILE *out)
{
	struct buf usage;

	fprintf(out, "  --config.file=...\n        Configuration file, YAML (default none)\n");
	buf_init(&usage, 1024 * 1024);
	config_write_usage(&usage);
	if (usage.data != NULL)
		fputs(usage.data, out);
	buf_fini(&usage);
}

/* NULL: of all commands together. */
static int write_usage(FILE *out, const char *command)
{
	for (size_t i = 0; command != NULL && i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, command) != 0)
			continue;
		fputs(commands[i].flags, out);
		if (commands[i].run == command_serve)
			write_settings(out);
		return EXIT_GOOD;
	}
	if (command != NULL && strcmp(command, "help") != 0 && strcmp(command, "version") != 0)
		return refuse_command(command);
	fprintf(out, "usage: nimbusguard [command] [flags]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "  %-14s print the version\n", "version");
	fprintf(out, "  %-14s the flags of a command, with examples: nimbusguard help COMMAND\n\n",
		"help");
	fprintf(out, "All settings are flags of serve: nimbusguard help serve\n");
	return EXIT_GOOD;
}

bool command_flags_known(const struct command_line *line, const char *const *known)
{
	for (size_t i = 0; i < line->own_count; i++) {
		const char *name = line->own[i].name;
		size_t k = 0;

		while (known[k] != NULL && strcmp(known[k], name) != 0)
			k++;
		if (known[k] != NULL)
			continue;
		fprintf(stderr, "nimbusguard: %s takes no flag --%s, see nimbusguard help %s\n",
			line->command, name, line->command);
		return false;
	}
	return true;
}

bool command_words_at_most(const struct command_line *line, size_t max)
{
	if (line->word_count <= max)
		return true;
	fprintf(stderr, "nimbusguard: %s takes no \"%s\", see nimbusguard help %s\n", line->command,
		line->words[max], line->command);
	return false;
}

bool command_flags_only(const struct command_line *line)
{
	if (line->word_count == 0 && line->setting_count == 0)
		return true;
	fprintf(stderr, "nimbusguard: %s takes no %s\"%s\", see nimbusguard help %s\n",
		line->command, line->word_count > 0 ? "" : "setting --",
		line->word_count > 0 ? line->words[0] : line->settings[0].name, line->command);
	return false;
}

/* Whether a command has such a flag; *bare: it takes no value. */
static bool own_flag_known(const char *name, bool *bare)
{
	for (size_t i = 0; i < ARRAY_COUNT(own_flags); i++) {
		if (strcmp(own_flags[i].name, name) == 0) {
			*bare = own_flags[i].bare;
			return true;
		}
	}
	return false;
}

static int refuse_unknown_flag(const char *name)
{
	const char *known[ARRAY_COUNT(own_flags) + 1];
	char nearest[128];

	for (size_t i = 0; i < ARRAY_COUNT(own_flags); i++)
		known[i] = own_flags[i].name;
	known[ARRAY_COUNT(own_flags)] = NULL;
	if (config_flag_nearest(name, known, nearest, sizeof(nearest)) != NULL)
		fprintf(stderr, "nimbusguard: unknown flag --%s, did you mean --%s?\n", name,
			nearest);
	else
		fprintf(stderr, "nimbusguard: unknown flag --%s, see nimbusguard help\n", name);
	return EXIT_USAGE;
}

/* --name=value, --name value, --bare. Cuts argv in place. */
static int read_flag(struct command_line *line, char **argv, int *i)
{
	char *name = argv[*i] + 2, *value = strchr(name, '=');
	bool takes_value = false, bare = false, setting;

	if (value != NULL)
		*value++ = '\0';
	setting = config_flag_known(name, &takes_value);
	if (!setting && strcmp(name, "config.file") != 0 && !own_flag_known(name, &bare))
		return refuse_unknown_flag(name);
	if (!setting)
		takes_value = !bare;
	if (bare && value != NULL) {
		fprintf(stderr, "nimbusguard: flag --%s takes no value\n", name);
		return EXIT_USAGE;
	}
	if (value == NULL && takes_value) {
		value = argv[*i + 1];
		if (value == NULL) {
			fprintf(stderr, "nimbusguard: flag --%s needs a value\n", name);
			return EXIT_USAGE;
		}
		(*i)++;
	}
	if (strcmp(name, "config.file") == 0) {
		line->config_path = value;
		return EXIT_GOOD;
	}
	if (line->setting_count == FLAGS_MAX || line->own_count == FLAGS_MAX) {
		fprintf(stderr, "nimbusguard: more than %d flags\n", FLAGS_MAX);
		return EXIT_USAGE;
	}
	if (setting)
		line->settings[line->setting_count++] = (struct config_flag){name, value};
	else
		line->own[line->own_count++] = (struct config_flag){name, value};
	return EXIT_GOOD;
}

static int read_line(struct command_line *line, int argc, char **argv)
{
	for (int i = 1; i < argc && line->own_count < FLAGS_MAX; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			line->own[line->own_count++] = (struct config_flag){"help", NULL};
		} else if (strncmp(argv[i], "--", 2) == 0) {
			int status = read_flag(line, argv, &i);

			if (status != EXIT_GOOD)
				return status;
		} else if (line->command == NULL) {
			line->command = argv[i];
		} else if (line->word_count < WORDS_MAX) {
			line->words[line->word_count++] = argv[i];
		} else {
			fprintf(stderr, "nimbusguard: more than %d words\n", WORDS_MAX);
			return EXIT_USAGE;
		}
	}
	return EXIT_GOOD;
}

int main(int argc, char **argv)
{
	/* Static, because it is large and main's frame stays. */
	static struct command_line line;
	extern char **environ;

	struct sigaction ignore = {0};

	line.environment = environ;
	ignore.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &ignore, NULL);
	if (getenv("NIMBUSGUARD_CONFIG_FILE") != NULL)
		line.config_path = getenv("NIMBUSGUARD_CONFIG_FILE");
	if (read_line(&line, argc, argv) != EXIT_GOOD)
		return EXIT_USAGE;
	if (line.command != NULL && strcmp(line.command, "help") == 0)
		return write_usage(stdout, line.word_count > 0 ? line.words[0] : NULL);
	if (command_flag(&line, "help") != NULL)
		return write_usage(stdout, line.command);
	if (command_flag(&line, "version") != NULL ||
		(line.command != NULL && strcmp(line.command, "version") == 0)) {
		write_version();
		return EXIT_GOOD;
	}
	if (line.command == NULL)
		line.command = "serve";
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (strcmp(commands[i].name, line.command) == 0)
			return commands[i].run(&line);
	return refuse_command(line.command);
}
