/*
 * Our decoder of remote write 1.0 against protobuf-c's generated one, on generated bodies and on
 * the same bodies with bytes changed.
 *
 * Both must give the same verdict on each body, and the same content when they take it. Two
 * differences are intended and checked to be nothing else: we refuse field number 0 written in
 * more than one byte, and field numbers past 2^29 - 1, both of which protobuf forbids and
 * protobuf-c lets pass as unknown fields. UTF-8 is checked by neither; groups are refused by both.
 *
 * Bodies come from a writer of their own here, which makes what no honest sender would: fields in
 * any order and repeated, labels after samples, unknown fields of all types, packed and unpacked
 * numbers, varints and lengths longer than needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "remote_write/decode_v1.h"
#include "remote_write_v1.pb-c.h"

#define BODY_MAX 65536
#define FRAMES_MAX 512

#define BODIES 6000
#define MUTATIONS 25

struct body {
	size_t size;
	uint8_t bytes[BODY_MAX];
};

static struct random seeded;
static bool loose; /* write longer varints than needed now and then */

static bool chance(unsigned percent)
{
	return random_below(&seeded, 100) < percent;
}

static void put(struct body *body, const void *bytes, size_t size)
{
	assert_true(size <= sizeof(body->bytes) - body->size);
	if (size > 0)
		memcpy(body->bytes + body->size, bytes, size);
	body->size += size;
}

static void put_varint(struct body *body, uint64_t value, unsigned bytes_max)
{
	uint8_t bytes[WIRE_VARINT_MAX + 1];
	size_t size = (size_t)(wire_put_varint(bytes, value) - bytes);

	if (loose && size < bytes_max && chance(5)) {
		bytes[size - 1] |= 0x80;
		bytes[size++] = 0;
	}
	put(body, bytes, size);
}

static void put_tag(struct body *body, uint32_t field, unsigned type)
{
	put_varint(body, (uint64_t)field << 3 | type, 5);
}

static void put_bytes(struct body *body, uint32_t field, const void *bytes, size_t size)
{
	put_tag(body, field, WIRE_BYTES);
	put_varint(body, size, 5);
	put(body, bytes, size);
}

static void put_number(struct body *body, uint32_t field, uint64_t value)
{
	put_tag(body, field, WIRE_VARINT);
	put_varint(body, value, 10);
}

static void put_bits(struct body *body, uint32_t field, uint64_t bits)
{
	put_tag(body, field, WIRE_FIXED64);
	for (unsigned i = 0; i < 8; i++)
		put(body, &(uint8_t){(uint8_t)(bits >> (8 * i))}, 1);
}

static uint64_t any_number(void)
{
	switch (random_below(&seeded, 6)) {
	case 0:
		return 0;
	case 1:
		return random_below(&seeded, 200);
	case 2:
		return 1700000000000 + random_below(&seeded, 1000000);
	case 3:
		return (uint64_t) - (int64_t)random_below(&seeded, 100000);
	case 4:
		return UINT64_C(1) << random_below(&seeded, 64);
	default:
		return random_u64(&seeded);
	}
}

static uint64_t any_bits(void)
{
	static const double plain[] = {0, 1, -1, 0.5, 1e300};
	uint64_t bits;

	if (chance(10))
		return UINT64_C(0x7ff0000000000002);
	if (chance(30))
		return random_u64(&seeded);
	memcpy(&bits, &plain[random_below(&seeded, 5)], sizeof(bits));
	return bits;
}

/* An unknown field of this message: a number from 20 on, sometimes a large one. */
static void put_unknown(struct body *body)
{
	uint32_t field = chance(20) ? (uint32_t)random_below(&seeded, (1 << 29) - 100) + 50
				    : 20 + (uint32_t)random_below(&seeded, 30);

	switch (random_below(&seeded, 4)) {
	case 0:
		put_number(body, field, any_number());
		break;
	case 1:
		put_bits(body, field, any_bits());
		break;
	case 2:
		put_bytes(body, field, "whatever", random_below(&seeded, 8));
		break;
	default:
		put_tag(body, field, WIRE_FIXED32);
		put(body, "abcd", 4);
	}
}

