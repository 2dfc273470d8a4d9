/*
 * How we reach and watch a real API server: a kubeconfig with a client certificate and one with a
 * credential plugin; watches of all kinds, through a restart of the server too; Events.
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
#include "base/metrics.h"
#include "remediations/kube_client.h"
#include "remediations/kube_event.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_watch.h"
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

/* ---- Events ---- */

static struct kube_events *open_events(void)
{
	const struct kube_client_config config = {.url = cluster.api->url,
		.token_file =
			servers_write(&cluster.parts, "admin.token", "token-of-the-administrator"),
		.ca_file = cluster.ca_file};
	struct kube_client *client;
	struct kube_events *events;
	struct error error = {0};

	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_OK);
	assert_int_equal(kube_events_open(&events, client, &error), STATUS_OK);
	return events;
}

static void tell(struct kube_events *events, struct incident *incident, struct action *action,
	enum news_kind kind, const char *word, const char *text)
{
	const struct news news = {.kind = kind,
		.time_ms = clock_now_ms(clock_system()),
		.incident = incident,
		.action = action,
		.playbook = "grow",
		.word = word,
		.text = text};

	kube_events_told(events, &news);
}

/* The Event on the Deployment with this reason; NULL when there is none. */
static json_t *find_event(const char *reason)
{
	json_t *list = kube_cluster_get(&cluster, "/apis/events.k8s.io/v1/namespaces/shop/events");
	json_t *item, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(list, "items"), i, item)
	{
		const char *name = json_string_value(kube_get(item, "regarding", "name", NULL));
		const char *why = json_string_value(json_object_get(item, "reason"));

		if (name != NULL && why != NULL && strcmp(name, "web") == 0 &&
			strcmp(why, reason) == 0)
			found = json_incref(item);
	}
	json_decref(list);
	return found;
}

static void actions_and_refusals_stand_on_the_object(void **state)
{
	static struct incident incident;
	static struct observation seen = {.found = true, .managed = true};
	static struct action action;
	struct kube_events *events;
	json_t *web, *event;

	(void)state;
	if (!opened)
		skip();
	events = open_events();
	web = kube_cluster_get(&cluster, WEB);
	action.target =
		(struct target){.kind = TARGET_DEPLOYMENT, .namespace_name = "shop", .name = "web"};
	snprintf(action.target.uid, sizeof(action.target.uid), "%s", kube_uid(web));
	seen.target = action.target;
	incident.observation = &seen;
	action.plan.kind = ACTION_SCALE;
	action.state = STATE_DONE;
	snprintf(incident.id, sizeof(incident.id), "i-1");
	tell(events, &incident, &action, NEWS_STATE, "done", "scaled 1 -> 2");
	tell(events, &incident, NULL, NEWS_REFUSAL, "cooldown", "too soon");
	snprintf(incident.id, sizeof(incident.id), "i-2");
	tell(events, &incident, NULL, NEWS_REFUSAL, "cooldown", "too soon again");
	AWAIT(&cluster.parts, metrics_get(METRIC_KUBE_EVENTS, "written") == 3, WAIT_S);
	kube_events_close(events);
	event = find_event("RemediationDone");
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "action")), "Scale");
	assert_string_equal(json_string_value(json_object_get(event, "reportingController")),
		"nimbusguard.io/controller");
	assert_string_equal(json_string_value(kube_get(event, "regarding", "uid", NULL)),
		kube_uid(web));
	json_decref(event);
	event = find_event("RemediationRefused");
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "type")), "Warning");
	assert_int_equal(json_integer_value(kube_get(event, "series", "count", NULL)), 2);
	json_decref(event);
	json_decref(web);
}

/* ---- watches ---- */

#define KINDS (KUBE_WATCH_BIT(KUBE_WATCH_KIND_COUNT) - 1u)

static struct kube_watch *watch;
static struct kube_client *watching;

static bool all_sure(void)
{
	/* KEDA is not installed. */
	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++)
		if (kube_watch_state(watch, (enum kube_watch_kind)kind).sure ==
			(kind == KUBE_WATCH_SCALED_OBJECTS))
			return false;
	return true;
}

