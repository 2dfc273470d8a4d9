/*
 * The service at work on a real Kubernetes while things go wrong beside it: others write the same objects
 * all the time, tokens are replaced and end, the API server dies in the middle of a drain. And the whole
 * way with Debian's Alertmanager: its alert, a silence, the action, its outcome, the end of the silence.
 *
 * Whatever comes, an action ends done or with its reason, and the cluster was changed once for each that
 * is told to be done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "tests/support/account_token.h"
#include "tests/support/alertmanager_api.h"
#include "tests/support/http_stub.h"
#include "tests/support/kube_account.h"
#include "tests/support/kube_guard.h"
#include "tests/support/kube_writer.h"

#define DEPLOYMENTS "/apis/apps/v1/namespaces/shop/deployments/"
#define MANAGED "'nimbusguard.io/managed':'true'"
#define WAIT_S 120
#define TIME_MAX 64
#define ID_MAX 128
#define WRITERS 3

static const char *const busy[] = {"busy-0", "busy-1", "busy-2"};
static const char *const contested[] = {"contested-0", "contested-1"};
static const char *const others[] = {"quiet", "told", "early", "late", "drained"};
static struct kube_guard_workload
	workloads[ARRAY_COUNT(busy) + ARRAY_COUNT(contested) + ARRAY_COUNT(others)];

static struct kube_cluster cluster;
static struct kube_guard guard;
static struct server *manager;
static struct http_stub *receiver;
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* ---- the world ---- */

#define WORKLOAD "target:\n  kind: Workload\nsteps:\n"
#define SOON "verify: {signal: restarts, fold: newest, is: below, value: 1, over: 5s, after: 2s}\n"

/* The flag that names them all. */
static void write_playbooks(char *flag, size_t size)
{
	char hook[2048];
	const struct {
		const char *name, *text;
	} playbooks[] = {
		{"restart",
			"playbook: restart\ntrigger:\n  alert: ['alertname=\"Leak\"']\n" WORKLOAD
			"- action: restart_workload\n" SOON},
		{"scale",
			"playbook: scale\ntrigger:\n  alert: ['alertname=\"Load\"']\n" WORKLOAD
			"- {action: scale, by: +1, max: 20}\n" SOON},
		{"drain",
			"playbook: drain\ntrigger:\n  alert: ['alertname=\"BadDisk\"']\ntarget:\n"
			"  kind: Node\nsteps:\n- {action: drain, deadline: 30m}\n" SOON},
		{"quiet",
			"playbook: quiet\nmode: approve\ntrigger:\n  alert: ['alertname=\"Flapping\"']\n"
			"  range: 1s\ntarget:\n  kind: Deployment\nsteps:\n"
			"- {action: silence, alerts: [PodNotReady], for: 10m}\n"
			"- {action: restart_workload}\nverify: {by: cluster, after: 2s}\n"},
		{"hook", hook}};
	size_t used = 0;

	snprintf(hook, sizeof(hook),
		"playbook: hook\ntrigger:\n  alert: ['alertname=\"Full\"']\n" WORKLOAD
		"- {action: webhook, url: 'http://127.0.0.1:%u/hook', secret_file: '%s',\n"
		"   body: '{\"who\":\"{{ workload }}\",\"why\":\"{{ detail }}\"}'}\n" SOON,
		http_stub_port(receiver),
		servers_write(&guard.servers, "secret",
			"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n"));
	for (size_t i = 0; i < ARRAY_COUNT(playbooks); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s.yaml", playbooks[i].name);
		used += (size_t)snprintf(flag + used, size - used, "%s%s",
			i == 0 ? "--remediate.playbooks=" : ",",
			servers_write(&guard.servers, name, playbooks[i].text));
		assert_true(used < size);
	}
}

