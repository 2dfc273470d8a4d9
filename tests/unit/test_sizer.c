/* run-under: tsan */
/*
 * Containers in service: found by their series, kept in the tier, learnt, learnt again after a start; and
 * their JSON and manifest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/rightsize/sizer.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/folder.h"

#define M0 (INT64_C(20000) * 1440)
#define T0 (M0 * 60000)
#define MEBI 1048576.0
#define CONTAINERS 3

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct store *store;
static struct rollup *rollup;
static struct sizer *sizer;
static struct error error;

enum { CPU, MEMORY, KILLED, CPU_REQUEST, MEMORY_REQUEST, CPU_LIMIT, MEMORY_LIMIT, PODS, NAMES };

static const char *const names[NAMES] = {"nimbusguard:container_cpu_cores:max",
	"nimbusguard:container_memory_bytes:max", "nimbusguard:container_oom_kills:increase",
	"nimbusguard:container_cpu_request_cores:max",
	"nimbusguard:container_memory_request_bytes:max",
	"nimbusguard:container_cpu_limit_cores:max", "nimbusguard:container_memory_limit_bytes:max",
	"nimbusguard:container_pods:count"};
/* web has two containers, db one. */
static const char *const owners[CONTAINERS][3] = {{"Deployment", "web", "app"},
	{"Deployment", "web", "proxy"}, {"StatefulSet", "db", "7"}};
static uint32_t series[CONTAINERS][NAMES];

static void intern(int container, int name)
{
	char raw[128];
	const struct label pairs[] = {label_of("__name__", names[name]),
		label_of("namespace", "shop"), label_of("workload_kind", owners[container][0]),
		label_of("workload", owners[container][1]),
		label_of("container", owners[container][2])};
	int size = snprintf(raw, sizeof(raw), "%d %d", container, name);

	assert_int_equal(store_intern(store, store_key_of(store, raw, (size_t)size), pairs, 5,
				 &series[container][name], &error),
		STATUS_OK);
}

static void open_sizer(size_t most)
{
	const struct sizer_config config = {.store = store,
		.rollup = rollup,
		.containers_max = most,
		.prices = {0.03, 0.004}};

	sizer = sizer_open(&config, &error);
	assert_non_null(sizer);
}

static int setup(void **state)
{
	static const struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 1000,
		.retention_ms = 6 * 3600000,
		.interval_ms = 60000,
		.ended_keep_ms = 3600000,
		.future_max_ms = 600000};
	static const struct rollup_limits tier = {.retention_ms = INT64_C(14) * 24 * 3600000,
		.signals_max = 20};

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, T0);
	store = store_open(&limits, &manual.clock, &error);
	rollup = rollup_open(path, &tier, &manual.clock, &error);
	assert_non_null(store);
	assert_non_null(rollup);
	open_sizer(10);
	return 0;
}

static int teardown(void **state)
{
	sizer_close(sizer);
	rollup_close(rollup);
	store_close(store);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static void sample(int container, int name, double value)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	const struct store_sample one = {.series = series[container][name],
		.t_ms = clock_now_ms(&manual.clock),
		.value = value};

	store_append(store, &one, 1, counts);
}

/* A sample of each series each minute, and steps. killed: the minute of a kill, of which a window of
 * ten minutes tells. */
static void pass(int containers, int minutes, int killed)
{
	for (int i = 0; i < minutes; i++) {
		double part = (double)(i % 1440) / 1440;

		for (int c = 0; c < containers; c++) {
			sample(c, CPU, (c + 1) * .2 * part);
			sample(c, MEMORY, (c + 1) * 200 * MEBI);
			sample(c, KILLED, killed >= 0 && i >= killed && i < killed + 10 ? 1.1 : 0);
			sample(c, CPU_REQUEST, 1);
			sample(c, MEMORY_REQUEST, 1024 * MEBI);
			/* A limit of zero is none. */
			sample(c, CPU_LIMIT, 0);
			sample(c, MEMORY_LIMIT, 2048 * MEBI);
			sample(c, PODS, 4);
		}
		/* Not each minute: under the sanitizers that takes long. */
		if (i % 10 == 9 || i == minutes - 1)
			sizer_step(sizer, clock_now_ms(&manual.clock));
		clock_manual_advance(&manual, 60000);
	}
}

static void make_series(int containers)
{
	for (int c = 0; c < containers; c++)
		for (int name = 0; name < NAMES; name++)
			intern(c, name);
}

static struct sized row_of(size_t index, size_t wanted)
{
	size_t count;
	struct sized *rows = sizer_list(sizer, NULL, 100, &count), row;

	assert_non_null(rows);
	assert_int_equal(count, wanted);
	row = rows[index];
	mem_free(rows);
	return row;
}