static void open_watch(void)
{
	static char admin[SERVER_PATH_MAX];
	const struct kube_client_config client = {.url = cluster.api->url,
		.token_file = admin,
		.ca_file = cluster.ca_file};
	const struct kube_watch_config config = {.kinds = KINDS, .backoff_ms = 200};
	struct error error = {0};

	snprintf(admin, sizeof(admin), "%s",
		servers_write(&cluster.parts, "admin.token", "token-of-the-administrator"));
	assert_int_equal(kube_client_open(&watching, &client, &error), STATUS_OK);
	assert_int_equal(kube_watch_open(&watch, watching, &config, &error), STATUS_OK);
	AWAIT(&cluster.parts, all_sure(), WAIT_S);
}

static bool sees(enum kube_watch_kind kind, const char *namespace_name, const char *name,
	struct kube_seen *seen)
{
	return kube_watch_get(watch, kind, namespace_name, name, seen) == KUBE_WATCH_SEEN;
}

static bool namespace_is_paused(enum kube_flag flag)
{
	struct kube_seen seen;

	return sees(KUBE_WATCH_NAMESPACES, "", "shop", &seen) && seen.paused == flag;
}

static void make_scaler(const char *name, const char *target)
{
	kube_cluster_create(&cluster,
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
		"{'metadata':{'name':'%s'},'spec':{'maxReplicas':5,'scaleTargetRef':{'apiVersion':"
		"'apps/v1','kind':'Deployment','name':'%s'}}}",
		name, target);
}

static bool scaler_is(enum kube_watch_word word, const char *name)
{
	struct kube_seen seen;

	return kube_watch_find(watch, KUBE_WATCH_AUTOSCALERS, "shop", TARGET_DEPLOYMENT, "web",
		       &seen) == word &&
		(word != KUBE_WATCH_SEEN || strcmp(seen.name, name) == 0);
}

static void all_kinds_are_followed(void **state)
{
	struct kube_seen seen;
	json_t *pods;
	long status;

	(void)state;
	if (!opened)
		skip();
	open_watch();
	assert_true(sees(KUBE_WATCH_NODES, "", "node-1", &seen));
	assert_int_equal(seen.ready_replicas, 1);
	assert_true(sees(KUBE_WATCH_DEPLOYMENTS, "shop", "web", &seen));
	assert_int_equal(seen.replicas, 1);
	assert_int_equal(seen.managed, KUBE_FLAG_TRUE);
	pods = kube_cluster_pods(&cluster, "shop", "web");
	assert_true(sees(KUBE_WATCH_PODS, "shop",
		json_string_value(kube_get(json_array_get(pods, 0), "metadata", "name", NULL)),
		&seen));
	assert_int_equal(seen.reference_kind, TARGET_REPLICASET);
	assert_string_equal(seen.uid, kube_uid(json_array_get(pods, 0)));
	json_decref(pods);
	assert_true(namespace_is_paused(KUBE_FLAG_ABSENT));
	kube_cluster_patch(&cluster, "/api/v1/namespaces/shop",
		"{'metadata':{'annotations':{'nimbusguard.io/paused':'true'}}}");
	AWAIT(&cluster.parts, namespace_is_paused(KUBE_FLAG_TRUE), WAIT_S);
	kube_cluster_patch(&cluster, "/api/v1/namespaces/shop",
		"{'metadata':{'annotations':{'nimbusguard.io/paused':null}}}");
	AWAIT(&cluster.parts, namespace_is_paused(KUBE_FLAG_ABSENT), WAIT_S);
	assert_true(scaler_is(KUBE_WATCH_NONE, ""));
	make_scaler("first", "web");
	AWAIT(&cluster.parts, scaler_is(KUBE_WATCH_SEEN, "first"), WAIT_S);
	json_decref(kube_cluster_call(&cluster, "DELETE",
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/first", &status,
		"%s", ""));
	AWAIT(&cluster.parts, scaler_is(KUBE_WATCH_NONE, ""), WAIT_S);
	kube_cluster_create(&cluster, "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
		"{'metadata':{'name':'web'},'spec':{'maxUnavailable':1,'selector':{'matchLabels':"
		"{'app':'web'}}}}");
	AWAIT(&cluster.parts, sees(KUBE_WATCH_BUDGETS, "shop", "web", &seen), WAIT_S);
}

