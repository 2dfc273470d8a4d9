/*
 * The service around it all, as a program: layers of the configuration, messages for what is wrong,
 * ports, signals, reloads, features, health, the metrics page, and every endpoint of the API as
 * docs/openapi.json describes it.
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
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/openapi.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define PATH_SIZE (2 * SERVER_PATH_MAX)

static struct servers servers;
static struct server *service;

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* Runs the program with these arguments until it ends; what it said is in `told`. */
static char *told;

static int run(const char *const *environment, const char *first, ...)
{
	const char *argv[16] = {getenv("NIMBUSGUARD_TEST_BIN"), first};
	char log[PATH_SIZE];
	va_list more;
	int status;

	va_start(more, first);
	for (size_t i = 2; i < 15 && (argv[i] = va_arg(more, const char *)) != NULL; i++)
		continue;
	va_end(more);
	snprintf(log, sizeof(log), "%s/output", servers.folder);
	free(told);
	told = proc_output(log, argv, environment, &status);
	if (strstr(told, "Sanitizer") != NULL || strstr(told, "runtime error") != NULL)
		fail_msg("%s", told);
	return status;
}

static void says(const char *text)
{
	if (strstr(told, text) == NULL)
		fail_msg("\"%s\" is not said in:\n%.2000s", text, told);
}

static char *config_flag(const char *file)
{
	static char text[PATH_SIZE + 64];

	snprintf(text, sizeof(text), "--config.file=%s", file);
	return text;
}

static void check_prints_each_value_and_where_it_came_from(void **state)
{
	static const char *const environment[] = {"NIMBUSGUARD_WEB_THREADS=7",
		"NIMBUSGUARD_STORAGE_SERIES_MAX=2000", "NIMBUSGUARD_STORGE_PATH=x", NULL};

	if (service == NULL)
		skip();
	assert_int_equal(
		run(environment, "check", "--print", "--web.threads=9", "--no-dry-run",
			config_flag(servers_write(&servers, "layers.yml",
				"mode: suggest\nstorage:\n  series_max: 1000\n  path: here\n")),
			NULL),
		0);
	says("storage.path = here  # file ");
	says("layers.yml:4\n");
	says("storage.series_max = 2000  # environment NIMBUSGUARD_STORAGE_SERIES_MAX\n");
	says("web.threads = 9  # flag --web.threads\n");
	says("dry_run = false  # flag --no-dry-run\n");
	says("storage.retention = 6h  # default\n");
	says("mode = suggest  # file ");
	says("NIMBUSGUARD_STORGE_PATH: warning: environment variable names no setting, did you "
	     "mean NIMBUSGUARD_STORAGE_PATH?");
	says("good: 0 errors, 1 warning\n");
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
	const char *file;

	if (service == NULL)
		skip();
	file = servers_write(&servers, "bad.yml",
		"web:\n  listen_adress: x\nanalyze: {threshold: high}\n");
	assert_int_equal(run(NULL, "check", config_flag(file), NULL), 1);
	says("bad.yml:2:3: error: unknown key \"listen_adress\" in web, did you mean "
	     "\"listen_address\"?");
	says("bad.yml:3:22: error: analyze.threshold: \"high\" is no number");
	says("not good: 2 errors");
	/* The service says the same and does not start. */
	assert_int_equal(run(NULL, "serve", config_flag(file), NULL), 1);
	says("bad.yml:2:3: error: ");
	says("the configuration has errors");
	file = servers_write(&servers, "signals.yaml", "signals:\n- {role: cpu, selektor: a}\n");
	assert_int_equal(run(NULL, "check", "--analyze.signals", file, NULL), 1);
	says("signals.yaml:2:15: error: ");
	says("did you mean \"selector\"?");
	file = servers_write(&servers, "playbook.yaml",
		"playbook: p\ntriger: {alert: ['a=\"b\"']}\n");
	assert_int_equal(run(NULL, "check", "--remediate.playbooks", file, NULL), 1);
	says("playbook.yaml:2:1: error: ");
	says("did you mean \"trigger\"?");
	assert_int_equal(run(NULL, "serve", "--remediate.playbooks", file,
				 "--storage.path=/nowhere", "--web.listen-address=127.0.0.1:0",
				 NULL),
		1);
	says("playbook.yaml:2:1: error: ");
}

