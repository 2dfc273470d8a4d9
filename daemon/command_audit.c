/*
 * audit: verify | export, on a journal (in use or not), a copy of one, or an export. Only reads.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "daemon/command.h"
#include "remediations/audit.h"
#include "remediations/journal.h"

const char audit_flags[] =
	"usage: nimbusguard audit verify [FILE] [--head HASH]\n"
	"       nimbusguard audit export [FILE] [--from TIME] [--to TIME] [--format FORMAT]\n\n"
	"Each record of the journal holds the hash of the one before it. verify computes the chain\n"
	"anew and names the first record that was changed, inserted, moved or taken out; export\n"
	"writes the records, each with its hash, and verifies meanwhile.\n"
	"FILE is a journal, which may be in use, or a copy of one; for verify an export in JSON\n"
	"lines too (\"-\": standard input). Without it, journal.sqlite in storage.path.\n\n"
	"flags:\n"
	"  --head=HASH         or NUMBER:HASH, as the log, the metric and verify itself tell it:\n"
	"                      the chain must hold a record with this hash, or what was written\n"
	"                      until then was cut off or computed anew\n"
	"  --from=TIME         records of this time (RFC 3339) and later\n"
	"  --to=TIME           records before this time\n"
	"  --format=FORMAT     jsonl (default) or csv\n"
	"and of serve: --config.file, --storage.path.\n\n"
	"Exit status 0 when the chain is whole, 1 when it is broken, 2 when it can't be told: wrong\n"
	"usage, no such file, a head that is older than what the journal keeps.\n\n"
	"examples:\n"
	"  nimbusguard audit verify --storage.path=/var/lib/nimbusguard\n"
	"  nimbusguard audit export --from=2026-03-01T00:00:00Z >march.jsonl\n"
	"  nimbusguard audit verify march.jsonl\n";

#define PATH_SIZE 4352

/* Where the journal is; false: no configuration, which was told. */
static bool find_file(const struct command_line *line, char *path, size_t size)
{
	struct diagnostics diagnostics;
	struct config *config;
	struct buf text;

	if (line->word_count > 1) {
		snprintf(path, size, "%s", line->words[1]);
		return true;
	}
	diagnostics_init(&diagnostics);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config != NULL) {
		snprintf(path, size, "%s/journal.sqlite",
			config_text(config, SETTING_STORAGE_PATH));
	} else {
		buf_init(&text, 1 << 20);
		diagnostics_write(&diagnostics, &text);
		fputs(text.data != NULL ? text.data : "nimbusguard: out of memory\n", stderr);
		buf_fini(&text);
	}
	diagnostics_fini(&diagnostics);
	config_close(config);
	return config != NULL;
}

static int tell_failure(enum status status, const char *path, const struct error *error)
{
	bool named = strstr(error->text, path) != NULL;

	fprintf(stderr, "%s%s%s%s\n",
		status == STATUS_CONFLICT ? "BROKEN: " : "nimbusguard: ", named ? "" : path,
		named ? "" : ": ", error->text);
	return status == STATUS_CONFLICT ? EXIT_FAILED : EXIT_USAGE;
}

static void tell_report(const struct audit_report *report, const char *path)
{
	char head[JOURNAL_HEAD_SIZE], first[32], last[32];

	if (report->records == 0) {
		printf("whole: %s holds no record\n", path);
		return;
	}
	audit_head_write(report->last, report->head, head, sizeof(head));
	format_rfc3339(report->first_ms, first, sizeof(first));
	format_rfc3339(report->last_ms, last, sizeof(last));
	printf("whole: %s, records %" PRIu64 " to %" PRIu64 " (%s to %s), %" PRIu64
	       " of them removed for their age\n",
		path, report->first, report->last, first, last, report->removed);
	if (report->schema > 0 && report->schema < 3)
		printf("warning: schema %" PRId64
		       ": removed records are not covered; the next start brings it to the new "
		       "one\n",
			report->schema);
	if (report->asked_for != 0)
		printf("head found: record %" PRIu64 "\n", report->asked_for);
	printf("head: %s\n", head);
}

