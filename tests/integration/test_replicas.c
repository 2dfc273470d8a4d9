/*
 * Two replicas as they are shipped: deploy/nimbusguard-replica.yml, and the snippets by which Prometheus
 * writes to both and Alertmanager calls both, over TLS with tokens. Each gets the whole stream and keeps
 * every alert, also what came while the other one was dead; neither acts, as neither has the lead.
 *
 * Of the snippets only names of machines and files are replaced, and Alertmanager's waits are shorter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificates.h"
#include "tests/support/raw_series.h"
#include "tests/support/servers.h"
#include "tests/support/target.h"

#define PATH_SIZE (2 * SERVER_PATH_MAX)
#define PEER_TOKEN "secret-of-the-peer"

static struct servers servers;
static struct server *replicas[2], *prometheus, *manager;
static struct raw_series series;
static struct target_page *target;
static struct port nobody;
static char ca[PATH_SIZE], config_flags[2][PATH_SIZE + 32], cluster_flag[128];

static void in_folder(char *path, const char *name)
{
	assert_true(snprintf(path, PATH_SIZE, "%s/%s", servers.folder, name) < PATH_SIZE);
}

static void make_secrets(void)
{
	struct certificate authority = certificate_make("test CA", CERTIFICATE_CA, NULL, 86400);
	struct certificate server =
		certificate_make("server", CERTIFICATE_SERVER, &authority, 86400);
	char certificate[PATH_SIZE], key[PATH_SIZE];

	in_folder(ca, "ca.pem");
	in_folder(certificate, "server.pem");
	in_folder(key, "server.key");
	certificate_write(&authority, ca, NULL);
	certificate_write(&server, certificate, key);
	certificate_free(&authority);
	certificate_free(&server);
	(void)servers_write(&servers, "web.yml",
		"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n");
	(void)servers_write(&servers, "prometheus.token", "secret-of-prometheus\n");
	(void)servers_write(&servers, "alertmanager.token", "secret-of-alertmanager\n");
	(void)servers_write(&servers, "peer.token", PEER_TOKEN "\n");
}

/* A snippet with the names of our machines and files for those that it has. */
static char *snippet(const char *name, const char *folder)
{
	char path[128], host[64];
	char *text;

	snprintf(path, sizeof(path), "deploy/%s", name);
	text = source_read(path);
	for (int i = 0; i < 2; i++) {
		snprintf(host, sizeof(host), "nimbusguard-%d.example.org:9797", i);
		if (strstr(text, host) != NULL)
			text = text_replace(text, host, replicas[i]->address);
	}
	snprintf(path, sizeof(path), "/etc/%s/nimbusguard.token", folder);
	if (strstr(text, path) != NULL) {
		char token[PATH_SIZE];

		snprintf(token, sizeof(token), "%s/%s.token", servers.folder, folder);
		text = text_replace(text, path, token);
	}
	snprintf(path, sizeof(path), "/etc/%s/nimbusguard-ca.pem", folder);
	return strstr(text, path) != NULL ? text_replace(text, path, ca) : text;
}

static void start_replica(int i)
{
	/* Of a pod the namespace would be known. There is no API server to take the lead from. */
	const char *const flags[] = {config_flags[i], cluster_flag, "--web.listen-address",
		replicas[i]->address, "--leader-election.namespace=monitoring",
		"--remediate.opt-in={namespace=\"shop\"}", NULL};

	nimbusguard_start(&servers, replicas[i], flags);
}

static void write_config(int i)
{
	char *text = snippet("nimbusguard-replica.yml", ""), name[32];
	char folder[PATH_SIZE];

	/* "The second one differs in leader_election.url alone." */
	if (i == 1)
		text = text_replace(text, replicas[0]->address, replicas[1]->address);
	snprintf(folder, sizeof(folder), "%s/", servers.folder);
	text = text_replace(text, "/etc/nimbusguard/", folder);
	snprintf(name, sizeof(name), "replica-%d.yml", i);
	snprintf(config_flags[i], sizeof(config_flags[i]), "--config.file=%s",
		servers_write(&servers, name, text));
	free(text);
}

