/*
 * A quantity is sign, digits with at most one point, and a suffix. A decimal suffix or an exponent
 * only moves the point; a binary suffix doubles the number, digit by digit, as often as it says, so
 * that nothing is lost. Then all is counted in billionths, the finest that Kubernetes keeps, in 128
 * bits.
 */
#include "remediations/quantity.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

__extension__ typedef unsigned __int128 wide;

#define NANO 1000000000u
#define WHOLE_DIGITS 28
#define NANO_DIGITS 9
/* 2^60 adds 19 digits. */
#define DIGITS_MAX (QUANTITY_TEXT_MAX + 19)
/* An exponent past this overflows, or vanishes, whatever the digits are. */
#define EXPONENT_MAX 1000

struct digits {
	char list[DIGITS_MAX]; /* values 0 to 9 */
	int count, point;      /* point: how many stand before it */
	bool negative;
};

struct suffix {
	const char *text;
	int power;      /* of ten */
	unsigned shift; /* of two */
};

static const struct suffix suffixes[] = {{"", 0, 0}, {"n", -9, 0}, {"u", -6, 0}, {"m", -3, 0},
	{"k", 3, 0}, {"M", 6, 0}, {"G", 9, 0}, {"T", 12, 0}, {"P", 15, 0}, {"E", 18, 0},
	{"Ki", 0, 10}, {"Mi", 0, 20}, {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60}};

/* e3, E+3, e-3. */
static bool parse_exponent(const char *text, int *power)
{
	bool negative = text[1] == '-';
	const char *at = text + 1 + (text[1] == '-' || text[1] == '+');

	if ((text[0] != 'e' && text[0] != 'E') || *at == '\0')
		return false;
	*power = 0;
	for (; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return false;
		if (*power < EXPONENT_MAX)
			*power = *power * 10 + (*at - '0');
	}
	if (negative)
		*power = -*power;
	return true;
}

static void double_digits(struct digits *digits)
{
	int carry = 0;

	for (int i = digits->count - 1; i >= 0; i--) {
		int twice = digits->list[i] * 2 + carry;

		digits->list[i] = (char)(twice % 10);
		carry = twice / 10;
	}
	if (carry == 0)
		return;
	CHECK(digits->count < DIGITS_MAX);
	memmove(digits->list + 1, digits->list, (size_t)digits->count);
	digits->list[0] = 1;
	digits->count++;
	digits->point++;
}

static bool parse_suffix(const char *text, struct digits *digits)
{
	int power;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcmp(text, suffixes[i].text) == 0) {
			digits->point += suffixes[i].power;
			for (unsigned n = 0; n < suffixes[i].shift; n++)
				double_digits(digits);
			return true;
		}
	}
	if (!parse_exponent(text, &power))
		return false;
	digits->point += power;
	return true;
}

static bool parse_digits(const char *text, struct digits *digits)
{
	bool pointed = false;

	*digits = (struct digits){0};
	if (strnlen(text, QUANTITY_TEXT_MAX) == QUANTITY_TEXT_MAX)
		return false;
	digits->negative = *text == '-';
	text += *text == '-' || *text == '+';
	for (; (*text >= '0' && *text <= '9') || (*text == '.' && !pointed); text++) {
		if (*text == '.') {
			pointed = true;
			continue;
		}
		digits->list[digits->count++] = (char)(*text - '0');
		digits->point += !pointed;
	}
	return digits->count > 0 && parse_suffix(text, digits);
}

static int digit_at(const struct digits *digits, int place)
{
	return place >= 0 && place < digits->count ? digits->list[place] : 0;
}

/* In billionths, rounded away from zero; false when it is too large for them. */
static bool count_nano(const struct digits *digits, wide *nano)
{
	wide whole = 0, fraction = 0;
	bool rest = false;
	int place = 0;

	while (place < digits->count && digits->list[place] == 0)
		place++;
	if (place == digits->count) {
		*nano = 0;
		return true;
	}
	if (digits->point - place > WHOLE_DIGITS)
		return false;
	for (; place < digits->point; place++)
		whole = whole * 10 + (unsigned)digit_at(digits, place);
	for (int i = 0; i < NANO_DIGITS; i++)
		fraction = fraction * 10 + (unsigned)digit_at(digits, digits->point + i);
	place = digits->point + NANO_DIGITS;
	for (place = place > 0 ? place : 0; place < digits->count; place++)
		rest |= digits->list[place] != 0;
	*nano = whole * NANO + fraction + rest;
	return true;
}

static enum status parse(const char *text, unsigned nano_per_unit, int64_t *value)
{
	struct digits digits;
	wide nano, units = INT64_MAX;

	if (!parse_digits(text, &digits))
		return STATUS_BAD_INPUT;
	if (count_nano(&digits, &nano))
		units = nano / nano_per_unit + (nano % nano_per_unit != 0);
	if (units > INT64_MAX)
		units = INT64_MAX;
	*value = digits.negative ? -(int64_t)units : (int64_t)units;
	return STATUS_OK;
}

enum status quantity_parse(const char *text, int64_t *whole)
{
	return parse(text, NANO, whole);
}

enum status quantity_parse_milli(const char *text, int64_t *milli)
{
	return parse(text, NANO / 1000, milli);
}

void quantity_write_bytes(int64_t bytes, char *text, size_t size)
{
	static const char *const names[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
	unsigned step = 0;

	while (bytes != 0 && bytes % 1024 == 0 && step + 1 < sizeof(names) / sizeof(names[0])) {
		bytes /= 1024;
		step++;
	}
	snprintf(text, size, "%" PRId64 "%s", bytes, names[step]);
}

void quantity_write_milli(int64_t milli, char *text, size_t size)
{
	if (milli % 1000 == 0)
		snprintf(text, size, "%" PRId64, milli / 1000);
	else
		snprintf(text, size, "%" PRId64 "m", milli);
}
