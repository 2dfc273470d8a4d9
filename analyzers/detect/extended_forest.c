/*
 * Extended isolation forest: splits by random hyperplanes of all features instead of one.
 *
 * Source: Hariri, Carrasco Kind, Brunner, "Extended Isolation Forest", IEEE TKDE 2021 (arXiv
 * 1811.02141): normal vector of independent standard normal numbers, intercept uniform in the box of
 * the node's rows; paths and score as in the plain forest.
 *
 * A normal vector is not stored but cut out of one table of normal numbers at a random place. The
 * table is the same for all forests of a process, so that a node takes four bytes whatever the number
 * of features, and what a walk reads of normal vectors stays in the caches. Trees are heaps as in
 * forest_parts.h, thresholds and projections compared as the integers of 16 bits that are told there.
 *
 * A walk is a chain of dependent loads: CHAINS trees side by side hide each other's waiting, which is
 * most of the time when the forest is not in the caches.
 */
#include "analyzers/detect/model.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/detect/forest_parts.h"
#include "analyzers/pack.h"
#include "base/mem.h"
#include "base/random.h"

#define DEPTH FOREST_DEPTH
#define SLOTS FOREST_SLOTS
#define SAMPLE_MAX 256
#define TABLE 4096
#define TABLE_SEED 1
#define FEATURES_MAX 1024
#define EULER 0.5772156649
#define LANES 8
#define CHAINS 8

/* Of a node, as in the plain forest, but with the start of its normal vector for a feature. */
#define NODE(start, threshold) FOREST_NODE(start, threshold)
#define NODE_START(node) FOREST_NODE_FEATURE(node)
#define NODE_THRESHOLD(node) FOREST_NODE_THRESHOLD(node)

struct extended_forest {
	size_t trees, features, padded, sample;
	double exponent;
	uint32_t *nodes; /* [trees][SLOTS]; FOREST_NEVER: a leaf, everything goes left */
	uint8_t *leaves; /* [trees][SLOTS] of lengths */
	struct forest_lengths lengths;
	float *row; /* [padded] scratch */
};

static float normals[TABLE + FEATURES_MAX];
static pthread_once_t normals_once = PTHREAD_ONCE_INIT;

static void draw_normals(void)
{
	struct random dice;

	random_init(&dice, TABLE_SEED);
	for (size_t i = 0; i < TABLE + FEATURES_MAX; i++)
		normals[i] = (float)random_normal(&dice);
}

struct planting {
	const double *rows;
	size_t count;
	struct random dice;
	uint32_t *shuffled;                  /* [count] */
	float *values;                       /* [SAMPLE_MAX][padded] */
	float *intercept, *least, *greatest; /* [padded], one behind the other */
	struct forest_codes codes;
	uint16_t order[SAMPLE_MAX];
	uint16_t first[2 * SLOTS], last[2 * SLOTS];
};

static double average_path(size_t count)
{
	double n = (double)count;

	if (count < 2)
		return 0;
	return count == 2 ? 1 : 2 * (log(n - 1) + EULER) - 2 * (n - 1) / n;
}

