#include "analyzers/rightsize/sized.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GIB 1073741824.0
#define MIB 1048576.0

static const char *const resource_names[SIZED_RESOURCES] = {"cpu", "memory"};

int sized_compare(const void *left, const void *right)
{
	const struct sized *a = left, *b = right;
	int order = strcmp(a->workload.cluster, b->workload.cluster);

	if (order == 0)
		order = strcmp(a->workload.namespace_name, b->workload.namespace_name);
	if (order == 0)
		order = (int)a->workload.kind - (int)b->workload.kind;
	if (order == 0)
		order = strcmp(a->workload.name, b->workload.name);
	return order != 0 ? order : strcmp(a->container, b->container);
}

void sized_quantity(enum sized_resource resource, double value, char *text, size_t size)
{
	if (isnan(value))
		snprintf(text, size, "-");
	else if (resource == SIZED_MEMORY)
		snprintf(text, size, "%.0fMi", ceil(value / MIB - 1e-3));
	else
		snprintf(text, size, "%.0fm", ceil(value * 1000 - 1e-3));
}

static const char *verdict_name(enum sizing_verdict verdict)
{
	return verdict == SIZING_READY ? "ready" : verdict == SIZING_STALE ? "stale" : "too_short";
}

/* ---- JSON ---- */

static void add_number(struct buf *json, const char *name, double value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_number(json, value);
}

static void add_text(struct buf *json, const char *name, const char *value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, value, strlen(value));
}

static double replicas_of(const struct sized *sized)
{
	return sized->now.replicas > 0 ? sized->now.replicas : 1;
}

static void write_choice(const struct sized *sized, enum sizing_way way, struct buf *json)
{
	const struct sizing_choice *choice = &sized->advice.choices[way];

	buf_printf(json, "\"%s\":{\"way\":\"%s\"", sizing_way_name(way), sizing_way_name(way));
	add_number(json, "cpu_request", choice->request[SIZED_CPU]);
	add_number(json, "memory_request", choice->request[SIZED_MEMORY]);
	add_number(json, "cpu_limit", choice->limit[SIZED_CPU]);
	add_number(json, "memory_limit", choice->limit[SIZED_MEMORY]);
	add_number(json, "cpu_over", choice->over[SIZED_CPU]);
	add_number(json, "memory_over", choice->over[SIZED_MEMORY]);
	add_number(json, "kill_risk", choice->kill_risk);
	add_number(json, "month", choice->month * replicas_of(sized));
	buf_add_char(json, '}');
}

static void write_resource(const struct sizing_advice *advice, int resource, struct buf *json)
{
	const struct day_forecast *forecast = &advice->forecasts[resource];

	buf_printf(json, ",\"%s\":{\"days\":%zu", resource_names[resource], advice->days[resource]);
	add_number(json, "vpa_lower", advice->vertical.lower[resource]);
	add_number(json, "vpa_upper", advice->vertical.upper[resource]);
	if (forecast->by != NULL) {
		add_text(json, "forecaster", forecast->by);
		add_number(json, "margin", forecast->margin);
		buf_printf(json, ",\"tried_days\":%zu", forecast->tried);
	}
	buf_add_char(json, '}');
}

void sized_write_json(const struct sized *sized, struct buf *json)
{
	const struct sizing_advice *advice = &sized->advice;

	buf_add_text(json, "{\"cluster\":");
	buf_add_json_string(json, sized->workload.cluster, strlen(sized->workload.cluster));
	add_text(json, "namespace", sized->workload.namespace_name);
	add_text(json, "kind", target_kind_name(sized->workload.kind));
	add_text(json, "workload", sized->workload.name);
	add_text(json, "container", sized->container);
	add_number(json, "replicas", sized->now.replicas);
	add_text(json, "verdict", verdict_name(advice->verdict));
	add_number(json, "confidence", advice->confidence);
	buf_printf(json, ",\"oom_kills\":%u", advice->kills);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++)
		write_resource(advice, resource, json);
	buf_add_text(json, ",\"choices\":{");
	for (int way = 0; way < SIZING_WAYS; way++) {
		if (way > 0)
			buf_add_char(json, ',');
		write_choice(sized, (enum sizing_way)way, json);
	}
	buf_add_text(json, "}}");
}

/* ---- text ---- */

static void add_percent(struct buf *text, double part)
{
	if (isnan(part))
		buf_printf(text, " %10s", "-");
	else
		buf_printf(text, " %8.2f %%", part * 100);
}

static void write_line(const struct sized *sized, enum sizing_way way, struct buf *text)
{
	static const char *const words[SIZING_WAYS] = {"as it is", "VPA's rule", "peak",
		"forecast"};
	const struct sizing_choice *choice = &sized->advice.choices[way];

	buf_printf(text, "  %-10s", words[way]);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		char request[32], limit[32];

		sized_quantity((enum sized_resource)resource, choice->request[resource], request,
			sizeof(request));
		sized_quantity((enum sized_resource)resource, choice->limit[resource], limit,
			sizeof(limit));
		buf_printf(text, " %9s %9s", request, limit);
		add_percent(text, choice->over[resource]);
	}
	add_percent(text, choice->kill_risk);
	if (!isnan(choice->month))
		buf_printf(text, " %10.2f", choice->month * replicas_of(sized));
	buf_add_char(text, '\n');
}

