#include "daemon/backfill_labels.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

#define EXTERNAL_MAX 64

/* --- external labels --- */

/* The lines of one top-level key: Prometheus writes its configuration in block style, and the rest of
 * it may be long. An empty span when there is none. */
static const char *section_find(const char *yaml, const char *key, size_t *size)
{
	size_t key_size = strlen(key);
	const char *line = yaml, *start = NULL;

	while (line != NULL && *line != '\0') {
		const char *end = strchr(line, '\n');

		if (start == NULL) {
			if (strncmp(line, key, key_size) == 0 && line[key_size] == ':')
				start = line;
		} else if (*line != ' ' && *line != '-' && *line != '\n' && *line != '#') {
			break;
		}
		line = end != NULL ? end + 1 : NULL;
	}
	*size = 0;
	if (start != NULL)
		*size = line != NULL ? (size_t)(line - start) : strlen(start);
	return start;
}

static struct yaml_document *section_open(const char *yaml, const char *key,
	const struct yaml_node **node, struct error *error)
{
	struct diagnostics diagnostics;
	struct yaml_document *document = NULL;
	size_t size;
	const char *text = section_find(yaml, key, &size);

	*node = NULL;
	error_reset(error);
	if (text == NULL)
		return NULL;
	diagnostics_init(&diagnostics);
	document = yaml_open_text("the configuration of Prometheus", text, size, &diagnostics);
	if (document != NULL)
		*node = yaml_get(yaml_root(document), key);
	else if (diagnostics.count > 0)
		error_set(error, STATUS_BAD_INPUT, "%s, line %d of %s: %.200s",
			diagnostics.list[0].file, diagnostics.list[0].line, key,
			diagnostics.list[0].text);
	else
		error_set(error, STATUS_NO_MEMORY, "out of memory");
	diagnostics_fini(&diagnostics);
	return document;
}

static enum status labels_of_map(const struct yaml_node *map, struct labels *labels,
	struct error *error)
{
	struct label pairs[EXTERNAL_MAX];
	size_t count = map != NULL && map->kind == YAML_MAP ? map->child_count : 0;

	if (map != NULL && map->kind != YAML_MAP && map->kind != YAML_NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"global.external_labels of Prometheus is no map");
	if (count > EXTERNAL_MAX)
		return error_set(error, STATUS_BAD_INPUT, "more than %d external labels",
			EXTERNAL_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *child = map->children[i];

		if (child->kind == YAML_MAP || child->kind == YAML_LIST)
			return error_set(error, STATUS_BAD_INPUT,
				"external label %.100s of Prometheus is no text", child->key);
		pairs[i] = (struct label){child->key, child->kind == YAML_SCALAR ? child->text : "",
			(uint32_t)strlen(child->key),
			child->kind == YAML_SCALAR ? (uint32_t)strlen(child->text) : 0};
	}
	return labels_init(labels, pairs, count, error);
}

static bool rewrites(const struct yaml_node *entry)
{
	static const char *const harmless[] = {"keep", "drop", "keepequal", "dropequal"};
	const struct yaml_node *rules = yaml_get(entry, "write_relabel_configs");

	for (size_t i = 0; rules != NULL && i < rules->child_count; i++) {
		const struct yaml_node *action = yaml_get(rules->children[i], "action");
		bool known = false;

		for (size_t k = 0; k < sizeof(harmless) / sizeof(harmless[0]); k++)
			known = known ||
				(action != NULL && action->kind == YAML_SCALAR &&
					strcmp(action->text, harmless[k]) == 0);
		if (!known)
			return true;
	}
	return false;
}

enum status external_labels_of_config(const char *yaml, struct labels *labels, bool *relabelled,
	struct error *error)
{
	const struct yaml_node *node;
	struct yaml_document *document;
	struct error own;
	enum status status;

	error = error != NULL ? error : &own;
	document = section_open(yaml, "global", &node, error);
	status = error->code;
	memset(labels, 0, sizeof(*labels));
	*relabelled = false;
	if (status == STATUS_OK)
		status = labels_of_map(yaml_get(node, "external_labels"), labels, error);
	yaml_close(document);
	if (status != STATUS_OK)
		return status;
	document = section_open(yaml, "remote_write", &node, error);
	for (size_t i = 0; node != NULL && i < node->child_count; i++)
		*relabelled = *relabelled || rewrites(node->children[i]);
	yaml_close(document);
	status = error->code;
	if (status != STATUS_OK)
		labels_fini(labels);
	return status;
}

enum status external_labels_of_list(const char *const *list, size_t count, struct labels *labels,
	struct error *error)
{
	struct label pairs[EXTERNAL_MAX];

	memset(labels, 0, sizeof(*labels));
	if (count > EXTERNAL_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d labels", EXTERNAL_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *sign = strchr(list[i], '=');
		size_t size = sign != NULL ? (size_t)(sign - list[i]) : 0;

		if (sign == NULL || !label_name_valid(list[i], size))
			return error_set(error, STATUS_BAD_INPUT, "\"%.100s\" is no name=value",
				list[i]);
		pairs[i] = (struct label){list[i], sign + 1, (uint32_t)size,
			(uint32_t)strlen(sign + 1)};
	}
	return labels_init(labels, pairs, count, error);
}

