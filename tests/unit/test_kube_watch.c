/* run-under: tsan */
/* Watches against a scripted server: what a list and its events make known, and when they are not
 * sure: broken, torn, refused, late, silent, too large. */
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
#include "remediations/kube_watch.h"
#include "tests/support/folder.h"
#include "tests/support/http_stub.h"

#define WAIT_MS 120000
#define LIST "GET /api/v1/namespaces?limit="
#define WATCH "GET /api/v1/namespaces?watch=1&allowWatchBookmarks=true&timeoutSeconds="
#define ITEM(name, version)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name                                   \
	"\",\"resourceVersion\":\"" version "\"}}"
#define PAUSED(name, version)                                                                      \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name                                   \
	"\",\"resourceVersion\":\"" version                                                        \
	"\",\"annotations\":{\"nimbusguard.io/paused\":\"true\"}}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define ONE "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" ITEM("shop", "9") "]}"

struct fixture {
	char folder[FOLDER_PATH_MAX], url[64];
	struct http_stub *stub;
	struct kube_client *client;
	struct kube_watch *watch;
	struct kube_watch_config config;
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	signal(SIGPIPE, SIG_IGN);
	folder_make(fixture->folder);
	fixture->stub = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(fixture->stub);
	snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%u",
		http_stub_port(fixture->stub));
	fixture->config = (struct kube_watch_config){.kinds = KUBE_WATCH_BIT(KUBE_WATCH_NAMESPACES),
		.fresh_ms = 60000,
		.settle_ms = 60000,
		.backoff_ms = 5,
		.later_ms = 60000};
	*state = fixture;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *fixture = *state;

	kube_watch_close(fixture->watch);
	kube_client_close(fixture->client);
	http_stub_close(fixture->stub);
	folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void open_watch(struct fixture *fixture, const struct stub_rule *rules, size_t count)
{
	char token[FOLDER_PATH_MAX * 2];
	const struct kube_client_config config = {.url = fixture->url, .token_file = token};
	struct error error = {0};

	folder_write(fixture->folder, "token", "first");
	folder_path(token, sizeof(token), fixture->folder, "token");
	http_stub_rules(fixture->stub, rules, count);
	if (kube_client_open(&fixture->client, &config, &error) != STATUS_OK ||
		kube_watch_open(&fixture->watch, fixture->client, &fixture->config, &error) !=
			STATUS_OK)
		fail_msg("%s", error.text);
}

/* Waits for a condition. */
#define AWAIT(condition)                                                                           \
	do {                                                                                       \
		for (int waited_ms = 0; !(condition); waited_ms += 2) {                            \
			if (waited_ms > WAIT_MS)                                                   \
				fail_msg("in vain: %s", #condition);                               \
			clock_sleep_ms(2);                                                         \
		}                                                                                  \
	} while (0)

static enum kube_watch_word word(struct fixture *fixture, const char *name)
{
	struct kube_seen seen;

	return kube_watch_get(fixture->watch, KUBE_WATCH_NAMESPACES, "", name, &seen);
}

static bool paused(struct fixture *fixture, const char *name)
{
	struct kube_seen seen = {.paused = KUBE_FLAG_ABSENT};

	return kube_watch_get(fixture->watch, KUBE_WATCH_NAMESPACES, "", name, &seen) ==
		KUBE_WATCH_SEEN &&
		seen.paused == KUBE_FLAG_TRUE;
}

static struct kube_watch_state namespaces(struct fixture *fixture)
{
	return kube_watch_state(fixture->watch, KUBE_WATCH_NAMESPACES);
}

/* How many requests began so, and the last of them. */
static size_t asked(struct fixture *fixture, const char *start, const char **last)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++) {
		const char *request = http_stub_request(fixture->stub, i);

		if (strncmp(request, start, strlen(start)) != 0)
			continue;
		count++;
		if (last != NULL)
			*last = request;
	}
	return count;
}

static bool failed(const char *reason)
{
	return metrics_get(METRIC_KUBE_WATCH_FAILURES, "namespaces", reason) > 0;
}

/* ---- what is known ---- */

