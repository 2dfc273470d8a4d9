/*
 * rbac: the roles that the enabled playbooks need, written for kubectl, or held against what the
 * cluster allows.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/bundle.h"
#include "daemon/cluster_client.h"
#include "daemon/command.h"
#include "daemon/rbac.h"
#include "remediations/kube_observe.h"
#include "remediations/rules.h"

const char rbac_flags[] =
	"usage: nimbusguard rbac [flags]\n\n"
	"The ServiceAccount, roles and bindings that the enabled playbooks need, and nothing more;\n"
	"beside each verb stands what it is for. A playbook whose own mode is observe or suggest\n"
	"needs no writes; the mode of the service is not looked at, so that it can be raised later.\n\n"
	"flags:\n"
	"  --format=FORMAT     yaml (default) or json\n"
	"  --namespace=NS      a Role in this namespace in place of a ClusterRole; may be repeated.\n"
	"                      Nodes live in no namespace and get a ClusterRole all the same\n"
	"  --service-account=NAMESPACE/NAME\n"
	"                      whom the roles are bound to (default nimbusguard/nimbusguard)\n"
	"  --name=NAME         of roles and bindings (default nimbusguard)\n"
	"  --check             ask the cluster (--kubernetes.url, or inside of one) whether the\n"
	"                      credentials of the service are allowed all of it; exit status 0 when\n"
	"                      they are, 1 when a verb is missing or the cluster does not tell\n"
	"and the settings of serve: --config.file, --kubernetes.*, --remediate.playbooks; with\n"
	"--leader-election.enabled a Role NAME-lease, too, in the namespace of the Lease.\n\n"
	"examples:\n"
	"  nimbusguard rbac | kubectl apply -f -\n"
	"  nimbusguard rbac --namespace=shop --namespace=billing\n"
	"  nimbusguard rbac --check --kubernetes.url=https://k8s:6443 --kubernetes.token-file=token\n";

/* ---- check ---- */