/* --- the labels of a series --- */

static int name_order(const struct label *a, const struct label *b)
{
	uint32_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
	int order = memcmp(a->name, b->name, size);

	return order != 0 ? order : (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

/* false: the name is there already, or there is no room. */
static enum status insert(struct sent_labels *sent, const struct label *pair, bool *inserted,
	struct error *error)
{
	uint32_t at = sent->labels.count;
	int order = -1;

	*inserted = false;
	if (pair->value_size == 0)
		return STATUS_OK;
	if (at == SENT_LABELS_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d labels", SENT_LABELS_MAX);
	while (at > 0 && (order = name_order(&sent->pairs[at - 1], pair)) > 0)
		at--;
	if (at > 0 && order == 0)
		return STATUS_OK;
	memmove(&sent->pairs[at + 1], &sent->pairs[at],
		(sent->labels.count - at) * sizeof(*sent->pairs));
	sent->pairs[at] = *pair;
	sent->labels.count++;
	*inserted = true;
	return STATUS_OK;
}

static void remove_replica(struct sent_labels *sent, const char *cluster, const char *replica)
{
	const struct label *found = labels_find(&sent->labels, replica);
	size_t at;

	if (found == NULL || labels_find(&sent->labels, cluster) == NULL)
		return;
	at = (size_t)(found - sent->pairs);
	memmove(&sent->pairs[at], &sent->pairs[at + 1],
		(sent->labels.count - at - 1) * sizeof(*sent->pairs));
	sent->labels.count--;
}

enum status sent_labels_merge(struct sent_labels *sent, const struct label *pairs, size_t count,
	const struct labels *external, const char *cluster, const char *replica,
	struct error *error)
{
	enum status status = STATUS_OK;
	bool inserted;

	sent->labels = (struct labels){.pairs = sent->pairs, .count = 0};
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		status = insert(sent, &pairs[i], &inserted, error);
		if (status == STATUS_OK && !inserted && pairs[i].value_size > 0)
			status = error_set(error, STATUS_BAD_INPUT, "label %.100s stands twice",
				pairs[i].name);
	}
	for (uint32_t i = 0; status == STATUS_OK && i < external->count; i++)
		status = insert(sent, &external->pairs[i], &inserted, error);
	if (status == STATUS_OK && replica != NULL)
		remove_replica(sent, cluster, replica);
	return status;
}

static uint32_t varint_size(uint32_t value)
{
	uint32_t size = 1;

	for (; value >= 128; value >>= 7)
		size++;
	return size;
}

static void add_varint(struct buf *raw, uint32_t value)
{
	for (; value >= 128; value >>= 7)
		buf_add_char(raw, (char)(value | 128));
	buf_add_char(raw, (char)value);
}

void sent_labels_write_raw(const struct sent_labels *sent, struct buf *raw)
{
	for (uint32_t i = 0; i < sent->labels.count; i++) {
		const struct label *pair = &sent->pairs[i];

		/* TimeSeries.labels = 1: a Label of name = 1 and value = 2. */
		buf_add_char(raw, 0x0a);
		add_varint(raw,
			2 + varint_size(pair->name_size) + pair->name_size +
				varint_size(pair->value_size) + pair->value_size);
		buf_add_char(raw, 0x0a);
		add_varint(raw, pair->name_size);
		buf_add(raw, pair->name, pair->name_size);
		buf_add_char(raw, 0x12);
		add_varint(raw, pair->value_size);
		buf_add(raw, pair->value, pair->value_size);
	}
}

/* --- selectors --- */

enum status backfill_selector(const struct matchers *matchers, const struct labels *external,
	struct buf *text, struct error *error)
{
	struct matchers asked;
	enum status status = STATUS_OK;
	bool narrow = false;

	matchers_init(&asked);
	for (size_t i = 0; status == STATUS_OK && i < matchers->count; i++) {
		struct matcher *matcher = &matchers->list[i];
		const char *value = labels_get(external, matcher->name);

		/* A series of its own label of that name may match by it; that one is asked for only
		 * where the external label does not match. */
		if (value != NULL && matcher_test(&asked, matcher, value))
			continue;
		status = matchers_add(&asked, matcher->type, matcher->name, matcher->value, error);
		narrow = narrow || !matcher_test(&asked, matcher, "");
	}
	/* Prometheus refuses a selector that the empty value fits. */
	if (status == STATUS_OK && !narrow)
		status = matchers_add(&asked, MATCHER_NOT_EQUAL, LABEL_METRIC_NAME, "", error);
	if (status == STATUS_OK) {
		matchers_write(text, &asked);
		if (!buf_ok(text))
			status = error_set(error, STATUS_NO_MEMORY, "the selector is too long");
	}
	matchers_fini(&asked);
	return status;
}
