/*
 * Labels of series after series: what is taken over from the series before gives the same answer as
 * reading everything anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "remote_write/series_labels.h"
#include "tests/support/write_body.h"

#define COUNT_MAX 6
#define SEQUENCES 3000
#define SERIES 8

static struct series_labels with, without;

static int setup(void **state)
{
	assert_int_equal(series_labels_init(&with, COUNT_MAX, 8, 8, NULL), STATUS_OK);
	assert_int_equal(series_labels_init(&without, COUNT_MAX, 8, 8, NULL), STATUS_OK);
	return 0;
}

static int teardown(void **state)
{
	series_labels_fini(&without);
	series_labels_fini(&with);
	return 0;
}

#define PLACES 8

/* What stands in a place; mostly the same as in the series before. */
struct place {
	uint64_t name, value;
	bool sample_before;
};

/* Few names and values, good and bad, so that neighbours share most of them. */
static void put_label(struct write_body *series, struct random *random, const struct place *place,
	bool odd)
{
	static const char *const names[] = {"__name__", "a", "ab", "b", "c", "d", "e"};
	static const char *const odd_names[] = {"", "1a", "a-b", "a:b", "much_too_long"};
	static const char *const values[] = {"v", "w", "other"};
	static const char *const odd_values[] = {"", "\xff", "a value too long", "x:y", "-"};
	const char *name = names[place->name], *value = values[place->value];

	if (odd && random_below(random, 2) == 0)
		name = odd_names[random_below(random, 5)];
	else if (odd)
		value = odd_values[random_below(random, 5)];
	write_body_label(series, name, value);
}

static void make_series(struct write_body *series, struct random *random,
	struct place places[PLACES])
{
	uint64_t count = random_below(random, 3) == 0 ? random_below(random, PLACES) : 5;

	write_body_reset(series);
	for (uint64_t i = 0; i < count; i++) {
		struct place *place = &places[i];

		if (random_below(random, 20) == 0)
			place->name = random_below(random, 7);
		if (random_below(random, 5) == 0)
			place->value = random_below(random, 3);
		if (random_below(random, 25) == 0)
			place->sample_before = !place->sample_before;
		if (place->sample_before)
			write_body_sample(series, 1, 2);
		put_label(series, random, place, random_below(random, 25) == 0);
	}
	if (random_below(random, 30) == 0)
		series->size -= series->size > 0;
}

static void assert_same_pairs(void)
{
	assert_int_equal(with.count, without.count);
	for (uint32_t i = 0; i < with.count; i++) {
		const struct label *a = &with.pairs[i], *b = &without.pairs[i];

		assert_int_equal(a->name_size, b->name_size);
		assert_int_equal(a->value_size, b->value_size);
		assert_memory_equal(a->name, b->name, b->name_size);
		assert_memory_equal(a->value, b->value, b->value_size);
	}
}

/* The bytes as a run of labels that is only guessed to be one. */
static void assert_same_run(struct wire run)
{
	bool good = series_labels_read_run(&with, run);

	series_labels_forget(&without);
	assert_int_equal(series_labels_read_run(&without, run), good);
	if (good)
		assert_same_pairs();
}

static void assert_same_answer(struct wire frame)
{
	struct series_view view = {.frame = frame};
	struct error error_with = {.text = ""}, error_without = {.text = ""};
	struct wire rest_with, rest_without;
	enum refusal refusal = series_labels_read(&with, &view, &rest_with, &error_with);

	series_labels_forget(&without);
	assert_int_equal(series_labels_read(&without, &view, &rest_without, &error_without),
		refusal);
	assert_ptr_equal(rest_with.at, rest_without.at);
	assert_string_equal(error_with.text, error_without.text);
	if (refusal == REFUSAL_NONE)
		assert_same_pairs();
}

static void the_series_before_changes_no_answer(void **state)
{
	static struct write_body series[SERIES];
	struct random random;

	for (uint64_t seed = 0; seed < SEQUENCES; seed++) {
		random_init(&random, seed);
		struct place places[PLACES] = {{.name = 0}};

		for (uint64_t i = 0; i < PLACES; i++)
			places[i].name = i % 7;

		series_labels_forget(&with);
		for (size_t i = 0; i < SERIES; i++) {
			make_series(&series[i], &random, places);
			if (random_below(&random, 4) > 0)
				assert_same_run(wire_of(series[i].bytes, series[i].size));
			else
				assert_same_answer(wire_of(series[i].bytes, series[i].size));
			/* A caller may take one out. */
			if (with.count > 1 && random_below(&random, 3) == 0)
				series_labels_remove(&with, 0);
		}
	}
}

static void read_one(struct write_body *series, const char *first, const char *second)
{
	struct series_view view;
	struct wire rest;

	write_body_reset(series);
	write_body_label(series, first, "v");
	write_body_label(series, second, "v");
	view.frame = wire_of(series->bytes, series->size);
	assert_int_equal(series_labels_read(&with, &view, &rest, NULL), REFUSAL_NONE);
}

static void labels_that_stand_as_before_are_taken_over(void **state)
{
	static struct write_body one, two;

	read_one(&one, "a", "b");
	read_one(&two, "a", "c");
	assert_true((const uint8_t *)with.pairs[0].name < one.bytes + one.size &&
		(const uint8_t *)with.pairs[0].name >= one.bytes);
	assert_true((const uint8_t *)with.pairs[1].name < two.bytes + two.size &&
		(const uint8_t *)with.pairs[1].name >= two.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_series_before_changes_no_answer, setup,
			teardown),
		cmocka_unit_test_setup_teardown(labels_that_stand_as_before_are_taken_over, setup,
			teardown),
	};

	return cmocka_run_group_tests_name("series_labels", tests, NULL, NULL);
}
