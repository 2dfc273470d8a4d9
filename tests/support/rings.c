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

#include "base/clock.h"

#define ARRIVES_S 120
#define EVERYTHING "{__name__!=\"\"}"

/* The text of a label set, its names sorted: the same at both sides (free). */
static char *rings_key(const json_t *labels)
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

/* Our series by the text of their label sets: an object of lists of [time, "value"]. */
static json_t *rings_read(const struct server *nimbusguard, double from_s, double to_s)
{
	json_t *index = json_object(), *data, *entry;
	char path[512], *escaped = web_url("", "", EVERYTHING);
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

static void rings_compare(const char *key, const json_t *theirs, const json_t *ours)
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

static json_t *prometheus_read(const struct server *prometheus, const json_t *external,
	double from_s, double to_s)
{
	json_t *index = json_object(), *result, *entry;
	char range[64];
	size_t i;

	snprintf(range, sizeof(range), EVERYTHING "[%.0fs]", to_s - from_s);
	result = prometheus_query(prometheus, range, to_s);
	json_array_foreach(result, i, entry)
	{
		json_t *labels = json_object_get(entry, "metric");
		char *key;

		if (external != NULL)
			json_object_update_missing(labels, (json_t *)(uintptr_t)external);
		key = rings_key(labels);
		assert_null(json_object_get(index, key));
		json_object_set(index, key, json_object_get(entry, "values"));
		free(key);
	}
	json_decref(result);
	return index;
}

static size_t count_samples(json_t *index)
{
	const char *key;
	json_t *values;
	size_t samples = 0;

	json_object_foreach(index, key, values) samples += json_array_size(values);
	return samples;
}

size_t rings_are_the_same(const struct server *nimbusguard, const struct server *prometheus,
	const json_t *external, double from_s, double to_s)
{
	int64_t end_ns = clock_mono_ns(clock_system()) + ARRIVES_S * INT64_C(1000000000);
	json_t *theirs, *ours, *values;
	size_t samples, series;
	const char *key;

	for (;;) {
		theirs = prometheus_read(prometheus, external, from_s, to_s);
		ours = rings_read(nimbusguard, from_s, to_s);
		samples = count_samples(theirs);
		if (count_samples(ours) == samples || clock_mono_ns(clock_system()) > end_ns)
			break;
		json_decref(theirs);
		json_decref(ours);
		clock_sleep_ms(1000);
	}
	series = json_object_size(theirs);
	json_object_foreach(theirs, key, values)
	{
		rings_compare(key, values, json_object_get(ours, key));
		json_object_del(ours, key);
	}
	if (json_object_size(ours) > 0)
		fail_msg("only here: %s", json_object_iter_key(json_object_iter(ours)));
	print_message("%zu samples of %zu series are the same in both\n", samples, series);
	assert_true(series > 200);
	json_decref(theirs);
	json_decref(ours);
	return samples;
}