/* What `nimbusguard rbac` prints for these playbooks, and a token that is good as long as a Secret is. */
static void make_account(const char *playbooks)
{
	const char *const flags[] = {"--format=json", "--namespace=shop",
		"--service-account=shop/nimbusguard", playbooks, NULL};

	kube_account_bind(&cluster, flags);
	for (int i = 0; i < 2; i++)
		kube_cluster_create(&cluster, "/api/v1/namespaces/shop/secrets",
			"{'metadata':{'name':'%s'}}", i == 0 ? "first" : "second");
	kube_cluster_token(&cluster, "shop", "nimbusguard", "first", "token", token_path);
}

static void start_alertmanager(void)
{
	char *text = malloc(1024);

	assert_non_null(text);
	snprintf(text, 1024,
		"route: {receiver: guard, group_by: [alertname], group_wait: 100ms, "
		"group_interval: 100ms, repeat_interval: 4h}\n"
		"receivers:\n- name: guard\n  webhook_configs:\n"
		"  - {url: '%s/api/v1/webhook', send_resolved: true}\n",
		guard.server->url);
	manager = server_add(&guard.servers, "alertmanager");
	alertmanager_start(&guard.servers, manager, text);
	free(text);
}

static void start_guard(const char *playbooks)
{
	char url[128];
	const char *const flags[] = {playbooks, url, "--kubernetes.namespaces=shop",
		"--guard.per-namespace=100", "--guard.per-cluster=100", "--guard.per-kind=100",
		"--guard.concurrent=100", "--guard.per-target=100", "--guard.cooldown=0s", NULL};

	snprintf(url, sizeof(url), "--alertmanager.url=%s", manager->url);
	kube_guard_start(&guard, token_path, flags);
}

static size_t list_workloads(void)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(busy); i++)
		workloads[count++] = (struct kube_guard_workload){"shop", busy[i]};
	for (size_t i = 0; i < ARRAY_COUNT(contested); i++)
		workloads[count++] = (struct kube_guard_workload){"shop", contested[i]};
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		workloads[count++] = (struct kube_guard_workload){"shop", others[i]};
	return count;
}

static int setup(void **state)
{
	static const struct stub_rule taken = {.start = "POST /hook"};
	char playbooks[SERVER_PATH_MAX * 6];

	if (!servers_there(false, true) || !kube_cluster_there())
		return 0;
	kube_guard_open(&guard, &cluster, workloads, list_workloads());
	kube_cluster_open(&cluster);
	opened = true;
	signal(SIGPIPE, SIG_IGN);
	receiver = http_stub_open(&taken, 1, NULL, NULL);
	assert_non_null(receiver);
	kube_cluster_namespace(&cluster, "shop");
	for (size_t i = 0; i < guard.workload_count; i++)
		kube_cluster_deployment(&cluster, "shop", workloads[i].name, 1, MANAGED);
	write_playbooks(playbooks, sizeof(playbooks));
	make_account(playbooks);
	start_alertmanager();
	start_guard(playbooks);
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		kube_guard_close(&guard);
		kube_cluster_close(&cluster);
		http_stub_close(receiver);
	}
	return 0;
}

/* The number at the end of the names; -1 when there is none. */
static long long number_of(const char *name, const char *part, const char *field)
{
	char path[SERVER_PATH_MAX];
	json_t *object;
	const json_t *value;
	long long number;

	snprintf(path, sizeof(path), DEPLOYMENTS "%s", name);
	object = kube_cluster_get(&cluster, path);
	value = kube_get(object, part, field, NULL);
	number = json_is_integer(value) ? json_integer_value(value) : -1;
	json_decref(object);
	return number;
}

/* How many incidents on it have ended. */
static unsigned ended(const char *name)
{
	json_t *list = nimbusguard_get(guard.server, "incidents?limit=1000"), *one;
	unsigned count = 0;
	size_t i;

	kube_guard_feed(&guard);
	json_array_foreach(list, i, one)
	{
		const char *own = json_string_value(kube_get(one, "target", "name", NULL));

		count += own != NULL && strcmp(own, name) == 0 &&
			json_is_false(json_object_get(one, "open"));
	}
	json_decref(list);
	return count;
}

/* ---- others who write all the time ---- */

