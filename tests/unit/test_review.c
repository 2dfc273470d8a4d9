/*
 * The review of a configuration: parts that can do nothing are warned of, files that are missing are
 * told with who named them, and an address off loopback needs access control.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/review.h"

static char folder[512], playbooks[600];

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");

	unsetenv("KUBERNETES_SERVICE_HOST");
	snprintf(folder, sizeof(folder), "%s/review-XXXXXX", parent != NULL ? parent : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(playbooks, sizeof(playbooks), "%s/playbooks", folder);
	return mkdir(playbooks, 0700);
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"n.yml", "kube", "signals.yaml", "playbooks/p.yaml"};
	char path[700];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(playbooks) || rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	char path[700];
	struct error error;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &error), STATUS_OK);
}

static char told[8192];
static size_t errors, warnings;

/* Reviews a file of this text with the rules of the folder. */
static void review(const char *yaml)
{
	static struct bundle bundle;
	struct diagnostics diagnostics;
	struct config *config;
	char path[700];
	struct buf buf;

	write_file("n.yml", yaml);
	snprintf(path, sizeof(path), "%s/n.yml", folder);
	bundle = (struct bundle){.found = true};
	snprintf(bundle.signals, sizeof(bundle.signals), "%s/signals.yaml", folder);
	snprintf(bundle.playbooks, sizeof(bundle.playbooks), "%s", playbooks);
	snprintf(bundle.looked_in, sizeof(bundle.looked_in), "here and there");
	bundle.signal_paths[0] = bundle.signals;
	bundle.playbook_paths[0] = bundle.playbooks;
	diagnostics_init(&diagnostics);
	config = config_load(path, NULL, NULL, 0, &diagnostics);
	assert_non_null(config);
	bool good = review_rules(config, &bundle, clock_system(), &diagnostics) == STATUS_OK;
	assert_true(good == (diagnostics.errors == 0));
	struct access *access = review_access(config, &diagnostics);
	assert_true(access != NULL || diagnostics.errors > 0);
	access_close(access);
	buf_init(&buf, 65536);
	buf_add_text(&buf, "");
	diagnostics_write(&diagnostics, &buf);
	snprintf(told, sizeof(told), "%s", buf.data);
	errors = diagnostics.errors;
	warnings = diagnostics.warnings;
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	config_close(config);
}

static int with_rules(void **state)
{
	write_file("signals.yaml", "signals:\n- {role: cpu, selector: a}\n");
	write_file("playbooks/p.yaml",
		"playbook: p\ntrigger: {alert: ['a=\"b\"']}\n"
		"steps: [{action: ticket, title: t, text: t}]\n");
	return 0;
}

static void warns(const char *yaml, const char *wanted)
{
	review(yaml);
	assert_int_equal(errors, 0);
	if (strstr(told, wanted) == NULL)
		fail_msg("\"%s\" was told instead of \"%s\"", told, wanted);
	assert_int_equal(warnings, 1);
}

static void silent(const char *yaml)
{
	review(yaml);
	assert_string_equal(told, "");
}

static void refuses(const char *yaml, const char *wanted)
{
	review(yaml);
	assert_true(errors > 0);
	if (strstr(told, wanted) == NULL)
		fail_msg("\"%s\" was told instead of \"%s\"", told, wanted);
}

