/*
 * The layers of the configuration: which one wins, what is refused and in which words, lists, tokens,
 * reloads, and what is printed of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/config.h"

static char folder[512], path[600];

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/config-XXXXXX", parent != NULL ? parent : "/tmp");
	snprintf(path, sizeof(path), "%s", folder);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/n.yml", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)unlink(path);
	return rmdir(folder);
}

/* What was told, each place without the folder. */
static char told[8192];

/* environ has no const, though nobody writes to it here. */
static char *const *as_environ(const char *const *environment)
{
	return (char *const *)(uintptr_t)environment;
}

static struct config *load(const char *yaml, const char *const *environment,
	const struct config_flag *flags, size_t flag_count)
{
	struct diagnostics diagnostics;
	struct config *config;
	struct error error;
	struct buf buf;

	if (yaml != NULL)
		assert_int_equal(file_write_atomic(path, yaml, strlen(yaml), 0600, &error),
			STATUS_OK);
	diagnostics_init(&diagnostics);
	buf_init(&buf, 65536);
	config = config_load(yaml != NULL ? path : NULL, as_environ(environment), flags, flag_count,
		&diagnostics);
	diagnostics_write(&diagnostics, &buf);
	told[0] = '\0';
	for (const char *line = buf.data; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');
		size_t skip = strncmp(line, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0;

		snprintf(told + strlen(told), sizeof(told) - strlen(told), "%.*s\n",
			(int)(end - line - (ptrdiff_t)skip), line + skip);
		line = end + 1;
	}
	assert_true((config == NULL) == (diagnostics.errors > 0));
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	return config;
}

static struct config *load_file(const char *yaml)
{
	return load(yaml, NULL, NULL, 0);
}

static void refused_file(const char *yaml, const char *wanted)
{
	assert_null(load_file(yaml));
	if (strstr(told, wanted) == NULL)
		fail_msg("\"%s\" was told instead of \"%s\"", told, wanted);
}

static void refused_flag(const char *name, const char *value, const char *wanted)
{
	struct config_flag flag = {name, value};

	assert_null(load(NULL, NULL, &flag, 1));
	if (strstr(told, wanted) == NULL)
		fail_msg("\"%s\" was told instead of \"%s\"", told, wanted);
}

static void nothing_given_gives_the_defaults(void **state)
{
	struct config *config = load(NULL, NULL, NULL, 0);
	size_t count;

	assert_non_null(config);
	assert_string_equal(told, "");
	assert_string_equal(config_text(config, SETTING_WEB_LISTEN_ADDRESS), "127.0.0.1:9797");
	assert_int_equal(config_int(config, SETTING_STORAGE_MEMORY_MAX), 1 << 30);
	assert_int_equal(config_int(config, SETTING_STORAGE_RETENTION), 6 * 3600000);
	/* In doubt nothing is changed. */
	assert_true(config_bool(config, SETTING_DRY_RUN));
	assert_int_equal(config_choice(config, SETTING_MODE), 0);
	assert_string_equal(config_text(config, SETTING_MODE), "observe");
	assert_true(config_double(config, SETTING_ANALYZE_THRESHOLD) == 6);
	assert_string_equal(config_list(config, SETTING_FEATURES, &count)[2], "remediate");
	assert_int_equal(count, 3);
	assert_null(config_list(config, SETTING_ANALYZE_SIGNALS, &count)[0]);
	assert_int_equal(count, 0);
	for (int id = 0; id < SETTING_COUNT; id++)
		assert_int_equal(config_source(config, (enum setting_id)id), SOURCE_DEFAULT);
	config_close(config);
}

static void the_later_layer_wins(void **state)
{
	static const char *const environment[] = {"HOME=/root",
		"NIMBUSGUARD_STORAGE_SERIES_MAX=2000", "NIMBUSGUARD_WEB_THREADS=7", NULL};
	static const struct config_flag flags[] = {{"web.threads", "9"}};
	struct config *config =
		load("storage:\n  series_max: 1000\n  path: here\nweb:\n  threads: 5\n",
			environment, flags, 1);

	assert_non_null(config);
	assert_string_equal(config_text(config, SETTING_STORAGE_PATH), "here");
	assert_int_equal(config_source(config, SETTING_STORAGE_PATH), SOURCE_FILE);
	assert_int_equal(config_int(config, SETTING_STORAGE_SERIES_MAX), 2000);
	assert_int_equal(config_source(config, SETTING_STORAGE_SERIES_MAX), SOURCE_ENVIRONMENT);
	assert_int_equal(config_int(config, SETTING_WEB_THREADS), 9);
	assert_int_equal(config_source(config, SETTING_WEB_THREADS), SOURCE_FLAG);
	config_close(config);
}

static void each_setting_is_printed_with_its_place(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_WEB_THREADS=7", NULL};
	static const struct config_flag flags[] = {{"no-dry-run", NULL}};
	struct config *config = load("web:\n  tokens:\n  - {name: p, file: /t, role: ingest}\n"
				     "  user_roles: {ann: read}\nmode: suggest\n",
		environment, flags, 1);
	struct buf buf;

	assert_non_null(config);
	buf_init(&buf, 65536);
	config_write(config, &buf);
	assert_non_null(
		strstr(buf.data, "web.threads = 7  # environment NIMBUSGUARD_WEB_THREADS\n"));
	assert_non_null(strstr(buf.data, "dry_run = false  # flag --no-dry-run\n"));
	assert_non_null(strstr(buf.data, "storage.memory_max = 1GiB  # default\n"));
	assert_non_null(strstr(buf.data, "web.config.file = \"\"  # default\n"));
	assert_non_null(strstr(buf.data, "/n.yml:5\n"));
	assert_non_null(strstr(buf.data, "web.tokens[p] = {file: /t, role: ingest}  # file\n"));
	assert_non_null(strstr(buf.data, "web.user_roles[ann] = read  # file\n"));
	for (int id = 0; id < SETTING_COUNT; id++)
		assert_int_equal(config_source(config, (enum setting_id)id) == SOURCE_FILE,
			id == SETTING_MODE);
	buf_fini(&buf);
	config_close(config);
}

static void mistakes_in_the_file_are_named_with_their_place(void **state)
{
	refused_file("web:\n  listen_adress: a\n",
		"n.yml:2:3: error: unknown key \"listen_adress\" in web, did you mean \"listen_address\"?");
	refused_file("storrage: {}\n",
		"n.yml:1:1: error: unknown key \"storrage\", did you mean \"storage\"?");
	refused_file("web:\n  zzzzzzzzzz: a\n",
		"n.yml:2:3: error: unknown key \"zzzzzzzzzz\" in web\n");
	refused_file("web:\n  threads: 100\n",
		"n.yml:2:12: error: web.threads: 100 is not between 1 and 64");
	refused_file("web: {threads: many}\n", "web.threads: \"many\" is no whole number");
	refused_file("storage: {retention: 5}\n",
		"storage.retention: \"5\" is no duration such as 30s, 5m or 1h30m");
	refused_file("storage: {retention: 1s}\n", "1s is not between 1m and ");
	refused_file("storage: {memory_max: lots}\n", "\"lots\" is no size such as 64MiB");
	refused_file("storage: {memory_max: 1KiB}\n", "1KiB is not between 16MiB and ");
	refused_file("mode: act\n", "\"act\" is none of observe|suggest|approve|auto");
	refused_file("mode: obs\n", "\"obs\" is none of");
	refused_file("mode: observe|suggest\n", "is none of");
	refused_file("dry_run: yes\n", "\"yes\" is neither true nor false");
	refused_file("guard:\n  freeze:\n  - Fir 16:00-Mon 06:00\n",
		":3:3: error: guard.freeze: \"Fir 16:00-Mon 06:00\", column 1: a day (Mon, Tue, Wed, "
		"Thu, Fri, Sat, Sun; did you mean Fri?) is expected");
	refused_flag("guard.freeze", "22:00-6:00", "column 7: a time HH:MM");
	refused_file("analyze: {threshold: high}\n", "\"high\" is no number");
	refused_file("analyze: {threshold: .nan}\n", "is no number");
	refused_file("analyze: {threshold: 0}\n", "0 is not between 1 and 1000");
	refused_file("mode: [observe]\n", "mode: this is no single value, but a list");
	refused_file("mode:\n", "n.yml:1:");
	refused_file("analyze: {signals: {a: b}}\n", "analyze.signals: this is no list");
	refused_file("analyze: {signals: ['a,b']}\n", "\"a,b\" has a comma");
	refused_file("analyze: {signals: [[a]]}\n", "element 1 is no text");
	refused_file("web: 1\n", "n.yml:1:6: error: web is no map of settings");
	refused_file("- web\n", "n.yml:1:1: error: the file is no map of settings");
	refused_file("web: {config: {file: a}}\nweb: {}\n", "n.yml:2:1: error: ");
	refused_file("web: [\n", "n.yml:");
}

static void a_missing_file_is_told(void **state)
{
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	assert_null(config_load("/nonexistent/n.yml", NULL, NULL, 0, &diagnostics));
	assert_int_equal(diagnostics.errors, 1);
	diagnostics_fini(&diagnostics);
}

static void all_mistakes_are_told_at_once(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_MODE=x", NULL};
	static const struct config_flag flags[] = {{"web.threads", "0"}, {"nonsense", "1"}};

	assert_null(load("mode: act\nweb: {slots: x}\n", environment, flags, 2));
	assert_non_null(strstr(told, "n.yml:1:7"));
	assert_non_null(strstr(told, "n.yml:2:14"));
	assert_non_null(strstr(told, "NIMBUSGUARD_MODE: error: \"x\" is none of"));
	assert_non_null(strstr(told, "--web.threads: error: 0 is not between 1 and 64"));
	assert_non_null(strstr(told, "--nonsense: error: unknown flag"));
}

static void what_is_commented_out_is_not_missed(void **state)
{
	static const char *const files[] = {"", "# nothing\n", "web:\n#  threads: 5\n",
		"web:\n  config:\n"};

	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		struct config *config = load_file(files[i]);

		assert_non_null(config);
		config_close(config);
	}
}