/* Of the actions on a target that are no ticket, how many were done; each other one must have ended
 * because of what others wrote. replicas: what they wrote, in turn, or NULL. */
static unsigned count_done(const char *name, const int *replicas)
{
	json_t *list = nimbusguard_get(guard.server, "actions?limit=1000"), *action;
	unsigned count = 0;
	size_t i;

	json_array_foreach(list, i, action)
	{
		const char *own = json_string_value(kube_get(action, "target", "name", NULL));
		const char *kind = json_string_value(json_object_get(action, "kind"));
		const char *reason = json_string_value(json_object_get(action, "reason"));
		bool done = json_is_string(json_object_get(action, "done_at"));
		const json_t *change = json_array_get(kube_get(action, "plan", "changes", NULL), 0);
		json_int_t before = json_integer_value(json_object_get(change, "before"));

		if (own == NULL || strcmp(own, name) != 0 || strcmp(kind, "ticket") == 0)
			continue;
		count += done;
		if ((!done && (reason == NULL || strcmp(reason, "conflict") != 0)) ||
			(replicas != NULL &&
				((before != replicas[0] && before != replicas[1]) ||
					json_integer_value(json_object_get(change, "after")) !=
						before + 1)))
			fail_msg("%s: %s", name, json_dumps(action, JSON_COMPACT));
	}
	json_decref(list);
	return count;
}

/* Labels, as annotations count as changes of a Deployment: its generation is of its spec alone then. */
static void write_note(unsigned n, char *body)
{
	snprintf(body, KUBE_WRITER_BODY_MAX, "{\"metadata\":{\"labels\":{\"note\":\"%u\"}}}", n);
}

/* Whether the incident after that one (or the first, where it is empty) has an action that was done, or
 * is over. */
static bool is_settled(const char *name, const char *incident, unsigned times)
{
	json_t *action = kube_guard_action(&guard, "shop", name);
	const char *own = json_string_value(json_object_get(action, "incident"));
	bool done = own != NULL && strcmp(own, incident) != 0 &&
		json_is_string(json_object_get(action, "done_at"));

	json_decref(action);
	return done || ended(name) == times;
}

/* Restarts it while others write it; true when one of them came in between. */
static bool restart_in_the_storm(const char *name, unsigned times)
{
	static struct kube_writer writers[WRITERS];
	char path[SERVER_PATH_MAX], labels[256], incident[ID_MAX] = "";
	json_t *action = kube_guard_action(&guard, "shop", name);
	double before = kube_writer_conflicts(&cluster);

	if (action != NULL)
		snprintf(incident, sizeof(incident), "%s",
			json_string_value(json_object_get(action, "incident")));
	json_decref(action);
	snprintf(path, sizeof(path), DEPLOYMENTS "%s", name);
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i].path = path;
		writers[i].manager = "note-taker";
		writers[i].write_body = write_note;
		kube_writer_start(&writers[i], &cluster);
	}
	snprintf(labels, sizeof(labels),
		"'namespace':'shop','workload_kind':'Deployment','workload':'%s','time':'%u'", name,
		times);
	kube_guard_send(guard.server, "Leak", labels);
	AWAIT(&guard.servers, is_settled(name, incident, times), WAIT_S);
	for (size_t i = 0; i < WRITERS; i++)
		kube_writer_stop(&writers[i]);
	AWAIT(&guard.servers, ended(name) == times, WAIT_S);
	return kube_writer_conflicts(&cluster) > before;
}

static void what_others_write_beside_it_neither_stops_nor_doubles_an_action(void **state)
{
	unsigned conflicts = 0;

	if (!opened)
		skip();
	/* As often as it takes until one came in between. */
	for (unsigned times = 1; conflicts == 0; times++) {
		assert_true(times < 20);
		for (size_t i = 0; i < ARRAY_COUNT(busy) && conflicts == 0; i++)
			conflicts += restart_in_the_storm(busy[i], times);
	}
	for (size_t i = 0; i < ARRAY_COUNT(busy); i++)
		assert_int_equal(number_of(busy[i], "metadata", "generation"),
			1 + count_done(busy[i], NULL));
}

