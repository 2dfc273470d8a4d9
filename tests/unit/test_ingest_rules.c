/*
 * What a receiver keeps by its rules: series by selectors, decided once; of HA pairs the elected
 * replica, with a manual clock. Both versions of the protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/matcher.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)
#define V1 "application/x-protobuf"
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static struct clock_manual manual;
static struct store *store;
static struct ingest_rules *rules;
static struct ingest *ingest;
static struct write_body_v2 second;
static struct write_body first, series, block;
static struct ingest_counts counts;
static struct error error;
static struct ingest_rules_config config;

static void open_all(void)
{
	const struct store_limits store_limits = {
		.memory_max = 64 << 20,
		.series_max = 1000,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct ingest_limits limits = {
		.body_max = 1 << 20,
		.decoded_max = 1 << 20,
		.labels_max = 16,
		.label_name_max = 32,
		.label_value_max = 300,
		.series_max = 300,
	};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	ingest = ingest_open(store, &limits, &error);
	assert_non_null(ingest);
	rules = ingest_rules_open(&config, &error);
	if (rules == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(ingest_use_rules(ingest, rules, &error), STATUS_OK);
	write_body_reset(&first);
	write_body_v2_reset(&second);
}

static int setup(void **state)
{
	config = (struct ingest_rules_config){
		.dropped_max = 1000,
		.cluster_label = "cluster",
		.replica_label = "__replica__",
		.failover_ms = 30000,
		.cluster_max = 3,
		.clock = &manual.clock,
	};
	store = NULL;
	ingest = NULL;
	rules = NULL;
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	ingest_close(ingest);
	ingest_rules_close(rules);
	if (store != NULL)
		store_close(store);
	return 0;
}

/* One series with one sample by this version; the answer's status. */
static enum status send_one(int version, const char *labels, int64_t t_ms)
{
	if (version == 1) {
		write_body_reset(&first);
		write_body_simple(&first, labels, t_ms, 1);
	} else {
		write_body_v2_reset(&second);
		write_body_v2_simple(&second, labels, t_ms, 1);
	}
	write_body_snappy(version == 1 ? &first : &second.body, &block);
	error_reset(&error);
	return ingest_request(ingest, version == 1 ? V1 : V2, "snappy", block.bytes, block.size,
		&counts, &error);
}

static uint64_t series_in_store(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.series;
}

static size_t series_matching(const char *selector)
{
	struct store_selection selection;
	struct matchers matchers;
	size_t count;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, &error), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 1000, &selection, &error), STATUS_OK);
	count = selection.count;
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return count;
}

static void a_series_is_kept_when_one_selector_keeps_it_and_none_drops_it(void **state)
{
	static const char *const keep[] = {"up", "{job=~\"a|b\"}"};
	static const char *const drop[] = {"{zone!=\"\"}", "{__name__=~\"go_.*\",job=\"b\"}"};
	static const struct {
		const char *labels;
		bool kept;
	} cases[] = {
		{"__name__=up,job=x", true},
		{"__name__=down,job=x", false},
		{"__name__=down,job=a", true},
		{"__name__=go_x,job=a", true},
		{"__name__=go_x,job=b", false},
		{"__name__=up,job=a,zone=1", false},
		{"__name__=up,job=a,zone=", true},
		{"job=a", true},
		{"__name__=down,zone=1", false},
	};
	const size_t count = sizeof(cases) / sizeof(cases[0]);
	double dropped = metrics_get(METRIC_RW_SAMPLES, "dropped");

	config.keep = (struct ingest_selector_list){keep, 2};
	config.drop = (struct ingest_selector_list){drop, 2};
	open_all();
	/* The second time each is known, the third time by the other version. */
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(send_one(1 + round / 2, cases[i].labels, NOW_MS + round),
				STATUS_OK);
			assert_int_equal(counts.series, 1);
			assert_int_equal(counts.samples, cases[i].kept);
			assert_int_equal(counts.results[APPEND_STORED], cases[i].kept);
			assert_int_equal(counts.dropped, !cases[i].kept);
			/* What we were told not to keep is no failure of the sender. */
			assert_int_equal(counts.samples_written, 1);
		}
	}
	assert_int_equal(series_in_store(), 5);
	assert_true(metrics_get(METRIC_RW_SAMPLES, "dropped") == dropped + 16);
}

