/*
 * The file's layer of the configuration: walks the YAML tree with its own stack, since sections lie
 * in each other as the dots of a setting's path say, and hands each value over as text, so that it is
 * read as a flag's would be. Tokens and the roles of users are the only parts with a form of their own.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/config_values.h"

static int setting_by_path(const char *path)
{
	for (int id = 0; id < SETTING_COUNT; id++)
		if (strcmp(setting_descriptions[id].path, path) == 0)
			return id;
	return -1;
}

static bool path_is_section(const char *path)
{
	size_t size = strlen(path);

	for (int id = 0; id < SETTING_COUNT; id++)
		if (strncmp(setting_descriptions[id].path, path, size) == 0 &&
			setting_descriptions[id].path[size] == '.')
			return true;
	return false;
}

/* Says which keys there are at this place, and the nearest one. */
static void report_unknown_key(const struct yaml_reader *reader, const struct yaml_node *node,
	const char *section)
{
	char words[SETTING_COUNT + 1][64];
	const char *known[SETTING_COUNT + 4];
	size_t count = 0, prefix = strlen(section);

	for (int id = 0; id < SETTING_COUNT; id++) {
		const char *path = setting_descriptions[id].path;

		if (prefix > 0 && (strncmp(path, section, prefix) != 0 || path[prefix] != '.'))
			continue;
		path += prefix > 0 ? prefix + 1 : 0;
		snprintf(words[count], sizeof(words[count]), "%.*s", (int)strcspn(path, "."), path);
		known[count] = words[count];
		count++;
	}
	if (strcmp(section, "web") == 0) {
		known[count++] = "tokens";
		known[count++] = "user_roles";
	}
	if (prefix == 0) {
		known[count++] = "modes";
		known[count++] = "tickets";
	}
	known[count] = NULL;
	const char *nearest = nearest_word(node->key, known);
	struct yaml_node place = {.line = node->key_line, .column = node->key_column};

	if (nearest != NULL)
		yaml_report(reader, &place, "unknown key \"%s\"%s%s, did you mean \"%s\"?",
			node->key, prefix > 0 ? " in " : "", section, nearest);
	else
		yaml_report(reader, &place, "unknown key \"%s\"%s%s", node->key,
			prefix > 0 ? " in " : "", section);
}

/* file NULL: the role of the basic_auth user of this name. place: where the role stands. */
static void add_token(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *place, const char *name, const char *file, const char *role_text)
{
	struct access_token *token = &config->tokens[config->token_count];
	enum access_role role;
	char at[512];

	if (!access_role_parse(role_text, &role) || role == ACCESS_NONE) {
		yaml_report(reader, place,
			"role \"%s\" is none of read, ingest, webhook, approve, admin", role_text);
		return;
	}
	if (config->token_count == CONFIG_TOKENS_MAX) {
		yaml_report(reader, place, "more than %d tokens and users", CONFIG_TOKENS_MAX);
		return;
	}
	token->name = mem_strdup(name);
	token->file = file != NULL ? mem_strdup(file) : NULL;
	token->role = role;
	snprintf(at, sizeof(at), "%s:%d", reader->file, place->line);
	config->token_places[config->token_count] = mem_strdup(at);
	if (token->name == NULL || (file != NULL && token->file == NULL) ||
		config->token_places[config->token_count] == NULL)
		yaml_report(reader, place, "out of memory");
	config->token_count++;
}

/* web.tokens: [{name, file, role}] */
static void read_tokens(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *list)
{
	static const char *const keys[] = {"name", "file", "role", NULL};

	if (list->kind != YAML_LIST)
		yaml_report(reader, list, "web.tokens is no list");
	for (size_t i = 0; list->kind == YAML_LIST && i < list->child_count; i++) {
		const struct yaml_node *node = list->children[i];
		const char *name, *file, *role;

		if (yaml_check_keys(reader, node, keys) &&
			yaml_read_text(reader, node, "name", true, &name) &&
			yaml_read_text(reader, node, "file", true, &file) &&
			yaml_read_text(reader, node, "role", true, &role))
			add_token(config, reader, yaml_get(node, "role"), name, file, role);
	}
}

