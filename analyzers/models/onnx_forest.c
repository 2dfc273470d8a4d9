/*
 * The graph, a node after the other:
 *
 *   Sub(features, mean), IsNaN, Where(missing, 0), Mul(inverse), Clip(20)   -> standardised
 *   Sub(center), Mul(scale), Clip(4e9), Cast to float                       -> place in the forest
 *   TreeEnsembleRegressor: the sum of the path lengths, in whole units, which floats hold exactly
 *   Mul(exponent), Pow(2, )                                                 -> scores
 *
 * The forest compares places as integers of 16 bits (detect/quantize.h). Of each threshold the greatest float
 * whose integer still goes left is written, so that every row takes the very same way. A feature that was
 * constant in training splits nothing, and what it says of a change (detect/standard.h) is left out.
 */
#include "analyzers/models/onnx_forest.h"

#include "analyzers/detect/forest_parts.h"
#include "analyzers/detect/standard.h"
#include "analyzers/models/onnx_parts.h"
#include "base/mem.h"

#define LEARNING "ai.onnx.ml"
/* quantize_place() */
#define PLACE_MAX 4e9

/* Nodes of all trees, as the attributes of the operator have them. */
struct table {
	size_t nodes, leaves;
	uint32_t *trees, *numbers, *features, *lefts, *rights; /* [nodes] */
	float *thresholds;                                     /* [nodes] */
	const char **modes;                                    /* [nodes] */
	uint32_t *leaf_trees, *leaf_numbers, *targets;         /* [leaves] */
	float *lengths;                                        /* [leaves] */
};

static bool table_alloc(struct table *table, size_t trees)
{
	size_t nodes = trees * 2 * FOREST_SLOTS, leaves = trees * FOREST_SLOTS;

	table->trees = mem_alloc(nodes * sizeof(uint32_t));
	table->numbers = mem_alloc(nodes * sizeof(uint32_t));
	table->features = mem_alloc(nodes * sizeof(uint32_t));
	table->lefts = mem_alloc(nodes * sizeof(uint32_t));
	table->rights = mem_alloc(nodes * sizeof(uint32_t));
	table->thresholds = mem_alloc(nodes * sizeof(float));
	table->modes = mem_alloc(nodes * sizeof(*table->modes));
	table->leaf_trees = mem_alloc(leaves * sizeof(uint32_t));
	table->leaf_numbers = mem_alloc(leaves * sizeof(uint32_t));
	table->targets = mem_zalloc(leaves, sizeof(uint32_t));
	table->lengths = mem_alloc(leaves * sizeof(float));
	return table->trees != NULL && table->numbers != NULL && table->features != NULL &&
		table->lefts != NULL && table->rights != NULL && table->thresholds != NULL &&
		table->modes != NULL && table->leaf_trees != NULL && table->leaf_numbers != NULL &&
		table->targets != NULL && table->lengths != NULL;
}

static void table_free(struct table *table)
{
	mem_free(table->trees);
	mem_free(table->numbers);
	mem_free(table->features);
	mem_free(table->lefts);
	mem_free(table->rights);
	mem_free(table->thresholds);
	mem_free(table->modes);
	mem_free(table->leaf_trees);
	mem_free(table->leaf_numbers);
	mem_free(table->targets);
	mem_free(table->lengths);
}

/* The least place of at least 0 that has this integer or a greater one; level: above 0. Floats of at least
 * 0 are in the order of their bits. */
static float least_place(int32_t level)
{
	const float above = (float)(4 * PLACE_MAX);
	uint32_t low = 0, high;
	float place;

	memcpy(&high, &above, sizeof(high));
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		memcpy(&place, &middle, sizeof(place));
		if (quantize(place) >= level)
			high = middle;
		else
			low = middle + 1;
	}
	memcpy(&place, &low, sizeof(place));
	return place;
}

/* The greatest place whose integer is at most the threshold. */
static float greatest_left(int16_t threshold)
{
	if (threshold < 0)
		return -least_place(-threshold);
	return nextafterf(least_place(threshold + 1), -1);
}

