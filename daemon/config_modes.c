/*
 * The list `modes` of the configuration file: which mode at most is in force for which playbooks and
 * namespaces.
 *
 *   modes:
 *   - {namespace: prod-.*, mode: approve}
 *   - {playbook: restart-crash-looping-pod, namespace: dev, mode: auto}
 *
 * Patterns are compiled where the playbooks are known (remediations/mode_rules.c); each rule keeps its
 * place for what is found wrong there.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/config_values.h"

static void free_text(const char *text)
{
	mem_free((char *)(uintptr_t)text);
}

static void rule_fini(struct mode_rule *rule)
{
	free_text(rule->playbook);
	free_text(rule->cluster);
	free_text(rule->namespace_name);
	free_text(rule->file);
	*rule = (struct mode_rule){.playbook = NULL};
}

void config_modes_fini(struct config *config)
{
	for (size_t i = 0; i < config->mode_count; i++)
		rule_fini(&config->modes[i]);
	config->mode_count = 0;
}

/* A copy of the key's text, if it is there; false when it is wrong, and told. */
static bool read_pattern(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, const char **to)
{
	const char *text;

	if (yaml_get(map, key) == NULL)
		return true;
	if (!yaml_read_text(reader, map, key, false, &text))
		return false;
	if (text[0] == '\0') {
		yaml_report(reader, yaml_get(map, key), "%s is empty", key);
		return false;
	}
	*to = mem_strdup(text);
	if (*to == NULL)
		yaml_report(reader, map, "out of memory");
	return *to != NULL;
}

static bool read_rule(const struct yaml_reader *reader, const struct yaml_node *map,
	struct mode_rule *rule)
{
	static const char *const keys[] = {"playbook", "cluster", "namespace", "mode", NULL};
	static const char *const modes[] = {
#define X(mode, name) name,
		MODE_TABLE(X)
#undef X
			NULL};
	int mode;

	if (map->kind != YAML_MAP) {
		yaml_report(reader, map, "a rule of modes is a map");
		return false;
	}
	if (!yaml_check_keys(reader, map, keys) ||
		!yaml_read_choice(reader, map, "mode", true, modes, &mode) ||
		!read_pattern(reader, map, "playbook", &rule->playbook) ||
		!read_pattern(reader, map, "cluster", &rule->cluster) ||
		!read_pattern(reader, map, "namespace", &rule->namespace_name))
		return false;
	rule->mode = (enum mode)mode;
	rule->file = mem_strdup(reader->file);
	rule->line = map->line;
	rule->column = map->column;
	if (rule->file == NULL) {
		yaml_report(reader, map, "out of memory");
		return false;
	}
	if (rule->playbook != NULL || rule->cluster != NULL || rule->namespace_name != NULL)
		return true;
	yaml_report(reader, map,
		"a rule of modes needs playbook, cluster or namespace; `mode` is that of all");
	return false;
}

void config_read_modes(struct config *config, const struct yaml_reader *reader,
	const struct yaml_node *list)
{
	if (list->kind == YAML_NULL)
		return;
	if (list->kind != YAML_LIST) {
		yaml_report(reader, list, "modes is no list of rules");
		return;
	}
	for (size_t i = 0; i < list->child_count; i++) {
		struct mode_rule *rule = &config->modes[config->mode_count];

		if (config->mode_count == MODE_RULES_MAX) {
			yaml_report(reader, list->children[i], "more than %d rules of modes",
				MODE_RULES_MAX);
			return;
		}
		if (read_rule(reader, list->children[i], rule))
			config->mode_count++;
		else
			rule_fini(rule);
	}
}

void config_write_modes(const struct config *config, struct buf *buf)
{
	for (size_t i = 0; i < config->mode_count; i++) {
		const struct mode_rule *rule = &config->modes[i];

		buf_printf(buf,
			"modes[%zu] = {playbook: %s, cluster: %s, namespace: %s, mode: %s}  # file\n",
			i, rule->playbook != NULL ? rule->playbook : ".*",
			rule->cluster != NULL ? rule->cluster : ".*",
			rule->namespace_name != NULL ? rule->namespace_name : ".*",
			mode_name(rule->mode));
	}
}
