/*
 * From settings to the configurations of the parts, and where the rules are that come with the
 * program.
 *
 * Ownership: what is filled in points into the configuration and the bundle, which must outlive it.
 * Threads: pure, but for what is looked up on the disk.
 */
#ifndef NIMBUSGUARD_DAEMON_BUNDLE_H
#define NIMBUSGUARD_DAEMON_BUNDLE_H

#include "analyzers/analyzer.h"
#include "base/clock.h"
#include "daemon/backfill.h"
#include "daemon/config.h"
#include "remediations/remediator.h"

/* Builds the remediator's and the analyzer's configuration from settings. The result points into
 * config and bundle (paths of bundled rules), which must outlive it. */
struct bundle {
	char signals[4096], playbooks[4096];
	char general[4096]; /* the net for all workloads; there may be none */
	char general_own[4096];
	const char *signal_paths[1], *playbook_paths[1];
	bool found;
	char looked_in[8192]; /* folders, for messages */
};

/* Where the bundled rules are: beside the program (share/nimbusguard or the checkout's rules/). */
void bundle_find(struct bundle *bundle);
void service_analyzer_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct analyzer_config *analyzer);
void service_remediator_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, char *journal_path, size_t journal_path_size,
	struct remediator_config *remediator);
/* Only to be used when backfill.url is not empty. */
void service_backfill_config(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct backfill_config *backfill);

/* The analyzer as the remediator's signal source; it is borrowed. */
struct signal_source signals_of_analyzer(struct analyzer *analyzer);

#endif
