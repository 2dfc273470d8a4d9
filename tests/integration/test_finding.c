/*
 * From raw series to a dry run, with the shipped snippets, rules, signals and playbooks: a real
 * Prometheus scrapes a workload's series, records what it needs of them and remote-writes only that;
 * the workload's CPU use jumps; a finding explains it, and a playbook answers it. At the end every
 * expression of the dashboard and every query of rules/queries has data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/openapi.h"
#include "tests/support/raw_series.h"
#include "tests/support/servers.h"
#include "tests/support/target.h"

static struct servers servers;
static struct server *nimbusguard, *prometheus;
static struct raw_series series;
static struct target_page *target;

/* The bundled playbooks; only their times are shorter, so that an outcome comes within the test. */
static void write_playbooks(void)
{
	char *scale = source_read("rules/playbooks/scale-out-on-saturation.yaml");
	char *ticket = source_read("rules/playbooks/ticket-on-everything-else.yaml");

	scale = text_replace(scale, "range: 5m", "range: 5s");
	scale = text_replace(scale, "for: 2m", "for: 2s");
	scale = text_replace(scale, "over: 2m", "over: 20s");
	scale = text_replace(scale, "over: 3m", "over: 10s");
	(void)servers_write(&servers, "scale.yaml", scale);
	(void)servers_write(&servers, "ticket.yaml", ticket);
	free(scale);
	free(ticket);
}

static int setup(void **state)
{
	char playbooks[2 * SERVER_PATH_MAX + 100], job[256], *config;
	const char *const flags[] = {"--analyze.history-min=20s", "--analyze.duration-min=2s",
		"--analyze.scan-interval=1s", "--guard.startup-grace=0s",
		"--remediate.opt-in={namespace=\"shop\"}", playbooks, NULL};

	if (!servers_there(true, false))
		return 0;
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	prometheus = server_add(&servers, "prometheus");
	write_playbooks();
	snprintf(playbooks, sizeof(playbooks), "--remediate.playbooks=%s/scale.yaml,%s/ticket.yaml",
		servers.folder, servers.folder);
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	nimbusguard_start(&servers, nimbusguard, flags);
	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	config = prometheus_config(nimbusguard, job, NULL, NULL);
	prometheus_start(&servers, prometheus, config);
	free(config);
	return 0;
}

static int teardown(void **state)
{
	if (target != NULL)
		target_close(target);
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* The field of the first entry of a list that has `name` = `value`; "" when there is none. */
static void look(const char *path, const char *name, const char *value, const char *field,
	char *text, size_t size)
{
	json_t *list = nimbusguard_get(nimbusguard, path), *entry;
	size_t i;

	text[0] = '\0';
	json_array_foreach(list, i, entry)
	{
		const char *found = json_string_value(json_object_get(entry, name));
		json_t *wanted = json_object_get(entry, field);

		if (text[0] == '\0' && found != NULL && strcmp(found, value) == 0) {
			char *all = json_dumps(wanted, JSON_COMPACT | JSON_ENCODE_ANY);

			snprintf(text, size, "%s",
				json_is_string(wanted) ? json_string_value(wanted) : all);
			free(all);
		}
	}
	json_decref(list);
}

static bool shows(const char *path, const char *name, const char *value, const char *field,
	const char *wanted)
{
	char text[8192];

	look(path, name, value, field, text, sizeof(text));
	return strstr(text, wanted) != NULL;
}

static bool says(const char *path, const char *wanted)
{
	json_t *data = nimbusguard_get(nimbusguard, path);
	char *text = json_dumps(data, JSON_COMPACT);
	bool there = strstr(text, wanted) != NULL;

	free(text);
	json_decref(data);
	return there;
}

static void only_workload_series_arrive(void **state)
{
	json_t *list, *entry;
	size_t i;

	if (nimbusguard == NULL)
		skip();
	AWAIT(&servers, shows("workloads", "workload", "web", "signals", "15"), 60);
	list = nimbusguard_get(nimbusguard, "series?match[]=%7B__name__!%3D%22%22%7D");
	assert_true(json_array_size(list) > 12);
	json_array_foreach(list, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "__name__"));

		if (strncmp(name, "nimbusguard:", 12) != 0)
			fail_msg("%s should have stayed with the sender", name);
	}
	json_decref(list);
}

/* Something to see for the panels on alerts, tickets and refusals: an alert every other second. */
static void post_alert(int number)
{
	char body[1024], url[256];
	struct web_answer answer;

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"groupKey\":\"g\",\"status\":\"firing\","
		"\"receiver\":\"n\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":"
		"\"Odd\",\"namespace\":\"%s\",\"deployment\":\"d%d\",\"severity\":\"warning\"},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\"}]}",
		number % 2 == 0 ? "shop" : "elsewhere", number);
	snprintf(url, sizeof(url), "%s/api/v1/webhook", nimbusguard->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
	snprintf(url, sizeof(url), "%s/no/such/path", nimbusguard->url);
	assert_int_equal(web_status(url, NULL), 404);
}

