/*
 * A number of pods divided by what each is worth.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzers/scaler/budget.h"
#include "base/mem.h"
#include "base/random.h"

static const double unlimited[] = {-1, -1};

static void what_suffices_for_all_cuts_nobody(void **state)
{
	struct budget_claim claims[] = {{3, 2, 6, 0, 0}, {1, 1, 4, 1, 0}};
	struct error error;
	int cut;

	assert_int_equal(budget_divide(claims, 2, unlimited, 2, 10, &cut, &error), STATUS_OK);
	assert_int_equal(cut, 0);
	assert_int_equal(claims[0].granted, 6);
	assert_int_equal(claims[1].granted, 4);
	assert_int_equal(budget_divide(claims, 2, unlimited, 2, -1, &cut, &error), STATUS_OK);
	assert_int_equal(claims[0].granted + claims[1].granted, 10);
}

static void who_is_short_goes_before_who_is_only_less_safe(void **state)
{
	/* The first is at 60 % of what its pods serve, the second at twice that. */
	struct budget_claim claims[] = {{6, 10, 16, 0, 0}, {8, 4, 12, 0, 0}};
	struct error error;
	int cut;

	assert_int_equal(budget_divide(claims, 2, unlimited, 1, 20, &cut, &error), STATUS_OK);
	assert_int_equal(claims[0].granted, 10);
	assert_int_equal(claims[1].granted, 10);
	assert_int_equal(cut, 8);
}

static void what_is_there_stays_where_the_limit_is_below_it(void **state)
{
	struct budget_claim claims[] = {{6, 10, 16, 0, 0}, {8, 4, 12, 0, 0}};
	struct error error;
	int cut;

	assert_int_equal(budget_divide(claims, 2, unlimited, 1, 5, &cut, &error), STATUS_OK);
	assert_int_equal(claims[0].granted, 10);
	assert_int_equal(claims[1].granted, 4);
}

static void a_namespace_takes_nothing_from_another(void **state)
{
	const double scopes[] = {12, -1};
	struct budget_claim claims[] = {{8, 4, 12, 0, 0}, {8, 4, 12, 0, 0}, {8, 4, 12, 1, 0}};
	struct error error;
	int cut;

	assert_int_equal(budget_divide(claims, 3, scopes, 2, -1, &cut, &error), STATUS_OK);
	assert_int_equal(claims[0].granted + claims[1].granted, 12);
	assert_int_equal(claims[2].granted, 12);
	/* The limit of all holds as well. */
	assert_int_equal(budget_divide(claims, 3, scopes, 2, 18, &cut, &error), STATUS_OK);
	assert_int_equal(claims[0].granted + claims[1].granted + claims[2].granted, 18);
}

static double risk_of(const struct budget_claim *claims, size_t count)
{
	double risk = 0;

	for (size_t i = 0; i < count; i++)
		risk += budget_risk(claims[i].load, claims[i].granted);
	return risk;
}

/* The least risk of all ways to divide, by trying them. */
static double best_risk(struct budget_claim *claims, size_t count, size_t at, int left)
{
	double best = 1e9;

	if (at == count)
		return risk_of(claims, count);
	for (int more = 0; more <= left && claims[at].least + more <= claims[at].wanted; more++) {
		double risk;

		claims[at].granted = claims[at].least + more;
		risk = best_risk(claims, count, at + 1, left - more);
		best = risk < best ? risk : best;
	}
	return best;
}

/* Greedy is not the best where a large step just does not fit; it is never far from it. */
static void no_way_to_divide_is_much_better(void **state)
{
	struct random random;
	struct error error;
	int better = 0;
	double worst = 0;

	random_init(&random, 7);
	for (int trial = 0; trial < 200; trial++) {
		struct budget_claim claims[3];
		int least = 0, total, cut;
		double greedy;

		for (size_t i = 0; i < 3; i++) {
			claims[i] = (struct budget_claim){.load = 1 + 8 * random_unit(&random),
				.least = 1 + (int)random_below(&random, 4)};
			claims[i].wanted = claims[i].least + (int)random_below(&random, 9);
			least += claims[i].least;
		}
		total = least + (int)random_below(&random, 12);
		assert_int_equal(budget_divide(claims, 3, unlimited, 1, total, &cut, &error),
			STATUS_OK);
		assert_true(claims[0].granted + claims[1].granted + claims[2].granted <= total);
		greedy = risk_of(claims, 3);
		worst = fmax(worst, greedy - best_risk(claims, 3, 0, total - least));
		better += best_risk(claims, 3, 0, total - least) < greedy - 1e-3;
	}
	assert_true(better <= 10 && worst < .5);
}

static void risk_falls_with_each_pod(void **state)
{
	for (int pods = 0; pods < 30; pods++)
		assert_true(budget_risk(9, pods + 1) < budget_risk(9, pods));
	assert_true(budget_risk(0, 3) == 0);
	/* At 85 %: one in twenty. */
	assert_true(fabs(budget_risk(8.5, 10) - 0.05) < 1e-3);
}

static void without_memory_nobody_grows(void **state)
{
	for (long nth = 1;; nth++) {
		struct budget_claim claims[] = {{6, 2, 16, 0, 0}, {8, 4, 12, 0, 0}};
		enum status status;
		struct error error;
		bool reached;
		int cut;

		mem_fail_after(nth, false);
		status = budget_divide(claims, 2, unlimited, 1, 20, &cut, &error);
		reached = mem_fail_after(0, false);
		if (!reached) {
			assert_int_equal(status, STATUS_OK);
			break;
		}
		assert_int_equal(status, STATUS_NO_MEMORY);
		assert_int_equal(claims[0].granted, 2);
		assert_int_equal(claims[1].granted, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_suffices_for_all_cuts_nobody),
		cmocka_unit_test(who_is_short_goes_before_who_is_only_less_safe),
		cmocka_unit_test(what_is_there_stays_where_the_limit_is_below_it),
		cmocka_unit_test(a_namespace_takes_nothing_from_another),
		cmocka_unit_test(no_way_to_divide_is_much_better),
		cmocka_unit_test(risk_falls_with_each_pod),
		cmocka_unit_test(without_memory_nobody_grows),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