static void node_add(struct table *table, size_t tree, size_t number, const char *mode)
{
	size_t at = table->nodes++;

	table->trees[at] = (uint32_t)tree;
	table->numbers[at] = (uint32_t)number;
	table->modes[at] = mode;
	table->features[at] = 0;
	table->lefts[at] = table->rights[at] = 0;
	table->thresholds[at] = 0;
}

/* A node keeps its number within the heap, less 1, for the root is to be 0. Below a node that sends every
 * row left there is nothing but its leaf. */
static void tree_add(const struct forest *forest, size_t tree, struct table *table)
{
	uint32_t nodes[FOREST_SLOTS];
	const uint8_t *leaves = forest->leaves + tree * FOREST_SLOTS;
	bool there[2 * FOREST_SLOTS] = {[1] = true};
	unsigned depth = 0;

	forest_tree(forest, tree, nodes);
	for (size_t node = 1; node < 2 * FOREST_SLOTS; node++) {
		depth += node == (size_t)2 << depth;
		if (!there[node])
			continue;
		if (depth < FOREST_DEPTH && FOREST_NODE_THRESHOLD(nodes[node]) != FOREST_NEVER) {
			node_add(table, tree, node - 1, "BRANCH_LEQ");
			table->features[table->nodes - 1] = FOREST_NODE_FEATURE(nodes[node]);
			table->thresholds[table->nodes - 1] =
				greatest_left(FOREST_NODE_THRESHOLD(nodes[node]));
			table->lefts[table->nodes - 1] = (uint32_t)(2 * node - 1);
			table->rights[table->nodes - 1] = (uint32_t)(2 * node);
			there[2 * node] = there[2 * node + 1] = true;
			continue;
		}
		node_add(table, tree, node - 1, "LEAF");
		table->leaf_trees[table->leaves] = (uint32_t)tree;
		table->leaf_numbers[table->leaves] = (uint32_t)(node - 1);
		table->lengths[table->leaves++] =
			(float)forest->lengths
				.of[leaves[(node << (FOREST_DEPTH - depth)) - FOREST_SLOTS]];
	}
}

static void ensemble_write(struct onnx_writer *writer, const struct table *table)
{
	onnx_node_name(writer, ONNX_NODE_INPUT, "places");
	onnx_node_name(writer, ONNX_NODE_OUTPUT, "lengths");
	onnx_attribute_text(writer, "aggregate_function", "SUM");
	onnx_attribute_text(writer, "post_transform", "NONE");
	onnx_attribute_int(writer, "n_targets", 1);
	onnx_attribute_ints(writer, "nodes_treeids", table->trees, table->nodes);
	onnx_attribute_ints(writer, "nodes_nodeids", table->numbers, table->nodes);
	onnx_attribute_ints(writer, "nodes_featureids", table->features, table->nodes);
	onnx_attribute_ints(writer, "nodes_truenodeids", table->lefts, table->nodes);
	onnx_attribute_ints(writer, "nodes_falsenodeids", table->rights, table->nodes);
	onnx_attribute_floats(writer, "nodes_values", table->thresholds, table->nodes);
	onnx_attribute_texts(writer, "nodes_modes", table->modes, table->nodes);
	onnx_attribute_ints(writer, "target_treeids", table->leaf_trees, table->leaves);
	onnx_attribute_ints(writer, "target_nodeids", table->leaf_numbers, table->leaves);
	onnx_attribute_ints(writer, "target_ids", table->targets, table->leaves);
	onnx_attribute_floats(writer, "target_weights", table->lengths, table->leaves);
	onnx_node(writer, LEARNING, "TreeEnsembleRegressor", "trees");
}

