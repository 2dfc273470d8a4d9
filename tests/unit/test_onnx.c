/*
 * ONNX models of LSTMs: what is written is read by a decoder generated from ONNX's definition, every name is
 * known where it is used, and its weights by ONNX's equations give what the net gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/models/onnx.h"
#include "base/mem.h"
#include "onnx.pb-c.h"

#define SIZE_MAX_OUT ((size_t)8 << 20)

/* A net with numbers in its head, too. */
static void net_make(struct lstm *lstm, size_t hidden, size_t layers)
{
	struct lstm_shape shape = {5, hidden, layers, 6};
	struct random random;
	struct error error;

	assert_int_equal(lstm_init(lstm, &shape, kernels_best(), &error), STATUS_OK);
	random_init(&random, 3);
	lstm_seed(lstm, &random);
	for (float *at = lstm->head; at < lstm->parameters + lstm->parameter_count; at++)
		*at = (float)(random_unit(&random) - .5);
	lstm_prepare(lstm);
}

/* Fields that the definition does not know. */
static size_t unknown_fields(const Onnx__ModelProto *model)
{
	const Onnx__GraphProto *graph = model->graph;
	size_t count = model->base.n_unknown_fields + graph->base.n_unknown_fields;

	for (size_t i = 0; i < graph->n_node; i++)
		count += graph->node[i]->base.n_unknown_fields;
	for (size_t i = 0; i < graph->n_initializer; i++)
		count += graph->initializer[i]->base.n_unknown_fields;
	for (size_t i = 0; i < graph->n_input; i++)
		count += graph->input[i]->base.n_unknown_fields +
			graph->input[i]->type->tensor_type->base.n_unknown_fields;
	return count;
}

static Onnx__ModelProto *written(const struct lstm *lstm)
{
	const struct onnx_note notes[] = {{"seed", "3"}, {"horizons", "5,15"}};
	Onnx__ModelProto *model;
	struct buf out;

	buf_init(&out, SIZE_MAX_OUT);
	onnx_write_lstm(&out, lstm, notes, 2);
	assert_true(buf_ok(&out));
	model = onnx__model_proto__unpack(NULL, out.size, (const uint8_t *)out.data);
	assert_non_null(model);
	assert_int_equal(unknown_fields(model), 0);
	buf_fini(&out);
	return model;
}

static const Onnx__TensorProto *tensor_find(const Onnx__GraphProto *graph, const char *name)
{
	for (size_t i = 0; i < graph->n_initializer; i++)
		if (strcmp(graph->initializer[i]->name, name) == 0)
			return graph->initializer[i];
	return NULL;
}

static double number_at(const Onnx__TensorProto *tensor, size_t at)
{
	float value;

	assert_true((at + 1) * sizeof(value) <= tensor->raw_data.len);
	memcpy(&value, tensor->raw_data.data + at * sizeof(value), sizeof(value));
	return (double)value;
}

static void a_model_is_read_by_its_definition(void **state)
{
	struct lstm lstm;
	Onnx__ModelProto *model;
	const Onnx__TensorProto *weights;

	net_make(&lstm, 32, 2);
	model = written(&lstm);
	assert_int_equal(model->ir_version, 8);
	assert_int_equal(model->n_opset_import, 1);
	assert_int_equal(model->opset_import[0]->version, 14);
	assert_string_equal(model->metadata_props[1]->key, "horizons");
	assert_string_equal(model->metadata_props[1]->value, "5,15");
	weights = tensor_find(model->graph, "input_weights_0");
	assert_int_equal(weights->n_dims, 3);
	assert_int_equal(weights->dims[1], 128);
	assert_int_equal(weights->dims[2], 5);
	assert_int_equal(weights->raw_data.len, 128 * 5 * 4);
	assert_int_equal(model->graph->n_input, 5);
	assert_string_equal(model->graph->input[0]->name, "inputs");
	assert_string_equal(model->graph->input[0]->type->tensor_type->shape->dim[0]->dim_param,
		"rows");
	assert_int_equal(model->graph->input[0]->type->tensor_type->shape->dim[2]->dim_value, 5);
	assert_int_equal(model->graph->n_output, 4);
	onnx__model_proto__free_unpacked(model, NULL);
	lstm_fini(&lstm);
}

/* Whether a name is an input of the graph, a tensor, or given by one of the first nodes. */
static bool known(const Onnx__GraphProto *graph, size_t nodes, const char *name)
{
	for (size_t i = 0; i < graph->n_input; i++)
		if (strcmp(graph->input[i]->name, name) == 0)
			return true;
	for (size_t i = 0; i < nodes; i++)
		for (size_t k = 0; k < graph->node[i]->n_output; k++)
			if (strcmp(graph->node[i]->output[k], name) == 0)
				return true;
	return tensor_find(graph, name) != NULL;
}

