/*
 * A TZif file holds its data twice, with times of 4 and of 8 bytes; only the second is used. It is a
 * table of transitions, each to one of a few types (an offset from UTC), and a footer: the rule for
 * everything behind the last transition, "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * A local time is looked for with the offsets of a day before and a day after it: no zone changes its
 * clocks twice within that time in any year that matters here.
 */
#include "base/zone.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define FILE_MAX (256 * 1024)
#define TRANSITIONS_MAX 4096
#define TYPES_MAX 256
#define HEADER_SIZE 44
#define DAY_S 86400

enum rule_form { RULE_MONTH, RULE_JULIAN, RULE_DAY };

/* When clocks change, by local time: Mm.w.d, Jn or n, and seconds into that day. */
struct rule {
	enum rule_form form;
	int month, week, day;
	int32_t time_s;
};

struct zone {
	int64_t *times; /* [count], ascending */
	uint8_t *kinds; /* [count], index into offsets */
	size_t count;
	int32_t offsets[TYPES_MAX];
	bool footer, summer; /* there is a rule; it knows summer time */
	int32_t standard_s, summer_s;
	struct rule begin, end; /* of summer time */
};

/* ---- dates ---- */

/* Hinnant, "chrono-compatible low-level date algorithms": years begin in March. */
int64_t date_to_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t days_to_year(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);

	/* From March on; January and February belong to the next year. */
	return year + era * 400 + (of_year >= 306);
}

static int64_t floor_days(int64_t seconds)
{
	return (seconds >= 0 ? seconds : seconds - DAY_S + 1) / DAY_S;
}

