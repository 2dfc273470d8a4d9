/*
 * What deploy/ puts into a cluster, in a real one: the Kustomize overlay of two replicas is admitted where Pod Security
 * is `restricted`, its pods become ready, its account may do what the bundled playbooks need, and its configuration is
 * one that the service takes; the commands that the documents give are taken; the sample workload and its load run, with an
 * autoscaler or with KEDA's objects by KEDA's own definitions; Argo CD's definition takes the Application; the Helm chart is
 * installed, upgraded and removed, and refuses values that it does not know.
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

#include "tests/support/kube_cluster.h"

#define WAIT_S 120
#define SAMPLE "nimbusguard-sample"
#define ARGUMENTS_MAX 40
#define PATH_ROOM (SERVER_PATH_MAX * 3)

static struct kube_cluster cluster;
static bool opened;

/* Volumes without a class, for nobody provisions them here. */
static void make_volumes(void)
{
	for (int i = 0; i < 5; i++)
		kube_cluster_create(&cluster, "/api/v1/persistentvolumes",
			"{'metadata':{'name':'volume-%d'},'spec':{'capacity':{'storage':'10Gi'},"
			"'accessModes':['ReadWriteOnce'],'hostPath':{'path':'/tmp'}}}",
			i);
}

static void make_definition(const char *file)
{
	char arguments[PATH_ROOM];

	/* By the server: what it is applied with would not fit into an annotation. */
	snprintf(arguments, sizeof(arguments), "apply --server-side -f %s/%s",
		getenv("NIMBUSGUARD_TEST_E2E"), file);
	free(kube_cluster_kubectl(&cluster, arguments));
}

static int setup(void **state)
{
	char helm[PATH_ROOM];

	(void)state;
	snprintf(helm, sizeof(helm), "%s/helm", getenv("NIMBUSGUARD_TEST_E2E"));
	if (!kube_cluster_there() || access(helm, X_OK) != 0)
		return 0;
	kube_cluster_open(&cluster);
	opened = true;
	make_volumes();
	make_definition("servicemonitors.yaml");
	make_definition("prometheusrules.yaml");
	AWAIT(&cluster.parts,
		kube_cluster_has(&cluster, "/apis/monitoring.coreos.com/v1/servicemonitors") &&
			kube_cluster_has(&cluster,
				"/apis/monitoring.coreos.com/v1/prometheusrules"),
		WAIT_S);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (opened)
		kube_cluster_close(&cluster);
	return 0;
}

/* ---- programs ---- */

/* What a program prints with further arguments, the last of them NULL (free). */
static char *run(int *status, const char *program, ...)
{
	const char *argv[ARGUMENTS_MAX] = {program};
	char log[PATH_ROOM];
	size_t count = 1;
	va_list rest;

	va_start(rest, program);
	while ((argv[count] = va_arg(rest, const char *)) != NULL)
		assert_true(++count < ARGUMENTS_MAX);
	va_end(rest);
	snprintf(log, sizeof(log), "%s/run.log", cluster.parts.folder);
	(void)remove(log);
	return proc_output(log, argv, NULL, status);
}

static const char *helm(void)
{
	static char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/helm", getenv("NIMBUSGUARD_TEST_E2E"));
	return path;
}

static const char *config(void)
{
	static char path[PATH_ROOM];

	snprintf(path, sizeof(path), "--kubeconfig=%s/kubeconfig", cluster.parts.folder);
	return path;
}

static const char *chart(void)
{
	static char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/deploy/helm/nimbusguard", getenv("NIMBUSGUARD_SOURCE"));
	return path;
}

static void must(int status, char *said, const char *what)
{
	if (status != 0)
		fail_msg("%s: %d: %s", what, status, said);
	free(said);
}

/* ---- what the cluster has ---- */

static bool replicas_ready(const char *namespace_name, const char *name, int wanted)
{
	char path[PATH_ROOM];
	json_t *object;
	bool ready;

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/statefulsets/%s", namespace_name,
		name);
	object = kube_cluster_get(&cluster, path);
	ready = json_integer_value(json_object_get(json_object_get(object, "status"),
			"readyReplicas")) == wanted;
	json_decref(object);
	return ready;
}