static void flags_of_booleans_stand_alone(void **state)
{
	static const struct {
		struct config_flag flag;
		bool dry_run;
	} cases[] = {{{"dry-run", NULL}, true}, {{"no-dry-run", NULL}, false},
		{{"dry-run", "false"}, false}, {{"dry-run", "true"}, true}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct config *config = load(NULL, NULL, &cases[i].flag, 1);

		assert_non_null(config);
		assert_int_equal(config_bool(config, SETTING_DRY_RUN), cases[i].dry_run);
		config_close(config);
	}
	refused_flag("no-dry-run", "true", "--no-dry-run: error: takes no value");
	refused_flag("no-mode", NULL, "--no-mode: error: unknown flag");
	refused_flag("dry-run", "maybe", "\"maybe\" is neither true nor false");
}

static void the_last_of_equal_flags_wins_and_lists_add_up(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_ENABLE_FEATURE=analyze", NULL};
	static const struct config_flag flags[] = {{"web.threads", "2"}, {"web.threads", "3"},
		{"enable-feature", "ingest"}, {"enable-feature", " remediate ,"}};
	struct config *config = load(NULL, environment, flags, 4);
	const char *const *features;
	size_t count;

	assert_non_null(config);
	assert_int_equal(config_int(config, SETTING_WEB_THREADS), 3);
	features = config_list(config, SETTING_FEATURES, &count);
	assert_int_equal(count, 2);
	assert_string_equal(features[0], "ingest");
	assert_string_equal(features[1], "remediate");
	assert_null(features[2]);
	config_close(config);
}