/* Eight sums side by side, which a compiler may put into one register. size: a multiple of LANES. */
static inline float project(const float *normal, const float *row, size_t size)
{
	float sums[LANES] = {0}, sum = 0;

	for (size_t i = 0; i < size; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			sums[k] += normal[i + k] * row[i + k];
	for (size_t k = 0; k < LANES; k++)
		sum += sums[k];
	return sum;
}

static void close_extended(void *model)
{
	struct extended_forest *forest = model;

	if (forest == NULL)
		return;
	mem_free(forest->nodes);
	mem_free(forest->leaves);
	mem_free(forest->row);
	mem_free(forest);
}

static struct extended_forest *forest_alloc(const struct detector_config *config, size_t count,
	size_t features)
{
	struct extended_forest *forest = mem_zalloc(1, sizeof(*forest));

	if (forest == NULL)
		return NULL;
	forest->trees = config->trees;
	forest->features = features;
	forest->padded = (features + LANES - 1) / LANES * LANES;
	forest->sample = config->sample < count ? config->sample : count;
	forest->exponent =
		-1 / (average_path(forest->sample) * (double)forest->trees * FOREST_PATH_UNIT);
	forest->nodes = mem_alloc_aligned(64, forest->trees * SLOTS * sizeof(*forest->nodes));
	forest->leaves = mem_zalloc(forest->trees * SLOTS, sizeof(*forest->leaves));
	forest->row = mem_zalloc(forest->padded, sizeof(*forest->row));
	if (forest->nodes == NULL || forest->leaves == NULL || forest->row == NULL) {
		close_extended(forest);
		return NULL;
	}
	memset(forest->nodes, 0, forest->trees * SLOTS * sizeof(*forest->nodes));
	return forest;
}

static void lay_out(const struct extended_forest *forest, struct planting *planting)
{
	for (size_t i = 0; i < forest->sample; i++) {
		size_t k = i + random_below(&planting->dice, planting->count - i);
		uint32_t row = planting->shuffled[k];

		planting->shuffled[k] = planting->shuffled[i];
		planting->shuffled[i] = row;
		planting->order[i] = (uint16_t)i;
		for (size_t f = 0; f < forest->features; f++)
			planting->values[i * forest->padded + f] =
				(float)planting->rows[row * forest->features + f];
	}
}

/* A point uniform in the box of the node's rows; false when the box is a point. */
static bool draw_intercept(const struct extended_forest *forest, struct planting *planting,
	size_t first, size_t last)
{
	float *least = planting->least, *greatest = planting->greatest;
	bool varies = false;

	memcpy(least, planting->values + planting->order[first] * forest->padded,
		forest->padded * sizeof(*least));
	memcpy(greatest, least, forest->padded * sizeof(*least));
	/* Row by row, so that a compiler may take eight features at a time. */
	for (size_t i = first + 1; i < last; i++) {
		const float *row = planting->values + planting->order[i] * forest->padded;

		for (size_t f = 0; f < forest->padded; f++) {
			least[f] = row[f] < least[f] ? row[f] : least[f];
			greatest[f] = row[f] > greatest[f] ? row[f] : greatest[f];
		}
	}
	for (size_t f = 0; f < forest->features; f++) {
		varies = varies || least[f] < greatest[f];
		planting->intercept[f] =
			least[f] + (greatest[f] - least[f]) * (float)random_unit(&planting->dice);
	}
	return varies;
}

static size_t part(const struct extended_forest *forest, struct planting *planting, size_t first,
	size_t last, uint32_t node)
{
	uint16_t right[SAMPLE_MAX];
	size_t lefts = first, rights = 0;

	for (size_t i = first; i < last; i++) {
		uint16_t row = planting->order[i];

		if (quantize(project(normals + NODE_START(node),
			    planting->values + row * forest->padded, forest->padded)) >
			NODE_THRESHOLD(node))
			right[rights++] = row;
		else
			planting->order[lefts++] = row;
	}
	memcpy(planting->order + lefts, right, rights * sizeof(*right));
	return lefts;
}

static void grow_tree(struct extended_forest *forest, struct planting *planting, size_t tree,
	unsigned height)
{
	uint32_t *nodes = forest->nodes + tree * SLOTS;
	uint8_t *leaves = forest->leaves + tree * SLOTS;
	unsigned depth = 0;

	memset(planting->first, 0, sizeof(planting->first));
	memset(planting->last, 0, sizeof(planting->last));
	planting->last[1] = (uint16_t)forest->sample;
	for (size_t node = 1; node < 2 * SLOTS; node++) {
		size_t first = planting->first[node], last = planting->last[node], middle, start;

		depth += node == (size_t)2 << depth;
		if (depth < DEPTH)
			nodes[node] = NODE(0, FOREST_NEVER);
		if (first == last)
			continue;
		if (depth == height || last - first == 1 ||
			!draw_intercept(forest, planting, first, last)) {
			leaves[(node << (DEPTH - depth)) - SLOTS] =
				forest_leaf(&forest->lengths, &planting->codes, depth, last - first,
					depth + average_path(last - first));
			continue;
		}
		start = (size_t)random_below(&planting->dice, TABLE);
		nodes[node] = NODE(start,
			quantize(project(normals + start, planting->intercept, forest->padded)));
		middle = part(forest, planting, first, last, nodes[node]);
		planting->first[2 * node] = (uint16_t)first;
		planting->last[2 * node] = planting->first[2 * node + 1] = (uint16_t)middle;
		planting->last[2 * node + 1] = (uint16_t)last;
	}
}

static void grow(struct extended_forest *forest, struct planting *planting)
{
	unsigned height = 0;

	while ((size_t)1 << height < forest->sample)
		height++;
	for (size_t i = 0; i < planting->count; i++)
		planting->shuffled[i] = (uint32_t)i;
	for (size_t tree = 0; tree < forest->trees; tree++) {
		lay_out(forest, planting);
		grow_tree(forest, planting, tree, height);
	}
}

static void *fit_extended(const struct detector_config *config, const double *rows, size_t count,
	size_t features, struct error *error)
{
	struct extended_forest *forest;
	struct planting *planting;

	if (features > FEATURES_MAX) {
		(void)error_set(error, STATUS_BAD_INPUT, "%zu features: 1 to %d are possible",
			features, FEATURES_MAX);
		return NULL;
	}
	(void)pthread_once(&normals_once, draw_normals);
	forest = forest_alloc(config, count, features);
	planting = mem_zalloc(1, sizeof(*planting));
	if (forest == NULL || planting == NULL)
		goto no_memory;
	planting->rows = rows;
	planting->count = count;
	random_init(&planting->dice, config->seed);
	planting->shuffled = mem_zalloc(count, sizeof(*planting->shuffled));
	planting->values = mem_zalloc(SAMPLE_MAX * forest->padded, sizeof(*planting->values));
	planting->intercept = mem_zalloc(3 * forest->padded, sizeof(*planting->intercept));
	if (planting->shuffled == NULL || planting->values == NULL || planting->intercept == NULL)
		goto no_memory;
	planting->least = planting->intercept + forest->padded;
	planting->greatest = planting->least + forest->padded;
	grow(forest, planting);
	goto out;

no_memory:
	close_extended(forest);
	forest = NULL;
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for an extended forest");
out:
	if (planting != NULL) {
		mem_free(planting->shuffled);
		mem_free(planting->values);
		mem_free(planting->intercept);
	}
	mem_free(planting);
	return forest;
}

/* Path lengths of the row over all trees together. Inlined into each of the instruction sets below:
 * as sums are eight side by side in all of them, all give the same to the last bit. */
static inline __attribute__((always_inline)) uint64_t walk(const struct extended_forest *forest)
{
	const float *row = forest->row;
	size_t padded = forest->padded;
	uint64_t sum = 0;

	for (size_t tree = 0; tree < forest->trees; tree += CHAINS) {
		size_t chains = forest->trees - tree < CHAINS ? forest->trees - tree : CHAINS;
		const uint32_t *nodes = forest->nodes + tree * SLOTS;
		const uint8_t *leaves = forest->leaves + tree * SLOTS;
		uint32_t at[CHAINS] = {1, 1, 1, 1, 1, 1, 1, 1};

		/* As in the plain forest: the first five levels of the trees to come. */
		for (size_t k = CHAINS; k < 2 * CHAINS && tree + k < forest->trees; k++) {
			__builtin_prefetch(nodes + k * SLOTS);
			__builtin_prefetch(nodes + k * SLOTS + 16);
		}
		for (int depth = 0; depth < DEPTH; depth++)
			for (size_t k = 0; k < chains; k++) {
				uint32_t node = nodes[k * SLOTS + at[k]];
				float place = project(normals + NODE_START(node), row, padded);

				at[k] = 2 * at[k] + (quantize(place) > NODE_THRESHOLD(node));
				/* Its line, so that the other chains hide the way to it. */
				__builtin_prefetch(at[k] < SLOTS
						? (const void *)(nodes + k * SLOTS + at[k])
						: (const void *)(leaves + k * SLOTS + at[k] -
							  SLOTS));
			}
		for (size_t k = 0; k < chains; k++)
			sum += forest->lengths.of[leaves[k * SLOTS + at[k] - SLOTS]];
	}
	return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t walk_avx2(const struct extended_forest *forest)
{
	return walk(forest);
}
#endif

static uint64_t walk_all(const struct extended_forest *forest)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return walk_avx2(forest);
#endif
	return walk(forest);
}

/* How far each feature pushed the row to its side, over all splits on its way, of which those near the
 * root count most. */
static void add_parts(const struct extended_forest *forest, double *parts)
{
	for (size_t tree = 0; tree < forest->trees; tree++) {
		const uint32_t *nodes = forest->nodes + tree * SLOTS;
		size_t at = 1;

		while (at < SLOTS && NODE_THRESHOLD(nodes[at]) != FOREST_NEVER) {
			const float *normal = normals + NODE_START(nodes[at]);
			float place = project(normal, forest->row, forest->padded);
			float share = 1 / (float)(at + 1);

			for (size_t f = 0; f < forest->features; f++)
				parts[f] += (double)(fabsf(normal[f] * forest->row[f]) * share);
			at = 2 * at + (quantize(place) > NODE_THRESHOLD(nodes[at]));
		}
	}
}

static double score_extended(const void *model, const double *row, double *parts)
{
	const struct extended_forest *forest = model;

	for (size_t f = 0; f < forest->features; f++)
		forest->row[f] = (float)row[f];
	if (parts != NULL)
		add_parts(forest, parts);
	return exp2(forest->exponent * (double)walk_all(forest));
}

static void pack_extended(void **model, const struct detector_config *config, size_t features,
	struct pack *pack)
{
	struct extended_forest *forest = *model;
	size_t sample = forest != NULL ? forest->sample : 0, slots;

	pack_index(pack, &sample, config->sample);
	if (pack_reads(pack) && sample >= 2 && features <= FEATURES_MAX) {
		(void)pthread_once(&normals_once, draw_normals);
		*model = forest = forest_alloc(config, sample, features);
	}
	if (forest == NULL || pack->failed) {
		pack_fail(pack);
		return;
	}
	slots = forest->trees * SLOTS;
	pack_bytes(pack, forest->nodes, slots * sizeof(*forest->nodes));
	pack_bytes(pack, forest->leaves, slots);
	pack_value(pack, &forest->lengths);
	if (pack_reads(pack) &&
		!forest_sound(forest->nodes, forest->leaves, &forest->lengths, forest->trees, TABLE,
			sample))
		pack_fail(pack);
}

static size_t size_extended(const void *model)
{
	const struct extended_forest *forest = model;

	return sizeof(*forest) + forest->padded * sizeof(float) +
		forest->trees * SLOTS * (sizeof(uint32_t) + 1);
}

const struct model_class model_extended_forest = {fit_extended, score_extended, pack_extended,
	size_extended, close_extended};
