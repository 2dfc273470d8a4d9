/*
 * Freeze windows: what is read and what is refused with its column, when a window is open and until
 * when, over midnights, week ends, and changes of the clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/random.h"
#include "remediations/freeze.h"

static bool database_there(void)
{
	return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static struct freeze *open_windows(const char *const *texts, size_t count)
{
	struct freeze *freeze;
	struct error error;

	if (freeze_open(texts, count, &freeze, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return freeze;
}

static int64_t at(const char *text)
{
	int64_t ms;

	assert_int_equal(parse_rfc3339(text, &ms), STATUS_OK);
	return ms;
}

/* until "": not open at that time. */
static void expect(const char *window, const char *now, const char *until)
{
	struct freeze *freeze = open_windows(&window, 1);
	const char *told = NULL;
	int64_t end_ms = freeze_until(freeze, at(now), &told);
	char text[32] = "";

	if (end_ms != 0)
		format_rfc3339(end_ms, text, sizeof(text));
	if (strncmp(text, until, strlen(until)) != 0 || (*until == '\0') != (end_ms == 0))
		fail_msg("%s at %s: until \"%s\" instead of \"%s\"", window, now, text, until);
	assert_int_equal(told != NULL, end_ms != 0);
	freeze_close(freeze);
}

static void a_week_end_is_frozen_from_its_first_to_its_last_minute(void **state)
{
	/* 2026-01-02 is a Friday. */
	expect("Fri 16:00-Mon 06:00", "2026-01-02T15:59:59.999Z", "");
	expect("Fri 16:00-Mon 06:00", "2026-01-02T16:00:00Z", "2026-01-05T06:00:00.000Z");
	expect("Fri 16:00 - Mon 06:00 UTC", "2026-01-04T12:00:00Z", "2026-01-05T06:00:00.000Z");
	expect("Fri 16:00-Mon 06:00", "2026-01-05T05:59:59.999Z", "2026-01-05T06:00:00.000Z");
	expect("Fri 16:00-Mon 06:00", "2026-01-05T06:00:00Z", "");
	expect("Sat 00:00-Sun 24:00", "2026-01-04T23:59:59Z", "2026-01-05T00:00:00.000Z");
	expect("Mon 08:00-Mon 07:00", "2026-01-05T07:30:00Z", "");
	expect("Mon 08:00-Mon 07:00", "2026-01-05T06:30:00Z", "2026-01-05T07:00:00.000Z");
}

static void nights_and_dates_are_frozen(void **state)
{
	expect("22:00-06:00", "2026-01-02T21:59:59Z", "");
	expect("22:00-06:00", "2026-01-02T22:00:00Z", "2026-01-03T06:00:00.000Z");
	expect("22:00-06:00", "2026-01-03T05:59:59Z", "2026-01-03T06:00:00.000Z");
	expect("22:00-06:00", "2026-01-03T06:00:00Z", "");
	expect("12:00-13:00", "2026-01-03T12:30:00Z", "2026-01-03T13:00:00.000Z");
	expect("2026-12-23 18:00-2027-01-04 06:00", "2026-12-23T17:59:59Z", "");
	expect("2026-12-23 18:00-2027-01-04 06:00", "2026-12-31T00:00:00Z",
		"2027-01-04T06:00:00.000Z");
	expect("2026-12-23 18:00-2027-01-04 06:00", "2027-01-04T06:00:00Z", "");
	expect("2026-12-23 18:00-2027-01-04 06:00", "2025-12-31T00:00:00Z", "");
}

