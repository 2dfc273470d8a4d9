/*
 * actions: what the running service decided and did, and a person's word on it, through the API.
 *
 *   nimbusguard actions list [STATE]
 *   nimbusguard actions show ID     the record: what was planned, when, and what became of it
 *   nimbusguard actions why ID      the story, and each gate of each decision with what it saw
 *   nimbusguard actions why-not ID  what stands in the way now, and what would have to change
 *   nimbusguard actions dry-run ID               what the API server would say to it
 *   nimbusguard actions approve|reject|undo ID   and what became of it so far; --hash binds
 *                                   an approval to what was looked at
 *   nimbusguard actions modes       what was measured of the playbooks, and their modes
 *   nimbusguard actions lift PLAYBOOK NAMESPACE [CLUSTER]
 *
 * --url (or NIMBUSGUARD_URL) names the service; without it the address is that of a service with the
 * same layers of configuration. --token-file (or NIMBUSGUARD_TOKEN_FILE) names the token, --ca-file
 * the certificate authority, --json prints the API's answer as it is.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/client.h"
#include "daemon/command.h"
#include "daemon/command_values.h"
#include "receiver/listen.h"

#define ID_MAX 80
#define VALUE_MAX 8192 /* of a record, as shown */
#define COLUMN_MAX 90

struct call {
	const char *url, *ca_file, *hash;
	char *token;
	bool json;
};

/* Ids are letters, digits, - and _; anything else would change the path. */
static bool id_valid(const char *id)
{
	size_t size = strlen(id);

	return size > 0 && size < ID_MAX &&
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		size;
}

/* The data of a successful answer (json_decref), or NULL with the reason on standard error. */
static json_t *fetch(const struct call *call, const char *method, const char *path)
{
	char url[2048];

	snprintf(url, sizeof(url), "%s/api/v1/%s", call->url, path);
	return client_data(method, url, call->token, call->ca_file, NULL);
}

