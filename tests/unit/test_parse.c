/*
 * Small texts: durations, sizes, numbers, times, the nearest word; there and back again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/parse.h"
#include "base/random.h"

static void durations_are_read_as_prometheus_reads_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{"0", 0},
		{"0s", 0},
		{"0w", 0},
		{"1ms", 1},
		{"324ms", 324},
		{"3s", 3000},
		{"5m", 300000},
		{"1h", 3600000},
		{"4d", 345600000},
		{"4d1h", 349200000},
		{"14d", 1209600000},
		{"3w", 1814400000},
		{"3w2d1h", 1990800000},
		{"10y", 315360000000},
		{"1y2w3d4h5m6s7ms",
			INT64_C(31536000000 + 1209600000 + 259200000 + 14400000 + 300000 + 6000 +
				7)},
		{"1m30ms", 60030},
		{"292y", INT64_C(9208512000000)},
		{"9223372036854ms", INT64_C(9223372036854)},
		{"000000000000000000000000001s", 1000},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t ms = -1;
		assert_int_equal(parse_duration(cases[i].text, &ms), STATUS_OK);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const cases[] = {"", "1", "00", "s", "-1s", "+1s", " 1s", "1s ", "1 s",
		"1x", "1S", "1.5h", "1m1h", "1s1s", "1d1w", "1ms1s", "1sm", "1msm", "293y",
		"9223372036855ms", "18446744073709551616ms", "99999999999999999999y", "1h1", "hs",
		"1mms", "1min"};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t ms = -7;
		assert_int_equal(parse_duration(cases[i], &ms), STATUS_BAD_INPUT);
		assert_int_equal(ms, -7);
	}
}

static void durations_are_written_as_prometheus_writes_them(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "0s"},
		{1, "1ms"},
		{5400000, "1h30m"},
		{604800000, "1w"},
		{777600000, "9d"},
		{1209600000, "2w"},
		{31536000000, "1y"},
		{31536000000 + 604800000, "372d"},
		{3661001, "1h1m1s1ms"},
		{-90000, "-1m30s"},
		{INT64_MAX, "106751991167d7h12m55s807ms"},
		{INT64_MIN, "-106751991167d7h12m55s808ms"},
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		format_duration(cases[i].ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void durations_read_back(void **state)
{
	struct random random;

	random_init(&random, 1);
	for (int i = 0; i < 20000; i++) {
		int64_t ms = (int64_t)(random_below(&random, 9223372036855) >>
				random_below(&random, 40)),
			again;
		char text[32];

		format_duration(ms, text, sizeof(text));
		assert_int_equal(parse_duration(text, &again), STATUS_OK);
		assert_int_equal(again, ms);
	}
}

static void little_room_is_never_overrun(void **state)
{
	for (size_t size = 0; size < 32; size++) {
		char text[33];

		memset(text, '#', sizeof(text));
		format_duration(INT64_MIN, text, size);
		assert_int_equal(text[size], '#');
		format_rfc3339(1, text, size);
		assert_int_equal(text[size], '#');
		format_size(UINT64_MAX, text, size);
		assert_int_equal(text[size], '#');
		if (size > 0)
			assert_true(strlen(text) < size);
	}
}

static void sizes_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *written;
	} cases[] = {
		{"0", 0, "0B"},
		{"17", 17, "17B"},
		{"1024B", 1024, "1KiB"},
		{"1KB", 1000, "1000B"},
		{"3MB", 3000000, "3000000B"},
		{"2GB", 2000000000, "1953125KiB"},
		{"64KiB", 65536, "64KiB"},
		{"512MiB", 536870912, "512MiB"},
		{"17179869183GiB", UINT64_C(17179869183) << 30, "17179869183GiB"},
		{"18446744073709551615", UINT64_MAX, "18446744073709551615B"},
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		uint64_t bytes = 1;
		assert_int_equal(parse_size(cases[i].text, &bytes), STATUS_OK);
		assert_true(bytes == cases[i].bytes);
		format_size(bytes, text, sizeof(text));
		assert_string_equal(text, cases[i].written);
		assert_int_equal(parse_size(text, &bytes), STATUS_OK);
		assert_true(bytes == cases[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const cases[] = {"", "B", "-1", "+1", " 1", "1 ", "1 KB", "1kb", "1K",
		"1TiB", "1.5GiB", "0x10", "17179869184GiB", "18446744073709551616",
		"99999999999999999999KB"};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		uint64_t bytes = 7;
		assert_int_equal(parse_size(cases[i], &bytes), STATUS_BAD_INPUT);
		assert_true(bytes == 7);
	}
}

static void integers_are_whole_texts(void **state)
{
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "--1",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999"};
	int64_t value = 0;

	assert_int_equal(parse_int("0", &value), STATUS_OK);
	assert_int_equal(value, 0);
	assert_int_equal(parse_int("-0", &value), STATUS_OK);
	assert_int_equal(value, 0);
	assert_int_equal(parse_int("9223372036854775807", &value), STATUS_OK);
	assert_true(value == INT64_MAX);
	assert_int_equal(parse_int("-9223372036854775808", &value), STATUS_OK);
	assert_true(value == INT64_MIN);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_int(bad[i], &value), STATUS_BAD_INPUT);
}

static void doubles_are_whole_texts(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "1x", "0x10", "0x1p3", "1e999", "-1e999",
		"1,5", "nan(1)", ".", "e5", "1e", "--1", "\n1"};
	double value = 0;

	assert_int_equal(parse_double("-1.5e3", &value), STATUS_OK);
	assert_true(value == -1500);
	assert_int_equal(parse_double("+.5", &value), STATUS_OK);
	assert_true(value == 0.5);
	assert_int_equal(parse_double("NaN", &value), STATUS_OK);
	assert_true(isnan(value));
	assert_int_equal(parse_double("+Inf", &value), STATUS_OK);
	assert_true(isinf(value) && value > 0);
	assert_int_equal(parse_double("-Inf", &value), STATUS_OK);
	assert_true(isinf(value) && value < 0);
	assert_int_equal(parse_double("1e-400", &value), STATUS_OK);
	assert_true(value == 0);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_double(bad[i], &value), STATUS_BAD_INPUT);
}

static void truths_are_two_words(void **state)
{
	static const char *const bad[] = {"", "True", "yes", "1", "on", "true ", "falsee"};
	bool value = false;

	assert_int_equal(parse_bool("true", &value), STATUS_OK);
	assert_true(value);
	assert_int_equal(parse_bool("false", &value), STATUS_OK);
	assert_false(value);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_bool(bad[i], &value), STATUS_BAD_INPUT);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01t00:00:00z", 0},
		{"1969-12-31T23:59:59.999Z", -1},
		{"2026-01-02T03:04:05.678Z", 1767323045678},
		{"2026-01-02T03:04:05.6Z", 1767323045600},
		{"2026-01-02T03:04:05.6789999999999Z", 1767323045678},
		{"1969-12-31T23:59:59.9999Z", -1},
		{"2026-01-02T05:04:05.678+02:00", 1767323045678},
		{"2026-01-01T22:34:05.678-04:30", 1767323045678},
		{"2026-01-02T03:04:05-00:00", 1767323045000},
		{"2024-02-29T00:00:00Z", 1709164800000},
		{"2000-02-29T00:00:00Z", 951782400000},
		{"0001-01-01T00:00:00Z",
			-62135596800000}, /* Go's zero time, as Alertmanager sends it */
		{"9999-12-31T23:59:59.999Z", 253402300799999},
		{"2016-12-31T23:59:60Z", 1483228799999},
		{"2016-12-31T23:59:60.5Z", 1483228799999},
		{"2017-01-01T00:59:60+01:00", 1483228799999},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t ms = 7;
		assert_int_equal(parse_rfc3339(cases[i].text, &ms), STATUS_OK);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const cases[] = {"", "2026", "2026-01-02", "2026-01-02T03:04:05",
		"2026-01-02T03:04Z", "2026-01-02 03:04:05Z", "2026-1-02T03:04:05Z",
		"26-01-02T03:04:05Z", "02026-01-02T03:04:05Z", "0000-01-01T00:00:00Z",
		"2026-00-02T03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-32T03:04:05Z", "2026-04-31T03:04:05Z", "2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z",
		"2026-01-02T03:04:61Z", "2026-01-02T03:04:60Z", "2026-01-02T23:59:60+01:00",
		"2026-01-02T03:04:05.Z", "2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05.5",
		"2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+02:60",
		"2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05Zx",
		" 2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z ", "-026-01-02T03:04:05Z",
		"2026-01-02T+3:04:05Z"};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t ms = 7;
		assert_int_equal(parse_rfc3339(cases[i], &ms), STATUS_BAD_INPUT);
		assert_int_equal(ms, 7);
	}
}

