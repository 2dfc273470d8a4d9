/* Chunks: every sample comes back bit for bit, in few bytes, and damage does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "store/chunk.h"
#include "store/store.h"

#define BLOCK_MAX 512u
#define SAMPLES_MAX 20000u

struct sample {
	int64_t t_ms;
	uint64_t bits;
};

static struct sample samples[SAMPLES_MAX];
static uint64_t seed; /* of the series at hand, for the message of a failure */

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void chunk_expect(const struct chunk *chunk, size_t size, const struct sample *expected,
	uint32_t count)
{
	struct chunk_reader reader;

	chunk_reader_init(&reader, chunk, size);
	assert_int_equal(chunk_count(chunk), count);
	assert_int_equal(chunk_first_ms(chunk), expected[0].t_ms);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(chunk_next(&reader));
		if (reader.end.t_ms != expected[i].t_ms || reader.end.bits != expected[i].bits)
			fail_msg("seed %llu, sample %u of %u: %lld %016llx, not %lld %016llx",
				(unsigned long long)seed, i, count, (long long)reader.end.t_ms,
				(unsigned long long)reader.end.bits, (long long)expected[i].t_ms,
				(unsigned long long)expected[i].bits);
	}
	assert_false(chunk_next(&reader));
}

/* Writes samples[] into as many chunks as they need, reads each back; returns the bits used. A word
 * behind the block shows writes past its end. */
static uint64_t round_trip(uint32_t count, size_t size)
{
	static _Alignas(8) unsigned char block[BLOCK_MAX + 8];
	struct chunk *chunk = (void *)block;
	struct chunk_end end;
	uint64_t used = 0;
	uint32_t first = 0;

	memset(&end, 0, sizeof(end));
	memset(block, 0xa5, sizeof(block));
	for (uint32_t i = 0; i < count; i++) {
		struct chunk_end before = end;

		if (i > 0 && chunk_append(&end, chunk, size, samples[i].t_ms, samples[i].bits))
			continue;
		assert_memory_equal(&before, &end, sizeof(end));
		if (i > 0) {
			chunk_seal(&end, chunk);
			chunk_expect(chunk, size, samples + first, i - first);
			used += end.position + CHUNK_HEADER * 8;
		}
		chunk_begin(&end, chunk, size, samples[i].t_ms, samples[i].bits);
		first = i;
	}
	assert_int_equal(end.count, count - first);
	chunk_seal(&end, chunk);
	chunk_expect(chunk, size, samples + first, count - first);
	for (size_t i = size; i < sizeof(block); i++)
		assert_int_equal(block[i], 0xa5);
	return used + end.position + CHUNK_HEADER * 8;
}

static void round_trip_sizes(uint32_t count)
{
	(void)round_trip(count, 64);
	(void)round_trip(count, 72);
	(void)round_trip(count, 128);
	(void)round_trip(count, 512);
}

static const double nasty[] = {0.0, -0.0, 1, -1, 0.1, -0.1, 0.25, 1e308, -1e308,
	1.7976931348623157e308, 2.2250738585072014e-308, 4.9e-324, -4.9e-324, 9007199254740991.0,
	9007199254740992.0, 9007199254740993.0, -9007199254740992.0, 9.2e18, -9.3e18, 1e-9,
	1.000000001, 123456.789012345, 4096, 8192, 512, 1024, 4096.5, 1e22, 0.3, 1. / 3, 1e9, 1e10,
	-4096, 5e-10};

static uint64_t nasty_bits(struct random *random)
{
	static const uint64_t specials[] = {STORE_STALE_BITS, 0x7ff8000000000001,
		0x7ff8000000000000, 0xfff8dead0000beef, 0x7ff0000000000000, 0xfff0000000000000,
		0x7ff0000000000001, 0xffffffffffffffff};
	uint64_t pick = random_below(random, 10);

	if (pick < 6)
		return bits_of(nasty[random_below(random, ARRAY_COUNT(nasty))]);
	return pick < 9 ? specials[random_below(random, ARRAY_COUNT(specials))]
			: random_u64(random);
}

static void every_pair_of_nasty_values_survives(void **state)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_COUNT(nasty); i++) {
		for (size_t j = 0; j < ARRAY_COUNT(nasty); j++) {
			samples[n] = (struct sample){(int64_t)n * 15000, bits_of(nasty[i])};
			n++;
			samples[n] = (struct sample){(int64_t)n * 15000, bits_of(nasty[j])};
			n++;
			samples[n] = (struct sample){(int64_t)n * 15000, STORE_STALE_BITS};
			n++;
		}
	}
	round_trip_sizes(n);
}