static void lists_are_the_same_in_every_layer(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_ANALYZE_SIGNALS=a, b", NULL};
	struct config *config = load("analyze: {signals: [a, b]}\n", NULL, NULL, 0);
	struct config *other = load(NULL, environment, NULL, 0);
	size_t count;

	assert_string_equal(config_list(config, SETTING_ANALYZE_SIGNALS, &count)[1], "b");
	assert_int_equal(count, 2);
	assert_string_equal(config_list(other, SETTING_ANALYZE_SIGNALS, &count)[1], "b");
	assert_int_equal(count, 2);
	config_close(config);
	config_close(other);
}

static void a_comma_inside_of_a_selector_is_part_of_it(void **state)
{
	static const char *const selectors[] = {"up{a=\"b\",c=~\"d{1,2}\"}", "{a=\"},\\\"\",b='x'}",
		"it's", "{job=`\\`,x=\"\"}"};
	static const char file[] = "ingest:\n  keep:\n"
				   "  - 'up{a=\"b\",c=~\"d{1,2}\"}'\n"
				   "  - '{a=\"},\\\"\",b=''x''}'\n"
				   "  - it's\n"
				   "  - '{job=`\\`,x=\"\"}'\n";
	char variable[256];
	const char *const environment[] = {variable, NULL};
	struct config *configs[2];

	snprintf(variable, sizeof(variable), "NIMBUSGUARD_INGEST_KEEP=%s, %s,%s,%s", selectors[0],
		selectors[1], selectors[2], selectors[3]);
	configs[0] = load(file, NULL, NULL, 0);
	configs[1] = load(NULL, environment, NULL, 0);
	for (size_t i = 0; i < 2; i++) {
		const char *const *list;
		size_t count;
		assert_non_null(configs[i]);
		list = config_list(configs[i], SETTING_INGEST_KEEP, &count);
		assert_int_equal(count, 4);
		for (size_t k = 0; k < 4; k++)
			assert_string_equal(list[k], selectors[k]);
		config_close(configs[i]);
	}
}

