/*
 * By its API, version 2.
 */
#include "tests/support/alertmanager_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

void alertmanager_fire(const struct server *manager, const char *labels)
{
	char url[256], body[1024], when[32];
	struct web_answer answer;

	format_rfc3339(clock_now_ms(clock_system()), when, sizeof(when));
	snprintf(body, sizeof(body), "[{'labels':{%s},'startsAt':'%s'}]", labels, when);
	for (char *at = body; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	snprintf(url, sizeof(url), "%s/api/v2/alerts", manager->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

size_t alertmanager_silences(const struct server *manager, const char *state)
{
	char url[256];
	json_t *list, *one;
	size_t i, count = 0;

	snprintf(url, sizeof(url), "%s/api/v2/silences", manager->url);
	list = web_json(url, NULL);
	json_array_foreach(list, i, one)
	{
		const char *now =
			json_string_value(json_object_get(json_object_get(one, "status"), "state"));

		count += now != NULL && strcmp(now, state) == 0;
	}
	json_decref(list);
	return count;
}
