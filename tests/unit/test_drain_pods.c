/* Which pods of a node a drain takes: the rules of kubectl drain, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/drain_pods.h"

#define META "'metadata':{'namespace':'shop','name':'web-1','uid':'u1'"
#define OWNED                                                                                      \
	META ",'ownerReferences':[{'controller':true,'kind':'ReplicaSet','apiVersion':'apps/v1'}]"
#define LOCAL "'spec':{'volumes':[{'name':'a','secret':{}},{'name':'b','emptyDir':{}}]}"
#define RUNS "'status':{'phase':'Running'}"

static json_t *parse(const char *text)
{
	char copy[2048];
	json_t *object;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	object = json_loads(copy, 0, NULL);
	assert_non_null(object);
	return object;
}

static enum drain_word judge(const char *text, const struct drain_rules *rules)
{
	json_t *pod = parse(text);
	enum drain_word word = drain_judge(pod, rules);

	json_decref(pod);
	return word;
}

static void each_pod_has_its_word(void **state)
{
	static const struct drain_rules strict = {.own_pod = "own-1"};
	static const struct {
		const char *pod;
		enum drain_word word;
	} table[] = {
		{"{" OWNED "}," RUNS "}", DRAIN_EVICT},
		{"{" OWNED "},'status':{'phase':'Pending'}}", DRAIN_EVICT},
		{"{" META "}," RUNS "}", DRAIN_UNOWNED},
		/* An owner that is no controller makes nothing anew. */
		{"{" META ",'ownerReferences':[{'kind':'ReplicaSet','apiVersion':'apps/v1'}]}," RUNS
		 "}",
			DRAIN_UNOWNED},
		{"{" OWNED "}," LOCAL "," RUNS "}", DRAIN_LOCAL},
		{"{" OWNED "},'spec':{'volumes':[{'emptyDir':null}]}," RUNS "}", DRAIN_EVICT},
		{"{" OWNED "}," LOCAL ",'status':{'phase':'Succeeded'}}", DRAIN_FINISHED},
		{"{" META "},'status':{'phase':'Failed'}}", DRAIN_FINISHED},
		{"{" OWNED ",'deletionTimestamp':'2026-01-01T00:00:00Z'}," LOCAL "," RUNS "}",
			DRAIN_GOING},
		{"{" META ",'annotations':{'kubernetes.io/config.mirror':'x'}}," LOCAL "," RUNS "}",
			DRAIN_MIRROR},
		{"{" META ",'ownerReferences':[{'controller':true,'kind':'DaemonSet',"
		 "'apiVersion':'apps/v1'}]}," LOCAL "," RUNS "}",
			DRAIN_DAEMON},
		/* A DaemonSet of another group may put nothing back. */
		{"{" META ",'ownerReferences':[{'controller':true,'kind':'DaemonSet',"
		 "'apiVersion':'x.example/v1'}]}," RUNS "}",
			DRAIN_EVICT},
		{"{'metadata':{'namespace':'ng','name':'own-1','uid':'u',"
		 "'ownerReferences':[{'controller':true,'kind':'ReplicaSet',"
		 "'apiVersion':'apps/v1'}]}," RUNS "}",
			DRAIN_OWN},
		{"{'metadata':{'namespace':'shop','name':'a'}," RUNS "}", DRAIN_UNREADABLE},
		{"{'metadata':{'name':'a','uid':'u'}," RUNS "}", DRAIN_UNREADABLE},
		{"{}", DRAIN_UNREADABLE},
		{"{" META ",'ownerReferences':[{'controller':true}]}," RUNS "}", DRAIN_UNREADABLE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		if (judge(table[i].pod, &strict) != table[i].word)
			fail_msg("row %zu: %d", i, (int)judge(table[i].pod, &strict));
}

static void what_is_allowed_forbids_no_more(void **state)
{
	static const struct drain_rules local = {.local_data = true}, unowned = {.unowned = true};

	(void)state;
	assert_int_equal(judge("{" OWNED "}," LOCAL "," RUNS "}", &local), DRAIN_EVICT);
	assert_int_equal(judge("{" META "}," LOCAL "," RUNS "}", &local), DRAIN_UNOWNED);
	assert_int_equal(judge("{" META "}," RUNS "}", &unowned), DRAIN_EVICT);
	assert_int_equal(judge("{" META "}," LOCAL "," RUNS "}", &unowned), DRAIN_LOCAL);
}

static void view_counts_and_names_the_first_that_forbids(void **state)
{
	static const struct drain_rules rules = {.own_pod = NULL};
	struct drain_view view = {.pod = ""};
	char text[256];
	json_t *list = parse("{'items':[{" OWNED "}," RUNS "},{" OWNED
			     ",'deletionTimestamp':'2026-01-01T00:00:00Z'}," RUNS "},{" META
			     "},'status':{'phase':'Failed'}},{" META
			     ",'annotations':{'kubernetes.io/config.mirror':'x'}}," RUNS "}]}");
	json_t *bad = parse("{'items':[{" META "}," RUNS "},{'metadata':{'namespace':'b',"
			    "'name':'second','uid':'u'}," RUNS "}]}");

	(void)state;
	drain_add(&view, list, &rules);
	assert_int_equal(drain_left(&view), 2);
	drain_write(&view, text, sizeof(text));
	assert_string_equal(text, "evict 2 pods; 2 stay (1 static, 1 finished)");
	drain_write_refusal(&view, text, sizeof(text));
	assert_string_equal(text, "");
	drain_add(&view, bad, &rules);
	assert_int_equal(view.forbidden, DRAIN_UNOWNED);
	assert_string_equal(drain_word_reason(view.forbidden), "drain_unowned");
	drain_write_refusal(&view, text, sizeof(text));
	assert_non_null(strstr(text, "Pod shop/web-1 has no controller"));
	/* An answer that is no list holds nothing, and the reader has told so before. */
	drain_add(&view, NULL, &rules);
	json_decref(list);
	json_decref(bad);
}

static void empty_node_is_said_so(void **state)
{
	struct drain_view view = {.pod = ""};
	char text[64];

	(void)state;
	drain_write(&view, text, sizeof(text));
	assert_string_equal(text, "evict 0 pods");
	view.counts[DRAIN_EVICT] = 1;
	drain_write(&view, text, sizeof(text));
	assert_string_equal(text, "evict 1 pod");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pod_has_its_word),
		cmocka_unit_test(what_is_allowed_forbids_no_more),
		cmocka_unit_test(view_counts_and_names_the_first_that_forbids),
		cmocka_unit_test(empty_node_is_said_so),
	};

	return cmocka_run_group_tests_name("drain_pods", tests, NULL, NULL);
}