/* Against the C library's calendar, a day at a time with an odd number of milliseconds on top. */
static void every_day_agrees_with_the_c_library(void **state)
{
	int64_t first = -62135596800000, last = 253402300799999, step = 86400000 + 1234567;

	for (int64_t ms = first; ms <= last; ms += step) {
		int64_t rest = ((ms % 1000) + 1000) % 1000, again = 0;
		time_t seconds = (time_t)((ms - rest) / 1000);
		char expected[40], day[24], text[32];
		struct tm parts;

		assert_non_null(gmtime_r(&seconds, &parts));
		strftime(day, sizeof(day), "-%m-%dT%H:%M:%S", &parts);
		snprintf(expected, sizeof(expected), "%04d%s.%03dZ", parts.tm_year + 1900, day,
			(int)rest);
		format_rfc3339(ms, text, sizeof(text));
		if (strcmp(text, expected) != 0)
			fail_msg("%s is not %s", text, expected);
		assert_int_equal(parse_rfc3339(text, &again), STATUS_OK);
		assert_int_equal(again, ms);
	}
}

static void api_times_are_seconds_or_rfc3339(void **state)
{
	static const char *const bad[] = {"", "now", "NaN", "Inf", "-Inf", "1e300", "253402300800",
		"-62135596801", "12:00", "1767323045 "};
	int64_t ms = 0;

	assert_int_equal(parse_time("1767323045.678", &ms), STATUS_OK);
	assert_int_equal(ms, 1767323045678);
	assert_int_equal(parse_time("-1.5", &ms), STATUS_OK);
	assert_int_equal(ms, -1500);
	assert_int_equal(parse_time("1.5e9", &ms), STATUS_OK);
	assert_int_equal(ms, 1500000000000);
	assert_int_equal(parse_time("2026-01-02T03:04:05.678Z", &ms), STATUS_OK);
	assert_int_equal(ms, 1767323045678);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_time(bad[i], &ms), STATUS_BAD_INPUT);
}