static void what_is_dropped_is_decided_once_and_takes_no_memory(void **state)
{
	static const char *const drop[] = {"{job=~\"a.*\"}"};

	config.drop = (struct ingest_selector_list){drop, 1};
	open_all();
	for (int version = 1; version <= 2; version++) {
		assert_int_equal(send_one(version, "__name__=up,job=abc", NOW_MS), STATUS_OK);
		mem_fail_after(1, true);
		assert_int_equal(send_one(version, "__name__=up,job=abc", NOW_MS + 1), STATUS_OK);
		assert_false(mem_fail_after(0, false));
		assert_int_equal(counts.dropped, 1);
	}
	assert_int_equal(series_in_store(), 0);
}

/* New ones are interned several at a time: each third is dropped, each fifth was there before (or was
 * dropped before), one is no series at all. */
static void many_new_series_of_one_request_are_each_decided(void **state)
{
	enum { MANY = 200, BAD = 101 };
	static const char *const drop[] = {"{job=\"2\"}"};
	char labels[64];

	config.drop = (struct ingest_selector_list){drop, 1};
	config.dropped_max = 16; /* most are pushed out and decided again */
	for (int version = 1; version <= 2; version++) {
		open_all();
		for (int i = 0; i < MANY; i += 5) {
			snprintf(labels, sizeof(labels), "__name__=n%d,job=%d", i, i % 3);
			assert_int_equal(send_one(version, labels, NOW_MS), STATUS_OK);
		}
		write_body_reset(&first);
		write_body_v2_reset(&second);
		for (int i = 0; i < MANY; i++) {
			snprintf(labels, sizeof(labels),
				i == BAD ? "__name__=n%d,job=%d,job=4" : "__name__=n%d,job=%d", i,
				i % 3);
			write_body_simple(&first, labels, NOW_MS + 1, i);
			write_body_v2_simple(&second, labels, NOW_MS + 1, i);
		}
		write_body_snappy(version == 1 ? &first : &second.body, &block);
		assert_int_equal(ingest_request(ingest, version == 1 ? V1 : V2, "snappy",
					 block.bytes, block.size, &counts, &error),
			STATUS_BAD_INPUT);
		assert_int_equal(counts.series, MANY);
		assert_int_equal(counts.invalid_series, 1);
		assert_int_equal(counts.dropped, MANY / 3 - (BAD % 3 == 2));
		assert_int_equal(counts.results[APPEND_STORED], MANY - 1 - counts.dropped);
		assert_int_equal(series_in_store(), MANY - 1 - counts.dropped);
		assert_int_equal(series_matching("{job=\"2\"}"), 0);
		for (int i = 0; i < MANY; i++) {
			snprintf(labels, sizeof(labels), "n%d", i);
			assert_int_equal(series_matching(labels), i % 3 != 2 && i != BAD);
		}
		(void)teardown(NULL);
	}
	assert_int_equal(setup(NULL), 0);
}

/* Samples of all series of that name. */
static size_t samples_of(int name)
{
	struct store_selection selection;
	struct store_point points[16];
	struct matchers matchers;
	char selector[32];
	size_t count = 0;

	snprintf(selector, sizeof(selector), "n%d", name);
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, &error), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 10, &selection, &error), STATUS_OK);
	for (size_t i = 0; i < selection.count; i++)
		count += store_window(store, selection.series[i], 0, INT64_MAX, points, 16);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return count;
}

enum { MIXED = 250, MIXED_ROUNDS = 6 };

/* Places 70 to 199 are dropped as a row, of the others each third; each tenth place gets a new name in
 * each round from the third one on. */
static bool mixed_dropped(int place)
{
	return (place >= 70 && place < 200) || place % 3 == 2;
}

static int mixed_name(int place, int round)
{
	return place % 10 == 0 && round >= 2 ? 1000 * round + place : place;
}

static void send_mixed(int version, int round)
{
	char labels[64];

	write_body_reset(&first);
	write_body_v2_reset(&second);
	for (int i = 0; i < MIXED; i++) {
		snprintf(labels, sizeof(labels), "__name__=n%d,job=%s", mixed_name(i, round),
			mixed_dropped(i) ? "out" : "in");
		write_body_simple(&first, labels, NOW_MS + round * 1000, i);
		write_body_v2_simple(&second, labels, NOW_MS + round * 1000, i);
	}
	write_body_snappy(version == 1 ? &first : &second.body, &block);
	assert_int_equal(ingest_request(ingest, version == 1 ? V1 : V2, "snappy", block.bytes,
				 block.size, &counts, &error),
		STATUS_OK);
}