static void start_senders(void)
{
	char job[256], alerting[256], *write, *scrape, *receiver, *config;

	receiver = snippet("alertmanager/receiver_replicas.yml", "alertmanager");
	receiver = text_replace(receiver, "group_wait: 5s", "group_wait: 1s");
	receiver = text_replace(receiver, "group_interval: 30s", "group_interval: 2s");
	alertmanager_start(&servers, manager, receiver);
	free(receiver);
	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	snprintf(alerting, sizeof(alerting),
		"alerting:\n  alertmanagers:\n  - static_configs:\n    - targets: ['%s']\n",
		manager->address);
	scrape = strdup("scrape_configs:\n");
	write = snippet("prometheus/remote_write_replicas.yml", "prometheus");
	config = prometheus_compose(scrape, job, write, alerting);
	prometheus_start(&servers, prometheus, config);
	free(scrape);
	free(write);
	free(config);
}

static int setup(void **state)
{
	if (!servers_there(true, true))
		return 0;
	servers_open(&servers);
	port_reserve(&nobody);
	replicas[0] = server_add(&servers, "replica-0");
	replicas[1] = server_add(&servers, "replica-1");
	prometheus = server_add(&servers, "prometheus");
	manager = server_add(&servers, "alertmanager");
	make_secrets();
	snprintf(cluster_flag, sizeof(cluster_flag), "--kubernetes.url=http://127.0.0.1:%u",
		nobody.number);
	for (int i = 0; i < 2; i++) {
		server_use_tls(replicas[i]);
		write_config(i);
		start_replica(i);
	}
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	start_senders();
	return 0;
}

static int teardown(void **state)
{
	if (target != NULL)
		target_close(target);
	if (servers.folder[0] != '\0') {
		servers_close(&servers);
		port_release(&nobody);
	}
	return 0;
}

/* GET /api/v1/<path> at a replica, as its peer would: the data. */
static json_t *ask(int i, const char *path)
{
	const struct web_access access = {.token = PEER_TOKEN, .ca = ca};
	char url[512];
	json_t *json, *data;

	snprintf(url, sizeof(url), "%s/api/v1/%s", replicas[i]->url, path);
	json = web_json(url, &access);
	data = json_incref(json_object_get(json, "data"));
	json_decref(json);
	return data;
}

