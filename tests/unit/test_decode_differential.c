/*
 * Our decoder of remote write 1.0 against protobuf-c's generated one, on generated bodies and on
 * the same bodies with bytes changed.
 *
 * Both must give the same verdict on each body, and the same content when they take it. Two
 * differences are intended and checked to be nothing else: we refuse field number 0 written in
 * more than one byte, and field numbers past 2^29 - 1, both of which protobuf forbids and
 * protobuf-c lets pass as unknown fields. UTF-8 is checked by neither; groups are refused by both.
 *
 * Bodies come from a writer of their own (wild_body.h), which makes what no honest sender would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote_write/decode_v1.h"
#include "remote_write_v1.pb-c.h"
#include "tests/support/wild_body.h"

#define FRAMES_MAX 512

#define BODIES 6000
#define MUTATIONS 25

static void fill_label(struct wild_body *body, unsigned fields)
{
	if (wild_chance(80)) {
		wild_text(body, 1);
		wild_text(body, 2);
		return;
	}
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(20))
			wild_unknown(body);
		wild_text(body, wild_chance(50) ? 1 : 2);
	}
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
	}
}

static void fill_exemplar(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		if (wild_chance(50))
			wild_message(body, 1, fill_label);
		if (wild_chance(50))
			wild_bits(body, 2, wild_any_bits());
		if (wild_chance(50))
			wild_number(body, 3, wild_any_number());
	}
}

static void fill_histogram(struct wild_body *body, unsigned fields)
{
	wild_histogram(body, fields, false);
}

static void fill_series(struct wild_body *body, unsigned fields)
{
	static wild_fill_fn *const fills[] = {fill_label, fill_sample, fill_exemplar,
		fill_histogram};
	unsigned labels = 1 + (unsigned)wild_below(8);

	if (wild_chance(60)) {
		for (unsigned i = 0; i < labels; i++)
			wild_message(body, 1, fill_label);
		wild_message(body, 2, fill_sample);
		return;
	}
	for (unsigned i = 0; i < fields * 2; i++) {
		uint32_t field = 1 + (uint32_t)wild_below(5);
		if (field == 5)
			wild_unknown(body);
		else
			wild_message(body, field, fills[field - 1]);
	}
}

static void fill_metadata(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		if (wild_chance(50))
			wild_number(body, 1, wild_any_number());
		wild_text(body, wild_chance(50) ? 2 : wild_chance(50) ? 4 : 5);
	}
}

static void fill_request(struct wild_body *body)
{
	unsigned fields = (unsigned)wild_below(12);

	body->size = 0;
	for (unsigned i = 0; i < fields && body->size < WILD_BODY_MAX / 4; i++) {
		if (wild_chance(10))
			wild_unknown(body);
		else if (wild_chance(15))
			wild_message(body, 3, fill_metadata);
		else
			wild_message(body, 1, fill_series);
	}
}

/* What both decoders say of a body, for comparing: counted, and summed in order. */
struct content {
	uint64_t series, labels, samples, exemplars, histograms, metadata, sum;
};

static void sum_bytes(struct content *content, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	content->sum = (content->sum ^ size) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < size; i++)
		content->sum = (content->sum ^ at[i]) * UINT64_C(0x100000001b3);
}

static void sum_sample(struct content *content, int64_t t_ms, double value)
{
	sum_bytes(content, &t_ms, sizeof(t_ms));
	sum_bytes(content, &value, sizeof(value));
	content->samples++;
}

static bool read_reference(const struct wild_body *body, struct content *content)
{
	Prometheus__WriteRequest *request =
		prometheus__write_request__unpack(NULL, body->size, body->bytes);

	*content = (struct content){.series = 0};
	if (request == NULL)
		return false;
	content->series = request->n_timeseries;
	content->metadata = request->n_metadata;
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const Prometheus__TimeSeries *series = request->timeseries[i];
		content->exemplars += series->n_exemplars;
		content->histograms += series->n_histograms;
		for (size_t k = 0; k < series->n_labels; k++) {
			const Prometheus__Label *label = series->labels[k];
			sum_bytes(content, label->name.data, label->name.len);
			sum_bytes(content, label->value.data, label->value.len);
			content->labels++;
		}
		for (size_t k = 0; k < series->n_samples; k++)
			sum_sample(content, series->samples[k]->timestamp,
				series->samples[k]->value);
	}
	prometheus__write_request__free_unpacked(request, NULL);
	return true;
}

