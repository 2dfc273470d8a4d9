/*
 * A quantity is sign, digits with at most one point, and a suffix. A decimal suffix or an exponent
 * only moves the point, so the digits are split at its new place into a whole part and a fraction,
 * and a binary suffix multiplies both. All is counted in billionths, the finest that Kubernetes
 * keeps, in 128 bits: the whole part is below 10^28 and the fraction below 10^18 * 2^60.
 */
#include "remediations/quantity.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define NANO 1000000000u
#define WHOLE_DIGITS 28
#define FRACTION_DIGITS 18
/* An exponent past this overflows, or vanishes, whatever the digits are. */
#define EXPONENT_MAX 1000

struct digits {
	char list[QUANTITY_TEXT_MAX]; /* values 0 to 9 */
	int count, point;             /* point: how many stand before it */
	unsigned shift;               /* binary suffix: a factor of 2^shift */
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

static bool parse_suffix(const char *text, struct digits *digits)
{
	int power;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcmp(text, suffixes[i].text) == 0) {
			digits->point += suffixes[i].power;
			digits->shift = suffixes[i].shift;
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
	unsigned rest = 0;
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
	for (int i = 0; i < FRACTION_DIGITS; i++)
		fraction = fraction * 10 + (unsigned)digit_at(digits, digits->point + i);
	for (place = digits->point + FRACTION_DIGITS; place < digits->count; place++)
		rest |= (unsigned)digit_at(digits, place);
	/* 18 digits of fraction are billionths of billionths: those left over round up. */
	fraction <<= digits->shift;
	rest |= fraction % NANO != 0;
	if (__builtin_mul_overflow(whole << digits->shift, NANO, nano) ||
		(whole << digits->shift) >> digits->shift != whole)
		return false;
	*nano += fraction / NANO + (rest != 0);
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
