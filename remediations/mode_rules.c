/*
 * A rule is a set of matchers on the labels playbook, cluster and namespace. A value that takes a
 * pattern past its limit fits: in doubt the stricter mode is in force.
 */
#include "remediations/mode_rules.h"

#include <string.h>

#include "base/matcher.h"
#include "base/mem.h"
#include "remediations/playbook.h"

struct rule {
	struct matchers matchers;
	enum mode mode;
};

struct mode_rules {
	size_t count;
	struct rule list[];
};

static bool add(struct matchers *matchers, const struct mode_rule *rule, const char *name,
	const char *pattern, struct diagnostics *diagnostics)
{
	struct error error;

	if (!pattern || !matchers_add(matchers, MATCHER_REGEX, name, pattern, &error))
		return true;
	diagnostics_add(diagnostics, false, rule->file ? rule->file : "", rule->line, rule->column,
		"modes: %s: %s", name, error.text);
	return false;
}

static bool check_playbook(const struct mode_rule *rule, const struct matchers *matchers,
	const struct playbooks *playbooks, struct diagnostics *diagnostics)
{
	for (size_t i = 0; playbooks && i < playbooks_count(playbooks); i++) {
		struct label pair = {"playbook", playbooks_at(playbooks, i)->name, 8, 0};
		struct labels labels = {&pair, 1};
		struct matchers one = {.list = matchers->list, .count = 1};

		pair.value_size = (uint32_t)strlen(pair.value);
		if (matchers_test(&one, &labels))
			return true;
	}
	if (!playbooks)
		return true;
	diagnostics_add(diagnostics, false, rule->file ? rule->file : "", rule->line, rule->column,
		"modes: there is no playbook \"%.80s\"", rule->playbook);
	return false;
}

struct mode_rules *mode_rules_open(const struct mode_rule *rules, size_t count,
	const struct playbooks *playbooks, struct diagnostics *diagnostics, enum status *status)
{
	struct mode_rules *opened = mem_zalloc(1, sizeof(*opened) + count * sizeof(struct rule));

	*status = opened ? STATUS_OK : STATUS_NO_MEMORY;
	for (size_t i = 0; opened && i < count; i++) {
		struct rule *rule = &opened->list[opened->count++];

		matchers_init(&rule->matchers);
		rule->mode = rules[i].mode;
		if (!add(&rule->matchers, &rules[i], "playbook", rules[i].playbook, diagnostics) ||
			(rules[i].playbook &&
				!check_playbook(&rules[i], &rule->matchers, playbooks,
					diagnostics)) ||
			!add(&rule->matchers, &rules[i], "cluster", rules[i].cluster,
				diagnostics) ||
			!add(&rule->matchers, &rules[i], "namespace", rules[i].namespace_name,
				diagnostics))
			*status = STATUS_BAD_INPUT;
	}
	if (!*status)
		return opened;
	mode_rules_close(opened);
	return NULL;
}

void mode_rules_close(struct mode_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		matchers_fini(&rules->list[i].matchers);
	mem_free(rules);
}

static bool fits(struct rule *rule, const struct labels *labels)
{
	uint64_t hits = rule->matchers.limit_hits, misses = rule->matchers.memory_misses;

	return matchers_test(&rule->matchers, labels) || rule->matchers.limit_hits != hits ||
		rule->matchers.memory_misses != misses;
}

enum mode mode_rules_apply(const struct mode_rules *rules, const char *playbook,
	const char *cluster, const char *namespace_name, enum mode mode)
{
	struct label pairs[] = {{"cluster", cluster, 7, (uint32_t)strlen(cluster)},
		{"namespace", namespace_name, 9, (uint32_t)strlen(namespace_name)},
		{"playbook", playbook, 8, (uint32_t)strlen(playbook)}};
	struct labels labels = {pairs, 3};

	for (size_t i = 0; rules && i < rules->count; i++) {
		/* The counters of its matchers are what changes. */
		struct rule *rule = (struct rule *)(uintptr_t)&rules->list[i];

		if (rule->mode < mode && fits(rule, &labels))
			mode = rule->mode;
	}
	return mode;
}