static const char *text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void print_json(json_t *data)
{
	json_dumpf(data, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	printf("\n");
}

static int widest(int width, const char *text)
{
	int size = (int)strnlen(text, COLUMN_MAX);

	return size > width ? size : width;
}

/* Of an action that waits for a second person: who was the first. */
static void print_approvals(json_t *action)
{
	json_t *one;
	size_t i;

	if (strcmp(text_of(action, "state"), "awaiting_approval") != 0)
		return;
	json_array_foreach(json_object_get(action, "approvals"), i, one)
		printf("  Approved so far by %s (%s), good until %s.\n", text_of(one, "by"),
			text_of(one, "role"), text_of(one, "until"));
}

/* Columns are as wide as what stands in them. */
static void print_list(json_t *list)
{
	int wide_id = 2, wide_state = 5, wide_target = 6;
	json_t *action;
	size_t i;

	json_array_foreach(list, i, action)
	{
		wide_id = widest(wide_id, text_of(action, "id"));
		wide_state = widest(wide_state, text_of(action, "state"));
		wide_target =
			widest(wide_target, text_of(json_object_get(action, "target"), "text"));
	}
	printf("%-*s  %-24s  %-*s  %-*s  %s\n", wide_id, "ID", "TIME", wide_state, "STATE",
		wide_target, "TARGET", "ACTION");
	json_array_foreach(list, i, action)
	{
		printf("%-*s  %-24s  %-*s  %-*s  %s%s\n", wide_id, text_of(action, "id"),
			text_of(action, "proposed_at"), wide_state, text_of(action, "state"),
			wide_target, text_of(json_object_get(action, "target"), "text"),
			text_of(action, "kind"),
			json_is_true(json_object_get(action, "dry_run")) ? " (dry run)" : "");
		if (text_of(action, "sentence")[0] != '\0')
			printf("  %s\n", text_of(action, "sentence"));
		if (text_of(action, "joined")[0] != '\0')
			printf("  Joined by %s\n", text_of(action, "joined"));
		print_approvals(action);
	}
	if (json_array_size(list) == 0)
		printf("no actions\n");
}

static int list_actions(const struct call *call, const struct command_line *line)
{
	const char *state = line->word_count > 1 ? line->words[1] : "all";
	bool all = strcmp(state, "all") == 0;
	char path[128];
	json_t *data;

	if (line->word_count > 2) {
		fprintf(stderr, "nimbusguard: actions list takes one state\n");
		return EXIT_USAGE;
	}
	if (!id_valid(state)) {
		fprintf(stderr, "nimbusguard: \"%.40s\" is no state\n", state);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "actions%s%s", all ? "" : "?state=", all ? "" : state);
	data = fetch(call, "GET", path);
	if (data == NULL)
		return EXIT_FAILED;
	if (call->json)
		print_json(data);
	else
		print_list(data);
	json_decref(data);
	return EXIT_GOOD;
}

/* "cooldown: pass. The last action on the target is long enough ago (never; wanted: at least 5m)." */
static void print_gates(json_t *decision)
{
	json_t *gate;
	size_t i;

	printf("\n%s  decision on %s: %s\n", text_of(decision, "time"), text_of(decision, "action"),
		text_of(decision, "verdict"));
	json_array_foreach(json_object_get(decision, "gates"), i, gate)
	{
		bool refuses = json_is_true(json_object_get(gate, "refuses"));

		printf("  %c %-9s %-20s %s\n", refuses ? '!' : ' ', text_of(gate, "verdict"),
			text_of(gate, "gate"), text_of(gate, "text"));
	}
}

/* Of an action only its own decisions; of an incident all. */
static void print_why(json_t *why, const char *id)
{
	json_t *sentence, *decision;
	size_t i, shown = 0;

	json_array_foreach(json_object_get(why, "sentences"), i, sentence)
		printf("%s  %s\n", text_of(sentence, "time"), text_of(sentence, "text"));
	json_array_foreach(json_object_get(why, "decisions"), i, decision)
	{
		if (!json_is_array(json_object_get(decision, "gates")) ||
			(id[0] == 'a' && strcmp(text_of(decision, "action"), id) != 0))
			continue;
		print_gates(decision);
		shown++;
	}
	if (shown == 0)
		printf("\nno decision of the guard yet\n");
}

/* Of the newest decision what refuses it or waits for a person, a line each. */
static void print_why_not(json_t *why, const char *id)
{
	json_t *decision, *newest = NULL, *gate;
	size_t i, shown = 0;

	json_array_foreach(json_object_get(why, "decisions"), i, decision)
	{
		if (json_is_array(json_object_get(decision, "gates")) &&
			(id[0] != 'a' || strcmp(text_of(decision, "action"), id) == 0))
			newest = decision;
	}
	if (newest == NULL) {
		printf("no decision of the guard yet\n");
		return;
	}
	printf("%s  %s: %s\n", text_of(newest, "time"), text_of(newest, "action"),
		text_of(newest, "verdict"));
	json_array_foreach(json_object_get(newest, "gates"), i, gate)
	{
		const char *reason = text_of(gate, "reason");

		if (!json_is_true(json_object_get(gate, "refuses")) &&
			strcmp(text_of(gate, "verdict"), "approval") != 0)
			continue;
		printf("  %s: %s\n", *reason != '\0' ? reason : text_of(gate, "gate"),
			text_of(gate, "text"));
		shown++;
	}
	if (shown == 0)
		printf("  nothing stood in its way\n");
}

/* "name: value", texts as they are, with their control characters escaped as JSON does. */
static void print_field(const char *outer, const char *name, json_t *value)
{
	char text[VALUE_MAX];
	size_t size;

	if (json_is_object(value) || json_is_array(value) || json_is_null(value))
		return;
	size = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
	printf("%s%s%s: ", outer, *outer ? "." : "", name);
	if (size > sizeof(text))
		printf("(%zu bytes, see --json)\n", size);
	else if (json_is_string(value))
		printf("%.*s\n", (int)size - 2, text + 1);
	else
		printf("%.*s\n", (int)size, text);
}

/* What is known of a record; lists and what lies deeper are left to --json. */
static void print_record(json_t *record)
{
	const char *name, *inner;
	json_t *value, *part;
	size_t i;

	json_object_foreach(record, name, value)
	{
		print_field("", name, value);
		json_object_foreach(value, inner, part) print_field(name, inner, part);
	}
	json_array_foreach(json_object_get(record, "approvals"), i, part)
		printf("approval: %s (%s) at %s, good until %s\n", text_of(part, "by"),
			text_of(part, "role"), text_of(part, "given_at"), text_of(part, "until"));
}

/* The action of this id as the answer lists it, or the incident. */
static json_t *record_of(json_t *why, const char *id)
{
	json_t *action;
	size_t i;

	json_array_foreach(json_object_get(why, "actions"), i,
		action) if (strcmp(text_of(action, "id"), id) == 0) return action;
	return json_object_get(why, "incident");
}

enum view { VIEW_RECORD, VIEW_WHY, VIEW_WHY_NOT };

static int show(const struct call *call, const char *id, enum view view)
{
	char path[128];
	json_t *data, *record;

	snprintf(path, sizeof(path), "why/%s", id);
	data = fetch(call, "GET", path);
	if (data == NULL)
		return EXIT_FAILED;
	record = record_of(data, id);
	if (call->json)
		print_json(view != VIEW_RECORD || !json_is_object(record) ? data : record);
	else if (view == VIEW_WHY)
		print_why(data, id);
	else if (view == VIEW_WHY_NOT)
		print_why_not(data, id);
	else
		print_record(record);
	json_decref(data);
	return EXIT_GOOD;
}

/* The newest action that takes this one back, or NULL. */
static json_t *undo_of(json_t *why, const char *id)
{
	json_t *action, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(why, "actions"), i, action)
	{
		if (strcmp(text_of(action, "undo_of"), id) == 0)
			found = action;
	}
	return found;
}