static void put_text(struct body *body, uint32_t field)
{
	uint8_t text[64];
	size_t size = random_below(&seeded, chance(5) ? sizeof(text) : 12);

	for (size_t i = 0; i < size; i++)
		text[i] = chance(90) ? (uint8_t)('a' + random_below(&seeded, 26))
				     : (uint8_t)random_u64(&seeded);
	put_bytes(body, field, text, size);
}

static void put_message(struct body *body, uint32_t field, void (*fill)(struct body *, unsigned))
{
	struct body *inside = mem_alloc(sizeof(*inside));
	unsigned fields = (unsigned)random_below(&seeded, 5);

	assert_non_null(inside);
	inside->size = 0;
	fill(inside, fields);
	put_bytes(body, field, inside->bytes, inside->size);
	mem_free(inside);
}

static void fill_label(struct body *body, unsigned fields)
{
	if (chance(80)) {
		put_text(body, 1);
		put_text(body, 2);
		return;
	}
	for (unsigned i = 0; i < fields; i++) {
		if (chance(20))
			put_unknown(body);
		put_text(body, chance(50) ? 1 : 2);
	}
}

static void fill_sample(struct body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (chance(10))
			put_unknown(body);
		if (chance(50))
			put_bits(body, 1, any_bits());
		if (chance(50))
			put_number(body, 2, any_number());
	}
}

static void fill_exemplar(struct body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (chance(10))
			put_unknown(body);
		if (chance(50))
			put_message(body, 1, fill_label);
		if (chance(50))
			put_bits(body, 2, any_bits());
		if (chance(50))
			put_number(body, 3, any_number());
	}
}

static void fill_span(struct body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++)
		put_number(body, chance(50) ? 1 : 2, any_number());
}

/* Repeated numbers, in one block or one by one. */
static void put_numbers(struct body *body, uint32_t field, bool doubles)
{
	struct body *block = mem_alloc(sizeof(*block));
	unsigned count = (unsigned)random_below(&seeded, 5);
	bool packed = chance(50);

	assert_non_null(block);
	block->size = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t number = any_number();
		if (!packed && doubles)
			put_bits(body, field, number);
		else if (!packed)
			put_number(body, field, number);
		else if (doubles)
			put(block, &number, sizeof(number));
		else
			put_varint(block, number, 10);
	}
	if (packed)
		put_bytes(body, field, block->bytes, block->size);
	mem_free(block);
}

static void fill_histogram(struct body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields * 3; i++) {
		uint32_t field = 1 + (uint32_t)random_below(&seeded, 17);
		switch (field) {
		case 2:
		case 3:
		case 5:
		case 7:
			put_bits(body, field, any_bits());
			break;
		case 8:
		case 11:
			put_message(body, field, fill_span);
			break;
		case 9:
		case 12:
			put_numbers(body, field, false);
			break;
		case 10:
		case 13:
		case 16:
			put_numbers(body, field, true);
			break;
		case 17:
			put_unknown(body);
			break;
		default:
			put_number(body, field, any_number());
		}
	}
}

static void fill_series(struct body *body, unsigned fields)
{
	static void (*const fills[])(struct body *, unsigned) = {fill_label, fill_sample,
		fill_exemplar, fill_histogram};
	unsigned labels = 1 + (unsigned)random_below(&seeded, 8);

	if (chance(60)) {
		for (unsigned i = 0; i < labels; i++)
			put_message(body, 1, fill_label);
		put_message(body, 2, fill_sample);
		return;
	}
	for (unsigned i = 0; i < fields * 2; i++) {
		uint32_t field = 1 + (uint32_t)random_below(&seeded, 5);
		if (field == 5)
			put_unknown(body);
		else
			put_message(body, field, fills[field - 1]);
	}
}