static void misspelt_words_of_the_command_line_are_told(void **state)
{
	if (service == NULL)
		skip();
	assert_int_equal(run(NULL, "serve", "--web.listen-adress=x", NULL), 2);
	says("unknown flag --web.listen-adress, did you mean --web.listen-address?");
	assert_int_equal(run(NULL, "serv", NULL), 2);
	says("unknown command \"serv\", did you mean serve?");
	/* A flag that does not exist is not asked for a value. */
	assert_int_equal(run(NULL, "check", "--dry-rnu", NULL), 2);
	says("unknown flag --dry-rnu, did you mean --dry-run?");
	assert_int_equal(run(NULL, "demo", "--speeed", "3", NULL), 2);
	says("unknown flag --speeed, did you mean --speed?");
	assert_int_equal(run(NULL, "check", "--speed=3", NULL), 2);
	says("check takes no flag --speed, see nimbusguard help check");
	assert_int_equal(run(NULL, "demo", "60", NULL), 2);
	says("demo takes no \"60\", see nimbusguard help demo");
	assert_int_equal(run(NULL, "demo", "--speed=0", NULL), 2);
	says("--speed=0 is not a number from 1 to 600");
	assert_int_equal(run(NULL, "rbac", "shop", NULL), 2);
	says("rbac takes no \"shop\", see nimbusguard help rbac");
	assert_int_equal(run(NULL, "check", "/dev/null", "more.yml", NULL), 2);
	says("check takes no \"more.yml\", see nimbusguard help check");
	assert_int_equal(run(NULL, "check", "--strict=3", NULL), 2);
	says("flag --strict takes no value");
	assert_int_equal(run(NULL, "serve", "--web.threads", NULL), 2);
	says("--web.threads needs a value");
	assert_int_equal(run(NULL, "version", NULL), 0);
	says("nimbusguard, version ");
}

static void each_command_has_a_help_of_its_own(void **state)
{
	static const struct {
		const char *command, *flag;
	} cases[] = {{"serve", "--storage.retention=6h"}, {"check", "--strict"},
		{"demo", "--speed=N"}, {"actions", "--token-file=..."}, {"loadgen", "--churn"}};

	if (service == NULL)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "usage: nimbusguard %s%s",
			strcmp(cases[i].command, "serve") == 0 ? "[" : "", cases[i].command);
		assert_int_equal(run(NULL, cases[i].command, "--help", NULL), 0);
		says(usage);
		says(cases[i].flag);
		says("examples:\n  nimbusguard ");
		assert_int_equal(run(NULL, "help", cases[i].command, NULL), 0);
		says(usage);
		says(cases[i].flag);
		/* Only serve tells of all settings. */
		assert_true((strstr(told, "--[no-]dry-run") != NULL) == (i == 0));
	}
	assert_int_equal(run(NULL, "--help", NULL), 0);
	says("  loadgen  ");
	says("nimbusguard help serve");
	assert_int_equal(run(NULL, "help", "chek", NULL), 2);
	says("unknown command \"chek\", did you mean check?");
}

static void check_applies_what_serve_applies(void **state)
{
	const char *file;

	if (service == NULL)
		skip();
	assert_int_equal(run(NULL, "check", "--web.listen-address=0.0.0.0:9", NULL), 1);
	says("--web.listen-address: error: 0.0.0.0:9 is not loopback and there is no access "
	     "control");
	assert_int_equal(run(NULL, "check", "--web.listen-address=0.0.0.0:9",
				 "--web.allow-unauthenticated", NULL),
		0);
	/* Warnings fail a strict check only. */
	assert_int_equal(run(NULL, "check", "--no-dry-run", NULL), 0);
	says("--no-dry-run: warning: dry run is off, but mode observe changes nothing either");
	says("good: 0 errors, 1 warning\n");
	assert_int_equal(run(NULL, "check", "--no-dry-run", "--strict", NULL), 1);
	says("not good: 0 errors, 1 warning\n");
	file = servers_write(&servers, "names.yml", "web:\n  config:\n    file: gone.yml\n");
	assert_int_equal(run(NULL, "check", config_flag(file), NULL), 1);
	says("gone.yml: error: cannot open gone.yml: ");
	says("names.yml:3)\n");
	assert_int_equal(run(NULL, "serve", config_flag(file), NULL), 1);
	says("names.yml:3)\n");
}

