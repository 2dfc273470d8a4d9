/*
 * The tape of a replay: samples and alerts out of texts, recordings that a crash cut off, and alerts out
 * of the series ALERTS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "daemon/tape.h"

static void read_text(struct tape *tape, const char *text)
{
	struct error error = {.text = ""};

	if (tape_read_text(tape, "x.om", text, strlen(text), &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

static void finish(struct tape *tape)
{
	struct error error = {.text = ""};

	if (tape_finish(tape, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

static void text_is_read_with_times_of_either_unit_and_sorted(void **state)
{
	struct tape tape;

	tape_init(&tape);
	read_text(&tape,
		"# TYPE up gauge\n"
		"up{job=\"a b\",x=\"}\"} 1 1700000002.5\n"
		"up{job=\"a b\",x=\"}\"} 0 1700000000 # {trace=\"1\"} 5\n"
		"{__name__=\"up\", job=\"a b\", x=\"}\"} NaN 1700000001000\n"
		"\n  plain 3e2 1700000003\r\n# EOF\n");
	finish(&tape);
	assert_int_equal(tape.series_count, 2);
	assert_int_equal(tape.sample_count, 4);
	assert_int_equal(tape.samples[0].t_ms, 1700000000000);
	assert_int_equal(tape.samples[1].t_ms, 1700000001000);
	assert_int_equal(tape.samples[2].t_ms, 1700000002500);
	assert_true(tape.samples[3].value > 299 && tape.samples[3].value < 301);
	assert_string_equal(labels_get(&tape.series[0], "x"), "}");
	tape_fini(&tape);
}

static void what_is_wrong_with_a_text_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *said;
	} table[] = {
		{"up 1 1700000000\nup 1\n", "x.om:2: a time is missing behind the value"},
		{"up\n", "x.om:1: a value is missing behind the series"},
		{"up x 1\n", "x.om:1: a value is missing behind the series"},
		{"up 1 1e300\n", "x.om:1: a time is missing behind the value"},
		{"\nup{a=~\"b\"} 1 1\n", "x.om:2: a label of a series is given with ="},
		{"up{a=\"b} 1 1\n", "x.om:1: a value is missing behind the series"},
		{"up{a=b} 1 1\n", "x.om:1: column 6"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct error error = {.text = ""};
		struct tape tape;

		tape_init(&tape);
		assert_int_equal(tape_read_text(&tape, "x.om", table[i].text, strlen(table[i].text),
					 &error),
			STATUS_BAD_INPUT);
		if (strncmp(error.text, table[i].said, strlen(table[i].said)) != 0)
			fail_msg("%s: %s", table[i].text, error.text);
		tape_fini(&tape);
	}
}

static bool frame_says(const struct tape *tape, size_t index, int64_t time_ms, const char *text)
{
	const struct recording_frame *frame = &tape->frames[index];
	char body[4096];

	snprintf(body, sizeof(body), "%.*s", (int)frame->size, (const char *)frame->body);
	return frame->kind == RECORDING_WEBHOOK && frame->time_ms == time_ms &&
		strstr(body, text) != NULL;
}

static void a_run_of_the_series_alerts_is_an_alert_with_its_end(void **state)
{
	struct tape tape;

	tape_init(&tape);
	read_text(&tape,
		"ALERTS{alertname=\"A\",alertstate=\"firing\"} 1 1000\n"
		"ALERTS{alertname=\"A\",alertstate=\"firing\"} 1 1010\n"
		"ALERTS{alertname=\"A\",alertstate=\"pending\"} 1 900\n"
		"ALERTS{alertname=\"A\",alertstate=\"firing\"} 1 1020\n"
		"ALERTS{alertname=\"A\",alertstate=\"firing\"} 1 1100\n"
		"up 1 1110\n");
	finish(&tape);
	assert_int_equal(tape.alert_series, 1);
	assert_int_equal(tape.frame_count, 3);
	assert_true(frame_says(&tape, 0, 1000000, "\"status\":\"firing\""));
	assert_true(frame_says(&tape, 1, 1030000, "\"endsAt\":\"1970-01-01T00:17:10.000Z\""));
	/* The second one still fires at the end of the tape. */
	assert_true(frame_says(&tape, 2, 1100000, "\"startsAt\":\"1970-01-01T00:18:20.000Z\""));
	assert_false(frame_says(&tape, 0, 1000000, "alertstate"));
	tape_fini(&tape);
}

