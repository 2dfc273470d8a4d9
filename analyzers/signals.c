/*
 * Reads rules/signals.yaml.
 *
 *   signals:
 *   - role: cpu                       one of the roles of base/workload.h
 *     selector: nimbusguard:workload_cpu_cores:sum
 *     type: gauge                     gauge (default), counter, quantile or ratio
 *     detect: both                    up, down, both or none (default)
 *     min_deviation: 0.05             in the role's unit
 *     forecast: true                  false by default; of signals with a detect other than none
 *     interval: 15s                   expected distance of samples
 *     stale_after: 2m
 *   - role: latency
 *     type: quantile                  of histograms, over a window of time
 *     selector: request_seconds_bucket   buckets (label le), or native histograms
 *     quantile: 0.99
 *     window: 5m
 *   - role: error_rate
 *     type: ratio                     of the sums of two selections
 *     numerator: request_errors_total
 *     denominator: requests_total
 *     of: counters                    counters (default; increases over the window) or gauges
 *     window: 5m
 *   pod_owner: nimbusguard:pod_owner:info
 *   workload_node: nimbusguard:workload_node:pods
 */
#include "analyzers/signals.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define INTERVAL_DEFAULT_MS 15000
#define STALE_DEFAULT_MS 150000
#define WINDOW_DEFAULT_MS 300000
#define DAY_MS INT64_C(86400000)

enum binding_form { FORM_GAUGE, FORM_COUNTER, FORM_QUANTILE, FORM_RATIO, FORM_COUNT };

static const char *const forms[] = {"gauge", "counter", "quantile", "ratio", NULL};

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

/* A key that means nothing for this type is a mistake, not a comment. */
static void refuse_keys(const struct yaml_reader *reader, const struct yaml_node *node,
	enum binding_form form)
{
	static const struct {
		const char *key;
		unsigned forms; /* that have it */
	} owners[] = {{"selector", 1u << FORM_GAUGE | 1u << FORM_COUNTER | 1u << FORM_QUANTILE},
		{"quantile", 1u << FORM_QUANTILE}, {"numerator", 1u << FORM_RATIO},
		{"denominator", 1u << FORM_RATIO}, {"of", 1u << FORM_RATIO},
		{"window", 1u << FORM_QUANTILE | 1u << FORM_RATIO}};

	for (size_t i = 0; i < ARRAY_COUNT(owners); i++)
		if ((owners[i].forms & 1u << form) == 0 && yaml_get(node, owners[i].key) != NULL)
			yaml_report(reader, yaml_get(node, owners[i].key), "%s is not for type %s",
				owners[i].key, forms[form]);
}

/* FNV-1a over all that the values depend on, so that another definition makes another series. */
static void write_definition(struct signal_binding *binding)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_printf(&text, "%d %.17g %lld %lld %d ", (int)binding->derivation, binding->quantile,
		(long long)binding->window_ms, (long long)binding->interval_ms, binding->counters);
	for (int part = 0; part < 2; part++) {
		matchers_write(&text, &binding->parts[part]);
		buf_add_char(&text, '/');
	}
	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
	snprintf(binding->definition, sizeof(binding->definition), "%016llx",
		(unsigned long long)hash);
	buf_fini(&text);
}

static enum status select_derived(struct signal_binding *binding, enum signal_role role,
	struct error *error)
{
	struct matchers *matchers = &binding->matchers;
	enum status status =
		matchers_add(matchers, MATCHER_EQUAL, "__name__", SIGNAL_DERIVED_METRIC, error);

	if (status == STATUS_OK)
		status = matchers_add(matchers, MATCHER_EQUAL, "definition", binding->definition,
			error);
	if (status == STATUS_OK)
		status = matchers_add(matchers, MATCHER_EQUAL, "role", role_name(role), error);
	return status;
}

static void read_derived(const struct yaml_reader *reader, const struct yaml_node *node,
	enum signal_role role, struct signal_binding *binding)
{
	static const char *const of[] = {"counters", "gauges", NULL};
	int gauges = 0;
	struct error error;

	binding->window_ms = binding->interval_ms * 4 > WINDOW_DEFAULT_MS ? binding->interval_ms * 4
									  : WINDOW_DEFAULT_MS;
	if (binding->derivation == DERIVE_QUANTILE) {
		read_selector(reader, node, "selector", &binding->parts[0]);
		(void)yaml_read_double(reader, node, "quantile", true, 0, 1, &binding->quantile);
	} else {
		read_selector(reader, node, "numerator", &binding->parts[0]);
		read_selector(reader, node, "denominator", &binding->parts[1]);
		(void)yaml_read_choice(reader, node, "of", false, of, &gauges);
		if (gauges == 1 && yaml_get(node, "window") != NULL)
			yaml_report(reader, yaml_get(node, "window"),
				"a ratio of gauges has no window");
	}
	binding->counters = gauges == 0;
	(void)yaml_read_duration(reader, node, "window", false, 1000, DAY_MS, &binding->window_ms);
	if (gauges == 0 && binding->window_ms < 2 * binding->interval_ms)
		yaml_report(reader, yaml_get(node, "window"), "window is less than two intervals");
	write_definition(binding);
	if (select_derived(binding, role, &error) != STATUS_OK)
		yaml_report(reader, node, "%s", error.text);
}