static void a_list_has_an_end(void **state)
{
	char text[400] = "";

	for (int i = 0; i < 65; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), i > 0 ? ",x" : "x");
	refused_flag("analyze.signals", text, "more than 64 elements");
}

static void features_are_checked(void **state)
{
	refused_flag("enable-feature", "ingest,analyse", "\"analyse\" is none of ingest");
	refused_flag("enable-feature", " , ", "nothing would run");
}

static void what_no_single_value_can_say_is_checked(void **state)
{
	struct config *config;

	refused_flag("web.route-prefix", "x", "\"x\" must start with / and not end with one");
	refused_flag("web.route-prefix", "/", "must start with /");
	refused_flag("web.route-prefix", "/x/", "must start with /");
	refused_flag("analyze.threshold-close", "7", "is above analyze.threshold");
	refused_flag("analyze.history-min", "1h", "nothing would ever be found");
	config = load_file("storage: {retention: 30m}\n");
	assert_non_null(config);
	assert_non_null(strstr(told, "analyze.history: warning: is longer than storage.retention"));
	config_close(config);
}

static void one_way_to_the_cluster_is_enough(void **state)
{
	(void)state;
	refused_file("kubernetes:\n  kubeconfig: a\n  url: https://b\n",
		"kubernetes.url: error: stands beside kubernetes.kubeconfig");
	refused_file("kubernetes:\n  kubeconfig: a\n  token_file: b\n", "kubernetes.token_file");
	refused_file("kubernetes:\n  kubeconfig: a\n  ca_file: b\n", "kubernetes.ca_file");
	refused_flag("kubernetes.context", "x", "is of no use without kubernetes.kubeconfig");
}

static void a_variable_that_names_nothing_is_warned_of(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_MOOD=observe",
		"NIMBUSGUARD_PORT=tcp://1", "NIMBUSGUARD_SERVICE_PORT_HTTP=9797",
		"NIMBUSGUARD_TEST_BIN=x", "NIMBUSGUARD_TEST_ANYTHING=x", "NIMBUSGUARD_DATA=x",
		"NIMBUSGUARDX=1", "NIMBUSGUARD_STORGE_PATH=x", NULL};
	struct config *config = load(NULL, environment, NULL, 0);

	assert_non_null(config);
	assert_string_equal(told,
		"NIMBUSGUARD_MOOD: warning: environment variable names no setting\n"
		"NIMBUSGUARD_STORGE_PATH: warning: environment variable names no setting, did you "
		"mean NIMBUSGUARD_STORAGE_PATH?\n");
	config_close(config);
}

