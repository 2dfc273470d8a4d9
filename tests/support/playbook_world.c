/*
 * The service has all playbooks as they are shipped, but for the time until an outcome is looked at.
 * Samples are fed by whole seconds: those of a time before it was known that an action is done are of
 * the time before it, however slow the machine.
 */
#include "tests/support/playbook_world.h"

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
#include "remediations/kube_object.h"
#include "tests/support/kube_account.h"
#include "tests/support/kube_guard.h"
#include "tests/support/write_post.h"

#define WAIT_S PLAYBOOK_WAIT_S
/* So much of the past the service is told of at first, and how much of that is after the jump of what
 * the scan is to find. */
#define PAST_S 660
#define JUMP_S 120
#define WHSEC "whsec_c2VjcmV0LW9mLXRoZS1lbmQtdG8tZW5kLXRlc3Q="

/* ---- samples ---- */

static double value_of(const struct playbook_case *at, const struct playbook_fed *fed,
	int64_t ago_s)
{
	if (at->event == NULL && ago_s > JUMP_S)
		return fed->calm * (ago_s % 2 == 0 ? 1.02 : 0.98);
	return at->done ? fed->good : fed->bad;
}

static void add_series(struct write_body *request, const struct playbook_case *at,
	const struct playbook_fed *fed, int64_t from_s, int64_t to_s)
{
	static struct write_body series;
	char name[128];

	write_body_reset(&series);
	snprintf(name, sizeof(name), "nimbusguard:%s", fed != NULL ? fed->name : "pod_owner:info");
	write_body_label(&series, "__name__", name);
	write_body_label(&series, "namespace", at->space);
	if (fed == NULL)
		write_body_label(&series, "pod", at->pod);
	write_body_label(&series, "workload", "web");
	write_body_label(&series, "workload_kind", "Deployment");
	for (int64_t t_s = from_s; t_s <= to_s; t_s++)
		write_body_sample(&series, t_s * 1000,
			fed != NULL ? value_of(at, fed, to_s - t_s) : 1);
	write_body_series(request, &series);
}

/* A sample a second of each series, up to that second; those of a time for which nobody came by too. */
static void feed(struct playbook_world *world, int64_t to_s)
{
	static struct write_body request;
	int64_t from_s = world->fed_s == 0 ? to_s - PAST_S : world->fed_s + 1;

	if (from_s > to_s)
		return;
	world->fed_s = to_s;
	write_body_reset(&request);
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++) {
		for (size_t i = 0; i < ARRAY_COUNT(at->fed); i++)
			if (at->fed[i].name != NULL)
				add_series(&request, at, &at->fed[i], from_s, to_s);
		if (at->kind == ON_POD)
			add_series(&request, at, NULL, from_s, to_s);
	}
	assert_int_equal(write_post_status(world->guard->port.number, &request), 204);
}

/* ---- what comes, and what it leads to ---- */

void playbook_world_trigger(struct playbook_world *world, const struct playbook_case *at)
{
	char labels[1024], target[512] = "";

	if (at->event == NULL)
		return;
	if (at->kind == ON_NODE)
		snprintf(target, sizeof(target), "'node':'%s'", at->space);
	else if (at->kind == ON_POD)
		snprintf(target, sizeof(target), "'namespace':'%s','pod':'%s'", at->space, at->pod);
	else if (at->kind == ON_WORKLOAD)
		snprintf(target, sizeof(target),
			"'namespace':'%s','workload_kind':'Deployment','workload':'web'",
			at->space);
	snprintf(labels, sizeof(labels), "'severity':'warning',%s%s", target,
		at->labels != NULL ? at->labels : "");
	kube_guard_send(world->guard, at->event, labels);
}

const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* The case that an action or incident is of. */
static struct playbook_case *case_of(struct playbook_world *world, const json_t *entry)
{
	const json_t *target = json_object_get(entry, "target");

