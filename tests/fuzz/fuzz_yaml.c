/*
 * Any bytes as a YAML file: the tree it gives, every typed reader on every map, and the diagnostics.
 * Checked besides memory: a document comes back exactly when nothing was reported; a reader either
 * stores or (where the key is there) reports; texts and diagnostics are UTF-8; places are set.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/labels.h"
#include "base/yaml.h"

/* Readers look keys up one by one: very wide maps would only make the fuzzer slow. */
#define KEYS_MAX 20
#define MAPS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static void check_outcome(const struct yaml_reader *reader, bool stored, size_t errors_before)
{
	CHECK(stored == (reader->diagnostics->errors == errors_before));
}

static void read_numbers(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key)
{
	size_t before = reader->diagnostics->errors;
	int64_t integer = 0;
	uint64_t size = 0;
	double number = 0;

	check_outcome(reader, yaml_read_int(reader, map, key, true, -1000, 1000, &integer), before);
	CHECK(integer >= -1000 && integer <= 1000);
	before = reader->diagnostics->errors;
	check_outcome(reader, yaml_read_double(reader, map, key, true, -1e9, 1e9, &number), before);
	CHECK(fabs(number) <= 1e9);
	before = reader->diagnostics->errors;
	check_outcome(reader, yaml_read_duration(reader, map, key, true, 0, 86400000, &integer),
		before);
	CHECK(integer >= -1000 && integer <= 86400000);
	before = reader->diagnostics->errors;
	check_outcome(reader, yaml_read_size(reader, map, key, true, 1, 1 << 30, &size), before);
	CHECK(size <= 1 << 30);
}

static void read_words(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key)
{
	static const char *const names[] = {"observe", "suggest", "approve", "auto", NULL};
	size_t before = reader->diagnostics->errors;
	const char *text = "";
	bool boolean;
	int choice = 0;

	check_outcome(reader, yaml_read_text(reader, map, key, true, &text), before);
	CHECK(utf8_valid(text, strlen(text)));
	before = reader->diagnostics->errors;
	check_outcome(reader, yaml_read_bool(reader, map, key, true, &boolean), before);
	before = reader->diagnostics->errors;
	check_outcome(reader, yaml_read_choice(reader, map, key, true, names, &choice), before);
	CHECK(choice >= 0 && choice < 4);
}

static void read_map(const struct yaml_reader *reader, const struct yaml_node *map)
{
	static const char *const known[] = {"interval", "timeout", "mode", "selector", NULL};

	CHECK(yaml_check_keys(reader, map, known));
	for (size_t i = 0; i < map->child_count && i < KEYS_MAX; i++) {
		const char *key = map->children[i]->key;

		CHECK(yaml_get(map, key) == map->children[i]);
		read_numbers(reader, map, key);
		read_words(reader, map, key);
	}
	yaml_warn(reader, map, "seen");
}

static void check_node(const struct yaml_node *node)
{
	CHECK(node->line > 0 && node->column > 0);
	CHECK(!node->key || (*node->key && node->key_line > 0 && node->key_column > 0));
	if (node->kind == YAML_SCALAR || node->kind == YAML_NULL) {
		CHECK(!node->child_count && strlen(node->text) == node->text_size);
		CHECK(utf8_valid(node->text, node->text_size));
	}
}

/* Depth first with a stack of its own: a tree is at most 32 deep. */
static void walk(const struct yaml_reader *reader, const struct yaml_node *root)
{
	const struct yaml_node *nodes[33] = {root};
	size_t next[33] = {0}, depth = 1, maps = 0;

	check_node(root);
	while (depth) {
		const struct yaml_node *node = nodes[depth - 1];

		if (!next[depth - 1] && node->kind == YAML_MAP && maps++ < MAPS_MAX)
			read_map(reader, node);
		if (next[depth - 1] == node->child_count) {
			depth--;
			continue;
		}
		node = node->children[next[depth - 1]++];
		check_node(node);
		CHECK(depth < ARRAY_COUNT(nodes));
		nodes[depth] = node;
		next[depth++] = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;
	struct buf buf;

	diagnostics_init(&diagnostics);
	buf_init(&buf, 1 << 20);
	document = yaml_open_text("f.yml", (const char *)input, input_size, &diagnostics);
	CHECK(!document == (diagnostics.errors > 0));
	if (document) {
		struct yaml_reader reader = {yaml_file(document), &diagnostics};

		walk(&reader, yaml_root(document));
	}
	diagnostics_write(&diagnostics, &buf);
	CHECK(buf_ok(&buf) && (!buf.data || utf8_valid(buf.data, buf.size)));
	buf_fini(&buf);
	yaml_close(document);
	diagnostics_fini(&diagnostics);
	return 0;
}
