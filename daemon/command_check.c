/*
 * check: reads everything that serve would read and says what is wrong, with its place, without
 * opening anything. With --print, every setting and where it came from. With --docs=NAME, the
 * generated tables of the documents.
 */
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"
#include "daemon/command.h"
#include "daemon/service.h"
#include "receiver/listen.h"

/* The parts that the features turn on. */
static bool feature_on(const struct config *config, const char *feature)
{
	size_t count;
	const char *const *features = config_list(config, SETTING_FEATURES, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(features[i], feature) == 0)
			return true;
	return false;
}

static void check_rooms(const struct config *config, struct diagnostics *diagnostics)
{
	struct bundle bundle;
	struct analyzer_config analyzer;
	struct remediator_config remediator;
	const char *web = config_text(config, SETTING_WEB_CONFIG_FILE);
	char journal_path[4352], host[LISTEN_HOST_MAX];
	struct error error;
	uint16_t port;
	size_t token_count;
	const struct access_token *tokens = config_tokens(config, &token_count);
	struct access *access;

	bundle_find(&bundle);
	service_analyzer_config(config, &bundle, clock_system(), &analyzer);
	service_remediator_config(config, &bundle, clock_system(), journal_path,
		sizeof(journal_path), &remediator);
	/* The verdicts are in the diagnostics, which the caller counts. */
	if (feature_on(config, "analyze"))
		(void)!analyzer_check(&analyzer, diagnostics);
	if (feature_on(config, "remediate"))
		(void)!remediator_check(&remediator, diagnostics);
	if (listen_parse(config_text(config, SETTING_WEB_LISTEN_ADDRESS), host, &port, &error) !=
		STATUS_OK)
		diagnostics_add(diagnostics, false, "web.listen_address", 0, 0, "%s", error.text);
	access = access_open(web[0] != '\0' ? web : NULL, tokens, token_count, diagnostics);
	access_close(access);
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
	static const char *const known[] = {"print", "docs", NULL};
	struct diagnostics diagnostics;
	struct config *config;
	struct buf text;
	int status;

	if (!command_flags_known(line, known))
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
	status = diagnostics.errors > 0 ? EXIT_FAILED : EXIT_GOOD;
	fprintf(stderr, "%s: %zu error%s, %zu warning%s\n",
		status == EXIT_GOOD ? "good" : "not good", diagnostics.errors,
		diagnostics.errors == 1 ? "" : "s", diagnostics.warnings,
		diagnostics.warnings == 1 ? "" : "s");
	buf_fini(&text);
	diagnostics_fini(&diagnostics);
	config_close(config);
	return status;
}