/* The word was taken; what came of it so far is what counts, in two lines. */
static int tell_result(const struct call *call, const char *verb, const char *id)
{
	char path[128];
	json_t *why, *action;

	snprintf(path, sizeof(path), "why/%s", id);
	why = fetch(call, "GET", path);
	if (why == NULL)
		return EXIT_FAILED;
	action = strcmp(verb, "undo") == 0 ? undo_of(why, id) : record_of(why, id);
	if (call->json) {
		print_json(action != NULL ? action : why);
	} else {
		printf("%s of %s is taken. Action %s: %s. %s\n",
			strcmp(verb, "approve") == 0        ? "The approval"
				: strcmp(verb, "undo") == 0 ? "The undo"
							    : "The rejection",
			id, text_of(action, "id"), text_of(action, "state"),
			text_of(action, "sentence"));
		print_approvals(action);
		printf("  See nimbusguard actions why %s\n", text_of(action, "id"));
	}
	json_decref(why);
	return EXIT_GOOD;
}

/* --hash binds an approval to what was looked at: another plan or target state by now is refused. */
static int change_action(const struct call *call, const char *verb, const char *id)
{
	char path[192];
	json_t *data;

	if (call->hash != NULL && (strcmp(verb, "approve") != 0 || !id_valid(call->hash))) {
		fprintf(stderr,
			"nimbusguard: --hash is of approve: the approval_hash that `actions show "
			"ID` tells\n");
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "actions/%s/%s%s%s", id, verb,
		call->hash != NULL ? "?hash=" : "", call->hash != NULL ? call->hash : "");
	data = fetch(call, "POST", path);
	if (data == NULL)
		return EXIT_FAILED;
	json_decref(data);
	return tell_result(call, verb, id);
}

/* What the API server would say to the change, with dryRun=All. */
static int ask_server(const struct call *call, const char *id)
{
	char path[192];
	const json_t *admitted;
	json_t *data;
	int code;

	snprintf(path, sizeof(path), "actions/%s/dry-run%s%s", id,
		call->hash != NULL ? "?hash=" : "", call->hash != NULL ? call->hash : "");
	data = fetch(call, "POST", path);
	if (data == NULL)
		return EXIT_FAILED;
	admitted = json_object_get(data, "admitted");
	code = json_is_true(admitted) ? EXIT_GOOD : EXIT_FAILED;
	if (call->json)
		print_json(data);
	else if (json_is_true(admitted))
		printf("The API server would admit it: %s. Nothing was changed.\n",
			text_of(data, "change"));
	else if (json_is_false(admitted))
		printf("The API server would refuse it (%s): %s\n  %s\n",
			text_of(data, "refused_by"), text_of(data, "change"),
			text_of(data, "message"));
	else
		printf("The API server did not tell: %s\n  %s\n", text_of(data, "change"),
			text_of(data, "message"));
	json_decref(data);
	return code;
}

