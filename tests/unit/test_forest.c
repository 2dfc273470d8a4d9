/*
 * The isolation forest: against paths worked out by hand and a plain forest written from the paper, on
 * every code path the processor has.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/forest.h"
#include "analyzers/detect/forest_parts.h"
#include "analyzers/pack.h"
#include "base/mem.h"
#include "base/random.h"

#define ROWS 700
#define COLUMNS 6
#define QUERIES 131

static double rows[ROWS * COLUMNS], queries[QUERIES * COLUMNS];
static const struct forest_config config = {.trees = 100, .sample = 256, .seed = 11};
static const char *const codes[] = {"baseline", "avx512"};

static void draw(double *values, size_t count, uint64_t seed)
{
	struct random dice;

	random_init(&dice, seed);
	for (size_t i = 0; i < count * COLUMNS; i++) {
		static const double scales[COLUMNS] = {1, 1e9, 1e-7, 1, 1, 0};

		values[i] = scales[i % COLUMNS] *
			(i % COLUMNS == 3 ? (double)random_below(&dice, 5) : random_normal(&dice));
	}
}

static struct forest *make(size_t trees, size_t count)
{
	const struct forest_config own = {.trees = trees, .sample = 256, .seed = 11};
	struct error error;
	struct forest *forest;

	draw(rows, ROWS, 1);
	draw(queries, QUERIES, 2);
	/* Far out in one column, in the middle of the others. */
	for (size_t i = 0; i < 3; i++) {
		memcpy(queries + i * COLUMNS, (double[COLUMNS]){0, 0, 0, 2, 0, 0},
			COLUMNS * sizeof(double));
		queries[i * COLUMNS + i] = i % 2 ? -1e30 : 1e30;
	}
	queries[5 * COLUMNS + 1] = NAN;
	forest = forest_fit(&own, rows, count, COLUMNS, &error);
	assert_non_null(forest);
	return forest;
}

static void two_rows_are_one_split_apart(void **state)
{
	static const double two[] = {0, 1};
	static const struct forest_config one = {.trees = 1, .sample = 2, .seed = 1};
	struct error error;
	struct forest *forest = forest_fit(&one, two, 2, 1, &error);

	/* Path 1, c(2) = 1. */
	assert_true(fabs(forest_row(forest, two) - 0.5) < 1e-12);
	assert_true(fabs(forest_row(forest, two + 1) - 0.5) < 1e-12);
	forest_close(forest);
}

static void rows_all_alike_have_the_average_path(void **state)
{
	double same[40], gains[2] = {0};
	struct error error;
	struct forest *forest;
	double row[2] = {5, 7};

	for (size_t i = 0; i < 40; i++)
		same[i] = 3;
	forest = forest_fit(&config, same, 20, 2, &error);
	assert_true(fabs(forest_row(forest, row) - 0.5) < 1e-3);
	forest_gains(forest, row, gains);
	assert_true(gains[0] == 0 && gains[1] == 0);
	forest_close(forest);
}

static void every_code_path_gives_the_same_bits(void **state)
{
	static double expected[QUERIES], scores[QUERIES];

	for (size_t trees = 1; trees <= 100; trees += trees < 20 ? 1 : 27) {
		struct forest *forest = make(trees, ROWS);

		assert_true(forest_code_choose("baseline"));
		forest_rows(forest, queries, QUERIES, expected);
		for (size_t k = 0; k < 2; k++) {
			if (!forest_code_choose(codes[k]))
				continue;
			assert_string_equal(forest_code(), codes[k]);
			forest_rows(forest, queries, QUERIES, scores);
			assert_memory_equal(scores, expected, sizeof(scores));
			for (size_t i = 0; i < QUERIES; i++)
				scores[i] = forest_row(forest, queries + i * COLUMNS);
			assert_memory_equal(scores, expected, sizeof(scores));
		}
		forest_close(forest);
	}
	assert_false(forest_code_choose("mmx"));
	assert_true(forest_code_choose(NULL));
}

/* The paper's algorithm with recursion made a list, doubles and nothing else. */
struct plain_node {
	size_t feature, left;
	double threshold, path;
};

static double plain_c(size_t n)
{
	return n < 2 ? 0
		: n == 2
		? 1
		: 2 * (log((double)n - 1) + 0.5772156649) - 2 * ((double)n - 1) / (double)n;
}

struct plain_part {
	size_t node, depth, count;
	size_t in[256];
};

