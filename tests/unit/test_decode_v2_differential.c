/*
 * Our decoder of remote write 2.0 against protobuf-c's generated one, on generated bodies and on
 * the same bodies with bytes changed.
 *
 * Both must give the same verdict on each body, and the same content when they take it. Three
 * differences are intended and checked to be nothing else: we refuse field number 0 written in
 * more than one byte and field numbers past 2^29 - 1, both of which protobuf forbids, and field 1 of
 * the request, which is that of remote write 1.0.
 *
 * What series_v2_plain() says of a frame must be what series_v2_read() says, key and all, and it must
 * say something of the frames that senders make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote_write/decode_v2.h"
#include "remote_write_v2.pb-c.h"
#include "tests/support/wild_body.h"

#define FRAMES_MAX 512
#define REFERENCES_MAX 64
#define BODIES 6000
#define MUTATIONS 25
#define TODAY INT64_C(1700000000000)

static struct clock_manual manual;
static struct store *store;
static struct symbols symbols;
static unsigned plain_frames;

static int setup(void **state)
{
	const struct store_limits limits = {
		.memory_max = 1 << 20,
		.series_max = 10,
		.retention_ms = 1000,
		.interval_ms = 1000,
		.ended_keep_ms = 1000,
		.future_max_ms = 1000,
	};

	clock_manual_init(&manual, TODAY);
	store = store_open(&limits, &manual.clock, NULL);
	assert_non_null(store);
	plain_frames = 0;
	return symbols_init(&symbols, store, 100000, REFERENCES_MAX, NULL) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
	symbols_fini(&symbols);
	store_close(store);
	return 0;
}

static void fill_sample(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		if (wild_chance(50))
			wild_bits(body, 1, wild_any_bits());
		if (wild_chance(50))
			wild_number(body, 2, wild_any_number());
		if (wild_chance(20))
			wild_number(body, 3, wild_any_number());
	}
}

/* As senders write it. */
static void fill_honest_sample(struct wild_body *body, unsigned fields)
{
	if (wild_chance(80))
		wild_bits(body, 1, wild_any_bits());
	wild_number(body, 2, (uint64_t)TODAY + wild_below(1000000));
	if (wild_chance(30))
		wild_number(body, 3, (uint64_t)TODAY - wild_below(1000000));
}

static void fill_histogram(struct wild_body *body, unsigned fields)
{
	wild_histogram(body, fields, true);
}

static void fill_exemplar(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		if (wild_chance(50))
			wild_numbers(body, 1, false, wild_chance(90) ? 40 : 0);
		if (wild_chance(50))
			wild_bits(body, 2, wild_any_bits());
		if (wild_chance(50))
			wild_number(body, 3, wild_any_number());
	}
}

static void fill_metadata(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		wild_number(body,
			wild_chance(30)           ? 1
				: wild_chance(50) ? 3
						  : 4,
			wild_chance(90) ? wild_below(30) : wild_any_number());
	}
}

static void fill_series(struct wild_body *body, unsigned fields)
{
	static wild_fill_fn *const fills[] = {fill_sample, fill_histogram, fill_exemplar,
		fill_metadata};

	if (wild_chance(60)) {
		uint8_t references[REFERENCES_MAX];
		size_t count = wild_below(12) * 2, size = 0;
		for (size_t i = 0; i < count; i++)
			size = (size_t)(wire_put_varint(references + size,
						wild_chance(95) ? wild_below(20)
								: wild_below(500)) -
				references);
		wild_bytes(body, 1, references, size);
		wild_message(body, 2, fill_honest_sample);
		if (wild_chance(20))
			wild_message(body, 5, fill_metadata);
		return;
	}
	for (unsigned i = 0; i < fields * 2; i++) {
		uint32_t field = 1 + (uint32_t)wild_below(7);
		if (field == 7)
			wild_unknown(body);
		else if (field == 6)
			wild_number(body, field, wild_any_number());
		else if (field == 1)
			wild_numbers(body, field, false, wild_chance(80) ? 300 : 0);
		else
			wild_message(body, field, fills[field - 2]);
	}
}

static void fill_request(struct wild_body *body)
{
	unsigned fields = (unsigned)wild_below(60);

	body->size = 0;
	for (unsigned i = 0; i < fields && body->size < WILD_BODY_MAX / 4; i++) {
		if (wild_chance(5))
			wild_unknown(body);
		else if (wild_chance(60))
			wild_text(body, 4);
		else
			wild_message(body, 5, fill_series);
	}
}

/* What both decoders say of a body, for comparing: counted, and summed in order. */
struct content {
	uint64_t symbols, series, references, samples, exemplars, histograms;
	uint64_t symbol_sum, series_sum, side_sum;
};

static void sum_bytes(uint64_t *sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	*sum = (*sum ^ size) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < size; i++)
		*sum = (*sum ^ at[i]) * UINT64_C(0x100000001b3);
}

