/*
 * The whole way of a remote-write body into a store of small limits.
 *
 * Each input is taken twice: as a snappy block, and as a request that is wrapped into a block of
 * literals, so that protobuf is reached without the fuzzer having to invent snappy. What is
 * checked besides crashes: the counts add up, a refusal has words in one line, and a body that is
 * sent again stores nothing more.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "remote_write/ingest.h"
#include "tests/support/write_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

#define NOW_MS INT64_C(1700000000000)
#define INPUT_MAX ((size_t)1 << 17)

static const struct ingest_limits limits = {
	.body_max = 1 << 18,
	.decoded_max = 1 << 20,
	.labels_max = 8,
	.label_name_max = 32,
	.label_value_max = 64,
	.series_max = 50,
};

static void check_counts(const struct ingest_counts *counts)
{
	uint64_t results = 0;

	for (int result = 0; result < APPEND_RESULT_COUNT; result++)
		results += counts->results[result];
	CHECK(results == counts->samples);
	CHECK(counts->invalid_series <= counts->series);
	CHECK(counts->series <= limits.series_max);
	CHECK(counts->decoded_bytes <= limits.decoded_max);
}

static void send_twice(struct ingest *ingest, const uint8_t *body, size_t size)
{
	struct ingest_counts counts, again;
	struct error error = {.text = ""};
	enum status status = ingest_request(ingest, NULL, NULL, body, size, &counts, &error);

	CHECK(status == STATUS_OK || status == STATUS_BAD_INPUT || status == STATUS_LIMIT ||
		status == STATUS_TOO_LARGE);
	CHECK(status == STATUS_OK || (error.text[0] != '\0' && strchr(error.text, '\n') == NULL));
	check_counts(&counts);
	CHECK(ingest_request(ingest, NULL, NULL, body, size, &again, &error) == status);
	check_counts(&again);
	CHECK(again.samples == counts.samples && again.series == counts.series);
	CHECK(again.results[APPEND_STORED] == 0 && again.results[APPEND_STALE_MARKER] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	const struct store_limits store_limits = {
		.memory_max = 1 << 20,
		.series_max = 20,
		.retention_ms = 60 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	static struct write_body request, block;
	struct clock_manual manual;
	struct store *store;
	struct ingest *ingest;

	if (input_size > INPUT_MAX)
		return 0;
	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, NULL);
	CHECK(store != NULL);
	ingest = ingest_open(store, &limits, NULL);
	CHECK(ingest != NULL);
	send_twice(ingest, input, input_size);
	write_body_reset(&request);
	write_body_bytes(&request, input, input_size);
	write_body_snappy(&request, &block);
	send_twice(ingest, block.bytes, block.size);
	ingest_close(ingest);
	store_close(store);
	return 0;
}
