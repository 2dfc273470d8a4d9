/*
 * The real program's scaler over restarts: a workload that it serves is served again after an end in order
 * and after a SIGKILL, and its accounts go on instead of beginning anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/scaler_served.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define WAIT_S 240

static const char *const flags[] = {"--analyze.scan-interval=200ms", "--scaler.mode=serve",
	"--scaler.shadow=1h", NULL};
static const struct served_workload web = {"shop", "web", 60, 10};

static struct servers servers;
static struct server *service;

static int setup(void **state)
{
	char storage[2 * SERVER_PATH_MAX];

	(void)state;
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	service = server_add(&servers, "nimbusguard");
	snprintf(storage, sizeof(storage), "%s/nimbusguard", servers.folder);
	scaler_served_write(storage, &web, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* Pod-hours of the account of an HPA, while it serves and its number can be had; 0: not (yet). */
static double served_hours(void)
{
	static struct write_body request;
	char url[256];
	struct web_answer answer;
	json_t *list, *row;
	double hours = 0;
	bool given;

	scaler_served_feed(&request, &web, 1);
	assert_int_equal(write_post_status(service->port.number, &request), 204);
	snprintf(url, sizeof(url), "%s/api/v1/scaler/shop/Deployment/web", service->url);
	answer = web_call("GET", url, NULL, NULL);
	given = answer.status == 200 && strstr(answer.body, "{\"value\":10}") != NULL;
	web_answer_fini(&answer);
	if (!given)
		return 0;
	list = nimbusguard_get(service, "scaler");
	row = json_array_get(list, 0);
	if (strcmp(json_string_value(json_object_get(row, "state")), "serving") == 0)
		hours = json_number_value(
			json_object_get(json_object_get(json_object_get(row, "parties"), "hpa"),
				"pod_hours"));
	json_decref(list);
	return hours;
}

static double await_served(void)
{
	double hours = 0;

	AWAIT(&servers, (hours = served_hours()) > 0, WAIT_S);
	return hours;
}

static void what_served_serves_after_an_end_in_order_and_after_a_kill(void **state)
{
	double first, second, third;

	(void)state;
	if (service == NULL)
		skip();
	nimbusguard_start(&servers, service, flags);
	first = await_served();
	assert_true(first > 5);
	server_end(service);
	nimbusguard_start(&servers, service, flags);
	second = await_served();
	/* Nothing was lost, and nothing is counted twice. */
	assert_true(second > first);
	assert_true(second < 1.5 * first);
	server_kill(service);
	nimbusguard_start(&servers, service, flags);
	third = await_served();
	/* Of the end in order before it, at least. */
	assert_true(third > first);
	assert_true(third < 1.5 * second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_served_serves_after_an_end_in_order_and_after_a_kill),
	};

	return cmocka_run_group_tests_name("scaler_restart", tests, setup, teardown);
}