static void the_nearest_word_is_offered(void **state)
{
	static const char *const words[] = {"retention", "interval", "matchers", "match", "name",
		"timeout", NULL};

	assert_string_equal(nearest_word("retnetion", words), "retention"); /* swapped */
	assert_string_equal(nearest_word("retension", words), "retention");
	assert_string_equal(nearest_word("intervall", words), "interval");
	assert_string_equal(nearest_word("matcher", words), "matchers");
	assert_string_equal(nearest_word("nmae", words), "name");
	assert_string_equal(nearest_word("nam", words), "name");
	assert_string_equal(nearest_word("name", words), "name");
	assert_string_equal(nearest_word("time_out", words), "timeout");
}

static void far_words_are_not_offered(void **state)
{
	static const char *const words[] = {"retention", "name", NULL};
	static const char *const none[] = {NULL};
	char text[200];

	assert_null(nearest_word("completely", words));
	assert_null(nearest_word("naem_", words));
	assert_null(nearest_word("", words));
	assert_null(nearest_word("name", none));
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_null(nearest_word(text, words));
	assert_null(nearest_word("name", (const char *const[]){text, NULL}));
}

static void of_equally_near_words_the_first_is_offered(void **state)
{
	static const char *const words[] = {"cat", "bat", NULL};

	assert_string_equal(nearest_word("rat", words), "cat");
	assert_string_equal(nearest_word("bat", words), "bat");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read_as_prometheus_reads_them),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(durations_are_written_as_prometheus_writes_them),
		cmocka_unit_test(durations_read_back),
		cmocka_unit_test(little_room_is_never_overrun),
		cmocka_unit_test(sizes_are_read_and_written),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(integers_are_whole_texts),
		cmocka_unit_test(doubles_are_whole_texts),
		cmocka_unit_test(truths_are_two_words),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(every_day_agrees_with_the_c_library),
		cmocka_unit_test(api_times_are_seconds_or_rfc3339),
		cmocka_unit_test(the_nearest_word_is_offered),
		cmocka_unit_test(far_words_are_not_offered),
		cmocka_unit_test(of_equally_near_words_the_first_is_offered),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
