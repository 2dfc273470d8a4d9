/*
 * Events: copies, their JSON form there and back, and what is no event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/mem.h"

static const char alert[] =
	"{\"source\":\"alert\",\"status\":\"resolved\",\"truncated\":true,\"fingerprint\":"
	"\"bfb9483280284ab2\",\"startsAt\":\"2026-11-21T23:46:27.097Z\",\"endsAt\":"
	"\"2026-11-21T23:50:00.000Z\",\"receivedAt\":\"2026-11-21T23:50:01.500Z\",\"labels\":"
	"{\"alertname\":\"A\",\"ns\":\"shop\"},\"annotations\":{\"s\":\"x \\\"y\\\"\"},"
	"\"receiver\":\"team.x\",\"generatorURL\":null,\"score\":null,\"confidence\":null}";

static void written_event_reads_back(void **state)
{
	struct event event;
	struct buf buf;

	buf_init(&buf, 65536);
	assert_int_equal(event_read_json(&event, alert, strlen(alert), NULL), STATUS_OK);
	assert_false(event.firing);
	assert_true(event.truncated);
	assert_true(isnan(event.score));
	assert_string_equal(event.receiver, "team.x");
	assert_null(event.generator_url);
	assert_string_equal(labels_get(&event.annotations, "s"), "x \"y\"");
	/* A real Alertmanager's. */
	assert_true(event.fingerprint == UINT64_C(0xbfb9483280284ab2));
	assert_true(event.ends_ms - event.starts_ms == 212903);
	event_write_json(&buf, &event);
	assert_string_equal(buf.data, alert);
	buf_fini(&buf);
	event_fini(&event);
}

static void numbers_of_findings_survive(void **state)
{
	struct event event, back;
	struct buf buf;

	event_init(&event);
	event.source = EVENT_FINDING;
	event.firing = true;
	event.score = 0.1 + 0.2;
	event.confidence = 1;
	event.starts_ms = 1;
	buf_init(&buf, 65536);
	event_write_json(&buf, &event);
	assert_non_null(strstr(buf.data, "\"source\":\"finding\""));
	assert_non_null(strstr(buf.data, "\"endsAt\":null"));
	assert_int_equal(event_read_json(&back, buf.data, buf.size, NULL), STATUS_OK);
	assert_true(back.score == event.score);
	assert_true(back.confidence == 1);
	assert_true(back.firing);
	assert_int_equal(back.ends_ms, 0);
	assert_int_equal(back.labels.count, 0);
	buf_fini(&buf);
	event_fini(&back);
	event_fini(&event);
}

static void copy_is_equal_and_apart(void **state)
{
	struct event event, copy;
	struct buf one, two;

	assert_int_equal(event_read_json(&event, alert, strlen(alert), NULL), STATUS_OK);
	assert_null(event.node);
	event.node = mem_strdup("worker-\"7\"");
	assert_non_null(event.node);
	assert_int_equal(event_clone(&copy, &event), STATUS_OK);
	buf_init(&one, 65536);
	buf_init(&two, 65536);
	event_write_json(&one, &event);
	event_fini(&event);
	event_write_json(&two, &copy);
	assert_string_equal(one.data, two.data);
	event_fini(&copy);
	assert_int_equal(event_read_json(&copy, two.data, two.size, NULL), STATUS_OK);
	assert_string_equal(copy.node, "worker-\"7\"");
	event_fini(&copy);
	buf_fini(&one);
	buf_fini(&two);
}

static void unknown_fields_are_left_out(void **state)
{
	static const char text[] =
		"{\"source\":\"proposal\",\"new\":{\"a\":[1]},\"status\":\"firing\","
		"\"labels\":null}";
	struct event event;

	assert_int_equal(event_read_json(&event, text, strlen(text), NULL), STATUS_OK);
	assert_int_equal(event.source, EVENT_PROPOSAL);
	event_fini(&event);
}