static void actions_finds_the_service_as_serve_is_told(void **state)
{
	const char *file;

	if (service == NULL)
		skip();
	/* Nothing listens there; what is asked is told. */
	file = servers_write(&servers, "where.yml",
		"web:\n  listen_address: '[::]:9'\n  route_prefix: /guard\n");
	assert_int_equal(run(NULL, "actions", config_flag(file), NULL), 1);
	says("http://[::1]:9/guard/api/v1/actions");
	assert_int_equal(run(NULL, "actions", config_flag(file), "--web.listen-address=:11", NULL),
		1);
	says("http://127.0.0.1:11/guard/api/v1/actions");
	assert_int_equal(run(NULL, "actions", config_flag(file), "--url=http://127.0.0.1:12", NULL),
		1);
	says("http://127.0.0.1:12/api/v1/actions");
	assert_int_equal(run(NULL, "actions", "--web.listen-address=127.0.0.1:0", NULL), 2);
	says("name the service with --url");
	assert_int_equal(run(NULL, "actions", "--token-file=/gone", NULL), 1);
	says("the token of --token-file: cannot open /gone: ");
	assert_int_equal(run(NULL, "loadgen", "--token-file=/gone", NULL), 1);
	says("the token of --token-file: cannot open /gone: ");
}

static long get(const char *path)
{
	char url[256];

	snprintf(url, sizeof(url), "%s%s", service->url, path);
	return web_status(url, NULL);
}

static void a_taken_port_and_a_taken_journal_are_told(void **state)
{
	static const char *const flags[] = {NULL};
	char address[128], storage[PATH_SIZE + 64];

	if (service == NULL)
		skip();
	nimbusguard_start(&servers, service, flags);
	snprintf(address, sizeof(address), "--web.listen-address=%s", service->address);
	snprintf(storage, sizeof(storage), "--storage.path=%s/other", servers.folder);
	assert_int_equal(run(NULL, "serve", address, storage, NULL), 1);
	says(service->address);
	says("in use");
	snprintf(storage, sizeof(storage), "--storage.path=%s/%s", servers.folder, service->name);
	assert_int_equal(run(NULL, "serve", "--web.listen-address=127.0.0.1:0", storage, NULL), 1);
	says("journal.sqlite is in use by another process");
	assert_int_equal(get("/-/ready"), 200);
	server_end(service);
}

static void health_and_readiness_are_where_they_are_looked_for(void **state)
{
	static const char *const flags[] = {NULL};
	static const char *const paths[] = {"/-/healthy", "/-/ready", "/healthz", "/ready",
		"/metrics", "/", "/api/v1/status"};
	struct web_answer answer;
	char url[256];
	const char *const prefixed[] = {url, "--web.route-prefix=/ng", NULL};

	if (service == NULL)
		skip();
	nimbusguard_start(&servers, service, flags);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(get(paths[i]), 200);
	assert_int_equal(get("/api/v1/none"), 404);
	assert_int_equal(get("/api/v1/write"), 405);
	snprintf(url, sizeof(url), "%s/-/healthy", service->url);
	answer = web_call("DELETE", url, NULL, NULL);
	assert_int_equal(answer.status, 405);
	web_answer_fini(&answer);
	server_end(service);
	snprintf(url, sizeof(url), "--web.listen-address=%s", service->address);
	nimbusguard_launch(&servers, service, prefixed);
	AWAIT(&servers, get("/ng/-/ready") == 200, 30);
	assert_int_equal(get("/ng/api/v1/status"), 200);
	assert_int_equal(get("/-/ready"), 404);
	server_end(service);
}

static double metric(const char *series)
{
	return web_metric(service->url, series);
}

