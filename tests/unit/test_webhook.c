/*
 * Alertmanager's webhook: a real message, and everything that may be wrong with one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "receiver/webhook.h"

/* As sent by Alertmanager 0.25. */
static const char real[] =
	"{\"receiver\":\"team\\\\.x\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\","
	"\"labels\":{\"alertname\":\"A\",\"ns\":\"shop\"},\"annotations\":{\"s\":\"x\"},"
	"\"startsAt\":\"2026-11-21T23:46:27.097899745Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
	"\"generatorURL\":\"\",\"fingerprint\":\"bfb9483280284ab2\"}],"
	"\"groupLabels\":{\"alertname\":\"A\"},\"commonLabels\":{\"alertname\":\"A\",\"ns\":\"shop\"},"
	"\"commonAnnotations\":{\"s\":\"x\"},\"externalURL\":\"http://vm:19993\","
	"\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"A\\\"}\",\"truncatedAlerts\":0}\n";

#define GOOD(name)                                                                                 \
	"{\"status\":\"firing\",\"labels\":{\"alertname\":\"" name                                 \
	"\"},\"startsAt\":\"2026-11-21T23:46:27Z\"}"

static enum status parse_max(const char *text, size_t alert_max, struct event_batch *batch,
	struct error *error)
{
	/* A block of the exact size, so that a read past its end is seen. */
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	enum status status;

	memcpy(copy, text, size);
	status = webhook_parse(copy, size, alert_max, 12345, batch, error);
	free(copy);
	return status;
}

static enum status parse(const char *text, struct event_batch *batch)
{
	return parse_max(text, 20000, batch, NULL);
}

static void real_message_becomes_an_event(void **state)
{
	struct event_batch batch;
	struct event *event;

	assert_int_equal(parse(real, &batch), STATUS_OK);
	assert_int_equal(batch.count, 1);
	assert_int_equal(batch.invalid_count + batch.truncated_count + batch.own_count, 0);
	event = &batch.events[0];
	assert_int_equal(event->source, EVENT_ALERT);
	assert_true(event->firing);
	assert_false(event->truncated);
	assert_string_equal(event->receiver, "team.x");
	assert_string_equal(labels_get(&event->labels, "ns"), "shop");
	assert_string_equal(labels_get(&event->annotations, "s"), "x");
	assert_true(event->starts_ms == INT64_C(1795304787097));
	assert_true(event->ends_ms == 0);
	assert_true(event->received_ms == 12345);
	assert_true(event->fingerprint == UINT64_C(0xbfb9483280284ab2));
	assert_string_equal(event->generator_url, "");
	event_batch_fini(&batch);
}

static void fingerprints_are_alertmanagers(void **state)
{
	static const struct {
		const char *labels;
		uint64_t fingerprint;
	} vectors[] = {
		{"{\"alertname\":\"B\"}", UINT64_C(0xd2c2efc389db2050)},
		{"{\"ns\":\"shop\",\"alertname\":\"A\"}", UINT64_C(0xbfb9483280284ab2)},
		{"{\"alertname\":\"Rem\",\"ns\":\"shop\",\"empty\":\"\"}",
			UINT64_C(0x321e0856f72e3537)},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct event_batch batch;
		char text[512];

		/* The one given is wrong and not believed. */
		snprintf(text, sizeof(text),
			"{\"version\":\"4\",\"alerts\":[{\"status\":\"resolved\",\"labels\":%s,"
			"\"startsAt\":\"2026-01-01T00:00:00Z\",\"endsAt\":\"2026-01-01T02:00:00+01:00\","
			"\"fingerprint\":\"0000000000000001\"}]}",
			vectors[i].labels);
		assert_int_equal(parse(text, &batch), STATUS_OK);
		assert_int_equal(batch.count, 1);
		assert_true(batch.events[0].fingerprint == vectors[i].fingerprint);
		assert_false(batch.events[0].firing);
		assert_true(batch.events[0].ends_ms - batch.events[0].starts_ms == 3600000);
		event_batch_fini(&batch);
	}
}

static void each_alert_has_its_own_status(void **state)
{
	static const char text[] = "{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[" GOOD(
		"A") ","
		     "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"B\"},\"startsAt\":"
		     "\"2026-11-21T23:46:27Z\",\"endsAt\":\"2026-11-21T23:46:28Z\"}]}";
	struct event_batch batch;

	assert_int_equal(parse(text, &batch), STATUS_OK);
	assert_int_equal(batch.count, 2);
	assert_true(batch.events[0].firing);
	assert_false(batch.events[1].firing);
	assert_true(batch.events[1].ends_ms > 0);
	event_batch_fini(&batch);
}