static void containers_are_found_and_sized_after_three_days(void **state)
{
	struct workload_key web = {.namespace_name = "shop",
		.kind = TARGET_DEPLOYMENT,
		.name = "web"};
	struct sized row, *rows;
	size_t count;

	make_series(3);
	pass(3, 3 * 1440, -1);
	row = row_of(0, 3);
	assert_int_equal(row.advice.verdict, SIZING_TOO_SHORT);
	assert_true(metrics_get(METRIC_RIGHTSIZE_CONTAINERS, "ready") == 0);
	pass(3, 30, -1);
	row = row_of(1, 3);
	assert_string_equal(row.workload.name, "web");
	assert_string_equal(row.container, "proxy");
	assert_int_equal(row.advice.verdict, SIZING_READY);
	assert_int_equal(row.now.containers, 2);
	assert_true(row.now.replicas == 4);
	assert_true(isnan(row.now.limit[SIZED_CPU]));
	/* 95 % of .4, with the margin of a short history. */
	assert_true(fabs(row.advice.choices[SIZING_OURS].request[SIZED_CPU] - .38 * 1.15) < .03);
	assert_true(fabs(row.advice.choices[SIZING_OURS].request[SIZED_MEMORY] / MEBI - 460) < 2);
	assert_int_equal(row_of(2, 3).now.containers, 1);
	rows = sizer_list(sizer, &web, 100, &count);
	assert_int_equal(count, 2);
	mem_free(rows);
	web.name[0] = 'x';
	rows = sizer_list(sizer, &web, 100, &count);
	assert_int_equal(count, 0);
	mem_free(rows);
}

static double metric(const char *line)
{
	struct buf page;
	const char *at;
	double value = NAN;

	buf_init(&page, 1 << 20);
	metrics_write_page(&page);
	at = strstr(page.data, line);
	if (at != NULL)
		assert_int_equal(sscanf(at + strlen(line), "%lf", &value), 1);
	buf_fini(&page);
	return value;
}

static void what_is_recommended_is_a_metric(void **state)
{
	make_series(1);
	pass(1, 4 * 1440, -1);
	assert_true(metric("nimbusguard_rightsize_containers{verdict=\"ready\"} ") == 1);
	assert_true(
		metric("nimbusguard_rightsize_request{namespace=\"shop\",workload_kind="
		       "\"Deployment\",workload=\"web\",container=\"app\",resource=\"memory\",by="
		       "\"now\"} ") == 1024 * MEBI);
	assert_true(
		metric("nimbusguard_rightsize_over_ratio{namespace=\"shop\",workload_kind="
		       "\"Deployment\",workload=\"web\",container=\"app\",resource=\"cpu\"} ") ==
		0);
	/* Four pods of a core and a GiB for 730 hours. */
	assert_true(
		fabs(metric("nimbusguard_rightsize_month_cost{namespace=\"shop\",by=\"now\"} ") -
			4 * 730 * .034) < 1e-6);
	assert_true(
		metric("nimbusguard_rightsize_month_cost{namespace=\"shop\",by=\"forecast\"} ") <
		4 * 730 * .034 / 2);
}

static void a_start_learns_from_the_tier_what_was_known(void **state)
{
	struct sized before, after;

	make_series(2);
	pass(2, 4 * 1440 + 20, 1000);
	before = row_of(0, 2);
	assert_int_equal(before.advice.kills, 1);
	sizer_close(sizer);
	open_sizer(10);
	pass(2, 12, -1);
	after = row_of(0, 2);
	assert_int_equal(after.advice.verdict, SIZING_READY);
	assert_int_equal(after.advice.kills, 1);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		double was = before.advice.vertical.target[resource];

		/* A bucket more or less, since the tier rounds. */
		assert_true(fabs(after.advice.vertical.target[resource] - was) <= .0501 * was);
		assert_int_equal(after.advice.days[resource], before.advice.days[resource]);
	}
}

static void a_change_of_what_is_set_is_seen_within_a_minute(void **state)
{
	make_series(1);
	pass(1, 100, -1);
	assert_true(row_of(0, 1).now.request[SIZED_CPU] == 1);
	sample(0, CPU_REQUEST, .5);
	sizer_step(sizer, clock_now_ms(&manual.clock));
	assert_true(row_of(0, 1).now.request[SIZED_CPU] == .5);
	assert_true(row_of(0, 1).advice.choices[SIZING_NOW].request[SIZED_CPU] == .5);
	/* What fell silent is not known any more, and nothing stands in its place. */
	for (int i = 0; i < 7; i++) {
		clock_manual_advance(&manual, 60000);
		sizer_step(sizer, clock_now_ms(&manual.clock));
	}
	assert_true(isnan(row_of(0, 1).now.request[SIZED_CPU]));
}

static void containers_that_are_too_many_are_left_out(void **state)
{
	sizer_close(sizer);
	open_sizer(2);
	make_series(3);
	pass(3, 5, -1);
	(void)row_of(0, 2);
}

static void what_names_no_container_is_left_out(void **state)
{
	const struct label pairs[] = {label_of("__name__", names[CPU]),
		label_of("namespace", "shop"), label_of("workload_kind", "Deployment"),
		label_of("workload", "web")};
	uint32_t id;

	assert_int_equal(store_intern(store, store_key_of(store, "none", 4), pairs, 4, &id, &error),
		STATUS_OK);
	make_series(1);
	pass(1, 5, -1);
	assert_string_equal(row_of(0, 1).container, "app");
}