static const int disputed[] = {2, 5};

static void write_replicas(unsigned n, char *body)
{
	snprintf(body, KUBE_WRITER_BODY_MAX, "{\"spec\":{\"replicas\":%d}}", disputed[n % 2]);
}

/* Each number that stood there, in turn: one that the other did not write is what was said of the one
 * before it. How many there were of those. */
static unsigned check_numbers(const char *numbers)
{
	long before = 0;
	unsigned ours = 0;

	for (const char *at = numbers; *at != '\0'; at = strchr(at, ',') + 1) {
		long number = strtol(at, NULL, 10);

		if (number != before && number != disputed[0] && number != disputed[1]) {
			ours++;
			if (number != before + 1)
				fail_msg("%ld -> %ld: %s", before, number, numbers);
		}
		before = number;
	}
	return ours;
}

/* What it is to become was said of a number that stands there no more: that is not sent. An action may get
 * in between two writes; then it is told to be reverted. */
static void scale_in_the_storm(const char *name)
{
	static struct kube_writer writer;
	char path[SERVER_PATH_MAX], follow[256], *numbers;
	struct proc follower;
	unsigned done;

	snprintf(path, sizeof(path), DEPLOYMENTS "%s", name);
	snprintf(follow, sizeof(follow),
		"get deployment/%s -n shop --watch -o jsonpath={.spec.replicas},", name);
	writer.path = path;
	writer.manager = "other-operator";
	writer.write_body = write_replicas;
	kube_writer_start(&writer, &cluster);
	kube_cluster_follow(&cluster, follow, &follower);
	AWAIT(&cluster.parts, proc_said(&follower, ","), WAIT_S);
	kube_guard_alert(&guard, "Load", "shop", name);
	AWAIT(&guard.servers, ended(name) == 1, WAIT_S);
	kube_writer_stop(&writer);
	/* So that all that was before is known to have been seen. */
	kube_cluster_patch(&cluster, path, "{'spec':{'replicas':%d}}", disputed[0] - 1);
	AWAIT(&cluster.parts, proc_said(&follower, ",1,"), WAIT_S);
	(void)proc_stop(&follower, SIGTERM, 10000);
	numbers = proc_log(&follower);
	strstr(numbers, ",1,")[1] = '\0';
	done = check_numbers(numbers);
	print_message("%s: %u written\n", name, done);
	assert_int_equal(count_done(name, disputed), done);
	if (done > 0)
		assert_true(kube_guard_has(&guard, "shop", name, "sentence", "other-operator"));
	free(numbers);
}

static void a_number_that_somebody_else_keeps_writing_is_not_written_blindly(void **state)
{
	if (!opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(contested); i++)
		scale_in_the_storm(contested[i]);
}

/* ---- the API server dies in the middle ---- */

#define BUDGETS "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"

static void set_budget(int available)
{
	long status;

	json_decref(kube_cluster_call(&cluster, "DELETE", BUDGETS "/all", &status, "%s", ""));
	kube_cluster_create(&cluster, BUDGETS,
		"{'metadata':{'name':'all'},'spec':{'minAvailable':%d,'selector':{'matchLabels':"
		"{'app':'drained'}}}}",
		available);
}

static bool budget_allows(int count)
{
	json_t *budget = kube_cluster_get(&cluster, BUDGETS "/all");
	bool is =
		kube_number(kube_get(budget, "status", "disruptionsAllowed", NULL), -1) == count &&
		kube_number(kube_get(budget, "status", "expectedPods", NULL), -1) > 0;

	json_decref(budget);
	return is;
}

/* The node that the pod of `drained` is on. */
static const char *node_of_drained(void)
{
	static char node[64];
	json_t *pods = kube_cluster_pods(&cluster, "shop", "drained");
	const char *name =
		json_string_value(kube_get(json_array_get(pods, 0), "spec", "nodeName", NULL));

	assert_non_null(name);
	snprintf(node, sizeof(node), "%s", name);
	json_decref(pods);
	return node;
}

