/*
 * explain-target: which object do these labels mean, and why? The labels are words of the command
 * line, or alerts as JSON on standard input: one with "labels", a list of such, or a message of
 * Alertmanager with "alerts".
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "base/parse.h"
#include "daemon/bundle.h"
#include "daemon/cluster_client.h"
#include "daemon/command.h"
#include "daemon/explain.h"
#include "remediations/rules.h"

#define INPUT_MAX (32 * 1024 * 1024)

const char explain_flags[] =
	"usage: nimbusguard explain-target [LABEL=VALUE...] [flags]\n\n"
	"Which object of the cluster do these labels mean, and why? Tells each rule that was applied,\n"
	"the objects that were candidates, and which labels name nothing. Without labels an alert, a\n"
	"list of alerts or a message of Alertmanager is read from standard input as JSON. With a\n"
	"cluster (--kubernetes.url, or inside of one) also whether the object exists, who owns it,\n"
	"whether it is opted in or paused, and who owns its replicas. Exit status 0 when an object is\n"
	"named, 1 when one is refused or the input is wrong, 2 for a wrong command line.\n\nflags:\n"
	"  --kind=KIND         as which kind: Pod, Workload, Node, Deployment, StatefulSet, DaemonSet,\n"
	"                      ReplicaSet or \"argoproj.io/v1alpha1 Rollout\" (default: that of the\n"
	"                      playbook which answers an alert with these labels; where none does,\n"
	"                      Pod, Workload and Node)\n"
	"  --json              the explanation as JSON\n"
	"and the settings of serve: --config.file, --kubernetes.*, --remediate.playbooks.\n\n"
	"examples:\n"
	"  nimbusguard explain-target namespace=shop deployment=web\n"
	"  nimbusguard explain-target --kind=Pod namespace=shop pod=web-1 exported_pod=db-0\n"
	"  amtool alert query -o json | nimbusguard explain-target\n";

struct explaining {
	struct explain_question question;
	json_t *all; /* of explanations */
	bool refused;
};

static bool explain_one(struct explaining *at, struct event *event)
{
	json_t *explanation;

	event->firing = true;
	event->fingerprint = labels_fingerprint(&event->labels);
	at->question.event = event;
	explanation = explain(&at->question);
	at->question.event = NULL;
	if (explanation == NULL) {
		fprintf(stderr, "nimbusguard: out of memory\n");
		return false;
	}
	at->refused = at->refused || !explain_resolved(explanation);
	return json_array_append_new(at->all, explanation) == 0;
}

static bool explain_pairs(struct explaining *at, const struct label *pairs, size_t count)
{
	struct event event;
	struct error error;
	bool good;

	event_init(&event);
	good = labels_init(&event.labels, pairs, count, &error) == STATUS_OK;
	if (!good)
		fprintf(stderr, "nimbusguard: %s\n", error.text);
	good = good && explain_one(at, &event);
	event_fini(&event);
	return good;
}

static bool explain_words(struct explaining *at, const struct command_line *line)
{
	struct label pairs[EVENT_LABELS_MAX];

	for (size_t i = 0; i < line->word_count; i++) {
		const char *word = line->words[i], *equal = strchr(word, '=');

		if (i == EVENT_LABELS_MAX || equal == NULL ||
			!label_name_valid(word, (size_t)(equal - word))) {
			fprintf(stderr, "nimbusguard: \"%s\" is not LABEL=VALUE\n", word);
			return false;
		}
		pairs[i] = (struct label){word, equal + 1, (uint32_t)(equal - word),
			(uint32_t)strlen(equal + 1)};
	}
	return explain_pairs(at, pairs, line->word_count);
}

static bool explain_alert(struct explaining *at, json_t *alert, size_t number)
{
	json_t *labels = json_object_get(alert, "labels"), *value;
	struct label pairs[EVENT_LABELS_MAX];
	const char *name;
	size_t count = 0;

	if (!json_is_object(labels)) {
		fprintf(stderr, "nimbusguard: alert %zu has no labels\n", number);
		return false;
	}
	json_object_foreach(labels, name, value)
	{
		if (!json_is_string(value) || count == EVENT_LABELS_MAX) {
			fprintf(stderr,
				"nimbusguard: alert %zu: label %s is no text, or there are more than "
				"%d\n",
				number, name, EVENT_LABELS_MAX);
			return false;
		}
		pairs[count++] = (struct label){name, json_string_value(value),
			(uint32_t)strlen(name), (uint32_t)json_string_length(value)};
	}
	return explain_pairs(at, pairs, count);
}