static void a_container_without_series_is_let_go(void **state)
{
	make_series(2);
	pass(2, 5, -1);
	(void)row_of(0, 2);
	/* The store gives up what took no sample for an hour. */
	for (int i = 0; i < 70; i++) {
		sample(0, CPU, .1);
		clock_manual_advance(&manual, 60000);
		(void)store_sweep(store);
	}
	sizer_step(sizer, clock_now_ms(&manual.clock));
	assert_string_equal(row_of(0, 1).container, "app");
}

static void the_manifest_is_one_document_a_workload(void **state)
{
	static const char wanted[] = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n"
				     "  namespace: \"shop\"\n  name: \"web\"\nspec:\n  template:\n"
				     "    spec:\n      containers:\n      - name: \"app\"\n"
				     "        resources:\n          requests:\n            cpu: ";
	struct sized *rows;
	struct buf yaml;
	size_t count;

	make_series(3);
	pass(3, 4 * 1440, -1);
	rows = sizer_list(sizer, NULL, 100, &count);
	rows[2].advice.verdict = SIZING_TOO_SHORT;
	rows[2].advice.choices[SIZING_OURS].request[SIZED_CPU] = NAN;
	buf_init(&yaml, 1 << 16);
	sized_write_manifest(rows, count, SIZING_OURS, &yaml);
	assert_non_null(strstr(yaml.data, wanted));
	assert_non_null(strstr(yaml.data, "      - name: \"proxy\"\n"));
	assert_non_null(strstr(yaml.data, "            memory: 460Mi\n"));
	assert_non_null(
		strstr(yaml.data, "# shop/StatefulSet/db container 7: nothing is recommended\n"));
	assert_null(strstr(strstr(yaml.data, "---") + 3, "---"));
	buf_fini(&yaml);
	mem_free(rows);
}

static void what_is_not_known_is_null_in_json(void **state)
{
	struct sized row;
	struct buf json;
	json_t *object, *now, *ours;

	make_series(1);
	pass(1, 20, -1);
	row = row_of(0, 1);
	buf_init(&json, 1 << 16);
	sized_write_json(&row, &json);
	object = json_loads(json.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "verdict")), "too_short");
	now = json_object_get(json_object_get(object, "choices"), "now");
	ours = json_object_get(json_object_get(object, "choices"), "forecast");
	assert_true(json_number_value(json_object_get(now, "cpu_request")) == 1);
	assert_true(json_is_null(json_object_get(now, "cpu_limit")));
	assert_true(json_is_null(json_object_get(ours, "memory_request")));
	json_decref(object);
	buf_fini(&json);
}

static void without_memory_nothing_is_lost(void **state)
{
	bool reached = true;

	make_series(2);
	sizer_close(sizer);
	sizer = NULL;
	for (long nth = 1; reached; nth++) {
		const struct sizer_config config = {.store = store,
			.rollup = rollup,
			.containers_max = 10};
		struct sized *rows = NULL;
		size_t count;

		mem_fail_after(nth, false);
		sizer = sizer_open(&config, &error);
		if (sizer != NULL) {
			sizer_step(sizer, clock_now_ms(&manual.clock));
			rows = sizer_list(sizer, NULL, 10, &count);
		} else {
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		}
		mem_free(rows);
		reached = mem_fail_after(0, false);
		clock_manual_advance(&manual, 60000);
		if (sizer != NULL) {
			/* The next step finds what that one could not. */
			sizer_step(sizer, clock_now_ms(&manual.clock));
			(void)row_of(0, 2);
		}
		if (reached)
			sizer_close(sizer);
	}
}

static atomic_bool done;

static void *read_all(void *argument)
{
	while (!atomic_load(&done)) {
		size_t count;

		mem_free(sizer_list(sizer, NULL, 100, &count));
	}
	return NULL;
}

static void lists_are_read_while_steps_are_made(void **state)
{
	pthread_t thread;

	atomic_store(&done, false);
	assert_int_equal(pthread_create(&thread, NULL, read_all, NULL), 0);
	for (int c = 0; c < 3; c++) {
		for (int name = 0; name < NAMES; name++)
			intern(c, name);
		pass(c + 1, 30, -1);
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	(void)row_of(0, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(containers_are_found_and_sized_after_three_days),
		TEST(what_is_recommended_is_a_metric),
		TEST(a_start_learns_from_the_tier_what_was_known),
		TEST(a_change_of_what_is_set_is_seen_within_a_minute),
		TEST(containers_that_are_too_many_are_left_out),
		TEST(what_names_no_container_is_left_out),
		TEST(a_container_without_series_is_let_go),
		TEST(the_manifest_is_one_document_a_workload),
		TEST(what_is_not_known_is_null_in_json),
		TEST(without_memory_nothing_is_lost),
		TEST(lists_are_read_while_steps_are_made),
	};

	return cmocka_run_group_tests_name("sizer", tests, NULL, NULL);
}
