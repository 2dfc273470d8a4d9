/*
 * Our decoder of native histograms against protobuf-c's generated one, followed by a plain reading of
 * what the specification says: spans to indexes, differences to counts, one map from index to count.
 *
 * Histograms are made as senders make them, then with one thing changed, and as no sender would. Both
 * readings must give the same verdict, and the same histogram when they take it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "remote_write/decode_histogram.h"
#include "remote_write/shapes.h"
#include "remote_write_v2.pb-c.h"
#include "tests/support/wild_body.h"

#define ROUNDS 5000
#define COUNTS_MAX 4096
#define STALE_BITS UINT64_C(0x7ff0000000000002)

struct plain_bucket {
	int64_t index;
	double count;
};

struct plain_side {
	size_t count;
	struct plain_bucket list[COUNTS_MAX];
};

static struct histogram ours;
static struct plain_side sides[2];
static struct error error;

/* Whether spans and counts fit; the populated buckets go to the side. */
static bool read_side(size_t span_count, WriteV2__BucketSpan **spans, const int64_t *deltas,
	const double *counts, size_t count, struct plain_side *side)
{
	size_t at = 0;
	int64_t index = 0;
	uint64_t whole = 0;

	side->count = 0;
	for (size_t i = 0; i < span_count; i++) {
		if (i > 0 && spans[i]->offset < 0)
			return false;
		index += spans[i]->offset;
		for (uint32_t k = 0; k < spans[i]->length; k++, index++, at++) {
			double value;
			if (at == count)
				return false;
			whole += deltas == NULL ? 0 : (uint64_t)deltas[at];
			value = deltas == NULL ? counts[at] : (double)(int64_t)whole;
			if (!(value >= 0) || isinf(value))
				return false;
			if (value > 0 && side->count < COUNTS_MAX)
				side->list[side->count++] = (struct plain_bucket){index, value};
		}
	}
	return at == count;
}

static bool is_float(const WriteV2__Histogram *message)
{
	return message->count_case == WRITE_V2__HISTOGRAM__COUNT_COUNT_FLOAT;
}

static double zero_count(const WriteV2__Histogram *message)
{
	if (message->zero_count_case == WRITE_V2__HISTOGRAM__ZERO_COUNT_ZERO_COUNT_FLOAT)
		return message->zero_count_float;
	if (message->zero_count_case == WRITE_V2__HISTOGRAM__ZERO_COUNT_ZERO_COUNT_INT)
		return (double)message->zero_count_int;
	return 0;
}

static double whole_count(const WriteV2__Histogram *message)
{
	if (is_float(message))
		return message->count_float;
	return message->count_case == WRITE_V2__HISTOGRAM__COUNT_COUNT_INT
		? (double)message->count_int
		: 0;
}

static bool custom_good(const WriteV2__Histogram *message)
{
	for (size_t i = 0; i < message->n_custom_values; i++) {
		double bound = message->custom_values[i];
		if (isnan(bound) || bound == INFINITY ||
			(i > 0 && !(bound > message->custom_values[i - 1])))
			return false;
	}
	return message->n_custom_values <= HISTOGRAM_CUSTOM_MAX && sides[0].count == 0 &&
		zero_count(message) == 0 && message->zero_threshold == 0 &&
		(sides[1].count == 0 ||
			sides[1].list[sides[1].count - 1].index <=
				(int64_t)message->n_custom_values);
}

static bool counts_good(const WriteV2__Histogram *message)
{
	double total = zero_count(message), count = whole_count(message);

	if (!(count >= 0) || isinf(count) || !(total >= 0) || isinf(total) ||
		!(message->zero_threshold >= 0) || isinf(message->zero_threshold))
		return false;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < sides[side].count; i++)
			total += sides[side].list[i].count;
	if (is_float(message))
		return true;
	/* Past 2^53 whole numbers are rounded. */
	if (count > 9e15 && fabs(total - count) < count * 1e-11)
		return true;
	return isnan(message->sum) ? total <= count : total == count;
}

