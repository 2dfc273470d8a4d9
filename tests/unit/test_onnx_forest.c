/*
 * ONNX models of isolation forests: read by a decoder generated from ONNX's definition and walked as its
 * operators are defined, they give every row the forest's own score.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/detect/forest.h"
#include "analyzers/detect/standard.h"
#include "analyzers/models/onnx_forest.h"
#include "base/mem.h"
#include "base/random.h"
#include "onnx.pb-c.h"

#define SIZE_MAX_OUT ((size_t)16 << 20)
#define COLUMNS 4
#define ROWS 600
#define NODES_MAX 512

static struct detector *detector;
static struct forest_view view;

/* One column is always there, one has gaps, one is constant, one is huge. */
static void row_fill(struct random *random, double reach, double row[COLUMNS])
{
	row[0] = random_normal(random) * reach;
	row[1] = random_unit(random) < .1 ? NAN : 100 + random_normal(random) * reach;
	row[2] = reach > 1 && random_unit(random) < .5 ? 8 : 7;
	row[3] = 1e15 + random_normal(random) * 1e12 * reach * reach;
}

static int setup(void **state)
{
	const struct detector_class *class = detector_class_find("forest");
	const struct detector_config config = {.seed = 3};
	static double values[ROWS * COLUMNS];
	const struct detector_rows rows = {values, ROWS, COLUMNS};
	struct random random;
	struct error error;

	random_init(&random, 8);
	for (size_t i = 0; i < ROWS; i++)
		row_fill(&random, 1, values + i * COLUMNS);
	detector = class->open(&config, COLUMNS, &error);
	assert_non_null(detector);
	assert_false(forest_view(class, detector, &view));
	assert_int_equal(class->fit(detector, &rows, &error), STATUS_OK);
	assert_true(forest_view(class, detector, &view));
	assert_false(view.rolling);
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	detector_class_find("forest")->close(detector);
	return 0;
}

static Onnx__ModelProto *written(void)
{
	const struct onnx_note notes[] = {{"workload", "shop/Deployment/web"}};
	Onnx__ModelProto *model;
	struct error error;
	struct buf out;

	buf_init(&out, SIZE_MAX_OUT);
	assert_int_equal(onnx_write_forest(&out, &view, notes, 1, &error), STATUS_OK);
	assert_true(buf_ok(&out));
	model = onnx__model_proto__unpack(NULL, out.size, (const uint8_t *)out.data);
	assert_non_null(model);
	buf_fini(&out);
	return model;
}

static const Onnx__AttributeProto *attribute(const Onnx__NodeProto *node, const char *name)
{
	for (size_t i = 0; i < node->n_attribute; i++)
		if (strcmp(node->attribute[i]->name, name) == 0)
			return node->attribute[i];
	fail_msg("the operator has no %s", name);
	return NULL;
}

static const Onnx__NodeProto *trees_of(const Onnx__ModelProto *model)
{
	for (size_t i = 0; i < model->graph->n_node; i++)
		if (strcmp(model->graph->node[i]->op_type, "TreeEnsembleRegressor") == 0)
			return model->graph->node[i];
	fail_msg("there are no trees");
	return NULL;
}

/* A number of a tensor, whose numbers are floats or doubles. */
static double number(const Onnx__ModelProto *model, const char *name, size_t at)
{
	for (size_t i = 0; i < model->graph->n_initializer; i++) {
		const Onnx__TensorProto *tensor = model->graph->initializer[i];
		double wide;
		float narrow;

		if (strcmp(tensor->name, name) != 0)
			continue;
		if (tensor->data_type == 11) {
			assert_true((at + 1) * sizeof(wide) <= tensor->raw_data.len);
			memcpy(&wide, tensor->raw_data.data + at * sizeof(wide), sizeof(wide));
			return wide;
		}
		assert_int_equal(tensor->raw_data.len, sizeof(narrow));
		memcpy(&narrow, tensor->raw_data.data, sizeof(narrow));
		return (double)narrow;
	}
	fail_msg("there is no %s", name);
	return NAN;
}

static double cut(double value, double least, double greatest)
{
	return value < least ? least : value > greatest ? greatest : value;
}

/* What the nodes before the trees make of a row. */
static void place(const Onnx__ModelProto *model, const double *row, float places[COLUMNS])
{
	for (size_t c = 0; c < COLUMNS; c++) {
		double distance = row[c] - number(model, "mean", c), standardised;

		standardised = cut((isnan(distance) ? number(model, "zero", 0) : distance) *
				number(model, "inverse", c),
			number(model, "least", 0), number(model, "greatest", 0));
		places[c] = (float)cut((standardised - number(model, "center", c)) *
				number(model, "scale", c),
			number(model, "place_least", 0), number(model, "place_greatest", 0));
	}
}

/* The leaf of one tree that a row comes to: nodes [first, end) are the tree's. */
static int64_t leaf_of(const Onnx__NodeProto *node, size_t first, size_t end, const float *places)
{
	const Onnx__AttributeProto *numbers = attribute(node, "nodes_nodeids"),
				   *modes = attribute(node, "nodes_modes");
	size_t at_number[NODES_MAX] = {0}, at = first;

	for (size_t i = first; i < end; i++) {
		assert_in_range(numbers->ints[i], 0, NODES_MAX - 1);
		at_number[numbers->ints[i]] = i;
	}
	assert_int_equal(numbers->ints[first], 0);
	while (strcmp(modes->strings[at], "LEAF") != 0) {
		int64_t feature = attribute(node, "nodes_featureids")->ints[at];
		bool left;

		assert_string_equal(modes->strings[at], "BRANCH_LEQ");
		assert_in_range(feature, 0, COLUMNS - 1);
		left = places[feature] <= attribute(node, "nodes_values")->floats[at];
		at = at_number[attribute(node, left ? "nodes_truenodeids" : "nodes_falsenodeids")
				       ->ints[at]];
		assert_true(at > first);
	}
	return numbers->ints[at];
}