static bool waits_for_the_budget(const char *node)
{
	return kube_guard_has(&guard, "", node, "sentence", "wait for their disruption budget") ||
		kube_guard_has(&guard, "", node, "sentence", "waits for its disruption budget");
}

/* The drain waits for a budget, so that it is in the middle however fast or slow all is. */
static void a_drain_goes_on_when_the_api_server_comes_back(void **state)
{
	char node[64], path[128], labels[96], id[ID_MAX];
	json_t *object;

	if (!opened)
		skip();
	set_budget(1);
	AWAIT(&cluster.parts, budget_allows(0), WAIT_S);
	snprintf(node, sizeof(node), "%s", node_of_drained());
	snprintf(path, sizeof(path), "/api/v1/nodes/%s", node);
	kube_cluster_patch(&cluster, path, "{'metadata':{'annotations':{%s}}}", MANAGED);
	snprintf(labels, sizeof(labels), "'node':'%s'", node);
	kube_guard_send(guard.server, "BadDisk", labels);
	AWAIT(&guard.servers, waits_for_the_budget(node), WAIT_S);
	object = kube_cluster_get(&cluster, path);
	assert_true(json_is_true(kube_get(object, "spec", "unschedulable", NULL)));
	json_decref(object);
	object = kube_guard_action(&guard, "", node);
	snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(object, "id")));
	json_decref(object);
	kube_cluster_kill_api(&cluster);
	kube_cluster_start_api(&cluster);
	set_budget(0);
	/* It is the same one, and no second try. */
	AWAIT(&guard.servers, kube_guard_has(&guard, "", node, "done_at", NULL), WAIT_S);
	assert_true(kube_guard_has(&guard, "", node, "id", id));
	object = kube_cluster_get(&cluster, path);
	assert_true(json_is_true(kube_get(object, "spec", "unschedulable", NULL)));
	assert_non_null(kube_annotation(object, ANNOTATION_CORDONED));
	json_decref(object);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "drained", 1), WAIT_S);
	assert_string_not_equal(node_of_drained(), node);
	kube_cluster_patch(&cluster, path, "{'spec':{'unschedulable':null}}");
}

/* ---- with Alertmanager ---- */

#define OF(alert, name)                                                                            \
	"'alertname':'" alert                                                                      \
	"','namespace':'shop','workload_kind':'Deployment','deployment':'" name                    \
	"','workload':'" name "'"

/* Whether Alertmanager says so of an alert: "active" or "suppressed". */
static bool alert_is(const char *alert, const char *workload, const char *wanted)
{
	char url[256];
	json_t *list, *one;
	bool is = false;
	size_t i;

	snprintf(url, sizeof(url), "%s/api/v2/alerts", manager->url);
	list = web_json(url, NULL);
	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(kube_get(one, "labels", "alertname", NULL));
		const char *own = json_string_value(kube_get(one, "labels", "workload", NULL));
		const char *now = json_string_value(kube_get(one, "status", "state", NULL));

		is = is ||
			(strcmp(name, alert) == 0 && strcmp(own, workload) == 0 &&
				strcmp(now, wanted) == 0);
	}
	json_decref(list);
	return is;
}

static size_t silences(const char *state)
{
	kube_guard_feed(&guard);
	return alertmanager_silences(manager, state);
}

static bool ended_as(const char *playbook, const char *outcome)
{
	json_t *list = nimbusguard_get(guard.server, "incidents"), *one;
	bool has = false;
	size_t i;

	kube_guard_feed(&guard);
	json_array_foreach(list, i, one)
	{
		const char *own = json_string_value(json_object_get(one, "playbook"));
		const char *word = json_string_value(json_object_get(one, "outcome"));

		has = has ||
			(own != NULL && word != NULL && strcmp(own, playbook) == 0 &&
				strcmp(word, outcome) == 0);
	}
	json_decref(list);
	return has;
}