/* The verdict of the plain reading; sides are filled. */
static bool read_plainly(const WriteV2__Histogram *message)
{
	bool floats = is_float(message);
	int32_t schema = message->schema;

	if (schema != -53 && (schema < -4 || schema > 52))
		return false;
	if (!read_side(message->n_negative_spans, message->negative_spans,
		    floats ? NULL : message->negative_deltas, message->negative_counts,
		    floats ? message->n_negative_counts : message->n_negative_deltas, &sides[0]) ||
		!read_side(message->n_positive_spans, message->positive_spans,
			floats ? NULL : message->positive_deltas, message->positive_counts,
			floats ? message->n_positive_counts : message->n_positive_deltas,
			&sides[1]))
		return false;
	if (schema == -53 ? !custom_good(message) : message->n_custom_values > 0)
		return false;
	return counts_good(message);
}

/* The plain buckets after `times` mergings are those of ours. */
static void compare_side(const struct histogram_side *side, struct plain_side *plain, int times)
{
	size_t kept = 0;

	for (size_t i = 0; i < plain->count; i++) {
		/* Upper-inclusive bounds: ceil(index / 2^times). */
		int64_t index = (int64_t)ceil(ldexp((double)plain->list[i].index, -times));
		if (kept > 0 && plain->list[kept - 1].index == index)
			plain->list[kept - 1].count += plain->list[i].count;
		else
			plain->list[kept++] = (struct plain_bucket){index, plain->list[i].count};
	}
	assert_int_equal(side->count, kept);
	for (size_t i = 0; i < kept; i++) {
		double difference = side->list[i].count - plain->list[i].count;
		assert_int_equal(side->list[i].index, plain->list[i].index);
		assert_true(fabs(difference) <= plain->list[i].count * 1e-15);
	}
}

static void compare_content(const WriteV2__Histogram *message, int64_t t_ms)
{
	int times = message->schema == -53 ? 0 : message->schema - ours.schema;

	assert_int_equal(t_ms, message->timestamp);
	assert_int_equal(ours.start_ms, message->start_timestamp);
	assert_true(ours.sum == message->sum || (isnan(ours.sum) && isnan(message->sum)));
	assert_true(ours.count == whole_count(message) && ours.zero_count == zero_count(message));
	assert_true(ours.zero_threshold == message->zero_threshold);
	assert_int_equal(ours.is_float, is_float(message));
	assert_int_equal(ours.hint,
		(unsigned)message->reset_hint <= HISTOGRAM_HINT_GAUGE
			? (unsigned)message->reset_hint
			: HISTOGRAM_HINT_UNKNOWN);
	assert_true(times >= 0);
	compare_side(&ours.negative, &sides[0], times);
	compare_side(&ours.positive, &sides[1], times);
	assert_int_equal(ours.custom_count, message->n_custom_values);
	for (uint32_t i = 0; i < ours.custom_count; i++)
		assert_true(ours.custom[i] == message->custom_values[i]);
}

struct tally {
	unsigned taken, refused, stale, malformed, beyond;
};

static void compare(const uint8_t *bytes, size_t size, struct tally *tally)
{
	WriteV2__Histogram *message = write_v2__histogram__unpack(NULL, size, bytes);
	struct wire wire = wire_of(bytes, size), checked = wire;
	enum status status;
	uint64_t bits;
	int64_t t_ms;
	bool plainly;

	if (!wire_check(&checked, &shape_histogram_v2)) {
		tally->malformed++;
		if (message != NULL)
			write_v2__histogram__free_unpacked(message, NULL);
		return;
	}
	assert_non_null(message);
	status = decode_histogram(wire, &ours, &t_ms, &error);
	memcpy(&bits, &message->sum, sizeof(bits));
	plainly = bits == STALE_BITS || read_plainly(message);
	if (bits == STALE_BITS) {
		assert_true(status == STATUS_OK && ours.stale);
		tally->stale++;
	} else if (status != STATUS_OK && plainly) {
		/* These alone the plain reading does not know. */
		if (strstr(error.text, "there can be no bucket") == NULL &&
			strstr(error.text, "more than") == NULL)
			fail_msg("refused: %s", error.text);
		tally->beyond++;
	} else {
		if ((status == STATUS_OK) != plainly)
			fail_msg("taken, which the plain reading does not");
		if (plainly)
			compare_content(message, t_ms);
		tally->taken += plainly;
		tally->refused += !plainly;
	}
	write_v2__histogram__free_unpacked(message, NULL);
}

