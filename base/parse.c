/*
 * Small texts to values and back. Every parser takes the whole text or none of it; numbers are read
 * digit by digit with overflow checked, because strtol() takes signs, white space and other bases
 * that the formats here do not have.
 *
 * Calendar arithmetic is the proleptic Gregorian calendar on days since 1970 (the algorithm of
 * Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that the
 * leap day is the last). A leap second (23:59:60 in UTC) has no number of its own in Unix time: it
 * is taken as the last millisecond before it, so that order is kept.
 */
#include "base/parse.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
/* As in Prometheus, whose durations are nanoseconds: 292 years. */
#define DURATION_MAX_MS ((uint64_t)INT64_MAX / 1000000)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits into *value and moves *text behind them; false when there is none or too many. */
static bool read_natural(const char **text, uint64_t *value)
{
	const char *at = *text;
	uint64_t result = 0;

	if (!is_digit(*at))
		return false;
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(result, (uint64_t)10, &result) ||
			__builtin_add_overflow(result, (uint64_t)(*at - '0'), &result))
			return false;
	}
	*text = at;
	*value = result;
	return true;
}

struct unit {
	const char *name;
	uint64_t scale;
};

/* Falling; a year has 365 days and a week 7, as in Prometheus' model.ParseDuration. */
static const struct unit duration_units[] = {
	{"y", UINT64_C(31536000000)},
	{"w", UINT64_C(604800000)},
	{"d", UINT64_C(86400000)},
	{"h", UINT64_C(3600000)},
	{"m", UINT64_C(60000)},
	{"s", UINT64_C(1000)},
	{"ms", UINT64_C(1)},
};
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

/* The unit named at *text, from index `first` on; DURATION_UNITS when there is none. */
static size_t read_duration_unit(const char **text, size_t first)
{
	size_t length = strspn(*text, "ywdhms");

	for (size_t i = first; i < DURATION_UNITS; i++) {
		if (strlen(duration_units[i].name) == length &&
			strncmp(*text, duration_units[i].name, length) == 0) {
			*text += length;
			return i;
		}
	}
	return DURATION_UNITS;
}

enum status parse_duration(const char *text, int64_t *ms)
{
	uint64_t total = 0;
	size_t next = 0;

	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return STATUS_OK;
	}
	do {
		uint64_t amount;
		size_t unit;

		if (!read_natural(&text, &amount))
			return STATUS_BAD_INPUT;
		unit = read_duration_unit(&text, next);
		if (unit == DURATION_UNITS ||
			__builtin_mul_overflow(amount, duration_units[unit].scale, &amount) ||
			__builtin_add_overflow(total, amount, &total) || total > DURATION_MAX_MS)
			return STATUS_BAD_INPUT;
		next = unit + 1;
	} while (*text != '\0');
	*ms = (int64_t)total;
	return STATUS_OK;
}

/* Appends a number and a unit at length; returns the new length, at most size - 1. */
static size_t add_part(char *text, size_t size, size_t length, uint64_t amount, const char *unit)
{
	int added =
		snprintf(text + length, size - length, "%llu%s", (unsigned long long)amount, unit);

	if (added < 0)
		return length;
	return (size_t)added < size - length ? length + (size_t)added : size - 1;
}

void format_duration(int64_t ms, char *text, size_t size)
{
	uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	size_t length = 0;

	if (size == 0)
		return;
	text[0] = '\0';
	if (left == 0) {
		add_part(text, size, 0, 0, "s");
		return;
	}
	if (ms < 0 && size > 1) {
		text[length++] = '-';
		text[length] = '\0';
	}
	for (size_t i = 0; i < DURATION_UNITS; i++) {
		uint64_t scale = duration_units[i].scale;

		/* As Prometheus writes them: years and weeks only when nothing is left over, since
		 * nobody reads 1w2d more easily than 9d. */
		if (i < 2 && left % scale != 0)
			continue;
		if (left / scale == 0)
			continue;
		length = add_part(text, size, length, left / scale, duration_units[i].name);
		left %= scale;
	}
}

static const struct unit size_units[] = {
	{"", 1},
	{"B", 1},
	{"KB", UINT64_C(1000)},
	{"MB", UINT64_C(1000000)},
	{"GB", UINT64_C(1000000000)},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
};

enum status parse_size(const char *text, uint64_t *bytes)
{
	uint64_t amount;

	if (!read_natural(&text, &amount))
		return STATUS_BAD_INPUT;
	for (size_t i = 0; i < sizeof(size_units) / sizeof(size_units[0]); i++) {
		if (strcmp(text, size_units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(amount, size_units[i].scale, &amount))
			return STATUS_BAD_INPUT;
		*bytes = amount;
		return STATUS_OK;
	}
	return STATUS_BAD_INPUT;
}

void format_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB"};
	size_t unit = 0;

	/* Only exact steps: the text parses back to the same number. */
	while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	if (size > 0)
		snprintf(text, size, "%llu%s", (unsigned long long)bytes, names[unit]);
}

enum status parse_int(const char *text, int64_t *value)
{
	bool negative = *text == '-';
	uint64_t amount;

	if (negative)
		text++;
	if (!read_natural(&text, &amount) || *text != '\0')
		return STATUS_BAD_INPUT;
	if (amount > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return STATUS_BAD_INPUT;
	*value = negative ? (int64_t)(0 - amount) : (int64_t)amount;
	return STATUS_OK;
}

enum status parse_double(const char *text, double *value)
{
	char *end;
	double result;

