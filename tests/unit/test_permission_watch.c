/* run-under: tsan */
/* Playbooks that the cluster does not let do their work, against a scripted server. */
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
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remediations/permission_watch.h"
#include "tests/support/http_stub.h"

#define WAIT_MS 120000
#define REVIEW "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define YES "{\"status\":{\"allowed\":true}}"
#define NO "{\"status\":{\"allowed\":false}}"

struct fixture {
	struct http_stub *stub;
	struct playbooks *playbooks;
	struct permission_watch *watch;
};

#define GROW                                                                                              \
	"playbook: grow\nmode: auto\ntrigger: {alert: ['alertname=\"A\"']}\ntarget: {kind: Deployment}\n" \
	"steps: [{action: restart_workload}]\nverify: {signal: saturation, is: below, value: 0.9}\n"
#define ISOLATE                                                                                           \
	"playbook: isolate\nmode: approve\ntrigger: {alert: ['alertname=\"B\"']}\ntarget: {kind: Node}\n" \
	"steps: [{action: cordon}]\nverify: {signal: saturation, is: below, value: 0.9}\n"

static void load_texts(struct fixture *fixture, const char *first, const char *second)
{
	struct guard_limits limits;
	struct diagnostics diagnostics;
	struct buf told;
	int failed;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	fixture->playbooks = playbooks_open(&limits);
	assert_non_null(fixture->playbooks);
	failed = playbooks_load_text(fixture->playbooks, "p.yaml", first, strlen(first),
			 &diagnostics) != STATUS_OK ||
		(second != NULL &&
			playbooks_load_text(fixture->playbooks, "q.yaml", second, strlen(second),
				&diagnostics) != STATUS_OK);
	if (failed) {
		buf_init(&told, 65536);
		diagnostics_write(&diagnostics, &told);
		fail_msg("%s", told.data);
	}
	diagnostics_fini(&diagnostics);
}

static void load(struct fixture *fixture, bool both)
{
	load_texts(fixture, GROW, both ? ISOLATE : NULL);
}

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	signal(SIGPIPE, SIG_IGN);
	metrics_reset();
	fixture->stub = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(fixture->stub);
	*state = fixture;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *fixture = *state;

	permission_watch_close(fixture->watch);
	playbooks_close(fixture->playbooks);
	http_stub_close(fixture->stub);
	free(fixture);
	return 0;
}

