/*
 * Time zones against the C library, which reads the same database by other code: offsets over 130
 * years, local times around changes of the clocks, and files that are cut or damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/random.h"
#include "base/zone.h"

static const char *const names[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
	"America/Santiago", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia", "Europe/Dublin",
	"America/Scoresbysund", "Asia/Gaza", "Etc/GMT+12"};

static bool database_there(void)
{
	return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static struct zone *open_zone(const char *name)
{
	struct zone *zone = NULL;
	struct error error;

	if (zone_open(name, &zone, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return zone;
}

static int64_t seconds(const char *text)
{
	int64_t ms;

	assert_int_equal(parse_rfc3339(text, &ms), STATUS_OK);
	return ms / 1000;
}

static void dates_are_those_of_the_c_library(void **state)
{
	for (int64_t day = -30000; day < 60000; day++) {
		time_t at = (time_t)(day * 86400);
		struct tm date;

		assert_non_null(gmtime_r(&at, &date));
		assert_int_equal(date_to_days(date.tm_year + 1900, date.tm_mon + 1, date.tm_mday),
			day);
		assert_int_equal(days_to_year(day), date.tm_year + 1900);
	}
}

static void offsets_are_those_of_the_c_library(void **state)
{
	if (!database_there())
		skip();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct zone *zone = open_zone(names[i]);

		setenv("TZ", names[i], 1);
		tzset();
		/* A step that falls on every hour of the day and day of the year in time. */
		for (int64_t at = -631152000; at < 4102444800; at += 40000 + 1301) {
			time_t when = (time_t)at;
			struct tm local;

			assert_non_null(localtime_r(&when, &local));
			if (zone_offset_s(zone, at) != local.tm_gmtoff)
				fail_msg("%s at %lld: %d instead of %ld", names[i], (long long)at,
					zone_offset_s(zone, at), local.tm_gmtoff);
		}
		zone_close(zone);
	}
	unsetenv("TZ");
	tzset();
}

static void local_times_are_found_where_clocks_show_them(void **state)
{
	struct zone *zone;

	assert_int_equal(zone_instant_s(NULL, 12345, true), 12345);
	if (!database_there())
		skip();
	zone = open_zone("Europe/Berlin");
	assert_int_equal(zone_instant_s(zone, seconds("2026-01-02T12:00:00Z"), false),
		seconds("2026-01-02T11:00:00Z"));
	assert_int_equal(zone_instant_s(zone, seconds("2026-07-02T12:00:00Z"), true),
		seconds("2026-07-02T10:00:00Z"));
	/* Skipped: 2:00 to 3:00 on March 29. */
	for (int later = 0; later < 2; later++) {
		assert_int_equal(zone_instant_s(zone, seconds("2026-03-29T02:30:00Z"), later),
			seconds("2026-03-29T01:00:00Z"));
		assert_int_equal(zone_instant_s(zone, seconds("2026-03-29T03:00:00Z"), later),
			seconds("2026-03-29T01:00:00Z"));
		assert_int_equal(zone_instant_s(zone, seconds("2026-03-29T01:59:59Z"), later),
			seconds("2026-03-29T00:59:59Z"));
	}
	/* Shown twice: 2:00 to 3:00 on October 25. */
	assert_int_equal(zone_instant_s(zone, seconds("2026-10-25T02:30:00Z"), false),
		seconds("2026-10-25T00:30:00Z"));
	assert_int_equal(zone_instant_s(zone, seconds("2026-10-25T02:30:00Z"), true),
		seconds("2026-10-25T01:30:00Z"));
	/* Behind the file's table, by its rule. */
	assert_int_equal(zone_offset_s(zone, seconds("2090-07-01T00:00:00Z")), 7200);
	assert_int_equal(zone_offset_s(zone, seconds("2090-12-01T00:00:00Z")), 3600);
	zone_close(zone);
}

static void names_that_are_no_zones_are_refused(void **state)
{
	static const char *const bad[] = {"", "Europe/Berlni", "../../etc/passwd", "/etc/passwd",
		"Europe", "Europe/Berlin ", "tzdata.zi", "right/Europe/Berlin"};
	struct zone *zone;
	struct error error;

	assert_int_equal(zone_open("UTC", &zone, &error), STATUS_OK);
	assert_null(zone);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(zone_open(bad[i], &zone, &error), STATUS_BAD_INPUT);
		assert_null(zone);
	}
}

static void damaged_files_are_refused_or_read_and_never_more(void **state)
{
	struct random random;
	struct zone *zone;
	struct error error;
	struct buf file;

	if (!database_there())
		skip();
	buf_init(&file, 1 << 20);
	assert_int_equal(file_read("/usr/share/zoneinfo/Europe/Berlin", &file, &error), STATUS_OK);
	for (size_t size = 0; size < file.size; size++) {
		char *copy = mem_alloc(size + 1);

		memcpy(copy, file.data, size);
		assert_int_equal(zone_read(copy, size, &zone, &error), STATUS_BAD_INPUT);
		mem_free(copy);
	}
	random_init(&random, 7);
	for (int i = 0; i < 20000; i++) {
		char *copy = mem_alloc(file.size);

		memcpy(copy, file.data, file.size);
		for (int j = 0; j < 3; j++)
			copy[random_below(&random, file.size)] = (char)random_below(&random, 256);
		if (zone_read(copy, file.size, &zone, &error) == STATUS_OK) {
			(void)zone_offset_s(zone, 1767225600);
			(void)zone_instant_s(zone, 4102444800, true);
			zone_close(zone);
		}
		mem_free(copy);
	}
	for (int n = 1;; n++) {
		enum status status;

		(void)mem_fail_after(n, false);
		status = zone_read(file.data, file.size, &zone, &error);
		(void)mem_fail_after(0, false);
		if (status == STATUS_OK)
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
	}
	zone_close(zone);
	buf_fini(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_those_of_the_c_library),
		cmocka_unit_test(offsets_are_those_of_the_c_library),
		cmocka_unit_test(local_times_are_found_where_clocks_show_them),
		cmocka_unit_test(names_that_are_no_zones_are_refused),
		cmocka_unit_test(damaged_files_are_refused_or_read_and_never_more),
	};

	return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