/* What was measured of each playbook in a namespace, and what follows from it. */
static void print_modes(json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_t *record = json_object_get(one, "record");
		const char *proposed = text_of(one, "proposed");

		printf("%s in %s: mode %s; right in at least %.0f %% of %lld outcomes\n",
			text_of(record, "playbook"), text_of(record, "namespace"),
			text_of(one, "mode"),
			100 * json_number_value(json_object_get(one, "precision_lower_bound")),
			(long long)json_integer_value(json_object_get(one, "outcomes")));
		if (json_is_true(json_object_get(record, "demoted")))
			printf("  demoted at %s because of %s (%s): acts only when approved, until "
			       "it is lifted\n",
				text_of(record, "changed_at"), text_of(record, "action"),
				text_of(record, "reason"));
		if (proposed[0] != '\0')
			printf("  mode %s is proposed: set it in `modes` or in the playbook\n",
				proposed);
	}
	if (json_array_size(list) == 0)
		printf("no outcomes yet\n");
}

static int list_modes(const struct call *call)
{
	json_t *data = fetch(call, "GET", "modes");

	if (data == NULL)
		return EXIT_FAILED;
	if (call->json)
		print_json(data);
	else
		print_modes(data);
	json_decref(data);
	return EXIT_GOOD;
}

/* lift PLAYBOOK NAMESPACE [CLUSTER] */
static int lift(const struct call *call, const struct command_line *line)
{
	char path[512];
	json_t *data;

	if (line->word_count < 3 || line->word_count > 4 || !id_valid(line->words[1]) ||
		!id_valid(line->words[2]) || (line->word_count == 4 && !id_valid(line->words[3]))) {
		fprintf(stderr,
			"nimbusguard: actions lift needs a playbook and a namespace, and "
			"where there are several a cluster\n");
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "modes/lift?playbook=%s&namespace=%s%s%s", line->words[1],
		line->words[2], line->word_count == 4 ? "&cluster=" : "",
		line->word_count == 4 ? line->words[3] : "");
	data = fetch(call, "POST", path);
	if (data == NULL)
		return EXIT_FAILED;
	json_decref(data);
	return list_modes(call);
}

static int run(const struct call *call, const struct command_line *line)
{
	const char *verb = line->word_count > 0 ? line->words[0] : "list";
	bool change = strcmp(verb, "approve") == 0 || strcmp(verb, "reject") == 0 ||
		strcmp(verb, "undo") == 0;

	if (strcmp(verb, "list") == 0)
		return list_actions(call, line);
	if (strcmp(verb, "modes") == 0)
		return list_modes(call);
	if (strcmp(verb, "lift") == 0)
		return lift(call, line);
	if (!change && strcmp(verb, "dry-run") != 0 && strcmp(verb, "show") != 0 &&
		strcmp(verb, "why") != 0 && strcmp(verb, "why-not") != 0) {
		fprintf(stderr,
			"nimbusguard: actions list | show | why | why-not | approve | reject | "
			"undo | dry-run | modes | lift\n");
		return EXIT_USAGE;
	}
	if (line->word_count != 2 || !id_valid(line->words[1])) {
		fprintf(stderr, "nimbusguard: actions %s needs one id\n", verb);
		return EXIT_USAGE;
	}
	if (strcmp(verb, "dry-run") == 0)
		return ask_server(call, line->words[1]);
	return change ? change_action(call, verb, line->words[1])
		      : show(call, line->words[1],
				strcmp(verb, "why") == 0               ? VIEW_WHY
					: strcmp(verb, "why-not") == 0 ? VIEW_WHY_NOT
								       : VIEW_RECORD);
}

/* Whether the web configuration asks for TLS; what is wrong with it is the service's to tell. */
static bool serves_tls(const char *web_config_file)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;
	bool tls;

	if (web_config_file[0] == '\0')
		return false;
	diagnostics_init(&diagnostics);
	document = yaml_open_file(web_config_file, &diagnostics);
	tls = document != NULL &&
		yaml_get(yaml_get(yaml_root(document), "tls_server_config"), "cert_file") != NULL;
	if (document != NULL)
		yaml_close(document);
	diagnostics_fini(&diagnostics);
	return tls;
}

/* The address that a service with this configuration listens on, as seen from the same machine. */
static enum status own_url(const struct config *config, char *url, size_t size, struct error *error)
{
	char host[LISTEN_HOST_MAX];
	const char *peer = host;
	uint16_t port;

