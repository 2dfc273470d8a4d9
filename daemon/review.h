/*
 * What serve, check and a reload ask of a configuration before anything is opened: are its files
 * there and right, may it listen where it wants to, and does it do what its author thinks?
 *
 * Ownership: everything is borrowed, but the struct access that is returned.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_DAEMON_REVIEW_H
#define NIMBUSGUARD_DAEMON_REVIEW_H

#include "daemon/config.h"
#include "daemon/service.h"

/* Signals, playbooks, files of the cluster, and warnings of combinations in which a part does
 * nothing. Errors and warnings are in diagnostics with the place of the setting; STATUS_BAD_INPUT
 * when there was an error. */
enum status review_rules(const struct config *config, struct bundle *bundle,
	const struct clock *clock, struct diagnostics *diagnostics) MUST_CHECK;

/* Who may come, and from where: the address, the web configuration and the tokens. The caller's
 * access_close(); NULL when there was an error, which is in diagnostics. */
struct access *review_access(const struct config *config,
	struct diagnostics *diagnostics) MUST_CHECK;

bool review_feature(const struct config *config, const char *feature);
/* kubernetes.url, "in-cluster", or NULL when none is known. */
const char *review_cluster(const struct config *config);

#endif