static void a_good_reload_is_taken_and_a_bad_one_is_not(void **state)
{
	const char *flags[] = {NULL, NULL};
	struct web_answer answer;
	char url[256];

	if (service == NULL)
		skip();
	flags[0] = config_flag(servers_write(&servers, "live.yml", "mode: observe\n"));
	nimbusguard_start(&servers, service, flags);
	assert_true(metric("nimbusguard_mode_info{mode=\"observe\",dry_run=\"true\"}") == 1);
	(void)servers_write(&servers, "live.yml", "mode: suggest\n");
	kill(service->proc.pid, SIGHUP);
	AWAIT(&servers, metric("nimbusguard_mode_info{mode=\"suggest\",dry_run=\"true\"}") == 1,
		30);
	assert_true(metric("nimbusguard_config_last_reload_successful") == 1);
	/* Refused: the old one stays in force. */
	(void)servers_write(&servers, "live.yml", "mode: autoo\n");
	kill(service->proc.pid, SIGHUP);
	AWAIT(&servers, metric("nimbusguard_config_last_reload_successful") == 0, 30);
	assert_true(metric("nimbusguard_mode_info{mode=\"suggest\",dry_run=\"true\"}") == 1);
	AWAIT(&servers,
		server_said(service,
			"live.yml line=1 column=7 err=\"mode: \\\"autoo\\\" is none of"),
		10);
	snprintf(url, sizeof(url), "%s/-/reload", service->url);
	answer = web_call("POST", url, NULL, "");
	assert_int_equal(answer.status, 500);
	assert_non_null(strstr(answer.body, "live.yml:1:7: error: "));
	web_answer_fini(&answer);
	/* And a good one again, over HTTP; what needs a restart is named. */
	(void)servers_write(&servers, "live.yml", "mode: approve\nweb: {threads: 2}\n");
	answer = web_call("POST", url, NULL, "");
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
	assert_true(metric("nimbusguard_config_last_reload_successful") == 1);
	assert_true(metric("nimbusguard_mode_info{mode=\"approve\",dry_run=\"true\"}") == 1);
	assert_true(server_said(service, "settings=web.threads"));
	server_end(service);
}

/* One remote-write request with these series of shop/Deployment/web. */
static long write_samples(const char *const *names, size_t count)
{
	static struct write_body request;
	char labels[256];

	write_body_reset(&request);
	for (size_t i = 0; i < count; i++) {
		snprintf(labels, sizeof(labels),
			"__name__=%s,namespace=shop,workload=web,workload_kind=Deployment",
			names[i]);
		write_body_simple(&request, labels, clock_now_ms(clock_system()), 2);
	}
	return write_post_status(service->port.number, &request);
}

static const char *const series_names[] = {"nimbusguard:workload_cpu_cores:sum",
	"nimbusguard:workload_replicas:ready"};

static const char message[] =
	"{\"version\":\"4\",\"groupKey\":\"g\",\"status\":\"firing\",\"receiver\":\"n\",\"alerts\":["
	"{\"status\":\"firing\",\"labels\":{\"alertname\":\"Odd\",\"namespace\":\"shop\","
	"\"deployment\":\"web\",\"severity\":\"warning\"},\"annotations\":{\"summary\":\"odd\"},"
	"\"startsAt\":\"2026-01-02T03:04:05Z\",\"generatorURL\":\"http://p/\"}]}";

static struct web_answer post(const char *path, const char *body)
{
	char url[256];

	snprintf(url, sizeof(url), "%s%s", service->url, path);
	return web_call("POST", url, NULL, body);
}

static long post_status(const char *path, const char *body)
{
	struct web_answer answer = post(path, body);
	long status = answer.status;

	web_answer_fini(&answer);
	return status;
}

static void each_feature_runs_without_the_others(void **state)
{
	static const struct {
		const char *flag;
		bool ingest, analyze, remediate;
	} cases[] = {
		{"--enable-feature=ingest", true, false, false},
		{"--enable-feature=ingest,analyze", true, true, false},
		{"--enable-feature=remediate", false, false, true},
	};

	if (service == NULL)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const flags[] = {cases[i].flag, NULL};
		json_t *status, *features;

		nimbusguard_start(&servers, service, flags);
		assert_int_equal(write_samples(series_names, 1), cases[i].ingest ? 204 : 404);
		assert_int_equal(post_status("/api/v1/webhook", message),
			cases[i].remediate ? 200 : 404);
		assert_int_equal(get("/api/v1/signals"), cases[i].analyze ? 200 : 404);
		assert_int_equal(get("/api/v1/findings"), cases[i].analyze ? 200 : 404);
		assert_int_equal(get("/api/v1/incidents"), cases[i].remediate ? 200 : 404);
		assert_int_equal(get("/"), 200);
		status = nimbusguard_get(service, "status");
		features = json_object_get(status, "features");
		assert_true(
			json_is_true(json_object_get(features, "remediate")) == cases[i].remediate);
		json_decref(status);
		server_end(service);
	}
}

