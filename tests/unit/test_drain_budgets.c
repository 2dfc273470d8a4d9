/*
 * Budgets that hold up a drain: which pods a selector means, how many of them may go, and what the plan
 * of a drain says of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "remediations/drain_budgets.h"
#include "tests/support/action_scene.h"

static struct drain_crowd crowd;
static struct drain_budgets budgets;

static int reset(void **state)
{
	(void)state;
	drain_crowd_fini(&crowd);
	memset(&crowd, 0, sizeof(crowd));
	memset(&budgets, 0, sizeof(budgets));
	return 0;
}

static int forget(void **state)
{
	(void)state;
	drain_crowd_fini(&crowd);
	return 0;
}

static PRINTF_LIKE(1, 2) json_t *object(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	json_t *json;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	json = json_loads(text, 0, NULL);
	if (json == NULL)
		fail_msg("no JSON: %s", text);
	return json;
}

static void add_pod(const char *name, const char *labels, const char *status)
{
	json_t *pod = object("{'metadata':{'namespace':'shop','name':'%s','labels':{%s}},"
			     "'status':{%s}}",
		name, labels, status);

	drain_crowd_add(&crowd, pod);
	json_decref(pod);
}

static void add_budget(const char *name, const char *spec, int allowed)
{
	json_t *list = object("{'items':[{'metadata':{'namespace':'shop','name':'%s'},"
			      "'spec':{%s},'status':{'disruptionsAllowed':%d}}]}",
		name, spec, allowed);

	drain_budgets_add(&budgets, &crowd, list);
	json_decref(list);
}

static void says(const char *wanted)
{
	char text[400];

	drain_budgets_write(&budgets, text, sizeof(text));
	assert_string_equal(text, wanted);
}

#define RUNS "'phase':'Running'"

static void a_budget_that_allows_fewer_is_told(void **state)
{
	add_pod("web-1", "'app':'web'", RUNS);
	add_pod("web-2", "'app':'web'", RUNS);
	add_pod("db-0", "'app':'db'", RUNS);
	add_budget("web", "'selector':{'matchLabels':{'app':'web'}}", 1);
	add_budget("db", "'selector':{'matchLabels':{'app':'db'}}", 1);
	says("; PodDisruptionBudget shop/web allows 1 of 2 pods now");
	assert_string_equal(budgets.twice, "");
}

static void a_budget_is_for_its_own_namespace(void **state)
{
	json_t *pod = object("{'metadata':{'namespace':'bank','name':'web-1',"
			     "'labels':{'app':'web'}},'status':{" RUNS "}}");

	drain_crowd_add(&crowd, pod);
	json_decref(pod);
	add_budget("web", "'selector':{}", 0);
	says("");
}

static void selectors_mean_what_kubernetes_means(void **state)
{
	static const struct {
		const char *selector;
		bool selects;
	} cases[] = {
		{"'x':1", false},
		{"'selector':{}", true},
		{"'selector':{'matchLabels':{'app':'web','tier':'a'}}", true},
		{"'selector':{'matchLabels':{'app':'web','tier':'b'}}", false},
		{"'selector':{'matchLabels':{'other':'web'}}", false},
		{"'selector':{'matchExpressions':[{'key':'app','operator':'In',"
		 "'values':['db','web']}]}",
			true},
		{"'selector':{'matchExpressions':[{'key':'app','operator':'In','values':['db']}]}",
			false},
		{"'selector':{'matchExpressions':[{'key':'app','operator':'NotIn',"
		 "'values':['web']}]}",
			false},
		{"'selector':{'matchExpressions':[{'key':'no','operator':'NotIn',"
		 "'values':['web']}]}",
			true},
		{"'selector':{'matchExpressions':[{'key':'app','operator':'Exists'}]}", true},
		{"'selector':{'matchExpressions':[{'key':'no','operator':'Exists'}]}", false},
		{"'selector':{'matchExpressions':[{'key':'app','operator':'DoesNotExist'}]}",
			false},
		{"'selector':{'matchExpressions':[{'key':'no','operator':'DoesNotExist'}]}", true},
		{"'selector':{'matchExpressions':[{'key':'no','operator':'NewWord'}]}", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reset(NULL);
		add_pod("web-1", "'app':'web','tier':'a'", RUNS);
		add_budget("b", cases[i].selector, 0);
		if (budgets.count != cases[i].selects)
			fail_msg("%s", cases[i].selector);
	}
}

static void a_pod_that_no_budget_is_asked_for_counts_for_none(void **state)
{
	add_pod("web-1", "'app':'web'", "'phase':'Pending'");
	add_pod("web-2", "'app':'web'", "'phase':'Failed'");
	add_budget("web", "'selector':{}", 0);
	says("");
	add_pod("web-3", "'app':'web'", RUNS ",'conditions':[{'type':'Ready','status':'False'}]");
	add_budget("free", "'selector':{},'unhealthyPodEvictionPolicy':'AlwaysAllow'", 0);
	says("");
	add_budget("strict", "'selector':{}", 0);
	says("; PodDisruptionBudget shop/strict allows 0 of 1 pods now");
}

static void a_ready_pod_is_held_by_a_budget_that_frees_others(void **state)
{
	add_pod("web-1", "'app':'web'", RUNS ",'conditions':[{'type':'Ready','status':'True'}]");
	add_budget("free", "'selector':{},'unhealthyPodEvictionPolicy':'AlwaysAllow'", 0);
	says("; PodDisruptionBudget shop/free allows 0 of 1 pods now");
}

static void a_pod_under_two_of_them_is_named(void **state)
{
	add_pod("web-1", "'app':'web'", RUNS);
	add_budget("a", "'selector':{}", 1);
	assert_string_equal(budgets.twice, "");
	add_budget("b", "'selector':{}", 1);
	assert_string_equal(budgets.twice, "shop/web-1");
}

static void more_than_can_be_named_are_counted(void **state)
{
	char text[400];

	add_pod("web-1", "'app':'web'", RUNS);
	for (int i = 0; i < DRAIN_BUDGETS_MAX + 2; i++)
		add_budget("b", "'selector':{}", 0);
	assert_int_equal(budgets.count, DRAIN_BUDGETS_MAX + 2);
	drain_budgets_write(&budgets, text, sizeof(text));
	assert_non_null(strstr(text, ", and 2 more"));
	for (int i = 0; i < DRAIN_PODS_MAX + 5; i++)
		add_pod("web-1", "", RUNS);
	assert_int_equal(crowd.count, DRAIN_PODS_MAX);
	assert_true(crowd.full);
}

/* ---- in a plan ---- */

