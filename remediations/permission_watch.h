/*
 * Whether the cluster lets each playbook do what it has to, asked at the start and every few minutes by
 * SelfSubjectAccessReviews: a playbook that lacks a verb is disabled by name, rather than fail in the
 * middle of an incident, and enabled again when the verb is given. One for any Workload is disabled for
 * those kinds of them alone that a verb is missing for.
 *
 * What is not known disables nothing: while the API server cannot be asked nothing can be changed
 * anyway, and the last answers hold.
 *
 * Limits: PERMISSION_PLAYBOOKS_MAX playbooks; of more the rest is not watched.
 * Threads: permission_watch_missing() and permission_watch_use() from any; one thread of its own.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_PERMISSION_WATCH_H
#define NIMBUSGUARD_REMEDIATIONS_PERMISSION_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "remediations/kube_client.h"
#include "remediations/permissions.h"

#define PERMISSION_PLAYBOOKS_MAX 256
#define PERMISSION_MISSING_MAX 200

struct permission_watch_config {
	const char *const *namespaces; /* asked for each; copied */
	size_t namespace_count;        /* 0: all namespaces */
	int64_t every_ms;              /* 0: 5 minutes */
	int64_t retry_ms;              /* when the server could not be asked; 0: 30 s */
};

struct permission_watch;

/* Takes the client over when STATUS_OK, and closes it with itself. STATUS_NO_MEMORY. */
enum status permission_watch_open(struct permission_watch **opened, struct kube_client *client,
	const struct permission_watch_config *config, struct error *error) MUST_CHECK;
void permission_watch_close(struct permission_watch *watch);

/* These playbooks from now on, of which none does more than `mode`; they are asked for at once. The
 * verdicts of those that were known by name hold until then. NULL for watch is allowed. */
void permission_watch_use(struct permission_watch *watch, const struct playbooks *playbooks,
	enum mode mode);
/* Whether the playbook is known to lack permissions for a target of this kind (TARGET_NONE: for each it
 * may have), and which: "patch deployments.apps". */
bool permission_watch_missing(struct permission_watch *watch, const char *playbook,
	enum target_kind kind, char *text, size_t size);
/* An array of {"playbook", "missing"}, with "kind" where it is disabled for that one only; "[]" for
 * NULL. */
void permission_watch_write(struct permission_watch *watch, struct buf *json);
/* In words: "grow lacks patch deployments.apps; ...", "grow for StatefulSet lacks ..."; nothing for NULL. */
void permission_watch_tell(struct permission_watch *watch, struct buf *text);

#endif
