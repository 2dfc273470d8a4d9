/* run-under: tsan */
/* History fetched from a server that answers by a script: failures and what is done about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "daemon/backfill.h"
#include "tests/support/http_stub.h"

#define NOW_MS INT64_C(1700000000000)

#define CONFIG_RULE                                                                                \
	{                                                                                          \
		.start = "GET /api/v1/status/config", .body = config_body                          \
	}
#define QUERY "POST /api/v1/query"

static const char config_body[] = "{\"status\":\"success\",\"data\":{\"yaml\":\"global:\\n  "
				  "external_labels:\\n    cluster: prod\\n\"}}";
static const char good_body[] =
	"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":"
	"{\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[1699999970,\"1\"],[1699999985,\"2\"]]}]}}";
static const char many_body[] =
	"{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"query processing would load "
	"too many samples into memory in query execution\"}";
static const char bad_body[] =
	"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}";

static struct clock_manual manual;
static struct http_stub *stub;
static struct store *store;
static struct backfill *backfill;
static struct backfill_config config;
static char url[64];
static const char *match[] = {"up"};

static void begin(const struct stub_rule *rules, size_t count)
{
	const struct store_limits limits = {
		.memory_max = 4 << 20,
		.series_max = 1000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 60000,
	};
	struct error error;

	metrics_reset();
	clock_manual_init(&manual, NOW_MS);
	store = store_open(&limits, &manual.clock, &error);
	assert_non_null(store);
	stub = http_stub_open(rules, count, NULL, NULL);
	assert_non_null(stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(stub));
	config = (struct backfill_config){
		.target = {.url = url, .timeout_ms = 20000, .answer_max = 1 << 20},
		.range_ms = 1800000,
		.give_up_ms = 60000,
		.concurrency = 2,
		.match = {match, 1},
		.labels_max = 256,
		.label_name_max = 1024,
		.label_value_max = 65536,
		.clock = &manual.clock,
	};
}

static void run(void)
{
	struct error error;

	backfill = backfill_open(&config, store, &error);
	if (backfill == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(backfill_start(backfill, &error), STATUS_OK);
}

static void await(enum backfill_state state)
{
	for (int i = 0; i < 12000 && backfill_state(backfill) != state; i++)
		clock_sleep_ms(10);
	assert_string_equal(backfill_state_name(backfill_state(backfill)),
		backfill_state_name(state));
}

static void finish(void)
{
	backfill_close(backfill);
	http_stub_close(stub);
	store_close(store);
}

static size_t points_of(const char *selector, struct store_point *points, size_t max)
{
	struct store_selection selection;
	struct matchers matchers;
	size_t count;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, NULL), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 10, &selection, NULL), STATUS_OK);
	matchers_fini(&matchers);
	if (selection.count != 1)
		fail_msg("%zu series match %s", selection.count, selector);
	count = store_window(store, selection.series[0], INT64_MIN, INT64_MAX, points, max);
	store_selection_fini(&selection);
	return count;
}

static double failures(const char *reason)
{
	return metrics_get(METRIC_BACKFILL_FAILURES, reason);
}

static void history_comes_with_the_external_labels(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE, {.start = QUERY, .body = good_body}};
	struct store_point points[10];
	(void)state;

	begin(rules, 2);
	run();
	await(BACKFILL_DONE);
	assert_int_equal(points_of("up{cluster=\"prod\",job=\"a\"}", points, 10), 2);
	assert_int_equal(points[0].t_ms, 1699999970000);
	assert_true(points[1].value == 2);
	assert_non_null(strstr(http_stub_body(stub, 1), "query=up%5B1800000ms%5D"));
	assert_non_null(strstr(http_stub_body(stub, 1), "time=1700000000%2E000"));
	assert_true(metrics_get(METRIC_BACKFILL_SERIES) == 1);
	assert_true(metrics_get(METRIC_BACKFILL_SAMPLES, "stored") == 2);
	finish();
}

static void what_would_be_too_many_samples_is_asked_for_in_halves(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY, .code = 422, .body = many_body, .times = 2},
		{.start = QUERY, .body = good_body}};
	struct store_point points[10];
	(void)state;

	begin(rules, 3);
	run();
	await(BACKFILL_DONE);
	assert_int_equal(points_of("up", points, 10), 2);
	assert_non_null(strstr(http_stub_body(stub, 2), "%5B900000ms%5D"));
	assert_non_null(strstr(http_stub_body(stub, 3), "%5B450000ms%5D"));
	/* The answer was small: the next one may be longer again. */
	assert_non_null(strstr(http_stub_body(stub, 4), "%5B900000ms%5D"));
	assert_non_null(strstr(http_stub_body(stub, 4), "time=1699999550%2E000"));
	assert_true(failures("too_many_samples") == 2);
	finish();
}

static void an_answer_too_large_at_any_size_gives_the_selector_up(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY, .body = good_body, .pad = 70000}};
	(void)state;

	begin(rules, 2);
	config.target.answer_max = 65536;
	run();
	await(BACKFILL_PARTIAL);
	assert_true(failures("too_large") == 8);
	finish();
}

/* The page of the status: an error that is over is not told any more. */
static void assert_says_no_error(void)
{
	struct buf json;

	buf_init(&json, 4096);
	backfill_write_json(backfill, &json);
	assert_true(buf_ok(&json));
	assert_non_null(strstr(json.data, "\"error\":\"\""));
	buf_fini(&json);
}

