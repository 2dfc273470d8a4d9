/*
 * How we reach and watch a real API server: a kubeconfig with a client certificate and one with a
 * credential plugin.
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

#include "base/check.h"
#include "remediations/kube_client.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "tests/support/kube_cluster.h"

#define WAIT_S 120
#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"

static struct kube_cluster cluster;
static char token_path[SERVER_PATH_MAX];
static bool opened;

static void bind_readers(void)
{
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"{'metadata':{'name':'reader'},'rules':[{'apiGroups':['apps'],'resources':"
		"['deployments'],'verbs':['get']}]}");
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"{'metadata':{'name':'reader'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
		"'kind':'ClusterRole','name':'reader'},'subjects':[{'kind':'User','name':'person',"
		"'apiGroup':'rbac.authorization.k8s.io'},{'kind':'ServiceAccount','name':'plugged',"
		"'namespace':'shop'}]}");
}

static int setup(void **state)
{
	(void)state;
	if (!kube_cluster_there())
		return 0;
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/serviceaccounts",
		"{'metadata':{'name':'plugged'}}");
	kube_cluster_deployment(&cluster, "shop", "web", 1, "'nimbusguard.io/managed':'true'");
	bind_readers();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (opened)
		kube_cluster_close(&cluster);
	return 0;
}

/* ---- kubeconfig ---- */

/* A kubeconfig whose user is made of these lines. */
static const char *write_config(const char *user)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"apiVersion: v1\nkind: Config\ncurrent-context: e2e\ncontexts:\n- name: e2e\n"
		"  context: {cluster: e2e, user: us, namespace: shop}\nclusters:\n- name: e2e\n"
		"  cluster: {server: '%s', certificate-authority: ca.pem}\nusers:\n- name: us\n"
		"  user:\n%s",
		cluster.api->url, user);
	return servers_write(&cluster.parts, "our.config", text);
}

/* Reads the Deployment as the kubeconfig's user. */
static enum status read_web(const char *config, struct error *error)
{
	const struct kube_client_config client_config = {.kubeconfig = config, .timeout_ms = 10000};
	struct kube_client *client;
	struct kube_session *session;
	json_t *object = NULL;
	enum status status = kube_client_open(&client, &client_config, error);

	if (status != STATUS_OK)
		return status;
	assert_string_equal(kube_client_namespace(client), "shop");
	session = kube_session_open(client);
	assert_non_null(session);
	status = kube_read(session, WEB, &object, error);
	if (status == STATUS_OK)
		assert_string_equal(json_string_value(kube_get(object, "metadata", "name", NULL)),
			"web");
	json_decref(object);
	kube_session_close(session);
	kube_client_close(client);
	return status;
}

static void client_certificate_of_a_kubeconfig_is_who_we_are(void **state)
{
	const char *config;
	struct error error = {0};

	(void)state;
	if (!opened)
		skip();
	config = write_config("    client-certificate: person.pem\n    client-key: person.key\n");
	AWAIT(&cluster.parts, read_web(config, &error) == STATUS_OK, WAIT_S);
	/* Nobody in particular may read nothing. */
	config = write_config("    {}\n");
	assert_int_not_equal(read_web(config, &error), STATUS_OK);
}

static void plugin_of_a_kubeconfig_gives_the_token(void **state)
{
	char script[2048];
	const char *path, *config;
	struct error error = {0};

	(void)state;
	if (!opened)
		skip();
	kube_cluster_token(&cluster, "shop", "plugged", NULL, "plugged.token", token_path);
	snprintf(script, sizeof(script),
		"#!/bin/sh\nprintf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":"
		"\"ExecCredential\",\"status\":{\"token\":\"%%s\"}}' \"$(cat \"$TOKEN\")\"\n");
	path = servers_write(&cluster.parts, "plugin.sh", script);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(script, sizeof(script),
		"    exec: {command: ./plugin.sh, env: [{name: TOKEN, value: '%s'}], interactiveMode: "
		"Never,\n      apiVersion: client.authentication.k8s.io/v1}\n",
		token_path);
	config = write_config(script);
	AWAIT(&cluster.parts, read_web(config, &error) == STATUS_OK, WAIT_S);
	/* A token that is none is refused, and the plugin's next one would be asked for. */
	servers_write(&cluster.parts, "plugged.token", "nonsense");
	assert_int_equal(read_web(config, &error), STATUS_UNAUTHENTICATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_certificate_of_a_kubeconfig_is_who_we_are),
		cmocka_unit_test(plugin_of_a_kubeconfig_gives_the_token),
	};

	return cmocka_run_group_tests_name("kubernetes_link", tests, setup, teardown);
}
