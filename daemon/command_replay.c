/*
 * replay: what would this configuration have done? Recorded samples and alerts go through the service's
 * own parts on the time of the recording; the plans are listed, and conditions on them decide the exit
 * status.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/case_cluster.h"
#include "daemon/command.h"
#include "daemon/command_values.h"
#include "daemon/replay.h"

#define OUTPUT_MAX ((size_t)1 << 30)
#define WARNING_MAX ((size_t)1 << 20)
#define MATCH_MAX 64

const char replay_flags[] =
	"usage: nimbusguard replay [FILE...] [flags]\n\n"
	"What would these settings and playbooks have done? Recorded samples and alerts go through the\n"
	"service's own store, signals, playbooks and guard on the time of the recording, as a dry run,\n"
	"and the plans are listed. A FILE is what recording.path holds (or that folder), a snapshot of\n"
	"storage.path, samples as text with times (OpenMetrics, promtool tsdb dump), or messages of\n"
	"Alertmanager as JSON lines. Without such messages the series ALERTS stand for them. The same\n"
	"input gives the same output. Exit status 0 when it ran and no condition held, 1 when one did\n"
	"or the input is wrong, 2 for a wrong command line or condition.\n\nflags:\n"
	"  --from-prometheus=URL  fetch what the signals read, and ALERTS, from its query API;\n"
	"                      credentials and limits are those of backfill.*\n"
	"  --start=TIME, --end=TIME  of what is fetched: RFC 3339 or seconds since 1970 (default: the\n"
	"                      last hour)\n"
	"  --warmup=DURATION   samples before --start, for windows that look back (default 1h)\n"
	"  --match=SELECTOR    fetch these series as well; may be given several times\n"
	"  --cluster=FILE      objects of the cluster, YAML with a list `cluster` as in tests of\n"
	"                      playbooks, or what kubectl get -o yaml writes; without it plans are\n"
	"                      made from labels and series\n"
	"  --approve           go on as if a person approved each plan at once\n"
	"  --fail-if=CONDITION 'actions>10', 'actions{playbook=\"x\"}>0', 'refusals{reason=\"storm\"}>0';\n"
	"                      counts: actions, tickets, refusals, approvals, suggestions, incidents,\n"
	"                      unanswered; may be given several times\n"
	"  --format=FORMAT     text (the default) or json\n"
	"and the settings of serve: --config.file, --mode (auto where nothing sets it),\n"
	"--remediate.playbooks, --guard.*, --analyze.*, --backfill.*.\n\n"
	"examples:\n"
	"  nimbusguard replay --fail-if='actions>10' recordings/\n"
	"  promtool tsdb dump-openmetrics data/ > dump.om\n"
	"  nimbusguard replay dump.om alerts.jsonl --cluster=cluster.yaml --format=json\n"
	"  nimbusguard replay --from-prometheus=http://127.0.0.1:9090 --start=2026-01-01T00:00:00Z \\\n"
	"      --end=2026-01-01T12:00:00Z\n";

struct replay_command {
	const struct command_line *line;
	struct config *config;
	struct bundle bundle;
	struct tape tape;
	struct replay_plans plans;
	struct replay_condition conditions[REPLAY_CONDITIONS_MAX];
	size_t condition_count;
	struct yaml_document *objects_file;
	json_t **objects;
	size_t object_count;
	struct diagnostics diagnostics;
	int64_t start_ms; /* alerts before are not told */
};

static int failed(const struct error *error)
{
	fprintf(stderr, "nimbusguard: %s\n", error->text);
	return EXIT_FAILED;
}

static void write_diagnostics(struct replay_command *at)
{
	struct buf text;

	buf_init(&text, WARNING_MAX);
	diagnostics_write(&at->diagnostics, &text);
	if (text.data != NULL)
		fputs(text.data, stderr);
	buf_fini(&text);
}

/* ---- the command line ---- */

static int read_conditions(struct replay_command *at)
{
	for (size_t i = 0; i < at->line->own_count; i++) {
		const struct config_flag *flag = &at->line->own[i];
		struct error error;

		if (strcmp(flag->name, "fail-if") != 0)
			continue;
		if (at->condition_count == REPLAY_CONDITIONS_MAX)
			return usage_refused("there are too many flags --fail-if", NULL);
		if (replay_condition_read(&at->conditions[at->condition_count++],
			    flag->value != NULL ? flag->value : "", &error) != STATUS_OK) {
			fprintf(stderr, "nimbusguard: --fail-if '%s': %s\n",
				flag->value != NULL ? flag->value : "", error.text);
			return EXIT_USAGE;
		}
	}
	return EXIT_GOOD;
}