static bool explain_input(struct explaining *at, FILE *input)
{
	char piece[16384];
	json_error_t where;
	json_t *root, *alerts, *alert;
	struct buf text;
	size_t size, i;
	bool good = true;

	buf_init(&text, INPUT_MAX);
	while ((size = fread(piece, 1, sizeof(piece), input)) > 0)
		buf_add(&text, piece, size);
	root = buf_ok(&text) ? json_loadb(text.data != NULL ? text.data : "", text.size, 0, &where)
			     : NULL;
	if (root == NULL) {
		if (buf_ok(&text))
			fprintf(stderr, "nimbusguard: standard input:%d:%d: %s\n", where.line,
				where.column, where.text);
		else
			fprintf(stderr, "nimbusguard: standard input is too long\n");
		buf_fini(&text);
		return false;
	}
	buf_fini(&text);
	alerts = json_object_get(root, "alerts");
	if (alerts == NULL)
		alerts = root;
	if (json_is_array(alerts))
		json_array_foreach(alerts, i, alert) good = good && explain_alert(at, alert, i + 1);
	else
		good = explain_alert(at, alerts, 1);
	json_decref(root);
	return good;
}

static void write_all(const json_t *all, bool json)
{
	const json_t *one;
	struct buf text;
	size_t i;

	if (json) {
		/* One question, one object. */
		json_dumpf(json_array_size(all) == 1 ? json_array_get(all, 0) : all, stdout,
			JSON_INDENT(2));
		printf("\n");
		return;
	}
	buf_init(&text, INPUT_MAX);
	json_array_foreach(all, i, one)
	{
		if (i > 0)
			buf_add_char(&text, '\n');
		explain_write(&text, one);
	}
	if (text.data != NULL)
		fputs(text.data, stdout);
	buf_fini(&text);
}

static bool kind_known(const char *kind)
{
	enum target_kind custom;
	struct error error;
	const char *nearest;

	for (size_t i = 0; kind != NULL && explain_kinds[i] != NULL; i++)
		if (strcmp(kind, explain_kinds[i]) == 0)
			return true;
	if (kind == NULL)
		return true;
	if (strchr(kind, ' ') != NULL) {
		if (custom_kind_define(kind, NULL, &custom, &error) == STATUS_OK)
			return true;
		fprintf(stderr, "nimbusguard: --kind: %s\n", error.text);
		return false;
	}
	nearest = nearest_word(kind, explain_kinds);
	fprintf(stderr,
		"nimbusguard: --kind=%s is none of Pod, Workload, Node, Deployment, "
		"StatefulSet, DaemonSet, ReplicaSet or a custom resource such as "
		"\"argoproj.io/v1alpha1 Rollout\"%s%s%s\n",
		kind, nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "?" : "");
	return false;
}

static int run(const struct command_line *line, const struct config *config,
	const struct playbooks *playbooks)
{
	struct cluster_client cluster = {NULL, NULL};
	struct explaining at = {.all = json_array()};
	struct error error;
	bool good;

	if (cluster_client_known(config) &&
		cluster_client_open(&cluster, config, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: the cluster: %s\n", error.text);
		json_decref(at.all);
		return EXIT_FAILED;
	}
	at.question.kind = command_flag(line, "kind");
	at.question.playbooks = playbooks;
	at.question.session = cluster.session;
	good = line->word_count > 0 ? explain_words(&at, line) : explain_input(&at, stdin);
	if (good)
		write_all(at.all, command_flag(line, "json") != NULL);
	cluster_client_close(&cluster);
	json_decref(at.all);
	if (!good)
		return line->word_count > 0 ? EXIT_USAGE : EXIT_FAILED;
	return at.refused ? EXIT_FAILED : EXIT_GOOD;
}

int command_explain(const struct command_line *line)
{
	static const char *const known[] = {"kind", "json", NULL};
	struct remediator_config remediator;
	struct diagnostics diagnostics;
	struct rules *rules = NULL;
	struct config *config;
	char journal_path[4352];
	struct bundle bundle;
	struct buf text;
	int status = EXIT_FAILED;

	if (!command_flags_known(line, known) || !kind_known(command_flag(line, "kind")))
		return EXIT_USAGE;
	diagnostics_init(&diagnostics);
	bundle_find(&bundle);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config != NULL) {
		service_remediator_config(config, &bundle, clock_system(), journal_path,
			sizeof(journal_path), &remediator);
		if (rules_open(&remediator, &rules, &diagnostics) == STATUS_OK)
			status = run(line, config, rules->playbooks);
	}
	if (diagnostics.errors > 0) {
		buf_init(&text, 4 * 1024 * 1024);
		diagnostics_write(&diagnostics, &text);
		if (text.data != NULL)
			fputs(text.data, stderr);
		buf_fini(&text);
	}
	rules_close(rules);
	config_close(config);
	diagnostics_fini(&diagnostics);
	return status;
}