/* The file of the service in a ConfigMap, with the places of a pod in our folder, is one that the service takes. */
static void configuration_is_good(const char *namespace_name, const char *name)
{
	char path[PATH_ROOM], argument[PATH_ROOM], folder[PATH_ROOM];
	json_t *map;
	char *text, *at, *rest, *said, *file;
	FILE *out;
	int status;

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps/%s", namespace_name, name);
	map = kube_cluster_get(&cluster, path);
	text = strdup(json_string_value(
		json_object_get(json_object_get(map, "data"), "nimbusguard.yml")));
	json_decref(map);
	assert_non_null(text);
	snprintf(folder, sizeof(folder), "%s/tokens", cluster.parts.folder);
	(void)mkdir(folder, 0700);
	servers_write(&cluster.parts, "tokens/prometheus", "a-token-of-some-length-1\n");
	servers_write(&cluster.parts, "tokens/alertmanager", "a-token-of-some-length-2\n");
	servers_write(&cluster.parts, "tokens/peer", "a-token-of-some-length-3\n");
	servers_write(&cluster.parts, "tokens/oncall", "a-token-of-some-length-4\n");
	file = strdup(servers_write(&cluster.parts, "nimbusguard.yml", ""));
	assert_non_null(file);
	out = fopen(file, "w");
	assert_non_null(out);
	for (rest = text; (at = strstr(rest, "/etc/nimbusguard")) != NULL;
		rest = at + strlen("/etc/nimbusguard"))
		fprintf(out, "%.*s%s", (int)(at - rest), rest, cluster.parts.folder);
	fprintf(out, "%s", rest);
	assert_int_equal(fclose(out), 0);
	snprintf(argument, sizeof(argument), "--config.file=%s", file);
	said = run(&status, getenv("NIMBUSGUARD_TEST_BIN"), "check", argument, NULL);
	must(status, said, "nimbusguard check");
	free(file);
	free(text);
}

/* The account is allowed what the bundled playbooks and the election need. */
static void account_may(const char *namespace_name, const char *account, const char *lease)
{
	char token[SERVER_PATH_MAX], url[PATH_ROOM], ca[PATH_ROOM];
	char token_file[PATH_ROOM], who[PATH_ROOM], where[PATH_ROOM];
	char name[PATH_ROOM], *said;
	int status;

	kube_cluster_token(&cluster, namespace_name, account, NULL, "account.token", token);
	snprintf(url, sizeof(url), "--kubernetes.url=%s", cluster.api->url);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", cluster.ca_file);
	snprintf(token_file, sizeof(token_file), "--kubernetes.token-file=%s", token);
	snprintf(who, sizeof(who), "--service-account=%s/%s", namespace_name, account);
	snprintf(where, sizeof(where), "--leader-election.namespace=%s", namespace_name);
	snprintf(name, sizeof(name), "--leader-election.name=%s", lease);
	said = run(&status, getenv("NIMBUSGUARD_TEST_BIN"), "rbac", "--check", url, ca, token_file,
		who, where, name, "--leader-election.enabled",
		"--leader-election.url=https://127.0.0.1:1", NULL);
	must(status, said, "nimbusguard rbac --check");
}

static void make_secrets(const char *namespace_name)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/secrets", namespace_name);
	kube_cluster_create(&cluster, path,
		"{'metadata':{'name':'nimbusguard-tokens'},'stringData':{'prometheus':'p',"
		"'alertmanager':'a','peer':'r','oncall':'o'}}");
	kube_cluster_create(&cluster, path,
		"{'metadata':{'name':'nimbusguard-tls'},'stringData':{'tls.crt':'c',"
		"'tls.key':'k','ca.crt':'a'}}");
}

/* ---- tests ---- */

/* The name of the ConfigMap that the pods have; it carries the hash of what is in it. */
static void config_map_of(const char *namespace_name, const char *name, char *map, size_t size)
{
	char arguments[PATH_ROOM];
	char *said;

	snprintf(arguments, sizeof(arguments),
		"-n %s get statefulset/%s -o "
		"jsonpath={.spec.template.spec.volumes[?(@.name==\"config\")].configMap.name}",
		namespace_name, name);
	said = kube_cluster_kubectl(&cluster, arguments);
	snprintf(map, size, "%s", said);
	free(said);
}

/* All of them, one after the other; what they made is removed again. */
static void commands_of_the_documents_are_taken(void **state)
{
	char config_file[PATH_ROOM], script[PATH_ROOM], log[PATH_ROOM], *said;
	const char *const argv[] = {script, "cluster", NULL};
	const char *const environment[] = {config_file, NULL};
	int status;

	(void)state;
	if (!opened)
		skip();
	snprintf(config_file, sizeof(config_file), "KUBECONFIG=%s/kubeconfig",
		cluster.parts.folder);
	snprintf(script, sizeof(script), "%s/tests/integration/test_document_commands.sh",
		getenv("NIMBUSGUARD_SOURCE"));
	snprintf(log, sizeof(log), "%s/documents.log", cluster.parts.folder);
	said = proc_output(log, argv, environment, &status);
	must(status, said, "the commands of the documents");
}