static void fill_metadata(struct body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++) {
		if (chance(10))
			put_unknown(body);
		if (chance(50))
			put_number(body, 1, any_number());
		put_text(body, chance(50) ? 2 : chance(50) ? 4 : 5);
	}
}

static void fill_request(struct body *body)
{
	unsigned fields = (unsigned)random_below(&seeded, 12);

	body->size = 0;
	for (unsigned i = 0; i < fields && body->size < BODY_MAX / 4; i++) {
		if (chance(10))
			put_unknown(body);
		else if (chance(15))
			put_message(body, 3, fill_metadata);
		else
			put_message(body, 1, fill_series);
	}
}

/* Flips, removes, inserts, repeats or cuts. */
static void mutate(struct body *body)
{
	size_t at = random_below(&seeded, body->size);
	size_t count = 1 + random_below(&seeded, 4);

	if (count > body->size - at)
		count = body->size - at;
	switch (random_below(&seeded, 6)) {
	case 0:
		body->bytes[at] ^= (uint8_t)(1 << random_below(&seeded, 8));
		break;
	case 1:
		body->bytes[at] = (uint8_t)random_u64(&seeded);
		break;
	case 2:
		memmove(body->bytes + at, body->bytes + at + count, body->size - at - count);
		body->size -= count;
		break;
	case 3:
		memmove(body->bytes + at + count, body->bytes + at, body->size - at);
		body->size += count;
		break;
	case 4:
		body->size = at;
		break;
	default:
		body->bytes[at] |= 0x80;
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

static bool read_reference(const struct body *body, struct content *content)
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
static const char *read_ours(const struct body *body, struct content *content)
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

static void compare(const struct body *source, struct tally *tally)
{
	/* In a block of exactly its size, so that AddressSanitizer sees a read past the end. */
	struct body *body = mem_alloc(offsetof(struct body, bytes) + source->size);
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
	static struct body body;
	struct tally tally = {0, 0, 0};

	for (uint64_t seed = 1; seed <= BODIES; seed++) {
		random_init(&seeded, seed);
		loose = seed % 3 == 0;
		fill_request(&body);
		compare(&body, &tally);
	}
	/* Nothing that the writer makes is malformed. */
	assert_int_equal(tally.taken, BODIES);
}

static void changed_bodies_get_the_same_verdict_and_content(void **state)
{
	static struct body body, changed;
	struct tally tally = {0, 0, 0};

	for (uint64_t seed = 1; seed <= BODIES / 4; seed++) {
		random_init(&seeded, seed);
		loose = seed % 3 == 0;
		fill_request(&body);
		for (unsigned i = 0; i < MUTATIONS && body.size > 0; i++) {
			changed = body;
			for (unsigned k = 0; k <= i % 3 && changed.size > 0; k++)
				mutate(&changed);
			compare(&changed, &tally);
		}
	}
	/* The test is blind when all of them fall on one side. */
	assert_true(tally.taken > 5000 && tally.refused > 5000);
	assert_true(tally.intended < tally.taken / 20);
}

static void random_bytes_get_the_same_verdict(void **state)
{
	static struct body body;
	struct tally tally = {0, 0, 0};

	random_init(&seeded, 77);
	for (unsigned i = 0; i < 20000; i++) {
		body.size = random_below(&seeded, 40);
		for (size_t k = 0; k < body.size; k++)
			body.bytes[k] = (uint8_t)(chance(50) ? random_below(&seeded, 32)
							     : random_u64(&seeded));
		compare(&body, &tally);
	}
	assert_true(tally.refused > 1000);
}

static void intended_differences_are_refused_by_us_alone(void **state)
{
	static const char *const bodies[] = {"\x80\x80\x00\x01", "\xf8\xff\xff\xff\x7f\x01"};
	static struct body body;

	for (size_t i = 0; i < 2; i++) {
		struct tally tally = {0, 0, 0};
		body.size = 0;
		put(&body, bodies[i], i == 0 ? 4 : 6);
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