/* What the server did while it was away, and what was done to it meanwhile, is caught up with. */
static void restarted_server_is_followed_on(void **state)
{
	struct kube_watch_state before;

	(void)state;
	if (!opened)
		skip();
	before = kube_watch_state(watch, KUBE_WATCH_AUTOSCALERS);
	assert_true(before.sure);
	kube_cluster_kill_api(&cluster);
	AWAIT(&cluster.parts, !kube_watch_state(watch, KUBE_WATCH_AUTOSCALERS).sure, WAIT_S);
	assert_true(scaler_is(KUBE_WATCH_UNSURE, ""));
	kube_cluster_start_api(&cluster);
	make_scaler("second", "web");
	AWAIT(&cluster.parts, all_sure(), WAIT_S);
	AWAIT(&cluster.parts, scaler_is(KUBE_WATCH_SEEN, "second"), WAIT_S);
}

static void delete_scaler(const char *name)
{
	char path[256];
	long status;

	snprintf(path, sizeof(path),
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/%s", name);
	json_decref(kube_cluster_call(&cluster, "DELETE", path, &status, "%s", ""));
	assert_int_equal(status, 200);
}

/* One goes, one comes, and one that stays becomes another. */
static void change_behind_the_watch(struct kube_cluster *unused)
{
	(void)unused;
	delete_scaler("second");
	make_scaler("third", "web");
	kube_cluster_patch(&cluster, WEB,
		"{'metadata':{'annotations':{'nimbusguard.io/paused':'true'}}}");
}

static bool web_is_paused(void)
{
	struct kube_seen seen;

	return sees(KUBE_WATCH_DEPLOYMENTS, "shop", "web", &seen) && seen.paused == KUBE_FLAG_TRUE;
}

/* The version that a watch would go on from is one that the server does not know any more: 410. */
static void what_was_forgotten_is_listed_anew_and_nothing_is_lost(void **state)
{
	static const struct {
		enum kube_watch_kind kind;
		const char *name;
	} changed[] = {{KUBE_WATCH_AUTOSCALERS, "horizontalpodautoscalers"},
		{KUBE_WATCH_DEPLOYMENTS, "deployments"}};
	uint64_t lists[ARRAY_COUNT(changed)];
	double gone[ARRAY_COUNT(changed)];

	(void)state;
	if (!opened)
		skip();
	AWAIT(&cluster.parts, all_sure(), WAIT_S);
	assert_true(scaler_is(KUBE_WATCH_SEEN, "second"));
	for (size_t i = 0; i < ARRAY_COUNT(changed); i++) {
		lists[i] = kube_watch_state(watch, changed[i].kind).lists;
		gone[i] = metrics_get(METRIC_KUBE_WATCH_FAILURES, changed[i].name, "gone");
	}
	kube_cluster_kill_api(&cluster);
	kube_cluster_forget(&cluster, change_behind_the_watch);
	/* Nothing of it was seen yet, and nothing that was is believed. */
	assert_true(scaler_is(KUBE_WATCH_UNSURE, ""));
	kube_cluster_start_api(&cluster);
	AWAIT(&cluster.parts, all_sure(), WAIT_S);
	AWAIT(&cluster.parts, scaler_is(KUBE_WATCH_SEEN, "third"), WAIT_S);
	AWAIT(&cluster.parts, web_is_paused(), WAIT_S);
	for (size_t i = 0; i < ARRAY_COUNT(changed); i++) {
		assert_true(
			metrics_get(METRIC_KUBE_WATCH_FAILURES, changed[i].name, "gone") > gone[i]);
		assert_true(kube_watch_state(watch, changed[i].kind).lists > lists[i]);
	}
	/* And it is followed on from there. */
	delete_scaler("third");
	AWAIT(&cluster.parts, scaler_is(KUBE_WATCH_NONE, ""), WAIT_S);
}

static void all_is_given_back(void **state)
{
	(void)state;
	if (!opened)
		skip();
	kube_watch_close(watch);
	kube_client_close(watching);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_certificate_of_a_kubeconfig_is_who_we_are),
		cmocka_unit_test(plugin_of_a_kubeconfig_gives_the_token),
		cmocka_unit_test(actions_and_refusals_stand_on_the_object),
		cmocka_unit_test(all_kinds_are_followed),
		cmocka_unit_test(restarted_server_is_followed_on),
		cmocka_unit_test(what_was_forgotten_is_listed_anew_and_nothing_is_lost),
		cmocka_unit_test(all_is_given_back),
	};

	return cmocka_run_group_tests_name("kubernetes_link", tests, setup, teardown);
}