static bool leap_year(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Seconds since 1970 in local time at which the rule strikes in the year. */
static int64_t rule_in_year(const struct rule *rule, int64_t year)
{
	int64_t days = date_to_days(year, 1, 1), weekday;
	int month_size;

	if (rule->form == RULE_DAY) {
		days += rule->day;
	} else if (rule->form == RULE_JULIAN) {
		/* Day 60 is March 1 in every year. */
		days += rule->day - 1 + (leap_year(year) && rule->day >= 60);
	} else {
		days = date_to_days(year, rule->month, 1);
		month_size = (int)((rule->month == 12 ? date_to_days(year + 1, 1, 1)
						      : date_to_days(year, rule->month + 1, 1)) -
			days);
		/* 1970-01-01 was a Thursday; 0 is Sunday. */
		weekday = ((days + 4) % 7 + 7) % 7;
		days += (rule->day - weekday + 7) % 7 + 7 * (rule->week - 1);
		if (days >= date_to_days(year, rule->month, 1) + month_size)
			days -= 7;
	}
	return days * DAY_S + rule->time_s;
}

/* ---- the footer ---- */

/* A number of at most `most`; false when there is none. */
static bool take_number(const char **text, int most, int *number)
{
	int value = 0;

	if (**text < '0' || **text > '9')
		return false;
	while (**text >= '0' && **text <= '9') {
		value = value * 10 + (*(*text)++ - '0');
		if (value > most)
			return false;
	}
	*number = value;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **text, int32_t *seconds)
{
	int hours, minutes = 0, rest = 0, sign = 1;

	if (**text == '-' || **text == '+')
		sign = *(*text)++ == '-' ? -1 : 1;
	if (!take_number(text, 167, &hours))
		return false;
	if (**text == ':') {
		(*text)++;
		if (!take_number(text, 59, &minutes))
			return false;
		if (**text == ':') {
			(*text)++;
			if (!take_number(text, 59, &rest))
				return false;
		}
	}
	*seconds = sign * (hours * 3600 + minutes * 60 + rest);
	return true;
}

/* CET or <+03> */
static bool skip_name(const char **text)
{
	const char *from = *text;

	if (**text == '<') {
		*text = strchr(*text, '>');
		if (*text == NULL)
			return false;
		(*text)++;
		return true;
	}
	while ((**text >= 'A' && **text <= 'Z') || (**text >= 'a' && **text <= 'z'))
		(*text)++;
	return *text - from >= 3;
}

static bool take_rule(const char **text, struct rule *rule)
{
	*rule = (struct rule){.time_s = 2 * 3600};
	if (*(*text)++ != ',')
		return false;
	if (**text == 'M') {
		(*text)++;
		if (!take_number(text, 12, &rule->month) || *(*text)++ != '.' ||
			!take_number(text, 5, &rule->week) || *(*text)++ != '.' ||
			!take_number(text, 6, &rule->day) || rule->month == 0 || rule->week == 0)
			return false;
	} else if (**text == 'J') {
		(*text)++;
		rule->form = RULE_JULIAN;
		if (!take_number(text, 365, &rule->day) || rule->day == 0)
			return false;
	} else {
		rule->form = RULE_DAY;
		if (!take_number(text, 365, &rule->day))
			return false;
	}
	if (**text != '/')
		return true;
	(*text)++;
	return take_time(text, &rule->time_s);
}

/* POSIX counts offsets to the west. */
static bool read_footer(struct zone *zone, const char *text)
{
	int32_t west;

	zone->footer = true;
	if (!skip_name(&text) || !take_time(&text, &west))
		return false;
	zone->standard_s = -west;
	if (*text == '\0')
		return true;
	zone->summer = true;
	zone->summer_s = zone->standard_s + 3600;
	if (!skip_name(&text))
		return false;
	if (*text != ',') {
		if (!take_time(&text, &west))
			return false;
		zone->summer_s = -west;
	}
	return take_rule(&text, &zone->begin) && take_rule(&text, &zone->end) && *text == '\0';
}

/* ---- the file ---- */

struct counts {
	uint32_t utc, standard, leap, time, type, name;
};

static uint32_t get_32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_header(const uint8_t *bytes, size_t size, struct counts *counts)
{
	if (size < HEADER_SIZE || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2')
		return false;
	*counts = (struct counts){get_32(bytes + 20), get_32(bytes + 24), get_32(bytes + 28),
		get_32(bytes + 32), get_32(bytes + 36), get_32(bytes + 40)};
	return counts->time <= TRANSITIONS_MAX && counts->type <= TYPES_MAX && counts->type > 0 &&
		counts->leap <= TRANSITIONS_MAX && counts->name <= FILE_MAX &&
		counts->utc <= TYPES_MAX && counts->standard <= TYPES_MAX;
}

static size_t body_size(const struct counts *counts, size_t time_size)
{
	return counts->time * (time_size + 1) + counts->type * (size_t)6 + counts->name +
		counts->leap * (time_size + 4) + counts->standard + counts->utc;
}

static enum status bad_file(struct error *error)
{
	return error_set(error, STATUS_BAD_INPUT,
		"the zone's file is damaged or of a kind that is not understood");
}

/* bytes: behind the second header. */
static enum status read_body(struct zone *zone, const uint8_t *bytes, const struct counts *counts,
	struct error *error)
{
	const uint8_t *kinds = bytes + (size_t)counts->time * 8, *types = kinds + counts->time;

	zone->count = counts->time;
	zone->times = mem_zalloc(counts->time + 1, sizeof(*zone->times));
	zone->kinds = mem_zalloc(counts->time + 1, sizeof(*zone->kinds));
	if (zone->times == NULL || zone->kinds == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < counts->time; i++) {
		const uint8_t *at = bytes + 8 * i;

		zone->times[i] = (int64_t)((uint64_t)get_32(at) << 32 | get_32(at + 4));
		zone->kinds[i] = kinds[i];
		if (kinds[i] >= counts->type || (i > 0 && zone->times[i] <= zone->times[i - 1]))
			return bad_file(error);
	}
	for (size_t i = 0; i < counts->type; i++) {
		zone->offsets[i] = (int32_t)get_32(types + 6 * i);
		if (zone->offsets[i] < -DAY_S || zone->offsets[i] > DAY_S)
			return bad_file(error);
	}
	return STATUS_OK;
}

static enum status read_file(struct zone *zone, const uint8_t *bytes, size_t size,
	struct error *error)
{
	struct counts counts;
	char footer[128];
	const uint8_t *end;
	enum status status;
	size_t body;

	if (!read_header(bytes, size, &counts) || size - HEADER_SIZE < body_size(&counts, 4))
		return bad_file(error);
	body = HEADER_SIZE + body_size(&counts, 4);
	bytes += body;
	size -= body;
	if (!read_header(bytes, size, &counts) || size - HEADER_SIZE < body_size(&counts, 8))
		return bad_file(error);
	if (counts.leap != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"zones with leap seconds are not understood");
	status = read_body(zone, bytes + HEADER_SIZE, &counts, error);
	if (status != STATUS_OK)
		return status;
	bytes += HEADER_SIZE + body_size(&counts, 8);
	size -= HEADER_SIZE + body_size(&counts, 8);
	end = size > 1 && *bytes == '\n' ? memchr(bytes + 1, '\n', size - 1) : NULL;
	if (end == NULL || (size_t)(end - bytes) > sizeof(footer))
		return bad_file(error);
	memcpy(footer, bytes + 1, (size_t)(end - bytes) - 1);
	footer[end - bytes - 1] = '\0';
	if (footer[0] != '\0' && !read_footer(zone, footer))
		return bad_file(error);
	return STATUS_OK;
}

enum status zone_read(const void *bytes, size_t size, struct zone **opened, struct error *error)
{
	struct zone *zone = mem_zalloc(1, sizeof(*zone));
	enum status status;

	*opened = NULL;
	if (zone == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	status = read_file(zone, bytes, size, error);
	if (status != STATUS_OK)
		zone_close(zone);
	else
		*opened = zone;
	return status;
}

/* The name becomes part of a path. */
static bool name_valid(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && size < 64 && name[0] != '/' && strstr(name, "..") == NULL &&
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") ==
		size;
}

enum status zone_open(const char *name, struct zone **opened, struct error *error)
{
	static const char *const folders[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
		"/etc/zoneinfo"};
	enum status status = STATUS_NOT_FOUND;
	char path[128];
	struct buf bytes;

	*opened = NULL;
	if (strcmp(name, "UTC") == 0)
		return STATUS_OK;
	if (!name_valid(name))
		return error_set(error, STATUS_BAD_INPUT, "\"%.60s\" is no time zone", name);
	buf_init(&bytes, FILE_MAX);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && status != STATUS_OK; i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		buf_reset(&bytes);
		status = file_read(path, &bytes, NULL);
		if (status == STATUS_NO_MEMORY)
			break;
	}
	if (status == STATUS_NO_MEMORY)
		error_set(error, status, "out of memory");
	else if (status != STATUS_OK)
		status = error_set(error, STATUS_BAD_INPUT,
			"\"%.60s\" is no zone of this system's time zone database "
			"(/usr/share/zoneinfo), such as UTC or Europe/Berlin",
			name);
	else
		status = zone_read(bytes.data, bytes.size, opened, error);
	buf_fini(&bytes);
	return status;
}

void zone_close(struct zone *zone)
{
	if (zone == NULL)
		return;
	mem_free(zone->times);
	mem_free(zone->kinds);
	mem_free(zone);
}

/* ---- asked ---- */

static int32_t offset_by_rule(const struct zone *zone, int64_t unix_s)
{
	int64_t year = days_to_year(floor_days(unix_s + zone->standard_s)), begin, end;
	bool summer;

	if (!zone->summer)
		return zone->standard_s;
	begin = rule_in_year(&zone->begin, year) - zone->standard_s;
	end = rule_in_year(&zone->end, year) - zone->summer_s;
	/* On the southern half of the Earth the year begins in summer. */
	summer = begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
	return summer ? zone->summer_s : zone->standard_s;
}

int32_t zone_offset_s(const struct zone *zone, int64_t unix_s)
{
	size_t low = 0, high;

	if (zone == NULL)
		return 0;
	high = zone->count;
	if (zone->footer && (high == 0 || unix_s >= zone->times[high - 1]))
		return offset_by_rule(zone, unix_s);
	/* The last transition at or before unix_s; before the first one type 0 holds. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->times[middle] <= unix_s)
			low = middle + 1;
		else
			high = middle;
	}
	return zone->offsets[low > 0 ? zone->kinds[low - 1] : 0];
}

/* The moment in (low, high] from which on the offset is the one at high. */
static int64_t find_change(const struct zone *zone, int64_t low, int64_t high)
{
	int32_t after = zone_offset_s(zone, high);

	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (zone_offset_s(zone, middle) == after)
			high = middle;
		else
			low = middle;
	}
	return high;
}

int64_t zone_instant_s(const struct zone *zone, int64_t local_s, bool later)
{
	int32_t before = zone_offset_s(zone, local_s - DAY_S);
	int32_t after = zone_offset_s(zone, local_s + DAY_S);
	int64_t first = local_s - before, second = local_s - after;
	bool first_shown = zone_offset_s(zone, first) == before;
	bool second_shown = zone_offset_s(zone, second) == after;

	if (first_shown && second_shown)
		return later == (first > second) ? first : second;
	if (first_shown)
		return first;
	if (second_shown)
		return second;
	return find_change(zone, local_s - DAY_S, local_s + DAY_S);
}