static void pages_and_events_in_any_pieces_are_one_picture(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = LIST "200 ",
			.body = "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"a/b\"},\"items\":[" ITEM(
				"shop", "3") "," ITEM("gone", "4") "]}"},
		{.start = LIST "200&continue=a%2Fb ",
			.body = "{\"metadata\":{\"resourceVersion\":\"11\"},\"items\":[" ITEM(
				"bank", "5") "]}"},
		{.start = WATCH,
			.stream = true,
			.body = "{\"type\":\"ADD\fED\",\"object\":" ITEM("ne\fw",
				"12") "\f}\n{\f"
				      "\"type\":\"MODIFIED\",\"object\":" PAUSED("bank",
					      "13") "}\n" EVENT("DELETED", ITEM("gone", "14"))
					      BOOKMARK("15") "\f"},
	};
	struct fixture *fixture = *state;
	const char *request = "";
	struct kube_seen seen;

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(paused(fixture, "bank") && word(fixture, "gone") == KUBE_WATCH_NONE);
	assert_int_equal(word(fixture, "new"), KUBE_WATCH_SEEN);
	assert_int_equal(word(fixture, "elsewhere"), KUBE_WATCH_NONE);
	assert_int_equal(kube_watch_get(fixture->watch, KUBE_WATCH_NAMESPACES, "", "shop", &seen),
		KUBE_WATCH_SEEN);
	assert_string_equal(seen.name, "shop");
	assert_string_equal(seen.uid, "u-shop");
	assert_string_equal(seen.resource_version, "3");
	assert_int_equal(namespaces(fixture).objects, 3);
	assert_int_equal(namespaces(fixture).lists, 1);
	assert_int_equal(asked(fixture, WATCH, &request), 1);
	assert_non_null(strstr(request, "&resourceVersion=11 HTTP"));
	assert_non_null(strstr(request, "Authorization: Bearer first\r\n"));
}

static void nothing_is_sure_before_a_sign_of_life(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH, .stream = true, .body = " \f"}};
	struct fixture *fixture = *state;

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(asked(fixture, WATCH, NULL) == 1 && namespaces(fixture).age_ms >= 0);
	assert_int_equal(word(fixture, "shop"), KUBE_WATCH_UNSURE);
	assert_int_equal(kube_watch_get(fixture->watch, KUBE_WATCH_PODS, "", "x", NULL),
		KUBE_WATCH_UNSURE);
	assert_int_equal(kube_watch_get(NULL, KUBE_WATCH_PODS, "", "x", NULL), KUBE_WATCH_UNSURE);
}

static void quiet_stream_is_sure_after_it_settled_and_until_it_is_old(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH, .stream = true, .body = " \f"}};
	struct fixture *fixture = *state;
	bool seen = false;

	fixture->config.settle_ms = 20;
	/* What a busy machine looks at too late is tried again with more time. */
	for (int64_t fresh_ms = 2000; !seen; fresh_ms *= 4) {
		assert_true(fresh_ms < 500000);
		kube_watch_close(fixture->watch);
		kube_client_close(fixture->client);
		fixture->config.fresh_ms = fresh_ms;
		open_watch(fixture, rules, ARRAY_COUNT(rules));
		AWAIT((seen = word(fixture, "shop") == KUBE_WATCH_SEEN) ||
			namespaces(fixture).age_ms >= fresh_ms);
	}
	AWAIT(word(fixture, "shop") == KUBE_WATCH_UNSURE);
	assert_true(namespaces(fixture).age_ms >= fixture->config.fresh_ms);
	assert_int_equal(asked(fixture, WATCH, NULL), 1);
}

/* ---- what goes wrong ---- */

