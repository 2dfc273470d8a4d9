/*
 * Which object labels mean, and why: the resolver's steps, and what the cluster says of the object.
 *
 * Ownership: what is returned is the caller's (json_decref); the rest is borrowed.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_EXPLAIN_H
#define NIMBUSGUARD_DAEMON_EXPLAIN_H

#include <jansson.h>

#include "base/buf.h"
#include "base/event.h"
#include "remediations/kube_client.h"
#include "remediations/playbook.h"

struct explain_question {
	const struct event *event;
	const char *kind; /* a target's kind, "Workload" too; NULL: all that is asked */
	const struct playbooks
		*playbooks; /* whose target is asked where no kind is given; may be NULL */
	struct kube_session *session; /* NULL: no cluster is known */
};

/* The kinds that may be asked for, NULL-terminated. */
extern const char *const explain_kinds[];

/* {"labels", "playbook", "answers": [{"kind", "resolved", "target", "refusal", "steps", "cluster"}]};
 * NULL: memory is out. */
json_t *explain(const struct explain_question *question) MUST_CHECK;
/* Whether one of the answers names an object. */
bool explain_resolved(const json_t *explanation);
/* The same in sentences. */
void explain_write(struct buf *text, const json_t *explanation);

#endif