static bool is_missing(struct kube_session *session, const struct permission *permission,
	const char *namespace_name, bool *unknown)
{
	struct error error;
	bool allowed;

	if (permission_review(session, permission, namespace_name, &allowed, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: the cluster does not tell: %s\n", error.text);
		*unknown = true;
		return false;
	}
	if (allowed)
		return false;
	printf("missing: %s %s%s%s%s%s: %s (%s)\n", permission->verb, permission->resource,
		permission->group[0] != '\0' ? "." : "", permission->group,
		namespace_name != NULL && !permission->cluster_wide ? " in namespace " : "",
		namespace_name != NULL && !permission->cluster_wide ? namespace_name : "",
		permission->reason, permission->playbooks);
	return true;
}

static int check(const struct config *config, const struct rbac_question *question)
{
	size_t places = question->namespace_count > 0 ? question->namespace_count : 1;
	struct cluster_client cluster;
	size_t asked = 0, missing = 0;
	bool unknown = false;
	unsigned absent;
	struct error error;

	if (!cluster_client_known(config)) {
		fprintf(stderr, "nimbusguard: no cluster is known: give --kubernetes.url\n");
		return EXIT_USAGE;
	}
	if (cluster_client_open(&cluster, config, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		return EXIT_FAILED;
	}
	if (permissions_absent(cluster.session, &absent, &error) != STATUS_OK)
		absent = 0;
	for (size_t i = 0; i < question->permissions->count && !unknown; i++) {
		const struct permission *permission = &question->permissions->list[i];

		if (permission_is_absent(permission, absent))
			continue;
		if (permission->for_all && question->namespace_count > 0)
			continue;
		for (size_t k = 0; k < (permission->cluster_wide ? 1 : places) && !unknown; k++) {
			asked++;
			missing += is_missing(cluster.session, permission, question->namespaces[k],
				&unknown);
		}
	}
	if (!unknown && question->lease_name != NULL) {
		struct permission lease[PERMISSIONS_LEASE];

		permissions_of_lease(question->lease_name, lease);
		for (size_t i = 0; i < PERMISSIONS_LEASE && !unknown; i++, asked++)
			missing += is_missing(cluster.session, &lease[i], question->lease_namespace,
				&unknown);
	}
	cluster_client_close(&cluster);
	if (unknown)
		return EXIT_FAILED;
	printf("%zu of %zu permissions are there\n", asked - missing, asked);
	return missing > 0 ? EXIT_FAILED : EXIT_GOOD;
}

/* ---- the command line ---- */

static bool name_good(const char *name, const char *flag)
{
	if (kube_name_valid(name))
		return true;
	fprintf(stderr, "nimbusguard: --%s: \"%s\" is no name that Kubernetes allows\n", flag,
		name);
	return false;
}

/* The lease is in the namespace of the service's pod unless the settings say another. */
static void add_lease(const struct leader_options *leader, struct rbac_question *question)
{
	if (!leader->enabled)
		return;
	question->lease_name = leader->name;
	question->lease_namespace = leader->namespace_name != NULL ? leader->namespace_name
								   : question->account_namespace;
}

static bool read_question(const struct command_line *line, struct rbac_question *question,
	char account_namespace[256])
{
	const char *account = command_flag(line, "service-account"), *slash;

	question->name = command_flag(line, "name");
	if (question->name == NULL)
		question->name = "nimbusguard";
	if (account == NULL)
		account = "nimbusguard/nimbusguard";
	slash = strchr(account, '/');
	if (slash == NULL || slash - account > 253) {
		fprintf(stderr, "nimbusguard: --service-account is NAMESPACE/NAME\n");
		return false;
	}
	snprintf(account_namespace, 256, "%.*s", (int)(slash - account), account);
	question->account_namespace = account_namespace;
	question->account = slash + 1;
	for (size_t i = 0; i < line->own_count; i++) {
		if (strcmp(line->own[i].name, "namespace") != 0)
			continue;
		if (question->namespace_count == RBAC_NAMESPACES_MAX) {
			fprintf(stderr, "nimbusguard: more than %d namespaces\n",
				RBAC_NAMESPACES_MAX);
			return false;
		}
		if (!name_good(line->own[i].value, "namespace"))
			return false;
		question->namespaces[question->namespace_count++] = line->own[i].value;
	}
	return name_good(question->name, "name") &&
		name_good(question->account, "service-account") &&
		name_good(account_namespace, "service-account");
}

static int write_roles(const struct rbac_question *question, bool json)
{
	struct buf text;
	int status = EXIT_GOOD;

	buf_init(&text, 4 * 1024 * 1024);
	if (json)
		rbac_write_json(&text, question);
	else
		rbac_write_yaml(&text, question);
	if (buf_ok(&text)) {
		fputs(text.data, stdout);
	} else {
		fprintf(stderr, "nimbusguard: out of memory\n");
		status = EXIT_FAILED;
	}
	buf_fini(&text);
	return status;
}

static int run(const struct command_line *line, const struct config *config,
	struct rbac_question *question)
{
	const char *format = command_flag(line, "format");

	if (command_flag(line, "check") != NULL)
		return check(config, question);
	if (format != NULL && strcmp(format, "yaml") != 0 && strcmp(format, "json") != 0) {
		fprintf(stderr, "nimbusguard: --format is yaml or json\n");
		return EXIT_USAGE;
	}
	return write_roles(question, format != NULL && strcmp(format, "json") == 0);
}

int command_rbac(const struct command_line *line)
{
	static const char *const known[] = {"format", "namespace", "service-account", "name",
		"check", NULL};
	struct rbac_question question = {.name = NULL};
	struct permissions permissions;
	struct remediator_config remediator;
	struct diagnostics diagnostics;
	struct rules *rules = NULL;
	struct config *config;
	char journal_path[4352], account_namespace[256];
	struct bundle bundle;
	struct buf text;
	int status = EXIT_FAILED;

	if (!command_flags_known(line, known) || !command_words_at_most(line, 0) ||
		!read_question(line, &question, account_namespace))
		return EXIT_USAGE;
	diagnostics_init(&diagnostics);
	bundle_find(&bundle);
	config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &diagnostics);
	if (config != NULL) {
		service_remediator_config(config, &bundle, clock_system(), journal_path,
			sizeof(journal_path), &remediator);
		if (rules_open(&remediator, &rules, &diagnostics) == STATUS_OK) {
			permissions_of(&permissions, rules->playbooks);
			question.permissions = &permissions;
			add_lease(&remediator.leader, &question);
			status = run(line, config, &question);
		}
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