static void sum_sample(struct content *content, int64_t t_ms, double value, int64_t start_ms,
	int64_t created_ms)
{
	int64_t start = start_ms != 0 ? start_ms : created_ms;

	sum_bytes(&content->series_sum, &t_ms, sizeof(t_ms));
	sum_bytes(&content->series_sum, &value, sizeof(value));
	sum_bytes(&content->series_sum, &start, sizeof(start));
	content->samples++;
}

/* What the references of exemplars and metadata come to. */
static void sum_side(struct content *content, uint32_t largest, bool odd)
{
	sum_bytes(&content->side_sum, &largest, sizeof(largest));
	sum_bytes(&content->side_sum, &odd, sizeof(odd));
}

static void read_reference_series(const WriteV2__TimeSeries *series, struct content *content)
{
	uint32_t largest = 0;
	bool odd = false;

	content->exemplars += series->n_exemplars;
	content->histograms += series->n_histograms;
	content->references += series->n_labels_refs;
	sum_bytes(&content->series_sum, series->labels_refs,
		series->n_labels_refs * sizeof(uint32_t));
	for (size_t k = 0; k < series->n_samples; k++)
		sum_sample(content, series->samples[k]->timestamp, series->samples[k]->value,
			series->samples[k]->start_timestamp, series->created_timestamp);
	for (size_t k = 0; k < series->n_exemplars; k++) {
		const WriteV2__Exemplar *exemplar = series->exemplars[k];
		odd |= exemplar->n_labels_refs % 2 != 0;
		for (size_t n = 0; n < exemplar->n_labels_refs; n++)
			if (exemplar->labels_refs[n] > largest)
				largest = exemplar->labels_refs[n];
	}
	sum_side(content, largest, odd);
}

static bool read_reference(const struct wild_body *body, struct content *content)
{
	WriteV2__Request *request = write_v2__request__unpack(NULL, body->size, body->bytes);

	*content = (struct content){.series = 0};
	if (request == NULL)
		return false;
	content->symbols = request->n_symbols;
	content->series = request->n_timeseries;
	for (size_t i = 0; i < request->n_symbols; i++)
		sum_bytes(&content->symbol_sum, request->symbols[i].data, request->symbols[i].len);
	for (size_t i = 0; i < request->n_timeseries; i++)
		read_reference_series(request->timeseries[i], content);
	write_v2__request__free_unpacked(request, NULL);
	return true;
}

static bool in_range(const uint32_t *references, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (references[i] >= symbols.count)
			return false;
	return true;
}

static void check_plain(struct wire frame, const struct series_v2 *series,
	const uint32_t *references)
{
	struct plain_v2 plain;
	struct store_key key;

	if (!series_v2_plain(&frame, &symbols, &plain))
		return;
	plain_frames++;
	assert_int_equal(series->sample_count, 1);
	assert_int_equal(series->exemplar_count + series->histogram_count, 0);
	assert_int_equal(series->reference_count % 2, 0);
	assert_int_equal(series->created_ms, 0);
	assert_int_equal(plain.metadata, series->metadata_count);
	assert_true(series->reference_count <= REFERENCES_MAX);
	assert_true(in_range(references, series->reference_count));
	assert_true(series->metadata_count == 0 || series->side_reference_max < symbols.count);
	assert_memory_equal(&plain.sample, &series->first, sizeof(plain.sample));
	key = symbols_key(&symbols, references, series->reference_count, UINT32_MAX);
	assert_memory_equal(&plain.key, &key, sizeof(key));
}

static const char *read_series(struct wire frame, struct content *content)
{
	uint32_t references[4096 + 8];
	struct exemplar_v2 exemplar;
	struct sample_v2 sample;
	struct series_v2 series;
	struct wire walked = frame, rest, inside;
	uint32_t samples = 0, exemplars = 0, histograms = 0, largest = 0;

	if (!series_v2_read(&series, &walked, references, 4096)) {
		struct plain_v2 plain;
		assert_false(series_v2_plain(&frame, &symbols, &plain));
		return walked.fault;
	}
	assert_true(series.reference_count <= 4096);
	sum_bytes(&content->series_sum, references, series.reference_count * sizeof(uint32_t));
	rest = series_v2_samples(&series);
	while (series_v2_sample(&series, &rest, &sample)) {
		if (samples++ == 0)
			assert_memory_equal(&sample, &series.first, sizeof(sample));
		sum_sample(content, sample.t_ms, sample.value, sample.start_ms, 0);
	}
	for (rest = series.frame; series_v2_exemplar(&rest, &exemplar, references + 4096, 8);)
		exemplars++;
	for (rest = series.frame; series_v2_histogram(&rest, &inside);)
		histograms++;
	assert_int_equal(samples, series.sample_count);
	assert_int_equal(exemplars, series.exemplar_count);
	assert_int_equal(histograms, series.histogram_count);
	/* Metadata that stands twice is merged by the reference: only exemplars are compared. */
	largest = series.metadata_count == 0 ? series.side_reference_max : 0;
	sum_side(content, largest, series.side_odd);
	check_plain(frame, &series, references);
	content->references += series.reference_count;
	content->exemplars += exemplars;
	content->histograms += histograms;
	content->series++;
	return NULL;
}

