/*
 * Findings that belong together become one incident, whatever their order.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/incident.h"
#include "base/random.h"

#define FOREVER INT64_MAX
#define WINDOW 60000
#define MANY (INCIDENT_FINDINGS_MAX + 3)

static struct incident incidents[MANY];
static size_t incident_of[MANY];

static void findings_of_one_workload_become_one(void **state)
{
	const struct incident_finding findings[] =
		{{.id = 1, .workload = 7, .since_ms = 0, .until_ms = 1000, .surprise = 3},
			{.id = 2,
				.workload = 7,
				.since_ms = 1000 + WINDOW,
				.until_ms = FOREVER,
				.surprise = 5},
			{.id = 3, .workload = 8, .since_ms = 10, .until_ms = 20, .surprise = NAN},
			{.id = 4, .workload = 8, .since_ms = 21 + WINDOW, .until_ms = FOREVER}};

	assert_int_equal(incidents_join(findings, 4, WINDOW, incidents, incident_of), 3);
	assert_int_equal(incidents[0].kind, INCIDENT_WORKLOAD);
	assert_int_equal(incidents[0].findings, 2);
	assert_int_equal(incidents[0].first, 1);
	assert_int_equal(incidents[0].strongest, 2);
	assert_true(incidents[0].until_ms == FOREVER && incidents[0].surprise == 5);
	assert_int_equal(incidents[1].kind, INCIDENT_SINGLE);
	assert_true(incidents[1].surprise == 0);
	assert_int_equal(incident_of[0], 0);
	assert_int_equal(incident_of[1], 0);
	assert_int_equal(incident_of[2], 1);
	assert_int_equal(incident_of[3], 2);
}

static void workloads_of_one_node_that_begin_together_become_one(void **state)
{
	const struct incident_finding findings[] = {
		{.id = 1, .workload = 1, .node = 5, .since_ms = 0, .until_ms = FOREVER},
		{.id = 2, .workload = 2, .node = 5, .since_ms = WINDOW, .until_ms = FOREVER},
		{.id = 3, .workload = 3, .node = 6, .since_ms = 0, .until_ms = FOREVER},
		/* The first lasts, but this began much later. */
		{.id = 4, .workload = 4, .node = 5, .since_ms = 3 * WINDOW, .until_ms = FOREVER}};

	assert_int_equal(incidents_join(findings, 4, WINDOW, incidents, NULL), 3);
	assert_int_equal(incidents[0].kind, INCIDENT_NODE);
	assert_int_equal(incidents[0].node, 5);
	assert_int_equal(incidents[0].workloads, 2);
	assert_int_equal(incidents[1].first, 3);
	assert_int_equal(incidents[2].first, 4);
}

static void an_unknown_node_joins_nothing(void **state)
{
	const struct incident_finding findings[] = {{.id = 1, .workload = 1, .until_ms = FOREVER},
		{.id = 2, .workload = 2, .until_ms = FOREVER}};

	assert_int_equal(incidents_join(findings, 2, WINDOW, incidents, NULL), 2);
	assert_int_equal(incidents_join(findings, 0, WINDOW, incidents, NULL), 0);
}

/* A workload with pods on two nodes ties them together. */
static void what_a_workload_ties_together_is_a_group(void **state)
{
	const struct incident_finding findings[] =
		{{.id = 1, .workload = 1, .node = 5, .until_ms = FOREVER},
			{.id = 2, .workload = 2, .node = 5, .until_ms = FOREVER},
			{.id = 3, .workload = 2, .node = 6, .until_ms = FOREVER}};

	assert_int_equal(incidents_join(findings, 3, WINDOW, incidents, NULL), 1);
	assert_int_equal(incidents[0].kind, INCIDENT_GROUP);
	assert_int_equal(incidents[0].workloads, 2);
	assert_int_equal(incidents[0].findings, 3);
}

static void the_order_of_findings_changes_nothing(void **state)
{
	static struct incident_finding findings[60];
	static struct incident other[60];
	struct random dice;
	size_t count;

	random_init(&dice, 3);
	for (size_t i = 0; i < 60; i++) {
		int64_t since = (int64_t)random_below(&dice, 30) * WINDOW / 2;

		findings[i] = (struct incident_finding){.id = i + 1,
			.workload = random_below(&dice, 20),
			.node = random_below(&dice, 4),
			.since_ms = since,
			.until_ms = since + (int64_t)random_below(&dice, WINDOW),
			/* Few values, so that several are the strongest. */
			.surprise = (double)random_below(&dice, 3)};
	}
	count = incidents_join(findings, 60, WINDOW, incidents, NULL);
	assert_in_range(count, 2, 59);
	for (size_t i = 59; i > 0; i--) {
		size_t k = random_below(&dice, i + 1);
		struct incident_finding finding = findings[i];

		findings[i] = findings[k];
		findings[k] = finding;
	}
	assert_int_equal(incidents_join(findings, 60, WINDOW, other, NULL), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(other[i].first, incidents[i].first);
		assert_int_equal(other[i].strongest, incidents[i].strongest);
		assert_int_equal(other[i].findings, incidents[i].findings);
		assert_int_equal(other[i].kind, incidents[i].kind);
	}
}

static void too_many_findings_are_left_out_and_marked(void **state)
{
	static struct incident_finding findings[MANY];

	for (size_t i = 0; i < MANY; i++)
		findings[i] = (struct incident_finding){.id = i,
			.workload = i / 2,
			.since_ms = INT64_MIN,
			.until_ms = INT64_MIN};
	assert_int_equal(incidents_join(findings, MANY, WINDOW, incidents, incident_of),
		INCIDENT_FINDINGS_MAX / 2);
	assert_true(incident_of[MANY - 1] == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_of_one_workload_become_one),
		cmocka_unit_test(workloads_of_one_node_that_begin_together_become_one),
		cmocka_unit_test(an_unknown_node_joins_nothing),
		cmocka_unit_test(what_a_workload_ties_together_is_a_group),
		cmocka_unit_test(the_order_of_findings_changes_nothing),
		cmocka_unit_test(too_many_findings_are_left_out_and_marked),
	};

	return cmocka_run_group_tests_name("incident", tests, NULL, NULL);
}