static size_t length_of(const char *path)
{
	json_t *list = nimbusguard_get(service, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

/* By path what is answered: 200, and what is wrong with a request. */
static const struct {
	const char *path, *described;
	long status;
} gets[] = {
	{"/api/v1/series?match[]=%7B__name__!%3D%22%22%7D", "/api/v1/series", 200},
	{"/api/v1/series", "/api/v1/series", 400},
	{"/api/v1/series?match[]=%7B", "/api/v1/series", 400},
	{"/api/v1/query?match[]=%7B__name__!%3D%22%22%7D", "/api/v1/query", 200},
	{"/api/v1/query?match[]=a&start=5&end=4", "/api/v1/query", 400},
	{"/api/v1/query?match[]=a&limit=0", "/api/v1/query", 400},
	{"/api/v1/signals", "/api/v1/signals", 200},
	{"/api/v1/signals?namespace=shop&kind=Deployment&workload=web", "/api/v1/signals", 200},
	{"/api/v1/signals?namespace=shop", "/api/v1/signals", 400},
	{"/api/v1/detect", "/api/v1/detect", 400},
	{"/api/v1/detect?namespace=shop&kind=Deployment&workload=web", "/api/v1/detect", 200},
	{"/api/v1/predict?namespace=shop&kind=Deployment&workload=web", "/api/v1/predict", 200},
	{"/api/v1/predict", "/api/v1/predict", 400},
	{"/api/v1/predict?namespace=shop&kind=Deployment&workload=nobody", "/api/v1/predict", 404},
	{"/api/v1/detect?namespace=shop&kind=Deployment&workload=nobody", "/api/v1/detect", 404},
	{"/api/v1/rollup?namespace=shop&kind=Deployment&workload=none&role=cpu", "/api/v1/rollup",
		404},
	{"/api/v1/rollup?namespace=shop&kind=Deployment&workload=web", "/api/v1/rollup", 400},
	{"/api/v1/scaler", "/api/v1/scaler", 200},
	{"/api/v1/scaler?limit=0", "/api/v1/scaler", 400},
	{"/api/v1/scaler?namespace=shop&kind=Deployment&workload=nobody", "/api/v1/scaler", 404},
	{"/api/v1/scaler/shop/Deployment/nobody", "/api/v1/scaler/{namespace}/{kind}/{workload}",
		404},
	{"/api/v1/scaler/shop/Thing/nobody", "/api/v1/scaler/{namespace}/{kind}/{workload}", 400},
	{"/api/v1/scaler/shop/Deployment", "/api/v1/scaler/{namespace}/{kind}/{workload}", 400},
	{"/api/v1/rightsize", "/api/v1/rightsize", 200},
	{"/api/v1/rightsize?format=manifest&by=vpa", "/api/v1/rightsize", 200},
	{"/api/v1/rightsize?by=now", "/api/v1/rightsize", 400},
	{"/api/v1/rightsize?format=csv", "/api/v1/rightsize", 400},
	{"/api/v1/workloads", "/api/v1/workloads", 200},
	{"/api/v1/workloads?limit=x", "/api/v1/workloads", 400},
	{"/api/v1/findings", "/api/v1/findings", 200},
	{"/api/v1/findings?active=true", "/api/v1/findings", 200},
	{"/api/v1/findings?active=maybe", "/api/v1/findings", 400},
	{"/api/v1/alerts", "/api/v1/alerts", 200},
	{"/api/v1/incidents", "/api/v1/incidents", 200},
	{"/api/v1/incidents?state=handed_over", "/api/v1/incidents", 200},
	{"/api/v1/actions", "/api/v1/actions", 200},
	{"/api/v1/actions?state=nonsense", "/api/v1/actions", 400},
	{"/api/v1/modes", "/api/v1/modes", 200},
	{"/api/v1/why/none", "/api/v1/why/{id}", 404},
	{"/api/v1/status", "/api/v1/status", 200},
	{"/api/v1/handover", "/api/v1/handover", 200},
	{"/api/v1/handover?after=1", "/api/v1/handover", 200},
	{"/api/v1/handover?after=x", "/api/v1/handover", 400},
	{"/metrics", "/metrics", 200},
	{"/-/healthy", "/-/healthy", 200},
	{"/-/ready", "/-/ready", 200},
	{"/healthz", "/healthz", 200},
	{"/ready", "/ready", 200},
	{"/", "/", 200},
};
static const struct {
	const char *path, *described, *body;
	long status;
} posts[] = {
	{"/api/v1/webhook", "/api/v1/webhook", message, 200},
	{"/api/v1/webhook", "/api/v1/webhook", "{", 400},
	{"/api/v1/write", "/api/v1/write", "{}", 415},
	{"/api/v1/actions/none/approve", "/api/v1/actions/{id}/{word}", "", 404},
	{"/api/v1/actions/none/undo", "/api/v1/actions/{id}/{word}", "", 404},
	{"/api/v1/modes/lift?playbook=none&namespace=shop", "/api/v1/modes/lift", "", 404},
	{"/api/v1/modes/lift", "/api/v1/modes/lift", "", 400},
	{"/api/v1/pause?paused=true", "/api/v1/pause", "", 200},
	{"/api/v1/pause?paused=false", "/api/v1/pause", "", 200},
	{"/api/v1/pause", "/api/v1/pause", "", 400},
	{"/-/reload", "/-/reload", "", 200},
};

static void every_endpoint_answers_as_it_is_described(void **state)
{
	static const char *const flags[] = {"--analyze.scan-interval=200ms",
		"--remediate.opt-in={namespace=\"shop\"}", "--guard.startup-grace=0s", NULL};
	json_t *document, *list;
	struct web_answer answer;
	char path[512];

	if (service == NULL)
		skip();
	document = openapi_read();
	nimbusguard_start(&servers, service, flags);
	assert_int_equal(write_samples(series_names, 2), 204);
	for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
		answer = post(posts[i].path, posts[i].body);
		if (answer.status != posts[i].status)
			fail_msg("%s: %ld: %s", posts[i].path, answer.status, answer.body);
		openapi_check(document, "post", posts[i].described, &answer);
		web_answer_fini(&answer);
	}
	AWAIT(&servers, length_of("workloads") > 0 && length_of("actions") > 0, 30);
	for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", service->url, gets[i].path);
		answer = web_call("GET", path, NULL, NULL);
		if (answer.status != gets[i].status)
			fail_msg("%s: %ld: %s", gets[i].path, answer.status, answer.body);
		openapi_check(document, "get", gets[i].described, &answer);
		web_answer_fini(&answer);
	}
	list = nimbusguard_get(service, "incidents");
	assert_int_equal(json_array_size(list), 1);
	snprintf(path, sizeof(path), "%s/api/v1/why/%s", service->url,
		json_string_value(json_object_get(json_array_get(list, 0), "id")));
	answer = web_call("GET", path, NULL, NULL);
	openapi_check(document, "get", "/api/v1/why/{id}", &answer);
	web_answer_fini(&answer);
	json_decref(list);
	openapi_all_checked(document);
	json_decref(document);
	server_end(service);
}