static void messages_take_the_place_of_the_series_alerts(void **state)
{
	static const char text[] =
		"{\"time\":\"1970-01-01T00:20:00Z\",\"message\":{\"version\":\"4\",\"alerts\":[]}}\n"
		"{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\","
		"\"startsAt\":\"1970-01-01T00:10:00Z\",\"endsAt\":\"0001-01-01T00:00:00Z\"},\n"
		"{\"status\":\"resolved\",\"startsAt\":\"1970-01-01T00:01:00Z\","
		"\"endsAt\":\"1970-01-01T00:11:00Z\"}]}";
	struct error error = {.text = ""};
	struct tape tape;

	tape_init(&tape);
	read_text(&tape, "ALERTS{alertname=\"A\",alertstate=\"firing\"} 1 1000\n");
	assert_int_equal(tape_read_alerts(&tape, "a", text, sizeof(text) - 1, &error), STATUS_OK);
	finish(&tape);
	assert_int_equal(tape.alert_series, 0);
	assert_int_equal(tape.frame_count, 2);
	assert_true(frame_says(&tape, 0, 660000, "resolved"));
	assert_true(frame_says(&tape, 1, 1200000, "\"version\":\"4\""));
	tape_fini(&tape);
}

static void frames_of_the_same_time_stay_in_order(void **state)
{
	struct error error;
	struct tape tape;
	char body[16];

	tape_init(&tape);
	for (int i = 0; i < 1000; i++) {
		snprintf(body, sizeof(body), "%d", i);
		assert_int_equal(tape_add_frame(&tape,
					 &(struct recording_frame){RECORDING_WRITE_V1,
						 i % 7 == 0 ? 5 : 9, body, strlen(body) + 1},
					 &error),
			STATUS_OK);
	}
	finish(&tape);
	for (size_t i = 1; i < tape.frame_count; i++) {
		assert_true(tape.frames[i - 1].time_ms <= tape.frames[i].time_ms);
		if (tape.frames[i - 1].time_ms == tape.frames[i].time_ms)
			assert_true(strtol(tape.frames[i - 1].body, NULL, 10) <
				strtol(tape.frames[i].body, NULL, 10));
	}
	tape_fini(&tape);
}

/* ---- recordings ---- */

static void write_recording(const char *path, size_t cut, long flip)
{
	struct buf bytes;
	struct error error;
	unsigned char head[RECORDING_HEAD];

	buf_init(&bytes, 1 << 20);
	buf_add_text(&bytes, RECORDING_MAGIC);
	for (int64_t i = 1; i <= 3; i++) {
		const struct recording_frame frame = {RECORDING_WRITE_V2, i * 1000, "body", 4};

		recording_write_head(head, &frame);
		buf_add(&bytes, head, sizeof(head));
		buf_add(&bytes, "body", 4);
	}
	if (flip >= 0)
		bytes.data[flip] ^= 1;
	assert_int_equal(file_write_atomic(path, bytes.data, bytes.size - cut, 0600, &error),
		STATUS_OK);
	buf_fini(&bytes);
}

static void a_damaged_recording_is_taken_up_to_the_damage(void **state)
{
	const char *parent = getenv("TMPDIR");
	struct error error = {.text = ""};
	struct buf warning;
	struct tape tape;
	char path[600];

	snprintf(path, sizeof(path), "%s/r.ngr", parent != NULL ? parent : "/tmp");
	/* Each length and each byte: never more frames than are whole, and never a wrong one. */
	for (size_t i = 0; i < 2 * 3 * (RECORDING_HEAD + 4); i++) {
		size_t place = i / 2, whole = place / (RECORDING_HEAD + 4);

		if (i % 2)
			write_recording(path, 0, (long)(RECORDING_MAGIC_SIZE + place));
		else
			write_recording(path, 3 * (RECORDING_HEAD + 4) - place, -1);
		tape_init(&tape);
		buf_init(&warning, 1 << 20);
		assert_int_equal(tape_read(&tape, path, &warning, &error), STATUS_OK);
		assert_int_equal(tape.frame_count, whole);
		assert_true((warning.size > 0) == (i % 2 || place % (RECORDING_HEAD + 4) != 0));
		for (size_t k = 0; k < whole; k++)
			assert_int_equal(tape.frames[k].time_ms, (k + 1) * 1000);
		buf_fini(&warning);
		tape_fini(&tape);
	}
	assert_int_equal(unlink(path), 0);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	static const char text[] = "up{a=\"b\"} 1 1000\nALERTS{alertstate=\"firing\"} 1 1000\n";
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct error error = {.code = STATUS_OK};
		struct tape tape;
		enum status status;

		tape_init(&tape);
		(void)mem_fail_after(nth, false);
		status = tape_read_text(&tape, "x", text, sizeof(text) - 1, &error);
		if (status == STATUS_OK)
			status = tape_finish(&tape, &error);
		reached = mem_fail_after(0, false);
		assert_true(status == (reached ? STATUS_NO_MEMORY : STATUS_OK));
		tape_fini(&tape);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_read_with_times_of_either_unit_and_sorted),
		cmocka_unit_test(what_is_wrong_with_a_text_is_told_with_its_line),
		cmocka_unit_test(a_run_of_the_series_alerts_is_an_alert_with_its_end),
		cmocka_unit_test(messages_take_the_place_of_the_series_alerts),
		cmocka_unit_test(frames_of_the_same_time_stay_in_order),
		cmocka_unit_test(a_damaged_recording_is_taken_up_to_the_damage),
		cmocka_unit_test(every_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("tape", tests, NULL, NULL);
}
