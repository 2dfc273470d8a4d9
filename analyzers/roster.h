/*
 * Who is watched: the table of workloads with the series of each of their signals, rebuilt from the
 * store's selections when series come or go, and what the last scan said of each.
 *
 * Ownership: a roster owns its array and the sights; entries keep them and their trackers over a rebind.
 * Limits: workload_max entries; the series of those that exceed it are counted in `left_out`.
 * Threads: one writer; copies are handed to readers.
 */
#ifndef NIMBUSGUARD_ANALYZERS_ROSTER_H
#define NIMBUSGUARD_ANALYZERS_ROSTER_H

#include "analyzers/demand.h"
#include "analyzers/feed.h"
#include "analyzers/findings.h"
#include "analyzers/outlook.h"
#include "analyzers/sight.h"
#include "analyzers/signals.h"
#include "analyzers/watch.h"
#include "store/store.h"

struct watched_signal {
	uint32_t series; /* STORE_NO_SERIES: none */
	bool duplicate;  /* several series claim it and still get samples */
	int64_t fed;     /* up to which minute it was looked at for the 1-minute tier */
	struct finding_tracker tracker;
	struct judgement last;
	struct sight_features features; /* as of the last closed minute; watched signals only */
	struct outlook_view outlook;    /* likewise; says nothing where nothing is forecast */
};

struct watched_workload {
	struct workload_key key;
	bool present; /* has a series after the last rebind */
	/* Of the scan alone: NULL in copies, and when memory was out. */
	struct feeds *feeds;
	struct sight *sight;
	struct watch *watch;
	struct outlook *outlook;
	int64_t outlook_tried;   /* minute; ROLLUP_NEVER: not yet */
	uint32_t outlook_roles;  /* that were asked for */
	struct demand *demand;   /* of the scan alone, too */
	int64_t demand_again;    /* minute of its next training; ROLLUP_NEVER: none was asked for */
	struct demand_view peak; /* as of the last closed minute */
	int64_t kept;            /* minute of the last state that was written; ROLLUP_NEVER: none */
	struct grid_row row;     /* the last closed minute */
	struct watch_state watched; /* as of then */
	bool watch_told;            /* its episode is a finding of its own */
	struct watched_signal signals[ROLE_COUNT];
};

struct roster {
	struct watched_workload *workloads;
	size_t count, capacity, max, left_out;
	uint32_t *slots; /* open addressing: index + 1, 0 is free */
	size_t slot_count;
};

enum status roster_init(struct roster *roster, size_t workload_max) MUST_CHECK;
void roster_fini(struct roster *roster);
/* The entry of a key, or NULL. Valid until the next rebind. */
struct watched_workload *roster_find(const struct roster *roster, const struct workload_key *key);
/* Reads the selections of all bindings anew. Workloads without any series are dropped once none of
 * their findings is open. STATUS_NO_MEMORY leaves a usable, possibly older roster. */
enum status roster_bind(struct roster *roster, struct signal_set *set,
	struct store *store) MUST_CHECK;
/* A deep copy for readers, but for what belongs to the scan alone. */
enum status roster_copy(struct roster *copy, const struct roster *roster) MUST_CHECK;

#endif