static void gone_version_is_listed_anew_and_what_ended_is_swept(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = LIST,
			.times = 1,
			.body = "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" ITEM(
				"shop", "9") "," ITEM("old", "8") "]}"},
		{.start = WATCH,
			.times = 1,
			.stream = true,
			.body = BOOKMARK("11") EVENT("ERROR",
				"{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}") "\f"},
		{.start = LIST,
			.times = 1,
			.body = "{\"metadata\":{\"resourceVersion\":\"20\"},\"items\":[" ITEM(
				"shop", "9") "," ITEM("new", "19") "]}"},
		/* And once by the code of the answer. */
		{.start = WATCH, .times = 1, .code = 410},
		{.start = LIST,
			.body = "{\"metadata\":{\"resourceVersion\":\"30\"},\"items\":[" ITEM(
				"shop", "9") "]}"},
		{.start = WATCH, .stream = true, .body = BOOKMARK("31") "\f"},
	};
	struct fixture *fixture = *state;
	const char *request = "";

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(namespaces(fixture).lists == 3 && namespaces(fixture).sure);
	assert_int_equal(word(fixture, "old"), KUBE_WATCH_NONE);
	assert_int_equal(word(fixture, "new"), KUBE_WATCH_NONE);
	assert_int_equal(word(fixture, "shop"), KUBE_WATCH_SEEN);
	assert_int_equal(asked(fixture, WATCH, &request), 3);
	assert_non_null(strstr(request, "resourceVersion=30 "));
	assert_true(failed("gone"));
}

static void stream_that_ends_goes_on_from_its_last_event(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = LIST, .body = ONE},
		{.start = WATCH, .times = 1, .stream = true, .close = true, .body = BOOKMARK("15")},
		/* Cut off in the middle of an event, which comes again whole. */
		{.start = WATCH,
			.times = 1,
			.stream = true,
			.drop = true,
			.body = EVENT("ADDED", ITEM("a", "16")) "{\"type\":\"ADDED\",\"obj\f"},
		{.start = WATCH, .stream = true, .body = EVENT("ADDED", ITEM("b", "17")) "\f"},
	};
	struct fixture *fixture = *state;
	const char *request = "";

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(word(fixture, "b") == KUBE_WATCH_SEEN);
	assert_int_equal(word(fixture, "a"), KUBE_WATCH_SEEN);
	assert_int_equal(namespaces(fixture).lists, 1);
	assert_int_equal(asked(fixture, WATCH, &request), 3);
	assert_non_null(strstr(request, "resourceVersion=16 "));
}

static void events_that_cannot_be_read_make_the_list_be_read_anew(void **state)
{
	static const char *const bad[] = {"nonsense\n\f", "{\"type\":\"ADDED\"}\n\f",
		EVENT("MOVED", ITEM("a", "12")) "\f", EVENT("ADDED", "{\"metadata\":{}}") "\f",
		EVENT("BOOKMARK", "{\"metadata\":{}}") "\f"};
	struct fixture *fixture = *state;
	struct stub_rule rules[2 + ARRAY_COUNT(bad)] = {{.start = LIST, .body = ONE}};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		rules[1 + i] = (struct stub_rule){.start = WATCH,
			.times = 1,
			.stream = true,
			.body = bad[i]};
	rules[1 + ARRAY_COUNT(bad)] =
		(struct stub_rule){.start = WATCH, .stream = true, .body = BOOKMARK("11") "\f"};
	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(namespaces(fixture).sure);
	assert_int_equal(namespaces(fixture).lists, 1 + ARRAY_COUNT(bad));
	assert_true(failed("bad_event"));
	assert_true(failed("bad_object"));
}

static void bad_lists_are_tried_again(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = LIST, .times = 1, .code = 500, .body = "oops"},
		{.start = LIST, .times = 1, .code = 429, .body = "later"},
		/* Once libcurl tries again by itself, on a new connection. */
		{.start = LIST, .times = 2, .drop = true},
		{.start = LIST, .times = 1, .body = "{\"items\":["},
		{.start = LIST, .times = 1, .body = "{\"metadata\":{\"resourceVersion\":\"1\"}}"},
		{.start = LIST, .times = 1, .body = "{\"items\":[]}"},
		/* The second page is gone: the list begins anew, and the first is of another round. */
		{.start = LIST "200 ",
			.times = 1,
			.body = "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"x\"},\"items\":[" ITEM(
				"never", "4") "]}"},
		{.start = LIST "200&continue=x ", .times = 1, .code = 410},
		{.start = LIST, .body = ONE},
		{.start = WATCH, .stream = true, .body = BOOKMARK("11") "\f"},
	};
	struct fixture *fixture = *state;

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(namespaces(fixture).sure);
	assert_int_equal(word(fixture, "shop"), KUBE_WATCH_SEEN);
	assert_int_equal(word(fixture, "never"), KUBE_WATCH_NONE);
	assert_int_equal(namespaces(fixture).lists, 1);
	assert_true(failed("bad_list"));
	assert_true(failed("busy"));
	assert_true(failed("unreachable"));
}

