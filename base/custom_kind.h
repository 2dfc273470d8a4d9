/*
 * Kinds of the cluster's objects beside those of TARGET_KIND_TABLE: custom resources that a playbook
 * names. Each is numbered as it is first named and keeps its number for the life of the process, so
 * that it serves as an enum target_kind like any other: in targets, keys of workloads, sets of bits.
 *
 * Ownership: rows are never changed or freed once they are there; what is returned lives for ever.
 * Limits: TARGET_CUSTOM_MAX kinds; one of a word, whatever its group, for labels name kinds by the word.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_BASE_CUSTOM_KIND_H
#define NIMBUSGUARD_BASE_CUSTOM_KIND_H

#include "base/workload.h"

#define TARGET_CUSTOM_MAX 16
#define API_VERSION_MAX 128
#define RESOURCE_MAX 80

struct custom_kind {
	char name[KIND_MAX];                    /* "Rollout" */
	char label[KIND_MAX];                   /* "rollout" */
	char api_version[API_VERSION_MAX];      /* "argoproj.io/v1alpha1" */
	char group[API_VERSION_MAX];            /* "argoproj.io" */
	char resource[RESOURCE_MAX];            /* "rollouts" */
	char scale[RESOURCE_MAX + 8];           /* "rollouts/scale" */
	char words[API_VERSION_MAX + KIND_MAX]; /* "argoproj.io/v1alpha1 Rollout" */
};

/*
 * The kind by its words, "GROUP/VERSION KIND", with the resource under which it is served (NULL: the
 * one that is known, else the plural as it is usually made). STATUS_BAD_INPUT: they are none; STATUS_CONFLICT: the word is taken by
 * another kind, or by the same one with another version or resource; STATUS_LIMIT.
 */
enum status custom_kind_define(const char *words, const char *resource, enum target_kind *kind,
	struct error *error) MUST_CHECK;
/* NULL for a kind of the table. */
const struct custom_kind *custom_kind_get(enum target_kind kind);
/* How many there are; they are numbered from TARGET_KIND_COUNT on. */
unsigned custom_kind_count(void);

#endif
