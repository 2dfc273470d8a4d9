/*
 * A budget's selector is a label selector of Kubernetes: an absent one selects nothing, an empty one all
 * pods of the namespace. How many may go now is the controller's word, status.disruptionsAllowed.
 */
#include "remediations/drain_budgets.h"

#include <stdio.h>
#include <string.h>

#include "remediations/kube_object.h"
#include "remediations/words.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(kube_get(object, "metadata", name, NULL));

	return text != NULL ? text : "";
}

static bool is_ready(const json_t *pod)
{
	const json_t *list = kube_get(pod, "status", "conditions", NULL), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *type = json_string_value(json_object_get(item, "type"));
		const char *status = json_string_value(json_object_get(item, "status"));

		if (type != NULL && strcmp(type, "Ready") == 0)
			return status != NULL && strcmp(status, "True") == 0;
	}
	return false;
}

void drain_crowd_add(struct drain_crowd *crowd, json_t *pod)
{
	const char *phase = json_string_value(kube_get(pod, "status", "phase", NULL));

	/* No budget is asked for one that waits, or has finished. */
	if (phase != NULL && strcmp(phase, "Running") != 0)
		return;
	if (crowd->count == DRAIN_PODS_MAX)
		crowd->full = true;
	else
		crowd->pods[crowd->count++] = json_incref(pod);
}

void drain_crowd_fini(struct drain_crowd *crowd)
{
	for (size_t i = 0; i < crowd->count; i++)
		json_decref(crowd->pods[i]);
	crowd->count = 0;
}

/* ---- selectors ---- */

static bool is_among(const json_t *values, const char *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach(values, i, item)
	{
		const char *text = json_string_value(item);

		if (value != NULL && text != NULL && strcmp(text, value) == 0)
			return true;
	}
	return false;
}

/* An operator that is not known might select. */
static bool fits(const json_t *expression, const json_t *labels)
{
	const char *key = json_string_value(json_object_get(expression, "key"));
	const char *word = json_string_value(json_object_get(expression, "operator"));
	const json_t *values = json_object_get(expression, "values");
	const char *value = json_string_value(json_object_get(labels, key != NULL ? key : ""));

	if (word == NULL)
		return true;
	if (strcmp(word, "In") == 0)
		return is_among(values, value);
	if (strcmp(word, "NotIn") == 0)
		return !is_among(values, value);
	if (strcmp(word, "Exists") == 0)
		return value != NULL;
	return strcmp(word, "DoesNotExist") != 0 || value == NULL;
}

static bool selects(const json_t *selector, const json_t *labels)
{
	const json_t *expression, *value;
	const char *key;
	size_t i;

	if (!json_is_object(selector))
		return false;
	json_object_foreach(json_object_get(selector, "matchLabels"), key, value)
	{
		const char *own = json_string_value(json_object_get(labels, key));
		const char *wanted = json_string_value(value);

		if (own == NULL || wanted == NULL || strcmp(own, wanted) != 0)
			return false;
	}
	json_array_foreach(json_object_get(selector, "matchExpressions"), i, expression)
	{
		if (!fits(expression, labels))
			return false;
	}
	return true;
}

/* ---- budgets ---- */

/* One that is not ready is let go whatever the budget says, where the budget says so. */
static bool is_free(const json_t *budget, const json_t *pod)
{
	const char *policy =
		json_string_value(kube_get(budget, "spec", "unhealthyPodEvictionPolicy", NULL));

	return policy != NULL && strcmp(policy, "AlwaysAllow") == 0 && !is_ready(pod);
}

static void add_budget(struct drain_budgets *budgets, struct drain_crowd *crowd,
	const json_t *budget)
{
	const char *space = text_of(budget, "namespace");
	int32_t allowed = kube_number(kube_get(budget, "status", "disruptionsAllowed", NULL), 0);
	struct drain_budget held = {.allowed = allowed > 0 ? (unsigned)allowed : 0};

	for (size_t i = 0; i < crowd->count; i++) {
		const json_t *pod = crowd->pods[i];

		if (strcmp(text_of(pod, "namespace"), space) != 0 ||
			!selects(kube_get(budget, "spec", "selector", NULL),
				kube_get(pod, "metadata", "labels", NULL)))
			continue;
		if (++crowd->under[i] == 2 && *budgets->twice == '\0')
			snprintf(budgets->twice, sizeof(budgets->twice), "%.60s/%.90s", space,
				text_of(pod, "name"));
		held.pods += !is_free(budget, pod);
	}
	if (held.pods <= held.allowed)
		return;
	snprintf(held.name, sizeof(held.name), "%.30s/%.48s", space, text_of(budget, "name"));
	if (budgets->count < DRAIN_BUDGETS_MAX)
		budgets->list[budgets->count] = held;
	budgets->count++;
}

void drain_budgets_add(struct drain_budgets *budgets, struct drain_crowd *crowd, const json_t *list)
{
	const json_t *items = json_object_get(list, "items"), *budget;
	size_t i;

	json_array_foreach(items, i, budget) add_budget(budgets, crowd, budget);
}

void drain_budgets_write(const struct drain_budgets *budgets, char *text, size_t size)
{
	unsigned told = budgets->count < DRAIN_BUDGETS_MAX ? budgets->count : DRAIN_BUDGETS_MAX;
	struct words words;

	words_init(&words, text, size);
	for (unsigned i = 0; i < told; i++)
		words_add(&words, "%s%s allows %u of %u pods now",
			i > 0 ? ", " : "; PodDisruptionBudget ", budgets->list[i].name,
			budgets->list[i].allowed, budgets->list[i].pods);
	if (budgets->count > told)
		words_add(&words, ", and %u more", budgets->count - told);
}
