/*
 * Which findings belong together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/finding_groups.h"

#define MINUTE INT64_C(60000)

static struct finding_groups groups;
/* node: that the next findings name; NULL: none. */
static const char *on_node, *in_cluster = "";

static struct label pair(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static int empty(void **st)
{
	(void)st;
	memset(&groups, 0, sizeof(groups));
	on_node = NULL;
	in_cluster = "";
	return 0;
}

static uint64_t group_of(const char *finding, const char *workload, bool firing, int64_t since_ms)
{
	struct label pairs[] = {pair("finding", finding), pair("namespace", "shop"),
		pair("workload", workload), pair("workload_kind", "Deployment"),
		pair("cluster", in_cluster)};
	struct event event;
	uint64_t group;

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 5, NULL), STATUS_OK);
	event.source = EVENT_FINDING;
	event.node = on_node != NULL ? mem_strdup(on_node) : NULL;
	event.firing = firing;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = since_ms;
	group = finding_groups_of(&groups, &event);
	event_fini(&event);
	return group;
}

static void findings_of_a_workload_at_about_one_time_are_one_group(void **st)
{
	uint64_t first = group_of("cpu_high", "web", true, 100 * MINUTE);

	(void)st;
	assert_int_not_equal(first, 0);
	assert_int_equal(group_of("latency_high", "web", true, 108 * MINUTE), first);
	/* By way of the one between them. */
	assert_int_equal(group_of("errors_high", "web", true, 117 * MINUTE), first);
	/* Told later, begun earlier. */
	assert_int_equal(group_of("memory_high", "web", true, 95 * MINUTE), first);
}

static void what_begins_later_or_elsewhere_is_another_group(void **st)
{
	uint64_t first = group_of("cpu_high", "web", true, 100 * MINUTE), later, elsewhere;

	(void)st;
	later = group_of("latency_high", "web", true, 111 * MINUTE);
	elsewhere = group_of("latency_high", "api", true, 100 * MINUTE);
	assert_int_not_equal(later, first);
	assert_int_not_equal(elsewhere, first);
	assert_int_not_equal(elsewhere, later);
}

static void findings_of_workloads_on_one_node_at_about_one_time_are_one_group(void **st)
{
	uint64_t first, other, alone;

	(void)st;
	on_node = "worker-1";
	first = group_of("cpu_high", "web", true, 100 * MINUTE);
	assert_int_equal(group_of("latency_high", "api", true, 105 * MINUTE), first);
	/* What is of one workload with a member belongs to it, too. */
	assert_int_equal(group_of("errors_high", "api", true, 108 * MINUTE), first);
	assert_int_equal(group_of("latency_high", "api", false, 105 * MINUTE), first);
	/* Another time, another node, a node of that name elsewhere, and no node known. */
	assert_int_not_equal(group_of("cpu_high", "db", true, 130 * MINUTE), first);
	on_node = "worker-2";
	other = group_of("cpu_high", "cart", true, 101 * MINUTE);
	assert_int_not_equal(other, first);
	in_cluster = "east";
	on_node = "worker-1";
	assert_int_not_equal(group_of("cpu_high", "far", true, 101 * MINUTE), first);
	in_cluster = "";
	on_node = NULL;
	alone = group_of("cpu_high", "lone", true, 101 * MINUTE);
	assert_int_not_equal(alone, first);
	assert_int_not_equal(group_of("cpu_high", "lone-2", true, 101 * MINUTE), alone);
}

static void a_finding_keeps_its_group(void **st)
{
	uint64_t first = group_of("cpu_high", "web", true, 100 * MINUTE), later;

	(void)st;
	later = group_of("latency_high", "web", true, 115 * MINUTE);
	assert_int_not_equal(later, first);
	/* One between the two joins the older and changes neither. */
	assert_int_equal(group_of("errors_high", "web", true, 108 * MINUTE), first);
	assert_int_equal(group_of("latency_high", "web", true, 115 * MINUTE), later);
	assert_int_equal(group_of("latency_high", "web", false, 115 * MINUTE), later);
	assert_int_equal(groups.count, 3);
}

