/*
 * A window is read into its form, two local times and a zone. Whether it is open is asked of its
 * occurrences around now: each is turned into two instants by the zone, so that days of 23 and 25
 * hours need no further thought.
 */
#include "remediations/freeze.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/zone.h"

#define DAY_S INT64_C(86400)
#define WEEK_S (7 * DAY_S)
#define CHAIN_MAX (4 * FREEZE_MAX)

enum form { FORM_DAILY, FORM_WEEKLY, FORM_ONCE };

struct window {
	char text[FREEZE_TEXT_MAX];
	enum form form;
	int64_t begin_s,
		length_s;  /* local: into the day, into the week from Monday, or since 1970 */
	struct zone *zone; /* NULL: UTC */
};

struct freeze {
	size_t count;
	struct window windows[];
};

static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", NULL};

/* ---- reading ---- */

struct cursor {
	const char *text, *at;
	struct error *error;
};

static bool expected(const struct cursor *cursor, const char *what)
{
	error_set(cursor->error, STATUS_BAD_INPUT,
		"\"%.100s\", column %d: %s is expected, in a window such as \"22:00-06:00\", \"Fri "
		"16:00-Mon 06:00 Europe/Berlin\" or \"2026-12-23 18:00-2027-01-04 06:00\"",
		cursor->text, (int)(cursor->at - cursor->text) + 1, what);
	return false;
}

static void skip_spaces(struct cursor *cursor)
{
	while (*cursor->at == ' ')
		cursor->at++;
}

/* Exactly so many digits, from least to most. */
static bool take_digits(struct cursor *cursor, int digits, int least, int most, const char *what,
	int *value)
{
	int number = 0;

	for (int i = 0; i < digits; i++) {
		char digit = cursor->at[i];

		if (digit < '0' || digit > '9')
			return expected(cursor, what);
		number = number * 10 + (digit - '0');
	}
	if (number < least || number > most)
		return expected(cursor, what);
	cursor->at += digits;
	*value = number;
	return true;
}

static bool take_char(struct cursor *cursor, char wanted, const char *what)
{
	if (*cursor->at != wanted)
		return expected(cursor, what);
	cursor->at++;
	return true;
}

/* HH:MM, up to 24:00, in seconds. */
static bool take_clock(struct cursor *cursor, int64_t *seconds)
{
	static const char what[] = "a time HH:MM from 00:00 to 24:00";
	int hours, minutes;

	if (!take_digits(cursor, 2, 0, 24, what, &hours) || !take_char(cursor, ':', what) ||
		!take_digits(cursor, 2, 0, hours == 24 ? 0 : 59, what, &minutes))
		return false;
	*seconds = hours * 3600 + minutes * 60;
	return true;
}

static bool take_day(struct cursor *cursor, int64_t *seconds)
{
	size_t size = strcspn(cursor->at, " -:0123456789");
	const char *nearest;
	char word[16], what[96];

	for (int i = 0; day_names[i] != NULL; i++) {
		if (size == 3 && strncmp(cursor->at, day_names[i], 3) == 0) {
			*seconds = i * DAY_S;
			cursor->at += 3;
			return true;
		}
	}
	snprintf(word, sizeof(word), "%.*s", (int)(size < 15 ? size : 15), cursor->at);
	nearest = nearest_word(word, day_names);
	/* Monday is near to Mon, but not by the letters that would have to change. */
	for (int i = 0; nearest == NULL && day_names[i] != NULL; i++)
		if (strncmp(word, day_names[i], 3) == 0)
			nearest = day_names[i];
	snprintf(what, sizeof(what), "a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun%s%s%s)",
		nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "?" : "");
	return expected(cursor, what);
}

static bool take_date(struct cursor *cursor, int64_t *seconds)
{
	static const int sizes[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	static const char what[] = "a date YYYY-MM-DD of the calendar";
	int year, month, day, size;

	if (!take_digits(cursor, 4, 1970, 9999, what, &year) || !take_char(cursor, '-', what) ||
		!take_digits(cursor, 2, 1, 12, what, &month) || !take_char(cursor, '-', what))
		return false;
	size = sizes[month - 1] +
		(month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0));
	if (!take_digits(cursor, 2, 1, size, what, &day))
		return false;
	*seconds = date_to_days(year, month, day) * DAY_S;
	return true;
}

/* One end of a window, by the window's form. */
static bool take_end(struct cursor *cursor, enum form form, int64_t *seconds)
{
	int64_t day = 0, clock;

	if (form == FORM_WEEKLY && !take_day(cursor, &day))
		return false;
	if (form == FORM_ONCE && !take_date(cursor, &day))
		return false;
	if (form != FORM_DAILY && !take_char(cursor, ' ', "a space before the time"))
		return false;
	skip_spaces(cursor);
	if (!take_clock(cursor, &clock))
		return false;
	*seconds = day + clock;
	return true;
}

static enum form form_of(const char *text)
{
	if (*text < '0' || *text > '9')
		return FORM_WEEKLY;
	return strspn(text, "0123456789") > 2 ? FORM_ONCE : FORM_DAILY;
}