static void null_and_absent_are_empty_and_unknown_is_ignored(void **state)
{
	static const char text[] =
		"{\"alerts\":[{\"annotations\":null,\"labels\":{\"alertname\":\"A\"},\"generatorURL\":null,"
		"\"endsAt\":null,\"fingerprint\":null,\"new\":{\"x\":[1,2]},\"status\":\"firing\",\"startsAt\":"
		"\"2030-01-01T00:00:00.5-02:30\"}],\"notification_reason\":\"repeat interval elapsed\","
		"\"routeLabels\":{\"a\":\"b\"},\"receiver\":null,\"groupLabels\":null,\"version\":\"4\"}";
	struct event_batch batch;

	assert_int_equal(parse(text, &batch), STATUS_OK);
	assert_int_equal(batch.count, 1);
	assert_null(batch.events[0].receiver);
	assert_null(batch.events[0].generator_url);
	assert_int_equal(batch.events[0].annotations.count, 0);
	assert_true(batch.events[0].starts_ms == INT64_C(1893465000500));
	event_batch_fini(&batch);
}

static void message_without_alerts_is_fine(void **state)
{
	struct event_batch batch;

	assert_int_equal(parse("{\"version\":\"4\",\"alerts\":[]}", &batch), STATUS_OK);
	assert_int_equal(batch.count, 0);
	event_batch_fini(&batch);
	assert_int_equal(parse("{\"version\":\"4\",\"alerts\":null}", &batch), STATUS_OK);
	event_batch_fini(&batch);
	assert_int_equal(parse("{\"version\":\"4\"}", &batch), STATUS_OK);
	event_batch_fini(&batch);
}

static void wrong_messages_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "line 1, column 1"},
		{"{\"version\":\"4\",\n\"alerts\":[}", "line 2, column 11"},
		{"[]", "an object is expected, not an array"},
		{"{}", "field \"version\""},
		{"{\"version\":\"3\",\"alerts\":[]}", "\"3\", only \"4\""},
		{"{\"version\":4,\"alerts\":[]}", "field \"version\""},
		{"{\"version\":\"4\",\"alerts\":{}}", "field \"alerts\": an array"},
		{"{\"version\":\"4\",\"version\":\"4\"}", "\"version\" stands twice"},
		{"{\"version\":\"4\",\"alerts\":[],\"al\\u0065rts\":[]}",
			"\"alerts\" stands twice"},
		{"{\"version\":\"4\",\"truncatedAlerts\":-1}", "field \"truncatedAlerts\""},
		{"{\"version\":\"4\",\"truncatedAlerts\":\"1\"}", "field \"truncatedAlerts\""},
		{"{\"version\":\"4\",\"receiver\":5}", "field \"receiver\""},
		{"{\"version\":\"4\",\"receiver\":\"a\\u0000\"}", "field \"receiver\""},
		{"{\"version\":\"4\",\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", "nested too deep"},
		{"{\"text\":\"a template of one's own\"}", "payload template"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_batch batch;
		struct error error = {0};

		assert_int_equal(parse_max(cases[i].text, 10, &batch, &error), STATUS_BAD_INPUT);
		assert_null(batch.events);
		if (!strstr(error.text, cases[i].words))
			fail_msg("%s: %s", cases[i].text, error.text);
	}
}

/* The bad alert between two good ones costs only itself. */
static void expect_invalid(const char *alert, const char *reason)
{
	double before = metrics_get(METRIC_ALERTS_INVALID, reason);
	size_t size = strlen(alert) + 512;
	char *text = malloc(size);
	struct event_batch batch;

	snprintf(text, size, "{\"version\":\"4\",\"alerts\":[" GOOD("A") ",%s," GOOD("B") "]}",
		alert);
	assert_int_equal(parse(text, &batch), STATUS_OK);
	if (batch.count != 2 || batch.invalid_count != 1)
		fail_msg("%s: %zu kept", alert, batch.count);
	assert_string_equal(labels_get(&batch.events[0].labels, "alertname"), "A");
	assert_string_equal(labels_get(&batch.events[1].labels, "alertname"), "B");
	if (!(metrics_get(METRIC_ALERTS_INVALID, reason) == before + 1))
		fail_msg("%s: not counted as %s", alert, reason);
	event_batch_fini(&batch);
	free(text);
}

#define WITH_LABELS(labels)                                                                        \
	"{\"status\":\"firing\",\"labels\":" labels ",\"startsAt\":\"2026-11-21T23:46:27Z\"}"

