/*
 * YAML text to a tree. The bytes are checked first (encoding, characters that YAML refuses), so that
 * every such error has its place; then libyaml's events are turned into nodes with an explicit stack.
 *
 *   events -> build_event(): scalar            -> node_attach()
 *                            start of list/map -> node_attach(), push a frame
 *                            end               -> frame_close(): children become an array, keys are
 *                                                 checked for repeats, pop
 *
 * While a container is open its children hang in a linked list, which costs the arena nothing that
 * is thrown away. What cannot be repaired (libyaml's own errors, limits) ends the walk; anchors,
 * aliases, tags and repeated keys are reported and the walk goes on, so that one run shows them all.
 */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#define FILE_SIZE_MAX ((size_t)4 * 1024 * 1024)
#define ARENA_SIZE_MAX ((size_t)96 * 1024 * 1024)
#define DEPTH_MAX 32
#define NODES_MAX 200000
#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

struct yaml_document {
	struct arena arena;
	const char *file;
	const struct yaml_node *root;
};

/* A node with what only building needs. */
struct link {
	struct yaml_node node;
	struct link *next;
};

struct frame {
	struct link *container, *first, **last;
	/* In a map: the key read and not yet given its value. */
	const char *key;
	int key_line, key_column;
};

struct builder {
	struct yaml_document *document;
	struct diagnostics *diagnostics;
	struct frame frames[DEPTH_MAX];
	size_t depth, nodes;
	struct link *root;
	bool failed, finished;
};

/* A file has at most 4 MiB, so that lines and columns fit. */
static int mark_line(yaml_mark_t mark)
{
	return (int)mark.line + 1;
}

static int mark_column(yaml_mark_t mark)
{
	return (int)mark.column + 1;
}

/* The file is refused at the end, the walk goes on. */
static void PRINTF_LIKE(3, 4)
	builder_fail(struct builder *builder, yaml_mark_t mark, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	diagnostics_vadd(builder->diagnostics, false, builder->document->file, mark_line(mark),
		mark_column(mark), format, arguments);
	va_end(arguments);
	builder->failed = true;
}

static void builder_stop(struct builder *builder, yaml_mark_t mark, const char *text)
{
	builder_fail(builder, mark, "%s", text);
	builder->finished = true;
}

static void builder_no_memory(struct builder *builder)
{
	diagnostics_add(builder->diagnostics, false, builder->document->file, 0, 0,
		"no memory to read the file");
	builder->failed = builder->finished = true;
}

static struct link *node_new(struct builder *builder, const yaml_event_t *event,
	enum yaml_kind kind)
{
	struct link *link;

	if (++builder->nodes > NODES_MAX) {
		builder_stop(builder, event->start_mark,
			"the file has more than " TEXT_OF(NODES_MAX) " values");
		return NULL;
	}
	link = arena_zalloc(&builder->document->arena, 1, sizeof(*link));
	if (!link) {
		builder_no_memory(builder);
		return NULL;
	}
	link->node.kind = kind;
	link->node.line = mark_line(event->start_mark);
	link->node.column = mark_column(event->start_mark);
	return link;
}

static void node_attach(struct builder *builder, struct link *link)
{
	struct frame *frame = builder->depth ? &builder->frames[builder->depth - 1] : NULL;

	if (!frame) {
		builder->root = link;
		return;
	}
	if (frame->container->node.kind == YAML_MAP) {
		link->node.key = frame->key;
		link->node.key_line = frame->key_line;
		link->node.key_column = frame->key_column;
		frame->key = NULL;
	}
	*frame->last = link;
	frame->last = &link->next;
	frame->container->node.child_count++;
}

static bool key_wanted(const struct builder *builder)
{
	const struct frame *frame = builder->depth ? &builder->frames[builder->depth - 1] : NULL;

	return frame && frame->container->node.kind == YAML_MAP && !frame->key;
}

static bool is_null(const char *text)
{
	return !*text || !strcmp(text, "~") || !strcmp(text, "null") || !strcmp(text, "Null") ||
		!strcmp(text, "NULL");
}

static void build_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct link *link;
	char *copy;

	if (memchr(text, 0, size)) {
		builder_stop(builder, event->start_mark, "the character U+0000 is not allowed");
		return;
	}
	copy = arena_strndup(&builder->document->arena, text, size);
	if (!copy) {
		builder_no_memory(builder);
		return;
	}
	if (key_wanted(builder)) {
		struct frame *frame = &builder->frames[builder->depth - 1];

		if (!size)
			builder_fail(builder, event->start_mark, "a key is empty");
		frame->key = copy;
		frame->key_line = mark_line(event->start_mark);
		frame->key_column = mark_column(event->start_mark);
		return;
	}
	link = node_new(builder, event, plain && is_null(copy) ? YAML_NULL : YAML_SCALAR);
	if (!link)
		return;
	link->node.text = copy;
	link->node.text_size = size;
	link->node.quoted = !plain;
	node_attach(builder, link);
}