static void acting_without_a_cluster_is_warned_of(void **state)
{
	warns("mode: auto\ndry_run: false\n",
		"n.yml:1: warning: mode auto with dry run off, but no Kubernetes API server is "
		"known");
	warns("dry_run: false\nmode: approve\n", "n.yml:2: warning: mode approve");
	silent("mode: auto\n");
	silent("mode: auto\ndry_run: false\nkubernetes: {url: 'http://127.0.0.1:1'}\n");
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	silent("mode: auto\ndry_run: false\n");
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void no_dry_run_that_changes_nothing_is_warned_of(void **state)
{
	warns("dry_run: false\n", "n.yml:1: warning: dry run is off, but mode observe changes");
	warns("dry_run: false\nmode: auto\nenable_feature: [ingest]\n",
		"n.yml:1: warning: dry run is off, but remediate is not in enable_feature");
	silent("dry_run: false\nmode: suggest\n");
	silent("");
}

static void what_is_not_written_out_is_told_at_its_own_setting(void **state)
{
	(void)state;
	refuses("remote_write_out:\n  url: http://127.0.0.1:9/\n  interval: 30s\n  metrics: [nix]\n",
		"n.yml:4: error: remote_write_out.metrics: there is no metric \"nix\"");
	refuses("remote_write_out:\n  url: http://127.0.0.1:9/\n  external_labels: ['0=a']\n",
		"n.yml:3: error: remote_write_out.external_labels: ");
	refuses("remote_write_out:\n  url: ftp://127.0.0.1:9/\n  metrics: [nimbusguard_signals]\n",
		"n.yml:2: error: ");
}

static void analysis_without_samples_is_warned_of(void **state)
{
	warns("enable_feature: [analyze]\n", "n.yml:1: warning: analyze without ingest");
	silent("enable_feature: [ingest, analyze]\n");
	silent("enable_feature: [remediate]\n");
}

static void a_part_of_the_memory_larger_than_the_whole_is_warned_of(void **state)
{
	warns("storage: {memory_max: 32MiB}\ningest:\n  histograms: ['{a=\"b\"}']\n"
	      "  histograms_memory_max: 48MiB\n",
		"n.yml:4: warning: ingest.histograms_memory_max (50331648 bytes) is larger than "
		"storage.memory_max (33554432 bytes)");
	silent("storage: {memory_max: 64MiB}\ningest:\n  histograms: ['{a=\"b\"}']\n"
	       "  histograms_memory_max: 48MiB\n");
	/* The default may be larger, where no histograms are kept. */
	silent("storage: {memory_max: 32MiB}\n");
}

static void rules_that_hold_nothing_are_warned_of(void **state)
{
	char path[700];

	write_file("signals.yaml", "signals: []\n");
	warns("", "signals.yaml: warning: binds no signal");
	(void)with_rules(NULL);
	snprintf(path, sizeof(path), "%s/p.yaml", playbooks);
	assert_int_equal(unlink(path), 0);
	warns("", "playbooks: warning: holds no playbook");
	(void)with_rules(NULL);
	silent("");
}

static void missing_bundled_rules_are_told_with_where_they_were_looked_for(void **state)
{
	char path[700];

	snprintf(path, sizeof(path), "%s/signals.yaml", folder);
	assert_int_equal(unlink(path), 0);
	refuses("",
		"/signals.yaml: error: the rules that come with the program are not there "
		"(looked in here and there)");
	assert_non_null(strstr(told, "name your own with --analyze.signals\n"));
	assert_int_equal(errors, 1);
	/* What does not run needs no rules. */
	silent("enable_feature: [ingest, remediate]\n");
	(void)with_rules(NULL);
}

static void an_address_that_a_start_refuses_is_told_with_its_place(void **state)
{
	silent("kubernetes: {url: 'https://k8s:6443'}\n");
	refuses("kubernetes:\n  url: http://10.0.0.1:80\n",
		"n.yml:2: error: kubernetes.url: \"http://10.0.0.1:80\": the Kubernetes API is spoken "
		"to by https://");
	refuses("kubernetes: {url: 'https://ann@k8s:6443'}\n", "must not hold a user");
	silent("alertmanager: {url: 'http://127.0.0.1:9093'}\n");
	refuses("alertmanager:\n  url: http://alertmanager:9093\n",
		"n.yml:2: error: alertmanager.url is no https:// one");
}

static void a_name_that_there_is_not_is_told_with_its_place(void **state)
{
	refuses("mode: observe\nanalyze:\n  detector: oracle\n",
		"n.yml:3: error: analyze.detector: there is no detector \"oracle\"");
	refuses("mode: observe\nanalyze:\n  forecaster: oracle\n",
		"n.yml:3: error: analyze.forecaster: there is no forecaster \"oracle\"");
	assert_int_equal(errors, 1);
}

static void a_missing_file_is_told_with_who_named_it(void **state)
{
	char text[700];

	refuses("analyze:\n  signals: [/gone.yaml]\n",
		"/gone.yaml: error: cannot open /gone.yaml: No such file or directory "
		"(analyze.signals, ");
	assert_non_null(strstr(told, "n.yml:2)\n"));
	refuses("remediate: {playbooks: [/gone]}\n", "(remediate.playbooks, ");
	refuses("web:\n  config:\n    file: /gone.yml\n", "(web.config.file, ");
	assert_non_null(strstr(told, "n.yml:3)\n"));
	refuses("kubernetes: {url: 'http://127.0.0.1:1', token_file: /gone}\n",
		"n.yml:1: error: kubernetes.token_file: cannot open /gone: ");
	refuses("kubernetes:\n  ca_file: /gone\n",
		"n.yml:2: error: kubernetes.ca_file: cannot open /gone: ");
	write_file("kube",
		"clusters: [{name: c, cluster: {server: 'https://h:1', certificate-authority: /gone.crt}}]\n"
		"users: [{name: u, user: {tokenFile: gone.token}}]\n"
		"contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n");
	snprintf(text, sizeof(text), "kubernetes: {kubeconfig: %s/kube}\n", folder);
	refuses(text, "kube: error: context \"x\": certificate-authority: cannot open /gone.crt: ");
	assert_non_null(strstr(told, "context \"x\": tokenFile: cannot open "));
	assert_non_null(strstr(told, "(kubernetes.kubeconfig, "));
	refuses("web:\n  tokens:\n  - {name: ann, role: read, file: /gone}\n",
		"/gone: error: token \"ann\": cannot open /gone: No such file or directory "
		"(web.tokens, ");
	assert_non_null(strstr(told, "n.yml:3)\n"));
}

static void off_loopback_access_control_is_needed(void **state)
{
	refuses("web:\n  listen_address: 0.0.0.0:1\n",
		"n.yml:2: error: 0.0.0.0:1 is not loopback and there is no access control");
	silent("web: {listen_address: '0.0.0.0:1', allow_unauthenticated: true}\n");
	silent("web: {listen_address: '127.0.0.1:1'}\n");
	refuses("web: {listen_address: nothing}\n", "n.yml:1: error: web.listen_address: ");
}

static void faulty_selectors_are_told_each_with_its_place(void **state)
{
	refuses("ingest:\n"
		"  keep: ['up', '{job=\"a\"']\n"
		"  drop: ['{job=~\"(\"}']\n"
		"  histograms: ['up[']\n"
		"  exemplars: ['rate(up[5m])']\n"
		"backfill:\n"
		"  match: ['up{job==\"a\"}']\n",
		"n.yml:2: error: ingest.keep: {job=\"a\": column 9: ");
	assert_int_equal(errors, 5);
	assert_non_null(strstr(told, "n.yml:3: error: ingest.drop: {job=~\"(\"}: column "));
	assert_non_null(strstr(told, "n.yml:4: error: ingest.histograms: "));
	assert_non_null(strstr(told, "n.yml:5: error: ingest.exemplars: rate(up[5m]): column "));
	assert_non_null(strstr(told, "n.yml:7: error: backfill.match: up{job==\"a\"}: column "));
	refuses("backfill:\n  url: http://x\n  external_labels: [a]\n",
		"n.yml:3: error: backfill.external_labels: \"a\" is no name=value");
	silent("ingest: {keep: ['{job=\"a\"}'], drop: ['{job=~\"a.+\"}']}\n");
}

static void replicas_of_one_label_are_refused(void **state)
{
	refuses("ingest:\n  ha: {enabled: true, replica_label: cluster}\n",
		"n.yml:2: error: ingest.ha.cluster_label (\"cluster\") and "
		"ingest.ha.replica_label (\"cluster\") must be two labels");
	refuses("ingest: {ha: {enabled: true, cluster_label: ''}}\n", "must be two labels");
	silent("ingest: {ha: {enabled: true}}\n");
	silent("ingest: {ha: {replica_label: cluster}}\n");
}

/* A start goes on without them, and what needs them then waits. */
static void a_secret_that_is_missing_is_warned_of(void **state)
{
	char text[1600];

	snprintf(text, sizeof(text),
		"tickets:\n- {kind: webhook, name: hook, url: 'https://example.org/x', "
		"secret_file: %s/none}\n",
		folder);
	warns(text, "/none: No such file or directory; until it is there its tickets wait");
	assert_non_null(strstr(told, "tickets: warning: hook: credentials: cannot open "));
	snprintf(text, sizeof(text),
		"tickets:\n- {kind: pagerduty, name: oncall, routing_key_file: %s/n.yml, "
		"ca_file: %s/none}\n",
		folder, folder);
	warns(text, "tickets: warning: oncall: ca_file: cannot open ");
	snprintf(text, sizeof(text),
		"alertmanager:\n  url: https://example.org\n  token_file: %s/n.yml\n"
		"  ca_file: %s/none\n",
		folder, folder);
	warns(text, "n.yml:4: warning: alertmanager.ca_file: cannot open ");
	snprintf(text, sizeof(text),
		"alertmanager:\n  url: https://example.org\n  token_file: %s/none\n"
		"  ca_file: %s/n.yml\n",
		folder, folder);
	warns(text, "n.yml:3: warning: alertmanager.token_file: cannot open ");
	/* Nobody asks for it then. */
	snprintf(text, sizeof(text), "alertmanager: {ca_file: %s/none}\n", folder);
	silent(text);
}

static void a_lease_needs_names_and_a_namespace(void **state)
{
	refuses("leader_election:\n  enabled: true\n  namespace: Shop\n",
		"n.yml:3: error: leader_election.namespace: \"Shop\" is no name that Kubernetes "
		"allows");
	refuses("leader_election:\n  enabled: true\n  namespace: shop\n  name: a b\n",
		"n.yml:4: error: leader_election.name: \"a b\" is no name");
	warns("kubernetes: {url: 'https://10.0.0.1'}\nleader_election: {enabled: true}\n",
		"n.yml:2: warning: leader_election.namespace is not set");
	/* In a pod it is the pod's, and where it is off it is of no use. */
	silent("leader_election: {enabled: true}\n");
	silent("leader_election: {namespace: Shop}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(acting_without_a_cluster_is_warned_of, with_rules),
		cmocka_unit_test_setup(no_dry_run_that_changes_nothing_is_warned_of, with_rules),
		cmocka_unit_test_setup(analysis_without_samples_is_warned_of, with_rules),
		cmocka_unit_test_setup(a_part_of_the_memory_larger_than_the_whole_is_warned_of,
			with_rules),
		cmocka_unit_test_setup(rules_that_hold_nothing_are_warned_of, with_rules),
		cmocka_unit_test_setup(
			missing_bundled_rules_are_told_with_where_they_were_looked_for, with_rules),
		cmocka_unit_test_setup(an_address_that_a_start_refuses_is_told_with_its_place,
			with_rules),
		cmocka_unit_test_setup(a_name_that_there_is_not_is_told_with_its_place, with_rules),
		cmocka_unit_test_setup(a_missing_file_is_told_with_who_named_it, with_rules),
		cmocka_unit_test_setup(off_loopback_access_control_is_needed, with_rules),
		cmocka_unit_test_setup(faulty_selectors_are_told_each_with_its_place, with_rules),
		cmocka_unit_test_setup(replicas_of_one_label_are_refused, with_rules),
		cmocka_unit_test_setup(what_is_not_written_out_is_told_at_its_own_setting,
			with_rules),
		cmocka_unit_test_setup(a_secret_that_is_missing_is_warned_of, with_rules),
		cmocka_unit_test_setup(a_lease_needs_names_and_a_namespace, with_rules),
	};

	return cmocka_run_group_tests_name("review", tests, make_folder, remove_folder);
}