static void every_name_is_known_where_it_is_used(void **state)
{
	static const char *const types[] = {"Split", "Split", "LSTM", "Squeeze", "LSTM", "Squeeze",
		"LSTM", "Squeeze", "Concat", "Concat", "MatMul", "Add", "Mul", "Add"};
	Onnx__ModelProto *model;
	Onnx__GraphProto *graph;
	struct lstm lstm;

	net_make(&lstm, 32, 3);
	model = written(&lstm);
	graph = model->graph;
	assert_int_equal(graph->n_node, sizeof(types) / sizeof(*types));
	for (size_t i = 0; i < graph->n_node; i++) {
		assert_string_equal(graph->node[i]->op_type, types[i]);
		for (size_t k = 0; k < graph->node[i]->n_input; k++)
			assert_true(graph->node[i]->input[k][0] == '\0' ||
				known(graph, i, graph->node[i]->input[k]));
	}
	for (size_t i = 0; i < graph->n_output; i++)
		assert_true(known(graph, graph->n_node, graph->output[i]->name));
	onnx__model_proto__free_unpacked(model, NULL);
	lstm_fini(&lstm);
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* ONNX's operator LSTM, one row of one series: x [inputs]; hidden, cell: [32], before and after. */
static void layer_run(const Onnx__GraphProto *graph, size_t l, const double *x, size_t inputs,
	double *hidden, double *cell)
{
	const Onnx__TensorProto *w, *r, *b;
	double sums[4][32];
	char name[32];

	snprintf(name, sizeof(name), "input_weights_%zu", l);
	w = tensor_find(graph, name);
	snprintf(name, sizeof(name), "recurrent_weights_%zu", l);
	r = tensor_find(graph, name);
	snprintf(name, sizeof(name), "bias_%zu", l);
	b = tensor_find(graph, name);
	for (size_t g = 0; g < 4; g++)
		for (size_t j = 0; j < 32; j++) {
			size_t row = g * 32 + j;
			double sum = number_at(b, row) + number_at(b, 128 + row);

			for (size_t k = 0; k < inputs; k++)
				sum += number_at(w, row * inputs + k) * x[k];
			for (size_t k = 0; k < 32; k++)
				sum += number_at(r, row * 32 + k) * hidden[k];
			sums[g][j] = sum;
		}
	/* Gates: input, output, forget, candidate. */
	for (size_t j = 0; j < 32; j++) {
		cell[j] = sigmoid(sums[2][j]) * cell[j] + sigmoid(sums[0][j]) * tanh(sums[3][j]);
		hidden[j] = sigmoid(sums[1][j]) * tanh(cell[j]);
	}
}

static void its_equations_give_what_the_net_gives(void **state)
{
	double hidden[2][32] = {{0}}, cell[2][32] = {{0}};
	float states[2 * 2 * 32] = {0};
	Onnx__ModelProto *model;
	struct random random;
	struct lstm lstm;

	net_make(&lstm, 32, 2);
	model = written(&lstm);
	random_init(&random, 9);
	for (size_t row = 0; row < 40; row++) {
		const Onnx__TensorProto *head = tensor_find(model->graph, "head");
		const Onnx__TensorProto *bias = tensor_find(model->graph, "head_bias");
		float inputs[5], outputs[6];
		double x[5];

		for (size_t k = 0; k < 5; k++)
			x[k] = (double)(inputs[k] = (float)(random_unit(&random) * 4 - 2));
		lstm_step(&lstm, 1, states, inputs, outputs);
		layer_run(model->graph, 0, x, 5, hidden[0], cell[0]);
		layer_run(model->graph, 1, hidden[0], 32, hidden[1], cell[1]);
		for (size_t o = 0; o < 6; o++) {
			double sum = number_at(bias, o);

			for (size_t k = 0; k < 32; k++)
				sum += number_at(head, k * 6 + o) * hidden[1][k];
			assert_true(fabs(sum - (double)outputs[o]) < 1e-5);
		}
	}
	onnx__model_proto__free_unpacked(model, NULL);
	lstm_fini(&lstm);
}

static void without_memory_or_room_it_fails(void **state)
{
	struct lstm lstm;
	struct buf out;
	bool injected = true;

	net_make(&lstm, 32, 1);
	for (long n = 1; injected; n++) {
		mem_fail_after(n, false);
		buf_init(&out, SIZE_MAX_OUT);
		onnx_write_lstm(&out, &lstm, NULL, 0);
		injected = mem_fail_after(0, false);
		assert_int_equal(buf_ok(&out), !injected);
		buf_fini(&out);
	}
	buf_init(&out, 1000);
	onnx_write_lstm(&out, &lstm, NULL, 0);
	assert_false(buf_ok(&out));
	buf_fini(&out);
	lstm_fini(&lstm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_read_by_its_definition),
		cmocka_unit_test(every_name_is_known_where_it_is_used),
		cmocka_unit_test(its_equations_give_what_the_net_gives),
		cmocka_unit_test(without_memory_or_room_it_fails),
	};

	return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