static void build_start(struct builder *builder, const yaml_event_t *event, enum yaml_kind kind)
{
	struct link *link;
	struct frame *frame;

	if (key_wanted(builder)) {
		builder_stop(builder, event->start_mark, "a key must be a plain text");
		return;
	}
	if (builder->depth == DEPTH_MAX) {
		builder_stop(builder, event->start_mark,
			"lists and maps are nested deeper than " TEXT_OF(DEPTH_MAX));
		return;
	}
	link = node_new(builder, event, kind);
	if (!link)
		return;
	node_attach(builder, link);
	frame = &builder->frames[builder->depth++];
	*frame = (struct frame){.container = link};
	frame->last = &frame->first;
}

static int compare_keys(const void *left, const void *right)
{
	const struct yaml_node *a = *(struct yaml_node *const *)left;
	const struct yaml_node *b = *(struct yaml_node *const *)right;
	int order = strcmp(a->key, b->key);

	if (!order)
		order = (a->key_line > b->key_line) - (a->key_line < b->key_line);
	if (!order)
		order = (a->key_column > b->key_column) - (a->key_column < b->key_column);
	return order;
}

static void check_repeats(struct builder *builder, const struct yaml_node *map)
{
	size_t bytes = map->child_count * sizeof(struct yaml_node *);
	struct yaml_node **sorted;

	if (map->child_count < 2)
		return;
	sorted = mem_alloc(bytes);
	if (!sorted) {
		builder_no_memory(builder);
		return;
	}
	memcpy(sorted, map->children, bytes);
	qsort(sorted, map->child_count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->child_count; i++) {
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) != 0)
			continue;
		diagnostics_add(builder->diagnostics, false, builder->document->file,
			sorted[i]->key_line, sorted[i]->key_column,
			"the key \"%.100s\" stands twice, before in line %d", sorted[i]->key,
			sorted[i - 1]->key_line);
		builder->failed = true;
	}
	mem_free(sorted);
}

static void frame_close(struct builder *builder)
{
	struct frame *frame = &builder->frames[--builder->depth];
	struct yaml_node *node;
	size_t i = 0;

	CHECK(frame->container);
	node = &frame->container->node;
	if (!node->child_count)
		return;
	node->children = arena_alloc(&builder->document->arena,
		node->child_count * sizeof(struct yaml_node *));
	if (!node->children) {
		node->child_count = 0;
		builder_no_memory(builder);
		return;
	}
	for (struct link *link = frame->first; link; link = link->next)
		node->children[i++] = &link->node;
	if (node->kind == YAML_MAP)
		check_repeats(builder, node);
}

/* An alias becomes null in the tree, which nobody reads: the document is refused at its end. */
static void build_alias(struct builder *builder, const yaml_event_t *event)
{
	struct link *link;

	builder_fail(builder, event->start_mark, "aliases (*name) are not allowed");
	if (key_wanted(builder)) {
		builder->finished = true;
		return;
	}
	link = node_new(builder, event, YAML_NULL);
	if (!link)
		return;
	link->node.text = "";
	node_attach(builder, link);
}

static void refuse_extras(struct builder *builder, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		builder_fail(builder, event->start_mark, "anchors (&name) are not allowed");
	if (tag)
		builder_fail(builder, event->start_mark, "tags (!name) are not allowed");
}

static void build_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		refuse_extras(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
		build_scalar(builder, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(builder, event, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
		build_start(builder, event, YAML_LIST);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_extras(builder, event, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
		build_start(builder, event, YAML_MAP);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		frame_close(builder);
		break;
	case YAML_ALIAS_EVENT:
		build_alias(builder, event);
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (builder->root)
			builder_stop(builder, event->start_mark,
				"a second document starts here; a file holds one");
		break;
	case YAML_STREAM_END_EVENT:
		builder->finished = true;
		break;
	default:
		break;
	}
}

/* What YAML 1.2 section 5.1 lets into a file, but for a byte order mark inside it. */
static bool is_allowed(uint32_t point)
{
	if (point < 0x20)
		return point == '\t' || point == '\n' || point == '\r';
	if (point < 0xA0)
		return point < 0x7F || point == 0x85;
	return point != 0xFEFF && point != 0xFFFE && point != 0xFFFF;
}

/* The character in the valid sequence of length bytes. */
static uint32_t read_point(const unsigned char *text, size_t length)
{
	static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t point = text[0] & masks[length];

	for (size_t i = 1; i < length; i++)
		point = point << 6 | (text[i] & 0x3F);
	return point;
}

static bool check_characters(const char *name, const char *text, size_t size,
	struct diagnostics *diagnostics)
{
	int line = 1, column = 1;
	uint32_t point;

	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(text + i, size - i);

		if (!length) {
			diagnostics_add(diagnostics, false, name, line, column,
				"this is not UTF-8: byte 0x%02X", (unsigned char)text[i]);
			return false;
		}
		point = read_point((const unsigned char *)text + i, length);
		if (!is_allowed(point)) {
			diagnostics_add(diagnostics, false, name, line, column,
				"the character U+%04X is not allowed", (unsigned)point);
			return false;
		}
		column++;
		if (point == '\n' || (point == '\r' && (i + 1 == size || text[i + 1] != '\n'))) {
			line++;
			column = 1;
		}
		i += length;
	}
	return true;
}

/* Steps over a UTF-8 byte order mark; refuses the marks of other encodings and too long texts. */
static bool check_text(const char *name, const char **text, size_t *size,
	struct diagnostics *diagnostics)
{
	const char *bytes = *text;

	if (*size > FILE_SIZE_MAX) {
		diagnostics_add(diagnostics, false, name, 0, 0, "the file is larger than 4 MiB");
		return false;
	}
	if (*size >= 2 && (!memcmp(bytes, "\xFE\xFF", 2) || !memcmp(bytes, "\xFF\xFE", 2))) {
		diagnostics_add(diagnostics, false, name, 1, 1,
			"the file is UTF-16; save it as UTF-8");
		return false;
	}
	if (*size >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3)) {
		*text += 3;
		*size -= 3;
	}
	return check_characters(name, *text, *size, diagnostics);
}