static size_t length_of(int i, const char *path)
{
	json_t *list = ask(i, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

/* The names of series, in order (free). */
static char *series_of(int i)
{
	json_t *list = ask(i, "series?match[]=%7B__name__!%3D%22%22%7D&limit=10000"), *one,
	       *names = json_object();
	size_t k;
	char *text;

	json_array_foreach(list, k, one)
	{
		char *labels = json_dumps(one, JSON_COMPACT | JSON_SORT_KEYS);

		json_object_set_new(names, labels, json_true());
		free(labels);
	}
	text = json_dumps(names, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(list);
	json_decref(names);
	return text;
}

static bool have_the_same_series(void)
{
	char *first = series_of(0), *second = series_of(1);
	bool same = strcmp(first, second) == 0 &&
		strstr(first, "nimbusguard:workload_saturation:ratio") != NULL;

	free(first);
	free(second);
	return same;
}

static void both_get_the_whole_stream(void **state)
{
	if (target == NULL)
		skip();
	AWAIT(&servers, length_of(0, "workloads") == 1 && length_of(1, "workloads") == 1, 120);
	AWAIT(&servers, have_the_same_series(), 120);
}

#define ALERT "NimbusGuardContainerOOMKilled"
#define FIRING "\"status\":\"firing\""
#define RESOLVED "\"status\":\"resolved\""

/* How often the alert stands in a replica's journal as one that fires, or is resolved. */
static size_t journaled(int i, const char *status_word)
{
	char storage[PATH_SIZE + 32], log[PATH_SIZE], *text, *line, *rest;
	const char *argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "audit", "export", storage, NULL};
	size_t count = 0;
	int status;

	snprintf(storage, sizeof(storage), "--storage.path=%s/%s", servers.folder,
		replicas[i]->name);
	in_folder(log, "audit.log");
	text = proc_output(log, argv, NULL, &status);
	assert_int_equal(status, 0);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		count += strstr(line, "\"kind\":\"event\"") != NULL &&
			strstr(line, ALERT) != NULL && strstr(line, status_word) != NULL;
	free(text);
	return count;
}

/* As under `head`, which goes when it has read enough: the reader has gone for sure before the first
 * line. */
static void an_export_that_nobody_reads_ends_quietly(void **state)
{
	static const char script[] =
		"exec 4> >(exit 0); wait $!; \"$0\" audit export \"$1\" >&4; echo \"status $?\"";
	char storage[PATH_SIZE + 32], log[PATH_SIZE], *text;
	const char *argv[] = {"/bin/bash", "-c", script, getenv("NIMBUSGUARD_TEST_BIN"), storage,
		NULL};
	int status;

	if (target == NULL)
		skip();
	snprintf(storage, sizeof(storage), "--storage.path=%s/%s", servers.folder,
		replicas[0]->name);
	in_folder(log, "unread.log");
	text = proc_output(log, argv, NULL, &status);
	/* 128 + SIGPIPE, and not a word. */
	assert_string_equal(text, "status 141\n");
	free(text);
}

static bool has_incident(int i)
{
	json_t *list = ask(i, "incidents"), *incident;
	bool has = false;
	size_t k;

	json_array_foreach(list, k, incident) has =
		has || strcmp(json_string_value(json_object_get(incident, "name")), ALERT) == 0;
	json_decref(list);
	return has;
}

static void both_keep_every_alert(void **state)
{
	if (target == NULL)
		skip();
	atomic_store(&series.oom_killed, 1);
	atomic_store(&series.restarts, 1);
	for (int i = 0; i < 2; i++)
		AWAIT(&servers, has_incident(i) && journaled(i, FIRING) > 0, 120);
}

static void without_the_lead_nothing_is_done(void **state)
{
	if (target == NULL)
		skip();
	for (int i = 0; i < 2; i++) {
		json_t *status = ask(i, "status"), *list = ask(i, "actions"), *action;
		size_t k;

		assert_true(json_is_object(json_object_get(status, "leader")));
		json_array_foreach(list, k, action) assert_null(json_object_get(action, "done_at"));
		json_decref(list);
		json_decref(status);
	}
}

/* Alertmanager tries again for the one that was away, and has told the other one meanwhile. */
static void one_that_was_dead_hears_it_later(void **state)
{
	if (target == NULL)
		skip();
	server_kill(replicas[1]);
	atomic_store(&series.oom_killed, 0);
	AWAIT(&servers, journaled(0, RESOLVED) > 0, 240);
	assert_int_equal(journaled(1, RESOLVED), 0);
	start_replica(1);
	AWAIT(&servers, journaled(1, RESOLVED) > 0, 240);
	/* What it had before it died it has. */
	assert_true(has_incident(1));
	AWAIT(&servers, have_the_same_series(), 120);
}

static void both_end_cleanly(void **state)
{
	if (target == NULL)
		skip();
	server_end(prometheus);
	for (int i = 0; i < 2; i++)
		server_end(replicas[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_get_the_whole_stream),
		cmocka_unit_test(both_keep_every_alert),
		cmocka_unit_test(an_export_that_nobody_reads_ends_quietly),
		cmocka_unit_test(without_the_lead_nothing_is_done),
		cmocka_unit_test(one_that_was_dead_hears_it_later),
		cmocka_unit_test(both_end_cleanly),
	};

	return cmocka_run_group_tests_name("replicas", tests, setup, teardown);
}