/* Where many are dropped, the dropped ones are looked for before the others: with room for all of them,
 * and with room for few, so that each round pushes some out. */
static void where_many_are_dropped_the_others_lose_nothing(void **state)
{
	static const char *const drop[] = {"{job=\"out\"}"};
	static const uint32_t rooms[] = {1000, 16};
	size_t kept = 0;

	for (int i = 0; i < MIXED; i++)
		kept += !mixed_dropped(i);
	config.drop = (struct ingest_selector_list){drop, 1};
	for (int turn = 0; turn < 4; turn++) {
		config.dropped_max = rooms[turn / 2];
		open_all();
		for (int round = 0; round < MIXED_ROUNDS; round++) {
			send_mixed(turn % 2 + 1, round);
			assert_int_equal(counts.series, MIXED);
			assert_int_equal(counts.dropped, MIXED - kept);
			assert_int_equal(counts.results[APPEND_STORED], kept);
		}
		for (int i = 0; i < MIXED; i++)
			assert_int_equal(samples_of(i),
				mixed_dropped(i)      ? 0
					: i % 10 == 0 ? 2
						      : MIXED_ROUNDS);
		assert_int_equal(series_matching("{job=\"out\"}"), 0);
		(void)teardown(NULL);
	}
	assert_int_equal(setup(NULL), 0);
}

static void all_samples_of_a_dropped_series_are_counted(void **state)
{
	static const char *const drop[] = {"up"};

	config.drop = (struct ingest_selector_list){drop, 1};
	open_all();
	for (int round = 0; round < 2; round++) {
		write_body_reset(&first);
		write_body_reset(&series);
		write_body_label(&series, "__name__", "up");
		for (int i = 0; i < 5; i++)
			write_body_sample(&series, NOW_MS + i, i);
		write_body_series(&first, &series);
		write_body_simple(&first, "__name__=other", NOW_MS + round, 1);
		write_body_snappy(&first, &block);
		assert_int_equal(ingest_request(ingest, V1, NULL, block.bytes, block.size, &counts,
					 &error),
			STATUS_OK);
		assert_int_equal(counts.dropped, 5);
		assert_int_equal(counts.results[APPEND_STORED], 1);
	}
}

static void invalid_labels_are_refused_before_the_rules_are_asked(void **state)
{
	static const char *const drop[] = {"up"};

	config.drop = (struct ingest_selector_list){drop, 1};
	open_all();
	assert_int_equal(send_one(1, "__name__=up,a-b=1", NOW_MS), STATUS_BAD_INPUT);
	assert_int_equal(counts.invalid_series, 1);
	assert_int_equal(counts.dropped, 0);
	assert_int_equal(send_one(1, "__name__=up,a-b=1", NOW_MS), STATUS_BAD_INPUT);
}

static void more_dropped_series_than_are_remembered_are_dropped_all_the_same(void **state)
{
	static const char *const drop[] = {"up"};

	config.drop = (struct ingest_selector_list){drop, 1};
	config.dropped_max = 8;
	open_all();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			char labels[64];
			snprintf(labels, sizeof(labels), "__name__=up,job=j%d", i);
			assert_int_equal(send_one(1, labels, NOW_MS + round), STATUS_OK);
			assert_int_equal(counts.dropped, 1);
		}
	}
	assert_int_equal(series_in_store(), 0);
}

static void a_selector_that_is_none_is_named(void **state)
{
	static const char *const bad[] = {"up", "up{"};

	config.drop = (struct ingest_selector_list){bad, 2};
	assert_null(ingest_rules_open(&config, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "ingest.drop: up{: "));
	config.drop.count = 0;
	config.ha = true;
	config.replica_label = "cluster";
	assert_null(ingest_rules_open(&config, &error));
	assert_non_null(strstr(error.text, "ingest.ha.replica_label"));
}

#define A "__name__=up,__replica__=a,cluster=one,job=x"
#define B "__name__=up,__replica__=b,cluster=one,job=x"