static void tokens_and_roles_of_users_are_read(void **state)
{
	struct config *config = load_file(
		"web:\n  tokens:\n  - {name: prom, file: /p, role: ingest}\n"
		"  - {name: am, file: /a, role: webhook}\n  user_roles:\n    ann: admin\n");
	const struct access_token *tokens;
	size_t count;

	assert_non_null(config);
	tokens = config_tokens(config, &count);
	assert_int_equal(count, 3);
	assert_string_equal(tokens[0].name, "prom");
	assert_string_equal(tokens[1].file, "/a");
	assert_int_equal(tokens[1].role, ACCESS_WEBHOOK);
	assert_string_equal(tokens[2].name, "ann");
	assert_null(tokens[2].file);
	assert_int_equal(tokens[2].role, ACCESS_ADMIN);
	assert_non_null(strstr(config_token_place(config, 1), "n.yml:4"));
	assert_non_null(strstr(config_token_place(config, 2), "n.yml:6"));
	config_close(config);
	refused_file("web: {tokens: 1}\n", "web.tokens is no list");
	refused_file("web: {tokens: [1]}\n", "n.yml:1:16");
	refused_file("web: {tokens: [{name: a, role: read}]}\n", "file");
	refused_file("web: {tokens: [{name: a, file: b, role: boss}]}\n",
		"role \"boss\" is none of read, ingest, webhook, approve, admin");
	refused_file("web: {tokens: [{name: a, file: b, role: none}]}\n", "role \"none\"");
	refused_file("web: {tokens: [{nam: a, file: b, role: read}]}\n", "did you mean \"name\"?");
	refused_file("web: {user_roles: [a]}\n", "web.user_roles is no map of users to roles");
	refused_file("web: {user_roles: {ann: boss}}\n", "n.yml:1:25: error: role \"boss\"");
	refused_file("web: {user_role: {}}\n", "did you mean \"user_roles\"?");
}

static void there_are_only_so_many_tokens(void **state)
{
	char yaml[8192] = "web:\n  tokens:\n";

	for (int i = 0; i < 65; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
			"  - {name: t%d, file: /f, role: read}\n", i);
	refused_file(yaml, "n.yml:67:");
	assert_non_null(strstr(told, "more than 64 tokens and users"));
}

#define PD "{kind: pagerduty, name: pd, routing_key_file: /k}"

static void ticket_services_are_read(void **state)
{
	struct config *config = load_file(
		"tickets:\n- " PD "\n"
		"- {kind: webhook, name: w, url: 'https://h/secret-path', secret_file: /s}\n"
		"- {kind: jira, name: j, url: 'https://jira', token_file: /t, user: a@b, project: OPS,"
		" issue_type: Bug, labels: [x, y], priorities: {critical: Highest},"
		" close_transition: Done}\n");
	const struct ticket_service *services;
	struct config *none;
	struct buf text;
	size_t count;

	if (config == NULL)
		fail_msg("%s", told);
	services = config_tickets(config, &count);
	assert_int_equal(count, 3);
	assert_string_equal(services[0].url, "https://events.pagerduty.com");
	assert_string_equal(services[0].secret_file, "/k");
	assert_int_equal(services[1].kind, TICKET_WEBHOOK);
	assert_string_equal(services[2].priorities[TICKET_CRITICAL], "Highest");
	assert_null(services[2].priorities[TICKET_INFO]);
	assert_int_equal(services[2].label_count, 2);
	assert_string_equal(services[2].close_transition, "Done");
	buf_init(&text, 65536);
	config_write(config, &text);
	assert_non_null(strstr(text.data, "tickets[w] = {kind: webhook, secret_file: /s}"));
	/* A webhook's URL may be a secret. */
	assert_null(strstr(text.data, "secret-path"));
	buf_reset(&text);
	none = load_file("mode: observe\n");
	config_fixed_changes(config, none, &text);
	assert_string_equal(text.data, "tickets");
	buf_fini(&text);
	config_close(none);
	config_close(config);
}