static void add_node(struct scene *scene, const char *budget)
{
	scene_step(scene, "Node", "{action: drain}");
	scene_add(scene, "{'kind':'Node','metadata':{'name':'n1'}}");
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1','labels':{'app':'web'},"
		"'ownerReferences':[{'kind':'Thing','name':'t'}]},'spec':{'nodeName':'n1'},"
		"'status':{'phase':'Running'}}");
	scene_add(scene, budget);
}

#define BUDGET(name, allowed)                                                                       \
	"{'kind':'PodDisruptionBudget','metadata':{'namespace':'shop','name':'" name "'},"          \
	"'spec':{'selector':{'matchLabels':{'app':'web'}}},'status':{'disruptionsAllowed':" allowed \
	"}}"

static void the_plan_of_a_drain_tells_which_budget_holds_it_up(void **state)
{
	struct scene *scene = *state;

	add_node(scene, BUDGET("web", "0"));
	scene_look(scene, TARGET_NODE, "n1");
	assert_string_equal(scene_plan(scene), "");
	assert_non_null(
		strstr(scene->plan.words, "; PodDisruptionBudget shop/web allows 0 of 1 pods now"));
	scene_add(scene, BUDGET("web", "1"));
	scene_look(scene, TARGET_NODE, "n1");
	scene_plan(scene);
	assert_null(strstr(scene->plan.words, "PodDisruptionBudget"));
	scene_add(scene, BUDGET("other", "1"));
	scene_look(scene, TARGET_NODE, "n1");
	assert_string_equal(scene_plan(scene), "drain_two_budgets");
	assert_non_null(strstr(scene->plan.refusal.sentence, "shop/web-1"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, reset, forget)
	const struct CMUnitTest tests[] = {
		T(a_budget_that_allows_fewer_is_told),
		T(a_budget_is_for_its_own_namespace),
		T(selectors_mean_what_kubernetes_means),
		T(a_pod_that_no_budget_is_asked_for_counts_for_none),
		T(a_ready_pod_is_held_by_a_budget_that_frees_others),
		T(a_pod_under_two_of_them_is_named),
		T(more_than_can_be_named_are_counted),
		cmocka_unit_test_setup_teardown(the_plan_of_a_drain_tells_which_budget_holds_it_up,
			scene_setup, scene_teardown),
	};

	return cmocka_run_group_tests_name("drain_budgets", tests, NULL, NULL);
}