/* ---- histograms as senders make them ---- */

#define SPANS_MAX 40

struct honest_side {
	WriteV2__BucketSpan spans[SPANS_MAX], *pointers[SPANS_MAX];
	size_t span_count, count;
	int64_t deltas[COUNTS_MAX];
	double counts[COUNTS_MAX];
};

static struct honest_side honest[2];

/* Few buckets of a low schema: there are no doubles for more. */
static double make_side(struct honest_side *side, int32_t schema, uint64_t longest)
{
	bool custom = schema == -53;
	int64_t before = 0;
	double total = 0;

	side->count = 0;
	side->span_count = custom ? 1 : wild_below(schema < 0 ? 4 : SPANS_MAX);
	for (size_t i = 0; i < side->span_count; i++) {
		WriteV2__BucketSpan span = WRITE_V2__BUCKET_SPAN__INIT;
		span.offset = (int32_t)wild_below(5) - (i == 0 && !custom ? 20 : 0);
		span.length = (uint32_t)wild_below(longest);
		side->spans[i] = span;
		side->pointers[i] = &side->spans[i];
		for (uint32_t k = 0; k < span.length; k++) {
			int64_t count = wild_chance(20) ? 0 : (int64_t)wild_below(1000);
			side->counts[side->count] = (double)count;
			side->deltas[side->count++] = count - before;
			before = count;
			total += (double)count;
		}
	}
	return total;
}

static void make_honest(WriteV2__Histogram *message)
{
	static double custom_values[64];
	bool floats = wild_chance(40), custom = wild_chance(25);
	uint64_t longest = wild_chance(10) ? 60 : 8;
	int32_t lowest = longest == 60 ? 3 : -4;
	int32_t schema = custom ? -53 : lowest + (int32_t)wild_below(wild_chance(10) ? 50 : 6);
	double total = custom ? 0 : make_side(&honest[0], schema, longest);

	*message = (WriteV2__Histogram)WRITE_V2__HISTOGRAM__INIT;
	if (custom)
		honest[0].span_count = honest[0].count = 0;
	total += make_side(&honest[1], schema, longest);
	message->schema = schema;
	message->sum = total * 2;
	message->timestamp = (int64_t)wild_any_number();
	message->start_timestamp = (int64_t)wild_any_number();
	message->reset_hint = (WriteV2__Histogram__ResetHint)wild_below(5);
	message->zero_threshold = custom ? 0 : 1e-10;
	if (custom) {
		for (int i = 0; i < 64; i++)
			custom_values[i] = i - 7;
		message->n_custom_values = 64;
		message->custom_values = custom_values;
	} else {
		message->zero_count_case = floats ? WRITE_V2__HISTOGRAM__ZERO_COUNT_ZERO_COUNT_FLOAT
						  : WRITE_V2__HISTOGRAM__ZERO_COUNT_ZERO_COUNT_INT;
		if (floats)
			message->zero_count_float = 5;
		else
			message->zero_count_int = 5;
		total += 5;
	}
	message->count_case = floats ? WRITE_V2__HISTOGRAM__COUNT_COUNT_FLOAT
				     : WRITE_V2__HISTOGRAM__COUNT_COUNT_INT;
	if (floats)
		message->count_float = total;
	else
		message->count_int = (uint64_t)total;
	message->n_negative_spans = honest[0].span_count;
	message->negative_spans = honest[0].pointers;
	message->n_positive_spans = honest[1].span_count;
	message->positive_spans = honest[1].pointers;
	message->n_negative_counts = floats ? honest[0].count : 0;
	message->negative_counts = honest[0].counts;
	message->n_positive_counts = floats ? honest[1].count : 0;
	message->positive_counts = honest[1].counts;
	message->n_negative_deltas = floats ? 0 : honest[0].count;
	message->negative_deltas = honest[0].deltas;
	message->n_positive_deltas = floats ? 0 : honest[1].count;
	message->positive_deltas = honest[1].deltas;
}