static void wrong_ticket_services_are_refused_at_their_place(void **state)
{
	refused_file("tickets: 1\n", "n.yml:1:10: error: tickets is no list");
	refused_file("tickets: [1]\n", "a ticket service is a map");
	refused_file("tickets:\n- {kind: pager, name: a}\n", "n.yml:2:10");
	refused_file("tickets:\n- {kind: pagerduty, name: a}\n", "routing_key_file");
	refused_file("tickets:\n- {kind: pagerduty, name: a, routing_key: x}\n", "unknown key");
	refused_file("tickets:\n- {kind: pagerduty, name: a, token_file: x}\n", "unknown key");
	refused_file("tickets:\n- {kind: pagerduty, name: 'a b', routing_key_file: x}\n",
		"is not of letters");
	refused_file("tickets:\n- " PD "\n- " PD "\n",
		"n.yml:3:27: error: a second service \"pd\"");
	refused_file("tickets:\n- {kind: webhook, name: a, secret_file: x}\n", "url");
	refused_file(
		"tickets:\n- {kind: webhook, name: a, url: 'http://h.example', secret_file: x}\n",
		"no https:// URL");
	refused_file(
		"tickets:\n- {kind: webhook, name: a, url: 'http://localhost.evil', secret_file: x}\n",
		"no https:// URL");
	refused_file("tickets:\n- {kind: webhook, name: a, url: 'https://u:p@h', secret_file: x}\n",
		"no https:// URL");
	refused_file(
		"tickets:\n- {kind: jira, name: a, url: 'https://h', token_file: x, project: 'A B',"
		" issue_type: Bug}\n",
		"no project's key");
	refused_file(
		"tickets:\n- {kind: jira, name: a, url: 'https://h', token_file: x, project: A,"
		" issue_type: Bug, labels: ['a b']}\n",
		"a label is a text without blanks");
	refused_file(
		"tickets:\n- {kind: jira, name: a, url: 'https://h', token_file: x, project: A,"
		" issue_type: Bug, priorities: {page: High}}\n",
		"unknown key");
	refused_file("ticket: []\n", "did you mean \"tickets\"?");
}

static void changes_that_need_a_restart_are_named(void **state)
{
	struct config *old = load_file("mode: observe\nweb: {threads: 2}\n");
	struct config *new = load_file("mode: auto\nweb:\n  threads: 3\n  tokens:\n"
				       "  - {name: a, file: b, role: read}\nstorage: {path: x}\n");
	struct buf text;

	buf_init(&text, 4096);
	config_fixed_changes(old, old, &text);
	assert_int_equal(text.size, 0);
	config_fixed_changes(old, new, &text);
	assert_string_equal(text.data, "web.threads, storage.path, web.tokens or web.user_roles");
	buf_fini(&text);
	config_close(old);
	config_close(new);
}

static void every_flag_is_known_by_its_name(void **state)
{
	char text[128];
	bool takes_value;

	assert_true(config_flag_known("storage.memory-max", &takes_value));
	assert_true(takes_value);
	assert_true(config_flag_known("no-dry-run", &takes_value));
	assert_false(takes_value);
	assert_false(config_flag_known("storage.memory_max", &takes_value));
	assert_false(config_flag_known("no-storage.path", &takes_value));
	assert_string_equal(config_flag_nearest("storage.memory-mx", NULL, text, sizeof(text)),
		"storage.memory-max");
	assert_string_equal(config_flag_nearest("config.fil", NULL, text, sizeof(text)),
		"config.file");
	assert_null(config_flag_nearest("qqqqqqqqqqqq", NULL, text, sizeof(text)));
	assert_string_equal(config_flag_nearest("qqqqqqqqqqqr",
				    (const char *const[]){"qqqqqqqqqqqq", NULL}, text,
				    sizeof(text)),
		"qqqqqqqqqqqq");
}

