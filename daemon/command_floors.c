/*
 * floors: what floors stand on autoscalers, and those taken down whose time is over, by the marks on the objects
 * alone (remediations/floor.h). For the case that the service that set them is gone: it keeps no journal, and
 * leaves a service that is there the time to do it itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "daemon/cluster_client.h"
#include "daemon/command.h"
#include "remediations/floor.h"

#define GRACE_MS (5 * 60000)
#define GRACE_MAX_MS (24 * INT64_C(3600000))

const char floors_flags[] =
	"usage: nimbusguard floors list|expire [flags]\n\n"
	"A floor is the least replicas of an HPA or a ScaledObject that a playbook raised for a time\n"
	"(adjust_autoscaler with `for`). The service takes it down when that is over, also at its next\n"
	"start. Where it is gone for good this does it, by the annotations on the objects: run it by\n"
	"the clock. What somebody else set since is left as it is; an object with the annotation\n"
	"nimbusguard.io/paused is not touched.\n\n"
	"  list                what floors there are\n"
	"  expire              take down those whose time is over\n\n"
	"flags:\n"
	"  --apply             do it; without it, or with --dry-run, expire only says what it would do\n"
	"  --dry-run           change nothing\n"
	"  --grace=DURATION    a floor is over so long after its end (default 5m): the service, which\n"
	"                      keeps a journal, comes first\n"
	"  --namespace=NS      only in this namespace; may be repeated\n"
	"and the settings of serve: --config.file, --kubernetes.*. Exit status 0, also where there was\n"
	"nothing to do; 1 when one could not be taken down or read.\n\n"
	"examples:\n"
	"  nimbusguard floors list\n"
	"  nimbusguard floors expire --apply --namespace=shop\n";

struct report {
	bool list;
	unsigned stand, over, bad;
};

static void tell(void *argument, const struct floor_seen *seen)
{
	struct report *report = argument;
	char until[32];

	format_rfc3339(seen->mark.until_ms, until, sizeof(until));
	if (seen->fate == FLOOR_STANDS) {
		report->stand++;
		if (!report->list)
			return;
	} else if (seen->fate == FLOOR_FAILED || seen->fate == FLOOR_MARK_BAD) {
		report->bad++;
	} else {
		report->over++;
	}
	printf("%s/%s/%s: ", seen->namespace_name, target_kind_name(seen->kind), seen->name);
	switch (seen->fate) {
	case FLOOR_STANDS:
		printf("floor %" PRId32 " until %s, then %" PRId32 "\n", seen->mark.floor, until,
			seen->mark.before);
		break;
	case FLOOR_OVER:
		printf("floor %" PRId32
		       " is over since %s: would set the least replicas to %" PRId32 "\n",
			seen->mark.floor, until, seen->mark.before);
		break;
	case FLOOR_EXPIRED:
		printf("floor %" PRId32 " was over since %s: least replicas set to %" PRId32 "\n",
			seen->mark.floor, until, seen->mark.before);
		break;
	case FLOOR_CHANGED:
		printf("floor %" PRId32 " is over since %s, and the least replicas are %" PRId32
		       " by now: they stay\n",
			seen->mark.floor, until, seen->bound);
		break;
	case FLOOR_PAUSED:
		printf("floor %" PRId32
		       " is over since %s, and the object or its namespace is paused: left as it is\n",
			seen->mark.floor, until);
		break;
	case FLOOR_MARK_BAD:
		printf("the annotations nimbusguard.io/floor, -until and -before do not tell what "
		       "stood there before: left as it is\n");
		break;
	default:
		printf("floor %" PRId32 " is over since %s, and could not be taken down: %s\n",
			seen->mark.floor, until, seen->words);
		break;
	}
}

static bool read_grace(const struct command_line *line, int64_t *grace_ms)
{
	const char *text = command_flag(line, "grace");

	*grace_ms = GRACE_MS;
	if (text == NULL ||
		(parse_duration(text, grace_ms) == STATUS_OK && *grace_ms >= 0 &&
			*grace_ms <= GRACE_MAX_MS))
		return true;
	fprintf(stderr, "nimbusguard: --grace: \"%s\" is no duration from 0s to 24h\n", text);
	return false;
}

/* All namespaces, or those that are named, one after the other. */
static int look(struct cluster_client *cluster, const struct command_line *line,
	struct floors_question *question, struct report *report)
{
	enum status status = STATUS_OK;
	bool named = false;
	struct error error;

	for (size_t i = 0; i < line->own_count && status == STATUS_OK; i++) {
		if (strcmp(line->own[i].name, "namespace") != 0)
			continue;
		named = true;
		question->namespace_name = line->own[i].value;
		status = floors_expire(cluster->session, question, tell, report, &error);
	}
	if (!named)
		status = floors_expire(cluster->session, question, tell, report, &error);
	if (status == STATUS_OK)
		return EXIT_GOOD;
	fprintf(stderr, "nimbusguard: %s\n", error.text);
	return EXIT_FAILED;
}

static int run(const struct command_line *line, const struct config *config,
	struct floors_question *question, struct report *report)
{
	struct cluster_client cluster;
	struct error error;
	int status;

	if (!cluster_client_known(config)) {
		fprintf(stderr, "nimbusguard: no cluster is known: give --kubernetes.url\n");
		return EXIT_USAGE;
	}
	if (cluster_client_open(&cluster, config, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	status = look(&cluster, line, question, report);
	cluster_client_close(&cluster);
	printf("%u stand, %u are over, %u could not be read or taken down%s\n", report->stand,
		report->over, report->bad,
		report->list || question->apply ? "" : " (dry run: nothing was changed)");
	return status != EXIT_GOOD || report->bad > 0 ? EXIT_FAILED : EXIT_GOOD;
}

static bool namespaces_good(const struct command_line *line)
{
	for (size_t i = 0; i < line->own_count; i++) {
		if (strcmp(line->own[i].name, "namespace") != 0 ||
			kube_name_valid(line->own[i].value))
			continue;
		fprintf(stderr,
			"nimbusguard: --namespace: \"%s\" is no name that Kubernetes allows\n",
			line->own[i].value);
		return false;
	}
	return true;
}

int command_floors(const struct command_line *line)
{
	static const char *const known[] = {"apply", "dry-run", "grace", "namespace", NULL};
	struct floors_question question = {.now_ms = clock_now_ms(clock_system())};
	const char *word = line->word_count > 0 ? line->words[0] : "";
	struct report report = {.list = strcmp(word, "list") == 0};
	struct diagnostics diagnostics;
	struct config *config;
	struct buf text;
	int status = EXIT_FAILED;

	if (!report.list && strcmp(word, "expire") != 0) {
		fputs(floors_flags, stderr);
		return EXIT_USAGE;
	}
	if (!command_flags_known(line, known) || !command_words_at_most(line, 1) ||
		!namespaces_good(line) || !read_grace(line, &question.grace_ms))
		return EXIT_USAGE;
	question.apply = !report.list && command_flag(line, "apply") != NULL &&
		command_flag(line, "dry-run") == NULL;
	diagnostics_init(&diagnostics);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config != NULL && question.apply && config_bool(config, SETTING_PAUSED)) {
		printf("the kill switch is on (paused): this is a dry run\n");
		question.apply = false;
	}
	if (config != NULL)
		status = run(line, config, &question, &report);
	if (diagnostics.errors > 0) {
		buf_init(&text, 1024 * 1024);
		diagnostics_write(&diagnostics, &text);
		if (text.data != NULL)
			fputs(text.data, stderr);
		buf_fini(&text);
	}
	config_close(config);
	diagnostics_fini(&diagnostics);
	return status;
}