static void bad_alerts_cost_only_themselves(void **state)
{
	char *large = malloc(WEBHOOK_ALERT_SIZE_MAX + 200);

	expect_invalid("null", "not_an_object");
	expect_invalid("[1]", "not_an_object");
	expect_invalid("{}", "status");
	expect_invalid("{\"status\":\"burning\",\"labels\":{\"a\":\"b\"}}", "status");
	expect_invalid(WITH_LABELS("{}"), "labels");
	expect_invalid(WITH_LABELS("null"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":\"\"}"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":1}"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":\"1\",\"a\":\"2\"}"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":\"x\\u0000y\"}"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":\"\xFF\xFE\"}"), "labels");
	expect_invalid(WITH_LABELS("{\"a\":\"\\ud800\"}"), "labels");
	expect_invalid(WITH_LABELS("[\"a\"]"), "labels");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"annotations\":7,"
		       "\"startsAt\":\"2026-11-21T23:46:27Z\"}",
		"annotations");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}", "time");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":"
		       "\"0001-01-01T00:00:00Z\"}",
		"time");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":"
		       "\"2026-02-30T00:00:00Z\"}",
		"time");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":"
		       "\"2026-11-21T23:46:27Z\",\"endsAt\":\"soon\"}",
		"time");
	expect_invalid("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":"
		       "\"2026-11-21T23:46:27Z\",\"generatorURL\":{}}",
		"text");
	expect_invalid("{\"status\":\"firing\",\"status\":\"resolved\",\"labels\":{\"a\":\"b\"},"
		       "\"startsAt\":\"2026-11-21T23:46:27Z\"}",
		"repeated_field");
	memset(large, ' ', WEBHOOK_ALERT_SIZE_MAX + 100);
	memcpy(large, "{\"x\":1", 6);
	memcpy(large + WEBHOOK_ALERT_SIZE_MAX + 100, "}", 2);
	expect_invalid(large, "size");
	free(large);
}

static void the_first_bad_alert_is_named_with_its_place_and_reason(void **state)
{
	static const char text[] =
		"{\"version\":\"4\",\"alerts\":["
		"{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\"},"
		"{\"status\":\"firing\",\"labels\":{\"a\":7},\"fingerprint\":\"0123456789abcdef\","
		"\"startsAt\":\"2026-01-02T03:04:05Z\"},{}]}";
	struct event_batch batch;

	assert_int_equal(parse(text, &batch), STATUS_OK);
	assert_int_equal(batch.count, 1);
	assert_int_equal(batch.invalid_count, 2);
	assert_int_equal(batch.first_invalid.index, 1);
	assert_string_equal(batch.first_invalid.fingerprint, "0123456789abcdef");
	assert_string_equal(batch.first_invalid.reason, "labels");
	assert_non_null(strstr(batch.first_invalid.text, "a"));
	event_batch_fini(&batch);
	/* What is no fingerprint does not go into the log as one. */
	assert_int_equal(parse("{\"version\":\"4\",\"alerts\":[{\"status\":\"burning\","
			       "\"fingerprint\":\"x\\ny\"}]}",
				 &batch),
		STATUS_OK);
	assert_int_equal(batch.first_invalid.index, 0);
	assert_string_equal(batch.first_invalid.fingerprint, "");
	assert_string_equal(batch.first_invalid.reason, "status");
	event_batch_fini(&batch);
}

static void own_alerts_are_left_out(void **state)
{
	static const char text[] =
		"{\"version\":\"4\",\"alerts\":["
		"{\"status\":\"firing\",\"labels\":{\"alertname\":\"RemediationInProgress\","
		"\"nimbusguard\":\"true\"},\"startsAt\":\"2026-11-21T23:46:27Z\"},"
		"{\"status\":\"firing\",\"labels\":{\"alertname\":\"B\","
		"\"nimbusguard\":\"false\"},\"startsAt\":\"2026-11-21T23:46:27Z\"}]}";
	double before = metrics_get(METRIC_ALERTS_INVALID, "own_alert");
	struct event_batch batch;

	assert_int_equal(parse(text, &batch), STATUS_OK);
	assert_int_equal(batch.count, 1);
	assert_int_equal(batch.own_count, 1);
	assert_int_equal(batch.invalid_count, 0);
	assert_string_equal(labels_get(&batch.events[0].labels, "alertname"), "B");
	assert_true(metrics_get(METRIC_ALERTS_INVALID, "own_alert") == before + 1);
	event_batch_fini(&batch);
}