static void overlay_of_two_replicas_runs(void **state)
{
	char arguments[PATH_ROOM], map[PATH_ROOM];

	(void)state;
	if (!opened)
		skip();
	snprintf(arguments, sizeof(arguments), "apply -f %s/deploy/kubernetes/base/namespace.yaml",
		getenv("NIMBUSGUARD_SOURCE"));
	free(kube_cluster_kubectl(&cluster, arguments));
	make_secrets("nimbusguard");
	snprintf(arguments, sizeof(arguments), "apply -k %s/deploy/kubernetes/overlays/replicas",
		getenv("NIMBUSGUARD_SOURCE"));
	free(kube_cluster_kubectl(&cluster, arguments));
	AWAIT(&cluster.parts, replicas_ready("nimbusguard", "nimbusguard", 2), WAIT_S);
	config_map_of("nimbusguard", "nimbusguard", map, sizeof(map));
	configuration_is_good("nimbusguard", map);
	account_may("nimbusguard", "nimbusguard", "nimbusguard");
	kube_cluster_prints(&cluster, "-n nimbusguard servicemonitor/nimbusguard",
		".spec.endpoints[0].scheme", "https");
	kube_cluster_prints(&cluster, "-n nimbusguard poddisruptionbudget/nimbusguard",
		".status.expectedPods", "2");
}

static void overlay_of_one_replica_is_taken(void **state)
{
	char arguments[PATH_ROOM];

	(void)state;
	if (!opened)
		skip();
	snprintf(arguments, sizeof(arguments),
		"apply --dry-run=server -k %s/deploy/kubernetes/overlays/single",
		getenv("NIMBUSGUARD_SOURCE"));
	free(kube_cluster_kubectl(&cluster, arguments));
}

static void apply_overlay(const char *name)
{
	char arguments[PATH_ROOM];

	snprintf(arguments, sizeof(arguments), "apply -k %s/deploy/kubernetes/overlays/%s",
		getenv("NIMBUSGUARD_SOURCE"), name);
	free(kube_cluster_kubectl(&cluster, arguments));
}

static void sample_and_its_load_run(void **state)
{
	(void)state;
	if (!opened)
		skip();
	apply_overlay("sample");
	/* Two, because the autoscaler says so at least. */
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, SAMPLE, "sample", 2), WAIT_S);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, SAMPLE, "load", 1), WAIT_S);
	kube_cluster_prints(&cluster, "-n " SAMPLE " horizontalpodautoscaler/sample",
		".status.desiredReplicas", "2");
	kube_cluster_prints(&cluster, "-n " SAMPLE " poddisruptionbudget/sample",
		".spec.maxUnavailable", "1");
	kube_cluster_prints(&cluster, "-n " SAMPLE " servicemonitor/nimbusguard-sample",
		".spec.endpoints[0].port", "http");
}

static void keda_takes_the_scaled_object(void **state)
{
	(void)state;
	if (!opened)
		skip();
	kube_cluster_keda(&cluster);
	make_definition("keda-triggerauthentications.yaml");
	AWAIT(&cluster.parts,
		kube_cluster_has(&cluster, "/apis/keda.sh/v1alpha1/triggerauthentications"),
		WAIT_S);
	apply_overlay("sample-keda");
	/* What its definition does not know would be gone. */
	kube_cluster_prints(&cluster, "-n " SAMPLE " scaledobject/sample",
		".spec.triggers[0].authenticationRef.name", "nimbusguard-read");
	kube_cluster_prints(&cluster, "-n " SAMPLE " scaledobject/sample",
		".spec.fallback.behavior", "currentReplicasIfHigher");
	kube_cluster_prints(&cluster, "-n " SAMPLE " triggerauthentication/nimbusguard-read",
		".spec.secretTargetRef[0].parameter", "token");
}