/* The byte where libyaml stopped; its index counts characters. */
static char character_at(const char *text, size_t size, size_t index)
{
	for (size_t i = 0; i < size; i++) {
		if (((unsigned char)text[i] & 0xC0) == 0x80)
			continue;
		if (!index--)
			return text[i];
	}
	return 0;
}

static void report_parser(struct builder *builder, const yaml_parser_t *parser, const char *text,
	size_t size)
{
	const char *problem = parser->problem ? parser->problem : "bad YAML";

	builder->finished = true;
	if (parser->error == YAML_MEMORY_ERROR) {
		builder_no_memory(builder);
		return;
	}
	if (parser->error == YAML_SCANNER_ERROR &&
		character_at(text, size, parser->problem_mark.index) == '\t')
		builder_fail(builder, parser->problem_mark,
			"a tab stands here; YAML indents with spaces");
	else if (parser->context)
		builder_fail(builder, parser->problem_mark, "%s, %s that starts in line %d",
			problem, parser->context, mark_line(parser->context_mark));
	else
		builder_fail(builder, parser->problem_mark, "%s", problem);
}

static void build_tree(struct builder *builder, const char *text, size_t size)
{
	yaml_parser_t parser;
	yaml_event_t event;

	if (!yaml_parser_initialize(&parser)) {
		builder_no_memory(builder);
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	while (!builder->finished) {
		if (!yaml_parser_parse(&parser, &event)) {
			report_parser(builder, &parser, text, size);
			break;
		}
		build_event(builder, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

/* An empty file has no node of its own; its root stands at the start. */
static void build_empty_root(struct builder *builder)
{
	struct link *link = arena_zalloc(&builder->document->arena, 1, sizeof(*link));

	if (!link) {
		builder_no_memory(builder);
		return;
	}
	link->node.kind = YAML_NULL;
	link->node.line = link->node.column = 1;
	link->node.text = "";
	builder->root = link;
}

static struct yaml_document *document_new(const char *name)
{
	struct yaml_document *document = mem_zalloc(1, sizeof(*document));

	if (!document)
		return NULL;
	arena_init(&document->arena, ARENA_SIZE_MAX);
	document->file = arena_strndup(&document->arena, name, strlen(name));
	if (document->file)
		return document;
	yaml_close(document);
	return NULL;
}

struct yaml_document *yaml_open_text(const char *name, const char *text, size_t size,
	struct diagnostics *diagnostics)
{
	struct builder builder = {.diagnostics = diagnostics};

	if (!check_text(name, &text, &size, diagnostics))
		return NULL;
	builder.document = document_new(name);
	if (!builder.document) {
		diagnostics_add(diagnostics, false, name, 0, 0, "no memory to read the file");
		return NULL;
	}
	build_tree(&builder, text, size);
	if (!builder.failed && !builder.root)
		build_empty_root(&builder);
	if (builder.failed) {
		yaml_close(builder.document);
		return NULL;
	}
	builder.document->root = &builder.root->node;
	return builder.document;
}

struct yaml_document *yaml_open_file(const char *path, struct diagnostics *diagnostics)
{
	struct yaml_document *document = NULL;
	struct error error;
	struct buf buf;

	buf_init(&buf, FILE_SIZE_MAX);
	error_reset(&error);
	if (file_read(path, &buf, &error))
		diagnostics_add(diagnostics, false, path, 0, 0, "%s", error.text);
	else
		document = yaml_open_text(path, buf.data ? buf.data : "", buf.size, diagnostics);
	buf_fini(&buf);
	return document;
}

void yaml_close(struct yaml_document *document)
{
	if (!document)
		return;
	arena_fini(&document->arena);
	mem_free(document);
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
	return document->root;
}

const char *yaml_file(const struct yaml_document *document)
{
	return document->file;
}
