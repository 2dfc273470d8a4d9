/*
 * What was done when: the guard's memory of actions for cooldowns, budgets in sliding windows, the
 * cumulative change and the breaker.
 *
 * Ownership: entries are plain values.
 * Limits: entry_max entries; entries older than the longest window asked for are dropped first, and
 *   when all are still needed ledger_full() says so, so that the guard refuses.
 * Order: entries stand in the order of their times.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_LEDGER_H
#define NIMBUSGUARD_REMEDIATIONS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workload.h"
#include "remediations/actuator.h"

struct ledger_entry {
	int64_t time_ms;
	char action_id[ACTION_ID_MAX];
	uint64_t object; /* the object that is changed */
	uint64_t owner;  /* the workload that it belongs to, or the object */
	uint64_t namespace_hash, cluster, playbook;
	enum action_kind kind;
	bool undone;  /* surely not done: counts for budgets, not for cooldown and change */
	bool dry_run; /* nothing was written */
	int64_t ineffective_ms; /* 0: not found ineffective */
	int64_t reverted_ms;    /* 0: nobody was found to have changed the field back */
	double before, after;   /* of replicas or memory; 0: no such value */
};

struct ledger {
	struct ledger_entry *entries;
	size_t count, capacity, entry_max;
};

void ledger_init(struct ledger *ledger, size_t entry_max);
void ledger_fini(struct ledger *ledger);

/* Fills what names the target: object, owner, namespace, cluster. */
void ledger_key(struct ledger_entry *entry, const struct target *target);
/* Whether two entries are about the same object or owner. */
bool ledger_same_target(const struct ledger_entry *a, const struct ledger_entry *b);

/* Forgets what is older than keep_ms before now. */
void ledger_expire(struct ledger *ledger, int64_t now_ms, int64_t keep_ms);
bool ledger_full(const struct ledger *ledger);
/* STATUS_LIMIT when full, STATUS_NO_MEMORY. */
enum status ledger_add(struct ledger *ledger, const struct ledger_entry *entry) MUST_CHECK;
/* By action id; nothing happens when it is not there. */
void ledger_remove(struct ledger *ledger, const char *action_id);
void ledger_mark_undone(struct ledger *ledger, const char *action_id);
void ledger_mark_reverted(struct ledger *ledger, const char *action_id, int64_t now_ms);
void ledger_mark_ineffective(struct ledger *ledger, const char *action_id, int64_t now_ms);

enum ledger_scope { LEDGER_TARGET, LEDGER_NAMESPACE, LEDGER_KIND, LEDGER_CLUSTER };

/* Entries at or after since_ms that share the scope with `like`. Tickets and changes are counted
 * apart: like->kind says which of them. */
unsigned ledger_used(const struct ledger *ledger, const struct ledger_entry *like,
	enum ledger_scope scope, int64_t since_ms);
/* Changes at or after since_ms of others than like: with LEDGER_TARGET of other objects (pods) of its
 * owner, with LEDGER_NAMESPACE of other owners in its namespace; each counts once. */
unsigned ledger_others(const struct ledger *ledger, const struct ledger_entry *like,
	enum ledger_scope scope, int64_t since_ms);
/* Time of the last change to the target, 0 when there is none. */
int64_t ledger_last(const struct ledger *ledger, const struct ledger_entry *like);
/* The last change of like's kind to its target that was really written, or NULL. */
const struct ledger_entry *ledger_last_written(const struct ledger *ledger,
	const struct ledger_entry *like);
/* Ineffective outcomes of like's playbook on its target since then. */
unsigned ledger_ineffective(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms);
/* The same of like's playbook in its namespace, on whatever target. */
unsigned ledger_failures(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms);
/* The value before the first change of like's kind to its target since then, 0 when none. */
double ledger_first_before(const struct ledger *ledger, const struct ledger_entry *like,
	int64_t since_ms);

#endif
