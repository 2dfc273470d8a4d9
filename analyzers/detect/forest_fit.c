/*
 * Growing a forest. All values are first made floats relative to their columns' centers, row by row,
 * so that the 256 rows of a tree stay in the first-level cache whatever features are drawn; nodes are
 * ranges of one array of row numbers, parted in place. Nodes are visited in heap order, so nothing
 * recurses.
 */
#include "analyzers/detect/forest_parts.h"

#include <stdlib.h>

#include "analyzers/pack.h"
#include "analyzers/robust.h"
#include "base/mem.h"
#include "base/random.h"

/* Rows from which the columns' centers and scales are taken. */
#define SCALE_ROWS 256
/* More rows than this are represented by so many of them, drawn at random. */
#define POOL_MAX 32768
#define UNITS_PER_DEVIATION 8.0
#define EULER 0.5772156649

struct growth {
	const double *rows;
	size_t count;
	struct random dice;
	uint64_t bits; /* the half of a draw that is not used yet */
	bool spare;
	uint32_t *shuffled; /* [count] row numbers */
	size_t pool;        /* rows that are drawn from */
	float *places;      /* [pool][columns] */
	uint16_t *drawn;    /* [pool] numbers of rows in it, shuffled */
	uint16_t *varying;  /* [columns] features that vary in this tree's sample */
	size_t varying_count;
	struct forest_codes codes;
	uint16_t order[FOREST_SAMPLE_MAX]; /* the sample, parted by the splits */
	uint16_t first[2 * FOREST_SLOTS],
		last[2 * FOREST_SLOTS]; /* of a node; first = last: none */
};

static double average_path(size_t count)
{
	double n = (double)count;

	if (count < 2)
		return 0;
	return count == 2 ? 1 : 2 * (log(n - 1) + EULER) - 2 * (n - 1) / n;
}

/* Uniform in [0, bound) by multiplication: the bias is bound / 2^32. */
static uint32_t draw(struct growth *growth, size_t bound)
{
	uint32_t bits;

	if (growth->spare) {
		bits = (uint32_t)(growth->bits >> 32);
	} else {
		growth->bits = random_u64(&growth->dice);
		bits = (uint32_t)growth->bits;
	}
	growth->spare = !growth->spare;
	return (uint32_t)((uint64_t)bits * bound >> 32);
}

/* Moves so many rows to the front of `shuffled`, which stays a permutation of all. */
static void draw_rows(struct growth *growth, size_t rows)
{
	for (size_t i = 0; i < rows; i++) {
		size_t k = i + draw(growth, growth->count - i);
		uint32_t row = growth->shuffled[k];

		growth->shuffled[k] = growth->shuffled[i];
		growth->shuffled[i] = row;
	}
}

/* The mean of what differs from the center, over all rows: for columns that hardly ever move. */
static double rare_deviation(const struct growth *growth, size_t columns, size_t column,
	double center)
{
	double sum = 0;
	size_t differing = 0;

	for (size_t r = 0; r < growth->count; r++) {
		double distance = fabs(growth->rows[r * columns + column] - center);

		if (distance > 0) {
			sum += distance;
			differing++;
		}
	}
	return differing > 0 ? sum / (double)differing : 0;
}

static void find_scale(struct forest *forest, struct growth *growth, size_t column, size_t rows)
{
	double values[SCALE_ROWS], scratch[SCALE_ROWS], deviation;
	size_t present = 0, differing = 0;

	for (size_t i = 0; i < rows; i++) {
		double value = growth->rows[growth->shuffled[i] * forest->columns + column];

		if (!isnan(value))
			values[present++] = value;
	}
	forest->center[column] = present > 0 ? robust_median(values, present) : 0;
	for (size_t i = 0; i < present; i++) {
		double distance = fabs(values[i] - forest->center[column]);

		if (distance > 0)
			scratch[differing++] = distance;
	}
	deviation = differing > present / 8
		? robust_median(scratch, differing)
		: rare_deviation(growth, forest->columns, column, forest->center[column]);
	forest->inverse[column] = deviation > 1e-200 ? UNITS_PER_DEVIATION / deviation : 0;
}

static void place_pool(const struct forest *forest, struct growth *growth)
{
	size_t columns = forest->columns;

	for (size_t i = 0; i < growth->pool; i++) {
		const double *row = growth->rows + growth->shuffled[i] * columns;
		float *places = growth->places + i * columns;

		growth->drawn[i] = (uint16_t)i;
		for (size_t f = 0; f < columns; f++)
			places[f] = quantize_place(row[f], forest->center[f], forest->inverse[f]);
	}
}