/* As a copy of an overlay would have it. */
static void argocd_keeps_what_holds_state(void **state)
{
	char text[2 * PATH_ROOM], arguments[PATH_ROOM],
		up[] = "../../../../../../../../../../../..";
	char *said;
	const char *source = getenv("NIMBUSGUARD_SOURCE"), *set;

	(void)state;
	if (!opened)
		skip();
	snprintf(arguments, sizeof(arguments), "%s/argocd", cluster.parts.folder);
	(void)mkdir(arguments, 0700);
	snprintf(text, sizeof(text),
		"resources: [%s%s/deploy/kubernetes/overlays/single]\n"
		"components: [%s%s/deploy/kubernetes/components/argocd]\n",
		up, source, up, source);
	servers_write(&cluster.parts, "argocd/kustomization.yaml", text);
	snprintf(arguments, sizeof(arguments), "apply --dry-run=server -o yaml -k %s/argocd",
		cluster.parts.folder);
	said = kube_cluster_kubectl(&cluster, arguments);
	set = strstr(said, "kind: StatefulSet");
	assert_non_null(set);
	while (set > said && strncmp(set, "\n- apiVersion", 13) != 0)
		set--;
	assert_non_null(strstr(set, "argocd.argoproj.io/sync-options: Prune=false,Delete=false"));
	assert_non_null(strstr(said, "argocd.argoproj.io/sync-wave: \"-1\""));
	free(said);
}

static void argocd_takes_the_application(void **state)
{
	char arguments[PATH_ROOM];

	(void)state;
	if (!opened)
		skip();
	make_definition("applications.yaml");
	AWAIT(&cluster.parts, kube_cluster_has(&cluster, "/apis/argoproj.io/v1alpha1/applications"),
		WAIT_S);
	kube_cluster_namespace(&cluster, "argocd");
	/* Strictly: a field that its definition does not know is refused. */
	snprintf(arguments, sizeof(arguments),
		"apply --validate=strict -f %s/deploy/argocd/application.yaml",
		getenv("NIMBUSGUARD_SOURCE"));
	free(kube_cluster_kubectl(&cluster, arguments));
	kube_cluster_prints(&cluster, "-n argocd application/nimbusguard",
		".spec.syncPolicy.automated.selfHeal", "true");
}

/* A floor that ended long ago is on this autoscaler, of a service that is gone. */
static void make_floor(void)
{
	kube_cluster_namespace(&cluster, "floors");
	kube_cluster_create(&cluster,
		"/apis/autoscaling/v2/namespaces/floors/horizontalpodautoscalers",
		"{'metadata':{'name':'web','annotations':{'nimbusguard.io/floor-until':"
		"'2026-01-01T00:00:00.000Z','nimbusguard.io/floor':'7',"
		"'nimbusguard.io/floor-before':'2'}},'spec':{'scaleTargetRef':{'apiVersion':"
		"'apps/v1','kind':'Deployment','name':'web'},'minReplicas':7,'maxReplicas':9}}");
}

/* The command as the CronJob has it, by the account of its pod. */
static void floors_fall_by(const char *namespace_name, const char *account)
{
	char token[SERVER_PATH_MAX], url[PATH_ROOM], ca[PATH_ROOM], token_file[PATH_ROOM];
	char object[PATH_ROOM], *said;
	int status;

	kube_cluster_token(&cluster, namespace_name, account, NULL, "floors.token", token);
	snprintf(url, sizeof(url), "--kubernetes.url=%s", cluster.api->url);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", cluster.ca_file);
	snprintf(token_file, sizeof(token_file), "--kubernetes.token-file=%s", token);
	make_floor();
	said = run(&status, getenv("NIMBUSGUARD_TEST_BIN"), "floors", "expire", url, ca, token_file,
		NULL);
	if (status != 0 || strstr(said, "would set the least replicas to 2") == NULL)
		fail_msg("%d: %s", status, said);
	free(said);
	kube_cluster_prints(&cluster, "-n floors hpa/web", ".spec.minReplicas", "7");
	said = run(&status, getenv("NIMBUSGUARD_TEST_BIN"), "floors", "expire", "--apply", url, ca,
		token_file, NULL);
	must(status, said, "nimbusguard floors expire --apply");
	kube_cluster_prints(&cluster, "-n floors hpa/web", ".spec.minReplicas", "2");
	kube_cluster_prints(&cluster, "-n floors hpa/web", ".metadata.annotations", "");
	snprintf(object, sizeof(object), "-n %s cronjob/%s", namespace_name, account);
	kube_cluster_prints(&cluster, object,
		".spec.jobTemplate.spec.template.spec.containers[0].args",
		"[\"floors\",\"expire\",\"--apply\"]");
	free(kube_cluster_kubectl(&cluster, "delete namespace floors --wait=true"));
}