/* Whether the newest action of this kind on `quiet` waits for a person; says yes to it. */
static bool is_approved(const char *kind)
{
	json_t *action = kube_guard_action(&guard, "shop", "quiet");
	const char *own = json_string_value(json_object_get(action, "kind"));
	const char *state = json_string_value(json_object_get(action, "state"));
	struct web_answer answer;
	char url[512];
	bool waits =
		own != NULL && strcmp(own, kind) == 0 && strcmp(state, "awaiting_approval") == 0;

	kube_guard_feed(&guard);
	if (waits) {
		snprintf(url, sizeof(url), "%s/api/v1/actions/%s/approve?hash=%s",
			guard.server->url, json_string_value(json_object_get(action, "id")),
			json_string_value(json_object_get(action, "approval_hash")));
		answer = web_call("POST", url, NULL, NULL);
		/* What is another plan or state by now is shown anew. */
		waits = answer.status == 200;
		web_answer_fini(&answer);
	}
	json_decref(action);
	return waits;
}

/* The one silence there is. */
static void silence_lasted(char *from, char *until)
{
	char url[256];
	json_t *list;

	snprintf(url, sizeof(url), "%s/api/v2/silences", manager->url);
	list = web_json(url, NULL);
	assert_int_equal(json_array_size(list), 1);
	snprintf(from, TIME_MAX, "%s",
		json_string_value(json_object_get(json_array_get(list, 0), "startsAt")));
	snprintf(until, TIME_MAX, "%s",
		json_string_value(json_object_get(json_array_get(list, 0), "endsAt")));
	json_decref(list);
}

/* The restart waits for a person, so that there is time to look at what is silenced. */
static void a_silence_lasts_from_before_the_restart_until_it_is_verified(void **state)
{
	char from[TIME_MAX], until[TIME_MAX];
	json_t *action;

	if (!opened)
		skip();
	alertmanager_fire(manager, OF("Flapping", "quiet"));
	AWAIT(&guard.servers, is_approved("silence"), WAIT_S);
	AWAIT(&guard.servers, silences("active") == 1, WAIT_S);
	alertmanager_fire(manager, OF("PodNotReady", "quiet"));
	alertmanager_fire(manager, OF("PodNotReady", "told"));
	AWAIT(&guard.servers, alert_is("PodNotReady", "quiet", "suppressed"), WAIT_S);
	/* It is as narrow as the action, and not for what triggered it. */
	AWAIT(&guard.servers, alert_is("PodNotReady", "told", "active"), WAIT_S);
	assert_true(alert_is("Flapping", "quiet", "active"));
	assert_int_equal(number_of("quiet", "metadata", "generation"), 1);
	AWAIT(&guard.servers, is_approved("restart_workload"), WAIT_S);
	AWAIT(&guard.servers, ended_as("quiet", "cured"), WAIT_S);
	AWAIT(&guard.servers, silences("active") == 0 && silences("expired") == 1, WAIT_S);
	AWAIT(&guard.servers, alert_is("PodNotReady", "quiet", "active"), WAIT_S);
	assert_int_equal(number_of("quiet", "metadata", "generation"), 2);
	silence_lasted(from, until);
	action = kube_guard_action(&guard, "shop", "quiet");
	assert_true(strcmp(from, json_string_value(json_object_get(action, "sent_at"))) < 0);
	assert_true(strcmp(json_string_value(json_object_get(action, "done_at")), until) < 0);
	json_decref(action);
}

static void a_webhook_is_told_once_signed_and_changes_nothing(void **state)
{
	if (!opened)
		skip();
	alertmanager_fire(manager, OF("Full", "told") ",'detail':'a \\' b'");
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "told", "done_at", NULL), WAIT_S);
	AWAIT(&guard.servers, ended_as("hook", "cured") || ended_as("hook", "self_healed"), WAIT_S);
	assert_int_equal(http_stub_request_count(receiver), 1);
	assert_non_null(strstr(http_stub_request(receiver, 0), "\r\nwebhook-signature: v1,"));
	assert_non_null(
		strstr(http_stub_body(receiver, 0), "\"who\":\"told\",\"why\":\"a \\\" b\""));
	assert_int_equal(number_of("told", "metadata", "generation"), 1);
}

