/*
 * Kubernetes objects as JSON: their paths, and the fields that the actuator reads.
 *
 * Ownership: texts and objects that are returned belong to the object asked; all take NULL for an
 *   absent object and answer that the field is absent.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_OBJECT_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/workload.h"

#define ANNOTATION_MANAGED "nimbusguard.io/managed"
#define ANNOTATION_PAUSED "nimbusguard.io/paused"
#define ANNOTATION_DRY_RUN "nimbusguard.io/dry-run"
#define ANNOTATION_ACTION "nimbusguard.io/action"
#define ANNOTATION_REASON "nimbusguard.io/reason"
#define ANNOTATION_CORDONED "nimbusguard.io/cordoned" /* the action that cordoned the node */

/* Path of an object; namespace_name is not used for kinds that live in none. STATUS_BAD_INPUT when a
 * name can be none of Kubernetes, STATUS_UNSUPPORTED for a kind without a path. */
enum status kube_object_path(struct buf *path, enum target_kind kind, const char *namespace_name,
	const char *name, struct error *error) MUST_CHECK;

/* apiVersion of a kind: "apps/v1"; "" for one without a path. */
const char *kube_group_version(enum target_kind kind);

/* The member at the end of a chain of names, which ends with NULL. */
json_t *kube_get(const json_t *object, ...) __attribute__((sentinel));

/* Of metadata; "" when absent. */
const char *kube_uid(const json_t *object);
const char *kube_resource_version(const json_t *object);
bool kube_terminating(const json_t *object);
/* NULL when absent. */
const char *kube_annotation(const json_t *object, const char *name);
const char *kube_label(const json_t *object, const char *name);
/* The owner reference with controller: true; NULL when there is none. */
const json_t *kube_controller(const json_t *object);

/* A strict boolean of an annotation. */
enum kube_flag { KUBE_FLAG_ABSENT, KUBE_FLAG_FALSE, KUBE_FLAG_TRUE, KUBE_FLAG_UNCLEAR };
enum kube_flag kube_annotation_flag(const json_t *object, const char *name);

/* The kind that a kind and an apiVersion name together; TARGET_NONE for any that we don't know, a
 * Deployment of a foreign group too. */
enum target_kind kube_kind(const char *kind, const char *api_version);

/* A whole number within int32_t; fallback when absent or anything else. */
int32_t kube_number(const json_t *value, int32_t fallback);

/* The container of a pod, or of a workload's pod template; name "": the first. NULL: none. */
const json_t *kube_container(const json_t *object, enum target_kind kind, const char *name);
/* The name of the only container, NULL when there are more. */
const char *kube_only_container(const json_t *object, enum target_kind kind);
/* Limits of a container; 0 where there is none. STATUS_BAD_INPUT when one is no quantity. */
enum status kube_limits(const json_t *container, int64_t *memory_bytes, int64_t *cpu_milli,
	struct error *error) MUST_CHECK;
/* The same of its requests. */
enum status kube_requests(const json_t *container, int64_t *memory_bytes, int64_t *cpu_milli,
	struct error *error) MUST_CHECK;

/* Any JSON as text (mem_free); NULL: no memory, absent, or longer than max. */
char *kube_dump(const json_t *value, size_t max) MUST_CHECK;

#endif
