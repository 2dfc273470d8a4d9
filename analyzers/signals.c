/*
 * Reads rules/signals.yaml.
 *
 *   signals:
 *   - role: cpu                       one of the roles of base/workload.h
 *     selector: nimbusguard:workload_cpu_cores:sum
 *     type: gauge                     gauge (default) or counter
 *     detect: both                    up, down, both or none (default)
 *     min_deviation: 0.05             in the role's unit
 *     interval: 15s                   expected distance of samples
 *     stale_after: 2m
 *   pod_owner: nimbusguard:pod_owner:info
 */
#include "analyzers/signals.h"

#include <string.h>

#include "base/check.h"

#define INTERVAL_DEFAULT_MS 15000
#define STALE_DEFAULT_MS 150000
#define DAY_MS INT64_C(86400000)

static void read_selector(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, struct matchers *matchers)
{
	const char *text;
	struct error error;

	if (!yaml_read_text(reader, map, key, true, &text))
		return;
	matchers_fini(matchers);
	matchers_init(matchers);
	if (matchers_parse_selector(matchers, text, &error) != STATUS_OK)
		yaml_report(reader, yaml_get(map, key), "%s", error.text);
}

static void read_binding(struct signal_set *set, const struct yaml_reader *reader,
	const struct yaml_node *node, bool seen[ROLE_COUNT])
{
	static const char *const keys[] = {"role", "selector", "type", "detect", "min_deviation",
		"interval", "stale_after", NULL};
	static const char *const types[] = {"gauge", "counter", NULL};
	static const char *const directions[] = {"none", "up", "down", "both", NULL};
	const char *names[ROLE_COUNT + 1] = {NULL};
	int role, type = SIGNAL_GAUGE, direction = DIRECTION_NONE;

	for (int i = 0; i < ROLE_COUNT; i++)
		names[i] = role_name((enum signal_role)i);
	if (!yaml_check_keys(reader, node, keys) ||
		!yaml_read_choice(reader, node, "role", true, names, &role))
		return;
	if (seen[role]) {
		yaml_report(reader, node, "role \"%s\" is bound twice in this file", names[role]);
		return;
	}
	seen[role] = true;
	struct signal_binding *binding = &set->roles[role];

	binding->bound = true;
	binding->deviation_min = 0;
	binding->interval_ms = INTERVAL_DEFAULT_MS;
	read_selector(reader, node, "selector", &binding->matchers);
	(void)yaml_read_choice(reader, node, "type", false, types, &type);
	(void)yaml_read_choice(reader, node, "detect", false, directions, &direction);
	(void)yaml_read_double(reader, node, "min_deviation", false, 0, 1e300,
		&binding->deviation_min);
	(void)yaml_read_duration(reader, node, "interval", false, 100, DAY_MS,
		&binding->interval_ms);
	binding->stale_ms = binding->interval_ms * 4 > STALE_DEFAULT_MS ? binding->interval_ms * 4
									: STALE_DEFAULT_MS;
	(void)yaml_read_duration(reader, node, "stale_after", false, 1000, DAY_MS,
		&binding->stale_ms);
	if (binding->stale_ms < 2 * binding->interval_ms)
		yaml_report(reader, yaml_get(node, "stale_after"),
			"stale_after is less than two intervals");
	binding->type = (enum signal_type)type;
	binding->detect = (enum signal_direction)direction;
}

static void read_file(struct signal_set *set, const char *path, struct diagnostics *diagnostics)
{
	static const char *const keys[] = {"signals", "pod_owner", NULL};
	struct yaml_document *document = yaml_open_file(path, diagnostics);
	struct yaml_reader reader = {.file = path, .diagnostics = diagnostics};
	bool seen[ROLE_COUNT] = {false};

	if (document == NULL)
		return;
	const struct yaml_node *root = yaml_root(document);

	if (yaml_check_keys(&reader, root, keys)) {
		const struct yaml_node *list = yaml_get(root, "signals");

		if (list == NULL || list->kind != YAML_LIST)
			yaml_report(&reader, list != NULL ? list : root, "signals is no list");
		else
			for (size_t i = 0; i < list->child_count; i++)
				read_binding(set, &reader, list->children[i], seen);
		if (yaml_get(root, "pod_owner") != NULL)
			read_selector(&reader, root, "pod_owner", &set->pod_owner);
	}
	yaml_close(document);
}

/* Legal, and never what somebody wants: nothing is ever found. */
static void warn_empty(const struct signal_set *set, const char *path,
	struct diagnostics *diagnostics)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (set->roles[i].bound)
			return;
	diagnostics_add(diagnostics, true, path, 0, 0,
		"binds no signal: nothing is watched and no condition of a playbook can hold; see "
		"the bundled rules/signals.yaml");
}

enum status signal_set_load(struct signal_set *set, const char *const *paths, size_t count,
	struct diagnostics *diagnostics)
{
	size_t errors = diagnostics->errors;

	memset(set, 0, sizeof(*set));
	for (int i = 0; i < ROLE_COUNT; i++)
		matchers_init(&set->roles[i].matchers);
	matchers_init(&set->pod_owner);
	for (size_t i = 0; i < count; i++)
		read_file(set, paths[i], diagnostics);
	if (count > 0 && diagnostics->errors == errors)
		warn_empty(set, paths[count - 1], diagnostics);
	return diagnostics->errors == errors ? STATUS_OK : STATUS_BAD_INPUT;
}

void signal_set_fini(struct signal_set *set)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		matchers_fini(&set->roles[i].matchers);
	matchers_fini(&set->pod_owner);
}