/* What the guess says must be what the walk says, whenever its bytes are a run of labels. */
static void check_tail(struct wire frame, const struct series_view *view)
{
	struct decoded_sample sample;
	size_t size = series_tail(&frame, &sample);

	if (size == 0 || !view->labels_together || view->labels.at != frame.at ||
		size != wire_left(&view->labels))
		return;
	assert_int_equal(view->sample_count, 1);
	assert_int_equal(view->exemplar_count + view->histogram_count, 0);
	assert_int_equal(sample.t_ms, view->first.t_ms);
	assert_memory_equal(&sample.value, &view->first.value, sizeof(double));
}

static const char *read_series(struct wire frame, struct content *content)
{
	struct decoded_sample sample;
	struct series_view view;
	struct wire walked = frame;
	struct label label;
	uint32_t labels = 0, samples = 0;
	struct wire rest;

	if (!series_view_init(&view, &walked))
		return walked.fault;
	rest = view.frame;
	while (series_view_label(&rest, &label)) {
		sum_bytes(content, label.name, label.name_size);
		sum_bytes(content, label.value, label.value_size);
		labels++;
	}
	if (rest.fault != NULL)
		return rest.fault;
	rest = series_view_samples(&view);
	while (series_view_sample(&rest, &sample)) {
		if (samples++ == 0)
			assert_memory_equal(&sample, &view.first, sizeof(sample));
		sum_sample(content, sample.t_ms, sample.value);
	}
	assert_null(rest.fault);
	assert_int_equal(labels, view.label_count);
	assert_int_equal(samples, view.sample_count);
	check_tail(frame, &view);
	content->labels += labels;
	content->exemplars += view.exemplar_count;
	content->histograms += view.histogram_count;
	content->series++;
	return NULL;
}

/* NULL when taken, the fault otherwise. */
static const char *read_ours(const struct wild_body *body, struct content *content)
{
	static struct wire frames[FRAMES_MAX];
	struct decode_v1 decode = decode_v1_of(body->bytes, body->size);
	size_t count = decode_v1_frames(&decode, frames, FRAMES_MAX);

	*content = (struct content){.metadata = decode.metadata};
	assert_true(count < FRAMES_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *fault = read_series(frames[i], content);
		if (fault != NULL)
			return fault;
	}
	return decode.wire.fault;
}

static bool is_intended(const char *fault)
{
	return strcmp(fault, "field number 0 is illegal") == 0 ||
		strcmp(fault, "a field number is too large") == 0;
}

struct tally {
	uint64_t taken, refused, intended;
};

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
	assert_true(tally.intended < tally.taken / 20);
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
				(uint8_t)(wild_chance(50) ? wild_below(32) : wild_below(256));
		compare(&body, &tally);
	}
	assert_true(tally.refused > 1000);
}

static void intended_differences_are_refused_by_us_alone(void **state)
{
	static const char *const bodies[] = {"\x80\x80\x00\x01", "\xf8\xff\xff\xff\x7f\x01"};
	static struct wild_body body;

	for (size_t i = 0; i < 2; i++) {
		struct tally tally = {0, 0, 0};
		body.size = 0;
		wild_put(&body, bodies[i], i == 0 ? 4 : 6);
		compare(&body, &tally);
		assert_int_equal(tally.intended, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_bodies_decode_to_the_same_content),
		cmocka_unit_test(changed_bodies_get_the_same_verdict_and_content),
		cmocka_unit_test(random_bytes_get_the_same_verdict),
		cmocka_unit_test(intended_differences_are_refused_by_us_alone),
	};

	return cmocka_run_group_tests_name("decode_differential", tests, NULL, NULL);
}