static void open_watch(struct fixture *fixture, const struct permission_watch_config *config,
	const struct stub_rule *rules, size_t count)
{
	struct kube_client_config settings = {.timeout_ms = 60000, .backoff_ms = 1};
	struct kube_client *client;
	struct error error = {0};
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(fixture->stub));
	settings.url = url;
	http_stub_rules(fixture->stub, rules, count);
	if (kube_client_open(&client, &settings, &error) != STATUS_OK ||
		permission_watch_open(&fixture->watch, client, config, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

#define AWAIT(condition)                                                                           \
	do {                                                                                       \
		for (int waited_ms = 0; !(condition); waited_ms += 2) {                            \
			if (waited_ms > WAIT_MS)                                                   \
				fail_msg("in vain: %s", #condition);                               \
			clock_sleep_ms(2);                                                         \
		}                                                                                  \
	} while (0)

static bool lacks(struct fixture *fixture, const char *playbook, const char *words)
{
	char text[PERMISSION_MISSING_MAX] = "";

	return permission_watch_missing(fixture->watch, playbook, TARGET_NONE, text,
		       sizeof(text)) &&
		strstr(text, words) != NULL;
}

/* How many reviews had this in their body. */
static size_t asked(struct fixture *fixture, const char *words)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++)
		count += strstr(http_stub_body(fixture->stub, i), words) != NULL;
	return count;
}

static void missing_verb_disables_by_name_until_it_is_given(void **state)
{
	static const struct stub_rule denied[] = {{.start = REVIEW, .body = NO}};
	static const struct stub_rule given[] = {{.start = REVIEW, .body = YES}};
	const struct permission_watch_config config = {.every_ms = 30};
	struct fixture *fixture = *state;
	struct buf json;

	load(fixture, true);
	open_watch(fixture, &config, denied, 1);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(lacks(fixture, "grow", "patch deployments.apps"));
	AWAIT(lacks(fixture, "isolate", "patch nodes"));
	assert_false(lacks(fixture, "isolate", "deployments"));
	assert_false(lacks(fixture, "other", ""));
	AWAIT(metrics_get(METRIC_PLAYBOOK_DISABLED, "grow") == 1);
	buf_init(&json, 65536);
	permission_watch_write(fixture->watch, &json);
	assert_non_null(strstr(json.data, "{\"playbook\":\"grow\",\"missing\":\""));
	buf_fini(&json);
	/* What a playbook works without is not asked for. */
	assert_int_equal(asked(fixture, "\"verb\":\"watch\""), 0);
	assert_int_equal(asked(fixture, "events.k8s.io"), 0);
	assert_int_equal(asked(fixture, "keda.sh"), 0);
	http_stub_rules(fixture->stub, given, 1);
	AWAIT(!lacks(fixture, "grow", "") && !lacks(fixture, "isolate", ""));
	AWAIT(metrics_get(METRIC_PLAYBOOK_DISABLED, "grow") == 0);
}

#define ANY                                                                                            \
	"playbook: any\nmode: auto\ntrigger: {alert: ['alertname=\"A\"']}\ntarget: {kind: Workload}\n" \
	"steps: [{action: restart_workload}]\nverify: {signal: saturation, is: below, value: 0.9}\n"

/* A role for Deployments alone lets the playbook answer for Deployments. */
static void what_is_lacked_for_some_kinds_disables_for_these(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = REVIEW "\t\"resource\":\"statefulsets\",\"verb\":\"patch\"", .body = NO},
		{.start = REVIEW "\t\"resource\":\"daemonsets\",\"verb\":\"patch\"", .body = NO},
		{.start = REVIEW, .body = YES},
	};
	static const struct stub_rule denied[] = {{.start = REVIEW, .body = NO}};
	const struct permission_watch_config config = {.every_ms = 30};
	struct fixture *fixture = *state;
	char text[PERMISSION_MISSING_MAX];
	struct buf told;

	load_texts(fixture, ANY, NULL);
	open_watch(fixture, &config, rules, 3);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(permission_watch_missing(fixture->watch, "any", TARGET_STATEFULSET, text,
		sizeof(text)));
	assert_string_equal(text, "patch statefulsets.apps");
	assert_true(permission_watch_missing(fixture->watch, "any", TARGET_DAEMONSET, text,
		sizeof(text)));
	assert_string_equal(text, "patch daemonsets.apps");
	assert_false(permission_watch_missing(fixture->watch, "any", TARGET_DEPLOYMENT, text,
		sizeof(text)));
	assert_false(lacks(fixture, "any", ""));
	assert_true(metrics_get(METRIC_PLAYBOOK_DISABLED, "any") == 0);
	buf_init(&told, 65536);
	permission_watch_write(fixture->watch, &told);
	assert_string_equal(told.data,
		"[{\"playbook\":\"any\",\"kind\":\"StatefulSet\",\"missing\":\"patch "
		"statefulsets.apps\"},{\"playbook\":\"any\",\"kind\":\"DaemonSet\","
		"\"missing\":\"patch daemonsets.apps\"}]");
	buf_reset(&told);
	permission_watch_tell(fixture->watch, &told);
	assert_string_equal(told.data,
		"any for StatefulSet lacks patch statefulsets.apps; any for DaemonSet lacks patch "
		"daemonsets.apps");
	buf_fini(&told);
	/* Without any of it the playbook is disabled whole. */
	http_stub_rules(fixture->stub, denied, 1);
	AWAIT(lacks(fixture, "any", ""));
	AWAIT(metrics_get(METRIC_PLAYBOOK_DISABLED, "any") == 1);
}