static void floors_fall_back_by_the_component(void **state)
{
	char text[2 * PATH_ROOM], folder[PATH_ROOM], up[] = "../../../../../../../../../../../..";

	(void)state;
	if (!opened)
		skip();
	snprintf(folder, sizeof(folder), "%s/floors", cluster.parts.folder);
	(void)mkdir(folder, 0700);
	snprintf(text, sizeof(text),
		"namespace: nimbusguard\n"
		"components: [%s%s/deploy/kubernetes/components/floors]\n",
		up, getenv("NIMBUSGUARD_SOURCE"));
	servers_write(&cluster.parts, "floors/kustomization.yaml", text);
	snprintf(text, sizeof(text), "apply -k %s", folder);
	free(kube_cluster_kubectl(&cluster, text));
	floors_fall_by("nimbusguard", "nimbusguard-floors");
}

static void chart_is_installed_upgraded_and_removed(void **state)
{
	static const char before[] = "-n monitoring get secret/ng-nimbusguard-tokens -o "
				     "jsonpath={.data}";
	char *said, *tokens, *kept;
	int status;

	(void)state;
	if (!opened)
		skip();
	kube_cluster_namespace(&cluster, "monitoring");
	said = run(&status, helm(), config(), "install", "ng", chart(), "-n", "monitoring",
		"--set=serviceMonitor.enabled=true,prometheusRule.enabled=true",
		"--set=dashboards.enabled=true,ingress.enabled=true,floors.enabled=true", NULL);
	must(status, said, "helm install");
	AWAIT(&cluster.parts, replicas_ready("monitoring", "ng-nimbusguard", 1), WAIT_S);
	configuration_is_good("monitoring", "ng-nimbusguard");
	tokens = kube_cluster_kubectl(&cluster, before);
	floors_fall_by("monitoring", "ng-nimbusguard-floors");

	make_secrets("monitoring");
	said = run(&status, helm(), config(), "upgrade", "ng", chart(), "-n", "monitoring",
		"--set=replicaCount=2,tls.existingSecret=nimbusguard-tls", NULL);
	must(status, said, "helm upgrade");
	AWAIT(&cluster.parts, replicas_ready("monitoring", "ng-nimbusguard", 2), WAIT_S);
	kept = kube_cluster_kubectl(&cluster, before);
	assert_string_equal(kept, tokens);
	account_may("monitoring", "ng-nimbusguard", "ng-nimbusguard");

	said = run(&status, helm(), config(), "uninstall", "ng", "-n", "monitoring", NULL);
	must(status, said, "helm uninstall");
	AWAIT(&cluster.parts,
		!kube_cluster_has(&cluster,
			"/apis/apps/v1/namespaces/monitoring/statefulsets/ng-nimbusguard"),
		WAIT_S);
	free(kept);
	kept = kube_cluster_kubectl(&cluster, before);
	assert_string_equal(kept, tokens);
	free(kept);
	free(tokens);
}

static void refused(const char *values, const char *why)
{
	int status;
	char *said = run(&status, helm(), config(), "template", "ng", chart(),
		"--kube-version=1.36.0", values, NULL);

	assert_int_not_equal(status, 0);
	if (strstr(said, why) == NULL)
		fail_msg("%s: %s", values, said);
	free(said);
}

static void values_that_it_does_not_know_are_refused(void **state)
{
	(void)state;
	if (!opened)
		skip();
	refused("--set=replicacount=2", "replicacount");
	refused("--set=replicaCount=2", "needs tls.existingSecret");
	refused("--set=config.web.listen_address=:80", "/config/web/listen_address");
	refused("--set=config.storage.path=/data", "/config/storage/path");
	refused("--set=config.leader_election.enabled=true", "/config/leader_election");
	refused("--set=config.mode=yolo", "/config/mode");
	refused("--set=persistence.size=big", "/persistence/size");
	refused("--set=extraArgs={serve}", "/extraArgs/0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_of_the_documents_are_taken),
		cmocka_unit_test(overlay_of_two_replicas_runs),
		cmocka_unit_test(overlay_of_one_replica_is_taken),
		cmocka_unit_test(sample_and_its_load_run),
		cmocka_unit_test(keda_takes_the_scaled_object),
		cmocka_unit_test(argocd_keeps_what_holds_state),
		cmocka_unit_test(argocd_takes_the_application),
		cmocka_unit_test(floors_fall_back_by_the_component),
		cmocka_unit_test(chart_is_installed_upgraded_and_removed),
		cmocka_unit_test(values_that_it_does_not_know_are_refused),
	};

	return cmocka_run_group_tests_name("kubernetes_deploy", tests, setup, teardown);
}
