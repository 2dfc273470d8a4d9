/* What plans read of signals: values that belong together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/check.h"
#include "remediations/plan.h"

#define NOW_MS 1000000
#define STEP_MS 15000

/* Memory at NOW_MS - 2 steps, - 1 step and NOW_MS; its share of the limit one step behind. */
static const double memory[] = {100, 200, 400}, share[] = {0.1, 0.2, NAN};

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	const double *values = role == ROLE_MEMORY ? memory : share;

	assert_int_equal(fold, SIGNAL_NEWEST);
	*reading = (struct signal_reading){.quality = QUALITY_MISSING, .value = NAN};
	if (role != ROLE_MEMORY && role != ROLE_MEMORY_UTILIZATION)
		return;
	for (int i = 0; i < 3; i++) {
		int64_t at_ms = NOW_MS - (2 - i) * STEP_MS;

		if (at_ms >= from_ms && at_ms <= to_ms && !isnan(values[i]))
			*reading = (struct signal_reading){.quality = QUALITY_GOOD,
				.value = values[i],
				.newest_ms = at_ms,
				.samples = 1};
	}
}

static const struct signal_source source = {.read = read_signal};
static const struct target target = {.workload = {.kind = TARGET_DEPLOYMENT}};
static const struct plan_question question = {.target = &target,
	.signals = &source,
	.now_ms = NOW_MS};

static void values_are_read_as_of_one_time(void **state)
{
	const enum signal_role roles[] = {ROLE_MEMORY, ROLE_MEMORY_UTILIZATION};
	double alone, values[2];

	assert_true(plan_read_signal(&question, ROLE_MEMORY, &alone));
	assert_true(alone == 400);
	assert_true(plan_read_signals(&question, roles, values, ARRAY_COUNT(roles)));
	assert_true(values[0] == 200);
	assert_true(values[1] == 0.2);
}

static void one_missing_signal_makes_all_unknown(void **state)
{
	const enum signal_role roles[] = {ROLE_MEMORY, ROLE_REPLICAS};
	double values[2];

	assert_false(plan_read_signals(&question, roles, values, ARRAY_COUNT(roles)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_of_one_time),
		cmocka_unit_test(one_missing_signal_makes_all_unknown),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