static void windows_follow_the_clocks_of_their_zone(void **state)
{
	static const char week_end[] = "Fri 16:00-Mon 06:00 Europe/Berlin";

	if (!database_there())
		skip();
	/* Winter, into summer time on 2026-03-29, and out of it on 2026-10-25. */
	expect(week_end, "2026-01-02T14:59:59Z", "");
	expect(week_end, "2026-01-02T15:00:00Z", "2026-01-05T05:00:00.000Z");
	expect(week_end, "2026-03-27T14:59:59Z", "");
	expect(week_end, "2026-03-27T15:00:00Z", "2026-03-30T04:00:00.000Z");
	expect(week_end, "2026-03-30T04:00:00Z", "");
	expect(week_end, "2026-10-23T13:59:59Z", "");
	expect(week_end, "2026-10-23T14:00:00Z", "2026-10-26T05:00:00.000Z");
	expect(week_end, "2026-10-26T05:00:00Z", "");
	/* A beginning that is skipped is the moment of the skip; what is skipped whole never was. */
	expect("02:30-04:00 Europe/Berlin", "2026-03-29T00:59:59Z", "");
	expect("02:30-04:00 Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00.000Z");
	expect("02:15-02:45 Europe/Berlin", "2026-03-29T01:00:00Z", "");
	/* In the hour that comes twice: from the first beginning to the last end. */
	expect("02:15-02:30 Europe/Berlin", "2026-10-25T00:14:59Z", "");
	expect("02:15-02:30 Europe/Berlin", "2026-10-25T00:15:00Z", "2026-10-25T01:30:00.000Z");
	expect("02:15-02:30 Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00.000Z");
	expect("02:15-02:30 Europe/Berlin", "2026-10-25T01:30:00Z", "");
	/* East of UTC a local Monday begins on Sunday. */
	expect("Mon 00:00-Mon 01:00 Pacific/Apia", "2026-01-04T11:30:00Z",
		"2026-01-04T12:00:00.000Z");
	expect("2026-07-01 00:00-2026-07-01 12:00 America/New_York", "2026-07-01T15:59:59Z",
		"2026-07-01T16:00:00.000Z");
}

static void windows_without_a_gap_are_one(void **state)
{
	static const char *const texts[] = {"Sat 00:00-Mon 06:00", "22:00-01:00",
		"Fri 16:00-Sat 00:00", "00:30-02:00"};
	struct freeze *freeze = open_windows(texts, 3);
	const char *window;

	assert_int_equal(freeze_until(freeze, at("2026-01-02T16:30:00Z"), &window),
		at("2026-01-05T06:00:00Z"));
	assert_string_equal(window, "Fri 16:00-Sat 00:00");
	freeze_close(freeze);
	freeze = open_windows(texts, 4);
	assert_int_equal(freeze_until(freeze, at("2026-01-06T23:00:00Z"), &window),
		at("2026-01-07T02:00:00Z"));
	freeze_close(freeze);
	/* What never ends is frozen all the same. */
	freeze = open_windows((const char *const[]){"00:00-24:00"}, 1);
	assert_true(freeze_until(freeze, at("2026-01-06T23:00:00Z"), NULL) >
		at("2026-02-01T00:00:00Z"));
	freeze_close(freeze);
	assert_int_equal(freeze_until(NULL, at("2026-01-06T23:00:00Z"), NULL), 0);
}

/* Against minutes counted one by one. */
static void every_minute_of_a_week_is_in_or_out(void **state)
{
	static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
	int64_t monday_ms = at("2026-01-05T00:00:00Z");
	struct random random;

	random_init(&random, 11);
	for (int round = 0; round < 20; round++) {
		int week = 7 * 1440, begin = (int)random_below(&random, 7 * 1440);
		int end = (int)random_below(&random, 7 * 1440);
		char text[64];
		const char *one = text;
		struct freeze *freeze;

		if (begin == end)
			continue;
		snprintf(text, sizeof(text), "%s %02d:%02d-%s %02d:%02d", days[begin / 1440],
			begin % 1440 / 60, begin % 60, days[end / 1440], end % 1440 / 60, end % 60);
		freeze = open_windows(&one, 1);
		for (int minute = 0; minute < week; minute++) {
			bool in = begin < end ? minute >= begin && minute < end
					      : minute >= begin || minute < end;
			int left = ((end - minute) % week + week) % week;
			int64_t now_ms = monday_ms + minute * INT64_C(60000);
			int64_t until_ms = freeze_until(freeze, now_ms, NULL);

			if (until_ms != (in ? now_ms + left * INT64_C(60000) : 0))
				fail_msg("%s, minute %d", text, minute);
		}
		freeze_close(freeze);
	}
}