static void every_route_is_described_and_nothing_else(void **state)
{
	json_t *document = openapi_read();

	openapi_check_routes(document);
	json_decref(document);
}

static void the_metrics_page_is_clean_for_promtool(void **state)
{
	static const char *const flags[] = {"--analyze.scan-interval=200ms", NULL};
	char command[3 * PATH_SIZE], url[256], log[PATH_SIZE], *output;
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};
	const char *folder = getenv("NIMBUSGUARD_TEST_SERVERS");
	struct web_answer page;
	int status;

	if (service == NULL || !servers_there(true, false))
		skip();
	nimbusguard_start(&servers, service, flags);
	assert_int_equal(write_samples(series_names, 2), 204);
	assert_int_equal(post_status("/api/v1/webhook", message), 200);
	clock_sleep_ms(500);
	snprintf(url, sizeof(url), "%s/metrics", service->url);
	page = web_call("GET", url, NULL, NULL);
	assert_int_equal(page.status, 200);
	assert_string_equal(page.type, "text/plain; version=0.0.4; charset=utf-8");
	snprintf(command, sizeof(command), "'%s/promtool' check metrics < '%s'", folder,
		servers_write(&servers, "page.txt", page.body));
	snprintf(log, sizeof(log), "%s/promtool.log", servers.folder);
	output = proc_output(log, argv, NULL, &status);
	if (status != 0 || output[0] != '\0')
		fail_msg("promtool: %d: %s", status, output);
	free(output);
	web_answer_fini(&page);
	server_end(service);
}

