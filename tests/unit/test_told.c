/*
 * Which series were told of, against a plain list; and what is said when there is no more room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "remote_write/told.h"

static struct error error;

static void make(struct labels *labels, const char *name, const char *value)
{
	const struct label pairs[] = {label_of("__name__", name), label_of("workload", value)};

	assert_int_equal(labels_init(labels, pairs, 2, &error), STATUS_OK);
}

static enum told_answer see(struct told *told, const char *name, const char *value, int64_t t_ms)
{
	struct labels labels;
	enum told_answer answer;

	make(&labels, name, value);
	answer = told_see(told, &labels, t_ms);
	labels_fini(&labels);
	return answer;
}

static struct told *make_told(size_t series_max)
{
	struct told *told = told_open(series_max, &error);

	assert_non_null(told);
	return told;
}

static void what_is_told_no_more_is_ended_once_with_its_labels(void **state)
{
	struct told *told = make_told(10);
	struct labels labels;
	int64_t last_ms;

	told_begin(told);
	assert_int_equal(see(told, "a", "web", 100), TOLD_SEND);
	assert_int_equal(see(told, "a", "api", 100), TOLD_SEND);
	assert_false(told_ended(told, &labels, &last_ms));
	told_begin(told);
	assert_int_equal(see(told, "a", "web", 200), TOLD_SEND);
	assert_true(told_ended(told, &labels, &last_ms));
	assert_int_equal(labels.count, 2);
	assert_string_equal(labels_get(&labels, "__name__"), "a");
	assert_string_equal(labels_get(&labels, "workload"), "api");
	assert_int_equal(last_ms, 100);
	assert_false(told_ended(told, &labels, &last_ms));
	assert_int_equal(told_count(told), 1);
	/* It may come again, and end again. */
	told_begin(told);
	assert_int_equal(see(told, "a", "api", 300), TOLD_SEND);
	assert_true(told_ended(told, &labels, &last_ms));
	assert_string_equal(labels_get(&labels, "workload"), "web");
	told_close(told);
}

static void a_time_that_is_not_later_is_not_sent_and_the_series_goes_on(void **state)
{
	struct told *told = make_told(10);
	struct labels labels;
	int64_t last_ms;

	told_begin(told);
	assert_int_equal(see(told, "a", "web", 100), TOLD_SEND);
	told_begin(told);
	assert_int_equal(see(told, "a", "web", 100), TOLD_BEFORE);
	assert_false(told_ended(told, &labels, &last_ms));
	told_begin(told);
	assert_int_equal(see(told, "a", "web", 99), TOLD_BEFORE);
	assert_false(told_ended(told, &labels, &last_ms));
	told_begin(told);
	assert_int_equal(see(told, "a", "web", 101), TOLD_SEND);
	told_close(told);
}

static void when_full_those_that_are_known_go_on(void **state)
{
	struct told *told = make_told(2);
	struct labels labels;
	int64_t last_ms;

	told_begin(told);
	assert_int_equal(see(told, "a", "1", 100), TOLD_SEND);
	assert_int_equal(see(told, "a", "2", 100), TOLD_SEND);
	assert_int_equal(see(told, "a", "3", 100), TOLD_FULL);
	assert_int_equal(see(told, "a", "1", 200), TOLD_SEND);
	assert_false(told_ended(told, &labels, &last_ms));
	told_begin(told);
	assert_int_equal(see(told, "a", "2", 300), TOLD_SEND);
	assert_true(told_ended(told, &labels, &last_ms));
	assert_int_equal(see(told, "a", "3", 300), TOLD_SEND);
	told_close(told);
}

/* Names and values of all lengths, so that parts of one could be taken for parts of another. */
static void any_labels_are_told_apart(void **state)
{
	struct told *told = make_told(10);
	static const struct label pairs[][2] = {{{"a", "bc", 1, 2}, {"d", "e", 1, 1}},
		{{"ab", "c", 2, 1}, {"d", "e", 1, 1}}, {{"a", "b", 1, 1}, {"cd", "e", 2, 1}},
		{{"a", "b\0c", 1, 3}, {"d", "e", 1, 1}}};

	told_begin(told);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 4; i++) {
			struct labels labels;

			assert_int_equal(labels_init(&labels, pairs[i], 2, &error), STATUS_OK);
			assert_int_equal(told_see(told, &labels, 100),
				round == 0 ? TOLD_SEND : TOLD_BEFORE);
			labels_fini(&labels);
		}
	assert_int_equal(told_count(told), 4);
	told_close(told);
}

#define WORKLOADS 300

/* One workload is taken for the number at its end. */
static void random_rounds_end_what_a_list_says(void **state)
{
	struct told *told = make_told(WORKLOADS);
	bool before[WORKLOADS] = {false};
	struct random random;

	random_init(&random, 11);
	for (int round = 1; round < 60; round++) {
		bool now[WORKLOADS] = {false};
		struct labels labels;
		int64_t last_ms;
		size_t alive = 0;

		told_begin(told);
		for (int i = 0; i < WORKLOADS; i++) {
			char value[16];

			now[i] = random_below(&random, 3) > 0;
			snprintf(value, sizeof(value), "%d", i);
			if (now[i])
				assert_int_equal(see(told, "a", value, round), TOLD_SEND);
			alive += now[i];
		}
		while (told_ended(told, &labels, &last_ms)) {
			int i = -1;

			assert_int_equal(sscanf(labels_get(&labels, "workload"), "%d", &i), 1);
			assert_true(before[i] && !now[i]);
			before[i] = false;
			assert_int_equal(last_ms, round - 1);
		}
		for (int i = 0; i < WORKLOADS; i++)
			assert_false(before[i] && !now[i]);
		assert_int_equal(told_count(told), alive);
		memcpy(before, now, sizeof(before));
	}
	told_close(told);
}

static void each_failed_allocation_is_an_answer(void **state)
{
	struct labels labels;
	bool injected = true;

	make(&labels, "a", "web");
	for (long n = 1; injected; n++) {
		struct told *told;
		enum told_answer answer = TOLD_SEND;

		mem_fail_after(n, false);
		told = told_open(10, &error);
		if (told != NULL) {
			told_begin(told);
			answer = told_see(told, &labels, 100);
		}
		injected = mem_fail_after(0, false);
		assert_true(injected == (told == NULL || answer == TOLD_NO_MEMORY));
		if (answer == TOLD_NO_MEMORY)
			assert_int_equal(told_see(told, &labels, 100), TOLD_SEND);
		told_close(told);
	}
	labels_fini(&labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_no_more_is_ended_once_with_its_labels),
		cmocka_unit_test(a_time_that_is_not_later_is_not_sent_and_the_series_goes_on),
		cmocka_unit_test(when_full_those_that_are_known_go_on),
		cmocka_unit_test(any_labels_are_told_apart),
		cmocka_unit_test(random_rounds_end_what_a_list_says),
		cmocka_unit_test(each_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