static void an_end_that_was_never_begun_has_no_group(void **st)
{
	(void)st;
	assert_int_equal(group_of("cpu_high", "web", false, 100 * MINUTE), 0);
	assert_int_equal(groups.count, 0);
}

static void what_names_no_workload_has_no_group(void **st)
{
	struct label pairs[] = {pair("finding", "x"), pair("namespace", "shop")};
	struct event event;

	(void)st;
	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 2, NULL), STATUS_OK);
	event.firing = true;
	assert_int_equal(finding_groups_of(&groups, &event), 0);
	event_fini(&event);
}

static void the_oldest_is_forgotten_first(void **st)
{
	uint64_t first = group_of("cpu_high", "web", true, 100 * MINUTE);
	char name[32];

	(void)st;
	for (int i = 0; i < FINDING_GROUPS_MAX; i++) {
		snprintf(name, sizeof(name), "w-%d", i);
		(void)group_of("cpu_high", name, true, 100 * MINUTE);
	}
	assert_int_equal(groups.count, FINDING_GROUPS_MAX);
	assert_int_not_equal(group_of("latency_high", "web", true, 101 * MINUTE), first);
}

static void remember(const char *finding, uint64_t group, int64_t since_ms, bool named)
{
	struct label pairs[] = {pair("finding", finding), pair("namespace", "shop"),
		pair("workload", "web"), pair("workload_kind", "Deployment")};
	struct event event;

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, named ? 4 : 1, NULL), STATUS_OK);
	event.source = EVENT_FINDING;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.group = group;
	event.node = on_node != NULL ? mem_strdup(on_node) : NULL;
	event.starts_ms = since_ms;
	finding_groups_remember(&groups, &event);
	event_fini(&event);
}

static void groups_of_before_a_restart_go_on(void **st)
{
	(void)st;
	on_node = "worker-1";
	remember("cpu_high", 0xabc, 100 * MINUTE, true);
	on_node = NULL;
	remember("memory_high", 0xdef, 200 * MINUTE, true);
	/* What has no group, or no workload, is nothing to go on from. */
	remember("errors_high", 0, 300 * MINUTE, true);
	remember("latency_high", 0x123, 300 * MINUTE, false);
	assert_int_equal(groups.count, 2);
	assert_int_equal(group_of("cpu_high", "web", true, 100 * MINUTE), 0xabc);
	assert_int_equal(group_of("cpu_high", "web", false, 100 * MINUTE), 0xabc);
	assert_int_equal(group_of("latency_high", "web", true, 105 * MINUTE), 0xabc);
	on_node = "worker-1";
	assert_int_equal(group_of("latency_high", "api", true, 105 * MINUTE), 0xabc);
	assert_int_equal(group_of("latency_high", "web", true, 205 * MINUTE), 0xdef);
	on_node = NULL;
	assert_int_not_equal(group_of("latency_high", "db", true, 105 * MINUTE), 0xabc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(findings_of_a_workload_at_about_one_time_are_one_group,
			empty),
		cmocka_unit_test_setup(what_begins_later_or_elsewhere_is_another_group, empty),
		cmocka_unit_test_setup(
			findings_of_workloads_on_one_node_at_about_one_time_are_one_group, empty),
		cmocka_unit_test_setup(a_finding_keeps_its_group, empty),
		cmocka_unit_test_setup(an_end_that_was_never_begun_has_no_group, empty),
		cmocka_unit_test_setup(what_names_no_workload_has_no_group, empty),
		cmocka_unit_test_setup(the_oldest_is_forgotten_first, empty),
		cmocka_unit_test_setup(groups_of_before_a_restart_go_on, empty),
	};

	return cmocka_run_group_tests_name("finding_groups", tests, NULL, NULL);
}
