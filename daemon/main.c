/*
 * nimbusguard: the command line, and the commands behind it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "daemon/command.h"
#include "daemon/version.h"

static const struct {
	const char *name, *help;
	int (*run)(const struct command_line *line);
	const char *flags; /* its own usage text, NULL: the flags are those of all */
} commands[] = {
	{"serve", "run the service (the default)", command_serve, NULL},
	{"check",
		"check configuration, signals and playbooks; --print shows every setting and its source",
		command_check, NULL},
	{"demo", "run the service against a simulated cluster and show what happens", command_demo,
		NULL},
	{"actions", "list | show | why | approve | reject | undo, on a running service",
		command_actions, NULL},
	{"loadgen", "send a load by remote write, measure and verify; its flags: loadgen --help",
		command_loadgen, loadgen_flags},
};

static void write_version(void)
{
	printf("nimbusguard, version %s (revision %s)\n", NIMBUSGUARD_VERSION,
		NIMBUSGUARD_REVISION);
}

static void write_usage(FILE *out, const char *command)
{
	struct buf usage;

	for (size_t i = 0; command != NULL && i < ARRAY_COUNT(commands); i++) {
		if (commands[i].flags != NULL && strcmp(commands[i].name, command) == 0) {
			fputs(commands[i].flags, out);
			return;
		}
	}
	fprintf(out, "usage: nimbusguard [command] [flags]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "  %-8s print the version\n\nflags:\n", "version");
	fprintf(out, "  --config.file=...\n        Configuration file, YAML (default none)\n");
	buf_init(&usage, 1024 * 1024);
	config_write_usage(&usage);
	if (usage.data != NULL)
		fputs(usage.data, out);
	buf_fini(&usage);
}

const char *command_flag(const struct command_line *line, const char *name)
{
	for (size_t i = line->own_count; i > 0; i--)
		if (strcmp(line->own[i - 1].name, name) == 0)
			return line->own[i - 1].value != NULL ? line->own[i - 1].value : "";
	return NULL;
}

bool command_flags_known(const struct command_line *line, const char *const *known)
{
	for (size_t i = 0; i < line->own_count; i++) {
		const char *name = line->own[i].name;
		char nearest[128];
		size_t k = 0;

		while (known[k] != NULL && strcmp(known[k], name) != 0)
			k++;
		if (known[k] != NULL)
			continue;
		if (config_flag_nearest(name, nearest, sizeof(nearest)) != NULL)
			fprintf(stderr, "nimbusguard: unknown flag --%s, did you mean --%s?\n",
				name, nearest);
		else
			fprintf(stderr, "nimbusguard: unknown flag --%s\n", name);
		return false;
	}
	return true;
}

/* Flags that stand alone, of all commands; every other one that is no setting takes a value. */
static bool flag_is_bare(const char *name)
{
	static const char *const bare[] = {"print", "help", "version", "json", "no-color",
		"shuffle"};

	for (size_t i = 0; i < ARRAY_COUNT(bare); i++)
		if (strcmp(bare[i], name) == 0)
			return true;
	return false;
}

/* --name=value, --name value, --bare. Cuts argv in place. */
static int read_flag(struct command_line *line, char **argv, int *i)
{
	char *name = argv[*i] + 2, *value = strchr(name, '=');
	bool takes_value = false, setting;

	if (value != NULL)
		*value++ = '\0';
	setting = config_flag_known(name, &takes_value);
	if (!setting)
		takes_value = !flag_is_bare(name);
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
	if (command_flag(&line, "help") != NULL ||
		(line.command != NULL && strcmp(line.command, "help") == 0)) {
		write_usage(stdout, line.command);
		return EXIT_GOOD;
	}
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
	fprintf(stderr, "nimbusguard: unknown command \"%s\", see nimbusguard help\n",
		line.command);
	return EXIT_USAGE;
}