static void not_a_numbers_keep_their_payload(void **state)
{
	for (uint32_t i = 0; i < 4000; i++)
		samples[i] = (struct sample){i * 15000,
			i % 3 == 0           ? UINT64_C(0x7ff8000000000000) + i
				: i % 3 == 1 ? UINT64_C(0xfff0000000000001) + i
					     : bits_of(i)};
	round_trip_sizes(4000);
}

static int64_t any_distance(struct random *random)
{
	switch (random_below(random, 8)) {
	case 0:
		return 1;
	case 1:
		return 1 + (int64_t)random_below(random, 60000);
	case 2:
		return 1 + (int64_t)random_below(random, 100000000);
	case 3:
		return 30000;
	default:
		return 15000;
	}
}

/* A series that changes its nature now and then, as real ones do when a target is replaced. */
static void random_series(struct random *random, uint32_t count)
{
	uint64_t kind = 0, timing = 0;
	double value = 0, unit = 1;
	int64_t t_ms = (int64_t)random_below(random, 1u << 30) - (1 << 29);

	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || random_below(random, 50) == 0) {
			static const double units[] = {1, 1, 1, 0.1, 0.01, 0.001, 1e-6, 1e-9, 512,
				1024, 4096, 1e7};

			kind = random_below(random, 8);
			timing = random_below(random, 4);
			unit = units[random_below(random, ARRAY_COUNT(units))];
			value = (double)random_below(random, 1u << 20);
		}
		t_ms += timing == 0   ? any_distance(random)
			: timing == 1 ? 15000 + (int64_t)random_below(random, 40) - 20
				      : 15000;
		if (kind <= 2)
			value += (double)random_below(random, kind == 0 ? 3 : 1000);
		else if (kind == 3)
			value += random_normal(random);
		else if (kind == 4)
			value += (double)((int64_t)random_below(random, 2001) - 1000);
		samples[i].t_ms = t_ms;
		samples[i].bits = kind == 7 ? nasty_bits(random)
					    : bits_of(unit < 1 ? value / (1 / unit) : value * unit);
	}
}

static void any_series_survives(void **state)
{
	for (seed = 1; seed <= 100; seed++) {
		struct random random;

		random_init(&random, seed);
		random_series(&random, 2000);
		(void)round_trip(2000, 64 + 8 * (size_t)random_below(&random, 57));
	}
}

static void extreme_timestamps_survive(void **state)
{
	static const int64_t times[] = {-CHUNK_TIME_LIMIT, -CHUNK_TIME_LIMIT + 1, -1, 0, 1,
		4294967295, 8589934591, CHUNK_TIME_LIMIT - 1, CHUNK_TIME_LIMIT};

	for (uint32_t i = 0; i < ARRAY_COUNT(times); i++)
		samples[i] = (struct sample){times[i], bits_of(i)};
	round_trip_sizes(ARRAY_COUNT(times));
	/* Steps beyond 32 bits, again and again. */
	for (uint32_t i = 0; i < 1000; i++)
		samples[i] = (struct sample){(int64_t)i * 5000000000, bits_of(0.1 * i)};
	round_trip_sizes(1000);
}

static void a_constant_costs_one_bit(void **state)
{
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i * INT64_C(15000), bits_of(42.5)};
	assert_true(round_trip(10000, 512) < 10000 * 11 / 10);
}

static void a_steady_counter_costs_one_bit(void **state)
{
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i * INT64_C(15000), bits_of(i * 1500.0 + 7)};
	assert_true(round_trip(10000, 512) < 10000 * 12 / 10);
}

/* Differences of a Poisson process with mean 100: 5.4 bits of entropy (half the logarithm of
 * 2 pi e 100). */
static void a_noisy_counter_costs_its_entropy(void **state)
{
	struct random random;
	double value = 1e6;

	random_init(&random, 7);
	for (uint32_t i = 0; i < 10000; i++) {
		samples[i] = (struct sample){i * INT64_C(15000), bits_of(value)};
		value += (double)random_poisson(&random, 100);
	}
	assert_in_range(round_trip(10000, 512), 54000, 66000);
	/* The same in hundredths and in pages. */
	for (uint32_t i = 0; i < 10000; i++)
		samples[i].bits = bits_of(double_of(samples[i].bits) / 100);
	assert_in_range(round_trip(10000, 512), 54000, 66000);
	for (uint32_t i = 0; i < 10000; i++)
		samples[i].bits =
			bits_of((double)(int64_t)(double_of(samples[i].bits) * 100 + 0.5) * 4096);
	assert_in_range(round_trip(10000, 512), 54000, 66000);
}

static void jitter_of_milliseconds_stays_cheap(void **state)
{
	struct random random;

	random_init(&random, 8);
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i * INT64_C(15000) + (int64_t)random_below(&random, 8),
			bits_of(1)};
	assert_true(round_trip(10000, 512) < 10000 * 9);
}