	/* No leading white space and no hexadecimal: no format that we read has them. */
	if (strspn(text, "+-0123456789.eEinfINFtyTYaA") != strlen(text) || *text == '\0')
		return STATUS_BAD_INPUT;
	errno = 0;
	result = strtod(text, &end);
	if (*end != '\0')
		return STATUS_BAD_INPUT;
	if (errno == ERANGE && isinf(result))
		return STATUS_BAD_INPUT; /* a number too large is not the same as Inf */
	*value = result;
	return STATUS_OK;
}

enum status parse_bool(const char *text, bool *value)
{
	if (strcmp(text, "true") == 0)
		*value = true;
	else if (strcmp(text, "false") == 0)
		*value = false;
	else
		return STATUS_BAD_INPUT;
	return STATUS_OK;
}

/* Exactly `digits` digits with a value of at most max, at *text. */
static bool read_fixed(const char **text, int digits, int max, int *value)
{
	int result = 0;

	for (int i = 0; i < digits; i++) {
		if (!is_digit((*text)[i]))
			return false;
		result = result * 10 + ((*text)[i] - '0');
	}
	*text += digits;
	*value = result;
	return result <= max;
}

static bool read_char(const char **text, const char *any_of)
{
	if (**text == '\0' || strchr(any_of, **text) == NULL)
		return false;
	(*text)++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days since 1970-01-01; see the top of the file. */
static int64_t days_from_date(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

/* Z or an offset, in minutes east of UTC. */
static bool read_offset(const char **text, int *minutes)
{
	bool west = **text == '-';
	int hour, minute;

	*minutes = 0;
	if (read_char(text, "Zz"))
		return true;
	if (!read_char(text, "+-") || !read_fixed(text, 2, 23, &hour) || !read_char(text, ":") ||
		!read_fixed(text, 2, 59, &minute))
		return false;
	*minutes = (west ? -1 : 1) * (hour * 60 + minute);
	return true;
}

/* The digits after the point, to milliseconds rounded down; further digits must be digits. */
static bool read_fraction(const char **text, int *ms)
{
	int scale = 100;

	*ms = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (!is_digit(**text))
		return false;
	for (; is_digit(**text); (*text)++) {
		*ms += (**text - '0') * scale;
		scale /= 10;
	}
	return true;
}

enum status parse_rfc3339(const char *text, int64_t *ms)
{
	int year, month, day, hour, minute, second, fraction, offset;
	int64_t result;

	if (!read_fixed(&text, 4, 9999, &year) || year == 0 || !read_char(&text, "-") ||
		!read_fixed(&text, 2, 12, &month) || month == 0 || !read_char(&text, "-") ||
		!read_fixed(&text, 2, days_in_month(year, month), &day) || day == 0 ||
		!read_char(&text, "Tt"))
		return STATUS_BAD_INPUT;
	if (!read_fixed(&text, 2, 23, &hour) || !read_char(&text, ":") ||
		!read_fixed(&text, 2, 59, &minute) || !read_char(&text, ":") ||
		!read_fixed(&text, 2, 60, &second) || !read_fraction(&text, &fraction) ||
		!read_offset(&text, &offset) || *text != '\0')
		return STATUS_BAD_INPUT;
	result = days_from_date(year, month, day) * MS_PER_DAY + hour * INT64_C(3600000) +
		(minute - offset) * INT64_C(60000);
	if (second == 60) {
		/* Leap seconds are only ever inserted at the end of a UTC day. */
		if ((result + 60000) % MS_PER_DAY != 0)
			return STATUS_BAD_INPUT;
		second = 59;
		fraction = 999;
	}
	*ms = result + second * INT64_C(1000) + fraction;
	return STATUS_OK;
}

void format_rfc3339(int64_t ms, char *text, size_t size)
{
	int64_t days = ms / MS_PER_DAY, left = ms % MS_PER_DAY, year;
	int month, day;

	if (size == 0)
		return;
	if (left < 0) {
		left += MS_PER_DAY;
		days--;
	}
	date_from_days(days, &year, &month, &day);
	snprintf(text, size, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year, month, day,
		(int)(left / 3600000), (int)(left / 60000 % 60), (int)(left / 1000 % 60),
		(int)(left % 1000));
}

enum status parse_time(const char *text, int64_t *ms)
{
	double seconds, whole;

	if (parse_double(text, &seconds) != STATUS_OK)
		return parse_rfc3339(text, ms);
	/* The same years as RFC 3339 has: outside of them nobody means a time. */
	if (!(seconds >= -62135596800.0 && seconds < 253402300800.0))
		return STATUS_BAD_INPUT;
	whole = floor(seconds);
	*ms = (int64_t)whole * 1000 + (int64_t)round((seconds - whole) * 1000.0);
	return STATUS_OK;
}

#define WORD_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Optimal string alignment: Damerau-Levenshtein distance in which no part is edited twice. Both
 * lengths are at most WORD_MAX. Three rows of the table are kept. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned changed = a[i - 1] == b[j - 1] ? 0 : 1;
			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + changed);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

const char *nearest_word(const char *text, const char *const *words)
{
	size_t length = strnlen(text, WORD_MAX + 1);
	unsigned best, bound = length < 6 ? 1 : (unsigned)(length / 3);
	const char *nearest = NULL;

	if (length == 0 || length > WORD_MAX)
		return NULL;
	best = bound + 1;
	for (; *words != NULL; words++) {
		size_t word_length = strnlen(*words, WORD_MAX + 1);
		unsigned distance;

		if (word_length > WORD_MAX)
			continue;
		distance = edit_distance(text, length, *words, word_length);
		/* The first of equals wins: tables list the common words first. */
		if (distance < best) {
			best = distance;
			nearest = *words;
		}
	}
	return nearest;
}