	for (struct playbook_case *at = world->cases; at < world->cases_end; at++) {
		const char *where = text_at(target, at->kind == ON_NODE ? "name" : "namespace");

		if (strcmp(at->playbook, text_at(entry, "playbook")) == 0 &&
			(at->kind == TOLD || strcmp(at->space, where) == 0))
			return at;
	}
	return NULL;
}

/* A person who looks at what waits and says yes to that. */
static void approve(const struct playbook_world *world, const json_t *action)
{
	char url[512];
	struct web_answer answer;

	snprintf(url, sizeof(url), "%s/api/v1/actions/%s/approve?hash=%s", world->guard->url,
		text_at(action, "id"), text_at(action, "approval_hash"));
	answer = web_call("POST", url, NULL, NULL);
	/* What is another plan or state by now is shown anew. */
	if (answer.status != 200 && answer.status != 409)
		fail_msg("%s: %ld %s", url, answer.status, answer.body);
	web_answer_fini(&answer);
}

static void note_action(const struct playbook_world *world, struct playbook_case *at,
	json_t *action)
{
	const char *kind = text_at(action, "kind");

	if (at->action == NULL || strcmp(kind, at->action) != 0)
		return;
	snprintf(at->id, sizeof(at->id), "%s", text_at(action, "id"));
	snprintf(at->state, sizeof(at->state), "%s", text_at(action, "state"));
	at->done = at->done || *text_at(action, "done_at") != '\0';
	if (strcmp(at->state, "awaiting_approval") == 0)
		approve(world, action);
	if (at->newest == NULL || !at->ended) {
		json_decref(at->newest);
		at->newest = json_incref(action);
	}
}

static void note_incident(struct playbook_case *at, json_t *incident)
{
	if (!json_is_false(json_object_get(incident, "open")))
		return;
	at->ended = true;
	snprintf(at->ended_as, sizeof(at->ended_as), "%s", text_at(incident, "outcome"));
	json_decref(at->newest);
	at->newest = json_incref(incident);
}

void playbook_world_go_on(struct playbook_world *world)
{
	int64_t now_s = clock_now_ms(clock_system()) / 1000;
	json_t *list = nimbusguard_get(world->guard, "actions?limit=1000"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		struct playbook_case *at = case_of(world, entry);

		if (at != NULL)
			note_action(world, at, entry);
	}
	json_decref(list);
	list = nimbusguard_get(world->guard, "incidents?limit=1000");
	json_array_foreach(list, i, entry)
	{
		struct playbook_case *at = case_of(world, entry);

		if (at != NULL)
			note_incident(at, entry);
	}
	json_decref(list);
	feed(world, now_s);
}

void playbook_world_fail(struct playbook_world *world, const struct playbook_case *at)
{
	char *text = json_dumps(at->newest, JSON_INDENT(1));

	servers_tell(&world->servers);
	fail_msg("%s: %s: %s", at->playbook, at->ended ? at->ended_as : "it has not ended",
		text != NULL ? text : "nothing came");
	abort();
}

void playbook_world_await_end(struct playbook_world *world, struct playbook_case *at)
{
	for (int i = 0; i < WAIT_S * 5; i++) {
		playbook_world_go_on(world);
		if (at->ended)
			return;
		clock_sleep_ms(200);
	}
	playbook_world_fail(world, at);
}

bool playbook_world_event(struct playbook_world *world, const struct playbook_case *at,
	const char *reason)
{
	const char *name = at->kind == ON_WORKLOAD ? "web"
		: at->kind == ON_POD               ? at->pod
						   : at->space;
	char path[SERVER_PATH_MAX];
	json_t *list, *event;
	bool stands = false;
	size_t i;

	snprintf(path, sizeof(path), "/apis/events.k8s.io/v1/namespaces/%s/events",
		at->kind == ON_NODE ? "default" : at->space);
	list = kube_cluster_get(&world->cluster, path);
	json_array_foreach(json_object_get(list, "items"), i, event) stands = stands ||
		(strcmp(text_at(event, "reason"), reason) == 0 &&
			strcmp(text_at(json_object_get(event, "regarding"), "name"), name) == 0 &&
			strstr(text_at(event, "note"), at->playbook) != NULL);
	json_decref(list);
	return stands;
}