static void plain_grow(struct plain_node *nodes, struct random *dice)
{
	static struct plain_part parts[600];
	size_t made = 1, used = 1;

	parts[0] = (struct plain_part){.count = 256};
	for (size_t i = 0; i < 256; i++) {
		bool again = true;

		while (again) {
			parts[0].in[i] = random_below(dice, ROWS);
			again = false;
			for (size_t k = 0; k < i; k++)
				again = again || parts[0].in[k] == parts[0].in[i];
		}
	}
	for (size_t p = 0; p < made; p++) {
		struct plain_part *part = &parts[p];
		struct plain_node *node = &nodes[part->node];
		double low = 0, high = 0;

		node->left = 0;
		node->path = (double)part->depth + plain_c(part->count);
		/* Column 5 is constant; the others never are with two rows or more. */
		if (part->count < 2 || part->depth == 8)
			continue;
		while (low == high) {
			node->feature = random_below(dice, COLUMNS);
			low = INFINITY;
			high = -INFINITY;
			for (size_t i = 0; i < part->count; i++) {
				low = fmin(low, rows[part->in[i] * COLUMNS + node->feature]);
				high = fmax(high, rows[part->in[i] * COLUMNS + node->feature]);
			}
		}
		node->threshold = low + (high - low) * random_unit(dice);
		node->left = used;
		for (size_t side = 0; side < 2; side++) {
			struct plain_part *next = &parts[made++];

			next->node = used++;
			next->depth = part->depth + 1;
			next->count = 0;
			for (size_t i = 0; i < part->count; i++) {
				double value = rows[part->in[i] * COLUMNS + node->feature];

				if ((value > node->threshold) == (side == 1))
					next->in[next->count++] = part->in[i];
			}
		}
	}
}

static void scores_are_those_of_a_plain_forest(void **state)
{
	static struct plain_node nodes[1024];
	static double sums[QUERIES];
	struct forest *forest = make(1000, ROWS);
	struct random dice;

	random_init(&dice, 99);
	memset(sums, 0, sizeof(sums));
	for (size_t tree = 0; tree < 1000; tree++) {
		plain_grow(nodes, &dice);
		for (size_t i = 10; i < QUERIES; i++) {
			size_t at = 0;

			while (nodes[at].left > 0)
				at = nodes[at].left +
					(queries[i * COLUMNS + nodes[at].feature] >
						nodes[at].threshold);
			sums[i] += nodes[at].path;
		}
	}
	/* A thousand trees each: the deviation of a mean path of 8 +- 2 is under 0.1. */
	for (size_t i = 10; i < QUERIES; i++) {
		double plain = exp2(-sums[i] / 1000 / plain_c(256));

		assert_true(fabs(forest_row(forest, queries + i * COLUMNS) - plain) < 0.02);
	}
	forest_close(forest);
}

static void the_same_seed_gives_the_same_forest(void **state)
{
	struct forest *one = make(20, ROWS), *other = make(20, ROWS);

	assert_memory_equal(one->nodes, other->nodes, 20 * FOREST_SLOTS * FOREST_NARROW);
	assert_memory_equal(one->leaves, other->leaves, 20 * FOREST_SLOTS);
	assert_memory_equal(&one->lengths, &other->lengths, sizeof(one->lengths));
	forest_close(one);
	forest_close(other);
}

static void gains_add_up_to_the_path_saved(void **state)
{
	struct forest *forest = make(100, ROWS);

	for (size_t i = 0; i < QUERIES; i++) {
		double gains[COLUMNS] = {0}, sum = 0, path;

		forest_gains(forest, queries + i * COLUMNS, gains);
		for (size_t f = 0; f < COLUMNS; f++)
			sum += gains[f];
		path = -log2(forest_row(forest, queries + i * COLUMNS)) * plain_c(256);
		assert_true(fabs(plain_c(256) - path - sum) < 0.01);
		assert_true(gains[5] == 0);
		for (size_t f = 0; i < 3 && f < COLUMNS; f++)
			assert_true(f == i || gains[i] > 1.5 * gains[f]);
	}
	forest_close(forest);
}

static void places_grow_with_values(void **state)
{
	int16_t level = quantize(quantize_place(-1e99, 3, 1e-3));

	for (double exponent = 20; exponent > -20; exponent -= 0.01) {
		int16_t next = quantize(quantize_place(3 - exp(exponent), 3, 1e-3));

		assert_true(next >= level);
		level = next;
	}
	assert_int_equal(quantize(0), 0);
	assert_int_equal(quantize(quantize_place(NAN, 3, 1)), 0);
	assert_true(quantize(quantize_place(1e308, -1e308, 1e100)) < FOREST_NEVER);
	assert_true(quantize(4e9F) > quantize(3.9e9F));
	assert_int_equal(quantize(-4e9F), -quantize(4e9F));
}

/* The same columns behind so many that never vary. */
static void widen(double *to, const double *from, size_t count, size_t columns)
{
	memset(to, 0, count * columns * sizeof(*to));
	for (size_t i = 0; i < count; i++)
		memcpy(to + i * columns + columns - COLUMNS, from + i * COLUMNS,
			COLUMNS * sizeof(*to));
}