static void forbidden_kind_is_read_and_tried_again_later(void **state)
{
	static const struct stub_rule refused[] = {{.start = LIST, .code = 403}};
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH, .stream = true, .body = BOOKMARK("11") "\f"}};
	struct fixture *fixture = *state;

	fixture->config.later_ms = 200;
	open_watch(fixture, refused, ARRAY_COUNT(refused));
	AWAIT(failed("forbidden"));
	assert_int_equal(namespaces(fixture).lists, 0);
	http_stub_rules(fixture->stub, rules, ARRAY_COUNT(rules));
	AWAIT(word(fixture, "shop") == KUBE_WATCH_SEEN);
}

static void permission_taken_away_makes_what_was_seen_unsure(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH, .times = 1, .stream = true, .close = true, .body = BOOKMARK("11")},
		{.start = WATCH, .code = 403}};
	struct fixture *fixture = *state;

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(failed("forbidden"));
	assert_int_equal(word(fixture, "shop"), KUBE_WATCH_UNSURE);
	AWAIT(namespaces(fixture).objects == 0);
}

/* Whoever asks finds out by reading; a watch that is not there is no proof. */
static void api_that_the_server_does_not_have_is_read(void **state)
{
	static const struct stub_rule rules[] = {
		{.start = "GET /apis/keda.sh/v1alpha1/scaledobjects?limit=", .code = 404}};
	struct fixture *fixture = *state;
	struct kube_seen seen;

	metrics_reset();
	fixture->config.kinds = KUBE_WATCH_BIT(KUBE_WATCH_SCALED_OBJECTS);
	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(metrics_get(METRIC_KUBE_WATCH_FAILURES, "scaledobjects", "absent") > 0);
	assert_int_equal(kube_watch_find(fixture->watch, KUBE_WATCH_SCALED_OBJECTS, "shop",
				 TARGET_DEPLOYMENT, "web", &seen),
		KUBE_WATCH_UNSURE);
}

static void silent_connection_is_cut_and_made_anew(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH, .times = 1, .stream = true, .body = BOOKMARK("11") "\f"},
		{.start = WATCH, .stream = true, .body = EVENT("ADDED", ITEM("b", "17")) "\f"}};
	struct fixture *fixture = *state;

	fixture->config.silence_ms = 300;
	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(word(fixture, "b") == KUBE_WATCH_SEEN);
	assert_int_equal(namespaces(fixture).lists, 1);
}

static void kind_that_does_not_fit_is_read(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .body = ONE},
		{.start = WATCH,
			.stream = true,
			.body = EVENT("ADDED", ITEM("a", "12"))
				EVENT("ADDED", ITEM("b", "13")) "\f"}};
	struct fixture *fixture = *state;

	fixture->config.object_max = 2;
	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(failed("full"));
	AWAIT(namespaces(fixture).objects == 0);
	assert_int_equal(word(fixture, "shop"), KUBE_WATCH_UNSURE);
}

static void refused_token_is_read_again(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .times = 1, .code = 401},
		{.start = LIST, .body = ONE},
		{.start = WATCH, .stream = true, .body = BOOKMARK("11") "\f"}};
	struct fixture *fixture = *state;
	const char *request = "";

	metrics_reset();
	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(namespaces(fixture).sure);
	assert_int_equal(asked(fixture, LIST, &request), 2);
	assert_false(failed("unauthenticated"));
}

static void end_comes_while_a_server_is_slow(void **state)
{
	static const struct stub_rule rules[] = {{.start = LIST, .delay_ms = 800}};
	struct fixture *fixture = *state;

	open_watch(fixture, rules, ARRAY_COUNT(rules));
	AWAIT(asked(fixture, LIST, NULL) == 1);
	kube_watch_close(fixture->watch);
	fixture->watch = NULL;
}

/* ---- the store ---- */

static json_t *object_of(const char *text)
{
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	return object;
}

