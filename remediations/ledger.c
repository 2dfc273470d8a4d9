/*
 * The ledger is an array in order of time, read from its end. Budgets keep it short: no more entries
 * can stand in a window than the cluster's budget allows, so a scan costs less than an index would.
 */
#include "remediations/ledger.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define ENTRIES_FIRST 64

void ledger_init(struct ledger *ledger, size_t entry_max)
{
	*ledger = (struct ledger){.entry_max = entry_max};
}

void ledger_fini(struct ledger *ledger)
{
	mem_free(ledger->entries);
	*ledger = (struct ledger){.entries = NULL};
}

static uint64_t hash_two(const char *first, const char *second)
{
	struct workload_key key = {.kind = TARGET_NONE};

	memcpy(key.cluster, first, strlen(first) + 1);
	memcpy(key.namespace_name, second, strlen(second) + 1);
	return workload_key_hash(&key);
}

void ledger_key(struct ledger_entry *entry, const struct target *target)
{
	struct workload_key object = {.kind = target->kind};

	memcpy(object.cluster, target->cluster, sizeof(object.cluster));
	memcpy(object.namespace_name, target->namespace_name, sizeof(object.namespace_name));
	memcpy(object.name, target->name, sizeof(object.name));
	entry->object = workload_key_hash(&object);
	entry->owner = target->workload.kind == TARGET_NONE ? entry->object
							    : workload_key_hash(&target->workload);
	entry->namespace_hash = hash_two(target->cluster, target->namespace_name);
	entry->cluster = hash_two(target->cluster, "");
}

bool ledger_same_target(const struct ledger_entry *a, const struct ledger_entry *b)
{
	return a->object == b->object || a->owner == b->owner;
}

void ledger_expire(struct ledger *ledger, int64_t now_ms, int64_t keep_ms)
{
	size_t old = 0;

	while (old < ledger->count && ledger->entries[old].time_ms < now_ms - keep_ms)
		old++;
	if (!old)
		return;
	ledger->count -= old;
	memmove(ledger->entries, ledger->entries + old, ledger->count * sizeof(*ledger->entries));
}

bool ledger_full(const struct ledger *ledger)
{
	return ledger->count >= ledger->entry_max;
}

enum status ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
	size_t at = ledger->count;

	if (ledger_full(ledger))
		return STATUS_LIMIT;
	if (ledger->count == ledger->capacity) {
		size_t capacity = ledger->capacity ? ledger->capacity * 2 : ENTRIES_FIRST;
		void *grown = mem_resize(ledger->entries, capacity, sizeof(*ledger->entries));

		if (!grown)
			return STATUS_NO_MEMORY;
		ledger->entries = grown;
		ledger->capacity = capacity;
	}
	/* Times only run backwards when the system's clock was set. */
	while (at && ledger->entries[at - 1].time_ms > entry->time_ms) {
		ledger->entries[at] = ledger->entries[at - 1];
		at--;
	}
	ledger->entries[at] = *entry;
	ledger->count++;
	return STATUS_OK;
}

static struct ledger_entry *find(const struct ledger *ledger, const char *action_id)
{
	for (size_t i = ledger->count; i--;)
		if (!strcmp(ledger->entries[i].action_id, action_id))
			return &ledger->entries[i];
	return NULL;
}

void ledger_remove(struct ledger *ledger, const char *action_id)
{
	struct ledger_entry *entry = find(ledger, action_id);
	size_t behind;

	if (!entry)
		return;
	behind = ledger->count - (size_t)(entry - ledger->entries) - 1;
	memmove(entry, entry + 1, behind * sizeof(*entry));
	ledger->count--;
}

void ledger_mark_undone(struct ledger *ledger, const char *action_id)
{
	struct ledger_entry *entry = find(ledger, action_id);

	if (entry)
		entry->undone = true;
}

void ledger_mark_ineffective(struct ledger *ledger, const char *action_id, int64_t now_ms)
{
	struct ledger_entry *entry = find(ledger, action_id);

	if (entry)
		entry->ineffective_ms = now_ms;
}