/* ---- the world ---- */

/* The bundled playbook, of which only the outcome is looked at sooner. */
static void write_playbook(struct playbook_world *world, const char *name)
{
	char path[SERVER_PATH_MAX], *text, *verify, *over;

	snprintf(path, sizeof(path), "rules/playbooks/%s.yaml", name);
	text = source_read(path);
	verify = strstr(text, "\nverify:\n");
	over = verify != NULL ? strstr(verify, "\n  over: ") : NULL;
	if (over != NULL)
		memmove(over, strchr(over + 1, '\n'), strlen(strchr(over + 1, '\n')) + 1);
	if (verify != NULL)
		text = text_replace(text, "\nverify:\n", "\nverify:\n  over: 5s\n  after: 6s\n");
	snprintf(path, sizeof(path), "playbooks/%s.yaml", name);
	(void)servers_write(&world->servers, path, text);
	free(text);
}

/* Gives the account what is printed for these playbooks (a flag), in the namespace. */
static void grant(struct playbook_world *world, const char *playbooks, const char *space,
	const char *name)
{
	char where[128], whose[128];
	const char *flags[] = {"--format=json", where, whose, playbooks, NULL};

	snprintf(where, sizeof(where), "--namespace=%s", space);
	snprintf(whose, sizeof(whose), "--name=%s", name);
	kube_account_bind(&world->cluster, flags);
}

static const char *shipped(const struct playbook_case *at, char flag[SERVER_PATH_MAX])
{
	snprintf(flag, SERVER_PATH_MAX, "--remediate.playbooks=%s/rules/playbooks/%s.yaml",
		getenv("NIMBUSGUARD_SOURCE"), at->playbook);
	return flag;
}

/* Whether the account may do all that the playbooks need in the namespace, as the server says. */
static bool allowed(struct playbook_world *world, const char *playbooks, const char *space)
{
	char where[128], url[256], token[SERVER_PATH_MAX + 32], ca[SERVER_PATH_MAX + 32];
	const char *flags[] = {"--check", where, url, token, ca, playbooks, NULL};
	int status;

	snprintf(where, sizeof(where), "--namespace=%s", space);
	snprintf(url, sizeof(url), "--kubernetes.url=%s", world->cluster.api->url);
	snprintf(token, sizeof(token), "--kubernetes.token-file=%s", world->token_path);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", world->cluster.ca_file);
	free(kube_account_ask(&world->cluster, flags, &status));
	return status == 0;
}

void playbook_world_grant(struct playbook_world *world, const struct playbook_case *at,
	const char *space, const char *name)
{
	char flag[SERVER_PATH_MAX];

	grant(world, shipped(at, flag), space, name);
}

bool playbook_world_allowed(struct playbook_world *world, const struct playbook_case *at,
	const char *space)
{
	char flag[SERVER_PATH_MAX];

	return allowed(world, shipped(at, flag), space);
}

static void make_account(struct playbook_world *world)
{
	char flag[SERVER_PATH_MAX], all[8192] = "--remediate.playbooks=";

	kube_cluster_namespace(&world->cluster, "nimbusguard");
	kube_cluster_namespace(&world->cluster, "everything");
	kube_cluster_create(&world->cluster, "/api/v1/namespaces/nimbusguard/serviceaccounts",
		"{'metadata':{'name':'nimbusguard'}}");
	kube_cluster_token(&world->cluster, "nimbusguard", "nimbusguard", NULL, "token",
		world->token_path);
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++) {
		if (at->kind == TOLD || at->kind == ON_NODE)
			continue;
		grant(world, shipped(at, flag), at->space, "nimbusguard");
		if (strstr(all, strchr(flag, '=') + 1) != NULL)
			continue;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
			strchr(all, '/') != NULL ? "," : "", strchr(flag, '=') + 1);
		assert_true(strlen(all) + 1 < sizeof(all));
	}
	grant(world, all, "everything", "nimbusguard");
	AWAIT(&world->cluster.parts, allowed(world, all, "everything"), WAIT_S);
}

