/*
 * Reads the layers of the configuration into one array of values, by the table of
 * daemon/config_table.h.
 *
 * Every layer goes through setting_set(), so that a bad value is refused in the same words wherever
 * it stands; only the place differs: file:line:column, the variable, or the flag.
 */
#include "daemon/config.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"

#define LIST_MAX 64
#define TOKENS_MAX 64
#define ENVIRONMENT_PREFIX "NIMBUSGUARD_"

struct description {
	const char *path;
	enum setting_type type;
	const char *fallback;
	int64_t min, max;
	const char *choices;
	bool reloadable;
	const char *help;
};

static const struct description descriptions[SETTING_COUNT] = {
#define SETTING(id, path, type, fallback, min, max, choices, reloadable, help)                     \
	{path, SETTING_##type, fallback, min, max, choices, reloadable, help},
	SETTING_TABLE(SETTING)
#undef SETTING
};

struct value {
	enum setting_source source;
	char *place; /* "nimbusguard.yml:3", "NIMBUSGUARD_MODE", "--mode"; NULL for a default */
	char *text;  /* as given; for lists the first of `list` points into it */
	int64_t integer;
	double number;
	char *storage;          /* of a list: the text cut into its elements */
	const char **list;      /* NULL-terminated */
	size_t list_count;
};

struct config {
	struct value values[SETTING_COUNT];
	struct access_token tokens[TOKENS_MAX];
	size_t token_count;
};

/* The nth word of a choice list "a|b|c"; its size through *size, NULL past the end. */
static const char *choice_at(const char *choices, int index, size_t *size)
{
	const char *word = choices;

	for (int i = 0; i < index; i++) {
		word = strchr(word, '|');
		if (word == NULL)
			return NULL;
		word++;
	}
	*size = strcspn(word, "|");
	return word;
}

static enum status choice_parse(const char *choices, const char *text, int64_t *index,
	struct error *error)
{
	size_t size;
	const char *word;

	for (int i = 0; (word = choice_at(choices, i, &size)) != NULL; i++) {
		if (strlen(text) == size && memcmp(text, word, size) == 0) {
			*index = i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_BAD_INPUT, "\"%s\" is none of %s", text, choices);
}

static void value_fini(struct value *value)
{
	mem_free(value->place);
	mem_free(value->text);
	mem_free(value->storage);
	mem_free(value->list);
	*value = (struct value){0};
}

/* Cuts a comma-separated text; white space around elements is dropped, empty elements are too. */
static enum status list_parse(struct value *value, const char *text, struct error *error)
{
	char *rest;

	value->storage = mem_strdup(text);
	value->list = mem_zalloc(LIST_MAX + 1, sizeof(*value->list));
	if (value->storage == NULL || value->list == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	rest = value->storage;
	while (rest != NULL) {
		char *comma = strchr(rest, ',');
		char *end;

		if (comma != NULL)
			*comma = '\0';
		while (isspace((unsigned char)*rest))
			rest++;
		end = rest + strlen(rest);
		while (end > rest && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*rest != '\0') {
			if (value->list_count == LIST_MAX)
				return error_set(error, STATUS_LIMIT, "more than %d elements", LIST_MAX);
			value->list[value->list_count++] = rest;
		}
		rest = comma != NULL ? comma + 1 : NULL;
	}
	return STATUS_OK;
}

static enum status range_check(const struct description *description, int64_t integer,
	const char *text, struct error *error)
{
	char low[32], high[32];

	if (integer >= description->min && integer <= description->max)
		return STATUS_OK;
	if (description->type == SETTING_DURATION) {
		format_duration(description->min, low, sizeof(low));
		format_duration(description->max, high, sizeof(high));
	} else if (description->type == SETTING_SIZE) {
		format_size((uint64_t)description->min, low, sizeof(low));
		format_size((uint64_t)description->max, high, sizeof(high));
	} else {
		snprintf(low, sizeof(low), "%lld", (long long)description->min);
		snprintf(high, sizeof(high), "%lld", (long long)description->max);
	}
	return error_set(error, STATUS_BAD_INPUT, "%s is not between %s and %s", text, low, high);
}

static enum status number_parse(const struct description *description, const char *text,
	struct value *value, struct error *error)
{
	uint64_t bytes;
	bool flag;

	switch (description->type) {
	case SETTING_INT:
		if (parse_int(text, &value->integer) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no whole number", text);
		return range_check(description, value->integer, text, error);
	case SETTING_DURATION:
		if (parse_duration(text, &value->integer) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%s\" is no duration such as 30s, 5m or 1h30m", text);
		return range_check(description, value->integer, text, error);
	case SETTING_SIZE:
		if (parse_size(text, &bytes) != STATUS_OK || bytes > INT64_MAX)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no size such as 64MiB", text);
		value->integer = (int64_t)bytes;
		return range_check(description, value->integer, text, error);
	case SETTING_DOUBLE:
		if (parse_double(text, &value->number) != STATUS_OK || !isfinite(value->number))
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no number", text);
		if (value->number < (double)description->min || value->number > (double)description->max)
			return error_set(error, STATUS_BAD_INPUT, "%s is not between %lld and %lld", text,
				(long long)description->min, (long long)description->max);
		return STATUS_OK;
	case SETTING_BOOL:
		if (parse_bool(text, &flag) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is neither true nor false", text);
		value->integer = flag;
		return STATUS_OK;
	case SETTING_CHOICE:
		return choice_parse(description->choices, text, &value->integer, error);
	case SETTING_LIST:
		return list_parse(value, text, error);
	case SETTING_TEXT:
		return STATUS_OK;
	}
	return error_set(error, STATUS_BUG, "no such type");
}

/* Replaces one value; the old one stays when the text is refused. */
static enum status setting_set(struct config *config, enum setting_id id, const char *text,
	enum setting_source source, const char *place, struct error *error)
{
	struct value value = {.source = source};
	enum status status = number_parse(&descriptions[id], text, &value, error);

	if (status == STATUS_OK) {
		value.text = mem_strdup(text);
		value.place = place != NULL ? mem_strdup(place) : NULL;
		if (value.text == NULL || (place != NULL && value.place == NULL))
			status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	if (status != STATUS_OK) {
		value_fini(&value);
		return status;
	}
	value_fini(&config->values[id]);
	config->values[id] = value;
	return STATUS_OK;
}

/* storage.memory_max -> storage.memory-max */
static void flag_name(enum setting_id id, char *text, size_t size)
{
	snprintf(text, size, "%s", descriptions[id].path);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '_' ? '-' : *c;
}

/* storage.memory_max -> NIMBUSGUARD_STORAGE_MEMORY_MAX */
static void variable_name(enum setting_id id, char *text, size_t size)
{
	snprintf(text, size, ENVIRONMENT_PREFIX "%s", descriptions[id].path);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

static int setting_by_path(const char *path)
{
	for (int id = 0; id < SETTING_COUNT; id++)
		if (strcmp(descriptions[id].path, path) == 0)
			return id;
	return -1;
}

static bool path_is_section(const char *path)
{
	size_t size = strlen(path);

	for (int id = 0; id < SETTING_COUNT; id++)
		if (strncmp(descriptions[id].path, path, size) == 0 &&
			descriptions[id].path[size] == '.')
			return true;
	return false;
}

/* Says which keys there are at this place, and the nearest one. */
static void report_unknown_key(const struct yaml_reader *reader, const struct yaml_node *node,
	const char *section)
{
	char words[SETTING_COUNT + 1][64];
	const char *known[SETTING_COUNT + 2];
	size_t count = 0, prefix = strlen(section);

	for (int id = 0; id < SETTING_COUNT; id++) {
		const char *path = descriptions[id].path;

		if (prefix > 0 && (strncmp(path, section, prefix) != 0 || path[prefix] != '.'))
			continue;
		path += prefix > 0 ? prefix + 1 : 0;
		snprintf(words[count], sizeof(words[count]), "%.*s", (int)strcspn(path, "."), path);
		known[count] = words[count];
		count++;
	}
	if (strcmp(section, "web") == 0)
		known[count++] = "tokens";
	known[count] = NULL;
	const char *nearest = nearest_word(node->key, known);
	struct yaml_node place = {.line = node->key_line, .column = node->key_column};

	if (nearest != NULL)
		yaml_report(reader, &place, "unknown key \"%s\"%s%s, did you mean \"%s\"?", node->key,
			prefix > 0 ? " in " : "", section, nearest);
	else
		yaml_report(reader, &place, "unknown key \"%s\"%s%s", node->key,
			prefix > 0 ? " in " : "", section);
}

static void read_token(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *node)
{
	static const char *const keys[] = {"name", "file", "role", NULL};
	const char *name, *file, *role_text;
	enum access_role role;

	if (!yaml_check_keys(reader, node, keys) ||
		!yaml_read_text(reader, node, "name", true, &name) ||
		!yaml_read_text(reader, node, "file", true, &file) ||
		!yaml_read_text(reader, node, "role", true, &role_text))
		return;
	if (!access_role_parse(role_text, &role) || role == ACCESS_NONE) {
		yaml_report(reader, yaml_get(node, "role"),
			"role \"%s\" is none of read, ingest, webhook, approve, admin", role_text);
		return;
	}
	if (config->token_count == TOKENS_MAX) {
		yaml_report(reader, node, "more than %d tokens", TOKENS_MAX);
		return;
	}
	struct access_token *token = &config->tokens[config->token_count];

	token->name = mem_strdup(name);
	token->file = mem_strdup(file);
	token->role = role;
	if (token->name == NULL || token->file == NULL)
		yaml_report(reader, node, "out of memory");
	config->token_count++;
}

/* A YAML list becomes the same text that a flag would have. */
static enum status list_text(const struct yaml_node *node, struct buf *text, struct error *error)
{
	for (size_t i = 0; i < node->child_count; i++) {
		const struct yaml_node *child = node->children[i];

		if (child->kind != YAML_SCALAR)
			return error_set(error, STATUS_BAD_INPUT, "element %zu is no text", i + 1);
		if (strchr(child->text, ',') != NULL)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" has a comma", child->text);
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
	if (node->kind == YAML_LIST && descriptions[id].type == SETTING_LIST)
		(void)list_text(node, &text, &error);
	else if (node->kind == YAML_SCALAR)
		buf_add_text(&text, node->text);
	else
		error_set(&error, STATUS_BAD_INPUT, "%s is no %s", descriptions[id].path,
			descriptions[id].type == SETTING_LIST ? "list" : "single value");
	if (error.code == STATUS_OK)
		(void)setting_set(config, id, text.data, SOURCE_FILE, place, &error);
	if (error.code != STATUS_OK)
		yaml_report(reader, node, "%s: %s", descriptions[id].path, error.text);
	buf_fini(&text);
}

struct section {
	const struct yaml_node *node;
	char path[64];
};

/* Walks the maps of the file with its own stack: sections are at most three deep. */
static void read_file(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *root)
{
	struct section stack[SETTING_COUNT];
	size_t depth = 0;

	if (root->kind == YAML_NULL)
		return;
	stack[depth++] = (struct section){.node = root, .path = ""};
	while (depth > 0) {
		struct section section = stack[--depth];

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
				for (size_t t = 0; t < child->child_count; t++)
					read_token(config, reader, child->children[t]);
				if (child->kind != YAML_LIST)
					yaml_report(reader, child, "web.tokens is no list");
			} else if (path_is_section(path) && depth < ARRAY_COUNT(stack)) {
				stack[depth].node = child;
				snprintf(stack[depth++].path, sizeof(stack[0].path), "%.63s", path);
			} else {
				report_unknown_key(reader, child, section.path);
			}
		}
	}
}

/* A variable with our prefix that names no setting is refused: it would be a silent no-op. Those
 * that name no setting by design are listed here. */
static bool variable_is_foreign(const char *name)
{
	static const char *const foreign[] = {"NIMBUSGUARD_DATA", "NIMBUSGUARD_TEST_BIN",
		"NIMBUSGUARD_TEST_SERVERS", "NIMBUSGUARD_SOURCE", "NIMBUSGUARD_CONFIG_FILE",
		"NIMBUSGUARD_URL", "NIMBUSGUARD_TOKEN_FILE", "NIMBUSGUARD_SERVICE_HOST",
		"NIMBUSGUARD_SERVICE_PORT", "NIMBUSGUARD_PORT"};

	for (size_t i = 0; i < ARRAY_COUNT(foreign); i++)
		if (strcmp(foreign[i], name) == 0)
			return true;
	/* Kubernetes injects SERVICE and PORT variables for a Service named nimbusguard. */
	return strncmp(name, "NIMBUSGUARD_SERVICE_PORT_", 25) == 0 ||
		strncmp(name, "NIMBUSGUARD_PORT_", 17) == 0;
}

static void read_environment(struct config *config, char *const *environment,
	struct diagnostics *diagnostics)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *equal = strchr(*environment, '=');
		char name[128], wanted[128];
		struct error error;
		int id;

		if (equal == NULL || strncmp(*environment, ENVIRONMENT_PREFIX,
			sizeof(ENVIRONMENT_PREFIX) - 1) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(equal - *environment), *environment);
		for (id = 0; id < SETTING_COUNT; id++) {
			variable_name((enum setting_id)id, wanted, sizeof(wanted));
			if (strcmp(wanted, name) == 0)
				break;
		}
		if (id == SETTING_COUNT) {
			if (!variable_is_foreign(name))
				diagnostics_add(diagnostics, true, name, 0, 0,
					"environment variable names no setting");
			continue;
		}
		if (setting_set(config, (enum setting_id)id, equal + 1, SOURCE_ENVIRONMENT, name,
			&error) != STATUS_OK)
			diagnostics_add(diagnostics, false, name, 0, 0, "%s", error.text);
	}
}

/* The setting of a flag; *negated for --no-x of a boolean. */
static int setting_by_flag(const char *flag, bool *negated)
{
	char name[128];

	*negated = false;
	for (int id = 0; id < SETTING_COUNT; id++) {
		flag_name((enum setting_id)id, name, sizeof(name));
		if (strcmp(name, flag) == 0)
			return id;
		if (descriptions[id].type == SETTING_BOOL && strncmp(flag, "no-", 3) == 0 &&
			strcmp(name, flag + 3) == 0) {
			*negated = true;
			return id;
		}
	}
	return -1;
}

static void read_flags(struct config *config, const struct config_flag *flags, size_t flag_count,
	struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < flag_count; i++) {
		bool negated;
		int id = setting_by_flag(flags[i].name, &negated);
		const char *text = flags[i].value;
		char place[160];
		struct error error;

		snprintf(place, sizeof(place), "--%.120s", flags[i].name);
		if (id < 0) {
			diagnostics_add(diagnostics, false, place, 0, 0, "unknown flag");
			continue;
		}
		if (text == NULL)
			text = negated ? "false" : "true";
		else if (negated) {
			diagnostics_add(diagnostics, false, place, 0, 0, "takes no value");
			continue;
		}
		if (setting_set(config, (enum setting_id)id, text, SOURCE_FLAG, place, &error) !=
			STATUS_OK)
			diagnostics_add(diagnostics, false, place, 0, 0, "%s", error.text);
	}
}

/* What no single value can say. */
static void check_whole(const struct config *config, struct diagnostics *diagnostics)
{
	size_t count;
	const char *const *features = config_list(config, SETTING_FEATURES, &count);
	const char *prefix = config_text(config, SETTING_WEB_ROUTE_PREFIX);
	static const char *const known[] = {"ingest", "analyze", "remediate", NULL};

	for (size_t i = 0; i < count; i++) {
		const char *nearest = nearest_word(features[i], known);

		if (nearest == NULL || strcmp(nearest, features[i]) != 0)
			diagnostics_add(diagnostics, false, "enable_feature", 0, 0,
				"\"%s\" is none of ingest, analyze, remediate", features[i]);
	}
	if (prefix[0] != '\0' && (prefix[0] != '/' || prefix[strlen(prefix) - 1] == '/'))
		diagnostics_add(diagnostics, false, "web.route_prefix", 0, 0,
			"\"%s\" must start with / and not end with one", prefix);
	if (config_double(config, SETTING_ANALYZE_THRESHOLD_CLOSE) >
		config_double(config, SETTING_ANALYZE_THRESHOLD))
		diagnostics_add(diagnostics, false, "analyze.threshold_close", 0, 0,
			"is above analyze.threshold");
	if (config_int(config, SETTING_ANALYZE_HISTORY) > config_int(config, SETTING_STORAGE_RETENTION))
		diagnostics_add(diagnostics, true, "analyze.history", 0, 0,
			"is longer than storage.retention");
}

struct config *config_load(const char *path, char *const *environment,
	const struct config_flag *flags, size_t flag_count, struct diagnostics *diagnostics)
{
	struct config *config = mem_zalloc(1, sizeof(*config));
	struct yaml_document *document = NULL;
	size_t errors_before = diagnostics->errors;

	if (config == NULL) {
		diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
		return NULL;
	}
	for (int id = 0; id < SETTING_COUNT; id++) {
		struct error error;

		if (setting_set(config, (enum setting_id)id, descriptions[id].fallback, SOURCE_DEFAULT,
			NULL, &error) != STATUS_OK) {
			CHECK(error.code == STATUS_NO_MEMORY);
			diagnostics_add(diagnostics, false, "", 0, 0, "out of memory");
			config_close(config);
			return NULL;
		}
	}
	if (path != NULL) {
		document = yaml_open_file(path, diagnostics);
		if (document != NULL) {
			struct yaml_reader reader = {.file = path, .diagnostics = diagnostics};

			read_file(config, &reader, yaml_root(document));
		}
	}
	read_environment(config, environment, diagnostics);
	read_flags(config, flags, flag_count, diagnostics);
	if (diagnostics->errors == errors_before)
		check_whole(config, diagnostics);
	if (document != NULL)
		yaml_close(document);
	if (diagnostics->errors != errors_before) {
		config_close(config);
		return NULL;
	}
	return config;
}

void config_close(struct config *config)
{
	if (config == NULL)
		return;
	for (int id = 0; id < SETTING_COUNT; id++)
		value_fini(&config->values[id]);
	for (size_t i = 0; i < config->token_count; i++) {
		mem_free((char *)(uintptr_t)config->tokens[i].name);
		mem_free((char *)(uintptr_t)config->tokens[i].file);
	}
	mem_free(config);
}

const char *config_text(const struct config *config, enum setting_id id)
{
	return config->values[id].text;
}

int64_t config_int(const struct config *config, enum setting_id id)
{
	CHECK(descriptions[id].type == SETTING_INT || descriptions[id].type == SETTING_DURATION ||
		descriptions[id].type == SETTING_SIZE);
	return config->values[id].integer;
}

double config_double(const struct config *config, enum setting_id id)
{
	CHECK(descriptions[id].type == SETTING_DOUBLE);
	return config->values[id].number;
}

bool config_bool(const struct config *config, enum setting_id id)
{
	CHECK(descriptions[id].type == SETTING_BOOL);
	return config->values[id].integer != 0;
}

int config_choice(const struct config *config, enum setting_id id)
{
	CHECK(descriptions[id].type == SETTING_CHOICE);
	return (int)config->values[id].integer;
}

const char *const *config_list(const struct config *config, enum setting_id id, size_t *count)
{
	CHECK(descriptions[id].type == SETTING_LIST);
	*count = config->values[id].list_count;
	return config->values[id].list;
}

const struct access_token *config_tokens(const struct config *config, size_t *count)
{
	*count = config->token_count;
	return config->tokens;
}

enum setting_source config_source(const struct config *config, enum setting_id id)
{
	return config->values[id].source;
}

void config_fixed_changes(const struct config *old, const struct config *new, struct buf *text)
{
	for (int id = 0; id < SETTING_COUNT; id++) {
		if (descriptions[id].reloadable ||
			strcmp(old->values[id].text, new->values[id].text) == 0)
			continue;
		buf_printf(text, "%s%s", text->size > 0 ? ", " : "", descriptions[id].path);
	}
}

bool config_flag_known(const char *name, bool *takes_value)
{
	bool negated;
	int id = setting_by_flag(name, &negated);

	*takes_value = id >= 0 && descriptions[id].type != SETTING_BOOL;
	return id >= 0;
}

const char *config_flag_nearest(const char *name, char *text, size_t size)
{
	char names[SETTING_COUNT][64];
	const char *known[SETTING_COUNT + 4];
	size_t count = 0;

	for (int id = 0; id < SETTING_COUNT; id++) {
		flag_name((enum setting_id)id, names[id], sizeof(names[id]));
		known[count++] = names[id];
	}
	known[count++] = "config.file";
	known[count++] = "no-dry-run";
	known[count] = NULL;
	const char *nearest = nearest_word(name, known);

	if (nearest == NULL)
		return NULL;
	snprintf(text, size, "%s", nearest);
	return text;
}

void config_write(const struct config *config, struct buf *buf)
{
	static const char *const words[] = {"default", "file", "environment", "flag"};

	for (int id = 0; id < SETTING_COUNT; id++) {
		const struct value *value = &config->values[id];

		buf_printf(buf, "%s = %s  # %s", descriptions[id].path,
			value->text[0] != '\0' ? value->text : "\"\"", words[value->source]);
		if (value->place != NULL)
			buf_printf(buf, " %s", value->place);
		buf_add_char(buf, '\n');
	}
	for (size_t i = 0; i < config->token_count; i++)
		buf_printf(buf, "web.tokens[%zu] = {name: %s, file: %s, role: %s}  # file\n", i,
			config->tokens[i].name, config->tokens[i].file,
			access_role_name(config->tokens[i].role));
}

void config_write_usage(struct buf *buf)
{
	for (int id = 0; id < SETTING_COUNT; id++) {
		char name[128], flag[192];

		flag_name((enum setting_id)id, name, sizeof(name));
		if (descriptions[id].type == SETTING_BOOL)
			snprintf(flag, sizeof(flag), "--[no-]%s", name);
		else
			snprintf(flag, sizeof(flag), "--%s=%s", name,
				descriptions[id].choices != NULL ? descriptions[id].choices :
				descriptions[id].fallback[0] != '\0' ? descriptions[id].fallback : "...");
		buf_printf(buf, "  %s\n        %s (default %s)\n", flag, descriptions[id].help,
			descriptions[id].fallback[0] != '\0' ? descriptions[id].fallback : "none");
	}
}

void config_write_docs(struct buf *buf)
{
	buf_add_text(buf, "| setting | flag | default | reload | meaning |\n|---|---|---|---|---|\n");
	for (int id = 0; id < SETTING_COUNT; id++) {
		char name[128];

		flag_name((enum setting_id)id, name, sizeof(name));
		buf_printf(buf, "| `%s` | `--%s%s` | ", descriptions[id].path,
			descriptions[id].type == SETTING_BOOL ? "[no-]" : "", name);
		buf_printf(buf, descriptions[id].fallback[0] != '\0' ? "`%s`" : "%s",
			descriptions[id].fallback);
		buf_printf(buf, " | %s | %s |\n", descriptions[id].reloadable ? "yes" : "restart",
			descriptions[id].help);
	}
}