/* Draws a tree's sample and lists the features that vary in it. */
static void draw_sample(const struct forest *forest, struct growth *growth)
{
	size_t columns = forest->columns;
	const float *first;

	for (size_t i = 0; i < forest->sample; i++) {
		size_t k = i + draw(growth, growth->pool - i);
		uint16_t row = growth->drawn[k];

		growth->drawn[k] = growth->drawn[i];
		growth->drawn[i] = growth->order[i] = row;
	}
	growth->varying_count = 0;
	first = growth->places + growth->order[0] * columns;
	for (size_t f = 0; f < columns; f++) {
		size_t i = 1;

		while (i < forest->sample &&
			growth->places[growth->order[i] * columns + f] == first[f])
			i++;
		if (i < forest->sample)
			growth->varying[growth->varying_count++] = (uint16_t)f;
	}
}

struct split {
	size_t feature;
	float threshold;
};

/* A random feature that varies among the node's rows, and a random place between their extremes.
 * False when all rows are alike. */
static bool draw_split(struct growth *growth, size_t columns, size_t first, size_t last,
	struct split *split)
{
	for (size_t tried = 0; tried < growth->varying_count; tried++) {
		size_t k = tried + draw(growth, growth->varying_count - tried);
		uint16_t feature = growth->varying[k];
		const float *values = growth->places + feature;
		float least = values[growth->order[first] * columns], greatest = least;

		growth->varying[k] = growth->varying[tried];
		growth->varying[tried] = feature;
		for (size_t i = first + 1; i < last; i++) {
			float value = values[growth->order[i] * columns];

			least = value < least ? value : least;
			greatest = value > greatest ? value : greatest;
		}
		if (least == greatest)
			continue;
		split->feature = feature;
		split->threshold = (float)(least +
			((double)greatest - least) * (draw(growth, UINT32_C(1) << 31) * 0x1p-31));
		/* Rounding must not leave the right side empty. */
		if (split->threshold >= greatest)
			split->threshold = least;
		return true;
	}
	return false;
}

/* Those at most the threshold first; returns where the others begin. Without a branch, for which way
 * a row goes is a toss of a coin. */
static size_t part(struct growth *growth, size_t columns, size_t first, size_t last,
	const struct split *split)
{
	const float *values = growth->places + split->feature;
	uint16_t right[FOREST_SAMPLE_MAX];
	size_t lefts = first, rights = 0;

	for (size_t i = first; i < last; i++) {
		uint16_t row = growth->order[i];
		bool is_right = values[row * columns] > split->threshold;

		growth->order[lefts] = row;
		right[rights] = row;
		lefts += !is_right;
		rights += is_right;
	}
	memcpy(growth->order + lefts, right, rights * sizeof(*right));
	return lefts;
}

static uint8_t nearest(const struct forest_lengths *lengths, uint32_t length)
{
	size_t best = 1;

	for (size_t i = 2; i <= lengths->count; i++)
		if (labs((long)lengths->of[i] - (long)length) <
			labs((long)lengths->of[best] - (long)length))
			best = i;
	return (uint8_t)best;
}

uint8_t forest_leaf(struct forest_lengths *lengths, struct forest_codes *codes, unsigned depth,
	size_t rows, double path)
{
	uint16_t *code = &codes->code[depth][rows];
	uint32_t length = (uint32_t)lrint(path * FOREST_PATH_UNIT);

	if (*code == 0 && lengths->count == FOREST_LENGTHS - 1)
		*code = nearest(lengths, length);
	if (*code == 0) {
		*code = (uint16_t)++lengths->count;
		lengths->of[*code] = length;
		lengths->rows[*code] = (uint16_t)rows;
	}
	return (uint8_t)*code;
}

static void end_path(struct forest *forest, struct growth *growth, uint8_t *leaves, size_t node,
	unsigned depth, size_t rows)
{
	size_t slot = (node << (FOREST_DEPTH - depth)) - FOREST_SLOTS;

	leaves[slot] = forest_leaf(&forest->lengths, &growth->codes, depth, rows,
		depth + (double)forest->average[rows]);
}

void forest_tree(const struct forest *forest, size_t tree, uint32_t *nodes)
{
	for (size_t i = 0; i < FOREST_SLOTS; i++)
		nodes[i] = forest_node_at(forest->nodes, forest->width, tree * FOREST_SLOTS + i);
}

static void put(uint8_t *at, uint32_t node)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	node = __builtin_bswap32(node);
#endif
	memcpy(at, &node, sizeof(node));
}

/* nodes: [FOREST_SLOTS]. Of narrow nodes the highest byte, a 0, lies where the next one begins: trees are kept
 * from the first to the last. */