static void what_is_no_window_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{"", "column 1: a day (Mon,"},
		{"Fir 16:00-Mon 06:00",
			"column 1: a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun; did you "
			"mean Fri?)"},
		{"Fri 16:00-Monday 06:00",
			"column 11: a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun; did "
			"you mean Mon?)"},
		{"fri 16:00-Mon 06:00", "did you mean Fri?"},
		{"Fri 16:00", "column 10: a - between beginning and end"},
		{"Fri 16-Mon 06:00", "column 7: a time HH:MM"},
		{"Fri 16:60-Mon 06:00", "column 8: a time HH:MM"},
		{"Fri 25:00-Mon 06:00", "column 5: a time HH:MM"},
		{"Fri 24:01-Mon 06:00", "column 8: a time HH:MM"},
		{"Fri16:00-Mon 06:00", "column 4: a space before the time"},
		{"Fri 16:00-Fri 16:00", "column 20: an end that is not the beginning"},
		{"6:00-22:00", "column 1: a time HH:MM"},
		{"22:00-06:00x", "column 12: the end or a space and a time zone"},
		{"22:00-06:00 Europe/Berlni", "column 13: \"Europe/Berlni\" is no zone"},
		{"22:00-06:00 ../x", "column 13: \"../x\" is no time zone"},
		{"2026-02-29 18:00-2026-03-01 06:00",
			"column 9: a date YYYY-MM-DD of the calendar"},
		{"2026-13-01 18:00-2026-03-01 06:00", "column 6: a date"},
		{"2026-12-24 18:00-2026-12-24 18:00", "an end behind the beginning"},
		{"2026-12-24 18:00-2025-12-24 19:00", "an end behind the beginning"},
		{"2026-12-24-2026-12-25", "column 11: a space before the time"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct freeze *freeze;
		struct error error = {0};

		if (freeze_open(&bad[i].text, 1, &freeze, &error) != STATUS_BAD_INPUT ||
			strstr(error.text, bad[i].said) == NULL)
			fail_msg("\"%s\": %s", bad[i].text, error.text);
		assert_null(freeze);
	}
}

static void too_many_windows_and_no_memory_are_answers(void **state)
{
	const char *texts[FREEZE_MAX + 1];
	struct freeze *freeze;
	struct error error;

	for (size_t i = 0; i <= FREEZE_MAX; i++)
		texts[i] = database_there() ? "22:00-06:00 Europe/Berlin" : "22:00-06:00";
	assert_int_equal(freeze_check(texts, FREEZE_MAX + 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(freeze_check(texts, FREEZE_MAX, &error), STATUS_OK);
	for (int n = 1;; n++) {
		enum status status;

		(void)mem_fail_after(n, false);
		status = freeze_open(texts, 2, &freeze, &error);
		(void)mem_fail_after(0, false);
		if (status == STATUS_OK)
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
	}
	freeze_close(freeze);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_week_end_is_frozen_from_its_first_to_its_last_minute),
		cmocka_unit_test(nights_and_dates_are_frozen),
		cmocka_unit_test(windows_follow_the_clocks_of_their_zone),
		cmocka_unit_test(windows_without_a_gap_are_one),
		cmocka_unit_test(every_minute_of_a_week_is_in_or_out),
		cmocka_unit_test(what_is_no_window_is_refused_with_its_place),
		cmocka_unit_test(too_many_windows_and_no_memory_are_answers),
	};

	return cmocka_run_group_tests_name("freeze", tests, NULL, NULL);
}
