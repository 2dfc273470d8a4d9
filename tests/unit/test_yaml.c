/* YAML trees: values and their places, what is refused and where, limits, the list of diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"

static struct yaml_document *open_good(const char *text)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;

	diagnostics_init(&diagnostics);
	document = yaml_open_text("f.yml", text, strlen(text), &diagnostics);
	if (!document)
		fail_msg("%s", diagnostics.count ? diagnostics.list[0].text : "no diagnostic");
	assert_int_equal(diagnostics.errors + diagnostics.warnings, 0);
	diagnostics_fini(&diagnostics);
	return document;
}

/* What diagnostics_write() says of a text that must be refused. */
static void assert_refused(const char *text, size_t size, const char *expected)
{
	struct diagnostics diagnostics;
	struct buf buf;

	diagnostics_init(&diagnostics);
	buf_init(&buf, 1 << 20);
	assert_null(yaml_open_text("f.yml", text, size, &diagnostics));
	diagnostics_write(&diagnostics, &buf);
	assert_non_null(buf.data);
	assert_string_equal(buf.data, expected);
	assert_true(diagnostics.errors > 0);
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
}

static void assert_text_refused(const char *text, const char *expected)
{
	assert_refused(text, strlen(text), expected);
}

static void a_tree_keeps_order_kinds_and_places(void **state)
{
	struct yaml_document *document = open_good("# head\n"
						   "name: demo\n"
						   "rules:\n"
						   "  - for: 5m\n"
						   "    on: [a, 'b']\n"
						   "  - ~\n"
						   "empty: {}\n");
	const struct yaml_node *root = yaml_root(document), *rules, *rule, *on;

	assert_string_equal(yaml_file(document), "f.yml");
	assert_int_equal(root->kind, YAML_MAP);
	assert_int_equal(root->child_count, 3);
	assert_string_equal(root->children[0]->key, "name");
	assert_string_equal(root->children[0]->text, "demo");
	assert_int_equal(root->children[0]->line, 2);
	assert_int_equal(root->children[0]->column, 7);
	assert_int_equal(root->children[0]->key_line, 2);
	assert_int_equal(root->children[0]->key_column, 1);
	rules = yaml_get(root, "rules");
	assert_int_equal(rules->kind, YAML_LIST);
	assert_int_equal(rules->child_count, 2);
	assert_int_equal(rules->children[1]->kind, YAML_NULL);
	rule = rules->children[0];
	assert_null(rule->key);
	assert_int_equal(rule->line, 4);
	assert_int_equal(rule->column, 5);
	on = yaml_get(rule, "on");
	assert_int_equal(on->child_count, 2);
	assert_false(on->children[0]->quoted);
	assert_true(on->children[1]->quoted);
	assert_int_equal(on->children[1]->line, 5);
	assert_int_equal(on->children[1]->column, 13);
	assert_int_equal(yaml_get(root, "empty")->kind, YAML_MAP);
	assert_int_equal(yaml_get(root, "empty")->child_count, 0);
	yaml_close(document);
}

static void get_is_safe_on_anything(void **state)
{
	struct yaml_document *document = open_good("[1, 2]");

	assert_null(yaml_get(NULL, "a"));
	assert_null(yaml_get(yaml_root(document), "a"));
	assert_null(yaml_get(yaml_root(document)->children[0], "a"));
	yaml_close(document);
	yaml_close(NULL);
}

static void only_plain_null_words_are_null(void **state)
{
	struct yaml_document *document =
		open_good("[~, null, Null, NULL, '', \"null\", nil, 0, no]");
	static const enum yaml_kind kinds[] = {YAML_NULL, YAML_NULL, YAML_NULL, YAML_NULL,
		YAML_SCALAR, YAML_SCALAR, YAML_SCALAR, YAML_SCALAR, YAML_SCALAR};
	const struct yaml_node *root = yaml_root(document);

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		assert_int_equal(root->children[i]->kind, kinds[i]);
	yaml_close(document);
}

static void block_texts_are_quoted_strings(void **state)
{
	struct yaml_document *document = open_good("a: |\n  12\n  x\nb: >-\n  y\n  z\n");
	const struct yaml_node *root = yaml_root(document);

	assert_string_equal(yaml_get(root, "a")->text, "12\nx\n");
	assert_true(yaml_get(root, "a")->quoted);
	assert_string_equal(yaml_get(root, "b")->text, "y z");
	yaml_close(document);
}

static void an_empty_file_has_a_null_root(void **state)
{
	static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "\xEF\xBB\xBF"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		struct yaml_document *document = open_good(texts[i]);

		assert_int_equal(yaml_root(document)->kind, YAML_NULL);
		assert_true(yaml_root(document)->line >= 1);
		yaml_close(document);
	}
}