static void keep_tree(struct forest *forest, size_t tree, const uint32_t *nodes)
{
	uint8_t *kept = forest->nodes + tree * FOREST_SLOTS * forest->width;

	if (forest->width == FOREST_NARROW)
		for (size_t i = 0; i < FOREST_SLOTS; i++)
			put(kept + i * FOREST_NARROW, nodes[i]);
	else
		for (size_t i = 0; i < FOREST_SLOTS; i++)
			put(kept + i * FOREST_WIDE, nodes[i]);
}

static void grow_tree(struct forest *forest, struct growth *growth, size_t tree, unsigned height)
{
	uint32_t nodes[FOREST_SLOTS] = {0};
	uint8_t *leaves = forest->leaves + tree * FOREST_SLOTS;
	unsigned depth = 0;

	memset(growth->first, 0, sizeof(growth->first));
	memset(growth->last, 0, sizeof(growth->last));
	growth->last[1] = (uint16_t)forest->sample;
	for (size_t node = 1; node < 2 * FOREST_SLOTS; node++) {
		size_t first = growth->first[node], last = growth->last[node], middle;
		struct split split;

		depth += node == (size_t)2 << depth;
		if (depth < FOREST_DEPTH)
			nodes[node] = FOREST_NODE(0, FOREST_NEVER);
		if (first == last)
			continue;
		if (depth == height || last - first == 1 ||
			!draw_split(growth, forest->columns, first, last, &split)) {
			end_path(forest, growth, leaves, node, depth, last - first);
			continue;
		}
		nodes[node] = FOREST_NODE(split.feature, quantize(split.threshold));
		middle = part(growth, forest->columns, first, last, &split);
		growth->first[2 * node] = (uint16_t)first;
		growth->last[2 * node] = growth->first[2 * node + 1] = (uint16_t)middle;
		growth->last[2 * node + 1] = (uint16_t)last;
	}
	keep_tree(forest, tree, nodes);
}

static struct forest *forest_alloc(const struct forest_config *config, size_t sample,
	size_t columns)
{
	struct forest *forest = mem_zalloc(1, sizeof(*forest));
	size_t slots = config->trees * FOREST_SLOTS, nodes_size;

	if (forest == NULL)
		return NULL;
	forest->trees = config->trees;
	forest->columns = columns;
	forest->sample = sample;
	forest->center = mem_zalloc(columns, sizeof(double));
	forest->inverse = mem_zalloc(columns, sizeof(double));
	forest->width = columns <= FOREST_BLOCK_COLUMNS ? FOREST_NARROW : FOREST_WIDE;
	nodes_size = slots * forest->width + FOREST_NODES_PAD;
	forest->nodes = mem_alloc_aligned(64, nodes_size);
	/* Vector code reads four bytes for the last leaf too. */
	forest->leaves = mem_zalloc(slots + 3, 1);
	if (forest->center == NULL || forest->inverse == NULL || forest->nodes == NULL ||
		forest->leaves == NULL) {
		forest_close(forest);
		return NULL;
	}
	memset(forest->nodes, 0, nodes_size);
	for (size_t n = 0; n <= FOREST_SAMPLE_MAX; n++)
		forest->average[n] = (float)average_path(n);
	forest->exponent = -1 / (average_path(sample) * FOREST_PATH_UNIT * (double)config->trees);
	return forest;
}

static void grow(struct forest *forest, struct growth *growth)
{
	size_t scale_rows = growth->count < SCALE_ROWS ? growth->count : SCALE_ROWS;
	unsigned height = 0;

	while ((size_t)1 << height < forest->sample)
		height++;
	for (size_t i = 0; i < growth->count; i++)
		growth->shuffled[i] = (uint32_t)i;
	draw_rows(growth, growth->pool < growth->count ? growth->pool : scale_rows);
	for (size_t f = 0; f < forest->columns; f++)
		find_scale(forest, growth, f, scale_rows);
	place_pool(forest, growth);
	for (size_t tree = 0; tree < forest->trees; tree++) {
		draw_sample(forest, growth);
		grow_tree(forest, growth, tree, height);
	}
}

static enum status check(const struct forest_config *config, size_t count, size_t columns,
	struct error *error)
{
	if (config->trees < 1 || config->trees > FOREST_TREES_MAX || config->sample < 2 ||
		config->sample > FOREST_SAMPLE_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"%zu trees of %zu rows: 1 to %d trees of 2 to %d are possible",
			config->trees, config->sample, FOREST_TREES_MAX, FOREST_SAMPLE_MAX);
	if (count < 2 || count > UINT32_MAX || columns < 1 || columns > FOREST_COLUMNS_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"a forest of %zu rows and %zu columns: at least 2 rows and 1 to %d columns",
			count, columns, FOREST_COLUMNS_MAX);
	return STATUS_OK;
}