static void a_jump_of_cpu_use_becomes_a_finding_that_explains_itself(void **state)
{
	static const char wanted[] =
		"saturation of shop/Deployment/web has been above its usual range";
	int posted = 0;

	if (nimbusguard == NULL)
		skip();
	while (!shows("signals", "role", "saturation", "quality", "good")) {
		assert_true(posted < 120);
		post_alert(posted++);
		clock_sleep_ms(1000);
	}
	assert_false(says("findings", "saturation"));
	atomic_store(&series.cpu_cores, 30);
	AWAIT(&servers, says("findings?active=true", wanted), 90);
	assert_true(says("findings", wanted));
	AWAIT(&servers, shows("signals", "role", "cpu", "finding", "true"), 30);
}

static void the_finding_becomes_a_dry_run(void **state)
{
	char id[256], path[512];
	json_t *why;
	char *text;

	if (nimbusguard == NULL)
		skip();
	AWAIT(&servers,
		shows("actions", "playbook", "scale-out-on-saturation", "state", "watched") ||
			shows("actions", "playbook", "scale-out-on-saturation", "ended", "true"),
		60);
	assert_true(shows("actions", "playbook", "scale-out-on-saturation", "kind", "scale"));
	assert_true(shows("actions", "playbook", "scale-out-on-saturation", "dry_run", "true"));
	assert_true(shows("actions", "playbook", "scale-out-on-saturation", "plan",
		"\"changes\":[{\"field\":\"replicas\",\"unit\":\"count\",\"before\":2,\"after\":3}]"));
	look("incidents", "playbook", "scale-out-on-saturation", "id", id, sizeof(id));
	snprintf(path, sizeof(path), "why/%s", id);
	why = nimbusguard_get(nimbusguard, path);
	text = json_dumps(why, JSON_COMPACT);
	assert_non_null(strstr(text, "saturation_high"));
	assert_non_null(strstr(text, "\"dry_run\":true"));
	free(text);
	json_decref(why);
	assert_true(server_said(nimbusguard, "Dry run"));
}

/* The first workload of the list, as its detector sees it. */
static void one_workload_is_described(json_t *document)
{
	static const char *const routes[] = {"/api/v1/detect", "/api/v1/predict"};
	char url[1024];
	json_t *list, *first;

	snprintf(url, sizeof(url), "%s/api/v1/workloads", nimbusguard->url);
	list = web_json(url, NULL);
	first = json_array_get(json_object_get(list, "data"), 0);
	assert_non_null(first);
	for (size_t i = 0; i < 2; i++) {
		struct web_answer answer;

		snprintf(url, sizeof(url), "%s%s?namespace=%s&kind=%s&workload=%s",
			nimbusguard->url, routes[i],
			json_string_value(json_object_get(first, "namespace")),
			json_string_value(json_object_get(first, "kind")),
			json_string_value(json_object_get(first, "workload")));
		answer = web_call("GET", url, NULL, NULL);
		assert_true(answer.size > 100);
		openapi_check(document, "get", routes[i], &answer);
		web_answer_fini(&answer);
	}
	json_decref(list);
}

/* Now that there is something in every list. */
static void the_api_answers_as_it_is_described(void **state)
{
	static const char *const paths[] = {"/api/v1/series", "/api/v1/query", "/api/v1/signals",
		"/api/v1/workloads", "/api/v1/findings", "/api/v1/alerts", "/api/v1/incidents",
		"/api/v1/actions"};
	json_t *document;

	if (nimbusguard == NULL)
		skip();
	document = openapi_read();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char url[512];
		struct web_answer answer;

		snprintf(url, sizeof(url), "%s%s?limit=1000%s", nimbusguard->url, paths[i],
			i < 2 ? "&match[]=%7B__name__!%3D%22%22%7D" : "");
		answer = web_call("GET", url, NULL, NULL);
		assert_true(answer.size > 100);
		openapi_check(document, "get", paths[i], &answer);
		web_answer_fini(&answer);
	}
	one_workload_is_described(document);
	json_decref(document);
}

static char *substitute(const char *expression)
{
	static const char *const names[][2] = {{"$__rate_interval", "1m"}, {"$instance", ".*"},
		{"$namespace", ".*"}, {"$workload", ".*"}};
	char *text = strdup(expression);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(text, names[i][0]) != NULL)
			text = text_replace(text, names[i][0], names[i][1]);
	if (strchr(text, '$') != NULL)
		fail_msg("a variable that is not known here: %s", text);
	return text;
}