/* Every default lies within its bounds, and a flag and a variable exist for each setting. */
static void the_table_is_sound(void **state)
{
#define SETTING(id, path, type, fallback, min, max, choices, reloadable, help)                     \
	{path, fallback, help},
	static const struct {
		const char *path, *fallback, *help;
	} table[] = {SETTING_TABLE(SETTING)};
#undef SETTING
	struct buf usage, docs;

	buf_init(&usage, 1 << 20);
	buf_init(&docs, 1 << 20);
	config_write_usage(&usage);
	config_write_docs(&docs);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		char name[200], variable[200], *c;
		const char *const environment[] = {variable, NULL};
		struct config *config;
		bool takes_value;

		snprintf(name, sizeof(name), "%s", table[i].path);
		snprintf(variable, sizeof(variable), "NIMBUSGUARD_%s", table[i].path);
		for (c = name; *c != '\0'; c++)
			*c = *c == '_' ? '-' : *c;
		for (c = variable; *c != '\0'; c++)
			*c = *c == '.' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		snprintf(variable + strlen(variable), sizeof(variable) - strlen(variable), "=%s",
			table[i].fallback);
		assert_true(config_flag_known(name, &takes_value));
		config = load(NULL, environment, NULL, 0);
		assert_non_null(config);
		assert_int_equal(config_source(config, (enum setting_id)i), SOURCE_ENVIRONMENT);
		config_close(config);
		assert_non_null(strstr(usage.data, name));
		assert_non_null(strstr(usage.data, table[i].help));
		assert_non_null(strstr(docs.data, table[i].path));
	}
	buf_fini(&usage);
	buf_fini(&docs);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_WEB_THREADS=7", NULL};
	static const struct config_flag flags[] = {{"enable-feature", "ingest"},
		{"enable-feature", "analyze"}};
	static const char yaml[] =
		"mode: suggest\nanalyze: {signals: [a, b]}\nweb:\n  tokens:\n"
		"  - {name: a, file: b, role: read}\n  user_roles: {ann: read}\n";
	struct error error;
	bool reached;
	long nth = 0;

	assert_int_equal(file_write_atomic(path, yaml, strlen(yaml), 0600, &error), STATUS_OK);
	do {
		struct diagnostics diagnostics;
		struct config *config;
		size_t count;

		diagnostics_init(&diagnostics);
		(void)mem_fail_after(++nth, false);
		config = config_load(path, as_environ(environment), flags, 2, &diagnostics);
		reached = mem_fail_after(0, false);
		assert_true((config == NULL) == (diagnostics.errors > 0));
		assert_true(reached || config != NULL);
		if (config != NULL) {
			assert_string_equal(config_text(config, SETTING_MODE), "suggest");
			(void)config_list(config, SETTING_FEATURES, &count);
			assert_int_equal(count, 2);
			(void)config_tokens(config, &count);
			assert_int_equal(count, 2);
		}
		config_close(config);
		diagnostics_fini(&diagnostics);
	} while (reached);
	assert_true(nth > 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_gives_the_defaults),
		cmocka_unit_test(the_later_layer_wins),
		cmocka_unit_test(each_setting_is_printed_with_its_place),
		cmocka_unit_test(mistakes_in_the_file_are_named_with_their_place),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(all_mistakes_are_told_at_once),
		cmocka_unit_test(what_is_commented_out_is_not_missed),
		cmocka_unit_test(flags_of_booleans_stand_alone),
		cmocka_unit_test(the_last_of_equal_flags_wins_and_lists_add_up),
		cmocka_unit_test(lists_are_the_same_in_every_layer),
		cmocka_unit_test(a_comma_inside_of_a_selector_is_part_of_it),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(features_are_checked),
		cmocka_unit_test(what_no_single_value_can_say_is_checked),
		cmocka_unit_test(one_way_to_the_cluster_is_enough),
		cmocka_unit_test(a_variable_that_names_nothing_is_warned_of),
		cmocka_unit_test(tokens_and_roles_of_users_are_read),
		cmocka_unit_test(there_are_only_so_many_tokens),
		cmocka_unit_test(ticket_services_are_read),
		cmocka_unit_test(wrong_ticket_services_are_refused_at_their_place),
		cmocka_unit_test(changes_that_need_a_restart_are_named),
		cmocka_unit_test(every_flag_is_known_by_its_name),
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