static double score_of(const Onnx__ModelProto *model, const double *row)
{
	const Onnx__NodeProto *node = trees_of(model);
	const Onnx__AttributeProto *trees = attribute(node, "nodes_treeids"),
				   *leaf_trees = attribute(node, "target_treeids"),
				   *leaf_numbers = attribute(node, "target_nodeids");
	float places[COLUMNS];
	double sum = 0;
	size_t leaf = 0;

	place(model, row, places);
	for (size_t first = 0, end; first < trees->n_ints; first = end) {
		int64_t found;

		for (end = first; end < trees->n_ints && trees->ints[end] == trees->ints[first];)
			end++;
		found = leaf_of(node, first, end, places);
		while (leaf < leaf_trees->n_ints &&
			(leaf_trees->ints[leaf] != trees->ints[first] ||
				leaf_numbers->ints[leaf] != found))
			leaf++;
		assert_true(leaf < leaf_trees->n_ints);
		sum += (double)attribute(node, "target_weights")->floats[leaf];
	}
	return pow(number(model, "two", 0), sum * number(model, "exponent", 0));
}

static void every_row_gets_the_score_of_the_forest(void **state)
{
	const struct detector_class *class = detector_class_find("forest");
	Onnx__ModelProto *model = written();
	struct random random;
	double row[COLUMNS], least = 1, greatest = 0;

	random_init(&random, 21);
	for (int i = 0; i < 150; i++) {
		double score;

		row_fill(&random, i < 100 ? 1 : i, row);
		score = class->step(detector, row, NULL);
		/* One way through one tree costs a thousand times as much. */
		assert_true(fabs(score_of(model, row) - score) < 1e-6);
		least = fmin(least, score);
		greatest = fmax(greatest, score);
	}
	assert_true(least < .45 && greatest > .6);
	onnx__model_proto__free_unpacked(model, NULL);
}

static void a_value_at_a_threshold_goes_the_forest_s_way(void **state)
{
	const struct detector_class *class = detector_class_find("forest");
	Onnx__ModelProto *model = written();
	const Onnx__NodeProto *node = trees_of(model);
	const Onnx__AttributeProto *thresholds = attribute(node, "nodes_values"),
				   *features = attribute(node, "nodes_featureids"),
				   *modes = attribute(node, "nodes_modes");
	size_t asked = 0;

	for (size_t i = 0; i < modes->n_strings && asked < 60; i += 97) {
		/* The place back to a value of column 0, which numbers near 0 resolve well. */
		double standardised = (double)thresholds->floats[i] / number(model, "scale", 0) +
			number(model, "center", 0);
		double row[COLUMNS] = {0, 100, 7, 1e15};

		if (strcmp(modes->strings[i], "LEAF") == 0 || features->ints[i] != 0)
			continue;
		row[0] = standardised / number(model, "inverse", 0) + number(model, "mean", 0);
		for (int side = -1; side <= 1; side++) {
			double beside[COLUMNS];

			memcpy(beside, row, sizeof(row));
			beside[0] += side * fabs(row[0]) * 1e-7;
			assert_true(fabs(score_of(model, beside) -
					    class->step(detector, beside, NULL)) < 1e-6);
		}
		asked++;
	}
	assert_true(asked > 20);
	onnx__model_proto__free_unpacked(model, NULL);
}

static void operators_and_notes_are_named(void **state)
{
	Onnx__ModelProto *model = written();

	assert_int_equal(model->n_opset_import, 2);
	assert_string_equal(model->opset_import[1]->domain, "ai.onnx.ml");
	assert_int_equal(model->opset_import[1]->version, 1);
	assert_string_equal(trees_of(model)->domain, "ai.onnx.ml");
	assert_int_equal(trees_of(model)->base.n_unknown_fields, 0);
	assert_string_equal(model->metadata_props[0]->value, "shop/Deployment/web");
	assert_string_equal(model->graph->input[0]->name, "features");
	assert_int_equal(model->graph->input[0]->type->tensor_type->elem_type, 11);
	assert_int_equal(model->graph->input[0]->type->tensor_type->shape->dim[1]->dim_value,
		COLUMNS);
	onnx__model_proto__free_unpacked(model, NULL);
}

static void without_memory_or_room_it_fails(void **state)
{
	struct error error;
	struct buf out;
	bool injected = true;

	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		buf_init(&out, SIZE_MAX_OUT);
		status = onnx_write_forest(&out, &view, NULL, 0, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status == STATUS_OK && buf_ok(&out), !injected);
		buf_fini(&out);
	}
	buf_init(&out, 1000);
	assert_int_equal(onnx_write_forest(&out, &view, NULL, 0, &error), STATUS_OK);
	assert_false(buf_ok(&out));
	buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_row_gets_the_score_of_the_forest),
		TEST(a_value_at_a_threshold_goes_the_forest_s_way),
		TEST(operators_and_notes_are_named),
		TEST(without_memory_or_room_it_fails),
	};

	return cmocka_run_group_tests_name("onnx_forest", tests, NULL, NULL);
}
