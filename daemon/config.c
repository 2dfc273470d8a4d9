/*
 * Reads the layers of the configuration into one array of values, by the table of
 * daemon/config_table.h.
 *
 * Every layer goes through setting_set(), so that a bad value is refused in the same words wherever
 * it stands; only the place differs: file:line:column, the variable, or the flag.
 */
#include "daemon/config_values.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/freeze.h"
#include "store/rollup.h"

#define LIST_MAX 64
#define FLAGS_MORE_MAX 64
#define RECENT_MS 60000 /* what the analyzer judges against the history before it */
#define ENVIRONMENT_PREFIX "NIMBUSGUARD_"

const struct setting_description setting_descriptions[SETTING_COUNT] = {
#define SETTING(id, path, type, fallback, min, max, choices, reloadable, help)                     \
	{path, SETTING_##type, fallback, min, max, choices, reloadable, help},
	SETTING_TABLE(SETTING)
#undef SETTING
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

static void value_fini(struct setting_value *value)
{
	mem_free(value->place);
	mem_free(value->text);
	mem_free(value->storage);
	mem_free(value->list);
	*value = (struct setting_value){0};
}

const char *list_comma(const char *text)
{
	char quote = '\0';
	int depth = 0;

	for (const char *at = text; *at != '\0'; at++) {
		if (quote != '\0') {
			if (*at == '\\' && quote != '`' && at[1] != '\0')
				at++;
			else if (*at == quote)
				quote = '\0';
		} else if (depth > 0 && (*at == '"' || *at == '\'' || *at == '`')) {
			quote = *at;
		} else if (*at == '{') {
			depth++;
		} else if (*at == '}' && depth > 0) {
			depth--;
		} else if (*at == ',' && depth == 0) {
			return at;
		}
	}
	return NULL;
}

/* Cuts a comma-separated text; white space around elements is dropped, empty elements are too. */
static enum status list_parse(struct setting_value *value, const char *text, struct error *error)
{
	char *rest;

	value->storage = mem_strdup(text);
	value->list = mem_zalloc(LIST_MAX + 1, sizeof(*value->list));
	if (value->storage == NULL || value->list == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	rest = value->storage;
	while (rest != NULL) {
		char *comma = (char *)list_comma(rest);
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
				return error_set(error, STATUS_LIMIT, "more than %d elements",
					LIST_MAX);
			value->list[value->list_count++] = rest;
		}
		rest = comma != NULL ? comma + 1 : NULL;
	}
	return STATUS_OK;
}

static enum status range_check(const struct setting_description *description, int64_t integer,
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

static enum status number_parse(const struct setting_description *description, const char *text,
	struct setting_value *value, struct error *error)
{
	uint64_t bytes;
	bool flag;

	switch (description->type) {
	case SETTING_INT:
		if (parse_int(text, &value->integer) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no whole number",
				text);
		return range_check(description, value->integer, text, error);
	case SETTING_DURATION:
		if (parse_duration(text, &value->integer) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%s\" is no duration such as 30s, 5m or 1h30m", text);
		return range_check(description, value->integer, text, error);
	case SETTING_SIZE:
		if (parse_size(text, &bytes) != STATUS_OK || bytes > INT64_MAX)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no size such as 64MiB",
				text);
		value->integer = (int64_t)bytes;
		return range_check(description, value->integer, text, error);
	case SETTING_DOUBLE:
		if (parse_double(text, &value->number) != STATUS_OK || !isfinite(value->number))
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no number", text);
		if (value->number < (double)description->min ||
			value->number > (double)description->max)
			return error_set(error, STATUS_BAD_INPUT, "%s is not between %lld and %lld",
				text, (long long)description->min, (long long)description->max);
		return STATUS_OK;
	case SETTING_BOOL:
		if (parse_bool(text, &flag) != STATUS_OK)
			return error_set(error, STATUS_BAD_INPUT,
				"\"%s\" is neither true nor false", text);
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

enum status setting_set(struct config *config, enum setting_id id, const char *text,
	enum setting_source source, const char *place, struct error *error)
{
	struct setting_value value = {.source = source};
	enum status status = number_parse(&setting_descriptions[id], text, &value, error);

	if (status == STATUS_OK && id == SETTING_GUARD_FREEZE)
		status = freeze_check(value.list, value.list_count, error);
	if (status == STATUS_OK && id == SETTING_GUARD_TWO_PERSONS)
		status = two_persons_parse(value.list, value.list_count, &(uint32_t){0}, error);
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
	snprintf(text, size, "%s", setting_descriptions[id].path);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '_' ? '-' : *c;
}

/* storage.memory_max -> NIMBUSGUARD_STORAGE_MEMORY_MAX */
static void variable_name(enum setting_id id, char *text, size_t size)
{
	snprintf(text, size, ENVIRONMENT_PREFIX "%s", setting_descriptions[id].path);
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

/* A variable with our prefix that names no setting is warned of: it would be a silent no-op. Those
 * that name no setting by design are listed here. */
static bool variable_is_foreign(const char *name)
{
	static const char *const foreign[] = {"NIMBUSGUARD_DATA", "NIMBUSGUARD_SOURCE",
		"NIMBUSGUARD_CONFIG_FILE", "NIMBUSGUARD_URL", "NIMBUSGUARD_TOKEN_FILE",
		"NIMBUSGUARD_SERVICE_HOST", "NIMBUSGUARD_SERVICE_PORT", "NIMBUSGUARD_PORT"};

	for (size_t i = 0; i < ARRAY_COUNT(foreign); i++)
		if (strcmp(foreign[i], name) == 0)
			return true;
	/* Kubernetes injects SERVICE and PORT variables for a Service named nimbusguard; the tests have
	 * variables of their own. */
	return strncmp(name, "NIMBUSGUARD_TEST_", 17) == 0 ||
		strncmp(name, "NIMBUSGUARD_SERVICE_PORT_", 25) == 0 ||
		strncmp(name, "NIMBUSGUARD_PORT_", 17) == 0;
}

/* Names are compared without the prefix, which would make all of them alike. */
static void warn_unknown_variable(const char *name, struct diagnostics *diagnostics)
{
	static const char *const more[] = {"CONFIG_FILE", "URL", "TOKEN_FILE"};
	const size_t prefix = sizeof(ENVIRONMENT_PREFIX) - 1;
	char names[SETTING_COUNT][128];
	const char *known[SETTING_COUNT + ARRAY_COUNT(more) + 1], *nearest;

	for (int id = 0; id < SETTING_COUNT; id++) {
		variable_name((enum setting_id)id, names[id], sizeof(names[id]));
		known[id] = names[id] + prefix;
	}
	for (size_t i = 0; i < ARRAY_COUNT(more); i++)
		known[SETTING_COUNT + i] = more[i];
	known[SETTING_COUNT + ARRAY_COUNT(more)] = NULL;
	nearest = nearest_word(name + prefix, known);
	if (nearest != NULL)
		diagnostics_add(diagnostics, true, name, 0, 0,
			"environment variable names no setting, did you mean " ENVIRONMENT_PREFIX
			"%s?",
			nearest);
	else
		diagnostics_add(diagnostics, true, name, 0, 0,
			"environment variable names no setting");
}

static void read_environment(struct config *config, char *const *environment,
	struct diagnostics *diagnostics)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *equal = strchr(*environment, '=');
		char name[128], wanted[128];
		struct error error;
		int id;

		if (equal == NULL ||
			strncmp(*environment, ENVIRONMENT_PREFIX, sizeof(ENVIRONMENT_PREFIX) - 1) !=
				0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(equal - *environment), *environment);
		for (id = 0; id < SETTING_COUNT; id++) {
			variable_name((enum setting_id)id, wanted, sizeof(wanted));
			if (strcmp(wanted, name) == 0)
				break;
		}
		if (id == SETTING_COUNT) {
			if (!variable_is_foreign(name))
				warn_unknown_variable(name, diagnostics);
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
		if (setting_descriptions[id].type == SETTING_BOOL && strncmp(flag, "no-", 3) == 0 &&
			strcmp(name, flag + 3) == 0) {
			*negated = true;
			return id;
		}
	}
	return -1;
}

/* A list given by several flags is all of them; an earlier layer is replaced. */
static enum status add_flag(struct config *config, enum setting_id id, const char *text,
	const char *place, struct error *error)
{
	const struct setting_value *value = &config->values[id];
	struct buf joined;
	enum status status;

	if (setting_descriptions[id].type != SETTING_LIST || value->source != SOURCE_FLAG)
		return setting_set(config, id, text, SOURCE_FLAG, place, error);
	buf_init(&joined, 1024 * 1024);
	buf_printf(&joined, "%s,%s", value->text, text);
	status = buf_ok(&joined) ? setting_set(config, id, joined.data, SOURCE_FLAG, place, error)
				 : error_set(error, STATUS_NO_MEMORY, "out of memory");
	buf_fini(&joined);
	return status;
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
		if (add_flag(config, (enum setting_id)id, text, place, &error) != STATUS_OK)
			diagnostics_add(diagnostics, false, place, 0, 0, "%s", error.text);
	}
}

/* Two ways to say which cluster is meant would be two clusters. */
static void check_cluster(const struct config *config, struct diagnostics *diagnostics)
{
	static const struct {
		enum setting_id id;
		const char *path;
	} others[] = {{SETTING_KUBE_URL, "kubernetes.url"},
		{SETTING_KUBE_TOKEN_FILE, "kubernetes.token_file"},
		{SETTING_KUBE_CA_FILE, "kubernetes.ca_file"}};

	if (config_text(config, SETTING_KUBE_CONFIG)[0] == '\0') {
		if (config_text(config, SETTING_KUBE_CONTEXT)[0] != '\0')
			diagnostics_add(diagnostics, false, "kubernetes.context", 0, 0,
				"is of no use without kubernetes.kubeconfig");
		return;
	}
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		if (config_text(config, others[i].id)[0] != '\0')
			diagnostics_add(diagnostics, false, others[i].path, 0, 0,
				"stands beside kubernetes.kubeconfig, which says it too: give one of "
				"them");
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
	if (count == 0)
		diagnostics_add(diagnostics, false, "enable_feature", 0, 0,
			"names none of ingest, analyze, remediate: nothing would run");
	if (prefix[0] != '\0' && (prefix[0] != '/' || prefix[strlen(prefix) - 1] == '/'))
		diagnostics_add(diagnostics, false, "web.route_prefix", 0, 0,
			"\"%s\" must start with / and not end with one", prefix);
	check_cluster(config, diagnostics);
	if (config_double(config, SETTING_ANALYZE_THRESHOLD_CLOSE) >
		config_double(config, SETTING_ANALYZE_THRESHOLD))
		diagnostics_add(diagnostics, false, "analyze.threshold_close", 0, 0,
			"is above analyze.threshold");
	if (config_int(config, SETTING_ANALYZE_HISTORY) <
		config_int(config, SETTING_ANALYZE_HISTORY_MIN) + RECENT_MS)
		diagnostics_add(diagnostics, false, "analyze.history", 0, 0,
			"is not longer than analyze.history_min by the minute that is judged: nothing "
			"would ever be found");
	if (config_int(config, SETTING_STORAGE_ROLLUP_RETENTION) > 0 &&
		config_int(config, SETTING_STORAGE_ROLLUP_RETENTION) < ROLLUP_RETENTION_MIN_MS)
		diagnostics_add(diagnostics, false, "storage.rollup_retention", 0, 0,
			"is neither 0 nor a day at least");
	if (config_int(config, SETTING_ANALYZE_HISTORY) >
		config_int(config, SETTING_STORAGE_RETENTION))
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

		if (setting_set(config, (enum setting_id)id, setting_descriptions[id].fallback,
			    SOURCE_DEFAULT, NULL, &error) != STATUS_OK) {
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

			config_read_file(config, &reader, yaml_root(document));
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
		mem_free(config->token_places[i]);
	}
	config_tickets_fini(config);
	config_modes_fini(config);
	mem_free(config);
}

const char *config_text(const struct config *config, enum setting_id id)
{
	return config->values[id].text;
}

int64_t config_int(const struct config *config, enum setting_id id)
{
	CHECK(setting_descriptions[id].type == SETTING_INT ||
		setting_descriptions[id].type == SETTING_DURATION ||
		setting_descriptions[id].type == SETTING_SIZE);
	return config->values[id].integer;
}

double config_double(const struct config *config, enum setting_id id)
{
	CHECK(setting_descriptions[id].type == SETTING_DOUBLE);
	return config->values[id].number;
}

bool config_bool(const struct config *config, enum setting_id id)
{
	CHECK(setting_descriptions[id].type == SETTING_BOOL);
	return config->values[id].integer != 0;
}

int config_choice(const struct config *config, enum setting_id id)
{
	CHECK(setting_descriptions[id].type == SETTING_CHOICE);
	return (int)config->values[id].integer;
}

const char *const *config_list(const struct config *config, enum setting_id id, size_t *count)
{
	CHECK(setting_descriptions[id].type == SETTING_LIST);
	*count = config->values[id].list_count;
	return config->values[id].list;
}

const struct access_token *config_tokens(const struct config *config, size_t *count)
{
	*count = config->token_count;
	return config->tokens;
}

const struct mode_rule *config_modes(const struct config *config, size_t *count)
{
	*count = config->mode_count;
	return config->modes;
}

const struct ticket_service *config_tickets(const struct config *config, size_t *count)
{
	*count = config->ticket_count;
	return config->tickets;
}

enum setting_source config_source(const struct config *config, enum setting_id id)
{
	return config->values[id].source;
}

const char *config_place(const struct config *config, enum setting_id id)
{
	return config->values[id].place != NULL ? config->values[id].place
						: setting_descriptions[id].path;
}

const char *config_token_place(const struct config *config, size_t index)
{
	CHECK(index < config->token_count);
	return config->token_places[index];
}

static bool tokens_equal(const struct config *a, const struct config *b)
{
	if (a->token_count != b->token_count)
		return false;
	for (size_t i = 0; i < a->token_count; i++) {
		const struct access_token *x = &a->tokens[i], *y = &b->tokens[i];

		if (x->role != y->role || strcmp(x->name, y->name) != 0 ||
			strcmp(x->file != NULL ? x->file : "", y->file != NULL ? y->file : "") != 0)
			return false;
	}
	return true;
}

void config_fixed_changes(const struct config *old, const struct config *new, struct buf *text)
{
	for (int id = 0; id < SETTING_COUNT; id++) {
		if (setting_descriptions[id].reloadable ||
			strcmp(old->values[id].text, new->values[id].text) == 0)
			continue;
		buf_printf(text, "%s%s", text->size > 0 ? ", " : "", setting_descriptions[id].path);
	}
	if (!tokens_equal(old, new))
		buf_printf(text, "%sweb.tokens or web.user_roles", text->size > 0 ? ", " : "");
	if (!config_tickets_equal(old, new))
		buf_printf(text, "%stickets", text->size > 0 ? ", " : "");
}

bool config_flag_known(const char *name, bool *takes_value)
{
	bool negated;
	int id = setting_by_flag(name, &negated);

	*takes_value = id >= 0 && setting_descriptions[id].type != SETTING_BOOL;
	return id >= 0;
}

const char *config_flag_nearest(const char *name, const char *const *more, char *text, size_t size)
{
	char names[SETTING_COUNT][64];
	const char *known[SETTING_COUNT + FLAGS_MORE_MAX + 3];
	size_t count = 0;

	for (int id = 0; id < SETTING_COUNT; id++) {
		flag_name((enum setting_id)id, names[id], sizeof(names[id]));
		known[count++] = names[id];
	}
	known[count++] = "config.file";
	known[count++] = "no-dry-run";
	for (size_t i = 0; more != NULL && i < FLAGS_MORE_MAX && more[i] != NULL; i++)
		known[count++] = more[i];
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
		const struct setting_value *value = &config->values[id];

		buf_printf(buf, "%s = %s  # %s", setting_descriptions[id].path,
			value->text[0] != '\0' ? value->text : "\"\"", words[value->source]);
		if (value->place != NULL)
			buf_printf(buf, " %s", value->place);
		buf_add_char(buf, '\n');
	}
	for (size_t i = 0; i < config->token_count; i++) {
		const struct access_token *token = &config->tokens[i];

		if (token->file != NULL)
			buf_printf(buf, "web.tokens[%s] = {file: %s, role: %s}  # file\n",
				token->name, token->file, access_role_name(token->role));
		else
			buf_printf(buf, "web.user_roles[%s] = %s  # file\n", token->name,
				access_role_name(token->role));
	}
	config_write_tickets(config, buf);
	config_write_modes(config, buf);
}

void config_write_usage(struct buf *buf)
{
	for (int id = 0; id < SETTING_COUNT; id++) {
		char name[128], flag[192];

		flag_name((enum setting_id)id, name, sizeof(name));
		if (setting_descriptions[id].type == SETTING_BOOL)
			snprintf(flag, sizeof(flag), "--[no-]%s", name);
		else
			snprintf(flag, sizeof(flag), "--%s=%s", name,
				setting_descriptions[id].choices != NULL
					? setting_descriptions[id].choices
					: setting_descriptions[id].fallback[0] != '\0'
					? setting_descriptions[id].fallback
					: "...");
		buf_printf(buf, "  %s\n        %s (default %s)\n", flag,
			setting_descriptions[id].help,
			setting_descriptions[id].fallback[0] != '\0'
				? setting_descriptions[id].fallback
				: "none");
	}
}

void config_write_docs(struct buf *buf)
{
	buf_add_text(buf,
		"| setting | flag | default | reload | meaning |\n|---|---|---|---|---|\n");
	for (int id = 0; id < SETTING_COUNT; id++) {
		char name[128];

		flag_name((enum setting_id)id, name, sizeof(name));
		buf_printf(buf, "| `%s` | `--%s%s` | ", setting_descriptions[id].path,
			setting_descriptions[id].type == SETTING_BOOL ? "[no-]" : "", name);
		buf_printf(buf, setting_descriptions[id].fallback[0] != '\0' ? "`%s`" : "%s",
			setting_descriptions[id].fallback);
		buf_printf(buf, " | %s | %s |\n",
			setting_descriptions[id].reloadable ? "yes" : "restart",
			setting_descriptions[id].help);
	}
}