static struct kube_seen seen_of(enum kube_watch_kind kind, const char *text)
{
	struct kube_watch_store *store = kube_watch_store_open(10);
	json_t *object = object_of(text);
	const char *namespace_name =
		json_string_value(kube_get(object, "metadata", "namespace", NULL));
	struct kube_seen seen;

	assert_int_equal(kube_watch_store_put(store, kind, object, 1), STATUS_OK);
	assert_true(kube_watch_store_get(store, kind, namespace_name != NULL ? namespace_name : "",
		"x", &seen));
	json_decref(object);
	kube_watch_store_close(store);
	return seen;
}

#define META(more)                                                                                         \
	"\"metadata\":{\"namespace\":\"shop\",\"name\":\"x\",\"uid\":\"u\",\"resourceVersion\":\"7\"" more \
	"}"

static void each_kind_keeps_what_is_asked_of_it(void **state)
{
	struct kube_seen seen;

	(void)state;
	seen = seen_of(KUBE_WATCH_PODS,
		"{" META(
			",\"deletionTimestamp\":\"t\",\"ownerReferences\":[{\"controller\":true,\"kind\":"
			"\"ReplicaSet\",\"apiVersion\":\"apps/v1\",\"name\":\"rs\",\"uid\":\"r\"}]") ",\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
												     "\"status\":\"True\"}],\"containerStatuses\":[{\"restartCount\":2},{\"restartCount\":5}"
												     "]}}");
	assert_true(seen.terminating);
	assert_int_equal(seen.reference_kind, TARGET_REPLICASET);
	assert_string_equal(seen.reference_name, "rs");
	assert_string_equal(seen.reference_uid, "r");
	assert_string_equal(seen.further, "n1");
	assert_int_equal(seen.ready_replicas, 1);
	assert_int_equal(seen.restarts, 5);
	seen = seen_of(KUBE_WATCH_NODES,
		"{\"metadata\":{\"name\":\"x\",\"uid\":\"u\",\"resourceVersion\":\"7\"},\"spec\":"
		"{\"unschedulable\":true},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":"
		"\"Unknown\"}]}}");
	assert_true(seen.unschedulable);
	assert_int_equal(seen.ready_replicas, 0);
	seen = seen_of(KUBE_WATCH_DEPLOYMENTS,
		"{" META(",\"generation\":3") ",\"spec\":{\"replicas\":4},\"status\":"
					      "{\"readyReplicas\":3,\"observedGeneration\":3}}");
	assert_int_equal(seen.replicas, 4);
	assert_int_equal(seen.ready_replicas, 3);
	assert_true(seen.rolled_out);
	seen = seen_of(KUBE_WATCH_DAEMONSETS,
		"{" META(",\"generation\":4") ",\"status\":{\"desiredNumberScheduled\":2,"
					      "\"numberReady\":1,\"observedGeneration\":3}}");
	assert_int_equal(seen.replicas, 2);
	assert_int_equal(seen.ready_replicas, 1);
	assert_false(seen.rolled_out);
	seen = seen_of(KUBE_WATCH_AUTOSCALERS,
		"{" META(
			",\"labels\":{\"scaledobject.keda.sh/name\":\"so\"}") ",\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\","
									      "\"name\":\"db\"}}}");
	assert_int_equal(seen.reference_kind, TARGET_STATEFULSET);
	assert_string_equal(seen.reference_name, "db");
	assert_string_equal(seen.further, "so");
	seen = seen_of(KUBE_WATCH_SCALED_OBJECTS,
		"{" META("") ",\"spec\":{\"scaleTargetRef\":{\"name\":\"web\"}}}");
	assert_int_equal(seen.reference_kind, TARGET_DEPLOYMENT);
	seen = seen_of(KUBE_WATCH_AUTOSCALERS,
		"{" META(
			"") ",\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"argoproj.io/v1\",\"kind\":"
			    "\"Deployment\",\"name\":\"web\"}}}");
	assert_int_equal(seen.reference_kind, TARGET_NONE);
	seen = seen_of(KUBE_WATCH_BUDGETS, "{" META("") ",\"status\":{\"disruptionsAllowed\":2}}");
	assert_int_equal(seen.disruptions_allowed, 2);
	seen = seen_of(KUBE_WATCH_REPLICASETS,
		"{" META(
			",\"annotations\":{\"nimbusguard.io/managed\":\"true\","
			"\"nimbusguard.io/paused\":\"maybe\",\"nimbusguard.io/dry-run\":\"false\"}") "}");
	assert_int_equal(seen.managed, KUBE_FLAG_TRUE);
	assert_int_equal(seen.paused, KUBE_FLAG_UNCLEAR);
	assert_int_equal(seen.dry_run, KUBE_FLAG_FALSE);
}