/* ---- tokens ---- */

static bool is_refused(const char *token)
{
	const struct web_access access = {.token = token, .ca = cluster.ca_file};
	char url[SERVER_PATH_MAX];

	snprintf(url, sizeof(url), "%s" DEPLOYMENTS "early", cluster.api->url);
	return web_status(url, &access) == 401;
}

static void remove_secret(const char *name)
{
	char path[128];
	long status;

	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/secrets/%s", name);
	json_decref(kube_cluster_call(&cluster, "DELETE", path, &status, "%s", ""));
	assert_int_equal(status, 200);
}

static bool any_action_says(const char *words)
{
	json_t *list = nimbusguard_get(guard.server, "actions?limit=1000"), *action;
	bool says = false;
	size_t i;

	json_array_foreach(list, i, action)
	{
		const char *sentence = json_string_value(json_object_get(action, "sentence"));

		says = says || (sentence != NULL && strstr(sentence, words) != NULL);
	}
	json_decref(list);
	return says;
}

/* As the kubelet does it: the next one stands in the file before the old one ends. */
static void a_rotated_token_is_taken_without_a_refusal(void **state)
{
	char old[4096] = "";
	FILE *file;

	if (!opened)
		skip();
	file = fopen(token_path, "r");
	assert_true(file != NULL && fread(old, 1, sizeof(old) - 1, file) > 0);
	fclose(file);
	kube_cluster_token(&cluster, "shop", "nimbusguard", "second", "token", token_path);
	remove_secret("first");
	/* The server remembers for some seconds that it was good. */
	AWAIT(&cluster.parts, is_refused(old), WAIT_S);
	kube_guard_alert(&guard, "Leak", "shop", "early");
	kube_guard_await_done(&guard, "shop", "early");
	assert_false(any_action_says("401"));
	assert_int_equal(number_of("early", "metadata", "generation"), 2);
}

/* A token that the server took, and takes no more because its time is over. */
static void an_expired_token_is_told_and_the_next_one_taken(void **state)
{
	char *token;

	if (!opened)
		skip();
	token = account_token_sign(&cluster, "shop", "nimbusguard", 15);
	while (is_refused(token)) {
		/* A machine that stood still meanwhile. */
		free(token);
		token = account_token_sign(&cluster, "shop", "nimbusguard", 15);
	}
	(void)servers_write(&cluster.parts, "token", token);
	remove_secret("second");
	AWAIT(&cluster.parts, is_refused(token), WAIT_S);
	free(token);
	kube_guard_alert(&guard, "Leak", "shop", "late");
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "late", "sentence", "401"), WAIT_S);
	assert_int_equal(number_of("late", "metadata", "generation"), 1);
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
	kube_guard_await_done(&guard, "shop", "late");
	assert_int_equal(number_of("late", "metadata", "generation"), 2);
}

static void service_ends_in_order(void **state)
{
	if (!opened)
		skip();
	server_end(guard.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_write_beside_it_neither_stops_nor_doubles_an_action),
		cmocka_unit_test(a_number_that_somebody_else_keeps_writing_is_not_written_blindly),
		cmocka_unit_test(a_drain_goes_on_when_the_api_server_comes_back),
		cmocka_unit_test(a_silence_lasts_from_before_the_restart_until_it_is_verified),
		cmocka_unit_test(a_webhook_is_told_once_signed_and_changes_nothing),
		cmocka_unit_test(a_rotated_token_is_taken_without_a_refusal),
		cmocka_unit_test(an_expired_token_is_told_and_the_next_one_taken),
		cmocka_unit_test(service_ends_in_order),
	};

	return cmocka_run_group_tests_name("kubernetes_trouble", tests, setup, teardown);
}