/* The user's settings; mode auto where nothing sets it, for a replay is about what would be done. */
static int open_config(struct replay_command *at)
{
	const struct command_line *line = at->line;
	struct config_flag flags[FLAGS_MAX + 1];

	at->config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &at->diagnostics);
	if (at->config == NULL || config_source(at->config, SETTING_MODE) != SOURCE_DEFAULT)
		return at->config != NULL ? EXIT_GOOD : EXIT_FAILED;
	config_close(at->config);
	memcpy(flags, line->settings, line->setting_count * sizeof(flags[0]));
	flags[line->setting_count] = (struct config_flag){"mode", "auto"};
	diagnostics_fini(&at->diagnostics);
	diagnostics_init(&at->diagnostics);
	at->config = config_load(line->config_path, line->environment, flags,
		line->setting_count + 1, &at->diagnostics);
	return at->config != NULL ? EXIT_GOOD : EXIT_FAILED;
}

/* ---- the cluster ---- */

static int add_object(struct replay_command *at, const struct yaml_reader *reader,
	const struct yaml_node *node)
{
	json_t **grown = mem_resize(at->objects, at->object_count + 1, sizeof(*grown));
	json_t *object = grown != NULL ? case_manifest_read(reader, node) : NULL;

	if (grown != NULL)
		at->objects = grown;
	if (object == NULL)
		return EXIT_FAILED;
	at->objects[at->object_count++] = object;
	return EXIT_GOOD;
}

static int read_cluster(struct replay_command *at, const char *path)
{
	struct yaml_reader reader = {path, &at->diagnostics};
	const struct yaml_node *root, *list;
	int result = EXIT_GOOD;

	at->objects_file = yaml_open_file(path, &at->diagnostics);
	if (at->objects_file == NULL)
		return EXIT_FAILED;
	root = yaml_root(at->objects_file);
	list = yaml_get(root, "cluster");
	if (list == NULL)
		list = yaml_get(root, "items");
	if (list == NULL || list->kind != YAML_LIST) {
		yaml_report(&reader, list != NULL ? list : root,
			"a list `cluster`, or `items` as kubectl get -o yaml writes it, is expected");
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < list->child_count; i++)
		if (add_object(at, &reader, list->children[i]) != EXIT_GOOD)
			result = EXIT_FAILED;
	return result;
}

/* ---- the tape ---- */

static int read_files(struct replay_command *at)
{
	struct error error = {.code = STATUS_OK};
	struct buf warning;
	int result = EXIT_GOOD;

	buf_init(&warning, WARNING_MAX);
	for (size_t i = 0; i < at->line->word_count && result == EXIT_GOOD; i++)
		if (tape_read(&at->tape, at->line->words[i], &warning, &error) != STATUS_OK)
			result = failed(&error);
	if (warning.size > 0)
		fprintf(stderr, "nimbusguard: %s", warning.data);
	buf_fini(&warning);
	return result;
}

static int read_time(const struct command_line *line, const char *name, int64_t *time_ms)
{
	const char *text = command_flag(line, name);
	char words[64];

	if (text == NULL || parse_time(text, time_ms) == STATUS_OK)
		return EXIT_GOOD;
	snprintf(words, sizeof(words), "--%s is no time as in RFC 3339 or seconds since 1970",
		name);
	return usage_refused(words, text);
}

static int fetch(struct replay_command *at, const char *url)
{
	const char *match[MATCH_MAX], *warmup = command_flag(at->line, "warmup");
	struct replay_source source = {.config = at->config,
		.bundle = &at->bundle,
		.url = url,
		.to_ms = clock_now_ms(clock_system()),
		.match = match};
	int64_t warmup_ms = INT64_C(3600000);
	struct error error;

	if (read_time(at->line, "end", &source.to_ms) != EXIT_GOOD)
		return EXIT_USAGE;
	at->start_ms = source.to_ms - INT64_C(3600000);
	if (read_time(at->line, "start", &at->start_ms) != EXIT_GOOD)
		return EXIT_USAGE;
	if (warmup != NULL && parse_duration(warmup, &warmup_ms) != STATUS_OK)
		return usage_refused("--warmup is no duration", warmup);
	source.from_ms = at->start_ms - warmup_ms;
	if (at->start_ms >= source.to_ms || source.from_ms < 0)
		return usage_refused("--start must be before --end, and behind 1970", NULL);
	for (size_t i = 0; i < at->line->own_count; i++) {
		if (strcmp(at->line->own[i].name, "match") != 0)
			continue;
		if (source.match_count == MATCH_MAX)
			return usage_refused("there are too many flags --match", NULL);
		match[source.match_count++] =
			at->line->own[i].value != NULL ? at->line->own[i].value : "";
	}
	if (replay_fetch(&at->tape, &source, &at->diagnostics, &error) != STATUS_OK)
		return failed(&error);
	return EXIT_GOOD;
}