	if (listen_parse(config_text(config, SETTING_WEB_LISTEN_ADDRESS), host, &port, error) !=
		STATUS_OK)
		return error_prefix(error, "web.listen_address");
	if (port == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"web.listen_address has port 0: name the service with --url");
	if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
		peer = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		peer = "::1";
	snprintf(url, size, "%s://%s%s%s:%u%s",
		serves_tls(config_text(config, SETTING_WEB_CONFIG_FILE)) ? "https" : "http",
		strchr(peer, ':') != NULL ? "[" : "", peer, strchr(peer, ':') != NULL ? "]" : "",
		port, config_text(config, SETTING_WEB_ROUTE_PREFIX));
	return STATUS_OK;
}

/* The service by the same layers as serve reads them: file, environment, flags. */
static enum status find_service(const struct command_line *line, char *url, size_t size)
{
	struct diagnostics diagnostics;
	struct config *config;
	struct error error;
	struct buf text;
	enum status status = STATUS_BAD_INPUT;

	diagnostics_init(&diagnostics);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config == NULL) {
		buf_init(&text, 1024 * 1024);
		diagnostics_write(&diagnostics, &text);
		if (text.data != NULL)
			fputs(text.data, stderr);
		buf_fini(&text);
	} else {
		status = own_url(config, url, size, &error);
		if (status != STATUS_OK)
			fprintf(stderr, "nimbusguard: %s\n", error.text);
	}
	config_close(config);
	diagnostics_fini(&diagnostics);
	return status;
}

const char actions_flags[] =
	"usage: nimbusguard actions [VERB] [flags]\n\n"
	"What the running service decided and did, and a person's word on it.\n\n"
	"  list [STATE]        the default: all, or those in one state, such as awaiting_approval\n"
	"  show ID             the record: what was planned, when, and what became of it\n"
	"  why ID              its story, and each gate of each decision with what it saw\n"
	"  why-not ID          what stands in its way now, and what would have to change\n"
	"  approve ID          lets an action that awaits approval go on\n"
	"  reject ID           ends it\n"
	"  undo ID             proposes the inverse of an action that was done\n"
	"  dry-run ID          asks the API server what it would say to an action that waits, with\n"
	"                      dryRun=All, which changes nothing; fails when it would refuse it\n"
	"  modes               the mode of each playbook and namespace, what was measured, what is\n"
	"                      proposed, and which playbooks were demoted\n"
	"  lift PLAYBOOK NAMESPACE [CLUSTER]  ends a demotion\n\nflags:\n"
	"  --url=...           the service; default NIMBUSGUARD_URL, else the address that serve\n"
	"                      would listen on with the same --config.file, environment and flags,\n"
	"                      which is http://127.0.0.1:9797 when there are none\n"
	"  --token-file=...    file with a bearer token; default NIMBUSGUARD_TOKEN_FILE\n"
	"  --ca-file=...       certificate authority of the service\n"
	"  --hash=...          of approve and dry-run: the approval_hash that show told; refused when\n"
	"                      the plan or the target's state is another one by now\n"
	"  --json              the API's answer as it is\n\nexamples:\n"
	"  nimbusguard actions list awaiting_approval\n"
	"  nimbusguard actions why i-mwrvtvb0-0pwkf5f8u8wnj\n"
	"  nimbusguard actions approve a-mwrvtvb0-0pwkf5f8u8wnj-1 --hash=5e34aedb586d2e9b \\\n"
	"      --token-file=oncall.token\n"
	"  nimbusguard actions --config.file=/etc/nimbusguard/nimbusguard.yml\n";

int command_actions(const struct command_line *line)
{
	static const char *const known[] = {"url", "token-file", "ca-file", "hash", "json", NULL};
	struct call call = {.url = command_flag(line, "url"),
		.ca_file = command_flag(line, "ca-file"),
		.hash = command_flag(line, "hash"),
		.json = command_flag(line, "json") != NULL};
	char url[1024];
	int status;

	if (!command_flags_known(line, known))
		return EXIT_USAGE;
	if (call.url == NULL)
		call.url = getenv("NIMBUSGUARD_URL");
	if (call.url == NULL) {
		if (find_service(line, url, sizeof(url)) != STATUS_OK)
			return EXIT_USAGE;
		call.url = url;
	}
	if (!flag_token(line, &call.token))
		return EXIT_FAILED;
	status = run(&call, line);
	mem_free(call.token);
	return status;
}