static void server_that_does_not_tell_disables_nothing_and_enables_nothing(void **state)
{
	static const struct stub_rule denied[] = {{.start = REVIEW, .body = NO}};
	static const struct stub_rule broken[] = {{.start = "", .code = 403}};
	const struct permission_watch_config config = {.every_ms = 10, .retry_ms = 10};
	struct fixture *fixture = *state;
	size_t before;

	load(fixture, false);
	open_watch(fixture, &config, broken, 1);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(http_stub_request_count(fixture->stub) > 3);
	assert_false(lacks(fixture, "grow", ""));
	http_stub_rules(fixture->stub, denied, 1);
	AWAIT(lacks(fixture, "grow", ""));
	http_stub_rules(fixture->stub, broken, 1);
	before = http_stub_request_count(fixture->stub);
	AWAIT(http_stub_request_count(fixture->stub) > before + 3);
	assert_true(lacks(fixture, "grow", ""));
}

static void what_the_mode_does_not_let_be_done_needs_no_permission(void **state)
{
	static const struct stub_rule rules[] = {{.start = REVIEW, .body = YES}};
	const struct permission_watch_config config = {.every_ms = 60000};
	struct fixture *fixture = *state;

	load(fixture, false);
	open_watch(fixture, &config, rules, 1);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_SUGGEST);
	AWAIT(asked(fixture, "\"verb\":\"get\"") > 0 &&
		asked(fixture, "\"resource\":\"horizontalpodautoscalers\"") > 0);
	assert_int_equal(asked(fixture, "\"verb\":\"patch\""), 0);
	/* Another mode is asked for at once. */
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(asked(fixture, "\"verb\":\"patch\"") > 0);
}

static void roles_of_namespaces_are_looked_for_in_each(void **state)
{
	static const struct stub_rule rules[] = {{.start = REVIEW, .body = YES}};
	static const char *const namespaces[] = {"shop", "bank"};
	const struct permission_watch_config config = {.namespaces = namespaces,
		.namespace_count = 2,
		.every_ms = 60000};
	struct fixture *fixture = *state;

	load(fixture, false);
	open_watch(fixture, &config, rules, 1);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(asked(fixture, "\"namespace\":\"bank\"") > 0);
	AWAIT(asked(fixture, "\"namespace\":\"bank\"") == asked(fixture, "\"namespace\":\"shop\""));
	assert_int_equal(asked(fixture, "resourceAttributes"),
		asked(fixture, "\"namespace\":\"bank\"") +
			asked(fixture, "\"namespace\":\"shop\""));
}

/* What one namespace allows is nothing where another forbids it. */
static void what_one_namespace_forbids_disables(void **state)
{
	static const struct stub_rule rules[] = {{.start = REVIEW "\t\"namespace\":\"bank\"",
							 .body = NO},
		{.start = REVIEW, .body = YES}};
	static const char *const namespaces[] = {"shop", "bank"};
	const struct permission_watch_config config = {.namespaces = namespaces,
		.namespace_count = 2,
		.every_ms = 10,
		.retry_ms = 10};
	struct fixture *fixture = *state;

	load(fixture, false);
	open_watch(fixture, &config, rules, 2);
	permission_watch_use(fixture->watch, fixture->playbooks, MODE_AUTO);
	AWAIT(lacks(fixture, "grow", ""));
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(missing_verb_disables_by_name_until_it_is_given),
		T(what_is_lacked_for_some_kinds_disables_for_these),
		T(server_that_does_not_tell_disables_nothing_and_enables_nothing),
		T(what_the_mode_does_not_let_be_done_needs_no_permission),
		T(roles_of_namespaces_are_looked_for_in_each),
		T(what_one_namespace_forbids_disables),
	};

	return cmocka_run_group_tests_name("permission_watch", tests, NULL, NULL);
}