/* From begin to end, across midnight or the week's end where the end comes first. */
static bool set_length(struct window *window, struct cursor *cursor, int64_t end_s)
{
	int64_t period = window->form == FORM_DAILY ? DAY_S : WEEK_S;

	window->length_s = end_s - window->begin_s;
	if (window->form == FORM_ONCE) {
		if (window->length_s > 0)
			return true;
		return expected(cursor, "an end behind the beginning");
	}
	if (window->length_s < 0)
		window->length_s += period;
	if (window->length_s == 0)
		return expected(cursor, "an end that is not the beginning");
	return true;
}

static enum status read_window(struct window *window, const char *text, struct error *error)
{
	struct cursor cursor = {text, text, error};
	int64_t end_s;

	if (strlen(text) >= sizeof(window->text))
		return error_set(error, STATUS_BAD_INPUT, "\"%.40s...\" is too long", text);
	snprintf(window->text, sizeof(window->text), "%s", text);
	window->form = form_of(text);
	if (!take_end(&cursor, window->form, &window->begin_s))
		return STATUS_BAD_INPUT;
	skip_spaces(&cursor);
	if (!take_char(&cursor, '-', "a - between beginning and end"))
		return STATUS_BAD_INPUT;
	skip_spaces(&cursor);
	if (!take_end(&cursor, window->form, &end_s) || !set_length(window, &cursor, end_s))
		return STATUS_BAD_INPUT;
	if (*cursor.at == '\0')
		return STATUS_OK;
	if (!take_char(&cursor, ' ', "the end or a space and a time zone"))
		return STATUS_BAD_INPUT;
	skip_spaces(&cursor);
	if (zone_open(cursor.at, &window->zone, error) != STATUS_OK)
		return error_prefix(error, "\"%.100s\", column %d", text,
			(int)(cursor.at - text) + 1);
	return STATUS_OK;
}

enum status freeze_open(const char *const *texts, size_t count, struct freeze **opened,
	struct error *error)
{
	struct freeze *freeze;
	enum status status = STATUS_OK;

	*opened = NULL;
	if (count > FREEZE_MAX)
		return error_set(error, STATUS_BAD_INPUT, "more than %d freeze windows",
			FREEZE_MAX);
	freeze = mem_zalloc(1, sizeof(*freeze) + count * sizeof(freeze->windows[0]));
	if (freeze == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	while (freeze->count < count && status == STATUS_OK) {
		status = read_window(&freeze->windows[freeze->count], texts[freeze->count], error);
		freeze->count++;
	}
	if (status != STATUS_OK)
		freeze_close(freeze);
	else
		*opened = freeze;
	return status;
}

enum status freeze_check(const char *const *texts, size_t count, struct error *error)
{
	struct freeze *freeze;
	enum status status = freeze_open(texts, count, &freeze, error);

	freeze_close(freeze);
	return status;
}

void freeze_close(struct freeze *freeze)
{
	if (freeze == NULL)
		return;
	for (size_t i = 0; i < freeze->count; i++)
		zone_close(freeze->windows[i].zone);
	mem_free(freeze);
}

/* ---- asked ---- */

/* The end of the occurrence that begins at this local time when it is open at now_s, else 0. */
static int64_t end_of(const struct window *window, int64_t begin_s, int64_t now_s)
{
	int64_t begin = zone_instant_s(window->zone, begin_s, false);
	int64_t end = zone_instant_s(window->zone, begin_s + window->length_s, true);

	return begin <= now_s && now_s < end ? end : 0;
}

static int64_t window_until(const struct window *window, int64_t now_s)
{
	int64_t period = window->form == FORM_DAILY ? DAY_S : WEEK_S, local, first, until = 0;

	if (window->form == FORM_ONCE)
		return end_of(window, window->begin_s, now_s);
	local = now_s + zone_offset_s(window->zone, now_s);
	/* Weeks begin on Monday; 1970-01-01 was a Thursday. */
	first = window->form == FORM_DAILY ? 0 : -3 * DAY_S;
	first += (local - first) / period * period + window->begin_s;
	for (int i = -1; i <= 1; i++) {
		int64_t end = end_of(window, first + i * period, now_s);

		until = end > until ? end : until;
	}
	return until;
}

static int64_t all_until(const struct freeze *freeze, int64_t now_s, const char **window)
{
	int64_t until = 0;

	for (size_t i = 0; i < freeze->count; i++) {
		int64_t end = window_until(&freeze->windows[i], now_s);

		if (end <= until)
			continue;
		until = end;
		if (window != NULL)
			*window = freeze->windows[i].text;
	}
	return until;
}

int64_t freeze_until(const struct freeze *freeze, int64_t now_ms, const char **window)
{
	int64_t until, next;

	if (freeze == NULL || now_ms < 0)
		return 0;
	until = next = all_until(freeze, now_ms / 1000, window);
	/* Windows that together leave no gap for ever end the search, not the freeze. */
	for (int i = 0; next != 0 && i < CHAIN_MAX; i++) {
		until = next;
		next = all_until(freeze, until, NULL);
	}
	return until * 1000;
}