static void clear_matchers(struct signal_binding *binding)
{
	matchers_fini(&binding->matchers);
	matchers_init(&binding->matchers);
	for (int part = 0; part < 2; part++) {
		matchers_fini(&binding->parts[part]);
		matchers_init(&binding->parts[part]);
	}
}

static void read_times(const struct yaml_reader *reader, const struct yaml_node *node,
	struct signal_binding *binding)
{
	binding->interval_ms = INTERVAL_DEFAULT_MS;
	(void)yaml_read_duration(reader, node, "interval", false, 100, DAY_MS,
		&binding->interval_ms);
	binding->stale_ms = binding->interval_ms * 4 > STALE_DEFAULT_MS ? binding->interval_ms * 4
									: STALE_DEFAULT_MS;
	(void)yaml_read_duration(reader, node, "stale_after", false, 1000, DAY_MS,
		&binding->stale_ms);
	if (binding->stale_ms < 2 * binding->interval_ms)
		yaml_report(reader, yaml_get(node, "stale_after"),
			"stale_after is less than two intervals");
}

static void read_binding(struct signal_set *set, const struct yaml_reader *reader,
	const struct yaml_node *node, bool seen[ROLE_COUNT])
{
	static const char *const keys[] = {"role", "selector", "type", "detect", "min_deviation",
		"interval", "stale_after", "quantile", "numerator", "denominator", "of", "window",
		"forecast", NULL};
	static const char *const directions[] = {"none", "up", "down", "both", NULL};
	const char *names[ROLE_COUNT + 1] = {NULL};
	int role, form = FORM_GAUGE, direction = DIRECTION_NONE;

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

	clear_matchers(binding);
	binding->bound = true;
	binding->deviation_min = 0;
	binding->forecast = false;
	(void)yaml_read_bool(reader, node, "forecast", false, &binding->forecast);
	(void)yaml_read_choice(reader, node, "type", false, forms, &form);
	(void)yaml_read_choice(reader, node, "detect", false, directions, &direction);
	(void)yaml_read_double(reader, node, "min_deviation", false, 0, 1e300,
		&binding->deviation_min);
	read_times(reader, node, binding);
	binding->type = form == FORM_COUNTER ? SIGNAL_COUNTER : SIGNAL_GAUGE;
	binding->derivation = form == FORM_QUANTILE ? DERIVE_QUANTILE
		: form == FORM_RATIO                ? DERIVE_RATIO
						    : DERIVE_NONE;
	binding->detect = (enum signal_direction)direction;
	if (binding->forecast && direction == DIRECTION_NONE)
		yaml_report(reader, yaml_get(node, "forecast"),
			"only signals that are watched are forecast: detect is none");
	refuse_keys(reader, node, (enum binding_form)form);
	if (binding->derivation == DERIVE_NONE)
		read_selector(reader, node, "selector", &binding->matchers);
	else
		read_derived(reader, node, (enum signal_role)role, binding);
}

static void read_file(struct signal_set *set, const char *path, struct diagnostics *diagnostics)
{
	static const char *const keys[] = {"signals", "pod_owner", "workload_node", NULL};
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
		if (yaml_get(root, "workload_node") != NULL)
			read_selector(&reader, root, "workload_node", &set->workload_node);
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
		clear_matchers(&set->roles[i]);
	matchers_init(&set->pod_owner);
	matchers_init(&set->workload_node);
	for (size_t i = 0; i < count; i++)
		read_file(set, paths[i], diagnostics);
	if (count > 0 && diagnostics->errors == errors)
		warn_empty(set, paths[count - 1], diagnostics);
	return diagnostics->errors == errors ? STATUS_OK : STATUS_BAD_INPUT;
}

void signal_set_fini(struct signal_set *set)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		clear_matchers(&set->roles[i]);
	matchers_fini(&set->pod_owner);
	matchers_fini(&set->workload_node);
}

size_t signal_set_selectors(const struct signal_set *set, const struct matchers **selectors)
{
	size_t count = 0;

	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct signal_binding *binding = &set->roles[role];

		if (!binding->bound)
			continue;
		if (binding->derivation == DERIVE_NONE) {
			selectors[count++] = &binding->matchers;
			continue;
		}
		selectors[count++] = &binding->parts[0];
		if (binding->derivation == DERIVE_RATIO)
			selectors[count++] = &binding->parts[1];
	}
	if (set->pod_owner.count > 0)
		selectors[count++] = &set->pod_owner;
	if (set->workload_node.count > 0)
		selectors[count++] = &set->workload_node;
	return count;
}