/* One thing that may or may not make it wrong. */
static void spoil(WriteV2__Histogram *message)
{
	static const double odd[] = {0, -1, NAN, INFINITY, 1e300};
	struct honest_side *side = &honest[wild_below(2)];

	switch (wild_below(9)) {
	case 0:
		message->sum = odd[wild_below(5)];
		break;
	case 1:
		message->zero_threshold = odd[wild_below(5)];
		break;
	case 2:
		message->schema = (int32_t)wild_below(140) - 70;
		break;
	case 3:
		message->count_int += wild_below(3);
		break;
	case 4:
		if (side->span_count > 0)
			side->spans[wild_below(side->span_count)].offset =
				(int32_t)wild_below(2000) - 1000;
		break;
	case 5:
		if (side->span_count > 0)
			side->spans[wild_below(side->span_count)].length += 1;
		break;
	case 6:
		if (side->count > 0) {
			side->deltas[wild_below(side->count)] = -(int64_t)wild_below(2000);
			side->counts[wild_below(side->count)] = odd[wild_below(5)];
		}
		break;
	case 7:
		if (message->n_custom_values > 0)
			message->custom_values[wild_below(64)] = odd[wild_below(5)];
		break;
	default:
		if (message->n_positive_deltas > 0)
			message->n_positive_deltas--;
	}
}

static void compare_message(const WriteV2__Histogram *message, struct tally *tally)
{
	size_t size = write_v2__histogram__get_packed_size(message);
	/* Of exactly this size, so that AddressSanitizer sees a read past the end. */
	uint8_t *bytes = mem_alloc(size + (size == 0));

	assert_non_null(bytes);
	assert_int_equal(write_v2__histogram__pack(message, bytes), size);
	compare(bytes, size, tally);
	mem_free(bytes);
}

static void what_senders_write_is_read_as_the_specification_says(void **state)
{
	struct tally tally = {.taken = 0};
	WriteV2__Histogram message;

	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		wild_seed(seed, false);
		make_honest(&message);
		compare_message(&message, &tally);
	}
	assert_int_equal(tally.refused + tally.malformed + tally.beyond, 0);
	assert_int_equal(tally.taken, ROUNDS);
}

static void what_is_changed_gets_the_same_verdict(void **state)
{
	struct tally tally = {.taken = 0};
	WriteV2__Histogram message;

	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		wild_seed(seed, false);
		make_honest(&message);
		spoil(&message);
		compare_message(&message, &tally);
	}
	/* The test is blind when all of them fall on one side. */
	assert_true(tally.taken > ROUNDS / 5 && tally.refused > ROUNDS / 5);
	assert_true(tally.beyond < ROUNDS / 20);
}

static void what_no_sender_writes_gets_the_same_verdict(void **state)
{
	static struct wild_body body;
	struct tally tally = {.taken = 0};

	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		wild_seed(seed, seed % 3 == 0);
		body.size = 0;
		wild_histogram(&body, 1 + (unsigned)wild_below(4), true);
		if (wild_chance(30) && body.size > 0)
			wild_mutate(&body);
		compare(body.bytes, body.size, &tally);
	}
	assert_true(tally.refused > ROUNDS / 5 && tally.taken > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_senders_write_is_read_as_the_specification_says),
		cmocka_unit_test(what_is_changed_gets_the_same_verdict),
		cmocka_unit_test(what_no_sender_writes_gets_the_same_verdict),
	};

	return cmocka_run_group_tests_name("decode_histogram", tests, NULL, NULL);
}