static enum status put_pod(struct kube_watch_store *store, int number, uint32_t round)
{
	enum status status;
	char text[1024];
	json_t *object;

	snprintf(text, sizeof(text),
		"{\"metadata\":{\"namespace\":\"shop-%d\",\"name\":\"checkout-6f9d8c7b5d-%05d\",\"uid\":"
		"\"5f0c0e0a-5d6b-4f3e-9c51-%012d\",\"resourceVersion\":\"%d\",\"ownerReferences\":"
		"[{\"controller\":true,\"kind\":\"ReplicaSet\",\"apiVersion\":\"apps/v1\",\"name\":"
		"\"checkout-6f9d8c7b5d\",\"uid\":\"11111111-5d6b-4f3e-9c51-000000000000\"}]},"
		"\"spec\":{\"nodeName\":\"ip-10-0-0-%d.compute.internal\"}}",
		number % 20, number, number, 1000000 + number, number % 250);
	object = object_of(text);
	status = kube_watch_store_put(store, KUBE_WATCH_PODS, object, round);
	json_decref(object);
	return status;
}

static void five_thousand_pods_cost_little(void **state)
{
	struct kube_watch_store *store = kube_watch_store_open(5000);
	size_t bytes;

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(put_pod(store, i, 1), STATUS_OK);
	bytes = kube_watch_store_bytes(store);
	print_message("5,000 pods: %zu bytes, %zu a pod\n", bytes, bytes / 5000);
	assert_true(bytes < 5000 * 512);
	/* The same again takes no more, one more does not fit. */
	for (int i = 0; i < 5000; i++)
		assert_int_equal(put_pod(store, i, i % 2 == 0 ? 2 : 1), STATUS_OK);
	assert_int_equal(kube_watch_store_bytes(store), bytes);
	assert_int_equal(put_pod(store, 5000, 2), STATUS_LIMIT);
	kube_watch_store_sweep(store, KUBE_WATCH_PODS, 2);
	assert_int_equal(kube_watch_store_count(store, KUBE_WATCH_PODS), 2500);
	kube_watch_store_clear(store, KUBE_WATCH_PODS);
	assert_int_equal(kube_watch_store_bytes(store), 0);
	kube_watch_store_close(store);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	(void)state;
	for (long nth = 1; reached; nth++) {
		struct kube_watch_store *store;
		enum status status = STATUS_NO_MEMORY;
		json_t *object = object_of(ITEM("x", "1"));

		mem_fail_after(nth, false);
		store = kube_watch_store_open(10);
		if (store != NULL)
			status = kube_watch_store_put(store, KUBE_WATCH_NAMESPACES, object, 1);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		kube_watch_store_close(store);
		json_decref(object);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pages_and_events_in_any_pieces_are_one_picture),
		T(nothing_is_sure_before_a_sign_of_life),
		T(quiet_stream_is_sure_after_it_settled_and_until_it_is_old),
		T(gone_version_is_listed_anew_and_what_ended_is_swept),
		T(stream_that_ends_goes_on_from_its_last_event),
		T(events_that_cannot_be_read_make_the_list_be_read_anew),
		T(bad_lists_are_tried_again),
		T(forbidden_kind_is_read_and_tried_again_later),
		T(permission_taken_away_makes_what_was_seen_unsure),
		T(api_that_the_server_does_not_have_is_read),
		T(silent_connection_is_cut_and_made_anew),
		T(kind_that_does_not_fit_is_read),
		T(refused_token_is_read_again),
		T(end_comes_while_a_server_is_slow),
		cmocka_unit_test(each_kind_keeps_what_is_asked_of_it),
		cmocka_unit_test(five_thousand_pods_cost_little),
		cmocka_unit_test(every_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("kube_watch", tests, NULL, NULL);
}
