/*
 * test: runs tests of playbooks (daemon/case.h) and tells what is not as expected, each with its
 * place. Files with an error are told and counted as failed; the others still run.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/case.h"
#include "daemon/command.h"

const char test_flags[] =
	"usage: nimbusguard test FILE_test.yaml... [flags]\n\n"
	"Unit tests of playbooks, in the manner of promtool test rules: each file names playbooks,\n"
	"samples, alerts and objects of a cluster, and what shall be decided at which time. It is\n"
	"decided by the service's own engine and guard; no cluster and no Prometheus are needed.\n"
	"The form is told in docs/playbooks.md. Exit status 0 when all is as expected, 1 when a test\n"
	"or a file is not, 2 for a wrong command line.\n\nflags:\n"
	"  --verbose           each step of each incident, and the tests that passed\n\nexamples:\n"
	"  nimbusguard test rules/playbooks/*_test.yaml\n"
	"  nimbusguard test --verbose my-playbooks/restart-api_test.yaml\n";

struct tally {
	size_t files, passed, failed, broken; /* broken: files with an error */
};

static void write_diagnostics(struct diagnostics *diagnostics)
{
	struct buf text;

	buf_init(&text, 4 * 1024 * 1024);
	diagnostics_write(diagnostics, &text);
	if (text.data != NULL)
		fputs(text.data, stderr);
	buf_fini(&text);
}

static void run_one(const struct case_file *file, const struct case_test *test,
	struct bundle *bundle, const struct case_options *options, struct tally *tally,
	struct diagnostics *diagnostics)
{
	struct case_result result;
	enum status status = case_run(file, test, bundle, options, &result, diagnostics);
	bool good = status == STATUS_OK && result.failures == 0;

	if (options->verbose)
		printf("%s:%d: %s %s\n", file->path, test->node->line, good ? "ok  " : "FAIL",
			test->name);
	if (result.text.data != NULL)
		fputs(result.text.data, stdout);
	if (status != STATUS_OK && !options->verbose)
		printf("%s:%d:%d: FAIL %s: it could not be run\n", file->path, test->node->line,
			test->node->column, test->name);
	buf_fini(&result.text);
	if (good)
		tally->passed++;
	else
		tally->failed++;
}

static void run_file(const char *path, struct bundle *bundle, const struct case_options *options,
	struct tally *tally)
{
	struct diagnostics diagnostics;
	struct case_file *file;

	diagnostics_init(&diagnostics);
	file = case_file_open(path, &diagnostics);
	tally->files++;
	if (file == NULL)
		tally->broken++;
	for (size_t i = 0; file != NULL && i < file->test_count; i++) {
		size_t errors = diagnostics.errors;

		run_one(file, &file->tests[i], bundle, options, tally, &diagnostics);
		/* What is wrong with the playbooks is told once, not once a test. */
		if (diagnostics.errors != errors) {
			tally->failed += file->test_count - i - 1;
			break;
		}
	}
	fflush(stdout);
	write_diagnostics(&diagnostics);
	case_file_close(file);
	diagnostics_fini(&diagnostics);
}

int command_test(const struct command_line *line)
{
	static const char *const known[] = {"verbose", NULL};
	struct case_options options = {.verbose = command_flag(line, "verbose") != NULL};
	struct tally tally = {0};
	struct bundle bundle;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (line->setting_count > 0) {
		fprintf(stderr,
			"nimbusguard: test takes no flag --%s; settings stand in the file\n",
			line->settings[0].name);
		return EXIT_USAGE;
	}
	if (line->word_count == 0) {
		fputs(test_flags, stderr);
		return EXIT_USAGE;
	}
	/* What the service would log is told by --verbose, by the time of the test. */
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	bundle_find(&bundle);
	for (size_t i = 0; i < line->word_count; i++)
		run_file(line->words[i], &bundle, &options, &tally);
	printf("%zu passed, %zu failed in %zu file%s", tally.passed, tally.failed, tally.files,
		tally.files == 1 ? "" : "s");
	if (tally.broken > 0)
		printf(", %zu of them with errors", tally.broken);
	printf("\n");
	return tally.failed > 0 || tally.broken > 0 ? EXIT_FAILED : EXIT_GOOD;
}
