/*
 * Track records: how often the answers of a playbook in a namespace were right, so that a higher mode
 * can be proposed by what was measured, and taken away when it was not.
 *
 * Ownership: plain values; the table owns its entries.
 * Limits: TRACKS_MAX records; past that the one that was touched least recently goes, demoted ones
 *   never. When all are demoted there is no room, and who has no record counts as demoted.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TRACK_H
#define NIMBUSGUARD_REMEDIATIONS_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/workload.h"
#include "remediations/playbook.h"
#include "remediations/resolver.h"

#define TRACKS_MAX 4096
#define TRACK_KEY_MAX (PLAYBOOK_NAME_MAX + 2 * NAMESPACE_MAX + 8)
#define TRACK_KEY "mode/" /* prefix of the keys of its notes in the journal */

/* X(verdict, field): what an answer turned out to be */
#define TRACK_TABLE(X)                                                                             \
	X(TRACK_CURED, cured)       /* carried out, and it helped */                               \
	X(TRACK_FAILED, failed)     /* carried out: ineffective, worse or reverted */              \
	X(TRACK_HEALED, healed)     /* carried out, and not needed */                              \
	X(TRACK_NEEDED, needed)     /* not carried out, and the trouble stayed */                  \
	X(TRACK_UNNEEDED, unneeded) /* not carried out, and it went away by itself */

enum track_verdict {
#define X(verdict, field) verdict,
	TRACK_TABLE(X)
#undef X
		TRACK_VERDICT_COUNT
};

struct track {
	char playbook[PLAYBOOK_NAME_MAX];
	char cluster[NAMESPACE_MAX], namespace_name[NAMESPACE_MAX];
#define X(verdict, field) unsigned field;
	TRACK_TABLE(X)
#undef X
	bool demoted; /* acts only after a person's approval, until a person lifts it */
	char reason[REASON_MAX], action[ACTION_ID_MAX]; /* why: which outcome of which action */
	char by[128];                                   /* who lifted it last */
	int64_t changed_ms;                             /* when it was demoted or lifted last */
	int64_t touched_ms;

	/* Not journaled. */
	bool proposed; /* a higher mode was told */
	bool noted;    /* the newest state is on its way to the journal or there */
	int64_t noted_ms;
};

struct tracks {
	struct track *list;
	size_t count, capacity;
	bool full; /* no room for one more */
};

void tracks_init(struct tracks *tracks);
void tracks_fini(struct tracks *tracks);
/* NULL when there is none. */
struct track *tracks_find(const struct tracks *tracks, const char *playbook, const char *cluster,
	const char *namespace_name);
/* The record, made if need be. NULL: no room or no memory; tracks->full is set. */
struct track *tracks_get(struct tracks *tracks, const char *playbook, const char *cluster,
	const char *namespace_name, int64_t now_ms);
void track_count(struct track *track, enum track_verdict verdict, int64_t now_ms);

/* The lower bound of the share of right answers at 95 % (Wilson 1927, one-sided z = 1.645); 0 for
 * none. */
double wilson_lower(unsigned right, unsigned all);
/* The mode that is proposed to somebody in `mode` by what was measured: approve after suggest by the
 * answers that were not carried out, auto after approve by those that were; `mode` itself when there
 * are fewer than outcomes_min or the lower bound of their precision is below precision_min. lower and
 * all: that bound and of how many (may be NULL). */
enum mode track_proposal(const struct track *track, enum mode mode, double precision_min,
	unsigned outcomes_min, double *lower, unsigned *all);

/* The key of its note in the journal. */
void track_key(const struct track *track, char key[TRACK_KEY_MAX]);
void track_write_json(struct buf *json, const struct track *track);
/* Takes the note's record over. */
enum status tracks_replay(struct tracks *tracks, const char *body, struct error *error) MUST_CHECK;

#endif