static void write_reason(const struct sizing_advice *advice, struct buf *text)
{
	if (advice->verdict == SIZING_TOO_SHORT)
		buf_printf(text,
			"  Nothing is recommended: %zu full days of CPU and %zu of memory are known, %d "
			"are needed.\n",
			advice->days[SIZED_CPU], advice->days[SIZED_MEMORY], DAYS_MIN);
	else if (advice->verdict == SIZING_STALE)
		buf_add_text(text,
			"  Nothing is recommended: there were no measurements in the last hour.\n");
}

void sized_write_text(const struct sized *sized, struct buf *text)
{
	const struct sizing_advice *advice = &sized->advice;
	char name[WORKLOAD_TEXT_MAX];

	workload_key_write(&sized->workload, name, sizeof(name));
	buf_printf(text, "%s container %s", name, sized->container);
	if (!isnan(sized->now.replicas))
		buf_printf(text, ", %.0f replicas", sized->now.replicas);
	if (advice->kills > 0)
		buf_printf(text, ", killed %u times for lack of memory", advice->kills);
	buf_add_char(text, '\n');
	write_reason(advice, text);
	buf_printf(text, "  %-10s %9s %9s %10s %9s %9s %10s %10s %10s\n", "", "CPU", "limit",
		"over", "memory", "limit", "over", "kill risk", "a month");
	for (int way = 0; way < SIZING_WAYS; way++)
		if (way == SIZING_NOW || advice->verdict == SIZING_READY)
			write_line(sized, (enum sizing_way)way, text);
	if (advice->verdict == SIZING_READY)
		buf_printf(text,
			"  Forecasts: CPU by %s with a margin of %.2f, memory by %s with %.2f; %zu full "
			"days.\n",
			advice->forecasts[SIZED_CPU].by, advice->forecasts[SIZED_CPU].margin,
			advice->forecasts[SIZED_MEMORY].by, advice->forecasts[SIZED_MEMORY].margin,
			advice->days[SIZED_CPU]);
}

/* ---- a manifest ---- */

static bool has_manifest(const struct sized *sized, enum sizing_way way)
{
	const struct sizing_choice *choice = &sized->advice.choices[way];

	return (sized->workload.kind == TARGET_DEPLOYMENT ||
		       sized->workload.kind == TARGET_STATEFULSET ||
		       sized->workload.kind == TARGET_DAEMONSET) &&
		!isnan(choice->request[SIZED_CPU]) && !isnan(choice->request[SIZED_MEMORY]);
}

static void add_values(const double values[SIZED_RESOURCES], const char *name, struct buf *yaml)
{
	char text[32];

	if (isnan(values[SIZED_CPU]) && isnan(values[SIZED_MEMORY]))
		return;
	buf_printf(yaml, "          %s:\n", name);
	for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
		if (isnan(values[resource]))
			continue;
		sized_quantity((enum sized_resource)resource, values[resource], text, sizeof(text));
		buf_printf(yaml, "            %s: %s\n", resource_names[resource], text);
	}
}

static bool same_workload(const struct sized *a, const struct sized *b)
{
	return workload_key_equal(&a->workload, &b->workload);
}

/* Names of objects are letters, digits, '-' and '.', but may look like numbers: they are quoted. */
static void write_head(const struct sized *sized, struct buf *yaml)
{
	buf_add_text(yaml, "---\n");
	if (sized->workload.cluster[0] != '\0')
		buf_printf(yaml, "# cluster %s\n", sized->workload.cluster);
	buf_printf(yaml,
		"apiVersion: apps/v1\nkind: %s\nmetadata:\n  namespace: \"%s\"\n  name: \"%s\"\n"
		"spec:\n  template:\n    spec:\n      containers:\n",
		target_kind_name(sized->workload.kind), sized->workload.namespace_name,
		sized->workload.name);
}

void sized_write_manifest(const struct sized *sized, size_t count, enum sizing_way way,
	struct buf *yaml)
{
	const struct sized *open = NULL;

	buf_printf(yaml,
		"# Requests and limits recommended by NimbusGuard (%s). To apply:\n"
		"#   kubectl apply --server-side --field-manager=rightsize -f FILE\n"
		"# Each workload is rolled. Where an HPA scales by CPU or memory utilization, its target "
		"means\n# another load afterwards.\n",
		sizing_way_name(way));
	for (size_t i = 0; i < count; i++) {
		const struct sizing_choice *choice = &sized[i].advice.choices[way];
		char name[WORKLOAD_TEXT_MAX];

		if (!has_manifest(&sized[i], way)) {
			workload_key_write(&sized[i].workload, name, sizeof(name));
			buf_printf(yaml, "# %s container %s: nothing is recommended\n", name,
				sized[i].container);
			continue;
		}
		if (open == NULL || !same_workload(open, &sized[i]))
			write_head(&sized[i], yaml);
		open = &sized[i];
		buf_printf(yaml, "      - name: \"%s\"\n        resources:\n", sized[i].container);
		add_values(choice->request, "requests", yaml);
		add_values(choice->limit, "limits", yaml);
	}
}
