/*
 * Extended isolation forest: splits by random hyperplanes of all features instead of one.
 *
 * Source: Hariri, Carrasco Kind, Brunner, "Extended Isolation Forest", IEEE TKDE 2021 (arXiv
 * 1811.02141): normal vector of independent standard normal numbers, intercept uniform in the box of
 * the node's rows; paths and score as in the plain forest.
 *
 * A normal vector is not stored but cut out of one table of normal numbers at a random place, so that
 * a node takes six bytes whatever the number of features. Trees are heaps as in forest_parts.h.
 */
#include "analyzers/detect/model.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

#define DEPTH 8
#define SLOTS 256
#define SAMPLE_MAX 256
#define TABLE 4096
#define EULER 0.5772156649
#define LANES 8

#define PATH_UNIT 2048

struct plane {
	float threshold; /* INFINITY: a leaf, everything goes left */
	uint16_t start;  /* of the normal vector in the table */
	uint16_t path;   /* of the leaf with this slot, in 1/PATH_UNIT */
};

struct extended_forest {
	size_t trees, features, padded, sample;
	double exponent;
	float *table;         /* [TABLE + padded] */
	struct plane *planes; /* [trees][SLOTS] */
	float *row;           /* [padded] scratch */
};

struct planting {
	const double *rows;
	size_t count;
	struct random dice;
	uint32_t *shuffled; /* [count] */
	float *values;      /* [SAMPLE_MAX][padded] */
	float *intercept;   /* [padded] */
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
static float project(const float *normal, const float *row, size_t size)
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
	mem_free(forest->table);
	mem_free(forest->planes);
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
	forest->exponent = -1 / (average_path(forest->sample) * (double)forest->trees * PATH_UNIT);
	forest->table = mem_zalloc(TABLE + forest->padded, sizeof(*forest->table));
	forest->planes = mem_zalloc(forest->trees * SLOTS, sizeof(*forest->planes));
	forest->row = mem_zalloc(forest->padded, sizeof(*forest->row));
	if (forest->table == NULL || forest->planes == NULL || forest->row == NULL) {
		close_extended(forest);
		return NULL;
	}
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
	bool varies = false;

	for (size_t f = 0; f < forest->features; f++) {
		float least = INFINITY, greatest = -INFINITY;

		for (size_t i = first; i < last; i++) {
			float value = planting->values[planting->order[i] * forest->padded + f];

			least = fminf(least, value);
			greatest = fmaxf(greatest, value);
		}
		varies = varies || least < greatest;
		planting->intercept[f] =
			least + (greatest - least) * (float)random_unit(&planting->dice);
	}
	return varies;
}

static size_t part(const struct extended_forest *forest, struct planting *planting, size_t first,
	size_t last, const struct plane *plane)
{
	uint16_t right[SAMPLE_MAX];
	size_t lefts = first, rights = 0;

	for (size_t i = first; i < last; i++) {
		uint16_t row = planting->order[i];

		if (project(forest->table + plane->start, planting->values + row * forest->padded,
			    forest->padded) > plane->threshold)
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
	struct plane *planes = forest->planes + tree * SLOTS;
	unsigned depth = 0;

	memset(planting->first, 0, sizeof(planting->first));
	memset(planting->last, 0, sizeof(planting->last));
	planting->last[1] = (uint16_t)forest->sample;
	for (size_t node = 1; node < 2 * SLOTS; node++) {
		size_t first = planting->first[node], last = planting->last[node], middle;

		depth += node == (size_t)2 << depth;
		if (depth < DEPTH)
			planes[node].threshold = INFINITY;
		if (first == last)
			continue;
		if (depth == height || last - first == 1 ||
			!draw_intercept(forest, planting, first, last)) {
			planes[(node << (DEPTH - depth)) - SLOTS].path =
				(uint16_t)lrint((depth + average_path(last - first)) * PATH_UNIT);
			continue;
		}
		planes[node].start = (uint16_t)random_below(&planting->dice, TABLE);
		planes[node].threshold = project(forest->table + planes[node].start,
			planting->intercept, forest->padded);
		middle = part(forest, planting, first, last, &planes[node]);
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
	for (size_t i = 0; i < TABLE + forest->padded; i++)
		forest->table[i] = (float)random_normal(&planting->dice);
	for (size_t tree = 0; tree < forest->trees; tree++) {
		lay_out(forest, planting);
		grow_tree(forest, planting, tree, height);
	}
}

static void *fit_extended(const struct detector_config *config, const double *rows, size_t count,
	size_t features, struct error *error)
{
	struct extended_forest *forest = forest_alloc(config, count, features);
	struct planting *planting = mem_zalloc(1, sizeof(*planting));

	if (forest == NULL || planting == NULL)
		goto no_memory;
	planting->rows = rows;
	planting->count = count;
	random_init(&planting->dice, config->seed);
	planting->shuffled = mem_zalloc(count, sizeof(*planting->shuffled));
	planting->values = mem_zalloc(SAMPLE_MAX * forest->padded, sizeof(*planting->values));
	planting->intercept = mem_zalloc(forest->padded, sizeof(*planting->intercept));
	if (planting->shuffled == NULL || planting->values == NULL || planting->intercept == NULL)
		goto no_memory;
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

/* The parts: how far each feature pushed the row to its side, over all splits on its way that were
 * nearer to isolating it the closer the path's end is. */
static void add_parts(const struct extended_forest *forest, const struct plane *plane, float depth,
	double *parts)
{
	for (size_t f = 0; f < forest->features; f++)
		parts[f] += fabs((double)(forest->table[plane->start + f] * forest->row[f])) /
			(double)depth;
}

static double score_extended(const void *model, const double *row, double *parts)
{
	const struct extended_forest *forest = model;
	double sum = 0;

	for (size_t f = 0; f < forest->features; f++)
		forest->row[f] = (float)row[f];
	for (size_t tree = 0; tree < forest->trees; tree++) {
		const struct plane *planes = forest->planes + tree * SLOTS;
		size_t at = 1;

		while (at < SLOTS) {
			const struct plane *plane = planes + at;
			bool right = project(forest->table + plane->start, forest->row,
					     forest->padded) > plane->threshold;

			if (parts != NULL && isfinite(plane->threshold))
				add_parts(forest, plane, (float)(at + 1), parts);
			at = 2 * at + right;
		}
		sum += planes[at - SLOTS].path;
	}
	return exp2(forest->exponent * sum);
}

static size_t size_extended(const void *model)
{
	const struct extended_forest *forest = model;

	return sizeof(*forest) + (TABLE + 2 * forest->padded) * sizeof(float) +
		forest->trees * SLOTS * sizeof(struct plane);
}

const struct model_class model_extended_forest = {fit_extended, score_extended, size_extended,
	close_extended};
