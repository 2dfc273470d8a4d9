/*
 * From labels to the one object that they name, or to a refusal that says why not. Typed: a pod is
 * named by pod labels, a workload by workload labels, never by whatever happens to be there.
 *
 * Ownership: plain values; the refusal's reason is a constant.
 * Limits: names as Kubernetes bounds and spells them; others are refused, never cut or mended.
 * Threads: pure, but for what the signal source asks.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_RESOLVER_H
#define NIMBUSGUARD_REMEDIATIONS_RESOLVER_H

#include "base/labels.h"
#include "base/workload.h"
#include "remediations/playbook.h"
#include "remediations/signal_source.h"

#define REASON_MAX 40
#define SENTENCE_MAX 384

/* Why something was not done: a code for metrics and a sentence for people. */
struct refusal {
	char reason[REASON_MAX]; /* "" when there is none */
	char sentence[SENTENCE_MAX];
};

/* The words of a refusal, cut on a character where they are too long. */
void refusal_set(struct refusal *refusal, const char *reason, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* X(reason code, plain words) */
#define RESOLVER_REASON_TABLE(X)                                                                   \
	X("target_missing", "the labels do not name a target of this kind")                        \
	X("target_ambiguous", "the labels name more than one target")                              \
	X("target_exporter",                                                                       \
		"the labels name the exporter that was scraped, not what it tells of")             \
	X("target_invalid", "a name in the labels is none that Kubernetes allows")

/*
 * Fills target (without uid and resource version) and returns true, or fills refusal and returns
 * false. A spec that needs no target gives kind TARGET_NONE, and what workload the labels name if
 * they do.
 *
 * Rules: once a label exported_namespace, exported_pod, exported_container or exported_node is
 * there, the labels that service discovery attaches (namespace, pod, container, node) belong to the
 * exporter and only their exported_ forms name a target. There is no default namespace. job,
 * instance and service never name anything. Two labels that name different workloads are ambiguous.
 */
bool target_resolve(const struct target_spec *spec, const struct labels *labels,
	const struct signal_source *signals, struct target *target,
	struct refusal *refusal) MUST_CHECK;

/* X(step, name): what a line of an explanation is about */
#define RESOLVE_STEP_TABLE(X)                                                                      \
	X(RESOLVE_RULE, "rule")           /* a rule, and what it says of these labels */           \
	X(RESOLVE_CANDIDATE, "candidate") /* an object that labels name */                         \
	X(RESOLVE_IGNORED, "ignored")     /* a label that names nothing, and why */

enum resolve_step {
#define X(step, name) step,
	RESOLVE_STEP_TABLE(X)
#undef X
		RESOLVE_STEP_COUNT
};

const char *resolve_step_name(enum resolve_step step);

/* Is told each step as it is made; text lives until it returns. */
struct resolve_listener {
	void *argument;
	void (*step)(void *argument, enum resolve_step step, const char *text);
};

/* target_resolve() that tells how it comes to its answer. */
bool target_explain(const struct target_spec *spec, const struct labels *labels,
	const struct signal_source *signals, const struct resolve_listener *listener,
	struct target *target, struct refusal *refusal) MUST_CHECK;

/* A name that Kubernetes allows for an object: lower-case letters, digits, '-' and '.', at most 253
 * bytes, beginning and ending with a letter or digit. */
bool object_name_valid(const char *name);

#endif