void ledger_mark_reverted(struct ledger *ledger, const char *action_id, int64_t now_ms)
{
	struct ledger_entry *entry = find(ledger, action_id);

	if (entry)
		entry->reverted_ms = now_ms;
}

unsigned ledger_used(const struct ledger *ledger, const struct ledger_entry *like,
	enum ledger_scope scope, int64_t since_ms)
{
	unsigned used = 0;

	for (size_t i = ledger->count; i-- && ledger->entries[i].time_ms >= since_ms;) {
		const struct ledger_entry *entry = &ledger->entries[i];
		bool same = entry->cluster == like->cluster;

		if ((entry->kind == ACTION_TICKET) != (like->kind == ACTION_TICKET))
			continue;
		if (scope == LEDGER_TARGET)
			same = ledger_same_target(entry, like);
		else if (scope == LEDGER_NAMESPACE)
			same = entry->namespace_hash == like->namespace_hash;
		else if (scope == LEDGER_KIND)
			same = same && entry->kind == like->kind;
		used += same;
	}
	return used;
}

/* Which one of its scope an entry is about; 0: not of the scope, or the same one as like. */
static uint64_t other_of(const struct ledger_entry *entry, const struct ledger_entry *like,
	enum ledger_scope scope)
{
	bool pods = scope == LEDGER_TARGET;

	if (entry->kind == ACTION_TICKET || entry->undone ||
		(pods ? entry->owner != like->owner
		      : entry->namespace_hash != like->namespace_hash))
		return 0;
	if (pods)
		return entry->object != like->object ? entry->object : 0;
	return entry->owner != like->owner ? entry->owner : 0;
}

unsigned ledger_others(const struct ledger *ledger, const struct ledger_entry *like,
	enum ledger_scope scope, int64_t since_ms)
{
	unsigned count = 0;

	for (size_t i = ledger->count; i-- && ledger->entries[i].time_ms >= since_ms;) {
		uint64_t other = other_of(&ledger->entries[i], like, scope);
		size_t later = ledger->count;

		if (!other)
			continue;
		while (--later > i && other_of(&ledger->entries[later], like, scope) != other)
			;
		count += later == i;
	}
	return count;
}

static bool changed(const struct ledger_entry *entry, const struct ledger_entry *like)
{
	return entry->kind != ACTION_TICKET && !entry->undone && ledger_same_target(entry, like);
}

int64_t ledger_last(const struct ledger *ledger, const struct ledger_entry *like)
{
	for (size_t i = ledger->count; i--;)
		if (changed(&ledger->entries[i], like))
			return ledger->entries[i].time_ms;
	return 0;
}

const struct ledger_entry *ledger_last_written(const struct ledger *ledger,
	const struct ledger_entry *like)
{
	for (size_t i = ledger->count; i--;) {
		const struct ledger_entry *entry = &ledger->entries[i];

		if (entry->kind == like->kind && !entry->dry_run && changed(entry, like))
			return entry;
	}
	return NULL;
}

unsigned ledger_ineffective(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms)
{
	unsigned count = 0;

	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_entry *entry = &ledger->entries[i];

		count += entry->ineffective_ms >= since_ms && entry->ineffective_ms != 0 &&
			entry->playbook == like->playbook && ledger_same_target(entry, like);
	}
	return count;
}

unsigned ledger_failures(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms)
{
	unsigned count = 0;

	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_entry *entry = &ledger->entries[i];

		count += entry->ineffective_ms >= since_ms && entry->ineffective_ms != 0 &&
			entry->playbook == like->playbook &&
			entry->namespace_hash == like->namespace_hash;
	}
	return count;
}

double ledger_first_before(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms)
{
	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_entry *entry = &ledger->entries[i];

		if (entry->time_ms >= since_ms && entry->before > 0 && entry->kind == like->kind &&
			changed(entry, like))
			return entry->before;
	}
	return 0;
}