static void failures_of_the_server_are_waited_for(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY, .code = 503, .body = "busy", .times = 1},
		/* libcurl itself asks once again when a kept connection is closed. */
		{.start = QUERY, .drop = true, .times = 2}, {.start = QUERY, .body = good_body}};
	struct store_point points[10];
	(void)state;

	begin(rules, 4);
	run();
	await(BACKFILL_DONE);
	assert_int_equal(points_of("up", points, 10), 2);
	assert_true(failures("server_error") == 1);
	assert_says_no_error();
	assert_true(failures("unreachable") == 1);
	finish();
}

static void torn_answers_are_asked_for_again_and_then_given_up(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY,
			.body = "{\"status\":\"success\",\"data\":{\"resultTy",
			.times = 3},
		{.start = QUERY, .body = good_body}};
	struct store_stats stats;
	(void)state;

	begin(rules, 3);
	run();
	await(BACKFILL_PARTIAL);
	assert_true(failures("malformed") == 3);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 0);
	finish();
}

static void a_refused_selector_does_not_hold_the_others(void **state)
{
	static const char *const two[] = {"up", "down"};
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY, .code = 400, .body = bad_body, .times = 1},
		{.start = QUERY, .body = good_body}};
	(void)state;

	begin(rules, 3);
	config.match = (struct backfill_list){two, 2};
	config.concurrency = 1;
	run();
	await(BACKFILL_PARTIAL);
	assert_true(failures("rejected") == 1);
	assert_int_equal(http_stub_request_count(stub), 3);
	finish();
}

static void without_the_external_labels_nothing_is_filled(void **state)
{
	const struct stub_rule rules[] = {{.start = "GET /api/v1/status/config",
						  .code = 403,
						  .body = "no"},
		{.start = QUERY, .body = good_body}};
	struct store_stats stats;
	(void)state;

	begin(rules, 2);
	config.give_up_ms = 1;
	run();
	await(BACKFILL_FAILED);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 0);
	assert_true(failures("denied") >= 1);
	backfill_close(backfill);
	/* Told, they are not asked for. */
	config.external_given = true;
	run();
	await(BACKFILL_DONE);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 1);
	finish();
}

static void rules_of_ingest_hold_for_history(void **state)
{
	static const char *const drop[] = {"up{cluster=\"prod\"}"};
	const struct stub_rule rules[] = {CONFIG_RULE, {.start = QUERY, .body = good_body}};
	struct store_stats stats;
	(void)state;

	begin(rules, 2);
	config.drop = (struct backfill_list){drop, 1};
	run();
	await(BACKFILL_DONE);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 0);
	backfill_close(backfill);
	config.drop.count = 0;
	config.labels_max = 2;
	run();
	await(BACKFILL_PARTIAL);
	assert_true(failures("series_refused") == 1);
	store_stats(store, &stats);
	assert_int_equal(stats.series, 0);
	finish();
}

static const char *secret_file(const char *name, const char *text)
{
	static char paths[2][256];
	static unsigned next;
	const char *folder = getenv("TMPDIR");
	char *path = paths[next++ % 2];
	FILE *file;

	snprintf(path, sizeof(paths[0]), "%.150s/backfill-%d-%s", folder != NULL ? folder : "/tmp",
		(int)getpid(), name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static void credentials_go_with_each_question(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE, {.start = QUERY, .body = good_body}};
	const char *path = secret_file("token", "abc\n");
	(void)state;

	begin(rules, 2);
	config.target.bearer_token_file = path;
	run();
	await(BACKFILL_DONE);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(
			strstr(http_stub_request(stub, i), "Authorization: Bearer abc\r\n"));
	backfill_close(backfill);
	config.target.bearer_token_file = NULL;
	config.target.username = "me";
	config.target.password_file = path;
	run();
	await(BACKFILL_DONE);
	/* me:abc */
	assert_non_null(strstr(http_stub_request(stub, 3), "Authorization: Basic bWU6YWJj\r\n"));
	backfill_close(backfill);
	unlink(path);
	config.give_up_ms = 1;
	run();
	await(BACKFILL_FAILED);
	assert_true(failures("credentials") >= 1);
	finish();
}

static void a_close_ends_what_is_under_way(void **state)
{
	const struct stub_rule rules[] = {CONFIG_RULE,
		{.start = QUERY, .body = good_body, .delay_ms = 3000}};
	struct error error;
	(void)state;

	begin(rules, 2);
	run();
	while (http_stub_request_count(stub) < 2)
		clock_sleep_ms(5);
	finish();
	/* And one that was never started. */
	begin(rules, 2);
	backfill = backfill_open(&config, store, &error);
	assert_non_null(backfill);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(history_comes_with_the_external_labels),
		cmocka_unit_test(what_would_be_too_many_samples_is_asked_for_in_halves),
		cmocka_unit_test(an_answer_too_large_at_any_size_gives_the_selector_up),
		cmocka_unit_test(failures_of_the_server_are_waited_for),
		cmocka_unit_test(torn_answers_are_asked_for_again_and_then_given_up),
		cmocka_unit_test(a_refused_selector_does_not_hold_the_others),
		cmocka_unit_test(without_the_external_labels_nothing_is_filled),
		cmocka_unit_test(rules_of_ingest_hold_for_history),
		cmocka_unit_test(credentials_go_with_each_question),
		cmocka_unit_test(a_close_ends_what_is_under_way),
	};

	return cmocka_run_group_tests_name("backfill", tests, NULL, NULL);
}