struct forest *forest_fit(const struct forest_config *config, const double *rows, size_t count,
	size_t columns, struct error *error)
{
	struct growth growth = {.rows = rows, .count = count};
	struct forest *forest;

	if (check(config, count, columns, error) != STATUS_OK)
		return NULL;
	random_init(&growth.dice, config->seed);
	forest = forest_alloc(config, config->sample < count ? config->sample : count, columns);
	growth.shuffled = mem_alloc(count * sizeof(*growth.shuffled));
	growth.pool = count < POOL_MAX ? count : POOL_MAX;
	growth.places = mem_alloc(growth.pool * columns * sizeof(*growth.places));
	growth.drawn = mem_alloc(growth.pool * sizeof(*growth.drawn));
	growth.varying = mem_alloc(columns * sizeof(*growth.varying));
	if (forest == NULL || growth.shuffled == NULL || growth.places == NULL ||
		growth.drawn == NULL || growth.varying == NULL) {
		forest_close(forest);
		forest = NULL;
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for a forest");
	} else {
		grow(forest, &growth);
	}
	mem_free(growth.shuffled);
	mem_free(growth.places);
	mem_free(growth.drawn);
	mem_free(growth.varying);
	return forest;
}

bool forest_sound(const uint32_t *nodes, const uint8_t *leaves,
	const struct forest_lengths *lengths, size_t trees, size_t features, size_t sample)
{
	size_t rows = sample;

	for (size_t i = 0; i < trees * FOREST_SLOTS; i++) {
		rows = i % FOREST_SLOTS == 0 ? 0 : rows;
		rows += lengths->rows[leaves[i]];
		if (FOREST_NODE_FEATURE(nodes[i]) >= features ||
			(i % FOREST_SLOTS == FOREST_SLOTS - 1 && rows != sample))
			return false;
	}
	return sample <= FOREST_SAMPLE_MAX;
}

/* In files nodes are whole numbers whatever the width. */
static void nodes_pack(struct forest *forest, struct pack *pack)
{
	for (size_t tree = 0; tree < forest->trees; tree++) {
		uint32_t nodes[FOREST_SLOTS];

		forest_tree(forest, tree, nodes);
		pack_bytes(pack, nodes, sizeof(nodes));
		if (!pack_reads(pack))
			continue;
		for (size_t i = 0; i < FOREST_SLOTS; i++)
			if (FOREST_NODE_FEATURE(nodes[i]) >= forest->columns)
				pack_fail(pack);
		keep_tree(forest, tree, nodes);
	}
}

/* After nodes_pack(). */
static bool leaves_sound(const struct forest *forest)
{
	uint32_t nodes[FOREST_SLOTS];

	for (size_t tree = 0; tree < forest->trees; tree++) {
		forest_tree(forest, tree, nodes);
		if (!forest_sound(nodes, forest->leaves + tree * FOREST_SLOTS, &forest->lengths, 1,
			    forest->columns, forest->sample))
			return false;
	}
	return true;
}

void forest_pack(struct forest **forest, const struct forest_config *config, size_t columns,
	struct pack *pack)
{
	size_t sample = *forest != NULL ? (*forest)->sample : 0, slots;
	struct forest *self;

	pack_index(pack, &sample, config->sample);
	if (pack_reads(pack) && sample >= 2)
		*forest = forest_alloc(config, sample, columns);
	self = *forest;
	if (self == NULL || pack->failed) {
		pack_fail(pack);
		return;
	}
	slots = self->trees * FOREST_SLOTS;
	pack_bytes(pack, self->center, columns * sizeof(*self->center));
	pack_bytes(pack, self->inverse, columns * sizeof(*self->inverse));
	nodes_pack(self, pack);
	pack_bytes(pack, self->leaves, slots);
	pack_value(pack, &self->lengths);
	if (pack_reads(pack) && !leaves_sound(self))
		pack_fail(pack);
}

void forest_close(struct forest *forest)
{
	if (forest == NULL)
		return;
	mem_free(forest->center);
	mem_free(forest->inverse);
	mem_free(forest->nodes);
	mem_free(forest->leaves);
	mem_free(forest);
}

size_t forest_size(const struct forest *forest)
{
	return sizeof(*forest) + 2 * forest->columns * sizeof(double) +
		forest->trees * FOREST_SLOTS * (forest->width + 1) + FOREST_NODES_PAD + 3;
}