/* A scraper that keeps a grid: whoever is late does not make the next one late. */
static uint64_t bits_of_late_ones(uint32_t one_in)
{
	struct random random;

	random_init(&random, 9);
	for (uint32_t i = 0; i < 10000; i++) {
		int64_t late_ms = random_below(&random, one_in) == 0
			? 1 + (int64_t)random_below(&random, 14)
			: 0;

		samples[i] = (struct sample){i * INT64_C(15000) + late_ms, bits_of(1)};
	}
	return round_trip(10000, 512);
}

static void who_is_late_now_and_then_costs_one_code(void **state)
{
	/* An escape of 30 bits each. */
	assert_true(bits_of_late_ones(50) < 10000 + 200 * 45);
}

static void who_is_often_late_costs_a_short_code(void **state)
{
	/* Two bits, and seven for the time of a late one, or two of them where two are late running. */
	assert_true(bits_of_late_ones(8) < 20000 + 1250 * 9);
}

static void a_grid_that_moves_is_followed(void **state)
{
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i * INT64_C(15000) + i / 500 * 50, bits_of(1)};
	assert_true(round_trip(10000, 512) < 10000 * 12 / 10);
}

static void a_step_that_is_a_little_longer_is_learnt(void **state)
{
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i * INT64_C(15000) + (i > 100 ? (i - 100) * 3 : 0),
			bits_of(1)};
	assert_true(round_trip(10000, 512) < 10000 * 11 / 10);
}

static void a_missed_scrape_now_and_then_costs_little(void **state)
{
	int64_t t_ms = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		t_ms += i % 200 == 199 ? 30000 : 15000;
		samples[i] = (struct sample){t_ms, bits_of(1)};
	}
	assert_true(round_trip(10000, 512) < 10000 * 15 / 10);
}

static void a_new_interval_is_learnt(void **state)
{
	for (uint32_t i = 0; i < 10000; i++)
		samples[i] = (struct sample){i < 100 ? i * INT64_C(15000) : i * INT64_C(60000),
			bits_of(1)};
	assert_true(round_trip(10000, 512) < 10000 * 12 / 10);
}

static void a_full_chunk_is_left_as_it_was(void **state)
{
	static _Alignas(8) unsigned char block[64], before[64];
	struct chunk *chunk = (void *)block;
	struct chunk_end end;
	struct random random;
	int64_t t_ms = 0;
	uint64_t bits = 1;

	memset(&end, 0, sizeof(end));
	random_init(&random, 3);
	chunk_begin(&end, chunk, sizeof(block), 0, bits);
	do {
		memcpy(before, block, sizeof(block));
		bits = random_u64(&random);
	} while (chunk_append(&end, chunk, sizeof(block), t_ms += 15000, bits));
	assert_memory_equal(before, block, sizeof(block));
	assert_true(end.count >= 3);
	/* A smaller one may still fit. */
	assert_true(chunk_append(&end, chunk, sizeof(block), end.t_ms + end.step_ms, end.bits));
}

static void damage_is_read_without_harm(void **state)
{
	static _Alignas(8) unsigned char block[128];
	struct random random;
	struct chunk_reader reader;

	random_init(&random, 11);
	for (int round = 0; round < 2000; round++) {
		uint32_t read = 0;

		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (unsigned char)(random_below(&random, 4) == 0
					? 0xff
					: random_u64(&random));
		chunk_reader_init(&reader, (struct chunk *)block, sizeof(block));
		while (chunk_next(&reader))
			read++;
		assert_int_equal(read, chunk_count((struct chunk *)block));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_nasty_values_survives),
		cmocka_unit_test(not_a_numbers_keep_their_payload),
		cmocka_unit_test(any_series_survives),
		cmocka_unit_test(extreme_timestamps_survive),
		cmocka_unit_test(a_constant_costs_one_bit),
		cmocka_unit_test(a_steady_counter_costs_one_bit),
		cmocka_unit_test(a_noisy_counter_costs_its_entropy),
		cmocka_unit_test(jitter_of_milliseconds_stays_cheap),
		cmocka_unit_test(who_is_late_now_and_then_costs_one_code),
		cmocka_unit_test(who_is_often_late_costs_a_short_code),
		cmocka_unit_test(a_grid_that_moves_is_followed),
		cmocka_unit_test(a_step_that_is_a_little_longer_is_learnt),
		cmocka_unit_test(a_missed_scrape_now_and_then_costs_little),
		cmocka_unit_test(a_new_interval_is_learnt),
		cmocka_unit_test(a_full_chunk_is_left_as_it_was),
		cmocka_unit_test(damage_is_read_without_harm),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
