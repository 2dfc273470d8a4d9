/*
 * The whole way of a remote-write 2.0 body into a store of small limits, and that of a 1.0 body where
 * rules are in force: HA pairs, dropped series, native histograms and exemplars kept.
 *
 * Each input is taken as a snappy block of 2.0, and wrapped into a block of literals as 2.0 without
 * rules, as 2.0 with rules and as 1.0 with rules. What is checked besides crashes: the counts add up,
 * no more is told as written than was received, a refusal has words in one line, a body that is sent
 * again stores nothing more, and what is kept of histograms can be read back.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "store/exemplar.h"
#include "store/histogram.h"
#include "store/histogram_window.h"
#include "store/start.h"
#include "tests/support/write_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

#define NOW_MS INT64_C(1700000000000)
#define INPUT_MAX ((size_t)1 << 17)
#define V1 "application/x-protobuf"
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static const struct ingest_limits limits = {
	.body_max = 1 << 18,
	.decoded_max = 1 << 20,
	.labels_max = 8,
	.label_name_max = 32,
	.label_value_max = 64,
	.series_max = 50,
	.symbols_max = 200,
};

struct world {
	struct clock_manual manual;
	struct store *store;
	struct records *histograms, *exemplars;
	struct starts *starts;
	struct ingest_rules *rules;
	struct ingest *ingest;
};

static void open_world(struct world *world, bool with_rules)
{
	static const char *const drop[] = {"{drop=~\".+\"}"}, *const all[] = {"{__name__=~\".+\"}"};
	const struct store_limits store_limits = {
		.memory_max = 2 << 20,
		.series_max = 20,
		.retention_ms = 60 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct records_limits record_limits = {.keep_max = 3,
		.bytes_max = 1 << 19,
		.same_time = true};
	struct ingest_rules_config config = {
		.drop = {drop, 1},
		.dropped_max = 10,
		.ha = true,
		.cluster_label = "cluster",
		.replica_label = "__replica__",
		.failover_ms = 30000,
		.cluster_max = 2,
		.clock = &world->manual.clock,
		.histograms = {all, 1},
		.exemplars = {all, 1},
	};

	*world = (struct world){.store = NULL};
	clock_manual_init(&world->manual, NOW_MS);
	world->store = store_open(&store_limits, &world->manual.clock, NULL);
	world->ingest = world->store == NULL ? NULL : ingest_open(world->store, &limits, NULL);
	CHECK(world->ingest != NULL);
	if (!with_rules)
		return;
	world->histograms = records_open(world->store, "histogram", &record_limits, NULL);
	world->exemplars = records_open(world->store, "exemplar", &record_limits, NULL);
	world->starts = starts_open(world->store, NULL);
	config.histogram_records = world->histograms;
	config.exemplar_records = world->exemplars;
	config.starts = world->starts;
	world->rules = ingest_rules_open(&config, NULL);
	CHECK(world->rules != NULL);
	CHECK(ingest_use_rules(world->ingest, world->rules, NULL) == STATUS_OK);
}

static void close_world(struct world *world)
{
	ingest_close(world->ingest);
	ingest_rules_close(world->rules);
	records_close(world->histograms);
	records_close(world->exemplars);
	starts_close(world->starts);
	store_close(world->store);
}

static void check_counts(const struct ingest_counts *counts)
{
	uint64_t results = 0, records = 0;

	for (int result = 0; result < APPEND_RESULT_COUNT; result++)
		results += counts->results[result];
	CHECK(results == counts->samples);
	for (int result = 0; result < RECORD_RESULT_COUNT; result++)
		records += counts->histogram_results[result];
	CHECK(records + counts->histograms_refused <= counts->histograms);
	CHECK(counts->invalid_series <= counts->series);
	CHECK(counts->series <= limits.series_max);
	CHECK(counts->samples_written <= counts->samples + counts->dropped + counts->replica);
	CHECK(counts->histograms_written <= counts->histograms);
	CHECK(counts->exemplars_written <= counts->exemplars);
}

static void send_twice(struct ingest *ingest, const char *type, const uint8_t *body, size_t size)
{
	struct ingest_counts counts, again;
	struct error error = {.text = ""};
	enum status status = ingest_request(ingest, type, NULL, body, size, &counts, &error);

	CHECK(status == STATUS_OK || status == STATUS_BAD_INPUT || status == STATUS_LIMIT ||
		status == STATUS_TOO_LARGE);
	CHECK(status == STATUS_OK || (error.text[0] != '\0' && strchr(error.text, '\n') == NULL));
	check_counts(&counts);
	CHECK(ingest_request(ingest, type, NULL, body, size, &again, &error) == status);
	check_counts(&again);
	CHECK(again.series == counts.series && again.samples == counts.samples);
	CHECK(again.dropped == counts.dropped && again.replica == counts.replica);
	CHECK(again.results[APPEND_STORED] == 0 && again.results[APPEND_STALE_MARKER] == 0);
}

/* What came within a window is a histogram, too. */
static void read_window(struct histogram *observed, const struct buf *copy)
{
	enum status status = histogram_window(copy, observed, NULL);

	CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND);
	if (status != STATUS_OK || observed->is_float)
		return;
	CHECK(histogram_check(observed, NULL) == STATUS_OK);
	CHECK(!(histogram_quantile(observed, 0.1) > histogram_quantile(observed, 0.9)));
}

/* All that was kept can be read, and quantiles lie in order. */
static void read_back(struct world *world)
{
	struct histogram *histogram = mem_alloc(sizeof(*histogram));
	struct record record;
	struct buf copy;

	CHECK(histogram != NULL);
	buf_init(&copy, 1 << 20);
	for (uint32_t series = 0; series < 40; series++) {
		struct exemplar exemplar;
		size_t at = 0;
		buf_reset(&copy);
		CHECK(records_copy(world->histograms, series, INT64_MIN, INT64_MAX, &copy) ==
			STATUS_OK);
		while (record_next(&copy, &at, &record)) {
			double low, high;
			histogram_decode(histogram, record.bytes, record.size);
			CHECK(histogram_check(histogram, NULL) == STATUS_OK);
			low = histogram_quantile(histogram, 0.1);
			high = histogram_quantile(histogram, 0.9);
			CHECK(!(low > high) || histogram->is_float);
		}
		read_window(histogram, &copy);
		at = 0;
		buf_reset(&copy);
		CHECK(records_copy(world->exemplars, series, INT64_MIN, INT64_MAX, &copy) ==
			STATUS_OK);
		while (record_next(&copy, &at, &record))
			exemplar_decode(&exemplar, record.bytes, record.size);
	}
	buf_fini(&copy);
	mem_free(histogram);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static struct write_body request, block;
	struct world world;

	if (input_size > INPUT_MAX)
		return 0;
	write_body_reset(&request);
	write_body_bytes(&request, input, input_size);
	write_body_snappy(&request, &block);
	open_world(&world, false);
	send_twice(world.ingest, V2, input, input_size);
	send_twice(world.ingest, V2, block.bytes, block.size);
	close_world(&world);
	for (int version = 1; version <= 2; version++) {
		open_world(&world, true);
		send_twice(world.ingest, version == 1 ? V1 : V2, block.bytes, block.size);
		read_back(&world);
		close_world(&world);
	}
	return 0;
}