static void a_byte_order_mark_moves_no_column(void **state)
{
	struct yaml_document *document = open_good("\xEF\xBB\xBF"
						   "a: b\n");
	const struct yaml_node *a = yaml_get(yaml_root(document), "a");

	assert_non_null(a);
	assert_int_equal(a->key_column, 1);
	assert_int_equal(a->column, 4);
	yaml_close(document);
}

static void columns_count_characters(void **state)
{
	struct yaml_document *document = open_good("{\xC3\xA4\xE2\x82\xAC: x, y: z}");

	assert_int_equal(yaml_get(yaml_root(document), "y")->key_column, 9);
	yaml_close(document);
}

static void repeated_keys_are_refused_at_the_second(void **state)
{
	assert_text_refused("a: 1\nb: 2\na: 3\n",
		"f.yml:3:1: error: the key \"a\" stands twice, before in line 1\n");
	assert_text_refused("x: {k: 1, \"k\": 2}\n",
		"f.yml:1:11: error: the key \"k\" stands twice, before in line 1\n");
}

/* The walk goes on after these, so that one run shows them all. */
static void anchors_aliases_and_tags_are_refused(void **state)
{
	assert_text_refused("a: &x 1\nb: *x\nc: !!str 5\nd: &y [1]\ne: !t {f: 1}\n",
		"f.yml:1:4: error: anchors (&name) are not allowed\n"
		"f.yml:2:4: error: aliases (*name) are not allowed\n"
		"f.yml:3:4: error: tags (!name) are not allowed\n"
		"f.yml:4:4: error: anchors (&name) are not allowed\n"
		"f.yml:5:4: error: tags (!name) are not allowed\n");
	assert_text_refused("*x : 1\n", "f.yml:1:1: error: aliases (*name) are not allowed\n");
	assert_text_refused("*x : 1\nb: 2\n*z : 3\n",
		"f.yml:1:1: error: aliases (*name) are not allowed\n");
	assert_text_refused("- *x\n- [*y]\n",
		"f.yml:1:3: error: aliases (*name) are not allowed\n"
		"f.yml:2:4: error: aliases (*name) are not allowed\n");
}

static void a_second_document_is_refused(void **state)
{
	assert_text_refused("a: 1\n---\nb: 2\n",
		"f.yml:2:1: error: a second document starts here; a file holds one\n");
	assert_text_refused("---\n---\n",
		"f.yml:2:1: error: a second document starts here; a file holds one\n");
}

static void odd_keys_are_refused(void **state)
{
	assert_text_refused("? [a]\n: 1\n", "f.yml:1:3: error: a key must be a plain text\n");
	assert_text_refused("{{a: 1}: 2}\n", "f.yml:1:2: error: a key must be a plain text\n");
	assert_text_refused("?\n: 1\n", "f.yml:1:2: error: a key is empty\n");
	assert_text_refused("\"\": 1\n", "f.yml:1:1: error: a key is empty\n");
}

static void broken_syntax_names_its_place(void **state)
{
	assert_text_refused("a: [1, 2\nb: 3\n",
		"f.yml:2:2: error: did not find expected ',' or ']', while parsing a flow sequence "
		"that starts in line 1\n");
	assert_text_refused("a:\n\tb: 1\n",
		"f.yml:2:1: error: a tab stands here; YAML indents with spaces\n");
	assert_text_refused("a: \"x\n",
		"f.yml:2:1: error: found unexpected end of stream, while scanning a quoted scalar "
		"that starts in line 1\n");
	assert_text_refused("a: 1\n b: 2\n",
		"f.yml:2:3: error: mapping values are not allowed in this context\n");
}

static void bad_characters_name_their_place(void **state)
{
	assert_refused("a: b\nc: \x00z\n", 10,
		"f.yml:2:4: error: the character U+0000 is not allowed\n");
	assert_text_refused("a: b\x1B[2J\n",
		"f.yml:1:5: error: the character U+001B is not allowed\n");
	assert_text_refused("a\r\nb\rc: \x7F\n",
		"f.yml:3:4: error: the character U+007F is not allowed\n");
	assert_text_refused("a: \xEF\xBB\xBF\n",
		"f.yml:1:4: error: the character U+FEFF is not allowed\n");
	assert_text_refused("\xC3\xA4: \xEF\xBF\xBF\n",
		"f.yml:1:4: error: the character U+FFFF is not allowed\n");
	assert_text_refused("a: \"x\\0y\"\n",
		"f.yml:1:4: error: the character U+0000 is not allowed\n");
	assert_text_refused("a\\0: \"\\0\"\n",
		"f.yml:1:6: error: the character U+0000 is not allowed\n");
}

