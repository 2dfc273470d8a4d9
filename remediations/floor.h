/*
 * Floors: the least replicas of an autoscaler, raised for a time. An HPA or ScaledObject knows no time to
 * live, so the patch that raises the bound marks the object in the same request:
 *
 *   nimbusguard.io/floor-until    when it is to fall back, RFC 3339
 *   nimbusguard.io/floor          the bound that was written, by which it is told from another's
 *   nimbusguard.io/floor-before   the bound that was there without it
 *
 * The engine takes it down by its journal (engine_floor.c); where the service is gone for good
 * floors_expire() does it from what stands on the objects alone.
 *
 * Threads: floor_read() and floor_write() are pure; floors_expire() is its session's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_FLOOR_H
#define NIMBUSGUARD_REMEDIATIONS_FLOOR_H

#include <jansson.h>

#include "remediations/actuator.h"
#include "remediations/kube_client.h"

#define ANNOTATION_FLOOR_UNTIL "nimbusguard.io/floor-until"
#define ANNOTATION_FLOOR "nimbusguard.io/floor"
#define ANNOTATION_FLOOR_BEFORE "nimbusguard.io/floor-before"

#define FLOOR_HOLD_MIN_MS INT64_C(300000)
#define FLOOR_HOLD_MAX_MS INT64_C(86400000)
#define FLOOR_MARKS_MAX 256

enum floor_marked {
	FLOOR_NONE,
	FLOOR_MARKED,
	FLOOR_UNCLEAR /* one of the marks is missing or says nothing that can be */
};

enum floor_marked floor_read(const json_t *object, struct floor_mark *mark);
/* The members of "annotations" of a merge patch, each with a comma before it; NULL: that take them away.
 * size of at least FLOOR_MARKS_MAX. */
void floor_write(const struct floor_mark *mark, char *text, size_t size);

/* X(fate, name): what became of one */
#define FLOOR_FATE_TABLE(X)                                                                        \
	X(FLOOR_STANDS, "stands")    /* its time is not over */                                    \
	X(FLOOR_OVER, "over")        /* it is, and nothing was to be changed */                    \
	X(FLOOR_EXPIRED, "expired")  /* taken down */                                              \
	X(FLOOR_CHANGED, "changed")  /* the bound is another's by now: at most the marks go */     \
	X(FLOOR_PAUSED, "paused")    /* it, or its namespace, says that nobody may touch it */     \
	X(FLOOR_MARK_BAD, "unclear") /* the marks say nothing that can be */                       \
	X(FLOOR_FAILED, "failed")    /* the API server did not take it */

enum floor_fate {
#define X(fate, name) fate,
	FLOOR_FATE_TABLE(X)
#undef X
		FLOOR_FATE_COUNT
};

const char *floor_fate_name(enum floor_fate fate);

/* One that was looked at, valid during the call. */
struct floor_seen {
	enum target_kind kind;
	const char *namespace_name, *name;
	int32_t bound; /* its least as it is */
	struct floor_mark mark;
	enum floor_fate fate;
	const char *words; /* of FLOOR_FAILED, else "" */
};

typedef void floor_seen_fn(void *argument, const struct floor_seen *seen);

struct floors_question {
	const char *namespace_name; /* NULL: all */
	int64_t now_ms,
		grace_ms; /* it is over so long after its end: a service that is there comes first */
	bool apply;       /* false: only looks */
};

/* Looks through all HPAs and, where KEDA is installed, ScaledObjects, and takes down what is over, with the
 * object's version as precondition. What is paused stays, itself or by its
 * namespace, and so does what is in a namespace that cannot be read. What one object's server said no to is told of it
 * (FLOOR_FAILED) and goes on. Errors
 * of the lists end it: as kube_list_read(). */
enum status floors_expire(struct kube_session *session, const struct floors_question *question,
	floor_seen_fn *seen, void *argument, struct error *error) MUST_CHECK;

#endif