static void the_first_replica_is_elected_and_the_other_one_set_aside(void **state)
{
	double aside = metrics_get(METRIC_RW_SAMPLES, "replica");

	config.ha = true;
	open_all();
	for (int round = 0; round < 6; round++) {
		int version = 1 + round % 2;
		clock_manual_advance(&manual, 15000);
		assert_int_equal(send_one(version, A, NOW_MS + round * 15000), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		assert_int_equal(counts.replica, 0);
		assert_int_equal(send_one(version, B, NOW_MS + round * 15000 + 500), STATUS_OK);
		assert_int_equal(counts.samples, 0);
		assert_int_equal(counts.replica, 1);
		assert_int_equal(counts.samples_written, 1);
	}
	assert_int_equal(series_in_store(), 1);
	assert_int_equal(series_matching("up{cluster=\"one\",job=\"x\",__replica__=\"\"}"), 1);
	assert_true(metrics_get(METRIC_RW_SAMPLES, "replica") == aside + 6);
}

static void after_thirty_seconds_of_silence_the_other_one_takes_over(void **state)
{
	double failovers = metrics_get(METRIC_RW_FAILOVERS);
	int64_t t_ms = NOW_MS;

	for (int version = 1; version <= 2; version++) {
		teardown(state);
		config.ha = true;
		open_all();
		t_ms = NOW_MS;
		assert_int_equal(send_one(version, A, t_ms++), STATUS_OK);
		clock_manual_advance(&manual, 29999);
		assert_int_equal(send_one(version, B, t_ms++), STATUS_OK);
		assert_int_equal(counts.replica, 1);
		clock_manual_advance(&manual, 1);
		assert_int_equal(send_one(version, B, t_ms++), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		/* The one before comes back and waits. */
		assert_int_equal(send_one(version, A, t_ms++), STATUS_OK);
		assert_int_equal(counts.replica, 1);
		clock_manual_advance(&manual, 29000);
		assert_int_equal(send_one(version, B, t_ms++), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		clock_manual_advance(&manual, 29000);
		assert_int_equal(send_one(version, A, t_ms++), STATUS_OK);
		assert_int_equal(counts.replica, 1);
		clock_manual_advance(&manual, 1000);
		assert_int_equal(send_one(version, A, t_ms++), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		assert_int_equal(series_in_store(), 1);
	}
	assert_true(metrics_get(METRIC_RW_FAILOVERS) == failovers + 4);
}

static void clusters_are_elected_apart(void **state)
{
	config.ha = true;
	open_all();
	assert_int_equal(send_one(1, "__name__=up,__replica__=a,cluster=one", NOW_MS), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 1);
	assert_int_equal(send_one(1, "__name__=up,__replica__=b,cluster=two", NOW_MS), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 1);
	assert_int_equal(send_one(1, "__name__=up,__replica__=a,cluster=two", NOW_MS), STATUS_OK);
	assert_int_equal(counts.replica, 1);
	assert_int_equal(series_in_store(), 2);
}

static void a_request_of_several_replicas_is_taken_series_by_series(void **state)
{
	config.ha = true;
	open_all();
	for (int round = 0; round < 3; round++) {
		write_body_reset(&first);
		for (int i = 0; i < 100; i++) {
			char labels[96];
			snprintf(labels, sizeof(labels),
				"__name__=m%d,__replica__=%c,cluster=%s,job=x", i / 4,
				i % 2 != 0 ? 'a' : 'b', i % 4 < 2 ? "one" : "two");
			write_body_simple(&first, labels, NOW_MS + round, 1);
		}
		write_body_snappy(&first, &block);
		assert_int_equal(ingest_request(ingest, V1, NULL, block.bytes, block.size, &counts,
					 &error),
			STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 50);
		assert_int_equal(counts.replica, 50);
	}
	assert_int_equal(series_in_store(), 50);
}

static void a_series_without_one_of_the_labels_is_taken_as_it_is(void **state)
{
	config.ha = true;
	open_all();
	for (int version = 1; version <= 2; version++) {
		for (int round = 0; round < 2; round++) {
			int64_t t_ms = NOW_MS + version * 10 + round;
			assert_int_equal(send_one(version, A, t_ms), STATUS_OK);
			assert_int_equal(send_one(version, "__name__=up,job=x", t_ms), STATUS_OK);
			assert_int_equal(counts.results[APPEND_STORED], 1);
			assert_int_equal(send_one(version, "__name__=up,cluster=one", t_ms),
				STATUS_OK);
			assert_int_equal(counts.results[APPEND_STORED], 1);
			assert_int_equal(send_one(version, "__name__=up,__replica__=b", t_ms),
				STATUS_OK);
			assert_int_equal(counts.results[APPEND_STORED], 1);
			assert_int_equal(send_one(version,
						 "__name__=up,__replica__=b,cluster=,job=y", t_ms),
				STATUS_OK);
			assert_int_equal(counts.results[APPEND_STORED], 1);
			assert_int_equal(send_one(version,
						 "__name__=up,__replica__=,cluster=one,job=y",
						 t_ms),
				STATUS_OK);
			assert_int_equal(counts.results[APPEND_STORED], 1);
		}
	}
	assert_int_equal(series_in_store(), 6);
	assert_int_equal(series_matching("up{__replica__=\"b\"}"), 2);
}

/* Labels in an encoding that no sender uses: the value before the name. */
static void put_backwards(const char *name, const char *value)
{
	static struct write_body label;

	write_body_reset(&label);
	write_body_field(&label, 2, value, strlen(value));
	write_body_field(&label, 1, name, strlen(name));
	write_body_field(&series, 1, label.bytes, label.size);
}

static void labels_written_in_another_form_hide_no_replica(void **state)
{
	config.ha = true;
	open_all();
	assert_int_equal(send_one(1, A, NOW_MS), STATUS_OK);
	for (int round = 0; round < 4; round++) {
		bool elected = round % 2 != 0;
		write_body_reset(&first);
		write_body_reset(&series);
		write_body_label(&series, "__name__", "up");
		put_backwards("__replica__", elected ? "a" : "b");
		write_body_label(&series, "cluster", "one");
		if (round >= 2)
			write_body_sample(&series, NOW_MS + round * 2 - 1, 1);
		write_body_label(&series, "job", "x");
		write_body_sample(&series, NOW_MS + round * 2, 1);
		write_body_series(&first, &series);
		write_body_snappy(&first, &block);
		assert_int_equal(ingest_request(ingest, V1, NULL, block.bytes, block.size, &counts,
					 &error),
			STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], elected ? round / 2 + 1 : 0);
		assert_int_equal(counts.replica, elected ? 0 : round / 2 + 1);
	}
	assert_int_equal(series_in_store(), 1);
}

static void a_replica_named_twice_is_refused(void **state)
{
	config.ha = true;
	open_all();
	assert_int_equal(send_one(1, A, NOW_MS), STATUS_OK);
	for (int version = 1; version <= 2; version++) {
		assert_int_equal(
			send_one(version,
				"__name__=up,__replica__=a,__replica__=b,cluster=one,job=x",
				NOW_MS + version),
			STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, "label \"__replica__\" is there twice"));
	}
}

static void more_clusters_than_there_is_room_for_are_refused_by_name(void **state)
{
	config.ha = true;
	open_all();
	for (int version = 1; version <= 2; version++) {
		for (int i = 0; i < 4; i++) {
			char labels[64];
			enum status status;
			snprintf(labels, sizeof(labels), "__name__=up,__replica__=a,cluster=c%d",
				i);
			status = send_one(version, labels, NOW_MS + version);
			assert_int_equal(status, i < 3 ? STATUS_OK : STATUS_LIMIT);
		}
		assert_non_null(
			strstr(error.text, "series up{__replica__=\"a\",cluster=\"c3\"}: "));
		assert_non_null(strstr(error.text, "ingest.ha.clusters_max"));
		assert_int_equal(counts.invalid_series, 1);
	}
	assert_int_equal(series_in_store(), 3);
	/* A cluster that nobody has heard of for an hour makes room. */
	clock_manual_advance(&manual, 3600 * 1000 + 1);
	assert_int_equal(send_one(1, "__name__=up,__replica__=a,cluster=c1", NOW_MS + 10),
		STATUS_OK);
	assert_int_equal(send_one(1, "__name__=up,__replica__=a,cluster=c3", NOW_MS + 10),
		STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 1);
}

static void replicas_that_come_and_go_do_not_fill_the_table(void **state)
{
	config.ha = true;
	open_all();
	for (int i = 0; i < 200; i++) {
		char labels[64];
		snprintf(labels, sizeof(labels), "__name__=up,__replica__=r%d,cluster=one", i);
		clock_manual_advance(&manual, 600 * 1000);
		assert_int_equal(send_one(1, labels, NOW_MS + i), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
	}
	assert_int_equal(series_in_store(), 1);
}

static void rules_are_asked_about_the_series_without_its_replica(void **state)
{
	static const char *const drop[] = {"{__replica__!=\"\"}", "{job=\"y\"}"};

	config.ha = true;
	config.drop = (struct ingest_selector_list){drop, 2};
	open_all();
	for (int round = 0; round < 4; round++) {
		int version = 1 + round % 2;
		assert_int_equal(send_one(version, A, NOW_MS + round), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		assert_int_equal(send_one(version, "__name__=up,__replica__=a,cluster=one,job=y",
					 NOW_MS + round),
			STATUS_OK);
		assert_int_equal(counts.dropped, 1);
		assert_int_equal(send_one(version, "__name__=up,__replica__=b,cluster=one,job=y",
					 NOW_MS + round),
			STATUS_OK);
		assert_int_equal(counts.replica, 1);
	}
}

static void opening_without_memory_is_an_answer(void **state)
{
	static const char *const list[] = {"up", "{job=~\"a.*\"}"};
	long nth = 1;

	config.keep = (struct ingest_selector_list){list, 2};
	config.drop = (struct ingest_selector_list){list, 1};
	config.ha = true;
	for (;; nth++) {
		struct ingest_rules *other;
		mem_fail_after(nth, false);
		error_reset(&error);
		other = ingest_rules_open(&config, &error);
		if (!mem_fail_after(0, false) || other != NULL) {
			ingest_rules_close(other);
			break;
		}
		assert_int_equal(error.code, STATUS_NO_MEMORY);
	}
	assert_true(nth > 8);
}

static void memory_that_runs_out_decides_nothing_for_good(void **state)
{
	static const char *const list[] = {"{job=~\"x.*\"}"};
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		teardown(state);
		config.keep = (struct ingest_selector_list){list, 1};
		config.ha = true;
		open_all();
		write_body_simple(&first, A, NOW_MS, 1);
		write_body_simple(&first, "__name__=up,__replica__=a,cluster=one,job=y", NOW_MS, 1);
		write_body_snappy(&first, &block);
		mem_fail_after(nth, false);
		enum status status =
			ingest_request(ingest, V1, NULL, block.bytes, block.size, &counts, &error);
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || (reached && status == STATUS_NO_MEMORY));
		assert_int_equal(ingest_request(ingest, V1, NULL, block.bytes, block.size, &counts,
					 &error),
			STATUS_OK);
		assert_int_equal(counts.samples, 1);
		assert_int_equal(counts.dropped, 1);
		assert_int_equal(series_in_store(), 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_series_is_kept_when_one_selector_keeps_it_and_none_drops_it),
		TEST(what_is_dropped_is_decided_once_and_takes_no_memory),
		TEST(many_new_series_of_one_request_are_each_decided),
		TEST(where_many_are_dropped_the_others_lose_nothing),
		TEST(all_samples_of_a_dropped_series_are_counted),
		TEST(invalid_labels_are_refused_before_the_rules_are_asked),
		TEST(more_dropped_series_than_are_remembered_are_dropped_all_the_same),
		TEST(a_selector_that_is_none_is_named),
		TEST(the_first_replica_is_elected_and_the_other_one_set_aside),
		TEST(after_thirty_seconds_of_silence_the_other_one_takes_over),
		TEST(clusters_are_elected_apart),
		TEST(a_request_of_several_replicas_is_taken_series_by_series),
		TEST(a_series_without_one_of_the_labels_is_taken_as_it_is),
		TEST(labels_written_in_another_form_hide_no_replica),
		TEST(a_replica_named_twice_is_refused),
		TEST(more_clusters_than_there_is_room_for_are_refused_by_name),
		TEST(replicas_that_come_and_go_do_not_fill_the_table),
		TEST(rules_are_asked_about_the_series_without_its_replica),
		TEST(opening_without_memory_is_an_answer),
		TEST(memory_that_runs_out_decides_nothing_for_good),
	};

	return cmocka_run_group_tests_name("ingest_rules", tests, NULL, NULL);
}