/* How many series with a value that is a number. */
static size_t answer_size(const char *expression)
{
	char *text = substitute(expression);
	json_t *result = prometheus_query(prometheus, text, 0), *entry;
	size_t i, numbers = 0;

	json_array_foreach(result, i, entry)
	{
		json_t *value = json_array_get(json_object_get(entry, "value"), 1);

		numbers += isnan(strtod(json_string_value(value), NULL)) ? 0 : 1;
	}
	json_decref(result);
	free(text);
	return numbers;
}

/* label_values(selector, label) */
static void check_variable(const json_t *variable)
{
	const char *query =
		json_string_value(json_object_get(json_object_get(variable, "query"), "query"));
	char *selector, *comma, *label;
	json_t *result;

	if (query == NULL)
		return;
	assert_int_equal(strncmp(query, "label_values(", 13), 0);
	selector = substitute(query + 13);
	comma = strrchr(selector, ',');
	assert_non_null(comma);
	*comma = '\0';
	label = comma + 2;
	label[strcspn(label, ")")] = '\0';
	result = prometheus_query(prometheus, selector, 0);
	if (json_object_get(json_object_get(json_array_get(result, 0), "metric"), label) == NULL)
		fail_msg("the variable %s has no value", query);
	json_decref(result);
	free(selector);
}

static json_t *dashboard;

/* What needs hours of history says so. */
static bool may_be_empty(const json_t *panel)
{
	const char *note = json_string_value(json_object_get(panel, "description"));

	return note != NULL &&
		(strstr(note, "Empty until") != NULL || strstr(note, "is empty until") != NULL);
}

static bool all_expressions_have_data(bool tell)
{
	json_t *panel, *one;
	size_t i, k, expressions = 0, empty = 0;

	json_array_foreach(json_object_get(dashboard, "panels"), i, panel)
	{
		json_array_foreach(json_object_get(panel, "targets"), k, one)
		{
			const char *expression = json_string_value(json_object_get(one, "expr"));

			assert_non_null(expression);
			expressions++;
			/* Asked in any case: it must be one that Prometheus understands. */
			if (answer_size(expression) > 0 || may_be_empty(panel))
				continue;
			empty++;
			if (tell)
				print_message("no data: %s: %s\n",
					json_string_value(json_object_get(panel, "title")),
					expression);
		}
	}
	assert_true(expressions > 10);
	return empty == 0;
}

static void check_dashboard(const char *path)
{
	char *text = source_read(path);
	json_t *variable;
	size_t i;

	dashboard = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(dashboard);
	assert_int_equal(json_integer_value(json_object_get(dashboard, "schemaVersion")), 39);
	json_array_foreach(json_object_get(json_object_get(dashboard, "templating"), "list"), i,
		variable)
	{
		check_variable(variable);
	}
	/* The panels on remediation show rates: alerts go on coming. */
	for (int number = 200; number < 245 && !all_expressions_have_data(false); number++) {
		post_alert(number);
		clock_sleep_ms(500);
	}
	if (!all_expressions_have_data(true)) {
		servers_tell(&servers);
		fail_msg("%s has expressions without data", path);
	}
	json_decref(dashboard);
}

static void every_expression_of_the_dashboards_has_data(void **state)
{
	static const char *const paths[] = {"dashboards/overview.json", "dashboards/decisions.json",
		"dashboards/workload.json", "dashboards/learning.json", "dashboards/ingest.json"};

	if (nimbusguard == NULL)
		skip();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_dashboard(paths[i]);
}

/* Those that say so themselves may have no answer yet; understood they must be. */
static void query_answers(const char *path)
{
	char *text = source_read(path);

	if (answer_size(text) == 0 && strstr(text, "\n# Empty until ") == NULL)
		fail_msg("%s has no answer", path);
	free(text);
}

static void every_query_answers(void **state)
{
	char pattern[SERVER_PATH_MAX];
	size_t start;
	glob_t files;

	if (nimbusguard == NULL)
		skip();
	snprintf(pattern, sizeof(pattern), "%s/rules/queries/*.promql",
		getenv("NIMBUSGUARD_SOURCE"));
	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	assert_true(files.gl_pathc > 10);
	start = strlen(getenv("NIMBUSGUARD_SOURCE")) + 1;
	for (size_t i = 0; i < files.gl_pathc; i++)
		query_answers(files.gl_pathv[i] + start);
	globfree(&files);
}

static void both_end_cleanly(void **state)
{
	if (nimbusguard == NULL)
		skip();
	server_end(prometheus);
	server_end(nimbusguard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_workload_series_arrive),
		cmocka_unit_test(a_jump_of_cpu_use_becomes_a_finding_that_explains_itself),
		cmocka_unit_test(the_finding_becomes_a_dry_run),
		cmocka_unit_test(the_api_answers_as_it_is_described),
		cmocka_unit_test(every_expression_of_the_dashboards_has_data),
		cmocka_unit_test(every_query_answers),
		cmocka_unit_test(both_end_cleanly),
	};

	return cmocka_run_group_tests_name("finding", tests, setup, teardown);
}
