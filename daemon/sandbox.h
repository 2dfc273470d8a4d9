/*
 * The product's own parts on time that the caller passes: store, analyzer, resolver, playbooks, guard,
 * engine and actuators, against a cluster in memory. Tests of playbooks and replays run in it.
 *
 * Ownership: the sandbox owns its parts; configuration, bundle and paths are borrowed until it is closed.
 * Limits: SANDBOX_ANSWERS_MAX answers under way to the engine.
 * Order: at one moment: changes of the cluster, samples, sandbox_scan(), sandbox_give(),
 *   sandbox_settle(), words of people, sandbox_settle().
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_SANDBOX_H
#define NIMBUSGUARD_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "daemon/bundle.h"
#include "daemon/case_cluster.h"
#include "daemon/finding_groups.h"
#include "remediations/kube_observe.h"
#include "remediations/rules.h"
#include "remediations/seen.h"
#include "store/store.h"

#define SANDBOX_ANSWERS_MAX (1u << 20)

struct sandbox_config {
	const struct config *config;
	struct bundle *bundle;
	const char *const *playbook_paths; /* NULL: those of the settings, or the bundled ones */
	size_t playbook_path_count;
	int64_t start_ms;
	struct store_limits store;
	bool has_cluster;
	bool dry_run; /* whatever the settings say */
	/* What a dry run would have done is done to the cluster in memory, where it is certain what that
	 * comes to: values written on one object. */
	bool applies;
	void *argument;
	/* The engine's news, as it happens. */
	void (*told)(void *argument, const struct news *news);
	/* A command as it goes out, in a dry run too. May be NULL. */
	void (*sent)(void *argument, const struct command *command);
	/* Of a dry run: the cluster in memory has it from now on. May be NULL. */
	void (*applied)(void *argument, const struct command *command);
	/* A record as it is journaled; it changes hands (record_fini). */
	void (*recorded)(void *argument, struct record *record);
	/* It cannot go on: memory is out, or a limit was hit. Told once. */
	void (*gave_up)(void *argument, const char *words);
};

struct sandbox_answer;

struct sandbox {
	struct sandbox_config config;
	struct clock_manual clock;
	struct rules *rules;
	struct store *store;
	struct analyzer *analyzer;
	int64_t scan_ms; /* between two scans */
	struct engine *engine;
	struct case_cluster cluster;
	struct permissions permissions; /* of the playbooks: the cluster allows nothing else */
	struct kube_look look;
	struct actuator dry, real;      /* as in the product: real is closed with dry */
	uint64_t records;               /* journaled so far */
	struct sandbox_answer *answers; /* [answer_room] ring */
	size_t answer_room, answer_first, answer_count;
	struct seen seen; /* events that the engine was given */
	struct finding_groups groups;
	struct event *findings; /* that the last scan told; owned */
	size_t finding_count;
	bool failed;
};

/* What is wrong with signals and playbooks is in diagnostics (STATUS_BAD_INPUT). Whatever the status,
 * sandbox_close() ends it. */
enum status sandbox_open(struct sandbox *sandbox, const struct sandbox_config *config,
	struct diagnostics *diagnostics, struct error *error) MUST_CHECK;
void sandbox_close(struct sandbox *sandbox);

int64_t sandbox_now_ms(const struct sandbox *sandbox);
/* It cannot go on, for these reasons. */
void sandbox_give_up(struct sandbox *sandbox, const char *words);
/* Looks at all workloads now; what is found waits for sandbox_give(). */
void sandbox_scan(struct sandbox *sandbox);
/* Gives the engine what the scans found, and then these, but nothing that it was given before by
 * fingerprint, start and status, as the journal would have it. All that wait count for the storm gate.
 * Returns how many of these were repeats. */
size_t sandbox_give(struct sandbox *sandbox, const struct event *events, size_t count);
/* Until the engine asks for nothing any more at this moment. */
void sandbox_settle(struct sandbox *sandbox);

#endif