static void other_encodings_are_named(void **state)
{
	assert_text_refused("a: b\xFFz\n", "f.yml:1:5: error: this is not UTF-8: byte 0xFF\n");
	assert_text_refused("a: \xE2\x82\n", "f.yml:1:4: error: this is not UTF-8: byte 0xE2\n");
	assert_refused("\xFF\xFE\x61\x00", 4,
		"f.yml:1:1: error: the file is UTF-16; save it as UTF-8\n");
	assert_refused("\xFE\xFF\x00\x61", 4,
		"f.yml:1:1: error: the file is UTF-16; save it as UTF-8\n");
}

static char *repeat(const char *text, size_t times)
{
	size_t size = strlen(text);
	char *all = mem_alloc(size * times + 1);

	assert_non_null(all);
	for (size_t i = 0; i < times; i++)
		memcpy(all + i * size, text, size);
	all[size * times] = 0;
	return all;
}

static void depth_has_a_maximum(void **state)
{
	char text[67];

	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	text[64] = 0;
	yaml_close(open_good(text));
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	text[66] = 0;
	assert_text_refused(text, "f.yml:1:33: error: lists and maps are nested deeper than 32\n");
}

static void values_have_a_maximum(void **state)
{
	char *text = repeat("- 1\n", 199999);

	yaml_close(open_good(text));
	mem_free(text);
	text = repeat("- 1\n", 200000);
	assert_text_refused(text, "f.yml:200000:3: error: the file has more than 200000 values\n");
	mem_free(text);
}

static void size_has_a_maximum(void **state)
{
	char *text = repeat("# 34567\n", 4 * 1024 * 1024 / 8 + 1);

	text[4 * 1024 * 1024] = 0;
	yaml_close(open_good(text));
	text[4 * 1024 * 1024] = '\n';
	assert_text_refused(text, "f.yml: error: the file is larger than 4 MiB\n");
	mem_free(text);
}

static const char *temporary_path(char *path, size_t size)
{
	const char *folder = getenv("TMPDIR");

	snprintf(path, size, "%s/test_yaml.%ld.yml", folder ? folder : "/tmp", (long)getpid());
	return path;
}

static void files_are_read_and_missing_ones_reported(void **state)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;
	char path[512];

	diagnostics_init(&diagnostics);
	temporary_path(path, sizeof(path));
	assert_int_equal(file_write_atomic(path, "a: b\n", 5, 0600, NULL), STATUS_OK);
	document = yaml_open_file(path, &diagnostics);
	assert_non_null(document);
	assert_string_equal(yaml_get(yaml_root(document), "a")->text, "b");
	assert_string_equal(yaml_file(document), path);
	yaml_close(document);
	unlink(path);
	assert_int_equal(diagnostics.errors, 0);
	assert_null(yaml_open_file(path, &diagnostics));
	assert_int_equal(diagnostics.errors, 1);
	assert_string_equal(diagnostics.list[0].file, path);
	diagnostics_fini(&diagnostics);
}

static void diagnostics_are_written_sorted(void **state)
{
	struct diagnostics diagnostics;
	struct buf buf;

	diagnostics_init(&diagnostics);
	buf_init(&buf, 4096);
	diagnostics_add(&diagnostics, false, "b.yml", 1, 1, "first of b");
	diagnostics_add(&diagnostics, true, "a.yml", 10, 2, "ten, %s", "two");
	diagnostics_add(&diagnostics, false, "a.yml", 10, 1, "ten, one");
	diagnostics_add(&diagnostics, false, "a.yml", 9, 0, "nine");
	diagnostics_add(&diagnostics, false, "a.yml", 0, 0, "whole");
	diagnostics_write(&diagnostics, &buf);
	assert_string_equal(buf.data,
		"a.yml: error: whole\n"
		"a.yml:9: error: nine\n"
		"a.yml:10:1: error: ten, one\n"
		"a.yml:10:2: warning: ten, two\n"
		"b.yml:1:1: error: first of b\n");
	assert_int_equal(diagnostics.errors, 4);
	assert_int_equal(diagnostics.warnings, 1);
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
}

