/*
 * nimbusguard rbac --check against an API server that answers reviews: a missing verb is named, a
 * server that does not tell is no yes, and the exit status says which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_stub.h"
#include "tests/support/proc.h"

#define REVIEWS "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define YES "{\"status\":{\"allowed\":true}}"
#define NO "{\"status\":{\"allowed\":false,\"reason\":\"no rule\"}}"

/* What the command says to these answers (free). */
static char *check(const struct stub_rule *rules, size_t count, int *status, size_t *asked)
{
	const char *parent = getenv("TMPDIR"), *program = getenv("NIMBUSGUARD_TEST_BIN");
	struct http_stub *stub = http_stub_open(rules, count, NULL, NULL);
	char url[96], log[512], *said;

	assert_non_null(stub);
	assert_non_null(program);
	snprintf(url, sizeof(url), "--kubernetes.url=http://127.0.0.1:%u", http_stub_port(stub));
	snprintf(log, sizeof(log), "%s/rbac.log", parent != NULL ? parent : "/tmp");
	const char *const argv[] = {program, "rbac", "--check", "--namespace=shop", url, NULL};

	(void)remove(log);
	said = proc_output(log, argv, NULL, status);
	*asked = http_stub_request_count(stub);
	http_stub_close(stub);
	return said;
}

static void all_that_is_needed_is_there(void **state)
{
	const struct stub_rule rules[] = {{.start = REVIEWS, .code = 201, .body = YES}};
	size_t asked;
	int status;
	char *said = check(rules, 1, &status, &asked);

	assert_int_equal(status, 0);
	assert_non_null(strstr(said, "permissions are there"));
	assert_null(strstr(said, "missing"));
	/* The server has no KEDA: nothing of it is asked for. */
	assert_true(asked > 5);
	free(said);
}

static void leader_election_asks_for_its_lease(void **state)
{
	const struct stub_rule rules[] = {{.start = REVIEWS, .code = 201, .body = YES}};
	size_t without, with;
	int status;

	free(check(rules, 1, &status, &without));
	assert_int_equal(setenv("NIMBUSGUARD_LEADER_ELECTION_ENABLED", "true", 1), 0);
	free(check(rules, 1, &status, &with));
	assert_int_equal(unsetenv("NIMBUSGUARD_LEADER_ELECTION_ENABLED"), 0);
	assert_int_equal(status, 0);
	assert_int_equal(with, without + 3);
}

static void a_missing_verb_is_named(void **state)
{
	const struct stub_rule rules[] = {{.start = REVIEWS, .code = 201, .body = YES, .times = 1},
		{.start = REVIEWS, .code = 201, .body = NO, .times = 1},
		{.start = REVIEWS, .code = 201, .body = YES}};
	const char *missing;
	size_t asked;
	int status;
	char *said = check(rules, 3, &status, &asked);

	assert_int_equal(status, 1);
	/* The second one in the set's order, whichever the bundled playbooks need: just that one, with
	 * what it is for and for whom. */
	missing = strstr(said, "missing: ");
	assert_non_null(missing);
	assert_null(strstr(missing + 1, "missing: "));
	assert_non_null(strchr(missing, '('));
	free(said);
}

static void a_server_that_does_not_tell_is_no_yes(void **state)
{
	const struct stub_rule rules[] = {{.start = REVIEWS,
		.code = 403,
		.body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"not you\"}"}};
	size_t asked;
	int status;
	char *said = check(rules, 1, &status, &asked);

	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "the cluster does not tell"));
	assert_non_null(strstr(said, "not you"));
	assert_null(strstr(said, "permissions are there"));
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_needed_is_there),
		cmocka_unit_test(leader_election_asks_for_its_lease),
		cmocka_unit_test(a_missing_verb_is_named),
		cmocka_unit_test(a_server_that_does_not_tell_is_no_yes),
	};

	return cmocka_run_group_tests_name("rbac_check", tests, NULL, NULL);
}