static void logs_are_logfmt_or_json(void **state)
{
	static const char *const flags[] = {"--log.format=json", "--log.level=debug", NULL};
	char *log, *rest, *line;
	size_t lines = 0;

	if (service == NULL)
		skip();
	(void)unlink(service->proc.log_path);
	nimbusguard_start(&servers, service, flags);
	assert_int_equal(post_status("/api/v1/webhook", "{\"a\":\"\\\"\\n\"}"), 400);
	server_end(service);
	log = proc_log(&service->proc);
	for (line = strtok_r(log, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		if (json == NULL)
			fail_msg("no JSON: %s", line);
		assert_true(json_is_string(json_object_get(json, "msg")));
		assert_true(json_is_string(json_object_get(json, "level")));
		json_decref(json);
		lines++;
	}
	free(log);
	assert_true(lines >= 4);
}

/* SIGTERM while a webhook's body is under way: it is still taken and answered. */
static void the_end_lets_requests_under_way_finish(void **state)
{
	static const char *const flags[] = {NULL};
	struct http_reply reply;
	char head[256];
	size_t half = sizeof(message) / 2;
	json_t *alerts;
	int fd;

	if (service == NULL)
		skip();
	nimbusguard_start(&servers, service, flags);
	fd = http_connect(service->port.number);
	snprintf(head, sizeof(head),
		"POST /api/v1/webhook HTTP/1.1\r\nHost: x\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		sizeof(message) - 1);
	assert_true(http_send_text(fd, head) && http_send(fd, message, half));
	clock_sleep_ms(300);
	kill(service->proc.pid, SIGTERM);
	AWAIT(&servers, server_said(service, "msg=\"stopping\""), 20);
	clock_sleep_ms(300);
	assert_true(http_send(fd, message + half, sizeof(message) - 1 - half));
	reply = http_read(fd, 20000, false);
	assert_int_equal(reply.status, 200);
	http_reply_fini(&reply);
	close(fd);
	assert_int_equal(proc_wait(&service->proc, 30000), 0);
	/* What was acknowledged is there. */
	nimbusguard_start(&servers, service, flags);
	alerts = nimbusguard_get(service, "alerts");
	assert_true(json_array_size(alerts) >= 1);
	json_decref(alerts);
	server_end(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_prints_each_value_and_where_it_came_from),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(misspelt_words_of_the_command_line_are_told),
		cmocka_unit_test(each_command_has_a_help_of_its_own),
		cmocka_unit_test(check_applies_what_serve_applies),
		cmocka_unit_test(actions_finds_the_service_as_serve_is_told),
		cmocka_unit_test(a_taken_port_and_a_taken_journal_are_told),
		cmocka_unit_test(health_and_readiness_are_where_they_are_looked_for),
		cmocka_unit_test(a_good_reload_is_taken_and_a_bad_one_is_not),
		cmocka_unit_test(each_feature_runs_without_the_others),
		cmocka_unit_test(every_endpoint_answers_as_it_is_described),
		cmocka_unit_test(every_route_is_described_and_nothing_else),
		cmocka_unit_test(the_metrics_page_is_clean_for_promtool),
		cmocka_unit_test(logs_are_logfmt_or_json),
		cmocka_unit_test(the_end_lets_requests_under_way_finish),
	};

	return cmocka_run_group_tests_name("service", tests, setup, teardown);
}