static void past_a_hundred_only_the_count_grows(void **state)
{
	struct diagnostics diagnostics;
	struct buf buf;

	diagnostics_init(&diagnostics);
	buf_init(&buf, 1 << 20);
	for (int i = 0; i < 100; i++) {
		assert_false(diagnostics_full(&diagnostics));
		diagnostics_add(&diagnostics, false, "a", i + 1, 1, "x");
	}
	assert_true(diagnostics_full(&diagnostics));
	diagnostics_add(&diagnostics, false, "a", 1, 1, "not kept");
	diagnostics_add(&diagnostics, true, "a", 1, 1, "not kept");
	assert_int_equal(diagnostics.count, 100);
	assert_int_equal(diagnostics.errors, 101);
	assert_int_equal(diagnostics.warnings, 1);
	diagnostics_write(&diagnostics, &buf);
	assert_null(strstr(buf.data, "not kept"));
	assert_non_null(strstr(buf.data, "\nand 2 more not shown\n"));
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
}

static void diagnostic_texts_are_one_printable_line(void **state)
{
	struct diagnostics diagnostics;
	char *text = repeat("\xE2\x82\xAC", 1000);

	diagnostics_init(&diagnostics);
	diagnostics_add(&diagnostics, false, "a", 1, 1, "a\nb\x1B[2Jc\xC3\xA4");
	diagnostics_add(&diagnostics, false, "a", 1, 1, "%s", text);
	diagnostics_add(&diagnostics, false, "a", 1, 1, "x\xFFy");
	assert_string_equal(diagnostics.list[0].text, "a b [2Jc\xC3\xA4");
	/* 1023 bytes hold 341 characters of three. */
	assert_int_equal(strlen(diagnostics.list[1].text), 1023);
	assert_memory_equal(diagnostics.list[1].text + 1020, "\xE2\x82\xAC", 4);
	assert_string_equal(diagnostics.list[2].text, "x?y");
	diagnostics_fini(&diagnostics);
	diagnostics_init(&diagnostics);
	diagnostics_add(&diagnostics, false, "a", 1, 1, "x%s", text);
	assert_int_equal(strlen(diagnostics.list[0].text), 1 + 340 * 3);
	diagnostics_fini(&diagnostics);
	mem_free(text);
}

static void memory_out_is_an_answer(void **state)
{
	static const char text[] = "a: [1, {b: c, d: 'e'}]\nf:\n  g: |\n    h\n";
	bool reached = true;

	for (long n = 1; reached; n++) {
		struct diagnostics diagnostics;
		struct yaml_document *document;

		diagnostics_init(&diagnostics);
		mem_fail_after(n, true);
		document = yaml_open_text("f.yml", text, sizeof(text) - 1, &diagnostics);
		reached = mem_fail_after(0, false);
		assert_int_equal(document == NULL, reached);
		/* Even when there was no memory to say why. */
		assert_int_equal(diagnostics.errors > 0, reached);
		yaml_close(document);
		diagnostics_fini(&diagnostics);
		assert_true(n < 500);
	}
}

static void diagnostics_survive_memory_out(void **state)
{
	bool reached = true;

	for (long n = 1; reached; n++) {
		struct diagnostics diagnostics;

		diagnostics_init(&diagnostics);
		mem_fail_after(n, false);
		diagnostics_add(&diagnostics, false, "a", 1, 1, "x");
		diagnostics_add(&diagnostics, false, "a", 2, 1, "y");
		reached = mem_fail_after(0, false);
		assert_int_equal(diagnostics.errors, 2);
		assert_int_equal(diagnostics.count, reached ? 1 : 2);
		diagnostics_fini(&diagnostics);
		assert_true(n < 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_keeps_order_kinds_and_places),
		cmocka_unit_test(get_is_safe_on_anything),
		cmocka_unit_test(only_plain_null_words_are_null),
		cmocka_unit_test(block_texts_are_quoted_strings),
		cmocka_unit_test(an_empty_file_has_a_null_root),
		cmocka_unit_test(a_byte_order_mark_moves_no_column),
		cmocka_unit_test(columns_count_characters),
		cmocka_unit_test(repeated_keys_are_refused_at_the_second),
		cmocka_unit_test(anchors_aliases_and_tags_are_refused),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(odd_keys_are_refused),
		cmocka_unit_test(broken_syntax_names_its_place),
		cmocka_unit_test(bad_characters_name_their_place),
		cmocka_unit_test(other_encodings_are_named),
		cmocka_unit_test(depth_has_a_maximum),
		cmocka_unit_test(values_have_a_maximum),
		cmocka_unit_test(size_has_a_maximum),
		cmocka_unit_test(files_are_read_and_missing_ones_reported),
		cmocka_unit_test(diagnostics_are_written_sorted),
		cmocka_unit_test(past_a_hundred_only_the_count_grows),
		cmocka_unit_test(diagnostic_texts_are_one_printable_line),
		cmocka_unit_test(memory_out_is_an_answer),
		cmocka_unit_test(diagnostics_survive_memory_out),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