/* NULL when taken, the fault otherwise. */
static const char *read_ours(const struct wild_body *body, struct content *content)
{
	static struct wire frames[FRAMES_MAX];
	struct wire rest = wire_of(body->bytes, body->size);
	size_t count;

	*content = (struct content){.series = 0};
	symbols_reset(&symbols);
	assert_int_equal(decode_v2_symbols(rest, &symbols, store), STATUS_OK);
	content->symbols = symbols.count;
	for (uint32_t i = 0; i < symbols.count; i++)
		sum_bytes(&content->symbol_sum, symbols.texts[i].text, symbols.texts[i].size);
	count = decode_v2_frames(&rest, frames, FRAMES_MAX);
	assert_true(count < FRAMES_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *fault = read_series(frames[i], content);
		if (fault != NULL)
			return fault;
	}
	return rest.fault;
}

static bool is_intended(const char *fault)
{
	return strcmp(fault, "field number 0 is illegal") == 0 ||
		strcmp(fault, "a field number is too large") == 0 ||
		strstr(fault, "remote write 1.0") != NULL;
}

struct tally {
	uint64_t taken, refused, intended;
};

/* The sum of the exemplars' references is left out where metadata hides it. */
static bool has_metadata(const struct wild_body *body)
{
	WriteV2__Request *request = write_v2__request__unpack(NULL, body->size, body->bytes);
	bool found = false;

	for (size_t i = 0; request != NULL && i < request->n_timeseries; i++)
		found |= request->timeseries[i]->metadata != NULL;
	if (request != NULL)
		write_v2__request__free_unpacked(request, NULL);
	return found;
}

static void compare(const struct wild_body *source, struct tally *tally)
{
	/* In a block of exactly its size, so that AddressSanitizer sees a read past the end. */
	struct wild_body *body = mem_alloc(offsetof(struct wild_body, bytes) + source->size);
	struct content ours, reference;
	const char *fault;
	bool taken;

	assert_non_null(body);
	body->size = source->size;
	memcpy(body->bytes, source->bytes, source->size);
	fault = read_ours(body, &ours);
	taken = read_reference(body, &reference);
	if (fault != NULL && taken && is_intended(fault)) {
		tally->intended++;
	} else {
		if ((fault == NULL) != taken)
			fail_msg("protobuf-c %s a body of %zu bytes, our fault is: %s",
				taken ? "takes" : "refuses", body->size,
				fault == NULL ? "none" : fault);
		if (taken && has_metadata(body))
			ours.side_sum = reference.side_sum = 0;
		if (taken)
			assert_memory_equal(&ours, &reference, sizeof(ours));
		tally->taken += taken;
		tally->refused += !taken;
	}
	mem_free(body);
}

static void generated_bodies_decode_to_the_same_content(void **state)
{
	static struct wild_body body;
	struct tally tally = {0, 0, 0};

	for (uint64_t seed = 1; seed <= BODIES; seed++) {
		wild_seed(seed, seed % 3 == 0);
		fill_request(&body);
		compare(&body, &tally);
	}
	/* Nothing that the writer makes is malformed. */
	assert_int_equal(tally.taken, BODIES);
	assert_true(plain_frames > 5000);
}

static void changed_bodies_get_the_same_verdict_and_content(void **state)
{
	static struct wild_body body, changed;
	struct tally tally = {0, 0, 0};

	for (uint64_t seed = 1; seed <= BODIES / 4; seed++) {
		wild_seed(seed, seed % 3 == 0);
		fill_request(&body);
		for (unsigned i = 0; i < MUTATIONS && body.size > 0; i++) {
			changed = body;
			for (unsigned k = 0; k <= i % 3 && changed.size > 0; k++)
				wild_mutate(&changed);
			compare(&changed, &tally);
		}
	}
	/* The test is blind when all of them fall on one side. */
	assert_true(tally.taken > 5000 && tally.refused > 5000);
	assert_true(tally.intended < tally.taken / 10);
	assert_true(plain_frames > 5000);
}

static void random_bytes_get_the_same_verdict(void **state)
{
	static struct wild_body body;
	struct tally tally = {0, 0, 0};

	wild_seed(77, false);
	for (unsigned i = 0; i < 20000; i++) {
		body.size = wild_below(40);
		for (size_t k = 0; k < body.size; k++)
			body.bytes[k] =
				(uint8_t)(wild_chance(50) ? wild_below(48) : wild_below(256));
		compare(&body, &tally);
	}
	assert_true(tally.refused > 1000);
}

static void a_request_of_1_0_is_refused_by_us_alone(void **state)
{
	static struct wild_body body;
	struct tally tally = {0, 0, 0};

	body.size = 0;
	wild_bytes(&body, 1, "", 0);
	compare(&body, &tally);
	assert_int_equal(tally.intended, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(generated_bodies_decode_to_the_same_content),
		TEST(changed_bodies_get_the_same_verdict_and_content),
		TEST(random_bytes_get_the_same_verdict),
		TEST(a_request_of_1_0_is_refused_by_us_alone),
	};

	return cmocka_run_group_tests_name("decode_v2_differential", tests, NULL, NULL);
}