static int make_tape(struct replay_command *at)
{
	const char *url = command_flag(at->line, "from-prometheus");
	struct error error;
	int result = EXIT_GOOD;

	at->start_ms = INT64_MIN;
	if (url != NULL)
		result = fetch(at, url);
	else if (read_time(at->line, "start", &at->start_ms) != EXIT_GOOD)
		result = EXIT_USAGE;
	if (result == EXIT_GOOD)
		result = read_files(at);
	if (result == EXIT_GOOD && tape_finish(&at->tape, &error) != STATUS_OK)
		result = failed(&error);
	return result;
}

/* ---- running ---- */

static int write_report(struct replay_command *at, bool json)
{
	struct replay_report report = {.plans = &at->plans,
		.conditions = at->conditions,
		.condition_count = at->condition_count,
		.has_cluster = at->objects_file != NULL,
		.approved = command_flag(at->line, "approve") != NULL,
		.mode = config_text(at->config, SETTING_MODE),
		.alerts_from = at->tape.alert_series > 0 ? "ALERTS"
			: at->tape.webhooks > 0          ? "webhooks"
							 : ""};
	int result = EXIT_GOOD;
	struct buf text;

	for (size_t i = 0; i < at->condition_count; i++) {
		replay_condition_ask(&at->conditions[i], &at->plans);
		if (at->conditions[i].holds)
			result = EXIT_FAILED;
	}
	buf_init(&text, OUTPUT_MAX);
	if (json)
		replay_write_json(&text, &report);
	else
		replay_write_text(&text, &report);
	if (!buf_ok(&text) || fwrite(text.data, 1, text.size, stdout) != text.size ||
		fflush(stdout) != 0) {
		fprintf(stderr, "nimbusguard: the plans cannot be written\n");
		result = EXIT_FAILED;
	}
	buf_fini(&text);
	return result;
}

static int run(struct replay_command *at, bool json)
{
	struct replay_options options = {.config = at->config,
		.bundle = &at->bundle,
		.has_cluster = at->objects_file != NULL,
		.approve = command_flag(at->line, "approve") != NULL,
		.start_ms = at->start_ms};
	struct error error = {.code = STATUS_OK};

	options.objects = at->objects;
	options.object_count = at->object_count;
	if (replay_run(&at->tape, &options, &at->plans, &at->diagnostics, &error) != STATUS_OK)
		return failed(&error);
	return write_report(at, json);
}

static int replay(struct replay_command *at)
{
	const char *format = command_flag(at->line, "format");
	const char *cluster = command_flag(at->line, "cluster");
	bool json = format != NULL && strcmp(format, "json") == 0;
	int result = read_conditions(at);

	if (result == EXIT_GOOD && format != NULL && !json && strcmp(format, "text") != 0)
		result = usage_refused("--format is text or json", format);
	if (result == EXIT_GOOD && at->line->word_count == 0 &&
		command_flag(at->line, "from-prometheus") == NULL) {
		fputs(replay_flags, stderr);
		result = EXIT_USAGE;
	}
	if (result == EXIT_GOOD)
		result = open_config(at);
	if (result == EXIT_GOOD && cluster != NULL)
		result = read_cluster(at, cluster);
	if (result == EXIT_GOOD)
		result = make_tape(at);
	return result == EXIT_GOOD ? run(at, json) : result;
}

int command_replay(const struct command_line *line)
{
	static const char *const known[] = {"from-prometheus", "start", "end", "warmup", "match",
		"cluster", "approve", "fail-if", "format", NULL};
	struct replay_command *at;
	int result;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	at = mem_zalloc(1, sizeof(*at));
	if (at == NULL)
		return EXIT_FAILED;
	/* What the service would log is in the list of plans, by the time of the recording. */
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	at->line = line;
	bundle_find(&at->bundle);
	tape_init(&at->tape);
	replay_plans_init(&at->plans);
	diagnostics_init(&at->diagnostics);
	result = replay(at);
	write_diagnostics(at);
	for (size_t i = 0; i < at->object_count; i++)
		json_decref(at->objects[i]);
	mem_free(at->objects);
	if (at->objects_file != NULL)
		yaml_close(at->objects_file);
	for (size_t i = 0; i < at->condition_count; i++)
		replay_condition_fini(&at->conditions[i]);
	config_close(at->config);
	diagnostics_fini(&at->diagnostics);
	replay_plans_fini(&at->plans);
	tape_fini(&at->tape);
	mem_free(at);
	return result;
}
