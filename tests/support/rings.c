#include "tests/support/rings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *rings_key(const json_t *labels)
{
	return json_dumps(labels, JSON_SORT_KEYS | JSON_COMPACT);
}

/* Milliseconds and the bits of the value, which must be the same to the last. */
struct point {
	int64_t t_ms;
	double value;
};

static struct point point_of(const json_t *pair)
{
	const char *text = json_string_value(json_array_get(pair, 1));

	assert_non_null(text);
	assert_string_not_equal(text, "stale");
	return (struct point){llround(json_number_value(json_array_get(pair, 0)) * 1000),
		strtod(text, NULL)};
}

/* The sender leaves out what equals the default, so that a negative zero arrives as a zero. */
static bool same(struct point a, struct point b)
{
	if (a.t_ms != b.t_ms)
		return false;
	return memcmp(&a.value, &b.value, sizeof(double)) == 0 || (a.value == 0 && b.value == 0) ||
		(isnan(a.value) && isnan(b.value));
}

/* Without stale markers, which Prometheus does not show. */
static size_t drop_stale(json_t *values)
{
	size_t i = 0;

	while (i < json_array_size(values)) {
		const char *text = json_string_value(json_array_get(json_array_get(values, i), 1));

		if (strcmp(text, "stale") == 0)
			json_array_remove(values, i);
		else
			i++;
	}
	return json_array_size(values);
}

json_t *rings_read(const struct server *nimbusguard, const char *match, double from_s, double to_s)
{
	json_t *index = json_object(), *data, *entry;
	char path[512], *escaped = web_url("", "", match);
	size_t i;

	snprintf(path, sizeof(path), "query?limit=200000&match[]=%s&start=%.3f&end=%.3f", escaped,
		from_s, to_s);
	data = nimbusguard_get(nimbusguard, path);
	json_array_foreach(json_object_get(data, "result"), i, entry)
	{
		char *key = rings_key(json_object_get(entry, "metric"));

		assert_null(json_object_get(index, key));
		if (drop_stale(json_object_get(entry, "values")) > 0)
			json_object_set(index, key, json_object_get(entry, "values"));
		free(key);
	}
	json_decref(data);
	free(escaped);
	return index;
}

void rings_compare(const char *key, const json_t *theirs, const json_t *ours)
{
	if (ours == NULL)
		fail_msg("%s is not in the rings", key);
	if (json_array_size(ours) != json_array_size(theirs))
		fail_msg("%s: %zu samples were sent, %zu are here", key, json_array_size(theirs),
			json_array_size(ours));
	for (size_t i = 0; i < json_array_size(theirs); i++) {
		struct point a = point_of(json_array_get(theirs, i));
		struct point b = point_of(json_array_get(ours, i));

		if (!same(a, b))
			fail_msg("%s: sent %.17g at %lld, here %.17g at %lld", key, a.value,
				(long long)a.t_ms, b.value, (long long)b.t_ms);
	}
}