#define INPUTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void nodes_write(struct onnx_writer *writer, const struct table *table)
{
	onnx_node_of(writer, "Sub", INPUTS("features", "mean"), "distances");
	onnx_node_of(writer, "IsNaN", INPUTS("distances"), "missing");
	onnx_node_of(writer, "Where", INPUTS("missing", "zero", "distances"), "known");
	onnx_node_of(writer, "Mul", INPUTS("known", "inverse"), "uncut");
	onnx_node_of(writer, "Clip", INPUTS("uncut", "least", "greatest"), "standardised");
	onnx_node_of(writer, "Sub", INPUTS("standardised", "center"), "off");
	onnx_node_of(writer, "Mul", INPUTS("off", "scale"), "far");
	onnx_node_of(writer, "Clip", INPUTS("far", "place_least", "place_greatest"), "exact");
	onnx_node_name(writer, ONNX_NODE_INPUT, "exact");
	onnx_node_name(writer, ONNX_NODE_OUTPUT, "places");
	onnx_attribute_int(writer, "to", ONNX_FLOAT);
	onnx_node(writer, NULL, "Cast", "places");
	ensemble_write(writer, table);
	onnx_node_of(writer, "Mul", INPUTS("lengths", "exponent"), "powers");
	onnx_node_of(writer, "Pow", INPUTS("two", "powers"), "scores");
}

static void number_write(struct onnx_writer *writer, const char *name, double value)
{
	onnx_doubles(writer, &value, 1);
	onnx_tensor(writer, name, ONNX_DOUBLE, NULL, 0);
}

static void float_write(struct onnx_writer *writer, const char *name, float value)
{
	onnx_floats(writer, &value, 1, 1);
	onnx_tensor(writer, name, ONNX_FLOAT, NULL, 0);
}

static void tensors_write(struct onnx_writer *writer, const struct forest_view *view)
{
	const struct forest *forest = view->forest;
	const size_t columns = forest->columns;

	/* What training never had is no number there: it is missing whatever comes. */
	onnx_doubles(writer, view->standard->mean, columns);
	onnx_tensor(writer, "mean", ONNX_DOUBLE, &columns, 1);
	onnx_doubles(writer, view->standard->inverse, columns);
	onnx_tensor(writer, "inverse", ONNX_DOUBLE, &columns, 1);
	onnx_doubles(writer, forest->center, columns);
	onnx_tensor(writer, "center", ONNX_DOUBLE, &columns, 1);
	onnx_doubles(writer, forest->inverse, columns);
	onnx_tensor(writer, "scale", ONNX_DOUBLE, &columns, 1);
	number_write(writer, "zero", 0);
	number_write(writer, "least", -STANDARD_MAX);
	number_write(writer, "greatest", STANDARD_MAX);
	number_write(writer, "place_least", -PLACE_MAX);
	number_write(writer, "place_greatest", PLACE_MAX);
	float_write(writer, "exponent", (float)forest->exponent);
	float_write(writer, "two", 2);
}

enum status onnx_write_forest(struct buf *out, const struct forest_view *view,
	const struct onnx_note *notes, size_t note_count, struct error *error)
{
	const struct onnx_side rows = {0, "rows"};
	struct table table = {.nodes = 0};
	struct onnx_writer writer;
	enum status status = STATUS_OK;

	if (!table_alloc(&table, view->forest->trees)) {
		status = error_set(error, STATUS_NO_MEMORY, "no memory to write a forest");
		goto done;
	}
	for (size_t tree = 0; tree < view->forest->trees; tree++)
		tree_add(view->forest, tree, &table);
	onnx_writer_init(&writer, out->max);
	nodes_write(&writer, &table);
	tensors_write(&writer, view);
	onnx_value(&writer, ONNX_GRAPH_INPUT, "features", ONNX_DOUBLE,
		(const struct onnx_side[]){rows, {view->forest->columns, NULL}}, 2);
	onnx_value(&writer, ONNX_GRAPH_OUTPUT, "scores", ONNX_FLOAT,
		(const struct onnx_side[]){rows, {1, NULL}}, 2);
	onnx_writer_finish(&writer, "isolation_forest", true, notes, note_count, out);
done:
	table_free(&table);
	return status;
}