/* An export begins with a brace, a journal with SQLite's name. */
static FILE *open_export(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	int first;

	if (file == NULL)
		return NULL;
	first = fgetc(file);
	if (first == '{') {
		ungetc(first, file);
		return file;
	}
	if (file != stdin)
		fclose(file);
	return NULL;
}

static enum status verify_file(const char *path, const struct audit_head *head,
	struct audit_report *report, struct error *error)
{
	struct audit *audit = NULL;
	FILE *export = open_export(path);
	enum status status;

	if (export != NULL) {
		status = audit_verify_export(export, head, report, error);
		if (export != stdin)
			fclose(export);
		return status;
	}
	if (strcmp(path, "-") == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"standard input is no export in JSON lines");
	status = audit_open(&audit, path, error);
	if (status == STATUS_OK)
		status = audit_verify(audit, head, report, error);
	audit_close(audit);
	return status;
}

static int verify(const struct command_line *line)
{
	static const char *const known[] = {"head", NULL};
	const char *given = command_flag(line, "head");
	struct audit_head head;
	struct audit_report report = {0};
	struct error error = {0};
	char path[PATH_SIZE];
	enum status status;

	if (!command_flags_known(line, known) || !find_file(line, path, sizeof(path)))
		return EXIT_USAGE;
	if (given != NULL && audit_head_parse(given, &head, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: --head: %s\n", error.text);
		return EXIT_USAGE;
	}
	status = verify_file(path, given != NULL ? &head : NULL, &report, &error);
	if (status != STATUS_OK)
		return tell_failure(status, path, &error);
	tell_report(&report, path);
	return EXIT_GOOD;
}

static bool take_time(const struct command_line *line, const char *name, int64_t *ms)
{
	const char *text = command_flag(line, name);

	if (text == NULL || parse_rfc3339(text, ms) == STATUS_OK)
		return true;
	fprintf(stderr,
		"nimbusguard: --%s: \"%s\" is no time like 2026-01-02T03:04:05Z (RFC 3339)\n", name,
		text);
	return false;
}

static bool take_format(const struct command_line *line, enum audit_format *format)
{
	const char *text = command_flag(line, "format");

	*format = text != NULL && strcmp(text, "csv") == 0 ? AUDIT_CSV : AUDIT_JSONL;
	if (text == NULL || strcmp(text, "csv") == 0 || strcmp(text, "jsonl") == 0)
		return true;
	fprintf(stderr, "nimbusguard: --format is \"jsonl\" or \"csv\", not \"%s\"\n", text);
	return false;
}

static int export(const struct command_line *line)
{
	static const char *const known[] = {"from", "to", "format", NULL};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	struct audit_span span = {.now_ms = clock_now_ms(clock_system())};
	struct audit_report report = {0};
	struct audit *audit = NULL;
	struct error error = {0};
	char path[PATH_SIZE], head[JOURNAL_HEAD_SIZE];
	enum status status;

	if (!command_flags_known(line, known) || !take_time(line, "from", &span.from_ms) ||
		!take_time(line, "to", &span.to_ms) || !take_format(line, &span.format) ||
		!find_file(line, path, sizeof(path)))
		return EXIT_USAGE;
	/* Whoever reads has read enough (head): it ends as other tools do. */
	sigaction(SIGPIPE, &by_default, NULL);
	status = audit_open(&audit, path, &error);
	if (status == STATUS_OK)
		status = audit_export(audit, &span, stdout, &report, &error);
	audit_close(audit);
	if (status != STATUS_OK)
		return tell_failure(status, path, &error);
	audit_head_write(report.last, report.head, head, sizeof(head));
	fprintf(stderr, "whole: %" PRIu64 " records exported; head of the journal: %s\n",
		report.exported, report.last != 0 ? head : "none");
	return EXIT_GOOD;
}

int command_audit(const struct command_line *line)
{
	const char *verb = line->word_count > 0 ? line->words[0] : "";

	if (line->word_count > 2) {
		fprintf(stderr, "nimbusguard: audit takes one file, not \"%s\" too\n",
			line->words[2]);
		return EXIT_USAGE;
	}
	if (strcmp(verb, "verify") == 0)
		return verify(line);
	if (strcmp(verb, "export") == 0)
		return export(line);
	fprintf(stderr, "nimbusguard: audit verify or audit export, see nimbusguard help audit\n");
	return EXIT_USAGE;
}