static void alerts_past_the_limit_are_counted_not_kept(void **state)
{
	static const char text[] = "{\"alerts\":[" GOOD("A") "," GOOD("B") "," GOOD(
		"C") "],\"version\":\"4\",\"truncatedAlerts\":7}";
	struct event_batch batch;

	assert_int_equal(parse_max(text, 2, &batch, NULL), STATUS_OK);
	assert_int_equal(batch.count, 2);
	assert_int_equal(batch.truncated_count, 8);
	assert_true(batch.events[0].truncated && batch.events[1].truncated);
	assert_string_equal(labels_get(&batch.events[1].labels, "alertname"), "B");
	event_batch_fini(&batch);
	assert_int_equal(parse_max(text, 3, &batch, NULL), STATUS_OK);
	assert_int_equal(batch.count, 3);
	assert_int_equal(batch.truncated_count, 7);
	event_batch_fini(&batch);
	assert_int_equal(parse_max(text, 0, &batch, NULL), STATUS_OK);
	assert_int_equal(batch.truncated_count, 10);
	event_batch_fini(&batch);
}

static void receiver_names_lose_their_quoting(void **state)
{
	static const struct {
		const char *json, *name;
	} cases[] = {
		{"a\\\\.b\\\\+c", "a.b+c"},
		{"\\\\\\\\", "\\"},
		{"plain", "plain"},
		{"a\\\\-b", "a\\-b"}, /* not what the quoting writes */
		{"end\\\\", "end\\"},
		{"\\\\(\\\\)\\\\[\\\\]\\\\{\\\\}\\\\^\\\\$\\\\|\\\\*\\\\?", "()[]{}^$|*?"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_batch batch;
		char text[512];

		snprintf(text, sizeof(text),
			"{\"version\":\"4\",\"receiver\":\"%s\",\"alerts\":[" GOOD("A") "]}",
			cases[i].json);
		assert_int_equal(parse(text, &batch), STATUS_OK);
		assert_string_equal(batch.events[0].receiver, cases[i].name);
		event_batch_fini(&batch);
	}
}

static void large_message_is_read_whole(void **state)
{
	struct event_batch batch;
	struct buf text;

	buf_init(&text, 16 * 1024 * 1024);
	buf_add_text(&text, "{\"version\":\"4\",\"alerts\":[");
	for (int i = 0; i < 20001; i++)
		buf_printf(&text,
			"%s{\"status\":\"firing\",\"labels\":{\"alertname\":\"\xC3\x9C"
			"berlast\",\"pod\":\"p%d\"},"
			"\"annotations\":{\"description\":\"%0200d\"},\"startsAt\":\"2026-11-21T23:46:27Z\"}",
			i ? "," : "", i, i);
	buf_add_text(&text, "]}");
	assert_true(buf_ok(&text));
	assert_true(text.size > 5 * 1024 * 1024);
	assert_int_equal(webhook_parse(text.data, text.size, 20000, 1, &batch, NULL), STATUS_OK);
	assert_int_equal(batch.count, 20000);
	assert_int_equal(batch.truncated_count, 1);
	assert_string_equal(labels_get(&batch.events[19999].labels, "pod"), "p19999");
	event_batch_fini(&batch);
	buf_fini(&text);
}

static void allocation_failure_is_an_answer_for_the_whole_message(void **state)
{
	bool reached = true;
	int failures = 0;

	for (long nth = 1; reached; nth++) {
		struct event_batch batch;
		enum status status;

		mem_fail_after(nth, false);
		status = parse(real, &batch);
		reached = mem_fail_after(0, false);
		/* Never a message taken with an alert missing. */
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		assert_int_equal(batch.count, reached ? 0 : 1);
		failures += reached;
		event_batch_fini(&batch);
	}
	assert_true(failures > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_message_becomes_an_event),
		cmocka_unit_test(fingerprints_are_alertmanagers),
		cmocka_unit_test(each_alert_has_its_own_status),
		cmocka_unit_test(null_and_absent_are_empty_and_unknown_is_ignored),
		cmocka_unit_test(message_without_alerts_is_fine),
		cmocka_unit_test(wrong_messages_are_refused_by_name),
		cmocka_unit_test(bad_alerts_cost_only_themselves),
		cmocka_unit_test(the_first_bad_alert_is_named_with_its_place_and_reason),
		cmocka_unit_test(own_alerts_are_left_out),
		cmocka_unit_test(alerts_past_the_limit_are_counted_not_kept),
		cmocka_unit_test(receiver_names_lose_their_quoting),
		cmocka_unit_test(large_message_is_read_whole),
		cmocka_unit_test(allocation_failure_is_an_answer_for_the_whole_message),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	metrics_inc(METRIC_ALERTS_INVALID,
		"own_alert"); /* the cells' own memory is no part of the sweep */
	return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