static void many_columns_change_no_score(void **state)
{
	static const size_t widths[] = {FOREST_BLOCK_COLUMNS, FOREST_BLOCK_COLUMNS + 1, 700};
	static double wide_rows[ROWS * 700], wide[QUERIES * 700], scores[QUERIES];
	struct forest *forest = make(100, ROWS);

	for (size_t w = 0; w < 3; w++) {
		size_t columns = widths[w], size;
		struct forest *grown, *read = NULL;
		struct error error;
		struct pack pack;
		void *bytes;

		widen(wide_rows, rows, ROWS, columns);
		widen(wide, queries, QUERIES, columns);
		grown = forest_fit(&config, wide_rows, ROWS, columns, &error);
		assert_non_null(grown);
		pack_measure(&pack);
		forest_pack(&grown, &config, columns, &pack);
		size = pack.done;
		bytes = mem_alloc(size);
		pack_write(&pack, bytes, size);
		forest_pack(&grown, &config, columns, &pack);
		assert_true(pack_ok(&pack));
		pack_read(&pack, bytes, size);
		forest_pack(&read, &config, columns, &pack);
		assert_true(pack_ok(&pack));
		forest_rows(read, wide, QUERIES, scores);
		for (size_t i = 0; i < QUERIES; i++) {
			double expected = forest_row(forest, queries + i * COLUMNS);

			assert_true(forest_row(grown, wide + i * columns) == expected);
			assert_true(scores[i] == expected);
		}
		mem_free(bytes);
		forest_close(read);
		forest_close(grown);
	}
	forest_close(forest);
}

/* A file's node of a feature that there is not, which a byte less would make one that there is. */
static void a_feature_beyond_the_last_is_refused(void **state)
{
	struct forest *forest = make(100, ROWS), *read = NULL;
	struct pack pack;
	size_t size;
	uint8_t *bytes;

	pack_measure(&pack);
	forest_pack(&forest, &config, COLUMNS, &pack);
	size = pack.done;
	bytes = mem_alloc(size);
	pack_write(&pack, bytes, size);
	forest_pack(&forest, &config, COLUMNS, &pack);
	/* The highest byte of the first tree's root, behind the sample and the scales. */
	bytes[sizeof(uint64_t) + 2 * COLUMNS * sizeof(double) + sizeof(uint32_t) + 3] = 1;
	pack_read(&pack, bytes, size);
	forest_pack(&read, &config, COLUMNS, &pack);
	assert_false(pack_ok(&pack));
	mem_free(bytes);
	forest_close(read);
	forest_close(forest);
}

static void a_forest_stays_compact(void **state)
{
	struct forest *forest = make(100, ROWS);

	assert_true(forest_size(forest) < 108000);
	forest_close(forest);
}

static void what_cannot_grow_is_refused(void **state)
{
	static const struct forest_config bad[] = {{.trees = 0, .sample = 256},
		{.trees = 1001, .sample = 256}, {.trees = 10, .sample = 1},
		{.trees = 10, .sample = 257}};
	struct error error;

	for (size_t i = 0; i < 4; i++) {
		assert_null(forest_fit(&bad[i], rows, ROWS, COLUMNS, &error));
		assert_int_equal(error.code, STATUS_BAD_INPUT);
	}
	assert_null(forest_fit(&config, rows, 1, COLUMNS, &error));
	assert_null(forest_fit(&config, rows, ROWS, 0, &error));
}

static void each_failed_allocation_is_an_answer(void **state)
{
	struct error error;
	bool reached = true;

	draw(rows, ROWS, 1);
	for (long n = 1; reached; n++) {
		struct forest *forest;

		mem_fail_after(n, false);
		forest = forest_fit(&config, rows, ROWS, COLUMNS, &error);
		reached = mem_fail_after(0, false);
		assert_true(reached == (forest == NULL));
		if (reached)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		forest_close(forest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_rows_are_one_split_apart),
		cmocka_unit_test(rows_all_alike_have_the_average_path),
		cmocka_unit_test(every_code_path_gives_the_same_bits),
		cmocka_unit_test(scores_are_those_of_a_plain_forest),
		cmocka_unit_test(the_same_seed_gives_the_same_forest),
		cmocka_unit_test(gains_add_up_to_the_path_saved),
		cmocka_unit_test(places_grow_with_values),
		cmocka_unit_test(many_columns_change_no_score),
		cmocka_unit_test(a_feature_beyond_the_last_is_refused),
		cmocka_unit_test(a_forest_stays_compact),
		cmocka_unit_test(what_cannot_grow_is_refused),
		cmocka_unit_test(each_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("forest", tests, NULL, NULL);
}