/* web.user_roles: {user: role} */
static void read_user_roles(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *map)
{
	if (map->kind != YAML_MAP)
		yaml_report(reader, map, "web.user_roles is no map of users to roles");
	for (size_t i = 0; map->kind == YAML_MAP && i < map->child_count; i++) {
		const struct yaml_node *node = map->children[i];
		const char *role;

		if (yaml_read_text(reader, map, node->key, true, &role))
			add_token(config, reader, node, node->key, NULL, role);
	}
}

/* A YAML list becomes the same text that a flag would have. */
static enum status list_text(const struct yaml_node *node, struct buf *text, struct error *error)
{
	for (size_t i = 0; i < node->child_count; i++) {
		const struct yaml_node *child = node->children[i];

		if (child->kind != YAML_SCALAR)
			return error_set(error, STATUS_BAD_INPUT, "element %zu is no text", i + 1);
		if (list_comma(child->text) != NULL)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" has a comma",
				child->text);
		buf_printf(text, "%s%s", i > 0 ? "," : "", child->text);
	}
	return buf_ok(text) ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "out of memory");
}

static void read_setting(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *node, enum setting_id id)
{
	struct error error;
	struct buf text;
	char place[512];

	error_reset(&error);
	buf_init(&text, 65536);
	snprintf(place, sizeof(place), "%s:%d", reader->file, node->line);
	buf_add_text(&text, "");
	if (node->kind == YAML_LIST && setting_descriptions[id].type == SETTING_LIST)
		(void)list_text(node, &text, &error);
	else if (node->kind == YAML_SCALAR)
		buf_add_text(&text, node->text);
	else
		error_set(&error, STATUS_BAD_INPUT, "this is no %s",
			setting_descriptions[id].type == SETTING_LIST
				? "list"
				: "single value, but a list or a map");
	if (error.code == STATUS_OK && !buf_ok(&text))
		error_set(&error, STATUS_NO_MEMORY, "too long, or out of memory");
	if (error.code != STATUS_OK ||
		setting_set(config, id, text.data, SOURCE_FILE, place, &error) != STATUS_OK)
		yaml_report(reader, node, "%s: %s", setting_descriptions[id].path, error.text);
	buf_fini(&text);
}

struct section {
	const struct yaml_node *node;
	char path[64];
};

void config_read_file(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *root)
{
	struct section stack[SETTING_COUNT];
	size_t depth = 0;

	stack[depth++] = (struct section){.node = root, .path = ""};
	while (depth > 0) {
		struct section section = stack[--depth];

		/* An empty file, and a section whose settings are all commented out. */
		if (section.node->kind == YAML_NULL)
			continue;
		if (section.node->kind != YAML_MAP) {
			yaml_report(reader, section.node, "%s is no map of settings",
				section.path[0] != '\0' ? section.path : "the file");
			continue;
		}
		for (size_t i = 0; i < section.node->child_count; i++) {
			const struct yaml_node *child = section.node->children[i];
			char path[512];
			int id;

			snprintf(path, sizeof(path), "%s%s%.200s", section.path,
				section.path[0] != '\0' ? "." : "", child->key);
			id = setting_by_path(path);
			if (id >= 0) {
				read_setting(config, reader, child, (enum setting_id)id);
			} else if (strcmp(path, "web.tokens") == 0) {
				read_tokens(config, reader, child);
			} else if (strcmp(path, "web.user_roles") == 0) {
				read_user_roles(config, reader, child);
			} else if (strcmp(path, "modes") == 0) {
				config_read_modes(config, reader, child);
			} else if (strcmp(path, "tickets") == 0) {
				config_read_tickets(config, reader, child);
			} else if (path_is_section(path) && depth < ARRAY_COUNT(stack)) {
				stack[depth].node = child;
				snprintf(stack[depth++].path, sizeof(stack[0].path), "%.63s", path);
			} else {
				report_unknown_key(reader, child, section.path);
			}
		}
	}
}