static void find_pod(struct playbook_world *world, struct playbook_case *at)
{
	json_t *pods = kube_cluster_pods(&world->cluster, at->space, "web");
	json_t *pod = json_array_get(pods, 0);

	snprintf(at->pod, sizeof(at->pod), "%s",
		json_string_value(kube_get(pod, "metadata", "name", NULL)));
	json_decref(pods);
}

static void make_objects(struct playbook_world *world)
{
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++) {
		if (at->kind == ON_NODE || at->space == NULL)
			continue;
		kube_cluster_namespace(&world->cluster, at->space);
		if (at->fed[0].name != NULL)
			kube_cluster_deployment(&world->cluster, at->space, "web", 2,
				"'nimbusguard.io/managed':'true'");
	}
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++) {
		if (at->make != NULL)
			at->make(at);
		if (at->kind == ON_POD)
			find_pod(world, at);
	}
}

static void start_guard(struct playbook_world *world)
{
	static char config[SERVER_PATH_MAX * 2], url[256], token[SERVER_PATH_MAX * 2],
		ca[SERVER_PATH_MAX * 2], playbooks[SERVER_PATH_MAX * 2];
	const char *const flags[] = {config, url, token, ca, playbooks, "--mode=auto",
		"--no-dry-run", "--guard.startup-grace=0s", "--guard.window=1m",
		"--guard.concurrent=20", "--analyze.scan-interval=200ms",
		"--analyze.history-min=5m", "--analyze.duration-min=2s",
		"--kubernetes.namespaces=everything", NULL};
	char text[1024], secret[SERVER_PATH_MAX];

	snprintf(secret, sizeof(secret), "%s", servers_write(&world->servers, "whsec", WHSEC "\n"));
	snprintf(text, sizeof(text),
		"tickets:\n- {kind: webhook, name: hook, url: 'http://127.0.0.1:%u/hook', "
		"secret_file: %s}\n",
		http_stub_port(world->stub), secret);
	snprintf(config, sizeof(config), "--config.file=%s",
		servers_write(&world->servers, "nimbusguard.yml", text));
	snprintf(url, sizeof(url), "--kubernetes.url=%s", world->cluster.api->url);
	snprintf(token, sizeof(token), "--kubernetes.token-file=%s", world->token_path);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", world->cluster.ca_file);
	snprintf(playbooks, sizeof(playbooks), "--remediate.playbooks=%s/playbooks",
		world->servers.folder);
	nimbusguard_start(&world->servers, world->guard, flags);
}

bool playbook_world_open(struct playbook_world *world, struct playbook_case *cases, size_t count)
{
	static const struct stub_rule taken[] = {{.start = "POST /hook", .code = 200}};
	char folder[SERVER_PATH_MAX * 2];

	if (!servers_there(false, false) || !kube_cluster_there())
		return false;
	*world = (struct playbook_world){.cases = cases, .cases_end = cases + count};
	servers_open(&world->servers);
	kube_cluster_open(&world->cluster);
	world->stub = http_stub_open(taken, 1, NULL, NULL);
	assert_non_null(world->stub);
	make_objects(world);
	make_account(world);
	snprintf(folder, sizeof(folder), "%s/playbooks", world->servers.folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++)
		write_playbook(world, at->playbook);
	world->guard = server_add(&world->servers, "nimbusguard");
	start_guard(world);
	/* The past, and then what there is to tell of the present. */
	playbook_world_go_on(world);
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++)
		if (at->kind != ON_NODE)
			playbook_world_trigger(world, at);
	return true;
}

void playbook_world_close(struct playbook_world *world)
{
	for (struct playbook_case *at = world->cases; at < world->cases_end; at++)
		json_decref(at->newest);
	servers_close(&world->servers);
	kube_cluster_close(&world->cluster);
	http_stub_close(world->stub);
}
