/*
 * check: reads everything that serve would read and says what is wrong, with its place, without
 * opening anything. With --print, every setting and where it came from. With --strict, warnings fail
 * it. With --docs=NAME, the generated tables of the documents.
 */
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"
#include "daemon/command.h"
#include "daemon/review.h"

const char check_flags[] =
	"usage: nimbusguard check [FILE] [flags]\n\n"
	"Reads everything that serve would read, opens nothing, and says what is wrong, with its\n"
	"place. Exit status 0 when it is good, 1 when it is not.\n\nflags:\n"
	"  --print             every setting, its value and where it came from\n"
	"  --strict            warnings make it fail, too\n"
	"  --docs=NAME         the generated table \"metrics\" or \"configuration\"\n"
	"  FILE                the same as --config.file=FILE\n"
	"and each flag of serve, see nimbusguard help serve.\n\nexamples:\n"
	"  nimbusguard check /etc/nimbusguard/nimbusguard.yml\n"
	"  nimbusguard check --strict --mode=auto --no-dry-run --kubernetes.url=https://k8s:6443\n"
	"  nimbusguard check --remediate.playbooks=my-playbooks\n";

static void check_rooms(const struct config *config, struct diagnostics *diagnostics)
{
	struct bundle bundle;

	bundle_find(&bundle);
	/* The verdict is in the diagnostics, which the caller counts. */
	(void)!review_rules(config, &bundle, clock_system(), diagnostics);
	access_close(review_access(config, diagnostics));
}

static int write_docs(const char *name)
{
	struct buf text;
	int status = EXIT_GOOD;

	buf_init(&text, 4 * 1024 * 1024);
	if (strcmp(name, "metrics") == 0) {
		metrics_write_docs(&text);
	} else if (strcmp(name, "configuration") == 0) {
		config_write_docs(&text);
	} else {
		fprintf(stderr, "nimbusguard: --docs is \"metrics\" or \"configuration\"\n");
		status = EXIT_USAGE;
	}
	if (text.data != NULL)
		fputs(text.data, stdout);
	buf_fini(&text);
	return status;
}

int command_check(const struct command_line *line)
{
	static const char *const known[] = {"print", "docs", "strict", NULL};
	struct diagnostics diagnostics;
	struct config *config;
	struct buf text;
	int status;

	if (!command_flags_known(line, known) || !command_words_at_most(line, 1))
		return EXIT_USAGE;
	if (command_flag(line, "docs") != NULL)
		return write_docs(command_flag(line, "docs"));
	diagnostics_init(&diagnostics);
	buf_init(&text, 4 * 1024 * 1024);
	/* `check FILE` is the same as `check --config.file=FILE`. */
	config = config_load(line->word_count > 0 ? line->words[0] : line->config_path,
		line->environment, line->settings, line->setting_count, &diagnostics);
	if (config != NULL)
		check_rooms(config, &diagnostics);
	diagnostics_write(&diagnostics, &text);
	if (text.data != NULL)
		fputs(text.data, stderr);
	buf_reset(&text);
	if (config != NULL && command_flag(line, "print") != NULL) {
		config_write(config, &text);
		if (text.data != NULL)
			fputs(text.data, stdout);
	}
	status = diagnostics.errors > 0 ||
			(diagnostics.warnings > 0 && command_flag(line, "strict") != NULL)
		? EXIT_FAILED
		: EXIT_GOOD;
	fprintf(stderr, "%s: %zu error%s, %zu warning%s\n",
		status == EXIT_GOOD ? "good" : "not good", diagnostics.errors,
		diagnostics.errors == 1 ? "" : "s", diagnostics.warnings,
		diagnostics.warnings == 1 ? "" : "s");
	buf_fini(&text);
	diagnostics_fini(&diagnostics);
	config_close(config);
	return status;
}