static void what_is_no_event_is_named(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "line 1"},
		{"[]", "an event is an object"},
		{"{}", "needs source"},
		{"{\"source\":\"x\"}", "field \"source\""},
		{"{\"source\":\"alert\",\"status\":\"burning\"}", "field \"status\""},
		{"{\"source\":\"alert\",\"source\":\"alert\"}", "stands twice"},
		{"{\"receiver\":\"a\",\"receiver\":\"b\"}", "stands twice"},
		{"{\"truncated\":1}", "field \"truncated\""},
		{"{\"startsAt\":\"yesterday\"}", "field \"startsAt\""},
		{"{\"startsAt\":5}", "field \"startsAt\""},
		{"{\"labels\":[]}", "field \"labels\""},
		{"{\"labels\":{\"a\":1}}", "value of \"a\""},
		{"{\"labels\":{\"a\":\"1\",\"a\":\"2\"}}", "stands twice"},
		{"{\"labels\":{\"\":\"1\"}}", "empty name"},
		{"{\"labels\":{\"a\":\"\\u0000\"}}", "NUL"},
		{"{\"annotations\":{\"\xFF\":\"b\"}}", "field \"annotations\""},
		{"{\"score\":\"1\"}", "field \"score\""},
		{"{\"generatorURL\":[]}", "field \"generatorURL\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event;
		struct error error = {0};

		assert_int_equal(event_read_json(&event, cases[i].text, strlen(cases[i].text),
					 &error),
			STATUS_BAD_INPUT);
		if (!strstr(error.text, cases[i].words))
			fail_msg("%s: %s", cases[i].text, error.text);
	}
}

static enum status labels_of(struct labels *labels, const char *json)
{
	struct json_span span;

	assert_int_equal(json_span_init(&span, json, strlen(json), 4, NULL), STATUS_OK);
	return event_read_labels(labels, &span, NULL);
}

static void label_sets_are_bounded(void **state)
{
	struct labels labels;
	struct buf text;
	char *run = malloc(EVENT_LABEL_VALUE_MAX + 2);

	memset(run, 'x', EVENT_LABEL_VALUE_MAX + 2);
	buf_init(&text, EVENT_LABEL_VALUE_MAX * 2);
	for (int extra = 0; extra < 2; extra++) {
		enum status wanted = extra ? STATUS_LIMIT : STATUS_OK;

		for (int i = 0; i < EVENT_LABELS_MAX + extra; i++)
			buf_printf(&text, "%c\"l%d\":\"v\"", i ? ',' : '{', i);
		buf_add_char(&text, '}');
		assert_int_equal(labels_of(&labels, text.data), wanted);
		assert_int_equal(labels.count, extra ? 0 : EVENT_LABELS_MAX);
		labels_fini(&labels);
		buf_reset(&text);
		buf_printf(&text, "{\"a\":\"%.*s\"}", EVENT_LABEL_VALUE_MAX + extra, run);
		assert_int_equal(labels_of(&labels, text.data), wanted);
		labels_fini(&labels);
		buf_reset(&text);
		buf_printf(&text, "{\"%.*s\":\"b\"}", EVENT_LABEL_NAME_MAX + extra, run);
		assert_int_equal(labels_of(&labels, text.data), wanted);
		labels_fini(&labels);
		buf_reset(&text);
	}
	buf_fini(&text);
	free(run);
}

static void allocation_failure_is_an_answer(void **state)
{
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct event event, copy;
		enum status status;

		mem_fail_after(nth, false);
		status = event_read_json(&event, alert, strlen(alert), NULL);
		if (!status) {
			status = event_clone(&copy, &event);
			if (!status)
				event_fini(&copy);
			event_fini(&event);
		}
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_event_reads_back),
		cmocka_unit_test(numbers_of_findings_survive),
		cmocka_unit_test(copy_is_equal_and_apart),
		cmocka_unit_test(unknown_fields_are_left_out),
		cmocka_unit_test(what_is_no_event_is_named),
		cmocka_unit_test(label_sets_are_bounded),
		cmocka_unit_test(allocation_failure_is_an_answer),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
