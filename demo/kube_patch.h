/*
 * Patches as an API server takes them: JSON merge patches (RFC 7396), strategic merge patches of the
 * built-in kinds, JSON patches (RFC 6902: add, replace, remove, test); and who wrote what, as
 * managedFields say it.
 *
 * Ownership: values are changed in place and stay the caller's.
 * Limits: KUBE_PATCH_WIDTH maps of a patch beside each other.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_PATCH_H
#define NIMBUSGUARD_DEMO_KUBE_PATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define KUBE_PATCH_WIDTH 64

enum kube_patch_kind { PATCH_MERGE, PATCH_STRATEGIC, PATCH_JSON };

/* By the media type; false: it is none of them. */
bool kube_patch_kind_of(const char *media_type, enum kube_patch_kind *kind);

/* Changes the object, which is of no use when it fails. STATUS_BAD_INPUT: no such patch, or too wide;
 * STATUS_CONFLICT: a test of it fails; STATUS_NO_MEMORY. */
enum status kube_patch_apply(json_t *object, const json_t *patch, enum kube_patch_kind kind,
	struct error *error) MUST_CHECK;

/* The entry of metadata.managedFields that a writer has. */
struct kube_writer {
	const char *manager, *part; /* part: the subresource, or "" */
	const char *version;        /* apiVersion */
	const char *time;           /* RFC 3339 */
};

/* Gives all fields below spec, labels and annotations that differ between the two to the writer, and
 * takes them from the others. Both have the same metadata.managedFields at the beginning. */
void kube_patch_own(const json_t *before, json_t *after, const struct kube_writer *writer);

#endif
