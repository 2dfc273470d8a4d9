/*
 * A silence's matchers: the alerts by name, and each label with the value that it has for the target.
 * A label `pod` of a workload is a pattern of the names that its controller gives to pods, so that the
 * pods of web do not cover those of web-admin.
 */
#include "remediations/silence_scope.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define PATTERN_MAX (SILENCE_ALERTS_MAX * (2 * SILENCE_ALERT_NAME_MAX))
#define EXPORTED "exported_"

bool silence_alert_name_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
	size_t size = strlen(name);

	return size > 0 && size < SILENCE_ALERT_NAME_MAX && strchr(letters, *name) != NULL &&
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789-.") ==
		size;
}

static bool is_workload(enum target_kind kind)
{
	return kind == TARGET_NONE || kind == TARGET_DEPLOYMENT || kind == TARGET_STATEFULSET ||
		kind == TARGET_DAEMONSET;
}

/* What a label says of an object. */
enum meaning {
	MEANS_NOTHING,
	MEANS_CLUSTER,
	MEANS_NAMESPACE,
	MEANS_KIND,
	MEANS_NAME,
	MEANS_WORKLOAD,
	MEANS_PODS
};

static enum meaning meaning_of(enum target_kind kind, const char *label)
{
	if (strncmp(label, EXPORTED, strlen(EXPORTED)) == 0)
		label += strlen(EXPORTED);
	if (strcmp(label, "cluster") == 0)
		return MEANS_CLUSTER;
	if (strcmp(label, "namespace") == 0)
		return kind == TARGET_NODE ? MEANS_NOTHING : MEANS_NAMESPACE;
	if (strcmp(label, "workload_kind") == 0)
		return is_workload(kind) || kind == TARGET_POD ? MEANS_KIND : MEANS_NOTHING;
	if (strcmp(label, "workload") == 0)
		return is_workload(kind) || kind == TARGET_POD ? MEANS_WORKLOAD : MEANS_NOTHING;
	if (kind != TARGET_NONE && strcmp(label, target_kind_label(kind)) == 0)
		return MEANS_NAME;
	if (strcmp(label, "pod") == 0 && is_workload(kind))
		return MEANS_PODS;
	return MEANS_NOTHING;
}

bool silence_label_valid(enum target_kind kind, const char *label, bool *names)
{
	enum meaning meaning = meaning_of(kind, label);

	*names = meaning >= MEANS_NAME;
	return meaning != MEANS_NOTHING;
}

const char *silence_scope_hits(const struct silence_scope *scope, struct matchers *trigger)
{
	for (size_t i = 0; i < scope->alert_count; i++) {
		bool fits = true;

		for (size_t j = 0; j < trigger->count; j++)
			if (strcmp(trigger->list[j].name, "alertname") == 0)
				fits = fits &&
					matcher_test(trigger, &trigger->list[j], scope->alerts[i]);
		if (fits)
			return scope->alerts[i];
	}
	return NULL;
}

/* A text as a pattern that fits it alone. Names of Kubernetes and of alerts have no other letter with
 * a meaning than the dot. */
static void add_literal(char *pattern, size_t size, const char *text)
{
	size_t used = strlen(pattern);

	for (; *text != '\0' && used + 3 < size; text++) {
		if (strchr(".\\+*?()|[]{}^$", *text) != NULL)
			pattern[used++] = '\\';
		pattern[used++] = *text;
	}
	pattern[used] = '\0';
}

static void add_piece(char *pattern, size_t size, const char *piece)
{
	size_t used = strlen(pattern);

	snprintf(pattern + used, size - used, "%s", piece);
}

static enum status add_alerts(const struct silence_scope *scope, struct matchers *matchers,
	struct error *error)
{
	char pattern[PATTERN_MAX] = "";

	if (scope->alert_count == 0)
		return error_set(error, STATUS_BAD_INPUT, "no alert is named");
	if (scope->alert_count == 1)
		return matchers_add(matchers, MATCHER_EQUAL, "alertname", scope->alerts[0], error);
	for (size_t i = 0; i < scope->alert_count; i++) {
		add_piece(pattern, sizeof(pattern), i > 0 ? "|" : "");
		add_literal(pattern, sizeof(pattern), scope->alerts[i]);
	}
	return matchers_add(matchers, MATCHER_REGEX, "alertname", pattern, error);
}

/* The names that a controller gives to its pods; "" for another kind. */
static const char *pods_of(enum target_kind kind)
{
	return kind == TARGET_DEPLOYMENT     ? "-[0-9a-z]+-[0-9a-z]{5}"
		: kind == TARGET_STATEFULSET ? "-[0-9]+"
		: kind == TARGET_DAEMONSET   ? "-[0-9a-z]{5}"
					     : "";
}

static enum status add_label(const char *label, const struct target *target,
	struct matchers *matchers, struct error *error)
{
	enum matcher_type type = MATCHER_EQUAL;
	char pattern[3 * OBJECT_NAME_MAX] = "";
	const char *value = "";

	switch (meaning_of(target->kind, label)) {
	case MEANS_CLUSTER:
		value = target->cluster;
		break;
	case MEANS_NAMESPACE:
		value = target->namespace_name;
		break;
	case MEANS_KIND:
		if (target->workload.kind != TARGET_NONE)
			value = target_kind_name(target->workload.kind);
		break;
	case MEANS_WORKLOAD:
		value = target->workload.name;
		break;
	case MEANS_NAME:
		value = target->name;
		break;
	case MEANS_PODS:
		add_literal(pattern, sizeof(pattern), target->name);
		add_piece(pattern, sizeof(pattern), pods_of(target->kind));
		value = *pods_of(target->kind) != '\0' ? pattern : "";
		type = MATCHER_REGEX;
		break;
	case MEANS_NOTHING:
		break;
	}
	if (*value == '\0')
		return error_set(error, STATUS_BAD_INPUT, "the label %.60s has no value for a %s",
			label, target_kind_name(target->kind));
	return matchers_add(matchers, type, label, value, error);
}

static enum status add_usual(const struct target *target, struct matchers *matchers,
	struct error *error)
{
	enum status status = STATUS_OK;

	if (*target->cluster != '\0')
		status = add_label("cluster", target, matchers, error);
	if (status == STATUS_OK && target_kind_namespaced(target->kind))
		status = add_label("namespace", target, matchers, error);
	if (status == STATUS_OK)
		status = add_label(target_kind_label(target->kind), target, matchers, error);
	return status;
}

enum status silence_scope_matchers(const struct silence_scope *scope, const struct target *target,
	struct matchers *matchers, struct error *error)
{
	size_t before = matchers->count;
	enum status status;
	bool named = scope->label_count == 0;

	if (target->kind == TARGET_NONE || *target->name == '\0')
		return error_set(error, STATUS_BAD_INPUT, "there is no target to be narrow about");
	status = add_alerts(scope, matchers, error);
	if (status == STATUS_OK && scope->label_count == 0)
		status = add_usual(target, matchers, error);
	for (size_t i = 0; status == STATUS_OK && i < scope->label_count; i++) {
		bool names;

		status = add_label(scope->labels[i], target, matchers, error);
		named = (silence_label_valid(target->kind, scope->labels[i], &names) && names) ||
			named;
	}
	if (status == STATUS_OK && !named)
		status = error_set(error, STATUS_BAD_INPUT, "no label names the %s itself",
			target_kind_name(target->kind));
	if (status != STATUS_OK)
		matchers_cut(matchers, before);
	return status;
}
